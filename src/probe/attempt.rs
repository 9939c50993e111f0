//! One attempt of one probe: its clock, and the evidence as it grows. No I/O of its own.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Vantage;
use super::cloudsql::Refused;
use super::net::connect::Stragglers;
use super::stage::Alarm;
use crate::api::{Cause, ProbeState, Stage};
use crate::evidence::{
    AddressRecord, Evidence, Fact, Failure, MAX_TEXT, Outcome, Shown, StageRecord, StepRecord, clip,
};
use crate::plan::{ProbePlan, Scrub};

/// The most that is kept of one text or body for assertions and captures, in bytes.
pub const MAX_ANSWER: usize = 256 * 1024;

/// What a stage is told that is cut by the whole's deadline.
const OWN_BOUND: &str = "all that was left of the probe's timeout";

/// What the peer answered, by the names under which assertions and captures know it.
pub type Answers = Vec<(&'static str, Value)>;

/// One attempt: one deadline for the whole, one for each stage, no retry.
pub struct Attempt<'a> {
    /// What is carried out.
    pub plan: &'a ProbePlan,
    /// From where.
    pub vantage: &'a Vantage,
    started: Instant,
    pub(super) deadline: Instant,
    pub(super) bound: &'static str,
    pub(super) cut: bool,
    stages: Vec<StageRecord>,
    steps: Vec<StepRecord>,
    addresses: Vec<AddressRecord>,
    facts: Vec<(Fact, Cow<'static, str>)>,
    answers: Option<Box<Answers>>,
    hidden: Option<Box<Scrub>>,
    flaw: Option<Failure>,
    stragglers: Option<Stragglers>,
    tunnels: Vec<Refused>,
    /// The latency, where it is not that of the stages.
    took: Option<Duration>,
    pub(super) alarm: Alarm,
}

impl<'a> Attempt<'a> {
    /// Starts the clock.
    pub fn start(plan: &'a ProbePlan, vantage: &'a Vantage) -> Self {
        let started = Instant::now();
        let answers = plan.assertions.as_ref().map(|_| Box::default());
        Attempt {
            plan,
            vantage,
            started,
            deadline: started + plan.timeout,
            bound: OWN_BOUND,
            cut: false,
            stages: Vec::with_capacity(4),
            steps: Vec::new(),
            addresses: Vec::new(),
            facts: Vec::new(),
            answers,
            hidden: None,
            flaw: None,
            stragglers: None,
            tunnels: Vec::new(),
            took: None,
            alarm: Alarm::default(),
        }
    }

    /// A part of this attempt with records of its own: on the same clock, and ended `within` that time since its start at the
    /// latest. `bound` says, where this is earlier than the whole's own deadline, what it is.
    pub fn part(&self, within: Duration, bound: &'static str) -> Self {
        let deadline = self.started + within;
        let earlier = deadline < self.deadline;
        Attempt {
            started: self.started,
            deadline: self.deadline.min(deadline),
            bound: if earlier { bound } else { self.bound },
            answers: self.answers.as_ref().map(|_| Box::default()),
            ..Attempt::start(self.plan, self.vantage)
        }
    }

    /// The same attempt, whose deadline people know as `bound`.
    pub const fn bound_by(mut self, bound: &'static str) -> Self {
        self.bound = bound;
        self
    }

    /// Takes up a step that began `start` after this attempt did, and what was seen of it. What an earlier step told is kept
    /// over what one tells that only cleans up.
    pub fn take_step(&mut self, start: Duration, step: StepRecord, evidence: Evidence) {
        let cleans_up = step.always;
        let index = u8::try_from(self.steps.len()).ok();
        self.steps.push(step);
        let of_step = |record: StageRecord| StageRecord { step: index, start: start + record.start, ..record };
        self.stages.extend(evidence.stages.into_iter().map(of_step));
        if evidence.outcome.state() == ProbeState::Failing && !cleans_up {
            self.addresses.clear();
        }
        if !cleans_up {
            self.addresses.extend(evidence.addresses);
        }
        for (fact, value) in evidence.facts {
            if !cleans_up || self.facts.iter().all(|(known, _)| *known != fact) {
                self.fact(fact, value);
            }
        }
    }

    /// Takes up a step that was not carried out.
    pub fn skip_step(&mut self, step: StepRecord) {
        self.steps.push(step);
    }

    /// Takes up what a part of it recorded.
    pub fn take_up(&mut self, part: Self) {
        self.stages.extend(part.stages);
        self.addresses.extend(part.addresses);
        self.tunnels.extend(part.tunnels);
        part.facts.into_iter().for_each(|(fact, value)| self.fact(fact, value));
        if let (Some(answers), Some(more)) = (&mut self.answers, part.answers) {
            answers.extend(*more);
        }
        self.hidden = self.hidden.take().or(part.hidden);
        if let Some(flaw) = part.flaw {
            self.flaw(flaw);
        }
        self.stragglers = self.stragglers.take().or(part.stragglers);
    }

    /// Since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// How long after the start the whole must have ended.
    pub fn limit(&self) -> Duration {
        self.deadline.saturating_duration_since(self.started)
    }

    /// Whether a stage was cut because the time of the whole was up, and not its own.
    pub const fn was_cut(&self) -> bool {
        self.cut
    }

    /// When a stage that starts at `now` must have ended: within its own limit, and within the probe's.
    pub fn stage_deadline(&self, stage: Stage, now: Instant) -> Instant {
        self.plan.stage_limit(stage).map_or(self.deadline, |limit| self.deadline.min(now + limit))
    }

    /// Records a stage whose clock was kept elsewhere.
    pub fn record(&mut self, stage: Stage, entered: Instant, duration: Duration, limit: Duration, passed: bool) {
        let start = entered.saturating_duration_since(self.started);
        self.stages.push(StageRecord { stage, step: None, start, duration, limit, passed });
    }

    /// Records what the peer told. The last value of a fact wins; it is cut to [`MAX_TEXT`] characters.
    pub fn fact(&mut self, fact: Fact, value: impl Into<Cow<'static, str>>) {
        self.note(fact, value.into());
    }

    fn note(&mut self, fact: Fact, mut value: Cow<'static, str>) {
        if let Cow::Owned(clipped) = clip(&value, MAX_TEXT) {
            value = clipped.into();
        }
        match self.facts.iter_mut().find(|(known, _)| *known == fact) {
            Some((_, known)) => *known = value,
            None => self.facts.push((fact, value)),
        }
    }

    /// Keeps what the peer answers from now on: somebody will ask for it.
    pub fn listen(&mut self) {
        self.answers.get_or_insert_default();
    }

    /// Whether anybody will ask for what the peer answers: what is large need be read or kept only then.
    pub const fn is_asked(&self) -> bool {
        self.answers.is_some()
    }

    /// Records what the peer answered, for assertions and captures. The last value of a name wins. Nothing is computed or
    /// kept unless somebody will ask; a text longer than [`MAX_ANSWER`] should be left out.
    #[inline]
    pub fn answer(&mut self, name: &'static str, value: impl FnOnce() -> Value) {
        let Some(answers) = &mut self.answers else { return };
        let value = value();
        match answers.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => answers.push((name, value)),
        }
    }

    /// Keeps a value out of sight, besides those of the plan: it was sent to the peer, which may answer with it, or is of the
    /// answer, and not for everyone.
    pub fn hide(&mut self, value: &str) {
        self.hidden.get_or_insert_default().hide(value);
    }

    /// What must be kept out of sight.
    pub fn hidden(&self) -> Scrub {
        self.hidden.as_deref().map_or_else(|| self.plan.hidden.clone(), |own| own.and(&self.plan.hidden))
    }

    /// What the peer has answered, as far as it was asked for.
    pub fn answers(&self) -> &[(&'static str, Value)] {
        self.answers.as_deref().map_or(&[], Vec::as_slice)
    }

    /// Records what makes the probe Degraded if nothing fails. The first flaw stands.
    pub fn flaw(&mut self, failure: Failure) {
        self.flaw.get_or_insert(failure);
    }

    /// Records an address that was tried.
    pub fn address(&mut self, record: AddressRecord) {
        // Most probes try one.
        if self.addresses.is_empty() {
            self.addresses.reserve_exact(1);
        }
        self.addresses.push(record);
    }

    /// The addresses that were tried so far.
    pub fn addresses(&self) -> &[AddressRecord] {
        &self.addresses
    }

    /// From the start of the first stage to the end of the last that the peer had a part in, without the time for a token: that
    /// is not spent on this path, and most attempts hold one already.
    pub fn latency(&self) -> Duration {
        if let Some(took) = self.took {
            return took;
        }
        let (mut end, mut tokens) = (None, Duration::ZERO);
        for record in &self.stages {
            let step = record.step.and_then(|step| self.steps.get(usize::from(step)));
            match record.stage {
                Stage::Assert => {}
                _ if step.is_some_and(|step| step.always) => {}
                stage => {
                    end = Some(record.start + record.duration);
                    tokens += if stage == Stage::Token { record.duration } else { Duration::ZERO };
                }
            }
        }
        end.unwrap_or_else(|| self.started.elapsed()).saturating_sub(tokens)
    }

    /// Says what the latency is, where many requests were made.
    pub fn took(&mut self, latency: Duration) {
        self.took = Some(latency);
    }

    /// The stages so far, and how long each took.
    pub fn stage_times(&self) -> impl DoubleEndedIterator<Item = (Stage, Duration)> {
        self.stages.iter().map(|record| (record.stage, record.duration))
    }

    /// Leaves connection attempts to go on beside the later stages; [`Attempt::catch_up`] awaits them.
    pub(super) fn leave_behind(&mut self, stragglers: Stragglers) {
        self.stragglers = Some(stragglers);
    }

    /// Notes a tunnel whose far end may still refuse it: [`Attempt::finish`] puts its reason in the place of what the protocol
    /// within made of it.
    pub(super) fn may_be_refused(&mut self, tunnel: Refused) {
        self.tunnels.push(tunnel);
    }

    /// Whether something was left behind.
    pub const fn is_behind(&self) -> bool {
        self.stragglers.is_some()
    }

    /// Awaits what was left behind, and judges it.
    pub async fn catch_up(&mut self) {
        if let Some(stragglers) = self.stragglers.take() {
            // Boxed, because it is seldom needed.
            Box::pin(stragglers.await_all(self)).await;
        }
    }

    /// Ends the attempt, once nothing is left behind: judges the latency, and returns the evidence.
    pub fn finish(mut self, probe: usize, result: Result<(), Failure>) -> Evidence {
        let latency = self.latency();
        let refused = self.tunnels.iter().find_map(|tunnel| tunnel.get().cloned());
        let outcome = match result.map_err(|failure| refused.unwrap_or(failure)) {
            Err(failure) => {
                let failure = self.explained(failure);
                // Of a step, its own attempt has seen to that.
                if failure.step.is_none() {
                    self.take_back(failure.stage);
                }
                failure.into()
            }
            Ok(()) => {
                let most = self.plan.max_latency.filter(|most| latency > *most);
                match self.flaw.take().or_else(|| self.too_slow(latency, most?)) {
                    Some(flaw) => Outcome::Degraded(flaw),
                    None => Outcome::Passed,
                }
            }
        };
        let hidden = self.hidden.is_some().then(|| self.hidden());
        let mut evidence = Evidence {
            probe,
            vantage: self.vantage.name.clone(),
            outcome,
            start: Duration::ZERO,
            latency,
            stages: self.stages,
            steps: self.steps,
            addresses: self.addresses,
            facts: self.facts,
        };
        let hidden = hidden.as_ref().unwrap_or(&self.plan.hidden);
        if !hidden.is_empty() {
            clean(hidden, &mut evidence);
        }
        evidence
    }

    /// A login that is refused by what could not be renewed before it: that may be why.
    fn explained(&self, failure: Failure) -> Failure {
        match &self.flaw {
            Some(flaw)
                if matches!(failure.cause, Cause::AuthenticationFailed | Cause::AccessDenied)
                    && matches!(flaw.stage, Some(Stage::Settings | Stage::Certificate)) =>
            {
                let message = format!("{}; {}", failure.message, flaw.message);
                Failure { message: message.into(), ..failure }
            }
            _ => failure,
        }
    }

    /// Marks a stage as failed whose work passed: what came of it is not what it should be.
    fn take_back(&mut self, stage: Option<Stage>) {
        let record = self.stages.iter_mut().rev().find(|record| Some(record.stage) == stage);
        record.into_iter().for_each(|record| record.passed = false);
    }

    #[cold]
    fn too_slow(&self, latency: Duration, most: Duration) -> Option<Failure> {
        let of_the_path = self.stages.iter().filter(|stage| stage.stage != Stage::Token);
        let slowest = of_the_path.max_by_key(|stage| stage.duration)?;
        let message = format!(
            "answered after {}, slower than maxLatency {}; the slowest stage was {} with {}",
            Shown(latency),
            Shown(most),
            slowest.stage,
            Shown(slowest.duration)
        );
        Some(Failure::new(Cause::LatencyExceeded, slowest.stage, message))
    }
}

/// Takes out of evidence what nobody may see: a peer may repeat whatever it was sent.
#[cold]
fn clean(hidden: &Scrub, evidence: &mut Evidence) {
    for (_, value) in &mut evidence.facts {
        if let Cow::Owned(cleaned) = hidden.clean(value) {
            *value = cleaned.into();
        }
    }
    match &mut evidence.outcome {
        Outcome::Degraded(failure) | Outcome::Failed(failure) | Outcome::Unknown(failure) => {
            failure.message = hidden.clean(&failure.message).into();
        }
        Outcome::Passed | Outcome::Skipped { .. } => {}
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::plan::{Action, Kind, kinds};
    use serde_json::json;

    pub fn plan() -> ProbePlan {
        let endpoint = kinds::Endpoint::new("127.0.0.1", 1, false);
        let action = Action::Tcp(kinds::TcpAction { endpoint, steps: Box::default(), tls: None });
        ProbePlan {
            name: "target".into(),
            kind: Kind::Tcp,
            target: "tcp://127.0.0.1:1".into(),
            action: Ok(std::sync::Arc::new(action)),
            timeout: Duration::from_secs(1),
            stage_limits: Box::default(),
            assertions: None,
            hidden: Default::default(),
            repeated: false,
            max_latency: None,
            required: true,
            depends_on: Box::default(),
        }
    }

    pub fn vantage() -> Vantage {
        Vantage {
            name: "host/test".into(),
            resolver: super::super::Resolver::system(),
            targets: Default::default(),
            cloud_sql: Default::default(),
        }
    }

    #[test]
    fn the_latency_is_that_of_the_path_alone() {
        let (plan, vantage) = (plan(), vantage());
        let mut attempt = Attempt::start(&plan, &vantage);
        let record = |stage, start, duration| StageRecord {
            stage,
            step: None,
            start: Duration::from_millis(start),
            duration: Duration::from_millis(duration),
            limit: Duration::from_secs(1),
            passed: true,
        };
        attempt.stages =
            vec![record(Stage::Token, 0, 7), record(Stage::Connect, 7, 10), record(Stage::Assert, 17, 100)];
        assert_eq!(attempt.latency(), Duration::from_millis(10));
    }

    #[test]
    fn an_answer_that_nobody_asks_for_is_not_even_computed() {
        let (plan, vantage) = (plan(), vantage());
        let mut attempt = Attempt::start(&plan, &vantage);
        attempt.answer("status", || unreachable!("nobody asks"));
        attempt.listen();
        attempt.answer("status", || json!(301));
        attempt.answer("status", || json!(200));
        assert_eq!(attempt.answers(), [("status", json!(200))], "the last value wins");
    }
}
