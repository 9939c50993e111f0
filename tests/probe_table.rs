//! Prints, at the end, what every probe came to: kind, failure, state, cause, stage, how long it took and how long it might.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;

use runready::api::{Cause, Kind};

use crate::support::probe::{Row, table};

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

/// The kinds by the failures, with the cause in each cell. What is empty is named.
fn matrix(rows: &[Row]) -> (String, Vec<String>) {
    let over_tcp = |kind: &&Kind| !matches!(kind, Kind::Dns | Kind::Journey | Kind::Load);
    let (mut text, mut empty) = (String::new(), Vec::new());
    for failure in OVER_TCP {
        writeln!(text, "{failure}").expect("a string grows");
        for kind in Kind::ALL.iter().filter(over_tcp).map(|kind| kind.as_str()) {
            match rows.iter().find(|row| row.cell() == (kind, failure)).and_then(Row::cause) {
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
    let _ = writeln!(std::io::stderr(), "{matrix}");
    assert!(empty.is_empty() || real.is_empty() || crate::probe_netns::rows().is_empty(), "empty cells: {empty:?}");
    let seen: BTreeSet<Cause> = rows.iter().filter_map(Row::cause).collect();
    let unseen: Vec<&Cause> = Cause::ALL
        .iter()
        .filter(|cause| !seen.contains(cause) && !NOT_OBSERVED.contains(cause) && !cause.is_of_the_cloud())
        .collect();
    assert!(unseen.is_empty() || real.is_empty(), "no case ends in {unseen:?}");
}
