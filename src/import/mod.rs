//! A Cloud Run service as Google Cloud describes it in; a ConnectivityCheck for it, as commented YAML, out.
//!
//! ```text
//!  text -> shape (knative, rest) -> Exported -> targets (environment, connection, proxy) -> draft -> yaml
//! ```
//!
//! Pure but for `remote`, which asks the API. Passwords are never copied: a comment says where each one is. The result is held
//! against the definition of the resource before anybody sees it.

mod address;
mod connection;
mod draft;
mod endpoint;
mod environment;
mod exported;
mod field;
mod knative;
mod pins;
mod probes;
mod proxy;
pub mod remote;
mod rest;
mod role;
mod targets;
mod yaml;

use serde_json::Value;

use self::exported::Container;
use self::field::Field;
use crate::manifest::{Contents, DEFAULT_NAMESPACE, Text};

/// Why a service can't be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The text can't be parsed.
    #[error(
        "{file} is neither YAML nor JSON{at}: give it what gcloud run services describe SERVICE --region REGION --format export prints"
    )]
    Syntax {
        /// Its name.
        file: String,
        /// Where, if that is known.
        at: String,
    },
    /// It is something else.
    #[error("{file} holds {what}, and a Cloud Run service is needed: {instead}")]
    Foreign {
        /// Its name.
        file: String,
        /// What it holds.
        what: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// A field has the wrong type. Its value is not shown: it may be a secret.
    #[error("{path} is not {expected}, which it is in every description of a Cloud Run service: export it anew")]
    Field {
        /// Its path.
        path: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The result is none that runready would take.
    #[error("the check that came of it is not valid, which is a defect of runready: {0}")]
    Defect(String),
}

/// What is said besides the description.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// The project's id, instead of what the description holds.
    pub project: Option<String>,
    /// The region, instead of what the description holds.
    pub region: Option<String>,
    /// The namespace that the check goes to.
    pub namespace: Option<String>,
}

/// How to get a description that can be used.
const DESCRIBE: &str = "describe one with gcloud run services describe SERVICE --region REGION --format export";

/// Makes a check of a service's description.
///
/// # Errors
/// When the text describes no Cloud Run service, or one in a shape that nobody knows.
pub fn import(text: &Text, said: &Said) -> Result<String, ImportError> {
    import_value(&parsed(text)?, &text.file, said)
}

/// Makes a check of a service's description that is parsed already.
///
/// # Errors
/// As [`import`].
pub fn import_value(value: &Value, file: &str, said: &Said) -> Result<String, ImportError> {
    let whole = Field::whole(value);
    let mut service = if knative::is_it(&whole)? {
        knative::read(&whole)?
    } else if rest::is_it(&whole)? {
        rest::read(&whole)?
    } else {
        return Err(foreign(value, file));
    };
    if service.name.is_empty() {
        let what = "a service without a name".to_owned();
        return Err(ImportError::Foreign { file: file.to_owned(), what, instead: DESCRIBE });
    }
    if let Some(first) = service.containers.first() {
        service.template.startup_probe.clone_from(&first.startup);
        service.health.clone_from(&first.health);
        service.port = first.port;
    }
    let manifest = yaml::document(&draft::check(&service, said));
    sound(&manifest)?;
    Ok(manifest)
}

/// The container that takes requests comes first.
fn ingress_first(containers: &mut [Container]) {
    containers.sort_by_key(|container| !container.ingress);
}

/// Parses a text as JSON or YAML. No error shows any of it.
fn parsed(text: &Text) -> Result<Value, ImportError> {
    let content = text.content.trim_start_matches('\u{feff}').trim_start();
    let syntax = |line: usize, column: usize| ImportError::Syntax {
        file: text.file.to_string(),
        at: format!(" (line {line}, column {column})"),
    };
    if content.starts_with(['{', '[']) {
        return serde_json::from_str(content).map_err(|error| syntax(error.line(), error.column()));
    }
    let nowhere = || ImportError::Syntax { file: text.file.to_string(), at: String::new() };
    let placed = |error: serde_yaml::Error| error.location().map_or_else(nowhere, |at| syntax(at.line(), at.column()));
    let mut documents = Vec::new();
    for document in serde_yaml::Deserializer::from_str(content) {
        let value: serde_yaml::Value = serde::Deserialize::deserialize(document).map_err(placed)?;
        documents.extend(Some(value).filter(|value| !value.is_null()));
    }
    match documents.len() {
        1 => serde_json::to_value(documents.remove(0)).map_err(|_| nowhere()),
        0 => Ok(Value::Null),
        _ => Ok(Value::Array(documents.into_iter().map(|_| Value::Null).collect())),
    }
}

/// What a description is, if it is that of no service.
fn foreign(value: &Value, file: &str) -> ImportError {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let kind: String = text("kind").chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    let (version, name) = (text("apiVersion"), text("name"));
    let (what, instead) = match value {
        Value::Null => ("nothing".to_owned(), DESCRIBE),
        Value::Array(items) => (
            format!("a list of {} objects", items.len()),
            "import one service at a time; describe it with gcloud run services describe SERVICE --region REGION --format export",
        ),
        _ if kind == "Job" || kind == "Execution" || name.contains("/jobs/") => (
            "a Cloud Run job".to_owned(),
            "a job answers no requests and ends, so there is no readiness to watch; write a check of what it depends on by hand (docs/probes.md)",
        ),
        _ if kind == "WorkerPool" || name.contains("/workerPools/") => (
            "a Cloud Run worker pool".to_owned(),
            "a worker pool answers no requests; write a check of what it depends on by hand (docs/probes.md)",
        ),
        _ if kind == "Revision" || kind == "Configuration" || kind == "Route" || name.contains("/revisions/") => {
            (format!("a part of a service ({})", if kind.is_empty() { "Revision" } else { &kind }), DESCRIBE)
        }
        _ if kind == "ConnectivityCheck" => {
            ("a ConnectivityCheck already".to_owned(), "run it with runready check -f FILE")
        }
        _ if kind == "Service" && version == "v1" => {
            ("a Kubernetes Service, not one of Cloud Run".to_owned(), DESCRIBE)
        }
        Value::Object(_) if !kind.is_empty() => (format!("an object of kind {kind}"), DESCRIBE),
        Value::Object(_) => ("an object of a shape that is none of a service's".to_owned(), DESCRIBE),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => ("plain text".to_owned(), DESCRIBE),
    };
    ImportError::Foreign { file: file.to_owned(), what, instead }
}

/// Holds the result against the definition of the resource.
fn sound(manifest: &str) -> Result<(), ImportError> {
    let text = Text { file: "the result".into(), content: manifest.to_owned() };
    let contents = Contents::of(&text, DEFAULT_NAMESPACE);
    match contents.all_faults().first() {
        Some(fault) => Err(ImportError::Defect(fault.to_string())),
        None => Ok(()),
    }
}
