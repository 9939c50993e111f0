//! Rules about limits that the check sets itself, and about our own inability. Pure.

use super::{Case, Finding};
use crate::api::{Cause, Confidence, Layer, Stage};

pub(super) const TOO_SLOW: &str = "latency/too-slow";
pub(super) const UNDER_LOAD: &str = "load/not-sustained";
pub(super) const SPEC: &str = "check/spec";
pub(super) const NOT_ALLOWED: &str = "check/not-allowed";
pub(super) const PROBER: &str = "check/prober";

pub(super) fn too_slow(case: &Case<'_>) -> Vec<Finding> {
    case.faults(|cause| {
        matches!(cause, Cause::JourneyBudgetExceeded | Cause::LatencyExceeded | Cause::StartupBudgetExceeded)
    })
    .map(|(index, observation, failure)| {
        let layer = match failure.stage {
            Some(Stage::Settings | Stage::Certificate) => Layer::Region,
            Some(Stage::Resolve | Stage::Connect) => Layer::Network,
            Some(
                Stage::Token
                | Stage::Tunnel
                | Stage::Tls
                | Stage::Handshake
                | Stage::Authenticate
                | Stage::Initialize
                | Stage::Query
                | Stage::Payload
                | Stage::Request
                | Stage::Body
                | Stage::Upgrade
                | Stage::Messages
                | Stage::Exchange
                | Stage::Load
                | Stage::Assert,
            ) => observation.peer_layer(),
            None => failure.cause.usual_layer(),
        };
        Finding::about(TOO_SLOW, index, observation, failure, layer, Confidence::Medium)
    })
    .collect()
}

pub(super) fn under_load(case: &Case<'_>) -> Vec<Finding> {
    case.faults(|cause| matches!(cause, Cause::LoadNotSustained | Cause::LoadLatencyExceeded))
        .map(|(index, observation, failure)| {
            Finding::about(UNDER_LOAD, index, observation, failure, observation.peer_layer(), Confidence::Medium)
        })
        .collect()
}

pub(super) fn spec(case: &Case<'_>) -> Vec<Finding> {
    case.faults(|cause| matches!(cause, Cause::SecretNotFound | Cause::SecretKeyMissing | Cause::InvalidSpec))
        .map(|(index, observation, failure)| {
            Finding::about(SPEC, index, observation, failure, Layer::Application, Confidence::High)
        })
        .collect()
}

pub(super) fn not_allowed(case: &Case<'_>) -> Vec<Finding> {
    case.faults(|cause| matches!(cause, Cause::TargetNotAllowed | Cause::LimitExceeded))
        .map(|(index, observation, failure)| {
            Finding::about(NOT_ALLOWED, index, observation, failure, Layer::Prober, Confidence::High)
        })
        .collect()
}

pub(super) fn prober(case: &Case<'_>) -> Vec<Finding> {
    case.faults(|cause| cause.is_unknown() && !cause.is_of_the_spec())
        .map(|(index, observation, failure)| {
            Finding::about(PROBER, index, observation, failure, Layer::Prober, Confidence::High)
        })
        .collect()
}
