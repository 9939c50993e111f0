//! Connectivity tests that were left over: a runready that is stopped in the middle deletes nothing. The next one has the same
//! name, and finds it taken.

use std::time::Duration;

use runready::cloud::{Inspection, Why};
use runready::plan::InspectionPlan;
use runready::standin::{Fault, Method, Standin, State};
use serde_json::json;

use super::{failing, inspector, plan, standin, unread};
use crate::support::wait::until_async;

fn incident() -> State {
    State::incident(jiff::Timestamp::now())
}

fn testing() -> InspectionPlan {
    InspectionPlan { connectivity_test: true, ..plan() }
}

/// The tests that the project has.
fn tests(standin: &Standin) -> Vec<String> {
    standin.change(|state| {
        let tests = state.objects().filter(|(name, _)| name.contains("/connectivityTests/"));
        tests.map(|(name, _)| name.to_owned()).collect()
    })
}

/// A stand-in in which a runready was stopped while its test ran.
async fn abandoned() -> Standin {
    let mut state = incident();
    // It never ends: it is stopped before.
    state.test_polls = u32::MAX;
    let standin = standin(state);
    let inspector = inspector(&standin);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let plan = testing();
    runtime.spawn(async move { inspector.inspect(&plan, &failing()).await });
    until_async(Duration::from_secs(30), "the test runs", || async {
        let asked = standin.asked().of(Method::TestOperationsGet);
        if asked > 0 { Ok(()) } else { Err(format!("{:?}", tests(&standin))) }
    })
    .await;
    // As a process that is killed: nothing of it goes on.
    runtime.shutdown_background();
    assert_eq!(tests(&standin).len(), 1, "it left its test");
    standin.change(|state| state.test_polls = 1);
    standin
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_a_stopped_runready_left_is_replaced_and_nothing_stays() {
    let standin = abandoned().await;
    let left = tests(&standin);
    // What it came to is of before, and says nothing about now.
    standin.change(|state| state.patch(&left[0], &json!({"reachabilityDetails": {"result": "REACHABLE"}})));
    let picture = inspector(&standin).inspect(&testing(), &failing()).await;
    let test = picture.connectivity_test.object().unwrap_or_else(|| panic!("{:?}", picture.connectivity_test));
    assert_eq!(test.drop_causes[0].cause, "VPC_CONNECTOR_NOT_RUNNING", "it was made anew: {test:?}");
    let asked = standin.asked();
    assert_eq!(asked.about(&left[0]), 3, "deleted, read, deleted: {:?}", asked.calls().collect::<Vec<_>>());
    assert_eq!(asked.of(Method::TestsDelete), 2);
    assert!(tests(&standin).is_empty(), "none stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_left_test_that_may_not_be_deleted_is_told_with_the_role() {
    let standin = abandoned().await;
    standin.change(|state| state.fail(Method::TestsDelete, Fault::PermissionDenied));
    let unread = unread(&inspector(&standin).inspect(&testing(), &failing()).await, Inspection::ConnectivityTest);
    assert_eq!(unread.why, Why::PermissionDenied);
    assert!(unread.message.contains("the deletion of"), "{}", unread.message);
    assert!(unread.remedy.contains("--role=roles/networkmanagement.admin"), "{}", unread.remedy);
    assert_eq!(standin.asked().of(Method::TestsCreate), 2, "one of each: nobody insists");
}
