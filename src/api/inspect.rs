//! What of Google Cloud's own view is read for a check. Types and schema only.

use kube::core::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;
use crate::cloud::Inspection;

/// What is read of Google Cloud's own view of the path. Everything is discovered from `service`; each field pins or switches off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InspectSpec {
    /// How often to read, at least 10s; objects that several checks name are read once. Unless it is set, a check that runs every
    /// minute or more often is read once a minute, and one that runs more seldom (by `schedule`, too) beside each run. While the
    /// check fails it is read at least every minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::reading_age")]
    pub interval: Option<Duration>,
    /// Inspections that are switched off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub skip: Vec<Inspection>,
    /// The connector, where the service does not name it: projects/PROJECT/locations/REGION/connectors/NAME.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::connector_name")]
    pub connector: Option<String>,
    /// The Cloud SQL instance, where neither the service nor a probe names it: PROJECT:REGION:INSTANCE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instance_name")]
    pub instance: Option<String>,
    /// The VPC network, where neither the connector nor the service names it: projects/PROJECT/global/networks/NAME.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::network_name")]
    pub network: Option<String>,
    /// Has a connectivity test of Network Intelligence Center made, run, read and deleted when a probe fails. It needs a role that
    /// may create objects, and Google charges for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub connectivity_test: bool,
}
