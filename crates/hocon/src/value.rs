//! A resolved configuration, and typed access to it with Lightbend's conversions.

use std::time::Duration;

use indexmap::{IndexMap, map::Entry};

use crate::{
    limits::STEP_WORK,
    path::Path,
    problem::Problem,
    source::Origin,
    units::{self, Length},
};

/// Fields by name, in the order of their first definition.
pub type Object = IndexMap<String, Value>;

/// What a value is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `null`, which counts as absent.
    Null,
    /// `true` or `false` without quotes.
    Bool(bool),
    /// A number as written.
    Number(String),
    /// Any other text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// An object.
    Object(Object),
}

/// A value with its place.
#[derive(Clone, Debug)]
pub struct Value {
    /// What it is.
    pub kind: Kind,
    /// Where it was defined last.
    pub origin: Origin,
}

type Got<T> = Result<Option<T>, Problem>;

impl Value {
    /// Lays this value over another.
    pub(crate) fn over(self, lower: Value) -> Value {
        match (self.kind, lower.kind) {
            (Kind::Object(upper), Kind::Object(mut fields)) => {
                for (key, value) in upper {
                    match fields.entry(key) {
                        Entry::Occupied(mut below) => {
                            let origin = below.get().origin.clone();
                            let lower = below.insert(Value { kind: Kind::Null, origin });
                            below.insert(value.over(lower));
                        }
                        Entry::Vacant(place) => {
                            place.insert(value);
                        }
                    }
                }
                Value { kind: Kind::Object(fields), origin: self.origin }
            }
            (kind, _) => Value { kind, origin: self.origin },
        }
    }

    /// Joins what stands side by side on one line. Blanks beside an object or list do not count.
    pub(crate) fn followed_by(self, blank: bool, right: Value, right_blank: bool) -> Result<Value, Problem> {
        let (left, right) = match (&self.kind, &right.kind) {
            (Kind::Object(_), Kind::List(_)) => (self.as_list(), right),
            (Kind::List(_), Kind::Object(_)) => (self, right.as_list()),
            _ => (self, right),
        };
        let composite = |value: &Value| matches!(value.kind, Kind::Object(_) | Kind::List(_));
        if composite(&left) && right_blank {
            return Ok(left);
        }
        if blank && composite(&right) {
            return Ok(right);
        }
        let origin = left.origin.clone();
        let kind = match (left.kind, right.kind) {
            (Kind::Object(lower), Kind::Object(upper)) => {
                let upper = Value { kind: Kind::Object(upper), origin: right.origin };
                return Ok(upper.over(Value { kind: Kind::Object(lower), origin }));
            }
            (Kind::List(mut first), Kind::List(second)) => {
                first.extend(second);
                Kind::List(first)
            }
            (left, right) => match (left.text(), right.text()) {
                (Some(left), Some(right)) => Kind::Text(left + &right),
                _ => {
                    let message = format!("{} and {} stand side by side and cannot be joined", left.name(), right.name());
                    return Err(Problem::at(&origin, message).hint("put a text in double quotes, or separate list elements with commas"));
                }
            },
        };
        Ok(Value { kind, origin })
    }

    /// An object whose keys are numbers is a list in the order of these; others stay what they are.
    fn as_list(&self) -> Value {
        let items = self.numbered();
        match items {
            Some(items) if !items.is_empty() => Value { kind: Kind::List(items), origin: self.origin.clone() },
            _ => self.clone(),
        }
    }

    fn numbered(&self) -> Option<Vec<Value>> {
        let Kind::Object(fields) = &self.kind else { return None };
        let mut items: Vec<(u32, &Value)> = fields.iter().filter_map(|(key, value)| Some((key.parse().ok()?, value))).collect();
        items.sort_by_key(|(index, _)| *index);
        Some(items.into_iter().map(|(_, value)| value.clone()).collect())
    }

    /// The fields, when this is an object.
    pub fn object(&self) -> Option<&Object> {
        match &self.kind {
            Kind::Object(fields) => Some(fields),
            _ => None,
        }
    }

    /// The text of anything that is one: numbers as written, `true`, `false`.
    pub fn text(&self) -> Option<String> {
        match &self.kind {
            Kind::Null => None,
            kind => kind.text(),
        }
    }

    /// The value at a path such as `a.b."c.d"`; `null` and what is not there are nothing.
    pub fn get(&self, path: &str) -> Option<&Value> {
        self.at(&Path::parse(path).ok()?.0)
    }

    /// The value below these keys.
    pub fn at<S: AsRef<str>>(&self, keys: &[S]) -> Option<&Value> {
        let mut value = self;
        for key in keys {
            value = value.object()?.get(key.as_ref())?;
        }
        (!matches!(value.kind, Kind::Null)).then_some(value)
    }

    fn wrong(&self, path: &str, wanted: &str) -> Problem {
        let found = match &self.kind {
            Kind::Text(text) if text.len() <= 60 && !is_secret(path) => format!("{text:?}"),
            kind => kind.name().into(),
        };
        Problem::at(&self.origin, format!("`{path}` must be {wanted}, not {found}"))
    }

    /// The text at a path.
    ///
    /// # Errors
    /// When an object or list is there.
    pub fn string(&self, path: &str) -> Got<String> {
        self.read(path, "a text", Value::text)
    }

    /// The switch at a path: `true`, `yes`, `on` or `false`, `no`, `off`, also as text.
    ///
    /// # Errors
    /// When something else is there.
    pub fn boolean(&self, path: &str) -> Got<bool> {
        self.read(path, "`true` or `false`", |value| match &value.kind {
            Kind::Bool(flag) => Some(*flag),
            Kind::Text(text) => match text.as_str() {
                "true" | "yes" | "on" => Some(true),
                "false" | "no" | "off" => Some(false),
                _ => None,
            },
            _ => None,
        })
    }

    /// The whole number at a path, also as text; what follows a decimal point is cut off.
    ///
    /// # Errors
    /// When something else is there, or a number outside of the range.
    pub fn integer(&self, path: &str, range: std::ops::RangeInclusive<i64>) -> Got<i64> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        self.read(path, &wanted, |value| {
            let text = value.number_text()?;
            let number = text.parse::<i64>().ok().or_else(|| text.parse::<f64>().ok().filter(|n| n.abs() < 9e15).map(|n| n as i64))?;
            range.contains(&number).then_some(number)
        })
    }

    /// The number at a path, also as text; never infinite.
    ///
    /// # Errors
    /// When something else is there.
    pub fn number(&self, path: &str) -> Got<f64> {
        self.read(path, "a number", |value| value.number_text()?.parse().ok().filter(|number: &f64| number.is_finite()))
    }

    /// The length of time at a path, such as `5 minutes`, `20s` or `Inf`; a number alone counts milliseconds.
    ///
    /// # Errors
    /// When something else is there.
    pub fn length(&self, path: &str) -> Got<Length> {
        self.read(path, "a length of time such as `5 minutes`", |value| units::length(&value.text()?))
    }

    /// The finite length of time at a path.
    ///
    /// # Errors
    /// When something else is there.
    pub fn duration(&self, path: &str) -> Got<Duration> {
        self.read(path, "a finite length of time such as `5 minutes`", |value| match units::length(&value.text()?)? {
            Length::Finite(duration) => Some(duration),
            Length::Infinite => None,
        })
    }

    /// The size in bytes at a path, such as `512 MiB`, `10k` or `1000`.
    ///
    /// # Errors
    /// When something else is there.
    pub fn bytes(&self, path: &str) -> Got<u64> {
        self.read(path, "a size such as `512 MiB`", |value| units::bytes(&value.text()?))
    }

    /// The list at a path; an object with numbers as keys is one too.
    ///
    /// # Errors
    /// When something else is there.
    pub fn list(&self, path: &str) -> Got<Vec<Value>> {
        self.read(path, "a list", |value| match &value.kind {
            Kind::List(items) => Some(items.clone()),
            Kind::Object(_) => value.numbered().filter(|items| !items.is_empty()),
            _ => None,
        })
    }

    /// The list of texts at a path.
    ///
    /// # Errors
    /// When something else is there, or an element is none.
    pub fn strings(&self, path: &str) -> Got<Vec<String>> {
        let Some(items) = self.list(path)? else { return Ok(None) };
        let texts = items.iter().enumerate().map(|(index, item)| {
            let name = format!("{path}[{index}]");
            item.text().ok_or_else(|| item.wrong(&name, "a text"))
        });
        texts.collect::<Result<_, _>>().map(Some)
    }

    /// The object at a path.
    ///
    /// # Errors
    /// When something else is there.
    pub fn fields(&self, path: &str) -> Got<&Object> {
        match self.get(path) {
            None => Ok(None),
            Some(value) => value.object().map(Some).ok_or_else(|| value.wrong(path, "an object")),
        }
    }

    /// How much work it is to copy this value, see [`STEP_WORK`].
    pub(crate) fn size(&self) -> usize {
        STEP_WORK
            + match &self.kind {
                Kind::Null | Kind::Bool(_) => 0,
                Kind::Number(text) | Kind::Text(text) => text.len(),
                Kind::List(items) => items.iter().map(Value::size).sum(),
                Kind::Object(fields) => fields.values().map(Value::size).sum(),
            }
    }

    fn number_text(&self) -> Option<String> {
        match &self.kind {
            Kind::Number(text) | Kind::Text(text) => Some(text.trim().to_string()),
            _ => None,
        }
    }

    fn read<T>(&self, path: &str, wanted: &str, convert: impl FnOnce(&Value) -> Option<T>) -> Got<T> {
        let Some(value) = self.get(path) else { return Ok(None) };
        convert(value).map(Some).ok_or_else(|| value.wrong(path, wanted))
    }

    /// Every path that leads to something other than an object, in order.
    pub fn leaves(&self) -> Vec<(Vec<String>, &Value)> {
        let mut leaves = Vec::new();
        self.collect_leaves(&mut Vec::new(), &mut leaves);
        leaves
    }

    fn collect_leaves<'v>(&'v self, path: &mut Vec<String>, leaves: &mut Vec<(Vec<String>, &'v Value)>) {
        match &self.kind {
            Kind::Object(fields) if !fields.is_empty() || path.is_empty() => {
                for (key, value) in fields {
                    path.push(key.clone());
                    value.collect_leaves(path, leaves);
                    path.pop();
                }
            }
            _ => leaves.push((path.clone(), self)),
        }
    }
}

impl Kind {
    fn text(&self) -> Option<String> {
        match self {
            Kind::Null => Some("null".into()),
            Kind::Bool(flag) => Some(flag.to_string()),
            Kind::Number(text) | Kind::Text(text) => Some(text.clone()),
            Kind::List(_) | Kind::Object(_) => None,
        }
    }

    /// How messages call it.
    fn name(&self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Bool(_) => "a switch",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Object(_) => "an object",
        }
    }
}

fn is_secret(path: &str) -> bool {
    crate::secret::without_secrets(&format!("{} = x", path.replace('"', ""))).ends_with("***")
}
