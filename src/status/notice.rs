//! A transition as people hear of it. Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::assess::{Assessment, Judged};
use super::memory::Transition;
use crate::api::Layer;
use crate::api::condition::{ConditionStatus, ConditionType, Reason};
use crate::plan::CheckPlan;
use crate::source::Notice;

/// Longest note of an event, in bytes (events.k8s.io/v1).
const MAX_NOTE: usize = 1024;

/// What to tell people of a transition.
pub fn notice(plan: &CheckPlan, assessment: &Assessment, transition: &Transition, now: Timestamp) -> Notice {
    let judged = assessment.conditions.iter().find(|judged| judged.kind == transition.kind);
    let blamed = match (&assessment.diagnosis, judged) {
        (Some(diagnosis), Some(judged)) if judged.reason == Reason::Because(diagnosis.primary.cause) => {
            Some((diagnosis.primary.layer, diagnosis.primary.probes.as_slice()))
        }
        _ => None,
    };
    let (reason, note) = match judged {
        Some(judged) => (judged.reason.as_str(), note(judged, transition, blamed.map(|(layer, _)| layer), now)),
        None => ("Unknown", String::new()),
    };
    let fine = judged.is_some_and(|judged| match judged.kind {
        ConditionType::Stalled | ConditionType::Reconciling => false,
        ConditionType::Ready
        | ConditionType::DatabaseReachable
        | ConditionType::NetworkReachable
        | ConditionType::EndpointsServing
        | ConditionType::SustainsLoad
        | ConditionType::GoldenPathAvailable
        | ConditionType::StartsWithinBudget
        | ConditionType::InfrastructureHealthy
        | ConditionType::ConfigurationConsistent => judged.reason.is_fine(),
    });
    Notice {
        id: plan.id.clone(),
        uid: plan.uid.clone(),
        generation: plan.generation,
        at: now,
        warning: !fine,
        reason,
        action: "Probe",
        probe: blamed.and_then(|(_, probes)| plan.probes.get(*probes.first()?)).map(|probe| probe.name.clone()),
        topic: topic(transition, judged, blamed),
        note: cut(note),
    }
}

/// What tells one notice from another, durations and counts apart.
fn topic(transition: &Transition, judged: Option<&Judged>, blamed: Option<(Layer, &[usize])>) -> String {
    // Ready again is another matter than ready for the first time.
    let before = transition.before.map_or("", |(status, _)| status.as_str());
    let status = judged.map_or("", |judged| judged.status.as_str());
    let layer = blamed.map_or("", |(layer, _)| layer.as_str());
    let probes: Vec<String> = blamed.into_iter().flat_map(|(_, probes)| probes).map(ToString::to_string).collect();
    format!("{}={before}>{status} {layer} {}", transition.kind.as_str(), probes.join(" "))
}

fn note(judged: &Judged, transition: &Transition, blamed: Option<Layer>, now: Timestamp) -> String {
    let lasted = |since: Timestamp| Duration::try_from(now.duration_since(since)).unwrap_or_default().as_secs();
    let (kind, status, message) = (judged.kind.as_str(), judged.status, &judged.message);
    match (status, transition.before, blamed) {
        (ConditionStatus::True, Some((ConditionStatus::False, since)), _) => {
            format!("{kind} again after {}: {message}", human(lasted(since)))
        }
        (ConditionStatus::False, _, Some(layer)) if judged.kind == ConditionType::Ready => {
            format!("{layer} layer: {message}")
        }
        (_, _, Some(layer)) if judged.kind != ConditionType::Stalled => {
            format!("{layer} layer: {kind}={status}: {message}")
        }
        _ => format!("{kind}={status}: {message}"),
    }
}

/// Seconds as one says them: 45s, 3m12s, 2h5m.
pub fn human(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, _) => format!("{hours}h{minutes}m"),
    }
}

/// Cuts to [`MAX_NOTE`] bytes, at a character.
fn cut(note: String) -> String {
    if note.len() <= MAX_NOTE {
        return note;
    }
    let room = MAX_NOTE - "…".len();
    let end = note.char_indices().map(|(index, _)| index).take_while(|index| *index <= room).last().unwrap_or(0);
    format!("{}…", &note[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_cut_by_bytes_but_at_characters() {
        let long = "ä".repeat(600);
        let cut = cut(long);
        assert!(cut.len() <= MAX_NOTE && cut.ends_with('…'), "{} bytes", cut.len());
        assert_eq!(super::cut("short".to_owned()), "short");
    }

    #[test]
    fn durations_are_said_shortly() {
        assert_eq!([human(45), human(192), human(7500)], ["45s", "3m12s", "2h5m"]);
    }
}
