//! Command lines of container engines. The engine's own program does the work; we only speak its options.

mod list;
mod load;

use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};

pub use self::{list::Listed, load::LoadError};
use crate::{
    host,
    local::Shell,
    root::{Mode, Mount},
};

/// A family of container engines by the shape of its command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// Docker
    Docker,
    /// Podman
    Podman,
    /// Apptainer or Singularity
    Apptainer,
}

impl EngineKind {
    /// All of them, in the order in which they are looked for.
    pub const ALL: [EngineKind; 3] = [EngineKind::Docker, EngineKind::Podman, EngineKind::Apptainer];

    /// The program's usual name.
    pub fn program(self) -> &'static str {
        match self {
            EngineKind::Docker => "docker",
            EngineKind::Podman => "podman",
            EngineKind::Apptainer => "apptainer",
        }
    }
}

/// An engine ready to use.
#[derive(Clone, Debug, PartialEq)]
pub struct Engine {
    /// What its options look like.
    pub kind: EngineKind,
    /// The program with leading words, for example `["sudo", "docker"]`; never empty.
    pub command: Vec<String>,
    /// Further words for every container, placed after `run` or `exec`, for example `["--network", "none"]`.
    pub arguments: Vec<String>,
}

/// What a container must have.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Image name as the engine knows it.
    pub image: &'a str,
    /// Name under which the engine can be asked to kill it.
    pub name: &'a str,
    /// Folder that is visible inside at the same path, for reading and writing.
    pub mount: &'a Path,
    /// Working directory.
    pub workdir: &'a Path,
    /// Script to run.
    pub script: &'a Path,
    /// What runs it.
    pub shell: Shell,
    /// Environment variables.
    pub env: &'a [(String, String)],
    /// Further files and folders that are visible inside. Only podman keeps layers; the others show such a source as it
    /// is, for reading.
    pub volumes: &'a [Mount],
    /// Cores, 0 for no limit.
    pub cores: f64,
    /// Memory in MiB, 0 for no limit.
    pub memory_mib: u64,
}

impl Engine {
    /// The first engine found on `PATH` that is ready to run containers. A docker client without its daemon is not.
    pub fn find() -> Option<Engine> {
        EngineKind::ALL
            .into_iter()
            .filter(|kind| host::find_program(kind.program()).is_some())
            .map(|kind| Engine { kind, command: vec![kind.program().into()], arguments: Vec::new() })
            .find(Engine::is_ready)
    }

    /// Whether the engine answers. Podman and Apptainer have no daemon that could be missing.
    fn is_ready(&self) -> bool {
        let Some((program, leading)) = self.command.split_first() else { return false };
        let mut ask = Command::new(program);
        ask.args(leading).args(["version", "--format", "{{.Server.Version}}"]);
        let quiet = ask.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.kind != EngineKind::Docker || quiet.status().is_ok_and(|status| status.success())
    }

    /// The words that run the request in the foreground.
    pub fn run_command(&self, request: &Request<'_>) -> Vec<String> {
        let mut words = self.command.clone();
        let mount = request.mount.to_string_lossy();
        let script = request.script.to_string_lossy().into_owned();
        let workdir = request.workdir.to_string_lossy().into_owned();
        let (shell, options) = request.shell.words();
        let options = options.iter().map(|option| (*option).to_owned());
        match self.kind {
            EngineKind::Docker | EngineKind::Podman => {
                words.push("run".into());
                words.extend(self.arguments.iter().cloned());
                words.extend(["--rm", "-i", "--name", request.name, "--entrypoint", shell].map(String::from));
                words.extend(["-v".into(), format!("{mount}:{mount}"), "-w".into(), workdir]);
                words.extend(request.volumes.iter().flat_map(|volume| ["-v".into(), self.volume(volume)]));
                for (key, value) in request.env {
                    words.extend(["-e".into(), format!("{key}={value}")]);
                }
                if request.cores > 0.0 {
                    words.extend(["--cpus".into(), request.cores.to_string()]);
                }
                if request.memory_mib > 0 {
                    words.extend(["--memory".into(), format!("{}m", request.memory_mib)]);
                }
                words.push(request.image.to_owned());
                words.extend(options.chain([script]));
            }
            EngineKind::Apptainer => {
                words.push("exec".into());
                words.extend(self.arguments.iter().cloned());
                words.extend(["--containall", "--bind"].map(String::from));
                words.extend([mount.into_owned(), "--pwd".into(), workdir]);
                words.extend(request.volumes.iter().flat_map(|volume| ["--bind".into(), self.volume(volume)]));
                for (key, value) in request.env {
                    words.extend(["--env".into(), format!("{key}={value}")]);
                }
                words.extend([apptainer_image(request.image), shell.to_owned()]);
                words.extend(options.chain([script]));
            }
        }
        words
    }

    fn volume(&self, volume: &Mount) -> String {
        let (here, there) = (volume.source.display(), volume.destination.display());
        match (&volume.mode, self.kind) {
            (Mode::Writable, _) => format!("{here}:{there}:rw"),
            (Mode::Layered { upper, work }, EngineKind::Podman) => {
                format!("{here}:{there}:O,upperdir={},workdir={}", upper.display(), work.display())
            }
            (Mode::ReadOnly | Mode::Layered { .. } | Mode::Hidden, _) => format!("{here}:{there}:ro"),
        }
    }

    /// Name of the container of an attempt with this marker (see [`crate::tree::MARKER`]).
    pub fn name_of(marker: &str) -> String {
        format!("batchyard-{}", marker.replace(|c: char| !c.is_ascii_alphanumeric(), "-"))
    }

    /// The words that end the container of this name for sure; `None` where containers are processes of ours. Removal
    /// also reaches one that is made but not yet started, and with it ends what runs; `kill` does not.
    pub(crate) fn remove_command(&self, name: &str) -> Option<Vec<String>> {
        let words: &[&str] = match self.kind {
            EngineKind::Docker => &["rm", "--force", name],
            // Without it, podman first waits ten seconds for what ignores SIGTERM.
            EngineKind::Podman => &["rm", "--force", "--time", "0", name],
            EngineKind::Apptainer => return None,
        };
        Some(self.command.iter().map(String::as_str).chain(words.iter().copied()).map(String::from).collect())
    }
}

/// Plain image names mean a registry image; paths and `scheme://` names are taken as they are.
fn apptainer_image(image: &str) -> String {
    if image.contains("://") || image.starts_with(['/', '.']) || image.ends_with(".sif") {
        image.into()
    } else {
        format!("docker://{image}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request<'static> {
        Request {
            image: "debian:12",
            name: "by-1",
            mount: Path::new("/r/call-a"),
            workdir: Path::new("/r/call-a/execution"),
            script: Path::new("/r/call-a/execution/script"),
            shell: Shell::Bash,
            env: &[],
            volumes: &[],
            cores: 2.0,
            memory_mib: 512,
        }
    }

    #[test]
    fn docker_words() {
        let engine = Engine { kind: EngineKind::Docker, command: vec!["docker".into()], arguments: vec![] };
        assert_eq!(
            engine.run_command(&request()).join(" "),
            "docker run --rm -i --name by-1 --entrypoint /bin/bash -v /r/call-a:/r/call-a -w /r/call-a/execution \
             --cpus 2 --memory 512m debian:12 /r/call-a/execution/script"
        );
    }

    #[test]
    fn volumes_and_shells() {
        let layer = Mode::Layered { upper: "/l/u".into(), work: "/l/w".into() };
        let mount = |mode: &Mode| Mount { source: "/a".into(), destination: "/b".into(), mode: mode.clone() };
        let volumes = [mount(&Mode::ReadOnly), mount(&Mode::Writable), mount(&layer)];
        let request = Request { volumes: &volumes, shell: Shell::Either, cores: 0.0, memory_mib: 0, ..request() };
        let line = |kind: EngineKind| Engine { kind, command: vec![], arguments: vec![] }.run_command(&request).join(" ");
        let podman = line(EngineKind::Podman);
        assert!(podman.contains("-v /a:/b:ro -v /a:/b:rw -v /a:/b:O,upperdir=/l/u,workdir=/l/w "), "{podman}");
        assert!(podman.contains("--entrypoint /bin/sh ") && podman.contains(" debian:12 -c [ -x /bin/bash ] && exec"), "{podman}");
        assert!(podman.ends_with(" /r/call-a/execution/script"), "{podman}");
        assert!(line(EngineKind::Docker).contains("-v /a:/b:ro -v /a:/b:rw -v /a:/b:ro "));
        assert!(line(EngineKind::Apptainer).contains("docker://debian:12 /bin/sh -c [ -x /bin/bash ]"));
    }

    #[test]
    fn apptainer_words() {
        let engine = Engine { kind: EngineKind::Apptainer, command: vec!["apptainer".into()], arguments: vec!["--nv".into()] };
        assert_eq!(
            engine.run_command(&request()).join(" "),
            "apptainer exec --nv --containall --bind /r/call-a --pwd /r/call-a/execution docker://debian:12 /bin/bash /r/call-a/execution/script"
        );
    }
}
