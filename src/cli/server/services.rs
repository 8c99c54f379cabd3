//! The BatchCompute service and the object store beside the interface for workflows, each on a port of its own.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use batchyard_batch::{
    Accounts,
    events::Undelivered,
    http::router,
    instance::{Privacy, access::ADMIN},
    service::{Options, Service},
};
use batchyard_cromwell::service::Users;
use batchyard_objects::{Objects, http as oss};
use batchyard_runner::{root::unshare, user::is_root};
use batchyard_store::Location;
use batchyard_workflow::{fetch::Fetch, machine::Machine, settings::ContainerPolicy};
use tokio::{net::TcpListener, runtime::Runtime};

use super::{
    ServerArgs,
    job_provider::{DOOR, Door},
    say,
    workflows_app::WorkflowsApp,
};
use crate::{
    cli::exec_root,
    config::Config,
    files::{EmbeddedFiles, StoredFiles},
};

/// Environment variables that give the first key pair.
const KEY_ID: &str = "BATCHYARD_ACCESS_KEY_ID";
const KEY_SECRET: &str = "BATCHYARD_ACCESS_KEY_SECRET";
/// Environment variable that says where Picard is.
const PICARD_JAR: &str = "PICARD_JAR";
/// A place for those who have none yet: tools of the original want a bucket before their first job.
const FIRST_BUCKET: &str = "batchyard";
/// Folder in the state folder for what workflows have fetched.
const DOWNLOADS: &str = "downloads";
/// Longest wait for the receiver of a message.
const POST_LIMIT: Duration = Duration::from_secs(10);

/// Ports that are listened on, before anything is started.
pub struct Listeners {
    pub api: TcpListener,
    pub oss: TcpListener,
}

/// Listens on the ports of the services; nothing when they are not wanted.
pub fn listen(args: &ServerArgs, config: &Config, ip: IpAddr, port: u16, runtime: &Runtime) -> Result<Option<Listeners>> {
    if args.no_batch || !config.server.batch {
        return Ok(None);
    }
    // Whoever takes any free port for one takes any for all.
    let any = |given: Option<u16>, default: u16| given.unwrap_or(if port == 0 { 0 } else { default });
    let bind = |flag: &str, port: u16| {
        let address = SocketAddr::new(ip, port);
        let hint =
            format!("cannot listen on {address}: is another server there? give another `{flag}`, or `--no-batch` for workflows alone");
        runtime.block_on(TcpListener::bind(address)).context(hint)
    };
    let api = bind("--api-port", any(args.api_port, config.server.api_port))?;
    let oss = bind("--oss-port", any(args.oss_port, config.server.oss_port))?;
    Ok(Some(Listeners { api, oss }))
}

/// The services, ready to be served.
pub struct Services {
    /// Brings objects as files to workflows.
    pub files: Arc<dyn Fetch + Send + Sync>,
    /// As whom workflows of accounts are carried out.
    pub users: Users,
    /// Where they are served, for people.
    pub told: String,
    pub api: (TcpListener, axum::Router),
    pub oss: (TcpListener, axum::Router),
}

/// Opens the object store and starts the service.
pub fn start(listeners: Listeners, config: &Config, runs: &Path, machine: &Machine, app: Arc<WorkflowsApp>) -> Result<Services> {
    let (shared, store) = (Arc::clone(machine.shared()), Arc::clone(machine.store()));
    let folder = config.home.join("oss");
    let objects = Objects::open(&folder, batchyard_objects::Options::default())
        .with_context(|| format!("cannot open the object store in `{}`: is another server using it?", folder.display()))?;
    let accounts = Arc::new(Accounts::open(Arc::clone(&store)).context("cannot read the access keys")?);
    first_key(&accounts)?;
    app.use_accounts(&accounts);
    if let Some(user) = accounts.mapped().first().filter(|_| !is_root()) {
        bail!(
            "an account runs its instances as `{user}`, which only root can do: start the server as root, or take that back with `batchyard key run-as ACCOUNT`"
        );
    }
    close(config).context("cannot keep other users of this machine from the state")?;
    first_bucket(&objects, &accounts).context("cannot make the first bucket")?;
    let (api, oss) = (listeners.api.local_addr()?, listeners.oss.local_addr()?);
    let door = Door::open(&config.home.join(DOOR), format!("http://{}", reachable(api)), &accounts)?;
    let region = "local".to_owned();
    let (choice, allowed) = (config.settings.engine.clone(), config.settings.containers != ContainerPolicy::Off);
    let options = Options {
        folder: config.home.join("jobs"),
        privacy: Privacy { hidden: std::path::absolute(&config.home)?, shown: vec![runs.to_owned(), config.home.join(DOWNLOADS)] },
        oss_endpoint: format!("http://{}", reachable(oss)),
        region: region.clone(),
        grace: config.settings.grace,
        wrapper: unshare(&exec_root::own_words()?),
        engine: Arc::new(move || choice.get().filter(|_| allowed).cloned()),
        images: config.home.join("images"),
        nonces: config.home.join("nonces"),
        systems: app,
        door,
        room: config.server.room,
        keeping: config.server.keeping,
        post: {
            // One for all, so that a receiver of many messages is connected to once; not before there is one, since it reads certificates.
            let agent = std::sync::OnceLock::new();
            let make = || {
                let config = ureq::Agent::config_builder().timeout_global(Some(POST_LIMIT)).tls_config(batchyard_trust::tls());
                ureq::Agent::new_with_config(config.build())
            };
            Arc::new(move |endpoint: &str, text: &str| post(agent.get_or_init(make), endpoint, text))
        },
        picard_jar: std::env::var(PICARD_JAR).unwrap_or_default(),
    };
    let names = Arc::clone(&accounts);
    let cache = config.cache().with_names(move |id| names.name(id));
    let service = Service::start(shared, store, (objects.clone(), cache.clone()), Arc::clone(&accounts), options)
        .context("cannot start the BatchCompute service")?;
    let complain = Arc::new(|text: &str| say(&format!("object store: {text}")));
    let oss_options = oss::Options { hosts: Vec::new(), region, complain };
    let told = format!("  BatchCompute interface on http://{api}, object store on http://{oss}");
    let embedded = EmbeddedFiles::new(objects.clone(), config.home.join(DOWNLOADS).join("objects"));
    let files = Arc::new(StoredFiles { embedded: Some(embedded), cache });
    let users = {
        let accounts = Arc::clone(&accounts);
        Users(Arc::new(move |name: &str| accounts.user(name.strip_prefix(ADMIN).unwrap_or(name)).map_err(|error| error.to_string())))
    };
    Ok(Services {
        files,
        users,
        told,
        api: (listeners.api, router(service)),
        oss: (listeners.oss, oss::router(objects, accounts, oss_options)),
    })
}

/// Users that instances run as, and all others of this machine, must not read what the server keeps.
fn close(config: &Config) -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let set = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
            .with_context(|| format!("cannot close `{}`", path.display()))
    };
    // Instances enter the one of jobs, each to its own folder.
    for (name, mode) in [("oss", 0o700), (DOWNLOADS, 0o700), ("images", 0o700), ("jobs", 0o711)] {
        let folder = config.home.join(name);
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        set(&folder, mode)?;
    }
    if let Location::Sqlite(path) = &config.database {
        for ending in ["", "-wal", "-shm"] {
            let mut path = path.as_os_str().to_owned();
            path.push(ending);
            if Path::new(&path).exists() {
                set(Path::new(&path), 0o600)?;
            }
        }
    }
    Ok(())
}

/// An address that programs on this machine can use.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::new(IpAddr::from([127, 0, 0, 1]), address.port()) } else { address }
}

/// The first key pair: the one of the environment, or a new one that is told once.
fn first_key(accounts: &Accounts) -> Result<()> {
    let given = match (std::env::var(KEY_ID).ok(), std::env::var(KEY_SECRET).ok()) {
        (Some(id), Some(secret)) if !id.is_empty() && !secret.is_empty() => Some((id, secret)),
        (None, None) => None,
        _ => bail!("`{KEY_ID}` and `{KEY_SECRET}` belong together: set both or none"),
    };
    if let Some((id, secret)) = accounts.ensure_first(given).context("cannot make the first access key")? {
        say("the first access key was made; its secret is not told again:");
        say(&format!("  AccessKeyId     {id}"));
        say(&format!("  AccessKeySecret {secret}"));
    }
    Ok(())
}

/// The first bucket, of the first account, where there is none at all.
fn first_bucket(objects: &Objects, accounts: &Accounts) -> Result<()> {
    if !objects.buckets()?.is_empty() {
        return Ok(());
    }
    let Some(owner) = accounts.first()? else { return Ok(()) };
    objects.create_bucket(FIRST_BUCKET, &owner, None)?;
    say(&format!("the bucket `{FIRST_BUCKET}` was made for packages and logs of jobs:"));
    say(&format!("  bcs set -o oss://{FIRST_BUCKET}/jobs/"));
    Ok(())
}

fn post(agent: &ureq::Agent, endpoint: &str, text: &str) -> Result<(), Undelivered> {
    agent.post(endpoint).header("content-type", "application/json").send(text).map(drop).map_err(|error| {
        // Those three say "later".
        let is_refused = matches!(error, ureq::Error::StatusCode(400..500)) && !matches!(error, ureq::Error::StatusCode(408 | 425 | 429));
        Undelivered { reason: error.to_string(), is_refused }
    })
}
