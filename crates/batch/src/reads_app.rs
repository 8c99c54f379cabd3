//! The app `:fastq_to_ubam`: unmapped BAM files of the reads of a sequencer, made by Picard as an ordinary job.
//!
//! Parameters have Picard's own names. The command is a script that takes their values as variables, so that none of
//! them is ever read as a command.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    system,
    wire::{AppDescription, Parameter, Problems, app::Vm, job::Text},
};

/// Name of the app.
pub const NAME: &str = "fastq_to_ubam";
/// What it runs.
const SCRIPT: &str = include_str!("reads_app/fastq_to_ubam.sh");
/// Most parts that reads are split into: their numbers have four digits.
const MAX_PARTS: u64 = 9999;
/// Values that become fields of the read group's line in the header.
const FIELDS: [&str; 6] = ["SAMPLE_NAME", "LIBRARY_NAME", "PLATFORM", "PLATFORM_UNIT", "SEQUENCING_CENTER", "READ_GROUP_NAME"];

/// Parameters and settings, as the original's clients expect them. `picard_jar` is where the server was told that Picard
/// is; empty where it was told nothing.
pub fn description(picard_jar: &str) -> AppDescription {
    let input = |name: &str, kind: &str, default: Value, local: &str, about: &str| {
        let parameter = Parameter { kind: kind.into(), default, local_path: local.into(), description: about.into() };
        (name.to_owned(), parameter)
    };
    let text = |name: &str, default: Value, about: &str| input(name, "String", default, "", about);
    AppDescription {
        name: NAME.into(),
        description: "Makes unmapped BAM files of a pair of FASTQ files".into(),
        command_line: SCRIPT.into(),
        vm: Some(Vm { ecs_image_id: "img-ubuntu".into() }),
        env_vars: variables(picard_jar),
        input_parameters: [
            input("FASTQ", "String", Value::Null, "/batchcompute/reads/1/", "first file of the pair"),
            input(
                "FASTQ2",
                "String",
                Value::Null,
                "/batchcompute/reads/2/",
                "second file of the pair; an empty text where reads come from one end only",
            ),
            text("OUT_PREFIX", Value::Null, "beginning of the names of what is made"),
            input("SPLIT_TO_N_FILES", "Number", json!(1), "", "into how many files reads are divided"),
            text("SAMPLE_NAME", Value::Null, "the sample"),
            text("LIBRARY_NAME", json!(""), "its library"),
            text("PLATFORM", json!(""), "kind of the sequencer, for example illumina"),
            text("PLATFORM_UNIT", json!(""), "flow cell, lane and barcode"),
            text("SEQUENCING_CENTER", json!(""), "where it was sequenced"),
            text("READ_GROUP_NAME", json!("A"), "the read group; without blanks"),
        ]
        .into(),
        output_parameters: system::outputs("/batchcompute/outputs/", "prefix for the BAM files and their list"),
        config: system::config(),
        ..AppDescription::default()
    }
}

/// Where the script finds files, and Picard: `${...}` stands for the place of a parameter's file.
fn variables(picard_jar: &str) -> BTreeMap<String, Text> {
    [("FASTQ_FILE", "${FASTQ}"), ("FASTQ2_FILE", "${FASTQ2}"), ("OUTPUTS_FOLDER", "${OUTPUTS_DIR}"), ("SERVER_PICARD_JAR", picard_jar)]
        .map(|(name, value)| (name.to_owned(), Text(value.to_owned())))
        .into()
}

/// Finds what Picard would refuse, or misunderstand, before anything is started. What is missing was told already.
pub fn check(values: &BTreeMap<String, String>, problems: &mut Problems) {
    let at = |name: &str| format!("App.Inputs.{name}");
    let value = |name: &str| values.get(name).map(String::as_str);
    for name in ["FASTQ", "FASTQ2"] {
        let is_folder = value(name).is_some_and(|url| url.ends_with('/'));
        problems.unless(!is_folder, at(name), "must name an object, not a prefix");
    }
    problems.unless(value("FASTQ") != Some(""), at("FASTQ"), "must be an address like `oss://bucket/key`");
    if value("FASTQ").is_some_and(|first| !first.is_empty() && value("FASTQ2") == Some(first)) {
        problems.add(at("FASTQ2"), "is the same object as `FASTQ`: give the second file of the pair");
    }
    if let Some(prefix) = value("OUT_PREFIX") {
        let good = |b: u8| b.is_ascii_alphanumeric() || b"._-+".contains(&b);
        let is_name = (1..=200).contains(&prefix.len()) && prefix.bytes().all(good) && !prefix.starts_with(['.', '-']);
        let text = format!("must be the beginning of a file name: letters, digits, `.`, `_`, `-` and `+`, not `{prefix}`");
        problems.unless(is_name, at("OUT_PREFIX"), text);
    }
    if let Some(parts) = value("SPLIT_TO_N_FILES") {
        let is_count = parts.parse::<u64>().is_ok_and(|parts| (1..=MAX_PARTS).contains(&parts));
        problems.unless(is_count, at("SPLIT_TO_N_FILES"), format!("must be a whole number from 1 to {MAX_PARTS}, not `{parts}`"));
    }
    for name in FIELDS {
        let is_field = value(name).is_none_or(|text| !text.contains(char::is_control) && !text.starts_with('-'));
        problems.unless(is_field, at(name), "must not begin with `-` or contain tabs, line ends or other control characters");
    }
    problems.unless(value("SAMPLE_NAME") != Some(""), at("SAMPLE_NAME"), "must not be empty");
    if let Some(group) = value("READ_GROUP_NAME") {
        let text = format!("must be a word without blanks, not `{group}`");
        problems.unless(!group.is_empty() && !group.contains(char::is_whitespace), at("READ_GROUP_NAME"), text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        expand::expand,
        wire::{AppCall, JobDescription, parse::from_value},
    };

    fn told(more: Value) -> (Vec<String>, crate::wire::TaskDescription) {
        let mut inputs = json!({
            "FASTQ": "oss://b/d/r_1.fastq.gz", "FASTQ2": "oss://b/d/r_2.fastq.gz", "OUT_PREFIX": "test", "SPLIT_TO_N_FILES": "3",
            "SAMPLE_NAME": "a sample", "READ_GROUP_NAME": "rg"
        });
        for (name, value) in more.as_object().unwrap() {
            inputs[name] = value.clone();
        }
        let call: AppCall =
            from_value(json!({"AppName": ":fastq_to_ubam", "Inputs": inputs, "Outputs": {"OUTPUTS_DIR": "oss://b/o/"}})).unwrap();
        let mut problems = Problems::default();
        let done = expand(&description("/opt/p.jar"), &JobDescription::default(), &call, &mut problems);
        check(&done.variables, &mut problems);
        (problems.0.into_iter().map(|problem| problem.path).collect(), done.task)
    }

    #[test]
    fn the_app_itself_is_in_order() {
        let mut problems = Problems::default();
        description("").check(&mut problems);
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn files_and_values_come_as_variables() {
        let (paths, task) = told(json!({}));
        assert!(paths.is_empty(), "{paths:?}");
        let command = &task.parameters.command;
        // Nothing of the job's is in the script.
        assert_eq!(command.command_line, SCRIPT);
        let variable = |name: &str| command.env_vars[name].0.as_str();
        assert_eq!(variable("FASTQ2_FILE"), "/batchcompute/reads/2/r_2.fastq.gz");
        assert_eq!((variable("OUTPUTS_FOLDER"), variable("SERVER_PICARD_JAR")), ("/batchcompute/outputs/", "/opt/p.jar"));
        // One end: no second file.
        assert_eq!(told(json!({"FASTQ2": ""})).1.mounts.entries.len(), 1);
        assert!(told(json!({"SPLIT_TO_N_FILES": ""})).0.is_empty(), "an empty number is the default");
    }

    #[test]
    fn what_picard_would_refuse_is_told_before() {
        for (inputs, path) in [
            (json!({"FASTQ2": null}), "FASTQ2"),
            (json!({"FASTQ2": "oss://b/d/r_1.fastq.gz"}), "FASTQ2"),
            (json!({"FASTQ": "oss://b/d/"}), "FASTQ"),
            (json!({"OUT_PREFIX": "../x"}), "OUT_PREFIX"),
            (json!({"SPLIT_TO_N_FILES": 2.5}), "SPLIT_TO_N_FILES"),
            (json!({"SPLIT_TO_N_FILES": "0"}), "SPLIT_TO_N_FILES"),
            (json!({"SAMPLE_NAME": ""}), "SAMPLE_NAME"),
            (json!({"LIBRARY_NAME": "a\tID:b"}), "LIBRARY_NAME"),
            (json!({"READ_GROUP_NAME": "read group"}), "READ_GROUP_NAME"),
        ] {
            assert_eq!(told(inputs.clone()).0, [format!("App.Inputs.{path}")], "{inputs}");
        }
    }
}
