//! Who changed what differs, and when: what the objects themselves and Cloud Audit Logs tell, matched to the drift. Pure.
//!
//! An entry of an audit log names what was changed as the API of the method does. The same connector, network, instance, service may
//! be named with or without its project, by the project's id or its number.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::object::Object;
use super::visible;
use crate::api::baseline::MAX_NAME;
use crate::cloud::name::same;
use crate::cloud::{Change, Drift, Inspection, Picture, Subject};

/// How long after a drift was first seen audit logs are read for it: an entry may take minutes until it can be read.
pub const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// Most objects of which audit logs are read at once.
const MOST_SOUGHT: usize = 8;
/// How the names of methods begin, without path, that change what is configured.
const CHANGES: [&str; 13] = [
    "add", "create", "delete", "demote", "expand", "insert", "patch", "promote", "remove", "replace", "set", "switch",
    "update",
];

/// What audit logs may tell of, for the drift whose author is not known. `searched`: when they were last read of all of it.
pub fn sought(drift: &[Drift], searched: Option<Timestamp>) -> Box<[Subject]> {
    let patience = SignedDuration::try_from(PATIENCE).unwrap_or(SignedDuration::MAX);
    let given_up = |drift: &Drift| searched.is_some_and(|at| at.duration_since(drift.since) >= patience);
    // A name that Google Cloud does not allow comes from somewhere else.
    let proper = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte));
    let told = drift.iter().filter(|drift| drift.by.is_none() && place(drift).is_some() && !given_up(drift));
    let subjects: BTreeSet<Subject> = told
        .filter(|drift| drift.object.starts_with("projects/") && proper(&drift.object))
        .map(|drift| Subject { inspection: drift.inspection, object: drift.object.as_str().into() })
        .collect();
    subjects.into_iter().take(MOST_SOUGHT).collect()
}

/// Names who made each change of which that is not known yet, and when: the latest one that fits, after the baseline was taken and
/// before the drift was first seen.
pub fn attribute(found: &mut [Drift], picture: &Picture, taken: Timestamp) {
    for drift in found.iter_mut().filter(|drift| drift.by.is_none()) {
        let within = |at: Timestamp| taken < at && at <= drift.since;
        let own = own(drift, picture, within);
        let logged = logged(drift, picture, within).map(|change| (change.at, change.principal.as_str()));
        if let Some((at, by)) = [own, logged].into_iter().flatten().max_by_key(|(at, _)| *at) {
            drift.changed = Some(at);
            drift.by = Some(visible(by).chars().take(MAX_NAME).collect()).filter(|by: &String| !by.is_empty());
        }
    }
    for index in 0..found.len() {
        if found[index].by.is_none()
            && let Some(source) = found.iter().find(|source| source.by.is_some() && follows(&found[index], source))
        {
            let (changed, by) = (source.changed, source.by.clone());
            (found[index].changed, found[index].by) = (changed, by);
        }
    }
}

/// Whether a path leads to another object, or its account is another one, because a hop before it names that now.
fn follows(drift: &Drift, source: &Drift) -> bool {
    let same = |one: Option<&str>, other: Option<&str>| match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => same(one, other),
        (Some(_), None) | (None, Some(_)) => false,
    };
    let another = drift.field.is_empty() || (drift.inspection == Inspection::Access && drift.field == "account");
    another
        && drift.inspection != source.inspection
        && same(drift.was.as_deref(), source.was.as_deref())
        && same(drift.is.as_deref(), source.is.as_deref())
}

/// What the object itself tells of its latest change: of a service the last modifier, of an instance the latest update.
fn own<'a>(drift: &Drift, picture: &'a Picture, within: impl Fn(Timestamp) -> bool) -> Option<(Timestamp, &'a str)> {
    let fits = |told: &(Timestamp, &str)| within(told.0) && !told.1.is_empty();
    match drift.inspection {
        Inspection::Service => {
            let service = picture.service.object()?;
            service.update_time.map(|at| (at, service.last_modifier.as_str())).filter(fits)
        }
        Inspection::Instance => {
            let operations = &picture.instance.object()?.operations;
            let updates = operations
                .iter()
                .filter(|operation| operation.operation_type == "UPDATE" && operation.error.is_none())
                .filter_map(|operation| Some((operation.start_time.or(operation.end_time)?, operation.user.as_str())));
            updates.filter(fits).max_by_key(|(at, _)| *at)
        }
        Inspection::Revisions
        | Inspection::Connector
        | Inspection::Network
        | Inspection::DnsZones
        | Inspection::ConnectivityTest
        | Inspection::ServiceHealth
        | Inspection::Logs
        | Inspection::Metrics
        | Inspection::Access
        | Inspection::AuditLog => None,
    }
}

/// The latest change in an audit log that fits.
fn logged<'a>(drift: &Drift, picture: &'a Picture, within: impl Fn(Timestamp) -> bool) -> Option<&'a Change> {
    let place = place(drift)?;
    let changes = picture.audit_log.iter().filter_map(|reading| reading.object()).flatten();
    let fitting = changes.filter(|change| within(change.at) && place.is_of(change) && place.is_by(&change.method));
    match place.about(picture) {
        About::All => fitting.max_by_key(|change| change.at),
        About::One(what) => fitting.filter(|change| change.about.contains(&what)).max_by_key(|change| change.at),
        About::Range(range) => {
            let (told, untold): (Vec<_>, Vec<_>) = fitting.partition(|change| !change.about.is_empty());
            let of_range = told.into_iter().filter(|change| change.about.iter().any(|about| about == range));
            // A deletion tells a route's name, and nobody keeps that: it is the one that is gone if it is the only one.
            let only = match untold.as_slice() {
                [only] if drift.is.is_none() => Some(*only),
                [] | [_] | [_, _, ..] => None,
            };
            of_range.max_by_key(|change| change.at).or(only)
        }
    }
}

/// Where audit logs tell of a drift.
struct Place<'a> {
    /// The object that it is part of.
    object: Object<'a>,
    /// The last two parts of the resource's name. Without a name: any of the collection.
    collection: &'static str,
    name: &'a str,
    /// Empty: the name needs none.
    region: &'a str,
    /// What the method's name holds, in small letters.
    noun: &'static str,
    /// What its last part is about.
    verbs: Verbs,
    /// The field's entry, such as the range of a route.
    entry: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verbs {
    /// Whatever changes what is configured.
    Any,
    /// What deletes.
    Deleting,
    /// What changes peerings.
    Peering,
    /// What changes the rest of a network.
    NotPeering,
    /// What changes a policy.
    Policy,
}

/// What a change must be about, beside its resource.
enum About<'a> {
    All,
    One(String),
    Range(&'a str),
}

/// None: no audit log of the object's project tells of it.
fn place(drift: &Drift) -> Option<Place<'_>> {
    let object = Object::of(&drift.object);
    let (list, entry) = drift.field.split_once('[').unwrap_or((&drift.field, ""));
    let (entry, rest) = entry.split_once(']').unwrap_or((entry, ""));
    let whole = drift.field.is_empty();
    // Another object is there because a hop before it names that now.
    if whole && drift.is.is_some() || entry == "*" {
        return None;
    }
    let of = |collection, name, noun| Place {
        object,
        collection,
        name,
        region: "",
        noun,
        verbs: if whole { Verbs::Deleting } else { Verbs::Any },
        entry,
    };
    match drift.inspection {
        Inspection::Service => Some(Place { region: object.region, ..of("services", object.name, "services.") }),
        Inspection::Connector => {
            Some(Place { region: object.region, ..of("connectors", object.name, "vpcaccessservice.") })
        }
        Inspection::Instance => Some(of("instances", object.name, "instances")),
        Inspection::Network => match list {
            "" => Some(of("networks", object.name, ".networks.")),
            "mtu" => Some(Place { verbs: Verbs::NotPeering, ..of("networks", object.name, ".networks.") }),
            // What the other side announces, its own project's logs tell.
            "peerings" if rest == ".importedRanges" => None,
            "peerings" => Some(Place { verbs: Verbs::Peering, ..of("networks", object.name, ".networks.") }),
            "subnets" => {
                let (region, name) = entry.split_once('/')?;
                Some(Place { region, ..of("subnetworks", name, ".subnetworks.") })
            }
            "allocatedRanges" => Some(of("addresses", entry, ".globaladdresses.")),
            // Routes of subnets, peerings and hubs come and go with those.
            "routes" if is_derived(drift) => None,
            "routes" => Some(of("routes", "", ".routes.")),
            "firewall" => Some(match entry.split_once('/') {
                Some((policy, _)) => of("firewallPolicies", policy, "firewallpolicies."),
                None => of("firewalls", entry, ".firewalls."),
            }),
            _ => None,
        },
        Inspection::DnsZones if list == "zones" => Some(of("managedZones", entry, "managedzones")),
        Inspection::Access if list == "roles" => {
            Some(Place { verbs: Verbs::Policy, ..of("projects", "", "setiampolicy") })
        }
        Inspection::DnsZones
        | Inspection::Access
        | Inspection::Revisions
        | Inspection::ConnectivityTest
        | Inspection::ServiceHealth
        | Inspection::Logs
        | Inspection::Metrics
        | Inspection::AuditLog => None,
    }
}

/// Whether a route is one that nobody makes.
fn is_derived(drift: &Drift) -> bool {
    let derived = |value: &&String| ["hub ", "network ", "peering "].iter().any(|hop| value.starts_with(hop));
    drift.was.iter().chain(&drift.is).any(|value| derived(&value))
}

impl<'a> Place<'a> {
    /// Whether a change is one of what stands there.
    fn is_of(&self, change: &Change) -> bool {
        let mut parts = change.resource.rsplit('/');
        let name = parts.next().unwrap_or_default();
        let named = (self.name.is_empty() || name == self.name) && parts.next() == Some(self.collection);
        let after = |key: &str| {
            let mut parts = change.resource.split('/').skip_while(move |part| *part != key);
            parts.nth(1)
        };
        let project = after("projects").or(after("namespaces"));
        let region = after("locations").or(after("regions")).filter(|_| !self.region.is_empty());
        named
            && project.is_none_or(|project| is_same_project(project, self.object.project))
            && region.is_none_or(|region| region == self.region)
    }

    /// Whether a method changes what stands there.
    fn is_by(&self, method: &str) -> bool {
        let method = method.to_ascii_lowercase();
        let verb = method.rsplit('.').next().unwrap_or_default();
        let policy = verb.starts_with("setiam");
        let peering = verb.contains("peering");
        let changes = CHANGES.iter().any(|begins| verb.starts_with(begins));
        let fits = match self.verbs {
            Verbs::Any => !policy,
            Verbs::Deleting => verb.starts_with("delete"),
            Verbs::Peering => peering,
            Verbs::NotPeering => !peering && !policy,
            Verbs::Policy => policy,
        };
        changes && fits && method.contains(self.noun)
    }

    fn about(&self, picture: &Picture) -> About<'a> {
        match (self.collection, self.verbs) {
            ("routes", _) => About::Range(self.entry),
            (_, Verbs::Policy) => {
                let account = picture.access.object().map_or("", |access| access.account.as_str());
                About::One(format!("{} serviceAccount:{account}", self.entry))
            }
            (_, Verbs::Any | Verbs::Deleting | Verbs::Peering | Verbs::NotPeering) => About::All,
        }
    }
}

/// Whether two names may stand for one project: one of them may be its number.
fn is_same_project(one: &str, other: &str) -> bool {
    let numbered = |project: &str| project.bytes().all(|byte| byte.is_ascii_digit());
    one == other || numbered(one) != numbered(other)
}
