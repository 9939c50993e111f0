//! Where checks come from, and where their statuses and events go back to. The traits do no I/O; their implementations do.
//!
//! Two sources exist: a Kubernetes cluster, and a folder of manifests. Both feed the same engine.

pub mod cluster;
pub mod folder;
mod term;

use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::api::{ConnectivityCheckSpec, ConnectivityCheckStatus};
use crate::plan::CheckId;
use crate::plan::secrets::Lookup;

pub use term::{Moment, Term};

/// What a source reports, in order.
#[derive(Clone, Debug)]
pub enum SourceEvent {
    /// A check exists, or has changed. Also sent for each check of the first listing.
    Applied(Box<Declared>),
    /// A check is gone.
    Deleted(CheckId),
    /// Everything that existed at the start has been reported. Sent once.
    Synced,
    /// A Secret was created, changed or deleted.
    SecretChanged {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// A check as its source holds it.
#[derive(Clone, Debug)]
pub struct Declared {
    /// Which check.
    pub id: CheckId,
    /// `metadata.uid`, or what stands for it in a folder.
    pub uid: Arc<str>,
    /// When it was created; a folder does not tell.
    pub created: Option<Timestamp>,
    /// `metadata.generation`, or what stands for it in a folder.
    pub generation: i64,
    /// The spec, or why it can't be read (stored before a CRD change, say).
    pub spec: Result<ConnectivityCheckSpec, String>,
    /// The last status that was written, from which a restart resumes.
    pub status: Option<ConnectivityCheckStatus>,
}

/// A status to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusUpdate {
    /// Which check.
    pub id: CheckId,
    /// Its unique id: a check of the same name that was created anew must not get this status.
    pub uid: Arc<str>,
    /// The generation that it was made under.
    pub generation: i64,
    /// The whole status.
    pub status: ConnectivityCheckStatus,
}

/// Something that people should hear of: a transition, or a change of cause. In a cluster: an event of events.k8s.io/v1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Which check.
    pub id: CheckId,
    /// Its unique id.
    pub uid: Arc<str>,
    /// The generation that it was made under.
    pub generation: i64,
    /// When it happened.
    pub at: Timestamp,
    /// Whether it asks for attention (Warning) or not (Normal).
    pub warning: bool,
    /// A cause, or one of the reasons of a condition; at most 128 characters.
    pub reason: &'static str,
    /// What was done, such as Probe.
    pub action: &'static str,
    /// The probe that it rests on.
    pub probe: Option<Arc<str>>,
    /// What it says, without what differs from one time to the next (durations, counts): equal ones form a series.
    pub topic: String,
    /// A sentence for people; at most 1,024 bytes (events.k8s.io/v1 `note`).
    pub note: String,
}

/// Why something could not be written.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum WriteError {
    /// The check is gone, or another of the same name has taken its place. Nothing to do.
    #[error("the check is gone")]
    Gone,
    /// It will never be accepted as it is.
    #[error("refused: {0}")]
    Refused(String),
    /// This one could not be written, although others may be: the server stumbles over the object.
    #[error("failed: {0}")]
    Failed(String),
    /// It may be accepted later: the server is away, or busy. So are all others, until then.
    #[error("not now: {0}")]
    Unavailable(String),
}

/// The other direction of a source: reads secrets, takes statuses and notices. Shared between tasks.
pub trait Backend: Send + Sync + 'static {
    /// Reads a Secret.
    fn secret<'a>(&'a self, namespace: &'a str, name: &'a str) -> BoxFuture<'a, Lookup>;

    /// Writes a status: server-side apply in a cluster, atomic rename in a folder. Never reads first.
    fn write_status<'a>(&'a self, update: &'a StatusUpdate) -> BoxFuture<'a, Result<(), WriteError>>;

    /// Tells people.
    fn publish<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), WriteError>>;
}
