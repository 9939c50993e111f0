//! What a running operator shows of itself: its phases, OpenMetrics, logs for machines, and traces.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use runready::api::{Cause, ProbeState, Stage};
use serde_json::Value;

use crate::support::backend::{Backend, Recorder};
use crate::support::checks::{SOON, check};
use crate::support::openmetrics::{Family, parse};
use crate::support::operator::Operator;
use crate::support::process::{Signal, free_port};
use crate::support::scratch;
use crate::support::wait::until;

/// A healthy TCP probe, an HTTP probe that is refused, and one that is skipped for it.
fn three(port: u16, refused: u16) -> String {
    format!(
        "{{interval: 1s, failureThreshold: 1, probes: [{{name: port, tcp: {{host: 127.0.0.1, port: {port}}}}}, \
         {{name: web, http: {{url: \"http://127.0.0.1:{refused}/\"}}}}, \
         {{name: after, tcp: {{host: 127.0.0.1, port: {port}}}, dependsOn: [web]}}]}}"
    )
}

#[test]
fn it_is_alive_but_not_ready_until_it_knows_its_checks() {
    let nowhere = scratch::dir("nowhere");
    let kubeconfig = nowhere.path().join("kubeconfig");
    let config = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": format!("http://127.0.0.1:{}", free_port())}}], "users": [{"name": "u", "user": {}}],
    });
    std::fs::write(&kubeconfig, config.to_string()).expect("a file");
    let operator = Operator::start(&kubeconfig, &[]);
    let (status, text) = operator.get("/readyz").expect("readyz");
    assert_eq!((status, text.lines().next()), (503, Some("not synced yet")), "{text}");
    assert_eq!(operator.get("/healthz").expect("healthz").0, 200);
    until(SOON, "it says what is wrong, and what to do", || {
        let log = operator.whole_log();
        if log.contains("is the API server reachable?") { Ok(()) } else { Err(log) }
    });
    assert_eq!(operator.get("/nonsense").expect("an answer").0, 404);
}

fn families(operator: &Operator) -> BTreeMap<String, Family> {
    let answer = operator.get_whole("/metrics").expect("metrics");
    let (header, body) = answer.split_once("\r\n\r\n").expect("a header");
    let header = header.to_ascii_lowercase();
    assert!(header.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{header}");
    parse(body).unwrap_or_else(|why| panic!("{why} in:\n{body}"))
}

#[test]
fn the_metrics_are_open_metrics_with_bounded_labels_and_go_with_their_check() {
    let folder = scratch::dir("folder");
    let backend = Backend::start();
    let file = folder.path().join("backend.yaml");
    std::fs::write(&file, check("default", "back\u{2d}end", &three(backend.port, free_port()))).expect("a file");
    let operator = Operator::on_folder(folder.path(), &[], &[]);
    until(SOON, "a status is written, and shown", || {
        let written = operator.metric("runready_status_writes_total", "written");
        let shown = operator.metric("runready_check_ready", "status=\"False\"");
        if written > 0.0 && shown > 0.0 { Ok(()) } else { Err(format!("{written} written, {shown} shown")) }
    });
    let shown = families(&operator);
    let value = |family: &str, labels: &[(&str, &str)]| {
        let family = shown.get(family).unwrap_or_else(|| panic!("there is no {family}"));
        let fits = |sample: &&crate::support::openmetrics::Sample| {
            labels.iter().all(|(name, value)| sample.labels.get(*name).is_some_and(|found| found == value))
        };
        family.samples.iter().find(fits).map(|sample| sample.value)
    };
    assert_eq!(value("runready_build", &[("version", env!("CARGO_PKG_VERSION"))]), Some(1.0));
    assert_eq!(value("runready_leader", &[]), Some(1.0));
    assert_eq!(value("runready_check_ready", &[("check", "back-end"), ("status", "False")]), Some(1.0));
    assert_eq!(value("runready_check_ready", &[("check", "back-end"), ("status", "True")]), Some(0.0));
    assert_eq!(
        value("runready_probe_success", &[("probe", "port"), ("kind", "tcp"), ("namespace", "default")]),
        Some(1.0)
    );
    assert_eq!(value("runready_probe_success", &[("probe", "web"), ("kind", "http")]), Some(0.0));
    assert_eq!(value("runready_probe_success", &[("probe", "after")]), None, "skipped: neither healthy nor guilty");
    assert_eq!(value("runready_probe_cause", &[("probe", "web"), ("cause", "ConnectionRefused")]), Some(1.0));
    assert_eq!(value("runready_probe_cause", &[("probe", "port")]), None);
    assert!(value("runready_probe_stage_duration_seconds", &[("probe", "port"), ("stage", "connect")]) > Some(0.0));
    assert!(value("runready_stage_duration_seconds", &[("kind", "tcp"), ("stage", "connect")]).is_some());
    assert!(value("runready_schedule_lag_seconds", &[]).is_some());
    assert!(value("runready_status_writes", &[("outcome", "written")]) > Some(0.0));
    assert!(value("runready_probe_observations", &[("probe", "port"), ("observed", "Healthy")]) > Some(0.0));

    assert_eq!(
        labels(&shown, "cause").difference(&Cause::ALL.iter().map(|cause| cause.as_str()).collect()).next(),
        None
    );
    assert_eq!(
        labels(&shown, "stage").difference(&Stage::ALL.iter().map(|stage| stage.as_str()).collect()).next(),
        None
    );
    assert_eq!(
        labels(&shown, "observed").difference(&ProbeState::ALL.iter().map(|state| state.as_str()).collect()).next(),
        None
    );

    std::fs::remove_file(file).expect("removed");
    until(SOON, "its series are gone", || {
        let left: Vec<String> = labels(&families(&operator), "check").iter().map(ToString::to_string).collect();
        if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
    });
}

/// Every value of a label.
fn labels<'a>(families: &'a BTreeMap<String, Family>, name: &str) -> BTreeSet<&'a str> {
    let samples = families.values().flat_map(|family| &family.samples);
    samples.filter_map(|sample| sample.labels.get(name)).map(String::as_str).collect()
}

#[test]
fn logs_for_machines_are_json_with_namespace_check_probe_and_generation() {
    let folder = scratch::dir("folder");
    let backend = Backend::start();
    let spec = three(backend.port, free_port());
    std::fs::write(folder.path().join("backend.yaml"), check("staging", "backend", &spec)).expect("a file");
    let operator = Operator::on_folder(folder.path(), &["RUST_LOG=runready=debug"], &["--log-format", "json"]);
    // At the third, two runs have been taken in.
    backend.until_accepted(3);
    let log = operator.stop_and_read(Signal::Term);
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect();
    let about_a_probe = |line: &&Value| line["message"] == "observed" || line["reason"] == "ConnectionRefused";
    let about: Vec<&Value> = lines.iter().filter(about_a_probe).collect();
    assert!(about.iter().any(|line| line["level"] == "WARN") && about.len() >= 7, "{log}");
    for line in about {
        assert_eq!(
            (&line["namespace"], &line["check"], &line["generation"]),
            (&"staging".into(), &"backend".into(), &1.into()),
            "{line}"
        );
        assert!(["port", "web", "after"].iter().any(|name| line["probe"] == *name), "{line}");
        assert!(line["timestamp"].as_str().is_some_and(|at| at.parse::<jiff::Timestamp>().is_ok()), "{line}");
    }
    assert!(lines.last().is_some_and(|line| line["message"] == "stopped"), "{log}");
}

/// The spans that a collector was sent so far.
fn spans(collector: &Recorder) -> Vec<Span> {
    let mut spans = Vec::new();
    for request in collector.requests() {
        let end = request.windows(4).position(|window| window == b"\r\n\r\n").expect("a header");
        let header = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
        assert!(header.starts_with("post /v1/traces http/1.1\r\n"), "{header}");
        assert!(header.contains("content-type: application/x-protobuf"), "{header}");
        let export = ExportTraceServiceRequest::decode(&request[end + 4..]).expect("an export request");
        for resource in export.resource_spans {
            let attributes = &resource.resource.as_ref().expect("a resource").attributes;
            assert!(format!("{attributes:?}").contains("staging-runready"), "{attributes:?}");
            spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    spans
}

#[test]
fn each_run_is_exported_as_a_trace_with_a_span_for_each_probe_and_stage() {
    let folder = scratch::dir("folder");
    let (backend, collector) = (Backend::start(), Recorder::start());
    let spec = three(backend.port, free_port()).replace("interval: 1s", "interval: 1h");
    std::fs::write(folder.path().join("backend.yaml"), check("default", "backend", &spec)).expect("a file");
    let endpoint = format!("OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{}", collector.port);
    let _operator = Operator::on_folder(folder.path(), &[&endpoint, "OTEL_SERVICE_NAME=staging-runready"], &[]);
    let spans = until(SOON, "the trace of the first run", || {
        let spans = spans(&collector);
        if spans.iter().filter(|span| span.name == "probe").count() == 3 { Ok(spans) } else { Err(spans.len()) }
    });
    let root = spans.iter().find(|span| span.name == "check").expect("a root");
    assert!(root.parent_span_id.is_empty() && spans.iter().all(|span| span.trace_id == root.trace_id));
    let of = |name: &str| {
        let named = |span: &&Span| span.name == "probe" && attribute(span, "runready.probe").as_deref() == Some(name);
        spans.iter().find(named).unwrap_or_else(|| panic!("no span of {name}"))
    };
    let (port, web) = (of("port"), of("web"));
    assert!([port, web, of("after")].iter().all(|span| span.parent_span_id == root.span_id));
    assert_eq!(attribute(port, "runready.outcome").as_deref(), Some("Healthy"));
    assert_eq!(attribute(web, "error.type").as_deref(), Some("ConnectionRefused"));
    assert_eq!(web.status.as_ref().map(|status| status.code), Some(2), "an error");
    let stages = |probe: &Span| -> Vec<&str> {
        spans.iter().filter(|span| span.parent_span_id == probe.span_id).map(|span| span.name.as_str()).collect()
    };
    assert_eq!(stages(port), ["connect"]);
    assert_eq!(stages(web), ["connect"]);
    assert!(stages(of("after")).is_empty(), "skipped");
    let connect = spans.iter().find(|span| span.parent_span_id == port.span_id).expect("seen just now");
    assert!(connect.start_time_unix_nano >= port.start_time_unix_nano);
    assert!(connect.end_time_unix_nano <= port.end_time_unix_nano + Duration::from_millis(1).as_nanos() as u64);
}

/// A server that greets each client only after a while.
fn slow_greeter(after: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::sleep(after);
            let _ = stream.write_all(b"welcome");
        }
    });
    port
}

#[test]
fn the_last_spans_go_out_at_the_end_and_each_begins_when_its_probe_did() {
    let folder = scratch::dir("folder");
    let (backend, collector) = (Backend::start(), Recorder::start());
    let spec = format!(
        "{{interval: 1h, probes: [{{name: slow, tcp: {{host: 127.0.0.1, port: {}, expect: welcome}}}}, \
         {{name: after, tcp: {{host: 127.0.0.1, port: {}}}, dependsOn: [slow]}}]}}",
        slow_greeter(Duration::from_millis(200)),
        backend.port
    );
    std::fs::write(folder.path().join("backend.yaml"), check("default", "backend", &spec)).expect("a file");
    let endpoint = format!("OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{}", collector.port);
    let operator = Operator::on_folder(folder.path(), &[&endpoint, "OTEL_SERVICE_NAME=staging-runready"], &[]);
    until(SOON, "the first run has ended", || {
        if operator.whole_log().contains("Ready=True") { Ok(()) } else { Err(operator.whole_log()) }
    });
    operator.stop(Signal::Term);
    let spans = spans(&collector);
    let of = |name: &str| {
        let named = |span: &&Span| span.name == "probe" && attribute(span, "runready.probe").as_deref() == Some(name);
        spans.iter().find(named).unwrap_or_else(|| panic!("no span of {name} in {spans:?}"))
    };
    let (slow, after) = (of("slow"), of("after"));
    assert!(after.start_time_unix_nano >= slow.end_time_unix_nano, "it had to wait: {slow:?} {after:?}");
    let root = spans.iter().find(|span| span.name == "check").expect("a root");
    assert_eq!(root.end_time_unix_nano, after.end_time_unix_nano, "it lasts as long as the run");
}

fn attribute(span: &Span, name: &str) -> Option<String> {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    let found = span.attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        other => Some(format!("{other:?}")),
    }
}
