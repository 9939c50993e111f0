//! Tries how requests prove who sends them: what is sent, to whom it is not sent, and that no secret is ever shown.

use std::sync::OnceLock;

use runready::api::{Cause, Stage};
use runready::evidence::{Evidence, Fact};
use serde_json::{Value, json};

use crate::support::hostile::{Server, Step, say};
use crate::support::probe::{Case, Row, try_all};

/// What stands in the Secrets; it must never show.
const HIDDEN: &str = "s3cr3t-value";

/// A server that answers 200 if the request has this header line, first or last, and closes otherwise.
fn expecting(line: &'static str) -> Server {
    Server::play(vec![Step::AwaitText(line), Step::AwaitText("\r\n"), ok()])
}

fn ok() -> Step {
    say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
}

fn guarded(failure: &str, server: Server, auth: Value) -> Case {
    let url = format!("http://127.0.0.1:{}/", server.port());
    Case::new(failure, json!({"http": {"url": url, "auth": auth}}))
        .secret("login", &[("password", HIDDEN), ("token", HIDDEN)])
        .keep(server)
        .look(shows_no_secret)
}

fn shows_no_secret(evidence: &Evidence) {
    assert!(!format!("{evidence:?}").contains(HIDDEN), "{evidence:?}");
}

fn basic() -> Value {
    json!({"basic": {"username": "app", "passwordSecretRef": {"name": "login", "key": "password"}}})
}

fn bearer() -> Value {
    json!({"bearer": {"tokenSecretRef": {"name": "login", "key": "token"}}})
}

/// Every case, tried once per process.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| try_all([known(), redirected()].into_iter().flatten().collect()))
}

fn known() -> Vec<Case> {
    vec![
        // "app:s3cr3t-value" in base64.
        guarded("nothing: basic", expecting("authorization: Basic YXBwOnMzY3IzdC12YWx1ZQ==\r\n"), basic()),
        guarded("nothing: bearer", expecting("authorization: Bearer s3cr3t-value\r\n"), bearer()),
        guarded(
            "the password is not accepted",
            Server::play(vec![
                Step::AwaitText("\r\n\r\n"),
                say("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"),
            ]),
            basic(),
        )
        .fails(Cause::StatusUnexpected, Stage::Request),
    ]
}

/// A server that passes on to another, which must not be shown credentials.
fn redirected() -> Vec<Case> {
    [("basic", basic()), ("bearer", bearer())]
        .into_iter()
        .map(|(name, auth)| {
            let target = crate::support::backend::Recorder::start();
            let to = format!("http://127.0.0.1:{}/there", target.port);
            let first = Server::play(vec![
                Step::AwaitText("authorization: "),
                Step::AwaitText("\r\n\r\n"),
                say(&format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")),
            ]);
            guarded(&format!("nothing: {name}, redirected to another origin without it"), first, auth)
                .field("http", "followRedirects", json!(1))
                .fact(Fact::FinalUrl, to)
                .look(move |_| {
                    let requests = target.requests();
                    let request = String::from_utf8_lossy(&requests[0]).to_lowercase();
                    assert!(request.starts_with("get /there") && !request.contains("authorization"), "{request}");
                })
        })
        .collect()
}

#[test]
fn credentials_are_sent_to_their_origin_alone_and_never_shown() {
    assert!(rows().len() > 4);
}
