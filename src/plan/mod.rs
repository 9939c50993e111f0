//! Spec and resolved secrets in, [`CheckPlan`] out. Pure. From here on nobody reads the spec.
//!
//! A plan is total: what can't be carried out (a missing Secret, a bad regular expression) becomes a blocked probe and a
//! [`Fault`], and the check's other probes go on.

pub mod account;
pub mod admission;
pub mod cadence;
mod compile;
pub mod inspections;
pub mod kinds;
pub mod limits;
pub mod names;
pub mod rule;
pub mod scrub;
pub mod secrets;
pub mod template;
pub mod trust;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::api::spec::ServiceRef;
use crate::api::{BaselineSpec, Cause, Stage};
use crate::evidence::Failure;

pub use admission::{Admission, Age, Quotas};
pub use cadence::Cadence;
pub use compile::{DEFAULT_INTERVAL, DEFAULT_TIMEOUT, compile, unreadable};
pub use inspections::{InspectionPlan, Occasion, Pace, Turn};
pub use kinds::{Action, Kind};
pub use limits::Limits;
pub use rule::Rule;
pub use scrub::Scrub;
pub use secrets::{SecretData, Secrets};

/// Which check: its namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckId {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
}

impl CheckId {
    /// The check of that namespace and name.
    pub fn new(namespace: &str, name: &str) -> Self {
        CheckId { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What to do for one check, with everything resolved.
#[derive(Clone, Debug)]
pub struct CheckPlan {
    /// Which check.
    pub id: CheckId,
    /// Unique id of the object (`metadata.uid`), or of the file it stands in.
    pub uid: Arc<str>,
    /// `metadata.generation` of the spec that this was made from.
    pub generation: i64,
    /// When it is due.
    pub cadence: Cadence,
    /// What the service grants itself to come up.
    pub startup_budget: Option<Duration>,
    /// Observations in a row before a state gets worse.
    pub failure_threshold: u32,
    /// Observations in a row before a state gets better.
    pub success_threshold: u32,
    /// Not to be probed for now.
    pub suspend: bool,
    /// The Cloud Run service whose readiness this is.
    pub service: Option<ServiceRef>,
    /// What is read of Google Cloud's own view of the path. None without a service.
    pub inspections: Option<Arc<InspectionPlan>>,
    /// Which configuration of the path is known to be good, where a person says so.
    pub baseline: Option<Arc<BaselineSpec>>,
    /// The probes, in the order of the spec.
    pub probes: Box<[ProbePlan]>,
    /// What in the spec can't be carried out. Not empty means Stalled.
    pub faults: Box<[Fault]>,
}

/// What to do for one probe.
#[derive(Clone, Debug)]
pub struct ProbePlan {
    /// Name, unique within the check.
    pub name: Arc<str>,
    /// Its kind.
    pub kind: Kind,
    /// What is observed, for people: such as postgres://app@10.20.0.3:5432/app. Holds no secret.
    pub target: Arc<str>,
    /// What to do, or why it can't be done.
    pub action: Result<Arc<Action>, Failure>,
    /// Limit for the whole.
    pub timeout: Duration,
    /// Tighter limits for single stages.
    pub stage_limits: Box<[(Stage, Duration)]>,
    /// What must hold of the answer.
    pub assertions: Option<Arc<Assertions>>,
    /// Values of Secrets, which the peer may repeat, but nobody may see.
    pub hidden: Scrub,
    /// Whether a load repeats it: it then connects as a client does, to the first address that answers.
    pub repeated: bool,
    /// Slower than this is Degraded.
    pub max_latency: Option<Duration>,
    /// Whether it decides on Ready.
    pub required: bool,
    /// Indices of the probes that this one depends on; all are less than its own.
    pub depends_on: Box<[usize]>,
}

impl CheckPlan {
    /// The time of each probe together with that of the longest chain of probes it depends on; `own` is that of a probe alone.
    pub fn chains(&self, own: impl Fn(usize) -> Duration) -> Vec<Duration> {
        let mut chains: Vec<Duration> = Vec::with_capacity(self.probes.len());
        for (index, probe) in self.probes.iter().enumerate() {
            let before = probe.depends_on.iter().filter_map(|on| chains.get(*on)).max().copied().unwrap_or_default();
            chains.push(before + own(index));
        }
        chains
    }

    /// How many sockets a run of it may have open at once.
    pub fn sockets(&self) -> usize {
        // A load runs beside, with limits of its own.
        let of_run = |probe: &&ProbePlan| probe.kind != Kind::Load;
        self.probes.iter().filter(of_run).map(ProbePlan::sockets).sum()
    }
}

/// What must hold of a peer's answer.
#[derive(Clone, Debug)]
pub struct Assertions {
    /// The rules; not empty.
    pub rules: Box<[Rule]>,
}

impl ProbePlan {
    /// How many sockets it may have open at once.
    pub fn sockets(&self) -> usize {
        let usage = self.action.as_ref().ok().and_then(|action| action.usage());
        usage.map_or(1, |usage| usize::from(usage.connections))
    }

    /// How many connections it makes from beginning to end, of one attempt.
    fn connections(&self) -> u32 {
        match self.action.as_deref() {
            Ok(Action::Journey(journey)) => journey.steps.iter().map(|step| step.probe.connections()).sum(),
            Ok(Action::Http(http)) => 1 + http.follow_redirects,
            _ => u32::try_from(self.sockets()).unwrap_or(u32::MAX),
        }
    }

    /// The limit of a stage, as far as the spec tightens it.
    pub fn stage_limit(&self, stage: Stage) -> Option<Duration> {
        self.stage_limits.iter().find(|(limited, _)| *limited == stage).map(|(_, limit)| *limit)
    }
}

/// Something in the spec that can't be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field, such as spec.probes\[0\].postgres.passwordSecretRef.
    pub field: String,
    /// InvalidSpec, SecretNotFound, SecretKeyMissing, LimitExceeded or ProberError.
    pub cause: Cause,
    /// What is wrong with it, and what to do.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}
