//! Who we are and where the service is.

use crate::{
    commands::{completion, login, settings},
    grammar::{Command, Heading, command, hidden, value},
};

pub const LOGIN: Command = Command {
    needs: &["region"],
    takes: &["accessKeyId", "accessKeySecret"],
    examples: &[
        "login cn-qingdao <accessKeyId> <accessKeySecret>",
        "login cn-qingdao",
        "login local --endpoint http://127.0.0.1:8001 --oss-endpoint http://127.0.0.1:8002",
    ],
    run: login::login,
    ..command("login", &[], Heading::Config, "remember region and access key, after trying them", "登录: 验证并保存区域与 AccessKey")
};

pub const LOGOUT: Command = Command {
    run: login::logout,
    ..command("logout", &[], Heading::Config, "forget access key and all settings", "登出: 清除本地保存的 AccessKey 与配置")
};

pub const CONFIG: Command = Command {
    examples: &[
        "config",
        "set -r cn-qingdao -o oss://my-bucket/bcscli/ -l zh_CN",
        "set -i img-xxxxxx -t ecs.sn1ne.large",
        "set --vpc_cidr_block 192.168.0.0/16",
        "set --endpoint http://127.0.0.1:8001 --oss-endpoint http://127.0.0.1:8002",
    ],
    flags: &[
        value("-r", "--region", "region", "region", "区域"),
        value("-o", "--osspath", "osspath", "default path of the object store, for packages and logs", "默认的 OSS 路径, 存放程序包和日志"),
        value("-l", "--locale", "locale", "language of help: en, zh, zh_CN", "帮助语言: en, zh, zh_CN"),
        value("-i", "--image", "imageId", "default image", "默认镜像"),
        value("-t", "--type", "instance_type", "default instance type", "默认实例类型"),
        hidden(value("-s", "--ssl", "ssl", "false: plain HTTP; anything else: HTTPS", "false: 使用 HTTP; 其他: 使用 HTTPS")),
        hidden(value("-v", "--version", "version", "version of the interface", "API 版本")),
        hidden(value("-u", "--qsubuser", "qsubuser", "name of the owner of qsub jobs", "qsub 作业的用户名")),
        value(
            "",
            "--vpc_cidr_block",
            "vpc_cidr_block",
            "default address range of private networks, such as 192.168.0.0/16",
            "默认的专有网络网段, 例如 192.168.0.0/16",
        ),
        hidden(value(
            "-g",
            "--god",
            "god",
            "show hidden commands, accept numbers where things are changed",
            "显示隐藏命令, 修改类命令也接受序号",
        )),
        value("", "--networktype", "networktype", "Public, or VPC for machines inside the cloud", "Public, 或 VPC (云内机器)"),
        hidden(value("", "--verify", "verify", "false: accept any TLS certificate", "false: 不校验 TLS 证书")),
    ],
    run: settings::config,
    ..command(
        "config",
        &["me", "set"],
        Heading::Config,
        "show and change settings; the value `false` removes one",
        "查看与修改配置; 值为 false 表示删除该项",
    )
};

pub const INFO: Command =
    Command { hidden: true, run: settings::info, ..command("info", &["about"], Heading::Config, "show the version", "显示版本") };

pub const COMPLETION: Command = Command {
    needs: &["shell"],
    examples: &["completion bash > /etc/bash_completion.d/bcs", "completion zsh", "completion fish"],
    run: completion::completion,
    ..command("completion", &[], Heading::Config, "print a completion script for bash, zsh or fish", "输出 bash, zsh 或 fish 的补全脚本")
};
