//! The only writer: coalesces statuses by check, bounds how many are under way, and retries while the source is away.
//! Does I/O through a [`Backend`].

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::metrics::{Metrics, WriteOutcome};
use crate::plan::CheckId;
use crate::source::{Backend, Notice, StatusUpdate, Term, WriteError};

/// Writes under way at once.
const MOST_AT_ONCE: usize = 16;
/// Notices kept while the source is away; the oldest go first.
const MOST_NOTICES: usize = 1024;
/// Reasons that are logged of one outage.
const MOST_COMPLAINTS: usize = 8;
/// Wait after the first write that could not be made; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest wait before the next try.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Wait before a status over which the server stumbles is tried again, while the others go on.
const APART: Duration = Duration::from_secs(30);

/// Takes what is to be written, and returns at once.
#[derive(Clone, Debug)]
pub struct Outbox(mpsc::UnboundedSender<Job>);

#[derive(Debug)]
enum Job {
    Status(Box<StatusUpdate>),
    Notice(Notice),
    Forget(CheckId),
    Discard,
    Flush(oneshot::Sender<()>),
}

impl Outbox {
    /// Starts the writer on the current runtime. It writes within the term, and ends when every outbox is gone and everything
    /// is written.
    pub fn start(backend: Arc<dyn Backend>, metrics: Arc<Metrics>, term: Term) -> Self {
        let (sender, jobs) = mpsc::unbounded_channel();
        tokio::spawn(Writer::new(backend, metrics, term).run(jobs));
        Outbox(sender)
    }

    /// Writes a status, unless a newer one of the same check takes its place first.
    pub fn status(&self, update: Box<StatusUpdate>) {
        self.send(Job::Status(update));
    }

    /// Tells people.
    pub fn notice(&self, notice: Notice) {
        self.send(Job::Notice(notice));
    }

    /// Drops what is still to be written of a check that is gone.
    pub fn forget(&self, id: CheckId) {
        self.send(Job::Forget(id));
    }

    /// Drops everything that is not written yet.
    pub fn discard(&self) {
        self.send(Job::Discard);
    }

    /// Waits until everything handed in so far is written, at most `patience`. False when the time was up.
    pub async fn flush(&self, patience: Duration) -> bool {
        let (done, written) = oneshot::channel();
        self.send(Job::Flush(done));
        matches!(tokio::time::timeout(patience, written).await, Ok(Ok(())))
    }

    /// Returns when the writer has ended: before every outbox is gone, it does so by a defect alone.
    pub async fn closed(&self) {
        self.0.closed().await;
    }

    fn send(&self, job: Job) {
        // The writer outlives every outbox; if its task was ended with the runtime, there is nobody left to write.
        let _ = self.0.send(job);
    }
}

enum Done {
    Status(Box<StatusUpdate>, Result<(), WriteError>),
    Notice(Notice, Result<(), WriteError>),
}

struct Writer {
    backend: Arc<dyn Backend>,
    metrics: Arc<Metrics>,
    term: Term,
    /// The newest status of each check that waits.
    waiting: HashMap<CheckId, Box<StatusUpdate>>,
    /// The order in which they wait.
    order: VecDeque<CheckId>,
    /// Checks whose status is being written.
    busy: HashSet<CheckId>,
    notices: VecDeque<Notice>,
    under_way: FuturesUnordered<BoxFuture<'static, Done>>,
    flushes: Vec<oneshot::Sender<()>>,
    pause: Duration,
    not_before: Option<Instant>,
    /// Why nothing can be written, as far as it was logged: an outage is told once, not at every try.
    complaints: HashSet<String>,
    /// Checks of which it was logged that the server stumbles over them.
    stumbled: HashSet<CheckId>,
    /// Statuses over which the server stumbled, each with the time of its next try.
    apart: VecDeque<(Instant, Box<StatusUpdate>)>,
}

impl Writer {
    fn new(backend: Arc<dyn Backend>, metrics: Arc<Metrics>, term: Term) -> Self {
        Writer {
            backend,
            metrics,
            term,
            waiting: HashMap::new(),
            order: VecDeque::new(),
            busy: HashSet::new(),
            notices: VecDeque::new(),
            under_way: FuturesUnordered::new(),
            flushes: Vec::new(),
            pause: FIRST_PAUSE,
            not_before: None,
            complaints: HashSet::new(),
            stumbled: HashSet::new(),
            apart: VecDeque::new(),
        }
    }

    async fn run(mut self, mut jobs: mpsc::UnboundedReceiver<Job>) {
        let mut open = true;
        while open || !self.is_idle() {
            self.start_some();
            if self.is_idle() {
                self.flushes.drain(..).for_each(|done| _ = done.send(()));
            }
            let resume_at = self.not_before;
            let next_apart = self.apart.front().map(|(at, _)| *at);
            tokio::select! {
                job = jobs.recv(), if open => match job {
                    Some(job) => self.accept(job),
                    None => open = false,
                },
                Some(done) = self.under_way.next() => self.conclude(done),
                () = sleep_until(resume_at), if resume_at.is_some() => self.not_before = None,
                () = sleep_until(next_apart), if next_apart.is_some() => self.bring_back(),
            }
        }
        self.flushes.drain(..).for_each(|done| _ = done.send(()));
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.notices.is_empty() && self.under_way.is_empty()
    }

    fn accept(&mut self, job: Job) {
        match job {
            Job::Status(update) => self.enqueue(update),
            Job::Notice(notice) => {
                if self.notices.len() >= MOST_NOTICES {
                    self.notices.pop_front();
                }
                self.notices.push_back(notice);
            }
            Job::Forget(id) => {
                self.waiting.remove(&id);
                self.stumbled.remove(&id);
                self.order.retain(|other| *other != id);
                self.apart.retain(|(_, update)| update.id != id);
            }
            Job::Discard => {
                self.waiting.clear();
                self.apart.clear();
                self.order.clear();
                self.notices.clear();
                self.under_way.clear();
                self.busy.clear();
            }
            Job::Flush(done) => self.flushes.push(done),
        }
    }

    fn enqueue(&mut self, update: Box<StatusUpdate>) {
        let id = update.id.clone();
        if self.waiting.insert(id.clone(), update).is_none() {
            self.order.push_back(id);
        }
    }

    /// Lets a status over which the server stumbled have another try, unless a newer one waits already.
    fn bring_back(&mut self) {
        if let Some((_, update)) = self.apart.pop_front().filter(|(_, update)| !self.waiting.contains_key(&update.id)) {
            self.enqueue(update);
        }
    }

    fn start_some(&mut self) {
        if self.not_before.is_some() || !self.term.holds() {
            return;
        }
        while self.under_way.len() < MOST_AT_ONCE {
            if let Some(notice) = self.notices.pop_front() {
                let backend = self.backend.clone();
                self.under_way.push(Box::pin(async move {
                    let result = backend.publish(&notice).await;
                    Done::Notice(notice, result)
                }));
                continue;
            }
            // A check whose status is being written waits, so that an older one can't overtake a newer one.
            let Some(position) = self.order.iter().position(|id| !self.busy.contains(id)) else { return };
            let Some(update) = self.order.remove(position).and_then(|id| self.waiting.remove(&id)) else { return };
            self.busy.insert(update.id.clone());
            let backend = self.backend.clone();
            self.under_way.push(Box::pin(async move {
                let result = backend.write_status(&update).await;
                Done::Status(update, result)
            }));
        }
    }

    fn conclude(&mut self, done: Done) {
        let (result, what, generation) = match done {
            Done::Status(update, result) => {
                self.busy.remove(&update.id);
                self.metrics.status_written(WriteOutcome::of(&result));
                let (id, generation) = (update.id.clone(), update.generation);
                let newest = !self.waiting.contains_key(&id);
                match &result {
                    Err(WriteError::Unavailable(_)) if newest => self.enqueue(update),
                    Err(WriteError::Failed(_)) if newest => self.apart.push_back((Instant::now() + APART, update)),
                    Ok(()) | Err(_) => {}
                }
                (result, id, generation)
            }
            Done::Notice(notice, result) => {
                let (id, generation) = (notice.id.clone(), notice.generation);
                if matches!(result, Err(WriteError::Unavailable(_))) {
                    self.notices.push_front(notice);
                }
                (result, id, generation)
            }
        };
        let (namespace, check) = (&*what.namespace, &*what.name);
        match result {
            Ok(()) => {
                self.pause = FIRST_PAUSE;
                self.stumbled.remove(&what);
                if !std::mem::take(&mut self.complaints).is_empty() {
                    tracing::info!(namespace, check, generation, "statuses can be written again");
                }
            }
            Err(WriteError::Gone) => tracing::debug!(namespace, check, generation, "not written: the check is gone"),
            Err(WriteError::Refused(reason)) => {
                tracing::error!(namespace, check, generation, reason, "a write was refused")
            }
            Err(WriteError::Failed(reason)) if self.stumbled.insert(what.clone()) => {
                tracing::warn!(
                    namespace,
                    check,
                    generation,
                    reason,
                    "could not write this one; the others go on, and its newest status is tried again every {APART:?}"
                );
            }
            Err(WriteError::Failed(reason)) => {
                tracing::debug!(namespace, check, generation, reason, "still could not write this one");
            }
            Err(WriteError::Unavailable(reason)) => {
                if self.complaints.len() < MOST_COMPLAINTS && self.complaints.insert(reason.clone()) {
                    tracing::warn!(
                        namespace,
                        check,
                        generation,
                        reason,
                        "could not write; probing goes on, the newest status is kept and tried again"
                    );
                }
                self.not_before = Some(Instant::now() + self.pause);
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::plan::secrets::Lookup;

    /// Takes every status but those of one namespace, and counts the tries.
    #[derive(Default)]
    struct Picky(Mutex<Vec<String>>);

    impl Backend for Picky {
        fn secret<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Lookup> {
            Box::pin(async { Lookup::Missing })
        }

        fn write_status<'a>(&'a self, update: &'a StatusUpdate) -> BoxFuture<'a, Result<(), WriteError>> {
            self.0.lock().expect("whole").push(update.id.to_string());
            let forbidden = &*update.id.namespace == "forbidden";
            Box::pin(async move { if forbidden { Err(WriteError::Failed("403".to_owned())) } else { Ok(()) } })
        }

        fn publish<'a>(&'a self, _: &'a Notice) -> BoxFuture<'a, Result<(), WriteError>> {
            Box::pin(async { Ok(()) })
        }
    }

    fn update(namespace: &str) -> Box<StatusUpdate> {
        let id = CheckId::new(namespace, "backend");
        Box::new(StatusUpdate { id, uid: "uid-1".into(), generation: 1, status: Default::default() })
    }

    #[tokio::test]
    async fn a_status_that_may_not_be_written_is_set_apart_and_holds_up_no_other() {
        let backend = Arc::new(Picky::default());
        let outbox = Outbox::start(backend.clone(), Arc::new(Metrics::new()), Term::unlimited());
        outbox.status(update("forbidden"));
        assert!(outbox.flush(APART / 3).await, "nobody waits for it");
        outbox.status(update("staging"));
        assert!(outbox.flush(APART / 3).await);
        assert_eq!(*backend.0.lock().expect("whole"), ["forbidden/backend", "staging/backend"], "each tried once");
    }
}
