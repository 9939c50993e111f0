//! Drives a PostgreSQL connection and keeps what the server says on its own account before it hangs up: a server that is
//! shut down at once says so in a notice, which answers no query. Does the connection's network I/O.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{AsyncMessage, Connection, Error};

use super::wire::Seen;

/// The class of SQLSTATE "operator intervention": the server ends the session.
const OPERATOR_INTERVENTION: &str = "57P";

/// A connection that is listened to.
pub struct Listening<S> {
    connection: Box<Connection<S, NoTlsStream>>,
    seen: Arc<Seen>,
}

impl<S> Listening<S> {
    /// Listens to a connection.
    pub const fn new(connection: Box<Connection<S, NoTlsStream>>, seen: Arc<Seen>) -> Self {
        Listening { connection, seen }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Listening<S> {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        while let Some(message) = ready!(this.connection.poll_message(context)) {
            match message? {
                AsyncMessage::Notice(notice) if notice.code().code().starts_with(OPERATOR_INTERVENTION) => {
                    this.seen.last_words.get_or_init(|| notice);
                }
                _ => {}
            }
        }
        Poll::Ready(Ok(()))
    }
}
