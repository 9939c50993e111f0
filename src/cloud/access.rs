//! Whether the service's account may connect to the instance (cloudresourcemanager v3, `projects.getIamPolicy`). Data only.

use serde::{Deserialize, Serialize};

/// What the project's IAM policy grants to the service's account. Roles that are inherited from a folder or the organisation, or
/// come by a group, don't show there: what is not granted here is `NotShown`, never denied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Access {
    /// The account, such as backend@netra-staging.iam.gserviceaccount.com.
    pub account: String,
    /// cloudsql.instances.connect.
    pub connect: Grant,
    /// cloudsql.instances.login, for IAM database authentication.
    pub login: Grant,
    /// The roles that the account has in the project.
    #[serde(default)]
    pub roles: Vec<String>,
}

/// Whether a permission is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Grant {
    /// A role of the project's policy grants it.
    Granted,
    /// No role of the project's policy does.
    NotShown,
}
