//! The condition StartsWithinBudget: there with a budget alone, and what it says.

use std::time::Duration;

use runready::api::Cause;
use runready::api::Stage;
use runready::api::condition::{Condition, ConditionStatus};
use runready::engine::Event;
use runready::evidence::{Evidence, Fact, Failure, Outcome, StageRecord};

use super::{World, plan};

const POOL: &str = "{interval: 1m, timeout: 40s, failureThreshold: 1, startupBudget: 35s, probes: [{name: pool, \
    postgres: {host: 10.0.0.1, database: app, user: app, connections: 40}}]}";

fn condition(world: &World) -> Option<&Condition> {
    world.last().conditions.iter().find(|condition| condition.type_ == "StartsWithinBudget")
}

fn record(stage: Stage, start: u64, duration: u64) -> StageRecord {
    let [start, duration] = [start, duration].map(Duration::from_millis);
    StageRecord { stage, step: None, start, duration, limit: Duration::from_secs(40), passed: true }
}

/// Ends the run in flight with an observation of the pool.
fn observe(world: &mut World, outcome: Outcome, stages: Vec<StageRecord>) {
    let latency = stages.last().map(|record| record.start + record.duration).expect("stages");
    let run = *world.runs.last().expect("a run");
    let evidence = Evidence {
        probe: 0,
        vantage: "host/test".into(),
        outcome,
        start: Duration::ZERO,
        latency,
        stages,
        steps: Vec::new(),
        addresses: Vec::new(),
        facts: vec![(Fact::ConnectionsUsable, "40 of 40".into())],
    };
    world.step(Event::Observed { run, evidence: vec![evidence] });
}

#[test]
fn a_start_up_within_its_budget_says_what_it_took() {
    let mut world = World::start(plan(1, POOL), None);
    observe(&mut world, Outcome::Passed, vec![record(Stage::Connect, 0, 200), record(Stage::Query, 200, 3000)]);
    let judged = condition(&world).expect("the check has a budget");
    assert_eq!(judged.status, ConditionStatus::True);
    assert_eq!(judged.message, "pool: all 40 connections were usable after 3.2s of 35s");
}

#[test]
fn a_large_result_after_the_start_up_takes_none_of_its_budget() {
    let mut world = World::start(plan(1, POOL), None);
    let stages = vec![record(Stage::Query, 0, 34_000), record(Stage::Payload, 34_000, 5000)];
    observe(&mut world, Outcome::Passed, stages);
    let judged = condition(&world).expect("the check has a budget");
    assert_eq!((judged.status, &*judged.reason), (ConditionStatus::True, "Healthy"), "{}", judged.message);
}

#[test]
fn a_start_up_that_exceeds_its_budget_shows_the_arithmetic() {
    let mut world = World::start(plan(1, POOL), None);
    let told = "20 of 40 connections were usable after 35s; at this rate (1.8s each) all 40 need about 70s";
    let failure = Failure::new(Cause::StartupBudgetExceeded, Stage::Handshake, told);
    observe(&mut world, Outcome::Failed(failure), vec![record(Stage::Handshake, 0, 35_000)]);
    let judged = condition(&world).expect("the check has a budget");
    assert_eq!((judged.status, &*judged.reason), (ConditionStatus::False, "StartupBudgetExceeded"));
    assert_eq!(judged.message, format!("pool (postgres://app@10.0.0.1:5432/app): {told}"));
    assert_eq!(world.told.len(), 1, "Ready's own event speaks for it: {:?}", world.told);
}

#[test]
fn the_probe_that_exceeds_the_budget_is_named_although_a_load_stands_before_it() {
    let spec = "{interval: 1m, timeout: 40s, failureThreshold: 1, startupBudget: 35s, probes: [\
        {name: port, tcp: {host: 10.0.0.1, port: 5432}}, \
        {name: sustained, load: {probe: port, ratePerSecond: 5, window: 5s, every: 1h}}, \
        {name: pool, postgres: {host: 10.0.0.1, database: app, user: app, connections: 40}}]}";
    let mut world = World::start(plan(1, spec), None);
    let run = *world.runs.last().expect("a run");
    let failure = Failure::new(Cause::StartupBudgetExceeded, Stage::Handshake, "20 of 40 connections were usable");
    let evidence = vec![super::evidence(0, Outcome::Passed), super::evidence(2, Outcome::Failed(failure))];
    world.step(Event::Observed { run, evidence });
    let judged = condition(&world).expect("the check has a budget");
    assert_eq!((judged.status, &*judged.reason), (ConditionStatus::False, "StartupBudgetExceeded"));
    assert_eq!(judged.message, "pool (postgres://app@10.0.0.1:5432/app): 20 of 40 connections were usable");
}

#[test]
fn a_path_that_does_not_work_does_not_start_either_and_says_why() {
    let mut world = World::start(plan(1, POOL), None);
    let failure = Failure::new(Cause::TooManyConnections, Stage::Authenticate, "connection 6 of 40: too many clients");
    observe(&mut world, Outcome::Failed(failure), vec![record(Stage::Authenticate, 0, 10)]);
    let judged = condition(&world).expect("the check has a budget");
    assert_eq!((judged.status, &*judged.reason), (ConditionStatus::False, "TooManyConnections"));
}

#[test]
fn a_check_without_a_budget_has_no_such_condition() {
    let mut world = World::start(plan(1, super::ONE), None);
    world.observe(&[Outcome::Passed]);
    assert_eq!(condition(&world), None);
}
