//! Accounts at registries, as `docker login` keeps them: the part `auths` of `config.json`. Those that a helper keeps, and tokens
//! of identity (`identitytoken`), are not used.

use std::{
    collections::BTreeMap,
    env,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use batchyard_workflow::digests::name::DOCKER_HUB;
use serde::Deserialize;

/// Most of the file that is read.
const MAX_BYTES: u64 = 1 << 20;
/// What Docker Hub is called in it.
const DOCKER_HUB_KEYS: [&str; 3] = ["index.docker.io", "docker.io", "registry-1.docker.io"];

/// A name and a password, which may be a token.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Account {
    pub user: String,
    pub password: String,
}

#[derive(Deserialize)]
struct Config {
    auths: Option<BTreeMap<String, Option<Entry>>>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

/// Where the file is looked for.
pub(super) fn file() -> Option<PathBuf> {
    let given = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = given("DOCKER_CONFIG").or_else(|| given("HOME").map(|home| home.join(".docker")));
    Some(folder?.join("config.json"))
}

/// The account at a registry, if there is one.
///
/// # Errors
/// A file that is there and cannot be used.
pub(super) fn of(file: Option<&Path>, registry: &str) -> Result<Option<Account>, String> {
    let Some(file) = file else { return Ok(None) };
    let wrong = |what: &dyn std::fmt::Display| format!("the accounts at registries in `{}` cannot be read: {what}", file.display());
    let mut text = String::new();
    match File::open(file).and_then(|opened| opened.take(MAX_BYTES + 1).read_to_string(&mut text)) {
        Ok(read) if read as u64 > MAX_BYTES => return Err(wrong(&format!("it has more than {MAX_BYTES} bytes"))),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(&error)),
    }
    // Of an error only its place is told: the text holds passwords.
    let config: Config = serde_json::from_str(&text).map_err(|error| wrong(&format!("wrong at line {}", error.line())))?;
    let auths = config.auths.unwrap_or_default();
    Ok(auths.iter().filter(|(key, _)| is_of(key, registry)).find_map(|(_, entry)| account(entry.as_ref()?)))
}

/// Whether a key of the file, such as `https://index.docker.io/v1/`, means a registry.
fn is_of(key: &str, registry: &str) -> bool {
    let host = key.split_once("://").map_or(key, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default().to_ascii_lowercase();
    if registry == DOCKER_HUB { DOCKER_HUB_KEYS.contains(&host.as_str()) } else { host == registry }
}

fn account(entry: &Entry) -> Option<Account> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    if let (Some(user), Some(password)) = (given(&entry.username), given(&entry.password)) {
        return Some(Account { user, password });
    }
    let encoded = entry.auth.as_deref()?.trim();
    let decoded = STANDARD.decode(encoded).or_else(|_| STANDARD_NO_PAD.decode(encoded)).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.trim_end_matches('\0').split_once(':')?;
    Some(Account { user: user.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_the_host() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        let found = |registry: &str| of(Some(&file), registry).map(|account| account.map(|account| (account.user, account.password)));
        assert_eq!(found("quay.io"), Ok(None));
        let auth = |text: &str| STANDARD.encode(text);
        let text = format!(
            "{{\"auths\": {{\"https://index.docker.io/v1/\": {{\"auth\": \"{}\"}}, \"localhost:5000\": {{\"auth\": \"{}\"}}, \
             \"ghcr.io\": {{\"username\": \"me\", \"password\": \"p:w\"}}, \"quay.io\": {{}}, \"x.org\": {{\"auth\": \"###\"}}}}, \"credsStore\": \"x\"}}",
            auth("hub:s3:cret"),
            auth("here:pw").trim_end_matches('='),
        );
        std::fs::write(&file, text).unwrap();
        let pair = |user: &str, password: &str| Ok(Some((user.to_owned(), password.to_owned())));
        assert_eq!(found("docker.io"), pair("hub", "s3:cret"));
        assert_eq!(found("localhost:5000"), pair("here", "pw"));
        assert_eq!(found("ghcr.io"), pair("me", "p:w"));
        assert_eq!((found("quay.io"), found("x.org"), found("localhost")), (Ok(None), Ok(None), Ok(None)));
        for (auths, expected) in [
            ("null".to_owned(), Ok(None)),
            ("{\"h\": null}".into(), Ok(None)),
            (format!("{{\"h\": {{\"username\": \"\", \"password\": \"\", \"auth\": \"{}\"}}}}", auth("me:pw")), pair("me", "pw")),
        ] {
            std::fs::write(&file, format!("{{\"auths\": {auths}}}")).unwrap();
            assert_eq!(found("h"), expected, "{auths}");
        }
        std::fs::write(&file, format!("{{}}{}", " ".repeat(MAX_BYTES as usize))).unwrap();
        assert!(found("h").unwrap_err().contains("more than 1048576 bytes"));
        std::fs::write(&file, "{\"auths\": {\"h\": {\"auth\": 12345}}}").unwrap();
        let told = found("h").unwrap_err();
        assert!(told.contains("wrong at line 1") && !told.contains("12345"), "{told}");
    }
}
