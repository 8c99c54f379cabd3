//! What becomes of old documents.

use insta::assert_snapshot;

use super::{Upgraded, upgrade};
use crate::{check::check, load, load::MemoryLoader, version::Version};

/// The new text and what is said about it; the new document has no errors.
fn upgraded(text: &str) -> String {
    let load = |text: &str| load::load("a.wdl", &MemoryLoader::default().with("a.wdl", text)).unwrap();
    let old = load(text);
    assert!(!old.diagnostics.iter().chain(&check(&old.module)).any(|finding| finding.is_error()));
    let Upgraded { text, notes } = upgrade(&old.module, Version::V1_1).unwrap();
    let new = load(&text);
    let wrong: Vec<String> = new.diagnostics.iter().chain(&check(&new.module)).filter(|f| f.is_error()).map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "{wrong:?}\n{text}");
    let notes: String = notes.iter().map(|note| format!("{note}\n")).collect();
    format!("{text}---\n{notes}")
}

#[test]
fn draft_two() {
    assert_snapshot!(upgraded(r#"# about
task t {
  File f   # the file
  Int n = 2
  Float x
  Array[String]+ words

  command <<<
    cat ${f} "~{text}" $HOME ${sep=' ' words} ${x} ${sep=\" \" words}
  >>>
  output {
    String s = "${n} ~{kept}"
    String u = sub(f, "(a)b", "$1")
  }
  runtime { docker: "a:1" memory: n + " GB" }
}
task u { command { echo ${a} } String a output { File o = stdout() } runtime { memory: "3500 MB" } }
workflow w {
  File f
  Int late = t.s + 1
  call t { input: f = f, x = size(f, "GB") }
  Int early = 3
  scatter (i in range(early)) { call u { input: a = i } }
}"#), @r#"
    # about
    version 1.1

    task t {
      input {
        File f  # the file
        Int n = 2
        Float x
        Array[String]+ words
      }

      command <<<
        cat ~{f} "\~{text}" $HOME ~{sep=' ' words} ~{x} ~{sep=" " words}
      >>>
      output {
        String s = "${n} \~{kept}"
        String u = sub(f, "(a)b", "\\1")
      }
      runtime {
        docker: "a:1"
        memory: n + " GiB"
      }
    }

    task u {
      command { echo ${a} }
      input {
        String a
      }
      output {
        File o = stdout()
      }
      runtime {
        memory: "3500 MiB"
      }
    }

    workflow w {
      input {
        File f
        Int early = 3
      }

      meta {
        allowNestedInputs: true
      }

      Int late = t.s + 1
      call t { input: f = f, x = size(f, "GiB") }

      scatter (i in range(early)) {
        call u { input: a = i }
      }

      output {
        String t_s = t.s
        String t_u = t.u
        Array[File] u_o = u.o
      }
    }
    ---
    a.wdl:9:47: warning[portability]: a number with decimals prints six of them from 1.1 on: `1.500000` for `1.5`
    a.wdl:18:10: warning[portability]: workflow `w` names no outputs; all outputs of its calls are named now, with `_` for the dot
    "#);
}

#[test]
fn outputs_without_types() {
    assert_snapshot!(upgraded("task t { command { echo } output { Int o = 1 Int p = 2 } }
workflow w { Int n = 1
 call t
 call t as u { }
 output { t.o
  u.*
  Int typed = t.p } }"), @r"
    version 1.1

    task t {
      command { echo }
      output {
        Int o = 1
        Int p = 2
      }
    }

    workflow w {
      input {
        Int n = 1
      }

      call t
      call t as u {}
      output {
        Int t_o = t.o

        Int u_o = u.o
        Int u_p = u.p

        Int typed = t.p
      }
    }
    ---
    a.wdl:5:11: warning[portability]: output `t.o` has another name now: from 1.0 on outputs have plain names
    a.wdl:6:3: warning[portability]: output `u` has another name now: from 1.0 on outputs have plain names
    ");
}

#[test]
fn version_one() {
    assert_snapshot!(upgraded("# head
version 1.0
task t { input { Int i } command <<< echo ${HOME} ~{i} >>> output { Int o = i } runtime { memory: \"~{i} GB\" } }
workflow w {
  meta { author: \"me\" }
  call t
}"), @r#"
    # head
    version 1.1

    task t {
      input {
        Int i
      }
      command <<< echo ${HOME} ~{i} >>>
      output {
        Int o = i
      }
      runtime {
        memory: "~{i} GiB"
      }
    }

    workflow w {
      meta {
        allowNestedInputs: true
        author: "me"
      }
      call t

      output {
        Int t_o = t.o
      }
    }
    ---
    a.wdl:4:10: warning[portability]: workflow `w` names no outputs; all outputs of its calls are named now, with `_` for the dot
    "#);
}
