//! The configuration that works: learned, compared, kept over a restart, and told in the verdict.

use std::sync::Arc;
use std::time::Duration;

use runready::api::{Cause, ConnectivityCheckStatus, Stage};
use runready::cloud::Picture;
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
