//! The payload stage: a result of a given size must come through. Where it does not come, a second connection finds out
//! whether small results do. Does network I/O through the protocol.
//!
//! A path can carry a login and a small answer and lose every full-size packet: its MTU is smaller than both ends believe, and
//! the ICMP message that would tell them is dropped. TCP then repeats the same packet in silence. What shows it is the
//! contrast, on a fresh connection and with the same statement: a result that fits into one small packet comes, and one that does
//! not fit stays away. A server that hangs gives neither; one that is slow gives both.

use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::time::{sleep, sleep_until, timeout};

use super::{Protocol, doing};
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure, Shown};
use crate::probe::Attempt;

/// A result that fits into one packet of any path (IPv6 carries 1280 bytes everywhere, RFC 8200 section 5).
const SMALL: u32 = 512;
/// A result that fits into no packet of any path.
const LARGE: u32 = 16 * 1024;
/// How long nothing may arrive before a second connection looks into it; sooner where less time is left.
const QUIET: Duration = Duration::from_secs(3);

/// What a second connection found, while nothing more arrived on the first.
enum Contrast {
    /// It did not even come about.
    NoConnection(Failure),
    /// A small result does not come either.
    NothingComes,
    /// A large result comes there.
    AllComes(u32),
    /// A small result comes, after that time, and a large one of that many bytes does not.
    SmallAlone(Duration, u32),
}

/// Fetches a result of that many bytes. It has the stage's whole time, whatever is found meanwhile.
pub async fn payload<P: Protocol>(
    protocol: &P,
    attempt: &mut Attempt<'_>,
    session: &mut P::Session,
    bytes: u32,
) -> Result<(), Failure> {
    let entered = Instant::now();
    let deadline = attempt.stage_deadline(Stage::Payload, entered);
    let limit = deadline.saturating_duration_since(entered);
    let quiet = QUIET.min(limit / 4);
    let arrived = AtomicU64::new(0);
    let mut stalled: Option<(u64, Option<Contrast>)> = None;
    let target = attempt.plan.target.clone();
    let second = attempt.part(attempt.limit(), "");
    let watch = async {
        let at = stall(&arrived, quiet).await;
        stalled = Some((at, None));
        let contrast = contrast(protocol, second, &target, bytes.min(LARGE), quiet).await;
        stalled = Some((at, Some(contrast)));
        pending::<()>().await;
    };
    let result = tokio::select! {
        biased;
        result = fetch(protocol, session, &target, bytes, &arrived) => Some(result),
        () = watch => None,
        () = sleep_until(deadline.into()) => None,
    };
    let came = arrived.load(Ordering::Relaxed);
    // What goes on arriving is slow, and not lost.
    let stalled = stalled.filter(|(at, _)| *at == came);
    let result = result.unwrap_or_else(|| Err(overdue(&target, bytes, came, limit, stalled)));
    attempt.record(Stage::Payload, entered, entered.elapsed(), limit, result.is_ok());
    attempt.fact(Fact::PayloadBytes, came.to_string());
    protocol.record(session, attempt);
    result
}

/// Fetches a result, and holds it to its size.
async fn fetch<P: Protocol>(
    protocol: &P,
    session: &mut P::Session,
    target: &str,
    bytes: u32,
    arrived: &AtomicU64,
) -> Result<(), Failure> {
    let before = arrived.load(Ordering::Relaxed);
    protocol.payload(session, bytes, arrived).await?;
    match arrived.load(Ordering::Relaxed) - before {
        came if came == u64::from(bytes) => Ok(()),
        came => {
            let doing = doing(Stage::Payload, target);
            let message = format!("{doing}: {came} bytes came instead of the {bytes} that were asked for");
            Err(Failure::new(Cause::UnexpectedResult, Stage::Payload, message))
        }
    }
}

/// Waits until nothing has arrived for a while; returns how much had until then.
async fn stall(arrived: &AtomicU64, quiet: Duration) -> u64 {
    let mut before = arrived.load(Ordering::Relaxed);
    loop {
        sleep(quiet).await;
        let now = arrived.load(Ordering::Relaxed);
        if now == before {
            return now;
        }
        before = now;
    }
}

/// Asks for a small and a large result on a second connection.
async fn contrast<P: Protocol>(
    protocol: &P,
    mut second: Attempt<'_>,
    target: &str,
    large: u32,
    patience: Duration,
) -> Contrast {
    let mut session = match protocol.open(&mut second).await {
        Ok(session) => session,
        Err(failure) => return Contrast::NoConnection(failure),
    };
    let arrived = AtomicU64::new(0);
    let asked = Instant::now();
    let small = timeout(patience, fetch(protocol, &mut session, target, SMALL, &arrived)).await;
    let took = asked.elapsed();
    let found = match small {
        Ok(Ok(())) => match timeout(patience, fetch(protocol, &mut session, target, large, &arrived)).await {
            Ok(Ok(())) => Contrast::AllComes(large),
            Ok(Err(_)) | Err(_) => Contrast::SmallAlone(took, large),
        },
        Ok(Err(_)) | Err(_) => Contrast::NothingComes,
    };
    protocol.close(session).await;
    found
}

/// The failure of a result that did not come in time.
fn overdue(target: &str, bytes: u32, came: u64, limit: Duration, stalled: Option<(u64, Option<Contrast>)>) -> Failure {
    let said = format!("fetching {bytes} bytes from {target}: {came} had arrived after {}", Shown(limit));
    let (cause, found) = match stalled {
        None => (Cause::QueryTimeout, "more was still arriving: the path, or the server, is slow".to_owned()),
        Some((_, None)) => (
            Cause::QueryTimeout,
            "then nothing more, and no time was left to find out whether small results come through".to_owned(),
        ),
        Some((_, Some(Contrast::NoConnection(failure)))) => {
            (Cause::QueryTimeout, format!("then nothing more, and a second connection failed: {}", failure.message))
        }
        Some((_, Some(Contrast::NothingComes))) => (
            Cause::QueryTimeout,
            format!("then nothing more, and on a second connection not even {SMALL} bytes came: the server hangs"),
        ),
        Some((_, Some(Contrast::AllComes(large)))) => (
            Cause::QueryTimeout,
            format!("then nothing more; on a second connection {large} bytes came: this one's session hangs"),
        ),
        Some((_, Some(Contrast::SmallAlone(took, large)))) => (
            Cause::LargePacketsLost,
            format!(
                "then nothing more; on a second connection {SMALL} bytes came after {}, and {large} bytes did not",
                Shown(took)
            ),
        ),
    };
    Failure::new(cause, Stage::Payload, format!("{said}, {found}"))
}
