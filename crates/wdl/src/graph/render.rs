//! Drawings in the notations of Graphviz and Mermaid.

use std::{fmt::Write, sync::Arc};

use super::drawing::{Drawing, Part, Shape};
use crate::{ast::Workflow, module::Module};

/// The workflow as Graphviz text: a box per call, a cluster per scatter and conditional, an arrow per dependency.
/// Calls of workflows have two borders.
pub fn dot(module: &Arc<Module>, workflow: &Workflow) -> String {
    let drawing = Drawing::new(module, workflow);
    let mut out = format!("digraph {} {{\n  #rankdir=LR;\n  compound=true;\n\n  # Links\n", workflow.name.text);
    for link in &drawing.links {
        let Some((from, to)) = drawing.boxes.get(link.from).zip(drawing.boxes.get(link.to)) else { continue };
        let ends = [("lhead", link.head), ("ltail", link.tail)];
        let ends: Vec<String> = ends.iter().filter_map(|(key, cluster)| cluster.map(|c| format!("{key}=cluster_{c}"))).collect();
        let attributes = if ends.is_empty() { String::new() } else { format!(" [{}]", ends.join(" ")) };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  {} -> {}{attributes}", from.id, to.id);
    }
    out.push_str("\n  # Nodes\n");
    dot_parts(&drawing, &drawing.top, 1, &mut out);
    out.push_str("}\n");
    out
}

fn dot_parts(drawing: &Drawing, parts: &[Part], level: usize, out: &mut String) {
    let indent = "  ".repeat(level);
    for part in parts {
        match part {
            Part::Box(index) => {
                let Some(item) = drawing.boxes.get(*index) else { continue };
                let extra = match item.shape {
                    Shape::Task => "",
                    Shape::Workflow => " peripheries=2",
                    Shape::Variable => " shape=\"hexagon\"",
                };
                let _ = writeln!(out, "{indent}{} [label=\"{}\"{extra}]", item.id, quoted(&item.label));
            }
            Part::Cluster(index) => {
                let Some(cluster) = drawing.clusters.get(*index) else { continue };
                let _ = writeln!(out, "{indent}subgraph cluster_{index} {{");
                let _ = writeln!(out, "{indent}  style=\"dotted\"\n{indent}  label=\"{}\"", quoted(&cluster.label));
                dot_parts(drawing, &cluster.parts, level + 1, out);
                let _ = writeln!(out, "{indent}}}");
            }
        }
    }
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// The workflow as a Mermaid flow chart, with the same boxes and arrows as [`dot`].
pub fn mermaid(module: &Arc<Module>, workflow: &Workflow) -> String {
    let drawing = Drawing::new(module, workflow);
    let mut out = "flowchart TB\n".to_owned();
    mermaid_parts(&drawing, &drawing.top, 1, &mut out);
    for link in &drawing.links {
        let Some((from, to)) = drawing.boxes.get(link.from).zip(drawing.boxes.get(link.to)) else { continue };
        let _ = match link.head {
            Some(cluster) => writeln!(out, "  {} --> BLOCK_{cluster}", from.id),
            None => writeln!(out, "  {} --> {}", from.id, to.id),
        };
    }
    out
}

fn mermaid_parts(drawing: &Drawing, parts: &[Part], level: usize, out: &mut String) {
    let indent = "  ".repeat(level);
    for part in parts {
        match part {
            Part::Box(index) => {
                let Some(item) = drawing.boxes.get(*index) else { continue };
                let (open, close) = match item.shape {
                    Shape::Task => ("[", "]"),
                    Shape::Workflow => ("[[", "]]"),
                    Shape::Variable => ("{{", "}}"),
                };
                let _ = writeln!(out, "{indent}{}{open}\"{}\"{close}", item.id, entities(&item.label));
            }
            Part::Cluster(index) => {
                let Some(cluster) = drawing.clusters.get(*index) else { continue };
                let _ = writeln!(out, "{indent}subgraph BLOCK_{index}[\"{}\"]", entities(&cluster.label));
                mermaid_parts(drawing, &cluster.parts, level + 1, out);
                let _ = writeln!(out, "{indent}end");
            }
        }
    }
}

fn entities(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}
