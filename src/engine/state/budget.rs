//! Judges what was observed against the time that the service grants itself to come up. Pure.

use crate::api::{Cause, ProbeState};
use crate::evidence::{Evidence, Failure, Outcome};
use crate::plan::CheckPlan;

/// A path that works, but takes longer than the service grants itself to come up, is not ready: the time of a probe counts
/// together with that of the longest chain of probes it depends on.
pub fn judged(plan: &CheckPlan, mut evidence: Vec<Evidence>) -> Vec<Evidence> {
    let Some(budget) = plan.startup_budget else { return evidence };
    let own = |index| evidence.iter().find(|observation| observation.probe == index).map(Evidence::until_usable);
    let chains = plan.chains(|index| own(index).unwrap_or_default());
    for observation in &mut evidence {
        let Some(total) = chains.get(observation.probe).copied() else { continue };
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
