//! The controller against the real API server: what a person sees with kubectl, and how it behaves when things go wrong.

use std::time::{Duration, Instant};

use runready::api::crd::crd;
use serde_json::Value;

use crate::support::apiserver::ApiServer;
use crate::support::backend::Backend;
use crate::support::checks::{SOON, check, condition, install, object, shared, tcp, until_ready};
use crate::support::operator::Operator;
use crate::support::process::{Signal, free_port};
use crate::support::skip::require;
use crate::support::wait::until;

fn header(table: &str) -> String {
    table.lines().next().expect("a header").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_check_says_what_broke_and_when_it_is_restored() {
    let Some(api) = shared() else { return };
    let namespace = api.namespace("story");
    let _operator = Operator::probing(&api.kubeconfig(), &["--namespace", &namespace]);
    let backend = Backend::start();
    api.apply(&check(&namespace, "backend", &tcp(backend.port))).expect("applied");
    api.kubectl(&["wait", "--for=condition=Ready", "cc/backend", "-n", &namespace, "--timeout=20s"]).expect("ready");
    let table = api.kubectl(&["get", "cc", "-n", &namespace]).expect("a table");
    assert_eq!(header(&table), "NAME READY VERDICT LAYER LATENCY LAST PROBE AGE", "{table}");
    assert!(table.contains("Healthy"), "{table}");
    let wide = api.kubectl(&["get", "cc", "-n", &namespace, "-o", "wide"]).expect("a table");
    assert_eq!(header(&wide), "NAME READY VERDICT LAYER LATENCY LAST PROBE AGE MESSAGE", "{wide}");
    assert!(wide.contains("the probe is healthy"), "{wide}");

    let port = backend.port;
    backend.stop();
    let broken = until_ready(api, &namespace, "backend", "False", "ConnectionRefused");
    let verdict = &broken["status"]["verdict"];
    assert_eq!(verdict["layer"], "Application", "{verdict}");
    assert!(verdict["remedy"].as_str().is_some_and(|remedy| remedy.contains("listens")), "{verdict}");
    assert_eq!(broken["status"]["observedGeneration"], broken["metadata"]["generation"]);
    let table = api.kubectl(&["get", "runready", "-n", &namespace]).expect("a table, by category");
    let row: Vec<&str> = table.lines().nth(1).expect("a row").split_whitespace().collect();
    assert_eq!(row[1..4], ["False", "ConnectionRefused", "Application"], "{table}");

    let _again = Backend::again(port);
    until_ready(api, &namespace, "backend", "True", "Healthy");
    until(SOON, "events of all three transitions", || {
        let events = api.kubectl(&["get", "events.v1.events.k8s.io", "-n", &namespace]).expect("events");
        let all = events.contains("ConnectionRefused") && events.contains("Ready again after");
        if all { Ok(()) } else { Err(events) }
    });
}

#[test]
fn a_changed_or_deleted_check_is_acted_on_within_a_second() {
    let Some(api) = shared() else { return };
    let namespace = api.namespace("change");
    let operator = Operator::probing(&api.kubeconfig(), &["--namespace", &namespace]);
    let (hanging, backend) = (Backend::start(), Backend::start());
    let slow = format!(
        "{{interval: 20s, timeout: 20s, probes: [{{name: backend, tcp: {{host: 127.0.0.1, port: {}, expect: never}}}}]}}",
        hanging.port
    );
    api.apply(&check(&namespace, "backend", &slow)).expect("applied");
    until(SOON, "the slow probe is in flight", || if hanging.accepted() > 0 { Ok(()) } else { Err("not yet") });
    api.apply(&check(&namespace, "backend", &tcp(backend.port))).expect("changed");
    until(Duration::from_secs(1), "the new spec is probed", || {
        if backend.accepted() > 0 { Ok(()) } else { Err("not yet") }
    });
    until_ready(api, &namespace, "backend", "True", "Healthy");

    api.kubectl(&["delete", "cc", "backend", "-n", &namespace]).expect("deleted");
    until(Duration::from_secs(1), "its series are gone", || {
        let series = operator.metric("runready_probe_observations_total", &namespace);
        if series == 0.0 { Ok(()) } else { Err(series) }
    });
    backend.stays_alone(Duration::from_millis(2500), "a deleted check is still probed");
}

#[test]
fn own_writes_cause_no_probe_and_a_steady_check_no_write() {
    let Some(api) = shared() else { return };
    let namespace = api.namespace("steady");
    let operator = Operator::probing(&api.kubeconfig(), &["--namespace", &namespace]);
    let backend = Backend::start();
    api.apply(&check(&namespace, "backend", &tcp(backend.port))).expect("applied");
    until_ready(api, &namespace, "backend", "True", "Healthy");
    until(SOON, "five more probes", || if backend.accepted() >= 6 { Ok(()) } else { Err(backend.accepted()) });
    assert_eq!(operator.metric("runready_status_writes_total", "written"), 1.0, "one write says it all");
    let started = Instant::now();
    let before = backend.accepted();
    until(SOON, "two more probes", || if backend.accepted() >= before + 2 { Ok(()) } else { Err("not yet") });
    assert!(started.elapsed() > Duration::from_millis(900), "probed more often than every second");
}

#[test]
fn probing_goes_on_without_the_api_server_and_the_newest_status_is_written_when_it_returns() {
    let Some(api) = require(ApiServer::launch()) else { return };
    install(&api);
    let namespace = api.namespace("away");
    let operator = Operator::probing(&api.kubeconfig(), &[]);
    let backend = Backend::start();
    api.apply(&check(&namespace, "backend", &tcp(backend.port))).expect("applied");
    api.apply(&check(&namespace, "doomed", &tcp(backend.port))).expect("applied");
    until_ready(&api, &namespace, "backend", "True", "Healthy");
    until_ready(&api, &namespace, "doomed", "True", "Healthy");
    api.stop();
    let before = backend.accepted();
    until(SOON, "probes without an API server", || if backend.accepted() >= before + 6 { Ok(()) } else { Err("no") });
    backend.stop();
    until(SOON, "the operator knows", || {
        let failing = operator.metric("runready_probe_success", &namespace);
        if failing == 0.0 { Ok(()) } else { Err(failing) }
    });
    assert_eq!(operator.get("/healthz").expect("healthz").0, 200, "an absent API server is no reason to be restarted");
    api.start();
    until_ready(&api, &namespace, "backend", "False", "ConnectionRefused");
    api.kubectl(&["delete", "cc", "doomed", "-n", &namespace]).expect("deleted");
    until(SOON, "the deletion is seen after the return", || {
        let series = operator.metric("runready_check_ready", "doomed");
        if series == 0.0 { Ok(()) } else { Err(operator.log()) }
    });
}

#[test]
fn a_restart_resumes_from_the_status_and_sigterm_flushes_it() {
    let Some(api) = shared() else { return };
    let namespace = api.namespace("restart");
    let operator = Operator::probing(&api.kubeconfig(), &["--namespace", &namespace]);
    let backend = Backend::start();
    let spec = format!(
        "{{interval: 1s, failureThreshold: 1000, probes: [{{name: backend, tcp: {{host: 127.0.0.1, port: {}}}}}]}}",
        backend.port
    );
    api.apply(&check(&namespace, "backend", &spec)).expect("applied");
    let healthy = until_ready(api, &namespace, "backend", "True", "Healthy");
    backend.stop();
    until(SOON, "some failures", || {
        let failing = operator.metric("runready_probe_observations_total", "observed=\"Failing\"");
        if failing >= 2.0 { Ok(()) } else { Err(failing) }
    });
    operator.stop(Signal::Term);
    let streak = |object: &Value| object.pointer("/status/probes/0/streak").and_then(Value::as_i64).unwrap_or(0);
    let flushed = streak(&object(api, &namespace, "backend"));
    assert!(flushed <= -2, "the streak is in the status after SIGTERM, not {flushed}");

    let operator = Operator::probing(&api.kubeconfig(), &["--namespace", &namespace]);
    until(SOON, "another failure", || {
        let failing = operator.metric("runready_probe_observations_total", "observed=\"Failing\"");
        if failing >= 1.0 { Ok(()) } else { Err(failing) }
    });
    operator.stop(Signal::Term);
    let resumed = object(api, &namespace, "backend");
    assert!(streak(&resumed) < flushed, "{} should continue {flushed}", streak(&resumed));
    let since = |object: &Value| object.pointer("/status/conditions/0/lastTransitionTime").cloned();
    assert_eq!(since(&resumed), since(&healthy), "still Ready, since the same moment");
}

#[test]
fn another_pod_takes_up_where_the_one_before_it_stopped() {
    let Some(api) = shared() else { return };
    let namespace = api.namespace("rollout");
    let kubeconfig = format!("KUBECONFIG={}", api.kubeconfig().display());
    let pod = |name: &str| {
        let variables = [kubeconfig.as_str(), "POD_NAMESPACE=runready", &format!("POD_NAME={name}")];
        let operator = Operator::launch(&variables, &["--namespace", &namespace]);
        operator.until_ready("probing");
        operator
    };
    let first = pod("runready-7d4f-abcde");
    api.apply(&check(&namespace, "backend", &tcp(free_port()))).expect("applied");
    let before = until_ready(api, &namespace, "backend", "False", "ConnectionRefused");
    first.stop(Signal::Term);

    let second = pod("runready-9c1b-fghij");
    until(SOON, "an observation", || {
        let observed = second.metric("runready_probe_observations_total", "observed=\"Failing\"");
        if observed >= 1.0 { Ok(()) } else { Err(second.log()) }
    });
    let log = second.stop_and_read(Signal::Term);
    let after = object(api, &namespace, "backend");
    assert_eq!(condition(&after, "Ready"), condition(&before, "Ready"), "one observation is enough to go on");
    for field in ["/status/conditions/0/lastTransitionTime", "/status/verdict/since"] {
        assert_eq!(after.pointer(field), before.pointer(field), "{field}");
    }
    assert!(!log.contains("ConnectionRefused"), "what everybody knows is not told again: {log}");
}

#[test]
fn a_malformed_object_stops_no_other() {
    let Some(api) = require(ApiServer::launch()) else { return };
    let mut crd = serde_json::to_value(crd().expect("a definition")).expect("JSON");
    let strict = crd.clone();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] =
        serde_json::json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    api.install_crds(&serde_yaml::to_string(&crd).expect("YAML"));
    let namespace = api.namespace("malformed");
    api.apply(&check(&namespace, "hopeless", "{probes: seven}")).expect("stored before the rule was");
    let odd = "{interval: [], probes: [{name: backend, tcp: {host: 127.0.0.1, port: 1}}]}";
    api.apply(&check(&namespace, "odd", odd)).expect("stored before the rule was");
    let backend = Backend::start();
    let typed = tcp(backend.port).replace("interval: 1s", "interval: 1s, failureThreshold: three");
    api.apply(&check(&namespace, "typed", &typed)).expect("stored before the rule was");
    api.install_crds(&serde_yaml::to_string(&strict).expect("YAML"));
    let _operator = Operator::probing(&api.kubeconfig(), &[]);
    until(SOON, "the strict CRD is in force", || api.apply(&check(&namespace, "backend", &tcp(backend.port))));
    until_ready(&api, &namespace, "backend", "True", "Healthy");
    until(SOON, "people hear of both, although the API server takes no status for them", || {
        let events = api.kubectl(&["get", "events.v1.events.k8s.io", "-n", &namespace]).expect("events");
        let told = |name: &str| events.lines().any(|line| line.contains("InvalidSpec") && line.contains(name));
        if told("hopeless") && told("odd") { Ok(()) } else { Err(events) }
    });
    // Where no rule of the schema reads the field, the server takes a status; once repaired, nothing of it is left.
    let stalled = || condition(&object(&api, &namespace, "typed"), "Stalled");
    until(SOON, "the status says what is wrong", || {
        if stalled() == Some(("True".to_owned(), "InvalidSpec".to_owned())) {
            Ok(())
        } else {
            Err(format!("{:?}", stalled()))
        }
    });
    api.apply(&check(&namespace, "typed", &tcp(backend.port))).expect("repaired");
    until_ready(&api, &namespace, "typed", "True", "Healthy");
    until(SOON, "Stalled is gone", || if stalled().is_none() { Ok(()) } else { Err(format!("{:?}", stalled())) });
}
