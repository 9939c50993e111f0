//! What Google Cloud's word adds to a verdict beside its findings: layers that it clears, and what it could not say. Pure.

use super::super::{Case, Finding, behind_cloud_run};
use super::test::{ABORT_CAUSES, result};
use super::{access, clock, contradiction, firewall, network, region, region_of, short, zones};
use crate::api::{Cause, Layer, Stage};
use crate::cloud::connector::ConnectorState;
use crate::cloud::health;
use crate::cloud::instance::{ActivationPolicy, InstanceState};
use crate::cloud::reading::{Absent, Why};
use crate::cloud::test::{ProbingResult, TestResult};
use crate::cloud::{Inspection, Picture, Reading, Unread};

/// Most groups of log entries that stand in the evidence.
const MOST_LOGS: usize = 1;

/// What the service's log says, as evidence: the group with the most entries.
pub(in crate::diagnosis) fn logs(case: &Case<'_>, primary: &Finding) -> Vec<String> {
    let Some(found) = case.cloud.and_then(|picture| picture.logs.found()) else { return Vec::new() };
    let mut grave: Vec<_> = found.object.iter().filter(|entry| contradiction::grave(entry)).collect();
    grave.sort_by_key(|entry| std::cmp::Reverse(entry.count));
    let told = grave.into_iter().take(MOST_LOGS).map(|entry| contradiction::told(found, entry));
    told.filter(|line| !primary.told.contains(line)).collect()
}

/// Layers that Google Cloud's word clears.
pub(in crate::diagnosis) fn cleared(case: &Case<'_>, primary: &Finding) -> Vec<(Layer, String)> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let mut cleared = Vec::new();
    cleared.extend(region_cleared(picture));
    cleared.extend(network_cleared(picture, primary));
    cleared.extend(database_cleared(picture, primary));
    cleared
}

fn region_cleared(picture: &Picture) -> Option<(Layer, String)> {
    let (found, region) = (picture.service_health.found()?, region_of(picture)?);
    if health::is_cut(&found.object) || found.object.iter().any(|event| region::may_touch(event, region)) {
        return None;
    }
    let evidence = format!(
        "no event of Personalized Service Health touches Cloud SQL, Cloud Run or VPC in {region}, read {}",
        clock(found.at)
    );
    Some((Layer::Region, evidence))
}

/// Packets of Google's own that arrived speak for the network, unless a probe of the check says otherwise of large ones.
fn network_cleared(picture: &Picture, primary: &Finding) -> Option<(Layer, String)> {
    let found = picture.connectivity_test.found()?;
    let test = &found.object;
    let arrived = test.result == TestResult::Reachable && test.probing == Some(ProbingResult::Reachable);
    if !arrived || primary.cause == Cause::LargePacketsLost {
        return None;
    }
    Some((
        Layer::Network,
        format!("a connectivity test's packets arrived ({}), read {}", result(test), clock(found.at)),
    ))
}

/// That an instance runs clears the database only of not running, and only where something else is known to be broken: the probes
/// never came so far as to see it answer.
fn database_cleared(picture: &Picture, primary: &Finding) -> Option<(Layer, String)> {
    let found = picture.instance.found()?;
    let instance = &found.object;
    let runs = instance.state == InstanceState::Runnable && instance.activation_policy == ActivationPolicy::Always;
    let busy = instance.operations.iter().any(|operation| matches!(&*operation.status, "PENDING" | "RUNNING"));
    let known_elsewhere = !primary.told.is_empty() && matches!(primary.layer, Layer::Egress | Layer::Network);
    let never_reached = matches!(primary.stage, Some(Stage::Resolve | Stage::Connect) | None);
    if !runs || busy || !known_elsewhere || !never_reached {
        return None;
    }
    let evidence = format!(
        "the instance {} is RUNNABLE with activation policy ALWAYS and no operation under way, read {}: it is not stopped, \
         although nothing was seen of its answers",
        instance.connection_name,
        clock(found.at)
    );
    Some((Layer::Database, evidence))
}

/// What Google Cloud could not say, and what mends that; one line for what hinders several inspections alike.
pub(in crate::diagnosis) fn unknown(case: &Case<'_>, primary: &Finding) -> Vec<String> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let mut unknown = Vec::new();
    if primary.probes.is_empty() && matches!(primary.layer, Layer::Egress | Layer::Network) && !seen_from_there(case) {
        unknown.push(
            "no probe of this check takes the service's own way out: this rests on what Google Cloud says alone"
                .to_owned(),
        );
    }
    unknown.extend(unread(picture));
    unknown.extend(aborted(picture));
    unknown.extend(unheard_of(picture));
    unknown.extend(region::doubtful(picture));
    unknown.extend(access::untold(case));
    unknown.extend(network::untold(case));
    unknown.extend(firewall::untold(case));
    unknown.extend(zones::untold(case));
    unknown
}

fn seen_from_there(case: &Case<'_>) -> bool {
    let there = |vantage: &str| behind_cloud_run(vantage);
    case.observations.iter().any(|probe| probe.evidence.is_some_and(|evidence| there(&evidence.vantage)))
}

fn unread(picture: &Picture) -> Vec<String> {
    let mut hindered: Vec<(Vec<String>, Unread)> = Vec::new();
    let mut undiscovered = Vec::new();
    for (inspection, reading) in picture.readings() {
        // That the object is not there is itself evidence, of which a rule speaks.
        let evidence = matches!(inspection, Inspection::Service | Inspection::Connector | Inspection::Instance);
        match reading {
            Reading::Unread(unread) if unread.why == Why::NotFound && evidence => {}
            Reading::Unread(unread) => {
                let what = format!("{inspection} {}", short(&unread.name));
                let alike = |(_, known): &&mut (_, Unread)| (known.why, &known.remedy) == (unread.why, &unread.remedy);
                match hindered.iter_mut().find(alike) {
                    Some((all, _)) if all.contains(&what) => {}
                    Some((all, _)) => all.push(what),
                    None => hindered.push((vec![what], unread)),
                }
            }
            Reading::Absent(Absent::Undiscovered) => undiscovered.push(inspection.to_string()),
            Reading::Absent(Absent::NotYet | Absent::SwitchedOff | Absent::NotUsed) | Reading::Read(_) => {}
        }
    }
    let told = hindered.iter().map(|(all, unread)| {
        let (verb, message) = (if all.len() == 1 { "was" } else { "were" }, unread.message.trim_end_matches('.'));
        format!("{} {verb} not read: {message}. Next: {}", all.join(", "), unread.remedy)
    });
    // Revisions are two readings.
    undiscovered.dedup();
    let which = match undiscovered.len() {
        0 => None,
        1 => Some("which one it is could not be found out, because what tells it was not read; pin it"),
        _ => Some("which they are could not be found out, because what tells them was not read; pin them"),
    };
    let undiscovered = undiscovered.join(", ");
    told.chain(which.map(|which| format!("{undiscovered}: {which} in spec.inspect"))).collect()
}

fn aborted(picture: &Picture) -> Vec<String> {
    let Some(test) = picture.connectivity_test.object() else { return Vec::new() };
    let says = |cause: &str| {
        ABORT_CAUSES.iter().find(|(name, _)| *name == cause).map_or("its analysis ended early", |(_, says)| says)
    };
    let mut unknown: Vec<String> = test
        .abort_causes
        .iter()
        .map(|stop| format!("the connectivity test came to nothing ({}): {}", stop.cause, says(&stop.cause)))
        .collect();
    let told = test.drop_causes.is_empty() && unknown.is_empty();
    if told && matches!(test.result, TestResult::Ambiguous | TestResult::Undetermined | TestResult::Other(_)) {
        unknown.push(format!("the connectivity test does not tell: {}", result(test)));
    }
    unknown
}

/// States that this version does not know: never healthy, never guilty.
fn unheard_of(picture: &Picture) -> Vec<String> {
    let mut unknown = Vec::new();
    let mut note = |what: &str, value: &str| {
        unknown.push(format!("{what} is {value}, which this version of runready does not know"))
    };
    if let Some(connector) = picture.connector.object() {
        match &connector.state {
            ConnectorState::Other(state) => note("the connector's state", state),
            ConnectorState::Unspecified => {
                unknown.push("Google does not say in which state the connector is".to_owned())
            }
            ConnectorState::Ready
            | ConnectorState::Creating
            | ConnectorState::Deleting
            | ConnectorState::Error
            | ConnectorState::Updating => {}
        }
    }
    let mut note = |what: &str, value: &str| {
        unknown.push(format!("{what} is {value}, which this version of runready does not know"))
    };
    if let Some(instance) = picture.instance.object() {
        if let ActivationPolicy::Other(policy) = &instance.activation_policy {
            note("the instance's activation policy", policy);
        }
        match &instance.state {
            InstanceState::Other(state) => note("the instance's state", state),
            InstanceState::Unspecified => unknown.push("Google does not say in which state the instance is".to_owned()),
            InstanceState::Runnable
            | InstanceState::Suspended
            | InstanceState::PendingDelete
            | InstanceState::PendingCreate
            | InstanceState::Maintenance
            | InstanceState::Failed
            | InstanceState::OnlineMaintenance
            | InstanceState::Repairing => {}
        }
    }
    unknown
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn not_read<T>(name: &str, why: Why, remedy: &str) -> Reading<T> {
        let unread = Unread {
            name: format!("projects/p/{name}").into(),
            at: Timestamp::UNIX_EPOCH,
            why,
            message: format!("asking for {name}: no.").into(),
            remedy: remedy.into(),
        };
        Reading::Unread(unread)
    }

    #[test]
    fn what_hinders_several_inspections_alike_is_told_once() {
        let picture = Picture {
            service: not_read("service", Why::NoCredentials, "log in"),
            logs: not_read("log", Why::NoCredentials, "log in"),
            metrics: not_read("figures", Why::PermissionDenied, "grant it"),
            network: not_read("network", Why::PermissionDenied, "grant that"),
            ready_revision: Reading::Absent(Absent::Undiscovered),
            created_revision: Reading::Absent(Absent::Undiscovered),
            instance: Reading::Absent(Absent::Undiscovered),
            connector: not_read("connector", Why::NotFound, "look"),
            ..Picture::default()
        };
        assert_eq!(
            unread(&picture),
            [
                "Service service, Logs log were not read: asking for service: no. Next: log in",
                "Network network was not read: asking for network: no. Next: grant that",
                "Metrics figures was not read: asking for figures: no. Next: grant it",
                "Revisions, Instance: which they are could not be found out, because what tells them was not read; pin them in spec.inspect",
            ]
        );
    }
}
