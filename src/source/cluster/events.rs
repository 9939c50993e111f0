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
use xxhash_rust::xxh3::xxh3_64;

use crate::api::{API_VERSION, KIND};
use crate::source::Notice;

/// Name of the controller in events (events.k8s.io/v1 `reportingController`).
pub const REPORTING_CONTROLLER: &str = "runready.dev/controller";
/// A notice that comes back within this time continues its series.
const SERIES: Duration = Duration::from_secs(6 * 60);

/// Longest name of an object, in bytes.
const MAX_NAME: usize = 253;

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
        let event = self.event(notice);
        let name = event.metadata.name.clone().unwrap_or_default();
        match api.create(&PostParams::default(), &event).await {
            // An earlier try came through, although its answer did not.
            Err(kube::Error::Api(status)) if status.code == 409 && status.reason == "AlreadyExists" => {}
            created => drop(created?),
        }
        self.recent().insert(key, Recent { name, count: 1, last: Instant::now() });
        Ok(())
    }

    fn event(&self, notice: &Notice) -> Event {
        Event {
            metadata: ObjectMeta {
                name: Some(name(notice)),
                namespace: Some(notice.id.namespace.to_string()),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(notice.at)),
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

/// The name of a notice's first event: the same at every try, so that a try whose answer was lost makes no second event.
fn name(notice: &Notice) -> String {
    let hash = xxh3_64(format!("{}\0{}\0{}", notice.uid, notice.reason, notice.topic).as_bytes());
    let end = format!(".{:x}.{hash:016x}", notice.at.as_nanosecond());
    // The names of checks are ASCII (RFC 1123), but may be as long as this one.
    let check: String = notice.id.name.chars().take(MAX_NAME - end.len()).collect();
    // No label of a name may end with a hyphen or be empty.
    format!("{}{end}", check.trim_end_matches(['-', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::CheckId;

    fn notice(check: &str, topic: &str) -> Notice {
        Notice {
            id: CheckId::new("staging", check),
            uid: "uid-1".into(),
            generation: 1,
            at: "2026-01-01T00:00:00Z".parse().expect("a time"),
            warning: true,
            reason: "ConnectTimeout",
            action: "Probe",
            probe: None,
            topic: topic.to_owned(),
            note: String::new(),
        }
    }

    #[test]
    fn a_retry_has_the_same_name_and_another_notice_another() {
        let notice = |topic| name(&notice("backend", topic));
        assert_eq!(notice("Ready=True>False"), notice("Ready=True>False"));
        assert_ne!(notice("Ready=True>False"), notice("DatabaseReachable=True>False"), "of the same moment");
    }

    #[test]
    fn the_name_of_an_event_is_one_however_long_that_of_its_check() {
        for check in ["a".repeat(253), "a.".repeat(126) + "a", "a-".repeat(126) + "a"] {
            let name = name(&notice(&check, "topic"));
            assert!(name.len() <= 253 && !name.contains("..") && !name.contains("-."), "{name}");
        }
    }
}
