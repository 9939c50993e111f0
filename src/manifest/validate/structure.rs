//! An object and the structural schema in; what does not fit, out, in the API server's words. Pure.
//!
//! Covers what this API's schema uses: type, required, enum, bounds of numbers, strings and lists, and list types.

use serde_json::Value;

use super::Violation;
use crate::manifest::position::join;

/// Removes and reports fields that the schema does not know (strict field validation).
pub fn prune_unknown(value: &mut Value, schema: &Value, violations: &mut Vec<Violation>) {
    prune(value, schema, "", violations);
}

fn prune(value: &mut Value, schema: &Value, path: &str, violations: &mut Vec<Violation>) {
    if schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true)) {
        return;
    }
    match value {
        Value::Array(items) => {
            let Some(schema) = schema.get("items") else { return };
            for (index, item) in items.iter_mut().enumerate() {
                prune(item, schema, &format!("{path}[{index}]"), violations);
            }
        }
        Value::Object(fields) => {
            let properties = schema.get("properties");
            let open = schema.get("additionalProperties").is_some();
            fields.retain(|name, value| {
                let path = join(path, name);
                match properties.and_then(|properties| properties.get(name)) {
                    Some(schema) => {
                        prune(value, schema, &path, violations);
                        true
                    }
                    None if open => true,
                    None => {
                        violations.push(Violation { message: format!("unknown field \"{path}\""), field: path });
                        false
                    }
                }
            });
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Removes fields that are null: no field of this API may be, and the API server takes them for absent.
pub fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Reports what does not fit the schema. Returns whether that leaves the input of the CEL rules in doubt.
pub fn check(object: &Value, schema: &Value, violations: &mut Vec<Violation>) -> bool {
    let mut checker = Checker { violations, blocking: false };
    checker.value(object, schema, "");
    checker.blocking
}

struct Checker<'a> {
    violations: &'a mut Vec<Violation>,
    blocking: bool,
}

impl Checker<'_> {
    fn report(&mut self, path: &str, message: String) {
        self.violations.push(Violation { field: path.to_owned(), message });
    }

    /// Reports a violation after which the API server does not evaluate CEL rules.
    fn block(&mut self, path: &str, message: String) {
        self.blocking = true;
        self.report(path, message);
    }

    fn value(&mut self, value: &Value, schema: &Value, path: &str) {
        if let Some(expected) = schema.get("type").and_then(Value::as_str) {
            let found = type_of(value);
            if found != expected && !(expected == "number" && found == "integer") {
                let message =
                    format!("Invalid value: \"{found}\": {path} in body must be of type {expected}: \"{found}\"");
                return self.block(path, message);
            }
        }
        if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
            && !allowed.contains(value)
        {
            let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
            self.block(path, format!("Unsupported value: {value}: supported values: {}", allowed.join(", ")));
        }
        match value {
            Value::String(text) => self.string(text, schema, path),
            Value::Number(_) => self.number(value, schema, path),
            Value::Array(items) => self.array(items, schema, path),
            Value::Object(_) => self.object(value, schema, path),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn string(&mut self, text: &str, schema: &Value, path: &str) {
        let length = text.chars().count() as u64;
        if let Some(most) = bound(schema, "maxLength").filter(|most| length > *most) {
            self.block(path, format!("Too long: may not be more than {most} bytes"));
        }
        if let Some(least) = bound(schema, "minLength").filter(|least| length < *least) {
            let value = Value::from(text);
            self.report(path, format!("Invalid value: {value}: {path} in body should be at least {least} chars long"));
        }
    }

    fn number(&mut self, value: &Value, schema: &Value, path: &str) {
        let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
        let Some(number) = value.as_f64() else { return };
        if let Some(least) = limit("minimum").filter(|least| number < *least) {
            let message = format!("Invalid value: {value}: {path} in body should be greater than or equal to {least}");
            self.report(path, message);
        }
        if let Some(most) = limit("maximum").filter(|most| number > *most) {
            let message = format!("Invalid value: {value}: {path} in body should be less than or equal to {most}");
            self.report(path, message);
        }
    }

    fn array(&mut self, items: &[Value], schema: &Value, path: &str) {
        let length = items.len() as u64;
        if let Some(most) = bound(schema, "maxItems").filter(|most| length > *most) {
            self.block(path, format!("Too many: {length}: must have at most {most} items"));
        }
        if let Some(least) = bound(schema, "minItems").filter(|least| length < *least) {
            self.report(path, format!("Invalid value: {length}: {path} in body should have at least {least} items"));
        }
        if let Some(schema) = schema.get("items") {
            for (index, item) in items.iter().enumerate() {
                self.value(item, schema, &format!("{path}[{index}]"));
            }
        }
        self.duplicates(items, schema, path);
    }

    fn duplicates(&mut self, items: &[Value], schema: &Value, path: &str) {
        let keys: Vec<Option<Value>> = match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
            Some("set") => items.iter().cloned().map(Some).collect(),
            Some("map") => {
                let names = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
                items.iter().map(|item| key_of(item, names?)).collect()
            }
            Some(_) | None => return,
        };
        for (index, key) in keys.iter().enumerate() {
            // Each value that repeats is reported once, as by the API server.
            let earlier = keys[..index].iter().filter(|other| *other == key).count();
            if let Some(key) = key.as_ref().filter(|_| earlier == 1) {
                self.report(&format!("{path}[{index}]"), format!("Duplicate value: {key}"));
            }
        }
    }

    fn object(&mut self, object: &Value, schema: &Value, path: &str) {
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if object.get(name).is_none() {
                self.block(&join(path, name), "Required value".to_owned());
            }
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, value) in object.as_object().into_iter().flatten() {
            let known = properties.and_then(|properties| properties.get(name));
            if let Some(schema) = known.or_else(|| schema.get("additionalProperties")) {
                self.value(value, schema, &join(path, name));
            }
        }
    }
}

fn key_of(item: &Value, names: &[Value]) -> Option<Value> {
    let field = |name: &Value| Some((name.as_str()?.to_owned(), item.get(name.as_str()?)?.clone()));
    names.iter().map(field).collect::<Option<serde_json::Map<_, _>>>().map(Value::Object)
}

fn bound(schema: &Value, name: &str) -> Option<u64> {
    schema.get(name).and_then(Value::as_u64)
}

/// The type of a value, as OpenAPI names it.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
