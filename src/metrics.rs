//! What is counted and measured, and how it is shown as OpenMetrics. No I/O: [`crate::serve`] answers the scrape.
//!
//! The latest values of each probe are plain atomics: an observation touches no lock, and a scrape reads them as they are.
//! Labels are bounded: names that users gave, and the closed vocabularies of `api`.

use std::collections::BTreeMap;
use std::fmt::Error as FmtError;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::api::condition::{ConditionStatus, ConditionType};
use crate::api::{Cause, Kind, ProbeState, Stage};
use crate::cloud::{Inspection, Picture, Reading};
use crate::evidence::Evidence;
use crate::plan::{CheckId, CheckPlan};
use crate::source::WriteError;

/// Everything that is counted and measured.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    checks: Arc<Mutex<BTreeMap<CheckId, Arc<CheckSeries>>>>,
    stages: Family<StageLabels, Histogram, fn() -> Histogram>,
    lag: Histogram,
    overruns: Counter,
    writes: Family<WriteLabels, Counter>,
    inspections: Family<InspectionLabels, Counter>,
    leader: Gauge,
}

/// What came of a status write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// Written.
    Written,
    /// The check is gone.
    Gone,
    /// Never to be accepted.
    Refused,
    /// To be tried again, apart from the others.
    Failed,
    /// To be tried again.
    Unavailable,
}

impl WriteOutcome {
    /// What a result stands for.
    pub const fn of(result: &Result<(), WriteError>) -> Self {
        match result {
            Ok(()) => WriteOutcome::Written,
            Err(WriteError::Gone) => WriteOutcome::Gone,
            Err(WriteError::Refused(_)) => WriteOutcome::Refused,
            Err(WriteError::Failed(_)) => WriteOutcome::Failed,
            Err(WriteError::Unavailable(_)) => WriteOutcome::Unavailable,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            WriteOutcome::Written => "written",
            WriteOutcome::Gone => "gone",
            WriteOutcome::Refused => "refused",
            WriteOutcome::Failed => "failed",
            WriteOutcome::Unavailable => "unavailable",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    kind: &'static str,
    stage: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InspectionLabels {
    inspection: &'static str,
    outcome: &'static str,
}

/// The latest values of one check.
#[derive(Debug)]
pub struct CheckSeries {
    id: CheckId,
    /// Index into [`READY`].
    ready: AtomicU8,
    probes: Box<[ProbeSeries]>,
}

#[derive(Debug)]
struct ProbeSeries {
    name: Arc<str>,
    kind: Kind,
    state: AtomicU8,
    /// Index into [`Cause::ALL`], or [`NO_CAUSE`].
    cause: AtomicU8,
    latency_nanos: AtomicU64,
    /// Share of the last observations that worked: the bits of an f64, or those of NaN.
    availability: AtomicU64,
    stage_nanos: [AtomicU64; Stage::ALL.len()],
    observations: [AtomicU64; ProbeState::ALL.len()],
    last: AtomicI64,
}

const NO_CAUSE: u8 = u8::MAX;
const READY: [ConditionStatus; 3] = [ConditionStatus::True, ConditionStatus::False, ConditionStatus::Unknown];
const BUCKETS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0];

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// An empty set, with the build's version in it.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("runready");
        let checks = Arc::new(Mutex::new(BTreeMap::new()));
        let stages: Family<StageLabels, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(BUCKETS));
        let lag = Histogram::new([0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0]);
        let (overruns, writes, leader) = (Counter::default(), Family::default(), Gauge::default());
        let inspections: Family<InspectionLabels, Counter> = Family::default();
        registry.register("build", "Version of runready", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register_with_unit(
            "stage_duration",
            "Duration of the stages of all probes",
            Unit::Seconds,
            stages.clone(),
        );
        registry.register_with_unit("schedule_lag", "How much later than due a run starts", Unit::Seconds, lag.clone());
        registry.register("overruns", "Runs that were due while the one before had not ended", overruns.clone());
        registry.register("status_writes", "Status writes by outcome", writes.clone());
        registry.register(
            "inspections",
            "Inspections of checks: what of Google Cloud's own view was read, and what could not be",
            inspections.clone(),
        );
        registry.register("leader", "Whether this replica probes", leader.clone());
        registry.register_collector(Box::new(Latest(Arc::clone(&checks))));
        Metrics { registry, checks, stages, lag, overruns, writes, inspections, leader }
    }

    /// Shows the calls of Google's APIs so far, by what they are for, whenever it is asked.
    pub fn show_calls<F>(&mut self, calls: F)
    where
        F: Fn() -> [(Inspection, u64); Inspection::ALL.len()] + Send + Sync + 'static,
    {
        self.registry.register_collector(Box::new(Calls(calls)));
    }

    /// Adds a check, or replaces it after a change of plan.
    pub fn add(&self, plan: &CheckPlan) -> Arc<CheckSeries> {
        let probe = |probe: &crate::plan::ProbePlan| ProbeSeries {
            name: probe.name.clone(),
            kind: probe.kind,
            state: AtomicU8::new(position(&ProbeState::ALL, &ProbeState::Unknown)),
            cause: AtomicU8::new(NO_CAUSE),
            latency_nanos: AtomicU64::new(0),
            availability: AtomicU64::new(f64::NAN.to_bits()),
            stage_nanos: Default::default(),
            observations: Default::default(),
            last: AtomicI64::new(0),
        };
        let series = Arc::new(CheckSeries {
            id: plan.id.clone(),
            ready: AtomicU8::new(position(&READY, &ConditionStatus::Unknown)),
            probes: plan.probes.iter().map(probe).collect(),
        });
        locked(&self.checks).insert(plan.id.clone(), series.clone());
        series
    }

    /// Forgets a check that is gone.
    pub fn remove(&self, id: &CheckId) {
        locked(&self.checks).remove(id);
    }

    /// Takes in how much later than due a run starts.
    pub fn started(&self, lag: Duration) {
        self.lag.observe(lag.as_secs_f64());
    }

    /// Takes in a run that was due while the one before had not ended.
    pub fn overrun(&self) {
        self.overruns.inc();
    }

    /// Takes in an observation, made at `at` (seconds since the Unix epoch).
    pub fn observed(&self, series: &CheckSeries, evidence: &Evidence, at: i64) {
        let Some(probe) = series.probes.get(evidence.probe) else { return };
        let observed = evidence.outcome.state();
        if let Some(count) = probe.observations.get(usize::from(position(&ProbeState::ALL, &observed))) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        probe.latency_nanos.store(nanos(evidence.latency), Ordering::Relaxed);
        probe.last.store(at, Ordering::Relaxed);
        for slot in &probe.stage_nanos {
            slot.store(0, Ordering::Relaxed);
        }
        for record in &evidence.stages {
            if let Some(slot) = probe.stage_nanos.get(usize::from(position(&Stage::ALL, &record.stage))) {
                slot.fetch_add(nanos(record.duration), Ordering::Relaxed);
            }
            let outcome = if record.passed { "passed" } else { "failed" };
            let labels = StageLabels { kind: probe.kind.as_str(), stage: record.stage.as_str(), outcome };
            self.stages.get_or_create(&labels).observe(record.duration.as_secs_f64());
        }
    }

    /// Takes in a probe's state after thresholds.
    pub fn probe_state(&self, series: &CheckSeries, probe: usize, state: ProbeState, cause: Option<Cause>) {
        let Some(probe) = series.probes.get(probe) else { return };
        probe.state.store(position(&ProbeState::ALL, &state), Ordering::Relaxed);
        probe.cause.store(cause.map_or(NO_CAUSE, |cause| position(Cause::ALL, &cause)), Ordering::Relaxed);
    }

    /// Takes in how often a probe worked, of its last observations.
    pub fn probe_available(&self, series: &CheckSeries, probe: usize, ratio: Option<f64>) {
        let Some(probe) = series.probes.get(probe) else { return };
        probe.availability.store(ratio.unwrap_or(f64::NAN).to_bits(), Ordering::Relaxed);
    }

    /// Takes in a check's Ready condition.
    pub fn ready(&self, series: &CheckSeries, ready: ConditionStatus) {
        series.ready.store(position(&READY, &ready), Ordering::Relaxed);
    }

    /// Takes in what came of a status write.
    pub fn status_written(&self, outcome: WriteOutcome) {
        self.writes.get_or_create(&WriteLabels { outcome: outcome.as_str() }).inc();
    }

    /// Takes in what an inspection came to. What there is nothing to read of counts for nothing.
    pub fn inspected(&self, picture: &Picture) {
        for (inspection, reading) in picture.readings() {
            let outcome = match reading {
                Reading::Absent(_) => continue,
                Reading::Unread(unread) => unread.why.as_str(),
                Reading::Read(_) => "Read",
            };
            self.inspections.get_or_create(&InspectionLabels { inspection: inspection.as_str(), outcome }).inc();
        }
    }

    /// Takes in whether this replica probes.
    pub fn leading(&self, leading: bool) {
        self.leader.set(i64::from(leading));
    }

    /// Everything as OpenMetrics text.
    pub fn encode(&self) -> Result<String, FmtError> {
        let mut text = String::with_capacity(16 * 1024);
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The place of a value in a closed vocabulary.
fn position<T: PartialEq>(all: &[T], value: &T) -> u8 {
    all.iter().position(|other| other == value).and_then(|index| u8::try_from(index).ok()).unwrap_or(u8::MAX)
}

/// Takes one sample: its labels and its value.
type Row<'a> = &'a mut dyn FnMut(&[(&str, &str)], f64) -> Result<(), FmtError>;

/// Shows the latest values of every check.
#[derive(Debug)]
struct Latest(Arc<Mutex<BTreeMap<CheckId, Arc<CheckSeries>>>>);

impl Collector for Latest {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), FmtError> {
        let checks: Vec<Arc<CheckSeries>> = locked(&self.0).values().cloned().collect();
        let mut gauge =
            |name: &str, help: &str, unit: Option<&Unit>, rows: &mut dyn FnMut(Row<'_>) -> Result<(), FmtError>| {
                let metric = ConstGauge::new(0.0_f64);
                let mut family = encoder.encode_descriptor(name, help, unit, metric.metric_type())?;
                rows(&mut |labels, value| ConstGauge::new(value).encode(family.encode_family(&labels.to_vec())?))
            };
        let seconds = |nanos: &AtomicU64| nanos.load(Ordering::Relaxed) as f64 / 1e9;
        gauge("check_ready", "Ready condition: 1 for the status that holds", None, &mut |row| {
            for check in &checks {
                let ready = check.ready.load(Ordering::Relaxed);
                for (index, status) in READY.iter().enumerate() {
                    let labels =
                        [("namespace", &*check.id.namespace), ("check", &*check.id.name), ("status", status.as_str())];
                    row(&labels, f64::from(u8::from(usize::from(ready) == index)))?;
                }
            }
            Ok(())
        })?;
        let help = "Whether the probe works (Healthy or Degraded), after thresholds; absent while that can't be told";
        gauge("probe_success", help, None, &mut |row| {
            each(&checks, |labels, probe| {
                match ProbeState::ALL.get(usize::from(probe.state.load(Ordering::Relaxed))) {
                    Some(ProbeState::Healthy | ProbeState::Degraded) => row(labels, 1.0),
                    Some(ProbeState::Failing) => row(labels, 0.0),
                    // Never healthy, and never guilty.
                    Some(ProbeState::Skipped | ProbeState::Unknown) | None => Ok(()),
                }
            })
        })?;
        gauge("probe_cause", "Why the probe is not healthy: 1, with the cause as a label", None, &mut |row| {
            each(&checks, |labels, probe| match Cause::ALL.get(usize::from(probe.cause.load(Ordering::Relaxed))) {
                Some(cause) => row(&[labels, &[("cause", cause.as_str())]].concat(), 1.0),
                None => Ok(()),
            })
        })?;
        let help = "Share of the last observations, at most 128, in which the journey worked";
        gauge("probe_availability", help, Some(&Unit::Other("ratio".to_owned())), &mut |row| {
            each(&checks, |labels, probe| {
                let ratio = f64::from_bits(probe.availability.load(Ordering::Relaxed));
                if probe.kind == Kind::Journey && !ratio.is_nan() { row(labels, ratio) } else { Ok(()) }
            })
        })?;
        gauge("probe_duration", "Latency of the last observation", Some(&Unit::Seconds), &mut |row| {
            observed(&checks, |labels, probe| row(labels, seconds(&probe.latency_nanos)))
        })?;
        gauge("probe_stage_duration", "Stages of the last observation", Some(&Unit::Seconds), &mut |row| {
            each(&checks, |labels, probe| {
                for (stage, nanos) in Stage::ALL.iter().zip(&probe.stage_nanos) {
                    if nanos.load(Ordering::Relaxed) > 0 {
                        row(&[labels, &[("stage", stage.as_str())]].concat(), seconds(nanos))?;
                    }
                }
                Ok(())
            })
        })?;
        gauge("probe_last_timestamp", "When the probe was last observed", Some(&Unit::Seconds), &mut |row| {
            observed(&checks, |labels, probe| row(labels, probe.last.load(Ordering::Relaxed) as f64))
        })?;
        let metric = ConstCounter::new(0_u64);
        let mut family = encoder.encode_descriptor(
            "probe_observations",
            "Observations by their own outcome",
            None,
            metric.metric_type(),
        )?;
        each(&checks, |labels, probe| {
            for (state, count) in ProbeState::ALL.iter().zip(&probe.observations) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let labels = [labels, &[("observed", state.as_str())]].concat();
                    ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
                }
            }
            Ok(())
        })
    }
}

/// Shows the calls of Google's APIs that something has counted.
struct Calls<F>(F);

impl<F> std::fmt::Debug for Calls<F> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Calls")
    }
}

impl<F> Collector for Calls<F>
where
    F: Fn() -> [(Inspection, u64); Inspection::ALL.len()] + Send + Sync + 'static,
{
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), FmtError> {
        let metric = ConstCounter::new(0_u64);
        let help = "Calls of Google's APIs, by the inspection that they are for";
        let mut family = encoder.encode_descriptor("google_calls", help, None, metric.metric_type())?;
        for (inspection, calls) in (self.0)() {
            ConstCounter::new(calls).encode(family.encode_family(&[("inspection", inspection.as_str())])?)?;
        }
        Ok(())
    }
}

/// Visits every probe, with the labels that name it.
fn each(
    checks: &[Arc<CheckSeries>],
    mut visit: impl FnMut(&[(&str, &str)], &ProbeSeries) -> Result<(), FmtError>,
) -> Result<(), FmtError> {
    for check in checks {
        for probe in &check.probes {
            let labels = [
                ("namespace", &*check.id.namespace),
                ("check", &*check.id.name),
                ("probe", &*probe.name),
                ("kind", probe.kind.as_str()),
            ];
            visit(&labels, probe)?;
        }
    }
    Ok(())
}

/// [`each`], but for those that were not observed yet.
fn observed(
    checks: &[Arc<CheckSeries>],
    mut visit: impl FnMut(&[(&str, &str)], &ProbeSeries) -> Result<(), FmtError>,
) -> Result<(), FmtError> {
    each(checks, |labels, probe| if probe.last.load(Ordering::Relaxed) == 0 { Ok(()) } else { visit(labels, probe) })
}

/// The status of Ready in a set of conditions, as far as it is known.
pub fn ready_of(memory: &crate::status::Memory) -> ConditionStatus {
    memory.status_of(ConditionType::Ready).unwrap_or(ConditionStatus::Unknown)
}
