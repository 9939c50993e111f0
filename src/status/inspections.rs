//! What was read of Google Cloud's own view, and what could not be, as the status shows it: entries, and the condition
//! InfrastructureHealthy. Pure.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::assess::Judged;
use super::{Seen, View};
use crate::api::condition::{ConditionStatus, ConditionType, Reason};
use crate::api::status::{InspectionState, InspectionStatus};
use crate::cloud::{Absent, Inspection, Picture, Reading, Unread, Why};
use crate::diagnosis::Finding;
use crate::evidence::clip;

/// Longest name of an object, in characters.
const MAX_NAME: usize = 256;
/// Longest message or remedy, in characters.
const MAX_TEXT: usize = 512;

/// The entries of the status, in the order of the path.
pub fn of(seen: Seen<'_>) -> Vec<InspectionStatus> {
    match seen {
        Seen::Nothing => Vec::new(),
        Seen::Earlier(earlier) => earlier.to_vec(),
        Seen::Now(picture) => {
            let readings = picture.readings();
            let shown = readings.iter().enumerate().filter(|(index, (inspection, reading))| {
                // One of the two revisions has nothing of its own where it is the other.
                let twin = *index > 0 && readings[*index - 1].0 == *inspection;
                !(twin && matches!(reading, Reading::Absent(_)))
            });
            shown.map(|(_, (inspection, reading))| entry(*inspection, reading)).collect()
        }
    }
}

fn entry(inspection: Inspection, reading: &Reading<()>) -> InspectionStatus {
    let of = |state, reason: Option<&str>| InspectionStatus {
        inspection,
        object: String::new(),
        state,
        reason: reason.map(str::to_owned),
        message: String::new(),
        remedy: String::new(),
        last_read_time: None,
    };
    match reading {
        Reading::Absent(absent) => InspectionStatus {
            message: absent.summary().to_owned(),
            ..of(InspectionState::Absent, Some(absent.as_str()))
        },
        Reading::Unread(unread) => InspectionStatus {
            object: cut(&unread.name, MAX_NAME),
            message: cut(&unread.message, MAX_TEXT),
            remedy: cut(&unread.remedy, MAX_TEXT),
            last_read_time: Some(Time(unread.at)),
            ..of(InspectionState::Unread, Some(unread.why.as_str()))
        },
        Reading::Read(found) => InspectionStatus {
            object: cut(&found.name, MAX_NAME),
            last_read_time: Some(Time(found.at)),
            ..of(InspectionState::Read, None)
        },
    }
}

fn cut(text: &str, most: usize) -> String {
    clip(text, most).into_owned()
}

/// Judges what Google Cloud says of the hops. `broken` is the gravest finding that it alone gives.
pub(super) fn infrastructure(view: &View<'_>, broken: Option<&Finding>) -> Option<Judged> {
    let kind = ConditionType::InfrastructureHealthy;
    let judged = |status, reason, message| Some(Judged { kind, status, reason, message });
    if view.plan.suspend && !matches!(view.cloud, Seen::Nothing) {
        let message = "spec.suspend is set: not inspected".to_owned();
        return judged(ConditionStatus::Unknown, Reason::Suspended, message);
    }
    let picture = match view.cloud {
        Seen::Nothing => return None,
        Seen::Earlier(earlier) => {
            let (status, reason, message) = before_the_first(view, earlier);
            return judged(status, reason, message);
        }
        Seen::Now(picture) => picture,
    };
    if let Some(finding) = broken {
        let message = format!("{}. Next: {}", finding.summary.trim_end_matches('.'), finding.remedy);
        return judged(ConditionStatus::False, Reason::Because(finding.cause), message);
    }
    if let Some((first, message)) = unread(picture) {
        return judged(ConditionStatus::Unknown, Reason::Unread(first), message);
    }
    judged(ConditionStatus::True, Reason::Healthy, well(picture))
}

/// What is said before anything was read: what an earlier process reported of this path stands until there is something new.
fn before_the_first(view: &View<'_>, earlier: &[InspectionStatus]) -> (ConditionStatus, Reason, String) {
    let reported = view.memory.reported(ConditionType::InfrastructureHealthy).filter(|_| !earlier.is_empty());
    match reported.and_then(|(status, reason)| Some((status, Reason::from_name(reason)?))) {
        Some((status, reason)) => (status, reason, "as read last; it is being read anew".to_owned()),
        None => (ConditionStatus::Unknown, Reason::Probing, "it is being read for the first time".to_owned()),
    }
}

/// The readings that tell of the state of the path. Audit logs tell who changed it.
fn of_state(picture: &Picture) -> Vec<(Inspection, Reading<()>)> {
    picture.readings().into_iter().filter(|(inspection, _)| *inspection != Inspection::AuditLog).collect()
}

/// Why something could not be read, and how the first of it is mended.
fn unread(picture: &Picture) -> Option<(Why, String)> {
    let readings = of_state(picture);
    let unread: Vec<(Inspection, &Unread)> = readings
        .iter()
        .filter_map(|(inspection, reading)| reading.unread().map(|unread| (*inspection, unread)))
        .collect();
    let (inspection, first) = unread.first()?;
    let others = match unread.len() - 1 {
        0 => Cow::Borrowed(""),
        more => format!("; nor could {more} more (status.inspections)").into(),
    };
    let message = format!(
        "{inspection} could not be read: {}{others}. Next: {}",
        first.message.trim_end_matches('.'),
        first.remedy
    );
    Some((first.why, message))
}

fn well(picture: &Picture) -> String {
    let readings = of_state(picture);
    let mut read: Vec<&str> = readings
        .iter()
        .filter(|(_, reading)| matches!(reading, Reading::Read(_)))
        .map(|(inspection, _)| inspection.as_str())
        .collect();
    read.dedup();
    let undiscovered = readings.iter().any(|(_, reading)| matches!(reading, Reading::Absent(Absent::Undiscovered)));
    match (read.is_empty(), undiscovered) {
        (true, _) => "there was nothing to read".to_owned(),
        (false, false) => format!("Google Cloud reports nothing wrong with the path: {}", read.join(", ")),
        (false, true) => {
            format!("nothing is reported wrong with what could be found of the path: {}", read.join(", "))
        }
    }
}
