//! The `sqlserver` kind: connects, greets, shakes hands, logs in and runs a query, each stage with its own clock. Does network I/O.
//!
//! Login and queries are tiberius', over our own stream (TDS 7.4). The greeting and TLS are made here, so that each has a stage of
//! its own and certificates are verified as by all other kinds: [`prelogin`] is the greeting, [`wrapped`] carries the TLS
//! handshake within it, and [`watched`] shows tiberius a stream on which both are over.

mod answer;
mod columns;
mod prelogin;
mod watched;
mod wrapped;

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use futures::TryStreamExt;
use secrecy::ExposeSecret;
use tiberius::error::Error;
use tiberius::{AuthMethod, Client, Config, EncryptionLevel, QueryItem, Row};

use self::answer::Exchange;
use self::prelogin::{Encryption, Told};
use self::watched::{Duplex, Watched};
use self::wrapped::Wrapped;
use super::Attempt;
use super::database::{self, Protocol};
use super::net::channel::Channel;
use super::net::tls::Session;
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure};
use crate::plan::kinds::{DatabaseTlsPlan, SqlServerAction, Usage};
use crate::plan::trust::TlsPlan;

/// Most bytes of the answer to a login.
const LARGEST_LOGIN: u64 = 64 << 10;
/// Most bytes of the answer to a statement.
const LARGEST_ANSWER: u64 = 4 << 20;
/// Bytes of a row of the result that must come through.
const PAYLOAD_ROW: u32 = 1024;
/// Whether the database accepts writes (SQL Server documentation, DATABASEPROPERTYEX).
const UPDATEABILITY: &str = "SELECT CAST(DATABASEPROPERTYEX(DB_NAME(), 'Updateability') AS nvarchar(128))";

/// A connection that is logged in, and what is known around it.
pub struct LoggedIn {
    client: Client<Watched>,
    exchange: Exchange,
}

impl Protocol for SqlServerAction {
    type Session = LoggedIn;

    fn usage(&self) -> &Usage {
        &self.usage
    }

    async fn open(&self, attempt: &mut Attempt<'_>) -> Result<LoggedIn, Failure> {
        let mut channel = Channel::open(attempt, &self.way).await?;
        let exchange = Exchange { seen: Arc::default(), target: attempt.plan.target.clone(), number: OnceLock::new() };
        let plan = greet(self, attempt, &mut channel, &exchange).await?;
        let stream: Box<dyn Duplex> = match plan {
            None => Box::new(channel),
            Some(plan) => secured(self, attempt, plan, channel, &exchange).await?,
        };
        let result = log_in(self, attempt, stream, &exchange).await;
        exchange.record(attempt);
        Ok(LoggedIn { client: result?, exchange })
    }

    async fn run(&self, session: &mut LoggedIn, statement: &str) -> Result<(), Failure> {
        session.ask(Stage::Initialize, LARGEST_ANSWER, statement, |_| ()).await.map(drop)
    }

    async fn query(&self, attempt: &mut Attempt<'_>, session: &mut LoggedIn) -> Result<(), Failure> {
        let result = query(self, attempt, session).await;
        session.exchange.record(attempt);
        result
    }

    async fn payload(&self, session: &mut LoggedIn, bytes: u32, arrived: &AtomicU64) -> Result<(), Failure> {
        let count = |row: &Row| {
            let text = row.try_get::<&str, _>(0).ok().flatten().unwrap_or_default();
            arrived.fetch_add(text.len() as u64, Ordering::Relaxed);
        };
        let limit = LARGEST_ANSWER + 2 * u64::from(bytes);
        session.ask(Stage::Payload, limit, &payload_query(bytes), count).await.map(drop)
    }

    fn record(&self, session: &LoggedIn, attempt: &mut Attempt<'_>) {
        session.exchange.record(attempt);
    }

    async fn close(&self, session: LoggedIn) {
        database::farewell(pin!(session.client.close())).await;
    }
}

/// A result of that many bytes, in rows: so neither side need hold it as a whole.
fn payload_query(bytes: u32) -> String {
    let (rows, last) = (bytes.div_ceil(PAYLOAD_ROW), (bytes - 1) % PAYLOAD_ROW + 1);
    format!(
        "WITH d(n) AS (SELECT n FROM (VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)) AS v(n)), \
         r(i) AS (SELECT TOP ({rows}) ROW_NUMBER() OVER (ORDER BY (SELECT NULL)) FROM d a, d b, d c, d e, d f) \
         SELECT REPLICATE('x', CASE WHEN i < {rows} THEN {PAYLOAD_ROW} ELSE {last} END) FROM r"
    )
}

/// The handshake stage. Returns what TLS is to be like, if there is to be TLS.
async fn greet<'a>(
    action: &'a SqlServerAction,
    attempt: &mut Attempt<'_>,
    channel: &mut Channel,
    exchange: &Exchange,
) -> Result<Option<&'a TlsPlan>, Failure> {
    let stage = Stage::Handshake;
    let wanted = match &action.tls {
        DatabaseTlsPlan::Disable => Encryption::Unsupported,
        DatabaseTlsPlan::Prefer(_) | DatabaseTlsPlan::Require(_) => Encryption::On,
    };
    let mut version = None;
    let work = async {
        let Told { version: told, encryption } =
            prelogin::exchange(channel, wanted).await.map_err(|error| exchange.broken(stage, &error))?;
        version = told;
        agreed(&action.tls, encryption).map_err(|(cause, what)| exchange.failed(cause, stage, what))
    };
    let result = attempt.stage(stage, || exchange.doing(stage), work).await;
    if let Some(version) = version {
        attempt.fact(Fact::ServerVersion, version);
    }
    result
}

/// What TLS is to be like, after what the server said of it.
fn agreed(tls: &DatabaseTlsPlan, told: Encryption) -> Result<Option<&TlsPlan>, (Cause, &'static str)> {
    match (tls, told) {
        (DatabaseTlsPlan::Disable, Encryption::Unsupported | Encryption::LoginOnly)
        | (DatabaseTlsPlan::Prefer(_), Encryption::Unsupported) => Ok(None),
        (DatabaseTlsPlan::Disable, Encryption::On | Encryption::Required) => {
            Err((Cause::TlsRequired, "the server demands TLS (Force Encryption), and tls.mode is Disable"))
        }
        (DatabaseTlsPlan::Prefer(plan) | DatabaseTlsPlan::Require(plan), Encryption::On | Encryption::Required) => {
            Ok(Some(plan))
        }
        (DatabaseTlsPlan::Require(_), Encryption::Unsupported) => {
            Err((Cause::TlsNotOffered, "the server does not offer TLS (it answered ENCRYPT_NOT_SUP)"))
        }
        (DatabaseTlsPlan::Prefer(_) | DatabaseTlsPlan::Require(_), Encryption::LoginOnly) => {
            Err((Cause::TlsNotOffered, "the server offers TLS for the login alone (it answered ENCRYPT_OFF)"))
        }
    }
}

/// The tls stage: the handshake within packets of TDS.
async fn secured(
    action: &SqlServerAction,
    attempt: &mut Attempt<'_>,
    plan: &TlsPlan,
    channel: Channel,
    exchange: &Exchange,
) -> Result<Box<dyn Duplex>, Failure> {
    let session = Session::new(plan, action.way.host(), &[])?;
    let work = session.handshake(Wrapped::new(channel));
    let result = attempt.stage(Stage::Tls, || exchange.doing(Stage::Tls), work).await;
    session.record(attempt, result.as_deref().ok());
    let mut stream = result?;
    stream.get_mut().0.end_handshake();
    Ok(stream)
}

/// The authenticate stage.
async fn log_in(
    action: &SqlServerAction,
    attempt: &mut Attempt<'_>,
    stream: Box<dyn Duplex>,
    exchange: &Exchange,
) -> Result<Client<Watched>, Failure> {
    let stage = Stage::Authenticate;
    exchange.seen.allow(LARGEST_LOGIN);
    let stream = Watched::new(stream, exchange.seen.clone());
    let work = async {
        let client = Client::connect(config(action), stream);
        Box::pin(client).await.map_err(|error| exchange.failure(stage, &error))
    };
    attempt.stage(stage, || exchange.doing(stage), work).await
}

fn config(action: &SqlServerAction) -> Config {
    let mut config = Config::new();
    config.host(action.way.host());
    if let Some(database) = &action.database {
        config.database(database);
    }
    config.application_name("runready");
    // Both are dealt with here: TLS below the login, and time by the stage.
    config.encryption(EncryptionLevel::NotSupported);
    config.handshake_timeout(None);
    config.authentication(AuthMethod::sql_server(&action.user, action.password.expose_secret()));
    config
}

impl LoggedIn {
    /// Runs a statement and counts the rows of its results; each is looked at, and none is kept.
    async fn ask(
        &mut self,
        stage: Stage,
        limit: u64,
        statement: &str,
        mut look: impl FnMut(&Row),
    ) -> Result<u64, Failure> {
        let LoggedIn { client, exchange } = self;
        exchange.seen.allow(limit);
        let work = async {
            let mut results = client.simple_query(statement).await?;
            let mut count = 0;
            while let Some(item) = results.try_next().await? {
                if let QueryItem::Row(row) = item {
                    count += 1;
                    look(&row);
                }
            }
            Ok::<u64, Error>(count)
        };
        Box::pin(work).await.map_err(|error| exchange.failure(stage, &error))
    }
}

/// The query stage.
async fn query(action: &SqlServerAction, attempt: &mut Attempt<'_>, session: &mut LoggedIn) -> Result<(), Failure> {
    let stage = Stage::Query;
    let doing = session.exchange.doing(stage);
    let (mut count, mut first, mut wanted) = (None, None, attempt.is_asked());
    let work = async {
        if action.writable {
            let mut told = None;
            let keep = |row: &Row| told = row.try_get::<&str, _>(0).ok().flatten().map(str::to_owned);
            session.ask(stage, LARGEST_ANSWER, UPDATEABILITY, keep).await?;
            if told.as_deref() != Some("READ_WRITE") {
                let told = told.unwrap_or_else(|| "nothing".to_owned());
                let what = format!(
                    "the database does not accept writes (Updateability is {told}): a secondary replica, or set to read-only"
                );
                return Err(session.exchange.failed(Cause::ReadOnly, stage, &what));
            }
        }
        let keep = |row: &Row| {
            if std::mem::take(&mut wanted) {
                first = columns::columns(row);
            }
        };
        let rows = session.ask(stage, LARGEST_ANSWER, &action.query, keep).await?;
        count = Some(rows);
        match action.expect_rows {
            Some(expected) if u64::from(expected) != rows => {
                let what = format!("the query returned {rows} rows; expectRows is {expected}");
                Err(session.exchange.failed(Cause::UnexpectedResult, stage, &what))
            }
            Some(_) | None => Ok(()),
        }
    };
    let result = attempt.stage(stage, || doing, work).await;
    if let Some(count) = count {
        attempt.fact(Fact::Rows, count.to_string());
        attempt.answer("rows", || count.into());
        attempt.answer("row", || first.unwrap_or_default());
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_the_size_that_was_asked_for() {
        assert!(payload_query(1024).contains("TOP (1)") && payload_query(1024).contains("ELSE 1024 END"));
        assert!(payload_query(1025).contains("TOP (2)") && payload_query(1025).contains("ELSE 1 END"));
        assert!(payload_query(16_777_216).contains("TOP (16384)"));
    }
}
