//! A baseline that an older runready has taken: no drift because more is read, or otherwise, since then.

use std::sync::Arc;

use runready::api::baseline::Baseline;
use runready::baseline::diff::Compared;
use runready::baseline::learn::STEADY;
use runready::baseline::{Kept, diff, judge, snapshot};
use runready::cloud::{Inspection, Picture};
use serde_json::{Value, json};

use super::{after, against, at, noon, path, picture, told, unread};

const NOTHING: [&str; 0] = [];

/// The path with private zones, and one thing changed.
fn seen(pointer: &str, value: Value) -> Picture {
    let mut path = path();
    let name = "projects/netra-staging/global/networks/staging-vpc";
    let seen_by = [name, "projects/netra-host/global/networks/staging-vpc"];
    let zone = json!({"name": "staging", "dnsName": "staging.internal.", "networks": seen_by});
    path["dnsZones"] = json!({"read": {"name": name, "at": "2026-11-25T11:59:00Z", "object": {"zones": [zone]}}});
    let access = json!({
        "account": "backend@netra-staging.iam.gserviceaccount.com", "connect": "Condition", "login": "NotShown",
        "roles": ["roles/cloudsql.viewer"],
    });
    path["access"] =
        json!({"read": {"name": "projects/netra-staging", "at": "2026-11-25T11:59:00Z", "object": access}});
    if !pointer.is_empty() {
        *path.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is not there")) = value;
    }
    picture(&path)
}

fn now() -> Picture {
    seen("", Value::Null)
}

/// What an older runready has taken of the same path: no allocated ranges, and hops and networks by short names.
fn old() -> Baseline {
    let mut old = serde_json::to_value(snapshot(&now(), None, noon())).expect("JSON");
    old.as_object_mut().expect("a baseline").remove("format").expect("it is written");
    for object in old["objects"].as_array_mut().expect("objects") {
        let Some(fields) = object.get_mut("fields").and_then(Value::as_object_mut) else { continue };
        fields.remove("allocatedRanges[services]");
        if fields.keys().any(|field| field.starts_with("roles[")) {
            fields.insert("roles[roles/cloudsql.client_withcond_0123456789abcdef]".to_owned(), json!("granted"));
        }
        for (field, value) in fields {
            match &**field {
                "routes[0.0.0.0/0]" => *value = json!("instance nat priority=1000"),
                "zones[staging].networks" => *value = json!("staging-vpc"),
                _ => {}
            }
        }
    }
    serde_json::from_value(old).expect("a baseline")
}

fn known(baseline: Baseline) -> Kept {
    Kept { baseline: Some(Arc::new(baseline)), drift: Vec::new() }
}

#[test]
fn what_an_older_runready_read_otherwise_is_no_drift_and_is_learned_anew_while_the_check_is_ready() {
    assert_eq!(old().format, 0);
    let conditional = |object: &runready::api::baseline::BaselineObject| {
        object.fields.keys().any(|field| field.contains("_withcond_"))
    };
    assert!(old().objects.iter().any(conditional), "a role that is not kept any more");
    assert_eq!(told(&against(&old(), &now())), NOTHING);
    assert_eq!(
        told(&against(&old(), &seen("/network/read/object/peerings/0/exportCustomRoutes", json!(false)))),
        ["peerings[servicenetworking-googleapis-com].exportCustomRoutes: true -> false"],
        "the others are compared"
    );

    let outage = judge(None, &known(old()), &now(), None, after(noon(), STEADY));
    assert_eq!(outage, known(old()), "nothing is learned while it is not Ready");
    let learned = judge(None, &known(old()), &now(), Some(noon()), after(noon(), STEADY));
    assert_eq!(told(&learned.drift), NOTHING);
    let baseline = learned.baseline.clone().expect("a baseline");
    assert_eq!(*baseline, snapshot(&now(), None, noon()), "and counts from when it was taken");
    assert_eq!(baseline.format, 1);

    for (pointer, value, field) in [
        ("/network/read/object/allocatedRanges", json!([]), "allocatedRanges[services]"),
        ("/network/read/object/routes", json!([]), "routes[0.0.0.0/0]"),
        ("/network/read/object/firewall/0/allow", json!(false), "firewall[allow-db]"),
        ("/dnsZones/read/object/zones/0/networks/1", json!("projects/p/global/networks/n"), "zones[staging].networks"),
    ] {
        let drift = judge(None, &learned, &seen(pointer, value), Some(noon()), after(noon(), STEADY * 2)).drift;
        assert_eq!(drift.iter().map(|drift| &*drift.field).collect::<Vec<_>>(), [field]);
    }
}

#[test]
fn what_can_not_be_read_at_an_upgrade_is_learned_when_it_can() {
    for pointer in ["/network", "/dnsZones"] {
        let without = seen(pointer, unread("PermissionDenied"));
        let upgraded = judge(None, &known(old()), &without, Some(noon()), after(noon(), STEADY));
        assert_eq!((told(&upgraded.drift).len(), upgraded.baseline.as_ref().map(|known| known.format)), (0, Some(1)));
        let broken = judge(None, &upgraded, &now(), None, after(noon(), STEADY * 2));
        assert_eq!(told(&broken.drift), NOTHING, "{pointer}: read otherwise is not changed");
        let whole = judge(None, &upgraded, &now(), Some(noon()), after(noon(), STEADY * 2));
        assert_eq!(told(&whole.drift), NOTHING, "{pointer}");
        assert_eq!(*whole.baseline.expect("a baseline"), snapshot(&now(), None, noon()), "{pointer}");
    }
}

#[test]
fn drift_that_was_known_outlives_an_upgrade() {
    let baseline = snapshot(&now(), None, noon());
    let lost = diff(&baseline, &seen("/network/read/object/routes", json!([])), &[], Compared::Every, noon());
    assert_eq!(lost.len(), 1);
    let later = at("2026-11-25T13:00:00Z");
    assert_eq!(diff(&old(), &seen("/network/read/object/routes", json!([])), &lost, Compared::Every, later), lost);
}

#[test]
fn a_long_list_of_which_an_older_runready_kept_so_many_fields_shows_no_drift() {
    let peerings = |export: bool| -> Value {
        let peering = |index: usize| {
            json!({
                "name": format!("p{index}"), "network": "projects/p/global/networks/n", "state": "ACTIVE",
                "exportCustomRoutes": export || index > 0,
            })
        };
        (0..10).map(peering).collect()
    };
    let now = |export: bool| seen("/network/read/object/peerings", peerings(export));
    let whole = snapshot(&now(true), None, noon());
    let mut old = Baseline { format: 0, ..whole.clone() };
    let network = old.objects.iter_mut().find(|object| object.inspection == Inspection::Network).expect("a network");
    let names: Vec<String> = network.fields.keys().filter(|field| field.starts_with("peerings[")).cloned().collect();
    assert_eq!(names.len(), 30);
    // The last one that it kept lacks a field.
    names[23..].iter().for_each(|field| _ = network.fields.remove(field));
    network.fields.insert("peerings[*]".to_owned(), "7 more (hash 0123456789abcdef)".to_owned());
    assert_eq!(told(&against(&old, &now(true))), NOTHING);
    assert_eq!(told(&against(&old, &now(false))), ["peerings[p0].exportCustomRoutes: true -> false"]);
    let learned = judge(None, &known(old), &now(true), Some(noon()), after(noon(), STEADY));
    assert_eq!(learned.baseline.expect("a baseline").objects, whole.objects);
}

#[test]
fn a_pinned_configuration_is_compared_whatever_has_read_it() {
    let pin = json!({"objects": [{
        "inspection": "Network", "fields": {"allocatedRanges[services]": "10.30.0.0/24", "routes[*]": "not all read"},
    }]});
    let pin = serde_json::from_value(pin).expect("a pin");
    let drift = judge(Some(&pin), &Kept::default(), &now(), None, noon()).drift;
    assert_eq!(told(&drift), ["allocatedRanges[services]: 10.30.0.0/24 -> 10.20.0.0/24"]);
}
