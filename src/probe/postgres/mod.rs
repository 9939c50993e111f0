//! The `postgres` kind: connects, asks for TLS, logs in and runs a query, each stage with its own clock. Does network I/O.
//!
//! The protocol is tokio-postgres', over our own stream: TLS is asked for here (PostgreSQL documentation, "SSL Session
//! Encryption"), so that it has a stage of its own, and [`wire`] sees the server's first answer, which ends the handshake
//! stage. SCRAM runs without channel binding, because the client does not see the TLS session.

mod answer;
mod listen;
mod wire;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use futures::StreamExt;
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{Client, Config, Connection, Error, NoTls, SimpleColumn, SimpleQueryMessage, SimpleQueryRow};
use tokio_rustls::client::TlsStream;

use self::answer::Exchange;
use self::listen::{LastWords, Listening};
use self::wire::Watched;
use super::driven::Driven;
use super::net::channel::Channel;
use super::net::io_cause;
use super::net::tls::Session;
use super::{Attempt, MAX_ANSWER};
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure};
use crate::plan::kinds::{DatabaseTlsPlan, PostgresAction};
use crate::plan::trust::TlsPlan;

/// SSLRequest: a length of 8 and the code 80877103 (PostgreSQL documentation, "Message Formats").
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// How long the server is given to take our goodbye, after the probe's own clock has stopped.
const GOODBYE: Duration = Duration::from_millis(200);
/// Asked only of servers and poolers that do not report it by themselves (before PostgreSQL 14).
const RECOVERY_QUERY: &str = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')";

/// Carries out a `postgres` probe.
pub async fn probe(action: &PostgresAction, attempt: &mut Attempt<'_>) -> Result<(), Failure> {
    let (plan, required) = match &action.tls {
        DatabaseTlsPlan::Disable => {
            let stream = Channel::open(attempt, &action.way).await?;
            return converse(action, attempt, stream, None).await;
        }
        DatabaseTlsPlan::Prefer(plan) => (plan, false),
        DatabaseTlsPlan::Require(plan) => (plan, true),
    };
    let stream = Channel::open(attempt, &action.way).await?;
    match secure(action, attempt, stream, plan, required).await? {
        Offered::Plain(stream) => converse(action, attempt, stream, None).await,
        Offered::Tls(stream, session) => converse(action, attempt, *stream, Some(&session)).await,
    }
}

/// What the server offers to speak over.
enum Offered {
    Plain(Channel),
    Tls(Box<TlsStream<Channel>>, Session),
}

/// The tls stage: asks for TLS, and shakes hands if the server offers it.
async fn secure(
    action: &PostgresAction,
    attempt: &mut Attempt<'_>,
    mut stream: Channel,
    plan: &TlsPlan,
    required: bool,
) -> Result<Offered, Failure> {
    let host = action.way.host();
    let session = Session::new(plan, host, &[])?;
    let work = async {
        match ask_for_tls(&mut stream).await? {
            b'S' => session.handshake(stream).await.map(Ok),
            b'N' if !required => Ok(Err(stream)),
            b'N' => {
                let message = format!("{host} does not offer TLS (it answered N to SSLRequest)");
                Err(Failure::new(Cause::TlsNotOffered, Stage::Tls, message))
            }
            other => {
                let message = format!("{host} answered SSLRequest with byte 0x{other:02x}, which is neither S nor N");
                Err(Failure::new(Cause::ProtocolMismatch, Stage::Tls, message))
            }
        }
    };
    let result = attempt.stage(Stage::Tls, || format!("asking {host} for TLS"), work).await;
    session.record(attempt, result.as_ref().ok().and_then(|offered| offered.as_ref().ok()));
    Ok(match result? {
        Ok(stream) => Offered::Tls(Box::new(stream), session),
        Err(stream) => Offered::Plain(stream),
    })
}

/// Reads exactly one byte: whatever a server, or somebody in between, sends beyond it is part of the TLS handshake.
async fn ask_for_tls(stream: &mut Channel) -> Result<u8, Failure> {
    let broken = |error: std::io::Error| {
        Failure::new(io_cause(&error), Stage::Tls, format!("the connection broke after SSLRequest: {error}"))
    };
    stream.write_all(&SSL_REQUEST).await.map_err(broken)?;
    stream.read_u8().await.map_err(broken)
}

type LoggedIn<S> = (Client, Connection<Watched<S>, NoTlsStream>);

/// Logs in, runs the query and says goodbye.
async fn converse<S>(
    action: &PostgresAction,
    attempt: &mut Attempt<'_>,
    stream: S,
    session: Option<&Session>,
) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let exchange = Exchange {
        seen: Arc::default(),
        session,
        has_password: action.password.is_some(),
        target: attempt.plan.target.clone(),
        sqlstate: OnceLock::new(),
        last_words: LastWords::default(),
    };
    let result = match log_in(action, attempt, stream, &exchange).await {
        Ok((client, connection)) => {
            let reported = Reported::of(&connection);
            reported.record(attempt);
            let mut connection = Driven::new(Listening::new(connection, exchange.last_words.clone()));
            let result = ask(action, attempt, &client, &mut connection, &reported, &exchange).await;
            drop(client);
            let _ = tokio::time::timeout(GOODBYE, connection.finish()).await;
            result
        }
        Err(failure) => Err(failure),
    };
    if let Some(method) = exchange.seen.method() {
        attempt.fact(Fact::AuthenticationMethod, method.as_str());
    }
    if let Some(code) = exchange.sqlstate.get() {
        attempt.fact(Fact::Sqlstate, code);
    }
    result
}

/// The handshake and authenticate stages: up to the server's first answer, then up to its readiness for queries.
async fn log_in<S>(
    action: &PostgresAction,
    attempt: &mut Attempt<'_>,
    stream: S,
    exchange: &Exchange<'_>,
) -> Result<LoggedIn<S>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = config(action);
    let seen = &exchange.seen;
    let mut logging_in = pin!(config.connect_raw(Watched::new(stream, seen.clone()), NoTls));
    let first_answer = async {
        let early = poll_fn(|context| match logging_in.as_mut().poll(context) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if seen.answered() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        match early.await {
            Some(Err(error)) if seen.method().is_none() => Err(exchange.failure(Stage::Handshake, &error)),
            early => Ok(early),
        }
    };
    let early = attempt.stage(Stage::Handshake, || exchange.doing(Stage::Handshake), first_answer).await?;
    let rest = async {
        let result = match early {
            Some(result) => result,
            None => logging_in.await,
        };
        result.map_err(|error| exchange.failure(Stage::Authenticate, &error))
    };
    attempt.stage(Stage::Authenticate, || exchange.doing(Stage::Authenticate), rest).await
}

fn config(action: &PostgresAction) -> Config {
    let mut config = Config::new();
    // TLS, if any, has been set up below the protocol already.
    config.ssl_mode(SslMode::Disable);
    config.user(&*action.user).dbname(&*action.database).application_name("runready");
    if let Some(password) = &action.password {
        config.password(password.expose_secret());
    }
    config
}

/// What the server reports of itself with the login (PostgreSQL documentation, "Asynchronous Operations", ParameterStatus).
struct Reported {
    version: Option<String>,
    in_recovery: Option<bool>,
    read_only: Option<bool>,
}

impl Reported {
    fn of<S>(connection: &Connection<S, NoTlsStream>) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let flag = |name| connection.parameter(name).map(|value| value == "on");
        Reported {
            version: connection.parameter("server_version").map(str::to_owned),
            in_recovery: flag("in_hot_standby"),
            read_only: flag("default_transaction_read_only"),
        }
    }

    fn record(&self, attempt: &mut Attempt<'_>) {
        if let Some(version) = &self.version {
            attempt.fact(Fact::ServerVersion, version);
        }
        if let Some(in_recovery) = self.in_recovery {
            attempt.fact(Fact::InRecovery, in_recovery.to_string());
        }
    }

    /// Why the server does not accept writes, if it is known not to.
    fn read_only_because(&self) -> Option<&'static str> {
        match (self.in_recovery, self.read_only) {
            (Some(true), _) => Some("the server is in recovery: a replica, or an endpoint that failed over"),
            (_, Some(true)) => Some("the server's transactions are read-only by default"),
            _ => None,
        }
    }
}

/// The query stage.
async fn ask<C: Future<Output = Result<(), Error>> + Unpin>(
    action: &PostgresAction,
    attempt: &mut Attempt<'_>,
    client: &Client,
    connection: &mut Driven<C>,
    reported: &Reported,
    exchange: &Exchange<'_>,
) -> Result<(), Failure> {
    let failure = |error: &Error| exchange.failure(Stage::Query, error);
    let mut closed = false;
    let mut learnt = None;
    let mut count = None;
    let mut first = None;
    let asked = attempt.is_asked();
    let work = async {
        if reported.in_recovery.is_none() {
            learnt = match recovery(client).await {
                Err(error) if action.writable || error.is_closed() => {
                    closed = error.is_closed();
                    return Err(failure(&error));
                }
                Err(_) => None,
                Ok(learnt) => learnt,
            };
        }
        let known = learnt.as_ref().unwrap_or(reported);
        if let Some(reason) = known.read_only_because().filter(|_| action.writable) {
            return Err(exchange.failed(Cause::ReadOnly, Stage::Query, reason));
        }
        let rows = rows(client, &action.query, asked.then_some(&mut first)).await.map_err(|error| {
            closed = error.is_closed();
            failure(&error)
        })?;
        count = Some(rows);
        match action.expect_rows {
            Some(expected) if u64::from(expected) != rows => {
                let what = format!("the query returned {rows} rows; expectRows is {expected}");
                Err(exchange.failed(Cause::UnexpectedResult, Stage::Query, &what))
            }
            Some(_) | None => Ok(()),
        }
    };
    let result = attempt.stage(Stage::Query, || exchange.doing(Stage::Query), connection.beside(work)).await;
    // A query only hears that its connection is gone; the connection itself knows why.
    let result = match (result, connection.end()) {
        (Err(_), Some(Err(why))) if closed => Err(failure(why)),
        (result, _) => result,
    };
    if let Some(learnt) = learnt {
        learnt.record(attempt);
    }
    if let Some(count) = count {
        attempt.fact(Fact::Rows, count.to_string());
        attempt.answer("rows", || count.into());
        attempt.answer("row", || first.unwrap_or_default());
    }
    result
}

/// Runs a query and counts the rows of its results; the first one is kept if `first` asks for it, as far as it is not too large.
async fn rows(client: &Client, query: &str, mut first: Option<&mut Option<Value>>) -> Result<u64, Error> {
    let mut messages = pin!(client.simple_query_raw(query).await?);
    let mut count = 0;
    while let Some(message) = messages.next().await {
        if let SimpleQueryMessage::Row(row) = message? {
            count += 1;
            if let Some(first) = first.take() {
                *first = columns(&row);
            }
        }
    }
    Ok(count)
}

/// The columns of a row as a map of texts, with null for NULL. None when it is too large to be kept.
fn columns(row: &SimpleQueryRow) -> Option<Value> {
    let values = || (0..row.len()).map(|index| row.get(index));
    let bytes: usize = values().flatten().map(str::len).sum();
    let named = || row.columns().iter().map(SimpleColumn::name).zip(values());
    (bytes <= MAX_ANSWER).then(|| named().map(|(name, value)| (name.to_owned(), Value::from(value))).collect())
}

/// What a server that does not report its recovery says when asked.
async fn recovery(client: &Client) -> Result<Option<Reported>, Error> {
    let messages = client.simple_query(RECOVERY_QUERY).await?;
    Ok(messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(Reported {
            version: None,
            in_recovery: row.get(0).map(|value| value == "t"),
            read_only: row.get(1).map(|value| value == "on"),
        }),
        _ => None,
    }))
}
