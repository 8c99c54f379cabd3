//! The words of the command line: links named as the original's programs, and what scripts give the original's Java.

use std::{ffi::OsString, path::Path};

/// Programs whose command lines are also ours.
const ORIGINALS: [&str; 3] = ["cromwell", "womtool", "widdler"];
/// Commands of `cromwell`, of which a command line has one.
const COMMANDS: [&str; 5] = ["run", "server", "submit", "--help", "--version"];
/// Where the original's container images find options of Java, and the beginning of the command line.
const VARIABLES: [&str; 2] = ["JAVA_OPTS", "CROMWELL_ARGS"];

/// The command line, and whether it is one of the original's. A link to the program decides by its name: `cromwell` and
/// `womtool` are the commands of these names.
pub fn words() -> (Vec<OsString>, bool) {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    let name = words.first().and_then(|word| Path::new(word).file_stem()?.to_str()).unwrap_or_default().to_owned();
    if ORIGINALS.contains(&name.as_str()) {
        words.insert(1, name.into());
    }
    let command = words.iter().skip(1).position(|word| !is_option(word)).map(|index| index + 1);
    let name = command.and_then(|index| words.get(index)?.to_str()).filter(|name| ORIGINALS.contains(name)).map(str::to_owned);
    if let (Some("cromwell"), Some(index)) = (name.as_deref(), command) {
        let environment = VARIABLES.map(|name| std::env::var(name).unwrap_or_default());
        words = for_cromwell(words, index, &environment);
    }
    (words, name.is_some())
}

fn is_option(word: &OsString) -> bool {
    word.to_str().is_some_and(|word| word.starts_with('-'))
}

/// Puts `-D` settings, from wherever they come, behind the word `cromwell`, which stands at `index`. Further options of Java
/// mean nothing. The beginning of the command line in the environment counts where the command line has no command.
fn for_cromwell(words: Vec<OsString>, index: usize, [java, arguments]: &[String; 2]) -> Vec<OsString> {
    let mut head = words;
    let own = head.split_off((index + 1).min(head.len()));
    let java = java.split_whitespace().map(OsString::from).filter(is_property);
    let (mut properties, mut first) = (java.collect::<Vec<_>>(), Vec::new());
    for word in arguments.split_whitespace().map(OsString::from) {
        if is_property(&word) { properties.push(word) } else { first.push(word) }
    }
    let mut rest = Vec::new();
    let mut own = own.into_iter();
    while let Some(word) = own.next() {
        if word == "-D" {
            // The value is the next word.
            properties.push(word);
            properties.extend(own.next());
        } else if is_property(&word) {
            properties.push(word);
        } else if !word.to_str().is_some_and(|word| word.starts_with("-X")) {
            rest.push(word);
        }
    }
    if rest.iter().any(|word| word.to_str().is_some_and(|word| COMMANDS.contains(&word))) {
        first.clear();
    }
    head.into_iter().chain(properties).chain(first).chain(rest).collect()
}

fn is_property(word: &OsString) -> bool {
    word.to_str().is_some_and(|word| word.len() > 2 && word.starts_with("-D"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &str, java: &str, arguments: &str) -> String {
        let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
        let index = words.iter().position(|word| word == "cromwell").unwrap();
        let words = for_cromwell(words, index, &[java.to_owned(), arguments.to_owned()]);
        words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn options_of_java_are_understood_wherever_they_stand() {
        assert_eq!(line("b cromwell -Xmx4g run -Da=1 w.wdl -D b=2", "", ""), "b cromwell -Da=1 -D b=2 run w.wdl");
        assert_eq!(line("b cromwell -Da=3 server", "-Xmx1g -Da=1 -XX:+UseG1GC", "-Da=2"), "b cromwell -Da=1 -Da=2 -Da=3 server");
    }

    #[test]
    fn the_environment_begins_the_command_line() {
        assert_eq!(line("b cromwell", "", "-Da=1 server"), "b cromwell -Da=1 server");
        assert_eq!(line("b cromwell submit w.wdl", "", "server"), "b cromwell submit w.wdl");
        assert_eq!(line("b cromwell w.wdl", "", "run -i x.json"), "b cromwell run -i x.json w.wdl");
    }
}
