//! Baseline and drift: what counts as a difference, what does not, when a configuration is learned, what explains a failure.

mod authors;
mod kept;
mod upgrade;

use std::time::Duration;

use jiff::Timestamp;
use runready::api::baseline::{Baseline, BaselineSpec, MAX_FIELDS};
use runready::api::{Cause, Stage};
use runready::baseline::diff::Compared;
use runready::baseline::learn::{ADOPTED_AFTER, MAX_DRIFT, STEADY};
use runready::baseline::{Kept, diff, explaining, judge, rank, sentence, snapshot};
use runready::cloud::{Drift, Inspection, Picture, Reading};
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

#[test]
fn what_the_server_fills_in_and_the_order_of_lists_are_no_drift() {
    let service = "/service/read/object/template";
    let same = [
        ("/connector/read/object/machineType", json!("")),
        ("/connector/read/object/minInstances", json!(0)),
        ("/connector/read/object/maxThroughput", json!(1000)),
        ("/connector/read/object/state", json!("UPDATING")),
        ("/connector/read/object/network", json!("projects/netra-staging/global/networks/staging-vpc")),
        (
            "/connector/read/object/network",
            json!("https://www.googleapis.com/compute/v1/projects/netra-staging/global/networks/staging-vpc"),
        ),
        ("/connector/read/object/network", json!("projects/123456789/global/networks/staging-vpc")),
        ("/connector/read/object/connectedProjects", json!(["netra-staging"])),
        ("/instance/read/object/activationPolicy", json!("SQL_ACTIVATION_POLICY_UNSPECIFIED")),
        ("/instance/read/object/sslMode", json!("ALLOW_UNENCRYPTED_AND_ENCRYPTED")),
        ("/instance/read/object/connectorEnforcement", json!("NOT_REQUIRED")),
        ("/instance/read/object/availabilityType", json!("ZONAL")),
        ("/instance/read/object/storageAutoResize", json!(true)),
        ("/instance/read/object/diskSizeGb", json!(20)),
        ("/instance/read/object/state", json!("MAINTENANCE")),
        ("/instance/read/object/privateNetwork", json!("staging-vpc")),
        ("/instance/read/object/authorizedNetworks", json!(["192.0.2.0/24", "10.0.0.0/8"])),
        ("/network/read/object/mtu", json!(1460)),
        ("/network/read/object/peerings/0/state", json!("INACTIVE")),
        ("/network/read/object/routes/0/name", json!("default-route-2")),
        ("/network/read/object/subnets/0/usedAddresses", json!(200)),
        ("/service/read/object/traffic", json!([{"percent": 100}])),
        ("/service/read/object/latestReadyRevision", json!("backend-00002")),
        (&*format!("{service}/image"), json!("backend:2")),
        (&*format!("{service}/containerPort"), json!(8080)),
        (&*format!("{service}/maxInstanceCount"), json!(100)),
        (&*format!("{service}/timeoutSeconds"), json!(300)),
        (
            &*format!("{service}/startupProbe"),
            json!({"timeoutSeconds": 240, "periodSeconds": 240, "failureThreshold": 1, "what": "tcp:8080"}),
        ),
    ];
    for (pointer, value) in same {
        let drift = against(&good(), &with(pointer, value.clone()));
        assert_eq!(told(&drift), Vec::<String>::new(), "{pointer} = {value}");
    }
}

#[test]
fn every_field_of_the_path_shows_when_it_changes() {
    let service = "/service/read/object/template";
    let cases = [
        (
            format!("{service}/vpcAccess"),
            Value::Null,
            vec![
                "vpcAccess.connector: projects/netra-staging/locations/us-central1/connectors/staging-connector -> -",
                "vpcAccess.egress: PRIVATE_RANGES_ONLY -> -",
            ],
        ),
        (
            format!("{service}/vpcAccess/egress"),
            json!("ALL_TRAFFIC"),
            vec!["vpcAccess.egress: PRIVATE_RANGES_ONLY -> ALL_TRAFFIC"],
        ),
        (
            format!("{service}/settings/0/says"),
            json!({"host": ["10.20.0.4", 5432]}),
            vec!["env[DB_HOST]: host 10.20.0.3:5432 -> host 10.20.0.4:5432"],
        ),
        (format!("{service}/timeoutSeconds"), json!(20), vec!["timeout: 300s -> 20s"]),
        (
            format!("{service}/serviceAccount"),
            json!("123-compute@developer.gserviceaccount.com"),
            vec!["serviceAccount: backend@netra-staging.iam.gserviceaccount.com -> -"],
        ),
        ("/connector/read/object/maxInstances".to_owned(), json!(3), vec!["maxInstances: 10 -> 3"]),
        (
            "/connector/read/object/ipCidrRange".to_owned(),
            json!("172.17.0.0/28"),
            vec!["ipCidrRange: 10.8.0.0/28 -> 172.17.0.0/28"],
        ),
        (
            "/instance/read/object/activationPolicy".to_owned(),
            json!("NEVER"),
            vec!["settings.activationPolicy: ALWAYS -> NEVER"],
        ),
        (
            "/instance/read/object/sslMode".to_owned(),
            json!("ENCRYPTED_ONLY"),
            vec!["settings.ipConfiguration.sslMode: ALLOW_UNENCRYPTED_AND_ENCRYPTED -> ENCRYPTED_ONLY"],
        ),
        (
            "/instance/read/object/flags".to_owned(),
            json!({"max_connections": "20", "log_connections": "on"}),
            vec![
                "settings.databaseFlags[log_connections]: - -> on",
                "settings.databaseFlags[max_connections]: 200 -> 20",
            ],
        ),
        (
            "/instance/read/object/ipAddresses/0/ipAddress".to_owned(),
            json!("10.20.0.9"),
            vec!["ipAddresses[PRIVATE]: 10.20.0.3 -> 10.20.0.9"],
        ),
        (
            "/network/read/object/peerings/0/exportCustomRoutes".to_owned(),
            json!(false),
            vec!["peerings[servicenetworking-googleapis-com].exportCustomRoutes: true -> false"],
        ),
        (
            "/network/read/object/peerings/0/importedRanges".to_owned(),
            json!([]),
            vec!["peerings[servicenetworking-googleapis-com].importedRanges: 10.20.0.0/24 -> -"],
        ),
        (
            "/network/read/object/routes/0/nextHop".to_owned(),
            json!("ip 10.10.0.7"),
            vec!["routes[0.0.0.0/0]: gateway default-internet-gateway priority=1000 -> ip 10.10.0.7 priority=1000"],
        ),
        (
            "/network/read/object/firewall/0/allow".to_owned(),
            json!(false),
            vec![
                "firewall[allow-db]: EGRESS allow priority=1000 ranges=10.20.0.0/24 ports=tcp:5432 -> EGRESS deny priority=1000 ranges=10.20.0.0/24 ports=tcp:5432",
            ],
        ),
        (
            "/connector".to_owned(),
            json!({"absent": "NotUsed"}),
            vec![": projects/netra-staging/locations/us-central1/connectors/staging-connector -> -"],
        ),
        (
            "/connector/read/name".to_owned(),
            json!("projects/netra-staging/locations/us-central1/connectors/other"),
            vec![
                ": projects/netra-staging/locations/us-central1/connectors/staging-connector -> projects/netra-staging/locations/us-central1/connectors/other",
            ],
        ),
    ];
    for (pointer, value, expected) in cases {
        assert_eq!(told(&against(&good(), &with(&pointer, value))), expected, "{pointer}");
    }
}

#[test]
fn where_the_path_leads_to_another_object_its_fields_are_not_compared_with_those_of_the_first() {
    let mut path = path();
    path["network"]["read"]["name"] = json!("projects/netra-staging/global/networks/other-vpc");
    path["network"]["read"]["object"] = json!({"mtu": 1300});
    let network = |name: &str| format!("projects/netra-staging/global/networks/{name}");
    let moved = format!(": {} -> {}", network("staging-vpc"), network("other-vpc"));
    assert_eq!(told(&against(&good(), &picture(&path))), std::slice::from_ref(&moved));
    let pinned = |name: &str| {
        let object = json!({"inspection": "Network", "name": name, "fields": {"mtu": "1460"}});
        let pin: BaselineSpec = serde_json::from_value(json!({"objects": [object]})).expect("a pin");
        told(&judge(Some(&pin), &Kept::default(), &picture(&path), None, noon()).drift)
    };
    assert_eq!(pinned(&network("staging-vpc")), [moved]);
    assert_eq!(pinned(&network("other-vpc")), ["mtu: 1460 -> 1300"]);
    assert_eq!(pinned(""), ["mtu: 1460 -> 1300"], "whichever network it is");
}

fn unread(why: &str) -> Value {
    json!({"unread": {"name": "x", "at": "2026-11-25T12:00:00Z", "why": why, "message": "asked", "remedy": "grant it"}})
}

#[test]
fn what_could_not_be_read_is_no_drift_and_what_does_not_exist_is() {
    for reading in [
        unread("PermissionDenied"),
        unread("Unavailable"),
        json!({"absent": "Undiscovered"}),
        json!({"absent": "SwitchedOff"}),
    ] {
        let picture = with("/connector", reading.clone());
        assert_eq!(told(&against(&good(), &picture)), Vec::<String>::new(), "{reading}");
        let later = snapshot(&picture, Some(&good()), noon());
        assert_eq!(later.objects.len(), good().objects.len(), "{reading}: the baseline keeps what it had");
    }
    assert_eq!(against(&good(), &with("/connector", unread("NotFound"))).len(), 1);
    let ranges = with("/network/read/object/peerings/0/importedRanges", Value::Null);
    assert_eq!(told(&against(&good(), &ranges)), Vec::<String>::new());
    assert_eq!(snapshot(&ranges, Some(&good()), noon()).objects, good().objects);
}

#[test]
fn a_zone_that_was_detached_is_told_from_one_that_is_gone_and_one_that_was_never_seen_is_no_part_of_the_path() {
    let full = |name: &str| format!("projects/netra-staging/global/networks/{name}");
    let zone = |name: &str, seen_by: &[&str]| {
        let networks: Vec<String> = seen_by.iter().map(|name| full(name)).collect();
        json!({"name": name, "dnsName": "staging.internal.", "networks": networks})
    };
    let with_zones = |zones: &[Value]| {
        let mut path = path();
        path["dnsZones"] =
            json!({"read": {"name": full("staging-vpc"), "at": "2026-11-25T11:59:00Z", "object": {"zones": zones}}});
        picture(&path)
    };
    let before = snapshot(&with_zones(&[zone("ours", &["staging-vpc"]), zone("theirs", &["other-vpc"])]), None, noon());
    let now = |zones: &[Value]| told(&against(&before, &with_zones(zones)));
    assert_eq!(now(&[zone("ours", &["staging-vpc"]), zone("theirs", &[])]), [""; 0]);
    assert_eq!(now(&[zone("ours", &["other-vpc"])]), ["zones[ours].networks: staging-vpc -> other-vpc"]);
    assert_eq!(now(&[zone("ours", &[])]), ["zones[ours].networks: staging-vpc -> -"]);
    assert_eq!(
        now(&[zone("theirs", &["other-vpc"])]),
        ["zones[ours].dnsName: staging.internal. -> -", "zones[ours].networks: staging-vpc -> -"]
    );
    // The same network by its project's number, as an interface may name it.
    let mut numbered = with_zones(&[zone("ours", &["staging-vpc"])]);
    let Reading::Read(found) = &mut numbered.dns_zones else { panic!("they are read") };
    found.name = "projects/123456/global/networks/staging-vpc".into();
    assert_eq!(told(&against(&before, &numbered)), [""; 0]);
    // Of the same name in another project: it is not this network that sees the zone.
    let mut elsewhere = zone("ours", &[]);
    elsewhere["networks"] = json!(["projects/host/global/networks/staging-vpc"]);
    assert_eq!(now(&[elsewhere]), ["zones[ours].networks: staging-vpc -> projects/host/global/networks/staging-vpc"]);
}

#[test]
fn drift_that_was_known_stays_while_its_object_can_not_be_read() {
    let changed = against(&good(), &with("/connector/read/object/maxInstances", json!(3)));
    let later =
        diff(&good(), &with("/connector", unread("Throttled")), &changed, Compared::Every, at("2026-11-25T13:00:00Z"));
    assert_eq!(later, changed);
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
fn a_configuration_is_learned_once_the_check_is_steadily_ready() {
    let good = picture(&path());
    let step = |ready_since, now| judge(None, &Kept::default(), &good, ready_since, now);
    assert_eq!(step(None, noon()), Kept::default());
    assert_eq!(step(Some(noon()), after(noon(), STEADY - Duration::from_secs(1))), Kept::default());
    let learned = step(Some(noon()), after(noon(), STEADY));
    assert_eq!(learned.baseline.expect("a baseline").taken.0, after(noon(), STEADY));
    assert_eq!(
        judge(None, &Kept::default(), &Picture::default(), Some(noon()), after(noon(), STEADY)),
        Kept::default()
    );
}

#[test]
fn a_change_shows_at_once_and_is_adopted_after_a_day_of_ready_alone() {
    let changed = with("/connector/read/object/maxInstances", json!(3));
    let known = judge(None, &Kept::default(), &picture(&path()), Some(noon()), after(noon(), STEADY));
    let seen = after(noon(), Duration::from_secs(3600));
    let drifted = judge(None, &known, &changed, Some(noon()), seen);
    assert_eq!((drifted.drift.len(), &drifted.baseline), (1, &known.baseline));

    let day = after(seen, ADOPTED_AFTER);
    let not_yet = judge(
        None,
        &drifted,
        &changed,
        Some(noon()),
        after(day, Duration::ZERO).checked_sub(Duration::from_secs(1)).expect("a time"),
    );
    assert_eq!(not_yet.drift, drifted.drift);
    for unsteady in [None, Some(after(seen, Duration::from_secs(60)))] {
        assert_eq!(judge(None, &drifted, &changed, unsteady, day).drift.len(), 1, "Ready since {unsteady:?}");
    }
    let adopted = judge(None, &drifted, &changed, Some(noon()), day);
    assert_eq!((adopted.drift.len(), adopted.baseline.expect("a baseline").taken.0), (0, day));

    let back = judge(None, &drifted, &picture(&path()), Some(noon()), day);
    assert_eq!((back.drift.len(), &back.baseline), (0, &known.baseline));
}

#[test]
fn more_differences_than_are_listed_are_adopted_after_a_day_all_the_same() {
    let route = |index: u32| json!({"name": "r", "destRange": format!("10.{index}.0.0/16"), "nextHop": "ip 10.0.0.1"});
    let changed = with("/network/read/object/routes", (0..70).map(route).collect());
    let known = judge(None, &Kept::default(), &picture(&path()), Some(noon()), after(noon(), STEADY));
    let hour = |hours: u32| after(noon(), Duration::from_secs(3600) * hours);
    let mut kept = known.clone();
    for hours in 1..25 {
        kept = judge(None, &kept, &changed, Some(noon()), hour(hours));
        assert_eq!((kept.drift.len(), &kept.baseline), (MAX_DRIFT, &known.baseline), "after {hours} hours");
    }
    kept = judge(None, &kept, &changed, Some(noon()), hour(25));
    assert_eq!((kept.drift.len(), kept.baseline.expect("a baseline").taken.0), (0, hour(25)));
}

#[test]
fn an_outage_never_becomes_its_own_baseline() {
    let known = judge(None, &Kept::default(), &picture(&path()), Some(noon()), after(noon(), STEADY));
    let broken = with("/service/read/object/template/vpcAccess", Value::Null);
    let mut kept = known.clone();
    for hours in 1..100 {
        kept = judge(None, &kept, &broken, None, after(noon(), Duration::from_secs(3600 * hours)));
        assert_eq!((kept.drift.len(), &kept.baseline), (2, &known.baseline), "after {hours} hours");
    }
}

#[test]
fn an_object_that_could_be_read_later_joins_the_baseline_without_drift() {
    let without = with("/instance", unread("PermissionDenied"));
    let known = judge(None, &Kept::default(), &without, Some(noon()), after(noon(), STEADY));
    let later = judge(None, &known, &picture(&path()), Some(noon()), after(noon(), STEADY * 2));
    assert_eq!(later.drift, []);
    let inspections: Vec<Inspection> =
        later.baseline.expect("a baseline").objects.iter().map(|object| object.inspection).collect();
    assert!(inspections.contains(&Inspection::Instance), "{inspections:?}");
}

#[test]
fn a_pinned_configuration_is_compared_by_what_it_names_and_never_replaced() {
    let pin: BaselineSpec = serde_json::from_value(json!({"objects": [{
        "inspection": "Service",
        "fields": {"vpcAccess.egress": "ALL_TRAFFIC", "cloudSqlInstances": "", "timeout": "300s"},
    }]}))
    .expect("a pin");
    let mut kept = Kept::default();
    for days in 0..4 {
        let now = after(noon(), ADOPTED_AFTER * days);
        kept = judge(Some(&pin), &kept, &picture(&path()), Some(noon()), now);
        assert_eq!(told(&kept.drift), ["vpcAccess.egress: ALL_TRAFFIC -> PRIVATE_RANGES_ONLY"]);
        assert_eq!((kept.drift[0].since, &kept.baseline), (noon(), &None));
    }
}

#[test]
fn not_before_has_the_configuration_learned_anew() {
    let known = judge(None, &Kept::default(), &picture(&path()), Some(noon()), after(noon(), STEADY));
    let changed = with("/connector/read/object/maxInstances", json!(3));
    let asked = after(noon(), Duration::from_secs(3600));
    let spec: BaselineSpec = serde_json::from_value(json!({"notBefore": asked.to_string()})).expect("a spec");
    let early = judge(Some(&spec), &known, &changed, Some(noon()), after(asked, STEADY / 2));
    assert_eq!(early, Kept::default());
    let learned = judge(Some(&spec), &early, &changed, Some(noon()), after(asked, STEADY));
    assert_eq!(learned.drift, []);
    assert!(learned.baseline.is_some());
    let held = judge(Some(&spec), &learned, &changed, Some(noon()), after(asked, STEADY * 3));
    assert_eq!(held, learned);
}

#[test]
fn a_baseline_survives_the_way_through_a_status() {
    let good = good();
    let text = serde_yaml::to_string(&good).expect("YAML");
    assert_eq!(serde_yaml::from_str::<Baseline>(&text).expect("a baseline"), good);
}
