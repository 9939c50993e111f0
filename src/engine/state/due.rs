//! When a check is due: on a grid of its own, or at the times of a cron schedule. Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::super::wheel::{SLACK, TICK};
use super::{CheckState, Now};
use crate::plan::Cadence;

impl CheckState {
    pub(super) fn first_in_spread(&self, now: Now, spread: Duration) -> Duration {
        match &self.plan.cadence {
            Cadence::Every(interval) if *interval <= spread => self.on_grid(*interval, now.mono),
            Cadence::Every(_) | Cadence::Cron(_) | Cadence::Never => now.mono + phase(self.hash, spread),
        }
    }

    pub(super) fn set_next_due(&mut self, now: Now) {
        match &self.plan.cadence {
            // At least half an interval later, so that a first probe off the grid is not followed at once.
            Cadence::Every(interval) => self.due = Some(self.on_grid(*interval, now.mono + *interval / 2)),
            Cadence::Cron(_) => {
                self.served = self.appointed.take();
                self.appoint(now);
            }
            Cadence::Never => self.due = None,
        }
    }

    /// Cron goes by the wall clock, which may jump: what is due is looked up anew at every wake.
    pub(super) fn keep_appointment(&mut self, now: Now) {
        let Some(at) = self.appointed else { return };
        if until(at, now) <= SLACK {
            self.due = Some(self.due.map_or(now.mono, |due| due.min(now.mono)));
        } else {
            self.appoint(now);
        }
    }

    /// Looks up the next occurrence of a cron schedule. The one that was just served may lie a moment ahead, and counts no
    /// more.
    fn appoint(&mut self, now: Now) {
        let Cadence::Cron(cron) = &self.plan.cadence else { return };
        let ahead = |served: &Timestamp| *served > now.wall && until(*served, now) <= SLACK;
        let after = self.served.filter(ahead).unwrap_or(now.wall);
        self.appointed = cron.next_after(after);
        self.due = self.appointed.map(|at| now.mono + until(at, now));
    }

    /// The first point of the check's grid that is later than `after`.
    fn on_grid(&self, interval: Duration, after: Duration) -> Duration {
        let phase = phase(self.hash, interval);
        if phase > after {
            return phase;
        }
        let past = (after - phase).as_nanos() / interval.as_nanos() + 1;
        phase + Duration::from_nanos(u64::try_from(past * interval.as_nanos()).unwrap_or(u64::MAX))
    }
}

/// A point within `span`, in whole ticks.
pub(super) fn phase(hash: u64, span: Duration) -> Duration {
    let ticks = u64::try_from(span.as_nanos() / TICK.as_nanos()).unwrap_or(u64::MAX).max(1);
    Duration::from_nanos((hash % ticks).saturating_mul(TICK.as_nanos() as u64))
}

/// How long until a time of the wall clock; nothing once it has passed.
pub(super) fn until(at: Timestamp, now: Now) -> Duration {
    Duration::try_from(at.duration_since(now.wall)).unwrap_or_default()
}
