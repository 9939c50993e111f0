//! The path's configuration against the one that worked: what the status says of it, and what restores it. Pure.

use super::assess::Judged;
use super::{Seen, View};
use crate::api::Baseline;
use crate::api::condition::{ConditionStatus, ConditionType, Reason};
use crate::baseline::{explaining, rank, restoring_command, sentence};
use crate::cloud::{Drift, Inspection, Picture, Why};
use crate::diagnosis::{Diagnosis, Finding};

/// Differences that the message spells out.
const TOLD: usize = 3;

/// The baseline that was learned. It outlasts a time in which Google Cloud is not read.
pub(super) fn baseline<'a>(view: &View<'a>) -> Option<&'a Baseline> {
    view.baseline.filter(|_| view.plan.service.is_some())
}

/// What differs, where Google Cloud is read.
pub(super) fn drift<'a>(view: &View<'a>) -> &'a [Drift] {
    if matches!(view.cloud, Seen::Nothing) { &[] } else { view.drift }
}

/// Judges the configuration. What explains the failure best is named first.
pub(super) fn consistent(view: &View<'_>, diagnosis: Option<&Diagnosis>) -> Option<Judged> {
    let kind = ConditionType::ConfigurationConsistent;
    let judged = |status, reason, message| Some(Judged { kind, status, reason, message });
    if matches!(view.cloud, Seen::Nothing) {
        return None;
    }
    if view.plan.suspend {
        let message = "spec.suspend is set: not compared".to_owned();
        return judged(ConditionStatus::Unknown, Reason::Suspended, message);
    }
    if !view.drift.is_empty() {
        return judged(ConditionStatus::False, Reason::Drifted, differs(view, diagnosis));
    }
    let pinned = view.plan.baseline.as_deref().is_some_and(|spec| spec.objects.is_some());
    let (Some(taken), compared) = (match (pinned, baseline(view)) {
        (true, _) => (Some("as spec.baseline pins it".to_owned()), pins(view)),
        (false, Some(baseline)) => (
            Some(format!("as it was when the check was steadily Ready ({:.0})", baseline.taken.0)),
            baseline.objects.iter().map(|object| object.inspection).collect(),
        ),
        (false, None) => (None, Vec::new()),
    }) else {
        let message = "which configuration works is learned once the check has been Ready for 5 minutes".to_owned();
        return judged(ConditionStatus::Unknown, Reason::Learning, message);
    };
    let Some(picture) = view.cloud.picture() else {
        return judged(ConditionStatus::Unknown, Reason::Probing, "it is being read anew".to_owned());
    };
    if let Some((inspection, why, message)) = unread(picture, &compared) {
        return judged(
            ConditionStatus::Unknown,
            Reason::Unread(why),
            format!("{inspection} could not be compared: {message}"),
        );
    }
    judged(ConditionStatus::True, Reason::Healthy, taken)
}

/// The inspections that the pinned configuration names.
fn pins(view: &View<'_>) -> Vec<Inspection> {
    let spec = view.plan.baseline.as_deref();
    let objects = spec.and_then(|spec| spec.objects.as_ref());
    objects.into_iter().flatten().map(|object| object.inspection).collect()
}

/// The first of these that could not be read.
fn unread(picture: &Picture, compared: &[Inspection]) -> Option<(Inspection, Why, String)> {
    picture.readings().into_iter().filter(|(inspection, _)| compared.contains(inspection)).find_map(
        |(inspection, reading)| {
            let unread = reading.unread().filter(|unread| unread.why != Why::NotFound)?;
            Some((inspection, unread.why, format!("{}. Next: {}", unread.message.trim_end_matches('.'), unread.remedy)))
        },
    )
}

fn differs(view: &View<'_>, diagnosis: Option<&Diagnosis>) -> String {
    let ranked = match diagnosis {
        Some(diagnosis) => rank(view.drift, diagnosis.primary.cause, diagnosis.primary.stage),
        None => view.drift.iter().collect(),
    };
    let told: Vec<String> = ranked.iter().take(TOLD).map(|drift| sentence(drift)).collect();
    let more = match ranked.len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!("; and {more} more (status.drift)"),
    };
    let next = "Next: `runready restore` prints what restores it; if the change is meant, it becomes the baseline after 24 hours of Ready, or at once with spec.baseline.notBefore";
    format!("{}{more}. {next}", told.join("; "))
}

/// Adds to a finding's remedy the command that restores the drift which explains it best.
pub(super) fn tell_what_restores(view: &View<'_>, finding: &mut Finding) {
    let pinned = view.plan.baseline.as_deref().and_then(|spec| spec.objects.as_deref());
    let known = pinned.or_else(|| baseline(view).map(|baseline| &*baseline.objects)).unwrap_or_default();
    let all = drift(view);
    let explains = explaining(all, finding.cause, finding.stage);
    let Some(command) = explains.iter().find_map(|drift| restoring_command(drift, all, known)) else { return };
    if !finding.remedy.contains(&command) {
        finding.remedy = format!("{}. What worked is restored by: {command}", finding.remedy.trim_end_matches('.'));
    }
}
