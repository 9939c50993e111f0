//! Watches Secrets by their metadata alone, and reports changes of those that checks refer to. Does network I/O.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use kube::{Client, ResourceExt};
use tokio::sync::mpsc;

use crate::source::SourceEvent;

/// Namespace and name of a Secret.
type Name = (String, String);

/// The Secrets that checks refer to, and what was last read of each. Only these are reported.
#[derive(Debug, Default)]
pub struct References(Mutex<HashMap<Name, Seen>>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    /// It is being read: whatever happens meanwhile is a change.
    Reading,
    /// It was there, at this resource version; None: it was not.
    At(Option<String>),
}

impl References {
    /// To be called before a Secret is read.
    pub fn reading(&self, namespace: &str, name: &str) {
        self.lock().insert((namespace.to_owned(), name.to_owned()), Seen::Reading);
    }

    /// To be called with what was read: its resource version, or None when there is no such Secret.
    pub fn read(&self, namespace: &str, name: &str, version: Option<String>) {
        self.lock().insert((namespace.to_owned(), name.to_owned()), Seen::At(version));
    }

    /// Whether a Secret that is now at this version has changed for someone who refers to it.
    fn changed(&self, name: &Name, version: Option<&str>) -> bool {
        match self.lock().get(name) {
            None => false,
            Some(Seen::Reading) => true,
            Some(Seen::At(known)) => known.as_deref() != version,
        }
    }

    /// Secrets of the watched namespace that were read as existing.
    fn existing(&self, namespace: Option<&str>) -> Vec<Name> {
        let existing = |(name, seen): (&Name, &Seen)| {
            let watched = namespace.is_none_or(|namespace| namespace == name.0);
            (watched && *seen != Seen::At(None)).then(|| name.clone())
        };
        self.lock().iter().filter_map(existing).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches one namespace, or all, for as long as someone listens.
pub async fn watch(
    client: Client,
    namespace: Option<String>,
    references: Arc<References>,
    events: mpsc::Sender<SourceEvent>,
) {
    let api: Api<PartialObjectMeta<Secret>> = match &namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let stream = watch_objects(api, watcher::Config::default()).default_backoff();
    let mut stream = std::pin::pin!(stream);
    let mut listed: HashSet<Name> = HashSet::new();
    while let Some(event) = stream.next().await {
        let changed: Vec<Name> = match event {
            Ok(Event::Init) => {
                listed.clear();
                Vec::new()
            }
            Ok(Event::InitApply(secret)) => {
                listed.insert(name(&secret));
                if_changed(&references, &secret)
            }
            Ok(Event::Apply(secret)) => if_changed(&references, &secret),
            Ok(Event::Delete(secret)) => {
                let name = name(&secret);
                if references.changed(&name, None) { vec![name] } else { Vec::new() }
            }
            // What a complete listing does not hold was deleted while nobody watched.
            Ok(Event::InitDone) => {
                let listed = std::mem::take(&mut listed);
                references.existing(namespace.as_deref()).into_iter().filter(|name| !listed.contains(name)).collect()
            }
            Err(error) => {
                let (reason, advice) = super::explain("secrets", &error);
                tracing::error!(namespace, reason, "watching Secrets failed: {advice}");
                Vec::new()
            }
        };
        for (namespace, name) in changed {
            if events.send(SourceEvent::SecretChanged { namespace, name }).await.is_err() {
                return;
            }
        }
    }
}

fn name(secret: &PartialObjectMeta<Secret>) -> Name {
    (secret.namespace().unwrap_or_default(), secret.name_any())
}

fn if_changed(references: &References, secret: &PartialObjectMeta<Secret>) -> Vec<Name> {
    let name = name(secret);
    if references.changed(&name, secret.resource_version().as_deref()) { vec![name] } else { Vec::new() }
}
