//! What the specs of the databases' probes have in common. Types and schema only.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CaSecretRef, ClientCertSecretRef};

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
