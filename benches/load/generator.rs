//! A load as a check asks for it, through the library: from its spec to its evidence. Does I/O.

use std::time::Duration;

use runready::api::{ConnectivityCheckSpec, ProbeState};
use runready::evidence::{Evidence, Fact};
use runready::plan::{self, CheckId, Limits, Secrets};
use runready::probe::{self, Connector, Resolver, Targets, Vantage};
use serde_json::json;

use crate::meter;

/// What came of a load; times in milliseconds, but for the CPU's seconds.
pub struct Load {
    pub succeeded: u64,
    pub own_lateness: f64,
    pub p50: f64,
    pub p99: f64,
    pub cpu: f64,
}

/// Sends so many requests each second, for so long, and returns what the evidence says of them.
pub fn carry_out(port: u16, rate: u32, seconds: u32) -> Load {
    let window = format!("{seconds}s");
    let spec: ConnectivityCheckSpec = serde_json::from_value(json!({"interval": "10s", "timeout": "5s", "probes": [
        {"name": "web", "http": {"url": format!("http://127.0.0.1:{port}/")}},
        {"name": "sustained", "load": {"probe": "web", "ratePerSecond": rate, "window": window, "every": "1h"}},
    ]}))
    .expect("a spec");
    let mut plan = plan::compile(CheckId::new("bench", "load"), "uid".into(), 1, &spec, &Secrets::default());
    Limits { load_rate: rate, ..Limits::default() }.hold(&mut plan);
    assert!(plan.faults.is_empty(), "{:?}", plan.faults);
    let vantage = Vantage {
        name: "host/bench".into(),
        resolver: Resolver::system(),
        targets: Targets::default(),
        cloud_sql: Connector::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let own = std::process::id();
    let before = meter::cpu_seconds(own);
    let evidence = runtime.block_on(probe::observe(1, &plan.probes[1], &vantage));
    let cpu = meter::cpu_seconds(own) - before;
    if evidence.outcome.state() != ProbeState::Healthy {
        eprintln!("the load did not pass: {:?}", evidence.outcome);
    }
    Load {
        succeeded: fact(&evidence, Fact::LoadSucceeded).parse().expect("a number"),
        own_lateness: millis(&evidence, Fact::LoadOwnLateness),
        p50: millis(&evidence, Fact::LoadP50),
        p99: millis(&evidence, Fact::LoadP99),
        cpu,
    }
}

fn fact(evidence: &Evidence, fact: Fact) -> &str {
    let told = evidence.facts.iter().find(|(known, _)| *known == fact);
    told.map(|(_, value)| &**value).unwrap_or_else(|| panic!("no {fact:?} in {evidence:?}"))
}

/// A time in milliseconds; without end where requests were never answered.
fn millis(evidence: &Evidence, of: Fact) -> f64 {
    let duration = fact(evidence, of).parse::<kube::core::Duration>().map(Duration::from);
    duration.map_or(f64::INFINITY, |duration| duration.as_secs_f64() * 1e3)
}
