//! The stages that a probe goes through. Data only.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One step of a probe, with its own clock and its own deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// A token for the request, from whoever issues it: that connection's own stages are parts of this one.
    Token,
    /// A Cloud SQL instance's connect settings, from Google's Admin API.
    Settings,
    /// An ephemeral client certificate for a Cloud SQL instance, from Google's Admin API.
    Certificate,
    /// Name to addresses (DNS, RFC 1035).
    Resolve,
    /// TCP connection (RFC 9293).
    Connect,
    /// Mutual TLS with a Cloud SQL instance, up to its proven identity.
    Tunnel,
    /// TLS handshake (RFC 8446, RFC 5246), with the protocol's own way of asking for it.
    Tls,
    /// The protocol's first exchange, up to the server's first answer.
    Handshake,
    /// Proof of identity, up to the server's acceptance.
    Authenticate,
    /// The statements that make a new connection ready for use.
    Initialize,
    /// A query, up to its complete result.
    Query,
    /// A result of a given size, up to its last byte.
    Payload,
    /// A request, up to the response's header.
    Request,
    /// The response's body.
    Body,
    /// The request to turn an HTTP connection into one of another protocol, up to the answer.
    Upgrade,
    /// Messages sent and messages expected.
    Messages,
    /// Bytes sent and bytes expected over a connection.
    Exchange,
    /// Many requests, up to the answer of the last.
    Load,
    /// What was asserted of the answer, and what is captured from it.
    Assert,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Stage; 19] = [
        Stage::Token,
        Stage::Settings,
        Stage::Certificate,
        Stage::Resolve,
        Stage::Connect,
        Stage::Tunnel,
        Stage::Tls,
        Stage::Handshake,
        Stage::Authenticate,
        Stage::Initialize,
        Stage::Query,
        Stage::Payload,
        Stage::Request,
        Stage::Body,
        Stage::Upgrade,
        Stage::Messages,
        Stage::Exchange,
        Stage::Load,
        Stage::Assert,
    ];

    /// The name used in spec, status, metrics and traces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Stage::Token => "token",
            Stage::Settings => "settings",
            Stage::Certificate => "certificate",
            Stage::Resolve => "resolve",
            Stage::Connect => "connect",
            Stage::Tunnel => "tunnel",
            Stage::Tls => "tls",
            Stage::Handshake => "handshake",
            Stage::Authenticate => "authenticate",
            Stage::Initialize => "initialize",
            Stage::Query => "query",
            Stage::Payload => "payload",
            Stage::Request => "request",
            Stage::Body => "body",
            Stage::Upgrade => "upgrade",
            Stage::Messages => "messages",
            Stage::Exchange => "exchange",
            Stage::Load => "load",
            Stage::Assert => "assert",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
