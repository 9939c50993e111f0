//! Every method's answer from the ready-made states, held to Google's discovery documents.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use jiff::{SignedDuration, Timestamp};
use runready::standin::methods::Call;
use runready::standin::{Method, State, world};
use serde_json::{Value, json};

use super::web::{Reply, ask, get, post};
use crate::support::discovery::Documents;
use crate::support::google;
use crate::support::skip::require;

/// A request for each method that reads. Those of connectivity tests come in the order of a test's life.
fn requests(now: Timestamp) -> Vec<(Method, String, Option<Value>)> {
    let before = now - SignedDuration::from_mins(10);
    let metric = "metric.type%3D%22vpcaccess.googleapis.com%2Fconnector%2Fcpu%2Futilizations%22";
    let tests = format!("/v1/projects/{}/locations/global/connectivityTests", world::PROJECT);
    let test = json!({
        "source": {"cloudRunRevision": {"uri": world::READY_REVISION}},
        "destination": {"cloudSqlInstance": world::INSTANCE, "port": 5432}, "protocol": "TCP",
    });
    let logs = json!({"resourceNames": ["projects/netra-staging"], "filter": "severity>=INFO", "pageSize": 1000});
    let project = format!("projects/{}", world::PROJECT);
    let read = |method, target: String| (method, target, None);
    vec![
        read(Method::ConnectorsGet, format!("/v1/{}", world::CONNECTOR)),
        read(Method::ConnectorsList, format!("/v1/{project}/locations/us-central1/connectors")),
        read(Method::ServicesGet, format!("/v2/{}", world::SERVICE)),
        read(Method::RevisionsGet, format!("/v2/{}", world::READY_REVISION)),
        read(Method::RevisionsList, format!("/v2/{}/revisions", world::SERVICE)),
        read(
            Method::KnativeServicesGet,
            "/apis/serving.knative.dev/v1/namespaces/netra-staging/services/backend".to_owned(),
        ),
        read(Method::InstancesGet, format!("/v1/{}", world::INSTANCE)),
        read(Method::InstancesList, format!("/v1/{project}/instances")),
        read(
            Method::OperationsList,
            format!("/v1/{project}/operations?instance=staging-shared-postgres&maxResults=10"),
        ),
        read(Method::UsersList, format!("/v1/{}/users", world::INSTANCE)),
        read(Method::NetworksGet, format!("/compute/v1/{}", world::NETWORK)),
        read(Method::EffectiveFirewallsGet, format!("/compute/v1/{}/getEffectiveFirewalls", world::NETWORK)),
        read(
            Method::PeeringRoutesList,
            format!(
                "/compute/v1/{}/listPeeringRoutes?peeringName={}&direction=INCOMING",
                world::NETWORK,
                world::PEERING
            ),
        ),
        read(Method::SubnetworksGet, format!("/compute/v1/{}", world::SUBNETWORK)),
        read(Method::SubnetworksList, format!("/compute/v1/{project}/regions/us-central1/subnetworks")),
        read(
            Method::GlobalAddressesList,
            format!("/compute/v1/{project}/global/addresses?filter=purpose%3DVPC_PEERING"),
        ),
        read(Method::RoutesList, format!("/compute/v1/{project}/global/routes")),
        read(Method::FirewallsList, format!("/compute/v1/{project}/global/firewalls")),
        read(Method::ZonesList, format!("/dns/v1/{project}/managedZones")),
        (Method::TestsCreate, format!("{tests}?testId=one"), Some(test)),
        read(Method::TestOperationsGet, format!("/v1/{project}/locations/global/operations/operation-1")),
        read(Method::TestsGet, format!("{tests}/one")),
        (Method::TestsRerun, format!("{tests}/one:rerun"), Some(json!({}))),
        read(Method::TestsDelete, format!("{tests}/one")),
        read(Method::EventsList, format!("/v1/{project}/locations/global/events")),
        (Method::EntriesList, "/v2/entries:list".to_owned(), Some(logs)),
        read(
            Method::TimeSeriesList,
            format!("/v3/{project}/timeSeries?filter={metric}&interval.startTime={before}&interval.endTime={now}"),
        ),
        (
            Method::PolicyGet,
            format!("/v3/{project}:getIamPolicy"),
            Some(json!({"options": {"requestedPolicyVersion": 3}})),
        ),
    ]
}

fn asked(address: SocketAddr, method: Method, target: &str, body: Option<&Value>) -> Reply {
    let reply = ask(address, method.verb(), target, body).expect("an answer");
    assert_eq!(reply.status, 200, "{method:?} {target}: {}", reply.body);
    reply
}

#[test]
fn every_answer_of_the_ready_made_states_is_one_that_google_could_give() {
    let Some(documents) = require(Documents::load()) else { return };
    let now = Timestamp::now();
    let mut faults = Vec::new();
    for standin in [google::start(State::healthy(now)), google::start(State::incident(now))] {
        let requests = requests(now);
        let methods: BTreeSet<Method> = requests.iter().map(|(method, _, _)| *method).collect();
        assert_eq!(methods, Method::ALL.iter().copied().collect(), "a method is not asked");
        for (method, target, body) in requests {
            let answer = asked(standin.address(), method, &target, body.as_ref()).json();
            let empty = answer.as_object().is_none_or(serde_json::Map::is_empty);
            assert!(!empty, "{method:?} says nothing: {answer}");
            let found = match method {
                Method::EventsList => google::faults_of_events(&answer),
                _ => documents.faults_of_answer(method.id(), &answer),
            };
            faults.extend(found.into_iter().map(|fault| format!("{method:?}: {fault}")));
            if let Some(body) = body {
                let found = documents.faults_of_request(method.id(), &body);
                faults.extend(found.into_iter().map(|fault| format!("{method:?}, asked: {fault}")));
            }
        }
        assert_eq!(standin.asked().unknown().collect::<Vec<_>>(), [""; 0]);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_object_of_the_ready_made_states_is_one_that_google_could_hold() {
    let Some(documents) = require(Documents::load()) else { return };
    let now = Timestamp::now();
    for mut state in [State::healthy(now), State::incident(now)] {
        let faults = google::faults_of_state(&documents, &state);
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        // And the check can tell.
        state.patch(world::CONNECTOR, &json!({"state": "BROKEN", "minInstances": "2", "colour": "red"}));
        state.patch(world::INSTANCE, &json!({"currentDiskSize": 12, "createTime": "yesterday"}));
        state.patch(world::EVENT, &json!({"relevance": "MAYBE"}));
        state.set("projects/netra-staging/wishes/one", json!({}));
        let faults = google::faults_of_state(&documents, &state);
        let told = |word: &str| faults.iter().any(|fault| fault.contains(word));
        for word in ["BROKEN", "minInstances", "colour", "currentDiskSize", "yesterday", "events", "wishes"] {
            assert!(told(word), "{word}: {faults:#?}");
        }
        assert_eq!(faults.len(), 7, "{faults:#?}");
    }
}

#[test]
fn every_method_stands_where_googles_documents_have_it() {
    let Some(documents) = require(Documents::load()) else { return };
    let without = Method::ALL.iter().copied().filter(|method| !documents.knows(method.id()));
    assert_eq!(without.collect::<Vec<_>>(), [Method::EventsList], "the package has no document of servicehealth alone");
    for method in Method::ALL.iter().copied().filter(|method| documents.knows(method.id())) {
        let (verb, path) = documents.path(method.id()).expect("a path");
        // Each parameter becomes a segment.
        let parts: Vec<&str> = path.split(['{', '}']).collect();
        let path: String = parts
            .iter()
            .enumerate()
            .map(|(at, part)| if at % 2 == 1 { format!("some-{at}") } else { (*part).to_owned() })
            .collect();
        let call = Call::parse(&verb, &path);
        assert_eq!(call.map(|call| call.method), Some(method), "{verb} {path}");
    }
}

#[test]
fn the_paths_of_different_methods_do_not_collide() {
    let now = Timestamp::now();
    for (method, target, _) in requests(now) {
        let path = target.split('?').next().unwrap_or_default();
        assert_eq!(Call::parse(method.verb(), path).map(|call| call.method), Some(method), "{path}");
        let same = Method::ALL.iter().filter(|other| other.path() == method.path() && other.verb() == method.verb());
        assert_eq!(same.count(), 1, "{path}");
    }
}

#[test]
fn the_incident_logs_the_same_failure_649_times_over_several_pages() {
    let standin = google::incident();
    let (mut seen, mut pages, mut token) = (Vec::new(), 0, String::new());
    loop {
        let filter =
            "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"backend\" AND severity>=WARNING";
        let body = json!({
            "resourceNames": ["projects/netra-staging"], "filter": filter, "orderBy": "timestamp desc", "pageSize": 250,
            "pageToken": token,
        });
        let page = post(standin.address(), "/v2/entries:list", &body).json();
        seen.extend(page["entries"].as_array().expect("entries").clone());
        pages += 1;
        match page["nextPageToken"].as_str() {
            Some(next) => next.clone_into(&mut token),
            None => break,
        }
    }
    let mut texts: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in &seen {
        *texts.entry(entry["textPayload"].as_str().expect("a text")).or_default() += 1;
    }
    let expected = [
        ("Application startup failed. Exiting.", 64),
        ("Container called exit(3).", 64),
        ("Database initialization timeout after 20.0s", 649),
    ];
    assert_eq!((texts, pages), (expected.into_iter().collect(), 4));
    let times: Vec<&str> = seen.iter().filter_map(|entry| entry["timestamp"].as_str()).collect();
    assert!(times.windows(2).all(|pair| pair[0].parse::<Timestamp>().ok() >= pair[1].parse().ok()), "the latest first");
    assert_eq!(standin.asked().of(Method::EntriesList), 4);
    assert_eq!(standin.asked().in_project("netra-staging"), 4);
}

#[test]
fn a_connectivity_test_lives_from_its_making_to_its_deletion() {
    let standin = google::incident();
    let (address, now) = (standin.address(), Timestamp::now());
    let of = |method| requests(now).into_iter().find(|(other, _, _)| *other == method).expect("a request");
    let (_, create, body) = of(Method::TestsCreate);
    let body = body.expect("a test");
    let begun = post(address, &create, &body).json();
    assert_eq!(begun["done"], false);
    assert_eq!(post(address, &create, &body).status, 409, "the id is taken");
    let (_, test, _) = of(Method::TestsGet);
    assert_eq!(get(address, &test).json()["reachabilityDetails"], Value::Null, "it has not run yet");
    let done = get(address, &format!("/v1/{}", begun["name"].as_str().expect("a name"))).json();
    let cause = "/response/reachabilityDetails/traces/0/steps/0/drop/cause";
    assert_eq!((&done["done"], done.pointer(cause)), (&json!(true), Some(&json!("VPC_CONNECTOR_NOT_RUNNING"))));
    assert_eq!(get(address, &test).json()["reachabilityDetails"]["result"], "UNREACHABLE");
    assert_eq!(ask(address, "DELETE", &test, None).expect("an answer").status, 200);
    assert_eq!(get(address, &test).status, 404);
}

#[test]
fn what_is_changed_shows_in_the_next_answer() {
    let standin = google::healthy();
    let target = format!("/v1/{}", world::CONNECTOR);
    assert_eq!(get(standin.address(), &target).json()["state"], "READY");
    standin.change(|state| state.patch(world::CONNECTOR, &json!({"state": "ERROR", "machineType": null})));
    let changed = get(standin.address(), &target).json();
    assert_eq!((&changed["state"], &changed["machineType"]), (&json!("ERROR"), &Value::Null));
    standin.change(|state| state.remove(world::CONNECTOR));
    assert_eq!(get(standin.address(), &target).status, 404);
    assert_eq!(standin.asked().about(world::CONNECTOR), 3);
    standin.forget();
    assert_eq!(standin.asked().total(), 0);
}

#[test]
fn figures_are_those_of_the_metric_and_the_window() {
    let now = Timestamp::now();
    let standin = google::start(State::healthy(now));
    let series = |query: &str| get(standin.address(), &format!("/v3/projects/netra-staging/timeSeries?{query}"));
    let filter = "filter=metric.type%3D%22cloudsql.googleapis.com%2Fdatabase%2Fcpu%2Futilization%22";
    let (from, end) = (now - SignedDuration::from_mins(5), now + SignedDuration::from_secs(1));
    let found = series(&format!("{filter}&interval.startTime={from}&interval.endTime={end}")).json();
    assert_eq!(found["timeSeries"].as_array().map(Vec::len), Some(1));
    assert_eq!(found["timeSeries"][0]["points"].as_array().map(Vec::len), Some(5));
    for (query, told) in [
        (format!("interval.endTime={end}"), "metric.type"),
        (filter.to_owned(), "interval.endTime"),
        (format!("{filter}&interval.endTime=noon"), "noon"),
        (format!("{filter}&interval.endTime={end}&aggregation.perSeriesAligner=ALIGN_STDDEV"), "ALIGN_STDDEV"),
    ] {
        let reply = series(&query);
        assert_eq!(reply.status, 400, "{query}: {}", reply.body);
        assert!(reply.body.contains(told), "{query}: {}", reply.body);
    }
}

#[test]
fn figures_are_taken_together_as_it_is_asked() {
    let now = Timestamp::now();
    let standin = google::start(State::healthy(now));
    let from = now - SignedDuration::from_mins(5);
    let series = |metric: &str, aligner: &str, reducer: &str| {
        let filter = format!("metric.type%3D%22{metric}%22");
        let window = format!("interval.startTime={from}&interval.endTime={now}&aggregation.alignmentPeriod=60s");
        let how = format!("aggregation.perSeriesAligner={aligner}&aggregation.crossSeriesReducer={reducer}");
        get(standin.address(), &format!("/v3/projects/netra-staging/timeSeries?filter={filter}&{window}&{how}"))
    };
    for (metric, aligner, reducer, value, unit) in [
        ("vpcaccess.googleapis.com/connector/instances", "ALIGN_MAX", "REDUCE_SUM", json!({"int64Value": "2"}), "1"),
        // As Google's crates spell enums.
        ("vpcaccess.googleapis.com/connector/instances", "12", "3", json!({"doubleValue": 2.0}), "1"),
        (
            "vpcaccess.googleapis.com/connector/sent_bytes_count",
            "ALIGN_RATE",
            "REDUCE_SUM",
            json!({"doubleValue": 20_000.0}),
            "By/s",
        ),
        (
            "vpcaccess.googleapis.com/connector/cpu/utilizations",
            "ALIGN_PERCENTILE_99",
            "REDUCE_MAX",
            json!({"doubleValue": 14.99}),
            "%",
        ),
        ("cloudsql.googleapis.com/database/cpu/utilization", "ALIGN_MEAN", "0", json!({"doubleValue": 0.06}), "10^2.%"),
    ] {
        let answer = series(metric, aligner, reducer).json();
        let found = &answer["timeSeries"][0];
        assert_eq!((&found["points"][0]["value"], &found["unit"]), (&value, &json!(unit)), "{metric}: {answer}");
        assert_eq!(found["points"].as_array().map(Vec::len), Some(5), "{metric}: {answer}");
        if let Ok(documents) = Documents::load() {
            let faults = documents.faults_of_answer(Method::TimeSeriesList.id(), &answer);
            assert!(faults.is_empty(), "{metric}: {faults:#?}");
        }
    }
    // What Google refuses, and what is not done here.
    let gauge = "cloudsql.googleapis.com/database/cpu/utilization";
    assert_eq!(series(gauge, "ALIGN_RATE", "REDUCE_SUM").status, 400);
    assert_eq!(series(gauge, "ALIGN_MEAN", "REDUCE_STDDEV").status, 400);
}
