//! Projects and templates.

use super::YES;
use crate::{
    commands::{generate, project},
    grammar::{Command, Flag, Heading, Takes, command, switch, value},
};

pub const GEN: Command = Command {
    takes: &["location"],
    examples: &["gen ./demo -t python", "gen ./demo -t gatk", "gen ./demo -t gatk --source ./gatk4-data-processing/"],
    flags: &[
        Flag {
            takes: Takes::Needed("type"),
            ..value("-t", "--type", "type", "java, python, shell, empty, gatk or wdl", "java, python, shell, empty, gatk 或 wdl")
        },
        value(
            "",
            "--source",
            "source",
            "take the files of wdl and gatk from a folder, a zip or tar.gz (also by URL), or the original package",
            "wdl 与 gatk 的文件取自目录, zip 或 tar.gz (可为 URL), 或原始软件包",
        ),
        switch("", "--offline", "do not ask the service for instance types: no login is needed", "不向服务查询实例类型, 无需登录"),
    ],
    run: generate::generate,
    ..command("gen", &[], Heading::Template, "write a project to begin with", "用模板生成项目")
};

pub const PROJECT: Command = Command {
    hidden: true,
    commands: &[&CREATE, &BUILD, &SUBMIT, &STATUS, &UPDATE],
    ..command("project", &["p"], Heading::Template, "projects: a folder with job.json and src", "项目: 含 job.json 与 src 的目录")
};

const CREATE: Command = Command {
    needs: &["project_name"],
    takes: &["location"],
    examples: &["p create my_project -t python", "p create my_project -j job-xxxxxx"],
    flags: &[
        value("-t", "--type", "type", "java, python, shell or empty", "java, python, shell 或 empty"),
        value("-j", "--job", "job_id", "make it of a job and its package", "由已有作业及其程序包生成"),
    ],
    run: project::create,
    ..command("create", &[], Heading::None, "make a project", "创建项目")
};

const BUILD: Command = Command {
    run: project::build,
    ..command("build", &[], Heading::None, "build and pack it into worker.tar.gz", "构建并打包为 worker.tar.gz")
};

const SUBMIT: Command = Command {
    flags: &[YES],
    run: project::submit,
    ..command("submit", &["sub"], Heading::None, "upload the package and submit the job", "上传程序包并提交作业")
};

const STATUS: Command = Command {
    flags: &[
        value("-t", "--task", "task_name", "only this task", "只显示此任务"),
        switch("-d", "--dag_only", "only the drawn tasks", "只画出任务依赖图"),
    ],
    run: project::status,
    ..command("status", &["st"], Heading::None, "show and check the job's description", "查看并检查作业描述")
};

const UPDATE: Command = Command {
    takes: &["task_name"],
    examples: &["p update -c img=img-xxxxxx:type=ecs.sn1ne.large", "p update count -c cls-xxxxxx"],
    flags: &[
        value(
            "-c",
            "--cluster",
            "cluster",
            "a cluster's id, or img=<image>:type=<instance type>",
            "集群 id, 或 img=<镜像>:type=<实例类型>",
        ),
        value(
            "",
            "--docker",
            "docker",
            "<image>@oss://<path>, an image of a registry, or false",
            "<镜像>@oss://<路径>, registry 镜像, 或 false",
        ),
    ],
    run: project::update,
    ..command("update", &[], Heading::None, "change where tasks run", "修改任务的运行位置")
};
