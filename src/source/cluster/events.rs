//! Publishes notices as events of events.k8s.io/v1, repetitions as a series. Does network I/O with the API server.
//!
//! Two notices are the same when check, reason and topic are: a notice that says something new is an event of its own. The note
//! of a series is that of its first event (the API server lets nobody change it), so a series ends when it has been quiet for
//! a while: an outage that comes back the next day has its own event, with its own duration.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::time::Instant;

use crate::api::{API_VERSION, KIND};
use crate::source::Notice;

/// Name of the controller in events (events.k8s.io/v1 `reportingController`).
pub const REPORTING_CONTROLLER: &str = "runready.dev/controller";
/// A notice that comes back within this time continues its series.
const SERIES: Duration = Duration::from_secs(6 * 60);

/// Publishes events.
pub struct Events {
    client: Client,
    instance: String,
    recent: Mutex<HashMap<Key, Recent>>,
}

/// Uid of the check, reason and topic.
type Key = (String, &'static str, String);

#[derive(Clone)]
struct Recent {
    name: String,
    count: i32,
    last: Instant,
}

impl Events {
    /// Publishes in the name of the replica `instance`.
    pub fn new(client: Client, instance: &str) -> Self {
        Events { client, instance: instance.to_owned(), recent: Mutex::default() }
    }

    /// Publishes a notice, or adds it to its series.
    pub async fn publish(&self, notice: &Notice) -> Result<(), kube::Error> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &notice.id.namespace);
        let key: Key = (notice.uid.to_string(), notice.reason, notice.topic.clone());
        let now = Timestamp::now();
        let earlier = {
            let mut recent = self.recent();
            recent.retain(|_, event| event.last.elapsed() < SERIES);
            recent.get(&key).cloned()
        };
        if let Some(earlier) = earlier {
            let count = earlier.count.saturating_add(1);
            let series = json!({"series": {"count": count, "lastObservedTime": MicroTime(now)}});
            match api.patch(&earlier.name, &PatchParams::default(), &Patch::Merge(&series)).await {
                Ok(_) => {
                    self.recent().insert(key, Recent { count, last: Instant::now(), ..earlier });
                    return Ok(());
                }
                // It was cleared away meanwhile: a new one takes its place.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        let event = self.event(notice, now);
        let name = event.metadata.name.clone().unwrap_or_default();
        api.create(&PostParams::default(), &event).await?;
        self.recent().insert(key, Recent { name, count: 1, last: Instant::now() });
        Ok(())
    }

    fn event(&self, notice: &Notice, now: Timestamp) -> Event {
        Event {
            metadata: ObjectMeta {
                name: Some(format!("{}.{:x}", notice.id.name, now.as_nanosecond())),
                namespace: Some(notice.id.namespace.to_string()),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(now)),
            reporting_controller: Some(REPORTING_CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            action: Some(notice.action.to_owned()),
            reason: Some(notice.reason.to_owned()),
            type_: Some(if notice.warning { "Warning" } else { "Normal" }.to_owned()),
            note: Some(notice.note.clone()),
            regarding: Some(ObjectReference {
                api_version: Some(API_VERSION.to_owned()),
                kind: Some(KIND.to_owned()),
                name: Some(notice.id.name.to_string()),
                namespace: Some(notice.id.namespace.to_string()),
                uid: Some(notice.uid.to_string()),
                ..ObjectReference::default()
            }),
            ..Event::default()
        }
    }

    fn recent(&self) -> MutexGuard<'_, HashMap<Key, Recent>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
