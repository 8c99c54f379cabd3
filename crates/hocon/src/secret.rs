//! Keeps passwords and keys out of everything that is shown.

/// Words that name a secret when a separator follows them.
const WORDS: [&str; 9] = ["password", "passwd", "secret", "access-key", "accesskey", "token", "encryption-key", "access-id", "api-key"];
const HIDDEN: &str = "***";

/// The text with the values of passwords, keys and tokens, and the passwords in URLs, replaced by `***`.
pub fn without_secrets(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = next_secret(rest) {
        shown.push_str(before);
        shown.push_str(HIDDEN);
        rest = after;
    }
    shown.push_str(rest);
    hide_passwords_of_urls(&shown)
}

/// Splits around the first secret value: what precedes it, and what follows it.
fn next_secret(text: &str) -> Option<(&str, &str)> {
    let lower = text.to_ascii_lowercase();
    let named = WORDS.iter().flat_map(|word| lower.match_indices(word).map(|(at, word)| at + word.len()));
    let start = named.filter_map(|end| value_start(text, end)).min()?;
    let value = text.get(start..)?;
    let end = match value.chars().next()? {
        // A quoted value ends at the quote, everything else at what cannot be part of a value in a file or URL.
        '"' => value[1..].find('"').map_or(value.len(), |quote| quote + 2),
        _ => value.find(['&', ';', ',', '}', '\n']).unwrap_or(value.trim_end().len()),
    };
    (end > 0).then(|| (text.get(..start).unwrap_or(""), value.get(end..).unwrap_or("")))
}

/// Where the value begins whose name ends at `end`, if a separator follows.
fn value_start(text: &str, end: usize) -> Option<usize> {
    let rest = text.get(end..)?;
    let after_name = rest.trim_start_matches([' ', '\t', '"']);
    let after_separator = after_name.strip_prefix(['=', ':'])?.trim_start_matches([' ', '\t']);
    (!after_separator.is_empty() && !after_separator.starts_with(['{', '[', '*'])).then(|| text.len() - after_separator.len())
}

fn hide_passwords_of_urls(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let authority = after.split(['/', '?', ' ', '"', '\n']).next().unwrap_or("");
        let hidden = authority.rsplit_once('@').and_then(|(user, host)| user.split_once(':').map(|(name, _)| (name, host)));
        match hidden {
            Some((name, host)) => shown.push_str(&format!("{name}:{HIDDEN}@{host}")),
            None => shown.push_str(authority),
        }
        rest = after.get(authority.len()..).unwrap_or("");
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_keys_are_hidden() {
        for (text, shown) in [
            ("password = \"a b\" # x", "password = *** # x"),
            ("  password: s3@cr t", "  password: ***"),
            ("\"access-key\" = yyyy, region = x", "\"access-key\" = ***, region = x"),
            ("url = jdbc:mysql://h/db?user=u&password=p&x=1", "url = jdbc:mysql://h/db?user=u&password=***&x=1"),
            ("mysql://u:p@ss@h/db", "mysql://u:***@h/db"),
            ("the password is missing", "the password is missing"),
            ("password {", "password {"),
            ("password =", "password ="),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }
}
