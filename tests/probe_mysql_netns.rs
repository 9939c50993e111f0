//! Tries the `mysql` kind across a real network before real MariaDB servers: one that has blocked the client's host, and one
//! behind a path that loses large packets; and with names that can't be resolved.

use std::io::Read;
use std::net::TcpStream;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hickory_resolver::proto::op::ResponseCode;
use runready::api::{Cause, Stage};
use runready::evidence::Fact;
use serde_json::json;

use crate::probe_mysql::at;
use crate::support::hostile::dns::{Answer, Dns};
use crate::support::mariadb::{Mariadb, Setup};
use crate::support::netns::{Lab, SERVER};
use crate::support::probe::{Case, Row, try_all};
use crate::support::skip::require;
use crate::support::wait::until;

const PORT: u16 = 3306;

/// Every case, tried once per process; those that need a network, where namespaces can be made.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let mut rows = try_all(names());
        if let Some(lab) = require(Lab::build()) {
            rows.extend(blocked(&lab));
            rows.extend(narrowed(&lab));
        }
        rows
    })
}

fn names() -> Vec<Case> {
    let dns = Arc::new(Dns::serve([("servfail.test.", Answer::Code(ResponseCode::ServFail))]));
    let case = |failure: &str, name: &str, cause: Cause| {
        Case::new(failure, at(name, PORT)).resolver(&dns).fails(cause, Stage::Resolve).says(name).keep(dns.clone())
    };
    vec![
        case("its name does not exist (NXDOMAIN)", "nowhere.test", Cause::NameNotFound),
        case("the DNS server fails (SERVFAIL)", "servfail.test", Cause::ResolverFailed),
    ]
}

fn server(lab: &Lab, setup: Setup) -> Option<Mariadb> {
    require(setup.in_netns(lab.server(), SERVER).start())
}

fn at_client(lab: &Lab, case: Case) -> Vec<Row> {
    lab.at_client(|| try_all(vec![case]))
}

/// A client that connects and hangs up, as bare health checks do, until the server has had enough of its host.
fn blocked(lab: &Lab) -> Vec<Row> {
    let Some(server) = server(lab, Setup::plain().option("--max-connect-errors=3")) else { return Vec::new() };
    let mut rows = at_client(lab, Case::new("nothing: a host that is not blocked yet", at(SERVER, PORT)));
    lab.at_client(|| {
        until(Duration::from_secs(20), "the server to block the host", || match first_byte() {
            Ok(0xff) => Ok(()),
            other => Err(format!("{other:?}")),
        });
    });
    let case = Case::new("the host has hung up on it too often", at(SERVER, PORT))
        .fails(Cause::HostBlocked, Stage::Handshake)
        .fact(Fact::MysqlError, "1129")
        .says("is blocked because of many connection errors");
    rows.extend(at_client(lab, case));
    server.sql("FLUSH HOSTS").expect("the superuser may");
    rows.extend(at_client(lab, Case::new("nothing: after FLUSH HOSTS", at(SERVER, PORT))));
    rows
}

/// The first byte of what the server says; then the connection is closed.
fn first_byte() -> std::io::Result<u8> {
    let mut packet = [0; 5];
    TcpStream::connect((SERVER, PORT))?.read_exact(&mut packet)?;
    Ok(packet[4])
}

/// A path whose MTU is smaller than both ends believe.
fn narrowed(lab: &Lab) -> Vec<Row> {
    let Some(server) = server(lab, Setup::plain()) else { return Vec::new() };
    let case =
        |failure: &str, bytes: u32| Case::new(failure, at(SERVER, PORT)).field("mysql", "payloadBytes", json!(bytes));
    let sound = case("nothing: 1 MiB over a sound path", 1 << 20).fact(Fact::PayloadBytes, "1048576");
    let mut rows = at_client(lab, sound);
    lab.narrow(1280, true);
    let lost = case("MTU 1280 on the way, and nobody says so", 65536)
        .fails(Cause::LargePacketsLost, Stage::Payload)
        .stage_timeout(Stage::Payload, 6000)
        .says("on a second connection 512 bytes came after")
        .says("and 16384 bytes did not");
    rows.extend(at_client(lab, lost));
    lab.clamp(1200);
    rows.extend(at_client(lab, case("nothing: MTU 1280, and the router clamps the MSS", 65536)));
    lab.heal();
    drop(server);
    rows
}

#[test]
fn each_fault_before_mysql_has_its_cause() {
    let rows = rows().len();
    assert!(rows == 2 || rows >= 8, "{rows}");
}
