//! The spec of a `tcp` probe. Types and schema only.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::schema;

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
