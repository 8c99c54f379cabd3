//! Files and directories inside values.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::{
    types::Type,
    value::{ObjectValue, Value},
};

/// Calls `visit` with every path in a value and whether it is a directory.
pub fn files(value: &Value, visit: &mut dyn FnMut(&Arc<str>, bool)) {
    match value {
        Value::File(path) => visit(path, false),
        Value::Directory(path) => visit(path, true),
        Value::Array(items) => items.iter().for_each(|v| files(v, visit)),
        Value::Map(entries) => entries.iter().for_each(|(k, v)| {
            files(k, visit);
            files(v, visit);
        }),
        Value::Pair(pair) => {
            files(&pair.0, visit);
            files(&pair.1, visit);
        }
        Value::Object(object) => object.members.values().for_each(|v| files(v, visit)),
        Value::None | Value::Boolean(_) | Value::Int(_) | Value::Float(_) | Value::String(_) | Value::Enum(..) => {}
    }
}

/// What gives the new path for a path and whether it is a directory; `None` when there is no such file.
pub type PathMapper<'a, E> = dyn FnMut(&Arc<str>, bool) -> Result<Option<Arc<str>>, E> + 'a;

/// Why [`map_files_typed`] gives no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapFilesError<E> {
    /// The function that maps paths failed.
    #[error("{0}")]
    Failed(E),
    /// A path has no counterpart, and the type there is not optional.
    #[error("file `{path}` does not exist")]
    Missing {
        /// The path.
        path: Arc<str>,
        /// Whether it is a directory.
        directory: bool,
    },
}

/// The value with every path replaced by what `f` gives for it; where that is `None` the value becomes undefined.
///
/// Parts that do not change are shared with the old value.
pub fn map_files<E>(value: &Value, f: &mut PathMapper<'_, E>) -> Result<Value, E> {
    Mapper { f, missing: Missing::Undefined, keys: true }.lenient(value)
}

/// Like [`map_files`], but keys of maps stay as they are: they are looked up by what the document calls them.
pub fn map_files_except_keys<E>(value: &Value, f: &mut PathMapper<'_, E>) -> Result<Value, E> {
    Mapper { f, missing: Missing::Undefined, keys: false }.lenient(value)
}

/// Like [`map_files`] for a value of type `ty`: a path without counterpart is an error unless its type is optional.
pub fn map_files_typed<E>(value: &Value, ty: &Type, f: &mut PathMapper<'_, E>) -> Result<Value, MapFilesError<E>> {
    let changed = Mapper { f, missing: Missing::Error, keys: true }.changed(value, ty)?;
    Ok(changed.unwrap_or_else(|| value.clone()))
}

/// Like [`map_files_typed`], but keys of maps stay as they are.
pub fn map_files_typed_except_keys<E>(value: &Value, ty: &Type, f: &mut PathMapper<'_, E>) -> Result<Value, MapFilesError<E>> {
    let changed = Mapper { f, missing: Missing::Error, keys: false }.changed(value, ty)?;
    Ok(changed.unwrap_or_else(|| value.clone()))
}

/// Like [`map_files_typed_except_keys`], but a path without counterpart stays as it is where its type is not optional.
///
/// # Errors
/// Those of the function that maps paths.
pub fn map_files_as_far_as_known<E>(value: &Value, ty: &Type, f: &mut PathMapper<'_, E>) -> Result<Value, MapFilesError<E>> {
    let changed = Mapper { f, missing: Missing::Kept, keys: false }.changed(value, ty)?;
    Ok(changed.unwrap_or_else(|| value.clone()))
}

/// What becomes of a path without counterpart whose type is not optional.
#[derive(Clone, Copy)]
enum Missing {
    Undefined,
    Error,
    Kept,
}

struct Mapper<'f, 'a, E> {
    f: &'f mut PathMapper<'a, E>,
    missing: Missing,
    /// Whether paths that are keys of maps are mapped.
    keys: bool,
}

/// `None` when nothing changes.
type Changed<E> = Result<Option<Value>, MapFilesError<E>>;

impl<E> Mapper<'_, '_, E> {
    fn lenient(mut self, value: &Value) -> Result<Value, E> {
        match self.changed(value, &Type::Any) {
            Ok(changed) => Ok(changed.unwrap_or_else(|| value.clone())),
            Err(MapFilesError::Failed(e)) => Err(e),
            // This mapper finds nothing missing.
            Err(MapFilesError::Missing { .. }) => Ok(value.clone()),
        }
    }

    fn changed(&mut self, value: &Value, ty: &Type) -> Changed<E> {
        match value {
            Value::File(path) => self.path(path, false, ty),
            Value::Directory(path) => self.path(path, true, ty),
            Value::Array(items) => {
                let item_type = if let Type::Array { item, .. } = ty.required() { item } else { &Type::Any };
                Ok(self.all(items, |m, v| m.changed(v, item_type))?.map(Value::array))
            }
            Value::Map(entries) => self.map(entries, ty),
            Value::Pair(pair) => {
                let (l, r) = if let Type::Pair(l, r) = ty.required() { (&**l, &**r) } else { (&Type::Any, &Type::Any) };
                let (left, right) = (self.changed(&pair.0, l)?, self.changed(&pair.1, r)?);
                if left.is_none() && right.is_none() {
                    return Ok(None);
                }
                let left = left.unwrap_or_else(|| pair.0.clone());
                Ok(Some(Value::Pair(Arc::new((left, right.unwrap_or_else(|| pair.1.clone()))))))
            }
            Value::Object(object) => self.object(object, ty),
            Value::None | Value::Boolean(_) | Value::Int(_) | Value::Float(_) | Value::String(_) | Value::Enum(..) => Ok(None),
        }
    }

    fn path(&mut self, path: &Arc<str>, directory: bool, ty: &Type) -> Changed<E> {
        match (self.f)(path, directory).map_err(MapFilesError::Failed)? {
            Some(new) if new == *path => Ok(None),
            Some(new) => Ok(Some(if directory { Value::Directory(new) } else { Value::File(new) })),
            None if matches!(ty, Type::Optional(_)) => Ok(Some(Value::None)),
            None => match self.missing {
                Missing::Undefined => Ok(Some(Value::None)),
                Missing::Kept => Ok(None),
                Missing::Error => Err(MapFilesError::Missing { path: Arc::clone(path), directory }),
            },
        }
    }

    /// Changes elements; copies them only when one changes.
    fn all<T: Clone>(
        &mut self,
        items: &[T],
        mut each: impl FnMut(&mut Self, &T) -> Result<Option<T>, MapFilesError<E>>,
    ) -> Result<Option<Vec<T>>, MapFilesError<E>> {
        let mut out: Option<Vec<T>> = None;
        for (i, item) in items.iter().enumerate() {
            let changed = each(self, item)?;
            if out.is_none() && changed.is_some() {
                out = Some(items.iter().take(i).cloned().collect());
            }
            if let Some(out) = &mut out {
                out.push(changed.unwrap_or_else(|| item.clone()));
            }
        }
        Ok(out)
    }

    fn map(&mut self, entries: &[(Value, Value)], ty: &Type) -> Changed<E> {
        let (k, v) = if let Type::Map(k, v) = ty.required() { (&**k, &**v) } else { (&Type::Any, &Type::Any) };
        let changed = self.all(entries, |m, (key, value)| {
            let new_key = if m.keys { m.changed(key, k)? } else { None };
            let new_value = m.changed(value, v)?;
            if new_key.is_none() && new_value.is_none() {
                return Ok(None);
            }
            Ok(Some((new_key.unwrap_or_else(|| key.clone()), new_value.unwrap_or_else(|| value.clone()))))
        })?;
        Ok(changed.map(|entries| Value::Map(Arc::new(entries))))
    }

    fn object(&mut self, object: &ObjectValue, ty: &Type) -> Changed<E> {
        let mut members: Option<IndexMap<Arc<str>, Value>> = None;
        for (name, value) in &object.members {
            let member_type = match ty.required() {
                Type::Struct(s) | Type::Call(s) => s.member(name).unwrap_or(&Type::Any),
                Type::Map(_, v) => v,
                _ => &Type::Any,
            };
            if let Some(changed) = self.changed(value, member_type)? {
                members.get_or_insert_with(|| object.members.clone()).insert(Arc::clone(name), changed);
            }
        }
        Ok(members.map(|members| Value::Object(Arc::new(ObjectValue { struct_name: object.struct_name.clone(), members }))))
    }
}
