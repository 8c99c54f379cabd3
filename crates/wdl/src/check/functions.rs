//! Calls of library functions.

use super::{
    assign::plain_text,
    typer::{Place, Typer},
};
use crate::{
    ast::{Expr, Name},
    coerce, library,
    types::Type,
    value::Value,
    version::Version,
};

impl Typer<'_> {
    pub(super) fn function(&mut self, name: &Name, arguments: &[Expr]) -> Type {
        let types: Vec<Type> = arguments.iter().map(|argument| self.value(argument)).collect();
        self.check_place(name);
        self.check_pattern(name, arguments);
        self.check_version(name, &types);
        match library::return_type(&name.text, &types, self.version, self.dialect) {
            Ok(ty) => ty,
            Err(wrong) => {
                let span = wrong.argument.and_then(|i| arguments.get(i)).map_or(name.span, |argument| argument.span);
                let error = self.error(span, wrong.message);
                self.fault(match wrong.hint {
                    Some(hint) => error.hint(hint),
                    None => error,
                })
            }
        }
    }

    /// Functions of newer versions, and forms that functions have only there.
    fn check_version(&mut self, name: &Name, types: &[Type]) {
        let since = since(&name.text);
        if self.version < since {
            let error = self.error(name.span, format!("function `{}` is not part of WDL {}", name.text, self.version));
            self.findings.push(error.hint(format!("begin the document with `version {since}`")));
        } else if self.version < Version::V1_2
            && let Some(form) = newer_form(&name.text, types)
        {
            // Engines for 1.0 documents have taken these.
            let finding = self.graded(name.span, format!("{form} is not part of WDL {}", self.version));
            self.findings.push(finding.hint(format!("begin the document with `version {}`", Version::V1_2)));
        }
    }

    /// Regular expressions that are constants can be compiled before the run.
    fn check_pattern(&mut self, name: &Name, arguments: &[Expr]) {
        if !matches!(&*name.text, "sub" | "find" | "matches" | "split") {
            return;
        }
        let Some((pattern, text)) = arguments.get(1).and_then(|argument| Some((argument, plain_text(argument)?))) else { return };
        if let Some(cause) = library::patterns::problem(text, self.dialect) {
            let finding = self.graded(pattern.span, format!("`{}` is no regular expression: {cause}", coerce::short(&Value::string(text))));
            self.findings.push(finding);
        }
    }

    /// `stdout`, `stderr` and `glob` look at what a command left behind.
    fn check_place(&mut self, name: &Name) {
        if !matches!(&*name.text, "stdout" | "stderr" | "glob") || matches!(self.place, Place::TaskOutput | Place::Anywhere) {
            return;
        }
        let finding = self.graded(name.span, format!("function `{}` only works in the outputs of a task", name.text));
        self.findings.push(finding);
    }
}

/// The first version that has a function.
fn since(function: &str) -> Version {
    match function {
        "min" | "max" | "sep" | "suffix" | "quote" | "squote" | "unzip" | "as_pairs" | "as_map" | "keys" | "collect_by_key" => {
            Version::V1_1
        }
        "find" | "matches" | "join_paths" | "contains" | "chunk" | "contains_key" | "values" => Version::V1_2,
        "split" | "value" => Version::V1_3,
        _ => Version::Draft2,
    }
}

/// What 1.2 has added to an older function, if these arguments use it.
fn newer_form(function: &str, types: &[Type]) -> Option<&'static str> {
    let first = types.first().map(Type::required);
    Some(match (function, first, types.len()) {
        ("select_first", _, 2) => "`select_first` with a default",
        ("length", Some(Type::Map(..) | Type::Object | Type::Struct(_) | Type::String), _) => "the length of anything but an array",
        ("keys", Some(Type::Object | Type::Struct(_)), _) => "`keys` of an object or struct",
        ("read_tsv" | "write_tsv", _, 2..) => "a table with a header",
        ("write_tsv", Some(Type::Array { item, .. }), _) if matches!(item.required(), Type::Struct(_) | Type::Object) => {
            "a table of structs"
        }
        _ => return None,
    })
}
