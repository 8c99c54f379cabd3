//! From events to the JSON that Cromwell makes of them.
//!
//! Of events with the same key the later one counts, but a state gives way only to a higher one, and a time of start or end only to
//! an earlier one: a server that was started anew tells such things again. In a key `:` leads into an object and `[3]` into a list.

use std::{collections::BTreeMap, mem};

use batchyard_store::ForeignEvent;
use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Map, Value as Json};

/// How deep a key leads at most. What is stored could not be read again beyond 128, and lies in objects of ours.
const MAX_DEPTH: usize = 100;
/// States of calls, each giving way to those behind it.
const CALL_STATES: [&str; 12] = [
    "NotStarted",
    "WaitingForQueueSpace",
    "QueuedInCromwell",
    "Starting",
    "Running",
    "Aborting",
    "Unstartable",
    "Aborted",
    "Bypassed",
    "RetryableFailure",
    "Failed",
    "Done",
];
/// States of workflows, in the same way.
const RUN_STATES: [&str; 7] = ["On Hold", "Submitted", "Running", "Aborting", "Aborted", "Succeeded", "Failed"];

/// What makes the records of a workflow unusable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A list has no such place, or a key leads too deep.
    #[error("the key `{0}` leads nowhere")]
    Key(String),
    /// A state that Cromwell does not know.
    #[error("`{key}` is `{text}`, which is no state")]
    State {
        /// Whose value it is.
        key: String,
        /// What is there.
        text: String,
    },
    /// A text that should be a moment.
    #[error("`{key}` is `{text}`, which is no moment")]
    Moment {
        /// Whose value it is.
        key: String,
        /// What is there.
        text: String,
    },
    /// An id that is none.
    #[error("`{key}` is `{text}`, which is no id of a workflow")]
    Id {
        /// Whose value it is.
        key: String,
        /// What is there.
        text: String,
    },
    /// A name that no record can hold.
    #[error("the name `{0}` is longer than 191 characters")]
    Name(String),
    /// An index or attempt that no record can hold.
    #[error("the call `{name}` has the index {index} and the attempt {attempt}")]
    Place {
        /// Which call.
        name: String,
        /// Index in its scatter.
        index: i64,
        /// Number of the attempt.
        attempt: i64,
    },
    /// Nothing says when it was.
    #[error("nothing says when it began or ended: its metadata are gone")]
    Timeless,
}

/// A value under way.
#[derive(Debug)]
enum Node {
    Empty,
    Plain(Json),
    Object(IndexMap<String, Node>),
    /// By index; there may be gaps.
    List(BTreeMap<u64, Node>),
}

/// A part of a key.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    /// The index, or the next one.
    Item(Option<u64>),
}

/// The object that events make together.
///
/// # Errors
/// The first event that cannot be understood.
pub fn fold(events: Vec<ForeignEvent>) -> Result<Map<String, Json>, Broken> {
    let mut whole = Node::Object(IndexMap::new());
    for event in events {
        let mut steps = steps(&event.key)?;
        let Some(last) = steps.last() else { continue };
        let mut value = match event.value {
            Some((kind, text)) => Node::Plain(plain(&kind, text)),
            None => Node::Empty,
        };
        // That an item is empty says that the list is.
        if matches!((last, &value), (Step::Item(_), Node::Empty)) {
            steps.pop();
            value = Node::List(BTreeMap::new());
        }
        put(&mut whole, &steps, value, &event.key)?;
    }
    match json(whole) {
        Json::Object(members) => Ok(members),
        _ => Ok(Map::new()),
    }
}

/// A moment in epoch milliseconds.
///
/// # Errors
/// The text is no moment.
pub fn moment(key: &str, text: &str) -> Result<i64, Broken> {
    let parsed: Result<Timestamp, _> = text.parse();
    parsed.map(Timestamp::as_millisecond).map_err(|_| Broken::Moment { key: key.to_owned(), text: text.to_owned() })
}

/// Puts a value where the steps lead from here; what is of another kind on the way gives way.
fn put(node: &mut Node, steps: &[Step], value: Node, key: &str) -> Result<(), Broken> {
    match steps.split_first() {
        None => {
            if !stays(node, &value, key)? {
                *node = value;
            }
        }
        Some((Step::Member(name), rest)) => {
            let mut members = match mem::replace(node, Node::Empty) {
                Node::Object(members) => members,
                _ => IndexMap::new(),
            };
            put(members.entry(name.clone()).or_insert(Node::Empty), rest, value, key)?;
            *node = Node::Object(members);
        }
        Some((Step::Item(index), rest)) => {
            let mut items = match mem::replace(node, Node::Empty) {
                Node::List(items) => items,
                _ => BTreeMap::new(),
            };
            let next = items.last_key_value().map_or(0, |(last, _)| last.saturating_add(1));
            put(items.entry(index.unwrap_or(next)).or_insert(Node::Empty), rest, value, key)?;
            *node = Node::List(items);
        }
    }
    Ok(())
}

/// Whether what is there counts more than a later value.
fn stays(node: &Node, value: &Node, key: &str) -> Result<bool, Broken> {
    match (node, value) {
        (Node::List(_), Node::List(_)) => Ok(true),
        (Node::Plain(Json::String(old)), Node::Plain(Json::String(new))) => Ok(match key {
            "executionStatus" => rank(&CALL_STATES, key, old)? > rank(&CALL_STATES, key, new)?,
            "status" => rank(&RUN_STATES, key, old)? > rank(&RUN_STATES, key, new)?,
            "start" | "end" => moment(key, old)? < moment(key, new)?,
            _ => false,
        }),
        _ => Ok(false),
    }
}

fn rank(states: &[&str], key: &str, text: &str) -> Result<usize, Broken> {
    let found = states.iter().position(|state| *state == text);
    found.ok_or_else(|| Broken::State { key: key.to_owned(), text: text.to_owned() })
}

/// The parts of a key. A backslash takes their meaning from colons; from brackets it does not, as in the original.
fn steps(key: &str) -> Result<Vec<Step>, Broken> {
    let wrong = || Broken::Key(key.to_owned());
    let mut pieces = pieces(key);
    while pieces.last().is_some_and(String::is_empty) {
        pieces.pop();
    }
    let mut steps = Vec::new();
    for piece in pieces {
        match piece.split_once('[') {
            None => steps.push(Step::Member(piece)),
            Some((name, rest)) => {
                steps.push(Step::Member(name.to_owned()));
                for digits in rest.split('[').filter_map(|part| part.split_once(']')).map(|(digits, _)| digits) {
                    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
                        let index = if digits.is_empty() { None } else { Some(digits.parse().map_err(|_| wrong())?) };
                        steps.push(Step::Item(index));
                    }
                }
            }
        }
    }
    if steps.len() > MAX_DEPTH { Err(wrong()) } else { Ok(steps) }
}

/// A key cut at its colons, without the backslashes before colons and brackets.
fn pieces(key: &str) -> Vec<String> {
    let (mut pieces, mut piece) = (Vec::new(), String::new());
    let mut rest = key.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('\\', Some(':' | '[' | ']')) => piece.extend(rest.next()),
            (':', _) => pieces.push(mem::take(&mut piece)),
            _ => piece.push(c),
        }
    }
    pieces.push(piece);
    pieces
}

/// The value of a type; a text that does not fit its type stays one.
fn plain(kind: &str, text: String) -> Json {
    let parsed = match kind {
        "int" => text.parse::<i32>().ok().map(Json::from),
        "number" => text.parse::<i64>().ok().map(Json::from).or_else(|| number(&text)),
        "boolean" => ["true", "false"].into_iter().find(|word| text.eq_ignore_ascii_case(word)).map(|word| Json::Bool(word == "true")),
        "null" => Some(Json::Null),
        _ => None,
    };
    parsed.unwrap_or(Json::String(text))
}

fn number(text: &str) -> Option<Json> {
    let number: f64 = text.parse().ok()?;
    if number.is_nan() { Some(Json::Null) } else { serde_json::Number::from_f64(number).map(Json::Number) }
}

fn json(node: Node) -> Json {
    match node {
        Node::Empty => Json::Object(Map::new()),
        Node::Plain(value) => value,
        Node::Object(members) => Json::Object(members.into_iter().map(|(name, node)| (name, json(node))).collect()),
        Node::List(items) => Json::Array(items.into_values().map(json).collect()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(key: &str, kind: &str, text: &str) -> ForeignEvent {
        ForeignEvent { key: key.into(), value: Some((kind.into(), text.into())) }
    }

    fn texts(events: &[(&str, &str)]) -> Json {
        Json::Object(fold(events.iter().map(|(key, text)| event(key, "string", text)).collect()).unwrap())
    }

    fn empty(key: &str) -> ForeignEvent {
        ForeignEvent { key: key.into(), value: None }
    }

    #[test]
    fn types_are_those_of_json() {
        let values = [
            ("int", "7"),
            ("int", "5000000000"),
            ("number", "5000000000"),
            ("number", "2.50"),
            ("number", "NaN"),
            ("number", "much"),
            ("boolean", "TRUE"),
            ("boolean", "maybe"),
            ("null", ""),
            ("string", "7"),
            ("odd", "7"),
        ];
        let events = values.iter().map(|(kind, text)| event("a[]", kind, text)).collect();
        let expected = json!([7, "5000000000", 5_000_000_000_i64, 2.5, null, "much", true, "maybe", null, "7", "7"]);
        assert_eq!(Json::Object(fold(events).unwrap()), json!({ "a": expected }));
    }

    #[test]
    fn keys_nest_and_index() {
        let found = texts(&[("a:b:c", "1"), ("a:l[5]:m", "3"), ("a:l[2][1]", "2"), ("a:b:c", "4"), ("f:x\\:/y.wdl", "t"), ("l[7]", "z")]);
        assert_eq!(found, json!({"a": {"b": {"c": "4"}, "l": [["2"], {"m": "3"}]}, "f": {"x:/y.wdl": "t"}, "l": ["z"]}));
    }

    #[test]
    fn what_is_empty_becomes_an_object_or_a_list() {
        let events = vec![
            empty("outputs"),
            event("failures[3]:message", "string", "m"),
            empty("failures[3]:causedBy[]"),
            empty("xs[0]"),
            empty("ys[]"),
            event("ys[0]", "int", "1"),
            empty("ys[]"),
            empty("o"),
            event("o:a", "int", "1"),
        ];
        let expected = json!({"outputs": {}, "failures": [{"message": "m", "causedBy": []}], "xs": [], "ys": [1], "o": {"a": 1}});
        assert_eq!(Json::Object(fold(events).unwrap()), expected);
        let gone = fold(vec![event("o:a", "int", "1"), empty("o")]).unwrap();
        assert_eq!(Json::Object(gone), json!({"o": {}}));
    }

    #[test]
    fn states_give_way_to_higher_ones_and_times_to_earlier_ones() {
        let found = texts(&[
            ("executionStatus", "Done"),
            ("executionStatus", "Running"),
            ("status", "Running"),
            ("status", "Failed"),
            ("status", "Succeeded"),
            ("start", "2026-02-05T12:00:00.000Z"),
            ("start", "2026-02-05T13:00:00.000Z"),
            ("end", "2026-02-05T15:00:00.000Z"),
            ("end", "2026-02-05T15:00:00.000+02:00"),
            ("backendStatus", "Running"),
            ("backendStatus", "Done"),
            ("x:start", "2026-02-05T12:00:00.000Z"),
            ("x:start", "2026-02-05T13:00:00.000Z"),
        ]);
        let expected = json!({
            "executionStatus": "Done", "status": "Failed", "start": "2026-02-05T12:00:00.000Z",
            "end": "2026-02-05T15:00:00.000+02:00", "backendStatus": "Done", "x": {"start": "2026-02-05T13:00:00.000Z"},
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        let told = |events: Vec<ForeignEvent>| fold(events).unwrap_err().to_string();
        let twice = |key: &str, text: &str| told(vec![event(key, "string", text), event(key, "string", text)]);
        assert_eq!(twice("executionStatus", "Odd"), "`executionStatus` is `Odd`, which is no state");
        assert_eq!(twice("end", "late"), "`end` is `late`, which is no moment");
        assert!(told(vec![event("a[99999999999999999999]", "int", "1")]).contains("a[99999999999999999999]"));
        assert!(told(vec![event(&"a:".repeat(120), "int", "1")]).contains("leads nowhere"));
        assert_eq!(fold(vec![event(":", "int", "1")]).unwrap(), Map::new());
    }
}
