//! Reads the answers of issuers of tokens. Pure; a token is shown nowhere, and of an error what the issuer says about it.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hyper::StatusCode;
use hyper::header::HeaderValue;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::refused;
use crate::evidence::{Failure, clip};

/// How long before its end a token is used no more: it must last for the request. At most a tenth of its life.
const MARGIN: Duration = Duration::from_secs(60);
/// The longest that a token is held.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// The most that is shown of what an issuer says about an error, in characters.
const MAX_SAID: usize = 200;

/// A token, as the value of the Authorization header, and how long it may be used again.
pub struct Issued {
    /// Marked sensitive.
    pub value: HeaderValue,
    /// None: once.
    pub until: Option<Timestamp>,
}

/// The answer of a token endpoint (RFC 6749, section 5.1).
#[derive(Deserialize)]
struct Granted {
    access_token: Option<String>,
    id_token: Option<String>,
    token_type: Option<String>,
    expires_in: Option<Value>,
}

/// An access token.
pub fn access_token(status: StatusCode, body: &[u8], now: Timestamp) -> Result<Issued, Failure> {
    let granted = granted(status, body)?;
    if let Some(other) = granted.token_type.as_deref().filter(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(refused(format!("it answered with a token of type {}, not bearer", plain(other))));
    }
    let token = granted.access_token.ok_or_else(|| refused(format!("it answered {status} without an access_token")))?;
    let lifetime = granted.expires_in.as_ref().and_then(seconds).map(Duration::from_secs);
    Ok(Issued { value: bearer(&token)?, until: lifetime.and_then(|lifetime| until(lifetime, now)) })
}

/// An ID token within the answer of a token endpoint.
pub fn id_token(status: StatusCode, body: &[u8], now: Timestamp) -> Result<Issued, Failure> {
    let token = granted(status, body)?.id_token;
    identity(&token.ok_or_else(|| refused(format!("it answered {status} without an id_token")))?, now)
}

/// An ID token by itself: it says when it expires (RFC 7519, section 4.1.4).
pub fn identity(token: &str, now: Timestamp) -> Result<Issued, Failure> {
    let claims = token.split('.').nth(1).and_then(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Option<Value> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
    let claims = claims.ok_or_else(|| refused("what it answered with is no ID token (a JWT)".to_owned()))?;
    let left = claims["exp"].as_i64().map(|end| u64::try_from(end.saturating_sub(now.as_second())).unwrap_or(0));
    Ok(Issued { value: bearer(token)?, until: left.and_then(|left| until(Duration::from_secs(left), now)) })
}

fn granted(status: StatusCode, body: &[u8]) -> Result<Granted, Failure> {
    if !status.is_success() {
        return Err(refused(format!("it answered {status}{}", said(body))));
    }
    serde_json::from_slice(body).map_err(|_| refused(format!("it answered {status}, but not with a token in JSON")))
}

/// What an issuer says about an error (RFC 6749, section 5.2). Nothing else of its answer is shown.
fn said(body: &[u8]) -> String {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else { return String::new() };
    let text = |name: &str| answer[name].as_str().map(plain).filter(|text| !text.is_empty());
    match (text("error"), text("error_description")) {
        (Some(error), Some(description)) => format!(": {error} ({description})"),
        (Some(only), None) | (None, Some(only)) => format!(": {only}"),
        (None, None) => String::new(),
    }
}

/// A text of a peer, fit to be shown on one line.
fn plain(text: &str) -> String {
    let printable: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clip(printable.trim(), MAX_SAID).to_string()
}

/// Some issuers write the number as a text.
fn seconds(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_f64().filter(|number| *number >= 0.0).map(|number| number as u64))
        .or_else(|| value.as_str()?.parse().ok())
}

/// How long a token may be used that lives for so long from now.
fn until(lifetime: Duration, now: Timestamp) -> Option<Timestamp> {
    let lifetime = lifetime.min(LONGEST);
    let usable = lifetime.saturating_sub(MARGIN.min(lifetime / 10));
    (!usable.is_zero()).then(|| now.checked_add(usable).ok()).flatten()
}

fn bearer(token: &str) -> Result<HeaderValue, Failure> {
    let usable = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    let value = usable.then(|| HeaderValue::from_str(&format!("Bearer {token}")).ok()).flatten();
    let mut value = value.ok_or_else(|| refused("what it answered with can't be sent as a token".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, body: &str) -> String {
        let status = StatusCode::from_u16(status).expect("a status");
        let failure = access_token(status, body.as_bytes(), Timestamp::UNIX_EPOCH).err().expect("a failure");
        failure.message.into()
    }

    #[test]
    fn what_is_no_token_says_what_was_answered() {
        for (status, body, told) in [
            (401, r#"{"error": "invalid_client"}"#, "it answered 401 Unauthorized: invalid_client"),
            (
                400,
                r#"{"error": "invalid_scope", "error_description": "no\nsuch scope"}"#,
                "it answered 400 Bad Request: invalid_scope (no such scope)",
            ),
            (502, "<html>token=abc", "it answered 502 Bad Gateway"),
            (500, r#"{"error": {"nested": 1}}"#, "it answered 500 Internal Server Error"),
            (200, "{}", "it answered 200 OK without an access_token"),
            (200, "[", "it answered 200 OK, but not with a token in JSON"),
            (200, r#"{"access_token": "a b"}"#, "what it answered with can't be sent as a token"),
            (200, r#"{"access_token": "t", "token_type": "mac"}"#, "it answered with a token of type mac, not bearer"),
        ] {
            assert_eq!(error(status, body), told);
        }
    }

    #[test]
    fn a_token_is_held_for_nearly_its_life() {
        let now = Timestamp::UNIX_EPOCH;
        let after = |expires: &str| {
            let body = format!(r#"{{"access_token": "t", "token_type": "Bearer"{expires}}}"#);
            let issued = access_token(StatusCode::OK, body.as_bytes(), now).unwrap_or_else(|_| panic!("{body}"));
            assert!(issued.value.is_sensitive());
            issued.until.map(|until| until.as_second() - now.as_second())
        };
        for (expires, held) in [
            ("", None),
            (r#", "expires_in": 3600"#, Some(3540)),
            (r#", "expires_in": "3600""#, Some(3540)),
            (r#", "expires_in": 10"#, Some(9)),
            (r#", "expires_in": 0"#, None),
            (r#", "expires_in": -5"#, None),
            (r#", "expires_in": 1e300"#, Some(24 * 3600 - 60)),
            (r#", "expires_in": [1]"#, None),
        ] {
            assert_eq!(after(expires), held, "{expires}");
        }
    }

    #[test]
    fn an_id_token_tells_its_own_end() {
        let now = Timestamp::from_second(1_000).expect("a time");
        let token = |claims: &str| format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims));
        let held = |claims: &str| {
            let issued = identity(&token(claims), now).unwrap_or_else(|_| panic!("{claims}"));
            issued.until.map(|until| until.as_second() - now.as_second())
        };
        assert_eq!(held(r#"{"exp": 4600}"#), Some(3540));
        assert_eq!(held(r#"{"exp": 900}"#), None);
        assert_eq!(held("{}"), None);
        for bad in ["", "a", "a.b.c", "a.e30"] {
            assert!(identity(bad, now).is_err() || bad == "a.e30", "{bad}");
        }
    }
}
