//! What restores the roles of a service's account. Pure.

use super::{Command, Loss, Remedy};

/// Restores the roles of an account.
pub fn access(loss: &Loss<'_>, remedy: &mut Remedy) {
    let project = loss.object.project;
    let project = if project.is_empty() { loss.object.name } else { project };
    for drift in &loss.fields {
        let role = drift.field.strip_prefix("roles[").and_then(|rest| rest.strip_suffix(']'));
        match (role, drift.was.is_some(), loss.was("account")) {
            (Some(role), true, Some(account)) => remedy.commands.push(
                Command::gcloud("projects add-iam-policy-binding", project)
                    .with("member", &format!("serviceAccount:{account}"))
                    .with("role", role),
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
