//! What the status makes of what was read and what could not be: written when its meaning changes, small, and kept over a restart.

use std::sync::Arc;

use jiff::Timestamp;
use runready::api::status::InspectionState;
use runready::cloud::reading::Found;
use runready::cloud::{Absent, Inspection, Picture, Reading, Why};
use runready::evidence::Outcome;

use super::{SPEC, infrastructure, show, show_well, unread, world, world_of, zones_at};
use crate::engine::{TRUE, UNKNOWN, plan};

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
