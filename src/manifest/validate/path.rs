//! A field's path, such as spec.probes\[0\].name, and what it leads to in an object or in a schema. Pure.

use serde_json::Value;

enum Step<'a> {
    Field(&'a str),
    Item(usize),
}

/// The steps of a path. Our own fields hold neither dots nor brackets in their names.
fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    path.split(['.', '[']).filter(|part| !part.is_empty()).map(|part| match part.strip_suffix(']') {
        Some(index) => index.parse().map_or(Step::Field(part), Step::Item),
        None => Step::Field(part),
    })
}

/// The value at a path, if there is one.
pub fn find<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    steps(path).try_fold(object, |value, step| match step {
        Step::Field(name) => value.get(name),
        Step::Item(index) => value.get(index),
    })
}

/// The schema of the value at a path, if there is one.
pub fn schema<'a>(schema: &'a Value, path: &str) -> Option<&'a Value> {
    steps(path).try_fold(schema, |schema, step| match step {
        Step::Field(name) => schema.get("properties")?.get(name),
        Step::Item(_) => schema.get("items"),
    })
}
