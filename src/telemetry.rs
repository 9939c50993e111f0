//! Logs for people and machines, and traces over OTLP when the usual OTEL_* variables ask for them. Does I/O.
//!
//! Traces are built from evidence after a run has ended, with the stages' own clocks: while they are off, they cost nothing.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use hyper_rustls::HttpsConnectorBuilder;
use jiff::Timestamp;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanExporter as _};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing_subscriber::EnvFilter;

use crate::evidence::Evidence;
use crate::plan::CheckPlan;
use crate::plan::trust;

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One line per event, for people.
    #[default]
    Text,
    /// One JSON object per event, for machines.
    Json,
}

/// What is logged unless `RUST_LOG` says otherwise. The clients' own reports of a failed request say nothing that ours do not.
pub const DEFAULT_FILTER: &str = "info,kube_client::client::builder=off,kube_runtime::watcher=error,tiberius=off";

/// Starts logging to standard error. `RUST_LOG` chooses what is logged; without it, `filter` does.
///
/// # Errors
/// When logging was started before.
pub fn start_logging(
    format: LogFormat,
    colour: bool,
    filter: &str,
) -> Result<(), tracing_subscriber::util::TryInitError> {
    use tracing_subscriber::util::SubscriberInitExt;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(filter));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    match format {
        LogFormat::Text => builder.with_ansi(colour).finish().try_init(),
        LogFormat::Json => {
            builder.json().flatten_event(true).with_current_span(false).with_span_list(false).finish().try_init()
        }
    }
}

/// Spans waiting for export; more are dropped, because probing comes first.
const MOST_WAITING: usize = 8192;
/// Spans in one request.
const BATCH: usize = 512;
/// Longest wait before a batch is sent.
const DELAY: Duration = Duration::from_secs(5);
/// The protocol that is spoken, as the OTEL_* variables name it.
const PROTOCOL: &str = "http/protobuf";

/// Asks for what waits to be sent; answered when it is.
type Flush = oneshot::Sender<()>;

/// Why traces can't be exported.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The exporter refuses its configuration.
    #[error("the OTLP exporter can't be built from the OTEL_* variables: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// It asks for a protocol that is not spoken.
    #[error(
        "{variable}={value}: traces are exported by {PROTOCOL} alone; set it to that, and the endpoint to the collector's port for HTTP (by default 4318)"
    )]
    Protocol {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// TLS can't be set up.
    #[error("TLS for the OTLP exporter: {0}")]
    Tls(#[from] rustls::Error),
}

/// Takes runs and exports them as traces: a root span per run, a span per probe, a span per stage.
#[derive(Clone, Debug)]
pub struct Traces {
    spans: mpsc::Sender<SpanData>,
    flushes: mpsc::Sender<Flush>,
    scope: InstrumentationScope,
}

impl Traces {
    /// Reads the OTEL_* variables (OpenTelemetry Environment Variable Specification) and starts the export on the current
    /// runtime. None unless OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set, or when
    /// OTEL_SDK_DISABLED is true or OTEL_TRACES_EXPORTER is none.
    ///
    /// # Errors
    /// When the variables can't be used.
    pub fn from_env() -> Result<Option<Self>, TracesError> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| set("OTEL_EXPORTER_OTLP_ENDPOINT"));
        let disabled = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || set("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
        if endpoint.is_none() || disabled {
            return Ok(None);
        }
        if let Some(error) = foreign_protocol(set) {
            return Err(error);
        }
        let tls = rustls::ClientConfig::builder_with_provider(trust::provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(trust::system_roots())
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let client = HyperClient::new(connector, Duration::from_secs(10), None);
        let mut exporter =
            SpanExporter::builder().with_http().with_http_client(client).with_protocol(Protocol::HttpBinary).build()?;
        let name = set("OTEL_SERVICE_NAME").unwrap_or_else(|| "runready".to_owned());
        exporter.set_resource(&Resource::builder().with_service_name(name).build());
        let (spans, waiting) = mpsc::channel(MOST_WAITING);
        let (flushes, flushed) = mpsc::channel(1);
        tokio::spawn(export(exporter, waiting, flushed));
        let scope = InstrumentationScope::builder("runready").with_version(env!("CARGO_PKG_VERSION")).build();
        Ok(Some(Traces { spans, flushes, scope }))
    }

    /// Sends what waits, at most `patience` long. False when the time was up.
    pub async fn flush(&self, patience: Duration) -> bool {
        let sent = async {
            let (done, sent) = oneshot::channel();
            self.flushes.send(done).await.ok()?;
            sent.await.ok()
        };
        matches!(tokio::time::timeout(patience, sent).await, Ok(Some(())))
    }

    /// Hands a run in. Returns at once; a span that finds no room is dropped.
    pub fn record(&self, plan: &CheckPlan, started: Timestamp, evidence: &[Evidence]) {
        let ids = RandomIdGenerator::default();
        let trace = ids.new_trace_id();
        let started = SystemTime::from(started);
        let lasted = evidence.iter().map(|evidence| evidence.start + evidence.latency).max().unwrap_or_default();
        let root = self.span(trace, ids.new_span_id(), SpanId::INVALID, "check", started, lasted);
        let root_id = root.span_context.span_id();
        let common = [
            KeyValue::new("k8s.namespace.name", plan.id.namespace.to_string()),
            KeyValue::new("runready.check", plan.id.name.to_string()),
            KeyValue::new("runready.generation", plan.generation),
        ];
        self.send(root, &common);
        for observation in evidence {
            let Some(probe) = plan.probes.get(observation.probe) else { continue };
            let started = started + observation.start;
            let mut span = self.span(trace, ids.new_span_id(), root_id, "probe", started, observation.latency);
            let probe_id = span.span_context.span_id();
            let mut attributes = vec![
                KeyValue::new("runready.probe", probe.name.to_string()),
                KeyValue::new("runready.kind", probe.kind.as_str()),
                KeyValue::new("runready.target", probe.target.to_string()),
                KeyValue::new("runready.vantage", observation.vantage.to_string()),
                KeyValue::new("runready.outcome", observation.outcome.state().as_str()),
            ];
            if let Some(failure) = observation.outcome.failure() {
                span.status = Status::error(failure.message.to_string());
                attributes.push(KeyValue::new("error.type", failure.cause.as_str()));
            }
            attributes.extend_from_slice(&common);
            self.send(span, &attributes);
            for record in &observation.stages {
                let at = started + record.start;
                let mut span =
                    self.span(trace, ids.new_span_id(), probe_id, record.stage.as_str(), at, record.duration);
                if !record.passed {
                    span.status = Status::error("failed");
                }
                self.send(span, &[]);
            }
        }
    }

    fn span(
        &self,
        trace: TraceId,
        id: SpanId,
        parent: SpanId,
        name: &'static str,
        start: SystemTime,
        lasted: Duration,
    ) -> SpanData {
        SpanData {
            span_context: SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::default()),
            parent_span_id: parent,
            parent_span_is_remote: false,
            span_kind: SpanKind::Client,
            name: Cow::Borrowed(name),
            start_time: start,
            end_time: start + lasted,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: Default::default(),
            links: Default::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }

    fn send(&self, mut span: SpanData, attributes: &[KeyValue]) {
        span.attributes.extend_from_slice(attributes);
        // A full queue means that the collector is away or too slow; probing does not wait for it.
        let _ = self.spans.try_send(span);
    }
}

/// What there is to do for the export.
enum Task {
    /// A batch is complete, or has waited long enough.
    Send,
    /// Everything is to go out now, and whoever asks is to be told.
    Flush(oneshot::Sender<()>),
    /// No more spans will come.
    End,
}

async fn export(exporter: SpanExporter, mut waiting: mpsc::Receiver<SpanData>, mut flushes: mpsc::Receiver<Flush>) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut away = false;
    loop {
        let task = fill(&mut batch, &mut waiting, &mut flushes).await;
        send(&exporter, &mut batch, &mut away).await;
        match task {
            Task::Send => {}
            Task::Flush(done) => {
                while let Ok(span) = waiting.try_recv() {
                    batch.push(span);
                    if batch.len() == BATCH {
                        send(&exporter, &mut batch, &mut away).await;
                    }
                }
                send(&exporter, &mut batch, &mut away).await;
                let _ = done.send(());
            }
            Task::End => return,
        }
    }
}

/// Gathers spans until there is something to do.
async fn fill(
    batch: &mut Vec<SpanData>,
    waiting: &mut mpsc::Receiver<SpanData>,
    flushes: &mut mpsc::Receiver<Flush>,
) -> Task {
    let mut deadline: Option<Instant> = None;
    while batch.len() < BATCH {
        let room = BATCH - batch.len();
        let due = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            taken = waiting.recv_many(batch, room) => match taken {
                0 => return Task::End,
                _ => _ = deadline.get_or_insert_with(|| Instant::now() + DELAY),
            },
            Some(done) = flushes.recv() => return Task::Flush(done),
            () = due => break,
        }
    }
    Task::Send
}

/// Sends what there is. An outage of the collector is told of once, and so is its end.
async fn send(exporter: &SpanExporter, batch: &mut Vec<SpanData>, away: &mut bool) {
    if batch.is_empty() {
        return;
    }
    match exporter.export(std::mem::take(batch)).await {
        Ok(()) if *away => {
            *away = false;
            tracing::info!("traces are exported again");
        }
        Err(error) if !*away => {
            *away = true;
            tracing::warn!(%error, "traces could not be exported; they are dropped until the collector takes them");
        }
        Ok(()) | Err(_) => {}
    }
}

/// The protocol that the variables ask for, if it is not the one that is spoken.
fn foreign_protocol(set: impl Fn(&str) -> Option<String>) -> Option<TracesError> {
    const VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
    let (variable, value) = VARIABLES.into_iter().find_map(|name| Some((name, set(name)?)))?;
    (value != PROTOCOL).then_some(TracesError::Protocol { variable, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_that_is_not_spoken_is_refused() {
        let asked = |variables: &[(&str, &str)]| {
            let set =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            foreign_protocol(set).map(|error| error.to_string())
        };
        assert_eq!(asked(&[]), None);
        assert_eq!(asked(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")]), None);
        let told = asked(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).expect("refused");
        assert!(told.contains("OTEL_EXPORTER_OTLP_PROTOCOL=grpc") && told.contains("http/protobuf"), "{told}");
        let own = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf");
        assert_eq!(asked(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), own]), None, "that of traces decides");
    }
}
