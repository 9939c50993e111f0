//! Tries the `websocket` kind against a real chat, with and without TLS: steps that pass and that don't, every way to close,
//! and the refusals that Cloud Run, its proxies and login pages give to a request to upgrade.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures::StreamExt;
use runready::api::{Cause, Stage};
use runready::evidence::{Evidence, Fact};
use serde_json::{Value, json};

use crate::support::cert::Authority;
use crate::support::chat::{self, PROTOCOL, TOKEN};
use crate::support::hostile::tls::Tls;
use crate::support::hostile::{Server, Step, listener, say};
use crate::support::probe::{Case, Row, try_all};

/// The end of the request to upgrade.
pub const ASKED: Step = Step::AwaitText("\r\n\r\n");

/// Every case, tried once per process.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let cases = [conversations(), expectations(), closed(), refusals(), handshakes(), secure()];
        try_all(cases.into_iter().flatten().collect())
    })
}

/// A probe of a server of 127.0.0.1.
pub fn ws(server: &Server) -> Value {
    json!({"websocket": {"url": format!("ws://{}/chat?session=secret", server.address())}})
}

/// A probe that may enter the chat.
fn entering(failure: &str, probe: Value) -> Case {
    let header = json!([{"name": "Authorization", "secretRef": {"name": "chat", "key": "header"}}]);
    Case::new(failure, probe).field("websocket", "headersFromSecret", header).secret("chat", &[("header", TOKEN)])
}

/// A real chat, and a conversation with it.
fn chatting(failure: &str, steps: Value) -> Case {
    let server = chat::serve(listener("127.0.0.1:0"), None);
    entering(failure, ws(&server)).field("websocket", "steps", steps).look(shows_no_secret).keep(server)
}

/// What is sent, where to and with what, may hold secrets.
fn shows_no_secret(evidence: &Evidence) {
    let shown = format!("{evidence:?}");
    assert!(!shown.contains("secret") && !shown.contains("letmein") && !shown.contains("hush"), "{shown}");
}

fn question() -> Value {
    json!({"send": "{\"type\": \"ask\", \"text\": \"hush\"}"})
}

fn done() -> Value {
    json!({"expectJson": {"path": "$.type", "matches": "^done$"}})
}

fn conversations() -> Vec<Case> {
    let token = json!({"expectJson": {"path": "$.text", "matches": "ready"}});
    vec![
        chatting("nothing: an upgrade, and no more", json!([])).fact(Fact::HttpStatus, "101"),
        chatting("nothing: an answer that streams", json!([question(), token, done()]))
            .field("websocket", "subprotocols", json!(["chat.v2", PROTOCOL]))
            .field("websocket", "expectSubprotocol", json!(PROTOCOL))
            .field("websocket", "maxTimeToFirstMessage", json!("10s"))
            .fact(Fact::HttpStatus, "101")
            .fact(Fact::Subprotocol, PROTOCOL)
            .fact(Fact::MessagesReceived, "5")
            .look(|evidence| {
                let fact = |fact| evidence.facts.iter().find(|(known, _)| *known == fact).map(|(_, value)| &**value);
                assert!(fact(Fact::TimeToFirstMessage).is_some(), "{evidence:?}");
                let times = fact(Fact::StepTimes).unwrap_or_default();
                assert_eq!(times.split(", ").count(), 3, "{times}");
            }),
        chatting("nothing: text, number and list within JSON", {
            let usage = json!({"expectJson": {"path": "$.usage.tokens", "matches": "^4$"}});
            json!([question(), {"expect": "\"text\":\"Every\""}, usage])
        }),
        {
            let server = chat::serve(listener("127.0.0.1:0"), None);
            Case::new("nothing: a token by auth", ws(&server))
                .field("websocket", "auth", json!({"bearer": {"tokenSecretRef": {"name": "chat", "key": "token"}}}))
                .field("websocket", "steps", json!([question(), done()]))
                .secret("chat", &[("token", "letmein")])
                .look(shows_no_secret)
                .keep(server)
        },
        chatting(
            "nothing: binary there and back, and a ping",
            json!([{"sendBase64": "AAEC/w=="}, {"ping": true}, {"expect": "(?-u)^\\x00\\x01\\x02\\xff$"}, {"ping": true, "within": "10s"}]),
        )
        .fact(Fact::MessagesReceived, "1"),
        chatting("nothing: what is asserted holds", json!([question(), done()]))
            .field("websocket", "subprotocols", json!([PROTOCOL]))
            .with(
                "assert",
                json!([
                    "json.type == 'done' && json.usage.tokens == 4 && messages.size() == 5 && message.contains('usage')",
                    "timeToFirstMessage < duration('15s') && stages.messages >= timeToFirstMessage",
                    "subprotocol == 'chat.v1' && has(stages.upgrade)",
                ]),
            ),
        chatting("what is asserted does not hold", json!([question(), done()]))
            .with("assert", json!(["timeToFirstMessage > duration('1h')"]))
            .fails(Cause::AssertionFailed, Stage::Assert)
            .says("the rule timeToFirstMessage > duration('1h') does not hold; timeToFirstMessage is "),
    ]
}

fn expectations() -> Vec<Case> {
    vec![
        chatting("nothing as expected comes, cut by the step", json!([question(), {"expect": "never", "within": "1200ms"}]))
            .fails(Cause::ResponseTimeout, Stage::Messages)
            .says("step 2 of 2 (expect /never/): no message that is as expected among 5 received came within 1.2s (the step's own limit)")
            .fact(Fact::MessagesReceived, "5"),
        chatting("nothing as expected comes, cut by the stage", json!([question(), {"expect": "never"}]))
            .fails(Cause::ResponseTimeout, Stage::Messages)
            .stage_timeout(Stage::Messages, 1200)
            .says("step 2 of 2 (expect /never/) with ws://127.0.0.1:")
            .says("5 messages received"),
        chatting("none of the messages is as expected", json!([question(), {"expect": "never", "maxMessages": 3}]))
            .fails(Cause::UnexpectedResult, Stage::Messages)
            .says("step 2 of 2 (expect /never/): none of 3 messages is as expected"),
        chatting(
            "the value in the JSON is another",
            json!([question(), {"expectJson": {"path": "$.usage.tokens", "matches": "^5$"}, "maxMessages": 5}]),
        )
        .fails(Cause::UnexpectedResult, Stage::Messages)
        .says("JSON with $.usage.tokens like /^5$/"),
        chatting("the first message is late", json!([{"send": "slowly"}, done()]))
            .field("websocket", "maxTimeToFirstMessage", json!("200ms"))
            .degraded(Cause::LatencyExceeded, Stage::Messages)
            .says("later than maxTimeToFirstMessage 200ms"),
        chatting("slower than maxLatency", json!([{"send": "slowly"}, done()]))
            .with("maxLatency", json!("300ms"))
            .degraded(Cause::LatencyExceeded, Stage::Messages)
            .says("the slowest stage was messages"),
        chatting("a message larger than maxMessageBytes", json!([question(), done()]))
            .field("websocket", "maxMessageBytes", json!(10))
            .fails(Cause::ResponseTooLarge, Stage::Messages)
            .says("maxMessageBytes is 10"),
        chatting("the subprotocol is another", json!([]))
            .field("websocket", "subprotocols", json!(["chat.v2", PROTOCOL]))
            .field("websocket", "expectSubprotocol", json!("chat.v2"))
            .fails(Cause::UnexpectedResult, Stage::Upgrade)
            .says("chose \"chat.v1\" of the subprotocols offered; expected \"chat.v2\""),
        chatting("no subprotocol is chosen", json!([]))
            .field("websocket", "subprotocols", json!(["chat.v2"]))
            .field("websocket", "expectSubprotocol", json!("chat.v2"))
            .fails(Cause::UnexpectedResult, Stage::Upgrade)
            .says("chose none of the subprotocols offered"),
    ]
}

fn closed() -> Vec<Case> {
    let closing = |code: u16, says: &str| {
        let steps = json!([{"send": format!("close {code}")}, done()]);
        chatting(&format!("closes with {code}"), steps)
            .fails(Cause::WebSocketClosed, Stage::Messages)
            .fact(Fact::CloseCode, code.to_string())
            .says(format!("step 2 of 2 (expect JSON with $.type like /^done$/): the peer closed the WebSocket: code {code} ({says}), reason \"as asked\""))
    };
    vec![
        closing(1000, "normal closure"),
        closing(1001, "going away"),
        closing(1008, "policy violation"),
        closing(1011, "internal error"),
        closing(1013, "try again later"),
        closing(3000, "unauthorized"),
        closing(4001, "the application's own code"),
        chatting("vanishes without a close frame", json!([{"send": "vanish"}, done()]))
            .fails(Cause::WebSocketClosed, Stage::Messages)
            .fact(Fact::CloseCode, "1006")
            .says("the connection ended without a close frame: code 1006 (abnormal closure)"),
        chatting("closes before the pong", json!([{"send": "close 1012"}, {"expect": "x", "within": "10s"}]))
            .fails(Cause::WebSocketClosed, Stage::Messages)
            .says("1012 (service restart)"),
    ]
}

/// A server that answers the request to upgrade with plain HTTP.
fn refusing(failure: &str, status: &str, headers: &str) -> Case {
    let body = "<html>no</html>";
    let answer = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
    let server = Server::play(vec![ASKED, say(&answer)]);
    let code = status.split(' ').next().expect("a code").to_owned();
    Case::new(failure, ws(&server))
        .fails(Cause::UpgradeRefused, Stage::Upgrade)
        .fact(Fact::HttpStatus, code)
        .says(format!("answered {status} instead of 101 Switching Protocols"))
        .look(shows_no_secret)
        .keep(server)
}

fn refusals() -> Vec<Case> {
    let cloud_run = "server: Google Frontend\r\ncontent-type: text/html; charset=UTF-8\r\n";
    let login = "location: https://accounts.example.com/login?continue=secret\r\n";
    let server = chat::serve(listener("127.0.0.1:0"), None);
    let stranger = Case::new("the chat's own refusal of who has no token", ws(&server))
        .fails(Cause::UpgradeRefused, Stage::Upgrade)
        .fact(Fact::HttpStatus, "403")
        .keep(server);
    vec![
        stranger,
        refusing("Cloud Run: the caller is no invoker (403)", "403 Forbidden", cloud_run)
            .says("(server Google Frontend, content-type text/html; charset=UTF-8)")
            .says("roles/run.invoker"),
        refusing("Cloud Run: no instance (503)", "503 Service Unavailable", cloud_run)
            .says("no instance of the service takes the request"),
        refusing("Cloud Run: too many requests (429)", "429 Too Many Requests", cloud_run).says("too many requests"),
        refusing("nothing at this path (404)", "404 Not Found", "").says("nothing is served at this path"),
        refusing("a redirect to a login page (302)", "302 Found", login)
            .says("it redirects to https://accounts.example.com/login, which a WebSocket does not follow"),
        refusing("no credentials (401)", "401 Unauthorized", "www-authenticate: Bearer\r\n")
            .says("look at auth and headersFromSecret"),
        refusing("plain HTTP at this path (200)", "200 OK", "").says("a proxy on the way drops the Upgrade header"),
        refusing("another version (426)", "426 Upgrade Required", "sec-websocket-version: 14, 15\r\n")
            .says("it wants another version of the protocol than 13: 14, 15"),
        refusing("a proxy's upstream is away (502)", "502 Bad Gateway", "").says("what answers is a proxy"),
        refusing("the service fails (500)", "500 Internal Server Error", "").says("failing dependency"),
        refusing("an HTTP server in its place", "400 Bad Request", "")
            .says("does not take this for a WebSocket request"),
    ]
}

/// A server whose answer to the request to upgrade is 101, but not the one that is due.
fn handshakes() -> Vec<Case> {
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
    let answering = |failure: &str, headers: &str| {
        let server = Server::play(vec![ASKED, say(&format!("HTTP/1.1 101 Switching Protocols\r\n{headers}\r\n"))]);
        Case::new(failure, ws(&server))
            .fails(Cause::ProtocolMismatch, Stage::Upgrade)
            .fact(Fact::HttpStatus, "101")
            .keep(server)
    };
    let wrong = format!("{upgrade}Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n");
    vec![
        answering("a wrong Sec-WebSocket-Accept", &wrong).says("Sec-WebSocket-Accept does not belong to this request"),
        answering("no Sec-WebSocket-Accept", upgrade).says("Sec-WebSocket-Accept does not belong to this request"),
        answering("an upgrade to something else", "Upgrade: h2c\r\nConnection: Upgrade\r\n").says("not to websocket"),
        answering("101 without an upgrade", "").says("what answers is no WebSocket server"),
    ]
}

fn secure() -> Vec<Case> {
    let authority = Authority::new("test authority");
    let right = || Tls::with(authority.server(&["localhost"]));
    let wss = |failure: &str, server: Server| {
        let url = format!("wss://localhost:{}/chat", server.port());
        let tls = json!({"caSecretRef": {"name": "ca"}});
        entering(failure, json!({"websocket": {"url": url, "happyEyeballs": true, "tls": tls}}))
            .field("websocket", "steps", json!([question(), done()]))
            .secret("ca", &[("ca.crt", &authority.pem())])
            .keep(server)
    };
    let serving = |tls: Tls| chat::serve(listener("127.0.0.1:0"), Some(tls.acceptor()));
    let client = authority.client("app", None);
    vec![
        wss("nothing: wss", serving(right())).fact(Fact::CertificateSubject, "CN=localhost"),
        wss("nothing: wss with a client certificate", serving(right().demanding(&authority)))
            .field(
                "websocket",
                "tls",
                json!({"caSecretRef": {"name": "ca"}, "clientCertSecretRef": {"name": "client"}}),
            )
            .secret("client", &[("tls.crt", &client.cert), ("tls.key", &client.key)]),
        wss("wss: a client certificate demanded, TLS 1.3", serving(right().demanding(&authority).only_13()))
            .fails(Cause::ClientCertificateRequired, Stage::Tls)
            .or_in(Stage::Upgrade),
        wss("wss: an expired certificate", serving(Tls::with(authority.expired(&["localhost"]))))
            .fails(Cause::CertificateExpired, Stage::Tls),
        wss("wss: an unknown issuer", {
            let other = Authority::new("another authority");
            serving(Tls::with(other.server(&["localhost"])))
        })
        .fails(Cause::CertificateUntrusted, Stage::Tls),
        wss("wss: a certificate for another name", serving(Tls::with(authority.server(&["chat.test"]))))
            .fails(Cause::CertificateNameMismatch, Stage::Tls),
        wss(
            "wss: plain text where TLS was asked",
            Server::play(vec![Step::Await(1), say("HTTP/1.1 400 Bad Request\r\n\r\n")]),
        )
        .fails(Cause::TlsProtocolError, Stage::Tls),
        wss("wss: hangs", Server::play(vec![Step::Hang]))
            .fails(Cause::TlsTimeout, Stage::Tls)
            .stage_timeout(Stage::Tls, 400),
        wss("wss: resets on the request", right().play(vec![Step::Await(1), Step::Reset]))
            .fails(Cause::ConnectionReset, Stage::Upgrade),
    ]
}

#[test]
fn each_conversation_that_goes_wrong_has_its_cause() {
    assert!(rows().len() > 45);
}

#[test]
fn a_peer_that_does_not_take_leave_is_not_waited_for() {
    use crate::support::hostile::websocket::{TEXT, frame, upgrading};
    let server = upgrading(listener("127.0.0.1:0"), vec![Step::Send(frame(TEXT, b"hello")), Step::Hang]);
    let begun = std::time::Instant::now();
    let case = Case::new("nothing: it never answers the close frame", ws(&server)).keep(server);
    try_all(vec![case.field("websocket", "steps", json!([{"expect": "hello"}]))]);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn the_request_to_upgrade_has_each_header_once_and_the_check_s_in_the_place_of_defaults() {
    use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
    let heard = Arc::new(Mutex::new(Vec::new()));
    let told = heard.clone();
    let server = Server::start(listener("127.0.0.1:0"), move |stream, _| {
        let told = told.clone();
        #[allow(clippy::result_large_err, reason = "the library's own type")]
        let keep = move |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
            let headers = request.headers().iter();
            let shown = headers.map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
            *told.lock().expect("nobody panicked") = shown.collect();
            Ok(response)
        };
        async move {
            if let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, keep).await {
                while let Some(Ok(_)) = socket.next().await {}
            }
        }
    });
    let own = json!([
        {"name": "Host", "value": "chat.example"},
        {"name": "User-Agent", "value": "team"},
        {"name": "X-Id", "value": "1"},
        {"name": "X-Id", "value": "2"},
    ]);
    try_all(vec![Case::new("nothing: headers of its own", ws(&server)).keep(server).field(
        "websocket",
        "headers",
        own,
    )]);
    let heard = heard.lock().expect("nobody panicked").clone();
    let named =
        |name: &str| heard.iter().filter(|header| header.starts_with(name)).map(String::as_str).collect::<Vec<_>>();
    assert_eq!(heard.first().map(String::as_str), Some("host: chat.example"), "it comes first: {heard:?}");
    for (name, expected) in [
        ("host:", vec!["host: chat.example"]),
        ("user-agent:", vec!["user-agent: team"]),
        ("connection:", vec!["connection: Upgrade"]),
        ("upgrade:", vec!["upgrade: websocket"]),
        ("sec-websocket-version:", vec!["sec-websocket-version: 13"]),
        ("x-id:", vec!["x-id: 1", "x-id: 2"]),
    ] {
        assert_eq!(named(name), expected, "{heard:?}");
    }
}
