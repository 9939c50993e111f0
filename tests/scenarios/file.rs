//! Reads scenarios: probes, what differs from the healthy world, and the verdict that is expected. Reads files.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;
use runready::api::{Cause, Kind, ProbeState, Stage};
use runready::cloud::{Drift, Inspection, Picture, Unread, Why};
use runready::evidence::{Fact, Failure};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::diagnosis::seen::{Seen, address, ill, record, well};

/// What was seen and said, and what follows.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scenario {
    #[serde(skip)]
    pub file: String,
    pub name: String,
    /// Where probes run from, unless they say otherwise.
    #[serde(default = "behind_cloud_run")]
    pub vantage: String,
    /// Whether the check speaks for a service.
    #[serde(default = "yes")]
    pub service: bool,
    #[serde(default = "noon")]
    pub now: Timestamp,
    /// In seconds.
    #[serde(default)]
    startup_budget: Option<u64>,
    #[serde(default)]
    pub probes: Vec<Probe>,
    /// What differs from the healthy world. None: nothing is inspected.
    #[serde(default)]
    cloud: Option<Value>,
    #[serde(default)]
    pub drift: Vec<Drift>,
    /// None: nothing is wrong.
    pub verdict: Option<Expected>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probe {
    name: String,
    kind: String,
    /// Why it is not healthy.
    #[serde(default)]
    cause: Option<String>,
    /// Where that shows; of a cause that names it itself, nothing.
    #[serde(default)]
    stage: Option<String>,
    /// Failing unless it says otherwise, if there is a cause.
    #[serde(default)]
    state: Option<String>,
    /// Address and port that are tried.
    at: SocketAddr,
    #[serde(default)]
    vantage: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default = "target")]
    pub target: String,
    #[serde(default = "yes")]
    required: bool,
    /// Stages that passed before, beside those of the kind.
    #[serde(default)]
    passed: Vec<String>,
    /// Whether its TLS stage did not take place.
    #[serde(default)]
    plain: bool,
    #[serde(default)]
    http_status: Option<u16>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expected {
    pub layer: String,
    pub cause: String,
    pub rule: String,
    pub confidence: String,
    /// Words that must stand there.
    #[serde(default)]
    pub summary: Vec<String>,
    #[serde(default)]
    pub remedy: Vec<String>,
    #[serde(default)]
    pub evidence: Vec<String>,
    #[serde(default)]
    pub unknown: Vec<String>,
    #[serde(default)]
    pub ruled_out: Vec<String>,
    #[serde(default)]
    pub not_ruled_out: Vec<String>,
    #[serde(default)]
    pub others: Vec<String>,
}

impl Expected {
    /// Whether the rule is the expected one, or among the others.
    pub fn names(&self, rule: &str) -> bool {
        self.rule == rule || self.others.iter().any(|other| other.contains(rule))
    }
}

fn behind_cloud_run() -> String {
    "cloudrun/netra-staging/us-central1/agent".to_owned()
}

fn target() -> String {
    "target".to_owned()
}

fn noon() -> Timestamp {
    "2026-11-25T12:03:20Z".parse().expect("a time")
}

const fn yes() -> bool {
    true
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

/// Every scenario, in the order of the files.
pub fn all() -> &'static [Scenario] {
    static ALL: LazyLock<Vec<Scenario>> = LazyLock::new(|| {
        let entries = fs::read_dir(folder()).expect("tests/scenarios").flatten().map(|entry| entry.path());
        let mut files: Vec<PathBuf> =
            entries.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect();
        files.sort();
        files.iter().flat_map(|path| read(path)).collect()
    });
    &ALL
}

fn read(path: &Path) -> Vec<Scenario> {
    let text = fs::read_to_string(path).expect("a file of ours");
    let file = path.file_name().expect("a name").to_string_lossy().into_owned();
    let document = |document: serde_yaml::Deserializer<'_>| {
        let value: serde_yaml::Value =
            Deserialize::deserialize(document).unwrap_or_else(|error| panic!("{file}: {error}"));
        let scenario: Scenario = serde_yaml::from_value(value).unwrap_or_else(|error| panic!("{file}: {error}"));
        Scenario { file: file.clone(), ..scenario }
    };
    serde_yaml::Deserializer::from_str(&text).map(document).collect()
}

fn world() -> Value {
    let text = fs::read_to_string(folder().join("base/healthy.yaml")).expect("the healthy world");
    let value: Value = serde_yaml::from_str(&text).expect("YAML");
    value
}

fn picture(world: Value) -> Picture {
    serde_json::from_value(world).expect("a picture")
}

/// The healthy world.
pub fn healthy() -> Picture {
    picture(world())
}

/// A world of which nothing may be read.
pub fn unread() -> Picture {
    let mut world = world();
    for (name, reading) in world.as_object_mut().expect("an object") {
        let inspection = match &**name {
            "readyRevision" | "createdRevision" => Inspection::Revisions,
            name => *Inspection::ALL
                .iter()
                .find(|inspection| inspection.as_str().eq_ignore_ascii_case(name))
                .expect("an inspection"),
        };
        let unread = Unread {
            name: "projects/netra-staging".into(),
            at: noon(),
            why: Why::PermissionDenied,
            message: "HTTP 403.".into(),
            remedy: format!("Grant runready's account {}.", inspection.role()).into(),
        };
        *reading = serde_json::json!({ "unread": unread });
    }
    picture(world)
}

/// RFC 7386, with one word more: an object that stands for a reading's own fields goes to what was read.
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    let fields = into.as_object_mut().expect("made just now");
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// What a scenario says of one reading: the reading itself (`read`, `unread`, `absent`), or what differs in the object.
fn differ(reading: &mut Value, patch: &Value) {
    let is_reading = |word: &str| patch.as_object().is_some_and(|patch| patch.contains_key(word));
    if is_reading("absent") || is_reading("read") {
        *reading = patch.clone();
        return;
    }
    if is_reading("unread") {
        let name = reading.pointer("/read/name").cloned().unwrap_or_else(|| Value::from("projects/netra-staging"));
        let mut unread = serde_json::json!({ "name": name, "at": noon(), "message": "", "remedy": "" });
        merge(&mut unread, &patch["unread"]);
        *reading = serde_json::json!({ "unread": unread });
        return;
    }
    let found = serde_json::json!({ "name": "projects/netra-staging/it", "at": noon(), "object": {} });
    if reading.pointer("/read/object").is_none() {
        *reading = serde_json::json!({ "read": found });
    }
    merge(reading.pointer_mut("/read/object").expect("made just now"), patch);
}

fn word<T: Copy>(all: &[T], name: impl Fn(&T) -> &'static str, word: &str) -> T {
    *all.iter().find(|one| name(one) == word).unwrap_or_else(|| panic!("{word} is no word of the vocabulary"))
}

impl Scenario {
    pub fn startup_budget(&self) -> Option<Duration> {
        self.startup_budget.map(Duration::from_secs)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.probes.iter().map(|probe| probe.seen(&self.vantage)).collect()
    }

    pub fn picture(&self) -> Option<Picture> {
        let differs = self.cloud.as_ref()?.as_object().expect("what differs, by reading");
        let mut world = world();
        for (name, patch) in differs {
            let reading = world.get_mut(name).unwrap_or_else(|| panic!("{}: no reading {name}", self.name));
            differ(reading, patch);
        }
        Some(picture(world))
    }
}

impl Probe {
    fn seen(&self, vantage: &str) -> Seen {
        let kind = word(&Kind::ALL, |kind| kind.as_str(), &self.kind);
        let at = self.at.to_string();
        let cause = self.cause.as_ref().map(|cause| word(Cause::ALL, |cause| cause.as_str(), cause));
        let mut seen = match cause {
            Some(cause) => ill(&self.name, kind, &at, cause),
            None => well(&self.name, kind, &at),
        };
        if let Some(stage) = &self.stage {
            seen = stopped_at(seen, word(&Stage::ALL, |stage| stage.as_str(), stage), &at);
        }
        if let Some(state) = &self.state {
            seen.state = word(&ProbeState::ALL, |state| state.as_str(), state);
        }
        if let (Some(message), Some(failure)) = (&self.message, &mut seen.failure) {
            failure.message = (&**message).into();
        }
        seen.required = self.required;
        let evidence = seen.evidence.as_mut().expect("evidence");
        evidence.stages.retain(|record| !(self.plain && record.stage == Stage::Tls));
        for stage in &self.passed {
            evidence.stages.insert(0, record(word(&Stage::ALL, |stage| stage.as_str(), stage), true));
        }
        if let Some(status) = self.http_status {
            evidence.facts.push((Fact::HttpStatus, status.to_string().into()));
        }
        seen.from(self.vantage.as_deref().unwrap_or(vantage))
    }
}

/// The same, stopped at another stage than the cause's usual one.
fn stopped_at(mut seen: Seen, stage: Stage, at: &str) -> Seen {
    if let Some(failure) = &mut seen.failure {
        *failure = Failure { stage: Some(stage), ..failure.clone() };
    }
    let cause = seen.failure.as_ref().map(|failure| failure.cause);
    let evidence = seen.evidence.as_mut().expect("evidence");
    let all = well(&seen.name, seen.kind, at).evidence.expect("evidence").stages;
    evidence.stages = all.into_iter().take_while(|record| record.stage != stage).collect();
    evidence.stages.push(record(stage, false));
    evidence.addresses = match stage {
        Stage::Token | Stage::Settings | Stage::Certificate | Stage::Resolve => Vec::new(),
        Stage::Connect => vec![address(at, cause)],
        _ => vec![address(at, None)],
    };
    seen
}
