//! Leader election on a Lease (coordination.k8s.io/v1). Does network I/O with the API server.
//!
//! A holder steps down by its own monotonic clock, counted from the *start* of its last renewal that succeeded: whatever
//! the API server or the network does, it has stopped before its lease can be taken. A candidate judges another's lease by
//! how long it has seen no renewal, not by the other's clock.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Client;
use kube::api::{Api, PostParams};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::source::{Moment, Term};

/// How long a lease holds, and how it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long others wait after the last renewal that they saw.
    pub lease: Duration,
    /// A holder steps down when no renewal that was started within this time has succeeded. Less than `lease`.
    pub renew_deadline: Duration,
    /// Between two tries.
    pub retry: Duration,
}

impl Default for Timing {
    /// 15 s, 10 s, 2 s: the defaults of client-go.
    fn default() -> Self {
        Timing {
            lease: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// A candidate for the lease.
#[derive(Debug)]
pub struct Elector {
    leading: watch::Receiver<bool>,
    term: Term,
    release: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Elector {
    /// Starts standing for the Lease `name` in `namespace`, as `identity`, on the current runtime.
    pub fn start(client: Client, namespace: &str, name: &str, identity: &str, timing: Timing) -> Self {
        let (leads, leading) = watch::channel(false);
        let (release, released) = oneshot::channel();
        let candidate = Candidate {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: identity.to_owned(),
            timing,
            term: Term::not_begun(),
            seen: None,
        };
        let term = candidate.term.clone();
        Elector { leading, term, release, task: tokio::spawn(candidate.run(leads, released)) }
    }

    /// True while this candidate leads.
    pub fn leading(&self) -> watch::Receiver<bool> {
        self.leading.clone()
    }

    /// Until when it may act as the leader, whatever it has been told so far.
    pub fn term(&self) -> Term {
        self.term.clone()
    }

    /// Gives the lease back, if it is held, so that another can take it at once.
    pub async fn release(self) {
        let _ = self.release.send(());
        let _ = self.task.await;
    }
}

struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    timing: Timing,
    term: Term,
    /// The lease as last seen, and since when it has looked like that.
    seen: Option<(Lease, Instant)>,
}

/// What came of a try.
enum Try {
    Held,
    HeldByOther(String),
    Failed(String),
}

impl Candidate {
    async fn run(mut self, leads: watch::Sender<bool>, mut released: oneshot::Receiver<()>) {
        let mut holds_until: Option<Instant> = None;
        loop {
            let (started, began) = (Instant::now(), Moment::now());
            // A renewal that hangs must not keep the holder from stepping down in time.
            let limit = holds_until.unwrap_or(started + self.timing.renew_deadline);
            let tried = tokio::select! {
                tried = timeout_at(limit, self.try_to_hold()) => tried.unwrap_or_else(|_| Try::Failed("no answer in time".to_owned())),
                _ = &mut released => break,
            };
            match tried {
                Try::Held => {
                    let until = started + self.timing.renew_deadline;
                    self.term.extend(began.after(self.timing.renew_deadline));
                    holds_until = Some(until);
                    if !leads.send_replace(true) {
                        tracing::info!(lease = self.name, identity = self.identity, "leading");
                    }
                }
                Try::HeldByOther(holder) => {
                    self.term.end();
                    holds_until = None;
                    if leads.send_replace(false) {
                        tracing::warn!(lease = self.name, holder, "another replica has taken the lease; stepping down");
                    }
                }
                Try::Failed(reason) => {
                    tracing::warn!(
                        lease = self.name,
                        reason,
                        leading = holds_until.is_some(),
                        "the lease could not be renewed or taken"
                    );
                }
            }
            let next = Instant::now() + self.timing.retry;
            let pause = holds_until.map_or(next, |until| next.min(until));
            tokio::select! {
                () = tokio::time::sleep_until(pause) => {}
                _ = &mut released => break,
            }
            if holds_until.is_some_and(|until| until <= Instant::now()) {
                self.term.end();
                holds_until = None;
                leads.send_replace(false);
                tracing::error!(lease = self.name, "the lease could not be renewed in time; stepping down");
            }
        }
        self.term.end();
        leads.send_replace(false);
        if holds_until.is_some() {
            self.give_back().await;
        }
    }

    async fn try_to_hold(&mut self) -> Try {
        match self.try_once().await {
            Ok(outcome) => outcome,
            // Someone else was faster; the next try sees who.
            Err(kube::Error::Api(status)) if status.code == 409 => {
                Try::Failed("another candidate was faster".to_owned())
            }
            Err(error) => Try::Failed(super::said(&error)),
        }
    }

    async fn try_once(&mut self) -> Result<Try, kube::Error> {
        let Some(current) = self.api.get_opt(&self.name).await? else {
            let created = self.api.create(&PostParams::default(), &self.lease(None)).await?;
            self.seen = Some((created, Instant::now()));
            return Ok(Try::Held);
        };
        let holder = current.spec.as_ref().and_then(|spec| spec.holder_identity.clone()).unwrap_or_default();
        let now = Instant::now();
        let unchanged_since = match &self.seen {
            Some((seen, since)) if seen.spec == current.spec => *since,
            _ => now,
        };
        let lease = current.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or(0);
        let lasts = Duration::from_secs(u64::try_from(lease).unwrap_or(0)).max(Duration::from_secs(1));
        self.seen = Some((current.clone(), unchanged_since));
        let free = holder.is_empty() || holder == self.identity || unchanged_since.elapsed() >= lasts;
        if !free {
            return Ok(Try::HeldByOther(holder));
        }
        // The resource version makes the API server refuse it if anyone was faster.
        let updated = self.api.replace(&self.name, &PostParams::default(), &self.lease(Some(&current))).await?;
        self.seen = Some((updated, Instant::now()));
        Ok(Try::Held)
    }

    fn lease(&self, current: Option<&Lease>) -> Lease {
        let now = MicroTime(Timestamp::now());
        let before = current.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let mine = before.holder_identity.as_deref() == Some(&self.identity);
        let transitions = before.lease_transitions.unwrap_or(0);
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(i32::try_from(self.timing.lease.as_secs()).unwrap_or(i32::MAX).max(1)),
            acquire_time: if mine { before.acquire_time } else { Some(now.clone()) },
            renew_time: Some(now),
            lease_transitions: Some(if mine || current.is_none() { transitions } else { transitions + 1 }),
            ..LeaseSpec::default()
        };
        // Labels, annotations and owners are other people's.
        let known = current.map(|lease| ObjectMeta { managed_fields: None, ..lease.metadata.clone() });
        let metadata = known.unwrap_or_else(|| ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() });
        Lease { metadata, spec: Some(spec) }
    }

    async fn give_back(&self) {
        match tokio::time::timeout(self.timing.retry, self.give_back_once()).await {
            Ok(Ok(())) => tracing::info!(lease = self.name, "the lease is released"),
            Ok(Err(error)) => {
                tracing::warn!(
                    lease = self.name,
                    reason = super::said(&error),
                    "the lease could not be released; it runs out by itself"
                )
            }
            Err(_) => tracing::warn!(lease = self.name, "no answer to the release of the lease; it runs out by itself"),
        }
    }

    async fn give_back_once(&self) -> Result<(), kube::Error> {
        let Some((seen, _)) = &self.seen else { return Ok(()) };
        match self.replace_released(seen.clone()).await {
            // It has changed since: a renewal whose answer was not awaited, or someone's label. It is given back if it is still ours.
            Err(kube::Error::Api(status)) if status.code == 409 => match self.api.get_opt(&self.name).await? {
                Some(lease) if self.is_mine(&lease) => self.replace_released(lease).await,
                Some(_) | None => Ok(()),
            },
            replaced => replaced,
        }
    }

    async fn replace_released(&self, mut lease: Lease) -> Result<(), kube::Error> {
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = None;
            spec.lease_duration_seconds = Some(1);
            spec.renew_time = Some(MicroTime(Timestamp::now()));
        }
        lease.metadata.managed_fields = None;
        self.api.replace(&self.name, &PostParams::default(), &lease).await.map(drop)
    }

    fn is_mine(&self, lease: &Lease) -> bool {
        lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()) == Some(&self.identity)
    }
}
