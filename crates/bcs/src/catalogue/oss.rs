//! The object store.

use super::YES;
use crate::{
    commands::oss,
    grammar::{Command, Heading, command, switch, value},
};

pub const OSS: Command = Command {
    commands: &[&LOGIN, &LOGOUT, &PWD, &LS, &CAT, &COPY, &UPLOAD, &DOWNLOAD, &DELETE, &MAKE_BUCKET, &REMOVE_BUCKET],
    ..command("oss", &["o"], Heading::Quick, "the object store: upload, download, ls ...", "对象存储: 上传, 下载, 列目录等")
};

const LOGIN: Command = Command {
    hidden: true,
    needs: &["region"],
    takes: &["accessKeyId", "accessKeySecret"],
    examples: &["o login cn-qingdao <accessKeyId> <accessKeySecret>"],
    run: oss::login,
    ..command("login", &[], Heading::None, "another access key for the object store", "为对象存储设置单独的 AccessKey")
};

const LOGOUT: Command = Command {
    hidden: true,
    run: oss::logout,
    ..command("logout", &[], Heading::None, "forget it, and the default path", "清除单独的 AccessKey 与默认路径")
};

const PWD: Command = Command { run: oss::pwd, ..command("pwd", &[], Heading::None, "show the default path", "显示默认路径") };

const LS: Command = Command {
    takes: &["osspath"],
    examples: &["o ls", "o ls oss://my-bucket/abc/", "o ls abc/"],
    flags: &[
        value("-t", "--top", "num", "show so many", "显示的条数"),
        value("-n", "--name", "name", "only names that contain this", "只显示名称包含此文本的条目"),
    ],
    run: oss::ls,
    ..command("ls", &[], Heading::None, "list a folder", "列出目录")
};

const CAT: Command = Command {
    needs: &["osspath"],
    many: true,
    examples: &["o cat oss://my-bucket/a/b.txt", "o cat a.txt b.txt", "o cat a.txt -r 100:1024"],
    flags: &[value("-r", "--byte_range", "range", "from:to in bytes, or the last byte", "字节范围 from:to, 或结束位置")],
    run: oss::cat,
    ..command("cat", &[], Heading::None, "print files", "打印文件内容")
};

const COPY: Command = Command {
    needs: &["source", "target"],
    examples: &["o cp oss://my-bucket/a/b.txt oss://my-bucket/c/", "o cp b.txt d.txt", "o cp a/ cn-hangzhou#oss://bucket2/c/"],
    run: oss::copy,
    ..command("copy", &["cp"], Heading::None, "copy a file, or everything in a folder", "复制文件或目录")
};

const UPLOAD: Command = Command {
    needs: &["localpath"],
    takes: &["osspath"],
    examples: &["o up ./worker.tar.gz oss://my-bucket/abc/worker.tar.gz", "o up ./abc/ oss://my-bucket/abc/"],
    flags: &[switch("-p", "--use_put_object", "in one request, whatever the size", "无论大小都用一次请求上传")],
    run: oss::upload,
    ..command(
        "upload",
        &["up"],
        Heading::None,
        "upload a file or a folder; goes on where it was interrupted",
        "上传文件或目录, 支持断点续传",
    )
};

const DOWNLOAD: Command = Command {
    needs: &["osspath"],
    takes: &["localpath"],
    examples: &["o down oss://my-bucket/abc/worker.tar.gz", "o down oss://my-bucket/abc/ ./abc/"],
    run: oss::download,
    ..command(
        "download",
        &["down"],
        Heading::None,
        "download a file or a folder; goes on where it was interrupted",
        "下载文件或目录, 支持断点续传",
    )
};

const DELETE: Command = Command {
    needs: &["osspath"],
    examples: &["o del oss://my-bucket/abc/worker.tar.gz", "o del oss://my-bucket/abc/"],
    flags: &[YES],
    run: oss::delete,
    ..command("delete", &["del"], Heading::None, "delete everything that begins with the path", "删除以此路径开头的所有文件")
};

const MAKE_BUCKET: Command = Command {
    needs: &["bucket"],
    examples: &["o mb oss://my-bucket"],
    run: oss::make_bucket,
    ..command("mb", &[], Heading::None, "make a bucket", "创建存储空间")
};

const REMOVE_BUCKET: Command = Command {
    needs: &["bucket"],
    examples: &["o rb oss://my-bucket"],
    flags: &[YES],
    run: oss::remove_bucket,
    ..command("rb", &[], Heading::None, "remove an empty bucket", "删除空的存储空间")
};
