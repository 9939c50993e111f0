//! Asks the API server which of the rights that the operator needs its account lacks, again and again. Does network I/O.
//!
//! A right that is lacking would show late and far from its reason: a status that is never written, a rotated Secret that is
//! never seen. So each is asked for by name (authorization.k8s.io, SelfSubjectAccessReview), and until none is lacking the
//! replica is not ready, and says what it lacks.

use std::fmt;
use std::time::Duration;

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::Client;
use kube::api::{Api, PostParams};
use tokio::sync::watch;

use super::backend::{Trouble, in_time};

/// Between two reviews while something is lacking, or the API server is away.
const SOON: Duration = Duration::from_secs(5);
/// Between two reviews when nothing was lacking.
const LATER: Duration = Duration::from_secs(5 * 60);
/// What is said before the first review.
pub const UNKNOWN: &str = "what the account may do is not known yet";

/// Verb, API group, resource and subresource.
type Verb = (&'static str, &'static str, &'static str, &'static str);

/// Needed wherever checks are watched.
const WATCHING: [Verb; 8] = [
    ("list", "runready.dev", "connectivitychecks", ""),
    ("watch", "runready.dev", "connectivitychecks", ""),
    ("patch", "runready.dev", "connectivitychecks", "status"),
    ("get", "", "secrets", ""),
    ("list", "", "secrets", ""),
    ("watch", "", "secrets", ""),
    ("create", "events.k8s.io", "events", ""),
    ("patch", "events.k8s.io", "events", ""),
];
/// Needed to create the Lease: a name can't limit this right.
const STANDING: Verb = ("create", "coordination.k8s.io", "leases", "");
/// Needed on the Lease itself.
const LEADING: [Verb; 2] =
    [("get", "coordination.k8s.io", "leases", ""), ("update", "coordination.k8s.io", "leases", "")];

/// A right that the operator needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    verb: Verb,
    /// None: in all namespaces.
    namespace: Option<String>,
    /// The one object that it is needed on, if not on all.
    object: Option<String>,
}

impl fmt::Display for Right {
    /// As people write it in a role: `patch connectivitychecks.runready.dev/status in namespace staging`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, group, resource, subresource) = self.verb;
        write!(f, "{verb} {resource}")?;
        if !group.is_empty() {
            write!(f, ".{group}")?;
        }
        if !subresource.is_empty() {
            write!(f, "/{subresource}")?;
        }
        if let Some(object) = &self.object {
            write!(f, " {object:?}")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => f.write_str(" in all namespaces"),
        }
    }
}

/// The rights needed to watch these namespaces (none: all of them) and, to elect a leader, on a Lease: its namespace and name.
pub fn needed(namespaces: &[String], lease: Option<(&str, &str)>) -> Vec<Right> {
    let scopes: Vec<Option<String>> =
        if namespaces.is_empty() { vec![None] } else { namespaces.iter().cloned().map(Some).collect() };
    let watching =
        scopes.iter().flat_map(|scope| WATCHING.map(|verb| Right { verb, namespace: scope.clone(), object: None }));
    let electing = lease.into_iter().flat_map(|(namespace, name)| {
        let right = |verb, object| Right { verb, namespace: Some(namespace.to_owned()), object };
        std::iter::once(right(STANDING, None)).chain(LEADING.map(|verb| right(verb, Some(name.to_owned()))))
    });
    watching.chain(electing).collect()
}

/// Reviews the rights for as long as someone listens, and tells what keeps the replica from its work: None for nothing.
pub async fn review(client: Client, needed: Vec<Right>, hindrance: watch::Sender<Option<String>>) {
    let mut before = Vec::new();
    while !hindrance.is_closed() {
        let pause = match lacking(&client, &needed).await {
            Ok(lacking) => {
                report(&before, &lacking);
                hindrance.send_replace(told(&lacking));
                before = lacking;
                if before.is_empty() { LATER } else { SOON }
            }
            // An API server that answers, but not this, leaves it open: the requests themselves will show.
            Err(trouble @ Trouble::Api(kube::Error::Api(_))) => {
                tracing::warn!(reason = trouble.to_string(), "the account may not ask what it may do");
                hindrance.send_replace(None);
                LATER
            }
            Err(trouble) => {
                tracing::debug!(reason = trouble.to_string(), "the account's rights could not be reviewed");
                SOON
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Those of the rights that the client's account does not have.
async fn lacking(client: &Client, needed: &[Right]) -> Result<Vec<Right>, Trouble> {
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let mut lacking = Vec::new();
    for right in needed {
        let answer = in_time(api.create(&PostParams::default(), &question(right))).await?;
        if !answer.status.is_some_and(|status| status.allowed) {
            lacking.push(right.clone());
        }
    }
    Ok(lacking)
}

fn question(right: &Right) -> SelfSubjectAccessReview {
    let (verb, group, resource, subresource) = right.verb;
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let attributes = ResourceAttributes {
        verb: text(verb),
        group: text(group),
        resource: text(resource),
        subresource: text(subresource),
        namespace: right.namespace.clone(),
        name: right.object.clone(),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
    SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() }
}

/// Logs what has changed since the review before.
fn report(before: &[Right], lacking: &[Right]) {
    for right in lacking.iter().filter(|right| !before.contains(right)) {
        tracing::error!(
            "the account may not {right}: grant it in its role (the chart's roles do); until then not ready"
        );
    }
    for right in before.iter().filter(|right| !lacking.contains(right)) {
        tracing::info!("the account may now {right}");
    }
}

fn told(lacking: &[Right]) -> Option<String> {
    let lines: Vec<String> = lacking.iter().map(|right| format!("the account may not {right}")).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_reads_as_in_a_role() {
        let needed = needed(&["staging".to_owned()], Some(("system", "runready")));
        let told = told(&needed).expect("all are lacking");
        for line in [
            "the account may not get secrets in namespace staging",
            "the account may not patch connectivitychecks.runready.dev/status in namespace staging",
            "the account may not update leases.coordination.k8s.io \"runready\" in namespace system",
        ] {
            assert!(told.lines().any(|told| told == line), "{line} is not in {told}");
        }
    }

    #[test]
    fn without_namespaces_rights_are_needed_in_all_and_without_a_lease_none_on_it() {
        let needed = needed(&[], None);
        assert_eq!(needed.len(), WATCHING.len());
        assert!(needed.iter().all(|right| right.to_string().ends_with(" in all namespaces")));
        assert_eq!(told(&[]), None);
    }
}
