//! The controller with exactly the account that the chart gives it: what it may do is enough, each right is needed, and
//! one that is lacking is named.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::apiserver::ApiServer;
use crate::support::helm::{RELEASE, arguments, chart, helm, list, of_kind, only, render};
use crate::support::operator::Operator;
use crate::support::process::tool;
use crate::support::scratch;
use crate::support::skip::require;
use crate::support::wait::until;

const SOON: Duration = Duration::from_secs(60);

/// Answers requests that bear the token with 200 and 503 in turn, so that a check of it never rests; others with 401.
struct Fickle {
    port: u16,
    ended: Arc<AtomicBool>,
}

impl Fickle {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let ended = Arc::new(AtomicBool::new(false));
        let (end, served) = (ended.clone(), AtomicUsize::new(0));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let _ = answer(stream, &served);
            }
        });
        Fickle { port, ended }
    }
}

impl Drop for Fickle {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn answer(mut stream: TcpStream, served: &AtomicUsize) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut knows = false;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        knows |= line.eq_ignore_ascii_case("x-token: open-sesame");
    }
    let even = knows && served.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
    let status = match (knows, even) {
        (false, _) => "401 Unauthorized",
        (true, true) => "200 OK",
        (true, false) => "503 Service Unavailable",
    };
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

/// A check whose every run is a transition, and the Secret that it needs.
fn story(namespace: &str, port: u16) -> [Value; 2] {
    let check = json!({
        "apiVersion": "runready.dev/v1alpha1",
        "kind": "ConnectivityCheck",
        "metadata": {"name": "fickle", "namespace": namespace},
        "spec": {"interval": "1s", "failureThreshold": 1, "probes": [{"name": "endpoint", "http": {
            "url": format!("http://127.0.0.1:{port}/"),
            "headersFromSecret": [{"name": "x-token", "secretRef": {"name": "token", "key": "token"}}],
        }}]},
    });
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "token", "namespace": namespace},
        "stringData": {"token": "open-sesame"},
    });
    [check, secret]
}

/// What runs in the pod, with the chart's arguments and its account, but here.
fn operator(api: &ApiServer, namespace: &str, objects: &[Value]) -> Operator {
    let account = only(objects, "ServiceAccount")["metadata"]["name"].as_str().expect("a name");
    let kubeconfig = api.token_kubeconfig(namespace, account);
    // The address is the test's; the namespace would come from the pod's environment.
    let place = format!("--lease-namespace={namespace}");
    let given: Vec<String> = arguments(objects)
        .into_iter()
        .filter(|argument| argument != "run" && !argument.starts_with("--listen="))
        .chain([place])
        .collect();
    Operator::start(&kubeconfig, &given.iter().map(String::as_str).collect::<Vec<_>>())
}

fn get(api: &ApiServer, resource: &str, namespace: &str) -> Value {
    let text = api.kubectl(&["get", resource, "-n", namespace, "-o", "json"]).expect("kubectl get");
    serde_json::from_str(&text).expect("JSON")
}

/// The whole of the controller's work: it leads, sees the check, reads the Secret, writes statuses, publishes an event and
/// then the series of its repetitions.
fn until_all_works(api: &ApiServer, operator: &Operator, system: &str, namespace: &str, port: u16) {
    operator.until_ready("probing");
    let [check, secret] = story(namespace, port);
    api.apply(&check.to_string()).expect("a check");
    let reason =
        |check: &Value| check.pointer("/status/conditions/0/reason").and_then(Value::as_str).map(str::to_owned);
    until(SOON, "the Secret is missed", || {
        let checks = get(api, "cc", namespace);
        let reasons: Vec<_> = checks["items"].as_array().expect("checks").iter().map(reason).collect();
        if reasons == [Some("SecretNotFound".to_owned())] { Ok(()) } else { Err(checks.to_string()) }
    });
    api.apply(&secret.to_string()).expect("a Secret");
    until(SOON, "an event and its repetition", || {
        let events = get(api, "events.v1.events.k8s.io", namespace);
        let all = events["items"].as_array().expect("events");
        let repeated =
            |event: &&Value| event["reason"] == "StatusUnexpected" && event["series"]["count"].as_i64() >= Some(2);
        if all.iter().any(|event| repeated(&event)) { Ok(()) } else { Err(events.to_string()) }
    });
    let lease = get(api, &format!("lease/{RELEASE}"), system);
    assert!(lease["spec"]["holderIdentity"].is_string(), "{lease}");
    assert_eq!(operator.get("/readyz").expect("readyz"), (200, "probing\n".to_owned()));
    let log = operator.log();
    assert!(!log.contains("forbidden") && !log.contains("may not"), "{log}");
}

/// One verb of one rule: what is taken from the account.
#[derive(Clone, Debug)]
struct Right {
    group: String,
    resource: String,
    verb: String,
}

impl Right {
    /// As the API server says that it is lacking.
    fn refusal(&self) -> String {
        format!("cannot {} resource \"{}\" in API group \"{}\"", self.verb, self.resource, self.group)
    }

    /// As the operator says it.
    fn named(&self) -> String {
        let (resource, subresource) = self.resource.split_once('/').unwrap_or((&self.resource, ""));
        let (dot, slash) =
            (if self.group.is_empty() { "" } else { "." }, if subresource.is_empty() { "" } else { "/" });
        format!("the account may not {} {resource}{dot}{}{slash}{subresource}", self.verb, self.group)
    }
}

fn texts(value: &Value) -> Vec<String> {
    serde_json::from_value(value.clone()).expect("texts")
}

/// Every right that the rendered roles grant.
fn rights(objects: &[Value]) -> Vec<Right> {
    let mut rights = Vec::new();
    for rule in of_kind(objects, "Role").iter().flat_map(|role| role["rules"].as_array().expect("rules")) {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                let right = |verb| Right { group: group.clone(), resource: resource.clone(), verb };
                rights.extend(texts(&rule["verbs"]).into_iter().map(right));
            }
        }
    }
    rights
}

/// The same roles without one right.
fn without(objects: &[Value], right: &Right) -> Vec<Value> {
    let mut objects = objects.to_vec();
    for object in objects.iter_mut().filter(|object| object["kind"] == "Role") {
        let rules = object["rules"].as_array_mut().expect("rules");
        for rule in rules.iter_mut().filter(|rule| {
            texts(&rule["apiGroups"]).contains(&right.group) && texts(&rule["resources"]).contains(&right.resource)
        }) {
            let verbs: Vec<String> = texts(&rule["verbs"]).into_iter().filter(|verb| *verb != right.verb).collect();
            rule["verbs"] = json!(verbs);
        }
        rules.retain(|rule| rule["verbs"] != json!([]));
    }
    objects
}

fn values(namespace: &str) -> String {
    format!("{{replicas: 2, namespaces: [{namespace}], crds: {{install: false}}}}")
}

fn shared() -> Option<&'static ApiServer> {
    require(tool("helm"))?;
    crate::support::checks::shared()
}

/// What the account needs of the release; the rest is of no use without nodes.
fn account(objects: &[Value]) -> Vec<Value> {
    let kinds = ["ServiceAccount", "Role", "RoleBinding"];
    objects.iter().filter(|object| kinds.iter().any(|kind| object["kind"] == *kind)).cloned().collect()
}

#[test]
fn in_one_namespace_the_roles_are_enough() {
    let Some(api) = shared() else { return };
    let (system, namespace) = (api.namespace("chart-system"), api.namespace("chart-watched"));
    let objects = render(&system, &values(&namespace));
    api.apply(&list(&account(&objects))).expect("an account");
    let server = Fickle::start();
    let operator = operator(api, &system, &objects);
    until_all_works(api, &operator, &system, &namespace, server.port);
}

#[test]
fn each_right_is_needed_and_one_that_is_lacking_is_named() {
    let Some(api) = shared() else { return };
    let granted = rights(&render("system", &values("system")));
    assert!(granted.len() >= 11, "{granted:?}");
    std::thread::scope(|scope| {
        for right in granted {
            scope.spawn(move || is_missed(api, &right));
        }
    });
}

fn is_missed(api: &ApiServer, right: &Right) {
    let namespace = api.namespace("chart-lacking");
    let server = Fickle::start();
    let objects = render(&namespace, &values(&namespace));
    let mut applied = without(&account(&objects), right);
    assert_ne!(applied, account(&objects));
    applied.extend(story(&namespace, server.port));
    api.apply(&list(&applied)).expect("an account");
    let operator = operator(api, &namespace, &objects);
    let refusal = right.refusal();
    until(SOON, &format!("{right:?} is missed"), || {
        let log = operator.log().replace('\\', "");
        if log.contains(&refusal) {
            return Ok(());
        }
        let checks = get(api, "cc", &namespace).to_string().replace('\\', "");
        if checks.contains(&refusal) { Ok(()) } else { Err(format!("{log}; {checks}")) }
    });
    until(SOON, &format!("{right:?} is named"), || match operator.get("/readyz") {
        Ok((503, text)) if text.contains(&right.named()) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// A copy of the chart as it might have been: with another description in its CRD.
fn earlier(dir: &std::path::Path) -> String {
    let copy = dir.join("runready");
    crate::support::process::run(&["cp", "-r", &chart().display().to_string(), &copy.display().to_string()])
        .expect("a copy");
    let path = copy.join("files/crds/runready.dev_connectivitychecks.yaml");
    let text = std::fs::read_to_string(&path).expect("the definition");
    let old = text.replace("description: The layer to blame", "description: As it was before");
    assert_ne!(old, text);
    std::fs::write(&path, old).expect("our own copy");
    copy.display().to_string()
}

#[test]
fn a_release_for_the_whole_cluster_works_is_upgraded_with_its_crds_and_leaves_them_behind() {
    let Some(api) = require(ApiServer::launch()) else { return };
    if require(tool("helm")).is_none() {
        return;
    }
    let dir = scratch::dir("helm");
    let (system, namespace) = (api.namespace("system"), api.namespace("elsewhere"));
    let kubeconfig = api.kubeconfig().display().to_string();
    let release = |args: &[&str]| {
        let common = ["--kubeconfig", &kubeconfig, "--namespace", &system];
        helm(&[args, &common].concat(), "{replicas: 2}").unwrap_or_else(|error| panic!("helm {args:?}: {error}"))
    };
    let column = || {
        let crd =
            api.kubectl(&["get", "crd", "connectivitychecks.runready.dev", "-o", "json"]).expect("the definition");
        let crd: Value = serde_json::from_str(&crd).expect("JSON");
        let columns = crd["spec"]["versions"][0]["additionalPrinterColumns"].as_array().cloned().unwrap_or_default();
        columns.iter().find(|column| column["name"] == "Layer").map(|column| column["description"].clone())
    };
    release(&["install", RELEASE, &earlier(dir.path()), "-f", "-"]);
    assert_eq!(column(), Some(json!("As it was before")));
    let said = release(&["upgrade", RELEASE, &chart().display().to_string(), "-f", "-"]);
    assert!(said.contains("kubectl wait --for=condition=Ready"), "the notes: {said}");
    assert_eq!(column(), Some(json!("The layer to blame")));

    let objects = render(&system, "{replicas: 2}");
    let server = Fickle::start();
    let operator = operator(&api, &system, &objects);
    until_all_works(&api, &operator, &system, &namespace, server.port);
    alerts_name_metrics_that_exist(&operator);
    drop(operator);
    people_may_do_what_their_role_says(&api, &namespace);

    release(&["uninstall", RELEASE]);
    assert_eq!(get(&api, "cc", &namespace)["items"].as_array().map(Vec::len), Some(1), "checks outlive the release");
}

/// The cluster's roles for people are put together by a controller.
fn people_may_do_what_their_role_says(api: &ApiServer, namespace: &str) {
    if require(api.start_controller_manager()).is_none() {
        return;
    }
    for (role, verb, allowed) in [("view", "list", true), ("view", "create", false), ("edit", "create", true)] {
        let (binding, role_arg) = (format!("{role}-{verb}"), format!("--clusterrole={role}"));
        let user = format!("--user={binding}");
        api.kubectl(&["create", "rolebinding", &binding, &role_arg, &user, "-n", namespace]).expect("a binding");
        let may = || api.kubectl(&["auth", "can-i", verb, "cc", "--as", &binding, "-n", namespace]);
        if allowed {
            until(SOON, &format!("{role} may {verb} checks"), may);
        } else {
            assert!(may().is_err(), "{role} may {verb} checks");
        }
    }
}

/// An alert on a metric that nobody writes never fires.
fn alerts_name_metrics_that_exist(operator: &Operator) {
    let objects = render("system", "{prometheusRule: {enabled: true}}");
    let rules = only(&objects, "PrometheusRule").pointer("/spec/groups/0/rules").cloned().expect("rules");
    let (_, metrics) = operator.get("/metrics").expect("metrics");
    let names = regex::Regex::new(r"runready_[a-z_]+").expect("a pattern");
    for rule in rules.as_array().expect("a list") {
        let expression = rule["expr"].as_str().expect("an expression");
        let name = names.find(expression).expect("a metric").as_str();
        assert!(
            metrics.lines().any(|line| line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name} "))),
            "{name} is not in {metrics}"
        );
    }
}
