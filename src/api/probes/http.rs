//! The spec of an `http` probe. Types and schema only.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AUTH_IN_THE_CLEAR, Auth, CaSecretRef, ClientCertSecretRef, OWN_AUDIENCE, SecretKeyRef, audience_is_own,
    auth_is_covered,
};
use crate::api::schema;

/// What is wrong with a header that `auth` sets as well.
pub const AUTH_TWICE: &str = "auth sets the header Authorization: leave it out of headers and headersFromSecret";

/// Sends one HTTP request (RFC 9110).
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new(auth_is_covered!("self.url")).message(AUTH_IN_THE_CLEAR).field_path(".auth"),
    validation = Rule::new(audience_is_own!("self.url")).message(OWN_AUDIENCE).field_path(".auth"),
    validation = Rule::new("!has(self.auth) || !has(self.headers) || self.headers.all(h, !h.name.matches('^(?i)authorization$'))").message(AUTH_TWICE).field_path(".auth"),
    validation = Rule::new("!has(self.auth) || !has(self.headersFromSecret) || self.headersFromSecret.all(h, !h.name.matches('^(?i)authorization$'))").message(AUTH_TWICE).field_path(".auth")
)]
#[serde(rename_all = "camelCase")]
pub struct HttpProbe {
    /// Absolute http:// or https:// address.
    #[schemars(schema_with = "schema::http_url")]
    pub url: String,
    /// Method. Default GET.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Z]+$')").message("must be an HTTP method in capital letters, such as GET"))]
    pub method: Option<String>,
    /// Headers to send.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub headers: Vec<HttpHeader>,
    /// Headers whose value is in a Secret, such as Authorization.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub headers_from_secret: Vec<HttpSecretHeader>,
    /// How the request proves who sends it. Default: not at all, or by a header of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Body to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16384))]
    pub body: Option<String>,
    /// Status codes that are fine. Default: 200 to 299.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(range(min = 100, max = 599)))]
    pub expect_status: Vec<i32>,
    /// Regular expression (RE2 syntax) that must match in the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub expect_body: Option<String>,
    /// Headers that the response must have, each with a regular expression (RE2 syntax) for its value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub expect_headers: Vec<HttpHeader>,
    /// Largest body that is read, in bytes; a longer one is ResponseTooLarge. Default 1048576.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "max_body_bytes")]
    pub max_body_bytes: Option<u32>,
    /// How many redirects to follow. Default 0: a redirect is an answer like any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "max_redirects")]
    pub follow_redirects: Option<u32>,
    /// TLS settings for https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<HttpTls>,
    /// Protocol version. Default Http1.
    #[serde(default)]
    pub http_version: HttpVersion,
    /// Take the first address that answers (RFC 8305) and judge it alone. Default false: every resolved address is tried, so that a dead one shows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub happy_eyeballs: bool,
}

fn max_body_bytes(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "integer", "minimum": 1, "maximum": 67_108_864})
}

fn max_redirects(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "integer", "minimum": 0, "maximum": 20})
}

/// A header's name and value.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpHeader {
    /// Name (RFC 9110 token).
    #[schemars(length(max = 128))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9!#$%&*+.^_`|~-]+$')").message("must be a header name, such as Accept"))]
    pub name: String,
    /// Value.
    #[schemars(length(max = 4096))]
    pub value: String,
}

/// A header whose value is in a Secret.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpSecretHeader {
    /// Name (RFC 9110 token).
    #[schemars(length(max = 128))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9!#$%&*+.^_`|~-]+$')").message("must be a header name, such as Authorization"))]
    pub name: String,
    /// Where the value is.
    pub secret_ref: SecretKeyRef,
}

/// HTTP protocol versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HttpVersion {
    /// HTTP/1.1 (RFC 9112).
    #[default]
    Http1,
    /// HTTP/2 (RFC 9113): by ALPN over TLS, with prior knowledge over plain TCP.
    Http2,
}

/// TLS settings for https.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("!has(self.caSecretRef) || !has(self.insecureSkipVerify) || !self.insecureSkipVerify").message("caSecretRef is not used with insecureSkipVerify: set one of the two"))]
#[serde(rename_all = "camelCase")]
pub struct HttpTls {
    /// Name to ask for (SNI) and to expect in the certificate. Default: the URL's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub server_name: Option<String>,
    /// CA bundle to trust instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<CaSecretRef>,
    /// Certificate to present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_cert_secret_ref: Option<ClientCertSecretRef>,
    /// Accept any certificate. Its facts are still recorded. Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure_skip_verify: bool,
}
