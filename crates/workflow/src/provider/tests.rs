//! The documented recipes, filled in.

use batchyard_wdl::{value::Value, version::Dialect};

use super::*;
use crate::runtime::Runtime;

const SGE: &str = "
    qsub \\
    -terse \\
    -V \\
    -b y \\
    -N ${job_name} \\
    -wd ${cwd} \\
    -o ${out}.qsub \\
    -e ${err}.qsub \\
    -pe smp ${cpu} \\
    ${\"-l mem_free=\" + memory_gb + \"g\"} \\
    ${\"-q \" + sge_queue} \\
    ${\"-P \" + sge_project} \\
    /usr/bin/env bash ${script}
    ";

fn sge() -> ProviderDefinition {
    ProviderDefinition {
        name: "SGE".into(),
        submit: Some(SGE.into()),
        kill: Some("qdel ${job_id}".into()),
        check_alive: Some("qstat -j ${job_id}".into()),
        job_id_regex: Some("(\\d+)".into()),
        runtime_attributes: "Int cpu = 1\nFloat? memory_gb\nString? sge_queue\nString? sge_project".into(),
        ..ProviderDefinition::default()
    }
}

fn site(
    definition: ProviderDefinition,
    attributes: &[(&str, Value)],
    image: Option<&str>,
) -> Result<(Site, Runtime), crate::documents::Failure> {
    let provider = Arc::new(Provider::new(definition).unwrap());
    let attributes = attributes.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
    let runtime = Runtime::read(&attributes, Dialect::Cromwell).unwrap();
    let site = Site::new(&provider, &attributes, &runtime, image.map(str::to_owned), "cromwell_0123abcd_align".into(), Dialect::Cromwell)?;
    Ok((site, runtime))
}

/// The commands of an attempt: submit, check, kill; runs of blanks as one.
fn commands(definition: ProviderDefinition, attributes: &[(&str, Value)], image: Option<&str>) -> [String; 3] {
    let (site, runtime) = site(definition, attributes, image).unwrap();
    let commands =
        site.commands("/r/call-align".as_ref(), "/r/call-align/execution".as_ref(), &runtime, runtime.memory_bytes, None).unwrap();
    let scripts = commands.scripts.of("17").unwrap();
    [commands.submit, scripts.check.unwrap_or_default(), scripts.kill.unwrap_or_default()]
        .map(|text| text.replace("\\\n", " ").split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn grid_engine() {
    let bare = commands(sge(), &[], None);
    assert_eq!(
        bare[0],
        "qsub -terse -V -b y -N cromwell_0123abcd_align -wd /r/call-align -o /r/call-align/execution/stdout.qsub \
         -e /r/call-align/execution/stderr.qsub -pe smp 1 /usr/bin/env bash /r/call-align/execution/script"
    );
    assert_eq!((bare[1].as_str(), bare[2].as_str()), ("qstat -j 17", "qdel 17"));
    let full = [("cpu", Value::string("4")), ("memory", Value::string("8 GB")), ("sge_queue", Value::string("long.q"))];
    let full = commands(sge(), &full, None);
    assert!(full[0].contains("-pe smp 4 -l mem_free=8.0g -q long.q /usr/bin/env"), "{}", full[0]);
}

#[test]
fn slurm() {
    let definition = ProviderDefinition {
        name: "SLURM".into(),
        submit: Some(
            "sbatch -J ${job_name} -D ${cwd} -o ${out} -e ${err} -t ${runtime_minutes} -p ${queue} ${\"-n \" + cpus} \
             --mem-per-cpu=${requested_memory_mb_per_core} --wrap \"/usr/bin/env bash ${script}\""
                .into(),
        ),
        kill: Some("scancel ${job_id}".into()),
        check_alive: Some("squeue -j ${job_id}".into()),
        job_id_regex: Some("Submitted batch job (\\d+).*".into()),
        runtime_attributes: "Int runtime_minutes = 600\nInt cpus = 2\nInt requested_memory_mb_per_core = 8000\nString queue".into(),
        ..ProviderDefinition::default()
    };
    let failure = site(definition.clone(), &[], None).unwrap_err();
    assert!(failure.message.contains("`queue`") && failure.message.contains("SLURM"), "{failure:?}");
    let told = commands(definition, &[("queue", Value::string("short")), ("cpus", Value::Int(3))], None);
    assert_eq!(
        told[0],
        "sbatch -J cromwell_0123abcd_align -D /r/call-align -o /r/call-align/execution/stdout -e /r/call-align/execution/stderr -t 600 \
         -p short -n 3 --mem-per-cpu=8000 --wrap \"/usr/bin/env bash /r/call-align/execution/script\""
    );
}

#[test]
fn containers_have_commands_of_their_own() {
    let definition = ProviderDefinition {
        submit_docker: Some(
            "singularity exec --containall --bind ${cwd}:${docker_cwd} docker://${docker} ${job_shell} ${docker_script}".into(),
        ),
        kill_docker: Some("docker kill `cat ${docker_cid}` # ${job_id}".into()),
        runtime_attributes: "String? docker\nInt cpu = 1\nFloat? memory_gb\nString? sge_queue\nString? sge_project".into(),
        ..sge()
    };
    let told = commands(definition.clone(), &[], Some("debian:12"));
    assert_eq!(
        told[0],
        "singularity exec --containall --bind /r/call-align:/r/call-align docker://debian:12 /bin/bash /r/call-align/execution/script"
    );
    assert_eq!(told[2], "docker kill `cat /r/call-align/execution/docker_cid` # 17");
    assert!(commands(definition.clone(), &[], None)[0].starts_with("qsub"));
    let only = ProviderDefinition { submit: None, ..definition };
    assert!(site(only, &[], None).unwrap_err().message.contains("no `submit`"));
}

#[test]
fn sizes_come_in_the_declared_unit_and_type() {
    let of = |declarations: &str, name: &str, memory: &str| {
        let definition = ProviderDefinition {
            runtime_attributes: declarations.into(),
            submit: Some(format!("x ${{{name}}}")),
            run_in_background: true,
            kill: None,
            check_alive: None,
            job_id_regex: None,
            ..sge()
        };
        let attributes = [("memory", Value::string(memory)), ("disk", Value::string("10 GB"))];
        commands(definition, &attributes, None)[0].clone()
    };
    assert_eq!(of("Int memory_mb", "memory_mb", "2 GB"), "x 2048");
    assert_eq!(of("Float memory_mb", "memory_mb", "2.5 GiB"), "x 2560.0");
    assert_eq!(of("Int memory_gb", "memory_gb", "1500 MB"), "x 2", "never less than what was asked for");
    assert_eq!(of("Int? disk_mb", "disk_mb", "1 GB"), "x 10240");
    assert_eq!(of("Int memory_score = 7", "memory_score", "1 GB"), "x 7", "no unit, no size");
}

#[test]
fn placeholder_options() {
    let definition = ProviderDefinition {
        submit: Some("x ${true=\"--exclusive\" false=\"\" exclusive} -q ${default=\"all.q\" sge_queue} $HOME ${sge_project}".into()),
        runtime_attributes: "Boolean exclusive = true\nString? sge_queue\nString? sge_project".into(),
        ..sge()
    };
    assert_eq!(commands(definition.clone(), &[], None)[0], "x --exclusive -q all.q $HOME");
    let given = [("exclusive", Value::Boolean(false)), ("sge_queue", Value::string("q")), ("sge_project", Value::string("p"))];
    assert_eq!(commands(definition, &given, None)[0], "x -q q $HOME p");
}

#[test]
fn htcondor_keeps_its_lines() {
    let definition = ProviderDefinition {
        submit: Some(
            "\n    chmod 755 ${script}\n    cat > ${cwd}/execution/submitFile <<EOF\n    executable=${script}\n    requestMemory=${memory_mb}\n    queue\n    EOF\n    \
             condor_submit ${cwd}/execution/submitFile\n    "
                .into(),
        ),
        job_id_regex: Some("(?sm).*cluster (\\d+)..*".into()),
        runtime_attributes: "Float memory_mb = 512.0".into(),
        ..sge()
    };
    let (site, runtime) = site(definition, &[], None).unwrap();
    let commands = site.commands("/r/c".as_ref(), "/r/c/execution".as_ref(), &runtime, None, None).unwrap();
    assert_eq!(
        commands.submit.trim(),
        "chmod 755 /r/c/execution/script\ncat > /r/c/execution/submitFile <<EOF\nexecutable=/r/c/execution/script\nrequestMemory=512.0\nqueue\nEOF\n\
         condor_submit /r/c/execution/submitFile"
    );
}

#[test]
fn broken_definitions_are_told_with_provider_and_key() {
    let problems = |change: &dyn Fn(&mut ProviderDefinition)| {
        let mut definition = sge();
        change(&mut definition);
        let problems = Provider::new(definition).unwrap_err();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    for (told, change) in [
        ("`job-id-regex` `\\d+` must have exactly one group", (|d| d.job_id_regex = Some("\\d+".into())) as fn(&mut ProviderDefinition)),
        ("`job-id-regex` is needed", |d| d.job_id_regex = None),
        ("`kill` is needed", |d| d.kill = None),
        ("`submit` or `submit-docker` is needed", |d| d.submit = None),
        ("`submit` uses `quee`", |d| d.submit = Some("qsub ${quee}".into())),
        ("`submit` is wrong in line 2", |d| d.submit = Some("qsub \\\n ${cpu +}".into())),
        ("`kill` uses `job`", |d| d.kill = Some("qdel ${job}".into())),
        ("`runtime-attributes` is wrong in line 2", |d| d.runtime_attributes = "Int cpu = 1\nInt 2 = 3".into()),
        ("`filesystems.local.localization` is wrong: `hardlink`", |d| d.localization = Some(vec!["hardlink".into()])),
        ("hashing-strategy` must be", |d| d.hashing_strategy = Some("crc".into())),
        ("`concurrent-job-limit` must be", |d| d.concurrent_job_limit = Some(0)),
    ] {
        let found = problems(&change);
        assert!(found.contains("provider `SGE`: ") && found.contains(told), "{told}: {found}");
    }
}

#[test]
fn what_counts_for_the_cache() {
    let definition = ProviderDefinition {
        runtime_attributes_for_caching: [("sge_queue".to_owned(), true), ("sge_project".to_owned(), false), ("other".to_owned(), true)]
            .into_iter()
            .collect(),
        name_for_call_caching: Some("Cluster".into()),
        ..sge()
    };
    let (site, _) = site(definition, &[("sge_queue", Value::string("q"))], None).unwrap();
    let parts: Vec<String> = site.identity_parts().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(parts, ["backend=Cluster", "runtime attribute sge_queue=\"q\"", "runtime attribute other=N/A"]);
}
