//! What the stand-in answers from: objects as their APIs spell them, log entries, figures and faults. Data only.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::methods::{Api, Method};

/// Everything that the stand-in knows. Objects go by the name that their path has, such as
/// projects/netra-staging/locations/us-central1/connectors/staging, so that a list is what stands below a name.
#[derive(Clone, Debug, Default)]
pub struct State {
    objects: BTreeMap<String, Value>,
    /// Log entries (logging v2, LogEntry), in no particular order.
    pub entries: Vec<Value>,
    /// Figures (monitoring v3, TimeSeries), the latest point first.
    pub series: Vec<Value>,
    /// What a connectivity test comes to: `reachabilityDetails`, and `probingDetails` if packets were sent.
    pub test_result: Value,
    /// How often an operation is asked for before it is done.
    pub test_polls: u32,
    /// How often each operation that is not done will be asked for until it is.
    pending: BTreeMap<String, u32>,
    faults: BTreeMap<Method, Fault>,
}

/// What goes wrong with a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// HTTP 403: the account lacks the permission.
    PermissionDenied,
    /// HTTP 403 with the reason SERVICE_DISABLED: the API is not enabled in the project.
    ApiDisabled,
    /// HTTP 404: there is no such object.
    NotFound,
    /// HTTP 429, with Retry-After in seconds if there is one.
    Throttled(Option<u32>),
    /// HTTP 500.
    Internal,
    /// The answer takes that long.
    Slow(Duration),
    /// There is never an answer.
    Hang,
    /// The connection ends in the middle of the body.
    Cut,
    /// HTTP 200 with something that is not JSON.
    Garbage,
}

impl State {
    /// An object.
    pub fn object(&self, name: &str) -> Option<&Value> {
        self.objects.get(name)
    }

    /// Every object with its name.
    pub fn objects(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.objects.iter().map(|(name, object)| (name.as_str(), object))
    }

    /// The objects of a collection: those whose name is the collection's and one segment more.
    pub fn below(&self, collection: &str) -> impl Iterator<Item = &Value> {
        let prefix = format!("{collection}/");
        let rest = self.objects.range(prefix.clone()..);
        rest.map_while(move |(name, object)| Some((name.strip_prefix(&prefix)?.to_owned(), object)))
            .filter(|(last, _)| !last.contains('/'))
            .map(|(_, object)| object)
    }

    /// Sets an object in place of what it was.
    pub fn set(&mut self, name: impl Into<String>, object: Value) {
        self.objects.insert(name.into(), object);
    }

    /// Changes fields of an object as a JSON merge patch does: null removes a field, lists are replaced. An object that is not
    /// there is made.
    pub fn patch(&mut self, name: &str, patch: &Value) {
        merge(self.objects.entry(name.to_owned()).or_default(), patch);
    }

    /// Takes an object away.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.objects.remove(name)
    }

    /// Has an operation be done when it has been asked for that often.
    pub(super) fn wait(&mut self, operation: &str, polls: u32) {
        self.pending.insert(operation.to_owned(), polls);
    }

    /// An operation is asked for. Returns whether that ends it.
    pub(super) fn poll(&mut self, operation: &str) -> bool {
        let Some(left) = self.pending.get_mut(operation) else { return false };
        *left = left.saturating_sub(1);
        let ends = *left == 0;
        if ends {
            self.pending.remove(operation);
        }
        ends
    }

    /// Has a method fail in that way.
    pub fn fail(&mut self, method: Method, fault: Fault) {
        self.faults.insert(method, fault);
    }

    /// Has every method of an API fail in that way.
    pub fn fail_api(&mut self, api: Api, fault: &Fault) {
        for method in Method::ALL.iter().filter(|method| method.api() == api) {
            self.faults.insert(*method, fault.clone());
        }
    }

    /// Ends every fault.
    pub fn mend(&mut self) {
        self.faults.clear();
    }

    /// What is wrong with a method.
    pub fn fault(&self, method: Method) -> Option<&Fault> {
        self.faults.get(&method)
    }
}

/// RFC 7396.
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = Value::Object(serde_json::Map::new());
    }
    let Some(object) = into.as_object_mut() else { return };
    for (field, value) in fields {
        if value.is_null() {
            object.remove(field);
        } else {
            merge(object.entry(field.clone()).or_insert(Value::Null), value);
        }
    }
}
