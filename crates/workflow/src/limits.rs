//! Limits of runs that a configuration may set.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::{documents::Failure, memory::Memory, pace::Pace};

/// Limits of the runs of an engine; by default there are none but those of the language.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A wider scatter fails its run.
    pub scatter_width: usize,
    /// More calls of tasks than this, those of sub-workflows among them, fail the run.
    pub calls: usize,
    /// Most bytes that functions such as `read_lines` accept, by their names; others are as the language has them.
    pub read_bytes: ReadBytes,
    /// Whether expressions of workflows, outside of tasks, may read files of this machine.
    pub workflows_read_files: bool,
    /// Earlier results are taken only if they are not older.
    pub result_age: Option<Duration>,
    /// How many earlier results are tried before a call is run.
    pub result_tries: u32,
    /// How fast tasks may start; shared by all engines with these limits.
    pub pace: Option<Arc<Pace>>,
    /// What the values of all runs may take; shared by all engines with these limits.
    pub memory: Arc<Memory>,
}

/// Bytes by name of function.
pub type ReadBytes = Arc<HashMap<&'static str, u64>>;

impl Default for Limits {
    fn default() -> Self {
        Limits {
            scatter_width: usize::MAX,
            calls: usize::MAX,
            read_bytes: Arc::default(),
            workflows_read_files: true,
            result_age: None,
            result_tries: u32::MAX,
            pace: None,
            memory: Arc::default(),
        }
    }
}

impl Limits {
    /// Whether a scatter may have this width.
    ///
    /// # Errors
    /// It is wider.
    pub fn check_width(&self, width: usize) -> Result<(), Failure> {
        if width <= self.scatter_width {
            return Ok(());
        }
        let message = format!("scatter width of {width} exceeds the configured limit of {}", self.scatter_width);
        Err(Failure::new(message).hint("scatter in two steps, or raise `system.max-scatter-width-per-scatter`"))
    }

    /// Whether a run may have this many calls.
    ///
    /// # Errors
    /// They are more.
    pub fn check_calls(&self, calls: usize) -> Result<(), Failure> {
        if calls <= self.calls {
            return Ok(());
        }
        let message = format!("the workflow has more than {} jobs, the configured limit of one root workflow", self.calls);
        Err(Failure::new(message).hint("divide it, or raise `system.total-max-jobs-per-root-workflow`"))
    }
}
