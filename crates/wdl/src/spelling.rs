//! Finding the name somebody probably meant.

/// The known name closest to `name`, when one is close enough to be a slip.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = name.chars().count().div_ceil(3);
    let scored = known.into_iter().map(|k| (distance(name, k, allowed), k));
    scored.filter(|(d, k)| *d <= allowed && *k != name).min_by_key(|(d, _)| *d).map(|(_, k)| k)
}

/// Edits (insert, delete, replace, swap neighbours; letter case is free) between two names. Anything beyond
/// `limit` may be reported as any larger number.
fn distance(a: &str, b: &str, limit: usize) -> usize {
    let a: Vec<char> = a.chars().flat_map(char::to_lowercase).collect();
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).collect();
    if a.len().abs_diff(b.len()) > limit {
        return usize::MAX;
    }
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], k: usize| row.get(k).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&last, j) + usize::from(x != y);
            let mut best = replaced.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before_last, j - 1) + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["read_lines", "read_string", "sub", "size"];
        assert_eq!(nearest("read_line", known), Some("read_lines"));
        assert_eq!(nearest("raed_lines", known), Some("read_lines"));
        assert_eq!(nearest("Read_String", known), Some("read_string"));
        assert_eq!(nearest("sbu", known), Some("sub"));
        assert_eq!(nearest("flatten", known), None);
        assert_eq!(nearest("", known), None);
    }
}
