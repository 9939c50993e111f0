//! The controller against the real API server: what a person sees with kubectl, and how it behaves when things go wrong.

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use runready::api::crd::crd;
use serde_json::Value;

use crate::support::apiserver::ApiServer;
use crate::support::operator::Operator;
use crate::support::process::Signal;
use crate::support::skip::require;
use crate::support::wait::until;

const SOON: Duration = Duration::from_secs(20);

/// A listener that counts connections and keeps them open.
struct Backend {
    port: u16,
    accepted: Arc<AtomicUsize>,
    ended: Arc<std::sync::atomic::AtomicBool>,
}

impl Backend {
    fn start() -> Self {
        Self::listen(TcpListener::bind(("127.0.0.1", 0)).expect("a port"))
    }

    fn listen(listener: TcpListener) -> Self {
        let port = listener.local_addr().expect("an address").port();
        let accepted = Arc::new(AtomicUsize::new(0));
        let ended = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (count, end) = (accepted.clone(), ended.clone());
        std::thread::spawn(move || {
            let mut open: Vec<TcpStream> = Vec::new();
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                count.fetch_add(1, Ordering::SeqCst);
                open.extend(stream);
            }
        });
        Backend { port, accepted, ended }
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Stops listening: from now on the port refuses.
    fn stop(&self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        until(SOON, "the port refuses", || match TcpStream::connect(("127.0.0.1", self.port)) {
            Err(_) => Ok(()),
            Ok(_) => Err("it accepts"),
        });
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn shared() -> Option<&'static ApiServer> {
    static INSTALLED: Once = Once::new();
    let api = require(ApiServer::shared())?;
    INSTALLED.call_once(|| install(api));
    Some(api)
}

fn install(api: &ApiServer) {
    api.install_crds(&serde_yaml::to_string(&crd().expect("a definition")).expect("YAML"));
}

fn check(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: runready.dev/v1alpha1\nkind: ConnectivityCheck\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n"
    )
}

fn tcp(port: u16) -> String {
    format!("{{interval: 1s, probes: [{{name: backend, tcp: {{host: 127.0.0.1, port: {port}}}}}]}}")
}

fn object(api: &ApiServer, namespace: &str, name: &str) -> Value {
    let text = api.kubectl(&["get", "cc", name, "-n", namespace, "-o", "json"]).expect("kubectl get");
    serde_json::from_str(&text).expect("JSON")
}

/// Status and reason of a condition.
fn condition(object: &Value, name: &str) -> Option<(String, String)> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let condition = conditions.iter().find(|condition| condition["type"] == name)?;
    Some((condition["status"].as_str()?.to_owned(), condition["reason"].as_str()?.to_owned()))
}

fn until_ready(api: &ApiServer, namespace: &str, name: &str, status: &str, reason: &str) -> Value {
    let wanted = Some((status.to_owned(), reason.to_owned()));
    until(SOON, &format!("{name} has Ready={status} because of {reason}"), || {
        let object = object(api, namespace, name);
        if condition(&object, "Ready") == wanted { Ok(object) } else { Err(object["status"].to_string()) }
    })
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
    let header: Vec<&str> = table.lines().next().expect("a header").split_whitespace().collect();
    assert_eq!(header, ["NAME", "READY", "VERDICT", "LAYER", "LATENCY", "LAST", "PROBE", "AGE"], "{table}");
    assert!(table.contains("Healthy"), "{table}");

    let port = backend.port;
    backend.stop();
    let broken = until_ready(api, &namespace, "backend", "False", "ConnectionRefused");
    let verdict = &broken["status"]["verdict"];
    assert_eq!(verdict["layer"], "Application", "{verdict}");
    assert!(verdict["remedy"].as_str().is_some_and(|remedy| remedy.contains("listens")), "{verdict}");
    assert_eq!(broken["status"]["observedGeneration"], broken["metadata"]["generation"]);

    let _again = Backend::listen(TcpListener::bind(("127.0.0.1", port)).expect("the port again"));
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
    let counted = backend.accepted();
    let deadline = Instant::now() + Duration::from_millis(2500);
    while Instant::now() < deadline {
        assert_eq!(backend.accepted(), counted, "a deleted check is still probed");
        std::thread::yield_now();
    }
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
    api.install_crds(&serde_yaml::to_string(&strict).expect("YAML"));
    let backend = Backend::start();
    let _operator = Operator::probing(&api.kubeconfig(), &[]);
    until(SOON, "the strict CRD is in force", || api.apply(&check(&namespace, "backend", &tcp(backend.port))));
    until_ready(&api, &namespace, "backend", "True", "Healthy");
    until(SOON, "people hear of both, although the API server takes no status for them", || {
        let events = api.kubectl(&["get", "events.v1.events.k8s.io", "-n", &namespace]).expect("events");
        let told = |name: &str| events.lines().any(|line| line.contains("InvalidSpec") && line.contains(name));
        if told("hopeless") && told("odd") { Ok(()) } else { Err(events) }
    });
}

#[test]
fn of_two_replicas_one_probes_and_a_killed_leader_is_replaced() {
    let Some(api) = shared() else { return };
    let namespace = api.namespace("replicas");
    let args = ["--namespace", &namespace, "--leader-elect", "--lease-namespace", &namespace];
    let first = Operator::probing(&api.kubeconfig(), &args);
    let second = Operator::start(&api.kubeconfig(), &args);
    second.until_ready("standing by");
    let backend = Backend::start();
    api.apply(&check(&namespace, "backend", &tcp(backend.port))).expect("applied");
    until_ready(api, &namespace, "backend", "True", "Healthy");
    let counted = backend.accepted();
    let since = Instant::now();
    until(SOON, "five more probes", || if backend.accepted() >= counted + 5 { Ok(()) } else { Err("no") });
    assert!(since.elapsed() > Duration::from_millis(3900), "two replicas probe at once");
    let killed = Instant::now();
    first.stop(Signal::Kill);
    until(Duration::from_secs(20), "the second replica probes", || match second.get("/readyz") {
        Ok((200, text)) if text.trim() == "probing" => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert!(killed.elapsed() > Duration::from_secs(10), "it may not take a lease that has not run out");
    let third = Operator::start(&api.kubeconfig(), &args);
    third.until_ready("standing by");
    let released = Instant::now();
    second.stop(Signal::Term);
    third.until_ready("probing");
    assert!(
        released.elapsed() < Duration::from_secs(8),
        "a released lease is taken at once, not after {:?}",
        released.elapsed()
    );
}

#[test]
fn a_leader_cut_off_from_the_api_server_stops_before_its_lease_runs_out() {
    let Some(api) = require(ApiServer::launch()) else { return };
    install(&api);
    let namespace = api.namespace("cut");
    let operator = Operator::probing(&api.kubeconfig(), &["--leader-elect", "--lease-namespace", &namespace]);
    let backend = Backend::start();
    api.apply(&check(&namespace, "backend", &tcp(backend.port))).expect("applied");
    until_ready(&api, &namespace, "backend", "True", "Healthy");
    api.stop();
    let cut = Instant::now();
    until(Duration::from_secs(15), "it steps down", || match operator.get("/readyz") {
        Ok((200, text)) if text.trim() == "standing by" => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert!(cut.elapsed() < Duration::from_secs(13), "its lease would run out soon: {:?}", cut.elapsed());
    let counted = backend.accepted();
    api.start();
    operator.until_ready("probing");
    until(SOON, "it probes again", || if backend.accepted() > counted { Ok(()) } else { Err("no") });
}
