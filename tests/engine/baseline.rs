//! The configuration that works: learned, compared, kept over a restart, and told in the verdict.

use std::sync::Arc;
use std::time::Duration;

use runready::api::{Cause, ConnectivityCheckStatus, Stage};
use runready::baseline::PATIENCE;
use runready::cloud::{Inspection, Picture};
use runready::engine::{Event, Settings};
use runready::evidence::{Failure, Outcome};
use runready::plan::CheckPlan;
use serde_json::json;

use super::{FALSE, TRUE, UNKNOWN, World, plan};

const SPEC: &str = "{interval: 10s, service: {project: netra-staging, region: us-central1, name: backend}, \
    probes: [{name: database, tcp: {host: 10.20.0.3, port: 5432}}]}";
const CONNECTOR: &str = "projects/netra-staging/locations/us-central1/connectors/staging-connector";

fn world(plan: Arc<CheckPlan>, resume: Option<&ConnectivityCheckStatus>) -> World {
    World::start_with(Settings { inspect: true, ..Settings::new("host/test".into()) }, plan, resume)
}

fn timed_out() -> Outcome {
    let failure = Failure::before_start(Cause::ConnectTimeout, "no answer from 10.20.0.3:5432 within 5s");
    Outcome::Failed(Failure { stage: Some(Stage::Connect), ..failure })
}

/// What Google says of the service: with its connector, or without.
fn picture(connector: Option<&str>) -> Picture {
    let access = connector.map(|connector| json!({"connector": connector, "egress": "PRIVATE_RANGES_ONLY"}));
    serde_json::from_value(json!({"service": {"read": {
        "name": "projects/netra-staging/locations/us-central1/services/backend",
        "at": "2026-11-25T12:00:00Z",
        "object": {"template": {"vpcAccess": access}, "lastModifier": "deployer@example.com"},
    }}}))
    .expect("a picture")
}

/// One round, at the end of which every inspection that was asked for has ended with that picture.
fn round(world: &mut World, outcome: &Outcome, connector: Option<&str>) {
    world.round(std::slice::from_ref(outcome));
    if let Some((run, _)) = world.inspections.last().copied() {
        world.step(Event::Inspected { run, picture: Arc::new(picture(connector)) });
    }
}

fn rounds(world: &mut World, outcome: &Outcome, connector: Option<&str>, long: Duration) {
    let until = world.now.mono + long;
    while world.now.mono < until {
        round(world, outcome, connector);
    }
}

fn consistent(world: &World) -> (runready::api::condition::ConditionStatus, String, String) {
    let held = world.last().conditions.iter().find(|condition| condition.type_ == "ConfigurationConsistent");
    let held = held.expect("the check names a service");
    (held.status, held.reason.clone(), held.message.clone())
}

#[test]
fn a_connector_that_is_lost_shows_at_once_outlives_a_restart_and_stands_in_the_remedy() {
    let mut world = world(plan(1, SPEC), None);
    world.observe(&[Outcome::Passed]);
    rounds(&mut world, &Outcome::Passed, Some(CONNECTOR), Duration::from_secs(120));
    assert_eq!((consistent(&world).0, &*consistent(&world).1), (UNKNOWN, "Learning"));
    rounds(&mut world, &Outcome::Passed, Some(CONNECTOR), Duration::from_secs(300));
    assert_eq!(consistent(&world).0, TRUE, "{}", consistent(&world).2);
    assert!(world.last().baseline.is_some());

    rounds(&mut world, &Outcome::Passed, None, Duration::from_secs(130));
    let (status, reason, message) = consistent(&world);
    assert_eq!((status, &*reason), (FALSE, "Drifted"));
    assert!(
        message.starts_with(&format!("vpcAccess.connector of backend was \"{CONNECTOR}\", is not set since ")),
        "{message}"
    );
    assert_eq!(world.ready().0, TRUE, "it still works");

    let before = world.last().clone();
    let mut world = self::world(plan(1, SPEC), Some(&before));
    world.observe(&[timed_out()]);
    rounds(&mut world, &timed_out(), None, Duration::from_secs(130));
    let after = world.last();
    assert_eq!((&after.baseline, &after.drift), (&before.baseline, &before.drift));
    let remedy = &after.verdict.as_ref().expect("a verdict").remedy;
    assert!(
        remedy.contains(&format!("gcloud run services update backend --project=netra-staging --region=us-central1 --vpc-connector={CONNECTOR}")),
        "{remedy}"
    );
}

#[test]
fn what_is_configured_while_a_failure_is_being_confirmed_is_not_learned() {
    let spec = SPEC.replacen("interval: 10s", "interval: 10s, failureThreshold: 100", 1);
    let mut world = world(plan(1, &spec), None);
    world.observe(&[Outcome::Passed]);
    rounds(&mut world, &timed_out(), None, Duration::from_secs(600));
    assert_eq!(world.ready().0, TRUE, "not confirmed yet");
    assert_eq!(world.last().baseline, None);
}

#[test]
fn a_check_without_a_service_has_no_such_condition() {
    let mut world = world(plan(1, "{probes: [{name: a, tcp: {host: 10.0.0.1, port: 1}}]}"), None);
    world.observe(&[Outcome::Passed]);
    assert!(world.last().conditions.iter().all(|condition| condition.type_ != "ConfigurationConsistent"));
}

/// The same with what audit logs tell of the service, read at that time.
fn audited(connector: Option<&str>, at: jiff::Timestamp, entries: &serde_json::Value) -> Picture {
    let mut picture = serde_json::to_value(picture(connector)).expect("JSON");
    picture["auditLog"] = json!([{"read": {"name": "projects/netra-staging", "at": at, "object": entries}}]);
    serde_json::from_value(picture).expect("a picture")
}

/// An entry of the audit log: somebody has deployed the service half a minute ago.
fn deployed(world: &World) -> serde_json::Value {
    json!([{
        "at": world.now.wall.checked_sub(Duration::from_secs(30)).expect("a time"), "principal": "who@netra.example",
        "method": "google.cloud.run.v1.Services.ReplaceService", "resource": "namespaces/netra-staging/services/backend",
    }])
}

/// A world that has learned the connector, with no inspection under way.
fn learned(spec: &str) -> World {
    let mut world = world(plan(1, spec), None);
    world.observe(&[Outcome::Passed]);
    rounds(&mut world, &Outcome::Passed, Some(CONNECTOR), Duration::from_secs(420));
    assert_eq!(consistent(&world).0, TRUE, "{}", consistent(&world).2);
    assert!(world.sought.iter().all(|sought| sought.is_empty()), "nothing differs: {:?}", world.sought);
    world
}

/// Goes on until an inspection has been started.
fn until_inspected(world: &mut World, outcome: &Outcome) {
    let known = world.inspections.len();
    while world.inspections.len() == known {
        world.round(std::slice::from_ref(outcome));
    }
}

fn show(world: &mut World, picture: Picture) {
    let (run, _) = *world.inspections.last().expect("an inspection");
    world.step(Event::Inspected { run, picture: Arc::new(picture) });
}

#[test]
fn who_changed_it_is_looked_up_at_once_and_people_are_told_of_the_change_with_the_name() {
    let mut world = learned(SPEC);
    until_inspected(&mut world, &Outcome::Passed);
    let (inspections, written) = (world.inspections.len(), world.written.len());
    show(&mut world, picture(None));
    assert_eq!(world.inspections.len(), inspections + 1, "at once");
    let asked = &**world.sought.last().expect("an inspection");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].inspection, Inspection::Service);
    assert_eq!(world.written.len(), written, "it is told with the name");
    let read = audited(None, world.now.wall, &deployed(&world));
    show(&mut world, read);
    assert_eq!(world.inspections.len(), inspections + 1, "it is known");
    let (status, reason, message) = consistent(&world);
    assert_eq!((status, &*reason), (FALSE, "Drifted"));
    assert!(message.contains("(by who@netra.example)"), "{message}");
    assert_eq!(world.last().drift[0].by.as_deref(), Some("who@netra.example"));
    until_inspected(&mut world, &Outcome::Passed);
    assert!(world.sought.last().is_some_and(|sought| sought.is_empty()), "{:?}", world.sought.last());
    let written = world.written.len();
    show(&mut world, picture(None));
    assert_eq!(world.written.len(), written, "that it was not looked up again is no news");
}

#[test]
fn who_is_not_found_is_looked_for_with_every_inspection_for_a_while_and_never_in_a_hurry() {
    let mut world = learned(SPEC);
    until_inspected(&mut world, &Outcome::Passed);
    show(&mut world, picture(None));
    let (begun, first) = (world.now.mono, world.sought.len());
    while world.now.mono < begun + PATIENCE * 2 {
        let asked = world.sought.last().is_some_and(|sought| !sought.is_empty());
        let nothing = json!([]);
        let read = if asked { audited(None, world.now.wall, &nothing) } else { picture(None) };
        show(&mut world, read);
        until_inspected(&mut world, &Outcome::Passed);
    }
    let minutes = (world.now.mono - begun).as_secs() / 60;
    let inspections = world.sought.len() - first;
    assert!((inspections as u64).abs_diff(minutes) <= 1, "{inspections} in {minutes} minutes");
    let asked = world.sought[first - 1..].iter().take_while(|sought| !sought.is_empty()).count() as u64;
    assert!(asked.abs_diff(PATIENCE.as_secs() / 60) <= 2, "asked {asked} times");
    assert!(world.sought[first - 1..].iter().skip(asked as usize).all(|sought| sought.is_empty()), "given up for good");
    assert_eq!(world.last().drift[0].by, None);
}

#[test]
fn what_differs_is_told_although_nobody_could_be_asked_who_did_it() {
    let mut world = learned(SPEC);
    until_inspected(&mut world, &Outcome::Passed);
    show(&mut world, picture(None));
    assert_eq!(consistent(&world).0, TRUE, "it waits");
    let (run, _) = *world.inspections.last().expect("an inspection");
    world.step(Event::NotInspected { run });
    assert_eq!(consistent(&world).0, FALSE);
}

#[test]
fn an_outage_is_told_without_waiting_for_the_name_which_follows() {
    let mut world = learned(SPEC);
    for _ in 0..2 {
        world.round(&[timed_out()]);
    }
    assert_eq!(world.ready().0, FALSE);
    show(&mut world, picture(None));
    assert!(world.sought.last().is_some_and(|sought| sought.len() == 1), "{:?}", world.sought);
    assert_eq!((consistent(&world).0, world.last().drift[0].by.as_deref()), (FALSE, None), "at once");
    let read = audited(None, world.now.wall, &deployed(&world));
    show(&mut world, read);
    assert_eq!(world.last().drift[0].by.as_deref(), Some("who@netra.example"));
}

#[test]
fn where_audit_logs_are_switched_off_nothing_is_looked_up() {
    let mut world = learned(&SPEC.replacen("probes", "inspect: {skip: [AuditLog]}, probes", 1));
    until_inspected(&mut world, &Outcome::Passed);
    let inspections = world.inspections.len();
    show(&mut world, picture(None));
    assert_eq!((world.inspections.len(), consistent(&world).0), (inspections, FALSE));
    until_inspected(&mut world, &Outcome::Passed);
    assert!(world.sought.iter().all(|sought| sought.is_empty()), "{:?}", world.sought);
}
