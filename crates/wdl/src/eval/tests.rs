use std::{collections::HashMap, sync::Arc};

use indexmap::IndexMap;

use super::{Evaluator, Scope};
use crate::{
    testing::{Memory, check, check_with, eval_with, expression, show},
    value::Value,
    version::{
        Dialect,
        Version::{self, Draft2, V1_0, V1_1, V1_2, V1_3},
    },
};

const ALL: &[Version] = &[Draft2, V1_0, V1_1, V1_2, V1_3];
const OLD: &[Version] = &[Draft2, V1_0];
const NEW: &[Version] = &[V1_1, V1_2, V1_3];
const TILDE: &[Version] = &[V1_0, V1_1, V1_2, V1_3];

#[test]
fn numbers() {
    check(
        ALL,
        &[
            ("1 + 2 * 3", "7"),
            ("(1 + 2) * 3", "9"),
            ("-7 / 2", "-3"),
            ("-7 % 3", "-1"),
            ("7 / 2", "3"),
            ("-(5)", "-5"),
            ("+five", "5"),
            ("5 - -3", "8"),
            ("1 / 0", "error: division by zero"),
            ("1 % 0", "error: division by zero"),
            ("1.0 / 0", "error: division by zero"),
            ("big + 1", "error: the result does not fit a 64-bit `Int`"),
            ("-big - 2", "error: the result does not fit"),
            ("big * 2", "error: the result does not fit"),
            ("(-big - 1) / -1", "error: the result does not fit"),
            ("(-big - 1) % -1", "0"),
            ("five + undefined", "error: the right operand is undefined"),
            ("undefined * five", "error: the left operand is undefined"),
            ("-undefined", "error: the operand is undefined"),
            ("yes + no", "error: `+` is not defined for `Boolean` and `Boolean`"),
            ("words + 1", "error: `+` is not defined for `Array[String]` and `Int`"),
            ("-text", "error: `-` needs a number, not `String`"),
        ],
    );
    check(OLD, &[("7 / 2.0", "3.5"), ("1.0 / 4", "0.25"), ("7.5 % 2", "1.5")]);
    check(NEW, &[("7 / 2.0", "3.500000"), ("1.0 / 4", "0.250000"), ("7.5 % 2", "1.500000")]);
}

#[test]
fn powers() {
    check(
        &[V1_2, V1_3],
        &[
            ("2 ** 3 ** 2", "64"),
            ("-2 ** 2", "4"),
            ("2 ** 0", "1"),
            ("0 ** 0", "1"),
            ("2 ** 62", "4611686018427387904"),
            ("2 ** 63", "error: the result does not fit"),
            ("2 ** big", "error: the result does not fit"),
            ("1 ** big", "1"),
            ("(0 - 1) ** big", "-1"),
            ("2 ** -1", "error: a negative exponent gives no `Int`"),
            ("2.0 ** -1", "0.500000"),
            ("4 ** 0.5", "2.000000"),
        ],
    );
}

#[test]
fn logic_and_order() {
    check(
        ALL,
        &[
            ("yes && no", "false"),
            ("yes || no", "true"),
            ("!yes", "false"),
            ("no && undefined", "false"),
            ("yes || (1 / 0 == 1)", "true"),
            ("yes && undefined", "error: the operand is undefined"),
            ("yes && five", "error: `&&` needs a `Boolean`, not `Int`"),
            ("!five", "error: `!` needs a `Boolean`, not `Int`"),
            ("1 < 2", "true"),
            ("2 <= 1.5", "false"),
            ("\"a\" < \"b\"", "true"),
            ("\"a\" >= \"b\"", "false"),
            ("no < yes", "true"),
            ("1 < undefined", "error: the right operand is undefined"),
            ("1 < \"a\"", "error: `<` is not defined for `Int` and `String`"),
            ("words < words", "error: `<` is not defined"),
        ],
    );
}

#[test]
fn equality() {
    check(
        ALL,
        &[
            ("1 == 1.0", "true"),
            ("1 != 2", "true"),
            ("9007199254740993 == 9007199254740992.0", "false"),
            ("\"a\" == \"a\"", "true"),
            ("file == \"/in/a.bam\"", "true"),
            ("[1, 2] == [1, 2]", "true"),
            ("[1, 2] == [2, 1]", "false"),
            ("[1] == [1.0]", "true"),
            ("[1] == [1, 2]", "false"),
            ("(1, \"a\") == (1, \"a\")", "true"),
            ("{\"a\": 1, \"b\": 2} == {\"a\": 1, \"b\": 2}", "true"),
            ("{\"a\": 1, \"b\": 2} == {\"b\": 2, \"a\": 1}", "false"),
            ("object { a: 1, b: 2 } == object { b: 2, a: 1 }", "true"),
            ("undefined == none", "true"),
            ("undefined == 1", "false"),
            ("undefined != 1", "true"),
            ("\"1\" == 1", "error: `String` and `Int` cannot be compared"),
            ("words == 1", "error: `Array[String]` and `Int` cannot be compared"),
            ("words == words", "true"),
        ],
    );
}

#[test]
fn concatenation() {
    check(
        ALL,
        &[
            ("\"a\" + \"b\"", "\"ab\""),
            ("\"a\" + 1", "\"a1\""),
            ("1 + \"a\"", "\"1a\""),
            ("file + \".bai\"", "\"/in/a.bam.bai\""),
            ("dir + \"/sub\"", "\"/in/d/sub\""),
            ("\"--in \" + file", "\"--in /in/a.bam\""),
        ],
    );
    check(OLD, &[("\"a\" + 1.5", "\"a1.5\""), ("\"a\" + undefined", "None"), ("\"-L \" + undefined + \" -X\"", "None")]);
    check(NEW, &[("\"a\" + 1.5", "\"a1.500000\""), ("\"a\" + undefined", "error: the right operand is undefined")]);
    let file = eval_with(&Memory::default(), V1_0, "file + \".bai\"").expect("a path");
    assert_eq!(file, Value::file("/in/a.bam.bai"), "a path stays a path");
    let below = eval_with(&Memory::default(), Version::V1_3, "dir + \"/sub\"").unwrap();
    assert_eq!(below, Value::string("/in/d/sub"), "what lies below a directory may be of either kind");
}

#[test]
fn paths_are_named_as_the_task_knows_them() {
    let host = Memory { inside_task: true, ..Memory::default() };
    check_with(
        &host,
        TILDE,
        &[
            ("\"~{file}\"", "\"/task/a.bam\""),
            ("\"x \" + file", "\"x /task/a.bam\""),
            ("file + \".bai\"", "\"/task/a.bam.bai\""),
            ("sub(file, \"bam\", \"bai\")", "\"/task/a.bai\""),
            ("prefix(\"-I \", files)", "[\"-I /task/a.bam\", \"-I /task/b.bam\"]"),
            ("sep(\" \", files)", "\"/task/a.bam /task/b.bam\""),
            ("[file, \"x\"]", "[\"/task/a.bam\", \"x\"]"),
        ],
    );
}

#[test]
fn literals_have_one_type() {
    check(OLD, &[("[1, 2.5]", "[1.0, 2.5]"), ("[1, true]", "[\"1\", \"true\"]"), ("[1.5, \"a\"]", "[\"1.5\", \"a\"]")]);
    check(NEW, &[("[1, 2.5]", "[1.000000, 2.500000]"), ("[1.5, \"a\"]", "[\"1.500000\", \"a\"]")]);
    check(
        ALL,
        &[
            ("[1, \"a\"]", "[\"1\", \"a\"]"),
            ("[file, \"x\"]", "[\"/in/a.bam\", \"x\"]"),
            ("[1, undefined]", "[1, None]"),
            ("[]", "[]"),
            ("[[1], [\"a\"]]", "[[\"1\"], [\"a\"]]"),
            ("[[], [1]]", "[[], [1]]"),
            ("[object1, object { a: 2 }]", "[object {a: 1, b: object {c: \"d\"}}, object {a: 2}]"),
            ("{\"a\": 1, \"b\": \"x\"}", "{\"a\": \"1\", \"b\": \"x\"}"),
            ("{\"a\": 1, \"b\": 2, \"a\": 3}", "{\"a\": 3, \"b\": 2}"),
            ("(1, \"a\")", "(1, \"a\")"),
            ("object { a: 1, b: [five] }", "object {a: 1, b: [5]}"),
        ],
    );
    check(NEW, &[("Point { x: 1 }", "Point {x: 1, y: None}"), ("Point { x: 1, y: 2 }", "Point {x: 1, y: 2.000000}")]);
    check(
        NEW,
        &[
            ("Point { y: 2 }", "error: member `x` of struct `Point` is missing"),
            ("Point { x: 1, z: 2 }", "error: struct `Point` has no member `z`"),
            ("Piont { x: 1 }", "error: unknown struct `Piont`"),
        ],
    );
}

#[test]
fn choices() {
    check(
        ALL,
        &[
            ("if yes then 1 else 2", "1"),
            ("if no then 1 else 2", "2"),
            ("if yes then 1 else 1 / 0", "1"),
            ("if yes then 1 else \"a\"", "\"1\""),
            ("if yes then five else undefined", "5"),
            ("if undefined then 1 else 2", "error: the condition is undefined"),
            ("if five then 1 else 2", "error: the condition is of type `Int`, not `Boolean`"),
        ],
    );
    check(OLD, &[("if yes then 1 else 2.5", "1.0"), ("if yes then 1 else five * 2.5", "1.0"), ("if no then 1.5 else five", "5.0")]);
    check(OLD, &[("if yes then 1 else read_float(file)", "1.0"), ("if \"TRUE\" then 1 else 2", "1")]);
    check(NEW, &[("if yes then 1 else 2.5", "1.000000"), ("if \"true\" then 1 else 2", "error: the condition is of type `String`")]);
}

#[test]
fn access() {
    check(
        ALL,
        &[
            ("words[0]", "\"a\""),
            ("words[3]", "error: index 3 is outside an array of 3 elements"),
            ("words[-1]", "error: index -1 is outside an array of 3 elements"),
            ("empty[0]", "error: index 0 is outside an array of 0 elements"),
            ("words[\"a\"]", "error: an array is indexed by `Int`, not by `String`"),
            ("words[undefined]", "error: the index is undefined"),
            ("undefined[0]", "error: the indexed value is undefined"),
            ("map[\"a\"]", "2"),
            ("map[\"c\"]", "error: the map has no key `\"c\"`"),
            ("five[0]", "error: a value of type `Int` cannot be indexed"),
            ("(1, 2).left", "1"),
            ("(1, 2).right", "2"),
            ("(1, 2).middle", "error: a pair has no member `middle`"),
            ("object1.b.c", "\"d\""),
            ("object1.c", "error: the object has no member `c`"),
            ("object1[\"a\"]", "1"),
            ("words.a", "error: an array has no member `a`"),
            ("undefined.a", "error: the value before the dot is undefined"),
            ("five.a", "error: a value of type `Int` has no members"),
            ("nowhere", "error: unknown name `nowhere`"),
        ],
    );
    check(
        &[V1_3],
        &[("Color.Red", "Color.Red"), ("\"~{Color.Green}\"", "\"Green\""), ("Color.Blue", "error: enum `Color` has no choice `Blue`")],
    );
    check(&[V1_3], &[("Color.Red == Color.Red", "true"), ("Color.Red == Color.Green", "false"), ("Color.Red < Color.Green", "error: `<`")]);
    check(&[V1_3], &[("value(Color.Green)", "2")]);
}

#[test]
fn placeholders() {
    check(
        TILDE,
        &[
            ("\"~{five} ~{yes} ~{text}\"", "\"5 true text\""),
            ("\"[~{undefined}]\"", "\"[]\""),
            ("\"[~{default=\"d\" undefined}]\"", "\"[d]\""),
            ("\"[~{default=7 undefined}]\"", "\"[7]\""),
            ("\"[~{\"--flag \" + undefined}]\"", "\"[]\""),
            ("\"[~{\"--flag \" + undefined + \" x\"}]\"", "\"[]\""),
            ("\"[~{default=\"d\" five + undefined}]\"", "\"[d]\""),
            ("\"~{true=\"y\" false=\"n\" yes}\"", "\"y\""),
            ("\"~{true=\"y\" false=\"n\" no}\"", "\"n\""),
            ("\"~{true=\"y\" false=\"n\" undefined}\"", "\"\""),
            ("\"~{true=\"y\" false=\"n\" five}\"", "error: `true` and `false` need a `Boolean`, not `Int`"),
            ("\"~{\"in ~{text}\"}\"", "\"in text\""),
            ("\"~{1 / 0}\"", "error: division by zero"),
        ],
    );
    check(
        NEW,
        &[
            ("\"~{sep=\", \" words}\"", "\"a, b, c\""),
            ("\"~{sep=\",\" empty}\"", "\"\""),
            ("\"~{sep=\",\" maybe}\"", "\"a,\""),
            ("\"~{sep=\",\" floats}\"", "\"1.000000,2.500000\""),
            ("\"~{default=\"\" sep=\" -x \" undefined}\"", "\"\""),
            ("\"~{words}\"", "error: a value of type `Array[String]` has no text"),
            ("\"~{map}\"", "error: a value of type `Map[String, Int]` has no text"),
            ("\"~{sep=\",\" text}\"", "error: `sep` needs an array, not `String`"),
            ("\"~{select_first([undefined])}\"", "\"\""),
            ("\"~{1.0} ~{1e20} ~{0.0000001}\"", "\"1.000000 100000000000000000000.000000 0.000000\""),
        ],
    );
    check(
        &[V1_0],
        &[
            ("\"~{words}\"", "\"[\\\"a\\\", \\\"b\\\", \\\"c\\\"]\""),
            // Cromwell ignores `sep` outside of commands.
            ("\"~{sep=\"\" words}\"", "\"[\\\"a\\\", \\\"b\\\", \\\"c\\\"]\""),
            ("\"~{sep=\",\" text}\"", "\"text\""),
            ("\"~{select_first([undefined])}\"", "error: `select_first` finds no defined value"),
            ("\"~{1.0} ~{1e20} ~{0.0000001} ~{1234567.0} ~{12345678.0} ~{0.001}\"", "\"1.0 1.0E20 1.0E-7 1234567.0 1.2345678E7 0.001\""),
        ],
    );
    check(&[Draft2], &[("\"${five} ~{five} ${default='x' undefined}\"", "\"5 ~{five} x\"")]);
}

#[test]
fn commands_join_arrays_in_every_version() {
    for version in TILDE {
        let text = format!("version {version}\ntask t {{\n  command <<<\n    cat ~{{sep=' ' words}} ~{{\"-n \" + undefined}}\n  >>>\n}}\n");
        let module = crate::testing::module(&text);
        let host = Memory::default();
        let scope = |name: &str| (name == "words").then(|| Value::array(vec![Value::string("a"), Value::Int(2)])).or(Some(Value::None));
        let evaluator = Evaluator { module: &module, scope: &scope, host: &host, version: *version, dialect: Dialect::of(*version) };
        let task = module.document.tasks.first().expect("a task");
        assert_eq!(evaluator.render(&task.command.parts).expect("a command").trim(), "cat a 2", "{version}");
    }
}

#[test]
fn errors_point_at_the_part_that_fails() {
    let host = Memory::default();
    for (text, part) in [
        ("1 + words[7]", "7"),
        ("five + (2 * undefined)", "undefined"),
        ("sub(text, \"(\", \"\")", "\"(\""),
        ("object1.zzz", "zzz"),
        ("\"a ~{nowhere} b\"", "nowhere"),
        ("length(five)", "five"),
        ("lenght(words)", "lenght(words)"),
    ] {
        let (module, _) = expression(V1_1, text);
        let error = eval_with(&host, V1_1, text).expect_err(text);
        assert_eq!(module.document.source.slice(error.span), part, "{text}");
    }
    let error = eval_with(&host, V1_1, "lenght(words)").expect_err("unknown");
    assert_eq!(error.hint.as_deref(), Some("did you mean `length`?"));
    assert!(eval_with(&host, V1_1, "1 + undefined").expect_err("undefined").from_none);
    assert!(!eval_with(&host, V1_1, "1 / 0").expect_err("division").from_none);
}

#[test]
fn maps_and_closures_are_scopes() {
    let mut names: HashMap<Arc<str>, Value> = HashMap::new();
    names.insert(Arc::from("x"), Value::Int(1));
    let ordered: IndexMap<Arc<str>, Value> = names.clone().into_iter().collect();
    let closure = |name: &str| (name == "x").then_some(Value::Int(1));
    let scopes: [&dyn Scope; 3] = [&names, &ordered, &closure];
    for scope in scopes {
        assert_eq!(scope.get("x"), Some(Value::Int(1)));
        assert_eq!(scope.get("y"), None);
    }
}

#[test]
fn long_chains_do_not_exhaust_the_stack() {
    let chain = vec!["1"; 1_500].join(" + ");
    let worker = std::thread::Builder::new().stack_size(crate::limits::STACK_BYTES).spawn(move || show(V1_1, &chain));
    assert_eq!(worker.expect("a thread").join().expect("an answer"), "1500");
}

#[test]
fn no_operator_panics_on_any_kind_of_value() {
    let operands = [
        "undefined",
        "yes",
        "five",
        "big",
        "(-big - 1)",
        "0",
        "-1",
        "2.5",
        "1e308",
        "text",
        "file",
        "dir",
        "words",
        "map",
        "object1",
        "(1, 2)",
    ];
    let host = Memory::default();
    for version in [V1_0, V1_2] {
        for operator in ["||", "&&", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "**"] {
            if operator == "**" && version < V1_2 {
                continue;
            }
            for left in operands {
                for right in operands {
                    let _ = eval_with(&host, version, &format!("{left} {operator} {right}"));
                }
            }
        }
        for left in operands {
            for right in operands {
                let _ = eval_with(&host, version, &format!("[{left}, {right}]"));
                let _ = eval_with(&host, version, &format!("{{{left}: {right}}}"));
                let _ = eval_with(&host, version, &format!("{left}[{right}]"));
                let _ = eval_with(&host, version, &format!("\"~{{{left}}} ~{{if yes then {left} else {right}}}\""));
            }
            let _ = eval_with(&host, version, &format!("-({left})"));
            let _ = eval_with(&host, version, &format!("!{left}"));
            let _ = eval_with(&host, version, &format!("({left}).left"));
        }
    }
}
