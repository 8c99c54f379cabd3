//! Steps of a workflow: declarations, scatters, branches; calls are handed to [`super::call`].

use std::{collections::HashSet, sync::Arc};

use batchyard_wdl::{
    ast::Expr,
    coerce,
    diagnostic::Diagnostic,
    eval::{Evaluator, Host},
    inputs,
    source::Span,
    types::Type,
    value::{Value, copy_bytes},
    version::Version,
};

use super::{Engine, Stop};
use crate::{
    documents::Failure,
    frame::{FrameId, Frames, RunIndex},
    host::{Ground, Look, mend_of, settled},
    plan::StepKind,
    settings::FailureMode,
};

impl Engine<'_> {
    /// Carries out a step whose needs are met.
    pub(super) fn step(&mut self, frame: FrameId, step: usize) {
        let section = self.frames.section(frame);
        let Some(plan) = section.steps.get(step) else { return };
        let run = self.frames.run(frame);
        let ended = match &plan.kind {
            StepKind::Call(call) => {
                self.begin_call(frame, step, call);
                return;
            }
            StepKind::Decl { slot, ty, value, input, span } => {
                let name = section.slots.get(*slot).map_or("", |s| &s.name);
                let given = if *input { self.runs.get(run).and_then(|r| r.given.get(name)).cloned() } else { None };
                self.declare(frame, name, ty, value.as_ref(), given, *span).map(|value| self.frames.complete(frame, *slot, value))
            }
            StepKind::Scatter { collection, body, exports, .. } => self
                .evaluate(frame, collection)
                .and_then(|value| self.items(run, &value, collection.span))
                .and_then(|items| self.narrow_enough(run, items, Frames::bytes_of(body, exports.len()), collection.span))
                .map(|items| self.frames.scatter(frame, step, &items)),
            StepKind::If { clauses } => {
                let mut taken = None;
                let mut failure = None;
                for (n, clause) in clauses.iter().enumerate() {
                    match clause.condition.as_ref().map_or(Ok(true), |c| self.condition(frame, c)) {
                        Ok(false) => {}
                        Ok(true) => {
                            taken = Some(n);
                            break;
                        }
                        Err(e) => {
                            failure = Some(e);
                            break;
                        }
                    }
                }
                failure.map_or_else(|| Ok(self.frames.branch(frame, step, taken)), Err)
            }
        };
        match ended {
            Ok(root_frame) => self.frame_ended(root_frame),
            Err(failure) => self.fail(run, failure),
        }
    }

    /// A step has finished; `root_frame` is set when it was the last one of its run.
    pub(super) fn frame_ended(&mut self, root_frame: Option<FrameId>) {
        if let Some(frame) = root_frame {
            self.run_completed(self.frames.run(frame));
        }
    }

    /// Something of a run failed for good.
    pub(super) fn fail(&mut self, run: RunIndex, failure: Failure) {
        let mode = self.settings.failure_mode;
        let failure = self.settings.secrets.covered_failure(failure);
        self.note_in_sub_workflows(run, &failure);
        let Some(root) = self.root_mut(run) else { return };
        root.failures.push(failure);
        if mode == FailureMode::NoNewCalls && root.stop == Stop::No {
            root.stop = Stop::NoNewCalls;
            let index = self.runs.get(run).map_or(0, |r| r.root);
            self.withdraw_waiting(|root| root == index);
        }
    }

    /// Counts a call of a task. One too many fails its run, which then starts nothing more.
    pub(super) fn count_call(&mut self, run: RunIndex) -> bool {
        let Some(index) = self.runs.get(run).map(|context| context.root) else { return false };
        let Some(root) = self.roots.get_mut(index) else { return false };
        root.calls += 1;
        let Err(failure) = self.settings.limits.check_calls(root.calls) else { return true };
        root.failures.push(failure);
        root.stop = root.stop.max(Stop::NoNewCalls);
        self.withdraw_waiting(|root| root == index);
        false
    }

    /// A sub-workflow and those around it have failed by this.
    pub(super) fn note_in_sub_workflows(&mut self, run: RunIndex, failure: &Failure) {
        let mut at = run;
        while let Some(context) = self.runs.get_mut(at) {
            let Some(parent) = &context.parent else { return };
            context.failures.push(failure.clone());
            at = self.frames.run(parent.frame);
        }
    }

    /// The value of an expression in a frame.
    pub(super) fn evaluate(&self, frame: FrameId, expr: &Expr) -> Result<Value, Failure> {
        let run = self.frames.run(frame);
        // Every frame belongs to a run context that is never removed.
        let Some(context) = self.runs.get(run) else { return Err(Failure::new("the run is gone")) };
        let scope = self.frames.scope(frame);
        let module = &context.plan.module;
        let version = module.document.version;
        let evaluator = Evaluator { module, scope: &scope, host: &context.host, version, dialect: self.settings.dialect_of(version) };
        evaluator.eval(expr).map_err(|e| Failure { hint: e.hint.clone(), ..self.failure_at(run, e.span, e.message) })
    }

    /// `value` as a `ty`.
    pub(super) fn coerced(&self, run: RunIndex, name: &str, value: &Value, ty: &Type, span: Span) -> Result<Value, Failure> {
        let version = self.runs.get(run).map(|r| r.plan.module.document.version);
        let dialect = version.map(|v| self.settings.dialect_of(v)).unwrap_or(batchyard_wdl::version::Dialect::Specification);
        self.ask_for_copy(run, name, value, span)?;
        coerce::coerce(value, ty, dialect).map_err(|message| self.failure_at(run, span, format!("`{name}`: {message}")))
    }

    /// Asks for the memory that a conversion of a compound value may take.
    pub(super) fn ask_for_copy(&self, run: RunIndex, name: &str, value: &Value, span: Span) -> Result<(), Failure> {
        let memory = &self.settings.limits.memory;
        let (Value::Array(_) | Value::Map(_) | Value::Pair(_) | Value::Object(_)) = value else { return Ok(()) };
        memory.ask(copy_bytes(value, memory.limit())).map_err(|shortage| {
            let failure = Failure::from(shortage);
            Failure { hint: failure.hint, ..self.failure_at(run, span, format!("`{name}`: {}", failure.message)) }
        })
    }

    /// The value that an expression of the document gives a name of type `ty`, with the paths it means.
    pub(super) fn settled(&self, run: RunIndex, name: &str, value: &Value, ty: &Type, span: Span) -> Result<Value, Failure> {
        let coerced = self.coerced(run, name, value, ty, span)?;
        let Some(context) = self.runs.get(run) else { return Ok(coerced) };
        let (module, host) = (&*context.plan.module, &context.host);
        // What was a path before it came here was looked at when it became one; there may be very many of them.
        let mut known: HashSet<Arc<str>> = HashSet::new();
        if module.document.version == Version::V1_2 && must_be_defined(ty) {
            inputs::files(value, &mut |path, _| {
                known.insert(Arc::clone(path));
            });
        }
        let look = |path: &str| if known.contains(path) || !host.reads_files { Look::Spared } else { host.exists(path).into() };
        let ground = Ground {
            module,
            dialect: self.settings.dialect_of(module.document.version),
            place: &|path| path.to_string_lossy().into(),
            look: &look,
            created: &|path| host.created(module, path),
        };
        settled(&coerced, ty, &ground).map_err(|e| self.failure_at(run, span, format!("`{name}`: {e}")).hint(mend_of(&e)))
    }

    pub(super) fn failure_at(&self, run: RunIndex, span: Span, message: String) -> Failure {
        let place = self.runs.get(run).map(|r| {
            let source = &r.plan.module.document.source;
            let (line, column) = Diagnostic::error(source, span, "").source.position(span.start);
            format!("{}:{line}:{column}", source.name)
        });
        Failure { place, ..Failure::new(message) }
    }

    fn declare(
        &self,
        frame: FrameId,
        name: &str,
        ty: &Type,
        value: Option<&Expr>,
        given: Option<Value>,
        span: Span,
    ) -> Result<Value, Failure> {
        let run = self.frames.run(frame);
        match (given, value) {
            (Some(given), _) if !given.is_none() || ty.is_optional() => self.coerced(run, name, &given, ty, span),
            (_, Some(expr)) => {
                let value = self.evaluate(frame, expr)?;
                self.settled(run, name, &value, ty, expr.span)
            }
            (_, None) if ty.is_optional() => Ok(Value::None),
            (_, None) => Err(self.failure_at(run, span, format!("required workflow input `{name}` not specified"))),
        }
    }

    fn items(&self, run: RunIndex, value: &Value, span: Span) -> Result<Arc<Vec<Value>>, Failure> {
        match value {
            Value::Array(items) => Ok(Arc::clone(items)),
            // As Cromwell: a map is scattered as its pairs.
            Value::Map(pairs) => Ok(Arc::new(pairs.iter().map(|(k, v)| Value::Pair(Arc::new((k.clone(), v.clone())))).collect())),
            Value::None => Err(self
                .failure_at(run, span, "cannot scatter over an undefined value".into())
                .hint("`select_first([x, []])` makes it an array")),
            _ => Err(self.failure_at(run, span, "can only scatter over an array".into())),
        }
    }

    /// The items of a scatter whose instances take `each` bytes, if there may be so many.
    fn narrow_enough(&self, run: RunIndex, items: Arc<Vec<Value>>, each: u64, span: Span) -> Result<Arc<Vec<Value>>, Failure> {
        let limits = &self.settings.limits;
        let fits = limits.check_width(items.len()).and_then(|()| Ok(limits.memory.ask(each.saturating_mul(items.len() as u64))?));
        fits.map(|()| items).map_err(|failure| Failure { hint: failure.hint, ..self.failure_at(run, span, failure.message) })
    }

    fn condition(&self, frame: FrameId, expr: &Expr) -> Result<bool, Failure> {
        let run = self.frames.run(frame);
        let value = self.evaluate(frame, expr)?;
        match self.coerced(run, "condition", &value, &Type::Boolean, expr.span)? {
            Value::Boolean(b) => Ok(b),
            _ => Err(self.failure_at(run, expr.span, "the condition is not a Boolean".into())),
        }
    }
}

/// Whether no file in a value of this type may become undefined because it is not there.
fn must_be_defined(ty: &Type) -> bool {
    match ty {
        Type::File | Type::Directory => true,
        Type::Array { item, .. } => must_be_defined(item),
        Type::Map(left, right) | Type::Pair(left, right) => must_be_defined(left) && must_be_defined(right),
        Type::Optional(_) | Type::Any | Type::Object | Type::Struct(_) | Type::Call(_) => false,
        Type::None | Type::Boolean | Type::Int | Type::Float | Type::String | Type::Enum(_) => true,
    }
}
