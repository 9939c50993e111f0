//! What a server told of its health in the course of a call. No I/O.

use std::time::{Duration, Instant};

use super::message::Health;
use super::status::called;
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure, Shown};
use crate::plan::kinds::GrpcAction;
use crate::probe::Attempt;

/// Most messages that are read of one call.
const MAX_MESSAGES: usize = 1000;
/// Most changes that are kept.
const MAX_CHANGES: usize = 16;

/// Each health in turn, and when it was told.
pub struct Told {
    began: Instant,
    before: Duration,
    messages: usize,
    changes: Vec<(Health, Duration)>,
    left_out: usize,
    last: Option<Health>,
}

impl Told {
    /// Nothing yet, `before` after the probe's start.
    pub const fn since(began: Instant, before: Duration) -> Self {
        Told { began, before, messages: 0, changes: Vec::new(), left_out: 0, last: None }
    }

    /// Adds what was told just now. A server that goes on for ever is not listened to.
    pub fn add(&mut self, serving: Health) -> Result<(), Failure> {
        self.messages += 1;
        if self.messages > MAX_MESSAGES {
            let message = format!("more than {MAX_MESSAGES} messages in one call, the last {serving}");
            return Err(Failure::new(Cause::ResponseTooLarge, Stage::Body, message));
        }
        if self.last != Some(serving) {
            match self.changes.len() < MAX_CHANGES {
                true => self.changes.push((serving, self.before + self.began.elapsed())),
                false => self.left_out += 1,
            }
        }
        self.last = Some(serving);
        Ok(())
    }

    /// The last that was told.
    pub const fn last(&self) -> Option<Health> {
        self.last
    }

    /// Puts it into the evidence.
    pub fn record(&self, attempt: &mut Attempt<'_>) {
        let Some(last) = self.last else { return };
        attempt.fact(Fact::Serving, last.name());
        if self.changes.len() > 1 {
            attempt.fact(Fact::ServingTransitions, self.course());
        }
    }

    /// The failure that the last health stands for, unless it is SERVING or there is none.
    pub fn failure(&self, action: &GrpcAction) -> Option<Failure> {
        let (cause, is) = match self.last? {
            Health::Serving => return None,
            Health::ServiceUnknown => (Cause::GrpcServiceUnknown, "the server does not know this service's health"),
            Health::Unknown | Health::NotServing | Health::Unnamed(_) => (Cause::NotServing, "it does not serve"),
        };
        let message = format!("{} was answered with {}: {is}", called(action), self.course());
        Some(Failure::new(cause, Stage::Body, message))
    }

    /// One after the other, each with its time since the probe's start.
    fn course(&self) -> String {
        let told = |(serving, at): &(Health, Duration)| format!("{serving} after {}", Shown(*at));
        let mut course: Vec<String> = self.changes.iter().map(told).collect();
        if let Some(last) = self.last.filter(|_| self.left_out > 0) {
            course.push(format!("{} more changes, the last to {last}", self.left_out));
        }
        course.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_bounded_and_the_last_still_stands() {
        let mut told = Told::since(Instant::now(), Duration::ZERO);
        for number in 0..MAX_MESSAGES {
            told.add(if number % 2 == 0 { Health::NotServing } else { Health::Unknown }).expect("room");
        }
        assert_eq!(told.last(), Some(Health::Unknown));
        let course = told.course();
        assert_eq!(course.matches(" after ").count(), MAX_CHANGES);
        assert!(course.ends_with("984 more changes, the last to UNKNOWN"), "{course}");
        assert_eq!(told.add(Health::Unknown).expect_err("no room").cause, Cause::ResponseTooLarge);
    }

    #[test]
    fn the_same_health_again_is_no_change() {
        let mut told = Told::since(Instant::now(), Duration::from_secs(1));
        for serving in [Health::NotServing, Health::NotServing, Health::Serving] {
            told.add(serving).expect("room");
        }
        let course = told.course();
        assert_eq!(course.matches(" after ").count(), 2, "{course}");
        assert!(course.starts_with("NOT_SERVING after 1s"), "{course}");
    }
}
