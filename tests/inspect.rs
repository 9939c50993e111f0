//! Reads of Google Cloud's own view, tried against the stand-in for Google's APIs: what is read, what a refusal is told as, how
//! often is asked.

mod cut;
mod leftover;
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
    CONNECTION_NAME, CONNECTOR, CULPRIT, INSTANCE, NETWORK, PROJECT, READY_REVISION, REGION, SECRET, SERVICE, ZONE,
};
use runready::standin::{Fault, Method, Standin, State};
use serde_json::json;

fn inspector(standin: &Standin) -> Inspector {
    let endpoint = standin.url().parse().expect("an endpoint");
    Inspector::new(Access { endpoint: Some(endpoint), credentials: Credentials::Anonymous })
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

#[tokio::test]
async fn the_audit_log_names_who_made_the_connector_anew() {
    let standin = standin(State::incident(Timestamp::now()));
    let occasion = changed(&[(Inspection::Connector, CONNECTOR)]);
    let picture = inspector(&standin).inspect(&only(&[Inspection::AuditLog]), &occasion).await;
    let read = picture.audit_log[0].found().unwrap_or_else(|| panic!("{:?}", picture.audit_log));
    assert_eq!(&*read.name, CONNECTOR);
    let told: Vec<(&str, &str)> = read
        .object
        .iter()
        .map(|change| (change.method.rsplit('.').next().expect("a method"), &*change.principal))
        .collect();
    // The latest first; not the ends of what takes long, nor what was refused.
    assert_eq!(told, [("CreateConnector", CULPRIT), ("DeleteConnector", CULPRIT)]);
    assert!(read.object.iter().all(|change| change.resource == CONNECTOR));
}

#[tokio::test]
async fn audit_logs_are_not_asked_unless_something_differs_and_then_once_a_minute_for_all_who_ask() {
    let standin = standin(healthy());
    let inspector = inspector(&standin);
    // However often a check wants everything anew.
    let plan = InspectionPlan { interval: Duration::ZERO, ..only(&[Inspection::AuditLog]) };
    let asked = |occasion: Occasion| {
        let (inspector, plan, standin) = (&inspector, &plan, &standin);
        async move {
            join_all((0..100).map(|_| inspector.inspect(plan, &occasion))).await;
            standin.asked().of(Method::EntriesList)
        }
    };
    assert_eq!(asked(failing()).await, 0);
    let (connector, network) = ((Inspection::Connector, CONNECTOR), (Inspection::Network, NETWORK));
    assert_eq!(asked(changed(&[connector])).await, 1);
    assert_eq!(asked(Occasion { failing: true, ..changed(&[connector]) }).await, 1, "not older than a minute");
    assert_eq!(asked(changed(&[connector, network])).await, 2, "each object once");
    let subjects = [
        connector,
        network,
        (Inspection::DnsZones, NETWORK),
        (Inspection::Service, SERVICE),
        (Inspection::Instance, INSTANCE),
        (Inspection::Access, "projects/netra-staging"),
    ];
    let picture = inspector.inspect(&plan, &changed(&subjects)).await;
    assert!(picture.audit_log.iter().all(|reading| reading.object().is_some()), "{:?}", picture.audit_log);
    let calls = inspector.calls().into_iter().find(|(inspection, _)| *inspection == Inspection::AuditLog);
    assert_eq!(calls, Some((Inspection::AuditLog, 6)));
    let off = InspectionPlan { skip: [Inspection::AuditLog].into(), ..plan.clone() };
    let picture = inspector.inspect(&off, &changed(&[(Inspection::Connector, "projects/other/connectors/c")])).await;
    assert_eq!(reading(&picture, Inspection::AuditLog), Reading::Absent(Absent::SwitchedOff));
    assert_eq!(standin.asked().of(Method::EntriesList), 6 + 1, "the log of the service");
}

#[tokio::test]
async fn of_an_object_that_differs_its_own_changes_are_read_however_its_api_names_it() {
    let entry = |service: &str, method: &str, resource: &str| {
        json!({
            "insertId": format!("{method} {resource}"), "timestamp": Timestamp::now().to_string(),
            "logName": format!("projects/{PROJECT}/logs/cloudaudit.googleapis.com%2Factivity"),
            "resource": {"type": "audited_resource", "labels": {"project_id": PROJECT, "location": REGION}},
            "protoPayload": {
                "@type": "type.googleapis.com/google.cloud.audit.AuditLog", "serviceName": format!("{service}.googleapis.com"),
                "methodName": method, "resourceName": resource, "authenticationInfo": {"principalEmail": "who@netra.example"},
            },
        })
    };
    let entries = [
        ("run", "google.cloud.run.v1.Services.ReplaceService", "namespaces/netra-staging/services/backend"),
        ("run", "google.cloud.run.v2.Jobs.UpdateJob", "projects/netra-staging/locations/us-central1/jobs/backend"),
        ("vpcaccess", "google.cloud.vpcaccess.v1.VpcAccessService.CreateConnector", CONNECTOR),
        ("cloudsql", "cloudsql.instances.update", "instances/staging-shared-postgres"),
        ("cloudsql", "cloudsql.users.update", "instances/staging-shared-postgres"),
        ("compute", "v1.compute.networks.patch", NETWORK),
        ("compute", "v1.compute.routes.insert", "projects/netra-staging/global/routes/nat"),
        ("compute", "v1.compute.subnetworks.patch", "projects/netra-staging/regions/us-central1/subnetworks/apps"),
        ("compute", "v1.compute.globalAddresses.delete", "projects/netra-staging/global/addresses/staging-services"),
        ("compute", "v1.compute.networks.patch", "projects/netra-staging/global/networks/other"),
        ("compute", "v1.compute.instances.insert", "projects/netra-staging/zones/us-central1-a/instances/vm"),
        ("dns", "dns.managedZones.patch", "managedZones/staging-internal"),
        ("dns", "dns.changes.create", "managedZones/staging-internal"),
        ("cloudresourcemanager", "SetIamPolicy", "projects/netra-staging"),
    ];
    let mut state = healthy();
    state.entries.extend(entries.map(|(service, method, resource)| entry(service, method, resource)));
    let standin = standin(state);
    let expected: [(Inspection, &str, &[&str]); 6] = [
        (Inspection::Service, SERVICE, &["ReplaceService"]),
        (Inspection::Connector, CONNECTOR, &["CreateConnector"]),
        (Inspection::Instance, INSTANCE, &["update"]),
        (Inspection::Network, NETWORK, &["delete", "insert", "patch", "patch"]),
        (Inspection::DnsZones, NETWORK, &["patch"]),
        (Inspection::Access, "projects/netra-staging", &["SetIamPolicy"]),
    ];
    let subjects: Vec<_> = expected.iter().map(|(inspection, object, _)| (*inspection, *object)).collect();
    let picture = inspector(&standin).inspect(&only(&[Inspection::AuditLog]), &changed(&subjects)).await;
    for ((inspection, _, methods), reading) in expected.iter().zip(&picture.audit_log) {
        let changes = reading.object().unwrap_or_else(|| panic!("{inspection}: {reading:?}"));
        let mut found: Vec<_> =
            changes.iter().map(|change| change.method.rsplit('.').next().expect("a method")).collect();
        let mut methods = methods.to_vec();
        found.sort_unstable();
        methods.sort_unstable();
        assert_eq!(found, methods, "{inspection}");
    }
}
