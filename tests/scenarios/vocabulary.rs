//! The closed vocabularies of Google's APIs, walked: each value has a rule that speaks of it beside a failing path, or is listed as
//! deliberately without one. Pure.

use std::sync::Arc;

use runready::api::{Cause, Kind};
use runready::cloud::connector::ConnectorState;
use runready::cloud::health::{DetailedState, EventState, Relevance};
use runready::cloud::instance::{
    ActivationPolicy, ConnectorEnforcement, InstanceState, OutOfDisk, SslMode, SuspensionReason,
};
use runready::cloud::reading::Found;
use runready::cloud::service::{ConditionReason, ConditionSeverity, ConditionState, RunCondition};
use runready::cloud::test::{ConnectivityTest, ProbingResult, Stop, TestResult};
use runready::cloud::{Picture, Reading};
use runready::diagnosis::cloud::condition_says;
use runready::diagnosis::cloud::test::{ABORT_CAUSES, DROP_CAUSES};
use runready::diagnosis::diagnose;

use super::file::healthy;
use crate::diagnosis::seen::{Seen, case, ill, well};

/// Values without a rule, each with its reason.
const DELIBERATELY_NOT: &[(&str, &str)] = &[
    ("ConnectorState STATE_UNSPECIFIED", "says nothing: it stands in unknown"),
    ("ConnectorState READY", "takes traffic"),
    ("InstanceState SQL_INSTANCE_STATE_UNSPECIFIED", "says nothing: it stands in unknown"),
    ("InstanceState RUNNABLE", "runs; the activation policy tells whether its owner has stopped it"),
    ("ActivationPolicy SQL_ACTIVATION_POLICY_UNSPECIFIED", "says nothing"),
    ("ActivationPolicy ALWAYS", "runs"),
    ("ActivationPolicy ON_DEMAND", "of the first generation, which starts when it is asked"),
    ("OutOfDisk SQL_OUT_OF_DISK_STATE_UNSPECIFIED", "says nothing"),
    ("OutOfDisk NORMAL", "has room"),
    ("SslMode SSL_MODE_UNSPECIFIED", "says nothing"),
    ("SslMode ALLOW_UNENCRYPTED_AND_ENCRYPTED", "takes any connection"),
    ("ConnectorEnforcement CONNECTOR_ENFORCEMENT_UNSPECIFIED", "says nothing"),
    ("ConnectorEnforcement NOT_REQUIRED", "takes any connection"),
    ("ConditionState STATE_UNSPECIFIED", "says nothing"),
    ("ConditionState CONDITION_PENDING", "goes on by itself; what fails at last is CONDITION_FAILED"),
    ("ConditionState CONDITION_RECONCILING", "goes on by itself; what fails at last is CONDITION_FAILED"),
    ("ConditionState CONDITION_SUCCEEDED", "is as it should be"),
    ("ConditionSeverity WARNING", "does not keep the object from being ready"),
    ("ConditionSeverity INFO", "says something only"),
    ("ConditionReason UNKNOWN", "says nothing; the condition's message is cited all the same"),
    ("ConditionReason WAITING_FOR_OPERATION", "goes on by itself"),
    ("ConditionReason IMMEDIATE_RETRY", "goes on by itself"),
    ("ConditionReason POSTPONED_RETRY", "goes on by itself"),
    ("ConditionReason PENDING", "has not begun"),
    ("ConditionReason RESERVE", "the revision takes no traffic"),
    ("ConditionReason RETIRED", "the revision takes no traffic"),
    ("ConditionReason RETIRING", "the revision takes no new traffic"),
    ("ConditionReason RECREATING", "goes on by itself"),
    ("ConditionReason CUSTOMIZED_PATH_RESPONSE_PENDING", "goes on by itself"),
    ("ConditionReason NO_DEPLOYMENT", "the revision was never to run"),
    ("ConditionReason HEALTH_CHECK_SKIPPED", "nothing was checked, so nothing failed"),
    ("ConditionReason MIN_INSTANCES_WARMING", "goes on by itself"),
    ("EventState STATE_UNSPECIFIED", "blamed only while ACTIVE"),
    ("EventState CLOSED", "has ended"),
    ("DetailedState DETAILED_STATE_UNSPECIFIED", "says nothing"),
    ("DetailedState RESOLVED", "is mended"),
    ("DetailedState MERGED", "the event that it went into speaks"),
    ("DetailedState AUTO_CLOSED", "has ended"),
    ("DetailedState FALSE_POSITIVE", "there was nothing"),
    ("Relevance RELEVANCE_UNSPECIFIED", "says nothing"),
    ("Relevance UNKNOWN", "nobody is blamed on a guess"),
    ("Relevance NOT_IMPACTED", "does not concern the project"),
    ("Relevance PARTIALLY_RELATED", "another product or another region"),
    ("TestResult RESULT_UNSPECIFIED", "says nothing"),
    ("TestResult REACHABLE", "the configuration lets packets pass"),
    ("TestResult AMBIGUOUS", "stands in unknown unless a trace is dropped"),
    ("TestResult UNDETERMINED", "stands in unknown"),
    ("TestResult UNREACHABLE", "the cause of the drop speaks"),
    ("ProbingResult PROBING_RESULT_UNSPECIFIED", "says nothing"),
    ("ProbingResult REACHABLE", "packets arrived"),
    ("ProbingResult UNDETERMINED", "says nothing"),
];

/// Changes an object of the picture.
fn change<T: Clone>(reading: &mut Reading<T>, change: impl FnOnce(&mut T)) {
    let Reading::Read(found) = reading else { panic!("not read") };
    let mut object = (*found.object).clone();
    change(&mut object);
    found.object = Arc::new(object);
}

fn silent() -> Vec<Seen> {
    vec![ill("database", Kind::Postgres, "10.20.0.3:5432", Cause::ConnectTimeout).from("cloudrun/p/r/agent")]
}

fn turned_away() -> Vec<Seen> {
    let mut seen = ill("database", Kind::Postgres, "10.20.0.3:5432", Cause::ConnectionClosed);
    let evidence = seen.evidence.as_mut().expect("evidence");
    evidence.stages.retain(|record| record.stage == runready::api::Stage::Connect);
    vec![seen]
}

/// Whether a rule rests on the value: with it, something that Google Cloud says stands in the verdict that does not in the healthy world.
fn speaks(seen: &[Seen], picture: &Picture) -> bool {
    let mut case = case(seen, true);
    case.cloud = Some(picture);
    let told = |found: runready::diagnosis::Diagnosis| {
        std::iter::once(&found.primary).chain(&found.others).any(|finding| !finding.told.is_empty())
    };
    diagnose(&case).is_some_and(told)
}

/// Walks one vocabulary.
fn walk<T: std::fmt::Display>(
    name: &str,
    all: &[T],
    seen: &[Seen],
    set: impl Fn(&mut Picture, &T),
    faults: &mut Vec<String>,
) {
    for value in all {
        let mut picture = healthy();
        set(&mut picture, value);
        let word = format!("{name} {value}");
        let listed = DELIBERATELY_NOT.iter().any(|(known, reason)| *known == word && !reason.is_empty());
        match (speaks(seen, &picture), listed) {
            (true, true) => faults.push(format!("{word} is listed as without a rule, and has one")),
            (false, false) => faults.push(format!("no rule speaks of {word}")),
            (true, false) | (false, true) => {}
        }
    }
}

fn event(picture: &mut Picture, change_it: impl Fn(&mut runready::cloud::HealthEvent)) {
    let mut event = runready::cloud::HealthEvent {
        name: "events/1".to_owned(),
        title: "Cloud SQL is slow".to_owned(),
        state: EventState::Active,
        detailed_state: DetailedState::Confirmed,
        relevance: Relevance::Impacted,
        impacts: vec![runready::cloud::health::Impact {
            product: "Cloud SQL".to_owned(),
            location: "us-central1".to_owned(),
        }],
        start_time: None,
        update_time: None,
        cut: false,
    };
    change_it(&mut event);
    change(&mut picture.service_health, |events| events.push(event));
}

/// A condition of the revision that takes traffic, which fails.
fn condition(picture: &mut Picture, change_it: impl Fn(&mut RunCondition)) {
    let mut failed = RunCondition {
        kind: "Ready".to_owned(),
        state: ConditionState::Failed,
        severity: None,
        reason: None,
        message: String::new(),
        last_transition_time: None,
    };
    change_it(&mut failed);
    change(&mut picture.ready_revision, |revision| revision.conditions = vec![failed.clone()]);
}

fn tested(picture: &mut Picture, result: TestResult, probing: Option<ProbingResult>, drops: Vec<Stop>) {
    let test = ConnectivityTest { result, probing, drop_causes: drops, abort_causes: Vec::new() };
    picture.connectivity_test = Reading::Read(Found {
        name: "projects/netra-staging/locations/global/connectivityTests/runready".into(),
        at: jiff::Timestamp::UNIX_EPOCH,
        object: Arc::new(test),
    });
}

#[test]
fn every_state_and_reason_has_a_rule_or_is_deliberately_without_one() {
    let mut faults = Vec::new();
    let silent = silent();
    let connector = |picture: &mut Picture, state: &ConnectorState| {
        change(&mut picture.connector, |connector| connector.state = state.clone());
    };
    walk("ConnectorState", ConnectorState::ALL, &silent, connector, &mut faults);
    let state = |picture: &mut Picture, state: &InstanceState| {
        change(&mut picture.instance, |instance| instance.state = state.clone());
    };
    walk("InstanceState", InstanceState::ALL, &silent, state, &mut faults);
    let policy = |picture: &mut Picture, policy: &ActivationPolicy| {
        change(&mut picture.instance, |instance| instance.activation_policy = policy.clone());
    };
    walk("ActivationPolicy", ActivationPolicy::ALL, &silent, policy, &mut faults);
    let disk = |picture: &mut Picture, disk: &OutOfDisk| {
        change(&mut picture.instance, |instance| instance.out_of_disk = Some(disk.clone()));
    };
    walk("OutOfDisk", OutOfDisk::ALL, &silent, disk, &mut faults);
    let turned_away = turned_away();
    let ssl = |picture: &mut Picture, mode: &SslMode| {
        change(&mut picture.instance, |instance| instance.ssl_mode = Some(mode.clone()));
    };
    walk("SslMode", SslMode::ALL, &turned_away, ssl, &mut faults);
    let enforced = |picture: &mut Picture, enforced: &ConnectorEnforcement| {
        change(&mut picture.instance, |instance| instance.connector_enforcement = Some(enforced.clone()));
    };
    walk("ConnectorEnforcement", ConnectorEnforcement::ALL, &turned_away, enforced, &mut faults);
    let endpoint = [well("web", Kind::Http, "34.1.2.3:443")];
    let state =
        |picture: &mut Picture, state: &ConditionState| condition(picture, |condition| condition.state = state.clone());
    walk("ConditionState", ConditionState::ALL, &endpoint, state, &mut faults);
    let severity = |picture: &mut Picture, severity: &ConditionSeverity| {
        condition(picture, |condition| condition.severity = Some(severity.clone()));
    };
    walk("ConditionSeverity", ConditionSeverity::ALL, &endpoint, severity, &mut faults);
    walk(
        "EventState",
        EventState::ALL,
        &silent,
        |picture, state| event(picture, |event| event.state = state.clone()),
        &mut faults,
    );
    let detailed =
        |picture: &mut Picture, state: &DetailedState| event(picture, |event| event.detailed_state = state.clone());
    walk("DetailedState", DetailedState::ALL, &silent, detailed, &mut faults);
    let relevance =
        |picture: &mut Picture, relevance: &Relevance| event(picture, |event| event.relevance = relevance.clone());
    walk("Relevance", Relevance::ALL, &silent, relevance, &mut faults);
    walk(
        "TestResult",
        TestResult::ALL,
        &silent,
        |picture, result| tested(picture, result.clone(), None, Vec::new()),
        &mut faults,
    );
    let probing = |picture: &mut Picture, result: &ProbingResult| {
        tested(picture, TestResult::Reachable, Some(result.clone()), Vec::new())
    };
    walk("ProbingResult", ProbingResult::ALL, &silent, probing, &mut faults);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_reason_of_a_condition_says_something_or_is_deliberately_silent() {
    for reason in ConditionReason::ALL {
        let listed = DELIBERATELY_NOT.iter().any(|(known, _)| *known == format!("ConditionReason {reason}"));
        assert_ne!(condition_says(reason).is_some(), listed, "{reason}");
        let mut picture = healthy();
        condition(&mut picture, |condition| condition.reason = Some(reason.clone()));
        assert!(
            speaks(&[well("web", Kind::Http, "34.1.2.3:443")], &picture),
            "a condition that fails is cited: {reason}"
        );
    }
}

#[test]
fn every_reason_of_a_suspension_has_its_own_remedy() {
    let mut remedies = std::collections::BTreeSet::new();
    for reason in SuspensionReason::ALL {
        let mut picture = healthy();
        change(&mut picture.instance, |instance| {
            instance.state = InstanceState::Suspended;
            instance.suspension_reason = vec![reason.clone()];
        });
        let seen = silent();
        let mut case = case(&seen, true);
        case.cloud = Some(&picture);
        let found = diagnose(&case).expect("a verdict").primary;
        assert_eq!(found.cause, Cause::InstanceSuspended);
        assert!(found.summary.contains(reason.as_str()), "{}", found.summary);
        remedies.insert(found.remedy);
    }
    assert_eq!(remedies.len(), SuspensionReason::ALL.len(), "{remedies:?}");
}

#[test]
fn every_cause_of_a_drop_has_its_layer_and_sentence_and_an_early_end_is_unknown() {
    for (name, layer, cause, says) in DROP_CAUSES {
        let mut picture = healthy();
        let stop = Stop { cause: (*name).to_owned(), resource: String::new() };
        tested(&mut picture, TestResult::Unreachable, None, vec![stop]);
        let seen = silent();
        let mut case = case(&seen, true);
        case.cloud = Some(&picture);
        let found = diagnose(&case).expect("a verdict").primary;
        assert_eq!((found.rule, found.layer, found.cause), ("network/connectivity-test", *layer, *cause), "{name}");
        assert!(found.summary.contains(says) && found.summary.contains(name), "{}", found.summary);
    }
    for (name, says) in ABORT_CAUSES {
        let mut picture = healthy();
        tested(&mut picture, TestResult::Undetermined, None, Vec::new());
        change(&mut picture.connectivity_test, |test| {
            test.abort_causes = vec![Stop { cause: (*name).to_owned(), resource: String::new() }];
        });
        let seen = silent();
        let mut case = case(&seen, true);
        case.cloud = Some(&picture);
        let found = diagnose(&case).expect("a verdict");
        assert_ne!(found.primary.rule, "network/connectivity-test");
        assert!(found.unknown.iter().any(|line| line.contains(name) && line.contains(says)), "{:?}", found.unknown);
    }
}
