//! Private database servers for tests.
#![expect(clippy::disallowed_methods, reason = "tests start the servers they need")]

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use batchyard_store::Location;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};

const START: Duration = Duration::from_secs(60);

/// A server of our own; it ends with this value.
pub struct Server {
    process: Child,
    folder: tempfile::TempDir,
    mysql: bool,
    databases: AtomicU32,
}

/// The server, or the note that it is missing, or the failure that it is missing though required.
pub fn required(name: &str, package: &str, server: Option<Server>) -> Option<Server> {
    if server.is_none() {
        // Past the test harness, which shows nothing of a test that passes.
        let _ = writeln!(std::io::stderr(), "not tested: {name} (install {package})");
        let required = std::env::var("REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|one| one.trim() == name), "{name} is required and not installed (package {package})");
    }
    server
}

pub fn mariadb() -> Option<Server> {
    let install = program("mariadb-install-db", &["/usr/bin"])?;
    let serve = program("mariadbd", &["/usr/sbin"])?;
    let (folder, user) = (folder_for("mysql"), "mysql");
    let data = folder.path().join("data");
    let datadir = format!("--datadir={}", data.display());
    // One that starts removes the temporary tables of all others in its folder for them.
    let mut install = as_user(user, &install);
    install.env("TMPDIR", folder.path());
    finished(install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", &datadir]));
    let process = as_user(user, &serve)
        .args(["--no-defaults", &datadir, "--skip-networking", "--skip-log-bin", "--innodb-buffer-pool-size=32M"])
        .args([format!("--socket={}", folder.path().join("socket").display()), format!("--tmpdir={}", folder.path().display())])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Some(Server { process, folder, mysql: true, databases: AtomicU32::new(0) }.ready())
}

pub fn postgresql() -> Option<Server> {
    let mut versions: Vec<PathBuf> =
        std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|version| version.path().join("bin")).collect();
    versions.sort();
    let newest = versions.last().map(|path| path.display().to_string()).unwrap_or_default();
    let install = program("initdb", &[&newest])?;
    let serve = program("postgres", &[&newest])?;
    let (folder, user) = (folder_for("postgres"), "postgres");
    let data = folder.path().join("data").display().to_string();
    let locale = ["--no-sync", "--encoding=UTF8", "--locale=C"];
    finished(as_user(user, &install).args(["-D", &data, "-U", "postgres", "--auth=trust"]).args(locale));
    let process = as_user(user, &serve)
        .args(["-D", &data, "-c", "listen_addresses=", "-c", "fsync=off", "-k"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Some(Server { process, folder, mysql: false, databases: AtomicU32::new(0) }.ready())
}

impl Server {
    /// A new empty database.
    pub fn fresh(&self) -> Location {
        let name = format!("yard{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.admin(&format!("CREATE DATABASE {name}")).unwrap();
        Location::Url(self.url(&name))
    }

    /// Cuts every connection but the one that does it.
    pub fn cut_connections(&self) {
        if self.mysql {
            // One that ended by itself meanwhile is no error.
            self.admin(
                "BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR 1094 BEGIN END; FOR one IN (SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user = 'root') \
                 DO EXECUTE IMMEDIATE CONCAT('KILL ', one.id); END FOR; END",
            )
        } else {
            self.admin(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
            )
        }
        .unwrap();
    }

    fn admin(&self, statement: &str) -> Result<(), sqlx::Error> {
        carry_out(&self.url(if self.mysql { "mysql" } else { "postgres" }), statement)
    }

    fn url(&self, database: &str) -> String {
        let folder = self.folder.path().display();
        if self.mysql {
            format!("mysql://root@localhost/{database}?socket={folder}/socket")
        } else {
            format!("postgres://postgres@localhost/{database}?host={folder}")
        }
    }

    fn ready(mut self) -> Server {
        let begun = Instant::now();
        while let Err(error) = self.admin("SELECT 1") {
            assert!(self.process.try_wait().unwrap().is_none(), "the server ended: {error}");
            assert!(begun.elapsed() < START, "the server does not answer: {error}");
            std::thread::sleep(Duration::from_millis(100));
        }
        self
    }
}

/// Carries out a statement in a database.
pub fn execute(url: &str, statement: &str) {
    carry_out(url, statement).unwrap();
}

fn carry_out(url: &str, statement: &str) -> Result<(), sqlx::Error> {
    sqlx::any::install_default_drivers();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut db = AnyConnection::connect(url).await?;
        db.execute(AssertSqlSafe(statement)).await?;
        db.close().await
    })
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A folder the server's user can write to.
fn folder_for(user: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    if is_root() {
        let [uid, gid] = ["-u", "-g"].map(|flag| {
            let output = Command::new("id").args([flag, user]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().parse::<u32>().unwrap()
        });
        chown(folder.path(), Some(uid), Some(gid)).unwrap();
    }
    folder
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Servers refuse to run as root, so root becomes their user; they end when the test does.
fn as_user(user: &str, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if is_root() {
        command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
    }
    command.arg("--").arg(program).current_dir("/").env_remove("HOME");
    command
}

fn finished(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn program(name: &str, folders: &[&str]) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    folders.iter().copied().chain(path.split(':')).map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}
