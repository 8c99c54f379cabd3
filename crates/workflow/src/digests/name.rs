//! Names of images in registries, such as `quay.io/lab/tool:1.2`, by the rules of Docker.

/// Registry of names without a host.
pub const DOCKER_HUB: &str = "docker.io";
/// What Docker Hub is called, too.
const DOCKER_HUB_INDEX: &str = "index.docker.io";
/// Folder of Docker Hub for names of one part.
const OFFICIAL: &str = "library";
/// What Apptainer writes before such a name.
const DOCKER_SCHEME: &str = "docker://";
/// Ending of images of Apptainer, which are files.
const APPTAINER_FILE: &str = ".sif";
/// Longest name without its tag, in bytes.
const MAX_NAME_BYTES: usize = 255;
/// Longest tag, in bytes.
const MAX_TAG_BYTES: usize = 128;

/// An image by its name with a tag, which may mean another image tomorrow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageName {
    /// Host of the registry with its port, `docker.io` where none is named.
    pub registry: String,
    /// Path in the registry, such as `library/ubuntu`.
    pub repository: String,
    /// The tag, `latest` where none is named.
    pub tag: String,
    /// As it was written, without the tag.
    written: String,
}

/// Why a text names no image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no name of an image")]
pub struct NoName(String);

impl ImageName {
    /// Takes a name apart. `None` for what is fixed: a name with a digest, and what is in no registry (a file, another scheme).
    ///
    /// # Errors
    /// It is no name by the rules of Docker.
    pub fn parse(text: &str) -> Result<Option<Self>, NoName> {
        let wrong = || NoName(text.chars().take(MAX_NAME_BYTES + MAX_TAG_BYTES).collect());
        let (scheme, plain) = text.strip_prefix(DOCKER_SCHEME).map_or(("", text), |rest| (DOCKER_SCHEME, rest));
        if plain.contains("://") || plain.starts_with(['/', '.']) || plain.ends_with(APPTAINER_FILE) {
            return Ok(None);
        }
        let (tagged, digest) = plain.split_once('@').map_or((plain, None), |(tagged, digest)| (tagged, Some(digest)));
        // A colon before the last slash belongs to a host.
        let (name, tag) = match tagged.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (tagged, "latest"),
        };
        let (registry, path) = match name.split_once('/') {
            Some((host, rest)) if is_host(host) => (host.to_ascii_lowercase(), rest),
            _ => (DOCKER_HUB.to_owned(), name),
        };
        let registry = if registry == DOCKER_HUB_INDEX { DOCKER_HUB.to_owned() } else { registry };
        if name.len() > MAX_NAME_BYTES || !is_tag(tag) || !path.split('/').all(is_part) || !has_host_letters(&registry) {
            return Err(wrong());
        }
        if let Some(digest) = digest {
            return if is_digest(digest) { Ok(None) } else { Err(wrong()) };
        }
        let is_official = registry == DOCKER_HUB && !path.contains('/');
        let repository = if is_official { format!("{OFFICIAL}/{path}") } else { path.to_owned() };
        Ok(Some(ImageName { registry, repository, tag: tag.to_owned(), written: format!("{scheme}{name}") }))
    }

    /// The image of this digest, named as this one was.
    pub fn at(&self, digest: &str) -> String {
        format!("{}@{digest}", self.written)
    }

    /// Name and tag with nothing left out.
    pub fn full(&self) -> String {
        format!("{}/{}:{}", self.registry, self.repository, self.tag)
    }

    /// As an engine of containers takes it, with its tag.
    pub fn plain(&self) -> String {
        format!("{}:{}", self.written.strip_prefix(DOCKER_SCHEME).unwrap_or(&self.written), self.tag)
    }
}

/// Whether a text is a digest: the way it was made and hexadecimal digits.
pub fn is_digest(text: &str) -> bool {
    let hex = |digits: &str, count: usize| digits.len() == count && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    match text.split_once(':') {
        Some(("sha256", digits)) => hex(digits, 64),
        Some(("sha512", digits)) => hex(digits, 128),
        _ => false,
    }
}

/// Whether the first part of a name is a host.
fn is_host(part: &str) -> bool {
    part == "localhost" || part.contains(['.', ':']) || part.bytes().any(|b| b.is_ascii_uppercase())
}

fn has_host_letters(host: &str) -> bool {
    !host.starts_with(['.', '-', ':']) && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))
}

fn is_tag(tag: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= MAX_TAG_BYTES && tag.bytes().next().is_some_and(is_letter) && tag.bytes().all(|b| is_letter(b) || b".-".contains(&b))
}

fn is_part(part: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let (first, last) = (part.bytes().next(), part.bytes().next_back());
    first.is_some_and(is_plain) && last.is_some_and(is_plain) && part.bytes().all(|b| is_plain(b) || b"._-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_as_docker_does() {
        for (text, registry, repository, tag, written) in [
            ("ubuntu", "docker.io", "library/ubuntu", "latest", "ubuntu"),
            ("ubuntu:22.04", "docker.io", "library/ubuntu", "22.04", "ubuntu"),
            ("biocontainers/bwa:v0.7.17_cv1", "docker.io", "biocontainers/bwa", "v0.7.17_cv1", "biocontainers/bwa"),
            ("docker.io/ubuntu:1", "docker.io", "library/ubuntu", "1", "docker.io/ubuntu"),
            ("index.docker.io/lab/x", "docker.io", "lab/x", "latest", "index.docker.io/lab/x"),
            ("quay.io/lab/a/b__c-d.e:V_1", "quay.io", "lab/a/b__c-d.e", "V_1", "quay.io/lab/a/b__c-d.e"),
            ("us.gcr.io/broad-gotc-prod/x:1", "us.gcr.io", "broad-gotc-prod/x", "1", "us.gcr.io/broad-gotc-prod/x"),
            ("localhost/x", "localhost", "x", "latest", "localhost/x"),
            ("localhost:5000/x", "localhost:5000", "x", "latest", "localhost:5000/x"),
            ("[::1]:5000/x:2", "[::1]:5000", "x", "2", "[::1]:5000/x"),
            ("docker://ghcr.io/lab/x:2", "ghcr.io", "lab/x", "2", "docker://ghcr.io/lab/x"),
        ] {
            let name = ImageName::parse(text).unwrap().unwrap_or_else(|| panic!("{text} is taken for fixed"));
            let found = (&*name.registry, &*name.repository, &*name.tag, &*name.written);
            assert_eq!(found, (registry, repository, tag, written), "{text}");
            assert_eq!(name.at("sha256:00"), format!("{written}@sha256:00"));
        }
        let name = ImageName::parse("docker://lab/x").unwrap().unwrap();
        assert_eq!((name.full(), name.plain()), ("docker.io/lab/x:latest".into(), "lab/x:latest".into()));
    }

    #[test]
    fn what_cannot_move_needs_no_look_up() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for text in
            [&*format!("ubuntu@{digest}"), &format!("h.org:1/ubuntu:22.04@{digest}"), "/images/x.sif", "x.sif", "./x", "oras://h/x:1"]
        {
            assert_eq!(ImageName::parse(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = "a/".repeat(200) + "a";
        for text in
            ["", ":1", "a//b", "Ubuntu", "a:", "a b", "a:b c", "-a", "a/-b", "a-", "a@sha256:00", "a@b", "ho_st.x/a", &long, "a:-x", "é"]
        {
            assert!(ImageName::parse(text).is_err(), "{text}");
        }
    }
}
