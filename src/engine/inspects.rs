//! What the engine needs of whoever reads Google's APIs. No I/O here.

use futures::future::BoxFuture;

use crate::cloud::Picture;
use crate::inspect::Inspector;
use crate::plan::InspectionPlan;

/// Reads what Google Cloud says of a check's path. [`Inspector`] asks Google.
pub trait Inspects: Send + Sync {
    /// Reads everything that the plan names. `failing`: a probe fails, so that readings of before are read anew.
    fn inspect<'a>(&'a self, plan: &'a InspectionPlan, failing: bool) -> BoxFuture<'a, Picture>;
}

impl Inspects for Inspector {
    fn inspect<'a>(&'a self, plan: &'a InspectionPlan, failing: bool) -> BoxFuture<'a, Picture> {
        Box::pin(Inspector::inspect(self, plan, failing))
    }
}
