//! Disks, mounts and networks of a cluster or a task, line by line.

use serde_json::Value;

use crate::{
    reply::{Reply, spelled},
    terminal::Paint,
};

/// The disks.
pub fn disks(disks: &Value, paint: Paint) -> Vec<String> {
    let mut lines = vec![paint.blue("Disks:")];
    let system = disks.at("SystemDisk");
    if !system.is_blank() {
        lines.push(format!("  |--System Disk: / ({}) {}GB", paint.blue(&system.text("Type")), system.text("Size")));
    }
    let data = disks.at("DataDisk");
    if !data.text("MountPoint").is_empty() {
        let (place, kind) = (data.text("MountPoint"), paint.blue(&data.text("Type")));
        lines.push(format!("  |--Data Disk: {place} ({kind}) {}GB", data.text("Size")));
    }
    lines
}

/// What is mounted, and with which credentials; the secret ones are not shown.
pub fn mounts(mounts: &Value, paint: Paint) -> Vec<String> {
    let [locale, lock, cache] = ["Locale", "Lock", "CacheSupport"].map(|key| spelled(mounts.at(key)));
    let mut lines = vec![format!("{} (Locale: {locale} , Lock: {lock} , CacheSupport: {cache})", paint.blue("Mounts:"))];
    for entry in mounts.list("Entries") {
        let (destination, source) = (entry.text("Destination"), paint.green(&entry.text("Source")));
        lines.push(format!("  |--{destination} {} {source}", paint.blue("<-")));
    }
    for key in ["AccessGroup", "FileSystem"] {
        let values = joined(mounts.at("NAS").list(key));
        if !values.is_empty() {
            lines.push(format!("    {key}: {values}"));
        }
    }
    let oss = mounts.at("OSS");
    if !oss.text("AccessKeyId").is_empty() {
        lines.push(format!("    AccessKeyId: {}", oss.text("AccessKeyId")));
    }
    for key in ["AccessKeySecret", "SecurityToken", "AccessSecurityToken"] {
        if !oss.text(key).is_empty() {
            lines.push(format!("    {key}: ******"));
        }
    }
    lines
}

/// The networks.
pub fn networks(networks: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let classic = networks.at("Classic");
    if !networks.is_blank() {
        lines.push("  |--Classic:".to_owned());
        for key in ["AllowIpAddress", "AllowIpAddressEgress", "AllowSecurityGroup", "AllowSecurityGroupEgress"] {
            let values = joined(classic.list(key));
            if !values.is_empty() {
                lines.push(format!("     {key}: {values}"));
            }
        }
    }
    let set: Vec<_> = networks.at("VPC").entries().filter(|(_, value)| !value.is_blank()).collect();
    if !set.is_empty() {
        lines.push("  |--VPC:".to_owned());
        lines.extend(set.iter().map(|(key, value)| format!("     {key} : {}", spelled(value))));
    }
    lines
}

/// Whom notifications go to; nothing when there are none.
pub fn notification(notification: &Value, paint: Paint, indent: &str) -> Vec<String> {
    let topic = notification.at("Topic");
    if topic.list("Events").is_empty() {
        return Vec::new();
    }
    let line = |name: &str, value: &str| format!("{indent}  {}: {value}", paint.blue(name));
    vec![
        format!("{indent}{}", paint.blue("Notification Topic")),
        line("Endpoint", &topic.text("Endpoint")),
        line("Name", &topic.text("Name")),
        line("Events", &joined(topic.list("Events"))),
    ]
}

fn joined(values: &[Value]) -> String {
    values.iter().map(spelled).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_that_is_set_is_shown() {
        let paint = Paint::PLAIN;
        let given = json!({"SystemDisk": {"Type": "cloud", "Size": 40}, "DataDisk": {"Type": "", "Size": 5, "MountPoint": "/d"}});
        assert_eq!(disks(&given, paint), ["Disks:", "  |--System Disk: / (cloud) 40GB", "  |--Data Disk: /d () 5GB"]);
        let given = json!({"Locale": "GBK", "Lock": false, "Entries": [{"Destination": "/a/", "Source": "oss://b/a/"}],
            "NAS": {"AccessGroup": ["g"]}, "OSS": {"AccessKeyId": "id", "AccessKeySecret": "geheim"}});
        assert_eq!(
            mounts(&given, paint),
            [
                "Mounts: (Locale: GBK , Lock: False , CacheSupport: None)",
                "  |--/a/ <- oss://b/a/",
                "    AccessGroup: g",
                "    AccessKeyId: id",
                "    AccessKeySecret: ******",
            ]
        );
        assert_eq!(
            networks(&json!({"VPC": {"CidrBlock": "10.0.0.0/8", "VpcId": ""}, "Classic": {}})),
            ["  |--Classic:", "  |--VPC:", "     CidrBlock : 10.0.0.0/8"]
        );
        assert!(notification(&json!({}), paint, "").is_empty());
        let told = notification(&json!({"Topic": {"Events": ["a", "b"], "Name": "n"}}), paint, "");
        assert_eq!(told, ["Notification Topic", "  Endpoint: ", "  Name: n", "  Events: a,b"]);
    }
}
