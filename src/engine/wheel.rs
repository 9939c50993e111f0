//! A coarse timer wheel: due times are rounded up to ticks of 10 ms, so that there is one wake per tick, not per check.
//! Pure: time is an argument.

use std::time::Duration;

/// Distance between two wakes.
pub const TICK: Duration = Duration::from_millis(10);

/// How much before a tick its timers may go off: the runtime's own timers are no finer than this, and would otherwise be late.
pub const SLACK: Duration = Duration::from_millis(1);

/// One turn of the wheel, in ticks: 10.24 s.
const SLOTS: usize = 1024;

/// Timers for keys of type `K`. A key may be set several times.
#[derive(Debug)]
pub struct Wheel<K> {
    slots: Vec<Vec<(u64, K)>>,
    /// The next tick to be handed out.
    next: u64,
}

impl<K> Default for Wheel<K> {
    fn default() -> Self {
        Wheel { slots: (0..SLOTS).map(|_| Vec::new()).collect(), next: 0 }
    }
}

/// The tick at which a time is due, never before it.
pub fn tick(at: Duration) -> u64 {
    u64::try_from(at.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX)
}

/// The time of a tick.
pub fn time(tick: u64) -> Duration {
    Duration::from_millis(tick.saturating_mul(TICK.as_millis() as u64))
}

impl<K> Wheel<K> {
    /// Sets a timer, and returns its tick. A time that has passed is due at the next tick.
    pub fn set(&mut self, at: Duration, key: K) -> u64 {
        let tick = tick(at).max(self.next);
        self.slots[(tick % SLOTS as u64) as usize].push((tick, key));
        tick
    }

    /// Takes a timer back, if it is still set for that tick.
    pub fn unset(&mut self, tick: u64, key: &K)
    where
        K: PartialEq,
    {
        let slot = &mut self.slots[(tick % SLOTS as u64) as usize];
        if let Some(position) = slot.iter().position(|(at, other)| *at == tick && other == key) {
            slot.remove(position);
        }
    }

    /// Takes everything that is due at `now`, in the order of the ticks, into `due`.
    pub fn take_due(&mut self, now: Duration, due: &mut Vec<K>) {
        let reached = u64::try_from(now.as_nanos() / TICK.as_nanos()).unwrap_or(u64::MAX);
        // After a long pause one turn visits every slot; each entry's own tick decides.
        let first = self.next.max(reached.saturating_sub(SLOTS as u64 - 1));
        for tick in first..=reached {
            let slot = &mut self.slots[(tick % SLOTS as u64) as usize];
            due.extend(slot.extract_if(.., |(at, _)| *at <= reached).map(|(_, key)| key));
        }
        self.next = self.next.max(reached + 1);
    }

    /// When to look again: the first tick, within one turn, whose slot holds anything. None when the wheel is empty.
    pub fn next_wake(&self) -> Option<Duration> {
        (self.next..self.next + SLOTS as u64)
            .find(|tick| !self.slots[(tick % SLOTS as u64) as usize].is_empty())
            .map(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(wheel: &mut Wheel<&'static str>, millis: u64) -> Vec<&'static str> {
        let mut due = Vec::new();
        wheel.take_due(Duration::from_millis(millis), &mut due);
        due
    }

    #[test]
    fn nothing_is_due_early_and_nothing_is_lost() {
        let mut wheel = Wheel::default();
        wheel.set(Duration::from_millis(11), "a");
        wheel.set(Duration::from_millis(20), "b");
        wheel.set(Duration::from_secs(25), "far");
        assert!(taken(&mut wheel, 19).is_empty());
        assert_eq!(wheel.next_wake(), Some(Duration::from_millis(20)));
        assert_eq!(taken(&mut wheel, 20), ["a", "b"]);
        assert!(taken(&mut wheel, 24_999).is_empty(), "two turns later");
        assert_eq!(taken(&mut wheel, 25_000), ["far"]);
        assert_eq!(wheel.next_wake(), None);
    }

    #[test]
    fn what_is_taken_back_does_not_stay_until_it_would_be_due() {
        let mut wheel = Wheel::default();
        let tick = wheel.set(Duration::from_secs(3600), "yearly");
        wheel.set(Duration::from_secs(3600), "other");
        wheel.unset(tick, &"yearly");
        assert_eq!(taken(&mut wheel, 3_600_000), ["other"]);
    }

    #[test]
    fn two_years_are_told_from_one() {
        let years = Duration::from_secs(2 * 365 * 24 * 3600);
        assert_eq!(time(tick(years)), years);
    }

    #[test]
    fn what_is_overdue_comes_with_the_next_tick() {
        let mut wheel = Wheel::default();
        assert!(taken(&mut wheel, 5_000).is_empty());
        wheel.set(Duration::from_millis(100), "late");
        assert_eq!(taken(&mut wheel, 5_010), ["late"]);
    }

    #[test]
    fn a_long_pause_loses_nothing() {
        let mut wheel = Wheel::default();
        wheel.set(Duration::from_millis(50), "a");
        wheel.set(Duration::from_secs(30), "b");
        assert_eq!(taken(&mut wheel, 60_000).len(), 2);
    }
}
