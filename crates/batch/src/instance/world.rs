//! What the command of an attempt runs in: this machine, an unpacked image, or a container.

use std::{fs, path::PathBuf, sync::Arc};

use batchyard_runner::{
    Control, User,
    container::{Engine, EngineKind},
};
use serde::{Deserialize, Serialize};

use super::{Attempt, PlaceError, owner};
use crate::{
    image::{ImagePlace, Images, Located, Unpacked},
    wire::Command,
};

/// Name of the file that says it, in the folder of the attempt.
const FILE: &str = "world.json";
/// Older names of what `Docker` says, in the environment of a command.
const IMAGE_VARIABLE: &str = "BATCH_COMPUTE_DOCKER_IMAGE";
const REGISTRY_VARIABLE: &str = "BATCH_COMPUTE_DOCKER_REGISTRY_OSS_PATH";

/// What a command runs in. Decided once for an attempt: who takes it up later goes by what was written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum World {
    /// This machine.
    Machine,
    /// An unpacked image.
    Image(Unpacked),
    /// A container.
    Engine {
        /// Who runs it.
        kind: EngineKind,
        /// Its image, as the engine calls it.
        image: String,
        /// Whether the engine was given the image, so that it must not look elsewhere.
        is_given: bool,
    },
}

/// The image of a command and where it lies in the object store; empty texts for none.
pub fn image_of(command: &Command) -> (&str, &str) {
    let variable = |name: &str| command.env_vars.get(name).map(|text| text.0.as_str()).unwrap_or_default();
    let image = Some(command.docker.image.as_str()).filter(|image| !image.is_empty());
    let registry = command.docker.registry_oss_path.as_deref().filter(|path| !path.is_empty());
    (image.unwrap_or(variable(IMAGE_VARIABLE)), registry.unwrap_or(variable(REGISTRY_VARIABLE)))
}

impl World {
    /// What this attempt runs in. Brings the image in place if need be, and writes the answer down.
    pub fn of(attempt: &Attempt, under_way: bool, control: &Arc<Control>) -> Result<World, PlaceError> {
        let path = attempt.dir.join(FILE);
        let written = || serde_json::from_slice(&fs::read(&path).ok()?).ok();
        if let Some(world) = under_way.then(written).flatten() {
            return Ok(world);
        }
        let world = Self::found(attempt, control)?;
        if world != World::Machine {
            let text = serde_json::to_vec(&world).map_err(|error| PlaceError::Impossible(error.to_string()))?;
            let write = fs::create_dir_all(&attempt.dir).and_then(|()| owner::write_private(&path, &text));
            write.map_err(|source| PlaceError::File { what: format!("write `{}`", path.display()), source })?;
        }
        Ok(world)
    }

    fn found(attempt: &Attempt, control: &Arc<Control>) -> Result<World, PlaceError> {
        let surroundings = &attempt.surroundings;
        let (image, registry) = image_of(&attempt.task.description.parameters.command);
        if image.is_empty() {
            return Ok(World::Machine);
        }
        let engine = (surroundings.engine)();
        if registry.is_empty() {
            return Self::by_name(image, engine.as_ref());
        }
        let images: &Images = &surroundings.images;
        let access = &attempt.access;
        access.read(registry)?;
        let place = match access.is_embedded(registry) {
            true => ImagePlace::bucket(&access.objects, registry),
            false => ImagePlace::store(&access.cache, registry),
        };
        let located = Located::stored(place, image, registry, &images.scratch()?)?.wanted_by(control);
        // An archive has rights of its own.
        access.read(&located.address())?;
        Ok(match engine {
            Some(engine) => World::Engine { kind: engine.kind, image: images.in_engine(&located, &engine)?, is_given: true },
            None => World::Image(images.unpacked(&located)?),
        })
    }

    /// A container of an image that the engine knows how to find.
    pub fn by_name(image: &str, engine: Option<&Engine>) -> Result<World, PlaceError> {
        let engine = engine.ok_or_else(|| no_engine(image))?;
        Ok(World::Engine { kind: engine.kind, image: image.to_owned(), is_given: false })
    }

    /// The engine with the words that such a container needs, and the image.
    pub fn container(&self, engine: Option<Engine>, user: Option<&User>) -> Result<Option<(Engine, String)>, PlaceError> {
        let World::Engine { image, is_given, .. } = self else { return Ok(None) };
        let mut engine = engine.ok_or_else(|| no_engine(image))?;
        if let (EngineKind::Apptainer, Some(user)) = (engine.kind, user) {
            let text =
                format!("apptainer cannot run a container as user `{}`: install podman, or set `[containers] policy = \"off\"`", user.name);
            return Err(PlaceError::Impossible(text));
        }
        if engine.kind != EngineKind::Apptainer {
            // Root, as the original did, whatever the image says.
            let number = user.map_or_else(|| "0".to_owned(), |user| format!("{}:{}", user.uid, user.gid));
            engine.arguments.extend(["--user".to_owned(), number]);
            let groups = user.map(|user| user.groups.as_slice()).unwrap_or_default();
            engine.arguments.extend(groups.iter().flat_map(|group| ["--group-add".to_owned(), group.to_string()]));
            if *is_given {
                engine.arguments.extend(["--pull", "never"].map(String::from));
            }
        }
        Ok(Some((engine, image.clone())))
    }

    /// Whether the command sees something else than this machine.
    pub fn is_contained(&self) -> bool {
        *self != World::Machine
    }

    /// The root file system of an unpacked image.
    pub fn rootfs(&self) -> Option<&PathBuf> {
        if let World::Image(image) = self { Some(&image.rootfs) } else { None }
    }
}

fn no_engine(image: &str) -> PlaceError {
    PlaceError::Impossible(format!(
        "the image `{image}` needs a container engine: install podman, docker or apptainer on this machine, or keep the image in the \
         object store and give its `RegistryOSSPath`"
    ))
}
