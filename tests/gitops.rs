//! How GitOps tools read a check: kstatus by its published rules, Argo CD by the health script of examples/gitops in a real
//! Lua, Flux by the expressions of examples/gitops. The statuses are those of the real state machine.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use cel::{Context, Program, Value as CelValue};
use runready::api::{Cause, Stage};
use runready::engine::{CheckState, Effect, Event, Now, Settings, Start};
use runready::evidence::{Evidence, Failure, Outcome};
use runready::plan::{self, CheckId, Secrets};
use serde_json::{Value, json};

use crate::support::apiserver::ApiServer;
use crate::support::kstatus::{Kstatus, kstatus_of};
use crate::support::process::run_with_input;
use crate::support::skip::require;

const ONE: &str = "{interval: 10s, timeout: 5s, probes: [{name: database, tcp: {host: 10.0.0.1, port: 5432}}]}";
const SUSPENDED: &str =
    "{suspend: true, interval: 10s, timeout: 5s, probes: [{name: database, tcp: {host: 10.0.0.1, port: 5432}}]}";
const NO_SECRET: &str = "{interval: 10s, timeout: 5s, probes: [{name: database, postgres: \
    {host: 10.0.0.1, database: app, user: app, passwordSecretRef: {name: db, key: password}}}]}";

/// What a tool makes of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Healthy,
    Progressing,
    Degraded,
    Suspended,
}

/// A check in some situation, and how each tool has to read it.
struct Case {
    when: &'static str,
    object: Value,
    kstatus: Kstatus,
    argo: Health,
    flux: Kstatus,
}

fn case(when: &'static str, object: Value, kstatus: Kstatus, argo: Health, flux: Kstatus) -> Case {
    Case { when, object, kstatus, argo, flux }
}

/// The object of generation 2 after these runs of its one probe, as the state machine leaves it.
fn lived(spec: &str, runs: &[Outcome]) -> Value {
    let parsed: Value = serde_yaml::from_str(spec).expect("YAML");
    let plan = plan::compile(
        CheckId::new("staging", "backend"),
        "uid-1".into(),
        2,
        &serde_json::from_value(parsed.clone()).expect("a spec"),
        &Secrets::default(),
    );
    let settings = Settings::new("host/test".into());
    let mut now = Now { mono: Duration::ZERO, wall: "2026-01-01T00:00:00Z".parse().expect("a time") };
    let mut effects = Vec::new();
    let mut state = CheckState::start(Arc::new(plan), None, Start::AtOnce, now, &settings, &mut effects);
    for outcome in runs {
        let started = |effect: &Effect| if let Effect::Observe { run, .. } = effect { Some(*run) } else { None };
        while !effects.iter().any(|effect| started(effect).is_some()) {
            now.mono += Duration::from_secs(1);
            state.step(Event::Due, now, &settings, &mut effects);
        }
        let run = effects.iter().find_map(started).expect("a run");
        effects.clear();
        let evidence = Evidence {
            probe: 0,
            vantage: "host/test".into(),
            outcome: outcome.clone(),
            start: Duration::ZERO,
            latency: Duration::from_millis(3),
            stages: Vec::new(),
            steps: Vec::new(),
            addresses: Vec::new(),
            facts: Vec::new(),
        };
        state.step(Event::Observed { run, evidence: vec![evidence] }, now, &settings, &mut effects);
    }
    object(&parsed, json!(state.status(now, &settings)))
}

fn object(spec: &Value, status: Value) -> Value {
    json!({
        "apiVersion": "runready.dev/v1alpha1",
        "kind": "ConnectivityCheck",
        "metadata": {"name": "backend", "namespace": "staging", "generation": 2},
        "spec": spec,
        "status": status,
    })
}

fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    object.pointer_mut(parent).expect("a parent")[key] = value;
    object
}

fn cases() -> Vec<Case> {
    use Health::{Degraded, Healthy, Progressing, Suspended};
    use Kstatus::{Current, Failed, InProgress, Terminating};
    let spec = serde_yaml::from_str(ONE).expect("YAML");
    let timeout = || Outcome::Failed(Failure::new(Cause::ConnectTimeout, Stage::Connect, "no answer within 5s"));
    let slow = Outcome::Degraded(Failure::new(Cause::LatencyExceeded, Stage::Connect, "3ms is more than 1ms"));
    let ours = || Outcome::Unknown(Failure::new(Cause::ProberError, Stage::Connect, "no sockets left"));
    let healthy = || lived(ONE, &[Outcome::Passed]);
    vec![
        case(
            "it was just created",
            object(&spec, json!({"observedGeneration": -1})),
            InProgress,
            Progressing,
            InProgress,
        ),
        case("it is observed for the first time", lived(ONE, &[]), InProgress, Progressing, InProgress),
        case("it is healthy", healthy(), Current, Healthy, Current),
        case("it is slow", lived(ONE, &[slow.clone(), slow]), Current, Healthy, Current),
        case("its first failure is not confirmed", lived(ONE, &[timeout()]), InProgress, Progressing, InProgress),
        case("it fails", lived(ONE, &[timeout(), timeout()]), InProgress, Degraded, Failed),
        case("one failure after success", lived(ONE, &[Outcome::Passed, timeout()]), Current, Healthy, Current),
        case("it is restored", lived(ONE, &[timeout(), timeout(), Outcome::Passed]), Current, Healthy, Current),
        case("it can't be told", lived(ONE, &[ours(), ours()]), InProgress, Progressing, InProgress),
        case("its Secret is missing, not run yet", lived(NO_SECRET, &[]), InProgress, Progressing, InProgress),
        case("its Secret is missing", lived(NO_SECRET, &[no_secret()]), Failed, Degraded, Failed),
        case("it is suspended", lived(SUSPENDED, &[]), InProgress, Suspended, Current),
        case(
            "it was healthy, and its spec has changed",
            with(healthy(), "/metadata/generation", json!(3)),
            InProgress,
            Progressing,
            InProgress,
        ),
        case(
            "it failed, and its spec has changed",
            with(lived(ONE, &[timeout(), timeout()]), "/metadata/generation", json!(3)),
            InProgress,
            Progressing,
            InProgress,
        ),
        // Argo CD and Flux judge an object that is being deleted before they ask a script or an expression.
        case(
            "it is being deleted",
            with(healthy(), "/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z")),
            Terminating,
            Healthy,
            Current,
        ),
    ]
}

fn no_secret() -> Outcome {
    Outcome::Unknown(Failure::before_start(Cause::SecretNotFound, "there is no Secret db"))
}

fn example(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gitops").join(name);
    let text = std::fs::read_to_string(path).expect("an example");
    let documents = serde_yaml::Deserializer::from_str(&text);
    documents.map(|document| serde::Deserialize::deserialize(document).expect("YAML")).collect()
}

#[test]
fn kstatus_reads_every_situation_of_a_check() {
    for case in cases() {
        assert_eq!(kstatus_of(&case.object), case.kstatus, "when {}: {:#}", case.when, case.object);
    }
}

#[test]
fn kstatus_takes_reconciling_and_stalled_in_the_order_of_the_conditions() {
    let both = lived(NO_SECRET, &[]);
    let types: Vec<&str> = conditions(&both).iter().filter_map(|condition| condition["type"].as_str()).collect();
    assert_eq!(types[..3], ["Ready", "Reconciling", "Stalled"], "the order of the status");
    let mut turned = both.clone();
    turned["status"]["conditions"].as_array_mut().expect("conditions").reverse();
    assert_eq!((kstatus_of(&both), kstatus_of(&turned)), (Kstatus::InProgress, Kstatus::Failed));
}

fn conditions(object: &Value) -> &Vec<Value> {
    object["status"]["conditions"].as_array().expect("conditions")
}

/// A value as a Lua expression. Argo CD leaves out nulls, and so do statuses.
fn lua(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => {
            let bytes: String = text.bytes().map(|byte| format!("\\{byte:03}")).collect();
            format!("\"{bytes}\"")
        }
        Value::Array(items) => format!("{{{}}}", items.iter().map(lua).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| format!("[{}] = {}", lua(&json!(name)), lua(value));
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
    }
}

/// Runs the script as Argo CD does: in Lua 5.1, with `obj` and the basic functions, without I/O and the string library.
fn argo(script: &str, object: &Value) -> (String, String) {
    let program = format!(
        "local function health()\n{script}\nend\n\
         setfenv(health, {{obj = {}, ipairs = ipairs, pairs = pairs, type = type, tostring = tostring}})\n\
         local hs = health()\nio.write(hs.status, '\\n', hs.message)\n",
        lua(object)
    );
    let said = run_with_input(Command::new("lua5.1").arg("-"), &program).unwrap_or_else(|error| panic!("{error}"));
    let (status, message) = said.split_once('\n').expect("a status and a message");
    (status.to_owned(), message.to_owned())
}

#[test]
fn argo_cd_reads_every_situation_of_a_check() {
    let there = Command::new("lua5.1").arg("-v").output();
    let Some(_) = require(there.map_err(|error| format!("there is no lua5.1 ({error}): run tests/setup"))) else {
        return;
    };
    let config = &example("argocd-health.yaml")[0];
    let script = config["data"]["resource.customizations.health.runready.dev_ConnectivityCheck"].as_str();
    let script = script.expect("the key that Argo CD looks for");
    for case in cases() {
        let (status, message) = argo(script, &case.object);
        assert_eq!(status, format!("{:?}", case.argo), "when {}: {message}: {:#}", case.when, case.object);
        assert!(!message.is_empty(), "when {}", case.when);
    }
    let bare = json!({"metadata": {"generation": 1}, "spec": {}});
    assert_eq!(argo(script, &bare).0, "Progressing", "without any status");
    let failing = cases().into_iter().find(|case| case.when == "it fails").expect("the case");
    let ready = conditions(&failing.object)[0]["message"].as_str().expect("a message");
    assert_eq!(argo(script, &failing.object).1, ready, "Argo CD shows what was found and what to do next");
}

#[test]
fn the_health_check_is_merged_into_the_config_of_argo_cd_as_the_page_says() {
    let Some(api) = require(ApiServer::shared()) else { return };
    let kubectl = |line: &str| api.kubectl(&line.split(' ').collect::<Vec<_>>()).expect("kubectl");
    kubectl("create namespace argocd");
    kubectl("create configmap argocd-cm -n argocd --from-literal=url=https://argocd.example.com");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gitops/argocd-health.yaml");
    kubectl(&format!("patch configmap argocd-cm -n argocd --patch-file {}", file.display()));
    let config: Value = serde_json::from_str(&kubectl("get configmap argocd-cm -n argocd -o json")).expect("JSON");
    let keys: Vec<&String> = config["data"].as_object().expect("data").keys().collect();
    assert_eq!(keys, ["resource.customizations.health.runready.dev_ConnectivityCheck", "url"]);
}

/// One of the expressions, evaluated with the object's fields as variables, as Flux does.
fn holds(expression: &str, object: &Value) -> bool {
    let program = Program::compile(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
    let mut context = Context::default();
    for (name, value) in object.as_object().expect("an object") {
        context.add_variable(name.as_str(), value).expect("a variable");
    }
    match program.execute(&context) {
        Ok(CelValue::Bool(holds)) => holds,
        other => panic!("{expression}: {other:?}"),
    }
}

/// Flux' order: observedGeneration, then inProgress, failed, current; otherwise in progress.
fn flux(expressions: &Value, object: &Value) -> Kstatus {
    if object["status"]["observedGeneration"] != object["metadata"]["generation"] {
        return Kstatus::InProgress;
    }
    let order = [("inProgress", Kstatus::InProgress), ("failed", Kstatus::Failed), ("current", Kstatus::Current)];
    let holds = |name: &str| holds(expressions[name].as_str().expect("an expression"), object);
    order.into_iter().find(|(name, _)| holds(name)).map_or(Kstatus::InProgress, |(_, status)| status)
}

#[test]
fn flux_reads_every_situation_of_a_check() {
    let kustomization = &example("flux.yaml")[0];
    let expressions = &kustomization["spec"]["healthCheckExprs"][0];
    assert_eq!(
        (expressions["apiVersion"].as_str(), expressions["kind"].as_str()),
        (Some("runready.dev/v1alpha1"), Some("ConnectivityCheck"))
    );
    for case in cases() {
        assert_eq!(flux(expressions, &case.object), case.flux, "when {}: {:#}", case.when, case.object);
    }
}

#[test]
fn the_page_shows_the_expressions_that_are_tested() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/gitops.md")).expect("the page");
    let block = page.split("```yaml\n").find(|block| block.starts_with("healthCheckExprs:")).expect("the block");
    let shown: Value = serde_yaml::from_str(block.split("```").next().expect("its text")).expect("YAML");
    assert_eq!(shown["healthCheckExprs"], example("flux.yaml")[0]["spec"]["healthCheckExprs"]);
}
