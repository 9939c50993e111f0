//! Findings in, one diagnosis out: the primary finding, the others, what is ruled out by which evidence, and what can't be
//! told. Pure.

use std::net::{IpAddr, SocketAddr};

use super::rules::{RULES, Rule};
use super::{Case, Finding, Gravity, Observation, behind_cloud_run, cloud};
use crate::api::{Cause, Confidence, Layer, ProbeState, Stage};

/// The weighed findings of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The finding nearest to the root.
    pub primary: Finding,
    /// The other findings, nearest to the root first.
    pub others: Vec<Finding>,
    /// The observations that the primary finding rests on.
    pub evidence: Vec<String>,
    /// Layers that are not to blame, and what shows it.
    pub ruled_out: Vec<(Layer, String)>,
    /// What could not be told, and why.
    pub unknown: Vec<String>,
}

/// Weighs all that is known of a check. None when nothing is wrong.
pub fn diagnose(case: &Case<'_>) -> Option<Diagnosis> {
    diagnose_by(case, RULES)
}

/// The same by some of the rules, in their order: what a rule contributes shows in what is missing without it.
pub fn diagnose_by<'r>(case: &Case<'_>, rules: impl IntoIterator<Item = &'r Rule>) -> Option<Diagnosis> {
    let mut findings: Vec<Finding> = rules.into_iter().flat_map(|rule| (rule.look)(case)).collect();
    // Stable: within the same gravity the table's order stands.
    findings.sort_by_key(|finding| gravity(case, finding));
    let mut findings = without_repeats(findings).into_iter();
    let mut primary = findings.next().filter(|finding| gravity(case, finding) < REMARK)?;
    let mut others: Vec<Finding> = findings.collect();
    let ruled_out = ruled_out(case, &primary);
    let unknown = unknown(case, &primary);
    let changes = cloud::drift::name(case, &mut primary);
    others.retain(|finding| {
        finding.rule != cloud::drift::DRIFT || !finding.told.iter().all(|change| changes.contains(change))
    });
    // Elsewhere, the way is another one.
    let about_the_way = matches!(primary.layer, Layer::Egress | Layer::Network);
    if about_the_way && elsewhere(case, &primary).is_some() {
        primary.confidence = lowered(primary.confidence);
    }
    let evidence = evidence(case, &primary);
    Some(Diagnosis { primary, others, evidence, ruled_out, unknown })
}

/// What the primary finding rests on: Google Cloud's word, then what the probes saw, then the service's log.
fn evidence(case: &Case<'_>, primary: &Finding) -> Vec<String> {
    let probes = primary.probes.iter().chain(&primary.symptoms).filter_map(|index| case.observations.get(*index));
    let log = cloud::verdict::logs(case, primary);
    primary.told.iter().cloned().chain(probes.map(Observation::cite)).chain(log).collect()
}

/// The gravity of what is worth knowing beside a verdict, and is none by itself.
const REMARK: u8 = 8;

/// How much a finding matters for Ready: lower is graver.
fn gravity(case: &Case<'_>, finding: &Finding) -> u8 {
    let of_probe = |index: &usize| match case.observations.get(*index) {
        None => 9,
        Some(observation) => match (observation.required, observation.state) {
            (true, ProbeState::Failing) => 0,
            (true, ProbeState::Unknown) => 2,
            (false, ProbeState::Failing) => 3,
            (true, ProbeState::Degraded) => 4,
            (false, ProbeState::Unknown | ProbeState::Degraded) => 5,
            (_, ProbeState::Healthy | ProbeState::Skipped) => 9,
        },
    };
    let by_itself = match finding.gravity {
        Gravity::Broken => 1,
        Gravity::Flaw => 6,
        Gravity::Remark => REMARK,
    };
    finding.probes.iter().chain(&finding.symptoms).map(of_probe).min().unwrap_or(by_itself)
}

/// Drops a finding all of whose probes a finding nearer to the root has explained already. What Google Cloud says is no repeat.
fn without_repeats(findings: Vec<Finding>) -> Vec<Finding> {
    let mut explained: Vec<usize> = Vec::new();
    let mut kept = Vec::new();
    for finding in findings {
        let known = finding.probes.iter().chain(&finding.symptoms).all(|probe| explained.contains(probe));
        if known && finding.told.is_empty() {
            continue;
        }
        explained.extend(finding.probes.iter().chain(&finding.symptoms));
        kept.push(finding);
    }
    kept
}

/// Layers that the observations clear. The finding's own layer is never among them.
fn ruled_out(case: &Case<'_>, primary: &Finding) -> Vec<(Layer, String)> {
    let mut cleared: Vec<(Layer, String)> = Vec::new();
    let elsewhere = elsewhere(case, primary).is_some();
    let mut clear = |layer: Layer, evidence: String| {
        // An observation that does not pass through the service's own egress says nothing about it.
        let out_of_sight = layer == Layer::Egress && elsewhere;
        if layer != primary.layer && !out_of_sight && !cleared.iter().any(|(known, _)| *known == layer) {
            cleared.push((layer, evidence));
        }
    };
    for (layer, evidence) in cleared_by_connecting(case, primary) {
        clear(layer, evidence);
    }
    for observation in &case.observations {
        let healthy = matches!(observation.state, ProbeState::Healthy | ProbeState::Degraded);
        if healthy && observation.passed(Stage::Query) && speaks_for_blamed(case, primary, observation) {
            clear(Layer::Database, format!("{} logged in and ran its query", observation.name));
        }
        if healthy && observation.answered().next().is_some() {
            clear(Layer::Prober, format!("{} is {} from the same vantage", observation.name, observation.state));
        }
    }
    let told = [Stage::Settings, Stage::Resolve, Stage::Connect];
    if blamed(case, primary).any(|probe| told.into_iter().any(|stage| probe.passed(stage))) {
        clear(Layer::Prober, "the probe itself got answers from the path".to_owned());
    }
    for (layer, evidence) in cloud::verdict::cleared(case, primary) {
        clear(layer, evidence);
    }
    cleared
}

/// Whether a database that answers says anything of the blamed ones: it is one of theirs, or none of them is a database.
fn speaks_for_blamed(case: &Case<'_>, primary: &Finding, healthy: &Observation<'_>) -> bool {
    let theirs = |address: SocketAddr| blamed(case, primary).any(|probe| probe.tried().any(|other| other == address));
    blamed(case, primary).all(|probe| probe.peer_layer() != Layer::Database) || healthy.answered().any(theirs)
}

/// What the blamed probes' own connection attempts clear.
fn cleared_by_connecting(case: &Case<'_>, primary: &Finding) -> Vec<(Layer, String)> {
    // That small packets find their way clears nobody of losing the large ones.
    if primary.cause == Cause::LargePacketsLost {
        return Vec::new();
    }
    // What stands behind a Unix socket is reached by another, so only an address that answers speaks of the way.
    let open = blamed(case, primary).filter(|probe| probe.passed(Stage::Connect));
    if let Some((open, at)) = open.filter_map(|probe| Some((probe, probe.answered().next()?))).next() {
        let evidence = format!("{} reached {at}: the TCP connection was accepted", open.name);
        return vec![(Layer::Egress, evidence.clone()), (Layer::Network, evidence)];
    }
    // What was not tried clears nobody.
    if primary.stage != Some(Stage::Connect) || primary.cause == Cause::TargetNotAllowed {
        return Vec::new();
    }
    if primary.cause == Cause::ConnectionRefused && blamed(case, primary).any(|probe| probe.tried().next().is_some()) {
        let evidence = "the refusal itself came back over the path".to_owned();
        return vec![(Layer::Egress, evidence.clone()), (Layer::Network, evidence)];
    }
    // A server that is up but whose listen queue is full is silent, too.
    let silent: Vec<IpAddr> = blamed(case, primary).flat_map(Observation::tried).map(|address| address.ip()).collect();
    let up = case.observations.iter().any(|other| other.answered().any(|address| silent.contains(&address.ip())));
    if up {
        return Vec::new();
    }
    let evidence = "no connection came about, so no credentials, query or request were ever sent";
    vec![(Layer::Application, evidence.to_owned())]
}

fn blamed<'c>(case: &'c Case<'_>, primary: &'c Finding) -> impl Iterator<Item = &'c Observation<'c>> {
    primary.probes.iter().filter_map(|index| case.observations.get(*index))
}

/// What the evidence at hand can't tell.
fn unknown(case: &Case<'_>, primary: &Finding) -> Vec<String> {
    let mut unknown = Vec::new();
    if primary.cause == Cause::ConnectTimeout {
        unknown.push("silence alone does not tell a dropped packet from a host that is down".to_owned());
    }
    if let Some(vantage) = elsewhere(case, primary) {
        unknown.push(format!(
            "observed from {vantage}, not from Cloud Run's own egress: the service's VPC connector was not on this path"
        ));
    }
    for observation in &case.observations {
        if observation.state == ProbeState::Skipped {
            unknown.push(format!("{} was skipped, because what it depends on fails", observation.name));
        }
        if observation.state == ProbeState::Unknown && primary.layer != Layer::Prober {
            let why = observation.failure.map_or("it was not observed yet", |failure| &failure.message);
            unknown.push(format!("{}: {why}", observation.name));
        }
    }
    unknown.extend(cloud::verdict::unknown(case, primary));
    unknown
}

/// The vantage, if the check speaks for a Cloud Run service while the evidence was gathered elsewhere.
fn elsewhere<'c>(case: &'c Case<'_>, primary: &'c Finding) -> Option<&'c str> {
    if !case.speaks_for_service {
        return None;
    }
    let mut vantages = blamed(case, primary).map(|probe| probe.evidence.map_or("this vantage", |found| &found.vantage));
    vantages.find(|vantage| !behind_cloud_run(vantage))
}

fn lowered(confidence: Confidence) -> Confidence {
    match confidence {
        Confidence::High => Confidence::Medium,
        Confidence::Medium | Confidence::Low => Confidence::Low,
    }
}
