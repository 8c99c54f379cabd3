//! One document per rule: what is told, and what is not.

use insta::assert_snapshot;

use super::lint;
use crate::{load, load::MemoryLoader};

/// Findings, one a line.
fn report(text: &str) -> String {
    let loader = MemoryLoader::default()
        .with("a.wdl", text)
        .with("lib.wdl", "version 1.1\nstruct S { Int a }\ntask t { command <<<>>> output { Int o = 1 } }");
    let module = load::load("a.wdl", &loader).unwrap().module;
    lint(&module).iter().map(|finding| format!("{finding}\n")).collect()
}

#[test]
fn unused_inputs_and_declarations_of_tasks() {
    assert_snapshot!(report("version 1.1
task t {
  input { Int a Int b Int? c File index env_like e }
  Int d = 1
  String used = \"~{b}\"
  command <<< ~{used} >>>
  output { Int o = a }
  runtime { docker: \"x:1\" }
}
struct env_like { Int x }"), @r"
    a.wdl:3:28: warning[unused-input]: input `c` of task `t` is never used
    a.wdl:3:50: warning[unused-input]: input `e` of task `t` is never used
    a.wdl:4:7: warning[unused-declaration]: `d` is never used
    ");
}

#[test]
fn unused_things_of_workflows() {
    let text = "version 1.1
import \"lib.wdl\" as one
import \"lib.wdl\" as two
import \"lib.wdl\" as three alias S as R
task own { input { Int i } command <<<>>> output { Int o = i } }
task other { command <<<>>> }
workflow w {
  input { Int a Int b R r File f }
  call own { input: i = a }
  call own as again { input: i = r.a }
  call own as last after again { input: i = 1 }
  call one.t
  Int unused = 1
  if (true) { Int inner = 2 Int seen = 3 }
  output { Int o = own.o Int? p = seen Int q = last.o }
}";
    assert_snapshot!(report(text), @r"
    a.wdl:3:8: warning[unused-import]: import `two` is never used
    a.wdl:6:6: warning[unused-task]: task `other` is not called by the workflow of its document
    a.wdl:8:21: warning[unused-input]: input `b` of workflow `w` is never used
    a.wdl:8:32: warning[unused-input]: input `f` of workflow `w` is never used
    a.wdl:12:12: warning[unused-call]: nothing uses the outputs of call `t`
    a.wdl:13:7: warning[unused-declaration]: `unused` is never used
    a.wdl:14:19: warning[unused-declaration]: `inner` is never used
    ");
    // Without named outputs a call is there for what it does, and what a syntax error hides may be used there.
    assert_snapshot!(report("version 1.0\nimport \"lib.wdl\"\nworkflow w {\n input { Int hidden }\n call lib.t\n Int a = (hidden\n }"), @"");
}

#[test]
fn containers() {
    assert_snapshot!(report("version 1.1
task none { command <<< true >>> }
task empty { command <<< >>> }
task latest { command <<< true >>> runtime { docker: \"a/b:latest\" } }
task untagged { input { String image = \"host:5000/a/b\" } command <<< true >>> runtime { container: image } }
task pinned { input { String v = \"1\" } command <<< true >>> runtime { container: [\"a:1\", \"a@sha256:00\", \"a:~{v}\", \"*\"] } }"), @r"
    a.wdl:2:6: warning[no-container]: task `none` names no container image
    a.wdl:4:54: warning[unpinned-container]: image `a/b:latest` has the tag `latest`: it may be another one tomorrow
    a.wdl:5:40: warning[unpinned-container]: image `host:5000/a/b` has no tag: it may be another one tomorrow
    ");
}

#[test]
fn deprecated_constructs() {
    let body = "task t {
  input { Array[String] a Boolean b String? c Object o }
  command <<< ~{sep=' ' a} ~{true='x' false='y' b} ~{default='z' c} ~{o.x} >>>
  runtime { docker: \"x:1\" }
}";
    assert_eq!(report(&format!("version 1.0\n{body}")), "");
    assert_snapshot!(report(&format!("version 1.1\n{body}")), @r"
    a.wdl:3:47: warning[deprecated]: type `Object` is deprecated since WDL 1.1
    a.wdl:4:15: warning[deprecated]: a placeholder with `sep` is deprecated since WDL 1.1
    a.wdl:4:28: warning[deprecated]: a placeholder with `true` and `false` is deprecated since WDL 1.1
    a.wdl:4:52: warning[deprecated]: a placeholder with `default` is deprecated since WDL 1.1
    ");
    assert_snapshot!(report("version 1.2
task t { command <<< true >>> runtime { container: \"x:1\" } }
task u { command <<< true >>> requirements { docker: \"x:1\" maxRetries: 2 } }
workflow w { meta { allowNestedInputs: true } call t call u }"), @r"
    a.wdl:2:41: warning[deprecated]: section `runtime` is deprecated since WDL 1.2
    a.wdl:3:46: warning[deprecated]: `docker` is deprecated since WDL 1.2
    a.wdl:3:60: warning[deprecated]: `maxRetries` is deprecated since WDL 1.2
    a.wdl:4:21: warning[deprecated]: `allowNestedInputs` in `meta` is deprecated since WDL 1.2
    ");
}

#[test]
fn commands() {
    assert_snapshot!(report("version 1.1
task t {
  input { String x String y String z File f File g env String e }
  command <<<
    y=1
    for z in a; do echo ${z}; done
    echo ${x} ${y} ${x:-1} ${other} ${e} ~{x} ~{y} ~{z} ~{e}
    # ${x}
    cat ~{f} \"~{f}\" '~{g}' it\\'s ~{g}
  >>>
  runtime { container: \"x:1\" }
}"), @r"
    a.wdl:7:10: warning[dollar-in-heredoc]: `${x}` in a heredoc command is a variable of the shell, which has none of this name
    a.wdl:9:9: warning[unquoted-placeholder]: path `f` is not quoted: blanks in it would make several words
    a.wdl:9:34: warning[unquoted-placeholder]: path `g` is not quoted: blanks in it would make several words
    ");
}
