//! A ConnectivityCheck as JSON in; the same with defaults, and what the API server would refuse it for, out. Pure.
//!
//! The order is the API server's: unknown fields (strict field validation), nulls dropped and defaults set, metadata, the
//! structural schema, the list types, and the CEL rules; these only if no fault of the structure leaves their input in doubt.
//! Where the API server stops at the first of these steps that fails, this goes on, so that one run shows every fault.

mod metadata;
mod path;
mod structure;

use std::sync::OnceLock;

use kube::core::cel::{CompiledSchema, ErrorKind, apply_defaults, compile_schema, validate_compiled};
use serde_json::{Value, json};

use crate::api::crd::{for_rules, openapi_schema};

pub use metadata::{is_namespace, is_object_name};

/// One reason for which the API server would refuse the object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The field's path, such as spec.probes\[0\].tcp.port.
    pub field: String,
    /// The API server's message.
    pub message: String,
}

struct Schema {
    openapi: Value,
    rules: CompiledSchema,
}

/// Validates an object of apiVersion runready.dev/v1alpha1 and kind ConnectivityCheck.
pub fn validate(mut object: Value) -> (Value, Vec<Violation>) {
    static SCHEMA: OnceLock<Result<Schema, String>> = OnceLock::new();
    let schema = match SCHEMA.get_or_init(load) {
        Ok(schema) => schema,
        Err(defect) => return (object, vec![Violation { field: String::new(), message: defect.clone() }]),
    };
    let mut violations = Vec::new();
    structure::prune_unknown(&mut object, &schema.openapi, &mut violations);
    structure::drop_nulls(&mut object);
    let object = apply_defaults(&schema.openapi, &object);
    metadata::check(&object, &mut violations);
    let blocking = structure::check(&object, &schema.openapi, &mut violations);
    if !blocking {
        violations.extend(broken_rules(schema, &object));
    }
    (object, violations)
}

fn load() -> Result<Schema, String> {
    let mut openapi = openapi_schema().map_err(|error| error.to_string())?;
    // The status is runready's own, whoever wrote it into a manifest: the API server ignores it there.
    if let Some(properties) = openapi.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("status".to_owned(), json!({"x-kubernetes-preserve-unknown-fields": true}));
        properties.insert("metadata".to_owned(), metadata::schema());
        properties.insert("apiVersion".to_owned(), json!({"type": "string"}));
        properties.insert("kind".to_owned(), json!({"type": "string"}));
    }
    let rules = compile_schema(&openapi);
    Ok(Schema { openapi, rules })
}

/// The CEL rules that do not hold, in the API server's words.
fn broken_rules(schema: &Schema, object: &Value) -> Vec<Violation> {
    let Err(errors) = validate_compiled(&schema.rules, &for_rules(object.clone()), None) else { return Vec::new() };
    let violation = |error: kube::core::cel::ValidationError| {
        let detail = match error.kind {
            ErrorKind::ValidationFailure => error.message,
            // A rule that can't be evaluated: the API server refuses the object, too.
            _ => format!("{} evaluating rule: {}", error.message, error.rule),
        };
        // The API server shows the value of a scalar that carries the rule itself, and no other.
        let own_value =
            path::find(object, &error.field_path).filter(|value| !value.is_object() && !value.is_array()).filter(
                |_| path::schema(&schema.openapi, &error.field_path).is_some_and(|node| has_rule(node, &error.rule)),
            );
        let message = match own_value {
            Some(value) => format!("Invalid value: {}: {detail}", without_user(value)),
            None => format!("Invalid value: {detail}"),
        };
        Violation { field: error.field_path, message }
    };
    errors.into_iter().map(violation).collect()
}

/// A value as it may be shown: what may be a user and password before a host is left out, because a log keeps what is said. What
/// was refused need not be a URL: everything up to the last @ is taken for that.
fn without_user(value: &Value) -> Value {
    let shown = |text: &str| {
        let (before, after) = text.rsplit_once('@')?;
        let scheme = before.find("://").map_or(0, |at| at + "://".len());
        let has_user = scheme > 0 || before.contains(':');
        has_user.then(|| format!("{}***@{after}", &before[..scheme]))
    };
    value.as_str().and_then(shown).map_or_else(|| value.clone(), Value::String)
}

fn has_rule(schema: &Value, rule: &str) -> bool {
    let rules = schema.get("x-kubernetes-validations").and_then(Value::as_array);
    rules.is_some_and(|rules| rules.iter().any(|entry| entry.get("rule").and_then(Value::as_str) == Some(rule)))
}
