//! The structs and enums a document knows: its own and those of its imports.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::enums;
use crate::{
    ast::{Document, EnumDef, Import, Name, StructDef, TypeExpr, TypeKind},
    diagnostic::Diagnostic,
    findings::Findings,
    limits::MAX_NESTING,
    module::Module,
    source::Span,
    spelling::nearest,
    types::{EnumType, StructType, Type},
    version::{Dialect, Version},
};

type Structs = HashMap<String, Arc<StructType>>;
type Enums = HashMap<String, Arc<EnumType>>;

/// Most members of a struct when the structs inside it are written out.
const MAX_STRUCT_SIZE: usize = 1 << 12;

/// Size and depth of structs that were already measured, by identity.
#[derive(Default)]
pub(super) struct Sizes(HashMap<*const StructType, (usize, usize)>);

impl Sizes {
    /// Members counted through all levels, and levels.
    fn measure(&self, ty: &Type) -> (usize, usize) {
        match ty {
            Type::Array { item, .. } => self.deeper(item),
            Type::Optional(item) => self.measure(item),
            Type::Map(a, b) | Type::Pair(a, b) => {
                let (a, b) = (self.deeper(a), self.deeper(b));
                (a.0.saturating_add(b.0), a.1.max(b.1))
            }
            Type::Struct(s) => self.0.get(&Arc::as_ptr(s)).copied().unwrap_or((1, 1)),
            _ => (1, 1),
        }
    }

    fn deeper(&self, ty: &Type) -> (usize, usize) {
        let (size, depth) = self.measure(ty);
        (size, depth + 1)
    }
}

/// Links the types of a document; what is wrong with them is reported.
pub(super) fn resolve(
    document: &Document,
    imports: &[(Import, Arc<Module>)],
    sizes: &mut Sizes,
    findings: &mut Findings,
) -> (Structs, Enums) {
    let mut resolver = Resolver {
        document,
        structs: Structs::new(),
        enums: Enums::new(),
        own_structs: HashMap::new(),
        own_enums: HashMap::new(),
        open: Vec::new(),
        sizes,
        findings,
    };
    for (import, module) in imports {
        resolver.take_import(import, module);
    }
    let (imported_structs, imported_enums) = (resolver.structs.clone(), resolver.enums.clone());
    resolver.collect_own();
    let names: Vec<&Name> = document.structs.iter().map(|s| &s.name).chain(document.enums.iter().map(|e| &e.name)).collect();
    for name in names {
        resolver.own(&name.text);
    }
    resolver.compare_structs(&imported_structs);
    resolver.compare_enums(&imported_enums);
    (resolver.structs, resolver.enums)
}

struct Resolver<'a> {
    document: &'a Document,
    structs: Structs,
    enums: Enums,
    /// Definitions of this document that are not resolved yet.
    own_structs: HashMap<&'a str, &'a StructDef>,
    own_enums: HashMap<&'a str, &'a EnumDef>,
    /// Names being resolved, outermost first.
    open: Vec<&'a str>,
    sizes: &'a mut Sizes,
    findings: &'a mut Findings,
}

impl<'a> Resolver<'a> {
    fn take_import(&mut self, import: &Import, module: &Module) {
        for (from, _) in &import.aliases {
            let known = module.structs.contains_key(&*from.text) || module.enums.contains_key(&*from.text);
            if !known && !module.document.losses.may_define(&from.text) {
                let error = Diagnostic::error(&self.document.source, from.span, format!("`{}` has no struct `{}`", import.uri, from.text));
                let known = module.structs.keys().chain(module.enums.keys()).map(String::as_str);
                self.findings.push(with_guess(error, nearest(&from.text, known)));
            }
        }
        let renamed = |name: &str| {
            import.aliases.iter().find(|(from, _)| &*from.text == name).map_or_else(|| name.to_owned(), |(_, to)| to.text.to_string())
        };
        // Sorted, so that messages come in the same order every time.
        let mut structs: Vec<_> = module.structs.iter().collect();
        structs.sort_by_key(|(name, _)| name.as_str());
        for (name, ty) in structs {
            let name = renamed(name);
            match self.structs.get(&name) {
                Some(known) if !same_struct(known, ty) => self.report_import_clash(import, &name),
                Some(_) => {}
                None => {
                    self.structs.insert(name, Arc::clone(ty));
                }
            }
        }
        let mut enums: Vec<_> = module.enums.iter().collect();
        enums.sort_by_key(|(name, _)| name.as_str());
        for (name, ty) in enums {
            let name = renamed(name);
            match self.enums.get(&name) {
                Some(known) if !Arc::ptr_eq(known, ty) && known != ty => self.report_import_clash(import, &name),
                Some(_) => {}
                None => {
                    self.enums.insert(name, Arc::clone(ty));
                }
            }
        }
    }

    fn report_import_clash(&mut self, import: &Import, name: &str) {
        let message = format!("`{}` brings another `{name}` than an earlier import", import.uri);
        let finding = self.strict_finding(import.uri_span, message);
        self.findings.push(finding.hint(format!("rename one: `import \"{}\" alias {name} as Other{name}`", import.uri)));
    }

    /// An error where the texts are clear, a warning where published pipelines run anyway.
    fn strict_finding(&self, span: Span, message: String) -> Diagnostic {
        if self.document.version >= Version::V1_1 {
            Diagnostic::error(&self.document.source, span, message)
        } else {
            Diagnostic::warning(&self.document.source, span, message)
        }
    }

    fn collect_own(&mut self) {
        let document = self.document;
        let mut seen: HashMap<&str, Span> = HashMap::new();
        let names = document.structs.iter().map(|s| &s.name).chain(document.enums.iter().map(|e| &e.name));
        for name in names {
            if let Some(first) = seen.get(&*name.text) {
                let error = Diagnostic::error(&document.source, name.span, format!("`{}` is defined twice", name.text));
                self.findings.push(error.hint("rename one of them").related(*first, "the first one"));
            } else {
                seen.insert(&name.text, name.span);
            }
        }
        for definition in document.structs.iter().rev() {
            self.own_structs.insert(&definition.name.text, definition);
        }
        for definition in document.enums.iter().rev() {
            self.own_enums.insert(&definition.name.text, definition);
        }
        for name in seen.keys() {
            // The local definition wins; it is compared with the imported one when it is complete.
            if self.own_structs.contains_key(name) {
                self.structs.remove(*name);
            }
            if self.own_enums.contains_key(name) {
                self.enums.remove(*name);
            }
        }
    }

    fn compare_structs(&mut self, imported: &Structs) {
        for definition in &self.document.structs {
            let name = &*definition.name.text;
            let (Some(theirs), Some(ours)) = (imported.get(name), self.structs.get(name)) else { continue };
            if same_struct(theirs, ours) {
                // One identity for one type makes later comparisons cheap.
                let theirs = Arc::clone(theirs);
                self.structs.insert(name.to_owned(), theirs);
            } else {
                let finding =
                    self.strict_finding(definition.name.span, format!("struct `{name}` differs from the imported struct of the same name"));
                self.findings.push(finding.hint("rename one of them, or use `alias` at the import"));
            }
        }
    }

    fn compare_enums(&mut self, imported: &Enums) {
        for definition in &self.document.enums {
            let name = &*definition.name.text;
            let (Some(theirs), Some(ours)) = (imported.get(name), self.enums.get(name)) else { continue };
            if theirs != ours {
                let finding =
                    self.strict_finding(definition.name.span, format!("enum `{name}` differs from the imported enum of the same name"));
                self.findings.push(finding.hint("rename one of them, or use `alias` at the import"));
            }
        }
    }

    /// Resolves a definition of this document, unless that is done.
    fn own(&mut self, name: &str) {
        if let Some(definition) = self.own_structs.remove(name) {
            self.own_struct(definition);
        } else if let Some(definition) = self.own_enums.remove(name) {
            self.open.push(&definition.name.text);
            let value_type = definition.value_type.as_ref().map(|ty| self.written(ty));
            self.open.pop();
            let ty = enums::build(self.document, definition, value_type, self.findings);
            self.enums.insert(definition.name.text.to_string(), Arc::new(ty));
        }
    }

    fn own_struct(&mut self, definition: &'a StructDef) {
        self.open.push(&definition.name.text);
        let mut members: Vec<(String, Type)> = Vec::with_capacity(definition.members.len());
        let mut seen: HashSet<&str> = HashSet::new();
        let (mut size, mut depth) = (1usize, 0);
        for member in &definition.members {
            if !seen.insert(&member.name.text) {
                let error = Diagnostic::error(&self.document.source, member.name.span, format!("second member `{}`", member.name.text));
                self.findings.push(error.hint("rename one of them"));
                continue;
            }
            let mut ty = self.written(&member.ty);
            let (member_size, member_depth) = self.sizes.measure(&ty);
            if size.saturating_add(member_size) > MAX_STRUCT_SIZE || member_depth >= MAX_NESTING {
                let message =
                    format!("struct `{}` is too large: more than {MAX_STRUCT_SIZE} members or {MAX_NESTING} levels", definition.name.text);
                self.findings.push(Diagnostic::error(&self.document.source, member.span, message));
                ty = Type::Any;
            } else {
                size += member_size;
                depth = depth.max(member_depth);
            }
            members.push((member.name.text.to_string(), ty));
        }
        self.open.pop();
        let ty = Arc::new(StructType { name: definition.name.text.to_string(), members });
        self.sizes.0.insert(Arc::as_ptr(&ty), (size, depth + 1));
        self.structs.insert(definition.name.text.to_string(), ty);
    }

    /// The meaning of a written type; unknown names are reported and stand for anything.
    fn written(&mut self, ty: &TypeExpr) -> Type {
        let plain = match &ty.kind {
            TypeKind::Boolean => Type::Boolean,
            TypeKind::Int => Type::Int,
            TypeKind::Float => Type::Float,
            TypeKind::String => Type::String,
            TypeKind::File => Type::File,
            TypeKind::Directory => self.structs.get("Directory").map_or(Type::Directory, |s| Type::Struct(Arc::clone(s))),
            TypeKind::Object => self.structs.get("Object").map_or(Type::Object, |s| Type::Struct(Arc::clone(s))),
            TypeKind::Array { item, nonempty } => Type::Array { item: Arc::new(self.written(item)), nonempty: *nonempty },
            TypeKind::Map(key, value) => Type::map(self.written(key), self.written(value)),
            TypeKind::Pair(left, right) => Type::pair(self.written(left), self.written(right)),
            TypeKind::Named(name) => self.named(name),
        };
        if ty.optional { plain.optional() } else { plain }
    }

    fn named(&mut self, name: &Name) -> Type {
        if let Some(at) = self.open.iter().position(|open| *open == &*name.text) {
            let cycle = self.open.iter().skip(at).chain([&&*name.text]).copied().collect::<Vec<_>>().join("` -> `");
            let error = Diagnostic::error(&self.document.source, name.span, format!("struct contains itself: `{cycle}`"));
            self.findings.push(error.hint("a struct cannot be recursive"));
            return Type::Any;
        }
        if self.open.len() >= MAX_NESTING {
            let message = format!("structs are nested more than {MAX_NESTING} levels deep");
            self.findings.push(Diagnostic::error(&self.document.source, name.span, message));
            return Type::Any;
        }
        self.own(&name.text);
        if let Some(ty) = self.structs.get(&*name.text) {
            return Type::Struct(Arc::clone(ty));
        }
        if let Some(ty) = self.enums.get(&*name.text) {
            return Type::Enum(Arc::clone(ty));
        }
        if !self.document.losses.may_define(&name.text) {
            if let Some(newer) = newer_type(self.document, name) {
                self.findings.push(newer);
                return Type::Any;
            }
            let error = Diagnostic::error(&self.document.source, name.span, format!("unknown type `{}`", name.text));
            let own = self.document.structs.iter().map(|s| &*s.name.text);
            let known = self.structs.keys().chain(self.enums.keys()).map(String::as_str).chain(own).chain(BUILT_IN.iter().copied());
            self.findings.push(with_guess(error, nearest(&name.text, known)));
        }
        Type::Any
    }
}

/// Types every document knows.
pub(crate) const BUILT_IN: &[&str] = &["Array", "Boolean", "Directory", "File", "Float", "Int", "Map", "Object", "Pair", "String"];

/// The finding about a type that only newer versions have.
pub(crate) fn newer_type(document: &Document, name: &Name) -> Option<Diagnostic> {
    if &*name.text != "Directory" {
        return None;
    }
    let error = Diagnostic::error(&document.source, name.span, format!("type `Directory` is not part of WDL {}", document.version));
    Some(error.hint(format!("begin the document with `version {}`", Version::V1_2)))
}

/// Adds the nearest known name as a hint.
pub(crate) fn with_guess(diagnostic: Diagnostic, guess: Option<&str>) -> Diagnostic {
    match guess {
        Some(guess) => diagnostic.hint(format!("did you mean `{guess}`?")),
        None => diagnostic,
    }
}

/// Whether two definitions say the same: names, types and order of the members.
fn same_struct(a: &Arc<StructType>, b: &Arc<StructType>) -> bool {
    Arc::ptr_eq(a, b) || a.members == b.members
}

/// Whose coercions count for the values of an enum.
pub(super) fn dialect(document: &Document) -> Dialect {
    Dialect::of(document.version)
}
