//! What the specs of the databases' probes have in common. Types and schema only.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CaSecretRef, ClientCertSecretRef};

/// CEL for a probe that is reached over TCP, a Unix socket or a Cloud SQL connector: exactly one of them.
pub(super) const ONE_WAY: &str = "[has(self.host), has(self.socket), has(self.cloudSql)].filter(x, x).size() == 1";
/// What to write instead.
pub const ONE_WAY_SAYS: &str = "set exactly one way to the database: host (with port); socket, such as /cloudsql/PROJECT:REGION:INSTANCE where Cloud Run mounts an instance; or cloudSql with the instance's connection name";

/// CEL for a probe whose TLS settings have no meaning beside a Unix socket.
pub(super) const NO_TLS_OVER_SOCKET: &str = "!has(self.socket) || !has(self.tls)";
/// What to write instead.
pub const NO_TLS_OVER_SOCKET_SAYS: &str =
    "TLS is never used over a Unix socket (what listens there encrypts the way behind it): leave tls out, or set host";

/// CEL for a probe whose TLS settings have no meaning beside a connector.
pub(super) const NO_TLS_OVER_CONNECTOR: &str = "!has(self.cloudSql) || !has(self.tls)";
/// What to write instead.
pub const NO_TLS_OVER_CONNECTOR_SAYS: &str =
    "cloudSql is always within mutual TLS, with certificates that come from the instance: leave tls out, or set host";

/// CEL for a probe that would log in with a token and with a password.
pub(super) const ONE_LOGIN: &str =
    "!has(self.cloudSql) || !has(self.cloudSql.iamLogin) || !self.cloudSql.iamLogin || !has(self.passwordSecretRef)";
/// What to write instead.
pub const ONE_LOGIN_SAYS: &str =
    "with cloudSql.iamLogin a token stands in for the password: leave passwordSecretRef out, or iamLogin";

/// CEL for a probe whose `happyEyeballs` has no meaning beside a Unix socket.
pub(super) const NO_EYEBALLS_OVER_SOCKET: &str = "has(self.host) || !has(self.happyEyeballs) || !self.happyEyeballs";
/// What to write instead.
pub(super) const NO_EYEBALLS_OVER_SOCKET_SAYS: &str =
    "happyEyeballs chooses among the addresses of a host: leave it out beside socket or cloudSql";

/// Most bytes of a Unix socket's path (`sockaddr_un`: 108, of which the last ends it).
pub const LONGEST_SOCKET: usize = 107;

/// The path of a Unix socket, or of the directory that it is in.
pub(super) fn socket(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "maxLength": LONGEST_SOCKET,
        "x-kubernetes-validations": [
            {"rule": "self.matches('^/.*[^/]$')",
             "message": "must be an absolute path without a slash at its end, such as /cloudsql/PROJECT:REGION:INSTANCE"},
        ],
    })
}

/// How many connections are opened at once.
pub(super) fn connections(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "integer", "minimum": 1, "maximum": 200})
}

/// Statements that initialise a connection.
pub(super) fn init_queries(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "maxItems": 16,
        "items": {"type": "string", "minLength": 1, "maxLength": 4096},
    })
}

/// The size of a result that must come through.
pub(super) fn payload_bytes(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "integer", "minimum": 1024, "maximum": 16_777_216})
}

/// How many rows a query may be expected to return.
pub(super) fn expect_rows(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "integer", "minimum": 0, "maximum": 1_000_000})
}

/// What is wrong with a CA bundle beside a mode that does not look at it.
pub const CA_UNUSED: &str =
    "caSecretRef is used by the modes VerifyCa and VerifyFull alone: set one of them, or leave the CA out";

/// TLS settings of a connection to a database.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("!has(self.caSecretRef) || (has(self.mode) && self.mode in ['VerifyCa', 'VerifyFull'])").message(CA_UNUSED))]
#[serde(rename_all = "camelCase")]
pub struct DatabaseTls {
    /// How much to demand (libpq's sslmode). Default Prefer.
    #[serde(default)]
    pub mode: DatabaseTlsMode,
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

/// A Cloud SQL instance, reached as the Auth Proxy and the language connectors do.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudSql {
    /// The instance's connection name: PROJECT:REGION:INSTANCE.
    #[schemars(schema_with = "connection_name")]
    pub instance: String,
    /// Which of its addresses to connect to. Default Private.
    #[serde(default)]
    pub ip_type: CloudSqlIpType,
    /// Log in with an OAuth token of runready's own account (IAM database authentication) instead of a password.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub iam_login: bool,
}

/// The kinds of addresses that an instance may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CloudSqlIpType {
    /// In a VPC network, by private services access.
    #[default]
    Private,
    /// On the internet.
    Public,
    /// By Private Service Connect: a DNS name that must lead to the endpoint.
    Psc,
}

impl CloudSqlIpType {
    /// As in the spec.
    pub const fn as_str(self) -> &'static str {
        match self {
            CloudSqlIpType::Private => "Private",
            CloudSqlIpType::Public => "Public",
            CloudSqlIpType::Psc => "Psc",
        }
    }
}

/// PROJECT:REGION:INSTANCE; a project may be within a domain (example.com:project).
fn connection_name(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "maxLength": 255,
        "x-kubernetes-validations": [
            {"rule": "self.matches('^([a-z0-9.-]+:)?[a-z][a-z0-9-]*:[a-z]+[a-z0-9-]*:[a-z][a-z0-9-]*$')",
             "message": "must be the instance's connection name, PROJECT:REGION:INSTANCE, as gcloud sql instances describe shows it"},
        ],
    })
}

/// libpq's sslmode, in the API's spelling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DatabaseTlsMode {
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
