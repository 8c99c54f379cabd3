//! What an image says of itself: which layers it has, in which order, and the environment of its commands.

use serde::{Deserialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::{
    ImageError, Located, Reference,
    locate::Form,
    source::{Blob, Source, is_hex},
};

/// Indexes inside indexes.
const MAX_DEPTH: usize = 4;
/// Most layers of an image.
const MAX_LAYERS: usize = 1000;

/// An image that can be unpacked.
#[derive(Debug)]
pub struct Image {
    /// The digest of its description: 64 hex digits. It covers all layers.
    pub id: String,
    /// The description.
    pub description: Vec<u8>,
    /// Environment of its commands.
    pub env: Vec<(String, String)>,
    /// From the lowest to the uppermost.
    pub layers: Vec<Layer>,
}

/// A layer.
#[derive(Debug)]
pub struct Layer {
    /// Its archive, compressed or not.
    pub blob: Blob,
    /// The digest of the archive when it is not compressed: 64 hex digits.
    pub digest: String,
}

/// An image of `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

#[derive(Clone, Deserialize)]
struct Descriptor {
    digest: String,
    #[serde(default)]
    platform: Option<Platform>,
    #[serde(default)]
    annotations: Option<std::collections::BTreeMap<String, String>>,
}

#[derive(Clone, Deserialize)]
struct Platform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
}

/// A manifest, or an index of manifests.
#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
struct Description {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    config: Option<Settings>,
    rootfs: RootFs,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Settings {
    env: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

impl Image {
    /// Reads what the image says of itself, and checks it against its digests.
    pub fn read(source: &Source, located: &Located) -> Result<Image, ImageError> {
        let malformed = |reason: String| ImageError::malformed(&source.address(), reason);
        let reader = Reader { source, reference: &located.reference };
        match &located.form {
            Form::Registry(_, digest) => reader.manifest(digest, 0),
            Form::Layout(_) => reader.index(),
            Form::Archive { any_tag, .. } => match source.named("manifest.json")? {
                Some(blob) => reader.saved(&blob, *any_tag),
                None if source.index()?.is_some() => reader.index(),
                None => Err(malformed("it holds neither `manifest.json` nor `index.json`: write it with `docker save`".into())),
            },
        }
    }
}

struct Reader<'a> {
    source: &'a Source,
    reference: &'a Reference,
}

impl Reader<'_> {
    fn malformed(&self, reason: impl Into<String>) -> ImageError {
        ImageError::malformed(&self.source.address(), reason)
    }

    fn json<T: DeserializeOwned>(&self, what: &str, bytes: &[u8]) -> Result<T, ImageError> {
        serde_json::from_slice(bytes).map_err(|error| self.malformed(format!("its {what} does not fit: {error}")))
    }

    fn text(&self, what: &str, blob: &Blob) -> Result<Vec<u8>, ImageError> {
        blob.text().map_err(|error| self.malformed(format!("its {what} cannot be read: {error}")))
    }

    /// A text by its digest.
    fn checked(&self, what: &str, digest: &str) -> Result<Vec<u8>, ImageError> {
        let bytes = self.text(what, &self.source.part(digest)?)?;
        if digest != format!("sha256:{}", hex(&Sha256::digest(&bytes))) {
            return Err(self.malformed(format!("its {what} is not what `{digest}` says")));
        }
        Ok(bytes)
    }

    fn saved(&self, blob: &Blob, any_tag: bool) -> Result<Image, ImageError> {
        let all: Vec<Saved> = self.json("`manifest.json`", &self.text("`manifest.json`", blob)?)?;
        let tags = |one: &Saved| one.repo_tags.clone().unwrap_or_default();
        let called = all.iter().find(|one| tags(one).iter().any(|tag| self.reference.is_called(tag)));
        let only = if let [one] = all.as_slice() { Some(one).filter(|one| any_tag || tags(one).is_empty()) } else { None };
        let Some(one) = called.or(only) else {
            let names: Vec<String> = all.iter().flat_map(tags).map(|tag| format!("`{tag}`")).collect();
            return Err(self.other_images(&names));
        };
        let missing = |name: &str| self.malformed(format!("`{name}`, which its `manifest.json` names, is missing"));
        let find = |name: &str| self.source.named(name)?.ok_or_else(|| missing(name));
        let description = self.text("description", &find(&one.config)?)?;
        let blobs = one.layers.iter().map(|name| find(name)).collect::<Result<Vec<_>, _>>()?;
        self.image(description, blobs)
    }

    fn other_images(&self, names: &[String]) -> ImageError {
        let held = if names.is_empty() { "images without names".to_owned() } else { names.join(", ") };
        self.malformed(format!("it holds {held}, and not `{}:{}`", self.reference.name, self.reference.tag))
    }

    fn index(&self) -> Result<Image, ImageError> {
        let blob = self.source.index()?.ok_or_else(|| self.malformed("its `index.json` is missing"))?;
        let index: Manifest = self.json("`index.json`", &self.text("`index.json`", &blob)?)?;
        let all = index.manifests.unwrap_or_default();
        const NAMES: [&str; 2] = ["org.opencontainers.image.ref.name", "io.containerd.image.name"];
        let names = |one: &Descriptor| {
            let annotations = one.annotations.iter().flatten().filter(|(key, _)| NAMES.contains(&key.as_str()));
            annotations.map(|(_, value)| value.clone()).collect::<Vec<String>>()
        };
        let mut wanted: Vec<Descriptor> =
            all.iter().filter(|one| names(one).iter().any(|name| self.reference.is_called(name))).cloned().collect();
        if wanted.is_empty() {
            wanted = all.iter().filter(|one| names(one).is_empty()).cloned().collect();
        }
        if wanted.is_empty() {
            return Err(self.other_images(&all.iter().flat_map(names).map(|name| format!("`{name}`")).collect::<Vec<_>>()));
        }
        let digest = self.for_this_machine(&wanted)?;
        self.manifest(&digest, 0)
    }

    /// The digest of the one for this machine.
    fn for_this_machine(&self, all: &[Descriptor]) -> Result<String, ImageError> {
        let fits = |one: &&Descriptor| one.platform.as_ref().is_none_or(|p| p.os == "linux" && p.architecture == architecture());
        let fitting: Vec<&Descriptor> = all.iter().filter(fits).collect();
        match fitting.as_slice() {
            [] => Err(self.malformed(format!("it holds nothing for linux on {}", architecture()))),
            [one] => Ok(one.digest.clone()),
            [first, rest @ ..] if rest.iter().all(|one| one.digest == first.digest) => Ok(first.digest.clone()),
            _ => Err(self.malformed(format!(
                "it holds {} images and none is called `{}:{}`",
                fitting.len(),
                self.reference.name,
                self.reference.tag
            ))),
        }
    }

    fn manifest(&self, digest: &str, depth: usize) -> Result<Image, ImageError> {
        let manifest: Manifest = self.json("manifest", &self.checked("manifest", digest)?)?;
        if let Some(all) = manifest.manifests {
            if depth >= MAX_DEPTH {
                return Err(self.malformed("its indexes are too deep inside each other"));
            }
            return self.manifest(&self.for_this_machine(&all)?, depth + 1);
        }
        let config =
            manifest.config.ok_or_else(|| self.malformed("its manifest is of the first version: push it again with a newer docker"))?;
        let description = self.checked("description", &config.digest)?;
        let blobs = manifest.layers.iter().map(|layer| self.source.part(&layer.digest)).collect::<Result<Vec<_>, _>>()?;
        self.image(description, blobs)
    }

    fn image(&self, description: Vec<u8>, blobs: Vec<Blob>) -> Result<Image, ImageError> {
        let about: Description = self.json("description", &description)?;
        let other = |found: &str, ours: &str| !found.is_empty() && found != ours;
        if other(&about.architecture, architecture()) || other(&about.os, "linux") {
            return Err(self.malformed(format!(
                "it is for {} on {}, this machine is linux on {}",
                about.os,
                about.architecture,
                architecture()
            )));
        }
        let digests = about.rootfs.diff_ids;
        if digests.len() != blobs.len() || digests.is_empty() || digests.len() > MAX_LAYERS {
            return Err(self.malformed(format!(
                "it has {} layers and describes {} (1 to {MAX_LAYERS} are possible)",
                blobs.len(),
                digests.len()
            )));
        }
        let layer = |(blob, digest): (Blob, String)| match digest.strip_prefix("sha256:").filter(|hex| is_hex(hex)) {
            Some(hex) => Ok(Layer { blob, digest: hex.to_owned() }),
            None => Err(self.malformed(format!("`{digest}` is no digest of a layer"))),
        };
        let layers = blobs.into_iter().zip(digests).map(layer).collect::<Result<_, _>>()?;
        let env = about.config.unwrap_or_default().env.unwrap_or_default();
        let pair = |text: String| {
            text.split_once('=').filter(|(name, _)| !name.is_empty()).map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        Ok(Image { id: hex(&Sha256::digest(&description)), description, env: env.into_iter().filter_map(pair).collect(), layers })
    }
}

/// Name of this machine's processor in images.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Bytes as hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
