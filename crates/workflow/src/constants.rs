//! Values that are known before anything runs: inputs that nobody gave, to be shown to people, and attributes.

use std::{io, sync::Arc};

use batchyard_wdl::{
    ast::{Decl, Expr},
    coerce::coerce,
    eval::{Evaluator, Host, PathKind, Scope},
    inputs::workflow_input_decls,
    json,
    module::{Callee, Module},
    value::{Value, text_bytes},
    version::Dialect,
};
use serde_json::{Map, Value as Json};

/// Longest default that is shown, as text, in bytes.
const MAX_SHOWN: u64 = 4 << 10;
/// Most memory that is taken to find a default, in bytes: what needs more is not shown.
const MAX_MADE: u64 = 1 << 20;

/// Defaults of a task or workflow by the full names of its inputs; see [`known`].
pub fn of_callee(callee: &Callee, dialect: Dialect) -> Map<String, Json> {
    let decls: Vec<&Decl> = match callee {
        Callee::Task(_, task) => task.inputs.iter().collect(),
        Callee::Workflow(module, workflow) => workflow_input_decls(workflow, module.document.version),
    };
    let defaults = known(callee.module(), &decls, dialect);
    defaults.into_iter().map(|(name, value)| (format!("{}.{name}", callee.name()), value)).collect()
}

/// The defaults among these declarations that depend on nothing, and null for optional inputs without one.
pub fn known(module: &Module, decls: &[&Decl], dialect: Dialect) -> Map<String, Json> {
    let mut shown = Map::new();
    for decl in decls {
        let Ok(ty) = module.resolve(&decl.ty) else { continue };
        let default = match &decl.value {
            None if ty.is_optional() => Some(Value::None),
            None => None,
            Some(expr) => value(module, expr, dialect).and_then(|value| coerce(&value, &ty, dialect).ok()),
        };
        if let Some(value) = default.filter(|value| text_bytes([value], MAX_SHOWN) <= MAX_SHOWN) {
            shown.insert(decl.name.text.to_string(), json::to_json(&value));
        }
    }
    shown
}

/// The value of an expression that depends on nothing.
pub fn value(module: &Module, expr: &Expr, dialect: Dialect) -> Option<Value> {
    let evaluator = Evaluator { module, scope: &Nothing, host: &Nothing, version: module.document.version, dialect };
    evaluator.eval(expr).ok()
}

/// A world in which there is nothing: what asks for something is no constant.
struct Nothing;

impl Scope for Nothing {
    fn get(&self, _name: &str) -> Option<Value> {
        None
    }
}

fn nothing<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Host for Nothing {
    fn read(&self, _path: &str, _limit: u64) -> io::Result<Vec<u8>> {
        nothing()
    }

    fn write(&self, _function: &str, _content: &[u8]) -> io::Result<Arc<str>> {
        nothing()
    }

    fn size(&self, _path: &str) -> io::Result<u64> {
        nothing()
    }

    fn exists(&self, _path: &str) -> Option<PathKind> {
        None
    }

    fn glob(&self, _pattern: &str) -> io::Result<Vec<Arc<str>>> {
        nothing()
    }

    fn stdout(&self) -> io::Result<Arc<str>> {
        nothing()
    }

    fn stderr(&self) -> io::Result<Arc<str>> {
        nothing()
    }

    fn ask(&self, bytes: u64) -> Result<(), String> {
        if bytes <= MAX_MADE { Ok(()) } else { Err("it is too large to be shown".to_owned()) }
    }

    fn room(&self) -> u64 {
        MAX_MADE
    }

    fn path_text(&self, path: &str) -> Arc<str> {
        path.into()
    }
}

#[cfg(test)]
mod tests {
    use batchyard_wdl::load::{MemoryLoader, load};
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_depends_on_nothing() {
        let wdl = "version 1.0\nworkflow w { input { Int a Int b = 2 Int c = b + 1 String? d File? e = \"/x\" Array[Float] f = [1, 2]\n\
            Boolean g = defined(d) String h = read_string(\"/x\") Int i = length(range(3)) Int k = length(range(20000000)) String j = \"~{1 + 2}\" } }";
        let loader = MemoryLoader::default().with("w.wdl", wdl);
        let loaded = load("w.wdl", &loader).unwrap();
        let workflow = Arc::clone(loaded.module.document.workflow.as_ref().unwrap());
        let callee = Callee::Workflow(Arc::clone(&loaded.module), workflow);
        let expected = json!({"w.b": 2, "w.d": null, "w.e": "/x", "w.f": [1.0, 2.0], "w.i": 3, "w.j": "3"});
        assert_eq!(Json::Object(of_callee(&callee, Dialect::Cromwell)), expected);
    }
}
