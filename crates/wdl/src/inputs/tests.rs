use std::{collections::HashMap, sync::Arc};

use serde_json::{Value as Json, json};

use super::{MapFilesError, bind, bind_as, files, list_inputs, map_files, map_files_typed, parse_argument, template, workflow_input_decls};
use crate::{
    module::{Callee, Module},
    testing::module,
    types::Type,
    value::Value,
    version::{Dialect, Version},
};

/// The workflow of a document, or its first task.
fn callee(module: &Arc<Module>) -> Callee {
    match &module.document.workflow {
        Some(workflow) => Callee::Workflow(Arc::clone(module), Arc::clone(workflow)),
        None => Callee::Task(Arc::clone(module), Arc::clone(module.document.tasks.first().expect("a task"))),
    }
}

fn of(text: &str) -> Callee {
    callee(&module(text))
}

const TASK: &str = "task t {
  input {
    Int a
    String b = \"x\"
    File? c
  }
  command {}
}
";

fn document(version: &str, meta: &str) -> String {
    format!(
        "version {version}
struct Point {{
  Int x
  Float? y
}}
workflow w {{
  input {{
    String name
    Int count = 1 + 2
    Point? at
    Int? maybe = 6
  }}
  {meta}
  parameter_meta {{
    name: \"whom to greet\"
    count: {{ help: \"how often\" }}
  }}
  call t {{ input: b = name }}
  if (count > 1) {{
    scatter (i in range(count)) {{
      call t as u {{ input: a = i }}
    }}
  }}
}}
{TASK}"
    )
}

fn shown(callee: &Callee, nested: bool) -> Vec<String> {
    let line = |spec: super::InputSpec| {
        let default = spec.default.map(|d| format!(" = {d}")).unwrap_or_default();
        let help = spec.help.map(|h| format!(" # {h}")).unwrap_or_default();
        format!("{} {}{default}{}{help}", spec.ty, spec.name, if spec.required { " !" } else { "" })
    };
    list_inputs(callee, nested).into_iter().map(line).collect()
}

#[test]
fn keys_of_maps_can_stay() {
    let value = Value::Map(Arc::new(vec![(Value::file("a"), Value::array(vec![Value::file("a")]))]));
    let mapped = super::map_files_except_keys(&value, &mut |path, _| Ok::<_, ()>(Some(Arc::from(format!("/x/{path}")))));
    assert_eq!(mapped, Ok(Value::Map(Arc::new(vec![(Value::file("a"), Value::array(vec![Value::file("/x/a")]))]))));
}

#[test]
fn inputs_are_listed() {
    let own = ["String w.name ! # whom to greet", "Int w.count = 1 + 2 # how often", "Point? w.at", "Int? w.maybe = 6"];
    assert_eq!(shown(&of(&document("1.0", "")), false), own);
    let nested = ["Int w.t.a !", "File? w.t.c", "String w.u.b = \"x\"", "File? w.u.c"];
    assert_eq!(shown(&of(&document("1.0", "")), true), [&own[..], &nested[..]].concat());
    // From 1.1 on optional ones need a permission.
    assert_eq!(shown(&of(&document("1.1", "")), true), [&own[..], &nested[..1]].concat());
    let permitted = document("1.1", "meta { allowNestedInputs: true }");
    assert_eq!(shown(&of(&permitted), true), [&own[..], &nested[..]].concat());
    assert_eq!(shown(&of(&format!("version 1.0\n{TASK}")), true), ["Int t.a !", "String t.b = \"x\"", "File? t.c"]);
}

#[test]
fn sub_workflows_are_walked_through() {
    let outer = module("version 1.0\nimport \"w.wdl\" as lib\nworkflow o {\n  call lib.w as s { input: name = \"n\" }\n}\n");
    let inner = module(&document("1.0", ""));
    let mut outer = Arc::into_inner(outer).expect("the only owner");
    outer.namespaces.push(("lib".to_owned(), inner));
    let outer = callee(&Arc::new(outer));
    assert_eq!(shown(&outer, false), Vec::<String>::new());
    let nested = shown(&outer, true);
    assert!(nested.contains(&"Int o.s.t.a !".to_owned()), "{nested:?}");
    assert!(nested.contains(&"Int o.s.count = 1 + 2 # how often".to_owned()));
    assert!(!nested.iter().any(|l| l.contains("o.s.name") || l.contains("o.s.u.a")));

    let bound = bound(&outer, &json!({"o.s.t.a": 3, "o.s.u.c": "/c", "o.s.u.runtime.cpu": 4}));
    assert_eq!(bound.values.get("s.t.a"), Some(&Value::Int(3)));
    assert_eq!(bound.values.get("s.u.c"), Some(&Value::file("/c")));
    assert_eq!(bound.overrides.get("s.u.runtime.cpu"), Some(&Value::Int(4)));
    assert_eq!(
        problems(&outer, &json!({"o.s.t.b": "z"})),
        [
            "o.s.t.b: `o.s.t.b` cannot be overridden, call `t` sets this input itself",
            "o.s.t.a: required workflow input `o.s.t.a` not specified"
        ]
    );
}

#[test]
fn templates() {
    let required = "version 1.0\nstruct Point {\n  Int x\n  Float? y\n}\nworkflow w {\n  input {\n    Point p\n    Array[Int] b = [1, 2]\n    File? a\n  }\n}\n";
    assert_eq!(
        template(&list_inputs(&of(required), true)).to_string(),
        r#"{"w.a":"File? (optional)","w.b":"Array[Int] (optional, default = [1, 2])","w.p":{"x":"Int","y":"Float? (optional)"}}"#
    );
}

#[test]
fn draft_2_inputs_are_what_no_call_feeds() {
    let text = "workflow w {
  Int plain
  File? maybe
  String given = \"x\"
  String also = given + \"y\"
  String early = late_too
  call t { input: a = plain }
  String late = t.out
  String late_too = late + \"z\"
  scatter (i in t.list) {
    Int inner = i
  }
  Array[Int] gathered = inner
  scatter (i in [1, 2]) {
    Int free = i
  }
  Array[Int] doubled = free
}
task t {
  Int a
  command {}
  output {
    String out = \"o\"
    Array[Int] list = [1]
  }
}
";
    let module = module(text);
    let workflow = module.document.workflow.as_ref().expect("a workflow");
    let names: Vec<&str> = workflow_input_decls(workflow, Version::Draft2).iter().map(|d| &*d.name.text).collect();
    assert_eq!(names, ["plain", "maybe", "given", "also", "doubled"]);
    let bound = bound(&callee(&module), &json!({"w.plain": "3", "w.also": "q", "w.late": 1, "w.nonsense": 2, "w.t.a": 5, "##c": 1}));
    assert_eq!(bound.values.get("plain"), Some(&Value::Int(3)));
    assert_eq!(bound.values.get("also"), Some(&Value::string("q")));
    assert_eq!(
        bound.notes,
        [
            "`w.late` is ignored, workflow `w` has no such input",
            "`w.nonsense` is ignored, workflow `w` has no such input",
            "`w.t.a` is ignored, call `t` sets this input itself",
            "`##c` is ignored as a comment",
        ]
    );
}

fn bind_json(callee: &Callee, json: &Json) -> Result<super::Bound, Vec<super::InputProblem>> {
    bind(callee, json.as_object().expect("an object"), Dialect::of(callee.module().document.version))
}

fn bound(callee: &Callee, json: &Json) -> super::Bound {
    bind_json(callee, json).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn problems(callee: &Callee, json: &Json) -> Vec<String> {
    let problems = bind_json(callee, json).expect_err("problems");
    problems.into_iter().map(|p| format!("{}: {}", p.key, p.message)).collect()
}

#[test]
fn values_are_bound() {
    let w = of(&document("1.0", ""));
    let bound = bound(
        &w,
        &json!({
            "w.name": "n", "w.maybe": null, "w.count": null, "w.at": {"x": 1}, "w.t.a": 2, "w.u.c": "/c",
            "w.t.runtime.memory": "4 GB", "#comment": 1, "other.x": 1
        }),
    );
    assert_eq!(bound.values.keys().collect::<Vec<_>>(), ["name", "maybe", "at", "t.a", "u.c"]);
    assert_eq!(bound.values.get("maybe"), Some(&Value::None), "an explicit null beats the default");
    assert_eq!(bound.values.get("count"), None, "null asks for the default where the type is not optional");
    assert_eq!(bound.overrides.get("t.runtime.memory"), Some(&Value::string("4 GB")));
    assert_eq!(bound.notes, ["`#comment` is ignored as a comment", "`other.x` is ignored, it does not begin with `w.`"]);
}

#[test]
fn all_problems_are_told_at_once() {
    let w = of(&document("1.0", ""));
    assert_eq!(
        problems(&w, &json!({"w.name": null, "w.count": [1], "w.at": {"x": []}, "w.nmae": "n", "w.t.b": "z", "wrong": 1})),
        [
            "w.name: required workflow input `w.name` is null",
            "w.count: input `w.count`: expected `Int`, found an array of 1 elements",
            "w.at: input `w.at` at `.x`: expected `Int`, found an array of 0 elements",
            "w.nmae: unexpected input `w.nmae`: workflow `w` has no such input",
            "w.t.b: `w.t.b` cannot be overridden, call `t` sets this input itself",
            "wrong: unexpected input `wrong`: workflow `w` has no such input",
            "w.t.a: required workflow input `w.t.a` not specified",
        ]
    );
    let problems = bind_json(&w, &json!({"w.nmae": 1})).expect_err("problems");
    let hints: Vec<_> = problems.iter().map(|p| p.hint.as_deref().unwrap_or_default()).collect();
    assert_eq!(hints, ["did you mean `w.name`?", "it needs a value of type `String`", "it needs a value of type `Int`"]);
}

#[test]
fn names_without_prefix_count_where_no_full_name_is_given() {
    let w = of(&document("1.0", ""));
    let bound = bound(&w, &json!({"name": "short", "w.count": 5, "count": 6, "t.a": 7}));
    assert_eq!(bound.values.get("name"), Some(&Value::string("short")));
    assert_eq!(bound.values.get("count"), Some(&Value::Int(5)));
    assert_eq!(bound.values.get("t.a"), Some(&Value::Int(7)));
    assert_eq!(bound.notes, ["`count` is ignored, `w.count` counts"]);
}

#[test]
fn the_configuration_may_be_stricter_or_more_lenient_than_the_version() {
    let of_version = |version: &str| of(&document(version, ""));
    let given = json!({"w.name": "n", "w.nonsense": 1, "w.t.a": 1, "w.t.b": "x"});
    let given = given.as_object().unwrap();
    let lenient = bind_as(&of_version("1.0"), given, Dialect::Cromwell, Some(false)).unwrap();
    assert_eq!(lenient.notes.iter().filter(|note| note.contains("is ignored")).count(), 2, "{:?}", lenient.notes);
    let draft2 = of("task t { String a command { } } workflow w { String name call t { input: a = name } }");
    let given = json!({"w.name": "n", "w.nonsense": 1, "w.t.a": 2});
    let strict = bind_as(&draft2, given.as_object().unwrap(), Dialect::Cromwell, Some(true)).unwrap_err();
    let keys: Vec<&str> = strict.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["w.nonsense", "w.t.a"]);
}

#[test]
fn nested_inputs_without_permission_are_noted() {
    let json = json!({"w.name": "n", "w.t.a": 1});
    let bound_11 = bound(&of(&document("1.1", "")), &json);
    assert!(bound_11.notes.iter().any(|n| n.contains("allowNestedInputs")), "{:?}", bound_11.notes);
    assert!(bound(&of(&document("1.1", "meta { allowNestedInputs: true }")), &json).notes.is_empty());
    assert!(bound(&of(&document("1.0", "")), &json).notes.is_empty());
}

#[test]
fn tasks_are_bound_too() {
    let t = of(&format!("version 1.0\n{TASK}"));
    let bound = bound(&t, &json!({"t.a": 1, "t.runtime.cpu": 2}));
    assert_eq!(bound.values.get("a"), Some(&Value::Int(1)));
    assert_eq!(bound.overrides.get("runtime.cpu"), Some(&Value::Int(2)));
    assert_eq!(problems(&t, &json!({})), ["t.a: required task input `t.a` not specified"]);
}

#[test]
fn arguments_of_a_command_line() {
    for (text, ty, expected) in [
        ("1", Type::Int, json!(1)),
        ("1", Type::String, json!("1")),
        ("[1]", Type::String.optional(), json!("[1]")),
        ("/a b", Type::File, json!("/a b")),
        ("True", Type::Boolean, json!(true)),
        ("[1, 2]", Type::array(Type::Int), json!([1, 2])),
        ("{\"a\": 1}", Type::Object, json!({"a": 1})),
        ("4 GB", Type::Any, json!("4 GB")),
        ("null", Type::Int.optional(), json!(null)),
        ("abc", Type::Int, json!("abc")),
    ] {
        assert_eq!(parse_argument(text, &ty), expected, "{text} {ty}");
    }
}

fn sample() -> Value {
    let pair = Value::Pair(Arc::new((Value::file("/a"), Value::Int(1))));
    let map = Value::Map(Arc::new(vec![(Value::string("k"), Value::Directory(Arc::from("/d")))]));
    Value::array(vec![pair, map, Value::string("/a")])
}

#[test]
fn paths_are_visited_and_replaced() {
    let value = sample();
    let mut seen = Vec::new();
    files(&value, &mut |path, directory| seen.push((path.to_string(), directory)));
    assert_eq!(seen, [("/a".to_owned(), false), ("/d".to_owned(), true)]);

    let same = map_files::<()>(&value, &mut |path, _| Ok(Some(Arc::clone(path)))).expect("a value");
    assert!(matches!((&value, &same), (Value::Array(a), Value::Array(b)) if Arc::ptr_eq(a, b)));

    let moved = map_files::<()>(&value, &mut |path, _| Ok(Some(Arc::from(format!("/new{path}"))))).expect("a value");
    seen.clear();
    files(&moved, &mut |path, directory| seen.push((path.to_string(), directory)));
    assert_eq!(seen, [("/new/a".to_owned(), false), ("/new/d".to_owned(), true)]);
    assert_eq!(map_files(&value, &mut |_, _| Err("broken")), Err("broken"));
}

#[test]
fn missing_files_need_an_optional_type() {
    let mut absent = |path: &Arc<str>, _: bool| Ok::<_, ()>((&**path != "/gone").then(|| Arc::clone(path)));
    let files = Value::array(vec![Value::file("/a"), Value::file("/gone")]);
    let optional = map_files_typed(&files, &Type::array(Type::File.optional()), &mut absent);
    assert_eq!(optional, Ok(Value::array(vec![Value::file("/a"), Value::None])));
    let missing = MapFilesError::Missing { path: Arc::from("/gone"), directory: false };
    assert_eq!(map_files_typed(&files, &Type::array(Type::File), &mut absent), Err(missing.clone()));
    assert_eq!(map_files_typed(&files, &Type::Any, &mut absent), Err(missing));
    assert_eq!(map_files_typed(&Value::file("/gone"), &Type::File.optional(), &mut absent), Ok(Value::None));
}

#[test]
fn workflows_that_multiply_do_not_hang() {
    let mut inner = module("version 1.0\nworkflow w0 {}\n");
    for level in 1..40 {
        let text =
            format!("version 1.0\nimport \"x.wdl\" as x\nworkflow w{level} {{\n  call x.w{0} as a\n  call x.w{0} as b\n}}\n", level - 1);
        let mut next = Arc::into_inner(module(&text)).expect("the only owner");
        next.namespaces = vec![("x".to_owned(), inner)];
        next.structs = HashMap::new();
        inner = Arc::new(next);
    }
    assert!(list_inputs(&callee(&inner), true).is_empty());
}
