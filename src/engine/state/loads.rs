//! The loads of a check: when each is due, and which one is under way. They run apart from ordinary runs, one at a time. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::super::wheel::SLACK;
use super::{CheckState, Effect, LOOK_AGAIN, Now, Settings, Thresholds, Track, until};
use crate::api::{Kind, ProbeState};
use crate::evidence::Evidence;
use crate::plan::kinds::LoadAction;
use crate::plan::{Action, Cadence, CheckPlan, ProbePlan};

/// The loads of a check.
#[derive(Debug, Default)]
pub struct Loads {
    timers: Vec<Timer>,
    under_way: Option<usize>,
    run: u64,
}

#[derive(Debug)]
struct Timer {
    probe: usize,
    due: Option<Due>,
}

/// When a load is due: an interval goes by the steady clock, a cron schedule by the one on the wall.
#[derive(Clone, Copy, Debug)]
enum Due {
    At(Duration),
    On(Timestamp),
}

impl Due {
    fn wait(self, now: Now) -> Duration {
        match self {
            Due::At(at) => at.saturating_sub(now.mono),
            Due::On(at) => {
                let wait = until(at, now);
                if wait <= SLACK { Duration::ZERO } else { wait.min(LOOK_AGAIN) }
            }
        }
    }

    fn has_come(self, now: Now) -> bool {
        match self {
            Due::At(at) => at <= now.mono,
            Due::On(at) => until(at, now) <= SLACK,
        }
    }
}

fn load(probe: &ProbePlan) -> Option<&LoadAction> {
    match probe.action.as_deref() {
        Ok(Action::Load(load)) => Some(load),
        Ok(_) | Err(_) => None,
    }
}

impl Loads {
    /// Takes a plan in. An interval goes on from when the load last ran, also before this process.
    pub fn plan(&mut self, plan: &CheckPlan, tracks: &[Track], now: Now) {
        let timers = plan.probes.iter().zip(tracks).enumerate().filter_map(|(probe, (plan, track))| {
            let due = match &load(plan)?.cadence {
                Cadence::Every(every) => {
                    let since = track.observed_at().map(|last| now.wall.duration_since(last));
                    let since =
                        since.map(|since| Duration::try_from(since.max(SignedDuration::ZERO)).unwrap_or_default());
                    Some(Due::At(now.mono + since.map_or(Duration::ZERO, |since| every.saturating_sub(since))))
                }
                Cadence::Cron(cron) => cron.next_after(now.wall).map(Due::On),
                Cadence::Never => None,
            };
            Some(Timer { probe, due })
        });
        self.timers = timers.collect();
    }

    /// Forgets all of them. True when one was under way.
    pub fn clear(&mut self) -> bool {
        self.timers.clear();
        self.under_way.take().is_some()
    }

    /// The check works again.
    pub fn recovered(&mut self, plan: &CheckPlan, now: Now) {
        for timer in &mut self.timers {
            if load(&plan.probes[timer.probe]).is_some_and(|load| load.after_recovery) {
                timer.due = Some(Due::At(now.mono));
            }
        }
    }

    /// Makes all of them due.
    pub fn ask(&mut self, now: Now) {
        self.timers.iter_mut().for_each(|timer| timer.due = Some(Due::At(now.mono)));
    }

    /// The load to be started now, and the number of its run. One that is due waits until what it loads works.
    pub fn start(&mut self, plan: &CheckPlan, tracks: &[Track], now: Now) -> Option<(usize, u64)> {
        if self.under_way.is_some() {
            return None;
        }
        let timer = self.timers.iter_mut().find(|timer| {
            timer.due.is_some_and(|due| due.has_come(now)) && may_run(&plan.probes[timer.probe], tracks)
        })?;
        timer.due = match load(&plan.probes[timer.probe]).map(|load| &load.cadence) {
            Some(Cadence::Every(every)) => Some(Due::At(now.mono + *every)),
            Some(Cadence::Cron(cron)) => cron.next_after(now.wall.checked_add(SLACK).unwrap_or(now.wall)).map(Due::On),
            Some(Cadence::Never) | None => None,
        };
        self.run += 1;
        self.under_way = Some(timer.probe);
        Some((timer.probe, self.run))
    }

    /// Takes in that a run has ended, and says which probe it was; none if the run is of no interest any longer.
    pub fn ended(&mut self, run: u64) -> Option<usize> {
        if run == self.run { self.under_way.take() } else { None }
    }

    /// When to look again.
    pub fn next(&self, plan: &CheckPlan, tracks: &[Track], now: Now) -> Option<Duration> {
        if self.under_way.is_some() {
            return None;
        }
        let ready = self.timers.iter().filter(|timer| may_run(&plan.probes[timer.probe], tracks));
        ready.filter_map(|timer| timer.due).map(|due| now.mono + due.wait(now)).min()
    }
}

impl CheckState {
    /// Takes in what came of a load. It is the sum of many requests: it needs no second one to confirm it.
    pub(super) fn take_in_load(
        &mut self,
        run: u64,
        evidence: Evidence,
        now: Now,
        settings: &Settings,
        effects: &mut Vec<Effect>,
    ) {
        let Some(probe) = self.loads.ended(run) else { return };
        if let Some(track) = self.tracks.get_mut(probe) {
            track.observe(evidence, Thresholds { failure: 1, success: 1 }, now.wall);
        }
        self.start_load(now, effects);
        self.ask_to_be_woken(now, effects);
        // Loads are rare: what each measured is written.
        self.written = None;
        self.report(now, settings, effects);
    }

    pub(super) fn start_load(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if let Some((probe, run)) = self.loads.start(&self.plan, &self.tracks, now) {
            effects.push(Effect::Load { run, probe });
        }
    }

    /// Whether a required probe fails that ordinary runs observe.
    pub(super) fn fails(&self) -> bool {
        let failing = |(probe, track): (&ProbePlan, &Track)| {
            probe.required && probe.kind != Kind::Load && track.established() == Some(ProbeState::Failing)
        };
        self.plan.probes.iter().zip(&self.tracks).any(failing)
    }
}

/// Whether what a load repeats, and what it depends on besides, works.
fn may_run(plan: &ProbePlan, tracks: &[Track]) -> bool {
    let works = |on: &usize| {
        let state = tracks.get(*on).and_then(Track::established);
        matches!(state, Some(ProbeState::Healthy | ProbeState::Degraded))
    };
    plan.depends_on.iter().all(works)
}
