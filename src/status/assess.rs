//! Judges a check: its conditions, each with a reason and a sentence, and the diagnosis. Pure.

use std::time::Duration;

use super::inspections::infrastructure;
use super::render::percent;
use super::{View, configuration};
use crate::api::condition::{ConditionStatus, ConditionType, Reason};
use crate::api::{Cause, Kind, ProbeState};
use crate::diagnosis::{Case, Diagnosis, Finding, Gravity, Observation, behind_cloud_run, diagnose};
use crate::engine::track::Track;
use crate::evidence::{Evidence, Outcome, Shown, clip};
use crate::plan::ProbePlan;

/// Longest message of a condition, in characters.
const MAX_MESSAGE: usize = 1024;

/// What a check's state amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// In the order in which they stand in the status; only those that apply.
    pub conditions: Vec<Judged>,
    /// What is wrong, if anything is.
    pub diagnosis: Option<Diagnosis>,
}

/// One condition, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Which one.
    pub kind: ConditionType,
    /// Its status.
    pub status: ConditionStatus,
    /// A word for programs.
    pub reason: Reason,
    /// A sentence for people.
    pub message: String,
}

impl Assessment {
    /// The Ready condition.
    pub fn ready(&self) -> Option<&Judged> {
        self.conditions.iter().find(|judged| judged.kind == ConditionType::Ready)
    }
}

/// Judges a check.
pub fn assess(view: &View<'_>) -> Assessment {
    let case = Case {
        observations: view.plan.probes.iter().zip(view.tracks).map(observation).collect(),
        speaks_for_service: view.plan.service.is_some(),
        startup_budget: view.plan.startup_budget,
        cloud: view.cloud.picture(),
        drift: configuration::drift(view),
        now: view.now,
    };
    let mut diagnosis = diagnose(&case);
    if let Some(diagnosis) = &mut diagnosis {
        configuration::tell_what_restores(view, &mut diagnosis.primary);
    }
    let broken = diagnosis.as_ref().and_then(broken);
    let mut conditions = vec![ready(view, diagnosis.as_ref(), broken)];
    conditions.extend(reconciling(view));
    conditions.extend(stalled(view));
    for kind in [
        ConditionType::DatabaseReachable,
        ConditionType::NetworkReachable,
        ConditionType::EndpointsServing,
        ConditionType::SustainsLoad,
        ConditionType::GoldenPathAvailable,
    ] {
        conditions.extend(concern(view, kind));
    }
    conditions.extend(startup(view));
    conditions.extend(infrastructure(view, broken));
    conditions.extend(configuration::consistent(view, diagnosis.as_ref()));
    for judged in &mut conditions {
        judged.message = clip(&judged.message, MAX_MESSAGE).into_owned();
    }
    Assessment { conditions, diagnosis }
}

fn observation<'a>((plan, track): (&'a ProbePlan, &'a Track)) -> Observation<'a> {
    Observation {
        name: &plan.name,
        kind: plan.kind,
        target: &plan.target,
        required: plan.required,
        state: track.state(),
        // Before a state is established the last failure explains nothing yet.
        failure: if track.established().is_some() { track.failure() } else { None },
        evidence: track.evidence(),
    }
}

/// Where a probe stands as far as a condition is concerned.
enum Standing<'a> {
    Well,
    Flawed(Cause),
    Failing(Cause),
    Blocked(Cause, &'a str),
    Confirming(String),
    Waiting(&'a str),
    Unobserved,
}

fn standing<'a>(view: &View<'a>, plan: &'a ProbePlan, track: &'a Track) -> Standing<'a> {
    if let Some(Outcome::Skipped { because_of }) = track.evidence().map(|evidence| &evidence.outcome) {
        // While the dependency's failure is not confirmed, the skipped probe keeps its standing.
        let culprit = view.tracks.get(*because_of).and_then(Track::established);
        if !matches!(culprit, Some(ProbeState::Healthy | ProbeState::Degraded)) {
            return Standing::Waiting(view.plan.probes.get(*because_of).map_or("", |probe| &probe.name));
        }
    }
    if let Some(on) = plan.depends_on.iter().copied().find(|on| plan.kind == Kind::Load && fails(view, *on)) {
        // What was seen under load is not so any more while what is loaded fails.
        return Standing::Waiting(&view.plan.probes[on].name);
    }
    let cause = track.failure().map(|failure| failure.cause);
    match (track.established(), cause) {
        (Some(ProbeState::Healthy), _) => Standing::Well,
        (Some(ProbeState::Degraded), cause) => Standing::Flawed(cause.unwrap_or(Cause::LatencyExceeded)),
        (Some(ProbeState::Failing), cause) => Standing::Failing(cause.unwrap_or(Cause::ProberError)),
        (Some(ProbeState::Unknown), cause) => Standing::Blocked(
            cause.unwrap_or(Cause::ProberError),
            track.failure().map_or("", |failure| &failure.message),
        ),
        (Some(ProbeState::Skipped) | None, _) => match (track.observed(), &plan.action) {
            (None, Err(blocked)) => Standing::Blocked(blocked.cause, &blocked.message),
            (None, Ok(_)) => Standing::Unobserved,
            (Some(_), _) => Standing::Confirming(confirming(view, plan, track)),
        },
    }
}

fn fails(view: &View<'_>, probe: usize) -> bool {
    view.tracks.get(probe).and_then(Track::established) == Some(ProbeState::Failing)
}

fn confirming(view: &View<'_>, plan: &ProbePlan, track: &Track) -> String {
    let seen = track.streak().unsigned_abs();
    let needed = if track.streak() < 0 { view.plan.failure_threshold } else { view.plan.success_threshold };
    let what = track.failure().map_or("it answers", |failure| &failure.message);
    format!("{} ({}): {seen} of {needed} observations needed: {what}", plan.name, plan.target)
}

fn standings<'a>(view: &View<'a>, of: impl Fn(&ProbePlan) -> bool) -> Vec<(&'a ProbePlan, Standing<'a>)> {
    let (probes, tracks) = (&view.plan.probes, view.tracks);
    let chosen = probes.iter().zip(tracks).filter(|(plan, _)| of(plan));
    chosen.map(|(plan, track)| (plan, standing(view, plan, track))).collect()
}

/// Folds standings into one condition: any failing is False, any that can't be told is Unknown, flaws leave it True.
fn fold(kind: ConditionType, standings: &[(&ProbePlan, Standing<'_>)], well: String) -> Judged {
    let judged = |status, reason, message| Judged { kind, status, reason, message };
    let named = |plan: &ProbePlan| format!("{} ({})", plan.name, plan.target);
    let mut unknown: Option<Judged> = None;
    let mut flawed: Option<Judged> = None;
    let mut unknown_is = |reason, message| {
        unknown.get_or_insert_with(|| judged(ConditionStatus::Unknown, reason, message));
    };
    for (plan, standing) in standings {
        match standing {
            Standing::Failing(cause) => {
                let message = format!("{}: {}", named(plan), cause.summary());
                return judged(ConditionStatus::False, Reason::Because(*cause), message);
            }
            Standing::Blocked(cause, why) => {
                unknown_is(Reason::Because(*cause), format!("{}: {why}", plan.name));
            }
            Standing::Confirming(message) => unknown_is(Reason::Confirming, message.clone()),
            Standing::Waiting(on) => {
                unknown_is(
                    Reason::DependencyFailing,
                    format!(
                        "{} {}, because {on} fails",
                        plan.name,
                        if plan.kind == Kind::Load { "waits" } else { "was skipped" }
                    ),
                );
            }
            Standing::Unobserved if plan.kind == Kind::Load => {
                unknown_is(Reason::Probing, format!("{} has not run to its end yet", named(plan)));
            }
            Standing::Unobserved => unknown_is(Reason::Probing, format!("{} is being observed", named(plan))),
            Standing::Flawed(cause) => {
                let message = format!("{}: {}", named(plan), cause.summary());
                flawed.get_or_insert_with(|| judged(ConditionStatus::True, Reason::Because(*cause), message));
            }
            Standing::Well => {}
        }
    }
    unknown.or(flawed).unwrap_or_else(|| judged(ConditionStatus::True, Reason::Healthy, well))
}

/// The gravest finding by which Google Cloud itself says that the path can't work as it is.
fn broken(diagnosis: &Diagnosis) -> Option<&Finding> {
    let says = |finding: &&Finding| !finding.told.is_empty() && finding.gravity == Gravity::Broken;
    std::iter::once(&diagnosis.primary).chain(&diagnosis.others).find(says)
}

/// What a broken hop means for a check whose probes do not fail. From elsewhere they can stay green while the service's own
/// way is dark; from behind its egress, that they pass is worth more than what is said of it.
fn despite(view: &View<'_>, judged: Judged, broken: &Finding) -> Judged {
    let (said, remedy) = (broken.summary.trim_end_matches('.'), &broken.remedy);
    let reason = Reason::Because(broken.cause);
    if !behind_cloud_run(view.vantage) {
        let seen = judged.message;
        let message = format!("{said}, whatever was observed from {} ({seen}). Next: {remedy}", view.vantage);
        return Judged { status: ConditionStatus::False, reason, message, ..judged };
    }
    match judged.status {
        ConditionStatus::True => {
            Judged { reason, message: format!("{}; but {said}. Next: {remedy}", judged.message), ..judged }
        }
        ConditionStatus::False | ConditionStatus::Unknown => judged,
    }
}

fn ready(view: &View<'_>, diagnosis: Option<&Diagnosis>, broken: Option<&Finding>) -> Judged {
    let kind = ConditionType::Ready;
    if view.plan.suspend {
        let message = "spec.suspend is set: not probed".to_owned();
        return Judged { kind, status: ConditionStatus::Unknown, reason: Reason::Suspended, message };
    }
    if view.plan.probes.is_empty() {
        let fault = view.plan.faults.first();
        let message = format!("nothing can be probed: {}", fault.map_or_else(String::new, ToString::to_string));
        let reason = Reason::Because(fault.map_or(Cause::InvalidSpec, |fault| fault.cause));
        return Judged { kind, status: ConditionStatus::Unknown, reason, message };
    }
    // A check of which no probe is required is judged by all of them.
    let any_required = view.plan.probes.iter().any(|probe| probe.required);
    let mut standings = standings(view, |probe| probe.required || !any_required);
    // A load that is yet to run, on a schedule of its own, keeps nobody waiting.
    standings.retain(|(plan, standing)| plan.kind != Kind::Load || !matches!(standing, Standing::Unobserved));
    let mut judged = fold(kind, &standings, well(view));
    let Some(diagnosis) = diagnosis else { return judged };
    let flaw = &diagnosis.primary;
    if (judged.status, judged.reason) == (ConditionStatus::True, Reason::Healthy) && flaw.gravity == Gravity::Flaw {
        let message = format!("{}; but {}. Next: {}", judged.message, flaw.summary.trim_end_matches('.'), flaw.remedy);
        return Judged { reason: Reason::Because(flaw.cause), message, ..judged };
    }
    if let Some(broken) = broken.filter(|_| judged.status != ConditionStatus::False) {
        return despite(view, judged, broken);
    }
    let explained = match (judged.status, judged.reason) {
        (ConditionStatus::False, _) => true,
        (_, Reason::Because(cause)) => cause == diagnosis.primary.cause,
        (ConditionStatus::True | ConditionStatus::Unknown, _) => false,
    };
    if explained {
        judged.reason = Reason::Because(diagnosis.primary.cause);
        judged.message =
            format!("{}. Next: {}", diagnosis.primary.summary.trim_end_matches('.'), diagnosis.primary.remedy);
    }
    judged
}

fn well(view: &View<'_>) -> String {
    let informative: Vec<&str> = view
        .plan
        .probes
        .iter()
        .zip(view.tracks)
        .filter(|(plan, track)| !plan.required && track.established() == Some(ProbeState::Failing))
        .map(|(plan, _)| &*plan.name)
        .collect();
    let count = view.plan.probes.len();
    let all = if count == 1 { "the probe is healthy".to_owned() } else { format!("all of {count} probes are healthy") };
    let said = if informative.is_empty() {
        all
    } else {
        format!("every required probe is healthy; {} (not required) fails", informative.join(", "))
    };
    // The service's own egress can be dark while another way is not.
    if view.plan.service.is_some() && !behind_cloud_run(view.vantage) {
        format!("{said}, as seen from {}; the service's own way out of Cloud Run was not on this path", view.vantage)
    } else {
        said
    }
}

fn reconciling(view: &View<'_>) -> Option<Judged> {
    if view.observed_generation == Some(view.plan.generation) {
        return None;
    }
    Some(Judged {
        kind: ConditionType::Reconciling,
        status: ConditionStatus::True,
        reason: Reason::Probing,
        message: format!("generation {} is being observed for the first time", view.plan.generation),
    })
}

fn stalled(view: &View<'_>) -> Option<Judged> {
    let faults = view.plan.faults.iter().map(|fault| (fault.cause, fault.to_string()));
    // What is not allowed shows only once the name is resolved.
    let refused = view.plan.probes.iter().zip(view.tracks).filter_map(|(plan, track)| {
        let failure = track.failure().filter(|failure| failure.cause == Cause::TargetNotAllowed)?;
        let of_all = track.established() == Some(ProbeState::Unknown) && !view.plan.suspend;
        of_all.then(|| (failure.cause, format!("{}: {}", plan.name, failure.message)))
    });
    let (causes, reasons): (Vec<Cause>, Vec<String>) = faults.chain(refused).unzip();
    let (first, message) = (causes.first()?, reasons.join("; "));
    Some(Judged {
        kind: ConditionType::Stalled,
        status: ConditionStatus::True,
        reason: Reason::Because(*first),
        message,
    })
}

/// The condition that a kind of probe speaks for.
const fn concern_of(kind: Kind) -> ConditionType {
    match kind {
        Kind::Postgres | Kind::Mysql | Kind::Sqlserver | Kind::Redis => ConditionType::DatabaseReachable,
        Kind::Dns | Kind::Tcp | Kind::Tls => ConditionType::NetworkReachable,
        Kind::Http | Kind::Grpc | Kind::Websocket => ConditionType::EndpointsServing,
        Kind::Load => ConditionType::SustainsLoad,
        Kind::Journey => ConditionType::GoldenPathAvailable,
    }
}

fn concern(view: &View<'_>, kind: ConditionType) -> Option<Judged> {
    let standings = standings(view, |probe| concern_of(probe.kind) == kind);
    if standings.is_empty() {
        return None;
    }
    if view.plan.suspend {
        let message = "spec.suspend is set: not probed".to_owned();
        return Some(Judged { kind, status: ConditionStatus::Unknown, reason: Reason::Suspended, message });
    }
    let names: Vec<&str> = standings.iter().map(|(plan, _)| &*plan.name).collect();
    let mut judged = fold(kind, &standings, format!("healthy: {}", names.join(", ")));
    if kind == ConditionType::GoldenPathAvailable {
        judged.message = format!("{}; {}", judged.message.trim_end_matches('.'), available(view));
    }
    Some(judged)
}

/// How often each journey worked, of its last observations.
fn available(view: &View<'_>) -> String {
    let journeys = view.plan.probes.iter().zip(view.tracks).filter(|(plan, _)| plan.kind == Kind::Journey);
    let said = journeys.map(|(plan, track)| match track.history().ratio() {
        Some(ratio) => {
            let of = match track.history().outcomes().count() {
                1 => "its one observation".to_owned(),
                count => format!("the last {count} observations"),
            };
            format!("{} available in {} of {of}", plan.name, percent(ratio))
        }
        None => format!("{} not observed yet", plan.name),
    });
    said.collect::<Vec<_>>().join(", ")
}

/// What the probes take, against the time that the service grants itself to come up. The engine has judged each already.
fn startup(view: &View<'_>) -> Option<Judged> {
    let kind = ConditionType::StartsWithinBudget;
    let budget = view.plan.startup_budget?;
    if view.plan.probes.is_empty() {
        return None;
    }
    if view.plan.suspend {
        let message = "spec.suspend is set: not probed".to_owned();
        return Some(Judged { kind, status: ConditionStatus::Unknown, reason: Reason::Suspended, message });
    }
    let standings = standings(view, |probe| probe.kind != Kind::Load);
    let exceeded = |(probe, track): &(&ProbePlan, &Track)| {
        probe.kind != Kind::Load
            && matches!(standing(view, probe, track), Standing::Failing(Cause::StartupBudgetExceeded))
    };
    if let Some((probe, track)) = view.plan.probes.iter().zip(view.tracks).find(exceeded) {
        let why = track.failure().map_or("", |failure| &failure.message);
        let message = format!("{} ({}): {why}", probe.name, probe.target);
        let reason = Reason::Because(Cause::StartupBudgetExceeded);
        return Some(Judged { kind, status: ConditionStatus::False, reason, message });
    }
    Some(fold(kind, &standings, within(view, budget)))
}

/// The longest chain of probes, and how much of the budget it took.
fn within(view: &View<'_>, budget: Duration) -> String {
    let evidence = |index: usize| view.tracks.get(index).and_then(Track::evidence);
    let is_load = |index: usize| view.plan.probes[index].kind == Kind::Load;
    let chains = view
        .plan
        .chains(|index| evidence(index).filter(|_| !is_load(index)).map(Evidence::until_usable).unwrap_or_default());
    let longest = chains.iter().enumerate().filter(|(index, _)| !is_load(*index)).max_by_key(|(_, took)| **took);
    let Some((index, took)) = longest else { return String::new() };
    let what = evidence(index).map_or_else(String::new, Evidence::usable);
    format!("{}: {what} after {} of {}", view.plan.probes[index].name, Shown(*took), Shown(budget))
}
