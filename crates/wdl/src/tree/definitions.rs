//! Documents: imports, structs, enums and tasks.

use super::{Builder, Item, name, word};
use crate::{
    ast::{Command, Decl, EnumDef, Import, StructDef, Task, TypeExpr, TypeKind},
    source::Span,
};

/// A part of a document with the place where it begins.
pub(super) type Placed = (u32, Item);

/// The parts in the order of the text.
pub(super) fn in_order(mut parts: Vec<Placed>) -> Item {
    parts.sort_by_key(|(start, _)| *start);
    Item::List(parts.into_iter().map(|(_, item)| item).collect())
}

impl Builder<'_> {
    pub(super) fn document(&self) -> Item {
        let document = self.document;
        let imports = Item::List(document.imports.iter().map(|import| self.import(import)).collect());
        let mut body: Vec<Placed> = Vec::new();
        body.extend(document.structs.iter().map(|definition| (definition.span.start, self.struct_definition(definition))));
        body.extend(document.enums.iter().map(|definition| (definition.span.start, self.enum_definition(definition))));
        body.extend(document.tasks.iter().map(|task| (task.span.start, self.task(task))));
        body.extend(document.workflow.iter().map(|workflow| (workflow.span.start, self.workflow(workflow))));
        let (imports, body) = (("imports", imports), ("body", in_order(body)));
        match self.layout.version {
            None => Item::Node("Namespace", vec![imports, body]),
            Some(span) => {
                let version = Item::Node("VersionDeclaration", vec![("v", word("version_name", span.start, self.slice(span)))]);
                Item::Node("Document", vec![("version", version), imports, body])
            }
        }
    }

    fn import(&self, import: &Import) -> Item {
        let mut attributes = vec![
            ("uri", word("string", import.uri_span.start, import.uri.as_str())),
            ("namespace", import.namespace.as_ref().map_or(Item::Absent, name)),
        ];
        if !self.draft2() {
            let alias = |(old, new): &(_, _)| Item::Node("ImportAlias", vec![("old_name", name(old)), ("new_name", name(new))]);
            attributes.push(("aliases", Item::List(import.aliases.iter().map(alias).collect())));
        }
        Item::Node("Import", attributes)
    }

    fn struct_definition(&self, definition: &StructDef) -> Item {
        let entry = |member: &Decl| Item::Node("StructEntry", vec![("type", self.ty(&member.ty)), ("name", name(&member.name))]);
        let mut entries: Vec<Placed> = definition.members.iter().map(|member| (member.span.start, entry(member))).collect();
        entries.extend(self.sections(definition.span).filter_map(|(section, own)| {
            let item = match section {
                "meta" => self.metadata("Meta", &definition.meta, own),
                "parameter_meta" => self.metadata("ParameterMeta", &definition.parameter_meta, own),
                _ => return None,
            };
            Some((own.start, item))
        }));
        Item::Node("Struct", vec![("name", name(&definition.name)), ("entries", in_order(entries))])
    }

    fn enum_definition(&self, definition: &EnumDef) -> Item {
        let choices = definition.choices.iter().map(|(choice, value)| {
            let value = value.as_ref().map_or(Item::Absent, |value| self.expr(value));
            Item::Node("EnumChoice", vec![("name", name(choice)), ("value", value)])
        });
        let ty = definition.value_type.as_ref().map_or(Item::Absent, |ty| self.ty(ty));
        Item::Node("Enum", vec![("name", name(&definition.name)), ("type", ty), ("choices", Item::List(choices.collect()))])
    }

    fn task(&self, task: &Task) -> Item {
        let mut sections: Vec<Placed> = vec![(task.command.span.start, self.command(&task.command))];
        sections.extend(self.sections(task.span).filter_map(|(section, own)| Some((own.start, self.task_section(task, section, own)?))));
        let mut attributes = vec![("name", name(&task.name))];
        if self.draft2() {
            let declarations = task.inputs.iter().map(|decl| self.decl("Declaration", decl));
            attributes.push(("declarations", Item::List(declarations.collect())));
        } else {
            sections.extend(task.decls.iter().map(|decl| (decl.span.start, self.decl("Declaration", decl))));
        }
        attributes.push(("sections", in_order(sections)));
        Item::Node("Task", attributes)
    }

    fn task_section(&self, task: &Task, section: &str, own: Span) -> Option<Item> {
        let entries = |node, entries: &[(_, _)]| {
            let own = entries.iter().filter(|(key, _): &&(crate::ast::Name, _)| within(key.span, own));
            let entries = own.map(|(key, value)| Item::Node("RuntimeAttribute", vec![("key", name(key)), ("value", self.expr(value))]));
            Item::Node(node, vec![("map", Item::List(entries.collect()))])
        };
        Some(match section {
            "input" => self.decls("Inputs", "inputs", "InputDeclaration", &task.inputs, own),
            "output" => self.decls("Outputs", if self.draft2() { "attributes" } else { "outputs" }, "Output", &task.outputs, own),
            "runtime" => entries("Runtime", &task.runtime),
            "requirements" => entries("Requirements", &task.requirements),
            "hints" => entries("Hints", &task.hints),
            "meta" => self.metadata("Meta", &task.meta, own),
            "parameter_meta" => self.metadata("ParameterMeta", &task.parameter_meta, own),
            _ => return None,
        })
    }

    /// The sections inside of a definition: each with its keyword, and the text up to the next one of the same name.
    pub(super) fn sections(&self, definition: Span) -> impl Iterator<Item = (&'static str, Span)> {
        // They stand in the order of the text.
        let before = |place: u32| self.layout.sections.partition_point(|(_, span)| span.start < place);
        let inside = self.layout.sections.get(before(definition.start)..before(definition.end)).unwrap_or_default();
        inside.iter().enumerate().map(move |(place, (section, span))| {
            let later = inside.iter().skip(place + 1).find(|(other, _)| other == section);
            (*section, Span { start: span.start, end: later.map_or(definition.end, |(_, span)| span.start) })
        })
    }

    /// The declarations of a section.
    pub(super) fn decls(&self, node: &'static str, key: &'static str, kind: &'static str, decls: &[Decl], own: Span) -> Item {
        let decls = decls.iter().filter(|decl| within(decl.span, own)).map(|decl| self.decl(kind, decl));
        Item::Node(node, vec![(key, Item::List(decls.collect()))])
    }

    pub(super) fn decl(&self, node: &'static str, decl: &Decl) -> Item {
        let value = decl.value.as_ref().map_or(Item::Absent, |value| self.expr(value));
        let mut attributes = vec![("type", self.ty(&decl.ty)), ("name", name(&decl.name)), ("expression", value)];
        if decl.env {
            attributes.insert(0, ("env", word("env", decl.span.start, "env")));
        }
        Item::Node(node, attributes)
    }

    fn command(&self, command: &Command) -> Item {
        let inside = self.layout.commands.get(&(command.span.start as usize)).copied().unwrap_or(command.span);
        Item::Node("RawCommand", vec![("parts", Item::List(self.parts("cmd_part", &command.parts, inside)))])
    }

    fn ty(&self, ty: &TypeExpr) -> Item {
        let simple = |text: &'static str| word("type", ty.span.start, text);
        let compound =
            |text: &'static str, inner: Vec<Item>| Item::Node("Type", vec![("name", simple(text)), ("subtype", Item::List(inner))]);
        let item = match &ty.kind {
            TypeKind::Boolean => simple("Boolean"),
            TypeKind::Int => simple("Int"),
            TypeKind::Float => simple("Float"),
            TypeKind::String => simple("String"),
            TypeKind::File => simple("File"),
            TypeKind::Directory => simple("Directory"),
            TypeKind::Object => simple("Object"),
            TypeKind::Named(named) => name(named),
            TypeKind::Array { item, nonempty: false } => compound("Array", vec![self.ty(item)]),
            TypeKind::Array { item, nonempty: true } => {
                Item::Node("NonEmptyType", vec![("innerType", compound("Array", vec![self.ty(item)]))])
            }
            TypeKind::Map(key, value) => compound("Map", vec![self.ty(key), self.ty(value)]),
            TypeKind::Pair(left, right) => compound("Pair", vec![self.ty(left), self.ty(right)]),
        };
        if ty.optional { Item::Node("OptionalType", vec![("innerType", item)]) } else { item }
    }
}

pub(super) fn within(inner: Span, outer: Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}
