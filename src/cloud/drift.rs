//! What differs between a path's configuration as it was when it worked and as it is. Data only.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Inspection;

/// One field that differs from the baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drift {
    /// The inspection that shows it.
    pub inspection: Inspection,
    /// The object's name in full.
    pub object: String,
    /// The field, as its API spells it, such as vpcAccess.connector. Empty: the object itself is gone or new.
    pub field: String,
    /// What it was. None: it was not set.
    #[serde(default)]
    pub was: Option<String>,
    /// What it is. None: it is not set any more.
    #[serde(default)]
    pub is: Option<String>,
    /// When it was first seen to differ.
    pub since: Timestamp,
    /// When it was changed, where the object or an audit log tells.
    #[serde(default)]
    pub changed: Option<Timestamp>,
    /// Who changed it, where the object or an audit log tells.
    #[serde(default)]
    pub by: Option<String>,
}

impl Drift {
    /// Since when it differs, as well as that is known.
    pub fn at(&self) -> Timestamp {
        self.changed.unwrap_or(self.since)
    }
}
