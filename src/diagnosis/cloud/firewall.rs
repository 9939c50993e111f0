//! The rule about the network's firewall: whether a rule that is in force denies what the service sends. Pure.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::super::{Case, Finding};
use super::{cite, segment, short, way};
use crate::api::Cause;
use crate::cloud::network::{FirewallRule, Network};
use crate::cloud::{Inspection, Picture};

pub(in crate::diagnosis) const DENIES: &str = "network/firewall-denies";

/// What the service's packets bear by which rules tell them: network tags and, where they leave by interfaces of its own, its
/// account.
fn tags(picture: &Picture) -> Vec<String> {
    let Some(template) = picture.service.object().map(|service| &service.template) else { return Vec::new() };
    let Some(access) = &template.vpc_access else { return Vec::new() };
    let mut tags: Vec<String> =
        access.network_interfaces.iter().flat_map(|interface| interface.tags.iter().cloned()).collect();
    if !access.network_interfaces.is_empty() {
        tags.push(format!("serviceAccount:{}", template.service_account));
    }
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

/// Whether a rule concerns packets to an address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Concerns {
    No,
    /// It holds for what is not known of them: an address group, a name, a secure tag.
    Perhaps,
    Yes,
}

/// The best that one of several offers; all are meant where none is named.
fn best(of: &[String], how: impl Fn(&String) -> Concerns) -> Concerns {
    let rank = |concerns: &Concerns| *concerns as u8;
    if of.is_empty() { Concerns::Yes } else { of.iter().map(how).max_by_key(rank).unwrap_or(Concerns::No) }
}

fn concerns(rule: &FirewallRule, ip: IpAddr, port: u16, tags: &[String]) -> Concerns {
    let told = |yes: bool| if yes { Concerns::Yes } else { Concerns::No };
    if rule.disabled || rule.direction != "EGRESS" || !holds_port(&rule.ports, port) {
        return Concerns::No;
    }
    let ranged = best(&rule.ranges, |range| match range.parse::<IpNet>() {
        Ok(range) => told(range.contains(&ip)),
        Err(_) => Concerns::Perhaps,
    });
    let tagged = best(&rule.target_tags, |tag| match tag.split_once(':') {
        Some(("secureTag", _)) => Concerns::Perhaps,
        _ => told(tags.contains(tag)),
    });
    if (ranged as u8) < (tagged as u8) { ranged } else { tagged }
}

/// The rule that decides on packets to an address and port: the first that concerns them, in the order of evaluation. None where
/// one before it perhaps lets them pass.
fn decisive<'n>(network: &'n Network, ip: IpAddr, port: u16, tags: &[String]) -> Option<&'n FirewallRule> {
    let rules = network.firewall.iter().map(|rule| (rule, concerns(rule, ip, port, tags)));
    let mut relevant = rules.filter(|(rule, concerns)| match concerns {
        Concerns::Yes => true,
        Concerns::Perhaps => rule.allow,
        Concerns::No => false,
    });
    relevant.next().filter(|(_, concerns)| *concerns == Concerns::Yes).map(|(rule, _)| rule)
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
