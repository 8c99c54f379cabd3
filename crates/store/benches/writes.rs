//! What a write costs: wall time and CPU time of this process, by durability and by how the writer waits.
//!
//! `cargo bench -p batchyard-store`; the first argument is the number of calls (5000).
#![expect(clippy::print_stdout, reason = "its output is the result")]

use std::path::Path;
use std::time::{Duration, Instant};

use batchyard_model::{CallId, CallState, RunId, RunState, Shard};
use batchyard_store::{CallEnd, CallRecord, Durability, Location, Options, RunRecord, Store, Write};
use rustix::time::{ClockId, clock_gettime};

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn measured(what: &str, writes: u32, work: impl FnOnce()) {
    let (wall, used) = (Instant::now(), cpu());
    work();
    let (wall, used) = (wall.elapsed(), cpu() - used);
    let each = used.as_secs_f64() * 1e6 / f64::from(writes.max(1));
    println!("{what:<48} {:>9.2} ms wall {:>9.2} ms CPU {each:>9.1} us CPU each", wall.as_secs_f64() * 1e3, used.as_secs_f64() * 1e3);
}

fn run(id: RunId) -> RunRecord {
    RunRecord {
        id,
        parent: None,
        root: None,
        name: "bench".into(),
        state: RunState::Running,
        dir: "/tmp".into(),
        created_ms: 1,
        started_ms: Some(1),
        ended_ms: None,
        owner: None,
        spec: "{}".into(),
        result: None,
    }
}

fn start(run: RunId, n: u32) -> Write {
    Write::StartCall(CallRecord {
        id: CallId { run, call: "main".into(), shard: Shard::from(vec![n]), attempt: 1 },
        task: "main".into(),
        state: CallState::Running,
        started_ms: Some(1),
        ended_ms: None,
        exit_code: None,
        cached: false,
        cache_key: Some(format!("{n:032x}")),
        reusable: false,
        start_doc: "d".repeat(600),
        end_doc: None,
    })
}

fn end(run: RunId, n: u32) -> Write {
    let id = CallId { run, call: "main".into(), shard: Shard::from(vec![n]), attempt: 1 };
    Write::EndCall(CallEnd { id, state: CallState::Done, at_ms: 2, exit_code: Some(0), reusable: true, end_doc: "e".repeat(300) })
}

fn stored(result: Result<(), batchyard_store::StoreError>) {
    result.expect("the bench's writes are valid");
}

fn all(folder: &Path, durability: Durability, calls: u32) {
    let open = || {
        let location = Location::Sqlite(folder.join(format!("{durability:?}.db")));
        Store::open(&location, Options { durability, ..Options::default() }).expect("a temporary folder can hold a store")
    };
    measured(&format!("{durability:?}: open a new store"), 1, || drop(open()));
    let mut kept = None;
    measured(&format!("{durability:?}: open an existing store"), 1, || kept = Some(open()));
    let store = kept.expect("it was opened");
    measured(&format!("{durability:?}: first read"), 1, || {
        let _ = store.load_run(RunId::random());
    });
    let [queued, chained, crowd] = [RunId::random(), RunId::random(), RunId::random()];
    for id in [queued, chained, crowd] {
        stored(store.write(vec![Write::InsertRun(run(id))]).wait());
    }
    measured(&format!("{durability:?}: {calls} starts, then ends, queued"), calls * 2, || {
        let tickets: Vec<_> = (0..calls).map(|n| store.write(vec![start(queued, n)])).collect();
        tickets.into_iter().for_each(|ticket| stored(ticket.wait()));
        let tickets: Vec<_> = (0..calls).map(|n| store.write(vec![end(queued, n)])).collect();
        tickets.into_iter().for_each(|ticket| stored(ticket.wait()));
    });
    measured(&format!("{durability:?}: {calls} calls by 4 threads that wait"), calls * 2, || {
        std::thread::scope(|scope| {
            for part in 0..4 {
                let store = &store;
                scope.spawn(move || {
                    for n in (0..calls).filter(|n| n % 4 == part) {
                        stored(store.write(vec![start(crowd, n)]).wait());
                        stored(store.write(vec![end(crowd, n)]).wait());
                    }
                });
            }
        });
    });
    let few = calls / 10;
    measured(&format!("{durability:?}: {few} calls, each write waited for"), few * 2, || {
        for n in 0..few {
            stored(store.write(vec![start(chained, n)]).wait());
            stored(store.write(vec![end(chained, n)]).wait());
        }
    });
    let keys: Vec<String> = (0..1000).map(|n| format!("{n:032x}")).collect();
    measured(&format!("{durability:?}: 1000 cache keys in one question"), 1000, || {
        let found = store.find_cached(&keys).expect("readable");
        assert!(found.iter().all(Option::is_some));
    });
    measured(&format!("{durability:?}: list {calls} calls"), calls, || {
        assert_eq!(store.list_calls(queued).expect("readable").len(), calls as usize);
    });
    measured(&format!("{durability:?}: close"), 1, || drop(store));
}

fn main() {
    let calls = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(5000);
    let folder = tempfile::tempdir().expect("a temporary folder");
    for durability in [Durability::Crash, Durability::PowerLoss] {
        all(folder.path(), durability, calls);
    }
    let peak = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    println!("{}", peak.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM unknown"));
}
