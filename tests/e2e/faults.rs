//! What goes wrong outside: each says what, where and how to mend it, loses nothing, and can be gone on from.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};

use crate::{
    containers::not_tested,
    yard::{Done, Yard, done, lines, processes_with, wait_for},
};

fn says(run: &Done, code: i32, words: &[&str]) {
    assert_eq!(run.code, code, "{}\n{}", run.out, run.err);
    for word in words {
        assert!(run.err.contains(word), "`{word}` is not in: {}", run.err);
    }
    assert!(!run.err.contains("panicked"), "{}", run.err);
}

/// Runs a script in a mount namespace of its own, so that nothing it mounts outlives it. `$BATCHYARD` is the binary.
/// `None` where this machine does not allow it.
fn with_mounts(yard: &Yard, script: &str) -> Option<Done> {
    let allowed = |flags: &str| Command::new("unshare").args([flags, "true"]).output().is_ok_and(|o| o.status.success());
    let Some(flags) = ["-m", "-rm"].into_iter().find(|flags| allowed(flags)) else {
        not_tested("full disk", "no mount namespaces");
        return None;
    };
    let template = yard.command(&[]);
    let mut command = Command::new("unshare");
    command.args([flags, "bash", "-c", script]).current_dir(yard.path("")).stdin(Stdio::null());
    for (name, value) in template.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env("BATCHYARD", template.get_program());
    Some(done(&mut command))
}

/// Writes as many KiB as it is told.
const WRITER: &str = "version 1.1\n\
    task small { command <<< echo small >>> output { File f = stdout() } }\n\
    task big { input { File after Int kib } command <<< set -e; head -c ~{kib}K /dev/zero > big.bin; echo whole >>> output { File f = \"big.bin\" } }\n\
    workflow w { input { Int kib = 2000 } call small call big { input: after = small.f, kib = kib } output { Float size = size(big.f) } }";

#[test]
fn a_full_disk_fails_the_task_and_can_be_gone_on_from() {
    let yard = Yard::new();
    yard.write("w.wdl", WRITER);
    let script = "mkdir run; mount -t tmpfs -o size=512k tmpfs run\n\
        $BATCHYARD run w.wdl -d run; echo \"first $?\" >> codes\n\
        mount -o remount,size=8m run\n\
        $BATCHYARD resume last -v --outputs done.json; echo \"second $?\" >> codes";
    let Some(run) = with_mounts(&yard, script) else { return };
    assert_eq!(lines(&yard.path("codes")), ["first 1", "second 0"], "{}", run.err);
    assert!(run.err.contains("No space left on device"), "{}", run.err);
    assert!(run.err.contains("small was done before"), "what had succeeded is not run again: {}", run.err);
    assert!(yard.read("done.json").contains("2048000"));
}

#[test]
fn not_even_room_for_the_files_of_a_task() {
    let yard = Yard::new();
    yard.write("w.wdl", WRITER);
    // Every page of the file system is taken before the first task.
    let script = "mkdir run; mount -t tmpfs -o size=64k tmpfs run; mkdir run/sub; head -c 1M /dev/zero > run/ballast 2>/dev/null\n\
        $BATCHYARD run w.wdl -d run/sub; echo \"first $?\" >> codes\n\
        rm run/ballast; mount -o remount,size=8m run\n\
        $BATCHYARD resume last; echo \"second $?\" >> codes";
    let Some(run) = with_mounts(&yard, script) else { return };
    assert_eq!(lines(&yard.path("codes")).last().map(String::as_str), Some("second 0"), "{}", run.err);
    assert!(run.err.contains("No space left on device") && run.err.contains("cannot"), "{}", run.err);
}

#[test]
fn a_full_disk_for_the_state_is_refused_or_gone_on_from() {
    let yard = Yard::new();
    yard.write(
        "w.wdl",
        "version 1.1\ntask t { input { Int i String log String home } command <<<\n\
           echo ~{i} >> '~{log}'\n\
           [ ~{i} != 2 ] || [ -e '~{log}.full' ] || { touch '~{log}.full'; cat /dev/zero > '~{home}/ballast' 2>/dev/null; true; }\n\
         >>> output { Boolean ok = true } }\n\
         workflow w { input { String log String home } scatter (i in range(12)) { call t { input: i = i, log = log, home = home } } output { Array[Boolean] ok = t.ok } }",
    );
    let script = "mkdir home; mount -t tmpfs -o size=700k tmpfs home\n\
        log=$PWD/log\n\
        $BATCHYARD run w.wdl log=$log home=$PWD/home --jobs 1 --no-cache; echo \"first $?\" >> codes\n\
        rm home/ballast; mount -o remount,size=16m home\n\
        $BATCHYARD resume last; echo \"second $?\" >> codes\n\
        umount home; mount -t tmpfs -o size=4k tmpfs home\n\
        $BATCHYARD run w.wdl log=$log home=$PWD/home 2> refused; echo \"third $?\" >> codes";
    let Some(run) = with_mounts(&yard, script) else { return };
    let codes = lines(&yard.path("codes"));
    assert_eq!(codes[1..], ["second 0", "third 2"], "{codes:?} {} {}", run.err, yard.read("refused"));
    assert_eq!(codes[0], "first 1");
    assert!(run.err.contains("(the disk is full: make room and try again)") && run.err.contains("batchyard resume"), "{}", run.err);
    let refused = yard.read("refused");
    assert!(refused.contains("home/batchyard.db") && refused.contains("hint:"), "{refused}");
    // A task whose success was not recorded may run again, but what was acknowledged may not.
    let mut ran = lines(&yard.path("log"));
    ran.sort();
    ran.dedup();
    assert_eq!(ran.len(), 12);
}

#[test]
fn folders_that_cannot_be_written() {
    let yard = Yard::new();
    yard.write("w.wdl", WRITER);
    says(&yard.call(&["run", "w.wdl", "-d", "/proc/self/run"]), 2, &["cannot make the run directory `/proc/self/run`"]);
    let mut command = yard.command(&["run", "w.wdl"]);
    says(&done(command.env("BATCHYARD_HOME", "/proc/self/home")), 2, &["/proc/self/home/batchyard.db", "hint:"]);
    let script = "mkdir ro; mount -t tmpfs -o size=1m tmpfs ro; mkdir ro/run; mount -o remount,ro ro; $BATCHYARD run w.wdl -d ro/run";
    if let Some(run) = with_mounts(&yard, script) {
        says(&run, 2, &["cannot write to the run directory", "ro/run", "Read-only file system"]);
    }
}

/// Reads its input.
const READER: &str = "version 1.1\ntask t { input { File text Int n = 1 } command <<< head -n ~{n} '~{text}' >>> output { String s = read_string(stdout()) } }\n\
    workflow w { input { File text Int n = 1 Array[Int] more = [] } call t { input: text = text, n = n } output { String s = t.s } }";

#[test]
fn missing_and_wrong_inputs_are_all_told_before_anything_runs() {
    let yard = Yard::new();
    yard.write("w.wdl", READER);
    yard.write("a.txt", "a\n");
    says(&yard.call(&["run", "w.wdl", "text=absent.txt"]), 2, &["absent.txt", "`w.text`", "does not exist", "hint:"]);
    says(&yard.call(&["run", "w.wdl"]), 2, &["`w.text`", "File"]);
    says(&yard.call(&["run", "w.wdl", "text=a.txt", "n=many"]), 2, &["`w.n`", "many", "Int"]);
    says(&yard.call(&["run", "w.wdl", "text=a.txt", "nn=3"]), 2, &["`nn`", "did you mean `w.n`?"]);
    yard.write("in.json", r#"{"w.text": 4, "w.n": "x", "w.more": [1, "y"], "w.txt": "a.txt"}"#);
    says(&yard.call(&["run", "w.wdl", "-i", "in.json"]), 2, &["`w.text`", "`w.n`", "`w.more` at `[1]`", "did you mean `w.text`?"]);
    yard.write("in.json", "{\"w.text\": ");
    says(&yard.call(&["run", "w.wdl", "-i", "in.json"]), 2, &["`in.json`", "no JSON", "line 1"]);
    says(&yard.call(&["run", "w.wdl", "-i", "none.json"]), 2, &["`none.json`"]);
    says(&yard.call(&["run", "none.wdl"]), 2, &["none.wdl", "no such file"]);
    says(&yard.call(&["run", "w.wdl", "text=a.txt", "-o", "in.json"]), 2, &["workflow options", "`in.json`"]);
    assert!(!yard.path("batchyard-runs").exists(), "nothing was begun");
}

#[test]
fn a_folder_where_a_file_is_wanted() {
    let yard = Yard::new();
    yard.write("w.wdl", READER);
    yard.write("folder/x", "");
    says(&yard.call(&["run", "w.wdl", "text=folder"]), 2, &["`w.text`", "folder", "is a folder"]);
}

#[test]
fn a_file_without_permission() {
    let yard = Yard::new();
    yard.write("w.wdl", READER);
    let secret = yard.write("secret.txt", "secret\n");
    let home = yard.path("home");
    fs::create_dir(&home).unwrap();
    for (path, mode) in [(yard.path(""), 0o777), (home, 0o777), (secret, 0o000)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut template = yard.command(&[]);
    if rustix::process::getuid().is_root() {
        // The superuser may read everything, so somebody else has to try, with a copy that is within reach.
        let copy = yard.path("batchyard");
        fs::copy(template.get_program(), &copy).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(copy).current_dir(yard.path(""));
        for (name, value) in template.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        template = command;
    }
    says(&done(template.args(["run", "w.wdl", "text=secret.txt"])), 2, &["secret.txt", "`w.text`", "ermission denied"]);
}

#[test]
fn an_input_that_vanishes_on_the_way_can_be_put_back() {
    let yard = Yard::new();
    yard.write(
        "w.wdl",
        "version 1.1\ntask remove { input { String path } command <<< rm '~{path}' >>> output { Boolean ok = true } }\n\
         task t { input { File text Boolean after } command <<< cat '~{text}' >>> output { String s = read_string(stdout()) } }\n\
         workflow w { input { File text String path } call remove { input: path = path } call t { input: text = text, after = remove.ok } output { String s = t.s } }",
    );
    let text = yard.write("a.txt", "a\n");
    let run = yard.call(&["run", "w.wdl", "text=a.txt", &format!("path={}", text.display())]);
    says(&run, 1, &["a.txt", "No such file", "call: t"]);
    yard.write("a.txt", "again\n");
    let resumed = yard.call(&["resume", "last"]);
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    assert!(resumed.out.contains("\"again\""));
}

#[test]
fn imports_in_a_circle_and_without_end() {
    let yard = Yard::new();
    yard.write("a.wdl", "version 1.0\nimport \"b.wdl\" as b\nworkflow a { call b.b }");
    yard.write("b.wdl", "version 1.0\nimport \"a.wdl\" as a\nworkflow b { call a.a }");
    says(&yard.call(&["check", "a.wdl"]), 2, &["b.wdl:2", "import cycle: `a.wdl` -> `b.wdl` -> `a.wdl`", "Help"]);
    says(&yard.call(&["run", "a.wdl"]), 2, &["import cycle"]);
    for i in 0..80 {
        yard.write(&format!("long/{i}.wdl"), &format!("version 1.0\nimport \"{}.wdl\" as next\nworkflow w{i} {{ }}", i + 1));
    }
    yard.write("long/80.wdl", "version 1.0\nworkflow last { }");
    says(&yard.call(&["check", "long/0.wdl"]), 2, &["import"]);
}

/// A command that no polite word ends, with children in sessions of their own.
fn stubborn(seconds: &str) -> String {
    format!(
        "version 1.1\ntask t {{ command <<<\n\
           trap '' TERM INT HUP\n\
           setsid sleep {seconds} &\n\
           (trap '' TERM; setsid bash -c 'trap \"\" TERM; sleep {seconds}; sleep {seconds}') &\n\
           sleep {seconds}; sleep {seconds}\n\
         >>> }}\nworkflow w {{ call t }}"
    )
}

fn begin(yard: &Yard, seconds: &str, processes: usize) -> Child {
    let child = yard.start(&["run", "w.wdl"]);
    wait_for("the task", || processes_with(&["sleep", seconds]) == processes);
    child
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

fn end_of(yard: &Yard, child: &mut Child) -> Done {
    let mut status = None;
    wait_for("the engine's end", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    Done { code: status.unwrap().code().unwrap_or(-1), out: yard.read("background.out"), err: yard.read("background.err") }
}

#[test]
fn ctrl_c_ends_a_stubborn_task_within_the_grace() {
    let yard = Yard::new();
    let seconds = yard.unique_number();
    yard.write("config/batchyard/config.toml", "[local]\ngrace_seconds = 1\n");
    yard.write("w.wdl", &stubborn(&seconds));
    let mut child = begin(&yard, &seconds, 3);
    let asked = Instant::now();
    signal(&child, "-INT");
    let run = end_of(&yard, &mut child);
    says(&run, 130, &["batchyard resume"]);
    assert!(asked.elapsed() >= Duration::from_millis(900) && asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    assert_eq!(processes_with(&["sleep", &seconds]), 0, "the whole tree is gone");
    let show = yard.show("last");
    assert_eq!((&show["state"], &show["calls"][0]["state"]), (&json!("Aborted"), &json!("Aborted")));
}

#[test]
fn a_second_ctrl_c_does_not_wait() {
    let yard = Yard::new();
    let seconds = yard.unique_number();
    yard.write("config/batchyard/config.toml", "[local]\ngrace_seconds = 600\n");
    yard.write("w.wdl", &stubborn(&seconds));
    let mut child = begin(&yard, &seconds, 3);
    signal(&child, "-INT");
    wait_for("the first one to be heard", || yard.show("last")["state"] == json!("Aborting"));
    signal(&child, "-INT");
    says(&end_of(&yard, &mut child), 130, &["batchyard resume"]);
    assert_eq!(processes_with(&["sleep", &seconds]), 0);
}

#[test]
fn a_polite_task_may_tidy_up() {
    let yard = Yard::new();
    let seconds = yard.unique_number();
    yard.write("w.wdl", &format!("version 1.1\ntask t {{ command <<< trap 'sleep 0.5; echo tidy > tidied; exit 3' TERM; sleep {seconds} & wait >>> }}\nworkflow w {{ call t }}"));
    let mut child = begin(&yard, &seconds, 1);
    let abort = yard.call(&["abort", "last"]);
    says(&abort, 0, &["Aborted"]);
    assert_eq!(end_of(&yard, &mut child).code, 130);
    let dir = yard.show("last")["dir"].as_str().unwrap().to_owned();
    assert_eq!(fs::read_to_string(Path::new(&dir).join("call-t/execution/tidied")).unwrap(), "tidy\n");
    assert_eq!(processes_with(&["sleep", &seconds]), 0);
    says(&yard.call(&["abort", "last"]), 0, &["has ended already (Aborted)"]);
}

#[test]
fn abort_ends_what_a_dead_engine_left() {
    let yard = Yard::new();
    let seconds = yard.unique_number();
    yard.write("w.wdl", &stubborn(&seconds));
    let mut child = begin(&yard, &seconds, 3);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(processes_with(&["sleep", &seconds]), 3, "tasks outlive their engine");
    says(&yard.call(&["abort", "last"]), 0, &["1 of its tasks"]);
    wait_for("the end of the orphans", || processes_with(&["sleep", &seconds]) == 0);
    assert_eq!(yard.show("last")["state"], json!("Aborted"));
}

#[test]
fn a_time_limit_ends_the_whole_tree() {
    let yard = Yard::new();
    let seconds = yard.unique_number();
    yard.write("config/batchyard/config.toml", "[local]\ngrace_seconds = 1\n");
    yard.write("w.wdl", &stubborn(&seconds).replace(">>> }", ">>> runtime { timeout: 1 } }"));
    says(&yard.call(&["run", "w.wdl"]), 1, &["time limit of 1 s"]);
    assert_eq!(processes_with(&["sleep", &seconds]), 0);
}

/// Peak resident memory of a living process, in KiB.
fn peak_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok())
}

#[test]
fn floods_on_stdout_and_stderr_stay_on_the_disk() {
    let yard = Yard::new();
    yard.write(
        "w.wdl",
        "version 1.1\ntask t { input { Int status } command <<< head -c 100M /dev/zero | tr '\\0' x; head -c 30M /dev/zero | tr '\\0' y >&2; exit ~{status} >>> output { Float size = size(stdout()) } }\n\
         workflow w { input { Int status = 0 } call t { input: status = status } output { Float size = t.size } }",
    );
    for (status, code) in [("status=0", 0), ("status=1", 1)] {
        let mut child = yard.start(&["run", "w.wdl", status]);
        let mut peak = 0;
        wait_for("the run", || {
            peak = peak.max(peak_kib(child.id()).unwrap_or(0));
            child.try_wait().unwrap().is_some()
        });
        let run = end_of(&yard, &mut child);
        assert_eq!(run.code, code, "{}", &run.err[..run.err.len().min(2000)]);
        assert!(run.err.len() < 100_000, "the report stays readable");
        assert!(peak < 60_000, "the engine grew to {peak} KiB");
        assert_eq!(run.out.contains("104857600"), code == 0);
    }
    // As a value it is refused before the store has to.
    yard.write(
        "r.wdl",
        "version 1.1\ntask t { command <<< head -c 140M /dev/zero >>> output { String s = read_string(stdout()) } }\nworkflow w { call t }",
    );
    says(&yard.call(&["run", "r.wdl"]), 1, &["output values", "134217728 bytes", "hint: give large texts on as a `File`"]);
}

#[test]
fn a_file_beyond_its_quota() {
    let yard = Yard::new();
    yard.write("w.wdl", "version 1.1\ntask t { command <<< ulimit -f 10; head -c 100K /dev/zero > big >>> }\ntask own { command <<< ulimit -f 10; while echo some text; do :; done > big >>> }\nworkflow w { call t }");
    says(&yard.call(&["run", "w.wdl"]), 1, &["return code 153", "SIGXFSZ"]);
    says(&yard.call(&["run", "w.wdl", "--task", "own"]), 1, &["SIGXFSZ"]);
}

#[test]
fn two_runs_in_one_folder() {
    let yard = Yard::new();
    let seconds = yard.unique_number();
    yard.write(
        "w.wdl",
        &format!(
            "version 1.1\ntask t {{ command <<< [ -e '{0}' ] || sleep {seconds} >>> }}\nworkflow w {{ call t }}",
            yard.path("go").display()
        ),
    );
    let mut child = yard.start(&["run", "w.wdl", "-d", "run"]);
    wait_for("the task", || processes_with(&["sleep", &seconds]) == 1);
    says(&yard.call(&["run", "w.wdl", "-d", "run"]), 2, &["another run is going on in", "`-d`"]);
    says(&yard.call(&["resume", "last"]), 2, &["is being worked on by process"]);
    signal(&child, "-INT");
    assert_eq!(end_of(&yard, &mut child).code, 130);
    says(&yard.call(&["run", "w.wdl", "-d", "run"]), 2, &["holds run", "Aborted", "batchyard resume"]);
    yard.write("go", "");
    assert_eq!(yard.call(&["resume", "last"]).code, 0);
    yard.write("other/file", "mine");
    says(&yard.call(&["run", "w.wdl", "-d", "other"]), 2, &["is not empty"]);
    assert_eq!(yard.read("other/file"), "mine");
}

#[test]
fn times_do_not_run_backwards() {
    let yard = Yard::new();
    yard.write(
        "w.wdl",
        "version 1.1\ntask t { command <<< true >>> output { Int n = 1 } }\nworkflow w { scatter (i in range(4)) { call t } }",
    );
    yard.outputs(&["run", "w.wdl"]);
    let show = yard.show("last");
    let time = |json: &Json, key: &str| json[key].as_str().map(str::to_owned).or_else(|| json[key].as_i64().map(|n| format!("{n:020}")));
    assert!(show["calls"].as_array().unwrap().len() == 4);
    for entry in show["calls"].as_array().unwrap().iter().chain([&show]) {
        let started = ["started", "started_ms"].iter().find_map(|k| time(entry, k)).unwrap_or_else(|| panic!("no start in {entry}"));
        let ended = ["ended", "ended_ms"].iter().find_map(|k| time(entry, k)).unwrap_or_else(|| panic!("no end in {entry}"));
        assert!(started <= ended, "{entry}");
    }
}

#[test]
fn a_damaged_database_is_left_alone_and_named() {
    let yard = Yard::new();
    yard.write("w.wdl", "version 1.0\ntask t { command { true } }\nworkflow w { call t }");
    yard.write("home/batchyard.db", &"this is no database ".repeat(1000));
    for command in [&["run", "w.wdl"] as &[&str], &["ls"], &["show", "last"], &["resume", "last"], &["abort", "last"]] {
        says(&yard.call(command), 2, &["home/batchyard.db", "hint:"]);
    }
    assert!(yard.read("home/batchyard.db").starts_with("this is no database"));
}

#[test]
fn a_database_that_cannot_be_written() {
    let yard = Yard::new();
    yard.write("w.wdl", "version 1.0\ntask t { command { true } }\nworkflow w { call t }");
    yard.outputs(&["run", "w.wdl"]);
    let script = "mount --bind home home && mount -o remount,ro,bind home && $BATCHYARD run w.wdl";
    let Some(run) = with_mounts(&yard, script) else { return };
    says(&run, 2, &["home/batchyard.db", "hint:"]);
}

#[test]
fn a_database_of_a_newer_program() {
    let yard = Yard::new();
    yard.write("w.wdl", "version 1.0\ntask t { command { true } }\nworkflow w { call t }");
    yard.outputs(&["run", "w.wdl"]);
    let sql = "import sqlite3; db = sqlite3.connect('home/batchyard.db'); db.execute('INSERT INTO schema_migrations VALUES (9999, 0)'); db.commit()";
    let changed = Command::new("python3").args(["-c", sql]).current_dir(yard.path("")).status();
    if !changed.is_ok_and(|status| status.success()) {
        return not_tested("python3", "it plays the newer program");
    }
    says(&yard.call(&["ls"]), 2, &["schema 9999", "hint: use the newer program"]);
    says(&yard.call(&["run", "w.wdl"]), 2, &["schema 9999"]);
}

#[test]
fn outputs_that_the_command_did_not_make() {
    let yard = Yard::new();
    yard.write("w.wdl", "version 1.1\ntask t { command <<< mkdir d; echo x > d/x >>> output { File f = \"none.txt\" } }\ntask d { command <<< mkdir d >>> output { File f = \"d\" } }\n\
        task n { command <<< echo many >>> output { Int n = read_int(stdout()) } }\nworkflow w { call t }");
    says(&yard.call(&["run", "w.wdl"]), 1, &["none.txt", "`File?`", "w.wdl:2"]);
    says(&yard.call(&["run", "w.wdl", "--task", "d"]), 1, &["is a directory, not a file"]);
    says(&yard.call(&["run", "w.wdl", "--task", "n"]), 1, &["read_int", "many", "w.wdl:4"]);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let yard = Yard::new();
    yard.write("w.wdl", "version 1.0\ntask t { command { true } }\nworkflow w { call t }");
    let mut child = yard.command(&["run", "w.wdl"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    let deadline = Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(yard.show("last")["state"], json!("Succeeded"));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_clock_that_was_set_back_does_not_turn_times_around() {
    let yard = Yard::new();
    yard.write("w.wdl", "version 1.1\ntask one { command <<< true >>> output { Boolean ok = true } }\ntask two { input { Boolean after String go } command <<< [ -e '~{go}' ] >>> }\nworkflow w { input { String go } call one call two { input: after = one.ok, go = go } }");
    let go = yard.path("go");
    assert_eq!(yard.call(&["run", "w.wdl", &format!("go={}", go.display())]).code, 1);
    // As if everything so far had happened while the clock was an hour ahead.
    let sql = "import sqlite3; db = sqlite3.connect('home/batchyard.db'); db.execute('UPDATE calls SET started_ms = started_ms + 3600000, ended_ms = ended_ms + 3600000'); db.commit()";
    let changed = Command::new("python3").args(["-c", sql]).current_dir(yard.path("")).status();
    if !changed.is_ok_and(|status| status.success()) {
        return not_tested("python3", "it sets the clock back");
    }
    yard.write("go", "");
    assert_eq!(yard.call(&["resume", "last"]).code, 0);
    let show = yard.show("last");
    let times = |key: &str| show["calls"].as_array().unwrap().iter().map(|c| c[key].as_i64().unwrap()).collect::<Vec<_>>();
    let (started, ended) = (times("started_ms"), times("ended_ms"));
    assert_eq!(started.len(), 3, "{show}");
    assert!(started.iter().zip(&ended).all(|(s, e)| s <= e), "{show}");
    assert!(show["ended_ms"].as_i64() >= ended.iter().max().copied(), "{show}");
}
