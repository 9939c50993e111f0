//! The spec of a `load` probe. Types and schema only.

use kube::KubeSchema;
use kube::core::Duration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::api::schema;

/// What to write where a load has no pace, or two.
pub const ONE_PACE_SAYS: &str = "set exactly one pace: ratePerSecond (so many requests each second, whatever the answers take) or concurrency (so many at once)";
/// What to write where a load never runs.
pub const WHEN_SAYS: &str =
    "say when the load runs: every (such as 1h), schedule (cron, in the check's timeZone), or afterRecovery: true";
/// What to write where a load would follow upon itself.
pub const REST_SAYS: &str =
    "every must be longer than the load's window (default 30s): a load must end before the next one is due";

const EVERY_BEYOND_WINDOW: &str = concat!(
    "!has(self.every) || !",
    schema::is_duration!("self.every"),
    " || (has(self.window) && !",
    schema::is_duration!("self.window"),
    ") || duration(self.every) > (has(self.window) ? duration(self.window) : duration('30s'))"
);

/// Repeats another probe of the check, at a steady pace for a while, and judges how many succeed and how long they take.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("[has(self.ratePerSecond), has(self.concurrency)].filter(x, x).size() == 1").message(ONE_PACE_SAYS),
    validation = Rule::new("!(has(self.every) && has(self.schedule))").message("every and schedule exclude each other: keep every for a steady beat, or schedule for cron times").field_path(".schedule"),
    validation = Rule::new("has(self.every) || has(self.schedule) || (has(self.afterRecovery) && self.afterRecovery)").message(WHEN_SAYS),
    validation = Rule::new(EVERY_BEYOND_WINDOW).message(REST_SAYS).field_path(".every")
)]
#[serde(rename_all = "camelCase")]
pub struct LoadProbe {
    /// Name of the probe that is repeated: an entry of `probes` listed before this one, of any other kind.
    #[schemars(schema_with = "schema::probe_name")]
    pub probe: String,
    /// Requests each second, sent when they are due whether or not earlier ones were answered. Excludes `concurrency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub rate_per_second: Option<u32>,
    /// Requests in flight at any time: each is followed by the next once it is answered. Excludes `ratePerSecond`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub concurrency: Option<u32>,
    /// How long the load goes on. Default 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::interval")]
    pub window: Option<Duration>,
    /// The share of requests that must succeed, such as 99.9%. Default 99%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "percentage")]
    pub success_ratio: Option<String>,
    /// What the latencies may be at most, counted from when each request was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<LoadLatency>,
    /// Time between the starts of two loads, such as 1h. Excludes `schedule`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::interval")]
    pub every: Option<Duration>,
    /// Cron expression with five fields, in the check's time zone, instead of `every`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub schedule: Option<String>,
    /// Also run once the check's required probes, of which one was failing, all work again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after_recovery: bool,
    /// Whether requests share connections, as a service's do. Default true. Of use to `http` probes over HTTP/1.1 without `assert`, `expectBody` and redirects; any other probe opens a connection for each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse_connections: Option<bool>,
}

/// Bounds of a load's latencies, each a duration such as 250ms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoadLatency {
    /// Half of the requests are no slower.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub p50: Option<Duration>,
    /// 95 of 100 requests are no slower.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub p95: Option<Duration>,
    /// 99 of 100 requests are no slower.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub p99: Option<Duration>,
    /// No request is slower.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub max: Option<Duration>,
}

fn percentage(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 8,
        "x-kubernetes-validations": [
            {"rule": "self.matches('^(100([.]0{1,4})?|[0-9]{1,2}([.][0-9]{1,4})?)%$')",
             "message": "must be a percentage with its sign, such as 99.9%"},
        ],
    })
}
