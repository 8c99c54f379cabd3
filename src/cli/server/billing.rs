//! What the original's `bcs check` reads of a workflow's metadata to tell core hours: of each call its cluster, in the
//! words in which the original's backend wrote it down.

use batchyard_batch::types;
use serde_json::{Map, Value as Json};

/// The same metadata with `cluster` and `instanceType` of each call as the original's clients look for them. A client gives
/// the whole table up when one call lacks them.
pub fn with_clusters(metadata: &str) -> String {
    let Ok(mut document) = serde_json::from_str::<Json>(metadata) else { return metadata.to_owned() };
    let calls = document.get_mut("calls").and_then(Json::as_object_mut);
    let attempts = calls.into_iter().flat_map(Map::values_mut).filter_map(Json::as_array_mut).flatten();
    for attempt in attempts.filter_map(Json::as_object_mut) {
        let attributes = attempt.entry("runtimeAttributes").or_insert_with(|| Map::new().into());
        let Some(attributes) = attributes.as_object_mut() else { continue };
        let asked = attributes.get("cluster").and_then(Json::as_str).unwrap_or_default();
        let shown = shown(asked);
        attributes.insert("cluster".into(), shown.into());
        attributes.entry("instanceType").or_insert_with(|| types::DEFAULT.into());
    }
    document.to_string()
}

/// `OnDemand ecs.x img-y` in the words of the original; nothing for what names no instance type.
fn shown(asked: &str) -> String {
    let words = || asked.split_whitespace();
    let Some(kind) = words().find(|word| word.starts_with("ecs.") || word.starts_with("bcs.")) else { return String::new() };
    let resource = words().find(|word| *word == "Spot").unwrap_or("OnDemand");
    let image = words().find(|word| word.starts_with("img-") || word.starts_with("m-")).unwrap_or("None");
    format!("Right(AutoClusterConfiguration({resource},{kind},{image},None,None))")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_call_names_a_cluster_or_a_type() {
        let with = |attributes: Json| json!({"calls": {"w.a": [{"start": "s", "runtimeAttributes": attributes}]}}).to_string();
        let of = |metadata: &str| serde_json::from_str::<Json>(&with_clusters(metadata)).unwrap()["calls"]["w.a"][0].clone();
        let call = of(&with(json!({"cpu": "1", "cluster": "Spot ecs.x img-y SpotWithPriceLimit 0.5"})));
        assert_eq!(call["runtimeAttributes"]["cluster"], "Right(AutoClusterConfiguration(Spot,ecs.x,img-y,None,None))");
        assert_eq!((&call["start"], &call["runtimeAttributes"]["cpu"]), (&json!("s"), &json!("1")));
        let plain = of(r#"{"calls": {"w.a": [{}]}}"#);
        assert_eq!(plain["runtimeAttributes"], json!({"cluster": "", "instanceType": "ecs.sn1.medium"}));
        assert_eq!(of(&with(json!({"cluster": "cls-1"})))["runtimeAttributes"]["cluster"], "");
        assert_eq!(with_clusters("no JSON"), "no JSON");
    }
}
