//! When a check is probed: by interval, by cron, after a change of its plan, spread at the start, or not at all.

use super::*;

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
fn a_suspended_check_is_not_probed() {
    let spec = "{suspend: true, probes: [{name: database, tcp: {host: 10.0.0.1, port: 5432}}]}";
    let world = World::start(plan(1, spec), None);
    assert!(world.runs.is_empty() && world.wake.is_none());
    assert_eq!(world.ready(), (UNKNOWN, "Suspended".to_owned()));
    assert!(world.told.iter().all(|notice| !notice.warning), "it is as someone wants it: {:?}", world.told);
}
