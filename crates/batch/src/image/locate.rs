//! Where an image lies: in the object store, or in a file or folder of this machine.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use batchyard_objects::{ObjectError, Objects, remote::Cache};
use batchyard_runner::Control;

use super::{ImageError, Reference};

/// What says that a folder is an OCI layout.
const LAYOUT: &str = "oci-layout";
/// The list of what it holds.
pub const INDEX: &str = "index.json";
/// Where a registry of version 2 keeps everything.
const REGISTRY: &str = "docker/registry/v2/";
/// Longest text of a registry's link.
const MAX_LINK_BYTES: u64 = 200;

/// Something that holds files by name.
#[derive(Clone)]
pub enum Place {
    /// A bucket; names are keys.
    Bucket(Objects, String),
    /// A bucket of a store of the configuration, `scheme://bucket`; names are keys.
    Store(Cache, String),
    /// This machine; names are paths.
    Machine,
}

impl Place {
    /// The bucket of an address in the embedded store.
    pub fn bucket(objects: &Objects, url: &str) -> Place {
        Place::Bucket(objects.clone(), crate::instance::bucket_and_key(url).0.to_owned())
    }

    /// The bucket of an address in another store.
    pub fn store(cache: &Cache, url: &str) -> Place {
        Place::Store(cache.clone(), halves(url).0.to_owned())
    }

    /// Opens a file; `None` when there is none. `scratch` is a folder for a name that lives for a moment.
    pub fn open(&self, name: &str, scratch: &Path) -> Result<Option<File>, ImageError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let (objects, bucket) = match self {
            Place::Bucket(objects, bucket) => (objects, bucket),
            Place::Store(cache, _) => {
                return match cache.file(&self.address(name)) {
                    Err(error) if error.is_missing() => Ok(None),
                    Err(error) => Err(error.into()),
                    Ok(path) => File::open(&path).map(Some).map_err(ImageError::file(format!("read `{}`", path.display()))),
                };
            }
            Place::Machine => {
                return match File::open(name) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                    opened => opened.map(Some).map_err(ImageError::file(format!("read `{name}`"))),
                };
            }
        };
        let path = scratch.join(format!("open-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        match objects.link_file(bucket, name, &path) {
            Err(ObjectError::NoSuchKey { .. }) => return Ok(None),
            Err(source) => return Err(ImageError::Object { place: self.address(name), source }),
            Ok(_) => {}
        }
        let file = File::open(&path).map_err(ImageError::file(format!("read `{}`", path.display())));
        // The open file is enough.
        fs::remove_file(&path).map_err(ImageError::file(format!("remove `{}`", path.display())))?;
        file.map(Some)
    }

    /// A text that changes when the file does; `None` when there is none.
    fn stamp(&self, name: &str) -> Result<Option<String>, ImageError> {
        match self {
            Place::Bucket(objects, bucket) => match objects.get(bucket, name) {
                Ok(found) => Ok(Some(format!("{bucket}/{name} {} {} {}", found.record.etag, found.record.size, found.record.modified_ms))),
                Err(ObjectError::NoSuchKey { .. }) => Ok(None),
                Err(source) => Err(ImageError::Object { place: self.address(name), source }),
            },
            Place::Store(cache, _) => match cache.stores().stat(&self.address(name)) {
                Ok(stat) => Ok(Some(format!("{} {:?} {} {:?}", self.address(name), stat.etag, stat.size, stat.modified_ms))),
                Err(error) if error.is_missing() => Ok(None),
                Err(error) => Err(error.into()),
            },
            Place::Machine => {
                use std::os::unix::fs::MetadataExt;
                let Some(about) = fs::metadata(name).ok().filter(fs::Metadata::is_file) else { return Ok(None) };
                Ok(Some(format!(
                    "{name} {} {} {} {}",
                    about.dev(),
                    about.ino(),
                    about.size(),
                    about.ctime_nsec() as i128 + about.ctime() as i128 * 1_000_000_000
                )))
            }
        }
    }

    /// What people call a file.
    pub fn address(&self, name: &str) -> String {
        match self {
            Place::Bucket(_, bucket) => format!("oss://{bucket}/{name}"),
            Place::Store(_, bucket) => format!("{bucket}/{name}"),
            Place::Machine => name.to_owned(),
        }
    }
}

/// How it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// As `docker save` or an OCI archive: a tar, compressed by gzip or not.
    Archive {
        /// Its name.
        file: String,
        /// Whether the only image in it is meant, whatever it calls itself.
        any_tag: bool,
    },
    /// An OCI layout: the name before `index.json`.
    Layout(String),
    /// What a registry has written: the name before `blobs/`, and the digest of the image.
    Registry(String, String),
}

/// An image that was found.
#[derive(Clone)]
pub struct Located {
    /// What was asked for.
    pub reference: Reference,
    /// What holds it.
    pub place: Place,
    /// How.
    pub form: Form,
    /// Changes with the content.
    pub stamp: String,
    /// Who wants it; whoever ends that attempt ends the work on the image.
    pub attempt: Option<Arc<Control>>,
}

impl Located {
    /// The same for an attempt.
    #[must_use]
    pub fn wanted_by(self, attempt: &Arc<Control>) -> Located {
        Located { attempt: Some(Arc::clone(attempt)), ..self }
    }

    /// Whether nobody wants it any more.
    ///
    /// # Errors
    /// [`ImageError::Unwanted`].
    pub(super) fn check_wanted(&self) -> Result<(), ImageError> {
        let ended = self.attempt.as_ref().is_some_and(|attempt| attempt.ended_by().is_some());
        if ended { Err(ImageError::Unwanted) } else { Ok(()) }
    }

    /// What people call the place.
    pub fn address(&self) -> String {
        match &self.form {
            Form::Archive { file, .. } => self.place.address(file),
            Form::Layout(base) | Form::Registry(base, _) => self.place.address(base),
        }
    }

    /// Finds the image `text` at an address `oss://bucket/key` of `place`, which is an archive or a folder that holds it: as an archive named by
    /// the image, as a registry's storage, or as an OCI layout.
    ///
    /// # Errors
    /// It is nowhere there; the error says what was looked for.
    pub fn stored(place: Place, text: &str, url: &str, scratch: &Path) -> Result<Located, ImageError> {
        Self::at(place, Reference::parse(text)?, halves(url).1, scratch)
    }

    /// The same for an archive or an OCI layout on this machine.
    ///
    /// # Errors
    /// There is none.
    pub fn on_machine(reference: Reference, path: &Path, scratch: &Path) -> Result<Located, ImageError> {
        let path: PathBuf = path.canonicalize().map_err(ImageError::file(format!("find `{}`", path.display())))?;
        Self::at(Place::Machine, reference, &path.to_string_lossy(), scratch)
    }

    fn at(place: Place, reference: Reference, key: &str, scratch: &Path) -> Result<Located, ImageError> {
        let mut looked = Vec::new();
        let mut look = |name: &str| -> Result<Option<String>, ImageError> {
            looked.push(format!("`{}`", place.address(name)));
            place.stamp(name)
        };
        let mut found = None;
        if !key.is_empty()
            && !key.ends_with('/')
            && let Some(stamp) = look(key)?
        {
            found = Some((Form::Archive { file: key.to_owned(), any_tag: true }, stamp));
        }
        let base = if key.is_empty() || key.ends_with('/') { key.to_owned() } else { format!("{key}/") };
        for (file, any_tag) in reference.files() {
            if found.is_none() {
                let file = format!("{base}{file}");
                found = look(&file)?.map(|stamp| (Form::Archive { file, any_tag }, stamp));
            }
        }
        if found.is_none() {
            found = in_registry(&place, &reference, &base, scratch, &mut look)?;
        }
        for folder in [base.clone(), format!("{base}{}/", reference.name)] {
            if found.is_none()
                && look(&format!("{folder}{LAYOUT}"))?.is_some()
                && let Some(stamp) = look(&format!("{folder}{INDEX}"))?
            {
                found = Some((Form::Layout(folder), stamp));
            }
        }
        match found {
            Some((form, stamp)) => {
                Ok(Located { stamp: format!("{stamp} {}:{}", reference.name, reference.tag), reference, place, form, attempt: None })
            }
            None => Err(ImageError::NotFound { image: reference.text, place: place.address(key), looked }),
        }
    }
}

/// What names the bucket of an address, and the key.
fn halves(url: &str) -> (&str, &str) {
    let begin = url.find("://").map_or(0, |at| at + 3);
    match url.get(begin..).and_then(|rest| rest.find('/')) {
        Some(slash) => (url.get(..begin + slash).unwrap_or(url), url.get(begin + slash + 1..).unwrap_or_default()),
        None => (url, ""),
    }
}

type Look<'a> = dyn FnMut(&str) -> Result<Option<String>, ImageError> + 'a;

/// What a registry of version 2 has written below a folder.
fn in_registry(
    place: &Place,
    reference: &Reference,
    base: &str,
    scratch: &Path,
    look: &mut Look<'_>,
) -> Result<Option<(Form, String)>, ImageError> {
    use std::io::Read;
    let Reference { name, tag, .. } = reference;
    let link = format!("{base}{REGISTRY}repositories/{name}/_manifests/tags/{tag}/current/link");
    if look(&link)?.is_none() {
        return Ok(None);
    }
    let Some(file) = place.open(&link, scratch)? else { return Ok(None) };
    let mut digest = String::new();
    file.take(MAX_LINK_BYTES).read_to_string(&mut digest).map_err(ImageError::file(format!("read `{}`", place.address(&link))))?;
    let digest = digest.trim().to_owned();
    Ok(Some((Form::Registry(format!("{base}{REGISTRY}"), digest.clone()), format!("{link} {digest}"))))
}
