//! The CustomResourceDefinition, generated from the types of the API. Takes nothing, returns the definition; no I/O.
//!
//! The derived schema is tightened where the derive macro has no say: a default for `status` (so that kstatus reads a new
//! object as in progress), no `nullable`, integer formats that Kubernetes knows, and a default where the type has one.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Map, Value, json};

use super::ConnectivityCheck;

/// Why the definition can't be made. Only a defect of the types can cause it.
#[derive(Debug, thiserror::Error)]
#[error("the CustomResourceDefinition can't be generated from the types of the API (a defect): {0}")]
pub struct CrdError(#[from] serde_json::Error);

/// The CustomResourceDefinition `connectivitychecks.runready.dev`.
pub fn crd() -> Result<CustomResourceDefinition, CrdError> {
    Ok(serde_json::from_value(definition()?)?)
}

/// The OpenAPI v3 schema of a whole `ConnectivityCheck`.
pub fn openapi_schema() -> Result<Value, CrdError> {
    let mut definition = definition()?;
    Ok(definition.pointer_mut(SCHEMA).map(Value::take).unwrap_or_default())
}

const SCHEMA: &str = "/spec/versions/0/schema/openAPIV3Schema";

fn definition() -> Result<Value, CrdError> {
    let mut definition = serde_json::to_value(ConnectivityCheck::crd())?;
    if let Some(schema) = definition.pointer_mut(SCHEMA) {
        tighten(schema);
        if let Some(status) = schema.pointer_mut("/properties/status").and_then(Value::as_object_mut) {
            status.insert("default".to_owned(), json!({"observedGeneration": -1}));
        }
    }
    Ok(definition)
}

/// Walks the schema and mends what the derive macro leaves behind.
fn tighten(schema: &mut Value) {
    let Value::Object(node) = schema else { return };
    // An optional field is absent, never null.
    node.remove("nullable");
    mend_format(node);
    for key in ["items", "additionalProperties"] {
        if let Some(child) = node.get_mut(key) {
            tighten(child);
        }
    }
    if let Some(Value::Object(properties)) = node.get_mut("properties") {
        properties.values_mut().for_each(tighten);
    }
}

/// Kubernetes knows the formats int32 and int64; the unsigned ones are of Rust.
fn mend_format(node: &mut Map<String, Value>) {
    if let Some(format) = node.get_mut("format") {
        match format.as_str() {
            Some("uint8" | "uint16" | "uint32") => *format = json!("int32"),
            Some("uint64") => *format = json!("int64"),
            Some(_) | None => {}
        }
    }
}
/// An object as kube's evaluation of the schema's rules can read it: duration() of CEL there does not know the sign for micro, which
/// the API server's does (Go's time.ParseDuration).
pub fn for_rules(object: Value) -> Value {
    match object {
        Value::String(text) if text.contains("µs") => Value::String(text.replace("µs", "us")),
        Value::Array(items) => items.into_iter().map(for_rules).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, for_rules(value))).collect(),
        other => other,
    }
}
