//! What restores a VPC network. Pure.

use std::collections::BTreeSet;

use super::firewall::rule;
use super::route::routes;
use super::{Command, Loss, Remedy};
use crate::cloud::Drift;

/// Name that private services access gives its peering.
const SERVICES: &str = "servicenetworking-googleapis-com";

/// Restores a network.
pub fn network(loss: &Loss<'_>, remedy: &mut Remedy) {
    let mut peerings: BTreeSet<&str> = BTreeSet::new();
    for drift in &loss.fields {
        let field = drift.field.as_str();
        match entry(field) {
            Some(("peerings", name, _)) if peerings.insert(name) => peering(loss, name, remedy),
            Some(("peerings", _, _)) => {}
            Some(("subnets", name, part)) => subnet(loss, name, part, drift, remedy),
            Some(("routes", range, _)) => routes(loss, range, drift, remedy),
            Some(("firewall", name, _)) => rule(loss, name, drift, remedy),
            Some(_) | None => match (field, drift.was.as_deref()) {
                ("mtu", Some(mtu)) => remedy.commands.push(upon(loss, "compute networks update", loss.object.name).with("mtu", mtu)),
                ("", was) => remedy.notes.push(format!(
                    "the path went through the network {}: what the connector, the instance and the service name decides on \
                     that",
                    was.unwrap_or("none")
                )),
                (field, was) => remedy.notes.push(format!(
                    "no command sets {field} back to {}",
                    was.unwrap_or("what it is by default")
                )),
            },
        }
    }
}

/// `LIST[KEY].PART`, taken apart.
pub fn entry(field: &str) -> Option<(&str, &str, &str)> {
    let (list, rest) = field.split_once('[')?;
    let (key, part) = rest.rsplit_once(']')?;
    (key != "*").then_some((list, key, part.trim_start_matches('.')))
}

/// A command upon something of the network's project.
pub fn upon(loss: &Loss<'_>, words: &str, name: &str) -> Command {
    Command::gcloud(words, name).with_some("project", Some(loss.object.project))
}

fn peering(loss: &Loss<'_>, name: &str, remedy: &mut Remedy) {
    let of = |part: &str| format!("peerings[{name}].{part}");
    let drifted = |part: &str| loss.fields.iter().find(|drift| drift.field == of(part));
    let vpc = loss.object.name;
    let range = "NAME of its range";
    if let Some(other) = drifted("network") {
        match (other.was.as_deref(), name) {
            (None, _) => return remedy.notes.push(format!("the peering {name} is new: gcloud compute networks peerings delete takes it away, if it is not wanted")),
            (Some(_), SERVICES) => remedy.notes.push(format!(
                "the private services connection is gone: gcloud services vpc-peerings connect \
                 --service=servicenetworking.googleapis.com --network={} --ranges=RANGE, with the {range} (gcloud compute \
                 addresses list --global --filter=purpose=VPC_PEERING)",
                if is_name(vpc) { vpc } else { "NETWORK" }
            )),
            (Some(was), _) => {
                let peer = super::Object::of(was);
                remedy.commands.push(
                    upon(loss, "compute networks peerings create", name)
                        .with("network", vpc)
                        .with("peer-network", peer.name)
                        .with_some("peer-project", Some(peer.project)),
                );
            }
        }
    }
    let mut command = upon(loss, "compute networks peerings update", name).with("network", vpc);
    let before = command.words().len();
    for (part, flag) in [("exportCustomRoutes", "export-custom-routes"), ("importCustomRoutes", "import-custom-routes")]
    {
        command = match drifted(part).and_then(|drift| drift.was.as_deref()) {
            Some("true") => command.flag(flag),
            Some(_) => command.flag(&format!("no-{flag}")),
            None => command,
        };
    }
    if command.words().len() > before {
        remedy.commands.push(command);
    }
    if let Some(ranges) = drifted("importedRanges") {
        let was = ranges.was.as_deref().unwrap_or("nothing");
        remedy.notes.push(match name {
            SERVICES => format!(
                "the peering announced {was}: gcloud services vpc-peerings update \
                 --service=servicenetworking.googleapis.com --network={} --ranges=RANGE,... sets the allocated ranges, by name \
                 (gcloud compute addresses list --global --filter=purpose=VPC_PEERING)",
                if is_name(vpc) { vpc } else { "NETWORK" }
            ),
            _ => format!("the peering {name} announced {was}: the other network decides on what it exports"),
        });
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn subnet(loss: &Loss<'_>, key: &str, part: &str, drift: &Drift, remedy: &mut Remedy) {
    let (region, name) = key.split_once('/').unwrap_or(("", key));
    let was = drift.was.as_deref();
    match (part, was) {
        ("privateIpGoogleAccess", Some(was)) => {
            let flag =
                if was == "true" { "enable-private-ip-google-access" } else { "no-enable-private-ip-google-access" };
            remedy
                .commands
                .push(upon(loss, "compute networks subnets update", name).with_some("region", Some(region)).flag(flag));
        }
        ("ipCidrRange", Some(range)) if drift.is.is_none() => remedy.commands.push(
            upon(loss, "compute networks subnets create", name)
                .with("network", loss.object.name)
                .with_some("region", Some(region))
                .with("range", range),
        ),
        (part, was) => remedy.notes.push(format!(
            "{part} of the subnet {key} was {}: a subnet's ranges can grow, and not go back",
            was.unwrap_or("not set")
        )),
    }
}
