//! How an instance ended, as it is kept with its row.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{instance::End, plan::PlannedTask};

/// The document of an instance's row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResultDoc {
    /// Exit status of the command.
    pub exit_code: i32,
    /// What kind of failure it was; empty for a success.
    pub error_code: String,
    /// Words about it.
    pub message: String,
    /// The end of its standard error.
    pub detail: String,
    /// Where an app's outputs are.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, String>,
}

impl ResultDoc {
    /// How an attempt of a task ended.
    pub fn of(end: &End, task: &PlannedTask) -> Self {
        ResultDoc {
            exit_code: end.exit_code.unwrap_or(0),
            error_code: end.error_code.clone(),
            message: end.message.clone(),
            detail: end.detail.clone(),
            outputs: if end.is_success() { task.outputs.clone() } else { BTreeMap::new() },
        }
    }

    /// As text.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From the text of a row; what is not there is empty.
    pub fn from_text(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}
