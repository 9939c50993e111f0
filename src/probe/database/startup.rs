//! A start-up: many connections opened at once and made usable, as a service's pool does it. Each has its own clock and
//! stages; the evidence has those of the one that decides, the first that fails or the last that is usable, and the sum of
//! all. Does network I/O through the protocol.

use std::fmt::Write;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::future::join_all;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::task::yield_now;

use super::{Protocol, payload, ready};
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure, Shown};
use crate::plan::kinds::Usage;
use crate::probe::Attempt;

/// A computation that keeps everything else waiting.
const LONG: Duration = Duration::from_millis(1);
const BUDGET: &str = "all that was left of startupBudget";

/// A connection that became usable.
struct Up<'a, S> {
    part: Attempt<'a>,
    /// Since the start.
    after: Duration,
    session: S,
}

/// A connection that did not.
struct Down<'a> {
    /// Its place among all, from 1.
    number: u16,
    part: Attempt<'a>,
    failure: Failure,
}

/// Opens all connections at once and waits until each is usable, has failed, or is cut: by the budget, or by the probe's own
/// timeout. All that are usable stay open until then, as they would in a pool.
pub async fn come_up<P: Protocol>(protocol: &P, usage: &Usage, attempt: &mut Attempt<'_>) -> Result<(), Failure> {
    let within = usage.startup_budget.unwrap_or_else(|| attempt.limit());
    let spent = AtomicBool::new(false);
    let mut under_way: FuturesUnordered<_> = (1..=usage.connections)
        .map(|number| paced(&spent, connection(protocol, usage, attempt.part(within, BUDGET), number)))
        .collect();
    let (mut ups, mut broken, mut cut) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(tried) = next(&spent, &mut under_way).await {
        match tried {
            Ok(up) => ups.push(up),
            Err(down) if down.part.was_cut() => cut.push(down),
            Err(down) => broken.push(down),
        }
    }
    drop(under_way);
    cut.sort_by_key(|down| down.number);
    let course = Course {
        wanted: usage.connections,
        failed: broken.len(),
        ups: ups.iter().map(|up| up.after).collect(),
        budget: usage.startup_budget,
        limit: attempt.limit(),
    };
    course.record(attempt);
    let mut sessions = Vec::with_capacity(ups.len());
    let mut last = None;
    for Up { part, session, .. } in ups {
        sessions.push(session);
        last = Some(part);
    }
    let result = match (broken.into_iter().chain(cut).next(), last) {
        (Some(down), _) => Err(course.failure(attempt, *down)),
        (None, Some(last)) => {
            attempt.take_up(last);
            match (sessions.last_mut(), usage.payload_bytes) {
                (Some(session), Some(bytes)) => payload::payload(protocol, attempt, session, bytes).await,
                (Some(_) | None, _) => Ok(()),
            }
        }
        (None, None) => Ok(()),
    };
    join_all(sessions.into_iter().map(|session| protocol.close(session))).await;
    result
}

async fn connection<'a, P: Protocol>(
    protocol: &P,
    usage: &Usage,
    mut part: Attempt<'a>,
    number: u16,
) -> Result<Up<'a, P::Session>, Box<Down<'a>>> {
    let mut session = match protocol.open(&mut part).await {
        Ok(session) => session,
        Err(failure) => return Err(Box::new(Down { number, part, failure })),
    };
    match ready(protocol, usage, &mut part, &mut session).await {
        Ok(()) => Ok(Up { after: part.elapsed(), part, session }),
        Err(failure) => {
            protocol.close(session).await;
            Err(Box::new(Down { number, part, failure }))
        }
    }
}

/// The next connection that is decided. A turn ends where one of them says so.
async fn next<F: Future>(spent: &AtomicBool, under_way: &mut FuturesUnordered<F>) -> Option<F::Output> {
    if spent.load(Ordering::Relaxed) {
        yield_now().await;
    }
    poll_fn(|context| {
        spent.store(false, Ordering::Relaxed);
        under_way.poll_next_unpin(context)
    })
    .await
}

/// A connection that ends the turn when it has computed for long, so that everything else in this thread is not kept waiting
/// by many logins at once: the proof of a password takes milliseconds, and as many as the server likes.
async fn paced<T>(spent: &AtomicBool, connection: impl Future<Output = T>) -> T {
    let mut connection = pin!(connection);
    poll_fn(|context| {
        if spent.load(Ordering::Relaxed) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let began = Instant::now();
        let polled = connection.as_mut().poll(context);
        spent.store(began.elapsed() >= LONG, Ordering::Relaxed);
        polled
    })
    .await
}

/// How a start-up went.
struct Course {
    wanted: u16,
    failed: usize,
    /// When connections became usable, in order.
    ups: Vec<Duration>,
    budget: Option<Duration>,
    /// The probe's own timeout.
    limit: Duration,
}

impl Course {
    fn record(&self, attempt: &mut Attempt<'_>) {
        attempt.fact(Fact::ConnectionsUsable, format!("{} of {}", self.ups.len(), self.wanted));
        if let [first, .., last] | [first @ last] = self.ups[..] {
            attempt.fact(Fact::FastestConnection, Shown(first).to_string());
            attempt.fact(Fact::SlowestConnection, Shown(last).to_string());
        }
    }

    /// Why the start-up failed, as the connection shows that decides; its records become those of the whole.
    fn failure<'a>(&self, attempt: &mut Attempt<'a>, down: Down<'a>) -> Failure {
        let Down { number, part, failure } = down;
        let was_cut = part.was_cut();
        attempt.take_up(part);
        if was_cut { self.cut(number, &failure) } else { self.broken(number, &failure) }
    }

    /// A connection failed of itself.
    fn broken(&self, number: u16, failure: &Failure) -> Failure {
        let (wanted, usable, others) = (self.wanted, self.ups.len(), self.failed - 1);
        let mut message =
            format!("connection {number} of {wanted}: {}; {usable} of {wanted} were usable", failure.message);
        if others > 0 {
            write!(message, ", {others} more failed").unwrap_or_default();
        }
        again(failure, failure.cause, &message)
    }

    /// The time was up before this connection was usable.
    fn cut(&self, number: u16, failure: &Failure) -> Failure {
        let (wanted, usable) = (self.wanted, self.ups.len());
        let by_budget = self.budget.filter(|budget| *budget <= self.limit);
        let end = by_budget.unwrap_or(self.limit);
        let mut message = format!("{usable} of {wanted} connections were usable after {}", Shown(end));
        if let Some(outlook) = self.outlook(end) {
            write!(message, "; {outlook}").unwrap_or_default();
        }
        match (by_budget, self.budget) {
            (Some(budget), _) => write!(message, "; startupBudget is {}", Shown(budget)),
            (None, Some(budget)) => write!(
                message,
                "; there the probe's timeout ended it, before startupBudget ({}): raise timeout to see whether that holds",
                Shown(budget)
            ),
            (None, None) => write!(message, "; there the probe's timeout ended it"),
        }
        .unwrap_or_default();
        write!(message, "; connection {number} of {wanted}: {}", failure.message).unwrap_or_default();
        // A server that serves some is too slow for all; one that serves none fails in the stage where it stands.
        let too_slow = by_budget.is_some() && usable > 0;
        again(failure, if too_slow { Cause::StartupBudgetExceeded } else { failure.cause }, &message)
    }

    /// How long all would need at the rate that was seen, or that there is no rate any more.
    fn outlook(&self, end: Duration) -> Option<String> {
        let (last, usable) = (*self.ups.last()?, u32::try_from(self.ups.len()).ok()?);
        let before = std::iter::once(Duration::ZERO).chain(self.ups.iter().copied());
        let widest = self.ups.iter().zip(before).map(|(up, before)| up.saturating_sub(before)).max()?;
        if end.saturating_sub(last) > widest * 2 {
            return Some(format!("the last of them was after {}, and none since", Shown(last)));
        }
        let each = last / usable;
        let all = each * u32::from(self.wanted);
        Some(format!("at this rate ({each:.1?} each) all {} need about {all:.0?}", self.wanted))
    }
}

/// A failure in the same stage, in other words.
fn again(failure: &Failure, cause: Cause, message: &str) -> Failure {
    Failure::new(cause, failure.stage.unwrap_or(Stage::Connect), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn course(ups: Vec<Duration>, budget: Option<Duration>) -> Course {
        Course { wanted: 40, failed: 0, ups, budget, limit: seconds(25) }
    }

    fn cut(course: &Course) -> (Cause, String) {
        let own = Failure::new(Cause::AuthenticationTimeout, Stage::Authenticate, "logging in: no answer");
        let failure = course.cut(21, &own);
        assert_eq!(failure.stage, Some(Stage::Authenticate));
        (failure.cause, failure.message.into())
    }

    #[test]
    fn a_budget_that_is_too_short_is_told_with_its_arithmetic() {
        let (cause, message) = cut(&course((1..=20).map(seconds).collect(), Some(seconds(20))));
        assert_eq!(cause, Cause::StartupBudgetExceeded);
        assert_eq!(
            message,
            "20 of 40 connections were usable after 20s; at this rate (1.0s each) all 40 need about 40s; startupBudget is 20s; \
             connection 21 of 40: logging in: no answer"
        );
    }

    #[test]
    fn connections_that_come_in_groups_have_a_rate_too() {
        let groups = (5..25).map(|number| seconds(number / 5 * 4)).collect();
        let (_, message) = cut(&course(groups, Some(seconds(19))));
        assert!(message.contains("at this rate (800.0ms each) all 40 need about 32s"), "{message}");
    }

    #[test]
    fn where_none_comes_any_more_nothing_is_extrapolated() {
        let (cause, message) = cut(&course(vec![Duration::from_millis(100); 39], Some(seconds(20))));
        assert_eq!(cause, Cause::StartupBudgetExceeded);
        assert!(message.contains("the last of them was after 100ms, and none since"), "{message}");
    }

    #[test]
    fn where_none_was_usable_the_stage_says_why() {
        let (cause, message) = cut(&course(Vec::new(), Some(seconds(20))));
        assert_eq!(cause, Cause::AuthenticationTimeout);
        assert!(message.starts_with("0 of 40 connections were usable after 20s; startupBudget is 20s; "), "{message}");
    }

    #[test]
    fn a_timeout_that_is_shorter_than_the_budget_says_so() {
        let (cause, message) = cut(&course((1..=25).map(seconds).collect(), Some(seconds(35))));
        assert_eq!(cause, Cause::AuthenticationTimeout, "whether the budget holds was not seen");
        assert!(message.contains("before startupBudget (35s): raise timeout"), "{message}");
    }

    #[tokio::test]
    async fn logins_that_compute_let_others_have_their_turn() {
        let turns = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counting = turns.clone();
        let other = tokio::spawn(async move {
            loop {
                counting.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
            }
        });
        let spent = AtomicBool::new(false);
        let login = || async {
            std::thread::sleep(LONG * 2);
            yield_now().await;
            std::thread::sleep(LONG * 2);
        };
        let mut under_way: FuturesUnordered<_> = (0..20).map(|_| paced(&spent, login())).collect();
        while next(&spent, &mut under_way).await.is_some() {}
        other.abort();
        let turns = turns.load(Ordering::Relaxed);
        assert!(turns >= 38, "{turns} turns between 20 logins of two steps");
    }
}
