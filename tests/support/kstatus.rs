//! The published rules of kstatus (sigs.k8s.io/cli-utils, pkg/kstatus) for resources of a kind it does not know: from the
//! object to one word. Pure.

use runready::api::ConnectivityCheckStatus;
use serde_json::{Value, json};

/// What kstatus makes of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kstatus {
    /// It is on its way.
    InProgress,
    /// It has given up.
    Failed,
    /// It is as it should be.
    Current,
    /// It is being deleted.
    Terminating,
}

/// What kstatus makes of that status at that generation.
pub fn kstatus(generation: i64, status: &ConnectivityCheckStatus) -> Kstatus {
    kstatus_of(&json!({"metadata": {"generation": generation}, "status": status}))
}

/// Applies the rules in their order: deletion, observedGeneration, Reconciling and Stalled as they come, Ready.
pub fn kstatus_of(object: &Value) -> Kstatus {
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        return Kstatus::Terminating;
    }
    let number = |pointer| object.pointer(pointer).and_then(Value::as_i64);
    let observed = number("/status/observedGeneration");
    if observed.is_some_and(|observed| number("/metadata/generation").is_some_and(|declared| declared != observed)) {
        return Kstatus::InProgress;
    }
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    for condition in conditions.into_iter().flatten() {
        match (condition["type"].as_str(), condition["status"].as_str()) {
            (Some("Reconciling"), Some("True")) => return Kstatus::InProgress,
            (Some("Stalled"), Some("True")) => return Kstatus::Failed,
            (_, _) => {}
        }
    }
    let ready = conditions.into_iter().flatten().find(|condition| condition["type"] == "Ready");
    match ready.and_then(|condition| condition["status"].as_str()) {
        // Ready=False alone does not mean that it has given up.
        Some("False" | "Unknown") => Kstatus::InProgress,
        Some(_) | None => Kstatus::Current,
    }
}
