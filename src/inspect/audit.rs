//! Reads who changed an object (logging v2, Admin Activity audit logs). Does network I/O. Such entries are written without being
//! asked for, and are kept for 400 days; of them the last week counts.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::convert::last;
use super::discover;
use super::entries::{self, Pages};
use super::google::Google;
use super::question::Question;
use crate::cloud::{Change, Inspection, Unread};

/// How far back it is read: the same for all who ask, so that they share it.
const WINDOW: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How much is read of it. An entry holds what was asked for, and may be long.
const PAGES: Pages = Pages { size: 50, most: 4 };
/// Longest name that is kept, in characters.
const MOST_KEPT: usize = 512;
/// Most roles that are kept of a change of a policy.
const MOST_ROLES: usize = 64;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    timestamp: Option<Timestamp>,
    proto_payload: Option<AuditLog>,
    #[serde(default)]
    operation: Operation,
}

/// What an operation that takes long has two entries in common by.
#[derive(Default, Deserialize)]
struct Operation {
    #[serde(default)]
    id: String,
    #[serde(default)]
    first: bool,
    #[serde(default)]
    last: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AuditLog {
    authentication_info: AuthenticationInfo,
    method_name: String,
    resource_name: String,
    status: Status,
    request: Value,
    service_data: Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AuthenticationInfo {
    principal_email: String,
    principal_subject: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    code: i32,
}

/// Reads the changes of an object, the latest first. `question` is about the object, `of` says which inspection shows it.
pub async fn read(google: &Google, question: &Question, of: Inspection) -> Result<Vec<Change>, Unread> {
    let Some(filter) = filter(of, &question.name, Timestamp::now()) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    entries::read(google, question, &filter, PAGES, |entry: Entry| found.push(entry)).await?;
    Ok(changes(found, of, &question.name))
}

/// What finds the changes of an object. None: there are no changes of such.
fn filter(of: Inspection, object: &str, now: Timestamp) -> Option<String> {
    let since = now.checked_sub(WINDOW).unwrap_or(now);
    let name = last(object);
    let (service, which) = match of {
        Inspection::Service => {
            // By the older API its name has no region.
            let region = discover::region(object);
            let which =
                format!("resource.labels.location=\"{region}\" AND protoPayload.resourceName:\"services/{name}\"");
            ("run.googleapis.com", which)
        }
        Inspection::Connector => {
            ("vpcaccess.googleapis.com", format!("protoPayload.resourceName:\"connectors/{name}\""))
        }
        Inspection::Instance => {
            let which = "protoPayload.methodName:\"instances\" AND protoPayload.resourceName";
            ("cloudsql.googleapis.com", format!("{which}:\"instances/{name}\""))
        }
        Inspection::Network => {
            let parts = "(subnetworks|addresses|routes|firewalls|firewallPolicies)/[^/]+";
            ("compute.googleapis.com", format!("protoPayload.resourceName=~\"/(networks/{name}|{parts})$\""))
        }
        Inspection::DnsZones => ("dns.googleapis.com", "protoPayload.methodName:\"managedZones\"".to_owned()),
        Inspection::Access => {
            ("cloudresourcemanager.googleapis.com", "protoPayload.methodName:\"SetIamPolicy\"".to_owned())
        }
        Inspection::Revisions
        | Inspection::ConnectivityTest
        | Inspection::ServiceHealth
        | Inspection::Logs
        | Inspection::Metrics
        | Inspection::AuditLog => return None,
    };
    Some(format!(
        "logName:\"cloudaudit.googleapis.com%2Factivity\" AND timestamp>=\"{since:.0}\" \
         AND protoPayload.serviceName=\"{service}\" AND {which}"
    ))
}

/// What was asked for of an object and not refused. An operation that takes long has an entry when it is asked for, which counts, and one at its
/// end, which tells whether it failed.
fn changes(entries: Vec<Entry>, of: Inspection, object: &str) -> Vec<Change> {
    // A connector or a service is changed by a change that fails, too: it stands there as it was asked for, and does not work.
    let stands = matches!(of, Inspection::Connector | Inspection::Service);
    let ends = |entry: &Entry| entry.operation.last && !entry.operation.first;
    let fails = |entry: &Entry| entry.proto_payload.as_ref().is_some_and(|log| log.status.code != 0);
    let failed: HashSet<String> = entries
        .iter()
        .filter(|entry| !stands && ends(entry) && fails(entry))
        .map(|entry| entry.operation.id.clone())
        .filter(|id| !id.is_empty())
        .collect();
    // A route, a subnet or a firewall rule says of which network it is to be.
    let elsewhere = |entry: &Entry| {
        let network = entry.proto_payload.as_ref().and_then(|log| log.request["network"].as_str());
        of == Inspection::Network && network.is_some_and(|network| last(network) != last(object))
    };
    let counts = |entry: &Entry| !ends(entry) && !fails(entry) && !failed.contains(&entry.operation.id);
    entries.into_iter().filter(|entry| counts(entry) && !elsewhere(entry)).filter_map(change).collect()
}

fn change(Entry { timestamp, proto_payload, operation: _ }: Entry) -> Option<Change> {
    let AuditLog { authentication_info, method_name, resource_name, status: _, request, service_data } = proto_payload?;
    let AuthenticationInfo { principal_email, principal_subject } = authentication_info;
    let principal = if principal_email.is_empty() { principal_subject } else { principal_email };
    let deltas = service_data.pointer("/policyDelta/bindingDeltas").and_then(Value::as_array);
    let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let roles = deltas.into_iter().flatten().map(|delta| format!("{} {}", text(delta, "role"), text(delta, "member")));
    let range = Some(text(&request, "destRange")).filter(|range| !range.is_empty());
    Some(Change {
        at: timestamp?,
        principal: cut(&principal),
        method: cut(&method_name),
        resource: cut(&resource_name),
        about: range.into_iter().chain(roles).take(MOST_ROLES).map(|about| cut(&about)).collect(),
    })
}

fn cut(text: &str) -> String {
    text.chars().take(MOST_KEPT).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(second: u32, method: &str, rest: Value) -> Value {
        let mut entry = json!({
            "timestamp": format!("2026-11-25T12:00:{second:02}Z"), "logName": "projects/p/logs/cloudaudit.googleapis.com%2Factivity",
            "protoPayload": {
                "@type": "type.googleapis.com/google.cloud.audit.AuditLog", "methodName": method, "resourceName": "instances/i",
                "authenticationInfo": {"principalEmail": "who@netra.example"}, "status": {},
            },
        });
        merge(&mut entry, rest);
        entry
    }

    fn merge(into: &mut Value, from: Value) {
        match from {
            Value::Object(fields) => fields.into_iter().for_each(|(field, value)| merge(&mut into[field], value)),
            value => *into = value,
        }
    }

    fn read(entries: &[Value], of: Inspection) -> Vec<Change> {
        let entries = entries.iter().map(|entry| serde_json::from_value(entry.clone()).expect("an entry")).collect();
        changes(entries, of, "projects/p/global/networks/n")
    }

    #[test]
    fn what_was_refused_is_no_change_and_of_an_operation_the_beginning_counts() {
        let operation = |id: &str, first: bool| json!({"operation": {"id": id, "first": first, "last": !first}});
        let mut failed = operation("two", false);
        failed["protoPayload"]["status"] = json!({"code": 13, "message": "it did not work"});
        let entries = [
            entry(9, "refused", json!({"protoPayload": {"status": {"code": 7, "message": "denied"}}})),
            entry(8, "failed", failed),
            entry(7, "failed", operation("two", true)),
            entry(6, "done", operation("one", false)),
            entry(5, "done", operation("one", true)),
            entry(4, "simple", json!({})),
        ];
        let told = |of| -> Vec<(String, i64)> {
            let found = read(&entries, of).into_iter();
            found.map(|change| (change.method, change.at.as_second() % 60)).collect()
        };
        let owned = |told: &[(&str, i64)]| -> Vec<(String, i64)> {
            told.iter().map(|(method, second)| ((*method).to_owned(), *second)).collect()
        };
        assert_eq!(told(Inspection::Instance), owned(&[("done", 5), ("simple", 4)]));
        // Of a connector, what failed to be made stands there all the same.
        assert_eq!(told(Inspection::Connector), owned(&[("failed", 7), ("done", 5), ("simple", 4)]));
    }

    #[test]
    fn what_an_entry_tells_beside_its_name_is_kept_and_bounded() {
        let delta = json!({"action": "REMOVE", "role": "roles/cloudsql.client", "member": "serviceAccount:a@p"});
        let policy = json!({"protoPayload": {"serviceData": {"policyDelta": {"bindingDeltas": vec![delta; 1000]}}}});
        let subject = "principal://iam.googleapis.com/locations/global/workforcePools/pool/subject/who";
        let federated =
            json!({"protoPayload": {"authenticationInfo": {"principalEmail": "", "principalSubject": subject}}});
        let network = |name| format!("https://www.googleapis.com/compute/v1/projects/p/global/networks/{name}");
        let route = |name| json!({"protoPayload": {"request": {"destRange": "10.0.0.0/8", "network": network(name)}}});
        let entries = [
            entry(3, "routes.insert", route("n")),
            entry(3, "routes.insert", route("other")),
            entry(2, "SetIamPolicy", policy),
            entry(1, &"x".repeat(10_000), federated),
        ];
        let found = read(&entries, Inspection::Network);
        assert_eq!((found.len(), &*found[0].about), (3, &["10.0.0.0/8".to_owned()][..]), "of this network");
        assert_eq!(
            (found[1].about.len(), &*found[1].about[0]),
            (MOST_ROLES, "roles/cloudsql.client serviceAccount:a@p")
        );
        assert_eq!((&*found[2].principal, found[2].method.len()), (subject, MOST_KEPT));
    }

    #[test]
    fn the_filter_names_the_log_the_window_and_the_object() {
        let now = "2026-11-25T12:00:00.5Z".parse().expect("a time");
        let of = |of, object| filter(of, object, now).expect("a filter");
        let connector = of(Inspection::Connector, "projects/p/locations/r/connectors/c");
        for part in
            ["%2Factivity\"", "timestamp>=\"2026-11-18T12:00:00Z\"", "\"vpcaccess.googleapis.com\"", "\"connectors/c\""]
        {
            assert!(connector.contains(part), "{part}: {connector}");
        }
        let service = of(Inspection::Service, "projects/p/locations/us-central1/services/s");
        assert!(
            service.contains("resource.labels.location=\"us-central1\"") && service.contains("\"services/s\""),
            "{service}"
        );
        assert!(filter(Inspection::Logs, "projects/p", now).is_none());
    }
}
