//! Which probes a fault of the way, or of the instance, explains. Pure.

use std::net::IpAddr;

use super::super::answer::server_error;
use super::super::{Case, Observation, behind_cloud_run};
use crate::api::{Cause, Kind, Layer, ProbeState, Stage};
use crate::cloud::Picture;
use crate::cloud::instance::Instance;
use crate::cloud::service::VpcEgress;

/// The port at which connectors, and what Cloud Run mounts, reach an instance (Cloud SQL documentation, "Cloud SQL Auth Proxy").
const CONNECTOR_PORT: u16 = 3307;

/// Whether an address is of a private range, and so within a VPC network or what it is connected with.
pub(super) fn private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || (ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64),
        IpAddr::V6(ip) => ip.segments()[0] & 0xfe00 == 0xfc00,
    }
}

/// Whether all of the service's traffic goes by the VPC network.
pub(super) fn all_traffic(picture: &Picture) -> bool {
    let access = picture.vpc_access();
    access.is_some_and(|access| access.egress == VpcEgress::AllTraffic)
}

/// Whether the service would reach a probe's target by the VPC network.
pub(super) fn through(case: &Case<'_>, observation: &Observation<'_>) -> bool {
    let all = case.cloud.is_some_and(all_traffic) && !seen_from_outside(observation);
    let mut tried = observation.tried().peekable();
    tried.peek().is_some() && (all || tried.all(|address| private(address.ip())))
}

/// Whether a probe does not run behind Cloud Run: what it asks does not take the service's way out, whatever its egress is.
fn seen_from_outside(observation: &Observation<'_>) -> bool {
    observation.evidence.is_none_or(|evidence| !behind_cloud_run(&evidence.vantage))
}

const fn is_silence(cause: Cause) -> bool {
    matches!(cause, Cause::ConnectTimeout | Cause::HostUnreachable | Cause::NetworkUnreachable)
}

fn failing(case: &Case<'_>, is: impl Fn(&Observation<'_>, Cause) -> bool) -> Vec<usize> {
    let fits =
        |observation: &Observation<'_>| observation.failing().is_some_and(|failure| is(observation, failure.cause));
    (0..case.observations.len()).filter(|index| fits(&case.observations[*index])).collect()
}

/// Failing probes that nothing answers, of targets that the service reaches by the VPC network.
pub(super) fn silent(case: &Case<'_>) -> Vec<usize> {
    failing(case, |observation, cause| is_silence(cause) && through(case, observation))
}

/// Failing probes that nothing answers, of public targets, seen from behind Cloud Run.
pub(super) fn silent_outside(case: &Case<'_>) -> Vec<usize> {
    failing(case, |observation, cause| {
        let public = observation.tried().next().is_some() && observation.tried().all(|at| !private(at.ip()));
        is_silence(cause) && public && !seen_from_outside(observation)
    })
}

/// Failing probes of the service's own endpoints, which answer with an error of the service or of Cloud Run.
pub(super) fn symptoms(case: &Case<'_>) -> Vec<usize> {
    failing(case, |observation, cause| {
        let of_cloud_run =
            matches!(cause, Cause::CloudRunNoInstance | Cause::CloudRunInstanceFailed | Cause::CloudRunThrottled);
        let of_the_service = matches!(cause, Cause::NotServing | Cause::GrpcFailed) || server_error(observation);
        observation.peer_layer() == Layer::Application && (of_cloud_run || of_the_service)
    })
}

/// A probe that passes by the service's own way out.
pub(super) fn passes<'c, 'a>(case: &'c Case<'a>) -> Option<&'c Observation<'a>> {
    case.observations.iter().find(|observation| {
        let well = matches!(observation.state, ProbeState::Healthy | ProbeState::Degraded);
        let there = observation.evidence.is_some_and(|evidence| behind_cloud_run(&evidence.vantage));
        well && there && observation.answered().next().is_some() && through(case, observation)
    })
}

/// Whether a probe goes by a Cloud SQL connector, or by a socket that Cloud Run mounts.
pub(super) fn by_connector(observation: &Observation<'_>) -> bool {
    let of_it = |stage| matches!(stage, Stage::Settings | Stage::Certificate | Stage::Tunnel);
    let entered = observation.evidence.is_some_and(|evidence| evidence.stages.iter().any(|record| of_it(record.stage)));
    entered || observation.target.contains("/cloudsql/")
}

/// The kind of probe that speaks an instance's protocol.
pub(super) fn engine(instance: &Instance) -> Option<Kind> {
    let version = &instance.database_version;
    [("POSTGRES", Kind::Postgres), ("MYSQL", Kind::Mysql), ("SQLSERVER", Kind::Sqlserver)]
        .into_iter()
        .find_map(|(prefix, kind)| version.starts_with(prefix).then_some(kind))
}

/// The addresses by which an instance is reached.
pub(super) fn addresses(instance: &Instance) -> impl Iterator<Item = IpAddr> + '_ {
    instance.ip_addresses.iter().filter_map(|address| address.ip_address.parse().ok())
}

/// Whether a probe aims at the inspected instance: at its address, through its connector, or, where its addresses are not known, by
/// its protocol.
pub(super) fn aims_at(observation: &Observation<'_>, instance: Option<&Instance>) -> bool {
    let Some(instance) = instance else {
        return observation.peer_layer() == Layer::Database && observation.peer_kind() != Kind::Redis;
    };
    let mut tried = observation.tried().peekable();
    if tried.peek().is_some() && addresses(instance).next().is_some() {
        return tried.any(|at| addresses(instance).any(|own| own == at.ip()));
    }
    observation.target.contains(&*instance.connection_name)
        || engine(instance).is_none_or(|kind| kind == observation.peer_kind())
            && observation.peer_layer() == Layer::Database
}

/// Failing probes of the instance, for a cause by which one that does not serve shows.
pub(super) fn of_instance(case: &Case<'_>, picture: &Picture) -> Vec<usize> {
    let shows = |cause| {
        is_silence(cause)
            || matches!(
                cause,
                Cause::ConnectionRefused
                    | Cause::ConnectionReset
                    | Cause::ConnectionClosed
                    | Cause::TlsTimeout
                    | Cause::HandshakeTimeout
                    | Cause::AuthenticationTimeout
                    | Cause::QueryTimeout
                    | Cause::ServerStarting
                    | Cause::ServerShuttingDown
                    | Cause::ServerError
                    | Cause::ReadOnly
                    | Cause::CloudSqlCertificateFailed
                    | Cause::CloudSqlAddressMissing
                    | Cause::CloudSqlInstanceNotFound
            )
    };
    failing(case, |observation, cause| shows(cause) && aims_at(observation, picture.instance.object()))
}

/// Failing probes of the instance for a cause of that sort.
pub(super) fn of_instance_with(
    case: &Case<'_>,
    picture: &Picture,
    is: impl Fn(&Observation<'_>, Cause) -> bool,
) -> Vec<usize> {
    failing(case, |observation, cause| is(observation, cause) && aims_at(observation, picture.instance.object()))
}

/// A probe that logs in to the instance.
pub(super) fn logs_in<'c, 'a>(case: &'c Case<'a>, picture: &Picture) -> Option<&'c Observation<'a>> {
    case.observations.iter().find(|observation| {
        let well = matches!(observation.state, ProbeState::Healthy | ProbeState::Degraded);
        well && observation.passed(Stage::Authenticate) && aims_at(observation, picture.instance.object())
    })
}

/// The port by which the service reaches the instance: that of the probes which aim at it, or else of its mount or its protocol.
fn port(case: &Case<'_>, picture: &Picture, instance: &Instance) -> u16 {
    let aiming = case.observations.iter().filter(|observation| aims_at(observation, Some(instance)));
    if let Some(at) = aiming.flat_map(Observation::tried).find(|at| private(at.ip())) {
        return at.port();
    }
    let mounts = picture.service.object().is_some_and(|service| !service.template.cloud_sql_instances.is_empty());
    match engine(instance) {
        _ if mounts => CONNECTOR_PORT,
        Some(Kind::Mysql) => 3306,
        Some(Kind::Sqlserver) => 1433,
        Some(_) | None => 5432,
    }
}

/// Addresses that the path must reach: those of the silent probes, or else the instance's private ones.
pub(super) fn goals(case: &Case<'_>, picture: &Picture) -> Vec<(IpAddr, u16)> {
    let mut goals: Vec<(IpAddr, u16)> = silent(case)
        .into_iter()
        .flat_map(|index| case.observations[index].tried())
        .filter(|at| private(at.ip()))
        .map(|at| (at.ip(), at.port()))
        .collect();
    if let Some(instance) = picture.instance.object().filter(|_| goals.is_empty()) {
        let port = port(case, picture, instance);
        goals.extend(addresses(instance).filter(|ip| private(*ip)).map(|ip| (ip, port)));
    }
    goals.sort_unstable();
    goals.dedup();
    goals
}
