//! The terminal: colours, lines, questions.

use std::io::{self, BufRead, IsTerminal, Write};

use rustix::termios::{LocalModes, OptionalActions, tcsetattr};

use crate::failure::Failure;

/// Colours, or none when nobody looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint {
    enabled: bool,
}

impl Paint {
    /// No colours.
    pub const PLAIN: Paint = Paint { enabled: false };
    /// Colours.
    pub const COLOURED: Paint = Paint { enabled: true };

    /// Colours as the original decides: a terminal (or `TERMINAL-COLOR`) of a kind that has them, and no `NO_COLOR`.
    pub fn fitting(terminal: bool, variable: &dyn Fn(&str) -> Option<String>) -> Paint {
        let kind = variable("TERM").unwrap_or_default();
        let able = kind.starts_with("xterm")
            || kind == "linux"
            || kind.contains("color")
            || kind.starts_with("screen")
            || kind.starts_with("tmux");
        let asked = terminal || variable("TERMINAL-COLOR").is_some();
        Paint { enabled: asked && able && variable("NO_COLOR").is_none_or(|v| v.is_empty()) }
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.enabled && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Red.
    pub fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    /// Green.
    pub fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    /// Yellow.
    pub fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    /// Blue.
    pub fn blue(self, text: &str) -> String {
        self.with("34", text)
    }

    /// Magenta.
    pub fn magenta(self, text: &str) -> String {
        self.with("35", text)
    }

    /// Cyan.
    pub fn cyan(self, text: &str) -> String {
        self.with("36", text)
    }

    /// White.
    pub fn white(self, text: &str) -> String {
        self.with("37", text)
    }

    /// Bold.
    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// A title: bold and magenta.
    pub fn title(self, text: &str) -> String {
        self.with("1;35", text)
    }
}

/// Where things are printed and answers come from.
pub struct Terminal {
    out: Box<dyn Write>,
    answers: Box<dyn BufRead>,
    /// Colours.
    pub paint: Paint,
    /// Whether a person looks at it as it is written.
    pub live: bool,
}

impl Terminal {
    /// Standard output and input.
    pub fn standard(variable: &dyn Fn(&str) -> Option<String>) -> Terminal {
        let live = io::stdout().is_terminal();
        Terminal {
            out: Box::new(io::BufWriter::new(io::stdout())),
            answers: Box::new(io::BufReader::new(io::stdin())),
            paint: Paint::fitting(live, variable),
            live,
        }
    }

    /// Any writer, and answers prepared.
    pub fn prepared(out: Box<dyn Write>, answers: Box<dyn BufRead>) -> Terminal {
        Terminal { out, answers, paint: Paint::PLAIN, live: false }
    }

    /// Prints a line.
    ///
    /// # Errors
    ///
    /// [`Failure::Output`] when nobody reads it; so for all functions here.
    pub fn line(&mut self, text: impl AsRef<str>) -> Result<(), Failure> {
        writeln!(self.out, "{}", text.as_ref()).map_err(Failure::Output)
    }

    /// Prints bytes as they are.
    ///
    /// # Errors
    ///
    /// As [`Terminal::line`].
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes).map_err(Failure::Output)
    }

    /// Prints a text as it is and shows it at once.
    ///
    /// # Errors
    ///
    /// As [`Terminal::line`].
    pub fn now(&mut self, text: &str) -> Result<(), Failure> {
        self.bytes(text.as_bytes())?;
        self.flush()
    }

    /// Shows what has been printed.
    ///
    /// # Errors
    ///
    /// As [`Terminal::line`].
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(Failure::Output)
    }

    /// A line in bold magenta.
    ///
    /// # Errors
    ///
    /// As [`Terminal::line`].
    pub fn title(&mut self, text: &str) -> Result<(), Failure> {
        let text = self.paint.title(text);
        self.line(text)
    }

    /// A line in white: hints and the canonical form of the command.
    ///
    /// # Errors
    ///
    /// As [`Terminal::line`].
    pub fn note(&mut self, text: &str) -> Result<(), Failure> {
        let text = self.paint.white(text);
        self.line(text)
    }

    /// A line in green.
    ///
    /// # Errors
    ///
    /// As [`Terminal::line`].
    pub fn good(&mut self, text: &str) -> Result<(), Failure> {
        let text = self.paint.green(text);
        self.line(text)
    }

    /// A warning, with a blank line before and after.
    ///
    /// # Errors
    ///
    /// As [`Terminal::line`].
    pub fn warn(&mut self, text: &str) -> Result<(), Failure> {
        let text = self.paint.yellow(&format!("\n  [WARN]: {text}\n"));
        self.line(text)
    }

    /// Asks until the answer is yes or no; an empty answer is no.
    ///
    /// # Errors
    ///
    /// When there is nobody to answer: the option `-y` is named.
    pub fn confirm(&mut self, question: &str) -> Result<bool, Failure> {
        loop {
            let answer = self.ask(&format!("{question}? [n] "), "`-y` answers yes")?;
            match answer.to_ascii_lowercase().as_str() {
                "y" | "yes" | "1" | "on" | "true" | "t" => return Ok(true),
                "" | "n" | "no" | "0" | "off" | "false" | "f" => return Ok(false),
                _ => {}
            }
        }
    }

    /// Asks for a line of text.
    ///
    /// # Errors
    ///
    /// When there is nobody to answer; `hint` says what to do instead.
    pub fn ask(&mut self, question: &str, hint: &str) -> Result<String, Failure> {
        self.now(question)?;
        let mut answer = String::new();
        let read = self.answers.read_line(&mut answer).map_err(|e| Failure::told(format!("cannot read the answer: {e}")))?;
        if read == 0 {
            return Err(Failure::told(format!("nobody answers; {hint}")));
        }
        Ok(answer.trim().to_owned())
    }

    /// Asks for a text that is not shown while it is typed.
    ///
    /// # Errors
    ///
    /// As [`Terminal::ask`].
    pub fn secret(&mut self, question: &str, hint: &str) -> Result<String, Failure> {
        let Ok(before) = rustix::termios::tcgetattr(io::stdin()) else { return self.ask(question, hint) };
        let mut settings = before.clone();
        // Interrupts come as letters, so that the terminal is never left silent.
        settings.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        self.now(question)?;
        // A terminal that cannot be set shows the text, as every program would.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &settings);
        let typed = typed(&mut self.answers);
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
        self.line("")?;
        typed.ok_or_else(|| Failure::told(format!("nobody answers; {hint}")))
    }
}

/// What is typed until the end of the line, with the keys that take letters back; none after an interrupt or the end.
fn typed(answers: &mut dyn BufRead) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut byte = [0];
        answers.read_exact(&mut byte).ok()?;
        match byte {
            [b'\n' | b'\r'] => return Some(String::from_utf8_lossy(&bytes).trim().to_owned()),
            [0x03 | 0x04] => return None,
            [0x7f | 0x08] => drop(bytes.pop()),
            [0x15] => bytes.clear(),
            [byte] => bytes.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_need_somebody_who_looks() {
        let xterm = |name: &str| (name == "TERM").then(|| "xterm-256color".to_owned());
        assert_eq!(Paint::fitting(true, &xterm), Paint::COLOURED);
        assert_eq!(Paint::fitting(false, &xterm), Paint::PLAIN);
        assert_eq!(Paint::fitting(true, &|_| None), Paint::PLAIN);
        assert_eq!(Paint::COLOURED.red("x"), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(Paint::PLAIN.title("x"), "x");
    }

    #[test]
    fn secrets_are_typed_with_mistakes() {
        let typed = |keys: &[u8]| typed(&mut &keys[..]);
        assert_eq!(typed(b"wrong\x15secrets\x7f\n").as_deref(), Some("secret"));
        assert_eq!((typed(b"half\x03"), typed(b"half")), (None, None));
    }

    #[test]
    fn only_a_clear_answer_counts() {
        let mut terminal = Terminal::prepared(Box::new(io::sink()), Box::new(&b"perhaps\nYes\n\n"[..]));
        assert!(terminal.confirm("Sure").unwrap());
        assert!(!terminal.confirm("Sure").unwrap());
        assert_eq!(terminal.confirm("Sure").unwrap_err().to_string(), "nobody answers; `-y` answers yes");
    }
}
