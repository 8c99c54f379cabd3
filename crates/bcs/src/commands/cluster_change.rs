//! Changing clusters and their nodes.

use batchyard_model::events::CLUSTER_EVENTS;
use serde_json::{Map, Value, json};

use super::{Line, agreed, created, each, print_thing};
use crate::{
    description::{Notification, networks, spot},
    failure::Failure,
    grammar::parse::Arguments,
    notation::{
        cluster::checked_image,
        disk,
        mount::{self, Entry},
        pairs::{items, pairs},
    },
    session::{Session, read_text},
};

/// `create_cluster`.
///
/// # Errors
///
/// Options that do not fit together, or the service's.
pub fn create(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let body = match arguments.value("file_path") {
        Some(path) => {
            let path = session.path(path);
            serde_json::from_str(&read_text(&path)?).map_err(|e| Failure::told(format!("`{}` is not JSON: {e}", path.display())))?
        }
        None => described(session, arguments)?,
    };
    if arguments.has("show_json") {
        return print_thing(session, &body);
    }
    let reply = session.service()?.post(&["clusters"], Some(&body))?;
    created(session, arguments, "Cluster created", &reply)
}

fn described(session: &Session, arguments: &Arguments) -> Result<Value, Failure> {
    let text = |key: &str| arguments.filled(key);
    let image = text("image").map_or_else(|| session.config.default_image(), |i| checked_image(i).map(str::to_owned))?;
    let kind = text("type").map_or_else(|| session.config.default_type(), |t| Ok(t.to_owned()))?;
    let resource = text("resource_type").unwrap_or("OnDemand");
    let mut group = Map::new();
    group.insert("InstanceType".to_owned(), json!(kind));
    group.insert("DesiredVMCount".to_owned(), json!(text("nodes").map_or(1, |n| n.parse::<u32>().unwrap_or(0))));
    group.insert("ResourceType".to_owned(), json!(resource));
    add_spot(&mut group, text("spot_price_limit"), resource)?;
    let mut body = Map::new();
    body.insert("Name".to_owned(), json!(arguments.needed("clusterName")?));
    body.insert("ImageId".to_owned(), json!(image));
    body.insert("InstanceType".to_owned(), json!(kind));
    body.insert("Description".to_owned(), json!(text("description").unwrap_or_default()));
    if let Some(schedule) = text("schedule_type") {
        if !["LowLatency", "Poll", "Push"].contains(&schedule) {
            return Err(Failure::told("Invalid schedule_type: it is LowLatency, Poll or Push"));
        }
        body.insert("ScheduleType".to_owned(), json!(schedule));
    }
    body.insert("Groups".to_owned(), json!({"group": group}));
    body.insert("Configs".to_owned(), described_configs(session, arguments)?);
    body.insert("UserData".to_owned(), json!(text("user_data").map(pairs).unwrap_or_default()));
    body.insert("EnvVars".to_owned(), json!(text("env").map(pairs).unwrap_or_default()));
    let mut notification = Notification::default();
    notification.apply(&Line(arguments), &CLUSTER_EVENTS, "cluster")?;
    body.insert("Notification".to_owned(), json!(notification));
    body.insert("DependencyIsvService".to_owned(), json!(""));
    Ok(body.into())
}

fn described_configs(session: &Session, arguments: &Arguments) -> Result<Value, Failure> {
    let text = |key: &str| arguments.filled(key);
    let mut nas = Map::new();
    for (option, key) in [("nas_access_group", "AccessGroup"), ("nas_file_system", "FileSystem")] {
        if let Some(list) = text(option) {
            nas.insert(key.to_owned(), json!(items(list)));
        }
    }
    let mut mounts = Map::new();
    mounts.insert("NAS".to_owned(), nas.into());
    mounts.insert("Entries".to_owned(), json!(entries(text("mount"))?));
    mounts.insert("Locale".to_owned(), json!(text("locale").unwrap_or("GBK")));
    for (option, key, value) in
        [("lock", "Lock", true), ("no_cache_support", "CacheSupport", false), ("nas_meta_cache", "NasMetaCache", true)]
    {
        if arguments.has(option) {
            mounts.insert(key.to_owned(), json!(value));
        }
    }
    for (option, key) in
        [("cache_block_size", "CacheBlockSize"), ("cache_total_size", "CacheTotalSize"), ("refresh_time_out", "RefreshTimeOut")]
    {
        if let Some(number) = text(option) {
            let number: u64 = number.parse().map_err(|_| Failure::told(format!("--{option} `{number}` is not a whole number")))?;
            mounts.insert(key.to_owned(), json!(number));
        }
    }
    let disks = text("disk").map(disk::disks).transpose()?.unwrap_or_default();
    let mut configs = Map::new();
    configs.insert("Mounts".to_owned(), mounts.into());
    configs.insert("Disks".to_owned(), json!(disks));
    if let Some(networks) = networks(arguments.value("vpc_cidr_block"), text("vpc_id"), &session.config, "")? {
        configs.insert("Networks".to_owned(), json!(networks));
    }
    Ok(configs.into())
}

/// Clusters know the object store and NAS.
fn entries(mounts: Option<&str>) -> Result<Vec<Entry>, Failure> {
    let mut entries = mounts.map(mount::entries).transpose()?.unwrap_or_default();
    entries.retain(|e| e.source.starts_with("oss://") || e.source.starts_with("nas://"));
    Ok(entries)
}

fn add_spot(group: &mut Map<String, Value>, price: Option<&str>, resource: &str) -> Result<(), Failure> {
    if let Some(price) = price {
        let (strategy, limit) = spot(price, resource)?;
        if let Some(limit) = limit {
            group.insert("SpotPriceLimit".to_owned(), json!(limit));
        }
        group.insert("SpotStrategy".to_owned(), json!(strategy));
    }
    Ok(())
}

/// `update_cluster`.
///
/// # Errors
///
/// As [`create`].
pub fn update(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let id = session.id_to_change("clusters", arguments.needed("clusterId")?)?;
    let name = session.id("groups", arguments.word("groupName").unwrap_or("group"))?;
    let text = |key: &str| arguments.filled(key);
    let mut group = Map::new();
    if let Some(nodes) = text("nodes") {
        let count: u32 = nodes.parse().map_err(|_| Failure::told(format!("Invalid nodes: {nodes}")))?;
        group.insert("DesiredVMCount".to_owned(), json!(count));
    }
    add_spot(&mut group, text("spot_price_limit"), "Spot")?;
    let spot_alone: Map<String, Value> = group.iter().filter(|(k, _)| k.starts_with("Spot")).map(|(k, v)| (k.clone(), v.clone())).collect();
    if let Some(kind) = text("type") {
        group.insert("InstanceType".to_owned(), json!(kind));
    }
    let mut body = Map::new();
    body.insert("Groups".to_owned(), json!({name.clone(): group}));
    if let Some(image) = text("image") {
        body.insert("ImageId".to_owned(), json!(checked_image(image)?));
    }
    for (option, key) in [("user_data", "UserData"), ("env", "EnvVars")] {
        if let Some(list) = text(option) {
            body.insert(key.to_owned(), json!(pairs(list)));
        }
    }
    let entries = entries(text("mount"))?;
    if !entries.is_empty() {
        body.insert("Configs".to_owned(), json!({"Mounts": {"Entries": entries}}));
    }
    let body = Value::Object(body);
    if arguments.has("show_json") {
        return print_thing(session, &body);
    }
    if !agreed(session, arguments, &format!("Update cluster {id}"))? {
        return Ok(());
    }
    let service = session.service()?;
    service.put(&["clusters", &id], &body)?;
    if !spot_alone.is_empty() {
        service.put(&["clusters", &id], &json!({"Groups": {name: spot_alone}}))?;
    }
    session.terminal.good("done")
}

/// `delete_cluster`.
///
/// # Errors
///
/// The service's.
pub fn delete(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let ids = session.ids_to_change("clusters", arguments.needed("clusterId")?)?;
    each(session, arguments, ("Delete", "clusters", "delete_cluster"), &ids, |session, id| {
        session.service()?.delete(&["clusters", id], &[]).map(drop)
    })
}

/// `recreate_cluster_instance`.
///
/// # Errors
///
/// The service's.
pub fn recreate_instances(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let (cluster, group, ids) = nodes(session, arguments)?;
    let command = format!("recreate_cluster_instances {cluster} {group}");
    each(session, arguments, ("Recreate", "cluster instances", &command), &ids, |session, id| {
        session.service()?.post(&["clusters", &cluster, "groups", &group, "instances", id, "recreate"], None).map(drop)
    })
}

/// `delete_cluster_instance`.
///
/// # Errors
///
/// The service's.
pub fn delete_instances(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let (cluster, group, ids) = nodes(session, arguments)?;
    let command = format!("delete_cluster_instances {cluster} {group}");
    each(session, arguments, ("Delete", "cluster instances", &command), &ids, |session, id| {
        session.service()?.delete(&["clusters", &cluster, "groups", &group, "instances", id], &[]).map(drop)
    })
}

fn nodes(session: &mut Session, arguments: &Arguments) -> Result<(String, String, Vec<String>), Failure> {
    let cluster = session.id("clusters", arguments.needed("clusterId|No.")?)?;
    let group = session.id("groups", arguments.needed("groupName|No.")?)?;
    let ids = session.ids_to_change("cluster_instances", arguments.needed("instanceId")?)?;
    Ok((cluster, group, ids))
}
