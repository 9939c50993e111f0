//! Rules about the VPC network: the private services connection, routes, ranges. Pure.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::super::{Case, Finding, Gravity};
use super::{cite, same_network, short, way};
use crate::api::{Cause, Confidence, Layer};
use crate::cloud::network::{List, Network, Peering, Route};
use crate::cloud::{Inspection, Picture};

pub(in crate::diagnosis) const PEERING: &str = "network/peering";
pub(in crate::diagnosis) const ROUTE: &str = "network/route";
pub(in crate::diagnosis) const OVERLAP: &str = "network/ranges-overlap";

/// What Cloud SQL's instances use for themselves.
const RESERVED: &str = "172.17.0.0/16";

fn covers(range: &str, ip: IpAddr) -> bool {
    range.parse::<IpNet>().is_ok_and(|range| range.contains(&ip))
}

fn overlap(one: &str, other: &str) -> bool {
    match (one.parse::<IpNet>(), other.parse::<IpNet>()) {
        (Ok(one), Ok(other)) => one.contains(&other) || other.contains(&one),
        (Err(_), _) | (_, Err(_)) => false,
    }
}

fn private_services(network: &Network) -> Option<&Peering> {
    let is = |peering: &&Peering| {
        peering.name.starts_with("servicenetworking") || peering.network.contains("servicenetworking")
    };
    network.peerings.iter().find(is)
}

/// By what a way to an address shows.
const WAYS: &[List] = &[List::Routes, List::ImportedRanges, List::Peerings, List::Subnets];

/// What is wrong, if the lists in which it is missed were read to their ends.
struct Wrong {
    summary: String,
    confidence: Confidence,
    missed_in: &'static [List],
}

impl Wrong {
    fn new(summary: String, confidence: Confidence, missed_in: &'static [List]) -> Self {
        Wrong { summary, confidence, missed_in }
    }

    /// A list of which only a part was read: what is missed may stand in the rest.
    fn cut(&self, network: &Network) -> Option<List> {
        self.missed_in.iter().copied().find(|list| network.is_cut(*list))
    }

    fn surely(self, network: &Network) -> Option<Self> {
        if self.cut(network).is_none() { Some(self) } else { None }
    }
}

/// What is wrong with the private services connection, if anything.
fn broken(picture: &Picture, network: &Network, name: &str) -> Option<Wrong> {
    let instance = picture.instance.object();
    let in_it = |instance: &&crate::cloud::Instance| {
        instance.private_network.as_deref().is_some_and(|private| same_network(private, name))
    };
    let needs_it = instance.filter(in_it);
    let Some(peering) = private_services(network) else {
        let instance = needs_it?;
        let summary = format!(
            "the network {} has no private services connection (peering servicenetworking-googleapis-com), by which {} is reached",
            short(name),
            instance.connection_name
        );
        return Some(Wrong::new(summary, Confidence::High, &[List::Peerings]));
    };
    if peering.state != "ACTIVE" {
        let summary = format!(
            "the private services connection {} of the network {} is {}: {}",
            peering.name,
            short(name),
            peering.state,
            peering.state_details
        );
        return Some(Wrong::new(summary, Confidence::High, &[]));
    }
    let ranges = peering.imported_ranges.as_ref()?;
    let goal = needs_it.and_then(|instance| way::addresses(instance).find(|ip| way::private(*ip)));
    let lost = match goal {
        Some(ip) => !ranges.iter().any(|range| covers(range, ip)),
        None => ranges.is_empty(),
    };
    lost.then(|| {
        let goal = goal.map(|ip| format!(" to {ip}")).unwrap_or_default();
        let summary = format!(
            "the private services connection {} of the network {} has lost its route{goal}",
            peering.name,
            short(name)
        );
        Wrong::new(summary, Confidence::High, &[List::ImportedRanges])
    })
}

pub(in crate::diagnosis) fn peering(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.network.found() else { return Vec::new() };
    let wrong = broken(picture, &found.object, &found.name).and_then(|wrong| wrong.surely(&found.object));
    let Some(Wrong { summary, .. }) = wrong else { return Vec::new() };
    let told = match private_services(&found.object) {
        Some(peering) => {
            let ranges = peering.imported_ranges.as_ref().map_or("not read".to_owned(), |ranges| ranges.join(", "));
            cite("network", found, format!("peering {} {}, ranges [{ranges}]", peering.name, peering.state))
        }
        None => cite("network", found, "no peering servicenetworking-googleapis-com"),
    };
    vec![Finding::told(PEERING, Cause::PeeringLost, Inspection::Network, summary, vec![told]).about_the_way(case)]
}

fn holds(route: &Route) -> bool {
    matches!(&*route.route_status, "" | "ACTIVE") && route.tags.is_empty()
}

/// The route that packets to an address take: the longest range, then the lowest priority.
fn best(network: &Network, ip: IpAddr) -> Option<&Route> {
    let length = |route: &Route| route.dest_range.parse::<IpNet>().map_or(0, |range| range.prefix_len());
    let fitting = network.routes.iter().filter(|route| holds(route) && covers(&route.dest_range, ip));
    fitting.max_by_key(|route| (length(route), std::cmp::Reverse(route.priority)))
}

/// Why packets to a private address don't get there, if no route takes them, and how sure that is.
fn astray(picture: &Picture, network: &Network, ip: IpAddr) -> Option<Wrong> {
    let known = network.subnets.iter().any(|subnet| covers(&subnet.ip_cidr_range, ip));
    let imported = |peering: &Peering| peering.imported_ranges.iter().flatten().any(|range| covers(range, ip));
    let peered = network.peerings.iter().any(|peering| peering.state == "ACTIVE" && imported(peering));
    let of_instance = picture.instance.object().is_some_and(|instance| way::addresses(instance).any(|own| own == ip));
    match best(network, ip) {
        None if known || peered => None,
        None => Some(Wrong::new(format!("no route leads to {ip}"), Confidence::High, WAYS)),
        Some(route) if route.next_hop.contains("internet-gateway") && !known && !peered => {
            let summary =
                format!("no route leads to {ip} but {}, to the Internet, where a private address is not", route.name);
            Some(Wrong::new(summary, Confidence::High, WAYS))
        }
        Some(route) => {
            // An instance of Cloud SQL is reached by its peering alone: what is more specific takes its packets elsewhere.
            let takes =
                of_instance && !route.next_hop.starts_with("peering") && !route.next_hop.contains("internet-gateway");
            let summary = || {
                format!(
                    "the route {} ({}) takes the packets to {ip} to {}",
                    route.name, route.dest_range, route.next_hop
                )
            };
            // A longer range would take them instead.
            let wrong = || Wrong::new(summary(), Confidence::Medium, &[List::Routes]);
            (takes && !route.next_hop.starts_with("network")).then(wrong)
        }
    }
}

/// What could not be told, because the network has more than was read of it.
pub(in crate::diagnosis) fn untold(case: &Case<'_>) -> Vec<String> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.network.found() else { return Vec::new() };
    let (network, name) = (&*found.object, short(&found.name));
    let told = |what: String, wrong: Wrong| {
        let list = wrong.cut(network)?.as_str();
        Some(format!("{what} could not be told: the network {name} has more {list} than were read"))
    };
    let peering = broken(picture, network, &found.name)
        .and_then(|wrong| told("whether the private services connection is whole".to_owned(), wrong));
    let routes = way::goals(case, picture)
        .into_iter()
        .filter_map(|(ip, _)| told(format!("where packets to {ip} go"), astray(picture, network, ip)?));
    let mut untold: Vec<String> = peering.into_iter().chain(routes).collect();
    untold.dedup();
    untold
}

pub(in crate::diagnosis) fn route(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.network.found() else { return Vec::new() };
    let goals = way::goals(case, picture);
    let surely = |ip: IpAddr| astray(picture, &found.object, ip)?.surely(&found.object);
    let Some(Wrong { summary, confidence, .. }) = goals.iter().find_map(|(ip, _)| surely(*ip)) else {
        return Vec::new();
    };
    let off: Vec<String> = found
        .object
        .routes
        .iter()
        .filter(|route| !holds(route) && goals.iter().any(|(ip, _)| covers(&route.dest_range, *ip)))
        .map(|route| format!("route {} ({}) is {}", route.name, route.dest_range, why_not(route)))
        .collect();
    let says = if off.is_empty() { format!("{} routes", found.object.routes.len()) } else { off.join(", ") };
    let told = vec![cite("network", found, says)];
    let finding = Finding::told(ROUTE, Cause::RouteMissing, Inspection::Network, summary, told);
    let lost = |at: SocketAddr| way::private(at.ip()) && surely(at.ip()).is_some();
    let mut finding = finding.about_the_targets(case, lost);
    if confidence < finding.confidence {
        finding.confidence = confidence;
    }
    vec![finding]
}

fn why_not(route: &Route) -> String {
    if route.tags.is_empty() {
        route.route_status.clone()
    } else {
        format!("for hosts tagged {}", route.tags.join(", "))
    }
}

/// A range of the path with its owner, and whether the service's packets come from it.
fn ranges<'p>(picture: &'p Picture, network: &'p Network) -> Vec<(String, &'p str, bool)> {
    let mut ranges = Vec::new();
    let of_connector = picture.connector.object().and_then(|connector| connector.subnet.as_ref());
    let access = picture.vpc_access();
    let interfaces = access.into_iter().flat_map(|access| &access.network_interfaces);
    let own: Vec<&str> = of_connector
        .map(|subnet| &*subnet.name)
        .into_iter()
        .chain(interfaces.map(|interface| short(&interface.subnetwork)))
        .collect();
    if let Some(found) = picture.connector.found().filter(|found| !found.object.ip_cidr_range.is_empty()) {
        ranges.push((format!("the VPC connector {}", short(&found.name)), &*found.object.ip_cidr_range, true));
    }
    for subnet in &network.subnets {
        let name = format!("the subnet {}", subnet.name);
        ranges.push((name.clone(), &*subnet.ip_cidr_range, own.contains(&&*subnet.name)));
        ranges.extend(subnet.secondary_ranges.iter().map(|range| (name.clone(), &**range, false)));
    }
    for peering in &network.peerings {
        let imported = peering.imported_ranges.iter().flatten();
        ranges.extend(imported.map(|range| (format!("the peering {}", peering.name), &**range, false)));
    }
    ranges
}

/// What overlaps, and whether it is what the service's packets come from.
fn overlapping(picture: &Picture, network: &Network) -> Option<(String, bool)> {
    let ranges = ranges(picture, network);
    let reserved = ranges.iter().filter(|(_, range, _)| overlap(range, RESERVED)).max_by_key(|(.., of_path)| *of_path);
    if let Some((owner, range, of_path)) = reserved {
        return Some((
            format!("{owner} has the range {range}, which overlaps {RESERVED}, where Cloud SQL answers nobody"),
            *of_path,
        ));
    }
    let pairs = ranges.iter().enumerate().filter(|(_, (.., of_path))| *of_path).flat_map(|(index, own)| {
        // A connector in a subnet has the subnet's own range.
        let others = ranges.iter().enumerate().filter(move |(other, (.., of_path))| *other != index && !of_path);
        others.map(move |(_, other)| (own, other))
    });
    let ((owner, range, _), (of, other, _)) =
        pairs.into_iter().find(|((_, range, _), (_, other, _))| overlap(range, other))?;
    Some((format!("{owner} has the range {range}, which overlaps {other} of {of}"), true))
}

pub(in crate::diagnosis) fn ranges_overlap(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.network.found() else { return Vec::new() };
    let Some((summary, of_path)) = overlapping(picture, &found.object) else { return Vec::new() };
    let told = vec![cite("network", found, &summary)];
    let finding =
        Finding::told(OVERLAP, Cause::RangesOverlap, Inspection::Network, summary, told).of_layer(Layer::Network);
    if of_path {
        return vec![finding.about_the_way(case)];
    }
    // It concerns the path only if the service is in that subnet, or reaches into that range.
    let finding = finding.sure(Confidence::Low).weighing(Gravity::Flaw);
    vec![finding.explaining(case, way::silent(case), Vec::new())]
}
