//! Reads what Google Cloud itself says of the hops of a path. Does network I/O; knows nothing of Kubernetes.
//!
//! From the plan's service the connector, the instance and the network are found out; what does not depend on each other is read
//! side by side. Each object is read at most once per period however many checks name it, and each project is asked less than
//! once per second on average. What could not be read is told with the role or the command that mends it.

mod access;
mod audit;
mod connector;
mod convert;
mod discover;
mod entries;
mod env;
mod firewall;
mod google;
mod health;
mod instance;
mod logs;
mod metrics;
mod network;
mod pages;
mod question;
mod ration;
mod round;
mod secrets;
mod service;
mod shelf;
mod signature;
mod test;
mod zones;

use std::sync::Arc;

use self::google::Google;
use self::round::Round;
use self::shelf::Shelf;
use crate::cloud::{
    Change, ConnectivityTest, Connector, HealthEvent, Inspection, Instance, LogSignature, Metrics, Network, Picture,
    Revision, Service, Zones,
};
use crate::plan::{InspectionPlan, Occasion};
use crate::probe::cloudsql::Access;

/// Reads objects, each at most once in its period however many checks name it. Cheap to clone.
#[derive(Clone, Default)]
pub struct Inspector(Arc<Shared>);

/// The APIs and what was read of them, by kind of object.
#[derive(Default)]
struct Shared {
    google: Google,
    services: Shelf<Service>,
    revisions: Shelf<Revision>,
    connectors: Shelf<Connector>,
    instances: Shelf<Instance>,
    /// The instances of a project, with their addresses.
    listed: Shelf<Vec<(String, Vec<String>)>>,
    networks: Shelf<Network>,
    /// The networks that subnets are in.
    subnets: Shelf<String>,
    zones: Shelf<Zones>,
    tests: Shelf<ConnectivityTest>,
    health: Shelf<Vec<HealthEvent>>,
    logs: Shelf<Vec<LogSignature>>,
    connector_figures: Shelf<Metrics>,
    instance_figures: Shelf<Metrics>,
    policies: Shelf<access::Policy>,
    changes: Shelf<Vec<Change>>,
}

impl Inspector {
    /// Asks Google in that way. Nothing is asked before it is needed.
    pub fn new(access: Access) -> Self {
        Inspector(Arc::new(Shared { google: Google::new(access), ..Shared::default() }))
    }

    /// Reads everything that the plan names, and what the occasion asks for besides.
    pub async fn inspect(&self, plan: &InspectionPlan, occasion: &Occasion) -> Picture {
        Box::pin(Round::new(&self.0, plan, occasion).picture()).await
    }

    /// Calls of Google's APIs so far, by what they were for.
    pub fn calls(&self) -> [(Inspection, u64); Inspection::ALL.len()] {
        self.0.google.calls()
    }
}
