//! Pieces of OpenAPI schema that several fields share: durations, ports, hosts, secret keys. Pure.
//!
//! Every rule carries the sentence that the API server, `runready check` and the folder source all print.

use schemars::{Schema, SchemaGenerator, json_schema};

const DURATION_MESSAGE: &str = "must be a Go-style duration with a unit, such as 500ms, 30s or 1m30s";

/// CEL that is true when `expression` is well-formed as a duration: what Go's `time.ParseDuration` accepts, without sign.
///
/// The digits are bounded so that, within [`DURATION_LENGTH`], no sum overflows the 292 years that a duration can hold: CEL's
/// `duration()` would fail on it, with a message that helps nobody.
macro_rules! is_duration {
    ($expression:literal) => {
        concat!(
            $expression,
            ".matches('^([0-9]{1,9}([.][0-9]{1,9})?(ns|us|µs|ms|s)|[0-9]{1,6}([.][0-9]{1,9})?(m|h))+$')"
        )
    };
}
pub(crate) use is_duration;

/// Longest duration, in characters.
const DURATION_LENGTH: u32 = 20;

/// A Go-style duration, greater than zero.
pub fn duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": DURATION_LENGTH,
        "x-kubernetes-validations": [
            {"rule": is_duration!("self"), "message": DURATION_MESSAGE},
            {"rule": concat!("!", is_duration!("self"), " || duration(self) > duration('0s')"), "message": "must be longer than zero"},
        ],
    })
}

/// The interval between two runs: a duration of at least one second.
pub fn interval(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": DURATION_LENGTH,
        "x-kubernetes-validations": [
            {"rule": is_duration!("self"), "message": DURATION_MESSAGE},
            {"rule": concat!("!", is_duration!("self"), " || duration(self) >= duration('1s')"),
             "message": "must be at least 1s: probing more often loads the target instead of observing it"},
        ],
    })
}

/// How old a reading of Google's APIs may become: a duration of at least ten seconds.
pub fn reading_age(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": DURATION_LENGTH,
        "x-kubernetes-validations": [
            {"rule": is_duration!("self"), "message": DURATION_MESSAGE},
            {"rule": concat!("!", is_duration!("self"), " || duration(self) >= duration('10s')"),
             "message": "must be at least 10s: reading more often uses up the project's quota of Google's APIs"},
        ],
    })
}

/// A Serverless VPC Access connector, named in full.
pub fn connector_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 256,
        "x-kubernetes-validations": [
            {"rule": "self.matches('^projects/[^/ ]+/locations/[^/ ]+/connectors/[^/ ]+$')",
             "message": "must name the connector in full, such as projects/netra-staging/locations/us-central1/connectors/staging-connector"},
        ],
    })
}

/// A Cloud SQL instance's connection name.
pub fn instance_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 256,
        "x-kubernetes-validations": [
            {"rule": "self.matches('^[^/ ]+:[^/: ]+:[^/: ]+$')",
             "message": "must be the instance's connection name, PROJECT:REGION:INSTANCE, as `gcloud sql instances describe` shows it"},
        ],
    })
}

/// A VPC network, named in full.
pub fn network_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 256,
        "x-kubernetes-validations": [
            {"rule": "self.matches('^projects/[^/ ]+/global/networks/[^/ ]+$')",
             "message": "must name the network in full, such as projects/netra-staging/global/networks/staging-vpc"},
        ],
    })
}

/// A TCP port.
pub fn port(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "minimum": 1, "maximum": 65535})
}

/// A count of at least one.
pub fn threshold(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "minimum": 1, "maximum": 1000})
}

/// A host name, an IPv4 address or an IPv6 address, without scheme, port or path.
pub fn host(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 253,
        "x-kubernetes-validations": [
            {"rule": "self.size() > 0", "message": "must name a host: a DNS name such as db.internal, or an address such as 10.20.0.3"},
            {"rule": "!self.matches('[/@ ?#%]') && !self.matches('^[^:]*:[0-9]*$') && !self.startsWith('[')",
             "message": "must be a bare host name or address: no scheme, port, path, zone or brackets (the port has its own field)"},
        ],
    })
}

/// An HTTP or HTTPS address.
pub fn http_url(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 2048,
        "x-kubernetes-validations": [
            {"rule": "self.matches('^https?://[^/?#@]+([/?#].*)?$')",
             "message": "must be an absolute http:// or https:// URL with a host and without user or password, such as https://backend.example.com/healthz"},
        ],
    })
}

/// The name of a Kubernetes object (RFC 1123 subdomain).
pub fn object_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 253,
        "x-kubernetes-validations": [
            {"rule": "self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
             "message": "must be the name of a Secret in this namespace (lower-case letters, digits, '-' and '.')"},
        ],
    })
}

/// The name of a probe (RFC 1123 label): it appears in metrics and in `dependsOn`.
pub fn probe_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 63,
        "x-kubernetes-validations": [
            {"rule": "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
             "message": "must be a name of lower-case letters, digits and '-', such as database"},
        ],
    })
}
