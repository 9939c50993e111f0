//! The cluster source: watches ConnectivityChecks and Secrets, writes statuses and events. Does network I/O with the API
//! server.
//!
//! No object is kept: a check is remembered by uid and generation alone, a Secret by its resource version, and only if
//! a check refers to it. Permissions needed: get, list and watch on connectivitychecks and on secrets, patch on
//! connectivitychecks/status, create and patch on events of events.k8s.io.

mod backend;
mod checks;
mod events;
pub mod lease;
mod secrets;

use std::sync::Arc;

use kube::Client;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Backend, SourceEvent};

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

/// What a failed watch means for the person who runs the operator.
fn advice(resource: &str, error: &kube::runtime::watcher::Error) -> String {
    use kube::runtime::watcher::Error;
    let status = match error {
        Error::InitialListFailed(kube::Error::Api(status))
        | Error::WatchStartFailed(kube::Error::Api(status))
        | Error::WatchFailed(kube::Error::Api(status))
        | Error::WatchError(status) => status,
        Error::InitialListFailed(_) | Error::WatchStartFailed(_) | Error::WatchFailed(_) | Error::NoResourceVersion => {
            return "is the API server reachable? The watch is tried again".to_owned();
        }
    };
    match status.code {
        403 => format!("the account lacks get, list and watch on {resource}; see the chart's Roles"),
        404 => format!(
            "the API server does not know {resource}: install the CRDs with `runready crds | kubectl apply --server-side -f -`"
        ),
        _ => "the watch is tried again".to_owned(),
    }
}
