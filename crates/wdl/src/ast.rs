//! One tree for all versions of the language.
//!
//! The parser normalises what differs only in spelling (draft-2 task declarations become inputs, `runtime`
//! stays apart from `requirements`); what differs in meaning keeps the version beside it in [`Document`].

use std::{collections::HashMap, sync::Arc};

use crate::{
    losses::Losses,
    source::{Source, Span},
    version::Version,
};

/// An identifier with its place.
#[derive(Clone, Debug)]
pub struct Name {
    /// The identifier.
    pub text: Arc<str>,
    /// Where it stands.
    pub span: Span,
}

/// One parsed file.
#[derive(Debug)]
pub struct Document {
    /// The text it came from.
    pub source: Arc<Source>,
    /// Version as declared (draft-2 without a statement).
    pub version: Version,
    /// `import` statements in order.
    pub imports: Vec<Import>,
    /// `struct` definitions in order.
    pub structs: Vec<StructDef>,
    /// `enum` definitions in order (1.3).
    pub enums: Vec<EnumDef>,
    /// Tasks in order.
    pub tasks: Vec<Arc<Task>>,
    /// The workflow, if there is one.
    pub workflow: Option<Arc<Workflow>>,
    /// What is missing because of syntax errors and unreadable imports.
    pub losses: Losses,
    /// Index of each task by name; of equal names the first.
    pub(crate) task_index: HashMap<Arc<str>, usize>,
}

/// `import "uri" as name alias A as B`.
#[derive(Clone, Debug)]
pub struct Import {
    /// The whole statement.
    pub span: Span,
    /// Path or URL as written.
    pub uri: String,
    /// Place of the uri literal.
    pub uri_span: Span,
    /// Namespace after `as`, if given. Otherwise the file name without `.wdl` serves.
    pub namespace: Option<Name>,
    /// `alias A as B` clauses.
    pub aliases: Vec<(Name, Name)>,
}

/// `struct Name { Type member ... }`.
#[derive(Debug)]
pub struct StructDef {
    /// The whole definition.
    pub span: Span,
    /// Its name.
    pub name: Name,
    /// Members in order; they have no values.
    pub members: Vec<Decl>,
    /// `meta` of the struct (1.2).
    pub meta: Vec<(Name, MetaValue)>,
    /// `parameter_meta` of the struct (1.2).
    pub parameter_meta: Vec<(Name, MetaValue)>,
}

/// `enum Name[Type] { A, B = value }` (1.3).
#[derive(Debug)]
pub struct EnumDef {
    /// The whole definition.
    pub span: Span,
    /// Its name.
    pub name: Name,
    /// The declared type of the values.
    pub value_type: Option<TypeExpr>,
    /// Choices in order; a value is a literal.
    pub choices: Vec<(Name, Option<Expr>)>,
}

/// A type as written.
#[derive(Clone, Debug)]
pub struct TypeExpr {
    /// Where it stands.
    pub span: Span,
    /// The type without its `?`.
    pub kind: TypeKind,
    /// Whether a `?` follows.
    pub optional: bool,
}

/// The forms of [`TypeExpr`].
#[derive(Clone, Debug)]
pub enum TypeKind {
    /// `Boolean`
    Boolean,
    /// `Int`
    Int,
    /// `Float`
    Float,
    /// `String`
    String,
    /// `File`
    File,
    /// `Directory`
    Directory,
    /// `Object`
    Object,
    /// `Array[X]`, `Array[X]+`
    Array {
        /// Element type.
        item: Box<TypeExpr>,
        /// Whether a `+` follows.
        nonempty: bool,
    },
    /// `Map[K, V]`
    Map(Box<TypeExpr>, Box<TypeExpr>),
    /// `Pair[L, R]`
    Pair(Box<TypeExpr>, Box<TypeExpr>),
    /// A struct or enum by name.
    Named(Name),
}

/// `Type name = value`.
#[derive(Clone, Debug)]
pub struct Decl {
    /// The whole declaration.
    pub span: Span,
    /// Whether `env` precedes it (1.2).
    pub env: bool,
    /// Its type.
    pub ty: TypeExpr,
    /// Its name.
    pub name: Name,
    /// Its value or default.
    pub value: Option<Expr>,
}

/// A task definition.
#[derive(Debug)]
pub struct Task {
    /// The whole definition.
    pub span: Span,
    /// Its name.
    pub name: Name,
    /// Inputs. In draft-2 every declaration of the task is one.
    pub inputs: Vec<Decl>,
    /// Private declarations (1.0 and newer).
    pub decls: Vec<Decl>,
    /// The command, already dedented. Placeholders are in place.
    pub command: Command,
    /// Outputs.
    pub outputs: Vec<Decl>,
    /// `runtime` entries in order; of a repeated key the last counts.
    pub runtime: Vec<(Name, Expr)>,
    /// `requirements` entries (1.2).
    pub requirements: Vec<(Name, Expr)>,
    /// `hints` entries (1.2).
    pub hints: Vec<(Name, Expr)>,
    /// `meta` entries.
    pub meta: Vec<(Name, MetaValue)>,
    /// `parameter_meta` entries.
    pub parameter_meta: Vec<(Name, MetaValue)>,
}

/// The command section of a task.
#[derive(Debug)]
pub struct Command {
    /// From the keyword to the closing delimiter.
    pub span: Span,
    /// Text and placeholders, dedented, line ends `\n`.
    pub parts: Vec<StringPart>,
}

/// A workflow definition.
#[derive(Debug)]
pub struct Workflow {
    /// The whole definition.
    pub span: Span,
    /// Its name.
    pub name: Name,
    /// Declarations of the `input` section (1.0 and newer; always empty in draft-2, see [`crate::inputs`]).
    pub inputs: Vec<Decl>,
    /// The body in textual order; execution order follows the data.
    pub body: Vec<Node>,
    /// The `output` section, `None` when absent.
    pub outputs: Option<OutputSection>,
    /// `meta` entries.
    pub meta: Vec<(Name, MetaValue)>,
    /// `parameter_meta` entries.
    pub parameter_meta: Vec<(Name, MetaValue)>,
    /// `hints` entries (1.2).
    pub hints: Vec<(Name, MetaValue)>,
}

/// The output section of a workflow.
#[derive(Debug)]
pub struct OutputSection {
    /// The whole section.
    pub span: Span,
    /// Draft-2 lines without a type: `call.out`, `call.*`, `declaration`.
    pub legacy: Vec<LegacyOutput>,
    /// Typed outputs.
    pub decls: Vec<Decl>,
}

/// `call.out`, `call.*` or a bare declaration name in a draft-2 output section.
#[derive(Debug)]
pub struct LegacyOutput {
    /// The line.
    pub span: Span,
    /// Names between the dots, without the `*`.
    pub path: Vec<Name>,
    /// Whether `.*` ends it.
    pub wildcard: bool,
}

/// An element of a workflow body.
#[derive(Debug)]
pub enum Node {
    /// A declaration.
    Decl(Decl),
    /// A call.
    Call(Call),
    /// A scatter block.
    Scatter(Scatter),
    /// An if block with its else branches.
    If(Conditional),
}

/// `call target as alias after x { input: ... }`.
#[derive(Debug)]
pub struct Call {
    /// The whole statement.
    pub span: Span,
    /// `task`, `namespace.task` or deeper (draft-2, 1.0).
    pub target: Vec<Name>,
    /// Name after `as`.
    pub alias: Option<Name>,
    /// Names after `after`.
    pub after: Vec<Name>,
    /// Inputs in order; without an expression the name passes itself through (1.1).
    pub inputs: Vec<(Name, Option<Expr>)>,
}

impl Call {
    /// The name by which the rest of the workflow knows this call.
    pub fn name(&self) -> &Name {
        // The parser never builds a call without a target.
        self.alias.as_ref().or(self.target.last()).expect("a call has a target")
    }
}

/// `scatter (variable in collection) { body }`.
#[derive(Debug)]
pub struct Scatter {
    /// The whole block.
    pub span: Span,
    /// The loop variable.
    pub variable: Name,
    /// What is iterated.
    pub collection: Expr,
    /// What is repeated.
    pub body: Vec<Node>,
}

/// `if (c) { } else if (d) { } else { }`; before 1.3 there is exactly one clause.
#[derive(Debug)]
pub struct Conditional {
    /// The whole block.
    pub span: Span,
    /// Clauses in order; only the last may lack a condition (`else`).
    pub clauses: Vec<Clause>,
}

/// One branch of a [`Conditional`].
#[derive(Debug)]
pub struct Clause {
    /// The whole clause.
    pub span: Span,
    /// Its condition, `None` for `else`.
    pub condition: Option<Expr>,
    /// Its body.
    pub body: Vec<Node>,
}

/// A value in `meta` and `parameter_meta`.
#[derive(Clone, Debug, PartialEq)]
pub enum MetaValue {
    /// `null`
    Null,
    /// Boolean
    Boolean(bool),
    /// Integer
    Int(i64),
    /// Float
    Float(f64),
    /// String without placeholders
    String(String),
    /// `[...]`
    Array(Vec<MetaValue>),
    /// `{key: value}`
    Object(Vec<(String, MetaValue)>),
}

/// An expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: ExprKind,
}

impl Expr {
    /// Whether it calls, anywhere inside, a function that is meant.
    pub fn calls(&self, is_meant: &dyn Fn(&str) -> bool) -> bool {
        self.holds(&|expr| matches!(&expr.kind, ExprKind::Call(name, _) if is_meant(&name.text)))
    }

    /// Whether it, or anything inside, is what is meant.
    pub fn holds(&self, is_meant: &dyn Fn(&Expr) -> bool) -> bool {
        let mut found = false;
        visit_exprs(self, &mut |expr| found = found || is_meant(expr));
        found
    }

    /// Calls `visit` with every name that stands for a value in it.
    pub fn names(&self, visit: &mut dyn FnMut(&Arc<str>)) {
        visit_exprs(self, &mut |expr| {
            if let ExprKind::Ident(name) = &expr.kind {
                visit(name);
            }
        });
    }
}

/// Calls `visit` with an expression and everything inside it.
pub(crate) fn visit_exprs<'e>(expr: &'e Expr, visit: &mut dyn FnMut(&'e Expr)) {
    visit(expr);
    match &expr.kind {
        ExprKind::Lost | ExprKind::None | ExprKind::Boolean(_) | ExprKind::Int(_) | ExprKind::Float(_) | ExprKind::Ident(_) => {}
        ExprKind::String(parts) => {
            for part in parts {
                if let StringPart::Placeholder(placeholder) = part {
                    visit_exprs(&placeholder.expr, visit);
                }
            }
        }
        ExprKind::Array(items) | ExprKind::Call(_, items) => items.iter().for_each(|item| visit_exprs(item, visit)),
        ExprKind::Map(entries) => entries.iter().for_each(|(key, value)| {
            visit_exprs(key, visit);
            visit_exprs(value, visit);
        }),
        ExprKind::Object(members) | ExprKind::Struct(_, members) => members.iter().for_each(|(_, value)| visit_exprs(value, visit)),
        ExprKind::Pair(left, right) | ExprKind::Index(left, right) | ExprKind::Binary(_, left, right) => {
            visit_exprs(left, visit);
            visit_exprs(right, visit);
        }
        ExprKind::Member(base, _) | ExprKind::Unary(_, base) => visit_exprs(base, visit),
        ExprKind::If(condition, yes, no) => {
            visit_exprs(condition, visit);
            visit_exprs(yes, visit);
            visit_exprs(no, visit);
        }
    }
}

/// The forms of [`Expr`].
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// Text that is no expression and was reported; a document with one never runs
    Lost,
    /// `None` (1.1)
    None,
    /// `true`, `false`
    Boolean(bool),
    /// Integer literal
    Int(i64),
    /// Float literal
    Float(f64),
    /// String literal with placeholders
    String(Vec<StringPart>),
    /// `[a, b]`
    Array(Vec<Expr>),
    /// `{k: v}`
    Map(Vec<(Expr, Expr)>),
    /// `(a, b)`
    Pair(Box<Expr>, Box<Expr>),
    /// `object { a: 1 }`
    Object(Vec<(Name, Expr)>),
    /// `Name { a: 1 }` (1.1); also the scoped `hints { }`, `input { }`, `output { }` values of 1.2, under these names
    Struct(Name, Vec<(Name, Expr)>),
    /// A name
    Ident(Arc<str>),
    /// `x.member`
    Member(Box<Expr>, Name),
    /// `x[i]`
    Index(Box<Expr>, Box<Expr>),
    /// `f(a, b)`
    Call(Name, Vec<Expr>),
    /// `!x`, `-x`, `+x`
    Unary(UnaryOp, Box<Expr>),
    /// `a op b`
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `if c then a else b`
    If(Box<Expr>, Box<Expr>, Box<Expr>),
}

/// Prefix operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `!`
    Not,
    /// `-`
    Minus,
    /// `+`
    Plus,
}

/// Infix operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `||`
    Or,
    /// `&&`
    And,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Rem,
    /// `**` (1.2)
    Pow,
}

impl BinaryOp {
    /// The operator as it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            BinaryOp::Or => "||",
            BinaryOp::And => "&&",
            BinaryOp::Eq => "==",
            BinaryOp::Ne => "!=",
            BinaryOp::Lt => "<",
            BinaryOp::Le => "<=",
            BinaryOp::Gt => ">",
            BinaryOp::Ge => ">=",
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Rem => "%",
            BinaryOp::Pow => "**",
        }
    }
}

/// A piece of a string literal or command.
#[derive(Clone, Debug)]
pub enum StringPart {
    /// Text with escapes resolved (in commands: as written).
    Text(String),
    /// `~{...}` or `${...}`
    Placeholder(Box<Placeholder>),
}

/// `~{options expression}`.
#[derive(Clone, Debug)]
pub struct Placeholder {
    /// From the opening to the closing brace.
    pub span: Span,
    /// `sep=`
    pub sep: Option<String>,
    /// `true=`
    pub if_true: Option<String>,
    /// `false=`
    pub if_false: Option<String>,
    /// `default=`; a number is kept as its source text
    pub default: Option<String>,
    /// The expression.
    pub expr: Expr,
}
