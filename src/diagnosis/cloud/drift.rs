//! Drift as an explanation: what changed since the path last worked, and which failing stage that explains. Pure.

use super::super::{Case, Finding, Gravity, Observation};
use super::{clock, raised, short, way};
use crate::api::{Cause, Confidence, Layer, Stage};
use crate::baseline;
use crate::cloud::{Drift, Inspection};

pub(in crate::diagnosis) const DRIFT: &str = "baseline/drift";

/// Most changes that a summary names.
const MOST_NAMED: usize = 2;

/// A change, in a few words: what was, what is, since when, by whom.
pub(in crate::diagnosis) fn told(drift: &Drift) -> String {
    let unset = || "not set".to_owned();
    let was = drift.was.clone().unwrap_or_else(unset);
    let is = drift.is.clone().unwrap_or_else(unset);
    let by = drift.by.as_ref().map(|by| format!(", by {by}")).unwrap_or_default();
    let what = match &*drift.field {
        "" => format!("{was} -> {is}"),
        field => format!("{field} {was} -> {is}"),
    };
    let kind = drift.inspection.as_str().to_lowercase();
    format!("{kind} {} changed: {what} since {}{by}", short(&drift.object), clock(drift.at()))
}

/// The value with which the path worked.
fn worked_with(drift: &Drift) -> Option<String> {
    let was = drift.was.as_ref().filter(|_| !drift.field.is_empty())?;
    Some(format!("{} {was} of {}", drift.field, short(&drift.object)))
}

/// Whose matter a change is.
fn layer(drift: &Drift) -> Layer {
    match drift.inspection {
        Inspection::Connector => Layer::Egress,
        Inspection::Service | Inspection::Revisions if drift.field.contains("vpcAccess") => Layer::Egress,
        Inspection::Network | Inspection::DnsZones | Inspection::ConnectivityTest => Layer::Network,
        Inspection::Instance => Layer::Database,
        Inspection::ServiceHealth => Layer::Region,
        Inspection::Service
        | Inspection::Revisions
        | Inspection::Logs
        | Inspection::Metrics
        | Inspection::Access
        | Inspection::AuditLog => Layer::Application,
    }
}

/// Whether a change may be why that probe fails in the stage in which it does.
fn explains(case: &Case<'_>, drift: &Drift, observation: &Observation<'_>) -> bool {
    let Some(stage) = observation.failing().and_then(|failure| failure.stage) else { return false };
    let on_the_way = matches!(stage, Stage::Connect | Stage::Tunnel | Stage::Payload);
    let within = matches!(
        stage,
        Stage::Tls | Stage::Handshake | Stage::Authenticate | Stage::Initialize | Stage::Query | Stage::Payload
    );
    let at_the_end = matches!(
        stage,
        Stage::Token
            | Stage::Request
            | Stage::Body
            | Stage::Upgrade
            | Stage::Messages
            | Stage::Exchange
            | Stage::Assert
    );
    match layer(drift) {
        Layer::Egress => on_the_way && way::through(case, observation),
        Layer::Network if drift.inspection == Inspection::DnsZones => stage == Stage::Resolve,
        Layer::Network => stage == Stage::Resolve || on_the_way && way::through(case, observation),
        Layer::Database => {
            let aimed = observation.peer_layer() == Layer::Database;
            aimed && (on_the_way || within || stage == Stage::Certificate)
        }
        Layer::Application => at_the_end && observation.peer_layer() == Layer::Application,
        Layer::CloudRun | Layer::Region | Layer::Prober => false,
    }
}

/// The changes, those that explain a failing probe taken with the probes; the others as remarks.
pub(in crate::diagnosis) fn drift(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for drift in case.drift {
        let explained: Vec<usize> =
            (0..case.observations.len()).filter(|index| explains(case, drift, &case.observations[*index])).collect();
        let told = vec![told(drift)];
        let finding = Finding::told(DRIFT, Cause::ConfigurationDrift, drift.inspection, told[0].clone(), told);
        let back = match &drift.was {
            Some(was) if !drift.field.is_empty() => format!(
                "Set {} of {} back to {was}, as it was while the path worked; if the change was meant, make it the new baseline.",
                drift.field, drift.object
            ),
            Some(_) | None => format!(
                "Restore {} as it was while the path worked; if the change was meant, make it the new baseline.",
                drift.object
            ),
        };
        let finding = finding.of_layer(layer(drift)).sure(Confidence::Medium).weighing(Gravity::Remark).remedied(back);
        let symptoms = if explained.is_empty() { Vec::new() } else { way::symptoms(case) };
        findings.push(finding.explaining(case, explained, symptoms));
    }
    findings
}

/// Names, in a finding that rests on something else, the changes that explain it: those of what it rests on first, then those that
/// explain the stage. A change at the right place makes it surer.
pub(in crate::diagnosis) fn name(case: &Case<'_>, finding: &mut Finding) -> Vec<String> {
    if finding.rule == DRIFT {
        return Vec::new();
    }
    let of_probes = |drift: &Drift| {
        finding
            .probes
            .iter()
            .filter_map(|index| case.observations.get(*index))
            .any(|probe| explains(case, drift, probe))
    };
    let rank = |drift: &&Drift| match (finding.inspections.contains(&drift.inspection), of_probes(drift)) {
        (true, _) => Some(0),
        (false, true) => Some(1),
        (false, false) => None,
    };
    let ranked = baseline::rank(case.drift, finding.cause, finding.stage);
    let mut fitting: Vec<(u8, &Drift)> = ranked.into_iter().filter_map(|drift| Some((rank(&drift)?, drift))).collect();
    // Stable: among equals, what explains the failure best stays first, as in the order in which it is restored.
    fitting.sort_by_key(|(rank, drift)| (*rank, layer(drift) != finding.layer));
    let named: Vec<String> = fitting.iter().map(|(_, drift)| told(drift)).collect();
    if fitting.iter().any(|(rank, drift)| *rank == 0 || layer(drift) == finding.layer) {
        finding.confidence = raised(finding.confidence);
    }
    for change in named.iter().take(MOST_NAMED) {
        finding.summary = format!("{}; {change}", finding.summary);
    }
    let worked: Vec<String> = fitting.iter().filter_map(|(_, drift)| worked_with(drift)).take(MOST_NAMED).collect();
    if !worked.is_empty() {
        finding.remedy = format!("{} The path worked with {}.", finding.remedy, worked.join(" and "));
    }
    finding.told.extend(named.iter().cloned());
    named
}
