//! `ConnectivityCheck`: the path whose readiness matters, as a team declares it. Types and schema only.
#![allow(clippy::duplicated_attributes, reason = "every printer column has a name and a type of its own")]

use kube::core::Duration;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::baseline::BaselineSpec;
use super::inspect::InspectSpec;
use super::probes::{
    DnsProbe, GrpcProbe, HttpProbe, JourneyProbe, LoadProbe, MysqlProbe, PostgresProbe, RedisProbe, SqlServerProbe,
    TcpProbe, TlsProbe, WebsocketProbe,
};
use super::schema;
use super::status::ConnectivityCheckStatus;

/// A path from a Cloud Run service to what it depends on, probed again and again, stage by stage.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "runready.dev",
    version = "v1alpha1",
    kind = "ConnectivityCheck",
    plural = "connectivitychecks",
    shortname = "cc",
    category = "runready",
    namespaced,
    status = "ConnectivityCheckStatus",
    derive = "PartialEq",
    doc = "A path whose readiness matters: its probes are observed again and again, and the status says whether the path is ready, which stage failed, which layer is to blame and what to do.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the path can carry the service's traffic"
    ),
    printcolumn(
        name = "Verdict",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "The cause, or Healthy"
    ),
    printcolumn(
        name = "Layer",
        type_ = "string",
        json_path = ".status.verdict.layer",
        description = "The layer to blame"
    ),
    printcolumn(
        name = "Latency",
        type_ = "string",
        json_path = ".status.latency",
        description = "The slowest probe's latency"
    ),
    printcolumn(
        name = "Last Probe",
        type_ = "date",
        json_path = ".status.lastProbeTime",
        description = "When the path was last observed (at the last status write)"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        priority = 1,
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        description = "What was seen, and what to do"
    )
)]
#[x_kube(
    validation = Rule::new("!(has(self.interval) && has(self.schedule))").message("interval and schedule exclude each other: keep interval for a steady beat, or schedule for cron times").field_path(".schedule"),
    validation = Rule::new("!has(self.inspect) || has(self.service)").message("inspect has a meaning only together with service: name the Cloud Run service whose path is to be inspected, or leave inspect out").field_path(".inspect"),
    validation = Rule::new("!has(self.baseline) || has(self.service)").message("baseline has a meaning only together with service: name the Cloud Run service whose configuration is compared").field_path(".baseline"),
    validation = Rule::new("!has(self.timeZone) || has(self.schedule)").message("timeZone has a meaning only together with schedule").field_path(".timeZone"),
    validation = Rule::new(TIMEOUT_WITHIN_INTERVAL).message("timeout must not be longer than the interval (default 30s): a probe must end before the next one is due").field_path(".timeout")
)]
#[serde(rename_all = "camelCase")]
pub struct ConnectivityCheckSpec {
    /// The Cloud Run service whose readiness this is. Optional: without it, the verdict speaks of the path alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceRef>,

    /// What is read of Google Cloud's own view of the path. With `service` alone everything is, as far as runready's account may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inspect: Option<InspectSpec>,
    /// Which configuration of the path is known to be good, where a person says so. Without it, it is learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineSpec>,

    /// Time between two runs, such as 30s or 1m30s; at least 1s. Default 30s. Excludes `schedule`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::interval")]
    pub interval: Option<Duration>,

    /// Cron expression with five fields (minute hour day-of-month month day-of-week), such as "*/5 * * * *", instead of `interval`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub schedule: Option<String>,

    /// IANA time zone in which `schedule` is read, such as Europe/Berlin. Default UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,

    /// Limit for each probe as a whole: it bounds the sum of its stages. Default: the lesser of 20s and the interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub timeout: Option<Duration>,

    /// What the service grants itself to come up. A path slower than this is not ready, even if it answers in the end; a probe that opens several connections is ended by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub startup_budget: Option<Duration>,

    /// How many observations in a row must be worse before a probe's state gets worse. Default 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::threshold")]
    pub failure_threshold: Option<u32>,

    /// How many observations in a row must be better before a probe's state gets better. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::threshold")]
    pub success_threshold: Option<u32>,

    /// Stops probing while true. The last status stays, with Ready=Unknown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,

    /// What to observe. Each entry has a name and exactly one kind.
    #[schemars(length(max = 32))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    #[x_kube(
        validation = Rule::new("self.size() > 0").message("must have at least one probe: an entry with a name and one of dns, tcp, tls, http, websocket, grpc, postgres, mysql, sqlserver, redis, journey or load"),
        validation = Rule::new(DEPENDS_ON_KNOWN).message("dependsOn names a probe that this check does not have: use the name of another entry of probes"),
        validation = Rule::new(DEPENDS_ON_EARLIER).message("dependsOn may only name probes listed before its own: move what is depended on up (in a cycle no order fits; break it)"),
        validation = Rule::new(LOAD_OF_EARLIER).message("load.probe must name another probe of this check, listed before the load"),
        validation = Rule::new(NO_LOAD_OF_LOAD).message("a load can't be repeated by another, nor depended on: it runs at times of its own; name the probe that it repeats")
    )]
    pub probes: Vec<ProbeSpec>,
}

const TIMEOUT_WITHIN_INTERVAL: &str = concat!(
    "has(self.schedule) || !has(self.timeout) || !",
    schema::is_duration!("self.timeout"),
    " || (has(self.interval) && !",
    schema::is_duration!("self.interval"),
    ") || duration(self.timeout) <= (has(self.interval) ? duration(self.interval) : duration('30s'))"
);

// The list of names is bound once, as the one element of a list: the API server refuses rules whose estimated cost is too high.
const DEPENDS_ON_KNOWN: &str = "[self.map(q, q.name)].all(names, \
    self.all(p, !has(p.dependsOn) || p.dependsOn.all(d, d in names)))";

const DEPENDS_ON_EARLIER: &str = "[self.map(q, q.name)].all(names, \
    self.all(p, !has(p.dependsOn) || p.dependsOn.all(d, !(d in names) || names.indexOf(d) <= names.indexOf(p.name))))";

const LOAD_OF_EARLIER: &str = "[self.map(q, q.name)].all(names, \
    self.all(p, !has(p.load) || (p.load.probe in names && names.indexOf(p.load.probe) < names.indexOf(p.name))))";

const NO_LOAD_OF_LOAD: &str = "[self.filter(q, has(q.load)).map(q, q.name)].all(loads, \
    self.all(p, !(has(p.load) && p.load.probe in loads) && (!has(p.dependsOn) || p.dependsOn.all(d, !(d in loads)))))";

/// A Cloud Run service, named as Google Cloud names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceRef {
    /// Project id, such as netra-staging.
    #[schemars(length(min = 1, max = 63))]
    pub project: String,
    /// Region, such as us-central1.
    #[schemars(length(min = 1, max = 63))]
    pub region: String,
    /// Service name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
}

/// One thing to observe: a name, exactly one kind, and how to judge it.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("[has(self.dns), has(self.tcp), has(self.tls), has(self.http), has(self.websocket), has(self.grpc), has(self.postgres), has(self.mysql), has(self.sqlserver), has(self.redis), has(self.journey), has(self.load)].filter(x, x).size() == 1").message("exactly one kind per probe: set one of dns, tcp, tls, http, websocket, grpc, postgres, mysql, sqlserver, redis, journey or load (use one entry of probes for each)"),
    validation = Rule::new("!has(self.dependsOn) || !(self.name in self.dependsOn)").message("a probe can't depend on itself: name probes listed before it").field_path(".dependsOn"),
    validation = Rule::new("!has(self.load) || (!has(self.maxLatency) && (!has(self.assert) || self.assert.size() == 0))").message("a load has bounds of its own: set load.latency, and put assert and maxLatency at the probe that it repeats")
)]
#[serde(rename_all = "camelCase")]
pub struct ProbeSpec {
    /// Name, unique within the check. It appears in status, metrics and `dependsOn`.
    #[schemars(schema_with = "schema::probe_name")]
    pub name: String,

    /// Asks a DNS server, and compares the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsProbe>,
    /// Opens a TCP connection, and optionally sends and expects bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpProbe>,
    /// Opens a TLS connection, verifies the peer's certificate and records its facts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsProbe>,
    /// Sends an HTTP request, and compares status, headers and body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpProbe>,
    /// Asks a server for its health over gRPC (grpc.health.v1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc: Option<GrpcProbe>,
    /// Opens a WebSocket, and sends and expects messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub websocket: Option<WebsocketProbe>,
    /// Logs in to a PostgreSQL server, such as Cloud SQL for PostgreSQL, and runs a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<PostgresProbe>,
    /// Logs in to a MySQL or MariaDB server, such as Cloud SQL for MySQL, and runs a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mysql: Option<MysqlProbe>,
    /// Logs in to a SQL Server, such as Cloud SQL for SQL Server, and runs a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sqlserver: Option<SqlServerProbe>,
    /// Logs in to a Redis or Valkey server, such as Memorystore, and asks whether it serves, and in which role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisProbe>,
    /// Repeats another probe of the check at a steady pace for a while: does it hold, or did it answer once?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<LoadProbe>,
    /// Walks a user's way through the service, step by step: the golden path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journey: Option<JourneyProbe>,

    /// Rules in CEL that must hold once the probe has passed, such as `latency < duration('300ms')` or `json.version == '2'`; otherwise AssertionFailed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 512)))]
    pub assert: Vec<String>,

    /// A probe slower than this is Degraded with LatencyExceeded, not failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub max_latency: Option<Duration>,

    /// Tightens the deadline of single stages. A stage never gets more than what is left of `timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage_timeouts: Option<StageTimeouts>,

    /// Whether this probe decides on Ready. False: it informs only. Default true.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub required: bool,

    /// Names of probes, listed before this one, without which this one makes no sense: it is skipped, with the reason, while one of them fails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 63)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub depends_on: Vec<String>,
}

/// What a probe of one kind needs to know.
#[derive(Clone, Copy, Debug)]
pub enum KindSpec<'a> {
    /// See [`ProbeSpec::dns`].
    Dns(&'a DnsProbe),
    /// See [`ProbeSpec::tcp`].
    Tcp(&'a TcpProbe),
    /// See [`ProbeSpec::tls`].
    Tls(&'a TlsProbe),
    /// See [`ProbeSpec::http`].
    Http(&'a HttpProbe),
    /// See [`ProbeSpec::grpc`].
    Grpc(&'a GrpcProbe),
    /// See [`ProbeSpec::websocket`].
    Websocket(&'a WebsocketProbe),
    /// See [`ProbeSpec::postgres`].
    Postgres(&'a PostgresProbe),
    /// See [`ProbeSpec::mysql`].
    Mysql(&'a MysqlProbe),
    /// See [`ProbeSpec::sqlserver`].
    Sqlserver(&'a SqlServerProbe),
    /// See [`ProbeSpec::redis`].
    Redis(&'a RedisProbe),
    /// See [`ProbeSpec::load`].
    Load(&'a LoadProbe),
    /// See [`ProbeSpec::journey`].
    Journey(&'a JourneyProbe),
}

impl ProbeSpec {
    /// Every kind that is set. Exactly one should be: an object may have been stored before the rule was.
    pub fn kinds(&self) -> impl Iterator<Item = KindSpec<'_>> {
        // Every field is named, so that a new kind is not forgotten here.
        let ProbeSpec {
            name: _,
            dns,
            tcp,
            tls,
            http,
            grpc,
            websocket,
            postgres,
            mysql,
            sqlserver,
            redis,
            load,
            journey,
            assert: _,
            max_latency: _,
            stage_timeouts: _,
            required: _,
            depends_on: _,
        } = self;
        [
            dns.as_ref().map(KindSpec::Dns),
            tcp.as_ref().map(KindSpec::Tcp),
            tls.as_ref().map(KindSpec::Tls),
            http.as_ref().map(KindSpec::Http),
            grpc.as_ref().map(KindSpec::Grpc),
            websocket.as_ref().map(KindSpec::Websocket),
            postgres.as_ref().map(KindSpec::Postgres),
            mysql.as_ref().map(KindSpec::Mysql),
            sqlserver.as_ref().map(KindSpec::Sqlserver),
            redis.as_ref().map(KindSpec::Redis),
            load.as_ref().map(KindSpec::Load),
            journey.as_ref().map(KindSpec::Journey),
        ]
        .into_iter()
        .flatten()
    }
}

/// Deadlines for single stages, each a duration such as 5s. A stage that the probe's kind does not have is ignored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageTimeouts {
    /// Fetching of a token for the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub token: Option<Duration>,
    /// Connect settings of a Cloud SQL instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub settings: Option<Duration>,
    /// Ephemeral certificate for a Cloud SQL instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub certificate: Option<Duration>,
    /// Name resolution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub resolve: Option<Duration>,
    /// TCP connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub connect: Option<Duration>,
    /// Mutual TLS with a Cloud SQL instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub tunnel: Option<Duration>,
    /// TLS handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub tls: Option<Duration>,
    /// First exchange of the protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub handshake: Option<Duration>,
    /// Authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub authenticate: Option<Duration>,
    /// Statements of initQueries, all of them together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub initialize: Option<Duration>,
    /// Query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub query: Option<Duration>,
    /// Result of payloadBytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub payload: Option<Duration>,
    /// Request, up to the response's header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub request: Option<Duration>,
    /// Response body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub body: Option<Duration>,
    /// Request to upgrade the connection, up to the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub upgrade: Option<Duration>,
    /// Messages sent and expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub messages: Option<Duration>,
    /// Bytes sent and expected over a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub exchange: Option<Duration>,
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}
