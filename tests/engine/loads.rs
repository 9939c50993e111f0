//! Loads in the state machine: beside the ordinary runs, when they are due or the check works again, and what they leave behind.

use std::time::Duration;

use runready::api::condition::ConditionStatus;
use runready::api::{Cause, Stage};
use runready::engine::Event;
use runready::evidence::{Failure, Outcome};

use super::{World, evidence, plan};

const MINUTELY: &str = "{interval: 10s, failureThreshold: 1, probes: [{name: web, tcp: {host: 10.0.0.1, port: 80}}, \
    {name: load, load: {probe: web, ratePerSecond: 10, window: 5s, every: 1m}}]}";
const AFTERWARDS: &str = "{interval: 10s, failureThreshold: 1, probes: [{name: web, tcp: {host: 10.0.0.1, port: 80}}, \
    {name: load, load: {probe: web, ratePerSecond: 10, window: 5s, afterRecovery: true}}]}";

fn refused() -> Outcome {
    Outcome::Failed(Failure::new(Cause::ConnectionRefused, Stage::Connect, "refused"))
}

impl World {
    fn loaded(&mut self, outcome: Outcome) {
        let (run, probe) = *self.loads.last().expect("a load");
        self.step(Event::Loaded { run, evidence: Box::new(evidence(probe, outcome)) });
    }

    fn sustains(&self) -> (ConditionStatus, String) {
        let of_load = |condition: &&runready::api::condition::Condition| condition.type_ == "SustainsLoad";
        let condition = self.last().conditions.iter().find(of_load).expect("a condition for loads");
        (condition.status, condition.reason.clone())
    }
}

#[test]
fn a_load_runs_once_what_it_loads_works_and_then_at_its_own_interval() {
    let mut world = World::start(plan(1, MINUTELY), None);
    assert!(world.loads.is_empty(), "nothing is known of the peer yet");
    world.observe(&[Outcome::Passed]);
    assert_eq!(world.loads, [(1, 1)]);
    assert_eq!(world.ready().0, ConditionStatus::True, "a load that is yet to end keeps nobody waiting");
    assert_eq!(world.sustains(), (ConditionStatus::Unknown, "Probing".to_owned()));
    world.loaded(Outcome::Passed);
    assert_eq!(world.sustains().0, ConditionStatus::True);
    let started = world.now.mono;
    while world.loads.len() == 1 {
        world.round(&[Outcome::Passed]);
        assert!(world.now.mono < started + Duration::from_secs(75), "the second one is due");
    }
    assert!(world.now.mono >= started + Duration::from_secs(60), "no sooner than it is due");
    assert!(world.runs.len() >= 5, "ordinary runs went on");
}

#[test]
fn one_load_decides_and_ordinary_runs_leave_its_standing_alone() {
    let mut world = World::start(plan(1, MINUTELY), None);
    world.observe(&[Outcome::Passed]);
    world.loaded(Outcome::Failed(Failure::new(Cause::LoadNotSustained, Stage::Load, "3 of 50")));
    assert_eq!(world.ready(), (ConditionStatus::False, "LoadNotSustained".to_owned()));
    world.round(&[Outcome::Passed]);
    world.round(&[Outcome::Passed]);
    assert_eq!(world.sustains(), (ConditionStatus::False, "LoadNotSustained".to_owned()));
}

#[test]
fn a_load_that_is_due_waits_while_what_it_loads_fails() {
    let mut world = World::start(plan(1, MINUTELY), None);
    world.observe(&[refused()]);
    world.round(&[refused()]);
    assert!(world.loads.is_empty());
    assert_eq!(world.sustains(), (ConditionStatus::Unknown, "DependencyFailing".to_owned()));
    world.round(&[Outcome::Passed]);
    assert_eq!(world.loads.len(), 1);
}

#[test]
fn a_recovery_starts_a_load() {
    let mut world = World::start(plan(1, AFTERWARDS), None);
    world.observe(&[Outcome::Passed]);
    world.round(&[Outcome::Passed]);
    assert!(world.loads.is_empty(), "there was nothing to recover from");
    world.round(&[refused()]);
    assert!(world.loads.is_empty());
    world.round(&[Outcome::Passed]);
    assert_eq!(world.loads.len(), 1);
    world.loaded(Outcome::Passed);
    world.round(&[Outcome::Passed]);
    assert_eq!(world.loads.len(), 1, "once");
}

#[test]
fn a_restart_goes_on_counting_from_the_last_load() {
    let mut world = World::start(plan(1, MINUTELY), None);
    world.observe(&[Outcome::Passed]);
    world.loaded(Outcome::Passed);
    let status = world.last().clone();
    let mut world = World::start(plan(1, MINUTELY), Some(&status));
    world.observe(&[Outcome::Passed]);
    assert!(world.loads.is_empty(), "the last one was just now");
    while world.loads.is_empty() {
        world.round(&[Outcome::Passed]);
    }
}

#[test]
fn a_changed_plan_abandons_the_load_and_a_late_result_says_nothing() {
    let mut world = World::start(plan(1, MINUTELY), None);
    world.observe(&[Outcome::Passed]);
    world.step(Event::PlanChanged(plan(2, AFTERWARDS)));
    assert_eq!(world.loads_cancelled, 1);
    let before = world.written.len();
    world.loaded(Outcome::Passed);
    assert_eq!(world.written.len(), before);
}
