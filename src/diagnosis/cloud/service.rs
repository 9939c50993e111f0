//! Rules about the Cloud Run service and its revisions: whether it is there, and what its conditions say. Pure.

use super::super::{Case, Finding, Gravity};
use super::{cite, clock, short, way};
use crate::api::{Cause, Confidence, Layer};
use crate::cloud::reading::Why;
use crate::cloud::service::{ConditionReason, ConditionSeverity, ConditionState, RunCondition};
use crate::cloud::{Inspection, Picture};

pub(in crate::diagnosis) const MISSING: &str = "cloudrun/service-missing";
pub(in crate::diagnosis) const NETWORK: &str = "egress/vpc-network-missing";
pub(in crate::diagnosis) const CONDITION: &str = "cloudrun/condition";

pub(in crate::diagnosis) fn missing(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(unread) = picture.service.unread().filter(|unread| unread.why == Why::NotFound) else {
        return Vec::new();
    };
    let told = vec![format!("service {}: not found (HTTP 404), asked {}", unread.name, clock(unread.at))];
    let summary = format!("the Cloud Run service {} does not exist", short(&unread.name));
    let finding = Finding::told(MISSING, Cause::ServiceMissing, Inspection::Service, summary, told);
    let answers = case
        .faults(|cause| matches!(cause, Cause::StatusUnexpected | Cause::BodyMismatch | Cause::UpgradeRefused))
        .filter(|(_, observation, _)| observation.peer_layer() == Layer::Application)
        .map(|(index, ..)| index)
        .collect();
    vec![finding.explaining(case, answers, way::symptoms(case))]
}

/// What a reason says, whose matter it is, and what to do. None: it says nothing that is broken.
pub fn condition_says(reason: &ConditionReason) -> Option<(Layer, &'static str, &'static str)> {
    match reason {
        ConditionReason::RevisionFailed => {
            Some((Layer::CloudRun, "the revision failed", "Read the revision's own conditions and its log."))
        }
        ConditionReason::ProgressDeadlineExceeded => Some((
            Layer::CloudRun,
            "the deployment did not come up in time",
            "See in the revision's log what its start waits for; lengthen the start-up probe if it only needs longer.",
        )),
        ConditionReason::ContainerMissing => Some((
            Layer::Application,
            "the container image is not there",
            "Push the image, or correct its name and digest: a cleanup policy of the registry may have deleted it.",
        )),
        ConditionReason::ContainerPermissionDenied => Some((
            Layer::Application,
            "the image may not be read",
            "Grant Cloud Run's service agent roles/artifactregistry.reader on the image's repository.",
        )),
        ConditionReason::ContainerImageUnauthorized => Some((
            Layer::Application,
            "Binary Authorization refuses the image",
            "Have the image attested as the policy demands, or deploy with a break-glass justification.",
        )),
        ConditionReason::ContainerImageAuthorizationCheckFailed => Some((
            Layer::CloudRun,
            "Binary Authorization could not be asked",
            "See that the Binary Authorization API is enabled and its policy readable, and deploy again.",
        )),
        ConditionReason::EncryptionKeyPermissionDenied => Some((
            Layer::Application,
            "the encryption key may not be used",
            "Grant Cloud Run's service agent roles/cloudkms.cryptoKeyEncrypterDecrypter on the key.",
        )),
        ConditionReason::EncryptionKeyCheckFailed => Some((
            Layer::CloudRun,
            "the encryption key could not be checked",
            "See that the key's version is enabled, and deploy again.",
        )),
        ConditionReason::SecretsAccessCheckFailed => Some((
            Layer::Application,
            "a Secret of the service can't be read",
            "Grant the service's account roles/secretmanager.secretAccessor on the Secret that the message names, and see that its version exists.",
        )),
        ConditionReason::Internal => Some((
            Layer::CloudRun,
            "Cloud Run failed by itself",
            "Deploy again; if it fails again, look at Google's service health and open a case.",
        )),
        ConditionReason::VpcNetworkNotFound => Some((
            Layer::Egress,
            "the VPC network or subnet that the service names does not exist",
            "Restore the network or subnet, or attach the service to one that exists.",
        )),
        ConditionReason::HealthCheckContainerError => Some((
            Layer::CloudRun,
            "the container did not come up, or its start-up probe failed",
            "Read the revision's log for what its start waits for or dies of.",
        )),
        ConditionReason::MinInstancesNotProvisioned => Some((
            Layer::CloudRun,
            "the least number of instances was not reached",
            "See whether instances crash at their start, and whether the region has room: lower min instances if it has not.",
        )),
        ConditionReason::ActiveRevisionLimitReached => Some((
            Layer::CloudRun,
            "the project has too many active revisions",
            "Delete revisions that no traffic goes to, and lower min instances of old ones.",
        )),
        ConditionReason::Unknown
        | ConditionReason::WaitingForOperation
        | ConditionReason::ImmediateRetry
        | ConditionReason::PostponedRetry
        | ConditionReason::Pending
        | ConditionReason::Reserve
        | ConditionReason::Retired
        | ConditionReason::Retiring
        | ConditionReason::Recreating
        | ConditionReason::CustomizedPathResponsePending
        | ConditionReason::NoDeployment
        | ConditionReason::HealthCheckSkipped
        | ConditionReason::MinInstancesWarming
        | ConditionReason::Other(_) => None,
    }
}

/// A condition that does not hold, and where it stands.
struct Failed<'p> {
    whose: String,
    condition: &'p RunCondition,
    told: String,
    serves: bool,
}

/// The conditions that do not hold, those of the revisions first: they say more than the service's own.
fn failed(picture: &Picture) -> Vec<Failed<'_>> {
    let mut all = Vec::new();
    let is = |condition: &&RunCondition| {
        condition.state == ConditionState::Failed
            && matches!(condition.severity, None | Some(ConditionSeverity::Error | ConditionSeverity::Unspecified))
    };
    let says = |condition: &RunCondition| {
        let reason = condition.reason.as_ref().map_or("no reason", ConditionReason::as_str);
        format!("{} {}, {reason}: {}", condition.kind, condition.state, condition.message)
    };
    for (revision, serves) in [(&picture.ready_revision, true), (&picture.created_revision, false)] {
        let Some(found) = revision.found() else { continue };
        all.extend(found.object.conditions.iter().filter(is).map(|condition| Failed {
            whose: format!("the revision {}", short(&found.object.name)),
            condition,
            told: cite("revision", found, says(condition)),
            serves,
        }));
    }
    if let Some(found) = picture.service.found() {
        all.extend(found.object.conditions.iter().filter(is).map(|condition| Failed {
            whose: format!("the service {}", short(&found.name)),
            condition,
            told: cite("service", found, says(condition)),
            serves: found.object.latest_ready_revision.is_empty(),
        }));
    }
    all
}

/// The weightiest of the failed conditions: one with a reason that says something before one without.
fn weightiest(picture: &Picture, is: impl Fn(&ConditionReason) -> bool) -> Option<Failed<'_>> {
    let known = |failed: &Failed<'_>| {
        let reason = failed.condition.reason.as_ref().and_then(condition_says);
        // That its revision failed is all that a service says of it.
        let general = failed.condition.reason == Some(ConditionReason::RevisionFailed);
        (reason.is_none(), general)
    };
    let unknown = ConditionReason::Unknown;
    let fitting = failed(picture).into_iter().filter(|failed| is(failed.condition.reason.as_ref().unwrap_or(&unknown)));
    fitting.min_by_key(known)
}

fn about(rule: &'static str, failed: &Failed<'_>) -> Finding {
    let said = failed.condition.reason.as_ref().and_then(condition_says);
    let (layer, says, remedy) =
        said.unwrap_or((Layer::CloudRun, "it does not hold", "Read the condition's message and the revision's log."));
    let reason = failed.condition.reason.as_ref().map_or("without a reason", ConditionReason::as_str);
    let message =
        if failed.condition.message.is_empty() { String::new() } else { format!(": {}", failed.condition.message) };
    let summary = format!("{}: {says} ({} {reason}){message}", failed.whose, failed.condition.kind);
    let finding = Finding::told(rule, Cause::RevisionFailed, Inspection::Revisions, summary, vec![failed.told.clone()]);
    finding.of_layer(layer).remedied(remedy)
}

pub(in crate::diagnosis) fn vpc_network(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(failed) = weightiest(picture, |reason| *reason == ConditionReason::VpcNetworkNotFound) else {
        return Vec::new();
    };
    let mut finding = about(NETWORK, &failed);
    finding.cause = Cause::VpcAccessMismatch;
    vec![finding.about_the_way(case)]
}

pub(in crate::diagnosis) fn condition(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(failed) = weightiest(picture, |reason| *reason != ConditionReason::VpcNetworkNotFound) else {
        return Vec::new();
    };
    let symptoms = way::symptoms(case);
    let mut finding = about(CONDITION, &failed);
    let starts = matches!(
        failed.condition.reason,
        None | Some(
            ConditionReason::HealthCheckContainerError
                | ConditionReason::ProgressDeadlineExceeded
                | ConditionReason::RevisionFailed
                | ConditionReason::MinInstancesNotProvisioned
        )
    );
    // A container that waits for its database does not come up.
    let database =
        case.observations.iter().find(|other| other.peer_layer() == Layer::Database && other.failing().is_some());
    if let Some(database) = database.filter(|_| starts) {
        finding.summary = format!("{}; probably a symptom of {}, which fails too", finding.summary, database.name);
        finding.confidence = Confidence::Low;
        finding.gravity = Gravity::Remark;
    } else if symptoms.is_empty() && !failed.serves {
        // An earlier revision goes on serving.
        finding.gravity = Gravity::Flaw;
    }
    let confidence = finding.confidence;
    // Cloud Run's own answer and Cloud Run's own word agree: that is no symptom of something else.
    vec![finding.explaining(case, Vec::new(), symptoms).sure(confidence)]
}
