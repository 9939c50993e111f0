//! The spec of a `dns` probe. Types and schema only.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
