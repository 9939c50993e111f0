//! The upgrade stage: the request to turn an HTTP/1.1 connection into a WebSocket, and what the server says to it (RFC 6455,
//! section 4). Does network I/O.

use std::sync::LazyLock;

use bytes::Bytes;
use futures::TryFutureExt;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, SERVER, UPGRADE,
    USER_AGENT,
};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use url::Url;

use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure, clip};
use crate::plan::kinds::{WebsocketAction, shown_url};
use crate::probe::Attempt;
use crate::probe::driven::Driven;
use crate::probe::http::exchange::{MAX_HEADER, failure};
use crate::probe::net::AGENT;
use crate::probe::net::channel::Secured;
use crate::probe::net::tls::Session;

/// Longest value of a header that is shown, in characters.
const SHOWN_HEADER: usize = 60;

/// What every request to upgrade has. The host, which comes first (RFC 9110, section 7.2), is only a place for that of the request.
static DEFAULTS: LazyLock<HeaderMap> = LazyLock::new(|| {
    HeaderMap::from_iter([
        (HOST, HeaderValue::from_static("")),
        (USER_AGENT, HeaderValue::from_static(AGENT)),
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
    ])
});

/// Upgrades the connection, and returns it with what the server has sent already.
pub async fn upgrade(
    action: &WebsocketAction,
    authorization: Option<HeaderValue>,
    attempt: &mut Attempt<'_>,
    stream: Secured,
    session: Option<&Session>,
) -> Result<(Secured, Vec<u8>), Failure> {
    let key = generate_key();
    let mut request = request(action, &key)?;
    request.headers_mut().extend(authorization.map(|value| (AUTHORIZATION, value)));
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEADER);
    let mut answered = None;
    let exchange = async {
        let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        let mut connection = Driven::new(Box::new(connection.with_upgrades()));
        let response = connection.beside(sender.send_request(request)).await?;
        answered = Some((response.status(), response.headers().clone()));
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(None);
        }
        let upgraded = connection.beside(hyper::upgrade::on(response)).await?;
        Ok(upgraded.downcast::<TokioIo<Secured>>().ok().map(|parts| (parts.io.into_inner(), parts.read_buf.to_vec())))
    };
    let work = exchange.map_err(|error: hyper::Error| failure(Stage::Upgrade, &error, session));
    let waiting = || format!("waiting for {} to upgrade the connection", shown_url(&action.to.url));
    let result = attempt.stage(Stage::Upgrade, waiting, work).await;
    let Some((status, headers)) = answered else { return result.and_then(|_| Err(lost())) };
    attempt.fact(Fact::HttpStatus, status.as_str().to_owned());
    if let Some(chosen) = headers.get(SEC_WEBSOCKET_PROTOCOL) {
        let chosen = String::from_utf8_lossy(chosen.as_bytes());
        attempt.fact(Fact::Subprotocol, String::from(&*chosen));
        attempt.answer("subprotocol", || chosen.into());
    }
    judge(action, status, &headers, &key)?;
    result?.ok_or_else(lost)
}

fn lost() -> Failure {
    Failure::new(Cause::ProberError, Stage::Upgrade, "the upgraded connection could not be taken over")
}

fn request(action: &WebsocketAction, key: &str) -> Result<Request<Empty<Bytes>>, Failure> {
    let ours = |reason: String| Failure::new(Cause::ProberError, Stage::Upgrade, reason);
    let value = |text: &str| HeaderValue::from_str(text).map_err(|error| ours(format!("a header: {error}")));
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = action.to.target.clone();
    let headers = request.headers_mut();
    headers.clone_from(&DEFAULTS);
    headers.insert(HOST, action.to.host.clone());
    // All values of a name take the place of its default.
    headers.extend(HeaderMap::clone(&action.headers));
    headers.insert(SEC_WEBSOCKET_KEY, value(key)?);
    if !action.subprotocols.is_empty() {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, value(&action.subprotocols.join(", "))?);
    }
    Ok(request)
}

/// Judges the answer to the request (RFC 6455, section 4.1).
fn judge(action: &WebsocketAction, status: StatusCode, headers: &HeaderMap, key: &str) -> Result<(), Failure> {
    let url = || shown_url(&action.to.url);
    if status != StatusCode::SWITCHING_PROTOCOLS {
        let message = format!(
            "{} answered {status} instead of 101 Switching Protocols{}",
            url(),
            refused(action, status, headers)
        );
        return Err(Failure::new(Cause::UpgradeRefused, Stage::Upgrade, message));
    }
    let wrong = |what: String| {
        let message =
            format!("{} answered 101 Switching Protocols, but {what}: what answers is no WebSocket server", url());
        Err(Failure::new(Cause::ProtocolMismatch, Stage::Upgrade, message))
    };
    if !has_token(headers, &UPGRADE, "websocket") || !has_token(headers, &CONNECTION, "upgrade") {
        return wrong("not to websocket".to_owned());
    }
    if headers.get(SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes)
        != Some(derive_accept_key(key.as_bytes()).as_bytes())
    {
        return wrong("its Sec-WebSocket-Accept does not belong to this request".to_owned());
    }
    if headers.contains_key(SEC_WEBSOCKET_EXTENSIONS) {
        return wrong("it chose an extension that it was not offered".to_owned());
    }
    let chosen = headers.get(SEC_WEBSOCKET_PROTOCOL).map(|chosen| String::from_utf8_lossy(chosen.as_bytes()));
    if let Some(chosen) = chosen.as_deref().filter(|chosen| !action.subprotocols.iter().any(|name| **name == **chosen))
    {
        return wrong(format!("it chose the subprotocol {:?}, which it was not offered", clip(chosen, SHOWN_HEADER)));
    }
    match (&action.expect_subprotocol, chosen) {
        (Some(expected), chosen) if chosen.as_deref() != Some(expected) => {
            let chosen = chosen.map_or_else(|| "none".to_owned(), |chosen| format!("{chosen:?}"));
            let message = format!("{} chose {chosen} of the subprotocols offered; expected {expected:?}", url());
            Err(Failure::new(Cause::UnexpectedResult, Stage::Upgrade, message))
        }
        (Some(_) | None, _) => Ok(()),
    }
}

/// Whether a header is a list that holds this word, in whatever case.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case(token))
}

/// Who it was that refused, and what that usually means.
fn refused(action: &WebsocketAction, status: StatusCode, headers: &HeaderMap) -> String {
    let shown = |name: &HeaderName| {
        let value = String::from_utf8_lossy(headers.get(name)?.as_bytes()).into_owned();
        Some(format!("{name} {}", clip(&value, SHOWN_HEADER)))
    };
    let who: Vec<String> = [&SERVER, &CONTENT_TYPE].into_iter().filter_map(shown).collect();
    let who = if who.is_empty() { String::new() } else { format!(" ({})", who.join(", ")) };
    format!("{who}: {}", meaning(&action.to.url, status, headers))
}

fn meaning(url: &Url, status: StatusCode, headers: &HeaderMap) -> String {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let said = match status.as_u16() {
        200..=299 => {
            "it answers as for plain HTTP: the path is not the WebSocket's, or a proxy on the way drops the Upgrade header"
        }
        300..=399 => {
            let target = text(&LOCATION).and_then(|location| url.join(location).ok()).map(|target| shown_url(&target));
            let target = target.map_or_else(|| "elsewhere".to_owned(), |target| format!("to {target}"));
            return format!("it redirects {target}, which a WebSocket does not follow: correct the url");
        }
        400 => {
            "it does not take this for a WebSocket request: a proxy may drop the Upgrade header, or it wants other headers"
        }
        401 => "it wants credentials, or other ones: look at auth and headersFromSecret",
        403 => "it does not let this caller in: credentials, the Origin header, or Cloud Run's IAM (roles/run.invoker)",
        404 => "nothing is served at this path",
        426 => {
            let versions = text(&SEC_WEBSOCKET_VERSION).map(|versions| format!(" {}", clip(versions, SHOWN_HEADER)));
            return format!(
                "it wants another version of the protocol than 13:{}",
                versions.unwrap_or_else(|| " not said which".to_owned())
            );
        }
        429 => "it, or what stands before it, has too many requests or connections",
        502 | 504 => "what answers is a proxy, and it got no answer from the service behind it",
        503 => "no instance of the service takes the request: it starts, crashes, or is at its limit",
        500..=599 => "the service fails; that may be the symptom of a failing dependency",
        _ => "look at the service's log for this request",
    };
    said.to_owned()
}
