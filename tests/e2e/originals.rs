//! The command lines of the original: `cromwell`, `womtool`, and the small client of the guide.

use std::fs;

use serde_json::{Value as Json, json};

use crate::{
    http::{Server, zipped},
    yard::Yard,
};

const MAIN: &str = "version 1.0\nimport \"lib/t.wdl\" as lib\n\
    workflow wf { input { String who File? f Int n = 2 } call lib.greet { input: who = who } output { String said = greet.said Array[File] none = [] } }\n";
const TASK: &str = "version 1.0\ntask greet { input { String who String? extra } command <<< echo hello ~{who} >>> output { String said = read_string(stdout()) } runtime { cpu: 1 } }";

fn documents(yard: &Yard) {
    yard.write("main.wdl", MAIN);
    yard.write("inputs.json", r#"{"wf.who": "Ada"}"#);
    fs::write(yard.path("lib.zip"), zipped(&[("lib/t.wdl", TASK.as_bytes())])).unwrap();
    yard.write("labels.json", r#"{"lab": "x"}"#);
}

#[test]
fn cromwell_run() {
    let yard = Yard::new();
    documents(&yard);
    let run = ["cromwell", "run", "main.wdl", "-i", "inputs.json", "-p", "lib.zip", "-l", "labels.json", "-m", "out/metadata.json"];
    let done = yard.call(&run);
    assert_eq!(done.code, 0, "{}", done.err);
    let printed: Json = serde_json::from_str(&done.out).unwrap();
    assert_eq!(printed["outputs"]["wf.said"], "hello Ada");
    let metadata: Json = serde_json::from_str(&yard.read("out/metadata.json")).unwrap();
    assert_eq!((&metadata["id"], &metadata["status"], &metadata["labels"]["lab"]), (&printed["id"], &json!("Succeeded"), &json!("x")));
    assert!(yard.path(&format!("cromwell-executions/wf/{}", printed["id"].as_str().unwrap())).is_dir());

    yard.write("calls.wdl", "version 1.1\nworkflow w { call t }\ntask t { command <<< >>> output { Int n = 7 } }");
    let outputs = |words: &[&str]| serde_json::from_str::<Json>(&yard.call(words).out).unwrap()["outputs"].clone();
    assert_eq!(outputs(&["cromwell", "run", "calls.wdl"]), json!({"w.t.n": 7}));
    assert_eq!(outputs(&["run", "calls.wdl"]), json!({}), "the specification gives none");

    yard.write("bad.wdl", "version 1.0\nworkflow w { call no }\ntask no { command <<< exit 3 >>> }");
    let failed = yard.call(&["cromwell", "run", "bad.wdl", "-m", "failed.json"]);
    assert_eq!(failed.code, 1);
    assert!(failed.err.contains("transitioned to state Failed"), "{}", failed.err);
    let metadata: Json = serde_json::from_str(&yard.read("failed.json")).unwrap();
    assert_eq!(metadata["failures"][0]["message"], "Workflow failed");

    let refused = yard.call(&["cromwell", "run", "nothing.wdl", "-i", "none.json"]);
    assert_eq!(refused.code, 1);
    let lines: Vec<&str> = refused.err.lines().collect();
    assert_eq!((lines[0], lines.len()), ("ERROR: Unable to submit workflow to Cromwell:", 3), "{}", refused.err);
    assert_eq!(yard.call(&["cromwell"]).code, 1);
    assert_eq!(yard.call(&["cromwell", "--version"]).out, "cromwell 92\n");
}

#[test]
fn cromwell_submit_and_widdler() {
    let yard = Yard::new();
    documents(&yard);
    let server = Server::start(&yard, &[]);
    let done =
        yard.call(&["cromwell", "submit", "main.wdl", "-i", "inputs.json", "-p", "lib.zip", "-l", "labels.json", "-h", &server.base]);
    assert_eq!(done.code, 0, "{}", done.err);
    let id = done.err.split("Workflow ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    assert!(done.err.contains(&format!("submitted to {}", server.base)));
    assert_eq!(server.wait(&id), "Succeeded");
    let port = server.base.rsplit(':').next().unwrap().to_owned();
    let options = ["-o", "bcs_workflow_tag:tagxxx", "-o", "read_from_cache:false", "-S", "127.0.0.1", "-P", &port, "-d", "lib.zip"];
    let done = yard.call(&[&["widdler", "run", "main.wdl", "inputs.json"], &options[..]].concat());
    assert_eq!(done.code, 0, "{}", done.err);
    let id = serde_json::from_str::<Json>(&done.out).unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(server.wait(&id), "Succeeded");
    let options: Json = serde_json::from_str(server.about(&id, "metadata")["submittedFiles"]["options"].as_str().unwrap()).unwrap();
    assert_eq!(options, json!({"bcs_workflow_tag": "tagxxx", "read_from_cache": false}));
    server.kill();
    let nobody = yard.call(&["cromwell", "submit", "main.wdl", "-h", "http://127.0.0.1:1"]);
    assert!(nobody.code == 1 && nobody.err.contains("cannot reach the server"), "{}", nobody.err);
}

#[test]
fn womtool() {
    let yard = Yard::new();
    documents(&yard);
    yard.write("lib/t.wdl", TASK);
    let done = yard.call(&["womtool", "validate", "main.wdl", "-l", "-i", "inputs.json"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let lines: Vec<&str> = done.out.lines().collect();
    assert_eq!(lines[..2], ["Success!", "List of Workflow dependencies is:"]);
    assert!(lines[2].ends_with("/lib/t.wdl"));
    yard.write("wrong.json", "{}");
    assert_eq!(yard.call(&["womtool", "validate", "main.wdl", "-i", "wrong.json"]).code, 1);
    yard.write("broken.wdl", "version 1.0\nworkflow {");
    assert_eq!(yard.call(&["womtool", "validate", "broken.wdl"]).code, 1);

    let inputs =
        |more: &[&str]| serde_json::from_str::<Json>(&yard.call(&[&["womtool", "inputs", "main.wdl"], more].concat()).out).unwrap();
    let all = json!({
        "wf.f": "File? (optional)", "wf.greet.extra": "String? (optional)", "wf.n": "Int (optional, default = 2)", "wf.who": "String"
    });
    assert_eq!(inputs(&[]), all);
    assert_eq!(inputs(&["-o", "false"]), json!({"wf.who": "String"}));
    assert!(inputs(&["-r", "true"]).get("wf.greet.runtime.cpu").is_some());
    let outputs: Json = serde_json::from_str(&yard.call(&["womtool", "outputs", "main.wdl"]).out).unwrap();
    assert_eq!(outputs, json!({"wf.said": "String", "wf.none": "Array[File]"}));
    assert!(yard.call(&["womtool", "graph", "main.wdl"]).out.starts_with("digraph wf"));
    assert_eq!(yard.call(&["womtool", "fly", "main.wdl"]).code, 1);
}

#[test]
fn womtool_shows_documents() {
    let yard = Yard::new();
    yard.write("t.wdl", "version 1.1\nimport \"gone.wdl\"\ntask t { input { Int n } command <<< echo ~{n} >>> }\n");
    let tree = yard.call(&["womtool", "parse", "t.wdl"]);
    assert_eq!(tree.code, 0, "imports need not be there: {}", tree.err);
    assert!(tree.out.starts_with("(Document:\n  version=(VersionDeclaration:\n    v=<t.wdl:1:9 version_name \"MS4x\">\n"), "{}", tree.out);
    assert!(tree.out.contains("(InputDeclaration:\n              type=<t.wdl:3:18 type \"SW50\">,"), "{}", tree.out);
    yard.write("old.wdl", "task t { command { echo ${1 + 2} } }");
    assert!(yard.call(&["womtool", "parse", "old.wdl"]).out.starts_with("(Namespace:\n  imports=[],\n  body=[\n    (Task:\n"));

    let page = yard.call(&["womtool", "highlight", "-h", "html", "old.wdl"]);
    let script = "<span class=\"section\">command</span> { <span class=\"command\">echo ${1 + 2}</span> }";
    let expected = format!("<span class=\"keyword\">task</span> <span class=\"name\">t</span> {{\n  {script}\n}}\n");
    assert_eq!((page.code, page.out), (0, expected));
    let console = yard.call(&["womtool", "highlight", "old.wdl", "--highlight-mode", "console"]);
    assert!(console.out.starts_with("\u{1b}[38;5;214mtask\u{1b}[0m \u{1b}[38;5;253mt\u{1b}[0m {"), "{}", console.out);

    yard.write("broken.wdl", "task t {");
    for words in [&["parse", "broken.wdl"][..], &["highlight", "-h", "html", "broken.wdl"], &["highlight", "-h", "html", "t.wdl"]] {
        let refused = yard.call(&[&["womtool"], words].concat());
        assert!(refused.code == 1 && refused.out.is_empty() && refused.err.contains("1 error"), "{words:?}: {}", refused.err);
    }
    assert_eq!(yard.call(&["womtool", "highlight", "old.wdl"]).code, 1, "a mode is needed");
    assert_eq!(yard.call(&["womtool", "highlight", "-h", "svg", "old.wdl"]).code, 1);
    assert_eq!(yard.call(&["womtool", "highlight", "--help"]).code, 0);
}
