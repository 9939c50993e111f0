//! Tries the `postgres` kind against servers that misuse the protocol: that hang, babble and drip at each of its stages,
//! announce what they can't mean, or slip plain text in before TLS.

use std::sync::OnceLock;

use runready::api::{Cause, Stage};
use runready::evidence::Fact;
use serde_json::json;

use crate::probe_postgres::{at, with_password};
use crate::support::cert::Authority;
use crate::support::hostile::postgres::{
    announced_2_gib, authentication, authentication_cleartext, authentication_ok, data_row, let_in, let_in_silently,
    let_in_with, message, ready, report, row_description,
};
use crate::support::hostile::tls::Tls;
use crate::support::hostile::{Server, Step, say};
use crate::support::probe::{Case, Row, try_all};

/// Every case, tried once per process.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| try_all([strangers(), logins(), results(), requests_for_tls()].into_iter().flatten().collect()))
}

fn play(failure: &str, script: Vec<Step>) -> Case {
    let server = Server::play(script);
    Case::new(failure, at("127.0.0.1", server.port())).keep(server)
}

fn strangers() -> Vec<Case> {
    vec![
        play("accepts and hangs", vec![Step::Hang]).fails(Cause::HandshakeTimeout, Stage::Handshake).timeout(500),
        play("hangs, cut by the stage", vec![Step::Await(8), Step::Hang])
            .fails(Cause::HandshakeTimeout, Stage::Handshake)
            .stage_timeout(Stage::Handshake, 300),
        play("resets at once", vec![Step::Reset]).fails(Cause::ConnectionReset, Stage::Handshake).or_in(Stage::Connect),
        play("resets on the first bytes", vec![Step::Await(8), Step::Reset])
            .fails(Cause::ConnectionReset, Stage::Handshake),
        play("closes at once", vec![]).fails(Cause::ConnectionClosed, Stage::Handshake),
        play("closes on the first bytes", vec![Step::Await(8)]).fails(Cause::ConnectionClosed, Stage::Handshake),
        play("garbage", vec![Step::Await(8), Step::Send((0..=255).collect()), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Handshake),
        play("an HTTP server in its place", vec![Step::Await(8), say("HTTP/1.1 400 Bad Request\r\n\r\n")])
            .fails(Cause::ProtocolMismatch, Stage::Handshake)
            .says("not PostgreSQL's protocol"),
        play("one byte a second", vec![Step::Trickle(authentication_ok())])
            .fails(Cause::HandshakeTimeout, Stage::Handshake)
            .stage_timeout(Stage::Handshake, 1200),
        play("2 GiB announced at once", vec![Step::Send(announced_2_gib(b'R')), Step::Endless(vec![0; 65536])])
            .fails(Cause::ProtocolMismatch, Stage::Handshake),
        play("an error of 2 GiB", vec![Step::Send(announced_2_gib(b'E')), Step::Endless(vec![b'x'; 65536])])
            .fails(Cause::ProtocolMismatch, Stage::Handshake),
        play("an error whose SQLSTATE is a letter", vec![Step::Await(8), Step::Send(report(b'E', "FATAL", "7", "no"))])
            .fails(Cause::ServerError, Stage::Handshake)
            .or_in(Stage::Authenticate),
    ]
}

fn logins() -> Vec<Case> {
    let answer = |failure: &str, steps: Vec<Step>| play(failure, [vec![Step::Await(8)], steps].concat());
    let notice = report(b'N', "NOTICE", "00000", &"x".repeat(1000)).repeat(64);
    let refuses = |sqlstate: &str, text: &str| vec![Step::Send(report(b'E', "FATAL", sqlstate, text))];
    vec![
        with_password(
            answer("hangs after its request for a password", vec![Step::Send(authentication_cleartext()), Step::Hang]),
            "hunter2",
        )
        .fails(Cause::AuthenticationTimeout, Stage::Authenticate)
        .stage_timeout(Stage::Authenticate, 400)
        .fact(Fact::AuthenticationMethod, "password")
        .look(|evidence| assert!(!format!("{evidence:?}").contains("hunter2"))),
        with_password(
            answer(
                "refuses the password, and repeats it",
                [
                    vec![Step::Send(authentication_cleartext()), Step::AwaitText("hunter2")],
                    refuses("28P01", "not hunter2"),
                ]
                .concat(),
            ),
            "hunter2",
        )
        .fails(Cause::AuthenticationFailed, Stage::Authenticate)
        .says("not ***"),
        answer("hangs after the login", vec![Step::Send(authentication_ok()), Step::Hang])
            .fails(Cause::AuthenticationTimeout, Stage::Authenticate)
            .stage_timeout(Stage::Authenticate, 400),
        answer("closes after the login", vec![Step::Send(authentication_ok())])
            .fails(Cause::ConnectionClosed, Stage::Authenticate)
            .or_in(Stage::Handshake),
        answer("asks for Kerberos", vec![Step::Send(authentication(7)), Step::Hang])
            .fails(Cause::AuthenticationMethodUnsupported, Stage::Authenticate)
            .fact(Fact::AuthenticationMethod, "gss"),
        answer("asks for what nobody knows", vec![Step::Send(authentication(99)), Step::Hang])
            .fails(Cause::AuthenticationMethodUnsupported, Stage::Authenticate),
        answer("endless notices", vec![Step::Send(authentication_ok()), Step::Endless(notice)])
            .fails(Cause::ProtocolMismatch, Stage::Authenticate)
            .or_in(Stage::Handshake),
        answer(
            "garbage after the login",
            vec![Step::Send(authentication_ok()), Step::Send(vec![0xff; 64]), Step::Hang],
        )
        .fails(Cause::ProtocolMismatch, Stage::Authenticate)
        .or_in(Stage::Handshake),
        answer("it is shutting down", refuses("57P03", "the database system is shutting down"))
            .fails(Cause::ServerShuttingDown, Stage::Handshake)
            .or_in(Stage::Authenticate),
        answer("it has no memory", refuses("53200", "out of memory"))
            .fails(Cause::ServerError, Stage::Handshake)
            .or_in(Stage::Authenticate),
    ]
}

fn results() -> Vec<Case> {
    let query = Step::AwaitText("SELECT 1");
    let answer = |failure: &str, steps: Vec<Step>| play(failure, [let_in(), vec![query.clone()], steps].concat());
    let row = data_row(&[b'x'; 1000]).repeat(64);
    let one_row = || {
        let messages = [row_description(), data_row(b"1"), message(b'C', b"SELECT 1\0"), ready()];
        vec![Step::Send(messages.concat()), Step::Hang]
    };
    let half = [row_description(), data_row(b"f"), message(b'C', b"SELECT 1\0"), ready()].concat();
    vec![
        answer("nothing: the row that was asked for", one_row()),
        play("nothing: a server that reports nothing", [let_in_silently(), vec![query.clone()], one_row()].concat()),
        play(
            "nothing: a server that leaves out a column of its recovery",
            [let_in_with(half), vec![query.clone()], one_row()].concat(),
        ),
        play("whether it accepts writes can't be told", [let_in_silently(), vec![Step::Hang]].concat())
            .field("postgres", "writable", json!(true))
            .fails(Cause::QueryFailed, Stage::Query),
        answer("hangs on the query", vec![Step::Hang])
            .fails(Cause::QueryTimeout, Stage::Query)
            .stage_timeout(Stage::Query, 400),
        answer("closes on the query", vec![]).fails(Cause::ConnectionClosed, Stage::Query),
        answer("resets on the query", vec![Step::Reset]).fails(Cause::ConnectionReset, Stage::Query),
        answer("endless rows", vec![Step::Send(row_description()), Step::Endless(row)])
            .fails(Cause::ResponseTooLarge, Stage::Query),
        answer(
            "a row of 2 GiB",
            vec![Step::Send(row_description()), Step::Send(announced_2_gib(b'D')), Step::Endless(vec![0; 65536])],
        )
        .fails(Cause::ResponseTooLarge, Stage::Query),
        answer("garbage on the query", vec![Step::Send(vec![0xff; 64]), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Query),
        answer("a row of one byte a second", vec![Step::Send(row_description()), Step::Trickle(data_row(b"1"))])
            .fails(Cause::QueryTimeout, Stage::Query)
            .stage_timeout(Stage::Query, 1200),
    ]
}

fn requests_for_tls() -> Vec<Case> {
    let asked = |failure: &str, mode: &str, script: Vec<Step>| {
        play(failure, [vec![Step::Await(8)], script].concat()).field("postgres", "tls", json!({"mode": mode}))
    };
    let authority = Authority::new("test authority");
    vec![
        asked("N to SSLRequest", "Require", vec![say("N"), Step::Hang]).fails(Cause::TlsNotOffered, Stage::Tls),
        asked("hangs on SSLRequest", "Prefer", vec![Step::Hang])
            .fails(Cause::HandshakeTimeout, Stage::Tls)
            .stage_timeout(Stage::Tls, 300),
        asked("hangs after S", "Prefer", vec![say("S"), Step::Hang])
            .fails(Cause::TlsTimeout, Stage::Tls)
            .stage_timeout(Stage::Tls, 300),
        asked("closes on SSLRequest", "Require", vec![]).fails(Cause::ConnectionClosed, Stage::Tls),
        asked("resets on SSLRequest", "Require", vec![Step::Reset]).fails(Cause::ConnectionReset, Stage::Tls),
        asked("an HTTP server answers SSLRequest", "Prefer", vec![say("HTTP/1.1 400 Bad Request\r\n\r\n")])
            .fails(Cause::ProtocolMismatch, Stage::Tls),
        asked("an error answers SSLRequest", "Require", vec![Step::Send(report(b'E', "FATAL", "53300", "sorry"))])
            .fails(Cause::ProtocolMismatch, Stage::Tls),
        asked(
            "S, and plain text stuffed behind it",
            "Require",
            vec![Step::Send([b"S".to_vec(), authentication_ok()].concat()), Step::Hang],
        )
        .fails(Cause::TlsProtocolError, Stage::Tls),
        stuffed_behind_n(),
        tls_at_once(&authority),
    ]
}

/// After N the connection stays plain text, so what follows it early is read as the protocol's first answer: no harm.
fn stuffed_behind_n() -> Case {
    let script = vec![Step::Await(8), Step::Send([b"N".to_vec(), authentication_ok(), ready()].concat()), Step::Hang];
    play("N, and a login stuffed behind it", script)
        .field("postgres", "tls", json!({"mode": "Prefer"}))
        .fails(Cause::QueryTimeout, Stage::Query)
        .stage_timeout(Stage::Query, 300)
}

fn tls_at_once(authority: &Authority) -> Case {
    let server = Tls::with(authority.server(&["localhost"])).play(vec![Step::Hang]);
    Case::new("a TLS server that knows no SSLRequest", at("127.0.0.1", server.port()))
        .field("postgres", "tls", json!({"mode": "Require"}))
        .fails(Cause::ProtocolMismatch, Stage::Tls)
        .keep(server)
}

#[test]
fn each_misuse_of_the_protocol_has_its_cause() {
    assert!(rows().len() > 35);
}
