//! `~/.batchcompute/cliconfig`: who we are and where the service is. The file is the original's; what the original does not know
//! stands in a section of its own, which the original leaves alone.

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::{failure::Failure, grammar::Language, ini::Ini};

/// The section of the original.
const COMMON: &str = "common";
/// Our section.
const OURS: &str = "batchyard";

/// The keys of the original, in the order in which they are shown.
pub const KEYS: [&str; 17] = [
    "region",
    "accesskeyid",
    "accesskeysecret",
    "osspath",
    "locale",
    "ssl",
    "god",
    "defaultimage",
    "defaulttype",
    "defaultcluster",
    "version",
    "oss_region",
    "oss_key",
    "oss_id",
    "qsubuser",
    "vpc_cidr_block",
    "localhostnetworktype",
];

/// Our keys.
pub const OUR_KEYS: [&str; 3] = ["endpoint", "oss_endpoint", "insecure"];

/// Whether a text stands for "none" or "no" in an option.
pub fn is_false(text: &str) -> bool {
    matches!(text, "" | "null" | "None" | "false" | "False" | "0")
}

/// The configuration of a person.
#[derive(Debug)]
pub struct Config {
    path: PathBuf,
    ini: Ini,
    exists: bool,
}

impl Config {
    /// Reads `folder/cliconfig`; a missing file is an empty configuration.
    ///
    /// # Errors
    ///
    /// When it exists and cannot be read.
    pub fn load(folder: &Path) -> Result<Config, Failure> {
        let path = folder.join("cliconfig");
        let text = match fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(Failure::File { action: "read", path, source: error }),
        };
        let ini = Ini::read(text.as_deref().unwrap_or_default()).map_err(|e| Failure::told(format!("`{}`: {e}", path.display())))?;
        Ok(Config { path, ini, exists: text.is_some() })
    }

    /// Whether there is a file.
    pub fn exists(&self) -> bool {
        self.exists
    }

    /// A value; empty ones count as unset.
    pub fn get(&self, key: &str) -> Option<String> {
        let section = if OUR_KEYS.contains(&key) { OURS } else { COMMON };
        self.ini.get(section, key).ok().flatten().filter(|v| !v.is_empty())
    }

    /// Sets a value in memory.
    pub fn set(&mut self, key: &str, value: &str) {
        self.ini.set(if OUR_KEYS.contains(&key) { OURS } else { COMMON }, key, value);
    }

    /// Forgets a value in memory.
    pub fn remove(&mut self, key: &str) {
        self.ini.remove(if OUR_KEYS.contains(&key) { OURS } else { COMMON }, key);
    }

    /// Writes the file beside itself and renames it, readable by its owner only: it holds a secret.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn save(&mut self) -> Result<(), Failure> {
        let beside = self.path.with_extension("new");
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)
            .map_err(Failure::file("write", &beside))?;
        file.write_all(self.ini.text().as_bytes()).map_err(Failure::file("write", &beside))?;
        file.sync_all().map_err(Failure::file("write", &beside))?;
        fs::rename(&beside, &self.path).map_err(Failure::file("write", &self.path))?;
        self.exists = true;
        Ok(())
    }

    /// Whether hidden things are shown and plain numbers accepted where something is changed.
    pub fn god(&self) -> bool {
        self.get("god").is_some()
    }

    /// The language of help.
    pub fn language(&self) -> Language {
        match self.get("locale").as_deref() {
            Some("zh" | "zh_CN") => Language::Chinese,
            _ => Language::English,
        }
    }

    /// Where uploads go; ends with `/`.
    ///
    /// # Errors
    ///
    /// The original's hint when it is unset.
    pub fn oss_path(&self) -> Result<String, Failure> {
        let path = self.get("osspath").ok_or_else(|| Failure::told("Not found osspath, type: \"bcs set -h\" for more help"))?;
        Ok(format!("{}/", path.trim_end_matches('/')))
    }

    /// The image to use when none is said.
    ///
    /// # Errors
    ///
    /// The original's hint when it is unset.
    pub fn default_image(&self) -> Result<String, Failure> {
        self.get("defaultimage").ok_or_else(|| {
            Failure::told(
                "No found default image\n  using:\"bcs set -i <img-id>\" to set default image\n  type: \"bcs set -h\" for more help",
            )
        })
    }

    /// The instance type to use when none is said.
    ///
    /// # Errors
    ///
    /// The original's hint when it is unset.
    pub fn default_type(&self) -> Result<String, Failure> {
        self.get("defaulttype").ok_or_else(|| {
            Failure::told(
                "No found default instance type\n  using:\"bcs set -t <instance-type>\" to set default instance type\n  type: \"bcs set -h\" for more help",
            )
        })
    }
}

/// A secret as it may be shown.
pub fn masked(secret: &str) -> String {
    let letters: Vec<char> = secret.chars().collect();
    let part = |letters: &[char]| letters.iter().collect::<String>();
    match letters.len() {
        7.. => {
            format!("{}******{}", part(letters.get(..3).unwrap_or_default()), part(letters.get(letters.len() - 3..).unwrap_or_default()))
        }
        2..=6 => format!("{}*****", part(letters.get(..1).unwrap_or_default())),
        _ => "******".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sections_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cliconfig"), "[common]\nregion = cn-test\n\n").unwrap();
        let mut config = Config::load(folder.path()).unwrap();
        config.set("endpoint", "http://127.0.0.1:1");
        config.set("osspath", "oss://b/x//");
        config.save().unwrap();
        let config = Config::load(folder.path()).unwrap();
        assert_eq!(config.get("region").as_deref(), Some("cn-test"));
        assert_eq!(config.get("endpoint").as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(config.oss_path().unwrap(), "oss://b/x/");
        assert!(config.default_type().unwrap_err().to_string().starts_with("No found default instance type"));
        let text = fs::read_to_string(folder.path().join("cliconfig")).unwrap();
        assert_eq!(text, "[common]\nregion = cn-test\nosspath = oss://b/x//\n\n[batchyard]\nendpoint = http://127.0.0.1:1\n\n");
    }

    #[test]
    fn secrets_are_masked() {
        assert_eq!(masked("SECRET456"), "SEC******456");
        assert_eq!(masked("abc"), "a*****");
        assert_eq!(masked(""), "******");
    }
}
