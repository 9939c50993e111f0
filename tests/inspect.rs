//! Reads of Google Cloud's own view, tried against the stand-in for Google's APIs: what is read, what a refusal is told as, how
//! often is asked.

mod leftover;
mod shared_vpc;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use jiff::Timestamp;
use runready::api::spec::ServiceRef;
use runready::cloud::access::Grant;
use runready::cloud::connector::ConnectorState;
use runready::cloud::{Absent, Inspection, Picture, Reading, Unread, Why};
use runready::inspect::Inspector;
use runready::plan::{InspectionPlan, Pace};
use runready::probe::cloudsql::{Access, Credentials};
use runready::standin::world::{CONNECTION_NAME, INSTANCE, PROJECT, REGION, SECRET};
use runready::standin::{Fault, Method, Standin, State};
use serde_json::json;

fn inspector(standin: &Standin) -> Inspector {
    let endpoint = standin.url().parse().expect("an endpoint");
    Inspector::new(Access { endpoint: Some(endpoint), credentials: Credentials::Anonymous })
}

fn plan() -> InspectionPlan {
    InspectionPlan {
        service: ServiceRef { project: PROJECT.to_owned(), region: REGION.to_owned(), name: "backend".to_owned() },
        interval: Duration::from_secs(60),
        pace: Pace::Steady,
        skip: Default::default(),
        connector: None,
        instance: None,
        network: None,
        targets: Box::new([("10.20.0.3".into(), 5432)]),
        connectivity_test: false,
    }
}

/// A plan that reads those alone.
fn only(inspections: &[Inspection]) -> InspectionPlan {
    let skip = Inspection::ALL.into_iter().filter(|inspection| !inspections.contains(inspection)).collect();
    InspectionPlan { skip, ..plan() }
}

fn standin(state: State) -> Standin {
    Standin::start(state).expect("a port of loopback")
}

fn healthy() -> State {
    State::healthy(Timestamp::now())
}

fn reading(picture: &Picture, wanted: Inspection) -> Reading<()> {
    let mut readings = picture.readings().into_iter().filter(|(inspection, _)| *inspection == wanted);
    readings.next().expect("every inspection has a reading").1
}

fn unread(picture: &Picture, inspection: Inspection) -> Unread {
    match reading(picture, inspection) {
        Reading::Unread(unread) => unread,
        other => panic!("{inspection} must be unread: {other:?}"),
    }
}

/// Methods that an inspection asks.
fn methods(inspection: Inspection) -> &'static [Method] {
    match inspection {
        Inspection::Service => &[Method::ServicesGet],
        Inspection::Revisions => &[Method::RevisionsGet],
        Inspection::Connector => &[Method::ConnectorsGet],
        Inspection::Instance => &[Method::InstancesGet, Method::OperationsList],
        Inspection::Network => &[
            Method::NetworksGet,
            Method::SubnetworksList,
            Method::RoutesList,
            Method::EffectiveFirewallsGet,
            Method::PeeringRoutesList,
        ],
        Inspection::DnsZones => &[Method::ZonesList],
        Inspection::ConnectivityTest => &[Method::TestsCreate],
        Inspection::ServiceHealth => &[Method::EventsList],
        Inspection::Logs => &[Method::EntriesList],
        Inspection::Metrics => &[Method::TimeSeriesList],
        Inspection::Access => &[Method::PolicyGet],
    }
}

#[tokio::test]
async fn the_service_alone_is_enough_for_a_whole_picture() {
    let standin = standin(healthy());
    // The stand-in aggregates no figures, and figures are asked for aggregated.
    let plan = InspectionPlan { skip: [Inspection::Metrics].into(), ..plan() };
    let picture = inspector(&standin).inspect(&plan, false).await;
    for (inspection, reading) in picture.readings() {
        let whole = match (inspection, &reading) {
            (Inspection::ConnectivityTest | Inspection::Metrics, reading) => {
                *reading == Reading::Absent(Absent::SwitchedOff)
            }
            // The one that was created last is the one that serves.
            (Inspection::Revisions, Reading::Absent(Absent::NotUsed)) | (_, Reading::Read(_)) => true,
            (_, Reading::Absent(_) | Reading::Unread(_)) => false,
        };
        assert!(whole, "{inspection}: {reading:?}");
    }
    let asked = standin.asked();
    assert_eq!(asked.unknown().collect::<Vec<_>>(), Vec::<&str>::new());
    let connector = picture.connector.object().expect("a connector");
    assert_eq!((&connector.state, &*connector.network), (&ConnectorState::Ready, "staging-vpc"));
    let instance = picture.instance.found().expect("an instance");
    assert_eq!((&*instance.name, &*instance.object.connection_name), (INSTANCE, CONNECTION_NAME));
    let network = picture.network.object().expect("a network");
    assert!(!network.subnets.is_empty() && !network.routes.is_empty(), "{network:?}");
    assert!(network.peerings.iter().any(|peering| peering.imported_ranges.is_some()), "{:?}", network.peerings);
    assert_eq!(picture.access.object().expect("access").connect, Grant::Granted);
    assert!(!format!("{picture:?}").contains(SECRET), "a value of the environment was kept");
}

#[tokio::test]
async fn the_incident_is_seen_as_it_was() {
    let standin = standin(State::incident(Timestamp::now()));
    let plan = InspectionPlan { connectivity_test: true, ..plan() };
    let picture = inspector(&standin).inspect(&plan, true).await;
    assert_eq!(picture.connector.object().expect("a connector").state, ConnectorState::Error);
    let logs = picture.logs.object().expect("logs");
    let timeout = logs.iter().find(|group| group.timeout == Some(Duration::from_secs(20))).expect("the time-out");
    assert_eq!((timeout.count, timeout.more), (649, false), "{logs:?}");
    assert!(logs.iter().any(|group| group.exit_code == Some(3)), "{logs:?}");
    let settings = &picture.service.object().expect("a service").template.settings;
    assert!(settings.iter().any(|setting| setting.variable == "DATABASE_INIT_TIMEOUT_SECONDS"), "{settings:?}");
    assert!(picture.created_revision.object().is_some(), "{:?}", picture.created_revision);
    let test = picture.connectivity_test.object().expect("a test");
    assert_eq!(test.drop_causes[0].cause, "VPC_CONNECTOR_NOT_RUNNING");
    let asked = standin.asked();
    assert_eq!((asked.of(Method::TestsCreate), asked.of(Method::TestsDelete)), (1, 1), "the test must not stay");
}

#[tokio::test]
async fn every_inspection_without_its_permission_is_unread_with_the_role_to_grant() {
    for inspection in Inspection::ALL {
        for method in methods(inspection) {
            let mut state = healthy();
            state.fail(*method, Fault::PermissionDenied);
            let standin = standin(state);
            let mut plan = only(&[
                Inspection::Service,
                Inspection::Revisions,
                Inspection::Connector,
                Inspection::Instance,
                inspection,
            ]);
            plan.connectivity_test = inspection == Inspection::ConnectivityTest;
            let picture = inspector(&standin).inspect(&plan, true).await;
            let unread = unread(&picture, inspection);
            assert_eq!(unread.why, Why::PermissionDenied, "{inspection}, {method:?}: {unread:?}");
            let command = format!(
                "gcloud projects add-iam-policy-binding {PROJECT} --member=serviceAccount:ACCOUNT --role={}",
                inspection.role()
            );
            assert!(unread.remedy.contains(&command), "{inspection}: {}", unread.remedy);
            assert!(unread.message.contains(inspection.api()), "{inspection}: {}", unread.message);
        }
    }
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
        let picture = inspector(&standin).inspect(&plan, false).await;
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
    let picture = inspector(&standin).inspect(&plan, false).await;
    for inspection in [Inspection::Connector, Inspection::Logs] {
        let why = unread(&picture, inspection).why;
        assert!(matches!(why, Why::Malformed | Why::Unavailable), "{inspection}: {why:?}");
    }
}

#[tokio::test]
async fn a_thousand_checks_read_each_object_once_and_ask_the_project_less_than_once_a_second() {
    let mut state = healthy();
    let name = |number: usize| format!("projects/{PROJECT}/locations/{REGION}/connectors/c{number}");
    for number in 0..20 {
        state.set(name(number), json!({"name": name(number), "state": "READY", "network": "staging-vpc"}));
    }
    let standin = standin(state);
    let inspector = inspector(&standin);
    let plans: Vec<_> = (0..1000)
        .map(|number| InspectionPlan {
            connector: Some(Arc::from(name(number % 20))),
            ..only(&[Inspection::Service, Inspection::Revisions, Inspection::Connector])
        })
        .collect();
    let begun = Instant::now();
    let pictures = join_all(plans.iter().map(|plan| inspector.inspect(plan, false))).await;
    let took = begun.elapsed();
    assert!(pictures.iter().all(|picture| picture.connector.object().is_some()));
    let asked = standin.asked();
    for number in 0..20 {
        assert_eq!(asked.about(&name(number)), 1, "connector {number}");
    }
    assert_eq!(asked.total(), 22, "a service, a revision, 20 connectors");
    let counted: u64 = inspector.calls().iter().map(|(_, calls)| calls).sum();
    assert_eq!(counted, asked.total());
    // A burst of 15, then one in 1.1 s.
    assert!(took >= Duration::from_secs(7), "22 calls took {took:?}");
    // Within the period nothing is asked again.
    join_all(plans.iter().map(|plan| inspector.inspect(plan, false))).await;
    assert_eq!(standin.asked().total(), 22);
}
