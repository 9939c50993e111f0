//! When what Google Cloud says is read, one inspection at a time. How often is in `cadence`, what the status makes of it in `status`, and
//! what a broken hop means in `hop`.

mod cadence;
mod hop;
mod status;

use std::sync::Arc;
use std::time::Duration;

use runready::api::condition::Condition;
use runready::api::{Cause, ConnectivityCheckStatus};
use runready::cloud::reading::Found;
use runready::cloud::{Connector, Picture, Reading, Unread, Why};
use runready::engine::{Event, Settings};
use runready::evidence::Outcome;
use runready::plan::{CheckPlan, Turn};
use serde_json::json;

use super::{FALSE, TRUE, World, failed, plan};

const SPEC: &str = "{interval: 10s, service: {project: netra-staging, region: us-central1, name: backend}, \
    inspect: {interval: 30s}, probes: [{name: database, tcp: {host: 10.0.0.1, port: 5432}}]}";

fn world_of(plan: Arc<CheckPlan>, resume: Option<&ConnectivityCheckStatus>) -> World {
    World::start_with(Settings { inspect: true, ..Settings::new("host/test".into()) }, plan, resume)
}

fn world() -> World {
    world_of(plan(1, SPEC), None)
}

fn zones_at(world: &World) -> Reading<runready::cloud::Zones> {
    Reading::Read(Found {
        name: "projects/netra-staging/global/networks/staging".into(),
        at: world.now.wall,
        object: Arc::default(),
    })
}

fn unread(world: &World, why: Why, message: &str) -> Unread {
    Unread {
        name: "projects/netra-staging/locations/us-central1/services/backend".into(),
        at: world.now.wall,
        why,
        message: message.into(),
        remedy: "gcloud auth application-default login".into(),
    }
}

/// Ends the inspection under way with a picture.
pub fn show(world: &mut World, picture: Picture) {
    let (run, _) = *world.inspections.last().expect("an inspection");
    world.step(Event::Inspected { run, picture: Arc::new(picture) });
}

/// Ends it with zones that could be read, and nothing else.
fn show_well(world: &mut World) {
    let picture = Picture { dns_zones: zones_at(world), ..Picture::default() };
    show(world, picture);
}

fn infrastructure(world: &World) -> Option<&Condition> {
    world.last().conditions.iter().find(|condition| condition.type_ == "InfrastructureHealthy")
}

#[test]
fn an_inspection_is_due_at_the_start_and_at_every_interval_and_never_two_at_once() {
    let mut world = world();
    assert_eq!(world.inspections, [(1, false)], "at once");
    world.observe(&[Outcome::Passed]);
    for _ in 0..6 {
        world.round(&[Outcome::Passed]);
    }
    assert_eq!(world.inspections.len(), 1, "the first has not ended");
    show_well(&mut world);
    assert_eq!(world.inspections, [(1, false), (2, false)], "it was due long since");
    show_well(&mut world);
    let begun = world.now.mono;
    while world.inspections.len() == 2 {
        world.wake();
        if world.runs.len() > 7 {
            world.observe(&[Outcome::Passed]);
        }
    }
    assert_eq!(world.now.mono - begun, Duration::from_secs(30));
}

#[test]
fn a_probe_that_begins_to_fail_has_the_cloud_read_before_its_threshold_is_reached() {
    let mut world = world();
    show_well(&mut world);
    world.observe(&[Outcome::Passed]);
    world.round(&[failed(Cause::ConnectTimeout)]);
    assert_eq!(world.ready().0, TRUE, "one failure of two means nothing yet");
    assert_eq!(world.inspections, [(1, false), (2, true)]);
    show_well(&mut world);
    world.round(&[failed(Cause::ConnectTimeout)]);
    assert_eq!(world.inspections.len(), 2, "it fails on: nothing new");
    while world.inspections.len() == 2 {
        world.round(&[failed(Cause::ConnectTimeout)]);
    }
    assert_eq!(world.inspections[2], (3, true), "while it fails, it is read more often");
    assert_eq!(world.turned, [(2, Turn::Fails)], "what was read before it failed does not tell why");
}

#[test]
fn a_probe_that_works_again_has_the_cloud_read_before_the_check_is_ready_again() {
    let mut world = world_of(plan(1, &SPEC.replacen("{interval: 10s", "{interval: 10s, successThreshold: 2", 1)), None);
    show_well(&mut world);
    world.observe(&[failed(Cause::ConnectTimeout)]);
    show_well(&mut world);
    world.round(&[failed(Cause::ConnectTimeout)]);
    world.round(&[failed(Cause::ConnectTimeout)]);
    assert_eq!((world.ready().0, &*world.inspections), (FALSE, &[(1, false), (2, true)][..]));
    world.round(&[Outcome::Passed]);
    assert_eq!((world.ready().0, world.inspections.last()), (FALSE, Some(&(3, false))));
    assert_eq!(
        world.turned,
        [(2, Turn::Fails), (3, Turn::Works)],
        "what was read while it failed does not tell whether the hops are well"
    );
}

#[test]
fn a_failure_during_an_inspection_is_followed_by_another_at_once() {
    let mut world = world();
    world.observe(&[failed(Cause::ConnectTimeout)]);
    assert_eq!(world.inspections, [(1, false)], "never two at once");
    show_well(&mut world);
    assert_eq!(world.inspections, [(1, false), (2, true)]);
}

#[test]
fn a_probe_that_flaps_does_not_use_up_the_quota() {
    let mut world = world_of(plan(1, &SPEC.replacen("10s", "1s", 1)), None);
    show_well(&mut world);
    world.observe(&[Outcome::Passed]);
    let begun = world.now.mono;
    for round in 0..29 {
        let before = world.inspections.len();
        world.round(&[if round % 2 == 0 { failed(Cause::ConnectTimeout) } else { Outcome::Passed }]);
        if world.inspections.len() > before {
            show_well(&mut world);
        }
    }
    assert!(world.now.mono - begun < Duration::from_secs(30));
    assert!((4..=7).contains(&world.inspections.len()), "{:?}", world.inspections);
}

#[test]
fn a_changed_service_is_read_anew_and_a_late_answer_says_nothing_about_it() {
    let mut world = world();
    world.observe(&[Outcome::Passed]);
    show_well(&mut world);
    while world.inspections.len() == 1 {
        world.wake();
        world.observe(&[Outcome::Passed]);
    }
    let other = plan(2, &SPEC.replace("name: backend", "name: agents"));
    world.step(Event::PlanChanged(other));
    assert_eq!((world.inspections_cancelled, world.inspections.len()), (1, 3));
    world.observe(&[Outcome::Passed]);
    assert_eq!(infrastructure(&world).expect("it is inspected").reason, "Probing", "of the other nothing is known");
    world.step(Event::Inspected {
        run: 2,
        picture: Arc::new(Picture { dns_zones: zones_at(&world), ..Picture::default() }),
    });
    assert_eq!(infrastructure(&world).expect("it is inspected").reason, "Probing");
    show_well(&mut world);
    assert_eq!(infrastructure(&world).expect("it is inspected").reason, "Healthy");
}

#[test]
fn an_inspection_that_could_not_be_carried_out_is_tried_again() {
    let mut world = world();
    world.observe(&[Outcome::Passed]);
    world.step(Event::NotInspected { run: 1 });
    while world.inspections.len() == 1 {
        world.round(&[Outcome::Passed]);
    }
    assert_eq!(world.inspections[1], (2, false));
}

#[test]
fn nothing_is_read_without_a_service_where_all_is_switched_off_while_suspended_or_where_google_is_not_asked() {
    let all = "[Service, Revisions, Connector, Instance, Network, DnsZones, ConnectivityTest, ServiceHealth, Logs, Metrics, Access]";
    for (what, spec, inspect) in [
        ("no service", super::ONE.to_owned(), true),
        ("all off", SPEC.replace("interval: 30s}", &format!("skip: {all}}}")), true),
        ("suspended", SPEC.replacen('{', "{suspend: true, ", 1), true),
        ("not asked", SPEC.to_owned(), false),
    ] {
        let settings = Settings { inspect, ..Settings::new("host/test".into()) };
        let mut world = World::start_with(settings, plan(1, &spec), None);
        if what != "suspended" {
            world.observe(&[Outcome::Passed]);
            assert!(infrastructure(&world).is_none(), "{what}");
        }
        assert!(world.inspections.is_empty(), "{what}");
    }
}

#[test]
fn a_plan_knows_the_instance_and_the_targets_of_its_probes() {
    let spec = "{service: {project: p, region: r, name: s}, probes: [\
        {name: a, tcp: {host: 10.0.0.1, port: 5432}}, {name: b, http: {url: \"https://backend.example.com/healthz\"}}, \
        {name: c, tls: {host: 10.0.0.1, port: 5432}}, \
        {name: d, postgres: {cloudSql: {instance: \"p:r:db\"}, database: app, user: app}}]}";
    let plan = plan(1, spec).inspections.clone().expect("it names a service");
    assert_eq!(plan.instance.as_deref(), Some("p:r:db"));
    let targets: Vec<(&str, u16)> = plan.targets.iter().map(|(host, port)| (&**host, *port)).collect();
    assert_eq!(targets, [("10.0.0.1", 5432), ("backend.example.com", 443)]);
    assert_eq!(plan.interval, Duration::from_secs(60));
}

#[test]
fn what_a_stored_spec_asks_for_and_can_not_have_stalls_the_check_and_the_probes_go_on() {
    for (spec, field) in [
        (SPEC.replace("30s", "9s"), "spec.inspect.interval"),
        ("{inspect: {}, probes: [{name: a, tcp: {host: 10.0.0.1, port: 1}}]}".to_owned(), "spec.inspect"),
    ] {
        let mut world = world_of(plan(1, &spec), None);
        world.observe(&[Outcome::Passed]);
        assert!(world.inspections.is_empty());
        assert_eq!(world.ready().0, TRUE);
        let stalled = world.last().conditions.iter().find(|condition| condition.type_ == "Stalled").expect("Stalled");
        assert!(stalled.message.starts_with(field), "{}", stalled.message);
    }
}

pub fn with_connector_at(cadence: &str, vantage: &str, state: &str) -> World {
    let settings = Settings { inspect: true, ..Settings::new(vantage.into()) };
    let spec = SPEC.replace("inspect: {interval: 30s}, ", "").replace("interval: 10s", cadence);
    let mut world = World::start_with(settings, plan(1, &spec), None);
    world.observe(&[Outcome::Passed]);
    let picture = connector(&world, state);
    show(&mut world, picture);
    world
}

/// A picture of a connector in that state.
pub fn connector(world: &World, state: &str) -> Picture {
    let connector: Connector = serde_json::from_value(json!({"state": state})).expect("a connector");
    let name = "projects/netra-staging/locations/us-central1/connectors/staging";
    let found = Found { name: name.into(), at: world.now.wall, object: Arc::new(connector) };
    Picture { connector: Reading::Read(found), ..Picture::default() }
}
