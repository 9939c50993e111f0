//! Rules about the server at the end of the path: it refuses, hangs or hangs up. Pure.

use super::{Case, Finding, Observation};
use crate::api::{Cause, Confidence, Layer, Stage};

pub(super) const SOCKET: &str = "server/socket";
pub(super) const PORT_REFUSED: &str = "server/port-refused";
pub(super) const REFUSED: &str = "server/refused";
pub(super) const HANGS: &str = "server/hangs";
pub(super) const CUTS: &str = "server/cuts";

/// Where Cloud Run mounts the sockets of the instances that are attached to a service.
const MOUNTED: &str = "[/cloudsql/";

pub(super) fn socket(case: &Case<'_>) -> Vec<Finding> {
    case.faults(|cause| matches!(cause, Cause::SocketNotFound | Cause::SocketPermissionDenied))
        .map(|(index, observation, failure)| {
            let mounted = failure.cause == Cause::SocketNotFound && observation.target.contains(MOUNTED);
            let layer = if mounted { Layer::CloudRun } else { Layer::Application };
            Finding::about(SOCKET, index, observation, failure, layer, Confidence::High)
        })
        .collect()
}

/// Another probe to which a port of the same host answers.
fn neighbour<'c>(case: &'c Case<'_>, observation: &Observation<'_>) -> Option<&'c Observation<'c>> {
    case.observations.iter().find(|other| {
        other.answered().any(|open| observation.tried().any(|address| address.ip() == open.ip() && address != open))
    })
}

pub(super) fn port_refused(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, observation, failure) in case.faults(|cause| cause == Cause::ConnectionRefused) {
        let Some(neighbour) = neighbour(case, observation) else { continue };
        let layer = observation.peer_layer();
        let mut finding = Finding::about(PORT_REFUSED, index, observation, failure, layer, Confidence::High);
        finding.summary = format!("{}; the host is up: {} answers on another port", finding.summary, neighbour.name);
        findings.push(finding);
    }
    findings
}

pub(super) fn refused(case: &Case<'_>) -> Vec<Finding> {
    case.faults(|cause| cause == Cause::ConnectionRefused)
        .filter(|(_, observation, _)| neighbour(case, observation).is_none())
        .map(|(index, observation, failure)| {
            Finding::about(REFUSED, index, observation, failure, observation.peer_layer(), Confidence::Medium)
        })
        .collect()
}

pub(super) fn hangs(case: &Case<'_>) -> Vec<Finding> {
    let is = |cause| {
        matches!(
            cause,
            Cause::HandshakeTimeout
                | Cause::AuthenticationTimeout
                | Cause::QueryTimeout
                | Cause::ResponseTimeout
                | Cause::TlsTimeout
        )
    };
    case.faults(is)
        .map(|(index, observation, failure)| {
            Finding::about(HANGS, index, observation, failure, observation.peer_layer(), Confidence::Medium)
        })
        .collect()
}

pub(super) fn cuts(case: &Case<'_>) -> Vec<Finding> {
    case.faults(|cause| matches!(cause, Cause::ConnectionReset | Cause::ConnectionClosed))
        .map(|(index, observation, failure)| {
            let layer = match failure.stage {
                Some(Stage::Connect | Stage::Resolve) => Layer::Network,
                Some(_) | None => observation.peer_layer(),
            };
            Finding::about(CUTS, index, observation, failure, layer, Confidence::Medium)
        })
        .collect()
}
