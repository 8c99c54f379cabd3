//! `batchyard server`: workflows, jobs and objects over HTTP.

mod billing;
mod downloads;
mod encrypted;
pub mod job_provider;
mod services;
mod workflow_tree;
mod workflows_app;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use batchyard_cromwell::{
    documents::Sources,
    http::{Limits, router, serve},
    service::{Options, Service, seal::Seal},
};
use batchyard_workflow::{machine::Machine, owner::host_name};
use clap::Args;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use self::{
    encrypted::Interfaces,
    job_provider::{DOOR, with_jobs},
    workflows_app::WorkflowsApp,
};
use super::{import, open_store, say, tell_notes};
use crate::config::Config;

/// Threads that answer requests; what waits for the disk or the store has threads of its own.
const WORKERS: usize = 2;
/// Most threads that wait for the disk or the store at once.
const MAX_BLOCKING: usize = 64;

/// Time that answers which have begun get when the server ends.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// File in the home of the server for the key that secret options of workflows are kept with.
const OPTIONS_KEY: &str = "options.key";

/// Far beyond any pause.
const ENDLESS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Arguments of `server`.
#[derive(Args, Default)]
pub struct ServerArgs {
    /// Port to listen on
    #[arg(short, long, value_name = "PORT")]
    port: Option<u16>,
    /// Port of the BatchCompute interface
    #[arg(long, value_name = "PORT")]
    api_port: Option<u16>,
    /// Port of the object store
    #[arg(long, value_name = "PORT")]
    oss_port: Option<u16>,
    /// Port on which all interfaces are served over TLS
    #[arg(long, value_name = "PORT")]
    tls_port: Option<u16>,
    /// Certificate for it and those that it follows from, PEM; one of the server's own without it
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Serve workflows alone, without the BatchCompute service and the object store
    #[arg(long)]
    no_batch: bool,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<IpAddr>,
    /// Allow an address that other machines reach; there is no sign-in yet
    #[arg(long)]
    allow_remote: bool,
    /// Folder in which runs lie
    #[arg(short, long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// At most so many tasks at once
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// End what runs when the server ends, instead of leaving it to the next one
    #[arg(long)]
    abort_on_exit: bool,
}

impl ServerArgs {
    /// As the original serves: nothing but workflows.
    pub fn workflows_alone() -> Self {
        ServerArgs { no_batch: true, ..ServerArgs::default() }
    }
}

/// Serves until it is told to end.
pub fn server(args: &ServerArgs, mut config: Config) -> Result<u8> {
    tell_notes(&config);
    // Whoever asks over the original's interface expects what the original gives.
    config.settings.calls_are_outputs = true;
    let address = address(args, &config)?;
    if let Some(jobs) = args.jobs {
        if jobs == 0 {
            bail!("`--jobs 0` would run nothing: give a number from 1");
        }
        config.settings.jobs = jobs;
    }
    raise_open_files();
    let root = std::path::absolute(args.dir.as_ref().unwrap_or(&config.runs_dir)).context("cannot find the folder of the runs")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(MAX_BLOCKING)
        .thread_name("http")
        .enable_all()
        .build()
        .context("cannot start the threads of the server")?;
    // Before anything is taken up: a second server on the port ends here.
    let listener = runtime
        .block_on(TcpListener::bind(address))
        .with_context(|| format!("cannot listen on {address}: is another server there? give another `--port`"))?;
    let listeners = services::listen(args, &config, address.ip(), address.port(), &runtime)?;
    let encrypted = encrypted::listen(args, &config, address.ip(), &runtime)?;
    let address = listener.local_addr().context("cannot tell the address of the server")?;
    if listeners.is_some() {
        config.settings.providers = with_jobs(&config.settings.providers, &config.home.join(DOOR))?;
    }
    let store = open_store(&config)?;
    let machine = Machine::new(store, config.settings.capacity, config.settings.jobs);
    let mut options = options(&config);
    options.root = root;
    options.abort_on_terminate |= args.abort_on_exit;
    let limits = limits(&config);
    let app = Arc::new(WorkflowsApp::default());
    let batch = listeners.map(|listeners| services::start(listeners, &config, &options.root, &machine, Arc::clone(&app))).transpose()?;
    if let Some(services) = &batch {
        options.objects = Some(Arc::clone(&services.files));
        options.users = Some(services.users.clone());
    }
    options.sources.stores.fetch.clone_from(&options.objects);
    let service = Service::new(machine, options);
    app.use_service(&service);
    let found = service.take_up().context("cannot take up what earlier servers have left")?;
    say(&format!("batchyard server listens on http://{address}"));
    if found > 0 {
        say(&format!("  {found} workflows of earlier servers are taken up"));
    }
    if let Some(services) = &batch {
        say(&services.told);
    }
    if service.store().is_shared() {
        let earlier = Arc::clone(service.store());
        // Aside, since nobody has to wait for it, and without a thread for it nothing is missing but the note.
        let _ = std::thread::Builder::new().name("earlier".into()).spawn(move || import::suggest(&earlier));
    }
    downloads::watch(config.cache()).context("cannot start the threads of the server")?;
    let lost = Arc::new(tokio::sync::Notify::new());
    let tell_lost = Arc::clone(&lost);
    service.watch(move || tell_lost.notify_one()).context("cannot start the threads of the server")?;
    let routes = router(Arc::clone(&service), limits);
    let mut doors = vec![(listener, None, routes.clone())];
    if let Some((listener, tls)) = encrypted {
        say(&format!("  all of them on https://{}", listener.local_addr()?));
        let batch = batch.as_ref().map(|services| (services.api.1.clone(), services.oss.1.clone()));
        doors.push((listener, Some(tls), Interfaces { workflows: routes, batch }.together()));
    }
    doors.extend(batch.into_iter().flat_map(|services| [services.api, services.oss]).map(|(listener, routes)| (listener, None, routes)));
    let served = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (told, mut ending) = tokio::sync::watch::channel(false);
        let mut serving = tokio::task::JoinSet::new();
        for (listener, tls, routes) in doors {
            let mut begun = told.subscribe();
            serving.spawn(serve(listener, tls, routes, limits, async move {
                // The sender lives until the end of this block.
                let _ = begun.wait_for(|end| *end).await;
            }));
        }
        let signals = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            service.wind_down();
            told.send_replace(true);
            std::future::pending::<()>().await;
        };
        let late = async {
            let _ = ending.wait_for(|end| *end).await;
            tokio::time::sleep(LAST_ANSWERS).await;
        };
        tokio::select! {
            served = all(&mut serving) => served.map(|()| false),
            () = signals => Ok(false),
            () = late => Ok(false),
            () = lost.notified() => Ok(true),
        }
    });
    if let Ok(true) = served {
        // Nothing more can be stored, and what ran is others' now.
        runtime.shutdown_background();
        return Ok(1);
    }
    say(match service.options().abort_on_terminate {
        true => "batchyard server ends, and ends what runs",
        false => "batchyard server ends; running tasks go on, and the next server finds them",
    });
    service.close();
    // Threads that wait for running tasks are not waited for: the state is on disk.
    runtime.shutdown_background();
    served.context("the server cannot listen any more")?;
    Ok(0)
}

/// Waits until nothing is served any more.
async fn all(serving: &mut tokio::task::JoinSet<std::io::Result<()>>) -> std::io::Result<()> {
    while let Some(served) = serving.join_next().await {
        served.map_err(std::io::Error::other)??;
    }
    Ok(())
}

/// Where to listen. An address that other machines reach must be asked for.
fn address(args: &ServerArgs, config: &Config) -> Result<SocketAddr> {
    let port = args.port.unwrap_or(config.server.port);
    let allowed = args.allow_remote || config.server.allow_remote;
    let foreign = config.original.as_ref().is_some_and(|original| original.config.whole);
    let address = match args.listen {
        Some(address) => SocketAddr::new(address, port),
        None if config.server.listens_by_default && foreign && allowed => SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port),
        None => {
            let mut found = (config.server.listen.as_str(), port)
                .to_socket_addrs()
                .with_context(|| format!("there is no address `{}` to listen on", config.server.listen))?;
            found.next().with_context(|| format!("the name `{}` has no address to listen on", config.server.listen))?
        }
    };
    if config.server.listens_by_default && foreign && args.listen.is_none() && !allowed {
        say("note: `webservice.interface` is not set: the server listens on the loopback address only, where the original listens on all");
        say("  hint: set it in the file, or give `--allow-remote`; there is no sign-in");
    }
    if !address.ip().is_loopback() {
        // What a file of the original asks for is meant for the server, not for the address of a flag.
        if !(allowed || config.server.opened && args.listen.is_none()) {
            bail!(
                "`{}` can be reached from other machines, and anybody there could run programs here: \
                 put a proxy with sign-in before the loopback address, or give `--allow-remote`",
                address.ip()
            );
        }
        say(&format!(
            "warning: `{}` can be reached from other machines, and there is no sign-in: anybody there can run programs here",
            address.ip()
        ));
    }
    Ok(address)
}

/// How the configuration wants requests answered.
fn limits(config: &Config) -> Limits {
    let mut limits = Limits::default();
    let Some(original) = &config.original else { return limits };
    let service = &original.config.webservice;
    if let Some(bytes) = service.max_content_length {
        limits.body_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    if original.config.decides("akka.http.server.request-timeout") {
        limits.answer = service.request_timeout;
    }
    limits.idle = service.idle_timeout.unwrap_or(ENDLESS);
    limits
}

/// How the configuration wants workflows carried out.
pub fn options(config: &Config) -> Options {
    let mut options = Options {
        settings: config.settings.clone(),
        root: config.runs_dir.clone(),
        sources: Sources { map: config.import_map.clone(), ..Sources::default() },
        downloads: config.home.join("downloads"),
        objects: Some(config.stored_files()),
        max_concurrent: config.server.max_workflows,
        abort_on_terminate: config.server.abort_on_exit,
        name: format!("batchyard-{}", host_name()),
        seal: Arc::new(Seal::of_file(config.home.join(OPTIONS_KEY))),
        ..Options::default()
    };
    if let Some(original) = &config.original {
        options.follow(&original.config);
    }
    options
}

/// Every running workflow and task holds some files open; the usual soft limit of 1024 is meant for small programs.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    // Where it cannot be raised the limit stays what it is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
}
