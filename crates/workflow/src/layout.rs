//! Where things of a run lie, as Cromwell lays them out.
//!
//! ```text
//! <run>/call-<call>/[shard-<n>/]...[attempt-<k>/]execution/{script,stdout,stderr,rc,...}
//!                                                inputs/<hash of the source folder>/<file name>
//! <run>/call-<sub call>/[shard-<n>/]<workflow>/<run id>/call-...
//! ```

use std::{
    fs,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use batchyard_model::{CallId, RunId, Shard};
use batchyard_runner::stage::folder_hash;

/// Directory of a call without its attempt.
pub fn call_root(run_dir: &Path, call: &str, shard: &Shard) -> PathBuf {
    let mut dir = run_dir.join(format!("call-{call}"));
    for index in shard.0.iter() {
        dir.push(format!("shard-{index}"));
    }
    dir
}

/// Directory of one attempt of a call.
pub fn call_dir(run_dir: &Path, id: &CallId) -> PathBuf {
    let mut dir = call_root(run_dir, &id.call, &id.shard);
    if id.attempt > 1 {
        dir.push(format!("attempt-{}", id.attempt));
    }
    dir
}

/// Run directory of a sub-workflow.
pub fn child_dir(run_dir: &Path, call: &str, shard: &Shard, workflow: &str, id: RunId) -> PathBuf {
    call_root(run_dir, call, shard).join(workflow).join(id.to_string())
}

/// Where an input file is put: files of one source folder stay together, files of different ones apart.
pub fn localized(call_dir: &Path, original: &str) -> PathBuf {
    let (parent, name) = original.trim_end_matches('/').rsplit_once('/').unwrap_or(("", original));
    call_dir.join("inputs").join(folder_hash(parent).to_string()).join(name)
}

/// Longest script that is read as a whole, in bytes.
const MAX_SCRIPT_BYTES: u64 = 4 << 20;

/// The command of an attempt as it was run; `None` when there is no script. Of one that is longer than a person reads only
/// beginning and end, each of at least `ends` characters, stand side by side; without a number (0) it is not read.
pub fn read_command(call_dir: &Path, ends: usize) -> Option<String> {
    let path = call_dir.join("execution/script");
    let length = std::fs::metadata(&path).ok()?.len();
    let script = match length {
        0..=MAX_SCRIPT_BYTES => std::fs::read_to_string(&path).ok()?,
        _ if ends == 0 => return None,
        _ => ends_of(&path, length, ends).ok()?,
    };
    batchyard_runner::script::command_in(&script).map(str::to_owned)
}

/// Beginning and end of a long script.
fn ends_of(path: &Path, length: u64, characters: usize) -> io::Result<String> {
    // The longest characters, and what stands around the command.
    let bytes = (characters as u64 * 4 + MAX_SCRIPT_BYTES / 16).min(length / 2);
    let mut file = fs::File::open(path)?;
    let mut part = Vec::new();
    (&mut file).take(bytes).read_to_end(&mut part)?;
    let mut text = String::from_utf8_lossy(&part).into_owned();
    part.clear();
    file.seek(SeekFrom::Start(length - bytes))?;
    file.take(bytes).read_to_end(&mut part)?;
    text.push_str(&String::from_utf8_lossy(&part));
    Ok(text)
}

/// The id that a scheduler gave to an attempt, if one has it.
pub fn read_job_id(call_dir: &Path) -> Option<String> {
    batchyard_runner::dispatch::kept_job_id(&call_dir.join("execution"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_is_javas() {
        assert_eq!(folder_hash(""), 0);
        assert_eq!(folder_hash("hello"), 99_162_322);
        assert_eq!(folder_hash("/home/user/data"), folder_hash("/home/user/data"));
        assert!(folder_hash("polygenelubricants") == i32::MIN);
    }

    #[test]
    fn long_commands_are_read_from_both_ends() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("execution")).unwrap();
        let command = format!("echo begins\n{}\necho ends", ": filler é\n".repeat(500_000));
        for command in [command.clone(), format!("exec {command}")] {
            fs::write(dir.path().join("execution/script"), batchyard_runner::script::render(&command, Path::new("/x/rc"))).unwrap();
            let read = read_command(dir.path(), 100).unwrap();
            assert!(read.len() < 1 << 20 && read.starts_with(&command[..12]) && read.ends_with("\necho ends"));
            assert_eq!(read_command(dir.path(), 0), None);
        }
    }

    #[test]
    fn names_carry_shard_and_attempt() {
        let id = CallId { run: RunId::random(), call: "align".into(), shard: vec![3, 0].into(), attempt: 2 };
        assert_eq!(call_dir(Path::new("/r"), &id), Path::new("/r/call-align/shard-3/shard-0/attempt-2"));
    }
}
