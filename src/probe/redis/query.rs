//! The query stage of the `redis` kind: the database, a ping, the role, and the round trip. Does network I/O.

use std::io;

use ::redis::{Cmd, ServerError, Value, cmd};

use super::answer::Exchange;
use super::report::{self, Role};
use super::wire::Wire;
use super::{LoggedIn, accepted};
use crate::api::probes::RedisRole;
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure};
use crate::plan::kinds::RedisAction;
use crate::plan::trust;
use crate::probe::Attempt;
use crate::probe::net::channel::Secured;

/// What the round trip's key begins with. The braces give every key the same slot in a cluster (Redis cluster
/// specification, "Hash tags"), so that one node answers alike each time.
const KEY: &str = "runready:{runready}:";
/// Seconds after which a key goes by itself, should it not be deleted.
const KEY_LIVES: u64 = 60;

/// Carries out the stage, and records what the server told in it, whatever comes of it.
pub async fn query(action: &RedisAction, attempt: &mut Attempt<'_>, session: &mut LoggedIn) -> Result<(), Failure> {
    let LoggedIn { wire, exchange } = session;
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
    told.record(attempt);
    if let Some(flaw) = told.role.as_ref().and_then(|role| stale(role, exchange)) {
        attempt.flaw(flaw);
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
    async fn ask(
        &mut self,
        action: &RedisAction,
        wire: &mut Wire<Secured>,
        exchange: &Exchange,
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
        let answered = selected.and_then(|()| accepted(exchange, Stage::Query, "PING", hear()));
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
    fn judge(&self, expected: RedisRole, exchange: &Exchange) -> Result<(), Failure> {
        let failed = |cause, what: &str| Err(exchange.failed(cause, Stage::Query, what));
        match (expected, &self.role) {
            (RedisRole::Any, _)
            | (RedisRole::Master, Some(Role::Master { .. }))
            | (RedisRole::Replica, Some(Role::Replica { .. })) => Ok(()),
            (RedisRole::Master, Some(Role::Replica { master, .. })) => {
                failed(Cause::ReadOnly, &format!("the server is a replica of {master}; role is Master"))
            }
            (RedisRole::Replica, Some(Role::Master { .. })) => {
                failed(Cause::UnexpectedResult, "the server is a master; role is Replica")
            }
            (RedisRole::Master | RedisRole::Replica, Some(Role::Sentinel)) => failed(
                Cause::UnexpectedResult,
                "the server is a Sentinel, which holds no data; point the check to what it watches",
            ),
            (RedisRole::Master | RedisRole::Replica, None) => match &self.role_refused {
                Some(error) => Err(exchange.refused(Stage::Query, error)),
                None => failed(Cause::UnexpectedResult, "the server does not tell its role"),
            },
        }
    }

    fn record(&self, attempt: &mut Attempt<'_>) {
        if let Some(version) = &self.version {
            attempt.fact(Fact::ServerVersion, version.clone());
        }
        if let Some(role) = &self.role {
            role.record(attempt);
        }
        attempt.answer("version", || self.version.clone().into());
        attempt.answer("role", || self.role.as_ref().map(Role::name).into());
        attempt.answer("replicas", || self.role.as_ref().and_then(Role::replicas).into());
    }
}

/// The flaw of a replica that serves although its master is lost.
fn stale(role: &Role, exchange: &Exchange) -> Option<Failure> {
    let Role::Replica { master, link } = role else { return None };
    let what = format!("the replica serves what it has; the link to its master {master} is not up (state {link})");
    (link != "connected").then(|| exchange.failed(Cause::MasterDown, Stage::Query, &what))
}

/// Writes a key with a random value, reads it and deletes it.
async fn round_trip(wire: &mut Wire<Secured>, exchange: &Exchange) -> Result<(), Failure> {
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
