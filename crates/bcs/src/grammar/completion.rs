//! Completion scripts for shells, made from the table.

use super::{COMMON, Command};

/// A shell that can complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// GNU bash.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
}

impl Shell {
    /// By its name.
    pub fn named(name: &str) -> Option<Shell> {
        match name {
            "bash" => Some(Shell::Bash),
            "zsh" => Some(Shell::Zsh),
            "fish" => Some(Shell::Fish),
            _ => None,
        }
    }
}

/// The script for `shell`.
pub fn script(top: &Command, shell: Shell) -> String {
    match shell {
        Shell::Bash => bash(top),
        Shell::Zsh => format!("#compdef bcs batchcompute\nautoload -U +X bashcompinit && bashcompinit\n{}", bash(top)),
        Shell::Fish => fish(top),
    }
}

fn names(commands: &[&Command]) -> String {
    commands.iter().map(|c| c.name).collect::<Vec<_>>().join(" ")
}

fn options(command: &Command) -> String {
    let own = command.flags.iter().filter(|f| !f.hidden).flat_map(|f| [f.short, f.long]);
    own.chain(COMMON.iter().flat_map(|f| [f.short, f.long])).filter(|n| !n.is_empty()).collect::<Vec<_>>().join(" ")
}

fn pattern(command: &Command) -> String {
    command.names()
}

fn bash(top: &Command) -> String {
    let mut text = String::from("_bcs() {\n  local word=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\" files=1\n");
    text.push_str("  if [ \"$COMP_CWORD\" -eq 1 ]; then\n");
    text.push_str(&format!("    words=\"{}\"\n    files=\"\"\n  else\n    case \"${{COMP_WORDS[1]}}\" in\n", names(top.commands)));
    for command in top.commands {
        if command.commands.is_empty() {
            text.push_str(&format!("      {}) words=\"{}\" ;;\n", pattern(command), options(command)));
            continue;
        }
        text.push_str(&format!("      {})\n        if [ \"$COMP_CWORD\" -eq 2 ]; then\n", pattern(command)));
        text.push_str(&format!(
            "          words=\"{}\"\n        else\n          case \"${{COMP_WORDS[2]}}\" in\n",
            names(command.commands)
        ));
        for inner in command.commands {
            text.push_str(&format!("            {}) words=\"{}\" ;;\n", pattern(inner), options(inner)));
        }
        text.push_str("          esac\n        fi ;;\n");
    }
    text.push_str("    esac\n  fi\n  if [ -n \"$files\" ] && [ \"${word#-}\" = \"$word\" ]; then\n");
    text.push_str("    COMPREPLY=($(compgen -W \"$words\" -- \"$word\") $(compgen -f -- \"$word\"))\n");
    text.push_str("  else\n    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n  fi\n}\n");
    text.push_str("complete -o filenames -F _bcs bcs batchcompute\n");
    text
}

fn fish(top: &Command) -> String {
    let mut text = String::new();
    for command in top.commands {
        let about = command.about.en.replace('\'', "\\'");
        text.push_str(&format!("complete -c bcs -n __fish_use_subcommand -a {} -d '{about}'\n", command.name));
        let seen = command.names().replace('|', " ");
        for inner in command.commands {
            text.push_str(&format!("complete -c bcs -n '__fish_seen_subcommand_from {seen}' -a {}\n", inner.name));
        }
        for flag in command.flags.iter().filter(|f| !f.hidden) {
            let short = flag.short.strip_prefix('-').filter(|s| !s.is_empty()).map(|s| format!(" -s {s}")).unwrap_or_default();
            text.push_str(&format!("complete -c bcs -n '__fish_seen_subcommand_from {seen}'{short} -l {}\n", flag.key()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::TOP;

    #[test]
    fn scripts_know_commands_aliases_and_options() {
        let bash = script(&TOP, Shell::Bash);
        assert!(bash.contains("job|j) words=\"") && bash.contains("--follow"), "{bash}");
        assert!(bash.contains("download|down) words="));
        assert!(script(&TOP, Shell::Zsh).starts_with("#compdef bcs"));
        assert!(script(&TOP, Shell::Fish).contains("-l follow"));
    }
}
