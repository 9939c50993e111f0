//! Values of rules: from what the peer answered, and for people. Pure.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cel::Value;
use cel::objects::Key;
use chrono::TimeDelta;
use serde_json::Value as Json;

use crate::api::Stage;
use crate::evidence::{Shown, clip};

/// The most that is shown of a text, in characters.
const MOST_TEXT: usize = 64;
/// Variables that are shown by their size alone, because they are the peer's whole answer.
const WHOLE: [&str; 4] = ["body", "received", "message", "messages"];
/// Words in the names of fields whose values are shown by their size alone.
const SECRET: [&str; 10] =
    ["token", "secret", "pass", "pwd", "cookie", "auth", "key", "session", "credential", "signature"];

/// JSON as a value. Whole numbers are ints wherever they fit.
pub fn into_cel(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Value::Int(whole),
            (None, Some(whole)) => Value::UInt(whole),
            (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(items) => Value::List(Arc::new(items.iter().map(into_cel).collect())),
        Json::Object(fields) => fields
            .iter()
            .map(|(name, value)| (Key::from(name.as_str()), into_cel(value)))
            .collect::<HashMap<_, _>>()
            .into(),
    }
}

/// A duration as a value.
pub fn duration(duration: Duration) -> Value {
    Value::Duration(TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX))
}

/// How long each stage took. A stage that was entered more than once counts in full.
pub fn durations(stages: &[(Stage, Duration)]) -> Value {
    let mut sums: HashMap<Key, Duration> = HashMap::new();
    stages.iter().for_each(|(stage, took)| *sums.entry(Key::from(stage.as_str())).or_default() += *took);
    sums.into_iter().map(|(stage, took)| (stage, self::duration(took))).collect::<HashMap<_, _>>().into()
}

/// The type of a value, for people.
pub const fn kind(value: &Value) -> &'static str {
    match value {
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => "a number",
        Value::String(_) => "a text",
        Value::Bytes(_) => "bytes",
        Value::Bool(_) => "true or false",
        Value::Duration(_) => "a duration",
        Value::Timestamp(_) => "a time",
        Value::Null => "null",
        _ => "something else",
    }
}

/// What a rule names and its value, for people. A peer's whole answer, and what may be secret by its name, is not shown.
pub fn shown(name: &str, value: Option<Value>) -> String {
    let lower = name.to_lowercase();
    let hidden =
        WHOLE.contains(&name) || name.starts_with("messages[") || SECRET.iter().any(|word| lower.contains(word));
    let told = match value {
        None => return format!("{name} is not there"),
        Some(Value::String(text)) if hidden => format!("a text of {} characters", text.chars().count()),
        Some(Value::String(text)) => format!("{:?}", clip(&text, MOST_TEXT)),
        Some(Value::List(list)) => format!("a list of {}", list.len()),
        Some(Value::Map(map)) => format!("a map of {}", map.map.len()),
        Some(Value::Int(number)) => number.to_string(),
        Some(Value::UInt(number)) => number.to_string(),
        Some(Value::Float(number)) => number.to_string(),
        Some(Value::Bool(value)) => value.to_string(),
        Some(Value::Duration(duration)) => Shown(duration.to_std().unwrap_or_default()).to_string(),
        Some(Value::Timestamp(time)) => time.to_rfc3339(),
        Some(Value::Bytes(bytes)) => format!("{} bytes", bytes.len()),
        Some(Value::Null) => "null".to_owned(),
        Some(other) => kind(&other).to_owned(),
    };
    format!("{name} is {told}")
}
