//! Escape sequences of string literals.

use super::Parser;
use crate::{source::Span, version::Version};

impl Parser<'_> {
    /// Resolves the escape sequence at `pos` (a backslash), appends its text and returns the place after it.
    ///
    /// An unknown sequence stays as it is, with a warning: published regular expressions contain `"\."` and `"\d"`.
    pub(super) fn escape(&mut self, pos: usize, out: &mut String) -> usize {
        let simple = match self.byte(pos + 1) {
            b'\\' => '\\',
            b'"' => '"',
            b'\'' => '\'',
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'a' => '\u{7}',
            b'v' => '\u{b}',
            b'?' => '?',
            b'~' => '~',
            b'$' => '$',
            _ => return self.numeric_escape(pos, out),
        };
        out.push(simple);
        pos + 2
    }

    fn numeric_escape(&mut self, pos: usize, out: &mut String) -> usize {
        let found = match self.byte(pos + 1) {
            b'x' => self.code(pos + 2, 16, 2, 2),
            b'u' => self.utf16(pos + 2),
            b'U' => self.code(pos + 2, 16, 8, 8),
            b'0'..=b'7' => {
                let fewest = if self.version == Version::Draft2 { 1 } else { 3 };
                self.code(pos + 1, 8, fewest, 3)
            }
            _ => None,
        };
        match found {
            Some((code, end)) => {
                match char::from_u32(code) {
                    Some(c) => out.push(c),
                    None => {
                        let span = Span::new(pos, end);
                        let error = self.diagnostic_error(span, format!("`{}` is not a Unicode character", self.slice(pos, end)));
                        self.push(error);
                    }
                }
                end
            }
            None => self.unknown_escape(pos, out),
        }
    }

    /// Digits in a base: their value and the place after them.
    fn code(&self, start: usize, base: u32, fewest: usize, most: usize) -> Option<(u32, usize)> {
        let tail = self.bytes.get(start..)?;
        let count = tail.iter().take(most).take_while(|b| char::from(**b).is_digit(base)).count();
        if count < fewest {
            return None;
        }
        let end = start + count;
        u32::from_str_radix(self.slice(start, end), base).ok().map(|code| (code, end))
    }

    /// Four digits, or a pair of surrogates as Java writes characters beyond them.
    fn utf16(&self, start: usize) -> Option<(u32, usize)> {
        let (high, end) = self.code(start, 16, 4, 4)?;
        if (0xD800..0xDC00).contains(&high)
            && self.bytes.get(end..end + 2) == Some(b"\\u")
            && let Some((low, low_end)) = self.code(end + 2, 16, 4, 4)
            && (0xDC00..0xE000).contains(&low)
        {
            return Some((0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00), low_end));
        }
        Some((high, end))
    }

    fn unknown_escape(&mut self, pos: usize, out: &mut String) -> usize {
        out.push('\\');
        let Some(c) = self.text.get(pos + 1..).and_then(|t| t.chars().next()) else { return pos + 1 };
        if matches!(c, '\n' | '\r') {
            // The end of the line is reported by the caller.
            return pos + 1;
        }
        let end = pos + 1 + c.len_utf8();
        let warning = self.diagnostic_warning(Span::new(pos, end), format!("unknown escape sequence `\\{c}`; the backslash is kept"));
        let warning = warning.rule(crate::rule::Rule::UnknownEscape);
        self.push(warning.hint(format!("write `\\\\{c}`")));
        out.push(c);
        end
    }
}
