//! A network with what is in it, and its private zones: read whichever way it is named, and as far as it can be read.

use std::sync::Arc;

use runready::cloud::Inspection;
use runready::plan::InspectionPlan;
use runready::standin::world::{NETWORK, PROJECT, ZONE};
use runready::standin::{Fault, Method};
use serde_json::json;

use super::{healthy, inspector, only, plan, quiet, standin};

#[tokio::test]
async fn a_private_zone_that_was_detached_from_the_network_is_read_all_the_same() {
    let mut state = healthy();
    let other = json!({"networkUrl": format!("https://www.googleapis.com/compute/v1/projects/{PROJECT}/global/networks/other")});
    state.patch(ZONE, &json!({"privateVisibilityConfig": {"networks": [other]}}));
    let standin = standin(state);
    let picture = inspector(&standin).inspect(&plan(), &quiet()).await;
    let zones = &picture.dns_zones.object().expect("the zones").zones;
    let told: Vec<_> = zones.iter().map(|zone| (&*zone.dns_name, zone.networks.join(" "))).collect();
    assert_eq!(told, [("staging.internal.", format!("projects/{PROJECT}/global/networks/other"))]);
}

#[tokio::test]
async fn without_the_ranges_allocated_to_private_services_access_the_rest_of_the_network_is_read() {
    for fault in [Fault::PermissionDenied, Fault::NotFound, Fault::Internal] {
        let mut state = healthy();
        state.fail(Method::GlobalAddressesList, fault.clone());
        let standin = standin(state);
        let picture = inspector(&standin).inspect(&plan(), &quiet()).await;
        let network = picture.network.object().unwrap_or_else(|| panic!("{fault:?}: {:?}", picture.network));
        assert_eq!(network.allocated_ranges, None, "{fault:?}");
        assert!(!network.routes.is_empty() && !network.subnets.is_empty() && network.cut.is_empty(), "{network:?}");
    }
}

#[tokio::test]
async fn a_network_that_is_named_by_its_projects_number_is_read_with_all_that_is_in_it() {
    let mut state = healthy();
    let numbered = |name: &str| name.replace(&format!("projects/{PROJECT}/"), "projects/123456/");
    let asked: Vec<(String, serde_json::Value)> = state
        .objects()
        .filter(|(name, _)| !name.contains("/locations/") && !name.contains("/instances/"))
        .map(|(name, object)| (numbered(name), object.clone()))
        .collect();
    for (name, object) in asked {
        state.set(name, object);
    }
    let standin = standin(state);
    let network: Arc<str> = numbered(NETWORK).into();
    let plan = InspectionPlan { network: Some(network.clone()), ..only(&[Inspection::Network, Inspection::DnsZones]) };
    let picture = inspector(&standin).inspect(&plan, &quiet()).await;
    let found = picture.network.found().unwrap_or_else(|| panic!("{:?}", picture.network));
    assert_eq!(found.name, network);
    let own = &found.object;
    assert_eq!((own.subnets.len(), own.routes.len()), (1, 3), "{own:?}");
    assert_eq!(own.allocated_ranges.as_ref().map(Vec::len), Some(1), "{own:?}");
    let zones = &picture.dns_zones.object().expect("the zones").zones;
    assert!(zones.len() == 1 && zones[0].is_seen_by(&network), "{zones:?}");
}
