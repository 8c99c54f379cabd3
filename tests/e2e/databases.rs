//! The same workflow with its state in MariaDB and in PostgreSQL, killed in the middle and resumed.

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::json;
use tempfile::TempDir;

use crate::yard::{Yard, lines, wait_for};

/// A private server that ends with this value.
pub struct Server {
    process: Child,
    pub url: String,
    _folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT ends both servers at once, PostgreSQL with its children; the server may also be gone already.
        let _ = Command::new("kill").args(["-QUIT", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn newest(folder: &str, program: &str) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(folder).ok()?.flatten().map(|e| e.path().join("bin").join(program)).filter(|p| p.exists()).collect();
    found.sort();
    found.pop()
}

/// A command as the server's own user when we are root, which database servers refuse.
fn as_user(user: &str, program: &Path) -> Command {
    if rustix::process::geteuid().is_root() {
        // It becomes the program instead of starting it, so that the process we end is the server itself.
        let mut command = Command::new("setpriv");
        command.args(["--reuid", user, "--regid", user, "--clear-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn quiet(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    folder
}

pub fn postgresql() -> Option<Server> {
    let (initdb, postgres) = (newest("/usr/lib/postgresql", "initdb")?, newest("/usr/lib/postgresql", "postgres")?);
    let (folder, port) = (folder(), free_port().to_string());
    let data = folder.path().join("data");
    assert!(quiet(as_user("postgres", &initdb).arg("-D").arg(&data).args(["-A", "trust", "-U", "postgres"])));
    let mut start = as_user("postgres", &postgres);
    start.arg("-D").arg(&data).arg("-k").arg(folder.path()).args(["-p", &port, "-c", "listen_addresses=127.0.0.1"]);
    let process = start.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let server = Server { process, url: format!("postgres://postgres@127.0.0.1:{port}/batchyard"), _folder: folder };
    wait_for("PostgreSQL", || {
        quiet(Command::new("psql").args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-c", "create database batchyard"]))
    });
    Some(server)
}

pub fn mariadb() -> Option<Server> {
    let (install, serve) = (Path::new("/usr/bin/mariadb-install-db"), Path::new("/usr/sbin/mariadbd"));
    if !install.exists() || !serve.exists() {
        return None;
    }
    let (folder, port) = (folder(), free_port().to_string());
    let (data, socket) = (format!("--datadir={}", folder.path().join("data").display()), folder.path().join("socket"));
    // One that starts removes the temporary tables of all others in its folder for them.
    let own = |program: &Path| {
        let mut command = as_user("mysql", program);
        command.env("TMPDIR", folder.path());
        command
    };
    assert!(quiet(own(install).args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", &data])));
    let mut start = own(serve);
    start.args(["--no-defaults", &data, "--bind-address=127.0.0.1", "--skip-log-bin"]).arg(format!("--socket={}", socket.display()));
    start.arg(format!("--port={port}"));
    let process = start.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let server = Server { process, url: format!("mysql://yard:secret@127.0.0.1:{port}/batchyard"), _folder: folder };
    let make = "create database batchyard; create user yard@localhost identified by 'secret'; create user yard@'127.0.0.1' identified by 'secret'; \
                grant all on batchyard.* to yard@localhost; grant all on batchyard.* to yard@'127.0.0.1'";
    wait_for("MariaDB", || quiet(Command::new("mariadb").arg(format!("--socket={}", socket.display())).args(["-u", "root", "-e", make])));
    Some(server)
}

pub fn required(name: &str, package: &str, server: Option<Server>) -> Option<Server> {
    if server.is_none() {
        // Past the test harness, which shows nothing of a test that passes.
        let _ = writeln!(std::io::stderr(), "not tested: {name} (install {package})");
        let required = std::env::var("REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|one| one.trim() == name), "{name} is required and not installed (package {package})");
    }
    server
}

fn run_kill_and_resume(server: &Server) {
    let yard = Yard::new();
    yard.write(
        "w.wdl",
        "version 1.1\ntask t { input { Int i String log } command <<< sleep 0.1; echo ~{i} >> '~{log}'; echo ~{i} >>> output { Int n = read_int(stdout()) } }\n\
         workflow w { input { String log } scatter (i in range(12)) { call t { input: i = i, log = log } } output { Array[Int] ns = t.n } }",
    );
    let log = yard.path("log");
    let argument = format!("log={}", log.display());
    let database = |arguments: &[&str]| {
        let mut command = yard.command(arguments);
        command.env("BATCHYARD_DATABASE", &server.url);
        command
    };
    let mut child = database(&["run", "w.wdl", &argument, "--quiet"]).stdout(Stdio::null()).spawn().unwrap();
    wait_for("some tasks", || lines(&log).len() >= 3);
    child.kill().unwrap();
    child.wait().unwrap();
    let resumed = crate::yard::done(&mut database(&["resume", "last", "--quiet"]));
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    let document: serde_json::Value = serde_json::from_str(&resumed.out).unwrap();
    assert_eq!(document["outputs"]["w.ns"], json!((0..12).collect::<Vec<_>>()));
    assert_eq!(lines(&log).len(), 12);
    // The second run is served from the first one's records.
    let again = crate::yard::done(&mut database(&["run", "w.wdl", &argument]));
    assert!(again.err.contains("12 from cache"), "{}", again.err);
    assert!(!crate::yard::done(&mut database(&["config", "show"])).out.contains("secret"));
}

/// The same server, named as configuration files of Cromwell name it.
fn through_a_file_of_the_original(server: &Server, profile: &str) {
    let (scheme, rest) = server.url.split_once("://").unwrap();
    let (account, place) = rest.split_once('@').unwrap();
    let (user, password) = account.split_once(':').unwrap_or((account, "none"));
    let engine = if scheme == "mysql" { "mysql" } else { "postgresql" };
    let yard = Yard::new();
    yard.write(
        "c.conf",
        &format!(
            "include required(classpath(\"application\"))\ncall-caching.enabled = true\ndatabase {{\n  profile = \"slick.jdbc.{profile}$\"\n\
             db {{ driver = \"some.Driver\", url = \"jdbc:{engine}://{place}?rewriteBatchedStatements=true&useSSL=false\"\n\
             user = \"{user}\", password = \"{password}\", connectionTimeout = 5000, numThreads = 20 }}\n}}\n"
        ),
    );
    yard.write(
        "w.wdl",
        "version 1.0\nworkflow w { call t } task t { command <<< echo from a file >>> output { String s = read_string(stdout()) } }",
    );
    let run = || yard.call(&["run", "w.wdl", "--config", "c.conf"]);
    let first = run();
    assert_eq!(first.code, 0, "{}", first.err);
    assert!(first.err.contains("`database.db.connectionTimeout`, `database.db.numThreads`"), "{}", first.err);
    assert!(run().err.contains("1 from cache") && !yard.path("home/batchyard.db").exists());
    let shown = yard.call(&["config", "show", "--config", "c.conf"]);
    assert!(shown.out.contains(&format!("{scheme}://{user}:***@127.0.0.1")) && !shown.out.contains("secret"), "{}", shown.out);
}

#[test]
fn state_in_mariadb() {
    if let Some(server) = required("mariadb", "mariadb-server", mariadb()) {
        run_kill_and_resume(&server);
        through_a_file_of_the_original(&server, "MySQLProfile");
    }
}

#[test]
fn state_in_postgresql() {
    if let Some(server) = required("postgresql", "postgresql", postgresql()) {
        run_kill_and_resume(&server);
        through_a_file_of_the_original(&server, "PostgresProfile");
    }
}
