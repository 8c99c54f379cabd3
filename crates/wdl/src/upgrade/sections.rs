//! Declarations of draft-2 that become `input` sections.

use super::Upgrade;
use crate::{
    ast::{Decl, Node, Task, Workflow},
    inputs::workflow_input_decls,
    source::Span,
    version::Version,
};

impl Upgrade<'_> {
    pub(super) fn task_sections(&mut self, task: &Task) {
        if self.module.document.version > Version::Draft2 {
            return;
        }
        let mut others = vec![task.command.span];
        others.extend(task.outputs.iter().map(|decl| decl.span));
        others.extend(task.runtime.iter().map(|(key, _)| key.span));
        others.extend(task.meta.iter().chain(&task.parameter_meta).map(|(key, _)| key.span));
        let decls: Vec<&Decl> = task.inputs.iter().collect();
        self.inputs(&decls, &others, task.name.span);
    }

    pub(super) fn workflow_sections(&mut self, workflow: &Workflow) {
        if self.module.document.version > Version::Draft2 {
            return;
        }
        let decls = workflow_input_decls(workflow, Version::Draft2);
        let is_input = |decl: &Decl| decls.iter().any(|input| input.span == decl.span);
        let mut others: Vec<Span> = Vec::new();
        for node in &workflow.body {
            match node {
                Node::Decl(decl) if is_input(decl) => {}
                Node::Decl(decl) => others.push(decl.span),
                Node::Call(call) => others.push(call.span),
                Node::Scatter(scatter) => others.push(scatter.span),
                Node::If(conditional) => others.push(conditional.span),
            }
        }
        others.extend(workflow.meta.iter().chain(&workflow.parameter_meta).map(|(key, _)| key.span));
        others.extend(workflow.outputs.iter().map(|section| section.span));
        self.inputs(&decls, &others, workflow.name.span);
    }

    /// Puts declarations into an `input` section: where they are if they stand together, else at the begin.
    fn inputs(&mut self, decls: &[&Decl], others: &[Span], name: Span) {
        let (Some(first), Some(last)) = (decls.first(), decls.last()) else { return };
        let (start, end) = (first.span.start, last.span.end);
        if !others.iter().any(|other| other.start > start && other.start < end) {
            self.insert(start, "input {\n");
            let after = self.statement_end(end);
            self.insert(after, "\n}\n");
            return;
        }
        let Some(at) = self.body_start(name) else { return };
        let lines: Vec<String> = decls.iter().map(|decl| self.slice(decl.span).to_owned()).collect();
        self.insert(at, format!("\ninput {{\n{}\n}}\n", lines.join("\n")));
        for decl in decls {
            self.replace(decl.span, "");
        }
    }

    /// The end of a statement with the comment that follows on its line.
    fn statement_end(&self, end: u32) -> u32 {
        let rest = self.module.document.source.text.get(end as usize..).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default();
        if line.trim_start().starts_with('#') { end + line.len() as u32 } else { end }
    }
}
