//! A private folder with the binary's state in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value as Json;
use tempfile::TempDir;

/// Longest wait for anything.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A folder with documents, runs and state of its own.
pub struct Yard {
    dir: TempDir,
}

/// What a command did.
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Yard {
    pub fn new() -> Self {
        Yard { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The binary with its state here and nothing of the tester's own configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_batchyard"));
        command.args(arguments).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env("BATCHYARD_HOME", self.path("home")).env("XDG_CONFIG_HOME", self.path("config"));
        command.env_remove("BATCHYARD_CONFIG").env_remove("BATCHYARD_DATABASE");
        command
    }

    pub fn call(&self, arguments: &[&str]) -> Done {
        done(&mut self.command(arguments))
    }

    /// Runs and expects success; returns the outputs.
    pub fn outputs(&self, arguments: &[&str]) -> Json {
        let done = self.call(arguments);
        assert_eq!(done.code, 0, "{}\n{}", done.out, done.err);
        let document: Json = serde_json::from_str(&done.out).unwrap();
        document["outputs"].clone()
    }

    /// Starts in the background with its output in files.
    pub fn start(&self, arguments: &[&str]) -> Child {
        let out = fs::File::create(self.path("background.out")).unwrap();
        let err = fs::File::create(self.path("background.err")).unwrap();
        self.command(arguments).stdout(out).stderr(err).spawn().unwrap()
    }

    /// `show RUN --json`.
    pub fn show(&self, run: &str) -> Json {
        let done = self.call(&["show", run, "--json"]);
        assert_eq!(done.code, 0, "{}", done.err);
        serde_json::from_str(&done.out).unwrap()
    }
}

pub fn done(command: &mut Command) -> Done {
    let output = command.output().unwrap();
    Done {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Waits until something holds; panics when it does not in time.
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Lines of a file that may not exist yet.
pub fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

impl Yard {
    /// A number of seconds that no other process names, to find a `sleep` by.
    pub fn unique_number(&self) -> String {
        let id: u64 = self.dir.path().to_string_lossy().bytes().fold(7, |sum, byte| (sum * 31 + u64::from(byte)) % 1_000_000_007);
        format!("{}.{id}", 5000 + std::process::id() % 1000)
    }
}

fn living() -> impl Iterator<Item = (u32, Vec<String>)> {
    fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let words: Vec<String> = words.split(|b| *b == 0).map(|w| String::from_utf8_lossy(w).into_owned()).collect();
        // A process that has ended has no words any more.
        (words.len() > 1).then_some((pid, words))
    })
}

/// How many living processes have these words, one after the other, in their command line.
pub fn processes_with(words: &[&str]) -> usize {
    living().filter(|(_, line)| line.windows(words.len()).any(|w| w == words)).count()
}

/// Kills the processes with these words in their command line, which also mentions `text`.
pub fn kill_processes_with(words: &[&str], text: &str) {
    for (pid, _) in living().filter(|(_, line)| line.windows(words.len()).any(|w| w == words) && line.iter().any(|w| w.contains(text))) {
        let killed = Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
        assert!(killed.success());
    }
}
