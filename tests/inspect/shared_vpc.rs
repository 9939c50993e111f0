//! Shared VPC: the service is in one project, the network in another. What leads from one into the other is followed, whichever
//! way the service goes; the role that is missing is the one of the other project; and a network of the same name in the
//! service's own project is not taken for it.

use jiff::Timestamp;
use runready::cloud::{Inspection, Picture, Why};
use runready::plan::InspectionPlan;
use runready::standin::methods::Api;
use runready::standin::world::{CONNECTOR, INSTANCE, PROJECT, READY_REVISION, SERVICE};
use runready::standin::{Fault, Method, State};
use serde_json::{Value, json};

use super::{healthy, inspector, plan, quiet, standin, unread};
use crate::diagnosis::seen;
use crate::support::discovery::Documents;
use crate::support::google;
use crate::support::skip::require;

/// The project of the network.
const HOST: &str = "netra-host";
const NETWORK: &str = "projects/netra-host/global/networks/staging-vpc";
/// The subnet that the service goes out by.
const SUBNET: &str = "projects/netra-host/regions/us-central1/subnetworks/serverless";

/// The ways from the service into the network of the other project.
const WAYS: [&str; 5] = [
    "connector with a subnet",
    "connector with a network and a subnet",
    "connector of the host project",
    "interface with a network",
    "interface with a subnet",
];

/// A text in which what belongs to the network is the other project's.
fn hosted(text: &str) -> String {
    let of = |text: String, part: &str| text.replace(&format!("{PROJECT}/{part}"), &format!("{HOST}/{part}"));
    ["global", "regions", "managedZones"].into_iter().fold(text.to_owned(), of)
}

/// The healthy world with its network in another project.
fn shared(way: &str) -> State {
    let mut state = healthy();
    let objects: Vec<(String, Value)> =
        state.objects().map(|(name, object)| (name.to_owned(), object.clone())).collect();
    for (name, object) in objects {
        state.remove(&name);
        let object = serde_json::from_str(&hosted(&object.to_string())).expect("JSON still");
        state.set(hosted(&name), object);
    }
    let mut subnet = state.object(&hosted(runready::standin::world::SUBNETWORK)).expect("a subnet").clone();
    subnet["name"] = json!("serverless");
    subnet["ipCidrRange"] = json!("10.10.1.0/28");
    subnet["gatewayAddress"] = json!("10.10.1.1");
    subnet["selfLink"] = json!(format!("https://www.googleapis.com/compute/v1/{SUBNET}"));
    state.set(SUBNET, subnet);
    let in_subnet = json!({"network": null, "ipCidrRange": null, "subnet": {"name": "serverless", "projectId": HOST}});
    let egress = "PRIVATE_RANGES_ONLY";
    let access = match way {
        "connector with a subnet" => {
            state.patch(CONNECTOR, &in_subnet);
            json!({"connector": CONNECTOR, "egress": egress})
        }
        "connector with a network and a subnet" => {
            state.patch(CONNECTOR, &in_subnet);
            state.patch(CONNECTOR, &json!({"network": "staging-vpc"}));
            json!({"connector": CONNECTOR, "egress": egress})
        }
        "connector of the host project" => {
            let theirs = CONNECTOR.replace(PROJECT, HOST);
            let mut connector = state.remove(CONNECTOR).expect("a connector");
            connector["name"] = json!(theirs);
            state.set(&theirs, connector);
            json!({"connector": theirs, "egress": egress})
        }
        "interface with a network" => {
            json!({"egress": egress, "networkInterfaces": [{"network": NETWORK, "subnetwork": SUBNET}]})
        }
        "interface with a subnet" => json!({"egress": egress, "networkInterfaces": [{"subnetwork": SUBNET}]}),
        other => panic!("no such way: {other}"),
    };
    let mut service = state.object(SERVICE).expect("a service").clone();
    service["template"]["vpcAccess"] = access.clone();
    state.set(SERVICE, service);
    let mut revision = state.object(READY_REVISION).expect("a revision").clone();
    revision["vpcAccess"] = access;
    state.set(READY_REVISION, revision);
    state
}

/// What the rules say of a picture beside a probe that passes.
fn rules(picture: &Picture) -> Option<runready::diagnosis::Diagnosis> {
    let probes = [seen::well("database", runready::api::Kind::Postgres, "10.20.0.3:5432")];
    let mut case = seen::case(&probes, true);
    case.cloud = Some(picture);
    case.now = Timestamp::now();
    runready::diagnosis::diagnose(&case)
}

#[tokio::test]
async fn the_network_is_found_and_read_in_the_project_that_it_is_in() {
    for way in WAYS {
        let standin = standin(shared(way));
        let picture = inspector(&standin).inspect(&plan(), &quiet()).await;
        let network = picture.network.found().unwrap_or_else(|| panic!("{way}: {:?}", picture.network));
        assert_eq!(&*network.name, NETWORK, "{way}");
        let subnets: Vec<&str> = network.object.subnets.iter().map(|subnet| &*subnet.name).collect();
        assert!(subnets.contains(&"serverless"), "{way}: {subnets:?}");
        assert!(!network.object.routes.is_empty() && !network.object.firewall.is_empty(), "{way}: {network:?}");
        let allocated: Vec<&str> =
            network.object.allocated_ranges.iter().flatten().map(|range| &*range.range).collect();
        assert_eq!(allocated, ["10.20.0.0/24"], "{way}");
        let peering = network.object.peerings.first().expect("private services access");
        assert_eq!(peering.imported_ranges.as_deref(), Some(&["10.20.0.0/24".to_owned()][..]), "{way}");
        let zones = picture.dns_zones.object().map(|zones| zones.zones.len());
        assert_eq!(zones, Some(1), "{way}: {:?}", picture.dns_zones);
        let asked = standin.asked();
        assert_eq!(asked.unknown().collect::<Vec<_>>(), [""; 0], "{way}");
        let astray: Vec<&str> = asked
            .calls()
            .filter(|(method, name, _)| {
                matches!(method.api(), Api::Compute | Api::Dns) && !name.starts_with("projects/netra-host/")
            })
            .map(|(_, name, _)| name)
            .collect();
        assert!(astray.is_empty(), "{way}: asked in the service's project: {astray:?}");
        let said = rules(&picture);
        assert!(said.is_none(), "{way}: all is well: {said:?}");
    }
}

#[tokio::test]
async fn the_role_that_is_missing_is_the_one_of_the_other_project() {
    for (way, method) in [
        ("connector with a network and a subnet", Method::NetworksGet),
        ("connector with a subnet", Method::SubnetworksGet),
        ("interface with a subnet", Method::SubnetworksGet),
    ] {
        let mut state = shared(way);
        state.fail(method, Fault::PermissionDenied);
        let standin = standin(state);
        let unread = unread(&inspector(&standin).inspect(&plan(), &quiet()).await, Inspection::Network);
        assert_eq!(unread.why, Why::PermissionDenied, "{way}");
        let command = "add-iam-policy-binding netra-host --member=serviceAccount:ACCOUNT --role=roles/compute.networkViewer --condition=None";
        assert!(unread.remedy.contains(command), "{way}: {}", unread.remedy);
    }
    let mut state = shared("connector of the host project");
    state.fail(Method::ConnectorsGet, Fault::PermissionDenied);
    let standin = standin(state);
    let unread = unread(&inspector(&standin).inspect(&plan(), &quiet()).await, Inspection::Connector);
    assert!(unread.remedy.contains("add-iam-policy-binding netra-host"), "{}", unread.remedy);
}

#[tokio::test]
async fn a_subnet_that_is_gone_does_not_say_that_its_network_is() {
    let mut state = shared("interface with a subnet");
    state.fail(Method::SubnetworksGet, Fault::NotFound);
    let standin = standin(state);
    let unread = unread(&inspector(&standin).inspect(&plan(), &quiet()).await, Inspection::Network);
    assert_eq!(unread.why, Why::Unavailable, "{unread:?}");
    assert!(unread.remedy.contains(SUBNET), "{unread:?}");
}

#[tokio::test]
async fn what_is_wrong_in_the_other_project_is_told() {
    for way in WAYS {
        let mut state = shared(way);
        state.patch(&hosted(runready::standin::world::PEERING_ROUTES), &json!({"INCOMING": []}));
        let standin = standin(state);
        let picture = inspector(&standin).inspect(&plan(), &quiet()).await;
        let said = rules(&picture).unwrap_or_else(|| panic!("{way}: the route is gone"));
        assert_eq!(said.primary.rule, "network/peering", "{way}: {said:?}");
    }
}

#[tokio::test]
async fn a_network_of_the_same_name_in_the_services_own_project_is_another_one() {
    // The instance is in the host's network; the service goes into its own, which has the same name.
    let mut state = healthy();
    state.patch(INSTANCE, &json!({"settings": {"ipConfiguration": {"privateNetwork": NETWORK}}}));
    let standin = standin(state);
    // The instance is not read through the network, so that its own rules stay silent.
    let skip = [Inspection::Network, Inspection::DnsZones].into();
    let picture = inspector(&standin).inspect(&InspectionPlan { skip, ..plan() }, &quiet()).await;
    let said = rules(&picture).expect("the way leads elsewhere");
    assert_eq!(said.primary.rule, "egress/vpc-access", "{said:?}");
    for name in ["projects/netra-staging/global/networks/staging-vpc", NETWORK] {
        assert!(said.primary.summary.contains(name), "{}", said.primary.summary);
    }
}

#[test]
fn google_could_answer_from_these_states() {
    let Some(documents) = require(Documents::load()) else { return };
    for way in WAYS {
        let faults = google::faults_of_state(&documents, &shared(way));
        assert!(faults.is_empty(), "{way}: {}", faults.join("\n"));
    }
}
