//! Rules about the Cloud SQL instance: whether it is there, runs, and has the address that is aimed at. Pure.

use super::super::{Case, Finding, Gravity, Observation};
use super::{cite, clock, segment, short, way};
use crate::api::{Cause, Confidence, Layer};
use crate::cloud::Inspection;
use crate::cloud::instance::{ActivationPolicy, AddressType, Instance, InstanceState, OutOfDisk, SuspensionReason};
use crate::cloud::reading::{Found, Why};

pub(in crate::diagnosis) const MISSING: &str = "database/instance-missing";
pub(in crate::diagnosis) const SUSPENDED: &str = "database/instance-suspended";
pub(in crate::diagnosis) const DISK_FULL: &str = "database/disk-full";
pub(in crate::diagnosis) const STATE: &str = "database/instance-state";
pub(in crate::diagnosis) const STOPPED: &str = "database/instance-stopped";
pub(in crate::diagnosis) const NO_ADDRESS: &str = "database/no-private-address";
pub(in crate::diagnosis) const ADDRESS_CHANGED: &str = "application/address-changed";

pub(in crate::diagnosis) fn missing(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(unread) = picture.instance.unread().filter(|unread| unread.why == Why::NotFound) else {
        return Vec::new();
    };
    let told = vec![format!("instance {}: not found (HTTP 404), asked {}", unread.name, clock(unread.at))];
    let summary = format!("the Cloud SQL instance {} does not exist", short(&unread.name));
    let finding = Finding::told(MISSING, Cause::InstanceMissing, Inspection::Instance, summary, told);
    vec![finding.about_the_instance(case, picture)]
}

/// What to do about a suspension, by its reason.
fn mends(reason: &SuspensionReason) -> Option<&'static str> {
    match reason {
        SuspensionReason::BillingIssue => Some(
            "billing: see that the project's billing account is open and paid (`gcloud billing projects describe PROJECT`)",
        ),
        SuspensionReason::LegalIssue => Some("a legal matter: ask Google's support; nothing in the project mends it"),
        SuspensionReason::OperationalIssue => {
            Some("an operational problem of Cloud SQL's: open a case with Google's support")
        }
        SuspensionReason::KmsKeyIssue => Some(
            "the key that encrypts it can't be used: enable the Cloud KMS key version, and grant Cloud SQL's service account roles/cloudkms.cryptoKeyEncrypterDecrypter on it",
        ),
        SuspensionReason::ProjectAbuse => {
            Some("the project is held to violate the terms of service: answer Google's notice to the project's owners")
        }
        SuspensionReason::Unspecified | SuspensionReason::Other(_) => None,
    }
}

pub(in crate::diagnosis) fn suspended(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.instance.found() else { return Vec::new() };
    let instance = &found.object;
    if instance.state != InstanceState::Suspended {
        return Vec::new();
    }
    let reasons: Vec<&str> = instance.suspension_reason.iter().map(SuspensionReason::as_str).collect();
    let reasons = if reasons.is_empty() { "no reason given".to_owned() } else { reasons.join(", ") };
    let summary = format!("Google has suspended the instance {}: {reasons}", instance.connection_name);
    let told = vec![cite("instance", found, format!("state SUSPENDED, {reasons}"))];
    let mut finding = Finding::told(SUSPENDED, Cause::InstanceSuspended, Inspection::Instance, summary, told);
    let remedies: Vec<&str> = instance.suspension_reason.iter().filter_map(mends).collect();
    if !remedies.is_empty() {
        let project = segment(&found.name, "projects").unwrap_or("PROJECT");
        finding = finding.remedied(format!("The reason is {}.", remedies.join("; and ").replace("PROJECT", project)));
    }
    vec![finding.about_the_instance(case, picture)]
}

pub(in crate::diagnosis) fn disk_full(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.instance.found() else { return Vec::new() };
    let instance = &found.object;
    if instance.out_of_disk != Some(OutOfDisk::SoftShutdown) {
        return Vec::new();
    }
    let size = instance.disk_size_gb.map(|size| format!(" of {size} GB")).unwrap_or_default();
    let grows = match instance.storage_auto_resize {
        Some(true) => "although it grows by itself: look at its storage limit",
        Some(false) => "and it does not grow by itself",
        None => "and whether it grows by itself is not known",
    };
    let summary = format!(
        "the disk{size} of the instance {} is full, {grows}; Cloud SQL has shut it down (SOFT_SHUTDOWN)",
        instance.connection_name
    );
    let told = vec![cite("instance", found, "outOfDiskReport SOFT_SHUTDOWN")];
    let finding = Finding::told(DISK_FULL, Cause::DiskFull, Inspection::Instance, summary, told);
    vec![finding.about_the_instance(case, picture)]
}

/// What a state means, whether it passes by itself, and how much it matters.
fn means(state: &InstanceState) -> Option<(&'static str, bool, Gravity)> {
    match state {
        InstanceState::PendingCreate => Some(("it is being created", true, Gravity::Broken)),
        InstanceState::PendingDelete => Some(("it is being deleted", false, Gravity::Broken)),
        InstanceState::Maintenance => Some(("it is down for maintenance", true, Gravity::Broken)),
        InstanceState::Repairing => Some(("Google repairs it", true, Gravity::Broken)),
        InstanceState::Failed => {
            Some(("its creation failed, or maintenance ended in a fatal error", false, Gravity::Broken))
        }
        // It serves, but for moments in which connections are cut.
        InstanceState::OnlineMaintenance => Some(("it is under maintenance while it serves", true, Gravity::Remark)),
        InstanceState::Runnable | InstanceState::Suspended | InstanceState::Unspecified | InstanceState::Other(_) => {
            None
        }
    }
}

pub(in crate::diagnosis) fn state(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.instance.found() else { return Vec::new() };
    let (instance, state) = (&found.object, &found.object.state);
    let Some((meaning, passes, gravity)) = means(state) else { return Vec::new() };
    let outlook = if passes { "; this is expected to pass" } else { "" };
    let summary = format!("the instance {} is in state {state}: {meaning}{outlook}", instance.connection_name);
    let told = vec![cite("instance", found, format!("state {state}"))];
    let mut finding =
        Finding::told(STATE, Cause::InstanceUnavailable, Inspection::Instance, summary, told).weighing(gravity);
    if passes {
        finding = finding.remedied(
            "Wait: Cloud SQL ends this by itself. `gcloud sql operations list` shows how far it is; what clients need meanwhile is to connect again.",
        );
    }
    if gravity == Gravity::Remark {
        let failing = way::of_instance(case, picture);
        return vec![finding.sure(Confidence::Medium).explaining(case, failing, Vec::new())];
    }
    vec![finding.about_the_instance(case, picture)]
}

pub(in crate::diagnosis) fn stopped(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.instance.found() else { return Vec::new() };
    let instance = &found.object;
    // RUNNABLE stands for "stopped by its owner" as well: the policy tells.
    if instance.state != InstanceState::Runnable || instance.activation_policy != ActivationPolicy::Never {
        return Vec::new();
    }
    let by =
        instance.operations.iter().find(|operation| operation.operation_type == "UPDATE" && !operation.user.is_empty());
    let by = by.map(|operation| format!(" (last changed by {})", operation.user)).unwrap_or_default();
    let summary = format!(
        "the instance {} is stopped by its owner: it is RUNNABLE, but its activation policy is NEVER{by}",
        instance.connection_name
    );
    let told = vec![cite("instance", found, "state RUNNABLE, activationPolicy NEVER")];
    let finding = Finding::told(STOPPED, Cause::InstanceStopped, Inspection::Instance, summary, told);
    vec![finding.about_the_instance(case, picture)]
}

fn has_private(instance: &Instance) -> bool {
    instance.ip_addresses.iter().any(|address| address.kind == AddressType::Private) || instance.psc_enabled
}

pub(in crate::diagnosis) fn no_private_address(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.instance.found() else { return Vec::new() };
    if has_private(&found.object) || matches!(found.object.state, InstanceState::PendingCreate | InstanceState::Failed)
    {
        return Vec::new();
    }
    let kind = way::engine(&found.object);
    let aims_there = |observation: &Observation<'_>, cause: Cause| {
        let silent = observation.tried().next().is_some() && observation.tried().all(|at| way::private(at.ip()));
        let speaks = kind.is_some_and(|kind| kind == observation.peer_kind());
        speaks && (cause == Cause::CloudSqlAddressMissing || silent)
    };
    let failing: Vec<usize> = case
        .faults(|cause| matches!(cause, Cause::CloudSqlAddressMissing | Cause::ConnectTimeout | Cause::HostUnreachable))
        .filter(|(_, observation, failure)| aims_there(observation, failure.cause))
        .map(|(index, ..)| index)
        .collect();
    if failing.is_empty() {
        return Vec::new();
    }
    let summary = format!("the instance {} has no private address", found.object.connection_name);
    let told = vec![cite("instance", found, format!("ipAddresses {}", addresses(found)))];
    let finding = Finding::told(NO_ADDRESS, Cause::CloudSqlAddressMissing, Inspection::Instance, summary, told);
    vec![finding.explaining(case, failing, way::symptoms(case))]
}

fn addresses(found: &Found<Instance>) -> String {
    let all: Vec<String> =
        found.object.ip_addresses.iter().map(|address| format!("{} {}", address.kind, address.ip_address)).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

/// Whether the baseline held one of the addresses that a probe tries.
fn had_it(case: &Case<'_>, observation: &Observation<'_>) -> bool {
    let was = case
        .drift
        .iter()
        .filter(|drift| drift.inspection == Inspection::Instance)
        .filter_map(|drift| drift.was.as_deref());
    was.into_iter().any(|was| observation.tried().any(|at| was.contains(&at.ip().to_string())))
}

pub(in crate::diagnosis) fn address_changed(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.instance.found() else { return Vec::new() };
    let own: Vec<_> = way::addresses(&found.object).collect();
    let Some(kind) = way::engine(&found.object).filter(|_| has_private(&found.object)) else { return Vec::new() };
    let of_engine = || case.observations.iter().filter(move |observation| observation.peer_kind() == kind);
    // Where one probe reaches the instance, another of its kind may well be meant for another server.
    if of_engine().any(|observation| observation.tried().any(|at| own.contains(&at.ip()))) {
        return Vec::new();
    }
    let is = |cause| {
        matches!(
            cause,
            Cause::ConnectTimeout
                | Cause::HostUnreachable
                | Cause::ConnectionRefused
                | Cause::NetworkUnreachable
                | Cause::CloudSqlServerCertificateMissing
                | Cause::CloudSqlServerCertificateUntrusted
                | Cause::CloudSqlIdentityMismatch
        )
    };
    let stray: Vec<usize> = case
        .faults(is)
        .filter(|(_, observation, _)| observation.peer_kind() == kind && observation.tried().next().is_some())
        .map(|(index, ..)| index)
        .collect();
    let Some(first) = stray.first().map(|index| &case.observations[*index]) else { return Vec::new() };
    let aimed: Vec<String> = first.tried().map(|at| at.ip().to_string()).collect();
    let summary = format!(
        "{} aims at {}, which is no address of the instance {}: it has {}",
        first.name,
        aimed.join(", "),
        found.object.connection_name,
        addresses(found)
    );
    let told = vec![cite("instance", found, format!("ipAddresses {}", addresses(found)))];
    let confidence = if had_it(case, first) { Confidence::High } else { Confidence::Medium };
    let finding = Finding::told(ADDRESS_CHANGED, Cause::AddressChanged, Inspection::Instance, summary, told);
    let finding = finding.of_layer(Layer::Application).sure(confidence);
    vec![finding.explaining(case, stray, way::symptoms(case))]
}
