//! Prints, at the end, what every probe came to: kind, failure, state, cause, stage, how long it took and how long it might;
//! and, of each cause, what is said to the reader.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;

use runready::api::{Cause, Kind};

use crate::probe_cloudsql::{KINDS, THROUGH};
use crate::support::probe::{Row, messages, table};

/// Causes that no single observation of a path has: they come of the check's own settings, or of us.
const NOT_OBSERVED: [Cause; 6] = [
    Cause::SecretNotFound,
    Cause::SecretKeyMissing,
    Cause::InvalidSpec,
    Cause::LimitExceeded,
    Cause::LoadNotGenerated,
    Cause::ProberError,
];

/// What can be done to any kind that is reached over TCP.
const OVER_TCP: [&str; 12] = [
    "accepts and hangs",
    "resets at once",
    "closes at once",
    "garbage",
    "one byte a second",
    "packets dropped by a router",
    "rejected: host unreachable",
    "rejected: network unreachable",
    "rejected: port unreachable",
    "rejected: prohibited",
    "rejected: TCP reset",
    "no route",
];

/// What can be done, besides that, to the way through a Cloud SQL instance's proxy.
const THROUGH_CLOUD_SQL: [&str; 9] = [
    "packets to port 3307 dropped",
    "packets dropped once connected",
    "packets dropped in the middle of a query",
    "reset in the middle",
    "MTU 1280 on the way, and nobody says so",
    "an MTU into which the proxy's certificate does not fit",
    "the Admin API's packets dropped from the beginning",
    "the Admin API unreachable when the certificate should be renewed",
    "the Admin API unreachable, and the certificate has expired",
];

/// What can be done to a kind that is reached in another way, or by way of others.
const OF_ITS_OWN: [(Kind, &[&str]); 3] = [
    (
        Kind::Dns,
        &[
            "silence",
            "no DNS server at this port",
            "garbage",
            "SERVFAIL",
            "REFUSED",
            "no such name (NXDOMAIN)",
            "no record of this type (NODATA)",
            "another address than expected",
            "truncated over UDP, silent over TCP",
            "packets dropped by a router",
            "rejected: host unreachable",
            "rejected: network unreachable",
            "rejected: port unreachable",
            "rejected: prohibited",
            "rejected: TCP reset",
            "no route",
        ],
    ),
    (
        Kind::Journey,
        &[
            "a login without a token",
            "a step after one that failed, which needs nothing of it",
            "a rule that does not hold for a captured value",
            "steps that are too slow together",
            "a step that is slower than its own limit",
            "a value that would climb in a path",
            "a value that would split a header",
            "a body with a value, redirected to another origin",
        ],
    ),
    (Kind::Load, &["one answer of four is a 503", "slower than allowed", "refused"]),
];

/// The kinds by the failures, with the cause in each cell. What is empty is named.
fn matrix(rows: &[Row]) -> (String, Vec<String>) {
    let over_tcp = |kind: &&Kind| OF_ITS_OWN.iter().all(|(other, _)| other != *kind);
    let kinds: Vec<&str> = Kind::ALL.iter().filter(over_tcp).map(|kind| kind.as_str()).collect();
    let through: Vec<String> =
        OVER_TCP.iter().chain(&THROUGH_CLOUD_SQL).map(|failure| format!("{THROUGH}{failure}")).collect();
    // A kind whose database can't be had here has no path that is sound.
    let sound = format!("{THROUGH}nothing: a sound path");
    let has_path = |kind: &&str| rows.iter().any(|row| row.cell() == (*kind, &sound));
    let tunnelled: Vec<&str> = KINDS.into_iter().filter(has_path).collect();
    let own: Vec<(&str, Vec<&str>)> = OF_ITS_OWN
        .iter()
        .flat_map(|(kind, failures)| failures.iter().map(|failure| (*failure, vec![kind.as_str()])))
        .collect();
    let sections = OVER_TCP
        .iter()
        .map(|failure| (*failure, &kinds[..]))
        .chain(through.iter().map(|failure| (&**failure, &tunnelled[..])))
        .chain(own.iter().map(|(failure, kinds)| (*failure, &kinds[..])));
    let (mut text, mut empty) = (String::new(), Vec::new());
    for (failure, kinds) in sections {
        writeln!(text, "{failure}").expect("a string grows");
        for kind in kinds {
            match rows.iter().find(|row| row.cell() == (*kind, failure)).and_then(Row::cause) {
                Some(cause) => writeln!(text, "    {kind:10} {}", cause.as_str()).expect("a string grows"),
                None => empty.push(format!("{kind} / {failure}")),
            }
        }
    }
    (text, empty)
}

#[test]
fn every_cause_has_been_seen_and_the_table_is_printed() {
    let real = crate::probe_postgres::rows();
    let rows: Vec<Row> = [
        crate::probe_auth::rows(),
        crate::probe_dns::rows(),
        crate::probe_cloudsql::rows(),
        crate::probe_cloudsql::rows_of_the_network(),
        crate::probe_database::rows(),
        crate::probe_tcp::rows(),
        crate::probe_tls::rows(),
        crate::probe_token::rows(),
        crate::probe_http::rows(),
        crate::probe_http_real::rows(),
        crate::probe_websocket::rows(),
        crate::probe_websocket_hostile::rows(),
        crate::probe_mysql::rows(),
        crate::probe_mysql_hostile::rows(),
        crate::probe_mysql_netns::rows(),
        crate::probe_postgres_hostile::rows(),
        crate::probe_tcp_steps::rows(),
        crate::probe_redis_hostile::rows(),
        crate::probe_redis::rows(),
        crate::probe_sqlserver::rows(),
        crate::probe_sqlserver_hostile::rows(),
        crate::probe_grpc::rows(),
        crate::probe_grpc_hostile::rows(),
        crate::probe_journey::rows(),
        real,
        crate::probe_load::rows(),
        crate::probe_netns::rows(),
        crate::safety::rows(),
    ]
    .concat();
    // Written past the test harness's capture: the table is what the tests are read by.
    let _ = writeln!(std::io::stderr(), "\n{} cases\n{}", rows.len(), table(&rows));
    let (matrix, empty) = matrix(&rows);
    let _ = writeln!(std::io::stderr(), "{matrix}\n{}", messages(&rows));
    assert!(empty.is_empty() || real.is_empty() || crate::probe_netns::rows().is_empty(), "empty cells: {empty:?}");
    let seen: BTreeSet<Cause> = rows.iter().filter_map(Row::cause).collect();
    let unseen: Vec<&Cause> = Cause::ALL
        .iter()
        .filter(|cause| !seen.contains(cause) && !NOT_OBSERVED.contains(cause) && !cause.is_of_the_cloud())
        .collect();
    assert!(unseen.is_empty() || real.is_empty(), "no case ends in {unseen:?}");
}
