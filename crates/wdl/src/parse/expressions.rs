//! Expressions, by precedence climbing.
//!
//! Every function returns the depth of the tree it built: a long chain of operators nests as deeply as brackets
//! do, and later stages walk the tree recursively.

use super::{Parsed, Parser, lexer::Tok};
use crate::{
    ast::{BinaryOp, Expr, ExprKind, UnaryOp},
    source::Span,
    version::Version,
};

/// An expression with the depth of its tree.
pub(super) type Deep = (Expr, usize);

impl Parser<'_> {
    /// An expression.
    pub(super) fn expr(&mut self) -> Parsed<Expr> {
        Ok(self.deep_expr()?.0)
    }

    /// An expression with the depth of its tree.
    pub(super) fn deep_expr(&mut self) -> Parsed<Deep> {
        self.nested(|p| p.binary(0))
    }

    fn binary(&mut self, lowest: u8) -> Parsed<Deep> {
        let (mut left, mut depth) = self.unary()?;
        while let Some((op, power)) = infix(self.token.kind) {
            if power < lowest {
                break;
            }
            let token = self.bump();
            if op == BinaryOp::Pow {
                self.needs(Version::V1_2, Span::new(token.start, token.end), "operator `**`");
            }
            let (right, right_depth) = self.binary(power + 1)?;
            depth = depth.max(right_depth) + 1;
            let span = left.span.to(right.span);
            self.check_depth(depth, span.start as usize)?;
            left = Expr { span, kind: ExprKind::Binary(op, Box::new(left), Box::new(right)) };
        }
        Ok((left, depth))
    }

    fn unary(&mut self) -> Parsed<Deep> {
        let mut operators = Vec::new();
        loop {
            let op = match self.token.kind {
                Tok::Not => UnaryOp::Not,
                Tok::Minus => UnaryOp::Minus,
                Tok::Plus => UnaryOp::Plus,
                _ => break,
            };
            self.layout.prefixes.insert(self.token.start);
            operators.push((op, self.bump().start));
            self.check_depth(operators.len(), self.token.start)?;
        }
        let start = self.token.start;
        let smallest = matches!(operators.last(), Some((UnaryOp::Minus, _))) && self.at_smallest_int();
        let (mut expr, mut depth) = if smallest {
            // The magnitude alone does not fit, so sign and digits are read together.
            let minus = operators.pop().map_or(start, |(_, start)| start);
            self.bump();
            (Expr { span: self.span_from(minus), kind: ExprKind::Int(i64::MIN) }, 1)
        } else {
            self.postfix()?
        };
        depth += operators.len();
        self.check_depth(depth, start)?;
        for (op, start) in operators.into_iter().rev() {
            let span = Span::new(start, expr.span.end as usize);
            expr = Expr { span, kind: ExprKind::Unary(op, Box::new(expr)) };
        }
        Ok((expr, depth))
    }

    fn postfix(&mut self) -> Parsed<Deep> {
        let start = self.token.start;
        let (mut expr, mut depth) = self.primary()?;
        loop {
            let kind = match self.token.kind {
                Tok::Dot => {
                    self.bump();
                    if self.token.first_on_line {
                        return Err(self.unexpected("the name of a member"));
                    }
                    ExprKind::Member(Box::new(expr), self.any_name("the name of a member")?)
                }
                Tok::LeftBracket => {
                    let open = self.bump();
                    let (index, index_depth) = self.deep_expr()?;
                    self.expect_close(Tok::RightBracket, "`]`", open)?;
                    depth = depth.max(index_depth);
                    ExprKind::Index(Box::new(expr), Box::new(index))
                }
                _ => return Ok((expr, depth)),
            };
            depth += 1;
            self.check_depth(depth, start)?;
            expr = Expr { span: self.span_from(start), kind };
        }
    }

    fn primary(&mut self) -> Parsed<Deep> {
        let start = self.token.start;
        let (kind, depth) = match self.token.kind {
            Tok::Int => (ExprKind::Int(self.int_literal()?), 0),
            Tok::Float => (ExprKind::Float(self.float_literal()?), 0),
            Tok::Quote | Tok::Multiline => {
                let (parts, depth) = self.string_literal()?;
                (ExprKind::String(parts), depth)
            }
            Tok::LeftBracket => self.array_literal()?,
            Tok::LeftBrace => self.map_literal()?,
            Tok::LeftParen => return self.parenthesised(),
            Tok::Ident => self.word_expr()?,
            _ => return Err(self.unexpected("an expression")),
        };
        self.check_depth(depth + 1, start)?;
        Ok((Expr { span: self.span_from(start), kind }, depth + 1))
    }

    /// An expression that begins with a word.
    fn word_expr(&mut self) -> Parsed<(ExprKind, usize)> {
        let word = self.word();
        let second = self.second().kind;
        if self.statement_begins() {
            return Err(self.unexpected("an expression"));
        }
        Ok(match word {
            "true" | "false" => {
                self.bump();
                (ExprKind::Boolean(word == "true"), 0)
            }
            "if" => return self.if_expr(),
            "object" if second == Tok::LeftBrace => {
                self.bump();
                let (members, depth) = self.members(false)?;
                (ExprKind::Object(members), depth)
            }
            "None" if self.at_least(Version::V1_1) => {
                self.bump();
                (ExprKind::None, 0)
            }
            _ if second == Tok::LeftParen => self.call()?,
            _ if second == Tok::LeftBrace && !self.opens_body() => self.struct_literal()?,
            "then" | "else" | "as" | "call" | "task" | "workflow" | "scatter" | "import" | "command" | "runtime"
                if word != "task" || !self.at_least(Version::V1_2) =>
            {
                let error = self.unexpected_diagnostic("an expression");
                let error = if word == "task" { error.hint("the `task` variable needs `version 1.2`") } else { error };
                return Err(self.fail(error));
            }
            _ => {
                self.bump();
                (ExprKind::Ident(word.into()), 0)
            }
        })
    }

    /// Whether the current word begins the next statement: then the expression before it has no end.
    fn statement_begins(&self) -> bool {
        let second = self.second().kind;
        match self.word() {
            "scatter" => second == Tok::LeftParen,
            "Array" | "Map" | "Pair" => self.token.first_on_line && second == Tok::LeftBracket,
            "Boolean" | "Int" | "Float" | "String" | "File" | "Directory" | "Object" => {
                self.token.first_on_line && matches!(second, Tok::Ident | Tok::Question)
            }
            _ => false,
        }
    }

    /// Whether the brace after the current word opens the body of a block and no literal: the bracket before it is missing.
    fn opens_body(&self) -> bool {
        let first = self.lex_at(self.second().end);
        first.kind == Tok::Ident
            && first.first_on_line
            && matches!(self.lex_at(first.end).kind, Tok::Ident | Tok::LeftParen | Tok::LeftBracket)
    }

    fn call(&mut self) -> Parsed<(ExprKind, usize)> {
        let name = self.any_name("a function")?;
        let open = self.bump();
        let (arguments, depth) = self.list(Tok::RightParen, "`)`", open)?;
        Ok((ExprKind::Call(name, arguments), depth))
    }

    /// Comma-separated expressions up to a closing bracket, which is taken.
    pub(super) fn list(&mut self, close: Tok, shown: &str, open: super::Token) -> Parsed<(Vec<Expr>, usize)> {
        let mut items = Vec::new();
        let mut depth = 0;
        while !self.is(close) {
            let (item, item_depth) = self.deep_expr()?;
            items.push(item);
            depth = depth.max(item_depth);
            if !self.eat(Tok::Comma) {
                break;
            }
        }
        self.expect_close(close, shown, open)?;
        Ok((items, depth))
    }

    /// `(a)` or `(a, b)`.
    fn parenthesised(&mut self) -> Parsed<Deep> {
        let open = self.bump();
        let (mut first, mut depth) = self.deep_expr()?;
        if self.eat(Tok::Comma) {
            let (second, second_depth) = self.deep_expr()?;
            depth = depth.max(second_depth) + 1;
            self.check_depth(depth, open.start)?;
            self.eat(Tok::Comma);
            first = Expr { span: first.span, kind: ExprKind::Pair(Box::new(first), Box::new(second)) };
        }
        self.expect_close(Tok::RightParen, "`)`", open)?;
        first.span = self.span_from(open.start);
        Ok((first, depth))
    }

    /// `if c then a else b`; chains of `else if` are collected in a loop, so that they may be long.
    fn if_expr(&mut self) -> Parsed<(ExprKind, usize)> {
        let mut clauses = Vec::new();
        let mut depth = 0;
        let last = loop {
            let start = self.bump().start;
            let (condition, condition_depth) = self.deep_expr()?;
            if !self.eat_word("then") {
                return Err(self.unexpected("`then`"));
            }
            let (value, value_depth) = self.deep_expr()?;
            if !self.eat_word("else") {
                let error = self.unexpected_diagnostic("`else`").hint("an `if` expression always has an `else`");
                return Err(self.fail(error));
            }
            depth = depth.max(condition_depth).max(value_depth);
            clauses.push((start, condition, value));
            self.check_depth(clauses.len(), start)?;
            if !self.is_word("if") {
                let (last, last_depth) = self.deep_expr()?;
                depth = depth.max(last_depth) + clauses.len();
                break last;
            }
        };
        let end = last.span.end as usize;
        let mut kind = last.kind;
        let mut span = last.span;
        for (start, condition, value) in clauses.into_iter().rev() {
            kind = ExprKind::If(Box::new(condition), Box::new(value), Box::new(Expr { span, kind }));
            span = Span::new(start, end);
        }
        Ok((kind, depth))
    }
}

/// The operator a token stands for, with its binding power.
fn infix(kind: Tok) -> Option<(BinaryOp, u8)> {
    Some(match kind {
        Tok::Or => (BinaryOp::Or, 0),
        Tok::And => (BinaryOp::And, 1),
        Tok::Eq => (BinaryOp::Eq, 2),
        Tok::Ne => (BinaryOp::Ne, 2),
        Tok::Lt => (BinaryOp::Lt, 3),
        Tok::Le => (BinaryOp::Le, 3),
        Tok::Gt => (BinaryOp::Gt, 3),
        Tok::Ge => (BinaryOp::Ge, 3),
        Tok::Plus => (BinaryOp::Add, 4),
        Tok::Minus => (BinaryOp::Sub, 4),
        Tok::Star => (BinaryOp::Mul, 5),
        Tok::Slash => (BinaryOp::Div, 5),
        Tok::Percent => (BinaryOp::Rem, 5),
        Tok::Power => (BinaryOp::Pow, 6),
        _ => return None,
    })
}
