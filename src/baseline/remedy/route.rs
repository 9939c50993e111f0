//! What restores a route of a network. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::declare::Said;
use super::network::upon;
use super::place::Kind;
use super::{Command, Loss, Remedy, part};
use crate::cloud::Drift;

const ROUTE: Kind = Kind::part(part::COMPUTE, "ComputeRoute", "google_compute_route");

/// Where the next hop of a route is: the flag that says so, what stands before it in a path, and what people call it.
type Place = (&'static str, &'static str, &'static str);

const ZONE: Place = ("next-hop-instance-zone", "zones", "ZONE");
const ILB_REGION: Place = ("next-hop-ilb-region", "regions", "REGION");
const TUNNEL_REGION: Place = ("next-hop-vpn-tunnel-region", "regions", "REGION");

/// A kind of next hop that a static route may have.
struct Hop {
    /// How the configuration names it.
    kind: &'static str,
    /// The flag of gcloud that sets it.
    flag: &'static str,
    /// Where Config Connector has it.
    connector: &'static str,
    /// Where Terraform has it.
    terraform: &'static str,
    /// Where it is, if that must be told.
    place: Option<Place>,
}

const HOPS: [Hop; 5] = [
    Hop {
        kind: "gateway ",
        flag: "next-hop-gateway",
        connector: "nextHopGateway",
        terraform: "next_hop_gateway",
        place: None,
    },
    Hop { kind: "ip ", flag: "next-hop-address", connector: "nextHopIp", terraform: "next_hop_ip", place: None },
    Hop {
        kind: "instance ",
        flag: "next-hop-instance",
        connector: "nextHopInstanceRef",
        terraform: "next_hop_instance",
        place: Some(ZONE),
    },
    Hop {
        kind: "load balancer ",
        flag: "next-hop-ilb",
        connector: "nextHopILBRef",
        terraform: "next_hop_ilb",
        place: Some(ILB_REGION),
    },
    Hop {
        kind: "tunnel ",
        flag: "next-hop-vpn-tunnel",
        connector: "nextHopVPNTunnelRef",
        terraform: "next_hop_vpn_tunnel",
        place: Some(TUNNEL_REGION),
    },
];

/// A route as the configuration keeps it, taken apart.
struct Lost<'a> {
    /// Where it leads.
    hop: &'a str,
    /// The same, if it is a static route: its kind, and the hop without it.
    fixed: Option<(&'static Hop, &'a str)>,
    priority: &'a str,
    tags: &'a str,
}

impl<'a> Lost<'a> {
    fn of(text: &'a str) -> Self {
        let (hop, rest) = text.split_once(" priority=").unwrap_or((text, ""));
        let (priority, tags) = rest.split_once(" tags=").unwrap_or((rest, ""));
        let fixed = HOPS.iter().find_map(|kind| Some((kind, hop.strip_prefix(kind.kind)?)));
        Lost { hop, fixed, priority, tags }
    }
}

/// Restores the routes to a range.
pub fn routes(loss: &Loss<'_>, range: &str, drift: &Drift, remedy: &mut Remedy) {
    let (then, now) = (each(drift.was.as_deref()), each(drift.is.as_deref()));
    for (index, lost) in then.difference(&now).enumerate() {
        restore(loss, range, index, lost, remedy);
    }
    for new in now.difference(&then) {
        remedy.notes.push(format!(
            "the route to {range} by {new} is new: gcloud compute routes list names it, gcloud compute routes delete takes it away"
        ));
    }
}

/// The routes that a field holds.
fn each(field: Option<&str>) -> BTreeSet<&str> {
    field.unwrap_or_default().split("; ").filter(|one| !one.is_empty()).collect()
}

fn restore(loss: &Loss<'_>, range: &str, index: usize, lost: &str, remedy: &mut Remedy) {
    let Lost { hop, fixed, priority, tags } = Lost::of(lost);
    let Some((Hop { flag, place, .. }, value)) = fixed else { return remedy.notes.push(learned(range, hop)) };
    let command = upon(loss, "compute routes create", &name(range, index))
        .with("network", loss.object.name)
        .with("destination-range", range)
        .with(flag, last(value))
        .with_some("priority", Some(priority))
        .with_some("tags", Some(tags));
    let Some((flag, key, word)) = place.filter(|_| !is_address(value)) else {
        return remedy.commands.push(command);
    };
    match after(value, key) {
        Some(place) => remedy.commands.push(command.with(flag, place)),
        None => remedy.notes.push(unplaced(range, hop, &command.with(flag, word), word)),
    }
}

/// A load balancer may be named by its address, which is in one place only.
fn is_address(hop: &str) -> bool {
    hop.parse::<IpAddr>().is_ok()
}

/// The fragments of the static routes to a range that are gone. None where one of them can't be said in full.
pub fn declare<'a>(loss: &Loss<'_>, range: &str, drift: &'a Drift, said: &mut Said<'a>) {
    let (then, now) = (each(drift.was.as_deref()), each(drift.is.as_deref()));
    let lost = then.difference(&now).enumerate().map(|(index, lost)| declared(loss, range, index, lost));
    let Some(lost) = lost.collect::<Option<Vec<_>>>() else { return };
    for (name, spec, body) in lost {
        said.add(&[&drift.field], &ROUTE, &name, &Value::Object(spec), &Value::Object(body));
    }
}

type Body = Map<String, Value>;

fn declared(loss: &Loss<'_>, range: &str, index: usize, lost: &str) -> Option<(String, Body, Body)> {
    let Lost { hop: _, fixed, priority, tags } = Lost::of(lost);
    let (Hop { connector, terraform, place, .. }, value) = fixed?;
    // By name alone neither knows where it is.
    if place.is_some_and(|(_, key, _)| !is_address(value) && after(value, key).is_none()) {
        return None;
    }
    let name = name(range, index);
    let tags: Vec<&str> = tags.split(',').filter(|tag| !tag.is_empty()).collect();
    let hop = if connector.ends_with("Ref") { json!({"external": value}) } else { json!(value) };
    let spec = [("destRange", json!(range)), ("networkRef", json!({"external": loss.name()})), (connector, hop)];
    let body = [
        ("name", json!(name)),
        ("project", json!(loss.object.project)),
        ("dest_range", json!(range)),
        ("network", json!(loss.name())),
        (terraform, json!(value)),
    ];
    let priority = priority.parse::<u32>().ok().map(|priority| ("priority", json!(priority)));
    let tags = (!tags.is_empty()).then(|| ("tags", json!(tags)));
    let whole = |known: &[(&str, Value)]| {
        let known = known.iter().chain(&priority).chain(&tags);
        known.map(|(key, value)| ((*key).to_owned(), value.clone())).collect::<Body>()
    };
    let (spec, body) = (whole(&spec), whole(&body));
    Some((name, spec, body))
}

/// A static route of which all is known but where its next hop is.
fn unplaced(range: &str, hop: &str, command: &Command, word: &str) -> String {
    let gone = format!("the static route to {range} by {hop} is gone");
    if !command.is_safe() {
        return format!("{gone}: create it anew from where it is declared");
    }
    format!("{gone}, and the baseline does not hold the {word} of its next hop: put it into: {command}")
}

/// A route that nobody creates by itself.
fn learned(range: &str, hop: &str) -> String {
    if hop.starts_with("network ") {
        return format!("the route to {range} by {hop} is gone: it comes and goes with the subnet of that range");
    }
    format!("the route to {range} by {hop} is gone: restore what announces it")
}

/// A name for a route to a range; there may be several.
fn name(range: &str, index: usize) -> String {
    let name = format!("restored-{}", range.replace(['.', '/', ':'], "-"));
    let name = name.trim_end_matches('-');
    if index == 0 { name.to_owned() } else { format!("{name}-{}", index + 1) }
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// What stands after a key in a path.
fn after<'a>(path: &'a str, key: &str) -> Option<&'a str> {
    path.split('/').skip_while(|segment| *segment != key).nth(1).filter(|segment| !segment.is_empty())
}
