//! Fetches what a spec refers to, and turns source events into plans for the engine. Does I/O through a [`Backend`].
//!
//! It never waits for a probe, and a slow read of one check's Secrets holds up no other check.

mod reads;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, watch};

use crate::api::ConnectivityCheckStatus;
use crate::api::spec::ConnectivityCheckSpec;
use crate::engine::{Inbox, Start};
use crate::plan::secrets::Lookup;
use crate::plan::{self, Admission, Age, CheckId, CheckPlan, Limits, Secrets};
use crate::source::{Backend, Declared, SourceEvent};

use reads::Reads;

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

/// The names of the Secrets that a check refers to; none where its spec can't be read.
fn names_of(declared: &Declared) -> BTreeSet<&str> {
    declared.spec.as_ref().map(secret_names).unwrap_or_default()
}

fn compile(declared: &Declared, secrets: &Secrets) -> CheckPlan {
    let (id, uid, generation) = (declared.id.clone(), declared.uid.clone(), declared.generation);
    match &declared.spec {
        Ok(spec) => plan::compile(id, uid, generation, spec, secrets),
        Err(reason) => plan::unreadable(id, uid, generation, reason),
    }
}

/// A number for everything that a plan is made from. Of the Secrets only what the spec refers to counts. The key of the hash
/// is this process's own, so that the number tells nothing of a value.
fn digest(key: &RandomState, declared: &Declared, secrets: &Secrets) -> u64 {
    let mut hash = key.build_hasher();
    (&declared.uid, declared.generation, declared.spec.as_ref().err()).hash(&mut hash);
    for (name, key) in declared.spec.iter().flat_map(ConnectivityCheckSpec::secret_keys) {
        match secrets.get("", name, key) {
            Ok(value) => (true, value).hash(&mut hash),
            Err(fault) => (false, fault.message).hash(&mut hash),
        }
    }
    hash.finish()
}

/// Turns source events into plans, until the source ends. `synced` becomes true when the first listing is complete.
pub async fn run(
    mut events: mpsc::Receiver<SourceEvent>,
    backend: Arc<dyn Backend>,
    inbox: Inbox,
    synced: watch::Sender<bool>,
    limits: Limits,
) {
    let mut planner = Planner {
        reads: Reads::new(backend),
        inbox,
        known: HashMap::new(),
        serial: 0,
        key: RandomState::new(),
        under_way: FuturesUnordered::new(),
        listed: false,
        held: Some(HashSet::new()),
        admission: Admission::new(limits.quotas),
        limits,
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
            Some(step) = planner.under_way.next() => {
                match step {
                    Step::Resolved(resolved) => planner.conclude(*resolved),
                    Step::Again(declared, serial) => planner.try_again(declared, serial),
                }
                planner.release(&synced);
            }
        }
    }
}

struct Planner {
    reads: Reads,
    inbox: Inbox,
    known: HashMap<CheckId, Known>,
    serial: u64,
    /// Of the digests.
    key: RandomState,
    under_way: FuturesUnordered<BoxFuture<'static, Step>>,
    listed: bool,
    /// Checks of the first listing that have a plan, until it is complete and resolved. None afterwards.
    held: Option<HashSet<CheckId>>,
    /// The plans, and which of them are carried out.
    admission: Admission,
    limits: Limits,
}

/// What is kept of a check.
struct Known {
    serial: u64,
    age: Age,
    /// Only where it refers to Secrets: it is needed again when one changes.
    declared: Option<Arc<Declared>>,
    /// The status from which it resumes, until its first plan is handed on.
    resume: Option<Box<ConnectivityCheckStatus>>,
    /// Digest of the newest plan.
    planned: Option<u64>,
}

enum Step {
    /// Everything that a check refers to was looked up.
    Resolved(Box<Resolved>),
    /// It is time to look up again what could not be read.
    Again(Arc<Declared>, u64),
}

struct Resolved {
    declared: Arc<Declared>,
    serial: u64,
    secrets: Secrets,
    unreadable: bool,
}

impl Planner {
    fn accept(&mut self, event: SourceEvent) {
        match event {
            SourceEvent::Applied(declared) => {
                let mut declared = *declared;
                let status = declared.status.take().map(Box::new);
                self.start(Arc::new(declared), status);
            }
            SourceEvent::Deleted(id) => {
                let known = self.known.remove(&id);
                if let Some(held) = &mut self.held {
                    held.remove(&id);
                }
                let namespace = id.namespace.clone();
                self.inbox.remove(id);
                if let Some(known) = known {
                    self.admission.remove(&namespace, &known.age);
                    self.hand_on(&namespace);
                }
            }
            SourceEvent::SecretChanged { namespace, name } => self.secret_changed(&namespace, &name),
            SourceEvent::Synced => self.listed = true,
        }
    }

    fn secret_changed(&mut self, namespace: &str, name: &str) {
        self.reads.changed(namespace, name);
        let refers =
            |declared: &&Arc<Declared>| *declared.id.namespace == *namespace && names_of(declared).contains(name);
        let affected: Vec<Arc<Declared>> =
            self.known.values().filter_map(|known| known.declared.as_ref()).filter(refers).cloned().collect();
        for declared in affected {
            self.start(declared, None);
        }
    }

    fn start(&mut self, declared: Arc<Declared>, status: Option<Box<ConnectivityCheckStatus>>) {
        self.serial += 1;
        let serial = self.serial;
        let id = declared.id.clone();
        let age = Age { created: declared.created, uid: declared.uid.clone() };
        let names: Vec<String> = names_of(&declared).into_iter().map(str::to_owned).collect();
        // What was begun earlier may have been overtaken before its plan was handed on.
        let earlier = self.known.remove(&id);
        if let Some(other) = earlier.as_ref().filter(|known| known.age != age) {
            self.admission.remove(&id.namespace, &other.age);
        }
        let earlier = earlier.filter(|known| known.age == age);
        let (resume, planned) = earlier.map_or((None, None), |known| (known.resume, known.planned));
        let kept = (!names.is_empty()).then(|| declared.clone());
        self.known.insert(id, Known { serial, age, declared: kept, resume: status.or(resume), planned });
        let reads: Vec<_> = names.iter().map(|name| self.reads.read(&declared.id.namespace, name)).collect();
        self.under_way.push(Box::pin(async move {
            let mut secrets = Secrets::default();
            let mut unreadable = false;
            for (name, lookup) in names.into_iter().zip(join_all(reads).await) {
                unreadable |= matches!(lookup, Lookup::Unreadable(_));
                secrets.insert(name, lookup);
            }
            Step::Resolved(Box::new(Resolved { declared, serial, secrets, unreadable }))
        }));
    }

    fn conclude(&mut self, Resolved { declared, serial, secrets, unreadable }: Resolved) {
        for name in names_of(&declared) {
            self.reads.ended(&declared.id.namespace, name);
        }
        // Something newer has overtaken it, or the check is gone.
        let Some(known) = self.known.get_mut(&declared.id).filter(|known| known.serial == serial) else { return };
        let digest = digest(&self.key, &declared, &secrets);
        // The same plan again is no news: it would only disturb the run in flight.
        if known.planned.replace(digest) != Some(digest) {
            let mut plan = compile(&declared, &secrets);
            self.limits.hold(&mut plan);
            self.admission.put(known.age.clone(), Arc::new(plan));
            match &mut self.held {
                Some(held) => _ = held.insert(declared.id.clone()),
                None => self.hand_on(&declared.id.namespace),
            }
        }
        if unreadable {
            self.under_way.push(Box::pin(async move {
                tokio::time::sleep(RETRY).await;
                Step::Again(declared, serial)
            }));
        }
    }

    /// Hands on the plans of a namespace that have changed, or are carried out now and were not, or the other way round.
    fn hand_on(&mut self, namespace: &str) {
        // Of the first listing nothing is decided before all of it is known.
        if self.held.is_none() {
            self.apply(namespace, Start::AtOnce);
        }
    }

    fn apply(&mut self, namespace: &str, start: Start) {
        for plan in self.admission.decide(namespace) {
            let resume = self.known.get_mut(&plan.id).and_then(|known| known.resume.take());
            self.inbox.apply(plan, resume, start);
        }
    }

    fn try_again(&mut self, declared: Arc<Declared>, serial: u64) {
        if self.known.get(&declared.id).is_some_and(|known| known.serial == serial) {
            self.start(declared, None);
        }
    }

    /// Hands the first listing over once all of it is known: only then is it clear over how long to spread it.
    fn release(&mut self, synced: &watch::Sender<bool>) {
        let resolving = self.known.len() > self.held.as_ref().map_or(0, HashSet::len);
        if !self.listed || (self.held.is_some() && resolving) {
            return;
        }
        let Some(held) = self.held.take() else { return };
        let count = u32::try_from(held.len()).unwrap_or(u32::MAX);
        let start = Start::Spread(SPREAD_PER_CHECK.saturating_mul(count).min(MOST_SPREAD));
        tracing::info!(checks = count, "all checks are known; probing starts");
        for namespace in held.into_iter().map(|id| id.namespace).collect::<HashSet<_>>() {
            self.apply(&namespace, start);
        }
        synced.send_replace(true);
    }
}
