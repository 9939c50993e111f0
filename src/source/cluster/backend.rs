//! Reads Secrets, applies statuses and publishes events. Does network I/O with the API server.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Client, ResourceExt};
use secrecy::SecretSlice;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::events::Events;
use super::secrets::References;
use super::status;
use crate::api::{API_VERSION, ConnectivityCheck, KIND};
use crate::plan::secrets::Lookup;
use crate::source::{Backend, Notice, SourceEvent, StatusUpdate, WriteError};

/// Owner of the status fields (server-side apply).
pub const FIELD_MANAGER: &str = "runready";
/// Longest wait for an answer of the API server.
const PATIENCE: Duration = Duration::from_secs(10);

/// The API server, as the writer and the planner see it.
pub struct ClusterBackend {
    client: Client,
    resource: ApiResource,
    events: Events,
    references: Arc<References>,
    /// Kept so that the source's channel outlives its watches.
    _sender: mpsc::Sender<SourceEvent>,
}

impl ClusterBackend {
    pub(super) fn new(
        client: Client,
        instance: &str,
        references: Arc<References>,
        sender: mpsc::Sender<SourceEvent>,
    ) -> Self {
        ClusterBackend {
            events: Events::new(client.clone(), instance),
            client,
            resource: ApiResource::erase::<ConnectivityCheck>(&()),
            references,
            _sender: sender,
        }
    }

    async fn read_secret(&self, namespace: &str, name: &str) -> Lookup {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        self.references.reading(namespace, name);
        match in_time(api.get_opt(name)).await {
            Ok(Some(secret)) => {
                self.references.read(namespace, name, secret.resource_version());
                let data = secret.data.unwrap_or_default();
                Lookup::Found(data.into_iter().map(|(key, value)| (key, SecretSlice::from(value.0))).collect())
            }
            Ok(None) => {
                self.references.read(namespace, name, None);
                Lookup::Missing
            }
            Err(Trouble::Api(kube::Error::Api(status))) if status.code == 403 => {
                Lookup::Unreadable(format!("{}; grant the operator's account this right", status.message))
            }
            Err(trouble) => Lookup::Unreadable(trouble.to_string()),
        }
    }

    async fn apply_status(&self, update: &StatusUpdate) -> Result<(), WriteError> {
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &update.id.namespace, &self.resource);
        // The uid makes the API server refuse a status for an object of the same name that was created anew.
        let patch = json!({
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": &*update.id.name, "namespace": &*update.id.namespace, "uid": &*update.uid},
            "status": update.status,
        });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        match in_time(api.patch_status(&update.id.name, &params, &Patch::Apply(&patch))).await {
            Ok(object) => match status::left_over(&patch["status"], &object.data["status"]) {
                None => Ok(()),
                Some(without) => self.merge_status(&api, update, without).await,
            },
            // The server can't apply to an object with a field of another type than the schema's (stored before a change of
            // the CRD). Some of these take a merge patch (RFC 7386): what does not change need not fit. To those where a rule
            // of the schema reads the field, the server takes no status at all.
            Err(Trouble::Api(kube::Error::Api(error))) if error.code == 500 => {
                self.merge_status(&api, update, status::whole(&patch["status"])).await
            }
            Err(trouble) => Err(write_error(trouble)),
        }
    }

    async fn merge_status(
        &self,
        api: &Api<DynamicObject>,
        update: &StatusUpdate,
        status: Value,
    ) -> Result<(), WriteError> {
        let patch = json!({"metadata": {"uid": &*update.uid}, "status": status});
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let merged = in_time(api.patch_status(&update.id.name, &params, &Patch::Merge(&patch))).await;
        merged.map(drop).map_err(write_error)
    }
}

impl Backend for ClusterBackend {
    fn secret<'a>(&'a self, namespace: &'a str, name: &'a str) -> BoxFuture<'a, Lookup> {
        self.read_secret(namespace, name).boxed()
    }

    fn write_status<'a>(&'a self, update: &'a StatusUpdate) -> BoxFuture<'a, Result<(), WriteError>> {
        self.apply_status(update).boxed()
    }

    fn publish<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), WriteError>> {
        async move { in_time(self.events.publish(notice)).await.map_err(write_error) }.boxed()
    }
}

/// Why the API server did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// It said no, or could not be asked.
    #[error("{}", super::said(.0))]
    Api(#[from] kube::Error),
    /// It said nothing.
    #[error("no answer from the API server within {PATIENCE:?}")]
    Silence,
}

/// Bounds the wait for an answer.
pub(super) async fn in_time<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Trouble> {
    match tokio::time::timeout(PATIENCE, request).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Trouble::Silence),
    }
}

/// Tells what will never be accepted from what may be accepted later.
fn write_error(trouble: Trouble) -> WriteError {
    match trouble {
        Trouble::Api(kube::Error::Api(status)) => match status.code {
            // 409: the uid belongs to an earlier object of this name.
            404 | 409 => WriteError::Gone,
            // A namespace that is being deleted takes nothing new.
            403 if status.reason == "Forbidden" && status.message.contains("being terminated") => WriteError::Gone,
            400 | 405 | 413 | 415 | 422 => WriteError::Refused(status.message.clone()),
            // 403: the account's role may lack one namespace of several.
            403 | 500 => WriteError::Failed(status.message.clone()),
            _ => WriteError::Unavailable(status.message.clone()),
        },
        trouble => WriteError::Unavailable(trouble.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn a_right_that_is_lacking_for_one_check_stops_no_other() {
        let answer = |code: u16, reason: &str, message: &str| {
            let status = Status::failure(message, reason).with_code(code);
            write_error(Trouble::Api(kube::Error::Api(status.boxed())))
        };
        let lacking = "connectivitychecks is forbidden: the account cannot patch resource in the namespace staging";
        assert_eq!(answer(403, "Forbidden", lacking), WriteError::Failed(lacking.to_owned()));
        let ending = "unable to create new content in namespace staging because it is being terminated";
        assert_eq!(answer(403, "Forbidden", ending), WriteError::Gone);
        assert!(matches!(answer(429, "TooManyRequests", "later"), WriteError::Unavailable(_)));
    }
}
