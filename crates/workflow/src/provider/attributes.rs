//! The values that `runtime-attributes` declares: from the task's attributes, in the declared types, with Cromwell's special names.

use std::{path::Path, sync::Arc};

use batchyard_wdl::{ast::Decl, coerce::coerce, types::Type, value::Value, version::Dialect};
use indexmap::IndexMap;

use super::template::{Snippet, Values};
use crate::runtime::parse_bytes;

/// Names by which a provider says that it can run images.
const IMAGE_NAMES: [&str; 2] = ["container", "docker"];

/// `runtime-attributes` of a provider.
pub(super) struct Attributes {
    snippet: Snippet,
    declared: Vec<Declared>,
}

struct Declared {
    name: Arc<str>,
    ty: Type,
    source: Source,
}

/// Where the value of a declared attribute comes from.
enum Source {
    /// The image of the task.
    Image,
    /// A size of the task, in units of so many bytes.
    Size { attribute: &'static str, unit: f64 },
    /// The attribute of the same name.
    Attribute,
}

/// What a task asks for, as far as templates may know it.
pub(super) struct Asked<'a> {
    pub attributes: &'a IndexMap<String, Value>,
    pub image: Option<&'a str>,
    /// Memory of this attempt in bytes.
    pub memory: Option<u64>,
    pub cores: f64,
    pub dialect: Dialect,
}

impl Attributes {
    pub(super) fn parse(text: &str) -> Result<Attributes, String> {
        let snippet = Snippet::declarations(text)?;
        let declared = snippet.decls().map(|decl| declared(&snippet, decl)).collect::<Result<_, String>>()?;
        Ok(Attributes { snippet, declared })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.declared.iter().map(|d| &*d.name)
    }

    /// Whether tasks can have images.
    pub(super) fn know_images(&self) -> bool {
        self.declared.iter().any(|d| matches!(d.source, Source::Image))
    }

    /// The value of each declared attribute.
    ///
    /// # Errors
    /// One that is required and has none, or whose value does not fit.
    pub(super) fn values(&self, asked: &Asked<'_>) -> Result<Values, String> {
        let mut values = Values::new();
        for (declared, decl) in self.declared.iter().zip(self.snippet.decls()) {
            let name = &declared.name;
            let mut value = declared.value(asked)?;
            if value.is_none()
                && let Some(default) = &decl.value
            {
                value = self
                    .snippet
                    .with(&values, Path::new(""), |evaluator| evaluator.eval(default))
                    .map_err(|problem| format!("the default of runtime attribute `{name}` cannot be computed: {problem}"))?;
            }
            if value.is_none() && !declared.ty.is_optional() {
                return Err(format!("runtime attribute `{name}` is required here and has no value"));
            }
            let fitting = coerce(&value, &declared.ty, Dialect::Cromwell)
                .map_err(|problem| format!("runtime attribute `{name}` must be of type {}: {problem}", declared.ty))?;
            values.insert(Arc::clone(name), fitting);
        }
        Ok(values)
    }
}

fn declared(snippet: &Snippet, decl: &Decl) -> Result<Declared, String> {
    let ty = snippet.module().resolve(&decl.ty).map_err(|name| format!("names a type `{}` that does not exist", name.text))?;
    let name = Arc::clone(&decl.name.text);
    let size = ["memory", "memoryMin", "memoryMax", "disk"].into_iter().find_map(|attribute| {
        let unit = name.strip_prefix(attribute)?.strip_prefix('_')?;
        Some(Source::Size { attribute, unit: parse_bytes(&format!("1 {unit}"), Dialect::Cromwell)? })
    });
    let source = match size {
        Some(size) => size,
        None if IMAGE_NAMES.contains(&&*name) => Source::Image,
        None => Source::Attribute,
    };
    Ok(Declared { name, ty, source })
}

impl Declared {
    fn value(&self, asked: &Asked<'_>) -> Result<Value, String> {
        let given = asked.attributes.get(&*self.name).cloned().unwrap_or(Value::None);
        match self.source {
            Source::Image => Ok(asked.image.map_or(Value::None, Value::string)),
            Source::Size { attribute, unit } => {
                let bytes = match (attribute, asked.memory) {
                    ("memory", Some(bytes)) => Some(bytes as f64),
                    _ => size_of(attribute, asked)?,
                };
                Ok(bytes.map_or(given, |bytes| self.number(bytes / unit)))
            }
            // A part of a core cannot be asked of most schedulers.
            Source::Attribute if &*self.name == "cpu" && !given.is_none() => Ok(self.number(asked.cores)),
            Source::Attribute => Ok(given),
        }
    }

    /// A number in the declared type. A whole number is never less than what was asked for.
    fn number(&self, number: f64) -> Value {
        let ty = match &self.ty {
            Type::Optional(inner) => inner,
            ty => ty,
        };
        match ty {
            Type::Float => Value::Float(number),
            _ => Value::Int(number.ceil() as i64),
        }
    }
}

/// A size among the attributes, in bytes.
fn size_of(attribute: &str, asked: &Asked<'_>) -> Result<Option<f64>, String> {
    let bytes = match asked.attributes.get(attribute) {
        None | Some(Value::None) => return Ok(None),
        Some(Value::Int(n)) => Some(*n as f64),
        Some(Value::Float(n)) => Some(*n),
        Some(Value::String(text)) => parse_bytes(text, asked.dialect),
        Some(_) => None,
    };
    match bytes.filter(|bytes| *bytes > 0.0 && bytes.is_finite()) {
        Some(bytes) => Ok(Some(bytes)),
        None => Err(format!("runtime attribute `{attribute}` must be a size such as \"10 GB\"")),
    }
}
