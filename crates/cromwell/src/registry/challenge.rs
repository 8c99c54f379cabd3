//! How a server wants its callers to sign in: `WWW-Authenticate`.

use std::{iter::Peekable, str::Chars};

/// Longest header that is looked at.
const MAX_BYTES: usize = 8 << 10;

/// A way to sign in that we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// With a token that another server gives.
    Bearer {
        /// URL of that server.
        realm: String,
        /// What it calls this one.
        service: Option<String>,
        /// What the token must allow.
        scope: Option<String>,
    },
    /// With a name and a password.
    Basic,
}

/// The first challenge of some headers that we can meet; one for a token goes before one for a password.
pub(super) fn parse<'h>(headers: impl Iterator<Item = &'h str>) -> Option<Challenge> {
    let found: Vec<Challenge> = headers.filter(|header| header.len() <= MAX_BYTES).flat_map(of_header).collect();
    let bearer = found.iter().find(|challenge| **challenge != Challenge::Basic);
    bearer.or(found.first()).cloned()
}

/// The challenges of one header: `Scheme name=value, name="value", Scheme ...`.
fn of_header(header: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    let mut scheme = String::new();
    let mut parameters: Vec<(String, String)> = Vec::new();
    let mut chars = header.chars().peekable();
    loop {
        skip(&mut chars, |c| c == ',' || c.is_whitespace());
        let word = take(&mut chars, |c| !c.is_whitespace() && !matches!(c, ',' | '='));
        if word.is_empty() && chars.next().is_none() {
            break;
        }
        skip(&mut chars, |c| c.is_whitespace());
        if chars.next_if_eq(&'=').is_some() {
            skip(&mut chars, |c| c.is_whitespace());
            parameters.push((word.to_ascii_lowercase(), value(&mut chars)));
        } else if !word.is_empty() {
            found.extend(challenge(&scheme, &mut parameters));
            scheme = word;
        }
    }
    found.extend(challenge(&scheme, &mut parameters));
    found
}

fn challenge(scheme: &str, parameters: &mut Vec<(String, String)>) -> Option<Challenge> {
    let mut taken = std::mem::take(parameters);
    let mut parameter = |name: &str| {
        let at = taken.iter().position(|(known, value)| known == name && !value.is_empty())?;
        Some(taken.swap_remove(at).1)
    };
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(Challenge::Bearer { realm: parameter("realm")?, service: parameter("service"), scope: parameter("scope") }),
        "basic" => Some(Challenge::Basic),
        _ => None,
    }
}

/// A word, or a text in quotes in which a backslash stands before what is meant as it is.
fn value(chars: &mut Peekable<Chars<'_>>) -> String {
    if chars.next_if_eq(&'"').is_none() {
        return take(chars, |c| !c.is_whitespace() && c != ',');
    }
    let mut text = String::new();
    while let Some(next) = chars.next() {
        match next {
            '"' => break,
            '\\' => text.extend(chars.next()),
            other => text.push(other),
        }
    }
    text
}

fn take(chars: &mut Peekable<Chars<'_>>, is_part: impl Fn(char) -> bool) -> String {
    std::iter::from_fn(|| chars.next_if(|c| is_part(*c))).collect()
}

fn skip(chars: &mut Peekable<Chars<'_>>, is_part: impl Fn(char) -> bool) {
    while chars.next_if(|c| is_part(*c)).is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer { realm: realm.into(), service: service.map(str::to_owned), scope: scope.map(str::to_owned) })
    }

    #[test]
    fn tokens_are_asked_for_in_many_spellings() {
        let hub = "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope=\"repository:library/ubuntu:pull\"";
        let scope = Some("repository:library/ubuntu:pull");
        assert_eq!(parse([hub].into_iter()), bearer("https://auth.docker.io/token", Some("registry.docker.io"), scope));
        for (header, realm, service, scope) in [
            ("bearer Realm = \"https://h/t\" , SCOPE=\"a:b:pull,push\"", "https://h/t", None, Some("a:b:pull,push")),
            ("Bearer realm=https://h/t,service=s", "https://h/t", Some("s"), None),
            ("Basic realm=\"x\", Bearer realm=\"https://h/\\\"q\\\"\",service=\"\"", "https://h/\"q\"", None, None),
            ("Negotiate, Bearer error=\"invalid_token\", realm=\"https://h/t\"", "https://h/t", None, None),
        ] {
            assert_eq!(parse([header].into_iter()), bearer(realm, service, scope), "{header}");
        }
        assert_eq!(parse(["Basic realm=\"x\"", "Bearer realm=\"https://h\""].into_iter()), bearer("https://h", None, None));
        assert_eq!(parse(["Basic realm=\"x\""].into_iter()), Some(Challenge::Basic));
    }

    #[test]
    fn what_makes_no_sense_is_no_challenge() {
        let long = format!("Bearer realm=\"https://{}\"", "h".repeat(9 << 10));
        for header in
            ["", "Bearer", "Bearer realm=", "Digest realm=\"x\"", ",,,==,", "=", "Bearer service=\"s\"", "\"", "Bearer \"realm\"", &long]
        {
            assert_eq!(parse([header].into_iter()), None, "{header}");
        }
        assert_eq!(parse(["Bearer realm=\"never ends"].into_iter()), bearer("never ends", None, None));
    }
}
