//! Tries the `sqlserver` kind against servers that misuse the protocol: that hang, babble and drip at each of its stages, or
//! announce what they can't mean.

use std::sync::OnceLock;

use runready::api::{Cause, Stage};
use serde_json::json;

use crate::probe_sqlserver::at;
use crate::support::cert::Authority;
use crate::support::hostile::tls::Tls;
use crate::support::hostile::{Server, Step, say};
use crate::support::probe::{Case, Row, try_all};
use crate::support::tds::talk::{PRELOGIN, TABULAR, open, packets};
use crate::support::tds::{Tds, prelogin, token};

/// Every case, tried once per process.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let cases = [strangers(), greetings(), handshakes(), logins(), results()];
        try_all(cases.into_iter().flatten().collect())
    })
}

fn play(failure: &str, script: Vec<Step>) -> Case {
    let server = Server::play(script);
    at(failure, server.port()).keep(server)
}

/// What a client sends at first: enough of it to know that it came.
const ASKED: usize = 26;
/// The words of a server that can't do TLS, and of one that can.
const PLAIN: u8 = 2;
const TLS: u8 = 1;

fn greeting(encryption: u8) -> Vec<u8> {
    packets(TABULAR, &prelogin(encryption))
}

/// A packet that announces 65535 bytes, which is the most that one can, and is not the last.
fn announced() -> Step {
    Step::Send(vec![TABULAR, 0, 0xff, 0xff, 0, 0, 1, 0])
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
            .says("not SQL Server's protocol"),
        play("one byte a second", vec![Step::Trickle(greeting(PLAIN))])
            .fails(Cause::HandshakeTimeout, Stage::Handshake)
            .stage_timeout(Stage::Handshake, 1200),
        play("2 GiB announced at once", vec![announced(), Step::Endless(vec![0; 65536])])
            .fails(Cause::ProtocolMismatch, Stage::Handshake),
    ]
}

fn greetings() -> Vec<Case> {
    let says = |failure: &str, body: &[u8]| {
        play(failure, vec![Step::Send(packets(TABULAR, body)), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Handshake)
    };
    vec![
        says("a greeting of nothing but its end", &[0xff]).says("no word on encryption"),
        says("a greeting without an end", &prelogin(PLAIN)[..10]),
        says("an option beyond the greeting", &[1, 0xff, 0xfe, 0, 1, 0xff]),
        says("a word on encryption that is none", &prelogin(9)),
        play("a packet shorter than its header", vec![Step::Send(vec![TABULAR, 1, 0, 4, 0, 0, 1, 0]), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Handshake),
    ]
}

fn handshakes() -> Vec<Case> {
    let offering = |failure: &str, steps: Vec<Step>| {
        let greets = vec![Step::Await(ASKED), Step::Send(greeting(TLS)), Step::Await(ASKED)];
        play(failure, [greets, steps].concat()).field("sqlserver", "tls", json!({"mode": "Require"}))
    };
    let alert = packets(PRELOGIN, &[21, 3, 3, 0, 2, 2, 40]);
    vec![
        offering("hangs on the TLS that it offered", vec![Step::Hang])
            .fails(Cause::TlsTimeout, Stage::Tls)
            .stage_timeout(Stage::Tls, 300),
        offering("closes on the TLS that it offered", vec![]).fails(Cause::ConnectionClosed, Stage::Tls),
        offering("resets on the TLS that it offered", vec![Step::Reset]).fails(Cause::ConnectionReset, Stage::Tls),
        offering("plain text where TLS was asked", vec![say("no TLS here"), Step::Hang])
            .fails(Cause::TlsProtocolError, Stage::Tls),
        offering(
            "a login let in where TLS was asked",
            vec![Step::Send(packets(TABULAR, &token::welcome("orders"))), Step::Hang],
        )
        .fails(Cause::TlsProtocolError, Stage::Tls),
        offering("an alert in place of TLS", vec![Step::Send(alert), Step::Hang])
            .fails(Cause::TlsProtocolError, Stage::Tls),
        offering("packets of nothing, without end", vec![Step::Endless(packets(PRELOGIN, &[]).repeat(512))])
            .fails(Cause::TlsTimeout, Stage::Tls)
            .stage_timeout(Stage::Tls, 500),
        offering(
            "a packet shorter than its header in TLS",
            vec![Step::Send(vec![PRELOGIN, 1, 0, 3, 0, 0, 1, 0]), Step::Hang],
        )
        .fails(Cause::TlsProtocolError, Stage::Tls),
    ]
}

fn logins() -> Vec<Case> {
    let on_login = |failure: &str, script: Vec<Step>| {
        let server = Tds::new().play_on_login(script).start();
        at(failure, server.port()).keep(server)
    };
    let authority = Authority::new("test authority");
    let secret = Tds::new().tls(Tls::with(authority.server(&["localhost"]))).on_login(vec![0x55; 64]).start();
    vec![
        on_login("hangs on the login", vec![Step::Hang])
            .fails(Cause::AuthenticationTimeout, Stage::Authenticate)
            .stage_timeout(Stage::Authenticate, 400),
        on_login("closes on the login", vec![]).fails(Cause::ConnectionClosed, Stage::Authenticate),
        on_login("resets on the login", vec![Step::Reset]).fails(Cause::ConnectionReset, Stage::Authenticate),
        on_login("garbage on the login", vec![Step::Send(vec![0x55; 64]), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Authenticate),
        on_login("a login of one byte a second", vec![Step::Trickle(packets(TABULAR, &token::welcome("orders")))])
            .fails(Cause::AuthenticationTimeout, Stage::Authenticate)
            .stage_timeout(Stage::Authenticate, 1200),
        on_login("settings without end on the login", vec![Step::Endless(open(&token::chatter().repeat(40)))])
            .fails(Cause::ProtocolMismatch, Stage::Authenticate),
        on_login("a message of no tokens on the login", vec![Step::Send(packets(TABULAR, &[0, 0])), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Authenticate),
        on_login("half a packet on the login", vec![Step::Send(vec![TABULAR, 1, 0, 64, 0, 0, 1, 0, 0xaa])])
            .fails(Cause::ConnectionClosed, Stage::Authenticate),
        at("garbage on the login, within TLS", secret.port())
            .field("sqlserver", "tls", json!({"mode": "Require"}))
            .fails(Cause::ProtocolMismatch, Stage::Authenticate)
            .keep(secret),
    ]
}

fn results() -> Vec<Case> {
    let answer = |failure: &str, script: Vec<Step>| {
        let server = Tds::new().play_on("SELECT 1", script).start();
        at(failure, server.port()).keep(server)
    };
    let columns = || Step::Send(open(&token::integer_column("n")));
    // A value that says it has nearly 2^63 bytes, in a part of 2 GiB.
    let enormous = [token::sized_text(0x7fff_ffff_ffff_fff0), token::part(0x7fff_ffff, 0)].concat();
    vec![
        answer("hangs on the query", vec![Step::Hang])
            .fails(Cause::QueryTimeout, Stage::Query)
            .stage_timeout(Stage::Query, 400),
        answer("closes on the query", vec![]).fails(Cause::ConnectionClosed, Stage::Query),
        answer("resets on the query", vec![Step::Reset]).fails(Cause::ConnectionReset, Stage::Query),
        answer("closes within the rows", vec![columns()]).fails(Cause::ConnectionClosed, Stage::Query),
        answer("garbage on the query", vec![Step::Send(vec![0xff; 64]), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Query),
        answer("a row before its columns", vec![Step::Send(packets(TABULAR, &token::integer(1))), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Query),
        answer("a row of one byte a second", vec![columns(), Step::Trickle(packets(TABULAR, &token::integer(1)))])
            .fails(Cause::QueryTimeout, Stage::Query)
            .stage_timeout(Stage::Query, 1200),
        answer("endless rows", vec![columns(), Step::Endless(open(&token::integer(7).repeat(600)))])
            .fails(Cause::ResponseTooLarge, Stage::Query)
            // Without optimisation the library takes its time for so many rows.
            .timeout(60_000),
        answer(
            "a value that goes on and on",
            vec![Step::Send(open(&token::endless_text())), Step::Endless(open(&token::part(4000, 4000)))],
        )
        .fails(Cause::ResponseTooLarge, Stage::Query),
        answer("a value of 2 GiB", vec![Step::Send(open(&enormous)), Step::Endless(open(&[b'x'; 4000]))])
            .fails(Cause::ResponseTooLarge, Stage::Query),
        answer("65534 columns", vec![Step::Send(open(&[0x81, 0xfe, 0xff])), Step::Endless(open(&[0; 4000]))])
            .fails(Cause::ProtocolMismatch, Stage::Query),
    ]
}

#[test]
fn each_misuse_of_sql_servers_protocol_has_its_cause() {
    assert!(rows().len() > 35);
}
