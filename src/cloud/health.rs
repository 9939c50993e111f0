//! An event of Personalized Service Health (servicehealth v1, `projects.locations.events`). Data only.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::values::values;

values! {
    /// State of an event (servicehealth v1, Event.state).
    EventState {
        /// The API does not say.
        Unspecified = "STATE_UNSPECIFIED",
        /// Goes on.
        Active = "ACTIVE",
        /// Has ended.
        Closed = "CLOSED",
    }
}

values! {
    /// State of an event in detail (servicehealth v1, Event.detailedState).
    DetailedState {
        /// The API does not say.
        Unspecified = "DETAILED_STATE_UNSPECIFIED",
        /// Google looks into it; the impact is not confirmed.
        Emerging = "EMERGING",
        /// Confirmed.
        Confirmed = "CONFIRMED",
        /// Mended.
        Resolved = "RESOLVED",
        /// Part of another event.
        Merged = "MERGED",
        /// Closed by time.
        AutoClosed = "AUTO_CLOSED",
        /// There was nothing.
        FalsePositive = "FALSE_POSITIVE",
    }
}

values! {
    /// What an event has to do with the project (servicehealth v1, Event.relevance).
    Relevance {
        /// The API does not say.
        Unspecified = "RELEVANCE_UNSPECIFIED",
        /// Not known.
        Unknown = "UNKNOWN",
        /// Nothing.
        NotImpacted = "NOT_IMPACTED",
        /// The project uses a related product or region.
        PartiallyRelated = "PARTIALLY_RELATED",
        /// The project uses the product in the region.
        Related = "RELATED",
        /// The project is hit.
        Impacted = "IMPACTED",
    }
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthEvent {
    /// Its name in full.
    #[serde(default)]
    pub name: String,
    /// Title.
    #[serde(default)]
    pub title: String,
    /// State.
    pub state: EventState,
    /// State in detail.
    pub detailed_state: DetailedState,
    /// What it has to do with the project.
    pub relevance: Relevance,
    /// What is hit: products and regions.
    #[serde(default)]
    pub impacts: Vec<Impact>,
    /// When it began.
    #[serde(default)]
    pub start_time: Option<Timestamp>,
    /// When it was last spoken of.
    #[serde(default)]
    pub update_time: Option<Timestamp>,
    /// Whether there is more than was kept: events behind it, or products and regions that it hits.
    #[serde(default)]
    pub cut: bool,
}

/// Whether there are events, or impacts of one, that were not kept: that none touches the path can't be told then.
pub fn is_cut(events: &[HealthEvent]) -> bool {
    events.iter().any(|event| event.cut)
}

/// A product in a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Impact {
    /// Product, such as Cloud SQL.
    pub product: String,
    /// Region, such as us-central1, or global.
    pub location: String,
}
