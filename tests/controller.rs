//! The controller's manners against the real API server: a start without a herd, events in series, checks that are suspended or
//! created anew.

use std::time::Duration;

use serde_json::Value;

use crate::support::apiserver::ApiServer;
use crate::support::backend::Backend;
use crate::support::checks::{SOON, check, condition, object, shared, tcp, until_ready};
use crate::support::operator::Operator;
use crate::support::wait::until;

#[test]
fn a_start_with_many_checks_is_no_thundering_herd() {
    const CHECKS: usize = 300;
    let Some(api) = shared() else { return };
    let namespace = api.namespace("many");
    let backend = Backend::start();
    let spec = tcp(backend.port).replace("interval: 1s", "interval: 60s");
    let all: Vec<String> = (0..CHECKS).map(|index| check(&namespace, &format!("backend-{index}"), &spec)).collect();
    api.kubectl_as(&api.kubeconfig(), &["create", "-f", "-"], &all.join("---\n")).expect("created");
    let _operator = Operator::probing(&api.kubeconfig(), &["--namespace", &namespace]);
    until(
        SOON,
        "every check is probed",
        || {
            if backend.accepted() >= CHECKS { Ok(()) } else { Err(backend.accepted()) }
        },
    );
    let arrivals = backend.arrivals();
    let spread = arrivals[CHECKS - 1] - arrivals[0];
    assert!(spread > Duration::from_secs(2), "{CHECKS} checks within {spread:?}");
    let window = Duration::from_millis(100);
    let within = |from: &std::time::Instant| arrivals.iter().filter(|at| *at >= from && **at - *from < window).count();
    let most = arrivals.iter().map(within).max().unwrap_or(0);
    // 10 would be even; a busy machine may bunch some.
    assert!(most < CHECKS / 2, "{most} of {CHECKS} within {window:?}");
}

/// Reason, note and count of every event of a check.
fn events(api: &ApiServer, namespace: &str) -> Vec<(String, String, i64)> {
    let text = api.kubectl(&["get", "events.v1.events.k8s.io", "-n", namespace, "-o", "json"]).expect("events");
    let list: Value = serde_json::from_str(&text).expect("JSON");
    let text = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
    let event = |event: &Value| {
        let count = event.pointer("/series/count").and_then(Value::as_i64).unwrap_or(1);
        (text(event, "reason"), text(event, "note"), count)
    };
    list["items"].as_array().expect("items").iter().map(event).collect()
}

#[test]
fn a_flapping_backend_gives_series_of_events_not_a_flood() {
    let Some(api) = shared() else { return };
    let namespace = api.namespace("flapping");
    let operator = Operator::probing(&api.kubeconfig(), &["--namespace", &namespace]);
    let mut backend = Backend::start();
    let spec = tcp(backend.port).replace("interval: 1s", "interval: 1s, failureThreshold: 1");
    api.apply(&check(&namespace, "backend", &spec)).expect("applied");
    until_ready(api, &namespace, "backend", "True", "Healthy");
    for round in 0..3 {
        let port = backend.port;
        backend.stop();
        until_ready(api, &namespace, "backend", "False", "ConnectionRefused");
        // Each outage lasts longer than the one before, and still belongs to the series.
        let failures = || operator.metric("runready_probe_observations_total", "observed=\"Failing\"");
        let enough = failures() + f64::from(2 * round);
        until(SOON, "more failures", || if failures() >= enough { Ok(()) } else { Err(failures()) });
        backend = Backend::again(port);
        until_ready(api, &namespace, "backend", "True", "Healthy");
    }
    let counts = |events: &[(String, String, i64)]| {
        let mut counts: Vec<(String, i64)> = events.iter().map(|(reason, _, count)| (reason.clone(), *count)).collect();
        counts.sort();
        counts
    };
    let wanted = [("ConnectionRefused".to_owned(), 3), ("Healthy".to_owned(), 1), ("Healthy".to_owned(), 3)];
    let told = until(SOON, "one event each, in series", || {
        let events = events(api, &namespace);
        if counts(&events) == wanted { Ok(events) } else { Err(format!("{events:?}")) }
    });
    let refused = told.iter().find(|(reason, ..)| reason == "ConnectionRefused").expect("it is there");
    assert!(refused.1.starts_with("Application layer: backend (tcp://127.0.0.1:"), "{refused:?}");
    assert!(told.iter().any(|(_, note, _)| note.starts_with("Ready again after")), "{told:?}");

    // Another cause is an event of its own.
    let nowhere =
        "{interval: 1s, failureThreshold: 1, probes: [{name: backend, tcp: {host: nowhere.invalid, port: 1}}]}";
    api.apply(&check(&namespace, "backend", nowhere)).expect("changed");
    until(SOON, "an event of the new cause", || {
        let events = events(api, &namespace);
        let other = |(reason, ..): &(String, String, i64)| reason != "Healthy" && reason != "ConnectionRefused";
        if events.iter().any(other) { Ok(()) } else { Err(format!("{events:?}")) }
    });
}

#[test]
fn a_check_created_anew_under_the_same_name_starts_afresh() {
    let Some(api) = shared() else { return };
    let namespace = api.namespace("anew");
    let _operator = Operator::probing(&api.kubeconfig(), &["--namespace", &namespace]);
    let backend = Backend::start();
    let yaml = check(&namespace, "backend", &tcp(backend.port).replace("interval: 1s", "interval: 10m"));
    api.apply(&yaml).expect("applied");
    let before = until_ready(api, &namespace, "backend", "True", "Healthy");
    backend.stop();
    api.kubectl_as(&api.kubeconfig(), &["replace", "--force", "-f", "-"], &yaml).expect("created anew");
    // Carried over, it would still be True: one failure of two is no verdict on a known check.
    let after = until_ready(api, &namespace, "backend", "Unknown", "Confirming");
    assert_ne!(after["metadata"]["uid"], before["metadata"]["uid"]);
}

#[test]
fn a_suspended_check_is_left_alone_and_keeps_its_last_status() {
    let Some(api) = shared() else { return };
    let namespace = api.namespace("suspended");
    let operator = Operator::probing(&api.kubeconfig(), &["--namespace", &namespace]);
    let backend = Backend::start();
    api.apply(&check(&namespace, "backend", &tcp(backend.port))).expect("applied");
    until_ready(api, &namespace, "backend", "True", "Healthy");
    let suspend = |on: bool| {
        let patch = format!("{{\"spec\": {{\"suspend\": {on}}}}}");
        api.kubectl(&["patch", "cc", "backend", "-n", &namespace, "--type=merge", "-p", &patch]).expect("patched");
    };
    suspend(true);
    let resting = until_ready(api, &namespace, "backend", "Unknown", "Suspended");
    assert_eq!(resting["status"]["observedGeneration"], resting["metadata"]["generation"]);
    assert_eq!(resting["status"]["probes"][0]["state"], "Healthy", "what was last seen stays");
    assert!(resting["status"].get("nextProbeTime").is_none(), "{}", resting["status"]);
    assert_eq!(operator.metric("runready_check_ready", "status=\"Unknown\""), 1.0);
    backend.stays_alone(Duration::from_millis(2500), "suspended, and still probed");
    let written = object(api, &namespace, "backend")["metadata"]["resourceVersion"].clone();
    assert_eq!(written, resting["metadata"]["resourceVersion"], "nothing to write");
    suspend(false);
    until_ready(api, &namespace, "backend", "True", "Healthy");
    backend.until_accepted(2);
}

#[test]
fn a_check_beyond_the_limit_of_its_namespace_is_stalled_and_starts_when_another_is_deleted() {
    let Some(api) = shared() else { return };
    let namespace = api.namespace("limited");
    let backend = Backend::start();
    let _operator =
        Operator::probing(&api.kubeconfig(), &["--namespace", &namespace, "--max-checks-per-namespace", "2"]);
    let names = ["a", "b", "c"];
    for name in names {
        api.apply(&check(&namespace, name, &tcp(backend.port))).expect("applied");
    }
    let ready =
        |name: &str| condition(&object(api, &namespace, name), "Ready").map_or_else(String::new, |(_, reason)| reason);
    // The API server keeps whole seconds: of two that were created within one, it is not the name that decides.
    let refused = until(SOON, "two checks run and one does not", || {
        let reasons = names.map(ready);
        let count = |wanted: &str| reasons.iter().filter(|reason| *reason == wanted).count();
        let refused = names.into_iter().zip(&reasons).find(|(_, reason)| *reason == "LimitExceeded");
        match refused {
            Some((name, _)) if count("Healthy") == 2 => Ok(name),
            _ => Err(format!("{reasons:?}")),
        }
    });
    let stalled = object(api, &namespace, refused);
    assert_eq!(condition(&stalled, "Stalled"), Some(("True".to_owned(), "LimitExceeded".to_owned())));
    let told = format!(
        "metadata.namespace: {namespace} has more checks than the 2 that whoever runs runready allows in one namespace (--max-checks-per-namespace"
    );
    assert!(stalled["status"]["conditions"].to_string().contains(&told), "{}", stalled["status"]);
    assert!(stalled["status"].get("nextProbeTime").is_none(), "{}", stalled["status"]);
    let other = names.into_iter().find(|name| *name != refused).expect("two others");
    api.kubectl(&["delete", "cc", other, "-n", &namespace]).expect("deleted");
    let running = until_ready(api, &namespace, refused, "True", "Healthy");
    assert_eq!(condition(&running, "Stalled"), None, "{running}");
}
