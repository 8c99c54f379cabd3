use super::*;

fn parts(list: &[(&str, &str)]) -> Parts {
    list.iter().map(|(name, text)| ((*name).to_owned(), Bytes::copy_from_slice(text.as_bytes()))).collect()
}

fn problems(list: &[(&str, &str)]) -> Vec<String> {
    Submission::read(&parts(list), YamlLimits::default()).unwrap_err()
}

#[test]
fn everything_wrong_is_told_at_once() {
    let told = problems(&[
        ("workflowInputs", "[1]"),
        ("workflowOptions", r#"{"a": {"b": 1}}"#),
        ("labels", r#"{"x": 1}"#),
        ("mystery", ""),
        ("workflowOnHold", "maybe"),
        ("workflowDependencies", "no zip"),
    ]);
    assert_eq!(told.len(), 7, "{told:#?}");
    assert!(told.contains(&"Unexpected body part name: mystery".to_owned()));
    assert!(told.contains(&"workflowSource or workflowUrl needs to be supplied".to_owned()));
}

#[test]
fn numbered_inputs_go_over_the_others() {
    let all = [
        ("workflowSource", "w"),
        ("workflowInputs", r#"[{"a": 1, "b": 1}, {"b": 2}]"#),
        ("workflowInputs_10", r#"{"b": 10}"#),
        ("workflowInputs_2", "b: 2\nc: 3"),
    ];
    let submission = Submission::read(&parts(&all), YamlLimits::default()).unwrap();
    let text = serde_json::to_string(&submission.inputs).unwrap();
    assert_eq!(text, r#"[{"a":1,"b":10,"c":3},{"b":10,"c":3}]"#);
    let alone = [("workflowSource", "w"), ("workflowInputs_2", r#"{"b": 2}"#)];
    assert_eq!(Submission::read(&parts(&alone), YamlLimits::default()).unwrap().inputs.len(), 0);
}

#[test]
fn words_of_the_original() {
    let told = |name: &str, text: &str| problems(&[("workflowSource", "w"), (name, text)]);
    assert_eq!(told("workflowInputs", ""), ["Submitted input 'false' of type JsFalse$ is not a valid JSON object."]);
    assert_eq!(told("workflowInputs", "\"x\""), ["Submitted input '\"x\"' of type JsString is not a valid JSON object."]);
    assert_eq!(told("labels", r#"{"": "v"}"#), ["Invalid label: `` can't be empty"]);
    assert_eq!(problems(&[("workflowUrl", "x/y")]), ["Error while validating workflow url: no protocol: x/y"]);
}

#[test]
fn one_source_only() {
    assert!(problems(&[("workflowSource", "w"), ("workflowUrl", "http://x/y")])[0].contains("can't both"));
    assert!(problems(&[("workflowUrl", "ftp://x/y")])[0].starts_with("Error while validating workflow url"));
    let long = format!("http://x/{}", "y".repeat(MAX_URL));
    assert!(problems(&[("workflowUrl", &long)])[0].contains("longer than the maximum allowed 2000 characters"));
}

#[test]
fn labels_have_limits() {
    assert!(read_labels(r#"{"": "v"}"#).is_err());
    assert!(read_labels(&format!(r#"{{"k": "{}"}}"#, "v".repeat(256))).is_err());
    assert_eq!(read_labels(r#"{"k": ""}"#).unwrap(), [("k".to_owned(), String::new())]);
}

#[test]
fn requested_ids() {
    let id = RunId::random().to_string();
    let read = |text: &str| Submission::read(&parts(&[("workflowSource", "w"), ("requestedWorkflowId", text)]), YamlLimits::default());
    assert_eq!(read(&format!("\"{id}\"")).unwrap().requested.unwrap().len(), 1);
    assert_eq!(read(&id).unwrap().requested.unwrap().len(), 1);
    assert!(read(&format!("[\"{id}\", \"{id}\"]")).unwrap_err()[0].starts_with("Requested workflow IDs are duplicated"));
    assert!(read("7").is_err());
}

#[test]
fn yaml_has_limits() {
    let read = |text: &str, max_nodes: usize, max_depth: usize| read_within(text, YamlLimits { max_nodes, max_depth });
    let references = "a: &a [1, 1, 1, 1]\nb: &b [*a, *a, *a, *a]\nc: [*b, *b, *b, *b]\n";
    assert!(read(references, 200, 10).is_ok());
    assert!(read(references, 100, 10).unwrap_err().contains("`yaml.max-nodes = 100`"));
    assert!(read(references, 200, 3).unwrap_err().contains("nested 5 deep"));
    assert!(read("{\"a\": [[[[1]]]]}", 2, 2).is_ok(), "JSON has no references");
}
