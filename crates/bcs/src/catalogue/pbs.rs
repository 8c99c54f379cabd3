//! Words of the Portable Batch System.

use super::PRINT_BODY;
use crate::{
    commands::{qstat, qsub},
    grammar::{Command, Flag, Heading, command, hidden, switch, value},
};

/// Options that are accepted and mean nothing here.
const fn ignored(short: &'static str, long: &'static str) -> Flag<'static> {
    hidden(value(short, long, "value", "accepted, means nothing here", "接受但不起作用"))
}

/// See [`ignored`].
const fn ignored_switch(short: &'static str, long: &'static str) -> Flag<'static> {
    hidden(switch(short, long, "accepted, means nothing here", "接受但不起作用"))
}

pub const QSUB: Command = Command {
    hidden: true,
    needs: &["script_name"],
    examples: &["qsub -l select=2:ncpus=2:mem=4gb,walltime=1:00:00 -N my_job run.pbs"],
    flags: &[
        value("-d", "--work_path", "work_path", "working directory", "工作目录"),
        value("-e", "--stderr_path", "stderr_path", "file for standard error", "标准错误文件"),
        value("-j", "--join", "join", "oe, eo or n: join standard output and error", "oe, eo 或 n: 合并输出"),
        value("-l", "--resource_list", "resource_list", "resources", "资源"),
        value("-N", "--job_name", "job_name", "name", "作业名"),
        value("-o", "--stdout_path", "stdout_path", "file for standard output", "标准输出文件"),
        switch("-V", "--env", "pass on the whole environment", "传递全部环境变量"),
        PRINT_BODY,
        hidden(switch("", "--show_opt", "print what was understood and do nothing", "只打印解析结果")),
        ignored_switch("-z", "--zz"),
        ignored_switch("-X", "--XX"),
        ignored_switch("-x", "--xx"),
        ignored("-W", "--additional_attributes"),
        ignored("-w", "--wpath"),
        ignored("-v", "--variable_list"),
        ignored("-u", "--user_list"),
        ignored("-T", "--prescript"),
        ignored("-t", "--array_request"),
        ignored("-S", "--path_list"),
        ignored("-r", "--rerunable"),
        ignored("-q", "--queue"),
        ignored("-P", "--proxy_user"),
        ignored("-p", "--priority"),
        ignored("-M", "--mail_user_list"),
        ignored("-m", "--mail_options"),
        ignored("-k", "--keep"),
        ignored_switch("-I", "--interactively"),
        ignored_switch("-f", "--ff"),
        ignored("-D", "--root_path"),
        ignored_switch("-C", "--directive_prefix"),
        ignored_switch("-c", "--checkpoint_options"),
        ignored("-b", "--seconds"),
        ignored("-A", "--account_string"),
        ignored("-a", "--date_time"),
    ],
    run: qsub::qsub,
    ..command("qsub", &[], Heading::Pbs, "submit a script", "提交脚本")
};

pub const QSTAT: Command = Command {
    hidden: true,
    takes: &["jobId"],
    examples: &["qstat", "qstat -a", "qstat -i", "qstat -r", "qstat -u user1,user2", "qstat -f 9237182319912.console"],
    flags: &[
        value("-f", "--for_job_id", "jobId", "show one job", "查看作业详情"),
        switch("-a", "--all", "all states", "所有状态"),
        switch("-i", "--waiting", "only waiting ones", "只看等待中的作业"),
        switch("-r", "--running", "only running ones", "只看运行中的作业"),
        value("-u", "--user_list", "users", "only jobs of these, a,b", "只看这些用户的作业, a,b"),
        hidden(value("-j", "--job_id", "jobId", "show one job", "查看作业详情")),
        ignored("-n", "--nodes"),
        ignored_switch("-s", "--ss"),
        ignored_switch("-R", "--RR"),
        ignored_switch("-Q", "--QQ"),
        ignored_switch("-q", "--qq"),
        ignored_switch("-B", "--PBS"),
        ignored_switch("-x", "--xx"),
        ignored_switch("-l", "--ll"),
        ignored("-t", "--tt"),
        ignored("-m", "--mm"),
        ignored("-g", "--gg"),
        ignored_switch("-e", "--ee"),
    ],
    run: qstat::qstat,
    ..command("qstat", &[], Heading::Pbs, "list jobs of qsub", "查看 qsub 作业")
};

pub const QDEL: Command = Command {
    hidden: true,
    needs: &["job_id"],
    examples: &["qdel 9237182319912.console"],
    flags: &[ignored("-W", "--wait")],
    run: qstat::qdel,
    ..command("qdel", &[], Heading::Pbs, "stop and delete a job", "停止并删除作业")
};

pub const QHOST: Command = Command {
    hidden: true,
    run: qstat::qhost,
    ..command("qhost", &[], Heading::Pbs, "list groups of nodes of all clusters", "查看所有集群的节点组")
};
