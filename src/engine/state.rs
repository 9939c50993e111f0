//! The state machine of one check: `step(state, event, now) -> effects`. Pure: no I/O, no clock, no randomness.

mod baseline;
mod budget;
mod cloud;
mod due;
mod loads;
mod resume;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use xxhash_rust::xxh3::xxh3_64;

use self::cloud::Cloud;
use self::due::{phase, until};
use self::loads::Loads;
use super::track::{Thresholds, Track};
use crate::api::{ConnectivityCheckStatus, ProbeState};
use crate::cloud::Picture;
use crate::evidence::{Evidence, Outcome};
use crate::plan::{Cadence, CheckPlan, InspectionPlan, Occasion, ProbePlan, Turn};
use crate::source::{Notice, StatusUpdate};
use crate::status::{Memory, View, assess, meaning, notice, render};

/// How long the wall clock is trusted to go on steadily.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The current time, on both clocks. It enters once, in the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Since the engine's start; never goes back.
    pub mono: Duration,
    /// Wall clock, for what people read.
    pub wall: Timestamp,
}

/// What holds for every check of an engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the vantage.
    pub vantage: Arc<str>,
    /// A status whose meaning does not change is written no more often than this.
    pub heartbeat: Duration,
    /// A new generation that has no result after this long gets a status that says so.
    pub announce_after: Duration,
    /// Whether Google's APIs are read at all.
    pub inspect: bool,
}

impl Settings {
    /// The defaults: heartbeat 5 min, announcement after 500 ms, Google's APIs not read.
    pub fn new(vantage: Arc<str>) -> Self {
        Settings {
            vantage,
            heartbeat: Duration::from_secs(300),
            announce_after: Duration::from_millis(500),
            inspect: false,
        }
    }
}

/// When a check is probed for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At once: someone has just created or changed it.
    AtOnce,
    /// Within this time, or within its interval if that is shorter: it was there when we started, among many others.
    Spread(Duration),
}

/// What happens to a check.
#[derive(Debug)]
pub enum Event {
    /// Its spec or something that the spec refers to has changed.
    PlanChanged(Arc<CheckPlan>),
    /// The time that was asked for with [`Effect::WakeAt`] has come.
    Due,
    /// A run has ended.
    Observed {
        /// Which run.
        run: u64,
        /// One entry for each probe.
        evidence: Vec<Evidence>,
    },
    /// A load has ended.
    Loaded {
        /// Which run of a load.
        run: u64,
        /// What came of it.
        evidence: Box<Evidence>,
    },
    /// A load was asked for, but may not be carried out at the moment.
    NotLoaded {
        /// Which run of a load.
        run: u64,
    },
    /// An inspection has ended.
    Inspected {
        /// Which inspection.
        run: u64,
        /// What Google Cloud says.
        picture: Arc<Picture>,
    },
    /// An inspection was asked for, but could not be carried out, or not in time.
    NotInspected {
        /// Which inspection.
        run: u64,
    },
    /// Somebody wants every load now.
    LoadsAsked,
    /// A run was asked for, but may not be carried out at the moment.
    NotCarriedOut {
        /// Which run.
        run: u64,
    },
    /// The engine stops: what is not written yet should be.
    Flush,
}

/// What is to be done.
#[derive(Debug)]
pub enum Effect {
    /// Observe every probe of the plan.
    Observe {
        /// Number of the run; comes back in [`Event::Observed`].
        run: u64,
        /// What to do.
        plan: Arc<CheckPlan>,
        /// How much later than due it starts.
        lag: Duration,
    },
    /// Carry out one load, beside the ordinary runs.
    Load {
        /// Number of the run; comes back in [`Event::Loaded`].
        run: u64,
        /// Which probe of the plan.
        probe: usize,
    },
    /// Abandon the load under way.
    CancelLoad,
    /// Read what Google Cloud itself says, beside the ordinary runs.
    Inspect {
        /// Number of the inspection; comes back in [`Event::Inspected`].
        run: u64,
        /// What to read.
        plan: Arc<InspectionPlan>,
        /// What decides how it is read.
        occasion: Occasion,
    },
    /// Abandon the inspection under way.
    CancelInspection,
    /// Abandon the run in flight.
    Cancel,
    /// A run was due, but the one before has not ended.
    Overrun,
    /// Write the status.
    WriteStatus(Box<StatusUpdate>),
    /// Tell people.
    Publish(Notice),
    /// Send [`Event::Due`] at that time since the engine's start. Replaces an earlier wish.
    WakeAt(Duration),
}

/// Everything that is remembered of a check.
#[derive(Debug)]
pub struct CheckState {
    plan: Arc<CheckPlan>,
    /// A number of the check's own, for its phase.
    hash: u64,
    tracks: Box<[Track]>,
    memory: Memory,
    loads: Loads,
    cloud: Cloud,
    run: u64,
    in_flight: bool,
    due: Option<Duration>,
    /// The occurrence of a cron schedule that `due` stands for, as long as the wall clock does not jump.
    appointed: Option<Timestamp>,
    /// The occurrence that was last probed.
    served: Option<Timestamp>,
    announce_at: Option<Duration>,
    observed_generation: Option<i64>,
    last_probe: Option<Timestamp>,
    /// The meaning of what was last written, and when it is written again although nothing has changed.
    written: Option<(u64, Duration)>,
}

impl CheckState {
    /// A check that has just become known; `resume` is its last status.
    pub fn start(
        plan: Arc<CheckPlan>,
        resume: Option<&ConnectivityCheckStatus>,
        start: Start,
        now: Now,
        settings: &Settings,
        effects: &mut Vec<Effect>,
    ) -> Self {
        let hash = xxh3_64(plan.uid.as_bytes());
        let mut state = CheckState {
            hash,
            tracks: resume::tracks(&plan, resume, &settings.vantage),
            memory: resume.map(Memory::resume).unwrap_or_default(),
            loads: Loads::default(),
            cloud: Cloud::resume(resume),
            run: 0,
            in_flight: false,
            due: None,
            appointed: None,
            served: None,
            announce_at: None,
            observed_generation: resume.and_then(resume::generation),
            last_probe: resume.and_then(|status| status.last_probe_time.as_ref()).map(|time| time.0),
            // What is in the status need not be written again until the heartbeat, and those of many checks do not fall
            // together.
            written: resume.map(|status| (meaning::of_status(status), now.mono + phase(hash, settings.heartbeat))),
            plan,
        };
        state.begin(start, now, settings, effects);
        state
    }

    /// The plan in force.
    pub const fn plan(&self) -> &Arc<CheckPlan> {
        &self.plan
    }

    /// The probes' states, in the plan's order.
    pub const fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// Conditions and verdict as last reported.
    pub const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Takes an event in and says what is to be done.
    pub fn step(&mut self, event: Event, now: Now, settings: &Settings, effects: &mut Vec<Effect>) {
        match event {
            Event::PlanChanged(plan) => self.change_plan(plan, now, settings, effects),
            Event::Due => self.wake(now, settings, effects),
            Event::Observed { run, evidence } if run == self.run && self.in_flight => {
                self.in_flight = false;
                self.take_in(evidence, now, settings, effects);
            }
            // A run of a plan that is no longer in force says nothing about this one.
            Event::Observed { .. } => {}
            Event::Loaded { run, evidence } => self.take_in_load(run, *evidence, now, settings, effects),
            Event::NotLoaded { run } => _ = self.loads.ended(run),
            Event::Inspected { run, picture } => self.take_in_picture(run, picture, now, settings, effects),
            Event::NotInspected { run } => self.end_inspection(run, now, settings, effects),
            Event::LoadsAsked => {
                self.loads.ask(now);
                self.start_load(now, effects);
            }
            Event::NotCarriedOut { run } => self.in_flight &= run != self.run,
            Event::Flush => self.flush(now, settings, effects),
        }
    }

    /// The status as it stands.
    pub fn status(&self, now: Now, settings: &Settings) -> ConnectivityCheckStatus {
        render(&self.view(now, settings))
    }

    fn begin(&mut self, start: Start, now: Now, settings: &Settings, effects: &mut Vec<Effect>) {
        self.appointed = None;
        if self.loads.clear() {
            effects.push(Effect::CancelLoad);
        }
        if self.cloud.clear() {
            effects.push(Effect::CancelInspection);
        }
        if self.plan.suspend || matches!(self.plan.cadence, Cadence::Never) {
            self.block(now);
            self.due = None;
            self.announce_at = None;
            self.observed_generation = Some(self.plan.generation);
            return self.report(now, settings, effects);
        }
        self.loads.plan(&self.plan, &self.tracks, now);
        self.due = Some(match start {
            Start::AtOnce => now.mono,
            Start::Spread(spread) => self.first_in_spread(now, spread),
        });
        self.cloud.plan(self.plan.inspections.as_ref().filter(|_| settings.inspect), self.due);
        let unobserved = self.observed_generation != Some(self.plan.generation)
            || self.tracks.iter().any(|track| track.evidence().is_none());
        self.announce_at = (unobserved && start == Start::AtOnce).then(|| now.mono + settings.announce_after);
        match start {
            Start::AtOnce => self.wake(now, settings, effects),
            Start::Spread(_) => self.ask_to_be_woken(now, effects),
        }
    }

    fn change_plan(&mut self, plan: Arc<CheckPlan>, now: Now, settings: &Settings, effects: &mut Vec<Effect>) {
        if same_spec(&self.plan, &plan) {
            return self.change_secrets(plan, now, settings, effects);
        }
        let old = std::mem::replace(&mut self.plan, plan);
        let mut tracks: Vec<Option<Track>> =
            std::mem::take(&mut self.tracks).into_vec().into_iter().map(Some).collect();
        let kept = |probe: &ProbePlan| {
            let position =
                old.probes.iter().position(|known| known.name == probe.name && known.target == probe.target)?;
            tracks.get_mut(position)?.take()
        };
        self.tracks = self.plan.probes.iter().map(kept).map(Option::unwrap_or_default).collect();
        self.begin_anew(now, settings, effects);
    }

    /// The spec is the same, and what it refers to has changed: of use to the next run, and no reason to abandon the one in
    /// flight. Only a probe that could not be carried out and now can is not kept waiting.
    fn change_secrets(&mut self, plan: Arc<CheckPlan>, now: Now, settings: &Settings, effects: &mut Vec<Effect>) {
        let old = std::mem::replace(&mut self.plan, plan);
        let mut freed = false;
        for ((before, after), track) in old.probes.iter().zip(&self.plan.probes).zip(&mut self.tracks) {
            if before.action.is_err() && after.action.is_ok() {
                freed = true;
                track.unblock();
            }
        }
        if freed {
            self.begin_anew(now, settings, effects);
        } else if old.faults != self.plan.faults {
            self.block(now);
            self.report(now, settings, effects);
        }
    }

    fn begin_anew(&mut self, now: Now, settings: &Settings, effects: &mut Vec<Effect>) {
        if self.in_flight {
            self.in_flight = false;
            effects.push(Effect::Cancel);
        }
        self.begin(Start::AtOnce, now, settings, effects);
    }

    /// What the plan blocks needs no run to be known. A suspended check keeps what was last seen.
    fn block(&mut self, now: Now) {
        if self.plan.suspend {
            return;
        }
        for (probe, track) in self.plan.probes.iter().zip(&mut self.tracks) {
            if let Err(why) = &probe.action {
                track.block(why, now.wall);
            }
        }
    }

    fn wake(&mut self, now: Now, settings: &Settings, effects: &mut Vec<Effect>) {
        self.keep_appointment(now);
        if let Some(due) = self.due.filter(|due| *due <= now.mono) {
            self.set_next_due(now);
            if self.in_flight {
                effects.push(Effect::Overrun);
            } else {
                self.in_flight = true;
                self.run += 1;
                let lag = now.mono.saturating_sub(due);
                effects.push(Effect::Observe { run: self.run, plan: self.plan.clone(), lag });
                self.cloud.beside_a_run(now);
            }
        }
        self.start_load(now, effects);
        self.start_inspection(now, effects);
        if self.announce_at.is_some_and(|at| at <= now.mono) {
            self.announce_at = None;
            self.report(now, settings, effects);
        }
        self.ask_to_be_woken(now, effects);
    }

    fn ask_to_be_woken(&self, now: Now, effects: &mut Vec<Effect>) {
        let look_again = self.appointed.map(|_| now.mono + LOOK_AGAIN);
        let load = self.loads.next(&self.plan, &self.tracks, now);
        if let Some(at) =
            [self.due, self.announce_at, look_again, load, self.next_inspection()].into_iter().flatten().min()
        {
            effects.push(Effect::WakeAt(at));
        }
    }

    fn take_in(&mut self, evidence: Vec<Evidence>, now: Now, settings: &Settings, effects: &mut Vec<Effect>) {
        let thresholds = Thresholds { failure: self.plan.failure_threshold, success: self.plan.success_threshold };
        let mut changed = self.observed_generation != Some(self.plan.generation) || self.written.is_none();
        let failing = self.fails();
        let mut turned = None;
        for mut observation in budget::judged(&self.plan, evidence) {
            // It may have become impossible while the run was in flight.
            let blocked = self.plan.probes.get(observation.probe).and_then(|probe| probe.action.as_ref().err());
            if let Some(why) = blocked.filter(|_| observation.outcome.state() != ProbeState::Skipped) {
                observation.outcome = Outcome::Unknown(why.clone());
            }
            if let Some(track) = self.tracks.get_mut(observation.probe) {
                // That one fails is what people ask about.
                let turn = cloud::turn(track, observation.outcome.state());
                turned = turned.filter(|turned| *turned == Turn::Fails).or(turn).or(turned);
                changed |= track.observe(observation, thresholds, now.wall);
            }
        }
        if failing && !self.fails() {
            self.loads.recovered(&self.plan, now);
        }
        changed |= self.catch_up(now);
        if let Some(turn) = turned {
            self.cloud.ask(turn, now);
        }
        self.start_load(now, effects);
        self.start_inspection(now, effects);
        self.last_probe = Some(now.wall);
        self.observed_generation = Some(self.plan.generation);
        self.announce_at = None;
        let heartbeat = self.written.is_none_or(|(_, again)| now.mono >= again);
        if changed || heartbeat {
            self.report(now, settings, effects);
        }
        self.ask_to_be_woken(now, effects);
    }

    /// Judges the check anew; writes if its meaning has changed or the heartbeat is due, and tells people of transitions.
    fn report(&mut self, now: Now, settings: &Settings, effects: &mut Vec<Effect>) {
        let assessment = assess(&self.view(now, settings));
        for told in self.memory.take_in(&assessment, now.wall) {
            effects.push(Effect::Publish(notice(&self.plan, &assessment, &told, now.wall)));
        }
        let view = self.view(now, settings);
        let meaning = meaning::of_view(&view);
        let fresh = self.written.is_some_and(|(known, again)| known == meaning && now.mono < again);
        if !fresh {
            self.write(meaning, now, settings, effects);
        }
    }

    fn write(&mut self, meaning: u64, now: Now, settings: &Settings, effects: &mut Vec<Effect>) {
        let status = self.status(now, settings);
        self.written = Some((meaning, now.mono + settings.heartbeat));
        let (id, uid, generation) = (self.plan.id.clone(), self.plan.uid.clone(), self.plan.generation);
        let update = StatusUpdate { id, uid, generation, status };
        effects.push(Effect::WriteStatus(Box::new(update)));
    }

    /// Writes streaks that a restart should resume, although they change no meaning.
    fn flush(&mut self, now: Now, settings: &Settings, effects: &mut Vec<Effect>) {
        if self.tracks.iter().any(|track| track.streak() != 0) {
            let meaning = meaning::of_view(&self.view(now, settings));
            self.write(meaning, now, settings, effects);
        } else if self.last_probe.is_some() {
            self.report(now, settings, effects);
        }
    }

    fn view<'a>(&'a self, now: Now, settings: &'a Settings) -> View<'a> {
        let until_due = self.due.map(|due| due.saturating_sub(now.mono));
        View {
            plan: &self.plan,
            tracks: &self.tracks,
            memory: &self.memory,
            cloud: self.seen(settings),
            baseline: self.cloud.baseline(),
            drift: self.cloud.drift(),
            vantage: &settings.vantage,
            observed_generation: self.observed_generation,
            last_probe: self.last_probe,
            next_probe: until_due.and_then(|wait| now.wall.checked_add(wait).ok()),
            now: now.wall,
        }
    }
}

/// Whether two plans come from the same spec, so that they differ in nothing but what was resolved for it.
pub fn same_spec(one: &CheckPlan, other: &CheckPlan) -> bool {
    let alike = |(one, other): (&ProbePlan, &ProbePlan)| {
        (&one.name, &one.target, one.kind) == (&other.name, &other.target, other.kind)
    };
    (&one.uid, one.generation, one.probes.len()) == (&other.uid, other.generation, other.probes.len())
        && one.probes.iter().zip(&other.probes).all(alike)
}
