//! A conversation over a WebSocket: its steps one after the other, each with its own clock; memory bounded whatever the peer
//! sends. Does network I/O. Never shows a message: it may hold a secret.

use std::collections::VecDeque;
use std::fmt::Display;
use std::future::Future;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use jsonpath_rust::query::js_path_process;
use serde_json::Value;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::{Socket, close};
use crate::api::{Cause, Stage};
use crate::evidence::{Failure, Shown};
use crate::plan::kinds::{JsonWanted, Wanted, WebsocketAction, WebsocketStep, WebsocketWait};
use crate::probe::MAX_ANSWER;
use crate::probe::net::io_cause;
use crate::probe::net::tls::Session;
use crate::reasons::reasons;

/// What our pings carry.
const PING: &[u8] = b"runready";
/// How many pings and pongs a peer may send in one conversation.
const MOST_CONTROLS: u32 = 1000;
/// How many messages may come while a pong is awaited; they are kept for the steps that follow.
const MOST_WAITING: usize = 100;

/// How far a conversation has come, for who waits for it.
#[derive(Default)]
pub struct Progress {
    step: AtomicUsize,
    received: AtomicU32,
}

impl Progress {
    /// Index of the step that is under way.
    pub fn step(&self) -> usize {
        self.step.load(Ordering::Relaxed)
    }

    /// How many messages have been received.
    pub fn received(&self) -> u32 {
        self.received.load(Ordering::Relaxed)
    }
}

/// What was seen in a conversation.
#[derive(Default)]
pub struct Seen {
    /// What each step took that has ended.
    pub times: Vec<Duration>,
    /// From the last message sent, or from the upgrade, to the first one received.
    pub first: Option<Duration>,
    /// Code with which the peer closed.
    pub close: Option<u16>,
    /// The messages, as far as they are asked for and not too large.
    pub messages: Vec<String>,
}

/// A conversation under way.
pub struct Talk<'a> {
    action: &'a WebsocketAction,
    session: Option<&'a Session>,
    progress: &'a Progress,
    /// Whether messages are to be kept, and how many more bytes of them.
    keep: Option<usize>,
    since: Instant,
    controls: u32,
    /// Messages that came before anybody expected one.
    waiting: VecDeque<Bytes>,
    seen: Seen,
}

/// Which step that is, for people.
pub fn place(action: &WebsocketAction, step: usize) -> String {
    let shown = action.steps.get(step).map_or_else(String::new, |step| format!(" ({step})"));
    format!("step {} of {}{shown}", step + 1, action.steps.len())
}

/// What a step took, for people.
pub fn step_time((step, time): (&WebsocketStep, &Duration)) -> String {
    let what = match step {
        WebsocketStep::Send(_) | WebsocketStep::SendBinary(_) => "send",
        WebsocketStep::Expect(_) => "expect",
        WebsocketStep::Ping(_) => "ping",
    };
    format!("{what} {}", Shown(*time))
}

impl<'a> Talk<'a> {
    /// A conversation that begins now; `asked` if its messages are to be kept.
    pub fn new(action: &'a WebsocketAction, session: Option<&'a Session>, progress: &'a Progress, asked: bool) -> Self {
        let keep = asked.then_some(MAX_ANSWER);
        let (since, waiting, seen) = (Instant::now(), VecDeque::new(), Seen::default());
        Talk { action, session, progress, keep, since, controls: 0, waiting, seen }
    }

    /// What was seen.
    pub fn end(self) -> Seen {
        self.seen
    }

    /// Carries out the steps.
    pub async fn run(&mut self, socket: &mut Socket) -> Result<(), Failure> {
        let (action, progress) = (self.action, self.progress);
        for (index, step) in action.steps.iter().enumerate() {
            progress.step.store(index, Ordering::Relaxed);
            let entered = Instant::now();
            match step {
                WebsocketStep::Send(text) => self.send(socket, Message::Text(Utf8Bytes::from(&**text))).await?,
                WebsocketStep::SendBinary(bytes) => self.send(socket, Message::Binary(bytes.clone())).await?,
                WebsocketStep::Expect(wait) => {
                    let late = || late(action, progress, "no message that is as expected");
                    limited(wait.within, self.expect(socket, wait), late).await?;
                }
                WebsocketStep::Ping(within) => {
                    limited(*within, self.ping(socket), || late(action, progress, "no pong")).await?;
                }
            }
            self.seen.times.push(entered.elapsed());
        }
        Ok(())
    }

    async fn send(&mut self, socket: &mut Socket, message: Message) -> Result<(), Failure> {
        socket.send(message).await.map_err(|error| self.failure(&error))?;
        self.since = Instant::now();
        self.seen.first = None;
        Ok(())
    }

    /// Waits for a message that is as wanted. Those that are not are passed over.
    async fn expect(&mut self, socket: &mut Socket, wait: &WebsocketWait) -> Result<(), Failure> {
        for _ in 0..wait.max_messages {
            let message = match self.waiting.pop_front() {
                Some(message) => message,
                None => self.message(socket).await?,
            };
            if fits(&wait.wanted, &message) {
                return Ok(());
            }
        }
        let message = format!("{}: none of {} messages is as expected", self.place(), wait.max_messages);
        Err(Failure::new(Cause::UnexpectedResult, Stage::Messages, message))
    }

    /// Sends a ping and waits for its pong. What comes in between waits for the steps that follow.
    async fn ping(&mut self, socket: &mut Socket) -> Result<(), Failure> {
        socket.send(Message::Ping(Bytes::from_static(PING))).await.map_err(|error| self.failure(&error))?;
        loop {
            match self.next(socket).await? {
                Received::Pong(payload) if payload == PING => return Ok(()),
                Received::Pong(_) => {}
                Received::Message(message) => {
                    let bytes: usize = self.waiting.iter().map(Bytes::len).sum();
                    if self.waiting.len() == MOST_WAITING || bytes + message.len() > self.action.max_message_bytes {
                        let message = format!("{}: too much came before the pong", self.place());
                        return Err(Failure::new(Cause::UnexpectedResult, Stage::Messages, message));
                    }
                    self.waiting.push_back(message);
                }
            }
        }
    }

    async fn message(&mut self, socket: &mut Socket) -> Result<Bytes, Failure> {
        loop {
            if let Received::Message(message) = self.next(socket).await? {
                return Ok(message);
            }
        }
    }

    /// The next message or pong. Pings are answered by the protocol's library.
    async fn next(&mut self, socket: &mut Socket) -> Result<Received, Failure> {
        loop {
            let message = match socket.next().await {
                None => return Err(self.closed(close::ABNORMAL, None)),
                Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => {
                    return Err(self.closed(close::ABNORMAL, None));
                }
                Some(Err(error)) => return Err(self.failure(&error)),
                Some(Ok(message)) => message,
            };
            match message {
                Message::Text(text) => return Ok(self.received(text.into())),
                Message::Binary(bytes) => return Ok(self.received(bytes)),
                Message::Close(Some(frame)) if close::is_forbidden(&frame) => {
                    let what = "closes with a code that must never be sent";
                    return Err(self.breach(&what));
                }
                Message::Close(frame) => return Err(self.closed(close::code(frame.as_ref()), frame.as_ref())),
                Message::Ping(_) => self.control()?,
                Message::Pong(payload) => {
                    self.control()?;
                    return Ok(Received::Pong(payload));
                }
                // Never read, only written.
                Message::Frame(_) => {}
            }
        }
    }

    fn received(&mut self, message: Bytes) -> Received {
        self.progress.received.fetch_add(1, Ordering::Relaxed);
        self.seen.first.get_or_insert_with(|| self.since.elapsed());
        if let Some(left) = self.keep.and_then(|left| left.checked_sub(message.len())) {
            self.keep = Some(left);
            self.seen.messages.push(String::from_utf8_lossy(&message).into_owned());
        }
        Received::Message(message)
    }

    fn control(&mut self) -> Result<(), Failure> {
        self.controls += 1;
        if self.controls <= MOST_CONTROLS {
            return Ok(());
        }
        let message = format!("{}: the peer sent more than {MOST_CONTROLS} pings and pongs", self.place());
        Err(Failure::new(Cause::ProtocolMismatch, Stage::Messages, message))
    }

    fn place(&self) -> String {
        place(self.action, self.progress.step())
    }

    fn closed(&mut self, code: u16, frame: Option<&CloseFrame>) -> Failure {
        self.seen.close = Some(code);
        close::closed(code, frame, &self.place())
    }

    /// What a broken conversation stands for.
    fn failure(&mut self, error: &Error) -> Failure {
        let at = self.place();
        let failed = |cause, what: String| Failure::new(cause, Stage::Messages, format!("{at}: {what}"));
        match error {
            Error::ConnectionClosed | Error::AlreadyClosed => self.closed(close::ABNORMAL, None),
            Error::Io(io) => {
                // With TLS 1.3, a missing client certificate shows only after the handshake.
                let tls = self.session.map(|session| session.failure(io));
                if let Some(tls) = tls.filter(|tls| tls.cause == Cause::ClientCertificateRequired) {
                    return tls;
                }
                match io_cause(io) {
                    Cause::ConnectionClosed => self.closed(close::ABNORMAL, None),
                    Cause::ProberError => failed(Cause::ProtocolMismatch, format!("the connection broke: {io}")),
                    cause => failed(cause, format!("the connection broke: {io}")),
                }
            }
            Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
                let what = format!("a message has at least {size} bytes; maxMessageBytes is {max_size}");
                failed(Cause::ResponseTooLarge, what)
            }
            Error::WriteBufferFull(_) => failed(
                Cause::ProtocolMismatch,
                "the peer sends pings, but does not read what it is answered".to_owned(),
            ),
            other => self.breach(&reasons(other)),
        }
    }

    fn breach(&self, what: &dyn Display) -> Failure {
        let message = format!("{}: the peer breaks the WebSocket protocol: {what}", self.place());
        Failure::new(Cause::ProtocolMismatch, Stage::Messages, message)
    }
}

/// What came from the peer.
enum Received {
    Message(Bytes),
    Pong(Bytes),
}

/// Whether a message is as wanted.
fn fits(wanted: &Wanted, message: &[u8]) -> bool {
    match wanted {
        Wanted::Text(pattern) => pattern.is_match(message),
        Wanted::Json(JsonWanted { written: _, path, matches }) => {
            let Ok(json) = serde_json::from_slice::<Value>(message) else { return false };
            let Ok(found) = js_path_process(path, &json) else { return false };
            found.into_iter().map(jsonpath_rust::query::QueryRef::val).any(|value| match (matches, value) {
                (None, _) => true,
                (Some(pattern), Value::String(text)) => pattern.is_match(text.as_bytes()),
                (Some(pattern), other) => pattern.is_match(other.to_string().as_bytes()),
            })
        }
    }
}

/// Carries out a step within its own limit, if it has one.
async fn limited(
    within: Option<Duration>,
    work: impl Future<Output = Result<(), Failure>>,
    late: impl FnOnce() -> String,
) -> Result<(), Failure> {
    let Some(within) = within else { return work.await };
    timeout(within, work).await.unwrap_or_else(|_| {
        let message = format!("{} within {} (the step's own limit)", late(), Shown(within));
        Err(Failure::new(Cause::ResponseTimeout, Stage::Messages, message))
    })
}

fn late(action: &WebsocketAction, progress: &Progress, what: &str) -> String {
    format!("{}: {what} among {} received came", place(action, progress.step()), progress.received())
}
