//! What audit logs tell of an object that differs: whose change it was, however the object's API names it, and asked no more often
//! than there is cause.

use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use runready::cloud::{Absent, Inspection, Reading};
use runready::plan::{InspectionPlan, Occasion};
use runready::standin::world::{CONNECTOR, CULPRIT, INSTANCE, NETWORK, PROJECT, REGION, SERVICE};
use runready::standin::{Method, State};
use serde_json::json;

use super::{changed, failing, healthy, inspector, only, reading, standin};

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
