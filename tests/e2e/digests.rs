//! Digests of images: a registry of these tests is asked over the loopback address, a fake `docker` runs the tasks.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, ErrorKind, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

use serde_json::{Value as Json, json};

use crate::{
    containers::{DOCKER, program},
    http::Server,
    yard::{Done, Yard, done, lines, wait_for},
};

/// Results are reused, and every workflow asks anew.
const CONF: &str = "call-caching.enabled = true\ndocker.hash-lookup { cache-entry-ttl = 0 s, max-retries = 0 }\nwebservice { port = 0, interface = localhost }\n";

/// Each task tells what it runs in.
const WDL: &str = "version 1.0\n\
    task t { input { Int i } command <<< echo \"$IMAGE\" >>> output { String image = read_string(stdout()) } runtime { docker: \"IMAGE_NAME\" cpu: 0.1 } }\n\
    workflow w { input { Int n = 1 } scatter (i in range(n)) { call t { input: i = i } } output { Array[String] images = t.image } }";

/// A registry that gives tokens to the account `me` alone.
struct Registry {
    address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The image by name and tag.
    tags: HashMap<String, u8>,
    /// Requests that had what they need, in order.
    answered: Vec<String>,
    /// Whether requests are taken and never answered.
    hangs: bool,
    /// Those that are not answered.
    kept: Vec<TcpStream>,
}

impl Registry {
    fn start() -> Registry {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let registry = Registry { address: listener.local_addr().unwrap().to_string(), state: Arc::default() };
        let (address, state) = (registry.address.clone(), Arc::clone(&registry.state));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (address, state) = (address.clone(), Arc::clone(&state));
                thread::spawn(move || answer(stream, &address, &mut state.lock().unwrap()));
            }
        });
        registry
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn set(&self, image: &str, n: u8) {
        self.state().tags.insert(image.to_owned(), n);
    }

    fn name(&self, image: &str) -> String {
        format!("{}/{image}", self.address)
    }

    /// How often it has told what an image is.
    fn told(&self) -> usize {
        self.state().answered.iter().filter(|line| line.starts_with("HEAD /v2/")).count()
    }
}

fn answer(mut stream: TcpStream, address: &str, state: &mut State) {
    let lines: Vec<String> =
        BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let Some(request) = lines.first() else { return };
    if state.hangs {
        return state.kept.push(stream);
    }
    let has = |text: &str| lines.iter().any(|line| line.eq_ignore_ascii_case(text));
    let path = request.split(' ').nth(1).unwrap_or_default();
    let image = path.strip_prefix("/v2/").unwrap_or_default().replace("/manifests/", ":");
    let scope = format!("repository:{}:pull", image.split(':').next().unwrap_or_default());
    let (status, headers, body) = if path.starts_with("/token?service=lab&scope=repository") {
        if has("authorization: Basic bWU6cHc=") {
            ("200 OK", String::new(), "{\"token\": \"secret\"}".to_owned())
        } else {
            ("403 Forbidden", String::new(), String::new())
        }
    } else if !has("authorization: Bearer secret") {
        let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{address}/token\",service=\"lab\",scope=\"{scope}\"\r\n");
        ("401 Unauthorized", challenge, String::new())
    } else {
        state.answered.push(request.clone());
        let by_digest = |n: &&u8| image.ends_with(&format!(":{}", digest(**n)));
        match state.tags.get(&image).or_else(|| state.tags.values().find(by_digest)) {
            Some(n) => {
                let content = if request.starts_with("HEAD ") { String::new() } else { manifest(*n) };
                ("200 OK", format!("Docker-Content-Digest: {}\r\n", digest(*n)), content)
            }
            None => ("404 Not Found", String::new(), String::new()),
        }
    };
    let text = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    // Who asked may be gone.
    let _ = stream.write_all(text.as_bytes());
}

/// What a registry keeps of an image of so many bytes.
fn manifest(n: u8) -> String {
    format!("{{\"schemaVersion\": 2, \"layers\": [{{\"size\": {n}}}, {{\"size\": 1000}}]}}")
}

fn digest(n: u8) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, manifest(n).as_bytes());
    format!("sha256:{}", hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn at(name: &str, n: u8) -> String {
    format!("{}@{}", name.rsplit_once(':').unwrap().0, digest(n))
}

/// A yard with this configuration, the account at a registry, and an engine.
fn yard(registry: &Registry, conf: &str) -> Yard {
    let yard = Yard::new();
    program(&yard, "docker", DOCKER);
    yard.write("cromwell.conf", conf);
    yard.write("docker/config.json", &format!("{{\"auths\": {{\"{}\": {{\"auth\": \"bWU6cHc=\"}}}}}}", registry.address));
    yard
}

fn command(yard: &Yard, arguments: &[&str]) -> Command {
    let mut command = yard.command(arguments);
    command.env("PATH", format!("{}:{}", yard.path("bin").display(), std::env::var("PATH").unwrap()));
    command.env("DOCKER_CONFIG", yard.path("docker"));
    command
}

fn call(yard: &Yard, arguments: &[&str]) -> Done {
    done(&mut command(yard, arguments))
}

fn serve(yard: &Yard) -> Server {
    let log = yard.path("background.err");
    let mut command = command(yard, &["server", "--config", "cromwell.conf", "--no-batch"]);
    Server::of(
        command.stderr(fs::File::create(&log).unwrap()).stdout(fs::File::create(yard.path("background.out")).unwrap()).spawn().unwrap(),
        log,
    )
}

/// Runs the workflow with this image, so many times at once; returns its metadata.
fn run(server: &Server, image: &str, n: usize) -> (String, Json) {
    let id = server.run(&WDL.replace("IMAGE_NAME", image), &json!({"w.n": n}), &[]);
    let metadata = server.about(&id, "metadata");
    (id, metadata)
}

fn why(yard: &Yard, id: &str) -> Json {
    let told = call(yard, &["why", id, "t", "--config", "cromwell.conf", "--json"]);
    assert_eq!(told.code, 0, "{}", told.err);
    serde_json::from_str::<Json>(&told.out).unwrap()[0].clone()
}

#[test]
fn a_tag_is_what_it_means_when_a_workflow_first_needs_it() {
    const SHARDS: usize = 50;
    let registry = Registry::start();
    registry.set("lab/tool:1", 1);
    let yard = yard(&registry, CONF);
    let server = serve(&yard);
    let one = registry.name("lab/tool:1");

    let (_, metadata) = run(&server, &one, SHARDS);
    assert_eq!(registry.told(), 1, "all shards share one answer");
    assert_eq!(metadata["outputs"]["w.images"], json!(vec![at(&one, 1); SHARDS]));
    let first = &metadata["calls"]["w.t"][SHARDS - 1];
    assert_eq!((&first["dockerImageUsed"], &first["runtimeAttributes"]["docker"]), (&json!(at(&one, 1)), &json!(one)));
    assert!(first.get("imageMapping").is_none(), "{first}");
    assert_eq!(first["compressedDockerSize"], 1001);
    assert_eq!((&first["callCaching"]["hit"], &first["callCaching"]["result"]), (&json!(false), &json!("Cache Miss")));

    // The same image under another tag is the same.
    registry.set("lab/tool:2", 1);
    let (_, metadata) = run(&server, &registry.name("lab/tool:2"), 1);
    let call = &metadata["calls"]["w.t"][0];
    assert_eq!((&call["callCaching"]["hit"], &call["dockerImageUsed"]), (&json!(true), &json!(at(&one, 1))));
    assert_eq!(call["compressedDockerSize"], 1001);
    assert_eq!(registry.state().answered.iter().filter(|line| line.starts_with("GET ")).count(), 1, "a digest has one size for ever");
    // A tag that has moved is not.
    registry.set("lab/tool:1", 2);
    let (id, metadata) = run(&server, &one, 1);
    assert_eq!(metadata["outputs"]["w.images"], json!([at(&one, 2)]));
    assert_eq!(why(&yard, &id)["differences"], json!([{ "part": "image", "earlier": at(&one, 1), "now": at(&one, 2) }]));
    let (_, metadata) = run(&server, &one, 1);
    assert_eq!(metadata["calls"]["w.t"][0]["callCaching"]["hit"], true);
    // One that is named by its digest needs nobody.
    let told = registry.told();
    let (_, metadata) = run(&server, &at(&one, 2), 1);
    assert_eq!(metadata["calls"]["w.t"][0]["callCaching"]["hit"], true);
    assert_eq!(registry.told(), told);
}

#[test]
fn what_is_made_with_an_unknown_image_is_not_reused() {
    let registry = Registry::start();
    let yard = yard(&registry, CONF);
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = serve(&yard);
    for (image, reason) in [(registry.name("lab/none:1"), "(404)"), (format!("{gone}/lab/tool:1"), "cannot be asked")] {
        for _ in 0..2 {
            let (id, metadata) = run(&server, &image, 2);
            let call = &metadata["calls"]["w.t"][1];
            let expected =
                json!({ "effectiveCallCachingMode": "CallCachingOff", "allowResultReuse": false, "hit": false, "result": "Cache Miss" });
            assert_eq!((&call["callCaching"], &call["dockerImageUsed"]), (&expected, &json!(image)));
            assert!(call.get("compressedDockerSize").is_none(), "{call}");
            assert_eq!(metadata["outputs"]["w.images"], json!([image, image]));
            let told = why(&yard, &id)["reason"].as_str().unwrap().to_owned();
            assert!(told.starts_with(&format!("the digest of image `{image}` is not known: ")) && told.contains(reason), "{told}");
            let log = format!("{}/workflow.{id}.log", metadata["workflowRoot"].as_str().unwrap());
            let noted = || fs::read_to_string(&log).unwrap_or_default().matches("neither taken from earlier calls nor kept").count();
            wait_for("the log", || noted() > 0);
            assert_eq!(noted(), 1);
        }
    }
    drop(server);
    let told = registry.told();
    yard.write("cromwell.conf", &CONF.replace("cache-entry-ttl", "enabled = false, cache-entry-ttl"));
    let server = serve(&yard);
    let image = registry.name("lab/tool:1");
    for (image, hit) in [(image.clone(), false), (image.clone(), false), (at(&image, 3), false), (at(&image, 3), true)] {
        let (id, metadata) = run(&server, &image, 1);
        let call = &metadata["calls"]["w.t"][0];
        assert_eq!((&call["callCaching"]["hit"], &metadata["outputs"]["w.images"]), (&json!(hit), &json!([image])));
        let reason = why(&yard, &id)["reason"].as_str().unwrap_or_default().to_owned();
        assert_eq!(reason.contains("switched off"), image.ends_with("tool:1"), "{reason}");
    }
    assert_eq!(registry.told(), told, "nobody was asked");
}

#[test]
fn the_first_answer_holds_over_a_kill_of_the_server() {
    let registry = Registry::start();
    registry.set("lab/tool:1", 1);
    let yard = yard(&registry, CONF);
    let server = serve(&yard);
    let (image, mark) = (registry.name("lab/tool:1"), yard.path("mark"));
    let wdl = "version 1.0\n\
        task t { input { String after } command <<< echo \"$IMAGE\" >>> output { String image = read_string(stdout()) } runtime { docker: \"IMAGE_NAME\" } }\n\
        task pause { input { String after String mark } command <<< touch ~{mark}; while [ ! -e ~{mark}.go ]; do sleep 0.05; done >>> output { String s = \"\" } }\n\
        workflow sub { input { String after } call t as second { input: after = after } output { String image = second.image } }\n";
    let main = format!("{}import \"sub.wdl\" as s\n", "version 1.0\n")
        + "workflow w { input { String mark } call s.t as first { input: after = \"\" } call s.pause { input: after = first.image, mark = mark }\n\
           call s.sub { input: after = pause.s } output { Array[String] images = [first.image, sub.image] } }";
    let zip = crate::http::zipped(&[("sub.wdl", wdl.replace("IMAGE_NAME", &image).as_bytes())]);
    let id = server.submit(&main, &json!({"w.mark": mark}), &[("workflowDependencies", &zip)]);
    wait_for("the pause", || mark.exists());
    server.kill();
    registry.set("lab/tool:1", 2);
    let told = registry.told();
    let server = serve(&yard);
    yard.write("mark.go", "");
    assert_eq!(server.wait(&id), "Succeeded", "{}", server.about(&id, "metadata"));
    assert_eq!(server.about(&id, "outputs")["outputs"]["w.images"], json!([at(&image, 1), at(&image, 1)]));
    assert_eq!(registry.told(), told);
    // Another workflow is another matter.
    assert_eq!(run(&server, &image, 1).1["outputs"]["w.images"], json!([at(&image, 2)]));
}

/// Waits for somebody, and then tells what it runs in.
const WAITING: &str = "version 1.0\n\
    task t { input { String mark } command <<< touch ~{mark}; while [ ! -e ~{mark}.go ]; do sleep 0.05; done; echo \"$IMAGE\" > image >>> output { String image = read_string(\"image\") } runtime { docker: \"IMAGE_NAME\" } }\n\
    workflow w { input { String mark } call t { input: mark = mark } output { String image = t.image } }";

/// Kills a server of the first configuration while a task runs, has another one of the second end it after `meanwhile`, and runs
/// the same again. Metadata of the call in both runs, and what `why` says of the first.
fn over_a_kill(registry: &Registry, confs: [&str; 2], meanwhile: impl FnOnce()) -> (Json, Json, Json) {
    let yard = yard(registry, confs[0]);
    let server = serve(&yard);
    let (wdl, mark) = (WAITING.replace("IMAGE_NAME", &registry.name("lab/tool:1")), yard.path("mark"));
    let id = server.submit(&wdl, &json!({"w.mark": mark}), &[]);
    wait_for("the task", || mark.exists());
    wait_for("its record", || server.about(&id, "metadata")["calls"]["w.t"][0]["executionStatus"] == "Running");
    server.kill();
    meanwhile();
    yard.write("cromwell.conf", confs[1]);
    let server = serve(&yard);
    yard.write("mark.go", "");
    assert_eq!(server.wait(&id), "Succeeded", "{}", server.about(&id, "metadata"));
    assert_eq!(fs::read_to_string(yard.path("bin/docker.calls")).unwrap().matches("run ").count(), 1, "it is taken up as it runs");
    let first = server.about(&id, "metadata")["calls"]["w.t"][0].clone();
    let again = server.run(&wdl, &json!({"w.mark": mark}), &[]);
    (first, server.about(&again, "metadata")["calls"]["w.t"][0].clone(), why(&yard, &id))
}

#[test]
fn a_task_that_is_taken_up_runs_in_what_it_was_started_in() {
    let registry = Registry::start();
    let image = registry.name("lab/tool:1");
    // The registry did not know the image then, and does now.
    let (first, again, told) = over_a_kill(&registry, [CONF, CONF], || registry.set("lab/tool:1", 1));
    assert_eq!((&first["outputs"]["image"], &first["dockerImageUsed"]), (&json!(image), &json!(image)));
    assert_eq!(first["callCaching"]["allowResultReuse"], false);
    assert!(told["reason"].as_str().unwrap().contains("(404)"), "{told}");
    assert_eq!((&again["callCaching"]["hit"], &again["outputs"]["image"]), (&json!(false), &json!(at(&image, 1))));
    // Nobody looked it up then.
    let before = CONF.replace("docker.hash-lookup", "#");
    let (first, again, told) = over_a_kill(&registry, [&before, CONF], || {});
    assert_eq!((&first["outputs"]["image"], &first["dockerImageUsed"]), (&json!(image), &json!(image)));
    assert!(told["reason"].as_str().unwrap().contains("before digests were looked up"), "{told}");
    assert_eq!((&again["callCaching"]["hit"], &again["outputs"]["image"]), (&json!(false), &json!(at(&image, 1))));
    // What was known stays known, also when nobody looks it up any more.
    for after in [CONF, &before] {
        registry.set("lab/tool:1", 1);
        let (first, again, _) = over_a_kill(&registry, [CONF, after], || registry.set("lab/tool:1", 2));
        assert_eq!((&first["outputs"]["image"], &first["dockerImageUsed"]), (&json!(at(&image, 1)), &json!(at(&image, 1))));
        assert_eq!((&first["callCaching"]["allowResultReuse"], &first["compressedDockerSize"]), (&json!(true), &json!(1001)), "{first}");
        assert_eq!(again["callCaching"]["hit"], false, "another image, or only its tag: {again}");
    }
    // The same under the same rules is taken again.
    let (_, again, _) = over_a_kill(&registry, [&before, &before], || registry.set("lab/tool:1", 3));
    assert_eq!(again["callCaching"]["hit"], true, "{again}");
}

#[test]
fn an_abort_does_not_wait_for_a_registry() {
    const TRIES: usize = 4;
    let registry = Registry::start();
    registry.state().hangs = true;
    let yard = yard(&registry, &CONF.replace("max-retries = 0", &format!("max-retries = {}", TRIES - 1)));
    let server = serve(&yard);
    // More calls than are prepared ahead, and one after them that needs no image.
    let mark = yard.path("mark");
    let plain = format!(
        "}} call u {{ input: after = n }} output {{ Array[String] images = t.image }} }}\ntask u {{ input {{ Int after }} command <<< touch {} >>> }}",
        mark.display()
    );
    let wdl = WDL.replace("IMAGE_NAME", &registry.name("lab/tool:1")).replace("} output { Array[String] images = t.image } }", &plain);
    let id = server.submit(&wdl, &json!({"w.n": 1500}), &[]);
    wait_for("the registry to be asked", || !registry.state().kept.is_empty());
    wait_for("the task without an image", || mark.exists());
    // Others go on meanwhile.
    let other = "version 1.0\ntask t { command <<< echo 1 >>> output { Int n = read_int(stdout()) } }\nworkflow v { call t }";
    server.run(other, &json!({}), &[]);
    server.post(&format!("/api/workflows/v1/{id}/abort"));
    assert_eq!(server.wait(&id), "Aborted");
    // The registry is still being waited for, by nobody.
    let state = registry.state();
    let last = state.kept.last().unwrap();
    last.set_nonblocking(true).unwrap();
    let still_open = last.peek(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    assert!(still_open || state.kept.len() < TRIES, "the abort came after the last answer");
    drop(state);
    assert!(!yard.path("bin/docker.calls").exists());
}

#[test]
fn commands_of_providers_get_the_digest() {
    let registry = Registry::start();
    registry.set("lab/tool:1", 4);
    let conf = "backend { default = Own, providers.Own { actor-factory = \"cromwell.backend.impl.sfs.config.ConfigBackendLifecycleActorFactory\"\n\
        config { run-in-background = true, runtime-attributes = \"String? docker Float? cpu\"\n\
        submit-docker = \"echo ${docker} >> IMAGES; bash ${docker_script}\" } } }\n";
    let yard = yard(&registry, CONF);
    yard.write("cromwell.conf", &format!("{CONF}{}", conf.replace("IMAGES", yard.path("images").to_str().unwrap())));
    let server = serve(&yard);
    let image = registry.name("lab/tool:1");
    let (_, metadata) = run(&server, &image, 1);
    assert_eq!(lines(&yard.path("images")), [at(&image, 4)]);
    assert_eq!(metadata["calls"]["w.t"][0]["dockerImageUsed"], json!(at(&image, 4)));
    assert_eq!(run(&server, &image, 1).1["calls"]["w.t"][0]["callCaching"]["hit"], true);
}

/// A `docker` that has images, and gets one.
const LOCAL: &str = "#!/bin/bash\nbox=$(dirname \"$0\")\ncase $1 in\n\
    images) echo \"$*\" >> \"$box/docker.calls\"; printf 'tool\\t1\\tDIGEST_1\\nown\\tlatest\\t<none>\\n'; [ ! -e \"$box/got\" ] || printf 'lab/new\\t2\\tDIGEST_2\\n' ;;\n\
    pull) echo \"$*\" >> \"$box/docker.calls\"; [ \"$2\" = lab/new:2 ] && touch \"$box/got\" ;;\n\
    *) exec \"$box/docker-run\" \"$@\" ;;\nesac\n";

#[test]
fn the_engine_can_tell_digests() {
    let registry = Registry::start();
    let yard = yard(&registry, "");
    program(&yard, "docker-run", DOCKER);
    program(&yard, "docker", &LOCAL.replace("DIGEST_1", &digest(1)).replace("DIGEST_2", &digest(2)));
    yard.write("config/batchyard/config.toml", "[containers]\ndigests = \"local\"\n");
    let run = |image: &str| {
        yard.write("w.wdl", &WDL.replace("IMAGE_NAME", image));
        let run = call(&yard, &["run", "w.wdl", "n=3"]);
        assert_eq!(run.code, 0, "{}\n{}", run.out, run.err);
        let images = serde_json::from_str::<Json>(&run.out).unwrap()["outputs"]["w.images"].clone();
        (images, yard.show("last")["calls"][0]["cached"].as_bool().unwrap(), run.err)
    };
    let asked = || lines(&yard.path("bin/docker.calls")).into_iter().filter(|line| !line.starts_with("run ")).collect::<Vec<_>>();
    let (images, cached, _) = run("docker.io/library/tool:1");
    assert_eq!((images, cached), (json!(vec![at("docker.io/library/tool:1", 1); 3]), false));
    assert_eq!(asked().len(), 1, "{:?}", asked());
    let (images, cached, _) = run("lab/new:2");
    assert_eq!((images, cached), (json!(vec![at("lab/new:2", 2); 3]), false));
    assert_eq!(asked()[2], "pull lab/new:2");
    assert!(run("lab/new:2").1);
    // What was made here has none.
    for _ in 0..2 {
        let (images, cached, told) = run("own");
        assert_eq!((images, cached), (json!(["own", "own", "own"]), false));
        assert_eq!(told.matches("from no registry").count(), 1, "{told}");
    }
}

#[test]
fn what_is_done_about_tags_is_said_and_shown() {
    let registry = Registry::start();
    let yard = yard(&registry, "include required(classpath(\"application\"))\ncall-caching.enabled = true\n");
    let shown = |arguments: &[&str]| {
        let mut all = vec!["config", "show"];
        all.extend(arguments);
        let told = call(&yard, &all);
        assert_eq!(told.code, 0, "{}", told.err);
        told.out.lines().find(|line| line.contains("containers.digests")).unwrap().to_owned()
    };
    assert!(shown(&[]).contains("tag-is-identity"));
    assert!(shown(&["--config", "cromwell.conf"]).contains("tag-is-identity"), "the original's defaults alone ask nobody");
    yard.write("remote.conf", "docker.hash-lookup.method = remote\n");
    let line = shown(&["--config", "remote.conf"]);
    assert!(line.contains("\"remote\"") && line.contains("remote.conf:1"), "{line}");
    yard.write("off.conf", "docker.hash-lookup { enabled = false, method = local }\n");
    assert!(shown(&["--config", "off.conf"]).contains("\"off\""));
    yard.write("own.toml", "[containers]\ndigests = \"remote\"\n[cromwell]\nconfig = \"off.conf\"\n");
    assert!(shown(&["--config", "own.toml"]).contains("\"remote\""), "our own file counts more");
    yard.write("wrong.toml", "[containers]\ndigests = \"sometimes\"\n");
    let told = call(&yard, &["config", "show", "--config", "wrong.toml"]);
    assert!(
        told.code != 0 && told.err.contains("must be \"tag-is-identity\", \"remote\", \"local\" or \"off\", not \"sometimes\""),
        "{}",
        told.err
    );
    let told = call(&yard, &["config", "explain", "docker.hash-lookup.enabled", "--config", "off.conf"]);
    assert!(
        told.out.starts_with("docker.hash-lookup.enabled: mapped\n") && told.out.contains("an image is its name with its tag"),
        "{}",
        told.out
    );
    assert_eq!(registry.told(), 0);
}
