//! Replacement texts: `$1` of Java, `\1` of the specification.

/// A piece of a replacement.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    /// Copied.
    Text(String),
    /// What the group matched, or nothing.
    Group(usize),
}

#[derive(Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    fn push(&mut self, c: char) {
        match self.0.last_mut() {
            Some(Piece::Text(text)) => text.push(c),
            _ => self.0.push(Piece::Text(c.to_string())),
        }
    }
}

/// `\1` to `\9` are groups and `\\` is a backslash; all else stands for itself.
pub(super) fn parse_posix(text: &str, groups: usize) -> Vec<Piece> {
    let mut pieces = Pieces::default();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let escaped = if c == '\\' { chars.peek().copied() } else { None };
        match escaped {
            Some(d @ '1'..='9') => {
                chars.next();
                let group = d.to_digit(10).map_or(0, |n| n as usize);
                if group < groups {
                    pieces.0.push(Piece::Group(group));
                }
            }
            Some('\\') => {
                chars.next();
                pieces.push('\\');
            }
            _ => pieces.push(c),
        }
    }
    pieces.0
}

/// `$1` and `${name}` are groups, a backslash takes the meaning from the next character.
///
/// `groups` counts the whole match too. Of `$12` the second digit belongs to the number only if there are that many
/// groups.
pub(super) fn parse_java(text: &str, groups: usize, number_of: impl Fn(&str) -> Option<usize>) -> Result<Vec<Piece>, String> {
    let mut pieces = Pieces::default();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(next) => pieces.push(next),
                None => return Err("the replacement ends in a backslash, write `\\\\\\\\` for one".to_owned()),
            },
            '$' if chars.next_if_eq(&'{').is_some() => {
                let mut name = String::new();
                loop {
                    match chars.next() {
                        Some('}') => break,
                        Some(c) => name.push(c),
                        None => return Err("the replacement has `${` without `}`".to_owned()),
                    }
                }
                let number = number_of(&name).ok_or_else(|| format!("the pattern has no group named `{name}`"))?;
                pieces.0.push(Piece::Group(number));
            }
            '$' => {
                let first = chars.next().and_then(|d| d.to_digit(10));
                let Some(first) = first else {
                    return Err("`$` in the replacement needs a group number, write `\\\\$` for a dollar sign".to_owned());
                };
                let mut number = first as usize;
                if number >= groups {
                    return Err(format!("the pattern has no group {number}"));
                }
                while let Some(digit) = chars.peek().and_then(|d| d.to_digit(10)) {
                    let longer = number * 10 + digit as usize;
                    if longer >= groups {
                        break;
                    }
                    number = longer;
                    chars.next();
                }
                pieces.0.push(Piece::Group(number));
            }
            c => pieces.push(c),
        }
    }
    Ok(pieces.0)
}

#[cfg(test)]
mod tests {
    use super::{Piece::Group, Piece::Text, parse_java, parse_posix};

    #[test]
    fn posix_knows_backslash_digits_only() {
        assert_eq!(parse_posix(r"[\1]$1\0\q", 2), [Text("[".into()), Group(1), Text(r"]$1\0\q".into())]);
        assert_eq!(parse_posix(r"\\1", 2), [Text(r"\1".into())]);
        assert_eq!(parse_posix(r"\2", 2), []);
    }

    #[test]
    fn java_knows_dollars_and_escapes() {
        let none = |_: &str| None;
        assert_eq!(parse_java(r"[$1]\0", 2, none), Ok(vec![Text("[".into()), Group(1), Text("]0".into())]));
        assert_eq!(parse_java("$12", 2, none), Ok(vec![Group(1), Text("2".into())]));
        assert_eq!(parse_java("${x}", 2, |n| (n == "x").then_some(1)), Ok(vec![Group(1)]));
        for wrong in ["$", "$x", "$7", "\\", "${x", "${y}"] {
            assert!(parse_java(wrong, 2, none).is_err(), "{wrong}");
        }
    }
}
