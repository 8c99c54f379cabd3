use super::{FUNCTIONS, names, return_type};
use crate::{
    testing::{Memory, check, check_with, eval_with},
    types::Type,
    value::Value,
    version::{
        Dialect,
        Version::{self, Draft2, V1_0, V1_1, V1_2, V1_3},
    },
};

const ALL: &[Version] = &[Draft2, V1_0, V1_1, V1_2, V1_3];
const OLD: &[Version] = &[Draft2, V1_0];
const NEW: &[Version] = &[V1_1, V1_2, V1_3];

#[test]
fn names_are_sorted_and_unique() {
    let all: Vec<&str> = names().collect();
    assert!(all.is_sorted_by(|a, b| a < b));
    assert_eq!(all.len(), 55);
}

#[test]
fn wrong_calls_are_explained() {
    check(
        ALL,
        &[
            ("lenght(words)", "error: unknown function `lenght`"),
            ("length()", "error: `length` takes 1 argument, 0 given"),
            ("length(words, 1)", "error: `length` takes 1 argument, 2 given"),
            ("size(file, \"B\", 1)", "error: `size` takes 1 to 2 arguments, 3 given"),
            ("stdout(1)", "error: `stdout` takes no arguments, 1 given"),
            ("length(five)", "error: argument 1 of `length` must be an array, a map, an object or a string, not `5` of type `Int`"),
            ("range(undefined)", "error: argument 1 of `range`: an undefined value cannot be used as `Int`"),
        ],
    );
}

#[test]
fn numbers() {
    check(
        ALL,
        &[
            ("floor(2.7)", "2"),
            ("floor(-2.1)", "-3"),
            ("ceil(2.1)", "3"),
            ("ceil(-2.9)", "-2"),
            ("round(2.5)", "3"),
            ("round(-2.5)", "-2"),
            ("round(-2.6)", "-3"),
            ("round(0.49999999999999994)", "0"),
            ("round(big)", "9223372036854775807"),
            ("floor(\"a\")", "error: argument 1 of `floor`"),
            ("ceil(1e30)", "error: `ceil` of 1000000000000000000000000000000 does not fit a 64-bit `Int`"),
            ("min(1, 2)", "1"),
            ("max(1, 2)", "2"),
            ("min(1, text)", "error: argument 2 of `min`"),
        ],
    );
    check(OLD, &[("max(1, 2.5)", "2.5"), ("min(1, 2.5)", "1.0")]);
    check(NEW, &[("max(1, 2.5)", "2.500000")]);
}

#[test]
fn strings() {
    check(
        ALL,
        &[
            ("sub(\"abcb\", \"b\", \"x\")", "\"axcx\""),
            ("sub(\"abc\", \"z\", \"x\")", "\"abc\""),
            ("sub(\"abc\", \"b\", \"\")", "\"ac\""),
            ("sub(\"b\", \"b\", \"\")", "\"\""),
            ("sub(\"aab\", \"a+?\", \"-\")", "\"--b\""),
            ("sub(file, \"\\\\.bam$\", \".bai\")", "\"/in/a.bai\""),
            ("sub(\"a.b\", \"[.]\", \"\\\\\\\\\")", "\"a\\\\b\""),
            ("sub(\"Abc\", \"(?i)a\", \"x\")", "\"xbc\""),
            ("sub(\"x1y22\", \"[[:digit:]]+\", \"#\")", "\"x#y#\""),
            ("sub(\"foobar\", \"o(?=b)\", \"0\")", "\"fo0bar\""),
            ("sub(\"(\", \"(\", \"\")", "error: regular expression `(` is not valid: unclosed group"),
            ("basename(\"/a/b.txt\")", "\"b.txt\""),
            ("basename(\"/a/b/\")", "\"b\""),
            ("basename(\"b.txt\", \".txt\")", "\"b\""),
            ("basename(\"b.txt\", \"txt.\")", "\"b.txt\""),
            ("basename(\"gs://bucket/x/y.bam\", \".bam\")", "\"y\""),
            ("basename(file)", "\"a.bam\""),
            ("basename(\"\")", "\"\""),
            ("sep(\", \", words)", "\"a, b, c\""),
            ("sep(\",\", empty)", "\"\""),
            ("sep(\"-\", numbers)", "\"1-2-3\""),
            ("prefix(\"-I \", words)", "[\"-I a\", \"-I b\", \"-I c\"]"),
            ("suffix(\".t\", numbers)", "[\"1.t\", \"2.t\", \"3.t\"]"),
            ("quote(numbers)", "[\"\\\"1\\\"\", \"\\\"2\\\"\", \"\\\"3\\\"\"]"),
            ("squote(words)", "[\"'a'\", \"'b'\", \"'c'\"]"),
            ("prefix(\"a\", [words])", "error: argument 2 of `prefix`: element 0 of type `Array[String]` has no text"),
            ("find(\"abc123\", \"[0-9]+\")", "\"123\""),
            ("find(\"abc\", \"[0-9]\")", "None"),
            ("matches(\"abc\", \"b\")", "true"),
            ("matches(\"abc\", \"^b\")", "false"),
            ("split(\"a, b,c\", \", ?\")", "[\"a\", \"b\", \"c\"]"),
            ("split(\"abc\", \"z\")", "[\"abc\"]"),
            ("split(\",a,\", \",\")", "[\"\", \"a\", \"\"]"),
            ("split(\"abc\", \"\")", "[\"\", \"a\", \"b\", \"c\", \"\"]"),
            ("join_paths(\"/a\", \"b\")", "\"/a/b\""),
            ("join_paths(\"/a/\", [\"b\", \"c\"])", "\"/a/b/c\""),
            ("join_paths([\"a\", \"b\", \"c.txt\"])", "\"a/b/c.txt\""),
            ("join_paths(\"a\", \"/b\")", "error: `join_paths`: only the first path may be absolute, `/b` is too"),
            ("join_paths(empty)", "error: `join_paths` of an empty array"),
        ],
    );
    check(
        OLD,
        &[
            ("sub(\"abc\", \"(b)\", \"[\\\\1]\")", "\"a[1]c\""),
            ("sub(\"abc\", \"(b)\", \"[$1]\")", "\"a[b]c\""),
            ("sub(\"abc\", \"b\", \"\\\\0\\\\0\")", "\"a00c\""),
            ("sub(\"abc\", \"b*\", \"-\")", "\"-a--c-\""),
            ("sub(\"a\", \"a\", \"$5\")", "error: `sub` fails: the pattern has no group 5"),
            ("sub(\"a1_\", \"\\\\p{Alpha}\\\\d\\\\_\", \"x\")", "\"x\""),
            ("quote(floats)", "[\"\\\"1.0\\\"\", \"\\\"2.5\\\"\"]"),
        ],
    );
    check(
        NEW,
        &[
            ("sub(\"abc\", \"(b)\", \"[\\\\1]\")", "\"a[b]c\""),
            ("sub(\"abc\", \"(b)\", \"[$1]\")", "\"a[$1]c\""),
            ("sub(\"abc\", \"b*\", \"-\")", "\"-a-c-\""),
            ("quote([1.5])", "[\"\\\"1.500000\\\"\"]"),
        ],
    );
}

#[test]
fn arrays() {
    check(
        ALL,
        &[
            ("range(3)", "[0, 1, 2]"),
            ("range(0)", "[]"),
            ("range(-1)", "error: `range` needs a number from 0 on, not -1"),
            ("range(big)", "error: `range` would make more than 20000000 elements"),
            ("cross(range(10000), range(10000))", "error: `cross` would make more than"),
            ("transpose([[1, 2], [3, 4], [5, 6]])", "[[1, 3, 5], [2, 4, 6]]"),
            ("transpose([])", "[]"),
            ("transpose([[1], [2, 3]])", "error: `transpose` needs rows of one length"),
            ("transpose(numbers)", "error: argument 1 of `transpose`: element 0 is `1`, not an array"),
            ("zip(numbers, words)", "[(1, \"a\"), (2, \"b\"), (3, \"c\")]"),
            ("zip(numbers, empty)", "error: `zip` needs arrays of one length, these have 3 and 0 elements"),
            ("cross([1, 2], [\"a\", \"b\"])", "[(1, \"a\"), (1, \"b\"), (2, \"a\"), (2, \"b\")]"),
            ("unzip([(1, \"a\"), (2, \"b\")])", "([1, 2], [\"a\", \"b\"])"),
            ("unzip([])", "([], [])"),
            ("flatten([[1, 2], [], [3]])", "[1, 2, 3]"),
            ("flatten([])", "[]"),
            ("length(words)", "3"),
            ("length(map)", "2"),
            ("length(object1)", "2"),
            ("length(\"äb\")", "2"),
            ("select_first([undefined, 2, 3])", "2"),
            ("select_first([undefined])", "error: `select_first` finds no defined value"),
            ("select_first([])", "error: `select_first` of an empty array"),
            ("select_first([undefined], 7)", "7"),
            ("select_first([], 7)", "7"),
            ("select_all([undefined, 2, undefined, 3])", "[2, 3]"),
            ("select_all(words)", "[\"a\", \"b\", \"c\"]"),
            ("defined(undefined)", "false"),
            ("defined(five)", "true"),
            ("contains(numbers, 2)", "true"),
            ("contains(numbers, 9)", "false"),
            ("contains(maybe, undefined)", "true"),
            ("chunk(range(5), 2)", "[[0, 1], [2, 3], [4]]"),
            ("chunk(empty, 2)", "[]"),
            ("chunk(empty, 0)", "error: `chunk` needs a size from 1 on, not 0"),
        ],
    );
}

#[test]
fn maps() {
    check(
        ALL,
        &[
            ("as_pairs(map)", "[(\"b\", 1), (\"a\", 2)]"),
            ("as_map([(\"b\", 1), (\"a\", 2)])", "{\"b\": 1, \"a\": 2}"),
            ("as_map([(\"a\", 1), (\"a\", 2)])", "error: `as_map` finds the key `\"a\"` twice"),
            ("as_map(numbers)", "error: argument 1 of `as_map` must be an array of pairs"),
            ("keys(map)", "[\"b\", \"a\"]"),
            ("keys(object1)", "[\"a\", \"b\"]"),
            ("values(map)", "[1, 2]"),
            ("collect_by_key([(\"b\", 1), (\"a\", 2), (\"b\", 3)])", "{\"b\": [1, 3], \"a\": [2]}"),
            ("collect_by_key([])", "{}"),
            ("contains_key(map, \"a\")", "true"),
            ("contains_key(map, \"z\")", "false"),
            ("contains_key(object1, [\"b\", \"c\"])", "true"),
            ("contains_key(object1, [\"b\", \"c\", \"d\"])", "false"),
            ("contains_key(object1, [\"z\", \"c\"])", "false"),
            ("contains_key(five, \"a\")", "error: argument 1 of `contains_key`"),
            ("value(five)", "error: argument 1 of `value` must be an enum"),
        ],
    );
}

fn disk() -> Memory {
    Memory::with(&[
        ("/s", "  a  \n\n"),
        ("/i", " 42\n"),
        ("/f", "1.5\n"),
        ("/b", "TRUE\n"),
        ("/words", "one\r\n\ntwo\n\n\n"),
        ("/none", ""),
        ("/newline", "\n"),
        ("/t.tsv", "a\tb\n1\t2\n\n3\t\n"),
        ("/m.tsv", "k\tv\nl\tw\n"),
        ("/m2.tsv", "k\tv\nk\tw\n"),
        ("/o.tsv", "a\tb\n1\t2\n"),
        ("/h.tsv", "a\tb\n"),
        ("/j", "{\"x\": [1, 2.5, null, \"s\"], \"y\": {\"z\": true}}"),
        ("/long", &"9".repeat(5000)),
        ("/k", &"x".repeat(2048)),
    ])
}

#[test]
fn reading() {
    let disk = disk();
    check_with(
        &disk,
        ALL,
        &[
            ("read_int(\"/i\")", "42"),
            ("read_boolean(\"/b\")", "true"),
            ("read_int(\"/s\")", "error: `read_int`: file `/s` holds `\"a\"` and not an integer"),
            ("read_float(\"/none\")", "error: `read_float`: file `/none` holds nothing and not a number"),
            ("read_int(\"/long\")", "error: file `/long` is larger than requested maximum of 4096 Bytes."),
            ("read_string(\"/gone\")", "error: `read_string`: file `/gone` does not exist"),
            ("read_string(undefined)", "error: argument 1 of `read_string` is undefined"),
            ("read_map(\"/m.tsv\")", "{\"k\": \"v\", \"l\": \"w\"}"),
            ("read_map(\"/none\")", "{}"),
            ("read_object(\"/o.tsv\")", "object {a: \"1\", b: \"2\"}"),
            ("read_objects(\"/o.tsv\")", "[object {a: \"1\", b: \"2\"}]"),
            ("read_tsv(\"/o.tsv\", true)", "[object {a: \"1\", b: \"2\"}]"),
            ("read_tsv(\"/o.tsv\", false, [\"p\", \"q\"])", "[object {p: \"a\", q: \"b\"}, object {p: \"1\", q: \"2\"}]"),
            ("read_tsv(\"/o.tsv\", true, [\"p\", \"q\"])", "[object {p: \"1\", q: \"2\"}]"),
            ("read_tsv(\"/h.tsv\", true)", "[]"),
            ("read_tsv(\"/none\")", "[]"),
            ("read_json(\"/j\").y.z", "true"),
            ("read_json(\"/j\").x[0]", "1"),
            ("read_json(\"/none\")", "error: `read_json`: file `/none` is not valid JSON: it is empty"),
            ("read_json(\"/i\") + 1", "43"),
            ("stdout()", "\"/out\""),
            ("stderr()", "error: `stderr` can only be used in the outputs of a task"),
            ("glob(\"*.tsv\")[0]", "\"/h.tsv\""),
        ],
    );
    check_with(
        &disk,
        OLD,
        &[
            ("read_string(\"/s\")", "\"a\""),
            ("read_lines(\"/words\")", "[\"one\r\", \"\", \"two\"]"),
            ("read_lines(\"/newline\")", "[]"),
            ("read_float(\"/f\")", "1.5"),
            ("read_tsv(\"/t.tsv\")", "[[\"a\", \"b\"], [\"1\", \"2\"], [\"3\"]]"),
            ("read_map(\"/m2.tsv\")", "{\"k\": \"w\"}"),
            ("read_objects(\"/h.tsv\")", "error: `read_objects` needs a row of names and rows of values"),
        ],
    );
    check_with(&disk, &[Draft2], &[("read_lines(\"/none\")", "[\"\"]"), ("read_boolean(\"/i\")", "false")]);
    check_with(&disk, &[V1_0], &[("read_lines(\"/none\")", "[]"), ("read_boolean(\"/i\")", "error: `read_boolean`")]);
    check_with(
        &disk,
        NEW,
        &[
            ("read_string(\"/s\")", "\"  a  \""),
            ("read_lines(\"/words\")", "[\"one\", \"\", \"two\", \"\", \"\"]"),
            ("read_lines(\"/none\")", "[]"),
            ("read_lines(\"/newline\")", "[\"\"]"),
            ("read_tsv(\"/t.tsv\")", "[[\"a\", \"b\"], [\"1\", \"2\"], [\"\"], [\"3\", \"\"]]"),
            ("read_map(\"/m2.tsv\")", "error: `read_map`: row 2 repeats the key `\"k\"`"),
            ("read_map(\"/s\")", "error: `read_map`: row 1 has 1 fields instead of a key and a value"),
            ("read_objects(\"/h.tsv\")", "[]"),
        ],
    );
}

#[test]
fn sizes() {
    let disk = disk();
    check_with(&disk, OLD, &[("size(\"/k\")", "2048.0"), ("size(\"/k\", \"KB\")", "2.0"), ("size(\"/k\", \"KiB\")", "2.0")]);
    check_with(&disk, OLD, &[("size([\"/k\", \"/k\"], \"M\")", "0.00390625"), ("size(undefined)", "0.0"), ("size(empty)", "0.0")]);
    check_with(
        &disk,
        NEW,
        &[
            ("size(\"/k\", \"KB\")", "2.048000"),
            ("size(\"/k\", \"kib\")", "2.000000"),
            ("size([undefined])", "0.000000"),
            ("size({\"a\": (\"/k\", 1)})", "0.000000"),
            ("size(five)", "error: argument 1 of `size`"),
            ("size(\"/k\", \"XB\")", "error: unknown unit `XB`"),
            ("size(\"/gone\")", "error: `size`: file `/gone` does not exist"),
        ],
    );
}

/// What a function wrote.
fn written(version: Version, expression: &str) -> String {
    let host = Memory { inside_task: true, ..Memory::default() };
    match eval_with(&host, version, expression) {
        Ok(Value::File(path)) => {
            let content = crate::eval::Host::read(&host, &path, u64::MAX).expect("a file");
            String::from_utf8(content).expect("text")
        }
        other => panic!("{expression}: {other:?}"),
    }
}

#[test]
fn writing() {
    for version in ALL {
        let w = |expression: &str| written(*version, expression);
        assert_eq!(w("write_lines(words)"), "a\nb\nc\n");
        assert_eq!(w("write_lines([])"), "");
        assert_eq!(w("write_lines(files)"), "/task/a.bam\n/task/b.bam\n");
        assert_eq!(w("write_tsv([[\"a\", \"b\"], [\"c\", \"d\"]])"), "a\tb\nc\td\n");
        assert_eq!(w("write_tsv([[1, 2]], true, [\"x\", \"y\"])"), "x\ty\n1\t2\n");
        assert_eq!(w("write_tsv([object { a: 1, b: \"x\" }], true)"), "a\tb\n1\tx\n");
        assert_eq!(w("write_map(map)"), "b\t1\na\t2\n");
        assert_eq!(w("write_object(object { a: 1, b: \"x\" })"), "a\tb\n1\tx\n");
        assert_eq!(w("write_objects([object { a: 1, b: 2 }, object { b: 4, a: 3 }])"), "a\tb\n1\t2\n3\t4\n");
        assert_eq!(w("write_json({\"a\": 1, \"b\": 2})"), "{\"a\": 1, \"b\": 2}");
        assert_eq!(
            w("write_json(object { a: [1, 2.5], b: undefined, c: \"q\\\"\", d: file, e: (1, 2) })"),
            "{\"a\": [1.0, 2.5], \"b\": null, \"c\": \"q\\\"\", \"d\": \"/task/a.bam\", \"e\": {\"left\": 1, \"right\": 2}}"
        );
        assert_eq!(w("write_json([])"), "[]");
    }
    for version in OLD {
        assert_eq!(written(*version, "write_json({1: true})"), "{\"1\": true}");
        assert_eq!(written(*version, "write_tsv([object { a: 1, b: \"x\" }])"), "a\tb\n1\tx\n");
        assert_eq!(written(*version, "write_tsv([1, 2])"), "1\n2\n");
    }
    assert_eq!(written(V1_2, "write_tsv([object { a: 1, b: \"x\" }])"), "1\tx\n");
    check(NEW, &[("write_json((1, [{2: true}]))", "error: `write_json`: `2` of type `Int` cannot be the name of a JSON member")]);
    check(
        ALL,
        &[
            ("write_tsv([[\"a\tb\"]])", "error: `write_tsv`: `\"a\\tb\"` has a tab or a line end and cannot be a field"),
            ("write_lines([words])", "error: argument 1 of `write_lines`: element 0"),
            ("write_objects([object { a: 1 }, object { b: 1 }])", "error: `write_objects`: member `a` of object 1 is missing"),
            ("write_map(five)", "error: argument 1 of `write_map` must be a map"),
        ],
    );
    check(OLD, &[("write_objects([])", "error: `write_objects` of an empty array")]);
    assert_eq!(written(V1_1, "write_objects([])"), "");
}

#[test]
fn many_lines_are_read_fast() {
    let text = "chr1:12345-67890\n".repeat(200_000);
    let host = Memory::with(&[("/big", &text)]);
    for version in [V1_0, V1_1] {
        let started = std::time::Instant::now();
        let Ok(Value::Array(lines)) = eval_with(&host, version, "read_lines(\"/big\")") else { panic!("no lines") };
        assert_eq!(lines.len(), 200_000);
        assert!(started.elapsed().as_secs() < 2, "{:?}", started.elapsed());
    }
}

fn ty(text: &str) -> Type {
    let module = crate::testing::module(&format!("version 1.2\nstruct S {{\n  {text} x\n}}\n"));
    module.structs.get("S").and_then(|s| s.member("x")).cloned().expect("a type")
}

fn result(call: &str, args: &[&str], dialect: Dialect) -> String {
    let args: Vec<Type> = args.iter().map(|a| ty(a)).collect();
    match return_type(call, &args, V1_2, dialect) {
        Ok(t) => t.to_string(),
        Err(e) => format!("error {:?}: {e}", e.argument),
    }
}

#[test]
fn cromwell_flattens_maps_to_pairs() {
    check(
        OLD,
        &[
            ("flatten([map, {\"c\": 3}])", "[(\"b\", 1), (\"a\", 2), (\"c\", 3)]"),
            ("flatten([map, numbers, 1])", "error: argument 1 of `flatten`: element 2 is `1`, neither an array nor a map"),
        ],
    );
    check(NEW, &[("flatten([map])", "error: argument 1 of `flatten`: element 0 is `")]);
    assert_eq!(result("flatten", &["Array[Map[String, Int]]"], Dialect::Cromwell), "Array[Pair[String, Int]]");
    assert!(result("flatten", &["Array[Map[String, Int]]"], Dialect::Specification).starts_with("error"));
}

#[test]
fn result_types() {
    for dialect in [Dialect::Cromwell, Dialect::Specification] {
        let r = |call: &str, args: &[&str]| result(call, args, dialect);
        assert_eq!(r("select_first", &["Array[Int?]"]), "Int");
        assert_eq!(r("select_first", &["Array[File?]+", "File"]), "File");
        assert_eq!(r("select_all", &["Array[Array[Int]?]"]), "Array[Array[Int]]");
        assert_eq!(r("zip", &["Array[Int]", "Array[String?]"]), "Array[Pair[Int, String?]]");
        assert_eq!(r("cross", &["Array[Int]+", "Array[String]+"]), "Array[Pair[Int, String]]+");
        assert_eq!(r("flatten", &["Array[Array[File]]"]), "Array[File]");
        assert_eq!(r("transpose", &["Array[Array[File]]"]), "Array[Array[File]]");
        assert_eq!(r("keys", &["Map[Int, File]"]), "Array[Int]");
        assert_eq!(r("collect_by_key", &["Array[Pair[Int, File]]"]), "Map[Int, Array[File]]");
        assert_eq!(r("unzip", &["Array[Pair[Int, File]]"]), "Pair[Array[Int], Array[File]]");
        assert_eq!(r("as_map", &["Array[Pair[Int, File]]"]), "Map[Int, File]");
        assert_eq!(r("min", &["Int", "Float"]), "Float");
        assert_eq!(r("max", &["Int", "Int"]), "Int");
        assert_eq!(r("read_tsv", &["File", "Boolean"]), "Array[Object]");
        assert_eq!(r("find", &["String", "String"]), "String?");
        assert_eq!(r("size", &["Array[File?]", "String"]), "Float");
        assert_eq!(r("prefix", &["String", "Array[Int]+"]), "Array[String]+");
        assert_eq!(r("length", &["Array[Int]?"]), "Int");
        assert_eq!(r("sub", &["File", "String", "String"]), "String");
        assert_eq!(r("join_paths", &["Array[String]"]), "String");
        assert_eq!(r("join_paths", &["File", "String"]), "String");
        assert_eq!(r("flatten", &["Array[Int]"]), "error Some(0): argument 1 of `flatten` must be an array of arrays, not `Array[Int]`");
        assert_eq!(
            r("length", &["Int"]),
            "error Some(0): argument 1 of `length` must be an array, a map, an object or a string, not `Int`"
        );
        assert_eq!(r("range", &["Array[Int]"]), "error Some(0): argument 1 of `range` must be `Int`, not `Array[Int]`");
        assert_eq!(r("sub", &["String"]), "error None: `sub` takes 3 arguments, 1 given");
        assert_eq!(r("floor", &["Float", "Int"]), "error Some(1): `floor` takes 1 argument, 2 given");
        assert_eq!(r("nothing", &[]), "error None: unknown function `nothing`");
    }
}

#[test]
fn no_function_panics_on_any_kind_of_value() {
    let host = disk();
    let arguments = [
        "undefined",
        "yes",
        "five",
        "big",
        "2.5",
        "text",
        "\"/none\"",
        "\"/t.tsv\"",
        "\"/s\"",
        "file",
        "words",
        "files",
        "empty",
        "maybe",
        "map",
        "object1",
        "(1, 2)",
        "[[1], [2]]",
        "[(1, 2)]",
        "\"(?=a)*\"",
        "\"\"",
    ];
    for version in [Draft2, V1_0, V1_2] {
        for function in FUNCTIONS {
            for first in arguments {
                for second in arguments {
                    let args = [first, second, "\"$1\\\\1\""];
                    let text = format!("{}({})", function.name, args.iter().take(function.max).copied().collect::<Vec<_>>().join(", "));
                    let _ = eval_with(&host, version, &text);
                    if function.max < 2 {
                        break;
                    }
                }
                if function.max == 0 {
                    break;
                }
            }
        }
    }
}
#[test]
fn timing() {
    let text = "chr1:12345-67890\n".repeat(200_000);
    let host = Memory::with(&[("/big", &text)]);
    for version in [V1_0, V1_1] {
        let started = std::time::Instant::now();
        let Ok(v) = eval_with(&host, version, "read_lines(\"/big\")") else { panic!("no lines") };
        println!("{:?}", started.elapsed());
        let s = std::time::Instant::now();
        let c = crate::coerce::coerce(&v, &Type::array(Type::String), Dialect::of(version));
        println!("coerce {:?}", s.elapsed());
        let s = std::time::Instant::now();
        let _ = crate::coerce::coerce(&v, &Type::array(Type::File), Dialect::of(version));
        println!("coerce to file {:?}", s.elapsed());
        drop(c);
    }
}
#[test]
fn timing2() {
    use std::sync::Arc;
    let text = "chr1:12345-67890\n".repeat(200_000);
    for _ in 0..3 {
        let s = std::time::Instant::now();
        let v: Vec<Value> = text.split('\n').map(Value::string).collect();
        println!("split collect {:?}", s.elapsed());
        drop(v);
        let s = std::time::Instant::now();
        let mut v: Vec<Value> = Vec::with_capacity(200_001);
        v.extend(text.split('\n').map(|l| Value::String(Arc::from(l))));
        println!("with capacity {:?}", s.elapsed());
        let s = std::time::Instant::now();
        drop(v);
        println!("drop {:?}", s.elapsed());
        let s = std::time::Instant::now();
        let c = text.clone().into_bytes();
        let u = String::from_utf8(c).unwrap();
        println!("clone utf8 {:?} {}", s.elapsed(), u.len());
    }
}
