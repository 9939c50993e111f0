//! Checks in a folder, without a cluster: what a probe costs, how punctual it is, how much memory a check needs. Does I/O.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::arrivals::{Arrivals, quantile};
use crate::floor::{self, Load};
use crate::peer::Peer;
use crate::support::operator::Operator;
use crate::support::process::Signal;
use crate::support::scratch;
use crate::support::wait::until;
use crate::table::Table;
use crate::target::name;
use crate::{Kind, meter};

/// Checks that are probed every second.
const CHECKS: u32 = 1000;
/// Checks that are probed every 10 s.
const MANY: u32 = 10_000;
/// A scrape of /metrics at least this often, as Prometheus would.
const SCRAPE: Duration = Duration::from_secs(15);
/// For how long the floor runs before and after, in seconds.
const FLOOR_SECONDS: u64 = 10;
/// What start-up leaves to be written is written by then.
const SETTLE: Duration = Duration::from_secs(5);

/// What is demanded of a kind of probe.
struct Bounds {
    cpu: f64,
    interval: Duration,
}

const fn bounds(kind: Kind) -> Bounds {
    match kind {
        Kind::Tcp => Bounds { cpu: 1.0, interval: Duration::from_secs(1) },
        Kind::Http => Bounds { cpu: 2.0, interval: Duration::from_secs(1) },
        // A server forks for every connection: two cores get to some 580 of them a second, and to no punctuality.
        Kind::Postgres => Bounds { cpu: 4.5, interval: Duration::from_secs(5) },
    }
}

/// 1,000 checks of one kind, next to the floor.
pub fn every_second(kind: Kind, window: Duration, table: &mut Table) {
    let part = name(kind);
    let Bounds { cpu: bound, interval } = bounds(kind);
    let mut peer = match Peer::start(kind, CHECKS) {
        Ok(peer) => peer,
        Err(why) => return table.unmeasured(part, &why),
    };
    let folder = folder(&peer, kind, CHECKS, interval);
    let load = Load { kind, port: peer.port(), checks: CHECKS, interval };
    let before = floor::measure(load, FLOOR_SECONDS);
    let operator = operator(folder.path(), CHECKS);
    let seen = watch(&operator, &mut peer, window);
    let resident = meter::memory_kib(operator.id(), "VmRSS") / 1024.0;
    let most = meter::memory_kib(operator.id(), "VmHWM") / 1024.0;
    operator.stop(Signal::Term);
    let after = floor::measure(load, FLOOR_SECONDS);
    let floor = (before.0 + after.0) / (before.1 + after.1) * 1e4;
    let cpu = seen.cpu / seen.arrivals.count() as f64 * 1e4;
    table.note(part, "floor: CPU per 10,000 probes", floor, "s");
    table.at_most(part, "CPU per 10,000 probes", cpu, bound, "s");
    table.at_most(part, "CPU, as a multiple of the floor", cpu / floor, 3.0, "x");
    let at_peer = match kind {
        Kind::Tcp | Kind::Http => Some(2.0),
        // What the server's log tells is the end of its own login.
        Kind::Postgres => None,
    };
    punctual(part, &seen, CHECKS, interval, (at_peer, 2.0), table);
    table.at_most(part, "busiest 10 ms, as a multiple of the mean", seen.arrivals.busiest(), 5.0, "x");
    table.at_most(part, "resident memory", resident, 30.0, "MiB");
    table.note(part, "resident memory at its peak", most, "MiB");
}

/// 10,000 checks.
pub fn many(window: Duration, table: &mut Table) {
    let (part, interval) = ("many", Duration::from_secs(10));
    let window = window.max(interval * 3);
    let mut peer = Peer::start(Kind::Tcp, MANY).expect("needs nothing");
    let empty = scratch::dir("empty");
    let idle = operator(empty.path(), 0);
    std::thread::sleep(SETTLE);
    let idle_kib = meter::memory_kib(idle.id(), "VmRSS");
    idle.stop(Signal::Term);
    let folder = folder(&peer, Kind::Tcp, MANY, interval);
    let operator = operator(folder.path(), MANY);
    let seen = watch(&operator, &mut peer, window);
    let resident = meter::memory_kib(operator.id(), "VmRSS");
    let most = meter::memory_kib(operator.id(), "VmHWM");
    operator.stop(Signal::Term);
    table.note(part, "CPU per 10,000 probes", seen.cpu / seen.arrivals.count() as f64 * 1e4, "s");
    punctual(part, &seen, MANY, interval, (Some(20.0), 20.0), table);
    table.note(part, "resident memory of an idle start", idle_kib / 1024.0, "MiB");
    table.note(part, "resident memory at its peak", most / 1024.0, "MiB");
    table.at_most(part, "resident memory per check", (resident - idle_kib) / f64::from(MANY), 12.0, "KiB");
}

/// What was seen in a window.
struct Seen {
    arrivals: Arrivals,
    cpu: f64,
    /// Share of runs that the operator itself counted as at most so late, by milliseconds.
    own_lag: Vec<(f64, f64)>,
    overruns: f64,
}

fn watch(operator: &Operator, peer: &mut Peer, window: Duration) -> Seen {
    std::thread::sleep(SETTLE);
    let lag_before = lag_counts(operator);
    let overruns = operator.metric("runready_overruns_total", "");
    let cpu = meter::cpu_seconds(operator.id());
    peer.begin();
    let mut left = window;
    while !left.is_zero() {
        let pause = left.min(SCRAPE);
        std::thread::sleep(pause);
        left -= pause;
        if !left.is_zero() {
            operator.get("/metrics").expect("metrics");
        }
    }
    let cpu = meter::cpu_seconds(operator.id()) - cpu;
    let arrivals = peer.end();
    let lags: Vec<(f64, f64)> = lag_counts(operator)
        .into_iter()
        .zip(lag_before)
        .map(|((millis, now), (_, before))| (millis, now - before))
        .collect();
    let total = lags.last().map_or(0.0, |(_, count)| *count);
    Seen {
        arrivals,
        cpu,
        own_lag: lags.into_iter().map(|(millis, count)| (millis, count / total)).collect(),
        overruns: operator.metric("runready_overruns_total", "") - overruns,
    }
}

/// Runs by the operator's own account of their lag: at most so many milliseconds, so many.
fn lag_counts(operator: &Operator) -> Vec<(f64, f64)> {
    let (_, text) = operator.get("/metrics").expect("metrics");
    let bucket = |line: &str| {
        let (bound, count) = line.strip_prefix("runready_schedule_lag_seconds_bucket{le=\"")?.split_once("\"} ")?;
        let seconds: f64 = if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? };
        Some((seconds * 1e3, count.parse().ok()?))
    };
    text.lines().filter_map(bucket).collect()
}

/// Misses, and the lag that may be less than so many milliseconds: as the peer saw it, and by the operator's own account.
fn punctual(
    part: &str,
    seen: &Seen,
    checks: u32,
    interval: Duration,
    (at_peer, own): (Option<f64>, f64),
    table: &mut Table,
) {
    let missed = seen.arrivals.missed(checks as usize, interval) as f64 + seen.overruns;
    table.note(part, "probes", seen.arrivals.count() as f64, "");
    table.at_most(part, "missed", missed, 0.0, "");
    if let Some(bound) = at_peer {
        let lags = seen.arrivals.lags(interval);
        table.note(part, "lag at the peer, median", quantile(&lags, 0.5), "ms");
        table.less_than(part, "lag at the peer, p99", quantile(&lags, 0.99), bound, "ms");
    }
    // Its histogram tells the share within the bound exactly, for the bound is one of its buckets.
    let within = seen.own_lag.iter().find(|(millis, _)| *millis >= own).map_or(0.0, |(_, share)| *share);
    table.at_most(part, &format!("its own count of starts later than {own} ms"), (1.0 - within) * 100.0, 1.0, "%");
}

/// A running operator that has observed each of its checks and found it ready.
fn operator(folder: &Path, checks: u32) -> Operator {
    let folder = folder.to_str().expect("our own path");
    let operator = Operator::probing(Path::new("/dev/null"), &["--folder", folder]);
    all_ready(&operator, checks);
    operator
}

/// Waits until so many checks are ready.
pub fn all_ready(operator: &Operator, checks: u32) {
    until(Duration::from_secs(60), "every check to be ready", || {
        let ready = operator.metric("runready_check_ready", "status=\"True\"");
        if ready == f64::from(checks) {
            return Ok(());
        }
        // A scrape of thousands of checks is work: not to be asked for over and over.
        std::thread::sleep(Duration::from_millis(500));
        Err(format!("{ready} of {checks} are; {}", operator.log()))
    });
}

/// A folder with a manifest for each check.
fn folder(peer: &Peer, kind: Kind, checks: u32, interval: Duration) -> TempDir {
    let folder = scratch::dir("checks");
    for check in 0..checks {
        let text = manifest(&format!("check{check}"), interval, &peer.probe(kind, check));
        std::fs::write(folder.path().join(format!("check{check}.yaml")), text).expect("our own folder");
    }
    folder
}

/// The manifest of a check with one probe.
pub fn manifest(name: &str, interval: Duration, probe: &str) -> String {
    format!(
        "apiVersion: runready.dev/v1alpha1\nkind: ConnectivityCheck\nmetadata: {{name: {name}}}\nspec:\n  \
         interval: {}s\n  probes:\n  - name: target\n    {probe}\n",
        interval.as_secs()
    )
}
