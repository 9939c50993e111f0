//! Carries out the probes of a plan and returns evidence. Does network I/O; knows nothing of Kubernetes.
//!
//! To add a kind: one file here with a function that takes an [`Attempt`], one line in [`carry_out`], one variant in
//! [`crate::plan::Action`] and its spec in `crate::api::probes`.

mod attempt;
mod dns;
mod driven;
mod http;
pub mod net;
mod postgres;
mod tcp;
mod tls;

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use std::sync::Arc;

use crate::api::{Cause, ProbeState};
use crate::evidence::{Evidence, Failure, Outcome};
use crate::plan::{Action, CheckPlan, ProbePlan};

pub use attempt::Attempt;
pub use net::resolve::Resolver;

/// Where probes are carried out from: a name for the evidence, and the resolver that is used there.
#[derive(Clone)]
pub struct Vantage {
    /// Such as pod/runready/runready-0.
    pub name: Arc<str>,
    /// Resolves host names.
    pub resolver: Resolver,
}

/// Observes every probe of a check, side by side, and returns the evidence in the plan's order.
///
/// A probe with dependencies starts when they have ended, and is skipped unless all of them passed.
pub async fn observe_check(plan: &CheckPlan, vantage: &Vantage) -> Vec<Evidence> {
    if let [only] = &*plan.probes {
        return vec![observe(0, only, vantage).await];
    }
    let mut evidence: Vec<Option<Evidence>> = plan.probes.iter().map(|_| None).collect();
    let mut started = vec![false; plan.probes.len()];
    let mut running = FuturesUnordered::new();
    loop {
        for (index, probe) in plan.probes.iter().enumerate() {
            if started[index] || probe.depends_on.iter().any(|on| evidence[*on].is_none()) {
                continue;
            }
            started[index] = true;
            let stands_in_the_way = probe.depends_on.iter().copied().find(|on| blocks(evidence[*on].as_ref()));
            running.push(async move {
                match stands_in_the_way {
                    Some(because_of) => untried(index, vantage, Outcome::Skipped { because_of }),
                    None => observe(index, probe, vantage).await,
                }
            });
        }
        match running.next().await {
            Some(done) => {
                let index = done.probe;
                evidence[index] = Some(done);
            }
            None => break,
        }
    }
    evidence.into_iter().flatten().collect()
}

/// Whether a dependency with this evidence keeps the probes that depend on it from starting.
fn blocks(evidence: Option<&Evidence>) -> bool {
    match evidence.map(|evidence| evidence.outcome.state()) {
        Some(ProbeState::Healthy | ProbeState::Degraded) => false,
        Some(ProbeState::Failing | ProbeState::Skipped | ProbeState::Unknown) | None => true,
    }
}

/// Observes one probe. Never fails: what goes wrong is in the evidence, even a defect of our own.
pub async fn observe(index: usize, plan: &ProbePlan, vantage: &Vantage) -> Evidence {
    let action = match &plan.action {
        Ok(action) => action,
        Err(blocked) => return untried(index, vantage, Outcome::Unknown(blocked.clone())),
    };
    let mut attempt = Attempt::start(plan, vantage);
    let result = AssertUnwindSafe(carry_out(action, &mut attempt)).catch_unwind().await.unwrap_or_else(|_| {
        Err(Failure::before_start(
            Cause::ProberError,
            "the probe panicked: a defect of runready; see the operator's log",
        ))
    });
    attempt.finish(index, result).await
}

/// The one place where a kind of probe is told from another.
async fn carry_out(action: &Action, attempt: &mut Attempt<'_>) -> Result<(), Failure> {
    match action {
        Action::Tcp(action) => tcp::probe(action, attempt).await,
        Action::Dns(action) => dns::probe(action, attempt).await,
        Action::Tls(action) => tls::probe(action, attempt).await,
        Action::Http(action) => http::probe(action, attempt).await,
        Action::Postgres(action) => postgres::probe(action, attempt).await,
    }
}

fn untried(probe: usize, vantage: &Vantage, outcome: Outcome) -> Evidence {
    Evidence {
        probe,
        vantage: vantage.name.clone(),
        outcome,
        latency: std::time::Duration::ZERO,
        stages: Vec::new(),
        addresses: Vec::new(),
        facts: Vec::new(),
    }
}
