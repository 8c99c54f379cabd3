//! Projects to begin with.

use std::io::Write;

use serde_json::{Value, json};

use crate::stub::Person;

fn with_types() -> Person {
    let person = Person::known();
    person.stub.on(
        "GET /quotas",
        json!({"AvailableClusterInstanceType": ["bcs.a2.large", "bcs.b4.5xlarge"], "AvailableSpotInstanceType": ["bcs.a2.xlarge"]}),
    );
    person
}

#[test]
fn job_templates_get_image_and_type() {
    let person = with_types();
    for kind in ["python", "shell", "java", "empty"] {
        let out = person.done(&format!("gen deep/{kind} -t {kind}"));
        assert!(out.starts_with(&format!("init with [{kind}] template at: ")) && out.ends_with("Done\n"), "{out}");
        let job: Value = serde_json::from_str(&person.read(&format!("deep/{kind}/job.json"))).unwrap();
        for (_, task) in job["DAG"]["Tasks"].as_object().unwrap() {
            assert_eq!(
                (&task["AutoCluster"]["ImageId"], &task["AutoCluster"]["InstanceType"]),
                (&json!("img-ubuntu"), &json!("ecs.sn1.medium"))
            );
        }
        assert!(person.path(&format!("deep/{kind}/project.json")).exists() && person.path(&format!("deep/{kind}/Readme.md")).exists());
    }
    assert!(person.stub.asked().is_empty());
    assert!(person.fails("gen x -t perl").contains("Invalid type: perl"));
    assert!(person.fails("gen x").contains("Option -t, --type <type> is required."));
}

#[test]
fn bcsgen_writes_the_pipelines_of_the_guide() {
    let person = with_types();
    let done = person.run("bcsgen", ["./demo", "-t", "gatk"].map(str::to_owned).to_vec());
    assert_eq!(done.code, 0, "{}", done.out);
    let script = person.read("demo/gatk4-data-processing/main.sh");
    assert!(
        script.contains("bcs asub cromwell gatk-job") && script.contains("oss://mybucket/bcscli/gatk4/gatk4-data-processing/outputs/"),
        "{script}"
    );
    for name in ["inputs.json", "inputs.30x.ondemand.json", "inputs.30x.spot.json"] {
        for base in [
            "gatk4-data-processing/src/processing-for-variant-discovery-gatk4",
            "gatk4-germline-snps-indels/src/haplotypecaller-gvcf-gatk4",
        ] {
            let text = person.read(&format!("demo/{base}.hg38.wgs.{name}"));
            serde_json::from_str::<Value>(&text).unwrap();
            assert!(!text.contains("#{{"), "{base} {name}");
        }
    }
    for base in ["joint-genotyping", "quality-report", "germline-pipeline"] {
        let folder = format!("demo/gatk4-{base}");
        let options: Value = serde_json::from_str(&person.read(&format!("{folder}/src/generic.batchcompute-papi.options.json"))).unwrap();
        assert_eq!(options["default_runtime_attributes"]["cluster"], "OnDemand bcs.b4.5xlarge img-gatk4");
        assert!(person.read(&format!("{folder}/main.sh")).contains(&format!("--input_from_file_WDL src/{base}-gatk4.wdl")));
        assert!(!person.read(&format!("{folder}/src/{base}-gatk4.hg38.wgs.inputs.json")).contains("#{{"));
    }
    let same = "src/joint-genotyping-gatk4.wdl";
    assert_eq!(person.read(&format!("demo/gatk4-germline-pipeline/{same}")), person.read(&format!("demo/gatk4-joint-genotyping/{same}")));
    let inputs = person.read("demo/gatk4-data-processing/src/processing-for-variant-discovery-gatk4.hg38.wgs.inputs.json");
    assert!(inputs.contains("OnDemand bcs.b4.5xlarge img-gatk4") && inputs.contains("oss://genomics-public-data-test/"), "{inputs}");
}

#[test]
fn the_small_workflow() {
    let person = with_types();
    person.done("gen w -t wdl");
    assert!(person.read("w/src/inputs.json").contains("OnDemand bcs.a2.large img-ubuntu"));
    assert!(person.read("w/main.sh").contains("--input_WORKING_DIR \"oss://mybucket/bcscli/worker_dir/\""));
}

#[test]
fn published_files_take_the_place_of_ours() {
    let person = with_types();
    let published = "workflow of_somebody {}";
    let name = "haplotypecaller-gvcf-gatk4.wdl";
    person.write(&format!("repository/{name}"), published);
    person.done("gen g1 -t gatk --source repository");
    assert_eq!(person.read(&format!("g1/gatk4-germline-snps-indels/src/{name}")), published);
    // What imports it was written for ours.
    assert!(person.read(&format!("g1/gatk4-germline-pipeline/src/{name}")).starts_with("version 1.1"));
    // The original package: a tar.gz that holds templates as zip archives.
    let mut zipped = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    zipped.start_file(format!("gatk4-germline-snps-indels/src/{name}"), options).unwrap();
    zipped.write_all(published.as_bytes()).unwrap();
    let zipped = zipped.finish().unwrap().into_inner();
    let packed = flate2::write::GzEncoder::new(std::fs::File::create(person.path("cli.tar.gz")).unwrap(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(packed);
    let mut header = tar::Header::new_gnu();
    header.set_size(zipped.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    archive.append_data(&mut header, "cli/src/templates/gatk.zip", &zipped[..]).unwrap();
    archive.into_inner().unwrap().finish().unwrap();
    person.done("gen g2 -t gatk --source cli.tar.gz");
    assert_eq!(person.read(&format!("g2/gatk4-germline-snps-indels/src/{name}")), published);
    person.write("nothing/readme", "");
    assert!(person.fails("gen g3 -t gatk --source nothing").contains("holds no .wdl file"));
}

#[test]
fn a_project_from_creation_to_submission() {
    let person = with_types();
    person.stub.on("POST /jobs", json!({"Id": "job-new"}));
    assert!(person.fails("p st").contains("This is not a BatchCompute project folder"));
    assert!(person.done("p create . -t shell").contains("create . project [shell] at: "));
    let out = person.done("p st");
    assert!(out.contains("DAG:\n1.print\n") && out.ends_with("OK\n\n"), "{out}");
    person.done("p update -c cls-x --docker u@oss://b/d/");
    assert_eq!(person.done("p build"), "add Main.sh\nDone\n");
    assert!(person.done("p submit").ends_with("Job created: job-new\n"));
    let asked = person.stub.asked();
    let task = &asked.last().unwrap().json()["DAG"]["Tasks"]["print"];
    assert_eq!(task["ClusterId"], "cls-x");
    assert!(task["Parameters"]["Command"]["PackagePath"].as_str().unwrap().ends_with("/worker.tar.gz"));
    assert_eq!(task["Parameters"]["Command"]["EnvVars"]["BATCH_COMPUTE_DOCKER_IMAGE"], "localhost:5000/u");
}

#[test]
fn without_a_login_the_way_out_is_named() {
    let stranger = Person::new();
    for kind in ["gatk", "wdl"] {
        let told = stranger.fails(&format!("gen demo -t {kind}"));
        assert!(told.contains("ERROR: You need to login first; `--offline` writes the files"), "{told}");
        assert!(!stranger.path("demo").exists(), "nothing is written by halves");
    }
    let alone = Person::known();
    let told = alone.fails("gen demo -t gatk --endpoint http://127.0.0.1:1");
    assert!(told.contains("cannot reach") && told.contains("`--offline`"), "{told}");
    stranger.done("gen demo -t gatk --offline");
    assert!(stranger.path("demo/gatk4-data-processing/main.sh").exists() && stranger.done("gen -h").contains("--offline"));
}
