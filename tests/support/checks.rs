//! What the tests against an API server have in common: the definition installed, checks applied, conditions awaited.

use std::sync::Once;
use std::time::Duration;

use runready::api::crd::crd;
use serde_json::Value;

use super::apiserver::ApiServer;
use super::skip::require;
use super::wait::until;

/// Longer than anything should take.
pub const SOON: Duration = Duration::from_secs(20);

/// The shared API server, with the definition installed.
pub fn shared() -> Option<&'static ApiServer> {
    static INSTALLED: Once = Once::new();
    let api = require(ApiServer::shared())?;
    INSTALLED.call_once(|| install(api));
    Some(api)
}

/// Installs the definition.
pub fn install(api: &ApiServer) {
    api.install_crds(&serde_yaml::to_string(&crd().expect("a definition")).expect("YAML"));
}

/// The manifest of a check with this spec (flow style).
pub fn check(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: runready.dev/v1alpha1\nkind: ConnectivityCheck\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n"
    )
}

/// The spec of one TCP probe each second.
pub fn tcp(port: u16) -> String {
    format!("{{interval: 1s, probes: [{{name: backend, tcp: {{host: 127.0.0.1, port: {port}}}}}]}}")
}

/// A check as the API server holds it.
pub fn object(api: &ApiServer, namespace: &str, name: &str) -> Value {
    let text = api.kubectl(&["get", "cc", name, "-n", namespace, "-o", "json"]).expect("kubectl get");
    serde_json::from_str(&text).expect("JSON")
}

/// Status and reason of a condition.
pub fn condition(object: &Value, name: &str) -> Option<(String, String)> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let condition = conditions.iter().find(|condition| condition["type"] == name)?;
    Some((condition["status"].as_str()?.to_owned(), condition["reason"].as_str()?.to_owned()))
}

/// Waits until Ready has this status and reason.
#[track_caller]
pub fn until_ready(api: &ApiServer, namespace: &str, name: &str, status: &str, reason: &str) -> Value {
    let wanted = Some((status.to_owned(), reason.to_owned()));
    until(SOON, &format!("{name} has Ready={status} because of {reason}"), || {
        let object = object(api, namespace, name);
        if condition(&object, "Ready") == wanted { Ok(object) } else { Err(object["status"].to_string()) }
    })
}
