//! Serves a folder as an object store on this machine alone, for tests and measurements:
//!
//!     endpoint FOLDER PORT ID:SECRET[:ACCOUNT[:admin|user|viewer]]... [--no-sync] [--host NAME]
//!
//! Port 0 takes a free one. The address is printed once requests are answered.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

use std::{collections::HashMap, error::Error, path::PathBuf, sync::Arc};

use batchyard_objects::{
    Objects, Options, Sync,
    http::{self, router},
    keys::{Key, Keyring, Role},
};

struct Keys(HashMap<String, Key>);

impl Keyring for Keys {
    fn secret(&self, access_key_id: &str) -> Option<Key> {
        self.0.get(access_key_id).cloned()
    }
}

fn key(text: &str) -> Option<(String, Key)> {
    let mut parts = text.split(':');
    let (id, secret) = (parts.next()?, parts.next()?);
    let account = parts.next().unwrap_or("tester");
    let role = match parts.next() {
        None | Some("user") => Role::User,
        Some("admin") => Role::Admin,
        Some("viewer") => Role::Viewer,
        Some(_) => return None,
    };
    Some((id.to_owned(), Key { secret: secret.to_owned(), account: account.to_owned(), role }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: endpoint FOLDER PORT ID:SECRET[:ACCOUNT[:ROLE]]... [--no-sync] [--host NAME]";
    let folder = PathBuf::from(arguments.next().ok_or(usage)?);
    let port: u16 = arguments.next().ok_or(usage)?.parse()?;
    let (mut keys, mut options) = (HashMap::new(), Options::default());
    let mut endpoint = http::Options { complain: Arc::new(|text| eprintln!("{text}")), ..http::Options::default() };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--no-sync" => options.sync = Sync::Off,
            "--host" => endpoint.hosts.push(arguments.next().ok_or(usage)?),
            text => {
                let (id, key) = key(text).ok_or(usage)?;
                keys.insert(id, key);
            }
        }
    }
    let objects = Objects::open(&folder, options)?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("http://{}", listener.local_addr()?);
    let ended = async {
        let ended = tokio::signal::ctrl_c().await;
        drop(ended);
    };
    axum::serve(listener, router(objects, Arc::new(Keys(keys)), endpoint)).with_graceful_shutdown(ended).await?;
    Ok(())
}
