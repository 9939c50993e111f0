//! A private zone of Cloud DNS (dns v1, `managedZones`). Data only.

use serde::{Deserialize, Serialize};

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
        self.networks.iter().any(|seen_by| seen_by == network)
    }
}
