//! Ids of the BatchCompute service, in the forms that its clients know.

use std::{fmt, str::FromStr, sync::Arc};

use uuid::Uuid;

use super::InvalidId;

/// Digits of a job's id.
const JOB_DIGITS: usize = 32;
/// Letters of the ids that the service gives to clusters, images and nodes.
const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A job: `job-` and 32 upper-case hexadecimal digits. Ids made later sort later.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(Arc<str>);

impl JobId {
    /// A new id. It begins with zeros, so that clients that take it for a number can.
    pub fn random() -> Self {
        let (milliseconds, random) = time_and_chance();
        let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
        let middle = (rest << 22) as u32 | ((random >> 42) as u32 & 0x003F_FFFF);
        JobId(format!("job-00000000{:08X}{middle:08X}{:08X}", seconds as u32, random as u32).into())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Milliseconds since 1970 and 64 random bits.
fn time_and_chance() -> (u64, u64) {
    let (high, low) = Uuid::now_v7().as_u64_pair();
    (high >> 16, low)
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for JobId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let digits = text.strip_prefix("job-").unwrap_or_default();
        let good = digits.len() == JOB_DIGITS && digits.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b));
        if good { Ok(JobId(text.into())) } else { Err(InvalidId { what: "job id (`job-` and 32 hexadecimal digits)", text: text.into() }) }
    }
}

/// A new id of a cluster (`cls-`), image (`img-`) or node (`ins-`): the prefix, the time and chance in base 36.
pub fn service_id(prefix: &str) -> String {
    let (milliseconds, random) = time_and_chance();
    let mut text = format!("{prefix}-");
    for (mut number, letters) in [(milliseconds, 9), (random, 8)] {
        let mut part = Vec::with_capacity(letters);
        for _ in 0..letters {
            part.push(BASE36.get((number % 36) as usize).copied().unwrap_or(b'0'));
            number /= 36;
        }
        text.extend(part.iter().rev().map(|letter| char::from(*letter)));
    }
    text
}

/// A new id of a message that waits for its receiver: those of one process are in the order of their making.
pub fn notice_id() -> String {
    Uuid::now_v7().simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_round_trip() {
        let first = JobId::random();
        std::thread::sleep(std::time::Duration::from_millis(3));
        let second = JobId::random();
        assert!(first < second, "{first} {second}");
        assert_eq!(first.to_string().parse::<JobId>().unwrap(), first);
        assert!(first.as_str().starts_with("job-00000000"));
        for bad in ["", "job-", "job-0", "job-000000005c49be3100006a5f00301d8e", "cls-000000005C49BE3100006A5F00301D8E"] {
            assert!(bad.parse::<JobId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn notice_ids_are_in_the_order_of_their_making() {
        let ids: Vec<String> = (0..1000).map(|_| notice_id()).collect();
        assert!(ids.iter().zip(ids.iter().skip(1)).all(|(a, b)| a < b));
    }

    #[test]
    fn service_ids_differ() {
        let (a, b) = (service_id("cls"), service_id("cls"));
        assert!(a != b && a.starts_with("cls-") && a.len() == 21, "{a}");
    }
}
