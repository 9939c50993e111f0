//! What the incident changes in the healthy world, and what logs and figures say in either. Pure.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::state::State;
use super::world::{
    CONNECTOR, CULPRIT, FAILED_REVISION, PROJECT, READY_REVISION, REGION, SERVICE, ago, revision, succeeded,
};

/// How many entries say that the database could not be reached.
pub const FAILURES: i64 = 649;

/// How long it has gone on.
const LASTS: SignedDuration = SignedDuration::from_mins(65);

impl State {
    /// The connector has been made anew, on another network and with another range, and is broken.
    pub fn break_connector(&mut self, now: Timestamp) {
        self.patch(CONNECTOR, &json!({"state": "ERROR", "network": "default", "ipCidrRange": "10.9.0.0/28"}));
        let dropped = json!({
            "description": "Final state: packet could be dropped because the VPC connector is not running.", "state": "DROP",
            "projectId": PROJECT, "causesDrop": true,
            "drop": {"cause": "VPC_CONNECTOR_NOT_RUNNING", "resourceUri": CONNECTOR},
        });
        self.test_result = json!({
            "reachabilityDetails": {"result": "UNREACHABLE", "verifyTime": now.to_string(), "traces": [{"steps": [dropped]}]},
        });
    }

    /// The instance of the revision that serves writes a line to its standard error.
    pub fn log(&mut self, now: Timestamp, line: &str) {
        let id = format!("line-{}", self.entries.len());
        self.entries.push(entry(&now.to_string(), &id, READY_REVISION, "stderr", "DEFAULT", line));
    }
}

/// The connector is broken, the new revision does not start, the log fills.
pub fn begin(state: &mut State, now: Timestamp) {
    let since = ago(now, LASTS);
    state.break_connector(now);
    state.set(FAILED_REVISION, failed_revision(state, &since));
    let message = "Revision 'backend-00042-kex' is not ready and cannot serve traffic. The user-provided container failed to \
                   start and listen on the port defined provided by the PORT=8080 environment variable within the allocated \
                   timeout. This can happen when the container port is misconfigured or if the timeout is too short.";
    let failed = |kind: &str| {
        json!({
            "type": kind, "state": "CONDITION_FAILED", "severity": "ERROR", "message": message, "lastTransitionTime": since,
            "revisionReason": "HEALTH_CHECK_CONTAINER_ERROR",
        })
    };
    let service = json!({
        "generation": "42", "observedGeneration": "42", "updateTime": since, "latestCreatedRevision": FAILED_REVISION,
        "latestReadyRevision": READY_REVISION, "terminalCondition": failed("Ready"),
        "conditions": [succeeded("RoutesReady", &since), failed("ConfigurationsReady")],
    });
    state.patch(SERVICE, &service);
    state.entries.extend(failures(now));
    state.entries.extend(made_anew(now));
    state.series = series(now, 0.0);
}

fn failed_revision(state: &State, since: &str) -> Value {
    let template = state.object(SERVICE).map(|service| service["template"].clone()).unwrap_or_default();
    let message = "The user-provided container failed to start and listen on the port defined provided by the PORT=8080 \
                   environment variable within the allocated timeout. Container called exit(3).";
    let failed = |kind: &str| {
        json!({
            "type": kind, "state": "CONDITION_FAILED", "severity": "ERROR", "message": message, "lastTransitionTime": since,
            "revisionReason": "HEALTH_CHECK_CONTAINER_ERROR",
        })
    };
    let conditions = json!([failed("Ready"), failed("ContainerHealthy"), succeeded("ResourcesAvailable", since)]);
    revision(FAILED_REVISION, since, &template, conditions)
}

/// An entry of the service's log.
fn entry(at: &str, id: &str, revision: &str, log: &str, severity: &str, text: &str) -> Value {
    json!({
        "insertId": id, "logName": format!("projects/{PROJECT}/logs/run.googleapis.com%2F{log}"), "timestamp": at,
        "receiveTimestamp": at, "severity": severity, "textPayload": text,
        "labels": {"instanceId": "0069c7a988"},
        "resource": {"type": "cloud_run_revision", "labels": {
            "project_id": PROJECT, "location": REGION, "service_name": "backend", "configuration_name": "backend",
            "revision_name": revision.rsplit('/').next(),
        }},
    })
}

/// The log while everything works.
pub fn quiet(now: Timestamp) -> Vec<Value> {
    let line = |hour: i64| {
        let at = ago(now, SignedDuration::from_hours(hour));
        entry(&at, &format!("quiet-{hour}"), READY_REVISION, "stdout", "INFO", "Database pool is up: 10 connections")
    };
    (1..=6).map(line).collect()
}

/// The same failure over and over, and the exits in between.
fn failures(now: Timestamp) -> Vec<Value> {
    let mut found = Vec::new();
    let step = LASTS / 649;
    for number in 0..FAILURES {
        let before = LASTS - step * i32::try_from(number).unwrap_or_default();
        let at = ago(now, before);
        let text = "Database initialization timeout after 20.0s";
        found.push(entry(&at, &format!("failure-{number}"), FAILED_REVISION, "stderr", "ERROR", text));
        if number % 10 == 9 {
            let id = format!("exit-{number}");
            let text = "Application startup failed. Exiting.";
            found.push(entry(&at, &format!("failed-{number}"), FAILED_REVISION, "stderr", "ERROR", text));
            found.push(entry(&at, &id, FAILED_REVISION, "varlog%2Fsystem", "WARNING", "Container called exit(3)."));
        }
    }
    found
}

/// What the audit log tells of the connector: deleted and created by an account, and an attempt to change it that was refused.
fn made_anew(now: Timestamp) -> Vec<Value> {
    let before = |minutes: i64| ago(now, LASTS + SignedDuration::from_mins(minutes));
    let part = |first: bool| json!({"first": first, "last": !first});
    let entry =
        |at: String, method: &str, principal: &str, operation: Value| audited(&at, method, principal, operation);
    let mut refused = entry(before(1), "UpdateConnector", "intern@netra.example", json!({"first": true, "last": true}));
    refused["severity"] = json!("ERROR");
    refused["protoPayload"]["status"] =
        json!({"code": 7, "message": "Permission 'vpcaccess.connectors.update' denied"});
    vec![
        entry(before(9), "DeleteConnector", CULPRIT, part(true)),
        entry(before(7), "DeleteConnector", CULPRIT, part(false)),
        entry(before(6), "CreateConnector", CULPRIT, part(true)),
        entry(before(3), "CreateConnector", CULPRIT, part(false)),
        refused,
    ]
}

/// An Admin Activity entry about the connector.
fn audited(at: &str, method: &str, principal: &str, mut operation: Value) -> Value {
    let method = format!("google.cloud.vpcaccess.v1.VpcAccessService.{method}");
    operation["id"] = json!(format!("projects/{PROJECT}/locations/{REGION}/operations/{method}"));
    operation["producer"] = json!("vpcaccess.googleapis.com");
    json!({
        "insertId": format!("{at}-{}", operation["first"]), "timestamp": at, "receiveTimestamp": at, "severity": "NOTICE",
        "logName": format!("projects/{PROJECT}/logs/cloudaudit.googleapis.com%2Factivity"), "operation": operation,
        "resource": {"type": "audited_resource", "labels": {
            "project_id": PROJECT, "service": "vpcaccess.googleapis.com", "method": method,
        }},
        "protoPayload": {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog", "serviceName": "vpcaccess.googleapis.com",
            "methodName": method, "resourceName": CONNECTOR, "authenticationInfo": {"principalEmail": principal},
        },
    })
}

/// Half an hour of figures, a point each minute, the latest first. `load` is the connector's and the instance's CPU.
pub fn series(now: Timestamp, load: f64) -> Vec<Value> {
    let connector = json!({"type": "vpc_access_connector", "labels": {
        "project_id": PROJECT, "location": REGION, "connector_name": "staging",
    }});
    let instance = json!({"type": "cloudsql_database", "labels": {
        "project_id": PROJECT, "region": REGION, "database_id": "netra-staging:staging-shared-postgres",
    }});
    let double = |value: f64| json!({"doubleValue": value});
    let whole = |value: u32| json!({"int64Value": value.to_string()});
    // Buckets of one percent; the first lies below them all.
    let mut counts = vec!["0"; (load * 100.0) as usize + 1];
    counts.push("2");
    let percent = json!({"distributionValue": {
        "count": "2", "mean": load * 100.0, "sumOfSquaredDeviation": 0.0, "bucketCounts": counts,
        "bucketOptions": {"linearBuckets": {"numFiniteBuckets": 100, "width": 1.0, "offset": 0.0}},
    }});
    let busy = load > 0.0;
    let connector_of = |name: &str, kind: &str, shape: &str, unit: &str, value: Value| {
        one(now, &format!("vpcaccess.googleapis.com/connector/{name}"), &connector, kind, shape, unit, &value)
    };
    let instance_of = |name: &str, shape: &str, unit: &str, value: Value| {
        one(now, &format!("cloudsql.googleapis.com/database/{name}"), &instance, "GAUGE", shape, unit, &value)
    };
    vec![
        connector_of("cpu/utilizations", "GAUGE", "DISTRIBUTION", "%", percent),
        connector_of("instances", "GAUGE", "INT64", "1", whole(if busy { 2 } else { 0 })),
        connector_of("sent_bytes_count", "DELTA", "INT64", "By", whole(if busy { 1_200_000 } else { 0 })),
        connector_of("received_bytes_count", "DELTA", "INT64", "By", whole(if busy { 3_600_000 } else { 0 })),
        instance_of("cpu/utilization", "DOUBLE", "10^2.%", double(0.06)),
        instance_of("memory/utilization", "DOUBLE", "10^2.%", double(0.41)),
        instance_of("disk/utilization", "DOUBLE", "10^2.%", double(0.22)),
        instance_of("network/connections", "INT64", "1", whole(if busy { 24 } else { 3 })),
        instance_of("postgresql/num_backends", "INT64", "1", whole(if busy { 24 } else { 3 })),
    ]
}

fn one(now: Timestamp, metric: &str, resource: &Value, kind: &str, shape: &str, unit: &str, value: &Value) -> Value {
    let point = |minute: i64| {
        let end = ago(now, SignedDuration::from_mins(minute));
        let start = if kind == "GAUGE" { end.clone() } else { ago(now, SignedDuration::from_mins(minute + 1)) };
        json!({"interval": {"startTime": start, "endTime": end}, "value": value})
    };
    let mut labels = json!({});
    if metric.ends_with("num_backends") {
        labels["database"] = json!("app");
    }
    json!({
        "metric": {"type": metric, "labels": labels}, "resource": resource, "metricKind": kind, "valueType": shape, "unit": unit,
        "points": (0..30).map(point).collect::<Vec<_>>(),
    })
}
