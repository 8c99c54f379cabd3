//! `completion`.

use crate::{
    catalogue::TOP,
    failure::Failure,
    grammar::{
        completion::{Shell, script},
        parse::Arguments,
    },
    session::Session,
};

/// Prints a script.
///
/// # Errors
///
/// A shell that is not known.
pub fn completion(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let name = arguments.needed("shell")?;
    let shell = Shell::named(name).ok_or_else(|| Failure::Argument(format!("`{name}` is none of bash, zsh, fish")))?;
    session.terminal.bytes(script(&TOP, shell).as_bytes())
}
