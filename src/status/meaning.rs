//! A number for what a status means: a condition's status or reason, a cause, a probe's state. Latencies and times don't
//! count, so that they alone never cause a write. Pure.

use xxhash_rust::xxh3::Xxh3;

use super::{View, configuration, inspections};
use crate::api::status::{InspectionState, InspectionStatus};
use crate::api::{Baseline, Cause, Confidence, ConnectivityCheckStatus, DriftStatus, Layer, Stage};
use crate::cloud::Inspection;

/// The meaning of a status that was written earlier.
pub fn of_status(status: &ConnectivityCheckStatus) -> u64 {
    let mut hash = Hash::new(status.observed_generation);
    for condition in &status.conditions {
        hash.condition(&condition.type_, condition.status.as_str(), &condition.reason);
    }
    hash.verdict(status.verdict.as_ref().map(|verdict| (verdict.layer, verdict.cause)));
    hash.grounds(status.verdict.as_ref().map(|verdict| (&*verdict.rule, verdict.confidence)));
    for probe in &status.probes {
        hash.probe(&probe.name, probe.state.as_str(), probe.cause, probe.failed_step.as_deref(), probe.failed_stage);
    }
    status.inspections.iter().for_each(|inspection| hash.inspection(inspection));
    hash.baseline(status.baseline.as_ref());
    status.drift.iter().for_each(|drift| hash.drift(drift));
    hash.0.digest()
}

/// The meaning of a check as it stands; equal to that of the status that would be rendered from it.
pub fn of_view(view: &View<'_>) -> u64 {
    let mut hash = Hash::new(Some(view.plan.generation));
    for (kind, status, reason) in view.memory.conditions() {
        hash.condition(kind, status, reason);
    }
    hash.verdict(view.memory.verdict().map(|(layer, cause, _)| (layer, cause)));
    hash.grounds(view.memory.grounds());
    for (plan, track) in view.plan.probes.iter().zip(view.tracks) {
        let failure = track.failure();
        let (step, stage) =
            (failure.and_then(|failure| failure.step.as_deref()), failure.and_then(|failure| failure.stage));
        hash.probe(&plan.name, track.state().as_str(), failure.map(|failure| failure.cause), step, stage);
    }
    inspections::of(view.cloud).iter().for_each(|inspection| hash.inspection(inspection));
    hash.baseline(configuration::baseline(view));
    configuration::drift(view).iter().for_each(|drift| hash.drift(&DriftStatus::from(drift)));
    hash.0.digest()
}

struct Hash(Xxh3);

impl Hash {
    fn new(observed_generation: Option<i64>) -> Self {
        let mut hash = Hash(Xxh3::new());
        hash.0.update(&observed_generation.unwrap_or(-1).to_le_bytes());
        hash
    }

    fn piece(&mut self, text: &str) {
        self.0.update(text.as_bytes());
        self.0.update(&[0]);
    }

    fn condition(&mut self, kind: &str, status: &str, reason: &str) {
        [kind, status, reason].into_iter().for_each(|text| self.piece(text));
    }

    fn verdict(&mut self, verdict: Option<(Layer, Cause)>) {
        self.piece(verdict.map_or("", |(layer, _)| layer.as_str()));
        self.piece(verdict.map_or("", |(_, cause)| cause.as_str()));
    }

    /// What a verdict rests on: it may get surer while layer and cause stay the same.
    fn grounds(&mut self, grounds: Option<(&str, Confidence)>) {
        self.piece(grounds.map_or("", |(rule, _)| rule));
        self.piece(grounds.map_or("", |(_, confidence)| confidence.as_str()));
    }

    /// Which configuration works: it changes as a whole, or gets further objects.
    fn baseline(&mut self, baseline: Option<&Baseline>) {
        self.piece(&baseline.map_or_else(String::new, |baseline| baseline.taken.0.to_string()));
        self.0.update(&baseline.map_or(0, |baseline| baseline.objects.len()).to_le_bytes());
    }

    /// What differs, and by whom: that may be told later. When it was first seen follows from that.
    fn drift(&mut self, drift: &DriftStatus) {
        let DriftStatus { inspection, object, field, was, is, since: _, changed, by } = drift;
        let [was, is, by] = [was, is, by].map(|text| text.as_deref().unwrap_or("-"));
        [inspection.as_str(), object, field, was, is, by].into_iter().for_each(|text| self.piece(text));
        self.0.update(&changed.as_ref().map_or(0, |time| time.0.as_second()).to_le_bytes());
    }

    /// What an inspection came to. When that was, and what was said, counts for nothing; nor does it that audit logs were read, or
    /// need not be: what they told stands in the drift.
    fn inspection(&mut self, inspection: &InspectionStatus) {
        if inspection.inspection == Inspection::AuditLog && inspection.state != InspectionState::Unread {
            return;
        }
        let InspectionStatus { inspection, object, state, reason, message: _, remedy: _, last_read_time: _ } =
            inspection;
        let reason = reason.as_deref().unwrap_or_default();
        [inspection.as_str(), object, state.as_str(), reason].into_iter().for_each(|text| self.piece(text));
    }

    fn probe(&mut self, name: &str, state: &str, cause: Option<Cause>, step: Option<&str>, stage: Option<Stage>) {
        self.piece(name);
        self.piece(state);
        self.piece(cause.map_or("", Cause::as_str));
        self.piece(step.unwrap_or_default());
        self.piece(stage.map_or("", Stage::as_str));
    }
}
