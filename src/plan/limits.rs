//! What whoever runs runready allows, and a plan held to it: what goes beyond is a fault that names the limit. Pure.

use std::sync::Arc;
use std::time::Duration;

use super::kinds::{Action, DEFAULT_IN_FLIGHT, DEFAULT_RATE, DEFAULT_WINDOW, LoadAction, Pace};
use super::{CheckPlan, Fault, Quotas};
use crate::api::Cause;
use crate::evidence::{Failure, Shown};

/// Limits that no check can lift.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Most requests each second of one load.
    pub load_rate: u32,
    /// Most requests in flight of one load.
    pub load_concurrency: u32,
    /// Longest window of a load.
    pub load_window: Duration,
    /// Most loads that run at once.
    pub loads_at_once: usize,
    /// What the checks of one namespace may ask for together.
    pub quotas: Quotas,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            load_rate: DEFAULT_RATE,
            load_concurrency: DEFAULT_IN_FLIGHT,
            load_window: DEFAULT_WINDOW,
            loads_at_once: 2,
            quotas: Quotas::default(),
        }
    }
}

/// How many sockets each request of a load may have open at once.
fn sockets(load: &LoadAction) -> u32 {
    u32::try_from(load.probe.sockets()).unwrap_or(u32::MAX).max(1)
}

impl Limits {
    /// Holds a plan to the limits: a load that goes beyond is not carried out.
    pub fn hold(&self, plan: &mut CheckPlan) {
        let mut faults = std::mem::take(&mut plan.faults).into_vec();
        for (index, probe) in plan.probes.iter_mut().enumerate() {
            let Ok(action) = &mut probe.action else { continue };
            if !matches!(**action, Action::Load(_)) {
                continue;
            }
            let Action::Load(load) = Arc::make_mut(action) else { continue };
            if let Some((field, message)) = self.refusal(load) {
                let field = format!("spec.probes[{index}].load.{field}");
                let fault = Fault { field, cause: Cause::LimitExceeded, message };
                probe.action = Err(Failure::before_start(fault.cause, fault.to_string()));
                faults.push(fault);
                continue;
            }
            let load = Arc::make_mut(load);
            // What each of them opens counts, too.
            load.most_in_flight = (self.load_concurrency / sockets(load)).max(1);
            load.most_per_second = (self.load_rate / load.probe.connections()).max(1);
        }
        plan.faults = faults.into();
    }

    /// The field that asks for too much, and what to say of it.
    fn refusal(&self, load: &LoadAction) -> Option<(&'static str, String)> {
        let lower = |asked: String, most: String, flag: &str| {
            format!(
                "{asked} is more than the {most} that whoever runs runready allows ({flag}): ask for less, or have that raised"
            )
        };
        let (field, asked, each, most, flag) = match load.pace {
            Pace::PerSecond(rate) => {
                ("ratePerSecond", rate, load.probe.connections(), self.load_rate, "--max-load-rate")
            }
            Pace::AtOnce(count) => {
                ("concurrency", count, sockets(load), self.load_concurrency, "--max-load-concurrency")
            }
        };
        if asked.saturating_mul(each) > most {
            let asked = match each {
                1 => asked.to_string(),
                each => format!("{asked} times the {each} connections of {}", load.probe.name),
            };
            return Some((field, lower(asked, most.to_string(), flag)));
        }
        let each = load.probe.connections();
        if each > self.load_rate {
            let asked = format!("one each second, with the {each} connections of {},", load.probe.name);
            return Some(("probe", lower(asked, self.load_rate.to_string(), "--max-load-rate")));
        }
        if sockets(load) > self.load_concurrency {
            let asked = format!("one at a time, with the {} connections of {} each,", sockets(load), load.probe.name);
            return Some(("probe", lower(asked, self.load_concurrency.to_string(), "--max-load-concurrency")));
        }
        let (asked, most) = (Shown(load.window).to_string(), Shown(self.load_window).to_string());
        (load.window > self.load_window).then(|| ("window", lower(asked, most, "--max-load-window")))
    }
}
