//! The `redis` kind: connects, greets, logs in, asks for the role and, if the check wants it, writes a key and reads it
//! back, each stage with its own clock. Does network I/O.
//!
//! Commands are packed by the redis crate, over our own stream; [`reply`] bounds and reads what comes back. The greeting is a
//! PING before any login: a server that asks for a password answers it too, with NOAUTH.

mod answer;
mod query;
mod reply;
mod report;
mod wire;

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

use ::redis::{Value, cmd};
use secrecy::ExposeSecret;

use self::answer::Exchange;
use self::wire::Wire;
use super::Attempt;
use super::database::Protocol;
use super::net::channel::{Channel, Secured};
use super::net::tls::Session;
use crate::api::{Cause, Stage};
use crate::evidence::Failure;
use crate::plan::kinds::{RedisAction, Usage};

/// Largest reply that is kept, in bytes.
const LARGEST_REPLY: u64 = 1 << 20;

/// A connection that is logged in, and what is known around it.
pub struct LoggedIn {
    wire: Wire<Secured>,
    exchange: Exchange,
}

impl Protocol for RedisAction {
    type Session = LoggedIn;

    fn usage(&self) -> &Usage {
        &self.usage
    }

    async fn open(&self, attempt: &mut Attempt<'_>) -> Result<LoggedIn, Failure> {
        let channel = Channel::open(attempt, &self.way).await?;
        let host = self.way.host();
        let session = self.tls.as_ref().map(|plan| Session::new(plan, host, &[])).transpose()?;
        let stream = Secured::over(attempt, session.as_ref(), host, channel).await?;
        let target = attempt.plan.target.clone();
        let exchange = Exchange { session, password: self.password.clone(), target, code: OnceLock::new() };
        let mut session = LoggedIn { wire: Wire::new(stream, LARGEST_REPLY), exchange };
        let result = log_in(self, attempt, &mut session).await;
        session.exchange.record(attempt);
        result.map(|()| session)
    }

    async fn run(&self, session: &mut LoggedIn, statement: &str) -> Result<(), Failure> {
        let LoggedIn { wire, exchange } = session;
        match wire.ask_inline(statement).await {
            Ok(Value::ServerError(error)) => Err(exchange.refused(Stage::Initialize, &error)),
            Ok(_) => Ok(()),
            Err(error) => Err(exchange.broken(Stage::Initialize, &error)),
        }
    }

    async fn query(&self, attempt: &mut Attempt<'_>, session: &mut LoggedIn) -> Result<(), Failure> {
        let result = query::query(self, attempt, session).await;
        session.exchange.record(attempt);
        result
    }

    async fn payload(&self, session: &mut LoggedIn, bytes: u32, arrived: &AtomicU64) -> Result<(), Failure> {
        let LoggedIn { wire, exchange } = session;
        match wire.echo(bytes, arrived).await {
            Ok(None) => Ok(()),
            Ok(Some(Value::ServerError(error))) => Err(exchange.refused(Stage::Payload, &error)),
            Ok(Some(Value::BulkString(_))) => {
                let what = format!("the server did not send back the {bytes} bytes that it was sent");
                Err(exchange.failed(Cause::UnexpectedResult, Stage::Payload, &what))
            }
            Ok(Some(other)) => Err(exchange.astray(Stage::Payload, "ECHO", &other)),
            Err(error) => Err(exchange.broken(Stage::Payload, &error)),
        }
    }

    fn record(&self, session: &LoggedIn, attempt: &mut Attempt<'_>) {
        session.exchange.record(attempt);
    }

    /// Redis says nothing to a goodbye that would be worth waiting for: the connection is closed, and that is all.
    async fn close(&self, session: LoggedIn) {
        drop(session);
    }
}

/// The handshake and authenticate stages.
async fn log_in(action: &RedisAction, attempt: &mut Attempt<'_>, session: &mut LoggedIn) -> Result<(), Failure> {
    let asks = greet(action, attempt, session).await?;
    authenticate(action, attempt, session, asks).await
}

/// The handshake stage. Returns the error with which the server asks for a login, if it does.
async fn greet(
    action: &RedisAction,
    attempt: &mut Attempt<'_>,
    session: &mut LoggedIn,
) -> Result<Option<Value>, Failure> {
    let LoggedIn { wire, exchange } = session;
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
async fn authenticate(
    action: &RedisAction,
    attempt: &mut Attempt<'_>,
    session: &mut LoggedIn,
    asks: Option<Value>,
) -> Result<(), Failure> {
    if action.password.is_none() && asks.is_none() {
        return Ok(());
    }
    let LoggedIn { wire, exchange } = session;
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
    attempt.stage(stage, || exchange.doing(stage), work).await
}

/// Whether a command's answer is its acceptance: OK, or PONG.
fn accepted(exchange: &Exchange, stage: Stage, command: &str, answer: io::Result<Value>) -> Result<(), Failure> {
    match answer {
        Ok(Value::Okay) if command != "PING" => Ok(()),
        Ok(Value::SimpleString(pong)) if command == "PING" && pong == "PONG" => Ok(()),
        Ok(Value::ServerError(error)) => Err(exchange.refused(stage, &error)),
        Ok(other) => Err(exchange.astray(stage, command, &other)),
        Err(error) => Err(exchange.broken(stage, &error)),
    }
}
