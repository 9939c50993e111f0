//! The `mysql` kind: connects, reads the greeting, asks for TLS, logs in and runs a query, each stage with its own clock, on
//! MySQL and MariaDB alike. Does network I/O.
//!
//! The conversation is held here, packet by packet over our own stream, so that each of its parts is a stage; scrambles,
//! flags and the client's packets are mysql_common's.

mod answer;
mod exchange;
mod greeting;
mod login;
mod proof;
mod refusal;
mod session;
mod wire;

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use super::Attempt;
use super::database::Protocol;
use super::net::channel::Channel;
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure};
use crate::plan::kinds::{MysqlAction, Usage};

use self::login::log_in;
use self::session::Session;
use self::wire::{Row, Trouble};

/// What a server is asked that must accept writes. Both products have both; super_read_only comes with read_only.
const READ_ONLY_QUERY: &str = "SELECT @@global.read_only, @@global.innodb_read_only";
/// What MySQL alone has.
const SUPER_READ_ONLY_QUERY: &str = "SELECT @@global.super_read_only";

/// Bytes of a row of the result that must come through.
const PAYLOAD_ROW: u32 = 4096;
/// A table of the digits of base 4, of which large results are made.
const DIGITS: &str = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3)";

impl Protocol for MysqlAction {
    type Session = Session;

    fn usage(&self) -> &Usage {
        &self.usage
    }

    async fn open(&self, attempt: &mut Attempt<'_>) -> Result<Session, Failure> {
        let channel = Channel::open(attempt, &self.way).await?;
        log_in(self, attempt, channel).await
    }

    async fn run(&self, session: &mut Session, statement: &str) -> Result<(), Failure> {
        session.run(Stage::Initialize, statement, |_| ()).await.map(drop)
    }

    async fn query(&self, attempt: &mut Attempt<'_>, session: &mut Session) -> Result<(), Failure> {
        ask(self, attempt, session).await
    }

    async fn payload(&self, session: &mut Session, bytes: u32, arrived: &AtomicU64) -> Result<(), Failure> {
        let count = |row: &Row| {
            arrived.fetch_add(answer::first_length(row).unwrap_or_default(), Ordering::Relaxed);
        };
        session.run(Stage::Payload, &payload_query(bytes), count).await.map(drop)
    }

    fn record(&self, session: &Session, attempt: &mut Attempt<'_>) {
        session.exchange.note(attempt);
    }

    async fn close(&self, session: Session) {
        session.close().await;
    }
}

/// A result of that many bytes, in rows. The statement is short, so that it fits into one packet of any path, and it asks
/// for nothing that MySQL 5.7 lacks: its numbers are made of digits, of which a row of each table is one.
fn payload_query(bytes: u32) -> String {
    let rows = bytes.div_ceil(PAYLOAD_ROW);
    let digits = (0..).find(|digits| 4_u32.pow(*digits) >= rows).unwrap_or_default();
    let number = (0..digits).fold("0".to_owned(), |sum, digit| format!("{sum}+{}*d{digit}.d", 4_u32.pow(digit)));
    let tables: Vec<String> = (0..digits).map(|digit| format!("{DIGITS} AS d{digit}")).collect();
    let from = if tables.is_empty() { "DUAL".to_owned() } else { tables.join(", ") };
    format!(
        "SELECT REPEAT('x', LEAST({PAYLOAD_ROW}, {bytes} - {PAYLOAD_ROW} * ({number}))) FROM {from} WHERE {number} < {rows}"
    )
}

/// The query stage.
async fn ask(action: &MysqlAction, attempt: &mut Attempt<'_>, session: &mut Session) -> Result<(), Failure> {
    let doing = session.exchange.doing(Stage::Query);
    let mut read_only = None;
    let (mut count, mut first) = (None, None);
    let work = async {
        if action.writable {
            let because = read_only_because(session).await?;
            read_only = Some(because.is_some());
            if let Some(reason) = because {
                return Err(session.exchange.failed(Cause::ReadOnly, Stage::Query, reason));
            }
        }
        let answer = session.run(Stage::Query, &action.query, |_| ()).await?;
        let rows = answer.rows;
        (count, first) = (Some(rows), answer.first);
        match action.expect_rows {
            Some(expected) if u64::from(expected) != rows => {
                let what = format!("the query returned {rows} rows; expectRows is {expected}");
                Err(session.exchange.failed(Cause::UnexpectedResult, Stage::Query, &what))
            }
            Some(_) | None => Ok(()),
        }
    };
    let result = attempt.stage(Stage::Query, || doing, work).await;
    session.exchange.note(attempt);
    if let Some(read_only) = read_only {
        attempt.fact(Fact::ReadOnly, read_only.to_string());
    }
    if let Some(count) = count {
        attempt.fact(Fact::Rows, count.to_string());
        attempt.answer("rows", || count.into());
        attempt.answer("row", || first.map_or(Value::Null, columns));
    }
    result
}

/// The columns of a row as a map of texts, with null for NULL.
fn columns(row: Vec<(String, Option<String>)>) -> Value {
    row.into_iter().map(|(name, value)| (name, Value::from(value))).collect()
}

/// Why the server does not accept writes, if it says that it does not.
async fn read_only_because(session: &mut Session) -> Result<Option<&'static str>, Failure> {
    let answer = session.run(Stage::Query, READ_ONLY_QUERY, |_| ()).await?;
    let set = |index: usize| {
        let value = answer.first.as_ref().and_then(|row| row.get(index)?.1.as_deref());
        value.is_some_and(|value| !matches!(value, "0" | "OFF"))
    };
    let (read_only, innodb) = (set(0), set(1));
    if innodb {
        return Ok(Some("innodb_read_only is set: the server reads its tables and can't write them"));
    }
    if !read_only {
        return Ok(None);
    }
    let all = match session.ask(SUPER_READ_ONLY_QUERY, |_| ()).await {
        Ok(answer) => answer.first.is_some_and(|row| row.iter().any(|(_, value)| value.as_deref() == Some("1"))),
        // MariaDB does not know it.
        Err(Trouble::Refused(_)) => false,
        Err(trouble) => return Err(session.exchange.failure(Stage::Query, trouble)),
    };
    Ok(Some(if all {
        "read_only and super_read_only are set, for all users: a replica, or an endpoint that failed over"
    } else {
        "read_only is set: a replica, or an endpoint that failed over"
    }))
}
