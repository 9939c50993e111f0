//! What is to be read of Google Cloud's own view of a path. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::api::spec::ServiceRef;
use crate::cloud::{Inspection, Subject};

/// How old a reading may be unless the spec says otherwise.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);

/// When Google's APIs are read while nothing fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Every [`InspectionPlan::interval`].
    Steady,
    /// Beside each run of the probes: they run seldom, and in between nobody asks what Google would say.
    WithProbes,
}

/// What is to be read for one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectionPlan {
    /// The service that everything is discovered from.
    pub service: ServiceRef,
    /// How old a reading may be that serves.
    pub interval: Duration,
    /// When to read while nothing fails.
    pub pace: Pace,
    /// What is switched off.
    pub skip: BTreeSet<Inspection>,
    /// The connector, in full, where it is pinned.
    pub connector: Option<Arc<str>>,
    /// The instance, PROJECT:REGION:INSTANCE, where it is pinned or a probe names it.
    pub instance: Option<Arc<str>>,
    /// The network, in full, where it is pinned.
    pub network: Option<Arc<str>>,
    /// Hosts of the check's probes with their ports, by which the instance is found among the project's, and which a connectivity
    /// test aims at.
    pub targets: Box<[(Arc<str>, u16)]>,
    /// Whether a connectivity test may be made.
    pub connectivity_test: bool,
}

/// Which way a probe has turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It has begun to fail.
    Fails,
    /// It works again.
    Works,
}

/// What is known when a plan's inspections are carried out, and decides what is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Occasion {
    /// A probe fails: what is read changes sooner than otherwise.
    pub failing: bool,
    /// A probe has turned: what was read before does not tell why.
    pub turned: Option<Turn>,
    /// What differs from the baseline, of which audit logs may tell who changed it.
    pub changed: Box<[Subject]>,
}
