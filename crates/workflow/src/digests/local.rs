//! Digests as the container engine of this machine knows them.

use std::{path::Path, sync::Arc};

use batchyard_runner::{
    Control,
    container::{Engine, EngineKind},
};

use super::name::{ImageName, is_digest};
use crate::settings::EngineChoice;

/// The digest of an image that the engine has; nothing where it has not got it.
///
/// # Errors
/// Why it is not known.
pub(super) fn has(image: &ImageName, engine: &EngineChoice) -> Result<Option<String>, String> {
    let engine = usable(engine)?;
    let folder = folder()?;
    let Some(digest) = known(image, engine, folder.path())? else { return Ok(None) };
    if is_digest(&digest) { Ok(Some(digest)) } else { Err("the container engine has it from no registry, so that it has no digest".into()) }
}

/// Has the engine get an image, and tells its digest then. The end of `wanted` ends it.
///
/// # Errors
/// Why it is not known.
pub(super) fn get(image: &ImageName, choice: &EngineChoice, wanted: &Arc<Control>) -> Result<String, String> {
    let engine = usable(choice)?;
    engine.pull(&image.plain(), folder()?.path(), Some(wanted)).map_err(|error| error.to_string())?;
    has(image, choice)?.ok_or_else(|| "the container engine does not list it, though it has got it".into())
}

fn usable(engine: &EngineChoice) -> Result<&Engine, String> {
    let engine = engine.get().ok_or("there is no container engine that would know its digest")?;
    if engine.kind == EngineKind::Apptainer {
        return Err("Apptainer keeps no digests: have them looked up in registries (`remote`)".into());
    }
    Ok(engine)
}

fn folder() -> Result<tempfile::TempDir, String> {
    tempfile::tempdir().map_err(|error| format!("no folder to ask the container engine in: {error}"))
}

/// What the engine calls the digest of an image that it has.
fn known(image: &ImageName, engine: &Engine, folder: &Path) -> Result<Option<String>, String> {
    if engine.kind == EngineKind::Podman {
        // Only podman knows what it makes of a short name.
        return engine.digest_of(&image.plain(), folder).map_err(|error| error.to_string());
    }
    let images = engine.list_images(folder).map_err(|error| error.to_string())?;
    let is_meant = |name: &str| ImageName::parse(name).ok().flatten().is_some_and(|name| name.full() == image.full());
    Ok(images.into_iter().find(|listed| is_meant(&listed.name)).map(|listed| listed.digest))
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        sync::mpsc,
        time::{Duration, Instant},
    };

    use super::{
        super::{Answer, Bounds, Digests, Source},
        *,
    };

    /// Longest wait for anything.
    const PATIENCE: Duration = Duration::from_secs(30);

    fn image(text: &str) -> ImageName {
        ImageName::parse(text).unwrap().unwrap()
    }

    fn digest(n: u8) -> String {
        format!("sha256:{}", format!("{n:02x}").repeat(32))
    }

    fn engine(kind: EngineKind, script: &str) -> EngineChoice {
        let command: Vec<String> = ["bash", "-c", script, "engine"].map(String::from).into();
        EngineChoice::Given(Engine { kind, command, arguments: Vec::new() })
    }

    fn wait_for(mut happened: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !happened() {
            assert!(Instant::now() < deadline, "it does not happen");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What the engine says in the end.
    fn told(image: &ImageName, engine: &EngineChoice) -> Result<String, String> {
        has(image, engine)?.map_or_else(|| get(image, engine, &Control::new("test")), Ok)
    }

    #[test]
    fn docker_is_asked_and_gets_what_it_has_not() {
        let folder = tempfile::tempdir().unwrap();
        let (has, none) = (digest(7), "<none>");
        let script = format!(
            "d={}; case $1 in images) [ \"$2 $3\" = '--digests --format' ] || exit 3; printf 'tool\\t1\\t{has}\\nown\\tlatest\\t{none}\\n'; \
             [ ! -e $d/got ] || printf 'docker.io/lab/new\\t2\\t{has}\\n';; pull) [ $2 = lab/new:2 ] && touch $d/got;; esac",
            folder.path().display()
        );
        let docker = engine(EngineKind::Docker, &script);
        assert_eq!(told(&image("docker.io/library/tool:1"), &docker).unwrap(), has);
        assert!(told(&image("own"), &docker).unwrap_err().contains("from no registry"));
        assert_eq!(told(&image("docker://lab/new:2"), &docker).unwrap(), has);
        assert!(told(&image("lab/new:3"), &docker).unwrap_err().contains("ended with 1"));
        assert!(told(&image("tool:1"), &engine(EngineKind::Apptainer, "")).unwrap_err().contains("Apptainer"));
        assert!(told(&image("tool:1"), &EngineChoice::None).unwrap_err().contains("no container engine"));
    }

    #[test]
    fn podman_says_what_it_makes_of_a_name() {
        let folder = tempfile::tempdir().unwrap();
        // `tool:1` is of this machine, not of Docker Hub; `own` has a name in no registry.
        let script = format!(
            "d={}; case \"$1 $2 $3 $4\" in 'image inspect --format {{{{.Digest}}}}') case $5 in tool:1) echo {} ;; docker.io/tool:1) echo {} ;; own:latest) echo ;; \
             lab/new:2) [ -e $d/got ] && echo {} ;; *) exit 125 ;; esac ;; 'pull lab/new:2  ') touch $d/got ;; *) echo \"not $*\" >&2; exit 3 ;; esac",
            folder.path().display(),
            digest(1),
            digest(2),
            digest(3),
        );
        let podman = engine(EngineKind::Podman, &script);
        assert_eq!(told(&image("tool:1"), &podman).unwrap(), digest(1));
        assert_eq!(told(&image("docker.io/tool:1"), &podman).unwrap(), digest(2));
        assert!(told(&image("own"), &podman).unwrap_err().contains("from no registry"));
        assert_eq!(told(&image("lab/new:2"), &podman).unwrap(), digest(3));
        assert!(told(&image("lab/none:1"), &podman).unwrap_err().contains("ended with 3: not pull lab/none:1"));
        // So the two are not taken for one either.
        let names = |engine: &EngineChoice, source: Source| {
            let digests = Digests::new(source, Bounds::default());
            ["tool:1", "docker.io/tool:1"].map(|name| digests.name_of(&image(name), engine))
        };
        assert_eq!(names(&podman, Source::Engine), ["tool:1", "docker.io/tool:1"]);
        assert_eq!(names(&engine(EngineKind::Docker, ""), Source::Engine), ["docker.io/library/tool:1"; 2]);
    }

    #[test]
    fn pulls_keep_nobody_from_a_look_up_and_end_when_nobody_waits() {
        let folder = tempfile::tempdir().unwrap();
        let script = format!(
            "d={}; case $1 in images) printf 'here\\t1\\t{}\\n' ;; pull) echo $$ > $d/${{2/:/-}}.begun; exec sleep 1000 ;; esac",
            folder.path().display(),
            digest(1)
        );
        let docker = engine(EngineKind::Docker, &script);
        let digests = Arc::new(Digests::new(Source::Engine, Bounds::default()));
        let (sender, answers) = mpsc::channel::<Answer>();
        let ask = |name: &str| {
            let sender = sender.clone();
            digests.ask(&image(name), &docker, move |answer| sender.send(answer).unwrap())
        };
        let begun = |name: &str| fs::read_to_string(folder.path().join(name)).ok().filter(|text| text.ends_with('\n'));
        let is_begun = |n: &usize| begun(&format!("slow{n}-1.begun")).is_some();
        let mut tickets: Vec<_> = (0..4).map(|n| ask(&format!("slow{n}:1")).unwrap()).collect();
        let shared = ask("slow0:1").unwrap();
        wait_for(|| (0..4).all(|n| is_begun(&n)));
        // More than there are threads for.
        tickets.extend((4..6).map(|n| ask(&format!("slow{n}:1")).unwrap()));
        ask("here:1");
        assert_eq!(answers.recv_timeout(PATIENCE).unwrap(), Ok(digest(1).into()));
        let process = begun("slow0-1.begun").unwrap();
        let alive = || Path::new("/proc").join(process.trim()).join("exe").exists();
        digests.give_up(&tickets[0]);
        assert!(alive(), "somebody still waits for it");
        digests.give_up(&shared);
        wait_for(|| !alive());
        // One of those that waited for a thread gets one, and the other ends before it begins.
        wait_for(|| [4, 5].iter().any(is_begun));
        let last = [4, 5].into_iter().find(|n| !is_begun(n)).unwrap();
        digests.give_up(&tickets[last]);
        tickets.iter().for_each(|ticket| digests.give_up(ticket));
        // Nobody is told of what was given up, and it can be asked for again.
        let again = ask("slow0:1").unwrap();
        wait_for(|| begun("slow0-1.begun").is_some_and(|now| now != process));
        digests.give_up(&again);
        assert!(!is_begun(&last));
        assert!(answers.try_recv().is_err());
    }
}
