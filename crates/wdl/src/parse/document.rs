//! The document: version, imports, structs, enums, tasks and the workflow.

use std::{collections::HashMap, sync::Arc};

use super::{Parsed, Parser, lexer::Tok, tasks::Seen};
use crate::{
    ast::{Document, EnumDef, Import, Name, StructDef},
    losses::Losses,
    source::Span,
    version::Version,
};

/// How the supported versions are listed in messages.
const SUPPORTED: &str = "supported are draft-2 (no `version` statement), 1.0, 1.1, 1.2 and 1.3";

impl Parser<'_> {
    /// The whole document.
    pub(super) fn document(&mut self) -> Document {
        let known = self.version_statement();
        let mut document = Document {
            source: Arc::clone(self.source),
            version: self.version,
            imports: Vec::new(),
            structs: Vec::new(),
            enums: Vec::new(),
            tasks: Vec::new(),
            workflow: None,
            losses: Losses::default(),
            task_index: HashMap::new(),
        };
        while known && !self.is(Tok::End) {
            let start = self.token.start;
            self.layout.statements.insert(start);
            if self.item(&mut document).is_err() || self.token.start == start {
                self.recover_document(start);
            }
            self.braces = 0;
        }
        let (skipped, doubtful) = (std::mem::take(&mut self.skipped), std::mem::take(&mut self.doubtful));
        document.losses = if known { Losses::of(self.text, skipped, doubtful) } else { Losses::everything() };
        if self.lost_import {
            document.losses.add_unknown_import();
        }
        for (index, task) in document.tasks.iter().enumerate() {
            document.task_index.entry(Arc::clone(&task.name.text)).or_insert(index);
        }
        document
    }

    /// Takes the `version` statement; false when what follows cannot be read.
    fn version_statement(&mut self) -> bool {
        if !self.is_word("version") {
            return true;
        }
        let start = self.token.start;
        let after = self.token.end;
        let tail = self.text.get(after..).unwrap_or("");
        let blanks = tail.len() - tail.trim_start_matches([' ', '\t']).len();
        let word = tail.get(blanks..).unwrap_or("").split([' ', '\t', '\r', '\n', '#']).next().unwrap_or("");
        let end = after + blanks + word.len();
        let span = Span::new(start, end);
        if let Some(version) = Version::parse(word) {
            self.version = version;
            self.layout.statements.insert(start);
            self.layout.opaque.insert(after + blanks, end);
            self.layout.version = Some(Span::new(after + blanks, end));
            self.seek(end);
            return true;
        }
        let error = if matches!(word, "1.4" | "2.0") {
            self.diagnostic_error(span, format!("WDL {word} is not supported yet")).hint(SUPPORTED)
        } else if word.is_empty() {
            self.diagnostic_error(span, "`version` statement names no version").hint(SUPPORTED)
        } else {
            self.diagnostic_error(span, format!("unknown WDL version `{word}`")).hint(SUPPORTED)
        };
        self.push(error);
        false
    }

    fn item(&mut self, document: &mut Document) -> Parsed<()> {
        match self.word() {
            "import" => {
                let import = self.import();
                self.lost_import |= import.is_err();
                document.imports.push(import?);
            }
            "task" => document.tasks.push(self.task()?),
            "struct" => document.structs.push(self.struct_definition()?),
            "enum" => document.enums.push(self.enum_definition()?),
            "workflow" => {
                let keyword = self.token_span();
                let workflow = self.workflow()?;
                if let Some(first) = &document.workflow {
                    let error = self.diagnostic_error(keyword.to(workflow.name.span), "second workflow in one document");
                    self.push(error.hint("move it to a document of its own and import that").related(first.name.span, "the first one"));
                } else {
                    document.workflow = Some(workflow);
                }
            }
            "version" => {
                let error = self.diagnostic_error(self.token_span(), "`version` must be the first statement of a document");
                return Err(self.fail(error.hint("move it to the first line")));
            }
            word => {
                let items = match self.version {
                    Version::Draft2 => "`import`, `task` or `workflow`",
                    Version::V1_0 | Version::V1_1 | Version::V1_2 => "`import`, `struct`, `task` or `workflow`",
                    Version::V1_3 => "`import`, `struct`, `enum`, `task` or `workflow`",
                };
                let error = self.unexpected_diagnostic(items);
                let error = if word == "call" { error.hint("calls stand in a workflow") } else { error };
                return Err(self.fail(error));
            }
        }
        Ok(())
    }

    fn import(&mut self) -> Parsed<Import> {
        let start = self.bump().start;
        if self.is(Tok::Ident) {
            let error = self
                .unexpected_diagnostic("a path or URL in quotes")
                .hint("imports of modules by name need WDL 1.4, which is not supported yet");
            return Err(self.fail(error));
        }
        if !self.is(Tok::Quote) {
            return Err(self.unexpected("a path or URL in quotes"));
        }
        let uri_start = self.token.start;
        let uri = self.plain_string("the path of an import")?;
        let uri_span = self.span_from(uri_start);
        let mut import = Import { span: uri_span, uri, uri_span, namespace: None, aliases: Vec::new() };
        loop {
            if self.eat_word("as") {
                import.namespace = Some(self.name("a name for the namespace")?);
            } else if self.is_word("alias") {
                let span = self.token_span();
                self.needs(Version::V1_0, span, "`alias`");
                self.bump();
                let from = self.name("the name of a struct")?;
                if !self.eat_word("as") {
                    return Err(self.unexpected("`as`"));
                }
                import.aliases.push((from, self.name("a new name for the struct")?));
            } else {
                break;
            }
        }
        import.span = self.span_from(start);
        Ok(import)
    }

    fn struct_definition(&mut self) -> Parsed<StructDef> {
        let keyword = self.token_span();
        self.needs(Version::V1_0, keyword, "`struct`");
        self.bump();
        // `Object` is only a type until somebody defines it.
        let name = if self.is_word("Object") { self.any_name("")? } else { self.name("the name of the struct")? };
        let mut definition = StructDef { span: keyword, name, members: Vec::new(), meta: Vec::new(), parameter_meta: Vec::new() };
        let mut seen = Seen::default();
        self.block(|p| p.struct_item(&mut definition, &mut seen));
        definition.span = self.span_from(keyword.start as usize);
        Ok(definition)
    }

    fn struct_item(&mut self, definition: &mut StructDef, seen: &mut Seen) -> Parsed<()> {
        if let Some(section) = self.section(&["meta", "parameter_meta"]) {
            let span = self.token_span();
            self.newer(Version::V1_2, span, "metadata of a struct");
            self.begin_section(seen, section);
            let entries = self.meta_section();
            if section == "meta" {
                definition.meta.extend(entries)
            } else {
                definition.parameter_meta.extend(entries)
            }
            return Ok(());
        }
        let start = self.token.start;
        let ty = self.type_expr()?;
        let name = self.any_name("the name of a member")?;
        let span = self.span_from(start);
        let value = if self.is(Tok::Assign) {
            let error = self.diagnostic_error(self.token_span(), format!("member `{}` has a value", name.text));
            self.push(error.hint("members of structs have no defaults: make it optional with `?`"));
            self.bump();
            Some(self.expr()?)
        } else {
            None
        };
        definition.members.push(crate::ast::Decl { span, env: false, ty, name, value });
        Ok(())
    }

    fn enum_definition(&mut self) -> Parsed<EnumDef> {
        let keyword = self.token_span();
        self.needs(Version::V1_3, keyword, "`enum`");
        self.bump();
        let name = self.name("the name of the enum")?;
        let mut value_type = None;
        if self.is(Tok::LeftBracket) {
            let open = self.bump();
            value_type = Some(self.type_expr()?);
            self.expect_close(Tok::RightBracket, "`]`", open)?;
        }
        let mut choices: Vec<(Name, Option<crate::ast::Expr>)> = Vec::new();
        self.layout.compact.insert(self.token.start);
        self.block(|p| {
            let choice = p.any_name("the name of a choice")?;
            let value = if p.eat(Tok::Assign) { Some(p.expr()?) } else { None };
            choices.push((choice, value));
            if !p.eat(Tok::Comma) && !p.is(Tok::RightBrace) {
                return Err(p.unexpected("`,` or `}`"));
            }
            Ok(())
        });
        let definition = EnumDef { span: self.span_from(keyword.start as usize), name, value_type, choices };
        Ok(definition)
    }
}
