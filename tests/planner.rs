//! The planner with a source in the test's hand: what it reads, how often, and what of it disturbs a check.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use runready::api::ConnectivityCheckStatus;
use runready::controller::{Common, Controller};
use runready::metrics::Metrics;
use runready::plan::secrets::Lookup;
use runready::plan::{CheckId, Limits, Quotas};
use runready::probe::{Connector, Resolver, Targets, Vantage};
use runready::source::{Backend as Target, Declared, Notice, SourceEvent, StatusUpdate, WriteError};
use tokio::sync::{Semaphore, mpsc};

use crate::support::backend::Backend;

/// A source whose Secrets are read when the test allows it.
struct Source {
    allowed: Semaphore,
    begun: AtomicUsize,
    under_way: AtomicUsize,
    most: AtomicUsize,
    lookup: Lookup,
    written: mpsc::UnboundedSender<StatusUpdate>,
}

impl Target for Source {
    fn secret<'a>(&'a self, _namespace: &'a str, _name: &'a str) -> BoxFuture<'a, Lookup> {
        async {
            self.begun.fetch_add(1, Ordering::SeqCst);
            let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(under_way, Ordering::SeqCst);
            self.allowed.acquire().await.expect("open").forget();
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            self.lookup.clone()
        }
        .boxed()
    }

    fn write_status<'a>(&'a self, update: &'a StatusUpdate) -> BoxFuture<'a, Result<(), WriteError>> {
        let _ = self.written.send(update.clone());
        async { Ok(()) }.boxed()
    }

    fn publish<'a>(&'a self, _notice: &'a Notice) -> BoxFuture<'a, Result<(), WriteError>> {
        async { Ok(()) }.boxed()
    }
}

struct World {
    source: Arc<Source>,
    events: mpsc::Sender<SourceEvent>,
    written: mpsc::UnboundedReceiver<StatusUpdate>,
    controller: Controller,
}

impl World {
    fn start(lookup: Lookup) -> Self {
        Self::within(Quotas::default(), lookup)
    }

    fn within(quotas: Quotas, lookup: Lookup) -> Self {
        let (sender, written) = mpsc::unbounded_channel();
        let source = Arc::new(Source {
            allowed: Semaphore::new(0),
            begun: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            lookup,
            written: sender,
        });
        let (events, queue) = mpsc::channel(1024);
        let common = Common {
            vantage: Vantage {
                name: "host/test".into(),
                resolver: Resolver::system(),
                targets: Targets::default(),
                cloud_sql: Connector::default(),
            },
            inspector: None,
            metrics: Arc::new(Metrics::new()),
            traces: None,
            most_in_flight: 1000,
            heartbeat: Duration::from_secs(300),
            limits: Limits { quotas, ..Limits::default() },
        };
        let controller = Controller::start(queue, source.clone(), &common).expect("starts");
        World { source, events, written, controller }
    }

    async fn send(&self, event: SourceEvent) {
        self.events.send(event).await.expect("the planner listens");
    }

    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let held = async {
            while !holds(self) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), held).await.expect(what);
    }

    async fn until_begun(&self, reads: usize) {
        self.until("Secrets are read", |world| world.source.begun.load(Ordering::SeqCst) >= reads).await;
    }

    async fn until_taken(&self) {
        self.until("events are taken", |world| world.events.capacity() == world.events.max_capacity()).await;
    }

    /// Takes statuses until these checks have these reasons for Ready.
    async fn until_reasons<const COUNT: usize>(&mut self, wanted: [(&str, &str); COUNT]) {
        let wanted: BTreeMap<String, String> =
            wanted.iter().map(|(name, reason)| ((*name).to_owned(), (*reason).to_owned())).collect();
        let mut told = BTreeMap::new();
        while told != wanted {
            let written = tokio::time::timeout(Duration::from_secs(20), self.written.recv()).await;
            let written = written.unwrap_or_else(|_| panic!("told so far: {told:?}, and wanted: {wanted:?}"));
            let update = written.expect("the writer lives");
            told.insert(update.id.name.to_string(), update.status.conditions[0].reason.clone());
        }
    }

    async fn next_status(&mut self) -> ConnectivityCheckStatus {
        let written = tokio::time::timeout(Duration::from_secs(20), self.written.recv()).await;
        written.expect("a status is written").expect("the writer lives").status
    }
}

/// A check of a TCP probe, beside an HTTP probe that sends a Secret's value.
fn declared(name: &str, secret: &str, port: u16, status: Option<ConnectivityCheckStatus>) -> SourceEvent {
    let spec = format!(
        "{{interval: 1h, probes: [{{name: port, tcp: {{host: 127.0.0.1, port: {port}}}}}, {{name: web, required: false, http: \
         {{url: \"http://127.0.0.1:{port}/\", headersFromSecret: [{{name: Authorization, secretRef: {{name: {secret}, key: value}}}}]}}}}]}}"
    );
    SourceEvent::Applied(Box::new(Declared {
        id: CheckId::new("staging", name),
        uid: name.into(),
        created: None,
        generation: 1,
        spec: Ok(serde_yaml::from_str(&spec).expect("a spec")),
        status,
    }))
}

/// A check without Secrets that was created in that second.
fn born(name: &str, second: i64, port: u16) -> SourceEvent {
    let SourceEvent::Applied(mut check) = declared(name, "unused", port, None) else { unreachable!("it is applied") };
    let spec = format!("{{interval: 1s, probes: [{{name: port, tcp: {{host: 127.0.0.1, port: {port}}}}}]}}");
    check.spec = Ok(serde_yaml::from_str(&spec).expect("a spec"));
    check.created = Some(jiff::Timestamp::from_second(second).expect("a time"));
    SourceEvent::Applied(check)
}

#[tokio::test]
async fn secrets_are_read_few_at_once_and_each_once_for_all_who_wait() {
    let world = World::start(Lookup::Found(BTreeMap::new()));
    for index in 0..100 {
        world.send(declared(&format!("own-{index}"), &format!("secret-{index}"), 1, None)).await;
        world.send(declared(&format!("shared-{index}"), "shared", 1, None)).await;
    }
    world.send(SourceEvent::Synced).await;
    world.until_taken().await;
    world.source.allowed.add_permits(1000);
    let mut synced = world.controller.synced();
    let known = synced.wait_for(|synced| *synced);
    tokio::time::timeout(Duration::from_secs(20), known).await.expect("in time").expect("the planner lives");
    assert!(world.source.most.load(Ordering::SeqCst) <= 16, "{} at once", world.source.most.load(Ordering::SeqCst));
    assert_eq!(world.source.begun.load(Ordering::SeqCst), 101, "one read for each Secret");
}

#[tokio::test]
async fn a_secret_that_changes_during_the_first_read_does_not_cost_the_status_to_resume() {
    let backend = Backend::start();
    let mut first = World::start(Lookup::Missing);
    first.source.allowed.add_permits(1);
    first.send(declared("backend", "token", backend.port, None)).await;
    first.send(SourceEvent::Synced).await;
    let mut before = first.next_status().await;
    first.controller.abandon().await;
    let long_ago: jiff::Timestamp = "2020-01-01T00:00:00Z".parse().expect("a time");
    before.conditions.iter_mut().for_each(|condition| condition.last_transition_time.0 = long_ago);
    let ready = before.conditions[0].status;

    let mut world = World::start(Lookup::Found(BTreeMap::new()));
    world.send(declared("backend", "token", backend.port, Some(before))).await;
    world.until_begun(1).await;
    world.send(SourceEvent::SecretChanged { namespace: "staging".into(), name: "token".into() }).await;
    // What was begun before the change may be older than it: it is read anew.
    world.until_begun(2).await;
    world.source.allowed.add_permits(2);
    world.send(SourceEvent::Synced).await;
    let after = world.next_status().await;
    assert_eq!((after.conditions[0].status, after.conditions[0].last_transition_time.0), (ready, long_ago));
}

#[tokio::test]
async fn a_secret_that_stays_unreadable_is_tried_again_without_disturbing_the_check() {
    let backend = Backend::start();
    let mut world = World::start(Lookup::Unreadable("forbidden".to_owned()));
    world.source.allowed.add_permits(1000);
    world.send(SourceEvent::Synced).await;
    world.send(declared("backend", "token", backend.port, None)).await;
    world.next_status().await;
    // The third read begins when all that came of the second is done.
    world.until_begun(3).await;
    assert!(world.controller.inbox().is_alive(Duration::from_secs(10)).await);
    assert_eq!(backend.made(), 1, "probed once, as the interval of an hour says");
}

#[tokio::test]
async fn the_youngest_beyond_a_limit_is_stalled_and_starts_by_itself_when_there_is_room() {
    let backend = Backend::start();
    let quotas = Quotas { checks: Some(2), ..Quotas::default() };
    let mut world = World::within(quotas, Lookup::Missing);
    // Whatever the order in which they are listed.
    world.send(born("young", 3, backend.port)).await;
    world.send(born("old", 1, backend.port)).await;
    world.send(born("middle", 2, backend.port)).await;
    world.send(SourceEvent::Synced).await;
    world.until_reasons([("old", "Healthy"), ("middle", "Healthy"), ("young", "LimitExceeded")]).await;
    world.send(SourceEvent::Deleted(CheckId::new("staging", "middle"))).await;
    world.until_reasons([("young", "Healthy")]).await;
    // An older one comes before it, however late it is seen.
    world.send(born("older", 0, backend.port)).await;
    world.until_reasons([("older", "Healthy"), ("young", "LimitExceeded")]).await;
    // Created anew under the same name it is a new check, and the youngest.
    let SourceEvent::Applied(mut anew) = born("older", 9, backend.port) else { unreachable!("it is applied") };
    anew.uid = "another".into();
    world.send(SourceEvent::Applied(anew)).await;
    world.until_reasons([("older", "LimitExceeded"), ("young", "Healthy")]).await;
}
