//! What engines ask of a checked document: types of outputs and scopes, and what its version has.

use super::*;

fn outputs(text: &str) -> Vec<String> {
    let (module, _) = module(text);
    let workflow = module.document.workflow.as_ref().unwrap();
    workflow_outputs(&module, workflow).into_iter().map(|(name, ty)| format!("{ty} {name}")).collect()
}

#[test]
fn outputs_of_workflows() {
    let draft2 =
        "task t { Int i command {} output { Int o = 1 File p = \"x\" } } workflow w { scatter (x in [1]) { call t } Int n = 1 OUT }";
    assert_eq!(outputs(&draft2.replace("OUT", "")), ["Array[Int] t.o", "Array[File] t.p"]);
    assert_eq!(outputs(&draft2.replace("OUT", "output {}")), ["Array[Int] t.o", "Array[File] t.p"]);
    assert_eq!(outputs(&draft2.replace("OUT", "output { t.p\n n\n Int? z = n }")), ["Array[File] t.p", "Int n", "Int? z"]);
    let newer = "version 1.0\nimport \"lib.wdl\"\nworkflow w { if (true) { call lib.sub { input: n = 1 } } OUT }";
    assert_eq!(outputs(&newer.replace("OUT", "")), ["Int? sub.m"]);
    assert_eq!(outputs(&newer.replace("OUT", "output {}")), [""; 0]);
    assert_eq!(outputs(&newer.replace("OUT", "").replace("1.0", "1.1")), [""; 0]);
}

#[test]
fn outputs_of_calls() {
    let (module, _) = module("version 1.0\nimport \"lib.wdl\"\nworkflow w { call lib.align call lib.sub }");
    let workflow = module.document.workflow.as_ref().unwrap();
    let shown: Vec<String> = workflow
        .body
        .iter()
        .map(|node| {
            let Node::Call(call) = node else { panic!() };
            let outputs = call_outputs(&module, &module.callee(&call.target).unwrap());
            format!("{} {:?}", outputs.name, outputs.members.iter().map(|(n, _)| n).collect::<Vec<_>>())
        })
        .collect();
    assert_eq!(shown, ["align [\"out\", \"sizes\"]", "sub [\"m\"]"]);
}

#[test]
fn types_at_the_top_of_a_workflow() {
    let (module, _) = module(
        "version 1.0\nimport \"lib.wdl\"\nworkflow w { input { Int n } scatter (i in [1]) { call lib.sub { input: n = i } Int k = i } }",
    );
    let types = workflow_scope_types(&module, module.document.workflow.as_ref().unwrap());
    assert_eq!(types["n"], Type::Int);
    assert_eq!(types["k"], Type::array(Type::Int));
    let Type::Call(outputs) = &types["sub"] else { panic!() };
    assert_eq!(outputs.member("m"), Some(&Type::array(Type::Int)));
    assert!(!types.contains_key("i"));
}

#[test]
fn inference() {
    let (module, _) = module("version 1.1\nworkflow w { Int a = x + 1.5\n Int b = [x, y]\n Int c = nope }");
    let names = HashMap::from([("x", Type::Int), ("y", Type::String)]);
    let types: Vec<Option<Type>> = module
        .document
        .workflow
        .as_ref()
        .unwrap()
        .body
        .iter()
        .map(|node| {
            let Node::Decl(decl) = node else { panic!() };
            infer(&module, decl.value.as_ref().unwrap(), &|name| names.get(name).cloned())
        })
        .collect();
    assert_eq!(types, [Some(Type::Float), Some(Type::Array { item: Arc::new(Type::String), nonempty: true }), None]);
}

#[test]
fn imports_are_checked_once() {
    let loader = MemoryLoader::default()
        .with("main.wdl", "version 1.1\nimport \"a.wdl\"\nimport \"b.wdl\"")
        .with("a.wdl", "version 1.1\nimport \"b.wdl\"")
        .with("b.wdl", "version 1.1\nworkflow w { Int x = nope }");
    let loaded = load("main.wdl", &loader).unwrap();
    let findings: Vec<String> = check(&loaded.module).iter().map(ToString::to_string).collect();
    assert_eq!(findings, ["b.wdl:2:22: error: unknown name `nope`"]);
}

#[test]
fn texts_that_are_no_choice_and_structs_that_are_no_rows() {
    let text = "version 1.3\nenum E { red, green }\nstruct In { Array[Int] xs }\nstruct Row { String s In i }\nworkflow w { input { Array[Row] rows }
 E a = \"red\"\n E b = \"gren\"\n File f = write_tsv(rows) }";
    assert_snapshot!(report(text), @r"
    7:8 error: enum `E` has no choice `gren` (did you mean `green`?)
    8:21 error: member `i` of struct `Row` has no text to stand in a table
    ");
}

#[test]
fn forms_of_newer_versions() {
    let body = "workflow w { input { Map[String, Int] m } Int a = length(m)\n Int b = select_first([], 1)\n Array[Int] c = if contains([1], 1) then [1] else [] }";
    assert_snapshot!(report(&format!("version 1.1\n{body}")), @r"
    2:51 error: the length of anything but an array is not part of WDL 1.1 (begin the document with `version 1.2`)
    3:10 error: `select_first` with a default is not part of WDL 1.1 (begin the document with `version 1.2`)
    4:20 error: function `contains` is not part of WDL 1.1 (begin the document with `version 1.2`)
    ");
    assert_eq!(report(&format!("version 1.2\n{body}")), "");
    assert_snapshot!(report("version 1.1\ntask t { input { Directory d } command <<<>>> }"), @"2:18 error: type `Directory` is not part of WDL 1.1 (begin the document with `version 1.2`)");
}
