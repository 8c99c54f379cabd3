//! Statements, blocks and comments.

use super::Printer;
use crate::parse::layout::{Class, Token};

impl Printer<'_> {
    /// Writes statements up to the end of the block or text.
    pub(super) fn statements(&mut self, level: usize) {
        let first = self.at;
        let mut level_here = level;
        while let Some(token) = self.token(self.at) {
            match token.class {
                Class::BlockClose => return,
                Class::Comment => {
                    self.separate(token, first, level);
                    self.comment(token, level_here);
                    self.at += 1;
                }
                _ => {
                    self.separate(token, first, level);
                    self.line(level_here);
                    let keyword = self.is_input_keyword();
                    self.statement(level_here);
                    // What follows `input:` of a call stands one level deeper.
                    level_here += usize::from(keyword);
                }
            }
        }
    }

    /// `input` and `:` before the inputs of a call.
    fn is_input_keyword(&self) -> bool {
        let class = |i: usize| self.token(i).map(|token| token.class);
        self.token(self.at).is_some_and(|token| token.text == "input")
            && class(self.at + 1) == Some(Class::Colon)
            && self.token(self.at + 2).is_none_or(|token| token.statement || matches!(token.class, Class::Comment | Class::BlockClose))
    }

    /// An empty line, where there is one or belongs one.
    fn separate(&mut self, token: Token<'_>, first: usize, level: usize) {
        if self.at == first || (token.class == Class::Comment && token.lines_before == 0) {
            return;
        }
        let before = self.at.checked_sub(1).and_then(|i| self.token(i));
        let after_comment = before.is_some_and(|before| before.class == Class::Comment && (before.lines_before > 0 || self.at == 1));
        let imports = token.text == "import" && self.begins_with_import();
        let apart = level == 0 && !after_comment && !imports;
        if apart || token.lines_before > 1 {
            self.out.truncate(self.out.trim_end_matches([' ', '\n']).len());
            self.out.push('\n');
        }
    }

    /// Whether the statement before the current one is an import.
    fn begins_with_import(&self) -> bool {
        let before = self.tokens.get(..self.at).unwrap_or_default();
        before.iter().rev().find(|token| token.statement).is_some_and(|token| token.text == "import")
    }

    /// A comment on a line of its own, or after what stands on its line.
    fn comment(&mut self, token: Token<'_>, level: usize) {
        if token.lines_before == 0 && !self.out.is_empty() {
            self.write("  ");
        } else {
            self.line(level);
        }
        self.write(token.text);
    }

    /// A statement with its blocks; the line has begun.
    fn statement(&mut self, level: usize) {
        if let Some(token) = self.token(self.at).filter(|token| token.class == Class::Command) {
            self.command(token, level);
            self.at += 1;
            return;
        }
        let mut begun = false;
        loop {
            let end = self.run_end(begun);
            if end > self.at {
                if begun {
                    self.write(" ");
                }
                self.run(end, level);
                begun = true;
            }
            match self.token(self.at).map(|token| token.class) {
                Some(Class::BlockOpen) => {
                    self.block(level, begun);
                    begun = true;
                }
                _ => return,
            }
        }
    }

    /// Where the tokens up to the next block, command or statement end. A comment at the end belongs to what follows.
    fn run_end(&self, begun: bool) -> usize {
        let mut end = self.at;
        while let Some(token) = self.token(end) {
            let next = token.statement && (begun || end > self.at);
            if next || matches!(token.class, Class::BlockOpen | Class::BlockClose | Class::Command) {
                break;
            }
            end += 1;
        }
        if self.token(end).is_none_or(|token| token.class != Class::BlockOpen) {
            while end > self.at && self.token(end - 1).is_some_and(|token| token.class == Class::Comment) {
                end -= 1;
            }
        }
        end
    }

    fn block(&mut self, level: usize, after_text: bool) {
        let Some(open) = self.token(self.at) else { return };
        if after_text {
            self.write(" ");
        }
        self.at += 1;
        if self.token(self.at).is_some_and(|token| token.class == Class::BlockClose) {
            self.write("{}");
            self.at += 1;
            return;
        }
        if open.compact && self.fits_on_line() {
            self.compact();
            return;
        }
        self.write("{");
        self.statements(level + 1);
        self.line(level);
        self.write("}");
        self.at += 1;
    }

    /// The place of the brace that closes the block whose first token is the current one.
    fn block_end(&self) -> usize {
        let mut depth = 0;
        let mut end = self.at;
        while let Some(token) = self.token(end) {
            match token.class {
                Class::BlockOpen => depth += 1,
                Class::BlockClose if depth == 0 => break,
                Class::BlockClose => depth -= 1,
                _ => {}
            }
            end += 1;
        }
        end
    }

    /// Whether a block was written on one line and still fits there.
    fn fits_on_line(&self) -> bool {
        let end = self.block_end();
        let inside = self.tokens.get(self.at..=end).unwrap_or_default();
        let one_line = inside.iter().all(|token| token.lines_before == 0 && token.class != Class::Comment && !token.text.contains('\n'));
        one_line && self.column + "{ ".len() + self.flat_length(self.at, end) + " }".len() <= super::WIDTH
    }

    fn compact(&mut self) {
        let end = self.block_end();
        self.write("{ ");
        self.flat(self.at, end);
        self.write(" }");
        self.at = end + 1;
    }
}
