//! Final outputs where people look for them: the `outputs/` folder of links, and copies where options ask for them.

mod destination;

use std::{
    collections::HashMap,
    convert::Infallible,
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
};

use batchyard_model::RunId;
use batchyard_wdl::{inputs, value::Value};
use indexmap::IndexMap;

pub use self::destination::Destination;
use crate::{documents::Failure, fetch::Remote};

/// Name of the folder of links in a run's directory.
pub const FOLDER: &str = "outputs";

/// Makes `<run>/outputs/` with a link to each output file. Files keep their names, so that an index lies beside what
/// it belongs to; of files with one name each goes to a folder named after its output.
///
/// # Errors
/// The folder cannot be written.
pub fn link_folder(run_dir: &Path, outputs: &IndexMap<String, Value>) -> Result<(), Failure> {
    let named = named_files(outputs);
    if named.is_empty() {
        return Ok(());
    }
    let folder = run_dir.join(FOLDER);
    for (name, file) in &named {
        let link = folder.join(name);
        make_link(&link, Path::new(file), &folder, name.components().count()).map_err(|e| {
            Failure::new(format!("cannot link output `{file}` at `{}`: {e}", link.display()))
                .hint("the results themselves are complete where they are")
        })?;
    }
    Ok(())
}

fn make_link(link: &Path, file: &Path, folder: &Path, depth: usize) -> io::Result<()> {
    if let Some(parent) = link.parent() {
        fs::create_dir_all(parent)?;
    }
    if let Err(e) = fs::remove_file(link)
        && e.kind() != io::ErrorKind::NotFound
    {
        return Err(e);
    }
    // A relative link still works after the run's directory was moved.
    let target = match folder.parent().and_then(|run| file.strip_prefix(run).ok()) {
        Some(below) => std::iter::repeat_n("..", depth).collect::<PathBuf>().join(below),
        None => file.into(),
    };
    symlink(target, link)
}

/// Every output file with the name it gets: its base name when no other file has it, else below its output's name.
fn named_files(outputs: &IndexMap<String, Value>) -> IndexMap<PathBuf, String> {
    let mut files: Vec<(String, String, String)> = Vec::new();
    for (output, value) in outputs {
        let mut index = 0;
        inputs::files(value, &mut |path, _| {
            if let Some(base) = Path::new(&**path).file_name().filter(|_| path.starts_with('/')) {
                files.push((format!("{output}/{index}"), base.to_string_lossy().into_owned(), path.to_string()));
            }
            index += 1;
        });
    }
    let mut owners: HashMap<&str, Vec<&str>> = HashMap::new();
    for (_, base, path) in &files {
        let paths = owners.entry(base).or_default();
        if !paths.contains(&path.as_str()) {
            paths.push(path);
        }
    }
    let unique: Vec<bool> = files.iter().map(|(_, base, _)| owners.get(base.as_str()).is_none_or(|paths| paths.len() == 1)).collect();
    let mut named: IndexMap<PathBuf, String> = IndexMap::new();
    for ((place, base, path), unique) in files.into_iter().zip(unique) {
        let name = if unique { PathBuf::from(base) } else { Path::new(&place).join(base) };
        named.entry(name).or_insert(path);
    }
    named
}

/// Copies every output file below `target`: with the path from the workflow's name on, or with what follows the
/// execution directory alone. Returns the copies by the path of what was copied.
///
/// # Errors
/// Two files that would get one path (all are listed), or a copy that fails.
pub fn copy_final(
    run_dir: &Path,
    workflow: &str,
    id: RunId,
    (target, remote): (&str, &Remote),
    relative: bool,
    outputs: &IndexMap<String, Value>,
) -> Result<HashMap<String, String>, Failure> {
    let target =
        Destination::new(target, remote).map_err(|e| Failure::new(format!("cannot use final_workflow_outputs_dir `{target}`: {e}")))?;
    let mut copies: IndexMap<PathBuf, Vec<String>> = IndexMap::new();
    for value in outputs.values() {
        inputs::files(value, &mut |path, _| {
            let Ok(below) = Path::new(&**path).strip_prefix(run_dir) else { return };
            let to = if relative { after_execution(below) } else { Path::new(workflow).join(id.to_string()).join(below) };
            let sources = copies.entry(to).or_default();
            if !sources.contains(&path.to_string()) {
                sources.push(path.to_string());
            }
        });
    }
    let mut clashes: Vec<String> = copies
        .iter()
        .filter(|(_, sources)| sources.len() > 1)
        .flat_map(|(to, sources)| sources.iter().map(|s| format!("{s} -> {}", target.at(to))))
        .collect();
    clashes.sort_unstable();
    if !clashes.is_empty() {
        return Err(Failure::new(format!(
            "Cannot copy output files to given final_workflow_outputs_dir as multiple files will be copied to the same path: \n{}",
            clashes.join("\n")
        )));
    }
    for (to, sources) in &copies {
        for source in sources {
            let copied = target.copy(Path::new(source), to);
            copied.map_err(|e| Failure::new(format!("cannot copy output `{source}` to `{}`: {e}", target.at(to))))?;
        }
    }
    let called = |(to, sources): (PathBuf, Vec<String>)| {
        let to = target.at(&to);
        sources.into_iter().map(move |source| (source, to.clone()))
    };
    Ok(copies.into_iter().flat_map(called).collect())
}

/// The outputs with their files replaced by these copies.
pub fn with_copies(outputs: &IndexMap<String, Value>, copies: &HashMap<String, String>) -> IndexMap<String, Value> {
    let copied = |path: &Arc<str>| copies.get(&**path).map_or_else(|| Arc::clone(path), |to| to.as_str().into());
    let value = |value: &Value| match inputs::map_files(value, &mut |path, _| Ok::<_, Infallible>(Some(copied(path)))) {
        Ok(value) => value,
        Err(never) => match never {},
    };
    outputs.iter().map(|(name, output)| (name.clone(), value(output))).collect()
}

/// Copies what the commands of a run wrote below `target`, with the path from the workflow's name on.
///
/// # Errors
/// A copy that fails.
pub fn copy_call_logs(run_dir: &Path, workflow: &str, id: RunId, (target, remote): (&str, &Remote)) -> Result<(), Failure> {
    let wrong = |path: &Path, e: String| Failure::new(format!("cannot copy the logs at `{}` to `{target}`: {e}", path.display()));
    let destination = Destination::new(target, remote).map_err(|e| wrong(run_dir, e))?;
    let base = Path::new(workflow).join(id.to_string());
    let mut open = vec![run_dir.to_owned()];
    while let Some(dir) = open.pop() {
        let inside_call = dir.file_name().is_some_and(|name| name == "execution");
        for entry in fs::read_dir(&dir).map_err(|e| wrong(&dir, e.to_string()))?.flatten() {
            let path = entry.path();
            let Ok(kind) = entry.file_type() else { continue };
            if inside_call {
                let is_log = kind.is_file() && matches!(entry.file_name().to_str(), Some("stdout" | "stderr"));
                if let (true, Ok(below)) = (is_log, path.strip_prefix(run_dir)) {
                    destination.copy(&path, &base.join(below)).map_err(|e| wrong(&path, e))?;
                }
            } else if kind.is_dir() && entry.file_name() != "inputs" && entry.file_name() != FOLDER {
                open.push(path);
            }
        }
    }
    Ok(())
}

/// What follows the innermost `execution/` of a path, or its last component.
fn after_execution(path: &Path) -> PathBuf {
    let parts: Vec<_> = path.components().collect();
    match parts.iter().rposition(|c| c.as_os_str() == "execution") {
        Some(n) => parts.iter().skip(n + 1).collect(),
        None => parts.last().into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_where_they_are_unique() {
        let outputs: IndexMap<String, Value> = [
            ("w.bam".to_owned(), Value::file("/r/call-a/execution/x.bam")),
            ("w.bai".to_owned(), Value::file("/r/call-a/execution/x.bam.bai")),
            (
                "w.logs".to_owned(),
                Value::array(vec![Value::file("/r/call-b/shard-0/execution/log"), Value::file("/r/call-b/shard-1/execution/log")]),
            ),
        ]
        .into_iter()
        .collect();
        let names: Vec<_> = named_files(&outputs).into_iter().map(|(n, _)| n.to_string_lossy().into_owned()).collect();
        assert_eq!(names, ["x.bam", "x.bam.bai", "w.logs/0/log", "w.logs/1/log"]);
    }

    #[test]
    fn links_survive_a_move() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run");
        let file = run.join("call-a/execution/x.txt");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "x").unwrap();
        let outputs: IndexMap<String, Value> = [("w.x".to_owned(), Value::file(&*file.to_string_lossy()))].into_iter().collect();
        link_folder(&run, &outputs).unwrap();
        link_folder(&run, &outputs).unwrap();
        fs::rename(&run, dir.path().join("moved")).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("moved/outputs/x.txt")).unwrap(), "x");
    }

    #[test]
    fn directories_are_copied_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (run, target) = (dir.path().join("run"), dir.path().join("final"));
        let made = run.join("call-a/execution/d");
        fs::create_dir_all(made.join("sub")).unwrap();
        fs::write(made.join("sub/x.txt"), "x").unwrap();
        let outputs: IndexMap<String, Value> = [("w.d".to_owned(), Value::file(&*made.to_string_lossy()))].into_iter().collect();
        copy_final(&run, "w", RunId::random(), (&target.to_string_lossy(), &Remote::default()), true, &outputs).unwrap();
        assert_eq!(fs::read_to_string(target.join("d/sub/x.txt")).unwrap(), "x");
    }

    #[test]
    fn the_execution_directory_is_dropped() {
        assert_eq!(after_execution(Path::new("call-a/shard-0/execution/glob-12/x")), Path::new("glob-12/x"));
    }
}
