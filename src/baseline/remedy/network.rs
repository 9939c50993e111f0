//! What restores a VPC network. Pure.

use std::collections::BTreeSet;

use super::firewall::rule;
use super::peering::{Peering, allocate};
use super::route::routes;
use super::subnet::Subnet;
use super::{Command, Loss, Remedy};
use crate::cloud::Drift;

/// Restores a network.
pub fn network(loss: &Loss<'_>, remedy: &mut Remedy) {
    for (list, key, drift) in each(loss) {
        match list {
            "peerings" => Peering { loss, name: key }.restore(remedy),
            "allocatedRanges" => allocate(loss, key, drift, remedy),
            "subnets" => Subnet::of(loss, key).restore(remedy),
            "routes" => routes(loss, key, drift, remedy),
            "firewall" => rule(loss, key, drift, remedy),
            _ => of_itself(loss, drift, remedy),
        }
    }
}

/// Restores what is no part of a list.
fn of_itself(loss: &Loss<'_>, drift: &Drift, remedy: &mut Remedy) {
    match (drift.field.as_str(), drift.was.as_deref()) {
        ("mtu", Some(mtu)) => {
            remedy.commands.push(upon(loss, "compute networks update", loss.object.name).with("mtu", mtu));
        }
        ("", was) => remedy.notes.push(format!(
            "the path went through the network {}: what the connector, the instance and the service name decides on that",
            was.unwrap_or("none")
        )),
        (field, was) => remedy
            .notes
            .push(format!("no command sets {field} back to {}", was.unwrap_or("what it is by default"))),
    }
}

/// The list and the entry of each field that differs, with the first of its differences: an entry of several fields comes once. What is in no
/// list has an empty one, and its own name.
pub fn each<'a>(loss: &'a Loss<'_>) -> Vec<(&'a str, &'a str, &'a Drift)> {
    let mut seen = BTreeSet::new();
    let named = |drift: &&'a Drift| {
        let (list, key, _) = entry(&drift.field).unwrap_or(("", &drift.field, ""));
        seen.insert((list, key)).then_some((list, key, *drift))
    };
    loss.fields.iter().filter_map(named).collect()
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
