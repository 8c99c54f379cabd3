//! Reads HOCON, the format of Cromwell's configuration files, with the results of the Lightbend library.
//!
//! A [`Loader`] takes documents in the order of rising priority, follows their includes through a [`Documents`], lays
//! `-Dkey=value` settings on top and resolves all substitutions. The outcome is a [`Value`]: a tree in which every value
//! knows the file and line it came from, with typed getters that convert as Lightbend's do.
//!
//! A document goes through `lexer` → `parse` (a tree of definitions, `raw`) → `resolve` (substitutions) → [`Value`]. Start
//! reading in `parse.rs`. Nothing here touches the disk except [`Disk`], and nothing panics: depth, size, includes and the
//! work of resolving have limits (`limits.rs`).
//!
//! What Lightbend refuses is refused here too, with three exceptions that printed guides make users write, each with a
//! remark: URLs without quotes, `classpath(name)` without quotes, and a `$` at the end of a class name.

mod documents;
mod lexer;
mod limits;
mod loader;
mod parse;
mod path;
mod problem;
mod properties;
mod raw;
mod resolve;
mod secret;
mod source;
mod units;
mod value;

pub use documents::{Disk, Document, Documents, Include};
pub use loader::Loader;
pub use path::{Path, PathError};
pub use problem::{Problem, Problems, Remark};
pub use secret::without_secrets;
pub use source::{Origin, Source};
pub use units::Length;
pub use value::{Kind, Object, Value};
