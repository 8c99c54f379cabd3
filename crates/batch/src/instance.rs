//! One attempt of one instance, on a worker thread: put everything in place, run the command, keep what it leaves.

pub mod access;
mod bootstrap;
pub(crate) mod environment;
mod left;
mod logs;
mod outputs;
mod owner;
mod place;
pub mod room;
mod trial;
mod view;
mod world;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use batchyard_crash as crash;
use batchyard_model::JobId;
use batchyard_objects::{
    ObjectError, Objects,
    remote::{Cache, RemoteError},
};
use batchyard_runner::{
    Control, EndedBy, Exit, Job, Launch, LocalRunner, Outcome, RunError, Shell, Trace, User, UserError, container::Engine, root::remove,
    trace,
};

use self::logs::Late;
pub use self::logs::{Shipper, address as log_address};
pub use self::{access::Access, left::Left};
use self::{room::Room, view::View, world::World};
pub use self::{
    trial::{Trial, TrialError},
    world::image_of,
};
use crate::{
    image::{ImageError, Images},
    plan::PlannedTask,
    system::{SystemCall, Systems},
    wire::{cluster::Disks, mounts},
};

/// Name of the working directory in the folder of an attempt.
const WORK: &str = "work";
/// Folder for what a command keeps only while it runs: its room counts, and it goes with the attempt.
const TEMPORARY: &str = "tmp";
/// Code of the end of one that took too much room on the disk.
const DISK_FULL: &str = "DiskFull";
/// Bytes of the end of standard error that are kept with a failure.
const DETAIL_BYTES: u64 = 1000;
/// The working directory as commands in containers see it, like the original's.
const CONTAINED_WORK: &str = "/batchcompute/workdir";

/// Looks for what runs containers, when the first one needs it.
pub type FindEngine = Arc<dyn Fn() -> Option<Engine> + Send + Sync>;

/// The user that the instances of an account run as, if it is not the server's own.
pub type FindUser = Arc<dyn Fn(&str) -> Result<Option<User>, UserError> + Send + Sync>;

/// What attempts need of the process they run in.
#[derive(Clone)]
pub struct Surroundings {
    /// The object store.
    pub objects: Objects,
    /// The stores of the configuration, and what was brought here of them.
    pub cache: Cache,
    /// Where clients on this machine reach it, for example `http://127.0.0.1:8002`.
    pub oss_endpoint: String,
    /// Name of the region that commands are told.
    pub region: String,
    /// Time between the polite signal and the hard one.
    pub grace: Duration,
    /// Folder that holds the folders of nodes.
    pub nodes: PathBuf,
    /// What attempts with a root of their own do not find there.
    pub privacy: Privacy,
    /// Starts a command with a root of its own: this program and its arguments.
    pub wrapper: Vec<String>,
    /// Looks for what runs containers.
    pub engine: FindEngine,
    /// Images of containers.
    pub images: Arc<Images>,
    /// Ships logs while commands run.
    pub shipper: Shipper,
    /// Watches what they fill.
    pub room: Room,
    /// Carries out everybody's apps.
    pub systems: Arc<dyn Systems>,
    /// Who the instances of an account run as.
    pub users: FindUser,
}

/// What is kept from commands that have a root of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Privacy {
    /// The server's folder: its state, the object store, the folders of other jobs. Each attempt still sees its own.
    pub hidden: PathBuf,
    /// Folders that are seen wherever they lie: those of workflows, whose calls may be jobs.
    pub shown: Vec<PathBuf>,
}

/// The machine of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Id of the node.
    pub node: String,
    /// Id of its cluster.
    pub cluster: String,
    /// Its address.
    pub ip: String,
    /// Environment of the cluster.
    pub env: Vec<(String, String)>,
    /// Mounts of the cluster.
    pub mounts: Vec<crate::wire::MountEntry>,
    /// What the node runs once before anything else; empty for nothing.
    pub bootstrap: String,
    /// Its disks.
    pub disks: Disks,
}

/// One attempt.
#[derive(Clone)]
pub struct Attempt {
    /// The job.
    pub job: JobId,
    /// The task.
    pub task: Arc<PlannedTask>,
    /// The instance, from 0.
    pub number: u32,
    /// Which attempt it is, from 1.
    pub count: u32,
    /// What it may do with the object store.
    pub access: Access,
    /// Its folder.
    pub dir: PathBuf,
    /// Where it runs.
    pub seat: Seat,
    /// Folder of the call of a workflow that it carries out.
    pub call: Option<PathBuf>,
    /// Who it runs as, where that is not the server's own user; known once it is being got ready.
    pub user: Option<User>,
    /// What it runs in.
    pub surroundings: Arc<Surroundings>,
}

/// How an attempt ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// Exit status, where the command ran.
    pub exit_code: Option<i32>,
    /// What kind of failure it was; empty for a success.
    pub error_code: String,
    /// Words about it.
    pub message: String,
    /// The end of its standard error.
    pub detail: String,
    /// Whether it was ended by request.
    pub stopped: bool,
    /// Whether its process is gone without a status, through no fault of its own.
    pub lost: bool,
}

impl End {
    /// A failure before or after the command.
    pub fn failed(code: &str, message: impl Into<String>) -> Self {
        End { error_code: code.into(), message: message.into(), ..End::default() }
    }

    /// A success that could not be kept is a failure; a failure stays what it is.
    fn unless_kept(self, error: PlaceError) -> Self {
        if !self.is_success() {
            return self;
        }
        End { exit_code: self.exit_code, ..End::failed("UploadFailed", error.to_string()) }
    }

    /// Whether it is a success.
    pub fn is_success(&self) -> bool {
        self.error_code.is_empty() && !self.stopped && !self.lost
    }
}

/// Why an attempt could not be put in place.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// A file here.
    #[error("cannot {what}: {source}")]
    File {
        /// What was tried.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// An object of a store of the configuration.
    #[error("cannot {what}: {source}")]
    Remote {
        /// What was tried.
        what: String,
        /// Why not.
        source: RemoteError,
    },
    /// An object.
    #[error("cannot {what}: {source}")]
    Object {
        /// What was tried.
        what: String,
        /// Why not.
        source: ObjectError,
    },
    /// An object of a bucket that is not open to the account.
    #[error("cannot {what} `{url}`: the bucket belongs to another account")]
    Refused {
        /// What was tried.
        what: &'static str,
        /// Where.
        url: String,
    },
    /// The image of a container.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Who it is to run as.
    #[error(transparent)]
    User(#[from] UserError),
    /// Something in the job's description that cannot be done here.
    #[error("{0}")]
    Impossible(String),
}

/// An attempt with everything in place.
pub struct Ready {
    attempt: Attempt,
    view: View,
    job: Job,
}

impl Attempt {
    /// Name of the attempt in the environment of its processes. Whoever ends an attempt ends all that carry it, so the next one
    /// has another.
    pub fn marker(&self) -> String {
        format!("{}/{}/{}/{}", self.job, self.task.name, self.number, self.count)
    }

    /// Puts everything in place, unless it is ended meanwhile.
    ///
    /// # Errors
    /// How it has ended instead.
    pub fn prepare(mut self, control: &Arc<Control>) -> Result<Ready, End> {
        let this = Arc::clone(control);
        self.access.cache = self.access.cache.wanted_while(move || this.ended_by().is_none());
        self.placed(control).map_err(|(code, error)| match control.ended_by() {
            Some(EndedBy::Abort) => End { stopped: true, ..End::default() },
            _ => End::failed(code, error.to_string()),
        })
    }

    fn placed(mut self, control: &Arc<Control>) -> Result<Ready, (&'static str, PlaceError)> {
        if self.task.system.is_some() {
            let made = fs::create_dir_all(self.dir.join(TEMPORARY));
            made.map_err(|source| ("InternalError", PlaceError::File { what: format!("make `{}`", self.dir.display()), source }))?;
            let view = View::of(&self, World::Machine).map_err(|e| ("InvalidMount", e))?;
            let job = self.job(&view, false).map_err(|e| ("InternalError", e))?;
            return Ok(Ready { attempt: self, view, job });
        }
        let left = trace(&self.dir);
        let under_way = matches!(left, Trace::Running | Trace::Ended);
        if left == Trace::Gone {
            clear(&self.dir).map_err(|e| ("InternalError", e))?;
        }
        self.user = owner::of(&self, under_way).map_err(|e| ("InvalidUser", e))?;
        let world = World::of(&self, under_way, control).map_err(|e| ("InvalidImage", e))?;
        let view = View::of(&self, world).map_err(|e| ("InvalidMount", e))?;
        if !under_way {
            self.fill(&view)?;
        }
        let job = self.job(&view, under_way).map_err(|e| ("InvalidImage", e))?;
        crash::place("instance placed");
        Ok(Ready { attempt: self, view, job })
    }

    fn fill(&self, view: &View) -> Result<(), (&'static str, PlaceError)> {
        for url in outputs::addresses(&self.task.description) {
            self.access.foresee(url).map_err(|e| ("InvalidMapping", e))?;
        }
        bootstrap::run(self).map_err(|e| ("BootstrapFailed", e))?;
        let work = self.dir.join(WORK);
        let made = |path: &Path| {
            fs::create_dir_all(path)
                .map_err(|source| ("InternalError", PlaceError::File { what: format!("make `{}`", path.display()), source }))
        };
        made(&work)?;
        if !view.world().is_contained() {
            made(&self.dir.join(TEMPORARY))?;
        }
        let package = &self.task.description.parameters.command.package_path;
        if !package.is_empty() {
            place::package(&self.access, package, &work).map_err(|e| ("InvalidPackage", e))?;
        }
        view.fill(&self.access).map_err(|e| ("InvalidMount", e))?;
        owner::hand_over(self).map_err(|e| ("InternalError", e))
    }

    fn job(&self, view: &View, under_way: bool) -> Result<Job, PlaceError> {
        let description = &self.task.description;
        let container = view.world().container((self.surroundings.engine)(), self.user.as_ref())?;
        let env = self.environment(view.world());
        let root = view.root_file(&env)?;
        let (work, shell) = match view.world() {
            World::Machine => (WORK, Shell::Bash),
            World::Image(image) => (CONTAINED_WORK, if image.has_bash { Shell::Bash } else { Shell::Sh }),
            World::Engine { .. } => (CONTAINED_WORK, Shell::Either),
        };
        Ok(Job {
            call_dir: self.dir.clone(),
            execution_dir: self.dir.clone(),
            // The folder was made just now, or the attempt under way has been there.
            command: format!("cd {work}\n{}", description.parameters.command.command_line),
            // In an image they are for the command alone, not for what makes its root.
            env: if view.world().rootfs().is_some() { Vec::new() } else { env },
            clean_env: true,
            path_prefix: Vec::new(),
            shell,
            container,
            volumes: view.volumes(),
            root: root.map(|spec| [self.surroundings.wrapper.clone(), vec![spec]].concat()),
            launch: Launch::Own,
            cores: self.task.cores as f64,
            memory_mib: self.task.memory_gib << 10,
            time_limit: u64::try_from(description.timeout).ok().map(Duration::from_secs),
            grace: self.surroundings.grace,
            user: self.user.clone(),
            may_have_started: under_way,
        })
    }
}

impl Ready {
    /// Runs the command and keeps what it leaves, but for logs that can wait.
    pub fn run(self, control: &Arc<Control>) -> Ran {
        let Ready { attempt, view, job } = self;
        attempt.surroundings.shipper.follow(&attempt);
        attempt.surroundings.room.follow(&attempt, control);
        let mut end = match &attempt.task.system {
            Some(app) => attempt.carry_out(app, control),
            None => attempt.judge(LocalRunner.run(&job, control)),
        };
        crash::place("command ended");
        attempt.surroundings.shipper.leave(&attempt);
        let filled = attempt.surroundings.room.leave(&attempt);
        if end.lost {
            return Ran { end, logs: None };
        }
        if let Some(message) = filled.filter(|_| end.error_code == DISK_FULL) {
            // There is nothing to store but logs, as far as they were kept.
            let _ = logs::keep(&attempt, &view, Duration::ZERO);
            return Ran { end: End { message, ..end }, logs: None };
        }
        if let Err(error) = outputs::keep(&attempt, &view, end.is_success()) {
            end = end.unless_kept(error);
        }
        crash::place("outputs kept");
        let late = if end.is_success() && logs::are_quick(&attempt) { attempt.surroundings.shipper.late() } else { None };
        let logs = Logs { attempt, view, late };
        match logs.late {
            Some(_) => Ran { end, logs: Some(logs) },
            None => Ran { end: logs.keep(end, Duration::ZERO), logs: None },
        }
    }
}

/// An attempt whose command has ended and whose outputs are kept.
pub struct Ran {
    /// How it has ended, unless its logs cannot be kept.
    pub end: End,
    /// What is still to be kept: it needs no core, so that the next command need not wait for it.
    pub logs: Option<Logs>,
}

/// Logs that are still to be kept.
pub struct Logs {
    attempt: Attempt,
    view: View,
    late: Option<Late>,
}

impl Logs {
    /// Keeps them: how the attempt has ended then. They may wait for so long for those of others, to go to the disk with them.
    pub fn keep(self, end: End, patience: Duration) -> End {
        let kept = logs::keep(&self.attempt, &self.view, patience);
        crash::place("logs kept");
        match kept {
            Ok(()) => end,
            Err(error) => end.unless_kept(error),
        }
    }
}

impl Attempt {
    /// Carries out one of everybody's apps.
    fn carry_out(&self, app: &str, control: &Arc<Control>) -> End {
        let call =
            SystemCall { job: &self.job, access: &self.access, attempt: self.count, values: &self.task.variables, dir: &self.dir, control };
        let done = self.surroundings.systems.run(app, &call);
        match (control.ended_by(), done) {
            (Some(EndedBy::Abort), _) => End { stopped: true, ..End::default() },
            (Some(EndedBy::TimeLimit), _) => {
                End::failed("Timeout", format!("ended after its time limit of {} s", self.task.description.timeout))
            }
            (Some(EndedBy::Room), _) => End::failed(DISK_FULL, "it filled the disk"),
            (None, Ok(())) => End { exit_code: Some(0), ..End::default() },
            (None, Err(problem)) => End { exit_code: Some(1), detail: self.detail(), ..End::failed("ProgramFailed", problem) },
        }
    }

    fn judge(&self, outcome: Result<Outcome, RunError>) -> End {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => return End::failed("InternalError", error.to_string()),
        };
        let exit_code = Some(outcome.exit.number());
        match outcome.ended_by {
            Some(EndedBy::Abort) => return End { exit_code, stopped: true, ..End::default() },
            // Whoever watches the room knows the words.
            Some(EndedBy::Room) => return End { exit_code, detail: self.detail(), ..End::failed(DISK_FULL, "it filled the disk") },
            Some(EndedBy::TimeLimit) => {
                let message = format!("ended after its time limit of {} s", self.task.description.timeout);
                return End { exit_code, detail: self.detail(), ..End::failed("Timeout", message) };
            }
            None => {}
        }
        if outcome.lost || outcome.adopted && outcome.exit == Exit::Signal(9) {
            return End { exit_code, lost: true, ..End::failed("Lost", "the process is gone and left no exit status") };
        }
        match outcome.exit {
            Exit::Code(0) => End { exit_code, ..End::default() },
            Exit::Code(code) => End { exit_code, detail: self.detail(), ..End::failed("ProgramFailed", format!("exit status {code}")) },
            Exit::Signal(signal) => {
                End { exit_code, detail: self.detail(), ..End::failed("ProgramFailed", format!("ended by signal {signal}")) }
            }
        }
    }

    /// The end of standard error.
    fn detail(&self) -> String {
        use io::{Read, Seek, SeekFrom};
        let read = || -> io::Result<Vec<u8>> {
            let mut file = logs::open(&self.dir.join("stderr"))?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(DETAIL_BYTES)))?;
            let mut bytes = Vec::new();
            file.take(DETAIL_BYTES).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        String::from_utf8_lossy(&read().unwrap_or_default()).trim().to_owned()
    }
}

fn clear(dir: &Path) -> Result<(), PlaceError> {
    remove(dir).map_err(|source| PlaceError::File { what: format!("clear `{}`", dir.display()), source })
}

/// Bucket and key of an address that was checked.
pub(crate) fn bucket_and_key(url: &str) -> (&str, &str) {
    mounts::bucket_and_key(url).unwrap_or((url, ""))
}
