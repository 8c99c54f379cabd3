//! The `disks` attribute in the forms of the specification and of Cromwell. This runner has one file system and gives no disks
//! of their own; what a task asks for is read so that the `task` variable can tell it.

use batchyard_wdl::{value::Value, version::Dialect};

use crate::runtime::parse_bytes;

/// A disk that a task asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Where the task wants it; `None` for wherever its working directory is.
    pub mount: Option<String>,
    /// Its size in bytes.
    pub bytes: u64,
}

/// Reads the attribute; `None` when it has none of the known forms.
///
/// Numbers without a unit count GiB. Cromwell's `local-disk 100 HDD` and `/mnt/x 50 SSD` are known in every dialect.
pub fn read(value: &Value, dialect: Dialect) -> Option<Vec<Disk>> {
    match value {
        Value::Int(gib) => Some(vec![Disk { mount: None, bytes: gibibytes(*gib as f64)? }]),
        Value::Float(gib) => Some(vec![Disk { mount: None, bytes: gibibytes(*gib)? }]),
        Value::String(text) => text.split(',').map(|part| disk(part, dialect)).collect(),
        Value::Array(items) => {
            let disks: Option<Vec<Vec<Disk>>> = items.iter().map(|item| read(item, dialect)).collect();
            disks.map(|disks| disks.into_iter().flatten().collect())
        }
        _ => None,
    }
}

fn disk(text: &str, dialect: Dialect) -> Option<Disk> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (mount, size) = match words.split_first()? {
        (&"local-disk", size) => (None, size),
        (mount, size) if mount.starts_with('/') => (Some((*mount).to_owned()), size),
        _ => (None, words.as_slice()),
    };
    let bytes = match size {
        [number] if number.ends_with(|c: char| c.is_ascii_digit() || c == '.') => gibibytes(number.parse().ok()?)?,
        [size] => whole(parse_bytes(size, dialect)?)?,
        [number, "HDD" | "SSD" | "LOCAL"] => gibibytes(number.parse().ok()?)?,
        [number, unit] => whole(parse_bytes(&format!("{number} {unit}"), dialect)?)?,
        _ => return None,
    };
    Some(Disk { mount, bytes })
}

fn gibibytes(number: f64) -> Option<u64> {
    whole(number * f64::from(1 << 30))
}

fn whole(bytes: f64) -> Option<u64> {
    (bytes >= 0.0 && bytes.is_finite()).then_some(bytes.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: Value) -> Option<Vec<(Option<String>, u64)>> {
        let gib = |bytes: u64| bytes >> 30;
        read(&value, Dialect::Specification).map(|disks| disks.into_iter().map(|d| (d.mount, gib(d.bytes))).collect())
    }

    #[test]
    fn forms_of_the_specification() {
        let mount = || Some("/mnt/x".to_owned());
        assert_eq!(shown(Value::Int(10)), Some(vec![(None, 10)]));
        assert_eq!(shown(Value::string("10")), Some(vec![(None, 10)]));
        assert_eq!(shown(Value::string("2 TiB")), Some(vec![(None, 2048)]));
        assert_eq!(shown(Value::string("/mnt/x 5")), Some(vec![(mount(), 5)]));
        assert_eq!(shown(Value::string("/mnt/x 5 GiB")), Some(vec![(mount(), 5)]));
        let several = Value::array(vec![Value::string("/mnt/x 5"), Value::string("7 GiB")]);
        assert_eq!(shown(several), Some(vec![(mount(), 5), (None, 7)]));
        assert_eq!(read(&Value::string("1 GB"), Dialect::Specification), Some(vec![Disk { mount: None, bytes: 1_000_000_000 }]));
        assert_eq!((shown(Value::string("lots")), shown(Value::Boolean(true))), (None, None));
    }

    #[test]
    fn forms_of_cromwell() {
        let expected = Some(vec![(None, 100), (Some("/mnt/x".to_owned()), 50)]);
        assert_eq!(shown(Value::string("local-disk 100 HDD, /mnt/x 50 SSD")), expected);
    }
}
