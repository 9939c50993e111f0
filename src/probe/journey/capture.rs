//! What a step takes from its answer. No I/O. What it says never holds a value.

use jsonpath_rust::parser::model::JpQuery;
use jsonpath_rust::query::js_path_process;
use serde_json::Value;

use crate::plan::kinds::Source;
use crate::probe::MAX_ANSWER;

/// Longest value that is taken, in bytes.
const LONGEST: usize = 16 * 1024;

/// The value at a place of an answer.
///
/// # Errors
/// Why there is none, for people.
pub fn value(source: &Source, answers: &[(&'static str, Value)]) -> Result<String, String> {
    let known = |name: &str| answers.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
    let of_map =
        |map: &str, key: &str| known(map).and_then(|map| map.get(key)).and_then(Value::as_str).map(str::to_owned);
    let found = match source {
        Source::JsonPath(written, query) => match (known("messages"), known("row").or_else(|| known("json"))) {
            (Some(messages), _) => {
                let parsed = texts(messages).rev().filter_map(|text| serde_json::from_str(text).ok());
                let mut found = parsed.filter_map(|json| at(query, &json).ok());
                found.next().ok_or_else(|| format!("no message has one text, number or boolean at {written}"))
            }
            (None, Some(json)) => at(query, json).map_err(|why| format!("{why} at {written}")),
            (None, None) => Err(format!("the answer is no JSON, or has more than {} KiB", MAX_ANSWER / 1024)),
        },
        Source::Header(name) => {
            of_map("headers", name.as_str()).ok_or_else(|| format!("the response has no header {name}"))
        }
        Source::Cookie(name) => of_map("cookies", name).ok_or_else(|| format!("the response sets no cookie {name}")),
        Source::Regex(pattern) => {
            let group = |text: &str| pattern.captures(text).and_then(|found| Some(found.get(1)?.as_str().to_owned()));
            match known("messages") {
                Some(messages) => {
                    texts(messages).rev().find_map(group).ok_or("no message matches the regex".to_owned())
                }
                None => known("body").and_then(Value::as_str).and_then(group).ok_or_else(|| {
                    format!("the body does not match the regex, or has more than {} KiB", MAX_ANSWER / 1024)
                }),
            }
        }
        Source::Message => {
            known("message").and_then(Value::as_str).map(str::to_owned).ok_or("no message has come".to_owned())
        }
    }?;
    match found.len() {
        0 => Err("it is empty".to_owned()),
        1..=LONGEST => Ok(found),
        bytes => Err(format!("it has {bytes} bytes; the most is {LONGEST}")),
    }
}

fn texts(messages: &Value) -> impl DoubleEndedIterator<Item = &str> {
    messages.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// The one text, number or boolean at a path.
fn at(query: &JpQuery, json: &Value) -> Result<String, &'static str> {
    let found = js_path_process(query, json).map_err(|_| "nothing can be looked up")?;
    let mut values = found.into_iter().map(jsonpath_rust::query::QueryRef::val);
    match (values.next(), values.next()) {
        (None, _) => Err("the answer has nothing"),
        (Some(_), Some(_)) => Err("the answer has several values"),
        (Some(Value::String(text)), None) => Ok(text.clone()),
        (Some(value @ (Value::Number(_) | Value::Bool(_))), None) => Ok(value.to_string()),
        (Some(Value::Null), None) => Err("the answer has null"),
        (Some(Value::Array(_) | Value::Object(_)), None) => Err("the answer has a list or an object"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonpath_rust::parser::parse_json_path;
    use serde_json::json;

    fn path(written: &str) -> Source {
        Source::JsonPath(written.into(), Box::new(parse_json_path(written).expect("a path")))
    }

    #[test]
    fn each_source_finds_its_value_or_says_why_not() {
        let http = [
            ("headers", json!({"x-id": "h1"})),
            ("cookies", json!({"sid": "c1"})),
            ("body", json!("id=b1;")),
            ("json", json!({"a": {"b": "j1", "n": 7, "t": true, "z": null, "l": [1]}, "e": ""})),
        ];
        let regex = |pattern: &str| Source::Regex(Box::new(regex::Regex::new(pattern).expect("a pattern")));
        let header = |name: &'static str| Source::Header(hyper::header::HeaderName::from_static(name));
        for (source, expected) in [
            (path("$.a.b"), Ok("j1")),
            (path("$.a.n"), Ok("7")),
            (path("$.a.t"), Ok("true")),
            (path("$.a.z"), Err("the answer has null at $.a.z")),
            (path("$.a.l"), Err("the answer has a list or an object at $.a.l")),
            (path("$.x"), Err("the answer has nothing at $.x")),
            (path("$.a[*]"), Err("the answer has several values at $.a[*]")),
            (path("$.e"), Err("it is empty")),
            (header("x-id"), Ok("h1")),
            (header("x-other"), Err("the response has no header x-other")),
            (Source::Cookie("sid".into()), Ok("c1")),
            (Source::Cookie("other".into()), Err("the response sets no cookie other")),
            (regex("id=([a-z0-9]+)"), Ok("b1")),
            (Source::Message, Err("no message has come")),
        ] {
            assert_eq!(value(&source, &http), expected.map(str::to_owned).map_err(str::to_owned), "{source:?}");
        }
        let talk = [("messages", json!(["{\"id\": 1}", "{\"id\": 2}", "bye"])), ("message", json!("bye"))];
        assert_eq!(value(&path("$.id"), &talk), Ok("2".to_owned()), "the last message that has it");
        assert_eq!(value(&regex("(b.e)"), &talk), Ok("bye".to_owned()));
        assert_eq!(value(&Source::Message, &talk), Ok("bye".to_owned()));
        let row = [("row", json!({"id": "r1"})), ("json", json!({"id": "j1"}))];
        assert_eq!(value(&path("$.id"), &row), Ok("r1".to_owned()), "a database's");
        let long = [("message", json!("x".repeat(LONGEST + 1)))];
        assert!(value(&Source::Message, &long).is_err_and(|why| !why.contains("xx")));
    }
}
