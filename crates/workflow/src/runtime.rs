//! Runtime attributes and requirements of a task: what Cromwell and the WDL texts know, checked and in units.

use std::{collections::BTreeSet, time::Duration};

use batchyard_wdl::{value::Value, version::Dialect};
use indexmap::IndexMap;

use crate::disks::{self, Disk};

/// Which exit statuses count as success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReturnCodes {
    /// All of them.
    Any,
    /// These.
    Only(BTreeSet<i64>),
}

impl ReturnCodes {
    /// Whether a status is a success.
    pub fn accepts(&self, code: i32) -> bool {
        match self {
            ReturnCodes::Any => true,
            ReturnCodes::Only(codes) => codes.contains(&i64::from(code)),
        }
    }
}

/// What a task asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Runtime {
    /// Cores.
    pub cores: f64,
    /// Memory in MiB, `None` when nothing was asked for.
    pub memory_mib: Option<u64>,
    /// The same in bytes as asked for, before rounding to MiB.
    pub memory_bytes: Option<u64>,
    /// Image names in order of preference; empty runs on the host.
    pub images: Vec<String>,
    /// Who its command is in a container of the built-in runner (`docker_user`), as it is written; `None` leaves it to the image. To
    /// the commands of providers it may be more than a name.
    pub container_user: Option<String>,
    /// Names of images that the machine is expected to have been started from, or to know (`dockerTag`, `imageId`, the one in
    /// `cluster`): nothing is run for them, but the configuration may say what stands in.
    pub image_tags: Vec<String>,
    /// Disks it asks for; told by the `task` variable, and without effect here.
    pub disks: Vec<Disk>,
    /// Further attempts after a failure.
    pub max_retries: u32,
    /// Exit statuses that count as success.
    pub return_codes: ReturnCodes,
    /// Whether anything on standard error is a failure.
    pub fail_on_stderr: bool,
    /// Wall time limit of an attempt.
    pub time_limit: Option<Duration>,
}

/// An attribute with a wrong value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("runtime attribute `{name}` {problem}")]
pub struct RuntimeError {
    /// Which.
    pub name: String,
    /// What is wrong with its value.
    pub problem: String,
}

impl Runtime {
    /// Reads evaluated attributes. Later sources must already have overridden earlier ones.
    ///
    /// # Errors
    /// The first attribute whose value makes no sense.
    pub fn read(attributes: &IndexMap<String, Value>, dialect: Dialect) -> Result<Runtime, RuntimeError> {
        let get = |names: &[&'static str]| {
            names.iter().find_map(|name| attributes.get(*name).filter(|v| !v.is_none()).map(|value| Attribute { name, value }))
        };
        // Cromwell knows the newer names from 1.1 on only: what an older document says in both ways it means in the old one.
        let (images, codes): (&[&'static str], &[&'static str]) = match dialect {
            Dialect::Cromwell => (&["docker", "container"], &["continueOnReturnCode"]),
            Dialect::Specification => (&["container", "docker"], &["return_codes", "returnCodes", "continueOnReturnCode"]),
        };
        let return_codes = match get(codes) {
            Some(attribute) => attribute.return_codes()?,
            None => ReturnCodes::Only(BTreeSet::from([0])),
        };
        if let Some(gpu) = get(&["gpu", "fpga"])
            && gpu.boolean()?
        {
            return Err(gpu.problem("asks for an accelerator, and this runner has none to give"));
        }
        let memory_bytes = get(&["memory"]).map(|a| a.memory_bytes(dialect)).transpose()?;
        Ok(Runtime {
            cores: get(&["cpu"]).map_or(Ok(1.0), |a| a.cores())?,
            memory_mib: memory_bytes.map(|bytes| bytes.div_ceil(1 << 20)),
            memory_bytes,
            images: get(images).map_or(Ok(Vec::new()), |a| a.images())?,
            container_user: attributes.get("docker_user").and_then(user_text),
            image_tags: image_tags(attributes),
            disks: get(&["disks"]).map_or(Ok(Vec::new()), |a| a.disks(dialect))?,
            max_retries: get(&["max_retries", "maxRetries"]).map_or(Ok(0), |a| a.count())?,
            return_codes,
            fail_on_stderr: get(&["failOnStderr"]).map_or(Ok(false), |a| a.boolean())?,
            time_limit: get(&["timeout"]).map(|a| a.count()).transpose()?.filter(|s| *s > 0).map(|s| Duration::from_secs(s.into())),
        })
    }
}

/// The names by which the Alibaba back-end knows the environment of a task, the more special ones first.
fn image_tags(attributes: &IndexMap<String, Value>) -> Vec<String> {
    let text = |name: &str| match attributes.get(name) {
        Some(Value::String(text)) => text.as_ref(),
        _ => "",
    };
    let tag = text("dockerTag").split_whitespace().next();
    let of_cluster = text("cluster").split_whitespace().find(|word| word.starts_with("img-") || word.starts_with("m-"));
    let id = text("imageId").split_whitespace().next();
    tag.into_iter().chain(id).chain(of_cluster).map(str::to_owned).collect()
}

fn user_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

struct Attribute<'a> {
    name: &'static str,
    value: &'a Value,
}

impl Attribute<'_> {
    fn problem(&self, problem: impl Into<String>) -> RuntimeError {
        RuntimeError { name: self.name.into(), problem: problem.into() }
    }

    fn shown(&self) -> String {
        batchyard_wdl::json::to_json(self.value).to_string()
    }

    fn cores(&self) -> Result<f64, RuntimeError> {
        let cores = match self.value {
            Value::Int(n) => *n as f64,
            Value::Float(n) => *n,
            Value::String(text) => text.trim().parse().unwrap_or(f64::NAN),
            _ => f64::NAN,
        };
        if cores > 0.0 && cores.is_finite() {
            Ok(cores)
        } else {
            Err(self.problem(format!("must be a positive number, not {}", self.shown())))
        }
    }

    fn count(&self) -> Result<u32, RuntimeError> {
        let count = match self.value {
            Value::Int(n) => u32::try_from(*n).ok(),
            Value::Float(n) if n.fract() == 0.0 => u32::try_from(*n as i64).ok(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        count.ok_or_else(|| self.problem(format!("must be a whole number from 0, not {}", self.shown())))
    }

    fn boolean(&self) -> Result<bool, RuntimeError> {
        match self.value {
            Value::Boolean(b) => Ok(*b),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(self.problem(format!("must be true or false, not {}", self.shown()))),
        }
    }

    fn images(&self) -> Result<Vec<String>, RuntimeError> {
        let text = |value: &Value| match value {
            Value::String(text) | Value::File(text) => Some(text.trim().to_owned()),
            _ => None,
        };
        let images = match self.value {
            Value::Array(items) => items.iter().map(text).collect::<Option<Vec<_>>>(),
            value => text(value).map(|t| vec![t]),
        };
        let images = images.ok_or_else(|| self.problem(format!("must be an image name or a list of them, not {}", self.shown())))?;
        // `*` (1.2) means any environment, the host's included.
        Ok(if images.iter().any(|i| i == "*") { Vec::new() } else { images.into_iter().filter(|i| !i.is_empty()).collect() })
    }

    fn return_codes(&self) -> Result<ReturnCodes, RuntimeError> {
        let code = |value: &Value| match value {
            Value::Int(n) => Some(*n),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let codes = match self.value {
            Value::Boolean(true) => return Ok(ReturnCodes::Any),
            Value::Boolean(false) => Some(BTreeSet::from([0])),
            Value::String(text) if &**text == "*" || text.eq_ignore_ascii_case("true") => return Ok(ReturnCodes::Any),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Some(BTreeSet::from([0])),
            Value::Array(items) => items.iter().map(code).collect(),
            value => code(value).map(|n| BTreeSet::from([n])),
        };
        codes
            .map(ReturnCodes::Only)
            .ok_or_else(|| self.problem(format!("must be a status, a list of them, true or \"*\", not {}", self.shown())))
    }

    /// Older documents write what they like: there the attribute never meant anything here.
    fn disks(&self, dialect: Dialect) -> Result<Vec<Disk>, RuntimeError> {
        match disks::read(self.value, dialect) {
            None if dialect == Dialect::Specification => {
                Err(self.problem(format!("must be a size such as \"10 GiB\", with a mount point or without, not {}", self.shown())))
            }
            disks => Ok(disks.unwrap_or_default()),
        }
    }

    fn memory_bytes(&self, dialect: Dialect) -> Result<u64, RuntimeError> {
        let bytes = match self.value {
            Value::Int(n) => Some(*n as f64),
            Value::Float(n) => Some(*n),
            Value::String(text) => parse_bytes(text, dialect),
            _ => None,
        };
        match bytes {
            Some(bytes) if bytes > 0.0 && bytes.is_finite() => Ok(bytes.ceil() as u64),
            _ => Err(self.problem(format!("must be a number of bytes or a size such as \"4 GiB\", not {}", self.shown()))),
        }
    }
}

/// Bytes of a text such as `7.5 GiB`. In Cromwell's dialect every unit counts by 1024.
pub fn parse_bytes(text: &str, dialect: Dialect) -> Option<f64> {
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split)?;
    let number: f64 = number.parse().ok()?;
    let unit = unit.trim();
    if unit.is_empty() || unit.eq_ignore_ascii_case("b") {
        return Some(number);
    }
    let mut letters = unit.chars();
    let power = match letters.next()?.to_ascii_lowercase() {
        'k' => 1,
        'm' => 2,
        'g' => 3,
        't' => 4,
        'p' => 5,
        _ => return None,
    };
    let base: f64 = match letters.as_str().to_ascii_lowercase().as_str() {
        "i" | "ib" => 1024.0,
        "" | "b" if dialect == Dialect::Cromwell => 1024.0,
        "" | "b" => 1000.0,
        _ => return None,
    };
    Some(number * base.powi(power))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, Value)]) -> Result<Runtime, RuntimeError> {
        Runtime::read(&pairs.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect(), Dialect::Cromwell)
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_bytes("4 GB", Dialect::Cromwell), Some(4.0 * 1024f64.powi(3)));
        assert_eq!(parse_bytes("4 GB", Dialect::Specification), Some(4e9));
        assert_eq!(parse_bytes("7.5  GiB", Dialect::Specification), Some(7.5 * 1024f64.powi(3)));
        assert_eq!(parse_bytes("2048", Dialect::Cromwell), Some(2048.0));
        assert_eq!(parse_bytes("4 bananas", Dialect::Cromwell), None);
    }

    #[test]
    fn published_forms() {
        let runtime =
            read(&[("cpu", Value::string("16")), ("memory", Value::string("14.0 GiB")), ("docker", Value::string("ubuntu:latest"))])
                .unwrap();
        assert_eq!((runtime.cores, runtime.memory_mib), (16.0, Some(14336)));
        assert_eq!(runtime.images, ["ubuntu:latest"]);
        let runtime = read(&[("continueOnReturnCode", Value::array(vec![Value::Int(0), Value::Int(3)]))]).unwrap();
        assert!(runtime.return_codes.accepts(3) && !runtime.return_codes.accepts(1));
        let newer = |pairs: &[(&str, Value)]| {
            Runtime::read(&pairs.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect(), Dialect::Specification).unwrap()
        };
        assert!(newer(&[("returnCodes", Value::string("*"))]).return_codes.accepts(77));
        assert!(!read(&[("returnCodes", Value::string("*"))]).unwrap().return_codes.accepts(77), "Cromwell knows it from 1.1 on");
        let both = [("docker", Value::string("old")), ("container", Value::string("new"))];
        assert_eq!((read(&both).unwrap().images, newer(&both).images), (vec!["old".to_owned()], vec!["new".to_owned()]));
    }

    #[test]
    fn tags_of_images() {
        let read = read(&[
            ("cluster", Value::string("OnDemand ecs.sn1ne.large img-gatk4")),
            ("dockerTag", Value::string("broadinstitute/gatk:4.0.0.0 oss://b/registry/")),
        ])
        .unwrap();
        assert_eq!((read.images, read.image_tags), (Vec::new(), vec!["broadinstitute/gatk:4.0.0.0".to_owned(), "img-gatk4".to_owned()]));
    }

    #[test]
    fn wrong_values_are_named() {
        assert_eq!(read(&[("cpu", Value::Int(0))]).unwrap_err().to_string(), "runtime attribute `cpu` must be a positive number, not 0");
        assert!(read(&[("memory", Value::string("lots"))]).unwrap_err().to_string().contains("`memory`"));
        assert!(read(&[("maxRetries", Value::Int(-1))]).is_err());
    }
}
