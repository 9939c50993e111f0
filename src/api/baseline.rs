//! The configuration of a path as it was when it worked, and what differs from it. Types and schema only.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::time;
use crate::cloud::{Drift, Inspection};

/// Most objects of a baseline.
pub const MAX_OBJECTS: usize = 8;
/// Most fields of one object.
pub const MAX_FIELDS: usize = 288;
/// Longest name of an object or field, in characters.
pub const MAX_NAME: usize = 256;
/// Longest value of a field, in characters.
pub const MAX_VALUE: usize = 512;

/// The configuration of a path: only what somebody sets, no states, no counters, no times, no secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Baseline {
    /// When it was taken over as the known-good one.
    #[schemars(schema_with = "time")]
    pub taken: Time,
    /// What the configuration is read as: raised where an upgrade reads more or other fields.
    #[serde(default)]
    pub format: u32,
    /// The objects of the path.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub objects: Vec<BaselineObject>,
}

/// The configuration of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaselineObject {
    /// The inspection that shows it.
    pub inspection: Inspection,
    /// Its name in full. Empty: the path has nothing of the sort.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub name: String,
    /// Its fields, as Google's API spells them (vpcAccess.connector), and their values. Empty: must not be set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 288), schema_with = "fields")]
    pub fields: BTreeMap<String, String>,
}

fn fields(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 288,
        "additionalProperties": {"type": "string", "maxLength": 512},
    })
}

/// Which configuration is known to be good, where a person says so.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("has(self.objects) != has(self.notBefore)").message("set either objects, to pin a configuration, or notBefore, to have it learned anew")
)]
#[serde(rename_all = "camelCase")]
pub struct BaselineSpec {
    /// A baseline that was taken before this time is forgotten, and learned anew once the check is steadily Ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    pub not_before: Option<Time>,
    /// When the pinned configuration was taken, as status.baseline says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    pub taken: Option<Time>,
    /// The pinned configuration. Only the fields that it names are compared; it is never replaced by what is learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    pub objects: Option<Vec<BaselineObject>>,
}

/// One field that differs from the baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DriftStatus {
    /// The inspection that shows it.
    pub inspection: Inspection,
    /// The object's name in full.
    pub object: String,
    /// The field, as its API spells it. Absent: the object itself is gone, new or another one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// What it was. Absent: it was not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// What it is. Absent: it is not set any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<String>,
    /// When it was first seen to differ.
    #[schemars(schema_with = "time")]
    pub since: Time,
    /// When it was changed, where Google Cloud tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    pub changed: Option<Time>,
    /// Who changed it, where the object or Cloud Audit Logs tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

impl From<&Drift> for DriftStatus {
    fn from(drift: &Drift) -> Self {
        let Drift { inspection, object, field, was, is, since, changed, by } = drift.clone();
        DriftStatus { inspection, object, field, was, is, since: Time(since), changed: changed.map(Time), by }
    }
}

impl From<&DriftStatus> for Drift {
    fn from(status: &DriftStatus) -> Self {
        let DriftStatus { inspection, object, field, was, is, since, changed, by } = status.clone();
        Drift { inspection, object, field, was, is, since: since.0, changed: changed.map(|time| time.0), by }
    }
}
