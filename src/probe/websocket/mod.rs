//! The `websocket` kind: upgrades an HTTP connection over our own stream (RFC 6455), holds a conversation, and takes its leave.
//! Does network I/O.

mod close;
mod talk;
mod upgrade;

use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::Value;
use tokio::time::timeout_at;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use self::talk::{Progress, Seen, Talk};
use super::Attempt;
use super::auth::{authorize, rejected};
use super::net::channel::{Channel, Secured};
use super::net::connect::connect;
use super::net::tls::Session;
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure, Shown};
use crate::plan::kinds::{Destination, WebsocketAction, shown_url};
use crate::plan::rule::FIRST_MESSAGE;

/// How large the buffers of a connection are before a message needs more, in bytes.
const BUFFER: usize = 8 * 1024;
/// How much may wait to be written, in bytes: a peer that sends pings and never reads is given up on.
const MOST_UNWRITTEN: usize = 1 << 20;
/// How long a peer is given, at most, to answer the close frame with which a conversation ends.
const FAREWELL: Duration = Duration::from_millis(500);

/// A WebSocket over a connection of ours.
type Socket = WebSocketStream<Secured>;

/// Carries out a `websocket` probe.
pub async fn probe(action: &WebsocketAction, attempt: &mut Attempt<'_>) -> Result<(), Failure> {
    let authorization = match &action.auth {
        None => None,
        Some(plan) => Some(authorize(attempt, plan).await?),
    };
    let Destination { url, endpoint, .. } = &*action.to;
    // WebSockets over HTTP/2 (RFC 8441) are not asked for, so HTTP/1.1 is all that is offered.
    let secure = url.scheme() == "wss";
    let session = secure.then(|| Session::new(&action.tls, &endpoint.host, &[b"http/1.1"])).transpose()?;
    let channel = Channel::Tcp(connect(attempt, endpoint).await?);
    let stream = Secured::over(attempt, session.as_ref(), &endpoint.host, channel).await?;
    let upgraded = upgrade::upgrade(action, authorization, attempt, stream, session.as_ref()).await;
    if let (Err(failure), Some(plan)) = (&upgraded, &action.auth)
        && failure.cause == Cause::UpgradeRefused
    {
        rejected(plan);
    }
    let (stream, early) = upgraded?;
    let mut socket = Socket::from_partially_read(stream, early, Role::Client, Some(limits(action))).await;
    if !action.steps.is_empty() {
        converse(action, attempt, &mut socket, session.as_ref()).await?;
    }
    farewell(socket, attempt.stage_deadline(Stage::Messages, Instant::now())).await;
    Ok(())
}

fn limits(action: &WebsocketAction) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_write_buffer_size(MOST_UNWRITTEN)
        .max_message_size(Some(action.max_message_bytes))
        .max_frame_size(Some(action.max_message_bytes))
}

/// The messages stage: every step of the conversation, and what is learnt from it.
async fn converse(
    action: &WebsocketAction,
    attempt: &mut Attempt<'_>,
    socket: &mut Socket,
    session: Option<&Session>,
) -> Result<(), Failure> {
    let progress = Progress::default();
    let mut talk = Talk::new(action, session, &progress, attempt.is_asked());
    let doing = || {
        let (step, received) = (progress.step(), progress.received());
        format!("{} with {}, {received} messages received", talk::place(action, step), shown_url(&action.to.url))
    };
    let result = attempt.stage(Stage::Messages, doing, talk.run(socket)).await;
    let seen = talk.end();
    attempt.fact(Fact::MessagesReceived, progress.received().to_string());
    record(attempt, action, seen);
    result
}

/// Puts what was seen of a conversation into the evidence.
fn record(attempt: &mut Attempt<'_>, action: &WebsocketAction, seen: Seen) {
    let times: Vec<String> = action.steps.iter().zip(&seen.times).map(talk::step_time).collect();
    attempt.fact(Fact::StepTimes, times.join(", "));
    if let Some(code) = seen.close {
        attempt.fact(Fact::CloseCode, code.to_string());
    }
    if let Some(first) = seen.first {
        attempt.fact(Fact::TimeToFirstMessage, Shown(first).to_string());
        attempt.answer(FIRST_MESSAGE, || u64::try_from(first.as_nanos()).unwrap_or(u64::MAX).into());
        if let Some(most) = action.max_time_to_first_message.filter(|most| first > *most) {
            let message = format!(
                "the first message of {} came after {}, later than maxTimeToFirstMessage {}",
                shown_url(&action.to.url),
                Shown(first),
                Shown(most)
            );
            attempt.flaw(Failure::new(Cause::LatencyExceeded, Stage::Messages, message));
        }
    }
    if let Some(last) = seen.messages.last() {
        attempt.answer("message", || last.as_str().into());
        if let Ok(json) = serde_json::from_str::<Value>(last) {
            attempt.answer("json", || json);
        }
    }
    attempt.answer("messages", || seen.messages.into());
}

/// Ends a conversation in good order (RFC 6455, section 7.1.1), as far as the peer plays along. The wait is ours, so no
/// stage's clock runs.
async fn farewell(mut socket: Socket, deadline: Instant) {
    let deadline = deadline.min(Instant::now() + FAREWELL);
    let leave = async {
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        if socket.close(Some(frame)).await.is_ok() {
            while let Some(Ok(message)) = socket.next().await {
                if matches!(message, Message::Close(_)) {
                    break;
                }
            }
        }
    };
    let _ = timeout_at(deadline.into(), leave).await;
}
