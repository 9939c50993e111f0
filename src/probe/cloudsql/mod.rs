//! The way to a Cloud SQL instance as the Auth Proxy and the language connectors take it: connect settings and an ephemeral
//! certificate from Google's Admin API, TCP to port 3307 of the instance's address, mutual TLS. Does network I/O.
//!
//! Nothing is built, and no thread or task runs, before the first probe that needs it.

mod access;
mod admin;
mod answer;
mod connector;
mod entry;
mod known;
mod pass;
mod tunnel;

use std::sync::Arc;
use std::time::{Duration, Instant};

use self::answer::{Awaited, Flight, Found, Grant, Refusal};
use self::pass::Settings;
use super::Attempt;
use super::net::connect;
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure};
use crate::plan::kinds::{CloudSqlInstance, Endpoint};

pub use self::access::{Access, Credentials, Endpoint as AdminEndpoint, token};
pub use self::connector::Connector;
pub(super) use self::tunnel::{Refused, Tunnel};

/// Where the proxy of every instance listens, whatever its engine.
const PROXY_PORT: u16 = 3307;

/// Carries out the stages from the instance's name to a tunnel that is ready for the database's protocol.
pub(super) async fn open(attempt: &mut Attempt<'_>, instance: &CloudSqlInstance) -> Result<Tunnel, Failure> {
    let connector = attempt.vantage.cloud_sql.clone();
    let grant = grant(attempt, &connector, instance).await?;
    let result = through(attempt, instance, &grant).await;
    if let Err(failure) = &result
        && failure.cause != Cause::TargetNotAllowed
    {
        // Settings change before their time is up: an address, a CA. They are asked for again, in the background.
        connector.doubt(instance, attempt.plan.kind);
    }
    result
}

/// The settings and certificate stages, which are left out when both are known.
async fn grant(
    attempt: &mut Attempt<'_>,
    connector: &Connector,
    instance: &CloudSqlInstance,
) -> Result<Grant, Failure> {
    let (grant, cached) = match connector.find(instance, attempt.plan.kind) {
        Found::Known(grant, renewal) => {
            if let Some(refusal) = renewal {
                attempt.flaw(overdue(refusal, &grant));
            }
            told(attempt, &grant.settings);
            judged(attempt, connector, instance, &grant.settings)?;
            (grant, true)
        }
        Found::Refused(refusal, settings) => {
            if let Some(settings) = settings {
                told(attempt, &settings);
                judged(attempt, connector, instance, &settings)?;
            }
            answered(attempt, refusal.status);
            return Err(refused(attempt, refusal.failure));
        }
        Found::Asked(flight, older) => match asked(attempt, connector, instance, flight.clone()).await {
            Ok(grant) => (grant, false),
            Err(failure) => {
                match older.zip(flight.refusal().filter(|refusal| refusal.failure.cause == failure.cause)) {
                    // Its token may have expired, and may not: the instance will tell.
                    Some((grant, refusal)) => {
                        attempt.flaw(overdue(refusal, &grant));
                        (grant, true)
                    }
                    None => return Err(failure),
                }
            }
        },
    };
    attempt.fact(Fact::CertificateCached, cached.to_string());
    attempt.fact(Fact::EphemeralCertificateNotAfter, grant.certificate.not_after.to_string());
    Ok(grant)
}

/// Waits for both answers, which come side by side.
async fn asked(
    attempt: &mut Attempt<'_>,
    connector: &Connector,
    instance: &CloudSqlInstance,
    mut flight: Flight,
) -> Result<Grant, Failure> {
    let name = &instance.name;
    let mut status = None;
    let doing = || format!("asking the Cloud SQL Admin API for the settings of {name}");
    let work = unwrapped(&mut flight.settings, &mut status);
    let settings = attempt.stage(Stage::Settings, doing, work).await;
    answered(attempt, status);
    let settings = settings?;
    told(attempt, &settings);
    judged(attempt, connector, instance, &settings)?;
    let doing = || format!("asking the Cloud SQL Admin API for a certificate for {name}");
    let work = unwrapped(&mut flight.certificate, &mut status);
    let certificate = attempt.stage(Stage::Certificate, doing, work).await;
    answered(attempt, status);
    Ok(Grant { settings, certificate: certificate? })
}

/// An answer, or why there is none, with the HTTP status apart.
async fn unwrapped<T>(awaited: &mut Awaited<T>, status: &mut Option<u16>) -> Result<Arc<T>, Failure> {
    awaited.arrived().await.map_err(|refusal| {
        *status = refusal.status;
        refusal.failure
    })
}

/// Why the probe is Degraded although it has a grant.
fn overdue(refusal: Refusal, grant: &Grant) -> Failure {
    let (why, expires) = (&refusal.failure.message, grant.certificate.not_after);
    let token = if grant.certificate.has_token() { " (unless the token in it expires before)" } else { "" };
    let message = format!("the certificate at hand serves until {expires}{token}, and can't be renewed: {why}");
    Failure { message: message.into(), ..refusal.failure }
}

fn told(attempt: &mut Attempt<'_>, settings: &Settings) {
    attempt.fact(Fact::InstanceVersion, settings.version.to_string());
    attempt.fact(Fact::ServerCaMode, settings.ca_mode.as_str());
}

fn answered(attempt: &mut Attempt<'_>, status: Option<u16>) {
    if let Some(status) = status {
        attempt.fact(Fact::HttpStatus, status.to_string());
    }
}

/// Whether an instance with these settings can be reached as asked.
fn judged(
    attempt: &mut Attempt<'_>,
    connector: &Connector,
    instance: &CloudSqlInstance,
    settings: &Settings,
) -> Result<(), Failure> {
    let Err((cause, message)) = settings.host(instance, attempt.plan.kind.as_str()) else { return Ok(()) };
    connector.doubt(instance, attempt.plan.kind);
    let failure = Failure::new(cause, Stage::Settings, message);
    // A stage that has passed is taken back at the end.
    let recorded = attempt.stage_times().any(|(stage, _)| stage == Stage::Settings);
    Err(if recorded { failure } else { refused(attempt, failure) })
}

/// Records the failure of a stage in which nothing had to be done, because the answer is known.
fn refused(attempt: &mut Attempt<'_>, failure: Failure) -> Failure {
    let now = Instant::now();
    if let Some(stage) = failure.stage {
        let limit = attempt.stage_deadline(stage, now).saturating_duration_since(now);
        attempt.record(stage, now, Duration::ZERO, limit, false);
    }
    failure
}

/// From the settings to the tunnel.
async fn through(attempt: &mut Attempt<'_>, instance: &CloudSqlInstance, grant: &Grant) -> Result<Tunnel, Failure> {
    let host = grant.settings.host(instance, attempt.plan.kind.as_str());
    let host = host.map_err(|(cause, message)| Failure::new(cause, Stage::Settings, message))?;
    let endpoint = Endpoint::new(host, PROXY_PORT, true);
    let stream = connect::connect(attempt, &endpoint).await?;
    tunnel::tunnel(attempt, instance, grant, stream).await
}
