//! `system:<type|default>:<GB>,data:<type|default>:<GB>:<mount point>`.

use serde::Serialize;

use crate::failure::Failure;

/// Disks of the nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Disks {
    /// The one with the operating system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_disk: Option<Disk>,
    /// A further one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_disk: Option<Disk>,
}

/// One disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Disk {
    /// Its kind; none is the provider's own choice.
    #[serde(rename = "Type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// GB.
    pub size: u64,
    /// Where a data disk is seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount_point: Option<String>,
}

/// Reads the option.
///
/// # Errors
///
/// The original's text.
pub fn disks(text: &str) -> Result<Disks, Failure> {
    let mut disks = Disks::default();
    for item in text.split(',').map(str::trim) {
        let parts: Vec<&str> = item.split(':').map(str::trim).collect();
        let disk = |kind: &str, size: &str, mount_point: Option<String>| {
            let size = size.parse().map_err(|_| wrong())?;
            Ok::<Disk, Failure>(Disk { kind: if kind == "default" { String::new() } else { kind.to_owned() }, size, mount_point })
        };
        match parts.as_slice() {
            ["system", kind, size] => disks.system_disk = Some(disk(kind, size, None)?),
            ["data", kind, size, place] => disks.data_disk = Some(disk(kind, size, Some((*place).to_owned()))?),
            _ => return Err(wrong()),
        }
    }
    Ok(disks)
}

fn wrong() -> Failure {
    Failure::told("Invalid disk format, it should like this: --disk system:ephemeral:40,data:cloud:500:/home/disk, append -h for more")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn system_and_data() {
        let read = disks("system:default:40, data:cloud:500:/home/disk").unwrap();
        assert_eq!(
            serde_json::to_value(read).unwrap(),
            json!({"SystemDisk": {"Size": 40}, "DataDisk": {"Type": "cloud", "Size": 500, "MountPoint": "/home/disk"}})
        );
        for text in ["", "system:cloud", "system:cloud:x", "data:cloud:5", "other:cloud:5"] {
            assert!(disks(text).unwrap_err().to_string().starts_with("Invalid disk format"), "{text}");
        }
    }
}
