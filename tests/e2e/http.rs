//! A server of its own, and requests to it as its clients make them.

use std::{
    io::Read,
    path::PathBuf,
    process::{Child, Command},
    time::Duration,
};

use serde_json::{Value as Json, json};

use crate::yard::{Yard, wait_for};

/// A running server; killed when dropped.
pub struct Server {
    pub child: Child,
    pub base: String,
    /// What it tells people.
    log: PathBuf,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub text: String,
    pub headers: Vec<(String, String)>,
}

impl Answer {
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.text).map_err(|error| format!("{error}: {}", self.text)).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl Server {
    /// Starts a server in this yard and waits until it listens.
    pub fn start(yard: &Yard, arguments: &[&str]) -> Server {
        let mut all = vec!["server", "--port", "0"];
        all.extend(arguments);
        Self::start_as(yard, &all)
    }

    /// Starts a server by this command, whatever says its port.
    pub fn start_as(yard: &Yard, arguments: &[&str]) -> Server {
        Self::of(yard.start(arguments), yard.path("background.err"))
    }

    /// A server that was just started, with what it tells people in this file.
    pub fn of(mut child: Child, log: PathBuf) -> Server {
        let mut base = String::new();
        wait_for("the server to listen", || {
            let told = std::fs::read_to_string(&log).unwrap_or_default();
            assert!(child.try_wait().unwrap().is_none(), "the server has ended: {told}");
            base = told
                .lines()
                .find_map(|line| line.split_once("batchyard server listens on "))
                .map(|(_, url)| url.to_owned())
                .unwrap_or_default();
            !base.is_empty()
        });
        Server { child, base, log }
    }

    /// `kill -9`
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; waits for the end and expects success.
    pub fn terminate(mut self) {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }

    pub fn send(&self, method: &str, path: &str, kind: Option<&str>, body: &[u8]) -> Answer {
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(60)));
        let agent = ureq::Agent::new_with_config(config.build());
        let url = format!("{}{path}", self.base);
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        if let Some(kind) = kind {
            request = request.header("Content-Type", kind);
        }
        let answered =
            if body.is_empty() && kind.is_none() { agent.run(request.body(()).unwrap()) } else { agent.run(request.body(body).unwrap()) };
        let told = || std::fs::read_to_string(&self.log).unwrap_or_default();
        let mut response = answered.map_err(|error| format!("{method} {}{path}: {error}; the server said: {}", self.base, told())).unwrap();
        let headers = response.headers().iter().map(|(k, v)| (k.to_string(), v.to_str().unwrap_or_default().to_owned())).collect();
        let mut text = String::new();
        response.body_mut().as_reader().read_to_string(&mut text).unwrap();
        Answer { code: response.status().as_u16(), text, headers }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None, b"")
    }

    pub fn post(&self, path: &str) -> Answer {
        self.send("POST", path, None, b"")
    }

    pub fn form(&self, path: &str, parts: &[(&str, &[u8])]) -> Answer {
        let (kind, body) = multipart(parts);
        self.send("POST", path, Some(&kind), &body)
    }

    /// Submits a workflow and returns its id.
    pub fn submit(&self, wdl: &str, inputs: &Json, more: &[(&str, &[u8])]) -> String {
        let inputs = inputs.to_string();
        let mut parts: Vec<(&str, &[u8])> = vec![("workflowSource", wdl.as_bytes()), ("workflowInputs", inputs.as_bytes())];
        parts.extend(more);
        let answer = self.form("/api/workflows/v1", &parts);
        assert_eq!(answer.code, 201, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    pub fn about(&self, id: &str, what: &str) -> Json {
        self.get(&format!("/api/workflows/v1/{id}/{what}")).json()
    }

    pub fn status(&self, id: &str) -> String {
        self.about(id, "status")["status"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a run has ended; returns its state.
    pub fn wait(&self, id: &str) -> String {
        let mut state = String::new();
        wait_for("a workflow to end", || {
            state = self.status(id);
            ["Succeeded", "Failed", "Aborted"].contains(&state.as_str())
        });
        state
    }

    /// Submits a workflow and waits for its success; returns its id.
    pub fn run(&self, wdl: &str, inputs: &Json, more: &[(&str, &[u8])]) -> String {
        let id = self.submit(wdl, inputs, more);
        assert_eq!(self.wait(&id), "Succeeded", "{}", self.about(&id, "metadata"));
        id
    }

    pub fn query(&self, text: &str) -> Json {
        let answer = self.get(&format!("/api/workflows/v1/query?{text}"));
        assert_eq!(answer.code, 200, "{}", answer.text);
        answer.json()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Content type and body of a form.
pub fn multipart(parts: &[(&str, &[u8])]) -> (String, Vec<u8>) {
    let boundary = "----batchyard-test-boundary";
    let mut body = Vec::new();
    for (name, content) in parts {
        body.extend(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").bytes());
        body.extend(*content);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{boundary}--\r\n").bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

/// What a problem looks like.
pub fn problem(status: &str, message: &str) -> Json {
    json!({ "status": status, "message": message })
}

/// A zip archive of these texts.
pub fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    use std::io::Write;
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in entries {
        let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        writer.start_file(*name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
