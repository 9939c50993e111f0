//! What a restart, and another pod in the place of the one before, resumes from a status.

use super::*;

#[test]
fn a_restart_resumes_thresholds_times_and_silence() {
    let spec = "{interval: 10s, failureThreshold: 3, probes: [{name: database, tcp: {host: 10.0.0.1, port: 5432}}]}";
    let mut before = World::start(plan(1, spec), None);
    before.observe(&[Outcome::Passed]);
    before.round(&[failed(Cause::ConnectTimeout)]);
    before.round(&[failed(Cause::ConnectTimeout)]);
    before.step(Event::Flush);
    let status = before.last().clone();
    assert_eq!(status.probes[0].streak, -2, "the streak is handed on");

    let mut after = World::start(plan(1, spec), Some(&status));
    after.pass(Duration::from_secs(3600));
    after.observe(&[failed(Cause::ConnectTimeout)]);
    assert_eq!(after.ready(), (FALSE, "ConnectTimeout".to_owned()), "the third in a row, over the restart");
    assert_eq!(after.told.len(), 1);

    let mut same = World::start(plan(1, spec), Some(&status));
    same.observe(&[Outcome::Passed]);
    assert!(same.told.is_empty() && same.written.is_empty(), "nothing new: {:?} {:?}", same.told, same.written);
    same.round(&[failed(Cause::ConnectTimeout)]);
    same.step(Event::Flush);
    assert_eq!(same.last().conditions[0].last_transition_time, status.conditions[0].last_transition_time);
}

/// A confirmed failure, as seen from a vantage.
fn failing_at(vantage: &str) -> ConnectivityCheckStatus {
    let mut before = World::start(plan(1, ONE), None);
    before.observe(&[failed(Cause::ConnectTimeout)]);
    before.round(&[failed(Cause::ConnectTimeout)]);
    let mut status = before.last().clone();
    status.probes[0].vantage = vantage.to_owned();
    status
}

#[test]
fn pods_take_each_other_s_place_and_other_vantages_do_not() {
    let resumed = |seen_from: &str, now_from: &str| {
        let settings = Settings::new(now_from.into());
        let mut effects = Vec::new();
        let status = failing_at(seen_from);
        let start = Start::Spread(Duration::from_secs(1));
        let state = CheckState::start(plan(1, ONE), Some(&status), start, start_of_time(), &settings, &mut effects);
        state.tracks()[0].established() == Some(ProbeState::Failing)
    };
    assert!(resumed("pod/runready/runready-7d4f-abcde", "pod/runready/runready-9c1b-fghij"), "a rollout");
    assert!(resumed("host/a", "host/a"));
    assert!(!resumed("host/a", "host/b"));
    assert!(!resumed("pod/runready/a", "pod/elsewhere/a"));
    assert!(!resumed("cloudrun/eu/backend", "pod/runready/a"));
    assert!(!resumed("pod/runready/a", "cloudrun/eu/backend"));
}

#[test]
fn an_announcement_is_not_taken_for_an_observation_after_a_restart() {
    let mut before = World::start(plan(3, ONE), None);
    before.wake();
    assert_eq!(kstatus(3, before.last()), Kstatus::InProgress);
    let mut after = World::start(plan(3, ONE), Some(&before.last().clone()));
    let conditions = after.state.status(after.now, &after.settings).conditions;
    assert!(
        conditions.iter().any(|condition| condition.type_ == "Reconciling"),
        "still to be observed: {conditions:?}"
    );
    after.observe(&[Outcome::Passed]);
    assert_eq!(kstatus(3, after.last()), Kstatus::Current);
}

#[test]
fn heartbeats_after_a_restart_do_not_fall_together() {
    let mut before = World::start(plan(1, ONE), None);
    before.observe(&[Outcome::Passed]);
    let status = before.last().clone();
    let mut minutes = std::collections::BTreeMap::new();
    for index in 0..200 {
        let spec: ConnectivityCheckSpec = serde_yaml::from_str(ONE).expect("a spec");
        let uid = format!("uid-{index}");
        let plan = plan::compile(CheckId::new("n", &uid), uid.as_str().into(), 1, &spec, &Secrets::default());
        let mut world = World::start(Arc::new(plan), Some(&status));
        world.observe(&[Outcome::Passed]);
        while world.written.is_empty() {
            world.round(&[Outcome::Passed]);
        }
        *minutes.entry((world.now.mono - start_of_time().mono).as_secs() / 60).or_insert(0) += 1;
    }
    assert!(minutes.len() >= 5 && minutes.values().all(|count| *count < 80), "by minute: {minutes:?}");
    assert!(minutes.keys().all(|minute| *minute <= 5), "none later than the heartbeat: {minutes:?}");
}

#[test]
fn a_restart_resumes_a_skipped_probe_and_a_degraded_one_on_its_way_down() {
    let spec = "{interval: 10s, probes: [{name: name, dns: {name: db.internal}}, \
                {name: database, tcp: {host: db.internal, port: 5432}, dependsOn: [name]}]}";
    let gone = || Outcome::Failed(Failure::new(Cause::NameNotFound, Stage::Resolve, "NXDOMAIN"));
    let skipped = || Outcome::Skipped { because_of: 0 };
    let mut before = World::start(plan(1, spec), None);
    before.observe(&[Outcome::Passed, Outcome::Passed]);
    before.round(&[gone(), skipped()]);
    before.round(&[gone(), skipped()]);
    let mut after = World::start(plan(1, spec), Some(&before.last().clone()));
    after.observe(&[Outcome::Passed, failed(Cause::ConnectTimeout)]);
    assert_eq!(after.state.tracks()[1].state(), ProbeState::Healthy, "one failure of two is no verdict");

    let slow = Outcome::Degraded(Failure::new(Cause::LatencyExceeded, Stage::Connect, "answered after 2s"));
    let mut before = World::start(plan(1, ONE), None);
    before.observe(std::slice::from_ref(&slow));
    before.round(&[slow]);
    before.round(&[failed(Cause::ConnectTimeout)]);
    before.step(Event::Flush);
    assert!(before.last().probes[0].message.contains("worse than Degraded"));
    let after = World::start(plan(1, ONE), Some(&before.last().clone()));
    let message = &after.state.tracks()[0].failure().expect("Degraded").message;
    assert_eq!(&**message, Cause::LatencyExceeded.summary(), "what the state rests on, not what was seen last");
}
