//! The table of all commands.

mod change_apps;
mod change_clusters;
mod change_jobs;
mod config;
mod oss;
mod pbs;
mod project;
mod query;
mod quick;

use crate::grammar::{Command, Flag, Heading, command, hidden, switch};

/// The program.
pub const TOP: Command = Command {
    commands: &[
        &config::LOGIN,
        &config::LOGOUT,
        &config::CONFIG,
        &config::INFO,
        &config::COMPLETION,
        &query::RESOURCE_TYPE,
        &query::INSTANCE_TYPE,
        &query::DISK_TYPE,
        &query::EVENT,
        &query::IMAGE,
        &query::APP,
        &query::CLUSTER,
        &query::JOB,
        &query::LOG,
        &change_clusters::CREATE_IMAGE,
        &change_clusters::DELETE_IMAGE,
        &change_clusters::CREATE_CLUSTER,
        &change_clusters::DELETE_CLUSTER,
        &change_clusters::UPDATE_CLUSTER,
        &change_clusters::RECREATE_INSTANCE,
        &change_clusters::DELETE_INSTANCE,
        &change_apps::CREATE_APP,
        &change_apps::UPDATE_APP,
        &change_apps::DELETE_APP,
        &change_jobs::CREATE_JOB,
        &change_jobs::RESTART_JOB,
        &change_jobs::STOP_JOB,
        &change_jobs::DELETE_JOB,
        &change_jobs::UPDATE_JOB,
        &quick::SUBMIT,
        &quick::ASUB,
        &oss::OSS,
        &quick::CHECK,
        &project::GEN,
        &project::PROJECT,
        &pbs::QSUB,
        &pbs::QSTAT,
        &pbs::QDEL,
        &pbs::QHOST,
    ],
    ..command("batchcompute", &["bcs"], Heading::None, "AliCloud BatchCompute CLI", "批量计算命令行工具")
};

/// `-y`.
const YES: Flag<'static> = switch("-y", "--yes", "do not ask", "不再询问, 直接执行");
/// `--show_json` of commands that create: only print the body.
const PRINT_BODY: Flag<'static> = switch("", "--show_json", "print the request's body and do nothing", "只打印请求内容, 不执行");
/// `--show_json` of commands that show.
const SHOW_JSON: Flag<'static> = hidden(switch("", "--show_json", "print JSON", "以 JSON 显示"));
