//! Tasks.

use std::sync::Arc;

use super::{Parsed, Parser, declarations::Value, lexer::Tok};
use crate::{
    ast::{Command, Task},
    source::Span,
    version::Version,
};

/// Sections seen so far: each may stand once.
#[derive(Default)]
pub(super) struct Seen(Vec<(&'static str, Span)>);

impl Parser<'_> {
    /// The section keyword at the current token, if one of these begins a section here.
    pub(super) fn section(&self, names: &[&'static str]) -> Option<&'static str> {
        let word = self.word();
        let name = names.iter().find(|name| **name == word)?;
        (self.second().kind == Tok::LeftBrace).then_some(*name)
    }

    /// Takes a section keyword; a repeated section is reported.
    pub(super) fn begin_section(&mut self, seen: &mut Seen, section: &'static str) {
        let token = self.bump();
        let span = Span::new(token.start, token.end);
        self.layout.sections.push((section, span));
        match seen.0.iter().find(|(name, _)| *name == section) {
            Some((_, first)) => {
                let message = format!("second `{section}` section");
                // Old engines took several sections together in draft-2.
                let finding = if self.version == Version::Draft2 {
                    self.diagnostic_warning(span, message)
                } else {
                    self.diagnostic_error(span, message)
                };
                let finding = finding.hint("put everything into one section").related(*first, "the first one");
                self.push(finding);
            }
            None => seen.0.push((section, span)),
        }
    }

    /// `task name { ... }`.
    pub(super) fn task(&mut self) -> Parsed<Arc<Task>> {
        let start = self.bump().start;
        let name = self.name("the name of the task")?;
        let errors = self.findings.errors();
        let mut seen = Seen::default();
        let mut command = None;
        let mut task = Task {
            span: name.span,
            name,
            inputs: Vec::new(),
            decls: Vec::new(),
            command: Command { span: Span::default(), parts: Vec::new() },
            outputs: Vec::new(),
            runtime: Vec::new(),
            requirements: Vec::new(),
            hints: Vec::new(),
            meta: Vec::new(),
            parameter_meta: Vec::new(),
        };
        self.block(|p| {
            if p.at_command() {
                p.note_command(&mut seen);
                command = Some(p.command_section()?);
                return Ok(());
            }
            p.task_item(&mut task, &mut seen)
        });
        task.span = self.span_from(start);
        self.finish_task(&mut task, command, &seen, errors);
        Ok(Arc::new(task))
    }

    fn note_command(&mut self, seen: &mut Seen) {
        let span = self.token_span();
        if let Some((_, first)) = seen.0.iter().find(|(name, _)| *name == "command") {
            let error = self.diagnostic_error(span, "second `command` section").related(*first, "the first one");
            self.push(error);
        }
        seen.0.push(("command", span));
    }

    fn task_item(&mut self, task: &mut Task, seen: &mut Seen) -> Parsed<()> {
        const SECTIONS: &[&str] = &["input", "output", "runtime", "requirements", "hints", "meta", "parameter_meta"];
        let Some(section) = self.section(SECTIONS) else {
            if matches!(self.word(), "call" | "scatter" | "if") {
                let error = self.diagnostic_error(self.token_span(), format!("`{}` cannot stand in a task", self.word()));
                return Err(self.fail(error.hint("calls, scatters and conditions belong in a workflow")));
            }
            let declaration = self.declaration(Value::Optional)?;
            // Draft-2 has no input section: every declaration can be set from outside.
            let list = if self.version == Version::Draft2 { &mut task.inputs } else { &mut task.decls };
            list.push(declaration);
            return Ok(());
        };
        let span = self.token_span();
        self.begin_section(seen, section);
        match section {
            "input" => {
                self.needs(Version::V1_0, span, "an `input` section");
                task.inputs.extend(self.declarations(Value::Optional));
            }
            "output" => task.outputs.extend(self.declarations(Value::Required)),
            "runtime" => task.runtime.extend(self.expr_section()),
            "requirements" => {
                self.needs(Version::V1_2, span, "a `requirements` section");
                task.requirements.extend(self.expr_section());
            }
            "hints" => {
                self.needs(Version::V1_2, span, "a `hints` section");
                task.hints.extend(self.expr_section());
            }
            "meta" => task.meta.extend(self.meta_section()),
            _ => task.parameter_meta.extend(self.meta_section()),
        }
        Ok(())
    }

    fn finish_task(&mut self, task: &mut Task, command: Option<Command>, seen: &Seen, errors: usize) {
        let place = |name: &str| seen.0.iter().find(|(section, _)| *section == name).map(|(_, span)| *span);
        if let (Some(runtime), Some(newer)) = (place("runtime"), place("requirements").or(place("hints"))) {
            let error = self.diagnostic_error(runtime, format!("task `{}` has both `runtime` and its replacement", task.name.text));
            self.push(error.hint("move the entries of `runtime` into `requirements` and `hints`").related(newer, "the replacement"));
        }
        match command {
            Some(command) => task.command = command,
            // After a syntax error the command may just have been skipped.
            None if self.findings.errors() == errors => {
                let error = self.diagnostic_error(task.name.span, format!("task `{}` has no command", task.name.text));
                self.push(error.hint("add `command <<< >>>`, even an empty one"));
            }
            None => {}
        }
        self.report_repeated(&task.runtime, false);
        self.report_repeated(&task.requirements, true);
        self.report_repeated(&task.hints, true);
        self.report_repeated(&task.meta, false);
        self.report_repeated(&task.parameter_meta, false);
    }
}
