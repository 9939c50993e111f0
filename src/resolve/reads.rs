//! Reads of Secrets: each once for all checks that wait for it, and a bounded number at once. Does I/O through a [`Backend`].

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use tokio::sync::Semaphore;

use crate::plan::secrets::Lookup;
use crate::source::Backend;

/// Reads under way at once.
const MOST_AT_ONCE: usize = 16;

/// A read under way; everyone who holds it gets what comes of it.
pub type Read = Shared<BoxFuture<'static, Lookup>>;

/// Namespace and name of a Secret.
type Name = (String, String);

/// The reads that someone waits for.
pub struct Reads {
    backend: Arc<dyn Backend>,
    permits: Arc<Semaphore>,
    under_way: HashMap<Name, WeakShared<BoxFuture<'static, Lookup>>>,
}

impl Reads {
    /// Nothing is being read.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Reads { backend, permits: Arc::new(Semaphore::new(MOST_AT_ONCE)), under_way: HashMap::new() }
    }

    /// Joins the read of a Secret that is under way, or begins one.
    pub fn read(&mut self, namespace: &str, name: &str) -> Read {
        let key = (namespace.to_owned(), name.to_owned());
        let under_way = self.under_way.get(&key).and_then(WeakShared::upgrade);
        if let Some(read) = under_way.filter(|read| read.peek().is_none()) {
            return read;
        }
        let (backend, permits, (namespace, name)) = (self.backend.clone(), self.permits.clone(), key.clone());
        let read = async move {
            let _permit = permits.acquire().await;
            backend.secret(&namespace, &name).await
        };
        let read = read.boxed().shared();
        if let Some(weak) = read.downgrade() {
            self.under_way.insert(key, weak);
        }
        read
    }

    /// Lets nobody join the read of a Secret that is under way: it may be older than the change.
    pub fn changed(&mut self, namespace: &str, name: &str) {
        self.under_way.remove(&(namespace.to_owned(), name.to_owned()));
    }

    /// Forgets a read for which nobody waits any longer.
    pub fn ended(&mut self, namespace: &str, name: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        if self.under_way.get(&key).is_some_and(|read| read.upgrade().is_none()) {
            self.under_way.remove(&key);
        }
    }
}
