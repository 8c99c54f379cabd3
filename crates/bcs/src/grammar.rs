//! The grammar of the command line as data: commands, their words and options, in two languages. Parser, help and
//! completion read the same table, so that they cannot disagree.

pub mod completion;
pub mod help;
pub mod parse;

use crate::{failure::Failure, session::Session};
use parse::Arguments;

/// The language of help texts; results are always in English, as scripts read them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// `locale` unset or `en`.
    #[default]
    English,
    /// `locale` is `zh` or `zh_CN`.
    Chinese,
}

/// A text in both languages.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// English.
    pub en: &'a str,
    /// Chinese.
    pub zh: &'a str,
}

impl<'a> Words<'a> {
    /// The text in `language`.
    pub fn say(&self, language: Language) -> &'a str {
        match language {
            Language::English => self.en,
            Language::Chinese => self.zh,
        }
    }
}

/// What follows an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes<'a> {
    /// Nothing: it is on or off.
    Nothing,
    /// A value of this name.
    Value(&'a str),
    /// A value, and the option must be there.
    Needed(&'a str),
}

/// One option of a command.
#[derive(Clone, Copy, Debug)]
pub struct Flag<'a> {
    /// `-x`, or empty.
    pub short: &'a str,
    /// `--long`.
    pub long: &'a str,
    /// What follows it.
    pub takes: Takes<'a>,
    /// What it does.
    pub about: Words<'a>,
    /// Works, but is shown in help only with `god`.
    pub hidden: bool,
}

impl Flag<'_> {
    /// The name under which its value is asked for.
    pub fn key(&self) -> &str {
        self.long.trim_start_matches("--")
    }

    /// The option as help and messages show it.
    pub fn shown(&self) -> String {
        let comma = if self.short.is_empty() { "" } else { ", " };
        let value = match self.takes {
            Takes::Nothing => String::new(),
            Takes::Value(name) => format!(" [{name}]"),
            Takes::Needed(name) => format!(" <{name}>"),
        };
        format!("{}{comma}{}{value}", self.short, self.long)
    }
}

/// An option that is on or off.
pub const fn switch(short: &'static str, long: &'static str, en: &'static str, zh: &'static str) -> Flag<'static> {
    Flag { short, long, takes: Takes::Nothing, about: Words { en, zh }, hidden: false }
}

/// An option with a value.
pub const fn value(short: &'static str, long: &'static str, name: &'static str, en: &'static str, zh: &'static str) -> Flag<'static> {
    Flag { short, long, takes: Takes::Value(name), about: Words { en, zh }, hidden: false }
}

/// The same option, shown only with `god`.
pub const fn hidden(flag: Flag<'static>) -> Flag<'static> {
    Flag { hidden: true, ..flag }
}

/// What a command does.
pub type Run = fn(&mut Session, &Arguments) -> Result<(), Failure>;

/// Under which heading the help of the program lists a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heading {
    /// Who and where.
    Config,
    /// Looking.
    Query,
    /// Changing.
    Change,
    /// Submitting and files.
    Quick,
    /// Projects.
    Template,
    /// Portable Batch System words.
    Pbs,
    /// Not listed under a heading: commands of a command.
    None,
}

/// One command.
#[derive(Clone, Copy)]
pub struct Command {
    /// Its full name.
    pub name: &'static str,
    /// Its other names.
    pub aliases: &'static [&'static str],
    /// Where it is listed.
    pub heading: Heading,
    /// Works, but is shown in help only with `god`.
    pub hidden: bool,
    /// Words that must be given.
    pub needs: &'static [&'static str],
    /// Words that may follow.
    pub takes: &'static [&'static str],
    /// The last word may be repeated.
    pub many: bool,
    /// What it does.
    pub about: Words<'static>,
    /// Command lines to learn from.
    pub examples: &'static [&'static str],
    /// Its options.
    pub flags: &'static [Flag<'static>],
    /// Commands of this command.
    pub commands: &'static [&'static Command],
    /// What it does.
    pub run: Run,
}

impl Command {
    /// Whether `word` names this command.
    pub fn is(&self, word: &str) -> bool {
        self.name == word || self.aliases.contains(&word)
    }

    /// All names, as help shows them.
    pub fn names(&self) -> String {
        let mut names = self.name.to_owned();
        for alias in self.aliases {
            names.push('|');
            names.push_str(alias);
        }
        names
    }
}

/// A command to begin with; the table overrides what differs.
pub const fn command(
    name: &'static str,
    aliases: &'static [&'static str],
    heading: Heading,
    en: &'static str,
    zh: &'static str,
) -> Command {
    Command {
        name,
        aliases,
        heading,
        hidden: false,
        needs: &[],
        takes: &[],
        many: false,
        about: Words { en, zh },
        examples: &[],
        flags: &[],
        commands: &[],
        run: nothing,
    }
}

fn nothing(_: &mut Session, _: &Arguments) -> Result<(), Failure> {
    Ok(())
}

/// Options that every command knows. They are ours.
pub const COMMON: [Flag<'static>; 5] = [
    switch("-h", "--help", "print this help", "显示帮助"),
    value(
        "",
        "--endpoint",
        "url",
        "address of the service, such as http://127.0.0.1:8001 (also BCS_ENDPOINT; `bcs set --endpoint` remembers it)",
        "服务地址, 例如 http://127.0.0.1:8001 (也可用 BCS_ENDPOINT; `bcs set --endpoint` 可保存)",
    ),
    value(
        "",
        "--oss-endpoint",
        "url",
        "address of the object store, such as http://127.0.0.1:8002 (also BCS_OSS_ENDPOINT)",
        "对象存储地址, 例如 http://127.0.0.1:8002 (也可用 BCS_OSS_ENDPOINT)",
    ),
    switch("", "--insecure", "do not verify TLS certificates", "不校验 TLS 证书"),
    switch("", "--json", "print what the service says as JSON", "以 JSON 输出服务返回的内容"),
];
