//! Drives the state machine of one check: carries out what it asks for, until it has decided. Probes; writes nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};

use crate::api::ConnectivityCheckStatus;
use crate::engine::{CheckState, Effect, Event, Now, Settings, Start};
use crate::plan::CheckPlan;
use crate::probe::{Vantage, observe, observe_check};

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

    /// Carries out what is asked for, and what that leads to. Returns whether it was observed, and when it wants to be woken.
    async fn carry_out(
        &self,
        state: &mut CheckState,
        effects: &mut Vec<Effect>,
        now: &impl Fn() -> Now,
    ) -> (bool, Option<Duration>) {
        let (mut observed, mut wake) = (false, None);
        while !effects.is_empty() {
            for effect in std::mem::take(effects) {
                match effect {
                    Effect::Observe { run, plan, lag: _ } => {
                        let evidence = observe_check(&plan, self.vantage).await;
                        observed = true;
                        state.step(Event::Observed { run, evidence }, now(), self.settings, effects);
                    }
                    Effect::Load { run, probe } => {
                        let Some(loads) = self.loads else { continue };
                        // It is never closed.
                        let _turn = loads.acquire().await;
                        let evidence =
                            Box::new(observe(probe, &state.plan().clone().probes[probe], self.vantage).await);
                        state.step(Event::Loaded { run, evidence }, now(), self.settings, effects);
                    }
                    Effect::WakeAt(at) => wake = Some(at),
                    // Nothing runs beside this, and there is nobody to write to: the status is asked for when it is decided.
                    Effect::Cancel
                    | Effect::CancelLoad
                    | Effect::Overrun
                    | Effect::WriteStatus(_)
                    | Effect::Publish(_) => {}
                }
            }
        }
        (observed, wake)
    }
}
