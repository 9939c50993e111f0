//! Orders drift by how well it explains a failure. Pure.

use crate::api::{Cause, Layer, Stage};
use crate::cloud::{Drift, Inspection};

/// What a failure is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// Packets don't arrive.
    Reach,
    /// A name is not resolved.
    Name,
    /// TLS, or the lack of it.
    Encryption,
    /// Who may come in.
    Identity,
    /// There is not enough of something.
    Capacity,
    /// The service does not come up, or not in time.
    Start,
    /// The database itself.
    Database,
    /// Nothing that the configuration of a path tells.
    Other,
}

/// Below this a drift explains nothing of a failure.
const EXPLAINS: u8 = 2;

/// Drift in the order in which it explains a failure, the best explanation first; what explains it equally well stays in the
/// order of the path.
pub fn rank(drift: &[Drift], cause: Cause, stage: Option<Stage>) -> Vec<&Drift> {
    let about = about(cause, stage);
    let mut ranked: Vec<&Drift> = drift.iter().collect();
    ranked.sort_by_key(|drift| std::cmp::Reverse(weight(drift, about)));
    ranked
}

/// The drift that explains a failure, the best explanation first. Empty: none of it has to do with the failure.
pub fn explaining(drift: &[Drift], cause: Cause, stage: Option<Stage>) -> Vec<&Drift> {
    let about = about(cause, stage);
    let mut ranked = rank(drift, cause, stage);
    ranked.retain(|drift| weight(drift, about) >= EXPLAINS);
    ranked
}

/// A cause that names its subject decides; otherwise the stage does, then the layer.
fn about(cause: Cause, stage: Option<Stage>) -> About {
    if cause.is_unknown() {
        return About::Other;
    }
    if let Some(about) = by_cause(cause) {
        return about;
    }
    match (stage, cause.usual_layer()) {
        (Some(Stage::Resolve), _) => About::Name,
        (Some(Stage::Connect), _) => About::Reach,
        (Some(Stage::Tunnel | Stage::Tls | Stage::Certificate), _) => About::Encryption,
        (Some(Stage::Authenticate | Stage::Token), _) => About::Identity,
        (_, Layer::Egress | Layer::Network) => About::Reach,
        (_, Layer::Database) => About::Database,
        (_, Layer::CloudRun) => About::Start,
        (_, Layer::Application | Layer::Region | Layer::Prober) => About::Other,
    }
}

fn by_cause(cause: Cause) -> Option<About> {
    let is = |causes: &[Cause]| causes.contains(&cause);
    if is(&[
        Cause::ConnectTimeout,
        Cause::ConnectionRefused,
        Cause::HostUnreachable,
        Cause::NetworkUnreachable,
        Cause::LargePacketsLost,
        Cause::CloudSqlAddressMissing,
        Cause::SocketNotFound,
    ]) {
        Some(About::Reach)
    } else if is(&[Cause::NameNotFound, Cause::NoAddress, Cause::ResolverTimeout, Cause::ResolverUnreachable]) {
        Some(About::Name)
    } else if is(&[
        Cause::TlsNotOffered,
        Cause::TlsRequired,
        Cause::TlsTimeout,
        Cause::TlsProtocolError,
        Cause::ClientCertificateRequired,
        Cause::CertificateUntrusted,
        Cause::CertificateNameMismatch,
    ]) {
        Some(About::Encryption)
    } else if is(&[
        Cause::AuthenticationFailed,
        Cause::AuthenticationMethodUnsupported,
        Cause::AccessDenied,
        Cause::CloudSqlPermissionDenied,
        Cause::CloudSqlIamLoginUnsupported,
    ]) {
        Some(About::Identity)
    } else if is(&[
        Cause::TooManyConnections,
        Cause::CloudRunNoInstance,
        Cause::CloudRunThrottled,
        Cause::LoadNotSustained,
        Cause::LoadLatencyExceeded,
        Cause::LatencyExceeded,
    ]) {
        Some(About::Capacity)
    } else if is(&[Cause::StartupBudgetExceeded, Cause::CloudRunInstanceFailed]) {
        Some(About::Start)
    } else {
        None
    }
}

/// How well a drift explains: 9 is the way itself, 1 is nothing known to do with it.
fn weight(drift: &Drift, about: About) -> u8 {
    let field = drift.field.as_str();
    let of = |prefixes: &[&str]| prefixes.iter().any(|prefix| field.starts_with(prefix));
    let gone = field.is_empty();
    match (drift.inspection, about) {
        (_, About::Other) => 1,
        (Inspection::Service, About::Reach) if of(&["vpcAccess"]) => 9,
        (Inspection::Connector, About::Reach) if gone => 8,
        (Inspection::Connector, About::Reach) if of(&["network", "subnet", "ipCidrRange"]) => 7,
        (Inspection::Network, About::Reach) if of(&["peerings"]) => 7,
        (Inspection::Network, About::Reach) if gone || of(&["routes"]) => 6,
        (Inspection::Network, About::Reach) if of(&["firewall"]) => 5,
        (Inspection::Network, About::Reach) if of(&["subnets", "mtu"]) => 4,
        (Inspection::Instance, About::Reach)
            if gone || of(&["ipAddresses", "settings.ipConfiguration", "settings.activationPolicy"]) =>
        {
            if of(&["settings.ipConfiguration.sslMode"]) { 2 } else { 6 }
        }
        (Inspection::Service, About::Reach) if of(&["cloudSqlInstances", "env"]) => 3,
        (Inspection::Connector, About::Reach) => 3,
        (Inspection::DnsZones, About::Name) => 9,
        (Inspection::Service, About::Name) if of(&["vpcAccess"]) => 6,
        (Inspection::Service, About::Name) if of(&["env"]) => 5,
        (Inspection::Network, About::Name) if of(&["routes", "firewall", "peerings"]) => 4,
        (Inspection::Instance, About::Encryption) if of(&["settings.ipConfiguration.sslMode"]) => 9,
        (Inspection::Instance, About::Encryption) if of(&["settings.connectorEnforcement"]) => 8,
        (Inspection::Instance, About::Encryption) if of(&["settings.databaseFlags", "ipAddresses"]) => 5,
        (Inspection::Service, About::Encryption) if of(&["env", "cloudSqlInstances"]) => 4,
        (Inspection::Service, About::Identity) if of(&["serviceAccount"]) => 9,
        (Inspection::Access, About::Identity) => 8,
        (Inspection::Instance, About::Identity)
            if of(&["settings.databaseFlags", "settings.connectorEnforcement", "settings.ipConfiguration.sslMode"]) =>
        {
            7
        }
        (Inspection::Service, About::Identity) if of(&["env", "cloudSqlInstances"]) => 6,
        (Inspection::Instance, About::Capacity) if of(&["settings.databaseFlags[max_connections]"]) => 9,
        (Inspection::Instance, About::Capacity) if of(&["settings.tier", "settings.databaseFlags"]) => 8,
        (Inspection::Service, About::Capacity) if of(&["scaling"]) => 8,
        (Inspection::Connector, About::Capacity) if of(&["minInstances", "maxInstances", "machineType"]) => 7,
        (Inspection::Service, About::Start)
            if of(&["startupProbe", "timeout", "containerPort", "env", "serviceAccount", "vpcAccess"]) =>
        {
            8
        }
        (Inspection::Service, About::Start) => 5,
        (Inspection::Instance, About::Start | About::Database) => 6,
        _ => 1,
    }
}
