//! The rule about IAM: whether the service's account may connect to the instance. Pure.

use super::super::{Case, Finding, Gravity};
use super::{cite, short, way};
use crate::api::{Cause, Confidence};
use crate::cloud::access::{Access, Grant, is_custom};
use crate::cloud::service::Says;
use crate::cloud::{Inspection, Picture};

pub(in crate::diagnosis) const ACCESS: &str = "application/access";

/// What connecting takes.
const CONNECT: &str = "cloudsql.instances.connect";
/// What IAM database authentication takes.
const LOGIN: &str = "cloudsql.instances.login";

/// How the service goes to the instance, if that takes a permission.
fn by_what(picture: &Picture) -> Option<&'static str> {
    let template = &picture.service.object()?.template;
    if !template.cloud_sql_instances.is_empty() {
        return Some("the instance is mounted below /cloudsql");
    }
    let names = template.settings.iter().any(|setting| matches!(setting.says, Says::Instance(_)));
    names.then_some("its environment names the instance for a connector")
}

/// Probes that log in as the account, and are refused.
fn refused(case: &Case<'_>, access: &Access) -> Vec<usize> {
    let login = login_name(&access.account);
    case.faults(|cause| matches!(cause, Cause::AuthenticationFailed | Cause::AccessDenied))
        .filter(|(_, observation, _)| observation.target.contains(&*login))
        .map(|(index, ..)| index)
        .collect()
}

pub(in crate::diagnosis) fn access(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.access.found() else { return Vec::new() };
    let access = &found.object;
    let by = by_what(picture);
    let iam_login = if access.login == Grant::NotShown { refused(case, access) } else { Vec::new() };
    let (permission, role, why) = match by {
        Some(why) if access.connect == Grant::NotShown => (CONNECT, "roles/cloudsql.client", why),
        _ if !iam_login.is_empty() => (LOGIN, "roles/cloudsql.instanceUser", "it logs in by IAM"),
        Some(_) | None => return Vec::new(),
    };
    let summary = format!(
        "the project's IAM policy shows no role with {permission} for {}, and {why}; a folder, the organisation or a group may grant it",
        access.account
    );
    let roles = if access.roles.is_empty() { "none".to_owned() } else { access.roles.join(", ") };
    let told = vec![cite("IAM policy", found, format!("roles of {}: {roles}", access.account))];
    let remedy = format!(
        "Unless it is inherited: `gcloud projects add-iam-policy-binding {} --member=serviceAccount:{} --role={role} --condition=None`.",
        short(&found.name),
        access.account
    );
    let finding = Finding::told(ACCESS, Cause::AccessNotGranted, Inspection::Access, summary, told);
    let finding = finding.sure(Confidence::Medium).weighing(Gravity::Flaw).remedied(remedy);
    // Where the path itself is silent, a permission was never asked for.
    let symptoms = if way::silent(case).is_empty() { way::symptoms(case) } else { Vec::new() };
    vec![finding.explaining(case, iam_login, symptoms)]
}

/// What the account may do that could not be told, where the path takes it: a custom role or a condition may grant it.
pub(in crate::diagnosis) fn untold(case: &Case<'_>) -> Vec<String> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(access) = picture.access.object() else { return Vec::new() };
    let connects = by_what(picture).is_some().then_some(("connect", CONNECT, access.connect));
    let logs_in = (!refused(case, access).is_empty()).then_some(("log in by IAM", LOGIN, access.login));
    let untold = [connects, logs_in].into_iter().flatten().filter_map(|(verb, permission, grant)| {
        let why = doubt(access, grant)?;
        Some(format!("whether {} may {verb} ({permission}) could not be told: {why}", access.account))
    });
    untold.collect()
}

/// Why a grant leaves open whether it is one.
fn doubt(access: &Access, grant: Grant) -> Option<String> {
    match grant {
        Grant::Granted | Grant::NotShown => None,
        Grant::CustomRole => {
            let custom: Vec<&str> = access.roles.iter().map(|role| &**role).filter(|role| is_custom(role)).collect();
            let roles = if custom.is_empty() { "a custom role".to_owned() } else { custom.join(", ") };
            Some(format!("it has {roles}, and what a custom role permits is not read"))
        }
        Grant::Condition => {
            Some("a role that may permit it is granted under a condition, which is not read".to_owned())
        }
    }
}

/// The database user of a service account: its name without the domain's end.
fn login_name(account: &str) -> String {
    account.trim_end_matches(".gserviceaccount.com").to_owned()
}
