//! What runready answers: the status of a `ConnectivityCheck`. Types and schema only.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::fmt;

use super::baseline::{Baseline, DriftStatus};
use super::cause::Cause;
use super::condition::Condition;
use super::layer::{Confidence, Layer};
use super::stage::Stage;
use crate::cloud::Inspection;

/// A point in time (RFC 3339).
pub fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}

/// The state of a check, as last observed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectivityCheckStatus {
    /// The generation that this status speaks of. -1 until runready has seen the check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Reconciling and Stalled, then one condition per concern that the check has probes for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Which layer broke, on what evidence, and what to do. Absent while all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The slowest probe's latency at the last status write, such as 3.21ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<String>,
    /// Every probe's own state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name", "vantage"]))]
    pub probes: Vec<ProbeStatus>,
    /// What of Google Cloud's own view of the path was read, and what could not be. Absent without `service`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inspections: Vec<InspectionStatus>,
    /// The configuration of the path when the check was last steadily Ready. Absent until it is learned, and while one is pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// What differs from the baseline, in the order of the path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<DriftStatus>,
    /// When the path was last observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    pub last_probe_time: Option<Time>,
    /// When it is due again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    pub next_probe_time: Option<Time>,
}

/// Which layer broke, on what evidence, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The layer to blame.
    pub layer: Layer,
    /// The cause, such as ConnectTimeout.
    #[schemars(with = "String")]
    pub cause: Cause,
    /// Id of the rule that found it; see docs/diagnosis.md.
    #[schemars(with = "String")]
    pub rule: String,
    /// What was found, in a sentence.
    pub summary: String,
    /// What to do next.
    pub remedy: String,
    /// How sure this is.
    pub confidence: Confidence,
    /// When this verdict was first reached.
    #[schemars(schema_with = "time")]
    pub since: Time,
    /// The observations that it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// The layers that are not to blame, and what shows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ruled_out: Vec<RuledOut>,
    /// What could not be told, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
    /// Further findings, less likely to be the root.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherFinding>,
}

/// A layer that is not to blame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuledOut {
    /// The layer.
    pub layer: Layer,
    /// The observation that shows it.
    pub evidence: String,
}

/// A finding beside the primary one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OtherFinding {
    /// The layer that it points to.
    pub layer: Layer,
    /// The cause.
    #[schemars(with = "String")]
    pub cause: Cause,
    /// What was found, in a sentence.
    pub summary: String,
}

/// The state of a probe, from best to worst as far as Ready is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ProbeState {
    /// As it should be.
    Healthy,
    /// It works, with a flaw: too slow, a certificate that expires soon, a dead address among several.
    Degraded,
    /// It does not work.
    Failing,
    /// Not carried out, because what it depends on fails.
    Skipped,
    /// It can't be told.
    Unknown,
}

impl ProbeState {
    /// Every state.
    pub const ALL: [ProbeState; 5] =
        [ProbeState::Healthy, ProbeState::Degraded, ProbeState::Failing, ProbeState::Skipped, ProbeState::Unknown];

    /// The name used in status and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            ProbeState::Healthy => "Healthy",
            ProbeState::Degraded => "Degraded",
            ProbeState::Failing => "Failing",
            ProbeState::Skipped => "Skipped",
            ProbeState::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for ProbeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The state of one probe, and its last observation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProbeStatus {
    /// Name, as in spec.
    pub name: String,
    /// Where it was observed from, such as pod/runready/runready-0.
    pub vantage: String,
    /// What was observed, such as postgres://app@10.20.0.3:5432/app.
    pub target: String,
    /// State, after thresholds.
    pub state: ProbeState,
    /// State of the last observation, before thresholds.
    pub observed: ProbeState,
    /// How many observations in a row differ from `state` for the worse (negative) or the better (positive).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub streak: i32,
    /// When it was last observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    pub last_probe_time: Option<Time>,
    /// When `state` last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    pub last_transition_time: Option<Time>,
    /// Duration of the last observation, such as 3.21ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<String>,
    /// The step that failed, of a journey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_step: Option<String>,
    /// The stage that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_stage: Option<Stage>,
    /// Why it is not healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub cause: Option<Cause>,
    /// What was tried, and what came back.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// How often it worked, of the last observations. Of a journey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<Availability>,
    /// The steps of the last observation, of a journey.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepStatus>,
    /// The stages of the last observation, with their own clocks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageStatus>,
    /// Every address that was tried, and what came of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<AddressStatus>,
    /// What the peer told about itself: server version, certificate, recovery.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
}

fn is_zero(value: &i32) -> bool {
    *value == 0
}

/// How an inspection went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum InspectionState {
    /// It was read.
    Read,
    /// It could not be read: nothing is known about it.
    Unread,
    /// There is nothing to read, or nobody wants it read.
    Absent,
}

impl InspectionState {
    /// The name used in status.
    pub const fn as_str(self) -> &'static str {
        match self {
            InspectionState::Read => "Read",
            InspectionState::Unread => "Unread",
            InspectionState::Absent => "Absent",
        }
    }
}

/// What came of one inspection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InspectionStatus {
    /// What was inspected.
    pub inspection: Inspection,
    /// The object's name in full, such as projects/netra-staging/locations/us-central1/connectors/staging-connector.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub object: String,
    /// How it went.
    pub state: InspectionState,
    /// Why it is not Read, such as PermissionDenied, NotUsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was asked, and what came back.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The role or command that mends it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
    /// When it was read, or when that was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    pub last_read_time: Option<Time>,
}

/// How often a probe worked, of the last observations that could tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Availability {
    /// The share that worked, such as 98.4%.
    pub ratio: String,
    /// Those observations, the oldest first: `+` for one that worked, `-` for one that did not. At most 128.
    pub observations: String,
}

/// What came of a step of a journey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StepState {
    /// As it should be.
    Passed,
    /// It works, with a flaw.
    Degraded,
    /// It does not work, or it could not be told.
    Failed,
    /// Not carried out, because an earlier step failed.
    Skipped,
}

impl StepState {
    /// The name used in status and traces.
    pub const fn as_str(self) -> &'static str {
        match self {
            StepState::Passed => "Passed",
            StepState::Degraded => "Degraded",
            StepState::Failed => "Failed",
            StepState::Skipped => "Skipped",
        }
    }
}

/// One step of a journey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepStatus {
    /// Name, as in spec.
    pub name: String,
    /// What came of it.
    pub state: StepState,
    /// How long it took, such as 1.2ms. Absent when it was not carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// Why it is not as it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub cause: Option<Cause>,
    /// What was tried, and what came back.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// One stage of an observation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StageStatus {
    /// The stage.
    pub name: Stage,
    /// The step that it belongs to, of a journey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// How long it took, such as 1.2ms.
    pub duration: String,
    /// Whether it passed.
    pub passed: bool,
}

/// One address that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddressStatus {
    /// Address and port, such as 10.20.0.3:5432.
    pub address: String,
    /// How long it took, such as 1.2ms.
    pub duration: String,
    /// Why it does not answer. Absent when it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub cause: Option<Cause>,
}
