//! What a refusal is told as, and an answer that is none: why an object is unread, and that it is not taken for gone.

use futures::future::join_all;
use runready::cloud::{Inspection, Why};
use runready::plan::InspectionPlan;
use runready::standin::world::{NETWORK, PROJECT};
use runready::standin::{Fault, Method};

use super::{healthy, inspector, only, quiet, standin, unread};

#[tokio::test]
async fn what_is_not_found_of_an_object_does_not_say_that_the_object_is_gone() {
    let parts = [
        (Inspection::Network, Method::PeeringRoutesList),
        (Inspection::Network, Method::SubnetworksList),
        (Inspection::Network, Method::RoutesList),
        (Inspection::Network, Method::EffectiveFirewallsGet),
        (Inspection::Instance, Method::OperationsList),
    ];
    for (inspection, method) in parts {
        let mut state = healthy();
        state.fail(method, Fault::NotFound);
        let standin = standin(state);
        let path = [Inspection::Service, Inspection::Revisions, Inspection::Connector, Inspection::Instance];
        let plan = only(&[&path[..], &[inspection]].concat());
        let unread = unread(&inspector(&standin).inspect(&plan, &quiet()).await, inspection);
        assert_eq!(unread.why, Why::Unavailable, "{method:?}: {unread:?}");
        assert!(unread.message.contains("HTTP 404"), "{method:?}: {}", unread.message);
    }
    let mut state = healthy();
    state.fail(Method::InstancesList, Fault::NotFound);
    state.fail(Method::NetworksGet, Fault::NotFound);
    let standin = standin(state);
    // Found by its address, in the list of the project's instances.
    let picture = inspector(&standin).inspect(&only(&[Inspection::Instance]), &quiet()).await;
    assert_eq!(unread(&picture, Inspection::Instance).why, Why::Unavailable, "{:?}", picture.instance);
    let pinned = InspectionPlan { network: Some(NETWORK.into()), ..only(&[Inspection::Network]) };
    let unread = unread(&inspector(&standin).inspect(&pinned, &quiet()).await, Inspection::Network);
    assert_eq!(unread.why, Why::NotFound, "the network's own answer: {unread:?}");
}

#[tokio::test]
async fn each_kind_of_refusal_is_told_apart_by_googles_clients_and_by_our_own() {
    let cases = [
        (Fault::ApiDisabled, Why::ApiDisabled),
        (Fault::NotFound, Why::NotFound),
        (Fault::Throttled(Some(60)), Why::Throttled),
        (Fault::Throttled(None), Why::Throttled),
        (Fault::Internal, Why::Unavailable),
        (Fault::Garbage, Why::Malformed),
        (Fault::Hang, Why::Unavailable),
    ];
    let tried = cases.into_iter().map(|(fault, why)| async move {
        let mut state = healthy();
        for method in [Method::ConnectorsGet, Method::EntriesList, Method::InstancesGet, Method::ZonesList] {
            state.fail(method, fault.clone());
        }
        let standin = standin(state);
        let inspections =
            [Inspection::Service, Inspection::Connector, Inspection::Logs, Inspection::Instance, Inspection::DnsZones];
        let pinned = Some("projects/netra-staging/global/networks/staging-vpc".into());
        let plan = InspectionPlan { network: pinned, ..only(&inspections) };
        let picture = inspector(&standin).inspect(&plan, &quiet()).await;
        for inspection in &inspections[1..] {
            let unread = unread(&picture, *inspection);
            assert_eq!(unread.why, why, "{inspection}, {fault:?}: {unread:?}");
            if why == Why::ApiDisabled {
                let command = format!("gcloud services enable {} --project={PROJECT}", inspection.api());
                assert_eq!(&*unread.remedy, command);
            }
        }
    });
    join_all(tried).await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_answer() {
    let mut state = healthy();
    for method in [Method::ConnectorsGet, Method::EntriesList] {
        state.fail(method, Fault::Cut);
    }
    let standin = standin(state);
    let plan = only(&[Inspection::Service, Inspection::Connector, Inspection::Logs]);
    let picture = inspector(&standin).inspect(&plan, &quiet()).await;
    for inspection in [Inspection::Connector, Inspection::Logs] {
        let why = unread(&picture, inspection).why;
        assert!(matches!(why, Why::Malformed | Why::Unavailable), "{inspection}: {why:?}");
    }
}
