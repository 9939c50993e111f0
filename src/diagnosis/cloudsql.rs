//! Rules about the way through Cloud SQL's connector: the Admin API, the instance's settings, its identity. Pure.

use super::{Case, Finding, Observation};
use crate::api::{Cause, Confidence, Layer};
use crate::evidence::Fact;

pub(super) const API: &str = "cloudsql/api";
pub(super) const CONFIGURATION: &str = "cloudsql/configuration";
pub(super) const IDENTITY: &str = "cloudsql/identity";

/// Whether an API answered, however badly.
fn answered(observation: &Observation<'_>) -> bool {
    let evidence = observation.evidence;
    evidence.is_some_and(|evidence| evidence.facts.iter().any(|(fact, _)| *fact == Fact::HttpStatus))
}

pub(super) fn api(case: &Case<'_>) -> Vec<Finding> {
    case.faults(|cause| cause == Cause::CloudSqlApiFailed)
        .map(|(index, observation, failure)| {
            let layer = if answered(observation) { Layer::Region } else { Layer::Egress };
            Finding::about(API, index, observation, failure, layer, Confidence::Medium)
        })
        .collect()
}

pub(super) fn configuration(case: &Case<'_>) -> Vec<Finding> {
    let is = |cause| {
        matches!(
            cause,
            Cause::CloudSqlInstanceNotFound
                | Cause::CloudSqlRegionMismatch
                | Cause::CloudSqlGenerationUnsupported
                | Cause::CloudSqlAddressMissing
                | Cause::CloudSqlServerCaInvalid
                | Cause::CloudSqlIamLoginUnsupported
                | Cause::CloudSqlCertificateFailed
        )
    };
    case.faults(is)
        .map(|(index, observation, failure)| {
            let layer = failure.cause.usual_layer();
            Finding::about(CONFIGURATION, index, observation, failure, layer, Confidence::High)
        })
        .collect()
}

pub(super) fn identity(case: &Case<'_>) -> Vec<Finding> {
    let is = |cause| {
        matches!(
            cause,
            Cause::CloudSqlServerCertificateMissing
                | Cause::CloudSqlServerCertificateUntrusted
                | Cause::CloudSqlIdentityMismatch
                | Cause::CloudSqlCertificateRejected
                | Cause::CloudSqlCertificateExpired
        )
    };
    case.faults(is)
        .map(|(index, observation, failure)| {
            let layer = failure.cause.usual_layer();
            // Whose certificate is shown can be seen; why ours is not taken, only the instance knows.
            let seen = failure.cause != Cause::CloudSqlCertificateRejected;
            let confidence = if seen { Confidence::High } else { Confidence::Medium };
            Finding::about(IDENTITY, index, observation, failure, layer, confidence)
        })
        .collect()
}
