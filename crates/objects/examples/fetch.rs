//! Measures how an object comes from an endpoint of this process through the client of others' stores, against a copy of the same
//! file that is brought to the disk, in one run:
//!
//!     fetch FOLDER MEBIBYTES ROUNDS
//!
//! Each round does both; the ratios of all rounds are printed, the smallest first.

#![expect(clippy::print_stdout, reason = "a program")]

use std::{
    error::Error,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use batchyard_objects::{
    Objects, Options, Put,
    http::{self, router},
    keys::{Key, Keyring, Role},
    remote::{Credentials, Secret, Service, StoreSettings, Stores},
};

struct OneKey;

impl Keyring for OneKey {
    fn secret(&self, _: &str) -> Option<Key> {
        Some(Key { secret: "secret".into(), account: "me".into(), role: Role::Admin })
    }
}

fn seconds(work: impl FnOnce() -> Result<(), Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let begin = Instant::now();
    work()?;
    Ok(begin.elapsed().as_secs_f64())
}

/// As the client does it: what is there is on the disk.
fn copy(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    let mut file = File::create(to)?;
    io::copy(&mut File::open(from)?, &mut file)?;
    Ok(file.sync_data()?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: fetch FOLDER MEBIBYTES ROUNDS";
    let mut argument = || arguments.next().ok_or(usage);
    let (folder, size, rounds) = (PathBuf::from(argument()?), argument()?.parse::<u32>()?, argument()?.parse::<u32>()?);
    fs::create_dir_all(&folder)?;
    let source = folder.join("source");
    let mut file = File::create(&source)?;
    let mut state = 1u64;
    for _ in 0..size {
        let next = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u32
        };
        let block: Vec<u8> = (0..1 << 18).map(next).flat_map(u32::to_le_bytes).collect();
        file.write_all(&block)?;
    }
    file.sync_data()?;
    let objects = Objects::open(&folder.join("store"), Options::default())?;
    objects.create_bucket("data", "me", None)?;
    objects.put_file("data", "source", &source, Put::default())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let routes = router(objects, Arc::new(OneKey), http::Options::default());
    runtime.spawn(async move { axum::serve(listener, routes).await });
    let base = StoreSettings::base("oss://data")?;
    let credentials = Some(Credentials { id: "id".into(), secret: Secret::new("secret"), token: None });
    let place = Service { endpoint: Some(endpoint), credentials, ..Service::default() }.complete(&base)?;
    let stores = Stores::new(vec![StoreSettings { base, place: Ok(place), read_only: false, accounts: None }])?;
    let (copied, fetched) = (folder.join("copied"), folder.join("fetched"));
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        let floor = seconds(|| copy(&source, &copied))?;
        let got = seconds(|| Ok(stores.get_file("oss://data/source", &fetched).map(drop)?))?;
        let put = seconds(|| Ok(stores.put_file(&source, "oss://data/back", None).map(drop)?))?;
        println!("copy {floor:.2} s, get {got:.2} s ({:.2}), put {put:.2} s ({:.2})", got / floor, put / floor);
        ratios.push(got / floor);
        for file in [&copied, &fetched] {
            fs::remove_file(file)?;
        }
    }
    ratios.sort_by(f64::total_cmp);
    println!("get / copy: {ratios:.2?}");
    Ok(())
}
