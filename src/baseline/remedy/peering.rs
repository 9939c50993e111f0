//! What restores a peering of a network, that of private services access and the ranges allocated to it among them. Pure.

use serde_json::{Map, Value, json};

use super::declare::Said;
use super::network::upon;
use super::place::Kind;
use super::{Command, Loss, Object, Remedy, part};
use crate::cloud::Drift;
use crate::cloud::network::PRIVATE_SERVICES;

/// The service that it is made for.
const SERVICE: &str = "servicenetworking.googleapis.com";

const PEERING: Kind = Kind::part(part::COMPUTE, "ComputeNetworkPeering", "google_compute_network_peering");
const WAYS: Kind = Kind::part(part::COMPUTE, "ComputeNetworkPeering", "google_compute_network_peering_routes_config");
const CONNECTION: Kind = Kind::part(
    "servicenetworking.cnrm.cloud.google.com/v1beta1",
    "ServiceNetworkingConnection",
    "google_service_networking_connection",
);
const ADDRESS: Kind = Kind::part(part::COMPUTE, "ComputeAddress", "google_compute_global_address");

/// What a peering exchanges: the part's name, gcloud's flag and what Terraform calls it.
const EXCHANGES: [(&str, &str, &str); 2] = [
    ("exportCustomRoutes", "export-custom-routes", "export_custom_routes"),
    ("importCustomRoutes", "import-custom-routes", "import_custom_routes"),
];

/// One peering, as far as it differs.
pub struct Peering<'a> {
    /// What differs of its network.
    pub loss: &'a Loss<'a>,
    /// Its name.
    pub name: &'a str,
}

impl<'a> Peering<'a> {
    fn drifted(&self, part: &str) -> Option<&'a Drift> {
        self.loss.drifted(&format!("peerings[{}].{part}", self.name))
    }

    fn was(&self, part: &str) -> Option<bool> {
        self.loss.was(&format!("peerings[{}].{part}", self.name))?.parse().ok()
    }

    /// Restores it.
    pub fn restore(&self, remedy: &mut Remedy) {
        match self.drifted("network") {
            None => {
                self.exchange(remedy);
                self.announced(remedy);
            }
            Some(Drift { was: None, .. }) => remedy.notes.push(format!(
                "the peering {} is new: gcloud compute networks peerings delete takes it away, if it is not wanted",
                self.name
            )),
            Some(Drift { was: Some(was), is, .. }) => {
                let before = remedy.commands.len();
                if self.name == PRIVATE_SERVICES {
                    self.connect(remedy)
                } else {
                    self.create(was, is.is_some(), remedy)
                }
                // Nothing is set of a peering that is not made again.
                if remedy.commands.len() > before {
                    self.exchange(remedy);
                }
            }
        }
    }

    fn create(&self, peer: &str, replaced: bool, remedy: &mut Remedy) {
        let vpc = self.loss.object.name;
        let peer = Object::of(peer);
        let create = upon(self.loss, "compute networks peerings create", self.name)
            .with("network", vpc)
            .with("peer-network", peer.name)
            .with_some("peer-project", Some(peer.project));
        // Nothing is deleted that can't be made again.
        if replaced && create.is_safe() {
            remedy.commands.push(upon(self.loss, "compute networks peerings delete", self.name).with("network", vpc));
        }
        remedy.commands.push(create);
    }

    /// Makes the connection of private services access anew.
    fn connect(&self, remedy: &mut Remedy) {
        match self.of_services("connect") {
            Some(command) => remedy.commands.push(command),
            None => remedy.notes.push(format!(
                "the private services connection is gone, and the names of the ranges that it had are not known here: gcloud services \
                 vpc-peerings connect --service={SERVICE} --network={} --ranges=RANGE,... makes it anew (gcloud compute addresses \
                 list --global --filter=purpose=VPC_PEERING)",
                shown(self.loss.object.name)
            )),
        }
    }

    /// The command that gives the connection all ranges that it had, and those that were allocated since: it sets them all at once. None: those
    /// that it had are not known.
    fn of_services(&self, verb: &str) -> Option<Command> {
        let mut ranges = allocated(self.loss);
        if !ranges.is_empty() {
            let new = self.loss.fields.iter().filter(|drift| drift.was.is_none() && drift.is.is_some());
            let name = |drift: &&'a Drift| drift.field.strip_prefix("allocatedRanges[")?.strip_suffix(']');
            ranges.extend(new.filter_map(name));
        }
        let words = format!("services vpc-peerings {verb}");
        let command = Command::unnamed(&words).with("service", SERVICE).with("network", self.loss.object.name);
        let command = command.with_some("project", Some(self.loss.object.project));
        (!ranges.is_empty()).then(|| command.with_list("ranges", &ranges))
    }

    fn exchange(&self, remedy: &mut Remedy) {
        let start =
            upon(self.loss, "compute networks peerings update", self.name).with("network", self.loss.object.name);
        let before = start.words().len();
        let command = EXCHANGES.iter().fold(start, |command, (part, flag, _)| {
            match self.drifted(part).and_then(|drift| drift.was.as_deref()) {
                Some("true") => command.flag(flag),
                Some(_) => command.flag(&format!("no-{flag}")),
                None => command,
            }
        });
        if command.words().len() > before {
            remedy.commands.push(command);
        }
    }

    fn announced(&self, remedy: &mut Remedy) {
        let Some(Drift { was, is, .. }) = self.drifted("importedRanges") else { return };
        let (was, is) = (was.as_deref().unwrap_or_default(), is.as_deref().unwrap_or_default());
        // More of them is what a new instance or region brings by itself.
        if was.split(',').all(|range| is.split(',').any(|now| now == range)) {
            return remedy.notes.push(format!(
                "the peering {} announces more than it did ({was}): nothing need be restored",
                self.name
            ));
        }
        let name = self.name;
        match (name, self.of_services("update")) {
            (PRIVATE_SERVICES, Some(update)) => {
                remedy.commands.push(update);
                remedy.notes.push(format!(
                    "the peering announced {was}: it does so again with the ranges that were allocated to it, if what stands in them is \
                     still there"
                ));
            }
            (PRIVATE_SERVICES, None) => remedy.notes.push(format!(
                "the peering announced {was}: gcloud services vpc-peerings update --service={SERVICE} --network={} \
                 --ranges=RANGE,... sets the allocated ranges, by name (gcloud compute addresses list --global \
                 --filter=purpose=VPC_PEERING)",
                shown(self.loss.object.name)
            )),
            _ => remedy
                .notes
                .push(format!("the peering {name} announced {was}: the other network decides on what it exports")),
        }
    }

    /// The fragments of the peering.
    pub fn declare(&self, said: &mut Said<'a>) {
        let drifted = |part: &str| self.drifted(part).filter(|drift| drift.was.is_some());
        let name = self.name;
        let (mut spec, mut body) = (Map::new(), Map::new());
        let mut fields: Vec<&'a str> = Vec::new();
        for (part, _, terraform) in EXCHANGES {
            if let Some(on) = self.was(part) {
                spec.insert(part.to_owned(), json!(on));
                body.insert(terraform.to_owned(), json!(on));
                fields.extend(drifted(part).map(|drift| drift.field.as_str()));
            }
        }
        let network = self.loss.name();
        let peer = drifted("network");
        match peer.and_then(|drift| drift.was.as_deref()) {
            Some(was) if name != PRIVATE_SERVICES => {
                spec.insert("networkRef".to_owned(), json!({"external": network}));
                spec.insert("peerNetworkRef".to_owned(), json!({"external": was}));
                for (key, value) in [("name", name), ("network", network), ("peer_network", was)] {
                    body.insert(key.to_owned(), json!(value));
                }
                fields.extend(peer.map(|drift| drift.field.as_str()));
                return said.add(&fields, &PEERING, name, &Value::Object(spec), &Value::Object(body));
            }
            Some(_) => self.connection(peer, said),
            None => {}
        }
        if !fields.is_empty() {
            for (key, value) in
                [("peering", name), ("project", self.loss.object.project), ("network", self.loss.object.name)]
            {
                body.insert(key.to_owned(), json!(value));
            }
            said.add(&fields, &WAYS, name, &Value::Object(spec), &Value::Object(body));
        }
    }

    /// The connection of private services access with all its ranges.
    fn connection(&self, drift: Option<&'a Drift>, said: &mut Said<'a>) {
        let ranges = allocated(self.loss);
        let Some(drift) = drift.filter(|_| !ranges.is_empty()) else { return };
        let network = self.loss.name();
        let references: Vec<Value> = ranges.iter().map(|name| json!({"external": name})).collect();
        let spec = json!({
            "networkRef": {"external": network}, "service": SERVICE, "reservedPeeringRanges": references,
        });
        let body = json!({"network": network, "service": SERVICE, "reserved_peering_ranges": ranges});
        said.add(&[&drift.field], &CONNECTION, self.loss.object.name, &spec, &body);
    }
}

/// Restores a range that was allocated to private services access.
pub fn allocate(loss: &Loss<'_>, name: &str, drift: &Drift, remedy: &mut Remedy) {
    let command = |(address, length): (&str, &str)| {
        Command::gcloud("compute addresses create", name)
            .flag("global")
            .with("purpose", "VPC_PEERING")
            .with("addresses", address)
            .with("prefix-length", length)
            .with("network", loss.object.name)
            .with_some("project", Some(loss.object.project))
    };
    match (drift.was.as_deref().and_then(|was| was.split_once('/')), drift.is.as_deref()) {
        (Some(range), None) => remedy.commands.push(command(range)),
        (Some(_), Some(is)) => remedy.notes.push(format!(
            "the allocated range {name} was {} and is {is}: a range can't be changed, and not be released while something stands in it",
            drift.was.as_deref().unwrap_or_default()
        )),
        (None, _) => remedy.notes.push(format!("the range {name} was allocated since: nothing need be restored")),
    }
}

/// The fragment of a range that was allocated to private services access.
pub fn declare_range<'a>(loss: &Loss<'_>, name: &str, drift: &'a Drift, said: &mut Said<'a>) {
    let range = drift.was.as_deref().filter(|_| drift.is.is_none()).and_then(|was| was.split_once('/'));
    let Some((address, length)) = range else { return };
    let Ok(length) = length.parse::<u8>() else { return };
    let network = loss.name();
    let spec = json!({
        "addressType": "INTERNAL", "purpose": "VPC_PEERING", "location": "global", "address": address,
        "prefixLength": length, "networkRef": {"external": network},
    });
    let body = json!({
        "name": name, "project": loss.object.project, "address_type": "INTERNAL", "purpose": "VPC_PEERING",
        "address": address, "prefix_length": length, "network": network,
    });
    said.add(&[&drift.field], &ADDRESS, name, &spec, &body);
}

/// Names of the ranges that were allocated to private services access. Empty: none is known, or not all are.
fn allocated<'l>(loss: &'l Loss<'_>) -> Vec<&'l str> {
    loss.list("allocatedRanges").into_iter().flatten().map(|(name, _)| name).collect()
}

/// A network's name where it is one, to stand in a note.
fn shown(name: &str) -> &str {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !name.is_empty() && name.bytes().all(plain) { name } else { "NETWORK" }
}
