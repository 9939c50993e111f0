//! A hop of the path that is broken while the probes pass: not ready, unless the probes go that way themselves.

use runready::evidence::Outcome;

use super::{infrastructure, show_well, with_connector_at};
use crate::engine::{FALSE, TRUE, World};

/// A world that sees from there, with a connector in that state and a probe that passes.
fn with_connector(vantage: &str, state: &str) -> World {
    with_connector_at("interval: 10s, inspect: {interval: 30s}", vantage, state)
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
