//! Watches ConnectivityChecks. A malformed object is reported as such and stops no other. Does network I/O.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use kube::{Client, ResourceExt};
use tokio::sync::mpsc;

use super::pauses::Pauses;
use crate::api::ConnectivityCheck;
use crate::plan::CheckId;
use crate::source::{Declared, SourceEvent};

/// Counts the first listings that are still incomplete, over all namespaces.
#[derive(Clone)]
pub struct Listing(Arc<AtomicUsize>);

impl Listing {
    pub fn new(scopes: usize) -> Self {
        Listing(Arc::new(AtomicUsize::new(scopes)))
    }

    /// True for the last one that completes.
    fn complete(&self) -> bool {
        self.0.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

/// What is remembered of a check: enough to tell a change of spec from a write of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    uid: Arc<str>,
    generation: i64,
}

/// Watches one namespace, or all, for as long as someone listens.
pub async fn watch(client: Client, namespace: Option<String>, listing: Listing, events: mpsc::Sender<SourceEvent>) {
    let resource = ApiResource::erase::<ConnectivityCheck>(&());
    let api: Api<DynamicObject> = match &namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    };
    let stream = watch_objects(api, watcher::Config::default()).backoff(Pauses::default());
    let mut stream = std::pin::pin!(stream);
    let mut watch = Watch { known: HashMap::new(), relisted: HashSet::new(), listing: Some(listing), events };
    while let Some(event) = stream.next().await {
        let result = match event {
            Ok(event) => watch.take_in(event).await,
            Err(error) => {
                let (reason, advice) = super::explain("connectivitychecks.runready.dev", &error);
                tracing::error!(namespace, reason, "watching ConnectivityChecks failed: {advice}");
                Ok(())
            }
        };
        if result.is_err() {
            return;
        }
    }
}

struct Watch {
    known: HashMap<CheckId, Seen>,
    /// Checks seen in the listing that is under way.
    relisted: HashSet<CheckId>,
    listing: Option<Listing>,
    events: mpsc::Sender<SourceEvent>,
}

/// Nobody listens any more.
struct Closed;

impl Watch {
    async fn take_in(&mut self, event: Event<DynamicObject>) -> Result<(), Closed> {
        match event {
            Event::Init => self.relisted.clear(),
            Event::InitApply(object) => {
                self.relisted.insert(id(&object));
                self.applied(object).await?;
            }
            Event::InitDone => self.listed().await?,
            Event::Apply(object) => self.applied(object).await?,
            Event::Delete(object) => self.deleted(id(&object)).await?,
        }
        Ok(())
    }

    async fn applied(&mut self, object: DynamicObject) -> Result<(), Closed> {
        let id = id(&object);
        let seen =
            Seen { uid: object.uid().unwrap_or_default().into(), generation: object.metadata.generation.unwrap_or(0) };
        if self.known.get(&id) == Some(&seen) {
            return Ok(());
        }
        self.known.insert(id.clone(), seen.clone());
        self.send(SourceEvent::Applied(Box::new(declared(id, seen, object)))).await
    }

    async fn deleted(&mut self, id: CheckId) -> Result<(), Closed> {
        match self.known.remove(&id) {
            Some(_) => self.send(SourceEvent::Deleted(id)).await,
            None => Ok(()),
        }
    }

    /// What a complete listing does not hold was deleted while nobody watched.
    async fn listed(&mut self) -> Result<(), Closed> {
        let gone: Vec<CheckId> = self.known.keys().filter(|id| !self.relisted.contains(*id)).cloned().collect();
        self.relisted = HashSet::new();
        for id in gone {
            self.deleted(id).await?;
        }
        match self.listing.take() {
            Some(listing) if listing.complete() => self.send(SourceEvent::Synced).await,
            _ => Ok(()),
        }
    }

    async fn send(&self, event: SourceEvent) -> Result<(), Closed> {
        self.events.send(event).await.map_err(|_| Closed)
    }
}

fn id(object: &DynamicObject) -> CheckId {
    CheckId::new(&object.namespace().unwrap_or_default(), &object.name_any())
}

/// Reads an object leniently: a spec that can't be read is kept with the reason, a status that can't be is left out.
fn declared(id: CheckId, seen: Seen, mut object: DynamicObject) -> Declared {
    let spec = match object.data.get_mut("spec").map(serde_json::Value::take) {
        Some(spec) => serde_json::from_value(spec).map_err(|error| error.to_string()),
        None => Err("there is none".to_owned()),
    };
    let status = object.data.get_mut("status").map(serde_json::Value::take);
    let status = status.and_then(|status| match serde_json::from_value(status) {
        Ok(status) => Some(status),
        Err(error) => {
            tracing::warn!(namespace = &*id.namespace, check = &*id.name, generation = seen.generation, %error, "the last status can't be read; starting afresh");
            None
        }
    });
    let created = object.metadata.creation_timestamp.map(|created| created.0);
    Declared { id, uid: seen.uid, created, generation: seen.generation, spec, status }
}
