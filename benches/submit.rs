//! Signed load for the BatchCompute service: `submit HOST:PORT KEY SECRET N CLIENTS` creates N jobs of one instance from CLIENTS
//! connections at once, with our own client, so that what is measured is the server and not an interpreter.
//!
//! Prints, in milliseconds: median and 99th percentile of an answer.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is the result")]

use std::{
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use batchyard_bcs::api::{Account, Service};
use serde_json::json;

fn submit(account: &Account, next: &AtomicUsize, count: usize, times: &Mutex<Vec<f64>>) -> Result<(), String> {
    let service = Service::new(account.clone());
    let task = json!({
        "Parameters": { "Command": { "CommandLine": "true" } }, "InstanceCount": 1, "AutoCluster": { "InstanceType": "ecs.n4.small" }
    });
    let job = json!({
        "Name": "bench", "Priority": 1, "Type": "DAG", "JobFailOnInstanceFail": true, "DAG": { "Tasks": { "task": task } }
    });
    while next.fetch_add(1, Ordering::Relaxed) < count {
        let begun = Instant::now();
        service.post(&["jobs"], Some(&job)).map_err(|error| error.to_string())?;
        times.lock().map_err(|error| error.to_string())?.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(())
}

fn load(account: &Account, count: usize, clients: usize) -> Result<(), String> {
    let (next, times) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(|| submit(account, &next, count, &times))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err("a client has failed".into())))
    })?;
    let mut times = times.into_inner().map_err(|error| error.to_string())?;
    times.sort_by(f64::total_cmp);
    let part = |share: f64| times.get(((times.len() as f64 - 1.0) * share).ceil() as usize).copied().unwrap_or(0.0);
    println!("{:.2} {:.2}", part(0.5), part(0.99));
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [host, id, secret, count, clients] = words.as_slice() else {
        eprintln!("usage: submit HOST:PORT KEY SECRET N CLIENTS");
        return ExitCode::from(2);
    };
    let (Ok(count), Ok(clients)) = (count.parse(), clients.parse()) else {
        eprintln!("submit: N and CLIENTS are numbers");
        return ExitCode::from(2);
    };
    let account = Account {
        base: format!("http://{host}"),
        region: "local".into(),
        id: id.clone(),
        secret: secret.clone(),
        version: None,
        insecure: false,
    };
    match load(&account, count, clients) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("submit: {error}");
            ExitCode::FAILURE
        }
    }
}
