//! The drawn graph of a job: tasks in layers from left to right, lines of dots between them.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

/// Which tasks run after which.
pub type Dependencies = IndexMap<String, Vec<String>>;

/// Columns between layers, in characters.
const GAP: usize = 10;
/// Longest shown part of a name.
const NAME: usize = 24;
/// Largest drawing, in characters; more is not drawn.
const MAX_CELLS: usize = 400_000;

/// The layers of a graph: a task stands after all it waits for; names are sorted within a layer. Tasks in a circle stand in the
/// last layer.
pub fn layers(dependencies: &Dependencies) -> Vec<Vec<String>> {
    let mut waits: BTreeMap<&str, BTreeSet<&str>> = dependencies.keys().map(|name| (name.as_str(), BTreeSet::new())).collect();
    for (before, after) in dependencies {
        for name in after {
            waits.entry(name).or_default().insert(before);
        }
    }
    let mut layers: Vec<Vec<String>> = Vec::new();
    while !waits.is_empty() {
        let mut ready: Vec<String> = waits.iter().filter(|(_, before)| before.is_empty()).map(|(name, _)| (*name).to_owned()).collect();
        if ready.is_empty() {
            ready = waits.keys().map(|name| (*name).to_owned()).collect();
        }
        waits.retain(|name, _| !ready.iter().any(|r| r == name));
        for before in waits.values_mut() {
            before.retain(|name| !ready.iter().any(|r| r == name));
        }
        layers.push(ready);
    }
    layers
}

/// The drawing, without the last line end.
pub fn draw(dependencies: &Dependencies) -> String {
    let layers = layers(dependencies);
    let height = layers.iter().map(Vec::len).max().unwrap_or(0) * 2;
    let mut labels: IndexMap<&str, Label> = IndexMap::new();
    let mut column = 0;
    let mut number = 0;
    for layer in &layers {
        let mut widest = 0;
        for (n, name) in layer.iter().enumerate() {
            number += 1;
            let text = format!("{number}.{}", shortened(name));
            widest = widest.max(text.chars().count());
            let row = height * (2 * n + 1) / (2 * layer.len());
            labels.insert(name, Label { row, column, text });
        }
        column += widest + GAP;
    }
    if height.saturating_mul(column) > MAX_CELLS {
        return format!("({number} tasks are too many to draw)");
    }
    let mut canvas = Canvas::new(column, height);
    for (before, after) in dependencies {
        for name in after {
            if let (Some(from), Some(to)) = (labels.get(before.as_str()), labels.get(name.as_str())) {
                let end = from.column + from.text.chars().count() + 1;
                canvas.connect((end * 2, from.row * 4 + 2), ((to.column * 2).saturating_sub(2), to.row * 4 + 2));
            }
        }
    }
    for label in labels.values() {
        canvas.write(label);
    }
    canvas.text()
}

struct Label {
    row: usize,
    column: usize,
    text: String,
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME { name.to_owned() } else { name.chars().take(NAME - 2).chain("..".chars()).collect() }
}

/// Characters of two by four dots each.
struct Canvas {
    width: usize,
    cells: Vec<char>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Canvas {
        Canvas { width, cells: vec![' '; width * height] }
    }

    fn connect(&mut self, from: (usize, usize), to: (usize, usize)) {
        let steps = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
        let between = |a: usize, b: usize, n: usize| (a * (steps - n) + b * n + steps / 2) / steps;
        for n in 0..=steps {
            self.dot(between(from.0, to.0, n), between(from.1, to.1, n));
        }
    }

    fn dot(&mut self, x: usize, y: usize) {
        // The bits of a braille character, column by column.
        const BITS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        let bit = BITS.get(y % 4).and_then(|row| row.get(x % 2)).copied().unwrap_or(0);
        if let Some(cell) = self.cells.get_mut((y / 4) * self.width + x / 2) {
            let before = u32::from(*cell).checked_sub(0x2800).filter(|b| *b < 0x100).unwrap_or(0);
            *cell = char::from_u32(0x2800 + (before | bit)).unwrap_or('.');
        }
    }

    fn write(&mut self, label: &Label) {
        for (n, letter) in label.text.chars().enumerate() {
            if let Some(cell) = self.cells.get_mut(label.row * self.width + label.column + n) {
                *cell = letter;
            }
        }
    }

    fn text(&self) -> String {
        let lines = self.cells.chunks(self.width.max(1)).map(|line| line.iter().collect::<String>().trim_end().to_owned());
        lines.skip_while(String::is_empty).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Dependencies {
        edges.iter().map(|(k, v)| ((*k).to_owned(), v.iter().map(|n| (*n).to_owned()).collect())).collect()
    }

    #[test]
    fn a_task_stands_after_all_it_waits_for() {
        let diamond = graph(&[("a", &["b", "c", "d"]), ("b", &["c"]), ("c", &["d"]), ("d", &[]), ("e", &["d"])]);
        assert_eq!(layers(&diamond), [vec!["a", "e"], vec!["b"], vec!["c"], vec!["d"]]);
        assert_eq!(layers(&graph(&[("a", &["b"]), ("b", &["a"])])), [vec!["a", "b"]]);
        assert!(layers(&graph(&[])).is_empty());
    }

    #[test]
    fn tasks_are_numbered_and_connected() {
        let picture = draw(&graph(&[("split", &["count"]), ("count", &["merge"]), ("merge", &[])]));
        assert_eq!(picture, "1.split ⠤⠤⠤⠤⠤⠤⠤⠤⠄2.count ⠤⠤⠤⠤⠤⠤⠤⠤⠄3.merge");
        let fork = draw(&graph(&[("a", &["b", "c"]), ("b", &[]), ("c", &[])]));
        for label in ["1.a", "2.b", "3.c"] {
            assert!(fork.contains(label), "{fork}");
        }
        assert_eq!(fork.lines().count(), 3);
    }
}
