//! The `http` kind: one request over our own stream, so that every stage has its own clock. Does network I/O.
//!
//! Redirects run the stages again, one after the other, within the probe's one deadline.

mod cookies;
mod encoding;
pub(super) mod exchange;
mod expect;
mod frontend;
mod kept;

use std::borrow::Cow;

use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderMap, LOCATION, PROXY_AUTHORIZATION};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

pub use self::exchange::{Answer, Request};
pub use self::kept::Kept;

use self::exchange::round_trip;
use super::auth::{authorize, rejected};
use super::net::channel::{Channel, Secured};
use super::net::tls::Session;
use super::net::{connect, http2};
use super::{Attempt, MAX_ANSWER};
use crate::api::probes::HttpVersion;
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure};
use crate::plan::kinds::{Destination, HttpAction, shown_url};
use crate::plan::trust::TlsPlan;

/// Carries out an `http` probe.
pub async fn probe(action: &HttpAction, attempt: &mut Attempt<'_>) -> Result<(), Failure> {
    let mut request = Request::of(action);
    if let Some(plan) = &action.auth {
        request.headers.to_mut().insert(AUTHORIZATION, authorize(attempt, plan).await?);
    }
    let mut hops = 0;
    loop {
        let answer = visit(action, &request, attempt).await?;
        attempt.fact(Fact::HttpStatus, answer.status.as_str().to_owned());
        attempt.fact(Fact::BodyBytes, answer.body_bytes.to_string());
        if hops > 0 {
            attempt.fact(Fact::FinalUrl, shown_url(&request.to.url));
        }
        tell(&answer, attempt);
        if let (Some(plan), StatusCode::UNAUTHORIZED) = (&action.auth, answer.status) {
            rejected(plan);
        }
        let target = if action.follow_redirects > 0 { redirect(&request, &answer)? } else { None };
        let Some(target) = target else { return expect::judge(action, &request, &answer) };
        if hops == action.follow_redirects {
            let message = format!("still redirected after {hops} redirects, next to {}", shown_url(&target));
            return Err(Failure::new(Cause::TooManyRedirects, Stage::Request, message));
        }
        hops += 1;
        follow(&mut request, target, &answer)?;
    }
}

/// Gives the answer to assertions and captures.
fn tell(answer: &Answer, attempt: &mut Attempt<'_>) {
    attempt.answer("status", || json!(answer.status.as_u16()));
    attempt.answer("headers", || headers(&answer.headers));
    attempt.answer("cookies", || cookies::cookies(&answer.headers));
    if attempt.is_asked() && answer.complete && answer.body.len() <= MAX_ANSWER {
        attempt.answer("body", || String::from_utf8_lossy(&answer.body).into());
        if let Ok(json) = serde_json::from_slice(&answer.body) {
            attempt.answer("json", || json);
        }
    }
}

/// Headers as a map of texts; several values of one name are joined (RFC 9110, section 5.2).
fn headers(headers: &HeaderMap) -> Value {
    let joined = |name| {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        values.collect::<Vec<_>>().join(", ")
    };
    headers.keys().map(|name| (name.as_str(), joined(name))).collect()
}

/// Connects to where the request goes, and carries it out.
pub async fn visit(action: &HttpAction, request: &Request<'_>, attempt: &mut Attempt<'_>) -> Result<Answer, Failure> {
    let Destination { url, version, endpoint, .. } = &*request.to;
    let alpn: &[&[u8]] = match version {
        HttpVersion::Http1 => &[b"http/1.1"],
        HttpVersion::Http2 => &[b"h2"],
    };
    let secure = url.scheme() == "https";
    let session = secure.then(|| Session::new(&settings(action, request), &endpoint.host, alpn)).transpose()?;
    let channel = Channel::Tcp(connect::connect(attempt, endpoint).await?);
    let stream = Secured::over(attempt, session.as_ref(), &endpoint.host, channel).await?;
    if *version == HttpVersion::Http2 {
        http2::agreed(&stream, endpoint)?;
    }
    round_trip(action, request, attempt, stream, session.as_ref()).await
}

/// The TLS settings for where the request goes. A client certificate and a name that were meant for one origin are not
/// used for another.
fn settings<'a>(action: &'a HttpAction, request: &Request<'_>) -> Cow<'a, TlsPlan> {
    if request.to.url.origin() == action.to.url.origin() {
        return Cow::Borrowed(&action.tls);
    }
    let TlsPlan { server_name: _, verification, verifier, client_cert: _ } = action.tls.clone();
    Cow::Owned(TlsPlan { server_name: None, verification, verifier, client_cert: None })
}

/// Where the answer redirects to, if it does (RFC 9110, section 15.4).
fn redirect(request: &Request<'_>, answer: &Answer) -> Result<Option<Url>, Failure> {
    if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let unusable = |what: &str| {
        let message = format!("{} redirects with status {} {what}", shown_url(&request.to.url), answer.status.as_u16());
        Failure::new(Cause::UnexpectedResult, Stage::Request, message)
    };
    let location = answer.headers.get(LOCATION).ok_or_else(|| unusable("but names no Location"))?;
    let location = location.to_str().map_err(|_| unusable("to a Location that is no text"))?;
    let target = request.to.url.join(location).map_err(|_| unusable("to a Location that is no URL"))?;
    match target.scheme() {
        "http" | "https" => Ok(Some(target)),
        _ => Err(unusable("to something that is neither http nor https")),
    }
}

/// Turns the request towards a redirect's target. What was meant for one origin is not shown to another.
fn follow(request: &mut Request<'_>, target: Url, answer: &Answer) -> Result<(), Failure> {
    let leaves = target.origin() != request.to.url.origin();
    if leaves {
        request.headers = Cow::Owned(harmless(&request.headers));
    }
    let status = answer.status.as_u16();
    if status == 303 || (matches!(status, 301 | 302) && request.method == Method::POST) {
        request.method = Method::GET;
        request.body = bytes::Bytes::new();
        let headers = request.headers.to_mut();
        headers.remove(CONTENT_LENGTH);
        headers.remove(CONTENT_TYPE);
    } else if leaves && request.body_is_private && !request.body.is_empty() {
        let message = format!(
            "{} redirects with status {status} to another origin, {}: the body holds values that are not shown to it; if it is \
             yours, write it as the url",
            shown_url(&request.to.url),
            shown_url(&target)
        );
        return Err(Failure::new(Cause::UnexpectedResult, Stage::Request, message));
    }
    let from = shown_url(&request.to.url);
    request.to = request.to.leading_to(target).map_err(|problem| {
        let message = format!("{from} redirects with status {status} to a Location that {problem}");
        Failure::new(Cause::UnexpectedResult, Stage::Request, message)
    })?;
    Ok(())
}

/// The headers without those that came from a Secret or that carry credentials.
fn harmless(headers: &HeaderMap) -> HeaderMap {
    let secret = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, hyper::header::HOST];
    let kept = headers.iter().filter(|(name, value)| !value.is_sensitive() && !secret.contains(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn credentials_stay_with_their_origin() {
        let mut secret = HeaderValue::from_static("token");
        secret.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, HeaderValue::from_static("Bearer x")),
            (hyper::header::ACCEPT, HeaderValue::from_static("text/plain")),
            (hyper::header::HeaderName::from_static("x-api-key"), secret),
        ]);
        let kept: Vec<String> = harmless(&headers).keys().map(ToString::to_string).collect();
        assert_eq!(kept, ["accept"]);
    }
}
