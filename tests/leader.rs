//! Leader election against the real API server: one replica probes and writes at a time, whatever happens to the other.

use std::time::{Duration, Instant};

use kube::config::{KubeConfigOptions, Kubeconfig};
use runready::source::cluster::lease::{Elector, Timing};

use crate::support::apiserver::ApiServer;
use crate::support::backend::Backend;
use crate::support::checks::{SOON, check, install, object, shared, tcp, until_ready};
use crate::support::operator::Operator;
use crate::support::process::Signal;
use crate::support::skip::require;
use crate::support::wait::until;

/// A leader that probes a healthy backend, a follower that stands by, and the backend.
fn leader_and_follower(api: &ApiServer, namespace: &str, args: &[&str]) -> (Operator, Operator, Backend) {
    let first = Operator::probing(&api.kubeconfig(), args);
    let second = Operator::start(&api.kubeconfig(), args);
    second.until_ready("standing by");
    let backend = Backend::start();
    api.apply(&check(namespace, "backend", &tcp(backend.port))).expect("applied");
    until_ready(api, namespace, "backend", "True", "Healthy");
    (first, second, backend)
}

#[test]
fn of_two_replicas_one_probes_and_a_killed_leader_is_replaced() {
    let Some(api) = shared() else { return };
    let namespace = api.namespace("replicas");
    let args = ["--namespace", &namespace, "--leader-elect", "--lease-namespace", &namespace];
    let (first, second, backend) = leader_and_follower(api, &namespace, &args);
    backend.until_accepted(1);
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

#[test]
fn a_leader_that_was_halted_neither_probes_nor_writes_when_it_wakes() {
    let Some(api) = shared() else { return };
    let namespace = api.namespace("halted");
    let args = ["--namespace", &namespace, "--leader-elect", "--lease-namespace", &namespace];
    let (first, second, backend) = leader_and_follower(api, &namespace, &args);
    first.halt();
    second.until_ready("probing");
    backend.until_accepted(1);
    // Nobody else is left, so whoever probes from now on is the first; the lease is not its own for 15 s yet.
    second.stop(Signal::Kill);
    let kept = object(api, &namespace, "backend")["metadata"]["resourceVersion"].clone();
    let counted = backend.made();
    first.go_on();
    until(SOON, "it notices", || match first.get("/readyz") {
        Ok((200, text)) if text.trim() == "standing by" => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(backend.made(), counted, "probed although its lease was taken; its log: {}", first.whole_log());
    let now = object(api, &namespace, "backend")["metadata"]["resourceVersion"].clone();
    assert_eq!(now, kept, "written although its lease was taken");
}

/// Long enough that no second try happens within a test.
const SELDOM: Timing = Timing {
    lease: Duration::from_secs(300),
    renew_deadline: Duration::from_secs(200),
    retry: Duration::from_secs(60),
};

#[tokio::test]
async fn a_lease_keeps_what_others_put_on_it_and_is_given_back_although_it_has_changed() {
    let Some(api) = shared() else { return };
    let namespace = api.namespace("lease");
    let kubeconfig = Kubeconfig::read_from(api.kubeconfig()).expect("a kubeconfig");
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let client = kube::Client::try_from(config.expect("a cluster")).expect("a client");
    let kubectl = |args: &[&str]| api.kubectl(&[&["-n", &namespace], args].concat()).expect("kubectl");
    let holder =
        || kubectl(&["get", "lease", "runready", "-o", "jsonpath={.spec.holderIdentity}/{.metadata.labels.team}"]);
    for identity in ["first", "second"] {
        let elector = Elector::start(client.clone(), &namespace, "runready", identity, SELDOM);
        elector.leading().wait_for(|leading| *leading).await.expect("it leads");
        // From here on its own knowledge of the lease is out of date.
        kubectl(&["label", "--overwrite", "lease", "runready", "team=payments"]);
        assert_eq!(holder(), format!("{identity}/payments"));
        elector.release().await;
        assert_eq!(holder(), "/payments", "{identity} has given it back");
    }
}
