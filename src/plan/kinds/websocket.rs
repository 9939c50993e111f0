//! What a `websocket` probe does. Data only. What it sends may hold a secret (a journey's, say), so Debug shows sizes alone.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::HeaderMap;
use jsonpath_rust::parser::model::JpQuery;

use super::{AuthPlan, Destination};
use crate::evidence::clip;
use crate::plan::trust::TlsPlan;

/// Longest pattern that is shown, in characters.
const SHOWN_PATTERN: usize = 60;

/// Open a WebSocket and hold a conversation over it.
#[derive(Clone, Debug)]
pub struct WebsocketAction {
    /// Where to.
    pub to: Arc<Destination>,
    /// Headers to send; those from secrets are marked sensitive.
    pub headers: HeaderMap,
    /// How the request to upgrade proves who sends it.
    pub auth: Option<AuthPlan>,
    /// Subprotocols to offer.
    pub subprotocols: Box<[Box<str>]>,
    /// The one that the server must choose.
    pub expect_subprotocol: Option<Box<str>>,
    /// TLS settings, for wss.
    pub tls: TlsPlan,
    /// What is sent and expected, in order.
    pub steps: Box<[WebsocketStep]>,
    /// A first message slower than this is a flaw.
    pub max_time_to_first_message: Option<Duration>,
    /// Largest message that is read, in bytes.
    pub max_message_bytes: usize,
}

/// One step of a conversation.
#[derive(Clone)]
pub enum WebsocketStep {
    /// Send a text message.
    Send(Box<str>),
    /// Send a binary message.
    SendBinary(Bytes),
    /// Wait for a message.
    Expect(WebsocketWait),
    /// Send a ping and wait for its pong, no longer than this.
    Ping(Option<Duration>),
}

/// The wait for a message.
#[derive(Clone)]
pub struct WebsocketWait {
    /// What the message must be like.
    pub wanted: Wanted,
    /// How long to wait. None: as long as the stage may take.
    pub within: Option<Duration>,
    /// How many messages may come until one is as wanted.
    pub max_messages: u32,
}

/// What a message must be like.
#[derive(Clone)]
pub enum Wanted {
    /// It matches.
    Text(regex::bytes::Regex),
    /// It holds a value as JSON.
    Json(JsonWanted),
}

/// A value that must be found in JSON.
#[derive(Clone)]
pub struct JsonWanted {
    /// Where it is, as written.
    pub written: Box<str>,
    /// Where it is.
    pub path: JpQuery,
    /// What it must match.
    pub matches: Option<regex::bytes::Regex>,
}

impl fmt::Display for WebsocketStep {
    /// The step for people: what it expects, but not what it sends.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WebsocketStep::Send(text) => write!(f, "send, {} bytes of text", text.len()),
            WebsocketStep::SendBinary(bytes) => write!(f, "send, {} bytes", bytes.len()),
            WebsocketStep::Expect(wait) => write!(f, "expect {}", wait.wanted),
            WebsocketStep::Ping(_) => f.write_str("ping"),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wanted::Text(pattern) => write!(f, "/{}/", clip(pattern.as_str(), SHOWN_PATTERN)),
            Wanted::Json(JsonWanted { written, path: _, matches: None }) => write!(f, "JSON with {written}"),
            Wanted::Json(JsonWanted { written, path: _, matches: Some(pattern) }) => {
                write!(f, "JSON with {written} like /{}/", clip(pattern.as_str(), SHOWN_PATTERN))
            }
        }
    }
}

impl fmt::Debug for WebsocketStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebsocketStep({self})")
    }
}
