//! Whom audit logs name for what differs: which entry is taken for which field, and which is not.

use runready::api::baseline::Baseline;
use runready::baseline::diff::Compared;
use runready::baseline::{PATIENCE, diff, sentence, snapshot, sought};
use runready::cloud::{Drift, Inspection};
use serde_json::{Value, json};

use super::{at, noon, path, picture};

const SEEN: &str = "2026-11-25T12:41:00Z";
const VPC: &str = "google.cloud.vpcaccess.v1.VpcAccessService";
const CONNECTOR: &str = "projects/netra-staging/locations/us-central1/connectors/staging-connector";
const NETWORK: &str = "projects/netra-staging/global/networks/staging-vpc";

/// An entry: minutes after noon, who, method, resource.
fn entry(minute: u32, principal: &str, method: &str, resource: &str) -> Value {
    json!({
        "at": format!("2026-11-25T12:{minute:02}:00Z"), "principal": principal, "method": method, "resource": resource,
    })
}

fn about(mut entry: Value, about: &[&str]) -> Value {
    entry["about"] = json!(about);
    entry
}

/// What differs where one thing has changed, and audit logs tell that.
fn drift(change: &[(&str, Value)], entries: &[Value]) -> Vec<Drift> {
    diff(&known(), &seen(change, entries), &[], Compared::Every, at(SEEN))
}

fn known() -> Baseline {
    snapshot(&seen(&[], &[]), None, noon())
}

fn seen(change: &[(&str, Value)], entries: &[Value]) -> runready::cloud::Picture {
    let mut path = path();
    let found =
        |name: &str, object: Value| json!({"read": {"name": name, "at": "2026-11-25T12:41:00Z", "object": object}});
    path["network"]["read"]["object"]["mtu"] = json!(1460);
    path["dnsZones"] =
        found(NETWORK, json!({"zones": [{"name": "staging", "dnsName": "staging.internal.", "networks": [NETWORK]}]}));
    let account = "backend@netra-staging.iam.gserviceaccount.com";
    let access =
        json!({"account": account, "connect": "Granted", "login": "Granted", "roles": ["roles/cloudsql.client"]});
    path["access"] = found("projects/netra-staging", access);
    for (pointer, value) in change {
        *path.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is not there")) = value.clone();
    }
    path["auditLog"] = json!([found("projects/netra-staging", json!(entries))]);
    picture(&path)
}

/// Who is named for a field.
fn by(drift: &[Drift], field: &str) -> Option<String> {
    let found = drift.iter().find(|drift| drift.field == field);
    found.unwrap_or_else(|| panic!("{field} does not differ: {drift:#?}")).by.clone()
}

/// What changes, at which pointer and under which field; a method, its resource, and whether that is taken for it.
type Case<'a> = (&'a (&'a str, Value, &'a str), &'a str, &'a str, bool);

#[test]
fn an_entry_is_matched_by_its_resource_however_the_api_names_it_and_by_what_its_method_does() {
    let connector = ("/connector/read/object/maxInstances", json!(3), "maxInstances");
    let tier = ("/instance/read/object/tier", json!("db-f1-micro"), "settings.tier");
    let timeout = ("/service/read/object/template/timeoutSeconds", json!(20), "timeout");
    let mtu = ("/network/read/object/mtu", json!(1300), "mtu");
    let at_peering = "peerings[servicenetworking-googleapis-com].exportCustomRoutes";
    let peering = ("/network/read/object/peerings/0/exportCustomRoutes", json!(false), at_peering);
    let ranges = "peerings[servicenetworking-googleapis-com].importedRanges";
    let ranges = ("/network/read/object/peerings/0/importedRanges", json!(["10.21.0.0/24"]), ranges);
    let subnet =
        ("/network/read/object/subnets/0/ipCidrRange", json!("10.10.0.0/25"), "subnets[us-central1/apps].ipCidrRange");
    let firewall = ("/network/read/object/firewall/0/allow", json!(false), "firewall[allow-db]");
    let allocated =
        ("/network/read/object/allocatedRanges/0/range", json!("10.30.0.0/24"), "allocatedRanges[services]");
    let zone = ("/dnsZones/read/object/zones/0/dnsName", json!("other.internal."), "zones[staging].dnsName");
    let update = format!("{VPC}.UpdateConnector");
    let replace = "google.cloud.run.v1.Services.ReplaceService";
    let cases: &[Case<'_>] = &[
        (&connector, &update, CONNECTOR, true),
        (&connector, &update.replace("v1", "v1beta1"), CONNECTOR, true),
        (&connector, &update, "projects/123456789/locations/us-central1/connectors/staging-connector", true),
        (&connector, &update, "projects/other/locations/us-central1/connectors/staging-connector", false),
        (&connector, &update, "projects/netra-staging/locations/us-east1/connectors/staging-connector", false),
        (&connector, &update, "projects/netra-staging/locations/us-central1/connectors/my-staging-connector", false),
        (&connector, &format!("{VPC}.GetConnector"), CONNECTOR, false),
        (&tier, "cloudsql.instances.update", "projects/netra-staging/instances/staging-shared-postgres", true),
        (&tier, "cloudsql.instances.patch", "instances/staging-shared-postgres", true),
        (&tier, "cloudsql.instances.restart", "instances/staging-shared-postgres", false),
        (&tier, "cloudsql.users.update", "instances/staging-shared-postgres", false),
        (&timeout, replace, "namespaces/netra-staging/services/backend", true),
        (&timeout, replace, "namespaces/other/services/backend", false),
        (&timeout, replace, "namespaces/netra-staging/services/backend-worker", false),
        (
            &timeout,
            "google.cloud.run.v2.Services.UpdateService",
            "projects/netra-staging/locations/us-central1/services/backend",
            true,
        ),
        (
            &timeout,
            "google.cloud.run.v1.Services.SetIamPolicy",
            "projects/netra-staging/locations/us-central1/services/backend",
            false,
        ),
        (&mtu, "v1.compute.networks.patch", NETWORK, true),
        (&mtu, "beta.compute.networks.patch", "projects/123456789/global/networks/staging-vpc", true),
        (&mtu, "v1.compute.networks.removePeering", NETWORK, false),
        (
            &mtu,
            "v1.compute.subnetworks.patch",
            "projects/netra-staging/regions/us-central1/subnetworks/staging-vpc",
            false,
        ),
        (&peering, "v1.compute.networks.updatePeering", NETWORK, true),
        (&peering, "v1.compute.networks.patch", NETWORK, false),
        // The project at the other end announces them.
        (&ranges, "v1.compute.networks.updatePeering", NETWORK, false),
        (
            &subnet,
            "v1.compute.subnetworks.expandIpCidrRange",
            "projects/netra-staging/regions/us-central1/subnetworks/apps",
            true,
        ),
        (&subnet, "v1.compute.subnetworks.patch", "projects/netra-staging/regions/us-east1/subnetworks/apps", false),
        (&firewall, "v1.compute.firewalls.patch", "projects/netra-staging/global/firewalls/allow-db", true),
        (&firewall, "v1.compute.firewalls.patch", "projects/netra-staging/global/firewalls/allow-dbs", false),
        (&allocated, "v1.compute.globalAddresses.delete", "projects/netra-staging/global/addresses/services", true),
        (&allocated, "v1.compute.globalAddresses.delete", "projects/netra-staging/global/addresses/other", false),
        (&zone, "dns.managedZones.patch", "managedZones/staging", true),
        (&zone, "dns.managedZones.patch", "projects/netra-staging/managedZones/staging", true),
        (&zone, "dns.changes.create", "managedZones/staging", false),
    ];
    for ((pointer, value, field), method, resource, named) in cases {
        let entries = [entry(30, "who@netra.example", method, resource)];
        let found = by(&drift(&[(pointer, value.clone())], &entries), field);
        assert_eq!(found.as_deref(), named.then_some("who@netra.example"), "{field}: {method} of {resource}");
    }
}

#[test]
fn the_latest_change_after_the_baseline_and_before_the_drift_was_seen_counts_with_its_time() {
    let update = format!("{VPC}.UpdateConnector");
    let of = |minute, who: &str| entry(minute, who, &update, CONNECTOR);
    let mut before = of(0, "before@netra.example");
    before["at"] = json!("2026-11-25T11:59:59Z");
    let entries =
        [of(42, "later@netra.example"), of(20, "first@netra.example"), of(40, "last@netra.example"), before.clone()];
    let change = [("/connector/read/object/maxInstances", json!(3))];
    let found = drift(&change, &entries);
    assert_eq!(
        sentence(&found[0]),
        "maxInstances of staging-connector was \"10\", is \"3\" since 2026-11-25T12:40:00Z (by last@netra.example)"
    );
    assert_eq!((found[0].since, found[0].changed), (at(SEEN), Some(at("2026-11-25T12:40:00Z"))));
    assert_eq!(by(&drift(&change, &[before]), "maxInstances"), None, "that is what the baseline was made of");
    // Whoever comes later does not take the place of who did it.
    let again = diff(
        &known(),
        &seen(&change, &[of(50, "later@netra.example")]),
        &found,
        Compared::Every,
        at("2026-11-25T13:00:00Z"),
    );
    assert_eq!(again, found);
}

#[test]
fn an_entry_that_comes_late_names_whoever_did_it_when_it_comes() {
    let change = [("/connector/read/object/maxInstances", json!(3))];
    let first = drift(&change, &[]);
    assert_eq!(first[0].by, None);
    let entries = [entry(40, "who@netra.example", &format!("{VPC}.UpdateConnector"), CONNECTOR)];
    let later = diff(&known(), &seen(&change, &entries), &first, Compared::Every, at("2026-11-25T12:43:00Z"));
    assert_eq!((later[0].since, later[0].by.as_deref()), (at(SEEN), Some("who@netra.example")));
}

#[test]
fn a_route_goes_by_its_range_and_one_that_is_gone_by_the_only_deletion() {
    let route = |name: &str| format!("projects/netra-staging/global/routes/{name}");
    let insert = |who, range| about(entry(30, who, "v1.compute.routes.insert", &route("r")), &[range]);
    let delete = |minute, who| entry(minute, who, "v1.compute.routes.delete", &route("default-route-1"));
    let changed = [("/network/read/object/routes/0/nextHop", json!("instance nat"))];
    let gone = [("/network/read/object/routes", json!([]))];
    let field = "routes[0.0.0.0/0]";
    let named = |change: &[(&str, Value)], entries: &[Value]| by(&drift(change, entries), field);
    let entries = [insert("other@netra.example", "10.0.0.0/8"), insert("who@netra.example", "0.0.0.0/0")];
    assert_eq!(named(&changed, &entries).as_deref(), Some("who@netra.example"));
    assert_eq!(named(&changed, &[delete(31, "who@netra.example")]), None, "it is there");
    assert_eq!(named(&gone, &[delete(31, "who@netra.example")]).as_deref(), Some("who@netra.example"));
    let two = [delete(31, "who@netra.example"), delete(32, "other@netra.example")];
    assert_eq!(named(&gone, &two), None, "nobody can tell which");
    let hop = |hop: &str| ("/network/read/object/routes/0/nextHop", json!(hop));
    let lost = diff(
        &snapshot(&seen(&[hop("peering servicenetworking-googleapis-com")], &[]), None, noon()),
        &seen(&gone, &[delete(31, "who@netra.example")]),
        &[],
        Compared::Every,
        at(SEEN),
    );
    assert_eq!(by(&lost, field), None, "nobody deletes a route of a peering");
}

#[test]
fn a_role_goes_by_what_the_policy_gave_or_took_from_that_account() {
    let change = [("/access/read/object/roles", json!([]))];
    let of = |who, role: &str, member: &str| {
        about(entry(30, who, "SetIamPolicy", "projects/netra-staging"), &[&format!("{role} {member}")])
    };
    let account = "serviceAccount:backend@netra-staging.iam.gserviceaccount.com";
    let entries = [
        of("who@netra.example", "roles/cloudsql.client", account),
        of("role@netra.example", "roles/owner", account),
        of("member@netra.example", "roles/cloudsql.client", "user:dba@netra.example"),
    ];
    for (entries, named) in [(&entries[..], Some("who@netra.example")), (&entries[1..], None)] {
        assert_eq!(by(&drift(&change, entries), "roles[roles/cloudsql.client]").as_deref(), named);
    }
}

#[test]
fn what_is_gone_goes_by_its_deletion_and_another_object_by_whoever_points_there() {
    let missing = json!({"unread": {
        "name": CONNECTOR, "at": SEEN, "why": "NotFound", "message": "", "remedy": "",
    }});
    let update = entry(35, "late@netra.example", &format!("{VPC}.UpdateConnector"), CONNECTOR);
    let delete = entry(30, "who@netra.example", &format!("{VPC}.DeleteConnector"), CONNECTOR);
    let found = drift(&[("/connector", missing)], &[update, delete]);
    assert_eq!((found.len(), by(&found, "").as_deref()), (1, Some("who@netra.example")), "{found:#?}");

    let other = CONNECTOR.replace("staging-connector", "other");
    let moved = [
        ("/connector/read/name", json!(other)),
        ("/service/read/object/template/vpcAccess/connector", json!(other)),
        ("/service/read/object/lastModifier", json!("")),
    ];
    let entries = [
        entry(20, "owner@netra.example", &format!("{VPC}.UpdateConnector"), &other),
        entry(
            30,
            "who@netra.example",
            "google.cloud.run.v1.Services.ReplaceService",
            "namespaces/netra-staging/services/backend",
        ),
    ];
    let found = drift(&moved, &entries);
    assert_eq!(by(&found, "").as_deref(), Some("who@netra.example"), "{found:#?}");
}

#[test]
fn a_name_shows_nothing_but_itself() {
    let change = [("/connector/read/object/maxInstances", json!(3))];
    let who = format!("\u{1b}[31m\u{202e}{}", "x".repeat(10_000));
    let named = by(&drift(&change, &[entry(30, &who, &format!("{VPC}.UpdateConnector"), CONNECTOR)]), "maxInstances");
    let named = named.expect("a name");
    assert!(named.chars().count() == 256 && !named.contains(['\u{1b}', '\u{202e}']), "{named}");
    let nobody = drift(&change, &[entry(30, "", &format!("{VPC}.UpdateConnector"), CONNECTOR)]);
    assert_eq!((nobody[0].by.as_deref(), nobody[0].changed), (None, Some(at("2026-11-25T12:30:00Z"))));
}

#[test]
fn audit_logs_are_asked_of_what_has_no_author_for_as_long_as_an_entry_may_take_to_come() {
    let change = [
        ("/connector/read/object/maxInstances", json!(3)),
        ("/connector/read/object/minInstances", json!(1)),
        ("/network/read/object/peerings/0/importedRanges", json!([])),
    ];
    let found = drift(&change, &[]);
    assert_eq!(found.len(), 3);
    let asked = sought(&found, None);
    assert_eq!(asked.len(), 1, "once for two fields, and not for what no log tells: {asked:?}");
    assert_eq!((asked[0].inspection, &*asked[0].object), (Inspection::Connector, CONNECTOR));
    let later = |by: std::time::Duration| Some(at(SEEN).checked_add(by).expect("a time"));
    assert_eq!(sought(&found, later(PATIENCE / 2)), asked);
    assert!(sought(&found, later(PATIENCE)).is_empty(), "it does not come any more");
    let told = drift(&change[..2], &[entry(40, "who@netra.example", &format!("{VPC}.UpdateConnector"), CONNECTOR)]);
    assert!(sought(&told, None).is_empty(), "it is known");
    let mut forged = found;
    forged[0].object = format!("{CONNECTOR}\" OR \"");
    forged[1].object = "organizations/1/connectors/c".to_owned();
    assert!(sought(&forged, None).is_empty(), "a status may have been written by others");
}
