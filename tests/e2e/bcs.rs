//! The command line of BatchCompute: under its own names, and as a command.

use std::{os::unix::fs::symlink, process::Command};

use crate::{
    service::{Service, keys},
    yard::{Yard, done},
};

/// Types that the service would name.
const CONFIG: &str = "[common]\nregion = cn-test\naccesskeyid = id\naccesskeysecret = secret\nosspath = oss://demo-bucket/cli/\n\
    defaultimage = img-ubuntu\ndefaulttype = bcs.a2.large\n";

/// The binary under a name, for somebody who has logged in.
fn called(yard: &Yard, name: &str) -> Command {
    let link = yard.path(name);
    if !link.exists() {
        symlink(env!("CARGO_BIN_EXE_batchyard"), &link).unwrap();
    }
    yard.write(".batchcompute/cliconfig", CONFIG);
    let mut command = Command::new(link);
    command.current_dir(yard.path("")).env("HOME", yard.path("")).env_remove("BCS_ENDPOINT").env_remove("BCS_COMPAT_EXIT");
    command
}

#[test]
fn the_name_decides() {
    let yard = Yard::new();
    for name in ["bcs", "batchcompute"] {
        let version = done(called(&yard, name).arg("-V"));
        assert_eq!((version.code, version.out.as_str()), (0, "  AliCloud BatchCompute CLI (batchcompute|bcs 1.7.7)\n"));
    }
    let as_command = done(yard.command(&["bcs", "j", "-h"]).env("HOME", yard.path("")));
    assert!(as_command.out.contains("Usage: batchcompute|bcs job|j"), "{}", as_command.out);
    let wrong = done(called(&yard, "bcs").args(["j", "--endpoint", "127.0.0.1:1"]));
    assert_eq!(wrong.code, 1);
    assert!(wrong.out.contains("ERROR: cannot reach `http://127.0.0.1:1/jobs?"), "{}", wrong.out);
    let compatible = done(called(&yard, "bcs").args(["j", "--endpoint", "127.0.0.1:1"]).env("BCS_COMPAT_EXIT", "1"));
    assert_eq!(compatible.code, 0);
}

#[test]
fn generated_workflows_check_clean_with_their_inputs() {
    let yard = Yard::new();
    let demo = done(called(&yard, "bcsgen").args(["./demo", "-t", "gatk", "--offline"]));
    assert_eq!(demo.code, 0, "{}", demo.out);
    let small = done(called(&yard, "bcs").args(["gen", "small", "-t", "wdl", "--offline"]));
    assert_eq!(small.code, 0, "{}", small.out);
    let sizes = ["inputs.json", "inputs.30x.ondemand.json", "inputs.30x.spot.json"].map(|name| format!("hg38.wgs.{name}"));
    for (document, inputs) in [
        ("demo/gatk4-data-processing/src/processing-for-variant-discovery-gatk4", &sizes[..]),
        ("demo/gatk4-germline-snps-indels/src/haplotypecaller-gvcf-gatk4", &sizes),
        ("demo/gatk4-joint-genotyping/src/joint-genotyping-gatk4", &sizes[..1]),
        ("demo/gatk4-quality-report/src/quality-report-gatk4", &sizes[..1]),
        ("demo/gatk4-germline-pipeline/src/germline-pipeline-gatk4", &sizes[..1]),
        ("demo/fastq-to-ubam/src/paired-fastq-to-unmapped-bam", &["inputs.json".to_owned()]),
        ("small/src/echo", &["".to_owned()]),
    ] {
        let wdl = format!("{document}.wdl");
        // Of the published inputs one has no effect, and the small one runs anywhere; nothing else is to be told.
        let allowed = if document.starts_with("small") { "no-container" } else { "unused-input" };
        let plain = yard.call(&["check", &wdl, "--deny", "all", "--allow", allowed]);
        assert_eq!(plain.code, 0, "{wdl}:\n{}\n{}", plain.out, plain.err);
        let laid_out = yard.call(&["format", "--check", &wdl]);
        assert_eq!(laid_out.code, 0, "{wdl}: {}", laid_out.out);
        for name in inputs {
            let path = if name.is_empty() { "small/src/inputs.json".to_owned() } else { format!("{document}.{name}") };
            let checked = yard.call(&["check", &wdl, "--inputs", &path]);
            assert_eq!(checked.code, 0, "{wdl} with {path}:\n{}\n{}", checked.out, checked.err);
        }
    }
}

#[test]
fn the_small_workflow_runs() {
    let yard = Yard::new();
    done(called(&yard, "bcsgen").args(["small", "-t", "wdl", "--offline"]));
    let outputs = yard.outputs(&["run", "small/src/echo.wdl", "--inputs", "small/src/inputs.json"]);
    assert_eq!(outputs["wf_echo.content"], serde_json::json!(["Hello World!"]));
}

/// The node's side of `qsub` runs the script as told and hands on its exit status.
#[test]
fn a_script_is_run_as_told() {
    let yard = Yard::new();
    let runner = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/bcs/templates/qsub/qsub.py");
    yard.write("run.pbs", "#!/bin/bash\necho \"out of $PBS_JOBNAME in $PBS_O_WORKDIR\"; echo err >&2; exit 3\n");
    let folder = yard.path("work");
    let order = serde_json::json!({"shell": "/bin/bash", "job_name": "night", "script_name": "run.pbs", "work_path": folder,
        "stdout_path": yard.path("o/out"), "stderr_path": yard.path("o/err"), "join": "n", "env": {"X": "y"}});
    let encoded = done(Command::new("base64").arg("-w0").arg(yard.write("order.json", &order.to_string())));
    let run = done(Command::new("python3").args([runner, encoded.out.trim()]).current_dir(yard.path("")));
    assert_eq!(run.code, 3, "{}", run.err);
    assert_eq!(yard.read("o/out"), format!("out of night in {}\n", folder.display()));
    assert_eq!(yard.read("o/err"), "err\n");
}

/// Somebody who has logged in at a server, and what they call.
fn at_home(yard: &Yard, service: &Service) -> impl Fn(&str) -> String {
    let (keys, base) = (keys(), yard.path(""));
    let link = yard.path("bcs");
    symlink(env!("CARGO_BIN_EXE_batchyard"), &link).unwrap();
    let call = move |words: &str| {
        let words = words.split(' ').map(|w| w.replace('~', " "));
        let done = done(Command::new(&link).args(words.clone()).current_dir(&base).env("HOME", &base).env_remove("BCS_ENDPOINT"));
        assert_eq!(done.code, 0, "{:?}: {}\n{}", words.collect::<Vec<_>>(), done.out, done.err);
        done.out
    };
    let (api, oss) = (&service.api, &service.oss);
    assert!(call(&format!("login local {} {} --endpoint {api} --oss-endpoint {oss}", keys.id, keys.secret)).ends_with("login success\n"));
    call("o mb oss://mybucket");
    call("set -o oss://mybucket/bcscli/ -t ecs.sn1.medium");
    call
}

fn created(out: &str) -> String {
    out.lines().find_map(|line| line.strip_prefix("Job created: ")).unwrap().to_owned()
}

#[test]
fn a_day_at_the_server() {
    let yard = Yard::new();
    let service = Service::start(&yard);
    let call = at_home(&yard, &service);
    yard.write("program/main.py", "print('from the package')\n");
    let job = created(&call("sub echo~hello;python3~main.py -p program -n 2"));
    let followed = call(&format!("j {job} --follow --interval 0.1"));
    // Job and task are asked for one after the other, so either may be seen to end first.
    assert!(followed.contains("Task task: Finished (2 / 2)\n") && followed.contains("Job: Finished (1 / 1)\n"), "{followed}");
    assert!(call("j").contains(&format!("| 1.  | {job} | cli-job | Finished | 1 / 1 ")));
    let logs = call(&format!("log {job} --follow --interval 0.1"));
    assert!(logs.contains("[TaskName:task, InstanceId:1]\nhello\nfrom the package\n"), "{logs}");
    assert!(call(&format!("j {job} task 0")).contains("from the package"));
    let cluster = call("cc c1 -n 2").trim().rsplit(' ').next().unwrap().to_owned();
    call(&format!("uc {cluster} -n 1 -y"));
    let on_cluster = created(&call(&format!("sub hostname -c {cluster}")));
    call(&format!("j {on_cluster} -f --interval 0.1"));
    call(&format!("dc {cluster} -y"));
    yard.write("in.txt", "data");
    call("ca copy cp~${in}~${out} -i img-ubuntu --inputs in:String:/home/in/ --outputs out:String:/home/out/res.txt");
    let of_app = created(&call("asub copy aj --input_from_file_in in.txt --output_out oss://mybucket/res.txt"));
    call(&format!("j {of_app} -f --interval 0.1"));
    assert_eq!(call("o cat oss://mybucket/res.txt"), "data\n");
    call(&format!("dj {job},{on_cluster},{of_app} -y"));
    assert!(call("j -a").contains("Total: 0"));
    call("o del oss://mybucket/ -y");
    call("o rb mybucket -y");
}

#[test]
fn the_python_template_counts_a_log() {
    let yard = Yard::new();
    let service = Service::start(&yard);
    let call = at_home(&yard, &service);
    yard.write("log.txt", &"INFO a\nWARN b\n".repeat(50));
    call("o up log.txt oss://mybucket/count/log.txt");
    call("gen . -t python");
    let keys = keys();
    let named = [("access_key_id", keys.id.as_str()), ("access_key_secret", &keys.secret), ("data_path", "oss://mybucket/count/log.txt")];
    let conf = named
        .iter()
        .fold(yard.read("src/conf.py"), |text, (key, value)| text.replace(&format!("'{key}': ''"), &format!("'{key}': '{value}'")));
    yard.write("src/conf.py", &conf);
    assert!(call("p st").ends_with("OK\n\n"));
    let job = created(&call("p sub"));
    call(&format!("j {job} -f --interval 0.1"));
    assert_eq!(call("o cat oss://mybucket/count/merge_result.json"), "{\"INFO\": 50, \"WARN\": 50, \"ERROR\": 0, \"DEBUG\": 0}\n");
}
