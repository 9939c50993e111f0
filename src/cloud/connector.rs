//! A Serverless VPC Access connector (vpcaccess v1, `projects.locations.connectors`). Data only.

use serde::{Deserialize, Serialize};

use super::values::values;

values! {
    /// State of a connector (vpcaccess v1, Connector.state).
    ConnectorState {
        /// Invalid: the API does not say.
        Unspecified = "STATE_UNSPECIFIED",
        /// Takes traffic.
        Ready = "READY",
        /// Is being created.
        Creating = "CREATING",
        /// Is being deleted.
        Deleting = "DELETING",
        /// In a bad state: Google recommends to delete and recreate it.
        Error = "ERROR",
        /// Is being changed.
        Updating = "UPDATING",
    }
}

/// A connector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Connector {
    /// State.
    pub state: ConnectorState,
    /// Name of the VPC network, without path. Empty when a subnet is given.
    #[serde(default)]
    pub network: String,
    /// Its own range, such as 10.8.0.0/28. Empty when a subnet is given.
    #[serde(default)]
    pub ip_cidr_range: String,
    /// The subnet that it stands in.
    #[serde(default)]
    pub subnet: Option<ConnectorSubnet>,
    /// Machine type of its instances, such as e2-micro.
    #[serde(default)]
    pub machine_type: String,
    /// Least number of instances.
    #[serde(default)]
    pub min_instances: i32,
    /// Most instances.
    #[serde(default)]
    pub max_instances: i32,
    /// Least throughput in Mbit/s.
    #[serde(default)]
    pub min_throughput: i32,
    /// Most throughput in Mbit/s.
    #[serde(default)]
    pub max_throughput: i32,
    /// Projects that use it.
    #[serde(default)]
    pub connected_projects: Vec<String>,
}

/// The subnet of a connector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectorSubnet {
    /// Name.
    pub name: String,
    /// Project it is in; empty: the connector's own.
    #[serde(default)]
    pub project_id: String,
}
