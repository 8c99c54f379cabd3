//! Names of images: `localhost:5000/tools/bwa:0.7`.

use super::ImageError;

/// Longest name and tag.
const MAX_BYTES: usize = 255;

/// A name with its tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// As it was given.
    pub text: String,
    /// Without the registry's host: `tools/bwa`.
    pub name: String,
    /// `latest` where none is given.
    pub tag: String,
}

impl Reference {
    /// Takes a name apart.
    ///
    /// # Errors
    /// It is none, or one by digest: what lies in the object store is found by name and tag.
    pub fn parse(text: &str) -> Result<Self, ImageError> {
        let wrong = || ImageError::Name(text.to_owned());
        let path = match text.split_once('/') {
            Some((host, rest)) if host == "localhost" || host.contains(['.', ':']) => rest,
            _ => text,
        };
        // A colon before the last slash would belong to a host.
        let (name, tag) = match path.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (path, "latest"),
        };
        let is_part = |part: &str| {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            part.bytes().all(|b| plain(b) || b"._-".contains(&b)) && part.bytes().next().is_some_and(plain)
        };
        let is_tag =
            tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) && !tag.starts_with(['.', '-']) && !tag.is_empty();
        if !is_tag || !name.split('/').all(is_part) || text.len() > MAX_BYTES {
            return Err(wrong());
        }
        Ok(Reference { text: text.to_owned(), name: name.to_owned(), tag: tag.to_owned() })
    }

    /// Whether a name in an archive or index means this image: with or without a host, or a bare tag.
    pub fn is_called(&self, other: &str) -> bool {
        if other == self.tag || other == self.text {
            return true;
        }
        Reference::parse(other)
            .is_ok_and(|other| other.tag == self.tag && (other.name == self.name || other.name == format!("library/{}", self.name)))
    }

    /// Names of the file that may hold the image, below the place that was given, and whether the name says the tag.
    pub fn files(&self) -> Vec<(String, bool)> {
        let Reference { name, tag, .. } = self;
        let stems =
            [(format!("{name}_{tag}"), true), (format!("{name}-{tag}"), true), (format!("{name}/{tag}"), true), (name.clone(), false)];
        stems.iter().flat_map(|(stem, exact)| ["tar", "tar.gz", "tgz"].map(|ending| (format!("{stem}.{ending}"), *exact))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        for (text, name, tag) in [
            ("localhost:5000/demodockerimage:0.1", "demodockerimage", "0.1"),
            ("localhost:5000/a/b", "a/b", "latest"),
            ("ubuntu:22.04", "ubuntu", "22.04"),
            ("registry.example.org/x/y_z:V-1", "x/y_z", "V-1"),
            ("a/b", "a/b", "latest"),
        ] {
            let found = Reference::parse(text).unwrap();
            assert_eq!((found.name.as_str(), found.tag.as_str()), (name, tag), "{text}");
        }
        for text in [
            "",
            ":1",
            "localhost:5000/",
            "localhost:5000/../x",
            "a//b",
            "a/./b",
            "A",
            "a:",
            "a:b c",
            "a@sha256:00",
            "a:-x",
            "-a",
            "--privileged",
        ] {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
        let reference = Reference::parse("localhost:5000/tool:2").unwrap();
        for (other, same) in
            [("tool:2", true), ("2", true), ("docker.io/library/tool:2", true), ("tool:1", false), ("other:2", false), ("tool", false)]
        {
            assert_eq!(reference.is_called(other), same, "{other}");
        }
    }
}
