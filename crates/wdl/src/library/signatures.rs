//! Types of arguments and results, before the run.

use std::sync::Arc;

use crate::{
    coerce::{Coercion, can_coerce},
    types::Type,
    version::Dialect,
};

/// Why a call can never work.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct SignatureError {
    /// What is wrong; lower case, no full stop.
    pub message: String,
    /// The argument to blame, from 0.
    pub argument: Option<usize>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Types of the arguments of one call. Their number fits the function.
pub(super) struct Params<'a> {
    pub(super) name: &'static str,
    pub(super) types: &'a [Type],
    pub(super) dialect: Dialect,
}

type Signature = Result<Type, SignatureError>;

impl Params<'_> {
    /// The type of an argument without its `?`; run time finds out whether it is defined.
    fn ty(&self, i: usize) -> &Type {
        self.types.get(i).map_or(&Type::None, Type::required)
    }

    fn wrong(&self, i: usize, wanted: &str) -> SignatureError {
        let have = self.types.get(i).unwrap_or(&Type::None);
        SignatureError {
            message: format!("argument {} of `{}` must be {wanted}, not `{have}`", i + 1, self.name),
            argument: Some(i),
            hint: None,
        }
    }

    /// Checks an argument against one type.
    fn fits(&self, i: usize, wanted: &Type) -> Result<(), SignatureError> {
        match self.types.get(i) {
            Some(have) if can_coerce(have, wanted, self.dialect) == Coercion::No => Err(self.wrong(i, &format!("`{wanted}`"))),
            _ => Ok(()),
        }
    }

    /// Checks that an argument is a simple value, which has a text.
    fn is_simple(&self, i: usize) -> Result<(), SignatureError> {
        if has_text(self.ty(i)) { Ok(()) } else { Err(self.wrong(i, "`String`")) }
    }

    /// The element type of an array argument, and whether it is never empty.
    fn array(&self, i: usize) -> Result<(Type, bool), SignatureError> {
        match self.ty(i) {
            Type::Any => Ok((Type::Any, false)),
            Type::Array { item, nonempty } => Ok((item.as_ref().clone(), *nonempty)),
            _ => Err(self.wrong(i, "an array")),
        }
    }

    /// The element type of an array of simple values.
    fn simple_array(&self, i: usize) -> Result<bool, SignatureError> {
        let (item, nonempty) = self.array(i)?;
        if has_text(item.required()) { Ok(nonempty) } else { Err(self.wrong(i, "an array of simple values")) }
    }

    /// Key and value types of an array of pairs.
    fn pairs(&self, i: usize) -> Result<(Type, Type), SignatureError> {
        match self.array(i)?.0 {
            Type::Any => Ok((Type::Any, Type::Any)),
            Type::Pair(l, r) => Ok((l.as_ref().clone(), r.as_ref().clone())),
            _ => Err(self.wrong(i, "an array of pairs")),
        }
    }

    /// Key and value types of a map, an object or a struct.
    fn entries(&self, i: usize) -> Result<(Type, Type), SignatureError> {
        match self.ty(i) {
            Type::Map(k, v) => Ok((k.as_ref().clone(), v.as_ref().clone())),
            Type::Object | Type::Struct(_) | Type::Call(_) => Ok((Type::String, Type::Any)),
            Type::Any => Ok((Type::Any, Type::Any)),
            _ => Err(self.wrong(i, "a map")),
        }
    }

    /// The element types of an array of arrays.
    fn rows(&self, i: usize) -> Result<Type, SignatureError> {
        match self.array(i)?.0.required() {
            Type::Any => Ok(Type::Any),
            Type::Array { item, .. } => Ok(item.as_ref().clone()),
            _ => Err(self.wrong(i, "an array of arrays")),
        }
    }
}

fn has_text(ty: &Type) -> bool {
    !matches!(ty, Type::Array { .. } | Type::Map(..) | Type::Pair(..) | Type::Object | Type::Struct(_) | Type::Call(_))
}

fn nonempty(item: Type, nonempty: bool) -> Type {
    Type::Array { item: Arc::new(item), nonempty }
}

pub(super) fn file(_: &Params<'_>) -> Signature {
    Ok(Type::File)
}

pub(super) fn glob(p: &Params<'_>) -> Signature {
    p.is_simple(0)?;
    Ok(Type::array(Type::File))
}

fn reads(p: &Params<'_>, result: Type) -> Signature {
    p.fits(0, &Type::File)?;
    Ok(result)
}

pub(super) fn read_string(p: &Params<'_>) -> Signature {
    reads(p, Type::String)
}

pub(super) fn read_int(p: &Params<'_>) -> Signature {
    reads(p, Type::Int)
}

pub(super) fn read_float(p: &Params<'_>) -> Signature {
    reads(p, Type::Float)
}

pub(super) fn read_boolean(p: &Params<'_>) -> Signature {
    reads(p, Type::Boolean)
}

pub(super) fn read_lines(p: &Params<'_>) -> Signature {
    reads(p, Type::array(Type::String))
}

pub(super) fn read_json(p: &Params<'_>) -> Signature {
    reads(p, Type::Any)
}

pub(super) fn read_map(p: &Params<'_>) -> Signature {
    reads(p, Type::map(Type::String, Type::String))
}

pub(super) fn read_object(p: &Params<'_>) -> Signature {
    reads(p, Type::Object)
}

pub(super) fn read_objects(p: &Params<'_>) -> Signature {
    reads(p, Type::array(Type::Object))
}

pub(super) fn read_tsv(p: &Params<'_>) -> Signature {
    p.fits(0, &Type::File)?;
    if p.types.len() < 2 {
        return Ok(Type::array(Type::array(Type::String)));
    }
    p.fits(1, &Type::Boolean)?;
    if p.types.len() > 2 {
        p.simple_array(2)?;
    }
    Ok(Type::array(Type::Object))
}

pub(super) fn write_lines(p: &Params<'_>) -> Signature {
    p.simple_array(0)?;
    Ok(Type::File)
}

pub(super) fn write_json(_: &Params<'_>) -> Signature {
    Ok(Type::File)
}

pub(super) fn write_map(p: &Params<'_>) -> Signature {
    p.entries(0)?;
    Ok(Type::File)
}

pub(super) fn write_object(p: &Params<'_>) -> Signature {
    p.entries(0)?;
    Ok(Type::File)
}

pub(super) fn write_objects(p: &Params<'_>) -> Signature {
    match p.array(0)?.0.required() {
        Type::Any | Type::Object | Type::Struct(_) | Type::Map(..) => Ok(Type::File),
        _ => Err(p.wrong(0, "an array of objects")),
    }
}

pub(super) fn write_tsv(p: &Params<'_>) -> Signature {
    match p.array(0)?.0.required() {
        Type::Struct(s) => {
            if let Some((name, _)) = s.members.iter().find(|(_, ty)| !has_text(ty.required())) {
                let message = format!("member `{name}` of struct `{}` has no text to stand in a table", s.name);
                return Err(SignatureError { message, argument: Some(0), hint: None });
            }
        }
        Type::Any | Type::Object | Type::Array { .. } => {}
        Type::Boolean | Type::Int | Type::Float | Type::String | Type::File if p.dialect == Dialect::Cromwell => {}
        _ => return Err(p.wrong(0, "an array of arrays or structs")),
    }
    if p.types.len() > 1 {
        p.fits(1, &Type::Boolean)?;
    }
    if p.types.len() > 2 {
        p.simple_array(2)?;
    }
    Ok(Type::File)
}

pub(super) fn size(p: &Params<'_>) -> Signature {
    if matches!(p.ty(0), Type::Boolean | Type::Int | Type::Float | Type::Enum(_)) {
        return Err(p.wrong(0, "a file, a directory or a collection of them"));
    }
    if p.types.len() > 1 {
        p.is_simple(1)?;
    }
    Ok(Type::Float)
}

pub(super) fn path_to_string(p: &Params<'_>) -> Signature {
    p.is_simple(0)?;
    if p.types.len() > 1 {
        p.is_simple(1)?;
    }
    Ok(Type::String)
}

pub(super) fn join_paths(p: &Params<'_>) -> Signature {
    let last = p.types.len().saturating_sub(1);
    for i in 0..last {
        p.is_simple(i)?;
    }
    if has_text(p.ty(last)) && last > 0 {
        return Ok(Type::String);
    }
    p.simple_array(last)?;
    Ok(Type::String)
}

pub(super) fn sub(p: &Params<'_>) -> Signature {
    for i in 0..3 {
        p.is_simple(i)?;
    }
    Ok(Type::String)
}

fn two_texts(p: &Params<'_>, result: Type) -> Signature {
    p.is_simple(0)?;
    p.is_simple(1)?;
    Ok(result)
}

pub(super) fn find(p: &Params<'_>) -> Signature {
    two_texts(p, Type::String.optional())
}

pub(super) fn matches(p: &Params<'_>) -> Signature {
    two_texts(p, Type::Boolean)
}

pub(super) fn split(p: &Params<'_>) -> Signature {
    two_texts(p, Type::array(Type::String))
}

pub(super) fn sep(p: &Params<'_>) -> Signature {
    p.is_simple(0)?;
    p.simple_array(1)?;
    Ok(Type::String)
}

pub(super) fn affix(p: &Params<'_>) -> Signature {
    p.is_simple(0)?;
    Ok(nonempty(Type::String, p.simple_array(1)?))
}

pub(super) fn quote(p: &Params<'_>) -> Signature {
    Ok(nonempty(Type::String, p.simple_array(0)?))
}

pub(super) fn rounding(p: &Params<'_>) -> Signature {
    p.fits(0, &Type::Float)?;
    Ok(Type::Int)
}

pub(super) fn extreme(p: &Params<'_>) -> Signature {
    p.fits(0, &Type::Float)?;
    p.fits(1, &Type::Float)?;
    Ok(match (p.ty(0), p.ty(1)) {
        (Type::Int, Type::Int) => Type::Int,
        (Type::Any, Type::Any | Type::Int) | (Type::Int, Type::Any) => Type::Any,
        _ => Type::Float,
    })
}

pub(super) fn range(p: &Params<'_>) -> Signature {
    p.fits(0, &Type::Int)?;
    Ok(Type::array(Type::Int))
}

pub(super) fn transpose(p: &Params<'_>) -> Signature {
    Ok(Type::array(Type::array(p.rows(0)?)))
}

pub(super) fn flatten(p: &Params<'_>) -> Signature {
    if p.dialect == Dialect::Cromwell
        && let Type::Map(key, value) = p.array(0)?.0.required()
    {
        return Ok(Type::array(Type::pair(key.as_ref().clone(), value.as_ref().clone())));
    }
    Ok(Type::array(p.rows(0)?))
}

pub(super) fn pairs(p: &Params<'_>) -> Signature {
    let ((left, l), (right, r)) = (p.array(0)?, p.array(1)?);
    Ok(nonempty(Type::pair(left, right), l && r))
}

pub(super) fn unzip(p: &Params<'_>) -> Signature {
    let (left, right) = p.pairs(0)?;
    Ok(Type::pair(Type::array(left), Type::array(right)))
}

pub(super) fn length(p: &Params<'_>) -> Signature {
    match p.ty(0) {
        Type::Array { .. } | Type::Map(..) | Type::Object | Type::Struct(_) | Type::String | Type::Any => Ok(Type::Int),
        _ => Err(p.wrong(0, "an array, a map, an object or a string")),
    }
}

pub(super) fn select_first(p: &Params<'_>) -> Signature {
    let (item, _) = p.array(0)?;
    if p.types.len() < 2 {
        return Ok(item.required().clone());
    }
    let default = p.types.get(1).unwrap_or(&Type::None);
    match crate::coerce::unify(item.required(), default, p.dialect) {
        Some(common) => Ok(common),
        None => Err(p.wrong(1, &format!("`{}`", item.required()))),
    }
}

pub(super) fn select_all(p: &Params<'_>) -> Signature {
    Ok(Type::array(p.array(0)?.0.required().clone()))
}

pub(super) fn defined(_: &Params<'_>) -> Signature {
    Ok(Type::Boolean)
}

pub(super) fn contains(p: &Params<'_>) -> Signature {
    p.array(0)?;
    Ok(Type::Boolean)
}

pub(super) fn chunk(p: &Params<'_>) -> Signature {
    let (item, full) = p.array(0)?;
    p.fits(1, &Type::Int)?;
    Ok(nonempty(Type::array(item), full))
}

pub(super) fn as_pairs(p: &Params<'_>) -> Signature {
    let (key, value) = p.entries(0)?;
    Ok(Type::array(Type::pair(key, value)))
}

pub(super) fn as_map(p: &Params<'_>) -> Signature {
    let (key, value) = p.pairs(0)?;
    Ok(Type::map(key, value))
}

pub(super) fn keys(p: &Params<'_>) -> Signature {
    Ok(Type::array(p.entries(0)?.0))
}

pub(super) fn values(p: &Params<'_>) -> Signature {
    Ok(Type::array(p.entries(0)?.1))
}

pub(super) fn collect_by_key(p: &Params<'_>) -> Signature {
    let (key, value) = p.pairs(0)?;
    Ok(Type::map(key, Type::array(value)))
}

pub(super) fn contains_key(p: &Params<'_>) -> Signature {
    p.entries(0)?;
    Ok(Type::Boolean)
}

pub(super) fn value(p: &Params<'_>) -> Signature {
    match p.ty(0) {
        Type::Enum(e) => Ok(e.value_type.clone()),
        Type::Any => Ok(Type::Any),
        _ => Err(p.wrong(0, "an enum")),
    }
}
