//! Messages to others outlive the server: what happened before it was killed is told by the next one.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use serde_json::{Value as Json, json};

use crate::{
    http::Server,
    service::{Service, date, job},
    yard::{Yard, wait_for},
};

/// Events of a job that are told of the job below, in this order.
const EVENTS: [&str; 8] = [
    "OnJobWaiting",
    "OnTaskWaiting",
    "OnJobRunning",
    "OnTaskRunning",
    "OnInstanceRunning",
    "OnInstanceFinished",
    "OnTaskFinished",
    "OnJobFinished",
];

/// Listens for messages, and takes them or not. It ends with the test's process.
pub struct Receiver {
    pub address: String,
    heard: Arc<Mutex<Vec<Json>>>,
    pub refused: Arc<AtomicU32>,
    pub takes: Arc<AtomicBool>,
}

impl Receiver {
    pub fn new(takes: bool) -> Receiver {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), takes)
    }

    fn on(listener: TcpListener, takes: bool) -> Receiver {
        let address = format!("http://{}/messages", listener.local_addr().unwrap());
        let (heard, refused, takes) = (Arc::default(), Arc::default(), Arc::new(AtomicBool::new(takes)));
        let receiver = Receiver { address, heard: Arc::clone(&heard), refused: Arc::clone(&refused), takes: Arc::clone(&takes) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (heard, refused, takes) = (Arc::clone(&heard), Arc::clone(&refused), takes.load(Ordering::SeqCst));
                // Whoever is killed while it speaks is not heard.
                std::thread::spawn(move || {
                    hear(stream, takes, |message| match takes {
                        true => heard.lock().unwrap().push(message),
                        false => drop(refused.fetch_add(1, Ordering::SeqCst)),
                    })
                });
            }
        });
        receiver
    }

    pub fn heard(&self) -> Vec<Json> {
        self.heard.lock().unwrap().clone()
    }

    fn events(&self) -> Vec<String> {
        self.heard().iter().map(|message| message["Event"].as_str().unwrap().to_owned()).collect()
    }
}

/// Hears one message, notes it, and answers: noted later, it could be overtaken by the next.
fn hear(mut stream: std::net::TcpStream, takes: bool, note: impl FnOnce(Json)) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    note(serde_json::from_slice(&body).ok()?);
    let answer = if takes { "200 OK" } else { "503 Not now" };
    write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok()
}

/// A job of one instance whose events are told to somebody.
fn told_job(receiver: &Receiver) -> Json {
    let mut document = job("true", 1, &json!({}));
    document["Notification"]["Topic"] = json!({"Name": "t", "Endpoint": receiver.address, "Events": EVENTS});
    document
}

fn cluster(receiver: &Receiver) -> Json {
    json!({
        "Name": "c", "ImageId": "img-ubuntu", "Groups": {"group": {"DesiredVMCount": 1, "InstanceType": "ecs.n4.small"}},
        "Notification": {"Topic": {"Name": "t", "Endpoint": receiver.address, "Events": ["OnInstanceCreated", "OnInstanceActive", "OnClusterDeleted"]}}
    })
}

#[test]
fn messages_of_jobs_and_clusters_are_told_by_the_next_server() {
    let yard = Yard::new();
    let receiver = Receiver::new(false);
    let service = Service::start(&yard);
    service.put("data", "", b"");
    let id = service.create("/jobs", &told_job(&receiver));
    assert_eq!(service.wait(&id), "Finished");
    let nodes = service.create("/clusters", &cluster(&receiver));
    assert!(service.ask("DELETE", &format!("/clusters/{nodes}"), None).0 < 300);
    // Nothing of it is left but what is to be told.
    assert!(service.ask("DELETE", &format!("/jobs/{id}"), None).0 < 300);
    wait_for("a try", || receiver.refused.load(Ordering::SeqCst) > 0);
    service.kill();
    assert_eq!(receiver.heard(), [json!(null); 0]);

    receiver.takes.store(true, Ordering::SeqCst);
    let service = Service::start(&yard);
    let of_cluster = ["OnInstanceCreated", "OnInstanceActive", "OnClusterDeleted"];
    wait_for("the messages", || receiver.heard().len() >= 11);
    assert_eq!(receiver.events(), EVENTS.iter().chain(&of_cluster).copied().collect::<Vec<_>>());
    assert!(receiver.heard().iter().take(8).all(|message| message["JobId"] == id), "{:?}", receiver.heard());
    assert!(receiver.heard().iter().skip(8).all(|message| message["ClusterId"] == nodes), "{:?}", receiver.heard());

    // What was told is not told again by later servers; what is new is.
    let other = service.create("/jobs", &told_job(&receiver));
    assert_eq!(service.wait(&other), "Finished");
    wait_for("the new messages", || receiver.heard().len() >= 19);
    // Their end is known to the state as soon as something that was written later is.
    assert!(service.ask("DELETE", &format!("/jobs/{other}"), None).0 < 300);
    service.kill();
    let service = Service::start(&yard);
    let last = service.create("/jobs", &told_job(&receiver));
    assert_eq!(service.wait(&last), "Finished");
    wait_for("the last messages", || receiver.heard().len() >= 27);
    let of = |id: &str| receiver.heard().iter().filter(|message| message["JobId"] == id).count();
    // The one that was told last may have been told again.
    assert!((of(&id), of(&last)) == (8, 8) && (8..=9).contains(&of(&other)), "{:?}", receiver.events());
}

/// Wherever a server dies, everything that is in the state was told or will be, in the order in which it happened.
#[test]
fn no_message_is_lost_wherever_the_server_dies() {
    let places = ["job recorded", "job told", "instance let go", "start recorded", "end known", "job ended", "message delivered"];
    let later = ["message delivered:4", "message delivered:8"];
    for place in places.into_iter().chain(later) {
        let yard = Yard::new();
        let receiver = Receiver::new(true);
        let service = Service::start_in(&yard, &[], &[("BATCHYARD_CRASH_AT", place)]);
        service.put("data", "", b"");
        let (target, document) = ("/jobs?IdempotentToken=once", told_job(&receiver).to_string());
        // The server may die over it.
        let _ = service.try_ask(&service.keys, "POST", target, document.as_bytes(), &date(0), &[]);
        service.await_death_at(place);
        let service = Service::start(&yard);
        let id = service.create(target, &told_job(&receiver));
        assert_eq!(service.wait(&id), "Finished", "{place}");
        wait_for("the last message", || receiver.events().iter().any(|event| event == "OnJobFinished"));
        let mut events: Vec<String> = Vec::new();
        for event in receiver.events() {
            if !events.contains(&event) {
                events.push(event);
            }
        }
        assert_eq!(events, EVENTS, "{place}: {:?}", receiver.events());
        assert!(receiver.heard().iter().all(|message| message["JobId"] == id), "{place}: {:?}", receiver.heard());
    }
}

/// Who does not answer at once is asked again soon, and for long.
const PATIENT: &str = "webservice.port = 0\nworkflow-state-callback { enabled = true, max-retries = 100000, request-backoff { min = 50 ms, max = 200 ms, multiplier = 2 } }\n";
const ECHO: &str = "version 1.0\nworkflow w { input { Int n } call t { input: n = n } output { String s = t.s } }\n\
    task t { input { Int n } command <<< echo ~{n}; [ ~{n} -lt 9 ] >>> output { String s = read_string(stdout()) } }\n";

fn workflows(yard: &Yard, variables: &[(&str, &str)]) -> Server {
    let log = yard.path("background.err");
    let mut command = yard.command(&["cromwell", "-Dconfig.file=cromwell.conf", "server"]);
    let err = std::fs::File::create(&log).unwrap();
    let child = command.envs(variables.iter().copied()).stdout(std::process::Stdio::null()).stderr(err).spawn().unwrap();
    Server::of(child, log)
}

fn submit(server: &Server, n: u32, address: &str) -> String {
    let options = json!({"workflow_callback_uri": address}).to_string();
    server.submit(ECHO, &json!({"w.n": n}), &[("workflowOptions", options.as_bytes())])
}

#[test]
fn ends_of_workflows_are_told_by_the_next_server() {
    let yard = Yard::new();
    yard.write("cromwell.conf", PATIENT);
    // A place of our own, at which nobody listens yet: connections of others begin at other addresses.
    let place = TcpListener::bind("127.77.3.1:0").unwrap().local_addr().unwrap();
    let address = format!("http://{place}/messages");
    let server = workflows(&yard, &[]);
    let runs: Vec<(String, &str)> = [(1, "Succeeded"), (9, "Failed"), (2, "Succeeded")]
        .map(|(n, state)| {
            let id = submit(&server, n, &address);
            assert_eq!(server.wait(&id), state);
            (id, state)
        })
        .into();
    assert_eq!(server.about(&runs[0].0, "metadata")["workflowCallback"], Json::Null);
    server.kill();

    let server = workflows(&yard, &[]);
    let receiver = Receiver::on(TcpListener::bind(place).unwrap(), true);
    wait_for("the notices", || receiver.heard().len() >= 3);
    for (id, state) in &runs {
        let heard = receiver.heard();
        let told: Vec<&Json> = heard.iter().filter(|message| message["workflowId"] == *id).collect();
        assert_eq!((told.len(), told[0]["state"].as_str().unwrap()), (1, *state), "{heard:?}");
        wait_for("what became of it", || server.about(id, "metadata")["workflowCallback"]["successful"] == true);
        assert_eq!(server.about(id, "metadata")["workflowCallback"]["url"], json!(address));
        assert_eq!(server.about(id, "status")["status"], *state);
    }
    let heard = receiver.heard();
    let of = |id: &str| heard.iter().find(|message| message["workflowId"] == id).unwrap();
    assert_eq!((&of(&runs[0].0)["outputs"], &of(&runs[0].0)["failures"]), (&json!({"w.s": "1"}), &json!([])));
    assert_ne!(of(&runs[1].0)["failures"], json!([]));

    // What is known to be told is told no more.
    server.kill();
    let server = workflows(&yard, &[]);
    let last = submit(&server, 3, &address);
    wait_for("the notice of another one", || receiver.heard().iter().any(|message| message["workflowId"] == last));
    assert_eq!(receiver.heard().len(), 4);
}

#[test]
fn no_end_of_a_workflow_is_kept_from_who_wants_to_know() {
    let mut deaths = 0;
    for place in ["outputs known".to_owned()].into_iter().chain((1..20).map(|passage| format!("recorded:{passage}"))) {
        let yard = Yard::new();
        yard.write("cromwell.conf", PATIENT);
        let receiver = Receiver::new(true);
        let mut server = workflows(&yard, &[("BATCHYARD_CRASH_AT", &place)]);
        let id = submit(&server, 1, &receiver.address);
        wait_for("a death or a notice", || server.child.try_wait().unwrap().is_some() || !receiver.heard().is_empty());
        let has_died = server.child.try_wait().unwrap().is_some();
        deaths += u32::from(has_died);
        drop(server);
        let server = workflows(&yard, &[]);
        wait_for("the notice", || !receiver.heard().is_empty());
        assert_eq!(server.wait(&id), "Succeeded", "{place}");
        let heard = receiver.heard();
        assert!(heard.iter().all(|message| message["workflowId"] == id && message["state"] == "Succeeded"), "{place}: {heard:?}");
        if !has_died {
            break;
        }
    }
    assert!(deaths >= 3, "the server has died at {deaths} places alone");
}

#[test]
fn an_aborted_workflow_is_told_although_its_server_dies() {
    let yard = Yard::new();
    yard.write("cromwell.conf", PATIENT);
    let receiver = Receiver::new(true);
    let server = workflows(&yard, &[]);
    let mark = yard.path("mark");
    let sleep = "version 1.0\nworkflow w { input { String mark } call t { input: mark = mark } }\n\
        task t { input { String mark } command <<< trap '' TERM; echo x >> '~{mark}'; while true; do sleep 0.1; done >>> }\n";
    let options = json!({"workflow_callback_uri": receiver.address}).to_string();
    let id = server.submit(sleep, &json!({"w.mark": mark}), &[("workflowOptions", options.as_bytes())]);
    wait_for("the task", || mark.exists());
    // Its task does not end when it is asked to, so that the next server finds it on its way to the end.
    let asked = server.post(&format!("/api/workflows/v1/{id}/abort"));
    assert_eq!(asked.code, 200, "{}", asked.text);
    wait_for("the wish to be recorded", || server.about(&id, "status")["status"] == "Aborting");
    server.kill();
    let server = workflows(&yard, &[]);
    assert_eq!(server.wait(&id), "Aborted");
    wait_for("the notice", || !receiver.heard().is_empty());
    assert_eq!((&receiver.heard()[0]["state"], &receiver.heard()[0]["workflowId"]), (&json!("Aborted"), &json!(id)));
}
