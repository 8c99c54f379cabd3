//! The script of an attempt that a command of the configuration starts, here or on another machine of a shared file
//! system: Cromwell's order of files, `rc` last.
//!
//! Nothing but a POSIX shell is taken for granted: the job shell, or the image, may have little more.

use std::path::Path;

use super::quote;

/// File that a started script makes and locks; its time is the start.
pub const STARTED: &str = "started";

/// Status by which `flock` says that another one holds the lock; any other failure means that there are no locks here.
const LOCK_IS_TAKEN: u8 = 77;

/// Variable that names the execution directory whose script runs in a root of its own.
const IN_ROOT: &str = "BATCHYARD_IN_ROOT";
/// What is said while the root is made.
const ROOT_STDERR: &str = "stderr.root";

/// Line before the task's command, and what follows it, so that people and programs find it.
const BEGIN: &str = "# the command of the task\n";
const END: &str = "\n) >stdout 2>stderr </dev/null 9>&-\n";

/// The command inside a script that [`Elsewhere::render`] made; `None` for other texts.
pub fn command_in(script: &str) -> Option<&str> {
    Some(script.split_once(BEGIN)?.1.rsplit_once(END)?.0)
}

/// What the script is made of.
#[derive(Clone, Debug)]
pub struct Elsewhere<'a> {
    /// The task's command.
    pub command: &'a str,
    /// Working directory of the command, where `rc`, `stdout` and `stderr` are.
    pub execution_dir: &'a Path,
    /// Shell for the first line.
    pub shell: &'a str,
    /// Shell word that gives the temporary folder; evaluated in the working directory.
    pub temporary_directory: &'a str,
    /// Environment of the command.
    pub env: &'a [(String, String)],
    /// Folders put before `PATH`.
    pub path_prefix: &'a [String],
    /// Words that run a command, given after them, in a root of its own; none where it sees the machine as it is.
    pub root: Option<&'a [String]>,
    /// Whether it runs in a container, maybe as another user.
    pub container: bool,
    /// Run after the command, in the working directory, before `rc` appears.
    pub afterwards: &'a [String],
}

impl Elsewhere<'_> {
    /// The script.
    ///
    /// An attempt that has its status is not run again, and one that runs is not run twice, whatever a scheduler does.
    /// The outer shell outlives signals that reach the whole group, so that they still give a status. It ends with 0
    /// in any case: schedulers take some other statuses for orders.
    pub fn render(&self) -> String {
        let dir = quote(&self.execution_dir.to_string_lossy());
        let mut script = format!("#!{}\ncd {dir} || exit 0\n[ ! -e rc ] || exit 0\n", self.shell);
        if let Some(words) = self.root {
            script.push_str(&self.in_root(words));
        }
        script.push_str(&format!(
            "if command -v flock >/dev/null 2>&1; then\n  exec 9>>{STARTED}\n  flock -n -E {LOCK_IS_TAKEN} 9\n  [ $? != {LOCK_IS_TAKEN} ] || exit 0\n\
             else\n  : >>{STARTED}\nfi\n",
        ));
        script.push_str("trap : 1 2 10 12 15 24\n");
        script.push_str(&format!("tmpDir={}\n", self.temporary_directory));
        if self.container {
            script.push_str("chmod 777 \"$tmpDir\"\n");
        }
        script.push_str("export _JAVA_OPTIONS=-Djava.io.tmpdir=\"$tmpDir\"\nexport TMPDIR=\"$tmpDir\"\n");
        script.push_str(&format!("(\ncd {dir}\n"));
        if !self.path_prefix.is_empty() {
            script.push_str(&format!("export PATH={}:\"$PATH\"\n", quote(&self.path_prefix.join(":"))));
        }
        for (name, value) in self.env.iter().filter(|(name, _)| is_name(name)) {
            script.push_str(&format!("export {name}={}\n", quote(value)));
        }
        script.push_str(BEGIN);
        script.push_str(self.command);
        script.push_str(END);
        script.push_str("echo \"$?\" >rc.tmp\n");
        for part in self.afterwards.iter().filter(|part| !part.trim().is_empty()) {
            script.push_str(&format!("(\ncd {dir}\n{part}\n)\n"));
        }
        script.push_str("[ -e rc ] || mv rc.tmp rc\nexit 0\n");
        script
    }

    /// Starts the script once more in the root. The variable tells which script is in its root already: a task may start others.
    fn in_root(&self, words: &[String]) -> String {
        let dir = quote(&self.execution_dir.to_string_lossy());
        let script = quote(&self.execution_dir.join("script").to_string_lossy());
        let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
        format!(
            "if [ \"${{{IN_ROOT}:-}}\" != {dir} ]; then\n  export {IN_ROOT}={dir}\n  trap : 1 2 10 12 15 24\n\
             \x20 {} {} {script} 2>{ROOT_STDERR}\n  status=$?\n  [ ! -e rc ] && [ \"$status\" != 0 ] || exit 0\n\
             \x20 cat {ROOT_STDERR} >>stderr\n  echo \"$status\" >rc.tmp && mv rc.tmp rc\n  exit 0\nfi\n",
            words.join(" "),
            self.shell,
        )
    }
}

fn is_name(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !text.as_bytes().first().is_none_or(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::process::CommandExt,
        process::{Command, Stdio},
        thread,
        time::{Duration, Instant},
    };

    use super::*;
    use crate::script::read_rc;

    const TMP: &str = "$(mktemp -d \"$PWD\"/tmp.XXXXXX)";

    fn script(dir: &Path, command: &str, shell: &str) -> std::path::PathBuf {
        let env = [("WORD".to_owned(), "it's".to_owned()), ("not a name".to_owned(), String::new())];
        let parts = Elsewhere {
            command,
            execution_dir: dir,
            shell,
            temporary_directory: TMP,
            env: &env,
            path_prefix: &["/opt/x y".into()],
            root: None,
            container: true,
            afterwards: &["find . -type d -name none -exec false {} \\;".into(), "echo done >after".into()],
        };
        let path = dir.join("script");
        fs::write(&path, parts.render()).unwrap();
        path
    }

    #[test]
    fn files_are_in_place_when_rc_appears() {
        for shell in ["/bin/bash", "/bin/sh"] {
            let dir = tempfile::tempdir().unwrap();
            let path = script(dir.path(), "echo \"$WORD\" \"${PATH%%:*}\"; echo err >&2; cat; touch \"$TMPDIR/x\"; exit 7", shell);
            let done = Command::new(shell).arg(&path).output().unwrap();
            assert_eq!((done.status.code(), done.stdout.len()), (Some(0), 0), "{done:?}");
            assert_eq!(read_rc(&dir.path().join("rc")), Some(7));
            assert_eq!(fs::read_to_string(dir.path().join("stdout")).unwrap(), "it's /opt/x y\n");
            assert_eq!(fs::read_to_string(dir.path().join("stderr")).unwrap(), "err\n");
            assert_eq!(fs::read_to_string(dir.path().join("after")).unwrap(), "done\n");
            assert!(!dir.path().join("rc.tmp").exists() && dir.path().join(STARTED).exists());
        }
    }

    #[test]
    fn in_a_root_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let render = |words: &[String]| {
            Elsewhere {
                command: "echo \"$MADE\"; exit 5",
                execution_dir: dir.path(),
                shell: "/bin/sh",
                temporary_directory: TMP,
                env: &[],
                path_prefix: &[],
                root: Some(words),
                container: false,
                afterwards: &[],
            }
            .render()
        };
        let run = |words: [&str; 3]| {
            let path = dir.path().join("script");
            fs::write(&path, render(&words.map(str::to_owned))).unwrap();
            assert!(Command::new("/bin/sh").arg(&path).status().unwrap().success());
            let rc = read_rc(&dir.path().join("rc"));
            fs::remove_file(dir.path().join("rc")).unwrap();
            (rc, ["stdout", "stderr"].map(|name| fs::read_to_string(dir.path().join(name)).unwrap_or_default()))
        };
        let (rc, texts) = run(["sh", "-c", "echo no root >&2; exit 126"]);
        assert_eq!((rc, texts), (Some(126), [String::new(), "no root\n".to_owned()]));
        let (rc, [stdout, _]) = run(["env", "MADE=it's made", "nice"]);
        assert_eq!((rc, stdout.as_str()), (Some(5), "it's made\n"));
    }

    #[test]
    fn an_attempt_with_a_status_is_not_run_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = script(dir.path(), "echo x >>count", "/bin/bash");
        fs::write(dir.path().join("rc"), "143\n").unwrap();
        assert!(Command::new("/bin/bash").arg(&path).status().unwrap().success());
        assert!(!dir.path().join("count").exists());
    }

    #[test]
    fn a_running_attempt_is_not_run_twice() {
        let dir = tempfile::tempdir().unwrap();
        let path = script(dir.path(), "echo x >>count; while [ ! -e go ]; do sleep 0.02; done", "/bin/bash");
        let mut first = Command::new("/bin/bash").arg(&path).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while !dir.path().join("count").exists() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        assert!(Command::new("/bin/bash").arg(&path).status().unwrap().success());
        fs::write(dir.path().join("go"), "").unwrap();
        first.wait().unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("count")).unwrap(), "x\n");
        assert_eq!(read_rc(&dir.path().join("rc")), Some(0));
    }

    #[test]
    fn a_signal_to_the_group_gives_a_status() {
        let dir = tempfile::tempdir().unwrap();
        let path = script(dir.path(), "touch up; sleep 300", "/bin/bash");
        let mut job = Command::new("/bin/bash").arg(&path).stdout(Stdio::null()).process_group(0).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while !dir.path().join("up").exists() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        Command::new("kill").args(["-TERM", "--", &format!("-{}", job.id())]).status().unwrap();
        job.wait().unwrap();
        assert_eq!(read_rc(&dir.path().join("rc")), Some(143));
    }
}
