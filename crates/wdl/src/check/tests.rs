//! Tests of the checker: what is said, and what is let through.

use std::{collections::HashMap, fmt::Write, sync::Arc};

use insta::assert_snapshot;

use super::{call_outputs, check, infer, workflow_outputs, workflow_scope_types};
use crate::{
    ast::Node,
    load::{MemoryLoader, load},
    module::Module,
    testing,
    types::Type,
    value::Value,
    version::Version,
};

mod engines;

const LIBRARY: &str = "version 1.1
struct Sample { String name Int? depth }
task align { input { File bam Int threads = 1 Sample? sample } Int private = 1 command {} output { File out = bam Array[Int] sizes = [1] } }
workflow sub { input { Int n } call align { input: bam = \"x\" } output { Int m = n } }
";

fn module(text: &str) -> (Arc<Module>, Vec<crate::diagnostic::Diagnostic>) {
    let loader = MemoryLoader::default()
        .with("main.wdl", text)
        .with("lib.wdl", LIBRARY)
        .with("old.wdl", "version 1.0\nstruct Sample { String name Int? depth }");
    let loaded = load("main.wdl", &loader).unwrap();
    (loaded.module, loaded.diagnostics)
}

/// Findings of loading and checking, one a line.
fn report(text: &str) -> String {
    let (module, mut findings) = module(text);
    findings.extend(check(&module));
    let mut out = String::new();
    for finding in findings {
        let (line, column) = finding.source.position(finding.span.start);
        let kind = if finding.is_error() { "error" } else { "warning" };
        write!(out, "{line}:{column} {kind}: {}", finding.message).unwrap();
        if let Some(hint) = finding.hint {
            write!(out, " ({hint})").unwrap();
        }
        out.push('\n');
    }
    out
}

/// Findings about the body of a workflow.
fn body(version: &str, text: &str) -> String {
    report(&format!("{version}\nworkflow w {{\n{text}\n}}"))
}

fn strict(text: &str) -> String {
    body("version 1.2", text)
}

fn lenient(text: &str) -> String {
    body("version 1.0", text)
}

// ---- names ----

#[test]
fn unknown_names() {
    assert_snapshot!(strict("Int count = 1\nInt a = cuont + 1\nInt b = lib\nString c = \"~{nope}\""), @r"
    4:9 error: unknown name `cuont` (did you mean `count`?)
    5:9 error: unknown name `lib`
    6:15 error: unknown name `nope`
    ");
    assert_snapshot!(lenient("Int? x = None\nStrng y = 1"), @r"
    3:10 error: unknown name `None` (`None` needs `version 1.1`)
    4:1 error: unknown type `Strng` (did you mean `String`?)
    ");
    assert_snapshot!(report("version 1.3\nimport \"lib.wdl\"\nenum E { a }\nworkflow w { Int x = lib E y = E E z = E.b Sample s = Sample }"), @r"
    4:22 error: unknown name `lib` (only tasks and workflows of an import can be called)
    4:32 error: unknown name `E` (name one of its choices, as in `E.x`)
    4:42 error: enum `E` has no choice `b` (did you mean `a`?)
    4:55 error: unknown name `Sample` (write a value as `Sample { member: ... }`)
    ");
}

#[test]
fn syntax_errors_do_not_bring_unknown_names() {
    assert_snapshot!(strict("Int a = (1\nInt b = a + c"), @r"
    4:1 error: expected `)`, found `Int`
    4:13 error: unknown name `c` (did you mean `a`?)
    ");
    // What was passed over may declare the name; its type is unknown then.
    assert_snapshot!(strict("Int = c\nInt b = c\nArray[Int] d = c"), @"3:5 error: expected a name for the declaration, found `=`");
    assert_snapshot!(strict("scatter (i in [1, 2 {\n  Int a = i\n}\nInt b = a\nInt n = i"), @r"
    3:21 error: expected `]`, found `{`
    6:9 error: `b` is of type `Int` and cannot be given `Array[Int]`
    ");
    assert_snapshot!(report("version 1.1\nimport \"gone.wdl\"\nworkflow w { call gone.t Missing m = t.out }"), @"2:8 error: cannot import `gone.wdl`: no such document");
}

#[test]
fn names_that_stand_twice() {
    assert_snapshot!(strict("Int a = 1\nInt a = 2\nscatter (i in [1]) { Int b = i }\nif (true) { Int b = 1 }"), @r"
    4:5 error: `a` is declared twice (rename one of them: names inside of blocks are known outside as well)
    6:17 error: `b` is declared twice (rename one of them: names inside of blocks are known outside as well)
    ");
    assert_snapshot!(lenient("Int a = 1\nInt a = 2"), @"4:5 warning: `a` is declared twice (rename one of them: names inside of blocks are known outside as well)");
    let calls = "version 1.1\ntask t { command {} }\nworkflow w { call t\n call t\n Int t = 1 }";
    assert_snapshot!(report(calls), @r"
    4:7 error: second call named `t` (rename one with `as`)
    5:6 error: call and declaration are both named `t` (rename the call with `as`)
    ");
    assert_snapshot!(strict("Int i = 1\nscatter (i in [1]) { }\nscatter (k in [1]) { scatter (k in [2]) {} }"), @r"
    4:10 error: `i` hides a name of the workflow (choose another name)
    5:31 error: `k` is already the variable of an enclosing scatter (choose another name)
    ");
    // Variables of neighbours, and names that only come out of a neighbour, do not count.
    assert_eq!(strict("scatter (i in [1]) { }\nscatter (i in [1]) { }\nscatter (k in [1]) { Int n = k }\nscatter (n in [1]) { }"), "");
}

#[test]
fn outputs_named_like_declarations() {
    let text =
        "\ntask t { input { Int x } command {} output { Int x = x } }\nworkflow w { call t { input: x = 1 } output { Int t = t.x } }";
    assert_snapshot!(report(&format!("version 1.0{text}")), @r"
    2:50 warning: output `x` has the name of a declaration (rename one of them)
    3:51 warning: output `t` has the name of a call (rename the output)
    ");
    assert_snapshot!(report(&format!("version 1.1{text}")), @r"
    2:50 warning: output `x` has the name of a declaration (rename one of them)
    3:51 error: output `t` has the name of a call (rename the output)
    ");
}

#[test]
fn circles() {
    assert_snapshot!(strict("Int a = b\nInt b = c\nInt c = a\nInt d = d"), @r"
    3:5 error: circle of things that need each other: `a` -> `b` -> `c` -> `a` (break the circle: one of them must be known before the others)
    6:5 error: `d` needs itself (break the circle: one of them must be known before the others)
    ");
    let calls = "version 1.1\ntask t { input { Int i = 0 } command {} output { Int o = 1 } }\nworkflow w { call t as a { input: i = b.o }\n if (a.o > 1) { call t as b } }";
    assert_snapshot!(report(calls), @"3:24 error: circle of things that need each other: `a` -> `b` -> `a` (break the circle: one of them must be known before the others)");
    assert_snapshot!(report("version 1.1\ntask t { Int a = b\n Int b = a\n command {} output { Int o = p\n Int p = o } }"), @r"
    2:14 error: circle of things that need each other: `a` -> `b` -> `a` (break the circle: one of them must be known before the others)
    4:26 error: circle of things that need each other: `o` -> `p` -> `o` (break the circle: one of them must be known before the others)
    ");
}

#[test]
fn circles_through_blocks() {
    // What a block defines is known outside only when all of the block is done.
    let gathered = "version 1.0\ntask t { input { Int i } command {} output { Int o = 1 } }
        workflow w { scatter (s in [1]) { call t as a { input: i = s } call t as b { input: i = last } } Int last = a.o[0] }";
    assert_snapshot!(report(gathered), @"3:82 error: circle of things that need each other: `b` -> `last` -> `scatter (s)` -> `b` (what a block defines is known outside only when the whole block is done: move `b` into another block)");
    assert_snapshot!(lenient("Boolean c = true\nif (c) {\nscatter (i in [1]) {\nInt x = 1\nInt y = z\n}\n}\nInt z = select_first([x])[0]"), @"7:5 error: circle of things that need each other: `y` -> `z` -> `if` -> `scatter (i)` -> `y` (what a block defines is known outside only when the whole block is done: move `y` into another block)");
    let clauses = "version 1.3\nworkflow w {\nif (true) { Int x = 1 } else { Int y = select_first([x]) }\n}";
    assert_snapshot!(report(clauses), @"3:36 error: circle of things that need each other: `y` -> `if` -> `y` (what a block defines is known outside only when the whole block is done: move `y` into another block)");
    assert_snapshot!(lenient("scatter (i in a) {\nInt x = i\n}\nArray[Int] a = x"), @"6:12 error: circle of things that need each other: `a` -> `x` -> `a` (break the circle: one of them must be known before the others)");
    // Inside, names further out are waited for one by one, and blocks side by side feed each other.
    assert_eq!(
        lenient(
            "scatter (i in [1]) {\nInt x = i\nInt y = x + o\nscatter (j in [i]) {\nInt z = x + y + j\n}\n}\nInt o = 1\nscatter (i in x) {\nInt p = i\n}\nArray[Int] q = p"
        ),
        ""
    );
    assert_eq!(report("version 1.3\nworkflow w {\nif (true) { Int x = 1\nInt y = x } else { Int x = 2\nInt y = x }\nInt z = y\n}"), "");
}

#[test]
fn names_in_deep_blocks_are_limited() {
    let nested = |depth: usize, names: usize| {
        let open: String = (0..depth).map(|i| format!("scatter (i{i} in [1]) {{\n")).collect();
        let decls: String = (0..names).map(|i| format!("Int x{i} = {i}\n")).collect();
        strict(&format!("{open}{decls}{}", "}\n".repeat(depth)))
    };
    let on_large_stack =
        std::thread::Builder::new().stack_size(crate::limits::STACK_BYTES).spawn(move || (nested(100, 1_000), nested(100, 10_001)));
    let (fine, hostile) = on_large_stack.unwrap().join().unwrap();
    assert_eq!(fine, "");
    assert_snapshot!(hostile, @"2:10 error: blocks of workflow `w` hold too many names for their nesting (move inner blocks into workflows of their own and call those)");
}

// ---- expressions ----

#[test]
fn operators() {
    assert_snapshot!(strict("Int a = 1 - \"x\"\nInt b = [1] + [2]\nBoolean c = 1 && true\nBoolean d = !1\nInt e = -true\nBoolean f = [1] < [2]\nBoolean g = 1 == \"1\"\nString h = true + \"x\""), @r#"
    3:9 error: `-` is not defined for `Int` and `String`
    4:9 error: `+` is not defined for `Array[Int]+` and `Array[Int]+` (join arrays with `flatten([a, b])`)
    5:13 error: `&&` needs a `Boolean`, not `Int`
    6:14 error: `!` needs a `Boolean`, not `Int`
    7:10 error: `-` needs a number, not `Boolean`
    8:13 error: `<` is not defined for `Array[Int]+` and `Array[Int]+`
    9:13 error: `==` cannot compare `Int` with `String`
    10:12 error: `+` is not defined for `Boolean` and `String` (write the Boolean in a placeholder: `"~{x}"`)
    "#);
    assert_snapshot!(lenient("Boolean g = 1 == \"1\"\nString h = true + \"x\"\nInt i = true * 2"), @r#"
    3:13 warning: `==` cannot compare `Int` with `String`
    4:12 warning: `+` is not defined for `Boolean` and `String` (write the Boolean in a placeholder: `"~{x}"`)
    5:9 error: `*` is not defined for `Boolean` and `Int`
    "#);
    assert_eq!(
        strict(
            "Float a = 1 + 2.5\nString b = \"a\" + 1 + 2.5\nBoolean c = \"a\" < \"b\" || 1 >= 2.0 && !(true != false)\nFile d = \"x\"\nFile e = d + \".bai\""
        ),
        ""
    );
}

#[test]
fn optionals_in_operators() {
    let text = "Int? x = 1\nInt y = x + 1\nString? s = \"a\"\nString t = \"b\" + s\nString u = \"~{\"-x \" + s}\"";
    assert_snapshot!(strict(text), @r"
    4:9 warning: value of type `Int?` may be undefined (use `select_first([x, default])`, or test it with `defined(x)`)
    6:18 warning: value of type `String?` may be undefined (use `select_first([x, default])`, or test it with `defined(x)`)
    ");
    assert_snapshot!(lenient(text), @"6:12 warning: `t` is of type `String` and is given `String?`: the value may be undefined");
}

#[test]
fn conditions_and_branches() {
    assert_snapshot!(strict("Boolean? b = true\nInt x = if 1 then 1 else 2\nInt y = if b then 1 else [2]\nif (\"true\") { }"), @r"
    4:12 error: the condition is of type `Int`, not `Boolean`
    5:9 error: the branches have no common type: `Int` and `Array[Int]+`
    5:12 warning: value of type `Boolean?` may be undefined (use `select_first([x, default])`, or test it with `defined(x)`)
    6:5 error: the condition is of type `String`, not `Boolean`
    ");
    assert_eq!(lenient("String s = if \"true\" then 1 else \"a\""), "");
}

#[test]
fn literals() {
    assert_snapshot!(strict("Array[Int] a = [1, [2]]\nMap[String, Int] m = {\"a\": 1, [1]: 2}\nMap[Array[Int], Int] n = {}\nObject o = object { a: 1, a: 2 }\nArray[Int]+ e = []"), @r"
    3:20 error: elements of the array have no common type: `Int` and `Array[Int]+`
    4:31 error: keys of the map have no common type: `String` and `Array[Int]+`
    5:1 error: keys of a map cannot be of type `Array[Int]` (keys are of a primitive type, such as `String`)
    6:27 error: member `a` is given twice
    7:17 error: `e` is of type `Array[Int]+` and cannot be empty
    ");
    assert_eq!(lenient("Array[String] a = [1, \"a\", 2.5]\nArray[Int?] b = []\nMap[String, Float] m = {\"a\": 1, \"b\": 2.5}"), "");
}

#[test]
fn members_and_elements() {
    let text = "Pair[Int, String] p = (1, \"a\")\nInt a = p.left\nInt b = p.first\nArray[Int] l = [1]\nInt c = l[0]\nInt d = l[\"0\"]\nInt e = l.size\nMap[String, Int] m = {\"a\": 1}\nInt f = m[\"a\"]\nInt g = m.a\nInt h = m[[1]]\nInt i = a.b\nInt j = a[0]\nObject o = object { x: 1 }\nInt k = o.x\nInt q = o[\"x\"]";
    assert_snapshot!(strict(text), @r#"
    5:11 error: a pair has no member `first` (its members are `left` and `right`)
    8:11 error: an array is indexed by `Int`, not by `String`
    9:11 error: an array has no member `size` (take one element first, as in `x[0]`, or scatter over the array)
    12:11 warning: a map has no members (write `["a"]`)
    13:11 error: keys of this map are of type `String`, not `Array[Int]+`
    14:11 error: a value of type `Int` has no member `b`
    15:9 error: a value of type `Int` cannot be indexed
    "#);
}

#[test]
fn structs() {
    let text = "import \"lib.wdl\"
workflow w {
  Sample a = Sample { name: \"a\", dpth: 1 }
  Sample b = Sample { depth: 1 }
  Sample c = Sampel { name: \"c\" }
  Sample d = object { name: \"d\", x: 1 }
  Sample e = {\"depth\": 1}
  String f = a.nme
  Sample g = object { name: [1] }
}";
    assert_snapshot!(report(&format!("version 1.1\n{text}")), @r#"
    4:34 error: struct `Sample` has no member `dpth` (did you mean `depth`?)
    5:14 error: struct `Sample` lacks the member `name`
    6:14 error: unknown struct `Sampel` (did you mean `Sample`?)
    7:14 error: struct `Sample` has no member `x`
    8:14 error: `e` lacks the member `name` of struct `Sample`
    8:14 warning: `e` is of type `Sample` and is given `Map[String, Int]`: the specification does not convert this to `String`, use `"~{...}"`
    9:16 error: struct `Sample` has no member `nme` (did you mean `name`?)
    "#);
    let old = "version 1.0\nimport \"old.wdl\" as lib\nworkflow w { Map[String, String] m = {\"name\": \"x\"}\n Sample s = m\n Int? d = s.depth }";
    assert_snapshot!(report(old), @"4:13 warning: `s` is of type `Sample` and is given `Map[String, String]`: not every text is such a value");
}

#[test]
fn functions() {
    assert_snapshot!(strict("Int a = lenght([1])\nInt b = length()\nArray[Int] c = range(\"x\" + 1, 2)\nFile d = stdout()\nArray[File] e = glob(\"*\")"), @r"
    3:9 error: unknown function `lenght` (did you mean `length`?)
    4:9 error: `length` takes 1 argument, 0 given
    5:31 error: `range` takes 1 argument, 2 given
    6:10 error: function `stdout` only works in the outputs of a task
    7:17 error: function `glob` only works in the outputs of a task
    ");
    assert_snapshot!(lenient("Int a = min(1, 2)\nFile d = stdout()"), @r"
    3:9 error: function `min` is not part of WDL 1.0 (begin the document with `version 1.1`)
    4:10 warning: function `stdout` only works in the outputs of a task
    ");
    assert_snapshot!(report("version 1.1\ntask t { File a = stderr()\n command <<< ~{stdout()} >>> output { File b = stdout()\n Array[File] c = glob(\"*\") } }"), @r"
    2:19 error: function `stderr` only works in the outputs of a task
    3:16 error: function `stdout` only works in the outputs of a task
    ");
}

#[test]
fn placeholders() {
    let text = "Array[String] a = [\"x\"]\nString b = \"~{a}\"\nString c = \"~{sep=',' a}\"\nString d = \"~{sep=',' 1}\"\nString e = \"~{true='y' false='n' 1}\"\nString f = \"~{(1, 2)}\"\nString g = \"~{object { x: 1 }}\"\nInt? i = 1\nString h = \"~{default='x' i}\"";
    assert_snapshot!(strict(text), @r#"
    4:15 error: a value of type `Array[String]` has no text (join the elements: `~{sep(" ", x)}`, or `~{sep=" " x}` before 1.1)
    6:23 error: `sep` needs an array, not `Int` (remove `sep`)
    7:34 error: `true` and `false` need a `Boolean`, not `Int`
    8:15 error: a value of type `Pair[Int, Int]` has no text (print `.left` and `.right`)
    9:15 error: a value of type `Object` has no text (write it to a file with `write_json`, or print single members)
    "#);
    assert_snapshot!(lenient(text), @r#"
    4:15 warning: a value of type `Array[String]` has no text (join the elements: `~{sep(" ", x)}`, or `~{sep=" " x}` before 1.1)
    7:34 warning: `true` and `false` need a `Boolean`, not `Int`
    8:15 warning: a value of type `Pair[Int, Int]` has no text (print `.left` and `.right`)
    9:15 warning: a value of type `Object` has no text (write it to a file with `write_json`, or print single members)
    "#);
}

#[test]
fn directories_and_texts_make_texts() {
    let names = |name: &str| (name == "dir").then_some(Type::Directory);
    for version in [Version::V1_0, Version::V1_2, Version::V1_3] {
        for (text, value) in [("dir + \"/x\"", "\"/in/d/x\""), ("\"/x\" + dir", "\"/x/in/d\""), ("dir + dir", "\"/in/d/in/d\"")] {
            let (module, expr) = testing::expression(version, text);
            assert_eq!(infer(&module, &expr, &names), Some(Type::String), "{version} {text}");
            assert_eq!(testing::show(version, text), value, "{version} {text}");
            assert!(matches!(testing::eval_with(&testing::Memory::default(), version, text), Ok(Value::String(_))), "{version} {text}");
        }
    }
}

#[test]
fn patterns_that_do_not_compile() {
    let text = "String a = sub(\"x\", \"[\", \"\")\nString b = sub(\"x\", \"~{a}[\", \"\")\nString c = sub(\"[\", \"x\", \"[\")";
    assert_snapshot!(strict(text), @r#"3:21 error: `"["` is no regular expression: unclosed character class"#);
    assert_snapshot!(lenient(text), @r#"3:21 warning: `"["` is no regular expression: unclosed character class"#);
}

#[test]
fn entries_given_twice() {
    let task = |version: &str, entries: &str| report(&format!("version {version}\ntask t {{ command {{}}\n{entries} }}"));
    assert_snapshot!(task("1.0", "runtime { a: 1 a: 2 }"), @"3:16 warning: `a` is given twice; the last one counts");
    assert_snapshot!(task("1.1", "runtime { a: 1 a: 2 }\nmeta { m: 1 m: 2 }"), @r"
    3:16 warning: `a` is given twice; the last one counts
    4:13 warning: `m` is given twice; the last one counts
    ");
    assert_snapshot!(task("1.2", "requirements { cpu: 1 cpu: 2 docker: \"x\" container: \"y\" }\nhints { a: 1 a: 2 }"), @r"
    3:23 error: `cpu` is given twice (remove one of them)
    4:14 error: `a` is given twice (remove one of them)
    3:42 error: `docker` and `container` are the same requirement (remove one of them)
    ");
}

#[test]
fn keys_of_maps_in_structs() {
    assert_snapshot!(report("version 1.1\nstruct S {\nMap[Int?, Int] a\nMap[Int, Int] b\n}"), @"3:1 error: keys of a map cannot be of type `Int?` (keys are of a primitive type, such as `String`)");
}

#[test]
fn assignments() {
    let text = "Int a = \"1\"\nInt b = 1.5\nString c = 1\nBoolean d = \"true\"\nInt? o = 1\nInt e = o\nArray[Int]+ f = range(2)\nFile g = \"x\"\nArray[Int] h = 1\nInt i = [1]\nInt j = None";
    assert_snapshot!(strict(text), @r#"
    3:9 warning: `a` is of type `Int` and is given `String`: not every text is such a value
    4:9 warning: `b` is of type `Int` and is given `Float`: only whole numbers convert, use `floor`, `ceil` or `round`
    5:12 warning: `c` is of type `String` and is given `Int`: the specification does not convert this to `String`, use `"~{...}"`
    6:13 error: `d` is of type `Boolean` and cannot be given `String`
    8:9 warning: `e` is of type `Int` and is given `Int?`: the value may be undefined
    9:17 warning: `f` is of type `Array[Int]+` and is given `Array[Int]`: the array may be empty
    11:16 error: `h` is of type `Array[Int]` and cannot be given `Int`
    12:9 error: `i` is of type `Int` and cannot be given `Array[Int]+`
    13:9 error: `j` is of type `Int` and cannot be given `None`
    "#);
    assert_snapshot!(lenient(&text.replace("\nInt j = None", "")), @r"
    3:9 warning: `a` is of type `Int` and is given `String`: not every text is such a value
    4:9 warning: `b` is of type `Int` and is given `Float`: only whole numbers convert, use `floor`, `ceil` or `round`
    8:9 warning: `e` is of type `Int` and is given `Int?`: the value may be undefined
    9:17 warning: `f` is of type `Array[Int]+` and is given `Array[Int]`: the array may be empty
    12:9 error: `i` is of type `Int` and cannot be given `Array[Int]+`
    ");
}

#[test]
fn enums() {
    let text = "version 1.3\nenum E { a, b }\nenum F { a }\nworkflow w { E x = E.a\n E y = \"b\"\n String z = E.a\n Boolean p = E.a == F.a\n Boolean q = x == E.b\n Int r = E.a }";
    assert_snapshot!(report(text), @r"
    7:14 error: `==` cannot compare `E` with `F`
    9:10 error: `r` is of type `Int` and cannot be given `E`
    ");
}

// ---- tasks ----

#[test]
fn tasks() {
    let text = "version 1.2
task t {
  input { Int a = b }
  Int b = 1
  Int c
  String? d
  command <<< ~{b} ~{out} ~{task.name} ~{task.return_code} ~{task.nope} >>>
  output { Int out = c Int out = 1 Int sum = out + a }
  requirements { cpu: true memory: [1] contaner: \"x\" disks: \"1 GiB\" max_retries: 1 }
}
task u { input { Int a } command {} runtime { cpu: true docker: nope } }
task v { Int x = task.attempt command {} }
";
    assert_snapshot!(report(text), @r"
    5:3 error: `c` has no value (give it a value, or move it into the `input` section)
    7:22 error: unknown name `out`
    7:47 error: struct `task` has no member `return_code` (it is known only in the `output` section)
    7:67 error: struct `task` has no member `nope` (did you mean `name`?)
    8:28 error: second output `out` (rename one of them)
    9:23 error: `cpu` must be `Int` or `Float`, not `Boolean`
    9:36 error: `memory` must be `Int` or `String`, not `Array[Int]+`
    9:40 error: `contaner` is not a requirement (did you mean `container`?)
    11:52 warning: `cpu` must be `Int` or `Float`, not `Boolean`
    11:65 error: unknown name `nope`
    12:18 error: unknown name `task` (`task` is known in the command, the outputs and the requirements of a task)
    ");
    assert_eq!(
        report("version 1.0\ntask t { input { Int g } command {} runtime { memory: g + \" GB\" cpu: \"1\" disks: [1] zones: \"a b\" } }"),
        ""
    );
}

#[test]
fn task_variable_before_the_command() {
    let text = "task t { command {} requirements { memory: if task.attempt > 0 then \"2 GiB\" else \"1 GiB\" cpu: task.cpu } }";
    assert_snapshot!(report(&format!("version 1.2\n{text}")), @r"
    2:47 error: unknown name `task` (in this section `task` needs `version 1.3`)
    2:95 error: unknown name `task` (in this section `task` needs `version 1.3`)
    ");
    assert_snapshot!(report(&format!("version 1.3\n{text}")), @"2:100 error: struct `task` has no member `cpu`");
}

// ---- calls ----

#[test]
fn call_targets() {
    let text = "version 1.1
import \"lib.wdl\"
task local { command {} }
workflow w {
  call locl
  call lib.algin
  call lbi.align
  call align
  call w as again
  call local after local2
  call local as local2 after x { }
}";
    assert_snapshot!(report(text), @r"
    5:8 error: unknown task `locl` (did you mean `local`?)
    6:12 error: `lib` has no task or workflow `algin` (did you mean `align`?)
    7:8 error: unknown namespace `lbi` (did you mean `lib`?)
    8:8 error: second call named `align` (rename one with `as`)
    8:8 error: unknown task `align` (it is in an import: `call lib.align`)
    9:8 error: a workflow cannot call itself (WDL has no recursion; use `scatter`)
    11:30 error: `after` names no call: `x`
    ");
}

#[test]
fn call_inputs() {
    let text = "import \"lib.wdl\"
workflow w {
  Int? maybe = 1
  Sample s = object { name: \"x\" }
  call lib.align as a { input: bam = \"x\", threds = 1, private = 2, threads = maybe, threads = 2 }
  call lib.align as b { input: bam = [1], sample = s, threads = \"x\" }
  call lib.align as c
  call lib.sub as d { input: n = maybe }
}";
    assert_snapshot!(report(&format!("version 1.1\n{text}")), @r"
    6:43 error: `align` has no input `threds` (did you mean `threads`?)
    6:55 error: `align` has no input `private` (it is declared there, but not in the `input` section)
    6:85 error: input `threads` is given twice; the last one counts
    7:38 error: input `bam` of `align` is of type `File` and cannot be given `Array[Int]+`
    7:65 warning: input `threads` of `align` is of type `Int?` and is given `String`: not every text is such a value
    8:8 warning: call of `align` lacks the input `bam` (give them in the call, or allow nested inputs: `meta { allowNestedInputs: true }`)
    9:34 warning: input `n` of `sub` is of type `Int` and is given `Int?`: the value may be undefined
    ");
    assert_snapshot!(report(&format!("version 1.0\n{text}")), @r"
    2:8 warning: document of version 1.0 imports one of version 1.1; other engines may refuse it (begin this document with `version 1.1`)
    6:43 error: `align` has no input `threds` (did you mean `threads`?)
    6:55 error: `align` has no input `private` (it is declared there, but not in the `input` section)
    6:85 warning: input `threads` is given twice; the last one counts
    7:38 error: input `bam` of `align` is of type `File` and cannot be given `Array[Int]+`
    7:65 warning: input `threads` of `align` is of type `Int?` and is given `String`: not every text is such a value
    9:34 warning: input `n` of `sub` is of type `Int` and is given `Int?`: the value may be undefined
    ");
    let nested = "version 1.1\nimport \"lib.wdl\"\nworkflow w { call lib.align meta { allowNestedInputs: true } }";
    assert_eq!(report(nested), "");
}

#[test]
fn call_outputs_through_blocks() {
    let text = "version 1.1
import \"lib.wdl\"
workflow w {
  call lib.align as plain { input: bam = \"x\" }
  scatter (i in [1]) {
    call lib.align as many { input: bam = \"x\" }
    if (i > 1) { call lib.align as some { input: bam = \"x\" } Int n = i }
    File inside = many.out
  }
  File a = plain.out
  Array[File] b = many.out
  Array[File?] c = some.out
  Array[Int?] d = n
  File e = many.out
  File f = plain.outt
  Int g = plain
  Array[Array[Int]] h = many.sizes
}";
    assert_snapshot!(report(text), @r"
    14:12 error: `e` is of type `File` and cannot be given `Array[File]`
    15:18 error: call `plain` has no output `outt` (did you mean `out`?)
    16:11 warning: call `plain` is used as a value; other engines may refuse it (use one of its outputs, for example `plain.out`)
    16:11 error: `g` is of type `Int` and cannot be given `outputs of call align`
    ");
}

#[test]
fn else_makes_names_certain() {
    let text = "version 1.3
task t { command {} output { Int o = 1 } }
task u { command {} output { Float o = 1.5 Int p = 1 } }
workflow w {
  input { Boolean b }
  if (b) { call t as x Int n = 1 Int only = 1 } else if (!b) { call t as x Float n = 2.5 } else { call u as x Int n = 2 }
  if (b) { Int half = 1 } else if (b) { Int half = 2 }
  Float sure = n
  Float out = x.o
  Int p = x.p
  Int one = only
  Int two = half
}";
    assert_snapshot!(report(text), @r"
    10:11 warning: `p` is of type `Int` and is given `Int?`: the value may be undefined
    11:13 warning: `one` is of type `Int` and is given `Int?`: the value may be undefined
    12:13 warning: `two` is of type `Int` and is given `Int?`: the value may be undefined
    ");
}

#[test]
fn clauses_agree_on_types() {
    let clauses = |first: &str, second: &str| {
        report(&format!(
            "version 1.3\nworkflow w {{ input {{ Boolean b }}\n if (b) {{ {first} }} else if (!b) {{ }} else {{ {second} }} }}"
        ))
    };
    let discord = |types: &str| format!("error: the clauses declare `size` with types that have nothing in common: {types} (rename one");
    assert!(clauses("String size = 'big'", "Int size = 3").contains(&discord("`String` and `Int`")));
    assert!(clauses("Boolean size = true", "Array[Int] size = [3]").contains(&discord("`Boolean` and `Array[Int]`")));
    for (first, second) in [("Int", "Float"), ("String", "File"), ("Int?", "Int"), ("Map[String, Int]", "Map[String, Float]")] {
        let input = |ty: &str| format!("scatter (i in [1]) {{ {ty} x = select_first(read_json('x')) }}");
        assert_eq!(clauses(&input(first), &input(second)), "", "{first} and {second}");
    }
}

#[test]
fn types_and_declarations_have_different_names() {
    let named = |version: &str, name: &str| {
        report(&format!("version {version}\nstruct Sample {{ Int depth }}\nworkflow w {{ Int {name} = 1 output {{ Int o = {name} }} }}"))
    };
    assert!(named("1.3", "Sample").contains("warning: `Sample` is the name of a type already"));
    assert_eq!(named("1.3", "sample"), "");
    assert!(!named("1.2", "Sample").contains("error"), "older versions say nothing");
    let output = "version 1.3\nenum Colour { Red }\ntask t { command <<< >>> output { Int Colour = 1 } }";
    assert!(report(output).contains("warning: `Colour` is the name of a type already"));
}

// ---- scatters, outputs ----

#[test]
fn scatter_collections() {
    assert_snapshot!(strict("scatter (x in 5) { Int a = x }\nMap[String, Int] m = {}\nscatter (p in m) { String k = p.left }\nArray[Int]? o = [1]\nscatter (q in o) { Int b = q }"), @r"
    3:15 error: a scatter needs an array, not `Int`
    5:15 error: a map is not an array (scatter over `as_pairs(map)`)
    7:15 warning: value of type `Array[Int]?` may be undefined (use `select_first([x, default])`, or test it with `defined(x)`)
    ");
    assert_eq!(lenient("Map[String, Int] m = {}\nscatter (p in m) { String k = p.left }"), "");
}

#[test]
fn draft_2_outputs() {
    let text = "task t { Int i command {} output { Int o = 1 } }
workflow w { Array[Int] xs scatter (x in xs) { call t { input: i = x } } Int n = 1
  output { t.o t.*\n n\n nope, t.nope t\n Array[Int] all = t.o } }";
    assert_snapshot!(report(text), @r"
    5:2 error: `nope` is no output of a call and no declaration
    5:8 error: `t.nope` is no output of a call and no declaration
    5:15 error: `t` is no output of a call and no declaration
    ");
}

#[test]
fn workflow_declarations_need_values() {
    assert_snapshot!(lenient("Int x\nFile? null"), @"3:1 error: `x` has no value (give it a value, or move it into the `input` section)");
    assert_eq!(report("workflow w { Int x File y }"), "");
}
