//! Until when this replica may act. Reads the monotonic clock; no I/O.
//!
//! A process can be stopped (SIGSTOP, a machine that freezes) and wake after another replica has taken its lease. Whoever is
//! about to probe or to write asks here first, so that nothing that was overdue meanwhile is carried out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A term of office, shared by whoever grants it and whoever acts within it.
#[derive(Clone, Debug)]
pub struct Term {
    epoch: Instant,
    /// Milliseconds since `epoch`.
    until: Arc<AtomicU64>,
}

impl Term {
    /// A term without end: for a replica that stands alone.
    pub fn unlimited() -> Self {
        Term { epoch: Instant::now(), until: Arc::new(AtomicU64::new(u64::MAX)) }
    }

    /// A term that has not begun.
    pub fn not_begun() -> Self {
        Term { epoch: Instant::now(), until: Arc::new(AtomicU64::new(0)) }
    }

    /// Lets it last until then.
    pub fn extend(&self, until: Instant) {
        let millis = until.saturating_duration_since(self.epoch).as_millis();
        self.until.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Release);
    }

    /// Ends it.
    pub fn end(&self) {
        self.until.store(0, Ordering::Release);
    }

    /// Whether it lasts.
    pub fn holds(&self) -> bool {
        let until = self.until.load(Ordering::Acquire);
        until == u64::MAX || self.epoch.elapsed().as_millis() < u128::from(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn it_holds_until_its_end_and_no_longer() {
        assert!(Term::unlimited().holds());
        let term = Term::not_begun();
        assert!(!term.holds());
        term.extend(Instant::now() + Duration::from_secs(60));
        assert!(term.holds() && term.clone().holds());
        term.extend(Instant::now());
        assert!(!term.holds(), "whatever was granted before");
        term.extend(Instant::now() + Duration::from_secs(60));
        term.end();
        assert!(!term.holds());
    }
}
