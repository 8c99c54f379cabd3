//! An app on one's own machine: its parameters are files and folders here instead of objects.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::Value;

use super::{filled, place, text_of, unknown, value_of};
use crate::wire::{AppDescription, Problems};

/// What an app becomes with these values.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// For the shell.
    pub command: String,
    /// Parameters and the app's own variables.
    pub env: Vec<(String, String)>,
    /// Files and folders of this machine (these end with `/`), and where the command finds them.
    pub inputs: Vec<(String, String)>,
    /// Where the command leaves its outputs, by name.
    pub outputs: BTreeMap<String, String>,
}

/// Puts values into an app: texts and numbers, and paths for parameters with a `LocalPath`.
pub fn expand_locally(app: &AppDescription, inputs: &BTreeMap<String, String>, outputs: &[&str], problems: &mut Problems) -> Local {
    let given: IndexMap<String, Value> = inputs.iter().map(|(name, text)| (name.clone(), Value::String(text.clone()))).collect();
    let wanted: IndexMap<String, Value> = outputs.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
    unknown(&app.input_parameters, &given, "--input", problems);
    unknown(&app.output_parameters, &wanted, "--output", problems);
    let (mut local, mut words) = (Local::default(), BTreeMap::new());
    for (name, parameter) in &app.input_parameters {
        let at = format!("--input {name}");
        let Some(value) = value_of(&given, name, parameter) else {
            problems.add(at, format!("is missing: the app `{}` has no default for it", app.name));
            continue;
        };
        let Some(text) = text_of(parameter, value) else {
            problems.add(at, format!("must be a {}", parameter.kind));
            continue;
        };
        let mut word = text.clone();
        if !parameter.local_path.is_empty() && !text.is_empty() {
            word = place(&parameter.local_path, &text);
            local.inputs.push((text.clone(), word.clone()));
        }
        local.env.push((name.clone(), text));
        words.insert(name.clone(), word);
    }
    for (name, parameter) in &app.output_parameters {
        if parameter.local_path.is_empty() {
            problems.unless(
                !outputs.contains(&name.as_str()),
                format!("--output {name}"),
                format!("cannot be kept: the app `{}` has no `LocalPath` for it", app.name),
            );
            continue;
        }
        words.insert(name.clone(), parameter.local_path.clone());
        local.env.push((name.clone(), parameter.local_path.clone()));
        local.outputs.insert(name.clone(), parameter.local_path.clone());
    }
    local.env.extend(app.env_vars.iter().map(|(name, text)| (name.clone(), filled(&text.0, &words))));
    local.command = filled(&app.command_line, &words);
    local
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::wire::parse::from_value;

    fn tried(inputs: &[(&str, &str)], outputs: &[&str]) -> (Local, Vec<String>) {
        let app = from_value(json!({
            "Name": "a", "CommandLine": "cp ${in} ${out} -n ${n}", "Docker": {"Image": "i"}, "EnvVars": {"WHERE": "${in}"},
            "InputParameters": {"in": {"LocalPath": "/data/"}, "n": {"Type": "Number", "Default": 3}},
            "OutputParameters": {"out": {"LocalPath": "/out/x.txt"}, "none": {}}
        }));
        let inputs = inputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut problems = Problems::default();
        let local = expand_locally(&app.unwrap(), &inputs, outputs, &mut problems);
        (local, problems.0.into_iter().map(|problem| problem.path).collect())
    }

    #[test]
    fn files_of_this_machine_take_the_place_of_objects() {
        let (local, problems) = tried(&[("in", "/tmp/a.bam"), ("n", "5")], &["out"]);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(local.command, "cp /data/a.bam /out/x.txt -n 5");
        assert_eq!(local.inputs, [("/tmp/a.bam".to_owned(), "/data/a.bam".to_owned())]);
        assert!(local.env.contains(&("WHERE".into(), "/data/a.bam".into())) && local.env.contains(&("n".into(), "5".into())));
        assert_eq!(tried(&[("in", "/tmp/folder/")], &[]).0.inputs[0].1, "/data/");
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let (_, problems) = tried(&[("n", "many"), ("m", "1")], &["none", "other"]);
        assert_eq!(problems, ["--input.m", "--output.other", "--input in", "--input n", "--output none"]);
    }
}
