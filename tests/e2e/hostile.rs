//! Requests that nobody should send: all are answered, and the server goes on.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use serde_json::json;

use crate::{
    http::{Answer, Server, zipped},
    yard::{Yard, wait_for},
};

const COUNT: &str = "version 1.0\n\
    workflow wf { input { Array[String] xs } call count { input: xs = xs } output { Int n = count.n } }\n\
    task count { input { Array[String] xs } command <<< wc -l < ~{write_lines(xs)} >>> output { Int n = read_int(stdout()) } }\n";
const NOTHING: &str = "version 1.0\nworkflow w { }";
/// Most memory of a server that runs a workflow with inputs of 100 MB, in KiB.
const MEMORY_KIB: u64 = 1_000_000;

impl Server {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.base.trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// What comes back when these bytes are sent; the connection is asked to close.
    fn raw(&self, head: &str) -> Answer {
        let mut stream = self.connect();
        // A server that has heard enough may close before everything is sent.
        let _ = stream.write_all(head.replace('\n', "\r\n").as_bytes());
        answer_of(&mut stream)
    }

    /// Most memory that the server ever held, in KiB.
    fn peak_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

fn answer_of(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // A reset after the answer takes nothing from it.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let headers = head.lines().filter_map(|line| line.split_once(": ")).map(|(k, v)| (k.to_owned(), v.to_owned()));
    Answer { code, headers: headers.collect(), text: body.to_owned() }
}

#[test]
fn odd_requests_are_answered_in_the_same_shape() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let id = server.run(NOTHING, &json!({}), &[]);
    let get = |path: &str| server.raw(&format!("GET {path} HTTP/1.1\nHost: x\nConnection: close\n\n"));
    let long = "a".repeat(30_000);
    for path in [
        "/api/workflows/v1/%ff/status".to_owned(),
        format!("/api/workflows/v1/{long}/metadata"),
        "/api/workflows/v1/query?name=%ff%fe&id=%00".into(),
        format!("/api/workflows/v1/query?label={long}"),
        "/api/workflows/v1/callcaching/diff?callA=%ff".into(),
        format!("/api/workflows/v1/{id}/metadata?expandSubWorkflows=%ff"),
        format!("/api/workflows/v1/{id}/why?index=99999999999999999999"),
    ] {
        let answer = get(&path);
        assert_eq!((answer.code, answer.header("content-type")), (400, Some("application/json")), "{path}: {answer:?}");
        assert!(answer.json()["message"].is_string());
    }
    let wes = get("/api/ga4gh/wes/v1/runs/%ff");
    assert_eq!((wes.code, &wes.json()["status_code"]), (400, &json!(400)));

    // What is too large is refused before it has come.
    let large = server.raw(&format!(
        "PATCH /api/workflows/v1/{id}/labels HTTP/1.1\nHost: x\nContent-Type: application/json\nContent-Length: 99999999999\n\n{{"
    ));
    assert_eq!((large.code, &large.json()["status"]), (413, &json!("fail")), "{large:?}");
    let deep = "{\"a\":".repeat(50_000);
    let patch = server.send("PATCH", &format!("/api/workflows/v1/{id}/labels"), Some("application/json"), deep.as_bytes());
    assert_eq!((patch.code, &patch.json()["status"]), (400, &json!("fail")));
    let wrong = server.send("DELETE", &format!("/api/workflows/v1/{id}/labels"), None, b"");
    assert_eq!((wrong.code, wrong.header("allow")), (405, Some("GET,HEAD,PATCH")));
    assert_eq!(wrong.json()["status"], "fail");

    // Heads that are no requests, or far too long.
    assert_eq!(server.raw(&format!("GET / HTTP/1.1\nHost: x\nX-Long: {}\n\n", "a".repeat(2 << 20))).code, 431);
    assert_eq!(get(&format!("/{}", "a".repeat(100_000))).code, 414);
    let many: String = (0..500).map(|n| format!("X-{n}: y\n")).collect();
    assert_eq!(server.raw(&format!("GET / HTTP/1.1\nHost: x\n{many}\n")).code, 431);
    assert_eq!(server.raw("\u{0}\u{1}\u{2}\n\n").code, 400);
    assert_eq!(server.raw("POST /api/workflows/v1 HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\nzz\n").code, 400);
    assert_eq!(server.get("/healthz").code, 200);
}

#[test]
fn clients_may_be_slow_silent_and_half_gone() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let id = server.run(NOTHING, &json!({}), &[]);

    let mut half = server.connect();
    half.write_all(format!("GET /api/workflows/v1/{id}/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    half.shutdown(Shutdown::Write).unwrap();
    assert_eq!(answer_of(&mut half).json()["status"], "Succeeded");

    let silent: Vec<TcpStream> = (0..300).map(|_| server.connect()).collect();
    let mut broken = server.connect();
    broken.write_all(b"POST /api/workflows/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf").unwrap();
    drop(broken);
    let (kind, body) = crate::http::multipart(&[("workflowSource", NOTHING.as_bytes())]);
    let mut slow = server.connect();
    let length = body.len();
    slow.write_all(
        format!(
            "POST /api/workflows/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        )
        .as_bytes(),
    )
    .unwrap();
    for piece in body.chunks(length.div_ceil(10)) {
        std::thread::sleep(Duration::from_millis(200));
        slow.write_all(piece).unwrap();
        assert_eq!(server.get("/healthz").code, 200);
    }
    assert_eq!(answer_of(&mut slow).code, 201);
    drop(silent);
}

#[test]
fn readers_that_do_not_read_keep_nobody_waiting() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let inputs = json!({"wf.xs": ["x".repeat(4 << 20)]});
    let id = server.run(COUNT, &inputs, &[]);
    let mut stalled = Vec::new();
    for _ in 0..40 {
        let mut stream = server.connect();
        stream.write_all(format!("GET /api/workflows/v1/{id}/metadata HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
        stalled.push(stream);
    }
    assert_eq!(server.status(&id), "Succeeded");
    server.run(NOTHING, &json!({}), &[]);
    drop(stalled);
    assert!(server.about(&id, "metadata")["inputs"]["xs"][0].as_str().unwrap().len() == 4 << 20);
}

#[test]
fn answers_are_compressed_when_asked() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let id = server.run(NOTHING, &json!({}), &[]);
    let packed =
        server.raw(&format!("GET /api/workflows/v1/{id}/metadata HTTP/1.1\nHost: x\nAccept-Encoding: gzip\nConnection: close\n\n"));
    assert_eq!((packed.code, packed.header("content-encoding")), (200, Some("gzip")), "{packed:?}");
    let head = server.raw(&format!("HEAD /api/workflows/v1/{id}/metadata HTTP/1.1\nHost: x\nConnection: close\n\n"));
    assert_eq!((head.code, head.text.as_str(), head.header("content-type")), (200, "", Some("application/json")));
    assert_eq!(server.raw("HEAD /api/workflows/v1/abc/status HTTP/1.1\nHost: x\nConnection: close\n\n").code, 400);
}

#[test]
fn parts_are_counted_and_bombs_stay_packed() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let submit = |parts: &[(&str, &[u8])]| server.form("/api/workflows/v1", parts);
    let many: Vec<(&str, &[u8])> = vec![("labels", b"{}"); 1001];
    assert!(submit(&many).text.contains("more than 1000 parts"));
    // Of a part that comes twice the last counts.
    let twice =
        submit(&[("workflowSource", b"x"), ("labels", b"[]"), ("workflowSource", NOTHING.as_bytes()), ("labels", b"{\"a\": \"b\"}")]);
    assert_eq!(twice.code, 201, "{}", twice.text);
    let id = twice.json()["id"].as_str().unwrap().to_owned();
    assert_eq!((server.wait(&id).as_str(), &server.about(&id, "labels")["labels"]["a"]), ("Succeeded", &json!("b")));

    let mut nested = zipped(&[("bomb", &vec![0; 30 << 20])]);
    for depth in 0..3 {
        nested = zipped(&[(&format!("{depth}.zip"), &nested)]);
    }
    let answer = submit(&[("workflowSource", NOTHING.as_bytes()), ("workflowDependencies", &nested)]);
    assert_eq!(answer.code, 201, "{}", answer.text);
    let laughs = (0..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
        text + &format!("a{}: &a{} [{}]\n", n + 1, n + 1, format!("*a{n},").repeat(9).trim_end_matches(','))
    });
    assert_eq!(submit(&[("workflowSource", NOTHING.as_bytes()), ("workflowInputs", laughs.as_bytes())]).code, 400);
    let crowd = format!("[{}]", vec!["{}"; 10_001].join(","));
    assert_eq!(server.form("/api/workflows/v1/batch", &[("workflowSource", b"x"), ("workflowInputs", crowd.as_bytes())]).code, 400);
    let spread = (vec!["{}"; 10_000].join(","), json!({"w.x": "x".repeat(100_000)}).to_string());
    let parts: [(&str, &[u8]); 3] =
        [("workflowSource", b"x"), ("workflowInputs", &format!("[{}]", spread.0).into_bytes()), ("workflowInputs_2", spread.1.as_bytes())];
    assert!(server.form("/api/workflows/v1/batch", &parts).text.contains("MiB"));
    let labels = json!((0..1001).map(|n| (format!("l{n}"), json!("x"))).collect::<serde_json::Map<_, _>>()).to_string();
    assert_eq!(submit(&[("workflowSource", b"x"), ("labels", labels.as_bytes())]).code, 400);
}

#[test]
fn inputs_of_100_mb_are_run() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let items = vec!["x".repeat(1000); 105_000];
    let id = server.run(COUNT, &json!({"wf.xs": items}), &[]);
    assert_eq!(server.about(&id, "outputs")["outputs"]["wf.n"], 105_000);
    let most = server.peak_kib();
    assert!(most < MEMORY_KIB, "{most} KiB");
}

#[test]
fn everybody_at_once_on_one_workflow() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    for round in 0..5 {
        let id = server.submit(COUNT, &json!({"wf.xs": ["a"]}), &[("workflowOnHold", b"true")]);
        let ask = |number: usize| {
            let path = |what: &str| format!("/api/workflows/v1/{id}/{what}");
            let labels = json!({"who": number.to_string(), format!("n{number}"): "x"}).to_string();
            let (answer, expected) = match number % 4 {
                0 => (server.post(&path("releaseHold")), &[200, 403][..]),
                1 if round % 2 == 0 => (server.post(&path("abort")), &[200, 404][..]),
                2 => (server.send("PATCH", &path("labels"), Some("application/json"), labels.as_bytes()), &[200][..]),
                _ => (server.get(&path("metadata")), &[200][..]),
            };
            assert!(expected.contains(&answer.code), "{number}: {answer:?}");
        };
        std::thread::scope(|scope| {
            (0..12).for_each(|number| {
                drop(scope.spawn({
                    let ask = &ask;
                    move || ask(number)
                }))
            })
        });
        let end = server.wait(&id);
        assert!(end == "Succeeded" || (round % 2 == 0 && end == "Aborted"), "{end}");
        let labels = server.about(&id, "labels")["labels"].clone();
        assert_eq!([&labels["n2"], &labels["n6"], &labels["n10"]], [&json!("x"); 3], "{labels}");
    }
    wait_for("nothing to run any more", || server.get("/healthz").json()["workflows"]["running"] == 0);
}

#[test]
fn a_client_that_falls_silent_is_given_up() {
    let yard = Yard::new();
    yard.write("site.conf", "webservice.interface = 127.0.0.1\nakka.http.server.idle-timeout = 2 s\n");
    let server = Server::start(&yard, &["--config", "site.conf"]);
    let mut upload = server.connect();
    upload.write_all(b"POST /api/workflows/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n--b").unwrap();
    let mut idle = server.connect();
    let answer = answer_of(&mut upload);
    assert_eq!((answer.code, &answer.json()["status"]), (408, &json!("fail")), "{answer:?}");
    // One that has asked nothing gets no answer.
    assert_eq!(answer_of(&mut idle).text, "");
    assert_eq!(server.get("/healthz").code, 200);
}

/// Each asks for gigabytes: by one value, by many, by one that holds itself many times over, by texts, by instances.
fn greedy() -> Vec<String> {
    let nested = |levels: u32| {
        let mut body = "Array[Int] v0 = range(10)\n".to_owned();
        let mut ty = "Array[Int]".to_owned();
        for level in 1..levels {
            ty = format!("Array[{ty}]");
            body += &format!("{ty} v{level} = [{}]\n", vec![format!("v{}", level - 1); 10].join(", "));
        }
        body
    };
    let bodies = [
        "scatter (i in range(20)) { Array[Int] x = range(20000000 - i) }".to_owned(),
        "scatter (i in range(400)) { String s = sep(\"0123456789\", range(100000 + i)) }".to_owned(),
        "Array[String] a = prefix(sep(\"x\", range(10000)), range(1000000))".to_owned(),
        "String s = sep(\"0123456789012345678901234567890123456789\", range(20000000))".to_owned(),
        "Array[Pair[Int, Int]] a = cross(range(4000), range(4000))".to_owned(),
        "String a = sep(\"0123456789\", range(200000)) Array[Array[String]] b = [split(a, \"\"), split(a, \"\")]".to_owned(),
        "scatter (i in range(5000000)) { Int x = i }".to_owned(),
        format!("{} File f = write_json(v7)", nested(8)),
    ];
    bodies.iter().map(|body| format!("version 1.3\nworkflow w {{\n{body}\noutput {{ Int n = 1 }} }}")).collect()
}

#[test]
fn values_that_do_not_fit_fail_their_run_and_nothing_else() {
    let yard = Yard::new();
    yard.write("config/batchyard/config.toml", "[local]\nengine_memory = \"300 MB\"\n");
    let server = Server::start(&yard, &[]);
    let ids: Vec<String> = greedy().iter().map(|wdl| server.submit(wdl, &json!({}), &[])).collect();
    for (id, wdl) in ids.iter().zip(greedy()) {
        assert_eq!(server.wait(id), "Failed", "{wdl}");
        let why = server.about(id, "metadata")["failures"].to_string();
        assert!(why.contains("MB that `local.engine_memory` gives it"), "{wdl}: {why}");
    }
    let peak = server.peak_kib();
    assert!(peak < MEMORY_KIB, "{peak} KiB, with 300 MB for values");
    server.run("version 1.1\nworkflow w { Array[Int] a = range(2000000) }", &json!({}), &[]);
}
