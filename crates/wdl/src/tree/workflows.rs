//! Workflows and the statements in them.

use super::{
    Builder, Item,
    definitions::{Placed, in_order},
    name, word,
};
use crate::{
    ast::{Call, Clause, Conditional, LegacyOutput, Node, OutputSection, Scatter, Workflow},
    source::Span,
};

impl Builder<'_> {
    pub(super) fn workflow(&self, workflow: &Workflow) -> Item {
        let outputs = workflow.outputs.as_ref();
        // The body has copies of outputs that it uses.
        let is_copy = |span: Span| outputs.is_some_and(|section| section.decls.iter().any(|decl| decl.span == span));
        let mut body: Vec<Placed> = workflow
            .body
            .iter()
            .map(|node| self.node(node))
            .filter(|(span, _)| !is_copy(*span))
            .map(|(span, item)| (span.start, item))
            .collect();
        body.extend(outputs.map(|section| (section.span.start, self.outputs(section))));
        body.extend(self.sections(workflow.span).filter_map(|(section, own)| {
            let item = match section {
                "input" => self.decls("Inputs", "inputs", "InputDeclaration", &workflow.inputs, own),
                "hints" => self.metadata("Hints", &workflow.hints, own),
                "meta" => self.metadata("Meta", &workflow.meta, own),
                "parameter_meta" => self.metadata("ParameterMeta", &workflow.parameter_meta, own),
                _ => return None,
            };
            Some((own.start, item))
        }));
        Item::Node("Workflow", vec![("name", name(&workflow.name)), ("body", in_order(body))])
    }

    fn outputs(&self, section: &OutputSection) -> Item {
        let [node, kind] = if self.draft2() { ["WorkflowOutputs", "WorkflowOutputDeclaration"] } else { ["Outputs", "Output"] };
        let mut outputs: Vec<Placed> = section.decls.iter().map(|decl| (decl.span.start, self.decl(kind, decl))).collect();
        outputs.extend(section.legacy.iter().map(|output| (output.span.start, self.legacy_output(output))));
        Item::Node(node, vec![("outputs", in_order(outputs))])
    }

    fn legacy_output(&self, output: &LegacyOutput) -> Item {
        let path: Vec<&str> = output.path.iter().map(|part| &*part.text).collect();
        let wildcard = if output.wildcard { word("asterisk", output.span.end.saturating_sub(1), "*") } else { Item::Absent };
        Item::Node("WorkflowOutputWildcard", vec![("fqn", word("fqn", output.span.start, path.join("."))), ("wildcard", wildcard)])
    }

    fn body(&self, body: &[Node]) -> Item {
        Item::List(body.iter().map(|node| self.node(node).1).collect())
    }

    /// A statement with its place.
    fn node(&self, node: &Node) -> (Span, Item) {
        match node {
            Node::Decl(decl) => (decl.span, self.decl("Declaration", decl)),
            Node::Call(call) => (call.span, self.call(call)),
            Node::Scatter(scatter) => (scatter.span, self.scatter(scatter)),
            Node::If(conditional) => (conditional.span, self.conditional(conditional)),
        }
    }

    fn scatter(&self, scatter: &Scatter) -> Item {
        let (collection, body) = (self.expr(&scatter.collection), self.body(&scatter.body));
        Item::Node("Scatter", vec![("item", name(&scatter.variable)), ("collection", collection), ("body", body)])
    }

    fn conditional(&self, conditional: &Conditional) -> Item {
        let attributes = |clause: &Clause| {
            let condition = clause.condition.as_ref().map(|condition| ("expression", self.expr(condition)));
            condition.into_iter().chain([("body", self.body(&clause.body))]).collect::<Vec<_>>()
        };
        let mut clauses = conditional.clauses.iter();
        let mut first = clauses.next().map(attributes).unwrap_or_default();
        let others = clauses.map(|clause| Item::Node(if clause.condition.is_some() { "ElseIf" } else { "Else" }, attributes(clause)));
        let others: Vec<Item> = others.collect();
        if !others.is_empty() {
            first.push(("alternatives", Item::List(others)));
        }
        Item::Node("If", first)
    }

    fn call(&self, call: &Call) -> Item {
        let target: Vec<&str> = call.target.iter().map(|part| &*part.text).collect();
        let start = call.target.first().map_or(call.span.start, |part| part.span.start);
        let alias = call.alias.as_ref().map_or(Item::Absent, name);
        let mut attributes = vec![("task", word("fqn", start, target.join("."))), ("alias", alias)];
        if !call.after.is_empty() {
            attributes.push(("after", Item::List(call.after.iter().map(name).collect())));
        }
        let inputs = call.inputs.iter().map(|(key, value)| {
            let value = value.as_ref().map_or(Item::Absent, |value| self.expr(value));
            Item::Node(if self.draft2() { "IOMapping" } else { "CallInputKV" }, vec![("key", name(key)), ("value", value)])
        });
        let inputs = Item::List(inputs.collect());
        let body = match self.draft2() {
            _ if call.inputs.is_empty() => Item::Absent,
            true => {
                let io = Item::List(vec![Item::Node("Inputs", vec![("map", inputs)])]);
                Item::Node("CallBody", vec![("declarations", Item::List(Vec::new())), ("io", io)])
            }
            false => Item::Node("CallBody", vec![("inputs", inputs)]),
        };
        attributes.push(("body", body));
        Item::Node("Call", attributes)
    }
}
