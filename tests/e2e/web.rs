//! Documents and inputs that lie on the web: a server of this test.

use std::{
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    http::Server,
    yard::{Yard, wait_for},
};

/// Serves these files, each with a mark of its state; returns the address and what was asked for.
fn site(files: Vec<(&'static str, &'static str)>) -> (String, Arc<Mutex<Vec<String>>>) {
    let files = files.into_iter().map(|(path, text)| (path.to_owned(), (200, text.to_owned()))).collect();
    changing_site(Arc::new(Mutex::new(files)))
}

/// The status of a file whose server takes its time, until it has another.
const SLOW: u16 = 102;

/// Status and text of each file that a server has.
type Files = Arc<Mutex<HashMap<String, (u16, String)>>>;

/// The same with files that change.
fn changing_site(files: Files) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    // It ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
            let known = head.iter().find_map(|line| line.strip_prefix("if-none-match: ").or_else(|| line.strip_prefix("If-None-Match: ")));
            log.lock().unwrap().push(format!("{path}{}", if known.is_some() { " again" } else { "" }));
            let tag = |text: &str| format!("\"{:x}\"", BuildHasherDefault::<DefaultHasher>::default().hash_one(text));
            let held = || files.lock().unwrap().get(&path).cloned().unwrap_or((404, String::new()));
            while held().0 == SLOW {
                std::thread::sleep(Duration::from_millis(20));
            }
            let (status, text) = held();
            let answer = if known.is_some_and(|known| status == 200 && known == tag(&text)) {
                "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".to_owned()
            } else {
                let (tag, length) = (tag(&text), text.len());
                format!("HTTP/1.1 {status} Said\r\nETag: {tag}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}")
            };
            // A client that has gone away has what it wanted.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, asked)
}

/// A server whose files below `/data` change: its address, and what gives one of them a status and a text.
fn data() -> (String, impl Fn(&str, u16, &str)) {
    let files = Files::default();
    let (address, _) = changing_site(Arc::clone(&files));
    let put = move |name: &str, status: u16, text: &str| {
        files.lock().unwrap().insert(format!("/data/{name}"), (status, text.to_owned()));
    };
    (address, put)
}

const MAIN: &str = "version 1.0\nimport \"lib/count.wdl\" as lib\n\
    workflow w { input { File f } call lib.count { input: f = f } output { Int n = count.n } }";
const COUNT: &str = "version 1.0\ntask count { input { File f } command <<< wc -l < ~{f} >>> output { Int n = read_int(stdout()) } }";

#[test]
fn inputs_and_imports_are_fetched() {
    let (address, asked) = site(vec![("/flows/main.wdl", MAIN), ("/flows/lib/count.wdl", COUNT), ("/data/reads.txt", "a\nb\nc\n")]);
    let yard = Yard::new();
    let (main, input) = (format!("{address}/flows/main.wdl"), format!("f={address}/data/reads.txt"));
    assert_eq!(yard.outputs(&["run", &main, &input]), json!({"w.n": 3}));
    assert_eq!(yard.outputs(&["run", &main, &input]), json!({"w.n": 3}));
    let data: Vec<String> = asked.lock().unwrap().iter().filter(|path| path.starts_with("/data")).cloned().collect();
    assert_eq!(data, ["/data/reads.txt", "/data/reads.txt again"]);
    assert!(yard.call(&["show", "last"]).out.contains("cached"), "the second run took no earlier result");

    let gone = yard.call(&["run", &main, &format!("f={address}/data/none.txt")]);
    assert!(gone.code == 2 && gone.err.contains("the server answers 404"), "{}", gone.err);
    let nothing = yard.call(&["check", &format!("{address}/flows/none.wdl")]);
    assert!(nothing.code != 0 && nothing.err.contains("--import-map"), "{}", nothing.err);
}

/// What a list names is brought when it is needed, an index beside its file.
#[test]
fn files_met_on_the_way_are_fetched() {
    let (address, asked) = site(vec![("/data/a.bam", "reads\n"), ("/data/a.bam.bai", "index\n")]);
    let yard = Yard::new();
    yard.write("list.txt", &format!("{address}/data/a.bam\n{address}/data/a.bam.bai\n"));
    yard.write(
        "w.wdl",
        "version 1.0\nworkflow w { input { File list } Array[File] files = read_lines(list) String text = read_string(files[0])\n\
         call t { input: bam = files[0], index = files[1] } output { String read = text String said = t.said } }\n\
         task t { input { File bam File index } command <<< cat ~{bam}.bai >>> output { String said = read_string(stdout()) } }",
    );
    assert_eq!(yard.outputs(&["run", "w.wdl", "list=list.txt"]), json!({"w.read": "reads", "w.said": "index"}));
    yard.write("list.txt", &format!("{address}/data/a.bam\n{address}/data/none\n"));
    let failed = yard.call(&["run", "w.wdl", "list=list.txt"]);
    assert!(
        failed.code == 1 && failed.err.contains("/data/none` of input `index` cannot be fetched: the server answers 404"),
        "{}",
        failed.err
    );
    assert!(asked.lock().unwrap().iter().any(|path| path == "/data/a.bam again"));
}

/// What a task makes of the name of a file from the web lies beside it there: indexes that nobody names.
#[test]
fn what_lies_beside_a_file_is_fetched_when_a_task_names_it() {
    let files = [
        ("/data/a.bam", "reads\n"),
        ("/data/a.bam.bai", "index\n"),
        ("/data/a.md5", "sum\n"),
        ("/data/b.bam?key=1", "more\n"),
        ("/data/b.bam.bai?key=1", "other\n"),
        ("/data/b.md5?key=1", "b\n"),
        ("/data/c.bam", "lone\n"),
    ];
    let (address, asked) = site(files.into());
    let yard = Yard::new();
    let task = |version: &str, declarations: &str, command: &str| {
        let outputs = "output { Array[String] lines = read_lines(stdout()) }";
        yard.write("t.wdl", &format!("version {version}\ntask t {{ {declarations} command <<< {command} >>> {outputs} }}"));
    };
    let input = |name: &str| format!("bam={address}/data/{name}");
    let indexed = "input { File bam File index = bam + \".bai\" } String sum = read_string(sub(bam, \"\\\\.bam$\", \".md5\"))";
    for version in ["1.0", "1.1", "1.3"] {
        task(version, indexed, "set -e; cat ~{bam} ~{bam}.bai ~{index}; echo ~{sum}");
        assert_eq!(yard.outputs(&["run", "t.wdl", &input("a.bam")])["t.lines"], json!(["reads", "index", "index", "sum"]), "{version}");
    }
    assert_eq!(yard.outputs(&["run", "t.wdl", &input("a.bam")])["t.lines"].as_array().unwrap().len(), 4);
    assert!(yard.call(&["show", "last"]).out.contains("cached"), "the same index, and no earlier result");
    assert_eq!(asked.lock().unwrap().iter().filter(|path| *path == "/data/a.bam.bai").count(), 1, "it is fetched once");
    task("1.1", indexed, "cat ~{index}; echo ~{sum}");
    assert_eq!(yard.outputs(&["run", "t.wdl", &input("b.bam?key=1")])["t.lines"], json!(["other", "b"]), "a query holds for both");

    let refused = |expected: &str| {
        let failed = yard.call(&["run", "t.wdl", &input("c.bam")]);
        let url = format!("`{address}/data/c.{expected}` cannot be fetched: the server answers 404");
        assert!(failed.code == 1 && failed.err.contains(&url), "{}", failed.err);
    };
    task("1.1", "input { File bam File index = bam + \".bai\" }", "cat ~{index}");
    refused("bam.bai");
    task("1.1", "input { File bam } String sum = read_string(sub(bam, \"bam$\", \"md5\"))", "echo ~{sum}");
    refused("md5");
    task("1.3", "input { File bam } File index = bam + \".bai\"", "cat ~{index}");
    refused("bam.bai");
    task("1.1", "input { File bam File? index = bam + \".bai\" } File made = bam + \".csi\"", "echo made > ~{made}; cat ~{made}");
    assert_eq!(yard.outputs(&["run", "t.wdl", &input("c.bam")])["t.lines"], json!(["made"]), "the command may make it itself");
    yard.write(
        "t.wdl",
        "task t { File bam File made = bam + \".csi\" command { echo made > ${made}; cat ${made} } output { Array[String] lines = read_lines(stdout()) } }",
    );
    assert_eq!(yard.outputs(&["run", "t.wdl", &input("c.bam")])["t.lines"], json!(["made"]), "also in draft-2, which has no private ones");
    task("1.3", "input { File bam File? index = bam + \".bai\" }", "echo ~{defined(index)}");
    assert_eq!(yard.outputs(&["run", "t.wdl", &input("c.bam")])["t.lines"], json!(["false"]));
    for version in ["1.0", "1.3"] {
        let defaults = "input { File bam = \"HERE/data/a.bam\" } File index = bam + \".bai\" String sum = read_string(\"HERE/data/a.md5\")";
        task(version, &defaults.replace("HERE", &address), "cat ~{bam} ~{index}; echo ~{sum}");
        assert_eq!(yard.outputs(&["run", "t.wdl"])["t.lines"], json!(["reads", "index", "sum"]), "the task names it itself: {version}");
    }
    for version in ["1.0", "1.1", "1.2", "1.3"] {
        task(version, &format!("File bam = \"{address}/data/a.bam\""), "cat ~{bam} && echo ~{bam} && echo more >> ~{bam} || :");
        let lines = yard.outputs(&["run", "t.wdl"])["t.lines"].clone();
        let place = lines[1].as_str().unwrap();
        assert!(lines[0] == "reads" && place.contains("/inputs/") && !place.contains("/downloads/"), "{version}: {lines}");
    }
    task("1.1", &format!("input {{ File bam = \"{address}/data/none\" }}"), "cat ~{bam}");
    let failed = yard.call(&["run", "t.wdl"]);
    assert!(failed.code == 1 && failed.err.contains("/data/none` cannot be fetched: the server answers 404"), "{}", failed.err);
}

/// An earlier result is taken only while everything beside the file that the task has named or read is the same.
#[test]
fn what_lies_beside_a_file_counts_for_the_cache() {
    let (address, put) = data();
    let yard = Yard::new();
    put("a.bam", 200, "reads\n");
    let run = |name: &str| yard.outputs(&["run", &format!("{name}.wdl"), &format!("bam={address}/data/a.bam")])["t.said"].clone();
    let task = |name: &str, declarations: &str, command: &str| {
        let text =
            format!("version 1.1\ntask t {{ {declarations} command <<< {command} >>> output {{ String said = read_string(stdout()) }} }}");
        yard.write(&format!("{name}.wdl"), &text);
    };
    let show = "if [ -e ~{bam}.bai ]; then cat ~{bam}.bai; else echo none; fi";
    let tasks = [
        ("optional", "input { File bam File? index = bam + \".bai\" }", show),
        ("private", "input { File bam } File index = bam + \".bai\"", show),
        ("several", "input { File bam } Array[File?] indexes = [bam + \".csi\", bam + \".bai\"]", show),
    ];
    for (name, declarations, command) in tasks {
        task(name, declarations, command);
        put("a.bam.bai", 404, "");
        assert_eq!((run(name), run(name)), (json!("none"), json!("none")), "{name}");
        assert!(yard.call(&["show", "last"]).out.contains("cached"), "{name}: what is surely not there is the same");
        put("a.bam.bai", 503, "");
        let failed = yard.call(&["run", &format!("{name}.wdl"), &format!("bam={address}/data/a.bam")]);
        assert!(failed.code == 1 && failed.err.contains("a.bam.bai` cannot be fetched"), "{name}: {}", failed.err);
        for content in ["index", "other"] {
            put("a.bam.bai", 200, content);
            assert_eq!((run(name), run(name)), (json!(content), json!(content)), "{name}");
            assert!(yard.call(&["show", "last"]).out.contains("cached"), "{name}: {content}");
        }
    }
    let sum = "read_string(sub(bam, \"bam$\", \"md5\"))";
    task("declared", &format!("input {{ File bam }} String sum = {sum}"), "echo ~{sum}");
    task("placed", "input { File bam }", &format!("echo ~{{{sum}}}"));
    for name in ["declared", "placed"] {
        for content in ["one", "two"] {
            put("a.md5", 200, content);
            assert_eq!((run(name), run(name)), (json!(content), json!(content)), "{name}");
            assert!(yard.call(&["show", "last"]).out.contains("cached"), "{name}: {content}");
        }
    }
}

/// A result is kept for what its call was prepared for: not where another index was put in place later, or for a further attempt.
#[test]
fn a_result_of_other_files_is_not_kept() {
    let (address, put_as) = data();
    let put = |name: &str, text: &str| put_as(name, 200, text);
    let yard = Yard::new();
    let log = yard.path("log").display().to_string();
    put("a.bam", "reads\n");
    put("a.bam.bai", "one");
    let text = "version 1.1\nworkflow w { input { File bam } scatter (i in range(40)) { call t { input: i = i, bam = bam } }\n\
        output { Array[String] said = t.said } }\n\
        task t { input { Int i File bam File index = bam + \".bai\" } command <<<\n\
        if [ ~{i} = 0 ] && [ ! -e LOG.begun ]; then touch LOG.begun; while [ ! -e LOG.go ]; do sleep 0.05; done; exit 1; fi\n\
        cat ~{index}\n>>> runtime { cpu: 2 maxRetries: 1 } output { String said = read_string(stdout()) } }\n";
    yard.write("w.wdl", &text.replace("LOG", &log));
    yard.write("other.wdl", "version 1.1\ntask t { input { File bam File index = bam + \".bai\" } command <<< cat ~{index} >>> }");
    let bam = format!("bam={address}/data/a.bam");
    let mut child = yard.start(&["run", "w.wdl", "-d", "run", &bam]);
    wait_for("the first attempt", || yard.path("log.begun").exists() || child.try_wait().unwrap().is_some());
    put("a.bam.bai", "two");
    yard.outputs(&["run", "other.wdl", &bam]);
    yard.write("log.go", "");
    wait_for("the run", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(0), "{}", yard.read("background.err"));
    let said: serde_json::Value = serde_json::from_str(&yard.read("background.out")).unwrap();
    assert_eq!(said["outputs"]["w.said"][0], "two", "the second attempt has found what is there now");
    put("a.bam.bai", "one");
    assert_eq!(yard.outputs(&["run", "w.wdl", &bam])["w.said"], json!(vec!["one"; 40]));
}

#[test]
fn a_slow_place_holds_up_nobody_who_needs_nothing_of_it() {
    quick_while_slow("");
}

/// The same for calls whose results are not looked up: what they need is brought before they get cores all the same.
#[test]
fn a_slow_place_takes_no_cores_from_others() {
    quick_while_slow("meta { volatile: true }");
}

fn quick_while_slow(more: &str) {
    let (address, put) = data();
    let yard = Yard::new();
    let names = ["a.bam", "b.bam", "c.bam", "d.bam"];
    names.iter().for_each(|name| put(name, 200, "reads\n"));
    names.iter().for_each(|name| put(&format!("{name}.bai"), SLOW, ""));
    let done = yard.path("done");
    let text = "version 1.1\nworkflow w { input { Array[File] bams } scatter (bam in bams) { call slow { input: bam = bam } }\n\
        call quick as first call quick { input: after = first.n }\n\
        output { Array[String] said = slow.said } }\n\
        task slow { MORE input { File bam File index = bam + \".bai\" } command <<< cat ~{index} >>> output { String said = read_string(stdout()) } }\n\
        task quick { input { Int after = -1 } command <<< [ ~{after} = -1 ] || touch DONE >>> output { Int n = 0 } }\n";
    yard.write("w.wdl", &text.replace("MORE", more).replace("DONE", done.to_str().unwrap()));
    let bams: Vec<String> = names.iter().map(|name| format!("{address}/data/{name}")).collect();
    yard.write("inputs.json", &json!({"w.bams": bams}).to_string());
    std::thread::scope(|scope| {
        let run = scope.spawn(|| yard.outputs(&["run", "w.wdl", "-i", "inputs.json"]));
        let deadline = Instant::now() + Duration::from_secs(60);
        while !done.exists() && Instant::now() < deadline && !run.is_finished() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let was_done = done.exists();
        names.iter().for_each(|name| put(&format!("{name}.bai"), 200, "index\n"));
        assert_eq!(run.join().unwrap()["w.said"], json!(["index", "index", "index", "index"]));
        assert!(was_done, "a call without files waited for the indexes of others");
    });
}

#[test]
fn what_many_calls_name_themselves_is_asked_for_once() {
    let (address, asked) = site(vec![("/data/ref.fa", "ref\n"), ("/data/sum", "1\n")]);
    let yard = Yard::new();
    for (meta, times) in [("", 1), ("meta { volatile: true }", 2)] {
        let text = "version 1.1\nworkflow w { scatter (i in range(12)) { call t { input: i = i } } output { Array[String] said = t.said } }\n\
            task t { META input { Int i } File ref = \"SITE/data/ref.fa\" Int sum = read_int(\"SITE/data/sum\")\n\
            command <<< cat ~{ref}; echo ~{sum} >>> output { String said = read_string(stdout()) } }\n";
        yard.write("w.wdl", &text.replace("META", meta).replace("SITE", &address));
        assert_eq!(yard.outputs(&["run", "w.wdl"])["w.said"], json!(vec!["ref\n1"; 12]));
        for name in ["/data/ref.fa", "/data/sum"] {
            let count = asked.lock().unwrap().iter().filter(|path| path.starts_with(name)).count();
            assert_eq!(count, times, "{name} once for each run");
        }
    }
}

/// A run that is ending waits for nothing that is brought, and many who wait keep no other call from being prepared.
#[test]
fn a_slow_place_keeps_no_run_from_ending() {
    let (address, put) = data();
    put("a.bam", 200, "reads\n");
    for (shards, last, code) in [(1100, "exit 3", 1), (20, "sleep 100", 130)] {
        put("a.bam.bai", SLOW, "");
        let yard = Yard::new();
        let text = "version 1.1\nworkflow w { input { File bam } scatter (i in range(SHARDS)) { call slow { input: bam = bam } }\n\
            call quick as first call quick { input: after = first.n } }\n\
            task slow { input { File bam File index = bam + \".bai\" } command <<< cat ~{index} >>> }\n\
            task quick { input { Int after = -1 } command <<< [ ~{after} = -1 ] || { touch DONE; LAST; } >>> output { Int n = 0 } }\n";
        let done = yard.path("done");
        let text = text.replace("SHARDS", &shards.to_string()).replace("LAST", last);
        yard.write("w.wdl", &text.replace("DONE", done.to_str().unwrap()));
        let mut child = yard.start(&["run", "w.wdl", &format!("bam={address}/data/a.bam")]);
        wait_for("the quick call", || done.exists() || child.try_wait().unwrap().is_some());
        if code == 130 {
            std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        }
        let asked = Instant::now();
        wait_for("the end", || child.try_wait().unwrap().is_some());
        let took = asked.elapsed();
        put("a.bam.bai", 404, "");
        assert_eq!(child.wait().unwrap().code(), Some(code), "{}", yard.read("background.err"));
        assert!(took < Duration::from_secs(25), "it waited for what nobody needs: {took:?}");
        let show = yard.show("last");
        let aborted = show["calls"].as_array().unwrap().iter().filter(|call| call["state"] == "Aborted").count();
        assert_eq!(aborted, shards + usize::from(code == 130), "{last}");
    }
}

/// What a task was brought lies there: who takes it up asks nobody for it, and starts nothing again.
#[test]
fn a_task_that_has_begun_needs_no_place_any_more() {
    let (address, put) = data();
    for (status, forgets, goes_on) in [(503, "", true), (404, "", false), (503, "downloads.places", true), (404, "a.bam.bai", false)] {
        for name in ["a.bam", "a.bam.bai", "a.md5", "ref.fa"] {
            put(name, 200, name);
        }
        let yard = Yard::new();
        let declared = "input { File bam File index = bam + \".bai\" File? none = bam + \".none\" String log }\n\
            File ref = \"SITE/data/ref.fa\" String sum = read_string(sub(bam, \"bam$\", \"md5\"))";
        let text = "version 1.3\ntask t { DECLARED command <<< echo x >> ~{log}.begun; while [ ! -e ~{log}.go ]; do sleep 0.05; done\n\
            cat ~{index} ~{ref}; echo ~{sum} ~{none} >>> output { String said = read_string(stdout()) } }";
        yard.write("t.wdl", &text.replace("DECLARED", declared).replace("SITE", &address));
        let log = yard.path("log").display().to_string();
        let mut child = yard.start(&["run", "t.wdl", "-d", "run", &format!("bam={address}/data/a.bam"), &format!("log={log}")]);
        wait_for("the task", || yard.path("log.begun").exists() || child.try_wait().unwrap().is_some());
        child.kill().unwrap();
        child.wait().unwrap();
        for name in ["a.bam", "a.bam.bai", "a.md5", "ref.fa"] {
            put(name, status, "");
        }
        if forgets == "downloads.places" {
            std::fs::remove_dir_all(yard.path("home").join(forgets)).unwrap();
        } else {
            let folders = std::fs::read_dir(yard.path("home/downloads")).unwrap();
            folders.for_each(|folder| drop(std::fs::remove_file(folder.unwrap().path().join(forgets))));
        }
        if !goes_on {
            yard.write("log.go", "");
            wait_for("its end", || yard.path("run/call-t/execution/rc").exists());
        }
        let mut child = yard.start(&["resume", "last"]);
        wait_for("who takes it up", || !yard.read("background.err").is_empty() || child.try_wait().unwrap().is_some());
        yard.write("log.go", "");
        wait_for("the run", || child.try_wait().unwrap().is_some());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{status} {forgets}: {}", yard.read("background.err"));
        let said = yard.show("last")["outputs"]["t.said"].clone();
        assert_eq!(said, "a.bam.bairef.faa.md5", "{status} {forgets}");
        assert_eq!(yard.read("log.begun"), "x\n", "{status} {forgets}: it was started once");
    }
}

#[test]
fn a_server_runs_documents_from_the_web() {
    let (address, _) = site(vec![("/flows/main.wdl", MAIN), ("/flows/lib/count.wdl", COUNT), ("/data/reads.txt", "a\nb\n")]);
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let (url, inputs) = (format!("{address}/flows/main.wdl"), json!({"w.f": format!("{address}/data/reads.txt")}).to_string());
    let answer = server.form("/api/workflows/v1", &[("workflowUrl", url.as_bytes()), ("workflowInputs", inputs.as_bytes())]);
    assert_eq!(answer.code, 201, "{}", answer.text);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(server.wait(&id), "Succeeded", "{}", server.about(&id, "metadata"));
    assert_eq!(server.about(&id, "outputs")["outputs"], json!({"w.n": 2}));
    let files = server.about(&id, "metadata")["submittedFiles"].clone();
    assert_eq!(files["workflow"], MAIN);
    assert_eq!((&files["workflowUrl"], &files["imports"][format!("{address}/flows/lib/count.wdl")]), (&json!(url), &json!(COUNT)));

    let missing = server.form("/api/workflows/v1", &[("workflowUrl", format!("{address}/none.wdl").as_bytes())]);
    let id = missing.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(server.wait(&id), "Failed");
    assert!(server.about(&id, "metadata").to_string().contains("404"));
}

#[test]
fn descriptions_know_what_stands_for_a_url_and_which_hosts_are_allowed() {
    let (address, asked) = site(vec![("/flows/main.wdl", MAIN), ("/flows/lib/count.wdl", COUNT)]);
    let yard = Yard::new();
    yard.write("copies/main.wdl", MAIN);
    yard.write("copies/lib/count.wdl", COUNT);
    yard.write("c.toml", "[wdl.import_map]\n\"http://published.invalid/\" = \"copies/\"\n");
    yard.write("c.conf", "languages.WDL.http-allow-list { enabled = true, allowed-http-hosts = [ elsewhere.invalid ] }\n");
    let server = Server::start_as(&yard, &["--config", "c.toml", "cromwell", "-Dconfig.file=c.conf", "-Dwebservice.port=0", "server"]);
    let describe = |url: &str| server.form("/api/womtool/v1/describe", &[("workflowUrl", url.as_bytes())]);
    assert_eq!(describe("http://published.invalid/main.wdl").json()["valid"], true);
    let refused = describe(&format!("{address}/flows/main.wdl"));
    assert!(refused.code == 400 && refused.text.contains("is not among the allowed ones"), "{refused:?}");
    assert!(asked.lock().unwrap().is_empty(), "it was fetched all the same");
}
