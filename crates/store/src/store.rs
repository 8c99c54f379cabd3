//! The surface: one handle that may be shared by any number of threads.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use batchyard_model::{CallId, CallState, RunId, RunState, Shard};
use tokio::runtime::Handle;

use crate::connect::{Connection, Connector, Location, Options, Readers};
use crate::dialect::Dialect;
use crate::error::{StoreError, is_passing};
use crate::foreign;
use crate::lease::{Lease, Moment, ServerRecord, ServerWrite};
use crate::long::Long;
use crate::migrate::migrate;
use crate::queue::{Batch, Done, Queue, Ticket};
use crate::read::{PAGE, Reader};
use crate::record::{CallRecord, CallSummary, FileDigest, RunFilter, RunRecord, RunSummary, Write};
use crate::sql::Db;
use crate::writer::Writer;

/// Tries of a query whose connection was lost or whose rows were locked.
const READ_TRIES: u32 = 3;
const READ_PAUSE: Duration = Duration::from_millis(50);
const OPEN_PAUSE: Duration = Duration::from_millis(20);

/// What is remembered. Reads see what was committed; a write is committed when its ticket says so.
///
/// Every function that waits blocks its thread; asynchronous callers use [`Store::write_then`], and read on a blocking
/// thread. Dropping the store writes what is queued and closes the database.
pub struct Store {
    queue: Arc<Queue>,
    runtime: Handle,
    readers: Readers,
    connector: Connector,
    lease: Arc<Lease>,
    thread: Option<JoinHandle<()>>,
}

impl Store {
    /// Opens the state, making file and folder (SQLite) and bringing the schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Unusable`], [`StoreError::Unavailable`] or [`StoreError::Newer`].
    pub fn open(location: &Location, options: Options) -> Result<Store, StoreError> {
        let connector = Connector::new(location, options.durability)?;
        let queue = Arc::new(Queue::default());
        let lease = Arc::new(Lease::default());
        let (opened, outcome) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn({
                let (queue, connector, lease) = (Arc::clone(&queue), connector.clone(), Arc::clone(&lease));
                move || serve(connector, options, lease, &queue, &opened)
            })
            .map_err(|source| unusable(location, &source))?;
        match outcome.recv() {
            Ok(Ok((runtime, readers))) => Ok(Store { queue, runtime, readers, connector, lease, thread: Some(thread) }),
            Ok(Err(error)) => Err(error),
            Err(mpsc::RecvError) => Err(StoreError::Closed),
        }
    }

    /// Queues changes that happen together or not at all, after everything queued before. Waits while the queue
    /// is full.
    pub fn write(&self, writes: Vec<Write>) -> Ticket {
        let (ticket, done) = Ticket::new();
        self.queue.push(Batch { writes, done });
        ticket
    }

    /// As [`Store::write`], but calls `done` with the answer, on the writer's thread: it must be quick and must not
    /// call the store's functions that wait.
    pub fn write_then(&self, writes: Vec<Write>, done: impl FnOnce(Result<(), StoreError>) + Send + 'static) {
        self.queue.push(Batch { writes, done: Done::callback(done) });
    }

    /// Waits until everything queued so far is answered.
    ///
    /// # Errors
    /// [`StoreError::Closed`] when the writer is gone. Errors of the queued writes go to their own tickets.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.write(Vec::new()).wait()
    }

    /// A way to make changes beside everything else that is written: for what is too large to wait in the queue and yet happens as a
    /// whole or not at all. Only for processes that hold no lease, which it does not heed.
    pub fn long(&self) -> Long {
        Long::new(self.connector.clone(), self.runtime.clone(), Arc::clone(&self.queue))
    }

    /// How many workflows of an earlier Cromwell, whose tables lie in this database, have ended and are none of our runs; `None` where
    /// there are no such tables, as never with SQLite. Of all that there are only the newest are looked at, so many of them, and those
    /// whose metadata are gone do not count.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn count_foreign(&self, newest: u32) -> Result<Option<u64>, StoreError> {
        if !self.is_shared() {
            return Ok(None);
        }
        self.read(async |reader| foreign::count_ended(reader, newest).await)
    }

    /// Whether it lies in a database server, where others may keep tables, too.
    pub fn is_shared(&self) -> bool {
        self.connector.dialect != Dialect::Sqlite
    }

    /// Registers this process as a server and holds its lease from now on: whatever it writes is stored only while no other server
    /// has fenced it. A heartbeat is fresh for `span`, which must be shorter than the time after which others fence.
    ///
    /// # Errors
    /// What kept the database from recording it.
    pub fn begin_lease(&self, id: &str, name: &str, span: Duration) -> Result<(), StoreError> {
        let since = Moment::now();
        let register = ServerWrite::Register { id: id.to_owned(), name: name.to_owned(), at_ms: since.epoch_ms() };
        self.write(vec![Write::Server(register)]).wait()?;
        self.lease.hold(id, span, since);
        Ok(())
    }

    /// Counts a heartbeat of this process.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when others have fenced it; what kept the database from recording it.
    pub fn renew_lease(&self) -> Result<(), StoreError> {
        self.lease.make_due();
        self.flush()
    }

    /// The servers that share the database, by id.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn list_servers(&self) -> Result<Vec<ServerRecord>, StoreError> {
        self.read(async |reader| reader.servers().await)
    }

    /// Who holds runs at the top of their families that are submitted, running or being aborted; `None` for nobody.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn list_active_owners(&self) -> Result<Vec<Option<String>>, StoreError> {
        self.read(async |reader| reader.active_owners().await)
    }

    /// The run with its documents.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn load_run(&self, id: RunId) -> Result<Option<RunRecord>, StoreError> {
        self.read(async |reader| reader.run(id).await)
    }

    /// Runs whose id begins or ends with the given digits, newest first, at most twenty.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn find_runs(&self, part_of_id: &str) -> Result<Vec<RunSummary>, StoreError> {
        self.read(async |reader| reader.runs_like(part_of_id).await)
    }

    /// Runs that meet the filter, in its order.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn list_runs(&self, filter: &RunFilter) -> Result<Vec<RunSummary>, StoreError> {
        self.read(async |reader| reader.runs(filter).await)
    }

    /// How many runs meet the filter, whatever its limit and offset.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn count_runs(&self, filter: &RunFilter) -> Result<u64, StoreError> {
        self.read(async |reader| reader.run_count(filter).await)
    }

    /// How many top-level runs are in each state; states without any are left out.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn count_runs_by_state(&self) -> Result<Vec<(RunState, u64)>, StoreError> {
        self.read(async |reader| reader.run_states().await)
    }

    /// Labels of these runs by name; runs without any are left out.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn list_labels(&self, runs: &[RunId]) -> Result<HashMap<RunId, Vec<(String, String)>>, StoreError> {
        self.read(async |reader| reader.labels(runs).await)
    }

    /// All attempts of all calls of a run without their documents, in no order.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn list_call_summaries(&self, run: RunId) -> Result<Vec<CallSummary>, StoreError> {
        self.read(async |reader| reader.call_summaries(run).await)
    }

    /// All attempts of these shards of one call, in no order.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn load_shards(&self, run: RunId, call: &str, shards: &[Shard]) -> Result<Vec<CallRecord>, StoreError> {
        let shards: Vec<String> = shards.iter().map(ToString::to_string).collect();
        self.read(async |reader| reader.calls_of(run, call, &shards).await)
    }

    /// The runs that calls of this run started, oldest first.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn list_child_runs(&self, parent: RunId) -> Result<Vec<RunSummary>, StoreError> {
        self.read(async |reader| reader.child_runs(parent).await)
    }

    /// All attempts of all calls of a run, by call name, shard (as text) and attempt. They are all in memory at
    /// once; [`Store::scan_calls`] avoids that.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn list_calls(&self, run: RunId) -> Result<Vec<CallRecord>, StoreError> {
        let mut calls = Vec::new();
        self.scan_calls(run, |call| {
            calls.push(call);
            ControlFlow::Continue(())
        })?;
        Ok(calls)
    }

    /// Hands out the calls of [`Store::list_calls`] one by one, a page of them in memory, until told to stop.
    ///
    /// # Errors
    /// What kept the database from answering; some calls may have been handed out before.
    pub fn scan_calls(&self, run: RunId, mut visit: impl FnMut(CallRecord) -> ControlFlow<()>) -> Result<(), StoreError> {
        let mut last: Option<CallId> = None;
        loop {
            let page = self.read(async |reader| reader.page_of_calls(run, last.as_ref()).await)?;
            let Some(end) = page.last().map(|call| call.id.clone()) else { return Ok(()) };
            let full = page.len() >= PAGE as usize;
            for call in page {
                if visit(call).is_break() {
                    return Ok(());
                }
            }
            if !full {
                return Ok(());
            }
            last = Some(end);
        }
    }

    /// One attempt.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn load_call(&self, id: &CallId) -> Result<Option<CallRecord>, StoreError> {
        self.read(async |reader| reader.call(id).await)
    }

    /// The attempt of a call with the highest number.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn latest_attempt(&self, run: RunId, call: &str, shard: &Shard) -> Result<Option<CallRecord>, StoreError> {
        self.read(async |reader| reader.latest_attempt(run, call, shard).await)
    }

    /// How many attempts of a run are in each state; states without any are left out.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn count_calls_by_state(&self, run: RunId) -> Result<Vec<(CallState, u64)>, StoreError> {
        self.read(async |reader| reader.call_counts(run).await)
    }

    /// For each key, in order, the newest successful call that has it and may be reused.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn find_cached(&self, keys: &[String]) -> Result<Vec<Option<CallRecord>>, StoreError> {
        self.read(async |reader| reader.cached(keys).await)
    }

    /// The successful calls of this key that may be reused, newest first.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn list_cached(&self, key: &str, limit: u32) -> Result<Vec<CallRecord>, StoreError> {
        self.read(async |reader| reader.cached_of(key, limit).await)
    }

    /// Calls of a task that ended (before the given time, epoch milliseconds), newest first.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn recent_calls_of_task(&self, task: &str, before_ms: Option<i64>, limit: u32) -> Result<Vec<CallRecord>, StoreError> {
        self.read(async |reader| reader.recent_calls(task, before_ms, limit).await)
    }

    /// For each hash of a path, in order, what was known about the file.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn find_digests(&self, path_hashes: &[String]) -> Result<Vec<Option<FileDigest>>, StoreError> {
        self.read(async |reader| reader.digests(path_hashes).await)
    }

    /// The document with this content hash.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn load_blob(&self, hash: &str) -> Result<Option<String>, StoreError> {
        self.read(async |reader| reader.blob(hash).await)
    }

    /// Runs a query on a reading connection, on the calling thread; again when the connection was lost or rows were locked.
    /// Connections to servers live on the store's thread.
    pub(crate) fn read<V>(&self, query: impl AsyncFnMut(&mut Reader<'_>) -> Result<V, sqlx::Error>) -> Result<V, StoreError> {
        // Timers are the store's. Its runtime itself would not wait on a thread that belongs to another one, as those of
        // servers do, and a new thread for each query costs more than most queries.
        let _ours = self.runtime.enter();
        // No budget: it is given back by the runtime of the thread, which does not get to run meanwhile.
        let answer = futures_executor::block_on(tokio::task::unconstrained(self.answer(query)));
        answer.map_err(|source| self.connector.describe(&source))
    }

    async fn answer<V>(&self, mut query: impl AsyncFnMut(&mut Reader<'_>) -> Result<V, sqlx::Error>) -> Result<V, sqlx::Error> {
        let dialect = self.connector.dialect;
        let mut tries = READ_TRIES;
        loop {
            tries -= 1;
            let answer = match &self.readers {
                Readers::Sqlite(readers) => {
                    let lent = readers.lend(|| self.connector.reader_of_file())?;
                    let answer = query(&mut Reader { db: Db::Sqlite(&lent.db), dialect }).await;
                    if answer.is_ok() {
                        lent.give_back();
                    }
                    answer
                }
                Readers::Server(pool) => {
                    // What is wrong with a connection is found out when it is taken from the pool again.
                    let mut db = pool.acquire().await?;
                    query(&mut Reader { db: Db::Server(&mut db), dialect }).await
                }
            };
            match answer {
                // Not by the clock of the store's thread, which may be waiting itself.
                Err(error) if tries > 0 && is_passing(&error) => std::thread::sleep(READ_PAUSE),
                answer => return answer,
            }
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has answered its tickets already (they are answered when dropped).
            let _ = thread.join();
        }
    }
}

type Opened = Result<(Handle, Readers), StoreError>;

/// The store's thread: opens, says so, writes until the queue is closed.
fn serve(connector: Connector, options: Options, lease: Arc<Lease>, queue: &Queue, opened: &mpsc::SyncSender<Opened>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    // SQLite needs no sockets, and a runtime without them wakes up at less cost.
    let builder = if connector.dialect == Dialect::Sqlite { builder.enable_time() } else { builder.enable_all() };
    let runtime = match builder.build() {
        Ok(runtime) => runtime,
        Err(source) => {
            let _ = opened.send(Err(unusable(&connector.location, &source)));
            return;
        }
    };
    runtime.block_on(async {
        let db = match open_writer(&connector, options.patience).await {
            Ok(db) => db,
            Err(error) => {
                let _ = opened.send(Err(error));
                return;
            }
        };
        let readers = connector.readers(options.patience);
        if opened.send(Ok((Handle::current(), readers.clone()))).is_ok() {
            Writer::new(connector, options.patience, lease, db).serve(queue, &readers).await;
        }
    });
}

/// Connects and migrates; tries again while another process holds a lock on the database.
async fn open_writer(connector: &Connector, patience: Duration) -> Result<Connection, StoreError> {
    let begun = Instant::now();
    loop {
        let error = match connector.writer().await {
            Ok(mut db) => match migrate(connector, &mut db.db()).await {
                Ok(()) => return Ok(db),
                Err(error) => error,
            },
            Err(source) => connector.describe(&source),
        };
        // A server that is not there is said at once; a lock on the file goes away.
        if !error.is_temporary() || connector.dialect != Dialect::Sqlite || begun.elapsed() > patience {
            return Err(error);
        }
        tokio::time::sleep(OPEN_PAUSE).await;
    }
}

fn unusable(location: &Location, source: &std::io::Error) -> StoreError {
    StoreError::Unusable { location: location.to_string(), reason: source.to_string(), hint: None }
}
