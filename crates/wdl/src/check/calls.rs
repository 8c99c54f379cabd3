//! Call statements.

use std::{collections::HashMap, sync::Arc};

use super::{
    Checker,
    callees::Inputs,
    guess,
    typer::{Names, Place},
    workflows::Chain,
};
use crate::{
    ast::{Call, Expr, ExprKind, Name, Node},
    load::with_guess,
    module::{Callee, Module},
    rule::Rule,
    source::Span,
    types::Type,
    version::Version,
};

impl Checker<'_> {
    pub(super) fn call(&mut self, call: &Call, chain: &Chain<'_>) {
        for after in &call.after {
            if !chain.is_call(&after.text) && !self.module.document.losses.may_hold(&after.text) && !self.findings.is_full() {
                let error = self.error(after.span, format!("`after` names no call: `{}`", after.text));
                let calls = chain.known();
                let calls = calls.into_iter().filter(|name| chain.is_call(name));
                self.findings.push(with_guess(error, guess(&after.text, calls)));
            }
        }
        let Some(callee) = self.module.callee(&call.target) else {
            self.unknown_target(call);
            self.inputs_of_unknown(call, chain);
            return;
        };
        if let Callee::Workflow(module, _) = &callee
            && Arc::ptr_eq(module, self.module)
        {
            let span = target_span(call);
            let error = self.error(span, "a workflow cannot call itself").hint("WDL has no recursion; use `scatter`");
            self.findings.push(error);
            return;
        }
        if call.target.len() > 2 && self.version >= Version::V1_1 {
            let warning = self.warning(target_span(call), "call reaches through an import of an import; other engines may refuse it");
            self.findings.push(warning.hint("import the document with the task directly"));
        }
        self.call_inputs(call, &callee, chain);
    }

    fn call_inputs(&mut self, call: &Call, callee: &Callee, chain: &Chain<'_>) {
        let inputs = self.callees.inputs(callee);
        let mut given: HashMap<&str, Span> = HashMap::new();
        for (name, value) in &call.inputs {
            if let Some(first) = given.insert(&name.text, name.span) {
                let finding = self
                    .graded(Version::V1_1, name.span, format!("input `{}` is given twice; the last one counts", name.text))
                    .rule(Rule::RepeatedName);
                self.findings.push(finding.related(first, "has no effect"));
            }
            let wanted = match inputs.by_name.get(&name.text) {
                // An undefined value means the default.
                Some(input) if input.has_default => input.ty.clone().optional(),
                Some(input) => input.ty.clone(),
                None => {
                    self.unknown_input(callee, name, &inputs);
                    Type::Any
                }
            };
            let what = format!("input `{}` of `{}`", name.text, callee.name());
            let passed = Expr { span: name.span, kind: ExprKind::Ident(Arc::clone(&name.text)) };
            let value = value.as_ref().unwrap_or(&passed);
            let mut typer = self.typer(chain, Place::Workflow);
            let from = typer.value(value);
            typer.assign(value, &from, &wanted, &what);
        }
        self.missing_inputs(call, callee, &inputs, &given);
    }

    /// Inputs without value may come from the inputs file where nested inputs are allowed.
    fn missing_inputs(&mut self, call: &Call, callee: &Callee, inputs: &Inputs, given: &HashMap<&str, Span>) {
        const SHOWN: usize = 5;
        let missing: Vec<&str> = inputs
            .required
            .iter()
            .map(|name| &**name)
            .filter(|name| !given.contains_key(name) && !self.module.may_hold(name))
            .take(SHOWN + 1)
            .collect();
        if missing.is_empty() || self.version <= Version::V1_0 || self.allows_nested_inputs() {
            return;
        }
        let plural = if missing.len() == 1 { "" } else { "s" };
        let more = if missing.len() > SHOWN { " and others" } else { "" };
        let shown = missing.iter().take(SHOWN).copied().collect::<Vec<_>>().join("`, `");
        let message = format!("call of `{}` lacks the input{plural} `{shown}`{more}", callee.name());
        // In 1.1 published workflows leave them to the inputs file without saying so.
        let finding = self.graded(Version::V1_2, target_span(call), message).rule(Rule::OpenInput);
        let permission =
            if self.version >= Version::V1_2 { "hints { allow_nested_inputs: true }" } else { "meta { allowNestedInputs: true }" };
        self.findings.push(finding.hint(format!("give them in the call, or allow nested inputs: `{permission}`")));
    }

    fn allows_nested_inputs(&self) -> bool {
        let workflow = self.module.document.workflow.as_ref();
        workflow.is_some_and(|w| Callee::Workflow(Arc::clone(self.module), Arc::clone(w)).allows_nested_inputs())
    }

    fn unknown_input(&mut self, callee: &Callee, name: &Name, inputs: &Inputs) {
        if callee.module().document.losses.may_hold(&name.text) {
            return;
        }
        let error = self.error(name.span, format!("`{}` has no input `{}`", callee.name(), name.text));
        if self.findings.is_full() {
            self.findings.push(error);
            return;
        }
        let private = match callee {
            Callee::Task(_, task) => task.decls.iter().any(|decl| decl.name.text == name.text),
            Callee::Workflow(_, workflow) => {
                workflow.body.iter().any(|node| matches!(node, Node::Decl(decl) if decl.name.text == name.text))
            }
        };
        let error = if private {
            error.hint("it is declared there, but not in the `input` section")
        } else {
            with_guess(error, guess(&name.text, inputs.names()))
        };
        self.findings.push(error);
    }

    /// Expressions are checked even when nobody knows what they are for.
    fn inputs_of_unknown(&mut self, call: &Call, chain: &Chain<'_>) {
        for value in call.inputs.iter().filter_map(|(_, value)| value.as_ref()) {
            self.typer(chain, Place::Workflow).value(value);
        }
    }

    fn unknown_target(&mut self, call: &Call) {
        let Some((last, namespaces)) = call.target.split_last() else { return };
        let mut module: &Arc<Module> = self.module;
        for name in namespaces {
            match module.namespace(&name.text) {
                Some(inner) => module = inner,
                None if module.document.losses.is_import(&name.text) || module.document.losses.may_hold(&name.text) => return,
                None => {
                    let error = self.error(name.span, format!("unknown namespace `{}`", name.text));
                    let known = module.namespaces.iter().map(|(name, _)| name.as_str());
                    self.findings.push(with_guess(error, guess(&name.text, known)));
                    return;
                }
            }
        }
        if module.document.losses.may_hold(&last.text) || self.findings.is_full() {
            return;
        }
        let tasks = module.document.tasks.iter().map(|task| &*task.name.text);
        let workflow = module.document.workflow.iter().map(|workflow| &*workflow.name.text);
        let known: Vec<&str> = tasks.chain(workflow).collect();
        let message = match namespaces.last() {
            Some(namespace) => format!("`{}` has no task or workflow `{}`", namespace.text, last.text),
            None => format!("unknown task `{}`", last.text),
        };
        let error = self.error(last.span, message);
        let elsewhere = self.module.namespaces.iter().find(|(_, m)| m.task(&last.text).is_some());
        let error = match (namespaces, elsewhere) {
            ([], Some((namespace, _))) => error.hint(format!("it is in an import: `call {namespace}.{}`", last.text)),
            _ => with_guess(error, guess(&last.text, known)),
        };
        self.findings.push(error);
    }
}

fn target_span(call: &Call) -> Span {
    let mut spans = call.target.iter().map(|name| name.span);
    let first = spans.next().unwrap_or(call.span);
    spans.fold(first, Span::to)
}
