//! The spec of a `redis` probe. Types and schema only.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::database::{connections, payload_bytes};
use super::{CaSecretRef, ClientCertSecretRef, SecretKeyRef};
use crate::api::schema;

/// What is wrong with a CA bundle beside a mode that does not look at it.
pub const REDIS_CA_UNUSED: &str =
    "caSecretRef is used by the modes VerifyCa and VerifyFull alone: set one of them, or leave the CA out";

/// Asks a Redis or Valkey server whether it serves, such as one of Memorystore (Redis serialization protocol, RESP2).
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("!has(self.user) || has(self.passwordSecretRef)").message("user has a meaning only together with passwordSecretRef: name the Secret that holds the user's password").field_path(".user"))]
#[serde(rename_all = "camelCase")]
pub struct RedisProbe {
    /// Host name or address, such as the primary endpoint of a Memorystore instance.
    #[schemars(schema_with = "schema::host")]
    pub host: String,
    /// Port. Default 6379.
    #[serde(default = "redis_port")]
    #[schemars(schema_with = "schema::port")]
    pub port: u16,
    /// Take the first address that answers (RFC 8305) and judge it alone. Default false: every resolved address is tried, so that a dead one shows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub happy_eyeballs: bool,
    /// TLS settings. Default: plain text. Redis has no way to ask for TLS: the port speaks it from the first byte, or does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<RedisTls>,
    /// ACL user to log in as (Redis 6 and later). Default: the user "default", which is that of Memorystore's AUTH string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub user: Option<String>,
    /// Where the password, or Memorystore's AUTH string, is. Without it, the server must serve those who have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret_ref: Option<SecretKeyRef>,
    /// Number of the database to select. Default: none is selected, which is database 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "database_number")]
    pub database: Option<u32>,
    /// Role that the server must have. Default Any.
    #[serde(default, skip_serializing_if = "is_any")]
    pub role: RedisRole,
    /// Writes a key of its own with a random value, reads it back and deletes it. The one thing that this probe writes. Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub round_trip: bool,
    /// How many connections to open at once, as the service does when it starts. All of them must become usable: logged in, initialised, the query stage passed. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "connections")]
    pub connections: Option<u16>,
    /// Commands to run on each connection after the login and before the query stage, in order, as the service's pool does: one line each, with its arguments apart by spaces, in quotes where they hold some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "init_commands")]
    pub init_queries: Vec<String>,
    /// Size of a text, in bytes, that the server must send back (ECHO) after the query stage: large packets can be lost where small ones pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "payload_bytes")]
    pub payload_bytes: Option<u32>,
}

/// TLS settings of a connection to Redis.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("!has(self.caSecretRef) || !has(self.mode) || self.mode in ['VerifyCa', 'VerifyFull']").message(REDIS_CA_UNUSED))]
#[serde(rename_all = "camelCase")]
pub struct RedisTls {
    /// How much to demand of the server's certificate. Default VerifyFull.
    #[serde(default)]
    pub mode: RedisTlsMode,
    /// Name to ask for (SNI) and, with VerifyFull, to expect in the certificate. Default: the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub server_name: Option<String>,
    /// CA bundle to trust instead of the system's, such as the server CA of a Memorystore instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<CaSecretRef>,
    /// Certificate to present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_cert_secret_ref: Option<ClientCertSecretRef>,
}

/// How much a TLS connection to Redis demands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RedisTlsMode {
    /// TLS without verification.
    Require,
    /// TLS with a certificate from a trusted CA.
    VerifyCa,
    /// TLS with a certificate from a trusted CA that carries the server's name.
    #[default]
    VerifyFull,
}

/// The role that a Redis server must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RedisRole {
    /// Whatever it is.
    #[default]
    Any,
    /// It accepts writes. A replica is ReadOnly.
    Master,
    /// It follows a master. A master is UnexpectedResult.
    Replica,
}

fn is_any(role: &RedisRole) -> bool {
    *role == RedisRole::Any
}

fn redis_port() -> u16 {
    6379
}

/// Commands that initialise a connection, each one line (Redis serialization protocol specification, "Inline commands").
fn init_commands(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "maxItems": 16,
        "items": {
            "type": "string", "minLength": 1, "maxLength": 4096,
            "x-kubernetes-validations": [
                {"rule": "!self.matches('[\\r\\n]')", "message": "must be one command in one line, such as CLIENT SETNAME app"},
            ],
        },
    })
}

fn database_number(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "integer", "minimum": 0, "maximum": 65535})
}
