//! Prints, at the end, what every probe came to: kind, failure, state, cause, stage, how long it took and how long it might.

use std::collections::BTreeSet;
use std::io::Write;

use runready::api::Cause;

use crate::support::probe::{Row, table};
use crate::{
    probe_auth, probe_database, probe_dns, probe_http, probe_http_real, probe_journey, probe_netns, probe_postgres,
    probe_postgres_hostile, probe_tcp, probe_tls, probe_token, probe_websocket, probe_websocket_hostile, safety,
};

/// Causes that no single observation of a path has: they come of the check's own settings, or of us.
const NOT_OBSERVED: [Cause; 4] =
    [Cause::SecretNotFound, Cause::SecretKeyMissing, Cause::InvalidSpec, Cause::ProberError];

#[test]
fn every_cause_has_been_seen_and_the_table_is_printed() {
    let real = probe_postgres::rows();
    let rows: Vec<Row> = [
        probe_auth::rows(),
        probe_dns::rows(),
        probe_database::rows(),
        probe_tcp::rows(),
        probe_tls::rows(),
        probe_token::rows(),
        probe_http::rows(),
        probe_http_real::rows(),
        probe_journey::rows(),
        probe_websocket::rows(),
        probe_websocket_hostile::rows(),
        probe_postgres_hostile::rows(),
        real,
        probe_netns::rows(),
        safety::rows(),
    ]
    .concat();
    // Written past the test harness's capture: the table is what the tests are read by.
    let _ = writeln!(std::io::stderr(), "\n{} cases\n{}", rows.len(), table(&rows));
    let seen: BTreeSet<Cause> = rows.iter().filter_map(Row::cause).collect();
    let unseen: Vec<&Cause> =
        Cause::ALL.iter().filter(|cause| !seen.contains(cause) && !NOT_OBSERVED.contains(cause)).collect();
    assert!(unseen.is_empty() || real.is_empty(), "no case ends in {unseen:?}");
}
