//! What restores the private DNS zones of a network. Pure.

use std::net::Ipv4Addr;

use heck::ToSnakeCase;
use serde_json::{Map, Value, json};

use super::declare::Said;
use super::network::{each, upon};
use super::place::Kind;
use super::{Command, Loss, Object, Remedy};

const ZONE: Kind = Kind::part("dns.cnrm.cloud.google.com/v1beta1", "DNSManagedZone", "google_dns_managed_zone");
/// What stands before a network's path where gcloud wants to know its project.
const COMPUTE: &str = "https://www.googleapis.com/compute/v1";

/// One zone, as far as it differs.
struct Zone<'a> {
    loss: &'a Loss<'a>,
    name: &'a str,
}

/// Restores the private zones of a network.
pub fn zones(loss: &Loss<'_>, remedy: &mut Remedy) {
    for (list, name, _) in each(loss) {
        match list {
            "zones" => Zone { loss, name }.restore(remedy),
            _ => remedy.notes.push("the private zones are others than they were".to_owned()),
        }
    }
}

/// The fragments of the private zones of a network.
pub fn declared<'a>(loss: &'a Loss<'_>) -> Said<'a> {
    let mut said = Said::default();
    for (_, name, _) in each(loss).into_iter().filter(|(list, _, _)| *list == "zones") {
        Zone { loss, name }.declare(&mut said);
    }
    said
}

impl<'a> Zone<'a> {
    fn restore(&self, remedy: &mut Remedy) {
        let (was, is) = self.drifted("dnsName");
        match (was, is) {
            // Its name has not changed, so that it is there.
            (None, None) => self.update(remedy),
            (Some(_), None) => self.gone(remedy),
            (None, Some(_)) => remedy.notes.push(format!(
                "the network sees the zone {}, and did not: gcloud dns managed-zones update --networks takes the network out of \
                 it, if it is not wanted",
                self.name
            )),
            (Some(was), Some(is)) => remedy.notes.push(format!(
                "the zone {} was for {was}, and is another one for {is}: a zone's DNS name can't be changed. Delete it and create \
                 it anew from where it is declared, with its records",
                self.name
            )),
        }
    }

    /// A part as it was and is, if it differs.
    fn drifted(&self, part: &str) -> (Option<&'a str>, Option<&'a str>) {
        let drift = self.loss.drifted(&format!("zones[{}].{part}", self.name));
        let set = |value: &&str| !value.is_empty();
        drift.map_or((None, None), |drift| (drift.was.as_deref().filter(set), drift.is.as_deref().filter(set)))
    }

    /// A part as it was, whether it differs or not.
    fn was(&self, part: &str) -> Option<&'a str> {
        self.loss.was(&format!("zones[{}].{part}", self.name))
    }

    /// Sets back what differs of a zone that is there.
    fn update(&self, remedy: &mut Remedy) {
        let start = || upon(self.loss, "dns managed-zones update", self.name);
        for (part, flag) in [("networks", "networks"), ("forwardingTargets", "forwarding-targets")] {
            match self.drifted(part) {
                (Some(was), _) => remedy.commands.push(start().with(flag, &listed(was))),
                (None, Some(is)) => remedy.notes.push(format!(
                    "{part} of the zone {} was not set and is {is}: no command takes it away",
                    self.name
                )),
                (None, None) => {}
            }
        }
        match self.drifted("peeringNetwork") {
            (Some(was), _) => remedy.commands.push(peered(start(), was, self.loss)),
            (None, Some(is)) => remedy
                .notes
                .push(format!("the zone {} asks the network {is} and did not: no command takes that away", self.name)),
            (None, None) => {}
        }
    }

    /// A zone that is gone: one that was only detached still has its name.
    fn gone(&self, remedy: &mut Remedy) {
        let Some(create) = self.create() else {
            return remedy.notes.push(format!(
                "the zone {} is gone, and not all that it takes to create it is known here: create it anew from where it is \
                 declared, with its records",
                self.name
            ));
        };
        remedy.commands.push(create);
        remedy.notes.push(format!(
            "the records of the zone {} are not in the baseline: restore them from where they are declared",
            self.name
        ));
    }

    /// The command that creates the zone as it was. None: not all of it is known.
    fn create(&self) -> Option<Command> {
        let command = upon(self.loss, "dns managed-zones create", self.name)
            .with("dns-name", self.was("dnsName")?)
            .with("visibility", "private")
            .with("networks", &listed(self.was("networks")?))
            .with("description", "Restored from the baseline of runready")
            .with_some("forwarding-targets", self.was("forwardingTargets"));
        Some(match self.was("peeringNetwork") {
            Some(network) => peered(command, network, self.loss),
            None => command,
        })
    }

    /// Its fragment.
    fn declare(&self, said: &mut Said<'a>) {
        let (mut spec, mut body) = (Map::new(), Map::new());
        let mut fields: Vec<&'a str> = Vec::new();
        let network = |name: &str| self.loss.object.network(name);
        let parts = ["dnsName", "networks", "forwardingTargets", "peeringNetwork"];
        // Half a zone would answer for names that it is only asked to hand on.
        let servers = self.was("forwardingTargets").unwrap_or_default().split(',').filter(|server| !server.is_empty());
        if parts.iter().any(|part| self.loss.is_cut(&format!("zones[{}].{part}", self.name)))
            // Of a server that is no IPv4 address Config Connector has no field.
            || servers.into_iter().any(|server| server.parse::<Ipv4Addr>().is_err())
        {
            return;
        }
        for part in parts {
            let drift = self.loss.drifted(&format!("zones[{}].{part}", self.name)).filter(|drift| drift.was.is_some());
            let Some(was) = self.was(part) else { continue };
            let entries = || was.split(',').filter(|entry| !entry.is_empty());
            let (key, there, here) = match part {
                "dnsName" => ("dnsName", json!(was), json!(was)),
                "networks" => {
                    let there: Vec<Value> =
                        entries().map(|name| json!({"networkRef": {"external": network(name)}})).collect();
                    let here: Vec<Value> = entries().map(|name| json!({"network_url": network(name)})).collect();
                    ("privateVisibilityConfig", json!({"networks": there}), json!({"networks": here}))
                }
                "forwardingTargets" => {
                    let there: Vec<Value> = entries().map(|server| json!({"ipv4Address": server})).collect();
                    let here: Vec<Value> = entries().map(|server| json!({"ipv4_address": server})).collect();
                    ("forwardingConfig", json!({"targetNameServers": there}), json!({"target_name_servers": here}))
                }
                _ => {
                    let (there, here) =
                        (json!({"networkRef": {"external": network(was)}}), json!({"network_url": network(was)}));
                    ("peeringConfig", json!({"targetNetwork": there}), json!({"target_network": here}))
                }
            };
            fields.extend(drift.map(|drift| drift.field.as_str()));
            spec.insert(key.to_owned(), there);
            body.insert(key.to_snake_case(), here);
        }
        if fields.is_empty() {
            return;
        }
        spec.insert("visibility".to_owned(), json!("private"));
        for (key, value) in [("name", self.name), ("project", self.loss.object.project), ("visibility", "private")] {
            body.insert(key.to_owned(), json!(value));
        }
        said.add(&fields, &ZONE, self.name, &Value::Object(spec), &Value::Object(body));
    }
}

/// Networks as gcloud takes them: those of another project as URLs.
fn listed(networks: &str) -> String {
    let url = |name: &str| if name.starts_with("projects/") { format!("{COMPUTE}/{name}") } else { name.to_owned() };
    networks.split(',').map(url).collect::<Vec<_>>().join(",")
}

/// With the network that is asked in the zone's place.
fn peered(command: Command, network: &str, loss: &Loss<'_>) -> Command {
    let other = Object::of(network);
    let project = if other.project.is_empty() { loss.object.project } else { other.project };
    command.with("target-network", other.name).with_some("target-project", Some(project))
}
