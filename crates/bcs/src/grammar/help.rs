//! Help texts, made from the table.

use super::{COMMON, Command, Flag, Heading, Language};
use crate::terminal::Paint;

/// What the program calls itself in usage lines.
pub const PROGRAM: &str = "batchcompute|bcs";
/// The release of the original whose behaviour is kept.
pub const VERSION: &str = "1.7.7";

const HEADINGS: [Heading; 6] = [Heading::Config, Heading::Query, Heading::Change, Heading::Quick, Heading::Template, Heading::Pbs];

/// How help is shown.
#[derive(Clone, Copy)]
pub struct Look {
    /// Which texts.
    pub language: Language,
    /// Colours, if any.
    pub paint: Paint,
    /// Hidden commands and options too.
    pub god: bool,
}

impl Look {
    fn say(&self, en: &'static str, zh: &'static str) -> &'static str {
        match self.language {
            Language::English => en,
            Language::Chinese => zh,
        }
    }
}

/// The line of `--version`.
pub fn version(paint: Paint) -> String {
    format!("  {} ({PROGRAM} {VERSION})\n", paint.title("AliCloud BatchCompute CLI"))
}

/// The help of the whole program.
pub fn program(top: &Command, look: Look) -> String {
    let mut text = format!("\n  {} {VERSION}\n", look.paint.title("AliCloud BatchCompute CLI"));
    text.push_str(&format!("\n  Usage: {PROGRAM} <command> [option]\n\n  {}:\n\n", look.say("Options", "选项")));
    let width = top.commands.iter().map(|c| c.names().chars().count()).max().unwrap_or(0) + 2;
    let row = |text: &mut String, name: &str, about: &str| text.push_str(&format!("    {name:width$} {about}\n"));
    row(&mut text, "-h, --help", look.say("print this help", "显示帮助"));
    row(&mut text, "-V, --version", look.say("print the version", "显示版本"));
    text.push_str(&format!("\n  {}:\n", look.say("Commands", "命令")));
    for heading in HEADINGS {
        let shown: Vec<_> = top.commands.iter().filter(|c| c.heading == heading && (look.god || !c.hidden)).collect();
        if shown.is_empty() {
            continue;
        }
        text.push_str(&format!("\n    -----{}---------------------------\n", look.paint.blue(title(heading, look))));
        for command in shown {
            row(&mut text, &command.names(), command.about.say(look.language));
        }
    }
    let hint = look.say("  type \"bcs [command] -h\" for more", "  输入 \"bcs [命令] -h\" 查看详情");
    text.push_str(&format!("\n{}\n\n", look.paint.white(hint)));
    text
}

/// The help of one command; `parents` are the names before it, `more` the options that are not in the table.
pub fn command(command: &Command, parents: &str, more: &[Flag<'_>], look: Look) -> String {
    let mut text = format!("\n  {}\n\n    {}\n", command.names(), command.about.say(look.language));
    let space = if parents.is_empty() { "" } else { " " };
    let words: String = command.needs.iter().map(|w| format!(" <{w}>")).chain(command.takes.iter().map(|w| format!(" [{w}]"))).collect();
    let middle = if command.commands.is_empty() { "" } else { " <command>" };
    text.push_str(&format!("\n  Usage: {PROGRAM} {parents}{space}{}{middle}{words} [option]\n", command.names()));
    if !command.examples.is_empty() {
        text.push_str(&format!("\n    {}:\n\n", look.say("Examples", "示例")));
        for (n, example) in command.examples.iter().enumerate() {
            text.push_str(&format!("      {}. bcs {example}\n", n + 1));
        }
    }
    text.push_str(&format!("\n  {}:\n\n", look.say("Options", "选项")));
    let flags: Vec<_> = COMMON.iter().chain(command.flags).chain(more).filter(|f| look.god || !f.hidden).collect();
    let width = flags.iter().map(|f| f.shown().chars().count()).max().unwrap_or(0) + 2;
    for flag in flags {
        text.push_str(&format!("    {:width$} {}\n", flag.shown(), flag.about.say(look.language)));
    }
    text.push('\n');
    if !command.commands.is_empty() {
        text.push_str(&format!("  {}:\n\n", look.say("Commands", "命令")));
        for inner in command.commands.iter().filter(|c| look.god || !c.hidden) {
            text.push_str(&format!("    {:width$} {}\n", inner.names(), inner.about.say(look.language)));
        }
        text.push('\n');
    }
    text
}

fn title(heading: Heading, look: Look) -> &'static str {
    match heading {
        Heading::Config => look.say("config", "配置"),
        Heading::Query => look.say("query, show", "查询"),
        Heading::Change => look.say("create, update, delete", "创建, 修改, 删除"),
        Heading::Quick => look.say("quick cmd", "快捷命令"),
        Heading::Template => look.say("template", "模板"),
        Heading::Pbs => "PBS cmd",
        Heading::None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::TOP;

    const PLAIN: Look = Look { language: Language::English, paint: Paint::PLAIN, god: false };

    #[test]
    fn hidden_commands_are_shown_to_gods_only() {
        assert!(!program(&TOP, PLAIN).contains("qsub"));
        assert!(program(&TOP, Look { god: true, ..PLAIN }).contains("qsub"));
        assert!(program(&TOP, PLAIN).contains("    job|j  "));
    }

    #[test]
    fn every_command_explains_itself_in_both_languages() {
        fn walk(parent: &Command) {
            for inner in parent.commands {
                for language in [Language::English, Language::Chinese] {
                    let text = command(inner, "", &[], Look { language, god: true, ..PLAIN });
                    assert!(text.contains("--help"), "{}", inner.name);
                    assert!(!inner.about.say(language).is_empty(), "{} is silent", inner.name);
                    for flag in inner.flags.iter().filter(|f| !f.hidden) {
                        assert!(!flag.about.say(language).is_empty(), "{} {} is silent", inner.name, flag.long);
                    }
                }
                walk(inner);
            }
        }
        walk(&TOP);
    }

    #[test]
    fn no_name_or_option_means_two_things() {
        fn walk(parent: &Command) {
            let mut names: Vec<_> = parent.commands.iter().flat_map(|c| c.aliases.iter().chain([&c.name])).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "two commands of {} share a name", parent.name);
            for inner in parent.commands {
                let flags = || inner.flags.iter().flat_map(|f| [f.short, f.long]).filter(|n| !n.is_empty());
                let mut unique: Vec<_> = flags().collect();
                unique.sort_unstable();
                unique.dedup();
                assert_eq!(unique.len(), flags().count(), "two options of {} share a name", inner.name);
                walk(inner);
            }
        }
        walk(&TOP);
    }
}
