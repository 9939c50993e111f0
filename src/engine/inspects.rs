//! What the engine needs of whoever reads Google's APIs. No I/O here.

use futures::future::BoxFuture;

use crate::cloud::Picture;
use crate::inspect::Inspector;
use crate::plan::{InspectionPlan, Occasion};

/// Reads what Google Cloud says of a check's path. [`Inspector`] asks Google.
pub trait Inspects: Send + Sync {
    /// Reads everything that the plan names, and what the occasion asks for besides.
    fn inspect<'a>(&'a self, plan: &'a InspectionPlan, occasion: &'a Occasion) -> BoxFuture<'a, Picture>;
}

impl Inspects for Inspector {
    fn inspect<'a>(&'a self, plan: &'a InspectionPlan, occasion: &'a Occasion) -> BoxFuture<'a, Picture> {
        Box::pin(Inspector::inspect(self, plan, occasion))
    }
}
