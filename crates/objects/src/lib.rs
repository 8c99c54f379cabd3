//! Bytes: the embedded object store with its OSS and S3 interfaces, the signatures of requests, and the client of others' stores.
//!
//! [`Objects`] is the store: a cheap handle for plain threads, shared by the HTTP layer and everybody else. Data lie in
//! files that are never named after keys; an index (`index.rs`) says which file belongs to which key, and is the only
//! truth: a file that it does not name does not exist. Start reading at `store.rs`, then `index/writer.rs`.
//!
//! [`http`] speaks both protocols over the same functions, [`sign`] is pure and used by clients too, [`keys`] is what a
//! server must say about its accounts. [`remote`] is independent of all that: stores of others. Nothing here knows about jobs or workflows, and no path is ever built from a key,
//! except by [`folder`], which says how.

mod content;
mod draft;
mod error;
mod files;
pub mod folder;
pub mod http;
mod index;
pub mod keys;
mod limits;
mod listing;
mod multipart;
mod name;
mod record;
pub mod remote;
pub mod sign;
mod store;

pub use content::{Content, Reader};
pub use draft::{Draft, Sink, Staged, Sums};
pub use error::ObjectError;
pub use files::{Id, Sync};
pub use limits::*;
pub use listing::{Entry, Listing, Page};
pub use multipart::{Part, PartPage, Upload, UploadPage};
pub use record::{Acl, Attributes, Bucket, CorsRule, Kind, Record};
pub use store::{Condition, Found, Objects, Options, Put};
