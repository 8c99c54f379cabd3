//! The BatchCompute service: jobs as graphs of tasks, clusters, images, apps, quotas, and its signed HTTP interface.
//!
//! [`service::Service`] is what can be done; [`http::router`] how clients ask for it. [`wire`] holds bodies as the original
//! spells them, [`engine`] carries jobs out, [`instance`] one attempt of one instance, [`image`] what its containers are made
//! of. Start reading at `service/jobs.rs`,
//! then `engine.rs`. It never decides which process starts when (the gate does), and never starts one itself (the runner).

pub mod accounts;
pub mod engine;
pub mod error;
pub mod events;
pub mod expand;
pub mod expiry;
pub mod http;
pub mod image;
pub mod instance;
pub mod nodes;
pub mod plan;
mod reads_app;
mod result;
pub mod service;
pub mod system;
pub mod time;
pub mod types;
pub mod wire;

pub use accounts::Accounts;
pub use error::ApiError;
pub use service::Service;
