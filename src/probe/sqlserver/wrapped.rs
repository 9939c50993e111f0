//! A stream on which the TLS handshake is carried in packets of TDS (MS-TDS, "TLS/SSL negotiation": each of its flights is the
//! content of PRELOGIN packets), and what follows is not. Wraps a stream; does no I/O of its own.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::prelogin::{HEADER, LAST, PRELOGIN, TABULAR};

/// Largest packet before a login agrees on another size (MS-TDS, "Packet Header", Length).
const PACKET: usize = 4096;

/// A stream within a handshake, or after it.
pub struct Wrapped<S> {
    stream: S,
    /// Whether what is written goes into packets.
    wrapping: bool,
    /// Whether what is read may still come in packets.
    unwrapping: bool,
    header: [u8; HEADER],
    /// How much of the header has come.
    known: usize,
    /// How much of the packet's content is still to come.
    left: usize,
    /// What was written of the flight.
    flight: Vec<u8>,
    /// The flight in packets, as far as it is not sent.
    packets: Vec<u8>,
    sent: usize,
}

impl<S> Wrapped<S> {
    /// A stream on which the handshake begins.
    pub fn new(stream: S) -> Self {
        Wrapped {
            stream,
            wrapping: true,
            unwrapping: true,
            header: [0; HEADER],
            known: 0,
            left: 0,
            flight: Vec::new(),
            packets: Vec::new(),
            sent: 0,
        }
    }

    /// The handshake is over. What a server still sends in packets (TLS 1.3: its tickets) is taken as such.
    pub fn end_handshake(&mut self) {
        self.wrapping = false;
    }
}

impl<S: AsyncRead + Unpin> Wrapped<S> {
    /// Reads the header of the next packet. Ready with false where the stream is at its end, or goes on without packets: in the
    /// middle of a handshake, TLS itself says what is wrong with that.
    fn poll_header(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        while self.known < HEADER {
            // One byte at first: TLS records without a packet around them begin with another one.
            let end = if self.known == 0 { 1 } else { HEADER };
            let mut buffer = ReadBuf::new(&mut self.header[self.known..end]);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            let read = buffer.filled().len();
            if read == 0 {
                return Poll::Ready(if self.known == 0 { Ok(false) } else { Err(io::ErrorKind::UnexpectedEof.into()) });
            }
            self.known += read;
            if !matches!(self.header[0], PRELOGIN | TABULAR) {
                self.unwrapping = false;
                return Poll::Ready(Ok(false));
            }
        }
        let length = usize::from(u16::from_be_bytes([self.header[2], self.header[3]]));
        self.known = 0;
        match length.checked_sub(HEADER) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Ok(true))
            }
            None => {
                let error = rustls::Error::General("a packet shorter than its header".to_owned());
                Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wrapped<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        while this.unwrapping && this.left == 0 {
            if ready!(this.poll_header(context))? {
                continue;
            }
            if this.unwrapping {
                return Poll::Ready(Ok(()));
            }
        }
        if this.known > 0 {
            // The byte by which the end of the packets was seen.
            buffer.put_slice(&this.header[..this.known]);
            this.known = 0;
            return Poll::Ready(Ok(()));
        }
        if !this.unwrapping {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        let most = this.left.min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
        ready!(Pin::new(&mut this.stream).poll_read(context, &mut part))?;
        let read = part.filled().len();
        if read == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        buffer.advance(read);
        this.left -= read;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wrapped<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.wrapping {
            this.flight.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut this.stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.flight.is_empty() {
            pack(&std::mem::take(&mut this.flight), &mut this.packets);
        }
        while this.sent < this.packets.len() {
            let wrote = ready!(Pin::new(&mut this.stream).poll_write(context, &this.packets[this.sent..]))?;
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            this.sent += wrote;
        }
        this.packets.clear();
        this.sent = 0;
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// Puts a flight into as many packets as it takes.
fn pack(flight: &[u8], packets: &mut Vec<u8>) {
    let mut parts = flight.chunks(PACKET - HEADER).enumerate().peekable();
    while let Some((index, part)) = parts.next() {
        let length = ((part.len() + HEADER) as u16).to_be_bytes();
        let status = if parts.peek().is_none() { LAST } else { 0 };
        packets.extend([PRELOGIN, status, length[0], length[1], 0, 0, index as u8, 0]);
        packets.extend_from_slice(part);
    }
}
