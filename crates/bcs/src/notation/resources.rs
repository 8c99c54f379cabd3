//! Resources in the words of the Portable Batch System: `select=2:ncpus=2:mem=4gb+1:ncpus=1,walltime=1:00:00`.

use serde::Serialize;

use crate::failure::Failure;

/// What a job asks for; absent values are not asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Resources {
    /// Cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Memory in GB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem: Option<f64>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// Instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u64>,
}

impl Resources {
    /// Takes over what `other` asks for.
    pub fn merge(&mut self, other: Resources) {
        self.cpu = other.cpu.or(self.cpu);
        self.mem = other.mem.or(self.mem);
        self.timeout = other.timeout.or(self.timeout);
        self.nodes = other.nodes.or(self.nodes);
    }
}

/// Reads a resource list; resources that are not known are ignored, as in the original.
///
/// # Errors
///
/// [`Failure::Told`] for values that cannot be read.
pub fn resources(text: &str) -> Result<Resources, Failure> {
    let mut found = Resources::default();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        if let Some(chunks) = item.strip_prefix("select=") {
            found.merge(select(chunks)?);
            continue;
        }
        let (key, value) = item.split_once('=').ok_or_else(|| wrong(item))?;
        match key {
            "walltime" | "pcput" => found.timeout = Some(wall_time(value)?),
            "nodes" => found.nodes = Some(value.split('+').map(leading).sum::<Result<u64, _>>()?),
            "ncpus" => found.cpu = Some(cores(value)?),
            "mem" => found.mem = Some(memory(value)?),
            _ => {}
        }
    }
    Ok(found)
}

/// `2:ncpus=3:mem=4gb+...`: the sum over all chunks.
fn select(text: &str) -> Result<Resources, Failure> {
    let mut sum = Resources::default();
    for chunk in text.split('+').map(str::trim).filter(|chunk| !chunk.is_empty()) {
        let mut items = chunk.split(':').peekable();
        let count = items.peek().and_then(|first| first.parse::<f64>().ok());
        if count.is_some() {
            items.next();
        }
        let count = count.unwrap_or(1.0);
        for item in items {
            let (key, value) = item.split_once('=').unwrap_or((item, ""));
            match key {
                "ncpus" => sum.cpu = Some(sum.cpu.unwrap_or(0.0) + cores(value)? * count),
                "mem" => sum.mem = Some(sum.mem.unwrap_or(0.0) + memory(value)? * count),
                "nodes" => sum.nodes = Some(sum.nodes.unwrap_or(0) + leading(value)?),
                _ => {}
            }
        }
    }
    Ok(sum)
}

fn cores(value: &str) -> Result<f64, Failure> {
    let whole = u32::try_from(leading(value)?).map_err(|_| wrong(value))?;
    Ok(f64::from(whole))
}

fn leading(value: &str) -> Result<u64, Failure> {
    let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().map_err(|_| wrong(value))
}

fn memory(value: &str) -> Result<f64, Failure> {
    let lower = value.to_ascii_lowercase();
    let (number, factor) = match (lower.strip_suffix("gb"), lower.strip_suffix("mb")) {
        (Some(number), _) => (number, 1.0),
        (None, Some(number)) => (number, 1024.0),
        (None, None) => return Err(Failure::told(format!("Unsupported mem format: `{value}` ends neither in mb nor in gb"))),
    };
    number.parse::<f64>().map(|n| n / factor).map_err(|_| wrong(value))
}

fn wall_time(value: &str) -> Result<u64, Failure> {
    let parts: Vec<u64> = value.split(':').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong(value))?;
    match parts.as_slice() {
        [hours, minutes, seconds] => Ok(hours * 3600 + minutes * 60 + seconds),
        _ => Err(wrong(value)),
    }
}

fn wrong(item: &str) -> Failure {
    Failure::told(format!("Invalid resource list: `{item}` cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_summed() {
        let read = resources("select=2:ncpus=1:mem=10GB+3:ncpus=2:mem=512mb:arch=linux").unwrap();
        assert_eq!(read, Resources { cpu: Some(8.0), mem: Some(21.5), timeout: None, nodes: None });
        let read = resources("ncpus=4,mem=512mb,walltime=1:00:30,nodes=2+1:ppn=2,arch=linux").unwrap();
        assert_eq!(read, Resources { cpu: Some(4.0), mem: Some(0.5), timeout: Some(3630), nodes: Some(3) });
    }

    #[test]
    fn what_is_wrong_is_named() {
        for text in ["ncpus", "ncpus=x", "mem=4", "walltime=90", "select=ncpus=x"] {
            assert!(resources(text).is_err(), "{text}");
        }
    }
}
