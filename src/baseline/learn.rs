//! When a configuration is known to be good, and when a changed one takes its place. Pure: time is an argument.
//!
//! A baseline is taken once the check has been Ready for [`STEADY`]. A change shows as drift at once. It becomes the new baseline
//! when the check has been Ready with it, without a break, for [`ADOPTED_AFTER`]: long enough for the people who look after the
//! path to see it and to say no. While the check is not Ready nothing is learned and nothing is forgotten, so an outage never
//! becomes its own baseline.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::configuration::{Known, configuration};
use super::diff::{Compared, diff};
use super::format::FORMAT;
use super::snapshot::{completed, snapshot};
use crate::api::baseline::{Baseline, BaselineSpec, DriftStatus};
use crate::api::status::ConnectivityCheckStatus;
use crate::cloud::{Drift, Picture};

/// How long a check must have been Ready before its configuration is known to be good.
pub const STEADY: Duration = Duration::from_secs(5 * 60);
/// How long it must have been Ready with a changed configuration before that is the baseline.
pub const ADOPTED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// Most entries of the drift. A path of which more differs is another path.
pub const MAX_DRIFT: usize = 64;

/// What is kept of a check's configuration between two readings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// The configuration that was learned. None while one is pinned.
    pub baseline: Option<Arc<Baseline>>,
    /// What differs from it, or from the pinned one.
    pub drift: Vec<Drift>,
}

impl Kept {
    /// What a status says was known.
    pub fn resume(status: &ConnectivityCheckStatus) -> Self {
        Kept { baseline: status.baseline.clone().map(Arc::new), drift: status.drift.iter().map(Drift::from).collect() }
    }
}

/// A pinned configuration as a baseline.
fn pinned(spec: Option<&BaselineSpec>) -> Option<Baseline> {
    let BaselineSpec { not_before: _, taken, objects } = spec?;
    let objects = objects.clone()?;
    Some(Baseline { taken: taken.clone().unwrap_or(Time(Timestamp::UNIX_EPOCH)), format: FORMAT, objects })
}

/// Judges what was read: what differs from the baseline, and what the baseline is from now on. `ready_since`: since when the
/// check is Ready without a break; None while it is not.
pub fn judge(
    spec: Option<&BaselineSpec>,
    kept: &Kept,
    picture: &Picture,
    ready_since: Option<Timestamp>,
    now: Timestamp,
) -> Kept {
    if let Some(pin) = pinned(spec) {
        return Kept { baseline: None, drift: bounded(diff(&pin, picture, &kept.drift, Compared::Named, now)) };
    }
    let not_before = spec.and_then(|spec| spec.not_before.as_ref()).map(|time| time.0);
    let current = |baseline: &&Arc<Baseline>| not_before.is_none_or(|oldest| baseline.taken.0 >= oldest);
    let Some(baseline) = kept.baseline.as_ref().filter(current) else {
        // What counts is Ready with the configuration that is to be learned.
        let since = ready_since.map(|since| not_before.map_or(since, |oldest| oldest.max(since)));
        let learned = lasted(since, STEADY, now) && tells(picture);
        let baseline = learned.then(|| Arc::new(snapshot(picture, None, now)));
        return Kept { baseline, drift: Vec::new() };
    };
    // Of what is not listed nobody knows since when it differs.
    let drift = bounded(diff(baseline, picture, &kept.drift, Compared::Every, now));
    let unchanged = drift.iter().map(|drift| drift.since).max();
    if unchanged.is_some_and(|since| lasted(ready_since.map(|ready| ready.max(since)), ADOPTED_AFTER, now)) {
        return Kept { baseline: Some(Arc::new(snapshot(picture, Some(baseline), now))), drift: Vec::new() };
    }
    let whole = lasted(ready_since, STEADY, now).then(|| completed(baseline, picture));
    let baseline = whole.filter(|whole| *whole != **baseline).map_or_else(|| baseline.clone(), Arc::new);
    Kept { baseline: Some(baseline), drift }
}

/// Whether something has been so for long enough.
fn lasted(since: Option<Timestamp>, long: Duration, now: Timestamp) -> bool {
    let long = SignedDuration::try_from(long).unwrap_or(SignedDuration::MAX);
    since.is_some_and(|since| now.duration_since(since) >= long)
}

/// Whether a picture says anything of the configuration.
fn tells(picture: &Picture) -> bool {
    configuration(picture).iter().any(|(_, known)| matches!(known, Known::Read(_)))
}

fn bounded(mut drift: Vec<Drift>) -> Vec<Drift> {
    drift.truncate(MAX_DRIFT);
    drift
}

/// The drift as a status shows it.
pub fn shown(drift: &[Drift]) -> Vec<DriftStatus> {
    drift.iter().map(DriftStatus::from).collect()
}
