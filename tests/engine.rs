//! The state machine of a check, event by event: no I/O, and time is an argument.

mod baseline;
mod cloud;
mod loads;
mod restart;
mod secrets;
mod startup;

use std::sync::Arc;
use std::time::Duration;

use runready::api::condition::ConditionStatus;
use runready::api::{Cause, ConnectivityCheckSpec, ConnectivityCheckStatus, Layer, ProbeState, Stage};
use runready::cloud::Subject;
use runready::engine::{CheckState, Effect, Event, Now, Settings, Start};
use runready::evidence::{AddressRecord, Evidence, Failure, Outcome, StageRecord};
use runready::plan::secrets::Lookup;
use runready::plan::{self, CheckId, CheckPlan, Occasion, Secrets};
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
    turned: Vec<u64>,
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
                    self.turned.extend(turned.then_some(run));
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
    Evidence {
        probe,
        vantage: "host/test".into(),
        outcome,
        start: Duration::ZERO,
        latency: Duration::from_millis(3),
        stages: vec![connect],
        steps: Vec::new(),
        addresses: Vec::new(),
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
fn a_status_is_written_when_its_meaning_changes_and_otherwise_with_the_heartbeat() {
    let mut world = World::start(plan(1, ONE), None);
    world.observe(&[Outcome::Passed]);
    for _ in 0..29 {
        world.round(&[Outcome::Passed]);
    }
    assert_eq!(world.written.len(), 1, "just under 5 min of the same");
    while world.now.mono < start_of_time().mono + Duration::from_secs(301) {
        world.round(&[Outcome::Passed]);
    }
    assert_eq!(world.written.len(), 2, "the heartbeat");
    world.round(&[failed(Cause::ConnectTimeout)]);
    assert_eq!(world.written.len(), 2, "one failure of two means nothing yet");
    world.round(&[failed(Cause::ConnectTimeout)]);
    world.round(&[failed(Cause::ConnectTimeout)]);
    assert_eq!(world.written.len(), 3);
    world.round(&[failed(Cause::ConnectionRefused)]);
    assert_eq!(world.written.len(), 4, "another cause");
    assert_eq!(world.ready(), (FALSE, "ConnectionRefused".to_owned()));
    assert_eq!(world.told.len(), 3, "ready, failing, another cause: {:?}", world.told);
}

#[test]
fn transition_times_move_only_when_the_status_changes() {
    let mut world = World::start(plan(1, ONE), None);
    world.observe(&[failed(Cause::ConnectTimeout)]);
    world.round(&[failed(Cause::ConnectTimeout)]);
    let since = world.last().conditions[0].last_transition_time.clone();
    assert_eq!(since.0, world.now.wall);
    world.round(&[failed(Cause::ConnectionRefused)]);
    assert_eq!(world.last().conditions[0].last_transition_time, since, "still False");
    world.round(&[Outcome::Passed]);
    assert_eq!(world.last().conditions[0].last_transition_time.0, world.now.wall);
    assert!(world.told.last().is_some_and(|notice| notice.note.starts_with("Ready again after")), "{:?}", world.told);
}

#[test]
fn a_changed_plan_cancels_the_run_in_flight_and_starts_anew() {
    let mut world = World::start(plan(1, ONE), None);
    let other = "{interval: 10s, probes: [{name: database, tcp: {host: 10.0.0.2, port: 5432}}]}";
    world.pass(Duration::from_millis(300));
    world.step(Event::PlanChanged(plan(2, other)));
    assert_eq!((world.runs.as_slice(), world.cancelled), (&[1, 2][..], 1));
    let late = vec![evidence(0, Outcome::Passed)];
    world.step(Event::Observed { run: 1, evidence: late });
    assert!(world.written.is_empty(), "a run of the old plan says nothing about the new one");
    world.observe(&[Outcome::Passed]);
    assert_eq!(world.last().observed_generation, Some(2));
}

#[test]
fn a_blocked_probe_whose_dependency_fails_is_skipped_all_the_same() {
    let spec = WITH_SECRET.replace(
        "passwordSecretRef: {name: db, key: password}}",
        "passwordSecretRef: {name: db, key: password}}, dependsOn: [web]",
    );
    let mut world = World::start(plan(1, &spec), None);
    world.observe(&[failed(Cause::ConnectTimeout), Outcome::Skipped { because_of: 0 }]);
    assert_eq!(world.last().probes[1].state, ProbeState::Skipped);
}

#[test]
fn a_cadence_that_can_not_be_followed_blocks_every_probe() {
    let spec = "{schedule: every day, probes: [{name: database, tcp: {host: 10.0.0.1, port: 5432}}]}";
    let mut world = World::start(plan(1, spec), None);
    assert!(world.runs.is_empty() && world.wake.is_none(), "nobody has said when");
    assert_eq!(world.ready(), (UNKNOWN, "InvalidSpec".to_owned()));
    assert_eq!(kstatus(1, world.last()), Kstatus::Failed, "Stalled");
    assert!(world.last().next_probe_time.is_none());
    world.step(Event::PlanChanged(plan(2, ONE)));
    world.observe(&[Outcome::Passed]);
    world.step(Event::PlanChanged(plan(3, spec)));
    assert_eq!((world.ready(), world.wake.is_some()), ((UNKNOWN, "InvalidSpec".to_owned()), true));
    world.wake();
    assert_eq!(world.runs, [1], "an earlier wish is of no use");
}

const HOURLY: &str = "{schedule: \"0 * * * *\", probes: [{name: database, tcp: {host: 10.0.0.1, port: 5432}}]}";

/// Wakes until a new run starts, ends it, and returns the wall clock at its start.
fn next_run(world: &mut World) -> String {
    world.round(&[Outcome::Passed]);
    world.now.wall.to_string()
}

#[test]
fn cron_follows_the_wall_clock_when_it_jumps() {
    let mut world = World::start(plan(1, HOURLY), None);
    world.observe(&[Outcome::Passed]);
    assert_eq!(next_run(&mut world), "2026-01-01T01:00:00Z");
    let jump = |world: &mut World, minutes: i64| {
        world.now.wall = world.now.wall.checked_add(jiff::SignedDuration::from_mins(minutes)).expect("in range");
    };
    jump(&mut world, 30);
    assert_eq!(next_run(&mut world), "2026-01-01T02:00:00Z", "half an hour was lost");
    jump(&mut world, -90);
    assert_eq!(next_run(&mut world), "2026-01-01T01:00:00Z", "an hour and a half was won");
    jump(&mut world, 300);
    let late: jiff::Timestamp = next_run(&mut world).parse().expect("a time");
    let missed: jiff::Timestamp = "2026-01-01T06:00:00Z".parse().expect("a time");
    assert!(late.duration_since(missed).as_secs() <= 60, "what was missed is made up for once, soon: {late}");
    assert_eq!(next_run(&mut world), "2026-01-01T07:00:00Z");
}

#[test]
fn a_cron_occurrence_that_comes_a_moment_early_is_served_once() {
    let mut world = World::start(plan(1, HOURLY), None);
    world.observe(&[Outcome::Passed]);
    world.pass(Duration::from_secs(3600) - Duration::from_micros(900));
    // The shell lets timers go off this much early, and says so on the steady clock alone.
    world.now.mono += Duration::from_millis(1);
    world.step(Event::Due);
    world.step(Event::Due);
    assert_eq!((world.runs.as_slice(), world.overruns), (&[1, 2][..], 0));
    world.observe(&[Outcome::Passed]);
    world.pass(Duration::from_secs(60));
    world.step(Event::Due);
    assert_eq!(world.runs, [1, 2], "not again a moment later");
    let next: jiff::Timestamp = next_run(&mut world).parse().expect("a time");
    let wanted: jiff::Timestamp = "2026-01-01T02:00:00Z".parse().expect("a time");
    assert!(wanted.duration_since(next).as_millis() <= 1, "{next}");
}

#[test]
fn an_unchanged_probe_keeps_its_state_over_a_change_of_another() {
    let two = "{interval: 10s, probes: [{name: database, tcp: {host: 10.0.0.1, port: 5432}}, {name: cache, tcp: {host: 10.0.0.1, port: 6379}}]}";
    let mut world = World::start(plan(1, ONE), None);
    world.observe(&[Outcome::Passed]);
    world.step(Event::PlanChanged(plan(2, two)));
    world.observe(&[failed(Cause::ConnectTimeout), failed(Cause::ConnectTimeout)]);
    let states: Vec<ProbeState> = world.last().probes.iter().map(|probe| probe.state).collect();
    assert_eq!(states, [ProbeState::Healthy, ProbeState::Unknown]);
}

#[test]
fn a_run_that_overruns_is_counted_and_not_doubled() {
    let mut world = World::start(plan(1, ONE), None);
    while world.overruns == 0 {
        world.wake();
    }
    assert_eq!(world.runs, [1]);
    world.observe(&[Outcome::Passed]);
    world.round(&[Outcome::Passed]);
    assert_eq!(world.runs, [1, 2]);
}

#[test]
fn a_run_that_may_not_be_carried_out_is_made_up_for_when_next_due() {
    let mut world = World::start(plan(1, ONE), None);
    world.step(Event::NotCarriedOut { run: 1 });
    assert_eq!(world.runs, [1], "not at once: whoever leads now is at work");
    world.wake();
    world.wake();
    assert_eq!((world.runs.as_slice(), world.overruns), (&[1, 2][..], 0), "nothing was in flight");
    world.step(Event::NotCarriedOut { run: 1 });
    world.observe(&[Outcome::Passed]);
    assert_eq!(world.ready(), (TRUE, "Healthy".to_owned()), "an earlier run's fate is none of this one's");
}

#[test]
fn a_first_listing_is_spread() {
    let settings = Settings::new("host/test".into());
    let mut ticks = std::collections::BTreeMap::new();
    for index in 0..1000 {
        let spec: ConnectivityCheckSpec = serde_yaml::from_str(ONE).expect("a spec");
        let uid = format!("uid-{index}");
        let plan = plan::compile(CheckId::new("n", &uid), uid.as_str().into(), 1, &spec, &Secrets::default());
        let mut effects = Vec::new();
        let start = Start::Spread(Duration::from_secs(10));
        CheckState::start(Arc::new(plan), None, start, start_of_time(), &settings, &mut effects);
        let [Effect::WakeAt(at)] = effects[..] else { panic!("only a wish to be woken, not {effects:?}") };
        let wait = at - start_of_time().mono;
        assert!(wait <= Duration::from_secs(10), "{wait:?}");
        *ticks.entry(wait.as_millis() / 10).or_insert(0) += 1;
    }
    assert!(ticks.values().all(|count| *count <= 8), "a thundering herd: {ticks:?}");
    assert!(ticks.len() > 500, "{} ticks", ticks.len());
}

#[test]
fn a_missing_secret_is_stalled_and_does_not_stop_the_others() {
    let plan = plan(1, WITH_SECRET);
    assert_eq!(plan.faults[0].cause, Cause::SecretNotFound);
    let blocked = plan.probes[1].action.as_ref().expect_err("blocked").clone();
    let mut world = World::start(plan, None);
    world.observe(&[Outcome::Passed, Outcome::Unknown(blocked)]);
    assert_eq!(world.ready(), (UNKNOWN, "SecretNotFound".to_owned()));
    let stalled = world.last().conditions.iter().find(|condition| condition.type_ == "Stalled").expect("Stalled");
    assert_eq!(stalled.status, TRUE);
    assert!(stalled.message.contains("spec.probes[1].postgres.passwordSecretRef"), "{}", stalled.message);
    assert_eq!(world.last().probes[0].state, ProbeState::Healthy);
    assert_eq!(kstatus(1, world.last()), Kstatus::Failed);
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
fn a_suspended_check_is_not_probed() {
    let spec = "{suspend: true, probes: [{name: database, tcp: {host: 10.0.0.1, port: 5432}}]}";
    let world = World::start(plan(1, spec), None);
    assert!(world.runs.is_empty() && world.wake.is_none());
    assert_eq!(world.ready(), (UNKNOWN, "Suspended".to_owned()));
    assert!(world.told.iter().all(|notice| !notice.warning), "it is as someone wants it: {:?}", world.told);
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

#[test]
fn the_meaning_of_what_is_written_survives_a_round_trip() {
    let mut world = World::start(plan(1, ONE), None);
    world.observe(&[failed(Cause::ConnectTimeout)]);
    world.round(&[failed(Cause::ConnectTimeout)]);
    let text = serde_json::to_string(world.last()).expect("JSON");
    let status: ConnectivityCheckStatus = serde_json::from_str(&text).expect("a status");
    assert_eq!(serde_json::to_string(&status).expect("JSON"), text, "nothing is lost in writing and reading");
    let mut again = World::start(plan(1, ONE), Some(&status));
    again.observe(&[failed(Cause::ConnectTimeout)]);
    assert!(again.written.is_empty(), "the same meaning is not written again after a restart");
}

const TWO: &str = "{interval: 10s, failureThreshold: 1, probes: [{name: database, tcp: {host: 10.0.0.1, port: 5432}}, \
    {name: web, required: false, http: {url: 'http://10.0.0.2/'}}]}";

#[test]
fn a_concern_that_ready_does_not_speak_for_is_told_of_by_itself() {
    let mut world = World::start(plan(1, TWO), None);
    world.observe(&[Outcome::Passed, Outcome::Passed]);
    assert_eq!(world.told.len(), 1, "all is well, said once: {:?}", world.told);
    world.round(&[Outcome::Passed, failed(Cause::ConnectionRefused)]);
    assert_eq!(world.ready(), (TRUE, "Healthy".to_owned()));
    let web = world.told.last().expect("told");
    assert_eq!((world.told.len(), web.reason, web.warning), (2, "ConnectionRefused", true), "{:?}", world.told);
    assert!(web.note.contains("EndpointsServing=False: web"), "{web:?}");
    world.round(&[Outcome::Passed, failed(Cause::ConnectionRefused)]);
    assert_eq!(world.told.len(), 2, "nothing new: {:?}", world.told);
    world.round(&[Outcome::Passed, Outcome::Passed]);
    let restored = world.told.last().expect("told");
    assert!(restored.note.starts_with("EndpointsServing again after 20s"), "{restored:?}");
    assert!(!restored.warning && world.told.len() == 3, "{:?}", world.told);
    // What Ready speaks for is not told twice.
    world.round(&[failed(Cause::ConnectTimeout), Outcome::Passed]);
    world.round(&[Outcome::Passed, Outcome::Passed]);
    assert_eq!(world.told.len(), 5, "{:?}", world.told);
}

#[test]
fn another_layer_to_blame_is_told_although_the_cause_is_the_same() {
    let spec = TWO.replace("required: false, http: {url: 'http://10.0.0.2/'}", "tcp: {host: 10.0.0.2, port: 5432}");
    let mut world = World::start(plan(1, &spec), None);
    let silent = |probe: usize| {
        let address = format!("10.0.0.{}:5432", probe + 1).parse().expect("an address");
        let duration = Duration::from_secs(10);
        let addresses = vec![AddressRecord { address, duration, cause: Some(Cause::ConnectTimeout) }];
        Evidence { addresses, ..evidence(probe, failed(Cause::ConnectTimeout)) }
    };
    let layer = |world: &World| world.last().verdict.as_ref().expect("a verdict").layer;
    world.step(Event::Observed { run: 1, evidence: vec![silent(0), evidence(1, Outcome::Passed)] });
    assert_eq!((layer(&world), world.told.len()), (Layer::Network, 1), "one target is silent: {:?}", world.told);
    while world.runs.len() == 1 {
        world.wake();
    }
    world.step(Event::Observed { run: 2, evidence: vec![silent(0), silent(1)] });
    assert_eq!(layer(&world), Layer::Egress, "all are silent");
    assert_eq!(world.ready(), (FALSE, "ConnectTimeout".to_owned()));
    let told = world.told.last().expect("told");
    assert_eq!(world.told.len(), 2, "{:?}", world.told);
    assert!(told.note.starts_with("Egress layer: "), "{told:?}");
}
