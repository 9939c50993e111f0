//! Watches an HTTP/2 connection on its way to the client: that the peer speaks HTTP/2 at all, and how the connection broke,
//! if it did. The client's library tells neither to a request that it has not sent yet. Does no I/O of its own.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::exchange::{stream_cause, stream_failure};
use crate::api::{Cause, Stage};
use crate::evidence::Failure;
use crate::probe::net::tls::Session;

/// Where the type of a frame stands in it (RFC 9113, section 4.1).
const TYPE_AT: usize = 3;
/// The type of the frame that a server begins with (RFC 9113, section 3.4).
const SETTINGS: u8 = 4;

/// A stream whose first bytes must be those of HTTP/2.
pub struct Prefaced<S> {
    stream: S,
    seen: usize,
    first: First,
}

/// What broke the connection first.
#[derive(Clone, Default)]
pub struct First(Arc<OnceLock<Broken>>);

/// How a connection broke.
enum Broken {
    /// By what the peer did within the protocol.
    Peer(Cause, &'static str),
    /// By an error of the stream.
    Stream(io::Error),
}

impl First {
    /// The failure, if the connection broke.
    pub fn failure(&self, session: Option<&Session>) -> Option<Failure> {
        match self.0.get()? {
            Broken::Peer(cause, message) => Some(Failure::new(*cause, Stage::Request, *message)),
            Broken::Stream(error) => Some(stream_failure(error, session).unwrap_or_else(|| {
                let message = format!("the HTTP/2 connection broke: {error}");
                Failure::new(stream_cause(error), Stage::Request, message)
            })),
        }
    }

    /// Keeps the error of a stream, and passes on one that says the same.
    fn note(&self, error: io::Error) -> io::Error {
        let same = io::Error::new(error.kind(), error.to_string());
        self.0.get_or_init(|| Broken::Stream(error));
        same
    }
}

impl<S> Prefaced<S> {
    /// Watches a stream on which nothing has been read yet.
    pub fn new(stream: S) -> (Self, First) {
        let first = First::default();
        (Prefaced { stream, seen: 0, first: first.clone() }, first)
    }

    /// Looks at what has come in; nothing means that the peer has closed the connection.
    fn look(&mut self, fresh: &[u8]) -> io::Result<()> {
        if fresh.is_empty() {
            self.first.0.get_or_init(|| {
                Broken::Peer(Cause::ConnectionClosed, "the peer closed the HTTP/2 connection before it had answered")
            });
        }
        let kind = TYPE_AT.checked_sub(self.seen).and_then(|at| fresh.get(at));
        self.seen = self.seen.saturating_add(fresh.len());
        match kind {
            None | Some(&SETTINGS) => Ok(()),
            Some(_) => {
                let message = "the peer's first bytes are not HTTP/2";
                self.first.0.get_or_init(|| Broken::Peer(Cause::ProtocolMismatch, message));
                Err(io::Error::new(io::ErrorKind::InvalidData, message))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefaced<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer)).map_err(|error| this.first.note(error))?;
        Poll::Ready(this.look(buffer.filled().get(before..).unwrap_or_default()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefaced<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        Pin::new(&mut this.stream).poll_write(context, bytes).map_err(|error| this.first.note(error))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        Pin::new(&mut this.stream).poll_flush(context).map_err(|error| this.first.note(error))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_frame_is_told_however_it_is_cut() {
        let settings = [0, 0, 0, SETTINGS, 0, 0, 0, 0, 0];
        for (bytes, expected) in [(&settings[..], None), (b"HTTP/1.1 400", Some(Cause::ProtocolMismatch))] {
            for size in 1..=bytes.len() {
                let (mut stream, first) = Prefaced::new(());
                let fits = bytes.chunks(size).try_for_each(|piece| stream.look(piece));
                assert_eq!(fits.is_err(), expected.is_some(), "in pieces of {size}");
                assert_eq!(first.failure(None).map(|failure| failure.cause), expected, "in pieces of {size}");
            }
        }
    }
}
