//! Earlier results are taken, and misses explain themselves.

use std::{fs, thread, time::Duration};

use serde_json::{Value as Json, json};

use crate::yard::Yard;

const CHAIN: &str = "version 1.1\n\
    task head { input { File text Int lines = 1 } command <<< head -n ~{lines} ~{text} | tee copy >>> output { File copy = \"copy\" } }\n\
    task count { input { File text } command <<< wc -l < ~{text} >>> output { Int n = read_int(stdout()) } }\n\
    workflow w { input { File text Int lines = 1 } call head { input: text = text, lines = lines } call count { input: text = head.copy } output { Int n = count.n File copy = head.copy } }";

fn cached(yard: &Yard) -> Vec<(String, bool)> {
    let show = yard.show("last");
    let mut calls: Vec<_> = show["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["call"].as_str().unwrap().to_owned(), c["cached"].as_bool().unwrap()))
        .collect();
    calls.sort();
    calls
}

fn expect(yard: &Yard, arguments: &[&str], head: bool, count: bool) -> Json {
    let outputs = yard.outputs(arguments);
    assert_eq!(cached(yard), [("count".to_owned(), count), ("head".to_owned(), head)], "{arguments:?}");
    outputs
}

#[test]
fn hits_misses_and_their_reasons() {
    let yard = Yard::new();
    yard.write("w.wdl", CHAIN);
    yard.write("in.txt", "a\nb\nc\n");
    expect(&yard, &["run", "w.wdl", "text=in.txt"], false, false);
    let second = expect(&yard, &["run", "w.wdl", "text=in.txt", "-d", "second"], true, true);
    assert_eq!(second["w.n"], json!(1));
    assert_eq!(yard.read("second/outputs/copy"), "a\n");

    expect(&yard, &["run", "w.wdl", "text=in.txt", "lines=2"], false, false);
    let why: Json = serde_json::from_str(&yard.call(&["why", "last", "head", "--json"]).out).unwrap();
    assert_eq!(why[0]["differences"], json!([{ "part": "input lines", "earlier": "1", "now": "2" }]));

    // Same content under another name is the same input; changed content is not.
    yard.write("other.txt", "a\nb\nc\n");
    expect(&yard, &["run", "w.wdl", "text=other.txt"], true, true);
    yard.write("in.txt", "a\nb\nX\n");
    expect(&yard, &["run", "w.wdl", "text=in.txt"], false, false);

    expect(&yard, &["run", "w.wdl", "text=other.txt", "--no-cache"], false, false);
    let why = yard.call(&["why", "last", "head"]).out;
    assert!(why.contains("--no-cache"), "{why}");
}

/// What nobody gave decides as much: defaults, what lies beside an input, files that a task names itself.
#[test]
fn defaults_and_files_of_the_task_itself_count() {
    let yard = Yard::new();
    let write = |x: u32| {
        let wdl = "version 1.1\ntask t { input { File bam File bai = bam + \".bai\" Int x = X }\n File p = \"HERE/p.txt\"\n File lines = write_lines([\"l\"])\n\
            command <<< set -e; cat ~{bam} ~{bai} ~{p} ~{lines}; echo ~{x} >>> output { String s = read_string(stdout()) } }\n\
            workflow w { input { File bam } call t { input: bam = bam } output { String s = t.s } }";
        yard.write("w.wdl", &wdl.replace('X', &x.to_string()).replace("HERE", yard.path("").to_str().unwrap().trim_end_matches('/')));
    };
    let run = |said: &str, cached: bool| {
        assert_eq!(yard.outputs(&["run", "w.wdl", "bam=a.bam"])["w.s"], json!(said));
        assert_eq!(yard.show("last")["calls"][0]["cached"], json!(cached), "{said}");
    };
    for (name, text) in [("a.bam", "a\n"), ("a.bam.bai", "i\n"), ("p.txt", "p\n")] {
        yard.write(name, text);
    }
    write(3);
    run("a\ni\np\nl\n3", false);
    run("a\ni\np\nl\n3", true);
    write(4);
    run("a\ni\np\nl\n4", false);
    let why: Json = serde_json::from_str(&yard.call(&["why", "last", "t", "--json"]).out).unwrap();
    assert_eq!(why[0]["differences"], json!([{ "part": "input x", "earlier": "3", "now": "4" }]));
    yard.write("a.bam.bai", "j\n");
    run("a\nj\np\nl\n4", false);
    yard.write("p.txt", "q\n");
    run("a\nj\nq\nl\n4", false);
    run("a\nj\nq\nl\n4", true);
}

/// In a wide scatter the newest calls of the task are shards beside it, which are meant to differ.
#[test]
fn shards_are_compared_with_their_own_earlier_ones() {
    let yard = Yard::new();
    let wdl = "version 1.0\nworkflow w { input { String s } scatter (i in range(150)) { call t { input: i = i, s = s } } }\n\
        task t { input { Int i String s } command <<< echo ~{i} ~{s} >>> output { String o = read_string(stdout()) } }";
    yard.write("w.wdl", wdl);
    yard.outputs(&["run", "w.wdl", "s=a"]);
    let first = yard.show("last")["id"].as_str().unwrap().to_owned();
    yard.outputs(&["run", "w.wdl", "s=a"]);
    yard.outputs(&["run", "w.wdl", "s=b"]);
    for shard in ["t[7]", "t[149]"] {
        let why: Json = serde_json::from_str(&yard.call(&["why", "last", shard, "--json"]).out).unwrap();
        assert_eq!(why[0]["differences"], json!([{ "part": "input s", "earlier": "\"a\"", "now": "\"b\"" }]), "{shard}");
        assert_eq!(why[0]["nearest"], format!("{shard} of run {first}"));
    }
}

#[test]
fn a_changed_command_shows_its_lines() {
    let yard = Yard::new();
    yard.write("w.wdl", CHAIN);
    yard.write("in.txt", "a\n");
    yard.outputs(&["run", "w.wdl", "text=in.txt"]);
    yard.write("w.wdl", &CHAIN.replace("wc -l <", "grep -c '' <"));
    expect(&yard, &["run", "w.wdl", "text=in.txt"], true, false);
    let why = yard.call(&["why", "last", "count"]).out;
    assert!(why.contains("earlier:") && why.contains("wc -l <") && why.contains("grep -c"), "{why}");
}

#[test]
fn changed_or_removed_results_are_not_taken() {
    let yard = Yard::new();
    yard.write("w.wdl", CHAIN);
    yard.write("in.txt", "a\nb\n");
    let first = yard.outputs(&["run", "w.wdl", "text=in.txt"]);
    let copy = first["w.copy"].as_str().unwrap();
    thread::sleep(Duration::from_millis(20));
    fs::write(copy, "tampered\nwith\n").unwrap();
    let second = expect(&yard, &["run", "w.wdl", "text=in.txt"], false, false);
    assert_eq!(second["w.n"], json!(1));
    fs::remove_file(second["w.copy"].as_str().unwrap()).unwrap();
    expect(&yard, &["run", "w.wdl", "text=in.txt"], false, false);
}

#[test]
fn an_older_result_is_taken_when_the_newest_is_spoilt() {
    let yard = Yard::new();
    yard.write("w.wdl", CHAIN);
    yard.write("in.txt", "a\nb\n");
    yard.outputs(&["run", "w.wdl", "text=in.txt"]);
    let second = yard.outputs(&["run", "w.wdl", "text=in.txt", "--no-cache"]);
    fs::remove_file(second["w.copy"].as_str().unwrap()).unwrap();
    expect(&yard, &["run", "w.wdl", "text=in.txt"], true, true);
}

#[test]
fn a_twin_that_comes_at_once_takes_the_result() {
    let yard = Yard::new();
    let wdl = "version 1.0\nworkflow w { call t as first { input: n = 7 } call t as second { input: n = first.same } }\n\
        task t { input { Int n } command <<< echo ~{n} >>> output { Int same = n File out = stdout() } }";
    yard.write("w.wdl", wdl);
    yard.outputs(&["run", "w.wdl"]);
    assert_eq!(cached(&yard), [("first".to_owned(), false), ("second".to_owned(), true)]);
}

#[test]
fn equal_calls_that_ran_at_the_same_time_take_each_its_own_result() {
    let yard = Yard::new();
    let (there, both) = (yard.path("there"), "[ $(ls | wc -l) -ge 2 ]");
    std::fs::create_dir(&there).unwrap();
    let wdl = format!(
        "version 1.0\nworkflow w {{ call t as first call t as second call use as a {{ input: f = first.out, n = 1 }}\n\
           call use as b {{ input: f = second.out, n = 2 }} call use as c {{ input: f = first.out, n = 3 }} }}\n\
         task t {{ command <<< cd {}; mktemp -p .; until {both}; do sleep 0.02; done; echo $$ >>> output {{ File out = stdout() }}\n\
           runtime {{ cpu: 0.5 }} }}\n\
         task use {{ input {{ File f Int n }} command <<< cat ~{{f}}; echo ~{{n}} >>> output {{ File out = stdout() }} }}",
        there.display()
    );
    yard.write("w.wdl", &wdl);
    for is_cached in [false, true, true] {
        yard.outputs(&["run", "w.wdl"]);
        let mut calls = cached(&yard);
        calls.sort();
        assert_eq!(calls, ["a", "b", "c", "first", "second"].map(|call| (call.to_owned(), is_cached)));
    }
}

#[test]
fn equal_calls_of_sub_workflows_take_each_its_own_result() {
    const SHARDS: usize = 3;
    let yard = Yard::new();
    let folders = ["makes", "uses"].map(|name| yard.path(name));
    folders.iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
    let inner = format!(
        "version 1.0\nworkflow inner {{ input {{ Int n }} call make call use {{ input: f = make.out, n = n }} }}\n\
         task make {{ command <<< cd {}; mktemp -p .; until [ $(ls | wc -l) -ge {SHARDS} ]; do sleep 0.02; done; echo $$ >>>\n\
           output {{ File out = stdout() }} runtime {{ cpu: 0.3 }} }}\n\
         task use {{ input {{ File f Int n }} command <<< mktemp -p {}; cat ~{{f}}; echo ~{{n}} >>> output {{ File out = stdout() }} }}",
        folders[0].display(),
        folders[1].display()
    );
    yard.write("inner.wdl", &inner);
    // A sub-workflow of a sub-workflow: places are counted from the top.
    yard.write("outer.wdl", "version 1.0\nimport \"inner.wdl\" as i\nworkflow outer { input { Int n } call i.inner { input: n = n } }");
    let scatter = "workflow w { scatter (n in range(SHARDS)) { call o.outer { input: n = n } } }".replace("SHARDS", &SHARDS.to_string());
    yard.write("w.wdl", &format!("version 1.0\nimport \"outer.wdl\" as o\n{scatter}"));
    for _ in 0..3 {
        yard.outputs(&["run", "w.wdl"]);
        assert_eq!(folders.each_ref().map(|folder| std::fs::read_dir(folder).unwrap().count()), [SHARDS; 2]);
    }
}

#[test]
fn a_file_that_a_task_changed_in_place_is_another_input() {
    let yard = Yard::new();
    let wdl = "version 1.0\nworkflow w {\n  call make\n  call read as before { input: f = make.out, ready = \"\" }\n\
          call spoil { input: path = make.out, ready = before.text }\n  call read as after { input: f = make.out, ready = spoil.done } \n\
          output { String first = before.text String second = after.text } }\n\
        task make { command <<< echo one > out >>> output { File out = \"out\" } }\n\
        task read { input { File f String ready = \"\" } command <<< cat ~{f} >>> output { String text = read_string(stdout()) } }\n\
        task spoil { input { String path String ready } command <<< sleep 0.1; echo other > '~{path}' >>> output { String done = \"\" } }";
    yard.write("w.wdl", wdl);
    let outputs = yard.outputs(&["run", "w.wdl"]);
    assert_eq!((&outputs["w.first"], &outputs["w.second"]), (&json!("one"), &json!("other")));
}

#[test]
fn layout_and_order_do_not_matter() {
    let yard = Yard::new();
    let task = |text: &str| format!("version 1.0\nworkflow w {{ call t {{ input: a = 1, b = 2 }} }}\n{text}");
    let one = "task t { input { Int a Int b } command { echo ${a} ${b} } output { Int x = 1 Int y = 2 } }";
    let other = "task t { input { Int b\n Int a } command {\n\n     echo ${ a } ~{b}\n  }\n output { Int y = 2 Int x = 1 } }";
    yard.write("w.wdl", &task(one));
    yard.outputs(&["run", "w.wdl"]);
    yard.write("w.wdl", &task(other));
    yard.outputs(&["run", "w.wdl"]);
    assert_eq!(cached(&yard), [("t".to_owned(), true)]);
    yard.write("w.wdl", &task(&one.replace("echo ${a} ${b}", "echo ${b} ${a}")));
    yard.outputs(&["run", "w.wdl"]);
    assert_eq!(cached(&yard), [("t".to_owned(), false)]);
}

#[test]
fn options_switch_reading_and_writing() {
    let yard = Yard::new();
    yard.write("w.wdl", CHAIN);
    yard.write("in.txt", "a\n");
    yard.write("nowrite.json", r#"{"write_to_cache": false}"#);
    yard.write("noread.json", r#"{"read_from_cache": false}"#);
    expect(&yard, &["run", "w.wdl", "text=in.txt", "-o", "nowrite.json"], false, false);
    expect(&yard, &["run", "w.wdl", "text=in.txt"], false, false);
    expect(&yard, &["run", "w.wdl", "text=in.txt"], true, true);
    expect(&yard, &["run", "w.wdl", "text=in.txt", "-o", "noread.json"], false, false);
}

#[test]
fn volatile_tasks_always_run() {
    let yard = Yard::new();
    yard.write("w.wdl", "version 1.0\ntask t { meta { volatile: true } command { true } }\nworkflow w { call t }");
    yard.outputs(&["run", "w.wdl"]);
    yard.outputs(&["run", "w.wdl"]);
    assert_eq!(cached(&yard), [("t".to_owned(), false)]);
    assert!(yard.call(&["why", "last", "t"]).out.contains("caching is off"));
}
