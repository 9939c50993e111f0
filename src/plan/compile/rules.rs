//! The rules in CEL of the kinds' schemas, for the steps of journeys: there the API server does not evaluate them, because it bounds
//! what all rules of a definition may cost together. Pure.

use std::sync::OnceLock;

use kube::core::cel::{CompiledSchema, apply_defaults, compile_schema, validate_compiled};
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::crd::{for_rules, openapi_schema};
use crate::plan::Kind;

/// Where the schema of a probe stands in that of a check.
const PROBE: &str = "/properties/spec/properties/probes/items";

struct Schema {
    openapi: Value,
    rules: CompiledSchema,
}

/// A rule that does not hold.
pub struct Broken {
    /// The field, from the step on: such as http.auth.
    pub field: String,
    /// What to write instead.
    pub message: String,
}

/// The first rule that a step's settings break, which are of that kind.
pub fn broken(kind: Kind, settings: &impl Serialize) -> Option<Broken> {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    let Schema { openapi, rules } = SCHEMA.get_or_init(load);
    let probe = apply_defaults(openapi, &json!({"name": "step", kind.as_str(): settings}));
    let errors = validate_compiled(rules, &for_rules(probe), None).err()?;
    errors.into_iter().next().map(|error| Broken { field: error.field_path, message: error.message })
}

fn load() -> Schema {
    // That it can be made is held by the definition's own test.
    let openapi = openapi_schema().ok().and_then(|schema| schema.pointer(PROBE).cloned()).unwrap_or_default();
    Schema { rules: compile_schema(&openapi), openapi }
}
