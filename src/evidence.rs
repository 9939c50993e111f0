//! What an observation found: stages with their own clocks, the addresses tried, and facts the peer told. Data only: no I/O.
//!
//! A failed probe is data, not an `Err`. Evidence names where it was observed from, and holds no secret.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::api::{Cause, Kind, ProbeState, Stage, StepState};

/// Longest message or fact that is kept, in characters.
pub const MAX_TEXT: usize = 512;

/// One observation of one probe.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Index of the probe in its plan.
    pub probe: usize,
    /// Where it was observed from, such as pod/runready/runready-0.
    pub vantage: Arc<str>,
    /// What came of it.
    pub outcome: Outcome,
    /// When it was started, counted from the start of the run that it belongs to: a probe waits for those it depends on.
    pub start: Duration,
    /// From the start of the first stage to the end of the last.
    pub latency: Duration,
    /// The stages that were entered, in order.
    pub stages: Vec<StageRecord>,
    /// The steps, of a journey.
    pub steps: Vec<StepRecord>,
    /// Every address that was tried; of a journey that fails, by the step that failed.
    pub addresses: Vec<AddressRecord>,
    /// What the peer told about itself.
    pub facts: Vec<(Fact, Cow<'static, str>)>,
}

impl Evidence {
    /// From the start of the first stage until the peer was usable: what is asked of it beyond that is no part of a start-up.
    pub fn until_usable(&self) -> Duration {
        let beyond = |record: &StageRecord| matches!(record.stage, Stage::Payload | Stage::Assert);
        let last = self.stages.iter().rev().find(|record| !beyond(record));
        last.map_or(self.latency, |record| record.start + record.duration)
    }

    /// The records of the stages of a step, or of all stages if there is none of that name.
    pub fn stages_of<'e>(&'e self, step: Option<&str>) -> impl Iterator<Item = &'e StageRecord> {
        let index = step.and_then(|name| self.steps.iter().position(|step| *step.name == *name));
        self.stages.iter().filter(move |record| index.is_none() || record.step.map(usize::from) == index)
    }

    /// What was usable then, for people.
    pub fn usable(&self) -> String {
        let connections = self.facts.iter().find(|(fact, _)| *fact == Fact::ConnectionsUsable);
        match connections.and_then(|(_, count)| count.split_once(" of ")) {
            Some((_, all)) => format!("all {all} connections were usable"),
            None => "answered".to_owned(),
        }
    }
}

/// What came of an observation.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// As it should be.
    Passed,
    /// It works, with a flaw.
    Degraded(Failure),
    /// It does not work.
    Failed(Failure),
    /// Not carried out, because the probe with this index fails.
    Skipped {
        /// Index of the failing probe in the plan.
        because_of: usize,
    },
    /// It can't be told.
    Unknown(Failure),
}

impl Outcome {
    /// The failure, if there is one.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Outcome::Degraded(failure) | Outcome::Failed(failure) | Outcome::Unknown(failure) => Some(failure),
            Outcome::Passed | Outcome::Skipped { .. } => None,
        }
    }

    /// The state that this single observation speaks for.
    pub const fn state(&self) -> ProbeState {
        match self {
            Outcome::Passed => ProbeState::Healthy,
            Outcome::Degraded(_) => ProbeState::Degraded,
            Outcome::Failed(_) => ProbeState::Failing,
            Outcome::Skipped { .. } => ProbeState::Skipped,
            Outcome::Unknown(_) => ProbeState::Unknown,
        }
    }
}

impl From<Failure> for Outcome {
    /// A failure is Unknown when its cause lies with us, and Failed otherwise.
    fn from(failure: Failure) -> Self {
        if failure.cause.is_unknown() { Outcome::Unknown(failure) } else { Outcome::Failed(failure) }
    }
}

/// Why an observation is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The cause.
    pub cause: Cause,
    /// The step in which it showed, of a journey.
    pub step: Option<Arc<str>>,
    /// The stage in which it showed. None when no stage was entered.
    pub stage: Option<Stage>,
    /// What was tried and what came back, without secrets.
    pub message: Box<str>,
}

impl Failure {
    /// A failure in a stage. The message is cut to [`MAX_TEXT`] characters.
    pub fn new(cause: Cause, stage: Stage, message: impl AsRef<str>) -> Self {
        Failure::told(cause, Some(stage), message.as_ref())
    }

    /// A failure before any stage. The message is cut to [`MAX_TEXT`] characters.
    pub fn before_start(cause: Cause, message: impl AsRef<str>) -> Self {
        Failure::told(cause, None, message.as_ref())
    }

    /// Cold, so that the compiler puts what leads here out of the way: the code of a probe that passes then lies together, and
    /// most of what it costs is to fetch it.
    #[cold]
    #[inline(never)]
    fn told(cause: Cause, stage: Option<Stage>, message: &str) -> Self {
        Failure { cause, step: None, stage, message: clip(message, MAX_TEXT).into() }
    }
}

/// One stage of an observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageRecord {
    /// The stage.
    pub stage: Stage,
    /// The step that it belongs to, of a journey: its index.
    pub step: Option<u8>,
    /// Since the observation's start.
    pub start: Duration,
    /// How long it took.
    pub duration: Duration,
    /// How long it was allowed to take.
    pub limit: Duration,
    /// Whether it passed.
    pub passed: bool,
}

/// One step of a journey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRecord {
    /// Name, as in spec.
    pub name: Arc<str>,
    /// Its kind.
    pub kind: Kind,
    /// Whether it is carried out even after another has failed: it cleans up.
    pub always: bool,
    /// What came of it.
    pub state: StepState,
    /// How long it took.
    pub duration: Duration,
    /// Why it is not as it should be.
    pub failure: Option<(Cause, Box<str>)>,
}

/// One address that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRecord {
    /// Address and port.
    pub address: SocketAddr,
    /// How long the attempt took.
    pub duration: Duration,
    /// Why it does not answer. None when it does.
    pub cause: Option<Cause>,
}

/// What a peer tells about itself. The name is the key in `status.probes[].facts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fact {
    /// Version that the server reports.
    ServerVersion,
    /// Whether PostgreSQL is in recovery (`pg_is_in_recovery()`): a replica, or a failed-over primary.
    InRecovery,
    /// Whether MySQL's read_only, super_read_only or innodb_read_only is set: a replica, or a failed-over primary.
    ReadOnly,
    /// Role that the server has: Master, Replica or Sentinel.
    Role,
    /// Number of replicas that are connected to a master.
    ConnectedReplicas,
    /// State of a replica's link to its master (Redis: connect, connecting, sync, connected).
    MasterLink,
    /// Code of the server's error, such as NOAUTH, and its number where the protocol has numbers.
    ErrorCode,
    /// SQLSTATE of the server's error.
    Sqlstate,
    /// Number of MySQL's error.
    MysqlError,
    /// Authentication method that the server asked for.
    AuthenticationMethod,
    /// Number of rows that the query returned.
    Rows,
    /// How many of a start-up's connections became usable, of how many.
    ConnectionsUsable,
    /// How long the first connection of a start-up took to become usable.
    FastestConnection,
    /// How long the last connection of a start-up took to become usable.
    SlowestConnection,
    /// Bytes of the result of `payloadBytes` that arrived.
    PayloadBytes,
    /// HTTP status code.
    HttpStatus,
    /// Bytes of the HTTP body.
    BodyBytes,
    /// Name of the gRPC status that a call ended with, such as UNIMPLEMENTED.
    GrpcStatus,
    /// Health that a gRPC server last told, such as NOT_SERVING.
    Serving,
    /// Each health that a gRPC server told in turn, and when.
    ServingTransitions,
    /// Where the redirects led.
    FinalUrl,
    /// Negotiated TLS version.
    TlsVersion,
    /// Negotiated TLS cipher suite.
    TlsCipher,
    /// Subject of the peer's certificate (RFC 5280).
    CertificateSubject,
    /// Issuer of the peer's certificate.
    CertificateIssuer,
    /// Subject alternative names of the peer's certificate.
    CertificateNames,
    /// When the peer's certificate becomes valid (RFC 3339).
    CertificateNotBefore,
    /// When the peer's certificate expires (RFC 3339).
    CertificateNotAfter,
    /// Engine and version of the Cloud SQL instance, such as POSTGRES_17.
    InstanceVersion,
    /// Which CA issues the Cloud SQL instance's server certificate.
    ServerCaMode,
    /// Whether settings and certificate of the Cloud SQL instance were in the cache.
    CertificateCached,
    /// When the ephemeral certificate for the Cloud SQL instance expires (RFC 3339).
    EphemeralCertificateNotAfter,
    /// DNS response code (RFC 1035).
    ResponseCode,
    /// DNS records in the answer.
    Records,
    /// DNS server that was asked.
    Resolver,
    /// Requests of a load that were sent.
    LoadSent,
    /// Requests of a load that succeeded.
    LoadSucceeded,
    /// The share of a load's requests that succeeded.
    LoadRatio,
    /// Half of a load's requests took no longer, counted from when each was due.
    LoadP50,
    /// 95 of 100 took no longer.
    LoadP95,
    /// 99 of 100 took no longer.
    LoadP99,
    /// None took longer.
    LoadMax,
    /// Requests that ended, for each second of the window.
    LoadRate,
    /// 99 of 100 requests were sent no later than this after they were due, as far as it lay with runready itself.
    LoadOwnLateness,
    /// Subprotocol that the server chose (RFC 6455).
    Subprotocol,
    /// From the last message sent, or from the upgrade, to the first message received.
    TimeToFirstMessage,
    /// Number of messages received.
    MessagesReceived,
    /// What each step of the conversation took.
    StepTimes,
    /// Code with which the peer closed the WebSocket (RFC 6455, section 7.4).
    CloseCode,
    /// Number of resolved addresses that were not tried, because there are too many.
    AddressesLeftOut,
}

impl Fact {
    /// The key in `status.probes[].facts`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Fact::ServerVersion => "serverVersion",
            Fact::InRecovery => "inRecovery",
            Fact::ReadOnly => "readOnly",
            Fact::Role => "role",
            Fact::ConnectedReplicas => "connectedReplicas",
            Fact::MasterLink => "masterLink",
            Fact::ErrorCode => "errorCode",
            Fact::Sqlstate => "sqlstate",
            Fact::MysqlError => "mysqlError",
            Fact::AuthenticationMethod => "authenticationMethod",
            Fact::Rows => "rows",
            Fact::ConnectionsUsable => "connectionsUsable",
            Fact::FastestConnection => "fastestConnection",
            Fact::SlowestConnection => "slowestConnection",
            Fact::PayloadBytes => "payloadBytes",
            Fact::HttpStatus => "httpStatus",
            Fact::BodyBytes => "bodyBytes",
            Fact::GrpcStatus => "grpcStatus",
            Fact::Serving => "serving",
            Fact::ServingTransitions => "servingTransitions",
            Fact::FinalUrl => "finalUrl",
            Fact::TlsVersion => "tlsVersion",
            Fact::TlsCipher => "tlsCipher",
            Fact::CertificateSubject => "certificateSubject",
            Fact::CertificateIssuer => "certificateIssuer",
            Fact::CertificateNames => "certificateNames",
            Fact::CertificateNotBefore => "certificateNotBefore",
            Fact::CertificateNotAfter => "certificateNotAfter",
            Fact::InstanceVersion => "instanceVersion",
            Fact::ServerCaMode => "serverCaMode",
            Fact::CertificateCached => "certificateCached",
            Fact::EphemeralCertificateNotAfter => "ephemeralCertificateNotAfter",
            Fact::ResponseCode => "responseCode",
            Fact::Records => "records",
            Fact::Resolver => "resolver",
            Fact::LoadSent => "loadSent",
            Fact::LoadSucceeded => "loadSucceeded",
            Fact::LoadRatio => "loadRatio",
            Fact::LoadP50 => "loadP50",
            Fact::LoadP95 => "loadP95",
            Fact::LoadP99 => "loadP99",
            Fact::LoadMax => "loadMax",
            Fact::LoadRate => "loadRate",
            Fact::LoadOwnLateness => "loadOwnLateness",
            Fact::Subprotocol => "subprotocol",
            Fact::TimeToFirstMessage => "timeToFirstMessage",
            Fact::MessagesReceived => "messagesReceived",
            Fact::StepTimes => "stepTimes",
            Fact::CloseCode => "closeCode",
            Fact::AddressesLeftOut => "addressesLeftOut",
        }
    }
}

/// Cuts text to at most `max` characters (never inside one), and marks the cut with an ellipsis.
pub fn clip(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return text.into();
    }
    match text.char_indices().nth(max) {
        None => text.into(),
        Some(_) => {
            let end = text.char_indices().nth(max.saturating_sub(1)).map_or(0, |(index, _)| index);
            format!("{}…", &text[..end]).into()
        }
    }
}

/// A duration for people: three significant digits, with its unit.
pub struct Shown(pub Duration);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nanos = self.0.as_nanos();
        let digits = nanos.checked_ilog10().unwrap_or(0);
        let unit = 10_u128.pow(digits.saturating_sub(2));
        let rounded = (nanos + unit / 2) / unit * unit;
        let shown = Duration::from_nanos(u64::try_from(rounded).unwrap_or(u64::MAX));
        write!(f, "{shown:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clip_counts_characters_not_bytes() {
        assert_eq!(clip("äöü", 3), "äöü");
        assert_eq!(clip("äöüß", 3), "äö…");
        assert_eq!(clip("", 0), "");
    }

    #[test]
    fn our_own_faults_are_unknown() {
        let failure = Failure::new(Cause::ProberError, Stage::Connect, "no sockets left");
        assert_eq!(Outcome::from(failure).state(), ProbeState::Unknown);
        let failure = Failure::new(Cause::ConnectTimeout, Stage::Connect, "silence");
        assert_eq!(Outcome::from(failure).state(), ProbeState::Failing);
    }

    #[test]
    fn durations_are_shown_with_three_digits() {
        let shown = |nanos| Shown(Duration::from_nanos(nanos)).to_string();
        assert_eq!(shown(0), "0ns");
        assert_eq!(shown(7), "7ns");
        assert_eq!(shown(3_214_567), "3.21ms");
        assert_eq!(shown(20_000_123_456), "20s");
        assert_eq!(shown(999_999), "1ms");
    }
}
