//! Layouts, and what never changes.

use insta::assert_snapshot;

use super::format;
use crate::source::Source;

/// The layout of a text, which has itself for a layout.
fn formatted(text: &str) -> String {
    let once = format(&Source::new("t.wdl", text)).unwrap();
    let twice = format(&Source::new("t.wdl", once.as_str())).unwrap();
    assert_eq!(once, twice);
    once
}

#[test]
fn sections_statements_and_comments() {
    assert_snapshot!(formatted(r#"# head
version   1.3
import "a.wdl"  as a
import "b.wdl"

# about the task
task t{input{Int   a=1 # first
    # own line
   Array[ String ]+?b }

command<<<
        echo ~{a}
          more

    last   >>>
output{ File o="x" }   runtime{ docker:"a:1"  cpu : 2 }
meta { a: {b: 1, c: [1,2]} }
}
struct S { Int a

   Int? b }
workflow w { input{ } if(true){ call t as u after t{ input: a=1,b = [ "x" ] } } else { Int z = - 1 }
 scatter(i in range( 3 )){ call t{input:
   a=i,
   b=["x"]  # why
   } }
 # end
}"#), @r#"
    # head
    version 1.3

    import "a.wdl" as a
    import "b.wdl"

    # about the task
    task t {
      input {
        Int a = 1  # first
        # own line
        Array[String]+? b
      }

      command <<<
            echo ~{a}
              more

        last
      >>>
      output {
        File o = "x"
      }
      runtime {
        docker: "a:1"
        cpu: 2
      }
      meta {
        a: { b: 1, c: [1, 2] }
      }
    }

    struct S {
      Int a

      Int? b
    }

    workflow w {
      input {}
      if (true) {
        call t as u after t { input: a = 1, b = ["x"] }
      } else {
        Int z = -1
      }
      scatter (i in range(3)) {
        call t {
          input:
            a = i,
            b = ["x"]  # why
        }
      }
      # end
    }
    "#);
}

#[test]
fn long_statements() {
    assert_snapshot!(formatted(r#"version 1.1
workflow w {
  Array[String] a = ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "ccccccccccccccc"]
  Int b = select_first([aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, cccccccccccc])
  Int c = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa + bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
      + cccccccccccccccccccccccccccccccc
  Map[String, Int] d = {
    "a": 1, # one
    # two
    "b": f(2)[0].x,
  }
  String e = if a then
    "b" else "c"
  Array[Int] f = [
    1, 2]
}"#), @r#"
    version 1.1

    workflow w {
      Array[String] a = [
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
        "ccccccccccccccc"
      ]
      Int b = select_first([
        aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,
        bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb,
        cccccccccccc
      ])
      Int c = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa + bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
          + cccccccccccccccccccccccccccccccc
      Map[String, Int] d = {
        "a": 1,  # one
        # two
        "b": f(2)[0].x,
      }
      String e = if a then "b" else "c"
      Array[Int] f = [
        1,
        2
      ]
    }
    "#);
}

#[test]
fn commands_are_moved_as_a_whole() {
    assert_snapshot!(formatted("version 1.0\ntask t {\ncommand <<<\n\t  a\n\t    b\n\n\t  ~{c}>>>\n}\ntask u { command {echo} }\ntask v { command <<<\n  a\n     >>> }"), @r"
    version 1.0

    task t {
      command <<<
        a
          b

        ~{c}
      >>>
    }

    task u {
      command {echo}
    }

    task v {
      command <<<
        a
      >>>
    }
    ");
}

#[test]
fn syntax_errors_are_told() {
    assert!(matches!(format(&Source::new("t.wdl", "task t {")), Err(super::FormatError::Syntax(list)) if !list.is_empty()));
}
