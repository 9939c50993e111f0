//! What has to be said in a merge patch so that a status says no more than it should. Pure.
//!
//! Server-side apply removes what it no longer names, but only what it owns: a status that was once written by a merge patch
//! has another owner. A merge patch removes nothing that it does not name at all.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use schemars::SchemaGenerator;
use serde_json::{Map, Value};

use crate::api::ConnectivityCheckStatus;
use crate::api::condition::ConditionType;

/// The fields of a status.
static FIELDS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let schema = SchemaGenerator::default().into_root_schema_for::<ConnectivityCheckStatus>();
    let fields = schema.get("properties").and_then(Value::as_object);
    fields.into_iter().flat_map(Map::keys).cloned().collect()
});

/// A status as a merge patch: with null for each field that it does not have.
pub fn whole(status: &Value) -> Value {
    let value = |field: &String| (field.clone(), status.get(field).cloned().unwrap_or(Value::Null));
    Value::Object(FIELDS.iter().map(value).collect())
}

/// The merge patch that removes what an apply of `sent` has left in what was `returned`: conditions and fields of ours that it
/// does not name. None when nothing is left.
pub fn left_over(sent: &Value, returned: &Value) -> Option<Value> {
    let conditions = |status: &Value| status["conditions"].as_array().cloned().unwrap_or_default();
    let named: Vec<Value> = conditions(sent).into_iter().map(|condition| condition["type"].clone()).collect();
    let stale = |condition: &Value| {
        let ours = condition["type"].as_str().and_then(ConditionType::from_name).is_some();
        ours && !named.contains(&condition["type"])
    };
    let (removed, kept): (Vec<Value>, Vec<Value>) = conditions(returned).into_iter().partition(stale);
    let gone = |field: &&String| sent.get(field).is_none() && returned.get(field).is_some();
    let mut patch: Map<String, Value> = FIELDS.iter().filter(gone).map(|field| (field.clone(), Value::Null)).collect();
    if !removed.is_empty() {
        patch.insert("conditions".to_owned(), Value::Array(kept));
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_merge_patch_names_every_field() {
        let patch = whole(&json!({"observedGeneration": 2}));
        assert_eq!(patch["observedGeneration"], 2);
        for field in ["conditions", "verdict", "latency", "probes", "lastProbeTime", "nextProbeTime"] {
            assert_eq!(patch.get(field), Some(&Value::Null), "{field} in {patch}");
        }
    }

    #[test]
    fn what_an_apply_leaves_of_ours_is_removed_and_what_is_another_s_stays() {
        let sent = json!({"conditions": [{"type": "Ready"}], "latency": "1ms"});
        assert_eq!(left_over(&sent, &sent), None);
        let foreign = json!({"conditions": [{"type": "Ready"}, {"type": "Approved"}], "latency": "1ms", "note": 1});
        assert_eq!(left_over(&sent, &foreign), None);
        let stale =
            json!({"conditions": [{"type": "Ready"}, {"type": "Stalled"}, {"type": "Approved"}], "verdict": {}});
        let patch = left_over(&sent, &stale).expect("something is left");
        assert_eq!(patch, json!({"conditions": [{"type": "Ready"}, {"type": "Approved"}], "verdict": null}));
    }
}
