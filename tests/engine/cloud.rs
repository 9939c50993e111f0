//! When what Google Cloud says is read, one inspection at a time, and what the status makes of it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runready::api::condition::Condition;
use runready::api::status::InspectionState;
use runready::api::{Cause, ConnectivityCheckStatus};
use runready::cloud::reading::Found;
use runready::cloud::{Absent, Connector, Inspection, Picture, Reading, Unread, Why};
use runready::engine::{Event, Settings};
use runready::evidence::Outcome;
use runready::plan::{CheckPlan, Turn};
use serde_json::json;

use super::{FALSE, TRUE, UNKNOWN, World, failed, plan};

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
fn a_picture_is_written_when_its_meaning_changes_and_not_because_it_was_read_again() {
    let mut world = world();
    world.observe(&[Outcome::Passed]);
    assert_eq!(world.written.len(), 1);
    let probing = infrastructure(&world).expect("the check names a service");
    assert_eq!((probing.status, &*probing.reason), (UNKNOWN, "Probing"));
    assert_eq!(world.ready().0, TRUE, "nobody waits for it");
    show_well(&mut world);
    assert_eq!(world.written.len(), 2);
    let known = infrastructure(&world).expect("it is inspected");
    assert_eq!((known.status, &*known.reason), (TRUE, "Healthy"), "{}", known.message);
    let count = world.inspections.len();
    while world.inspections.len() < count + 3 {
        let (runs, inspections) = (world.runs.len(), world.inspections.len());
        world.wake();
        if world.runs.len() > runs {
            world.observe(&[Outcome::Passed]);
        }
        if world.inspections.len() > inspections {
            show_well(&mut world);
        }
    }
    assert_eq!(world.written.len(), 2, "the same, read later");
}

#[test]
fn what_could_not_be_read_is_unknown_with_what_mends_it_and_ready_goes_by_the_probes() {
    let mut world = world();
    world.observe(&[Outcome::Passed]);
    let picture = Picture {
        service: Reading::Unread(unread(&world, Why::PermissionDenied, "HTTP 403: run.services.get is missing")),
        connector: Reading::Absent(Absent::Undiscovered),
        ..Picture::default()
    };
    show(&mut world, picture);
    let judged = infrastructure(&world).expect("it is inspected").clone();
    assert_eq!((judged.status, &*judged.reason), (UNKNOWN, "PermissionDenied"));
    assert!(judged.message.contains("Next: gcloud auth"), "{}", judged.message);
    assert_eq!(world.ready().0, TRUE);
    let entries = &world.last().inspections;
    let service = &entries[0];
    assert_eq!((service.state, service.reason.as_deref()), (InspectionState::Unread, Some("PermissionDenied")));
    assert_eq!(service.last_read_time.as_ref().map(|time| time.0), Some(world.now.wall));
    assert!(entries.iter().any(|entry| entry.reason.as_deref() == Some("Undiscovered")));
    let count = world.told.len();
    assert!(world.told.last().is_some_and(|notice| notice.reason == "PermissionDenied"), "{:?}", world.told);
    world.round(&[Outcome::Passed]);
    assert_eq!(world.told.len(), count, "told once");
}

#[test]
fn an_audit_log_that_can_not_be_read_is_told_and_no_fault_of_the_path() {
    let mut world = world();
    world.observe(&[Outcome::Passed]);
    let denied = unread(&world, Why::PermissionDenied, "HTTP 403: logging.logEntries.list is missing");
    let picture = Picture {
        dns_zones: zones_at(&world),
        audit_log: vec![
            Reading::Read(Found { name: "a".into(), at: world.now.wall, object: Arc::default() }),
            Reading::Unread(denied),
        ],
        ..Picture::default()
    };
    show(&mut world, picture);
    let judged = infrastructure(&world).expect("it is inspected");
    assert_eq!((judged.status, &*judged.reason), (TRUE, "Healthy"), "{}", judged.message);
    let entry =
        world.last().inspections.iter().find(|entry| entry.inspection == Inspection::AuditLog).expect("an entry");
    assert_eq!((entry.state, entry.reason.as_deref()), (InspectionState::Unread, Some("PermissionDenied")));
    assert!(entry.remedy.starts_with("gcloud auth"), "{}", entry.remedy);
    let written = world.written.len();
    while world.inspections.len() == 1 {
        world.round(&[Outcome::Passed]);
    }
    show_well(&mut world);
    assert_eq!(world.written.len(), written + 1, "that it is mended");
}

#[test]
fn where_there_are_no_credentials_the_status_says_so_and_nobody_is_called() {
    let mut world = world();
    world.observe(&[Outcome::Passed]);
    let count = world.told.len();
    let picture = Picture {
        service: Reading::Unread(unread(&world, Why::NoCredentials, "no Application Default Credentials")),
        ..Picture::default()
    };
    show(&mut world, picture);
    assert_eq!(infrastructure(&world).expect("it is inspected").reason, "NoCredentials");
    assert_eq!(world.told.len(), count);
}

#[test]
fn a_long_message_is_cut_so_that_a_status_stays_small() {
    let mut world = world();
    world.observe(&[Outcome::Passed]);
    let picture = Picture {
        service: Reading::Unread(unread(&world, Why::Malformed, &"ä".repeat(100_000))),
        ..Picture::default()
    };
    show(&mut world, picture);
    assert_eq!(world.last().inspections[0].message.chars().count(), 512);
    assert!(infrastructure(&world).expect("it is inspected").message.chars().count() <= 1024);
}

#[test]
fn a_restart_keeps_what_was_reported_until_it_is_read_anew() {
    let mut world = world();
    world.observe(&[Outcome::Passed]);
    show_well(&mut world);
    let status = world.last().clone();
    let mut again = world_of(plan(1, SPEC), Some(&status));
    again.observe(&[Outcome::Passed]);
    assert!(again.written.is_empty(), "nothing new: {:#?}", again.written);
    let picture = Picture { dns_zones: zones_at(&world), ..Picture::default() };
    show(&mut again, picture);
    assert!(again.written.is_empty(), "still nothing new: {:#?}", again.written);
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

#[test]
fn times_of_readings_are_those_of_the_objects() {
    let mut world = world();
    world.observe(&[Outcome::Passed]);
    let found = Found { name: "zones".into(), at: Timestamp::UNIX_EPOCH, object: Arc::default() };
    show(&mut world, Picture { dns_zones: Reading::Read(found), ..Picture::default() });
    let read =
        world.last().inspections.iter().find(|entry| entry.state == InspectionState::Read).expect("one was read");
    assert_eq!(
        (&*read.object, read.last_read_time.as_ref().map(|time| time.0)),
        ("zones", Some(Timestamp::UNIX_EPOCH))
    );
}

/// A world that sees from there, with a connector in that state and a probe that passes.
fn with_connector(vantage: &str, state: &str) -> World {
    with_connector_at("interval: 10s, inspect: {interval: 30s}", vantage, state)
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

#[test]
fn a_broken_hop_is_not_ready_although_a_probe_elsewhere_stays_green() {
    let world = with_connector("host/test", "ERROR");
    assert_eq!(world.ready(), (FALSE, "ConnectorNotReady".to_owned()));
    let message = &world.last().conditions[0].message;
    assert!(message.contains("whatever was observed from host/test") && message.contains("Next: "), "{message}");
    let judged = infrastructure(&world).expect("it is inspected");
    assert_eq!((judged.status, &*judged.reason), (FALSE, "ConnectorNotReady"));
    assert_eq!(world.last().verdict.as_ref().map(|verdict| verdict.layer.as_str()), Some("Egress"));
    let told = world.told.last().expect("people are told");
    assert!(told.warning && told.reason == "ConnectorNotReady", "{told:?}");
}

#[test]
fn from_behind_cloud_run_a_probe_that_passes_is_believed_and_the_hop_is_a_flaw() {
    let world = with_connector("cloudrun/backend", "ERROR");
    assert_eq!(world.ready(), (TRUE, "ConnectorNotReady".to_owned()));
}

#[test]
fn a_hop_that_is_mended_is_ready_again() {
    let mut world = with_connector("host/test", "ERROR");
    while world.inspections.len() == 1 {
        world.wake();
        if world.runs.len() > 1 {
            world.observe(&[Outcome::Passed]);
        }
    }
    show_well(&mut world);
    assert_eq!(world.ready(), (TRUE, "Healthy".to_owned()));
    assert!(world.last().verdict.is_none());
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
