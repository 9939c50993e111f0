//! What is written to a status and told in events, and when: a change of meaning, and no more.

use super::*;

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
