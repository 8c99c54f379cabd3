//! Tests of the parser: a construct at a time, and what is said about broken text.

use std::fmt::Write;

use insta::assert_snapshot;

use super::parse;
use crate::{
    ast::{Document, Expr, ExprKind, MetaValue, Node, StringPart, TypeExpr, UnaryOp},
    diagnostic::Diagnostic,
    limits::{MAX_NESTING, MAX_TREE_DEPTH, STACK_BYTES},
    source::Source,
    version::Version,
};

fn parsed(text: &str) -> (Document, Vec<Diagnostic>) {
    parse(&Source::new("t.wdl", text))
}

/// The document of a text without errors.
fn clean(text: &str) -> Document {
    let (document, findings) = parsed(text);
    assert!(!findings.iter().any(Diagnostic::is_error), "{}", report(text));
    document
}

/// Findings, one a line: place, message, label, hint.
fn report(text: &str) -> String {
    let mut out = String::new();
    for finding in parsed(text).1 {
        let (line, column) = finding.source.position(finding.span.start);
        let kind = if finding.is_error() { "error" } else { "warning" };
        write!(out, "{line}:{column} {kind}: {}", finding.message).unwrap();
        if !finding.label.is_empty() {
            write!(out, " [{}]", finding.label).unwrap();
        }
        if let Some(hint) = finding.hint {
            write!(out, " ({hint})").unwrap();
        }
        out.push('\n');
    }
    out
}

/// The value of `X x = ...` in a workflow, every operation in parentheses.
fn expr_in(version: &str, text: &str) -> String {
    let document = clean(&format!("{version}\nworkflow w {{ String x = {text}\n}}"));
    let workflow = document.workflow.unwrap();
    let Some(Node::Decl(decl)) = workflow.body.first() else { panic!("no declaration") };
    show(decl.value.as_ref().unwrap())
}

fn expr(text: &str) -> String {
    expr_in("version 1.2", text)
}

fn show(expr: &Expr) -> String {
    let list = |items: &[Expr]| items.iter().map(show).collect::<Vec<_>>().join(", ");
    let members = |members: &[(crate::ast::Name, Expr)]| {
        members.iter().map(|(n, v)| format!("{}: {}", n.text, show(v))).collect::<Vec<_>>().join(", ")
    };
    match &expr.kind {
        ExprKind::Lost => "?".into(),
        ExprKind::None => "None".into(),
        ExprKind::Boolean(b) => b.to_string(),
        ExprKind::Int(i) => i.to_string(),
        ExprKind::Float(f) => format!("{f:?}"),
        ExprKind::String(parts) => format!("\"{}\"", text(parts)),
        ExprKind::Array(items) => format!("[{}]", list(items)),
        ExprKind::Map(entries) => {
            let entries: Vec<_> = entries.iter().map(|(k, v)| format!("{}: {}", show(k), show(v))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        ExprKind::Pair(l, r) => format!("pair({}, {})", show(l), show(r)),
        ExprKind::Object(m) => format!("object{{{}}}", members(m)),
        ExprKind::Struct(name, m) => format!("{}{{{}}}", name.text, members(m)),
        ExprKind::Ident(name) => name.to_string(),
        ExprKind::Member(base, name) => format!("{}.{}", show(base), name.text),
        ExprKind::Index(base, index) => format!("{}[{}]", show(base), show(index)),
        ExprKind::Call(name, arguments) => format!("{}({})", name.text, list(arguments)),
        ExprKind::Unary(op, inner) => {
            let sign = match op {
                UnaryOp::Not => '!',
                UnaryOp::Minus => '-',
                UnaryOp::Plus => '+',
            };
            format!("({sign}{})", show(inner))
        }
        ExprKind::Binary(op, l, r) => format!("({} {} {})", show(l), op.symbol(), show(r)),
        ExprKind::If(c, yes, no) => format!("if({}, {}, {})", show(c), show(yes), show(no)),
    }
}

fn text(parts: &[StringPart]) -> String {
    let mut out = String::new();
    for part in parts {
        match part {
            StringPart::Text(text) => out.push_str(text),
            StringPart::Placeholder(p) => {
                let option = |name: &str, value: &Option<String>| value.as_ref().map(|v| format!("{name}={v:?} ")).unwrap_or_default();
                let options =
                    [option("sep", &p.sep), option("true", &p.if_true), option("false", &p.if_false), option("default", &p.default)];
                write!(out, "<{}{}>", options.concat(), show(&p.expr)).unwrap();
            }
        }
    }
    out
}

fn command_of(document: &Document) -> String {
    text(&document.tasks[0].command.parts)
}

fn command(version: &str, section: &str) -> String {
    command_of(&clean(&format!("{version}\ntask t {{\n{section}\n}}")))
}

// ---- documents ----

#[test]
fn versions() {
    for (line, version) in [
        ("", Version::Draft2),
        ("version 1.0", Version::V1_0),
        ("version draft-3", Version::V1_0),
        ("# comment\n\nversion   1.1 # why not", Version::V1_1),
        ("\u{feff}version development-1.1\r", Version::V1_1),
        ("version 1.2", Version::V1_2),
        ("version 1.3", Version::V1_3),
        ("version development", Version::V1_3),
    ] {
        assert_eq!(clean(&format!("{line}\n")).version, version, "{line}");
    }
}

#[test]
fn unknown_versions_are_told_with_the_known_ones() {
    assert_snapshot!(report("version 1.4\ntask"), @"1:1 error: WDL 1.4 is not supported yet (supported are draft-2 (no `version` statement), 1.0, 1.1, 1.2 and 1.3)");
    assert_snapshot!(report("version 3.7.1"), @"1:1 error: unknown WDL version `3.7.1` (supported are draft-2 (no `version` statement), 1.0, 1.1, 1.2 and 1.3)");
    assert_snapshot!(report("version\ntask t {}"), @"1:1 error: `version` statement names no version (supported are draft-2 (no `version` statement), 1.0, 1.1, 1.2 and 1.3)");
    assert_snapshot!(report("version 1.0\ntask t { command {} }\nversion 1.0"), @"3:1 error: `version` must be the first statement of a document (move it to the first line)");
}

#[test]
fn imports() {
    let document = clean("version 1.0\nimport 'a/b.wdl' as c alias S as T alias U as V\ntask t { command {} }\nimport \"d.wdl\"");
    let first = &document.imports[0];
    assert_eq!((first.uri.as_str(), first.namespace.as_ref().map(|n| &*n.text)), ("a/b.wdl", Some("c")));
    assert_eq!(first.aliases.iter().map(|(a, b)| format!("{}={}", a.text, b.text)).collect::<Vec<_>>(), ["S=T", "U=V"]);
    assert_eq!(document.imports[1].uri, "d.wdl");
    assert_snapshot!(report("version 1.3\nimport openwdl/fq/lint"), @"2:8 error: expected a path or URL in quotes, found `openwdl` [expected a path or URL in quotes] (imports of modules by name need WDL 1.4, which is not supported yet)");
}

#[test]
fn types() {
    fn show(ty: &TypeExpr) -> String {
        use crate::ast::TypeKind::{Array, Map, Named, Pair};
        let plain = match &ty.kind {
            Array { item, nonempty } => format!("Array[{}]{}", show(item), if *nonempty { "+" } else { "" }),
            Map(k, v) => format!("Map[{}, {}]", show(k), show(v)),
            Pair(l, r) => format!("Pair[{}, {}]", show(l), show(r)),
            Named(name) => name.text.to_string(),
            simple => format!("{simple:?}"),
        };
        format!("{plain}{}", if ty.optional { "?" } else { "" })
    }
    for written in ["Int", "Float?", "Array[File]+?", "Map[String, Array[Pair[Int, Boolean?]]]", "Sample?", "Object", "Directory"] {
        let document = clean(&format!("version 1.2\nstruct S {{ {written} x }}"));
        assert_eq!(show(&document.structs[0].members[0].ty), written);
    }
    assert_snapshot!(report("version 1.2\nstruct S { Array x Map[Int] y Int+ z Int?? w List[Int] v }"), @"2:12 error: type `Array` lacks its parameters (write `Array[X]`)");
}

#[test]
fn enums() {
    let document = clean("version 1.3\nenum E[Float] { a = 1, b = 2.5, }\nenum F { c, d }");
    assert_eq!(document.enums.iter().map(|e| e.choices.len()).collect::<Vec<_>>(), [2, 2]);
    assert!(document.enums[0].value_type.is_some());
    assert_snapshot!(report("version 1.2\nenum E { a }"), @"2:1 error: `enum` is not part of WDL 1.2 (begin the document with `version 1.3`)");
}

// ---- expressions ----

#[test]
fn precedence() {
    assert_snapshot!(expr("a || b && c == d < e + f * g ** h"), @"(a || (b && (c == (d < (e + (f * (g ** h)))))))");
    assert_snapshot!(expr("1 - 2 - 3 * -4 ** 2 ** 3"), @"((1 - 2) - (3 * (((-4) ** 2) ** 3)))");
    assert_snapshot!(expr("!a.b[c].d && -f(x, y,)"), @"((!a.b[c].d) && (-f(x, y)))");
    assert_snapshot!(expr("if a then b else c + 1"), @"if(a, b, (c + 1))");
    assert_snapshot!(expr("if a then b else if c then d else e"), @"if(a, b, if(c, d, e))");
    assert_snapshot!(expr("1 + if a then b else c"), @"(1 + if(a, b, c))");
    assert_snapshot!(expr("(1, (2)) == (a)"), @"(pair(1, 2) == a)");
}

#[test]
fn numbers() {
    assert_eq!(expr("[0, 17, 0x1F, 010, 1., .5, 1e5, 1.0E-3]"), "[0, 17, 31, 8, 1.0, 0.5, 100000.0, 0.001]");
    assert_eq!(expr("-9223372036854775808"), "-9223372036854775808");
    assert_eq!(expr("- -9223372036854775808"), "(--9223372036854775808)");
    assert_eq!(expr("9223372036854775807"), "9223372036854775807");
    // Cromwell knows no octal numbers.
    assert_eq!(expr_in("version 1.0", "010"), "10");
    assert_snapshot!(report("version 1.0\nworkflow w { Int x = 010 }"), @"2:22 warning: integer `010` is read as 10; newer versions read it as octal (remove the leading zero)");
    assert_snapshot!(report("version 1.1\nworkflow w {\nInt x = 9223372036854775808\nInt y = 089\nFloat z = 1e999\n}"), @r"
    3:9 error: integer `9223372036854775808` does not fit into 64 bits (the largest Int is 9223372036854775807)
    4:9 error: `089` is not an octal number (a leading zero makes an integer octal; remove it)
    5:11 error: number `1e999` is too large for a Float
    ");
}

#[test]
fn literals() {
    assert_eq!(expr("[a, b,]"), "[a, b]");
    assert_eq!(expr("{a: 1, \"b\": c,}"), "{a: 1, \"b\": c}");
    assert_eq!(expr("{}"), "{}");
    assert_eq!(expr("object { a: 1, left: 2, object: 3, }"), "object{a: 1, left: 2, object: 3}");
    assert_eq!(expr("Name { a: 1, b: None }"), "Name{a: 1, b: None}");
    assert_eq!(expr("[true, false, None]"), "[true, false, None]");
    assert_eq!(expr_in("version 1.0", "[None, null, in, left]"), "[None, null, in, left]");
}

#[test]
fn newer_constructs_name_their_version() {
    assert_snapshot!(report("version 1.0\nworkflow w { Int x = 2 ** 3 String s = <<<a>>> S t = S { a: 1 } call u { input: x } }"), @r"
    2:24 error: operator `**` is not part of WDL 1.0 (begin the document with `version 1.2`)
    2:40 error: a multi-line string is not part of WDL 1.0 (begin the document with `version 1.2`)
    2:54 error: a struct literal is not part of WDL 1.0 (begin the document with `version 1.1`)
    2:81 error: a call input without a value is not part of WDL 1.0 (begin the document with `version 1.1`)
    ");
    assert_snapshot!(report("version 1.2\nworkflow w {\nif (true) {} else {}\n}"), @"3:14 error: `else` is not part of WDL 1.2 (begin the document with `version 1.3`)");
    assert_snapshot!(report("task t { input { Int x }\n command {}\n requirements { cpu: 1 } hints { a: 1 } }\nstruct S { Int x }"), @r"
    1:10 error: an `input` section is not part of WDL draft-2 (begin the document with `version 1.0`)
    3:2 error: a `requirements` section is not part of WDL draft-2 (begin the document with `version 1.2`)
    3:26 error: a `hints` section is not part of WDL draft-2 (begin the document with `version 1.2`)
    4:1 error: `struct` is not part of WDL draft-2 (begin the document with `version 1.0`)
    ");
    assert_snapshot!(report("version 1.1\ntask t { input { env Int x } command {} }"), @"2:18 error: `env` is not part of WDL 1.1 (begin the document with `version 1.2`)");
}

// ---- strings ----

#[test]
fn escapes() {
    assert_eq!(
        expr(r#""\\ \" \' \t \r|\b|\f|\a|\v|\? \101 \x41 \u00e9 \U0001F600 \~{x} \${x} ~ $ ~x""#),
        "\"\\ \" ' \t \r|\u{8}|\u{c}|\u{7}|\u{b}|? A A é 😀 ~{x} ${x} ~ $ ~x\""
    );
    assert_eq!(expr_in("", r#""\7\101""#), "\"\u{7}A\"");
    assert_eq!(expr(r#""\ud83d\ude00""#), "\"😀\"");
    assert_eq!(expr(r#""\d+\.é\é""#), "\"\\d+\\.é\\é\"");
    assert_snapshot!(report("version 1.0\nworkflow w { String x = \"\\d\" String y = '\\ud800' }"), @r"
    2:26 warning: unknown escape sequence `\d`; the backslash is kept (write `\\d`)
    2:42 error: `\ud800` is not a Unicode character
    ");
    assert_snapshot!(report("version 1.0\nworkflow w {\nString x = \"abc\nString y = 'd' }"), @r#"3:12 error: string is never closed [begins here] (add `"` before the end of the line)"#);
}

#[test]
fn placeholders_in_strings() {
    assert_eq!(expr_in("version 1.0", r#""a~{b}c${d}""#), "\"a<b>c<d>\"");
    assert_eq!(expr(r#""~{sep(", ", [ "x~{'}'}y" ])}""#), "\"<sep(\", \", [\"x<\"}\">y\"])>\"");
    assert_eq!(
        expr(r#""~{sep=", " default="none" a}~{true='y' false="n" b}~{default=-1.5 c}""#),
        "\"<sep=\", \" default=\"none\" a><true=\"y\" false=\"n\" b><default=\"-1.5\" c>\""
    );
    assert_eq!(expr(r#""~{sep}~{true && x}~{default == y}""#), "\"<sep><(true && x)><(default == y)>\"");
    assert_eq!(expr_in("", r#""${a}~{b}""#), "\"<a>~{b}\"");
}

#[test]
fn draft_2_literals_are_flat() {
    // The literal ends at the first quote; what has no brace before it is text.
    assert_eq!(expr_in("", r#""${" + x + "}""#), "((\"${\" + x) + \"}\")");
    assert_eq!(expr_in("", r#""${sub(a, \"b\", 'c')}""#), "\"<sub(a, \"b\", \"c\")>\"");
}

#[test]
fn multi_line_strings() {
    assert_eq!(expr("<<<hello>>>"), "\"hello\"");
    assert_eq!(expr("<<<  hello  >>>"), "\"hello\"");
    assert_eq!(expr("<<<\n    a \\\n       b\n      c ~{d}\n\n    \\>>> \"q\" \\n\n  >>>"), "\"a b\n  c <d>\n\n>>> \"q\" \n\"");
    assert_eq!(expr("<<<\r\n\tx\r\n\t\ty\r\n>>>"), "\"x\n\ty\"");
    assert_eq!(expr("<<<\n  hello \\\\\n    world\n>>>"), "\"hello \\\n  world\"");
}

// ---- commands ----

#[test]
fn command_forms() {
    assert_eq!(command("", "command {\n  echo ${a} ~{b 'x{'\n}"), "echo <a> ~{b 'x{'");
    assert_eq!(command("", "command <<<\n  echo ${a} ~{b}\n>>>"), "echo <a> ~{b}");
    assert_eq!(command("version 1.0", "command { echo ${a} ~{b} \\$ }"), "echo <a> <b> \\$");
    assert_eq!(command("version 1.0", "command<<<\n  echo ${a} ~{b} \\~{c}\n>>>"), "echo ${a} <b> \\<c>");
    assert_eq!(command("version 1.0", "command {}"), "");
}

#[test]
fn command_escapes() {
    assert_eq!(
        command("version 1.1", "command <<<\n a \\~{b} \\${c} \\>>> x \\> y \\\n\\\\~{d}\n>>>"),
        " a ~{b} \\${c} >>> x \\> y \\\n\\\\<d>"
    );
    assert_eq!(command("version 1.1", "command { a \\} \\~{b\\} \\${c\\} \\n }"), "a } ~{b} ${c} \\n");
    assert_eq!(command("version 1.1", "command <<< >\\>> >>>"), ">>>");
}

#[test]
fn commands_are_dedented() {
    assert_eq!(command("version 1.0", "command <<<\n    a\n\n      b\n  \t  c ~{d}\n      \n  >>>"), "a\n\n  b\n c <d>\n  ");
    assert_eq!(command("version 1.0", "command <<<\r\n  a\r\n  b\r\n>>>"), "a\nb");
    assert_eq!(command("version 1.0", "command <<<\n  ~{a}\n    b\n>>>"), "<a>\n  b");
    assert_eq!(command("version 1.0", "command <<< a\n    b\n>>>"), "a\n    b");
}

// ---- tasks and workflows ----

#[test]
fn task_sections() {
    let document = clean(
        "version 1.2
        task t {
          input { Int a  env String b = \"x\" }
          Int c = a
          command <<<>>>
          output { Int o = c }
          requirements { cpu: 2, memory: \"1 GB\" }
          hints { max_cpu: 4 inputs: input { a.b: hints { x: 1 } c: hints { y: 2 } } }
          meta { k: [1, -2.5, null, true, {x: \"~{not}\", \"y\": 1}] }
          parameter_meta { a: 'help' }
        }",
    );
    let task = &document.tasks[0];
    assert!(task.inputs[1].env && !task.inputs[0].env);
    assert_eq!((task.decls.len(), task.outputs.len(), task.requirements.len(), task.hints.len()), (1, 1, 2, 2));
    assert_eq!(show(&task.hints[1].1), "input{a.b: hints{x: 1}, c: hints{y: 2}}");
    let Some((_, MetaValue::Array(items))) = task.meta.first() else { panic!() };
    assert_eq!(items[1], MetaValue::Float(-2.5));
    assert_eq!(items[4], MetaValue::Object(vec![("x".into(), MetaValue::String("~{not}".into())), ("y".into(), MetaValue::Int(1))]));
}

#[test]
fn draft_2_declarations_are_inputs() {
    let document = clean("task t { Int a Int b = a command {} Int c runtime { docker: \"x\" docker: \"y\" } }");
    assert_eq!(document.tasks[0].inputs.len(), 3);
    assert_eq!(document.tasks[0].runtime.len(), 2);
    assert_snapshot!(report("task t { command {} runtime { docker: \"x\"\n docker: \"y\" } }"), @"2:2 warning: `docker` is given twice; the last one counts [counts]");
}

#[test]
fn workflow_bodies() {
    let document = clean(
        "version 1.3
        workflow w {
          call a.b.c as d after x after y { input: p = 1, q, }
          call e {}
          call f { p = 1 }
          scatter (s in [1, 2]) { Int i = s  if (i > 1) { call g } else if (i < 0) { call h } else { call k } }
          hints { allow_nested_inputs: true }
        }",
    );
    let workflow = document.workflow.unwrap();
    let Node::Call(call) = &workflow.body[0] else { panic!() };
    assert_eq!((call.target.len(), &*call.name().text, call.after.len(), call.inputs.len()), (3, "d", 2, 2));
    assert!(call.inputs[1].1.is_none());
    let Node::Scatter(scatter) = &workflow.body[3] else { panic!() };
    let Node::If(conditional) = &scatter.body[1] else { panic!() };
    assert_eq!(conditional.clauses.iter().map(|c| c.condition.is_some()).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(workflow.hints.len(), 1);
}

#[test]
fn draft_2_outputs() {
    let document = clean("workflow w { call t output { t.out t.*, t.other\n lone\n x.y, File f = t.out\n Int? n = 1 } }");
    let workflow = document.workflow.unwrap();
    let outputs = workflow.outputs.as_ref().unwrap();
    let legacy: Vec<String> = outputs
        .legacy
        .iter()
        .map(|l| l.path.iter().map(|n| &*n.text).collect::<Vec<_>>().join(".") + if l.wildcard { ".*" } else { "" })
        .collect();
    assert_eq!(legacy, ["t.out", "t.*", "t.other", "lone", "x.y"]);
    assert_eq!(outputs.decls.len(), 2);
    // An empty section counts as none in draft-2 only.
    assert!(clean("workflow w { output {} }").workflow.unwrap().outputs.is_none());
    assert!(clean("version 1.0\nworkflow w { output {} }").workflow.unwrap().outputs.is_some());
    assert_snapshot!(report("version 1.0\nworkflow w { call t output { t.out } }"), @"2:30 error: output `t.out` has no type [draft-2 form] (write `File name = t.out` with the type of the output)");
}

#[test]
fn outputs_used_in_the_body_are_declared_there() {
    let text = "workflow w { input { Int n } call t { input: a = x, b = n } output { Int x = n Int n = 1 Int unused = 2 } }";
    let document = clean(&format!("version 1.0\n{text}"));
    let workflow = document.workflow.as_ref().unwrap();
    let Some(Node::Decl(decl)) = workflow.body.last() else { panic!() };
    assert_eq!((workflow.body.len(), &*decl.name.text), (2, "x"));
    assert_eq!(clean(&format!("version 1.1\n{text}")).workflow.unwrap().body.len(), 1);
}

#[test]
fn draft_2_outputs_in_blocks_belong_to_the_workflow() {
    let document = clean("workflow w { if (x) { call t output { t.* } } output { Int n = 1 } }");
    let workflow = document.workflow.unwrap();
    let outputs = workflow.outputs.as_ref().unwrap();
    assert_eq!((outputs.legacy.len(), outputs.decls.len()), (1, 1));
}

// ---- errors ----

#[test]
fn every_problem_is_reported() {
    let text = "version 1.1
task a {
  input { Int x = }
  command <<< ~{x + } ~{y z} >>>
  output { Int 5 = 3
    File f
    String ok = \"a }
  runtime { cpu = 1 }
}
workflow w {
  call a { input: x = 1 y = 2, z: 3 }
  scatter (i on [1]) { call a }
  Int n = [1, 2
  if x { call a }
  call a as
  while (true) { }
}
task b { input { Int a } }
tusk c {}
workflow w2 { output { a.b } }
";
    assert_snapshot!(report(text), @r#"
    3:19 error: expected an expression, found `}` [expected an expression]
    4:21 error: expected an expression, found `}` [expected an expression]
    5:16 error: expected a name for the declaration, found `5` [expected a name for the declaration]
    6:5 error: output `f` has no value (write `File f = ...`)
    7:17 error: string is never closed [begins here] (add `"` before the end of the line)
    8:3 error: expected `}`, found `runtime` [expected `}`]
    11:25 error: expected `,` or `}`, found `y` [expected `,` or `}`] (inputs of a call are separated by commas)
    12:14 error: expected `in`, found `on` [expected `in`]
    14:3 error: expected `]`, found `if` [expected `]`]
    16:9 error: expected a type, found `(` [expected a type]
    18:6 error: task `b` has no command (add `command <<< >>>`, even an empty one)
    19:1 error: expected `import`, `struct`, `task` or `workflow`, found `tusk` [expected `import`, `struct`, `task` or `workflow`]
    20:1 error: second workflow in one document (move it to a document of its own and import that)
    20:24 error: output `a.b` has no type [draft-2 form] (write `File name = a.b` with the type of the output)
    "#);
}

#[test]
fn misplaced_things() {
    assert_snapshot!(report("version 1.0\ntask t { call x\n scatter (x in y) {} command {} command {} }\ncall y"), @r"
    2:10 error: `call` cannot stand in a task (calls, scatters and conditions belong in a workflow)
    3:2 error: `scatter` cannot stand in a task (calls, scatters and conditions belong in a workflow)
    4:1 error: expected `import`, `struct`, `task` or `workflow`, found `call` [expected `import`, `struct`, `task` or `workflow`] (calls stand in a workflow)
    ");
    assert_snapshot!(report("version 1.0\nworkflow w {\n command {}\n scatter (x in y) { output { Int z = 1 } }\n else {}\n meta {} meta {} }"), @r"
    3:2 error: `command` cannot stand in a workflow (commands and their runtime belong in a task)
    4:21 error: `output` section inside a block (sections stand directly in the workflow)
    5:2 error: `else` without an `if` before it
    6:10 error: second `meta` section (put everything into one section)
    ");
    assert_snapshot!(report("version 1.0\ntask Int { command {} }\ntask t { input { Int if Int object Int _x } command {} }"), @r"
    2:6 error: expected the name of the task, found the keyword `Int` [reserved] (`Int` cannot be a name in WDL 1.0; choose another)
    3:22 error: expected a name for the declaration, found the keyword `if` [reserved] (`if` cannot be a name in WDL 1.0; choose another)
    ");
    assert_snapshot!(report("version 1.0\ntask t { command {} meta { a: b\n c: \"x\" + 1\n } }"), @"2:31 error: expected a literal value, found `b` [expected a literal value] (metadata holds literals only: string, number, `true`, `false`, `null`, array, object)");
    assert_snapshot!(report("version 1.2\ntask t { command {} runtime { cpu: 1 } requirements { cpu: 1 } }"), @"2:21 error: task `t` has both `runtime` and its replacement (move the entries of `runtime` into `requirements` and `hints`)");
    assert_snapshot!(report("version 1.0\nstruct S { Int a = 1 }"), @"2:18 error: member `a` has a value (members of structs have no defaults: make it optional with `?`)");
}

#[test]
fn placeholders_with_half_an_option() {
    assert_snapshot!(report("version 1.0\ntask t { command { ~{true='a' x} ~{} ~{sep=x y} } }"), @r"
    2:20 error: placeholder lacks the option `false` (`true=` and `false=` belong together)
    2:34 error: placeholder is empty [expected an expression]
    ");
}

#[test]
fn missing_braces() {
    assert_snapshot!(report("version 1.0\ntask a {\n  command {}\n\ntask b { command {} }\nworkflow w {\n  call a {\n    input: x = 1\n"), @r"
    5:1 error: expected `}`, found `task` [expected `}`]
    9:1 error: expected `,` or `}`, but the document ends [ends here] (inputs of a call are separated by commas)
    ");
    assert_snapshot!(report("version 1.0\ntask a { command <<<\n echo\n}\n"), @r"
    2:10 error: command is never closed [begins here] (add `>>>`)
    5:1 error: expected `}`, but the document ends [ends here]
    ");
    assert_snapshot!(report("version 1.0\n/* never\nclosed"), @"2:1 error: comment is never closed (add `*/`)");
}

#[test]
fn strange_characters() {
    assert_snapshot!(report("version 1.0\nworkflow w {\n Int a\u{a0}= 1;\n String b = \u{201c}x\u{201d}\n Boolean c = a & b\n}"), @r"
    3:7 error: expected a type, found the character `\u{a0}` [has no meaning here] (replace it by an ordinary space)
    4:13 error: expected an expression, found the character `“` [has no meaning here] (use straight quotes)
    5:16 error: expected a type, found the character `&` [has no meaning here] (logical and is `&&`)
    ");
}

// ---- limits ----

/// Runs with the stack that hostile documents need.
fn on_large_stack(test: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(test).unwrap().join().unwrap();
}

#[test]
fn nesting_is_limited() {
    on_large_stack(|| {
        let nested = |open: &str, middle: &str, close: &str, n: usize| {
            format!("version 1.3\nworkflow w {{ Int x = {}{middle}{} }}", open.repeat(n), close.repeat(n))
        };
        for (open, middle, close) in [("(", "1", ")"), ("[", "1", "]"), ("{1: ", "1", "}"), ("f(", "1", ")"), ("\"~{", "1", "}\"")] {
            let deep = parsed(&nested(open, middle, close, MAX_NESTING / 3)).1;
            assert!(deep.is_empty(), "{open}");
            let findings = parsed(&nested(open, middle, close, 100_000)).1;
            assert_eq!(findings.len(), 1, "{open}");
            assert_eq!(findings[0].message, "nested more than 200 levels deep");
        }
        for block in ["scatter (x in y) {", "if (x) {", "meta { a: [[[", "Array["] {
            assert!(!parsed(&format!("version 1.3\nworkflow w {{ {} }}", block.repeat(100_000))).1.is_empty());
        }
    });
}

#[test]
fn trees_are_limited() {
    on_large_stack(|| {
        let chain = |link: &str, n: usize| parsed(&format!("version 1.3\nworkflow w {{ Int x = x{} }}", link.repeat(n))).1;
        for link in [" + 1", ".a", "[0]", " && x"] {
            assert!(chain(link, MAX_TREE_DEPTH - 2).is_empty(), "{link}");
            assert_eq!(chain(link, 100_000).len(), 1, "{link}");
        }
        for prefix in ["!", "-", "if a then b else "] {
            let findings = parsed(&format!("version 1.3\nworkflow w {{ Int x = {} 1 }}", prefix.repeat(100_000))).1;
            assert_eq!(findings[0].message, format!("expression has more than {MAX_TREE_DEPTH} levels"), "{prefix}");
        }
    });
}

#[test]
fn findings_are_limited() {
    let findings = parsed(&format!("version 1.0\nworkflow w {{\n{}}}", "Int = 1\n".repeat(1000))).1;
    assert_eq!(findings.len(), 201);
    assert_eq!(findings.last().unwrap().message, "... and 800 more");
}

#[test]
fn spans_cover_what_they_name() {
    let source = "version 1.1\nworkflow w {\n  Int x = a + b.c[1] * f(2)\n  call t as u { input: y = \"s~{z}\" }\n}";
    let document = clean(source);
    let slice = |span| document.source.slice(span);
    let workflow = document.workflow.as_ref().unwrap();
    let (Node::Decl(decl), Node::Call(call)) = (&workflow.body[0], &workflow.body[1]) else { panic!() };
    assert_eq!(slice(decl.span), "Int x = a + b.c[1] * f(2)");
    let ExprKind::Binary(_, left, right) = &decl.value.as_ref().unwrap().kind else { panic!() };
    assert_eq!((slice(left.span), slice(right.span)), ("a", "b.c[1] * f(2)"));
    assert_eq!(slice(call.span), "call t as u { input: y = \"s~{z}\" }");
    let Some(ExprKind::String(parts)) = call.inputs[0].1.as_ref().map(|e| &e.kind) else { panic!() };
    let Some(StringPart::Placeholder(placeholder)) = parts.last() else { panic!() };
    assert_eq!(slice(placeholder.span), "~{z}");
}
