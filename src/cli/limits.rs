//! The arguments that say how much checks may ask for. Arguments in, limits out; no I/O.

use crate::plan::kinds::{DEFAULT_IN_FLIGHT, DEFAULT_RATE};
use crate::plan::{Limits, Quotas};

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
            quotas: Quotas::default(),
        }
    }
}

/// Most checks of one namespace of a cluster, unless whoever runs runready says otherwise.
const DEFAULT_CHECKS: u32 = 500;
/// Most probes each second of one namespace of a cluster.
const DEFAULT_PROBES: u32 = 200;
/// Most loads of one namespace of a cluster.
const DEFAULT_LOADS: u32 = 4;

/// How much the checks of one namespace may ask for together. What does not fit is not probed, the youngest first.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "How much may be asked for (docs/safety.md)")]
pub struct NamespaceArgs {
    /// Most checks in one namespace. Default: 500, and with --folder any number
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_checks_per_namespace: Option<u32>,
    /// Most probes each second in one namespace, loads apart. Default: 200, and with --folder any number
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_probes_per_second_per_namespace: Option<u32>,
    /// Most loads in one namespace. Default: 4, and with --folder any number
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_loads_per_namespace: Option<u32>,
}

impl NamespaceArgs {
    /// The quotas that they amount to. A folder is one person's affair; in a cluster, a namespace is one of many.
    pub fn quotas(&self, folder: bool) -> Quotas {
        let or = |default| (!folder).then_some(default);
        Quotas {
            checks: self.max_checks_per_namespace.or(or(DEFAULT_CHECKS)),
            probes_per_second: self.max_probes_per_second_per_namespace.or(or(DEFAULT_PROBES)),
            loads: self.max_loads_per_namespace.or(or(DEFAULT_LOADS)),
        }
    }
}
