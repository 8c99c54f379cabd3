//! What there is to choose from: resource, instance and disk types, events.

use batchyard_model::events::{CLUSTER_EVENTS, JOB_EVENTS};
use serde_json::{Value, json};

use crate::{
    cache::{InstanceType, whole},
    failure::Failure,
    grammar::parse::Arguments,
    render::table::Table,
    reply::{Reply, pretty},
    session::Session,
};

/// Instance types that can be had and whose size is known, smallest first.
#[derive(Debug, Default)]
pub struct Offered {
    /// At the usual price.
    pub on_demand: Vec<InstanceType>,
    /// At a Spot price.
    pub spot: Vec<InstanceType>,
}

/// Asks which instance types can be had.
///
/// # Errors
///
/// The service's.
pub fn offered(session: &mut Session) -> Result<Offered, Failure> {
    let quotas = session.service()?.get(&["quotas"], &[])?;
    let known = session.cache.types();
    let pick = |key: &str| {
        let mut types: Vec<_> = quotas.list(key).iter().filter_map(|name| known.get(name.as_str()?).cloned()).collect();
        types.sort_by(|a, b| a.cpu.total_cmp(&b.cpu).then(a.memory.total_cmp(&b.memory)));
        types
    };
    Ok(Offered { on_demand: pick("AvailableClusterInstanceType"), spot: pick("AvailableSpotInstanceType") })
}

/// `resource_type`.
///
/// # Errors
///
/// The service's; so for all functions here.
pub fn resource_types(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let quotas = session.service()?.get(&["quotas"], &[])?;
    let names = named(&quotas, "AvailableClusterResourceType");
    if arguments.wants_json() {
        return session.terminal.line(pretty(&names, 2));
    }
    names_table(session, "Resource Types:", "Name", &names)
}

/// `instance_type`.
///
/// # Errors
///
/// See [`resource_types`].
pub fn instance_types(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let offered = offered(session)?;
    if arguments.wants_json() {
        let list = |types: &[InstanceType]| -> Vec<Value> {
            types.iter().map(|t| json!({"name": t.name, "cpu": whole(t.cpu), "memory": whole(t.memory)})).collect()
        };
        let types = json!({"InstanceTypes": list(&offered.on_demand), "SpotInstanceTypes": list(&offered.spot)});
        return session.terminal.line(pretty(&types, 2));
    }
    for (title, types) in [("Instance types:", &offered.on_demand), ("Spot Instance types:", &offered.spot)] {
        session.terminal.title(title)?;
        let mut table = Table::listed(&["Name", "CPU(Core)", "Memory(GB)"]);
        for kind in types {
            table.row([kind.name.clone(), whole(kind.cpu).to_string(), whole(kind.memory).to_string()]);
        }
        session.terminal.line(table.draw(session.terminal.paint))?;
    }
    session.terminal.line("\n  use \"bcs set -t <Name>\" to set default instance type\n")
}

/// `disk_type`.
///
/// # Errors
///
/// See [`resource_types`].
pub fn disk_types(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let quotas = session.service()?.get(&["quotas"], &[])?;
    let system = named(&quotas, "AvailableClusterInstanceSystemDiskType");
    let data = named(&quotas, "AvailableClusterInstanceDataDiskType");
    if arguments.wants_json() {
        return session.terminal.line(pretty(&json!({"SystemDiskTypes": system, "DataDiskTypes": data}), 2));
    }
    names_table(session, "System Disk Types:", "Name", &system)?;
    names_table(session, "Data Disk Types:", "Name", &data)
}

/// `event`.
///
/// # Errors
///
/// When nobody reads what is printed.
pub fn events(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    if arguments.wants_json() {
        return session.terminal.line(pretty(&json!({"CLUSTER": CLUSTER_EVENTS, "JOB": JOB_EVENTS}), 2));
    }
    for (title, events) in [("For Cluster", CLUSTER_EVENTS.as_slice()), ("For job:", JOB_EVENTS.as_slice())] {
        let mut table = Table::listed(&[title]);
        events.iter().for_each(|event| table.row([(*event).to_owned()]));
        session.terminal.line(table.draw(session.terminal.paint))?;
    }
    Ok(())
}

fn named(quotas: &Value, key: &str) -> Value {
    quotas.list(key).iter().map(|name| json!({"name": name})).collect()
}

fn names_table(session: &mut Session, title: &str, column: &str, names: &Value) -> Result<(), Failure> {
    session.terminal.title(title)?;
    let mut table = Table::listed(&[column]);
    for name in names.as_array().into_iter().flatten() {
        table.row([name.text("name")]);
    }
    session.terminal.line(table.draw(session.terminal.paint))
}
