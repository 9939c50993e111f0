//! The spec of a `grpc` probe. Types and schema only.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AUTH_IN_THE_CLEAR, Auth, HttpTls, OWN_AUDIENCE, SecretKeyRef, audience_is_own, auth_is_covered};
use crate::api::schema;

/// What is wrong with metadata that `auth` sets as well.
pub const GRPC_AUTH_TWICE: &str = "auth sets authorization: leave it out of metadata and metadataFromSecret";

/// Asks a server for its health over gRPC (grpc.health.v1).
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("!has(self.tls) || !has(self.plaintext) || !self.plaintext").message("tls is not used with plaintext: set one of the two"),
    validation = Rule::new(auth_is_covered!("((has(self.plaintext) && self.plaintext ? 'http://' : 'https://') + (self.host == '::1' ? '[::1]' : self.host))")).message(AUTH_IN_THE_CLEAR).field_path(".auth"),
    validation = Rule::new(audience_is_own!("((has(self.plaintext) && self.plaintext ? 'http://' : 'https://') + (self.host == '::1' ? '[::1]' : self.host))")).message(OWN_AUDIENCE).field_path(".auth"),
    validation = Rule::new("!has(self.auth) || !has(self.metadata) || self.metadata.all(m, m.name != 'authorization')").message(GRPC_AUTH_TWICE).field_path(".auth"),
    validation = Rule::new("!has(self.auth) || !has(self.metadataFromSecret) || self.metadataFromSecret.all(m, m.name != 'authorization')").message(GRPC_AUTH_TWICE).field_path(".auth")
)]
#[serde(rename_all = "camelCase")]
pub struct GrpcProbe {
    /// Host name or address.
    #[schemars(schema_with = "schema::host")]
    pub host: String,
    /// Port.
    #[schemars(schema_with = "schema::port")]
    pub port: u16,
    /// Service to ask for, such as orders.v1.Orders. Default: none, which asks for the server as a whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub service: String,
    /// Method of the health service. Default Check.
    #[serde(default)]
    pub method: GrpcMethod,
    /// Metadata to send.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub metadata: Vec<GrpcMetadata>,
    /// Metadata whose value is in a Secret, such as authorization.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub metadata_from_secret: Vec<GrpcSecretMetadata>,
    /// How the call proves who sends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// The :authority of the call, by which proxies and servers choose who answers. Default: host and port, without the scheme's usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    #[x_kube(validation = Rule::new("self.matches('^([A-Za-z0-9._~-]+|\\\\[[0-9A-Fa-f:.]+\\\\])(:[0-9]{1,5})?$')").message("must be a host with an optional port, such as orders.internal or orders.internal:8443"))]
    pub authority: Option<String>,
    /// TLS settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<HttpTls>,
    /// Speak HTTP/2 over plain TCP instead of TLS. Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plaintext: bool,
    /// Take the first address that answers (RFC 8305) and judge it alone. Default false: every resolved address is tried, so that a dead one shows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub happy_eyeballs: bool,
}

/// Methods of grpc.health.v1.Health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GrpcMethod {
    /// Asks once: the answer must be SERVING.
    #[default]
    Check,
    /// Follows the status until it is SERVING, or until the time is up.
    Watch,
}

/// Metadata: a name and a value.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrpcMetadata {
    /// Name, in lower case. One that ends in -bin stands for bytes.
    #[schemars(schema_with = "metadata_name")]
    pub name: String,
    /// Value: printable ASCII; in base64 if the name ends in -bin.
    #[schemars(length(max = 4096))]
    pub value: String,
}

/// Metadata whose value is in a Secret.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrpcSecretMetadata {
    /// Name, in lower case. One that ends in -bin stands for bytes, which are sent as they are in the Secret.
    #[schemars(schema_with = "metadata_name")]
    pub name: String,
    /// Where the value is.
    pub secret_ref: SecretKeyRef,
}

/// The name of a piece of metadata: those of the protocol itself are not for the spec.
fn metadata_name(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "maxLength": 128,
        "x-kubernetes-validations": [
            {"rule": "self.matches('^[a-z0-9_.-]+$')",
             "message": "must be a metadata name of lower-case letters, digits, '-', '_' and '.', such as authorization"},
            {"rule": "!self.startsWith('grpc-') && !(self in ['te', 'content-type', 'content-length', 'user-agent', 'host', 'connection', 'transfer-encoding', 'upgrade', 'keep-alive', 'proxy-connection'])",
             "message": "is a name of the protocol itself: metadata can't set it (for the host there is authority)"},
        ],
    })
}
