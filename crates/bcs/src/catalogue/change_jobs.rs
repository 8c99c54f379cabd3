//! Changing jobs.

use super::{PRINT_BODY, YES};
use crate::{
    commands::job_change,
    grammar::{Command, Heading, command, value},
};

pub const CREATE_JOB: Command = Command {
    takes: &["jsonString"],
    examples: &["cj '{\"Name\": ...}'", "cj -f job.json"],
    flags: &[value("-f", "--filePath", "filePath", "take the description from a file", "从文件读取作业描述"), PRINT_BODY],
    run: job_change::create,
    ..command("create_job", &["cj"], Heading::Change, "create a job from its description in JSON", "用 JSON 描述创建作业")
};

pub const RESTART_JOB: Command = Command {
    needs: &["jobId"],
    examples: &["rj job-xxxxxx", "rj job-a,job-b -y"],
    flags: &[YES],
    run: job_change::restart,
    ..command("restart_job", &["rj"], Heading::Change, "start jobs again that were stopped or failed", "重启作业, 支持多个")
};

pub const STOP_JOB: Command = Command {
    needs: &["jobId"],
    examples: &["sj job-xxxxxx", "sj job-a,job-b -y"],
    flags: &[YES],
    run: job_change::stop,
    ..command("stop_job", &["sj"], Heading::Change, "stop jobs", "停止作业, 支持多个")
};

pub const DELETE_JOB: Command = Command {
    needs: &["jobId"],
    examples: &["dj job-xxxxxx", "dj job-a,job-b -y"],
    flags: &[YES],
    run: job_change::delete,
    ..command("delete_job", &["dj"], Heading::Change, "stop and delete jobs", "停止并删除作业, 支持多个")
};

pub const UPDATE_JOB: Command = Command {
    needs: &["jobId"],
    examples: &["uj job-xxxxxx -p 10"],
    flags: &[value("-p", "--priority", "priority", "1 to 1000, larger goes first", "1 至 1000, 大者优先"), YES],
    run: job_change::update,
    ..command("update_job", &["uj"], Heading::Change, "change the priority of a stopped job", "修改已停止作业的优先级")
};
