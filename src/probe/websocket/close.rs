//! What it means that a WebSocket was closed: its code (RFC 6455, section 7.4) in words, and what usually brings it about. Pure.

use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::api::{Cause, Stage};
use crate::evidence::{Failure, clip};

/// Longest reason that is shown, in characters. A close frame has room for 123 bytes.
const MAX_REASON: usize = 123;

/// The code of a connection that ended without a close frame; it is never sent.
pub const ABNORMAL: u16 = 1006;
/// The code of a close frame without one; it is never sent.
const NO_CODE: u16 = 1005;

/// The code of a close frame.
pub fn code(frame: Option<&CloseFrame>) -> u16 {
    frame.map_or(NO_CODE, |frame| frame.code.into())
}

/// Whether a close frame stands for one whose code no peer may send, such as 1006: the library puts its own in its place.
pub fn is_forbidden(frame: &CloseFrame) -> bool {
    frame.code == CloseCode::Protocol && frame.reason.as_str() == "Protocol violation"
}

/// The failure of a conversation that the peer closed while `doing`, such as step 1 of 2.
pub fn closed(code: u16, frame: Option<&CloseFrame>, doing: &str) -> Failure {
    let how = if code == ABNORMAL {
        "the connection ended without a close frame".to_owned()
    } else {
        "the peer closed the WebSocket".to_owned()
    };
    let reason = frame.map(|frame| clip(&frame.reason, MAX_REASON)).filter(|reason| !reason.is_empty());
    let reason = reason.map_or_else(|| "no reason given".to_owned(), |reason| format!("reason {reason:?}"));
    let message = format!("{doing}: {how}: code {code} ({}), {reason}; {}", name(code), hint(code));
    Failure::new(Cause::WebSocketClosed, Stage::Messages, message)
}

/// What IANA's registry of close codes says.
const fn name(code: u16) -> &'static str {
    match code {
        1000 => "normal closure",
        1001 => "going away",
        1002 => "protocol error",
        1003 => "unsupported data",
        1005 => "no status received",
        1006 => "abnormal closure",
        1007 => "invalid payload data",
        1008 => "policy violation",
        1009 => "message too big",
        1010 => "mandatory extension",
        1011 => "internal error",
        1012 => "service restart",
        1013 => "try again later",
        1014 => "bad gateway",
        1015 => "TLS handshake failed",
        3000 => "unauthorized",
        3003 => "forbidden",
        3008 => "timeout",
        4000..=4999 => "the application's own code",
        _ => "not in the registry",
    }
}

/// What usually brings a code about.
const fn hint(code: u16) -> &'static str {
    match code {
        1000 => "the service was done before the check was: compare the steps with what it sends",
        1001 | 1012 => "an instance stops or restarts: look for a deployment, a crash, or a scale-down",
        1002 | 1007 => "it did not understand what was sent, or a proxy in between garbled it",
        1003 | 1009 => "it does not take such a message: compare the steps with what it expects",
        1006 => "a crash, or a proxy or load balancer that cuts connections (its time-out)",
        1008 | 3000 | 3003 => "it refuses these credentials, this origin or this message",
        1011 => "the service failed: look at its log for this moment",
        1013 | 1014 | 3008 => "it, or what it depends on, is overloaded or away",
        _ => "look at the service's log for what it means by that",
    }
}
