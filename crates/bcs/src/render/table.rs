//! Tables as the original draws them.

use serde_json::Value;

use crate::terminal::Paint;

/// Which lines are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Header, rule, rows.
    Listed,
    /// No header, a rule between rows: details.
    Boxed,
    /// Header, dashes, rows, no borders.
    Bare,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    style: Style,
    numbered: bool,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A list with these columns.
    pub fn listed(columns: &[&str]) -> Table {
        Table { style: Style::Listed, numbered: false, columns: columns.iter().map(|c| (*c).to_owned()).collect(), rows: Vec::new() }
    }

    /// A list whose first column counts the rows.
    pub fn numbered(columns: &[&str]) -> Table {
        Table { numbered: true, ..Table::listed(columns) }
    }

    /// A box of details.
    pub fn boxed() -> Table {
        Table { style: Style::Boxed, ..Table::listed(&[]) }
    }

    /// A list without borders.
    pub fn bare(columns: &[&str]) -> Table {
        Table { style: Style::Bare, ..Table::listed(columns) }
    }

    /// Adds a row; cells may hold colours.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.push(cells.to_vec());
    }

    /// Adds a row.
    pub fn push(&mut self, cells: Vec<String>) {
        // What comes from the service must not move the cursor.
        self.rows.push(cells.iter().map(|cell| harmless(cell)).collect());
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text, without the last line end.
    pub fn draw(&self, paint: Paint) -> String {
        let mut header: Vec<String> = self.columns.clone();
        let mut rows = self.rows.clone();
        if self.numbered {
            header.insert(0, "No.".to_owned());
            for (n, row) in rows.iter_mut().enumerate() {
                row.insert(0, format!("{}.", n + 1));
            }
        }
        let widths = self.widths(&header, &rows);
        let (edge, middle) = if self.style == Style::Bare { (" ", " ") } else { ("|", "|") };
        let line = |cells: &[String]| {
            let pad = |cell: &String, width: &usize| format!(" {cell}{}", " ".repeat((width + 1).saturating_sub(seen(cell))));
            let cells: Vec<_> = cells.iter().zip(&widths).map(|(cell, width)| pad(cell, width)).collect();
            format!("{edge}{}{edge}", cells.join(middle))
        };
        let joint = if self.style == Style::Bare { "-" } else { "+" };
        let rule = format!("{joint}{}{joint}", widths.iter().map(|w| "-".repeat(w + 2)).collect::<Vec<_>>().join(joint));
        let mut lines = Vec::new();
        if self.style != Style::Bare {
            lines.push(rule.clone());
        }
        if self.style != Style::Boxed {
            lines.push(line(&header.iter().map(|cell| paint.blue(cell)).collect::<Vec<_>>()));
            lines.push(rule.clone());
        }
        for (n, row) in rows.iter().enumerate() {
            if self.style == Style::Boxed && n > 0 {
                lines.push(rule.clone());
            }
            lines.push(line(row));
        }
        if self.style != Style::Bare && !rows.is_empty() {
            lines.push(rule);
        }
        lines.join("\n")
    }

    fn widths(&self, header: &[String], rows: &[Vec<String>]) -> Vec<usize> {
        let columns = rows.iter().map(Vec::len).chain([header.len()]).max().unwrap_or(0);
        let widest = |n: usize| {
            // The point after a row's number stands in the padding, as in the original.
            let point = usize::from(self.numbered && n == 0);
            let cells = rows.iter().filter_map(|row| row.get(n)).map(|cell| seen(cell).saturating_sub(point)).max();
            cells.unwrap_or(0).max(header.get(n).map_or(0, |cell| seen(cell)))
        };
        (0..columns).map(widest).collect()
    }
}

/// A cell for any value: texts as they are, everything else as JSON.
pub fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Characters that are seen: those of colours are not.
pub fn seen(text: &str) -> usize {
    let mut count = 0;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            letters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            count += 1;
        }
    }
    count
}

/// The text without control characters, but with our own colours.
fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if let Some(colour) = colour(rest) {
            out.push_str(colour);
            rest = rest.get(colour.len()..).unwrap_or_default();
            continue;
        }
        out.push(if letter.is_control() { ' ' } else { letter });
        rest = rest.get(letter.len_utf8()..).unwrap_or_default();
    }
    out
}

fn colour(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("\u{1b}[")?;
    let end = inner.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    inner.get(end..)?.starts_with('m').then(|| text.get(..end + 3))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_numbered() {
        let mut table = Table::numbered(&["Id", "Name"]);
        table.row(["job-1".to_owned(), "x".to_owned()]);
        table.row(["job-22".to_owned(), Paint::COLOURED.red("long name")]);
        assert_eq!(
            table.draw(Paint::PLAIN),
            "+-----+--------+-----------+\n\
             | No. | Id     | Name      |\n\
             +-----+--------+-----------+\n\
             | 1.  | job-1  | x         |\n\
             | 2.  | job-22 | \u{1b}[31mlong name\u{1b}[0m |\n\
             +-----+--------+-----------+"
        );
    }

    #[test]
    fn an_empty_list_is_a_header_between_rules() {
        assert_eq!(Table::numbered(&["Id"]).draw(Paint::PLAIN), "+-----+----+\n| No. | Id |\n+-----+----+");
    }

    #[test]
    fn boxes_have_rules_between_rows_and_bare_tables_none() {
        let mut table = Table::boxed();
        table.row(["a: 1".to_owned(), "b".to_owned()]);
        table.row(["c".to_owned(), "d: 22".to_owned()]);
        assert_eq!(table.draw(Paint::PLAIN), "+------+-------+\n| a: 1 | b     |\n+------+-------+\n| c    | d: 22 |\n+------+-------+");
        let mut table = Table::bare(&["job-Id", "n"]);
        table.row(["1".to_owned(), "x".to_owned()]);
        assert_eq!(table.draw(Paint::PLAIN), "  job-Id   n  \n--------------\n  1        x  ");
    }

    #[test]
    fn names_cannot_move_the_cursor() {
        let mut table = Table::listed(&["Name"]);
        table.row(["a\u{1b}[2Jb\nc".to_owned()]);
        assert!(table.draw(Paint::PLAIN).contains("| a [2Jb c |"));
    }
}
