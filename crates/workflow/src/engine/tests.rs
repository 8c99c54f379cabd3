use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::{Duration, Instant},
};

use batchyard_core::Need;
use batchyard_runner::tree;
use batchyard_store::{Location, Options};
use batchyard_wdl::{
    inputs,
    load::{MemoryLoader, load},
    version::Dialect,
};
use serde_json::Map;

use super::*;
use crate::owner::owner;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// Has a mistake that shows as soon as the task runs.
struct Mistaken<'d>(&'d Path);

impl Progress for Mistaken<'_> {
    fn tell(&mut self, event: Event) {
        if let Event::Started { .. } = event {
            wait_for(|| self.0.join("begun").exists());
            panic!("a mistake of ours");
        }
    }
}

fn wait_for(mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !happened() {
        assert!(Instant::now() < deadline, "it does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn request(dir: &Path) -> Request {
    let text = "version 1.0\nworkflow w { call t call t as u }\n\
        task t { command <<< touch ../../begun; echo x >> ../../count; sleep 100 >>> runtime { cpu: 2 } }";
    let module = load("w.wdl", &MemoryLoader::default().with("w.wdl", text)).unwrap().module;
    let callee = Callee::Workflow(Arc::clone(&module), Arc::clone(module.document.workflow.as_ref().unwrap()));
    let bound = inputs::bind_as(&callee, &Map::new(), Dialect::Cromwell, None).unwrap();
    Request {
        id: RunId::random(),
        name: "w".into(),
        module,
        callee,
        bound,
        spec: RunSpec::default(),
        dir: dir.to_owned(),
        owner: owner(),
        held_by: None,
        origin: Origin::New,
        on_end: None,
    }
}

#[test]
fn what_is_broken_off_leaves_nothing_running() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(&Location::Sqlite(folder.path().join("state.db")), Options::default()).unwrap());
    // Room for one of the two at a time.
    let machine = Machine::new(store, Need { millicores: 2000, memory_mib: 1024 }, 8);
    let mut mistaken = Mistaken(folder.path());
    let request = request(folder.path());
    let marker = format!("{}/", request.id);
    let mut engine = Engine::new(Arc::clone(&machine), Settings::default(), &mut mistaken);
    engine.submit(request).unwrap();
    let mistake = catch_unwind(AssertUnwindSafe(|| engine.work()));
    assert!(mistake.is_err() && !tree::markers_below(&marker).is_empty());
    engine.break_off();
    drop(engine);
    wait_for(|| tree::markers_below(&marker).is_empty());
    // Nothing keeps the machine from others, and the other call has not taken the place.
    wait_for(|| machine.load() == (0, 0));
    assert!(tree::markers_below(&marker).is_empty());
    assert_eq!(fs::read_to_string(folder.path().join("count")).unwrap(), "x\n");
}
