//! Reads the events of Personalized Service Health that go on (servicehealth v1). Does network I/O.

use google_cloud_servicehealth_v1::model;

use super::convert::{named, time};
use super::google::Google;
use super::pages::pages;
use super::question::Question;
use crate::cloud::health::{DetailedState, EventState, Impact, Relevance};
use crate::cloud::{HealthEvent, Unread, Why};

/// Events per page: the API's most.
const PAGE: i32 = 100;
/// What is asked for: incidents that go on.
const FILTER: &str = "category=INCIDENT state=ACTIVE";
/// Most products and regions of an event that are kept.
const MOST_IMPACTS: usize = 256;

/// Reads the events; the last says whether there are more. `question` is about `projects/PROJECT/locations/global`.
pub async fn read(google: &Google, question: &Question) -> Result<Vec<HealthEvent>, Unread> {
    let clients = google.clients(question).await?;
    let api = clients.health(question).await?;
    let list = |page: Option<String>| {
        api.list_events()
            .set_parent(&*question.name)
            .set_page_size(PAGE)
            .set_filter(FILTER)
            .set_page_token(page.unwrap_or_default())
            .send()
    };
    let mut unreachable = false;
    let (events, more) = pages(google, question, usize::MAX, list, |answer| {
        unreachable |= !answer.unreachable.is_empty();
        (answer.events.iter().map(of).collect(), Some(answer.next_page_token))
    })
    .await?;
    whole(question, events, unreachable || more)
}

/// The events, the last of which says that there are more. Where there are but more, nothing was read.
fn whole(question: &Question, mut events: Vec<HealthEvent>, more: bool) -> Result<Vec<HealthEvent>, Unread> {
    match events.last_mut() {
        Some(last) => last.cut |= more,
        None if more => return Err(question.unread(Why::Unavailable, "a part of the events alone, and none in it")),
        None => {}
    }
    Ok(events)
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
        cut: event.event_impacts.len() > MOST_IMPACTS,
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
    use crate::cloud::Inspection;
    use crate::cloud::health::is_cut;

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
        assert!(!event.cut);
    }

    #[test]
    fn an_event_with_more_impacts_than_are_kept_is_cut() {
        for (impacts, cut) in [(MOST_IMPACTS, false), (MOST_IMPACTS + 1, true)] {
            let event = model::Event::new().set_event_impacts(vec![model::EventImpact::new(); impacts]);
            let event = of(&event);
            assert_eq!((event.impacts.len(), event.cut), (MOST_IMPACTS, cut));
        }
    }

    #[test]
    fn the_last_event_says_that_there_are_more_and_more_alone_are_unread() {
        let question = Question {
            inspection: Inspection::ServiceHealth,
            name: "projects/p/locations/global".into(),
            project: "p".into(),
            what: "the events of",
            part: false,
        };
        let event = || of(&model::Event::new());
        for more in [false, true] {
            let events = whole(&question, vec![event(), event()], more).expect("events");
            assert_eq!((events[0].cut, events[1].cut, is_cut(&events)), (false, more, more));
        }
        assert_eq!(whole(&question, Vec::new(), false), Ok(Vec::new()));
        assert_eq!(whole(&question, Vec::new(), true).map_err(|unread| unread.why), Err(Why::Unavailable));
    }
}
