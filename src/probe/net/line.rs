//! A connection, with or without TLS, as one type: what a protocol runs over that may or may not be secured. Does network I/O.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::connect::connect;
use super::tls::{Session, tls};
use crate::evidence::Failure;
use crate::plan::kinds::Endpoint;
use crate::probe::Attempt;

/// A connection that is ready for the protocol's first byte.
pub enum Line {
    /// As it is.
    Plain(TcpStream),
    /// Inside TLS.
    Secured(Box<TlsStream<TcpStream>>),
}

impl Line {
    /// Resolves, connects and, with a session, shakes hands.
    pub async fn open(
        attempt: &mut Attempt<'_>,
        endpoint: &Endpoint,
        session: Option<&Session>,
    ) -> Result<Line, Failure> {
        let stream = connect(attempt, endpoint).await?;
        let Some(session) = session else { return Ok(Line::Plain(stream)) };
        tls(attempt, session, &endpoint.host, stream).await.map(|stream| Line::Secured(Box::new(stream)))
    }

    /// The application protocol that the peer chose in the handshake (RFC 7301).
    pub fn alpn(&self) -> Option<&[u8]> {
        match self {
            Line::Plain(_) => None,
            Line::Secured(stream) => stream.get_ref().1.alpn_protocol(),
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Line::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Line::Secured(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Line::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Line::Secured(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Line::Plain(stream) => Pin::new(stream).poll_flush(context),
            Line::Secured(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Line::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Line::Secured(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
