//! Call caching in metadata: mode, result, and the hashes that make a call what it is.

use batchyard_store::{CallRecord, RunRecord, StoreError};
use batchyard_workflow::documents::{EndDoc, RunSpec, StartDoc};
use md5::{Digest, Md5};
use serde_json::{Map, Value as Json, json};

use super::Context;
use crate::LOCAL;

/// Whether a run reads from the cache and writes to it.
#[derive(Clone, Copy, Debug)]
pub struct Switches {
    read: bool,
    write: bool,
}

/// The `callCaching` object of an attempt.
///
/// # Errors
/// What kept the store from answering.
pub fn describe(context: Context<'_>, switches: Switches, call: &CallRecord, start: &StartDoc, end: &EndDoc) -> Result<Json, StoreError> {
    let mut keys = Map::new();
    let Switches { read, write } = switches;
    let mode = match (start.parts.is_empty(), read, write) {
        (true, _, _) | (_, false, false) => "CallCachingOff",
        (_, true, true) => "ReadAndWriteCache",
        (_, true, false) => "ReadCache",
        (_, false, true) => "WriteCache",
    };
    keys.insert("effectiveCallCachingMode".into(), json!(mode));
    keys.insert("allowResultReuse".into(), json!(call.reusable));
    if mode != "CallCachingOff" {
        keys.insert("hit".into(), json!(call.cached));
        if let Some(from) = &end.reused {
            keys.insert("result".into(), json!(format!("Cache Hit: {}", hit_text(context, from)?)));
        } else if read && call.id.attempt == 1 {
            keys.insert("result".into(), json!("Cache Miss"));
        }
        keys.insert("hashes".into(), Json::Object(hashes(start)));
    } else {
        keys.insert("hit".into(), json!(false));
        let is_unknown = start.image.as_ref().is_some_and(|image| image.unknown.is_some());
        if is_unknown && read && call.id.attempt == 1 {
            keys.insert("result".into(), json!("Cache Miss"));
        }
    }
    Ok(Json::Object(keys))
}

impl Switches {
    /// Those of a run; a sub-workflow follows the options of the whole.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub fn of(context: Context<'_>, run: &RunRecord) -> Result<Switches, StoreError> {
        let root = match run.root {
            Some(root) => context.store.load_run(root)?,
            None => None,
        };
        let spec: RunSpec = serde_json::from_str(root.as_ref().map_or(&run.spec, |root| &root.spec)).unwrap_or_default();
        let settings = &context.options.settings;
        let options = settings.with_default_options(&context.options.opened_options(&spec.options));
        let option = |name: &str| options.get(name).and_then(Json::as_bool).unwrap_or(true);
        Ok(Switches {
            read: settings.read_cache && !spec.no_cache && option("read_from_cache"),
            write: settings.write_cache && option("write_to_cache"),
        })
    }
}

/// `<run id>:<workflow>.<call>:<shard>` of a call that is named `call[3]#2 of run <id>`.
fn hit_text(context: Context<'_>, from: &str) -> Result<String, StoreError> {
    let Some((call, run)) = from.rsplit_once(" of run ") else { return Ok(from.to_owned()) };
    let call = call.split('#').next().unwrap_or(call);
    let (name, shard) = match call.split_once('[') {
        Some((name, indices)) => (name, indices.trim_end_matches(']').rsplit('[').next().unwrap_or("-1")),
        None => (call, "-1"),
    };
    let workflow = match run.parse() {
        Ok(id) => context.store.load_run(id)?.map(|record| record.name).unwrap_or_default(),
        Err(_) => String::new(),
    };
    Ok(format!("{run}:{workflow}.{name}:{shard}"))
}

/// The hashes of a call in the original's names, nested as its metadata nests them.
pub fn hashes(start: &StartDoc) -> Map<String, Json> {
    let mut hashes = Map::new();
    let (mut inputs, mut outputs, mut attributes) = (Map::new(), Map::new(), Map::new());
    let mut input_count = 0;
    for (name, value) in &start.parts {
        let hash = || json!(upper_md5(value));
        match name.split_once(' ') {
            Some(("input", input)) => {
                input_count += 1;
                match files_in(value) {
                    Some(files) => inputs.extend(files.enumerate().map(|(n, digest)| (format!("File {input}.{n}"), digest))),
                    None => drop(inputs.insert(format!("{} {input}", kind_of(value)), file_hash(value).unwrap_or_else(hash))),
                }
            }
            Some(("output", output)) => {
                // `Int n = 1` as the task writes it.
                let (declared, expression) = value.split_once(" = ").unwrap_or((value, ""));
                let kind = declared.strip_suffix(output).unwrap_or(declared).trim_end();
                outputs.insert(format!("{kind} {output}"), json!(upper_md5(expression)));
            }
            _ => match name.as_str() {
                "image" => drop(attributes.insert("docker".into(), hash())),
                "return codes" => drop(attributes.insert("continueOnReturnCode".into(), json!(upper_md5(&codes(value))))),
                "fail on stderr" => drop(attributes.insert("failOnStderr".into(), hash())),
                // It is a hash already.
                "command template" => drop(hashes.insert(name.clone(), json!(value))),
                _ => drop(hashes.insert(name.clone(), hash())),
            },
        }
    }
    hashes.insert("backend name".into(), json!(upper_md5(start.provider.as_deref().unwrap_or(LOCAL))));
    hashes.insert("input count".into(), json!(upper_md5(&input_count.to_string())));
    hashes.insert("output count".into(), json!(upper_md5(&outputs.len().to_string())));
    hashes.insert("runtime attribute".into(), Json::Object(attributes));
    hashes.insert("input".into(), Json::Object(inputs));
    hashes.insert("output expression".into(), Json::Object(outputs));
    hashes
}

/// Hashes by their full keys: nested names joined by `:`.
pub fn flat_hashes(start: &StartDoc) -> Map<String, Json> {
    let mut flat = Map::new();
    for (name, value) in hashes(start) {
        match value {
            Json::Object(members) => flat.extend(members.into_iter().map(|(member, value)| (format!("{name}:{member}"), value))),
            value => drop(flat.insert(name, value)),
        }
    }
    flat
}

/// The same of a call that another program has carried out; items of lists are told apart by their number.
pub fn told_hashes(caching: &Json) -> Map<String, Json> {
    fn flatten(name: &str, value: &Json, flat: &mut Map<String, Json>) {
        match value {
            Json::Object(members) => members.iter().for_each(|(member, value)| {
                let name = if name.is_empty() { member.clone() } else { format!("{name}:{member}") };
                flatten(&name, value, flat);
            }),
            Json::Array(items) => items.iter().enumerate().for_each(|(n, value)| flatten(&format!("{name}[{n}]"), value, flat)),
            value => drop(flat.insert(name.to_owned(), value.clone())),
        }
    }
    let mut flat = Map::new();
    flatten("", &caching["hashes"], &mut flat);
    // That there are none is no hash.
    flat.shift_remove("");
    flat
}

/// `Only({0})` as the original writes it.
fn codes(value: &str) -> String {
    match value.strip_prefix("Only({").and_then(|rest| rest.strip_suffix("})")) {
        Some(codes) if codes.contains(',') => format!("[{}]", codes.replace(' ', "")),
        Some(code) => code.to_owned(),
        None => "true".to_owned(),
    }
}

/// The type of an input as far as its text tells.
fn kind_of(value: &str) -> &'static str {
    match value {
        "true" | "false" => return "Boolean",
        "None" => return "Optional",
        _ => {}
    }
    if ["xxh3 ", "file ", "tree "].iter().any(|prefix| value.starts_with(prefix)) || is_digest(value) {
        return "File";
    }
    match value.chars().next() {
        Some('"') => "String",
        Some('[') => "Array",
        Some('{') => "Map",
        Some('(') => "Pair",
        _ if value.parse::<i64>().is_ok() => "Int",
        _ if value.parse::<f64>().is_ok() => "Float",
        _ => "Object",
    }
}

/// The files of an array that holds nothing else: each has a hash of its own.
fn files_in(value: &str) -> Option<impl Iterator<Item = Json>> {
    let items = value.strip_prefix('[')?.strip_suffix(", ]")?.split(", ");
    let files: Option<Vec<Json>> = items.map(file_hash).collect();
    files.map(Vec::into_iter)
}

/// A file stands for its content already, or for the call that made it.
fn file_hash(value: &str) -> Option<Json> {
    let digest = value.strip_prefix("xxh3 ").or(is_digest(value).then_some(value)).map(str::to_owned);
    digest.or_else(|| value.starts_with("file ").then(|| upper_md5(value))).map(|digest| json!(digest))
}

/// Whether a text is what a strategy of the configuration makes of a file: no other value is written like this.
fn is_digest(value: &str) -> bool {
    matches!(value.len(), 16 | 32) && value.bytes().all(|b| b.is_ascii_hexdigit()) && value.bytes().any(|b| b.is_ascii_alphabetic())
}

fn upper_md5(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_small_texts_are_the_originals() {
        assert_eq!(upper_md5("0"), "CFCD208495D565EF66E7DFF9F98764DA");
        assert_eq!(upper_md5("Local"), "509820290D57F333403F490DDE7316F4");
        assert_eq!(codes("Only({0})"), "0");
        assert_eq!(codes("Only({0, 1})"), "[0,1]");
        assert_eq!(codes("Any"), "true");
    }

    #[test]
    fn parts_become_nested_hashes() {
        let parts = [
            ("command template", "aa"),
            ("output out", "Array[File] out = glob(\"*\")"),
            ("return codes", "Only({0})"),
            ("fail on stderr", "false"),
            ("input x", "\"text\""),
            ("input n", "3"),
            ("input f", "xxh3 00ff"),
            ("input g", "0e4a079e970c7802de92f5151e0dc2b9"),
            ("input fs", "[0e4a079e970c7802de92f5151e0dc2b9, xxh3 00fe, file r/c/0/1 out.txt, ]"),
            ("input ns", "[1, 2, ]"),
        ];
        let start = StartDoc {
            parts: parts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..StartDoc::default()
        };
        let hashes = Json::Object(hashes(&start));
        assert_eq!(hashes["runtime attribute"]["failOnStderr"], "68934A3E9455FA72420237EB05902327");
        assert_eq!(hashes["runtime attribute"]["continueOnReturnCode"], "CFCD208495D565EF66E7DFF9F98764DA");
        assert_eq!(hashes["input count"], upper_md5("6"));
        assert_eq!(hashes["input"]["Int n"], "ECCBC87E4B5CE2FE28308FD9F2A7BAF3");
        assert_eq!(hashes["input"]["File f"], "00ff");
        assert_eq!((&hashes["input"]["File fs.0"], &hashes["input"]["File fs.1"]), (&hashes["input"]["File g"], &json!("00fe")));
        assert_eq!(hashes["input"]["File fs.2"], upper_md5("file r/c/0/1 out.txt"));
        assert!(hashes["input"]["Array ns"].is_string());
        assert_eq!(hashes["input"]["File g"], "0e4a079e970c7802de92f5151e0dc2b9");
        assert_eq!(hashes["command template"], "aa");
        assert_eq!(hashes["output expression"]["Array[File] out"], upper_md5("glob(\"*\")"));
        assert!(flat_hashes(&start).contains_key("input:String x"));
    }
}
