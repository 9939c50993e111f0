//! Drives the state machine of one check: carries out what it asks for, until it has decided. Probes; writes nothing.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

use crate::api::ConnectivityCheckStatus;
use crate::engine::{CheckState, Effect, Event, Now, Settings, Start};
use crate::inspect::Inspector;
use crate::plan::{CheckPlan, InspectionPlan, Occasion};
use crate::probe::{Vantage, observe, observe_check};

/// Longest wait for what Google Cloud says: a person waits, and the probes have said their part.
const INSPECTION_LIMIT: Duration = Duration::from_secs(20);
/// The same where a connectivity test may be made, which takes its time.
const TEST_LIMIT: Duration = Duration::from_secs(60);

/// The decision on one check.
pub struct Decided {
    /// Which one, by its number.
    pub index: usize,
    /// Its status.
    pub status: ConnectivityCheckStatus,
}

/// What it takes to drive one check.
pub struct Driver<'a> {
    /// The check's number.
    pub index: usize,
    /// What holds for every check.
    pub settings: &'a Settings,
    /// Where it is probed from.
    pub vantage: &'a Vantage,
    /// Reads what Google Cloud says; none where nobody wants that.
    pub inspector: Option<&'a Inspector>,
    /// Takes the decisions.
    pub decided: mpsc::Sender<Decided>,
    /// How many loads may run at once; none if nobody asked for loads.
    pub loads: Option<&'a Semaphore>,
}

impl Driver<'_> {
    /// Runs a check once; with `again`, whenever it is due.
    pub async fn run(self, mut plan: CheckPlan, again: bool) {
        // One observation decides: nobody waits for a second one.
        (plan.failure_threshold, plan.success_threshold) = (1, 1);
        let start = Instant::now();
        let now = || Now { mono: start.elapsed(), wall: jiff::Timestamp::now() };
        let mut effects = Vec::new();
        let mut state = CheckState::start(Arc::new(plan), None, Start::AtOnce, now(), self.settings, &mut effects);
        let mut first = true;
        // Each load runs when the check works for the first time; later, when it is due.
        let mut loads = self.loads.is_some();
        loop {
            let (observed, mut wake) = self.carry_out(&mut state, &mut effects, &now).await;
            if observed && std::mem::take(&mut loads) {
                state.step(Event::LoadsAsked, now(), self.settings, &mut effects);
                wake = self.carry_out(&mut state, &mut effects, &now).await.1.or(wake);
            }
            // A suspended check is decided on without an observation, once.
            if observed || std::mem::take(&mut first) {
                let decided = Decided { index: self.index, status: state.status(now(), self.settings) };
                if self.decided.send(decided).await.is_err() || !again {
                    return;
                }
                first = false;
            }
            // Without a next time (suspended, say) there is nothing left to do.
            let Some(wake) = wake else { return };
            sleep_until(start + wake).await;
            state.step(Event::Due, now(), self.settings, &mut effects);
        }
    }

    /// Carries out what is asked for, and what that leads to: what is asked for at the same time, side by side. Returns whether
    /// it was observed, and when it wants to be woken.
    async fn carry_out(
        &self,
        state: &mut CheckState,
        effects: &mut Vec<Effect>,
        now: &impl Fn() -> Now,
    ) -> (bool, Option<Duration>) {
        let (mut observed, mut wake) = (false, None);
        while !effects.is_empty() {
            let plan = state.plan().clone();
            for effect in effects.iter() {
                if let Effect::WakeAt(at) = effect {
                    wake = Some(*at);
                }
            }
            let events = join_all(std::mem::take(effects).into_iter().map(|effect| self.event(&plan, effect))).await;
            for event in events.into_iter().flatten() {
                observed |= matches!(event, Event::Observed { .. });
                state.step(event, now(), self.settings, effects);
            }
        }
        (observed, wake)
    }

    /// Carries one thing out, and says what came of it.
    async fn event(&self, current: &CheckPlan, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Observe { run, plan, lag: _ } => {
                let evidence = observe_check(&plan, self.vantage).await;
                Some(Event::Observed { run, evidence })
            }
            Effect::Load { run, probe } => {
                // It is never closed.
                let _turn = self.loads?.acquire().await;
                let evidence = Box::new(observe(probe, &current.probes[probe], self.vantage).await);
                Some(Event::Loaded { run, evidence })
            }
            Effect::Inspect { run, plan, occasion } => Some(self.inspect(run, &plan, &occasion).await),
            // Nothing runs beside this, and there is nobody to write to: the status is asked for when it is decided.
            Effect::WakeAt(_)
            | Effect::Cancel
            | Effect::CancelLoad
            | Effect::CancelInspection
            | Effect::Overrun
            | Effect::WriteStatus(_)
            | Effect::Publish(_) => None,
        }
    }

    async fn inspect(&self, run: u64, plan: &InspectionPlan, occasion: &Occasion) -> Event {
        let Some(inspector) = self.inspector else { return Event::NotInspected { run } };
        let limit = if plan.connectivity_test { TEST_LIMIT } else { INSPECTION_LIMIT };
        match timeout(limit, inspector.inspect(plan, occasion)).await {
            Ok(picture) => Event::Inspected { run, picture: Arc::new(picture) },
            Err(_) => Event::NotInspected { run },
        }
    }
}
