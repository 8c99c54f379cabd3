//! Loads documents and prints what is wrong with them.

use std::{ops::Range, path::PathBuf, sync::Arc};

use anyhow::{Result, anyhow};
use ariadne::{CharSet, Color, IndexType, Label, Report, ReportKind, sources};
use batchyard_cromwell::documents::WebLoader;
use batchyard_wdl::{
    check,
    diagnostic::Diagnostic,
    load::{FileLoader, Loaded, load},
    source::{Source, Span},
};
use clap::Args;

use super::say;
use crate::config::Config;

/// Where imports are looked for.
#[derive(Args, Clone, Debug, Default)]
pub struct ImportArgs {
    /// Take imports that begin with URL from a local folder or file
    #[arg(long = "import-map", value_name = "URL=DIR")]
    pub import_map: Vec<String>,
    /// Further folder in which relative imports are looked for
    #[arg(long = "import-dir", value_name = "DIR")]
    pub import_dirs: Vec<PathBuf>,
}

impl ImportArgs {
    /// The loader for these flags and the configuration.
    pub fn loader(&self, config: &Config) -> Result<WebLoader> {
        let mut map = Vec::new();
        for entry in &self.import_map {
            let (url, dir) = entry.rsplit_once('=').ok_or_else(|| anyhow!("`--import-map {entry}` has no `=`: give URL=DIR"))?;
            map.push((url.to_owned(), PathBuf::from(dir)));
        }
        map.extend(config.import_map.iter().cloned());
        let hosts = config.original.as_ref().and_then(|original| original.config.languages.import_hosts.clone());
        Ok(WebLoader { files: FileLoader { search: self.import_dirs.clone(), map }, hosts, stores: config.settings.remote.clone() })
    }
}

/// A document that may run, or `None` after its problems were printed.
pub fn load_checked(path: &str, imports: &ImportArgs, config: &Config, quiet: bool) -> Result<Option<Loaded>> {
    let loaded = load(path, &imports.loader(config)?)?;
    let mut found = findings(&loaded, Vec::new());
    found.retain(|finding| config.warnings.concerns_run(finding));
    let errors = found.iter().filter(|d| d.is_error()).count();
    report(found.iter().filter(|d| d.is_error() || !quiet));
    if errors > 0 {
        say(&format!("{path}: {}", count(errors, "error")));
        return Ok(None);
    }
    Ok(Some(loaded))
}

/// Everything that is wrong with a document and its imports, and what else was found, document by document, in the order of
/// the places.
pub fn findings(loaded: &Loaded, others: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut found = loaded.diagnostics.clone();
    found.extend(others);
    found.extend(check::check(&loaded.module));
    let order = |d: &Diagnostic| loaded.sources.iter().position(|(_, source)| Arc::ptr_eq(source, &d.source));
    found.sort_by_cached_key(|d| (order(d), d.span.start, d.span.end));
    found
}

/// `1 error`, `2 errors`.
pub fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Prints diagnostics with their source lines, labels and hints.
pub fn report<'d>(diagnostics: impl Iterator<Item = &'d Diagnostic>) {
    for diagnostic in diagnostics {
        say(render(diagnostic).trim_end());
    }
}

fn render(diagnostic: &Diagnostic) -> String {
    let source = &diagnostic.source;
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    let (kind, ink) = if diagnostic.is_error() { (ReportKind::Error, Color::Red) } else { (ReportKind::Warning, Color::Yellow) };
    let config = ariadne::Config::default().with_color(colour).with_index_type(IndexType::Byte).with_char_set(CharSet::Ascii);
    // Only the lines around the place are handed over, so that a long document costs nothing for each finding.
    let window = Window::around(source, diagnostic.span, diagnostic.related.as_ref().map(|(span, _)| *span));
    let id = source.name.clone();
    let mut report = Report::build(kind, (id.clone(), window.range(diagnostic.span)))
        .with_config(config)
        .with_message(&diagnostic.message)
        .with_label(match Label::new((id.clone(), window.range(diagnostic.span))).with_color(ink) {
            bare if diagnostic.label.is_empty() => bare,
            label => label.with_message(&diagnostic.label),
        });
    if let Some((span, text)) = &diagnostic.related {
        report = report.with_label(Label::new((id.clone(), window.range(*span))).with_message(text).with_color(Color::Blue));
    }
    if let Some(hint) = &diagnostic.hint {
        report = report.with_help(hint);
    }
    let mut text = Vec::new();
    let written = report.finish().write(sources([(id, window.text.clone())]), &mut text);
    match written {
        Ok(()) => named(&String::from_utf8_lossy(&text), diagnostic),
        // What cannot be drawn is still said.
        Err(_) => diagnostic.to_string(),
    }
}

/// The report with the name of the warning after its first word.
fn named(report: &str, diagnostic: &Diagnostic) -> String {
    let Some(rule) = diagnostic.rule else { return report.to_owned() };
    let word = if diagnostic.is_error() { "Error" } else { "Warning" };
    report.replacen(word, &format!("{word}[{rule}]"), 1)
}

/// The part of a source that a finding needs, padded with empty lines so that line numbers stay true.
struct Window {
    text: String,
    /// Bytes of the source before the window minus bytes of padding.
    shift: i64,
}

impl Window {
    fn around(source: &Arc<Source>, span: Span, related: Option<Span>) -> Window {
        let first = related.map_or(span.start, |r| r.start.min(span.start));
        let last = related.map_or(span.end, |r| r.end.max(span.end));
        let (line, _) = source.position(first);
        let start = source.text.get(..first as usize).and_then(|t| t.rfind('\n')).map_or(0, |n| n + 1);
        let end = source.text.get(last as usize..).and_then(|t| t.find('\n')).map_or(source.text.len(), |n| n + last as usize);
        let mut text = "\n".repeat(line.saturating_sub(1));
        let shift = start as i64 - text.len() as i64;
        text.push_str(source.text.get(start..end).unwrap_or(""));
        text.push('\n');
        Window { text, shift }
    }

    fn range(&self, span: Span) -> Range<usize> {
        let place = |offset: u32| usize::try_from(i64::from(offset) - self.shift).unwrap_or(0).min(self.text.len());
        let (start, end) = (place(span.start), place(span.end));
        start..end.max(start)
    }
}
