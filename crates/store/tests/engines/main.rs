//! One suite, run on every engine that is found: SQLite always, MariaDB and PostgreSQL from their Debian program
//! files, each started privately in a temporary folder. A missing one is named; `REQUIRE=mariadb,postgresql` makes
//! that a failure.
#![cfg(test)]

mod cases;
mod faults;
mod jobs;
mod long;
mod notices;
mod rows;
mod servers;

use batchyard_store::Location;

/// Makes a place for a new, empty state.
type Fresh<'s> = &'s dyn Fn() -> Location;

fn run_cases(engine: &str, fresh: Fresh<'_>) {
    for (name, case) in cases::CASES {
        println!("{engine}: {name}");
        case(fresh);
    }
}

#[test]
fn sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let count = std::cell::Cell::new(0);
    run_cases("sqlite", &|| {
        count.set(count.get() + 1);
        Location::Sqlite(folder.path().join(format!("new folder {}", count.get())).join("state.db"))
    });
}

#[test]
fn mariadb() {
    if let Some(server) = servers::required("mariadb", "mariadb-server", servers::mariadb()) {
        run_cases("mariadb", &|| server.fresh());
        faults::lost_connections(&server);
        faults::stopped_server(server);
    }
}

#[test]
fn postgresql() {
    if let Some(server) = servers::required("postgresql", "postgresql", servers::postgresql()) {
        run_cases("postgresql", &|| server.fresh());
        faults::lost_connections(&server);
        faults::stopped_server(server);
    }
}
