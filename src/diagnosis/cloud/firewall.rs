//! The rule about the network's firewall: whether a rule that is in force denies what the service sends. Pure.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::super::{Case, Finding};
use super::{cite, segment, short, way};
use crate::api::Cause;
use crate::cloud::network::{FirewallRule, Network};
use crate::cloud::{Inspection, Picture};

pub(in crate::diagnosis) const DENIES: &str = "network/firewall-denies";

/// The network tags that the service's packets bear.
fn tags(picture: &Picture) -> Vec<String> {
    let access = picture.service.object().and_then(|service| service.template.vpc_access.as_ref());
    let Some(access) = access else { return Vec::new() };
    let mut tags: Vec<String> =
        access.network_interfaces.iter().flat_map(|interface| interface.tags.iter().cloned()).collect();
    if let Some(connector) = &access.connector {
        tags.push("vpc-connector".to_owned());
        if let Some(region) = segment(connector, "locations") {
            tags.push(format!("vpc-connector-{region}-{}", short(connector)));
        }
    }
    tags
}

/// Whether a rule's ports hold that port of TCP.
fn holds_port(ports: &[String], port: u16) -> bool {
    let holds = |text: &String| match text.split_once(':') {
        None => matches!(&**text, "all" | "tcp" | "6"),
        Some(("tcp" | "6", ports)) => match ports.split_once('-') {
            None => ports.parse() == Ok(port),
            Some((from, to)) => {
                matches!((from.parse::<u16>(), to.parse::<u16>()), (Ok(from), Ok(to)) if (from..=to).contains(&port))
            }
        },
        Some(_) => false,
    };
    ports.is_empty() || ports.iter().any(holds)
}

fn concerns(rule: &FirewallRule, ip: IpAddr, port: u16, tags: &[String]) -> bool {
    let covers = |range: &String| range.parse::<IpNet>().is_ok_and(|range| range.contains(&ip));
    let tagged = rule.target_tags.is_empty() || rule.target_tags.iter().any(|tag| tags.contains(tag));
    let ranged = rule.ranges.is_empty() || rule.ranges.iter().any(covers);
    !rule.disabled && rule.direction == "EGRESS" && tagged && ranged && holds_port(&rule.ports, port)
}

/// The rule that decides on packets to an address and port: the first that concerns them, in the order of evaluation.
fn decisive<'n>(network: &'n Network, ip: IpAddr, port: u16, tags: &[String]) -> Option<&'n FirewallRule> {
    network.firewall.iter().find(|rule| concerns(rule, ip, port, tags))
}

pub(in crate::diagnosis) fn denies(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.network.found() else { return Vec::new() };
    let tags = tags(picture);
    let denied = way::goals(case, picture).into_iter().find_map(|(ip, port)| {
        let rule = decisive(&found.object, ip, port, &tags).filter(|rule| !rule.allow)?;
        Some((rule, ip, port))
    });
    let Some((rule, ip, port)) = denied else { return Vec::new() };
    let ports = if rule.ports.is_empty() { "all".to_owned() } else { rule.ports.join(", ") };
    let ranges = if rule.ranges.is_empty() { "everywhere".to_owned() } else { rule.ranges.join(", ") };
    let says = format!("firewall rule {} denies EGRESS to {ranges}, {ports}, priority {}", rule.name, rule.priority);
    let summary =
        format!("the firewall rule {} of the network {} denies {ip} port {port}", rule.name, short(&found.name));
    let told = vec![cite("network", found, says)];
    let finding = Finding::told(DENIES, Cause::FirewallDenies, Inspection::Network, summary, told);
    let denied = |at: SocketAddr| decisive(&found.object, at.ip(), at.port(), &tags).is_some_and(|rule| !rule.allow);
    vec![finding.about_the_targets(case, denied)]
}
