//! URLs without quotes. HOCON refuses them at their first colon, but printed guides are full of them.

use super::Parser;
use crate::{
    lexer::{Token, is_space},
    problem::Remark,
    raw::{Definition, Raw},
};

impl Parser<'_, '_> {
    /// Reads a URL where a value may stand. Nothing that HOCON accepts looks like one, so nothing changes its meaning.
    pub(super) fn url(&mut self) -> Option<Definition> {
        if !matches!(self.peek(), Token::Unquoted(_)) {
            return None;
        }
        let start = self.start();
        let text = self.lexer.source.text.get(start..)?;
        let url = text.get(..length(text)?)?.to_string();
        // A word that was cut at `//` was remarked upon; here it is none.
        self.lexer.remarks.retain(|remark| remark.origin.as_ref().is_none_or(|origin| origin.start < start));
        self.peeked = None;
        self.lexer.at = start + url.len();
        let origin = self.lexer.origin(start);
        let message = "a URL without double quotes is no HOCON; it was read up to the next blank, comma or bracket";
        self.shared.remark(Remark::at(&origin, message, "put the URL in double quotes"));
        Some(Definition::new(Raw::Text(url), origin))
    }
}

/// Length of the URL that a text begins with: words with colons, then `//`, or `jdbc:` and anything.
fn length(text: &str) -> Option<usize> {
    let mut scheme = 0;
    loop {
        let rest = text.get(scheme..)?;
        let word = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))).unwrap_or(rest.len());
        if word == 0 || !rest.get(word..)?.starts_with(':') {
            return None;
        }
        scheme += word + 1;
        let after = text.get(scheme..)?;
        let begun = after.starts_with("//") || text.starts_with("jdbc:");
        if begun {
            let stop = |c: char| c == '\n' || is_space(c) || matches!(c, ',' | '[' | ']' | '{' | '}' | '"' | '$');
            let end = after.find(stop).unwrap_or(after.len());
            return (end > 0).then_some(scheme + end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::length;

    #[test]
    fn only_urls_are_urls() {
        let url = |text: &str| length(text).map(|end| text[..end].to_string());
        assert_eq!(url("jdbc:mysql://h/d?a=b&c=d # x").as_deref(), Some("jdbc:mysql://h/d?a=b&c=d"));
        assert_eq!(url("oss://${b}/x").as_deref(), Some("oss://"));
        assert_eq!(url("jdbc:hsqldb:mem:x;y=z\n").as_deref(), Some("jdbc:hsqldb:mem:x;y=z"));
        assert_eq!(url("a : b"), None);
        assert_eq!(url("a:b"), None);
        assert_eq!(url("//x"), None);
    }
}
