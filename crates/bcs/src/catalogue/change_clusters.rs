//! Changing images and clusters.

use super::{PRINT_BODY, YES};
use crate::{
    commands::{cluster_change, image},
    grammar::{Command, Flag, Heading, command, hidden, switch, value},
};

pub(super) const NODES: &str = "--nodes";
pub(super) const ENV: Flag<'static> = value("-e", "--env", "kv_pairs", "environment variables, k:v,k2:v2", "环境变量, k:v,k2:v2");
pub(super) const USER_DATA: Flag<'static> = value("-u", "--user_data", "kv_pairs", "user data, k:v,k2:v2", "用户数据, k:v,k2:v2");
pub(super) const MOUNT: Flag<'static> = value(
    "-m",
    "--mount",
    "mounts",
    "<source>:<destination>[:true|false],... with oss:// or nas:// sources; other schemes with `:::`",
    "挂载 <源>:<目标>[:true|false],... 源为 oss:// 或 nas://; 其他协议用 `:::` 分隔",
);
pub(super) const DISK: Flag<'static> = value(
    "",
    "--disk",
    "disks",
    "system:<type|default>:<GB>,data:<type|default>:<GB>:<mount point>",
    "system:<类型|default>:<GB>,data:<类型|default>:<GB>:<挂载点>",
);
pub(super) const RESOURCE_TYPE: Flag<'static> = value("", "--resource_type", "resource_type", "OnDemand or Spot", "OnDemand 或 Spot");
pub(super) const SPOT: Flag<'static> = value(
    "",
    "--spot_price_limit",
    "price",
    "highest price of a Spot instance an hour; 0 lets the system bid",
    "竞价实例每小时最高价; 0 表示系统自动出价",
);
pub(super) const NAS_GROUP: Flag<'static> = value("", "--nas_access_group", "groups", "access groups of NAS, a,b", "NAS 权限组, a,b");
pub(super) const NAS_SYSTEM: Flag<'static> = value("", "--nas_file_system", "systems", "file systems of NAS, a,b", "NAS 文件系统, a,b");
pub(super) const ENDPOINT: Flag<'static> = value("", "--notification_endpoint", "url", "where notifications go", "消息通知的 endpoint");
pub(super) const TOPIC: Flag<'static> = value("", "--notification_topic", "topic", "topic of notifications", "消息通知的主题");
pub(super) const EVENTS: Flag<'static> =
    value("", "--notification_events", "events", "events to tell, a,b; see `bcs e`", "通知的事件, a,b; 见 `bcs e`");
pub(super) const LOCALE: Flag<'static> =
    value("", "--locale", "locale", "character set of mounts, GBK unless said", "挂载的字符集, 默认 GBK");
pub(super) const LOCK: Flag<'static> = switch("", "--lock", "network file locks on mounts", "挂载支持网络文件锁");
pub(super) const NO_CACHE: Flag<'static> = switch("", "--no_cache_support", "do not cache mounts", "挂载不使用缓存");
pub(super) const CIDR: Flag<'static> =
    value("", "--vpc_cidr_block", "cidr", "address range of the private network; `false`: none", "专有网络网段; false 表示不使用");
pub(super) const VPC: Flag<'static> =
    value("", "--vpc_id", "vpc_id", "private network; needs its address range", "专有网络 id; 须同时指定网段");

pub const CREATE_IMAGE: Command = Command {
    needs: &["imageName", "ecsImageId"],
    examples: &["ci my_image m-xxxxxx", "ci my_image m-xxxxxx -p windows -d 'what it is'"],
    flags: &[
        value("-p", "--platform", "platform", "linux or windows; Linux unless said", "linux 或 windows, 默认 Linux"),
        value("-d", "--description", "description", "what it is", "描述"),
        PRINT_BODY,
    ],
    run: image::create,
    ..command("create_image", &["ci"], Heading::Change, "register an image", "注册镜像")
};

pub const DELETE_IMAGE: Command = Command {
    needs: &["imageId"],
    examples: &["di img-xxxxxx", "di img-a,img-b -y"],
    flags: &[YES],
    run: image::delete,
    ..command("delete_image", &["di"], Heading::Change, "unregister images", "删除镜像, 支持多个")
};

pub const CREATE_CLUSTER: Command = Command {
    takes: &["clusterName"],
    examples: &[
        "cc cluster1",
        "cc cluster2 -n 3 -i img-xxxxxx -t ecs.sn1ne.large -u key:value",
        "cc cluster3 --resource_type Spot --spot_price_limit 0.5",
        "cc cluster4 -m oss://my-bucket/in/:/home/in/ --disk system:default:40",
    ],
    flags: &[
        value("-i", "--image", "imageId", "image", "镜像"),
        value("-t", "--type", "instanceType", "instance type", "实例类型"),
        value("-n", NODES, "instanceCount", "how many nodes, 1 unless said", "节点数, 默认 1"),
        value("-d", "--description", "description", "what it is for", "描述"),
        USER_DATA,
        ENV,
        DISK,
        RESOURCE_TYPE,
        SPOT,
        MOUNT,
        NAS_GROUP,
        NAS_SYSTEM,
        ENDPOINT,
        TOPIC,
        EVENTS,
        LOCALE,
        LOCK,
        NO_CACHE,
        value("", "--cache_block_size", "bytes", "block of the cache of mounts", "挂载缓存的块大小"),
        value("", "--cache_total_size", "bytes", "size of the cache of mounts", "挂载缓存的总大小"),
        value("", "--refresh_time_out", "seconds", "how long listings of mounts are kept", "挂载目录信息的刷新时间"),
        switch("", "--nas_meta_cache", "cache metadata of NAS", "缓存 NAS 元数据"),
        CIDR,
        VPC,
        hidden(value("-f", "--file_path", "file", "take the whole description from a JSON file", "从 JSON 文件读取完整描述")),
        hidden(value("", "--schedule_type", "schedule_type", "LowLatency, Poll or Push", "LowLatency, Poll 或 Push")),
        PRINT_BODY,
    ],
    run: cluster_change::create,
    ..command("create_cluster", &["cc"], Heading::Change, "create a cluster", "创建集群")
};

pub const DELETE_CLUSTER: Command = Command {
    needs: &["clusterId"],
    examples: &["dc cls-xxxxxx", "dc cls-a,cls-b -y"],
    flags: &[YES],
    run: cluster_change::delete,
    ..command("delete_cluster", &["dc"], Heading::Change, "delete clusters", "删除集群, 支持多个")
};

pub const UPDATE_CLUSTER: Command = Command {
    needs: &["clusterId"],
    takes: &["groupName"],
    examples: &["uc cls-xxxxxx group -n 2", "uc cls-xxxxxx -n 2"],
    flags: &[
        YES,
        value("-n", NODES, "desiredVMCount", "how many nodes", "期望的节点数"),
        MOUNT,
        value("-i", "--image", "imageId", "image of nodes to come", "之后新建节点的镜像"),
        value("-t", "--type", "instanceType", "instance type of nodes to come", "之后新建节点的实例类型"),
        USER_DATA,
        ENV,
        SPOT,
        PRINT_BODY,
    ],
    run: cluster_change::update,
    ..command("update_cluster", &["uc"], Heading::Change, "change a cluster", "修改集群")
};

pub const RECREATE_INSTANCE: Command = Command {
    needs: &["clusterId|No.", "groupName|No.", "instanceId"],
    examples: &["rci cls-xxxxxx group ins-xxxxxx"],
    flags: &[YES],
    run: cluster_change::recreate_instances,
    ..command("recreate_cluster_instance", &["rci"], Heading::Change, "replace nodes of a cluster by fresh ones", "重建集群节点")
};

pub const DELETE_INSTANCE: Command = Command {
    needs: &["clusterId|No.", "groupName|No.", "instanceId"],
    examples: &["dci cls-xxxxxx group ins-a,ins-b"],
    flags: &[YES],
    run: cluster_change::delete_instances,
    ..command("delete_cluster_instance", &["dci"], Heading::Change, "remove nodes of a cluster", "删除集群节点")
};
