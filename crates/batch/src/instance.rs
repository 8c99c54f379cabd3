//! One attempt of one instance, on a worker thread: put everything in place, run the command, keep what it leaves.

mod access;
mod bootstrap;
mod logs;
mod outputs;
mod place;
mod view;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use batchyard_model::JobId;
use batchyard_objects::{ObjectError, Objects};
use batchyard_runner::{Control, EndedBy, Exit, Job, Launch, LocalRunner, Outcome, RunError, Trace, container::Engine, trace};

pub use self::access::Access;
pub use self::logs::{Shipper, address as log_address};
use self::view::View;
use crate::{
    plan::PlannedTask,
    system::{SystemCall, Systems},
};

/// Name of the working directory in the folder of an attempt.
const WORK: &str = "work";
/// Bytes of the end of standard error that are kept with a failure.
const DETAIL_BYTES: u64 = 1000;
/// Search path of commands.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Looks for what runs containers, when the first one needs it.
pub type FindEngine = Arc<dyn Fn() -> Option<Engine> + Send + Sync>;

/// What attempts need of the process they run in.
#[derive(Clone)]
pub struct Surroundings {
    /// The object store.
    pub objects: Objects,
    /// Where clients on this machine reach it, for example `http://127.0.0.1:8002`.
    pub oss_endpoint: String,
    /// Name of the region that commands are told.
    pub region: String,
    /// Time between the polite signal and the hard one.
    pub grace: Duration,
    /// Folder that holds the folders of nodes.
    pub nodes: PathBuf,
    /// Starts a command with a root of its own: this program and its arguments.
    pub wrapper: Vec<String>,
    /// Looks for what runs containers.
    pub engine: FindEngine,
    /// Ships logs while commands run.
    pub shipper: Shipper,
    /// Carries out everybody's apps.
    pub systems: Arc<dyn Systems>,
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
    /// An object.
    #[error("cannot {what}: {source}")]
    Object {
        /// What was tried.
        what: String,
        /// Why not.
        source: ObjectError,
    },
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
    /// Name of the attempt in the environment of its processes.
    pub fn marker(&self) -> String {
        format!("{}/{}/{}", self.job, self.task.name, self.number)
    }

    /// Puts everything in place.
    ///
    /// # Errors
    /// How it has ended instead.
    pub fn prepare(self) -> Result<Ready, End> {
        self.placed().map_err(|(code, error)| End::failed(code, error.to_string()))
    }

    fn placed(self) -> Result<Ready, (&'static str, PlaceError)> {
        if self.task.system.is_some() {
            let made = fs::create_dir_all(&self.dir);
            made.map_err(|source| ("InternalError", PlaceError::File { what: format!("make `{}`", self.dir.display()), source }))?;
            let view = View::of(&self).map_err(|e| ("InvalidMount", e))?;
            let job = self.job(&view, false).map_err(|e| ("InternalError", e))?;
            return Ok(Ready { attempt: self, view, job });
        }
        let left = trace(&self.dir);
        let under_way = matches!(left, Trace::Running | Trace::Ended);
        let view = View::of(&self).map_err(|e| ("InvalidMount", e))?;
        if !under_way {
            if left == Trace::Gone {
                clear(&self.dir).map_err(|e| ("InternalError", e))?;
            }
            self.fill(&view)?;
        }
        let job = self.job(&view, under_way).map_err(|e| ("InvalidImage", e))?;
        Ok(Ready { attempt: self, view, job })
    }

    fn fill(&self, view: &View) -> Result<(), (&'static str, PlaceError)> {
        bootstrap::run(self).map_err(|e| ("BootstrapFailed", e))?;
        let work = self.dir.join(WORK);
        fs::create_dir_all(&work)
            .map_err(|source| ("InternalError", PlaceError::File { what: format!("make `{}`", work.display()), source }))?;
        let package = &self.task.description.parameters.command.package_path;
        if !package.is_empty() {
            place::package(&self.access, package, &work).map_err(|e| ("InvalidPackage", e))?;
        }
        view.fill(&self.access).map_err(|e| ("InvalidMount", e))
    }

    fn job(&self, view: &View, under_way: bool) -> Result<Job, PlaceError> {
        let description = &self.task.description;
        let container = self.container()?;
        let root = view.root_file(&self.dir, container.is_some())?;
        Ok(Job {
            call_dir: self.dir.clone(),
            execution_dir: self.dir.clone(),
            // The folder was made just now, or the attempt under way has been there.
            command: format!("cd {WORK}\n{}", description.parameters.command.command_line),
            env: self.environment(),
            clean_env: true,
            path_prefix: Vec::new(),
            container,
            volumes: view.volumes(),
            root: root.map(|spec| [self.surroundings.wrapper.clone(), vec![spec]].concat()),
            launch: Launch::Own,
            cores: self.task.cores as f64,
            memory_mib: self.task.memory_gib << 10,
            time_limit: u64::try_from(description.timeout).ok().map(Duration::from_secs),
            grace: self.surroundings.grace,
            may_have_started: under_way,
        })
    }

    fn container(&self) -> Result<Option<(Engine, String)>, PlaceError> {
        let command = &self.task.description.parameters.command;
        let variable = |name: &str| command.env_vars.get(name).map(|text| text.0.as_str()).unwrap_or_default();
        let image = Some(command.docker.image.as_str()).filter(|image| !image.is_empty()).unwrap_or(variable("BATCH_COMPUTE_DOCKER_IMAGE"));
        if image.is_empty() {
            return Ok(None);
        }
        let registry = command.docker.registry_oss_path.as_deref().unwrap_or(variable("BATCH_COMPUTE_DOCKER_REGISTRY_OSS_PATH"));
        if !registry.is_empty() {
            return Err(PlaceError::Impossible(format!("images kept in the object store (`{registry}`) cannot be loaded yet")));
        }
        let engine = (self.surroundings.engine)().ok_or_else(|| {
            PlaceError::Impossible(format!(
                "the image `{image}` needs a container engine: install podman, docker or apptainer on this machine"
            ))
        })?;
        Ok(Some((engine, image.to_owned())))
    }

    fn environment(&self) -> Vec<(String, String)> {
        let home = std::env::var("HOME").unwrap_or_else(|_| "/root".into());
        let user = std::env::var("USER").unwrap_or_else(|_| "root".into());
        let mut env: Vec<(String, String)> =
            [("PATH", PATH), ("HOME", &home), ("USER", &user), ("LANG", "C.UTF-8"), ("SHELL", "/bin/bash")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec();
        let number = self.number.to_string();
        let own = [
            ("BATCH_COMPUTE_DAG_JOB_ID", self.job.as_str()),
            ("BATCH_COMPUTE_DAG_TASK_ID", &self.task.name),
            ("BATCH_COMPUTE_DAG_INSTANCE_ID", &number),
            ("BATCH_COMPUTE_OSS_HOST", &self.surroundings.oss_endpoint),
            ("BATCH_COMPUTE_REGION", &self.surroundings.region),
            ("BATCH_COMPUTE_CLUSTER_ID", &self.seat.cluster),
            ("BATCH_COMPUTE_WORKER_ID", &self.seat.node),
        ];
        env.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        env.extend(self.seat.env.iter().cloned());
        let user_data = &self.task.description.auto_cluster.user_data;
        env.extend(user_data.iter().filter(|(name, _)| is_variable(name)).map(|(name, text)| (name.clone(), text.0.clone())));
        env.extend(self.task.variables.iter().map(|(name, value)| (name.clone(), value.clone())));
        let given = &self.task.description.parameters.command.env_vars;
        env.extend(given.iter().map(|(name, text)| (name.clone(), text.0.clone())));
        env
    }
}

impl Ready {
    /// Runs the command and keeps what it leaves.
    pub fn run(self, control: &Arc<Control>) -> End {
        let Ready { attempt, view, job } = self;
        attempt.surroundings.shipper.follow(&attempt);
        let mut end = match &attempt.task.system {
            Some(app) => attempt.carry_out(app, control),
            None => attempt.judge(LocalRunner.run(&job, control)),
        };
        attempt.surroundings.shipper.leave(&attempt);
        if end.lost {
            return end;
        }
        if let Err(error) = outputs::keep(&attempt, &view, end.is_success())
            && end.is_success()
        {
            end = End { exit_code: end.exit_code, ..End::failed("UploadFailed", error.to_string()) };
        }
        if let Err(error) = logs::keep(&attempt, &view)
            && end.is_success()
        {
            end = End { exit_code: end.exit_code, ..End::failed("UploadFailed", error.to_string()) };
        }
        end
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
            let mut file = fs::File::open(self.dir.join("stderr"))?;
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
    match fs::remove_dir_all(dir) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(PlaceError::File { what: format!("clear `{}`", dir.display()), source })
        }
        _ => Ok(()),
    }
}

fn is_variable(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.as_bytes().first().is_none_or(u8::is_ascii_digit)
}

/// Bucket and key of an address that was checked.
fn bucket_and_key(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("oss://").unwrap_or(url);
    rest.split_once('/').unwrap_or((rest, ""))
}
