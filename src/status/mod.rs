//! From what is known of a check to what its status says. Pure, but for [`mod@write`], the only writer.

pub mod assess;
mod configuration;
pub mod inspections;
pub mod meaning;
pub mod memory;
pub mod notice;
pub mod render;
pub mod write;

use jiff::Timestamp;

use crate::api::Baseline;
use crate::api::status::InspectionStatus;
use crate::cloud::{Drift, Picture};
use crate::engine::track::Track;
use crate::plan::CheckPlan;

pub use assess::{Assessment, assess};
pub use memory::Memory;
pub use notice::notice;
pub use render::render;

/// What is known of Google Cloud's own view of a path.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// Nothing is read: the check names no service, or Google's APIs are not asked here.
    Nothing,
    /// It is being read for the first time. What an earlier process had read.
    Earlier(&'a [InspectionStatus]),
    /// As it was read last.
    Now(&'a Picture),
}

impl<'a> Seen<'a> {
    /// What was read, if anything was.
    pub const fn picture(self) -> Option<&'a Picture> {
        match self {
            Seen::Nothing | Seen::Earlier(_) => None,
            Seen::Now(picture) => Some(picture),
        }
    }
}

/// Everything that a status is made from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The plan in force.
    pub plan: &'a CheckPlan,
    /// The probes' states, in the plan's order.
    pub tracks: &'a [Track],
    /// Conditions and verdict as last reported, with their times.
    pub memory: &'a Memory,
    /// What Google Cloud itself says of the path.
    pub cloud: Seen<'a>,
    /// The configuration that worked, as it was learned.
    pub baseline: Option<&'a Baseline>,
    /// What differs from the configuration that worked.
    pub drift: &'a [Drift],
    /// Where probes are carried out from.
    pub vantage: &'a str,
    /// The generation that the last observation was made for.
    pub observed_generation: Option<i64>,
    /// When the path was last observed.
    pub last_probe: Option<Timestamp>,
    /// When it is due again.
    pub next_probe: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
}
