//! The `redis` kind: connects, greets, logs in, asks for the role and, if the check wants it, writes a key and reads it
//! back, each stage with its own clock. Does network I/O.
//!
//! Commands are packed and replies parsed by the redis crate, over our own stream: [`wire`] bounds what a reply may be. The
//! greeting is a PING before any login: a server that asks for a password answers it too, with NOAUTH.

mod answer;
mod report;
mod wire;

use std::io;
use std::sync::OnceLock;

use ::redis::{Cmd, ServerError, Value, cmd};
use secrecy::ExposeSecret;
use tokio::io::{AsyncRead, AsyncWrite};

use self::answer::Exchange;
use self::report::Role;
use self::wire::Wire;
use super::Attempt;
use super::net::channel::Channel;
use super::net::tls::{Session, tls};
use crate::api::probes::RedisRole;
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure};
use crate::plan::kinds::RedisAction;
use crate::plan::trust;

/// Largest reply, in bytes.
const LARGEST_REPLY: u64 = 1 << 20;
/// What the round trip's key begins with. The braces give every key the same slot in a cluster (Redis cluster
/// specification, "Hash tags"), so that one node answers alike each time.
const KEY: &str = "runready:{runready}:";
/// Seconds after which a key goes by itself, should it not be deleted.
const KEY_LIVES: u64 = 60;

/// Carries out a `redis` probe.
pub async fn probe(action: &RedisAction, attempt: &mut Attempt<'_>) -> Result<(), Failure> {
    let stream = Channel::open(attempt, &action.way).await?;
    match &action.tls {
        None => converse(action, attempt, stream, None).await,
        Some(plan) => {
            let host = action.way.host();
            let session = Session::new(plan, host, &[])?;
            let stream = tls(attempt, &session, host, stream).await?;
            converse(action, attempt, stream, Some(&session)).await
        }
    }
}

/// Everything that is said over the connection.
async fn converse<S>(
    action: &RedisAction,
    attempt: &mut Attempt<'_>,
    stream: S,
    session: Option<&Session>,
) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let target = attempt.plan.target.clone();
    let exchange = Exchange { session, password: action.password.as_ref(), target, code: OnceLock::new() };
    let mut wire = Wire::new(stream, LARGEST_REPLY);
    let result = async {
        let asks = greet(action, attempt, &mut wire, &exchange).await?;
        log_in(action, attempt, &mut wire, &exchange, asks).await?;
        query(action, attempt, &mut wire, &exchange).await
    }
    .await;
    if let Some(code) = exchange.code.get() {
        attempt.fact(Fact::ErrorCode, code);
    }
    result
}

/// The handshake stage. Returns the error with which the server asks for a login, if it does.
async fn greet<S: AsyncRead + AsyncWrite + Unpin>(
    action: &RedisAction,
    attempt: &mut Attempt<'_>,
    wire: &mut Wire<S>,
    exchange: &Exchange<'_>,
) -> Result<Option<Value>, Failure> {
    let stage = Stage::Handshake;
    let work = async {
        match wire.ask(&[cmd("PING")]).await {
            Ok(Value::ServerError(error)) if error.code() == "NOAUTH" => Ok(Some(Value::ServerError(error))),
            // The user that one is before a login may do less than the user of the login.
            Ok(Value::ServerError(error)) if error.code() == "NOPERM" && action.password.is_some() => Ok(None),
            answer => accepted(exchange, stage, "PING", answer).map(|()| None),
        }
    };
    attempt.stage(stage, || exchange.doing(stage), work).await
}

/// The authenticate stage; none where nobody asks for a password and none is given.
async fn log_in<S: AsyncRead + AsyncWrite + Unpin>(
    action: &RedisAction,
    attempt: &mut Attempt<'_>,
    wire: &mut Wire<S>,
    exchange: &Exchange<'_>,
    asks: Option<Value>,
) -> Result<(), Failure> {
    let stage = Stage::Authenticate;
    let work = async {
        let answer = match (&action.password, asks) {
            (Some(password), _) => {
                let mut auth = cmd("AUTH");
                auth.arg(action.user.as_deref()).arg(password.expose_secret());
                wire.ask(&[auth]).await
            }
            (None, Some(asks)) => Ok(asks),
            (None, None) => Ok(Value::Okay),
        };
        accepted(exchange, stage, "AUTH", answer)
    };
    if action.password.is_none() && asks.is_none() {
        return Ok(());
    }
    attempt.stage(stage, || exchange.doing(stage), work).await
}

/// The query stage: the database, a ping, the role, and the round trip.
async fn query<S: AsyncRead + AsyncWrite + Unpin>(
    action: &RedisAction,
    attempt: &mut Attempt<'_>,
    wire: &mut Wire<S>,
    exchange: &Exchange<'_>,
) -> Result<(), Failure> {
    let mut told = Told::default();
    let work = async {
        told.ask(action, wire, exchange).await?;
        told.judge(action.role, exchange)?;
        if action.round_trip {
            round_trip(wire, exchange).await?;
        }
        Ok(())
    };
    let result = attempt.stage(Stage::Query, || exchange.doing(Stage::Query), work).await;
    if let Some(version) = &told.version {
        attempt.fact(Fact::ServerVersion, version);
    }
    if let Some(role) = &told.role {
        role.record(attempt);
        if let Some(flaw) = stale(role, exchange) {
            attempt.flaw(flaw);
        }
    }
    result
}

/// What the server tells about itself.
#[derive(Default)]
struct Told {
    version: Option<String>,
    role: Option<Role>,
    /// Why the role is not known.
    role_refused: Option<ServerError>,
}

impl Told {
    /// Asks for all of it at once. What is told is kept even if the server refuses what it must answer.
    async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        action: &RedisAction,
        wire: &mut Wire<S>,
        exchange: &Exchange<'_>,
    ) -> Result<(), Failure> {
        let select = action.database.map(|number| cmd("SELECT").arg(number).take());
        let rest = [cmd("PING"), cmd("ROLE"), cmd("INFO").arg("server").take()];
        let commands: Vec<Cmd> = select.into_iter().chain(rest).collect();
        let mut answers = wire.ask_all(&commands).await.into_iter();
        let mut hear = || answers.next().unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()));
        let selected = match action.database {
            Some(_) => accepted(exchange, Stage::Query, "SELECT", hear()),
            None => Ok(()),
        };
        let answered = selected.and(accepted(exchange, Stage::Query, "PING", hear()));
        let (role, info) = (hear(), hear());
        self.role = role.as_ref().ok().and_then(Role::of_command);
        self.version = info.as_ref().ok().and_then(report::version);
        answered?;
        let broken = |error: io::Error| exchange.broken(Stage::Query, &error);
        role.and(info).map_err(broken)?;
        if self.role.is_none() {
            match wire.ask(&[cmd("INFO").arg("replication").take()]).await.map_err(broken)? {
                Value::ServerError(error) => self.role_refused = Some(error),
                told => self.role = Role::of_info(&told),
            }
        }
        Ok(())
    }

    /// Compares the role with the expected one.
    fn judge(&self, expected: RedisRole, exchange: &Exchange<'_>) -> Result<(), Failure> {
        let failed = |cause, what: String| Err(exchange.failed(cause, Stage::Query, &what));
        match (expected, &self.role) {
            (RedisRole::Any, _)
            | (RedisRole::Master, Some(Role::Master { .. }))
            | (RedisRole::Replica, Some(Role::Replica { .. })) => Ok(()),
            (RedisRole::Master, Some(Role::Replica { master, .. })) => {
                let what = format!("the server is a replica of {master}; role is Master");
                failed(Cause::ReadOnly, what)
            }
            (RedisRole::Replica, Some(Role::Master { .. })) => {
                failed(Cause::UnexpectedResult, "the server is a master; role is Replica".to_owned())
            }
            (RedisRole::Master | RedisRole::Replica, Some(Role::Sentinel)) => {
                failed(Cause::UnexpectedResult, format!("the server is a Sentinel; role is {expected:?}"))
            }
            (RedisRole::Master | RedisRole::Replica, None) => match &self.role_refused {
                Some(error) => Err(exchange.refused(Stage::Query, error)),
                None => failed(Cause::UnexpectedResult, "the server does not tell its role".to_owned()),
            },
        }
    }
}

/// The flaw of a replica that serves although its master is lost.
fn stale(role: &Role, exchange: &Exchange<'_>) -> Option<Failure> {
    let Role::Replica { master, link } = role else { return None };
    let what = format!("the replica serves what it has; the link to its master {master} is not up (state {link})");
    (link != "connected").then(|| exchange.failed(Cause::MasterDown, Stage::Query, &what))
}

/// Writes a key with a random value, reads it and deletes it.
async fn round_trip<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    exchange: &Exchange<'_>,
) -> Result<(), Failure> {
    let stage = Stage::Query;
    let (key, value) = (format!("{KEY}{}", random()?), random()?);
    let commands = [
        cmd("SET").arg(&key).arg(&value).arg("EX").arg(KEY_LIVES).take(),
        cmd("GET").arg(&key).take(),
        cmd("DEL").arg(&key).take(),
    ];
    let mut answers = wire.ask_all(&commands).await.into_iter();
    let mut hear = || answers.next().unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()));
    accepted(exchange, stage, "SET", hear())?;
    match hear() {
        Ok(Value::BulkString(read)) if read == value.as_bytes() => {}
        Ok(Value::BulkString(_) | Value::Nil) => {
            let what = format!("{key} was written, and not read back as it was");
            return Err(exchange.failed(Cause::UnexpectedResult, stage, &what));
        }
        other => accepted(exchange, stage, "GET", other)?,
    }
    match hear() {
        Ok(Value::Int(_)) => Ok(()),
        other => accepted(exchange, stage, "DEL", other),
    }
}

/// 16 random bytes in hexadecimal.
fn random() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    trust::provider().secure_random.fill(&mut bytes).map_err(|_| {
        Failure::new(Cause::ProberError, Stage::Query, "the system gives no random bytes for the round trip's key")
    })?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// Whether a command's answer is its acceptance: OK, or PONG.
fn accepted(
    exchange: &Exchange<'_>,
    stage: Stage,
    command: &str,
    answer: io::Result<Value>,
) -> Result<(), Failure> {
    match answer {
        Ok(Value::Okay) if command != "PING" => Ok(()),
        Ok(Value::SimpleString(pong)) if command == "PING" && pong == "PONG" => Ok(()),
        Ok(Value::ServerError(error)) => Err(exchange.refused(stage, &error)),
        Ok(other) => Err(exchange.astray(stage, command, &other)),
        Err(error) => Err(exchange.broken(stage, &error)),
    }
}
