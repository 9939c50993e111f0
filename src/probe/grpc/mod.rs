//! The `grpc` kind: one call of the health service over our own stream, so that every stage has its own clock. Does network
//! I/O. The call is made with HTTP/2 itself: a client of gRPC would hide the stages, and try again on its own.

mod message;
mod serving;
mod status;

use std::borrow::Cow;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE, USER_AGENT};
use hyper::{Method, Request, Response};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};

use self::message::{Health, Messages};
use self::serving::Told;
use self::status::{Status, called, judge_head};
use super::Attempt;
use super::auth::{authorize, rejected};
use super::driven::Driven;
use super::net::AGENT;
use super::net::channel::{Channel, Secured};
use super::net::connect::connect;
use super::net::http2::{self, First, Prefaced};
use super::net::tls::Session;
use crate::api::probes::GrpcMethod;
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure};
use crate::plan::kinds::GrpcAction;

/// Largest header that is read, in bytes.
const MAX_HEADER: u32 = 64 * 1024;
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
/// The longest grpc-timeout in milliseconds: eight digits.
const LONGEST_TIMEOUT: u128 = 99_999_999;

/// What every call has. The deadline is only a place for that of the call.
static DEFAULTS: LazyLock<HeaderMap> = LazyLock::new(|| {
    HeaderMap::from_iter([
        (GRPC_TIMEOUT, HeaderValue::from_static("")),
        (TE, HeaderValue::from_static("trailers")),
        (CONTENT_TYPE, HeaderValue::from_static("application/grpc")),
        (USER_AGENT, HeaderValue::from_static(AGENT)),
        (GRPC_ACCEPT_ENCODING, HeaderValue::from_static("identity")),
    ])
});

/// Carries out a `grpc` probe.
pub async fn probe(action: &GrpcAction, attempt: &mut Attempt<'_>) -> Result<(), Failure> {
    let authorized = authorized(action, attempt).await?;
    let result = ask(&authorized, attempt).await;
    if let (Err(failure), Some(plan)) = (&result, &action.auth)
        && failure.cause == Cause::AuthenticationFailed
    {
        rejected(plan);
    }
    result
}

/// Connects to the server, and calls it.
async fn ask(action: &GrpcAction, attempt: &mut Attempt<'_>) -> Result<(), Failure> {
    let endpoint = &action.endpoint;
    let session = action.tls.as_ref().map(|plan| Session::new(plan, &endpoint.host, &[b"h2"])).transpose()?;
    let channel = Channel::Tcp(connect(attempt, endpoint).await?);
    let stream = Secured::over(attempt, session.as_ref(), &endpoint.host, channel).await?;
    http2::agreed(&stream, endpoint)?;
    call(action, attempt, stream, session.as_ref()).await
}

/// The call with its credentials, which nothing that the server says will show.
async fn authorized<'a>(action: &'a GrpcAction, attempt: &mut Attempt<'_>) -> Result<Cow<'a, GrpcAction>, Failure> {
    let Some(plan) = &action.auth else { return Ok(Cow::Borrowed(action)) };
    let credentials = authorize(attempt, plan).await?;
    let mut action = action.clone();
    let text = credentials.to_str().unwrap_or_default();
    text.split_once(' ').into_iter().for_each(|(_, word)| action.hidden.hide(word));
    action.metadata.insert(AUTHORIZATION, credentials);
    Ok(Cow::Owned(action))
}

/// Greets the server, asks, and judges the answer. The connection is driven by the same task, and ends with it.
async fn call(
    action: &GrpcAction,
    attempt: &mut Attempt<'_>,
    stream: Secured,
    session: Option<&Session>,
) -> Result<(), Failure> {
    let (stream, first) = Prefaced::new(stream);
    let broken = |stage| {
        let first = &first;
        move |error: &h2::Error| http2::failure(error, first, stage, session)
    };
    let waiting = || format!("waiting for the HTTP/2 settings of {}", action.endpoint.host);
    let greeting = greet(stream, &first, session);
    let (sender, mut connection) = attempt.stage(Stage::Handshake, waiting, greeting).await?;
    let request = request(action, attempt.limit().saturating_sub(attempt.elapsed()))?;
    let work = async {
        let mut sender = sender.ready().await?;
        let (response, mut asking) = sender.send_request(request, false)?;
        asking.send_data(message::question(&action.service), true)?;
        // The connection would be closed with the last handle on it.
        Ok((response.await?, sender))
    };
    let work = async { work.await.map_err(|error: h2::Error| broken(Stage::Request)(&error)) };
    let waiting = || format!("waiting for {} to be answered", called(action));
    let (response, _sender) = attempt.stage(Stage::Request, waiting, connection.asking(work)).await?;
    let messages = match head(action, attempt, response)? {
        Some(messages) => messages,
        None => {
            let message = format!("{} ended with OK, but without an answer", called(action));
            return Err(Failure::new(Cause::ProtocolMismatch, Stage::Request, message));
        }
    };
    let mut told = Told::since(Instant::now(), attempt.elapsed());
    let work = connection.beside(read(action, messages, &mut told, broken(Stage::Body)));
    let waiting = || format!("waiting for the answer to {}", called(action));
    let ended = attempt.stage(Stage::Body, waiting, work).await;
    told.record(attempt);
    judge(action, attempt, &told, ended)
}

/// Says hello, up to the server's settings.
async fn greet<S>(
    stream: Prefaced<S>,
    first: &First,
    session: Option<&Session>,
) -> Result<(client::SendRequest<Bytes>, Driven<Box<client::Connection<Prefaced<S>, Bytes>>>), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut builder = client::Builder::new();
    builder.max_header_list_size(MAX_HEADER).enable_push(false);
    let (sender, connection) =
        builder.handshake(stream).await.map_err(|error| http2::failure(&error, first, Stage::Handshake, session))?;
    // Boxed, because it is handed on from one to the other.
    let mut connection = Driven::new(Box::new(connection));
    connection.beside(first.settings(Stage::Handshake, session)).await?;
    Ok((sender, connection))
}

/// The call's header. What is left of the probe's time is the call's deadline, and the server is told.
fn request(action: &GrpcAction, left: Duration) -> Result<Request<()>, Failure> {
    let ours = |reason: String| Failure::new(Cause::ProberError, Stage::Request, reason);
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = action.uri.clone();
    let headers = request.headers_mut();
    headers.clone_from(&DEFAULTS);
    headers.extend(HeaderMap::clone(&action.metadata));
    let timeout = format!("{}m", left.as_millis().clamp(1, LONGEST_TIMEOUT));
    let timeout = HeaderValue::try_from(timeout).map_err(|error| ours(format!("the deadline: {error}")))?;
    headers.insert(GRPC_TIMEOUT, timeout);
    Ok(request)
}

/// Judges the answer's header. A status in it means that nothing follows; None for OK.
fn head(
    action: &GrpcAction,
    attempt: &mut Attempt<'_>,
    response: Response<h2::RecvStream>,
) -> Result<Option<Messages>, Failure> {
    let (head, stream) = response.into_parts();
    let Some(status) = Status::of(&head.headers, action) else {
        if head.status.as_u16() != 200 {
            attempt.fact(Fact::HttpStatus, head.status.as_str().to_owned());
        }
        judge_head(&head, action)?;
        return Ok(Some(Messages::new(stream)));
    };
    attempt.fact(Fact::GrpcStatus, status.name);
    if status.is_ok() { Ok(None) } else { Err(status.failure(action, Stage::Request)) }
}

/// Reads the answer up to its status, or (Watch) up to SERVING: then there is none yet.
async fn read(
    action: &GrpcAction,
    mut messages: Messages,
    told: &mut Told,
    broken: impl Fn(&h2::Error) -> Failure,
) -> Result<Option<Status>, Failure> {
    while let Some(serving) = messages.next(&broken).await? {
        match action.method {
            GrpcMethod::Check if told.last().is_some() => {
                let message = format!("{} was answered with more than one message", called(action));
                return Err(Failure::new(Cause::ProtocolMismatch, Stage::Body, message));
            }
            GrpcMethod::Check => told.add(serving)?,
            GrpcMethod::Watch => {
                told.add(serving)?;
                if serving == Health::Serving {
                    return Ok(None);
                }
            }
        }
    }
    let trailers = messages.trailers(&broken).await?.unwrap_or_default();
    Status::of(&trailers, action).map(Some).ok_or_else(|| {
        let message = format!(
            "the answer to {} ended without a status (trailers with grpc-status): a proxy on the way may not pass HTTP/2 trailers on",
            called(action)
        );
        Failure::new(Cause::ProtocolMismatch, Stage::Body, message)
    })
}

/// Judges how the call ended, together with what was told of the health.
fn judge(
    action: &GrpcAction,
    attempt: &mut Attempt<'_>,
    told: &Told,
    ended: Result<Option<Status>, Failure>,
) -> Result<(), Failure> {
    let status = match ended {
        Ok(status) => status,
        // A watch whose time is up says most with what it has seen.
        Err(failure) if failure.cause == Cause::ResponseTimeout => return Err(told.failure(action).unwrap_or(failure)),
        Err(failure) => return Err(failure),
    };
    let name = status.as_ref().map_or("OK", |status| status.name);
    attempt.fact(Fact::GrpcStatus, name);
    if let Some(status) = status.filter(|status| !status.is_ok()) {
        let unhealthy = if status.is_deadline() { told.failure(action) } else { None };
        return Err(unhealthy.unwrap_or_else(|| status.failure(action, Stage::Body)));
    }
    if let Some(failure) = told.failure(action) {
        return Err(failure);
    }
    let Some(last) = told.last() else {
        let message = format!("{} ended with OK, but without an answer", called(action));
        return Err(Failure::new(Cause::ProtocolMismatch, Stage::Body, message));
    };
    attempt.answer("status", || json!(name));
    attempt.answer("serving", || json!(last.to_string()));
    Ok(())
}
