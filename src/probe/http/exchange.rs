//! One HTTP exchange over a connected stream: the request stage up to the response's header, then the body. Does network I/O.

use std::borrow::Cow;
use std::future::Future;
use std::io;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::TryFutureExt;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn;
use hyper::header::{ACCEPT, CONNECTION, HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::timeout_at;

use super::encoding::{encodings, unpacked};
use super::frontend;
use crate::api::probes::HttpVersion;
use crate::api::{Cause, Stage};
use crate::evidence::Failure;
use crate::plan::kinds::{Destination, HttpAction, shown_url};
use crate::probe::driven::Driven;
use crate::probe::net::channel::Secured;
use crate::probe::net::http2::{self, Prefaced};
use crate::probe::net::tls::Session;
use crate::probe::net::{AGENT, io_cause};
use crate::probe::{Attempt, MAX_ANSWER};
use crate::reasons::reasons;

/// Largest response header that is read, in bytes.
pub const MAX_HEADER: usize = 64 * 1024;
/// How long the body is awaited of an answer whose status decides already, to tell who gave it.
const GLIMPSE: Duration = Duration::from_secs(1);

/// A request, as it goes to one hop.
pub struct Request<'a> {
    pub to: Arc<Destination>,
    pub method: Method,
    pub headers: Cow<'a, HeaderMap>,
    pub body: Bytes,
    /// Whether the body is meant for this origin alone.
    pub body_is_private: bool,
    /// Whether the answer's body is wanted whatever its status.
    pub whole: bool,
}

impl<'a> Request<'a> {
    /// The probe's own request, without credentials.
    pub fn of(action: &'a HttpAction) -> Self {
        Request {
            to: action.to.clone(),
            method: action.method.clone(),
            headers: Cow::Borrowed(&action.headers),
            body: action.body.clone(),
            body_is_private: action.body_is_private,
            whole: false,
        }
    }
}

/// What every request has unless the check says otherwise. The host, which comes first (RFC 9110, section 7.2), is only a place for
/// that of the request.
static DEFAULTS: LazyLock<HeaderMap> = LazyLock::new(|| {
    HeaderMap::from_iter([
        (HOST, HeaderValue::from_static("")),
        (ACCEPT, HeaderValue::from_static("*/*")),
        (USER_AGENT, HeaderValue::from_static(AGENT)),
        (CONNECTION, HeaderValue::from_static("close")),
    ])
});

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The body, unpacked, if it is complete; otherwise what there is of it.
    pub body: Vec<u8>,
    /// Whether the body is all there.
    pub complete: bool,
    /// How many bytes of body were read.
    pub body_bytes: usize,
}

/// Sends a request and reads the answer. The connection is driven by the same task; that of HTTP/2 has tasks besides, which
/// end when it is dropped.
pub async fn round_trip(
    action: &HttpAction,
    request: &Request<'_>,
    attempt: &mut Attempt<'_>,
    stream: Secured,
    session: Option<&Session>,
) -> Result<Answer, Failure> {
    let broken = |stage, error: &hyper::Error| failure(stage, error, session);
    let outgoing = outgoing(request);
    let waiting = || format!("waiting for {} {} to be answered", request.method, shown_url(&request.to.url));
    match request.to.version {
        HttpVersion::Http1 => {
            let mut builder = conn::http1::Builder::new();
            builder.max_buf_size(MAX_HEADER);
            // Nothing is sent for it, so that it takes no time: the stage begins with the request.
            let (mut sender, connection) =
                builder.handshake(TokioIo::new(stream)).await.map_err(|error| broken(Stage::Request, &error))?;
            let mut connection = Driven::new(Box::new(connection));
            let work = connection.beside(sender.send_request(outgoing)).map_err(|error| broken(Stage::Request, &error));
            let response = attempt.stage(Stage::Request, waiting, work).await?;
            read(action, request, attempt, response, &mut connection, session).await
        }
        // Boxed, so that a request over HTTP/1.1 is not as large.
        HttpVersion::Http2 => {
            Box::pin(async {
                let (stream, first) = Prefaced::new(stream);
                let mut builder = conn::http2::Builder::new(TokioExecutor::new());
                builder.max_header_list_size(MAX_HEADER as u32);
                // What the connection itself came upon says more than what the request then hears of it.
                let broken = |error: hyper::Error| {
                    first.failure(Stage::Request, session).unwrap_or_else(|| broken(Stage::Request, &error))
                };
                let work = async {
                    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
                    let mut connection = Driven::new(connection);
                    let response = connection.beside(sender.send_request(outgoing)).await?;
                    Ok((response, connection, sender))
                };
                let work = work.map_err(broken);
                let (response, mut connection, _sender) = attempt.stage(Stage::Request, waiting, work).await?;
                read(action, request, attempt, response, &mut connection, session).await
            })
            .await
        }
    }
}

/// Reads the body, within bounds. A status or header that decides already is not kept waiting for it.
async fn read<C>(
    action: &HttpAction,
    request: &Request<'_>,
    attempt: &mut Attempt<'_>,
    response: Response<Incoming>,
    connection: &mut Driven<C>,
    session: Option<&Session>,
) -> Result<Answer, Failure>
where
    C: Future<Output = Result<(), hyper::Error>> + Unpin,
{
    let (head, mut incoming) = response.into_parts();
    let mut answer =
        Answer { status: head.status, headers: head.headers, body: Vec::new(), complete: false, body_bytes: 0 };
    if incoming.is_end_stream() {
        answer.complete = true;
        return Ok(answer);
    }
    let decided = super::expect::judge_head(action, request, answer.status, &answer.headers).is_err();
    if decided && !request.whole {
        if frontend::speaks(answer.status, &answer.headers) {
            let deadline = attempt.stage_deadline(Stage::Body, Instant::now()).min(Instant::now() + GLIMPSE);
            let look = connection.beside(glimpse(incoming, &mut answer.body));
            // Boxed, because it is seldom needed.
            let _ = Box::pin(timeout_at(deadline.into(), look)).await;
        }
        return Ok(answer);
    }
    let most = action.max_body_bytes;
    let wanted = match (action.expect_body.is_some() || request.whole, attempt.is_asked()) {
        (true, _) => most,
        (false, true) => most.min(MAX_ANSWER),
        (false, false) => 0,
    };
    let too_large = |bytes: u64| {
        let message =
            format!("the body of {} has at least {bytes} bytes; maxBodyBytes is {most}", shown_url(&request.to.url));
        Failure::new(Cause::ResponseTooLarge, Stage::Body, message)
    };
    let announced = incoming.size_hint().lower();
    let work = async {
        if announced > most as u64 {
            return Err(too_large(announced));
        }
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| failure(Stage::Body, &error, session))?;
            let Some(data) = frame.data_ref() else { continue };
            answer.body_bytes += data.len();
            if answer.body_bytes > most {
                return Err(too_large(answer.body_bytes as u64));
            }
            if answer.body_bytes <= wanted {
                answer.body.extend_from_slice(data);
            }
        }
        if wanted > 0 && answer.body_bytes <= wanted {
            let packed = std::mem::take(&mut answer.body);
            answer.body = unpacked(packed, encodings(&answer.headers)?, most).await?;
            answer.complete = true;
        }
        Ok(())
    };
    let waiting = || format!("reading the body of {}", shown_url(&request.to.url));
    attempt.stage(Stage::Body, waiting, connection.beside(work)).await?;
    Ok(answer)
}

/// Takes the beginning of a body, as far as it comes.
async fn glimpse(mut incoming: Incoming, body: &mut Vec<u8>) -> Result<(), hyper::Error> {
    while let Some(frame) = incoming.frame().await {
        let Some(data) = frame?.into_data().ok() else { continue };
        body.extend_from_slice(&data[..data.len().min(frontend::MOST - body.len())]);
        if body.len() == frontend::MOST {
            break;
        }
    }
    Ok(())
}

/// The request as the library takes it.
pub fn outgoing(request: &Request<'_>) -> hyper::Request<Full<Bytes>> {
    let mut outgoing = hyper::Request::new(Full::new(request.body.clone()));
    *outgoing.method_mut() = request.method.clone();
    *outgoing.uri_mut() = request.to.target.clone();
    let headers = outgoing.headers_mut();
    headers.clone_from(&DEFAULTS);
    match request.to.version {
        HttpVersion::Http1 => _ = headers.insert(HOST, request.to.host.clone()),
        HttpVersion::Http2 => {
            headers.remove(HOST);
            headers.remove(CONNECTION);
        }
    }
    // All values of a name take the place of its default.
    headers.extend(HeaderMap::clone(&request.headers));
    outgoing
}

/// What a broken exchange stands for.
#[cold]
pub fn failure(stage: Stage, error: &hyper::Error, session: Option<&Session>) -> Failure {
    if let Some(Source::Io(io)) = source(error)
        && let Some(tls) = stream_failure(io, session)
    {
        return tls;
    }
    let cause = match source(error) {
        _ if error.is_parse_too_large() => Cause::ResponseTooLarge,
        _ if error.is_parse() => Cause::ProtocolMismatch,
        Some(Source::Io(io)) => stream_cause(io),
        Some(Source::Http2(h2)) => http2::cause(h2),
        None if error.is_incomplete_message() || error.is_closed() => Cause::ConnectionClosed,
        // Not closed, but not waited for: the peer spoke before it was asked.
        None if error.is_canceled() && !closed(error) => Cause::ProtocolMismatch,
        None if error.is_canceled() => Cause::ConnectionClosed,
        None => Cause::ProtocolMismatch,
    };
    Failure::new(cause, stage, format!("the HTTP exchange broke: {}", reasons(error)))
}

/// The failure of the TLS stage that an error of the stream stands for, if it does: with TLS 1.3, a client certificate that is
/// missing or not accepted shows only after the handshake.
pub fn stream_failure(error: &io::Error, session: Option<&Session>) -> Option<Failure> {
    let tls = session?.failure(error);
    (tls.cause == Cause::ClientCertificateRequired).then_some(tls)
}

/// The cause that an error of the stream stands for. Not our own: what we can't name is what the peer sent.
pub fn stream_cause(error: &io::Error) -> Cause {
    match io_cause(error) {
        Cause::ProberError => Cause::ProtocolMismatch,
        cause => cause,
    }
}

/// Whether a request was given up because its connection had been closed.
fn closed(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<hyper::Error>());
    source.is_none_or(|source| source.is_closed() || source.is_incomplete_message())
}

/// What an error of the HTTP library comes from.
enum Source<'a> {
    Io(&'a io::Error),
    Http2(&'a h2::Error),
}

fn source(error: &hyper::Error) -> Option<Source<'_>> {
    let mut next = std::error::Error::source(error);
    while let Some(reason) = next {
        if let Some(io) = reason.downcast_ref::<io::Error>() {
            return Some(Source::Io(io));
        }
        if let Some(h2) = reason.downcast_ref::<h2::Error>() {
            return Some(h2.get_io().map_or(Source::Http2(h2), Source::Io));
        }
        next = reason.source();
    }
    None
}
