//! Reads the events of Personalized Service Health that go on (servicehealth v1). Does network I/O.

use google_cloud_servicehealth_v1::model;

use super::convert::{named, time};
use super::google::Google;
use super::question::Question;
use crate::cloud::health::{DetailedState, EventState, Impact, Relevance};
use crate::cloud::{HealthEvent, Unread};

/// Events per page: the API's most.
const PAGE: i32 = 100;
/// What is asked for: incidents that go on.
const FILTER: &str = "category=INCIDENT state=ACTIVE";
/// Most products and regions of an event that are kept.
const MOST_IMPACTS: usize = 256;

/// Reads the events. `question` is about `projects/PROJECT/locations/global`.
pub async fn read(google: &Google, question: &Question) -> Result<Vec<HealthEvent>, Unread> {
    let clients = google.clients(question).await?;
    let api = clients.health(question).await?;
    let list = || api.list_events().set_parent(&*question.name).set_page_size(PAGE).set_filter(FILTER).send();
    let answer = google.ask(question, list).await?;
    Ok(answer.events.iter().map(of).collect())
}

fn of(event: &model::Event) -> HealthEvent {
    HealthEvent {
        name: event.name.clone(),
        title: event.title.clone(),
        state: named(event.state.name(), EventState::ALL),
        detailed_state: named(event.detailed_state.name(), DetailedState::ALL),
        relevance: named(event.relevance.name(), Relevance::ALL),
        impacts: event.event_impacts.iter().take(MOST_IMPACTS).map(of_impact).collect(),
        start_time: time(event.start_time.as_ref()),
        update_time: time(event.update_time.as_ref()),
    }
}

fn of_impact(impact: &model::EventImpact) -> Impact {
    Impact {
        product: impact.product.as_ref().map(|product| product.product_name.clone()).unwrap_or_default(),
        location: impact.location.as_ref().map(|location| location.location_name.clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_read_with_its_products_and_regions() {
        let event: model::Event = serde_json::from_value(json!({
            "name": "projects/p/locations/global/events/1", "title": "Cloud SQL in us-central1", "state": "ACTIVE",
            "detailedState": "CONFIRMED", "relevance": "IMPACTED",
            "eventImpacts": [{"product": {"productName": "Cloud SQL"}, "location": {"locationName": "us-central1"}}],
        }))
        .expect("an event");
        let event = of(&event);
        assert_eq!((event.state, event.relevance), (EventState::Active, Relevance::Impacted));
        assert_eq!(event.impacts, [Impact { product: "Cloud SQL".to_owned(), location: "us-central1".to_owned() }]);
    }
}
