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
