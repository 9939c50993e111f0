//! What kinds over HTTP/2 share: that the peer agreed to it and speaks it at all, and how the connection broke, if it did. The
//! client's library tells neither to a request that it has not sent yet. Does no I/O of its own.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, BufWriter, ReadBuf};

use super::channel::Secured;
use super::io_cause;
use super::tls::Session;
use crate::api::{Cause, Stage};
use crate::evidence::Failure;
use crate::plan::kinds::Endpoint;

/// How much of the first frame tells what it is: its length and its type (RFC 9113, section 4.1).
const HEAD: usize = 4;
/// Room for what a client begins with, its preface and its settings (RFC 9113, section 3.4), so that they are one packet.
const BEGINNING: usize = 256;
/// The type of the frame that a server begins with (RFC 9113, section 3.4).
const SETTINGS: u8 = 4;

/// Holds the peer to the protocol that was asked for with ALPN, if it was (RFC 9113, section 3.2).
pub fn agreed(stream: &Secured, endpoint: &Endpoint) -> Result<(), Failure> {
    if matches!(stream.agreed(), None | Some(Some(b"h2"))) {
        return Ok(());
    }
    let message = format!("{} does not offer HTTP/2 (ALPN h2) on port {}", endpoint.host, endpoint.port);
    Err(Failure::new(Cause::ProtocolMismatch, Stage::Tls, message))
}

/// A stream whose first bytes must be those of HTTP/2. What is written goes out when it is flushed, but for what can wait: see
/// [`First::settings`].
pub struct Prefaced<S> {
    stream: Box<BufWriter<S>>,
    head: [u8; HEAD],
    seen: usize,
    first: First,
    /// Why a write failed, while it is looked for what the peer has said before.
    unsent: Option<io::Error>,
}

/// What came first on a connection: the peer's settings, and what broke it.
#[derive(Clone, Default)]
pub struct First(Arc<Seen>);

#[derive(Default)]
struct Seen {
    settings: AtomicBool,
    /// Whether the settings are waited for.
    awaited: AtomicBool,
    broke: OnceLock<Break>,
}

/// The time in which the settings are awaited, however it ends.
struct Awaited<'s>(&'s Seen);

impl<'s> Awaited<'s> {
    fn begin(seen: &'s Seen) -> Self {
        seen.awaited.store(true, Ordering::Relaxed);
        Awaited(seen)
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.0.awaited.store(false, Ordering::Relaxed);
    }
}

/// How a connection broke.
enum Break {
    Io(io::Error),
    Closed,
    Foreign(&'static str),
}

impl First {
    /// The failure, if the connection broke. With TLS 1.3, a missing client certificate shows only after the handshake.
    pub fn failure(&self, stage: Stage, session: Option<&Session>) -> Option<Failure> {
        let error = match self.0.broke.get()? {
            Break::Io(error) => error,
            Break::Closed => {
                let message = "the peer closed the HTTP/2 connection before it had answered";
                return Some(Failure::new(Cause::ConnectionClosed, stage, message));
            }
            Break::Foreign(message) => return Some(Failure::new(Cause::ProtocolMismatch, stage, message)),
        };
        let of_tls = session.map(|session| session.failure(error));
        let certificate = of_tls.filter(|failure| failure.cause == Cause::ClientCertificateRequired);
        Some(certificate.unwrap_or_else(|| {
            let cause = match io_cause(error) {
                Cause::ProberError => Cause::ProtocolMismatch,
                cause => cause,
            };
            Failure::new(cause, stage, format!("the HTTP/2 connection broke: {error}"))
        }))
    }

    /// Waits for the peer's settings. The connection must be driven by the same task. That they have been received is told to the
    /// peer together with what is sent next, in one packet.
    pub async fn settings(&self, stage: Stage, session: Option<&Session>) -> Result<(), Failure> {
        let _awaited = Awaited::begin(&self.0);
        poll_fn(|_| match self.failure(stage, session) {
            Some(failure) => Poll::Ready(Err(failure)),
            None if self.0.settings.load(Ordering::Relaxed) => Poll::Ready(Ok(())),
            None => Poll::Pending,
        })
        .await
    }

    /// Whether what is written now can wait for what will be sent once the settings are known.
    fn is_held(&self) -> bool {
        self.0.awaited.load(Ordering::Relaxed) && self.0.settings.load(Ordering::Relaxed)
    }

    fn note(&self, error: io::Error) -> io::Error {
        let told = io::Error::new(error.kind(), error.to_string());
        self.0.broke.get_or_init(|| Break::Io(error));
        told
    }
}

impl<S: AsyncWrite> Prefaced<S> {
    /// Watches a stream on which nothing has been read yet.
    pub fn new(stream: S) -> (Self, First) {
        let first = First::default();
        let stream = Box::new(BufWriter::with_capacity(BEGINNING, stream));
        (Prefaced { stream, head: [0; HEAD], seen: 0, first: first.clone(), unsent: None }, first)
    }

    /// Looks at what has come in; nothing means that the peer has closed the connection.
    fn look(&mut self, fresh: &[u8]) -> io::Result<()> {
        if fresh.is_empty() {
            let unsent = self.unsent.take().map(Break::Io);
            self.first.0.broke.get_or_init(|| unsent.unwrap_or(Break::Closed));
            return Ok(());
        }
        if self.seen == HEAD {
            return Ok(());
        }
        for (place, byte) in self.head[self.seen..].iter_mut().zip(fresh) {
            *place = *byte;
            self.seen += 1;
        }
        if self.seen < HEAD {
            return Ok(());
        }
        if self.head[HEAD - 1] == SETTINGS {
            self.first.0.settings.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let message = foreign(self.head);
        self.first.0.broke.get_or_init(|| Break::Foreign(message));
        Err(io::Error::new(io::ErrorKind::InvalidData, message))
    }
}

/// What begins like this, if it is not HTTP/2.
const fn foreign(head: [u8; HEAD]) -> &'static str {
    match &head {
        b"HTTP" => "the peer's first bytes are not HTTP/2: an HTTP/1 server answers",
        // An alert or a handshake message (RFC 8446, section 5.1).
        [21 | 22, 3, ..] => {
            "the peer's first bytes are not HTTP/2: it answers with TLS, and was spoken to in plain text"
        }
        _ => "the peer's first bytes are not HTTP/2",
    }
}

/// The cause of a broken HTTP/2 connection or stream: what the peer says of it (RFC 9113, section 7), or what we found.
pub fn cause(error: &h2::Error) -> Cause {
    match error.reason() {
        Some(h2::Reason::PROTOCOL_ERROR | h2::Reason::FRAME_SIZE_ERROR | h2::Reason::HTTP_1_1_REQUIRED) => {
            Cause::ProtocolMismatch
        }
        Some(_) if error.is_remote() => Cause::ConnectionClosed,
        // Our library's own limits: frames without content, a header without end.
        Some(h2::Reason::ENHANCE_YOUR_CALM) => Cause::ResponseTooLarge,
        Some(_) | None => Cause::ProtocolMismatch,
    }
}

/// What a broken call stands for: what the peer says of it, otherwise what was seen of its connection first.
#[cold]
pub fn failure(error: &h2::Error, first: &First, stage: Stage, session: Option<&Session>) -> Failure {
    let reason = error.reason().unwrap_or(h2::Reason::INTERNAL_ERROR);
    let told = match (error.is_remote(), error.is_go_away()) {
        (true, true) => format!("the peer ended the HTTP/2 connection (GOAWAY: {reason:?}, {reason})"),
        (true, false) => format!("the peer ended the HTTP/2 stream (RST_STREAM: {reason:?}, {reason})"),
        (false, _) => {
            return first.failure(stage, session).unwrap_or_else(|| {
                let cause = cause(error);
                let told = match cause {
                    Cause::ResponseTooLarge => "the peer sends more than is read over HTTP/2",
                    // The library does not tell the two apart.
                    _ if error.is_reset() => "the answer is malformed, or its header is larger than is read (64 KiB)",
                    _ => "the peer does not keep to HTTP/2",
                };
                Failure::new(cause, stage, format!("{told}: {error}"))
            });
        }
    };
    Failure::new(cause(error), stage, told)
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Prefaced<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut *this.stream).poll_read(context, buffer)).map_err(|error| this.first.note(error))?;
        Poll::Ready(this.look(buffer.filled().get(before..).unwrap_or_default()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Prefaced<S> {
    /// A write that fails says only that the peer has gone; what it said before that, such as a TLS alert, is still there to be
    /// read: at the latest its end.
    fn last_words(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Error>> {
        let Some(error) = self.unsent.take() else { return Poll::Ready(None) };
        let mut scratch = [0; 256];
        let said = match Pin::new(&mut *self.stream).poll_read(context, &mut ReadBuf::new(&mut scratch)) {
            Poll::Ready(Err(said)) => said,
            Poll::Ready(Ok(())) => error,
            Poll::Pending => {
                self.unsent = Some(error);
                return Poll::Pending;
            }
        };
        Poll::Ready(Some(self.first.note(said)))
    }

    /// Writes, and passes on what came of it, unless it failed.
    fn send<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut BufWriter<S>>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Some(error) = ready!(self.last_words(context)) {
            return Poll::Ready(Err(error));
        }
        match ready!(write(Pin::new(&mut *self.stream), context)) {
            Ok(sent) => Poll::Ready(Ok(sent)),
            Err(error) => {
                let told = io::Error::new(error.kind(), error.to_string());
                self.unsent = Some(error);
                Poll::Ready(Err(ready!(self.last_words(context)).unwrap_or(told)))
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Prefaced<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().send(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().send(context, |stream, context| stream.poll_write_vectored(context, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.first.is_held() {
            return Poll::Ready(Ok(()));
        }
        this.send(context, |stream, context| stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;

    use futures::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn the_preface_goes_out_with_the_settings() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let (mut stream, _) = Prefaced::new(ours);
        let mut heard = [0; 64];
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("room");
        assert!(theirs.read(&mut heard).now_or_never().is_none(), "it is held");
        stream.write_all(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]).await.expect("room");
        stream.flush().await.expect("a peer");
        assert_eq!(theirs.read(&mut heard).await.expect("both"), 33);
    }

    #[tokio::test]
    async fn the_settings_are_acknowledged_together_with_what_comes_next() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let (mut stream, first) = Prefaced::new(ours);
        let mut heard = [0; 64];
        let mut greeted = pin!(first.settings(Stage::Handshake, None));
        assert!(greeted.as_mut().now_or_never().is_none(), "nothing has come");
        stream.write_all(b"hello").await.expect("room");
        stream.flush().await.expect("a peer");
        assert_eq!(theirs.read(&mut heard).await.expect("a greeting"), 5, "a greeting is not held");
        theirs.write_all(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]).await.expect("room");
        stream.read_exact(&mut heard[..9]).await.expect("settings");
        stream.write_all(b"acknowledged").await.expect("room");
        stream.flush().await.expect("a peer");
        assert!(theirs.read(&mut heard).now_or_never().is_none(), "it is held");
        greeted.await.expect("settings");
        stream.write_all(b", request").await.expect("room");
        stream.flush().await.expect("a peer");
        let length = theirs.read(&mut heard).await.expect("both");
        assert_eq!(&heard[..length], b"acknowledged, request");
    }

    #[test]
    fn the_first_frame_is_told_however_it_is_cut() {
        let settings = [0, 0, 0, SETTINGS, 0, 0, 0, 0, 0];
        let alert = [21, 3, 1, 0, 2, 2, 10];
        for (bytes, expected) in [
            (&settings[..], None),
            (b"HTTP/1.1 400", Some("HTTP/1 server")),
            (&alert, Some("TLS")),
            (b"SSH-2", Some("")),
        ] {
            for size in 1..=bytes.len() {
                let (mut stream, first) = Prefaced::new(tokio::io::empty());
                let fits = bytes.chunks(size).try_for_each(|piece| stream.look(piece));
                assert_eq!(fits.is_err(), expected.is_some(), "in pieces of {size}");
                let failure = first.failure(Stage::Request, None);
                assert_eq!(failure.is_some(), expected.is_some(), "in pieces of {size}");
                let says = failure.map(|failure| failure.message.into_string()).unwrap_or_default();
                assert!(says.contains(expected.unwrap_or_default()), "{says}");
            }
        }
    }
}
