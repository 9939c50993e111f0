//! Checks in a cluster, against a real API server: how many statuses are written, how soon a failure and a new check show.

use std::collections::HashMap;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream;
use kube::api::{Api, DeleteParams, PostParams};
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use tokio::sync::mpsc;

use runready::api::ConnectivityCheck;
use runready::api::condition::ConditionStatus;

use crate::arrivals::quantile;
use crate::folder::{all_ready, manifest};
use crate::meter;
use crate::support::apiserver::ApiServer;
use crate::support::operator::Operator;
use crate::support::process::Signal;
use crate::table::Table;
use crate::target::Target;
use crate::{Kind, target};

const PART: &str = "cluster";
const NAMESPACE: &str = "default";
const CHECKS: u32 = 2000;
/// How many of them share the listener that dies.
const SHARING: u32 = 200;
/// Checks that are created one after the other on an idle operator.
const CREATED: u32 = 50;
const INTERVAL: Duration = Duration::from_secs(10);
/// The default of spec.failureThreshold.
const THRESHOLD: u32 = 2;
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Measures everything about a cluster.
pub fn measure(window: Duration, table: &mut Table) {
    let api = match ApiServer::launch() {
        Ok(api) => api,
        Err(why) => return table.unmeasured(PART, &why),
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    api.install_crds(include_str!("../../crds/runready.dev_connectivitychecks.yaml"));
    let heartbeat = format!("{}s", HEARTBEAT.as_secs());
    let operator =
        Operator::probing(&api.kubeconfig(), &["--heartbeat", &heartbeat, "--max-checks-per-namespace", "5000"]);
    runtime.block_on(async {
        let client = api.client().await;
        first_status(client.clone(), table).await;
        steady_then_dead(client, &api, &operator, window, table).await;
    });
    operator.stop(Signal::Term);
    api.stop();
}

/// From the creation of a check on an idle operator to its first complete status.
async fn first_status(client: Client, table: &mut Table) {
    let peer = Target::start(Kind::Tcp);
    let checks: Api<ConnectivityCheck> = Api::namespaced(client, NAMESPACE);
    let mut news = watch(checks.clone());
    let mut took = Vec::new();
    // The first one is not counted: just after its definition the API server puts off whoever watches a new resource.
    for number in 0..=CREATED {
        let name = format!("new{number}");
        let started = Instant::now();
        checks.create(&PostParams::default(), &check(&name, number, peer.port())).await.expect("a new check");
        let at = arrival(&mut news, |seen| seen.name == name && seen.ready == Some(ConditionStatus::True)).await;
        if number > 0 {
            took.push(at.duration_since(started).as_secs_f64() * 1e3);
        }
        checks.delete(&name, &DeleteParams::default()).await.expect("our own check");
    }
    took.sort_by(f64::total_cmp);
    table.note(PART, "new check to its first complete status, median", quantile(&took, 0.5), "ms");
    table.less_than(PART, "new check to its first complete status, p99", quantile(&took, 0.99), 500.0, "ms");
}

/// Writes in steady state, and then how soon a dead listener shows.
async fn steady_then_dead(client: Client, api: &ApiServer, operator: &Operator, window: Duration, table: &mut Table) {
    let window = Duration::from_secs(window.as_secs().div_ceil(HEARTBEAT.as_secs()) * HEARTBEAT.as_secs());
    let (lasting, mortal) = (Target::start(Kind::Tcp), Target::start(Kind::Tcp));
    let checks: Api<ConnectivityCheck> = Api::namespaced(client, NAMESPACE);
    let mut news = watch(checks.clone());
    let create = |number: u32| {
        let port = if number < SHARING { mortal.port() } else { lasting.port() };
        let (checks, check) = (checks.clone(), check(&name(number), number, port));
        async move { checks.create(&PostParams::default(), &check).await.expect("a new check") }
    };
    stream::iter(0..CHECKS).map(create).buffer_unordered(16).for_each(|_| async {}).await;
    all_ready(operator, CHECKS);
    // One heartbeat for what creation has left to be written.
    tokio::time::sleep(HEARTBEAT).await;
    let (before, cpu) = (writes(api), meter::cpu_seconds(operator.id()));
    tokio::time::sleep(window).await;
    let written = (writes(api) - before) as f64;
    let cpu = meter::cpu_seconds(operator.id()) - cpu;
    let heartbeats = window.as_secs_f64() / HEARTBEAT.as_secs_f64();
    table.note(PART, "status writes in steady state", written, "");
    table.at_most(PART, "status writes per check and heartbeat", written / f64::from(CHECKS) / heartbeats, 1.0, "");
    let probes = f64::from(CHECKS) * window.as_secs_f64() / INTERVAL.as_secs_f64();
    table.note(PART, "CPU per 10,000 probes, writes included", cpu / probes * 1e4, "s");
    table.note(PART, "resident memory", meter::memory_kib(operator.id(), "VmRSS") / 1024.0, "MiB");
    dead_listener(&mut news, mortal, table).await;
}

async fn dead_listener(news: &mut mpsc::UnboundedReceiver<Seen>, mortal: Target, table: &mut Table) {
    while news.try_recv().is_ok() {}
    let died = Instant::now();
    mortal.kill();
    let mut seen: HashMap<String, Instant> = HashMap::new();
    while seen.len() < SHARING as usize {
        let told = next(news).await;
        if told.ready == Some(ConditionStatus::False) {
            seen.entry(told.name).or_insert(told.at);
        }
    }
    let mut took: Vec<f64> = seen.values().map(|at| at.duration_since(died).as_secs_f64()).collect();
    took.sort_by(f64::total_cmp);
    let bound = INTERVAL.as_secs_f64() * f64::from(THRESHOLD) + 1.0;
    table.note(PART, "dead listener to Ready=False at a watcher, median", quantile(&took, 0.5), "s");
    table.at_most(PART, "dead listener to Ready=False at a watcher, p99", quantile(&took, 0.99), bound, "s");
}

/// Requests that changed a status, as the API server counts them.
fn writes(api: &ApiServer) -> u64 {
    let counts = api.request_counts();
    let of_status = counts
        .iter()
        .filter(|((_, resource, subresource), _)| resource == "connectivitychecks" && subresource == "status");
    of_status.map(|(_, count)| count).sum()
}

fn name(number: u32) -> String {
    format!("check{number}")
}

fn check(name: &str, number: u32, port: u16) -> ConnectivityCheck {
    let probe = format!("tcp: {{host: {}, port: {port}}}", target::address(number));
    serde_yaml::from_str(&manifest(name, INTERVAL, &probe)).expect("our own manifest")
}

/// What a watcher saw of a check.
struct Seen {
    name: String,
    ready: Option<ConditionStatus>,
    at: Instant,
}

/// A watch in a task of its own.
fn watch(checks: Api<ConnectivityCheck>) -> mpsc::UnboundedReceiver<Seen> {
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut stream = pin!(watcher(checks, Config::default()).default_backoff());
        while let Some(event) = stream.next().await {
            let at = Instant::now();
            if let Ok(Event::Apply(check) | Event::InitApply(check)) = event {
                let complete = check.status.as_ref().filter(|status| {
                    status.observed_generation == check.metadata.generation && status.last_probe_time.is_some()
                });
                let ready = complete.and_then(|status| {
                    status.conditions.iter().find(|condition| condition.type_ == "Ready").map(|ready| ready.status)
                });
                let _ = sender.send(Seen { name: check.name_any(), ready, at });
            }
        }
    });
    receiver
}

async fn next(news: &mut mpsc::UnboundedReceiver<Seen>) -> Seen {
    let news = tokio::time::timeout(Duration::from_secs(60), news.recv()).await;
    news.expect("news within a minute").expect("a watch that lasts")
}

async fn arrival(news: &mut mpsc::UnboundedReceiver<Seen>, is: impl Fn(&Seen) -> bool) -> Instant {
    loop {
        let seen = next(news).await;
        if is(&seen) {
            return seen.at;
        }
    }
}
