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

use super::Attempt;
use super::net::channel::Channel;
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure};
use crate::plan::kinds::MysqlAction;

use self::login::log_in;
use self::session::Session;
use self::wire::Trouble;

/// What a server is asked that must accept writes. Both products have both; super_read_only comes with read_only.
const READ_ONLY_QUERY: &str = "SELECT @@global.read_only, @@global.innodb_read_only";
/// What MySQL alone has.
const SUPER_READ_ONLY_QUERY: &str = "SELECT @@global.super_read_only";

/// Carries out a `mysql` probe.
pub async fn probe(action: &MysqlAction, attempt: &mut Attempt<'_>) -> Result<(), Failure> {
    let channel = Channel::open(attempt, &action.way).await?;
    let mut session = log_in(action, attempt, channel).await?;
    let result = ask(action, attempt, &mut session).await;
    session.close().await;
    result
}

/// The query stage.
async fn ask(action: &MysqlAction, attempt: &mut Attempt<'_>, session: &mut Session) -> Result<(), Failure> {
    let doing = session.exchange.doing(Stage::Query);
    let mut read_only = None;
    let mut count = None;
    let work = async {
        if action.writable {
            let because = read_only_because(session).await?;
            read_only = Some(because.is_some());
            if let Some(reason) = because {
                return Err(session.exchange.failed(Cause::ReadOnly, Stage::Query, reason));
            }
        }
        let rows = session.query(&action.query).await?.rows;
        count = Some(rows);
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
    }
    result
}

/// Why the server does not accept writes, if it says that it does not.
async fn read_only_because(session: &mut Session) -> Result<Option<&'static str>, Failure> {
    let answer = session.query(READ_ONLY_QUERY).await?;
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
    let all = match session.ask(SUPER_READ_ONLY_QUERY).await {
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
