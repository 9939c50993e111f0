//! What the probes of all databases have in common: connections are opened, initialised and queried, one or many at once, and
//! a large result must come through. Takes a [`Protocol`], which knows how one database speaks. Does network I/O through it.

mod payload;
mod startup;

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use tokio::time::timeout;

use super::Attempt;
use crate::api::Stage;
use crate::evidence::Failure;
use crate::plan::kinds::Usage;

/// How one database speaks. Nothing here retries, and nothing goes on in the background.
pub trait Protocol {
    /// A connection that is logged in. Dropped, it is cut off.
    type Session;

    /// How connections are used.
    fn usage(&self) -> &Usage;

    /// Carries out the stages up to authenticate, and records what the server told in them, whatever comes of it.
    async fn open(&self, attempt: &mut Attempt<'_>) -> Result<Self::Session, Failure>;

    /// Runs a statement that initialises the connection; its result is of no interest. A failure is one of stage initialize.
    async fn run(&self, session: &mut Self::Session, statement: &str) -> Result<(), Failure>;

    /// Carries out the query stage, and records what the server told in it, whatever comes of it.
    async fn query(&self, attempt: &mut Attempt<'_>, session: &mut Self::Session) -> Result<(), Failure>;

    /// Fetches a result of that many bytes and none of it is kept; `arrived` grows with what has come. A failure is one of stage
    /// payload.
    async fn payload(&self, session: &mut Self::Session, bytes: u32, arrived: &AtomicU64) -> Result<(), Failure>;

    /// Records what the server told in a statement whose stage is carried out here.
    fn record(&self, session: &Self::Session, attempt: &mut Attempt<'_>);

    /// Says goodbye, after the probe's own clock has stopped; bounded in time.
    async fn close(&self, session: Self::Session);
}

/// How long a server is given to take a goodbye, after the probe's own clock has stopped.
const GOODBYE: Duration = Duration::from_millis(200);

/// Awaits a goodbye, within bounds. Most go out at once, and need no timer.
pub async fn farewell(mut goodbye: Pin<&mut impl Future>) {
    if goodbye.as_mut().now_or_never().is_none() {
        let _ = timeout(GOODBYE, goodbye).await;
    }
}

/// Whether the stage runs a statement, after the login.
pub const fn is_statement(stage: Stage) -> bool {
    matches!(stage, Stage::Initialize | Stage::Query | Stage::Payload)
}

/// What is being done in a stage after the connection, for people.
pub fn doing(stage: Stage, target: &str) -> String {
    let what = match stage {
        Stage::Initialize => "initialising a connection to",
        Stage::Query => "querying",
        Stage::Payload => "fetching a large result from",
        _ => "logging in to",
    };
    format!("{what} {target}")
}

/// Carries out the probe of a database.
pub async fn probe<P: Protocol>(protocol: &P, attempt: &mut Attempt<'_>) -> Result<(), Failure> {
    let usage = protocol.usage();
    if usage.connections > 1 {
        return Box::pin(startup::come_up(protocol, usage, attempt)).await;
    }
    let mut session = protocol.open(attempt).await?;
    let mut result = ready(protocol, usage, attempt, &mut session).await;
    if let (Ok(()), Some(bytes)) = (&result, usage.payload_bytes) {
        result = Box::pin(payload::payload(protocol, attempt, &mut session, bytes)).await;
    }
    protocol.close(session).await;
    result
}

/// From the login to the answer of the query: after this a connection is usable.
async fn ready<P: Protocol>(
    protocol: &P,
    usage: &Usage,
    attempt: &mut Attempt<'_>,
    session: &mut P::Session,
) -> Result<(), Failure> {
    if !usage.init_queries.is_empty() {
        initialize(protocol, &usage.init_queries, attempt, session).await?;
    }
    protocol.query(attempt, session).await
}

/// The initialize stage: every statement, in order.
async fn initialize<P: Protocol>(
    protocol: &P,
    statements: &[Box<str>],
    attempt: &mut Attempt<'_>,
    session: &mut P::Session,
) -> Result<(), Failure> {
    let target = attempt.plan.target.clone();
    let reached = AtomicUsize::new(0);
    let work = async {
        for (index, statement) in statements.iter().enumerate() {
            reached.store(index, Ordering::Relaxed);
            protocol.run(session, statement).await.map_err(|failure| Failure {
                message: format!("initQueries[{index}]: {}", failure.message).into(),
                ..failure
            })?;
        }
        Ok(())
    };
    let doing = || format!("initQueries[{}] at {target}", reached.load(Ordering::Relaxed));
    let result = attempt.stage(Stage::Initialize, doing, work).await;
    protocol.record(session, attempt);
    result
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::pin::pin;
    use std::time::Instant;

    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn a_goodbye_is_awaited_within_bounds() {
        let mut said = false;
        farewell(pin!(async {
            yield_now().await;
            said = true;
        }))
        .await;
        assert!(said, "one that takes its time");
        let began = Instant::now();
        farewell(pin!(pending::<()>())).await;
        assert!(began.elapsed() >= GOODBYE, "one that never ends");
    }
}
