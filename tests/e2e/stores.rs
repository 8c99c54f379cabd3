//! Stores of others behind `oss://` and `s3://` URLs: another server's object store, an S3 server that others have written, a
//! folder. Each with workflows of the command line and of a server, and with jobs.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::{Value as Json, json};

use crate::{
    clients::program,
    http::Server,
    images::{base, demo},
    jobs::package,
    service::{Keys, Service, has_namespaces, job},
    yard::{Yard, lines, wait_for},
};

/// Bucket of the stores.
const FAR: &str = "far";

/// A store of somebody else.
enum Other {
    /// Another server's object store, spoken to by a scheme.
    Batchyard { _yard: Yard, there: Service, scheme: &'static str },
    /// The S3 server of moto.
    Moto(Moto),
    /// A folder, in a yard of its own.
    Folder(Yard),
}

/// A running moto.
struct Moto {
    child: Child,
    url: String,
    keys: Keys,
    python: PathBuf,
    _yard: Yard,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Moto {
    /// `first_checked` says from which request on signatures and rights are checked.
    fn start(first_checked: &str) -> Option<Moto> {
        let (program, python) = (program("moto", "moto_server")?, program("moto", "python3")?);
        let yard = Yard::new();
        let log = fs::File::create(yard.path("moto.log")).unwrap();
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", "0"]).env("INITIAL_NO_AUTH_ACTION_COUNT", first_checked);
        let mut child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut url = String::new();
        wait_for("moto to listen", || {
            assert!(child.try_wait().unwrap().is_none(), "{}", yard.read("moto.log"));
            let told = yard.read("moto.log");
            url = told.split("Running on ").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap_or_default().to_owned();
            !url.is_empty()
        });
        let mut moto = Moto { child, url, keys: Keys { id: String::new(), secret: String::new() }, python, _yard: yard };
        let keys: Json = serde_json::from_slice(&moto.ask(&["setup", FAR], b"")).unwrap();
        let text = |name: &str| keys[name].as_str().unwrap().to_owned();
        moto.keys = Keys { id: text("id"), secret: text("secret") };
        Some(moto)
    }

    fn ask(&self, words: &[&str], given: &[u8]) -> Vec<u8> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/moto_session.py");
        let mut command = Command::new(&self.python);
        command.arg(script).arg(&self.url).args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(given).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    }
}

impl Other {
    fn batchyard(scheme: &'static str) -> Other {
        let yard = Yard::new();
        let service = Service::start(&yard);
        service.put(FAR, "", b"");
        Other::Batchyard { _yard: yard, there: service, scheme }
    }

    fn folder() -> Other {
        let yard = Yard::new();
        fs::create_dir(yard.path(FAR)).unwrap();
        Other::Folder(yard)
    }

    fn url(&self, key: &str) -> String {
        let scheme = match self {
            Other::Batchyard { scheme, .. } => scheme,
            Other::Moto(_) => "s3",
            Other::Folder(_) => "oss",
        };
        format!("{scheme}://{FAR}/{key}")
    }

    /// The entry of a configuration for it.
    fn entry(&self) -> String {
        let url = self.url("");
        let service = |endpoint: &str, keys: &Keys| {
            let Keys { id, secret } = keys;
            format!("[[stores]]\nurl = {url:?}\nendpoint = {endpoint:?}\naccess_key_id = {id:?}\naccess_key_secret = {secret:?}\n")
        };
        match self {
            Other::Batchyard { there, .. } => service(&there.oss, &there.keys),
            Other::Moto(moto) => service(&moto.url, &moto.keys),
            Other::Folder(yard) => format!("[[stores]]\nurl = {url:?}\nfolder = {:?}\n", yard.path(FAR)),
        }
    }

    fn put(&self, key: &str, bytes: &[u8]) {
        match self {
            Other::Batchyard { there, .. } => there.put(FAR, key, bytes),
            Other::Moto(moto) => drop(moto.ask(&["put", FAR, key, &moto.keys.id, &moto.keys.secret], bytes)),
            Other::Folder(yard) => {
                let path = yard.path(FAR).join(key);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
        }
    }

    fn text(&self, key: &str) -> String {
        match self {
            Other::Batchyard { there, .. } => there.text(FAR, key),
            Other::Moto(moto) => String::from_utf8(moto.ask(&["get", FAR, key, &moto.keys.id, &moto.keys.secret], b"")).unwrap(),
            Other::Folder(yard) => fs::read_to_string(yard.path(FAR).join(key)).unwrap(),
        }
    }

    fn keys(&self) -> Option<&Keys> {
        match self {
            Other::Batchyard { there, .. } => Some(&there.keys),
            Other::Moto(moto) => Some(&moto.keys),
            Other::Folder(_) => None,
        }
    }

    /// The file that is an object of a folder.
    fn file(&self, key: &str) -> Option<PathBuf> {
        match self {
            Other::Folder(yard) => Some(yard.path(FAR).join(key)),
            _ => None,
        }
    }

    /// A yard that knows it.
    fn near(&self) -> Yard {
        configured(&self.entry())
    }

    fn key_of(&self, url: &Json) -> String {
        let url = url.as_str().unwrap();
        assert!(url.starts_with(&self.url("")), "{url} is not there");
        url.replacen(&self.url(""), "", 1)
    }
}

/// A yard with this configuration.
fn configured(text: &str) -> Yard {
    let yard = Yard::new();
    yard.write("config/batchyard/config.toml", text);
    yard
}

const COUNT: &str = "version 1.0\n\
    workflow wf { input { File words String ran } call count { input: words = words, ran = ran } output { File number = count.number } }\n\
    task count { input { File words String ran }\n\
    command <<< echo ran >> ~{ran}; wc -w < ~{words} > number; head -c 5 ~{words} >&2 >>>\n\
    output { File number = \"number\" } }\n";

/// Who takes up a task that has begun does not ask for what was brought for it: its command is the same as before.
fn goes_on_with_what_it_has(other: &Other, yard: &Yard, bam: &str) {
    other.put("in/a.bam.sum", b"first");
    let wdl = "version 1.1\ntask t { input { File bam File index = bam + \".bai\" } String sum = read_string(bam + \".sum\") command <<<\n\
               echo x >> LOG; while [ ! -e LOG.go ]; do sleep 0.05; done; echo ~{sum} >>> output { String said = read_string(stdout()) } }";
    yard.write("begun.wdl", &wdl.replace("LOG", yard.path("begun").to_str().unwrap()));
    let mut child = yard.start(&["run", "begun.wdl", "-d", "begun-run", bam]);
    wait_for("the task", || yard.path("begun").exists() || child.try_wait().unwrap().is_some());
    child.kill().unwrap();
    child.wait().unwrap();
    other.put("in/a.bam.sum", b"second");
    yard.write("begun.go", "");
    wait_for("its end", || yard.path("begun-run/call-t/execution/rc").exists());
    let resumed = yard.call(&["resume", "last"]);
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    assert_eq!((yard.show("last")["outputs"]["t.said"].clone(), lines(&yard.path("begun")).len()), (json!("first"), 1));
}

fn workflows_of_the_command_line(other: &Other) {
    let yard = other.near();
    other.put("in/words.txt", b"one two three");
    yard.write("wf.wdl", COUNT);
    let ran = yard.path("ran");
    yard.write("inputs.json", &json!({"wf.words": other.url("in/words.txt"), "wf.ran": ran}).to_string());
    let options = json!({
        "final_workflow_outputs_dir": other.url("final"), "final_workflow_outputs_dir_metadata": "destination",
        "use_relative_output_paths": true, "final_call_logs_dir": other.url("logs/")
    });
    yard.write("options.json", &options.to_string());
    let run = |number: u32| yard.outputs(&["run", "wf.wdl", "-i", "inputs.json", "-o", "options.json", "-d", &format!("run-{number}")]);
    let outputs = run(1);
    assert_eq!(outputs["wf.number"], other.url("final/number"));
    assert_eq!(other.text("final/number").trim(), "3");
    run(2);
    assert_eq!(lines(&ran).len(), 1, "the second run takes the results of the first");
    other.put("in/words.txt", b"one two three four");
    run(3);
    assert_eq!((lines(&ran).len(), other.text("final/number").trim()), (2, "4"));
    // What a task makes of the name of an object lies beside that.
    other.put("in/a.bam", b"reads\n");
    other.put("in/a.bam.bai", b"index\n");
    let beside = "version 1.1\ntask t { input { File bam File index = sub(bam, \"$\", \".END\") } command <<< cat ~{index} >>>\n\
                  output { String said = read_string(stdout()) } }";
    yard.write("beside.wdl", &beside.replace("END", "bai"));
    let bam = format!("bam={}", other.url("in/a.bam"));
    let was_cached = || yard.call(&["show", "last"]).out.contains("cached");
    assert_eq!(yard.outputs(&["run", "beside.wdl", &bam])["t.said"], "index");
    assert!(!was_cached());
    assert_eq!(yard.outputs(&["run", "beside.wdl", &bam])["t.said"], "index");
    assert!(was_cached(), "the same index, and no earlier result");
    other.put("in/a.bam.bai", b"another\n");
    assert_eq!(yard.outputs(&["run", "beside.wdl", &bam])["t.said"], "another");
    assert!(!was_cached(), "another index, and an earlier result");
    // What the command makes as long as it is not there.
    let made = "version 1.1\ntask t { input { File bam } File sum = bam + \".sum\" command <<< [ -e ~{sum} ] || echo made > ~{sum}; cat ~{sum} >>>\n\
                output { String said = read_string(stdout()) } }";
    yard.write("made.wdl", made);
    assert_eq!(yard.outputs(&["run", "made.wdl", &bam])["t.said"], "made");
    assert_eq!((yard.outputs(&["run", "made.wdl", &bam])["t.said"].clone(), was_cached()), (json!("made"), true));
    other.put("in/a.bam.sum", b"given\n");
    assert_eq!((yard.outputs(&["run", "made.wdl", &bam])["t.said"].clone(), was_cached()), (json!("given"), false));
    yard.write("beside.wdl", &beside.replace("END", "csi"));
    let failed = yard.call(&["run", "beside.wdl", &bam]);
    assert!(failed.code == 1 && failed.err.contains(&other.url("in/a.bam.csi")), "{}", failed.err);
    goes_on_with_what_it_has(other, &yard, &bam);
    // A document that is there, and imports another one there.
    other.put(
        "wdl/main.wdl",
        b"version 1.0\nimport \"lib/count.wdl\" as lib\nworkflow main { call lib.one output { String said = one.said } }",
    );
    other.put("wdl/lib/count.wdl", b"version 1.0\ntask one { command <<< echo there >>> output { String said = read_string(stdout()) } }");
    assert_eq!(yard.outputs(&["run", &other.url("wdl/main.wdl")])["main.said"], "there");
}

const LIST: &str = "version 1.0\n\
    workflow wf { input { File list } scatter (line in read_lines(list)) { call show { input: file = line } } output { Array[File] shown = show.shown } }\n\
    task show { input { File file } command <<< cat ~{file} | tr a-z A-Z > shown; echo told >>> output { File shown = \"shown\" } }\n";

fn workflows_of_a_server(other: &Other) {
    let yard = other.near();
    for name in ["a", "b"] {
        other.put(&format!("in/{name}.txt"), format!("text of {name}\n").as_bytes());
    }
    other.put("in/list.txt", format!("{}\n{}\n", other.url("in/a.txt"), other.url("in/b.txt")).as_bytes());
    let server = Server::start(&yard, &[]);
    let options = json!({
        "final_workflow_outputs_dir": other.url("final/"), "final_workflow_outputs_dir_metadata": "destination",
        "final_workflow_log_dir": other.url("wflogs"), "final_call_logs_dir": other.url("calls")
    });
    let options = options.to_string();
    let id = server.run(LIST, &json!({"wf.list": other.url("in/list.txt")}), &[("workflowOptions", options.as_bytes())]);
    let metadata = server.about(&id, "metadata");
    let shown: Vec<String> = metadata["outputs"]["wf.shown"].as_array().unwrap().iter().map(|url| other.text(&other.key_of(url))).collect();
    assert_eq!(shown, ["TEXT OF A\n", "TEXT OF B\n"]);
    assert_eq!(other.text(&format!("calls/wf/{id}/call-show/shard-0/execution/stdout")), "told\n");
    let log = other.key_of(&metadata["workflowLog"]);
    assert_eq!(log, format!("wflogs/workflow.{id}.log"));
    // It is copied after the end is told, and before the server ends.
    server.terminate();
    assert!(!other.text(&log).is_empty());
}

fn jobs(other: &Other) {
    if !has_namespaces() {
        return;
    }
    let yard = other.near();
    other.put("in/deep/one.txt", b"1\n");
    other.put("in/two.txt", b"2\n");
    other.put("worker.tar.gz", &package(&[("add.sh", "cat /home/in/deep/one.txt /home/in/two.txt $1 > $2; echo said")]));
    let near = Service::start(&yard);
    let task = json!({
        "Parameters": {
            "Command": {"CommandLine": "sh add.sh /home/three.txt /home/out/all.txt && cp /home/out/all.txt total.txt && echo log > /home/x.log",
                "PackagePath": other.url("worker.tar.gz")},
            "StdoutRedirectPath": other.url("logs/"), "StderrRedirectPath": other.url("logs/"),
        },
        "InputMapping": {other.url("in/"): "/home/in/", other.url("in/two.txt"): "/home/three.txt"},
        "OutputMapping": {"/home/out/": other.url("out/"), "total.txt": other.url("total.txt")},
        "LogMapping": {"/home/x.log": other.url("logs/")},
    });
    for write in [true, false] {
        let mut task = task.clone();
        task["WriteSupport"] = json!(write);
        let id = near.create("/jobs", &job("", 1, &task));
        assert_eq!(near.wait(&id), "Finished", "{}", near.get(&format!("/jobs/{id}/tasks/task/instances/0")));
        assert_eq!((other.text("out/all.txt"), other.text("total.txt")), ("1\n2\n2\n".into(), "1\n2\n2\n".into()));
        assert_eq!(other.text(&format!("logs/stdout.{id}.task.0")), "said\n");
        assert_eq!(other.text(&format!("logs/x.log.{id}.task.0")), "log\n");
    }
}

/// Keys whose characters mean something in URLs and signatures.
fn odd_names(other: &Other) {
    let yard = other.near();
    let name = "odd é 字 +%2B&=?#~'(1).txt";
    yard.write("odd.wdl", &format!("version 1.0\ntask t {{ command <<< echo odd > \"{name}\" >>> output {{ File f = \"{name}\" }} }}"));
    let options = json!({
        "final_workflow_outputs_dir": other.url("a b"), "final_workflow_outputs_dir_metadata": "destination", "use_relative_output_paths": true
    });
    yard.write("options.json", &options.to_string());
    let url = yard.outputs(&["run", "odd.wdl", "-o", "options.json"])["t.f"].as_str().unwrap().to_owned();
    assert_eq!(url, other.url(&format!("a b/{name}")));
    yard.write("read.wdl", READ);
    assert_eq!(yard.outputs(&["run", "read.wdl", &format!("f={url}")])["read.text"], "odd");
}

fn all_of(other: &Other) {
    odd_names(other);
    workflows_of_the_command_line(other);
    workflows_of_a_server(other);
    jobs(other);
}

#[test]
fn the_object_store_of_another_server() {
    all_of(&Other::batchyard("oss"));
}

#[test]
fn the_same_as_s3() {
    all_of(&Other::batchyard("s3"));
}

#[test]
fn an_s3_server_of_others() {
    // Its check of signatures is wrong about prefixes with slashes.
    if let Some(moto) = Moto::start("1000000") {
        all_of(&Other::Moto(moto));
    }
}

#[test]
fn a_folder() {
    all_of(&Other::folder());
}

const READ: &str = "version 1.0\nworkflow read { input { File f } output { String text = read_string(f) } }";

/// Results in the server's own store, and in a folder by its URL; a place where nothing can be stored.
#[test]
fn results_go_where_a_url_says() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let words = yard.write("words.txt", "one two");
    let inputs = json!({"wf.words": format!("file://{}", words.display()), "wf.ran": yard.path("ran")});
    let go = |target: &str| {
        let options = json!({"final_workflow_outputs_dir": target, "use_relative_output_paths": true}).to_string();
        let id = server.submit(COUNT, &inputs, &[("workflowOptions", options.as_bytes())]);
        (server.wait(&id), id)
    };
    assert_eq!(go("oss://batchyard/out").0, "Succeeded");
    let id = server.run(READ, &json!({"read.f": "oss://batchyard/out/number"}), &[]);
    assert_eq!(server.about(&id, "outputs")["outputs"]["read.text"], "2");
    assert_eq!(go(&format!("file://{}", yard.path("out").display())).0, "Succeeded");
    assert_eq!(yard.read("out/number").trim(), "2");
    let (state, id) = go("gs://bucket/out");
    assert_eq!(state, "Failed");
    has(
        &server.about(&id, "metadata").to_string(),
        &["cannot use final_workflow_outputs_dir `gs://bucket/out`", "nothing can be stored there"],
    );
}

#[test]
fn a_configuration_of_the_original_names_a_store() {
    let other = Other::batchyard("oss");
    other.put("f.txt", b"text");
    let Keys { id, secret } = other.keys().unwrap();
    let Other::Batchyard { there, .. } = &other else { return };
    let auth = format!("{{ mode = default, endpoint = \"{}\", access-id = \"{id}\", access-key = \"{secret}\" }}", there.oss);
    let yard = Yard::new();
    yard.write("bcs.conf", &format!("engine {{ filesystems {{ oss {{ auth {auth} }} }} }}\n"));
    yard.write("read.wdl", READ);
    let outputs = yard.outputs(&["--config", "bcs.conf", "run", "read.wdl", &format!("f={}", other.url("f.txt"))]);
    assert_eq!(outputs["read.text"], "text");
    let shown = yard.call(&["--config", "bcs.conf", "config", "show"]);
    assert!(shown.out.contains(&format!("oss:// at {} as {id}", there.oss)) && !shown.out.contains(secret.as_str()), "{}", shown.out);
}

const WORKFLOW: &str = "version 1.0\nworkflow wf { input { File f } call copy { input: f = f } output { File out = copy.out } }\n\
    task copy { input { File f } command <<< cp ~{f} out.txt >>> output { File out = \"out.txt\" } }";

/// Images of jobs, and the app that carries out workflows.
#[test]
fn images_and_apps_find_everything_there() {
    if !has_namespaces() {
        return;
    }
    let other = Other::batchyard("s3");
    let yard = configured(&format!("{}[containers]\npolicy = \"off\"\n", other.entry()));
    other.put("dockers/demo_0.1.tar", &demo(&base(&yard), "0.1"));
    other.put("wf.wdl", WORKFLOW.as_bytes());
    other.put("in.txt", b"in\n");
    other.put("inputs.json", json!({"wf.f": other.url("in.txt")}).to_string().as_bytes());
    let near = Service::start(&yard);
    let docker = json!({"Image": "localhost:5000/demo:0.1", "RegistryOSSPath": other.url("dockers/")});
    let task = json!({
        "Parameters": {"Command": {"Docker": docker}, "StdoutRedirectPath": other.url("logs/"), "StderrRedirectPath": other.url("logs/")},
        "InputMapping": {other.url("in.txt"): "/home/in.txt"}, "OutputMapping": {"/home/out.txt": other.url("out.txt")}
    });
    for _ in 0..2 {
        let id = near.create("/jobs", &job("tool; cat /home/in.txt > /home/out.txt", 1, &task));
        assert_eq!(near.wait(&id), "Finished", "{}", near.get(&format!("/jobs/{id}/tasks/task/instances/0")));
        assert_eq!((other.text(&format!("logs/stdout.{id}.task.0")), other.text("out.txt")), ("tool 0.1\n".into(), "in\n".into()));
    }
    let app = json!({
        "Name": "wf", "Type": "App", "App": {
            "AppName": ":cromwell",
            "Inputs": {"WDL": other.url("wf.wdl"), "WORKFLOW_INPUTS": other.url("inputs.json"), "WORKING_DIR": other.url("tree/")},
            "Outputs": {"OUTPUTS_DIR": other.url("results/")},
            "Logging": {"StdoutPath": other.url("logs/"), "StderrPath": other.url("logs/")},
            "Config": {"InstanceType": "ecs.sn1.medium"}
        }
    });
    let id = near.create("/jobs", &app);
    assert_eq!(near.wait(&id), "Finished", "{:?}", near.instances(&id, "task"));
    let metadata: Json = serde_json::from_str(&other.text("results/workflow_metadata.json")).unwrap();
    let out = other.key_of(&metadata["outputs"]["wf.out"]);
    assert!(out.starts_with("tree/wf/") && out.ends_with("/call-copy/execution/out.txt"), "{out}");
    assert_eq!(other.text(&out), "in\n");
}

/// What `run` says about an input that cannot be had.
fn told(yard: &Yard, url: &str) -> String {
    yard.write("cat.wdl", "version 1.0\ntask t { input { File f } command <<< cat ~{f} >>> }");
    let done = yard.call(&["run", "cat.wdl", &format!("f={url}")]);
    assert_eq!(done.code, 2, "{}\n{}", done.out, done.err);
    done.err
}

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

fn wrong_keys_and_names(other: &Other) {
    let keys = other.keys().unwrap();
    let url = other.url("in/none.txt");
    has(&told(&other.near(), &url), &[&format!("`{url}` does not exist in its store (http://")]);
    let (secret, entry) = (&keys.secret, other.entry());
    other.put("in/there.txt", b"x");
    let near = configured(&entry.replace(secret, "wrong"));
    let wrong = told(&near, &other.url("in/there.txt"));
    has(&wrong, &["is refused by its store", "SignatureDoesNotMatch", "check access key and secret"]);
    assert!(!wrong.contains(secret.as_str()));
    let elsewhere = configured(&entry.replace(&other.url(""), &other.url("").replace(FAR, "faraway")));
    has(&told(&elsewhere, &other.url("x").replace(FAR, "faraway")), &["the bucket of", "does not exist"]);
}

#[test]
fn what_is_wrong_is_told() {
    let there = Other::batchyard("oss");
    wrong_keys_and_names(&there);
    if let Some(moto) = Moto::start("3") {
        wrong_keys_and_names(&Other::Moto(moto));
    }
    // Nobody listens there any more.
    let (entry, url) = (there.entry(), there.url("in/there.txt"));
    drop(there);
    has(&told(&configured(&entry), &url), &["cannot be reached (http://127.0.0.1:", "Connection refused", "check its `endpoint`"]);
    has(&told(&Yard::new(), "s3://nowhere/x"), &["no store is configured for `s3://nowhere/x`", "[[stores]]", "url = \"s3://nowhere\""]);
    let broken = configured("[[stores]]\nurl = \"s3://b\"\nregion = \"x\"\nsecret = \"y\"\n");
    let done = broken.call(&["config", "show"]);
    assert_eq!(done.code, 2, "{}", done.err);
    has(&done.err, &["unknown field `secret`"]);
}

#[test]
fn secrets_are_not_shown() {
    let entry = "[[stores]]\nurl = \"s3://b\"\nregion = \"x\"\naccess_key_id = \"me\"\naccess_key_secret = \"sesame\"\nread_only = true\n";
    let shown = configured(entry).call(&["config", "show"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    has(&shown.out, &["s3://b at https://s3.x.amazonaws.com as me (secret ***), read-only"]);
    assert!(!shown.out.contains("sesame") && !shown.err.contains("sesame"));
}

#[test]
fn rights_hold_for_jobs() {
    if !has_namespaces() {
        return;
    }
    let other = Other::folder();
    other.put("x.txt", b"x\n");
    let closed = format!("{}accounts = [\"somebody\"]\n", other.entry());
    let read_only = format!("[[stores]]\nurl = \"s3://{FAR}\"\nread_only = true\nfolder = {:?}\n", other.file("").unwrap());
    let yard = configured(&(closed + &read_only));
    let made = yard.call(&["key", "create", "--account", "ann", "--json"]);
    assert_eq!(made.code, 0, "{}", made.err);
    let key: Json = serde_json::from_str(&made.out).unwrap();
    let text = |name: &str| key[name].as_str().unwrap().to_owned();
    let ann = Keys { id: text("AccessKeyId"), secret: text("AccessKeySecret") };
    let admin = Service::start(&yard);
    let ask = |task: Json| {
        let mut task = task;
        task["Parameters"]["StdoutRedirectPath"] = json!("");
        task["Parameters"]["StderrRedirectPath"] = json!("");
        let (code, body) =
            admin.ask_as(&ann, "POST", "/jobs", Some(&job("cat /home/x.txt", 1, &task).to_string()), &crate::service::date(0));
        assert_eq!(code, 201, "{body}");
        let id = body["Id"].as_str().unwrap().to_owned();
        let mut found = Json::Null;
        wait_for("the job to end", || {
            let target = format!("/jobs/{id}/tasks/task/instances/0");
            found = admin.ask_as(&ann, "GET", &target, None, &crate::service::date(0)).1;
            ["Finished", "Failed"].contains(&found["State"].as_str().unwrap_or_default())
        });
        found.to_string()
    };
    let refused = ask(json!({"InputMapping": {other.url("x.txt"): "/home/x.txt"}}));
    has(&refused, &["is in a store that is not open to the account `ann`"]);
    let refused = ask(json!({
        "InputMapping": {format!("s3://{FAR}/x.txt"): "/home/x.txt"}, "OutputMapping": {"/home/x.txt": format!("s3://{FAR}/y.txt")}
    }));
    has(&refused, &["is only read here"]);
    assert!(!other.file("y.txt").unwrap().exists());
    let unknown = ask(json!({"InputMapping": {"oss://nowhere/x.txt": "/home/x.txt"}}));
    has(&unknown, &["bucket `nowhere` does not exist", "[[stores]]"]);
}

#[test]
fn a_download_that_was_killed_is_not_used() {
    let other = Other::batchyard("oss");
    let large: Vec<u8> = (0u32..48 << 20).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    other.put("large", &large);
    let yard = other.near();
    yard.write(
        "sum.wdl",
        "version 1.0\ntask t { input { File f } command <<< cksum < ~{f} >>> output { String sum = read_string(stdout()) } }",
    );
    let arguments = ["run", "sum.wdl", &format!("f={}", other.url("large"))];
    let parts = yard.path("home/downloads/stores/.parts");
    let mut child = yard.start(&arguments);
    wait_for("a part of the download", || {
        assert!(child.try_wait().unwrap().is_none(), "it was too fast: {}", yard.read("background.err"));
        let Ok(entries) = fs::read_dir(&parts) else { return false };
        entries.flatten().any(|entry| entry.metadata().is_ok_and(|about| about.len() > 8 << 20))
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let here = yard.path("here");
    fs::write(&here, &large).unwrap();
    let expected = Command::new("sh").args(["-c", "cksum < \"$0\""]).arg(&here).output().unwrap().stdout;
    assert_eq!(yard.outputs(&arguments)["t.sum"].as_str().unwrap(), String::from_utf8_lossy(&expected).trim());
}
