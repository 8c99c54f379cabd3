//! A document together with what its names mean: imported modules, structs, enums.

use std::{
    collections::HashMap,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use crate::{
    ast::{Document, Name, Task, TypeExpr, TypeKind, Workflow},
    types::{EnumType, StructType, Type},
    version::Version,
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
    /// Identity of the document, see [`crate::load::LoadedText::id`].
    pub(crate) id: String,
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

    /// Whether this document or one it imports may say more about a name than could be read.
    pub(crate) fn may_hold(&self, name: &str) -> bool {
        self.document.losses.may_hold(name) || self.namespaces.iter().any(|(_, module)| module.document.losses.may_hold(name))
    }

    /// The folder the document lies in; `None` when it is no file of this machine.
    pub fn folder(&self) -> Option<&Path> {
        let path = Path::new(&self.id);
        if path.is_absolute() { path.parent() } else { None }
    }

    /// The file or directory that a relative path in a declaration means by the rule of 1.2 and newer: outside of `output`
    /// sections such paths count from the folder of the document.
    ///
    /// `None` when the path stands as it is: older documents, absolute paths and URLs, nothing there, or something else
    /// under that path in the working directory, which older habits count from.
    pub fn beside(&self, path: &str) -> Option<PathBuf> {
        if self.document.version < Version::V1_2 || !self.is_beside(path) {
            return None;
        }
        let found = clean(&self.folder()?.join(path));
        if !found.exists() {
            return None;
        }
        let here = Path::new(path).canonicalize().ok();
        let other = here.is_some_and(|here| found.canonicalize().ok() != Some(here));
        (!other).then_some(found)
    }

    /// Whether a path counts from the folder of this document: it is relative, and the document lies on this machine.
    pub fn is_beside(&self, path: &str) -> bool {
        !path.contains("://") && !Path::new(path).is_absolute() && self.folder().is_some()
    }

    /// What a relative path means from 1.3 on: an existing file or directory, found from the folder of the document, with links
    /// followed.
    pub fn found(&self, path: &str) -> Option<PathBuf> {
        clean(&self.folder()?.join(path)).canonicalize().ok()
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

/// The whole path of an existing file or directory, through no link but perhaps a last one: that stays, because its name is the
/// name of the file.
pub fn whole(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => {
            let whole = parent.canonicalize().ok()?.join(name);
            whole.exists().then_some(whole)
        }
        // The root, or a path that ends with `..`.
        _ => path.canonicalize().ok(),
    }
}

/// The path with `.` and `..` taken out.
pub fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if clean.file_name().is_some() => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::load::{FileLoader, load};

    #[test]
    fn relative_paths_count_from_the_folder_of_the_document() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().canonicalize().unwrap();
        fs::write(folder.join("beside.txt"), "x").unwrap();
        let beside = |version: &str, path: &str| {
            let document = folder.join("a.wdl");
            fs::write(&document, format!("version {version}\nworkflow w {{}}")).unwrap();
            let module = load(document.to_str().unwrap(), &FileLoader::default()).unwrap().module;
            assert_eq!(module.folder(), Some(folder.as_path()));
            module.beside(path)
        };
        let expected = Some(folder.join("beside.txt"));
        assert_eq!(beside("1.2", "beside.txt"), expected);
        assert_eq!(beside("1.3", "nowhere/../beside.txt"), expected, "also through a folder that does not exist");
        assert_eq!(beside("1.1", "beside.txt"), None, "older versions say nothing");
        assert_eq!(beside("1.2", "absent.txt"), None);
        assert_eq!(beside("1.2", "/etc/passwd"), None);
        fs::write(folder.join("Cargo.toml"), "x").unwrap();
        assert_eq!(beside("1.2", "Cargo.toml"), None, "the working directory has another file of that name");
    }
}
