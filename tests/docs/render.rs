//! The parts of the documentation that the code knows best, as Markdown: from the vocabularies, the CRD and the metrics. Pure.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use runready::api::condition::ConditionStatus;
use runready::api::crd::openapi_schema;
use runready::api::{Cause, Stage};
use runready::cloud::reading::Found;
use runready::cloud::{Inspection, Picture, Reading};
use runready::diagnosis::RULES;
use runready::evidence::{Evidence, Outcome, StageRecord};
use runready::metrics::{Metrics, WriteOutcome};
use runready::plan::{self, CheckId, Secrets};
use serde_json::Value;

/// A section for each cause, in the order of the path.
pub fn causes() -> String {
    let mut text = String::new();
    for cause in Cause::ALL {
        let (name, summary, remedy) = (cause.as_str(), cause.summary(), cause.remedy());
        let (layer, unknown) = (cause.usual_layer(), cause.is_unknown());
        let state = if unknown { " The probe's state is Unknown: the path itself may be well." } else { "" };
        write!(text, "### {name}\n\n{summary}{state}\n\n- Usual layer: {layer}\n- What to do: {remedy}\n\n")
            .expect("text");
    }
    text
}

/// The table of rules, in their order.
pub fn rules() -> String {
    let mut text = "| Rule | When it speaks, and what it says |\n| --- | --- |\n".to_owned();
    for rule in RULES {
        let anchor: String = rule.id.chars().filter(|char| *char != '/').collect();
        writeln!(text, "| [`{}`](#{anchor}) | {} |", rule.id, cell(rule.says)).expect("text");
    }
    text
}

/// A section for each object of the resource, with a table of its fields.
pub fn api() -> String {
    let schema = openapi_schema().expect("a schema");
    let mut text = String::new();
    for part in ["spec", "status"] {
        section(&mut text, part, &schema["properties"][part]);
    }
    text
}

fn section(text: &mut String, path: &str, schema: &Value) {
    write!(text, "### {path}\n\n{}\n\n", schema["description"].as_str().unwrap_or_default()).expect("text");
    let own = messages(schema);
    if !own.is_empty() {
        let rules: Vec<String> = own.iter().map(|message| format!("- {message}")).collect();
        write!(text, "Refused unless these hold:\n\n{}\n\n", rules.join("\n")).expect("text");
    }
    text.push_str("| Field | Type | Default | Description | Constraints |\n| --- | --- | --- | --- | --- |\n");
    let Some(fields) = schema["properties"].as_object() else { return };
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut nested = Vec::new();
    for (name, field) in fields {
        let (below, inner) = inner(&format!("{path}.{name}"), field);
        let is_object = inner["properties"].is_object();
        let kind = if is_object { format!("[{}](#{})", type_of(field), anchor(&below)) } else { type_of(field) };
        let default = if required.contains(&name.as_str()) { "required".to_owned() } else { default_of(field) };
        let description = cell(field["description"].as_str().unwrap_or_default());
        let constraints = if is_object { list_constraints(field) } else { constraints(field) };
        writeln!(text, "| `{name}` | {kind} | {default} | {description} | {} |", constraints.join("; ")).expect("text");
        if is_object {
            nested.push((below, inner));
        }
    }
    text.push('\n');
    for (path, schema) in nested {
        section(text, &path, schema);
    }
}

/// What a field is when it is not set: its schema says so, or its description.
fn default_of(field: &Value) -> String {
    if let Some(value) = field.get("default").filter(|value| !value.is_object()) {
        return format!("`{}`", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    let description = field["description"].as_str().unwrap_or_default();
    let Some((_, said)) = description.split_once("Default") else { return String::new() };
    let said = said.trim_start_matches(':').trim();
    let end = [". ", ": "].iter().filter_map(|end| said.find(end)).min().unwrap_or(said.len());
    cell(said[..end].trim_end_matches('.'))
}

/// The schema of a list's items, or the schema itself.
fn inner<'a>(path: &str, schema: &'a Value) -> (String, &'a Value) {
    match schema.get("items") {
        Some(items) => (format!("{path}[]"), items),
        None => (path.to_owned(), schema),
    }
}

fn anchor(heading: &str) -> String {
    heading.to_lowercase().chars().filter(|char| char.is_alphanumeric() || *char == '-').collect()
}

fn type_of(schema: &Value) -> String {
    match schema["type"].as_str() {
        Some("array") => format!("list of {}", type_of(&schema["items"])),
        Some("object") if schema["additionalProperties"].is_object() => {
            format!("map to {}", type_of(&schema["additionalProperties"]))
        }
        Some("string") if schema["format"] == "date-time" => "time".to_owned(),
        Some("string") if messages(schema).iter().any(|message| message.contains("duration")) => "duration".to_owned(),
        Some(name) => name.to_owned(),
        None => "any".to_owned(),
    }
}

fn messages(schema: &Value) -> Vec<String> {
    let rules = schema["x-kubernetes-validations"].as_array();
    rules.into_iter().flatten().filter_map(|rule| rule["message"].as_str()).map(cell).collect()
}

fn list_constraints(schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(most) = schema["maxItems"].as_u64() {
        found.push(format!("at most {most} entries"));
    }
    if schema["type"] == "array" {
        found.extend(messages(schema));
    }
    found
}

fn constraints(schema: &Value) -> Vec<String> {
    let mut found = list_constraints(schema);
    // Bounds are numbers of JSON: 1 may stand as 1.0.
    let of = |value: &Value| value.as_f64();
    match (of(&schema["minimum"]), of(&schema["maximum"])) {
        (Some(least), Some(most)) => found.push(format!("{least} to {most}")),
        (Some(least), None) => found.push(format!("at least {least}")),
        (None, Some(most)) => found.push(format!("at most {most}")),
        (None, None) => {}
    }
    match (of(&schema["minLength"]), of(&schema["maxLength"])) {
        (Some(least), Some(most)) => found.push(format!("{least} to {most} characters")),
        (None, Some(most)) => found.push(format!("at most {most} characters")),
        (Some(least), None) => found.push(format!("at least {least} characters")),
        (None, None) => {}
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().filter_map(Value::as_str).map(|value| format!("`{value}`")).collect();
        found.push(format!("one of {}", values.join(", ")));
    }
    if schema["type"] == "array" {
        found.extend(constraints(&schema["items"]).into_iter().map(|constraint| format!("each {constraint}")));
    } else {
        found.extend(messages(schema));
    }
    found
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// A row for each metric, from a scrape in which each has a sample.
pub fn metrics() -> String {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for line in scrape().lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "HELP", name, help] => families.entry(name.to_owned()).or_default().help = help.to_owned(),
            ["#", "TYPE", name, kind] => families.entry(name.to_owned()).or_default().kind = kind.to_owned(),
            ["#", ..] => {}
            _ => {
                let name = line.split(['{', ' ']).next().unwrap_or_default();
                let family = families.iter_mut().rfind(|(family, _)| name.starts_with(family.as_str()));
                family.unwrap_or_else(|| panic!("a sample of no family: {line}")).1.labels = Some(labels(line));
            }
        }
    }
    let mut text = "| Metric | Type | Labels | Meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for (name, Family { kind, help, labels }) in families {
        let suffix = match kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let labels = labels.unwrap_or_else(|| panic!("no sample of {name}: the scrape below must have one"));
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(text, "| `{name}{suffix}` | {kind} | {} | {} |", labels.join(", "), cell(&help)).expect("text");
    }
    text
}

#[derive(Default)]
struct Family {
    kind: String,
    help: String,
    labels: Option<Vec<String>>,
}

/// The labels of a sample, but for the bound of a histogram's bucket.
fn labels(sample: &str) -> Vec<String> {
    let inside = sample.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(inside, _)| inside);
    let names = inside.split(',').filter_map(|pair| pair.split_once("=\"")).map(|(name, _)| name.to_owned());
    names.filter(|name| name != "le").collect()
}

/// Zones that were read, so that an inspection is counted.
fn picture() -> Picture {
    let zones = Found { name: "zones".into(), at: jiff::Timestamp::UNIX_EPOCH, object: Default::default() };
    Picture { dns_zones: Reading::Read(zones), ..Picture::default() }
}

fn scrape() -> String {
    let plan = |name: &str, spec: &str| {
        let spec = serde_yaml::from_str(spec).expect("a spec");
        plan::compile(CheckId::new("staging", name), "uid".into(), 1, &spec, &Secrets::default())
    };
    let mut metrics = Metrics::new();
    metrics.show_calls(|| Inspection::ALL.map(|inspection| (inspection, 1)));
    let steps = "{name: home, http: {url: 'https://backend.example/'}}";
    let journey =
        metrics.add(&plan("journey", &format!("{{probes: [{{name: path, journey: {{steps: [{steps}]}}}}]}}")));
    metrics.probe_available(&journey, 0, Some(1.0));
    let series = metrics.add(&plan("backend", "{probes: [{name: database, tcp: {host: 10.0.0.1, port: 5432}}]}"));
    let passed = StageRecord {
        stage: Stage::Connect,
        step: None,
        start: Duration::ZERO,
        duration: Duration::from_millis(3),
        limit: Duration::from_secs(20),
        passed: true,
    };
    let evidence = Evidence {
        probe: 0,
        vantage: "host/docs".into(),
        outcome: Outcome::Passed,
        start: Duration::ZERO,
        latency: Duration::from_millis(3),
        stages: vec![passed],
        steps: Vec::new(),
        addresses: Vec::new(),
        facts: Vec::new(),
    };
    metrics.observed(&series, &evidence, 1);
    metrics.probe_state(&series, 0, runready::api::ProbeState::Failing, Some(Cause::ConnectTimeout));
    metrics.ready(&series, ConditionStatus::False);
    metrics.started(Duration::from_millis(1));
    metrics.status_written(WriteOutcome::Written);
    metrics.inspected(&picture());
    metrics.encode().expect("OpenMetrics")
}
