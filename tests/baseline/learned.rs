//! When a configuration is learned, adopted or learned anew, and when never: an outage is no baseline, and one that is pinned stays.

use std::time::Duration;

use runready::api::baseline::BaselineSpec;
use runready::baseline::learn::{ADOPTED_AFTER, MAX_DRIFT, STEADY};
use runready::baseline::{Kept, judge};
use runready::cloud::{Inspection, Picture};
use serde_json::{Value, json};

use super::{after, noon, path, picture, told, unread, with};

#[test]
fn a_configuration_is_learned_once_the_check_is_steadily_ready() {
    let good = picture(&path());
    let step = |ready_since, now| judge(None, &Kept::default(), &good, ready_since, now);
    assert_eq!(step(None, noon()), Kept::default());
    assert_eq!(step(Some(noon()), after(noon(), STEADY - Duration::from_secs(1))), Kept::default());
    let learned = step(Some(noon()), after(noon(), STEADY));
    assert_eq!(learned.baseline.expect("a baseline").taken.0, after(noon(), STEADY));
    assert_eq!(
        judge(None, &Kept::default(), &Picture::default(), Some(noon()), after(noon(), STEADY)),
        Kept::default()
    );
}

#[test]
fn a_change_shows_at_once_and_is_adopted_after_a_day_of_ready_alone() {
    let changed = with("/connector/read/object/maxInstances", json!(3));
    let known = judge(None, &Kept::default(), &picture(&path()), Some(noon()), after(noon(), STEADY));
    let seen = after(noon(), Duration::from_secs(3600));
    let drifted = judge(None, &known, &changed, Some(noon()), seen);
    assert_eq!((drifted.drift.len(), &drifted.baseline), (1, &known.baseline));

    let day = after(seen, ADOPTED_AFTER);
    let not_yet = judge(
        None,
        &drifted,
        &changed,
        Some(noon()),
        after(day, Duration::ZERO).checked_sub(Duration::from_secs(1)).expect("a time"),
    );
    assert_eq!(not_yet.drift, drifted.drift);
    for unsteady in [None, Some(after(seen, Duration::from_secs(60)))] {
        assert_eq!(judge(None, &drifted, &changed, unsteady, day).drift.len(), 1, "Ready since {unsteady:?}");
    }
    let adopted = judge(None, &drifted, &changed, Some(noon()), day);
    assert_eq!((adopted.drift.len(), adopted.baseline.expect("a baseline").taken.0), (0, day));

    let back = judge(None, &drifted, &picture(&path()), Some(noon()), day);
    assert_eq!((back.drift.len(), &back.baseline), (0, &known.baseline));
}

#[test]
fn more_differences_than_are_listed_are_adopted_after_a_day_all_the_same() {
    let route = |index: u32| json!({"name": "r", "destRange": format!("10.{index}.0.0/16"), "nextHop": "ip 10.0.0.1"});
    let changed = with("/network/read/object/routes", (0..70).map(route).collect());
    let known = judge(None, &Kept::default(), &picture(&path()), Some(noon()), after(noon(), STEADY));
    let hour = |hours: u32| after(noon(), Duration::from_secs(3600) * hours);
    let mut kept = known.clone();
    for hours in 1..25 {
        kept = judge(None, &kept, &changed, Some(noon()), hour(hours));
        assert_eq!((kept.drift.len(), &kept.baseline), (MAX_DRIFT, &known.baseline), "after {hours} hours");
    }
    kept = judge(None, &kept, &changed, Some(noon()), hour(25));
    assert_eq!((kept.drift.len(), kept.baseline.expect("a baseline").taken.0), (0, hour(25)));
}

#[test]
fn an_outage_never_becomes_its_own_baseline() {
    let known = judge(None, &Kept::default(), &picture(&path()), Some(noon()), after(noon(), STEADY));
    let broken = with("/service/read/object/template/vpcAccess", Value::Null);
    let mut kept = known.clone();
    for hours in 1..100 {
        kept = judge(None, &kept, &broken, None, after(noon(), Duration::from_secs(3600 * hours)));
        assert_eq!((kept.drift.len(), &kept.baseline), (2, &known.baseline), "after {hours} hours");
    }
}

#[test]
fn an_object_that_could_be_read_later_joins_the_baseline_without_drift() {
    let without = with("/instance", unread("PermissionDenied"));
    let known = judge(None, &Kept::default(), &without, Some(noon()), after(noon(), STEADY));
    let later = judge(None, &known, &picture(&path()), Some(noon()), after(noon(), STEADY * 2));
    assert_eq!(later.drift, []);
    let inspections: Vec<Inspection> =
        later.baseline.expect("a baseline").objects.iter().map(|object| object.inspection).collect();
    assert!(inspections.contains(&Inspection::Instance), "{inspections:?}");
}

#[test]
fn a_pinned_configuration_is_compared_by_what_it_names_and_never_replaced() {
    let pin: BaselineSpec = serde_json::from_value(json!({"objects": [{
        "inspection": "Service",
        "fields": {"vpcAccess.egress": "ALL_TRAFFIC", "cloudSqlInstances": "", "timeout": "300s"},
    }]}))
    .expect("a pin");
    let mut kept = Kept::default();
    for days in 0..4 {
        let now = after(noon(), ADOPTED_AFTER * days);
        kept = judge(Some(&pin), &kept, &picture(&path()), Some(noon()), now);
        assert_eq!(told(&kept.drift), ["vpcAccess.egress: ALL_TRAFFIC -> PRIVATE_RANGES_ONLY"]);
        assert_eq!((kept.drift[0].since, &kept.baseline), (noon(), &None));
    }
}

#[test]
fn not_before_has_the_configuration_learned_anew() {
    let known = judge(None, &Kept::default(), &picture(&path()), Some(noon()), after(noon(), STEADY));
    let changed = with("/connector/read/object/maxInstances", json!(3));
    let asked = after(noon(), Duration::from_secs(3600));
    let spec: BaselineSpec = serde_json::from_value(json!({"notBefore": asked.to_string()})).expect("a spec");
    let early = judge(Some(&spec), &known, &changed, Some(noon()), after(asked, STEADY / 2));
    assert_eq!(early, Kept::default());
    let learned = judge(Some(&spec), &early, &changed, Some(noon()), after(asked, STEADY));
    assert_eq!(learned.drift, []);
    assert!(learned.baseline.is_some());
    let held = judge(Some(&spec), &learned, &changed, Some(noon()), after(asked, STEADY * 3));
    assert_eq!(held, learned);
}
