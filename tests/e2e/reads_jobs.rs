//! Reads of a sequencer as jobs: the app `:fastq_to_ubam`.

use std::{
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use serde_json::{Value as Json, json};

use crate::{
    containers::not_tested,
    service::{Service, has_namespaces, keys, merge},
    yard::{Yard, done},
};

/// Where Picard is tried.
const PICARD: &str = "/usr/share/java/picard.jar";

/// One file of a pair: reads of ten letters.
fn fastq(end: u8, reads: usize) -> String {
    (0..reads).map(|n| format!("@r{n}/{end}\nACGTACGTAC\n+\nIIIIIIIIII\n")).collect()
}

/// A server, and `bcs` for somebody who has logged in there.
fn at_home(yard: &Yard, service: &Service) -> impl Fn(&[&str]) -> String {
    let (keys, base) = (keys(), yard.path(""));
    let link = yard.path("bcs");
    symlink(env!("CARGO_BIN_EXE_batchyard"), &link).unwrap();
    let call = move |words: &[&str]| {
        let done = done(Command::new(&link).args(words).current_dir(&base).env("HOME", &base).env_remove("BCS_ENDPOINT"));
        assert_eq!(done.code, 0, "{words:?}: {}\n{}", done.out, done.err);
        done.out
    };
    call(&["login", "local", &keys.id, &keys.secret, "--endpoint", &service.api, "--oss-endpoint", &service.oss]);
    service.put("data", "", b"");
    call(&["set", "-o", "oss://data/bcs/", "-t", "ecs.sn1.medium"]);
    call
}

fn job(more: &Json) -> Json {
    let mut job = json!({
        "Name": "reads", "Type": "App", "App": {
            "AppName": ":fastq_to_ubam",
            "Inputs": {
                "FASTQ": "oss://data/fastq/1.fastq", "FASTQ2": "oss://data/fastq/2.fastq", "OUT_PREFIX": "test", "SAMPLE_NAME": "s"
            },
            "Outputs": {"OUTPUTS_DIR": "oss://data/out/"},
            "Logging": {"StdoutPath": "oss://data/logs/", "StderrPath": "oss://data/logs/"}
        }
    });
    merge(&mut job, more);
    job
}

/// Finished jobs have no detail to tell; failed ones do.
fn ended(service: &Service, id: &str) -> (String, Json) {
    (service.wait(id), service.instances(id, "task")[0]["Result"].clone())
}

#[test]
fn reads_become_unmapped_files() {
    if !Path::new(PICARD).exists() || !Path::new("/usr/bin/java").exists() {
        return not_tested("picard", "install picard-tools");
    }
    if !has_namespaces() {
        return;
    }
    let yard = Yard::new();
    let service = Service::start(&yard);
    let call = at_home(&yard, &service);
    for end in [1, 2] {
        service.put("data", &format!("fastq/{end}.fastq"), fastq(end, 20).as_bytes());
    }
    // As the template calls it, under both names.
    for (app, folder) in [(":fastq_to_ubam", "gatk4/fastq-to-ubam/outputs/"), ("fastq_to_ubam", "again/")] {
        let output = format!("oss://data/{folder}");
        let told = call(&[
            "asub",
            app,
            "fastq_to_ubam_job",
            "--config",
            "ClassicNetwork=false",
            "--min_disk_size",
            "40",
            "--disk_type",
            "cloud_ssd",
            "--input_FASTQ",
            "oss://data/fastq/1.fastq",
            "--input_FASTQ2",
            "oss://data/fastq/2.fastq",
            "--input_OUT_PREFIX",
            "test",
            "--input_SPLIT_TO_N_FILES",
            "3",
            "--input_SAMPLE_NAME",
            "sample-name",
            "--input_LIBRARY_NAME",
            "a library",
            "--input_PLATFORM",
            "illumina",
            "--input_PLATFORM_UNIT",
            "platform-unit",
            "--input_SEQUENCING_CENTER",
            "SC",
            "--input_READ_GROUP_NAME",
            "read-group",
            "--output_OUTPUTS_DIR",
            &output,
            "-t",
            "ecs.sn1.medium",
        ]);
        let id = told.lines().find_map(|line| line.strip_prefix("Job created: ")).unwrap();
        let (state, result) = ended(&service, id);
        assert_eq!(state, "Finished", "{result}");
        let list: String = (1..4).map(|n| format!("{output}test_000{n}.bam\n")).collect();
        assert_eq!(service.text("data", &format!("{folder}test.list")), list);
    }
    let mut reads = Vec::new();
    for n in 1..4 {
        let name = format!("test_000{n}.bam");
        call(&["o", "down", &format!("oss://data/gatk4/fastq-to-ubam/outputs/{name}"), "./"]);
        let (header, count) = looked_into(&yard.path(&name));
        for part in ["ID:read-group", "SM:sample-name", "LB:a library", "PL:illumina", "PU:platform-unit", "CN:SC"] {
            assert!(header.contains(part), "{header}");
        }
        reads.push(count);
    }
    // Pairs stay together.
    assert_eq!((reads.iter().sum::<usize>(), reads.iter().all(|count| count % 2 == 0)), (40, true), "{reads:?}");
    let whole =
        service.create("/jobs", &job(&json!({"App": {"Inputs": {"SPLIT_TO_N_FILES": ""}, "Outputs": {"OUTPUTS_DIR": "oss://data/one/"}}})));
    assert_eq!(ended(&service, &whole).0, "Finished");
    assert_eq!(service.text("data", "one/test.list"), "oss://data/one/test.unmapped.bam\n");
    service.put("data", "fastq/2.fastq", fastq(2, 19).as_bytes());
    let (state, result) = ended(&service, &service.create("/jobs", &job(&json!({}))));
    assert!(state == "Failed" && result["Detail"].as_str().unwrap().contains("FastqToSam has failed"), "{state}: {result}");
}

/// The text of a BAM file's header, and how many reads it holds.
fn looked_into(path: &Path) -> (String, usize) {
    use std::io::Read;
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!(&bytes[..4], b"BAM\x01");
    let header = String::from_utf8(bytes[8..8 + number(4)].to_vec()).unwrap();
    // No references: the reads follow.
    let (mut at, mut count) = (12 + number(4), 0);
    assert_eq!(number(at - 4), 0);
    while at < bytes.len() {
        at += 4 + number(at);
        count += 1;
    }
    (header, count)
}

#[test]
fn reads_that_cannot_be_taken_are_refused_at_once() {
    let yard = Yard::new();
    let service = Service::start(&yard);
    let inputs = &service.get("/apps/fastq_to_ubam?Scope=Public")["InputParameters"];
    assert_eq!((&inputs["READ_GROUP_NAME"]["Default"], &inputs["FASTQ2"]["Default"]), (&json!("A"), &Json::Null));
    for (inputs, words) in [
        (json!({"FASTQ2": null}), "App.Inputs.FASTQ2"),
        (json!({"READ_GROUP_NAME": "read group"}), "without blanks"),
        (json!({"OUT_PREFIX": "a/b"}), "beginning of a file name"),
        (json!({"SPLIT_TO_N_FILES": 0}), "1 to 9999"),
        (json!({"SAMPLE": "s"}), "is no parameter of the app"),
    ] {
        let (code, answer) = service.ask("POST", "/jobs", Some(&job(&json!({"App": {"Inputs": inputs}}))));
        assert!(code == 400 && answer["Message"].as_str().unwrap().contains(words), "{answer}");
    }
}

/// Where Picard comes from: a jar that the server was told of, a program of that name; words reach it as they are.
#[test]
fn picard_is_found_or_its_lack_explained() {
    if !has_namespaces() {
        return;
    }
    let yard = Yard::new();
    service_env(&yard, Some(&yard.path("none.jar")), |service| {
        let (state, result) = ended(service, &service.create("/jobs", &job(&json!({}))));
        let detail = result["Detail"].as_str().unwrap();
        assert!(state == "Failed" && detail.contains("which PICARD_JAR names"), "{result}");
    });
    // What a job says is never read by a shell.
    let java = "#!/bin/bash\nfor word; do case $word in OUTPUT=*) echo bam >\"${word#OUTPUT=}\";; esac; done\nprintf '%s\\n' \"$@\"\n";
    let jar = yard.write("picard.jar", "");
    let program = yard.write("bin/java", java);
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    service_env(&yard, Some(&jar), |service| {
        let cluster = service.create(
            "/clusters",
            &json!({
                "Name": "c", "ImageId": "img-ubuntu", "Groups": {"group": {"DesiredVMCount": 1, "InstanceType": "ecs.n4.small"}},
                "EnvVars": {"PATH": format!("{}:/usr/bin:/bin", yard.path("bin").display())}
            }),
        );
        let hostile = json!({"SAMPLE_NAME": "a $(touch /tmp/x) `id` 'b' \"c\" ${HOME}"});
        let id = service.create("/jobs", &job(&json!({"App": {"Inputs": hostile, "Config": {"ClusterId": cluster}}})));
        let (state, result) = ended(service, &id);
        assert_eq!(state, "Finished", "{result}");
        let log = service.text("data", &format!("logs/stdout.{id}.task.0"));
        assert!(log.contains("\nSAMPLE_NAME=a $(touch /tmp/x) `id` 'b' \"c\" ${HOME}\n"), "{log}");
        assert_eq!(service.text("data", "out/test.unmapped.bam"), "bam\n");
    });
}

/// A server with `PICARD_JAR` in its environment, and two files to read.
fn service_env(yard: &Yard, jar: Option<&Path>, test: impl Fn(&Service)) {
    let service = Service::start_in(yard, &[], &[("PICARD_JAR", &jar.map(|path| path.display().to_string()).unwrap_or_default())]);
    if service.object("GET", "data", "fastq/1.fastq", b"").0 != 200 {
        service.put("data", "", b"");
        for end in [1, 2] {
            service.put("data", &format!("fastq/{end}.fastq"), fastq(end, 4).as_bytes());
        }
    }
    test(&service);
}
