//! Rules about what the peer answered: its own state, credentials, TLS, an unexpected answer. Pure.

use super::{Case, Finding, Observation};
use crate::api::{Cause, Confidence, Kind, Layer};
use crate::evidence::Fact;

pub(super) const DATABASE_STATE: &str = "database/state";
pub(super) const CREDENTIALS: &str = "application/credentials";
pub(super) const TLS: &str = "application/tls";
pub(super) const TOKEN: &str = "application/token";
pub(super) const CLOUD_RUN: &str = "cloudrun/instances";
pub(super) const UNEXPECTED: &str = "application/answer";

pub(super) fn database_state(case: &Case<'_>) -> Vec<Finding> {
    let is = |cause| {
        matches!(
            cause,
            Cause::ServerStarting
                | Cause::ServerShuttingDown
                | Cause::MasterDown
                | Cause::TooManyConnections
                | Cause::HostBlocked
                | Cause::ServerError
                | Cause::ReadOnly
        )
    };
    case.faults(is)
        .map(|(index, observation, failure)| {
            Finding::about(DATABASE_STATE, index, observation, failure, Layer::Database, Confidence::High)
        })
        .collect()
}

pub(super) fn credentials(case: &Case<'_>) -> Vec<Finding> {
    let is = |cause| {
        matches!(
            cause,
            Cause::AuthenticationFailed
                | Cause::AuthenticationMethodUnsupported
                | Cause::AccessDenied
                | Cause::DatabaseNotFound
        )
    };
    case.faults(is)
        .map(|(index, observation, failure)| {
            let mut finding =
                Finding::about(CREDENTIALS, index, observation, failure, Layer::Application, Confidence::High);
            finding.summary = format!("{}; the path to the server is healthy up to this answer", finding.summary);
            finding
        })
        .collect()
}

pub(super) fn tls(case: &Case<'_>) -> Vec<Finding> {
    let is = |cause| {
        matches!(
            cause,
            Cause::TlsNotOffered
                | Cause::TlsRequired
                | Cause::TlsProtocolError
                | Cause::CertificateExpired
                | Cause::CertificateNotYetValid
                | Cause::CertificateUntrusted
                | Cause::CertificateNameMismatch
                | Cause::CertificateExpiresSoon
                | Cause::ClientCertificateRequired
        )
    };
    case.faults(is)
        .map(|(index, observation, failure)| {
            let confidence =
                if failure.cause == Cause::TlsProtocolError { Confidence::Medium } else { Confidence::High };
            Finding::about(TLS, index, observation, failure, Layer::Application, confidence)
        })
        .collect()
}

pub(super) fn token(case: &Case<'_>) -> Vec<Finding> {
    case.faults(|cause| cause == Cause::TokenFailed)
        .map(|(index, observation, failure)| {
            Finding::about(TOKEN, index, observation, failure, Layer::Application, Confidence::High)
        })
        .collect()
}

pub(super) fn cloud_run(case: &Case<'_>) -> Vec<Finding> {
    let is =
        |cause| matches!(cause, Cause::CloudRunNoInstance | Cause::CloudRunInstanceFailed | Cause::CloudRunThrottled);
    case.faults(is)
        .map(|(index, observation, failure)| {
            let mut finding =
                Finding::about(CLOUD_RUN, index, observation, failure, Layer::CloudRun, Confidence::Medium);
            // An instance that can't reach its database fails to start, or is full of requests that wait for it.
            if let Some(database) = failing_database(case) {
                finding.summary =
                    format!("{}; probably a symptom of {}, which fails too", finding.summary, database.name);
                finding.remedy = format!("Mend {} first, then look again.", database.name);
                finding.confidence = Confidence::Low;
            }
            finding
        })
        .collect()
}

pub(super) fn unexpected(case: &Case<'_>) -> Vec<Finding> {
    let is = |cause| {
        matches!(
            cause,
            Cause::ProtocolMismatch
                | Cause::QueryFailed
                | Cause::UnexpectedResult
                | Cause::AssertionFailed
                | Cause::StatusUnexpected
                | Cause::BodyMismatch
                | Cause::ResponseTooLarge
                | Cause::NotServing
                | Cause::GrpcUnimplemented
                | Cause::GrpcServiceUnknown
                | Cause::GrpcFailed
                | Cause::TooManyRedirects
                | Cause::CaptureMissing
                | Cause::UpgradeRefused
                | Cause::WebSocketClosed
        )
    };
    case.faults(is)
        .map(|(index, observation, failure)| {
            let layer = if observation.kind == Kind::Dns { Layer::Network } else { Layer::Application };
            let mut finding = Finding::about(UNEXPECTED, index, observation, failure, layer, certainty(failure.cause));
            let symptom = server_error(observation) || matches!(failure.cause, Cause::NotServing | Cause::GrpcFailed);
            if let Some(database) = failing_database(case).filter(|_| symptom) {
                finding.summary =
                    format!("{}; probably a symptom of {}, which fails too", finding.summary, database.name);
                finding.remedy = format!("Mend {} first, then look again.", database.name);
                finding.confidence = Confidence::Low;
            }
            finding
        })
        .collect()
}

/// How surely an answer of this cause speaks of the application: one that the server gives of itself can't be mistaken.
const fn certainty(cause: Cause) -> Confidence {
    if matches!(cause, Cause::NotServing | Cause::GrpcUnimplemented | Cause::GrpcServiceUnknown) {
        Confidence::High
    } else {
        Confidence::Medium
    }
}

pub(super) fn server_error(observation: &Observation<'_>) -> bool {
    let status = |evidence: &crate::evidence::Evidence| {
        evidence.facts.iter().any(|(fact, value)| {
            // 1011 is a WebSocket's internal error.
            (*fact == Fact::HttpStatus && value.starts_with('5')) || (*fact == Fact::CloseCode && &**value == "1011")
        })
    };
    observation.evidence.is_some_and(status)
}

fn failing_database<'c>(case: &'c Case<'_>) -> Option<&'c Observation<'c>> {
    case.observations.iter().find(|other| other.peer_layer() == Layer::Database && other.failing().is_some())
}
