//! A check's configuration against the one that worked: compared whenever Google Cloud has been read. Pure.

use jiff::Timestamp;

use super::{CheckState, Now};
use crate::api::condition::{ConditionStatus, ConditionType};
use crate::api::spec::ServiceRef;
use crate::api::{Baseline, ProbeState};
use crate::baseline::snapshot::object;
use crate::baseline::{Kept, judge};
use crate::cloud::Inspection;

impl CheckState {
    /// Compares what was just read, and learns from it.
    pub(super) fn compare(&mut self, now: Now) {
        let ready_since = self.ready_since();
        if self.cloud.baseline().is_some_and(|baseline| self.is_of_another_service(baseline)) {
            self.cloud.kept = Kept::default();
        }
        let spec = self.plan.baseline.as_deref();
        if let Some(picture) = self.cloud.picture() {
            self.cloud.kept = judge(spec, &self.cloud.kept, &picture, ready_since, now.wall);
        }
    }

    /// Whether a baseline was learned when the check was about another service: the spec may change while nobody looks.
    fn is_of_another_service(&self, baseline: &Baseline) -> bool {
        let Some(ServiceRef { project, region, name }) = &self.plan.service else { return true };
        let known = object(baseline, Inspection::Service).map_or("", |known| &*known.name);
        !known.is_empty() && known != format!("projects/{project}/locations/{region}/services/{name}")
    }

    /// Since when the check is Ready without a break, as reported. None also while a probe was not observed yet, or a failure is
    /// not confirmed yet: what is configured then may be what broke it.
    fn ready_since(&self) -> Option<Timestamp> {
        let any_required = self.plan.probes.iter().any(|probe| probe.required);
        let decides = |required: bool| required || !any_required;
        let mut deciding = self.plan.probes.iter().zip(&self.tracks).filter(|(probe, _)| decides(probe.required));
        let works = deciding.all(|(_, track)| {
            track.evidence().is_some() && matches!(track.observed(), Some(ProbeState::Healthy | ProbeState::Degraded))
        });
        let ready = self.memory.status_of(ConditionType::Ready) == Some(ConditionStatus::True);
        self.memory.since(ConditionType::Ready).filter(|_| works && ready && !self.plan.suspend)
    }
}
