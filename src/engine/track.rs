//! One probe's state over time: thresholds in both directions. Pure.

use std::sync::Arc;

use jiff::Timestamp;

use crate::api::status::ProbeStatus;
use crate::api::{Cause, ProbeState, Stage};
use crate::evidence::{Evidence, Failure, Outcome};

/// What is remembered of a probe between observations.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// State after thresholds; never Skipped. None until the first one is established.
    established: Option<ProbeState>,
    /// Observations in a row that differ from the state: negative for the worse, positive for the better.
    streak: i32,
    /// The state that the streak leads to.
    pending: ProbeState,
    /// The failure that the state rests on.
    failure: Option<Failure>,
    /// When the state last changed.
    since: Option<Timestamp>,
    /// How often it worked, lately.
    history: History,
    /// The last observation, and when it was made.
    last: Option<(Evidence, Timestamp)>,
    /// When an earlier process made its last observation.
    before: Option<Timestamp>,
}

/// Whether each of the last observations found that it works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The last observation is the lowest bit.
    worked: u128,
    observed: u8,
}

impl History {
    /// How many observations are remembered.
    pub const MOST: u8 = 128;

    fn add(&mut self, worked: bool) {
        self.worked = self.worked << 1 | u128::from(worked);
        self.observed = self.observed.saturating_add(1).min(Self::MOST);
    }

    /// The share that worked. None before the first observation.
    pub fn ratio(self) -> Option<f64> {
        let (worked, observed) = (self.outcomes().filter(|worked| *worked).count(), usize::from(self.observed));
        (observed > 0).then(|| worked as f64 / observed as f64)
    }

    /// Whether it worked, the oldest observation first.
    pub fn outcomes(self) -> impl Iterator<Item = bool> {
        (0..self.observed).rev().map(move |age| self.worked >> age & 1 == 1)
    }
}

impl std::fmt::Display for History {
    /// Such as `++-+`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.outcomes().try_for_each(|worked| f.write_str(if worked { "+" } else { "-" }))
    }
}

impl From<&str> for History {
    fn from(outcomes: &str) -> Self {
        let mut history = History::default();
        outcomes
            .bytes()
            .filter(|outcome| matches!(outcome, b'+' | b'-'))
            .for_each(|outcome| history.add(outcome == b'+'));
        history
    }
}

/// How many observations in a row it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// To get worse.
    pub failure: u32,
    /// To get better.
    pub success: u32,
}

/// From best to worst; Skipped has no place, because it says nothing about the probe.
const fn severity(state: ProbeState) -> u8 {
    match state {
        ProbeState::Healthy => 0,
        ProbeState::Degraded => 1,
        ProbeState::Unknown | ProbeState::Skipped => 2,
        ProbeState::Failing => 3,
    }
}

impl Default for Track {
    fn default() -> Self {
        Track {
            established: None,
            streak: 0,
            pending: ProbeState::Unknown,
            failure: None,
            since: None,
            history: History::default(),
            last: None,
            before: None,
        }
    }
}

impl Track {
    /// Resumes from what was last written.
    pub fn resume(status: &ProbeStatus) -> Self {
        let established = match status.state {
            // Without a cause it was healthy before; with one, a skipped probe does not tell how bad it was.
            ProbeState::Skipped if status.cause.is_none() && status.last_transition_time.is_some() => {
                Some(ProbeState::Healthy)
            }
            ProbeState::Skipped => None,
            ProbeState::Unknown if status.cause.is_none() => None,
            state => Some(state),
        };
        // During a streak for the worse the message speaks of the last observation, not of what the state rests on.
        let message = |cause: Cause| if status.streak < 0 { cause.summary() } else { status.message.as_str() };
        let failure = status.cause.map(|cause| Failure {
            cause,
            step: status.failed_step.as_deref().map(Into::into),
            stage: status.failed_stage,
            message: message(cause).into(),
        });
        Track {
            established,
            streak: status.streak,
            pending: if status.streak == 0 { ProbeState::Unknown } else { status.observed },
            failure: if established.is_some() { failure } else { None },
            since: status.last_transition_time.as_ref().map(|time| time.0),
            history: status.availability.as_ref().map(|known| known.observations.as_str().into()).unwrap_or_default(),
            last: None,
            before: status.last_probe_time.as_ref().map(|time| time.0),
        }
    }

    /// State for people: Skipped while the last observation was, and otherwise after thresholds.
    pub fn state(&self) -> ProbeState {
        match self.observed() {
            Some(ProbeState::Skipped) => ProbeState::Skipped,
            _ => self.established.unwrap_or(ProbeState::Unknown),
        }
    }

    /// State after thresholds, even while skipped. None until the first one is established.
    pub const fn established(&self) -> Option<ProbeState> {
        self.established
    }

    /// State of the last observation alone.
    pub fn observed(&self) -> Option<ProbeState> {
        self.last.as_ref().map(|(evidence, _)| evidence.outcome.state())
    }

    /// The failure that the state rests on; before a state is established, that of the last observation.
    pub fn failure(&self) -> Option<&Failure> {
        match self.established {
            Some(ProbeState::Healthy) => None,
            Some(_) => self.failure.as_ref(),
            None => self.last.as_ref().and_then(|(evidence, _)| evidence.outcome.failure()),
        }
    }

    /// Observations in a row that differ from the state: negative for the worse, positive for the better.
    pub const fn streak(&self) -> i32 {
        self.streak
    }

    /// When the state last changed.
    pub const fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// How often it worked, lately.
    pub const fn history(&self) -> History {
        self.history
    }

    /// The last observation.
    pub fn evidence(&self) -> Option<&Evidence> {
        self.last.as_ref().map(|(evidence, _)| evidence)
    }

    /// When the last observation was made.
    pub fn observed_at(&self) -> Option<Timestamp> {
        self.last.as_ref().map(|(_, at)| *at).or(self.before)
    }

    /// Takes in that the plan keeps the probe from being carried out.
    pub fn block(&mut self, why: &Failure, now: Timestamp) {
        if blocked(why.cause) {
            self.establish(ProbeState::Unknown, Some(why.clone()), now);
        }
    }

    /// Takes in that the plan no longer does: nothing is known until the first observation.
    pub fn unblock(&mut self) {
        if self.is_blocked() {
            *self = Track { since: self.since, ..Track::default() };
        }
    }

    fn is_blocked(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| blocked(failure.cause))
    }

    /// What the state rests on, as far as a change of it is worth telling: a journey that breaks at another step fails anew.
    fn grounds(&self) -> Option<(Cause, Option<Stage>, Option<Arc<str>>)> {
        self.failure().map(|failure| (failure.cause, failure.stage, failure.step.clone()))
    }

    /// Takes an observation in. True when the state, its failure's cause, step or stage, or Skipped changed.
    pub fn observe(&mut self, evidence: Evidence, thresholds: Thresholds, now: Timestamp) -> bool {
        let before = (self.state(), self.grounds());
        let fresh = self.last.is_none();
        match &evidence.outcome {
            Outcome::Skipped { .. } => {}
            Outcome::Unknown(failure) if blocked(failure.cause) => {
                let failure = failure.clone();
                self.establish(ProbeState::Unknown, Some(failure), now);
            }
            outcome => {
                let (state, failure) = (outcome.state(), outcome.failure().cloned());
                self.weigh(state, failure, thresholds, now);
            }
        }
        match evidence.outcome.state() {
            ProbeState::Healthy | ProbeState::Degraded => self.history.add(true),
            ProbeState::Failing => self.history.add(false),
            // What was not seen counts neither way.
            ProbeState::Skipped | ProbeState::Unknown => {}
        }
        self.last = Some((evidence, now));
        fresh || before != (self.state(), self.grounds())
    }

    fn weigh(&mut self, observed: ProbeState, failure: Option<Failure>, thresholds: Thresholds, now: Timestamp) {
        // What was blocked by the spec has no state of its own to defend.
        self.unblock();
        let current = self.established.map_or(severity(ProbeState::Unknown), severity);
        let seen = severity(observed);
        if seen == current && self.established.is_some() {
            self.streak = 0;
            self.failure = failure;
            return;
        }
        let worse = seen >= current;
        let continues = self.streak != 0 && (self.streak < 0) == worse;
        let milder = |a: ProbeState, b: ProbeState| if severity(a) <= severity(b) { a } else { b };
        self.pending = match (continues, worse) {
            (false, _) => observed,
            (true, true) => milder(self.pending, observed),
            (true, false) => {
                if milder(self.pending, observed) == self.pending {
                    observed
                } else {
                    self.pending
                }
            }
        };
        let count = if continues { self.streak.unsigned_abs() + 1 } else { 1 };
        if count >= if worse { thresholds.failure } else { thresholds.success } {
            let failure = if observed == ProbeState::Healthy { None } else { failure };
            self.establish(self.pending, failure, now);
        } else {
            let count = i32::try_from(count).unwrap_or(i32::MAX);
            self.streak = if worse { -count } else { count };
        }
    }

    fn establish(&mut self, state: ProbeState, failure: Option<Failure>, now: Timestamp) {
        if self.established != Some(state) {
            self.since = Some(now);
        }
        self.established = Some(state);
        self.failure = failure;
        self.streak = 0;
    }
}

/// Whether the plan itself keeps the probe from being carried out.
const fn blocked(cause: Cause) -> bool {
    cause.is_of_the_spec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn evidence(outcome: Outcome) -> Evidence {
        Evidence {
            probe: 0,
            vantage: "host/test".into(),
            outcome,
            start: Duration::ZERO,
            latency: Duration::from_millis(1),
            stages: Vec::new(),
            steps: Vec::new(),
            addresses: Vec::new(),
            facts: Vec::new(),
        }
    }

    /// H healthy, D degraded, F failing, U our own error, S skipped, B blocked by the spec.
    fn outcome(letter: char) -> Outcome {
        let failure = |cause| Failure::new(cause, Stage::Connect, "x");
        match letter {
            'H' => Outcome::Passed,
            'D' => Outcome::Degraded(failure(Cause::LatencyExceeded)),
            'F' => Outcome::Failed(failure(Cause::ConnectTimeout)),
            'U' => Outcome::Unknown(failure(Cause::ProberError)),
            'B' => Outcome::Unknown(failure(Cause::SecretNotFound)),
            _ => Outcome::Skipped { because_of: 0 },
        }
    }

    fn letter(state: ProbeState) -> char {
        match state {
            ProbeState::Healthy => 'H',
            ProbeState::Degraded => 'D',
            ProbeState::Failing => 'F',
            ProbeState::Skipped => 'S',
            ProbeState::Unknown => 'U',
        }
    }

    fn play(observed: &str, failure: u32, success: u32) -> String {
        let mut track = Track::default();
        let step = |letter_in| {
            track.observe(evidence(outcome(letter_in)), Thresholds { failure, success }, Timestamp::UNIX_EPOCH);
            letter(track.state())
        };
        observed.chars().map(step).collect()
    }

    #[test]
    fn thresholds_hold_in_both_directions() {
        for (observed, failure, success, states) in [
            ("HFH", 2, 1, "HHH"),
            ("HFF", 2, 1, "HHF"),
            ("FF", 2, 1, "UF"),
            ("FFHFF", 2, 1, "UFHHF"),
            ("FFHFH", 2, 2, "UFFFF"),
            ("FFHH", 2, 2, "UFFH"),
            ("HH", 1, 2, "UH"),
            ("HDF", 2, 1, "HHD"),
            ("HFD", 2, 1, "HHD"),
            ("HFDFF", 2, 1, "HHDDF"),
            ("HUU", 2, 1, "HHU"),
            ("HFU", 2, 1, "HHU"),
            ("FFD", 2, 1, "UFD"),
            ("HFSF", 2, 1, "HHSF"),
            ("HFSH", 2, 1, "HHSH"),
            ("HB", 3, 1, "HU"),
            ("BH", 3, 1, "UH"),
            ("BFFF", 3, 1, "UUUF"),
        ] {
            assert_eq!(play(observed, failure, success), states, "{observed} with {failure}/{success}");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_survives_its_text() {
        let mut history = History::default();
        assert_eq!(history.ratio(), None);
        (0..200).for_each(|count| history.add(count % 4 != 0));
        assert_eq!(history.ratio(), Some(0.75));
        let text = history.to_string();
        assert_eq!((text.len(), &text[..4], History::from(&*text)), (128, "-+++", history));
    }

    #[test]
    fn a_break_at_another_step_is_a_change() {
        let mut track = Track::default();
        let mut at = |step: &str| {
            let failure =
                Failure { step: Some(step.into()), ..Failure::new(Cause::ConnectTimeout, Stage::Connect, "x") };
            let thresholds = Thresholds { failure: 1, success: 1 };
            track.observe(evidence(Outcome::Failed(failure)), thresholds, Timestamp::UNIX_EPOCH)
        };
        assert_eq!([at("login"), at("login"), at("chat")], [true, false, true]);
    }

    #[test]
    fn a_change_of_cause_is_a_change() {
        let mut track = Track::default();
        let thresholds = Thresholds { failure: 1, success: 1 };
        let refused = Outcome::Failed(Failure::new(Cause::ConnectionRefused, Stage::Connect, "x"));
        assert!(track.observe(evidence(outcome('F')), thresholds, Timestamp::UNIX_EPOCH));
        assert!(!track.observe(evidence(outcome('F')), thresholds, Timestamp::UNIX_EPOCH));
        assert!(track.observe(evidence(refused), thresholds, Timestamp::UNIX_EPOCH));
    }
}
