//! Changes of configuration as Cloud Audit Logs tell them (logging v2, Admin Activity). Data only.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Inspection;

/// A change that was asked for and not refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Change {
    /// When it was asked for.
    pub at: Timestamp,
    /// Who asked for it: the e-mail address of a person or an account. Empty: the log does not tell.
    #[serde(default)]
    pub principal: String,
    /// The method, such as google.cloud.vpcaccess.v1.VpcAccessService.CreateConnector.
    pub method: String,
    /// What was changed, as the API of the method names it: projects/P/global/networks/N, but also instances/I.
    pub resource: String,
    /// What of it, where the entry tells and the name does not: the range of a route; of a policy each ROLE MEMBER that it gave
    /// or took away.
    #[serde(default)]
    pub about: Vec<String>,
}

/// An object that has changed, of which nobody knows yet who changed it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject {
    /// The inspection that shows it.
    pub inspection: Inspection,
    /// Its name in full. Private zones go by the name of their network, a policy by that of its project.
    pub object: Arc<str>,
}
