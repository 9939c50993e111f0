//! What restores a subnet of a network. Pure.

use serde_json::{Map, Value, json};

use super::declare::Said;
use super::network::upon;
use super::place::Kind;
use super::{Loss, Remedy, part};
use crate::cloud::Drift;

const SUBNET: Kind = Kind::part(part::COMPUTE, "ComputeSubnetwork", "google_compute_subnetwork");
/// What a subnet is for where nothing is said.
const PRIVATE: &str = "PRIVATE";

/// One subnet, as far as it differs.
pub struct Subnet<'a> {
    loss: &'a Loss<'a>,
    key: &'a str,
    region: &'a str,
    name: &'a str,
}

impl<'a> Subnet<'a> {
    /// The subnet that the configuration keeps as REGION/NAME.
    pub fn of(loss: &'a Loss<'a>, key: &'a str) -> Self {
        let (region, name) = key.split_once('/').unwrap_or(("", key));
        Subnet { loss, key, region, name }
    }

    fn field(&self, part: &str) -> String {
        format!("subnets[{}].{part}", self.key)
    }

    fn was(&self, part: &str) -> Option<&'a str> {
        self.loss.was(&self.field(part))
    }

    /// Its range, if the subnet is gone.
    fn gone(&self) -> Option<&'a str> {
        let drift = self.loss.drifted(&self.field("ipCidrRange")).filter(|drift| drift.is.is_none())?;
        drift.was.as_deref()
    }

    /// What it was for, if it is said.
    fn purpose(&self) -> Option<&'a str> {
        self.was("purpose").filter(|purpose| *purpose != PRIVATE)
    }

    /// The role that a subnet for proxies must have (compute v1, Subnetwork). Its addresses are the proxies', which ask no API of Google's.
    fn role(&self) -> Option<&'static str> {
        self.purpose().is_some_and(|purpose| purpose.ends_with("_MANAGED_PROXY")).then_some("ACTIVE")
    }

    /// Restores it.
    pub fn restore(&self, remedy: &mut Remedy) {
        match self.gone() {
            Some(range) => self.create(range, remedy),
            None => self.update(remedy),
        }
    }

    fn create(&self, range: &str, remedy: &mut Remedy) {
        let command = upon(self.loss, "compute networks subnets create", self.name)
            .with("network", self.loss.object.name)
            .with_some("region", Some(self.region))
            .with("range", range)
            .with_some("purpose", self.purpose())
            .with_some("role", self.role());
        let reaches = self.was("privateIpGoogleAccess") == Some("true") && self.role().is_none();
        remedy.commands.push(if reaches { command.flag("enable-private-ip-google-access") } else { command });
        if let Some(ranges) = self.was("secondaryIpRanges") {
            remedy.notes.push(format!(
                "the subnet {} had the secondary ranges {ranges}, whose names are not in the baseline: gcloud compute networks subnets \
                 update --add-secondary-ranges=NAME=RANGE adds them",
                self.key
            ));
        }
    }

    fn update(&self, remedy: &mut Remedy) {
        let is_new = |drift: &Drift| drift.was.is_none() && drift.is.is_some();
        if self.loss.drifted(&self.field("ipCidrRange")).is_some_and(is_new) {
            return remedy.notes.push(format!(
                "the subnet {} is new: gcloud compute networks subnets delete takes it away, if it is not wanted",
                self.key
            ));
        }
        for part in ["ipCidrRange", "secondaryIpRanges", "privateIpGoogleAccess", "purpose"] {
            let Some(drift) = self.loss.drifted(&self.field(part)) else { continue };
            match (part, drift.was.as_deref()) {
                ("privateIpGoogleAccess", Some(was)) => {
                    let no = if was == "true" { "" } else { "no-" };
                    let update = upon(self.loss, "compute networks subnets update", self.name);
                    let update = update.with_some("region", Some(self.region));
                    remedy.commands.push(update.flag(&format!("{no}enable-private-ip-google-access")));
                }
                (part, was) => remedy.notes.push(format!(
                    "{part} of the subnet {} was {}: a subnet's ranges can grow, and not go back",
                    self.key,
                    was.unwrap_or("not set")
                )),
            }
        }
    }

    /// Its fragment.
    pub fn declare(&self, said: &mut Said<'a>) {
        let (mut spec, mut body) = (Map::new(), Map::new());
        let mut set = |connector: &str, terraform: &str, value: Value| {
            spec.insert(connector.to_owned(), value.clone());
            body.insert(terraform.to_owned(), value);
        };
        let mut parts = vec!["privateIpGoogleAccess"];
        if let Some(range) = self.gone() {
            parts.extend(["ipCidrRange", "purpose"]);
            set("ipCidrRange", "ip_cidr_range", json!(range));
            for (key, value) in [("purpose", self.purpose()), ("role", self.role())] {
                value.into_iter().for_each(|value| set(key, key, json!(value)));
            }
        }
        let reaches = self.was("privateIpGoogleAccess").filter(|_| self.role().is_none());
        if let Some(on) = reaches.and_then(|was| was.parse::<bool>().ok()) {
            set("privateIpGoogleAccess", "private_ip_google_access", json!(on));
        }
        set("region", "region", json!(self.region));
        let drifted = parts.into_iter().filter_map(|part| self.loss.drifted(&self.field(part)));
        let fields: Vec<&'a str> =
            drifted.filter(|drift| drift.was.is_some()).map(|drift| drift.field.as_str()).collect();
        if fields.is_empty() || self.region.is_empty() {
            return;
        }
        spec.insert("networkRef".to_owned(), json!({"external": self.loss.name()}));
        for (key, value) in [("name", self.name), ("project", self.loss.object.project), ("network", self.loss.name())]
        {
            body.insert(key.to_owned(), json!(value));
        }
        said.add(&fields, &SUBNET, self.name, &Value::Object(spec), &Value::Object(body));
    }
}
