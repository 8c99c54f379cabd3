//! A document together with what its names mean: imported modules, structs, enums.

use std::{collections::HashMap, sync::Arc};

use crate::{
    ast::{Document, Name, Task, TypeExpr, TypeKind, Workflow},
    types::{EnumType, StructType, Type},
};

/// A loaded document with its imports resolved.
///
/// Made by [`crate::load::load`]. Several modules may share an imported one.
#[derive(Debug)]
pub struct Module {
    /// The parsed document.
    pub document: Document,
    /// Namespaces in order of import.
    pub namespaces: Vec<(String, Arc<Module>)>,
    /// Structs by the name they have in this document, imported and aliased ones included.
    pub structs: HashMap<String, Arc<StructType>>,
    /// Enums by the name they have in this document.
    pub enums: HashMap<String, Arc<EnumType>>,
}

/// What a call can name.
#[derive(Clone, Debug)]
pub enum Callee {
    /// A task and the module that defines it.
    Task(Arc<Module>, Arc<Task>),
    /// A workflow and the module that defines it.
    Workflow(Arc<Module>, Arc<Workflow>),
}

impl Module {
    /// The module behind a namespace.
    pub fn namespace(&self, name: &str) -> Option<&Arc<Module>> {
        self.namespaces.iter().find(|(n, _)| n == name).map(|(_, m)| m)
    }

    /// A task of this document by name.
    pub fn task(&self, name: &str) -> Option<&Arc<Task>> {
        self.document.task_index.get(name).and_then(|index| self.document.tasks.get(*index))
    }

    /// Resolves the target of a call.
    ///
    /// Some published documents give a task and their workflow one name: inside the document it means the task, through
    /// a namespace the workflow.
    pub fn callee(self: &Arc<Self>, path: &[Name]) -> Option<Callee> {
        let (last, namespaces) = path.split_last()?;
        let mut module = self;
        for name in namespaces {
            module = module.namespace(&name.text)?;
        }
        let task = module.task(&last.text).map(|task| Callee::Task(Arc::clone(module), Arc::clone(task)));
        let workflow = module.document.workflow.as_ref().filter(|workflow| workflow.name.text == last.text);
        let workflow = workflow.map(|workflow| Callee::Workflow(Arc::clone(module), Arc::clone(workflow)));
        if namespaces.is_empty() { task.or(workflow) } else { workflow.or(task) }
    }

    /// The meaning of a written type; the error is the unknown name.
    pub fn resolve(&self, ty: &TypeExpr) -> Result<Type, Name> {
        let plain = match &ty.kind {
            TypeKind::Boolean => Type::Boolean,
            TypeKind::Int => Type::Int,
            TypeKind::Float => Type::Float,
            TypeKind::String => Type::String,
            TypeKind::File => Type::File,
            // `Object` and `Directory` are not reserved everywhere: a struct may have such a name.
            TypeKind::Directory => self.structs.get("Directory").map_or(Type::Directory, |s| Type::Struct(Arc::clone(s))),
            TypeKind::Object => self.structs.get("Object").map_or(Type::Object, |s| Type::Struct(Arc::clone(s))),
            TypeKind::Array { item, nonempty } => Type::Array { item: Arc::new(self.resolve(item)?), nonempty: *nonempty },
            TypeKind::Map(k, v) => Type::map(self.resolve(k)?, self.resolve(v)?),
            TypeKind::Pair(l, r) => Type::pair(self.resolve(l)?, self.resolve(r)?),
            TypeKind::Named(name) => match (self.structs.get(&*name.text), self.enums.get(&*name.text)) {
                (Some(s), _) => Type::Struct(Arc::clone(s)),
                (None, Some(e)) => Type::Enum(Arc::clone(e)),
                (None, None) => return Err(name.clone()),
            },
        };
        Ok(if ty.optional { plain.optional() } else { plain })
    }
}
