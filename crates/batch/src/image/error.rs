//! What can be wrong with an image.

use std::io;

use batchyard_objects::{ObjectError, remote::RemoteError};
use batchyard_runner::container::LoadError;

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum ImageError {
    #[error("`{0}` is no name of an image kept in the object store: give `localhost:5000/name:tag`, in lower case")]
    Name(String),
    #[error("the image `{image}` is not at `{place}`: looked for {}", looked.join(", "))]
    NotFound { image: String, place: String, looked: Vec<String> },
    #[error("the image at `{place}` is not usable: {reason}")]
    Malformed { place: String, reason: String },
    #[error("cannot read the image at `{place}`: {source}")]
    Object { place: String, source: ObjectError },
    #[error("cannot read the image: {0}")]
    Store(#[from] RemoteError),
    #[error("cannot {what}: {source}")]
    File { what: String, source: io::Error },
    #[error("`{folder}` holds {count} images, as many as are kept: remove the folders of those that nobody needs")]
    TooMany { folder: String, count: usize },
    #[error("the attempt that wanted the image was ended")]
    Unwanted,
    #[error("the engine did not take the image at `{place}`: {source}")]
    Engine { place: String, source: LoadError },
}

impl ImageError {
    /// Names what was done with a file.
    pub(super) fn file(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| ImageError::File { what, source }
    }

    /// Says what is wrong with the content.
    pub(super) fn malformed(place: &str, reason: impl Into<String>) -> Self {
        ImageError::Malformed { place: place.to_owned(), reason: reason.into() }
    }
}
