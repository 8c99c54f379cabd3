//! `glob()` as Cromwell does it: matches are linked into `glob-<md5 of the pattern>/`, their names listed beside it.
//!
//! Better than its model where that loses files: a match that cannot be linked is copied, and of two matches with
//! one base name the second keeps its own path instead of vanishing.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use batchyard_wdl::ast::{Expr, ExprKind, StringPart};
use glob::{MatchOptions, glob_with};
use md5::{Digest, Md5};

/// Most alternatives that `{a,b}` in one pattern may give.
const MAX_ALTERNATIVES: usize = 10_000;

/// A file that a script leaves in a glob's folder; it is no match.
const CONTROL_FILE: &str = "cromwell_glob_control_file";

/// Name of the folder of a pattern's matches.
fn folder_name(pattern: &str) -> String {
    format!("glob-{}", hex(&Md5::digest(pattern.as_bytes())))
}

/// Shell commands that collect the matches of a pattern in the working directory with a command of the configuration, in
/// which `GLOB_PATTERN` and `GLOB_DIRECTORY` stand for those.
pub fn commands(pattern: &str, link_command: &str) -> String {
    let folder = folder_name(pattern);
    let link = link_command.replace("GLOB_PATTERN", pattern).replace("GLOB_DIRECTORY", &folder);
    format!(
        "mkdir -p {folder}\necho 'This file is here so that the folder of a glob without matches is not empty.' >{folder}/{CONTROL_FILE}\n\
         {link}\nls -1 {folder} | grep -v '^{CONTROL_FILE}$' >{folder}.list"
    )
}

/// The matches that a script has collected with [`commands`]; `None` when it has not.
pub fn listed(dir: &Path, pattern: &str) -> Option<Vec<Arc<str>>> {
    let folder = folder_name(pattern);
    let list = fs::read_to_string(dir.join(format!("{folder}.list"))).ok()?;
    // Some link commands leave a link to the pattern itself when nothing matches.
    let files = list.lines().map(|name| dir.join(&folder).join(name)).filter(|file| file.exists());
    Some(files.map(|file| file.to_string_lossy().into()).collect())
}

/// The patterns of all globs in an expression.
pub fn patterns<'e>(expr: &'e Expr, found: &mut Vec<&'e Expr>) {
    match &expr.kind {
        ExprKind::Call(name, arguments) => {
            found.extend(arguments.iter().filter(|_| &*name.text == "glob"));
            arguments.iter().for_each(|argument| patterns(argument, found));
        }
        ExprKind::Lost | ExprKind::None | ExprKind::Boolean(_) | ExprKind::Int(_) | ExprKind::Float(_) | ExprKind::Ident(_) => {}
        ExprKind::String(parts) => parts.iter().for_each(|part| {
            if let StringPart::Placeholder(placeholder) = part {
                patterns(&placeholder.expr, found);
            }
        }),
        ExprKind::Array(items) => items.iter().for_each(|item| patterns(item, found)),
        ExprKind::Map(entries) => entries.iter().flat_map(|(k, v)| [k, v]).for_each(|part| patterns(part, found)),
        ExprKind::Object(members) | ExprKind::Struct(_, members) => members.iter().for_each(|(_, value)| patterns(value, found)),
        ExprKind::Pair(a, b) | ExprKind::Index(a, b) | ExprKind::Binary(_, a, b) => {
            [a, b].into_iter().for_each(|part| patterns(part, found))
        }
        ExprKind::Member(base, _) | ExprKind::Unary(_, base) => patterns(base, found),
        ExprKind::If(condition, yes, no) => [condition, yes, no].into_iter().for_each(|part| patterns(part, found)),
    }
}

/// Files that match `pattern` below `dir`, linked into the glob folder there, in the order of their names. With `dangling`, links
/// that lead nowhere are among them, under their own paths.
///
/// # Errors
/// A pattern that is none, or a folder that cannot be written.
pub fn collect(dir: &Path, pattern: &str, dangling: bool) -> io::Result<Vec<Arc<str>>> {
    let name = folder_name(pattern);
    let folder = dir.join(&name);
    let mut matches = matching(dir, pattern, dangling)?;
    // What earlier globs have left is ours and not the task's.
    matches.retain(|path| !path.strip_prefix(dir).is_ok_and(is_glob_product));
    matches.sort_by(|a, b| (a.file_name(), a).cmp(&(b.file_name(), b)));
    if matches.iter().any(|path| path.is_file()) {
        fs::create_dir_all(&folder)?;
    }
    let mut taken = HashSet::new();
    let mut files = Vec::with_capacity(matches.len());
    let mut list = String::new();
    for path in matches {
        let Some(base) = path.file_name().map(|n| n.to_string_lossy().into_owned()) else { continue };
        if !path.is_file() {
            files.push(Arc::from(path.to_string_lossy()));
            continue;
        }
        let file = if taken.insert(base.clone()) { link(&path, &folder.join(&base))? } else { path };
        list.push_str(&base);
        list.push('\n');
        files.push(Arc::from(file.to_string_lossy()));
    }
    if !list.is_empty() {
        fs::write(dir.join(format!("{name}.list")), list)?;
    }
    Ok(files)
}

/// Whether a path below the execution directory is a glob's folder or list.
fn is_glob_product(path: &Path) -> bool {
    let first = path.components().next().map(|c| c.as_os_str().to_string_lossy());
    let hash = first.as_deref().and_then(|name| name.strip_prefix("glob-")).map(|rest| rest.strip_suffix(".list").unwrap_or(rest));
    hash.is_some_and(|hash| hash.len() == 32 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

fn link(original: &Path, to: &Path) -> io::Result<PathBuf> {
    // Links are followed, as `ln -L` does.
    let source = fs::canonicalize(original)?;
    match fs::hard_link(&source, to) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(_) => drop(fs::copy(&source, to)?),
        Ok(()) => {}
    }
    Ok(to.into())
}

fn matching(dir: &Path, pattern: &str, dangling: bool) -> io::Result<Vec<PathBuf>> {
    let options = MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };
    let base = glob::Pattern::escape(&dir.to_string_lossy());
    let is_match = |path: &PathBuf| path.is_file() || (dangling && path.is_symlink() && !path.exists());
    let mut found = Vec::new();
    for alternative in alternatives(pattern)? {
        // `**` is like `*` in bash without `globstar`.
        let mut single = alternative;
        while single.contains("**") {
            single = single.replace("**", "*");
        }
        let full = if single.starts_with('/') { single } else { format!("{base}/{single}") };
        let paths = glob_with(&full, options)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, format!("`{pattern}` is no glob pattern: {e}")))?;
        found.extend(paths.filter_map(Result::ok).filter(&is_match));
    }
    let mut seen = HashSet::new();
    found.retain(|path| seen.insert(path.clone()));
    Ok(found)
}

/// Expands the first `{a,b}` again and again, as bash does before it looks for files.
fn alternatives(pattern: &str) -> io::Result<Vec<String>> {
    let mut done = Vec::new();
    let mut open = vec![pattern.to_owned()];
    while let Some(text) = open.pop() {
        if done.len() + open.len() > MAX_ALTERNATIVES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{pattern}` has more than {MAX_ALTERNATIVES} alternatives")));
        }
        match split_braces(&text) {
            Some((head, choices, tail)) => open.extend(choices.iter().rev().map(|choice| format!("{head}{choice}{tail}"))),
            None => done.push(text),
        }
    }
    Ok(done)
}

/// The first brace group with a comma at its own level: text before, choices, text after.
fn split_braces(text: &str) -> Option<(&str, Vec<&str>, &str)> {
    let mut from = 0;
    while let Some(open) = text.get(from..)?.find('{').map(|n| n + from) {
        let (mut depth, mut start, mut choices) = (0, open + 1, Vec::new());
        for (n, c) in text.get(open..)?.char_indices().map(|(n, c)| (n + open, c)) {
            match c {
                '{' => depth += 1,
                ',' if depth == 1 => {
                    choices.push(text.get(start..n)?);
                    start = n + 1;
                }
                '}' => {
                    depth -= 1;
                    if depth == 0 {
                        if choices.is_empty() {
                            break;
                        }
                        choices.push(text.get(start..n)?);
                        return Some((text.get(..open)?, choices, text.get(n + 1..)?));
                    }
                }
                _ => {}
            }
        }
        from = open + 1;
    }
    None
}

/// Lower-case hexadecimal text of bytes.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path, pattern: &str) -> Vec<String> {
        let files = collect(dir, pattern, false).unwrap();
        files.iter().map(|f| Path::new(&**f).strip_prefix(dir).unwrap().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn files_without_dot_files_and_directories() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.txt", "a.txt", ".hidden.txt", "c.csv"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        fs::create_dir(dir.path().join("z.txt")).unwrap();
        let folder = format!("glob-{}", hex(&Md5::digest(b"*.txt")));
        assert_eq!(names(dir.path(), "*.txt"), [format!("{folder}/a.txt"), format!("{folder}/b.txt")]);
        assert_eq!(fs::read_to_string(dir.path().join(format!("{folder}.list"))).unwrap(), "a.txt\nb.txt\n");
        assert_eq!(names(dir.path(), "*.none"), [] as [&str; 0]);
    }

    #[test]
    fn globs_do_not_see_each_other() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("globdata.txt"), "x").unwrap();
        assert_eq!(collect(dir.path(), "*data*", false).unwrap().len(), 1);
        for pattern in ["glob*", "*/*", "*"] {
            let names = names(dir.path(), pattern);
            assert!(names.iter().all(|n| n.ends_with("/globdata.txt")) && names.len() < 2, "{pattern}: {names:?}");
        }
    }

    #[test]
    fn equal_names_from_two_folders_both_survive() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["x", "y"] {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join("same.txt"), name).unwrap();
        }
        let files = collect(dir.path(), "*/same.txt", false).unwrap();
        let texts: Vec<_> = files.iter().map(|f| fs::read_to_string(&**f).unwrap()).collect();
        assert_eq!(texts, ["x", "y"]);
    }

    #[test]
    fn links_that_lead_nowhere_are_matches_where_they_are_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("d")).unwrap();
        fs::write(dir.path().join("file.x"), "text").unwrap();
        for (link, target) in [("folder.x", "d"), ("gone.x", "nowhere"), ("loop.x", "loop.x"), ("to.x", "file.x"), ("d/gone.x", "up")] {
            std::os::unix::fs::symlink(target, dir.path().join(link)).unwrap();
        }
        let base = |pattern: &str, dangling: bool| -> Vec<String> {
            let files = collect(dir.path(), pattern, dangling).unwrap();
            files.iter().map(|file| file.rsplit('/').next().unwrap().to_owned()).collect()
        };
        assert_eq!(base("*.x", false), ["file.x", "to.x"]);
        assert_eq!(base("*.x", true), ["file.x", "gone.x", "loop.x", "to.x"]);
        assert_eq!(base("{gone,none}.x", true), ["gone.x"]);
        let files = collect(dir.path(), "d/gone.x", true).unwrap();
        assert_eq!(files, [Arc::from(dir.path().join("d/gone.x").to_string_lossy())]);
        // In `d`, and by way of `folder.x`; the folders of the globs above hold others.
        assert_eq!(base("*/*.x", true), ["gone.x", "gone.x"]);
    }

    #[test]
    fn what_a_script_has_collected_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.txt", "a.txt", "c.csv"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        assert_eq!(listed(dir.path(), "*.txt"), None);
        for (pattern, expected) in [("*.txt", &["a.txt", "b.txt"] as &[&str]), ("*.none", &[])] {
            let text = commands(pattern, "ln -s \"$PWD\"/GLOB_PATTERN GLOB_DIRECTORY 2>/dev/null");
            #[expect(clippy::disallowed_methods, reason = "a test of shell commands")]
            let mut shell = std::process::Command::new("sh");
            shell.arg("-c").arg(text).current_dir(dir.path()).status().unwrap();
            let found = listed(dir.path(), pattern).unwrap();
            let names: Vec<_> = found.iter().map(|f| f.rsplit('/').next().unwrap()).collect();
            assert_eq!(names, expected);
        }
    }

    #[test]
    fn braces() {
        assert_eq!(alternatives("a{b,c{d,e}}f").unwrap(), ["abf", "acdf", "acef"]);
        assert_eq!(alternatives("{a}").unwrap(), ["{a}"]);
        assert_eq!(alternatives("{a").unwrap(), ["{a"]);
    }
}
