//! `A->B,C;C->D`: what runs after what, with chains and groups.

use indexmap::IndexMap;

/// Reads dependencies: upstream → downstream.
pub fn dependencies(text: &str) -> IndexMap<String, Vec<String>> {
    let mut found: IndexMap<String, Vec<String>> = IndexMap::new();
    let names = |part: &str| part.split(',').map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()).collect::<Vec<_>>();
    for part in text.split([';', '\n']) {
        let steps: Vec<&str> = part.split("->").collect();
        for pair in steps.windows(2) {
            let [before, after] = pair else { continue };
            for name in names(before) {
                let list = found.entry(name).or_default();
                for next in names(after) {
                    if !list.contains(&next) {
                        list.push(next);
                    }
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_and_groups() {
        let read = |text: &str| serde_json::to_string(&dependencies(text)).unwrap();
        assert_eq!(read("A->B,C;C->D;"), r#"{"A":["B","C"],"C":["D"]}"#);
        assert_eq!(read("A->B->C"), r#"{"A":["B"],"B":["C"]}"#);
        assert_eq!(read("a, b -> c"), r#"{"a":["c"],"b":["c"]}"#);
        assert_eq!(read("nothing"), "{}");
    }
}
