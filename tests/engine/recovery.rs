//! What is read of Google Cloud while a probe recovers: the verdict stands until the success threshold is reached.

use runready::api::Cause;
use runready::evidence::Outcome;
use runready::plan::Turn;

use super::cloud::{connector, show, with_connector_at};
use super::{FALSE, TRUE, World, failed};

/// A world whose probe needs two successes, and has begun to work again after an outage of the connector.
fn recovering() -> World {
    let mut world =
        with_connector_at("interval: 10s, successThreshold: 2, inspect: {interval: 30s}", "cloudrun/backend", "ERROR");
    world.round(&[failed(Cause::ConnectTimeout)]);
    world.round(&[failed(Cause::ConnectTimeout)]);
    assert_eq!(world.ready(), (FALSE, "ConnectorNotReady".to_owned()));
    let picture = connector(&world, "ERROR");
    show(&mut world, picture);
    world.round(&[Outcome::Passed]);
    world
}

#[test]
fn what_is_read_while_a_probe_recovers_does_not_change_a_verdict_that_is_about_to_end() {
    let mut world = recovering();
    assert_eq!(world.turned.last().map(|(_, turn)| *turn), Some(Turn::Works));
    let told = world.told.len();
    let picture = connector(&world, "READY");
    show(&mut world, picture);
    assert_eq!(world.ready(), (FALSE, "ConnectorNotReady".to_owned()), "one success of two: the verdict stands");
    assert_eq!(world.told.len(), told, "nobody is told of a verdict that holds for a moment");
    world.round(&[Outcome::Passed]);
    assert_eq!(world.ready(), (TRUE, "Healthy".to_owned()), "with what was read for it");
    assert!(world.last().verdict.is_none());
}

#[test]
fn what_was_read_while_a_probe_seemed_to_recover_says_nothing_once_it_fails_again() {
    let mut world = recovering();
    let picture = connector(&world, "READY");
    show(&mut world, picture);
    world.round(&[failed(Cause::ConnectTimeout)]);
    assert_eq!(world.ready(), (FALSE, "ConnectorNotReady".to_owned()), "until it is read anew");
    while world.inspections.len() < 4 {
        world.round(&[failed(Cause::ConnectTimeout)]);
    }
    let picture = connector(&world, "READY");
    show(&mut world, picture);
    assert_eq!(world.ready(), (FALSE, "ConnectTimeout".to_owned()));
}
