//! Tries every kind across a real network with faults: packets dropped, rejected in each way, no route, cut off in the
//! middle of an exchange, throttled.

use std::sync::OnceLock;
use std::time::Duration;

use runready::api::{Cause, Stage};
use runready::evidence::Fact;
use serde_json::{Value, json};

use crate::support::hostile::{Server, Step, listener, say};
use crate::support::netns::{Fault, Lab, SERVER, UNREACHABLE};
use crate::support::pgsetup::Setup;
use crate::support::postgres::{DATABASE, Postgres};
use crate::support::probe::{Case, Row, try_all};
use crate::support::skip::require;
use crate::support::wait::until;

/// A server behind the router.
fn serve(lab: &Lab, script: Vec<Step>) -> Server {
    Server::play_on(lab.at_server(|| listener(&format!("{SERVER}:0"))), script)
}

fn kinds(port: u16) -> [(&'static str, Value); 9] {
    let tls = json!({"mode": "Disable"});
    [
        ("tcp", json!({"host": SERVER, "port": port})),
        ("tls", json!({"host": SERVER, "port": port})),
        ("http", json!({"url": format!("http://{SERVER}:{port}/")})),
        ("websocket", json!({"url": format!("ws://{SERVER}:{port}/")})),
        ("grpc", json!({"host": SERVER, "port": port, "plaintext": true})),
        ("redis", json!({"host": SERVER, "port": port})),
        ("mysql", json!({"host": SERVER, "port": port, "user": "app", "tls": tls})),
        (
            "sqlserver",
            json!({"host": SERVER, "port": port, "user": "app", "passwordSecretRef": {"name": "db", "key": "password"}, "tls": tls}),
        ),
        ("postgres", json!({"host": SERVER, "port": port, "database": DATABASE, "user": "app", "tls": tls})),
    ]
}

/// Every case, tried once per process; none where namespaces can't be made.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let Some(lab) = require(Lab::build()) else { return Vec::new() };
        let mut rows = unreachable(&lab);
        rows.extend(cut_off(&lab));
        rows.extend(throttled(&lab));
        rows.extend(narrowed(&lab));
        rows
    })
}

fn unreachable(lab: &Lab) -> Vec<Row> {
    let server = serve(lab, vec![Step::Hang]);
    let mut rows = Vec::new();
    for (failure, fault, cause) in UNREACHABLE {
        lab.fault(fault);
        let limit = if cause == Cause::ConnectTimeout { 700 } else { 5000 };
        let case = |(kind, probe): (&str, Value)| {
            let case = Case::new(failure, json!({kind: probe})).secret("db", &[("password", "hunter2")]);
            case.fails(cause, Stage::Connect).timeout(limit)
        };
        let mut cases: Vec<Case> = kinds(server.port()).into_iter().map(case).collect();
        let dns = Case::new(failure, json!({"dns": {"name": "db.test", "resolver": SERVER}}));
        cases.push(match fault {
            // The kernel tells a UDP socket only of what is final (RFC 1122, section 4.2.3.9): these two may pass.
            Fault::Drop | Fault::HostUnreachable | Fault::NetworkUnreachable => {
                dns.fails(Cause::ResolverTimeout, Stage::Resolve).timeout(700)
            }
            _ => dns.fails(Cause::ResolverUnreachable, Stage::Resolve).timeout(5000),
        });
        rows.extend(lab.at_client(|| try_all(cases)));
    }
    lab.heal();
    rows
}

/// The path goes silent when each server has begun to answer. Each would be done within some four seconds, and the
/// path takes a moment to be cut.
fn cut_off(lab: &Lab) -> Vec<Row> {
    let postgres = require(Setup::plain().listen(SERVER).in_netns(lab.server()).start());
    let exchange = serve(lab, vec![Step::Await(4), Step::Trickle(b"okay!".to_vec()), Step::Hang]);
    let header =
        serve(lab, vec![Step::Await(4), say("HTTP/1.1 200 OK\r\n"), Step::Trickle(b"a: b".to_vec()), say("\r\n\r\n")]);
    let body = serve(
        lab,
        vec![Step::Await(4), say("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"), Step::Trickle(b"okay!".to_vec())],
    );
    let failure = "packets dropped in the middle of";
    let http = |server: &Server| json!({"http": {"url": format!("http://{SERVER}:{}/", server.port())}});
    let tcp = json!({"tcp": {"host": SERVER, "port": exchange.port(), "send": "PING", "expect": "okay!"}});
    let mut cases = vec![
        Case::new(format!("{failure} an exchange"), tcp)
            .fails(Cause::ResponseTimeout, Stage::Exchange)
            .stage_timeout(Stage::Exchange, 8000),
        Case::new(format!("{failure} a header"), http(&header))
            .fails(Cause::ResponseTimeout, Stage::Request)
            .stage_timeout(Stage::Request, 8000),
        Case::new(format!("{failure} a body"), http(&body))
            .fails(Cause::ResponseTimeout, Stage::Body)
            .stage_timeout(Stage::Body, 8000),
    ];
    if postgres.is_some() {
        let [.., (kind, mut probe)] = kinds(5432);
        probe["query"] = json!("SELECT pg_sleep(4)");
        cases.push(
            Case::new(format!("{failure} a query"), json!({kind: probe}))
                .fails(Cause::QueryTimeout, Stage::Query)
                .stage_timeout(Stage::Query, 8000),
        );
    }
    let rows = std::thread::scope(|scope| {
        let probing = scope.spawn(|| lab.at_client(|| try_all(cases)));
        until(Duration::from_secs(10), "every server to have begun its answer", || {
            let sent = [exchange.sent(), header.sent(), body.sent()];
            match sent.contains(&0) || postgres.as_ref().is_some_and(|postgres| !sleeps(postgres)) {
                true => Err(format!("{sent:?}")),
                false => Ok(()),
            }
        });
        lab.fault(Fault::Silence);
        probing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    lab.heal();
    rows
}

fn sleeps(postgres: &Postgres) -> bool {
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'";
    postgres.psql(sleeping).is_ok_and(|count| count == "1")
}

fn throttled(lab: &Lab) -> Vec<Row> {
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 65536\r\n\r\n{}", "x".repeat(65536));
    let server = serve(lab, vec![Step::AwaitText("\r\n\r\n"), say(&answer)]);
    let case = |failure: &str| {
        let probe = json!({"http": {"url": format!("http://{SERVER}:{}/", server.port())}});
        Case::new(failure, probe).with("maxLatency", json!("500ms"))
    };
    let free = lab.at_client(|| try_all(vec![case("nothing: the same path, not throttled")]));
    lab.throttle(512);
    let slow = case("throttled to 512 kbit/s").degraded(Cause::LatencyExceeded, Stage::Body);
    let slow = lab.at_client(|| try_all(vec![slow]));
    lab.heal();
    [free, slow].concat()
}

/// A path whose MTU is smaller than both ends believe, before a real server.
fn narrowed(lab: &Lab) -> Vec<Row> {
    let Some(server) = require(Setup::plain().listen(SERVER).in_netns(lab.server()).start()) else { return Vec::new() };
    let case = |failure: &str, bytes: u32| {
        let [.., (kind, mut probe)] = kinds(5432);
        probe["payloadBytes"] = json!(bytes);
        Case::new(failure, json!({kind: probe}))
    };
    let at_client = |case: Case| lab.at_client(|| try_all(vec![case]));
    let mut rows = at_client(case("nothing: 1 MiB over a sound path", 1 << 20).fact(Fact::PayloadBytes, "1048576"));
    lab.narrow(1280, true);
    let lost = case("MTU 1280 on the way, and nobody says so", 65536)
        .fails(Cause::LargePacketsLost, Stage::Payload)
        .stage_timeout(Stage::Payload, 6000)
        .says("65536 bytes from postgres://app@10.77.2.2:5432/app: 0 had arrived after 6s")
        .says("on a second connection 512 bytes came after")
        .says("and 16384 bytes did not");
    rows.extend(at_client(lost));
    // Without a large result, the same path is well.
    let [.., (kind, probe)] = kinds(5432);
    rows.extend(at_client(Case::new("nothing is seen by a small query: MTU 1280 on the way", json!({kind: probe}))));
    lab.clamp(1200);
    rows.extend(at_client(case("nothing: MTU 1280, and the router clamps the MSS", 65536)));
    lab.narrow(1280, false);
    rows.extend(at_client(case("nothing: MTU 1280, and the router says so", 65536)));
    lab.heal();
    lab.throttle(512);
    let slow = case("1 MiB at 512 kbit/s in 3 s", 1 << 20)
        .fails(Cause::QueryTimeout, Stage::Payload)
        .stage_timeout(Stage::Payload, 3000)
        .says("more was still arriving");
    rows.extend(at_client(slow));
    lab.heal();
    drop(server);
    rows
}

#[test]
fn each_fault_of_the_network_has_its_cause() {
    let rows = rows().len();
    assert!(rows == 0 || rows >= 40, "{rows}");
}
