//! A Cloud Run service's start-up probe, traffic and variables: as the configuration keeps them in, as the API of Cloud Run (run v2)
//! has them out. Pure.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Loss;

/// A start-up probe, taken apart.
struct Probe<'a> {
    /// What tries: tcpSocket, httpGet or grpc.
    handler: &'static str,
    /// The handler's one setting, and its value.
    setting: (&'static str, &'a str),
    /// The other settings.
    keys: Vec<(&'a str, &'a str)>,
}

impl<'a> Probe<'a> {
    /// None: the text is no probe.
    fn of(text: &'a str) -> Option<Self> {
        let (what, rest) = text.split_once(' ').unwrap_or((text, ""));
        let (handler, setting) = match what.split_once(':')? {
            ("tcp", port) => ("tcpSocket", ("port", port)),
            ("http", path) => ("httpGet", ("path", path)),
            ("grpc", service) => ("grpc", ("service", service)),
            _ => return None,
        };
        let keys = rest.split(' ').filter(|key| !key.is_empty());
        Some(Probe { handler, setting, keys: keys.map(|key| key.split_once('=')).collect::<Option<_>>()? })
    }
}

/// What `gcloud run services update --startup-probe` takes. None: the text is no probe.
pub fn probe_keys(text: &str) -> Option<Vec<String>> {
    let Probe { handler, setting: (setting, value), keys } = Probe::of(text)?;
    let first = format!("{handler}.{setting}={value}");
    Some(std::iter::once(first).chain(keys.into_iter().map(|(key, value)| format!("{key}={value}"))).collect())
}

/// A start-up probe. None: the text is none.
pub fn probe(text: &str) -> Option<Value> {
    let Probe { handler, setting: (setting, value), keys } = Probe::of(text)?;
    let tried = match setting {
        "port" => json!({"port": value.parse::<u16>().ok()?}),
        // A gRPC service without a name is the server as a whole.
        _ if value.is_empty() => json!({}),
        setting => json!({setting: value}),
    };
    let mut probe = Map::from_iter([(handler.to_owned(), tried)]);
    for (key, value) in keys {
        probe.insert(key.to_owned(), json!(value.parse::<u32>().ok()?));
    }
    Some(Value::Object(probe))
}

/// How the requests are shared. None: the text does not say.
pub fn traffic(text: &str) -> Option<Value> {
    let share = |share: &str| {
        let (revision, percent) = share.split_once('=')?;
        let percent: u8 = percent.parse().ok()?;
        Some(match revision {
            "LATEST" => json!({"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": percent}),
            name => json!({"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": name, "percent": percent}),
        })
    };
    text.split(',').map(share).collect::<Option<Vec<_>>>().map(Value::from)
}

/// Variables that came from a Secret, by name with that and its version. `fields`: joined by those that are among them. Of the others the value is
/// not kept.
pub fn variables<'a>(loss: &'a Loss<'_>, fields: &mut BTreeSet<&'a str>) -> Vec<(&'a str, &'a str, &'a str)> {
    let mut found = Vec::new();
    for drift in &loss.fields {
        let name = drift.field.strip_prefix("env[").and_then(|rest| rest.strip_suffix(']'));
        let secret = drift.was.as_deref().and_then(|was| was.strip_prefix("secret "));
        let (Some(name), Some(secret)) = (name, secret) else { continue };
        let (secret, version) = secret.split_once(':').unwrap_or((secret, "latest"));
        fields.insert(drift.field.as_str());
        found.push((name, secret, version));
    }
    found
}
