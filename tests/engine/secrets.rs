//! What a Secret that appears, changes or goes means for a check that runs.

use super::*;

#[test]
fn a_rotated_secret_is_for_the_next_run_and_disturbs_none() {
    let mut world = World::start(plan_with(1, WITH_SECRET, found("password", "before")), None);
    world.pass(Duration::from_millis(300));
    world.step(Event::PlanChanged(plan_with(1, WITH_SECRET, found("password", "afterwards"))));
    assert_eq!((world.runs.as_slice(), world.cancelled), (&[1][..], 0), "the run in flight goes on");
    world.observe(&[Outcome::Passed, Outcome::Passed]);
    assert_eq!(world.ready(), (TRUE, "Healthy".to_owned()), "and counts");
    world.step(Event::PlanChanged(plan_with(1, WITH_SECRET, found("password", "again"))));
    assert_eq!(world.runs, [1], "not before it is due");
    world.round(&[Outcome::Passed, Outcome::Passed]);
    assert_eq!((world.runs.len(), world.written.len()), (2, 1));
}

#[test]
fn a_secret_that_can_not_be_read_disturbs_no_run() {
    let unreadable = |why: &str| plan_with(1, WITH_SECRET, Lookup::Unreadable(why.to_owned()));
    let mut world = World::start(unreadable("timed out"), None);
    world.step(Event::PlanChanged(unreadable("refused")));
    world.step(Event::PlanChanged(unreadable("timed out")));
    assert_eq!((world.runs.as_slice(), world.cancelled), (&[1][..], 0));
}

#[test]
fn a_secret_that_was_missing_is_used_at_once_and_one_that_is_gone_is_told_at_once() {
    let missing = plan(1, WITH_SECRET);
    let blocked = missing.probes[1].action.as_ref().expect_err("blocked").clone();
    let mut world = World::start(missing, None);
    world.observe(&[Outcome::Passed, Outcome::Unknown(blocked)]);
    world.step(Event::PlanChanged(plan_with(1, WITH_SECRET, found("other", "x"))));
    assert_eq!(world.ready(), (UNKNOWN, "SecretKeyMissing".to_owned()), "no run is needed to know that");
    assert_eq!(world.runs, [1]);

    world.step(Event::PlanChanged(plan_with(1, WITH_SECRET, found("password", "x"))));
    assert_eq!(world.runs, [1, 2], "at once");
    world.wake();
    let stalled = |world: &World| world.last().conditions.iter().any(|condition| condition.type_ == "Stalled");
    assert!(!stalled(&world), "although the other probe has not answered yet");
    assert_eq!(world.ready(), (UNKNOWN, "Probing".to_owned()));
    world.observe(&[Outcome::Passed, Outcome::Passed]);
    assert_eq!(world.ready(), (TRUE, "Healthy".to_owned()));

    while world.runs.len() == 2 {
        world.wake();
    }
    world.step(Event::PlanChanged(plan(1, WITH_SECRET)));
    assert_eq!((world.ready(), stalled(&world)), ((UNKNOWN, "SecretNotFound".to_owned()), true));
    assert_eq!((world.runs.as_slice(), world.cancelled), (&[1, 2, 3][..], 0));
    world.observe(&[Outcome::Passed, Outcome::Passed]);
    assert_eq!(
        world.ready(),
        (UNKNOWN, "SecretNotFound".to_owned()),
        "what a run with the old one saw changes nothing"
    );
}

#[test]
fn a_secret_that_was_missing_is_not_kept_waiting_by_a_slow_run() {
    let mut world = World::start(plan(1, WITH_SECRET), None);
    world.pass(Duration::from_secs(1));
    world.step(Event::PlanChanged(plan_with(1, WITH_SECRET, found("password", "x"))));
    assert_eq!((world.runs.as_slice(), world.cancelled), (&[1, 2][..], 1));
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
fn a_blocked_probe_whose_dependency_fails_is_skipped_all_the_same() {
    let spec = WITH_SECRET.replace(
        "passwordSecretRef: {name: db, key: password}}",
        "passwordSecretRef: {name: db, key: password}}, dependsOn: [web]",
    );
    let mut world = World::start(plan(1, &spec), None);
    world.observe(&[failed(Cause::ConnectTimeout), Outcome::Skipped { because_of: 0 }]);
    assert_eq!(world.last().probes[1].state, ProbeState::Skipped);
}
