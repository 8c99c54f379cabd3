//! Workflows from document to outputs.

use std::fs;

use serde_json::json;

use crate::yard::Yard;

const BASIC: &str = r#"version 1.1
struct Sample { String name Int weight }
task greet {
  input { Sample sample String greeting = "hello" }
  command <<<
    echo "~{greeting} ~{sample.name}"
    for i in 1 2; do echo "$i" > part-$i.txt; done
    echo noise >&2
  >>>
  output { String text = read_string(stdout()) Array[File] parts = glob("part-*.txt") File? none = "absent.txt" }
}
workflow basic {
  input { Array[Sample] samples = [object { name: "a", weight: 1 }, object { name: "b", weight: 2 }] Boolean extra = false }
  scatter (sample in samples) {
    if (sample.weight > 1) { call greet as heavy { input: sample = sample, greeting = "heavy" } }
    call greet { input: sample = sample }
  }
  if (extra) { call greet as last { input: sample = samples[0] } }
  output {
    Array[String] texts = greet.text
    Array[String?] heavy_texts = heavy.text
    String? extra_text = last.text
    Int parts = length(flatten(greet.parts))
    Array[File] first_parts = greet.parts[0]
  }
}
"#;

#[test]
fn scatter_conditionals_structs_and_globs() {
    let yard = Yard::new();
    yard.write("basic.wdl", BASIC);
    let outputs = yard.outputs(&["run", "basic.wdl", "-d", "run"]);
    assert_eq!(outputs["basic.texts"], json!(["hello a", "hello b"]));
    assert_eq!(outputs["basic.heavy_texts"], json!([null, "heavy b"]));
    assert_eq!(outputs["basic.extra_text"], json!(null));
    assert_eq!(outputs["basic.parts"], json!(4));
    assert!(outputs["basic.first_parts"][0].as_str().unwrap().contains("/call-greet/shard-0/execution/glob-"));
    assert_eq!(yard.read("run/outputs/part-1.txt"), "1\n");
}

#[test]
fn inputs_from_json_yaml_and_arguments() {
    let yard = Yard::new();
    yard.write("basic.wdl", BASIC);
    yard.write("in.json", r###"{"##_COMMENT": "x", "basic.samples": [{"name": "j", "weight": 5}], "basic.greet.greeting": "hi"}"###);
    yard.write("in.yaml", "basic.samples:\n  - {name: y, weight: 0}\n");
    let outputs = yard.outputs(&["run", "basic.wdl", "-i", "in.json", "extra=true"]);
    assert_eq!((&outputs["basic.texts"], &outputs["basic.extra_text"]), (&json!(["hi j"]), &json!("hello j")));
    assert_eq!(yard.outputs(&["run", "basic.wdl", "-i", "in.yaml"])["basic.texts"], json!(["hello y"]));
}

#[test]
fn a_trivial_call_has_two_directories_and_four_files() {
    let yard = Yard::new();
    yard.write("t.wdl", "version 1.1\ntask t { command <<< true >>> }\nworkflow w { call t }");
    yard.outputs(&["run", "t.wdl", "-d", "run"]);
    let names = |path: &str| {
        let mut names: Vec<_> = fs::read_dir(yard.path(path)).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names("run"), ["call-t"]);
    assert_eq!(names("run/call-t"), ["execution"]);
    assert_eq!(names("run/call-t/execution"), ["rc", "script", "stderr", "stdout"]);
}

#[test]
fn a_single_task_can_be_run() {
    let yard = Yard::new();
    yard.write("two.wdl", "version 1.0\ntask a { input { Int n } command { echo ~{n + 1} } output { Int m = read_int(stdout()) } }\ntask b { command { true } }");
    assert_eq!(yard.outputs(&["run", "two.wdl", "--task", "a", "n=4"]), json!({ "a.m": 5 }));
    let done = yard.call(&["run", "two.wdl"]);
    assert_eq!(done.code, 2);
    assert!(done.err.contains("--task") && done.err.contains("`a`, `b`"), "{}", done.err);
}

#[test]
fn sub_workflows_run_beside_each_other() {
    let yard = Yard::new();
    yard.write(
        "lib/sub.wdl",
        "version 1.0\ntask t { input { Int n } command { echo $((~{n} * 2)) } output { Int m = read_int(stdout()) } }\n\
         workflow sub { input { Int n Int plus = 0 } call t { input: n = n } output { Int m = t.m + plus } }",
    );
    yard.write(
        "main.wdl",
        "version 1.0\nimport \"lib/sub.wdl\" as lib\nworkflow w { scatter (i in range(3)) { call lib.sub { input: n = i } } call lib.sub as one { input: n = sub.m[2] } output { Array[Int] all = sub.m Int last = one.m } }",
    );
    let outputs = yard.outputs(&["run", "main.wdl", "w.one.plus=100", "-d", "run"]);
    assert_eq!(outputs, json!({ "w.all": [0, 2, 4], "w.last": 108 }));
    let show = yard.show("last");
    let calls: Vec<_> = show["calls"].as_array().unwrap().iter().map(|c| c["call"].as_str().unwrap().to_owned()).collect();
    assert!(calls.contains(&"sub[1]/t".to_owned()) && calls.contains(&"one/t".to_owned()), "{calls:?}");
}

#[test]
fn draft_two_without_output_section_and_with_legacy_outputs() {
    let yard = Yard::new();
    let task = "task t { Int n String word = \"w${n}\" command { echo ${word} } output { String s = read_string(stdout()) } }\n";
    yard.write(
        "all.wdl",
        &format!("{task}workflow w {{ Array[Int] ns scatter (n in ns) {{ call t {{ input: n = n }} }} call t as solo }}"),
    );
    let outputs = yard.outputs(&["run", "all.wdl", "ns=[1,2]", "w.solo.n=7", "w.t.word=same"]);
    assert_eq!(outputs, json!({ "w.t.s": ["same", "same"], "w.solo.s": "w7" }));
    yard.write(
        "legacy.wdl",
        &format!("{task}workflow w {{ Int n call t {{ input: n = n }} call t as u {{ input: n = n }} output {{ t.s u.* }} }}"),
    );
    assert_eq!(yard.outputs(&["run", "legacy.wdl", "n=3"]), json!({ "w.t.s": "w3", "w.u.s": "w3" }));
}

#[test]
fn independent_calls_do_not_wait_for_each_other() {
    let yard = Yard::new();
    // `quick` of the second branch must be able to run while `wait` of the first one waits for its file.
    yard.write(
        "w.wdl",
        "version 1.1\ntask wait { input { String path } command <<< for i in $(seq 600); do [ -e '~{path}' ] && exit 0; sleep 0.1; done; exit 1 >>> output { Boolean ok = true } }\n\
         task make { input { String path Boolean after } command <<< touch '~{path}' >>> }\n\
         task first { command <<< true >>> output { Boolean ok = true } }\n\
         workflow w { input { String path } scatter (i in [0]) { call wait { input: path = path } } call first call make { input: path = path, after = first.ok } }",
    );
    let path = yard.path("signal");
    yard.outputs(&["run", "w.wdl", &format!("path={}", path.display())]);
}

#[test]
fn return_codes_retries_and_stderr() {
    let yard = Yard::new();
    yard.write(
        "w.wdl",
        "version 1.1\ntask odd { command <<< exit 3 >>> runtime { returnCodes: [0, 3] } output { Boolean ok = true } }\n\
         task third { input { String count } command <<< echo x >> '~{count}'; [ $(wc -l < '~{count}') -ge 3 ] >>> runtime { maxRetries: 2 } output { Boolean ok = true } }\n\
         workflow w { input { String count } call odd call third { input: count = count } output { Boolean a = odd.ok Boolean b = third.ok } }",
    );
    let count = yard.path("count");
    let outputs = yard.outputs(&["run", "w.wdl", &format!("count={}", count.display()), "-d", "run"]);
    assert_eq!(outputs, json!({ "w.a": true, "w.b": true }));
    assert!(yard.path("run/call-third/attempt-3/execution/rc").exists());
    let states: Vec<_> = yard.show("last")["calls"].as_array().unwrap().iter().map(|c| (c["call"].clone(), c["state"].clone())).collect();
    assert!(states.contains(&(json!("third"), json!("Retried"))) && states.contains(&(json!("third#3"), json!("Done"))), "{states:?}");

    yard.write("noisy.wdl", "version 1.0\ntask t { command { echo oops >&2 } runtime { failOnStderr: true } }\nworkflow w { call t }");
    let done = yard.call(&["run", "noisy.wdl"]);
    assert_eq!(done.code, 1);
    assert!(done.err.contains("failOnStderr") && done.err.contains("oops"), "{}", done.err);
}

#[test]
fn memory_grows_after_a_kill() {
    let yard = Yard::new();
    yard.write(
        "w.wdl",
        "version 1.0\ntask t { input { String mark } command { if [ ! -e '~{mark}' ]; then touch '~{mark}'; kill -9 $$; fi } runtime { memory: \"100 MB\" maxRetries: 1 } }\nworkflow w { call t }",
    );
    yard.write("o.json", r#"{"memory_retry_multiplier": 2.0}"#);
    let mark = yard.path("mark");
    let done = yard.call(&["run", "w.wdl", &format!("w.t.mark={}", mark.display()), "-o", "o.json"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(yard.show("last")["calls"][0]["exit_code"], json!(137));
}

#[test]
fn failure_modes() {
    let yard = Yard::new();
    let wdl = "version 1.0\ntask bad { command { exit 1 } output { Boolean ok = true } }\n\
         task good { input { Boolean? after = true } command { sleep 0.3 } output { Boolean ok = true } }\n\
         workflow w { call bad call good call good as later { input: after = good.ok } call good as never { input: after = bad.ok } }";
    yard.write("w.wdl", wdl);
    let states = |options: Option<&str>| {
        let mut arguments = vec!["run", "w.wdl", "--no-cache"];
        if let Some(options) = options {
            yard.write("o.json", options);
            arguments.extend(["-o", "o.json"]);
        }
        assert_eq!(yard.call(&arguments).code, 1);
        let show = yard.show("last");
        assert_eq!(show["state"], json!("Failed"));
        let mut done: Vec<_> = show["calls"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|c| c["state"] == "Done")
            .map(|c| c["call"].as_str().unwrap().to_owned())
            .collect();
        done.sort();
        done
    };
    assert_eq!(states(None), ["good"]);
    assert_eq!(states(Some(r#"{"workflow_failure_mode": "ContinueWhilePossible"}"#)), ["good", "later"]);
}

#[test]
fn after_a_failure_not_even_the_next_in_line_starts() {
    let yard = Yard::new();
    yard.write(
        "w.wdl",
        "version 1.0\ntask bad { command { sleep 0.3; exit 1 } }\ntask good { input { String mark } command { touch '~{mark}' } }\n\
         workflow w { input { String mark } call bad call good { input: mark = mark } }",
    );
    let mark = yard.path("mark");
    let done = yard.call(&["run", "w.wdl", "--jobs", "1", &format!("mark={}", mark.display())]);
    assert_eq!(done.code, 1);
    assert!(!mark.exists(), "{}", done.err);
}

#[test]
fn outputs_go_to_a_file_too() {
    let yard = Yard::new();
    yard.write("t.wdl", "version 1.1\ntask t { command <<< true >>> output { Int n = 1 } }\nworkflow w { call t output { Int n = t.n } }");
    let printed = yard.outputs(&["run", "t.wdl", "--outputs", "out.json"]);
    let written: serde_json::Value = serde_json::from_str(&yard.read("out.json")).unwrap();
    assert_eq!(written["outputs"], printed);
    assert_eq!(yard.call(&["run", "t.wdl", "--outputs", "/no/such/dir/out.json"]).code, 2);
}

#[test]
fn final_outputs_are_copied() {
    let yard = Yard::new();
    yard.write(
        "t.wdl",
        "version 1.0\ntask t { input { Int i } command { mkdir d; echo ~{i} > d/x~{i}.txt } output { File f = \"d/x~{i}.txt\" } }\n\
         workflow w { scatter (i in [1, 2]) { call t { input: i = i } } output { Array[File] fs = t.f } }",
    );
    let options = serde_json::json!({ "final_workflow_outputs_dir": yard.path("final"), "use_relative_output_paths": true });
    yard.write("o.json", &options.to_string());
    yard.outputs(&["run", "t.wdl", "-o", "o.json"]);
    assert_eq!(yard.read("final/d/x2.txt"), "2\n");
}

#[test]
fn tables_logs_and_configuration() {
    let yard = Yard::new();
    yard.write("t.wdl", "version 1.1\ntask t { command <<< echo out; echo err >&2 >>> }\nworkflow w { call t }");
    yard.outputs(&["run", "t.wdl"]);
    let listed: serde_json::Value = serde_json::from_str(&yard.call(&["ls", "--json"]).out).unwrap();
    assert_eq!((&listed[0]["name"], &listed[0]["state"]), (&json!("w"), &json!("Succeeded")));
    assert_eq!(yard.call(&["logs", "last", "t"]).out, "err\n");
    assert_eq!(yard.call(&["logs", "last", "--stdout"]).out, "out\n");
    assert!(yard.call(&["show", "last"]).out.contains("Succeeded"));
    yard.write("config/batchyard/config.toml", "[local]\ncores = 3\n");
    let config = yard.call(&["config", "show"]).out;
    let cores = config.lines().find(|l| l.contains("local.cores")).unwrap();
    assert!(cores.contains('3') && cores.contains("config.toml"), "{cores}");
    assert!(yard.call(&["completions", "bash"]).out.contains("_batchyard"));
    assert!(yard.call(&["man"]).out.contains(".TH"));
}

#[test]
fn drawings() {
    let yard = Yard::new();
    yard.write("basic.wdl", BASIC);
    assert!(yard.call(&["graph", "basic.wdl"]).out.starts_with("digraph basic {"));
    assert!(yard.call(&["graph", "basic.wdl", "--format", "mermaid"]).out.starts_with("flowchart"));
    let template: serde_json::Value = serde_json::from_str(&yard.call(&["inputs", "basic.wdl"]).out).unwrap();
    assert_eq!(template["basic.extra"], json!("Boolean (optional, default = false)"));
}
