//! Submitting.

use super::{
    PRINT_BODY,
    change_clusters::{
        CIDR, DISK, ENDPOINT, ENV, EVENTS, LOCALE, LOCK, MOUNT, NAS_GROUP, NAS_SYSTEM, NO_CACHE, RESOURCE_TYPE, SPOT, TOPIC, USER_DATA, VPC,
    },
};
use crate::{
    commands::{asub, check, submit},
    grammar::{Command, Heading, command, hidden, switch, value},
};

pub const SUBMIT: Command = Command {
    takes: &["cmd", "job_name"],
    examples: &[
        "sub \"echo 'hello'\" -n 3 -f",
        "sub \"echo 'hello'\" -c img=img-xxxxxx:type=ecs.sn1ne.large",
        "sub \"python main.py arg1\" my_job -c cls-xxxxxx -p ./my_program/",
        "sub \"python /home/in/main.py\" -m oss://my-bucket/in/:/home/in/ -w oss://my-bucket/out/:/home/out/",
        "sub \"python main.py\" --docker myubuntu@oss://my-bucket/dockers/ -p main.py,lib.py",
        "sub --file job.cfg",
        "sub --file job.cfg --show_dag",
    ],
    flags: &[
        value("-d", "--description", "description", "what it is", "描述"),
        value(
            "-c",
            "--cluster",
            "cluster",
            "a cluster's id, or img=<image>:type=<instance type>",
            "集群 id, 或 img=<镜像>:type=<实例类型>",
        ),
        value("-i", "--image", "imageId", "image", "镜像"),
        value("-t", "--type", "instance_type", "instance type", "实例类型"),
        value("-n", "--nodes", "instance_count", "how many instances, 1 unless said", "实例数, 默认 1"),
        value("", "--timeout", "seconds", "how long an instance may run, 86400 unless said", "单个实例的超时(秒), 默认 86400"),
        value("", "--priority", "priority", "0 to 1000, larger goes first; 1 unless said", "0 至 1000, 大者优先, 默认 1"),
        value("-p", "--pack", "paths", "a folder, a file or files a,b: packed and uploaded", "打包上传的目录, 文件或多个文件 a,b"),
        switch("-f", "--force", "go on when an instance fails", "实例失败时作业继续"),
        switch("", "--auto_release", "delete the job when it has finished", "成功后自动删除作业"),
        switch("", "--reserve_on_fail", "keep the nodes when the job fails", "失败时保留节点"),
        ENV,
        USER_DATA,
        MOUNT,
        value("-r", "--read_mount", "mounts", "as --mount", "同 --mount"),
        value("-w", "--write_mount", "pairs", "<oss path>:<local path>,... uploaded at the end", "<OSS 路径>:<本地路径>,... 结束时上传"),
        value("", "--log_mapping", "pairs", "<oss folder>:<local file>,... uploaded while it runs", "<OSS 目录>:<本地文件>,... 运行中上传"),
        value(
            "",
            "--docker",
            "docker",
            "<image>@oss://<path of the images>, or an image of a registry",
            "<镜像>@oss://<镜像仓库路径>, 或 registry 镜像",
        ),
        DISK,
        RESOURCE_TYPE,
        SPOT,
        LOCK,
        LOCALE,
        NAS_GROUP,
        NAS_SYSTEM,
        NO_CACHE,
        ENDPOINT,
        TOPIC,
        EVENTS,
        CIDR,
        VPC,
        value("", "--file", "file", "tasks from a job.cfg; options here count more", "从 job.cfg 读取任务; 命令行参数优先"),
        PRINT_BODY,
        switch("", "--show_dag", "draw the tasks and do nothing", "只画出任务依赖图, 不执行"),
    ],
    run: submit::submit,
    ..command("submit", &["sub"], Heading::Quick, "submit a command as a job, or the tasks of a file", "快速提交作业")
};

pub const ASUB: Command = Command {
    needs: &["app_name"],
    takes: &["job_name"],
    examples: &[
        "asub my_app -h",
        "asub my_app my_job --input_<key> <value> --output_<key> <value>",
        "asub :cromwell my_job --input_from_file_WDL echo.wdl --input_WORKING_DIR oss://my-bucket/tree/ --output_OUTPUTS_DIR oss://my-bucket/out/",
    ],
    flags: &[
        value("", "--description", "description", "what it is", "描述"),
        value("-r", "--resource_type", "resource_type", "OnDemand or Spot", "OnDemand 或 Spot"),
        value("-t", "--type", "instance_type", "instance type", "实例类型"),
        value("-n", "--nodes", "instance_count", "how many instances", "实例数"),
        value("", "--min_disk_size", "GB", "smallest system disk", "系统盘最小容量(GB)"),
        value("-d", "--disk_type", "disk_type", "kind of the system disk", "系统盘类型"),
        value("", "--max_retry_count", "count", "how often an instance is tried again", "实例重试次数"),
        value("", "--timeout", "seconds", "how long an instance may run", "单个实例的超时(秒)"),
        hidden(value("", "--config", "config", "further settings, k=v,k2=v2", "其他设置, k=v,k2=v2")),
        PRINT_BODY,
    ],
    run: asub::asub,
    ..command(
        "asub",
        &[],
        Heading::Quick,
        "submit a job of an app; `asub <app> -h` shows its parameters",
        "提交 App 作业; `asub <app> -h` 查看其参数",
    )
};

pub const CHECK: Command = Command {
    needs: &["jobId|No."],
    examples: &["check <jobId>", "ch 2"],
    run: check::check,
    ..command("check", &["ch"], Heading::Quick, "show why a job failed, and what a workflow cost", "检查作业状态与失败原因")
};
