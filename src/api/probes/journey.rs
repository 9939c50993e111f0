//! The spec of a `journey` probe. Types and schema only.

use kube::KubeSchema;
use kube::core::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HttpProbe, PostgresProbe, SecretKeyRef};
use crate::api::schema;

/// A user's way through a service, step by step: what one step captures, later ones use as `${name}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JourneyProbe {
    /// Limit for all steps together. Default: the probe's timeout, which bounds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub budget: Option<Duration>,
    /// Values of Secrets that steps use as `${name}`. They are never shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub secrets: Vec<JourneySecret>,
    /// The steps, in their order. After one that fails, only those with `always` are carried out.
    #[schemars(length(min = 1, max = 16))]
    pub steps: Vec<JourneyStep>,
}

/// A value of a Secret, and the name by which steps use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JourneySecret {
    /// Name, as in `${name}`: letters, digits and `_`.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Where the value is.
    pub secret_ref: SecretKeyRef,
}

/// One step of a journey: a name, exactly one kind, and what to take from its answer.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("has(self.http) != has(self.postgres)").message("exactly one kind per step: set one of http or postgres"))]
#[serde(rename_all = "camelCase")]
pub struct JourneyStep {
    /// Name, unique within the journey.
    #[schemars(schema_with = "schema::probe_name")]
    pub name: String,
    /// Sends an HTTP request. `${name}` is replaced in `url` (after the host), in `headers` and in `body`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpProbe>,
    /// Logs in to a PostgreSQL server and runs a query. Nothing is replaced in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<PostgresProbe>,
    /// What to take from the answer, for later steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub capture: Vec<Capture>,
    /// Rules in CEL that must hold of the step's answer; otherwise AssertionFailed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 512)))]
    pub assert: Vec<String>,
    /// Limit for the step. A step never gets more than what is left of the budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub timeout: Option<Duration>,
    /// Carry it out even after another step has failed, to clean up: within a quarter of the budget (at most 5s) that is kept for it. Its own failure makes the probe Degraded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub always: bool,
}

/// A value to take from an answer.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("[has(self.jsonPath), has(self.header), has(self.regex)].filter(x, x).size() == 1").message("exactly one source per capture: set one of jsonPath, header or regex"))]
#[serde(rename_all = "camelCase")]
pub struct Capture {
    /// Name, as in `${name}`: letters, digits and `_`.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// JSONPath (RFC 9535) of one text, number or boolean in the answer: of http in its JSON, of postgres in the columns of the first row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub json_path: Option<String>,
    /// Name of a header of the response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub header: Option<String>,
    /// Regular expression (RE2 syntax) with one group, which is taken from the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub regex: Option<String>,
}
