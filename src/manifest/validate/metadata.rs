//! An object's metadata in; what the API server would refuse in it, out. Pure.
//!
//! Names are held to RFC 1123 before anything else uses them: the folder source makes file names of them.

use serde_json::{Value, json};

use super::Violation;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/// The schema of `metadata`: the fields of `metav1.ObjectMeta`.
pub fn schema() -> Value {
    let map = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let any = json!({"x-kubernetes-preserve-unknown-fields": true});
    json!({
        "type": "object",
        "properties": {
            "name": {"type": "string"}, "generateName": {"type": "string"}, "namespace": {"type": "string"},
            "labels": map, "annotations": map, "finalizers": any, "ownerReferences": any, "managedFields": any,
            "uid": any, "resourceVersion": any, "generation": any, "selfLink": any, "creationTimestamp": any,
            "deletionTimestamp": any, "deletionGracePeriodSeconds": any,
        },
    })
}

/// Reports what is wrong with the names in `metadata`.
pub fn check(object: &Value, violations: &mut Vec<Violation>) {
    let text = |field: &str| object.pointer(&format!("/metadata/{field}")).and_then(Value::as_str).unwrap_or_default();
    let (name, namespace) = (text("name"), text("namespace"));
    let mut report = |field: &str, message: String| {
        violations.push(Violation { field: format!("metadata.{field}"), message });
    };
    if name.is_empty() {
        report("name", "Required value: name or generateName is required".to_owned());
    } else if !name.split('.').all(is_label) {
        report("name", format!("Invalid value: {name:?}: {SUBDOMAIN}"));
    } else if !is_object_name(name) {
        report("name", format!("Invalid value: {name:?}: must be no more than 253 characters"));
    }
    if !namespace.is_empty() && !is_namespace(namespace) {
        report("namespace", format!("Invalid value: {namespace:?}: {LABEL}"));
    }
}

/// Whether this can be the name of an object (RFC 1123 subdomain).
pub fn is_object_name(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}

/// Whether this can be the name of a namespace (RFC 1123 label).
pub fn is_namespace(name: &str) -> bool {
    name.len() <= 63 && is_label(name)
}

fn is_label(label: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.chars().all(inner)
}
