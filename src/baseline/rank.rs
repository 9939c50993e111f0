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

/// What a cause that names its subject is about. None: the stage or the layer tell more.
const fn by_cause(cause: Cause) -> Option<About> {
    match cause {
        Cause::ConnectTimeout
        | Cause::ConnectionRefused
        | Cause::HostUnreachable
        | Cause::NetworkUnreachable
        | Cause::LargePacketsLost
        | Cause::CloudSqlAddressMissing
        | Cause::SocketNotFound
        | Cause::VpcAccessMissing
        | Cause::VpcAccessMismatch
        | Cause::ConnectorMissing
        | Cause::ConnectorNotReady
        | Cause::PeeringLost
        | Cause::RouteMissing
        | Cause::FirewallDenies
        | Cause::RangesOverlap
        | Cause::PacketsDropped
        | Cause::AddressChanged => Some(About::Reach),
        Cause::NameNotFound
        | Cause::NoAddress
        | Cause::ResolverTimeout
        | Cause::ResolverUnreachable
        | Cause::DnsZoneDetached => Some(About::Name),
        Cause::TlsNotOffered
        | Cause::TlsRequired
        | Cause::TlsTimeout
        | Cause::TlsProtocolError
        | Cause::ClientCertificateRequired
        | Cause::CertificateUntrusted
        | Cause::CertificateNameMismatch => Some(About::Encryption),
        Cause::AuthenticationFailed
        | Cause::AuthenticationMethodUnsupported
        | Cause::AccessDenied
        | Cause::CloudSqlIamLoginUnsupported
        | Cause::ConnectorRequired
        | Cause::AccessNotGranted => Some(About::Identity),
        Cause::TooManyConnections
        | Cause::CloudRunNoInstance
        | Cause::CloudRunThrottled
        | Cause::LoadNotSustained
        | Cause::LoadLatencyExceeded
        | Cause::LatencyExceeded
        | Cause::ResourcesExhausted => Some(About::Capacity),
        Cause::StartupBudgetExceeded
        | Cause::CloudRunInstanceFailed
        | Cause::RevisionFailed
        | Cause::EffectiveTimeoutDiffers => Some(About::Start),
        Cause::InstanceMissing
        | Cause::InstanceStopped
        | Cause::InstanceSuspended
        | Cause::InstanceUnavailable
        | Cause::InstanceOperation
        | Cause::DiskFull => Some(About::Database),
        // Google's own matter, which no configuration of the path explains.
        Cause::RegionImpacted => Some(About::Other),
        Cause::CredentialsFailed
        | Cause::CloudSqlInstanceNotFound
        | Cause::CloudSqlPermissionDenied
        | Cause::CloudSqlThrottled
        | Cause::CloudSqlApiFailed
        | Cause::CloudSqlRegionMismatch
        | Cause::CloudSqlGenerationUnsupported
        | Cause::CloudSqlServerCaInvalid
        | Cause::CloudSqlCertificateFailed
        | Cause::CloudSqlCertificateExpired
        | Cause::CloudSqlServerCertificateMissing
        | Cause::CloudSqlServerCertificateUntrusted
        | Cause::CloudSqlIdentityMismatch
        | Cause::CloudSqlCertificateRejected
        | Cause::ServiceMissing
        | Cause::ConfigurationDrift
        | Cause::ResolverFailed
        | Cause::TargetNotAllowed
        | Cause::LimitExceeded
        | Cause::SocketPermissionDenied
        | Cause::ConnectionReset
        | Cause::ConnectionClosed
        | Cause::CertificateExpired
        | Cause::CertificateNotYetValid
        | Cause::CertificateExpiresSoon
        | Cause::ProtocolMismatch
        | Cause::HandshakeTimeout
        | Cause::ServerStarting
        | Cause::ServerShuttingDown
        | Cause::HostBlocked
        | Cause::AuthenticationTimeout
        | Cause::DatabaseNotFound
        | Cause::ServerError
        | Cause::QueryFailed
        | Cause::QueryTimeout
        | Cause::MasterDown
        | Cause::ReadOnly
        | Cause::UnexpectedResult
        | Cause::AssertionFailed
        | Cause::TokenFailed
        | Cause::StatusUnexpected
        | Cause::ResponseTimeout
        | Cause::BodyMismatch
        | Cause::ResponseTooLarge
        | Cause::NotServing
        | Cause::GrpcUnimplemented
        | Cause::GrpcServiceUnknown
        | Cause::GrpcFailed
        | Cause::TooManyRedirects
        | Cause::UpgradeRefused
        | Cause::WebSocketClosed
        | Cause::CaptureMissing
        | Cause::JourneyBudgetExceeded
        | Cause::LoadNotGenerated
        | Cause::SecretNotFound
        | Cause::SecretKeyMissing
        | Cause::InvalidSpec
        | Cause::ProberError => None,
    }
}

/// The beginning of a field's name that stands for the object itself, gone or new.
const OBJECT: &str = "";
/// The weight of what is not known to have to do with the failure.
const UNRELATED: u8 = 1;

/// How well the fields of an object explain a failure: the first row with the beginning of the field's name, or else the rest.
struct Weights {
    rows: &'static [(u8, &'static [&'static str])],
    rest: u8,
}

/// How well a drift explains: 9 is the way itself.
fn weight(drift: &Drift, about: About) -> u8 {
    let field = drift.field.as_str();
    let weights = weights(about, drift.inspection);
    let fits = |start: &&str| if *start == OBJECT { field == OBJECT } else { field.starts_with(*start) };
    weights.rows.iter().find(|(_, starts)| starts.iter().any(fits)).map_or(weights.rest, |(weight, _)| *weight)
}

fn weights(about: About, inspection: Inspection) -> Weights {
    let unrelated = Weights { rows: &[], rest: UNRELATED };
    match inspection {
        Inspection::Service => of_service(about),
        Inspection::Connector => of_connector(about),
        Inspection::Instance => of_instance(about),
        Inspection::Network => of_network(about),
        Inspection::DnsZones => match about {
            About::Name => Weights { rest: 9, ..unrelated },
            About::Reach
            | About::Encryption
            | About::Identity
            | About::Capacity
            | About::Start
            | About::Database
            | About::Other => unrelated,
        },
        Inspection::Access => match about {
            About::Identity => Weights { rest: 8, ..unrelated },
            About::Reach
            | About::Name
            | About::Encryption
            | About::Capacity
            | About::Start
            | About::Database
            | About::Other => unrelated,
        },
        // No configuration: a baseline holds nothing of them.
        Inspection::Revisions
        | Inspection::ConnectivityTest
        | Inspection::ServiceHealth
        | Inspection::Logs
        | Inspection::AuditLog
        | Inspection::Metrics => unrelated,
    }
}

const fn of_service(about: About) -> Weights {
    let (rows, rest): (&[(u8, &[&str])], u8) = match about {
        About::Reach => (&[(9, &["vpcAccess"]), (3, &["cloudSqlInstances", "env"])], UNRELATED),
        About::Name => (&[(6, &["vpcAccess"]), (5, &["env"])], UNRELATED),
        About::Encryption => (&[(4, &["env", "cloudSqlInstances"])], UNRELATED),
        About::Identity => (&[(9, &["serviceAccount"]), (6, &["env", "cloudSqlInstances"])], UNRELATED),
        About::Capacity => (&[(8, &["scaling"])], UNRELATED),
        About::Start => {
            (&[(8, &["startupProbe", "timeout", "containerPort", "env", "serviceAccount", "vpcAccess"])], 5)
        }
        About::Database | About::Other => (&[], UNRELATED),
    };
    Weights { rows, rest }
}

const fn of_connector(about: About) -> Weights {
    let (rows, rest): (&[(u8, &[&str])], u8) = match about {
        About::Reach => (&[(8, &[OBJECT]), (7, &["network", "subnet", "ipCidrRange"])], 3),
        About::Capacity => (&[(7, &["minInstances", "maxInstances", "machineType"])], UNRELATED),
        About::Name | About::Encryption | About::Identity | About::Start | About::Database | About::Other => {
            (&[], UNRELATED)
        }
    };
    Weights { rows, rest }
}

const fn of_instance(about: About) -> Weights {
    let (rows, rest): (&[(u8, &[&str])], u8) = match about {
        About::Reach => (
            &[
                (2, &["settings.ipConfiguration.sslMode"]),
                (6, &[OBJECT, "ipAddresses", "settings.ipConfiguration", "settings.activationPolicy"]),
            ],
            UNRELATED,
        ),
        About::Encryption => (
            &[
                (9, &["settings.ipConfiguration.sslMode"]),
                (8, &["settings.connectorEnforcement"]),
                (5, &["settings.databaseFlags", "ipAddresses"]),
            ],
            UNRELATED,
        ),
        About::Identity => (
            &[(7, &["settings.databaseFlags", "settings.connectorEnforcement", "settings.ipConfiguration.sslMode"])],
            UNRELATED,
        ),
        About::Capacity => (
            &[(9, &["settings.databaseFlags[max_connections]"]), (8, &["settings.tier", "settings.databaseFlags"])],
            UNRELATED,
        ),
        About::Start | About::Database => (&[], 6),
        About::Name | About::Other => (&[], UNRELATED),
    };
    Weights { rows, rest }
}

const fn of_network(about: About) -> Weights {
    let (rows, rest): (&[(u8, &[&str])], u8) = match about {
        About::Reach => (
            &[
                (7, &["peerings"]),
                (6, &[OBJECT, "routes"]),
                (5, &["firewall"]),
                (4, &["subnets", "allocatedRanges", "mtu"]),
            ],
            UNRELATED,
        ),
        About::Name => (&[(4, &["routes", "firewall", "peerings"])], UNRELATED),
        About::Encryption | About::Identity | About::Capacity | About::Start | About::Database | About::Other => {
            (&[], UNRELATED)
        }
    };
    Weights { rows, rest }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn drift(inspection: Inspection, field: &str) -> Drift {
        let (was, is) = (Some("a".to_owned()), Some("b".to_owned()));
        let since = Timestamp::UNIX_EPOCH;
        Drift { inspection, object: "o".to_owned(), field: field.to_owned(), was, is, since, changed: None, by: None }
    }

    #[test]
    fn each_object_explains_a_failure_of_its_own() {
        for (inspection, field, cause) in [
            (Inspection::Service, "vpcAccess.connector", Cause::ConnectTimeout),
            (Inspection::Connector, OBJECT, Cause::ConnectorMissing),
            (Inspection::Instance, "settings.ipConfiguration.sslMode", Cause::TlsNotOffered),
            (Inspection::Instance, "settings.activationPolicy", Cause::InstanceStopped),
            (Inspection::Instance, "settings.connectorEnforcement", Cause::ConnectorRequired),
            (Inspection::Instance, "settings.databaseFlags[max_connections]", Cause::TooManyConnections),
            (Inspection::Network, "peerings[p].importCustomRoutes", Cause::PeeringLost),
            (Inspection::Network, "allocatedRanges[services]", Cause::ConnectTimeout),
            (Inspection::DnsZones, "zones[z].networks", Cause::DnsZoneDetached),
            (Inspection::Access, "connect", Cause::AccessNotGranted),
            (Inspection::Service, "env[STARTUP_TIMEOUT]", Cause::EffectiveTimeoutDiffers),
        ] {
            let changes = [drift(Inspection::Revisions, "x"), drift(inspection, field)];
            assert_eq!(explaining(&changes, cause, None), [&changes[1]], "{cause}");
            assert!(explaining(&changes, Cause::RegionImpacted, None).is_empty());
        }
    }

    #[test]
    fn an_object_that_is_gone_weighs_by_its_own_row() {
        assert_eq!(weight(&drift(Inspection::Connector, OBJECT), About::Reach), 8);
        assert_eq!(weight(&drift(Inspection::Connector, "minInstances"), About::Reach), 3);
        assert_eq!(weight(&drift(Inspection::Network, OBJECT), About::Reach), 6);
        assert_eq!(weight(&drift(Inspection::Service, OBJECT), About::Reach), UNRELATED);
    }
}
