//! Compiles a spec and its secrets into a plan. Pure but for the system's CA certificates, which are read once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use url::Url;

use super::cadence::Cadence;
use super::kinds::{
    Action, DnsAction, Endpoint, HttpAction, Kind, PostgresAction, PostgresTlsPlan, TcpAction, TlsAction,
};
use super::secrets::Secrets;
use super::trust::{self, TlsPlan, Verification};
use super::{CheckId, CheckPlan, Fault, ProbePlan};
use crate::api::probes::{
    CaSecretRef, ClientCertSecretRef, DnsProbe, HttpProbe, PostgresProbe, PostgresTlsMode, TcpProbe, TlsProbe,
};
use crate::api::spec::{ConnectivityCheckSpec, ProbeSpec, StageTimeouts};
use crate::api::{Cause, Stage};
use crate::evidence::Failure;

/// `spec.interval` when it is not set.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
/// `spec.timeout` when it is not set and the interval allows it.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);

const DEFAULT_FAILURE_THRESHOLD: u32 = 2;
const DEFAULT_SUCCESS_THRESHOLD: u32 = 1;
const DEFAULT_MAX_BODY_BYTES: u32 = 1 << 20;

/// Makes the plan of a check. What can't be carried out is in the plan's faults, and blocks its probe alone.
pub fn compile(
    id: CheckId,
    uid: Arc<str>,
    generation: i64,
    spec: &ConnectivityCheckSpec,
    secrets: &Secrets,
) -> CheckPlan {
    let mut faults = Vec::new();
    let cadence = cadence(spec).unwrap_or_else(|fault| {
        faults.push(fault);
        Cadence::Every(DEFAULT_INTERVAL)
    });
    let timeout = timeout(spec, &cadence);
    let names: Vec<&str> = spec.probes.iter().map(|probe| probe.name.as_str()).collect();
    let probes: Box<[ProbePlan]> = spec
        .probes
        .iter()
        .enumerate()
        .map(|(index, probe)| {
            let compiler = Compiler { field: format!("spec.probes[{index}]"), secrets };
            compiler.probe(probe, &names[..index], timeout, &mut faults)
        })
        .collect();
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
        probes,
        faults: faults.into(),
    }
}

/// The plan of a check whose spec can't be read: nothing to probe, and a fault that says why.
pub fn unreadable(id: CheckId, uid: Arc<str>, generation: i64, reason: &str) -> CheckPlan {
    CheckPlan {
        id,
        uid,
        generation,
        cadence: Cadence::Every(DEFAULT_INTERVAL),
        startup_budget: None,
        failure_threshold: DEFAULT_FAILURE_THRESHOLD,
        success_threshold: DEFAULT_SUCCESS_THRESHOLD,
        suspend: false,
        service: None,
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
    let Some(StageTimeouts { resolve, connect, tls, handshake, authenticate, query, request, body, exchange }) =
        timeouts
    else {
        return Box::default();
    };
    [
        (Stage::Resolve, resolve),
        (Stage::Connect, connect),
        (Stage::Tls, tls),
        (Stage::Handshake, handshake),
        (Stage::Authenticate, authenticate),
        (Stage::Query, query),
        (Stage::Request, request),
        (Stage::Body, body),
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
}

impl Compiler<'_> {
    fn probe(&self, spec: &ProbeSpec, earlier: &[&str], timeout: Duration, faults: &mut Vec<Fault>) -> ProbePlan {
        let mut depends_on = Vec::new();
        let mut dependency_fault = None;
        for name in &spec.depends_on {
            match earlier.iter().position(|other| other == name) {
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
            None if earlier.contains(&spec.name.as_str()) => {
                Err(invalid(format!("{}.name", self.field), format!("{:?} is taken by an earlier probe", spec.name)))
            }
            None => action,
        };
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
            max_latency: spec.max_latency.map(Duration::from),
            required: spec.required,
            depends_on: depends_on.into(),
        }
    }

    /// The one kind of a probe. A spec with none or several is a fault: it may have been stored before the rule was.
    fn action(&self, spec: &ProbeSpec) -> (Kind, String, Result<Action, Fault>) {
        let ProbeSpec { dns, tcp, tls, http, postgres, .. } = spec;
        let kinds = [dns.is_some(), tcp.is_some(), tls.is_some(), http.is_some(), postgres.is_some()];
        let one = kinds.into_iter().filter(|set| *set).count() == 1;
        match (dns, tcp, tls, http, postgres) {
            (Some(dns), ..) if one => (Kind::Dns, format!("dns://{}/{:?}", dns.name, dns.record_type), self.dns(dns)),
            (_, Some(tcp), ..) if one => {
                (Kind::Tcp, format!("tcp://{}", authority(&tcp.host, tcp.port)), self.tcp(tcp))
            }
            (_, _, Some(tls), ..) if one => {
                (Kind::Tls, format!("tls://{}", authority(&tls.host, tls.port)), self.tls(tls))
            }
            (_, _, _, Some(http), _) if one => (Kind::Http, shown_url(&http.url), self.http(http)),
            (_, _, _, _, Some(postgres)) if one => {
                let target = format!(
                    "postgres://{}@{}/{}",
                    postgres.user,
                    authority(&postgres.host, postgres.port),
                    postgres.database
                );
                (Kind::Postgres, target, self.postgres(postgres))
            }
            _ => (Kind::Tcp, String::new(), Err(invalid(&self.field, "exactly one kind per probe"))),
        }
    }

    fn at(&self, path: &str) -> String {
        format!("{}.{path}", self.field)
    }

    fn regex(&self, path: &str, pattern: &str) -> Result<regex::bytes::Regex, Fault> {
        regex::bytes::RegexBuilder::new(pattern).size_limit(1 << 20).build().map_err(|error| {
            invalid(self.at(path), format!("{pattern:?} is not a regular expression (RE2 syntax): {error}"))
        })
    }

    fn dns(&self, spec: &DnsProbe) -> Result<Action, Fault> {
        let resolver = spec.resolver.as_deref().map(|text| self.resolver(text)).transpose()?;
        Ok(Action::Dns(DnsAction {
            name: spec.name.as_str().into(),
            record_type: spec.record_type,
            resolver,
            expect: spec.expect.iter().map(|value| value.as_str().into()).collect(),
        }))
    }

    fn resolver(&self, text: &str) -> Result<std::net::SocketAddr, Fault> {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        text.parse().or_else(|_| bare.parse::<std::net::IpAddr>().map(|ip| (ip, 53).into())).map_err(|_| {
            invalid(
                self.at("dns.resolver"),
                format!("{text:?} is not an address: write 10.0.0.2, 10.0.0.2:53 or [fd00::53]:53"),
            )
        })
    }

    fn tcp(&self, spec: &TcpProbe) -> Result<Action, Fault> {
        let expect = spec.expect.as_deref().map(|pattern| self.regex("tcp.expect", pattern)).transpose()?;
        let endpoint =
            Endpoint { host: spec.host.as_str().into(), port: spec.port, happy_eyeballs: spec.happy_eyeballs };
        Ok(Action::Tcp(TcpAction { endpoint, send: spec.send.as_deref().map(Into::into), expect }))
    }

    fn tls(&self, spec: &TlsProbe) -> Result<Action, Fault> {
        let endpoint =
            Endpoint { host: spec.host.as_str().into(), port: spec.port, happy_eyeballs: spec.happy_eyeballs };
        let name = spec.server_name.as_deref().unwrap_or(&spec.host);
        let tls = self.trust(
            "tls",
            Some(name),
            Verification::ChainAndName,
            spec.ca_secret_ref.as_ref(),
            spec.client_cert_secret_ref.as_ref(),
        )?;
        Ok(Action::Tls(TlsAction { endpoint, tls, min_validity: spec.min_validity.map(Duration::from) }))
    }

    fn http(&self, spec: &HttpProbe) -> Result<Action, Fault> {
        let url =
            Url::parse(&spec.url).map_err(|error| invalid(self.at("http.url"), format!("is not a URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || !url.username().is_empty() {
            return Err(invalid(
                self.at("http.url"),
                "must be an http:// or https:// URL with a host and without a user",
            ));
        }
        let method = spec.method.as_deref().unwrap_or("GET");
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| invalid(self.at("http.method"), format!("{method:?} is not an HTTP method")))?;
        let settings = spec.tls.clone().unwrap_or_default();
        let verification =
            if settings.insecure_skip_verify { Verification::Nothing } else { Verification::ChainAndName };
        let plain = url.scheme() == "http" && spec.follow_redirects.unwrap_or(0) == 0;
        let tls = self.trust(
            "http.tls",
            settings.server_name.as_deref(),
            if plain { Verification::Nothing } else { verification },
            settings.ca_secret_ref.as_ref(),
            settings.client_cert_secret_ref.as_ref(),
        )?;
        let expect_headers = spec
            .expect_headers
            .iter()
            .enumerate()
            .map(|(index, header)| {
                let path = format!("http.expectHeaders[{index}]");
                Ok((self.header_name(&path, &header.name)?, self.regex(&format!("{path}.value"), &header.value)?))
            })
            .collect::<Result<_, Fault>>()?;
        Ok(Action::Http(Box::new(HttpAction {
            url,
            method,
            headers: self.headers(spec)?,
            body: Bytes::from(spec.body.clone().unwrap_or_default()),
            expect_status: spec.expect_status.iter().filter_map(|status| u16::try_from(*status).ok()).collect(),
            expect_body: spec
                .expect_body
                .as_deref()
                .map(|pattern| self.regex("http.expectBody", pattern))
                .transpose()?,
            expect_headers,
            max_body_bytes: spec.max_body_bytes.unwrap_or(DEFAULT_MAX_BODY_BYTES) as usize,
            follow_redirects: spec.follow_redirects.unwrap_or(0),
            tls,
            version: spec.http_version,
            happy_eyeballs: spec.happy_eyeballs,
        })))
    }

    fn header_name(&self, path: &str, name: &str) -> Result<HeaderName, Fault> {
        HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| invalid(self.at(&format!("{path}.name")), format!("{name:?} is not a header name")))
    }

    fn headers(&self, spec: &HttpProbe) -> Result<HeaderMap, Fault> {
        let mut headers = HeaderMap::new();
        for (index, header) in spec.headers.iter().enumerate() {
            let path = format!("http.headers[{index}]");
            let value = HeaderValue::from_str(&header.value).map_err(|_| {
                invalid(self.at(&format!("{path}.value")), "holds characters that a header can't carry")
            })?;
            headers.append(self.header_name(&path, &header.name)?, value);
        }
        for (index, header) in spec.headers_from_secret.iter().enumerate() {
            let path = format!("http.headersFromSecret[{index}]");
            let field = self.at(&format!("{path}.secretRef"));
            let text = self.secrets.text(&field, &header.secret_ref.name, &header.secret_ref.key)?;
            let mut value = HeaderValue::from_str(text)
                .map_err(|_| invalid(field, "the Secret's value holds characters that a header can't carry"))?;
            value.set_sensitive(true);
            headers.append(self.header_name(&path, &header.name)?, value);
        }
        Ok(headers)
    }

    fn postgres(&self, spec: &PostgresProbe) -> Result<Action, Fault> {
        let password = match &spec.password_secret_ref {
            None => None,
            Some(reference) => {
                let field = self.at("postgres.passwordSecretRef");
                Some(SecretString::from(self.secrets.text(&field, &reference.name, &reference.key)?))
            }
        };
        let trust = |verification| {
            self.trust(
                "postgres.tls",
                Some(spec.tls.server_name.as_deref().unwrap_or(&spec.host)),
                verification,
                spec.tls.ca_secret_ref.as_ref(),
                spec.tls.client_cert_secret_ref.as_ref(),
            )
        };
        let tls = match spec.tls.mode {
            PostgresTlsMode::Disable => PostgresTlsPlan::Disable,
            PostgresTlsMode::Prefer => PostgresTlsPlan::Prefer(trust(Verification::Nothing)?),
            PostgresTlsMode::Require => PostgresTlsPlan::Require(trust(Verification::Nothing)?),
            PostgresTlsMode::VerifyCa => PostgresTlsPlan::Require(trust(Verification::Chain)?),
            PostgresTlsMode::VerifyFull => PostgresTlsPlan::Require(trust(Verification::ChainAndName)?),
        };
        Ok(Action::Postgres(Box::new(PostgresAction {
            endpoint: Endpoint {
                host: spec.host.as_str().into(),
                port: spec.port,
                happy_eyeballs: spec.happy_eyeballs,
            },
            database: spec.database.as_str().into(),
            user: spec.user.as_str().into(),
            password,
            tls,
            query: spec.query.as_deref().unwrap_or("SELECT 1").into(),
            expect_rows: spec.expect_rows,
            writable: spec.writable,
        })))
    }

    fn trust(
        &self,
        path: &str,
        server_name: Option<&str>,
        verification: Verification,
        ca: Option<&CaSecretRef>,
        client: Option<&ClientCertSecretRef>,
    ) -> Result<TlsPlan, Fault> {
        let unusable = |field: String, error: trust::TrustError| match error {
            trust::TrustError::NoSystemRoots(_) => {
                Fault { field, cause: Cause::ProberError, message: error.to_string() }
            }
            other => invalid(field, other.to_string()),
        };
        let field = self.at(&format!("{path}.caSecretRef"));
        let verifier = match (ca, verification) {
            (Some(ca), _) => {
                let pem = self.secrets.get(&field, &ca.name, &ca.key)?;
                Some(
                    trust::bundle(pem)
                        .map_err(|error| invalid(field, format!("Secret {:?}, key {:?} {error}", ca.name, ca.key)))?,
                )
            }
            (None, Verification::Nothing) => None,
            (None, Verification::Chain | Verification::ChainAndName) => {
                Some(trust::system().map_err(|error| unusable(field, error))?)
            }
        };
        let client_cert = match client {
            None => None,
            Some(client) => {
                let field = self.at(&format!("{path}.clientCertSecretRef"));
                let certificate = self.secrets.get(&field, &client.name, "tls.crt")?;
                let key = self.secrets.get(&field, &client.name, "tls.key")?;
                Some(
                    trust::client_certificate(certificate, key)
                        .map_err(|error| invalid(field, format!("Secret {:?} {error}", client.name)))?,
                )
            }
        };
        let server_name = server_name
            .map(trust::server_name)
            .transpose()
            .map_err(|error| unusable(self.at(&format!("{path}.serverName")), error))?;
        Ok(TlsPlan { server_name, verification, verifier, client_cert })
    }
}

/// The URL as it may be shown: a query may hold a token, so it is left out.
fn shown_url(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or_default().to_owned()
}
