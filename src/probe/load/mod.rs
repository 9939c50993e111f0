//! The `load` kind: another probe, repeated at a steady pace by a thread of its own, so that nothing else is late for it.
//! Starts that thread and judges what it counted.

mod alarm;
mod generator;
mod tally;

use std::sync::Arc;

use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use self::generator::Generator;
use self::tally::Tally;
use super::{Attempt, Vantage};
use crate::api::{Cause, Stage};
use crate::evidence::{Failure, Shown};
use crate::plan::kinds::{LoadAction, Percentile};

/// After how many steps of its tasks the generator looks at its sockets and its clock.
const LOOK_EVERY: u32 = 8;

/// Carries out a `load` probe.
pub async fn probe(action: &Arc<LoadAction>, attempt: &mut Attempt<'_>) -> Result<(), Failure> {
    let counted = start(action.clone(), attempt.vantage.clone());
    let doing = || format!("repeating {} at {} for {}", action.probe.name, action.pace, Shown(action.window));
    let work = async {
        let ended = counted.map_err(|error| ours(&format!("the load's thread can't be started: {error}")))?.await;
        ended.map_err(|_| ours("the load's thread ended by a defect of runready; see the operator's log"))?
    };
    let tally = attempt.stage(Stage::Load, doing, work).await?;
    tally.facts().into_iter().for_each(|(fact, value)| attempt.fact(fact, value));
    attempt.took(tally.latency(Percentile::P50));
    tally.judge(action)
}

fn ours(message: &str) -> Failure {
    Failure::new(Cause::ProberError, Stage::Load, message)
}

/// Starts the thread. It ends with the load, or as soon as nobody waits for it any longer.
fn start(action: Arc<LoadAction>, vantage: Vantage) -> std::io::Result<oneshot::Receiver<Result<Tally, Failure>>> {
    let (mut done, counted) = oneshot::channel();
    let runtime = runtime::Builder::new_current_thread().enable_all().event_interval(LOOK_EVERY).build()?;
    std::thread::Builder::new().name("load".to_owned()).spawn(move || {
        let tasks = LocalSet::new();
        let ended = runtime.block_on(async {
            let generated = tasks.run_until(Generator::run(action, vantage));
            tokio::select! {
                tally = generated => Some(tally),
                () = done.closed() => None,
            }
        });
        // The connections go first: they belong to the runtime.
        drop(tasks);
        // Nobody may wait for it any longer.
        if let Some(tally) = ended {
            let _ = done.send(tally);
        }
    })?;
    Ok(counted)
}
