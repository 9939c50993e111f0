//! The spec of a `tls` probe. Types and schema only.

use kube::core::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CaSecretRef, ClientCertSecretRef};
use crate::api::schema;

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
