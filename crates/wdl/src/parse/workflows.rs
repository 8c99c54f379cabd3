//! Workflows: calls, scatters, conditionals and the sections of a workflow.

use std::{collections::HashSet, sync::Arc};

use super::{
    Parsed, Parser,
    declarations::Value,
    lexer::{Tok, Token},
    tasks::Seen,
};
use crate::{
    ast::{Call, Clause, Conditional, Decl, Expr, ExprKind, LegacyOutput, Name, Node, OutputSection, Scatter, Workflow},
    graph::visit_names,
    source::Span,
    version::Version,
};

const SECTIONS: &[&str] = &["input", "output", "meta", "parameter_meta", "hints"];

impl Parser<'_> {
    /// `workflow name { ... }`.
    pub(super) fn workflow(&mut self) -> Parsed<Arc<Workflow>> {
        let start = self.bump().start;
        let name = self.name("the name of the workflow")?;
        let mut workflow = Workflow {
            span: name.span,
            name,
            inputs: Vec::new(),
            body: Vec::new(),
            outputs: None,
            meta: Vec::new(),
            parameter_meta: Vec::new(),
            hints: Vec::new(),
        };
        let mut seen = Seen::default();
        self.block(|p| p.workflow_item(&mut workflow, &mut seen));
        workflow.span = self.span_from(start);
        for entries in [&workflow.meta, &workflow.parameter_meta, &workflow.hints] {
            self.report_repeated(entries, false);
        }
        for inner in std::mem::take(&mut self.inner_outputs) {
            let section = workflow.outputs.get_or_insert_with(|| OutputSection { legacy: Vec::new(), decls: Vec::new(), span: inner.span });
            section.legacy.extend(inner.legacy);
            section.decls.extend(inner.decls);
        }
        if self.version <= Version::V1_0 {
            self.hoist_outputs(&mut workflow);
        }
        let empty = |section: &OutputSection| section.legacy.is_empty() && section.decls.is_empty();
        if self.version == Version::Draft2 && workflow.outputs.as_ref().is_some_and(empty) {
            // Cromwell takes an empty section for none at all, and then exports everything.
            workflow.outputs = None;
        }
        Ok(Arc::new(workflow))
    }

    fn workflow_item(&mut self, workflow: &mut Workflow, seen: &mut Seen) -> Parsed<()> {
        let Some(section) = self.section(SECTIONS) else {
            workflow.body.push(self.node()?);
            return Ok(());
        };
        let span = self.token_span();
        self.begin_section(seen, section);
        match section {
            "input" => {
                self.needs(Version::V1_0, span, "an `input` section");
                workflow.inputs.extend(self.declarations(Value::Optional));
            }
            "output" => {
                let section = workflow.outputs.get_or_insert_with(|| OutputSection { span, legacy: Vec::new(), decls: Vec::new() });
                self.output_section(section);
            }
            "meta" => workflow.meta.extend(self.meta_section()),
            "parameter_meta" => workflow.parameter_meta.extend(self.meta_section()),
            _ => {
                self.needs(Version::V1_2, span, "a `hints` section");
                workflow.hints.extend(self.meta_section());
            }
        }
        Ok(())
    }

    fn output_section(&mut self, section: &mut OutputSection) {
        self.block(|p| {
            if p.at_legacy_output() {
                section.legacy.push(p.legacy_output()?);
            } else {
                section.decls.push(p.declaration(Value::Required)?);
            }
            p.eat(Tok::Comma);
            Ok(())
        });
        section.span = self.span_from(section.span.start as usize);
    }

    /// Cromwell lets the body of a workflow use its outputs. The body gets a copy of each such declaration, so that
    /// nothing else has to know.
    fn hoist_outputs(&mut self, workflow: &mut Workflow) {
        let Some(section) = workflow.outputs.as_ref().filter(|section| !section.decls.is_empty()) else { return };
        let mut names = BodyNames::default();
        workflow.inputs.iter().for_each(|decl| names.decl(decl));
        names.body(&workflow.body);
        let mut hoisted = Vec::new();
        for decl in &section.decls {
            if names.used.contains(&decl.name.text) && !names.declared.contains(&decl.name.text) {
                let warning =
                    self.diagnostic_warning(decl.name.span, format!("output `{}` is used in the body of the workflow", decl.name.text));
                self.push(warning.hint("declare the value in the body: other engines refuse this"));
                hoisted.push(Node::Decl(decl.clone()));
            }
        }
        workflow.body.extend(hoisted);
    }

    /// Whether the line is a draft-2 output: `call.out`, `call.*`, or a lone name.
    fn at_legacy_output(&self) -> bool {
        if !self.is(Tok::Ident) {
            return false;
        }
        let second = self.second();
        match second.kind {
            Tok::Dot | Tok::Comma | Tok::RightBrace => true,
            Tok::Ident => second.first_on_line && self.version == Version::Draft2 && !super::is_reserved(self.word(), self.version),
            _ => false,
        }
    }

    fn legacy_output(&mut self) -> Parsed<LegacyOutput> {
        let start = self.token.start;
        let mut path = vec![self.any_name("an output")?];
        let mut wildcard = false;
        while self.eat(Tok::Dot) {
            if self.eat(Tok::Star) {
                wildcard = true;
                break;
            }
            path.push(self.any_name("an output")?);
        }
        let span = self.span_from(start);
        if self.at_least(Version::V1_0) {
            let written = self.slice(start, self.last_end);
            let error = self.diagnostic_error(span, format!("output `{written}` has no type")).label("draft-2 form");
            self.push(error.hint(format!("write `File name = {written}` with the type of the output")));
        }
        Ok(LegacyOutput { span, path, wildcard })
    }

    /// An element of a workflow body.
    fn node(&mut self) -> Parsed<Node> {
        let second = self.second().kind;
        match self.word() {
            "call" if second == Tok::Ident => Ok(Node::Call(self.call_statement()?)),
            "scatter" if second == Tok::LeftParen => Ok(Node::Scatter(self.scatter()?)),
            "if" if second == Tok::LeftParen => Ok(Node::If(self.conditional()?)),
            "while" if second == Tok::LeftParen => {
                let error = self.diagnostic_error(self.token_span(), "`while` loops do not exist in WDL").hint("use `scatter`");
                Err(self.fail(error))
            }
            "else" => {
                let error = self.diagnostic_error(self.token_span(), "`else` without an `if` before it");
                Err(self.fail(error))
            }
            "command" | "runtime" if matches!(second, Tok::LeftBrace | Tok::Multiline) => {
                let error = self.diagnostic_error(self.token_span(), format!("`{}` cannot stand in a workflow", self.word()));
                Err(self.fail(error.hint("commands and their runtime belong in a task")))
            }
            _ => Ok(Node::Decl(self.declaration(Value::Optional)?)),
        }
    }

    /// The body of a scatter or conditional.
    fn body(&mut self) -> Parsed<Vec<Node>> {
        self.nested(|p| {
            let mut body = Vec::new();
            p.block(|p| {
                if p.version == Version::Draft2 && p.section(&["output"]).is_some() {
                    let span = p.token_span();
                    let warning = p.diagnostic_warning(span, "`output` section inside a block").hint("move it to the end of the workflow");
                    p.push(warning);
                    p.bump();
                    let mut section = OutputSection { span, legacy: Vec::new(), decls: Vec::new() };
                    p.output_section(&mut section);
                    p.inner_outputs.push(section);
                    return Ok(());
                }
                if let Some(section) = p.section(SECTIONS) {
                    let error = p.diagnostic_error(p.token_span(), format!("`{section}` section inside a block"));
                    return Err(p.fail(error.hint("sections stand directly in the workflow")));
                }
                body.push(p.node()?);
                Ok(())
            });
            Ok(body)
        })
    }

    fn scatter(&mut self) -> Parsed<Scatter> {
        let start = self.bump().start;
        let open = self.bump();
        let variable = self.name("the name of the loop variable")?;
        let collection = self.header(start, |p| if p.eat_word("in") { p.expr_in_parentheses(open) } else { Err(p.unexpected("`in`")) })?;
        let body = self.body()?;
        Ok(Scatter { span: self.span_from(start), variable, collection, body })
    }

    fn expr_in_parentheses(&mut self, open: Token) -> Parsed<Expr> {
        let expr = self.expr()?;
        self.expect_close(Tok::RightParen, "`)`", open)?;
        Ok(expr)
    }

    /// What stands before the body of a block; after an error in it the body is still read.
    fn header(&mut self, start: usize, parse: impl FnOnce(&mut Self) -> Parsed<Expr>) -> Parsed<Expr> {
        let braces = self.braces;
        parse(self).or_else(|error| {
            self.braces = braces;
            let found = self.recover_body(start);
            let lost = Expr { span: self.span_from(start), kind: ExprKind::Lost };
            if found { Ok(lost) } else { Err(error) }
        })
    }

    fn conditional(&mut self) -> Parsed<Conditional> {
        let start = self.token.start;
        let mut clauses = Vec::new();
        loop {
            let clause_start = self.bump().start;
            let open = self.expect(Tok::LeftParen, "`(`")?;
            let condition = Some(self.header(clause_start, |p| p.expr_in_parentheses(open))?);
            let body = self.body()?;
            clauses.push(Clause { span: self.span_from(clause_start), condition, body });
            if !self.is_word("else") {
                break;
            }
            let span = self.token_span();
            self.needs(Version::V1_3, span, "`else`");
            self.bump();
            if self.is_word("if") {
                continue;
            }
            let body = self.body()?;
            clauses.push(Clause { span: self.span_from(span.start as usize), condition: None, body });
            break;
        }
        Ok(Conditional { span: self.span_from(start), clauses })
    }

    fn call_statement(&mut self) -> Parsed<Call> {
        let start = self.bump().start;
        let mut target = vec![self.any_name("what to call")?];
        while self.eat(Tok::Dot) {
            if self.token.first_on_line || (self.is_word("as") && self.second().kind == Tok::Ident) {
                return Err(self.unexpected("what to call"));
            }
            target.push(self.any_name("what to call")?);
        }
        let mut call = Call { span: Span::default(), target, alias: None, after: Vec::new(), inputs: Vec::new() };
        loop {
            if self.is_word("as") {
                let span = self.token_span();
                self.bump();
                if call.alias.is_some() {
                    let error = self.diagnostic_error(span, "call has two aliases");
                    self.push(error);
                }
                call.alias = Some(self.name("a name for the call")?);
            } else if self.at_after() {
                let span = self.token_span();
                self.newer(Version::V1_1, span, "`after`");
                self.bump();
                call.after.push(self.any_name("the name of a call")?);
            } else {
                break;
            }
        }
        if self.is(Tok::LeftBrace) {
            call.inputs = self.call_inputs();
        }
        call.span = self.span_from(start);
        Ok(call)
    }

    fn at_after(&self) -> bool {
        // In older versions a line may begin with a type of that name.
        self.is_word("after") && self.second().kind == Tok::Ident && (self.at_least(Version::V1_1) || !self.token.first_on_line)
    }

    fn call_inputs(&mut self) -> Vec<(Name, Option<Expr>)> {
        let mut inputs = Vec::new();
        let mut keyword = false;
        let item = |p: &mut Self| {
            if matches!(p.word(), "input" | "inputs") {
                match p.second() {
                    second if second.kind == Tok::Colon => {
                        keyword = true;
                        p.bump();
                        p.bump();
                        return Ok(());
                    }
                    second if second.kind == Tok::Ident && second.first_on_line => {
                        keyword = true;
                        p.bump();
                        // The inputs themselves can still be read.
                        p.unexpected("`:`");
                        return Ok(());
                    }
                    _ => {}
                }
            }
            if inputs.is_empty() && !keyword {
                let span = p.token_span();
                p.early(Version::V1_2, span, "a call without `input:`");
            }
            inputs.push(p.call_input()?);
            if !p.eat(Tok::Comma) && !p.is(Tok::RightBrace) {
                let error = p.unexpected_diagnostic("`,` or `}`").hint("inputs of a call are separated by commas");
                p.fail(error);
                if !p.is(Tok::Ident) {
                    return Err(super::Reported);
                }
            }
            Ok(())
        };
        self.layout.compact.insert(self.token.start);
        self.block_until(item, |p| p.begins_section_line() && !p.is_word("input"));
        inputs
    }

    fn call_input(&mut self) -> Parsed<(Name, Option<Expr>)> {
        let name = self.any_name("the name of an input")?;
        if self.is(Tok::Colon) {
            let error = self.unexpected_diagnostic("`=`").hint("inputs of a call are given with `=`");
            return Err(self.fail(error));
        }
        if self.eat(Tok::Assign) {
            return Ok((name, Some(self.expr()?)));
        }
        if !self.token.first_on_line && !matches!(self.token.kind, Tok::Comma | Tok::RightBrace) {
            return Err(self.unexpected("`=`"));
        }
        self.newer(Version::V1_1, name.span, "a call input without a value");
        Ok((name, None))
    }
}

/// Names that a body declares and uses, without regard to blocks.
#[derive(Default)]
struct BodyNames {
    declared: HashSet<Arc<str>>,
    used: HashSet<Arc<str>>,
}

impl BodyNames {
    fn body(&mut self, body: &[Node]) {
        for node in body {
            match node {
                Node::Decl(decl) => self.decl(decl),
                Node::Call(call) => {
                    self.declared.insert(Arc::clone(&call.name().text));
                    call.inputs.iter().filter_map(|(_, value)| value.as_ref()).for_each(|value| self.expr(value));
                }
                Node::Scatter(scatter) => {
                    self.declared.insert(Arc::clone(&scatter.variable.text));
                    self.expr(&scatter.collection);
                    self.body(&scatter.body);
                }
                Node::If(conditional) => {
                    for clause in &conditional.clauses {
                        clause.condition.iter().for_each(|condition| self.expr(condition));
                        self.body(&clause.body);
                    }
                }
            }
        }
    }

    fn decl(&mut self, decl: &Decl) {
        self.declared.insert(Arc::clone(&decl.name.text));
        decl.value.iter().for_each(|value| self.expr(value));
    }

    fn expr(&mut self, expr: &Expr) {
        visit_names(expr, &mut |name, _| {
            self.used.insert(Arc::clone(name));
        });
    }
}
