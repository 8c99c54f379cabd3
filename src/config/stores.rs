//! `[[stores]]`: object stores of others, and folders that stand for them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use batchyard_cromwell::config::CromwellConfig;
use batchyard_objects::remote::{Bounds, Credentials, Place, Secret, Service, StoreSettings, Stores, Style};
use serde::Deserialize;

use super::{Loader, Origin, batch::bytes, days, file::DownloadsFile};

/// Days after which an object that was brought here and nobody uses is removed, unless another number is given.
const DAYS: u32 = 30;
/// Most bytes of a file with a secret.
const MAX_SECRET_BYTES: u64 = 4096;

/// One entry as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub url: String,
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub folder: Option<PathBuf>,
    pub addressing: Option<String>,
    #[serde(alias = "access-key-id")]
    pub access_key_id: Option<String>,
    #[serde(alias = "access-key-id-env")]
    pub access_key_id_env: Option<String>,
    #[serde(alias = "access-key-secret")]
    pub access_key_secret: Option<Hidden>,
    #[serde(alias = "access-key-secret-env")]
    pub access_key_secret_env: Option<String>,
    /// A relative path counts from the folder of the file.
    #[serde(alias = "access-key-secret-file")]
    pub access_key_secret_file: Option<PathBuf>,
    #[serde(alias = "security-token-env")]
    pub security_token_env: Option<String>,
    #[serde(default, alias = "read-only")]
    pub read_only: bool,
    pub accounts: Option<Vec<String>>,
}

/// A secret as written; it is never shown.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Hidden(String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Loader {
    /// How much is kept of what was brought of them.
    pub(super) fn downloads(&mut self, file: &DownloadsFile) -> Result<Bounds> {
        let number = self.take("downloads.days", file.days, DAYS, u32::to_string);
        let tell = |size: &Option<String>| size.as_ref().map_or_else(|| "unlimited".to_owned(), |size| format!("{size:?}"));
        let size = self.take("downloads.size", file.size.clone().map(Some), None, tell);
        Ok(Bounds { unused: days(number), bytes: size.map(|size| bytes("downloads.size", &size)).transpose()? })
    }

    /// The stores of our own file, and those that a configuration of the original names.
    pub(super) fn stores(&mut self, entries: Vec<Entry>) -> Result<Stores> {
        let folder = self.path.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
        let mut origin = if entries.is_empty() { Origin::Default } else { self.path.clone().map_or(Origin::Default, Origin::File) };
        let mut all = Vec::new();
        for entry in entries {
            let url = entry.url.clone();
            all.push(read(entry, &folder).with_context(|| format!("the `[[stores]]` entry {url:?} is wrong"))?);
        }
        if let Some(original) = &self.original {
            let found = of_original(&original.config)?;
            if let Some(found) = found.filter(|found| !all.iter().any(|own: &StoreSettings| own.base == found.base)) {
                origin = Origin::Original(original.config.oss_filesystem.as_ref().map(|oss| oss.place.clone()));
                all.push(found);
            }
        }
        let told: Vec<String> = all.iter().map(shown).collect();
        self.shown.push(("stores".into(), format!("{told:?}"), origin));
        Ok(Stores::new(all)?)
    }
}

fn read(entry: Entry, beside: &Path) -> Result<StoreSettings> {
    let base = StoreSettings::base(&entry.url)?;
    let of_service = [
        ("endpoint", entry.endpoint.is_some()),
        ("region", entry.region.is_some()),
        ("addressing", entry.addressing.is_some()),
        ("access_key_id", entry.access_key_id.is_some() || entry.access_key_id_env.is_some()),
    ];
    let place = match entry.folder.clone() {
        Some(folder) => {
            if let Some((name, _)) = of_service.iter().find(|(_, given)| *given) {
                bail!("it names both `folder` and `{name}`: objects are in one place");
            }
            if base.bucket.is_empty() {
                bail!("a `folder` stands for one bucket: name it in `url`");
            }
            Ok(Place::Folder(beside.join(folder)))
        }
        None => {
            let style = match entry.addressing.as_deref() {
                None => None,
                Some("path") => Some(Style::Path),
                Some("virtual") => Some(Style::Virtual),
                Some(other) => bail!("`addressing` must be \"path\" or \"virtual\", not {other:?}"),
            };
            let service = Service { endpoint: entry.endpoint.clone(), region: entry.region.clone(), style, credentials: None };
            let complete = service.complete(&base)?;
            credentials(&entry, beside)?.map(|key| with_key(complete, key))
        }
    };
    Ok(StoreSettings { base, place, read_only: entry.read_only, accounts: entry.accounts })
}

fn with_key(place: Place, key: Option<Credentials>) -> Place {
    match place {
        Place::Service { endpoint, region, style, .. } => Place::Service { endpoint, region, style, credentials: key },
        folder @ Place::Folder(_) => folder,
    }
}

/// Who asks. What is missing outside of the file is no reason to do nothing else: it is told when the store is needed.
fn credentials(entry: &Entry, beside: &Path) -> Result<Result<Option<Credentials>, String>> {
    let one_of = |names: &[(&str, bool)]| match names.iter().filter(|(_, given)| *given).collect::<Vec<_>>().as_slice() {
        [(first, _), (second, _), ..] => bail!("it names both `{first}` and `{second}`: give one of them"),
        found => Ok(!found.is_empty()),
    };
    let has_id = one_of(&[("access_key_id", entry.access_key_id.is_some()), ("access_key_id_env", entry.access_key_id_env.is_some())])?;
    let has_secret = one_of(&[
        ("access_key_secret", entry.access_key_secret.is_some()),
        ("access_key_secret_env", entry.access_key_secret_env.is_some()),
        ("access_key_secret_file", entry.access_key_secret_file.is_some()),
    ])?;
    if has_id != has_secret {
        bail!("an access key has an id and a secret: give `access_key_id` and `access_key_secret`, or none for what everybody may read");
    }
    if !has_id {
        return Ok(Ok(None));
    }
    let of_environment = |name: &Option<String>| match name {
        Some(name) => match std::env::var(name) {
            Ok(value) if !value.is_empty() => Ok(Some(value)),
            _ => Err(format!("needs the environment variable `{name}`, which is not set")),
        },
        None => Ok(None),
    };
    let gather = || -> Result<Option<Credentials>, String> {
        let id = of_environment(&entry.access_key_id_env)?.or_else(|| entry.access_key_id.clone()).unwrap_or_default();
        let written = entry.access_key_secret.as_ref().map(|secret| secret.0.clone());
        let of_file = entry.access_key_secret_file.as_ref().map(|path| secret_of(&beside.join(path))).transpose()?;
        let secret = of_environment(&entry.access_key_secret_env)?.or(written).or(of_file).unwrap_or_default();
        let token = of_environment(&entry.security_token_env)?.map(Secret::new);
        Ok(Some(Credentials { id, secret: Secret::new(secret), token }))
    };
    Ok(gather())
}

fn secret_of(path: &Path) -> Result<String, String> {
    use std::io::Read;
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_SECRET_BYTES).read_to_string(&mut text));
    read.map_err(|error| format!("needs the secret in `{}`, which cannot be read: {error}", path.display()))?;
    Ok(text.trim().to_owned())
}

/// What a configuration of the original says about OSS: one place and one key for every bucket.
fn of_original(config: &CromwellConfig) -> Result<Option<StoreSettings>> {
    let Some(found) = &config.oss_filesystem else { return Ok(None) };
    let base = StoreSettings::base("oss://")?;
    let credentials = Credentials { id: found.access_id.clone(), secret: Secret::new(found.access_key.clone()), token: None };
    let service = Service { endpoint: Some(found.endpoint.clone()), credentials: Some(credentials), ..Service::default() };
    let place = service.complete(&base).map_err(|error| format!("is wrong in {}: {error}", found.place));
    Ok(Some(StoreSettings { base, place, read_only: false, accounts: None }))
}

/// A store for people, without what is secret.
fn shown(store: &StoreSettings) -> String {
    let mut words = match &store.place {
        Ok(Place::Folder(folder)) => format!("{} in {}", store.url(), folder.display()),
        Ok(Place::Service { endpoint, credentials: None, .. }) => format!("{} at {endpoint} without a key", store.url()),
        Ok(Place::Service { endpoint, credentials: Some(key), .. }) => {
            format!("{} at {endpoint} as {} (secret ***)", store.url(), key.id)
        }
        Err(why) => format!("{} {why}", store.url()),
    };
    if store.read_only {
        words.push_str(", read-only");
    }
    if let Some(accounts) = &store.accounts {
        words.push_str(&format!(", for jobs of {}", accounts.join(", ")));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Result<StoreSettings> {
        read(toml::from_str(text)?, Path::new("/etc/batchyard"))
    }

    fn wrong(text: &str) -> String {
        format!("{:#}", entry(text).unwrap_err())
    }

    #[test]
    fn all_that_can_be_written() {
        let store = entry(
            "url = \"s3://data/in\"\nendpoint = \"http://127.0.0.1:9000\"\nregion = \"eu\"\naddressing = \"virtual\"\naccess_key_id = \"me\"\n\
             access-key-secret = \"sesame\"\nread_only = true\naccounts = [\"ann\"]",
        )
        .unwrap();
        assert_eq!(shown(&store), "s3://data/in/ at http://127.0.0.1:9000 as me (secret ***), read-only, for jobs of ann");
        assert!(!format!("{store:?}").contains("sesame"));
        let store = entry("url = \"oss://data\"\nfolder = \"data\"").unwrap();
        assert_eq!(store.place, Ok(Place::Folder("/etc/batchyard/data".into())));
        assert!(
            shown(&entry("url = \"oss://\"\nregion = \"cn-test\"").unwrap()).starts_with("oss:// at https://oss-cn-test.aliyuncs.com ")
        );
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, part) in [
            ("url = \"gs://b\"\nregion = \"x\"", "`oss://`"),
            ("url = \"s3://b\"", "`endpoint` or `region`"),
            ("url = \"s3://b\"\nfolder = \"/x\"\nregion = \"y\"", "both `folder` and `region`"),
            ("url = \"s3://\"\nfolder = \"/x\"", "one bucket"),
            ("url = \"s3://b\"\nregion = \"y\"\naddressing = \"dns\"", "`addressing`"),
            ("url = \"s3://b\"\nregion = \"y\"\naccess_key_id = \"me\"", "`access_key_secret`"),
            ("url = \"s3://b\"\nregion = \"y\"\naccess_key_id = \"me\"\naccess_key_secret = \"a\"\naccess_key_secret_env = \"B\"", "both"),
            ("url = \"s3://b\"\nregion = \"y\"\nsecret = \"a\"", "unknown field"),
        ] {
            assert!(wrong(text).contains(part), "{text}: {}", wrong(text));
        }
    }

    #[test]
    fn a_configuration_of_the_original_names_one_for_all_buckets() {
        let settings = ["endpoint=oss.example.org", "access-id=me", "access-key=sesame"];
        let properties = settings.map(|text| super::super::original::property(&format!("engine.filesystems.oss.auth.{text}")));
        let mut loader = Loader { path: None, original: Some(super::super::Original::load(None, &properties).unwrap()), shown: Vec::new() };
        let stores = loader.stores(Vec::new()).unwrap();
        assert!(stores.knows("oss://any/key") && !stores.knows("s3://any/key"));
        let (_, told, origin) = loader.shown.last().unwrap();
        assert_eq!(told, "[\"oss:// at https://oss.example.org as me (secret ***)\"]");
        assert!(origin.to_string().contains("engine.filesystems.oss.auth"), "{origin}");
    }

    #[test]
    fn secrets_may_be_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), "sesame\n").unwrap();
        let text = "url = \"s3://b\"\nregion = \"y\"\naccess_key_id = \"me\"\naccess_key_secret_file = \"secret\"";
        let store = read(toml::from_str(text).unwrap(), dir.path()).unwrap();
        let Ok(Place::Service { credentials: Some(key), .. }) = store.place else { panic!("no key") };
        assert_eq!(key, Credentials { id: "me".into(), secret: Secret::new("sesame"), token: None });
        // One that is missing keeps nobody from doing something else.
        let store = entry(text).unwrap();
        assert!(store.place.unwrap_err().contains("/etc/batchyard/secret"));
        let store = entry(&text.replace("_file = \"secret\"", "_env = \"BATCHYARD_TEST_NOT_SET\"")).unwrap();
        assert!(store.place.unwrap_err().contains("`BATCHYARD_TEST_NOT_SET`, which is not set"));
    }
}
