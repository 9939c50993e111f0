//! Watches the server's messages on their way to the client: when the first answer came, which authentication was asked
//! for, and that no message and no login is larger than it may be. Wraps a stream; does no I/O of its own.
//!
//! The framing is that of the PostgreSQL frontend/backend protocol 3.0, "Message Formats": a byte that names the type, then
//! a length (32 bits, big-endian, counting itself), then the rest.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::error::DbError;

/// Most bytes that a login may take: the server's parameters, notices and authentication messages.
const MOST_FOR_LOGIN: u64 = 1 << 20;
/// Largest message of a query's result, in bytes.
const LARGEST_MESSAGE: u64 = 16 << 20;
/// Most bytes of a query's whole result.
const MOST_FOR_QUERY: u64 = 64 << 20;

/// The largest header that is looked at: type, length and, for authentication requests, the method.
const HEADER: usize = 9;

/// What the server asked for first, by the code of its authentication request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Nothing: the server trusts this role, or the certificate that it presented.
    None,
    /// The password in plain text.
    Password,
    /// The password's MD5 digest.
    Md5,
    /// SASL: SCRAM-SHA-256 (RFC 7677).
    Sasl,
    /// Something that runready can't serve: Kerberos, GSSAPI, SSPI.
    Other(u32),
}

impl Method {
    const fn of_code(code: u32) -> Self {
        match code {
            0 => Method::None,
            3 => Method::Password,
            5 => Method::Md5,
            10..=12 => Method::Sasl,
            other => Method::Other(other),
        }
    }

    /// The name as pg_hba.conf has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Method::None => "trust",
            Method::Password => "password",
            Method::Md5 => "md5",
            Method::Sasl => "scram-sha-256",
            Method::Other(7 | 8) => "gss",
            Method::Other(9) => "sspi",
            Method::Other(_) => "unknown",
        }
    }

    /// Whether a password answers it.
    pub const fn takes_password(self) -> bool {
        matches!(self, Method::Password | Method::Md5 | Method::Sasl)
    }
}

/// Why the stream was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The first byte is that of no message that a server may begin with.
    #[error("the answer begins with byte 0x{0:02x}, which is not PostgreSQL's protocol")]
    NotPostgres(u8),
    /// A length that no message can have.
    #[error("a message announces a length of {0} bytes, which no message has")]
    BadLength(u32),
    /// More bytes than a login takes.
    #[error("the server sent more than {MOST_FOR_LOGIN} bytes, or announced them, before the login was complete")]
    LoginTooLarge,
    /// A message, or a result, larger than is read.
    #[error("the result is larger than runready reads ({LARGEST_MESSAGE} bytes a row, {MOST_FOR_QUERY} in all)")]
    ResultTooLarge,
}

/// What was seen of the server's messages so far. Shared with the stream that sees them.
#[derive(Debug, Default)]
pub struct Seen {
    /// Code of the first authentication request, plus one; 0 before.
    first: AtomicU32,
    /// Code of the last authentication request, plus one; 0 before.
    last: AtomicU32,
    /// Whether an error came.
    refused: AtomicU32,
    /// What the server said before it hung up.
    pub last_words: OnceLock<DbError>,
}

impl Seen {
    /// What the server asked for first. None before it has.
    pub fn method(&self) -> Option<Method> {
        self.first.load(Ordering::Relaxed).checked_sub(1).map(Method::of_code)
    }

    /// Whether the exchange went beyond the first request: the server took up what the client had answered.
    pub fn went_on(&self) -> bool {
        self.first.load(Ordering::Relaxed) != self.last.load(Ordering::Relaxed)
    }

    /// Whether the server has answered at all: with an authentication request, or with an error.
    pub fn answered(&self) -> bool {
        self.method().is_some() || self.refused.load(Ordering::Relaxed) != 0
    }

    fn note(&self, tag: u8, code: u32) {
        match tag {
            b'R' => {
                let code = code.saturating_add(1);
                let _ = self.first.compare_exchange(0, code, Ordering::Relaxed, Ordering::Relaxed);
                self.last.store(code, Ordering::Relaxed);
            }
            b'E' => self.refused.store(1, Ordering::Relaxed),
            _ => {}
        }
    }
}

/// A stream whose incoming messages are watched.
pub struct Watched<S> {
    stream: S,
    frames: Frames,
}

impl<S> Watched<S> {
    /// Watches a stream on which nothing has been read yet.
    pub fn new(stream: S, seen: Arc<Seen>) -> Self {
        Watched { stream, frames: Frames::new(seen) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        Poll::Ready(this.frames.take(fresh).map_err(|violation| io::Error::new(io::ErrorKind::InvalidData, violation)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// Where in the sequence of messages the stream stands.
struct Frames {
    seen: Arc<Seen>,
    header: [u8; HEADER],
    have: usize,
    /// Bytes of the current message that are still to come.
    rest: u64,
    /// Bytes of all messages since the start, or since the login was complete, as announced.
    total: u64,
    logged_in: bool,
    first: bool,
}

impl Frames {
    fn new(seen: Arc<Seen>) -> Self {
        Frames { seen, header: [0; HEADER], have: 0, rest: 0, total: 0, logged_in: false, first: true }
    }

    fn take(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        while !bytes.is_empty() {
            if self.have == 0 && self.rest > 0 {
                let skipped = usize::try_from(self.rest).unwrap_or(usize::MAX).min(bytes.len());
                self.rest -= skipped as u64;
                bytes = &bytes[skipped..];
                continue;
            }
            // Most headers come as a whole.
            if let (0, Some(whole)) = (self.have, bytes.first_chunk::<HEADER>()) {
                self.header = *whole;
                self.have = self.wanted();
                bytes = &bytes[self.have..];
            } else {
                self.header[self.have] = bytes[0];
                self.have += 1;
                bytes = &bytes[1..];
            }
            self.check()?;
        }
        Ok(())
    }

    /// How much of the header must be known, once its first byte is: the method too, for an authentication request.
    const fn wanted(&self) -> usize {
        if self.header[0] == b'R' && !self.logged_in { HEADER } else { 5 }
    }

    fn check(&mut self) -> Result<(), Violation> {
        let [tag, a, b, c, d, method @ ..] = self.header;
        if self.first && !matches!(tag, b'R' | b'E' | b'N' | b'v') {
            return Err(Violation::NotPostgres(tag));
        }
        if self.have < self.wanted() {
            return Ok(());
        }
        self.first = false;
        let length = u32::from_be_bytes([a, b, c, d]);
        let known = (self.have - 1) as u32;
        if length < known || length > i32::MAX as u32 {
            return Err(Violation::BadLength(length));
        }
        self.total += u64::from(length) + 1;
        match self.logged_in {
            false if self.total > MOST_FOR_LOGIN => return Err(Violation::LoginTooLarge),
            true if u64::from(length) > LARGEST_MESSAGE || self.total > MOST_FOR_QUERY => {
                return Err(Violation::ResultTooLarge);
            }
            false | true => {}
        }
        self.seen.note(tag, u32::from_be_bytes(method));
        if tag == b'Z' && !self.logged_in {
            (self.logged_in, self.total) = (true, 0);
        }
        self.rest = u64::from(length - known);
        self.have = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u32 + 4).to_be_bytes();
        [&[tag][..], &length, body].concat()
    }

    fn scram() -> Vec<u8> {
        message(b'R', &[&10_u32.to_be_bytes()[..], b"SCRAM-SHA-256\0\0"].concat())
    }

    #[test]
    fn messages_are_seen_however_they_are_cut() {
        let parts = [
            scram(),
            message(b'R', &[&12_u32.to_be_bytes()[..], b"v=abc"].concat()),
            message(b'R', &0_u32.to_be_bytes()),
            message(b'S', b"server_version\x0017.2\0"),
            message(b'Z', b"I"),
            message(b'D', &[7; 100]),
        ];
        let bytes = parts.concat();
        for size in 1..=bytes.len() {
            let seen = Arc::new(Seen::default());
            let mut frames = Frames::new(seen.clone());
            for piece in bytes.chunks(size) {
                frames.take(piece).expect("a well-formed exchange");
            }
            assert_eq!(seen.method(), Some(Method::Sasl), "in pieces of {size}");
            assert!(seen.went_on() && frames.logged_in && frames.rest == 0 && frames.have == 0, "in pieces of {size}");
        }
    }

    #[test]
    fn what_is_not_postgresql_is_told_by_its_first_byte() {
        let take = |bytes: &[u8]| Frames::new(Arc::default()).take(bytes);
        assert_eq!(take(b"HTTP/1.1 400 Bad Request"), Err(Violation::NotPostgres(b'H')));
        assert_eq!(take(b"SSH-2.0-OpenSSH"), Err(Violation::NotPostgres(b'S')));
        assert_eq!(take(b"E\0\0\0\x01"), Err(Violation::BadLength(1)));
    }

    #[test]
    fn sizes_are_bounded_by_what_is_announced() {
        let mut frames = Frames::new(Arc::default());
        assert_eq!(frames.take(b"R\x7f\xff\xff\xff\0\0\0\x05"), Err(Violation::LoginTooLarge), "2 GiB");
        let mut frames = Frames::new(Arc::default());
        let notices = std::iter::repeat_n(message(b'N', &[b'x'; 1000]), 2000);
        let result: Result<Vec<()>, Violation> = notices.map(|notice| frames.take(&notice)).collect();
        assert_eq!(result, Err(Violation::LoginTooLarge), "endless notices");
        let mut frames = Frames::new(Arc::default());
        frames.take(&message(b'R', &0_u32.to_be_bytes())).expect("trusted");
        frames.take(&message(b'Z', b"I")).expect("ready");
        assert_eq!(frames.take(b"D\x7f\xff\xff\xff"), Err(Violation::ResultTooLarge));
    }

    #[test]
    fn the_first_request_decides_on_the_method() {
        let method = |code: u32| {
            let seen = Arc::new(Seen::default());
            Frames::new(seen.clone()).take(&message(b'R', &code.to_be_bytes())).expect("a request");
            seen.method().expect("seen")
        };
        assert_eq!([0, 3, 5, 7, 9].map(|code| method(code).as_str()), ["trust", "password", "md5", "gss", "sspi"]);
        assert!(!method(7).takes_password());
    }
}
