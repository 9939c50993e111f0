//! What was last reported of a check, so that transition times move only when a status changes. Pure: time is an argument.

use std::borrow::Cow;

use jiff::Timestamp;

use super::assess::{Assessment, Judged};
use crate::api::condition::{ConditionStatus, ConditionType, Reason};
use crate::api::{Cause, Confidence, ConnectivityCheckStatus, Layer};

/// The conditions and the verdict as last reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    held: Vec<Held>,
    verdict: Option<(Layer, Cause, Timestamp)>,
    /// The rule that the verdict comes from, and how sure it is.
    grounds: Option<(Cow<'static, str>, Confidence)>,
}

/// One condition as last reported. The reason is kept as text: a resumed one may come from another version.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    kind: ConditionType,
    status: ConditionStatus,
    reason: Cow<'static, str>,
    since: Timestamp,
}

/// A transition that people should hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The condition that changed.
    pub kind: ConditionType,
    /// The status before, and since when. None when there was none.
    pub before: Option<(ConditionStatus, Timestamp)>,
}

impl Transition {
    fn of(kind: ConditionType, before: Option<&Held>) -> Self {
        Transition { kind, before: before.map(|held| (held.status, held.since)) }
    }
}

/// Whether a condition says something new that people should hear of.
fn is_news(judged: &Judged, before: Option<&Held>) -> bool {
    let reason = judged.reason.as_str();
    let changed = before.is_none_or(|before| before.status != judged.status || before.reason != reason);
    match judged.kind {
        ConditionType::Reconciling => false,
        ConditionType::Ready | ConditionType::Stalled => changed && !judged.reason.is_passing(),
        ConditionType::DatabaseReachable
        | ConditionType::NetworkReachable
        | ConditionType::EndpointsServing
        | ConditionType::SustainsLoad
        | ConditionType::GoldenPathAvailable
        | ConditionType::StartsWithinBudget
        | ConditionType::InfrastructureHealthy
        | ConditionType::ConfigurationConsistent => {
            // A concern that is well is news after trouble alone. One that waits for another is told of by that other.
            let trouble = before.is_some_and(|before| {
                before.status == ConditionStatus::False
                    || Cause::ALL.iter().any(|cause| cause.as_str() == before.reason)
            });
            let waits = judged.reason == Reason::DependencyFailing;
            changed && !judged.reason.is_passing() && !waits && (!judged.reason.is_fine() || trouble)
        }
    }
}

/// Whether what is told of one condition covers another that changes with it: both have come to the same status, or give the
/// same reason.
fn speaks_for(told: &Judged, other: &Judged) -> bool {
    match told.kind {
        ConditionType::Ready if other.kind != ConditionType::Stalled => {
            told.status == other.status || told.reason == other.reason
        }
        ConditionType::Ready | ConditionType::Stalled | ConditionType::Reconciling => told.reason == other.reason,
        ConditionType::DatabaseReachable
        | ConditionType::NetworkReachable
        | ConditionType::EndpointsServing
        | ConditionType::SustainsLoad
        | ConditionType::GoldenPathAvailable
        | ConditionType::StartsWithinBudget
        | ConditionType::InfrastructureHealthy
        | ConditionType::ConfigurationConsistent => false,
    }
}

impl Memory {
    /// What a status says was last reported.
    pub fn resume(status: &ConnectivityCheckStatus) -> Self {
        let held = status.conditions.iter().filter_map(|condition| {
            Some(Held {
                kind: ConditionType::from_name(&condition.type_)?,
                status: condition.status,
                reason: condition.reason.clone().into(),
                since: condition.last_transition_time.0,
            })
        });
        let verdict = status.verdict.as_ref().map(|verdict| (verdict.layer, verdict.cause, verdict.since.0));
        let grounds = status.verdict.as_ref().map(|verdict| (verdict.rule.clone().into(), verdict.confidence));
        Memory { held: held.collect(), verdict, grounds }
    }

    /// Takes what is to be reported in. Returns the transitions to tell people of, the check's own first: of Ready, of Stalled, of
    /// each concern that these do not speak for, and of a verdict that changes although no condition does.
    pub fn take_in(&mut self, assessment: &Assessment, now: Timestamp) -> Vec<Transition> {
        let mut told: Vec<(Transition, &Judged)> = Vec::new();
        let mut held = Vec::with_capacity(assessment.conditions.len());
        for judged in &assessment.conditions {
            let before = self.held.iter().find(|held| held.kind == judged.kind);
            let reason = judged.reason.as_str();
            if is_news(judged, before) && !told.iter().any(|(_, other)| speaks_for(other, judged)) {
                told.push((Transition::of(judged.kind, before), judged));
            }
            held.push(Held {
                kind: judged.kind,
                status: judged.status,
                reason: reason.into(),
                since: before.filter(|before| before.status == judged.status).map_or(now, |before| before.since),
            });
        }
        let verdict = assessment.diagnosis.as_ref().map(|diagnosis| (diagnosis.primary.layer, diagnosis.primary.cause));
        let known = self.verdict.map(|(layer, cause, _)| (layer, cause));
        let moved = verdict.filter(|_| known.is_some() && known != verdict).map(|(_, cause)| Reason::Because(cause));
        let untold = moved.filter(|reason| !told.iter().any(|(_, judged)| judged.reason == *reason));
        let bearer = untold.and_then(|reason| self.bearer(assessment, reason));
        let told = told.into_iter().map(|(transition, _)| transition).chain(bearer).collect();
        let since = self.verdict.filter(|_| known == verdict).map_or(now, |(_, _, since)| since);
        self.verdict = verdict.map(|(layer, cause)| (layer, cause, since));
        let primary = assessment.diagnosis.as_ref().map(|diagnosis| &diagnosis.primary);
        self.grounds = primary.map(|finding| (finding.rule.into(), finding.confidence));
        self.held = held;
        told
    }

    /// The first condition with that reason, Ready before the concerns.
    fn bearer(&self, assessment: &Assessment, reason: Reason) -> Option<Transition> {
        let bears = |judged: &&Judged| judged.kind != ConditionType::Stalled && judged.reason == reason;
        let kind = assessment.conditions.iter().find(bears)?.kind;
        Some(Transition::of(kind, self.held.iter().find(|held| held.kind == kind)))
    }

    /// When a condition came to its status.
    pub fn since(&self, kind: ConditionType) -> Option<Timestamp> {
        self.held.iter().find(|held| held.kind == kind).map(|held| held.since)
    }

    /// Type, status and reason of each condition, as last reported.
    pub fn conditions(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.held.iter().map(|held| (held.kind.as_str(), held.status.as_str(), &*held.reason))
    }

    /// Status of a condition, as last reported.
    pub fn status_of(&self, kind: ConditionType) -> Option<ConditionStatus> {
        self.held.iter().find(|held| held.kind == kind).map(|held| held.status)
    }

    /// Rule and confidence of the verdict, as last reported.
    pub fn grounds(&self) -> Option<(&str, Confidence)> {
        self.grounds.as_ref().map(|(rule, confidence)| (&**rule, *confidence))
    }

    /// Status and reason of a condition, as last reported, by this version or another.
    pub fn reported(&self, kind: ConditionType) -> Option<(ConditionStatus, &str)> {
        self.held.iter().find(|held| held.kind == kind).map(|held| (held.status, &*held.reason))
    }

    /// Layer, cause and start of the verdict, as last reported.
    pub const fn verdict(&self) -> Option<(Layer, Cause, Timestamp)> {
        self.verdict
    }
}
