//! Tries the way through Cloud SQL's connector against a stand-in for Google's Admin API and a mutual-TLS proxy before a real
//! PostgreSQL: each of the connector's failures has its own cause, and the API is asked no more than it must be.

mod api;
mod instance;
mod kept;
mod network;

use std::sync::OnceLock;

use runready::api::{Cause, Stage};
use runready::evidence::{Evidence, Fact};
use runready::plan::Secrets;
use runready::plan::secrets::Lookup;
use runready::probe::{Connector, Vantage, observe_check};
use secrecy::SecretSlice;
use serde_json::{Value, json};

use crate::support::cloudsql::{INSTANCE, Script, StandIn};
use crate::support::mariadb;
use crate::support::postgres::DATABASE;
use crate::support::probe::{Case, Row, plan, runtime, try_all, vantage};
use crate::support::tds;

/// What the engine of the probes in most cases calls itself.
const POSTGRES: &str = version("postgres");
/// The kinds that go through the tunnel.
pub const KINDS: [&str; 3] = ["postgres", "mysql", "sqlserver"];
/// What comes before a failure's name, of those that any kind can have, where it is done to the tunnel.
pub const THROUGH: &str = "through cloudSql: ";

/// Every case, tried once per process.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let mut cases: Vec<Case> = api::cases().into_iter().chain(instance::cases()).collect();
        // Each has a client of its own, which reads the system's CA certificates: a few at a time, or they would delay each other.
        let mut rows = Vec::new();
        while !cases.is_empty() {
            rows.extend(try_all(cases.drain(..cases.len().min(6)).collect()));
        }
        rows
    })
}

/// Every case that needs a network, tried once per process; none where namespaces can't be made.
pub fn rows_of_the_network() -> &'static [Row] {
    network::rows()
}

/// An instance's engine, as its settings name it.
const fn version(kind: &str) -> &'static str {
    match kind.as_bytes() {
        b"mysql" => "MYSQL_8_4",
        b"sqlserver" => "SQLSERVER_2022_STANDARD",
        _ => "POSTGRES_17",
    }
}

/// A probe of that kind of the instance that stand-ins know, as whom the databases of the tests let in.
fn probe_of(kind: &str) -> Value {
    let of_kind = match kind {
        "mysql" => json!({"database": mariadb::DATABASE, "user": "open"}),
        "sqlserver" => json!({
            "database": tds::DATABASE, "user": tds::USER, "passwordSecretRef": {"name": "db", "key": "password"},
        }),
        _ => json!({"database": DATABASE, "user": "app"}),
    };
    let mut probe = json!({kind: of_kind});
    probe[kind]["cloudSql"] = json!({"instance": INSTANCE});
    probe
}

/// A case of that kind, with what is done to the tunnel.
fn case(kind: &str, failure: &str) -> Case {
    Case::new(format!("{THROUGH}{failure}"), probe_of(kind)).secret("db", &[("password", tds::PASSWORD)])
}

fn probe(instance: &str) -> Value {
    json!({"postgres": {"cloudSql": {"instance": instance}, "database": DATABASE, "user": "app"}})
}

/// A probe of the instance that a stand-in knows, after what it answers has been changed.
fn of(failure: &str, change: impl FnOnce(&mut Script)) -> Case {
    let api = StandIn::start(POSTGRES);
    api.script(change);
    Case::new(failure, probe(INSTANCE)).cloud_sql(&api.connector()).keep(api)
}

fn stages(evidence: &Evidence) -> Vec<Stage> {
    evidence.stages.iter().map(|record| record.stage).collect()
}

/// Observes checks of the instance, with one connector for all.
struct Watch {
    runtime: tokio::runtime::Runtime,
    vantage: Vantage,
    plan: runready::plan::CheckPlan,
}

impl Watch {
    fn by(connector: Connector, mut probe: Value) -> Watch {
        probe["name"] = json!("probe");
        let spec = json!({"interval": "1h", "timeout": "15s", "probes": [probe]});
        let vantage = Vantage { cloud_sql: connector, ..vantage(None) };
        let password = SecretSlice::from(tds::PASSWORD.as_bytes().to_vec());
        let mut secrets = Secrets::default();
        secrets.insert("db".to_owned(), Lookup::Found([("password".to_owned(), password)].into()));
        Watch { runtime: runtime(), vantage, plan: plan(spec, &secrets) }
    }

    fn observe(&self) -> Evidence {
        self.runtime.block_on(observe_check(&self.plan, &self.vantage)).remove(0)
    }

    fn many(&self, count: usize) -> Vec<Evidence> {
        let all = futures::future::join_all((0..count).map(|_| observe_check(&self.plan, &self.vantage)));
        self.runtime.block_on(all).into_iter().flatten().collect()
    }
}

fn cause(evidence: &Evidence) -> Option<Cause> {
    evidence.outcome.failure().map(|failure| failure.cause)
}

fn cached(evidence: &Evidence) -> bool {
    evidence.facts.iter().any(|(fact, value)| *fact == Fact::CertificateCached && &**value == "true")
}

#[test]
fn the_cases_end_as_they_must() {
    assert!(!rows().is_empty());
}
