//! A document in its one layout with its words marked: for pages, and for terminals.
//!
//! The classes and colours are those of the original's tool. Unlike there, comments stay, and text that means something in
//! HTML is escaped.

use std::{collections::HashMap, sync::Arc};

use crate::{
    ast::{Decl, Document, ExprKind, Node, TypeExpr, visit_exprs},
    diagnostic::Diagnostic,
    format::{FormatError, commands::parts, format},
    lint::{nodes, task_exprs, workflow_exprs},
    parse::layout::{Class, Token, tokens},
    source::{Source, Span},
};

/// How words are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `<span class="...">`, with `&`, `<` and `>` escaped.
    Html,
    /// Colours of a terminal with 256 of them.
    Console,
}

/// What a marked word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Keyword,
    Section,
    Name,
    Type,
    Variable,
    Alias,
    Command,
    Function,
}

/// Words that begin statements and definitions.
const KEYWORDS: [&str; 13] =
    ["call", "enum", "hints", "if", "import", "meta", "parameter_meta", "requirements", "runtime", "scatter", "struct", "task", "workflow"];
/// Words that begin what a definition gives and takes.
const SECTIONS: [&str; 2] = ["input", "output"];

/// The text of a document, laid out and marked, without a line end after it.
///
/// # Errors
/// What is wrong with the syntax.
pub fn highlight(source: &Arc<Source>, style: Style) -> Result<String, Vec<Diagnostic>> {
    let source = match format(source) {
        Ok(text) => Source::new(source.name.as_str(), text),
        Err(FormatError::Syntax(findings)) => return Err(findings),
        // Then it is shown as it stands.
        Err(FormatError::Unsafe) => Arc::clone(source),
    };
    let (document, list) = tokens(&source)?;
    let mut writer = Writer { text: &source.text, style, out: String::with_capacity(source.text.len() * 2), done: 0 };
    let marks = Marks::of(&document);
    for (place, token) in list.iter().enumerate() {
        if token.start < writer.done {
            continue;
        }
        if token.class == Class::Command {
            writer.command(token);
        } else if let Some((end, mark)) = marks.0.get(&token.start) {
            writer.marked(token.start, *end, *mark);
        } else if let Some(mark) = keyword(&list, place) {
            writer.marked(token.start, token.start + token.text.len(), mark);
        }
    }
    writer.plain(source.text.trim_end().len());
    Ok(writer.out)
}

/// What the token at a place of the list is, if it is a keyword.
fn keyword(list: &[Token<'_>], place: usize) -> Option<Mark> {
    let token = list.get(place)?;
    let before = place.checked_sub(1).and_then(|before| list.get(before));
    let follows = list.get(place + 1).map(|token| token.class);
    // Keys of metadata, inputs and choices may be the same words.
    let begins = token.statement && matches!(follows, Some(Class::Word | Class::Text | Class::BlockOpen | Class::Open('(')));
    match token.text {
        "version" if place == 0 || list.iter().take(place).all(|token| token.class == Class::Comment) => begins.then_some(Mark::Keyword),
        "else" if before.is_some_and(|before| before.class == Class::BlockClose) && !token.statement => Some(Mark::Keyword),
        "if" if before.is_some_and(|before| before.text == "else" && before.class == Class::Word) && follows == Some(Class::Open('(')) => {
            let closes = place.checked_sub(2).and_then(|place| list.get(place));
            closes.is_some_and(|token| token.class == Class::BlockClose).then_some(Mark::Keyword)
        }
        text if begins && KEYWORDS.contains(&text) => Some(Mark::Keyword),
        text if begins && SECTIONS.contains(&text) => Some(Mark::Section),
        _ => None,
    }
}

/// Ends and meanings of names and types, by their first bytes.
#[derive(Default)]
struct Marks(HashMap<usize, (usize, Mark)>);

impl Marks {
    fn of(document: &Document) -> Marks {
        let mut marks = Marks::default();
        for definition in &document.structs {
            marks.add(definition.name.span, Mark::Name);
            marks.decls(&definition.members);
        }
        for definition in &document.enums {
            marks.add(definition.name.span, Mark::Name);
            definition.value_type.iter().for_each(|ty| marks.ty(ty));
        }
        for task in &document.tasks {
            marks.add(task.name.span, Mark::Name);
            [&task.inputs, &task.decls, &task.outputs].into_iter().for_each(|decls| marks.decls(decls));
            task_exprs(task, &mut |expr| marks.functions(expr));
        }
        if let Some(workflow) = &document.workflow {
            marks.add(workflow.name.span, Mark::Name);
            marks.decls(&workflow.inputs);
            workflow.outputs.iter().for_each(|section| marks.decls(&section.decls));
            nodes(&workflow.body, &mut |node| marks.node(node));
            workflow_exprs(workflow, &mut |expr| marks.functions(expr));
        }
        marks
    }

    fn add(&mut self, span: Span, mark: Mark) {
        self.0.insert(span.start as usize, (span.end as usize, mark));
    }

    fn ty(&mut self, ty: &TypeExpr) {
        self.add(ty.span, Mark::Type);
    }

    fn decls(&mut self, decls: &[Decl]) {
        for decl in decls {
            self.ty(&decl.ty);
            self.add(decl.name.span, Mark::Variable);
        }
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::Decl(decl) => self.decls(std::slice::from_ref(decl)),
            Node::Call(call) => {
                if let (Some(first), Some(last)) = (call.target.first(), call.target.last()) {
                    self.add(first.span.to(last.span), Mark::Name);
                }
                call.alias.iter().for_each(|alias| self.add(alias.span, Mark::Alias));
            }
            Node::Scatter(_) | Node::If(_) => {}
        }
    }

    /// Functions in an expression. Those inside of strings and commands are never looked up.
    fn functions(&mut self, expr: &crate::ast::Expr) {
        visit_exprs(expr, &mut |expr| {
            if let ExprKind::Call(name, _) = &expr.kind {
                self.add(name.span, Mark::Function);
            }
        });
    }
}

struct Writer<'s> {
    text: &'s str,
    style: Style,
    out: String,
    /// What is written already.
    done: usize,
}

impl Writer<'_> {
    /// Writes the text up to a place.
    fn plain(&mut self, end: usize) {
        let text = self.text.get(self.done..end).unwrap_or_default();
        self.done = self.done.max(end);
        match self.style {
            Style::Console => self.out.push_str(text),
            Style::Html => text.chars().for_each(|c| match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                c => self.out.push(c),
            }),
        }
    }

    fn marked(&mut self, start: usize, end: usize, mark: Mark) {
        self.plain(start);
        let (open, close) = match self.style {
            Style::Html => (format!("<span class=\"{}\">", class(mark)), "</span>"),
            Style::Console => match colour(mark) {
                Some(colour) => (format!("\x1b[38;5;{colour}m"), "\x1b[0m"),
                None => (String::new(), ""),
            },
        };
        self.out.push_str(&open);
        self.plain(end);
        self.out.push_str(close);
    }

    /// The keyword, and the script without the blanks around it.
    fn command(&mut self, token: &Token<'_>) {
        self.marked(token.start, token.start + "command".len(), Mark::Section);
        if let Some((_, script, close)) = parts(token.text) {
            let blanks = script.len() - script.trim_start().len();
            let start = token.start + token.text.len() - close.len() - script.len() + blanks;
            let script = script.trim();
            if !script.is_empty() {
                self.marked(start, start + script.len(), Mark::Command);
            }
        }
        self.plain(token.start + token.text.len());
    }
}

fn class(mark: Mark) -> &'static str {
    match mark {
        Mark::Keyword => "keyword",
        Mark::Section => "section",
        Mark::Name => "name",
        Mark::Type => "type",
        Mark::Variable => "variable",
        Mark::Alias => "alias",
        Mark::Command => "command",
        Mark::Function => "function",
    }
}

/// The colour of a mark in the palette of 256, if it has one.
fn colour(mark: Mark) -> Option<u8> {
    Some(match mark {
        Mark::Keyword | Mark::Section => 214,
        Mark::Name => 253,
        Mark::Type => 33,
        Mark::Variable => 112,
        Mark::Function => 13,
        Mark::Alias | Mark::Command => return None,
    })
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn html(text: &str) -> String {
        highlight(&Source::new("t.wdl", text), Style::Html).unwrap()
    }

    #[test]
    fn a_document_of_draft_2() {
        let text = "import \"a.wdl\" as a\ntask count {\n  File list\n  command { wc -l < ${list} && echo }\n  output { Int n = read_int(stdout()) }\n\
                    meta { task: \"x\" } runtime { cpu: 1 } }\nworkflow w { Array[File] lists scatter (l in lists) { call count as c { input: list = l } } if (1 < 2) { call a.t } }";
        assert_snapshot!(html(text), @r#"
        <span class="keyword">import</span> "a.wdl" as a

        <span class="keyword">task</span> <span class="name">count</span> {
          <span class="type">File</span> <span class="variable">list</span>
          <span class="section">command</span> { <span class="command">wc -l &lt; ${list} &amp;&amp; echo</span> }
          <span class="section">output</span> {
            <span class="type">Int</span> <span class="variable">n</span> = <span class="function">read_int</span>(<span class="function">stdout</span>())
          }
          <span class="keyword">meta</span> {
            task: "x"
          }
          <span class="keyword">runtime</span> {
            cpu: 1
          }
        }

        <span class="keyword">workflow</span> <span class="name">w</span> {
          <span class="type">Array[File]</span> <span class="variable">lists</span>
          <span class="keyword">scatter</span> (l in lists) {
            <span class="keyword">call</span> <span class="name">count</span> as <span class="alias">c</span> { input: list = l }
          }
          <span class="keyword">if</span> (1 &lt; 2) {
            <span class="keyword">call</span> <span class="name">a.t</span>
          }
        }
        "#);
    }

    #[test]
    fn a_document_of_1_3() {
        let text = "# first\nversion 1.3\nstruct P { Int? task } enum E { task, Two = \"<2>\" }\n\
                    workflow w { input { E e = E.task String input_ = \"~{length([1])}\" } if (true) {} else if (false) {} else {}\n\
                    call t { input_, n = length([if true then 1 else 2]) } output { Int n = 1 } }\n\
                    task t { input { String input_ Int n } command <<<>>> requirements { cpu: 1 } hints { short_task: true } }";
        assert_snapshot!(html(text), @r#"
        # first
        <span class="keyword">version</span> 1.3

        <span class="keyword">struct</span> <span class="name">P</span> {
          <span class="type">Int?</span> <span class="variable">task</span>
        }

        <span class="keyword">enum</span> <span class="name">E</span> { task, Two = "&lt;2&gt;" }

        <span class="keyword">workflow</span> <span class="name">w</span> {
          <span class="section">input</span> {
            <span class="type">E</span> <span class="variable">e</span> = E.task
            <span class="type">String</span> <span class="variable">input_</span> = "~{length([1])}"
          }
          <span class="keyword">if</span> (true) {} <span class="keyword">else</span> <span class="keyword">if</span> (false) {} <span class="keyword">else</span> {}
          <span class="keyword">call</span> <span class="name">t</span> { input_, n = <span class="function">length</span>([if true then 1 else 2]) }
          <span class="section">output</span> {
            <span class="type">Int</span> <span class="variable">n</span> = 1
          }
        }

        <span class="keyword">task</span> <span class="name">t</span> {
          <span class="section">input</span> {
            <span class="type">String</span> <span class="variable">input_</span>
            <span class="type">Int</span> <span class="variable">n</span>
          }
          <span class="section">command</span> &lt;&lt;&lt;&gt;&gt;&gt;
          <span class="keyword">requirements</span> {
            cpu: 1
          }
          <span class="keyword">hints</span> {
            short_task: true
          }
        }
        "#);
    }

    #[test]
    fn colours_for_terminals() {
        let text = highlight(&Source::new("t.wdl", "workflow w { Int n = length([]) }"), Style::Console).unwrap();
        assert_eq!(
            text,
            "\x1b[38;5;214mworkflow\x1b[0m \x1b[38;5;253mw\x1b[0m {\n  \
             \x1b[38;5;33mInt\x1b[0m \x1b[38;5;112mn\x1b[0m = \x1b[38;5;13mlength\x1b[0m([])\n}"
        );
    }

    #[test]
    fn without_marks_it_is_the_layout() {
        let text = "version 1.1\n\n# a <b>\ntask t {\n  command <<<\n    echo \"~{1 < 2}\" &amp;\n  >>>\n}\n";
        let bare = html(text).replace("</span>", "");
        let bare: String = bare.split("<span class=\"").map(|part| part.split_once("\">").map_or(part, |(_, rest)| rest)).collect();
        let bare = bare.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        assert_eq!(bare, text.trim_end());
        assert!(highlight(&Source::new("t.wdl", "task {"), Style::Html).is_err());
    }
}
