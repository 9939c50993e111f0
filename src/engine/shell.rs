//! Carries the state machines' effects out, on a thread of its own: the clock, the timer wheel, the running probes, and a
//! bound on the sockets in use. Does I/O through [`crate::probe`] and hands writes to the [`crate::status::write::Outbox`].

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::complaints::{Complaint, Complaints};
use super::handle::{Command, Parts};
use super::state::{CheckState, Effect, Event, Now, Start, same_spec};
use super::wheel::{self, Wheel};
use crate::api::ConnectivityCheckStatus;
use crate::cloud::Picture;
use crate::evidence::Evidence;
use crate::metrics::{CheckSeries, ready_of};
use crate::plan::{CheckId, CheckPlan, InspectionPlan, Occasion};
use crate::probe::{Vantage, observe, observe_check};
use crate::source::Notice;

/// Longest wait for an inspection. The inspector bounds its own calls; this one says that it failed to.
const INSPECTION_LIMIT: Duration = Duration::from_secs(60);

struct Slot {
    state: CheckState,
    series: Arc<CheckSeries>,
    /// The tick of its timer, while one is set.
    wake: Option<u64>,
    running: Option<Running>,
    /// The load under way: the serial number of its run, and its task.
    loading: Option<(u64, AbortHandle)>,
    /// The inspection under way, likewise.
    inspecting: Option<(u64, AbortHandle)>,
}

/// A run under way. The serial number is unique in the engine, so that a late result finds no other check's run.
enum Running {
    Started { serial: u64, sockets: usize, task: AbortHandle },
    Queued { serial: u64 },
}

impl Running {
    /// Whether it is the run of that number, and has started.
    const fn is(&self, number: u64) -> bool {
        matches!(self, Running::Started { serial, .. } if *serial == number)
    }
}

struct Finished {
    slot: u32,
    serial: u64,
    run: u64,
    started: Timestamp,
    evidence: Vec<Evidence>,
    of_load: bool,
}

/// An inspection that has ended, with what was read unless its time was up.
struct Inspected {
    slot: u32,
    serial: u64,
    run: u64,
    picture: Option<Arc<Picture>>,
}

struct Waiting {
    slot: u32,
    serial: u64,
    run: u64,
    due: Duration,
}

pub(super) struct Shell {
    parts: Parts,
    vantage: Arc<Vantage>,
    epoch: Instant,
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    by_id: HashMap<CheckId, u32>,
    wheel: Wheel<u32>,
    finished: mpsc::UnboundedReceiver<Finished>,
    finish: mpsc::UnboundedSender<Finished>,
    inspected: mpsc::UnboundedReceiver<Inspected>,
    inspect: mpsc::UnboundedSender<Inspected>,
    complaints: Complaints,
    /// How many more loads may run at once.
    loads: Arc<Semaphore>,
    in_flight: usize,
    serial: u64,
    waiting: VecDeque<Waiting>,
    effects: Vec<Effect>,
    due: Vec<u32>,
}

impl Shell {
    pub(super) fn new(parts: Parts) -> Self {
        let (finish, finished) = mpsc::unbounded_channel();
        let (inspect, inspected) = mpsc::unbounded_channel();
        let vantage = Arc::new(parts.vantage.clone());
        let loads = Arc::new(Semaphore::new(parts.loads_at_once.max(1)));
        Shell {
            parts,
            loads,
            vantage,
            epoch: Instant::now(),
            slots: Vec::new(),
            free: Vec::new(),
            by_id: HashMap::new(),
            wheel: Wheel::default(),
            finished,
            finish,
            inspected,
            inspect,
            complaints: Complaints::default(),
            in_flight: 0,
            serial: 0,
            waiting: VecDeque::new(),
            effects: Vec::new(),
            due: Vec::new(),
        }
    }

    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        loop {
            let wake = self
                .wheel
                .next_wake()
                .map(|at| tokio::time::Instant::from_std(self.epoch + at.saturating_sub(wheel::SLACK)));
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Apply { plan, resume, start }) => self.apply(plan, resume, start),
                    Some(Command::Remove(id)) => self.remove(&id),
                    Some(Command::Ping(done)) => _ = done.send(()),
                    Some(Command::Stop { flush, done }) => {
                        self.stop(flush);
                        let _ = done.send(());
                        return;
                    }
                    None => return,
                },
                Some(finished) = self.finished.recv() => self.take_in_all(finished),
                Some(inspected) = self.inspected.recv() => self.take_in_picture(inspected),
                () = sleep_until(wake), if wake.is_some() => self.tick(),
            }
        }
    }

    fn now(&self) -> Now {
        Now { mono: self.epoch.elapsed(), wall: Timestamp::now() }
    }

    fn tick(&mut self) {
        let mut now = self.now();
        now.mono += wheel::SLACK;
        let mut due = std::mem::take(&mut self.due);
        self.wheel.take_due(now.mono, &mut due);
        for index in due.drain(..) {
            if let Some(slot) = self.slot(index) {
                slot.wake = None;
            }
            self.step(index, Event::Due, now);
        }
        self.due = due;
    }

    fn slot(&mut self, index: u32) -> Option<&mut Slot> {
        self.slots.get_mut(index as usize)?.as_mut()
    }

    fn apply(&mut self, plan: Arc<CheckPlan>, resume: Option<Box<ConnectivityCheckStatus>>, start: Start) {
        let now = self.now();
        let known = self.by_id.get(&plan.id).copied();
        let same = known.filter(|index| self.slot(*index).is_some_and(|slot| slot.state.plan().uid == plan.uid));
        if let Some(index) = same {
            // Where only a Secret has changed, what was counted so far goes on.
            if self.slot(index).is_some_and(|slot| !same_spec(slot.state.plan(), &plan)) {
                let series = self.parts.metrics.add(&plan);
                self.slot(index).into_iter().for_each(|slot| slot.series = series.clone());
            }
            self.step(index, Event::PlanChanged(plan), now);
            return self.show(index);
        }
        if known.is_some() {
            // Deleted and created anew under the same name: nothing of the old one is carried over.
            self.forget(&plan.id);
        }
        let id = plan.id.clone();
        let series = self.parts.metrics.add(&plan);
        let mut effects = std::mem::take(&mut self.effects);
        let state = CheckState::start(plan, resume.as_deref(), start, now, &self.parts.settings, &mut effects);
        let slot = Slot { state, series, wake: None, running: None, loading: None, inspecting: None };
        let index = match self.free.pop() {
            Some(index) => {
                self.slots[index as usize] = Some(slot);
                index
            }
            None => {
                self.slots.push(Some(slot));
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.by_id.insert(id, index);
        self.carry_out(index, effects, now);
        self.show(index);
    }

    fn remove(&mut self, id: &CheckId) {
        self.forget(id);
        self.parts.metrics.remove(id);
        self.parts.outbox.forget(id.clone());
    }

    fn forget(&mut self, id: &CheckId) {
        let Some(index) = self.by_id.remove(id) else { return };
        self.cancel(index);
        self.cancel_load(index);
        self.cancel_inspection(index);
        if let Some(tick) = self.slot(index).and_then(|slot| slot.wake) {
            self.wheel.unset(tick, &index);
        }
        self.slots[index as usize] = None;
        self.free.push(index);
    }

    fn stop(&mut self, flush: bool) {
        let now = self.now();
        for index in 0..u32::try_from(self.slots.len()).unwrap_or(u32::MAX) {
            self.cancel(index);
            self.cancel_load(index);
            self.cancel_inspection(index);
            if flush {
                self.step(index, Event::Flush, now);
            }
            if let Some(slot) = self.slot(index) {
                let id = slot.state.plan().id.clone();
                self.parts.metrics.remove(&id);
            }
        }
        self.waiting.clear();
    }

    fn step(&mut self, index: u32, event: Event, now: Now) {
        let mut effects = std::mem::take(&mut self.effects);
        if let Some(slot) = self.slots.get_mut(index as usize).and_then(Option::as_mut) {
            slot.state.step(event, now, &self.parts.settings, &mut effects);
        }
        self.carry_out(index, effects, now);
    }

    fn carry_out(&mut self, index: u32, mut effects: Vec<Effect>, now: Now) {
        for effect in effects.drain(..) {
            match effect {
                // A run that has to wait takes the plan that is in force when it starts.
                Effect::Observe { run, plan: _, lag } => self.observe(index, run, now.mono.saturating_sub(lag)),
                Effect::Cancel => self.cancel(index),
                Effect::Load { run, probe } => self.load(index, run, probe),
                Effect::CancelLoad => self.cancel_load(index),
                Effect::Inspect { run, plan, occasion } => self.inspect(index, run, plan, occasion),
                Effect::CancelInspection => self.cancel_inspection(index),
                Effect::Overrun => self.parts.metrics.overrun(),
                Effect::WriteStatus(update) => self.parts.outbox.status(update),
                Effect::Publish(notice) => self.publish(notice),
                Effect::WakeAt(at) => self.wake_at(index, at),
            }
        }
        self.effects = effects;
    }

    fn wake_at(&mut self, index: u32, at: Duration) {
        let Some(slot) = self.slots.get_mut(index as usize).and_then(Option::as_mut) else { return };
        if let Some(earlier) = slot.wake {
            self.wheel.unset(earlier, &index);
        }
        slot.wake = Some(self.wheel.set(at, index));
    }

    fn publish(&self, notice: Notice) {
        let generation = notice.generation;
        let (namespace, check, probe) = (&*notice.id.namespace, &*notice.id.name, notice.probe.as_deref());
        if notice.warning {
            tracing::warn!(namespace, check, probe, generation, reason = notice.reason, "{}", notice.note);
        } else {
            tracing::info!(namespace, check, probe, generation, reason = notice.reason, "{}", notice.note);
        }
        self.parts.outbox.notice(notice);
    }

    fn observe(&mut self, slot: u32, run: u64, due: Duration) {
        self.serial += 1;
        let waiting = Waiting { slot, serial: self.serial, run, due };
        if self.in_flight < self.parts.most_in_flight {
            return self.launch(waiting);
        }
        if let Some(entry) = self.slot(slot) {
            entry.running = Some(Running::Queued { serial: waiting.serial });
        }
        self.waiting.push_back(waiting);
    }

    fn launch(&mut self, Waiting { slot, serial, run, due }: Waiting) {
        // Another replica may be at work already, and this one about to be told.
        if !self.parts.term.holds() {
            if let Some(entry) = self.slot(slot) {
                entry.running = None;
            }
            let now = self.now();
            return self.step(slot, Event::NotCarriedOut { run }, now);
        }
        // Due times are rounded up to ticks; the lag is against the tick.
        let promised = wheel::time(wheel::tick(due));
        self.parts.metrics.started(self.epoch.elapsed().saturating_sub(promised));
        let Some(plan) = self.slot(slot).map(|entry| entry.state.plan().clone()) else { return };
        let sockets = plan.sockets();
        self.in_flight += sockets;
        let (finish, vantage, started) = (self.finish.clone(), self.vantage.clone(), Timestamp::now());
        let task = tokio::spawn(async move {
            let evidence = observe_check(&plan, &vantage).await;
            let _ = finish.send(Finished { slot, serial, run, started, evidence, of_load: false });
        });
        if let Some(entry) = self.slot(slot) {
            entry.running = Some(Running::Started { serial, sockets, task: task.abort_handle() });
        }
    }

    /// Starts a load, once few enough others run. It runs on a thread of its own; the task here only waits for it.
    fn load(&mut self, slot: u32, run: u64, probe: usize) {
        if !self.parts.term.holds() {
            let now = self.now();
            return self.step(slot, Event::NotLoaded { run }, now);
        }
        self.serial += 1;
        let serial = self.serial;
        let Some(plan) = self.slot(slot).map(|entry| entry.state.plan().clone()) else { return };
        let (finish, vantage, loads) = (self.finish.clone(), self.vantage.clone(), self.loads.clone());
        let task = tokio::spawn(async move {
            // It is never closed.
            let _turn = loads.acquire().await;
            let started = Timestamp::now();
            let evidence = vec![observe(probe, &plan.probes[probe], &vantage).await];
            let _ = finish.send(Finished { slot, serial, run, started, evidence, of_load: true });
        });
        if let Some(entry) = self.slot(slot) {
            entry.loading = Some((serial, task.abort_handle()));
        }
    }

    fn cancel_load(&mut self, index: u32) {
        if let Some((_, task)) = self.slot(index).and_then(|slot| slot.loading.take()) {
            task.abort();
        }
    }

    /// Reads what Google Cloud says, on a task of its own. Few objects are named by many checks: the inspector shares them.
    fn inspect(&mut self, slot: u32, run: u64, plan: Arc<InspectionPlan>, occasion: Occasion) {
        let Some(inspector) = self.parts.inspector.clone().filter(|_| self.parts.term.holds()) else {
            let now = self.now();
            return self.step(slot, Event::NotInspected { run }, now);
        };
        self.serial += 1;
        let (serial, done) = (self.serial, self.inspect.clone());
        let task = tokio::spawn(async move {
            let reading = timeout(INSPECTION_LIMIT, inspector.inspect(&plan, &occasion)).await;
            let _ = done.send(Inspected { slot, serial, run, picture: reading.ok().map(Arc::new) });
        });
        if let Some(entry) = self.slot(slot) {
            entry.inspecting = Some((serial, task.abort_handle()));
        }
    }

    fn cancel_inspection(&mut self, index: u32) {
        if let Some((_, task)) = self.slot(index).and_then(|slot| slot.inspecting.take()) {
            task.abort();
        }
    }

    fn take_in_picture(&mut self, Inspected { slot: index, serial, run, picture }: Inspected) {
        let Some(slot) = self.slot(index) else { return };
        let Some(_) = slot.inspecting.take_if(|(inspecting, _)| *inspecting == serial) else { return };
        let event = match picture {
            Some(picture) => {
                self.parts.metrics.inspected(&picture);
                self.complaints.take_in(&picture).iter().for_each(Complaint::log);
                Event::Inspected { run, picture }
            }
            None => {
                tracing::warn!("Google's APIs were not read within {INSPECTION_LIMIT:?}; it is tried again");
                Event::NotInspected { run }
            }
        };
        let now = self.now();
        self.step(index, event, now);
        self.show(index);
    }

    fn cancel(&mut self, index: u32) {
        match self.slot(index).and_then(|slot| slot.running.take()) {
            Some(Running::Started { sockets, task, .. }) => {
                task.abort();
                self.ended(sockets);
            }
            Some(Running::Queued { serial }) => self.waiting.retain(|waiting| waiting.serial != serial),
            None => {}
        }
    }

    fn ended(&mut self, sockets: usize) {
        self.in_flight = self.in_flight.saturating_sub(sockets);
        while self.in_flight < self.parts.most_in_flight {
            let Some(next) = self.waiting.pop_front() else { return };
            self.launch(next);
        }
    }

    /// Takes in a run that has ended, and those that have ended beside it: one look at the timers for all of them.
    fn take_in_all(&mut self, first: Finished) {
        self.take_in(first);
        while let Ok(finished) = self.finished.try_recv() {
            self.take_in(finished);
        }
    }

    fn take_in(&mut self, finished: Finished) {
        let Finished { slot: index, serial, run, started, evidence, of_load } = finished;
        let Some(slot) = self.slot(index) else { return };
        // A run that was cancelled, or that belongs to an earlier owner of the slot, says nothing.
        if of_load {
            let Some(_) = slot.loading.take_if(|(loading, _)| *loading == serial) else { return };
        } else {
            let Some(Running::Started { sockets, .. }) = slot.running.take_if(|running| running.is(serial)) else {
                return;
            };
            self.ended(sockets);
        }
        let now = self.now();
        if let Some(slot) = self.slots.get(index as usize).and_then(Option::as_ref) {
            let plan = slot.state.plan();
            for observation in &evidence {
                self.parts.metrics.observed(&slot.series, observation, now.wall.as_second());
                trace_line(plan, observation);
            }
            if let Some(traces) = &self.parts.traces {
                traces.record(plan, started, &evidence);
            }
        }
        let event = if of_load {
            let Some(evidence) = evidence.into_iter().next() else { return };
            Event::Loaded { run, evidence: Box::new(evidence) }
        } else {
            Event::Observed { run, evidence }
        };
        self.step(index, event, now);
        self.show(index);
    }

    /// Shows a check's state in its metrics.
    fn show(&self, index: u32) {
        if let Some(slot) = self.slots.get(index as usize).and_then(Option::as_ref) {
            let metrics = &self.parts.metrics;
            for (probe, track) in slot.state.tracks().iter().enumerate() {
                metrics.probe_state(&slot.series, probe, track.state(), track.failure().map(|failure| failure.cause));
                metrics.probe_available(&slot.series, probe, track.history().ratio());
            }
            metrics.ready(&slot.series, ready_of(slot.state.memory()));
        }
    }
}

fn trace_line(plan: &CheckPlan, evidence: &Evidence) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let probe = plan.probes.get(evidence.probe).map_or("", |probe| &probe.name);
    let cause = evidence.outcome.failure().map(|failure| failure.cause.as_str());
    tracing::debug!(
        namespace = &*plan.id.namespace,
        check = &*plan.id.name,
        generation = plan.generation,
        probe,
        outcome = evidence.outcome.state().as_str(),
        cause,
        latency = ?evidence.latency,
        "observed"
    );
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
