//! The spec of a `journey` probe. Types and schema only.

use kube::KubeSchema;
use kube::core::Duration;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    GrpcProbe, HttpProbe, MysqlProbe, PostgresProbe, RedisProbe, SecretKeyRef, SqlServerProbe, WebsocketProbe,
};
use crate::api::schema;
use crate::api::spec::KindSpec;

/// A user's way through a service, step by step: what one step captures, later ones use as `${name}`.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JourneyProbe {
    /// Limit for all steps together. Default: the probe's timeout, which bounds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub budget: Option<Duration>,
    /// Values of Secrets that steps use as `${name}`. They are never shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub secrets: Vec<JourneySecret>,
    /// The steps, in their order. After one that fails, only those with `always` are carried out.
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    #[x_kube(validation = Rule::new("self.size() > 0").message("must have at least one step: an entry with a name and one of http, websocket, grpc, postgres, mysql, sqlserver or redis"))]
    pub steps: Vec<JourneyStep>,
}

/// A value of a Secret, and the name by which steps use it.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JourneySecret {
    /// Name, as in `${name}`: letters, digits and `_`.
    #[schemars(schema_with = "value_name")]
    pub name: String,
    /// Where the value is.
    pub secret_ref: SecretKeyRef,
}

/// One step of a journey: a name, exactly one kind, and what to take from its answer.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("[has(self.http), has(self.websocket), has(self.grpc), has(self.postgres), has(self.mysql), has(self.sqlserver), has(self.redis)].filter(x, x).size() == 1").message("exactly one kind per step: set one of http, websocket, grpc, postgres, mysql, sqlserver or redis (a journey can't stand within a journey, nor can the other kinds: give them entries of probes of their own)"))]
#[serde(rename_all = "camelCase")]
pub struct JourneyStep {
    /// Name, unique within the journey. It appears in status and messages.
    #[schemars(schema_with = "schema::probe_name")]
    pub name: String,
    /// Sends an HTTP request. `${name}` is replaced in `url` (after the host), in the values of `headers` and in `body`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "http_step")]
    pub http: Option<HttpProbe>,
    /// Opens a WebSocket. `${name}` is replaced in `url` (after the host), in the values of `headers` and in what the steps `send`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "websocket_step")]
    pub websocket: Option<WebsocketProbe>,
    /// Asks a gRPC server for its health. `${name}` is replaced in the values of `metadata`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "grpc_step")]
    pub grpc: Option<GrpcProbe>,
    /// Logs in to a PostgreSQL server and runs a query. Nothing is replaced in it: no value gets into a statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "postgres_step")]
    pub postgres: Option<PostgresProbe>,
    /// Logs in to a MySQL or MariaDB server and runs a query. Nothing is replaced in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "mysql_step")]
    pub mysql: Option<MysqlProbe>,
    /// Logs in to a SQL Server and runs a query. Nothing is replaced in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "sqlserver_step")]
    pub sqlserver: Option<SqlServerProbe>,
    /// Logs in to a Redis server and asks whether it serves. Nothing is replaced in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "redis_step")]
    pub redis: Option<RedisProbe>,
    /// What to take from the answer, for later steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub capture: Vec<Capture>,
    /// Rules in CEL that must hold of the step's answer; otherwise AssertionFailed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 512)))]
    pub assert: Vec<String>,
    /// Limit for the step. A step never gets more than what is left of the budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub timeout: Option<Duration>,
    /// Carry it out even after another step has failed, to clean up: within a quarter of the budget (at most 5s) that is kept for it, and only if all that it needs was captured. Its own failure makes the probe Degraded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub always: bool,
}

impl JourneyStep {
    /// Every kind that is set. Exactly one should be: an object may have been stored before the rule was.
    pub fn kinds(&self) -> impl Iterator<Item = KindSpec<'_>> {
        // Every field is named, so that a new kind is not forgotten here.
        let JourneyStep {
            name: _,
            http,
            websocket,
            grpc,
            postgres,
            mysql,
            sqlserver,
            redis,
            capture: _,
            assert: _,
            timeout: _,
            always: _,
        } = self;
        [
            http.as_ref().map(KindSpec::Http),
            websocket.as_ref().map(KindSpec::Websocket),
            grpc.as_ref().map(KindSpec::Grpc),
            postgres.as_ref().map(KindSpec::Postgres),
            mysql.as_ref().map(KindSpec::Mysql),
            sqlserver.as_ref().map(KindSpec::Sqlserver),
            redis.as_ref().map(KindSpec::Redis),
        ]
        .into_iter()
        .flatten()
    }
}

/// A value to take from an answer.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("[has(self.jsonPath), has(self.header), has(self.cookie), has(self.regex), has(self.message)].filter(x, x).size() == 1").message("exactly one source per capture: set one of jsonPath, header, cookie, regex or message"))]
#[serde(rename_all = "camelCase")]
pub struct Capture {
    /// Name, as in `${name}`: letters, digits and `_`.
    #[schemars(schema_with = "value_name")]
    pub name: String,
    /// JSONPath (RFC 9535) with names, indexes and `*`, of one text, number or boolean: of http in the body, of websocket in the messages (the last that has it), of postgres, mysql and sqlserver in the columns of the first row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub json_path: Option<String>,
    /// Name of a header of the HTTP response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub header: Option<String>,
    /// Name of a cookie that the HTTP response sets (RFC 6265).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub cookie: Option<String>,
    /// Regular expression (RE2 syntax) with one group, which is taken: of http from the body, of websocket from the messages (the last that matches).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub regex: Option<String>,
    /// The whole of the last WebSocket message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self").message("must be true: leave the capture out instead"))]
    pub message: Option<bool>,
}

fn http_step(generator: &mut SchemaGenerator) -> Schema {
    without_rules(HttpProbe::json_schema(generator))
}

fn websocket_step(generator: &mut SchemaGenerator) -> Schema {
    without_rules(WebsocketProbe::json_schema(generator))
}

fn postgres_step(generator: &mut SchemaGenerator) -> Schema {
    without_rules(PostgresProbe::json_schema(generator))
}

fn grpc_step(generator: &mut SchemaGenerator) -> Schema {
    without_rules(GrpcProbe::json_schema(generator))
}

fn mysql_step(generator: &mut SchemaGenerator) -> Schema {
    without_rules(MysqlProbe::json_schema(generator))
}

fn sqlserver_step(generator: &mut SchemaGenerator) -> Schema {
    without_rules(SqlServerProbe::json_schema(generator))
}

fn redis_step(generator: &mut SchemaGenerator) -> Schema {
    without_rules(RedisProbe::json_schema(generator))
}

/// The schema without its rules in CEL: the API server bounds what all rules together may cost, and those within the steps of
/// every probe would be more. The plan holds steps to them: see `plan::compile::rules`.
fn without_rules(schema: Schema) -> Schema {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.remove("x-kubernetes-validations");
                map.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut value = schema.to_value();
    strip(&mut value);
    value.try_into().unwrap_or_default()
}

fn value_name(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "maxLength": 63,
        "x-kubernetes-validations": [
            {"rule": "self.matches('^[A-Za-z0-9_]+$')", "message": "must be a name of letters, digits and '_', such as token"},
        ],
    })
}
