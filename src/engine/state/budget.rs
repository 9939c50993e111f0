//! Judges what was observed against the time that the service grants itself to come up. Pure.

use std::time::Duration;

use crate::api::{Cause, ProbeState};
use crate::evidence::{Evidence, Failure, Outcome};
use crate::plan::CheckPlan;

/// A path that works, but takes longer than the service grants itself to come up, is not ready: the time of a probe counts
/// together with that of the longest chain of probes it depends on.
pub fn judged(plan: &CheckPlan, mut evidence: Vec<Evidence>) -> Vec<Evidence> {
    let Some(budget) = plan.startup_budget else { return evidence };
    let mut chains = vec![Duration::ZERO; plan.probes.len()];
    for observation in &mut evidence {
        let Some(probe) = plan.probes.get(observation.probe) else { continue };
        let before = probe.depends_on.iter().filter_map(|on| chains.get(*on)).max().copied().unwrap_or_default();
        let total = before + observation.until_usable();
        chains[observation.probe] = total;
        let works = matches!(observation.outcome.state(), ProbeState::Healthy | ProbeState::Degraded);
        if works && total > budget {
            let slowest = observation.stages.iter().max_by_key(|stage| stage.duration).map(|stage| stage.stage);
            let what = observation.usable();
            let message = format!("{what} after {total:.1?}, but the service grants itself {budget:?} to come up");
            observation.outcome = Outcome::Failed(Failure {
                stage: slowest,
                ..Failure::before_start(Cause::StartupBudgetExceeded, message)
            });
        }
    }
    evidence
}
