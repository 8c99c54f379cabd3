use serde_json::json;

use super::{from_json, from_json_any, to_json};
use crate::{
    testing::module,
    types::Type,
    value::Value,
    version::Dialect::{self, Cromwell, Specification},
};

fn ty(text: &str) -> Type {
    let source = format!("version 1.2\nstruct Point {{\n  Int x\n  Float? y\n}}\nstruct S {{\n  {text} x\n}}\n");
    module(&source).structs.get("S").and_then(|s| s.member("x")).cloned().expect("a type")
}

/// Reads and writes again; or the error.
fn through(json: &serde_json::Value, ty_text: &str, dialect: Dialect) -> String {
    match from_json(json, &ty(ty_text), dialect) {
        Ok(value) => to_json(&value).to_string(),
        Err(e) => format!("error: {e}"),
    }
}

#[test]
fn accepted_in_both_dialects() {
    for dialect in [Cromwell, Specification] {
        for (json, ty, expected) in [
            (json!(3), "Int", "3"),
            (json!(3.0), "Int", "3"),
            (json!(-3), "Float", "-3.0"),
            (json!(2.5), "Float", "2.5"),
            (json!(true), "Boolean", "true"),
            (json!("a"), "String", r#""a""#),
            (json!("/a"), "File", r#""/a""#),
            (json!("oss://bucket/d/"), "Directory", r#""oss://bucket/d""#),
            (json!({"type": "File", "location": "/a"}), "File", r#""/a""#),
            (json!({"type": "Directory", "location": "/a/"}), "Directory", r#""/a""#),
            (json!(null), "Int?", "null"),
            (json!([1, null]), "Array[Int?]", "[1,null]"),
            (json!([1]), "Array[Float]+", "[1.0]"),
            (json!({"b": 1, "a": 2}), "Map[String, Int]", r#"{"b":1,"a":2}"#),
            (json!({"2": "x"}), "Map[Int, String]", r#"{"2":"x"}"#),
            (json!({"left": 1, "right": "x"}), "Pair[Int, String]", r#"{"left":1,"right":"x"}"#),
            (json!({"Right": 1, "Left": 2}), "Pair[Int, Int]", r#"{"left":2,"right":1}"#),
            (json!({"x": 1}), "Point", r#"{"x":1,"y":null}"#),
            (json!({"y": 2, "x": 1}), "Point", r#"{"x":1,"y":2.0}"#),
            (json!({"z": [1, {"q": null}]}), "Object", r#"{"z":[1,{"q":null}]}"#),
        ] {
            assert_eq!(through(&json, ty, dialect), expected, "{ty} {dialect:?}");
        }
    }
}

#[test]
fn refused_in_both_dialects() {
    for dialect in [Cromwell, Specification] {
        for (json, ty, expected) in [
            (json!(3.5), "Int", "error: expected `Int`, found the number `3.5`"),
            (json!(u64::MAX), "Int", "error: expected `Int`, found the number `18446744073709551615`"),
            (json!(null), "Int", "error: expected `Int`, found null"),
            (json!(1), "Array[Int]", "error: expected `Array[Int]`, found the number `1`"),
            (json!([]), "Array[Int]+", "error: an empty array cannot be used as `Array[Int]+`, which needs at least one element"),
            (json!([[1], [2, "x"]]), "Array[Array[Int]]", r#"error: [1][1]: expected `Int`, found the string `"x"`"#),
            (
                json!({"a b": {"c": []}}),
                "Map[String, Map[String, Int]]",
                r#"error: ["a b"].c: expected `Int`, found an array of 0 elements"#,
            ),
            (json!({"x": 1}), "Map[Int, Int]", "error: .x: the key `x` is not of type `Int`"),
            (json!({"left": 1}), "Pair[Int, Int]", "error: expected `Pair[Int, Int]` as an object with the members `left` and `right`"),
            (json!({"left": 1, "right": "x"}), "Pair[Int, Int]", r#"error: .right: expected `Int`, found the string `"x"`"#),
            (json!({"y": 1}), "Point", "error: member `x` (`Int`) of struct `Point` is missing"),
            (json!([{"x": 1}, {"x": []}]), "Array[Point]", "error: [1].x: expected `Int`, found an array of 0 elements"),
            (json!(""), "File", "error: an empty text cannot be used as `File`, it is not a path"),
            (json!(1), "File", "error: expected `File`, found the number `1`"),
            (json!({"type": "Directory", "location": "/a"}), "File", "error: expected `File`, found an object of type `Directory`"),
            (json!({"type": "File"}), "File", "error: expected `File`, found an object without `location`"),
        ] {
            let found = through(&json, ty, dialect);
            // An `x` is a number to nobody, whoever converts it.
            assert_eq!(found, expected, "{ty} {dialect:?}");
        }
    }
}

#[test]
fn only_cromwell_converts_texts() {
    for (json, ty, expected) in [
        (json!("5"), "Int", "5"),
        (json!("3.0"), "Int", "3"),
        (json!("2.5"), "Float", "2.5"),
        (json!("True"), "Boolean", "true"),
        (json!(5), "String", r#""5""#),
        (json!(false), "String", r#""false""#),
    ] {
        assert_eq!(through(&json, ty, Cromwell), expected);
        assert!(through(&json, ty, Specification).starts_with("error: expected"));
    }
}

#[test]
fn unknown_members_are_ignored_by_cromwell_only() {
    let json = json!({"x": 1, "why": 2});
    assert_eq!(through(&json, "Point", Cromwell), r#"{"x":1,"y":null}"#);
    assert_eq!(through(&json, "Point", Specification), "error: struct `Point` has no member `why`");
    let slip = json!({"x": 1, "Y": 2});
    assert_eq!(through(&slip, "Point", Specification), "error: struct `Point` has no member `Y`, did you mean `y`?");
}

#[test]
fn untyped() {
    assert_eq!(from_json_any(&json!(3)), Value::Int(3));
    assert_eq!(from_json_any(&json!(3.5)), Value::Float(3.5));
    assert_eq!(from_json_any(&json!(u64::MAX)), Value::Float(u64::MAX as f64));
    assert_eq!(to_json(&Value::Float(f64::INFINITY)), json!(null));
    assert_eq!(to_json(&Value::Float(1e20)).to_string(), "1e+20");
}
