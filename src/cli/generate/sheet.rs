//! A sample sheet: a table with a line of names, separated by commas, semicolons or tabs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Largest sheet, in bytes.
const MAX_BYTES: u64 = 64 << 20;
/// What may separate cells.
const SEPARATORS: [u8; 3] = [b',', b'\t', b';'];

/// A sheet that was read.
#[derive(Debug)]
pub struct Sheet {
    /// Where it was read from.
    pub path: PathBuf,
    /// Names of the columns, as compared: lower case, `_` for blanks and `-`.
    pub columns: Vec<String>,
    /// What follows.
    pub rows: Vec<Row>,
}

/// One line with a cell for each column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number in the file, from 1.
    pub line: u64,
    /// Texts without blanks around them.
    pub cells: Vec<String>,
}

impl Sheet {
    /// Reads a sheet. Lines that begin with `#` and empty ones are skipped.
    ///
    /// # Errors
    /// The file, the line and what is wrong with it.
    pub fn read(path: &Path) -> Result<Sheet> {
        let about = || format!("the sample sheet `{}`", path.display());
        let size = std::fs::metadata(path).with_context(|| format!("cannot read {}", about()))?.len();
        if size > MAX_BYTES {
            bail!("{} has {size} bytes: more than {MAX_BYTES} are not read", about());
        }
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", about()))?;
        let text = String::from_utf8(bytes).with_context(|| format!("{} is no text in UTF-8: save it as CSV", about()))?;
        Self::parse(path, text.trim_start_matches('\u{feff}')).with_context(about)
    }

    fn parse(path: &Path, text: &str) -> Result<Sheet> {
        let mut reader =
            csv::ReaderBuilder::new().delimiter(separator(text)).comment(Some(b'#')).trim(csv::Trim::All).from_reader(text.as_bytes());
        let columns: Vec<String> = reader.headers().map_err(problem)?.iter().map(name_of).collect();
        if columns.iter().all(String::is_empty) {
            bail!("it is empty: its first line names the columns, such as `sample,fastq_1,fastq_2`");
        }
        for (at, column) in columns.iter().enumerate() {
            if column.is_empty() {
                bail!("column {} has no name", at + 1);
            }
            if columns.iter().take(at).any(|other| other == column) {
                bail!("there are two columns `{column}`");
            }
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(problem)?;
            if record.iter().any(|cell| !cell.is_empty()) {
                let line = record.position().map_or(0, csv::Position::line);
                rows.push(Row { line, cells: record.iter().map(str::to_owned).collect() });
            }
        }
        if rows.is_empty() {
            bail!("it has no line beside the one that names the columns");
        }
        Ok(Sheet { path: path.into(), columns, rows })
    }

    /// The place of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| *column == name_of(name))
    }

    /// Folder from which paths in it count.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }
}

impl Row {
    /// The text in a column.
    pub fn cell(&self, column: usize) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }
}

/// A name as it is compared.
pub fn name_of(text: &str) -> String {
    text.trim().to_lowercase().replace([' ', '-'], "_")
}

/// What separates the names of the columns.
fn separator(text: &str) -> u8 {
    let first = text.lines().find(|line| !line.starts_with('#') && !line.trim().is_empty()).unwrap_or_default();
    let count = |separator: u8| first.bytes().filter(|byte| *byte == separator).count();
    // Of equals the first.
    SEPARATORS.into_iter().rev().max_by_key(|separator| count(*separator)).unwrap_or(b',')
}

fn problem(error: csv::Error) -> anyhow::Error {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            anyhow::anyhow!("line {line} has {len} cells where the first line names {expected_len} columns")
        }
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Sheet> {
        Sheet::parse(Path::new("s.csv"), text)
    }

    #[test]
    fn tables_are_read() {
        let sheet = parse("# of today\nSample,FASTQ-1 , Fastq 2\nA,\"a,1.fq\", a2.fq\n\n,,\nB,b1,b2\n").unwrap();
        assert_eq!(sheet.columns, ["sample", "fastq_1", "fastq_2"]);
        let rows: Vec<_> = sheet.rows.iter().map(|row| (row.line, row.cell(1))).collect();
        assert_eq!(rows, [(3, "a,1.fq"), (6, "b1")]);
        assert_eq!(parse("a\tb,c\td\n1\t2\t3\n").unwrap().columns, ["a", "b,c", "d"]);
        assert_eq!(parse("a;b\n1;2").unwrap().column("B"), Some(1));
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, told) in [
            ("", "it is empty"),
            ("a,b\n", "it has no line"),
            ("a,A\n1,2\n", "two columns `a`"),
            ("a,,b\n1,2,3\n", "column 2 has no name"),
            ("a,b\n1,2\n3\n", "line 3 has 1 cells where the first line names 2 columns"),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(told), "{text:?}: {error}");
        }
    }
}
