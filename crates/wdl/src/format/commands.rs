//! Commands: moved as a whole, so that the script stays the same.

use super::{INDENT, Printer};
use crate::parse::layout::Token;

impl Printer<'_> {
    /// A command section; the line has begun.
    pub(super) fn command(&mut self, token: Token<'_>, level: usize) {
        let Some((opener, body, closer)) = parts(token.text) else {
            return self.write(token.text);
        };
        self.write(&format!("command {opener}"));
        let moved = if self.move_commands { moved(body, level) } else { None };
        match moved {
            Some(text) => self.write(&text),
            None => self.write(body),
        }
        self.write(closer);
    }
}

/// Opening delimiter, contents, closing delimiter.
pub(crate) fn parts(command: &str) -> Option<(&str, &str, &str)> {
    let rest = command.strip_prefix("command")?.trim_start();
    ["<<<", "{"].into_iter().zip([">>>", "}"]).find_map(|(open, close)| {
        let body = rest.strip_prefix(open)?.strip_suffix(close)?;
        Some((open, body, close))
    })
}

/// The contents with their lines one level deeper than the section; `None` where they do not stand on lines of their own.
fn moved(body: &str, level: usize) -> Option<String> {
    let body = body.replace("\r\n", "\n");
    let (first, rest) = body.split_once('\n')?;
    if !first.trim_matches([' ', '\t']).is_empty() {
        return None;
    }
    // The last line end and the blanks before the closing delimiter are no part of the script.
    let rest = rest.trim_end_matches([' ', '\t']);
    let lines = rest.strip_suffix('\n').unwrap_or(rest);
    let blanks = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let common = lines.lines().filter(|line| blanks(line) < line.len()).map(blanks).min();
    let mut text = String::from("\n");
    if let Some(common) = common {
        for line in lines.split('\n') {
            // Of a line of blanks only what is beyond the common indentation is part of the script.
            if let Some(content) = line.get(common..).filter(|content| !content.is_empty()) {
                text.push_str(&" ".repeat((level + 1) * INDENT));
                text.push_str(content);
            }
            text.push('\n');
        }
    } else if rest.contains('\n') {
        text.push_str(lines);
        text.push('\n');
    }
    text.push_str(&" ".repeat(level * INDENT));
    Some(text)
}
