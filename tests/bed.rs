//! Tries the test bed itself: that the API server, and the ways to wait and to skip, do what tests rely on them for.

use std::panic::catch_unwind;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Api;

use crate::support::apiserver::ApiServer;
use crate::support::cluster::client_from;
use crate::support::process::{Process, Signal};
use crate::support::scratch;
use crate::support::skip::{judge, require};
use crate::support::wait::{until, until_async};

const WIDGETS: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.bed.runready.dev}
spec:
  group: bed.runready.dev
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

const READER: &str = r#"
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader}]
"#;

fn said(panic: Box<dyn std::any::Any + Send>) -> String {
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn a_missing_part_skips_or_fails() {
    let mut out = Vec::new();
    assert_eq!(judge(Ok(1), true, &mut out), Some(1));
    assert_eq!(judge::<()>(Err("no root".to_owned()), false, &mut out), None);
    let test = "bed::a_missing_part_skips_or_fails";
    assert_eq!(String::from_utf8(out).expect("text"), format!("skipped: {test}: no root\n"));
    let panic = catch_unwind(|| judge::<()>(Err("no root".to_owned()), true, &mut Vec::new())).expect_err("strict");
    assert!(said(panic).contains("no root"));
}

#[test]
fn waiting_tells_what_it_waited_for_and_saw() {
    let mut left = 3;
    let count = until(Duration::from_secs(5), "three tries", || {
        left -= 1;
        if left == 0 { Ok("done") } else { Err(left) }
    });
    assert_eq!(count, "done");
    let panic = catch_unwind(|| until::<(), _>(Duration::ZERO, "the impossible", || Err("a closed door")));
    let text = said(panic.expect_err("a panic"));
    assert!(text.contains("the impossible") && text.contains("a closed door"), "{text}");
}

#[tokio::test]
async fn waiting_cuts_an_attempt_that_hangs() {
    let task = tokio::spawn(until_async(Duration::from_millis(50), "an answer", || async {
        std::future::pending::<Result<(), &str>>().await
    }));
    let panic = task.await.expect_err("a panic").into_panic();
    assert!(said(panic).contains("the first attempt hangs"));
}

#[tokio::test]
async fn the_api_server_serves_new_resources() {
    let Some(api) = require(ApiServer::shared()) else {
        return;
    };
    api.install_crds(WIDGETS);
    let namespace = api.namespace("widgets");
    let widget =
        format!("{{apiVersion: bed.runready.dev/v1, kind: Widget, metadata: {{name: one, namespace: {namespace}}}}}");
    api.apply(&widget).expect("a widget");
    let listed = api.kubectl(&["get", "widgets", "-n", &namespace, "-o", "name"]).expect("a list");
    assert_eq!(listed.trim(), "widget.bed.runready.dev/one");
    let refusal =
        api.apply("{apiVersion: bed.runready.dev/v1, kind: Gadget, metadata: {name: one}}").expect_err("no such kind");
    assert!(refusal.contains("no matches for kind"), "{refusal}");
}

#[tokio::test]
async fn a_service_account_may_do_what_its_role_says() {
    let Some(api) = require(ApiServer::shared()) else {
        return;
    };
    let namespace = api.namespace("reader");
    let kubeconfig = api.kubeconfig();
    api.kubectl_as(&kubeconfig, &["apply", "-n", &namespace, "-f", "-"], READER).expect("a role");
    let reader = client_from(&api.token_kubeconfig(&namespace, "reader")).await;
    let maps: Api<ConfigMap> = Api::namespaced(reader.clone(), &namespace);
    until_async(Duration::from_secs(10), "the role to count", || async { maps.list(&Default::default()).await }).await;
    let refused = Api::<Namespace>::all(reader).list(&Default::default()).await.expect_err("not in the role");
    assert!(refused.to_string().contains("forbidden"), "{refused}");
}

#[tokio::test]
async fn requests_are_counted() {
    let Some(api) = require(ApiServer::shared()) else {
        return;
    };
    let key = ("LIST".to_owned(), "limitranges".to_owned(), String::new());
    let count = || api.request_counts().get(&key).copied().unwrap_or(0);
    let before = count();
    for _ in 0..3 {
        api.kubectl(&["get", "limitranges", "-n", "default"]).expect("a list");
    }
    assert_eq!(count() - before, 3);
}

#[tokio::test]
async fn a_restarted_api_server_keeps_its_data_and_address() {
    let Some(api) = require(ApiServer::launch()) else {
        return;
    };
    api.kubectl(&["create", "configmap", "kept", "-n", "default"]).expect("a config map");
    let maps: Api<ConfigMap> = Api::namespaced(api.client().await, "default");
    maps.get("kept").await.expect("the config map");
    api.stop();
    maps.get("kept").await.expect_err("a stopped API server");
    api.start();
    until_async(Duration::from_secs(10), "the same client to read it again", || maps.get("kept")).await;
}

#[tokio::test]
async fn controllers_run_when_asked() {
    let Some(api) = require(ApiServer::launch()) else {
        return;
    };
    let Some(()) = require(api.start_controller_manager()) else { return };
    let namespace = api.namespace("controlled");
    until(Duration::from_secs(60), "the namespace's default service account", || {
        api.kubectl(&["get", "serviceaccount", "default", "-n", &namespace])
    });
}

#[test]
fn children_can_be_asked_to_end() {
    let dir = scratch::dir("child");
    let log = dir.path().join("log");
    let script = "trap 'echo asked; exit' TERM; echo ready; while :; do read -rt 1 <> <(:); done";
    let mut child = Process::spawn(&[], Signal::Kill, &[], &["bash", "-c", script], &log).expect("a shell");
    until(Duration::from_secs(10), "the shell to get ready", || {
        assert!(child.ended().is_none());
        Some(child.log_tail()).filter(|said| said.contains("ready")).ok_or("silence")
    });
    child.stop(Signal::Term);
    assert!(std::fs::read_to_string(&log).expect("the log").contains("asked"));
}
