//! Holds JSON to Google's discovery documents: a method and what it takes or answers in, what is wrong with it out. The documents
//! are those of the PyPI package google-api-python-client, which tests/setup fetches.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

/// The documents, by name and version, such as vpcaccess.v1.
pub struct Documents(BTreeMap<String, Value>);

/// Those that the tests need.
const NEEDED: [&str; 10] = [
    "cloudresourcemanager.v3",
    "compute.v1",
    "dns.v1",
    "logging.v2",
    "monitoring.v3",
    "networkmanagement.v1",
    "run.v1",
    "run.v2",
    "sqladmin.v1",
    "vpcaccess.v1",
];

impl Documents {
    /// The documents that tests/setup has put there.
    pub fn load() -> Result<Documents, String> {
        let tools = std::env::var_os("RUNREADY_TOOLS")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/.tools"), PathBuf::from);
        let folder = tools.join("discovery");
        let read = |name: &str| {
            let file = folder.join(format!("{name}.json"));
            let text = std::fs::read(&file).map_err(|error| {
                format!("Google's discovery documents are missing: {}: {error}; run tests/setup", file.display())
            })?;
            let document = serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", file.display()))?;
            Ok((name.to_owned(), document))
        };
        NEEDED.iter().map(|name| read(name)).collect::<Result<_, String>>().map(Documents)
    }

    /// What is wrong with an answer of a method, by its id, such as vpcaccess.projects.locations.connectors.get. Servicehealth
    /// has no document there: ask [`Documents::knows`].
    pub fn faults_of_answer(&self, method: &str, answer: &Value) -> Vec<String> {
        self.faults_of_method(method, "response", answer)
    }

    /// What is wrong with what a method is sent.
    pub fn faults_of_request(&self, method: &str, request: &Value) -> Vec<String> {
        self.faults_of_method(method, "request", request)
    }

    /// Whether there is a document that has the method.
    pub fn knows(&self, method: &str) -> bool {
        self.method(method).is_some()
    }

    /// The HTTP method and the path of a method, parameters in braces.
    pub fn path(&self, method: &str) -> Option<(String, String)> {
        let (document, found) = self.method(method)?;
        let path = found["flatPath"].as_str().or_else(|| found["path"].as_str())?;
        let prefix = document["servicePath"].as_str().unwrap_or_default();
        Some((found["httpMethod"].as_str()?.to_owned(), format!("/{prefix}{path}")))
    }

    /// What is wrong with an object of a schema, such as `Connector` of vpcaccess.v1.
    pub fn faults_of_object(&self, document: &str, schema: &str, object: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        check_schema(&self.0[document], schema, object, schema, &mut faults);
        faults
    }

    fn faults_of_method(&self, method: &str, part: &str, value: &Value) -> Vec<String> {
        let Some((document, found)) = self.method(method) else {
            return vec![format!("no discovery document has the method {method}")];
        };
        let Some(schema) = found[part]["$ref"].as_str() else {
            return vec![format!("{method} has no {part}")];
        };
        let mut faults = Vec::new();
        check_schema(document, schema, value, schema, &mut faults);
        faults
    }

    /// A method by its id, of the latest version that has it: run.v1 has methods of v2 under the same ids.
    fn method(&self, id: &str) -> Option<(&Value, &Value)> {
        self.0.values().rev().find_map(|document| Some((document, method_in(document, id)?)))
    }
}

fn method_in<'a>(resource: &'a Value, id: &str) -> Option<&'a Value> {
    let methods = resource["methods"].as_object().into_iter().flat_map(|all| all.values());
    let below = resource["resources"].as_object().into_iter().flat_map(|all| all.values());
    methods
        .into_iter()
        .find(|method| method["id"] == id)
        .or_else(|| below.into_iter().find_map(|below| method_in(below, id)))
}

fn check_schema(document: &Value, name: &str, value: &Value, at: &str, faults: &mut Vec<String>) {
    match document["schemas"].get(name) {
        Some(schema) => check(document, schema, value, at, faults),
        None => faults.push(format!("{at}: there is no schema {name}")),
    }
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        return check_schema(document, name, value, at, faults);
    }
    let format = schema["format"].as_str().unwrap_or_default();
    let fits = match schema["type"].as_str().unwrap_or_default() {
        "any" => true,
        "object" => return check_object(document, schema, value, at, faults),
        "array" => match value.as_array() {
            Some(items) => {
                for (index, item) in items.iter().enumerate() {
                    check(document, &schema["items"], item, &format!("{at}[{index}]"), faults);
                }
                true
            }
            None => false,
        },
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => fits_integer(format, value),
        "string" => return check_text(schema, format, value, at, faults),
        other => return faults.push(format!("{at}: the document has a type {other:?}")),
    };
    if !fits {
        faults.push(format!("{at}: {value} is no {} {format}", schema["type"]));
    }
}

fn fits_integer(format: &str, value: &Value) -> bool {
    let fits = |number: i64| match format {
        "uint32" => u32::try_from(number).is_ok(),
        _ => i32::try_from(number).is_ok(),
    };
    value.as_i64().is_some_and(fits)
}

fn check_object(document: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let Some(fields) = value.as_object() else {
        return faults.push(format!("{at}: {value} is no object"));
    };
    for (field, value) in fields {
        let at = format!("{at}.{field}");
        match (schema["properties"].get(field), schema.get("additionalProperties")) {
            (Some(property), _) => check(document, property, value, &at, faults),
            (None, Some(others)) => check(document, others, value, &at, faults),
            (None, None) => faults.push(format!("{at}: there is no such field")),
        }
    }
}

fn check_text(schema: &Value, format: &str, value: &Value, at: &str, faults: &mut Vec<String>) {
    let Some(text) = value.as_str() else {
        return faults.push(format!("{at}: {value} is no string {format}"));
    };
    let fits = match format {
        "int64" => text.parse::<i64>().is_ok(),
        "uint64" => text.parse::<u64>().is_ok(),
        "google-datetime" | "date-time" => text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok(),
        "google-duration" => text.strip_suffix('s').is_some_and(|seconds| seconds.parse::<f64>().is_ok()),
        _ => true,
    };
    let values = schema["enum"].as_array();
    if !fits {
        faults.push(format!("{at}: {text:?} is no {format}"));
    } else if values.is_some_and(|values| values.iter().all(|known| known != text)) {
        faults.push(format!("{at}: {text:?} is none of the values that Google knows"));
    }
}
