//! The types of the API `runready.dev/v1alpha1`, and the words it uses. Types only: no I/O, no clock.
//!
//! `spec` is what a team writes, `status` what runready answers. `cause`, `layer` and `condition` hold the closed
//! vocabularies, each with its documentation, so that docs, status, events and metrics can't drift apart.

pub mod baseline;
pub mod cause;
pub mod condition;
pub mod crd;
pub mod inspect;
pub mod kind;
pub mod layer;
pub mod probes;
mod references;
pub mod schema;
pub mod spec;
pub mod stage;
pub mod status;

pub use baseline::{Baseline, BaselineSpec, DriftStatus};
pub use cause::Cause;
pub use inspect::InspectSpec;
pub use kind::Kind;
pub use layer::{Confidence, Layer};
pub use spec::{ConnectivityCheck, ConnectivityCheckSpec};
pub use stage::Stage;
pub use status::{ConnectivityCheckStatus, ProbeState, StepState};

/// API group of every runready resource.
pub const GROUP: &str = "runready.dev";
/// Served version.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of every runready resource.
pub const API_VERSION: &str = "runready.dev/v1alpha1";
/// Kind of the one resource there is.
pub const KIND: &str = "ConnectivityCheck";
/// Plural resource name, as in `kubectl get connectivitychecks`.
pub const PLURAL: &str = "connectivitychecks";
