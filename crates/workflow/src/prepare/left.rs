//! An attempt that an earlier engine has begun: it may still run, in the image that it was started in, whatever its tag means
//! by now.

use batchyard_store::CallRecord;

use crate::{
    documents::{ImageUse, StartDoc},
    identity::Identity,
};

/// Why nobody knows the image of an attempt that left no record.
const NO_RECORD: &str = "its task was begun under an earlier engine, and in what was not recorded";
/// Why nobody knows the image of an attempt from before look-ups.
const BY_NAME: &str = "its task was begun by the tag alone, before digests were looked up";

/// What an earlier engine has left of an attempt that may have started.
#[derive(Clone, Debug)]
pub enum Left {
    /// The record of its start.
    Recorded {
        /// What it was started in.
        image: Option<ImageUse>,
        /// What it was known to be, if its result was to be kept.
        cache_key: Option<String>,
    },
    /// Its files alone: a process is started before its start is recorded.
    Unrecorded,
}

/// An image by its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exact {
    /// Its name with the digest.
    pub name: String,
    /// Its size, see [`ImageUse::bytes`].
    pub bytes: Option<u64>,
}

impl Left {
    /// From the record of the attempt.
    pub fn of(record: &CallRecord) -> Self {
        let start: StartDoc = serde_json::from_str(&record.start_doc).unwrap_or_default();
        Left::Recorded { image: start.image, cache_key: record.cache_key.clone() }
    }

    /// The image that it was started in by its digest, or why nobody knows it; nothing where that image is another one, or its
    /// tag is all that counts.
    pub(super) fn found_out(&self, image: &ImageUse, tag_counts: bool) -> Option<Result<Exact, String>> {
        let Left::Recorded { image: Some(recorded), .. } = self else { return None };
        if !recorded.in_container() || recorded.used != image.used {
            return None;
        }
        match (&recorded.unknown, &recorded.digest) {
            (Some(why), _) => Some(Err(why.clone())),
            (None, Some(name)) => Some(Ok(Exact { name: name.clone(), bytes: recorded.bytes })),
            (None, None) => (!tag_counts).then(|| Err(unknown(image, BY_NAME))),
        }
    }

    /// Says of an image for which a digest was found that the attempt may run in another one.
    pub(super) fn doubt(&self, image: &mut ImageUse) {
        if let (Left::Unrecorded, Some(_), None) = (self, &image.digest, &image.unknown) {
            image.unknown = Some(unknown(image, NO_RECORD));
        }
    }

    /// Whether its result may be kept as that of a call of this identity.
    pub fn is(&self, identity: &Identity) -> bool {
        match self {
            Left::Recorded { cache_key, .. } => cache_key.as_deref() == Some(&*identity.key),
            Left::Unrecorded => true,
        }
    }
}

/// That nobody knows what an image is, and why.
pub(super) fn unknown(image: &ImageUse, why: &str) -> String {
    format!("the digest of image `{}` is not known: {why}", image.used)
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;

    fn image(digest: Option<&str>, unknown: Option<&str>) -> ImageUse {
        ImageUse { digest: digest.map(Into::into), unknown: unknown.map(Into::into), ..ImageUse::new("a:1", "a:1", "container") }
    }

    #[test]
    fn an_attempt_runs_in_what_it_was_started_in() {
        let recorded = |image: Option<ImageUse>| Left::Recorded { image, cache_key: None };
        let now = image(None, None);
        for tag_counts in [true, false] {
            assert_eq!(
                recorded(Some(image(Some("a@d"), None))).found_out(&now, tag_counts),
                Some(Ok(Exact { name: "a@d".into(), bytes: None }))
            );
            assert_eq!(recorded(Some(image(None, Some("is down")))).found_out(&now, tag_counts), Some(Err("is down".into())));
        }
        assert_eq!(recorded(Some(now.clone())).found_out(&now, true), None);
        assert!(recorded(Some(now.clone())).found_out(&now, false).unwrap().unwrap_err().ends_with(BY_NAME));
        let other = ImageUse { used: "b:1".into(), ..image(Some("b@d"), None) };
        let on_host = ImageUse { mode: "host".into(), ..image(Some("a@d"), None) };
        for left in [recorded(None), recorded(Some(other)), recorded(Some(on_host)), Left::Unrecorded] {
            assert_eq!(left.found_out(&now, false), None, "{left:?}");
        }
    }

    #[test]
    fn what_may_be_something_else_is_not_kept() {
        let identity = Identity::of(IndexMap::from([("image".into(), "a@d".into())]));
        let with_key = |key: Option<&str>| Left::Recorded { image: None, cache_key: key.map(Into::into) };
        assert!(with_key(Some(&identity.key)).is(&identity) && !with_key(Some("other")).is(&identity) && !with_key(None).is(&identity));
        let mut found = image(Some("a@d"), None);
        with_key(None).doubt(&mut found);
        assert_eq!(found.unknown, None);
        Left::Unrecorded.doubt(&mut found);
        assert!(found.unknown.unwrap().contains("was not recorded"));
        // Where no digest was looked up its name is what it is known by.
        let mut tagged = image(None, None);
        Left::Unrecorded.doubt(&mut tagged);
        assert_eq!(tagged.unknown, None);
    }
}
