//! Carries out the probes of a plan and returns evidence. Does network I/O; knows nothing of Kubernetes.
//!
//! To add a kind: one file here with a function that takes an [`Attempt`] (a database has a [`database::Protocol`] instead), one
//! line in [`carry_out`], one variant in [`crate::plan::Action`] and its spec in `crate::api::probes`.

mod assertion;
mod attempt;
mod auth;
pub mod cloudsql;
mod database;
mod dns;
mod driven;
mod grpc;
mod http;
mod journey;
mod load;
mod mysql;
pub mod net;
mod postgres;
mod redis;
mod sqlserver;
mod stage;
mod tcp;
mod tls;
mod websocket;

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use std::sync::Arc;
use std::time::Instant;

use crate::api::{Cause, ProbeState};
use crate::evidence::{Evidence, Failure, Outcome};
use crate::plan::{Action, CheckPlan, Kind, ProbePlan};

pub use attempt::{Answers, Attempt, MAX_ANSWER};
pub use cloudsql::Connector;
pub use net::resolve::Resolver;
pub use net::targets::Targets;

/// Where probes are carried out from: a name for the evidence, and the resolver that is used there.
#[derive(Clone)]
pub struct Vantage {
    /// Such as pod/runready/runready-0.
    pub name: Arc<str>,
    /// Resolves host names.
    pub resolver: Resolver,
    /// What may be probed from there.
    pub targets: Targets,
    /// Reaches Cloud SQL instances by their names.
    pub cloud_sql: Connector,
}

/// Observes every probe of a check, side by side, and returns the evidence in the plan's order.
///
/// A probe with dependencies starts when they have ended, and is skipped unless all of them passed.
/// Always one entry for each probe, whatever breaks on the way; none for loads, which run apart, by [`observe`].
pub async fn observe_check(plan: &CheckPlan, vantage: &Vantage) -> Vec<Evidence> {
    AssertUnwindSafe(observe_all(plan, vantage)).catch_unwind().await.unwrap_or_else(|_| {
        let defect = |index| untried(index, vantage, Outcome::Unknown(panicked()));
        (0..plan.probes.len()).filter(|index| !is_load(&plan.probes[*index])).map(defect).collect()
    })
}

async fn observe_all(plan: &CheckPlan, vantage: &Vantage) -> Vec<Evidence> {
    if let [only] = &*plan.probes
        && !is_load(only)
    {
        return vec![observe(0, only, vantage).await];
    }
    let began = Instant::now();
    let mut evidence: Vec<Option<Evidence>> = plan.probes.iter().map(|_| None).collect();
    let mut started: Vec<bool> = plan.probes.iter().map(is_load).collect();
    let mut running = FuturesUnordered::new();
    loop {
        for (index, probe) in plan.probes.iter().enumerate() {
            if started[index] || probe.depends_on.iter().any(|on| evidence[*on].is_none()) {
                continue;
            }
            started[index] = true;
            let stands_in_the_way = probe.depends_on.iter().copied().find(|on| blocks(evidence[*on].as_ref()));
            running.push(async move {
                let start = began.elapsed();
                let observed = match stands_in_the_way {
                    Some(because_of) => untried(index, vantage, Outcome::Skipped { because_of }),
                    None => observe(index, probe, vantage).await,
                };
                Evidence { start, ..observed }
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

const fn is_load(probe: &ProbePlan) -> bool {
    matches!(probe.kind, Kind::Load)
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
    let unseen = || untried(index, vantage, Outcome::Unknown(panicked()));
    let Ok(mut attempt) = catch_unwind(AssertUnwindSafe(|| Attempt::start(plan, vantage))) else { return unseen() };
    // What was seen until a panic is of use, so the probe's own part is guarded apart.
    let probed = AssertUnwindSafe(carry_out(action, &mut attempt)).catch_unwind().await;
    let mut result = probed.unwrap_or_else(|_| Err(panicked()));
    if let (Ok(()), Some(assertions)) = (&result, &plan.assertions) {
        // What must hold of the answer.
        let held = AssertUnwindSafe(assertion::hold(assertions.clone(), &mut attempt)).catch_unwind().boxed().await;
        result = held.unwrap_or_else(|_| Err(panicked()));
    }
    if attempt.is_behind() && AssertUnwindSafe(attempt.catch_up()).catch_unwind().await.is_err() {
        return unseen();
    }
    catch_unwind(AssertUnwindSafe(|| attempt.finish(index, result))).unwrap_or_else(|_| unseen())
}

fn panicked() -> Failure {
    Failure::before_start(Cause::ProberError, "the probe panicked: a defect of runready; see the operator's log")
}

/// The one place where a kind of probe is told from another. The larger kinds are boxed: otherwise each probe in flight would
/// take as much memory as the largest of them, and the code of each would lie among that of all.
async fn carry_out(action: &Action, attempt: &mut Attempt<'_>) -> Result<(), Failure> {
    match action {
        Action::Tcp(action) => return tcp::probe(action, attempt).await,
        Action::Journey(action) => return journey::probe(action, attempt).await,
        Action::Dns(action) => dns::probe(action, attempt).boxed(),
        Action::Tls(action) => tls::probe(action, attempt).boxed(),
        Action::Http(action) => http::probe(action, attempt).boxed(),
        Action::Grpc(action) => grpc::probe(action, attempt).boxed(),
        Action::Websocket(action) => websocket::probe(action, attempt).boxed(),
        Action::Postgres(action) => database::probe(&**action, attempt).boxed(),
        Action::Mysql(action) => database::probe(&**action, attempt).boxed(),
        Action::Sqlserver(action) => database::probe(&**action, attempt).boxed(),
        Action::Redis(action) => database::probe(&**action, attempt).boxed(),
        Action::Load(action) => load::probe(action, attempt).boxed(),
    }
    .await
}

fn untried(probe: usize, vantage: &Vantage, outcome: Outcome) -> Evidence {
    Evidence {
        probe,
        vantage: vantage.name.clone(),
        outcome,
        start: std::time::Duration::ZERO,
        latency: std::time::Duration::ZERO,
        stages: Vec::new(),
        steps: Vec::new(),
        addresses: Vec::new(),
        facts: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::kinds::{self, Endpoint, TcpAction};
    use std::time::Duration;

    fn tcp(timeout: Duration, depends_on: &[usize]) -> ProbePlan {
        let endpoint = Endpoint::new("127.0.0.1", 1, false);
        ProbePlan {
            name: "target".into(),
            kind: Kind::Tcp,
            target: "tcp://127.0.0.1:1".into(),
            action: Ok(Arc::new(Action::Tcp(TcpAction { endpoint, steps: Box::default(), tls: None }))),
            timeout,
            stage_limits: Box::default(),
            assertions: None,
            hidden: Default::default(),
            repeated: false,
            max_latency: None,
            required: true,
            depends_on: depends_on.into(),
        }
    }

    fn vantage() -> Vantage {
        Vantage {
            name: "host/test".into(),
            resolver: Resolver::system(),
            targets: Targets::default(),
            cloud_sql: Connector::default(),
        }
    }

    #[test]
    fn a_tcp_probe_in_flight_is_small() {
        let (plan, vantage) = (tcp(Duration::from_secs(1), &[]), vantage());
        let size = size_of_val(&observe(0, &plan, &vantage));
        assert!(size <= 4096, "{size} bytes");
    }

    /// What one kind's probe takes while it is carried out, in bytes.
    const fn size<'a, A: 'a, F: Future + 'a>(_: impl Fn(&'a A, &'a mut Attempt<'a>) -> F + Copy) -> usize {
        size_of::<F>()
    }

    /// Each is moved to its box when it starts, which costs as much time as it has bytes.
    #[test]
    fn what_is_boxed_is_small_too() {
        let sizes = [
            ("dns", size(dns::probe)),
            ("tls", size(tls::probe)),
            ("http", size(http::probe)),
            ("grpc", size(grpc::probe)),
            ("websocket", size(websocket::probe)),
            ("postgres", size(database::probe::<kinds::PostgresAction>)),
            ("mysql", size(database::probe::<kinds::MysqlAction>)),
            ("sqlserver", size(database::probe::<kinds::SqlServerAction>)),
            ("redis", size(database::probe::<kinds::RedisAction>)),
        ];
        let large: Vec<_> = sizes.iter().filter(|(_, size)| *size > 2560).collect();
        assert!(large.is_empty(), "{large:?}");
    }

    /// No clock reaches the end of such a timeout, and no plan has such a dependency: both panic, each in another place.
    #[tokio::test]
    async fn a_panic_anywhere_in_a_run_is_our_own_error_and_leaves_no_probe_without_evidence() {
        let beyond = tcp(Duration::MAX, &[]);
        let told = |evidence: &[Evidence]| -> Vec<Option<Cause>> {
            evidence.iter().map(|evidence| evidence.outcome.failure().map(|failure| failure.cause)).collect()
        };
        let plan = check(vec![beyond, tcp(Duration::from_secs(5), &[])]);
        let causes = told(&observe_check(&plan, &vantage()).await);
        assert_eq!(causes, [Some(Cause::ProberError), Some(Cause::ConnectionRefused)], "the other one is not harmed");
        let plan = check(vec![tcp(Duration::from_secs(5), &[]), tcp(Duration::from_secs(5), &[9])]);
        let causes = told(&observe_check(&plan, &vantage()).await);
        assert_eq!(causes, [Some(Cause::ProberError); 2]);
    }

    fn check(probes: Vec<ProbePlan>) -> CheckPlan {
        let unreadable = crate::plan::unreadable(crate::plan::CheckId::new("n", "c"), "uid".into(), 1, "");
        CheckPlan { probes: probes.into(), ..unreadable }
    }
}
