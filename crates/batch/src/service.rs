//! What can be done: one file for each kind of thing.

mod apps;
mod clusters;
mod images;
mod jobs;
pub(crate) mod look;
mod offers;
mod planning;
mod show;
mod tokens;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::AtomicUsize,
        mpsc::{self, Sender},
    },
    time::Duration,
};

use batchyard_core::Machine;
use batchyard_objects::{Objects, keys::Role, remote::Cache};
use batchyard_store::{BatchWrite, Store, StoreError, Write};

use crate::{
    accounts::{Accounts, Caller, audit},
    engine::{Engine, Message, Parts, Request, now_ms},
    error::ApiError,
    events::{Herald, Post},
    expiry::{self, Keeping},
    http::Nonces,
    image::Images,
    instance::{
        FindEngine, Privacy, Shipper, Surroundings,
        room::{Limits, Room},
    },
    nodes::Nodes,
    system::Systems,
};

/// How a service works.
#[derive(Clone)]
pub struct Options {
    /// Folder that holds the folders of jobs.
    pub folder: PathBuf,
    /// What instances with a root of their own must not find.
    pub privacy: Privacy,
    /// Where commands on this machine reach the object store.
    pub oss_endpoint: String,
    /// Name of the region that commands are told.
    pub region: String,
    /// Time between the polite signal and the hard one.
    pub grace: Duration,
    /// This program and the words that make it enter a root (see [`batchyard_runner::root`]).
    pub wrapper: Vec<String>,
    /// Looks for what runs containers.
    pub engine: FindEngine,
    /// Carries out everybody's apps.
    pub systems: Arc<dyn Systems>,
    /// Id of the key by which this very program submits calls of workflows for others.
    pub door: String,
    /// Folder for images of containers.
    pub images: PathBuf,
    /// File for the nonces of requests.
    pub nonces: PathBuf,
    /// How much instances may fill.
    pub room: Limits,
    /// How long things are kept that nobody needs any more.
    pub keeping: Keeping,
    /// Posts messages.
    pub post: Post,
    /// Where Picard is for `:fastq_to_ubam`; empty for its usual places.
    pub picard_jar: String,
}

/// The service.
pub struct Service {
    pub(crate) store: Arc<Store>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) nodes: Arc<Nodes>,
    pub(crate) systems: Arc<dyn Systems>,
    pub(crate) nonces: Nonces,
    picard_jar: String,
    door: String,
    herald: Herald,
    engine: Sender<Message>,
    /// How many requests wait for the end of their jobs.
    patience: AtomicUsize,
}

/// A page of a list.
#[derive(Debug, PartialEq)]
pub struct Page {
    /// What is on it.
    pub items: Vec<serde_json::Value>,
    /// What the next page begins after; empty on the last one.
    pub next: String,
}

/// What the service could not be made for.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Threads.
    #[error("cannot start the threads of the service: {0}")]
    Threads(#[from] std::io::Error),
    /// The nonces of requests.
    #[error("cannot keep the nonces of requests in `{}`: {source}", path.display())]
    Nonces {
        /// Their file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// What earlier servers have left.
    #[error("cannot take up what earlier servers have left: {0}")]
    TakeUp(ApiError),
}

impl Service {
    /// A service that goes on with what earlier ones have left.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(
        machine: Arc<Machine>,
        store: Arc<Store>,
        (objects, cache): (Objects, Cache),
        accounts: Arc<Accounts>,
        options: Options,
    ) -> Result<Arc<Service>, StartError> {
        let herald = Herald::begin(Arc::clone(&store), options.post)?;
        let nonces = Nonces::open(&options.nonces, now_ms() / 1000);
        let nonces = nonces.map_err(|source| StartError::Nonces { path: options.nonces, source })?;
        let nodes = Arc::new(Nodes::load(Arc::clone(&store), herald.clone())?);
        let shipper = Shipper::new(objects.clone())?;
        std::fs::create_dir_all(&options.folder)?;
        let room = Room::watch(options.room, options.grace, options.folder.clone())?;
        let images = Arc::new(Images::new(options.images));
        expiry::watch(Arc::clone(&store), Arc::clone(&images), Arc::clone(&options.engine), options.keeping)?;
        let surroundings = Arc::new(Surroundings {
            objects,
            cache,
            oss_endpoint: options.oss_endpoint,
            region: options.region,
            grace: options.grace,
            nodes: options.folder.join("nodes"),
            privacy: options.privacy,
            wrapper: options.wrapper,
            engine: options.engine,
            images,
            shipper,
            room,
            systems: Arc::clone(&options.systems),
            users: {
                let accounts = Arc::clone(&accounts);
                Arc::new(move |account: &str| accounts.user(account))
            },
        });
        let parts = Parts {
            machine,
            store: Arc::clone(&store),
            surroundings,
            nodes: Arc::clone(&nodes),
            folder: options.folder,
            herald: herald.clone(),
        };
        let (engine, outbox) = Engine::new(parts);
        std::thread::Builder::new().name("jobs".into()).spawn(move || engine.serve())?;
        let service = Arc::new(Service {
            store,
            accounts,
            nodes,
            systems: options.systems,
            nonces,
            picard_jar: options.picard_jar,
            door: options.door,
            herald,
            engine: outbox,
            patience: AtomicUsize::new(0),
        });
        service.ask(Request::TakeUp).map_err(StartError::TakeUp)?;
        Ok(service)
    }

    /// Asks the engine for something and waits until it is recorded.
    fn ask(&self, request: Request) -> Result<(), ApiError> {
        let (reply, answer) = mpsc::sync_channel(1);
        let closing = || ApiError::new(503, "ServiceUnavailable", "The service is ending; try again later.");
        self.engine.send(Message::Request(request, Some(reply))).map_err(|_| closing())?;
        answer.recv().map_err(|_| closing())?
    }

    /// Tells the engine something that needs no answer.
    fn hint(&self, message: Message) {
        // Without an engine nobody wants to know.
        let _ = self.engine.send(message);
    }

    /// Records changes together with a note of who made them.
    fn record(&self, caller: &Caller, action: &str, resource: &str, mut writes: Vec<BatchWrite>) -> Result<(), StoreError> {
        writes.push(noted(caller, action, resource));
        self.store.write(writes.into_iter().map(Write::Batch).collect()).wait()
    }
}

/// The note of who has made a change.
pub fn noted(caller: &Caller, action: &str, resource: &str) -> BatchWrite {
    audit(&caller.account, action, resource, &caller.key)
}

/// Refuses those who may only look.
pub fn may_change(caller: &Caller) -> Result<(), ApiError> {
    match caller.role {
        Role::Admin | Role::User => Ok(()),
        Role::Viewer => Err(ApiError::forbidden("This access key can only be used for reading.")),
    }
}
