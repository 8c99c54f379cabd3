//! The process is killed while clients write. Afterwards everything that was acknowledged is there, whole, and nothing
//! else is.

#![expect(clippy::disallowed_methods, reason = "starts the store")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod endpoint;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use endpoint::{Client, Endpoint};

const CLIENTS: usize = 4;
/// How many times the process is killed.
const KILLS: u64 = 4;

/// Bytes of an object that say which one it is.
fn content(client: usize, number: usize) -> Vec<u8> {
    // Small ones lie in the index, large ones in files.
    let size = if number.is_multiple_of(3) { 200_000 } else { 900 };
    format!("{client}/{number};").into_bytes().into_iter().cycle().take(size).collect()
}

/// What a key may hold: the last that was acknowledged, or what was sent after it.
#[derive(Default)]
struct Round {
    contents: Vec<Vec<u8>>,
    acknowledged: bool,
}

/// Overwrites few keys again and again until the server goes away.
fn write(client: &Client, who: usize, from: usize) -> (BTreeMap<String, Round>, usize) {
    let mut expected = BTreeMap::<String, Round>::new();
    for number in from.. {
        let key = format!("k{who}-{}", number % 7);
        let bytes = content(who, number);
        let sent = client.try_send("PUT", &format!("/crash-bucket/{key}"), &[], &bytes);
        let entry = expected.entry(key).or_default();
        match sent {
            Some(answer) => {
                assert_eq!(answer.code, 200, "{}", answer.text());
                *entry = Round { contents: vec![bytes], acknowledged: true };
            }
            None => {
                entry.contents.push(bytes);
                return (expected, number + 1);
            }
        }
    }
    unreachable!("the numbers do not end")
}

#[test]
fn puts() {
    puts_survive(&[]);
}

/// What the operating system has is not lost with the process.
#[test]
fn puts_without_waiting_for_the_disk() {
    puts_survive(&["--no-sync"]);
}

fn puts_survive(arguments: &[&str]) {
    let mut endpoint = Endpoint::start(arguments);
    assert_eq!(endpoint.client().send("PUT", "/crash-bucket", &[], b"").code, 200);
    let mut numbers = [0; CLIENTS];
    let mut all = BTreeMap::<String, Vec<Option<Vec<u8>>>>::new();
    for kill in 0..KILLS {
        let client = endpoint.client();
        let threads: Vec<_> = (0..CLIENTS)
            .map(|who| {
                let (client, from) = (client.clone(), numbers[who]);
                thread::spawn(move || write(&client, who, from))
            })
            .collect();
        thread::sleep(Duration::from_millis(150 + 97 * kill));
        endpoint.kill();
        for (who, thread) in threads.into_iter().enumerate() {
            let (expected, next) = thread.join().unwrap();
            numbers[who] = next;
            for (key, round) in expected {
                // At first there was nothing.
                let contents = all.entry(key).or_insert_with(|| vec![None]);
                if round.acknowledged {
                    contents.clear();
                }
                contents.extend(round.contents.into_iter().map(Some));
            }
        }
        endpoint.restart();
        let client = endpoint.client();
        for (key, contents) in &mut all {
            let got = client.send("GET", &format!("/crash-bucket/{key}"), &[], b"");
            let found = (got.code == 200).then_some(got.body);
            assert!(contents.contains(&found), "`{key}` is not what was stored: {} and {:?} bytes", got.code, found.map(|f| f.len()));
            *contents = vec![found];
        }
        let listed = client.send("GET", "/crash-bucket?max-keys=1000", &[], b"").text();
        assert_eq!(listed.matches("<Key>").count(), all.values().filter(|contents| contents[0].is_some()).count());
    }
    // What was written by halves, or lost its name, is no longer on the disk either.
    let named = all.values().filter(|contents| contents[0].as_ref().is_some_and(|bytes| bytes.len() > 16 * 1024)).count();
    wait_for(|| endpoint.data_files() == named, || format!("{} files of data for {named} objects", endpoint.data_files()));
    assert_eq!(endpoint.complaints(), "");
}

fn wait_for(done: impl Fn() -> bool, state: impl Fn() -> String) {
    let end = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < end, "{}", state());
        thread::sleep(Duration::from_millis(20));
    }
}

/// An upload whose completion was asked for.
struct Upload {
    key: String,
    id: String,
    document: String,
    is_acknowledged: bool,
}

/// Uploads in three parts are completed while the process is killed: an object is there with all its parts or not at
/// all, and an upload that is not complete can be completed.
#[test]
fn completions() {
    let mut endpoint = Endpoint::start(&[]);
    endpoint.client().send("PUT", "/crash-bucket", &[], b"");
    for kill in 0..KILLS {
        let client = endpoint.client();
        let uploads: Arc<Mutex<Vec<Upload>>> = Arc::default();
        let seen = Arc::clone(&uploads);
        let worker = thread::spawn(move || upload_until_the_end(&client, kill, &seen));
        thread::sleep(Duration::from_millis(300 + 131 * kill));
        endpoint.kill();
        worker.join().unwrap();
        endpoint.restart();
        let client = endpoint.client();
        for Upload { key, id, document, is_acknowledged } in uploads.lock().unwrap().iter() {
            let target = format!("/crash-bucket/{key}");
            let mut got = client.send("GET", &target, &[], b"");
            if got.code == 404 {
                assert!(!is_acknowledged, "`{key}` is gone");
                let again = client.send("POST", &format!("{target}?uploadId={id}"), &[], document.as_bytes());
                assert_eq!(again.code, 200, "{}", again.text());
                got = client.send("GET", &target, &[], b"");
            }
            assert_eq!((got.code, got.body), (200, whole()), "`{key}`");
        }
    }
    assert_eq!(endpoint.complaints(), "");
}

const PARTS: [(usize, u8); 3] = [(120_000, b'a'), (110_000, b'b'), (7, b'c')];

fn whole() -> Vec<u8> {
    PARTS.iter().flat_map(|(size, fill)| vec![*fill; *size]).collect()
}

fn upload_until_the_end(client: &Client, kill: u64, uploads: &Mutex<Vec<Upload>>) {
    for number in 0.. {
        let key = format!("u{kill}-{number}");
        let target = format!("/crash-bucket/{key}");
        let Some(begun) = client.try_send("POST", &format!("{target}?uploads"), &[], b"") else { return };
        let upload = begun.element("UploadId");
        let mut document = "<CompleteMultipartUpload>".to_owned();
        for (place, (size, fill)) in PARTS.iter().enumerate() {
            let part = format!("{target}?partNumber={}&uploadId={upload}", place + 1);
            let Some(sent) = client.try_send("PUT", &part, &[], &vec![*fill; *size]) else { return };
            let etag = sent.header("etag").unwrap();
            document.push_str(&format!("<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag></Part>", place + 1));
        }
        document.push_str("</CompleteMultipartUpload>");
        uploads.lock().unwrap().push(Upload { key, id: upload.clone(), document: document.clone(), is_acknowledged: false });
        let Some(done) = client.try_send("POST", &format!("{target}?uploadId={upload}"), &[], document.as_bytes()) else { return };
        assert_eq!(done.code, 200, "{}", done.text());
        uploads.lock().unwrap().last_mut().unwrap().is_acknowledged = true;
    }
}

/// Places on the way of a change at which the process dies.
const PLACES: [&str; 6] = ["bytes received", "bytes on disk", "change made", "change committed", "garbage told", "change answered"];

/// A change of the object `/crash-bucket/k`, and what it makes of it; nothing when it is gone.
struct Change {
    name: &'static str,
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
    after: Option<Vec<u8>>,
    /// Whether it brings bytes that become a file.
    brings_file: bool,
    /// Status when it is asked for again after it was made.
    again: u16,
}

const LARGE: usize = 100_000;

/// What the object is before each change, and another one beside it.
fn before() -> Vec<u8> {
    vec![b'o'; LARGE]
}

/// Prepares an upload and gives the request that completes it.
fn upload(client: &Client) -> (String, Vec<u8>) {
    let id = client.send("POST", "/crash-bucket/k?uploads", &[], b"").element("UploadId");
    let mut document = "<CompleteMultipartUpload>".to_owned();
    for (place, (size, fill)) in PARTS.iter().enumerate() {
        let part = client.send("PUT", &format!("/crash-bucket/k?partNumber={}&uploadId={id}", place + 1), &[], &vec![*fill; *size]);
        document.push_str(&format!("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", place + 1, part.header("etag").unwrap()));
    }
    document.push_str("</CompleteMultipartUpload>");
    (format!("/crash-bucket/k?uploadId={id}"), document.into_bytes())
}

fn changes(client: &Client) -> Vec<Change> {
    let key = || "/crash-bucket/k".to_owned();
    let put = |name, body: Vec<u8>, brings_file| Change {
        name,
        method: "PUT",
        target: key(),
        headers: Vec::new(),
        after: Some(body.clone()),
        body,
        brings_file,
        again: 200,
    };
    let (complete, document) = upload(client);
    vec![
        put("a large object", vec![b'n'; LARGE], true),
        put("a small object", b"small".to_vec(), false),
        Change { method: "DELETE", after: None, again: 204, body: Vec::new(), ..put("no object", Vec::new(), false) },
        Change {
            headers: vec![("x-oss-copy-source", "/crash-bucket/other")],
            after: Some(b"other".repeat(LARGE / 5)),
            ..put("a copy", Vec::new(), false)
        },
        Change { method: "POST", target: complete, body: document, after: Some(whole()), again: 404, ..put("parts", Vec::new(), false) },
    ]
}

/// The process dies at each place of each kind of change: afterwards the object is what it was or what it was to be, what was
/// answered was made, and no bytes are left that nothing names.
#[test]
fn changes_that_die_on_the_way() {
    for number in 0..5 {
        for place in PLACES {
            let mut endpoint = Endpoint::start(&[]);
            let client = endpoint.client();
            client.send("PUT", "/crash-bucket", &[], b"");
            client.send("PUT", "/crash-bucket/other", &[], &b"other".repeat(LARGE / 5));
            client.send("PUT", "/crash-bucket/k", &[], &before());
            let change = changes(&client).swap_remove(number);
            let at = format!("{} at `{place}`", change.name);
            if place.starts_with("bytes") && !change.brings_file {
                continue;
            }
            endpoint.restart_to_die(place);
            let answer = endpoint.client().try_send(change.method, &change.target, &change.headers, &change.body);
            endpoint.await_death();
            endpoint.restart();
            let client = endpoint.client();
            let get = || {
                let got = client.send("GET", "/crash-bucket/k", &[], b"");
                (got.code == 200).then_some(got.body)
            };
            let found = get();
            let is_made = found == change.after;
            assert!(is_made || found == Some(before()), "{at}: {:?} bytes", found.map(|bytes| bytes.len()));
            let committed = ["change committed", "garbage told", "change answered"].contains(&place);
            assert_eq!(is_made, committed, "{at}");
            if let Some(answer) = answer {
                assert!(answer.code < 300 && is_made, "{at}: {}", answer.text());
            }
            let again = client.send(change.method, &change.target, &change.headers, &change.body);
            let expected = if is_made {
                change.again
            } else if change.method == "DELETE" {
                204
            } else {
                200
            };
            assert_eq!((again.code, get()), (expected, change.after.clone()), "{at}");
            let listed = client.send("GET", "/crash-bucket?max-keys=10", &[], b"").text();
            assert_eq!(listed.matches("<Key>").count(), 1 + usize::from(change.after.is_some()), "{at}");
            // Parts of an upload that nobody completed or aborted stay.
            let parts = if change.name == "parts" { 0 } else { 3 };
            let large = |bytes: &Vec<u8>| usize::from(bytes.len() > 16 * 1024);
            let own = if change.name == "parts" { 2 } else { change.after.as_ref().map_or(0, large) };
            let named = 1 + own + if parts == 0 { 0 } else { 2 };
            wait_for(|| endpoint.data_files() == named, || format!("{at}: {} files of data for {named}", endpoint.data_files()));
            assert_eq!(endpoint.complaints(), "", "{at}");
        }
    }
}

/// An object that was appended to many times is put together when the process dies.
#[test]
fn appends_that_die_on_the_way() {
    for place in ["change made", "change committed", "pieces to settle"] {
        let mut endpoint = Endpoint::start(&["--no-sync"]);
        let client = endpoint.client();
        client.send("PUT", "/crash-bucket", &[], b"");
        let append = |client: &Client, position: usize, piece: &[u8]| {
            client.try_send("POST", &format!("/crash-bucket/log?append&position={position}"), &[], piece).map(|answer| answer.code)
        };
        // With the last of them there are as many pieces as may be, the empty one of the beginning among them.
        let pieces = 999;
        for number in 0..pieces - 1 {
            assert_eq!(append(&client, number * 4, format!("{number:03}\n").as_bytes()), Some(200));
        }
        endpoint.restart_to_die(place);
        let client = endpoint.client();
        let answer = append(&client, (pieces - 1) * 4, b"end\n");
        endpoint.await_death();
        endpoint.restart();
        let client = endpoint.client();
        let length = || client.send("GET", "/crash-bucket/log", &[], b"").body.len();
        let found = length();
        assert!(found == pieces * 4 || found == (pieces - 1) * 4 && answer.is_none(), "{place}: {found}");
        if found < pieces * 4 {
            assert_eq!(append(&client, found, b"end\n"), Some(200), "{place}");
        }
        assert_eq!(append(&client, pieces * 4, b"more"), Some(200), "{place}");
        let text = client.send("GET", "/crash-bucket/log", &[], b"").text();
        assert!(text.starts_with("000\n001\n") && text.ends_with("997\nend\nmore") && text.len() == pieces * 4 + 4, "{place}");
    }
}
