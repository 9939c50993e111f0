//! The handles of a running engine: starting it on a thread of its own, telling it what has changed, stopping it.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::{mpsc, oneshot};

use super::inspects::Inspects;
use super::shell::Shell;
use super::state::{Settings, Start};
use crate::api::ConnectivityCheckStatus;
use crate::metrics::Metrics;
use crate::plan::{CheckId, CheckPlan};
use crate::probe::Vantage;
use crate::source::Term;
use crate::status::write::Outbox;
use crate::telemetry::Traces;

/// What an engine works with.
pub struct Parts {
    /// What holds for every check.
    pub settings: Settings,
    /// Where probes are carried out from.
    pub vantage: Vantage,
    /// Reads what Google Cloud says; none where it is not asked.
    pub inspector: Option<Arc<dyn Inspects>>,
    /// Takes statuses and notices.
    pub outbox: Outbox,
    /// Takes what is measured.
    pub metrics: Arc<Metrics>,
    /// Takes each run as a trace, when that is asked for.
    pub traces: Option<Traces>,
    /// Until when it may probe.
    pub term: Term,
    /// Most probes in flight at once; each holds a socket or two.
    pub most_in_flight: usize,
    /// Most loads at once, each on a thread of its own.
    pub loads_at_once: usize,
}

/// Tells an engine what has changed. Returns at once; the engine acts within a tick.
#[derive(Clone, Debug)]
pub struct Inbox(mpsc::UnboundedSender<Command>);

/// What the handles ask of the shell.
#[derive(Debug)]
pub(super) enum Command {
    Apply { plan: Arc<CheckPlan>, resume: Option<Box<ConnectivityCheckStatus>>, start: Start },
    Remove(CheckId),
    Ping(oneshot::Sender<()>),
    Stop { flush: bool, done: oneshot::Sender<()> },
}

/// A running engine.
#[derive(Debug)]
pub struct Engine {
    inbox: Inbox,
    thread: Option<JoinHandle<()>>,
}

impl Inbox {
    /// A check is new or has changed; `resume` is its last status, of use when it is new.
    pub fn apply(&self, plan: Arc<CheckPlan>, resume: Option<Box<ConnectivityCheckStatus>>, start: Start) {
        let _ = self.0.send(Command::Apply { plan, resume, start });
    }

    /// A check is gone.
    pub fn remove(&self, id: CheckId) {
        let _ = self.0.send(Command::Remove(id));
    }

    /// Returns when the engine has ended.
    pub async fn closed(&self) {
        self.0.closed().await;
    }

    /// Whether the engine answers within `patience`.
    pub async fn is_alive(&self, patience: Duration) -> bool {
        let (done, answered) = oneshot::channel();
        let _ = self.0.send(Command::Ping(done));
        matches!(tokio::time::timeout(patience, answered).await, Ok(Ok(())))
    }
}

impl Engine {
    /// Starts an engine on a thread of its own.
    ///
    /// # Errors
    /// When the thread or its runtime can't be made.
    pub fn start(parts: Parts) -> io::Result<Self> {
        let (sender, commands) = mpsc::unbounded_channel();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || runtime.block_on(Shell::new(parts).run(commands)))?;
        Ok(Engine { inbox: Inbox(sender), thread: Some(thread) })
    }

    /// Where to tell it what has changed.
    pub fn inbox(&self) -> Inbox {
        self.inbox.clone()
    }

    /// Stops probing, and hands what a restart should resume to the outbox.
    pub async fn stop(self) {
        self.end(true).await;
    }

    /// Stops probing, and hands nothing on.
    pub async fn abandon(self) {
        self.end(false).await;
    }

    async fn end(mut self, flush: bool) {
        let (done, stopped) = oneshot::channel();
        let _ = self.inbox.0.send(Command::Stop { flush, done });
        let _ = stopped.await;
        if let Some(thread) = self.thread.take() {
            // It has said that it is done; joining takes no time.
            let _ = thread.join();
        }
    }
}
