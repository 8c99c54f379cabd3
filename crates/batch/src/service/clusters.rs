//! Clusters: made, listed, shown, changed, removed; their nodes too.

use batchyard_model::service_id;
use serde_json::{Map, Value, json};

use super::{Page, Service, may_change, offers::DEFAULT_DISK, show::owner, tokens::Token};
use crate::{
    accounts::{Caller, audit},
    engine::{Message, Request},
    error::ApiError,
    nodes::{Cluster, DELETING, Node, note},
    time::iso,
    types,
    wire::{ClusterDescription, Problems, parse},
};

impl Service {
    /// Makes a cluster. Its id.
    ///
    /// # Errors
    /// All that is wrong with it, or why it cannot be recorded.
    pub fn create_cluster(&self, caller: &Caller, body: &[u8], token: Option<&str>) -> Result<String, ApiError> {
        may_change(caller)?;
        let token = self.token(caller, "cluster", token, body)?;
        if let Token::Used(id) = token {
            return Ok(id);
        }
        let description: ClusterDescription = parse(body)?;
        self.check_cluster(caller, &description)?;
        let known = self.nodes.of(&caller.account);
        let limit = self.accounts.quota(&caller.account, "Clusters");
        if known.len() as u64 >= limit {
            return Err(ApiError::quota("Clusters", limit));
        }
        let nodes: i64 =
            known.iter().flat_map(|(_, cluster)| cluster.description.groups.values()).map(|group| group.desired_vm_count).sum();
        self.check_node_quota(caller, nodes, wanted(&description))?;
        let id = service_id("cls");
        let mut extra = token.writes(&id);
        extra.push(audit(&caller.account, "CreateCluster", &id, &caller.key));
        self.nodes.create(&caller.account, description, extra, &id)?;
        self.hint(Message::Nodes);
        Ok(id)
    }

    fn check_node_quota(&self, caller: &Caller, present: i64, more: i64) -> Result<(), ApiError> {
        let limit = self.accounts.quota(&caller.account, "ClusterInstances");
        if more > 0 && u64::try_from(present + more).unwrap_or(0) > limit {
            return Err(ApiError::quota("ClusterInstances", limit));
        }
        Ok(())
    }

    fn check_cluster(&self, caller: &Caller, description: &ClusterDescription) -> Result<(), ApiError> {
        self.check_topic(caller, &description.notification.topic)?;
        let mut problems = Problems::default();
        description.check(&mut problems);
        let images = [("ImageId".to_owned(), &description.image_id)]
            .into_iter()
            .chain(description.groups.iter().map(|(name, group)| (format!("Groups.{name}.ImageId"), &group.image_id)));
        for (at, image) in images.filter(|(_, image)| !image.is_empty()) {
            let text = format!("`{image}` is no image: register it (`bcs create_image`), or take `img-ubuntu`");
            problems.unless(self.knows_image(caller, image), at, text);
        }
        let sizes = [("InstanceType".to_owned(), &description.instance_type)]
            .into_iter()
            .chain(description.groups.iter().map(|(name, group)| (format!("Groups.{name}.InstanceType"), &group.instance_type)));
        for (at, name) in sizes.filter(|(_, name)| !name.is_empty()) {
            problems.unless(types::find(name).is_some(), at, format!("`{name}` is no instance type; `bcs t` lists them"));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems.into()) }
    }

    fn own_cluster(&self, caller: &Caller, id: &str) -> Result<(batchyard_store::ResourceRecord, Cluster), ApiError> {
        let found = self.nodes.get(id).filter(|(record, _)| record.owner == caller.account);
        found.ok_or_else(|| ApiError::not_found(&format!("cluster `{id}`")))
    }

    /// A page of clusters.
    pub fn list_clusters(&self, caller: &Caller, marker: &str, limit: u32) -> Page {
        let all = self.nodes.of(&caller.account);
        let mut found: Vec<_> = all.into_iter().filter(|(record, _)| record.id.as_str() > marker).take(limit as usize + 1).collect();
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next = found.last().filter(|_| more).map(|(record, _)| record.id.clone()).unwrap_or_default();
        Page { items: found.iter().map(|(record, cluster)| show(record, cluster, self)).collect(), next }
    }

    /// A cluster.
    ///
    /// # Errors
    /// There is no such cluster of the caller.
    pub fn cluster(&self, caller: &Caller, id: &str) -> Result<Value, ApiError> {
        let (record, cluster) = self.own_cluster(caller, id)?;
        Ok(show(&record, &cluster, self))
    }

    /// Changes a cluster: what is absent stays as it is.
    ///
    /// # Errors
    /// There is no such cluster, it is being deleted, or the change is wrong.
    pub fn change_cluster(&self, caller: &Caller, id: &str, body: &[u8]) -> Result<(), ApiError> {
        may_change(caller)?;
        let (record, cluster) = self.own_cluster(caller, id)?;
        if record.state == DELETING {
            return Err(ApiError::conflict(DELETING));
        }
        let given: Value = parse(body)?;
        let description = changed(&cluster.description, &given)?;
        self.check_cluster(caller, &description)?;
        let all = self.nodes.of(&caller.account);
        let present: i64 = all.iter().map(|(_, cluster)| wanted(&cluster.description)).sum();
        self.check_node_quota(caller, present, wanted(&description) - wanted(&cluster.description))?;
        let noted = audit(&caller.account, "ModifyCluster", id, &caller.key);
        self.nodes.change::<ApiError>(id, vec![noted], |cluster, state| {
            if state == DELETING {
                return Err(ApiError::conflict(DELETING));
            }
            // Against what it is now: somebody else may have changed it meanwhile.
            cluster.description = changed(&cluster.description, &given)?;
            Ok(())
        })?;
        self.hint(Message::Nodes);
        Ok(())
    }

    /// Removes a cluster; jobs that wait for it fail.
    ///
    /// # Errors
    /// There is no such cluster, or it is being deleted already.
    pub fn delete_cluster(&self, caller: &Caller, id: &str) -> Result<(), ApiError> {
        may_change(caller)?;
        self.own_cluster(caller, id)?;
        let noted = audit(&caller.account, "DeleteCluster", id, &caller.key);
        self.nodes.change::<ApiError>(id, vec![noted], |cluster, state| {
            if state == DELETING {
                return Err(ApiError::conflict(DELETING));
            }
            *state = DELETING.into();
            for group in cluster.description.groups.values_mut() {
                group.desired_vm_count = 0;
            }
            note(cluster, crate::engine::now_ms(), "", "Release ECS instance...");
            Ok(())
        })?;
        batchyard_crash::place("cluster gone");
        self.ask(Request::ClusterGone(id.into()))
    }

    /// The nodes of a group.
    ///
    /// # Errors
    /// There is no such cluster or group.
    pub fn list_nodes(&self, caller: &Caller, id: &str, group: &str, marker: &str, limit: u32) -> Result<Page, ApiError> {
        let (_, cluster) = self.own_cluster(caller, id)?;
        if !cluster.description.groups.contains_key(group) {
            return Err(ApiError::not_found(&format!("group `{group}` in cluster `{id}`")));
        }
        let mut nodes: Vec<&Node> = cluster.nodes.iter().filter(|node| node.group == group).collect();
        nodes.sort_by(|a, b| a.id.cmp(&b.id));
        let mut found: Vec<&Node> = nodes.into_iter().filter(|node| node.id.as_str() > marker).take(limit as usize + 1).collect();
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next = found.last().filter(|_| more).map(|node| node.id.clone()).unwrap_or_default();
        Ok(Page { items: found.into_iter().map(show_node).collect(), next })
    }

    /// A node.
    ///
    /// # Errors
    /// There is no such node.
    pub fn node(&self, caller: &Caller, id: &str, group: &str, node: &str) -> Result<Value, ApiError> {
        let (_, cluster) = self.own_cluster(caller, id)?;
        let found = cluster.nodes.iter().find(|known| known.group == group && known.id == node);
        found.map(show_node).ok_or_else(|| ApiError::not_found(&format!("instance `{node}` in group `{group}` of cluster `{id}`")))
    }

    /// Lets a node go, and takes another one in its place if it is to be made again.
    ///
    /// # Errors
    /// There is no such node.
    pub fn remove_node(&self, caller: &Caller, id: &str, group: &str, node: &str, again: bool) -> Result<(), ApiError> {
        may_change(caller)?;
        self.node(caller, id, group, node)?;
        let action = if again { "RecreateInstance" } else { "DeleteInstance" };
        let noted = audit(&caller.account, action, &format!("{id}/{group}/{node}"), &caller.key);
        self.nodes.change::<ApiError>(id, vec![noted], |cluster, _| {
            for known in cluster.nodes.iter_mut().filter(|known| known.id == node) {
                known.leaving = true;
            }
            if !again && let Some(group) = cluster.description.groups.get_mut(group) {
                group.desired_vm_count = (group.desired_vm_count - 1).max(0);
            }
            Ok(())
        })?;
        self.hint(Message::Nodes);
        Ok(())
    }
}

fn wanted(description: &ClusterDescription) -> i64 {
    description.groups.values().map(|group| group.desired_vm_count).sum()
}

/// A description with the changes that were asked for.
fn changed(description: &ClusterDescription, given: &Value) -> Result<ClusterDescription, ApiError> {
    let mut whole = serde_json::to_value(description).map_err(|e| ApiError::internal(e.to_string()))?;
    let nothing = Map::new();
    let given = given.as_object().unwrap_or(&nothing);
    for key in given.keys() {
        let known = ["Groups", "ImageId", "UserData", "EnvVars", "Configs", "InputMapping", "InstanceType", "Notification", "Description"];
        if !known.contains(&key.as_str()) && key != "Name" {
            return Err(ApiError::bad("InvalidParameter", format!("`{key}` of a cluster cannot be changed")));
        }
    }
    for (key, value) in given
        .iter()
        .filter(|(key, _)| ["ImageId", "UserData", "EnvVars", "InstanceType", "Notification", "Description"].contains(&key.as_str()))
    {
        put(&mut whole, &[key], value);
    }
    for (name, group) in given.get("Groups").and_then(Value::as_object).unwrap_or(&nothing) {
        if !description.groups.contains_key(name) {
            return Err(ApiError::bad("InvalidParameter", format!("`Groups.{name}` is no group of this cluster; groups cannot be added")));
        }
        for (key, value) in group.as_object().unwrap_or(&nothing) {
            let known = ["DesiredVMCount", "InstanceType", "SpotStrategy", "SpotPriceLimit", "ResourceType"];
            if known.contains(&key.as_str()) {
                put(&mut whole, &["Groups", name, key], value);
            }
        }
    }
    if let Some(mounts) = given.get("Configs").and_then(|configs| configs.get("Mounts")) {
        put(&mut whole, &["Configs", "Mounts"], mounts);
    }
    parse::from_value(whole)
}

fn put(whole: &mut Value, path: &[&str], value: &Value) {
    let mut place = whole;
    for key in path {
        let Some(map) = place.as_object_mut() else { return };
        place = map.entry((*key).to_owned()).or_insert_with(|| json!({}));
    }
    *place = value.clone();
}

fn show(record: &batchyard_store::ResourceRecord, cluster: &Cluster, service: &Service) -> Value {
    let description = &cluster.description;
    let mut configs = description.configs.clone();
    for disk in [&mut configs.disks.system_disk, &mut configs.disks.data_disk].into_iter().flatten() {
        // A disk of the default kind comes without one, and clients show what they are told.
        if disk.kind.is_empty() {
            DEFAULT_DISK.clone_into(&mut disk.kind);
        }
    }
    let disks = serde_json::to_value(&configs.disks).unwrap_or_else(|_| json!({}));
    let groups: Map<String, Value> = description
        .groups
        .iter()
        .map(|(name, group)| {
            let actual = cluster.nodes.iter().filter(|node| node.group == *name && !node.leaving).count();
            let size = if group.instance_type.is_empty() { &description.instance_type } else { &group.instance_type };
            let kind = if group.resource_type.is_empty() { "OnDemand" } else { &group.resource_type };
            let shown = json!({
                "DesiredVMCount": group.desired_vm_count,
                "ActualVMCount": actual,
                "InstanceType": size,
                "ResourceType": kind,
                "SpotStrategy": group.spot_strategy,
                "SpotPriceLimit": group.spot_price_limit,
                "Disks": disks,
                "ImageId": if group.image_id.is_empty() { &description.image_id } else { &group.image_id },
                "HostnamePrefix": group.hostname_prefix,
            });
            (name.clone(), shown)
        })
        .collect();
    let leaving = cluster.nodes.iter().filter(|node| node.leaving).count();
    json!({
        "Id": record.id,
        "Name": record.name,
        "OwnerId": owner(&record.owner),
        "Description": description.description,
        "CreationTime": iso(Some(record.created_ms)),
        "State": record.state,
        "ImageId": description.image_id,
        "InstanceType": description.instance_type,
        "UserData": description.user_data,
        "EnvVars": description.env_vars,
        "Bootstrap": description.bootstrap,
        "Configs": with_networks(serde_json::to_value(&configs).unwrap_or_else(|_| json!({}))),
        "Notification": description.notification,
        "Groups": groups,
        "OperationLogs": cluster.log,
        "Metrics": {
            "RunningCount": cluster.nodes.len() - leaving,
            "StartingCount": 0,
            "StoppingCount": leaving,
            "StoppedCount": 0,
        },
        "BusyCount": cluster.nodes.iter().filter(|node| service.nodes.is_busy(&node.id)).count(),
    })
}

/// Clients index both kinds of network.
fn with_networks(mut configs: Value) -> Value {
    for kind in ["Classic", "VPC"] {
        if let Some(networks) = configs.get_mut("Networks").and_then(Value::as_object_mut) {
            networks.entry(kind.to_owned()).or_insert_with(|| json!({}));
        }
    }
    configs
}

fn show_node(node: &Node) -> Value {
    json!({
        "Id": node.id,
        "Hint": "",
        "State": if node.leaving { "Deleting" } else { "Running" },
        "IpAddress": node.ip,
        "HostName": node.host,
        "EcsInstanceId": "",
        "InstancePassword": "",
        "ErrorCode": 0,
        "ErrorMessage": "",
        "CreationTime": iso(Some(node.created_ms)),
    })
}
