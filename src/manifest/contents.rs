//! The text of a file in; its checks, Secrets and faults out. Pure.
//!
//! `List` objects are opened. Kinds that are none of ours are passed over. Each check is validated here, so that whoever gets
//! one knows its faults.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretSlice;
use serde_json::Value;

use super::document::{Document, documents};
use super::position::Places;
use super::validate::{Violation, validate};
use super::{Fault, Position, Text};
use crate::api::{API_VERSION, ConnectivityCheckSpec, GROUP, KIND};
use crate::plan::{CheckId, SecretData};

const KIND_LIST: &str = "ConnectivityCheckList";

/// Where objects go that name no namespace.
pub const DEFAULT_NAMESPACE: &str = "default";

/// What a file declares.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Its checks, sound or not, as far as they have a name.
    pub checks: Vec<DeclaredCheck>,
    /// Its Secrets.
    pub secrets: Vec<SecretManifest>,
    /// What is wrong outside of `checks`.
    pub faults: Vec<Fault>,
    /// Whether a document could not be parsed: what it declares is not known.
    pub unreadable: bool,
}

/// A check, as a manifest declares it.
#[derive(Clone, Debug)]
pub struct DeclaredCheck {
    /// Which check.
    pub id: CheckId,
    /// The whole object with the schema's defaults, as an API server would hold it.
    pub object: Value,
    /// Its spec, if it is valid.
    pub spec: Option<ConnectivityCheckSpec>,
    /// What is wrong with it, in the order of the file.
    pub faults: Vec<Fault>,
    origin: Origin,
}

/// A Secret, as a manifest declares it.
#[derive(Clone, Debug)]
pub struct SecretManifest {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its data.
    pub data: SecretData,
}

/// Where an object stands: the document, and its path in there (not empty within a List).
#[derive(Clone, Debug)]
struct Origin {
    file: Arc<str>,
    places: Arc<Places>,
    prefix: String,
}

impl Origin {
    fn at(&self, field: &str) -> Option<Position> {
        if self.prefix.is_empty() {
            self.places.find(field)
        } else {
            self.places.find(&format!("{}.{field}", self.prefix))
        }
    }

    fn fault(&self, field: impl Into<String>, message: impl Into<String>) -> Fault {
        let field = field.into();
        Fault { file: self.file.clone(), at: self.at(&field), field, message: message.into() }
    }
}

impl DeclaredCheck {
    /// A fault of one of its fields, with its place in the file.
    pub fn fault(&self, field: &str, message: impl Into<String>) -> Fault {
        self.origin.fault(field, message)
    }

    /// Its faults in one sentence, for a status.
    pub fn faults_in_short(&self) -> String {
        let faults: Vec<String> = self.faults.iter().map(Fault::to_string).collect();
        faults.join("; ")
    }
}

impl Contents {
    /// Reads what a file declares. Objects without a namespace go to `namespace`.
    pub fn of(text: &Text, namespace: &str) -> Self {
        let (documents, faults) = documents(&text.file, &text.content);
        let mut contents = Contents { unreadable: !faults.is_empty(), faults, ..Contents::default() };
        for Document { value, places } in documents {
            let origin = Origin { file: text.file.clone(), places, prefix: String::new() };
            contents.take(value, origin, namespace);
        }
        contents
    }

    /// Every fault, those of the checks included, in the order of the files.
    pub fn all_faults(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = self.faults.clone();
        faults.extend(self.checks.iter().flat_map(|check| check.faults.iter().cloned()));
        faults.sort_by(|a, b| (&a.file, a.at).cmp(&(&b.file, b.at)));
        faults
    }

    /// Adds what another file declares.
    pub fn extend(&mut self, other: Contents) {
        self.checks.extend(other.checks);
        self.secrets.extend(other.secrets);
        self.faults.extend(other.faults);
        self.unreadable |= other.unreadable;
    }

    fn take(&mut self, object: Value, origin: Origin, namespace: &str) {
        let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        match (api_version.as_str(), kind.as_str()) {
            (API_VERSION, KIND) => self.take_check(object, origin, namespace),
            ("v1", "Secret") => self.take_secret(&object, &origin, namespace),
            (_, "List") | (API_VERSION, KIND_LIST) => self.open_list(object, &origin, namespace),
            (version, kind) if kind == KIND || version.starts_with(&format!("{GROUP}/")) => {
                let message = format!(
                    "no matches for kind {kind:?} in version {version:?}: write apiVersion: {API_VERSION} and kind: {KIND}"
                );
                let field = if kind == KIND { "apiVersion" } else { "kind" };
                self.faults.push(origin.fault(field, message));
            }
            // Neither: some other YAML file. One of the two: an object that nobody could apply.
            ("", "") if object.is_object() => {}
            ("", _) => self.faults.push(origin.fault("apiVersion", "Required value: must not be empty")),
            (_, "") => self.faults.push(origin.fault("kind", "Required value: must not be empty")),
            _ => {}
        }
    }

    fn open_list(&mut self, mut list: Value, origin: &Origin, namespace: &str) {
        let Some(Value::Array(items)) = list.get_mut("items").map(Value::take) else {
            return self.faults.push(origin.fault("items", "Required value: a List holds its objects in items"));
        };
        for (index, item) in items.into_iter().enumerate() {
            let prefix = super::position::join(&origin.prefix, &format!("items[{index}]"));
            self.take(item, Origin { prefix, ..origin.clone() }, namespace);
        }
    }

    fn take_check(&mut self, object: Value, origin: Origin, namespace: &str) {
        let metadata = |field: &str| object.pointer(&format!("/metadata/{field}")).and_then(Value::as_str);
        let name = metadata("name").unwrap_or_default().to_owned();
        let namespace = metadata("namespace").filter(|name| !name.is_empty()).unwrap_or(namespace).to_owned();
        let (mut object, violations) = validate(object);
        let mut faults: Vec<Fault> =
            violations.into_iter().map(|Violation { field, message }| origin.fault(field, message)).collect();
        let mut spec = None;
        if faults.is_empty() {
            match serde_json::from_value(object.get("spec").cloned().unwrap_or_default()) {
                Ok(read) => spec = Some(read),
                Err(error) => faults.push(origin.fault("spec", format!("can't be read: {error}"))),
            }
        }
        faults.sort_by_key(|fault| fault.at);
        if !super::validate::is_object_name(&name) || !super::validate::is_namespace(&namespace) {
            // Without a name there is no check that could show its faults.
            return self.faults.extend(faults);
        }
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("namespace".to_owned(), Value::String(namespace.clone()));
        }
        self.checks.push(DeclaredCheck { id: CheckId::new(&namespace, &name), object, spec, faults, origin });
    }

    fn take_secret(&mut self, object: &Value, origin: &Origin, namespace: &str) {
        let metadata = |field: &str| object.pointer(&format!("/metadata/{field}")).and_then(Value::as_str);
        let Some(name) = metadata("name") else {
            return self.faults.push(origin.fault("metadata.name", "Required value: name or generateName is required"));
        };
        let namespace = metadata("namespace").unwrap_or(namespace).to_owned();
        let mut data = SecretData::new();
        for (key, value) in object.get("data").and_then(Value::as_object).into_iter().flatten() {
            match value.as_str().map(|text| STANDARD.decode(text.split_whitespace().collect::<String>())) {
                Some(Ok(bytes)) => drop(data.insert(key.clone(), SecretSlice::from(bytes))),
                // The value itself is never shown.
                Some(Err(_)) | None => self.faults.push(origin.fault(
                    format!("data.{key}"),
                    "Invalid value: must be base64 (RFC 4648); write plain text under stringData instead",
                )),
            }
        }
        for (key, value) in object.get("stringData").and_then(Value::as_object).into_iter().flatten() {
            match value.as_str() {
                Some(text) => drop(data.insert(key.clone(), SecretSlice::from(text.as_bytes().to_vec()))),
                None => self.faults.push(
                    origin.fault(format!("stringData.{key}"), "Invalid value: must be a string; put it in quotes"),
                ),
            }
        }
        self.secrets.push(SecretManifest { namespace, name: name.to_owned(), data });
    }
}

/// The faults of checks that are declared more than once; the first one stands.
pub fn declared_twice(checks: &[DeclaredCheck]) -> Vec<Fault> {
    let mut seen: BTreeMap<&CheckId, &DeclaredCheck> = BTreeMap::new();
    let mut faults = Vec::new();
    for check in checks {
        match seen.entry(&check.id) {
            Entry::Vacant(free) => drop(free.insert(check)),
            Entry::Occupied(first) => {
                let first = first.get().fault("metadata.name", "");
                let at = first.at.map(|at| format!(":{}", at.line)).unwrap_or_default();
                let message = format!(
                    "Duplicate value: {:?}: {} is declared in {}{at} already",
                    check.id.name, check.id, first.file
                );
                faults.push(check.fault("metadata.name", message));
            }
        }
    }
    faults
}
