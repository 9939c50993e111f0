//! Reads of Google Cloud's own view, tried against the stand-in for Google's APIs: the whole picture, the role that an inspection
//! lacks, how often is asked.

mod audit_log;
mod cut;
mod leftover;
mod network;
mod refusal;
mod shared_vpc;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use jiff::Timestamp;
use runready::api::spec::ServiceRef;
use runready::cloud::access::Grant;
use runready::cloud::connector::ConnectorState;
use runready::cloud::{Absent, Inspection, Picture, Reading, Subject, Unread, Why};
use runready::inspect::Inspector;
use runready::plan::{InspectionPlan, Occasion, Pace};
use runready::probe::cloudsql::{Access, Credentials};
use runready::standin::world::{
    CONNECTION_NAME, CONNECTOR, INSTANCE, PROJECT, READY_REVISION, REGION, SECRET, SERVICE,
};
use runready::standin::{Fault, Method, Standin, State};
use serde_json::json;

fn inspector(standin: &Standin) -> Inspector {
    let endpoint = standin.url().parse().expect("an endpoint");
    Inspector::new(Access { endpoint: Some(endpoint), credentials: Credentials::Anonymous, token_life: None })
}

/// No probe fails, and nothing differs.
fn quiet() -> Occasion {
    Occasion::default()
}

fn failing() -> Occasion {
    Occasion { failing: true, ..quiet() }
}

/// Something differs, of which it is asked who changed it.
fn changed(subjects: &[(Inspection, &str)]) -> Occasion {
    let subject =
        |(inspection, object): &(Inspection, &str)| Subject { inspection: *inspection, object: (*object).into() };
    Occasion { changed: subjects.iter().map(subject).collect(), ..quiet() }
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
        Inspection::Logs | Inspection::AuditLog => &[Method::EntriesList],
        Inspection::Metrics => &[Method::TimeSeriesList],
        Inspection::Access => &[Method::PolicyGet],
    }
}

#[tokio::test]
async fn the_service_alone_is_enough_for_a_whole_picture() {
    let standin = standin(healthy());
    // The stand-in aggregates no figures, and figures are asked for aggregated.
    let plan = InspectionPlan { skip: [Inspection::Metrics].into(), ..plan() };
    let picture = inspector(&standin).inspect(&plan, &quiet()).await;
    for (inspection, reading) in picture.readings() {
        let whole = match (inspection, &reading) {
            (Inspection::ConnectivityTest | Inspection::Metrics, reading) => {
                *reading == Reading::Absent(Absent::SwitchedOff)
            }
            // Nothing differs.
            (Inspection::AuditLog, reading) => *reading == Reading::Absent(Absent::NotYet),
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
    let allocated = network.allocated_ranges.as_ref().expect("the ranges were read");
    let allocated: Vec<_> = allocated.iter().map(|range| (&*range.name, &*range.range)).collect();
    assert_eq!(allocated, [("staging-services", "10.20.0.0/24")]);
    assert_eq!(picture.access.object().expect("access").connect, Grant::Granted);
    assert!(!format!("{picture:?}").contains(SECRET), "a value of the environment was kept");
}

#[tokio::test]
async fn the_incident_is_seen_as_it_was() {
    let standin = standin(State::incident(Timestamp::now()));
    let plan = InspectionPlan { connectivity_test: true, ..plan() };
    let picture = inspector(&standin).inspect(&plan, &failing()).await;
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
            let connector = (Inspection::Connector, CONNECTOR);
            let occasion = Occasion { failing: true, ..changed(&[connector]) };
            let picture = inspector(&standin).inspect(&plan, &occasion).await;
            let unread = unread(&picture, inspection);
            assert_eq!(unread.why, Why::PermissionDenied, "{inspection}, {method:?}: {unread:?}");
            let command = format!(
                "gcloud projects add-iam-policy-binding {PROJECT} --member=serviceAccount:ACCOUNT --role={} --condition=None",
                inspection.role()
            );
            assert!(unread.remedy.contains(&command), "{inspection}: {}", unread.remedy);
            assert!(unread.message.contains(inspection.api()), "{inspection}: {}", unread.message);
            println!("{inspection} without {method:?}: {}; {}", unread.why.as_str(), unread.remedy);
        }
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
    let (begun, quiet) = (Instant::now(), quiet());
    let pictures = join_all(plans.iter().map(|plan| inspector.inspect(plan, &quiet))).await;
    let took = begun.elapsed();
    assert!(pictures.iter().all(|picture| picture.connector.object().is_some()));
    let asked = standin.asked();
    for number in 0..20 {
        assert_eq!(asked.about(&name(number)), 1, "connector {number}");
    }
    assert_eq!(asked.total(), 22, "a service, a revision, 20 connectors");
    let counted: u64 = inspector.calls().iter().map(|(_, calls)| calls).sum();
    assert_eq!(counted, asked.total());
    // They come within a minute's ration.
    assert!(took < Duration::from_secs(5), "22 calls took {took:?}");
    // Within the period nothing is asked again.
    join_all(plans.iter().map(|plan| inspector.inspect(plan, &quiet))).await;
    assert_eq!(standin.asked().total(), 22);
}

/// The healthy world with that many services, each with a revision, a connector and an instance of its own, on one network.
fn services(count: usize) -> State {
    let mut state = healthy();
    let ours: Vec<String> = [SERVICE, READY_REVISION, CONNECTOR, INSTANCE]
        .iter()
        .map(|name| json!([name, state.object(name)]).to_string())
        .collect();
    for number in 1..count {
        for object in &ours {
            let of = |text: &str| format!("{text}{number}");
            let renamed = ["services/backend", "connectors/staging", "staging-shared-postgres"]
                .iter()
                .fold(object.clone(), |text, name| text.replace(name, &of(name)));
            let (name, object): (String, serde_json::Value) = serde_json::from_str(&renamed).expect("an object");
            state.set(name, object);
        }
    }
    state
}

#[tokio::test]
async fn a_thousand_checks_of_twenty_objects_with_every_inspection_ask_less_than_once_a_second() {
    // Four services, revisions, connectors and instances; the network, its zones, the policy, the health events.
    let standin = standin(services(4));
    let inspector = inspector(&standin);
    let plans: Vec<_> = (0..1000)
        .map(|number| {
            let name = if number % 4 == 0 { "backend".to_owned() } else { format!("backend{}", number % 4) };
            InspectionPlan { service: ServiceRef { name, ..plan().service }, ..plan() }
        })
        .collect();
    let quiet = quiet();
    let round = || async {
        let pictures = join_all(plans.iter().map(|plan| inspector.inspect(plan, &quiet))).await;
        for picture in &pictures {
            for (inspection, reading) in picture.readings() {
                let opted_out = inspection == Inspection::ConnectivityTest;
                assert!(opted_out || !matches!(reading, Reading::Unread(_)), "{inspection}: {reading:?}");
            }
        }
        pictures
    };
    let begun = Instant::now();
    let pictures = round().await;
    let took = begun.elapsed();
    let read = |at: usize, name: &str| {
        let connector = pictures[at].connector.found().map(|found| found.name.to_string());
        assert_eq!(connector.as_deref(), Some(name));
    };
    read(0, CONNECTOR);
    read(3, &format!("{CONNECTOR}3"));
    let asked = standin.asked();
    for (method, object, calls) in asked.calls() {
        println!("{calls:3} {method:?} {object}");
    }
    let (total, figures) = (asked.total(), asked.of(Method::TimeSeriesList));
    let per_second = (total - figures) as f64 / 60.0 + figures as f64 / 300.0;
    println!(
        "{total} calls in {took:.1?} for 1000 checks; {figures} of them, for figures, hold for 300 s, the others for 60 s: \
         {per_second:.2} calls per second"
    );
    assert!(per_second < 1.0, "{per_second} calls per second");
    let once = |method| asked.calls().filter(|(asked, ..)| *asked == method).all(|(_, _, calls)| calls == 1);
    for method in
        [Method::ServicesGet, Method::ConnectorsGet, Method::InstancesGet, Method::NetworksGet, Method::PolicyGet]
    {
        assert!(once(method), "{method:?}");
    }
    let counted: u64 = inspector.calls().iter().map(|(_, calls)| calls).sum();
    assert_eq!(counted, total);
    round().await;
    assert_eq!(standin.asked().total(), total, "within the period nothing is asked again");
}
