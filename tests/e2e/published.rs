//! Published pipelines, taken out of the package that they came with.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value as Json;

use crate::{containers::not_tested, service::has_namespaces, yard::Yard};

/// Document inside the bundle and its MD5 sum.
const PIPELINES: [(&str, &str); 2] = [
    ("gatk4-data-processing/src/processing-for-variant-discovery-gatk4.wdl", "847ef720737b08c4023ba5e878f57d5b"),
    ("gatk4-germline-snps-indels/src/haplotypecaller-gvcf-gatk4.wdl", "67d50c9671905a8a5f2595ace8ddc0f5"),
];
/// What `scripts/setup.sh test` downloads.
const PACKAGE: &str = ".cache/batchcompute-cli-1.7.7.tar.gz";
/// The bundle inside the package.
const BUNDLE: &str = "batchcompute-cli-1.7.7/src/batchcompute_cli/templates/gatk.zip";

/// The first of them, from unmapped reads to a BAM.
pub const PROCESSING: &str = PIPELINES[0].0;

/// The bundle, unpacked in a folder of the yard.
pub fn unpack(yard: &Yard) -> Result<PathBuf, String> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join(PACKAGE);
    if !package.exists() {
        return Err(format!("no {PACKAGE}: run scripts/setup.sh test"));
    }
    let folder = yard.path("package");
    fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    quietly(Command::new("tar").arg("-xzf").arg(&package).arg("-C").arg(&folder))?;
    let bundle = folder.join(BUNDLE);
    quietly(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&bundle).arg(&folder))?;
    Ok(folder)
}

fn quietly(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|e| format!("{}: {e}", command.get_program().display()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{} failed: {}", command.get_program().display(), String::from_utf8_lossy(&output.stderr).trim()))
    }
}

#[test]
fn the_gatk_pipelines_pass_with_each_of_their_inputs() {
    let yard = Yard::new();
    let folder = match unpack(&yard) {
        Ok(folder) => folder,
        Err(reason) => return not_tested("gatk", &reason),
    };
    for (name, sum) in PIPELINES {
        let document = folder.join(name);
        assert!(quietly(Command::new("md5sum").arg(&document)).unwrap().starts_with(sum), "{name} is not the published document");
        let mut inputs: Vec<PathBuf> = fs::read_dir(document.parent().unwrap()).unwrap().map(|e| e.unwrap().path()).collect();
        inputs.retain(|path| path.extension().is_some_and(|e| e == "json") && path.to_string_lossy().contains(".inputs."));
        assert!(!inputs.is_empty(), "no inputs beside {name}");
        for path in &inputs {
            let check = yard.call(&["check", document.to_str().unwrap(), "--inputs", path.to_str().unwrap()]);
            assert_eq!(check.code, 0, "{}: {}", path.display(), check.err);
        }
        // The template names each input that the published files set.
        let template: serde_json::Value = serde_json::from_str(&yard.call(&["inputs", document.to_str().unwrap()]).out).unwrap();
        let set: serde_json::Value = serde_json::from_str(&fs::read_to_string(&inputs[0]).unwrap()).unwrap();
        for key in set.as_object().unwrap().keys().filter(|key| !key.starts_with('#')) {
            assert!(template.get(key).is_some(), "{name} takes {key}, its template does not name it");
        }
        assert!(yard.call(&["graph", document.to_str().unwrap()]).out.starts_with("digraph"));
    }
}

#[test]
fn a_wrong_input_of_a_published_pipeline_is_found() {
    let yard = Yard::new();
    let Ok(folder) = unpack(&yard) else { return };
    let (name, _) = PIPELINES[1];
    let document = folder.join(name);
    let inputs = document.with_file_name("haplotypecaller-gvcf-gatk4.hg38.wgs.inputs.json");
    let text = fs::read_to_string(&inputs).unwrap();
    let key = text.lines().find_map(|l| l.trim().strip_prefix('"')?.split('"').next().filter(|k| k.ends_with(".input_bam"))).unwrap();
    yard.write("wrong.json", &text.replacen(key, &format!("{key}s"), 1));
    let check = yard.call(&["check", document.to_str().unwrap(), "--inputs", "wrong.json"]);
    assert_eq!(check.code, 2, "{}", check.err);
    assert!(check.err.contains(&format!("`{key}s` is given and means nothing")), "{}", check.err);
}

/// What the published files need besides GATK.
const PROGRAMS: [&str; 6] = ["bwa", "samtools", "bcftools", "tabix", "java", "python3"];

/// The published pair from reads to calls, with a stand-in for GATK: `make gatk` does the same with GATK itself.
#[test]
fn the_published_pair_finds_the_variants_with_a_stand_in_for_gatk() {
    let yard = Yard::new();
    let folder = match unpack(&yard) {
        Ok(folder) => folder,
        Err(reason) => return not_tested("gatk", &reason),
    };
    let picard = Path::new("/usr/share/java/picard.jar");
    let missing = PROGRAMS.into_iter().find(|program| quietly(Command::new("which").arg(program)).is_err());
    if let Some(missing) = missing.or((!picard.exists()).then_some("picard.jar")) {
        return not_tested(missing, "run scripts/setup.sh demo");
    }
    if !has_namespaces() {
        return;
    }
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let run = |program: &str, words: &[&str]| quietly(Command::new(project.join(program)).args(words)).unwrap();
    let (data, tree) = (yard.path("data").display().to_string(), yard.path("tree").display().to_string());
    run("examples/gatk/data/make_data.py", &[&data, "--contigs", "chrA:20000,chrB:15000", "--jackpots", "3", "--scatter", "2"]);
    run("examples/gatk/data/index.sh", &[&data]);
    run("scripts/gatk/layout.sh", &[&tree, project.join("tests/gatk/stand_in.py").to_str().unwrap()]);
    let images = run("scripts/gatk/images.sh", &["stand-in for GATK", &tree]);
    yard.write("config/batchyard/config.toml", &images);

    let (processing, calling) = (folder.join(PIPELINES[0].0), folder.join(PIPELINES[1].0));
    let inputs = yard.path("data/inputs.data-processing.draft2.SIM001.json");
    let outputs = yard.outputs(&["run", processing.to_str().unwrap(), "-i", inputs.to_str().unwrap()]);
    let of = |name: &str| outputs[format!("PreProcessingForVariantDiscovery_GATK4.{name}")].as_str().unwrap().to_owned();
    let (bam, index) = (of("analysis_ready_bam"), of("analysis_ready_bam_index"));
    let inputs = yard.path("data/inputs.haplotypecaller.draft2.SIM001.json");
    let mut calls: Json = serde_json::from_str(&fs::read_to_string(inputs).unwrap()).unwrap();
    calls["HaplotypeCallerGvcf_GATK4.input_bam"] = bam.clone().into();
    calls["HaplotypeCallerGvcf_GATK4.input_bam_index"] = index.into();
    let inputs = yard.write("calling.json", &calls.to_string());
    let called = yard.outputs(&["run", calling.to_str().unwrap(), "-i", inputs.to_str().unwrap()]);
    let gvcf = called["HaplotypeCallerGvcf_GATK4.output_merged_gvcf"].as_str().unwrap();
    let (metrics, recalibration) = (of("duplication_metrics"), of("bqsr_report"));
    let seen = run(
        "tests/gatk/check_run.py",
        &["--data", &data, "--sample", "SIM001", "--bam", &bam, "--metrics", &metrics, "--bqsr", &recalibration, "--vcf", gvcf],
    );
    assert!(seen.contains("calls: snp") && seen.contains("calls: indel") && !seen.contains("FAIL"), "{seen}");
    let shown = yard.call(&["show", "last", "--json"]).out;
    assert!(shown.contains("stand-in for GATK"), "{shown}");
}
