//! Makes a connectivity test of Network Intelligence Center, waits for it, reads it and deletes it (networkmanagement v1). Does
//! network I/O, and writes: it is the one inspection that does.

use std::time::{Duration, Instant};

use google_cloud_networkmanagement_v1::client::ReachabilityService;
use google_cloud_networkmanagement_v1::model;
use google_cloud_networkmanagement_v1::model::step::StepInfo;
use tokio::time::sleep;
use xxhash_rust::xxh3::xxh3_64;

use super::convert::named;
use super::google::Google;
use super::question::Question;
use crate::cloud::test::{ProbingResult, Stop, TestResult};
use crate::cloud::{ConnectivityTest, Unread, Why};
use crate::refusal::Answer;

/// Longest wait for a test to be carried out.
const LIMIT: Duration = Duration::from_secs(40);
/// Time between looks at an operation.
const EVERY: Duration = Duration::from_secs(3);
/// Most places at which traces end that are kept.
const MOST: usize = 16;

/// From where to where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The revision: projects/PROJECT/locations/REGION/revisions/REVISION.
    pub revision: String,
    /// Where packets are to go.
    pub to: Goal,
    /// Port.
    pub port: u16,
}

/// Where packets are to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// An instance: projects/PROJECT/instances/INSTANCE.
    Instance(String),
    /// An address, as it is reached from a network.
    Address(String),
}

impl Way {
    /// The test's id: the same for the same way, so that one that was left over is found.
    pub fn id(&self) -> String {
        format!("runready-{:016x}", xxh3_64(format!("{self:?}").as_bytes()))
    }

    fn test(&self) -> model::ConnectivityTest {
        let source = model::endpoint::CloudRunRevisionEndpoint::new().set_uri(&self.revision);
        let goal = model::Endpoint::new().set_port(i32::from(self.port));
        let goal = match &self.to {
            Goal::Instance(instance) => goal.set_cloud_sql_instance(instance),
            Goal::Address(address) => goal.set_ip_address(address),
        };
        model::ConnectivityTest::new()
            .set_description("made by runready, which deletes it after it has been read")
            .set_protocol("TCP")
            .set_source(model::Endpoint::new().set_cloud_run_revision(source))
            .set_destination(goal)
    }
}

/// An operation that carries out a test.
struct Running {
    name: String,
    done: bool,
    failed: Option<String>,
}

/// Carries out a test. `question` is about projects/PROJECT/locations/global/connectivityTests/ID.
pub async fn read(google: &Google, question: &Question, way: &Way) -> Result<ConnectivityTest, Unread> {
    let clients = google.clients(question).await?;
    let api = clients.tests(question).await?;
    let until = Instant::now() + LIMIT;
    let result = carried_out(google, api, question, way, until).await;
    // Also after a failure: what was made must not stay.
    let deleted = delete(google, api, question).await;
    let test = result?;
    match deleted {
        Err(unread) if unread.why != Why::NotFound => Err(unread),
        Ok(()) | Err(_) => Ok(of(&test)),
    }
}

async fn carried_out(
    google: &Google,
    api: &ReachabilityService,
    question: &Question,
    way: &Way,
    until: Instant,
) -> Result<model::ConnectivityTest, Unread> {
    let mut operation = match create(google, api, question, way).await? {
        Some(operation) => operation,
        None => {
            // Left over from a runready that was stopped in the middle.
            delete(google, api, question).await?;
            let left = question.unread(Why::Unavailable, "a test of that name is being deleted");
            loop {
                sleep(EVERY).await;
                match create(google, api, question, way).await? {
                    Some(operation) => break operation,
                    None if Instant::now() > until => return Err(left),
                    None => (),
                }
            }
        }
    };
    let running = question.about("how far it is with");
    while !operation.done {
        if Instant::now() > until {
            return Err(running.unread(Why::Unavailable, &format!("not carried out within {}s", LIMIT.as_secs())));
        }
        sleep(EVERY).await;
        let seen = google.ask(&running, || api.get_operation().set_name(&operation.name).send()).await?;
        operation.failed = seen.error().map(|error| error.message.clone());
        operation.done = seen.done;
    }
    if let Some(failed) = &operation.failed {
        return Err(running.unread(Why::Unavailable, failed));
    }
    let result = question.about("the result of");
    google.ask(&result, || api.get_connectivity_test().set_name(&*question.name).send()).await
}

/// Makes the test. None: there is one of that name.
async fn create(
    google: &Google,
    api: &ReachabilityService,
    question: &Question,
    way: &Way,
) -> Result<Option<Running>, Unread> {
    let parent = format!("projects/{}/locations/global", question.project);
    let question = question.about("the creation of");
    let create = || async {
        let create = api.create_connectivity_test().set_parent(&parent).set_test_id(way.id()).set_resource(way.test());
        match create.send().await {
            Ok(operation) => {
                let failed = operation.error().map(|error| error.message.clone());
                Ok(Some(Running { name: operation.name, done: operation.done, failed }))
            }
            Err(error) if error.http_status_code() == Some(409) => Ok(None),
            Err(error) => Err(Answer::of(&error)),
        }
    };
    google.asked(&question, create).await
}

async fn delete(google: &Google, api: &ReachabilityService, question: &Question) -> Result<(), Unread> {
    let question = question.about("the deletion of");
    google.ask(&question, || api.delete_connectivity_test().set_name(&*question.name).send()).await.map(drop)
}

fn of(test: &model::ConnectivityTest) -> ConnectivityTest {
    let reached = test.reachability_details.as_ref();
    let steps = || reached.iter().flat_map(|details| &details.traces).flat_map(|trace| &trace.steps);
    let info = |step: &model::Step| step.step_info.clone();
    let stop = |cause: Option<&str>, resource: &str| Stop {
        cause: cause.unwrap_or("UNKNOWN").to_owned(),
        resource: resource.to_owned(),
    };
    let drops = steps().filter_map(info).filter_map(|info| match info {
        StepInfo::Drop(drop) => Some(stop(drop.cause.name(), &drop.resource_uri)),
        _ => None,
    });
    let aborts = steps().filter_map(info).filter_map(|info| match info {
        StepInfo::Abort(abort) => Some(stop(abort.cause.name(), &abort.resource_uri)),
        _ => None,
    });
    let probing = test.probing_details.as_ref();
    ConnectivityTest {
        result: named(reached.and_then(|details| details.result.name()), TestResult::ALL),
        probing: probing.map(|details| named(details.result.name(), ProbingResult::ALL)),
        drop_causes: drops.take(MOST).collect(),
        abort_causes: aborts.take(MOST).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_test_tells_where_packets_are_dropped() {
        let test: model::ConnectivityTest = serde_json::from_value(json!({
            "reachabilityDetails": {"result": "UNREACHABLE", "traces": [{"steps": [
                {"state": "START_FROM_CLOUD_RUN_REVISION"},
                {"state": "DROP", "drop": {"cause": "VPC_CONNECTOR_NOT_RUNNING", "resourceUri": "projects/p/locations/r/connectors/c"}},
                {"state": "ABORT", "abort": {"cause": "PERMISSION_DENIED"}},
            ]}]},
            "probingDetails": {"result": "REACHABILITY_INCONSISTENT"},
        }))
        .expect("a test");
        let test = of(&test);
        assert_eq!((test.result, test.probing), (TestResult::Unreachable, Some(ProbingResult::Inconsistent)));
        assert_eq!(test.drop_causes[0].cause, "VPC_CONNECTOR_NOT_RUNNING");
        assert_eq!(test.drop_causes[0].resource, "projects/p/locations/r/connectors/c");
        assert_eq!(test.abort_causes[0].cause, "PERMISSION_DENIED");
    }

    #[test]
    fn the_same_way_has_the_same_id() {
        let way = |port| Way { revision: "r".to_owned(), to: Goal::Instance("i".to_owned()), port };
        assert_eq!(way(5432).id(), way(5432).id());
        assert_ne!(way(5432).id(), way(3306).id());
        assert_eq!(way(5432).id().len(), 25);
    }
}
