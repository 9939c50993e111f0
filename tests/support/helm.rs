//! Runs Helm on the chart: lint, render, and whatever else. Returns what the chart renders to as JSON, one value per
//! object.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use super::process::{run_with_input, tool};

/// The release that the tests render.
pub const RELEASE: &str = "runready";

/// The chart.
pub fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/runready")
}

/// Runs Helm with something on its standard input; its standard output, or all that it said.
pub fn helm(args: &[&str], input: &str) -> Result<String, String> {
    let mut command = Command::new(tool("helm")?);
    // Nothing that a person has configured, and no cluster but the one that the arguments name.
    command.env("HELM_NO_PLUGINS", "1").env_remove("KUBECONFIG").args(args);
    run_with_input(&mut command, input)
}

/// What the chart renders to, as text, with these values (YAML) and the release in this namespace.
pub fn template(namespace: &str, values: &str) -> Result<String, String> {
    let chart = chart().display().to_string();
    // Helm compares the chart's kubeVersion with a version that it was built with, unless told.
    helm(&["template", RELEASE, &chart, "--namespace", namespace, "--kube-version", "1.36.0", "-f", "-"], values)
}

/// What the chart renders to.
pub fn render(namespace: &str, values: &str) -> Vec<Value> {
    let text = template(namespace, values).unwrap_or_else(|error| panic!("{values}: {error}"));
    serde_yaml::Deserializer::from_str(&text)
        .map(|document| Value::deserialize(document).expect("YAML"))
        .filter(|object| !object.is_null())
        .collect()
}

/// The objects of a kind.
pub fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// The only object of a kind.
#[track_caller]
pub fn only<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    match of_kind(objects, kind)[..] {
        [object] => object,
        ref other => panic!("{} objects of kind {kind}", other.len()),
    }
}

/// Arguments of the operator's container.
pub fn arguments(objects: &[Value]) -> Vec<String> {
    let container = only(objects, "Deployment").pointer("/spec/template/spec/containers/0/args");
    serde_json::from_value(container.expect("arguments").clone()).expect("texts")
}

/// The objects as one text for kubectl.
pub fn list(objects: &[Value]) -> String {
    serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()
}
