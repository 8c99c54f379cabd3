//! Clusters on this machine: groups of virtual nodes. A node is a place for one instance at a time; what the instance
//! needs of the machine itself it gets at the gate, so that nodes may be more than the machine could bear at once.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use batchyard_model::service_id;
use batchyard_store::{BatchWrite, ResourceKind, ResourceRecord, Store, StoreError, Write};
use serde::{Deserialize, Serialize};

use crate::{
    engine::now_ms,
    events::{Herald, messages},
    instance::{Seat, environment::is_variable},
    plan::PlannedTask,
    time::iso,
    wire::{
        ClusterDescription,
        cluster::{Disks, GroupDescription},
    },
};

/// Lines of a cluster's log that are kept.
const MAX_LOG: usize = 1000;
/// State of a cluster that works.
pub const ACTIVE: &str = "Active";
/// State of a cluster that is going away.
pub const DELETING: &str = "Deleting";

/// A cluster with its nodes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cluster {
    /// What was asked for, with all changes since.
    pub description: ClusterDescription,
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// What has happened.
    pub log: Vec<String>,
    /// How many nodes there ever were; gives them their addresses.
    pub made: u32,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its id.
    pub id: String,
    /// Its group.
    pub group: String,
    /// Whether it goes away as soon as nothing runs on it.
    pub leaving: bool,
    /// When it was made, epoch milliseconds.
    pub created_ms: i64,
    /// Its size.
    pub instance_type: String,
    /// Its address.
    pub ip: String,
    /// Its name.
    pub host: String,
}

/// The nodes of all clusters, and who uses them.
pub struct Nodes {
    store: Arc<Store>,
    herald: Herald,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    clusters: HashMap<String, (ResourceRecord, Cluster)>,
    busy: HashSet<String>,
}

impl Nodes {
    /// The nodes that are recorded.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub fn load(store: Arc<Store>, herald: Herald) -> Result<Nodes, StoreError> {
        const PAGE: u32 = 200;
        let mut state = State::default();
        let mut after = String::new();
        loop {
            let page = store.list_resources(ResourceKind::Cluster, None, &after, PAGE)?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.id);
            for record in page {
                let cluster = serde_json::from_str(&record.doc).unwrap_or_default();
                state.clusters.insert(record.id.clone(), (record, cluster));
            }
        }
        let nodes = Nodes { store, herald, state: Mutex::new(state) };
        nodes.let_go()?;
        Ok(nodes)
    }

    /// Lets nodes go that were only waited for: what ran on them has ended, or finds another place.
    fn let_go(&self) -> Result<(), StoreError> {
        let leaving = |cluster: &Cluster| cluster.nodes.iter().any(|node| node.leaving);
        let waiting = |(record, cluster): &&(ResourceRecord, Cluster)| record.state == DELETING || leaving(cluster);
        let ids: Vec<String> = self.lock().clusters.values().filter(waiting).map(|(record, _)| record.id.clone()).collect();
        ids.iter().try_for_each(|id| self.change(id, Vec::new(), |_, _| Ok(())))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // All parts are whole after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cluster of this id.
    pub fn get(&self, id: &str) -> Option<(ResourceRecord, Cluster)> {
        self.lock().clusters.get(id).cloned()
    }

    /// The clusters of an account, by id.
    pub fn of(&self, owner: &str) -> Vec<(ResourceRecord, Cluster)> {
        let mut found: Vec<_> = self.lock().clusters.values().filter(|(record, _)| record.owner == owner).cloned().collect();
        found.sort_by(|a, b| a.0.id.cmp(&b.0.id));
        found
    }

    /// Makes a cluster with all its nodes.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn create(&self, owner: &str, description: ClusterDescription, extra: Vec<BatchWrite>, id: &str) -> Result<(), StoreError> {
        let now = now_ms();
        let mut cluster = Cluster { description, ..Cluster::default() };
        note(&mut cluster, now, "", "Creating cluster successfully");
        settle(&mut cluster, now, &HashSet::new());
        let record = ResourceRecord {
            kind: ResourceKind::Cluster,
            id: id.into(),
            owner: owner.into(),
            name: cluster.description.name.clone(),
            state: ACTIVE.into(),
            version: 1,
            created_ms: now,
            doc: to_text(&cluster),
        };
        let told = self.herald.of_cluster(&record, &Cluster::default(), &cluster);
        self.record([BatchWrite::InsertResource(record.clone())].into_iter().chain(extra).chain(told).collect())?;
        self.lock().clusters.insert(id.into(), (record, cluster));
        Ok(())
    }

    /// Changes a cluster and brings its nodes to the numbers wanted.
    ///
    /// # Errors
    /// What `change` says, or when it cannot be recorded.
    pub fn change<E: From<StoreError>>(
        &self,
        id: &str,
        extra: Vec<BatchWrite>,
        change: impl FnOnce(&mut Cluster, &mut String) -> Result<(), E>,
    ) -> Result<(), E> {
        // Held while it is recorded: changes of clusters are few, and what is seen is what is stored.
        let mut state = self.lock();
        let State { clusters, busy } = &mut *state;
        let Some((record, cluster)) = clusters.get_mut(id) else {
            return Err(StoreError::Absent { what: "cluster", id: id.into() }.into());
        };
        let (mut next, mut changed) = (record.clone(), cluster.clone());
        change(&mut changed, &mut next.state)?;
        settle(&mut changed, now_ms(), busy);
        next.doc = to_text(&changed);
        next.version += 1;
        let gone = next.state == DELETING && changed.nodes.is_empty();
        let write =
            if gone { BatchWrite::DeleteResource(ResourceKind::Cluster, id.into()) } else { BatchWrite::UpdateResource(next.clone()) };
        let told = self.herald.of_cluster(&next, cluster, &changed);
        self.record([write].into_iter().chain(extra).chain(told).collect())?;
        if gone {
            clusters.remove(id);
        } else {
            (*record, *cluster) = (next, changed);
        }
        Ok(())
    }

    /// Records changes, and has told what is among them.
    fn record(&self, writes: Vec<BatchWrite>) -> Result<(), StoreError> {
        let messages = messages(&writes);
        self.store.write(writes.into_iter().map(Write::Batch).collect()).wait()?;
        self.herald.recorded(messages);
        Ok(())
    }

    /// Whether an instance of this task has somewhere to run.
    pub fn has_room(&self, task: &PlannedTask) -> bool {
        if task.own_cluster {
            return true;
        }
        let state = self.lock();
        state.clusters.get(&task.cluster).is_some_and(|(_, cluster)| free(cluster, &state.busy).is_some())
    }

    /// A node for an instance of this task; it is busy from now on.
    pub fn take(&self, task: &PlannedTask) -> Option<Seat> {
        if task.own_cluster {
            let node = service_id("ins");
            let (cluster, ip) = (task.cluster.clone(), "127.0.0.1".into());
            return Some(Seat {
                node,
                cluster,
                ip,
                env: Vec::new(),
                mounts: Vec::new(),
                bootstrap: String::new(),
                disks: Disks::default(),
            });
        }
        let mut state = self.lock();
        let State { clusters, busy } = &mut *state;
        let (_, cluster) = clusters.get(&task.cluster)?;
        let node = free(cluster, busy)?;
        busy.insert(node.id.clone());
        let of_cluster = &cluster.description;
        let user_data = of_cluster.user_data.iter().filter(|(name, _)| is_variable(name));
        let env = user_data.chain(&of_cluster.env_vars).map(|(name, text)| (name.clone(), text.0.clone())).collect();
        let mounts = of_cluster.configs.mounts.entries.clone();
        let bootstrap = of_cluster.bootstrap.clone();
        let disks = of_cluster.configs.disks.clone();
        Some(Seat { node: node.id.clone(), cluster: task.cluster.clone(), ip: node.ip.clone(), env, mounts, bootstrap, disks })
    }

    /// A node is free again, or goes away if it was only waited for.
    ///
    /// # Errors
    /// When that cannot be recorded.
    pub fn give_back(&self, node: &str) -> Result<(), StoreError> {
        let mut state = self.lock();
        if !state.busy.remove(node) {
            return Ok(());
        }
        let leaving =
            |(_, (_, cluster)): &(&String, &(ResourceRecord, Cluster))| cluster.nodes.iter().any(|known| known.id == node && known.leaving);
        let Some(id) = state.clusters.iter().find(leaving).map(|(id, _)| id.clone()) else { return Ok(()) };
        drop(state);
        self.change(&id, Vec::new(), |_, _| Ok(()))
    }

    /// Whether there is such a cluster, and it is not being deleted.
    pub fn is_there(&self, cluster: &str) -> bool {
        self.lock().clusters.get(cluster).is_some_and(|(record, _)| record.state != DELETING)
    }

    /// Whether something runs on a node.
    pub fn is_busy(&self, node: &str) -> bool {
        self.lock().busy.contains(node)
    }
}

fn free<'c>(cluster: &'c Cluster, busy: &HashSet<String>) -> Option<&'c Node> {
    cluster.nodes.iter().find(|node| !node.leaving && !busy.contains(&node.id))
}

fn to_text(cluster: &Cluster) -> String {
    serde_json::to_string(cluster).unwrap_or_default()
}

/// Notes what has happened; `place` is empty, `[group]` or `[group][node]`.
pub fn note(cluster: &mut Cluster, now_ms: i64, place: &str, text: &str) {
    cluster.log.push(format!("[{}]{place}{text}", iso(Some(now_ms))));
    let surplus = cluster.log.len().saturating_sub(MAX_LOG);
    cluster.log.drain(..surplus);
}

/// Brings the nodes of each group to the number wanted; those that are busy go when they are free.
fn settle(cluster: &mut Cluster, now_ms: i64, busy: &HashSet<String>) {
    let gone: Vec<Node> = cluster.nodes.iter().filter(|node| node.leaving && !busy.contains(&node.id)).cloned().collect();
    for node in gone {
        remove(cluster, &node, now_ms);
    }
    let groups: Vec<(String, GroupDescription)> =
        cluster.description.groups.iter().map(|(name, group)| (name.clone(), group.clone())).collect();
    for (name, group) in groups {
        let wanted = usize::try_from(group.desired_vm_count).unwrap_or(0);
        let staying = |cluster: &Cluster| cluster.nodes.iter().filter(|node| node.group == name && !node.leaving).count();
        while staying(cluster) < wanted {
            add(cluster, &name, &group, now_ms);
        }
        let mut surplus = staying(cluster).saturating_sub(wanted);
        // The idle ones first, then those made last.
        let mut candidates: Vec<Node> = cluster.nodes.iter().filter(|node| node.group == name && !node.leaving).cloned().collect();
        candidates.sort_by_key(|node| (busy.contains(&node.id), std::cmp::Reverse(node.created_ms)));
        for node in candidates {
            if surplus == 0 {
                break;
            }
            surplus -= 1;
            if busy.contains(&node.id) {
                cluster.nodes.iter_mut().filter(|known| known.id == node.id).for_each(|known| known.leaving = true);
            } else {
                remove(cluster, &node, now_ms);
            }
        }
    }
}

fn add(cluster: &mut Cluster, name: &str, group: &GroupDescription, now_ms: i64) {
    cluster.made += 1;
    let id = service_id("ins");
    let made = cluster.made;
    // Addresses of this machine's own that nothing else uses.
    let ip = format!("127.{}.{}.{}", 16 + (made >> 16) % 200, (made >> 8) % 256, made % 256);
    let prefix = if group.hostname_prefix.is_empty() { name } else { &group.hostname_prefix };
    let instance_type = if group.instance_type.is_empty() { &cluster.description.instance_type } else { &group.instance_type };
    let node = Node {
        group: name.into(),
        leaving: false,
        created_ms: now_ms,
        instance_type: instance_type.clone(),
        ip,
        host: format!("{prefix}-{made}"),
        id: id.clone(),
    };
    cluster.nodes.push(node);
    note(cluster, now_ms, &format!("[{name}][{id}]"), "Instance created");
    note(cluster, now_ms, &format!("[{name}][{id}]"), "Instance is active");
}

fn remove(cluster: &mut Cluster, node: &Node, now_ms: i64) {
    cluster.nodes.retain(|known| known.id != node.id);
    note(cluster, now_ms, &format!("[{}][{}]", node.group, node.id), "Instance released");
}
