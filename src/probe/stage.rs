//! One stage of an attempt: its work, its clock and its deadline. No I/O of its own.

use std::fmt::Display;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use pin_project_lite::pin_project;
use tokio::task::coop::unconstrained;
use tokio::time::{Sleep, sleep_until};

use super::Attempt;
use crate::api::{Cause, Stage};
use crate::evidence::{Failure, Shown};

/// Wakes an attempt when the time of a stage is up. One serves all stages, because most of them end with the whole.
#[derive(Default)]
pub struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready once the deadline is reached.
    fn poll(&mut self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        let deadline = deadline.into();
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        // Work that always has more to do uses up the task's turns; the clock must be looked at all the same.
        pin!(unconstrained(timer.as_mut())).poll(context)
    }
}

impl<'a> Attempt<'a> {
    /// Carries out one stage within its deadline and records it. When the time is up, the failure has the stage's
    /// time-out cause, and `doing` (such as "connecting to 10.0.0.1:5432") stands in its message.
    ///
    /// The clock starts now: await it at once.
    pub fn stage<T, D, W>(&mut self, stage: Stage, doing: D, work: W) -> Staged<'_, 'a, D, W>
    where
        W: Future<Output = Result<T, Failure>>,
    {
        let entered = Instant::now();
        let deadline = self.stage_deadline(stage, entered);
        Staged { work, attempt: self, stage, doing: Some(doing), entered, deadline }
    }

    /// Ends a stage: with what came of its work, or with nothing when its time is up.
    fn end_stage<T>(
        &mut self,
        stage: Stage,
        entered: Instant,
        deadline: Instant,
        result: Option<Result<T, Failure>>,
        doing: impl FnOnce() -> String,
    ) -> Result<T, Failure> {
        let limit = deadline.saturating_duration_since(entered);
        let result = result.unwrap_or_else(|| {
            self.cut = deadline == self.deadline;
            let bound = if self.cut { self.bound } else { "the stage's own limit" };
            let message = format!("{}: no answer within {} ({bound})", doing(), Shown(limit));
            Err(Failure::new(timeout_cause(stage), stage, message))
        });
        self.record(stage, entered, entered.elapsed(), limit, result.is_ok());
        result
    }
}

pin_project! {
    /// A stage that is carried out: see [`Attempt::stage`]. An async function would keep its work twice, before and after the
    /// first poll, and so each stage within a stage: probes in flight would be several times as large.
    pub struct Staged<'s, 'a, D, W> {
        #[pin]
        work: W,
        attempt: &'s mut Attempt<'a>,
        stage: Stage,
        doing: Option<D>,
        entered: Instant,
        deadline: Instant,
    }
}

impl<T, S: Display, D: FnOnce() -> S, W: Future<Output = Result<T, Failure>>> Future for Staged<'_, '_, D, W> {
    type Output = Result<T, Failure>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = match this.work.poll(context) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => {
                ready!(this.attempt.alarm.poll(*this.deadline, context));
                None
            }
        };
        let doing = || this.doing.take().map_or_else(String::new, |doing| doing().to_string());
        Poll::Ready(this.attempt.end_stage(*this.stage, *this.entered, *this.deadline, result, doing))
    }
}

/// The cause of a stage that ran out of time.
const fn timeout_cause(stage: Stage) -> Cause {
    match stage {
        Stage::Token => Cause::TokenFailed,
        Stage::Settings | Stage::Certificate => Cause::CloudSqlApiFailed,
        Stage::Resolve => Cause::ResolverTimeout,
        Stage::Connect => Cause::ConnectTimeout,
        Stage::Tunnel | Stage::Tls => Cause::TlsTimeout,
        Stage::Handshake => Cause::HandshakeTimeout,
        Stage::Authenticate => Cause::AuthenticationTimeout,
        Stage::Initialize | Stage::Query | Stage::Payload => Cause::QueryTimeout,
        Stage::Request | Stage::Body | Stage::Upgrade | Stage::Messages | Stage::Exchange => Cause::ResponseTimeout,
        // Everything that it waits for has its own clock.
        Stage::Load => Cause::LoadNotGenerated,
        // Not the peer's time that is up, but what it left of ours.
        Stage::Assert => Cause::AssertionFailed,
    }
}
