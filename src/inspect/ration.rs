//! How fast Google's APIs are asked: each project at under one call per second on average, with a burst of a minute's calls, since
//! Google's quotas are per minute. Time is an argument; no I/O.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Time between calls to a project, on average.
const EVERY: Duration = Duration::from_millis(1100);
/// Calls to a project that may follow each other at once: two rounds of everything that one check needs when it begins to fail.
const BURST: u32 = 60;
/// Longest pause that an API may ask for (Retry-After).
const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 60);

/// When which project may be asked next.
#[derive(Debug, Default)]
pub struct Ration {
    /// When the burst of a project is whole again.
    whole: HashMap<Box<str>, Instant>,
    /// Until when an API of a project wants to be left alone.
    held: HashMap<(Box<str>, &'static str), Instant>,
}

impl Ration {
    /// Takes a turn: how long to wait for it.
    pub fn turn(&mut self, project: &str, api: &'static str, now: Instant) -> Duration {
        self.whole.retain(|_, whole| *whole > now);
        self.held.retain(|_, until| *until > now);
        let whole = self.whole.entry(project.into()).or_insert(now);
        let wait = whole.saturating_duration_since(now + EVERY * (BURST - 1));
        *whole += EVERY;
        let held = self.held.get(&(project.into(), api)).map_or(Duration::ZERO, |until| *until - now);
        wait.max(held)
    }

    /// Leaves an API of a project alone for a while.
    pub fn hold(&mut self, project: &str, api: &'static str, pause: Duration, now: Instant) {
        self.held.insert((project.into(), api), now + pause.min(LONGEST_PAUSE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const API: &str = "run.googleapis.com";

    #[test]
    fn a_burst_goes_at_once_and_the_rest_waits_its_turn() {
        let (mut ration, now) = (Ration::default(), Instant::now());
        for _ in 0..BURST {
            assert_eq!(ration.turn("p", API, now), Duration::ZERO);
        }
        assert_eq!(ration.turn("p", API, now), EVERY);
        assert_eq!(ration.turn("p", API, now), EVERY * 2);
        assert_eq!(ration.turn("q", API, now), Duration::ZERO, "another project has a ration of its own");
    }

    #[test]
    fn a_project_is_asked_less_than_once_a_second_however_many_ask() {
        let (mut ration, start) = (Ration::default(), Instant::now());
        let hour = Duration::from_secs(3600);
        let granted = (0..10_000).map(|_| ration.turn("p", API, start)).filter(|wait| *wait < hour).count();
        assert!(granted < 3600, "{granted} calls in an hour");
    }

    #[test]
    fn an_api_that_wants_to_be_left_alone_is_and_the_others_are_asked() {
        let (mut ration, now) = (Ration::default(), Instant::now());
        ration.hold("p", API, Duration::from_secs(30), now);
        assert_eq!(ration.turn("p", API, now), Duration::from_secs(30));
        assert_eq!(ration.turn("p", "dns.googleapis.com", now), Duration::ZERO);
        assert_eq!(ration.turn("p", API, now + Duration::from_secs(31)), Duration::ZERO);
    }

    #[test]
    fn what_has_recovered_is_forgotten() {
        let (mut ration, now) = (Ration::default(), Instant::now());
        for project in 0..1000 {
            ration.turn(&format!("p{project}"), API, now);
        }
        ration.turn("last", API, now + EVERY * 2);
        assert_eq!(ration.whole.len(), 1);
    }
}
