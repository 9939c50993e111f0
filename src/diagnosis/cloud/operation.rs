//! The rule about what is or was lately done to the instance: a restart, a failover, an update, maintenance. Pure.

use jiff::{SignedDuration, Timestamp};

use super::super::{Case, Finding, Gravity};
use super::{cite, clock, way};
use crate::api::{Cause, Confidence};
use crate::cloud::instance::{Instance, Operation};
use crate::cloud::reading::Found;
use crate::cloud::{Inspection, Picture};

pub(in crate::diagnosis) const OPERATION: &str = "database/operation";

/// How long after its end an operation still explains a failure: clients and name servers take their time.
const AFTER: SignedDuration = SignedDuration::from_mins(10);

/// How long before maintenance that is planned it is worth a remark.
const SOON: SignedDuration = SignedDuration::from_hours(24);

/// How long after it was due it may be what breaks connections (Cloud SQL documentation, "Maintenance": minutes, within a window of an hour).
const LASTS: SignedDuration = SignedDuration::from_hours(1);

/// Operations that take connections away while they run.
const INTERRUPTING: [&str; 10] = [
    "RESTART",
    "FAILOVER",
    "SWITCHOVER",
    "UPDATE",
    "MAINTENANCE",
    "SELF_SERVICE_MAINTENANCE",
    "RESTORE_VOLUME",
    "RECREATE_REPLICA",
    "PROMOTE_REPLICA",
    "MAJOR_VERSION_UPGRADE",
];

/// Whether an operation is under way (true), or ended so lately that it still explains something (false).
fn explains(operation: &Operation, now: Timestamp) -> Option<bool> {
    if !INTERRUPTING.contains(&&*operation.operation_type) {
        return None;
    }
    match &*operation.status {
        "PENDING" | "RUNNING" => Some(true),
        "DONE" => operation.end_time.filter(|end| now.duration_since(*end) <= AFTER).map(|_| false),
        _ => None,
    }
}

/// Maintenance that Google has planned: a remark before it is due, and an explanation while it may be under way.
fn maintenance(case: &Case<'_>, picture: &Picture, found: &Found<Instance>) -> Option<Finding> {
    let due = found.object.scheduled_maintenance?;
    let ahead = due.duration_since(case.now);
    if ahead > SOON || ahead < -LASTS {
        return None;
    }
    let begun = !ahead.is_positive();
    let when = if begun { "was due at" } else { "is planned for" };
    let says = format!("maintenance {when} {due}");
    let summary =
        format!("maintenance of the instance {} {when} {due}: it breaks connections", found.object.connection_name);
    let told = vec![cite("instance", found, says)];
    let failing = if begun { way::of_instance(case, picture) } else { Vec::new() };
    let symptoms = if failing.is_empty() { Vec::new() } else { way::symptoms(case) };
    let finding = Finding::told(OPERATION, Cause::InstanceOperation, Inspection::Instance, summary, told);
    Some(finding.sure(Confidence::Medium).weighing(Gravity::Remark).explaining(case, failing, symptoms))
}

pub(in crate::diagnosis) fn operation(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.instance.found() else { return Vec::new() };
    let lately = found.object.operations.iter();
    let Some((operation, running)) = lately
        .filter_map(|operation| Some((operation, explains(operation, case.now)?)))
        .max_by_key(|(_, running)| *running)
    else {
        return maintenance(case, picture, found).into_iter().collect();
    };
    let by = if operation.user.is_empty() { String::new() } else { format!(" by {}", operation.user) };
    let when = match (running, operation.start_time, operation.end_time) {
        (true, Some(start), _) => format!("under way since {}; this is expected to pass", clock(start)),
        (true, None, _) => "under way; this is expected to pass".to_owned(),
        (false, _, Some(end)) => format!("ended at {}", clock(end)),
        (false, _, None) => "ended lately".to_owned(),
    };
    let error = operation.error.as_ref().map(|error| format!(", with the error: {error}")).unwrap_or_default();
    let what = &operation.operation_type;
    let summary = format!("{what} of the instance {}{by}: {when}{error}", found.object.connection_name);
    let told = vec![cite("instance", found, format!("operation {what} {}", operation.status))];
    let confidence = if running { Confidence::High } else { Confidence::Medium };
    let finding = Finding::told(OPERATION, Cause::InstanceOperation, Inspection::Instance, summary, told);
    let failing = way::of_instance(case, picture);
    let symptoms = if failing.is_empty() { Vec::new() } else { way::symptoms(case) };
    vec![finding.sure(confidence).weighing(Gravity::Remark).explaining(case, failing, symptoms)]
}
