//! What a `load` probe does. Data only.

use std::fmt;
use std::time::Duration;

use crate::plan::{Cadence, ProbePlan};

/// Most requests in flight unless whoever runs runready says otherwise.
pub const DEFAULT_IN_FLIGHT: u32 = 100;
/// Most requests each second unless whoever runs runready says otherwise.
pub const DEFAULT_RATE: u32 = 1000;
/// Longest window unless whoever runs runready says otherwise.
pub const DEFAULT_WINDOW: Duration = Duration::from_secs(300);

/// Repeat another probe.
#[derive(Clone, Debug)]
pub struct LoadAction {
    /// What is repeated.
    pub probe: Box<ProbePlan>,
    /// How often.
    pub pace: Pace,
    /// For how long.
    pub window: Duration,
    /// How many of a million must succeed.
    pub least: u32,
    /// What the latencies may be at most.
    pub bounds: Box<[(Percentile, Duration)]>,
    /// Whether requests share connections, where the kind can.
    pub reuse: bool,
    /// When it runs.
    pub cadence: Cadence,
    /// Whether it also runs once the check works again.
    pub after_recovery: bool,
    /// Most requests in flight at once.
    pub most_in_flight: u32,
    /// Most requests each second, however fast the answers come.
    pub most_per_second: u32,
}

/// How often a probe is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// So many each second, due at even times.
    PerSecond(u32),
    /// So many at once, each followed by the next.
    AtOnce(u32),
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pace::PerSecond(rate) => write!(f, "{rate}/s"),
            Pace::AtOnce(count) => write!(f, "{count} at once"),
        }
    }
}

/// A point of the distribution of latencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Percentile {
    /// Half are no slower.
    P50,
    /// 95 of 100 are no slower.
    P95,
    /// 99 of 100 are no slower.
    P99,
    /// None is slower.
    Max,
}

impl Percentile {
    /// The name in the spec.
    pub const fn as_str(self) -> &'static str {
        match self {
            Percentile::P50 => "p50",
            Percentile::P95 => "p95",
            Percentile::P99 => "p99",
            Percentile::Max => "max",
        }
    }

    /// How many of one are no slower.
    pub const fn quantile(self) -> f64 {
        match self {
            Percentile::P50 => 0.5,
            Percentile::P95 => 0.95,
            Percentile::P99 => 0.99,
            Percentile::Max => 1.0,
        }
    }
}
