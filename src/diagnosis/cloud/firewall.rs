//! The rule about the network's firewall: whether a rule that is in force denies what the service sends. Pure.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::super::{Case, Finding};
use super::{cite, segment, short, way};
use crate::api::Cause;
use crate::cloud::network::{FirewallRule, List, Network};
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

/// Whether a rule concerns packets to an address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Concerns {
    No,
    /// It holds for what is not known of them: an address group, a name, a secure tag, what was not kept.
    Perhaps,
    Yes,
}

const fn told(yes: bool) -> Concerns {
    if yes { Concerns::Yes } else { Concerns::No }
}

/// The best that one of several offers; all are meant where none is named.
fn best<'e>(mut of: impl Iterator<Item = &'e String>, how: impl Fn(&str) -> Concerns) -> Concerns {
    let Some(first) = of.next() else { return Concerns::Yes };
    of.map(|entry| how(entry)).fold(how(first), Concerns::max)
}

/// Whether an entry of a rule's ports holds that port of TCP.
fn holds_port(entry: &str, port: u16) -> Concerns {
    match entry.split_once(':') {
        None => told(matches!(entry, "all" | "tcp" | "6")),
        Some(("more", _)) => Concerns::Perhaps,
        Some(("tcp" | "6", ports)) => match ports.split_once('-') {
            None => told(ports.parse() == Ok(port)),
            Some((from, to)) => told(
                matches!((from.parse::<u16>(), to.parse::<u16>()), (Ok(from), Ok(to)) if (from..=to).contains(&port)),
            ),
        },
        Some(_) => Concerns::No,
    }
}

/// Whether an entry of a rule's ranges narrows the others, rather than to widen them.
fn narrows(entry: &str) -> bool {
    matches!(entry.split_once(':'), Some(("networkType" | "source", _)))
}

fn concerns(rule: &FirewallRule, ip: IpAddr, port: u16, tags: &[String]) -> Concerns {
    if rule.disabled || rule.direction != "EGRESS" {
        return Concerns::No;
    }
    let ported = best(rule.ports.iter(), |entry| holds_port(entry, port));
    let ranged = best(rule.ranges.iter().filter(|entry| !narrows(entry)), |entry| match entry.parse::<IpNet>() {
        Ok(range) => told(range.contains(&ip)),
        Err(_) => Concerns::Perhaps,
    });
    let narrowed = if rule.ranges.iter().any(|entry| narrows(entry)) { Concerns::Perhaps } else { Concerns::Yes };
    let tagged = best(rule.target_tags.iter(), |entry| match entry.split_once(':') {
        Some(("secureTag" | "more", _)) => Concerns::Perhaps,
        _ => told(tags.iter().any(|tag| tag == entry)),
    });
    ported.min(ranged).min(narrowed).min(tagged)
}

/// The policy that a rule is of. None: it is one of the network's own.
fn policy(rule: &FirewallRule) -> Option<&str> {
    rule.name.split_once('/').map(|(policy, _)| policy)
}

/// The first rule that lets packets to an address and port pass, or drops them, in the order of evaluation, and whether it surely does.
/// One that only perhaps drops them is passed over.
fn first<'n>(network: &'n Network, ip: IpAddr, port: u16, tags: &[String]) -> Option<(&'n FirewallRule, Concerns)> {
    // What hands on to the next level, and whether surely: it holds for the rest of its policy.
    let mut handed: Option<(&FirewallRule, Concerns)> = None;
    for rule in &network.firewall {
        // A policy's rules come by priority: a lower number begins another one, whatever its name.
        handed = handed.filter(|(by, _)| policy(rule) == policy(by) && rule.priority >= by.priority);
        let still = match handed {
            None | Some((_, Concerns::No)) => Concerns::Yes,
            Some((_, Concerns::Perhaps)) => Concerns::Perhaps,
            Some((_, Concerns::Yes)) => Concerns::No,
        };
        let own = concerns(rule, ip, port, tags);
        match own.min(still) {
            Concerns::No => {}
            _ if rule.goto_next => handed = Some((rule, own)),
            Concerns::Perhaps if !rule.allow => {}
            concerns => return Some((rule, concerns)),
        }
    }
    None
}

/// The rule that decides on packets to an address and port. None where one before it perhaps lets them pass.
fn decisive<'n>(network: &'n Network, ip: IpAddr, port: u16, tags: &[String]) -> Option<&'n FirewallRule> {
    first(network, ip, port, tags).filter(|(_, concerns)| *concerns == Concerns::Yes).map(|(rule, _)| rule)
}

/// What could not be told, because more rules are in force than were read.
pub(in crate::diagnosis) fn untold(case: &Case<'_>) -> Vec<String> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.network.found().filter(|found| found.object.is_cut(List::Firewall)) else {
        return Vec::new();
    };
    let (tags, name, more) = (tags(picture), short(&found.name), List::Firewall.as_str());
    let decided = |(ip, port): &(IpAddr, u16)| first(&found.object, *ip, *port, &tags).is_some();
    let told = |(ip, port): (IpAddr, u16)| {
        let what = format!("whether a firewall rule denies {ip} port {port}");
        format!("{what} could not be told: the network {name} has more {more} than were read")
    };
    way::goals(case, picture).into_iter().filter(|goal| !decided(goal)).map(told).collect()
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
