//! Types of expressions.
//!
//! An expression with something wrong in it is reported once and then has the type `Any`, which fits everywhere.

use std::sync::Arc;

use super::guess;
use crate::{
    ast::{Expr, ExprKind, UnaryOp},
    coerce::unify,
    diagnostic::Diagnostic,
    findings::Findings,
    load::with_guess,
    module::Module,
    rule::Rule,
    source::Span,
    types::{StructType, Type},
    version::{Dialect, Version},
};

/// Types of the names an expression can use.
pub(super) trait Names {
    /// The type of a name.
    fn get(&self, name: &str) -> Option<Type>;
    /// All names, for suggestions.
    fn known(&self) -> Vec<&str>;
}

/// Names known by a function; nothing can be suggested.
pub(super) struct Lookup<'f>(pub(super) &'f dyn Fn(&str) -> Option<Type>);

impl Names for Lookup<'_> {
    fn get(&self, name: &str) -> Option<Type> {
        (self.0)(name)
    }

    fn known(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// Where an expression stands: some functions and names only mean something in places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Unknown: nothing is restricted.
    Anywhere,
    /// Inputs and declarations of a task.
    Task,
    /// The command of a task.
    Command,
    /// `runtime`, `requirements` and `hints` of a task.
    Runtime,
    /// Outputs of a task.
    TaskOutput,
    /// A workflow.
    Workflow,
}

/// Finds types of expressions and reports what is wrong with them.
pub(super) struct Typer<'a> {
    pub(super) module: &'a Module,
    pub(super) version: Version,
    pub(super) dialect: Dialect,
    pub(super) names: &'a dyn Names,
    pub(super) place: Place,
    pub(super) findings: &'a mut Findings,
    /// Whether the expression is inside a placeholder, where undefined values print as nothing.
    pub(super) in_placeholder: bool,
}

impl<'a> Typer<'a> {
    pub(super) fn new(module: &'a Module, names: &'a dyn Names, place: Place, findings: &'a mut Findings) -> Self {
        let version = module.document.version;
        Typer { module, version, dialect: Dialect::of(version), names, place, findings, in_placeholder: false }
    }

    /// The type of an expression.
    pub(super) fn expr(&mut self, expr: &Expr) -> Type {
        match &expr.kind {
            ExprKind::Lost => Type::Any,
            ExprKind::None => Type::None,
            ExprKind::Boolean(_) => Type::Boolean,
            ExprKind::Int(_) => Type::Int,
            ExprKind::Float(_) => Type::Float,
            ExprKind::String(parts) => {
                self.parts(parts);
                Type::String
            }
            ExprKind::Array(items) => self.array(items),
            ExprKind::Map(entries) => self.map(entries),
            ExprKind::Pair(left, right) => {
                let left = self.value(left);
                Type::pair(left, self.value(right))
            }
            ExprKind::Object(members) => self.object(members),
            ExprKind::Struct(name, members) => self.struct_literal(name, members),
            ExprKind::Ident(name) => self.name(name, expr.span),
            ExprKind::Member(base, name) => self.member(base, name),
            ExprKind::Index(base, index) => self.index(base, index),
            ExprKind::Call(name, arguments) => self.function(name, arguments),
            ExprKind::Unary(op, operand) => self.unary(*op, operand),
            ExprKind::Binary(op, left, right) => self.binary(*op, left, right, expr.span),
            ExprKind::If(condition, yes, no) => self.choice(condition, yes, no, expr.span),
        }
    }

    /// The type of an expression that is used as a value: the name of a call alone is none.
    pub(super) fn value(&mut self, expr: &Expr) -> Type {
        let ty = self.expr(expr);
        if let Type::Call(outputs) = &ty
            && self.dialect == Dialect::Specification
        {
            let call = self.module.document.source.slice(expr.span);
            let message = format!("call `{call}` is used as a value; other engines may refuse it");
            let warning = Diagnostic::warning(&self.module.document.source, expr.span, message);
            let hint = match outputs.members.first() {
                Some((output, _)) => format!("use one of its outputs, for example `{call}.{output}`"),
                None => "the call has no outputs".to_owned(),
            };
            self.findings.push(warning.hint(hint));
        }
        ty
    }

    fn name(&mut self, name: &Arc<str>, span: Span) -> Type {
        if let Some(ty) = self.names.get(name) {
            return ty;
        }
        if &**name == "task" && self.version >= Version::V1_2 {
            match self.place {
                Place::Command | Place::TaskOutput => return self.task_type(true),
                Place::Runtime if self.version >= Version::V1_3 => return self.task_type(false),
                _ => {}
            }
        }
        if self.module.document.losses.may_hold(name) {
            return Type::Any;
        }
        let unknown = self.error(span, format!("unknown name `{name}`"));
        if self.findings.is_full() {
            return self.fault(unknown);
        }
        let unknown = if &**name == "None" {
            unknown.hint("`None` needs `version 1.1`")
        } else if &**name == "task" && self.place == Place::Runtime {
            unknown.hint("in this section `task` needs `version 1.3`")
        } else if &**name == "task" {
            unknown.hint("`task` is known in the command, the outputs and the requirements of a task")
        } else if self.module.namespace(name).is_some() {
            unknown.label("this is an import").hint("only tasks and workflows of an import can be called")
        } else if self.module.enums.contains_key(&**name) {
            unknown.label("this is an enum").hint(format!("name one of its choices, as in `{name}.x`"))
        } else if self.module.structs.contains_key(&**name) {
            unknown.label("this is a struct").hint(format!("write a value as `{name} {{ member: ... }}`"))
        } else {
            with_guess(unknown, guess(name, self.names.known()))
        };
        self.fault(unknown)
    }

    /// The `task` variable (1.2); before the command ran only some members exist.
    fn task_type(&self, complete: bool) -> Type {
        let newest = self.version >= Version::V1_3;
        let optional = |ty: Type| ty.optional();
        let mut members = vec![
            ("name", Type::String),
            ("id", Type::String),
            ("attempt", Type::Int),
            ("meta", Type::Object),
            ("parameter_meta", Type::Object),
            ("ext", Type::Object),
        ];
        let strings = Type::array(Type::String);
        let resources = [
            ("container", optional(Type::String)),
            ("cpu", Type::Float),
            ("memory", Type::Int),
            ("gpu", strings.clone()),
            ("fpga", strings),
            ("disks", Type::map(Type::String, Type::Int)),
        ];
        if newest {
            let mut previous: Vec<(String, Type)> = resources.iter().map(|(n, t)| ((*n).to_owned(), optional(t.clone()))).collect();
            previous.push(("max_retries".to_owned(), optional(Type::Int)));
            members.push(("previous", Type::Struct(Arc::new(StructType { name: "task.previous".to_owned(), members: previous }))));
        }
        if complete {
            members.extend(resources);
            members.push(("end_time", optional(Type::Int)));
            if self.place == Place::TaskOutput {
                members.push(("return_code", Type::Int));
            }
            if newest {
                members.push(("max_retries", Type::Int));
            }
        }
        let members = members.into_iter().map(|(name, ty)| (name.to_owned(), ty)).collect();
        Type::Struct(Arc::new(StructType { name: "task".to_owned(), members }))
    }

    fn unary(&mut self, op: UnaryOp, operand: &Expr) -> Type {
        let ty = self.value(operand);
        self.note_optional(&ty, operand.span);
        match (op, ty.required()) {
            (UnaryOp::Not, Type::Boolean | Type::Any) => Type::Boolean,
            (UnaryOp::Minus | UnaryOp::Plus, number @ (Type::Int | Type::Float | Type::Any)) => number.clone(),
            (UnaryOp::Not, _) => {
                let error = self.error(operand.span, format!("`!` needs a `Boolean`, not `{ty}`"));
                self.fault(error)
            }
            (UnaryOp::Minus | UnaryOp::Plus, _) => {
                let sign = if op == UnaryOp::Minus { '-' } else { '+' };
                let error = self.error(operand.span, format!("`{sign}` needs a number, not `{ty}`"));
                self.fault(error)
            }
        }
    }

    fn choice(&mut self, condition: &Expr, yes: &Expr, no: &Expr, span: Span) -> Type {
        self.condition(condition);
        let taken = self.value(yes);
        let other = self.value(no);
        if taken == Type::Any || other == Type::Any {
            return Type::Any;
        }
        match unify(&taken, &other, self.dialect) {
            Some(ty) => ty,
            None => {
                let message = format!("the branches have no common type: `{taken}` and `{other}`");
                let finding = self.graded(span, message);
                self.fault(finding.label("the type depends on the condition"))
            }
        }
    }

    /// Checks the condition of an `if`.
    pub(super) fn condition(&mut self, expr: &Expr) {
        let ty = self.value(expr);
        self.note_optional(&ty, expr.span);
        let fits = match ty.required() {
            Type::Boolean | Type::Any => true,
            Type::String => self.dialect == Dialect::Cromwell,
            _ => false,
        };
        if !fits {
            let error = self.error(expr.span, format!("the condition is of type `{ty}`, not `Boolean`"));
            self.findings.push(error);
        }
    }

    // ---- findings ----

    pub(super) fn error(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(&self.module.document.source, span, message)
    }

    /// An error by the text, a warning where Cromwell may get through.
    pub(super) fn graded(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        let error = self.error(span, message);
        match self.dialect {
            Dialect::Specification => error,
            Dialect::Cromwell => error.into_warning(),
        }
    }

    /// Reports and gives the type that fits everywhere.
    pub(super) fn fault(&mut self, diagnostic: Diagnostic) -> Type {
        self.findings.push(diagnostic);
        Type::Any
    }

    /// Warns that a value may be undefined, where newer texts want it defined.
    pub(super) fn note_optional(&mut self, ty: &Type, span: Span) {
        match ty {
            Type::None => {
                let error = self.error(span, "`None` has no value to work with");
                self.findings.push(error);
            }
            Type::Optional(_) if self.dialect == Dialect::Specification && !self.in_placeholder => {
                let warning = Diagnostic::warning(&self.module.document.source, span, format!("value of type `{ty}` may be undefined"));
                let warning = warning.rule(Rule::OptionalValue);
                self.findings.push(warning.hint("use `select_first([x, default])`, or test it with `defined(x)`"));
            }
            _ => {}
        }
    }
}
