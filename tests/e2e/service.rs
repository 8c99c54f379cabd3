//! A server's BatchCompute interface and object store, asked with signed requests.

use std::{
    io::Read,
    process::{Child, Command},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use batchyard_objects::sign::{Message, Pair, acs, oss_v1};
use serde_json::{Value as Json, json};

use crate::yard::{Yard, wait_for};

/// A key pair.
#[derive(Clone, Debug)]
pub struct Keys {
    pub id: String,
    pub secret: String,
}

/// A running server; killed when dropped.
pub struct Service {
    child: Child,
    pub api: String,
    pub oss: String,
    pub keys: Keys,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The keys of all yards of these tests: given, so that a server that is started again has the same ones.
pub fn keys() -> Keys {
    Keys { id: "AKID123".into(), secret: "SECRET456".into() }
}

impl Service {
    /// Starts a server in this yard and waits until its services listen.
    pub fn start(yard: &Yard) -> Service {
        Self::start_with(yard, &[])
    }

    /// The same with more arguments.
    pub fn start_with(yard: &Yard, arguments: &[&str]) -> Service {
        Self::start_in(yard, arguments, &[])
    }

    /// The same with more variables.
    pub fn start_in(yard: &Yard, arguments: &[&str], variables: &[(&str, &str)]) -> Service {
        let keys = keys();
        let mut command = yard.command(&["server", "--port", "0"]);
        command.args(arguments).envs(variables.iter().copied());
        command.env("BATCHYARD_ACCESS_KEY_ID", &keys.id).env("BATCHYARD_ACCESS_KEY_SECRET", &keys.secret);
        let err = std::fs::File::create(yard.path("server.err")).unwrap();
        let mut child = command.stdout(std::process::Stdio::null()).stderr(err).spawn().unwrap();
        let (mut api, mut oss) = (String::new(), String::new());
        wait_for("the services to listen", || {
            assert!(child.try_wait().unwrap().is_none(), "the server has ended: {}", yard.read("server.err"));
            let told = yard.read("server.err");
            let Some(line) = told.lines().find(|line| line.contains("BatchCompute interface on ")) else { return false };
            let mut urls = line.split(", ").map(|part| part.rsplit(' ').next().unwrap().to_owned());
            (api, oss) = (urls.next().unwrap(), urls.next().unwrap());
            true
        });
        Service { child, api, oss, keys }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until the server has died by itself.
    pub fn await_death(self) {
        self.await_death_at("its place");
    }

    /// The same at a place that has a name.
    pub fn await_death_at(mut self, place: &str) {
        wait_for(&format!("the server to die at {place}"), || self.child.try_wait().unwrap().is_some());
    }

    /// Asks the BatchCompute interface: status and body.
    pub fn ask(&self, method: &str, target: &str, body: Option<&Json>) -> (u16, Json) {
        self.ask_as(&self.keys, method, target, body.map(ToString::to_string).as_deref(), &date(0))
    }

    /// The same with other keys, any body, another date.
    pub fn ask_as(&self, keys: &Keys, method: &str, target: &str, body: Option<&str>, date: &str) -> (u16, Json) {
        self.ask_with(keys, method, target, body.unwrap_or_default().as_bytes(), date, &[])
    }

    /// The same with any bytes and more headers, or others.
    pub fn ask_with(&self, keys: &Keys, method: &str, target: &str, body: &[u8], date: &str, more: &[(&str, &str)]) -> (u16, Json) {
        self.try_ask(keys, method, target, body, date, more).unwrap()
    }

    /// The same; an error when the connection broke.
    pub fn try_ask(
        &self,
        keys: &Keys,
        method: &str,
        target: &str,
        body: &[u8],
        date: &str,
        more: &[(&str, &str)],
    ) -> Result<(u16, Json), String> {
        static NONCE: AtomicU64 = AtomicU64::new(0);
        let mut headers: Vec<(String, String)> = [
            ("accept", "application/json"),
            ("content-type", "application/json"),
            ("date", date),
            ("x-acs-access-key-id", &keys.id),
            ("x-acs-region-id", "cn-test"),
            ("x-acs-signature-nonce", &NONCE.fetch_add(1, Ordering::Relaxed).to_string()),
            ("x-acs-version", "2015-11-11"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        headers.retain(|(name, _)| !more.iter().any(|(own, _)| own == name));
        headers.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let path = target.split('?').next().unwrap();
        let message = Message { method, path, bucket: None, key: "", query: &[], headers: &headers };
        let text = acs::string_to_sign(&message, target, acs::Rendering::AsSent);
        let signed = acs::authorization(Pair { id: &keys.id, secret: &keys.secret }, &text);
        headers.push(("authorization".into(), signed));
        let (code, text, _) = try_send(&format!("{}{target}", self.api), method, &headers, body)?;
        let parsed = if text.is_empty() { Json::Null } else { serde_json::from_str(&text).map_err(|e| format!("{e}: {text}")).unwrap() };
        Ok((code, parsed))
    }

    /// Asks and expects success.
    pub fn get(&self, target: &str) -> Json {
        let (code, body) = self.ask("GET", target, None);
        assert_eq!(code, 200, "{target}: {body}");
        body
    }

    /// Creates something and returns its id.
    pub fn create(&self, target: &str, body: &Json) -> String {
        let (code, body) = self.ask("POST", target, Some(body));
        assert_eq!(code, 201, "{body}");
        body["Id"].as_str().unwrap().to_owned()
    }

    /// Waits until a job has ended, and returns its state.
    pub fn wait(&self, job: &str) -> String {
        let mut state = String::new();
        wait_for("the job to end", || {
            state = self.get(&format!("/jobs/{job}"))["State"].as_str().unwrap().to_owned();
            ["Finished", "Failed", "Stopped"].contains(&state.as_str())
        });
        state
    }

    /// Waits until a job runs.
    pub fn wait_running(&self, job: &str) {
        wait_for("the job to run", || self.get(&format!("/jobs/{job}"))["State"] == "Running");
    }

    /// The instances of the only task.
    pub fn instances(&self, job: &str, task: &str) -> Vec<Json> {
        self.get(&format!("/jobs/{job}/tasks/{task}/instances?Marker&MaxItemCount=100"))["Items"].as_array().unwrap().clone()
    }

    /// Stores an object; makes the bucket if the key is empty.
    pub fn put(&self, bucket: &str, key: &str, bytes: &[u8]) {
        let (code, text) = self.object("PUT", bucket, key, bytes);
        assert_eq!(code, 200, "{text}");
    }

    /// The text of an object.
    pub fn text(&self, bucket: &str, key: &str) -> String {
        let (code, text) = self.object("GET", bucket, key, b"");
        assert_eq!(code, 200, "{bucket}/{key}: {text}");
        text
    }

    /// A request to the object store.
    pub fn object(&self, method: &str, bucket: &str, key: &str, bytes: &[u8]) -> (u16, String) {
        self.object_as(&self.keys, method, bucket, key, bytes)
    }

    /// The same of somebody else.
    pub fn object_as(&self, keys: &Keys, method: &str, bucket: &str, key: &str, bytes: &[u8]) -> (u16, String) {
        let path = if key.is_empty() { format!("/{bucket}/") } else { format!("/{bucket}/{key}") };
        let mut headers = vec![("date".to_owned(), date(0)), ("content-type".to_owned(), "text/plain".to_owned())];
        let message = Message { method, path: &path, bucket: Some(bucket), key, query: &[], headers: &headers };
        let signed = oss_v1::authorization(&message, Pair { id: &keys.id, secret: &keys.secret });
        headers.push(("authorization".into(), signed));
        let (code, text, _) = send(&format!("{}{path}", self.oss), method, &headers, bytes);
        (code, text)
    }
}

/// A date for a header, so many seconds from now.
pub fn date(offset: i64) -> String {
    let now = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(offset);
    now.to_zoned(jiff::tz::TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// What was answered: status, body, headers.
pub type Answered = (u16, String, Vec<(String, String)>);

/// Sends a request as it is.
pub fn send(url: &str, method: &str, headers: &[(String, String)], body: &[u8]) -> Answered {
    try_send(url, method, headers, body).unwrap()
}

/// The same; an error when the connection broke.
pub fn try_send(url: &str, method: &str, headers: &[(String, String)], body: &[u8]) -> Result<Answered, String> {
    let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(60)));
    let agent = ureq::Agent::new_with_config(config.build());
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(name.as_str(), value.as_str());
    }
    let answered =
        if body.is_empty() && method != "PUT" { agent.run(request.body(()).unwrap()) } else { agent.run(request.body(body).unwrap()) };
    let mut response = answered.map_err(|error| format!("{method} {url}: {error}"))?;
    let headers = response.headers().iter().map(|(k, v)| (k.to_string(), v.to_str().unwrap_or_default().to_owned())).collect();
    let mut text = String::new();
    response.body_mut().as_reader().read_to_string(&mut text).map_err(|error| format!("{method} {url}: {error}"))?;
    Ok((response.status().as_u16(), text, headers))
}

/// A job of one task as the original's clients describe it.
pub fn job(command: &str, instances: u32, more: &Json) -> Json {
    let mut task = json!({
        "Parameters": {
            "Command": { "CommandLine": command, "PackagePath": "", "EnvVars": {}, "Docker": { "Image": "" } },
            "InputMappingConfig": { "Lock": false, "Locale": "GBK" },
            "StdoutRedirectPath": "oss://data/logs/", "StderrRedirectPath": "oss://data/logs/"
        },
        "InputMapping": {}, "OutputMapping": {}, "LogMapping": {}, "WriteSupport": true, "Mounts": { "NAS": {} },
        "Timeout": 600, "InstanceCount": instances, "MaxRetryCount": 0, "ClusterId": "",
        "AutoCluster": { "InstanceType": "ecs.sn1.medium", "ImageId": "img-ubuntu", "ECSImageId": "", "UserData": {} }
    });
    merge(&mut task, more);
    json!({
        "Name": "job", "Description": "", "Priority": 1, "Type": "DAG", "JobFailOnInstanceFail": true, "AutoRelease": false,
        "DAG": { "Tasks": { "task": task }, "Dependencies": {} }, "Notification": { "Topic": { "Name": "", "Endpoint": "", "Events": [] } }
    })
}

/// Puts values into a document, folder by folder.
pub fn merge(document: &mut Json, more: &Json) {
    match (document, more) {
        (Json::Object(into), Json::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key.clone()).or_insert(Json::Null), value);
            }
        }
        (document, more) => *document = more.clone(),
    }
}

/// How many lines of a file that tasks append to name each word, for counting runs.
pub fn times(yard: &Yard, name: &str) -> std::collections::BTreeMap<String, usize> {
    let mut times = std::collections::BTreeMap::new();
    for line in crate::yard::lines(&yard.path(name)) {
        *times.entry(line).or_default() += 1;
    }
    times
}

/// Whether this machine lets us make mount namespaces; says so when it does not.
pub fn has_namespaces() -> bool {
    let made = Command::new("unshare").args(["--mount", "--propagation", "private", "true"]).status().is_ok_and(|status| status.success());
    if !made {
        crate::containers::not_tested("mount namespaces", "run as root, or allow user namespaces");
    }
    made
}
