//! What restores the roles of a service's account. Pure.

use super::{Command, Loss, Remedy};
use crate::cloud::Drift;

/// Restores the roles of an account.
pub fn access(loss: &Loss<'_>, remedy: &mut Remedy) {
    let project = project(loss);
    for drift in &loss.fields {
        match (role(drift), drift.was.is_some(), loss.was("account")) {
            (Some(role), true, Some(account)) => remedy.commands.push(
                Command::gcloud("projects add-iam-policy-binding", project)
                    .with("member", &format!("serviceAccount:{account}"))
                    .with("role", role)
                    // It must be said where the policy has a condition anywhere.
                    .with("condition", "None"),
            ),
            (Some(role), true, None) => {
                remedy.notes.push(format!(
                    "the service's account had {role}, and the account is not known here: grant it again"
                ));
            }
            (Some(role), false, _) => {
                remedy.notes.push(format!("the service's account has got {role} since: nothing need be restored"));
            }
            // The service's own field leads back to the account.
            (None, _, _) => {}
        }
    }
}

/// The project whose policy it is.
pub fn project<'l>(loss: &'l Loss<'_>) -> &'l str {
    if loss.object.project.is_empty() { loss.object.name } else { loss.object.project }
}

/// The role that a field is about.
pub fn role(drift: &Drift) -> Option<&str> {
    drift.field.strip_prefix("roles[")?.strip_suffix(']')
}
