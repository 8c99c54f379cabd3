//! The WDL language: parser, checker, evaluator and library for draft-2, 1.0, 1.1, 1.2 and 1.3.
//!
//! Start at [`load::load`], which turns a path into a [`module::Module`] (syntax in [`ast`], names in [`module`]);
//! [`check::check`] finds what is wrong with it, [`lint::lint`] what could be better; [`eval::Evaluator`] computes expressions; [`inputs`] and [`json`]
//! translate between JSON and values.
//!
//! This crate never touches the clock, the network or processes; the few files it needs come through
//! [`load::Loader`] and [`eval::Host`]. It never panics, whatever bytes it is given.

pub mod ast;
pub mod check;
pub mod coerce;
pub mod diagnostic;
pub mod eval;
mod findings;
pub mod format;
pub mod graph;
pub mod highlight;
pub mod inputs;
pub mod json;
mod keys;
pub mod library;
pub mod limits;
pub mod lint;
pub mod load;
pub mod losses;
pub mod module;
pub mod parse;
pub mod rule;
pub mod source;
pub mod spelling;
#[cfg(test)]
mod testing;
pub mod tree;
pub mod types;
pub mod upgrade;
pub mod value;
pub mod version;
