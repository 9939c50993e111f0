//! The spec of a `websocket` probe. Types and schema only.

use kube::KubeSchema;
use kube::core::Duration;
use serde::{Deserialize, Serialize};

use super::{
    AUTH_IN_THE_CLEAR, AUTH_TWICE, Auth, HttpHeader, HttpSecretHeader, HttpTls, OWN_AUDIENCE, audience_is_own,
    auth_is_covered,
};
use crate::api::schema;

/// Opens a WebSocket (RFC 6455), then sends and expects messages, step by step.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new(auth_is_covered!("self.url")).message(AUTH_IN_THE_CLEAR).field_path(".auth"),
    validation = Rule::new(audience_is_own!("self.url")).message(OWN_AUDIENCE).field_path(".auth"),
    validation = Rule::new("!has(self.auth) || !has(self.headers) || self.headers.all(h, !h.name.matches('^(?i)authorization$'))").message(AUTH_TWICE).field_path(".auth"),
    validation = Rule::new("!has(self.auth) || !has(self.headersFromSecret) || self.headersFromSecret.all(h, !h.name.matches('^(?i)authorization$'))").message(AUTH_TWICE).field_path(".auth"),
    validation = Rule::new("!has(self.expectSubprotocol) || (has(self.subprotocols) && self.expectSubprotocol in self.subprotocols)").message("expectSubprotocol must be one of subprotocols: a server may only choose what it is offered").field_path(".expectSubprotocol"),
    validation = Rule::new("!has(self.maxTimeToFirstMessage) || (has(self.steps) && self.steps.exists(s, has(s.expect) || has(s.expectJson)))").message("maxTimeToFirstMessage is measured where a message is expected: add a step with expect or expectJson").field_path(".maxTimeToFirstMessage")
)]
#[serde(rename_all = "camelCase")]
pub struct WebsocketProbe {
    /// Absolute ws:// or wss:// address.
    #[schemars(schema_with = "websocket_url")]
    pub url: String,
    /// Headers to send with the request to upgrade, such as Origin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub headers: Vec<HttpHeader>,
    /// Headers whose value is in a Secret, such as Authorization.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub headers_from_secret: Vec<HttpSecretHeader>,
    /// How the request to upgrade proves who sends it. Default: not at all, or by a header of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Subprotocols to offer, the preferred one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "subprotocols")]
    pub subprotocols: Vec<String>,
    /// The subprotocol that the server must choose; otherwise UnexpectedResult. Default: any that was offered, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub expect_subprotocol: Option<String>,
    /// TLS settings for wss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<HttpTls>,
    /// What is sent and expected once the connection is upgraded, one after the other. Default: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub steps: Vec<WebsocketStep>,
    /// A first message slower than this is Degraded with LatencyExceeded, not failed. It is counted from the last message that
    /// the steps send before it or, if they send none, from the upgrade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub max_time_to_first_message: Option<Duration>,
    /// Largest message that is read, in bytes; a longer one is ResponseTooLarge. Default 262144.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "max_message_bytes")]
    pub max_message_bytes: Option<u32>,
    /// Take the first address that answers (RFC 8305) and judge it alone. Default false: every resolved address is tried, so that a dead one shows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub happy_eyeballs: bool,
}

/// One step of a conversation: a message that is sent or expected, or a ping.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("[has(self.send), has(self.sendBase64), has(self.expect), has(self.expectJson), has(self.ping)].filter(x, x).size() == 1").message("exactly one action per step: set one of send, sendBase64, expect, expectJson or ping"),
    validation = Rule::new("!has(self.within) || has(self.expect) || has(self.expectJson) || has(self.ping)").message("within limits a wait: it has a meaning only together with expect, expectJson or ping").field_path(".within"),
    validation = Rule::new("!has(self.maxMessages) || has(self.expect) || has(self.expectJson)").message("maxMessages has a meaning only together with expect or expectJson").field_path(".maxMessages")
)]
#[serde(rename_all = "camelCase")]
pub struct WebsocketStep {
    /// Text message to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16384))]
    pub send: Option<String>,
    /// Binary message to send, in base64 (RFC 4648).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 21848))]
    pub send_base64: Option<String>,
    /// Regular expression (RE2 syntax) that a message, text or binary, must match. Messages before it that don't are passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub expect: Option<String>,
    /// What a message must hold as JSON. Messages before it that don't are passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_json: Option<ExpectJson>,
    /// Sends a ping, and waits for its pong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self").message("must be true: leave the step out instead"))]
    pub ping: Option<bool>,
    /// How long to wait for the message, or the pong. Default: as long as the stage `messages` may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub within: Option<Duration>,
    /// How many messages may come until one matches. Default 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "max_messages")]
    pub max_messages: Option<u32>,
}

/// What a message must hold as JSON.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpectJson {
    /// JSONPath (RFC 9535) of a value that must be there, such as $.type: names, indexes and `*`; no descendants, filters, slices or unions.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = Rule::new("self.matches('^[$]([.]([A-Za-z_][A-Za-z0-9_-]*|[*])|\\\\[(-?[0-9]+|[*]|\"[^\"]*\")\\\\])*$')").message("must be a JSONPath of names, indexes and *, such as $.type, $.choices[0].text or $[\"first name\"]"))]
    pub path: String,
    /// Regular expression (RE2 syntax) that the value must match; one that is no string is compared as JSON. Default: any value will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub matches: Option<String>,
}

fn websocket_url(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "maxLength": 2048,
        "x-kubernetes-validations": [
            {"rule": "self.matches('^wss?://[^/?#@]+([/?][^#]*)?$')",
             "message": "must be an absolute ws:// or wss:// URL with a host and without user, password or fragment, such as wss://backend.example.com/chat"},
        ],
    })
}

fn subprotocols(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "maxItems": 8,
        "items": {
            "type": "string",
            "maxLength": 64,
            "x-kubernetes-validations": [
                {"rule": "self.matches('^[A-Za-z0-9!#$%&*+.^_`|~-]+$')",
                 "message": "must be the name of a subprotocol, such as chat.v1: one token, without spaces or commas"},
            ],
        },
    })
}

fn max_message_bytes(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "integer", "minimum": 1, "maximum": 4_194_304})
}

fn max_messages(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "integer", "minimum": 1, "maximum": 100_000})
}
