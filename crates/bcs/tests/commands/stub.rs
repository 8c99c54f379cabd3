//! A server that stands in for the service and the object store, and a person who calls the program.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
};

use batchyard_bcs::{
    session::Surroundings,
    sign::{self, Signed},
    terminal::Terminal,
};
use serde_json::{Value, json};

/// The key pair of the tests.
pub const KEY: (&str, &str) = ("AKID123", "SECRET456");

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Method and target.
    pub line: String,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Body.
    pub body: Vec<u8>,
    /// Whether the signature is that of [`KEY`].
    pub signed: bool,
}

impl Asked {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The method.
    pub fn method(&self) -> &str {
        self.line.split(' ').next().unwrap()
    }

    /// The path.
    pub fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap().split('?').next().unwrap()
    }
}

/// Objects of the store, and what is to go wrong.
#[derive(Default)]
pub struct Objects {
    pub objects: BTreeMap<String, Vec<u8>>,
    pub parts: BTreeMap<u32, Vec<u8>>,
    /// Objects that have a size but no content.
    pub sizes: BTreeMap<String, u64>,
    /// Requests whose line contains one of these fail with 500, once each.
    pub failing: Vec<String>,
}

#[derive(Default)]
struct State {
    asked: Vec<Asked>,
    answers: BTreeMap<String, Vec<(u16, Value)>>,
}

/// The server.
#[derive(Clone)]
pub struct Stub {
    pub base: String,
    state: Arc<Mutex<State>>,
    pub store: Arc<Mutex<Objects>>,
}

impl Stub {
    pub fn start() -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stub = Stub { base, state: Arc::default(), store: Arc::default() };
        let serving = stub.clone();
        // The thread ends with the process of the tests.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let stub = serving.clone();
                thread::spawn(move || stub.serve(stream));
            }
        });
        stub
    }

    /// Answers `line` (method and target) with `body`; several answers follow each other, the last one stays.
    pub fn on(&self, line: &str, body: Value) -> &Stub {
        self.answer(line, if line.starts_with("POST") { 201 } else { 200 }, body)
    }

    /// The same with a status.
    pub fn answer(&self, line: &str, status: u16, body: Value) -> &Stub {
        self.state.lock().unwrap().answers.entry(line.to_owned()).or_default().push((status, body));
        self
    }

    /// Answers a first page of a list.
    pub fn list(&self, path: &str, items: Value) -> &Stub {
        self.on(&format!("GET {path}?Marker&MaxItemCount=100"), json!({"Items": items, "NextMarker": ""}))
    }

    /// What was asked since the last time; everything of it was signed.
    pub fn asked(&self) -> Vec<Asked> {
        let asked = std::mem::take(&mut self.state.lock().unwrap().asked);
        for request in &asked {
            assert!(request.signed, "wrong signature: {request:?}");
        }
        asked
    }

    /// The lines of what was asked.
    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|a| a.line).collect()
    }

    fn serve(&self, stream: TcpStream) {
        let mut writer = stream.try_clone().unwrap();
        let mut reader = BufReader::new(stream);
        while let Some(asked) = read(&mut reader) {
            let is_store = asked.headers.get("authorization").is_some_and(|a| a.starts_with("OSS "));
            let (status, headers, body) = if is_store { self.stored(&asked) } else { self.told(&asked) };
            self.state.lock().unwrap().asked.push(asked.clone());
            let length = if asked.method() == "HEAD" { headers.clone() } else { format!("{headers}Content-Length: {}\r\n", body.len()) };
            let head = format!("HTTP/1.1 {status} X\r\n{length}\r\n");
            let body: &[u8] = if asked.method() == "HEAD" { &[] } else { &body };
            if writer.write_all(head.as_bytes()).and_then(|()| writer.write_all(body)).is_err() {
                return;
            }
        }
    }

    fn told(&self, asked: &Asked) -> (u16, String, Vec<u8>) {
        let missing = json!({"Code": "InvalidResource.NotFound", "Message": "Specified resource is not found.", "RequestId": "r"});
        let mut state = self.state.lock().unwrap();
        let (status, body) = match state.answers.get_mut(&asked.line) {
            Some(answers) if answers.len() > 1 => answers.remove(0),
            Some(answers) => answers[0].clone(),
            None => (404, missing),
        };
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        (status, "x-acs-request-id: rid\r\nContent-Type: application/json\r\n".to_owned(), body)
    }

    fn stored(&self, asked: &Asked) -> (u16, String, Vec<u8>) {
        let mut store = self.store.lock().unwrap();
        if let Some(at) = store.failing.iter().position(|part| asked.line.contains(part)) {
            store.failing.remove(at);
            return (500, String::new(), b"<Error><Code>InternalError</Code></Error>".to_vec());
        }
        let target = asked.line.split(' ').nth(1).unwrap();
        let query = target.split_once('?').map_or("", |(_, q)| q);
        let key = asked.path().trim_start_matches('/').replace("%20", " ");
        let etag = "ETag: \"E\"\r\n".to_owned();
        match asked.method() {
            "HEAD" if store.sizes.contains_key(&key) => (200, format!("{etag}Content-Length: {}\r\n", store.sizes[&key]), Vec::new()),
            "PUT" if asked.headers.contains_key("x-oss-copy-source-range") => (200, etag, Vec::new()),
            "GET" if !query.is_empty() => (200, String::new(), listed(&store.objects, &key, query).into_bytes()),
            "GET" | "HEAD" => match store.objects.get(&key) {
                None => (
                    404,
                    "Content-Length: 0\r\n".repeat(usize::from(asked.method() == "HEAD")),
                    b"<Error><Code>NoSuchKey</Code></Error>".to_vec(),
                ),
                Some(object) if asked.method() == "HEAD" => (200, format!("{etag}Content-Length: {}\r\n", object.len()), Vec::new()),
                Some(object) => ranged(object, asked.headers.get("range")),
            },
            "PUT" if query.starts_with("partNumber=") => {
                let number = query["partNumber=".len()..].split('&').next().unwrap().parse().unwrap();
                assert_eq!(asked.headers["content-md5"], sign::md5_base64(&asked.body));
                store.parts.insert(number, asked.body.clone());
                (200, format!("ETag: \"P{number}\"\r\n"), Vec::new())
            }
            "PUT" => {
                let copied = asked.headers.get("x-oss-copy-source").map(|from| store.objects[from.trim_start_matches('/')].clone());
                let body = copied.unwrap_or_else(|| asked.body.clone());
                store.objects.insert(key, body);
                (200, etag, Vec::new())
            }
            "POST" if query == "uploads" => (200, String::new(), b"<R><UploadId>U1</UploadId></R>".to_vec()),
            "POST" if query.starts_with("uploadId=") => {
                let whole = std::mem::take(&mut store.parts).into_values().flatten().collect();
                store.objects.insert(key, whole);
                (200, etag, b"<R/>".to_vec())
            }
            "POST" => {
                let text = String::from_utf8(asked.body.clone()).unwrap();
                let bucket = key.trim_end_matches('/');
                for name in text.split("<Key>").skip(1).map(|k| k.split('<').next().unwrap()) {
                    store.objects.remove(&format!("{bucket}/{name}"));
                }
                (200, String::new(), b"<DeleteResult/>".to_vec())
            }
            _ => {
                store.objects.remove(&key);
                (204, String::new(), Vec::new())
            }
        }
    }
}

fn ranged(object: &[u8], range: Option<&String>) -> (u16, String, Vec<u8>) {
    let Some((from, to)) = range.and_then(|r| r.strip_prefix("bytes=")?.split_once('-')) else {
        return (200, String::new(), object.to_vec());
    };
    let from: usize = from.parse().unwrap();
    let to = to.parse::<usize>().map_or(object.len(), |to| (to + 1).min(object.len()));
    (206, String::new(), object.get(from..to).unwrap_or_default().to_vec())
}

fn listed(objects: &BTreeMap<String, Vec<u8>>, bucket: &str, query: &str) -> String {
    let of = |name: &str| query.split('&').find_map(|p| p.strip_prefix(&format!("{name}="))).unwrap_or("").replace("%2F", "/");
    let (prefix, delimiter) = (of("prefix"), of("delimiter"));
    let mut folders = std::collections::BTreeSet::new();
    let mut text = String::new();
    for (key, object) in objects {
        let Some(key) = key.strip_prefix(bucket).filter(|k| k.starts_with(&prefix)) else { continue };
        match key[prefix.len()..].split_once(&delimiter).filter(|_| !delimiter.is_empty()) {
            Some((folder, _)) => drop(folders.insert(format!("{prefix}{folder}/"))),
            None => text.push_str(&format!("<Contents><Key>{key}</Key><Size>{}</Size></Contents>", object.len())),
        }
    }
    for folder in folders {
        text.push_str(&format!("<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"));
    }
    format!("<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>{text}</ListBucketResult>")
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let mut asked = Asked { line: line.trim_end().trim_end_matches(" HTTP/1.1").to_owned(), ..Asked::default() };
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        asked.headers.insert(name.to_lowercase(), value.to_owned());
        headers.push((name.to_owned(), value.to_owned()));
    }
    let length = asked.headers.get("content-length").map_or(0, |l| l.parse().unwrap());
    asked.body = vec![0; length];
    reader.read_exact(&mut asked.body).ok()?;
    asked.signed = is_signed(&asked, &headers);
    Some(asked)
}

fn is_signed(asked: &Asked, headers: &[(String, String)]) -> bool {
    let header = |name: &str| asked.headers.get(name).map_or("", String::as_str);
    let target = asked.line.split(' ').nth(1).unwrap();
    let is_store = header("authorization").starts_with("OSS ");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query: Vec<(&str, String)> =
        query.split('&').map(|p| p.split_once('=').unwrap_or((p, ""))).map(|(name, value)| (name, value.to_owned())).collect();
    let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap_or((path, ""));
    let resource = if is_store { sign::oss_resource(bucket, &key.replace("%20", " "), &query) } else { target.to_owned() };
    let signed = Signed {
        method: asked.method(),
        accept: header("accept"),
        content_md5: header("content-md5"),
        content_type: header("content-type"),
        date: header("date"),
        headers,
        resource: &resource,
    };
    let expected = if is_store { sign::oss(KEY.0, KEY.1, &signed) } else { sign::acs(KEY.0, KEY.1, &signed) };
    let digest = asked.headers.get("contentmd5").is_none_or(|md5| *md5 == sign::md5_hex(&asked.body));
    expected == header("authorization") && digest && (is_store || asked.body.is_empty() || asked.headers.contains_key("contentmd5"))
}

/// What a call printed, and its exit status.
#[derive(Debug)]
pub struct Done {
    pub out: String,
    pub code: u8,
}

/// A person with a home.
pub struct Person {
    pub folder: tempfile::TempDir,
    pub stub: Stub,
    pub variables: BTreeMap<String, String>,
    pub answers: Vec<u8>,
}

impl Person {
    /// Somebody who has never called the program.
    pub fn new() -> Person {
        let stub = Stub::start();
        let named = [("BCS_ENDPOINT", &stub.base), ("BCS_OSS_ENDPOINT", &stub.base)];
        let variables = named.map(|(name, value)| (name.to_owned(), value.clone())).into();
        Person { folder: tempfile::tempdir().unwrap(), stub, variables, answers: Vec::new() }
    }

    /// Somebody who has logged in and set everything.
    pub fn known() -> Person {
        let person = Person::new();
        let state = person.path(".batchcompute");
        fs::create_dir(&state).unwrap();
        let (id, secret) = KEY;
        let config = format!(
            "[common]\nregion = cn-test\naccesskeyid = {id}\naccesskeysecret = {secret}\nosspath = oss://mybucket/bcscli/\n\
             defaultimage = img-ubuntu\ndefaulttype = ecs.sn1.medium\nvpc_cidr_block = 192.168.0.0/16\n"
        );
        fs::write(state.join("cliconfig"), config).unwrap();
        person
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Calls `bcs` with words that hold no blanks; `~` stands for one.
    pub fn call(&self, words: &str) -> Done {
        let words = words.split(' ').filter(|w| !w.is_empty()).map(|w| w.replace('~', " ")).collect();
        self.run("bcs", words)
    }

    /// Calls the program under a name.
    pub fn run(&self, name: &str, words: Vec<String>) -> Done {
        let printed = Printed::default();
        let terminal = Terminal::prepared(Box::new(printed.clone()), Box::new(std::io::Cursor::new(self.answers.clone())));
        let surroundings = Surroundings {
            home: self.folder.path().to_owned(),
            folder: self.folder.path().to_owned(),
            variables: self.variables.clone(),
            terminal,
        };
        let code = batchyard_bcs::run(name, words, surroundings);
        let out = String::from_utf8(printed.0.lock().unwrap().clone()).unwrap();
        Done { out, code }
    }

    /// The same for a call that must succeed.
    pub fn done(&self, words: &str) -> String {
        let done = self.call(words);
        assert_eq!(done.code, 0, "{words}: {}", done.out);
        done.out
    }

    /// The same for a call that must fail; what it says.
    pub fn fails(&self, words: &str) -> String {
        let done = self.call(words);
        assert_eq!(done.code, 1, "{words}: {}", done.out);
        done.out
    }
}

#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
