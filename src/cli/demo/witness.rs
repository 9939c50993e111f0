//! Stands between the controller and its folder, and tells the story what passes: each status and each notice, once the
//! folder has taken it. Changes nothing. Does I/O through the folder.

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::mpsc;

use crate::api::ConnectivityCheckStatus;
use crate::plan::secrets::Lookup;
use crate::source::folder::FolderBackend;
use crate::source::{Backend, Notice, StatusUpdate, WriteError};

/// What was seen to pass.
pub enum Seen {
    /// A status was written.
    Status(Box<ConnectivityCheckStatus>),
    /// People were told of a transition.
    Notice(Notice),
}

/// A folder, and who hears of what it takes.
pub struct Witness {
    /// Does the work.
    pub folder: FolderBackend,
    /// Hears of it.
    pub seen: mpsc::UnboundedSender<Seen>,
}

impl Witness {
    fn tell(&self, result: Result<(), WriteError>, seen: impl FnOnce() -> Seen) -> Result<(), WriteError> {
        if result.is_ok() {
            // Nobody listens any more when the story is over.
            let _ = self.seen.send(seen());
        }
        result
    }
}

impl Backend for Witness {
    fn secret<'a>(&'a self, namespace: &'a str, name: &'a str) -> BoxFuture<'a, Lookup> {
        self.folder.secret(namespace, name)
    }

    fn write_status<'a>(&'a self, update: &'a StatusUpdate) -> BoxFuture<'a, Result<(), WriteError>> {
        let written = self.folder.write_status(update);
        written.map(|result| self.tell(result, || Seen::Status(Box::new(update.status.clone())))).boxed()
    }

    fn publish<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), WriteError>> {
        let published = self.folder.publish(notice);
        published.map(|result| self.tell(result, || Seen::Notice(notice.clone()))).boxed()
    }
}
