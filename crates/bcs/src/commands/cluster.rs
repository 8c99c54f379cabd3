//! Clusters: list, one, a group of one.

use serde_json::Value;

use super::{column, print_list, print_thing, rows};
use crate::{
    cache::{InstanceType, whole},
    failure::Failure,
    grammar::parse::Arguments,
    render::{
        cluster_state, configs,
        table::{Table, cell},
        times,
    },
    reply::{Reply, spelled},
    session::Session,
    terminal::Paint,
};

/// Cells of the bar of nodes.
const BAR: i64 = 70;

/// `cluster`.
///
/// # Errors
///
/// The service's.
pub fn show(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    match (arguments.word("clusterId|No."), arguments.word("groupName|No.")) {
        (Some(cluster), Some(group)) => group_detail(session, arguments, cluster, group),
        (Some(cluster), None) => detail(session, arguments, cluster),
        _ => list(session, arguments),
    }
}

fn list(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let mut clusters = session.service()?.list(&["clusters"], &[])?;
    if arguments.wants_json() {
        return print_list(session, clusters);
    }
    clusters.sort_by_key(|c| std::cmp::Reverse((c.text("State") == "Deleting", times::parse(c.at("CreationTime")))));
    session.cache.remember("clusters", &column(&clusters, "Id"))?;
    let paint = session.terminal.paint;
    let now = jiff::Timestamp::now();
    let mut table = Table::numbered(&["Id", "Name", "State", "Counts", "CreationTime", "FromNow"]);
    for cluster in &clusters {
        let sum = |key: &str| cluster.at("Groups").entries().map(|(_, group)| group.number(key)).sum::<i64>();
        let created = cluster.at("CreationTime");
        table.row([
            cell(cluster.at("Id")),
            cell(cluster.at("Name")),
            cluster_state(paint, &cluster.text("State")),
            format!("{} / {}", sum("ActualVMCount"), sum("DesiredVMCount")),
            times::local(created),
            times::ago(created, now),
        ]);
    }
    session.terminal.title("Clusters:")?;
    session.terminal.line(table.draw(paint))?;
    let count = clusters.len();
    session.terminal.line(format!("{} {}", paint.green(&format!("Total: {count}")), paint.white(&rows(count))))?;
    session.terminal.note("\n  type \"bcs c <Id|No.>\" to show cluster detail\n")
}

fn detail(session: &mut Session, arguments: &Arguments, word: &str) -> Result<(), Failure> {
    let id = session.id("clusters", word)?;
    if !arguments.has("json") {
        session.terminal.note(&format!("exec: bcs c {id}"))?;
    }
    let cluster = session.service()?.get(&["clusters", &id], &[])?;
    if arguments.wants_json() || arguments.has("description") {
        return print_thing(session, &cluster);
    }
    let types = session.cache.types();
    let groups: Vec<Group> = cluster.at("Groups").entries().map(|(name, group)| Group::read(name, group, &types)).collect();
    session.cache.remember("groups", &groups.iter().map(|g| g.name.clone()).collect::<Vec<_>>())?;
    let paint = session.terminal.paint;
    session.terminal.title("Cluster:")?;
    for line in about(&cluster, paint) {
        session.terminal.line(line)?;
    }
    for line in metrics(cluster.at("Metrics"), groups.iter().map(|g| g.desired).sum(), paint) {
        session.terminal.line(line)?;
    }
    for (title, key) in [("User Data:", "UserData"), ("Env Vars:", "EnvVars")] {
        if !cluster.at(key).is_blank() {
            session.terminal.line(paint.blue(title))?;
            for (name, value) in cluster.at(key).entries() {
                session.terminal.line(format!("  {name} : {}", spelled(value)))?;
            }
        }
    }
    session.terminal.title("Groups:")?;
    session.terminal.line(group_table(&groups, true).draw(paint))?;
    if arguments.has("log") {
        let logs: Vec<_> = cluster.list("OperationLogs").iter().map(spelled).collect();
        session.terminal.line(format!("{}:\n  {}", paint.blue("Operation Logs"), logs.join("\n  ")))?;
    }
    Ok(())
}

fn about(cluster: &Value, paint: Paint) -> Vec<String> {
    let field = |name: &str, value: String| format!("{}: {value}", paint.blue(name));
    let plain = |key: &str| spelled(cluster.at(key));
    let mut table = Table::boxed();
    table.row([field("Id", plain("Id")), field("Name", plain("Name")), field("State", cluster_state(paint, &cluster.text("State")))]);
    let created = times::ago(cluster.at("CreationTime"), jiff::Timestamp::now());
    table.row([field("ImageId", plain("ImageId")), field("Created", created), String::new()]);
    let configs = cluster.at("Configs");
    let mut lines = vec![table.draw(paint)];
    lines.extend(configs::disks(configs.at("Disks"), paint));
    lines.push(String::new());
    lines.extend(configs::mounts(configs.at("Mounts"), paint));
    lines.extend(configs::networks(configs.at("Networks")));
    lines.push(String::new());
    lines.extend(configs::notification(cluster.at("Notification"), paint, ""));
    if !cluster.text("Description").is_empty() {
        lines.push(field("Description", cluster.text("Description")));
    }
    lines
}

/// Counters of nodes and their bar.
fn metrics(metrics: &Value, desired: i64, paint: Paint) -> Vec<String> {
    let [starting, running, stopping, stopped] =
        ["StartingCount", "RunningCount", "StoppingCount", "StoppedCount"].map(|key| metrics.number(key));
    let missing = desired - starting - running - stopping - stopped;
    type Colour = fn(Paint, &str) -> String;
    let parts: [(&str, i64, Colour); 5] = [
        ("Starting", starting, Paint::blue),
        ("Running", running, Paint::green),
        ("Stopping", stopping, Paint::yellow),
        ("Stopped", stopped, Paint::red),
        ("Unallocated", missing, Paint::white),
    ];
    let counters: Vec<_> = parts.iter().map(|(name, count, colour)| format!("  {}: {count}", colour(paint, name))).collect();
    let cells = |count: i64| usize::try_from(count.saturating_mul(BAR) / desired.max(1)).unwrap_or(0).min(70);
    let bar: String = parts.iter().map(|(_, count, colour)| colour(paint, &"=".repeat(cells(*count)))).collect();
    vec![paint.blue("Metrics:"), counters.join("  "), format!(" | {bar} |")]
}

fn group_detail(session: &mut Session, arguments: &Arguments, cluster: &str, group: &str) -> Result<(), Failure> {
    let id = session.id("clusters", cluster)?;
    let name = session.id("groups", group)?;
    let service = session.service()?;
    if arguments.wants_json() {
        let nodes = service.list(&["clusters", &id, "groups", &name, "instances"], &[])?;
        return print_list(session, nodes);
    }
    session.terminal.note(&format!("exec: bcs c {id} {name}"))?;
    let cluster = service.get(&["clusters", &id], &[])?;
    let Some(group) = cluster.at("Groups").get(&name) else {
        return Err(Failure::told(format!("cluster `{id}` has no group `{name}`")));
    };
    let paint = session.terminal.paint;
    let group = Group::read(&name, group, &session.cache.types());
    session.terminal.line(group_table(&[group], true).draw(paint))?;
    let nodes = service.list(&["clusters", &id, "groups", &name, "instances"], &[])?;
    session.cache.remember("cluster_instances", &column(&nodes, "Id"))?;
    let now = jiff::Timestamp::now();
    let mut table = Table::numbered(&["Id", "HostName", "IpAddress", "InstancePassword", "State", "CreationTime", "FromNow"]);
    for node in &nodes {
        let [id, host, address, password] = ["Id", "HostName", "IpAddress", "InstancePassword"].map(|key| cell(node.at(key)));
        let created = node.at("CreationTime");
        let state = cluster_state(paint, &node.text("State"));
        table.row([id, host, address, password, state, times::local(created), times::ago(created, now)]);
    }
    session.terminal.title("Instances:")?;
    session.terminal.line(table.draw(paint))
}

/// A group as tables show it.
pub struct Group {
    /// Its name.
    pub name: String,
    /// Wanted nodes.
    pub desired: i64,
    actual: i64,
    kind: String,
    resource: String,
    limited: bool,
    system: String,
    data: String,
}

impl Group {
    fn read(name: &str, group: &Value, types: &indexmap::IndexMap<String, InstanceType>) -> Group {
        let kind = group.text("InstanceType");
        let size = |t: &InstanceType| format!("{kind}, {}Cores, {}GB", whole(t.cpu), whole(t.memory));
        let price = group.at("SpotPriceLimit").as_f64().unwrap_or(0.0);
        let limited = group.text("ResourceType") == "Spot" && price > 0.0;
        let resource = group.text("ResourceType");
        let (system, data) = (group.at("Disks").at("SystemDisk"), group.at("Disks").at("DataDisk"));
        let disk = |disk: &Value| if disk.is_blank() { String::new() } else { format!("{}:{}GB", disk.text("Type"), disk.text("Size")) };
        let place = if data.is_blank() { String::new() } else { format!(":{}", data.text("MountPoint")) };
        Group {
            name: name.to_owned(),
            desired: group.number("DesiredVMCount"),
            actual: group.number("ActualVMCount"),
            kind: types.get(&kind).map_or_else(|| kind.clone(), size),
            resource: if limited { format!("{resource}, <={price}") } else { resource },
            limited,
            system: disk(system),
            data: format!("{}{place}", disk(data)),
        }
    }
}

fn group_table(groups: &[Group], numbered: bool) -> Table {
    let resource = if groups.iter().any(|g| g.limited) { "ResourceType/PriceLimit" } else { "ResourceType" };
    let columns = ["Name", "VMCount", "InstanceType/cpu/mem", resource, "SystemDisk", "DataDisk"];
    let mut table = if numbered { Table::numbered(&columns) } else { Table::listed(&columns) };
    for group in groups {
        let counts = format!("{} / {}", group.actual, group.desired);
        table.row([group.name.clone(), counts, group.kind.clone(), group.resource.clone(), group.system.clone(), group.data.clone()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nodes_fill_a_bar_of_seventy() {
        let counted = json!({"StartingCount": 1, "RunningCount": 2, "StoppingCount": 0, "StoppedCount": 0});
        let lines = metrics(&counted, 7, Paint::PLAIN);
        assert_eq!(lines[1], "  Starting: 1    Running: 2    Stopping: 0    Stopped: 0    Unallocated: 4");
        assert_eq!(lines[2], format!(" | {} |", "=".repeat(70)));
        assert_eq!(metrics(&json!({}), 0, Paint::PLAIN)[2], " |  |");
    }

    #[test]
    fn groups_tell_size_price_and_disks() {
        let types = [("t".to_owned(), InstanceType { name: "t".to_owned(), cpu: 2.0, memory: 4.0 })].into_iter().collect();
        let given = json!({"DesiredVMCount": 3, "ActualVMCount": 1, "InstanceType": "t", "ResourceType": "Spot", "SpotPriceLimit": 0.5,
            "Disks": {"SystemDisk": {"Type": "cloud", "Size": 40}, "DataDisk": {"Type": "ssd", "Size": 5, "MountPoint": "/d"}}});
        let table = group_table(&[Group::read("group", &given, &types)], false).draw(Paint::PLAIN);
        assert!(
            table.contains("| group | 1 / 3   | t, 2Cores, 4GB       | Spot, <=0.5             | cloud:40GB | ssd:5GB:/d |"),
            "{table}"
        );
    }
}
