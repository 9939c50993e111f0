//! Lists that are longer than what is read of them, and grants that can't be told: what was read says so, rather than
//! that something is not there.

use runready::cloud::access::Grant;
use runready::cloud::health::is_cut;
use runready::cloud::network::List;
use runready::cloud::{Inspection, Network};
use runready::standin::State;
use runready::standin::world::{ACCOUNT, ALLOCATED_RANGE, NETWORK, PEERING_ROUTES, POLICY, PROJECT, REGION, ZONE};
use serde_json::{Value, json};

use super::{healthy, inspector, only, quiet, standin};

/// What leads to the network, to the instance and to its project's policy.
const PATH: [Inspection; 4] = [Inspection::Service, Inspection::Revisions, Inspection::Connector, Inspection::Instance];

/// The network, as it is read.
async fn network(state: State) -> Network {
    let standin = standin(state);
    let plan = only(&[&PATH[..], &[Inspection::Network]].concat());
    let picture = inspector(&standin).inspect(&plan, &quiet()).await;
    picture.network.object().expect("a network").clone()
}

#[tokio::test]
async fn a_network_that_is_read_to_its_end_is_not_cut() {
    let network = network(healthy()).await;
    assert!(network.cut.is_empty(), "{:?}", network.cut);
}

const COMPUTE: &str = "https://www.googleapis.com/compute/v1";

/// Gives a network so many routes, which stand before those that it has.
fn add_routes(state: &mut State, network: &str, number: usize) {
    for number in 0..number {
        let name = format!("a-route-{number:04}");
        let range = format!("10.{}.{}.0/24", 128 + number / 256, number % 256);
        let route = json!({
            "kind": "compute#route", "name": name, "network": format!("{COMPUTE}/{network}"), "destRange": range,
            "priority": 0, "nextHopIp": "10.128.0.2",
        });
        state.set(format!("projects/{PROJECT}/global/routes/{name}"), route);
    }
}

#[tokio::test]
async fn routes_that_are_not_kept_are_told_of() {
    // Three are there already.
    for (number, cut) in [(1021, Vec::new()), (1022, vec![List::Routes])] {
        let mut state = healthy();
        add_routes(&mut state, NETWORK, number);
        let network = network(state).await;
        assert_eq!((network.routes.len(), network.cut), (1024, cut), "{number} more");
    }
}

#[tokio::test]
async fn routes_of_other_networks_push_none_out() {
    let other = format!("projects/{PROJECT}/global/networks/default");
    let mut state = healthy();
    add_routes(&mut state, &other, 2600);
    let network = network(state).await;
    assert_eq!((network.routes.len(), network.cut), (3, Vec::new()));
}

#[tokio::test]
async fn where_the_api_leaves_out_every_route_all_are_read_and_what_lies_behind_is_told_of() {
    let other = format!("projects/{PROJECT}/global/networks/default");
    // It calls itself otherwise than its routes call it.
    let renamed = json!({"selfLink": format!("{COMPUTE}/projects/123456/global/networks/staging-vpc")});
    for (number, routes, cut) in [(0, 3, Vec::new()), (2600, 0, vec![List::Routes])] {
        let mut state = healthy();
        state.patch(NETWORK, &renamed);
        add_routes(&mut state, &other, number);
        let network = network(state).await;
        assert_eq!((network.routes.len(), network.cut), (routes, cut), "{number} of another network");
    }
}

#[tokio::test]
async fn firewall_rules_that_are_not_kept_are_told_of() {
    // One of the network and one of a policy are there already.
    for (number, cut) in [(1022, Vec::new()), (1023, vec![List::Firewall])] {
        let mut state = healthy();
        for number in 0..number {
            let name = format!("rule-{number:04}");
            let rule = json!({
                "kind": "compute#firewall", "name": name, "network": format!("{COMPUTE}/{NETWORK}"), "direction": "EGRESS",
                "priority": 1000, "destinationRanges": ["192.0.2.0/24"], "denied": [{"IPProtocol": "all"}],
            });
            state.set(format!("projects/{PROJECT}/global/firewalls/{name}"), rule);
        }
        let network = network(state).await;
        assert_eq!((network.firewall.len(), network.cut), (1024, cut), "{number} more");
    }
}

#[tokio::test]
async fn private_zones_that_are_not_kept_are_told_of_and_those_that_the_network_sees_are_kept_first() {
    // One is there already, and the network sees it; the others stand before it.
    for (number, zones, cut, seen) in [(255, 256, false, true), (256, 256, true, true), (500, 256, true, false)] {
        let mut state = healthy();
        let mut zone = state.object(ZONE).expect("a zone").clone();
        zone["privateVisibilityConfig"]["networks"] = json!([]);
        for number in 0..number {
            let name = format!("a-zone-{number:04}");
            zone["name"] = json!(name);
            zone["dnsName"] = json!(format!("z{number}.internal."));
            state.set(format!("projects/{PROJECT}/managedZones/{name}"), zone.clone());
        }
        let standin = standin(state);
        let plan = only(&[&PATH[..], &[Inspection::DnsZones]].concat());
        let picture = inspector(&standin).inspect(&plan, &quiet()).await;
        let found = picture.dns_zones.object().expect("zones");
        assert_eq!((found.zones.len(), found.cut), (zones, cut), "{number} more");
        assert_eq!(found.zones[0].is_seen_by(NETWORK), seen, "{number} more");
    }
}

#[tokio::test]
async fn imported_ranges_that_are_not_kept_are_told_of() {
    let route = |number: usize| {
        let range = format!("10.{}.{}.0/24", 30 + number / 256, number % 256);
        json!({
            "destRange": range, "type": "SUBNET_PEERING_ROUTE", "priority": 0, "imported": true,
            "nextHopRegion": REGION,
        })
    };
    for (number, cut) in [(256, Vec::new()), (257, vec![List::ImportedRanges])] {
        let mut state = healthy();
        let routes: Vec<Value> = (0..number).map(route).collect();
        state.patch(PEERING_ROUTES, &json!({"INCOMING": routes}));
        let network = network(state).await;
        let kept = network.peerings.iter().find_map(|peering| peering.imported_ranges.as_ref()).map(Vec::len);
        assert_eq!((kept, network.cut), (Some(256), cut), "{number} ranges");
    }
}

#[tokio::test]
async fn allocated_ranges_that_are_not_kept_are_told_of() {
    // One is there already.
    for (number, cut) in [(255, Vec::new()), (256, vec![List::AllocatedRanges])] {
        let mut state = healthy();
        let mut range = state.object(ALLOCATED_RANGE).expect("a range").clone();
        for number in 0..number {
            let name = format!("range-{number:04}");
            range["address"] = json!(format!("10.{}.{}.0", 30 + number / 256, number % 256));
            range["name"] = json!(name);
            state.set(format!("projects/{PROJECT}/global/addresses/{name}"), range.clone());
        }
        let network = network(state).await;
        let allocated = network.allocated_ranges.map(|ranges| ranges.len());
        assert_eq!((allocated, network.cut), (Some(256), cut), "{number} more");
    }
}

#[tokio::test]
async fn events_are_read_page_by_page_and_the_last_tells_of_more() {
    for (number, read, cut) in [(0, 0, false), (150, 150, false), (500, 500, false), (501, 500, true)] {
        let mut state = healthy();
        for event in 0..number {
            let name = format!("projects/{PROJECT}/locations/global/events/event-{event:04}");
            let event = json!({
                "name": name, "title": "Elevated latency of BigQuery", "category": "INCIDENT", "state": "ACTIVE",
                "detailedState": "CONFIRMED", "relevance": "NOT_IMPACTED",
            });
            state.set(name, event);
        }
        let standin = standin(state);
        let picture = inspector(&standin).inspect(&only(&[Inspection::ServiceHealth]), &quiet()).await;
        let events = picture.service_health.object().expect("events");
        assert_eq!((events.len(), is_cut(events)), (read, cut), "{number} events");
    }
}

#[tokio::test]
async fn what_a_custom_role_or_a_condition_may_grant_is_neither_granted_nor_missing() {
    let member = format!("serviceAccount:{ACCOUNT}");
    let condition = json!({"title": "office hours", "expression": "request.time.getHours() < 18"});
    for (role, condition, connect) in [
        ("roles/cloudsql.client", Value::Null, Grant::Granted),
        ("roles/cloudsql.client", condition.clone(), Grant::Condition),
        ("roles/run.invoker", condition, Grant::NotShown),
        ("projects/netra-staging/roles/connects", Value::Null, Grant::CustomRole),
        ("organizations/1/roles/connects", Value::Null, Grant::CustomRole),
    ] {
        let mut state = healthy();
        let mut binding = json!({"role": role, "members": [member]});
        if !condition.is_null() {
            binding["condition"] = condition;
        }
        state.patch(POLICY, &json!({"version": 3, "bindings": [binding]}));
        let standin = standin(state);
        let plan = only(&[&PATH[..], &[Inspection::Access]].concat());
        let picture = inspector(&standin).inspect(&plan, &quiet()).await;
        assert_eq!(picture.access.object().expect("access").connect, connect, "{role}");
    }
}
