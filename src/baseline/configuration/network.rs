//! What is configured of a network and its private DNS zones. Pure.

use super::super::object::{Object, full};
use super::fields::{Fields, listed};
use crate::cloud::network::{FirewallRule, List, Network, PRIVATE_SERVICES, Route};
use crate::cloud::zones::{Zone, Zones};

/// The configuration of a network.
pub fn of_network(network: &Network, object: &Object<'_>, fields: &mut Fields) {
    let Network { mtu, peerings, subnets, allocated_ranges, routes, firewall, cut } = network;
    fields.partial.extend(cut.iter().filter_map(|list| named(*list)));
    fields.put("mtu", mtu.filter(|mtu| *mtu > 0).unwrap_or(1460));
    for peering in peerings {
        let at = format!("peerings[{}]", peering.name);
        fields.put(format!("{at}.network"), object.network(&peering.network));
        fields.put(format!("{at}.exportCustomRoutes"), peering.export_custom_routes);
        fields.put(format!("{at}.importCustomRoutes"), peering.import_custom_routes);
        let announced = format!("{at}.importedRanges");
        match &peering.imported_ranges {
            Some(ranges) if !network.is_cut(List::ImportedRanges) => fields.list(announced, ranges),
            None if peering.name != PRIVATE_SERVICES => {}
            Some(_) | None => _ = fields.unread.insert(announced),
        }
    }
    for subnet in subnets {
        let at = format!("subnets[{}/{}]", subnet.region.rsplit('/').next().unwrap_or_default(), subnet.name);
        fields.put(format!("{at}.ipCidrRange"), &subnet.ip_cidr_range);
        fields.list(format!("{at}.secondaryIpRanges"), &subnet.secondary_ranges);
        fields.put(format!("{at}.privateIpGoogleAccess"), subnet.private_ip_google_access);
        fields.put(format!("{at}.purpose"), if subnet.purpose.is_empty() { "PRIVATE" } else { &subnet.purpose });
    }
    if allocated_ranges.is_none() {
        fields.partial.extend(named(List::AllocatedRanges));
    }
    for allocated in allocated_ranges.iter().flatten() {
        fields.put(format!("allocatedRanges[{}]", allocated.name), &allocated.range);
    }
    routes.iter().for_each(|route| fields.put(format!("routes[{}]", route.dest_range), of_route(route)));
    firewall.iter().for_each(|rule| fields.put(format!("firewall[{}]", rule.name), of_rule(rule)));
}

/// What a list is called where its entries are fields of their own.
const fn named(list: List) -> Option<&'static str> {
    match list {
        List::Peerings => Some("peerings"),
        List::Subnets => Some("subnets"),
        List::AllocatedRanges => Some("allocatedRanges"),
        List::Routes => Some("routes"),
        List::Firewall => Some("firewall"),
        List::ImportedRanges => None,
    }
}

/// A route by where it leads: the server gives names of its own to those of subnets and peerings.
fn of_route(route: &Route) -> String {
    let tags = if route.tags.is_empty() { String::new() } else { format!(" tags={}", listed(&route.tags)) };
    format!("{} priority={}{tags}", route.next_hop, route.priority)
}

fn of_rule(rule: &FirewallRule) -> String {
    let FirewallRule { name: _, direction, priority, allow, ranges, ports, target_tags, disabled, goto_next } = rule;
    let verb = match (goto_next, allow) {
        (true, _) => "goto_next",
        (false, true) => "allow",
        (false, false) => "deny",
    };
    let part = |name: &str, values: &[String]| match values {
        [] => String::new(),
        values => format!(" {name}={}", listed(values)),
    };
    let (ranges, ports, tags) = (part("ranges", ranges), part("ports", ports), part("tags", target_tags));
    format!("{direction} {verb} priority={priority}{ranges}{ports}{tags}{}", if *disabled { " disabled" } else { "" })
}

/// The zones that the network sees. What the others say is not asked on its way, but of one that it saw it tells a zone that was
/// detached from one that is gone.
pub fn of_zones(zones: &Zones, network: &Object<'_>, fields: &mut Fields) {
    let Zones { zones, cut } = zones;
    if *cut {
        fields.partial.insert("zones");
    }
    let name = network.network(network.name);
    let (seen, others): (Vec<&Zone>, Vec<&Zone>) = zones.iter().partition(|zone| zone.is_seen_by(&name));
    let mut beside = Fields::default();
    others.into_iter().for_each(|zone| of_zone(zone, network, &mut beside));
    fields.beside = beside.set;
    seen.into_iter().for_each(|zone| of_zone(zone, network, fields));
}

fn of_zone(zone: &Zone, network: &Object<'_>, fields: &mut Fields) {
    let at = format!("zones[{}]", zone.name);
    fields.put(format!("{at}.dnsName"), &zone.dns_name);
    fields.put(format!("{at}.networks"), network.networks(&zone.networks));
    fields.list(format!("{at}.forwardingTargets"), &zone.forwarding_targets);
    fields.put(format!("{at}.peeringNetwork"), full(zone.peering_network.as_deref().unwrap_or_default()));
}
