//! Renders a status from what is known of a check. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::View;
use super::assess::{Assessment, assess};
use super::{configuration, inspections};
use crate::api::condition::Condition;
use crate::api::status::{
    AddressStatus, Availability, ConnectivityCheckStatus, OtherFinding, ProbeStatus, RuledOut, StageStatus, StepState,
    StepStatus, Verdict,
};
use crate::api::{Cause, Kind, Layer, ProbeState};
use crate::baseline;
use crate::diagnosis::Diagnosis;
use crate::engine::track::{History, Track};
use crate::evidence::{Evidence, Outcome};
use crate::plan::{CheckPlan, ProbePlan};

/// Most entries of a list in the verdict.
const MOST: usize = 8;

/// The status of a check as it stands.
pub fn render(view: &View<'_>) -> ConnectivityCheckStatus {
    let Assessment { conditions, diagnosis } = assess(view);
    let now = Time(view.now);
    let conditions = conditions.into_iter().map(|judged| Condition {
        type_: judged.kind.as_str().to_owned(),
        status: judged.status,
        observed_generation: Some(view.plan.generation),
        last_transition_time: view.memory.since(judged.kind).map_or_else(|| now.clone(), Time),
        reason: judged.reason.as_str().to_owned(),
        message: judged.message,
    });
    let observed = || view.tracks.iter().filter_map(Track::evidence);
    let slowest = observed().filter(|evidence| !evidence.latency.is_zero()).map(|evidence| evidence.latency).max();
    ConnectivityCheckStatus {
        observed_generation: Some(view.plan.generation),
        conditions: conditions.collect(),
        verdict: diagnosis.map(|diagnosis| verdict(diagnosis, view)),
        latency: slowest.map(shown),
        inspections: inspections::of(view.cloud),
        probes: view.plan.probes.iter().zip(view.tracks).map(|(plan, track)| probe(view, plan, track)).collect(),
        baseline: configuration::baseline(view).cloned(),
        drift: baseline::learn::shown(configuration::drift(view)),
        last_probe_time: view.last_probe.map(Time),
        next_probe_time: view.next_probe.map(Time),
    }
}

fn verdict(diagnosis: Diagnosis, view: &View<'_>) -> Verdict {
    let Diagnosis { primary, others, evidence, ruled_out, unknown } = diagnosis;
    let key = (primary.layer, primary.cause);
    let known = |(layer, cause, _): &(Layer, Cause, _)| (*layer, *cause) == key;
    let since = view.memory.verdict().filter(known).map_or(view.now, |(_, _, since)| since);
    Verdict {
        layer: primary.layer,
        cause: primary.cause,
        rule: primary.rule.to_owned(),
        summary: primary.summary,
        remedy: primary.remedy,
        confidence: primary.confidence,
        since: Time(since),
        evidence: evidence.into_iter().take(MOST).collect(),
        ruled_out: ruled_out.into_iter().map(|(layer, evidence)| RuledOut { layer, evidence }).collect(),
        unknown: unknown.into_iter().take(MOST).collect(),
        others: others
            .into_iter()
            .take(MOST)
            .map(|finding| OtherFinding { layer: finding.layer, cause: finding.cause, summary: finding.summary })
            .collect(),
    }
}

fn probe(view: &View<'_>, plan: &ProbePlan, track: &Track) -> ProbeStatus {
    let evidence = track.evidence();
    let failure = track.failure();
    ProbeStatus {
        name: plan.name.to_string(),
        vantage: evidence.map_or(view.vantage, |evidence| &evidence.vantage).to_owned(),
        target: plan.target.to_string(),
        state: track.state(),
        observed: track.observed().unwrap_or(ProbeState::Unknown),
        streak: track.streak(),
        last_probe_time: track.observed_at().map(Time),
        last_transition_time: track.since().map(Time),
        latency: evidence.filter(|evidence| !evidence.latency.is_zero()).map(|evidence| shown(evidence.latency)),
        failed_step: failure.and_then(|failure| failure.step.as_deref()).map(str::to_owned),
        failed_stage: failure.and_then(|failure| failure.stage),
        cause: failure.map(|failure| failure.cause),
        message: message(view.plan, track),
        availability: if plan.kind == Kind::Journey { availability(track.history()) } else { None },
        steps: evidence.map(steps).unwrap_or_default(),
        stages: evidence.map(stages).unwrap_or_default(),
        addresses: evidence.map(addresses).unwrap_or_default(),
        facts: evidence.map(facts).unwrap_or_default(),
    }
}

fn message(check: &CheckPlan, track: &Track) -> String {
    if let Some(Outcome::Skipped { because_of }) = track.evidence().map(|evidence| &evidence.outcome) {
        let on = check.probes.get(*because_of).map_or("", |probe| &probe.name);
        return format!("skipped, because {on} does not pass");
    }
    let last = track.evidence().and_then(|evidence| evidence.outcome.failure());
    match (last, track.failure()) {
        (Some(last), _) if track.streak() < 0 => {
            format!("{} in a row are worse than {}: {}", track.streak().unsigned_abs(), track.state(), last.message)
        }
        (_, Some(failure)) => failure.message.to_string(),
        (_, None) => String::new(),
    }
}

fn stages(evidence: &Evidence) -> Vec<StageStatus> {
    let stage = |record: &crate::evidence::StageRecord| StageStatus {
        name: record.stage,
        step: record.step.and_then(|step| evidence.steps.get(usize::from(step))).map(|step| step.name.to_string()),
        duration: shown(record.duration),
        passed: record.passed,
    };
    evidence.stages.iter().map(stage).collect()
}

fn steps(evidence: &Evidence) -> Vec<StepStatus> {
    let step = |record: &crate::evidence::StepRecord| StepStatus {
        name: record.name.to_string(),
        state: record.state,
        duration: (record.state != StepState::Skipped).then(|| shown(record.duration)),
        cause: record.failure.as_ref().map(|(cause, _)| *cause),
        message: record.failure.as_ref().map(|(_, message)| message.to_string()).unwrap_or_default(),
    };
    evidence.steps.iter().map(step).collect()
}

fn availability(history: History) -> Option<Availability> {
    let ratio = history.ratio()?;
    Some(Availability { ratio: percent(ratio), observations: history.to_string() })
}

/// A share for people, such as 98.4%. What is not all is not said to be all.
pub(super) fn percent(ratio: f64) -> String {
    format!("{}%", (ratio * 1000.0).floor() / 10.0)
}

fn addresses(evidence: &Evidence) -> Vec<AddressStatus> {
    let address = |record: &crate::evidence::AddressRecord| AddressStatus {
        address: record.address.to_string(),
        duration: shown(record.duration),
        cause: record.cause,
    };
    evidence.addresses.iter().map(address).collect()
}

fn facts(evidence: &Evidence) -> BTreeMap<String, String> {
    evidence.facts.iter().map(|(fact, value)| (fact.as_str().to_owned(), value.to_string())).collect()
}

fn shown(duration: Duration) -> String {
    crate::evidence::Shown(duration).to_string()
}
