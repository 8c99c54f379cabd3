//! `batchyard server`: workflows over HTTP.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use batchyard_cromwell::{
    documents::Sources,
    http::{Limits, router, serve},
    service::{Options, Service},
};
use batchyard_workflow::{machine::Machine, owner::host_name};
use clap::Args;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::{open_store, say};
use crate::config::Config;

/// Threads that answer requests; what waits for the disk or the store has threads of its own.
const WORKERS: usize = 2;
/// Most threads that wait for the disk or the store at once.
const MAX_BLOCKING: usize = 64;
/// Time that running tasks get to end when the server ends them.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time that answers which have begun get when the server ends.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Arguments of `server`.
#[derive(Args, Default)]
pub struct ServerArgs {
    /// Port to listen on
    #[arg(short, long, value_name = "PORT")]
    port: Option<u16>,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<std::net::IpAddr>,
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

/// Serves until it is told to end.
pub fn server(args: &ServerArgs, mut config: Config) -> Result<u8> {
    let address = SocketAddr::new(args.listen.unwrap_or(config.server.listen), args.port.unwrap_or(config.server.port));
    if !address.ip().is_loopback() && !args.allow_remote && !config.server.allow_remote {
        bail!(
            "`{}` can be reached from other machines, and anybody there could run programs here: \
             put a proxy with sign-in before the loopback address, or give `--allow-remote`",
            address.ip()
        );
    }
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
    let address = listener.local_addr().context("cannot tell the address of the server")?;
    let store = open_store(&config)?;
    let machine = Machine::new(store, config.settings.capacity, config.settings.jobs);
    let mut options = options(&config);
    options.root = root;
    options.abort_on_terminate |= args.abort_on_exit;
    let service = Service::new(machine, options);
    let found = service.take_up().context("cannot take up what earlier servers have left")?;
    say(&format!("batchyard server listens on http://{address}"));
    if found > 0 {
        say(&format!("  {found} workflows of earlier servers are taken up"));
    }
    let routes = router(Arc::clone(&service), Limits::default());
    let served = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (told, mut ending) = tokio::sync::watch::channel(false);
        let mut begun = told.subscribe();
        let serving = serve(listener, routes, async move {
            // The sender lives until the end of this block.
            let _ = begun.wait_for(|end| *end).await;
        });
        let signals = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            told.send_replace(true);
            std::future::pending::<()>().await;
        };
        let late = async {
            let _ = ending.wait_for(|end| *end).await;
            tokio::time::sleep(LAST_ANSWERS).await;
        };
        tokio::select! {
            served = serving => served,
            () = signals => Ok(()),
            () = late => Ok(()),
        }
    });
    say("batchyard server ends; running tasks go on, and the next server finds them");
    service.close(PATIENCE);
    // Threads that wait for running tasks are not waited for: the state is on disk.
    runtime.shutdown_background();
    served.context("the server cannot listen any more")?;
    Ok(0)
}

/// How the configuration wants workflows carried out.
pub fn options(config: &Config) -> Options {
    Options {
        settings: config.settings.clone(),
        root: config.runs_dir.clone(),
        sources: Sources { map: config.import_map.clone(), hosts: None },
        downloads: config.home.join("downloads"),
        max_concurrent: config.server.max_workflows,
        abort_on_terminate: config.server.abort_on_exit,
        name: format!("batchyard-{}", host_name()),
        callback: None,
    }
}

/// Every running workflow and task holds some files open; the usual soft limit of 1024 is meant for small programs.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    // Where it cannot be raised the limit stays what it is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
}
