//! Secret workflow options that a run needs later are kept sealed: the state database and its copies do not show them.
//!
//! AES-256-GCM with the key of the configuration (`workflow-options.base64-encryption-key`), else with one that the server makes
//! once and keeps beside its state. A sealed value is `{"$sealed": "..."}`: base64 of the nonce and the encrypted JSON; it belongs to
//! the option whose name it was sealed with.

use std::{
    fmt, fs, io,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use batchyard_workflow::documents::Failure;
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use serde_json::{Map, Value as Json, json};

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// What is signed with the key to get a salt, so that nothing leads from one to the other.
const SALT: &[u8] = b"batchyard: digests of secret options";
/// The only member of a sealed value.
const SEALED: &str = "$sealed";

/// A key; nothing prints it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; KEY_BYTES]);

/// Seals secret options and opens them.
pub struct Seal {
    source: Source,
    key: OnceLock<Key>,
}

enum Source {
    Nowhere,
    Given,
    File(PathBuf),
}

/// Why a secret cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The file of the key.
    #[error("cannot use the key for secret options `{}`: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("the key for secret options `{}` is none: it must have {KEY_BYTES} bytes in base64", .0.display())]
    NoKey(PathBuf),
    /// Nobody said which key to use.
    #[error("there is no key for secret options")]
    Nowhere,
    /// The machine has no random numbers, or the value is too long.
    #[error("a secret option cannot be encrypted")]
    Unsealable,
    /// Sealed with another key, or changed.
    #[error("the secret option `{0}` cannot be opened with {1}")]
    Other(String, String),
}

impl Seal {
    /// Without a key: nothing can be sealed.
    pub fn none() -> Seal {
        Seal { source: Source::Nowhere, key: OnceLock::new() }
    }

    /// With this key.
    pub fn of_key(key: Key) -> Seal {
        Seal { source: Source::Given, key: OnceLock::from(key) }
    }

    /// With the key in a file, which is made when a secret is sealed for the first time.
    pub fn of_file(path: PathBuf) -> Seal {
        Seal { source: Source::File(path), key: OnceLock::new() }
    }

    /// A value as it is kept.
    ///
    /// # Errors
    /// There is no key, or none can be made.
    pub fn seal(&self, option: &str, value: &Json) -> Result<Json, SealError> {
        let key = cipher(self.key(true)?)?;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| SealError::Unsealable)?;
        let mut text = value.to_string().into_bytes();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(option), &mut text)
            .map_err(|_| SealError::Unsealable)?;
        Ok(json!({ SEALED: STANDARD.encode([nonce.as_slice(), &text].concat()) }))
    }

    /// Options as they were given.
    ///
    /// # Errors
    /// The key is gone, or another one.
    pub fn open_all(&self, options: &Map<String, Json>) -> Result<Map<String, Json>, SealError> {
        let opened = |(name, value): (&String, &Json)| {
            let value = if is_sealed(value) { self.open(name, value)? } else { value.clone() };
            Ok((name.clone(), value))
        };
        options.iter().map(opened).collect()
    }

    /// A secret that follows from the key, for digests of secrets.
    ///
    /// # Errors
    /// There is no key, or none can be made.
    pub fn salt(&self) -> Result<Vec<u8>, SealError> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.key(true)?.0);
        Ok(hmac::sign(&key, SALT).as_ref().to_vec())
    }

    fn open(&self, option: &str, value: &Json) -> Result<Json, SealError> {
        let other = || SealError::Other(option.to_owned(), self.shown());
        let key = cipher(self.key(false)?)?;
        let text = value.get(SEALED).and_then(Json::as_str).ok_or_else(other)?;
        let mut bytes = STANDARD.decode(text).map_err(|_| other())?;
        let nonce: [u8; NONCE_LEN] = bytes.get(..NONCE_LEN).and_then(|nonce| nonce.try_into().ok()).ok_or_else(other)?;
        let sealed = bytes.get_mut(NONCE_LEN..).unwrap_or_default();
        let opened = key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(option), sealed).map_err(|_| other())?;
        serde_json::from_slice(opened).map_err(|_| other())
    }

    fn key(&self, make: bool) -> Result<Key, SealError> {
        if let Some(key) = self.key.get() {
            return Ok(*key);
        }
        let Source::File(path) = &self.source else { return Err(SealError::Nowhere) };
        let failed = |source| SealError::File { path: path.clone(), source };
        if make && !path.exists() {
            make_key(path).map_err(failed)?;
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        let key = key_of(&text).ok_or_else(|| SealError::NoKey(path.clone()))?;
        Ok(*self.key.get_or_init(|| key))
    }

    /// The key as it is told to people.
    fn shown(&self) -> String {
        match &self.source {
            Source::File(path) => format!("the key `{}`", path.display()),
            Source::Given | Source::Nowhere => "`workflow-options.base64-encryption-key`".into(),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        Failure::new(error.to_string()).hint("put back the key that the server had when the workflow was submitted, or submit it again")
    }
}

/// Whether a value is a sealed one.
pub fn is_sealed(value: &Json) -> bool {
    value.as_object().is_some_and(|members| members.len() == 1 && members.get(SEALED).is_some_and(Json::is_string))
}

/// A key from its text in base64.
pub fn key_of(text: &str) -> Option<Key> {
    STANDARD.decode(text.trim()).ok()?.try_into().ok().map(Key)
}

impl Key {
    /// Whether it is the original's own, which protects nothing.
    pub fn is_zero(&self) -> bool {
        self.0 == [0; KEY_BYTES]
    }
}

fn cipher(key: Key) -> Result<LessSafeKey, SealError> {
    UnboundKey::new(&AES_256_GCM, &key.0).map(LessSafeKey::new).map_err(|_| SealError::Unsealable)
}

/// Makes a key that only its owner can read. Of several servers that do so at once, one makes it for all.
fn make_key(path: &Path) -> io::Result<()> {
    let mut key = [0; KEY_BYTES];
    SystemRandom::new().fill(&mut key).map_err(|_| io::Error::other("no random numbers"))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    // Left by a process of the same number.
    let _ = fs::remove_file(&beside);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    writeln!(file, "{}", STANDARD.encode(key))?;
    file.sync_all()?;
    let linked = fs::hard_link(&beside, path);
    fs::remove_file(&beside)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::File::open(folder)?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_sealed_is_opened_by_the_same_key_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("home/options.key");
        let seal = Seal::of_file(path.clone());
        let given = json!({"user": "ada", "password": "hidden one"});
        let sealed = seal.seal("default_runtime_attributes", &given).unwrap();
        assert!(is_sealed(&sealed) && !sealed.to_string().contains("hidden"));
        assert_ne!(seal.seal("default_runtime_attributes", &given).unwrap(), sealed, "not even equal ones are told apart");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        let kept = Map::from_iter([("default_runtime_attributes".to_owned(), sealed.clone()), ("plain".to_owned(), json!({"a": 1}))]);
        let opened = Seal::of_file(path.clone()).open_all(&kept).unwrap();
        assert_eq!((&opened["default_runtime_attributes"], &opened["plain"]), (&given, &json!({"a": 1})));

        let moved = Map::from_iter([("backend".to_owned(), sealed)]);
        assert!(seal.open_all(&moved).unwrap_err().to_string().contains("`backend` cannot be opened with the key"));
        let other = Seal::of_key(Key([7; KEY_BYTES])).open_all(&kept).unwrap_err();
        assert!(other.to_string().contains("base64-encryption-key"));
        fs::remove_file(&path).unwrap();
        assert!(matches!(Seal::of_file(path.clone()).open_all(&kept), Err(SealError::File { .. })), "no new key is made for it");
        assert!(!path.exists());
        fs::write(&path, "c2VjcmV0").unwrap();
        assert!(matches!(Seal::of_file(path).open_all(&kept), Err(SealError::NoKey(_))));
        assert!(matches!(Seal::none().seal("a", &json!(1)), Err(SealError::Nowhere)));
        let salt = |byte| Seal::of_key(Key([byte; KEY_BYTES])).salt().unwrap();
        assert!(salt(7) == salt(7) && salt(7) != salt(8) && salt(7) != [7; KEY_BYTES]);
    }

    #[test]
    fn what_only_looks_sealed_is_refused() {
        let seal = Seal::of_key(Key([7; KEY_BYTES]));
        for text in ["", "####", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            let kept = Map::from_iter([("a".to_owned(), json!({ SEALED: text }))]);
            assert!(seal.open_all(&kept).is_err(), "{text}");
        }
        assert!(!is_sealed(&json!({ SEALED: 1 })) && !is_sealed(&json!({ SEALED: "x", "b": 1 })));
    }
}
