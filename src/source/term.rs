//! Until when this replica may act. Reads a clock that never goes back; no I/O.
//!
//! A process can be stopped (SIGSTOP, a machine that is suspended) and wake after another replica has taken its lease. Whoever is
//! about to probe or to write asks here first, so that nothing that was overdue meanwhile is carried out. The clock goes on
//! while the machine sleeps, which [`std::time::Instant`] does not on Linux.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;

/// A point in time, sleep included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// Now.
    pub fn now() -> Self {
        let time = clock_gettime(CLOCK);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        Moment(Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0)))
    }

    /// So much later.
    pub fn after(self, time: Duration) -> Self {
        Moment(self.0.saturating_add(time))
    }

    fn millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A term of office, shared by whoever grants it and whoever acts within it.
#[derive(Clone, Debug)]
pub struct Term {
    /// Milliseconds of [`Moment`]'s clock.
    until: Arc<AtomicU64>,
}

impl Term {
    /// A term without end: for a replica that stands alone.
    pub fn unlimited() -> Self {
        Term { until: Arc::new(AtomicU64::new(u64::MAX)) }
    }

    /// A term that has not begun.
    pub fn not_begun() -> Self {
        Term { until: Arc::new(AtomicU64::new(0)) }
    }

    /// Lets it last until then.
    pub fn extend(&self, until: Moment) {
        self.until.store(until.millis(), Ordering::Release);
    }

    /// Ends it.
    pub fn end(&self) {
        self.until.store(0, Ordering::Release);
    }

    /// Whether it lasts.
    pub fn holds(&self) -> bool {
        let until = self.until.load(Ordering::Acquire);
        until == u64::MAX || Moment::now().millis() < until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_until_its_end_and_no_longer() {
        assert!(Term::unlimited().holds());
        let term = Term::not_begun();
        assert!(!term.holds());
        term.extend(Moment::now().after(Duration::from_secs(60)));
        assert!(term.holds() && term.clone().holds());
        term.extend(Moment::now());
        assert!(!term.holds(), "whatever was granted before");
        term.extend(Moment::now().after(Duration::from_secs(60)));
        term.end();
        assert!(!term.holds());
    }
}
