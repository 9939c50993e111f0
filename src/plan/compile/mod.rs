//! Compiles a spec and its secrets into a plan. Pure but for the system's CA certificates, which are read once.

mod assertions;
mod auth;
mod database;
mod dns;
mod grpc;
mod http;
mod inspections;
mod journey;
mod load;
mod mysql;
mod postgres;
mod redis;
mod rules;
mod sqlserver;
mod tcp;
mod tls;
mod websocket;

use std::sync::Arc;
use std::time::Duration;

use super::cadence::Cadence;
use super::kinds::{Action, Endpoint, Kind};
use super::names;
use super::secrets::Secrets;
use super::{CheckId, CheckPlan, Fault, ProbePlan};
use crate::api::spec::{ConnectivityCheckSpec, KindSpec, ProbeSpec, StageTimeouts};
use crate::api::{Cause, Stage};
use crate::evidence::Failure;

/// `spec.interval` when it is not set.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
/// `spec.timeout` when it is not set and the interval allows it.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);

/// What a load may take beyond its window and the timeout of its last request.
const LAST_OF_A_LOAD: Duration = Duration::from_secs(10);

const DEFAULT_FAILURE_THRESHOLD: u32 = 2;
const DEFAULT_SUCCESS_THRESHOLD: u32 = 1;

/// Makes the plan of a check. What can't be carried out is in the plan's faults, and blocks its probe alone; a fault of the
/// cadence blocks all of them, because nobody has said when to probe.
pub fn compile(
    id: CheckId,
    uid: Arc<str>,
    generation: i64,
    spec: &ConnectivityCheckSpec,
    secrets: &Secrets,
) -> CheckPlan {
    let mut faults = Vec::new();
    let (cadence, never) = match cadence(spec) {
        Ok(cadence) => (cadence, None),
        Err(fault) => {
            let blocked = Failure::before_start(fault.cause, fault.to_string());
            faults.push(fault);
            (Cadence::Never, Some(blocked))
        }
    };
    let timeout = timeout(spec, &cadence);
    let mut probes: Vec<ProbePlan> = Vec::with_capacity(spec.probes.len());
    for (index, probe) in spec.probes.iter().enumerate() {
        let compiler = Compiler {
            field: format!("spec.probes[{index}]"),
            secrets,
            startup_budget: spec.startup_budget.map(Duration::from),
            time_zone: spec.time_zone.as_deref(),
            earlier: &probes,
        };
        let probe = compiler.probe(probe, timeout, &mut faults);
        probes.push(probe);
    }
    if let Some(blocked) = never {
        probes.iter_mut().for_each(|probe| probe.action = Err(blocked.clone()));
    }
    let inspections = inspections::inspections(spec, &cadence, &probes).unwrap_or_else(|fault| {
        faults.push(fault);
        None
    });
    if probes.is_empty() {
        faults.push(invalid("spec.probes", "at least one probe is needed"));
    }
    CheckPlan {
        id,
        uid,
        generation,
        cadence,
        startup_budget: spec.startup_budget.map(Duration::from),
        failure_threshold: spec.failure_threshold.unwrap_or(DEFAULT_FAILURE_THRESHOLD).max(1),
        success_threshold: spec.success_threshold.unwrap_or(DEFAULT_SUCCESS_THRESHOLD).max(1),
        suspend: spec.suspend,
        service: spec.service.clone(),
        inspections,
        baseline: spec.baseline.clone().map(Arc::new),
        probes: probes.into(),
        faults: faults.into(),
    }
}

/// The plan of a check whose spec can't be read: nothing to probe, and a fault that says why.
pub fn unreadable(id: CheckId, uid: Arc<str>, generation: i64, reason: &str) -> CheckPlan {
    CheckPlan {
        id,
        uid,
        generation,
        cadence: Cadence::Never,
        startup_budget: None,
        failure_threshold: DEFAULT_FAILURE_THRESHOLD,
        success_threshold: DEFAULT_SUCCESS_THRESHOLD,
        suspend: false,
        service: None,
        inspections: None,
        baseline: None,
        probes: Box::default(),
        faults: Box::new([invalid("spec", format!("can't be read: {reason}"))]),
    }
}

fn invalid(field: impl Into<String>, message: impl Into<String>) -> Fault {
    Fault { field: field.into(), cause: Cause::InvalidSpec, message: message.into() }
}

fn cadence(spec: &ConnectivityCheckSpec) -> Result<Cadence, Fault> {
    match (&spec.schedule, spec.interval) {
        (None, interval) => {
            let interval = interval.map_or(DEFAULT_INTERVAL, Duration::from);
            if interval < Duration::from_secs(1) {
                return Err(invalid("spec.interval", format!("{interval:?} is too often; the least is 1s")));
            }
            Ok(Cadence::Every(interval))
        }
        (Some(_), Some(_)) => Err(invalid("spec.schedule", "interval and schedule exclude each other")),
        (Some(expression), None) => {
            let field = if super::cadence::parse_cron(expression).is_err() { "spec.schedule" } else { "spec.timeZone" };
            Cadence::cron(expression, spec.time_zone.as_deref()).map_err(|error| invalid(field, error.to_string()))
        }
    }
}

fn timeout(spec: &ConnectivityCheckSpec, cadence: &Cadence) -> Duration {
    let most = cadence.interval().unwrap_or(Duration::MAX);
    spec.timeout.map_or(DEFAULT_TIMEOUT, Duration::from).min(most)
}

fn stage_limits(timeouts: Option<&StageTimeouts>) -> Box<[(Stage, Duration)]> {
    let Some(StageTimeouts {
        token,
        settings,
        certificate,
        resolve,
        connect,
        tunnel,
        tls,
        handshake,
        authenticate,
        initialize,
        query,
        payload,
        request,
        body,
        upgrade,
        messages,
        exchange,
    }) = timeouts
    else {
        return Box::default();
    };
    [
        (Stage::Token, token),
        (Stage::Settings, settings),
        (Stage::Certificate, certificate),
        (Stage::Resolve, resolve),
        (Stage::Connect, connect),
        (Stage::Tunnel, tunnel),
        (Stage::Tls, tls),
        (Stage::Handshake, handshake),
        (Stage::Authenticate, authenticate),
        (Stage::Initialize, initialize),
        (Stage::Query, query),
        (Stage::Payload, payload),
        (Stage::Request, request),
        (Stage::Body, body),
        (Stage::Upgrade, upgrade),
        (Stage::Messages, messages),
        (Stage::Exchange, exchange),
    ]
    .into_iter()
    .filter_map(|(stage, limit)| limit.map(|limit| (stage, limit.into())))
    .collect()
}

/// Host and port as one writes them, with brackets around IPv6 addresses.
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Compiles one probe; `field` is its path in the spec.
struct Compiler<'a> {
    field: String,
    secrets: &'a Secrets,
    startup_budget: Option<Duration>,
    time_zone: Option<&'a str>,
    /// The probes listed before.
    earlier: &'a [ProbePlan],
}

impl Compiler<'_> {
    fn probe(&self, spec: &ProbeSpec, timeout: Duration, faults: &mut Vec<Fault>) -> ProbePlan {
        let mut depends_on = Vec::new();
        let mut dependency_fault = None;
        for name in &spec.depends_on {
            match self.position(name) {
                Some(index) if self.earlier[index].kind == Kind::Load => {
                    let message = format!(
                        "{name:?} is a load, which runs at times of its own: depend on the probe that it repeats"
                    );
                    dependency_fault = Some(invalid(format!("{}.dependsOn", self.field), message));
                }
                Some(index) => depends_on.push(index),
                None => {
                    let message = format!("{name:?} is not the name of a probe listed before this one");
                    dependency_fault = Some(invalid(format!("{}.dependsOn", self.field), message));
                }
            }
        }
        let (kind, target, action) = self.action(spec);
        let action = match dependency_fault {
            Some(fault) => Err(fault),
            None if self.position(&spec.name).is_some() => {
                Err(invalid(format!("{}.name", self.field), format!("{:?} is taken by an earlier probe", spec.name)))
            }
            None => action,
        };
        let asserted = self.assertions("assert", &spec.assert, kind);
        let (action, assertions) = match asserted {
            Ok(assertions) => (action, assertions),
            Err(fault) => (action.and(Err(fault)), None),
        };
        let (mut timeout, mut hidden) = (timeout, self.hidden(&spec.secret_keys(), &target));
        if let Ok(Action::Load(load)) = &action {
            timeout = load.window + load.probe.timeout + LAST_OF_A_LOAD;
            hidden = load.probe.hidden.clone();
            // Under load only what works at all.
            depends_on.extend(self.position(&load.probe.name).filter(|on| !depends_on.contains(on)));
        }
        ProbePlan {
            name: spec.name.as_str().into(),
            kind,
            target: target.into(),
            action: action.map(Arc::new).map_err(|fault| {
                let failure = Failure::before_start(fault.cause, fault.to_string());
                faults.push(fault);
                failure
            }),
            timeout,
            stage_limits: stage_limits(spec.stage_timeouts.as_ref()),
            assertions,
            hidden,
            repeated: false,
            max_latency: spec.max_latency.map(Duration::from),
            required: spec.required,
            depends_on: depends_on.into(),
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.earlier.iter().position(|probe| *probe.name == *name)
    }

    /// The one kind of a probe. A spec with none or several is a fault: it may have been stored before the rule was.
    fn action(&self, spec: &ProbeSpec) -> (Kind, String, Result<Action, Fault>) {
        let mut kinds = spec.kinds();
        match (kinds.next(), kinds.next()) {
            (Some(only), None) => self.kind(only),
            _ => (Kind::Tcp, String::new(), Err(invalid(&self.field, "exactly one kind per probe"))),
        }
    }

    /// The one place where a kind is told from another: the kind, what it observes (for people), and what to do.
    fn kind(&self, spec: KindSpec<'_>) -> (Kind, String, Result<Action, Fault>) {
        match spec {
            KindSpec::Dns(spec) => (Kind::Dns, format!("dns://{}/{:?}", spec.name, spec.record_type), self.dns(spec)),
            KindSpec::Tcp(spec) => (Kind::Tcp, format!("tcp://{}", authority(&spec.host, spec.port)), self.tcp(spec)),
            KindSpec::Tls(spec) => (Kind::Tls, format!("tls://{}", authority(&spec.host, spec.port)), self.tls(spec)),
            KindSpec::Http(spec) => (Kind::Http, http::shown(&spec.url), self.http(spec)),
            KindSpec::Grpc(spec) => (Kind::Grpc, grpc::shown(spec), self.grpc(spec)),
            KindSpec::Websocket(spec) => (Kind::Websocket, http::shown(&spec.url), self.websocket(spec)),
            KindSpec::Postgres(spec) => (Kind::Postgres, postgres::shown(spec), self.postgres(spec)),
            KindSpec::Mysql(spec) => (Kind::Mysql, mysql::shown(spec), self.mysql(spec)),
            KindSpec::Sqlserver(spec) => (Kind::Sqlserver, sqlserver::shown(spec), self.sqlserver(spec)),
            KindSpec::Redis(spec) => (Kind::Redis, redis::shown(spec), self.redis(spec)),
            KindSpec::Load(spec) => (Kind::Load, self.shown_load(spec), self.load(spec)),
            KindSpec::Journey(spec) => (Kind::Journey, journey::way(spec), self.journey(spec)),
        }
    }

    fn at(&self, path: &str) -> String {
        format!("{}.{path}", self.field)
    }

    /// A port of the host of the kind at `path`.
    fn endpoint(&self, path: &str, host: &str, port: u16, happy_eyeballs: bool) -> Result<Endpoint, Fault> {
        let endpoint = Endpoint::new(host, port, happy_eyeballs);
        if endpoint.address().is_none() {
            names::query(host).map_err(|why| invalid(self.at(&format!("{path}.host")), why))?;
        }
        Ok(endpoint)
    }

    fn regex(&self, path: &str, pattern: &str) -> Result<regex::bytes::Regex, Fault> {
        regex::bytes::RegexBuilder::new(pattern).size_limit(1 << 20).build().map_err(|error| {
            invalid(self.at(path), format!("{pattern:?} is not a regular expression (RE2 syntax): {error}"))
        })
    }
}
