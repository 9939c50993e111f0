//! A folder of manifests as a source: no cluster needed. Reads the folder, writes statuses and events into DIR/.runready.
//!
//! [`Folder::open`] gives the way back (Secrets, statuses, events), [`Folder::watch`] the stream of what is declared.

mod scan;
pub mod secrets;
pub mod state;
mod watch;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use self::scan::Known;
use self::secrets::Store;
use self::state::{DIRECTORY, LOCK, State, full_object, uid};
use super::{Backend, Notice, SourceEvent, StatusUpdate, WriteError};
use crate::plan::CheckId;
use crate::plan::secrets::Lookup;

/// Which folder, and how to read it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder.
    pub directory: PathBuf,
    /// Where objects belong that name no namespace.
    pub namespace: String,
    /// Secrets as files: NAMESPACE/NAME/KEY or NAME/KEY.
    pub secrets: Option<PathBuf>,
}

/// Why a folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It can't be read.
    #[error("the folder {} can't be read: {source}; create it, or name another one", path.display())]
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
    /// Another process probes it, and each would overwrite what the other writes.
    #[error(
        "the folder {} is probed by another runready (it holds {DIRECTORY}/{LOCK} there): end that one, or give this one a folder of its own",
        path.display()
    )]
    Taken {
        /// The folder.
        path: PathBuf,
    },
}

/// A folder of manifests. Shared between tasks.
#[derive(Debug)]
pub struct Folder {
    options: Options,
    state: State,
    contents: Mutex<Contents>,
    /// Held for as long as the folder is used. None where no lock can be had, such as in a folder that can't be written to.
    _lock: Option<File>,
}

/// What is known of the folder.
#[derive(Debug, Default)]
struct Contents {
    checks: HashMap<CheckId, Known>,
    secrets: Store,
}

impl Folder {
    /// A folder that exists and can be read.
    ///
    /// # Errors
    /// When it does not exist, is not a directory or can't be read, or when another process probes it.
    pub fn open(options: Options) -> Result<Arc<Self>, FolderError> {
        std::fs::read_dir(&options.directory)
            .map_err(|source| FolderError::Unreadable { path: options.directory.clone(), source })?;
        let state = State::of(&options.directory);
        let lock = match state.lock() {
            Ok(file) => Some(file),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(FolderError::Taken { path: options.directory });
            }
            Err(error) => {
                tracing::warn!(%error, "{DIRECTORY}/{LOCK} can't be locked; see to it that no other runready probes this folder");
                None
            }
        };
        let contents = Contents { checks: HashMap::new(), secrets: Store::new(options.secrets.clone()) };
        Ok(Arc::new(Folder { state, contents: Mutex::new(contents), _lock: lock, options }))
    }

    /// Starts to watch. The stream begins with everything that is there; it ends when the receiver is dropped.
    pub fn watch(self: &Arc<Self>) -> mpsc::Receiver<SourceEvent> {
        watch::start(self.clone())
    }

    /// A panic elsewhere leaves the maps whole: each is changed by single calls.
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_status(&self, update: &StatusUpdate) -> Result<(), WriteError> {
        let known = self.contents().checks.get(&update.id).cloned().ok_or(WriteError::Gone)?;
        if *update.uid != *uid(&update.id) {
            return Err(WriteError::Gone);
        }
        let refused = |error: serde_json::Error| WriteError::Refused(error.to_string());
        let object: Value = serde_json::from_str(&known.object).map_err(refused)?;
        let status = serde_json::to_value(&update.status).map_err(refused)?;
        let object = full_object(&object, &update.id, known.generation, Some(&known.created), status);
        self.state.write(&update.id, &object).map_err(|error| self.unavailable("the status", &error))?;
        // It may have been deleted in the meantime, and its status with it.
        if !self.contents().checks.contains_key(&update.id) {
            let _ = self.state.remove(&update.id);
            return Err(WriteError::Gone);
        }
        Ok(())
    }

    fn append(&self, notice: &Notice) -> Result<(), WriteError> {
        let event = json!({
            "eventTime": notice.at.to_string(),
            "type": if notice.warning { "Warning" } else { "Normal" },
            "reason": notice.reason,
            "action": notice.action,
            "regarding": {
                "apiVersion": crate::api::API_VERSION, "kind": crate::api::KIND,
                "namespace": &*notice.id.namespace, "name": &*notice.id.name, "uid": &*notice.uid,
            },
            "note": notice.note,
        });
        self.state.append_event(&event).map_err(|error| self.unavailable("the event", &error))
    }

    /// Space and permissions can come back: whatever keeps a file from being written is worth another try.
    fn unavailable(&self, what: &str, error: &io::Error) -> WriteError {
        let place = self.options.directory.join(DIRECTORY);
        WriteError::Unavailable(format!("{what} can't be written to {}: {error}", place.display()))
    }
}

/// [`Backend`] for a shared [`Folder`]. File I/O runs on the runtime's threads for blocking work.
#[derive(Clone, Debug)]
pub struct FolderBackend(pub Arc<Folder>);

impl FolderBackend {
    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> T + Send + 'static,
        defect: impl FnOnce(String) -> T + Send + 'static,
    ) -> BoxFuture<'static, T> {
        let folder = self.0.clone();
        let task = tokio::task::spawn_blocking(move || work(&folder));
        task.map(|result| result.unwrap_or_else(|error| defect(error.to_string()))).boxed()
    }
}

impl Backend for FolderBackend {
    fn secret<'a>(&'a self, namespace: &'a str, name: &'a str) -> BoxFuture<'a, Lookup> {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        self.blocking(move |folder| folder.contents().secrets.lookup(&namespace, &name), Lookup::Unreadable)
    }

    fn write_status<'a>(&'a self, update: &'a StatusUpdate) -> BoxFuture<'a, Result<(), WriteError>> {
        let update = update.clone();
        self.blocking(move |folder| folder.put_status(&update), |defect| Err(WriteError::Unavailable(defect)))
    }

    fn publish<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), WriteError>> {
        let notice = notice.clone();
        self.blocking(move |folder| folder.append(&notice), |defect| Err(WriteError::Unavailable(defect)))
    }
}
