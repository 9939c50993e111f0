//! Google's own crates against the stand-in: each client that this product uses reads what the state says.

use google_cloud_auth::credentials::{Credentials, anonymous};
use google_cloud_compute_v1::client::{Firewalls, GlobalAddresses, Networks, Routes, Subnetworks};
use google_cloud_dns_v1::client::ManagedZones;
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::paginator::ItemPaginator;
use google_cloud_monitoring_v3::client::MetricService;
use google_cloud_monitoring_v3::model::TimeInterval;
use google_cloud_networkmanagement_v1::client::ReachabilityService;
use google_cloud_networkmanagement_v1::model::{ConnectivityTest, Endpoint};
use google_cloud_resourcemanager_v3::client::Projects;
use google_cloud_run_v2::client::{Revisions, Services};
use google_cloud_servicehealth_v1::client::ServiceHealth;
use google_cloud_sql_v1::client::{SqlInstancesService, SqlOperationsService, SqlUsersService};
use google_cloud_vpcaccess_v1::client::VpcAccessService;
use jiff::{SignedDuration, Timestamp};
use runready::standin::{Api, Fault, Standin, State, world};
use serde_json::json;

/// A client of that stand-in.
macro_rules! client {
    ($client:ty, $standin:expr) => {
        <$client>::builder()
            .with_endpoint($standin.url())
            .with_credentials(nobody())
            .with_retry_policy(google_cloud_gax::retry_policy::NeverRetry)
            .build()
            .await
            .expect("a client")
    };
}

fn nobody() -> Credentials {
    let _ = rustls::crypto::ring::default_provider().install_default();
    anonymous::Builder::new().build()
}

fn incident() -> Standin {
    Standin::start(State::incident(Timestamp::now())).expect("a port of loopback")
}

#[tokio::test]
async fn the_clients_of_the_path_read_what_the_state_says() {
    let standin = incident();
    let connector = client!(VpcAccessService, standin).get_connector().set_name(world::CONNECTOR).send().await;
    let connector = connector.expect("the connector");
    assert_eq!((connector.state.name(), connector.network.as_str()), (Some("ERROR"), "default"));

    let service = client!(Services, standin).get_service().set_name(world::SERVICE).send().await.expect("the service");
    let condition = service.terminal_condition.expect("a condition");
    assert_eq!(condition.state.name(), Some("CONDITION_FAILED"));
    let access = service.template.and_then(|template| template.vpc_access).expect("the way into the network");
    assert_eq!(access.connector, world::CONNECTOR);

    let revisions = client!(Revisions, standin);
    let revision = revisions.get_revision().set_name(world::FAILED_REVISION).send().await.expect("the revision");
    assert!(!revision.conditions.is_empty());
    let mut list = revisions.list_revisions().set_parent(world::SERVICE).set_page_size(1).by_item();
    let mut count = 0;
    while let Some(revision) = list.next().await {
        revision.expect("a revision");
        count += 1;
    }
    assert_eq!(count, 2, "over two pages");

    let instances = client!(SqlInstancesService, standin);
    let instance = instances.get().set_project(world::PROJECT).set_instance("staging-shared-postgres").send().await;
    assert_eq!(instance.expect("the instance").state.name(), Some("RUNNABLE"));
    let listed = instances.list().set_project(world::PROJECT).send().await.expect("the instances");
    assert_eq!(listed.items.len(), 1);
    let operations = client!(SqlOperationsService, standin).list().set_project(world::PROJECT);
    let operations = operations.set_instance("staging-shared-postgres").send().await.expect("the operations");
    assert_eq!(operations.items.len(), 1);
    let users = client!(SqlUsersService, standin).list().set_project(world::PROJECT);
    let users = users.set_instance("staging-shared-postgres").send().await.expect("the users");
    assert_eq!(users.items.len(), 2);
    assert_eq!(standin.asked().unknown().collect::<Vec<_>>(), [""; 0]);
}

#[tokio::test]
async fn the_clients_of_the_network_read_what_the_state_says() {
    let standin = incident();
    let networks = client!(Networks, standin);
    let network =
        networks.get().set_project(world::PROJECT).set_network("staging-vpc").send().await.expect("the network");
    assert_eq!(network.peerings.len(), 1);
    let firewalls =
        networks.get_effective_firewalls().set_project(world::PROJECT).set_network("staging-vpc").send().await;
    let firewalls = firewalls.expect("the rules in force");
    assert_eq!((firewalls.firewalls.len(), firewalls.firewall_policys.len()), (1, 1));
    let routes = networks.list_peering_routes().set_project(world::PROJECT).set_network("staging-vpc");
    let routes = routes.set_peering_name(world::PEERING).set_direction("INCOMING").send().await.expect("the routes");
    assert_eq!(routes.items.len(), 1);
    let subnets =
        client!(Subnetworks, standin).list().set_project(world::PROJECT).set_region(world::REGION).send().await;
    assert_eq!(subnets.expect("the subnets").items.len(), 2, "of the network, and of the default one");
    let addresses = client!(GlobalAddresses, standin);
    for (filter, count) in [("purpose=VPC_PEERING", 1), ("purpose=GCE_ENDPOINT", 0)] {
        let listed = addresses.list().set_project(world::PROJECT).set_filter(filter).send().await;
        assert_eq!(listed.expect("the addresses").items.len(), count, "{filter}");
    }
    let routes = client!(Routes, standin).list().set_project(world::PROJECT).send().await.expect("the routes");
    assert_eq!(routes.items.len(), 3);
    let rules = client!(Firewalls, standin).list().set_project(world::PROJECT).send().await.expect("the rules");
    assert_eq!(rules.items.len(), 1);
    let zones = client!(ManagedZones, standin).list().set_project(world::PROJECT).send().await.expect("the zones");
    assert_eq!(zones.managed_zones.len(), 1);
    assert_eq!(standin.asked().unknown().collect::<Vec<_>>(), [""; 0]);
}

#[tokio::test]
async fn the_clients_of_what_else_is_known_read_what_the_state_says() {
    let standin = incident();
    let events = client!(ServiceHealth, standin).list_events().set_parent("projects/netra-staging/locations/global");
    assert_eq!(events.send().await.expect("the events").events.len(), 1);
    let policy = client!(Projects, standin).get_iam_policy().set_resource("projects/netra-staging").send().await;
    assert_eq!(policy.expect("the policy").bindings.len(), 3);

    let now = Timestamp::now();
    let interval = json!({"startTime": (now - SignedDuration::from_mins(10)).to_string(), "endTime": now.to_string()});
    let interval: TimeInterval = serde_json::from_value(interval).expect("an interval");
    let series = client!(MetricService, standin).list_time_series().set_name("projects/netra-staging");
    let series =
        series.set_filter("metric.type = \"vpcaccess.googleapis.com/connector/instances\"").set_interval(interval);
    assert_eq!(series.send().await.expect("the series").time_series.len(), 1);

    let tests = client!(ReachabilityService, standin);
    let ends = ConnectivityTest::new()
        .set_source(Endpoint::new().set_ip_address("10.8.0.2"))
        .set_destination(Endpoint::new().set_cloud_sql_instance(world::INSTANCE).set_port(5432));
    let create = tests.create_connectivity_test().set_parent("projects/netra-staging/locations/global");
    let begun = create.set_test_id("one").set_resource(ends).send().await.expect("an operation");
    let done = tests.get_operation().set_name(begun.name).send().await.expect("the operation");
    assert!(done.done);
    let name = "projects/netra-staging/locations/global/connectivityTests/one";
    let test = tests.get_connectivity_test().set_name(name).send().await.expect("the test");
    let details = test.reachability_details.expect("what it found");
    assert_eq!(details.result.name(), Some("UNREACHABLE"));
    tests.delete_connectivity_test().set_name(name).send().await.expect("deleted");
    assert_eq!(standin.asked().unknown().collect::<Vec<_>>(), [""; 0]);
}

#[tokio::test]
async fn the_clients_understand_what_is_refused() {
    let standin = incident();
    let connectors = client!(VpcAccessService, standin);
    let networks = client!(Networks, standin);
    for (fault, status, code) in [
        (Fault::PermissionDenied, 403, Code::PermissionDenied),
        (Fault::ApiDisabled, 403, Code::PermissionDenied),
        (Fault::NotFound, 404, Code::NotFound),
        (Fault::Throttled(Some(1)), 429, Code::ResourceExhausted),
        (Fault::Internal, 500, Code::Internal),
    ] {
        standin.change(|state| {
            state.fail_api(Api::VpcAccess, &fault);
            state.fail_api(Api::Compute, &fault);
        });
        let refused = connectors.get_connector().set_name(world::CONNECTOR).send().await.expect_err("refused");
        assert_eq!(refused.http_status_code(), Some(status), "{refused:?}");
        assert_eq!(refused.status().map(|status| status.code), Some(code), "{refused:?}");
        let refused = networks.get().set_project(world::PROJECT).set_network("staging-vpc").send().await;
        assert_eq!(refused.expect_err("refused").http_status_code(), Some(status));
    }
}
