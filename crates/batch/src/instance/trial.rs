//! A command in an image as an instance would run it, without a server: for those who make images.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use batchyard_runner::{
    Control, Job, Launch, LocalRunner, Outcome, RunError, Shell,
    container::Engine,
    root::{Image, Mode, Mount, Root},
};

use super::{CONTAINED_WORK, PlaceError, environment::base, world::World};
use crate::image::{Images, Located, Reference};

/// Time between the polite signal and the hard one.
const GRACE: Duration = Duration::from_secs(5);

/// What is to be tried.
#[derive(Clone, Debug)]
pub struct Trial {
    /// An archive or an OCI layout on this machine; otherwise a name for an engine.
    pub image: String,
    /// Name and tag in an archive that holds several images.
    pub name: Option<String>,
    /// For the shell.
    pub command: String,
    /// What it sees where.
    pub mounts: Vec<Mount>,
    /// Its environment besides that of every instance.
    pub env: Vec<(String, String)>,
    /// An empty folder for the script, and what it writes to `stdout` and `stderr`.
    pub dir: PathBuf,
    /// Its working directory on this machine.
    pub work: PathBuf,
}

/// Why a trial could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// Its image or folders.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// Its process.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl Trial {
    /// Runs the command to its end. `wrapper` makes the root of one in an unpacked image (see
    /// [`batchyard_runner::root::unshare`]).
    ///
    /// # Errors
    /// The image cannot be used, or the command not be started.
    pub fn run(&self, images: &Images, engine: Option<Engine>, wrapper: &[String], control: &Arc<Control>) -> Result<Outcome, TrialError> {
        let world = self.world(images, engine.as_ref(), control)?;
        let env = [base(&world, None), self.env.clone()].concat();
        let work = Mount { source: self.work.clone(), destination: CONTAINED_WORK.into(), mode: Mode::Writable };
        let mounts: Vec<Mount> = self.mounts.iter().cloned().chain([work]).collect();
        let root = match &world {
            World::Image(image) => Some(self.root(&image.rootfs, &mounts, &env)?),
            World::Machine | World::Engine { .. } => None,
        };
        let shell = match &world {
            World::Image(image) if image.has_bash => Shell::Bash,
            World::Image(_) => Shell::Sh,
            World::Machine | World::Engine { .. } => Shell::Either,
        };
        let job = Job {
            call_dir: self.dir.clone(),
            execution_dir: self.dir.clone(),
            command: format!("cd {CONTAINED_WORK}\n{}", self.command),
            env: if root.is_some() { Vec::new() } else { env },
            clean_env: true,
            path_prefix: Vec::new(),
            volumes: mounts,
            root: root.map(|spec| [wrapper.to_vec(), vec![spec]].concat()),
            shell,
            container: world.container(engine, None)?,
            launch: Launch::Own,
            cores: 0.0,
            memory_mib: 0,
            time_limit: None,
            grace: GRACE,
            user: None,
            may_have_started: false,
        };
        Ok(LocalRunner.run(&job, control)?)
    }

    fn world(&self, images: &Images, engine: Option<&Engine>, control: &Arc<Control>) -> Result<World, PlaceError> {
        let path = Path::new(&self.image);
        if !path.exists() {
            if path.is_absolute() || self.image.ends_with(".tar") || self.image.ends_with(".gz") {
                return Err(PlaceError::Impossible(format!("there is no `{}`", self.image)));
            }
            return World::by_name(&self.image, engine);
        }
        let reference = Reference::parse(self.name.as_deref().unwrap_or("image"))?;
        let located = Located::on_machine(reference, path, &images.scratch()?)?.wanted_by(control);
        Ok(match engine {
            Some(engine) => World::Engine { kind: engine.kind, image: images.in_engine(&located, engine)?, is_given: true },
            None => World::Image(images.unpacked(&located)?),
        })
    }

    fn root(&self, rootfs: &Path, mounts: &[Mount], env: &[(String, String)]) -> Result<String, PlaceError> {
        let mut mounts = mounts.to_vec();
        mounts.push(Mount { source: self.dir.clone(), destination: self.dir.clone(), mode: Mode::Writable });
        let (upper, work) = (self.dir.join("layer/upper"), self.dir.join("layer/work"));
        let image = Some(Image { rootfs: rootfs.to_owned(), upper, work });
        let root = Root {
            in_memory: false,
            laid_over: Vec::new(),
            base: self.dir.join("root"),
            image,
            mounts,
            own: Vec::new(),
            env: Some(env.to_vec()),
            user: None,
        };
        let path = self.dir.join("root.json");
        let text = serde_json::to_vec(&root).map_err(|error| PlaceError::Impossible(error.to_string()))?;
        fs::write(&path, text).map_err(|source| PlaceError::File { what: format!("write `{}`", path.display()), source })?;
        Ok(path.to_string_lossy().into_owned())
    }
}
