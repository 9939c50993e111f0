//! Lists that are longer than what is read of them, and grants that can't be told: what was read says so, rather than
//! that something is not there.

use runready::cloud::access::Grant;
use runready::cloud::health::is_cut;
use runready::cloud::network::List;
use runready::cloud::{Inspection, Network};
use runready::standin::State;
use runready::standin::world::{ACCOUNT, ALLOCATED_RANGE, PEERING_ROUTES, POLICY, PROJECT, REGION};
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

#[tokio::test]
async fn routes_behind_the_last_page_that_is_read_are_told_of() {
    let mut state = healthy();
    let other = format!("https://www.googleapis.com/compute/v1/projects/{PROJECT}/global/networks/default");
    for number in 0..2600 {
        let name = format!("a-route-{number:04}");
        let range = format!("10.{}.{}.0/24", 128 + number / 256, number % 256);
        let route = json!({
            "kind": "compute#route", "name": name, "network": other, "destRange": range, "priority": 0,
            "nextHopIp": "10.128.0.2",
        });
        state.set(format!("projects/{PROJECT}/global/routes/{name}"), route);
    }
    let network = network(state).await;
    assert!(network.routes.is_empty(), "those of the network stand behind: {:?}", network.routes);
    assert_eq!(network.cut, [List::Routes]);
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
        assert_eq!((network.allocated_ranges.len(), network.cut), (256, cut), "{number} more");
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
