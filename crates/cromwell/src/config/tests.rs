use std::{path::PathBuf, time::Duration};

use batchyard_store::Location;
use batchyard_workflow::{digests::Bounds, settings::FailureMode};

use super::*;

/// Configuration files that are also compared with the reference library.
fn sample(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../hocon/tests/documents/cromwell").join(name)
}

fn read(path: &std::path::Path, overrides: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let overrides: Vec<_> = overrides.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    load(Some(path), &overrides, &|name| (name == "HOME").then(|| "/home/yard".into()))
}

fn text(text: &str) -> Result<Loaded, Problems> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.conf");
    std::fs::write(&path, text).unwrap();
    read(&path, &[])
}

fn problems(document: &str) -> String {
    text(document).map(|_| ()).unwrap_err().to_string()
}

fn told(notes: &[Note]) -> String {
    notes.iter().map(|note| format!("{note}\n")).collect()
}

#[test]
fn defaults_are_those_of_the_original() {
    let (config, notes, _) = load(None, &[], &|_| None).unwrap();
    assert!(notes.is_empty(), "{}", told(&notes));
    assert_eq!((config.webservice.interface.as_deref(), config.webservice.port), (None, 8000));
    assert_eq!(config.system.max_concurrent_workflows, 5000);
    assert_eq!(config.system.abort_jobs_on_terminate, None);
    assert_eq!((config.system.job_rate, config.system.input_read_limits.int), (None, None));
    assert_eq!(config.system.input_read_limits.lines, 512_000_000);
    assert_eq!(config.system.memory_retry_error_keys, ["OutOfMemory", "Killed"]);
    assert!(!config.call_caching.enabled);
    assert_eq!(config.database, DatabaseChoice::Unsaid);
    assert_eq!(config.languages.wdl_versions.keys().collect::<Vec<_>>(), ["draft-2", "1.0", "1.1", "cascades"]);
    assert_eq!(config.backends.default, "Local");
    let local = &config.backends.providers["Local"];
    assert_eq!(local.kind, ProviderKind::BuiltIn);
    assert_eq!(local.definition.submit, None);
    assert!(local.plain && local.definition.runtime_attributes.contains("docker_user"));
}

#[test]
fn the_table_tells_the_truth_about_the_defaults() {
    let (config, _, _) = load(None, &[], &|_| None).unwrap();
    for (key, value, _) in config.shown().into_iter().filter(|(key, _, _)| !key.starts_with("user.") && !key.starts_with("java.")) {
        let explanation = explain(&key);
        assert!(matches!(explanation.verdict, Verdict::Honoured | Verdict::Mapped), "{key} is a default and {:?}", explanation.verdict);
        let plain = value.trim_matches(['"', '[', ']']).replace('"', "");
        let (default, plain) = (explanation.default.replace(' ', ""), plain.replace(' ', ""));
        let same = default.trim_matches(['[', ']']) == plain || default == plain.replace("seconds", "s");
        let described =
            ["languages.WDL.versions.", "backend.providers.", "database.", "workflow-options.base64"].iter().any(|p| key.starts_with(p));
        assert!(same || described, "{key}: the table says {default}, the defaults say {plain}");
    }
}

#[test]
fn every_key_that_is_read_is_in_the_table_and_the_other_way_round() {
    let document = "backend.providers.X { actor-factory = \"cromwell.backend.impl.sfs.config.ConfigBackendLifecycleActorFactory\"\n\
         config { submit = x, run-in-background = true, runtime-attributes-for-caching { a = true }, filesystems.http {} } }";
    let (_, _, mut keys) = text(document).unwrap();
    // The file itself is named on the command line.
    keys.insert("config.file".into());
    let elements = |key: &str| batchyard_hocon::Path::parse(key).unwrap().0;
    for key in &keys {
        let explanation = explain(key);
        assert!(matches!(explanation.verdict, Verdict::Honoured | Verdict::Mapped), "{key} is read and {:?}", explanation.verdict);
    }
    let rows: BTreeSet<&str> = keys.iter().filter_map(|key| keys::row(&elements(key))).map(|row| row.pattern).collect();
    for row in KEYS.iter().filter(|row| matches!(row.verdict, Verdict::Honoured | Verdict::Mapped)) {
        // Entries of an object that is read as a whole.
        let object = row.pattern.trim_end_matches(".**").trim_end_matches(".*");
        let whole = object != row.pattern && keys.iter().any(|key| same(object, &elements(key)));
        assert!(rows.contains(row.pattern) || whole, "{} is said to be used and not read", row.pattern);
    }
}

fn same(pattern: &str, key: &[String]) -> bool {
    let segments: Vec<&str> = pattern.split('.').collect();
    segments.len() == key.len() && segments.iter().zip(key).all(|(segment, name)| *segment == "*" || segment == name)
}

#[test]
fn a_server_configuration_is_read() {
    let (config, notes, _) = read(&sample("server.conf"), &[("webservice.port", "8200"), ("system.cromwell_id", "two")]).unwrap();
    assert_eq!((config.webservice.interface.as_deref(), config.webservice.port), (Some("127.0.0.1"), 8200));
    assert!(config.is_property("webservice.port") && config.is_set("webservice.interface") && !config.is_set("yaml.max-depth"));
    assert_eq!(config.webservice.request_timeout, Some(Duration::from_secs(60)));
    assert_eq!(config.webservice.max_content_length, Some(200 << 20));
    assert_eq!(config.system.abort_jobs_on_terminate, Some(true));
    assert_eq!(config.system.job_rate, Some(Rate { jobs: 50, per: Duration::from_secs(1) }));
    assert_eq!((config.system.hog_group_option.as_str(), config.system.hog_factor), ("project", 10));
    assert_eq!(config.system.input_read_limits.string, 128_000_000);
    assert_eq!((config.system.cromwell_id.as_deref(), config.system.cromwell_id_random_suffix), (Some("two"), false));
    assert_eq!(config.workflow_options.failure_mode, FailureMode::ContinueWhilePossible);
    assert_eq!(config.workflow_options.default_type_version.as_deref(), Some("draft-2"));
    assert!(config.workflow_options.defaults.is_empty());
    assert_eq!(config.languages.import_hosts.as_deref(), Some(&["raw.example.org".to_string(), "example.com".into()][..]));
    assert_eq!(config.languages.wdl_versions["1.0"], LanguageVersion { enabled: true, strict_validation: false });
    assert_eq!(config.callback.unwrap().endpoint.as_deref(), Some("https://hooks.example.org/done"));
    let DatabaseChoice::At(Location::Url(url)) = &config.database else { panic!("{:?}", config.database) };
    assert_eq!(url, "mysql://yard:p%40ss%3Aw%2Frd@db.example.org:3306/cromwell");
    let notes = told(&notes);
    for part in [
        "without effect: `system.new-workflow-poll-rate`",
        "`database.db.connectionTimeout`, `database.db.numThreads`, for",
        "services.MetadataService",
        "without effect: `system.graceful-server-shutdown`",
    ] {
        assert!(notes.contains(part), "{part} is not told in\n{notes}");
    }
    let bounds = Bounds { keep: Duration::from_secs(20 * 60), most: 200 };
    assert_eq!(config.hash_lookup, Some(HashLookup { method: Some(Method::Local), bounds, retries: 3 }));
    assert!(!notes.contains("p@ss") && !notes.contains("p%40ss"), "{notes}");
}

#[test]
fn digests_are_looked_up_only_where_a_file_says_something_about_them() {
    let found = |document: &str| text(document).unwrap().0.hash_lookup;
    assert_eq!(load(None, &[], &|_| None).unwrap().0.hash_lookup, None);
    assert_eq!(found("include required(classpath(\"application\"))\nwebservice.port = 81"), None);
    let plain = HashLookup { method: Some(Method::Remote), bounds: Bounds::default(), retries: 3 };
    assert_eq!(found("docker { hash-lookup { enabled = true } }"), Some(plain));
    assert_eq!(found("docker.hash-lookup.dockerhub.num-threads = 10"), Some(plain));
    assert_eq!(found("docker.hash-lookup.enabled = false").unwrap().method, None);
    let set = found("docker.hash-lookup { method = LOCAL, cache-entry-ttl = \"90 s\", cache-size = 3, max-retries = 0 }").unwrap();
    assert_eq!(set, HashLookup { method: Some(Method::Local), bounds: Bounds { keep: Duration::from_secs(90), most: 3 }, retries: 0 });
    let told = problems("docker.hash-lookup { method = gcr, cache-size = 0 }");
    assert!(
        told.contains("`docker.hash-lookup.method` must be one of `remote`, `local`, not `gcr`") && told.contains("cache-size"),
        "{told}"
    );
}

#[test]
fn a_store_of_oss_is_read_from_the_engine_or_the_default_provider() {
    let auth = |endpoint: &str| {
        format!("filesystems {{ oss {{ auth {{ mode = default, endpoint = \"{endpoint}\", access-id = me, access-key = sesame }} }} }}")
    };
    let bcs = "actor-factory = \"cromwell.backend.impl.bcs.BcsBackendLifecycleActorFactory\"";
    let provider = format!("backend {{ default = BCS, providers.BCS {{ {bcs}, config {{ {} }} }} }}\n", auth("oss.provider"));
    let (config, notes, _) = text(&provider).unwrap();
    let found = config.oss_filesystem.unwrap();
    assert_eq!((found.endpoint.as_str(), found.access_id.as_str(), found.access_key.as_str()), ("oss.provider", "me", "sesame"));
    assert!(!format!("{found:?} {}", told(&notes)).contains("sesame"));
    let (config, _, _) = text(&format!("{provider}engine {{ {} }}", auth("oss.engine"))).unwrap();
    assert_eq!(config.oss_filesystem.unwrap().endpoint, "oss.engine");
    // Without its key it is none.
    let (config, _, _) = text(&provider.replace("access-key = sesame", "")).unwrap();
    assert_eq!(config.oss_filesystem, None);
}

#[test]
fn documented_providers_are_read() {
    let (config, notes, _) = read(&sample("sge.conf"), &[]).unwrap();
    assert!(notes.is_empty(), "{}", told(&notes));
    assert_eq!(config.backends.default, "SGE");
    let sge = &config.backends.providers["SGE"];
    assert_eq!(sge.kind, ProviderKind::Commands);
    assert_eq!(sge.definition.concurrent_job_limit, Some(500));
    assert_eq!(sge.definition.exit_code_timeout, Some(Duration::from_secs(120)));
    assert_eq!(sge.definition.job_id_regex.as_deref(), Some("(\\d+)"));
    assert_eq!(
        sge.definition.runtime_attributes_for_caching.iter().map(|(k, v)| (k.as_str(), *v)).collect::<Vec<_>>(),
        [("sge_queue", false), ("memory_gb", true)]
    );
    assert!(sge.definition.submit.as_ref().unwrap().contains("${\"-q \" + sge_queue}"));
    for (file, name) in [
        ("slurm.conf", "slurm"),
        ("lsf.conf", "LSF"),
        ("torque.conf", "PBS"),
        ("htcondor.conf", "HtCondor"),
        ("slurm-singularity.conf", "slurm-containers"),
        ("udocker.conf", "singularity"),
    ] {
        let (config, _, _) = read(&sample(file), &[]).unwrap_or_else(|problems| panic!("{file}: {problems}"));
        assert_eq!(config.backends.providers[name].kind, ProviderKind::Commands, "{file}");
        assert_eq!(config.backends.providers["Local"].kind, ProviderKind::BuiltIn, "{file}");
    }
    let (config, _, _) = read(&sample("local.conf"), &[]).unwrap();
    let local = &config.backends.providers["Local"].definition;
    assert!(local.allow_docker_soft_links && local.check_sibling_md5);
    assert_eq!((local.max_hardlinks, local.fingerprint_size, local.hashing_strategy.as_deref()), (500, 1 << 20, Some("path+modtime")));
    assert_eq!(local.localization.as_ref().unwrap(), &["hard-link", "soft-link", "cached-copy", "copy"]);
    assert_eq!(local.default_runtime_attributes["continueOnReturnCode"], serde_json::json!(0));
}

#[test]
fn attributes_of_commands_may_have_any_name() {
    let (_, notes, _) = text(
        "backend.providers.X { actor-factory = \"cromwell.backend.impl.sfs.config.ConfigBackendLifecycleActorFactory\"\n\
         config { submit = x, run-in-background = true, default-runtime-attributes { timeout = 5, tag = a } } }",
    )
    .unwrap();
    assert!(!told(&notes).contains("runtime-attributes"), "{}", told(&notes));
}

#[test]
fn the_file_of_the_cloud_guide_is_read_as_printed() {
    let (config, notes, _) = read(&sample("reads-bcs-as-printed.conf"), &[]).unwrap();
    assert_eq!(config.backends.default, "BCS");
    assert_eq!(config.backends.providers["BCS"].kind, ProviderKind::Bcs);
    assert_eq!(config.backends.providers["BCS"].definition.root, None);
    let DatabaseChoice::At(Location::Url(url)) = &config.database else { panic!("{:?}", config.database) };
    assert_eq!(url, "mysql://user_cromwell:xxxxxx@localhost/db_cromwell");
    let notes = told(&notes);
    for part in [
        "double quotes",
        "cloud service of the provider `BCS` no longer exists",
        "the root of the provider `BCS` is in the cloud",
        "nothing reads `backend.default-runtime-attributes.failOnStderr`, `backend.default-runtime-attributes.continueOnReturnCode`",
        "did you mean `backend.providers.*.config.default-runtime-attributes.*`?",
        "without effect: `backend.providers.BCS.config.region`",
    ] {
        assert!(notes.contains(part), "{part} is not told in\n{notes}");
    }
    assert!(!notes.contains("xxxxxx"), "{notes}");
    let (config, notes, _) = read(&sample("bcs.conf"), &[]).unwrap();
    assert!(told(&notes).contains("without effect: `backend.providers.BCS.config.default-runtime-attributes.cluster`"), "{}", told(&notes));
    assert_eq!(config.backends.providers["BCS"].definition.default_runtime_attributes["vpc"], serde_json::json!("192.168.0.0/16"));
    assert!(config.call_caching.enabled);
}

#[test]
fn wrong_cloud_attributes_are_told_with_their_form() {
    let told = problems(
        "backend { default = B, providers.B { actor-factory = cromwell.backend.impl.bcs.BcsBackendLifecycleActorFactory\n\
         config.default-runtime-attributes {\n vpc = nowhere\n timeout = 0 } } }",
    );
    assert!(told.contains("x.conf:3:8: error: the runtime attribute `vpc` cannot be \"nowhere\""), "{told}");
    assert!(told.contains("hint: write a whole number of seconds"), "{told}");
}

#[test]
fn embedded_databases_become_files() {
    let (config, notes, _) = read(&sample("databases.conf"), &[("database.metadata.db.password", "s3cret")]).unwrap();
    assert_eq!(config.database, DatabaseChoice::At(Location::Sqlite("cromwell-executions/cromwell-db/cromwell-db.sqlite".into())));
    assert!(told(&notes).contains("kept with SQLite"), "{}", told(&notes));
    assert!(!told(&notes).contains("s3cret"));
    let (config, _, _) = text("database.db.url = \"jdbc:hsqldb:mem:x;shutdown=false\"").unwrap();
    assert_eq!(config.database, DatabaseChoice::Private);
}

#[test]
fn what_is_wrong_with_the_database_of_metadata_is_kept_for_who_looks_there() {
    let of = |url: &str| {
        let (config, notes, _) = text(&format!("database.metadata.db {{ url = \"{url}\", user = u, password = s3cret }}")).unwrap();
        assert!(notes.iter().all(|note| note.hint.is_none() || note.message.contains("without effect")), "{}", told(&notes));
        config.metadata_database.unwrap()
    };
    let plain = of("jdbc:mysql://h/d?useSSL=true");
    assert_eq!(plain.location.unwrap(), Location::Url("mysql://u:s3cret@h/d".into()));
    assert!(told(&plain.notes).contains("x.conf:1:") && told(&plain.notes).contains("not encrypted"), "{}", told(&plain.notes));
    for (url, part) in
        [("jdbc:hsqldb:file:x", "names HSQLDB"), ("jdbc:hsqldb:mem:x", "names HSQLDB"), ("jdbc:mysql://h", "names no database")]
    {
        let problem = of(url).location.unwrap_err().to_string();
        let expected = format!("error: `database.metadata.db.url` {part}");
        assert!(problem.contains(&expected) && problem.contains("hint: ") && !problem.contains("s3cret"), "{problem}");
    }
}

#[test]
fn providers_that_cannot_run_are_refused_with_their_place() {
    let told = problems(
        "backend {\n default = TES\n providers {\n TES { actor-factory = \"cromwell.backend.impl.tes.TesBackendLifecycleActorFactory\" }\n\
         Odd { actor-factory = \"my.Factory\" }\n None { config {} }\n\
         Empty { actor-factory = \"cromwell.backend.impl.sfs.config.ConfigBackendLifecycleActorFactory\" } } }",
    );
    for part in [
        "x.conf:4:24: error: the provider `TES` needs a TES server, which is not supported",
        "x.conf:5:23: error: the provider `Odd` has the unknown actor factory `my.Factory`",
        "x.conf:6:7: error: the provider `None` has no `actor-factory`",
        "x.conf:7:7: error: the provider `Empty` has neither `submit` nor `submit-docker`",
    ] {
        assert!(told.contains(part), "{part} is not told in\n{told}");
    }
    // What is not enabled does not matter.
    let document = "backend { enabled = [Local], providers.T.actor-factory = \"cromwell.backend.impl.aws.X\" }";
    assert_eq!(text(document).unwrap().0.backends.providers.len(), 1);
    assert!(problems("backend.default = Loca").contains("did you mean `Local`?"));
    assert!(problems("backend.enabled = []").contains("not among `backend.enabled`"));
}

#[test]
fn all_wrong_values_are_told_at_once() {
    let told = problems(
        "webservice.port = 70000\nsystem { max-concurrent-workflows = many, hog-safety.hog-factor = 0\n\
         job-rate-control.per = 0 s, job-shell = null }\nlanguages.default = CWL\nworkflow-options.workflow-failure-mode = Stop\n\
         backend.providers.Local.config { filesystems.local.localization = [hardlink], root = \"oss://b/c\" }\n",
    );
    for part in [
        "x.conf:1:19: error: `webservice.port` must be a whole number from 0 to 65535, not a number",
        "`system.max-concurrent-workflows` must be a whole number",
        "`system.hog-safety.hog-factor`",
        "`system.job-rate-control.per` must be longer than nothing",
        "the language `CWL` is not supported",
        "error: `system.job-shell` must not be null",
        "must be one of `NoNewCalls`, `ContinueWhilePossible`, not `Stop`",
        "unknown strategy `hardlink`",
        "hint: did you mean `hard-link`?",
        "is no folder of this machine",
    ] {
        assert!(told.contains(part), "{part} is not told in\n{told}");
    }
}

#[test]
fn properties_of_java_and_the_environment_can_be_used() {
    let (config, notes, _) = text("backend.providers.Local.config.root = ${user.home}/runs\nLOG_LEVEL = debug, zzz.yyy = 1").unwrap();
    assert_eq!(config.backends.providers["Local"].definition.root.as_deref(), Some("/home/yard/runs"));
    assert_eq!(config.log, LogLevel::Verbose);
    assert!(told(&notes).contains("nothing reads `zzz.yyy`"), "{}", told(&notes));
    assert!(config.place("zzz.yyy").unwrap().ends_with("x.conf:2"));
}

#[test]
fn all_documents_of_the_original_can_be_included() {
    for name in ["application", "application.conf", "reference.conf", "reference_database.inc.conf"] {
        let (config, notes, _) = text(&format!("include required(classpath(\"{name}\"))\nwebservice.port = 81")).unwrap();
        assert_eq!((config.webservice.port, &config.database, notes.len()), (81, &DatabaseChoice::Unsaid, 0), "{name}");
    }
    let (config, _, _) = text(
        "backend.providers.Two { actor-factory = cromwell.backend.impl.sfs.config.ConfigBackendLifecycleActorFactory\n\
         config { include required(classpath(\"reference_local_provider_config.inc.conf\")), concurrent-job-limit = 2 } }",
    )
    .unwrap();
    assert_eq!(config.backends.providers["Two"].kind, ProviderKind::BuiltIn);
    assert_eq!(config.backends.providers["Two"].definition.concurrent_job_limit, Some(2));
}

#[test]
fn secrets_are_not_shown() {
    const SECRET: &str = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0czE=";
    let (config, notes, _) = read(&sample("server.conf"), &[("workflow-options.base64-encryption-key", SECRET)]).unwrap();
    let shown = format!("{:?}", config.shown());
    assert!(shown.contains("database.db.password") && !shown.contains("p@ss") && !shown.contains(SECRET), "{shown}");
    assert!(!told(&notes).contains(SECRET));
    assert_eq!(config.shown_at("database.db.password").unwrap().0, "***");
}
