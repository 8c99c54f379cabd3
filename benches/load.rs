//! Load for a server: `load HOST:PORT FILE N CLIENTS` submits the document FILE N times from CLIENTS connections at once,
//! each with another input, and waits until nothing waits or runs any more.
//!
//! Prints, in milliseconds: until the last was accepted, until the last had ended, median and 99th percentile of an answer.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is the result")]

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const BOUNDARY: &str = "load-form-boundary";
/// A client that asks all the time takes the cores from what it measures.
const PAUSE: Duration = Duration::from_millis(10);

/// One connection that is used again and again.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn new(host: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        Ok(Client { stream: BufReader::new(stream) })
    }

    /// Sends a request and returns the body of the answer.
    fn ask(&mut self, head: &str, body: &[u8]) -> io::Result<String> {
        let mut request = format!("{head}\r\nHost: load\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        request.extend(body);
        self.stream.get_mut().write_all(&request)?;
        let (mut length, mut chunked) = (0, false);
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap_or(0);
            }
            chunked |= line == "transfer-encoding: chunked";
        }
        if chunked { self.chunks() } else { self.exactly(length) }
    }

    fn exactly(&mut self, length: usize) -> io::Result<String> {
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    fn chunks(&mut self) -> io::Result<String> {
        let mut body = String::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let length = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
            body += &self.exactly(length)?;
            self.exactly(2)?;
            if length == 0 {
                return Ok(body);
            }
        }
    }
}

fn form(document: &str, number: usize) -> Vec<u8> {
    let inputs = format!("{{\"one.x\": \"{}-{number}\"}}", std::process::id());
    let mut body = String::new();
    for (name, content) in [("workflowSource", document), ("workflowInputs", &inputs)] {
        body += &format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n");
    }
    body += &format!("--{BOUNDARY}--\r\n");
    body.into_bytes()
}

fn submit(host: &str, document: &str, next: &AtomicUsize, count: usize, times: &Mutex<Vec<f64>>) -> io::Result<()> {
    let mut client = Client::new(host)?;
    let head = format!("POST /api/workflows/v1 HTTP/1.1\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}");
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return Ok(());
        }
        let begun = Instant::now();
        let answer = client.ask(&head, &form(document, number))?;
        if !answer.contains("Submitted") {
            return Err(io::Error::other(answer));
        }
        times.lock().map_err(|_| io::Error::other("a client has failed"))?.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
}

fn load(host: &str, file: &str, count: usize, clients: usize) -> io::Result<()> {
    let document = fs::read_to_string(file)?;
    let (next, times) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let begun = Instant::now();
    let outcomes: Vec<io::Result<()>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(|| submit(host, &document, &next, count, &times))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("a client has failed")))).collect()
    });
    outcomes.into_iter().collect::<io::Result<()>>()?;
    let accepted = begun.elapsed();
    let mut client = Client::new(host)?;
    let path = "GET /api/workflows/v1/query?status=Submitted&status=Running&pageSize=1 HTTP/1.1";
    while !client.ask(path, b"")?.contains("\"totalResultsCount\":0") {
        thread::sleep(PAUSE);
    }
    let ended = begun.elapsed();
    let mut times = times.into_inner().map_err(|_| io::Error::other("a client has failed"))?;
    times.sort_by(f64::total_cmp);
    let part = |share: f64| times.get(((times.len() as f64 - 1.0) * share).ceil() as usize).copied().unwrap_or(0.0);
    println!("{:.1} {:.1} {:.2} {:.2}", accepted.as_secs_f64() * 1000.0, ended.as_secs_f64() * 1000.0, part(0.5), part(0.99));
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [host, file, count, clients] = words.as_slice() else {
        eprintln!("usage: load HOST:PORT FILE N CLIENTS");
        return ExitCode::from(2);
    };
    let (Ok(count), Ok(clients)) = (count.parse(), clients.parse()) else {
        eprintln!("load: N and CLIENTS are numbers");
        return ExitCode::from(2);
    };
    match load(host, file, count, clients) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}
