//! Images that tasks name, and what they get instead: a container, another image, or an environment on the host.

use std::{
    io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use batchyard_runner::{
    container::{Engine, EngineKind},
    root::fingerprint,
};

use super::{ContainerPolicy, Place, Settings};
use crate::{
    digests::name::ImageName,
    documents::{Failure, ImageUse},
    identity::text_hash,
    provider::{Mode, Provider},
    runtime::Runtime,
};

/// How podman names images that are in no registry.
const TRANSPORTS: [&str; 5] = ["docker-archive:", "docker-daemon:", "oci:", "oci-archive:", "dir:"];
/// Most characters that are shown of a text that is wrong.
const MOST_SHOWN: usize = 300;

/// What stands in for images whose name matches.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageRule {
    /// Pattern on the image name, `*` and `?` as in file names.
    pub pattern: glob::Pattern,
    /// What is used instead.
    pub stand_in: StandIn,
}

/// What is used instead of an image.
#[derive(Clone, Debug, PartialEq)]
pub enum StandIn {
    /// Another image.
    Image(String),
    /// The host.
    Host(HostEnvironment),
}

/// The host, made to look like an image as far as tasks need it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostEnvironment {
    /// What it is called where people read it.
    pub name: Option<String>,
    /// Folders put before `PATH`.
    pub path: Vec<String>,
    /// Variables.
    pub env: Vec<(String, String)>,
    /// Programs at the paths where the image has them.
    pub tree: Option<Tree>,
}

/// A tree of programs that is laid over the host's root. What it holds is read once for each run, whose settings are a copy of
/// the server's: programs may be installed anew while that goes on.
#[derive(Clone, Debug)]
pub struct Tree {
    path: PathBuf,
    fingerprint: OnceLock<Result<String, String>>,
}

impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Tree {
    /// The tree in this folder.
    pub fn new(path: PathBuf) -> Self {
        Tree { path, fingerprint: OnceLock::new() }
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds.
    fn fingerprint(&self) -> Result<&str, Failure> {
        let read = || fingerprint(&self.path).map(|text| text_hash(&text)).map_err(|error: io::Error| error.to_string());
        self.fingerprint.get_or_init(read).as_deref().map_err(|problem| {
            Failure::new(format!("the tree of programs that stands in for an image cannot be used: {problem}"))
                .hint("mend `root` of the `[[images]]` entry in the configuration, or install what it should hold")
        })
    }
}

impl HostEnvironment {
    /// The place of tasks for whose image it stands in.
    fn place(&self, requested: &str, pattern: &str) -> Result<Place, Failure> {
        let used = self.name.clone().unwrap_or_else(|| format!("host environment for `{pattern}`"));
        let mut environment = String::new();
        if let Some(tree) = &self.tree {
            environment = format!("{environment}tree {}\n", tree.fingerprint()?);
        }
        for (name, value) in &self.env {
            environment = format!("{environment}{name}={value}\n");
        }
        Ok(Place {
            path: self.path.clone(),
            env: self.env.clone(),
            tree: self.tree.as_ref().map(|tree| tree.path.clone()),
            environment: (!environment.is_empty()).then_some(environment),
            image: Some(ImageUse::new(requested, used, "host")),
            ..Place::default()
        })
    }
}

impl Settings {
    /// The first of these images that a rule is for, and the rule.
    fn rule_for<'a>(&'a self, images: &'a [String]) -> Option<(&'a String, &'a ImageRule)> {
        images.iter().find_map(|image| Some((image, self.images.iter().find(|rule| rule.pattern.matches(image))?)))
    }

    /// The environment on the host of a task that names no image to be run, but one to be found on its machine (`dockerTag`,
    /// the image of a cluster).
    fn place_by_tags(&self, tags: &[String]) -> Result<Place, Failure> {
        match self.rule_for(tags) {
            Some((image, ImageRule { pattern, stand_in: StandIn::Host(environment) })) => environment.place(image, pattern.as_str()),
            _ => Ok(Place::default()),
        }
    }

    /// Whether containers can be run on this machine, and may.
    pub(crate) fn has_engine(&self) -> bool {
        self.containers != ContainerPolicy::Off && self.engine.get().is_some()
    }

    /// Where a task that asks for this runs.
    ///
    /// # Errors
    /// Images are required and there is neither engine nor mapping, or what stands in is not there.
    pub fn place(&self, runtime: &Runtime) -> Result<Place, Failure> {
        let Some(mut first) = runtime.images.first() else { return self.place_by_tags(&runtime.image_tags) };
        let engine = if self.containers == ContainerPolicy::Off { None } else { self.engine.get() };
        let in_container = |requested: &str, used: &str| {
            let Some(engine) = engine else { return Ok(None) };
            let (engine, note) = as_user(engine, runtime.container_user.as_deref())?;
            let image = Some(ImageUse::new(requested, used, "container"));
            Ok::<_, Failure>(Some(Place { container: Some((engine, used.to_owned())), image, note, ..Place::default() }))
        };
        match self.rule_for(&runtime.images) {
            Some((image, ImageRule { pattern, stand_in: StandIn::Host(environment) })) => {
                return environment.place(image, pattern.as_str());
            }
            Some((image, ImageRule { stand_in: StandIn::Image(other), .. })) => {
                if let Some(place) = in_container(image, other)? {
                    return Ok(place);
                }
            }
            None => first = first_named(&runtime.images)?,
        }
        if let Some(place) = in_container(first, first)? {
            return Ok(place);
        }
        if self.containers == ContainerPolicy::Required {
            return Err(Failure::new(format!("no container engine for image `{first}`")).hint(
                "install docker, podman or apptainer, map the image under `[[images]]` in the configuration, or set `containers.policy = \"optional\"`",
            ));
        }
        let why = if self.containers == ContainerPolicy::Off { "containers are switched off" } else { "no container engine was found" };
        let note = format!("image `{first}` is not used: {why}; its tasks run with the programs of this machine");
        let image = ImageUse::new(first, "host", "host");
        Ok(Place { image: Some(image), note: Some(note), ..Place::default() })
    }

    /// The place of a task that asks for this at a provider of the configuration, and the image that it gets there.
    ///
    /// # Errors
    /// Images are required and the provider cannot run them.
    pub fn place_at(&self, provider: &Provider, runtime: &Runtime) -> Result<(Place, Option<String>), Failure> {
        if provider.mode() == Mode::BuiltIn && !provider.definition().without_images {
            return Ok((self.place(runtime)?, None));
        }
        if runtime.images.is_empty() {
            return Ok((self.place_by_tags(&runtime.image_tags)?, None));
        }
        let (requested, used) = match self.rule_for(&runtime.images) {
            Some((image, ImageRule { stand_in: StandIn::Image(other), .. })) => (image, other),
            Some((image, ImageRule { pattern, stand_in: StandIn::Host(environment) })) => {
                return Ok((environment.place(image, pattern.as_str())?, None));
            }
            None => {
                let named = first_named(&runtime.images)?;
                (named, named)
            }
        };
        let why = if self.containers == ContainerPolicy::Off {
            "containers are switched off".to_owned()
        } else if provider.definition().bcs && !self.has_engine() {
            "no container engine was found".to_owned()
        } else if provider.knows_images() {
            let image = ImageUse::new(requested, used, "container");
            return Ok((Place { image: Some(image), ..Place::default() }, Some(used.clone())));
        } else {
            format!("provider `{}` declares neither `docker` nor `container` in its `runtime-attributes`", provider.name())
        };
        if self.containers == ContainerPolicy::Required {
            return Err(Failure::new(format!("image `{requested}` cannot be used: {why}")).hint("set `containers.policy = \"optional\"`"));
        }
        let image = ImageUse::new(requested, "host", "host");
        let note = format!("image `{requested}` is not used: {why}; its tasks run with the programs they find");
        Ok((Place { image: Some(image), note: Some(note), ..Place::default() }, None))
    }
}

/// The first of the texts that can be the name of an image. Who names nothing of the kind has made a mistake, whether or not anything
/// would run the image here.
fn first_named(images: &[String]) -> Result<&String, Failure> {
    if let Some(found) = images.iter().find(|image| can_be_image(image)) {
        return Ok(found);
    }
    let first: String = images.iter().flat_map(|image| image.chars()).take(MOST_SHOWN).collect();
    let failure = Failure::new(format!("Docker image {first} has an invalid syntax."));
    Err(failure.hint("an image is named as `quay.io/lab/tool:1.2`, in lower case but for the tag, or by the path of a file for Apptainer"))
}

/// Paths are of whatever machine the image is used on; none of them has a tag.
fn can_be_image(text: &str) -> bool {
    let is_path = text.starts_with(['/', '.']);
    let is_elsewhere = TRANSPORTS.iter().any(|transport| text.starts_with(transport));
    if is_path { !text.contains(':') } else { is_elsewhere || ImageName::parse(text).is_ok() }
}

/// An engine whose containers run commands as this user, and a remark where it cannot.
///
/// # Errors
/// It is no user, but more or other words for the engine.
fn as_user(engine: &Engine, user: Option<&str>) -> Result<(Engine, Option<String>), Failure> {
    let mut engine = engine.clone();
    let Some(user) = user else { return Ok((engine, None)) };
    let is_word =
        |word: &str| !word.is_empty() && !word.starts_with('-') && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    let words: Vec<&str> = user.split(':').collect();
    if words.len() > 2 || !words.iter().all(|word| is_word(word)) {
        let shown: String = user.chars().take(MOST_SHOWN).collect();
        return Err(Failure::new(format!(
            "runtime attribute `docker_user` must be a user, such as \"root\" or \"1000:1000\", not {shown:?}"
        )));
    }
    if engine.kind == EngineKind::Apptainer {
        let note = format!("`docker_user` `{user}` has no effect: Apptainer runs the commands of containers as who calls it");
        return Ok((engine, Some(note)));
    }
    engine.arguments.extend(["--user".to_owned(), user.to_owned()]);
    Ok((engine, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_an_image() {
        for image in [
            "ubuntu",
            "localhost:5000/lab/tool:1",
            "quay.io/lab/tool@sha256:0a",
            "/elsewhere/tool.sif",
            "/cvmfs/images/tool",
            "./box",
            "tool.sif",
            "library://lab/tool:1",
            "docker://ubuntu",
            "docker-archive:/data/My.tar",
            "oci:folder:tag",
        ] {
            let expected = !image.contains("@sha256:0a");
            assert_eq!(can_be_image(image), expected, "{image}");
        }
        for text in ["/fauxbuntu:nosuchversion", "Ubuntu:latest", "ubuntu:", "a b", "./none:1", ""] {
            assert!(!can_be_image(text), "{text}");
        }
        let images = ["Bad Name".to_owned(), "ubuntu:22.04".into()];
        assert_eq!(first_named(&images).unwrap(), "ubuntu:22.04");
        let long = first_named(&["x y".repeat(1_000_000)]).unwrap_err();
        assert!(long.message.len() < 1000);
    }

    #[test]
    fn users_of_containers() {
        let engine = |kind| Engine { kind, command: vec!["engine".into()], arguments: vec!["-x".into()] };
        for user in ["root", "1000:staff", "1000"] {
            let (docker, note) = as_user(&engine(EngineKind::Docker), Some(user)).unwrap();
            assert_eq!((docker.arguments, note), (["-x", "--user", user].map(String::from).into(), None));
        }
        for wrong in ["-v/:/host", "a b", "a:b:c", "$EUID", "1000 --privileged", ":"] {
            assert!(as_user(&engine(EngineKind::Podman), Some(wrong)).unwrap_err().message.contains("must be a user"), "{wrong}");
        }
    }
}
