//! What secret workflow options give is used and written nowhere: not in the state, not in metadata, not by `why`.

use std::{fs, net::TcpListener};

use serde_json::{Value as Json, json};

use crate::{
    configuration::serve,
    http::Server,
    yard::{Yard, wait_for},
};

const SITE: &str = r#"
include required(classpath("application"))
webservice.port = 0
workflow-options.encrypted-fields = [ default_runtime_attributes, workflow_callback_uri, final_workflow_log_dir, backend ]
workflow-state-callback { enabled = true, max-retries = 0 }
call-caching.enabled = true
database { profile = "slick.jdbc.HsqldbProfile$", db { driver = "org.hsqldb.jdbcDriver", url = "jdbc:hsqldb:file:kept/db;shutdown=false" } }
backend { default = Site, providers.Site {
  actor-factory = "cromwell.backend.impl.sfs.config.ConfigBackendLifecycleActorFactory"
  config {
    run-in-background = true
    runtime-attributes = "String? account\nString? password\nString? volume"
    runtime-attributes-for-caching { password = true, volume = true }
    submit = "case ${password} in *refused*) echo cannot use ${password} >&2; exit 1;; esac; SITE_PASSWORD=${password} /bin/bash ${script}"
  }
} }
"#;

const WDL: &str = "version 1.0\nworkflow w { input { Int n } call t { input: n = n } output { String s = t.s } }\n\
    task t { input { Int n } command <<< [ -n \"$SITE_PASSWORD\" ] && echo \"${#SITE_PASSWORD}\" >>> output { String s = read_string(stdout()) } \n\
    runtime { volume: \"shown-volume\" account: \"shown-account\" } }\n";

/// Whether a text stands in the files of the state, the journal among them.
fn state_holds(yard: &Yard, text: &str) -> bool {
    let files = fs::read_dir(yard.path("kept")).unwrap().map(|entry| entry.unwrap().path());
    files.map(|file| fs::read(file).unwrap()).any(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
}

fn run(server: &Server, n: u32, options: &Json) -> (String, String) {
    let id = server.submit(WDL, &json!({"w.n": n}), &[("workflowOptions", options.to_string().as_bytes())]);
    let state = server.wait(&id);
    (id, state)
}

fn why(yard: &Yard, id: &str, form: &[&str]) -> String {
    let arguments = [&["--config", "cromwell.conf", "why", id, "t"], form].concat();
    let done = yard.call(&arguments);
    assert_eq!(done.code, 0, "{}", done.err);
    done.out
}

#[test]
fn a_secret_attribute_is_written_nowhere() {
    let (yard, server) = serve(SITE, &[]);
    let attributes =
        |password: &str| json!({"default_runtime_attributes": {"password": password, "volume": "secret-volume", "docker": "secret/image"}});
    let (first, state) = run(&server, 1, &attributes("hidden-one"));
    assert_eq!(state, "Succeeded", "{}", server.about(&first, "metadata"));
    assert_eq!(server.about(&first, "outputs")["outputs"]["w.s"], "10", "the task got it");
    let shown = server.about(&first, "metadata");
    let call = &shown["calls"]["w.t"][0];
    assert_eq!(
        (&call["runtimeAttributes"]["password"], &call["runtimeAttributes"]["account"]),
        (&json!("cleared"), &json!("shown-account"))
    );
    assert_eq!(call["runtimeAttributes"]["volume"], "shown-volume", "what the task says itself is no secret");
    assert!(!shown.to_string().contains("hidden-one") && !shown.to_string().contains("secret"), "{shown}");

    // It counts for what a call is.
    let (second, _) = run(&server, 1, &attributes("hidden-one"));
    assert_eq!(server.about(&second, "metadata")["calls"]["w.t"][0]["callCaching"]["hit"], true);
    let (third, _) = run(&server, 1, &attributes("hidden-two"));
    assert_eq!(server.about(&third, "metadata")["calls"]["w.t"][0]["callCaching"]["hit"], false);
    for form in [&[][..], &["--json"]] {
        let told = why(&yard, &third, form);
        assert!(told.contains("runtime attribute password") && told.contains("cleared (") && !told.contains("hidden"), "{told}");
    }
    let answers = [&first, &second, &third].map(|id| server.about(id, "metadata").to_string());
    server.terminate();
    assert!(answers.iter().all(|text| !text.contains("hidden-")));
    assert!(state_holds(&yard, "shown-account"), "the files that are looked at are those of the state");
    for secret in ["hidden-one", "hidden-two", "secret-volume", "secret/image"] {
        assert!(!state_holds(&yard, secret), "{secret}");
    }
}

#[test]
fn failures_do_not_tell_secrets() {
    let (yard, server) = serve(SITE, &[]);
    let told = |options: Json| {
        let (id, state) = run(&server, 2, &options);
        assert_eq!(state, "Failed");
        server.about(&id, "metadata")["failures"].to_string()
    };
    let number = told(json!({"default_runtime_attributes": {"password": "fine", "cpu": "hidden-number"}}));
    assert!(number.contains("`cpu`") && number.contains("cleared"), "{number}");
    let backend = told(json!({"backend": "hidden-backend"}));
    assert!(backend.contains("there is no provider (backend) `cleared`"), "{backend}");
    let attributes = told(json!({"default_runtime_attributes": "hidden-text"}));
    assert!(attributes.contains("must be an object, not \\\"cleared\\\""), "{attributes}");
    let submit = told(json!({"default_runtime_attributes": {"password": "hidden-refused"}}));
    assert!(!submit.contains("hidden"), "{submit}");
    server.terminate();
    assert!(state_holds(&yard, "cleared") && !state_holds(&yard, "hidden-"));
}

#[test]
fn a_secret_address_or_folder_is_not_told() {
    let (yard, server) = serve(SITE, &[]);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = json!({
        "default_runtime_attributes": {"password": "fine"},
        "workflow_callback_uri": format!("http://{nobody}/hidden-token"),
        "final_workflow_log_dir": yard.path("hidden-folder")
    });
    let (id, state) = run(&server, 3, &options);
    assert_eq!(state, "Succeeded");
    wait_for("what became of the notice", || server.about(&id, "metadata")["workflowCallback"].is_object());
    let shown = server.about(&id, "metadata");
    assert_eq!((&shown["workflowCallback"]["url"], &shown["workflowCallback"]["successful"]), (&json!("cleared"), &json!(false)));
    assert!(!shown.to_string().contains("hidden-"), "{shown}");
    wait_for("the copy of the log", || yard.path("hidden-folder").join(format!("workflow.{id}.log")).exists());
    server.terminate();
    assert!(!state_holds(&yard, "hidden-") && !yard.read("background.err").contains("hidden-token"));
}
