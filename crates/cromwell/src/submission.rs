//! A submission as it arrives: named parts, checked together, every problem told at once.

use std::collections::{BTreeMap, HashMap, HashSet};

use axum::body::Bytes;
use batchyard_model::RunId;
use serde_json::{Map, Value as Json};

use crate::{archive, config::YamlLimits};

/// Longest `workflowUrl`, in characters.
const MAX_URL: usize = 2000;
/// Longest name or value of a label, in characters.
pub const MAX_LABEL: usize = 255;
/// Most labels of a workflow.
const MAX_LABELS: usize = 1000;
/// Most workflows of one request.
const MAX_WORKFLOWS: usize = 10_000;
/// Longest inputs of all workflows of a request together, when common ones are put into each, in bytes.
const MAX_SPREAD: usize = 512 << 20;
/// Characters of broken inputs that a message repeats.
const SHOWN: usize = 200;
/// Options whose values may be objects.
const OBJECT_OPTIONS: [&str; 2] = ["default_runtime_attributes", "google_labels"];
/// Part names that are understood, besides `workflowInputs_<n>`.
const KNOWN: [&str; 13] = [
    "workflowSource",
    "workflowUrl",
    "workflowRoot",
    "workflowType",
    "workflowTypeVersion",
    "workflowInputs",
    "workflowOptions",
    "labels",
    "workflowDependencies",
    "workflowOnHold",
    "requestedWorkflowId",
    "wdlSource",
    "wdlDependencies",
];

/// The parts of a request by name; of parts sent twice the last.
pub type Parts = HashMap<String, Bytes>;

/// One or more workflows to run: the same document with different inputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Submission {
    /// Text of the main document.
    pub source: Option<String>,
    /// Where the main document is, if it is not sent.
    pub url: Option<String>,
    /// Kept and shown, without effect.
    pub root: Option<String>,
    /// Language as given.
    pub language: Option<String>,
    /// Language version as given.
    pub version: Option<String>,
    /// Inputs of each workflow.
    pub inputs: Vec<Map<String, Json>>,
    /// Workflow options.
    pub options: Map<String, Json>,
    /// Labels, name and value.
    pub labels: Vec<(String, String)>,
    /// Dependencies: text by path.
    pub imports: Option<BTreeMap<String, String>>,
    /// Whether it waits until it is released.
    pub on_hold: bool,
    /// For whom files are brought here, where that is not everybody; not part of a request.
    pub on_behalf: Option<String>,
    /// Ids the client wants, one for each workflow.
    pub requested: Option<Vec<RunId>>,
    /// Remarks for the client: deprecated names.
    pub warnings: Vec<String>,
}

impl Submission {
    /// Reads the parts of a request.
    ///
    /// # Errors
    /// Every problem, one text each.
    pub fn read(parts: &Parts, yaml: YamlLimits) -> Result<Submission, Vec<String>> {
        let mut reader = Reader { parts, yaml, problems: Vec::new() };
        let submission = reader.submission();
        if reader.problems.is_empty() { Ok(submission) } else { Err(reader.problems) }
    }
}

struct Reader<'p> {
    parts: &'p Parts,
    yaml: YamlLimits,
    problems: Vec<String>,
}

impl<'p> Reader<'p> {
    fn submission(&mut self) -> Submission {
        self.unknown_parts();
        let mut warnings = Vec::new();
        for (old, new) in [("wdlSource", "workflowSource"), ("wdlDependencies", "workflowDependencies")] {
            if self.parts.contains_key(old) {
                warnings.push(format!("The '{old}' parameter name has been deprecated in favor of '{new}'."));
            }
        }
        let (source, url) = self.document();
        Submission {
            source,
            url,
            root: self.text("workflowRoot"),
            language: self.text("workflowType"),
            version: self.text("workflowTypeVersion"),
            inputs: self.inputs(),
            options: self.options(),
            labels: self.labels(),
            imports: self.imports(),
            on_hold: self.on_hold(),
            on_behalf: None,
            requested: self.requested(),
            warnings,
        }
    }

    fn unknown_parts(&mut self) {
        let mut unknown: Vec<&String> =
            self.parts.keys().filter(|name| !KNOWN.contains(&name.as_str()) && inputs_number(name).is_none()).collect();
        unknown.sort();
        for name in unknown {
            self.problems.push(format!("Unexpected body part name: {name}"));
        }
    }

    /// The text of a part where it lies: it may be large.
    fn part(&mut self, name: &str) -> Option<&'p str> {
        let bytes = self.parts.get(name)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(error) => {
                self.problems.push(format!("Part '{name}' is no UTF-8 text: byte {} is wrong", error.valid_up_to()));
                None
            }
        }
    }

    fn text(&mut self, name: &str) -> Option<String> {
        self.part(name).map(str::to_owned)
    }

    fn document(&mut self) -> (Option<String>, Option<String>) {
        let source = self.text("workflowSource");
        let old = self.text("wdlSource");
        let url = self.text("workflowUrl").filter(|url| !url.is_empty());
        match (&source, &old, &url) {
            (None, None, None) => self.problems.push("workflowSource or workflowUrl needs to be supplied".into()),
            (Some(_), Some(_), Some(_)) => {
                self.problems.push("workflowSource, wdlSource and workflowUrl can't all 3 be supplied: give one of them".into());
            }
            (Some(_), Some(_), None) => self.problems.push("workflowSource and wdlSource can't both be supplied".into()),
            (Some(_), None, Some(_)) => self.problems.push("workflowSource and workflowUrl can't both be supplied".into()),
            (None, Some(_), Some(_)) => self.problems.push("wdlSource and workflowUrl can't both be supplied".into()),
            _ => {}
        }
        if let Some(url) = &url {
            let length = url.chars().count();
            if length > MAX_URL {
                self.problems
                    .push(format!("Invalid workflow url: url has length {length}, longer than the maximum allowed {MAX_URL} characters"));
            } else if let Err(problem) = check_url(url) {
                self.problems.push(format!("Error while validating workflow url: {problem}"));
            }
        }
        (source.or(old), url)
    }

    /// An object from JSON or YAML text.
    fn structured(&mut self, name: &str) -> Option<Json> {
        let text = self.part(name)?;
        match read_within(text, self.yaml) {
            Ok(value) => Some(value),
            Err(problem) => {
                let cut = if text.chars().nth(SHOWN).is_some() { "..." } else { "" };
                let shown: String = text.chars().take(SHOWN).collect();
                self.problems
                    .push(format!("Input file is not a valid yaml or json. Inputs data ({name}): '{shown}{cut}'. Error: {problem}"));
                None
            }
        }
    }

    fn inputs(&mut self) -> Vec<Map<String, Json>> {
        // An empty text is `false` to the original's reader of YAML. Nobody means to send one, so it is refused as there.
        let blank = self.part("workflowInputs").is_some_and(|text| text.trim().is_empty());
        let base = match if blank { Some(Json::Bool(false)) } else { self.structured("workflowInputs") } {
            Some(Json::Object(object)) => vec![object],
            Some(Json::Array(items)) => {
                let mut all = Vec::new();
                for item in items {
                    match item {
                        Json::Object(object) => all.push(object),
                        other => self.problems.push(format!("workflowInputs must hold objects, not {}", kind(&other))),
                    }
                }
                all
            }
            Some(other) => {
                self.problems.push(format!("Submitted input '{other}' of type {} is not a valid JSON object.", original_kind(&other)));
                return Vec::new();
            }
            // Numbered inputs alone are ignored, as clients know it.
            None => return Vec::new(),
        };
        if base.len() > MAX_WORKFLOWS {
            self.problems.push(format!("workflowInputs has {} workflows, more than the {MAX_WORKFLOWS} of one request", base.len()));
            return Vec::new();
        }
        let mut numbers: Vec<u32> = self.parts.keys().filter_map(|name| inputs_number(name)).collect();
        numbers.sort_unstable();
        let mut overlay = Map::new();
        let mut spread = 0_usize;
        for number in numbers {
            let length = self.parts.get(&format!("workflowInputs_{number}")).map_or(0, Bytes::len);
            spread = spread.saturating_add(length.saturating_mul(base.len()));
            if spread > MAX_SPREAD {
                self.problems.push(format!("the inputs of all workflows together have more than {} MiB", MAX_SPREAD >> 20));
                return Vec::new();
            }
            match self.structured(&format!("workflowInputs_{number}")) {
                Some(Json::Object(object)) => overlay.extend(object),
                Some(Json::Null) | None => {}
                Some(other) => self.problems.push(format!("workflowInputs_{number} must be an object, not {}", kind(&other))),
            }
        }
        base.into_iter()
            .map(|mut object| {
                object.extend(overlay.clone());
                object
            })
            .collect()
    }

    fn options(&mut self) -> Map<String, Json> {
        let Some(text) = self.part("workflowOptions").filter(|text| !text.trim().is_empty()) else { return Map::new() };
        match serde_json::from_str(text) {
            Ok(Json::Object(options)) => {
                for (name, value) in &options {
                    if !allowed_option(name, value) {
                        self.problems.push(format!(
                            "Invalid workflow options provided: Unsupported key/value pair in WorkflowOptions: {name} -> {value}"
                        ));
                    }
                }
                options
            }
            Ok(other) => {
                self.problems.push(format!("Invalid workflow options provided: expected a JSON object, found {}", kind(&other)));
                Map::new()
            }
            Err(error) => {
                self.problems.push(format!("Invalid workflow options provided: {error}"));
                Map::new()
            }
        }
    }

    fn labels(&mut self) -> Vec<(String, String)> {
        let Some(text) = self.part("labels").filter(|text| !text.trim().is_empty()) else { return Vec::new() };
        match read_labels(text) {
            Ok(labels) => labels,
            Err(problems) => {
                self.problems.extend(problems);
                Vec::new()
            }
        }
    }

    fn imports(&mut self) -> Option<BTreeMap<String, String>> {
        let (new, old) = (self.parts.get("workflowDependencies"), self.parts.get("wdlDependencies"));
        if new.is_some() && old.is_some() {
            self.problems.push("wdlDependencies and workflowDependencies can't both be supplied".into());
        }
        let bytes = new.or(old).filter(|bytes| !bytes.is_empty())?;
        match archive::unpack(bytes) {
            Ok(texts) => Some(texts),
            Err(problem) => {
                self.problems.push(format!("workflowDependencies cannot be read: {problem}"));
                None
            }
        }
    }

    fn on_hold(&mut self) -> bool {
        let Some(text) = self.part("workflowOnHold") else { return false };
        match text.trim() {
            "true" => true,
            "false" | "" => false,
            other => {
                self.problems.push(format!("workflowOnHold must be true or false, not '{other}'"));
                false
            }
        }
    }

    fn requested(&mut self) -> Option<Vec<RunId>> {
        let text = self.part("requestedWorkflowId").filter(|text| !text.trim().is_empty())?;
        // A bare id is what people type.
        let value = serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.trim().into()));
        let items = match value {
            Json::Array(items) => items,
            single => vec![single],
        };
        let mut ids = Vec::new();
        for item in items {
            match item.as_str().map(str::parse) {
                Some(Ok(id)) => ids.push(id),
                _ => self.problems.push(format!("Requested workflow ID {item} is no UUID")),
            }
        }
        let mut seen = HashSet::new();
        let twice: Vec<String> = ids.iter().filter(|id| !seen.insert(**id)).map(ToString::to_string).collect();
        if !twice.is_empty() {
            self.problems.push(format!("Requested workflow IDs are duplicated: {}", twice.join(", ")));
        }
        Some(ids)
    }
}

/// JSON, or YAML where it is no JSON.
///
/// # Errors
/// What the parsers say.
pub fn read_structured(text: &str) -> Result<Json, String> {
    if text.trim().is_empty() {
        return Ok(Json::Object(Map::new()));
    }
    serde_json::from_str(text).or_else(|json| {
        // What begins like JSON was meant to be JSON; YAML's complaint about it would only confuse.
        if text.trim_start().starts_with(['{', '[']) {
            return serde_norway::from_str(text).map_err(|_| json.to_string());
        }
        serde_norway::from_str(text).map_err(|yaml| format!("{yaml} (as JSON: {json})"))
    })
}

/// As [`read_structured`], with limits for YAML, whose references make large values of short texts.
fn read_within(text: &str, limits: YamlLimits) -> Result<Json, String> {
    let value = read_structured(text)?;
    let (nodes, depth) = size(&value);
    if (nodes > limits.max_nodes || depth > limits.max_depth) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        let YamlLimits { max_nodes, max_depth } = limits;
        return Err(format!(
            "{nodes} values, nested {depth} deep, are more than `yaml.max-nodes = {max_nodes}` or `yaml.max-depth = {max_depth}` allow"
        ));
    }
    Ok(value)
}

/// How many values there are, and how deep they are nested.
fn size(value: &Json) -> (usize, usize) {
    let (mut nodes, mut deepest, mut left) = (0, 0, vec![(value, 1)]);
    while let Some((value, depth)) = left.pop() {
        nodes += 1;
        deepest = deepest.max(depth);
        match value {
            Json::Array(items) => left.extend(items.iter().map(|item| (item, depth + 1))),
            Json::Object(members) => left.extend(members.values().map(|member| (member, depth + 1))),
            _ => {}
        }
    }
    (nodes, deepest)
}

/// Labels from a JSON object of texts.
///
/// # Errors
/// Every problem.
pub fn read_labels(text: &str) -> Result<Vec<(String, String)>, Vec<String>> {
    let object = match serde_json::from_str(text) {
        Ok(Json::Object(object)) if object.len() > MAX_LABELS => {
            return Err(vec![format!("Invalid labels: there are {}, more than the {MAX_LABELS} that a workflow may have", object.len())]);
        }
        Ok(Json::Object(object)) => object,
        Ok(other) => return Err(vec![format!("Workflow contains invalid labels JSON: expected an object, found {}", kind(&other))]),
        Err(error) => return Err(vec![format!("Workflow contains invalid labels JSON: {error}")]),
    };
    let mut labels = Vec::new();
    let mut problems = Vec::new();
    for (name, value) in object {
        let Json::String(value) = value else {
            problems.push(format!("Workflow contains invalid labels JSON: label `{name}` must be a text, not {}", kind(&value)));
            continue;
        };
        let length = name.chars().count();
        if length == 0 {
            problems.push(format!("Invalid label: `{name}` can't be empty"));
        } else if length > MAX_LABEL {
            problems.push(format!("Invalid label: `{name}` has {length} characters; at most {MAX_LABEL} are allowed"));
        } else if value.chars().count() > MAX_LABEL {
            problems.push(format!(
                "Invalid label: the value of `{name}` has {} characters; at most {MAX_LABEL} are allowed",
                value.chars().count()
            ));
        } else {
            labels.push((name, value));
        }
    }
    if problems.is_empty() { Ok(labels) } else { Err(problems) }
}

fn inputs_number(name: &str) -> Option<u32> {
    name.strip_prefix("workflowInputs_")?.parse().ok()
}

fn allowed_option(name: &str, value: &Json) -> bool {
    let plain = |value: &Json| matches!(value, Json::String(_) | Json::Number(_) | Json::Bool(_));
    match value {
        Json::Array(items) => items.iter().all(plain),
        Json::Object(_) => OBJECT_OPTIONS.contains(&name),
        value => plain(value),
    }
}

fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

/// What the original calls the kind of a value.
fn original_kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "JsNull$",
        Json::Bool(true) => "JsTrue$",
        Json::Bool(false) => "JsFalse$",
        Json::Number(_) => "JsNumber",
        Json::String(_) => "JsString",
        Json::Array(_) => "JsArray",
        Json::Object(_) => "JsObject",
    }
}

/// Whether a text is a URL that documents can come from.
fn check_url(url: &str) -> Result<(), String> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| format!("no protocol: {url}"))?;
    if !matches!(scheme, "http" | "https" | "file") {
        return Err(format!("scheme '{scheme}' is not supported: use http, https or file"));
    }
    if rest.is_empty() || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(format!("'{url}' is no URL"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
