//! How often what Google Cloud says is read: beside the check's own runs and at most once a minute, and every minute while something
//! is broken or gave no answer.

use std::time::Duration;

use runready::api::Cause;
use runready::cloud::{Picture, Reading, Why};
use runready::engine::Event;
use runready::evidence::Outcome;

use super::{SPEC, show, show_well, unread, with_connector_at, world_of};
use crate::engine::{FALSE, TRUE, World, failed, plan};

/// Wakes until the next inspection, while every run passes; returns how long that took.
fn until_inspected(world: &mut World) -> Duration {
    let (before, begun) = (world.inspections.len(), world.now.mono);
    while world.inspections.len() == before {
        assert!(world.now.mono - begun < 10 * HOUR, "nothing is read any more");
        let runs = world.runs.len();
        world.wake();
        if world.runs.len() > runs {
            world.observe(&[Outcome::Passed]);
        }
    }
    world.now.mono - begun
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A world of that cadence, in which all is well and nothing is under way. The spec says nothing of inspections.
fn well_at(cadence: &str) -> World {
    let spec = SPEC.replace("interval: 10s", cadence).replace("inspect: {interval: 30s}, ", "");
    let mut world = world_of(plan(1, &spec), None);
    world.observe(&[Outcome::Passed]);
    show_well(&mut world);
    // The first run is at once, and the second at the check's own time.
    world.round(&[Outcome::Passed]);
    world
}

#[test]
fn a_check_that_runs_seldom_is_read_beside_its_runs_alone() {
    for cadence in ["interval: 1h", "schedule: \"0 * * * *\""] {
        let mut world = well_at(cadence);
        assert_eq!(world.inspections.len(), 2, "{cadence}: beside each run");
        show_well(&mut world);
        for _ in 0..3 {
            let runs = world.runs.len();
            assert_eq!(until_inspected(&mut world), HOUR, "{cadence}");
            assert_eq!(world.runs.len(), runs + 1, "{cadence}: beside the run");
            assert_eq!(world.inspections.last().map(|(_, failing)| *failing), Some(false));
            show_well(&mut world);
        }
    }
}

#[test]
fn a_check_that_runs_often_is_read_once_a_minute() {
    let mut world = well_at("interval: 10s");
    for _ in 0..3 {
        let begun = world.inspections.len();
        until_inspected(&mut world);
        show_well(&mut world);
        assert_eq!((world.inspections.len(), until_inspected(&mut world)), (begun + 1, MINUTE));
        show_well(&mut world);
    }
}

#[test]
fn while_a_check_that_runs_seldom_fails_it_is_read_every_minute() {
    let mut world = well_at("interval: 1h");
    show_well(&mut world);
    world.round(&[failed(Cause::ConnectTimeout)]);
    // Beside the run, and at once when the probe began to fail: never two at a time.
    show_well(&mut world);
    assert_eq!(world.inspections[2..], [(3, false), (4, true)]);
    show_well(&mut world);
    for _ in 0..3 {
        assert_eq!(until_inspected(&mut world), MINUTE);
        assert_eq!(world.inspections.last().map(|(_, failing)| *failing), Some(true));
        show_well(&mut world);
    }
    world.round(&[Outcome::Passed]);
    // One was under way when the probe ran, and is followed by the one beside the run.
    show_well(&mut world);
    show_well(&mut world);
    assert_eq!(until_inspected(&mut world), HOUR, "it works again");
}

#[test]
fn while_a_hop_is_broken_it_is_read_every_minute_although_the_probes_pass() {
    let mut world = with_connector_at("interval: 1h", "host/test", "ERROR");
    assert_eq!(world.ready().0, FALSE);
    assert_eq!(until_inspected(&mut world), MINUTE);
    show_well(&mut world);
    assert_eq!(world.ready().0, TRUE, "its mending is seen within a minute");
    let runs = world.runs.len();
    until_inspected(&mut world);
    assert_eq!(world.runs.len(), runs + 1, "beside the next run");
}

#[test]
fn what_gave_no_answer_is_asked_again_after_a_minute_and_a_refusal_is_not() {
    for (why, again) in [(Why::Unavailable, MINUTE), (Why::PermissionDenied, HOUR)] {
        let mut world = well_at("interval: 1h");
        let service = Reading::Unread(unread(&world, why, "no"));
        show(&mut world, Picture { service, ..Picture::default() });
        assert_eq!(until_inspected(&mut world), again, "{why:?}");
    }
    let mut world = well_at("interval: 1h");
    world.step(Event::NotInspected { run: 2 });
    assert_eq!(until_inspected(&mut world), MINUTE, "its time was up");
}

#[test]
fn an_interval_in_the_spec_goes_before_the_checks_own_cadence() {
    let spec = SPEC.replace("interval: 10s", "interval: 1h").replace("30s", "5m");
    let mut world = world_of(plan(1, &spec), None);
    world.observe(&[Outcome::Passed]);
    show_well(&mut world);
    assert_eq!(until_inspected(&mut world), 5 * MINUTE);
    show_well(&mut world);
    world.round(&[failed(Cause::ConnectTimeout)]);
    while world.inspections.last().is_some_and(|(_, failing)| !failing) {
        show_well(&mut world);
    }
    show_well(&mut world);
    assert_eq!(until_inspected(&mut world), MINUTE, "people wait for news of a check that fails");
}
