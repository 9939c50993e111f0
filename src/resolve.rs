//! Fetches what a spec refers to, and turns source events into plans for the engine. Does I/O through a [`Backend`].
//!
//! It never waits for a probe, and a slow read of one check's Secrets holds up no other check.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, watch};

use crate::api::ConnectivityCheckStatus;
use crate::api::spec::ConnectivityCheckSpec;
use crate::engine::{Inbox, Start};
use crate::plan::secrets::Lookup;
use crate::plan::{self, CheckId, CheckPlan, Secrets};
use crate::source::{Backend, Declared, SourceEvent};

/// How long until Secrets that could not be read are tried again. A missing one is not polled: its creation is watched.
const RETRY: Duration = Duration::from_secs(5);
/// First probes of the checks that exist at the start are spread over this much per check ...
const SPREAD_PER_CHECK: Duration = Duration::from_millis(10);
/// ... but over no more than this.
const MOST_SPREAD: Duration = Duration::from_secs(10);

/// The names of the Secrets that a spec refers to.
pub fn secret_names(spec: &ConnectivityCheckSpec) -> BTreeSet<&str> {
    spec.secret_keys().map(|(name, _)| name).collect()
}

/// Fetches the Secrets that a check refers to, and compiles its plan. True when one of them could not be read.
pub async fn resolve(declared: &Declared, backend: &dyn Backend) -> (CheckPlan, bool) {
    let (id, uid, generation) = (declared.id.clone(), declared.uid.clone(), declared.generation);
    let spec = match &declared.spec {
        Ok(spec) => spec,
        Err(reason) => return (plan::unreadable(id, uid, generation, reason), false),
    };
    let mut secrets = Secrets::default();
    let mut unreadable = false;
    for name in secret_names(spec) {
        let lookup = backend.secret(&id.namespace, name).await;
        unreadable |= matches!(lookup, Lookup::Unreadable(_));
        secrets.insert(name.to_owned(), lookup);
    }
    (plan::compile(id, uid, generation, spec, &secrets), unreadable)
}

/// Turns source events into plans, until the source ends. `synced` becomes true when the first listing is complete.
pub async fn run(
    mut events: mpsc::Receiver<SourceEvent>,
    backend: Arc<dyn Backend>,
    inbox: Inbox,
    synced: watch::Sender<bool>,
) {
    let mut planner = Planner {
        backend,
        inbox,
        known: HashMap::new(),
        serial: 0,
        under_way: FuturesUnordered::new(),
        listed: false,
        held: Some(Vec::new()),
    };
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(SourceEvent::Synced) => {
                    planner.listed = true;
                    planner.release(&synced);
                }
                Some(event) => planner.accept(event),
                None => return,
            },
            Some(resolved) = planner.under_way.next() => {
                planner.conclude(resolved);
                planner.release(&synced);
            }
        }
    }
}

struct Planner {
    backend: Arc<dyn Backend>,
    inbox: Inbox,
    known: HashMap<CheckId, Known>,
    serial: u64,
    under_way: FuturesUnordered<BoxFuture<'static, Resolved>>,
    listed: bool,
    /// Plans of the first listing, until it is complete and resolved. None afterwards.
    held: Option<Vec<Held>>,
}

/// A plan and the status from which it resumes.
type Held = (Arc<CheckPlan>, Option<Box<ConnectivityCheckStatus>>);

/// What is kept of a check. The declaration only where it refers to Secrets: it is needed again when one changes.
struct Known {
    serial: u64,
    declared: Option<Arc<Declared>>,
}

struct Resolved {
    id: CheckId,
    serial: u64,
    plan: CheckPlan,
    status: Option<Box<ConnectivityCheckStatus>>,
    retry: bool,
}

impl Planner {
    fn accept(&mut self, event: SourceEvent) {
        match event {
            SourceEvent::Applied(declared) => {
                let mut declared = *declared;
                let status = declared.status.take().map(Box::new);
                self.start(Arc::new(declared), status, Duration::ZERO);
            }
            SourceEvent::Deleted(id) => {
                self.known.remove(&id);
                if let Some(held) = &mut self.held {
                    held.retain(|(plan, _)| plan.id != id);
                }
                self.inbox.remove(id);
            }
            SourceEvent::SecretChanged { namespace, name } => self.secret_changed(&namespace, &name),
            SourceEvent::Synced => self.listed = true,
        }
    }

    fn secret_changed(&mut self, namespace: &str, name: &str) {
        let refers = |declared: &&Arc<Declared>| {
            *declared.id.namespace == *namespace
                && declared.spec.as_ref().is_ok_and(|spec| secret_names(spec).contains(name))
        };
        let affected: Vec<Arc<Declared>> =
            self.known.values().filter_map(|known| known.declared.as_ref()).filter(refers).cloned().collect();
        for declared in affected {
            self.start(declared, None, Duration::ZERO);
        }
    }

    fn start(&mut self, declared: Arc<Declared>, status: Option<Box<ConnectivityCheckStatus>>, after: Duration) {
        self.serial += 1;
        let serial = self.serial;
        let id = declared.id.clone();
        let refers = declared.spec.as_ref().is_ok_and(|spec| !secret_names(spec).is_empty());
        let kept = refers.then(|| declared.clone());
        self.known.insert(id.clone(), Known { serial, declared: kept });
        let backend = self.backend.clone();
        self.under_way.push(Box::pin(async move {
            if !after.is_zero() {
                tokio::time::sleep(after).await;
            }
            let (plan, retry) = resolve(&declared, &*backend).await;
            Resolved { id, serial, plan, status, retry }
        }));
    }

    fn conclude(&mut self, Resolved { id, serial, plan, status, retry }: Resolved) {
        // Something newer has overtaken it, or the check is gone.
        let Some(known) = self.known.get(&id).filter(|known| known.serial == serial) else { return };
        let again = known.declared.clone().filter(|_| retry);
        let plan = Arc::new(plan);
        match &mut self.held {
            Some(held) => {
                let earlier = held.iter().position(|(other, _)| other.id == id).map(|index| held.swap_remove(index));
                held.push((plan, status.or(earlier.and_then(|(_, status)| status))));
            }
            None => self.inbox.apply(plan, status, Start::AtOnce),
        }
        if let Some(declared) = again {
            self.start(declared, None, RETRY);
        }
    }

    /// Hands the first listing over once all of it is known: only then is it clear over how long to spread it.
    fn release(&mut self, synced: &watch::Sender<bool>) {
        let resolving = self.known.len() > self.held.as_ref().map_or(0, Vec::len);
        if !self.listed || (self.held.is_some() && resolving) {
            return;
        }
        let Some(held) = self.held.take() else { return };
        let count = u32::try_from(held.len()).unwrap_or(u32::MAX);
        let start = Start::Spread(SPREAD_PER_CHECK.saturating_mul(count).min(MOST_SPREAD));
        tracing::info!(checks = count, "all checks are known; probing starts");
        for (plan, status) in held {
            self.inbox.apply(plan, status, start);
        }
        synced.send_replace(true);
    }
}
