//! Expressions, strings and the parts of commands.

use super::{Builder, Item, name, word};
use crate::{
    ast::{BinaryOp, Expr, ExprKind, Name, Placeholder, StringPart, UnaryOp},
    source::Span,
};

impl Builder<'_> {
    pub(super) fn expr(&self, expr: &Expr) -> Item {
        let two = |node, left: &Expr, right: &Expr| Item::Node(node, vec![("lhs", self.expr(left)), ("rhs", self.expr(right))]);
        let list = |items: &[Expr]| Item::List(items.iter().map(|item| self.expr(item)).collect());
        match &expr.kind {
            ExprKind::Lost => Item::Absent,
            ExprKind::None => word("none", self.start(expr), "None"),
            ExprKind::Boolean(value) => word("boolean", self.start(expr), value.to_string()),
            ExprKind::Int(_) => self.number("integer", expr),
            ExprKind::Float(_) => self.number("float", expr),
            ExprKind::Ident(text) => word("identifier", self.start(expr), &**text),
            ExprKind::String(parts) => self.string(expr, parts),
            ExprKind::Array(items) => Item::Node("ArrayLiteral", vec![("values", list(items))]),
            ExprKind::Pair(left, right) => {
                Item::Node("TupleLiteral", vec![("values", Item::List(vec![self.expr(left), self.expr(right)]))])
            }
            ExprKind::Map(entries) => {
                let entry =
                    |(key, value): &(Expr, Expr)| Item::Node("MapLiteralKv", vec![("key", self.expr(key)), ("value", self.expr(value))]);
                Item::Node("MapLiteral", vec![("map", Item::List(entries.iter().map(entry).collect()))])
            }
            ExprKind::Object(members) => Item::Node("ObjectLiteral", vec![("map", self.members(members))]),
            ExprKind::Struct(kind, members) => Item::Node("StructLiteral", vec![("name", name(kind)), ("map", self.members(members))]),
            ExprKind::Member(base, member) => {
                let [value, key] = if self.draft2() { ["lhs", "rhs"] } else { ["value", "member"] };
                Item::Node("MemberAccess", vec![(value, self.expr(base)), (key, name(member))])
            }
            ExprKind::Index(base, index) => two("ArrayOrMapLookup", base, index),
            ExprKind::Call(function, arguments) => Item::Node("FunctionCall", vec![("name", name(function)), ("params", list(arguments))]),
            ExprKind::Unary(op, operand) => Item::Node(unary(*op), vec![("expression", self.expr(operand))]),
            ExprKind::Binary(op, left, right) => two(binary(*op), left, right),
            ExprKind::If(condition, yes, no) => {
                let attributes = vec![("cond", self.expr(condition)), ("iftrue", self.expr(yes)), ("iffalse", self.expr(no))];
                Item::Node("TernaryIf", attributes)
            }
        }
    }

    fn members(&self, members: &[(Name, Expr)]) -> Item {
        let member = |(key, value): &(Name, Expr)| Item::Node("ObjectKV", vec![("key", name(key)), ("value", self.expr(value))]);
        Item::List(members.iter().map(member).collect())
    }

    /// The place of an expression without the parentheses and comments before it.
    fn start(&self, expr: &Expr) -> u32 {
        let text = self.slice(expr.span);
        let mut rest = text;
        loop {
            rest = rest.trim_start_matches([' ', '\t', '\r', '\n', '(']);
            let comment = match () {
                () if rest.starts_with('#') => rest.find('\n'),
                () if rest.starts_with("/*") => rest.find("*/").map(|end| end + 2),
                () => break,
            };
            rest = comment.and_then(|end| rest.get(end..)).unwrap_or_default();
        }
        expr.span.start + (text.len() - rest.len()) as u32
    }

    /// A number as it is written.
    fn number(&self, kind: &'static str, expr: &Expr) -> Item {
        let start = self.start(expr);
        let text = self.slice(Span { start, ..expr.span });
        let mut before = ' ';
        let end = text.find(|c: char| {
            // A sign stands before the smallest integer, and in exponents.
            let sign = matches!(c, '+' | '-') && matches!(before, ' ' | 'e' | 'E');
            before = c;
            !(c.is_ascii_alphanumeric() || c == '.' || sign)
        });
        word(kind, start, text.get(..end.unwrap_or(text.len())).unwrap_or_default())
    }

    /// In draft-2 a string is one word; later its placeholders are parts of it.
    fn string(&self, expr: &Expr, parts: &[StringPart]) -> Item {
        let start = self.start(expr);
        if self.draft2() {
            let text = parts.iter().map(|part| match part {
                StringPart::Text(text) => text.as_str(),
                StringPart::Placeholder(placeholder) => self.slice(placeholder.span),
            });
            return word("string", start, text.collect::<String>());
        }
        let text = self.slice(Span { start, ..expr.span });
        let quote = if text.starts_with("<<<") { 3 } else { 1 };
        let inside = Span { start: start + quote, end: expr.span.end };
        Item::Node("StringLiteral", vec![("pieces", Item::List(self.parts("string", parts, inside)))])
    }

    /// Texts and placeholders of a string or command, which has this place without its delimiters. Text of a command is as
    /// it is written.
    pub(super) fn parts(&self, kind: &'static str, parts: &[StringPart], inside: Span) -> Vec<Item> {
        let mut items = Vec::new();
        let raw = kind == "cmd_part";
        let mut at = inside.start;
        for part in parts {
            match part {
                StringPart::Text(text) if !raw => items.push(word(kind, at, text.as_str())),
                StringPart::Text(_) => {}
                StringPart::Placeholder(placeholder) => {
                    if raw && placeholder.span.start > at {
                        items.push(word(kind, at, self.slice(Span { start: at, end: placeholder.span.start })));
                    }
                    items.push(self.placeholder(placeholder));
                    at = placeholder.span.end;
                }
            }
        }
        if raw && at < inside.end {
            items.push(word(kind, at, self.slice(Span { start: at, ..inside })));
        }
        items
    }

    fn placeholder(&self, placeholder: &Placeholder) -> Item {
        let [node, option] = if self.draft2() {
            ["CommandParameter", "CommandParameterAttr"]
        } else {
            ["ExpressionPlaceholder", "ExpressionPlaceholderAttr"]
        };
        let places = self.literals(placeholder.span.start, placeholder.expr.span.start);
        let options = places.chunks_exact(2).map(|pair| {
            let [key, value] = [pair.first(), pair.last()].map(|span| span.copied().unwrap_or_default());
            let key_word = word("identifier", key.start, self.slice(key));
            Item::Node(option, vec![("key", key_word), ("value", self.option(placeholder, self.slice(key), value))])
        });
        Item::Node(node, vec![("attributes", Item::List(options.collect())), ("expr", self.expr(&placeholder.expr))])
    }

    fn option(&self, placeholder: &Placeholder, key: &str, value: Span) -> Item {
        let text = match key {
            "sep" => &placeholder.sep,
            "true" => &placeholder.if_true,
            "false" => &placeholder.if_false,
            _ => &placeholder.default,
        };
        word("string", value.start, text.as_deref().unwrap_or_default())
    }
}

fn unary(op: UnaryOp) -> &'static str {
    match op {
        UnaryOp::Not => "LogicalNot",
        UnaryOp::Minus => "UnaryNegation",
        UnaryOp::Plus => "UnaryPlus",
    }
}

fn binary(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Or => "LogicalOr",
        BinaryOp::And => "LogicalAnd",
        BinaryOp::Eq => "Equals",
        BinaryOp::Ne => "NotEquals",
        BinaryOp::Lt => "LessThan",
        BinaryOp::Le => "LessThanOrEqual",
        BinaryOp::Gt => "GreaterThan",
        BinaryOp::Ge => "GreaterThanOrEqual",
        BinaryOp::Add => "Add",
        BinaryOp::Sub => "Subtract",
        BinaryOp::Mul => "Multiply",
        BinaryOp::Div => "Divide",
        BinaryOp::Rem => "Remainder",
        BinaryOp::Pow => "Power",
    }
}
