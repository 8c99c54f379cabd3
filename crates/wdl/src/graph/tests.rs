//! Tests of names and drawings.

use std::sync::Arc;

use insta::assert_snapshot;

use super::{dot, free_names, mermaid};
use crate::{
    ast::Node,
    load::{MemoryLoader, load},
    module::Module,
};

fn module(text: &str) -> Arc<Module> {
    let library = "version 1.1\nworkflow sub { input { Int i } output { Int o = i } }";
    let loader = MemoryLoader::default().with("main.wdl", text).with("lib.wdl", library);
    load("main.wdl", &loader).unwrap().module
}

const WORKFLOW: &str = r#"
version 1.1
import "lib.wdl"
task t { input { Int i } command {} output { Int o = i } }
workflow w {
    input { Array[Int] xs  Boolean b = true }
    Int first = a.o + 1
    call t as a { input: i = 1 }
    scatter (x in xs) {
        Int y = x + first
        call t as inner { input: i = y }
    }
    if (b && a.o > 3) {
        call lib.sub after a { input: i = inner.o[0] }
        scatter (z in inner.o) {
            call t as deep { input: i = z }
        }
    }
}
"#;

fn drawn(draw: impl Fn(&Arc<Module>, &crate::ast::Workflow) -> String) -> String {
    let module = module(WORKFLOW);
    draw(&module, module.document.workflow.as_ref().unwrap())
}

#[test]
fn graphviz() {
    assert_snapshot!(drawn(dot), @r#"
    digraph w {
      #rankdir=LR;
      compound=true;

      # Links
      SCATTER_0_VARIABLE_x -> CALL_inner
      CALL_a -> CALL_inner
      CALL_a -> CALL_sub [lhead=cluster_1]
      CALL_inner -> CALL_sub [ltail=cluster_0]
      CALL_a -> CALL_sub
      CALL_inner -> SCATTER_2_VARIABLE_z [ltail=cluster_0]
      SCATTER_2_VARIABLE_z -> CALL_deep

      # Nodes
      CALL_a [label="call a"]
      subgraph cluster_0 {
        style="dotted"
        label="scatter (x in xs)"
        SCATTER_0_VARIABLE_x [label="scatter over xs as x" shape="hexagon"]
        CALL_inner [label="call inner"]
      }
      subgraph cluster_1 {
        style="dotted"
        label="if (b && a.o > 3)"
        CALL_sub [label="call sub" peripheries=2]
        subgraph cluster_2 {
          style="dotted"
          label="scatter (z in inner.o)"
          SCATTER_2_VARIABLE_z [label="scatter over inner.o as z" shape="hexagon"]
          CALL_deep [label="call deep"]
        }
      }
    }
    "#);
}

#[test]
fn mermaid_chart() {
    assert_snapshot!(drawn(mermaid), @r#"
    flowchart TB
      CALL_a["call a"]
      subgraph BLOCK_0["scatter (x in xs)"]
        SCATTER_0_VARIABLE_x{{"scatter over xs as x"}}
        CALL_inner["call inner"]
      end
      subgraph BLOCK_1["if (b && a.o #gt; 3)"]
        CALL_sub[["call sub"]]
        subgraph BLOCK_2["scatter (z in inner.o)"]
          SCATTER_2_VARIABLE_z{{"scatter over inner.o as z"}}
          CALL_deep["call deep"]
        end
      end
      SCATTER_0_VARIABLE_x --> CALL_inner
      CALL_a --> CALL_inner
      CALL_a --> BLOCK_1
      CALL_inner --> CALL_sub
      CALL_a --> CALL_sub
      CALL_inner --> SCATTER_2_VARIABLE_z
      SCATTER_2_VARIABLE_z --> CALL_deep
    "#);
}

#[test]
fn names_of_an_expression() {
    let module = module(r#"version 1.1 workflow w { String s = "~{a.b} ~{sep(c, [d, "x"])}" + if e then f[g] else h.left }"#);
    let workflow = module.document.workflow.as_ref().unwrap();
    let Some(Node::Decl(decl)) = workflow.body.first() else { panic!() };
    let mut names = Vec::new();
    free_names(decl.value.as_ref().unwrap(), &mut names);
    let names: Vec<&str> = names.iter().map(|n| &**n).collect();
    assert_eq!(names, ["a", "c", "d", "e", "f", "g", "h"]);
}
