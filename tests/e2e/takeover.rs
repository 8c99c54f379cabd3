//! Several servers share one database: when one of them dies, another goes on with its workflows, and never two at once.
//!
//! Another machine is played by namespaces: a host name of its own, and processes that end with it.

use std::{
    fs,
    process::{Command, Stdio},
    sync::atomic::Ordering,
};

use serde_json::{Value as Json, json};

use crate::{
    containers::not_tested,
    databases::{mariadb, postgresql, required},
    http::Server,
    notices::Receiver,
    yard::{Yard, lines, wait_for},
};

/// A task, one that waits until it may go on, and one that sees their outputs; all tell when they begin and end.
const WDL: &str = "version 1.0\n\
    workflow w { input { String log } call t as first { input: log = log, i = 0 } call t as second { input: log = log, i = 1, after = first.n }\n\
      call sum { input: ns = [first.n, second.n], log = log } output { Int n = sum.n } }\n\
    task t { input { String log Int i Int? after } command <<< echo begin ~{i} >> '~{log}'; [ ~{i} = 0 ] || while [ ! -e '~{log}.gate' ]; do sleep 0.05; done; echo end ~{i} >> '~{log}'; echo ~{i} >>>\n\
      output { Int n = read_int(stdout()) } }\n\
    task sum { input { Array[Int] ns String log } command <<< echo sum >> '~{log}'; echo $((~{sep='+' ns})) >>> output { Int n = read_int(stdout()) } }\n";

/// Where a server runs.
#[derive(Clone, Copy)]
enum Place {
    Here,
    /// Another machine, with the same files.
    Away,
    /// Here, without the folder of the runs.
    Blind,
}

/// A yard whose servers share its state and its runs.
struct Shared {
    yard: Yard,
    database: Option<String>,
}

impl Shared {
    fn new(database: Option<String>) -> Shared {
        Shared { yard: Yard::new(), database }
    }

    /// Starts a server; what it tells is in a file of its name.
    fn start(&self, name: &str, place: Place, more: &[&str]) -> Server {
        let mut words = vec![
            "cromwell",
            "-Dwebservice.port=0",
            "-Dsystem.workflow-heartbeats.heartbeat-interval=500 ms",
            "-Dsystem.workflow-heartbeats.ttl=3 s",
        ];
        words.extend(more);
        words.push("server");
        let template = self.yard.command(&words);
        let mut command = match place {
            Place::Here => Command::new(template.get_program()),
            Place::Away => {
                let mut command = Command::new("unshare");
                command.args([
                    "--uts",
                    "--pid",
                    "--fork",
                    "--mount-proc",
                    "--kill-child",
                    "bash",
                    "-c",
                    "hostname away; exec \"$0\" \"$@\"",
                ]);
                command.arg(template.get_program());
                command
            }
            Place::Blind => {
                let mut command = Command::new("unshare");
                command
                    .args(["--mount", "bash", "-c", "mount -t tmpfs none cromwell-executions && exec \"$0\" \"$@\""])
                    .arg(template.get_program());
                command
            }
        };
        command.args(template.get_args()).current_dir(self.yard.path("")).stdin(Stdio::null());
        for (name, value) in template.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(url) = &self.database {
            command.env("BATCHYARD_DATABASE", url);
        }
        let log = self.yard.path(&format!("{name}.err"));
        let child = command.stdout(Stdio::null()).stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
        Server::of(child, log)
    }

    fn told(&self, name: &str) -> String {
        self.yard.read(&format!("{name}.err"))
    }

    /// Submits the workflow and waits until its second task waits.
    fn submit(&self, server: &Server, log: &str) -> String {
        let path = self.yard.path(log);
        let id = server.submit(WDL, &json!({"w.log": path}), &[("workflowOptions", br#"{"read_from_cache": false}"#)]);
        wait_for("the tasks", || lines(&path).len() == 3);
        id
    }

    fn open_gate(&self, log: &str) {
        self.yard.write(&format!("{log}.gate"), "");
    }

    fn times(&self, log: &str, line: &str) -> usize {
        lines(&self.yard.path(log)).iter().filter(|told| *told == line).count()
    }
}

fn has_machines() -> bool {
    let try_it = ["--uts", "--pid", "--fork", "--mount-proc", "--kill-child", "hostname", "away"];
    let made = Command::new("unshare").args(try_it).output().is_ok_and(|done| done.status.success());
    if !made {
        not_tested("servers of several machines", "run as root");
    }
    made
}

fn outputs(server: &Server, id: &str) -> Json {
    server.about(id, "outputs")["outputs"].clone()
}

/// What a dead server was to tell is told by another one, once it is known to be dead.
#[test]
fn a_server_tells_what_one_of_another_machine_was_to_tell() {
    if !has_machines() {
        return;
    }
    let shared = Shared::new(None);
    let patient = [
        "-Dworkflow-state-callback.enabled=true",
        "-Dworkflow-state-callback.max-retries=100000",
        "-Dworkflow-state-callback.request-backoff.min=50 ms",
        "-Dworkflow-state-callback.request-backoff.max=200 ms",
    ];
    let receiver = Receiver::new(false);
    let options = json!({"workflow_callback_uri": receiver.address}).to_string();
    let away = shared.start("away", Place::Away, &patient);
    let here = shared.start("here", Place::Here, &patient);
    let quick = "version 1.0\nworkflow w { output { Int n = 7 } }";
    let id = away.submit(quick, &json!({}), &[("workflowOptions", options.as_bytes())]);
    assert_eq!(away.wait(&id), "Succeeded");
    wait_for("a try", || receiver.refused.load(Ordering::SeqCst) > 0);
    away.kill();
    receiver.takes.store(true, Ordering::SeqCst);
    wait_for("the notice", || !receiver.heard().is_empty());
    assert_eq!((&receiver.heard()[0]["workflowId"], &receiver.heard()[0]["outputs"]), (&json!(id), &json!({"w.n": 7})));
    wait_for("what became of it", || here.about(&id, "metadata")["workflowCallback"]["successful"] == true);
    assert_eq!(receiver.heard().len(), 1);
}

#[test]
fn a_server_of_the_same_machine_goes_on_at_once() {
    let shared = Shared::new(None);
    let one = shared.start("one", Place::Here, &["-Dsystem.max-concurrent-workflows=1"]);
    let two = shared.start("two", Place::Here, &[]);
    let id = shared.submit(&one, "log");
    // The second waits at the first server, and is left to it while that lives.
    let path = shared.yard.path("second");
    let waiting = one.submit(WDL, &json!({"w.log": path}), &[]);
    wait_for("some heartbeats", || two.about(&waiting, "status")["status"] == "Submitted" && shared.times("log", "end 0") == 1);
    one.kill();
    shared.open_gate("log");
    shared.open_gate("second");
    assert_eq!((two.wait(&id), two.wait(&waiting)), ("Succeeded".into(), "Succeeded".into()));
    assert_eq!((outputs(&two, &id), outputs(&two, &waiting)), (json!({"w.n": 1}), json!({"w.n": 1})));
    for line in ["begin 0", "begin 1", "end 0", "end 1", "sum"] {
        assert_eq!((shared.times("log", line), shared.times("second", line)), (1, 1), "{line}");
    }
    two.terminate();
    // Who ends in order with nothing left is forgotten, and so are the dead.
    let database = known_servers(&shared);
    assert_eq!(database, 0);
}

/// How many servers the state knows.
fn known_servers(shared: &Shared) -> usize {
    let store = batchyard_store::Store::open(
        &batchyard_store::Location::Sqlite(shared.yard.path("home/batchyard.db")),
        batchyard_store::Options::default(),
    );
    store.unwrap().list_servers().unwrap().len()
}

fn a_machine_dies(database: Option<String>) {
    let shared = Shared::new(database);
    let away = shared.start("away", Place::Away, &[]);
    let here = shared.start("here", Place::Here, &[]);
    let id = shared.submit(&away, "log");
    // Its tasks die with it.
    away.kill();
    assert_eq!(here.about(&id, "status")["status"], "Running");
    shared.open_gate("log");
    assert_eq!(here.wait(&id), "Succeeded");
    assert_eq!(outputs(&here, &id), json!({"w.n": 1}));
    assert!(shared.told("here").contains("is taken for dead"), "{}", shared.told("here"));
    // What had succeeded is not done again.
    for (line, times) in [("begin 0", 1), ("end 0", 1), ("begin 1", 2), ("end 1", 1), ("sum", 1)] {
        assert_eq!(shared.times("log", line), times, "{line}");
    }
    here.terminate();
}

#[test]
fn a_server_of_another_machine_goes_on_after_a_while() {
    if has_machines() {
        a_machine_dies(None);
    }
}

#[test]
fn a_server_of_another_machine_goes_on_with_postgresql() {
    if let (true, Some(server)) = (has_machines(), required("postgresql", "postgresql", postgresql())) {
        a_machine_dies(Some(server.url.clone()));
    }
}

#[test]
fn a_server_of_another_machine_goes_on_with_mariadb() {
    if let (true, Some(server)) = (has_machines(), required("mariadb", "mariadb-server", mariadb())) {
        a_machine_dies(Some(server.url.clone()));
    }
}

fn signal(pid: &str, name: &str) {
    assert!(Command::new("kill").args([name, pid]).status().unwrap().success());
}

#[test]
fn a_server_that_slept_too_long_stops() {
    if !has_machines() {
        return;
    }
    let shared = Shared::new(None);
    let mut away = shared.start("away", Place::Away, &[]);
    let here = shared.start("here", Place::Here, &[]);
    let id = shared.submit(&away, "log");
    let outside = away.child.id();
    let inside = fs::read_to_string(format!("/proc/{outside}/task/{outside}/children")).unwrap().trim().to_owned();
    signal(&inside, "-STOP");
    wait_for("the other server to take over", || shared.told("here").contains("is taken for dead"));
    signal(&inside, "-CONT");
    // Its tasks, which still ran, end with it, and are done again where the workflow is now.
    let mut status = None;
    wait_for("the server to stop", || {
        status = away.child.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(1), "{}", shared.told("away"));
    assert!(shared.told("away").contains("other servers have taken over"), "{}", shared.told("away"));
    shared.open_gate("log");
    assert_eq!(here.wait(&id), "Succeeded", "{}", here.about(&id, "metadata")["failures"]);
    assert_eq!(outputs(&here, &id), json!({"w.n": 1}));
    for (line, times) in [("begin 0", 1), ("end 0", 1), ("end 1", 1), ("sum", 1)] {
        assert_eq!(shared.times("log", line), times, "{line}");
    }
    here.terminate();
}

#[test]
fn a_run_that_nobody_can_see_fails() {
    if !has_machines() {
        return;
    }
    let shared = Shared::new(None);
    let away = shared.start("away", Place::Away, &[]);
    let id = shared.submit(&away, "log");
    let blind = shared.start("blind", Place::Blind, &[]);
    away.kill();
    assert_eq!(blind.wait(&id), "Failed");
    let told = blind.about(&id, "metadata")["failures"].to_string();
    assert!(told.contains("cannot be seen from this one"), "{told}");
    assert!(shared.told("blind").contains("another server may take it"), "first it is left to others: {}", shared.told("blind"));
    blind.terminate();
}

#[test]
fn an_abort_reaches_the_server_of_another_machine() {
    if !has_machines() {
        return;
    }
    let shared = Shared::new(None);
    let away = shared.start("away", Place::Away, &[]);
    let here = shared.start("here", Place::Here, &[]);
    let id = shared.submit(&away, "log");
    assert_eq!(here.post(&format!("/api/workflows/v1/{id}/abort")).json()["status"], "Aborting");
    assert_eq!(here.wait(&id), "Aborted");
    assert_eq!((shared.times("log", "end 1"), shared.times("log", "sum")), (0, 0));
    // The command line does not take it away from a living server, and can ask, too.
    let id = shared.submit(&away, "asked");
    let told = shared.yard.call(&["resume", &id]);
    assert!(told.code != 0 && told.err.contains("server `batchyard-away` of another machine"), "{}", told.err);
    let told = shared.yard.call(&["abort", &id]);
    assert!(told.code == 0 && told.err.contains("will be ended by the server"), "{}", told.err);
    assert_eq!(here.wait(&id), "Aborted");
    // One whose server is dead ends where it is taken over.
    let id = shared.submit(&away, "other");
    away.kill();
    assert_eq!(here.post(&format!("/api/workflows/v1/{id}/abort")).code, 200);
    assert_eq!(here.wait(&id), "Aborted");
    here.terminate();
}
