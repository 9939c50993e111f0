//! Tries the `journey` kind itself: what it captures, what it may take, and what it does with hostile values. The whole way
//! through a service is tried in golden_path.

use std::sync::OnceLock;

use runready::api::{Cause, Stage, StepState};
use runready::evidence::Evidence;
use serde_json::{Value, json};
use tonic_health::ServingStatus;

use crate::support::agent::{Agent, Broken, CHAT, PASSWORD, SESSION, TOKEN};
use crate::support::backend::{Recorder, holds};
use crate::support::grpc::Health;
use crate::support::hostile::{Server, Step, say};
use crate::support::probe::{Case, Row, try_all};

/// Every case, tried once per process.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| try_all([captures(), budgets(), values(), redirects()].into_iter().flatten().collect()))
}

fn walking(failure: &str, steps: Value) -> Case {
    let secret = json!([{"name": "password", "secretRef": {"name": "user", "key": "password"}}]);
    Case::new(failure, json!({"journey": {"secrets": secret, "steps": steps}}))
        .secret("user", &[("password", PASSWORD)])
        .look(shows_no_secret)
}

fn shows_no_secret(evidence: &Evidence) {
    let shown = format!("{evidence:?}");
    for secret in [PASSWORD, TOKEN, SESSION, CHAT] {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
    }
}

fn login(agent: &Agent) -> Value {
    let body = "{\"password\": \"${password}\"}";
    let http = json!({"url": format!("http://{}/auth/login", agent.address()), "method": "POST", "body": body});
    let capture = json!([{"name": "token", "jsonPath": "$.access_token"}, {"name": "session", "cookie": "session"}]);
    json!({"name": "login", "http": http, "capture": capture})
}

fn chat(agent: &Agent, name: &str) -> Value {
    let header = json!([{"name": "Authorization", "value": "Bearer ${token}"}]);
    let steps = json!([{"expect": "ready"}, {"send": "hello"}, {"expect": "done"}]);
    let url = format!("ws://{}/chat", agent.address());
    json!({"name": name, "websocket": {"url": url, "headers": header, "steps": steps}})
}

fn logout(agent: &Agent, always: bool) -> Value {
    let headers = json!([{"name": "Cookie", "value": "session=${session}"}]);
    let url = format!("http://{}/auth/logout", agent.address());
    let http = json!({"url": url, "method": "POST", "headers": headers, "expectStatus": [204]});
    json!({"name": "logout", "http": http, "always": always})
}

fn captures() -> Vec<Case> {
    let agent = |broken| Agent::start(broken);
    let (well, without, asserted) = (agent(Broken::Nothing), agent(Broken::LoginWithoutToken), agent(Broken::Nothing));
    let rule = json!(["json.access_token == 'another'"]);
    let (begun, never) = (agent(Broken::ChatRefused), Server::play(vec![say("HTTP/1.1 200 OK\r\n\r\n")]));
    let after = json!({"name": "after", "http": {"url": format!("http://{}/", never.address())}});
    let mut with_rule = login(&asserted);
    with_rule["assert"] = rule;
    vec![
        walking("nothing: a login and a chat", json!([login(&well), chat(&well, "chat")])).keep(well),
        walking("a login without a token", json!([login(&without), chat(&without, "chat")]))
            .fails(Cause::CaptureMissing, Stage::Assert)
            .says("step 1 of 2, login: nothing can be captured as token: the answer has nothing at $.access_token")
            .keep(without),
        walking(
            "a step after one that failed, which needs nothing of it",
            json!([login(&begun), chat(&begun, "chat"), after]),
        )
        .fails(Cause::UpgradeRefused, Stage::Upgrade)
        .look(move |evidence| {
            let states: Vec<StepState> = evidence.steps.iter().map(|step| step.state).collect();
            assert_eq!(states, [StepState::Passed, StepState::Failed, StepState::Skipped]);
            assert_eq!(never.sent(), 0, "nobody has asked");
        })
        .keep(begun),
        walking("a rule that does not hold for a captured value", json!([with_rule]))
            .fails(Cause::AssertionFailed, Stage::Assert)
            .says("step 1 of 1, login: ")
            .keep(asserted),
    ]
}

fn budgets() -> Vec<Case> {
    let silent = || Agent::start(Broken::AgentSilent);
    let (slow, silent, greedy, untidy) = (Agent::start(Broken::AgentSlow), silent(), silent(), silent());
    let slow_too = Agent::start(Broken::AgentSlow);
    let mut limited_too = chat(&slow_too, "two");
    limited_too["timeout"] = json!("900ms");
    let mut tidying = chat(&untidy, "tidying");
    tidying["always"] = json!(true);
    let mut limited = chat(&silent, "chat");
    limited["timeout"] = json!("900ms");
    vec![
        walking("steps that are too slow together", json!([login(&slow), chat(&slow, "one"), chat(&slow, "two")]))
            .field("journey", "budget", json!("2200ms"))
            .fails(Cause::JourneyBudgetExceeded, Stage::Messages)
            .says("step 3 of 3, two: ")
            .keep(slow),
        walking("a step that is slower than its own limit", json!([login(&silent), limited]))
            .fails(Cause::ResponseTimeout, Stage::Messages)
            .says("(the step's own limit)")
            .keep(silent),
        walking(
            "a step that is slower than its own limit, after slow ones",
            json!([login(&slow_too), chat(&slow_too, "one"), limited_too]),
        )
        .fails(Cause::ResponseTimeout, Stage::Messages)
        .says("step 3 of 3, two: ")
        .keep(slow_too),
        walking("a step that takes the most of the budget itself", json!([login(&greedy), chat(&greedy, "chat")]))
            .field("journey", "budget", json!("1500ms"))
            .fails(Cause::ResponseTimeout, Stage::Messages)
            .says("step 2 of 2, chat: ")
            .says("(all that was left of the journey's budget)")
            .keep(greedy),
        // The chat is cut when a quarter of the budget is left; the first that cleans up takes that, too.
        walking("steps that clean up", json!([login(&untidy), chat(&untidy, "chat"), tidying, logout(&untidy, true)]))
            .field("journey", "budget", json!("2s"))
            .fails(Cause::ResponseTimeout, Stage::Messages)
            .says("step 2 of 4, chat: ")
            .look(|evidence| {
                let ends = |step: usize| {
                    evidence.steps[step]
                        .failure
                        .as_ref()
                        .map(|(cause, why)| (*cause, why.contains("all of the journey's budget, 2s")))
                };
                assert_eq!(ends(2), Some((Cause::JourneyBudgetExceeded, false)), "{evidence:?}");
                assert_eq!(ends(3), Some((Cause::JourneyBudgetExceeded, true)), "{evidence:?}");
            })
            .keep(untidy),
    ]
}

/// What a peer answers must not lead a later step astray.
fn values() -> Vec<Case> {
    let answering = |value: &str| {
        let body = json!({"id": value}).to_string();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        Server::play(vec![Step::AwaitText("\r\n\r\n"), say(&(head + &body))])
    };
    let using = |server: &Server, used: Value| {
        let first = json!({"name": "first", "http": {"url": format!("http://{}/", server.address())}, "capture": [{"name": "id", "jsonPath": "$.id"}]});
        json!([first, {"name": "second", "http": used}])
    };
    let (dots, lines, quotes) = (answering(".."), answering("a\r\nx-admin: yes"), answering("a\", \"admin\": \"yes"));
    let listening = Server::play(vec![
        Step::AwaitText("{\"id\": \"a\\\", \\\"admin\\\": \\\"yes\"}"),
        say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ]);
    let url = format!("http://{}/", listening.address());
    let body = using(&quotes, json!({"url": url, "method": "POST", "body": "{\"id\": \"${id}\"}"}));
    let climb = using(&dots, json!({"url": format!("http://{}/items/${{id}}/x", dots.address())}));
    let header = json!([{"name": "X-Id", "value": "${id}"}]);
    let split = using(&lines, json!({"url": format!("http://{}/", lines.address()), "headers": header}));
    let unfit = |failure: &str, steps: Value, says: &str, server: Server| {
        let case = Case::new(failure, json!({"journey": {"steps": steps}}));
        case.fails_before_any_stage(Cause::CaptureMissing).says(says).keep(server)
    };
    vec![
        unfit("a value that would climb in a path", climb, "made of dots", dots),
        Case::new("nothing: a value that would break out of JSON", json!({"journey": {"steps": body}}))
            .keep((quotes, listening)),
        unfit("a value that would split a header", split, "the header x-id can't carry", lines),
    ]
}

/// A body with values in it goes to the origin that the manifest names, and to no other.
fn redirects() -> Vec<Case> {
    let posting = |failure: &str, status: &str, target: String, body: &str| {
        let head = format!("HTTP/1.1 {status}\r\nlocation: {target}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let first = Server::play(vec![Step::AwaitText("\r\n\r\n"), say(&head)]);
        let url = format!("http://{}/", first.address());
        let http = json!({"url": url, "method": "POST", "body": body, "followRedirects": 1});
        walking(failure, json!([{"name": "login", "http": http}])).keep(first)
    };
    let (elsewhere, plain, turned) = (Recorder::start(), Recorder::start(), Recorder::start());
    let at = |recorder: &Recorder| format!("http://127.0.0.1:{}/there", recorder.port);
    let (to_elsewhere, to_plain, to_turned) = (at(&elsewhere), at(&plain), at(&turned));
    let private = "{\"password\": \"${password}\"}";
    vec![
        posting("a body with a value, redirected to another origin", "307 Temporary Redirect", to_elsewhere, private)
            .fails(Cause::UnexpectedResult, Stage::Request)
            .says("the body holds values that are not shown to it")
            .look(move |_| assert!(elsewhere.requests().is_empty(), "it is not even asked")),
        posting("nothing: a body without values, redirected", "307 Temporary Redirect", to_plain, "plain")
            .look(move |_| assert!(holds(&plain.requests()[0], "plain"))),
        posting("nothing: a body with a value, left behind", "303 See Other", to_turned, private)
            .look(move |_| assert!(turned.requests()[0].starts_with(b"GET /there"))),
    ]
}

#[test]
fn a_captured_value_goes_into_the_metadata_of_a_call() {
    let (agent, health) = (Agent::start(Broken::Nothing), Health::plain(&[("", &[ServingStatus::Serving])]));
    let calls = health.calls();
    let metadata =
        json!([{"name": "authorization", "value": "Bearer ${token}"}, {"name": "x-plain", "value": "as it is"}]);
    let grpc = json!({"host": "127.0.0.1", "port": health.port(), "plaintext": true, "metadata": metadata});
    let steps = json!([login(&agent), {"name": "health", "grpc": grpc}]);
    try_all(vec![walking("nothing: a login and a call", steps).keep((agent, health))]);
    let calls = calls.lock().expect("the calls");
    let sent = |name: &str| calls[0].1[name].to_str().expect("text").to_owned();
    assert_eq!((sent("authorization"), sent("x-plain")), (format!("Bearer {TOKEN}"), "as it is".to_owned()));
}

#[test]
fn a_journey_ends_in_its_cause_and_shows_nothing_secret() {
    assert!(rows().len() > 6);
}
