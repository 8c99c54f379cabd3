//! `-Dkey=value` settings and files of Java properties.

use std::sync::Arc;

use crate::{
    limits::MAX_NESTING,
    problem::Problem,
    raw::{Definition, Fields, Raw},
    source::{Origin, Source},
};

/// Turns settings into fields: the key is cut at its dots, the value is a text.
///
/// Where one key is the beginning of another, the longer one wins, as it does for Java properties.
pub(crate) fn fields(settings: &[(String, String, Origin)], problems: &mut Vec<Problem>) -> Fields {
    let mut sorted: Vec<_> = settings.iter().collect();
    sorted.sort_by_key(|(key, _, _)| key.split('.').count());
    let mut fields = Fields::default();
    for (key, value, origin) in sorted {
        let path: Vec<String> = key.split('.').map(ToString::to_string).collect();
        if path.len() > MAX_NESTING {
            problems.push(Problem::at(origin, format!("the key `{key}` has more than {MAX_NESTING} parts")));
            continue;
        }
        fields.define(&path, Definition::new(Raw::Text(value.clone()), origin.clone()));
    }
    fields
}

/// The place of a setting from the command line.
pub(crate) fn origin_of_setting(key: &str) -> Origin {
    Origin { source: Source::new(format!("-D{key}"), ""), start: 0, end: 0 }
}

/// Reads a file of Java properties.
pub(crate) fn parse(source: &Arc<Source>) -> Vec<(String, String, Origin)> {
    let mut settings = Vec::new();
    let mut at = 0;
    let mut lines = source.text.split_inclusive('\n');
    while let Some(line) = lines.next() {
        let start = at;
        at += line.len();
        let trimmed = line.trim_start();
        if trimmed.is_empty() || trimmed.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = trimmed.trim_end_matches(['\n', '\r']).to_string();
        // An odd number of backslashes at the end continues the line.
        while logical.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1 {
            logical.pop();
            let Some(next) = lines.next() else { break };
            at += next.len();
            logical.push_str(next.trim_start().trim_end_matches(['\n', '\r']));
        }
        let (key, value) = split(&logical);
        settings.push((unescape(key), unescape(value), Origin { source: Arc::clone(source), start, end: start + line.trim_end().len() }));
    }
    settings
}

/// Cuts a line at the first separator that is not escaped.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|c: char| {
        let found = !escaped && (c == '=' || c == ':' || c.is_whitespace());
        escaped = c == '\\' && !escaped;
        found
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start();
    (key, rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start())
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match characters.next() {
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\u{c}'),
            Some('u') => {
                let digits: String = characters.by_ref().take(4).collect();
                plain.extend(u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32));
            }
            Some(other) => plain.push(other),
            None => {}
        }
    }
    plain
}
