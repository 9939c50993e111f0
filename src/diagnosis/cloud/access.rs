//! The rule about IAM: whether the service's account may connect to the instance. Pure.

use super::super::{Case, Finding, Gravity};
use super::{cite, way};
use crate::api::{Cause, Confidence};
use crate::cloud::access::Grant;
use crate::cloud::service::Says;
use crate::cloud::{Inspection, Picture};

pub(in crate::diagnosis) const ACCESS: &str = "application/access";

/// How the service goes to the instance, if that takes a permission.
fn by_what(picture: &Picture) -> Option<&'static str> {
    let template = &picture.service.object()?.template;
    if !template.cloud_sql_instances.is_empty() {
        return Some("the instance is mounted below /cloudsql");
    }
    let names = template.settings.iter().any(|setting| matches!(setting.says, Says::Instance(_)));
    names.then_some("its environment names the instance for a connector")
}

pub(in crate::diagnosis) fn access(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.access.found() else { return Vec::new() };
    let access = &found.object;
    let by = by_what(picture);
    let iam_login = case.faults(|cause| matches!(cause, Cause::AuthenticationFailed | Cause::AccessDenied));
    let iam_login: Vec<usize> = iam_login
        .filter(|(_, observation, _)| {
            access.login == Grant::NotShown && observation.target.contains(&*login_name(&access.account))
        })
        .map(|(index, ..)| index)
        .collect();
    let (permission, role, why) = match by {
        Some(why) if access.connect == Grant::NotShown => ("cloudsql.instances.connect", "roles/cloudsql.client", why),
        _ if !iam_login.is_empty() => ("cloudsql.instances.login", "roles/cloudsql.instanceUser", "it logs in by IAM"),
        Some(_) | None => return Vec::new(),
    };
    let summary = format!(
        "the project's IAM policy shows no role with {permission} for {}, and {why}; a folder, the organisation or a group may grant it",
        access.account
    );
    let roles = if access.roles.is_empty() { "none".to_owned() } else { access.roles.join(", ") };
    let told = vec![cite("IAM policy", found, format!("roles of {}: {roles}", access.account))];
    let remedy = format!(
        "Unless it is inherited: `gcloud projects add-iam-policy-binding PROJECT --member=serviceAccount:{} --role={role}`.",
        access.account
    );
    let finding = Finding::told(ACCESS, Cause::AccessNotGranted, Inspection::Access, summary, told);
    let finding = finding.sure(Confidence::Medium).weighing(Gravity::Flaw).remedied(remedy);
    // Where the path itself is silent, a permission was never asked for.
    let symptoms = if way::silent(case).is_empty() { way::symptoms(case) } else { Vec::new() };
    vec![finding.explaining(case, iam_login, symptoms)]
}

/// The database user of a service account: its name without the domain's end.
fn login_name(account: &str) -> String {
    account.trim_end_matches(".gserviceaccount.com").to_owned()
}
