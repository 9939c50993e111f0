//! A VPC network (compute v1): subnets, routes, effective firewall rules, peerings. Data only.

use serde::{Deserialize, Serialize};

/// The peering of private services access, by which Cloud SQL's private addresses are reached: the only one of which it is read what the
/// other side announces.
pub const PRIVATE_SERVICES: &str = "servicenetworking-googleapis-com";

/// A network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Network {
    /// Maximum transmission unit in bytes.
    pub mtu: Option<i32>,
    /// Peerings, private services access (servicenetworking-googleapis-com) among them.
    pub peerings: Vec<Peering>,
    /// Subnets of the service's region.
    pub subnets: Vec<Subnet>,
    /// Ranges that are reserved in the network for private services access. None when they were not read.
    pub allocated_ranges: Option<Vec<AllocatedRange>>,
    /// Routes, those that peerings import included.
    pub routes: Vec<Route>,
    /// Firewall rules and rules of policies in force for the network, as they are evaluated.
    pub firewall: Vec<FirewallRule>,
    /// Lists of which only a part was kept: what is missing there may be there all the same.
    pub cut: Vec<List>,
}

impl Network {
    /// Whether only a part of a list was kept.
    pub fn is_cut(&self, list: List) -> bool {
        self.cut.contains(&list)
    }
}

/// A list of a network that may be longer than what is kept of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum List {
    /// Peerings.
    Peerings,
    /// Ranges that private services access brings.
    ImportedRanges,
    /// Subnets of the service's region.
    Subnets,
    /// Ranges that are reserved for private services access.
    AllocatedRanges,
    /// Routes.
    Routes,
    /// Firewall rules in force.
    Firewall,
}

impl List {
    /// The same in a sentence.
    pub const fn as_str(self) -> &'static str {
        match self {
            List::Peerings => "peerings",
            List::ImportedRanges => "imported ranges",
            List::Subnets => "subnets",
            List::AllocatedRanges => "allocated ranges",
            List::Routes => "routes",
            List::Firewall => "firewall rules",
        }
    }
}

/// A peering with another network (compute v1, NetworkPeering).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Peering {
    /// Name.
    pub name: String,
    /// The other network, in full.
    pub network: String,
    /// ACTIVE or INACTIVE.
    pub state: String,
    /// What the API says of its state.
    #[serde(default)]
    pub state_details: String,
    /// Whether routes of one's own are sent to the other.
    #[serde(default)]
    pub export_custom_routes: bool,
    /// Whether the other's are taken.
    #[serde(default)]
    pub import_custom_routes: bool,
    /// Ranges that the other network announces. None when they were not read.
    #[serde(default)]
    pub imported_ranges: Option<Vec<String>>,
}

/// A subnet (compute v1, Subnetwork).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subnet {
    /// Name.
    pub name: String,
    /// Region.
    pub region: String,
    /// Range, such as 10.10.0.0/24.
    pub ip_cidr_range: String,
    /// Secondary ranges.
    #[serde(default)]
    pub secondary_ranges: Vec<String>,
    /// PRIVATE, PRIVATE_NAT, REGIONAL_MANAGED_PROXY ...
    #[serde(default)]
    pub purpose: String,
    /// Whether hosts without public address reach Google's APIs.
    #[serde(default)]
    pub private_ip_google_access: bool,
    /// Addresses in use, if that could be counted.
    #[serde(default)]
    pub used_addresses: Option<u32>,
}

/// A range that is reserved for private services access (compute v1, Address with the purpose VPC_PEERING).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AllocatedRange {
    /// Name.
    pub name: String,
    /// CIDR such as 10.20.0.0/16.
    pub range: String,
}

/// A route (compute v1, Route).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// Name.
    pub name: String,
    /// Range that it leads to.
    pub dest_range: String,
    /// Lower wins.
    #[serde(default)]
    pub priority: u32,
    /// Such as `gateway default-internet-gateway`, `peering servicenetworking-googleapis-com`, `ip 10.0.0.5`,
    /// `instance projects/p/zones/us-central1-a/instances/proxy`.
    pub next_hop: String,
    /// Tags of the hosts that it holds for; empty: all.
    #[serde(default)]
    pub tags: Vec<String>,
    /// ACTIVE, DROPPED, INACTIVE or PENDING; empty where the API does not say.
    #[serde(default)]
    pub route_status: String,
}

/// A firewall rule that is in force, of the network or of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FirewallRule {
    /// Name, with that of its policy before a slash.
    pub name: String,
    /// INGRESS or EGRESS.
    pub direction: String,
    /// Lower wins, within the same level.
    pub priority: i32,
    /// Whether it lets pass.
    pub allow: bool,
    /// Whether it hands on to the next level: what stands behind it in the same policy does not count then. Neither lets pass nor drops.
    #[serde(default)]
    pub goto_next: bool,
    /// Source ranges of INGRESS, destination ranges of EGRESS, and what else it holds for there, with a prefix: addressGroup:NAME,
    /// fqdn:NAME, region:CODE, threat:NAME. networkType:TYPE and the other end, source:RANGE or destination:RANGE, narrow that.
    /// more:NUMBER are those that were not kept, as in the lists below.
    #[serde(default)]
    pub ranges: Vec<String>,
    /// Such as tcp:5432, tcp:8000-9000, all.
    #[serde(default)]
    pub ports: Vec<String>,
    /// Tags of the hosts that it holds for, or with a prefix what else they are: secureTag:NAME, serviceAccount:NAME,
    /// targetType:TYPE; empty: all.
    #[serde(default)]
    pub target_tags: Vec<String>,
    /// Whether it is switched off.
    #[serde(default)]
    pub disabled: bool,
}
