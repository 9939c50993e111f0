//! The faults of the stand-in: what goes wrong with Google's APIs, as they say it.

use std::time::{Duration, Instant};

use runready::standin::{Api, Fault, Method, Standin, world};
use serde_json::{Value, json};

use super::web::{Reply, ask, get};
use crate::support::google;
use crate::support::wait::until;

fn failing(standin: &Standin, method: Method, fault: Fault, target: &str) -> Reply {
    standin.change(|state| {
        state.mend();
        state.fail(method, fault);
    });
    get(standin.address(), target)
}

fn reason(body: &Value) -> (&Value, &Value) {
    let info = body["error"]["details"].as_array().and_then(|details| {
        details.iter().find(|detail| detail["@type"] == "type.googleapis.com/google.rpc.ErrorInfo")
    });
    (&body["error"]["status"], info.map_or(&Value::Null, |info| &info["reason"]))
}

#[test]
fn an_error_has_the_body_that_the_api_gives_it() {
    let standin = google::healthy();
    let connector = format!("/v1/{}", world::CONNECTOR);
    let told = |fault| failing(&standin, Method::ConnectorsGet, fault, &connector);

    let reply = told(Fault::PermissionDenied);
    assert_eq!(
        (reply.status, reason(&reply.json())),
        (403, (&json!("PERMISSION_DENIED"), &json!("IAM_PERMISSION_DENIED")))
    );
    assert!(reply.body.contains("vpcaccess.connectors.get"), "{}", reply.body);

    let reply = told(Fault::ApiDisabled);
    assert_eq!((reply.status, reason(&reply.json())), (403, (&json!("PERMISSION_DENIED"), &json!("SERVICE_DISABLED"))));
    assert!(reply.body.contains("vpcaccess.googleapis.com"), "{}", reply.body);

    let reply = told(Fault::NotFound);
    assert_eq!((reply.status, reason(&reply.json()).0), (404, &json!("NOT_FOUND")));

    let reply = told(Fault::Throttled(Some(7)));
    assert_eq!(
        (reply.status, reason(&reply.json())),
        (429, (&json!("RESOURCE_EXHAUSTED"), &json!("RATE_LIMIT_EXCEEDED")))
    );
    assert!(reply.head.contains("retry-after: 7"), "{}", reply.head);

    let reply = told(Fault::Internal);
    assert_eq!((reply.status, reason(&reply.json()).0), (500, &json!("INTERNAL")));

    let reply = told(Fault::Garbage);
    assert_eq!(reply.status, 200);
    assert!(serde_json::from_str::<Value>(&reply.body).is_err(), "{}", reply.body);

    standin.change(|state| state.mend());
    assert_eq!(get(standin.address(), &connector).status, 200);
}

#[test]
fn the_older_apis_say_errors_in_their_own_way() {
    let standin = google::healthy();
    let cases = [
        (Method::InstancesGet, format!("/v1/{}", world::INSTANCE), "notAuthorized", "instanceDoesNotExist"),
        (Method::NetworksGet, format!("/compute/v1/{}", world::NETWORK), "forbidden", "notFound"),
    ];
    for (method, target, forbidden, missing) in cases {
        let reason = |fault| failing(&standin, method, fault, &target).json()["error"]["errors"][0]["reason"].clone();
        assert_eq!(reason(Fault::PermissionDenied), forbidden);
        assert_eq!(reason(Fault::NotFound), missing);
        assert_eq!(reason(Fault::ApiDisabled), "accessNotConfigured");
    }
}

#[test]
fn a_whole_api_can_fail_while_the_others_answer() {
    let standin = google::healthy();
    standin.change(|state| state.fail_api(Api::Compute, &Fault::PermissionDenied));
    let status = |target: &str| get(standin.address(), target).status;
    assert_eq!(status(&format!("/compute/v1/{}", world::NETWORK)), 403);
    assert_eq!(status("/compute/v1/projects/netra-staging/global/routes"), 403);
    assert_eq!(status(&format!("/v2/{}", world::SERVICE)), 200);
}

#[test]
fn a_body_that_is_cut_ends_before_the_length_that_was_announced() {
    let standin = google::healthy();
    let reply = failing(&standin, Method::InstancesGet, Fault::Cut, &format!("/v1/{}", world::INSTANCE));
    let announced = reply.head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let announced: usize = announced.parse().expect("a number");
    assert_eq!((reply.status, reply.body.len()), (200, announced / 2), "{}", reply.head);
}

#[test]
fn a_slow_answer_comes_late() {
    let standin = google::healthy();
    let begun = Instant::now();
    let slow = Fault::Slow(Duration::from_millis(300));
    let reply = failing(&standin, Method::ServicesGet, slow, &format!("/v2/{}", world::SERVICE));
    assert_eq!(reply.status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[test]
fn what_hangs_ends_with_the_stand_in_and_nothing_listens_any_more() {
    let standin = google::healthy();
    let address = standin.address();
    standin.change(|state| state.fail(Method::ServicesGet, Fault::Hang));
    let hanging = std::thread::spawn(move || ask(address, "GET", &format!("/v2/{}", world::SERVICE), None));
    until(Duration::from_secs(10), "the request to arrive", || match standin.asked().total() {
        1 => Ok(()),
        other => Err(format!("{other} requests")),
    });
    assert!(!hanging.is_finished());
    drop(standin);
    let ended = hanging.join().expect("a thread");
    assert!(ended.is_err() || ended.is_ok_and(|reply| reply.status == 500));
    until(Duration::from_secs(10), "the port to be free", || match std::net::TcpStream::connect(address) {
        Ok(_) => Err("it still listens"),
        Err(_) => Ok(()),
    });
}

#[test]
fn a_method_that_is_not_known_is_refused_and_kept() {
    let standin = google::healthy();
    let reply = get(standin.address(), "/v1/projects/netra-staging/tiers");
    assert_eq!((reply.status, reason(&reply.json()).1), (404, &json!("METHOD_NOT_KNOWN")));
    assert_eq!(standin.asked().unknown().collect::<Vec<_>>(), ["GET /v1/projects/netra-staging/tiers"]);
    assert_eq!(standin.asked().total(), 0);
}
