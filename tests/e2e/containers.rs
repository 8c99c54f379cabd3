//! Tasks that name an image: through fake engines that check every word, and through a real podman.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::json;

use crate::yard::{Done, Yard, done, lines, processes_with, wait_for};

/// A `docker` that takes exactly the words it knows, writes them down, and runs the script on this machine, out of
/// reach of everything but its own `rm`: as a daemon's containers are.
pub const DOCKER: &str = r#"#!/bin/bash
box=$(dirname "$0")
[ "$1" != version ] || exit 0
echo "$*" >> "$box/docker.calls"
refuse() { echo "docker: did not expect '$1'" >&2; exit 125; }
case $1 in
  run)
    shift
    name= mount= workdir=
    variables=()
    while [ $# -gt 2 ]; do
      case $1 in
        --rm | -i) shift ;;
        --name) name=$2; shift 2 ;;
        --entrypoint) [ "$2" = /bin/bash ] || refuse "$2"; shift 2 ;;
        -v) mount=${2%%:*}; [ "$2" = "$mount:$mount" ] || refuse "$2"; shift 2 ;;
        -w) workdir=$2; shift 2 ;;
        -e) variables+=("$2"); shift 2 ;;
        --cpus | --memory) [ -n "$2" ] || refuse "$1"; shift 2 ;;
        --network) [ "$2" = none ] || refuse "$2"; shift 2 ;;
        --user) [ "$2" = 7:8 ] || refuse "$2"; shift 2 ;;
        *) refuse "$1" ;;
      esac
    done
    [ -d "$mount" ] && [[ $workdir == "$mount"/* ]] && [[ $2 == "$mount"/* ]] || refuse "$*"
    cd "$workdir"
    IMAGE=$1 setsid --wait env -u BATCHYARD_ATTEMPT "${variables[@]}" bash -c 'echo $$ > "$1"; exec bash "$2"' box "$box/$name.pid" "$2" > "$box/$name.out" 2> "$box/$name.err" &
    child=$!
    trap '' TERM
    wait $child
    status=$?
    cat "$box/$name.out"
    cat "$box/$name.err" >&2
    exit $status
    ;;
  rm)
    [ "$2" = --force ] || refuse "$*"
    [ ! -e "$box/$3.pid" ] || kill -KILL -- "-$(cat "$box/$3.pid")"
    ;;
  *) refuse "$1" ;;
esac
"#;

const APPTAINER: &str = r#"#!/bin/bash
echo "$*" >> "$(dirname "$0")/apptainer.calls"
[ "$1 $2 $3 $5 $7" = "exec --containall --bind --pwd --env" ] && [ -d "$4" ] && [ $# = 11 ] || { echo "apptainer: did not expect '$*'" >&2; exit 255; }
[ "${10}" = /bin/bash ] || exit 255
cd "$6" && IMAGE=$9 exec env -u BATCHYARD_ATTEMPT "$8" /bin/bash "${11}"
"#;

pub fn program(yard: &Yard, name: &str, text: &str) {
    let path = yard.write(&format!("bin/{name}"), text);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn with_engines() -> Yard {
    let yard = Yard::new();
    program(&yard, "docker", DOCKER);
    program(&yard, "apptainer", APPTAINER);
    yard
}

fn command(yard: &Yard, arguments: &[&str]) -> Command {
    let mut command = yard.command(arguments);
    command.env("PATH", format!("{}:{}", yard.path("bin").display(), std::env::var("PATH").unwrap()));
    command
}

fn call(yard: &Yard, arguments: &[&str]) -> Done {
    done(&mut command(yard, arguments))
}

fn configure(yard: &Yard, text: &str) {
    yard.write("config/batchyard/config.toml", text);
}

fn outputs(done: &Done) -> serde_json::Value {
    assert_eq!(done.code, 0, "{}\n{}", done.out, done.err);
    serde_json::from_str::<serde_json::Value>(&done.out).unwrap()["outputs"].clone()
}

/// The input must be a file of its own inside the mounted folder: a soft link would lead out of the container.
const COPY: &str = "version 1.1\n\
    task copy { input { File text Int status = 0 } command <<<\n\
      set -e\n\
      [ ! -L '~{text}' ] && [ \"$(realpath '~{text}')\" = '~{text}' ]\n\
      case '~{text}' in \"$(dirname \"$PWD\")\"/*) ;; *) exit 9 ;; esac\n\
      cat '~{text}' > copy.txt; echo \"$IMAGE\"; echo noise >&2; exit ~{status}\n\
    >>> output { String image = read_string(stdout()) File copy = \"copy.txt\" }\n\
    runtime { IMAGE_KEY: \"tools:1\" cpu: 1 memory: \"64 MiB\" } }\n\
    workflow w { input { File text Int status = 0 } call copy { input: text = text, status = status } output { String image = copy.image String copied = read_string(copy.copy) } }";

fn copy(key: &str) -> String {
    COPY.replace("IMAGE_KEY", key)
}

#[test]
fn docker_runs_tasks_that_name_an_image() {
    let yard = with_engines();
    yard.write("in/a.txt", "words\n");
    for key in ["container", "docker"] {
        yard.write("w.wdl", &copy(key));
        let run = call(&yard, &["run", "w.wdl", "text=in/a.txt", "--no-cache", "-d", key]);
        assert_eq!(outputs(&run), json!({ "w.image": "tools:1", "w.copied": "words" }));
        let recorded = lines(&yard.path("bin/docker.calls"));
        let call_dir = fs::canonicalize(yard.path(key)).unwrap().join("call-copy").display().to_string();
        let words = format!(
            "--entrypoint /bin/bash -v {call_dir}:{call_dir} -w {call_dir}/execution -e TMPDIR={call_dir}/tmp --cpus 1 --memory 64m tools:1 {call_dir}/execution/script"
        );
        assert!(recorded.last().unwrap().ends_with(&words), "{recorded:?}");
        assert_eq!(yard.show("last")["calls"][0]["exit_code"], json!(0));
    }
    assert_eq!(lines(&yard.path("bin/docker.calls")).len(), 2, "one `run` for each task and nothing else");
}

#[test]
fn a_task_says_who_it_is_in_its_container() {
    let yard = with_engines();
    let asks = |user: &str| {
        let user = format!("docker_user: {user}");
        yard.write("w.wdl", &format!("version 1.0\ntask t {{ command {{ echo \"$IMAGE\" }} output {{ String image = read_string(stdout()) }} runtime {{ docker: \"tools:1\" {user} }} }}\nworkflow w {{ call t output {{ String image = t.image }} }}"));
        call(&yard, &["run", "w.wdl", "--no-cache"])
    };
    assert_eq!(outputs(&asks("\"7:8\""))["w.image"], json!("tools:1"));
    assert!(lines(&yard.path("bin/docker.calls"))[0].starts_with("run --user 7:8 --rm "));
    let refused = asks("\"$EUID\"");
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("runtime attribute `docker_user` must be a user, such as \"root\" or \"1000:1000\""), "{}", refused.err);
    configure(&yard, "[containers]\nengine = \"apptainer\"\n");
    let noted = asks("\"7:8\"");
    assert_eq!(outputs(&noted)["w.image"], json!("docker://tools:1"));
    assert!(noted.err.contains("`docker_user` `7:8` has no effect"), "{}", noted.err);
    assert_eq!(lines(&yard.path("bin/docker.calls")).len(), 1);
}

#[test]
fn what_names_no_image_fails_its_call() {
    let yard = Yard::new();
    let asks = |image: &str, rule: &str| {
        configure(&yard, &format!("[containers]\nengine = \"none\"\n{rule}"));
        yard.write(
            "w.wdl",
            &format!("version 1.0\ntask t {{ command {{ true }} runtime {{ docker: \"{image}\" }} }}\nworkflow w {{ call t }}"),
        );
        yard.call(&["run", "w.wdl", "--no-cache"])
    };
    for image in ["/fauxbuntu:nosuchversion", "Ubuntu:latest", "ubuntu:"] {
        let run = asks(image, "");
        let told = format!("Docker image {image} has an invalid syntax.");
        assert!(run.code == 1 && run.err.contains(&told), "{image}: {}", run.err);
        // Whoever says what stands in for it knows what is meant.
        let run = asks(image, &format!("[[images]]\nmatch = \"{image}\"\npath = [\"/usr/bin\"]\n"));
        assert_eq!(run.code, 0, "{image}: {}", run.err);
    }
    let run = asks("localhost:5000/lab/tool:1", "");
    assert_eq!(run.code, 0, "{}", run.err);
}

#[test]
fn a_provider_of_a_file_runs_images_if_it_declares_docker() {
    let yard = with_engines();
    let conf = "include required(classpath(\"application\"))\nbackend { default = Plain, providers.Plain {\n\
        actor-factory = \"cromwell.backend.impl.sfs.config.ConfigBackendLifecycleActorFactory\"\n\
        config { include required(classpath(\"reference_local_provider_config.inc.conf\")), MORE } } }\n";
    yard.write("w.wdl", "version 1.0\ntask t { command <<< echo \"in ${IMAGE-none}\" >>> output { String s = read_string(stdout()) } runtime { docker: \"tools:1\" } }\nworkflow w { call t output { String s = t.s } }");
    let runs = |more: &str| {
        yard.write("cromwell.conf", &conf.replace("MORE", more));
        call(&yard, &["--config", "cromwell.conf", "run", "w.wdl"])
    };
    assert_eq!(outputs(&runs("concurrent-job-limit = 9"))["w.s"], json!("in tools:1"));
    for more in ["runtime-attributes = \"\"", "runtime-attributes = \"Int cpu = 1\", submit-docker = null, kill-docker = null"] {
        let run = runs(more);
        assert_eq!(outputs(&run)["w.s"], json!("in none"), "{more}");
        assert!(run.err.contains("`Plain` declares neither `docker` nor `container`"), "{}", run.err);
    }
}

#[test]
fn the_status_of_the_command_comes_through() {
    let yard = with_engines();
    yard.write("a.txt", "words\n");
    yard.write("w.wdl", &copy("docker"));
    let run = call(&yard, &["run", "w.wdl", "text=a.txt", "status=41"]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("return code 41") && run.err.contains("noise"), "{}", run.err);
    assert_eq!(yard.show("last")["calls"][0]["exit_code"], json!(41));
}

#[test]
fn an_engine_that_cannot_start_the_image_is_heard() {
    let yard = with_engines();
    yard.write("a.txt", "words\n");
    yard.write("w.wdl", &copy("docker"));
    program(&yard, "docker", "#!/bin/bash\n[ $1 != version ] || exit 0\necho \"Unable to find image 'tools:1' locally\" >&2\nexit 125\n");
    let run = call(&yard, &["run", "w.wdl", "text=a.txt"]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("125") && run.err.contains("Unable to find image"), "{}", run.err);
    configure(&yard, "[containers]\nengine = \"docker\"\ncommand = [\"/no/such/docker\"]\n");
    let run = call(&yard, &["run", "w.wdl", "text=a.txt"]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("cannot start `/no/such/docker`"), "{}", run.err);
}

#[test]
fn apptainer_takes_registry_names_with_their_scheme() {
    let yard = with_engines();
    yard.write("a.txt", "words\n");
    yard.write("w.wdl", &copy("container"));
    configure(&yard, "[containers]\nengine = \"apptainer\"\n");
    let run = call(&yard, &["run", "w.wdl", "text=a.txt"]);
    assert_eq!(outputs(&run)["w.image"], json!("docker://tools:1"));
    assert!(!yard.path("bin/docker.calls").exists());
}

#[test]
fn images_are_mapped_to_images_and_to_host_folders() {
    let yard = with_engines();
    yard.write("a.txt", "words\n");
    yard.write("w.wdl", &copy("docker"));
    configure(&yard, "[containers]\narguments = [\"--network\", \"none\"]\n[[images]]\nmatch = \"tools:*\"\nimage = \"local/tools:2\"\n");
    let run = call(&yard, &["run", "w.wdl", "text=a.txt"]);
    assert_eq!(outputs(&run)["w.image"], json!("local/tools:2"));
    assert!(yard.read("bin/docker.calls").starts_with("run --network none --rm "));

    fs::remove_file(yard.path("bin/docker.calls")).unwrap();
    program(&yard, "../tools/cat", "#!/bin/bash\necho from-the-folder\n");
    let folder = yard.path("tools");
    configure(&yard, &format!("[[images]]\nmatch = \"tools:*\"\npath = [{folder:?}]\nenv = {{ IMAGE = \"none\" }}\n"));
    let run = call(&yard, &["run", "w.wdl", "text=a.txt"]);
    assert_eq!(outputs(&run), json!({ "w.image": "none", "w.copied": "from-the-folder" }), "another place is another identity");
    assert!(!yard.path("bin/docker.calls").exists() && !run.err.contains("note: image"), "{}", run.err);
}

#[test]
fn without_an_engine_images_are_refused_or_noted_once() {
    let yard = Yard::new();
    yard.write("w.wdl", "version 1.0\ntask t { input { Int i } command { echo ~{i} } runtime { docker: \"tools:1\" } }\nworkflow w { scatter (i in range(3)) { call t { input: i = i } } }");
    configure(&yard, "[containers]\nengine = \"none\"\npolicy = \"required\"\n");
    let run = yard.call(&["run", "w.wdl"]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("no container engine for image `tools:1`") && run.err.contains("hint: install docker, podman"), "{}", run.err);

    configure(&yard, "[containers]\nengine = \"none\"\n");
    let run = yard.call(&["run", "w.wdl"]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert_eq!(run.err.matches("note: image `tools:1` is not used").count(), 1, "{}", run.err);

    configure(&yard, "[containers]\npolicy = \"off\"\n");
    assert!(yard.call(&["run", "w.wdl", "--no-cache"]).err.contains("switched off"));
}

#[test]
fn a_client_without_its_daemon_is_no_engine() {
    let yard = Yard::new();
    program(
        &yard,
        "docker",
        "#!/bin/bash\necho \"$*\" >> \"${0%/*}/docker.calls\"\necho Cannot connect to the Docker daemon >&2\nexit 1\n",
    );
    yard.write("w.wdl", "version 1.0\ntask t { command { true } runtime { docker: \"tools:1\" } }\nworkflow w { call t }");
    let mut command = yard.command(&["run", "w.wdl"]);
    let run = done(command.env("PATH", yard.path("bin")));
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(run.err.contains("note: image `tools:1` is not used"), "{}", run.err);
    assert_eq!(lines(&yard.path("bin/docker.calls")).len(), 1, "it is asked once");
}

/// A container that only its engine can end.
const SLEEPER: &str = "version 1.0\ntask t { command { sleep SECONDS } runtime { docker: \"tools:1\" } }\nworkflow w { call t }";

#[test]
fn an_aborted_container_is_ended_through_its_engine() {
    let yard = with_engines();
    let sleep = yard.unique_number();
    yard.write("w.wdl", &SLEEPER.replace("SECONDS", &sleep));
    configure(&yard, "[local]\ngrace_seconds = 1\n");
    let mut child = command(&yard, &["run", "w.wdl"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("the container", || processes_with(&["sleep", &sleep]) == 1);
    let abort = call(&yard, &["abort", "last"]);
    assert_eq!((abort.code, child.wait().unwrap().code()), (0, Some(130)), "{}", abort.err);
    assert_eq!(processes_with(&["sleep", &sleep]), 0);
    let recorded = yard.read("bin/docker.calls");
    assert!(recorded.lines().last().unwrap().starts_with("rm --force batchyard-"), "{recorded}");
}

#[test]
fn containers_of_a_dead_engine_are_ended_too() {
    let yard = with_engines();
    let sleep = yard.unique_number();
    yard.write("w.wdl", &SLEEPER.replace("SECONDS", &sleep));
    let mut child = command(&yard, &["run", "w.wdl"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("the container", || processes_with(&["sleep", &sleep]) == 1);
    child.kill().unwrap();
    child.wait().unwrap();
    let abort = call(&yard, &["abort", "last"]);
    assert_eq!(abort.code, 0, "{}", abort.err);
    wait_for("the end of the container", || processes_with(&["sleep", &sleep]) == 0);
    assert_eq!(yard.show("last")["state"], json!("Aborted"));
}

#[test]
fn a_container_whose_client_died_does_not_run_beside_its_successor() {
    let yard = with_engines();
    let sleep = yard.unique_number();
    yard.write("w.wdl", "version 1.0\ntask t { input { String log } command { echo $$ >> ~{log}; [ -e ~{log}.go ] || sleep SECONDS } runtime { docker: \"tools:1\" } }\nworkflow w { input { String log } call t { input: log = log } }".replace("SECONDS", &sleep).as_str());
    let log = yard.path("log");
    let mut child =
        command(&yard, &["run", "w.wdl", &format!("log={}", log.display())]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("the container", || processes_with(&["sleep", &sleep]) == 1);
    child.kill().unwrap();
    child.wait().unwrap();
    // The engine's client dies as well; the daemon's container lives on.
    let client = fs::canonicalize(yard.path("bin/docker")).unwrap();
    crate::yard::kill_processes_with(&["run", "--rm"], client.to_str().unwrap());
    crate::yard::kill_processes_with(&["setsid", "--wait"], &yard.path("bin").display().to_string());
    assert_eq!(processes_with(&["sleep", &sleep]), 1);
    yard.write("log.go", "");
    let resumed = call(&yard, &["resume", "last"]);
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    assert_eq!((lines(&log).len(), processes_with(&["sleep", &sleep])), (2, 0));
}

/// Programs of the image made of this machine's own files.
const PROGRAMS: [&str; 13] = ["rm", "mv", "chmod", "bash", "cat", "head", "sleep", "wc", "mkdir", "hostname", "ls", "ln", "touch"];

/// A real podman that keeps everything in one folder.
pub struct Podman {
    pub words: Vec<String>,
    pub settings: std::path::PathBuf,
}

impl Podman {
    pub fn new(yard: &Yard) -> Result<Self, String> {
        // Limits below those of this process and no unified cgroup tree: so it also runs inside a restricted machine.
        let settings =
            "[containers]\ndefault_ulimits = [\"nofile=1000:1000\", \"nproc=1000:1000\"]\n[engine]\ncgroup_manager = \"cgroupfs\"\n";
        let settings = yard.write("containers.conf", settings);
        let script = "umount /sys/fs/cgroup/unified 2>/dev/null; exec podman \"$@\"";
        let mut words: Vec<String> =
            ["unshare", "-m", "sh", "-c", script, "podman", "--storage-driver", "vfs", "--root"].map(String::from).into();
        words.push(yard.path("podman/graph").display().to_string());
        words.extend(["--runroot".to_owned(), yard.path("podman/run").display().to_string()]);
        let podman = Podman { words, settings };
        podman.import(&yard.path("image"))?;
        podman.call(&["run", "--rm", "--network", "none", IMAGE, "true"])?;
        Ok(podman)
    }

    fn call(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).args(arguments).env("CONTAINERS_CONF", &self.settings).stdin(Stdio::null());
        let output = command.output().map_err(|e| e.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().lines().last().unwrap_or("no words").to_owned());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Makes the image of this machine's bash, a few programs and their libraries.
    fn import(&self, root: &Path) -> Result<(), String> {
        small_root(root)?;
        let archive = root.with_extension("tar");
        output("tar", &["-C", &root.display().to_string(), "-cf", &archive.display().to_string(), "."])?;
        self.call(&["import", &archive.display().to_string(), IMAGE]).map(drop)
    }
}

/// A root file system of this machine's bash, a few programs and their libraries.
pub fn small_root(root: &Path) -> Result<(), String> {
    for folder in ["bin", "tmp", "proc", "dev", "sys", "etc"] {
        fs::create_dir_all(root.join(folder)).map_err(|e| e.to_string())?;
    }
    for program in PROGRAMS {
        let found = output("sh", &["-c", &format!("command -v {program}")])?;
        fs::copy(found.trim(), root.join("bin").join(program)).map_err(|e| e.to_string())?;
        for library in output("ldd", &[found.trim()])?.split_whitespace().filter(|w| w.starts_with('/')) {
            let target = root.join(library.trim_start_matches('/'));
            fs::create_dir_all(target.parent().unwrap()).map_err(|e| e.to_string())?;
            fs::copy(library, &target).map_err(|e| e.to_string())?;
        }
    }
    std::os::unix::fs::symlink("bash", root.join("bin/sh")).map_err(|e| e.to_string())?;
    fs::copy(root.join("bin/cat"), root.join("bin/true")).map_err(|e| e.to_string())?;
    fs::write(root.join("etc/from-the-image"), "inside\n").map_err(|e| e.to_string())
}

const IMAGE: &str = "localhost/batchyard-test:1";

fn output(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output().map_err(|e| format!("{program}: {e}"))?;
    if output.status.success() { Ok(String::from_utf8_lossy(&output.stdout).into_owned()) } else { Err(format!("{program} failed")) }
}

/// Says that something could not be tested; a failure where `REQUIRE` names it.
pub fn not_tested(what: &str, reason: &str) {
    let required = std::env::var("REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name == what), "{what} is required: {reason}");
    // Past the capture of the test's output, so that the summary of `make test` finds it.
    let _ = writeln!(std::io::stderr(), "not tested: {what} ({reason})");
}

#[test]
fn podman_runs_a_scatter() {
    let yard = Yard::new();
    let podman = match Podman::new(&yard) {
        Ok(podman) => podman,
        Err(reason) => return not_tested("podman", &reason),
    };
    let words = serde_json::to_string(&podman.words).unwrap();
    let settings = format!(
        "[local]\ngrace_seconds = 1\n[containers]\nengine = \"podman\"\ncommand = {words}\narguments = [\"--network\", \"none\"]\npolicy = \"required\"\n"
    );
    configure(&yard, &settings);
    yard.write("in/a.txt", "words\n");
    yard.write(
        "w.wdl",
        &"version 1.1\ntask t { input { File text Int i Boolean fail = false } command <<< cat /etc/from-the-image '~{text}' > out.txt; hostname >&2; sleep ~{if fail then SECONDS else 0}; echo ~{i} >>>\n\
          output { Int n = read_int(stdout()) String text_out = read_string(\"out.txt\") String name = read_string(stderr()) } runtime { container: \"localhost/batchyard-test:1\" cpu: 1 memory: \"64 MiB\" } }\n\
          workflow w { input { File text Boolean fail = false } scatter (i in range(3)) { call t { input: text = text, i = i, fail = fail } } output { Array[Int] ns = t.n Array[String] texts = t.text_out Array[String] names = t.name } }"
            .replace("SECONDS", "1234"),
    );
    let run = |arguments: &[&str]| {
        let mut command = yard.command(arguments);
        command.env("CONTAINERS_CONF", &podman.settings);
        command
    };
    let first = done(&mut run(&["run", "w.wdl", "text=in/a.txt"]));
    let outputs = outputs(&first);
    assert_eq!((&outputs["w.ns"], &outputs["w.texts"]), (&json!([0, 1, 2]), &json!(["inside\nwords", "inside\nwords", "inside\nwords"])));
    let names: BTreeMap<&str, ()> = outputs["w.names"].as_array().unwrap().iter().map(|n| (n.as_str().unwrap(), ())).collect();
    assert_eq!(names.len(), 3, "each task had a container of its own");
    let second = done(&mut run(&["run", "w.wdl", "text=in/a.txt"]));
    assert!(second.err.contains("3 from cache"), "{}", second.err);

    // By its digest the image is another one to the cache, and the same to podman.
    configure(&yard, &format!("{settings}digests = \"local\"\n"));
    for from_cache in [false, true] {
        let run = done(&mut run(&["run", "w.wdl", "text=in/a.txt"]));
        assert_eq!(self::outputs(&run)["w.texts"], outputs["w.texts"]);
        assert!(run.err.contains("3 from cache") == from_cache && !run.err.contains("digest"), "{}", run.err);
    }

    let mut child = run(&["run", "w.wdl", "text=in/a.txt", "fail=true"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("the containers", || podman.call(&["ps", "--quiet"]).unwrap().lines().count() >= 1);
    let abort = done(&mut run(&["abort", "last"]));
    assert_eq!((abort.code, child.wait().unwrap().code()), (0, Some(130)), "{}", abort.err);
    // Podman removes an ended container a moment later, by a process of its own.
    wait_for("the removal of the containers", || podman.call(&["ps", "--quiet", "--all"]).unwrap().is_empty());
}
