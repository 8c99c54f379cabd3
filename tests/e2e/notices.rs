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
struct Receiver {
    address: String,
    heard: Arc<Mutex<Vec<Json>>>,
    refused: Arc<AtomicU32>,
    takes: Arc<AtomicBool>,
}

impl Receiver {
    fn new(takes: bool) -> Receiver {
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
                    if let Some(message) = hear(stream, takes) {
                        match takes {
                            true => heard.lock().unwrap().push(message),
                            false => drop(refused.fetch_add(1, Ordering::SeqCst)),
                        }
                    }
                });
            }
        });
        receiver
    }

    fn heard(&self) -> Vec<Json> {
        self.heard.lock().unwrap().clone()
    }

    fn events(&self) -> Vec<String> {
        self.heard().iter().map(|message| message["Event"].as_str().unwrap().to_owned()).collect()
    }
}

/// One message, answered.
fn hear(mut stream: std::net::TcpStream, takes: bool) -> Option<Json> {
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
    let answer = if takes { "200 OK" } else { "503 Not now" };
    write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok()?;
    serde_json::from_slice(&body).ok()
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
