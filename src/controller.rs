//! Joins a source, the planner, the engine and the writer into a running controller. Does I/O through its parts.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::engine::{Engine, Inbox, Inspects, Parts, Settings};
use crate::metrics::Metrics;
use crate::plan::Limits;
use crate::probe::Vantage;
use crate::resolve;
use crate::source::{Backend, SourceEvent, Term};
use crate::status::write::Outbox;
use crate::telemetry::Traces;

/// Longest wait for statuses to be written at the end.
const FLUSH: Duration = Duration::from_secs(5);

/// What every controller of a process shares.
#[derive(Clone)]
pub struct Common {
    /// Where probes are carried out from.
    pub vantage: Vantage,
    /// Reads what Google Cloud says; none where it is not asked.
    pub inspector: Option<Arc<dyn Inspects>>,
    /// Takes what is measured.
    pub metrics: Arc<Metrics>,
    /// Takes each run as a trace.
    pub traces: Option<Traces>,
    /// Most probes in flight at once.
    pub most_in_flight: usize,
    /// A status whose meaning does not change is written no more often than this.
    pub heartbeat: Duration,
    /// Limits that no check can lift.
    pub limits: Limits,
}

/// A running controller.
pub struct Controller {
    engine: Engine,
    outbox: Outbox,
    planner: JoinHandle<()>,
    synced: watch::Receiver<bool>,
}

impl Controller {
    /// Starts probing what the source yields.
    ///
    /// # Errors
    /// When the engine's thread can't be made.
    pub fn start(events: mpsc::Receiver<SourceEvent>, backend: Arc<dyn Backend>, common: &Common) -> io::Result<Self> {
        Self::start_within(Term::unlimited(), events, backend, common)
    }

    /// Starts probing what the source yields, for as long as the term lasts.
    ///
    /// # Errors
    /// When the engine's thread can't be made.
    pub fn start_within(
        term: Term,
        events: mpsc::Receiver<SourceEvent>,
        backend: Arc<dyn Backend>,
        common: &Common,
    ) -> io::Result<Self> {
        let outbox = Outbox::start(backend.clone(), common.metrics.clone(), term.clone());
        let mut settings = Settings::new(common.vantage.name.clone());
        settings.heartbeat = common.heartbeat;
        settings.inspect = common.inspector.is_some();
        let engine = Engine::start(Parts {
            settings,
            vantage: common.vantage.clone(),
            inspector: common.inspector.clone(),
            outbox: outbox.clone(),
            metrics: common.metrics.clone(),
            traces: common.traces.clone(),
            term,
            most_in_flight: common.most_in_flight,
            loads_at_once: common.limits.loads_at_once,
        })?;
        let (known, synced) = watch::channel(false);
        let planner = tokio::spawn(resolve::run(events, backend, engine.inbox(), known, common.limits.clone()));
        Ok(Controller { engine, outbox, planner, synced })
    }

    /// Becomes true when the first listing is complete and its checks are being probed.
    pub fn synced(&self) -> watch::Receiver<bool> {
        self.synced.clone()
    }

    /// The engine's inbox.
    pub fn inbox(&self) -> Inbox {
        self.engine.inbox()
    }

    /// Returns when a part of it has ended that should not, and which.
    pub async fn ended(&mut self) -> &'static str {
        let inbox = self.engine.inbox();
        tokio::select! {
            () = inbox.closed() => "the engine",
            () = self.outbox.closed() => "the writer of statuses",
            ended = &mut self.planner => match ended {
                // It goes on for as long as its source does.
                Ok(()) => "the source of checks",
                Err(_) => "the planner",
            },
        }
    }

    /// Stops probing and writes what a restart should resume. False when not everything could be written in time.
    pub async fn stop(self) -> bool {
        self.planner.abort();
        self.engine.stop().await;
        self.outbox.flush(FLUSH).await
    }

    /// Stops probing at once and writes nothing: another replica may be at work already.
    pub async fn abandon(self) {
        self.planner.abort();
        self.engine.abandon().await;
        self.outbox.discard();
    }
}
