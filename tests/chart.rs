//! The Helm chart: what it renders to, which values it refuses, and that the API server takes all of it.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Parser;
use runready::cli::Cli;
use serde_json::{Value, json};

use crate::support::apiserver::ApiServer;
use crate::support::helm::{arguments, chart, helm, list, of_kind, only, render, template};
use crate::support::process::tool;
use crate::support::skip::require;

/// Objects that only a Prometheus Operator's CRDs make known to the API server.
const MONITORING: [&str; 2] = ["ServiceMonitor", "PrometheusRule"];

/// Values of which each turns something on, or off.
const VARIANTS: [&str; 8] = [
    "{}",
    "{replicas: 2}",
    "{namespaces: [default, kube-public], replicas: 2, crds: {install: false}}",
    "{networkPolicy: {enabled: false}, podDisruptionBudget: {enabled: false}, crds: {keep: false}, rbac: {aggregate: false}}",
    "{networkPolicy: {from: [{namespaceSelector: {}}], egress: [{ports: [{port: 53, protocol: UDP}]}, {to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}}",
    "{serviceMonitor: {enabled: true, scrapeTimeout: 10s, labels: {a: b}}, prometheusRule: {enabled: true, alertLabels: {a: b}}}",
    "{serviceAccount: {create: false, name: mine}, rbac: {create: false}, image: {repository: 'example/runready', digest: 'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}}",
    "{replicas: 3, fullnameOverride: probes, vantage: 'the edge', extraEnv: [{name: RUST_LOG, value: debug}, {name: TOKEN, valueFrom: {secretKeyRef: {name: otlp, key: token}}}],
      podLabels: {a: b}, podAnnotations: {a: b}, commonLabels: {team: a}, imagePullSecrets: [{name: pull}], priorityClassName: system-cluster-critical,
      nodeSelector: {a: b}, tolerations: [{operator: Exists}], affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchExpressions: [{key: a, operator: Exists}]}}]}},
      topologySpreadConstraints: [{maxSkew: 2, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule}], service: {labels: {a: b}, annotations: {a: b}}, serviceAccount: {annotations: {a: b}},
      podDisruptionBudget: {maxUnavailable: 50%}, port: 9000, listenAddress: '[::]', heartbeat: 1m30s, logFormat: text,
      targets: {allowCidrs: [10.0.0.0/8, 'fd00::/8'], denyCidrs: [10.9.0.1], allowPorts: [5432, 8000-8100], denyPorts: ['8042'], allowLinkLocal: true, socketDirs: [/cloudsql, /run/mysqld]},
      google: {inspect: 'off', endpoint: 'https://10.0.0.8', cloudSqlEndpoint: 'https://10.0.0.9', credentials: anonymous}}",
];

fn helm_is_here() -> bool {
    require(tool("helm")).is_some()
}

fn kinds(objects: &[Value]) -> BTreeSet<&str> {
    objects.iter().filter_map(|object| object["kind"].as_str()).collect()
}

fn pod(objects: &[Value]) -> &Value {
    only(objects, "Deployment").pointer("/spec/template").expect("a pod")
}

#[test]
fn what_may_be_probed_reaches_the_command_line_and_is_taken_there() {
    if !helm_is_here() {
        return;
    }
    let values = VARIANTS.last().expect("variants");
    let objects = render("system", values);
    let args: Vec<String> =
        serde_json::from_value(pod(&objects)["spec"]["containers"][0]["args"].clone()).expect("args");
    for expected in [
        "--target-allow-cidrs=fd00::/8",
        "--target-deny-cidrs=10.9.0.1",
        "--target-allow-ports=5432",
        "--target-allow-ports=8000-8100",
        "--target-deny-ports=8042",
        "--allow-link-local",
        "--socket-dirs=/run/mysqld",
        "--cloud-sql-endpoint=https://10.0.0.9",
        "--google-credentials=anonymous",
        "--google-endpoint=https://10.0.0.8",
        "--inspect=off",
    ] {
        assert!(args.iter().any(|arg| arg == expected), "{expected}: {args:?}");
    }
    let words = ["runready".to_owned()].into_iter().chain(args);
    assert!(Cli::try_parse_from(words).is_ok(), "the command line takes what the chart gives it");
}

#[test]
fn lint_has_nothing_to_say_whatever_the_values() {
    if !helm_is_here() {
        return;
    }
    for values in VARIANTS {
        helm(&["lint", "--strict", "--quiet", &chart().display().to_string(), "-f", "-"], values).expect(values);
    }
}

/// Helm writes 1000.0 as 1000; to the API server both are one number.
fn with_plain_numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(with_plain_numbers).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), with_plain_numbers(value))).collect(),
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

#[test]
fn its_crds_are_those_of_the_repository_and_survive_the_release() {
    if !helm_is_here() {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |folder: &Path| -> BTreeSet<_> {
        let entries = std::fs::read_dir(folder).expect("a folder");
        entries.map(|entry| entry.expect("an entry").file_name()).collect()
    };
    let (ours, copies) = (root.join("crds"), chart().join("files/crds"));
    assert_eq!(names(&ours), names(&copies));
    for name in names(&ours) {
        let read = |folder: &Path| std::fs::read_to_string(folder.join(&name)).expect("a file");
        assert_eq!(read(&ours), read(&copies), "cp crds/*.yaml charts/runready/files/crds/");
        let declared: Value = serde_yaml::from_str(&read(&ours)).expect("YAML");
        let objects = render("system", "{}");
        let rendered = only(&objects, "CustomResourceDefinition");
        assert_eq!(with_plain_numbers(&rendered["spec"]), with_plain_numbers(&declared["spec"]));
        assert_eq!(rendered["metadata"]["name"], declared["metadata"]["name"]);
        assert_eq!(rendered["metadata"]["annotations"], json!({"helm.sh/resource-policy": "keep"}));
    }
    let objects = render("system", "{crds: {keep: false}}");
    assert!(only(&objects, "CustomResourceDefinition")["metadata"].get("annotations").is_none());
    assert!(of_kind(&render("system", "{crds: {install: false}}"), "CustomResourceDefinition").is_empty());
}

#[test]
fn the_chart_and_the_program_have_one_version_and_the_schema_knows_the_values_alone() {
    let read = |name: &str| std::fs::read_to_string(chart().join(name)).expect("a file of the chart");
    let about: Value = serde_yaml::from_str(&read("Chart.yaml")).expect("YAML");
    assert_eq!(about["appVersion"], env!("CARGO_PKG_VERSION"));
    let text = read("values.yaml");
    let values: Value = serde_yaml::from_str(&text).expect("YAML");
    let schema: Value = serde_json::from_str(&read("values.schema.json")).expect("JSON");
    let keys = |value: &Value| -> BTreeSet<String> { value.as_object().expect("an object").keys().cloned().collect() };
    let mut known = keys(&schema["properties"]);
    assert!(known.remove("global"));
    assert_eq!(known, keys(&values));
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| line.ends_with(|end| end != '#')) {
        let indent = line.len() - line.trim_start().len();
        let is_value = !line.trim_start().starts_with('#') && line.contains(": ") && indent <= 2;
        // The resources' own fields are Kubernetes'.
        if is_value {
            assert!(lines[index - 1].trim_start().starts_with('#'), "{line} has no comment");
        }
    }
}

#[test]
fn the_pod_is_confined_and_is_told_who_it_is() {
    if !helm_is_here() {
        return;
    }
    let objects = render("system", "{}");
    let pod = pod(&objects);
    let container = &pod["spec"]["containers"][0];
    assert_eq!(
        pod["spec"]["securityContext"],
        json!({"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}})
    );
    assert_eq!(
        container["securityContext"],
        json!({
            "allowPrivilegeEscalation": false, "privileged": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}
        })
    );
    let path = |probe: &str| container[probe]["httpGet"]["path"].clone();
    assert_eq!(
        [path("startupProbe"), path("livenessProbe"), path("readinessProbe")],
        ["/healthz", "/healthz", "/readyz"]
    );
    let named: Vec<_> = container["env"].as_array().expect("a list").iter().map(|env| env["name"].clone()).collect();
    assert_eq!(named, ["POD_NAME", "POD_NAMESPACE"]);
    assert_eq!(
        arguments(&objects),
        [
            "run",
            "--listen=0.0.0.0:8080",
            "--log-format=json",
            "--heartbeat=5m",
            "--max-load-rate=1000",
            "--max-load-concurrency=100",
            "--max-load-window=5m",
            "--max-loads-at-once=2",
            "--max-checks-per-namespace=500",
            "--max-probes-per-second-per-namespace=200",
            "--max-loads-per-namespace=4"
        ]
    );
    assert_eq!(container["image"], concat!("runready:", env!("CARGO_PKG_VERSION")));
    assert!(container["resources"]["requests"]["memory"].is_string());
}

#[test]
fn several_replicas_elect_a_leader_and_one_is_never_two() {
    if !helm_is_here() {
        return;
    }
    let one = render("system", "{}");
    assert!(of_kind(&one, "Role").is_empty() && of_kind(&one, "PodDisruptionBudget").is_empty());
    assert_eq!(only(&one, "Deployment")["spec"]["strategy"], json!({"type": "Recreate"}));
    let two = render("system", "{replicas: 2}");
    assert!(arguments(&two).ends_with(&["--leader-elect".to_owned(), "--lease-name=runready".to_owned()]));
    assert_eq!(only(&two, "Role")["metadata"]["namespace"], "system");
    assert_eq!(only(&two, "PodDisruptionBudget")["spec"]["maxUnavailable"], 1);
    assert_eq!(pod(&two)["spec"]["topologySpreadConstraints"][0]["topologyKey"], "kubernetes.io/hostname");
}

#[test]
fn with_namespaces_nothing_is_cluster_wide() {
    if !helm_is_here() {
        return;
    }
    let objects = render("system", "{namespaces: [a, b], replicas: 2, crds: {install: false}}");
    assert!(objects.iter().all(|object| object["metadata"]["namespace"].is_string()), "{:?}", kinds(&objects));
    assert!(kinds(&objects).is_disjoint(&BTreeSet::from(["ClusterRole", "ClusterRoleBinding"])));
    for kind in ["Role", "RoleBinding"] {
        let places: Vec<_> = of_kind(&objects, kind).iter().map(|role| role["metadata"]["namespace"].clone()).collect();
        assert_eq!(places, ["a", "b", "system"], "the last one for the Lease");
    }
    let watched: Vec<_> =
        arguments(&objects).into_iter().filter(|argument| argument.starts_with("--namespace=")).collect();
    assert_eq!(watched, ["--namespace=a", "--namespace=b"]);
    let everywhere = render("system", "{}");
    assert_eq!(of_kind(&everywhere, "ClusterRole").len(), 3, "the operator's, and two for people");
}

#[test]
fn values_appear_where_they_belong() {
    if !helm_is_here() {
        return;
    }
    let table: [(&str, &str, &str, Value); 10] = [
        (
            "{networkPolicy: {from: [{podSelector: {}}]}}",
            "NetworkPolicy",
            "/spec/ingress/0/from/0",
            json!({"podSelector": {}}),
        ),
        ("{}", "NetworkPolicy", "/spec/policyTypes", json!(["Ingress"])),
        ("{networkPolicy: {egress: [{}]}}", "NetworkPolicy", "/spec/policyTypes", json!(["Ingress", "Egress"])),
        (
            "{extraEnv: [{name: RUST_LOG, value: debug}]}",
            "Deployment",
            "/spec/template/spec/containers/0/env/2/value",
            json!("debug"),
        ),
        (
            "{image: {digest: 'sha256:00112233445566778899aabbccddeeff'}}",
            "Deployment",
            "/spec/template/spec/containers/0/image",
            json!("runready@sha256:00112233445566778899aabbccddeeff"),
        ),
        ("{port: 9000}", "Deployment", "/spec/template/spec/containers/0/ports/0/containerPort", json!(9000)),
        ("{serviceAccount: {name: mine}}", "Deployment", "/spec/template/spec/serviceAccountName", json!("mine")),
        (
            "{serviceAccount: {name: mine}}",
            "ClusterRoleBinding",
            "/subjects/0",
            json!({"kind": "ServiceAccount", "name": "mine", "namespace": "system"}),
        ),
        ("{serviceMonitor: {enabled: true}}", "ServiceMonitor", "/spec/endpoints/0/honorLabels", json!(true)),
        (
            "{prometheusRule: {enabled: true}}",
            "PrometheusRule",
            "/spec/groups/0/rules/0/alert",
            json!("RunreadyCheckNotReady"),
        ),
    ];
    for (values, kind, pointer, wanted) in table {
        let objects = render("system", values);
        assert_eq!(only(&objects, kind).pointer(pointer), Some(&wanted), "{values}: {pointer} of the {kind}");
    }
    let off = render(
        "system",
        "{networkPolicy: {enabled: false}, serviceAccount: {create: false}, rbac: {create: false, aggregate: false}}",
    );
    assert_eq!(kinds(&off), BTreeSet::from(["CustomResourceDefinition", "Deployment", "Service"]));
}

#[test]
fn the_schema_refuses_what_the_chart_does_not_know() {
    if !helm_is_here() {
        return;
    }
    for (values, place) in [
        ("{replica: 2}", "replica"),
        ("{replicas: -1}", "/replicas"),
        ("{replicas: two}", "/replicas"),
        ("{port: 80}", "/port"),
        ("{heartbeat: 5 minutes}", "/heartbeat"),
        ("{namespaces: [a, a]}", "/namespaces"),
        ("{namespaces: [A_b]}", "/namespaces/0"),
        ("{namespaces: staging}", "/namespaces"),
        ("{targets: {allowCidrs: [everywhere]}}", "/targets/allowCidrs/0"),
        ("{targets: {denyPorts: [0]}}", "/targets/denyPorts/0"),
        ("{targets: {socketDirs: [cloudsql]}}", "/targets/socketDirs/0"),
        ("{google: {credentials: mine}}", "/google/credentials"),
        ("{google: {inspect: on}}", "/google/inspect"),
        ("{google: {endpoint: googleapis.com}}", "/google/endpoint"),
        ("{google: {cloudSqlEndpoint: sqladmin}}", "/google/cloudSqlEndpoint"),
        ("{targets: {allow: []}}", "/targets"),
        ("{runAsUser: 0}", "/runAsUser"),
        ("{logFormat: xml}", "/logFormat"),
        ("{image: {repo: a}}", "/image"),
        ("{image: {pullPolicy: Sometimes}}", "/image/pullPolicy"),
        ("{crds: {install: 'yes'}}", "/crds/install"),
        ("{rbac: {clusterWide: true}}", "/rbac"),
        ("{podLabels: {app.kubernetes.io/name: other}}", "app.kubernetes.io/name"),
        ("{extraEnv: [{value: nameless}]}", "/extraEnv/0"),
        ("{networkPolicy: {ingress: []}}", "/networkPolicy"),
        ("{podDisruptionBudget: {maxUnavailable: 0}}", "/podDisruptionBudget/maxUnavailable"),
        ("{serviceMonitor: {interval: often}}", "/serviceMonitor/interval"),
        ("{prometheusRule: {maxScheduleLagSeconds: 0}}", "/prometheusRule/maxScheduleLagSeconds"),
    ] {
        let said = template("system", values).expect_err(values);
        assert!(said.contains(place), "{values} should be refused at {place}: {said}");
    }
}

#[test]
fn the_api_server_takes_every_variant_and_the_pod_is_restricted() {
    let Some(api) = require(ApiServer::shared()) else { return };
    if !helm_is_here() {
        return;
    }
    let namespace = api.namespace("chart");
    let restricted = "pod-security.kubernetes.io/enforce=restricted";
    api.kubectl(&["label", "namespace", &namespace, restricted]).expect("a label");
    for values in VARIANTS {
        let mut objects = render(&namespace, values);
        objects.retain(|object| !MONITORING.iter().any(|kind| object["kind"] == *kind));
        let args = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];
        let taken =
            api.kubectl_as(&api.kubeconfig(), &args, &list(&objects)).unwrap_or_else(|e| panic!("{values}: {e}"));
        assert_eq!(taken.lines().count(), objects.len(), "{taken}");
        // The pod itself, because a Deployment is let through with a warning. Its account is not there.
        let mut pod = pod(&objects).clone();
        pod["apiVersion"] = json!("v1");
        pod["kind"] = json!("Pod");
        pod["metadata"]["name"] = json!("pod");
        pod["metadata"]["namespace"] = json!(namespace);
        pod["spec"]["serviceAccountName"] = json!("default");
        api.kubectl_as(&api.kubeconfig(), &["apply", "-f", "-"], &account(&namespace)).expect("an account");
        api.kubectl_as(&api.kubeconfig(), &args, &pod.to_string()).unwrap_or_else(|e| panic!("{values}: {e}"));
    }
}

/// The account that a controller manager would make in each namespace.
fn account(namespace: &str) -> String {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}})
        .to_string()
}
