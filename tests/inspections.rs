//! The engine's shell and what it has read of Google Cloud: asked beside the probes, shown, counted, and abandoned with the check.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use runready::api::ConnectivityCheckStatus;
use runready::cloud::reading::Found;
use runready::cloud::{Picture, Reading};
use runready::controller::{Common, Controller};
use runready::engine::Inspects;
use runready::metrics::Metrics;
use runready::plan::secrets::Lookup;
use runready::plan::{CheckId, InspectionPlan, Limits, Occasion};
use runready::probe::{Connector, Resolver, Targets, Vantage};
use runready::source::{Backend, Declared, Notice, SourceEvent, StatusUpdate, WriteError};
use tokio::sync::mpsc;

use crate::support::process::free_port;

const PATIENCE: Duration = Duration::from_secs(30);

/// Shows zones, or never answers. Remembers how it was asked.
#[derive(Default)]
struct Showing {
    hangs: bool,
    asked: Mutex<Vec<bool>>,
    abandoned: Arc<AtomicUsize>,
}

/// Counts its end.
struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Inspects for Showing {
    fn inspect<'a>(&'a self, plan: &'a InspectionPlan, occasion: &'a Occasion) -> BoxFuture<'a, Picture> {
        self.asked.lock().expect("whole").push(occasion.failing);
        let guard = self.hangs.then(|| Guard(self.abandoned.clone()));
        let name = format!("projects/{}/managedZones", plan.service.project);
        Box::pin(async move {
            if let Some(_guard) = guard {
                std::future::pending::<()>().await;
            }
            let found = Found { name: name.as_str().into(), at: jiff::Timestamp::UNIX_EPOCH, object: Arc::default() };
            Picture { dns_zones: Reading::Read(found), ..Picture::default() }
        })
    }
}

/// Takes statuses.
struct Written(mpsc::UnboundedSender<ConnectivityCheckStatus>);

impl Backend for Written {
    fn secret<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Lookup> {
        Box::pin(async { Lookup::Missing })
    }

    fn write_status<'a>(&'a self, update: &'a StatusUpdate) -> BoxFuture<'a, Result<(), WriteError>> {
        let _ = self.0.send(update.status.clone());
        Box::pin(async { Ok(()) })
    }

    fn publish<'a>(&'a self, _: &'a Notice) -> BoxFuture<'a, Result<(), WriteError>> {
        Box::pin(async { Ok(()) })
    }
}

struct World {
    inspector: Arc<Showing>,
    metrics: Arc<Metrics>,
    events: mpsc::Sender<SourceEvent>,
    written: mpsc::UnboundedReceiver<ConnectivityCheckStatus>,
    _controller: Controller,
}

/// A controller that probes a port on which nobody listens.
async fn world(inspector: Showing) -> World {
    let (inspector, metrics) = (Arc::new(inspector), Arc::new(Metrics::new()));
    let (sender, written) = mpsc::unbounded_channel();
    let (events, queue) = mpsc::channel(8);
    let common = Common {
        vantage: Vantage {
            name: "host/test".into(),
            resolver: Resolver::system(),
            targets: Targets::default(),
            cloud_sql: Connector::default(),
        },
        inspector: Some(inspector.clone()),
        metrics: metrics.clone(),
        traces: None,
        most_in_flight: 16,
        heartbeat: Duration::from_secs(300),
        limits: Limits::default(),
    };
    let controller = Controller::start(queue, Arc::new(Written(sender)), &common).expect("it starts");
    let spec = format!(
        "{{interval: 1h, failureThreshold: 1, service: {{project: netra-staging, region: us-central1, name: backend}}, \
         probes: [{{name: port, tcp: {{host: 127.0.0.1, port: {}}}}}]}}",
        free_port()
    );
    let declared = Declared {
        id: CheckId::new("staging", "backend"),
        uid: "uid-1".into(),
        created: None,
        generation: 1,
        spec: Ok(serde_yaml::from_str(&spec).expect("a spec")),
        status: None,
    };
    for event in [SourceEvent::Synced, SourceEvent::Applied(Box::new(declared))] {
        events.send(event).await.expect("someone listens");
    }
    World { inspector, metrics, events, written, _controller: controller }
}

impl World {
    /// Takes statuses until one is such.
    async fn until(&mut self, what: &str, such: impl Fn(&ConnectivityCheckStatus) -> bool) {
        let found = async {
            while let Some(status) = self.written.recv().await {
                if such(&status) {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, found).await.expect(what);
    }
}

#[tokio::test]
async fn what_google_cloud_says_is_asked_shown_and_counted() {
    let mut world = world(Showing::default()).await;
    world
        .until("the status shows what was read", |status| {
            status.inspections.iter().any(|entry| entry.object == "projects/netra-staging/managedZones")
                && status.conditions.iter().any(|condition| condition.type_ == "InfrastructureHealthy")
                && status.verdict.is_some()
        })
        .await;
    let asked_again = async {
        while world.inspector.asked.lock().expect("whole").len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked_again).await.expect("a probe fails: it is asked again");
    assert_eq!(*world.inspector.asked.lock().expect("whole"), [false, true]);
    let text = world.metrics.encode().expect("OpenMetrics");
    assert!(text.contains("runready_inspections_total{inspection=\"DnsZones\",outcome=\"Read\"}"), "{text}");
}

#[tokio::test]
async fn an_inspection_that_hangs_keeps_no_probe_from_its_verdict_and_ends_with_its_check() {
    let mut world = world(Showing { hangs: true, ..Showing::default() }).await;
    world.until("the probe has its verdict", |status| status.verdict.is_some()).await;
    assert_eq!(world.inspector.abandoned.load(Ordering::SeqCst), 0);
    world.events.send(SourceEvent::Deleted(CheckId::new("staging", "backend"))).await.expect("someone listens");
    let abandoned = async {
        while world.inspector.abandoned.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, abandoned).await.expect("the inspection is abandoned");
}
