//! What counts as a difference and what does not: every field of the path, against what the server fills in, what could not be read
//! and what is another object.

use runready::api::baseline::BaselineSpec;
use runready::baseline::diff::Compared;
use runready::baseline::{Kept, diff, judge, snapshot};
use runready::cloud::Reading;
use serde_json::{Value, json};

use super::{against, at, good, noon, path, picture, told, unread, with};

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
