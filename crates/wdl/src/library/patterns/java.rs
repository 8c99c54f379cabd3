//! Java's regular expressions, as far as they are spelled differently here.

/// Java's name of a class after `\p`, and ours inside brackets.
const CLASSES: &[(&str, &str)] = &[
    ("Lower", "[:lower:]"),
    ("Upper", "[:upper:]"),
    ("ASCII", "[:ascii:]"),
    ("Alpha", "[:alpha:]"),
    ("Digit", "[:digit:]"),
    ("Alnum", "[:alnum:]"),
    ("Punct", "[:punct:]"),
    ("Graph", "[:graph:]"),
    ("Print", "[:print:]"),
    ("Blank", "[:blank:]"),
    ("Cntrl", "[:cntrl:]"),
    ("XDigit", "[:xdigit:]"),
    ("Space", "[:space:]"),
];

/// The pattern in the spelling of our engines.
pub(super) fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut in_brackets = 0usize;
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or("");
        match c {
            '\\' => {
                rest = escape(after, in_brackets > 0, &mut out);
                continue;
            }
            '[' => in_brackets += 1,
            ']' => in_brackets = in_brackets.saturating_sub(1),
            _ => {}
        }
        out.push(c);
        rest = after;
    }
    out
}

/// Translates what follows a backslash and returns the rest.
fn escape<'p>(after: &'p str, in_brackets: bool, out: &mut String) -> &'p str {
    if let Some(quoted) = after.strip_prefix('Q') {
        let (text, rest) = quoted.split_once("\\E").unwrap_or((quoted, ""));
        out.push_str(&regex::escape(text));
        return rest;
    }
    if let Some((negated, name, rest)) = class(after) {
        let inner = if negated { name.replacen("[:", "[:^", 1) } else { name.to_owned() };
        if in_brackets {
            out.push_str(&inner);
        } else {
            out.push('[');
            out.push_str(&inner);
            out.push(']');
        }
        return rest;
    }
    let Some(c) = after.chars().next() else {
        out.push('\\');
        return "";
    };
    let rest = after.get(c.len_utf8()..).unwrap_or("");
    match c {
        'h' if in_brackets => out.push_str("\\t\\x20"),
        'h' => out.push_str("[\\t\\x20]"),
        'e' => out.push_str("\\x1b"),
        'Z' => out.push_str("(?:\\n?\\z)"),
        // Letters keep their meaning; anything else is taken literally.
        c if c.is_ascii_alphanumeric() => {
            out.push('\\');
            out.push(c);
        }
        '<' | '>' | '_' => out.push(c),
        c if c.is_ascii() => {
            out.push('\\');
            out.push(c);
        }
        c => out.push(c),
    }
    rest
}

fn class(after: &str) -> Option<(bool, &'static str, &str)> {
    let negated = after.starts_with('P');
    let (name, rest) = after.strip_prefix(['p', 'P'])?.strip_prefix('{')?.split_once('}')?;
    let (_, ours) = CLASSES.iter().find(|(java, _)| *java == name)?;
    Some((negated, ours, rest))
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn java_spellings() {
        assert_eq!(translate(r"a\.b[\]x]$"), r"a\.b[\]x]$");
        assert_eq!(translate(r"\Q.+\E+"), r"\.\++");
        assert_eq!(translate(r"\Qa.b"), r"a\.b");
        assert_eq!(translate(r"\p{Alpha}[\p{Digit}_]\P{Space}\p{Lu}"), r"[[:alpha:]][[:digit:]_][[:^space:]]\p{Lu}");
        assert_eq!(translate(r"\<\>\_\/\-"), r"<>_\/\-");
        assert_eq!(translate("\\"), "\\");
    }
}
