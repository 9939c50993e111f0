//! Whether the service's account may connect to the instance (cloudresourcemanager v3, `projects.getIamPolicy`). Data only.

use serde::{Deserialize, Serialize};

/// What the project's IAM policy grants to the service's account. Roles that are inherited from a folder or the organisation, or
/// come by a group, don't show there: what is not granted here is `NotShown`, never denied. What a custom role or a
/// condition may grant is told apart from both.
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

/// Whether a permission is granted, from what grants it for sure to what does not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Grant {
    /// A role of the project's policy grants it.
    Granted,
    /// A custom role may: which permissions it carries was not read.
    CustomRole,
    /// A role that carries it, or may, is bound under a condition, of which it was not read whether it holds.
    Condition,
    /// No role of the project's policy does.
    NotShown,
}

/// Whether a role is one of a project's or an organisation's own: projects/p/roles/x, organizations/1/roles/x.
pub fn is_custom(role: &str) -> bool {
    role.starts_with("projects/") || role.starts_with("organizations/")
}
