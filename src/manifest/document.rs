//! The text of a file in, its YAML documents out, each with the places of its fields. Pure.
//!
//! A text is cut at its `---` lines before it is parsed, as kubectl does, so that a syntax error spoils one document and not
//! the others. Values are read by serde_yaml (YAML 1.2's core schema); unquoted yes, no, on, off, y and n are taken for
//! booleans on top of that, because kubectl reads YAML 1.1 and the API server would get booleans.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Number, Value};

use super::position::{Places, join};
use super::{Fault, Position};

/// One document of a file.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its value, as JSON.
    pub value: Value,
    /// Where its fields stand.
    pub places: Arc<Places>,
}

/// Parses every document of a text. Empty ones are left out; those that are not YAML become faults.
pub fn documents(file: &Arc<str>, text: &str) -> (Vec<Document>, Vec<Fault>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut documents, mut faults) = (Vec::new(), Vec::new());
    for Piece { text, lines_before } in cut(text) {
        match value(text) {
            Ok(Value::Null) => {}
            Ok(value) => {
                let places = Places::of(text, lines_before);
                let value = as_kubectl_reads(value, "", &places);
                documents.push(Document { value, places: Arc::new(places) });
            }
            Err((at, message)) => faults.push(Fault {
                file: file.clone(),
                at: Some(Position { line: at.line + lines_before, ..at }),
                field: String::new(),
                message,
            }),
        }
    }
    (documents, faults)
}

struct Piece<'a> {
    text: &'a str,
    lines_before: usize,
}

/// Cuts a text at its `---` lines. What follows `---` on the same line belongs to the document.
fn cut(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut start, mut lines_before, mut offset) = (0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let marker =
            line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        if marker && offset > start {
            pieces.push(Piece { text: &text[start..offset], lines_before });
            (start, lines_before) = (offset, number);
        }
        offset += line.len();
    }
    pieces.push(Piece { text: &text[start..], lines_before });
    pieces.retain(|piece| !only_directives(piece.text));
    pieces
}

/// Whether there is nothing in it but comments, blank lines and directives such as %YAML.
fn only_directives(text: &str) -> bool {
    text.lines().all(|line| line.trim().is_empty() || line.starts_with('%') || line.trim_start().starts_with('#'))
}

fn value(text: &str) -> Result<Value, (Position, String)> {
    let fault = |error: serde_yaml::Error| {
        let at = error.location().map(|at| Position { line: at.line(), column: at.column() });
        let message = error.to_string();
        // The place stands before the message already.
        let message = message.split(" at line ").next().unwrap_or_default();
        (at.unwrap_or(Position { line: 1, column: 1 }), format!("is not YAML that can be used: {message}"))
    };
    let mut value = serde_yaml::Value::deserialize(serde_yaml::Deserializer::from_str(text)).map_err(fault)?;
    value.apply_merge().map_err(fault)?;
    serde_json::to_value(value).map_err(|error| {
        let start = Position { line: 1, column: 1 };
        (start, format!("can't be written as JSON, as the API server needs it: {error}"))
    })
}

/// Reads unquoted YAML 1.1 booleans as such, and floats without a fraction as integers.
fn as_kubectl_reads(value: Value, path: &str, places: &Places) -> Value {
    match value {
        Value::String(text) if places.plain(path) == Some(text.as_str()) => match text.as_str() {
            "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Value::Bool(true),
            "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Value::Bool(false),
            _ => Value::String(text),
        },
        Value::Number(number) => Value::Number(whole(number)),
        Value::Array(items) => {
            let item = |(index, item)| as_kubectl_reads(item, &format!("{path}[{index}]"), places);
            Value::Array(items.into_iter().enumerate().map(item).collect())
        }
        Value::Object(fields) => {
            let field = |(name, value): (String, Value)| {
                let value = as_kubectl_reads(value, &join(path, &name), places);
                (name, value)
            };
            Value::Object(fields.into_iter().map(field).collect())
        }
        other @ (Value::Null | Value::Bool(_) | Value::String(_)) => other,
    }
}

fn whole(number: Number) -> Number {
    match number.as_f64() {
        // Below 2^53 every whole float is exactly one integer.
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9.0e15 => Number::from(float as i64),
        Some(_) | None => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> (Vec<Value>, Vec<String>) {
        let (documents, faults) = documents(&"f.yaml".into(), text);
        (documents.into_iter().map(|d| d.value).collect(), faults.iter().map(Fault::to_string).collect())
    }

    #[test]
    fn one_bad_document_does_not_spoil_the_others() {
        let (values, faults) = read("a: 1\n---\nb: [\n---\nc: 3\n");
        assert_eq!(values, [json!({"a": 1}), json!({"c": 3})]);
        assert_eq!(faults.len(), 1);
        assert!(faults[0].starts_with("f.yaml:4:") || faults[0].starts_with("f.yaml:3:"), "{faults:?}");
    }

    #[test]
    fn empty_documents_and_directives_are_left_out() {
        assert_eq!(read("# nothing\n---\n%YAML 1.1\n---\na: 1\n---\n---\n").0, [json!({"a": 1})]);
        assert_eq!(read("--- {a: 1}\n--- {b: 2}\n").0, [json!({"a": 1}), json!({"b": 2})]);
        assert_eq!(read("").0, [] as [Value; 0]);
    }

    #[test]
    fn a_key_given_twice_is_a_fault() {
        let (_, faults) = read("a: 1\nb: 2\na: 3\n");
        assert!(faults[0].contains("duplicate entry with key \"a\""), "{faults:?}");
    }

    #[test]
    fn anchors_merge_keys_and_json_are_read() {
        assert_eq!(read("x: &x {p: 1}\ny: {<<: *x, q: 2}\n").0, [json!({"x": {"p": 1}, "y": {"p": 1, "q": 2}})]);
        assert_eq!(read("{\n\t\"a\": [1, \"two\"]\n}").0, [json!({"a": [1, "two"]})]);
    }

    #[test]
    fn an_alias_bomb_is_a_fault_not_a_full_memory() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let of = format!("*a{}, ", level - 1).repeat(9);
            bomb += &format!("a{level}: &a{level} [{of}]\n");
        }
        assert_eq!(read(&bomb).1.len(), 1);
    }
}
