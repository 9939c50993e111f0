//! The way to a database, whatever it leads over: one stream for the protocol inside. Does network I/O.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::connect;
use crate::evidence::Failure;
use crate::plan::kinds::Way;
use crate::probe::Attempt;

/// A connection that is ready for the protocol's first byte.
pub enum Channel {
    /// Over TCP.
    Tcp(TcpStream),
}

impl Channel {
    /// Carries out the stages that lead to the database.
    pub async fn open(attempt: &mut Attempt<'_>, way: &Way) -> Result<Channel, Failure> {
        match way {
            Way::Tcp(endpoint) => connect::connect(attempt, endpoint).await.map(Channel::Tcp),
        }
    }
}

impl AsyncRead for Channel {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Channel::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Channel {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Channel::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Channel::Tcp(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Channel::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
