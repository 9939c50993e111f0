//! The cluster source: watches ConnectivityChecks and Secrets, writes statuses and events. Does network I/O with the API
//! server.
//!
//! No object is kept: a check is remembered by uid and generation alone, a Secret by its resource version, and only if
//! a check refers to it. What the account must be allowed to do is listed in [`rights`].

mod backend;
mod checks;
mod events;
pub mod lease;
mod pauses;
pub mod rights;
mod secrets;
mod status;

use std::sync::Arc;

use kube::Client;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Backend, SourceEvent};
use crate::reasons::reasons;

pub use backend::ClusterBackend;

/// Events that may wait for the planner before the watch slows down.
const QUEUE: usize = 1024;

/// A running source; dropping it ends its watches.
pub struct ClusterSource {
    /// What it reports.
    pub events: mpsc::Receiver<SourceEvent>,
    /// The other direction.
    pub backend: Arc<dyn Backend>,
    /// The watches.
    pub watches: JoinSet<()>,
}

/// Starts watching on the current runtime. No namespace means all of them. `instance` names this replica in events.
pub fn start(client: Client, namespaces: &[String], instance: &str) -> ClusterSource {
    let (sender, events) = mpsc::channel(QUEUE);
    let references = Arc::new(secrets::References::default());
    let mut watches = JoinSet::new();
    let scopes: Vec<Option<String>> =
        if namespaces.is_empty() { vec![None] } else { namespaces.iter().cloned().map(Some).collect() };
    let listing = checks::Listing::new(scopes.len());
    for scope in scopes {
        watches.spawn(secrets::watch(client.clone(), scope.clone(), references.clone(), sender.clone()));
        watches.spawn(checks::watch(client.clone(), scope, listing.clone(), sender.clone()));
    }
    let backend = Arc::new(ClusterBackend::new(client, instance, references, sender));
    ClusterSource { events, backend, watches }
}

/// What the API server said, in its own words alone, or why it could not be asked.
fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        error => reasons(error),
    }
}

/// What went wrong with a watch, and what it means for the person who runs the operator.
fn explain(resource: &str, error: &kube::runtime::watcher::Error) -> (String, String) {
    use kube::runtime::watcher::Error;
    let status = match error {
        Error::InitialListFailed(kube::Error::Api(status))
        | Error::WatchStartFailed(kube::Error::Api(status))
        | Error::WatchFailed(kube::Error::Api(status))
        | Error::WatchError(status) => status,
        Error::InitialListFailed(_) | Error::WatchStartFailed(_) | Error::WatchFailed(_) | Error::NoResourceVersion => {
            return (reasons(error), "is the API server reachable? The watch is tried again".to_owned());
        }
    };
    let advice = match status.code {
        403 => {
            format!("the account needs list and watch on {resource}; grant them in its role. The watch is tried again")
        }
        404 => format!(
            "the API server does not know {resource}: install the CRDs with `runready crds | kubectl apply --server-side -f -`"
        ),
        _ => "the watch is tried again".to_owned(),
    };
    (status.message.clone(), advice)
}
