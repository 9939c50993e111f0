//! What was last reported of a check, so that transition times move only when a status changes. Pure: time is an argument.

use jiff::Timestamp;

use super::assess::Assessment;
use crate::api::condition::{ConditionStatus, ConditionType};
use crate::api::{Cause, ConnectivityCheckStatus, Layer};

/// The conditions and the verdict as last reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    held: Vec<Held>,
    verdict: Option<(Layer, Cause, Timestamp)>,
}

/// One condition as last reported. The reason is kept as text: a resumed one may come from another version.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    kind: ConditionType,
    status: ConditionStatus,
    reason: std::borrow::Cow<'static, str>,
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
        Memory { held: held.collect(), verdict }
    }

    /// Takes what is to be reported in. Returns the transition to tell people of: of Ready, or else of Stalled.
    pub fn take_in(&mut self, assessment: &Assessment, now: Timestamp) -> Option<Transition> {
        let mut told: Option<Transition> = None;
        let mut held = Vec::with_capacity(assessment.conditions.len());
        for judged in &assessment.conditions {
            let before = self.held.iter().find(|held| held.kind == judged.kind);
            let reason = judged.reason.as_str();
            let same_status = before.filter(|before| before.status == judged.status);
            if before.is_none_or(|before| before.status != judged.status || before.reason != reason) {
                let worth_telling = matches!(judged.kind, ConditionType::Ready | ConditionType::Stalled);
                if worth_telling && told.is_none() && !judged.reason.is_passing() {
                    told = Some(Transition { kind: judged.kind, before: before.map(|held| (held.status, held.since)) });
                }
            }
            held.push(Held {
                kind: judged.kind,
                status: judged.status,
                reason: reason.into(),
                since: same_status.map_or(now, |before| before.since),
            });
        }
        self.held = held;
        self.verdict = assessment.diagnosis.as_ref().map(|diagnosis| {
            let (layer, cause) = (diagnosis.primary.layer, diagnosis.primary.cause);
            match self.verdict {
                Some((known_layer, known_cause, since)) if (known_layer, known_cause) == (layer, cause) => {
                    (layer, cause, since)
                }
                _ => (layer, cause, now),
            }
        });
        told
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

    /// Layer, cause and start of the verdict, as last reported.
    pub const fn verdict(&self) -> Option<(Layer, Cause, Timestamp)> {
        self.verdict
    }
}
