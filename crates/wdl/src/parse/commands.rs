//! The command section.

use super::{
    Parsed, Parser,
    dedent::{Piece, Pieces},
    lexer::Tok,
};
use crate::{ast::Command, source::Span, version::Version};

impl Parser<'_> {
    /// Whether `command {` or `command <<<` stands here.
    pub(super) fn at_command(&self) -> bool {
        self.is_word("command") && matches!(self.second().kind, Tok::LeftBrace | Tok::Multiline)
    }

    /// The command section, dedented.
    ///
    /// A brace command ends at the first `}` outside a placeholder. Braces are not counted: a lone `{` is ordinary
    /// shell text.
    pub(super) fn command_section(&mut self) -> Parsed<Command> {
        let start = self.bump().start;
        let open = self.token;
        let heredoc = open.kind == Tok::Multiline;
        let mut pieces = Pieces::default();
        let mut pos = open.end;
        let delimiter = open.end - open.start;
        loop {
            match self.bytes.get(pos) {
                None => {
                    self.seek(pos);
                    let error = self.diagnostic_error(Span::new(start, open.end), "command is never closed");
                    return Err(self.fail(error.label("begins here").hint(if heredoc { "add `>>>`" } else { "add `}`" })));
                }
                Some(b'>') if heredoc && self.bytes.get(pos..pos + 3) == Some(b">>>") => {
                    pos += 3;
                    break;
                }
                Some(b'}') if !heredoc => {
                    pos += 1;
                    break;
                }
                Some(b'\\') if self.at_least(Version::V1_1) => pos = self.command_escape(pos, heredoc, &mut pieces),
                Some(b'\r') if self.byte(pos + 1) == b'\n' => pos += 1,
                Some(b'~' | b'$') if self.opens_in_command(pos, heredoc) => pos = self.placeholder_piece(pos, &mut pieces, false),
                Some(_) => pos = self.plain_run(pos, &mut pieces),
            }
        }
        self.seek(pos);
        self.layout.opaque.insert(start, pos);
        self.layout.commands.insert(start, Span::new(open.end, pos - delimiter));
        pieces.dedent();
        Ok(Command { span: Span::new(start, pos), parts: pieces.into_parts() })
    }

    fn opens_in_command(&self, pos: usize, heredoc: bool) -> bool {
        if self.byte(pos + 1) != b'{' {
            return false;
        }
        match self.byte(pos) {
            b'~' => self.at_least(Version::V1_0),
            b'$' => !heredoc || self.version == Version::Draft2,
            _ => false,
        }
    }

    /// The few escape sequences of commands (1.1). Every other backslash belongs to the shell.
    fn command_escape(&mut self, pos: usize, heredoc: bool, pieces: &mut Pieces) -> usize {
        let next = self.byte(pos + 1);
        if (next == b'}' && !heredoc) || (heredoc && next == b'>' && self.breaks_close(pos)) {
            pieces.push(Piece::Fixed(char::from(next).to_string()));
            return pos + 2;
        }
        if self.opens_in_command(pos + 1, heredoc) {
            pieces.push(Piece::Fixed(self.slice(pos + 1, pos + 3).to_owned()));
            return pos + 3;
        }
        let taken = if next == b'\\' { 2 } else { 1 };
        pieces.push_text(self.slice(pos, pos + taken));
        pos + taken
    }

    /// Whether the `\>` at `pos` is there to break up a `>>>`.
    fn breaks_close(&self, pos: usize) -> bool {
        let mut brackets = 1;
        let mut at = pos;
        while brackets < 3 && at > 0 && self.byte(at - 1) == b'>' {
            brackets += 1;
            at -= if at > 1 && self.byte(at - 2) == b'\\' { 2 } else { 1 };
        }
        at = pos + 2;
        while brackets < 3 {
            match (self.byte(at), self.byte(at + 1)) {
                (b'>', _) => at += 1,
                (b'\\', b'>') => at += 2,
                _ => return false,
            }
            brackets += 1;
        }
        true
    }
}
