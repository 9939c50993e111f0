//! Prints, at the end, what every probe came to: kind, failure, state, cause, stage, how long it took and how long it might.

use std::collections::BTreeSet;
use std::io::Write;

use runready::api::Cause;

use crate::support::probe::{Row, table};

/// Causes that no single observation of a path has: they come of the check's own settings, or of us.
const NOT_OBSERVED: [Cause; 4] =
    [Cause::SecretNotFound, Cause::SecretKeyMissing, Cause::InvalidSpec, Cause::ProberError];

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
        crate::probe_netns::rows(),
        crate::safety::rows(),
    ]
    .concat();
    // Written past the test harness's capture: the table is what the tests are read by.
    let _ = writeln!(std::io::stderr(), "\n{} cases\n{}", rows.len(), table(&rows));
    let seen: BTreeSet<Cause> = rows.iter().filter_map(Row::cause).collect();
    let unseen: Vec<&Cause> =
        Cause::ALL.iter().filter(|cause| !seen.contains(cause) && !NOT_OBSERVED.contains(cause)).collect();
    assert!(unseen.is_empty() || real.is_empty(), "no case ends in {unseen:?}");
}
