//! The rule about private zones of Cloud DNS: one that should answer for a name, and is not seen by the network. Pure.

use super::super::{Case, Finding};
use super::{cite, short};
use crate::api::{Cause, Confidence};
use crate::cloud::Inspection;
use crate::cloud::zones::Zone;

pub(in crate::diagnosis) const ZONE: &str = "network/dns-zone";

/// Why a zone does not answer for the network of that full name, if it does not.
fn fault(zone: &Zone, network: &str) -> Option<String> {
    if !zone.is_seen_by(network) {
        return Some(format!(
            "the private zone {} ({}) is not attached to the network {}",
            zone.name,
            zone.dns_name,
            short(network)
        ));
    }
    if let Some(peer) = &zone.peering_network {
        return Some(format!(
            "the private zone {} ({}) asks the network {} instead",
            zone.name,
            zone.dns_name,
            short(peer)
        ));
    }
    if zone.forwarding_targets.is_empty() {
        return None;
    }
    let targets = zone.forwarding_targets.join(", ");
    Some(format!("the private zone {} ({}) forwards to {targets}", zone.name, zone.dns_name))
}

/// The zone that a target's name belongs to: the one with the longest suffix, and of those with the same one that the network sees.
fn zone_of<'z>(zones: &'z [Zone], target: &str, network: &str) -> Option<&'z Zone> {
    let holds = |zone: &&Zone| {
        let suffix = zone.dns_name.trim_end_matches('.');
        target.match_indices(suffix).any(|(at, _)| {
            let end = target[at + suffix.len()..].chars().next();
            let start = target[..at].chars().next_back();
            let inside = |char: char| char.is_alphanumeric() || char == '-';
            !suffix.is_empty() && !start.is_some_and(inside) && !end.is_some_and(|char| inside(char) || char == '.')
        })
    };
    zones.iter().filter(holds).max_by_key(|zone| (zone.dns_name.len(), zone.is_seen_by(network)))
}

const fn is_of_the_name(cause: Cause) -> bool {
    matches!(cause, Cause::NameNotFound | Cause::NoAddress | Cause::ResolverTimeout | Cause::ResolverFailed)
}

/// What could not be told, because the project has more zones than were read: one of them may be attached.
pub(in crate::diagnosis) fn untold(case: &Case<'_>) -> Vec<String> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let (Some(found), Some(network)) = (picture.dns_zones.found(), picture.network.found()) else { return Vec::new() };
    if !found.object.cut {
        return Vec::new();
    }
    let told = |zone: &Zone| {
        let (zone, network) = (zone.dns_name.trim_end_matches('.'), short(&network.name));
        let what = format!("whether a private zone of {zone} is attached to the network {network}");
        format!("{what} could not be told: its project has more private zones than were read")
    };
    let zones = case.faults(is_of_the_name).filter_map(|(_, observation, _)| {
        zone_of(&found.object.zones, observation.target, &network.name).filter(|zone| !zone.is_seen_by(&network.name))
    });
    let mut untold: Vec<String> = zones.map(told).collect();
    untold.dedup();
    untold
}

pub(in crate::diagnosis) fn zone(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let (Some(found), Some(network)) = (picture.dns_zones.found(), picture.network.found()) else { return Vec::new() };
    let look = |(index, observation, failure): (usize, &super::super::Observation<'_>, &crate::evidence::Failure)| {
        let zone = zone_of(&found.object.zones, observation.target, &network.name)?;
        let attached = zone.is_seen_by(&network.name);
        if !attached && found.object.cut {
            return None;
        }
        let summary = fault(zone, &network.name)?;
        // A zone that hands questions on says where to look next, not that the answer is lost there.
        let confidence = if attached { Confidence::Medium } else { Confidence::High };
        let told = vec![cite("zone", found, format!("{} {}", zone.name, zone.dns_name))];
        let mut finding =
            Finding::told(ZONE, Cause::DnsZoneDetached, Inspection::DnsZones, summary, told).sure(confidence);
        if attached {
            finding.cause = failure.cause;
            finding.remedy = "Ask the servers that the zone hands questions on to: that they answer for the name, and that the network reaches \
                              them (Cloud DNS asks from 35.199.192.0/19)."
                .to_owned();
        }
        Some(finding.explaining(case, vec![index], Vec::new()))
    };
    case.faults(is_of_the_name).filter_map(look).collect()
}
