//! What Google Cloud itself says of a check's path: when it is to be read, and what was read last. One inspection at a time. Pure.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{CheckState, Effect, Now, Settings, Track};
use crate::api::condition::{ConditionStatus, ConditionType};
use crate::api::status::InspectionStatus;
use crate::api::{Baseline, ConnectivityCheckStatus, ProbeState};
use crate::baseline::{Kept, sought};
use crate::cloud::{Drift, Inspection, Picture, Reading, Subject, Why};
use crate::plan::{InspectionPlan, Occasion, Pace, Turn};
use crate::status::Seen;

/// Least time between two inspections that probes ask for by turning the same way: one that flaps does not use up a quota.
const LEAST_APART: Duration = Duration::from_secs(10);
/// Most time between two inspections of a check that fails, or of which nothing is known: people wait for the next.
const MOST_APART: Duration = Duration::from_secs(60);

/// The inspections of a check.
#[derive(Debug, Default)]
pub struct Cloud {
    plan: Option<Arc<InspectionPlan>>,
    due: Option<Duration>,
    under_way: bool,
    run: u64,
    /// When the last one was started.
    started: Option<Duration>,
    /// Whether an API gave no answer the last time.
    unanswered: bool,
    /// How a probe has turned since the last inspection was started.
    asked: Option<Turn>,
    /// When the last one was started because a probe had begun to fail.
    fell: Option<Duration>,
    /// When the last one was started because a probe worked again.
    rose: Option<Duration>,
    picture: Option<Arc<Picture>>,
    /// What was read since all that failed works again, until thresholds confirm it: it belongs to what comes after the verdict.
    ahead: Option<Arc<Picture>>,
    /// What an earlier process had read, until there is a picture.
    earlier: Box<[InspectionStatus]>,
    /// The configuration that worked, and what differs from it.
    pub(super) kept: Kept,
    /// When audit logs were last read of all that was asked for.
    searched: Option<Timestamp>,
}

impl Cloud {
    /// What is known from a check's last status.
    pub fn resume(status: Option<&ConnectivityCheckStatus>) -> Self {
        let earlier = status.map(|status| status.inspections.as_slice().into()).unwrap_or_default();
        Cloud { earlier, kept: status.map(Kept::resume).unwrap_or_default(), ..Cloud::default() }
    }

    /// Takes in what is to be read, for the first time at `due`. What was read for another plan says nothing about this one.
    pub fn plan(&mut self, plan: Option<&Arc<InspectionPlan>>, due: Option<Duration>) {
        let service = |plan: &Arc<InspectionPlan>| plan.service.clone();
        if self.plan.is_some() && self.plan.as_ref().map(service) != plan.map(service) {
            self.kept = Kept::default();
        }
        if self.plan.is_some() && self.plan.as_ref() != plan {
            (self.picture, self.ahead, self.earlier) = (None, None, Box::default());
            self.unanswered = false;
        }
        self.plan = plan.cloned();
        self.due = due.filter(|_| plan.is_some());
    }

    /// Stops asking. True when an inspection was under way.
    pub fn clear(&mut self) -> bool {
        (self.due, self.asked, self.started) = (None, None, None);
        std::mem::take(&mut self.under_way)
    }

    /// A probe turns: makes an inspection due, so that there is evidence by the time of the verdict, or of its end.
    pub fn ask(&mut self, turn: Turn, now: Now) {
        if self.plan.is_some() {
            let earliest = self.answered(turn).map_or(now.mono, |at| now.mono.max(at + LEAST_APART));
            self.due = Some(self.due.map_or(earliest, |due| due.min(earliest)));
            self.asked = Some(turn);
        }
    }

    /// The probes run: makes an inspection due where it keeps their pace.
    pub fn beside_a_run(&mut self, now: Now) {
        match self.plan.as_ref().map(|plan| plan.pace) {
            Some(Pace::WithProbes) => self.due = Some(self.due.map_or(now.mono, |due| due.min(now.mono))),
            Some(Pace::Steady) | None => {}
        }
    }

    /// When an inspection was last started because a probe had turned that way.
    const fn answered(&mut self, turn: Turn) -> &mut Option<Duration> {
        match turn {
            Turn::Fails => &mut self.fell,
            Turn::Works => &mut self.rose,
        }
    }

    /// When to look again. `fails`: whether people wait for news of the check.
    fn next(&self, fails: bool) -> Option<Duration> {
        let plan = self.plan.as_ref().filter(|_| !self.under_way)?;
        let again = self.started.filter(|_| fails || self.unanswered).map(|at| at + plan.interval.min(MOST_APART));
        [self.due, again].into_iter().flatten().min()
    }

    fn start(&mut self, fails: Fails, now: Now) -> Option<Effect> {
        let due = self.next(fails.check).is_some_and(|due| due <= now.mono);
        let plan = self.plan.clone().filter(|_| due)?;
        let asked = self.asked.take();
        if let Some(turn) = asked {
            *self.answered(turn) = Some(now.mono);
        }
        self.due = match plan.pace {
            Pace::Steady => Some(now.mono + plan.interval),
            Pace::WithProbes => None,
        };
        self.under_way = true;
        self.started = Some(now.mono);
        self.run += 1;
        let occasion = Occasion { failing: fails.probe, turned: asked, changed: self.sought() };
        Some(Effect::Inspect { run: self.run, plan, occasion })
    }

    /// What differs although nobody knows who did it: who, audit logs may tell.
    fn sought(&self) -> Box<[Subject]> {
        let skipped = self.plan.as_ref().is_none_or(|plan| plan.skip.contains(&Inspection::AuditLog));
        if skipped { Box::default() } else { sought(&self.kept.drift, self.searched) }
    }

    /// Takes in that an inspection has ended. False if it is of no interest any longer.
    fn ended(&mut self, run: u64) -> bool {
        run == self.run && std::mem::take(&mut self.under_way)
    }

    /// What is known.
    pub fn seen(&self) -> Seen<'_> {
        self.picture.as_deref().map_or(Seen::Earlier(&self.earlier), Seen::Now)
    }

    /// What was read last.
    pub fn picture(&self) -> Option<Arc<Picture>> {
        self.picture.clone()
    }

    /// The configuration that worked, as it was learned.
    pub fn baseline(&self) -> Option<&Baseline> {
        self.kept.baseline.as_deref()
    }

    /// What differs from the configuration that worked.
    pub fn drift(&self) -> &[Drift] {
        &self.kept.drift
    }
}

/// What fails of a check.
#[derive(Clone, Copy)]
struct Fails {
    /// A probe, at its last observation.
    probe: bool,
    /// The check: a probe, or a hop that keeps it from being Ready.
    check: bool,
}

impl CheckState {
    pub(super) fn start_inspection(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let fails = self.what_fails();
        effects.extend(self.cloud.start(fails, now));
    }

    /// When Google Cloud is to be read next.
    pub(super) fn next_inspection(&self) -> Option<Duration> {
        self.cloud.next(self.what_fails().check)
    }

    fn what_fails(&self) -> Fails {
        let probe = self.tracks.iter().any(|track| track.observed() == Some(ProbeState::Failing));
        let ready = self.memory.status_of(ConditionType::Ready);
        Fails { probe, check: probe || ready == Some(ConditionStatus::False) }
    }

    /// Takes in what Google Cloud says. The check is judged anew once it was observed: until then there is nothing to explain.
    pub(super) fn take_in_picture(
        &mut self,
        run: u64,
        picture: Arc<Picture>,
        now: Now,
        settings: &Settings,
        effects: &mut Vec<Effect>,
    ) {
        if !self.cloud.ended(run) {
            return;
        }
        self.cloud.unanswered = unanswered(&picture);
        if self.recovers() {
            self.cloud.ahead = Some(picture);
            return self.ask_to_be_woken(now, effects);
        }
        let new = self.show(picture, now);
        self.start_inspection(now, effects);
        // Who is told of a change is told by whom, if that is known in a moment. An outage does not wait.
        if !(new && self.cloud.under_way) || self.fails() {
            self.tell(now, settings, effects);
        }
        // Only now it is known whether the check fails by what was read.
        self.ask_to_be_woken(now, effects);
    }

    /// Goes by a picture from now on. True when it shows a change of which nobody knows yet who made it.
    fn show(&mut self, picture: Arc<Picture>, now: Now) -> bool {
        self.cloud.searched = searched(&picture).max(self.cloud.searched);
        self.cloud.picture = Some(picture);
        (self.cloud.ahead, self.cloud.earlier) = (None, Box::default());
        let before = self.cloud.sought();
        self.compare(now);
        let new = self.cloud.sought().iter().any(|subject| !before.contains(subject));
        if new {
            self.cloud.due = Some(now.mono);
        }
        new
    }

    /// The probes were observed. Goes by what was read ahead, once thresholds confirm that they work. True when it does.
    pub(super) fn catch_up(&mut self, now: Now) -> bool {
        if self.recovers() {
            return false;
        }
        // Of a path that has failed again, it is old: it is read anew.
        let ahead = self.cloud.ahead.take().filter(|_| !self.what_fails().probe);
        ahead.is_some_and(|picture| {
            self.show(picture, now);
            true
        })
    }

    /// Whether every probe that fails was last seen to work, so that nothing but thresholds keeps the verdict.
    fn recovers(&self) -> bool {
        let mut failing =
            self.tracks.iter().filter(|track| track.established() == Some(ProbeState::Failing)).peekable();
        let works = |track: &Track| matches!(track.observed(), Some(ProbeState::Healthy | ProbeState::Degraded));
        failing.peek().is_some() && failing.all(works)
    }

    /// Takes in that nothing could be read this time. What was read before stands, with its time.
    pub(super) fn end_inspection(&mut self, run: u64, now: Now, settings: &Settings, effects: &mut Vec<Effect>) {
        if self.cloud.ended(run) {
            self.cloud.unanswered = true;
            self.ask_to_be_woken(now, effects);
            self.tell(now, settings, effects);
        }
    }

    fn tell(&mut self, now: Now, settings: &Settings, effects: &mut Vec<Effect>) {
        if self.tracks.iter().any(|track| track.evidence().is_some()) {
            self.report(now, settings, effects);
        }
    }

    /// What is known of Google Cloud's own view, where it is asked for.
    pub(super) fn seen(&self, settings: &Settings) -> Seen<'_> {
        if settings.inspect && self.plan.inspections.is_some() { self.cloud.seen() } else { Seen::Nothing }
    }
}

/// When the audit logs that a picture holds were read, if all of them were.
fn searched(picture: &Picture) -> Option<Timestamp> {
    let read = |reading: &Reading<_>| reading.found().map(|found| found.at);
    picture.audit_log.iter().map(read).min()?
}

/// Whether a probe works no longer, or again, as far as the last observation tells: thresholds come later.
pub(super) fn turn(track: &Track, observed: ProbeState) -> Option<Turn> {
    match (track.observed(), observed) {
        (Some(ProbeState::Failing), ProbeState::Failing) => None,
        (_, ProbeState::Failing) => Some(Turn::Fails),
        (Some(ProbeState::Failing), ProbeState::Healthy | ProbeState::Degraded) => Some(Turn::Works),
        (_, ProbeState::Healthy | ProbeState::Degraded | ProbeState::Skipped | ProbeState::Unknown) => None,
    }
}

/// Whether an API gave no answer, which the next one may. A refusal stays until somebody mends it.
fn unanswered(picture: &Picture) -> bool {
    picture.readings().iter().any(|(_, reading)| reading.unread().is_some_and(|unread| unread.why == Why::Unavailable))
}
