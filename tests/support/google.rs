//! The stand-in for Google's APIs for tests that have no runtime of their own, and the check that a state is one that Google
//! could answer from: every object in it is held to its discovery document.

use jiff::Timestamp;
use runready::standin::{Standin, State};
use serde_json::Value;

use super::discovery::Documents;
use super::hostile::STAGE;

/// The stand-in with that state, on the runtime that the tests' servers share.
pub fn start(state: State) -> Standin {
    let _guard = STAGE.enter();
    Standin::start(state).expect("a port of loopback")
}

/// The stand-in with the healthy world of the incident.
pub fn healthy() -> Standin {
    start(State::healthy(Timestamp::now()))
}

/// The stand-in on the morning of the incident.
pub fn incident() -> Standin {
    start(State::incident(Timestamp::now()))
}

/// The schema that an object of the state has: what its name ends in, the document, the schema. The longer endings come first.
const SCHEMAS: [(&str, &str, &str); 14] = [
    ("/locations/*/connectors/*", "vpcaccess.v1", "Connector"),
    ("/services/*/revisions/*", "run.v2", "GoogleCloudRunV2Revision"),
    ("/locations/*/services/*", "run.v2", "GoogleCloudRunV2Service"),
    ("/global/connectivityTests/*", "networkmanagement.v1", "ConnectivityTest"),
    ("/global/operations/*", "networkmanagement.v1", "Operation"),
    ("/instances/*/users/*", "sqladmin.v1", "User"),
    ("projects/*/instances/*", "sqladmin.v1", "DatabaseInstance"),
    ("projects/*/operations/*", "sqladmin.v1", "Operation"),
    ("/global/networks/*", "compute.v1", "Network"),
    ("/regions/*/subnetworks/*", "compute.v1", "Subnetwork"),
    ("/global/addresses/*", "compute.v1", "Address"),
    ("/global/routes/*", "compute.v1", "Route"),
    ("/global/firewalls/*", "compute.v1", "Firewall"),
    ("projects/*/managedZones/*", "dns.v1", "ManagedZone"),
];

/// What is wrong with a state: whatever Google could not have answered. An object of no kind that is known is wrong too.
pub fn faults_of_state(documents: &Documents, state: &State) -> Vec<String> {
    let mut faults = Vec::new();
    let mut told =
        |name: &str, found: Vec<String>| faults.extend(found.into_iter().map(|fault| format!("{name}: {fault}")));
    for (name, object) in state.objects() {
        told(name, faults_of_object(documents, name, object));
    }
    for entry in &state.entries {
        told("entries", documents.faults_of_object("logging.v2", "LogEntry", entry));
    }
    for series in &state.series {
        told("series", documents.faults_of_object("monitoring.v3", "TimeSeries", series));
    }
    told("test_result", documents.faults_of_object("networkmanagement.v1", "ConnectivityTest", &state.test_result));
    faults
}

fn faults_of_object(documents: &Documents, name: &str, object: &Value) -> Vec<String> {
    if let Some((_, document, schema)) = SCHEMAS.iter().find(|(ending, _, _)| ends(name, ending)) {
        return documents.faults_of_object(document, schema, object);
    }
    if ends(name, "/iamPolicy") {
        return documents.faults_of_object("cloudresourcemanager.v3", "Policy", object);
    }
    if ends(name, "/getEffectiveFirewalls") {
        return documents.faults_of_object("compute.v1", "NetworksGetEffectiveFirewallsResponse", object);
    }
    if ends(name, "/listPeeringRoutes/*") {
        let ways = object.as_object().into_iter().flatten();
        let list = |routes: &Value| serde_json::json!({"items": routes});
        return ways
            .flat_map(|(_, routes)| {
                documents.faults_of_object("compute.v1", "ExchangedPeeringRoutesList", &list(routes))
            })
            .collect();
    }
    if ends(name, "/locations/*/events/*") {
        return faults_of_events(&serde_json::json!({"events": [object]}));
    }
    vec!["the stand-in knows no such object".to_owned()]
}

/// What is wrong with an answer of servicehealth's events.list. The package has no document of that API, so it is held to the
/// types of Google's own crate.
pub fn faults_of_events(answer: &Value) -> Vec<String> {
    type Answer = google_cloud_servicehealth_v1::model::ListEventsResponse;
    let answer: Answer = match serde_json::from_value(answer.clone()) {
        Ok(answer) => answer,
        Err(error) => return vec![format!("events: {error}")],
    };
    let said = format!("{answer:?}");
    let unknown = ["_unknown_fields", "UnknownValue", "UnknownEnumValue"];
    unknown.iter().filter(|word| said.contains(**word)).map(|word| format!("events: {word} in {said}")).collect()
}

/// Whether a name ends so, where * stands for one segment.
fn ends(name: &str, ending: &str) -> bool {
    let (mut name, mut ending) = (name.rsplit('/'), ending.trim_start_matches('/').rsplit('/'));
    ending.all(|wanted| name.next().is_some_and(|segment| wanted == "*" || wanted == segment))
}
