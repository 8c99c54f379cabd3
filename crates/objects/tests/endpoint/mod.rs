//! A store in a process of its own, and requests to it that are signed here.

#![expect(dead_code, reason = "not every test uses all of it")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

use batchyard_objects::sign::{Message, Pair, oss_v1};

/// The example program, which cargo builds with the tests.
fn program() -> PathBuf {
    let mut folder = std::env::current_exe().unwrap();
    folder.pop();
    folder.pop();
    folder.join("examples/endpoint")
}

/// A store that is served. It ends with this.
pub struct Endpoint {
    folder: tempfile::TempDir,
    pub url: String,
    process: Child,
    arguments: Vec<String>,
}

impl Endpoint {
    pub fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (process, url) = spawn(&folder, arguments, None);
        let arguments = arguments.iter().map(ToString::to_string).collect();
        Self { folder, url, process, arguments }
    }

    /// Starts another process in the place of one that was killed.
    pub fn restart(&mut self) {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        (self.process, self.url) = spawn(&self.folder, &arguments, None);
    }

    /// Kills the process and starts another one that dies at this place.
    pub fn restart_to_die(&mut self, place: &str) {
        self.kill();
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        (self.process, self.url) = spawn(&self.folder, &arguments, Some(place));
    }

    /// Waits until the process has died by itself.
    pub fn await_death(&mut self) {
        let end = Instant::now() + Duration::from_secs(30);
        while self.process.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "it did not come to its place");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends the process at once, as a crash would.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the server had to say about itself.
    pub fn complaints(&self) -> String {
        fs::read_to_string(self.path("complaints")).unwrap_or_default()
    }

    /// Files of data, named by the index or not.
    pub fn data_files(&self) -> usize {
        let folders = fs::read_dir(self.path("store/data")).unwrap();
        folders.flat_map(|entry| fs::read_dir(entry.unwrap().path()).unwrap()).count()
    }

    pub fn address(&self) -> String {
        self.url.trim_start_matches("http://").to_owned()
    }

    pub fn client(&self) -> Client {
        Client { address: self.address() }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn spawn(folder: &tempfile::TempDir, arguments: &[&str], crash: Option<&str>) -> (Child, String) {
    let complaints = fs::File::options().create(true).append(true).open(folder.path().join("complaints")).unwrap();
    let mut command = Command::new(program());
    command.arg(folder.path().join("store")).args(["0", "ID:SECRET:me", "OTHER:SECRET2:you", "VIEW:SECRET3:me:viewer"]).args(arguments);
    if let Some(place) = crash {
        command.env("BATCHYARD_CRASH_AT", place);
    }
    let mut process = command.stdout(Stdio::piped()).stderr(complaints).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("http://"), "{}", fs::read_to_string(folder.path().join("complaints")).unwrap());
    (process, line.trim().to_owned())
}

/// An answer.
pub struct Answer {
    pub code: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|line| line.split_once(": ")).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Text of the first element of this name.
    pub fn element(&self, name: &str) -> String {
        let text = self.text();
        let start = text.split_once(&format!("<{name}>")).map_or("", |(_, rest)| rest);
        start.split_once(&format!("</{name}>")).map_or("", |(found, _)| found).to_owned()
    }
}

/// Sends requests as key `ID`, one per connection.
#[derive(Clone)]
pub struct Client {
    pub address: String,
}

impl Client {
    /// A signed request; the target is `/bucket/key?query`, percent-encoded where need be. Nothing if the connection broke.
    pub fn try_send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<Answer> {
        let date = httpdate(SystemTime::now());
        let mut all: Vec<(String, String)> = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        all.push(("date".to_owned(), date));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (bucket, key) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let query: Vec<(String, String)> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let message = Message { method, path, bucket: Some(bucket).filter(|b| !b.is_empty()), key, query: &query, headers: &all };
        let authorization = oss_v1::authorization(&message, Pair { id: "ID", secret: "SECRET" });
        all.push(("authorization".to_owned(), authorization));
        self.raw(method, target, &all, body)
    }

    pub fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.try_send(method, target, headers, body).unwrap()
    }

    /// A request as it is.
    pub fn raw(&self, method: &str, target: &str, headers: &[(String, String)], body: &[u8]) -> Option<Answer> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        if !headers.iter().any(|(name, _)| name == "content-length" || name == "transfer-encoding") {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).ok()?;
        // A refusal may come before all is sent.
        drop(stream.write_all(body));
        let mut answer = Vec::new();
        let ended = stream.read_to_end(&mut answer);
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let body = answer[end + 4..].to_vec();
        let code = head.split(' ').nth(1)?.parse().ok()?;
        let answer = Answer { code, head, body };
        let complete = answer.header("content-length").is_none_or(|length| length.parse() == Ok(answer.body.len()) || method == "HEAD");
        (ended.is_ok() && complete).then_some(answer)
    }
}

fn httpdate(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    jiff::Timestamp::from_second(i64::try_from(seconds).unwrap()).unwrap().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
