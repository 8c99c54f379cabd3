//! From words to a command with its arguments.
//!
//! As in the original: words and options in any order, `--long=value`, `--long value`, `-x value`, the last of a repeated option
//! counts. Unlike it, a value may hold `=`, and an option that does not exist is an error, not silently a word.

use std::collections::{BTreeMap, BTreeSet};

use super::{COMMON, Command, Flag, Takes};
use crate::failure::Failure;

/// What was given to a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    words: BTreeMap<&'static str, String>,
    rest: Vec<String>,
    values: BTreeMap<String, String>,
    switches: BTreeSet<String>,
}

impl Arguments {
    /// A word by its place's name.
    pub fn word(&self, name: &str) -> Option<&str> {
        self.words.get(name).map(String::as_str)
    }

    /// A word that the table says is needed.
    ///
    /// # Errors
    ///
    /// [`Failure::Argument`] when it is missing.
    pub fn needed(&self, name: &str) -> Result<&str, Failure> {
        self.word(name).ok_or_else(|| Failure::Argument(format!("missing argument `{name}`")))
    }

    /// Words after the last place of a command that takes many.
    pub fn rest(&self) -> &[String] {
        &self.rest
    }

    /// The value of an option, by its long name without dashes.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The value of an option, unless it is empty.
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.value(name).filter(|v| !v.is_empty())
    }

    /// Whether an option without value was given.
    pub fn has(&self, name: &str) -> bool {
        self.switches.contains(name)
    }

    /// Whether no option and no word was given.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.values.is_empty() && self.switches.is_empty()
    }

    /// All options with a value, by name.
    pub fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// Whether the reply of the service is wanted as JSON.
    pub fn wants_json(&self) -> bool {
        self.has("json") || self.has("show_json")
    }
}

/// What a list of words asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// Carry it out.
    Run(Arguments),
    /// Explain the command.
    Help,
}

/// The command that `words` name, and how many of them did.
pub fn choose<'c>(top: &'c Command, words: &[String]) -> (&'c Command, usize) {
    let mut command = top;
    let mut used = 0;
    while let Some(next) = words.get(used).and_then(|word| command.commands.iter().find(|c| c.is(word))) {
        command = next;
        used += 1;
    }
    (command, used)
}

/// Reads the words after the name of `command`; `more` are options that are not in the table (those of an app).
///
/// # Errors
///
/// [`Failure::Argument`] for options that do not exist, lack their value, or are needed and missing.
pub fn parse(command: &Command, more: &[Flag<'_>], words: &[String]) -> Result<Wish, Failure> {
    let mut arguments = Arguments::default();
    let mut places = command.needs.iter().chain(command.takes);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if !is_option(word) {
            match places.next() {
                Some(place) => drop(arguments.words.insert(place, word.clone())),
                None if command.many => arguments.rest.push(word.clone()),
                // Surplus words are ignored, as in the original.
                None => {}
            }
            continue;
        }
        let (name, mut given) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        let flag = find(command, more, name)?;
        if flag.key() == "help" {
            return Ok(Wish::Help);
        }
        if flag.takes == Takes::Nothing {
            arguments.switches.insert(flag.key().to_owned());
            continue;
        }
        if given.as_deref().is_none_or(str::is_empty) {
            given = words.next().cloned();
        }
        let Some(value) = given else { return Err(Failure::Argument(format!("Missing value for: {}", flag.shown()))) };
        arguments.values.insert(flag.key().to_owned(), value);
    }
    complete(command, arguments).map(Wish::Run)
}

fn complete(command: &Command, arguments: Arguments) -> Result<Arguments, Failure> {
    if let Some(flag) = command.flags.iter().find(|f| matches!(f.takes, Takes::Needed(_)) && arguments.value(f.key()).is_none()) {
        return Err(Failure::Argument(format!("Option {} is required.", flag.shown())));
    }
    for name in command.needs {
        arguments.needed(name)?;
    }
    Ok(arguments)
}

/// Negative numbers and a lone dash are words.
fn is_option(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c == '-' || c.is_ascii_alphabetic()))
}

fn find<'f>(command: &'f Command, more: &'f [Flag<'_>], name: &str) -> Result<&'f Flag<'f>, Failure> {
    let all = || command.flags.iter().chain(more).chain(&COMMON);
    if let Some(flag) = all().find(|f| f.long == name || (!f.short.is_empty() && f.short == name)) {
        return Ok(flag);
    }
    let near = all().map(|f| f.long).filter(|long| distance(long, name) <= 2).min_by_key(|long| distance(long, name));
    let hint = near.map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
    Err(Failure::Argument(format!("unknown option `{name}`{hint}")))
}

/// How many letters have to be changed, for the "did you mean".
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut left = i + 1;
        let mut above_left = i;
        for (b, cell) in other.iter().zip(row.iter_mut().skip(1)) {
            let changed = above_left + usize::from(a != *b);
            above_left = *cell;
            *cell = changed.min(left + 1).min(above_left + 1);
            left = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::{Heading, command, switch, value};

    const FLAGS: [Flag<'static>; 3] =
        [value("-n", "--nodes", "count", "", ""), switch("-f", "--force", "", ""), value("", "--config", "config", "", "")];
    const SUB: Command =
        Command { needs: &["cmd"], takes: &["job_name"], flags: &FLAGS, ..command("submit", &["sub"], Heading::Quick, "", "") };
    const CAT: Command = Command { needs: &["osspath"], many: true, ..command("cat", &[], Heading::None, "", "") };
    const TOP: Command = Command { commands: &[&SUB], ..command("bcs", &[], Heading::None, "", "") };

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn read(text: &str) -> Result<Arguments, String> {
        match parse(&SUB, &[], &words(text)).map_err(|e| e.to_string())? {
            Wish::Run(arguments) => Ok(arguments),
            Wish::Help => Err("help".to_owned()),
        }
    }

    #[test]
    fn words_and_options_come_in_any_order() {
        for text in ["ls name -n 3 -f", "-n 3 ls -f name", "--nodes=3 --force ls name", "ls --nodes 3 name --force surplus"] {
            let arguments = read(text).unwrap();
            assert_eq!(arguments.word("cmd"), Some("ls"), "{text}");
            assert_eq!(arguments.word("job_name"), Some("name"));
            assert_eq!(arguments.value("nodes"), Some("3"));
            assert!(arguments.has("force"));
        }
    }

    #[test]
    fn the_last_of_a_repeated_option_counts_and_values_may_hold_anything() {
        assert_eq!(read("ls -n 1 -n 2").unwrap().value("nodes"), Some("2"));
        assert_eq!(read("ls --config=A=b").unwrap().value("config"), Some("A=b"));
        assert_eq!(read("ls --nodes= 3").unwrap().value("nodes"), Some("3"));
        assert_eq!(read("ls -n -5").unwrap().value("nodes"), Some("-5"));
        assert_eq!(read("-5").unwrap().word("cmd"), Some("-5"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(read("ls -n").unwrap_err(), "Missing value for: -n, --nodes [count]");
        assert_eq!(read("-f").unwrap_err(), "missing argument `cmd`");
        assert_eq!(read("ls --node 3").unwrap_err(), "unknown option `--node`, did you mean `--nodes`?");
        assert_eq!(read("ls -z").unwrap_err(), "unknown option `-z`");
        assert_eq!(read("ls -h").unwrap_err(), "help");
    }

    #[test]
    fn commands_are_found_by_every_name() {
        assert_eq!(choose(&TOP, &words("sub ls")).1, 1);
        assert_eq!(choose(&TOP, &words("submit ls")).0.name, "submit");
        assert_eq!(choose(&TOP, &words("nonsense")).1, 0);
    }

    #[test]
    fn many_words_are_kept() {
        let Wish::Run(arguments) = parse(&CAT, &[], &words("a b c")).unwrap() else { panic!("no help was asked for") };
        assert_eq!((arguments.word("osspath"), arguments.rest()), (Some("a"), ["b".to_owned(), "c".to_owned()].as_slice()));
    }
}
