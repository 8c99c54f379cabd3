//! Runtime attributes of the Alibaba BatchCompute back-end: their forms.

use std::sync::LazyLock;

use batchyard_wdl::{json, value::Value};
use indexmap::IndexMap;
use regex::Regex;
use serde_json::{Map, Value as Json};

use crate::documents::Failure;

/// An attribute that has not its form: name, what is wrong (to be read after the name), and the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongAttribute(pub String, pub String, pub &'static str);

const CLUSTER: &str = "write `cls-…`, or `[OnDemand|Spot] <instance type> <image id> [SpotWithPriceLimit|SpotAsPriceGo <price>] [cls-…]`";
const MOUNTS: &str =
    "write `<oss://…> </local/…> <true|false>` for an input, or the two paths in the other order for an output, several with commas";
const USER_DATA: &str = "write `<key> <value>`, several with commas";
const SYSTEM_DISK: &str = "write `<type> <GB>`, for example `cloud 40`";
const DATA_DISK: &str = "write `<type> <GB> <mount point>`, for example `cloud 250 /home/data/`";
const VPC: &str = "write an address range, a network id, or both, for example `192.168.0.0/16 vpc-abc`";
const DOCKER_TAG: &str = "write `<image> [<oss://… path>]`";
const SWITCH: &str = "write `true` or `false`";
const SECONDS: &str = "write a whole number of seconds above 0";
const TEXT: &str = "write a text without blanks";

/// A form that is built into the program.
fn form(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns of this module are correct, its tests use each")
}

static CLUSTER_ID: LazyLock<Regex> = LazyLock::new(|| form(r"^cls-\S+$"));
static AUTO_CLUSTER: LazyLock<Regex> = LazyLock::new(|| {
    form(
        r"^(?:(?:OnDemand|Spot)\s+)?[be]cs\S+\s+\S+(?:\s+(?:SpotWithPriceLimit\s+[01]\.\d{1,3}|SpotAsPriceGo(?:\s+[01]\.\d{1,3})?))?(?:\s+cls-\S+)?$",
    )
});
static INPUT_MOUNT: LazyLock<Regex> = LazyLock::new(|| form(r"^((?:oss|nas|smb|lustre)://\S+)\s+(/\S+)\s+(?:true|false)$"));
static OUTPUT_MOUNT: LazyLock<Regex> = LazyLock::new(|| form(r"^(/\S+)\s+((?:oss|nas|smb|lustre)://\S+)\s+(?:true|false)$"));
static SYSTEM: LazyLock<Regex> = LazyLock::new(|| form(r"^\S+\s+[1-9]\d*$"));
static DATA: LazyLock<Regex> = LazyLock::new(|| form(r"^\S+\s+[1-9]\d*\s+/\S*$"));
static NETWORK: LazyLock<Regex> = LazyLock::new(|| form(r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}/\d{1,2}|vpc-\S+"));
static PAIR: LazyLock<Regex> = LazyLock::new(|| form(r"^\S+\s+\S+$"));
static TAG: LazyLock<Regex> = LazyLock::new(|| form(r"^\S+(?:\s+oss://\S+)?$"));
static WORD: LazyLock<Regex> = LazyLock::new(|| form(r"^\S+$"));

/// Checks the attributes that the back-end knows; others are not looked at. `cluster` must be present for a task, but may
/// come from several places, so its absence is not told here.
pub fn check_bcs_attributes(attributes: &Map<String, Json>) -> Vec<WrongAttribute> {
    attributes.iter().filter_map(|(name, value)| check(name, value)).collect()
}

/// Whether the attributes of a task have their forms.
///
/// # Errors
/// The first one that has not.
pub(crate) fn check_task(attributes: &IndexMap<String, Value>) -> Result<(), Failure> {
    let set = attributes.iter().filter(|(_, value)| !value.is_none());
    let attributes: Map<String, Json> = set.map(|(name, value)| (name.clone(), json::to_json(value))).collect();
    match check_bcs_attributes(&attributes).into_iter().next() {
        None => Ok(()),
        Some(WrongAttribute(name, what, form)) => {
            Err(Failure::new(format!("runtime validation failed: runtime attribute `{name}` {what}")).hint(form))
        }
    }
}

/// The attributes as the commands of the provider get them: lists as texts with commas, and without an image to be found on
/// the machine where something stands in for it, or nobody could run it.
pub(crate) fn for_commands(attributes: &IndexMap<String, Value>, stands_in: bool, has_engine: bool) -> IndexMap<String, Value> {
    let mut found = attributes.clone();
    if let Some(Value::Array(items)) = found.get("mounts") {
        let parts: Vec<String> = items.iter().filter_map(|item| json::to_json(item).as_str().map(str::to_owned)).collect();
        found.insert("mounts".into(), Value::string(parts.join(",")));
    }
    let tag = found.get("dockerTag").map(json::to_json);
    let has_place = tag.as_ref().and_then(Json::as_str).is_some_and(|tag| tag.split_whitespace().count() > 1);
    if stands_in || !has_engine && !has_place {
        found.shift_remove("dockerTag");
    }
    found
}

fn check(name: &str, value: &Json) -> Option<WrongAttribute> {
    let (right, form) = match name {
        "cluster" => (text(value, |text| CLUSTER_ID.is_match(text) || AUTO_CLUSTER.is_match(text)), CLUSTER),
        "imageId" | "isv" | "docker" | "tag" => (text(value, |text| WORD.is_match(text)), TEXT),
        "mounts" => (each(value, is_mount), MOUNTS),
        "userData" => (each(value, |text| PAIR.is_match(text)), USER_DATA),
        "dockerTag" => (text(value, |text| TAG.is_match(text)), DOCKER_TAG),
        "systemDisk" => (text(value, |text| SYSTEM.is_match(text)), SYSTEM_DISK),
        "dataDisk" => (text(value, |text| DATA.is_match(text)), DATA_DISK),
        "vpc" => (text(value, |text| NETWORK.is_match(text)), VPC),
        "reserveOnFail" | "autoReleaseJob" | "verbose" => (is_switch(value), SWITCH),
        "timeout" => (is_seconds(value), SECONDS),
        _ => return None,
    };
    // Data for the machines may hold passwords.
    let what = if name == "userData" { "has not the right form".to_string() } else { format!("cannot be {value}") };
    (!right).then(|| WrongAttribute(name.into(), what, form))
}

/// The texts stand between quotes in the commands of the provider, which the server runs: none may end them.
fn text(value: &Json, right: impl Fn(&str) -> bool) -> bool {
    value.as_str().is_some_and(|text| is_quotable(text) && right(text.trim()))
}

pub(crate) fn is_quotable(text: &str) -> bool {
    !text.contains(|c: char| c == '\'' || c.is_control())
}

/// A list, or a text with commas; every part must have the form.
fn each(value: &Json, right: impl Fn(&str) -> bool) -> bool {
    match value {
        Json::Array(items) => items.iter().all(|item| text(item, &right)),
        Json::String(list) => is_quotable(list) && list.split(',').all(|part| right(part.trim())),
        _ => false,
    }
}

/// Both ends are folders, which end in a slash, or neither is.
fn is_mount(text: &str) -> bool {
    let ends = INPUT_MOUNT.captures(text).or_else(|| OUTPUT_MOUNT.captures(text));
    ends.is_some_and(|ends| {
        ends.get(1).is_some_and(|e| e.as_str().ends_with('/')) == ends.get(2).is_some_and(|e| e.as_str().ends_with('/'))
    })
}

fn is_switch(value: &Json) -> bool {
    matches!(value, Json::Bool(_)) || matches!(value.as_str(), Some("true" | "false"))
}

fn is_seconds(value: &Json) -> bool {
    let seconds = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
    seconds.is_some_and(|seconds| (1..=i64::from(i32::MAX)).contains(&seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_right(name: &str, value: &Json) -> bool {
        check_bcs_attributes(&Map::from_iter([(name.to_string(), value.clone())])).is_empty()
    }

    #[test]
    fn forms_of_the_guide_are_accepted() {
        let right = serde_json::json!({
            "cluster": ["cls-6kihku8blloidu3s1t0006", "OnDemand ecs.sn1.medium img-ubuntu-vpc", "ecs.c5.large img-x", "bcs.a2.large img-x",
                "Spot ecs.sn1.medium img-ubuntu-vpc SpotWithPriceLimit 0.12", "Spot ecs.sn1.medium img-x SpotAsPriceGo", "ecs.s1 img-x cls-9"],
            "mounts": ["oss://b/in/ /home/in/ false", "/home/out.txt oss://b/out.txt true", ["oss://b/f /f false", "nas://n/d/ /d/ true"],
                "oss://b/a /a false, oss://b/c /c true"],
            "userData": ["key value", "a b, c d", ["a b"]],
            "dockerTag": ["ubuntu/latest", "ubuntu/latest oss://b/registry/"],
            "systemDisk": ["cloud 40"],
            "dataDisk": ["cloud 250 /home/data/"],
            "vpc": ["192.168.0.0/16", "192.168.0.0/16 vpc-abc", "vpc-abc"],
            "autoReleaseJob": [true, "false"],
            "reserveOnFail": [false],
            "timeout": [3600, "60"],
            "tag": ["nightly"],
            "something": ["else"]
        });
        for (name, values) in right.as_object().unwrap() {
            for value in values.as_array().unwrap() {
                assert!(is_right(name, value), "{name} {value}");
            }
        }
    }

    #[test]
    fn other_forms_are_refused_with_the_right_one() {
        let wrong = serde_json::json!({
            "cluster": ["", "large", "OnDemand img-x", "OnDemand ecs.s1", "Spot ecs.s1 img-x SpotWithPriceLimit 5", 7],
            "imageId": ["a b", 1],
            "isv": [""],
            "docker": [["a"]],
            "mounts": ["oss://b/in/ /home/'in'/ false", "oss://b/in/ /home/in false", "oss://b/in /home/in", "/a /b true", true],
            "userData": ["key", "a b c"],
            "dockerTag": ["image registry"],
            "systemDisk": ["cloud", "40 cloud", "cloud 0"],
            "dataDisk": ["cloud 250", "cloud 250 data"],
            "tag": ["x'$(id)'", "a\nb"],
            "reserveOnFail": ["true'"],
            "vpc": ["anything"],
            "verbose": ["yes", 1],
            "timeout": [0, -1, "soon", 1.5],
        });
        for (name, values) in wrong.as_object().unwrap() {
            for value in values.as_array().unwrap() {
                assert!(!is_right(name, value), "{name} {value}");
            }
        }
        let told = check_bcs_attributes(&Map::from_iter([("vpc".to_string(), Json::from("x"))]));
        assert_eq!(told, [WrongAttribute("vpc".into(), "cannot be \"x\"".into(), VPC)]);
    }
}
