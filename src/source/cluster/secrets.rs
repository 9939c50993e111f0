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

use super::pauses::Pauses;
use crate::source::SourceEvent;

/// Namespace and name of a Secret.
type Name = (String, String);

/// The Secrets that checks refer to, and what was last read of each. Only these are reported, and each once: then it is
/// forgotten until somebody reads it again.
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

    /// Takes a Secret out that has changed for someone who read it; it is at this version now.
    fn take_changed(&self, name: &Name, version: Option<&str>) -> Option<Name> {
        let mut secrets = self.lock();
        let changed = match secrets.get(name)? {
            Seen::Reading => true,
            Seen::At(known) => known.as_deref() != version,
        };
        if changed { secrets.remove_entry(name).map(|(name, _)| name) } else { None }
    }

    /// Takes out the Secrets of the watched namespace that were read as existing, and are not listed.
    fn take_missing(&self, namespace: Option<&str>, listed: &HashSet<Name>) -> Vec<Name> {
        let missing = |name: &Name, seen: &mut Seen| {
            let watched = namespace.is_none_or(|namespace| namespace == name.0);
            watched && *seen != Seen::At(None) && !listed.contains(name)
        };
        self.lock().extract_if(missing).map(|(name, _)| name).collect()
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
    let stream = watch_objects(api, watcher::Config::default()).backoff(Pauses::default());
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
            Ok(Event::Delete(secret)) => references.take_changed(&name(&secret), None).into_iter().collect(),
            // What a complete listing does not hold was deleted while nobody watched.
            Ok(Event::InitDone) => {
                let listed = std::mem::take(&mut listed);
                references.take_missing(namespace.as_deref(), &listed)
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
    references.take_changed(&name(secret), secret.resource_version().as_deref()).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Name {
        ("n".to_owned(), name.to_owned())
    }

    #[test]
    fn a_change_is_reported_once_to_whoever_has_read_the_secret() {
        let references = References::default();
        let reported = |version| references.take_changed(&named("db"), version).is_some();
        assert!(!reported(Some("1")), "nobody has read it");
        references.reading("n", "db");
        assert!(reported(Some("1")), "it may have been read before this");
        references.read("n", "db", Some("1".to_owned()));
        assert!(!reported(Some("1")));
        assert!(reported(Some("2")));
        assert!(!reported(Some("3")), "whoever still refers to it reads it anew");
        assert!(references.lock().is_empty(), "and what nobody reads is not kept");
    }

    #[test]
    fn what_a_listing_lacks_is_reported_if_it_was_there() {
        let references = References::default();
        for (name, version) in [("gone", Some("1")), ("kept", Some("1")), ("never", None)] {
            references.read("n", name, version.map(str::to_owned));
        }
        references.read("other", "gone", Some("1".to_owned()));
        let listed = HashSet::from([named("kept")]);
        assert_eq!(references.take_missing(Some("n"), &listed), [named("gone")]);
        assert!(references.take_missing(Some("n"), &listed).is_empty());
    }
}
