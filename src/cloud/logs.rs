//! Log entries that say the same, as one (logging v2, `entries.list`). Data only.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Entries that differ in numbers and ids alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogSignature {
    /// What they say, numbers and ids left out.
    pub signature: String,
    /// One of them, cut and without secrets.
    pub sample: String,
    /// How many in the window.
    pub count: u64,
    /// Whether there are more than were counted.
    #[serde(default)]
    pub more: bool,
    /// Severity of the gravest, such as ERROR.
    #[serde(default)]
    pub severity: String,
    /// The first of them.
    pub first: Timestamp,
    /// The last of them.
    pub last: Timestamp,
    /// The exit code that they tell, if any.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// The time-out that they tell, if any: "timeout after 20.0s".
    #[serde(default)]
    pub timeout: Option<Duration>,
}
