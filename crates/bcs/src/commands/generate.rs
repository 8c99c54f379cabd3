//! `gen`: a project to begin with.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    kinds::{Offered, offered},
    source,
};
use crate::{
    cache::InstanceType,
    failure::Failure,
    grammar::parse::Arguments,
    reply::pretty,
    session::Session,
    templates::{self, Kind},
};

/// Sizes that templates may ask for: cores and GB.
const SIZES: [(u32, u32); 8] = [(2, 4), (4, 8), (4, 16), (8, 16), (8, 32), (16, 32), (32, 64), (32, 128)];
/// The folder on the object store when none is set.
const NO_PATH: &str = "oss://your-bucket/";
/// An instance type when the service is not asked.
const NO_TYPE: &str = "bcs.a2.large";

/// Writes a project.
///
/// # Errors
///
/// A type that does not exist, files that cannot be written, or the service's.
pub fn generate(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let name = arguments.value("type").unwrap_or_default().to_lowercase();
    let kind = Kind::named(&name)
        .ok_or_else(|| Failure::Argument(format!("Invalid type: {name}, it must be in [java|python|shell|empty|gatk|wdl]")))?;
    let target = session.path(arguments.word("location").unwrap_or("."));
    session.terminal.line(format!("init with [{name}] template at: {}", target.display()))?;
    // Asked first: without an answer nothing is written.
    let types = if kind.is_job() || arguments.has("offline") { Offered::default() } else { offered(session).map_err(without)? };
    write_files(session, kind, &target, arguments.filled("source"))?;
    match kind.is_job() {
        true => fill_job(session, &target.join("job.json"))?,
        false => fill_workflows(session, &target, types)?,
    }
    session.terminal.good("Done")
}

/// A failure to ask, with what helps who has no service.
fn without(failure: Failure) -> Failure {
    const HINT: &str = "`--offline` writes the files without asking the service for its instance types";
    match failure {
        Failure::Told(text) => Failure::Told(format!("{text}; {HINT}")),
        Failure::Unreachable { url, reason } => Failure::Unreachable { url, reason: format!("{reason}; {HINT}") },
        other => other,
    }
}

/// Writes the files of a template; existing files are replaced, as in the original.
///
/// # Errors
///
/// Files that cannot be written, or a source without the files.
pub fn write_files(session: &mut Session, kind: Kind, target: &Path, from: Option<&str>) -> Result<(), Failure> {
    let published = match from {
        Some(from) if kind.is_job() => return Err(Failure::Argument(format!("--source `{from}` is for wdl and gatk only"))),
        Some(from) => source::open(session, from)?,
        None => source::Published::default(),
    };
    for (name, own) in templates::files(kind) {
        let text = match published.find(kind, name) {
            Some(text) => text,
            None => own.as_bytes().to_vec(),
        };
        let path = target.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(Failure::file("make", folder))?;
        }
        fs::write(&path, text).map_err(Failure::file("write", &path))?;
        if name.ends_with(".sh") {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(Failure::file("write", &path))?;
        }
    }
    Ok(())
}

/// Puts the configured image and type into every task of a job.
///
/// # Errors
///
/// A job that cannot be read or written; an image or type that is not configured.
pub fn fill_job(session: &Session, path: &Path) -> Result<(), Failure> {
    let text = crate::session::read_text(path)?;
    let mut job: Value = serde_json::from_str(&text).map_err(|e| Failure::told(format!("`{}` is not JSON: {e}", path.display())))?;
    let (image, kind) = (session.config.default_image()?, session.config.default_type()?);
    for (_, task) in job.pointer_mut("/DAG/Tasks").and_then(Value::as_object_mut).into_iter().flat_map(|tasks| tasks.iter_mut()) {
        task["AutoCluster"]["ImageId"] = json!(image);
        task["AutoCluster"]["InstanceType"] = json!(kind);
    }
    fs::write(path, pretty(&job, 2)).map_err(Failure::file("write", path))
}

/// Fills places like `#{{INSTANCE_TYPE:4:8}}` in scripts and inputs.
fn fill_workflows(session: &Session, target: &Path, mut types: Offered) -> Result<(), Failure> {
    for list in [&mut types.on_demand, &mut types.spot] {
        list.sort_by_key(|t| preference(&t.name));
    }
    let bucket = session.config.get("region").map(|region| format!("genomics-public-data-{}", region.trim_start_matches("cn-")));
    let path = session.config.oss_path().unwrap_or_else(|_| NO_PATH.to_owned());
    for file in to_fill(target)? {
        let text = crate::session::read_text(&file)?;
        let filled = filled(&text, &types, bucket.as_deref().unwrap_or("genomics-public-data"), &path);
        if filled != text {
            fs::write(&file, filled).map_err(Failure::file("write", &file))?;
        }
    }
    Ok(())
}

fn to_fill(target: &Path) -> Result<Vec<PathBuf>, Failure> {
    let files = super::package::files_of(target)?.into_iter().map(|(path, _)| path);
    Ok(files.filter(|path| path.extension().is_some_and(|e| e == "sh" || e == "json")).collect())
}

fn filled(text: &str, types: &Offered, bucket: &str, path: &str) -> String {
    let mut text = text.to_owned();
    for (cores, memory) in SIZES {
        for (word, list) in [("INSTANCE_TYPE", &types.on_demand), ("SPOT_INSTANCE_TYPE", &types.spot)] {
            text = text.replace(&format!("#{{{{{word}:{cores}:{memory}}}}}"), fitting(list, cores, memory));
        }
    }
    text.replace("#{{GENOMICS_PUBLIC_BUCKET}}", bucket).replace("#{{DEFAULT_OSS_PATH}}", path)
}

/// Newer families first, the service's own ones last.
fn preference(name: &str) -> u8 {
    if name.starts_with("ecs.sn1ne.") || name.starts_with("ecs.sn2ne.") {
        0
    } else if name.starts_with("bcs.") {
        2
    } else {
        1
    }
}

/// The first type that is large enough, or the last one there is.
fn fitting(types: &[InstanceType], cores: u32, memory: u32) -> &str {
    let fits = types.iter().find(|t| t.cpu >= f64::from(cores) && t.memory >= f64::from(memory));
    fits.or(types.last()).map_or(NO_TYPE, |t| &t.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled() {
        let kind = |name: &str, cpu, memory| InstanceType { name: name.to_owned(), cpu, memory };
        let mut on_demand = vec![kind("bcs.x", 4.0, 8.0), kind("ecs.other", 4.0, 8.0), kind("ecs.sn1ne.large", 2.0, 4.0)];
        on_demand.sort_by_key(|t| preference(&t.name));
        let types = Offered { on_demand, spot: Vec::new() };
        let text = "#{{INSTANCE_TYPE:2:4}} #{{INSTANCE_TYPE:4:8}} #{{INSTANCE_TYPE:32:128}} #{{SPOT_INSTANCE_TYPE:2:4}} \
            #{{GENOMICS_PUBLIC_BUCKET}} #{{DEFAULT_OSS_PATH}}x";
        assert_eq!(filled(text, &types, "b", "oss://b/p/"), "ecs.sn1ne.large ecs.other bcs.x bcs.a2.large b oss://b/p/x");
    }
}
