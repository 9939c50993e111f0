//! Where in the path a fault lies, and how sure we are. Data only.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The part of the path that is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Layer {
    /// The team's own code or configuration: credentials, database name, TLS settings, an answer that is not the expected one.
    Application,
    /// The Cloud Run service or revision itself.
    CloudRun,
    /// The way out of Cloud Run: Serverless VPC Access connector, Direct VPC egress, Cloud NAT.
    Egress,
    /// Routes, firewall rules, peering, DNS: what lies between the egress and the target.
    Network,
    /// The database server.
    Database,
    /// A regional outage of the cloud.
    Region,
    /// runready itself: it could not carry out the observation.
    Prober,
}

impl Layer {
    /// Every layer, in the order of the path.
    pub const ALL: [Layer; 7] = [
        Layer::Application,
        Layer::CloudRun,
        Layer::Egress,
        Layer::Network,
        Layer::Database,
        Layer::Region,
        Layer::Prober,
    ];

    /// The name used in status, events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Layer::Application => "Application",
            Layer::CloudRun => "CloudRun",
            Layer::Egress => "Egress",
            Layer::Network => "Network",
            Layer::Database => "Database",
            Layer::Region => "Region",
            Layer::Prober => "Prober",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How much of the verdict rests on evidence, and how much on what is usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Confidence {
    /// One probe points there; other layers are not ruled out.
    Low,
    /// The evidence points there and contradicts the nearest alternative.
    Medium,
    /// The evidence names the layer itself: a server's own answer, or several independent observations that agree.
    High,
}

impl Confidence {
    /// The name used in status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Confidence::Low => "Low",
            Confidence::Medium => "Medium",
            Confidence::High => "High",
        }
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
