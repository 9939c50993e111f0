//! One contest: a probe against the bare client. Takes turns in blocks on one thread, so that both see the same machine,
//! and counts the latency of each attempt and the CPU of the thread. Servers run on threads of their own.
//!
//! The runtime is as the engine's: one thread, on which something always waits for its time. Without that the bare client
//! would be spared the kernel's timer at each wait, which nothing that runs in an operator is.

use std::any::Any;
use std::time::{Duration, Instant};

use futures::future::LocalBoxFuture;
use runready::api::ProbeState;
use runready::plan::{ProbePlan, Secrets};
use runready::probe::{Connector, Vantage, observe};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::probe::{plan, vantage};
use crate::table::Table;

/// Attempts in a row before it is the other's turn.
const BLOCK: usize = 50;
/// Longer than any contest lasts.
const ALWAYS: Duration = Duration::from_secs(24 * 60 * 60);
/// What may be added to the median.
const MOST_ADDED: Duration = Duration::from_micros(200);
/// CPU of the probe, as a multiple of the bare client's.
const MOST_CPU: f64 = 1.10;

/// One attempt of the bare client; it panics when it fails.
pub type Bare = Box<dyn FnMut() -> LocalBoxFuture<'static, ()>>;

/// A probe, and the bare client that does the same on the wire.
pub struct Contest {
    probe: ProbePlan,
    vantage: Vantage,
    bare: Bare,
    _servers: Vec<Box<dyn Any>>,
}

/// What one side has taken.
#[derive(Default)]
struct Account {
    latencies: Vec<Duration>,
    cpu: Duration,
}

impl Contest {
    /// A probe, given as its kind's object (`{"tcp": {...}}`), against `bare`.
    pub fn new(probe: Value, secrets: &Secrets, bare: Bare) -> Self {
        let mut probe = probe;
        probe["name"] = json!("probe");
        let plan = plan(json!({"interval": "1h", "timeout": "10s", "probes": [probe]}), secrets);
        let probe = plan.probes.into_iter().next().expect("the one probe");
        Contest { probe, vantage: vantage(None), bare, _servers: Vec::new() }
    }

    /// The same probe, whose way to Cloud SQL instances is this one.
    pub fn cloud_sql(mut self, connector: Connector) -> Self {
        self.vantage.cloud_sql = connector;
        self
    }

    /// Keeps a server for as long as the contest lasts.
    pub fn keep(mut self, server: impl Any) -> Self {
        self._servers.push(Box::new(server));
        self
    }

    /// Measures, and enters the figures.
    pub fn measure(mut self, kind: &str, probes: usize, table: &mut Table) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.spawn(async { tokio::time::sleep(ALWAYS).await });
        let (mut ours, mut bare) = (Account::default(), Account::default());
        for block in 0..=probes.div_ceil(BLOCK) {
            self.observe_block(&runtime, &mut ours);
            self.bare_block(&runtime, &mut bare);
            if block == 0 {
                // The first of each warmed up.
                (ours, bare) = (Account::default(), Account::default());
            }
        }
        let (with, without) = (ours.median(), bare.median());
        let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
        table.note(kind, "bare client, median", micros(without), "us");
        table.note(kind, "probe, median", micros(with), "us");
        let added = micros(with) - micros(without);
        table.at_most(kind, "added to the median", added, micros(MOST_ADDED), "us");
        table.note(kind, "bare client, CPU per attempt", micros(bare.cpu) / bare.latencies.len() as f64, "us");
        let ratio = ours.cpu.as_secs_f64() / bare.cpu.as_secs_f64();
        table.at_most(kind, "CPU, as a multiple of the bare client's", ratio, MOST_CPU, "");
    }

    fn observe_block(&self, runtime: &Runtime, account: &mut Account) {
        let began = cpu();
        runtime.block_on(async {
            for _ in 0..BLOCK {
                let started = Instant::now();
                let evidence = observe(0, &self.probe, &self.vantage).await;
                account.latencies.push(started.elapsed());
                assert_eq!(evidence.outcome.state(), ProbeState::Healthy, "{:?}", evidence.outcome);
            }
        });
        account.cpu += cpu() - began;
    }

    fn bare_block(&mut self, runtime: &Runtime, account: &mut Account) {
        let began = cpu();
        runtime.block_on(async {
            for _ in 0..BLOCK {
                let started = Instant::now();
                (self.bare)().await;
                account.latencies.push(started.elapsed());
            }
        });
        account.cpu += cpu() - began;
    }
}

impl Account {
    fn median(&mut self) -> Duration {
        let middle = self.latencies.len() / 2;
        *self.latencies.select_nth_unstable(middle).1
    }
}

/// The CPU that this thread has taken.
fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).expect("less than a second"))
}
