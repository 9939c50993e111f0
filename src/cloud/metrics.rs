//! Figures of the connector and the instance (monitoring v3, `projects.timeSeries`). Data only.

use serde::{Deserialize, Serialize};

/// The latest figures. None: there is no point in the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Metrics {
    /// CPU of the connector's instances, 0 to 1, the highest in the window (vpcaccess.googleapis.com/connector/cpu/utilizations).
    pub connector_cpu: Option<f64>,
    /// Instances of the connector (vpcaccess.googleapis.com/connector/instances).
    pub connector_instances: Option<f64>,
    /// Bytes that it sent, per second (vpcaccess.googleapis.com/connector/sent_bytes_count).
    pub connector_sent_bytes_per_second: Option<f64>,
    /// Bytes that it received, per second (vpcaccess.googleapis.com/connector/received_bytes_count).
    pub connector_received_bytes_per_second: Option<f64>,
    /// CPU of the instance, 0 to 1 (cloudsql.googleapis.com/database/cpu/utilization).
    pub instance_cpu: Option<f64>,
    /// How long the instance's CPU has been at 98 % or more, in seconds.
    pub instance_cpu_saturated_seconds: Option<u64>,
    /// Memory of the instance, 0 to 1 (cloudsql.googleapis.com/database/memory/utilization).
    pub instance_memory: Option<f64>,
    /// Disk of the instance, 0 to 1 (cloudsql.googleapis.com/database/disk/utilization).
    pub instance_disk: Option<f64>,
    /// Open connections (cloudsql.googleapis.com/database/postgresql/num_backends, .../network/connections).
    pub instance_connections: Option<f64>,
    /// How far a replica lags behind, in seconds (cloudsql.googleapis.com/database/replication/replica_lag).
    pub replica_lag_seconds: Option<f64>,
}
