//! Rules about the way to the target: silence, unreachable networks, names. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Case, Finding, Gravity, Observation};
use crate::api::{Cause, Confidence, Layer, ProbeState, Stage};

pub(super) const ALL_SILENT: &str = "egress/all-silent";
pub(super) const TARGETS_SILENT: &str = "network/targets-silent";
pub(super) const ADDRESS_SILENT: &str = "network/address-silent";
pub(super) const UNREACHABLE: &str = "network/unreachable";
pub(super) const LARGE_PACKETS: &str = "network/large-packets";
pub(super) const NAME: &str = "network/name";

/// The addresses from which a probe got no answer, if it is not healthy for that.
fn silent(observation: &Observation<'_>) -> Option<BTreeSet<IpAddr>> {
    let failure = observation.fault()?;
    let ips = || observation.ended_with(Cause::ConnectTimeout).map(|address| address.ip()).collect();
    (failure.cause == Cause::ConnectTimeout).then(ips)
}

/// Something in the case that answers from the same vantage: an open connection, a refusal, a DNS server.
fn something_answers<'c>(case: &'c Case<'_>, but_not: &BTreeSet<IpAddr>) -> Option<&'c Observation<'c>> {
    case.observations.iter().find(|observation| {
        let mut answers = observation.answered().chain(observation.ended_with(Cause::ConnectionRefused));
        let elsewhere = !but_not.is_empty() && answers.any(|address| !but_not.contains(&address.ip()));
        let resolved = observation.passed(Stage::Resolve) && observation.tried().next().is_none();
        elsewhere || resolved
    })
}

/// Failing probes whose targets have no address in common, and fall silent together.
struct Together {
    probes: Vec<usize>,
    addresses: BTreeSet<IpAddr>,
}

impl Together {
    fn of(case: &Case<'_>) -> Option<Self> {
        let silent_probes: Vec<(usize, BTreeSet<IpAddr>)> = case
            .observations
            .iter()
            .enumerate()
            .filter(|(_, observation)| observation.state == ProbeState::Failing)
            .filter_map(|(index, observation)| silent(observation).map(|ips| (index, ips)))
            .collect();
        // Several addresses of one target say no more than one does: its own network may be the silent one.
        let apart = |(_, ips): &(usize, BTreeSet<IpAddr>)| {
            !ips.is_empty() && silent_probes.iter().any(|(_, others)| !others.is_empty() && ips.is_disjoint(others))
        };
        let addresses = silent_probes.iter().flat_map(|(_, ips)| ips.iter().copied()).collect();
        let probes = silent_probes.iter().map(|(index, _)| *index).collect();
        silent_probes.iter().any(apart).then_some(Together { probes, addresses })
    }

    /// Who got no answer, and from where.
    fn told(&self, case: &Case<'_>) -> String {
        let names: Vec<&str> = self.probes.iter().map(|index| case.observations[*index].name).collect();
        let seen: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        format!("{} got no answer from {}", names.join(", "), seen.join(", "))
    }

    fn finding(
        self,
        rule: &'static str,
        layer: Layer,
        confidence: Confidence,
        summary: String,
        remedy: &str,
    ) -> Finding {
        Finding {
            rule,
            layer,
            cause: Cause::ConnectTimeout,
            stage: Some(Stage::Connect),
            summary,
            remedy: remedy.to_owned(),
            confidence,
            probes: self.probes,
            symptoms: Vec::new(),
            told: Vec::new(),
            inspections: Vec::new(),
            gravity: Gravity::Broken,
        }
    }
}

pub(super) fn all_silent(case: &Case<'_>) -> Vec<Finding> {
    let Some(together) = Together::of(case) else { return Vec::new() };
    if something_answers(case, &together.addresses).is_some() {
        return Vec::new();
    }
    let summary = format!("nothing answers from this vantage: {}", together.told(case));
    let remedy = "Look first at what all of these have in common: the vantage's way out (VPC connector or Direct VPC egress, Cloud NAT, \
                  egress firewall rules), then at the routes behind it.";
    vec![together.finding(ALL_SILENT, Layer::Egress, Confidence::Medium, summary, remedy)]
}

pub(super) fn targets_silent(case: &Case<'_>) -> Vec<Finding> {
    let Some(together) = Together::of(case) else { return Vec::new() };
    let open = |observation: &Observation<'_>| {
        let mut answers = observation.answered().chain(observation.ended_with(Cause::ConnectionRefused));
        answers.any(|address| together.addresses.contains(&address.ip()))
    };
    let Some(contrast) = something_answers(case, &together.addresses) else { return Vec::new() };
    if case.observations.iter().any(open) {
        return Vec::new();
    }
    // An open connection shows that the vantage has a way out; a DNS answer shows less, the resolver may be next door.
    let confidence = if contrast.tried().next().is_some() { Confidence::High } else { Confidence::Medium };
    let summary = format!(
        "several targets are silent at once: {}; {} answers from the same vantage",
        together.told(case),
        contrast.name
    );
    let remedy = "Hosts rarely fail together: look at what these have in common and the one that answers has not, such as the VPC connector \
                  (or Direct VPC egress), peering, routes and firewall rules.";
    vec![together.finding(TARGETS_SILENT, Layer::Network, confidence, summary, remedy)]
}

pub(super) fn address_silent(case: &Case<'_>) -> Vec<Finding> {
    let mut findings: Vec<(BTreeSet<IpAddr>, Finding)> = Vec::new();
    for (index, observation) in case.observations.iter().enumerate() {
        let (Some(ips), Some(failure)) = (silent(observation), observation.fault()) else { continue };
        match findings.iter_mut().find(|(known, _)| *known == ips && !ips.is_empty()) {
            Some((_, finding)) => finding.probes.push(index),
            None => {
                let finding =
                    Finding::about(ADDRESS_SILENT, index, observation, failure, Layer::Network, Confidence::Low);
                findings.push((ips, finding));
            }
        }
    }
    findings.into_iter().map(|(ips, finding)| weigh(case, &ips, finding)).collect()
}

/// Another address that answers makes a silent one surer; several silent ports of it more so; an open port, less.
fn weigh(case: &Case<'_>, ips: &BTreeSet<IpAddr>, mut finding: Finding) -> Finding {
    let contrast = something_answers(case, ips);
    let several = finding.probes.len() > 1;
    let open = case.observations.iter().find(|other| other.answered().any(|address| ips.contains(&address.ip())));
    finding.confidence = match (contrast.is_some(), several, open.is_some()) {
        (_, _, true) => Confidence::Low,
        (true, true, false) => Confidence::High,
        (true, false, false) | (false, true, false) => Confidence::Medium,
        (false, false, false) => Confidence::Low,
    };
    if several {
        let names: Vec<&str> = finding.probes.iter().map(|index| case.observations[*index].name).collect();
        finding.summary = format!("every probe of that address is silent ({}): {}", names.join(", "), finding.summary);
    }
    if let Some(contrast) = contrast {
        let itself = finding.probes.iter().any(|index| case.observations[*index].name == contrast.name);
        let what = if itself { "another of its addresses" } else { contrast.name };
        finding.summary = format!("{}; {what} answers from the same vantage", finding.summary);
    }
    if let Some(open) = open {
        finding.summary = format!("{}; but {} reaches another port of it", finding.summary, open.name);
        finding.remedy = "One port is silent while another answers: look for a firewall rule on that port, and for a full listen queue.".to_owned();
    }
    finding
}

pub(super) fn unreachable(case: &Case<'_>) -> Vec<Finding> {
    let is = |cause| matches!(cause, Cause::HostUnreachable | Cause::NetworkUnreachable);
    case.faults(is)
        .map(|(index, observation, failure)| {
            Finding::about(UNREACHABLE, index, observation, failure, Layer::Network, Confidence::High)
        })
        .collect()
}

pub(super) fn large_packets(case: &Case<'_>) -> Vec<Finding> {
    case.faults(|cause| cause == Cause::LargePacketsLost)
        .map(|(index, observation, failure)| {
            Finding::about(LARGE_PACKETS, index, observation, failure, Layer::Network, Confidence::High)
        })
        .collect()
}

pub(super) fn name(case: &Case<'_>) -> Vec<Finding> {
    let is = |cause| {
        matches!(
            cause,
            Cause::NameNotFound
                | Cause::NoAddress
                | Cause::ResolverTimeout
                | Cause::ResolverUnreachable
                | Cause::ResolverFailed
        )
    };
    case.faults(is)
        .map(|(index, observation, failure)| {
            Finding::about(NAME, index, observation, failure, Layer::Network, Confidence::Medium)
        })
        .collect()
}
