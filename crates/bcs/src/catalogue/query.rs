//! Looking.

use super::SHOW_JSON;
use crate::{
    commands::{app, cluster, image, job, kinds, log},
    grammar::{Command, Heading, command, switch, value},
};

pub const RESOURCE_TYPE: Command = Command {
    flags: &[SHOW_JSON],
    run: kinds::resource_types,
    ..command("resource_type", &["rt", "r"], Heading::Query, "list resource types", "查看可用的资源类型")
};

pub const INSTANCE_TYPE: Command = Command {
    flags: &[SHOW_JSON],
    run: kinds::instance_types,
    ..command("instance_type", &["it", "t"], Heading::Query, "list instance types", "查看可用的实例类型")
};

pub const DISK_TYPE: Command = Command {
    flags: &[SHOW_JSON],
    run: kinds::disk_types,
    ..command("disk_type", &["d"], Heading::Query, "list disk types", "查看可用的磁盘类型")
};

pub const EVENT: Command = Command {
    flags: &[SHOW_JSON],
    run: kinds::events,
    ..command("event", &["e"], Heading::Query, "list events of clusters and jobs", "查看集群与作业的事件")
};

pub const IMAGE: Command = Command {
    takes: &["imageId|No."],
    examples: &["i", "i img-xxxxxx", "i 1"],
    flags: &[switch("-d", "--description", "print JSON", "以 JSON 显示描述"), SHOW_JSON],
    run: image::show,
    ..command("image", &["img", "i"], Heading::Query, "list images, show one", "查看镜像列表或详情")
};

pub const APP: Command = Command {
    takes: &["appName|No.", "revision"],
    examples: &["a", "a :cromwell", "a 1", "a my_app 0"],
    flags: &[switch("-d", "--description", "print JSON", "以 JSON 显示描述"), SHOW_JSON],
    run: app::show,
    ..command("app", &["a"], Heading::Query, "list apps, show one or a revision of it", "查看 App 列表, 详情或某个版本")
};

pub const CLUSTER: Command = Command {
    takes: &["clusterId|No.", "groupName|No."],
    examples: &["c", "c cls-xxxxxx", "c 1 -l", "c 1 group"],
    flags: &[
        switch("-d", "--description", "print JSON", "以 JSON 显示描述"),
        switch("-l", "--log", "show the operation log too", "同时显示操作日志"),
        SHOW_JSON,
    ],
    run: cluster::show,
    ..command("cluster", &["c"], Heading::Query, "list clusters, show one or a group of it", "查看集群列表, 详情或某个组")
};

pub const JOB: Command = Command {
    takes: &["jobId|No.", "taskName|No.", "instanceId"],
    examples: &[
        "j",
        "j -t 50",
        "j -a -s Running,Waiting",
        "j -n abc",
        "j <jobId>",
        "j 1",
        "j 1 --follow",
        "j <jobId> <taskName>",
        "j 1 1 0",
    ],
    flags: &[
        value("-t", "--top", "num", "how many jobs are listed, 10 unless said", "显示的作业数, 默认 10"),
        switch("-a", "--all", "list all jobs", "显示所有作业"),
        value(
            "-s",
            "--state",
            "state",
            "only these states: Running,Stopped,Waiting,Finished,Failed",
            "只显示这些状态: Running,Stopped,Waiting,Finished,Failed",
        ),
        value("-i", "--id", "jobId", "only ids that contain this", "只显示 id 包含此文本的作业"),
        value("-n", "--name", "jobName", "only names that contain this", "只显示名称包含此文本的作业"),
        switch("-d", "--description", "print the description as JSON", "以 JSON 显示描述"),
        switch(
            "-f",
            "--follow",
            "stay until the job ends and show what changes; the exit status tells how it ended",
            "持续显示直到作业结束; 退出码反映作业结果",
        ),
        value("", "--interval", "seconds", "pause between two looks when following, 2 unless said", "持续显示时的刷新间隔(秒), 默认 2"),
        SHOW_JSON,
    ],
    run: job::show,
    ..command("job", &["j"], Heading::Query, "list jobs, show a job, a task or an instance", "查看作业列表, 作业, 任务或实例详情")
};

pub const LOG: Command = Command {
    needs: &["jobId|No."],
    takes: &["taskName|No.", "instanceId"],
    examples: &["log <jobId>", "log <jobId> -e", "log <jobId> --follow", "log <jobId> <taskName> 0 -d ./logs/", "log 1 1 0"],
    flags: &[
        value("-d", "--dir_path", "dir_path", "save the logs in this folder instead of printing them", "将日志保存到此目录, 而不是打印"),
        switch("-e", "--stderr", "only standard error", "只看标准错误"),
        switch("-o", "--stdout", "only standard output", "只看标准输出"),
        switch("-m", "--log_mapping", "only files of LogMapping", "只看 LogMapping 的文件"),
        switch("-f", "--follow", "print what is added until the job ends", "持续打印新增内容直到作业结束"),
        value("", "--interval", "seconds", "pause between two looks when following, 2 unless said", "持续打印时的间隔(秒), 默认 2"),
    ],
    run: log::log,
    ..command("log", &["l"], Heading::Query, "print or save the logs of a job, a task or an instance", "打印或保存作业, 任务或实例的日志")
};
