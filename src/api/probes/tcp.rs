//! The spec of a `tcp` probe. Types and schema only.

use kube::KubeSchema;
use kube::core::Duration;
use serde::{Deserialize, Serialize};

use super::HttpTls;
use crate::api::schema;

/// Opens a TCP connection; optionally sends bytes, expects some, and turns to TLS in between (STARTTLS).
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("!has(self.steps) || !(has(self.send) || has(self.expect))").message("send and expect stand for steps of their own: write them as entries of steps").field_path(".steps"),
    validation = Rule::new("!has(self.steps) || self.steps.filter(s, has(s.startTls)).size() < 2").message("at most one step may have startTls: there is no TLS within TLS").field_path(".steps"),
    validation = Rule::new("!has(self.tls) || (has(self.steps) && self.steps.exists(s, has(s.startTls)))").message("tls has a meaning only together with a step startTls").field_path(".tls")
)]
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
    /// What is sent and expected, one after the other, instead of send and expect. Default: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub steps: Vec<TcpStep>,
    /// TLS settings for the step startTls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<HttpTls>,
}

/// One step of an exchange: bytes that are sent or expected, or the turn to TLS.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("[has(self.send), has(self.sendBase64), has(self.expect), has(self.startTls)].filter(x, x).size() == 1").message("exactly one action per step: set one of send, sendBase64, expect or startTls"),
    validation = Rule::new("!has(self.refusal) || has(self.expect)").message("refusal has a meaning only together with expect").field_path(".refusal"),
    validation = Rule::new("!has(self.within) || has(self.expect)").message("within limits a wait: it has a meaning only together with expect").field_path(".within")
)]
#[serde(rename_all = "camelCase")]
pub struct TcpStep {
    /// Text to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub send: Option<String>,
    /// Bytes to send, in base64 (RFC 4648).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5464))]
    pub send_base64: Option<String>,
    /// Regular expression (RE2 syntax) that must match what the peer sends. Steps that follow see what comes after the match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub expect: Option<String>,
    /// Regular expression (RE2 syntax) of an answer that is a refusal: the step fails at once. With startTls next it is TlsNotOffered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub refusal: Option<String>,
    /// Shakes hands for TLS; all that follows is within it. As the first step: TLS from the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self").message("must be true: leave the step out instead"))]
    pub start_tls: Option<bool>,
    /// How long to wait for the match. Default: as long as the stage `exchange` may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub within: Option<Duration>,
}
