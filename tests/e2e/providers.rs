//! Providers of the configuration: the documented recipes word for word, containers, choice, caching.

use std::fs;

use serde_json::json;

use crate::{
    cluster::{Cluster, SGE},
    yard::{lines, processes_with, wait_for},
};

/// The documented stanza for Slurm.
pub const SLURM: &str = r#"
[[providers]]
name = "SLURM"
runtime-attributes = """
Int runtime_minutes = 600
Int cpus = 2
Int requested_memory_mb_per_core = 8000
String queue = "short"
"""
submit = """
    sbatch -J ${job_name} -D ${cwd} -o ${out} -e ${err} -t ${runtime_minutes} -p ${queue} \
    ${"-n " + cpus} \
    --mem-per-cpu=${requested_memory_mb_per_core} \
    --wrap "/usr/bin/env bash ${script}"
"""
kill = "scancel ${job_id}"
check-alive = "squeue -j ${job_id}"
job-id-regex = "Submitted batch job (\\d+).*"
"#;

const LSF: &str = r#"
[[providers]]
name = "LSF"
submit = "bsub -J ${job_name} -cwd ${cwd} -o ${out}.lsf -e ${err}.lsf /usr/bin/env bash ${script}"
kill = "bkill ${job_id}"
check_alive = "bjobs ${job_id}"
job_id_regex = "Job <(\\d+)>.*"
"#;

const PBS: &str = r#"
[[providers]]
name = "PBS"
runtime-attributes = """
Int cpu = 1
Int memory_mb = 2048
String queue = "batch"
"""
submit = """
qsub \
-N ${job_name} \
-o ${out}.pbs \
-e ${err}.pbs \
-d ${cwd} \
-l nodes=1:ppn=${cpu} -l mem=${memory_mb}mb \
-q ${queue} \
${script}
"""
kill = "qdel ${job_id}"
check-alive = "qstat ${job_id}"
job-id-regex = "(\\d+)"
"#;

const HTCONDOR: &str = r#"
[[providers]]
name = "HtCondor"
runtime-attributes = """
Int cpu = 1
Float memory_mb = 512.0
Float disk_kb = 256000.0
"""
submit = """
chmod 755 ${script}
cat > ${cwd}/execution/submitFile <<EOF
Iwd=${cwd}/execution
requestMemory=${memory_mb}
requestDisk=${disk_kb}
requestCpus=${cpu}
log=${cwd}/execution/execution.log
executable=${script}
queue
EOF
condor_submit ${cwd}/execution/submitFile
"""
kill = "condor_rm ${job_id}"
check-alive = "condor_q ${job_id}"
job-id-regex = "(?sm).*cluster (\\d+)..*"
"#;

const DOCUMENT: &str = "version 1.0\n\
    task t { input { File text Int i } command <<< cat '~{text}' > copy-~{i}.txt; echo \"~{i} $(pwd)\"; echo noise >&2 >>>\n\
      output { String out = read_string(stdout()) String err = read_string(stderr()) Array[File] copies = glob(\"copy-*.txt\") }\n\
      runtime { cpu: 3 memory: \"4 GB\" queue: \"long\" sge_queue: \"long.q\" } }\n\
    workflow w { input { File text } scatter (i in range(2)) { call t { input: text = text, i = i } }\n\
      output { Array[String] outs = t.out Array[String] errs = t.err Array[Array[File]] copies = t.copies } }";

/// Runs the document with one of the stanzas and returns the first call of its submit command, with the call's
/// directory and the job's name shortened.
fn recipe(stanza: &str, name: &str, submit: &str) -> String {
    let cluster = Cluster::new(&format!("default_provider = \"{name}\"\n{stanza}"));
    cluster.yard.write("in/a.txt", "words\n");
    cluster.yard.write("w.wdl", DOCUMENT);
    let outputs = cluster.outputs(&["run", "w.wdl", "text=in/a.txt", "-d", "run"]);
    let run = fs::canonicalize(cluster.yard.path("run")).unwrap();
    let out = |i: usize| format!("{i} {}/call-t/shard-{i}/execution", run.display());
    assert_eq!(outputs["w.outs"], json!([out(0), out(1)]), "{name}: what the scheduler does with standard output is its own");
    assert_eq!(outputs["w.errs"], json!(["noise", "noise"]), "{name}");
    let copy = outputs["w.copies"][1][0].as_str().unwrap();
    assert!(copy.ends_with("/copy-1.txt") && fs::read_to_string(copy).unwrap() == "words\n");
    let show = cluster.yard.show("last");
    let ids: Vec<&str> = show["calls"].as_array().unwrap().iter().map(|call| call["end"]["job_id"].as_str().unwrap()).collect();
    assert!(ids.iter().all(|id| ["100", "101"].contains(id)) && ids[0] != ids[1], "{name}: {ids:?}");
    assert_eq!(show["calls"][0]["start"]["provider"], json!(name));
    let calls = cluster.calls(submit);
    assert_eq!(calls.len(), 2, "{calls:?}");
    let first = calls.iter().find(|call| call.contains("shard-0")).unwrap();
    let job_name = format!("cromwell_{}_t", &show["id"].as_str().unwrap()[..8]);
    first.replace(&format!("{}/call-t/shard-0", run.display()), "CALL").replace(&job_name, "NAME")
}

#[test]
fn documented_recipes_work_word_for_word() {
    assert_eq!(
        recipe(SGE, "SGE", "qsub"),
        "qsub -terse -V -b y -N NAME -wd CALL -o CALL/execution/stdout.qsub -e CALL/execution/stderr.qsub -pe smp 3 \
         -l mem_free=4.0g -q long.q /usr/bin/env bash CALL/execution/script"
    );
    assert_eq!(
        recipe(SLURM, "SLURM", "sbatch"),
        "sbatch -J NAME -D CALL -o CALL/execution/stdout -e CALL/execution/stderr -t 600 -p long -n 2 --mem-per-cpu=8000 \
         --wrap /usr/bin/env bash CALL/execution/script"
    );
    assert_eq!(
        recipe(LSF, "LSF", "bsub"),
        "bsub -J NAME -cwd CALL -o CALL/execution/stdout.lsf -e CALL/execution/stderr.lsf /usr/bin/env bash CALL/execution/script"
    );
    assert_eq!(
        recipe(PBS, "PBS", "qsub"),
        "qsub -N NAME -o CALL/execution/stdout.pbs -e CALL/execution/stderr.pbs -d CALL -l nodes=1:ppn=3 -l mem=4096mb -q long \
         CALL/execution/script"
    );
    assert_eq!(recipe(HTCONDOR, "HtCondor", "condor_submit"), "condor_submit CALL/execution/submitFile");
}

/// Runs its script on this machine if it gets exactly the words of the recipe.
const SINGULARITY: &str = r#"#!/bin/bash
echo "singularity $*" >> "$(dirname "$0")/calls"
mount=${4%%:*}
[ "$1 $2 $3" = "exec --containall --bind" ] && [ -d "$mount" ] && [ $# = 7 ] || { echo "singularity: did not expect '$*'" >&2; exit 255; }
[[ $7 == "${4##*:}"/* ]] || exit 254
IMAGE=$5 exec "$6" "$7"
"#;

/// A container engine as in the default `Local` stanza: containers outlive their client.
const DOCKER: &str = r#"#!/bin/bash
here=$(dirname "$0")
echo "docker $*" >> "$here/calls"
case $1 in
  run)
    [ "$2 $4 $5 $7" = "--cidfile -i --entrypoint -v" ] && [ $# = 10 ] && [ ! -e "$3" ] || { echo "docker: did not expect '$*'" >&2; exit 125; }
    [ "$9" != "no-such:1" ] || { echo "Unable to find image '$9'" >&2; exit 125; }
    cid=c$$
    echo "$cid" > "$3"
    env -u BATCHYARD_ATTEMPT setsid bash -c 'echo $$ > "$1.pid"; "$2" "$3"; echo $? > "$1.status"' box "$here/$cid" "$6" "${10}" &
    wait
    exit 0
    ;;
  wait) cat "$here/$2.status" ;;
  rm) rm "$here/$2.pid" ;;
  kill) kill -KILL -- "-$(cat "$here/$2.pid")" ;;
esac
"#;

const LOCAL: &str = r#"
[local]
grace_seconds = 1
[[providers]]
name = "Local"
run-in-background = true
script-epilogue = ":"
runtime-attributes = """
String? docker
String? container
String? docker_user
Int cpu = 1
"""
submit = "${job_shell} ${script}"
submit-docker = """
# make sure there is no preexisting Docker CID file
rm -f ${docker_cid}
# run as in the original image without --rm flag (will remove later)
docker run \
  --cidfile ${docker_cid} \
  -i \
  ${"--user " + docker_user} \
  --entrypoint ${job_shell} \
  -v ${cwd}:${docker_cwd}:delegated \
  ${docker} ${docker_script}

# get the return code (working even if the container was detached)
rc=$(docker wait `cat ${docker_cid}`)

# remove the container after waiting
docker rm `cat ${docker_cid}`

# return exit code
exit $rc
"""
kill-docker = "docker kill `cat ${docker_cid}`"
"#;

const IN_IMAGE: &str = "version 1.0\n\
    task t { input { String image File text String log String end } command <<<\n\
      [ ! -L '~{text}' ] && cat '~{text}'; echo \"$IMAGE\" >&2; echo up >> '~{log}'; ~{end} >>>\n\
      output { String out = read_string(stdout()) String err = read_string(stderr()) } runtime { docker: image } }\n\
    workflow w { input { String image = \"tools:1\" File text String log String end = \"true\" } call t { input: image = image, text = text, log = log, end = end }\n\
      output { String out = t.out String err = t.err } }";

#[test]
fn containers_through_a_scheduler_and_in_the_background() {
    let stanza = SGE.replace("Int cpu = 1", "Int cpu = 1\nString? docker").replace("name = \"SGE\"", "name = \"Singularity\"");
    let submit = "submit-docker = \"\"\"\nqsub -terse -N ${job_name} -wd ${cwd} -o ${out}.qsub -e ${err}.qsub \\\\\n\
                  singularity exec --containall --bind ${cwd}:${docker_cwd} docker://${docker} ${job_shell} ${docker_script}\n\"\"\"\n";
    let cluster = Cluster::new(&format!("default_provider = \"Singularity\"\n{stanza}{submit}"));
    cluster.program("singularity", SINGULARITY);
    cluster.yard.write("in/a.txt", "words\n");
    cluster.yard.write("w.wdl", IN_IMAGE);
    let log = format!("log={}", cluster.yard.path("log").display());
    let outputs = cluster.outputs(&["run", "w.wdl", "text=in/a.txt", &log, "-d", "run"]);
    assert_eq!((&outputs["w.out"], &outputs["w.err"]), (&json!("words"), &json!("docker://tools:1")));
    let show = cluster.yard.show("last");
    assert_eq!(show["calls"][0]["start"]["image"]["mode"], json!("container"));

    cluster.configure(LOCAL);
    cluster.program("docker", DOCKER);
    let outputs = cluster.outputs(&["run", "w.wdl", "text=in/a.txt", &log, "-d", "local"]);
    assert_eq!(outputs["w.out"], json!("words"));
    let call = cluster.calls("docker").remove(0);
    let dir = fs::canonicalize(cluster.yard.path("local/call-t")).unwrap().display().to_string();
    let words =
        "docker run --cidfile CALL/execution/docker_cid -i --entrypoint /bin/bash -v CALL:CALL:delegated tools:1 CALL/execution/script";
    assert_eq!(call, words.replace("CALL", &dir));
    let job_id = cluster.yard.show("last")["calls"][0]["end"]["job_id"].as_str().unwrap().to_owned();
    assert!(job_id.parse::<u32>().is_ok(), "{job_id}");

    let failed = cluster.call(&["run", "w.wdl", "text=in/a.txt", &log, "end=exit 41"]);
    assert!(failed.code == 1 && failed.err.contains("return code 41"), "{}", failed.err);
    let failed = cluster.call(&["run", "w.wdl", "text=in/a.txt", &log, "image=no-such:1", "-d", "none"]);
    assert!(failed.code == 1 && failed.err.contains("Unable to start job. Check the stderr file for possible errors: "), "{}", failed.err);
    assert!(cluster.yard.read("none/call-t/execution/stderr.background").contains("Unable to find image"));
}

#[test]
fn an_abort_reaches_containers_of_a_background_provider() {
    let cluster = Cluster::new(LOCAL);
    cluster.program("docker", DOCKER);
    cluster.yard.write("in/a.txt", "words\n");
    cluster.yard.write("w.wdl", IN_IMAGE);
    let log = cluster.yard.path("log");
    let number = cluster.yard.unique_number();
    let mut run = cluster.start(&["run", "w.wdl", "text=in/a.txt", &format!("log={}", log.display()), &format!("end=sleep {number}")]);
    wait_for("the container", || lines(&log).len() == 1 && processes_with(&["sleep", &number]) == 1);
    let abort = cluster.call(&["abort", "last"]);
    assert_eq!((abort.code, run.wait().unwrap().code()), (0, Some(130)), "{}", abort.err);
    assert_eq!(processes_with(&["sleep", &number]), 0);
    assert_eq!(cluster.yard.show("last")["calls"][0]["state"], json!("Aborted"));
}

#[test]
fn the_provider_is_chosen_by_option_then_attribute_then_default() {
    let cluster = Cluster::new(&format!("default_provider = \"SGE\"\n{SGE}{LSF}"));
    cluster.yard.write(
        "w.wdl",
        "version 1.0\ntask t { input { Int i } command { echo ~{i} } output { Int o = read_int(stdout()) } runtime { backend: if i == 1 then \"LSF\" else if i == 2 then \"Local\" else \"SGE\" } }\n\
         task silent { command { true } output { Boolean done = true } }\n\
         workflow w { scatter (i in range(3)) { call t { input: i = i } } call silent }",
    );
    let done = cluster.call(&["run", "w.wdl"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!((cluster.calls("qsub").len(), cluster.calls("bsub").len()), (2, 1));
    cluster.yard.write("o.json", "{\"backend\": \"LSF\"}");
    let done = cluster.call(&["run", "w.wdl", "-o", "o.json", "--no-cache"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!((cluster.calls("qsub").len(), cluster.calls("bsub").len()), (2, 5));
    cluster.yard.write("o.json", "{\"backend\": \"PAPI\"}");
    let done = cluster.call(&["run", "w.wdl", "-o", "o.json"]);
    assert!(done.code != 0 && done.err.contains("`PAPI`") && done.err.contains("LSF, Local, SGE"), "{}", done.err);
    cluster.yard.write("x.wdl", "version 1.0\ntask t { command { true } runtime { backend: \"Nowhere\" } }\nworkflow w { call t }");
    let done = cluster.call(&["run", "x.wdl"]);
    assert!(done.code == 1 && done.err.contains("`Nowhere`") && done.err.contains("LSF, Local, SGE"), "{}", done.err);
}

#[test]
fn a_required_attribute_without_a_value_fails_the_call() {
    let cluster = Cluster::new(&format!("default_provider = \"SLURM\"\n{}", SLURM.replace("String queue = \"short\"", "String queue")));
    cluster.yard.write("w.wdl", "version 1.0\ntask t { command { true } }\nworkflow w { call t }");
    let done = cluster.call(&["run", "w.wdl"]);
    assert!(done.code == 1 && done.err.contains("runtime validation failed") && done.err.contains("`queue`"), "{}", done.err);
    assert!(cluster.calls("sbatch").is_empty());
    cluster.yard.write("o.json", "{\"default_runtime_attributes\": {\"queue\": \"short\"}}");
    let done = cluster.call(&["run", "w.wdl", "-o", "o.json"]);
    assert_eq!(done.code, 0, "{}", done.err);
}

#[test]
fn caching_follows_the_provider() {
    let caching = "name-for-call-caching = \"Shared\"\nruntime-attributes-for-caching = { sge_queue = true, sge_project = false }\n\
                   duplication = [\"soft-link\"]\nlocalization = [\"cached-copy\", \"hard-link\"]\nroot = \"cache-root\"\n";
    let cluster = Cluster::new(&format!("default_provider = \"SGE\"\n{SGE}hashing-strategy = \"md5\"\n{caching}"));
    cluster.yard.write("in/a.txt", "words\n");
    cluster.yard.write(
        "w.wdl",
        "version 1.0\ntask t { input { File text String q String p } command { cat ~{text} > out.txt } output { File o = \"out.txt\" } runtime { sge_queue: q sge_project: p } }\n\
         workflow w { input { File text String q = \"a\" String p = \"a\" } call t { input: text = text, q = q, p = p } output { File o = t.o } }",
    );
    cluster.outputs(&["run", "w.wdl", "text=in/a.txt", "-d", "first"]);
    assert_eq!(cluster.calls("qsub").len(), 1);
    let cached = fs::read_dir(cluster.yard.path("cache-root/cached-inputs")).unwrap().count();
    assert_eq!(cached, 1);
    // Another file with the same content.
    cluster.yard.write("in/b.txt", "words\n");
    let again = cluster.outputs(&["run", "w.wdl", "text=in/b.txt", "-d", "second"]);
    assert_eq!(cluster.calls("qsub").len(), 1, "taken from the first run");
    let output = again["w.o"].as_str().unwrap();
    assert!(fs::symlink_metadata(output).unwrap().is_symlink() && fs::read_to_string(output).unwrap() == "words\n");
    cluster.outputs(&["run", "w.wdl", "text=in/b.txt", "q=b"]);
    assert_eq!(cluster.calls("qsub").len(), 2, "the queue counts");
    // The name is shared, and by path the file is another one.
    cluster.configure(&format!("default_provider = \"SGE\"\n{SGE}hashing-strategy = \"path\"\n{caching}"));
    cluster.outputs(&["run", "w.wdl", "text=in/b.txt"]);
    assert_eq!(cluster.calls("qsub").len(), 3);
    cluster.yard.write("in/b.txt", "other words\n");
    cluster.outputs(&["run", "w.wdl", "text=in/b.txt"]);
    assert_eq!(cluster.calls("qsub").len(), 3, "only the path counts");
}

#[test]
fn globs_are_collected_by_a_configured_command() {
    let command = "glob-link-command = \"( ln -sL \\\"$PWD\\\"/GLOB_PATTERN GLOB_DIRECTORY 2> /dev/null )\"\n";
    let cluster = Cluster::new(&format!("default_provider = \"SGE\"\n{SGE}{command}"));
    cluster.yard.write(
        "w.wdl",
        "version 1.0\ntask t { input { String ext } command <<< for i in 1 2 3; do echo $i > f$i.~{ext}; done >>>\n\
         output { Array[File] all = glob(\"f*.~{ext}\") Array[File] none = glob(\"*.nothing\") } }\n\
         workflow w { call t { input: ext = \"x\" } output { Array[File] all = t.all Int none = length(t.none) } }",
    );
    let outputs = cluster.outputs(&["run", "w.wdl", "-d", "run"]);
    assert_eq!((outputs["w.all"].as_array().unwrap().len(), &outputs["w.none"]), (3, &json!(0)));
    let first = outputs["w.all"][0].as_str().unwrap();
    assert!(fs::symlink_metadata(first).unwrap().is_symlink(), "{first}");
    let folder = std::path::Path::new(first).parent().unwrap();
    assert!(folder.join("cromwell_glob_control_file").exists());
    assert_eq!(lines(&folder.with_extension("list")), ["f1.x", "f2.x", "f3.x"]);
}

#[test]
fn a_broken_provider_stops_everything_at_the_start() {
    let cluster = Cluster::new(&SGE.replace("(\\\\d+)", "\\\\d+"));
    let done = cluster.call(&["ls"]);
    assert!(done.code != 0 && done.err.contains("provider `SGE`: `job-id-regex`"), "{}", done.err);
}
