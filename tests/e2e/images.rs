//! Jobs and apps that name an image kept in the object store: unpacked on a machine without an engine, and given to a
//! real podman.

use std::{fs, path::Path, process::Command};

use batchyard_objects::sign::sha256_hex;
use serde_json::{Value as Json, json};

use crate::{
    containers::{Podman, not_tested, small_root},
    service::{Service, has_namespaces, job, merge},
    users,
    yard::{Yard, processes_with, wait_for},
};

/// An archive of files: name, mode and text.
fn layer(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, mode, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(*mode);
        archive.append_data(&mut header, name, *bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

/// An archive as `docker save` writes it.
fn saved(tag: &str, layers: &[&[u8]]) -> Vec<u8> {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let digests: Vec<String> = layers.iter().map(|layer| format!("sha256:{}", sha256_hex(layer))).collect();
    let description = json!({
        "architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": digests},
        "config": {"Env": ["PATH=/opt/tools:/bin", "FLAVOUR=image", "WORD=image"], "User": "4711"}
    });
    let description = description.to_string();
    let names: Vec<String> = (0..layers.len()).map(|number| format!("{number}/layer.tar")).collect();
    let manifest = json!([{"Config": "about.json", "RepoTags": [tag], "Layers": names}]).to_string();
    let mut files = vec![("about.json", 0o644, description.as_bytes()), ("manifest.json", 0o644, manifest.as_bytes())];
    files.extend(names.iter().zip(layers).map(|(name, layer)| (name.as_str(), 0o644, *layer)));
    layer(&files)
}

/// This machine's bash and a few programs as the lowest layer of an image.
pub fn base(yard: &Yard) -> Vec<u8> {
    let root = yard.path("base");
    small_root(&root).unwrap();
    packed(&root)
}

fn packed(root: &Path) -> Vec<u8> {
    let output =
        Command::new("tar").args(["--numeric-owner", "--owner=0", "--group=0", "-cf", "-", "-C"]).arg(root).arg(".").output().unwrap();
    assert!(output.status.success());
    output.stdout
}

/// A version of the demo's image: a tool that says which it is, and a note of the first one that the second takes away.
pub fn demo(base: &[u8], version: &str) -> Vec<u8> {
    let tool = format!("#!/bin/bash\necho tool {version}\n");
    let first = layer(&[("opt/tools/tool", 0o755, tool.as_bytes()), ("opt/note", 0o644, b"of the image\n"), ("opt/gone", 0o644, b"")]);
    let second = layer(&[("opt/.wh.gone", 0o644, b"")]);
    saved(&format!("localhost:5000/demo:{version}"), &[base, &first, &second])
}

/// A server whose containers are run by the engine of this configuration.
fn started(yard: &Yard, containers: &str) -> Service {
    yard.write("config/batchyard/config.toml", &format!("[local]\ngrace_seconds = 1\n[containers]\n{containers}\n"));
    let service = Service::start(yard);
    service.put("data", "", b"");
    service
}

const NO_ENGINE: &str = "policy = \"off\"";

/// The configuration of a real podman, if it works here: as itself, or as the docker whose words it knows too.
fn podman(yard: &Yard, engine: &str) -> Option<String> {
    match Podman::new(yard) {
        Ok(podman) => {
            let mut words = vec!["env".to_owned(), format!("CONTAINERS_CONF={}", podman.settings.display())];
            words.extend(podman.words);
            let words = serde_json::to_string(&words).unwrap();
            Some(format!("engine = {engine:?}\ncommand = {words}\narguments = [\"--network\", \"none\"]"))
        }
        Err(reason) => {
            not_tested("podman", &reason);
            None
        }
    }
}

fn finished(service: &Service, id: &str) {
    let state = service.wait(id);
    let task = &service.get(&format!("/jobs/{id}/tasks?Marker&MaxItemCount=1"))["Items"][0]["TaskName"];
    let err = service.object("GET", "data", &format!("logs/stderr.{id}.{}.0", task.as_str().unwrap()), b"").1;
    assert_eq!(state, "Finished", "{err}\n{:?}", service.instances(id, task.as_str().unwrap()));
}

/// The example of the original's guide: an app with an image, and a new version by changing the app.
fn an_app_gets_a_new_tag(yard: &Yard, service: &Service) {
    let base = base(yard);
    service.put("data", "dockers/demo_0.1.tar", &demo(&base, "0.1"));
    service.put("data", "dockers/demo_0.2.tar", &demo(&base, "0.2"));
    service.put("data", "in/a.txt", b"hello\n");
    let docker = |tag: &str| json!({"Image": format!("localhost:5000/demo:{tag}"), "RegistryOSSPath": "oss://data/dockers/"});
    let parameter = |path: &str| json!({"Type": "String", "Default": null, "LocalPath": path, "Description": ""});
    let line = "tool > ${out}; cat ${in} /opt/note >> ${out}; [ ! -e /opt/gone ] && echo $USER $HOME $PWD $FLAVOUR $WORD >> ${out}; \
        mkdir -p /opt/made && echo x > /opt/made/by-the-app";
    let app = json!({
        "Name": "Docker-app-demo", "Description": "", "Daemonize": false, "Docker": docker("0.1"), "CommandLine": line, "EnvVars": {"WORD": "app"},
        "InputParameters": {"in": parameter("/home/in/a.txt")}, "OutputParameters": {"out": parameter("/home/out/result.txt")},
        "Config": {"InstanceType": {"Default": "ecs.sn1.medium", "Description": "", "Overwritable": true}}
    });
    let (code, body) = service.ask("POST", "/apps", Some(&app));
    assert_eq!(code, 201, "{body}");
    let run = || {
        let document = json!({"Name": "run", "Type": "App", "App": {
            "AppName": "Docker-app-demo", "Inputs": {"in": "oss://data/in/a.txt"}, "Outputs": {"out": "oss://data/out.txt"},
            "Logging": {"StdoutPath": "oss://data/logs/", "StderrPath": "oss://data/logs/"}, "Config": {}}});
        finished(service, &service.create("/jobs", &document));
        service.text("data", "out.txt")
    };
    let rest = "hello\nof the image\nroot /root /batchcompute/workdir image app\n";
    assert_eq!(run(), format!("tool 0.1\n{rest}"));
    let (code, body) = service.ask("PUT", "/apps/Docker-app-demo", Some(&json!({"Docker": docker("0.2")})));
    assert_eq!(code, 200, "{body}");
    assert_eq!(run(), format!("tool 0.2\n{rest}"));
    // What one instance writes into the image the next one does not see.
    let shown = json!({"Parameters": {"Command": {"Docker": docker("0.2")}}});
    let id = service.create("/jobs", &job("ls /opt; [ ! -e /home/out ]", 1, &shown));
    finished(service, &id);
    assert_eq!(service.text("data", &format!("logs/stdout.{id}.task.0")), "note\ntools\n");
}

/// Inputs, outputs and logs at the absolute paths that a job names.
fn a_job_sees_and_leaves(service: &Service) {
    service.put("data", "ref/genome.fa", b"ACGT\n");
    service.put("data", "ref/sub/x", b"x");
    let line = "cat /ref/genome.fa /single; echo changed > /ref/genome.fa; echo new > /ref/new; touch /fixed/x 2>/dev/null || echo fixed; \
        echo log > /home/admin/run.log; mkdir -p /home/admin/many/deep; echo 1 > /home/admin/many/deep/one; echo 2 > here.txt; \
        echo 3 > /batchcompute/workdir/there.txt; echo ${BATCHYARD_ACCESS_KEY_SECRET:-none}";
    let more = json!({
        "Parameters": {"Command": {"EnvVars": {
            "BATCH_COMPUTE_DOCKER_IMAGE": "localhost:5000/demo:0.1", "BATCH_COMPUTE_DOCKER_REGISTRY_OSS_PATH": "oss://data/dockers"}}},
        "InputMapping": {"oss://data/ref/": "/ref/", "oss://data/ref/genome.fa": "/single"},
        "Mounts": {"Entries": [{"Source": "oss://data/ref/", "Destination": "/fixed/", "WriteSupport": false}]},
        "LogMapping": {"/home/admin/run.log": "oss://data/mapped/"},
        "OutputMapping": {"/ref/new": "oss://data/new", "/home/admin/many/": "oss://data/many/", "here.txt": "oss://data/here",
            "/batchcompute/workdir/there.txt": "oss://data/there"}
    });
    let id = service.create("/jobs", &job(line, 1, &more));
    finished(service, &id);
    assert_eq!(service.text("data", &format!("logs/stdout.{id}.task.0")), "ACGT\nACGT\nfixed\nnone\n");
    assert_eq!(service.text("data", "ref/genome.fa"), "ACGT\n", "objects are not changed by what sees them");
    for (key, text) in [("new", "new\n"), ("many/deep/one", "1\n"), ("here", "2\n"), ("there", "3\n")] {
        assert_eq!(service.text("data", key), text, "{key}");
    }
    assert_eq!(service.text("data", &format!("mapped/run.log.{id}.task.0")), "log\n");
    // Files of the image that are moved or changed are outputs as a whole.
    let more = json!({
        "Parameters": {"Command": {"Docker": {"Image": "localhost:5000/demo:0.1", "RegistryOSSPath": "oss://data/dockers/"}}},
        "OutputMapping": {"/home/out/tools/tool": "oss://data/moved", "/home/out/note": "oss://data/changed"}
    });
    let id = service.create("/jobs", &job("mv /opt/tools /home/out/; mv /opt/note /home/out/; chmod 600 /home/out/note", 1, &more));
    finished(service, &id);
    assert_eq!(
        (service.text("data", "moved").as_str(), service.text("data", "changed").as_str()),
        ("#!/bin/bash\necho tool 0.1\n", "of the image\n")
    );
    for path in ["/ref", "/single", "/fixed", "/home/admin/many", "/batchcompute"] {
        assert!(!Path::new(path).exists(), "{path}");
    }
}

/// Exit statuses, time limits and a stop end a command in an image as they end any other.
fn commands_end_as_everywhere(yard: &Yard, service: &Service) {
    let image =
        json!({"Parameters": {"Command": {"Docker": {"Image": "localhost:5000/demo:0.1", "RegistryOSSPath": "oss://data/dockers/"}}}});
    let run = |line: &str, more: Json| {
        let mut all = image.clone();
        merge(&mut all, &more);
        service.create("/jobs", &job(line, 1, &all))
    };
    for (line, code) in [("exit 3", 3), ("trap 'exit 5' EXIT; false", 5), ("set -e; false; echo no", 1), ("exec /bin/bash -c 'exit 4'", 4)]
    {
        let id = run(line, json!({}));
        assert_eq!(service.wait(&id), "Failed", "{line}");
        assert_eq!(service.instances(&id, "task")[0]["Result"]["ExitCode"], json!(code), "{line}");
    }
    let number = yard.unique_number();
    let id = run(&format!("sleep {number}"), json!({}));
    wait_for("the command", || processes_with(&["sleep", &number]) == 1);
    assert_eq!(service.ask("POST", &format!("/jobs/{id}/stop"), None).0, 201);
    assert_eq!(service.wait(&id), "Stopped");
    wait_for("the end of the command", || processes_with(&["sleep", &number]) == 0);
}

/// What a command leaves must not be a way to files of this machine.
fn links_are_no_way_out(yard: &Yard, service: &Service) {
    yard.write("secret", "of this machine");
    let secret = yard.path("secret");
    let mut more = json!({
        "Parameters": {"Command": {"Docker": {"Image": "localhost:5000/demo:0.1", "RegistryOSSPath": "oss://data/dockers/"}}},
        "OutputMapping": {"/home/out/": "oss://data/stolen/", "direct": "oss://data/stolen/direct"}
    });
    for line in [format!("echo x > direct; ln -s {0} /home/out/a", secret.display()), format!("ln -s {} direct", secret.display())] {
        let id = service.create("/jobs", &job(&line, 1, &more));
        assert_eq!(service.wait(&id), "Failed", "{line}");
        assert_ne!(service.object("GET", "data", "stolen/direct", b"").1, "of this machine");
        assert_eq!(service.object("GET", "data", "stolen/a", b"").0, 404);
    }
    merge(&mut more, &json!({"OutputMapping": {"/etc/x": "oss://data/x"}}));
    let id = service.create("/jobs", &job("mkdir -p /home/out; echo x > direct; echo x > /etc/x", 1, &more));
    let state = service.wait(&id);
    let told = service.instances(&id, "task")[0]["Result"]["ErrorMessage"].as_str().unwrap().to_owned();
    assert!(state == "Finished" || told.contains("a container needs its own `/etc`"), "{told}");
    assert!(!Path::new("/etc/x").exists());
}

#[test]
fn images_are_unpacked_where_there_is_no_engine() {
    if !has_namespaces() {
        return;
    }
    let yard = Yard::new();
    let service = started(&yard, NO_ENGINE);
    an_app_gets_a_new_tag(&yard, &service);
    a_job_sees_and_leaves(&service);
    commands_end_as_everywhere(&yard, &service);
    links_are_no_way_out(&yard, &service);
    let kept: Vec<String> =
        fs::read_dir(yard.path("home/images")).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(kept.iter().filter(|name| name.len() == 64).count(), 2, "one for each content: {kept:?}");
    for name in kept.iter().filter(|name| name.len() == 64) {
        let root = yard.path("home/images").join(name).join("rootfs");
        assert!(
            root.join("opt/note").exists() && !root.join("opt/made").exists() && !root.join("home").exists(),
            "the image stays as it is"
        );
    }
}

#[test]
fn podman_is_given_images_of_the_object_store() {
    let yard = Yard::new();
    let Some(containers) = podman(&yard, "podman") else { return };
    let service = started(&yard, &containers);
    an_app_gets_a_new_tag(&yard, &service);
    a_job_sees_and_leaves(&service);
    commands_end_as_everywhere(&yard, &service);
    links_are_no_way_out(&yard, &service);
}

/// A command in an image as the user of its account.
fn runs_as_a_user(yard: &Yard, containers: &str) {
    let keys = users::key(yard, "alice", "70005");
    let mut service = started(yard, containers);
    service.keys = keys;
    service.put("alices", "", b"");
    service.put("alices", "dockers/demo_0.1.tar", &demo(&base(yard), "0.1"));
    service.put("alices", "ref/large", &b"line\n".repeat(20_000));
    service.put("alices", "ref/small", b"small\n");
    let line = "cat /proc/self/status | while read -r a b c; do [ $a = Uid: ] && echo $b; done; tool; cat /ref/large | while read -r x; do echo $x; done | \
        { read -r x; echo $x; }; echo changed > /ref/small; echo new > /ref/new; echo x 2>/dev/null > /fixed/small || echo fixed; echo $USER $HOME; \
        echo 1 > /home/admin/many/one; echo 2 > here.txt; echo x 2>/dev/null > /opt/x || echo closed; echo x 2>/dev/null > ../rc || echo kept";
    let more = json!({
        "Parameters": {"StdoutRedirectPath": "oss://alices/logs/", "StderrRedirectPath": "oss://alices/logs/",
            "Command": {"Docker": {"Image": "localhost:5000/demo:0.1", "RegistryOSSPath": "oss://alices/dockers/"}}},
        "InputMapping": {"oss://alices/ref/": "/ref/"},
        "Mounts": {"Entries": [{"Source": "oss://alices/ref/", "Destination": "/fixed/", "WriteSupport": false}]},
        "OutputMapping": {"/ref/new": "oss://alices/new", "/home/admin/many/": "oss://alices/many/", "here.txt": "oss://alices/here"}
    });
    let id = service.create("/jobs", &job(line, 1, &more));
    let state = service.wait(&id);
    let told = service.object("GET", "alices", &format!("logs/stderr.{id}.task.0"), b"").1;
    assert_eq!(state, "Finished", "{told} {:?}", service.instances(&id, "task"));
    let out = service.text("alices", &format!("logs/stdout.{id}.task.0"));
    assert_eq!(out, "70005\ntool 0.1\nline\nfixed\n70005 /batchcompute/workdir\nclosed\nkept\n");
    for (key, text) in [("new", "new\n"), ("many/one", "1\n"), ("here", "2\n"), ("ref/small", "small\n")] {
        assert_eq!(service.text("alices", key), text, "{key}");
    }
    // It is ended like any other.
    let id = service.create("/jobs", &job("sleep 300", 1, &merged(more, json!({"Timeout": 2, "OutputMapping": {}}))));
    assert_eq!(service.wait(&id), "Failed");
    assert_eq!(service.instances(&id, "task")[0]["Result"]["ErrorCode"], "Timeout");
}

fn merged(mut document: Json, more: Json) -> Json {
    merge(&mut document, &more);
    document
}

#[test]
fn commands_in_images_run_as_the_user_of_their_account() {
    if !users::is_root() || !has_namespaces() {
        return;
    }
    let yard = Yard::new();
    runs_as_a_user(&yard, NO_ENGINE);
    let yard = Yard::new();
    let Some(containers) = podman(&yard, "podman") else { return };
    runs_as_a_user(&yard, &containers);
}

/// The guide's own lines, by the SDK that they were written for.
#[test]
fn the_guides_example_holds() {
    if !has_namespaces() {
        return;
    }
    let Some(python) = crate::clients::program("batchcompute", "python3") else { return };
    let yard = Yard::new();
    let service = started(&yard, NO_ENGINE);
    service.put("demo-bucket", "", b"");
    let base = base(&yard);
    for version in ["0.1", "0.2"] {
        service.put("demo-bucket", &format!("dockers/demodockerimage_{version}.tar"), &demo(&base, version));
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/batchcompute_docker_app.py");
    let port = service.api.rsplit(':').next().unwrap();
    let done =
        crate::yard::done(Command::new(python).arg(script).args([port, &service.keys.id, &service.keys.secret]).env("HOME", yard.path("")));
    assert_eq!((done.code, done.out.as_str()), (0, "all hold\n"), "{}", done.err);
    assert_eq!(
        (service.text("demo-bucket", "first.txt"), service.text("demo-bucket", "second.txt")),
        ("tool 0.1\n".into(), "tool 0.2\n".into())
    );
}

/// Images of other people's buckets are theirs.
#[test]
fn images_are_read_with_the_rights_of_the_account() {
    let yard = Yard::new();
    let service = started(&yard, NO_ENGINE);
    service.put("data", "tool.tar", b"not theirs");
    let made = yard.call(&["key", "create", "--account", "other", "--role", "user", "--json"]);
    let made: Json = serde_json::from_str(&made.out).unwrap();
    let other =
        crate::service::Keys { id: made["AccessKeyId"].as_str().unwrap().into(), secret: made["AccessKeySecret"].as_str().unwrap().into() };
    let ask = |method: &str, target: &str, body: Option<&str>| service.ask_as(&other, method, target, body, &crate::service::date(0));
    wait_for("the new key to be known", || ask("GET", "/jobs?Marker", None).0 == 200);
    for path in ["oss://data/tool.tar", "oss://data/", "oss://data/none"] {
        let docker = json!({"Image": "localhost:5000/tool:1", "RegistryOSSPath": path});
        let more = json!({"Parameters": {"Command": {"Docker": docker}, "StdoutRedirectPath": "", "StderrRedirectPath": ""}});
        let (code, body) = ask("POST", "/jobs", Some(&job("true", 1, &more).to_string()));
        assert_eq!(code, 201, "{body}");
        let target = format!("/jobs/{}", body["Id"].as_str().unwrap());
        wait_for("the job to end", || ask("GET", &target, None).1["State"] == "Failed");
        let result = ask("GET", &format!("{target}/tasks/task/instances?Marker&MaxItemCount=1"), None).1["Items"][0]["Result"].clone();
        assert!(result["ErrorMessage"].as_str().unwrap().contains("the bucket belongs to another account"), "{result}");
    }
}

/// Docker has no layers for mounts: what can be written to is a copy.
#[test]
fn the_words_of_docker_do_the_same() {
    let yard = Yard::new();
    let Some(containers) = podman(&yard, "docker") else { return };
    let service = started(&yard, &containers);
    service.put("data", "dockers/demo_0.1.tar", &demo(&base(&yard), "0.1"));
    a_job_sees_and_leaves(&service);
}

/// Whoever is not root gets a root of his own by a namespace for users.
#[test]
fn nobody_can_use_images_too() {
    if !has_namespaces() {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        // Then all other tests have shown it.
        return;
    }
    let nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let allowed = Command::new("setpriv").args(nobody).args(["unshare", "--mount", "--map-root-user", "true"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        return not_tested("user namespaces", "allow unprivileged user namespaces");
    }
    let yard = Yard::new();
    fs::write(yard.path("demo.tar"), demo(&base(&yard), "0.1")).unwrap();
    yard.write("config.toml", "[containers]\npolicy = \"off\"\n");
    // A place that everybody can reach.
    fs::copy(env!("CARGO_BIN_EXE_batchyard"), yard.path("batchyard")).unwrap();
    fs::create_dir(yard.path("home")).unwrap();
    std::os::unix::fs::chown(yard.path("home"), Some(65534), Some(65534)).unwrap();
    fs::set_permissions(yard.path(""), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    // Usually a file system that forbids some things, which must stay forbidden.
    let shared = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
    fs::set_permissions(shared.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let run = || {
        let mut command = Command::new("setpriv");
        command.args(nobody).arg(yard.path("batchyard")).args(["app", "run-local", "demo.tar", "--command"]);
        command.arg("tool; echo x > /opt/note; cat /opt/note; rm -r /opt; mkdir /opt; ls /opt; mkdir /opt/x; chmod 0 /opt/x; [ -e /proc/self/status ] && [ -c /dev/null ] && [ -e /shown ] && echo all");
        command.args(["--mount", &format!("{}:/shown", shared.path().display())]);
        command.current_dir(yard.path("")).env("HOME", yard.path("home")).env("BATCHYARD_HOME", yard.path("home"));
        command.env("BATCHYARD_CONFIG", yard.path("config.toml")).env_remove("BATCHYARD_DATABASE").env_remove("XDG_CONFIG_HOME");
        crate::yard::done(&mut command)
    };
    // The second time from what the first has unpacked.
    for _ in 0..2 {
        let done = run();
        assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (0, "tool 0.1\nx\nall\n", ""));
        assert_eq!(fs::read_dir(yard.path("home/trials")).unwrap().count(), 0);
    }
}

#[test]
fn an_image_without_bash_is_run_by_its_own_shell() {
    let Ok(found) = Command::new("sh").args(["-c", "command -v busybox"]).output() else { return };
    let program = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    let is_static = Command::new("ldd").arg(&program).output().is_ok_and(|output| !output.status.success());
    if program.is_empty() || !is_static {
        return not_tested("busybox", "install busybox-static");
    }
    if !has_namespaces() {
        return;
    }
    let yard = Yard::new();
    let root = yard.path("root");
    fs::create_dir_all(root.join("bin")).unwrap();
    fs::copy(program, root.join("bin/busybox")).unwrap();
    for name in ["sh", "cat", "echo", "mkdir"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(name)).unwrap();
    }
    let image = saved("tiny:latest", &[&packed(&root)]);
    let drive = |service: &Service| {
        service.put("data", "tiny.tar", &image);
        let more = json!({"Parameters": {"Command": {"Docker": {"Image": "localhost:5000/tiny", "RegistryOSSPath": "oss://data/tiny.tar"}}},
            "OutputMapping": {"/home/out/a": "oss://data/a"}});
        for (line, code) in
            [("echo out > /home/out/a; [ -z \"$BASH_VERSION\" ]", 0), ("trap 'exit 6' EXIT; exit 2", 6), ("set -e; false", 1)]
        {
            let id = service.create("/jobs", &job(line, 1, &more));
            let state = service.wait(&id);
            assert_eq!(
                service.instances(&id, "task")[0]["Result"]["ExitCode"],
                json!(code),
                "{line}: {state} {:?}",
                service.instances(&id, "task")
            );
        }
        assert_eq!(service.text("data", "a"), "out\n");
    };
    drive(&started(&yard, NO_ENGINE));
    let other = Yard::new();
    if let Some(containers) = podman(&other, "docker") {
        drive(&started(&other, &containers));
    }
}

#[test]
fn a_command_in_an_image_outlives_its_server() {
    if !has_namespaces() {
        return;
    }
    let yard = Yard::new();
    let service = started(&yard, NO_ENGINE);
    service.put("data", "dockers/demo_0.1.tar", &demo(&base(&yard), "0.1"));
    let more = json!({
        "Parameters": {"Command": {"Docker": {"Image": "localhost:5000/demo:0.1", "RegistryOSSPath": "oss://data/dockers/"}}},
        "OutputMapping": {"/home/out/a": "oss://data/a"}
    });
    let id =
        service.create("/jobs", &job("echo begun >> /home/out/a; while [ ! -e go ]; do sleep 0.05; done; tool >> /home/out/a", 1, &more));
    let work = yard.path("home/jobs");
    let script = || find(&work, "script");
    wait_for("the command to run", || {
        service.get(&format!("/jobs/{id}"))["State"] == "Running" && find(&work, "upper/home/out/a").is_some()
    });
    service.kill();
    let service = Service::start(&yard);
    // The image may be gone meanwhile: what was decided is known.
    assert_eq!(service.object("DELETE", "data", "dockers/demo_0.1.tar", b"").0, 204);
    fs::write(script().unwrap().parent().unwrap().join("work/go"), "").unwrap();
    finished(&service, &id);
    assert_eq!(service.text("data", "a"), "begun\ntool 0.1\n", "it was not run again");
}

/// The first file below a folder whose path ends so.
fn find(folder: &Path, end: &str) -> Option<std::path::PathBuf> {
    for entry in fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        if path.ends_with(end) && path.is_file() {
            return Some(path);
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir())
            && let Some(found) = find(&path, end)
        {
            return Some(found);
        }
    }
    None
}

/// A command in an archive's image with mounts, a variable and a folder that is kept.
fn tried(yard: &Yard) {
    fs::write(yard.path("demo.tar"), demo(&base(yard), "0.1")).unwrap();
    yard.write("in/a.txt", "hello\n");
    let line = "tool; cat /data/a.txt /one; echo $WORD $HOME $PWD >&2; echo kept > left; touch /data/x 2>/dev/null || exit 3";
    let mut words = vec!["app", "run-local", "demo.tar", "--command", line, "--mount", "in:/data/", "--mount", "in/a.txt:/one"];
    words.extend(["--env", "WORD=mine", "--workdir", "work"]);
    let done = yard.call(&words);
    assert_eq!((done.code, done.out.as_str()), (3, "tool 0.1\nhello\nhello\n"), "{}", done.err);
    assert_eq!(done.err, "mine /root /batchcompute/workdir\n");
    assert_eq!(yard.read("work/left"), "kept\n");
    assert_eq!(fs::read_dir(yard.path("home/trials")).unwrap().count(), 0);
}

#[test]
fn an_image_is_tried_on_this_machine() {
    let with_podman = Yard::new();
    if let Some(containers) = podman(&with_podman, "podman") {
        with_podman.write("config/batchyard/config.toml", &format!("[containers]\n{containers}\n"));
        tried(&with_podman);
    }
    if !has_namespaces() {
        return;
    }
    let yard = Yard::new();
    yard.write("config/batchyard/config.toml", "[containers]\npolicy = \"off\"\n");
    tried(&yard);
    for (words, told) in [
        (["demo.tar", "--command", "true", "--mount", "none:/x"], "cannot show `none`"),
        (["demo.tar", "--command", "true", "--mount", "in/a.txt:/x/"], "is a file"),
        (["demo.tar", "--command", "true", "--mount", "in:x"], "absolute path"),
        (["none.tar", "--command", "true", "--env", "A=1"], "there is no `none.tar`"),
        (["ubuntu:22.04", "--command", "true", "--env", "A=1"], "needs a container engine"),
        (["in/a.txt", "--command", "true", "--env", "A=1"], "is not usable"),
    ] {
        let done = yard.call(&[["app", "run-local"].as_slice(), &words].concat());
        assert!(done.code == 2 && done.err.contains(told), "{words:?}: {}", done.err);
    }
}

/// An app in an archive's image with files for its parameters.
fn app_tried(yard: &Yard) {
    fs::write(yard.path("demo.tar"), demo(&base(yard), "0.1")).unwrap();
    yard.write("in/a.txt", "hello\n");
    let app = json!({
        "Name": "a", "Docker": {"Image": "localhost:5000/demo:0.1"}, "EnvVars": {"WHERE": "${one}"},
        "CommandLine": "tool > ${res}; cat ${one} $WHERE >> ${res}; echo ${text} $n > ${all}x; mkdir ${all}d; echo deep > ${all}d/y",
        "InputParameters": {"one": {"LocalPath": "/data/"}, "n": {"Type": "Number", "Default": 3}, "text": {}},
        "OutputParameters": {"res": {"LocalPath": "/out/res.txt"}, "all": {"LocalPath": "/all/"}}
    });
    yard.write("app.json", &app.to_string());
    let call = |words: &[&str]| yard.call(&[["app", "run-local", "demo.tar", "--app", "app.json"].as_slice(), words].concat());
    let done = call(&["--input", "one=in/a.txt", "--input", "text=some words", "--output", "res=kept/r.txt", "--output", "all=kept/all"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(yard.read("kept/r.txt"), "tool 0.1\nhello\nhello\n");
    assert_eq!((yard.read("kept/all/x"), yard.read("kept/all/d/y")), ("some words 3\n".into(), "deep\n".into()));
    assert_eq!(fs::read_dir(yard.path("home/trials")).unwrap().count(), 0);
    for (words, told) in [
        (["--input", "one=in/a.txt", "--input", "n=many"].as_slice(), "`--input n` must be a Number"),
        (&["--input", "one=none", "--input", "text=x"], "cannot show `none`"),
        (&["--input", "two=x", "--output", "other=x"], "`--output.other` is no parameter of the app"),
        (&["--input", "one"], "must be NAME=VALUE"),
    ] {
        let done = call(words);
        assert!(done.code == 2 && done.err.contains(told), "{words:?}: {}", done.err);
    }
}

#[test]
fn an_app_is_tried_on_this_machine() {
    let with_podman = Yard::new();
    if let Some(containers) = podman(&with_podman, "podman") {
        with_podman.write("config/batchyard/config.toml", &format!("[containers]\n{containers}\n"));
        app_tried(&with_podman);
    }
    if has_namespaces() {
        let yard = Yard::new();
        yard.write("config/batchyard/config.toml", "[containers]\npolicy = \"off\"\n");
        app_tried(&yard);
    }
}

#[test]
fn images_that_cannot_be_used_are_explained() {
    let yard = Yard::new();
    let service = started(&yard, NO_ENGINE);
    service.put("data", "noise.tar", b"no archive");
    let docker = |image: &str, path: &str| {
        let mut docker = json!({"Image": image});
        if !path.is_empty() {
            docker["RegistryOSSPath"] = path.into();
        }
        job("true", 1, &json!({"Parameters": {"Command": {"Docker": docker}}}))
    };
    for (image, path, words) in [
        ("localhost:5000/none:1", "oss://data/dockers/", "looked for `oss://data/dockers/none_1.tar`"),
        ("localhost:5000/none:1", "oss://nowhere/", "bucket `nowhere` does not exist"),
        ("localhost:5000/none:1", "oss://data/noise.tar", "`oss://data/noise.tar` is not usable"),
        ("ubuntu:22.04", "", "the image `ubuntu:22.04` needs a container engine"),
    ] {
        let id = service.create("/jobs", &docker(image, path));
        assert_eq!(service.wait(&id), "Failed", "{image}");
        let result = service.instances(&id, "task")[0]["Result"].clone();
        assert_eq!(result["ErrorCode"], "InvalidImage");
        assert!(result["ErrorMessage"].as_str().unwrap().contains(words), "{result}");
    }
    for (image, path, words) in [
        ("localhost:5000/a:1", "/dockers/", "RegistryOSSPath` must be an address"),
        ("localhost:5000/../a", "oss://data/d/", "Docker.Image` `localhost:5000/../a` is no name"),
        ("", "oss://data/d/", "Docker.Image` is missing"),
        ("--privileged", "", "Docker.Image` is no name of an image"),
    ] {
        let (code, body) = service.ask("POST", "/jobs", Some(&docker(image, path)));
        assert_eq!(code, 400, "{image}");
        assert!(body["Message"].as_str().unwrap().contains(words), "{body}");
    }
}

/// The load of an image by an engine may take hours: who stops its job ends it.
#[test]
fn a_job_is_stopped_while_its_image_is_loaded() {
    use std::os::unix::fs::PermissionsExt;

    let yard = Yard::new();
    let number = yard.unique_number();
    let fake = format!("#!/bin/bash\ncase $1 in image) exit 1 ;; load) sleep {number} ;; esac\n");
    let program = yard.write("docker", &fake);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let service = started(&yard, &format!("engine = \"docker\"\ncommand = [{:?}]", program.display().to_string()));
    service.put("data", "images/demo_1.tar", &saved("localhost:5000/demo:1", &[&layer(&[("bin/sh", 0o755, b"")])]));
    let more = json!({"Parameters": {"Command": {"EnvVars": {
        "BATCH_COMPUTE_DOCKER_IMAGE": "localhost:5000/demo:1", "BATCH_COMPUTE_DOCKER_REGISTRY_OSS_PATH": "oss://data/images/"
    }}}});
    let id = service.create("/jobs", &job("true", 1, &more));
    // Another one waits for the same image.
    let other = service.create("/jobs", &job("true", 1, &more));
    wait_for("the load", || processes_with(&["sleep", &number]) == 1);
    for job in [&other, &id] {
        assert_eq!(service.ask("POST", &format!("/jobs/{job}/stop"), None).0, 201);
        assert_eq!(service.wait(job), "Stopped");
    }
    wait_for("the end of the load", || processes_with(&["sleep", &number]) == 0);
    // What it held is free again.
    let next = service.create("/jobs", &job("true", 4, &json!({})));
    assert_eq!(service.wait(&next), "Finished");
}
