//! Rules about limits: connections, CPU, memory and disk of the instance, the connector's instances, a subnet's addresses. Pure.
//!
//! The thresholds for the instance are those of Google's own support rules: CPU at 98 % for six hours, memory at 90 %, a replica
//! 600 s behind.

use ipnet::IpNet;

use super::super::{Case, Finding, Gravity};
use super::{cite, short, way};
use crate::api::{Cause, Confidence, Layer, ProbeState};
use crate::cloud::metrics::Metrics;
use crate::cloud::network::Network;
use crate::cloud::service::Service;
use crate::cloud::{Inspection, Picture};

pub(in crate::diagnosis) const CONNECTIONS: &str = "database/connection-limit";
pub(in crate::diagnosis) const SATURATED: &str = "database/saturated";
pub(in crate::diagnosis) const CONNECTOR: &str = "egress/connector-saturated";
pub(in crate::diagnosis) const SUBNET: &str = "egress/subnet-full";

const CPU_FULL: f64 = 0.98;
const CPU_FULL_FOR: u64 = 6 * 60 * 60;
const MEMORY_FULL: f64 = 0.90;
const DISK_FULL: f64 = 0.95;
const LAG: f64 = 600.0;
const CONNECTIONS_FULL: f64 = 0.90;
const CONNECTOR_CPU_FULL: f64 = 0.90;
const CONNECTOR_CPU_HIGH: f64 = 0.75;

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

pub(in crate::diagnosis) fn connections(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let limit = picture.instance.object().and_then(|instance| instance.flags.get("max_connections"));
    let limit = limit.and_then(|limit| limit.parse::<f64>().ok()).filter(|limit| *limit > 0.0);
    let open = picture.metrics.object().and_then(|metrics| metrics.instance_connections);
    let refused = way::of_instance_with(case, picture, |_, cause| cause == Cause::TooManyConnections);
    let summary = match (open, limit) {
        (Some(open), Some(limit)) => format!("{open:.0} of {limit:.0} connections (max_connections) are open"),
        (None, Some(limit)) => format!("max_connections is set to {limit:.0}, and how many are open is not known"),
        (Some(open), None) => {
            format!("{open:.0} connections are open, and max_connections is what the machine's size gives")
        }
        (None, None) => return Vec::new(),
    };
    let near = matches!((open, limit), (Some(open), Some(limit)) if open >= limit * CONNECTIONS_FULL);
    if refused.is_empty() && !near {
        return Vec::new();
    }
    let mut told = Vec::new();
    told.extend(picture.metrics.found().map(|found| cite("metrics", found, &summary)));
    told.extend(
        picture
            .instance
            .found()
            .filter(|_| limit.is_some())
            .map(|found| cite("instance", found, "flag max_connections")),
    );
    let cause = if refused.is_empty() { Cause::ResourcesExhausted } else { Cause::TooManyConnections };
    let finding = Finding::told(CONNECTIONS, cause, Inspection::Instance, summary, told).weighing(Gravity::Flaw);
    vec![finding.explaining(case, refused, Vec::new())]
}

/// What of the instance is at its limit.
fn full(metrics: &Metrics, pressed: bool) -> Vec<String> {
    let mut full = Vec::new();
    let long = metrics.instance_cpu_saturated_seconds.filter(|seconds| *seconds >= CPU_FULL_FOR);
    match (metrics.instance_cpu, long) {
        (_, Some(seconds)) => full.push(format!("its CPU is at 98 % or more for {} h", seconds / 3600)),
        (Some(cpu), None) if pressed && cpu >= CPU_FULL => full.push(format!("its CPU is at {}", percent(cpu))),
        (Some(_) | None, None) => {}
    }
    let at = |what: &str, share: Option<f64>, limit: f64| {
        share.filter(|share| *share >= limit).map(|share| format!("its {what} is at {}", percent(share)))
    };
    full.extend(at("memory", metrics.instance_memory, MEMORY_FULL));
    full.extend(at("disk", metrics.instance_disk, DISK_FULL));
    let lag = metrics.replica_lag_seconds.filter(|lag| *lag > LAG);
    full.extend(lag.map(|lag| format!("the replica is {lag:.0} s behind")));
    full
}

/// Failing or slow probes of the instance, for a cause by which a server without breath shows.
fn pressed(case: &Case<'_>, picture: &Picture) -> Vec<usize> {
    let shows = |cause| {
        matches!(
            cause,
            Cause::HandshakeTimeout
                | Cause::AuthenticationTimeout
                | Cause::QueryTimeout
                | Cause::TlsTimeout
                | Cause::ServerError
                | Cause::ConnectionClosed
                | Cause::ConnectionReset
                | Cause::LatencyExceeded
                | Cause::StartupBudgetExceeded
        )
    };
    let of_it = case.faults(shows).filter(|(_, observation, _)| {
        observation.peer_layer() == Layer::Database && way::aims_at(observation, picture.instance.object())
    });
    of_it.map(|(index, ..)| index).collect()
}

pub(in crate::diagnosis) fn saturated(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.metrics.found() else { return Vec::new() };
    let pressed = pressed(case, picture);
    let full = full(&found.object, !pressed.is_empty());
    if full.is_empty() {
        return Vec::new();
    }
    let name = picture.instance.object().map_or("the instance", |instance| &*instance.connection_name);
    let summary = format!("{name} is at its limit: {}", full.join(", "));
    let told = vec![cite("metrics", found, full.join(", "))];
    let finding = Finding::told(SATURATED, Cause::ResourcesExhausted, Inspection::Metrics, summary, told);
    let finding = finding.of_layer(Layer::Database).sure(Confidence::Medium).weighing(Gravity::Flaw);
    let finding = finding.remedied(
        "Find what takes it up (Query Insights, pg_stat_activity, SHOW PROCESSLIST), or give the instance a larger machine or disk.",
    );
    vec![finding.explaining(case, pressed, Vec::new())]
}

/// Probes that a connector without breath explains: failing or slow, on the way through it.
fn squeezed(case: &Case<'_>) -> Vec<usize> {
    let shows = |cause| {
        matches!(
            cause,
            Cause::ConnectTimeout
                | Cause::ConnectionReset
                | Cause::HandshakeTimeout
                | Cause::TlsTimeout
                | Cause::QueryTimeout
                | Cause::LatencyExceeded
                | Cause::StartupBudgetExceeded
                | Cause::JourneyBudgetExceeded
        )
    };
    let on_it = case
        .faults(shows)
        .filter(|(_, observation, _)| way::through(case, observation) && observation.state != ProbeState::Unknown);
    on_it.map(|(index, ..)| index).collect()
}

/// What a connector passes on, and what it is made for.
fn throughput(picture: &Picture, metrics: &Metrics) -> Option<String> {
    let megabits = |bytes: f64| bytes * 8.0 / 1e6;
    let sent = megabits(metrics.connector_sent_bytes_per_second?);
    let received = megabits(metrics.connector_received_bytes_per_second?);
    let most = picture.connector.object().map(|connector| connector.max_throughput).filter(|most| *most > 0);
    let most = most.map(|most| format!(" (it is made for {most} Mbit/s)")).unwrap_or_default();
    Some(format!(", {sent:.0} Mbit/s sent and {received:.0} Mbit/s received{most}"))
}

pub(in crate::diagnosis) fn connector(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.metrics.found() else { return Vec::new() };
    let Some(cpu) = found.object.connector_cpu else { return Vec::new() };
    let most =
        picture.connector.object().map(|connector| f64::from(connector.max_instances)).filter(|most| *most > 0.0);
    let all_used = matches!((found.object.connector_instances, most), (Some(now), Some(most)) if now >= most);
    if cpu < CONNECTOR_CPU_FULL && !(all_used && cpu >= CONNECTOR_CPU_HIGH) {
        return Vec::new();
    }
    let name = picture.connector.found().map_or("the VPC connector", |found| short(&found.name));
    let instances = match (found.object.connector_instances, most) {
        (Some(now), Some(most)) => format!(" on {now:.0} of {most:.0} instances"),
        (Some(now), None) => format!(" on {now:.0} instances"),
        (None, _) => String::new(),
    };
    let summary = format!("the VPC connector {name} is at its limit: CPU {}{instances}", percent(cpu));
    let passed_on = throughput(picture, &found.object).unwrap_or_default();
    let told = vec![cite("metrics", found, format!("connector CPU {}{instances}{passed_on}", percent(cpu)))];
    let finding = Finding::told(CONNECTOR, Cause::ResourcesExhausted, Inspection::Metrics, summary, told);
    let finding = finding.of_layer(Layer::Egress).sure(Confidence::Medium).weighing(Gravity::Flaw);
    let finding = finding.remedied(
        "Give the connector more or larger instances (`gcloud compute networks vpc-access connectors update --max-instances, --machine-type`; it \
         never scales in by itself), or move the service to Direct VPC egress.",
    );
    vec![finding.explaining(case, squeezed(case), Vec::new())]
}

/// The service's own subnet with its free addresses, if few are left for its instances.
fn nearly_full(service: &Service, network: &Network) -> Option<(String, u32, u32)> {
    let access = service.template.vpc_access.as_ref().filter(|access| access.connector.is_none())?;
    let name = short(&access.network_interfaces.first()?.subnetwork);
    let subnet = network.subnets.iter().find(|subnet| subnet.name == name)?;
    let range = subnet.ip_cidr_range.parse::<IpNet>().ok()?;
    let bits = range.max_prefix_len() - range.prefix_len();
    // Google keeps four addresses of each subnet for itself.
    let size = 1_u32.checked_shl(u32::from(bits)).unwrap_or(u32::MAX).saturating_sub(4);
    let free = size.saturating_sub(subnet.used_addresses?);
    // Cloud Run takes blocks of 16 addresses.
    (free < 16).then(|| (subnet.name.clone(), free, size))
}

pub(in crate::diagnosis) fn subnet(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let (Some(service), Some(found)) = (picture.service.object(), picture.network.found()) else { return Vec::new() };
    let Some((name, free, size)) = nearly_full(service, &found.object) else { return Vec::new() };
    let summary = format!(
        "the subnet {name}, from which Direct VPC egress takes addresses, has {free} of {size} left, and Cloud Run takes 16 at a time: \
         new instances of the service don't start"
    );
    let told = vec![cite("network", found, format!("subnet {name}: {free} of {size} addresses free"))];
    let finding = Finding::told(SUBNET, Cause::ResourcesExhausted, Inspection::Network, summary, told);
    let finding = finding.of_layer(Layer::Egress).sure(Confidence::Medium).weighing(Gravity::Flaw);
    let finding = finding.remedied("Give the service a larger subnet (/26 at least), or widen this one: `gcloud compute networks subnets expand-ip-range`.");
    vec![finding.explaining(case, way::silent(case), way::symptoms(case))]
}
