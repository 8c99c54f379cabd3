//! Array, map and struct literals.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{guess, typer::Typer};
use crate::{
    ast::{Expr, Name},
    coerce::unify,
    load::with_guess,
    rule::Rule,
    types::{StructType, Type},
};

impl Typer<'_> {
    pub(super) fn array(&mut self, items: &[Expr]) -> Type {
        let item = self.common(items.iter(), "elements of the array");
        Type::Array { item: Arc::new(item), nonempty: !items.is_empty() }
    }

    pub(super) fn map(&mut self, entries: &[(Expr, Expr)]) -> Type {
        let key = self.common(entries.iter().map(|(key, _)| key), "keys of the map");
        let value = self.common(entries.iter().map(|(_, value)| value), "values of the map");
        Type::map(key, value)
    }

    /// The type that several expressions have in common; `Any` for none.
    fn common<'e>(&mut self, items: impl Iterator<Item = &'e Expr>, what: &str) -> Type {
        let mut common: Option<Type> = None;
        let mut mixed = false;
        for item in items {
            let ty = self.value(item);
            common = match common {
                None => Some(ty),
                Some(known) if mixed || known == ty => Some(known),
                Some(known) => Some(unify(&known, &ty, self.dialect).unwrap_or_else(|| {
                    mixed = true;
                    let finding = self.graded(item.span, format!("{what} have no common type: `{known}` and `{ty}`"));
                    self.fault(finding.label(format!("this is `{ty}`")))
                })),
            };
        }
        if mixed { Type::Any } else { common.unwrap_or(Type::Any) }
    }

    pub(super) fn object(&mut self, members: &[(Name, Expr)]) -> Type {
        let mut given: HashSet<&str> = HashSet::new();
        for (member, value) in members {
            if !given.insert(&member.text) {
                let finding = self.graded(member.span, format!("member `{}` is given twice", member.text));
                self.findings.push(finding.rule(Rule::RepeatedName));
            }
            self.value(value);
        }
        Type::Object
    }

    pub(super) fn struct_literal(&mut self, name: &Name, members: &[(Name, Expr)]) -> Type {
        if matches!(&*name.text, "hints" | "input" | "output") {
            members.iter().for_each(|(_, value)| {
                self.value(value);
            });
            return Type::Object;
        }
        let Some(ty) = self.module.structs.get(&*name.text).map(Arc::clone) else {
            if !self.module.document.losses.may_define(&name.text) {
                let error = self.error(name.span, format!("unknown struct `{}`", name.text));
                self.findings.push(with_guess(error, guess(&name.text, self.module.structs.keys().map(String::as_str))));
            }
            members.iter().for_each(|(_, value)| {
                self.value(value);
            });
            return Type::Any;
        };
        self.struct_members(&ty, name, members);
        Type::Struct(ty)
    }

    fn struct_members(&mut self, ty: &StructType, name: &Name, members: &[(Name, Expr)]) {
        let types: HashMap<&str, &Type> = ty.members.iter().map(|(name, ty)| (name.as_str(), ty)).collect();
        let mut given: HashSet<&str> = HashSet::new();
        for (member, value) in members {
            if !given.insert(&member.text) {
                let error = self.error(member.span, format!("member `{}` is given twice", member.text));
                self.findings.push(error);
            }
            let from = self.value(value);
            match types.get(&*member.text) {
                Some(wanted) => self.assign(value, &from, wanted, &format!("member `{}` of `{}`", member.text, ty.name)),
                None if self.module.may_hold(&member.text) => {}
                None => {
                    let error = self.error(member.span, format!("struct `{}` has no member `{}`", ty.name, member.text));
                    self.findings.push(with_guess(error, guess(&member.text, ty.members.iter().map(|(n, _)| n.as_str()))));
                }
            }
        }
        let missing = ty.members.iter().filter(|(n, t)| !t.is_optional() && !given.contains(n.as_str())).map(|(n, _)| n.as_str());
        let missing: Vec<&str> = missing.filter(|name| !self.module.may_hold(name)).collect();
        if !missing.is_empty() {
            let plural = if missing.len() == 1 { "" } else { "s" };
            let error = self.error(name.span, format!("struct `{}` lacks the member{plural} `{}`", ty.name, missing.join("`, `")));
            self.findings.push(error);
        }
    }
}
