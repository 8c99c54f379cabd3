//! The bodies of requests and replies, exactly as the original service spells them.

pub mod app;
pub mod cluster;
mod docker;
pub mod job;
pub mod mounts;
mod number;
pub mod parse;
mod problems;

pub use app::{AppCall, AppDescription, ConfigItem, Parameter};
pub use cluster::{ClusterDescription, Configs, GroupDescription, ImageDescription};
pub use job::{AutoCluster, Command, Dag, JobDescription, Notification, OnBehalf, Parameters, Sent, TaskDescription, Topic};
pub use mounts::{MountEntry, Mounts};
pub use parse::parse;
pub use problems::{Problem, Problems};
