//! The way to a database, whatever it leads over: one stream for the protocol inside, in plain text or within TLS. Does
//! network I/O.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use super::tls::{Session, tls};
use super::{connect, unix};
use crate::evidence::Failure;
use crate::plan::kinds::Way;
use crate::probe::Attempt;
use crate::probe::cloudsql::{self, Tunnel};

/// A connection that is ready for the protocol's first byte.
pub enum Channel {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
    /// Through a tunnel to a Cloud SQL instance.
    CloudSql(Box<Tunnel>),
}

/// A channel on which the protocol goes on, in plain text or within TLS.
pub enum Secured {
    /// As it is.
    Plain(Channel),
    /// Within TLS.
    Tls(Box<TlsStream<Channel>>),
}

impl Channel {
    /// Carries out the stages that lead to the database.
    pub async fn open(attempt: &mut Attempt<'_>, way: &Way) -> Result<Channel, Failure> {
        match way {
            Way::Tcp(endpoint) => connect::connect(attempt, endpoint).await.map(Channel::Tcp),
            Way::Unix(socket) => unix::connect(attempt, socket).await.map(Channel::Unix),
            Way::CloudSql(instance) => {
                let tunnel = Box::pin(cloudsql::open(attempt, instance)).await?;
                Ok(Channel::CloudSql(Box::new(tunnel)))
            }
        }
    }
}

/// Passes a poll on to the stream within.
macro_rules! either {
    ($of:expr, $($variant:path)|+, $stream:ident => $poll:expr) => {
        match $of { $($variant($stream) => { let $stream = Pin::new($stream); $poll })+ }
    };
}

impl Secured {
    /// A channel within TLS if there is a session for it, which takes the tls stage; otherwise as it is.
    pub async fn over(
        attempt: &mut Attempt<'_>,
        session: Option<&Session>,
        host: &str,
        channel: Channel,
    ) -> Result<Secured, Failure> {
        match session {
            None => Ok(Secured::Plain(channel)),
            Some(session) => tls(attempt, session, host, channel).await.map(Secured::Tls),
        }
    }
}

impl AsyncRead for Channel {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), Channel::Tcp | Channel::Unix | Channel::CloudSql, stream => stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Channel {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), Channel::Tcp | Channel::Unix | Channel::CloudSql, stream => stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), Channel::Tcp | Channel::Unix | Channel::CloudSql, stream => stream.poll_write_vectored(context, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Channel::Tcp(stream) => stream.is_write_vectored(),
            Channel::Unix(stream) => stream.is_write_vectored(),
            Channel::CloudSql(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), Channel::Tcp | Channel::Unix | Channel::CloudSql, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), Channel::Tcp | Channel::Unix | Channel::CloudSql, stream => stream.poll_shutdown(context))
    }
}

impl AsyncRead for Secured {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), Secured::Plain | Secured::Tls, stream => stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Secured {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), Secured::Plain | Secured::Tls, stream => stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), Secured::Plain | Secured::Tls, stream => stream.poll_write_vectored(context, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Secured::Plain(stream) => stream.is_write_vectored(),
            Secured::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), Secured::Plain | Secured::Tls, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), Secured::Plain | Secured::Tls, stream => stream.poll_shutdown(context))
    }
}
