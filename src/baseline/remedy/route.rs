//! What restores a route of a network. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::network::upon;
use super::{Command, Loss, Remedy};
use crate::cloud::Drift;

/// Where the next hop of a route is: the flag that says so, what stands before it in a path, and what people call it.
type Place = (&'static str, &'static str, &'static str);

const ZONE: Place = ("next-hop-instance-zone", "zones", "ZONE");
const ILB_REGION: Place = ("next-hop-ilb-region", "regions", "REGION");
const TUNNEL_REGION: Place = ("next-hop-vpn-tunnel-region", "regions", "REGION");

/// The next hops of static routes: how the configuration names each, and the flag that sets it.
const STATIC: [(&str, &str, Option<Place>); 5] = [
    ("gateway ", "next-hop-gateway", None),
    ("ip ", "next-hop-address", None),
    ("instance ", "next-hop-instance", Some(ZONE)),
    ("load balancer ", "next-hop-ilb", Some(ILB_REGION)),
    ("tunnel ", "next-hop-vpn-tunnel", Some(TUNNEL_REGION)),
];

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
    let (hop, rest) = lost.split_once(" priority=").unwrap_or((lost, ""));
    let (priority, tags) = rest.split_once(" tags=").unwrap_or((rest, ""));
    let known = STATIC.iter().find_map(|(kind, flag, place)| Some((hop.strip_prefix(*kind)?, *flag, *place)));
    let Some((value, flag, place)) = known else { return remedy.notes.push(learned(range, hop)) };
    let command = upon(loss, "compute routes create", &name(range, index))
        .with("network", loss.object.name)
        .with("destination-range", range)
        .with(flag, last(value))
        .with_some("priority", Some(priority))
        .with_some("tags", Some(tags));
    // A load balancer may be named by its address, which is in one place only.
    let Some((flag, key, word)) = place.filter(|_| value.parse::<IpAddr>().is_err()) else {
        return remedy.commands.push(command);
    };
    match after(value, key) {
        Some(place) => remedy.commands.push(command.with(flag, place)),
        None => remedy.notes.push(unplaced(range, hop, &command.with(flag, word), word)),
    }
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
