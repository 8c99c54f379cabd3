//! A real Slurm and a real Grid Engine, each private and on this machine alone, driven through the documented stanzas.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;
use tempfile::TempDir;

use crate::{
    cluster::SGE,
    containers::not_tested,
    environments,
    providers::SLURM,
    published,
    service::has_namespaces,
    yard::{Done, Yard, done, lines, wait_for},
};

/// The documented stanza for a real Grid Engine, which needs a moment longer than a fake one.
fn grid_engine() -> String {
    "default_provider = \"SGE\"\n".to_owned() + &SGE.replace("exit-code-timeout-seconds = 1", "exit-code-timeout-seconds = 2")
}

/// The documented stanza for Slurm, with what this machine can give.
fn slurm() -> String {
    let stanza = SLURM.replace("Int cpus = 2", "Int cpus = 1").replace("_per_core = 8000", "_per_core = 100");
    let more = "name = \"SLURM\"\nexit-code-timeout-seconds = 2\nscript-epilogue = \":\"";
    "default_provider = \"SLURM\"\n".to_owned() + &stanza.replace("name = \"SLURM\"", more)
}

/// A scheduler that ends with this value.
struct Engine {
    folder: TempDir,
    daemons: Vec<Child>,
    /// What its commands need.
    env: Vec<(String, String)>,
}

impl Drop for Engine {
    fn drop(&mut self) {
        for daemon in &mut self.daemons {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// This machine's name, if it can be looked up: schedulers do so all the time.
fn host() -> Result<String, String> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let found = Command::new("getent").args(["hosts", &name]).output().map_err(|e| e.to_string())?;
    if found.status.success() { Ok(name) } else { Err(format!("the name of this machine, `{name}`, has no address")) }
}

fn program(folders: &[&str], name: &str) -> Result<PathBuf, String> {
    let found = folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists());
    found.ok_or_else(|| format!("`{name}` is not installed"))
}

impl Engine {
    fn new(env: &[(&str, &str)]) -> Self {
        let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Engine { folder: tempfile::tempdir().unwrap(), daemons: Vec::new(), env }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.envs(self.env.iter().map(|(k, v)| (k, v))).stdin(Stdio::null());
        command
    }

    /// Starts a daemon with few descriptors: some close every one that there may be.
    fn daemon(&mut self, program: &Path, arguments: &[&str]) {
        let log = fs::File::create(self.path(&format!("{}.out", program.file_name().unwrap().display()))).unwrap();
        let mut command = self.command("bash");
        command.args(["-c", "ulimit -n 1024; exec \"$@\"", "daemon"]).arg(program).args(arguments);
        self.daemons.push(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
    }

    fn tell(&self, program: &Path, arguments: &[&str]) -> Result<String, String> {
        let output = self.command(program).args(arguments).output().map_err(|e| e.to_string())?;
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.success() { Ok(text) } else { Err(format!("`{} {}`: {text}", program.display(), arguments.join(" "))) }
    }

    fn until(&self, program: &Path, arguments: &[&str], good: impl Fn(&str) -> bool) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let said = self.tell(program, arguments);
            match said {
                Ok(text) if good(&text) => return Ok(()),
                said if Instant::now() > deadline => return Err(format!("it does not get ready: {said:?}")),
                _ => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    fn slurm() -> Result<Self, String> {
        let folders = ["/usr/sbin", "/usr/bin", "/usr/local/sbin"];
        let [munged, controller, node] = [program(&folders, "munged")?, program(&folders, "slurmctld")?, program(&folders, "slurmd")?];
        if !rustix::process::geteuid().is_root() {
            return Err("its daemons need root".into());
        }
        let host = host()?;
        let mut engine = Engine::new(&[]);
        let dir = engine.folder.path().display().to_string();
        engine.env.push(("SLURM_CONF".into(), format!("{dir}/slurm.conf")));
        fs::write(engine.path("key"), (0..=255u8).cycle().take(1024).collect::<Vec<_>>()).unwrap();
        for (path, mode) in [("key", 0o400), ("", 0o711)] {
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
            fs::set_permissions(engine.path(path), permissions).unwrap();
        }
        let [controller_port, node_port] = [free_port(), free_port()];
        let configuration = format!(
            "ClusterName=t\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={controller_port}\nSlurmdPort={node_port}\nSlurmUser=root\nSlurmdUser=root\n\
             StateSaveLocation={dir}/state\nSlurmdSpoolDir={dir}/spool\nSlurmctldPidFile={dir}/ctld.pid\nSlurmdPidFile={dir}/slurmd.pid\n\
             SlurmctldLogFile={dir}/ctld.log\nSlurmdLogFile={dir}/slurmd.log\nAuthType=auth/munge\nCredType=cred/munge\nAuthInfo=socket={dir}/munge.sock\n\
             SlurmdParameters=config_overrides\nReturnToService=2\nProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nMpiDefault=none\n\
             SelectType=select/cons_tres\nSelectTypeParameters=CR_Core\nSchedulerParameters=sched_min_interval=0,batch_sched_delay=0\n\
             JobAcctGatherType=jobacct_gather/none\nMinJobAge=2\nKillWait=1\n\
             NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=4000 State=UNKNOWN\nPartitionName=short Nodes={host} Default=YES MaxTime=INFINITE State=UP\n"
        );
        fs::write(engine.path("slurm.conf"), configuration).unwrap();
        // Without this its node looks for control groups that a container may not have.
        fs::write(engine.path("cgroup.conf"), "CgroupPlugin=cgroup/v1\n").unwrap();
        for folder in ["state", "spool"] {
            fs::create_dir(engine.path(folder)).unwrap();
        }
        let files = ["key-file=key", "socket=munge.sock", "pid-file=munged.pid", "log-file=munged.log", "seed-file=seed"];
        let options: Vec<String> =
            files.iter().filter_map(|f| f.split_once('=')).map(|(option, file)| format!("--{option}={dir}/{file}")).collect();
        let mut options: Vec<&str> = options.iter().map(String::as_str).collect();
        options.extend(["--foreground", "--num-threads=2"]);
        engine.daemon(&munged, &options);
        let socket = engine.path("munge.sock");
        wait_for("munge", || socket.exists());
        engine.daemon(&controller, &["-D"]);
        engine.daemon(&node, &["-D"]);
        engine.until(&program(&folders, "sinfo")?, &["-h"], |text| text.contains("idle"))?;
        Ok(engine)
    }

    fn grid_engine() -> Result<Self, String> {
        let folder = "/usr/lib/gridengine";
        let tool = |name: &str| program(&[folder], name);
        let [master, node, ask] = [tool("sge_qmaster")?, tool("sge_execd")?, tool("qconf")?];
        let host = host()?;
        let mut engine = Engine::new(&[("SGE_CELL", "default"), ("SGE_ARCH", "lx-amd64"), ("SGE_ND", "1")]);
        let dir = engine.folder.path().display().to_string();
        for (name, value) in [
            ("SGE_ROOT", format!("{dir}/root")),
            ("SGE_QMASTER_PORT", free_port().to_string()),
            ("SGE_EXECD_PORT", free_port().to_string()),
            ("PATH", format!("{folder}:{}", std::env::var("PATH").unwrap())),
        ] {
            engine.env.push((name.into(), value));
        }
        for folder in ["root/default/common", "spool/qmaster", "spool/db", "spool/execd"] {
            fs::create_dir_all(engine.path(folder)).unwrap();
        }
        for part in ["bin", "lib", "util", "utilbin"] {
            std::os::unix::fs::symlink(format!("/var/lib/gridengine/{part}"), engine.path("root").join(part)).unwrap();
        }
        let cell = engine.path("root/default/common");
        let bootstrap = format!(
            "admin_user none\ndefault_domain none\nignore_fqdn false\nspooling_method berkeleydb\nspooling_lib libspoolb\nspooling_params {dir}/spool/db\n\
             binary_path {folder}\nqmaster_spool_dir {dir}/spool/qmaster\nsecurity_mode none\nlistener_threads 2\nworker_threads 2\nscheduler_threads 1\n"
        );
        fs::write(cell.join("bootstrap"), bootstrap).unwrap();
        fs::write(cell.join("act_qmaster"), format!("{host}\n")).unwrap();
        fs::write(cell.join("host_aliases"), format!("{host} localhost\n")).unwrap();
        let shared = "/usr/share/gridengine";
        let global = fs::read_to_string(format!("{shared}/default-configuration")).map_err(|e| e.to_string())?;
        let spool = format!("{dir}/spool/execd");
        let changes = [
            ("execd_spool_dir", spool.as_str()),
            ("min_uid", "0"),
            ("min_gid", "0"),
            ("gid_range", "20000-20999"),
            ("mailer", "/bin/true"),
            ("load_report_time", "00:00:01"),
            ("finished_jobs", "0"),
            ("execd_params", "ENABLE_ADDGRP_KILL=TRUE"),
        ];
        fs::write(engine.path("global"), changed(&global, &changes)).unwrap();
        engine.tell(&tool("spoolinit")?, &["berkeleydb", "libspoolb", &format!("{dir}/spool/db"), "init"])?;
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        for arguments in [
            ["configuration", &format!("{dir}/global")],
            ["complexes", &format!("{shared}/util/resources/centry")],
            ["usersets", &format!("{shared}/util/resources/usersets")],
            ["managers", user.trim()],
        ] {
            engine.tell(&tool("spooldefaults")?, &arguments)?;
        }
        engine.daemon(&master, &[]);
        engine.until(&ask, &["-sh"], |_| true)?;
        let configure = |name: &str, option: &str, text: &str| {
            let file = engine.path(name);
            fs::write(&file, text).unwrap();
            engine.tell(&ask, &[option, &file.display().to_string()]).map(drop)
        };
        let quick =
            [("flush_submit_sec", "1"), ("flush_finish_sec", "1"), ("schedule_interval", "0:0:1"), ("job_load_adjustments", "NONE")];
        configure("scheduler", "-Msconf", &changed(&engine.tell(&ask, &["-ssconf"])?, &quick))?;
        configure(
            "pe",
            "-Ap",
            "pe_name smp\nslots 999\nuser_lists NONE\nxuser_lists NONE\nstart_proc_args NONE\nstop_proc_args NONE\nallocation_rule $pe_slots\n\
             control_slaves FALSE\njob_is_first_task TRUE\nurgency_slots min\naccounting_summary FALSE\nqsort_args NONE\n",
        )?;
        // It may be known as an administrative host already.
        let _ = engine.tell(&ask, &["-ah", &host]);
        engine.tell(&ask, &["-as", &host])?;
        configure("hosts", "-Ahgrp", &format!("group_name @allhosts\nhostlist {host}\n"))?;
        let queue = [
            ("qname", "all.q"),
            ("hostlist", "@allhosts"),
            ("slots", "4"),
            ("load_thresholds", "NONE"),
            ("shell_start_mode", "unix_behavior"),
            ("pe_list", "smp"),
        ];
        configure("queue", "-Aq", &changed(&engine.tell(&ask, &["-sq"])?, &queue))?;
        engine.daemon(&node, &[]);
        engine.until(&tool("qhost")?, &[], |text| text.lines().any(|line| line.starts_with(&host) && line.contains("lx-")))?;
        Ok(engine)
    }
}

/// A configuration with other values for some keys, which stand at the beginning of lines.
fn changed(text: &str, changes: &[(&str, &str)]) -> String {
    let line = |line: &str| {
        let key = line.split_whitespace().next().unwrap_or_default();
        changes.iter().find(|(name, _)| *name == key).map_or_else(|| line.to_owned(), |(name, value)| format!("{name} {value}"))
    };
    text.lines().map(|l| line(l) + "\n").collect()
}

const LEDGER: &str = "version 1.1\n\
    task t { input { Int i String ledger String act = \"true\" } command <<< echo ~{i} >> '~{ledger}'; ~{act}; echo $((~{i} * ~{i})) >>>\n\
      output { Int square = read_int(stdout()) } runtime { cpu: 1 } }\n\
    workflow w { input { Int n String ledger String act = \"true\" } scatter (i in range(n)) { call t { input: i = i, ledger = ledger, act = act } } output { Array[Int] squares = t.square } }";

/// Runs, kills, resumes and aborts a run with the engine's stanza; `lose` ends a job so that it leaves no status.
fn drive(engine: &Engine, stanza: &str, lose: &dyn Fn(&str)) {
    let yard = Yard::new();
    yard.write("config/batchyard/config.toml", stanza);
    yard.write("w.wdl", LEDGER);
    let command = |arguments: &[&str]| {
        let mut command = yard.command(arguments);
        command.envs(engine.env.iter().map(|(k, v)| (k, v)));
        command
    };
    let call = |arguments: &[&str]| -> Done { done(&mut command(arguments)) };
    let start = |arguments: &[&str]| command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let ledger_of = |name: &str| (format!("ledger={}", yard.path(name).display()), yard.path(name));
    let started = |ledger: &Path| lines(ledger).len();

    let (input, ledger) = ledger_of("all");
    let all = call(&["run", "w.wdl", "n=12", &input]);
    assert_eq!(all.code, 0, "{}", all.err);
    let outputs: serde_json::Value = serde_json::from_str(&all.out).unwrap();
    assert_eq!(outputs["outputs"]["w.squares"], json!((0..12).map(|i| i * i).collect::<Vec<_>>()));
    assert_eq!(started(&ledger), 12);

    let (input, ledger) = ledger_of("killed");
    let mut run = start(&["run", "w.wdl", "n=6", &input, "act=sleep 2"]);
    wait_for("the first jobs", || started(&ledger) >= 2);
    run.kill().unwrap();
    run.wait().unwrap();
    let resumed = call(&["resume", "last"]);
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    let mut seen = lines(&ledger);
    seen.sort();
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5"], "every task ran once");

    let (input, ledger) = ledger_of("aborted");
    let mut run = start(&["run", "w.wdl", "-d", "aborted-run", "n=3", &input, "act=sleep 300"]);
    wait_for("the jobs", || started(&ledger) == 3);
    let abort = call(&["abort", "last"]);
    assert_eq!((abort.code, run.wait().unwrap().code()), (0, Some(130)), "{}", abort.err);
    let sleeping = || {
        let text = yard.path("aborted-run").display().to_string();
        fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter(|p| fs::read_to_string(p.path().join("cmdline")).is_ok_and(|c| c.contains(&text)))
            .count()
    };
    wait_for("the end of the jobs", || sleeping() == 0);

    let (input, ledger) = ledger_of("lost");
    // The engine kills process after process: the shell that survives the command for a moment must not go on with it.
    let mut run = start(&["run", "w.wdl", "-d", "lost-run", "n=1", &input, "act=exec sleep 300"]);
    wait_for("the job", || started(&ledger) == 1 && yard.path("lost-run/call-t/shard-0/execution/job_id").exists());
    lose(yard.read("lost-run/call-t/shard-0/execution/job_id").trim());
    assert_eq!(run.wait().unwrap().code(), Some(1));
    let call = &yard.show("last")["calls"][0];
    assert_eq!(call["state"], "Failed", "{call}");
    assert!([79, 137].map(|code| json!(code)).contains(&call["exit_code"]), "{call}");

    yard.write(
        "bad.wdl",
        "version 1.0\ntask t { command { true } runtime { queue: \"no-such\" sge_queue: \"no-such\" } }\nworkflow w { call t }",
    );
    let bad = done(&mut command(&["run", "bad.wdl", "-d", "bad-run"]));
    assert!(bad.code == 1 && bad.err.contains("Unable to start job. Check the stderr file"), "{}", bad.err);

    if has_namespaces() {
        environments::tree(&yard);
        environments::configure(&yard, stanza);
        yard.write(
            "image.wdl",
            "version 1.0\ntask t { command { /usr/gitc/align here } runtime { docker: \"tools/aligner:1\" } output { String said = read_string(stdout()) } }\n\
             workflow w { call t output { String said = t.said } }",
        );
        let run = done(&mut command(&["run", "image.wdl"]));
        assert_eq!(run.code, 0, "{}", run.err);
        assert!(run.out.contains("aligner 1 fast here"), "{}", run.out);
    }
}

#[test]
fn slurm_runs_the_documented_stanza() {
    let engine = match Engine::slurm() {
        Ok(engine) => engine,
        Err(reason) => return not_tested("slurm", &reason),
    };
    drive(&engine, &slurm(), &|job| {
        // `scancel` would ask politely first, and then there is a status: this is what running out of memory looks like.
        let pids = engine.tell(Path::new("scontrol"), &["listpids", job]).unwrap();
        for pid in pids.lines().skip(1).filter_map(|line| line.split_whitespace().next()).filter(|pid| pid.parse::<u32>().is_ok()) {
            let _ = Command::new("kill").args(["-KILL", pid]).stderr(Stdio::null()).status();
        }
    });
}

#[test]
fn grid_engine_runs_the_documented_stanza() {
    let engine = match Engine::grid_engine() {
        Ok(engine) => engine,
        Err(reason) => return not_tested("gridengine", &reason),
    };
    drive(&engine, &grid_engine(), &|job| {
        engine.tell(Path::new("/usr/lib/gridengine/qdel"), &[job]).unwrap();
    });
}

/// Where `scripts/setup.sh gatk` and `tests/gatk/main.py` leave GATK and its data.
const GATK_DATA: &str = ".cache/gatk/data";

/// The published workflow with real GATK as jobs of a scheduler: its records are those of the reference.
fn drive_gatk(engine: &Engine, stanza: &str) {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let gatk = PathBuf::from(std::env::var_os("BATCHYARD_GATK").expect("`make gatk` says where GATK is"));
    let images = fs::read_to_string(gatk.join("images.toml")).expect("`make gatk` installs GATK first");
    let yard = Yard::new();
    yard.write("config/batchyard/config.toml", &format!("{stanza}\n{images}"));
    let folder = published::unpack(&yard).unwrap();
    let inputs = project.join(GATK_DATA).join("inputs.data-processing.draft2.SIM001.json");
    let mut command = yard.command(&["run", folder.join(published::PROCESSING).to_str().unwrap(), "-i", inputs.to_str().unwrap()]);
    let run = done(command.envs(engine.env.iter().map(|(k, v)| (k, v))));
    assert_eq!(run.code, 0, "{}", run.err);
    let outputs: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    let bam = outputs["outputs"]["PreProcessingForVariantDiscovery_GATK4.analysis_ready_bam"].as_str().unwrap();
    let records = Command::new("bash").args(["-c", "samtools view -x PG \"$0\" | md5sum", bam]).output().unwrap();
    let expected: serde_json::Value = serde_json::from_str(&fs::read_to_string(project.join("tests/gatk/expected.json")).unwrap()).unwrap();
    let seen = String::from_utf8_lossy(&records.stdout).into_owned();
    assert_eq!(seen.split_whitespace().next(), expected["analysis_ready_records_md5"].as_str());
}

#[test]
#[ignore = "`make gatk` runs it, after it has installed GATK and made the data"]
fn slurm_runs_real_gatk() {
    match Engine::slurm() {
        Ok(engine) => drive_gatk(&engine, &slurm()),
        Err(reason) => not_tested("slurm", &reason),
    }
}

#[test]
#[ignore = "`make gatk` runs it, after it has installed GATK and made the data"]
fn grid_engine_runs_real_gatk() {
    match Engine::grid_engine() {
        Ok(engine) => drive_gatk(&engine, &grid_engine()),
        Err(reason) => not_tested("gridengine", &reason),
    }
}
