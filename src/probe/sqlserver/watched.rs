//! What tiberius reads and writes: a stream without the PRELOGIN, which has been exchanged already, made of a server's packets
//! alone, and with a limit to what an answer may be. Wraps a stream; does no I/O of its own.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::prelogin::{self, Encryption, HEADER, TABULAR, Violation};

/// A stream of any kind.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// What was seen of the server.
#[derive(Debug, Default)]
pub struct Seen {
    /// How many bytes may still come.
    left: AtomicU64,
    too_large: AtomicBool,
    closed: AtomicBool,
    /// Why reading broke off; tiberius keeps the words alone.
    broken: OnceLock<io::Error>,
}

impl Seen {
    /// From now on, so many bytes may come.
    pub fn allow(&self, bytes: u64) {
        self.left.store(bytes, Ordering::Relaxed);
    }

    /// Whether more came.
    pub fn too_large(&self) -> bool {
        self.too_large.load(Ordering::Relaxed)
    }

    /// Why reading broke off.
    pub fn broken(&self) -> Option<&io::Error> {
        self.broken.get()
    }

    /// Takes down why reading breaks off, and gives tiberius its words.
    fn breaks(&self, error: io::Error) -> io::Error {
        let told = io::Error::new(error.kind(), error.to_string());
        self.closed.fetch_or(error.kind() == io::ErrorKind::UnexpectedEof, Ordering::Relaxed);
        self.broken.get_or_init(|| error);
        told
    }

    /// Whether the server hung up.
    pub fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

/// Where in the packets what comes is. Otherwise what is no packet would be waited for as the rest of one.
#[derive(Debug, Default)]
struct Place {
    /// The beginning of a packet's header: its type, status and length.
    header: [u8; 4],
    /// How much of that has come.
    known: usize,
    /// How much of the packet is still to come.
    left: usize,
}

impl Place {
    /// Goes on over what came.
    fn pass(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        while let [first, rest @ ..] = bytes {
            if self.left > 0 {
                let count = self.left.min(bytes.len());
                self.left -= count;
                bytes = &bytes[count..];
                continue;
            }
            if self.known == 0 && *first != TABULAR {
                return Err(Violation::NotTds(*first));
            }
            self.header[self.known] = *first;
            self.known += 1;
            bytes = rest;
            if self.known == self.header.len() {
                let length = usize::from(u16::from_be_bytes([self.header[2], self.header[3]]));
                if length < HEADER {
                    return Err(Violation::Malformed("a packet shorter than its header"));
                }
                self.left = length - self.header.len();
                self.known = 0;
            }
        }
        Ok(())
    }
}

/// The stream.
pub struct Watched {
    stream: Box<dyn Duplex>,
    seen: Arc<Seen>,
    place: Place,
    /// How much of tiberius' own PRELOGIN is still to be swallowed; None before its header has come.
    swallowing: Option<usize>,
    /// The answer to it, as far as it has not been read.
    canned: Vec<u8>,
}

impl Watched {
    /// Takes a stream on which the login comes next.
    pub fn new(stream: Box<dyn Duplex>, seen: Arc<Seen>) -> Self {
        // Whatever was agreed upon is below this stream: for tiberius there is no encryption.
        Watched {
            stream,
            seen,
            place: Place::default(),
            swallowing: None,
            canned: prelogin::message(TABULAR, Encryption::Unsupported),
        }
    }
}

impl futures::io::AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !this.canned.is_empty() {
            let count = this.canned.len().min(buffer.len());
            buffer[..count].copy_from_slice(&this.canned[..count]);
            this.canned.drain(..count);
            return Poll::Ready(Ok(count));
        }
        let mut part = ReadBuf::new(buffer);
        let read = ready!(Pin::new(&mut this.stream).poll_read(context, &mut part));
        read.map_err(|error| this.seen.breaks(error))?;
        let count = part.filled().len();
        this.seen.closed.fetch_or(count == 0, Ordering::Relaxed);
        this.place.pass(part.filled()).map_err(|violation| this.seen.breaks(violation.into()))?;
        match this.seen.left.load(Ordering::Relaxed).checked_sub(count as u64) {
            Some(left) => {
                this.seen.left.store(left, Ordering::Relaxed);
                Poll::Ready(Ok(count))
            }
            None => {
                this.seen.too_large.store(true, Ordering::Relaxed);
                Poll::Ready(Err(Violation::TooLarge(0).into()))
            }
        }
    }
}

impl futures::io::AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match this.swallowing {
            Some(0) => Pin::new(&mut this.stream).poll_write(context, bytes),
            Some(left) => {
                let count = left.min(bytes.len());
                this.swallowing = Some(left - count);
                Poll::Ready(Ok(count))
            }
            // The PRELOGIN is a packet of its own, and is written as one.
            None => match bytes {
                [_, _, high, low, ..] => {
                    let length = usize::from(u16::from_be_bytes([*high, *low])).max(HEADER);
                    let count = length.min(bytes.len());
                    this.swallowing = Some(length - count);
                    Poll::Ready(Ok(count))
                }
                _ => Poll::Ready(Err(io::ErrorKind::InvalidInput.into())),
            },
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_passed_over_however_they_come() {
        let packet = [&[TABULAR, 0, 0, 12, 0, 0, 1, 0][..], b"body", &[TABULAR, 1, 0, 8, 0, 0, 2, 0]].concat();
        for size in 1..=packet.len() {
            let mut place = Place::default();
            packet.chunks(size).for_each(|part| place.pass(part).expect("packets"));
            assert_eq!((place.known, place.left), (0, 0), "in parts of {size}");
            assert_eq!(place.pass(b"HTTP"), Err(Violation::NotTds(b'H')));
        }
        assert!(Place::default().pass(&[TABULAR, 1, 0, 7]).is_err());
    }
}
