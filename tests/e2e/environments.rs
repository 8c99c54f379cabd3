//! Trees of programs that are laid over this machine for tasks that name an image.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use serde_json::{Value as Json, json};

use crate::{
    http::Server,
    service::has_namespaces,
    yard::{Yard, done, processes_with, wait_for},
};

/// What an image of the past had at fixed places, asked for in the two ways of documents.
const WDL: &str = r#"
task align {
  String tag
  String text
  command { /usr/gitc/align ${text}; /aligner/align again; python --version > version 2>&1; touch /usr/gitc/mark || echo fixed }
  runtime { dockerTag: tag cluster: "OnDemand ecs.sn1.medium img-ubuntu" }
  output { Array[String] said = read_lines(stdout()) }
}
task other {
  command <<< ls /usr/gitc >>>
  runtime { docker: "tools/aligner:2" }
  output { String said = read_string(stdout()) }
}
workflow w {
  String tag = "tools/aligner:1"
  String text = "once"
  call align { input: tag = tag, text = text }
  call other
  output { Array[String] said = align.said String listed = other.said }
}
"#;

fn program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Makes the tree, and [`configure`] has it stand in for images.
pub fn tree(yard: &Yard) {
    program(&yard.path("tree/usr/gitc/align"), "#!/bin/bash\necho \"aligner 1 $MODE $1\"\n");
    program(&yard.path("tree/aligner/align"), "#!/bin/bash\nexec /usr/gitc/align \"$@\"\n");
    fs::create_dir_all(yard.path("tree/usr/local/bin")).unwrap();
    symlink("/usr/bin/env", yard.path("tree/usr/local/bin/python")).unwrap();
}

/// The configuration of a yard with the tree and something more, which comes first.
pub fn configure(yard: &Yard, more: &str) {
    let tree = yard.path("tree");
    let entry = "[[images]]\nmatch = \"tools/aligner:*\"\nname = \"aligner 1 of this machine\"\n";
    yard.write("config/batchyard/config.toml", &format!("{more}\n{entry}root = {tree:?}\nenv = {{ MODE = \"fast\" }}\n"));
}

fn expected() -> Json {
    json!({ "w.said": ["aligner 1 fast once", "aligner 1 fast again", "fixed"], "w.listed": "align" })
}

#[test]
fn programs_are_seen_where_the_image_has_them() {
    if !has_namespaces() {
        return;
    }
    let yard = Yard::new();
    tree(&yard);
    configure(&yard, "");
    yard.write("w.wdl", WDL);
    assert_eq!(yard.outputs(&["run", "w.wdl"]), expected());
    for place in ["/usr/gitc", "/aligner", "/usr/local/bin/python"] {
        assert!(!Path::new(place).exists(), "`{place}` is on the machine itself");
    }
    assert_eq!(fs::read_dir(yard.path("tree/usr/gitc")).unwrap().count(), 1);

    assert_eq!(yard.call(&["cromwell", "run", "w.wdl", "--metadata-output", "meta.json"]).code, 0);
    let metadata: Json = serde_json::from_str(&yard.read("meta.json")).unwrap();
    let mapping = json!({ "requested": "tools/aligner:1", "used": "aligner 1 of this machine", "mode": "host" });
    assert_eq!(metadata["calls"]["w.align"][0]["imageMapping"], mapping);

    // The same again is taken from before, wherever the tree lies; another program is another task.
    fs::rename(yard.path("tree"), yard.path("moved")).unwrap();
    symlink("moved", yard.path("tree")).unwrap();
    let again = yard.call(&["run", "w.wdl"]).err;
    assert!(again.contains("2 from cache"), "an equal tree was not recognised: {again}");
    program(&yard.path("tree/usr/gitc/align"), "#!/bin/bash\necho \"aligner 2 $MODE $1\"\n");
    assert_eq!(yard.outputs(&["run", "w.wdl"])["w.said"][0], "aligner 2 fast once");
    let why: Json = serde_json::from_str(&yard.call(&["why", "last", "align", "--json"]).out).unwrap();
    assert_eq!(why[0]["differences"][0]["part"], "programs");

    fs::remove_file(yard.path("tree")).unwrap();
    let failed = yard.call(&["run", "w.wdl"]);
    assert_eq!(failed.code, 1);
    assert!(failed.err.contains("stands in for an image cannot be used") && failed.err.contains("hint: mend `root`"), "{}", failed.err);
}

#[test]
fn other_programs_start_in_such_a_root_too() {
    if !has_namespaces() {
        return;
    }
    let yard = Yard::new();
    tree(&yard);
    let provider = "[[providers]]\nname = \"Shell\"\nrun-in-background = true\nsubmit = \"/bin/bash ${script}\"\n";
    configure(&yard, &format!("default_provider = \"Shell\"\n{provider}"));
    yard.write("w.wdl", WDL);
    assert_eq!(yard.outputs(&["run", "w.wdl"]), expected());
    // Without the tree's place a namespace makes no sense: the task fails, and says why.
    let broken = yard.path("bin");
    program(&broken.join("unshare"), "#!/bin/bash\necho no namespaces today >&2\nexit 9\n");
    let path = format!("{}:{}", broken.display(), std::env::var("PATH").unwrap());
    let failed = done(yard.command(&["run", "w.wdl", "--no-cache"]).env("PATH", path));
    assert_eq!(failed.code, 1);
    assert!(failed.err.contains("no namespaces today") && failed.err.contains("return code 9"), "{}", failed.err);
}

#[test]
fn a_task_in_such_a_root_is_adopted_and_ended() {
    if !has_namespaces() {
        return;
    }
    let yard = Yard::new();
    tree(&yard);
    configure(&yard, "");
    let number = yard.unique_number();
    yard.write(
        "w.wdl",
        &format!(
            "version 1.0\ntask t {{ command {{ echo x >> {0}/count; while [ ! -e {0}/go ]; do sleep 0.02; done; /usr/gitc/align end }} \
             runtime {{ docker: \"tools/aligner:1\" }} output {{ String said = read_string(stdout()) }} }}\n\
             task u {{ input {{ String after }} command {{ sleep {number} }} runtime {{ docker: \"tools/aligner:1\" }} }}\n\
             workflow w {{ call t call u {{ input: after = t.said }} }}",
            yard.path("").display()
        ),
    );
    let mut first = yard.start(&["run", "w.wdl"]);
    wait_for("the task", || yard.path("count").exists());
    first.kill().unwrap();
    first.wait().unwrap();
    let mut second = yard.start(&["resume", "last"]);
    fs::write(yard.path("go"), "").unwrap();
    wait_for("the next task", || processes_with(&[&number]) > 0);
    Command::new("kill").args(["-INT", &second.id().to_string()]).status().unwrap();
    second.wait().unwrap();
    assert_eq!(yard.read("count"), "x\n", "the task was started again");
    assert!(processes_with(&[&number]) == 0);
    let show = yard.show("last");
    assert_eq!(show["calls"][0]["end"]["outputs"]["said"], "aligner 1 fast end", "{show}");
}

/// Programs are installed anew while a server goes on: what they make is made again.
#[test]
fn a_server_notices_other_programs() {
    if !has_namespaces() {
        return;
    }
    let yard = Yard::new();
    tree(&yard);
    configure(&yard, "");
    let server = Server::start(&yard, &[]);
    let said = || {
        let id = server.run(WDL, &json!({}), &[]);
        server.about(&id, "outputs")["outputs"]["w.said"][0].clone()
    };
    assert_eq!(said(), "aligner 1 fast once");
    program(&yard.path("tree/usr/gitc/align"), "#!/bin/bash\necho \"aligner 2 $MODE $1\"\n");
    assert_eq!(said(), "aligner 2 fast once");
}
