//! A protocol's connection that makes progress in the same task as the work that waits for it: nothing is spawned, so
//! nothing is left behind when an attempt is cut off. Does the connection's network I/O.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// A connection that is polled while something else is awaited.
pub struct Driven<C: Future> {
    connection: Option<C>,
    end: Option<C::Output>,
}

impl<C: Future + Unpin> Driven<C> {
    /// A connection that has not ended.
    pub const fn new(connection: C) -> Self {
        Driven { connection: Some(connection), end: None }
    }

    /// Awaits `work` while the connection is driven. That the connection ends is seen by `work` itself.
    pub const fn beside<W: Future>(&mut self, work: W) -> Beside<'_, C, W> {
        Beside { driven: self, work, asks: false }
    }

    /// [`Driven::beside`], with work whose first poll makes a request (that of h2 and tokio-postgres; hyper's is made before): the
    /// connection is driven once it has been made, and so sends it in the same turn.
    pub const fn asking<W: Future>(&mut self, work: W) -> Beside<'_, C, W> {
        Beside { driven: self, work, asks: true }
    }

    fn drive(&mut self, context: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && let Poll::Ready(end) = Pin::new(connection).poll(context)
        {
            self.connection = None;
            self.end = Some(end);
        }
    }

    /// What the connection ended with, if it has ended.
    pub const fn end(&self) -> Option<&C::Output> {
        self.end.as_ref()
    }

    /// Awaits the connection's own end.
    pub async fn finish(self) -> Option<C::Output> {
        match self.connection {
            Some(connection) => Some(connection.await),
            None => self.end,
        }
    }
}

pin_project! {
    /// Work that is awaited while a connection is driven: see [`Driven::beside`].
    pub struct Beside<'d, C: Future, W> {
        driven: &'d mut Driven<C>,
        #[pin]
        work: W,
        asks: bool,
    }
}

impl<C: Future + Unpin, W: Future> Future for Beside<'_, C, W> {
    type Output = W::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<W::Output> {
        let mut this = self.project();
        if std::mem::take(this.asks)
            && let Poll::Ready(output) = this.work.as_mut().poll(context)
        {
            return Poll::Ready(output);
        }
        this.driven.drive(context);
        this.work.poll(context)
    }
}
