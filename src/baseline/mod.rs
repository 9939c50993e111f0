//! The configuration of a path as it was when it worked, what differs from it now, and what restores it. Pure: what Google
//! Cloud says and the time are arguments.
//!
//! ```text
//! Picture -> configuration -> diff against the baseline -> drift -> rank, remedy
//!                  `-> snapshot, once the check is steadily Ready (learn)
//! ```

mod author;
pub mod configuration;
pub mod diff;
mod entries;
mod format;
pub mod learn;
mod object;
pub mod rank;
pub mod remedy;
pub mod snapshot;

use crate::cloud::Drift;

pub use author::{PATIENCE, sought};
pub use diff::diff;
pub use learn::{Kept, judge};
pub use rank::{explaining, rank};
pub use remedy::{Remedy, remedies, restoring_command};
pub use snapshot::snapshot;

/// One drift as a sentence: vpcAccess.connector was X, is Y since T (by Z).
pub fn sentence(drift: &Drift) -> String {
    let Drift { inspection, object, field, was, is, since: _, changed: _, by } = drift;
    let what = match field.as_str() {
        "" => format!("the {} of the path", noun(*inspection)),
        field => format!("{field} of {}", short(object)),
    };
    let by = by.as_ref().map(|by| format!(" (by {by})")).unwrap_or_default();
    format!("{what} was {}, is {} since {:.0}{by}", value(was.as_deref()), value(is.as_deref()), drift.at())
}

/// A text without what changes how the rest is shown: control characters, directions of writing.
pub fn visible(text: &str) -> String {
    let hides = |character: char| character.is_control() || remedy::is_format(character);
    text.chars().map(|character| if hides(character) { char::REPLACEMENT_CHARACTER } else { character }).collect()
}

fn value(value: Option<&str>) -> String {
    value.map_or_else(|| "not set".to_owned(), |value| format!("{value:?}"))
}

/// The object's name without its path.
fn short(object: &str) -> &str {
    object.rsplit(['/', ':']).next().unwrap_or(object)
}

/// What an inspection shows, as a noun.
const fn noun(inspection: crate::cloud::Inspection) -> &'static str {
    use crate::cloud::Inspection;
    match inspection {
        Inspection::Service => "Cloud Run service",
        Inspection::Revisions => "revision",
        Inspection::Connector => "VPC connector",
        Inspection::Instance => "Cloud SQL instance",
        Inspection::Network => "VPC network",
        Inspection::DnsZones => "private DNS zones",
        Inspection::ConnectivityTest => "connectivity test",
        Inspection::ServiceHealth => "service health",
        Inspection::Logs => "log",
        Inspection::Metrics => "metrics",
        Inspection::Access => "IAM policy",
        Inspection::AuditLog => "audit log",
    }
}
