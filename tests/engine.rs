//! The state machine of a check, event by event: no I/O, and time is an argument.

mod baseline;
mod cadence;
mod cloud;
mod loads;
mod recovery;
mod restart;
mod secrets;
mod startup;
mod told;

use std::sync::Arc;
use std::time::Duration;

use runready::api::condition::ConditionStatus;
use runready::api::{Cause, ConnectivityCheckSpec, ConnectivityCheckStatus, Layer, ProbeState, Stage};
use runready::cloud::Subject;
use runready::engine::{CheckState, Effect, Event, Now, Settings, Start};
use runready::evidence::{AddressRecord, Evidence, Failure, Outcome, StageRecord};
use runready::plan::secrets::Lookup;
use runready::plan::{self, CheckId, CheckPlan, Occasion, Secrets, Turn};
use runready::source::{Notice, StatusUpdate};
use secrecy::SecretSlice;

use crate::support::kstatus::{Kstatus, kstatus};

/// A check with the clock in the test's hand.
struct World {
    state: CheckState,
    settings: Settings,
    now: Now,
    runs: Vec<u64>,
    cancelled: usize,
    /// The loads that were started: run and probe.
    loads: Vec<(u64, usize)>,
    loads_cancelled: usize,
    /// The inspections that were started: run, and whether a probe fails.
    inspections: Vec<(u64, bool)>,
    /// Of what each of them asks audit logs for.
    sought: Vec<Box<[Subject]>>,
    /// The inspections that were started because a probe had turned.
    turned: Vec<(u64, Turn)>,
    inspections_cancelled: usize,
    overruns: usize,
    wake: Option<Duration>,
    written: Vec<StatusUpdate>,
    told: Vec<Notice>,
}

fn plan(generation: i64, spec: &str) -> Arc<CheckPlan> {
    plan_with(generation, spec, Lookup::Missing)
}

/// A plan for which the Secret db was looked up.
fn plan_with(generation: i64, spec: &str, db: Lookup) -> Arc<CheckPlan> {
    let spec: ConnectivityCheckSpec = serde_yaml::from_str(spec).expect("a spec");
    let mut secrets = Secrets::default();
    secrets.insert("db".to_owned(), db);
    Arc::new(plan::compile(CheckId::new("staging", "backend"), "uid-1".into(), generation, &spec, &secrets))
}

fn found(key: &str, value: &str) -> Lookup {
    Lookup::Found([(key.to_owned(), SecretSlice::from(value.as_bytes().to_vec()))].into())
}

/// A probe that needs the Secret db beside one that needs none.
const WITH_SECRET: &str = "{interval: 10s, probes: [{name: web, tcp: {host: 10.0.0.1, port: 80}}, \
    {name: database, postgres: {host: 10.0.0.1, database: app, user: app, passwordSecretRef: {name: db, key: password}}}]}";

const ONE: &str = "{interval: 10s, probes: [{name: database, tcp: {host: 10.0.0.1, port: 5432}}]}";

fn start_of_time() -> Now {
    Now { mono: Duration::from_secs(100), wall: "2026-01-01T00:00:00Z".parse().expect("a time") }
}

impl World {
    fn start(plan: Arc<CheckPlan>, resume: Option<&ConnectivityCheckStatus>) -> Self {
        Self::start_with(Settings::new("host/test".into()), plan, resume)
    }

    fn start_with(settings: Settings, plan: Arc<CheckPlan>, resume: Option<&ConnectivityCheckStatus>) -> Self {
        let now = start_of_time();
        let mut effects = Vec::new();
        let state = CheckState::start(plan, resume, Start::AtOnce, now, &settings, &mut effects);
        let mut world = World {
            state,
            settings,
            now,
            runs: Vec::new(),
            cancelled: 0,
            loads: Vec::new(),
            loads_cancelled: 0,
            inspections: Vec::new(),
            sought: Vec::new(),
            turned: Vec::new(),
            inspections_cancelled: 0,
            overruns: 0,
            wake: None,
            written: Vec::new(),
            told: Vec::new(),
        };
        world.note(effects);
        world
    }

    fn note(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Observe { run, .. } => self.runs.push(run),
                Effect::Cancel => self.cancelled += 1,
                Effect::Load { run, probe } => self.loads.push((run, probe)),
                Effect::CancelLoad => self.loads_cancelled += 1,
                Effect::Inspect { run, occasion: Occasion { failing, turned, changed }, plan: _ } => {
                    self.inspections.push((run, failing));
                    self.turned.extend(turned.map(|turn| (run, turn)));
                    self.sought.push(changed);
                }
                Effect::CancelInspection => self.inspections_cancelled += 1,
                Effect::Overrun => self.overruns += 1,
                Effect::WriteStatus(update) => self.written.push(*update),
                Effect::Publish(notice) => self.told.push(notice),
                Effect::WakeAt(at) => self.wake = Some(at),
            }
        }
    }

    fn step(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.state.step(event, self.now, &self.settings, &mut effects);
        self.note(effects);
    }

    fn pass(&mut self, time: Duration) {
        self.now.mono += time;
        self.now.wall = self.now.wall.checked_add(time).expect("in range");
    }

    /// Goes to the next wake and delivers it.
    fn wake(&mut self) {
        let at = self.wake.take().expect("a wake was asked for");
        self.pass(at.saturating_sub(self.now.mono));
        self.step(Event::Due);
    }

    /// Ends the run in flight with these outcomes.
    fn observe(&mut self, outcomes: &[Outcome]) {
        let evidence = outcomes.iter().enumerate().map(|(probe, outcome)| evidence(probe, outcome.clone())).collect();
        let run = *self.runs.last().expect("a run");
        self.step(Event::Observed { run, evidence });
    }

    /// Wakes until a new run starts, and ends it.
    fn round(&mut self, outcomes: &[Outcome]) {
        let before = self.runs.len();
        while self.runs.len() == before {
            self.wake();
        }
        self.observe(outcomes);
    }

    fn last(&self) -> &ConnectivityCheckStatus {
        &self.written.last().expect("a status was written").status
    }

    fn ready(&self) -> (ConditionStatus, String) {
        ready(self.last())
    }
}

fn ready(status: &ConnectivityCheckStatus) -> (ConditionStatus, String) {
    let ready = status.conditions.first().expect("conditions");
    assert_eq!(ready.type_, "Ready", "Ready comes first");
    (ready.status, ready.reason.clone())
}

fn evidence(probe: usize, outcome: Outcome) -> Evidence {
    let passed = matches!(outcome, Outcome::Passed | Outcome::Degraded(_));
    let connect = StageRecord {
        stage: Stage::Connect,
        step: None,
        start: Duration::ZERO,
        duration: Duration::from_millis(3),
        limit: Duration::from_secs(10),
        passed,
    };
    let address = "10.0.0.1:5432".parse().expect("an address");
    let cause = outcome.failure().map(|failure| failure.cause);
    let tried = AddressRecord { address, duration: Duration::from_millis(3), cause };
    Evidence {
        probe,
        vantage: "host/test".into(),
        outcome,
        start: Duration::ZERO,
        latency: Duration::from_millis(3),
        stages: vec![connect],
        steps: Vec::new(),
        addresses: vec![tried],
        facts: Vec::new(),
    }
}

fn failed(cause: Cause) -> Outcome {
    Outcome::Failed(Failure::new(cause, Stage::Connect, "connecting to 10.0.0.1:5432: no answer within 10s"))
}

const TRUE: ConditionStatus = ConditionStatus::True;

const FALSE: ConditionStatus = ConditionStatus::False;

const UNKNOWN: ConditionStatus = ConditionStatus::Unknown;

#[test]
fn a_new_check_is_probed_at_once_and_written_with_its_first_result() {
    let mut world = World::start(plan(1, ONE), None);
    assert_eq!(world.runs, [1], "no wait");
    assert!(world.written.is_empty(), "nothing is known yet");
    world.observe(&[Outcome::Passed]);
    assert_eq!(world.ready(), (TRUE, "Healthy".to_owned()));
    assert_eq!(world.last().observed_generation, Some(1));
    assert_eq!(world.written.len(), 1);
    assert_eq!(world.told.len(), 1);
    assert!(!world.told[0].warning);
    assert_eq!(kstatus(1, world.last()), Kstatus::Current);
}

#[test]
fn a_slow_first_probe_is_announced() {
    let mut world = World::start(plan(3, ONE), None);
    world.wake();
    assert_eq!(world.now.mono, start_of_time().mono + Duration::from_millis(500));
    assert_eq!(world.ready(), (UNKNOWN, "Probing".to_owned()));
    assert_eq!(kstatus(3, world.last()), Kstatus::InProgress);
    assert!(world.told.is_empty(), "that an answer is on its way need not be told");
    world.observe(&[Outcome::Passed]);
    assert_eq!(kstatus(3, world.last()), Kstatus::Current);
    assert!(world.last().conditions.iter().all(|condition| condition.type_ != "Reconciling"), "removed");
}

#[test]
fn thresholds_decide_and_the_first_failure_of_a_new_check_is_not_a_verdict() {
    let mut world = World::start(plan(1, ONE), None);
    world.observe(&[failed(Cause::ConnectTimeout)]);
    assert_eq!(world.ready(), (UNKNOWN, "Confirming".to_owned()));
    assert!(world.last().conditions[0].message.contains("1 of 2"), "{}", world.last().conditions[0].message);
    assert!(world.last().verdict.is_none());
    world.round(&[failed(Cause::ConnectTimeout)]);
    assert_eq!(world.ready(), (FALSE, "ConnectTimeout".to_owned()));
    let verdict = world.last().verdict.as_ref().expect("a verdict");
    assert_eq!((verdict.layer.as_str(), verdict.cause), ("Network", Cause::ConnectTimeout));
    assert_eq!(kstatus(1, world.last()), Kstatus::InProgress, "not ready, and not given up");
    assert!(world.told.last().is_some_and(|notice| notice.warning && notice.reason == "ConnectTimeout"));
}

#[test]
fn what_depends_on_a_failing_probe_is_skipped_with_the_reason() {
    let spec = "{interval: 10s, failureThreshold: 1, probes: [{name: name, dns: {name: db.internal}}, \
                {name: database, tcp: {host: db.internal, port: 5432}, dependsOn: [name]}]}";
    let mut world = World::start(plan(1, spec), None);
    let gone = Outcome::Failed(Failure::new(Cause::NameNotFound, Stage::Resolve, "NXDOMAIN"));
    world.observe(&[gone, Outcome::Skipped { because_of: 0 }]);
    assert_eq!(world.ready(), (FALSE, "NameNotFound".to_owned()));
    let database = &world.last().probes[1];
    assert_eq!(
        (database.state, database.message.as_str()),
        (ProbeState::Skipped, "skipped, because name does not pass")
    );
}

#[test]
fn a_path_slower_than_the_startup_budget_is_not_ready() {
    let spec = "{interval: 10s, failureThreshold: 1, startupBudget: 5ms, probes: [{name: a, tcp: {host: 10.0.0.1, port: 1}}, \
                {name: b, tcp: {host: 10.0.0.1, port: 2}, dependsOn: [a]}]}";
    let mut world = World::start(plan(1, spec), None);
    world.observe(&[Outcome::Passed, Outcome::Passed]);
    assert_eq!(world.ready(), (FALSE, "StartupBudgetExceeded".to_owned()), "3 ms, then 3 ms more");
    assert_eq!(world.last().probes[0].state, ProbeState::Healthy);
}

#[test]
fn a_service_s_check_that_is_healthy_says_from_where_it_was_seen() {
    let spec = "{interval: 10s, service: {project: p, region: r, name: backend}, \
                probes: [{name: database, tcp: {host: 10.0.0.1, port: 5432}}]}";
    let mut world = World::start(plan(1, spec), None);
    world.observe(&[Outcome::Passed]);
    assert_eq!(world.ready(), (TRUE, "Healthy".to_owned()));
    let message = &world.last().conditions[0].message;
    assert!(message.contains("as seen from host/test; the service's own way out of Cloud Run was not on"), "{message}");

    let mut world = World::start(plan(1, ONE), None);
    world.observe(&[Outcome::Passed]);
    assert_eq!(world.last().conditions[0].message, "the probe is healthy", "without a service there is no other way");
}

#[test]
fn a_probe_that_is_not_required_informs_but_does_not_decide() {
    let spec = "{interval: 10s, failureThreshold: 1, probes: [{name: a, tcp: {host: 10.0.0.1, port: 1}}, \
                {name: b, required: false, tcp: {host: 10.0.0.1, port: 2}}]}";
    let mut world = World::start(plan(1, spec), None);
    world.observe(&[Outcome::Passed, failed(Cause::ConnectionRefused)]);
    assert_eq!(world.ready(), (TRUE, "Healthy".to_owned()));
    assert!(world.last().conditions[0].message.contains("b (not required) fails"));
    assert!(world.last().verdict.is_some(), "and it is explained");
}
