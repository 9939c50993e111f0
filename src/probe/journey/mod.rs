//! The `journey` kind: walks a user's way step by step, each a probe of its own kind, with what earlier ones answered filled in.
//! Does network I/O. What is captured is a secret from then on: no evidence holds it.

mod capture;
mod fill;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};

use super::{Attempt, assertion, carry_out};
use crate::api::{Cause, ProbeState, Stage, StepState};
use crate::evidence::{Evidence, Failure, MAX_TEXT, Shown, StepRecord, clip};
use crate::plan::kinds::{JourneyAction, JourneyStep};
use crate::plan::{Assertions, ProbePlan, Scrub};

/// The most of a budget that is kept for cleaning up.
const MOST_KEPT: Duration = Duration::from_secs(5);
/// What bounds a step.
const OWN_BOUND: &str = "the step's own limit";
const LEFT_BOUND: &str = "all that was left of the journey's budget";

/// Values by their names.
type Values = Vec<(Arc<str>, SecretString)>;

/// Carries out a `journey` probe. Boxed, because its steps are probes.
pub fn probe<'a>(action: &'a JourneyAction, attempt: &'a mut Attempt<'_>) -> BoxFuture<'a, Result<(), Failure>> {
    async move {
        let mut walk = Walk::new(action, attempt);
        for (index, step) in action.steps.iter().enumerate() {
            walk.step(index, step, attempt).await;
        }
        walk.broken.map_or(Ok(()), Err)
    }
    .boxed()
}

/// A journey under way.
struct Walk<'a> {
    action: &'a JourneyAction,
    budget: Duration,
    /// How much of the budget is kept for cleaning up.
    kept: Duration,
    values: Values,
    hidden: Scrub,
    /// Why it goes no further.
    broken: Option<Failure>,
}

/// How long a step may take, and whether that is what the budget leaves.
struct Allowed {
    time: Duration,
    of_budget: bool,
}

impl<'a> Walk<'a> {
    fn new(action: &'a JourneyAction, attempt: &Attempt<'_>) -> Self {
        let budget = action.budget.map_or(attempt.limit(), |budget| budget.min(attempt.limit()));
        let cleans_up = action.steps.iter().any(|step| step.always);
        Walk {
            action,
            budget,
            kept: if cleans_up { (budget / 4).min(MOST_KEPT) } else { Duration::ZERO },
            values: action.secrets.iter().map(|(name, value)| (Arc::from(&**name), value.clone())).collect(),
            hidden: attempt.plan.hidden.clone(),
            broken: None,
        }
    }

    /// Carries out a step, or passes it over.
    async fn step(&mut self, index: usize, step: &JourneyStep, attempt: &mut Attempt<'_>) {
        let record = |state, duration, failure| StepRecord {
            name: step.probe.name.clone(),
            kind: step.probe.kind,
            always: step.always,
            state,
            duration,
            failure,
        };
        // Where the value was never captured that cleaning up needs, there is nothing to clean up.
        let lacks = step.fillings.iter().flat_map(|filling| filling.template().names());
        let lacks = lacks.into_iter().any(|name| self.values.iter().all(|(known, _)| **known != *name));
        if self.broken.is_some() && (!step.always || lacks) {
            return attempt.skip_step(record(StepState::Skipped, Duration::ZERO, None));
        }
        let start = attempt.elapsed();
        let evidence = self.carried(index, step, attempt).await;
        let state = match evidence.outcome.state() {
            ProbeState::Healthy => StepState::Passed,
            ProbeState::Degraded => StepState::Degraded,
            ProbeState::Failing | ProbeState::Unknown | ProbeState::Skipped => StepState::Failed,
        };
        let failure = evidence.outcome.failure().cloned();
        let told = failure.as_ref().map(|failure| (failure.cause, failure.message.clone()));
        attempt.take_step(start, record(state, attempt.elapsed().saturating_sub(start), told), evidence);
        let Some(failure) = failure else { return };
        let message =
            format!("step {} of {}, {}: {}", index + 1, self.action.steps.len(), step.probe.name, failure.message);
        let failure =
            Failure { step: Some(step.probe.name.clone()), message: clip(&message, MAX_TEXT).into(), ..failure };
        match state {
            StepState::Failed if !step.always => {
                self.broken.get_or_insert(failure);
            }
            StepState::Passed | StepState::Degraded | StepState::Failed | StepState::Skipped => attempt.flaw(failure),
        }
    }

    /// How long a step may take that begins now.
    fn allowed(&self, step: &JourneyStep, elapsed: Duration) -> Allowed {
        let end = if step.always { self.budget } else { self.budget - self.kept };
        let left = end.saturating_sub(elapsed);
        match step.timeout {
            Some(own) if own < left => Allowed { time: own, of_budget: false },
            Some(_) | None => Allowed { time: left, of_budget: true },
        }
    }

    /// Carries out a step as a probe of its own, takes what it captures, and returns evidence without anything that is hidden.
    async fn carried(&mut self, index: usize, step: &JourneyStep, outer: &Attempt<'_>) -> Evidence {
        let elapsed = outer.elapsed();
        let allowed = self.allowed(step, elapsed);
        let plan = ProbePlan {
            timeout: allowed.time,
            stage_limits: outer.plan.stage_limits.clone(),
            hidden: self.hidden.clone(),
            repeated: outer.plan.repeated,
            ..step.probe.clone()
        };
        let bound = if allowed.of_budget { LEFT_BOUND } else { OWN_BOUND };
        let mut attempt = Attempt::start(&plan, outer.vantage).bound_by(bound);
        let result = if allowed.time.is_zero() {
            let message = format!("the steps before it have taken all of the journey's budget, {}", Shown(self.budget));
            Err(Failure::before_start(Cause::JourneyBudgetExceeded, message))
        } else {
            self.tried(step, &mut attempt).await
        };
        let result = result.map_err(|failure| self.over_budget(failure, &allowed, &attempt, elapsed));
        attempt.catch_up().await;
        attempt.finish(index, result)
    }

    async fn tried(&mut self, step: &JourneyStep, attempt: &mut Attempt<'_>) -> Result<(), Failure> {
        let action = fill::filled(step, &self.values)?;
        if !step.captures.is_empty() || !step.rules.is_empty() {
            attempt.listen();
        }
        let result = carry_out(&action, attempt).await;
        // Also of an answer that is refused: what it holds is not for the message.
        let entered = Instant::now();
        let missing = self.take(step, attempt);
        let took = entered.elapsed();
        result?;
        if !step.rules.is_empty() {
            let assertions = Assertions { rules: step.rules.clone() };
            Box::pin(assertion::hold(Arc::new(assertions), attempt)).await?;
        }
        if !step.captures.is_empty() {
            attempt.record(
                Stage::Assert,
                entered,
                took,
                attempt.stage_deadline(Stage::Assert, entered) - entered,
                missing.is_none(),
            );
        }
        missing.map_or(Ok(()), |message| Err(Failure::new(Cause::CaptureMissing, Stage::Assert, message)))
    }

    /// Takes what a step captures from its answer. Returns why the first that is missing is.
    fn take(&mut self, step: &JourneyStep, attempt: &mut Attempt<'_>) -> Option<String> {
        let mut missing = None;
        for capture in &step.captures {
            match capture::value(&capture.source, attempt.answers()) {
                Ok(value) => {
                    self.hidden.hide(&value);
                    attempt.hide(&value);
                    self.values.push((capture.name.clone(), SecretString::from(value)));
                }
                Err(why) => {
                    missing.get_or_insert_with(|| format!("nothing can be captured as {}: {why}", capture.name));
                }
            }
        }
        missing
    }

    /// A step that is cut by the budget, which others have used up for the greater part, is not the one to blame.
    fn over_budget(&self, failure: Failure, allowed: &Allowed, attempt: &Attempt<'_>, before: Duration) -> Failure {
        if !allowed.of_budget || !attempt.was_cut() || attempt.elapsed() >= before {
            return failure;
        }
        let message =
            format!("{}; the steps before it took {} of {}", failure.message, Shown(before), Shown(self.budget));
        Failure { cause: Cause::JourneyBudgetExceeded, message: clip(&message, MAX_TEXT).into(), ..failure }
    }
}

/// The value of that name; empty if there is none, which the plan rules out.
fn value<'v>(values: &'v Values, name: &str) -> &'v str {
    values.iter().find(|(known, _)| **known == *name).map_or("", |(_, value)| value.expose_secret())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Action, Kind, kinds};

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn plan(timeout: Duration) -> ProbePlan {
        let endpoint = kinds::Endpoint::new("127.0.0.1", 1, false);
        let action = Action::Tcp(kinds::TcpAction { endpoint, steps: Box::default(), tls: None });
        ProbePlan {
            name: "step".into(),
            kind: Kind::Tcp,
            target: "tcp://127.0.0.1:1".into(),
            action: Ok(Arc::new(action)),
            timeout,
            stage_limits: Box::default(),
            assertions: None,
            hidden: Default::default(),
            repeated: false,
            max_latency: None,
            required: true,
            depends_on: Box::default(),
        }
    }

    fn step(timeout: Option<Duration>, always: bool) -> JourneyStep {
        JourneyStep {
            probe: plan(seconds(60)),
            fillings: Box::default(),
            captures: Box::default(),
            rules: Box::default(),
            timeout,
            always,
        }
    }

    /// How long a step may take that begins after that time, and whether it is the budget's end that bounds it.
    fn allowed(budget: Option<u64>, cleans_up: bool, of: &JourneyStep, elapsed: u64) -> (Duration, bool) {
        let action = JourneyAction {
            budget: budget.map(seconds),
            secrets: Box::default(),
            steps: Box::new([step(None, false), step(None, cleans_up)]),
        };
        let plan = plan(seconds(60));
        let vantage = crate::probe::Vantage {
            name: "host/test".into(),
            resolver: crate::probe::Resolver::system(),
            targets: Default::default(),
            cloud_sql: Default::default(),
        };
        let allowed = Walk::new(&action, &Attempt::start(&plan, &vantage)).allowed(of, seconds(elapsed));
        (allowed.time, allowed.of_budget)
    }

    #[test]
    fn a_part_of_the_budget_is_kept_for_cleaning_up_and_none_where_nothing_cleans_up() {
        let (ordinary, always, own) = (step(None, false), step(None, true), step(Some(seconds(3)), false));
        for (budget, cleans_up, of, elapsed, expected) in [
            (Some(40), false, &ordinary, 10, (seconds(30), true)),
            (Some(40), true, &ordinary, 10, (seconds(25), true)),
            (Some(8), true, &ordinary, 1, (seconds(5), true)),
            (Some(40), true, &always, 10, (seconds(30), true)),
            (Some(40), true, &ordinary, 36, (Duration::ZERO, true)),
            (Some(40), true, &always, 36, (seconds(4), true)),
            (Some(40), true, &own, 10, (seconds(3), false)),
            (Some(40), true, &own, 33, (seconds(2), true)),
            (None, false, &ordinary, 10, (seconds(50), true)),
            (Some(100), false, &ordinary, 10, (seconds(50), true)),
        ] {
            let seen = allowed(budget, cleans_up, of, elapsed);
            assert_eq!(seen, expected, "{budget:?}, {cleans_up}, {:?}, after {elapsed}s", (of.timeout, of.always));
        }
    }
}
