//! The rule about Google's own health: an event that touches the path's products in its region. Pure.

use super::super::{Case, Finding, Gravity};
use super::{cite, clock, region_of, way};
use crate::api::{Cause, Confidence};
use crate::cloud::health::{DetailedState, EventState, HealthEvent, Relevance, is_cut};
use crate::cloud::{Inspection, Picture};

pub(in crate::diagnosis) const IMPACTED: &str = "region/impacted";

/// Products that a path from Cloud Run to Cloud SQL is made of.
const PRODUCTS: [&str; 5] = ["cloud sql", "cloud run", "virtual private cloud", "vpc", "cloud networking"];

/// Whether an event touches the path: it goes on, it concerns the project, and one of the path's products in its region.
pub fn touches(event: &HealthEvent, region: &str) -> bool {
    let goes_on = event.state == EventState::Active
        && matches!(event.detailed_state, DetailedState::Emerging | DetailedState::Confirmed);
    let concerns = matches!(event.relevance, Relevance::Impacted | Relevance::Related);
    goes_on && concerns && is_here(event, region)
}

/// Whether it is one of the path's products in its region that is hit.
fn is_here(event: &HealthEvent, region: &str) -> bool {
    event.impacts.iter().any(|impact| {
        let product = impact.product.to_lowercase();
        let place = impact.location == region || impact.location == "global";
        place && PRODUCTS.iter().any(|known| product.contains(known))
    })
}

/// Whether an event keeps the region from being cleared: it goes on there, and Google does not say that it leaves the project alone.
pub fn may_touch(event: &HealthEvent, region: &str) -> bool {
    let over = event.state == EventState::Closed
        || matches!(
            event.detailed_state,
            DetailedState::Resolved | DetailedState::Merged | DetailedState::AutoClosed | DetailedState::FalsePositive
        );
    !over && event.relevance != Relevance::NotImpacted && is_here(event, region)
}

/// The event that could be to blame although Google does not say that it concerns the project, as what can't be told.
pub fn doubtful(picture: &Picture) -> Option<String> {
    let (found, region) = (picture.service_health.found()?, region_of(picture)?);
    let unsaid = |event: &&HealthEvent| may_touch(event, region) && !touches(event, region);
    let Some(event) = found.object.iter().find(unsaid) else {
        let more =
            || format!("whether another event touches {region} could not be told: there are more events than are read");
        return is_cut(&found.object).then(more);
    };
    Some(format!(
        "Google reports \"{}\" in {region} ({}, {}, {}): whether it concerns this path could not be told",
        event.title, event.state, event.detailed_state, event.relevance
    ))
}

fn certainty(event: &HealthEvent) -> Confidence {
    match (event.relevance == Relevance::Impacted, event.detailed_state == DetailedState::Confirmed) {
        (true, true) => Confidence::High,
        (true, false) | (false, true) => Confidence::Medium,
        (false, false) => Confidence::Low,
    }
}

pub(in crate::diagnosis) fn impacted(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let (Some(found), Some(region)) = (picture.service_health.found(), region_of(picture)) else { return Vec::new() };
    let touching = found.object.iter().filter(|event| touches(event, region));
    let Some(event) = touching.max_by_key(|event| certainty(event)) else { return Vec::new() };
    let since = event.start_time.map(|start| format!(" since {}", clock(start))).unwrap_or_default();
    let what: Vec<String> =
        event.impacts.iter().map(|impact| format!("{} in {}", impact.product, impact.location)).collect();
    let state = format!("{}, {}, {}", event.state, event.detailed_state, event.relevance);
    let summary = format!("Google reports \"{}\"{since} for {} ({state})", event.title, what.join(", "));
    let told = vec![cite("service health", found, format!("{} {state}", event.name))];
    let mut probes = way::silent(case);
    let more = way::of_instance(case, picture)
        .into_iter()
        .chain(case.faults(|cause| cause == Cause::CloudSqlApiFailed).map(|(index, ..)| index));
    probes.extend(more);
    probes.sort_unstable();
    probes.dedup();
    let finding = Finding::told(IMPACTED, Cause::RegionImpacted, Inspection::ServiceHealth, summary, told);
    let finding = finding.sure(certainty(event)).weighing(Gravity::Flaw);
    let confidence = finding.confidence;
    // A symptom in the same region is what such an event looks like.
    vec![finding.explaining(case, probes, way::symptoms(case)).sure(confidence)]
}
