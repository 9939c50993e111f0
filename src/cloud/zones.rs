//! The private zones of Cloud DNS (dns v1, `managedZones`). Data only.

use serde::{Deserialize, Serialize};

use super::name;

/// The private zones of a network's project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Zones {
    /// The zones, those that the network sees first.
    pub zones: Vec<Zone>,
    /// Whether only a part of them was kept: what is missing may be there all the same.
    pub cut: bool,
}

/// A private zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Zone {
    /// Name of the zone.
    pub name: String,
    /// Suffix that it answers for, with the dot at the end.
    pub dns_name: String,
    /// The networks that see it, in full.
    #[serde(default)]
    pub networks: Vec<String>,
    /// Servers that questions are forwarded to.
    #[serde(default)]
    pub forwarding_targets: Vec<String>,
    /// The network that is asked instead, if any.
    #[serde(default)]
    pub peering_network: Option<String>,
}

impl Zone {
    /// Whether a network, named in full, sees it.
    pub fn is_seen_by(&self, network: &str) -> bool {
        self.networks.iter().any(|seen_by| name::same(seen_by, network))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_sees_a_zone_that_names_its_project_by_id_or_by_number() {
        let zone = Zone {
            name: "internal".to_owned(),
            dns_name: "internal.".to_owned(),
            networks: vec!["projects/p/global/networks/vpc".to_owned()],
            forwarding_targets: Vec::new(),
            peering_network: None,
        };
        assert!(zone.is_seen_by("projects/p/global/networks/vpc"));
        assert!(zone.is_seen_by("projects/123456/global/networks/vpc"));
        assert!(!zone.is_seen_by("projects/q/global/networks/vpc"));
    }
}
