//! What a baseline keeps of lists: so many entries, and nothing lost while a list is not read whole.

use runready::api::baseline::{Baseline, BaselineObject, MAX_FIELDS};
use runready::baseline::diff::Compared;
use runready::baseline::learn::STEADY;
use runready::baseline::{Kept, diff, judge, snapshot};
use runready::cloud::{Inspection, Picture};
use serde_json::{Value, json};

use super::{after, against, at, good, noon, path, picture, told, with};

/// The lists of a network, as the API and the baseline call them.
const LISTS: [&str; 5] = ["peerings", "subnets", "allocatedRanges", "routes", "firewall"];
const NOTHING: [&str; 0] = [];

/// The path with that list of its network, and whether that is only a part.
fn listed(list: &str, entries: Value, part: bool) -> Picture {
    let mut path = path();
    let network = &mut path["network"]["read"]["object"];
    network[list] = entries;
    network["cut"] = if part { json!([list]) } else { json!([]) };
    picture(&path)
}

fn routes(count: usize) -> Value {
    let route =
        |index: usize| json!({"name": "r", "destRange": format!("10.{index}.0.0/16"), "nextHop": "ip 10.0.0.1"});
    (0..count).map(route).collect()
}

fn network(baseline: &Baseline) -> &BaselineObject {
    let mut objects = baseline.objects.iter();
    objects.find(|object| object.inspection == Inspection::Network).expect("a network")
}

/// What is known after the check was Ready with that for so many times of what it takes to learn.
fn steadily(kept: &Kept, picture: &Picture, times: u32) -> Kept {
    judge(None, kept, picture, Some(noon()), after(noon(), STEADY * times))
}

#[test]
fn what_is_missing_of_a_list_that_was_cut_is_not_gone() {
    for list in LISTS {
        let (lost, cut) = (listed(list, json!([]), false), listed(list, json!([]), true));
        let gone = against(&good(), &lost);
        assert!(!gone.is_empty(), "{list}");
        assert_eq!(told(&against(&good(), &cut)), NOTHING, "{list}");
        assert_eq!(diff(&good(), &cut, &gone, Compared::Every, at("2026-11-25T13:00:00Z")), gone, "{list}: known");
        assert_eq!(snapshot(&cut, Some(&good()), noon()).objects, good().objects, "{list}: nothing is forgotten");
    }
}

#[test]
fn what_a_list_that_is_cut_still_shows_is_compared_and_its_rest_is_not() {
    let baseline = snapshot(&listed("routes", routes(40), false), None, noon());
    assert!(!against(&baseline, &listed("routes", routes(30), false)).is_empty());
    let part = listed("routes", routes(30), true);
    assert_eq!(told(&against(&baseline, &part)), NOTHING);
    assert_eq!(snapshot(&part, Some(&baseline), noon()).objects, baseline.objects);
    let mut changed = routes(30);
    changed[0]["nextHop"] = json!("ip 10.0.0.2");
    assert_eq!(
        told(&against(&baseline, &listed("routes", changed, true))),
        ["routes[10.0.0.0/16]: ip 10.0.0.1 priority=0 -> ip 10.0.0.2 priority=0"]
    );
    // One that is new is new, where all of them were known.
    let few = snapshot(&listed("routes", routes(2), false), None, noon());
    assert_eq!(
        told(&against(&few, &listed("routes", routes(3), true))),
        ["routes[10.2.0.0/16]: - -> ip 10.0.0.1 priority=0"]
    );
}

#[test]
fn a_list_that_was_cut_when_it_was_learned_is_filled_in_and_shows_no_drift() {
    for list in LISTS {
        let cut = listed(list, json!([]), true);
        let learned = steadily(&Kept::default(), &cut, 1);
        assert_eq!(told(&steadily(&learned, &cut, 2).drift), NOTHING, "{list}");
        let whole = steadily(&learned, &picture(&path()), 3);
        assert_eq!(told(&whole.drift), NOTHING, "{list}");
        let baseline = whole.baseline.clone().expect("a baseline");
        assert_eq!(baseline.objects, good().objects, "{list}");
        let lost = steadily(&whole, &listed(list, json!([]), false), 4);
        assert!(!lost.drift.is_empty(), "{list}");
    }
    // Of one that stays cut what was read is known, and the others are not new.
    let learned = steadily(&Kept::default(), &listed("routes", routes(30), true), 1);
    assert_eq!(told(&steadily(&learned, &listed("routes", routes(35), true), 2).drift), NOTHING);
    assert_eq!(told(&steadily(&learned, &listed("routes", routes(40), false), 2).drift), NOTHING);
}

#[test]
fn ranges_that_were_not_read_are_no_drift_then_or_later() {
    for pointer in ["/network/read/object/allocatedRanges", "/network/read/object/peerings/0/importedRanges"] {
        let unread = with(pointer, Value::Null);
        let gone = against(&good(), &with(pointer, json!([])));
        assert_eq!((gone.len(), told(&against(&good(), &unread)).len()), (1, 0), "{pointer}");
        assert_eq!(diff(&good(), &unread, &gone, Compared::Every, noon()), gone, "{pointer}");
        assert_eq!(snapshot(&unread, Some(&good()), noon()).objects, good().objects, "{pointer}");
        let learned = steadily(&Kept::default(), &unread, 1);
        let whole = steadily(&learned, &picture(&path()), 2);
        assert_eq!(told(&whole.drift), NOTHING, "{pointer}");
        assert_eq!(whole.baseline.expect("a baseline").objects, good().objects, "{pointer}");
    }
}

#[test]
fn what_is_missing_of_the_zones_is_not_gone_while_they_were_cut() {
    let zones = |entries: Value, cut: bool| {
        let name = "projects/netra-staging/global/networks/staging-vpc";
        let mut path = path();
        path["dnsZones"] = json!({"read": {
            "name": name, "at": "2026-11-25T11:59:00Z", "object": {"zones": entries, "cut": cut},
        }});
        picture(&path)
    };
    let ours = |networks: Value| json!([{"name": "ours", "dnsName": "staging.internal.", "networks": networks}]);
    let all = zones(ours(json!(["projects/netra-staging/global/networks/staging-vpc"])), false);
    let baseline = snapshot(&all, None, noon());
    assert_eq!(against(&baseline, &zones(json!([]), false)).len(), 2);
    assert_eq!(told(&against(&baseline, &zones(json!([]), true))), NOTHING);
    assert_eq!(snapshot(&zones(json!([]), true), Some(&baseline), noon()).objects, baseline.objects);
    assert_eq!(
        told(&against(&baseline, &zones(ours(json!([])), true))),
        ["zones[ours].networks: staging-vpc -> -"],
        "it is there, and detached"
    );
}

#[test]
fn what_is_known_of_another_object_is_not_carried_over() {
    let mut moved = path();
    moved["network"]["read"]["name"] = json!("projects/netra-staging/global/networks/other-vpc");
    moved["network"]["read"]["object"] = json!({"cut": ["routes"]});
    let adopted = snapshot(&picture(&moved), Some(&good()), noon());
    let routes: Vec<_> = network(&adopted).fields.iter().filter(|(field, _)| field.starts_with("routes")).collect();
    assert_eq!(routes, [(&"routes[*]".to_owned(), &"not all read".to_owned())]);
}

#[test]
fn the_fullest_network_keeps_as_many_entries_of_each_list_and_private_services_access_first() {
    let list = |entry: fn(usize) -> Value| (0..40).map(entry).collect::<Vec<_>>();
    let peering = |name: &str| {
        json!({
            "name": name, "network": format!("projects/netra-tenant/global/networks/{name}"), "state": "ACTIVE",
            "importedRanges": ["10.20.0.0/24", "10.21.0.0/24"],
        })
    };
    let mut peerings: Vec<Value> = (0..40).map(|index| peering(&format!("netra-other-{index:02}"))).collect();
    peerings.push(peering("servicenetworking-googleapis-com"));
    let mut path = path();
    path["network"]["read"]["object"] = json!({
        "peerings": peerings,
        "subnets": list(|index| json!({
            "name": format!("netra-subnet-{index:02}"), "region": "us-central1", "ipCidrRange": format!("10.{index}.0.0/24"),
            "secondaryRanges": [format!("10.{index}.1.0/24")],
        })),
        "allocatedRanges": list(|index| json!({"name": format!("range-{index}"), "range": "10.20.0.0/16"})),
        "routes": list(|index| json!({"name": "r", "destRange": format!("10.{index}.0.0/16"), "nextHop": "ip 10.0.0.1"})),
        "firewall": list(|index| json!({
            "name": format!("netra-allow-{index}"), "direction": "EGRESS", "priority": 1000, "allow": true,
            "ranges": ["10.20.0.0/24"], "ports": ["tcp:5432"],
        })),
    });
    let baseline = snapshot(&picture(&path), None, noon());
    let network = network(&baseline);
    for list in LISTS {
        let start = format!("{list}[");
        let entries = network.fields.keys().filter_map(|field| field.strip_prefix(&start)?.split(']').next());
        let entries: std::collections::BTreeSet<&str> = entries.collect();
        assert_eq!(entries.len(), 25, "24 and the rest of {list}: {entries:?}");
    }
    assert_eq!(
        network.fields["peerings[servicenetworking-googleapis-com].importedRanges"],
        "10.20.0.0/24,10.21.0.0/24"
    );
    assert!(network.fields.len() <= MAX_FIELDS, "{} fields", network.fields.len());
    let size = serde_json::to_string(&baseline).expect("JSON").len();
    assert!(size < 32 * 1024, "{size} bytes");
    assert_eq!(told(&against(&baseline, &picture(&path))), NOTHING);
    path["network"]["read"]["object"]["peerings"].as_array_mut().expect("peerings").pop();
    let lost = told(&against(&baseline, &picture(&path)));
    assert_eq!(lost.len(), 4, "{lost:?}");
    assert!(lost.iter().all(|drift| drift.starts_with("peerings[servicenetworking-googleapis-com].")), "{lost:?}");
}

#[test]
fn a_firewall_rule_that_hands_on_to_the_next_level_says_so() {
    let mut path = path();
    path["network"]["read"]["object"]["firewall"][0]["allow"] = json!(false);
    path["network"]["read"]["object"]["firewall"][0]["gotoNext"] = json!(true);
    let end = "priority=1000 ranges=10.20.0.0/24 ports=tcp:5432";
    assert_eq!(
        told(&against(&good(), &picture(&path))),
        [format!("firewall[allow-db]: EGRESS allow {end} -> EGRESS goto_next {end}")]
    );
}
