//! Secrets of a cluster: awaited by watch, used as soon as they change, read in the check's own namespace alone, and never shown.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::apiserver::ApiServer;
use crate::support::backend::{Backend, Recorder, holds};
use crate::support::checks::{SOON, check, condition, object, shared, until_ready};
use crate::support::operator::Operator;
use crate::support::wait::until;

/// A check whose HTTP probe sends a Secret's value, beside a TCP probe that needs none.
fn spec(recorder: &Recorder, backend: &Backend) -> String {
    format!(
        "{{interval: 1s, probes: [{{name: web, http: {{url: \"http://127.0.0.1:{}/\", headersFromSecret: [{{name: Authorization, \
         secretRef: {{name: token, key: value}}}}]}}}}, {{name: port, tcp: {{host: 127.0.0.1, port: {}}}}}]}}",
        recorder.port, backend.port
    )
}

fn secret(api: &ApiServer, namespace: &str, key: &str, value: &str) {
    let yaml = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: token, namespace: {namespace}}}\nstringData: {{{key}: {value}}}\n"
    );
    // Applied without client-side bookkeeping: no annotation may hold the value.
    api.kubectl_as(&api.kubeconfig(), &["apply", "--server-side", "--force-conflicts", "-f", "-"], &yaml)
        .expect("a Secret");
}

fn stalled_because(api: &ApiServer, namespace: &str, reason: &str) -> Value {
    let wanted = Some(("True".to_owned(), reason.to_owned()));
    until(SOON, &format!("Stalled because of {reason}"), || {
        let object = object(api, namespace, "backend");
        if condition(&object, "Stalled") == wanted { Ok(object) } else { Err(object["status"].to_string()) }
    })
}

#[test]
fn a_missing_secret_is_awaited_by_watch_and_stops_no_other_probe() {
    let Some(api) = shared() else { return };
    let namespace = api.namespace("secret");
    let _operator = Operator::probing(&api.kubeconfig(), &["--namespace", &namespace]);
    let (recorder, backend) = (Recorder::start(), Backend::start());
    api.apply(&check(&namespace, "backend", &spec(&recorder, &backend))).expect("applied");

    let stalled = stalled_because(api, &namespace, "SecretNotFound");
    assert_eq!(condition(&stalled, "Ready"), Some(("Unknown".to_owned(), "SecretNotFound".to_owned())));
    let message = stalled["status"]["conditions"][1]["message"].as_str().expect("a message");
    let wanted =
        "spec.probes[0].http.headersFromSecret[0].secretRef: Secret \"token\" does not exist in this namespace";
    assert!(message.starts_with(wanted), "{message}");
    backend.until_accepted(2);
    assert!(recorder.requests().is_empty(), "without its Secret the probe can't be carried out");

    secret(api, &namespace, "other", "x");
    let stalled = stalled_because(api, &namespace, "SecretKeyMissing");
    let message = stalled["status"]["conditions"][1]["message"].as_str().expect("a message");
    assert!(message.contains("has no key \"value\"; it has: other"), "{message}");

    secret(api, &namespace, "value", "first");
    until(Duration::from_secs(2), "a request with the value of the new Secret", || {
        if recorder.last_holds("first") { Ok(()) } else { Err(recorder.requests().len()) }
    });
    let ready = until_ready(api, &namespace, "backend", "True", "Healthy");
    assert_eq!(condition(&ready, "Stalled"), None);

    api.kubectl(&["delete", "secret", "token", "-n", &namespace]).expect("deleted");
    stalled_because(api, &namespace, "SecretNotFound");
    secret(api, &namespace, "value", "again");
    until(Duration::from_secs(2), "a request with the value of the Secret created anew", || {
        if recorder.last_holds("again") { Ok(()) } else { Err(recorder.requests().len()) }
    });
}

#[test]
fn a_rotated_secret_is_used_at_the_next_probe() {
    let Some(api) = shared() else { return };
    let namespace = api.namespace("rotated");
    let _operator = Operator::probing(&api.kubeconfig(), &["--namespace", &namespace]);
    let (recorder, backend) = (Recorder::start(), Backend::start());
    secret(api, &namespace, "value", "before");
    api.apply(&check(&namespace, "backend", &spec(&recorder, &backend))).expect("applied");
    let healthy = until_ready(api, &namespace, "backend", "True", "Healthy");
    secret(api, &namespace, "value", "afterwards");
    until(Duration::from_secs(2), "a request with the new value", || {
        if recorder.last_holds("afterwards") { Ok(()) } else { Err(recorder.requests().len()) }
    });
    backend.until_accepted(2);
    let requests = recorder.requests();
    let first = requests.iter().position(|request| holds(request, "afterwards")).expect("seen just now");
    assert!(requests[first..].iter().all(|request| !holds(request, "before")), "the old value is never sent again");
    let now = object(api, &namespace, "backend");
    let since = |object: &Value| object.pointer("/status/conditions/0/lastTransitionTime").cloned();
    assert_eq!(since(&now), since(&healthy), "Ready all the time");
}

#[test]
fn a_change_of_a_secret_is_no_reason_to_probe_before_it_is_due() {
    let Some(api) = shared() else { return };
    let namespace = api.namespace("annotated");
    let operator = Operator::probing(&api.kubeconfig(), &["--namespace", &namespace]);
    let (recorder, backend) = (Recorder::start(), Backend::start());
    secret(api, &namespace, "value", "before");
    let hourly = spec(&recorder, &backend).replace("interval: 1s", "interval: 1h");
    api.apply(&check(&namespace, "backend", &hourly)).expect("applied");
    until_ready(api, &namespace, "backend", "True", "Healthy");
    api.kubectl(&["annotate", "secret", "token", "-n", &namespace, "note=x"]).expect("annotated");
    secret(api, &namespace, "value", "afterwards");
    // A missing Secret of a later check shows that the watch has brought everything before it.
    let later = hourly.replace("name: token", "name: later");
    api.apply(&check(&namespace, "later", &later)).expect("applied");
    until_ready(api, &namespace, "later", "Unknown", "SecretNotFound");
    let yaml = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: later, namespace: {namespace}}}\nstringData: {{value: later}}\n"
    );
    api.apply(&yaml).expect("a Secret");
    until_ready(api, &namespace, "later", "True", "Healthy");
    let requests = recorder.requests();
    assert_eq!(requests.len(), 2, "one for each check; the operator's log: {}", operator.log());
    assert!(holds(&requests[0], "before") && holds(&requests[1], "later"));
}

#[test]
fn a_secret_of_another_namespace_is_out_of_reach() {
    let Some(api) = shared() else { return };
    let (own, other) = (api.namespace("own"), api.namespace("other"));
    let _operator = Operator::probing(&api.kubeconfig(), &["--namespace", &own, "--namespace", &other]);
    let (recorder, backend) = (Recorder::start(), Backend::start());
    secret(api, &other, "value", "not-for-you");
    api.apply(&check(&own, "backend", &spec(&recorder, &backend))).expect("applied");
    stalled_because(api, &own, "SecretNotFound");
    backend.until_accepted(2);
    assert!(recorder.requests().is_empty());
}

#[test]
fn no_value_of_a_secret_is_ever_shown() {
    let Some(api) = shared() else { return };
    let namespace = api.namespace("shown");
    let kubeconfig = format!("KUBECONFIG={}", api.kubeconfig().display());
    let args = ["--namespace", &namespace, "--log-format", "json"];
    let operator = Operator::launch(&[&kubeconfig, "RUST_LOG=debug"], &args);
    let (recorder, backend) = (Recorder::start(), Backend::start());
    // The second one can't be sent as a header: the refusal must not quote it.
    let values = ["s3cr3t-of-the-first", "\"s3cr3t-of-\\nthe-second\""];
    secret(api, &namespace, "value", values[0]);
    api.apply(&check(&namespace, "backend", &spec(&recorder, &backend))).expect("applied");
    until_ready(api, &namespace, "backend", "True", "Healthy");
    assert!(recorder.last_holds(values[0]), "it is used");
    secret(api, &namespace, "value", values[1]);
    stalled_because(api, &namespace, "InvalidSpec");

    let everything = [
        ("the check", api.kubectl(&["get", "cc", "-n", &namespace, "-o", "yaml"]).expect("checks")),
        ("events", api.kubectl(&["get", "events.v1.events.k8s.io", "-n", &namespace, "-o", "yaml"]).expect("events")),
        ("metrics", operator.get("/metrics").expect("metrics").1),
        ("the log", operator.whole_log()),
    ];
    for (place, text) in everything {
        assert!(!text.is_empty(), "{place}");
        for value in ["s3cr3t", &STANDARD.encode("s3cr3t-of-the-first")] {
            assert!(!text.contains(value), "{value} is shown in {place}: {text}");
        }
    }
}
