//! Takes a condition and a limit, and polls. Returns what the condition gives, or panics with what was awaited and
//! what was seen last.

use std::fmt::Display;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(20);

/// Polls `probe` until it gives `Ok`; its `Err` is the state seen last.
#[track_caller]
pub fn until<T, S: Display>(within: Duration, what: &str, mut probe: impl FnMut() -> Result<T, S>) -> T {
    let deadline = Instant::now() + within;
    loop {
        match probe() {
            Ok(value) => return value,
            Err(seen) if Instant::now() >= deadline => gave_up(within, what, &seen),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// [`until`] for asynchronous conditions. An attempt that hangs is cut at the limit.
pub async fn until_async<T, S: Display, F>(within: Duration, what: &str, mut probe: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, S>>,
{
    let deadline = tokio::time::Instant::now() + within;
    let mut last = String::from("nothing: the first attempt hangs");
    loop {
        match tokio::time::timeout_at(deadline, probe()).await {
            Ok(Ok(value)) => return value,
            Ok(Err(seen)) => last = seen.to_string(),
            Err(_) => gave_up(within, what, &last),
        }
        if tokio::time::Instant::now() >= deadline {
            gave_up(within, what, &last);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[track_caller]
fn gave_up(within: Duration, what: &str, seen: &dyn Display) -> ! {
    panic!("waited {within:?} for {what}; seen last: {seen}")
}
