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
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use futures::StreamExt;
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{Client, Config, Connection, Error, NoTls, SimpleColumn, SimpleQueryMessage, SimpleQueryRow};

use self::answer::Exchange;
use self::listen::Listening;
use self::wire::Watched;
use super::database::{self, Protocol};
use super::driven::Driven;
use super::net::channel::{Channel, Secured};
use super::net::io_cause;
use super::net::tls::Session;
use super::{Attempt, MAX_ANSWER};
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure};
use crate::plan::kinds::{DatabaseTlsPlan, PostgresAction, Usage};
use crate::plan::trust::TlsPlan;

/// SSLRequest: a length of 8 and the code 80877103 (PostgreSQL documentation, "Message Formats").
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// Bytes of a row of the result that must come through.
const PAYLOAD_ROW: u32 = 1024;
/// Asked only of servers and poolers that do not report it by themselves (before PostgreSQL 14).
const RECOVERY_QUERY: &str = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')";

/// A connection that is logged in, and what is known around it.
pub struct LoggedIn {
    client: Client,
    connection: Driven<Listening<Watched<Secured>>>,
    reported: Reported,
    exchange: Exchange,
}

impl Protocol for PostgresAction {
    type Session = LoggedIn;

    fn usage(&self) -> &Usage {
        &self.usage
    }

    async fn open(&self, attempt: &mut Attempt<'_>) -> Result<LoggedIn, Failure> {
        let (stream, session) = match &self.tls {
            DatabaseTlsPlan::Disable => (Channel::open(attempt, &self.way).await?.into(), None),
            DatabaseTlsPlan::Prefer(plan) => secured(self, attempt, plan, false).await?,
            DatabaseTlsPlan::Require(plan) => secured(self, attempt, plan, true).await?,
        };
        let exchange = Exchange {
            seen: Arc::default(),
            session,
            has_password: self.password.is_some(),
            target: attempt.plan.target.clone(),
            sqlstate: OnceLock::new(),
        };
        let result = log_in(self, attempt, stream, &exchange).await;
        if let Some(method) = exchange.seen.method() {
            attempt.fact(Fact::AuthenticationMethod, method.as_str());
        }
        exchange.record(attempt);
        let (client, connection) = result?;
        let reported = Reported::of(&connection, self.writable);
        reported.record(attempt);
        let connection = Driven::new(Listening::new(connection, exchange.seen.clone()));
        Ok(LoggedIn { client, connection, reported, exchange })
    }

    async fn run(&self, session: &mut LoggedIn, statement: &str) -> Result<(), Failure> {
        session.driven(Stage::Initialize, async |client| rows(client, statement, |_| ()).await.map(drop)).await
    }

    async fn query(&self, attempt: &mut Attempt<'_>, session: &mut LoggedIn) -> Result<(), Failure> {
        let target = session.exchange.target.clone();
        let mut learnt = None;
        let mut count = None;
        let mut first = None;
        let mut wanted = attempt.is_asked();
        let work = async {
            if session.reported.in_recovery.is_none() {
                let told = session.driven(Stage::Query, async |client| match recovery(client).await {
                    Err(error) if self.writable || error.is_closed() => Err(error),
                    told => Ok(told.unwrap_or_default()),
                });
                learnt = told.await?;
            }
            let known = learnt.as_ref().unwrap_or(&session.reported);
            if let Some(reason) = known.read_only_because().filter(|_| self.writable) {
                return Err(session.exchange.failed(Cause::ReadOnly, Stage::Query, reason));
            }
            let keep = |row: &SimpleQueryRow| {
                if std::mem::take(&mut wanted) {
                    first = columns(row);
                }
            };
            let rows = session.driven(Stage::Query, async |client| rows(client, &self.query, keep).await).await?;
            count = Some(rows);
            match self.expect_rows {
                Some(expected) if u64::from(expected) != rows => {
                    let what = format!("the query returned {rows} rows; expectRows is {expected}");
                    Err(session.exchange.failed(Cause::UnexpectedResult, Stage::Query, &what))
                }
                Some(_) | None => Ok(()),
            }
        };
        let result = attempt.stage(Stage::Query, || database::doing(Stage::Query, &target), work).await;
        if let Some(learnt) = learnt {
            learnt.record(attempt);
        }
        if let Some(count) = count {
            attempt.fact(Fact::Rows, count.to_string());
            attempt.answer("rows", || count.into());
            attempt.answer("row", || first.unwrap_or_default());
        }
        session.exchange.record(attempt);
        result
    }

    async fn payload(&self, session: &mut LoggedIn, bytes: u32, arrived: &AtomicU64) -> Result<(), Failure> {
        let count = |row: &SimpleQueryRow| {
            let bytes = row.try_get(0).ok().flatten().map_or(0, str::len);
            arrived.fetch_add(bytes as u64, Ordering::Relaxed);
        };
        let statement = payload_query(bytes);
        session.driven(Stage::Payload, async |client| rows(client, &statement, count).await.map(drop)).await
    }

    fn record(&self, session: &LoggedIn, attempt: &mut Attempt<'_>) {
        session.exchange.record(attempt);
    }

    async fn close(&self, session: LoggedIn) {
        let LoggedIn { client, connection, .. } = session;
        drop(client);
        database::farewell(pin!(connection.finish())).await;
    }
}

/// A result of that many bytes, in rows: so neither side need hold it as a whole.
fn payload_query(bytes: u32) -> String {
    format!(
        "SELECT repeat('x', least({PAYLOAD_ROW}, {bytes} - {PAYLOAD_ROW} * i)) FROM generate_series(0, {}) AS i",
        (bytes - 1) / PAYLOAD_ROW
    )
}

impl LoggedIn {
    /// Runs something on the connection while it is driven; the failure is that of `stage`.
    async fn driven<T>(
        &mut self,
        stage: Stage,
        work: impl AsyncFnOnce(&Client) -> Result<T, Error>,
    ) -> Result<T, Failure> {
        let result = self.connection.asking(work(&self.client)).await;
        result.map_err(|error| match self.connection.end() {
            // A query only hears that its connection is gone; the connection itself knows why.
            Some(Err(why)) if error.is_closed() => self.exchange.failure(stage, why),
            _ => self.exchange.failure(stage, &error),
        })
    }
}

/// The tls stage: asks for TLS, and shakes hands if the server offers it.
async fn secured(
    action: &PostgresAction,
    attempt: &mut Attempt<'_>,
    plan: &TlsPlan,
    required: bool,
) -> Result<(Secured, Option<Session>), Failure> {
    let mut stream = Channel::open(attempt, &action.way).await?;
    let host = action.way.host();
    let session = Session::new(plan, host, &[])?;
    let answered = AtomicBool::new(false);
    let work = async {
        let answer = ask_for_tls(&mut stream).await?;
        answered.store(true, Ordering::Relaxed);
        match answer {
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
    session.record(attempt, result.as_ref().ok().and_then(|offered| offered.as_deref().ok()));
    // SSLRequest is PostgreSQL's own: a server that does not answer it is silent in its own protocol, not in TLS.
    let silent = |failure: Failure| match failure.cause {
        Cause::TlsTimeout if !answered.load(Ordering::Relaxed) => Failure { cause: Cause::HandshakeTimeout, ..failure },
        _ => failure,
    };
    Ok(match result.map_err(silent)? {
        Ok(stream) => (stream.into(), Some(session)),
        Err(stream) => (stream.into(), None),
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

/// The handshake and authenticate stages: up to the server's first answer, then up to its readiness for queries.
async fn log_in(
    action: &PostgresAction,
    attempt: &mut Attempt<'_>,
    stream: Secured,
    exchange: &Exchange,
) -> Result<(Client, Box<Connection<Watched<Secured>, NoTlsStream>>), Failure> {
    let config = config(action);
    let seen = &exchange.seen;
    let mut logging_in = pin!(config.connect_raw(Watched::new(stream, seen.clone()), NoTls));
    // Handed on from one to the other, which takes time for each of its bytes.
    let boxed = |(client, connection)| (client, Box::new(connection));
    let first_answer = async {
        let early = poll_fn(|context| match logging_in.as_mut().poll(context) {
            Poll::Ready(result) => Poll::Ready(Some(result.map(boxed))),
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
            None => logging_in.await.map(boxed),
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
    /// Whether transactions are read-only is of interest to a check that wants to write alone.
    fn of<S>(connection: &Connection<S, NoTlsStream>, writable: bool) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let flag = |name| connection.parameter(name).map(|value| value == "on");
        Reported {
            version: connection.parameter("server_version").map(str::to_owned),
            in_recovery: flag("in_hot_standby"),
            read_only: if writable { flag("default_transaction_read_only") } else { None },
        }
    }

    fn record(&self, attempt: &mut Attempt<'_>) {
        if let Some(version) = &self.version {
            attempt.fact(Fact::ServerVersion, version.clone());
        }
        if let Some(in_recovery) = self.in_recovery {
            attempt.fact(Fact::InRecovery, if in_recovery { "true" } else { "false" });
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

/// Runs a query and counts the rows of its results; each is looked at, and none is kept.
async fn rows(client: &Client, query: &str, mut look: impl FnMut(&SimpleQueryRow)) -> Result<u64, Error> {
    let mut messages = pin!(client.simple_query_raw(query).await?);
    let mut count = 0;
    while let Some(message) = messages.next().await {
        if let SimpleQueryMessage::Row(row) = message? {
            count += 1;
            look(&row);
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
    // What answers may leave columns out.
    let told = |row: &SimpleQueryRow, column: usize, yes| row.try_get(column).ok().flatten().map(|value| value == yes);
    let messages = client.simple_query(RECOVERY_QUERY).await?;
    Ok(messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            Some(Reported { version: None, in_recovery: told(row, 0, "t"), read_only: told(row, 1, "on") })
        }
        _ => None,
    }))
}
