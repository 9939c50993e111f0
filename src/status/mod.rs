//! From what is known of a check to what its status says. Pure, but for [`mod@write`], the only writer.

pub mod assess;
pub mod meaning;
pub mod memory;
pub mod notice;
pub mod render;
pub mod write;

use jiff::Timestamp;

use crate::engine::track::Track;
use crate::plan::CheckPlan;

pub use assess::{Assessment, assess};
pub use memory::Memory;
pub use notice::notice;
pub use render::render;

/// Everything that a status is made from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The plan in force.
    pub plan: &'a CheckPlan,
    /// The probes' states, in the plan's order.
    pub tracks: &'a [Track],
    /// Conditions and verdict as last reported, with their times.
    pub memory: &'a Memory,
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
