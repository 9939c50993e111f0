//! Tries the `mysql` kind against a MySQL 8 built from its documentation, and against servers that misuse the protocol: that
//! hang, babble and drip at each of its stages, announce what they can't mean, or ask for what nobody should give.

use std::sync::OnceLock;

use runready::api::{Cause, Stage};
use runready::evidence::Fact;
use serde_json::json;

use crate::probe_mysql::{as_user, at};
use crate::support::cert::Authority;
use crate::support::hostile::mysql::{LOGIN, columns, error, greeting, let_in, ok, one_row, packet, switch};
use crate::support::hostile::tls::Tls;
use crate::support::hostile::{Server, Step, say};
use crate::support::mysql8::Mysql8;
use crate::support::probe::{Case, Row, try_all};

/// Every case, tried once per process.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let cases = [strangers(), refusals(), mysql8(), logins(), results(), requests_for_tls()];
        try_all(cases.into_iter().flatten().collect())
    })
}

fn play(failure: &str, script: Vec<Step>) -> Case {
    let server = Server::play(script);
    Case::new(failure, at("127.0.0.1", server.port())).keep(server)
}

/// 2^24-1 bytes, which is the most that a packet announces; it would go on in the next one.
fn announced() -> Step {
    Step::Send(vec![0xff, 0xff, 0xff, 0])
}

fn strangers() -> Vec<Case> {
    vec![
        play("accepts and hangs", vec![Step::Hang]).fails(Cause::HandshakeTimeout, Stage::Handshake).timeout(500),
        play("resets at once", vec![Step::Reset]).fails(Cause::ConnectionReset, Stage::Handshake).or_in(Stage::Connect),
        play("closes at once", vec![]).fails(Cause::ConnectionClosed, Stage::Handshake),
        play("garbage", vec![Step::Send((0..=255).rev().collect()), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Handshake),
        play("an HTTP server in its place", vec![say("HTTP/1.1 400 Bad Request\r\n\r\n")])
            .fails(Cause::ProtocolMismatch, Stage::Handshake)
            .says("not MySQL's protocol"),
        play("one byte a second", vec![Step::Trickle(greeting("mysql_native_password", false))])
            .fails(Cause::HandshakeTimeout, Stage::Handshake)
            .stage_timeout(Stage::Handshake, 1200),
        play("2 GiB announced at once", vec![announced(), Step::Endless(vec![0; 65536])])
            .fails(Cause::ProtocolMismatch, Stage::Handshake),
        play("MySQL's X protocol", vec![Step::Send(vec![5, 0, 0, 0, 0x0b, 8, 5, 0x1a, 0]), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Handshake)
            .says("X protocol"),
        play("a greeting of another version", vec![Step::Send(packet(0, b"\x095.0\0")), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Handshake),
        play("a greeting that ends early", vec![Step::Send(packet(0, b"\x0a8.4.3\0\x07")), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Handshake),
    ]
}

/// What a server says in place of its greeting, or to a login.
fn refusals() -> Vec<Case> {
    let greets = |failure: &str, number: u16, text: &str| {
        play(failure, vec![Step::Send(error(0, number, "HY000", text))]).fact(Fact::MysqlError, number.to_string())
    };
    let refuses = |failure: &str, number: u16, sqlstate: &str, text: &str| {
        let script = [vec![Step::Send(greeting("mysql_native_password", false)), Step::Await(LOGIN)]].concat();
        play(failure, [script, vec![Step::Send(error(2, number, sqlstate, text))]].concat())
            .fact(Fact::MysqlError, number.to_string())
    };
    vec![
        greets("the host is blocked", 1129, "Host '10.8.0.7' is blocked because of many connection errors")
            .fails(Cause::HostBlocked, Stage::Handshake),
        greets("the host is not allowed", 1130, "Host '10.8.0.7' is not allowed to connect to this MySQL server")
            .fails(Cause::AccessDenied, Stage::Handshake),
        greets("full server, in place of its greeting", 1040, "Too many connections")
            .fails(Cause::TooManyConnections, Stage::Handshake),
        greets("it is shutting down", 1053, "Server shutdown in progress")
            .fails(Cause::ServerShuttingDown, Stage::Handshake),
        refuses("it lets nobody in without TLS", 3159, "HY000", "Connections using insecure transport are prohibited")
            .fails(Cause::TlsRequired, Stage::Authenticate),
        refuses("an unknown database", 1049, "42000", "Unknown database 'app'")
            .fails(Cause::DatabaseNotFound, Stage::Authenticate),
        refuses("it is starting up", 1047, "08S01", "WSREP has not yet prepared node for application use")
            .fails(Cause::ServerStarting, Stage::Authenticate),
        as_user(refuses("it repeats the password", 1045, "28000", "not hunter2, please"), "app", "hunter2")
            .fails(Cause::AuthenticationFailed, Stage::Authenticate)
            .says("not ***, please"),
        refuses("it has no memory", 1041, "HY000", "Out of memory").fails(Cause::ServerError, Stage::Authenticate),
        refuses("an error that nobody knows", 9999, "XX000", "no").fails(Cause::ServerError, Stage::Authenticate),
        refuses("a password that has expired", 1862, "HY000", "Your password has expired")
            .fails(Cause::AuthenticationFailed, Stage::Authenticate),
    ]
}

fn mysql8() -> Vec<Case> {
    let authority = Authority::new("test authority");
    let tls = || Tls::with(authority.server(&["localhost"]));
    let to = |failure: &str, server: Mysql8, password: &str| {
        let server = server.start();
        as_user(Case::new(failure, at("127.0.0.1", server.port())), "app", password)
            .keep(server)
            .fact(Fact::AuthenticationMethod, "caching_sha2_password")
    };
    let verified = |case: Case| {
        let settings = json!({"mode": "VerifyFull", "serverName": "localhost", "caSecretRef": {"name": "ca"}});
        case.field("mysql", "tls", settings).secret("ca", &[("ca.crt", &authority.pem())])
    };
    let server = || Mysql8::new("correct horse");
    vec![
        to("nothing: caching_sha2_password from the cache", server().cached(), "correct horse").fact(Fact::Rows, "1"),
        to("a wrong password, from the cache", server().cached(), "wrong")
            .fails(Cause::AuthenticationFailed, Stage::Authenticate),
        to("nothing: caching_sha2_password in full, under the server's key", server(), "correct horse"),
        to("a wrong password, under the server's key", server(), "wrong")
            .fails(Cause::AuthenticationFailed, Stage::Authenticate),
        verified(to("nothing: caching_sha2_password in full, within TLS", server().tls(tls()), "correct horse")),
        to("nothing: within TLS that is not verified", server().tls(tls()), "correct horse").field(
            "mysql",
            "tls",
            json!({"mode": "Require"}),
        ),
        verified(to("a wrong password, within TLS", server().tls(tls()), "wrong"))
            .fails(Cause::AuthenticationFailed, Stage::Authenticate),
    ]
}

fn logins() -> Vec<Case> {
    let greeted = |failure: &str, plugin: &str, steps: Vec<Step>| {
        let script = [vec![Step::Send(greeting(plugin, false)), Step::Await(LOGIN)], steps].concat();
        as_user(play(failure, script), "app", "hunter2").look(|evidence| {
            assert!(!format!("{evidence:?}").contains("hunter2"));
        })
    };
    let native = "mysql_native_password";
    let sha2 = "caching_sha2_password";
    vec![
        greeted("hangs on the login", native, vec![Step::Hang])
            .fails(Cause::AuthenticationTimeout, Stage::Authenticate)
            .stage_timeout(Stage::Authenticate, 400),
        greeted("closes on the login", native, vec![]).fails(Cause::ConnectionClosed, Stage::Authenticate),
        greeted("resets on the login", native, vec![Step::Reset]).fails(Cause::ConnectionReset, Stage::Authenticate),
        greeted("garbage on the login", native, vec![Step::Send(vec![0x55; 64]), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Authenticate),
        greeted(
            "asks for the password as it is, in plain text",
            native,
            vec![Step::Send(switch(2, "mysql_clear_password")), Step::Hang],
        )
        .fails(Cause::AuthenticationMethodUnsupported, Stage::Authenticate)
        .says("only inside TLS"),
        greeted("asks for the login of before 4.1", native, vec![Step::Send(packet(2, &[0xfe])), Step::Hang])
            .fails(Cause::AuthenticationMethodUnsupported, Stage::Authenticate),
        greeted("asks for what nobody knows", native, vec![Step::Send(switch(2, "a_plugin")), Step::Hang])
            .fails(Cause::AuthenticationMethodUnsupported, Stage::Authenticate)
            .says("by a_plugin"),
        greeted(
            "gives a key that is none",
            sha2,
            vec![
                Step::Send(packet(2, &[1, 4])),
                Step::Await(5),
                Step::Send(packet(4, b"\x01-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")),
                Step::Hang,
            ],
        )
        .fails(Cause::ProtocolMismatch, Stage::Authenticate)
        .says("the server's public key"),
        greeted(
            "asks again and again",
            native,
            vec![Step::Send((0..40).flat_map(|round: u8| switch(2 + 2 * round, native)).collect()), Step::Hang],
        )
        .fails(Cause::ProtocolMismatch, Stage::Authenticate),
        greeted("a packet out of its turn", native, vec![Step::Send(ok(9)), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Authenticate)
            .says("number 9 where 2 was due"),
    ]
}

fn results() -> Vec<Case> {
    let answer =
        |failure: &str, steps: Vec<Step>| play(failure, [let_in(), vec![Step::AwaitText("SELECT 1")], steps].concat());
    let rows: Vec<u8> =
        (0..=255_u8).flat_map(|n| packet(n.wrapping_add(4), &[&[200], &[b'x'; 200][..]].concat())).collect();
    vec![
        answer("nothing: the row that was asked for", vec![Step::Send(one_row()), Step::Hang]).fact(Fact::Rows, "1"),
        answer("hangs on the query", vec![Step::Hang])
            .fails(Cause::QueryTimeout, Stage::Query)
            .stage_timeout(Stage::Query, 400),
        answer("closes on the query", vec![]).fails(Cause::ConnectionClosed, Stage::Query),
        answer("resets on the query", vec![Step::Reset]).fails(Cause::ConnectionReset, Stage::Query),
        answer("endless rows", vec![Step::Send(columns()), Step::Endless(rows)])
            .fails(Cause::ResponseTooLarge, Stage::Query),
        answer(
            "a row that goes on and on",
            vec![
                Step::Send(columns()),
                Step::Send(vec![0xff, 0xff, 0xff, 4]),
                Step::Send(vec![b'x'; 0xff_ffff]),
                Step::Send(vec![0xff, 0xff, 0xff, 5]),
                Step::Endless(vec![b'x'; 65536]),
            ],
        )
        .fails(Cause::ResponseTooLarge, Stage::Query),
        answer("garbage on the query", vec![Step::Send(vec![0xff; 64]), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Query),
        answer("asks for a file of ours", vec![Step::Send(packet(1, b"\xfb/etc/passwd")), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Query)
            .says("LOCAL INFILE"),
        answer(
            "4 billion columns",
            vec![Step::Send(packet(1, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])), Step::Hang],
        )
        .fails(Cause::ProtocolMismatch, Stage::Query),
        answer("a row of one byte a second", vec![Step::Send(columns()), Step::Trickle(packet(4, b"\x011"))])
            .fails(Cause::QueryTimeout, Stage::Query)
            .stage_timeout(Stage::Query, 1200),
    ]
}

fn requests_for_tls() -> Vec<Case> {
    let offering = |failure: &str, steps: Vec<Step>| {
        let greets = vec![Step::Send(greeting("mysql_native_password", true)), Step::Await(36)];
        play(failure, [greets, steps].concat()).field("mysql", "tls", json!({"mode": "Require"}))
    };
    vec![
        offering("hangs on the TLS that it offered", vec![Step::Hang])
            .fails(Cause::TlsTimeout, Stage::Tls)
            .stage_timeout(Stage::Tls, 300),
        offering("closes on the TLS that it offered", vec![]).fails(Cause::ConnectionClosed, Stage::Tls),
        offering("resets on the TLS that it offered", vec![Step::Reset]).fails(Cause::ConnectionReset, Stage::Tls),
        offering("plain text where TLS was asked", vec![Step::Send(ok(2)), Step::Hang])
            .fails(Cause::TlsProtocolError, Stage::Tls),
        play(
            "an OK stuffed behind the greeting that offers TLS",
            vec![Step::Send([greeting("mysql_native_password", true), ok(2)].concat()), Step::Hang],
        )
        .field("mysql", "tls", json!({"mode": "Require"}))
        .fails(Cause::TlsProtocolError, Stage::Tls),
    ]
}

#[test]
fn each_misuse_of_the_protocol_has_its_cause() {
    assert!(rows().len() > 40);
}
