//! `key:value,key2:value2`: variables, data, configuration.

use indexmap::IndexMap;

/// Reads pairs, split at the first colon; a missing value is empty.
pub fn pairs(text: &str) -> IndexMap<String, String> {
    split(text, &[':'])
}

/// Reads pairs, split at the first colon or equals sign.
pub fn settings(text: &str) -> IndexMap<String, String> {
    split(text, &[':', '='])
}

/// The items of a comma list.
pub fn items(text: &str) -> Vec<String> {
    text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}

fn split(text: &str, at: &[char]) -> IndexMap<String, String> {
    let items = text.split(',').filter(|item| !item.trim().is_empty());
    items
        .map(|item| {
            let (key, value) = item.split_once(at).unwrap_or((item, ""));
            (key.trim().to_owned(), value.trim().to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_separator_counts() {
        let read = pairs("a:1, url:http://x:8 ,b,,");
        assert_eq!(read.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(), ["a=1", "url=http://x:8", "b="]);
        assert_eq!(settings("ClassicNetwork=false,k:v=w")["k"], "v=w");
        assert_eq!(items("a, b,,c"), ["a", "b", "c"]);
    }
}
