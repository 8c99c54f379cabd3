//! Changing apps.

use super::{PRINT_BODY, YES, change_clusters::ENV};
use crate::{
    commands::app_change,
    grammar::{Command, Flag, Heading, command, switch, value},
};

const DOCKER: Flag<'static> = value(
    "",
    "--docker",
    "docker",
    "<image>@oss://<path of the images>, or an image of a registry",
    "<镜像>@oss://<镜像仓库路径>, 或 registry 镜像",
);
const IMAGE: Flag<'static> = value("-i", "--image", "image", "image of a virtual machine, m-...", "虚拟机镜像, m-...");

pub const CREATE_APP: Command = Command {
    takes: &["app_name", "cmd"],
    examples: &[
        "ca my_app \"echo 'hello'\" --docker myubuntu@oss://my-bucket/dockers/",
        "ca my_app \"echo 'hello'\" -i m-xxxx -e a:1,b:2",
        "ca my_app \"echo 'hello'\" -t ecs.sn1ne.large:true",
        "ca my_app \"cp ${in} ${out}\" --inputs in:String:/home/in/ --outputs out:String:/home/out/",
        "ca --file app.json",
    ],
    flags: &[
        DOCKER,
        value(
            "",
            "--file",
            "file",
            "take the description from a JSON file; what else is given counts more",
            "从 JSON 文件读取描述; 命令行参数优先",
        ),
        IMAGE,
        ENV,
        value("-r", "--resource_type", "resource_type", "default[:overwritable][:description]", "默认值[:可覆盖][:描述]"),
        value("-t", "--type", "instance_type", "default[:overwritable][:description]", "默认值[:可覆盖][:描述]"),
        value("-n", "--nodes", "instance_count", "default[:overwritable][:description]", "默认值[:可覆盖][:描述]"),
        value("", "--min_disk_size", "min_disk_size", "default[:overwritable][:description]", "默认值[:可覆盖][:描述]"),
        value("-d", "--disk_type", "disk_type", "default[:overwritable][:description]", "默认值[:可覆盖][:描述]"),
        value("", "--max_retry_count", "max_retry_count", "default[:overwritable][:description]", "默认值[:可覆盖][:描述]"),
        value("", "--timeout", "timeout", "default[:overwritable][:description], in seconds", "默认值[:可覆盖][:描述], 单位秒"),
        value(
            "",
            "--inputs",
            "input_params",
            "name[:type][:path][:description][:default],...",
            "名称[:类型][:本地路径][:描述][:默认值],...",
        ),
        value("", "--outputs", "output_params", "name[:type][:path][:description],...", "名称[:类型][:本地路径][:描述],..."),
        switch("", "--daemonize", "start it once and feed it requests", "常驻运行"),
        value("", "--description", "description", "what it does", "描述"),
        PRINT_BODY,
    ],
    run: app_change::create,
    ..command("create_app", &["ca"], Heading::Change, "create an app", "创建 App")
};

pub const UPDATE_APP: Command = Command {
    needs: &["app_name"],
    takes: &["cmd"],
    examples: &[
        "ua my_app \"echo 'hello2'\"",
        "ua my_app --docker myubuntu@oss://my-bucket/dockers/",
        "ua my_app -e a:1,b:2 --daemonize true",
    ],
    flags: &[
        DOCKER,
        IMAGE,
        ENV,
        value("", "--daemonize", "daemonize", "true or false", "true 或 false"),
        value("", "--description", "description", "what it does", "描述"),
        YES,
        PRINT_BODY,
    ],
    run: app_change::update,
    ..command("update_app", &["ua"], Heading::Change, "change an app; makes a new revision", "修改 App, 生成新版本")
};

pub const DELETE_APP: Command = Command {
    needs: &["app_name"],
    takes: &["revision"],
    examples: &["da my_app,other_app", "da my_app 1"],
    flags: &[YES],
    run: app_change::delete,
    ..command("delete_app", &["da"], Heading::Change, "delete apps, or one revision of an app", "删除 App, 或其某个版本")
};
