//! A protocol's connection that makes progress in the same task as the work that waits for it: nothing is spawned, so
//! nothing is left behind when an attempt is cut off. Does the connection's network I/O.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};

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
    pub async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(move |context| {
            if let Some(connection) = &mut self.connection
                && let std::task::Poll::Ready(end) = Pin::new(connection).poll(context)
            {
                self.connection = None;
                self.end = Some(end);
            }
            work.as_mut().poll(context)
        })
        .await
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
