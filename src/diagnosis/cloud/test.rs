//! The rule about a connectivity test of Google's: each cause of a drop, its layer and what it means. Pure.

use super::super::{Case, Finding};
use super::{cite, way};
use crate::api::{Cause, Confidence, Layer};
use crate::cloud::Inspection;
use crate::cloud::test::{ConnectivityTest, ProbingResult, Stop, TestResult};

pub(in crate::diagnosis) const DROPS: &str = "network/connectivity-test";

/// Why a test drops packets (networkmanagement v1, DropInfo.cause): its layer, our cause, and what it says.
pub const DROP_CAUSES: &[(&str, Layer, Cause, &str)] = &[
    ("VPC_CONNECTOR_NOT_SET", Layer::Egress, Cause::VpcAccessMissing, "the service has no VPC connector"),
    ("VPC_CONNECTOR_NOT_RUNNING", Layer::Egress, Cause::ConnectorNotReady, "the VPC connector does not run"),
    (
        "VPC_CONNECTOR_SERVERLESS_TRAFFIC_BLOCKED",
        Layer::Egress,
        Cause::FirewallDenies,
        "a firewall rule keeps Cloud Run's traffic from the VPC connector",
    ),
    (
        "VPC_CONNECTOR_HEALTH_CHECK_TRAFFIC_BLOCKED",
        Layer::Egress,
        Cause::FirewallDenies,
        "a firewall rule keeps health checks from the VPC connector",
    ),
    ("CLOUD_SQL_INSTANCE_NOT_RUNNING", Layer::Database, Cause::InstanceUnavailable, "the instance does not run"),
    (
        "CLOUD_SQL_INSTANCE_UNAUTHORIZED_ACCESS",
        Layer::Database,
        Cause::PacketsDropped,
        "the instance's authorized networks do not hold the source address",
    ),
    (
        "CLOUD_SQL_INSTANCE_NO_IP_ADDRESS",
        Layer::Database,
        Cause::CloudSqlAddressMissing,
        "the instance has neither a private nor a public address that fits",
    ),
    (
        "CLOUD_SQL_INSTANCE_NO_ROUTE",
        Layer::Network,
        Cause::RouteMissing,
        "the instance has no route back to the source network",
    ),
    (
        "CLOUD_SQL_CONNECTOR_REQUIRED",
        Layer::Application,
        Cause::ConnectorRequired,
        "the instance takes connections through a connector alone",
    ),
    (
        "CLOUD_SQL_INSTANCE_NOT_CONFIGURED_FOR_EXTERNAL_TRAFFIC",
        Layer::Database,
        Cause::PacketsDropped,
        "the instance is not configured to send to external addresses",
    ),
    (
        "PUBLIC_CLOUD_SQL_INSTANCE_TO_PRIVATE_DESTINATION",
        Layer::Database,
        Cause::PacketsDropped,
        "an instance with a public address alone does not reach private ones",
    ),
    (
        "CLOUD_SQL_PSC_NEG_UNSUPPORTED",
        Layer::Network,
        Cause::PacketsDropped,
        "a Private Service Connect endpoint group leads to an instance that does not support it",
    ),
    (
        "DROPPED_INSIDE_CLOUD_SQL_SERVICE",
        Layer::Database,
        Cause::PacketsDropped,
        "packets are dropped inside Cloud SQL",
    ),
    (
        "GOOGLE_MANAGED_SERVICE_NO_PEERING",
        Layer::Network,
        Cause::PeeringLost,
        "the network has no peering with Google's services",
    ),
    (
        "GOOGLE_MANAGED_SERVICE_NO_PSC_ENDPOINT",
        Layer::Network,
        Cause::PacketsDropped,
        "there is no Private Service Connect endpoint for the instance",
    ),
    (
        "PSC_CONNECTION_NOT_ACCEPTED",
        Layer::Network,
        Cause::PacketsDropped,
        "the Private Service Connect connection is not accepted",
    ),
    (
        "PSC_ENDPOINT_ACCESSED_FROM_PEERED_NETWORK",
        Layer::Network,
        Cause::PacketsDropped,
        "a Private Service Connect endpoint does not serve peered networks",
    ),
    (
        "DROPPED_INSIDE_PSC_SERVICE_PRODUCER",
        Layer::Network,
        Cause::PacketsDropped,
        "packets are dropped in the network of the service's producer",
    ),
    (
        "DROPPED_INSIDE_GOOGLE_MANAGED_SERVICE",
        Layer::Network,
        Cause::PacketsDropped,
        "packets are dropped inside a service that Google manages",
    ),
    (
        "NO_VALID_ROUTE_FROM_GOOGLE_MANAGED_NETWORK_TO_DESTINATION",
        Layer::Network,
        Cause::RouteMissing,
        "Google's network has no route to the destination",
    ),
    ("CLOUD_RUN_REVISION_NOT_READY", Layer::CloudRun, Cause::RevisionFailed, "the revision is not ready"),
    ("CLOUD_RUN_JOB_NOT_READY", Layer::CloudRun, Cause::RevisionFailed, "the Cloud Run job is not ready"),
    (
        "INGRESS_FIREWALL_TAGS_UNSUPPORTED_BY_DIRECT_VPC_EGRESS",
        Layer::Egress,
        Cause::FirewallDenies,
        "an ingress rule is meant for the tags of Direct VPC egress, which ingress rules don't see",
    ),
    ("FIREWALL_RULE", Layer::Network, Cause::FirewallDenies, "a firewall rule denies the packets"),
    ("NO_ROUTE", Layer::Network, Cause::RouteMissing, "no route leads to the destination"),
    ("ROUTE_BLACKHOLE", Layer::Network, Cause::RouteMissing, "the route's next hop does not exist or is down"),
    ("ROUTE_WRONG_NETWORK", Layer::Network, Cause::RouteMissing, "the route leads into another network than expected"),
    (
        "PRIVATE_TRAFFIC_TO_INTERNET",
        Layer::Network,
        Cause::RouteMissing,
        "packets to a private address would leave for the Internet",
    ),
    (
        "NO_EXTERNAL_ADDRESS",
        Layer::Egress,
        Cause::PacketsDropped,
        "a source without an external address has no way to the Internet",
    ),
    (
        "PRIVATE_GOOGLE_ACCESS_DISALLOWED",
        Layer::Network,
        Cause::PacketsDropped,
        "the subnet does not allow Private Google Access",
    ),
    ("CLOUD_NAT_NO_ADDRESSES", Layer::Egress, Cause::ResourcesExhausted, "Cloud NAT has no addresses or ports left"),
    (
        "UNKNOWN_INTERNAL_ADDRESS",
        Layer::Network,
        Cause::PacketsDropped,
        "no resource of the network has the destination's address",
    ),
    ("ROUTING_LOOP", Layer::Network, Cause::RouteMissing, "packets go round in a loop"),
];

/// Why a test ends early (networkmanagement v1, AbortInfo.cause). Each means that nothing is known, never that all is well.
pub const ABORT_CAUSES: &[(&str, &str)] = &[
    (
        "PERMISSION_DENIED",
        "runready's account may not read all that the path touches: grant it roles/compute.networkViewer and roles/cloudsql.viewer in every project of the path",
    ),
    (
        "NO_SERVERLESS_IP_RANGES",
        "the ranges of Cloud Run's addresses are not known yet: try again after the first instance has run",
    ),
    (
        "GOOGLE_MANAGED_SERVICE_AMBIGUOUS_PSC_ENDPOINT",
        "several Private Service Connect endpoints lead to the instance: name one by its address",
    ),
    ("GOOGLE_MANAGED_SERVICE_UNKNOWN_IP", "the destination's address belongs to no service that the test knows"),
    ("RESOURCE_CONFIG_NOT_FOUND", "the configuration of an object on the path was not found"),
    ("INTERNAL_ERROR", "the test failed by itself: run it again"),
    ("UNSUPPORTED", "the test does not support this path"),
];

fn dropped(stop: &Stop) -> (Layer, Cause, String) {
    let known = DROP_CAUSES.iter().find(|(name, ..)| *name == stop.cause);
    let at = if stop.resource.is_empty() { String::new() } else { format!(" at {}", stop.resource) };
    match known {
        Some((name, layer, cause, says)) => (*layer, *cause, format!("{says} ({name}{at})")),
        None => (Layer::Network, Cause::PacketsDropped, format!("packets are dropped ({}{at})", stop.cause)),
    }
}

/// What a test came to, in a few words.
pub(super) fn result(test: &ConnectivityTest) -> String {
    let probing = match &test.probing {
        Some(probing) => format!(", probing {probing}"),
        None => String::new(),
    };
    format!("{}{probing}", test.result)
}

pub(in crate::diagnosis) fn drops(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.connectivity_test.found() else { return Vec::new() };
    let test = &found.object;
    let told = |stop: &Stop| vec![cite("connectivity test", found, format!("{}: {}", result(test), stop.cause))];
    if let Some(stop) = test.drop_causes.first() {
        let (layer, cause, says) = dropped(stop);
        let summary = format!("a connectivity test finds that {says}");
        let finding = Finding::told(DROPS, cause, Inspection::ConnectivityTest, summary, told(stop)).of_layer(layer);
        // Where some traces arrive, this one may not be the service's.
        let confidence = if test.result == TestResult::Unreachable { Confidence::High } else { Confidence::Medium };
        return vec![finding.sure(confidence).about_the_way(case)];
    }
    let lost = matches!(test.probing, Some(ProbingResult::Unreachable | ProbingResult::Inconsistent));
    if !lost || !test.abort_causes.is_empty() {
        return Vec::new();
    }
    let (share, sure) = match test.probing {
        Some(ProbingResult::Inconsistent) => ("some", Confidence::Low),
        Some(_) | None => ("all", Confidence::Medium),
    };
    let summary = format!(
        "a connectivity test sent packets and lost {share} of them, although the configuration lets them pass ({}): what drops them is no \
         configuration of the network",
        result(test)
    );
    let told = vec![cite("connectivity test", found, result(test))];
    let finding = Finding::told(DROPS, Cause::PacketsDropped, Inspection::ConnectivityTest, summary, told).sure(sure);
    vec![finding.explaining(case, way::silent(case), Vec::new())]
}
