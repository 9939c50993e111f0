//! Tries the `redis` kind against servers that misuse the protocol: that hang, babble and drip at each of its stages, and
//! announce what they can't mean; and against answers that no server here gives of itself.

use std::sync::OnceLock;

use runready::api::{Cause, Stage};
use runready::evidence::Fact;
use serde_json::json;

use crate::probe_redis::{at, with_password};
use crate::support::hostile::{Server, Step, say};
use crate::support::probe::{Case, Row, try_all};

/// Every case, tried once per process.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| try_all([strangers(), logins(), answers(), payloads()].into_iter().flatten().collect()))
}

/// A PING, as it is sent.
const PING: &str = "PING\r\n";
const INFO: &str = "server\r\n";
const MASTER: &str = "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n";

fn play(failure: &str, script: Vec<Step>) -> Case {
    let server = Server::play(script);
    Case::new(failure, at("127.0.0.1", server.port())).keep(server)
}

fn strangers() -> Vec<Case> {
    let endless = || Step::Endless(vec![b'x'; 65536]);
    vec![
        play("accepts and hangs", vec![Step::Hang]).fails(Cause::HandshakeTimeout, Stage::Handshake).timeout(500),
        play("resets at once", vec![Step::Reset]).fails(Cause::ConnectionReset, Stage::Handshake).or_in(Stage::Connect),
        play("resets on the first bytes", vec![Step::AwaitText(PING), Step::Reset])
            .fails(Cause::ConnectionReset, Stage::Handshake),
        play("closes at once", vec![]).fails(Cause::ConnectionClosed, Stage::Handshake),
        play("closes on the first bytes", vec![Step::AwaitText(PING)]).fails(Cause::ConnectionClosed, Stage::Handshake),
        play("garbage", vec![Step::AwaitText(PING), Step::Send((0..=255).collect()), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Handshake),
        play("an HTTP server in its place", vec![Step::AwaitText(PING), say("HTTP/1.1 400 Bad Request\r\n\r\n")])
            .fails(Cause::ProtocolMismatch, Stage::Handshake)
            .says("not Redis's protocol"),
        play("one byte a second", vec![Step::Trickle(b"+PONG\r\n".to_vec())])
            .fails(Cause::HandshakeTimeout, Stage::Handshake)
            .stage_timeout(Stage::Handshake, 1200),
        play("2 GiB announced at once", vec![say("$2147483648\r\n"), endless()])
            .fails(Cause::ProtocolMismatch, Stage::Handshake),
        play("an array of 2 GiB", vec![say("*2147483648\r\n"), endless()])
            .fails(Cause::ProtocolMismatch, Stage::Handshake),
        play("a line that never ends", vec![say("+"), endless()]).fails(Cause::ProtocolMismatch, Stage::Handshake),
        play("arrays without end", vec![Step::Endless(b"*1\r\n".repeat(1000))])
            .fails(Cause::ProtocolMismatch, Stage::Handshake),
        play("an answer of another protocol", vec![say("%1\r\n+a\r\n+b\r\n"), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Handshake),
        play("an answer to another question", vec![say(":1\r\n"), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Handshake)
            .says("answered PING with a number"),
    ]
}

fn logins() -> Vec<Case> {
    let asked = |failure: &str, steps: Vec<Step>| {
        let script = [vec![Step::AwaitText(PING), say("-NOAUTH Authentication required.\r\n")], steps].concat();
        with_password(play(failure, script), "horse")
    };
    let refused = |failure: &str, error: &str| {
        play(failure, vec![Step::AwaitText(PING), say(&format!("-{error}\r\n")), Step::Hang])
    };
    vec![
        asked("hangs on the login", vec![Step::Hang])
            .fails(Cause::AuthenticationTimeout, Stage::Authenticate)
            .stage_timeout(Stage::Authenticate, 300),
        asked("closes on the login", vec![Step::AwaitText("horse\r\n")])
            .fails(Cause::ConnectionClosed, Stage::Authenticate),
        asked("repeats the password", vec![Step::AwaitText("horse\r\n"), say("-ERR horse, horse and 'horse'\r\n")])
            .fails(Cause::ServerError, Stage::Authenticate)
            .says("[password]"),
        refused("protected mode", "DENIED Redis is running in protected mode because protected mode is enabled")
            .fails(Cause::AccessDenied, Stage::Handshake)
            .fact(Fact::ErrorCode, "DENIED")
            .says("from its own host alone"),
        refused("a cluster that is down", "CLUSTERDOWN The cluster is down")
            .fails(Cause::ServerError, Stage::Handshake),
        refused("an error without a word", "").fails(Cause::ServerError, Stage::Handshake),
    ]
}

fn answers() -> Vec<Case> {
    let asked = |failure: &str, steps: Vec<Step>| {
        let greeted = vec![Step::AwaitText(PING), say("+PONG\r\n"), Step::AwaitText(INFO)];
        play(failure, [greeted, steps].concat())
    };
    let told = |rest: &str| say(&format!("+PONG\r\n{MASTER}$-1\r\n{rest}"));
    vec![
        asked("nothing: a server that tells little", vec![told(""), Step::Hang]),
        asked("hangs on the query", vec![Step::Hang])
            .fails(Cause::QueryTimeout, Stage::Query)
            .stage_timeout(Stage::Query, 300),
        asked("closes on the query", vec![]).fails(Cause::ConnectionClosed, Stage::Query),
        asked("resets on the query", vec![Step::Reset]).fails(Cause::ConnectionReset, Stage::Query),
        asked("garbage on the query", vec![Step::Send(vec![0xff; 64]), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Query),
        asked("2 GiB announced on the query", vec![say("+PONG\r\n$2147483648\r\n"), Step::Endless(vec![0; 65536])])
            .fails(Cause::ResponseTooLarge, Stage::Query),
        asked(
            "another value than was written",
            vec![told(""), Step::AwaitText("DEL\r\n"), say("+OK\r\n$5\r\nother\r\n:1\r\n"), Step::Hang],
        )
        .field("redis", "roundTrip", json!(true))
        .fails(Cause::UnexpectedResult, Stage::Query)
        .says("not read back as it was"),
        asked(
            "no memory left for a key",
            vec![
                told(""),
                Step::AwaitText("DEL\r\n"),
                say("-OOM command not allowed when used memory > 'maxmemory'.\r\n$-1\r\n:0\r\n"),
                Step::Hang,
            ],
        )
        .field("redis", "roundTrip", json!(true))
        .fails(Cause::ServerError, Stage::Query),
        asked("a Sentinel", vec![say("+PONG\r\n*2\r\n$8\r\nsentinel\r\n*0\r\n$-1\r\n"), Step::Hang])
            .field("redis", "role", json!("Master"))
            .fails(Cause::UnexpectedResult, Stage::Query)
            .fact(Fact::Role, "Sentinel"),
    ]
}

fn payloads() -> Vec<Case> {
    let asked = |failure: &str, steps: Vec<Step>| {
        let greeted = vec![Step::AwaitText(PING), say("+PONG\r\n"), Step::AwaitText(INFO)];
        let told = vec![say(&format!("+PONG\r\n{MASTER}$-1\r\n")), Step::AwaitText("xx\r\n")];
        play(failure, [greeted, told, steps].concat()).field("redis", "payloadBytes", json!(2000))
    };
    let sent_back = |content: Vec<u8>, end: &[u8]| Step::Send([b"$2000\r\n", &content[..], end].concat());
    vec![
        asked("nothing: what was sent comes back", vec![sent_back(vec![b'x'; 2000], b"\r\n"), Step::Hang]),
        asked("another large result", vec![sent_back(vec![b'y'; 2000], b"\r\n"), Step::Hang])
            .fails(Cause::UnexpectedResult, Stage::Payload),
        asked("a large result that does not end", vec![sent_back(vec![b'x'; 2000], b"xxxx"), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Payload),
        asked("a large result of 2 GiB", vec![say("$2147483648\r\n"), Step::Endless(vec![0; 65536])])
            .fails(Cause::ProtocolMismatch, Stage::Payload),
        asked("a large result that may not be asked for", vec![say("-NOPERM no permissions to run 'echo'\r\n")])
            .fails(Cause::AccessDenied, Stage::Payload),
        asked("a large result that is cut", vec![sent_back(vec![b'x'; 100], b"")])
            .fails(Cause::ConnectionClosed, Stage::Payload),
    ]
}

#[test]
fn each_misuse_of_the_protocol_has_its_cause() {
    assert!(rows().len() > 30);
}
