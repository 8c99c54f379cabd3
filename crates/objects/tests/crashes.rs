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
