//! Configuration files of Cromwell, as its users have them: what they say is obeyed, and what they cannot say is told.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Instant,
};

use serde_json::{Value as Json, json};

use crate::{
    cluster::{Cluster, original},
    http::Server,
    yard::{Yard, done, lines, processes_with, wait_for},
};

/// A file as a site would write it, with an included one, substitutions and what has no meaning here.
const SITE: &str = r#"
include required(classpath("application"))
include "parts/site.conf"

webservice { port = 0, interface = 127.0.0.1 }
akka.http.server { request-timeout = 40 s, parsing.max-content-length = 64k }
system {
  new-workflow-poll-rate = 5
  max-concurrent-workflows = 50
  max-scatter-width-per-scatter = 4
  total-max-jobs-per-root-workflow = 6
  input-read-limits.lines = 20
  abbreviate-command-length = 12
  cromwell_id = lab, cromwell_id_random_suffix = false
  delete-workflow-files = false
}
workflow-options {
  workflow-failure-mode = ContinueWhilePossible
  encrypted-fields = [ token ]
  workflow-log-dir = ${site.home}/logs
  workflow-log-temporary = false
  default { final_call_logs_dir = ${site.home}/call-logs }
}
languages.WDL.versions."1.1".config.enabled = false
docker.hash-lookup.enabled = false
ga4gh.wes.contact-info-url = "mailto:lab@example.org"
yaml.max-nodes = 40
backend.providers.Local.config {
  root = ${site.home}/runs
  default-runtime-attributes { maxRetries = 1 }
}
"#;

/// A yard with this file, and a server that obeys it.
pub fn serve(text: &str, more: &[&str]) -> (Yard, Server) {
    let yard = Yard::new();
    yard.write("parts/site.conf", &format!("site.home = \"{}\"\n", yard.path("home of the lab").display()));
    yard.write("cromwell.conf", text);
    let mut arguments = vec!["cromwell", "-Dconfig.file=cromwell.conf"];
    arguments.extend(more);
    arguments.push("server");
    let server = Server::start_as(&yard, &arguments);
    (yard, server)
}

fn failures(server: &Server, id: &str) -> String {
    server.about(id, "metadata")["failures"].to_string()
}

const ECHO: &str = "version 1.0\nworkflow w { input { Int n } scatter (i in range(n)) { call t { input: i = i } } output { Array[String] s = t.s } }\n\
    task t { input { Int i } command <<< echo a long line of ~{i} >>> output { String s = read_string(stdout()) } }\n";

#[test]
fn a_file_drives_a_server() {
    let (yard, server) = serve(SITE, &["-Dsystem.total-max-jobs-per-root-workflow=5"]);
    let told = yard.read("background.err");
    for part in ["without effect: `system.new-workflow-poll-rate`", "cromwell.conf:8:"] {
        assert!(told.contains(part), "{part} is not told in\n{told}");
    }

    let id = server.run(ECHO, &json!({"w.n": 3}), &[("workflowOptions", br#"{"token": "hidden one", "read_from_cache": true}"#)]);
    let metadata = server.about(&id, "metadata");
    let text = metadata.to_string();
    assert!(!text.contains("hidden one") && text.contains(r#"\"token\": \"cleared\""#), "{text}");
    assert!(!server.get(&format!("/api/ga4gh/wes/v1/runs/{id}")).text.contains("hidden one"));
    let home = yard.path("home of the lab");
    assert_eq!(metadata["workflowRoot"], json!(fs::canonicalize(&home).unwrap().join("runs/w").join(&id)));
    assert_eq!(metadata["workflowProcessingEvents"][0]["cromwellId"], "lab");
    let call = &metadata["calls"]["w.t"][1];
    assert_eq!(call["commandLine"], "echo ...of 1");
    assert_eq!(call["runtimeAttributes"]["maxRetries"], "1");
    assert_eq!(call["callCaching"]["effectiveCallCachingMode"], "CallCachingOff", "the original caches only when it is told to");
    assert_eq!(metadata["workflowLog"], json!(home.join("logs").join(format!("workflow.{id}.log"))));
    assert!(fs::read_to_string(metadata["workflowLog"].as_str().unwrap()).unwrap().contains("ended: Succeeded"));
    assert!(home.join("call-logs").join("w").join(&id).exists(), "an option that the file sets for all workflows");

    let again = server.run(ECHO, &json!({"w.n": 3}), &[]);
    assert_eq!(server.about(&again, "metadata")["calls"]["w.t"][0]["callCaching"]["hit"], false);

    let wide = server.submit(ECHO, &json!({"w.n": 7}), &[]);
    assert_eq!(server.wait(&wide), "Failed");
    assert!(failures(&server, &wide).contains("scatter width of 7 exceeds the configured limit of 4"), "{}", failures(&server, &wide));
    let services = server.get("/api/ga4gh/wes/v1/service-info").json();
    assert_eq!(services["contact_info_url"], "mailto:lab@example.org");
    server.terminate();
}

#[test]
fn a_secret_is_not_kept() {
    let text = "include required(classpath(\"application\"))\nwebservice.port = 0\nworkflow-options.encrypted-fields = [ token, backend ]\n\
        database { profile = \"slick.jdbc.HsqldbProfile$\", db { driver = \"org.hsqldb.jdbcDriver\", url = \"jdbc:hsqldb:file:kept/db;shutdown=false\" } }\n";
    let (yard, server) = serve(text, &[]);
    let options = br#"{"token": "hidden one", "other": "shown one", "backend": "Local"}"#;
    server.run(ECHO, &json!({"w.n": 1}), &[("workflowOptions", options)]);
    server.terminate();
    let mut kept = Vec::new();
    for entry in fs::read_dir(yard.path("kept")).unwrap() {
        kept.extend(fs::read(entry.unwrap().path()).unwrap());
    }
    let holds = |text: &str| kept.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds("shown one") && !holds("hidden one"));
}

#[test]
fn a_secret_with_an_effect_is_kept_sealed() {
    let text = "include required(classpath(\"application\"))\nwebservice.port = 0\nworkflow-options.encrypted-fields = [ final_workflow_log_dir ]\n\
        database { profile = \"slick.jdbc.HsqldbProfile$\", db { driver = \"org.hsqldb.jdbcDriver\", url = \"jdbc:hsqldb:file:kept/db;shutdown=false\" } }\n";
    let (yard, server) = serve(text, &[]);
    let again = || Server::start_as(&yard, &["cromwell", "-Dconfig.file=cromwell.conf", "server"]);
    let (gate, begun, hidden) = (yard.path("gate"), yard.path("gate.begun"), yard.path("hidden-folder"));
    let number = yard.unique_number();
    let wdl = "version 1.0\nworkflow w { input { String gate } call t { input: gate = gate } }\n\
        task t { input { String gate } command <<< touch '~{gate}.begun'; sleep NUMBER & while [ ! -e '~{gate}' ]; do sleep 0.05; done; kill $!\n\
        touch '~{gate}.ended' >>> }"
        .replace("NUMBER", &number);
    let sleeping = || processes_with(&["sleep", &number]);
    let options = json!({"final_workflow_log_dir": hidden, "read_from_cache": false}).to_string();
    let submit = |server: &Server| {
        let id = server.submit(&wdl, &json!({"w.gate": gate}), &[("workflowOptions", options.as_bytes())]);
        wait_for("the task", || begun.exists() && sleeping() == 1);
        wait_for("its record", || server.about(&id, "metadata")["calls"]["w.t"][0]["executionStatus"] == "Running");
        id
    };
    let id = submit(&server);
    let shown = server.about(&id, "metadata")["submittedFiles"]["options"].to_string();
    assert!(shown.contains("cleared") && !shown.contains("hidden-folder"), "{shown}");
    server.kill();
    let kept: Vec<u8> = fs::read_dir(yard.path("kept")).unwrap().flat_map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(!kept.windows(13).any(|part| part == b"hidden-folder"), "neither the state nor its journal holds it");

    // The next server opens it.
    let server = again();
    fs::write(&gate, "").unwrap();
    assert_eq!(server.wait(&id), "Succeeded");
    wait_for("the copy of the log", || hidden.join(format!("workflow.{id}.log")).exists());
    fs::remove_file(&gate).unwrap();
    fs::remove_file(&begun).unwrap();
    let ended = yard.path("gate.ended");
    fs::remove_file(&ended).unwrap();

    // Without its key it cannot.
    let id = submit(&server);
    server.kill();
    assert_eq!(sleeping(), 1, "it does not need a server");
    fs::rename(yard.path("home/options.key"), yard.path("lost")).unwrap();
    let server = again();
    assert_eq!(server.wait(&id), "Failed");
    let told = failures(&server, &id);
    assert!(told.contains("options.key"), "{told}");
    // Nobody would wait for its task any more.
    assert_eq!(sleeping(), 0, "the task goes on");
    let calls = server.about(&id, "metadata")["calls"].clone();
    assert_eq!(calls["w.t"][0]["executionStatus"], "Aborted", "{calls}");
    assert!(begun.exists() && !ended.exists());
    server.terminate();
}

#[test]
fn limits_of_a_file_hold() {
    let (_yard, server) = serve(SITE, &[]);
    let many = ECHO.replace(
        "output { Array[String] s = t.s }",
        "call t as u { input: i = n } call t as v { input: i = n } call t as x { input: i = n }",
    );
    let id = server.submit(&many, &json!({"w.n": 4}), &[]);
    assert_eq!(server.wait(&id), "Failed");
    assert!(failures(&server, &id).contains("more than 6 jobs"), "{}", failures(&server, &id));

    let lines = "version 1.0\nworkflow w { Array[String] all = read_lines(write_lines([\"a line that is too long\"])) output { Int n = length(all) } }";
    let id = server.submit(lines, &json!({}), &[]);
    assert_eq!(server.wait(&id), "Failed");
    assert!(failures(&server, &id).contains("is larger than requested maximum of 20 Bytes"), "{}", failures(&server, &id));

    let id = server.submit(&ECHO.replace("version 1.0", "version 1.1"), &json!({"w.n": 1}), &[]);
    assert_eq!(server.wait(&id), "Failed");
    assert!(failures(&server, &id).contains("WDL 1.1 is switched off"), "{}", failures(&server, &id));

    // After a failure everything goes on that does not depend on it.
    let two = "version 1.0\nworkflow w { call bad call good } task bad { command <<< exit 3 >>> } task good { command <<< sleep 0.5; echo x >>> }";
    let id = server.submit(two, &json!({}), &[]);
    assert_eq!(server.wait(&id), "Failed");
    let calls = server.about(&id, "metadata")["calls"].clone();
    assert_eq!((&calls["w.good"][0]["executionStatus"], calls["w.bad"].as_array().unwrap().len()), (&json!("Done"), 2));

    let big = server.form("/api/workflows/v1", &[("workflowSource", "#".repeat(100_000).as_bytes())]);
    assert_eq!(big.code, 413, "{}", big.text);
    let yaml = format!("w.n: 3\nw.x: [{}]", "1, ".repeat(60));
    let answer = server.form("/api/workflows/v1", &[("workflowSource", ECHO.as_bytes()), ("workflowInputs", yaml.as_bytes())]);
    assert!(answer.code == 400 && answer.text.contains("yaml.max-nodes = 40"), "{}", answer.text);
}

#[test]
fn results_are_reused_when_the_file_says_so_and_forgotten_on_request() {
    let (yard, server) = serve(&format!("{SITE}\ncall-caching.enabled = true"), &[]);
    let hit =
        |id: &str| server.about(id, "metadata")["calls"]["w.t"].as_array().unwrap().iter().all(|call| call["callCaching"]["hit"] == true);
    let inputs = json!({"w.n": 2});
    let first = server.run(ECHO, &inputs, &[]);
    let second = server.run(ECHO, &inputs, &[]);
    assert!(!hit(&first) && hit(&second));

    // The results that the second workflow took are those of the first: these must go too.
    let answer = server.post(&format!("/api/workflows/v1/{second}/forget-results?call=w.t&index=1")).json();
    assert_eq!(answer, json!({"id": second, "calls": 1, "forgotten": 2}));
    let third = server.run(ECHO, &inputs, &[]);
    let hits: Vec<Json> =
        server.about(&third, "metadata")["calls"]["w.t"].as_array().unwrap().iter().map(|c| c["callCaching"]["hit"].clone()).collect();
    assert_eq!(hits, [true, false]);
    assert_eq!(server.post("/api/workflows/v1/00000000-0000-0000-0000-000000000000/forget-results").code, 404);

    let forget = |arguments: &[&str]| {
        let mut all = vec!["--config", "cromwell.conf", "cache", "forget"];
        all.extend(arguments);
        let done = yard.call(&all);
        assert_eq!(done.code, 0, "{}", done.err);
        done.err
    };
    assert!(forget(&[&third, "t[0]"]).contains("1 calls"));
    let fourth = server.run(ECHO, &inputs, &[]);
    assert!(!hit(&fourth) && hit(&server.run(ECHO, &inputs, &[])));
    assert!(forget(&[&fourth]).contains("2 calls"));
    assert!(!hit(&server.run(ECHO, &inputs, &[])));
    forget(&["--older-than", "1"]);
    assert!(hit(&server.run(ECHO, &inputs, &[])), "they are of today");
    forget(&["--older-than", "0"]);
    assert!(!hit(&server.run(ECHO, &inputs, &[])));
    let unknown = yard.call(&["--config", "cromwell.conf", "cache", "forget", &third, "nothing"]);
    assert!(unknown.code == 2 && unknown.err.contains("it has t[0], t[1]"), "{}", unknown.err);
}

#[test]
fn the_command_of_the_original_reads_files_settings_and_environment() {
    let yard = Yard::new();
    yard.write(
        "w.wdl",
        "version 1.0\nworkflow w { call t } task t { command <<< echo 1 >>> output { File f = stdout() } runtime { maxRetries: 0 } }",
    );
    yard.write(
        "c.conf",
        "include required(classpath(\"application\"))\nbackend.providers.Local.config.root = runs\nsystem.file-hash-cache = true\n",
    );
    let call = |arguments: &[&str], java: &str, more: &str| done(yard.command(arguments).env("JAVA_OPTS", java).env("CROMWELL_ARGS", more));

    let run = call(&["cromwell", "run", "w.wdl"], "-Xmx2g -Dconfig.file=c.conf", "server");
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(yard.path("runs/w").is_dir() && run.err.contains("without effect: `system.file-hash-cache`"), "{}", run.err);
    // Settings count more than the file, later ones more than earlier ones.
    let run = call(&["cromwell", "-Dbackend.providers.Local.config.root=own", "run", "w.wdl"], "-Dconfig.file=c.conf", "-DLOG_LEVEL=ERROR");
    assert!(run.code == 0 && yard.path("own/w").is_dir() && run.err.is_empty(), "{}", run.err);
    let run = call(&["cromwell", "w.wdl"], "", "run -Dconfig.file=c.conf");
    assert_eq!(run.code, 0, "{}", run.err);
    // Without a file nothing but what is set changes.
    let run = call(&["cromwell", "-Dworkflow-options.workflow-failure-mode=Stop", "run", "w.wdl"], "", "");
    assert!(run.code == 1 && run.err.contains("must be one of `NoNewCalls`, `ContinueWhilePossible`, not `Stop`"), "{}", run.err);

    // The same file under our own names.
    yard.write("config/batchyard/config.toml", "[cromwell]\nconfig = \"lab.conf\"\n[server]\nport = 8765\n");
    yard.write("config/batchyard/lab.conf", "webservice.port = 1\nsystem.max-concurrent-workflows = 3\n");
    let shown: Json = serde_json::from_str(&yard.call(&["config", "show", "--json"]).out).unwrap();
    assert_eq!((&shown["server.port"]["value"], &shown["server.max_workflows"]["value"]), (&json!("8765"), &json!("3")));
    assert!(shown["server.max_workflows"]["origin"].as_str().unwrap().ends_with("lab.conf:2"));
    let mut command = yard.command(&["config", "show", "--json"]);
    let shown: Json = serde_json::from_str(&done(command.env("BATCHYARD_CONFIG", yard.path("c.conf"))).out).unwrap();
    assert_eq!((&shown["runs_dir"]["value"], &shown["cache.read"]["value"]), (&json!("\"runs\""), &json!("false")));
}

#[test]
fn broken_files_tell_everything_at_once() {
    let yard = Yard::new();
    yard.write(
        "a.conf",
        "webservice.port = many\nsystem { job-shell = null }\nbackend.providers.Local.config.filesystems.local.localization = [hardlink]\n",
    );
    let told = yard.call(&["run", "x.wdl", "--config", "a.conf"]);
    assert_eq!(told.code, 2);
    for part in
        ["a.conf:1:19: error:", "    1 | webservice.port = many", "`system.job-shell` must not be null", "hint: did you mean `hard-link`?"]
    {
        assert!(told.err.contains(part), "{part} is not told in\n{}", told.err);
    }
    assert_eq!(yard.call(&["cromwell", "-Dconfig.file=a.conf", "run", "x.wdl"]).code, 1);
    yard.write("b.conf", "include \"none.conf\"\ninclude required(\"gone.conf\")\nsystem { \n");
    let told = yard.call(&["ls", "--config", "b.conf"]);
    assert!(told.code == 2 && told.err.contains("b.conf:"), "{}", told.err);
    let told = yard.call(&["ls", "--config", "gone.conf"]);
    assert!(told.code == 2 && told.err.contains("gone.conf"), "{}", told.err);
    // What cannot be run is refused before anything starts.
    yard.write("c.conf", "backend { default = T, providers.T.actor-factory = cromwell.backend.impl.tes.TesBackendLifecycleActorFactory }");
    let told = yard.call(&["cromwell", "-Dconfig.file=c.conf", "server"]);
    assert!(told.code == 1 && told.err.contains("needs a TES server"), "{}", told.err);
}

#[test]
fn keys_are_explained() {
    let yard = Yard::new();
    yard.write("c.conf", "database.db { url = \"jdbc:mysql://h/d\", user = u, password = s3cret }\n");
    let explain = |arguments: &[&str]| {
        let mut all = vec!["config", "explain"];
        all.extend(arguments);
        yard.call(&all)
    };
    let told = explain(&["system.max-concurrent-workflows"]);
    assert!(told.code == 0 && told.out.starts_with("system.max-concurrent-workflows: honoured\n") && told.out.contains("default: 5000"));
    let told = explain(&["docker.hash-lookup.enabled", "--json"]);
    assert_eq!(serde_json::from_str::<Json>(&told.out).unwrap()["verdict"], "mapped");
    let told = explain(&["sytem.job-shell"]);
    assert!(told.code == 1 && told.out.contains("`system.job-shell` may be meant"), "{}", told.out);
    let told = explain(&["database.db.password", "--config", "c.conf"]);
    assert!(told.out.contains("value: *** (c.conf:1)") && !told.out.contains("s3cret"), "{}", told.out);
    let shown = yard.call(&["config", "show", "--config", "c.conf"]);
    assert!(shown.out.contains("mysql://u:***@h/d") && !shown.out.contains("s3cret"), "{}", shown.out);
}

#[test]
fn a_server_is_reached_from_elsewhere_only_where_the_file_says_so() {
    let (yard, server) = serve("webservice.port = 0", &[]);
    assert!(yard.read("background.err").contains("`webservice.interface` is not set") && server.base.contains("127.0.0.1"));
    drop(server);
    let (yard, server) = serve("webservice { port = 0, interface = localhost }", &[]);
    assert!(!yard.read("background.err").contains("sign-in"), "{}", server.base);
    drop(server);
    let (yard, server) = serve("webservice { port = 0, interface = 0.0.0.0 }", &[]);
    assert!(yard.read("background.err").contains("warning: `0.0.0.0`") && server.base.contains("0.0.0.0"), "{}", server.base);
}

#[test]
fn jobs_start_at_the_pace_of_the_file() {
    let yard = Yard::new();
    yard.write("w.wdl", ECHO);
    yard.write("i.json", r#"{"w.n": 7}"#);
    yard.write("c.conf", "system.job-rate-control { jobs = 3, per = 1 second }");
    let begin = Instant::now();
    let run = yard.call(&["run", "w.wdl", "-i", "i.json", "--config", "c.conf", "--quiet"]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(begin.elapsed().as_millis() >= 2000, "7 jobs, 3 a second, took {:?}", begin.elapsed());
}

/// Listens for one notice after refusing a first one; what was sent.
fn listener() -> (String, Arc<Mutex<Vec<Json>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/done", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    // It ends with the test's process.
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let answer = if number == 0 { "500 Not now" } else { "200 OK" };
            if number > 0 {
                log.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            }
            write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        }
    });
    (address, heard)
}

#[test]
fn who_wants_to_know_is_told_of_the_end() {
    let (address, heard) = listener();
    let callback = format!(
        "webservice.port = 0\nworkflow-state-callback {{ enabled = true, endpoint = \"{address}\", request-backoff {{ min = 50 ms, max = 1 s, multiplier = 2 }} }}"
    );
    let (_yard, server) = serve(&callback, &[]);
    let id = server.run(ECHO, &json!({"w.n": 1}), &[]);
    wait_for("the notice", || !heard.lock().unwrap().is_empty());
    let told = heard.lock().unwrap().remove(0);
    assert_eq!(told, json!({"workflowId": id, "state": "Succeeded", "outputs": {"w.s": ["a long line of 0"]}, "failures": []}));
    let id = server.submit("version 1.0\nworkflow w { call none }", &json!({}), &[]);
    wait_for("the notice of a failure", || !heard.lock().unwrap().is_empty());
    let told = heard.lock().unwrap().remove(0);
    assert_eq!((&told["workflowId"], &told["state"]), (&json!(id), &json!("Failed")));
    assert!(!told["failures"].as_array().unwrap().is_empty());
}

#[test]
fn what_became_of_a_notice_is_shown() {
    let (address, heard) = listener();
    let callback = "webservice.port = 0\nworkflow-state-callback { enabled = true, max-retries = 1, request-backoff { min = 50 ms, max = 1 s, multiplier = 2 } }";
    let (yard, server) = serve(callback, &[]);
    let run = |url: &str| {
        let options = json!({"workflow_callback_uri": url}).to_string();
        server.run(ECHO, &json!({"w.n": 1}), &[("workflowOptions", options.as_bytes())])
    };
    // Nobody listens there any more.
    let nobody = format!("http://{}/", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let (quiet, told, lost) = (server.run(ECHO, &json!({"w.n": 1}), &[]), run(&address), run(&nobody));
    let shown = |server: &Server, id: &str| server.about(id, "metadata")["workflowCallback"].clone();
    for (id, url, successful) in [(&told, &address, true), (&lost, &nobody, false)] {
        wait_for("what became of the notice", || !shown(&server, id).is_null());
        let callback = shown(&server, id);
        assert_eq!((&callback["url"], &callback["successful"]), (&json!(url), &json!(successful)));
        let metadata = server.about(id, "metadata");
        assert!(callback["timestamp"].as_str().unwrap() >= metadata["end"].as_str().unwrap(), "{callback}");
        assert_eq!((&metadata["status"], &metadata["outputs"]["w.s"]), (&json!("Succeeded"), &json!(["a long line of 0"])));
    }
    assert_eq!(heard.lock().unwrap().len(), 1);
    assert!(yard.read("background.err").contains(&format!("run {lost}: ")), "{}", yard.read("background.err"));
    let before = shown(&server, &told);
    server.terminate();
    let server = Server::start_as(&yard, &["cromwell", "-Dconfig.file=cromwell.conf", "server"]);
    assert_eq!((shown(&server, &told), shown(&server, &quiet)), (before, Json::Null));
}

#[test]
fn schedulers_of_a_file_run_tasks() {
    for (file, name, tool) in [("sge.conf", "SGE", "qsub"), ("slurm.conf", "slurm", "sbatch")] {
        let cluster = Cluster::new("");
        let conf = fs::read_to_string(original(file)).unwrap();
        // A short period, so that the test need not wait for the file system of a cluster.
        cluster.yard.write(
            "c.conf",
            &format!("{conf}\nbackend.providers.{name}.config {{ exit-code-timeout-seconds = 1, script-epilogue = \":\" }}\n"),
        );
        cluster.yard.write("w.wdl", ECHO);
        cluster.yard.write("i.json", r#"{"w.n": 2}"#);
        let run = cluster.call(&["cromwell", "-Dconfig.file=c.conf", "run", "w.wdl", "-i", "i.json"]);
        assert_eq!(run.code, 0, "{name}: {}", run.err);
        assert!(run.out.contains("a long line of 1"), "{name}: {}", run.out);
        assert_eq!(cluster.calls(tool).len(), 2, "{name}");
        assert!(cluster.yard.path("cromwell-executions/w").is_dir());
        // With another default the same file runs them here.
        let local = cluster.call(&["cromwell", "-Dconfig.file=c.conf", "-Dbackend.default=Local", "run", "w.wdl", "-i", "i.json"]);
        assert_eq!((local.code, cluster.calls(tool).len()), (0, 2), "{name}: {}", local.err);
        let shown: Json = serde_json::from_str(&cluster.call(&["show", "last", "--json"]).out).unwrap();
        assert_eq!(shown["calls"][0]["start"]["provider"], Json::Null, "the local provider of the file is the built-in one");
        // Only what is enabled may be used.
        let mut arguments = vec!["cromwell", "-Dconfig.file=d.conf", "run", "w.wdl", "-i", "i.json"];
        cluster.yard.write("d.conf", &format!("include \"c.conf\"\nbackend.enabled = [{name}]\n"));
        cluster.yard.write("o.json", r#"{"backend": "Local"}"#);
        arguments.extend(["-o", "o.json"]);
        let refused = cluster.call(&arguments);
        assert!(refused.code == 1 && refused.err.contains("there is no provider (backend) `Local`"), "{name}: {}", refused.err);
    }
}

#[test]
fn the_file_of_the_cloud_guide_runs_on_this_machine() {
    let yard = Yard::new();
    let conf = fs::read_to_string(original("bcs.conf")).unwrap();
    // Without the database of the site, which is not here.
    let begin = conf.find("database {").unwrap();
    let end = conf.find("call-caching {").unwrap();
    yard.write("bcs.conf", &format!("{}{}\nwebservice.port = 0\n", &conf[..begin], &conf[end..]));
    let server = Server::start_as(&yard, &["cromwell", "-Dconfig.file=bcs.conf", "server"]);
    let told = yard.read("background.err");
    for part in [
        "the cloud service of the provider `BCS` no longer exists; its tasks run on this machine",
        "the root of the provider `BCS` is in the cloud",
    ] {
        assert!(told.contains(part), "{part} is not told in\n{told}");
    }
    assert_eq!(server.get("/api/workflows/v1/backends").json(), json!({"supportedBackends": ["BCS", "Local"], "defaultBackend": "BCS"}));
    let task = |attribute: &str| {
        format!(
            "task echo {{ String out command {{ echo Hello World! > ${{out}} }} runtime {{ {attribute} }} output {{ File outFile = \"${{out}}\" }} }}\n\
             workflow wf_echo {{ call echo output {{ File f = echo.outFile }} }}"
        )
    };
    let good = task(
        "cluster: \"OnDemand ecs.sn1.medium img-ubuntu-vpc\" mounts: \"oss://bucket/in/ /home/in/ false\" timeout: 60 systemDisk: \"cloud 40\"",
    );
    let options: &[(&str, &[u8])] = &[("workflowOptions", br#"{"bcs_workflow_tag": "tagxxx"}"#)];
    let id = server.run(&good, &json!({"wf_echo.echo.out": "out.txt"}), options);
    let metadata = server.about(&id, "metadata");
    let call = &metadata["calls"]["wf_echo.echo"][0];
    assert_eq!((&call["backend"], &call["runtimeAttributes"]["autoReleaseJob"]), (&json!("BCS"), &json!("false")));
    assert!(metadata["workflowRoot"].as_str().unwrap().ends_with(&format!("/wf_echo/tagxxx/{id}")), "{}", metadata["workflowRoot"]);

    let wrong = server.submit(&task("vpc: \"anywhere\""), &json!({"wf_echo.echo.out": "out.txt"}), &[]);
    assert_eq!(server.wait(&wrong), "Failed");
    let told = failures(&server, &wrong);
    assert!(told.contains("Runtime validation failed") && told.contains("`vpc`"), "{told}");
    let tag = server.submit(&good, &json!({"wf_echo.echo.out": "o"}), &[("workflowOptions", br#"{"bcs_workflow_tag": "../x"}"#)]);
    assert_eq!(server.wait(&tag), "Failed");
}

#[test]
fn a_state_in_memory_leaves_nothing_behind() {
    let yard = Yard::new();
    yard.write("w.wdl", ECHO);
    yard.write("i.json", r#"{"w.n": 1}"#);
    fs::create_dir(yard.path("tmp")).unwrap();
    yard.write("c.conf", "database.db.url = \"jdbc:hsqldb:mem:x;shutdown=false\"");
    let mut command = yard.command(&["cromwell", "-Dconfig.file=c.conf", "run", "w.wdl", "-i", "i.json", "-m", "m.json"]);
    let run = done(command.env("TMPDIR", yard.path("tmp")));
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(yard.read("m.json").contains("\"Succeeded\""));
    assert_eq!(fs::read_dir(yard.path("tmp")).unwrap().count(), 0);
    assert!(!yard.path("home/batchyard.db").exists());

    yard.write("f.conf", "database.db.url = \"jdbc:hsqldb:file:db/state;shutdown=false\"");
    let run = yard.call(&["cromwell", "-Dconfig.file=f.conf", "run", "w.wdl", "-i", "i.json"]);
    assert!(run.code == 0 && yard.path("db/state.sqlite").exists() && run.err.contains("kept with SQLite"), "{}", run.err);
}

#[test]
fn a_run_may_leave_its_tasks_when_it_is_told_to_end() {
    let yard = Yard::new();
    let number = yard.unique_number();
    yard.write(
        "w.wdl",
        &format!(
            "version 1.0\nworkflow w {{ call t }} task t {{ command <<< echo begun > {}; sleep {number}.5 & sleep 2 >>> }}",
            yard.path("mark").display()
        ),
    );
    yard.write("c.conf", "system.abort-jobs-on-terminate = false");
    let mut child = yard.start(&["run", "w.wdl", "--config", "c.conf"]);
    wait_for("the task", || yard.path("mark").exists());
    assert!(std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(yard.read("background.err").contains("batchyard resume"));
    let resumed = yard.call(&["resume", "last", "--quiet"]);
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    assert_eq!(lines(&yard.path("mark")).len(), 1, "it was not started again");
}
