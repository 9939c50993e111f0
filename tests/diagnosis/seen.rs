//! What may have been seen of a check, step by step. Pure.

use std::net::SocketAddr;
use std::time::Duration;

use runready::api::{Cause, Kind, ProbeState, Stage, StepState};
use runready::diagnosis::{Case, Observation};
use runready::evidence::{AddressRecord, Evidence, Fact, Failure, Outcome, StageRecord, StepRecord};

use Kind::{Dns, Grpc, Http, Journey, Load, Mysql, Postgres, Redis, Sqlserver, Tcp, Tls, Websocket};

/// A vantage in a cluster.
pub const POD: &str = "pod/runready/runready-0";

/// One probe, as last seen.
#[derive(Clone, Debug)]
pub struct Seen {
    pub name: String,
    pub kind: Kind,
    pub required: bool,
    pub state: ProbeState,
    pub failure: Option<Failure>,
    pub evidence: Option<Evidence>,
}

/// A healthy probe of a host and port.
pub fn well(name: &str, kind: Kind, at: &str) -> Seen {
    let addresses = if kind == Dns { Vec::new() } else { vec![address(at, None)] };
    let stages = stages_of(kind).iter().map(|stage| record(*stage, true)).collect();
    let evidence = Evidence {
        probe: 0,
        vantage: POD.into(),
        outcome: Outcome::Passed,
        start: Duration::ZERO,
        latency: Duration::from_millis(3),
        stages,
        steps: Vec::new(),
        addresses,
        facts: Vec::new(),
    };
    Seen {
        name: name.to_owned(),
        kind,
        required: true,
        state: ProbeState::Healthy,
        failure: None,
        evidence: Some(evidence),
    }
}

/// A probe that fails for a cause, in the stage where that shows.
pub fn ill(name: &str, kind: Kind, at: &str, cause: Cause) -> Seen {
    let mut seen = well(name, kind, at);
    let stage = stage_of(cause, kind);
    seen.state = ProbeState::Failing;
    seen.failure = Some(match stage {
        Some(stage) => Failure::new(cause, stage, format!("{cause} at {at}")),
        None => Failure::before_start(cause, format!("{cause} of {name}")),
    });
    let evidence = seen.evidence.as_mut().expect("made just now");
    let reached = stage.and_then(|stage| evidence.stages.iter().position(|record| record.stage == stage));
    match (stage, reached) {
        (Some(first @ (Stage::Resolve | Stage::Token)), _) => {
            evidence.stages = vec![record(first, false)];
            evidence.addresses.clear();
        }
        (_, Some(reached)) => {
            evidence.stages.truncate(reached + 1);
            evidence.stages[reached].passed = false;
            if stage == Some(Stage::Connect) {
                evidence.addresses.iter_mut().for_each(|address| address.cause = Some(cause));
            }
        }
        (_, None) => {}
    }
    seen
}

impl Seen {
    pub fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    pub fn in_state(mut self, state: ProbeState) -> Self {
        self.state = state;
        self
    }

    pub fn from(mut self, vantage: &str) -> Self {
        self.evidence.iter_mut().for_each(|evidence| evidence.vantage = vantage.into());
        self
    }

    pub fn tried(mut self, at: &str, cause: Option<Cause>) -> Self {
        self.evidence.iter_mut().for_each(|evidence| evidence.addresses.push(address(at, cause)));
        self
    }

    pub fn telling(mut self, fact: Fact, value: &str) -> Self {
        self.evidence.iter_mut().for_each(|evidence| evidence.facts.push((fact, value.to_owned().into())));
        self
    }

    /// As a step of a journey, which another step has gone before.
    pub fn at_step(mut self, name: &str, kind: Kind) -> Self {
        let step = |name: &str, kind, state| StepRecord {
            name: name.into(),
            kind,
            always: false,
            state,
            duration: Duration::from_millis(1),
            failure: None,
        };
        if let Some(evidence) = &mut self.evidence {
            evidence.steps = vec![step("earlier", Http, StepState::Passed), step(name, kind, StepState::Failed)];
            evidence.stages.iter_mut().for_each(|record| record.step = Some(1));
            let before =
                [Stage::Connect, Stage::Request].map(|stage| StageRecord { step: Some(0), ..record(stage, true) });
            evidence.stages.splice(0..0, before);
        }
        self.failure = self.failure.map(|failure| Failure { step: Some(name.into()), ..failure });
        self
    }

    pub fn as_observation(&self) -> Observation<'_> {
        Observation {
            name: &self.name,
            kind: self.kind,
            target: "target",
            required: self.required,
            state: self.state,
            failure: self.failure.as_ref(),
            evidence: self.evidence.as_ref(),
        }
    }
}

pub fn address(at: &str, cause: Option<Cause>) -> AddressRecord {
    AddressRecord { address: at.parse::<SocketAddr>().expect("an address"), duration: Duration::from_millis(1), cause }
}

pub fn record(stage: Stage, passed: bool) -> StageRecord {
    let duration = Duration::from_millis(1);
    StageRecord { stage, step: None, start: Duration::ZERO, duration, limit: Duration::from_secs(20), passed }
}

const fn stages_of(kind: Kind) -> &'static [Stage] {
    match kind {
        Dns => &[Stage::Resolve],
        Tcp => &[Stage::Connect, Stage::Exchange],
        Tls => &[Stage::Connect, Stage::Tls],
        Http => &[Stage::Connect, Stage::Tls, Stage::Request, Stage::Body],
        Grpc => &[Stage::Connect, Stage::Tls, Stage::Handshake, Stage::Request, Stage::Body],
        Load => &[Stage::Load],
        Websocket => &[Stage::Connect, Stage::Tls, Stage::Upgrade, Stage::Messages],
        Journey => &[Stage::Connect, Stage::Request, Stage::Body, Stage::Assert],
        Mysql | Postgres | Redis | Sqlserver => {
            &[Stage::Connect, Stage::Tls, Stage::Handshake, Stage::Authenticate, Stage::Query]
        }
    }
}

/// The stage in which a cause shows in a probe of that kind.
fn stage_of(cause: Cause, kind: Kind) -> Option<Stage> {
    let last = *stages_of(kind).last().expect("stages");
    match cause {
        Cause::CredentialsFailed
        | Cause::CloudSqlInstanceNotFound
        | Cause::CloudSqlPermissionDenied
        | Cause::CloudSqlThrottled
        | Cause::CloudSqlApiFailed
        | Cause::CloudSqlRegionMismatch
        | Cause::CloudSqlGenerationUnsupported
        | Cause::CloudSqlAddressMissing
        | Cause::CloudSqlServerCaInvalid
        | Cause::CloudSqlIamLoginUnsupported => Some(Stage::Settings),
        Cause::CloudSqlCertificateFailed => Some(Stage::Certificate),
        Cause::CloudSqlCertificateExpired
        | Cause::CloudSqlServerCertificateMissing
        | Cause::CloudSqlServerCertificateUntrusted
        | Cause::CloudSqlIdentityMismatch
        | Cause::CloudSqlCertificateRejected => Some(Stage::Tunnel),
        Cause::NameNotFound
        | Cause::NoAddress
        | Cause::ResolverTimeout
        | Cause::ResolverFailed
        | Cause::ResolverUnreachable => Some(Stage::Resolve),
        Cause::TargetNotAllowed
        | Cause::SocketNotFound
        | Cause::SocketPermissionDenied
        | Cause::ConnectionRefused
        | Cause::ConnectTimeout
        | Cause::HostUnreachable
        | Cause::NetworkUnreachable => Some(Stage::Connect),
        Cause::TokenFailed => Some(Stage::Token),
        Cause::TlsNotOffered
        | Cause::TlsTimeout
        | Cause::TlsProtocolError
        | Cause::CertificateExpired
        | Cause::CertificateNotYetValid
        | Cause::CertificateUntrusted
        | Cause::CertificateNameMismatch
        | Cause::CertificateExpiresSoon
        | Cause::ClientCertificateRequired => Some(Stage::Tls),
        Cause::HandshakeTimeout
        | Cause::ServerStarting
        | Cause::ServerShuttingDown
        | Cause::TooManyConnections
        | Cause::HostBlocked => Some(Stage::Handshake),
        Cause::AuthenticationFailed
        | Cause::AuthenticationMethodUnsupported
        | Cause::AuthenticationTimeout
        | Cause::AccessDenied
        | Cause::TlsRequired
        | Cause::DatabaseNotFound => Some(Stage::Authenticate),
        Cause::UpgradeRefused => Some(Stage::Upgrade),
        Cause::AssertionFailed | Cause::CaptureMissing => Some(Stage::Assert),
        Cause::SecretNotFound
        | Cause::SecretKeyMissing
        | Cause::InvalidSpec
        | Cause::LimitExceeded
        | Cause::ProberError
        | Cause::ServiceMissing
        | Cause::VpcAccessMissing
        | Cause::VpcAccessMismatch
        | Cause::ConnectorMissing
        | Cause::ConnectorNotReady
        | Cause::PeeringLost
        | Cause::RouteMissing
        | Cause::FirewallDenies
        | Cause::RangesOverlap
        | Cause::DnsZoneDetached
        | Cause::PacketsDropped
        | Cause::InstanceMissing
        | Cause::InstanceStopped
        | Cause::InstanceSuspended
        | Cause::InstanceUnavailable
        | Cause::InstanceOperation
        | Cause::DiskFull
        | Cause::AddressChanged
        | Cause::ConnectorRequired
        | Cause::AccessNotGranted
        | Cause::ResourcesExhausted
        | Cause::RevisionFailed
        | Cause::EffectiveTimeoutDiffers
        | Cause::RegionImpacted
        | Cause::ConfigurationDrift => None,
        Cause::LoadNotSustained | Cause::LoadLatencyExceeded | Cause::LoadNotGenerated => Some(Stage::Load),
        Cause::ConnectionReset
        | Cause::ConnectionClosed
        | Cause::ProtocolMismatch
        | Cause::ServerError
        | Cause::QueryFailed
        | Cause::QueryTimeout
        | Cause::MasterDown
        | Cause::LargePacketsLost
        | Cause::ReadOnly
        | Cause::UnexpectedResult
        | Cause::CloudRunNoInstance
        | Cause::CloudRunInstanceFailed
        | Cause::CloudRunThrottled
        | Cause::StatusUnexpected
        | Cause::ResponseTimeout
        | Cause::BodyMismatch
        | Cause::ResponseTooLarge
        | Cause::NotServing
        | Cause::GrpcUnimplemented
        | Cause::GrpcServiceUnknown
        | Cause::GrpcFailed
        | Cause::TooManyRedirects
        | Cause::WebSocketClosed
        | Cause::JourneyBudgetExceeded
        | Cause::LatencyExceeded
        | Cause::StartupBudgetExceeded => Some(last),
    }
}

pub fn case<'a>(seen: &'a [Seen], speaks_for_service: bool) -> Case<'a> {
    let observations = seen.iter().map(Seen::as_observation).collect();
    Case {
        observations,
        speaks_for_service,
        startup_budget: None,
        cloud: None,
        drift: &[],
        now: jiff::Timestamp::UNIX_EPOCH,
    }
}
