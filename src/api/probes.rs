//! What each kind of probe needs to know. Types and schema only.

use kube::KubeSchema;
use kube::core::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// One value of a Secret in the check's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
    /// Key within the Secret's data.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// A CA bundle (PEM) in a Secret of the check's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct CaSecretRef {
    /// Name of the Secret.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
    /// Key within the Secret's data. Default ca.crt.
    #[serde(default = "ca_crt")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn ca_crt() -> String {
    "ca.crt".to_owned()
}

/// A client certificate: a Secret of type kubernetes.io/tls, with tls.crt and tls.key (PEM).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ClientCertSecretRef {
    /// Name of the Secret.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
}

/// Asks a DNS server for one record type of one name (RFC 1035).
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DnsProbe {
    /// Name to ask for.
    #[schemars(length(max = 253))]
    #[x_kube(validation = Rule::new("self.size() > 0").message("must be a DNS name, such as db.internal"))]
    pub name: String,
    /// Record type. Default A.
    #[serde(default)]
    pub record_type: RecordType,
    /// Server to ask, as an address with optional port, such as 169.254.169.254 or `[fd00::53]:53`. Default: the resolvers of the vantage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub resolver: Option<String>,
    /// Values, each of which must be among the answers; otherwise UnexpectedResult. Default: any answer will do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 255)))]
    pub expect: Vec<String>,
}

/// DNS record types (IANA "Resource Record (RR) TYPEs").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordType {
    /// IPv4 address.
    #[default]
    A,
    /// IPv6 address (RFC 3596).
    Aaaa,
    /// Alias.
    Cname,
    /// Mail exchange.
    Mx,
    /// Name server.
    Ns,
    /// Pointer, for reverse lookups.
    Ptr,
    /// Start of authority.
    Soa,
    /// Service location (RFC 2782).
    Srv,
    /// Text.
    Txt,
}

/// Opens a TCP connection; optionally sends bytes, and expects some.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TcpProbe {
    /// Host name or address.
    #[schemars(schema_with = "schema::host")]
    pub host: String,
    /// Port.
    #[schemars(schema_with = "schema::port")]
    pub port: u16,
    /// Take the first address that answers (RFC 8305) and judge it alone. Default false: every resolved address is tried, so that a dead one shows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub happy_eyeballs: bool,
    /// Text to send once connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub send: Option<String>,
    /// Regular expression (RE2 syntax) that must match what the peer sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub expect: Option<String>,
}

/// Opens a TLS connection and verifies the peer's certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsProbe {
    /// Host name or address.
    #[schemars(schema_with = "schema::host")]
    pub host: String,
    /// Port.
    #[schemars(schema_with = "schema::port")]
    pub port: u16,
    /// Take the first address that answers (RFC 8305) and judge it alone. Default false: every resolved address is tried, so that a dead one shows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub happy_eyeballs: bool,
    /// Name to ask for (SNI, RFC 6066) and to expect in the certificate. Default: the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub server_name: Option<String>,
    /// CA bundle to trust instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<CaSecretRef>,
    /// Certificate to present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_cert_secret_ref: Option<ClientCertSecretRef>,
    /// A certificate that is valid for less than this is Degraded with CertificateExpiresSoon, such as 168h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub min_validity: Option<Duration>,
}

/// Sends one HTTP request (RFC 9110).
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
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

/// Logs in to a PostgreSQL server and runs a query (PostgreSQL frontend/backend protocol 3.0).
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostgresProbe {
    /// Host name or address, such as the private address of a Cloud SQL instance.
    #[schemars(schema_with = "schema::host")]
    pub host: String,
    /// Port. Default 5432.
    #[serde(default = "postgres_port")]
    #[schemars(schema_with = "schema::port")]
    pub port: u16,
    /// Take the first address that answers (RFC 8305) and judge it alone. Default false: every resolved address is tried, so that a dead one shows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub happy_eyeballs: bool,
    /// Database to open.
    #[schemars(length(max = 63))]
    #[x_kube(validation = Rule::new("self.size() > 0").message("must name the database to open"))]
    pub database: String,
    /// Role to log in as.
    #[schemars(length(max = 63))]
    #[x_kube(validation = Rule::new("self.size() > 0").message("must name the role to log in as"))]
    pub user: String,
    /// Where the role's password is. Without it, the server must let the role in without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret_ref: Option<SecretKeyRef>,
    /// TLS settings. Default: mode Prefer.
    #[serde(default)]
    pub tls: PostgresTls,
    /// Query to run after login. Default SELECT 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub query: Option<String>,
    /// Exact number of rows that the query must return; otherwise UnexpectedResult.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "expect_rows")]
    pub expect_rows: Option<u32>,
    /// Demands a server that accepts writes; a replica or a failed-over endpoint is ReadOnly. Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub writable: bool,
}

fn postgres_port() -> u16 {
    5432
}

fn expect_rows(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "integer", "minimum": 0, "maximum": 1_000_000})
}

/// What is wrong with a CA bundle beside a mode that does not look at it.
pub const CA_UNUSED: &str =
    "caSecretRef is used by the modes VerifyCa and VerifyFull alone: set one of them, or leave the CA out";

/// TLS settings of a PostgreSQL connection.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("!has(self.caSecretRef) || (has(self.mode) && self.mode in ['VerifyCa', 'VerifyFull'])").message(CA_UNUSED))]
#[serde(rename_all = "camelCase")]
pub struct PostgresTls {
    /// How much to demand (libpq's sslmode). Default Prefer.
    #[serde(default)]
    pub mode: PostgresTlsMode,
    /// Name to ask for (SNI) and, with VerifyFull, to expect in the certificate. Default: the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub server_name: Option<String>,
    /// CA bundle to trust instead of the system's, with VerifyCa and VerifyFull.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<CaSecretRef>,
    /// Certificate to present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_cert_secret_ref: Option<ClientCertSecretRef>,
}

/// libpq's sslmode, in the API's spelling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PostgresTlsMode {
    /// Plain text.
    Disable,
    /// TLS when the server offers it, without verification.
    #[default]
    Prefer,
    /// TLS or nothing, without verification.
    Require,
    /// TLS with a certificate from a trusted CA.
    VerifyCa,
    /// TLS with a certificate from a trusted CA that carries the server's name.
    VerifyFull,
}
