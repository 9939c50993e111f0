//! The way to a database, whatever it leads over: one stream for the protocol inside, in plain text or within TLS. Does
//! network I/O.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt;
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

/// How much is read in one turn before everything else on this thread has its own: protocols read on as long as something comes,
/// and a peer that never stops would keep the clocks of all probes waiting.
const TURN: usize = 64 * 1024;

/// A channel on which the protocol goes on, in plain text or within TLS.
pub struct Secured {
    stream: Form,
    /// Bytes read in this turn.
    taken: usize,
}

enum Form {
    Plain(Channel),
    Tls(Box<TlsStream<Channel>>),
}

impl From<Channel> for Secured {
    fn from(channel: Channel) -> Self {
        Secured { stream: Form::Plain(channel), taken: 0 }
    }
}

impl From<Box<TlsStream<Channel>>> for Secured {
    fn from(stream: Box<TlsStream<Channel>>) -> Self {
        Secured { stream: Form::Tls(stream), taken: 0 }
    }
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
            None => Ok(channel.into()),
            // Boxed, so that a probe in plain text is not as large.
            Some(session) => tls(attempt, session, host, channel).boxed().await.map(Secured::from),
        }
    }

    /// The protocol that TLS has agreed on (ALPN, RFC 7301), if there is TLS.
    pub fn agreed(&self) -> Option<Option<&[u8]>> {
        match &self.stream {
            Form::Plain(_) => None,
            Form::Tls(stream) => Some(stream.get_ref().1.alpn_protocol()),
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
        match self.get_mut() {
            // Who shuts a channel down drops it next, and close(2) says the same to the peer: one system call fewer.
            Channel::Tcp(_) | Channel::Unix(_) => Poll::Ready(Ok(())),
            Channel::CloudSql(tunnel) => Pin::new(tunnel).poll_shutdown(context),
        }
    }
}

impl AsyncRead for Secured {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.taken >= TURN {
            this.taken = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let poll = either!(&mut this.stream, Form::Plain | Form::Tls, stream => stream.poll_read(context, buffer));
        this.taken = if poll.is_ready() { this.taken + buffer.filled().len() - before } else { 0 };
        poll
    }
}

impl AsyncWrite for Secured {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(&mut self.get_mut().stream, Form::Plain | Form::Tls, stream => stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(&mut self.get_mut().stream, Form::Plain | Form::Tls, stream => stream.poll_write_vectored(context, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Form::Plain(stream) => stream.is_write_vectored(),
            Form::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&mut self.get_mut().stream, Form::Plain | Form::Tls, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&mut self.get_mut().stream, Form::Plain | Form::Tls, stream => stream.poll_shutdown(context))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_peer_that_never_stops_leaves_others_their_turn() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
        let mut stream = Secured::from(Channel::Unix(ours));
        let sent = 2 * TURN;
        let write = async move {
            theirs.write_all(&vec![b'x'; sent]).await.expect("a peer");
            drop(theirs);
        };
        let read = async {
            let mut turns = Vec::new();
            let mut buffer = [0; 4096];
            while turns.iter().sum::<usize>() < sent {
                let mut turn = 0;
                poll_fn(|context| {
                    while let Poll::Ready(read) = pin!(stream.read(&mut buffer)).poll(context) {
                        match read.expect("a peer") {
                            0 => return Poll::Ready(()),
                            bytes => turn += bytes,
                        }
                    }
                    Poll::Ready(())
                })
                .await;
                turns.push(turn);
                tokio::task::yield_now().await;
            }
            turns
        };
        let ((), turns) = futures::future::join(write, read).await;
        assert!(turns.iter().all(|turn| *turn <= TURN), "{turns:?}");
        assert_eq!(turns.iter().sum::<usize>(), sent, "nothing is lost");
        assert!(turns.contains(&TURN), "there was more to read than one turn: {turns:?}");
    }
}
