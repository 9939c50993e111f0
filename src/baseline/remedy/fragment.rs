//! Fragments of declarations: what is to be set in, YAML or HCL out. Pure.

use heck::ToSnakeCase;
use serde_json::{Map, Value, json};

/// Sets a value at a path such as spec.template.vpcAccess or interfaces[].network (`[]`: a list of one entry).
pub fn set(root: &mut Value, path: &str, value: Value) {
    let Some((first, rest)) = path.split_once('.') else {
        if let Value::Object(map) = root {
            map.insert(path.to_owned(), value);
        }
        return;
    };
    let Value::Object(map) = root else { return };
    let empty = || Value::Object(Map::new());
    match first.strip_suffix("[]") {
        None => set(map.entry(first).or_insert_with(empty), rest, value),
        Some(list) => {
            let entries = map.entry(list).or_insert_with(|| Value::Array(vec![empty()]));
            if let Some(entry) = entries.as_array_mut().and_then(|entries| entries.first_mut()) {
                set(entry, rest, value);
            }
        }
    }
}

/// The same with keys as Terraform writes them.
pub fn snake(value: Value) -> Value {
    match value {
        Value::Object(map) => map.into_iter().map(|(key, value)| (key.to_snake_case(), snake(value))).collect(),
        Value::Array(entries) => entries.into_iter().map(snake).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

/// A resource of Config Connector.
pub fn yaml(api_version: &str, kind: &str, name: &str, spec: &Value) -> Option<String> {
    let object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec});
    serde_yaml::to_string(&object).ok()
}

/// A resource of Terraform: what is to be set in its body, as `terraform fmt` would lay it out.
pub fn hcl(kind: &str, name: &str, body: &Value) -> String {
    let mut out = format!("resource \"{kind}\" \"{}\" {{\n", identifier(name));
    if let Value::Object(map) = body {
        write_body(map, 1, &mut out);
    }
    out.push_str("}\n");
    out
}

/// Attributes first, aligned; then blocks.
fn write_body(map: &Map<String, Value>, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    let is_block = |value: &Value| match value {
        Value::Object(_) => true,
        Value::Array(entries) => entries.iter().any(Value::is_object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    let attributes = || map.iter().filter(|(_, value)| !is_block(value));
    let width = attributes().map(|(key, _)| key.len()).max().unwrap_or(0);
    for (key, value) in attributes() {
        out.push_str(&format!("{indent}{key:width$} = {}\n", literal(value)));
    }
    for (index, (key, value)) in map.iter().filter(|(_, value)| is_block(value)).enumerate() {
        if index > 0 || width > 0 {
            out.push('\n');
        }
        let entries: Vec<&Value> = match value {
            Value::Array(entries) => entries.iter().collect(),
            one => vec![one],
        };
        for entry in entries.into_iter().filter_map(Value::as_object) {
            out.push_str(&format!("{indent}{key} {{\n"));
            write_body(entry, depth + 1, out);
            out.push_str(&format!("{indent}}}\n"));
        }
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => text_literal(text),
        Value::Array(entries) => format!("[{}]", entries.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// A quoted template of HCL in which nothing is a template.
fn text_literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '$' | '%' if characters.peek() == Some(&'{') => {
                out.push(character);
                out.push(character);
            }
            control if control.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}

/// A name as Terraform allows it for a resource.
fn identifier(name: &str) -> String {
    let plain = |character: char| if character.is_ascii_alphanumeric() { character } else { '_' };
    let name: String = name.chars().map(plain).collect();
    if name.starts_with(|first: char| first.is_ascii_alphabetic()) { name } else { format!("restored_{name}") }
}
