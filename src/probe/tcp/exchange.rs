//! An exchange over a connection: its steps one after the other; memory and work bounded whatever the peer sends. Does
//! network I/O.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::api::{Cause, Stage};
use crate::evidence::{Failure, Shown, clip};
use crate::plan::kinds::{TcpAction, TcpStep, TcpWait};
use crate::probe::net::io_cause;
use crate::probe::net::tls::Session;

/// The most that is read while looking for a match, in bytes.
const MOST_READ: usize = 64 * 1024;
/// The most that is read at once, in bytes.
const PIECE: usize = 4 * 1024;
/// How long a match may be, in bytes, to be found however it is cut into packets. What was searched before is searched again
/// only so far back, so that the work is bounded by the bytes, and not by their square.
const WINDOW: usize = 4 * 1024;
/// The most that is shown of what came, in characters.
const SHOWN: usize = 120;

/// An exchange under way.
pub struct Exchange<'a> {
    action: &'a TcpAction,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    step: usize,
    entered: Option<Instant>,
    /// What came and was not matched yet.
    received: BytesMut,
    /// How much of it has been searched for the step's match.
    searched: usize,
    seen: Seen,
}

/// What was seen of an exchange.
#[derive(Default)]
pub struct Seen {
    /// What each step took that has ended.
    pub times: Vec<Duration>,
    /// What came up to the last match.
    pub matched: BytesMut,
}

/// What became of a search.
enum Found {
    Match,
    Refusal(String),
    Nothing,
}

/// What a step took, for people.
pub fn step_time((step, time): (&TcpStep, &Duration)) -> String {
    let what = match step {
        TcpStep::Send(_) => "send",
        TcpStep::Expect(_) => "expect",
        TcpStep::StartTls => "startTls",
    };
    format!("{what} {}", Shown(*time))
}

impl<'a> Exchange<'a> {
    /// An exchange that has not begun.
    pub fn new(action: &'a TcpAction) -> Self {
        Exchange { action, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// With whom.
    pub fn host(&self) -> &'a str {
        &self.action.endpoint.host
    }

    /// What was seen.
    pub fn end(self) -> Seen {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).seen
    }

    /// A step begins.
    pub fn enter(&self, step: usize) {
        let mut state = self.state();
        (state.step, state.entered, state.searched) = (step, Some(Instant::now()), 0);
    }

    /// The step has ended well.
    pub fn passed(&self) {
        let mut state = self.state();
        let took = state.entered.map_or(Duration::ZERO, |entered| entered.elapsed());
        state.seen.times.push(took);
    }

    /// Which step is under way, for people.
    pub fn place(&self) -> String {
        let step = self.state().step;
        let shown = self.action.steps.get(step).map_or_else(String::new, |step| format!(" ({step})"));
        format!("step {} of {}{shown}", step + 1, self.action.steps.len())
    }

    /// What is waited for, and what came so far, for people.
    pub fn waiting(&self) -> String {
        format!("{} with {}, {} received", self.place(), self.action.endpoint.host, shown(&self.state().received))
    }

    /// What came and belongs to no answer, for people.
    pub fn left_over(&self) -> Option<String> {
        let state = self.state();
        (!state.received.is_empty()).then(|| shown(&state.received))
    }

    /// Carries out some of the steps, within TLS if there is a session.
    pub async fn run<S>(&self, stream: &mut S, steps: Range<usize>, session: Option<&Session>) -> Result<(), Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        for index in steps {
            self.enter(index);
            match &self.action.steps[index] {
                TcpStep::Send(bytes) => {
                    stream.write_all(bytes).await.map_err(|error| self.broken(&error, session))?;
                    stream.flush().await.map_err(|error| self.broken(&error, session))?;
                }
                TcpStep::Expect(wait) => self.expect(stream, wait, session).await?,
                TcpStep::StartTls => {}
            }
            self.passed();
        }
        Ok(())
    }

    async fn expect<S>(&self, stream: &mut S, wait: &TcpWait, session: Option<&Session>) -> Result<(), Failure>
    where
        S: AsyncRead + Unpin,
    {
        let work = self.read_match(stream, wait, session);
        let Some(within) = wait.within else { return work.await };
        timeout(within, work).await.unwrap_or_else(|_| {
            let message = format!("{}: no match within {} (the step's own limit)", self.waiting(), Shown(within));
            Err(Failure::new(Cause::ResponseTimeout, Stage::Exchange, message))
        })
    }

    async fn read_match<S>(&self, stream: &mut S, wait: &TcpWait, session: Option<&Session>) -> Result<(), Failure>
    where
        S: AsyncRead + Unpin,
    {
        let mut piece = BytesMut::with_capacity(PIECE);
        loop {
            match self.search(wait) {
                Found::Match => return Ok(()),
                Found::Refusal(what) => return Err(self.refused(&what)),
                Found::Nothing => {}
            }
            if self.state().received.len() >= MOST_READ {
                return Err(self.unmatched("without a match for expect"));
            }
            piece.clear();
            piece.reserve(PIECE);
            let read = stream.read_buf(&mut piece).await;
            if read.map_err(|error| self.broken(&error, session))? == 0 {
                return Err(self.ended());
            }
            self.state().received.extend_from_slice(&piece);
        }
    }

    /// Looks for the match, or the refusal, in what came since the last look; takes what comes up to the end of the match.
    fn search(&self, wait: &TcpWait) -> Found {
        let mut state = self.state();
        let from = resume(state.searched);
        let found = wait.pattern.find_at(&state.received, from).map(|found| found.end());
        if let Some(end) = found {
            state.seen.matched = state.received.split_to(end);
            return Found::Match;
        }
        if wait.refusal.as_ref().is_some_and(|refusal| refusal.is_match_at(&state.received, from)) {
            return Found::Refusal(shown(&state.received));
        }
        state.searched = state.received.len();
        Found::Nothing
    }

    fn refused(&self, what: &str) -> Failure {
        let turns = matches!(self.action.steps.get(self.state().step + 1), Some(TcpStep::StartTls));
        let cause = if turns { Cause::TlsNotOffered } else { Cause::UnexpectedResult };
        Failure::new(cause, Stage::Exchange, format!("{}: the peer refuses: {what}", self.place()))
    }

    fn ended(&self) -> Failure {
        let nothing = self.state().received.is_empty();
        if nothing {
            let message = format!("{}: the peer closed the connection and sent nothing", self.place());
            return Failure::new(Cause::ConnectionClosed, Stage::Exchange, message);
        }
        self.unmatched("none of which match expect, and closed the connection")
    }

    fn unmatched(&self, how: &str) -> Failure {
        let message = format!("{}: the peer sent {}, {how}", self.place(), shown(&self.state().received));
        Failure::new(Cause::UnexpectedResult, Stage::Exchange, message)
    }

    fn broken(&self, error: &std::io::Error, session: Option<&Session>) -> Failure {
        // With TLS 1.3, a missing client certificate shows only after the handshake.
        let tls = session.map(|session| session.failure(error));
        if let Some(tls) = tls.filter(|tls| tls.cause == Cause::ClientCertificateRequired) {
            return tls;
        }
        let cause = match io_cause(error) {
            Cause::ProberError if session.is_some() => Cause::ProtocolMismatch,
            cause => cause,
        };
        Failure::new(cause, Stage::Exchange, format!("{}: the connection broke: {error}", self.place()))
    }
}

/// From where a search goes on, when so much has been searched in vain.
const fn resume(searched: usize) -> usize {
    searched.saturating_sub(WINDOW)
}

/// Bytes for people: how many, and the first of them as far as they can be printed.
fn shown(bytes: &[u8]) -> String {
    let first = &bytes[..bytes.len().min(SHOWN)];
    match bytes.len() {
        0 => "nothing".to_owned(),
        1 => format!("1 byte \"{}\"", first.escape_ascii()),
        count => format!("{count} bytes \"{}\"", clip(&first.escape_ascii().to_string(), SHOWN)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::kinds::Endpoint;
    use regex::bytes::Regex;

    fn action(pattern: &str) -> TcpAction {
        let pattern = Regex::new(pattern).expect("a pattern");
        let steps = Box::new([TcpStep::Expect(Box::new(TcpWait { pattern, refusal: None, within: None }))]);
        let endpoint = Endpoint::new("peer", 1, false);
        TcpAction { endpoint, steps, tls: None }
    }

    /// Gives the bytes one at a time, as packets could; returns after how many there was a match, and how many were looked at.
    fn feed(pattern: &str, bytes: &[u8]) -> (Option<usize>, usize) {
        let action = action(pattern);
        let exchange = Exchange::new(&action);
        let TcpStep::Expect(wait) = &action.steps[0] else { unreachable!("made just now") };
        let mut looked_at = 0;
        for (index, byte) in bytes.iter().enumerate() {
            let mut state = exchange.state();
            state.received.extend_from_slice(&[*byte]);
            looked_at += state.received.len() - resume(state.searched);
            drop(state);
            if matches!(exchange.search(wait), Found::Match) {
                return (Some(index + 1), looked_at);
            }
        }
        (None, looked_at)
    }

    #[test]
    fn single_bytes_cost_work_by_their_number_and_not_by_its_square() {
        let (found, looked_at) = feed("never", &[b'x'; MOST_READ]);
        assert_eq!(found, None);
        assert!(looked_at <= MOST_READ * (WINDOW + 1), "{looked_at} bytes looked at");
    }

    #[test]
    fn a_match_within_the_window_is_found_however_it_is_cut() {
        let bytes = [vec![b'x'; 10_000], vec![b'a'; WINDOW - 3], b"end, and more".to_vec()].concat();
        assert_eq!(feed("a+end", &bytes).0, Some(10_000 + WINDOW));
        assert_eq!(feed("^x", &bytes).0, Some(1), "the start is the start");
        assert_eq!(feed("^a", &bytes).0, None, "and nothing else is");
        assert_eq!(feed("(?m)^x|, and", &bytes[1..]).0, Some(1));
    }

    #[test]
    fn what_follows_a_match_is_left_over() {
        let action = action("go\r\n");
        let exchange = Exchange::new(&action);
        exchange.state().received.extend_from_slice(b"220 go\r\nstuffed\x00");
        let TcpStep::Expect(wait) = &action.steps[0] else { unreachable!("made just now") };
        assert!(matches!(exchange.search(wait), Found::Match));
        assert_eq!(exchange.left_over().as_deref(), Some(r#"8 bytes "stuffed\x00""#));
    }
}
