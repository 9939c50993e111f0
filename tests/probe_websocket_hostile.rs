//! Tries the `websocket` kind against servers that misuse the protocol: that hang, babble and drip before and after the
//! upgrade, announce what they can't mean, send frames that no server may send, or send without end.

use std::sync::OnceLock;

use runready::api::{Cause, Stage};
use runready::evidence::Fact;
use serde_json::json;

use crate::probe_websocket::{ASKED, ws};
use crate::support::hostile::dns::Dns;
use crate::support::hostile::websocket::{
    BINARY, CLOSE, PING, TEXT, TEXT_BEGINS, TEXT_GOES_ON, announced, frame, upgrading,
};
use crate::support::hostile::{Refusing, Server, Silent, Step, listener, say};
use crate::support::probe::{Case, Row, try_all};

/// Every case, tried once per process.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let cases = [strangers(), paths(), sizes(), frames(), floods()];
        try_all(cases.into_iter().flatten().collect())
    })
}

/// A server that has not upgraded the connection.
fn play(failure: &str, script: Vec<Step>) -> Case {
    let server = Server::play(script);
    Case::new(failure, ws(&server)).keep(server)
}

/// A server that has, and a probe that expects a message of it.
fn upgraded(failure: &str, script: Vec<Step>) -> Case {
    let server = upgrading(listener("127.0.0.1:0"), script);
    Case::new(failure, ws(&server)).field("websocket", "steps", json!([{"expect": "^hello$"}])).keep(server)
}

fn strangers() -> Vec<Case> {
    vec![
        play("accepts and hangs", vec![Step::Hang])
            .fails(Cause::ResponseTimeout, Stage::Upgrade)
            .timeout(500)
            .says("to upgrade the connection"),
        play("hangs, cut by the stage", vec![ASKED, Step::Hang])
            .fails(Cause::ResponseTimeout, Stage::Upgrade)
            .stage_timeout(Stage::Upgrade, 300),
        play("resets at once", vec![Step::Reset]).fails(Cause::ConnectionReset, Stage::Upgrade).or_in(Stage::Connect),
        play("resets on the request", vec![Step::Await(1), Step::Reset]).fails(Cause::ConnectionReset, Stage::Upgrade),
        play("closes at once", vec![]).fails(Cause::ConnectionClosed, Stage::Upgrade),
        play("closes on the request", vec![ASKED]).fails(Cause::ConnectionClosed, Stage::Upgrade),
        play("garbage", vec![Step::Await(1), Step::Send((0..=255).collect()), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Upgrade),
        play("another protocol (SSH)", vec![say("SSH-2.0-OpenSSH_9.6\r\n"), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Upgrade),
        play("one byte a second", vec![ASKED, Step::Trickle(b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec())])
            .fails(Cause::ResponseTimeout, Stage::Upgrade)
            .stage_timeout(Stage::Upgrade, 1200),
        play("an endless header", vec![ASKED, say("HTTP/1.1 101 Switching Protocols\r\nx: "), endless(b"x")])
            .fails(Cause::ResponseTooLarge, Stage::Upgrade),
        play("endless interim answers", vec![ASKED, endless(b"HTTP/1.1 100 Continue\r\n\r\n")])
            .fails(Cause::ResponseTimeout, Stage::Upgrade)
            .stage_timeout(Stage::Upgrade, 500),
    ]
}

fn endless(piece: &[u8]) -> Step {
    Step::Endless(piece.repeat(1000))
}

fn paths() -> Vec<Case> {
    let (nobody, silent) = (Refusing::on("127.0.0.1"), Silent::on("127.0.0.1"));
    let at = |authority: String| json!({"websocket": {"url": format!("ws://{authority}/")}});
    let dns = Dns::serve([]);
    vec![
        Case::new("nobody listens", at(format!("127.0.0.1:{}", nobody.port())))
            .fails(Cause::ConnectionRefused, Stage::Connect)
            .keep(nobody),
        Case::new("packets dropped", at(silent.address().to_string()))
            .fails(Cause::ConnectTimeout, Stage::Connect)
            .timeout(400)
            .keep(silent),
        Case::new("its name does not exist (NXDOMAIN)", at("nowhere.test".to_owned()))
            .resolver(&dns)
            .fails(Cause::NameNotFound, Stage::Resolve)
            .keep(dns),
    ]
}

fn sizes() -> Vec<Case> {
    let piece = || endless(&frame(TEXT_GOES_ON, &[b'x'; 1000]));
    let zeros = || Step::Endless(vec![0; 64 * 1024]);
    let begun = || Step::Send(frame(TEXT_BEGINS, b"x"));
    vec![
        upgraded("2 GiB announced at once", vec![Step::Send(announced(BINARY, 1 << 31)), zeros()])
            .fails(Cause::ResponseTooLarge, Stage::Messages)
            .says("maxMessageBytes is 262144"),
        upgraded("2^63 bytes announced at once", vec![Step::Send(announced(BINARY, 1 << 63)), zeros()])
            .fails(Cause::ResponseTooLarge, Stage::Messages),
        upgraded("a length of 2^64 - 1", vec![Step::Send(announced(BINARY, u64::MAX)), zeros()])
            .fails(Cause::ResponseTooLarge, Stage::Messages),
        upgraded("a message of endless fragments", vec![begun(), piece()])
            .fails(Cause::ResponseTooLarge, Stage::Messages),
        upgraded("a message of endless empty fragments", vec![begun(), endless(&frame(TEXT_GOES_ON, b""))])
            .fails(Cause::ResponseTimeout, Stage::Messages)
            .stage_timeout(Stage::Messages, 500),
        upgraded("a frame of one byte a second", vec![Step::Trickle(frame(TEXT, b"hello"))])
            .fails(Cause::ResponseTimeout, Stage::Messages)
            .stage_timeout(Stage::Messages, 1200),
        upgraded("hangs in the middle of a frame", vec![Step::Send(frame(TEXT, b"hello")[..4].to_vec()), Step::Hang])
            .fails(Cause::ResponseTimeout, Stage::Messages)
            .stage_timeout(Stage::Messages, 300)
            .says("0 messages received"),
        upgraded("closes in the middle of a frame", vec![Step::Send(frame(TEXT, b"hello")[..4].to_vec())])
            .fails(Cause::WebSocketClosed, Stage::Messages)
            .fact(Fact::CloseCode, "1006"),
        upgraded("closes right after the upgrade", vec![])
            .fails(Cause::WebSocketClosed, Stage::Messages)
            .fact(Fact::CloseCode, "1006"),
        upgraded("resets in the conversation", vec![Step::Send(frame(TEXT, b"no")), Step::Await(1), Step::Reset])
            .field("websocket", "steps", json!([{"expect": "no"}, {"send": "x"}, {"expect": "never"}]))
            .fails(Cause::ConnectionReset, Stage::Messages),
    ]
}

fn frames() -> Vec<Case> {
    let breaks = |failure: &str, bytes: Vec<u8>| {
        upgraded(failure, vec![Step::Send(bytes), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Messages)
            .says("the peer breaks the WebSocket protocol")
    };
    let masked = [&[TEXT, 0x80 | 5, 0, 0, 0, 0][..], b"hello"].concat();
    vec![
        breaks("a masked frame", masked),
        breaks("text that is not UTF-8", frame(TEXT, &[0xff, 0xfe, 0x80])),
        breaks("an operation that nobody knows", frame(0x83, b"hello")),
        breaks("a reserved bit", frame(0xc1, b"hello")),
        breaks("a fragmented ping", frame(0x09, b"x")),
        breaks("a ping of 126 bytes", frame(PING, &[0; 126])),
        breaks("the continuation of nothing", frame(TEXT_GOES_ON, b"hello")),
        breaks("a message within a message", [frame(TEXT_BEGINS, b"x"), frame(TEXT, b"hello")].concat()),
        breaks("a close frame of one byte", frame(CLOSE, &[3])),
        breaks("a close frame with a code that is never sent", frame(CLOSE, &1006_u16.to_be_bytes())),
        breaks("plain text after the upgrade", b"HTTP/1.1 200 OK\r\n".repeat(10)),
        upgraded("a close frame without a code", vec![Step::Send(frame(CLOSE, b"")), Step::Hang])
            .fails(Cause::WebSocketClosed, Stage::Messages)
            .fact(Fact::CloseCode, "1005"),
        upgraded(
            "closes, and repeats the token in its reason",
            vec![
                Step::Send(frame(CLOSE, &[&1008_u16.to_be_bytes()[..], b"invalid token hunter2"].concat())),
                Step::Hang,
            ],
        )
        .field("websocket", "auth", json!({"bearer": {"tokenSecretRef": {"name": "user", "key": "token"}}}))
        .secret("user", &[("token", "hunter2")])
        .fails(Cause::WebSocketClosed, Stage::Messages)
        .fact(Fact::CloseCode, "1008")
        .says("invalid token ***"),
        upgraded(
            "closes, and repeats a header of a Secret in part",
            vec![
                Step::Send(frame(CLOSE, &[&1008_u16.to_be_bytes()[..], b"invalid token hunter2"].concat())),
                Step::Hang,
            ],
        )
        .field(
            "websocket",
            "headersFromSecret",
            json!([{"name": "X-Key", "secretRef": {"name": "user", "key": "key"}}]),
        )
        .secret("user", &[("key", "Key hunter2")])
        .fails(Cause::WebSocketClosed, Stage::Messages)
        .says("invalid token ***"),
        upgraded(
            "nothing: a message in three fragments, with a ping between",
            vec![
                Step::Send(
                    [frame(TEXT_BEGINS, b"he"), frame(PING, b"p"), frame(TEXT_GOES_ON, b"ll"), frame(0x80, b"o")]
                        .concat(),
                ),
                Step::Hang,
            ],
        ),
    ]
}

fn floods() -> Vec<Case> {
    let pinging = || json!([{"ping": true}]);
    vec![
        upgraded("a flood of pings", vec![endless(&frame(PING, &[b'p'; 125]))])
            .fails(Cause::ProtocolMismatch, Stage::Messages)
            .says("more than 1000 pings and pongs"),
        upgraded("a flood of pongs that nobody asked for", vec![endless(&frame(0x8a, b"p"))])
            .field("websocket", "steps", pinging())
            .fails(Cause::ProtocolMismatch, Stage::Messages)
            .says("more than 1000 pings and pongs"),
        upgraded("a flood of messages", vec![endless(&frame(TEXT, b"no"))])
            .fails(Cause::UnexpectedResult, Stage::Messages)
            .says("none of 1000 messages is as expected"),
        upgraded("a flood of messages instead of a pong", vec![endless(&frame(TEXT, b"no"))])
            .field("websocket", "steps", pinging())
            .fails(Cause::UnexpectedResult, Stage::Messages)
            .says("too much came before the pong"),
        upgraded("no pong", vec![Step::Hang])
            .field("websocket", "steps", json!([{"ping": true, "within": "300ms"}]))
            .fails(Cause::ResponseTimeout, Stage::Messages)
            .says("no pong among 0 received came within 300ms"),
    ]
}

#[test]
fn each_misuse_of_the_protocol_has_its_cause() {
    assert!(rows().len() > 40);
}
