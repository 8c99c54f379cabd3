//! Keys of several elements: `a.b."c.d"`.

use std::fmt;

use crate::lexer::is_space;

/// The elements of a dotted key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path(pub Vec<String>);

/// Why a text is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// No text at all.
    #[error("a key is missing")]
    Nothing,
    /// Two dots in a row, or one at an end.
    #[error("the key begins or ends with a dot, or has two in a row")]
    EmptyElement,
    /// A quote that does not end.
    #[error("a quote in the key is not closed")]
    OpenQuote,
}

impl Path {
    /// Reads `a.b."c.d"`.
    ///
    /// # Errors
    /// When an element is empty or a quote is not closed.
    pub fn parse(text: &str) -> Result<Path, PathError> {
        let mut builder = PathBuilder::default();
        let mut rest = text.trim();
        while !rest.is_empty() {
            if let Some(quoted) = rest.strip_prefix('"') {
                let (inside, after) = quoted.split_once('"').ok_or(PathError::OpenQuote)?;
                builder.quoted(inside);
                rest = after;
            } else {
                let (plain, after) = rest.split_at(rest.find('"').unwrap_or(rest.len()));
                builder.plain(plain);
                rest = after;
            }
        }
        builder.finish()
    }
}

/// Joins the tokens of a key to a path: dots separate only outside of quotes.
#[derive(Default)]
pub(crate) struct PathBuilder {
    elements: Vec<(String, bool)>,
}

impl PathBuilder {
    fn last(&mut self) -> &mut (String, bool) {
        if self.elements.is_empty() {
            self.elements.push((String::new(), false));
        }
        self.elements.last_mut().expect("an element was just made")
    }

    /// Text in quotes.
    pub(crate) fn quoted(&mut self, text: &str) {
        let (element, may_be_empty) = self.last();
        element.push_str(text);
        *may_be_empty |= element.is_empty();
    }

    /// Text without quotes.
    pub(crate) fn plain(&mut self, text: &str) {
        for (index, part) in text.split('.').enumerate() {
            if index > 0 {
                self.last();
                self.elements.push((String::new(), false));
            }
            self.last().0.push_str(part);
        }
    }

    pub(crate) fn finish(self) -> Result<Path, PathError> {
        if self.elements.is_empty() {
            return Err(PathError::Nothing);
        }
        if self.elements.iter().any(|(element, may_be_empty)| element.is_empty() && !may_be_empty) {
            return Err(PathError::EmptyElement);
        }
        Ok(Path(self.elements.into_iter().map(|(element, _)| element).collect()))
    }
}

/// One element as it must be written in a document.
pub(crate) fn element(text: &str) -> String {
    let plain = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
    if plain { text.to_string() } else { format!("{text:?}") }
}

/// The path as it must be written in a document.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elements: Vec<String> = self.0.iter().map(|text| element(text)).collect();
        f.write_str(&elements.join("."))
    }
}

/// Whether a text is nothing but blanks, as whitespace between substitutions is.
pub(crate) fn is_blank(text: &str) -> bool {
    text.chars().all(|c| is_space(c) || c == '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_separate_outside_of_quotes() {
        let elements = |text: &str| Path::parse(text).map(|path| path.0);
        assert_eq!(elements("a.\"b.c\".d").unwrap(), ["a", "b.c", "d"]);
        assert_eq!(elements("\"\".x").unwrap(), ["", "x"]);
        assert_eq!(elements("a..b"), Err(PathError::EmptyElement));
        assert_eq!(elements(""), Err(PathError::Nothing));
        assert_eq!(elements("\"a"), Err(PathError::OpenQuote));
        assert_eq!(Path::parse("a.\"1.0\"").unwrap().to_string(), "a.\"1.0\"");
    }
}
