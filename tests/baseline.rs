//! Baseline and drift: what a snapshot holds, since when and by whom something differs, what explains a failure. What counts as a
//! difference is in `difference`, and when a configuration is learned in `learned`.

mod authors;
mod difference;
mod kept;
mod learned;
mod upgrade;

use std::time::Duration;

use jiff::Timestamp;
use runready::api::baseline::{Baseline, MAX_FIELDS};
use runready::api::{Cause, Stage};
use runready::baseline::diff::Compared;
use runready::baseline::{diff, explaining, rank, sentence, snapshot};
use runready::cloud::{Drift, Picture};
use serde_json::{Value, json};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn noon() -> Timestamp {
    at("2026-11-25T12:00:00Z")
}

/// The incident's path while it worked, as Google's APIs tell it.
fn path() -> Value {
    let read =
        |name: &str, object: Value| json!({"read": {"name": name, "at": "2026-11-25T11:59:00Z", "object": object}});
    json!({
        "service": read("projects/netra-staging/locations/us-central1/services/backend", json!({
            "template": {
                "vpcAccess": {
                    "connector": "projects/netra-staging/locations/us-central1/connectors/staging-connector",
                    "egress": "PRIVATE_RANGES_ONLY",
                },
                "settings": [{"variable": "DB_HOST", "says": {"host": ["10.20.0.3", 5432]}}],
                "serviceAccount": "backend@netra-staging.iam.gserviceaccount.com",
                "timeoutSeconds": 300,
                "image": "backend:1",
            },
            "lastModifier": "deployer@example.com",
            "updateTime": "2026-11-25T10:00:00Z",
        })),
        "connector": read("projects/netra-staging/locations/us-central1/connectors/staging-connector", json!({
            "state": "READY", "network": "staging-vpc", "ipCidrRange": "10.8.0.0/28",
            "machineType": "e2-micro", "minInstances": 2, "maxInstances": 10,
        })),
        "instance": read("projects/netra-staging/instances/staging-shared-postgres", json!({
            "connectionName": "netra-staging:us-central1:staging-shared-postgres", "region": "us-central1",
            "state": "RUNNABLE", "activationPolicy": "ALWAYS", "tier": "db-custom-2-7680",
            "ipAddresses": [{"type": "PRIVATE", "ipAddress": "10.20.0.3"}],
            "privateNetwork": "projects/netra-staging/global/networks/staging-vpc",
            "authorizedNetworks": ["10.0.0.0/8", "192.0.2.0/24"],
            "flags": {"max_connections": "200"},
        })),
        "network": read("projects/netra-staging/global/networks/staging-vpc", json!({
            "peerings": [{
                "name": "servicenetworking-googleapis-com", "network": "projects/tenant/global/networks/servicenetworking",
                "state": "ACTIVE", "exportCustomRoutes": true, "importCustomRoutes": true,
                "importedRanges": ["10.20.0.0/24"],
            }],
            "subnets": [{"name": "apps", "region": "us-central1", "ipCidrRange": "10.10.0.0/24"}],
            "allocatedRanges": [{"name": "services", "range": "10.20.0.0/24"}],
            "routes": [{"name": "default-route-1", "destRange": "0.0.0.0/0", "priority": 1000,
                        "nextHop": "gateway default-internet-gateway"}],
            "firewall": [{"name": "allow-db", "direction": "EGRESS", "priority": 1000, "allow": true,
                          "ranges": ["10.20.0.0/24"], "ports": ["tcp:5432"]}],
        })),
    })
}

fn picture(value: &Value) -> Picture {
    serde_json::from_value(value.clone()).expect("a picture")
}

/// The path with one thing changed.
fn with(pointer: &str, value: Value) -> Picture {
    let mut path = path();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let parent = path.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer} is not there"));
    match parent {
        Value::Object(map) => _ = map.insert(key.to_owned(), value),
        Value::Array(list) => list[key.parse::<usize>().expect("an index")] = value,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => panic!("{pointer} is no place"),
    }
    picture(&path)
}

fn good() -> Baseline {
    snapshot(&picture(&path()), None, noon())
}

fn against(baseline: &Baseline, picture: &Picture) -> Vec<Drift> {
    diff(baseline, picture, &[], Compared::Every, noon())
}

/// FIELD: WAS -> IS.
fn told(drift: &[Drift]) -> Vec<String> {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    drift.iter().map(|drift| format!("{}: {} -> {}", drift.field, value(&drift.was), value(&drift.is))).collect()
}

fn unread(why: &str) -> Value {
    json!({"unread": {"name": "x", "at": "2026-11-25T12:00:00Z", "why": why, "message": "asked", "remedy": "grant it"}})
}

#[test]
fn a_snapshot_is_bounded_and_still_tells_a_change_in_what_it_leaves_out() {
    let routes = |hop: &str| {
        let route = |index: usize| {
            let hop = if index == 180 { hop } else { "ip 10.0.0.1" };
            json!({"name": format!("r{index}"), "destRange": format!("10.{index}.0.0/16"), "nextHop": hop, "priority": 1})
        };
        Value::Array((0..200).map(route).collect())
    };
    let full = |hop: &str| with("/network/read/object/routes", routes(hop));
    let baseline = snapshot(&full("ip 10.0.0.1"), None, noon());
    assert!(baseline.objects.iter().all(|object| object.fields.len() <= MAX_FIELDS));
    assert!(serde_json::to_string(&baseline).expect("JSON").len() < 10_000);
    assert_eq!(told(&against(&baseline, &full("ip 10.0.0.1"))), Vec::<String>::new());
    let changed = against(&baseline, &full("ip 10.0.0.2"));
    let fields: Vec<&str> = changed.iter().map(|drift| drift.field.as_str()).collect();
    // The order is that of the names: 10.180 stands among the first.
    assert!(fields == ["routes[10.180.0.0/16]"] || fields == ["routes[*]"], "{fields:?}");

    let long = |end: &str| {
        with("/service/read/object/template/cloudSqlInstances", json!([format!("{}{end}", "p:r:i".repeat(200))]))
    };
    let baseline = snapshot(&long("a"), None, noon());
    assert!(baseline.objects[0].fields["cloudSqlInstances"].len() <= 300);
    assert_eq!(against(&baseline, &long("a")), []);
    assert_eq!(against(&baseline, &long("b")).len(), 1);
}

#[test]
fn since_stays_and_whoever_changed_it_is_named_where_the_object_tells() {
    let mut path = path();
    path["service"]["read"]["object"]["template"]["vpcAccess"] = Value::Null;
    path["service"]["read"]["object"]["updateTime"] = json!("2026-11-25T12:30:00Z");
    path["instance"]["read"]["object"]["tier"] = json!("db-f1-micro");
    path["instance"]["read"]["object"]["operations"] = json!([
        {"operationType": "RESTART", "status": "DONE", "startTime": "2026-11-25T12:50:00Z", "user": "nobody@example.com"},
        {"operationType": "UPDATE", "status": "DONE", "startTime": "2026-11-25T12:40:00Z", "user": "dba@example.com"},
        {"operationType": "UPDATE", "status": "DONE", "startTime": "2026-11-25T09:00:00Z", "user": "before@example.com"},
    ]);
    let seen = at("2026-11-25T12:41:00Z");
    let first = diff(&good(), &picture(&path), &[], Compared::Every, seen);
    let later = diff(&good(), &picture(&path), &first, Compared::Every, at("2026-11-25T14:00:00Z"));
    assert_eq!(later, first);
    let by: Vec<&str> = first.iter().filter_map(|drift| drift.by.as_deref()).collect();
    assert_eq!(by, ["deployer@example.com", "deployer@example.com", "dba@example.com"]);
    assert_eq!(
        sentence(&first[0]),
        "vpcAccess.connector of backend was \"projects/netra-staging/locations/us-central1/connectors/staging-connector\", is not \
         set since 2026-11-25T12:30:00Z (by deployer@example.com)"
    );
    // Nobody is named for what was changed before the baseline was taken.
    let later =
        Baseline { taken: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at("2026-11-25T13:00:00Z")), ..good() };
    assert!(diff(&later, &picture(&path), &[], Compared::Every, seen).iter().all(|drift| drift.by.is_none()));
}

#[test]
fn what_explains_the_failing_stage_best_comes_first() {
    let mut path = path();
    path["service"]["read"]["object"]["template"]["vpcAccess"] = Value::Null;
    path["service"]["read"]["object"]["template"]["serviceAccount"] =
        json!("other@netra-staging.iam.gserviceaccount.com");
    path["service"]["read"]["object"]["template"]["timeoutSeconds"] = json!(20);
    path["instance"]["read"]["object"]["sslMode"] = json!("ENCRYPTED_ONLY");
    path["instance"]["read"]["object"]["flags"] = json!({"max_connections": "20"});
    path["network"]["read"]["object"]["peerings"][0]["exportCustomRoutes"] = json!(false);
    let drift = against(&good(), &picture(&path));
    let cases = [
        (Cause::ConnectTimeout, Stage::Connect, "vpcAccess.connector"),
        (Cause::AuthenticationFailed, Stage::Authenticate, "serviceAccount"),
        (Cause::TlsRequired, Stage::Tls, "settings.ipConfiguration.sslMode"),
        (Cause::TooManyConnections, Stage::Authenticate, "settings.databaseFlags[max_connections]"),
    ];
    for (cause, stage, first) in cases {
        assert_eq!(rank(&drift, cause, Some(stage))[0].field, first, "{cause}");
        assert_eq!(rank(&drift, cause, Some(stage)).len(), drift.len(), "{cause}");
    }
    let timeout = against(&good(), &with("/service/read/object/template/timeoutSeconds", json!(20)));
    assert!(explaining(&timeout, Cause::ConnectTimeout, Some(Stage::Connect)).is_empty());
    assert!(explaining(&drift, Cause::SecretNotFound, None).is_empty());
}

fn after(time: Timestamp, long: Duration) -> Timestamp {
    time.checked_add(long).expect("a time")
}

#[test]
fn a_baseline_survives_the_way_through_a_status() {
    let good = good();
    let text = serde_yaml::to_string(&good).expect("YAML");
    assert_eq!(serde_yaml::from_str::<Baseline>(&text).expect("a baseline"), good);
}
