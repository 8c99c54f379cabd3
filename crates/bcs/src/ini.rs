//! INI files as the original's library reads and writes them: `[sections]`, `key = value` or `key: value`, keys in lower case,
//! continuation lines, whole-line comments, a `[DEFAULT]` section that the others inherit, `%(key)s` in values.

use indexmap::IndexMap;

/// The section that the others inherit.
pub const DEFAULT: &str = "DEFAULT";
/// How deep values may refer to each other.
const MAX_DEPTH: usize = 10;

/// An INI file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ini {
    sections: IndexMap<String, IndexMap<String, String>>,
}

impl Ini {
    /// Reads a text.
    ///
    /// # Errors
    ///
    /// The first line that is neither a section nor a key with a value.
    pub fn read(text: &str) -> Result<Ini, String> {
        let mut ini = Ini::default();
        let mut section: Option<String> = None;
        let mut key: Option<String> = None;
        for (n, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            if line.starts_with([' ', '\t'])
                && let (Some(section), Some(key)) = (&section, &key)
                && let Some(value) = ini.sections.get_mut(section).and_then(|s| s.get_mut(key))
            {
                value.push('\n');
                value.push_str(trimmed);
                continue;
            }
            if let Some(name) = trimmed.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
                ini.sections.entry(name.to_owned()).or_default();
                section = Some(name.to_owned());
                key = None;
                continue;
            }
            let Some(current) = &section else { return Err(format!("line {}: `{trimmed}` stands before the first [section]", n + 1)) };
            let Some((name, value)) = trimmed.split_once(['=', ':']) else {
                return Err(format!("line {}: `{trimmed}` is not `key = value`", n + 1));
            };
            let name = name.trim().to_lowercase();
            ini.sections.entry(current.clone()).or_default().insert(name.clone(), value.trim().to_owned());
            key = Some(name);
        }
        Ok(ini)
    }

    /// The sections in their order, without the default one.
    pub fn sections(&self) -> impl Iterator<Item = &str> {
        self.sections.keys().map(String::as_str).filter(|name| *name != DEFAULT)
    }

    /// The value as it is written, of this section alone.
    pub fn raw(&self, section: &str, key: &str) -> Option<&str> {
        self.sections.get(section)?.get(key).map(String::as_str)
    }

    /// The value of this section alone, references resolved (with the default section).
    ///
    /// # Errors
    ///
    /// References to keys that do not exist, or in a circle.
    pub fn own(&self, section: &str, key: &str) -> Result<Option<String>, String> {
        self.raw(section, key).map(|raw| self.resolve(section, raw, 0)).transpose()
    }

    /// The value of this section or the default one.
    ///
    /// # Errors
    ///
    /// As [`Ini::own`].
    pub fn get(&self, section: &str, key: &str) -> Result<Option<String>, String> {
        match self.raw(section, key).or_else(|| self.raw(DEFAULT, key)) {
            Some(raw) => self.resolve(section, raw, 0).map(Some),
            None => Ok(None),
        }
    }

    /// All keys with their written values.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.sections.iter().flat_map(|(section, entries)| entries.iter().map(|(k, v)| (section.as_str(), k.as_str(), v.as_str())))
    }

    /// Sets a value; a literal `%` is written so that it is read as one.
    pub fn set(&mut self, section: &str, key: &str, value: &str) {
        self.sections.entry(section.to_owned()).or_default().insert(key.to_owned(), value.replace('%', "%%"));
    }

    /// Sets a value as it is written.
    pub fn set_raw(&mut self, section: &str, key: &str, value: String) {
        self.sections.entry(section.to_owned()).or_default().insert(key.to_owned(), value);
    }

    /// Removes a value.
    pub fn remove(&mut self, section: &str, key: &str) {
        if let Some(entries) = self.sections.get_mut(section) {
            entries.shift_remove(key);
        }
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (section, entries) in &self.sections {
            text.push_str(&format!("[{section}]\n"));
            for (key, value) in entries {
                text.push_str(&format!("{key} = {}\n", value.replace('\n', "\n\t")));
            }
            text.push('\n');
        }
        text
    }

    fn resolve(&self, section: &str, raw: &str, depth: usize) -> Result<String, String> {
        if depth > MAX_DEPTH {
            return Err(format!("`{raw}` refers to itself"));
        }
        let mut text = String::new();
        let mut rest = raw;
        while let Some((before, after)) = rest.split_once('%') {
            text.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                text.push('%');
                rest = after;
            } else if let Some((name, after)) = after.strip_prefix('(').and_then(|a| a.split_once(")s")) {
                let name = name.to_lowercase();
                let Some(value) = self.raw(section, &name).or_else(|| self.raw(DEFAULT, &name)) else {
                    return Err(format!("`%({name})s` in `{raw}` refers to nothing"));
                };
                text.push_str(&self.resolve(section, value, depth + 1)?);
                rest = after;
            } else {
                text.push('%');
                rest = after;
            }
        }
        text.push_str(rest);
        Ok(text)
    }
}

/// A truth value as the original's library reads it.
///
/// # Errors
///
/// The text when it is none.
pub fn truth(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "1" | "yes" | "true" | "on" => Ok(true),
        "0" | "no" | "false" | "off" => Ok(false),
        _ => Err(format!("`{text}` is not a truth value (true or false)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str =
        "[DEFAULT]\nJob_Name: log count\nbase=oss://b\n\n[split]\n; a remark\ncmd = python split.py\n  --all\nlog = %(base)s/x 100%%\n";

    #[test]
    fn sections_inherit_and_refer() {
        let ini = Ini::read(JOB).unwrap();
        assert_eq!(ini.sections().collect::<Vec<_>>(), ["split"]);
        assert_eq!(ini.get("split", "job_name").unwrap().as_deref(), Some("log count"));
        assert_eq!(ini.own("split", "job_name").unwrap(), None);
        assert_eq!(ini.get("split", "cmd").unwrap().as_deref(), Some("python split.py\n--all"));
        assert_eq!(ini.get("split", "log").unwrap().as_deref(), Some("oss://b/x 100%"));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut ini = Ini::default();
        ini.set("common", "accesskeysecret", "50%off=1:2");
        ini.set("common", "region", "cn-test");
        let again = Ini::read(&ini.text()).unwrap();
        assert_eq!(again.get("common", "accesskeysecret").unwrap().as_deref(), Some("50%off=1:2"));
        assert_eq!(ini.text(), "[common]\naccesskeysecret = 50%%off=1:2\nregion = cn-test\n\n");
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(Ini::read("a = 1").unwrap_err().contains("line 1"));
        assert!(Ini::read("[s]\nnonsense").unwrap_err().contains("`nonsense`"));
        let circle = Ini::read("[s]\na = %(b)s\nb = %(a)s").unwrap();
        assert!(circle.get("s", "a").unwrap_err().contains("refers to itself"));
        assert!(Ini::read("[s]\na = %(c)s").unwrap().get("s", "a").unwrap_err().contains("refers to nothing"));
        assert!(truth("perhaps").is_err());
    }
}
