//! The arguments that say how much checks may ask for. Arguments in, limits out; no I/O.

use crate::plan::Limits;
use crate::plan::kinds::{DEFAULT_IN_FLIGHT, DEFAULT_RATE};

/// How much a load may ask for, whatever its check says.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "How much may be asked for (docs/safety.md)")]
pub struct LoadArgs {
    /// Most requests each second of one load
    #[arg(long, value_name = "NUMBER", default_value_t = DEFAULT_RATE, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_load_rate: u32,
    /// Most requests in flight of one load
    #[arg(long, value_name = "NUMBER", default_value_t = DEFAULT_IN_FLIGHT, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_load_concurrency: u32,
    /// Longest window of a load
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    pub max_load_window: kube::core::Duration,
    /// Most loads that run at once, each on a thread of its own; others wait
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    pub max_loads_at_once: u16,
}

impl LoadArgs {
    /// The limits that they amount to.
    pub fn limits(&self) -> Limits {
        Limits {
            load_rate: self.max_load_rate,
            load_concurrency: self.max_load_concurrency,
            load_window: self.max_load_window.into(),
            loads_at_once: usize::from(self.max_loads_at_once),
        }
    }
}
