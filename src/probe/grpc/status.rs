//! How a call ended: gRPC's status codes, and what an HTTP answer in their place stands for. Pure.

use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::http::response::Parts;
use percent_encoding::percent_decode_str;

use crate::api::{Cause, Stage};
use crate::evidence::{Failure, clip};
use crate::plan::kinds::GrpcAction;

/// The names of the codes, by number.
const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The name of the code of a call that succeeded.
const OK: &str = NAMES[0];

/// Most characters of the server's words that are shown.
const MAX_WORDS: usize = 200;

/// The status that a call ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The canonical name of its code.
    pub name: &'static str,
    /// The server's own words; may be empty.
    words: String,
}

impl Status {
    /// The status in a header or in trailers, if one is there. A code without a name is UNKNOWN, as the protocol says.
    pub fn of(headers: &HeaderMap, action: &GrpcAction) -> Option<Status> {
        let code = headers.get("grpc-status")?.to_str().ok().and_then(|code| code.parse::<usize>().ok());
        let name = code.and_then(|code| NAMES.get(code).copied()).unwrap_or("UNKNOWN");
        // To a call that succeeded, there is nothing to say.
        let words = headers.get("grpc-message").filter(|_| name != OK);
        let words = words.map_or(String::new(), |words| said(words.as_bytes(), action));
        Some(Status { name, words })
    }

    /// Whether the call succeeded.
    pub fn is_ok(&self) -> bool {
        self.name == OK
    }

    /// Whether the server's clock has ended the call.
    pub fn is_deadline(&self) -> bool {
        self.name == "DEADLINE_EXCEEDED"
    }

    /// The failure that a status other than OK stands for.
    #[cold]
    pub fn failure(&self, action: &GrpcAction, stage: Stage) -> Failure {
        let (cause, hint) = match self.name {
            "NOT_FOUND" => (Cause::GrpcServiceUnknown, "the server does not know this service's health"),
            "UNIMPLEMENTED" => (Cause::GrpcUnimplemented, "the server speaks gRPC but has no health service"),
            "UNAUTHENTICATED" => (Cause::AuthenticationFailed, "the server does not accept the call's credentials"),
            "PERMISSION_DENIED" => (Cause::AccessDenied, "the server knows the caller and does not let it ask"),
            "DEADLINE_EXCEEDED" => (Cause::ResponseTimeout, "the server did not answer within the call's deadline"),
            _ => (Cause::GrpcFailed, "the server did not answer the question"),
        };
        let words = if self.words.is_empty() { String::new() } else { format!(" ({:?})", self.words) };
        Failure::new(cause, stage, format!("{} ended with {}{words}: {hint}", called(action), self.name))
    }
}

/// What was called, for people.
pub fn called(action: &GrpcAction) -> String {
    let authority = action.uri.authority().map_or("", |authority| authority.as_str());
    let method = action.uri.path().trim_start_matches('/');
    match &*action.service {
        "" => format!("{method} at {authority}"),
        service => format!("{method} of {service} at {authority}"),
    }
}

/// The peer's words: decoded (gRPC over HTTP/2, "Percent-Encoded"), in one line, without secrets, bounded.
fn said(words: &[u8], action: &GrpcAction) -> String {
    let words = String::from_utf8_lossy(words);
    let words = percent_decode_str(&words).decode_utf8_lossy();
    let words = action.hidden.clean(&words).replace(char::is_control, " ");
    clip(words.trim(), MAX_WORDS).into_owned()
}

/// Judges an answer's header that holds no gRPC status: it must be that of a gRPC server.
pub fn judge_head(head: &Parts, action: &GrpcAction) -> Result<(), Failure> {
    let kind = head.headers.get(CONTENT_TYPE).map_or(String::new(), |kind| said(kind.as_bytes(), action));
    let grpc =
        kind.strip_prefix("application/grpc").is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', ';']));
    if head.status.as_u16() == 200 && grpc {
        return Ok(());
    }
    let kind = if kind.is_empty() { "no content-type" } else { &kind };
    let status = head.status.as_u16();
    // As gRPC has it (http-grpc-status-mapping).
    let (cause, code, hint) = match status {
        200 => {
            let message = format!(
                "{} was answered with HTTP 200 and {kind}, not application/grpc: another server or a proxy answers in its place",
                called(action)
            );
            return Err(Failure::new(Cause::ProtocolMismatch, Stage::Request, message));
        }
        401 => (
            Cause::AuthenticationFailed,
            "UNAUTHENTICATED",
            "what stands in front of the server takes no such credentials",
        ),
        403 => (
            Cause::AccessDenied,
            "PERMISSION_DENIED",
            "what stands in front of the server lets nobody in without the right to call it (Cloud Run: roles/run.invoker and an identity token in the metadata authorization)",
        ),
        404 => (
            Cause::GrpcUnimplemented,
            "UNIMPLEMENTED",
            "an HTTP server answers that has no such path, or a front end that knows no such host",
        ),
        429 | 502..=504 => (
            Cause::StatusUnexpected,
            "UNAVAILABLE",
            "a proxy or front end has no instance to pass the call to, or gave up on it",
        ),
        400 => (Cause::StatusUnexpected, "INTERNAL", "an HTTP server does not understand the call"),
        _ => (Cause::StatusUnexpected, "UNKNOWN", "another server or a proxy answers in its place"),
    };
    let message =
        format!("{} was answered with HTTP {status} and {kind}, which gRPC takes for {code}: {hint}", called(action));
    Err(Failure::new(cause, Stage::Request, message))
}
