//! Tries the `postgres` kind against real servers that refuse for one reason each, that start, recover, are full, or are
//! shut down in the middle of a query.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use runready::api::{Cause, Stage};
use runready::evidence::Fact;
use serde_json::{Value, json};

use crate::support::cert::Authority;
use crate::support::hostile::{Refusing, Silent};
use crate::support::pgsetup::{Auth, Phase, Setup};
use crate::support::postgres::{DATABASE, PASSWORD, Postgres};
use crate::support::probe::{Case, Row, observe, plan, try_all, vantage};
use crate::support::process::Signal;
use crate::support::skip::require;
use crate::support::wait::until;

/// A probe of a place where a server may be, in plain text.
pub fn at(host: &str, port: u16) -> Value {
    json!({"postgres": {"host": host, "port": port, "database": DATABASE, "user": "app", "tls": {"mode": "Disable"}}})
}

fn real(failure: &str, server: &Arc<Postgres>) -> Case {
    let mut probe = at(server.host(), server.port());
    probe["postgres"]["user"] = json!(server.user());
    Case::new(failure, probe).keep(server.clone())
}

/// A case with a password.
pub fn with_password(case: Case, password: &str) -> Case {
    case.field("postgres", "passwordSecretRef", json!({"name": "db", "key": "password"}))
        .secret("db", &[("password", password)])
}

/// Every case against real servers, tried once per process; none where there is no PostgreSQL.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let cases = [credentials, queries, phases, certificates, client_certificates];
        let cases = cases.into_iter().map(|cases| cases()).collect::<Result<Vec<_>, String>>();
        require(cases).map_or_else(Vec::new, |cases| try_all(cases.into_iter().flatten().collect()))
    })
}

fn started(setup: Setup) -> Result<Arc<Postgres>, String> {
    setup.start().map(Arc::new)
}

fn credentials() -> Result<Vec<Case>, String> {
    let (scram, md5) = (started(Setup::plain().auth(Auth::Scram))?, started(Setup::plain().auth(Auth::Md5))?);
    let (trust, reject) = (started(Setup::plain())?, started(Setup::plain().auth(Auth::Reject))?);
    let nobody = || real("an unknown role", &scram).field("postgres", "user", json!("nobody"));
    Ok(vec![
        real("nothing: trust", &trust)
            .fact(Fact::AuthenticationMethod, "trust")
            .fact(Fact::InRecovery, "false")
            .fact(Fact::Rows, "1")
            .look(|evidence| {
                let version = evidence.facts.iter().find(|(fact, _)| *fact == Fact::ServerVersion);
                assert!(version.is_some_and(|(_, version)| version.starts_with(|first: char| first.is_ascii_digit())));
                let stages: Vec<Stage> = evidence.stages.iter().map(|stage| stage.stage).collect();
                assert_eq!(stages, [Stage::Connect, Stage::Handshake, Stage::Authenticate, Stage::Query]);
            }),
        with_password(real("nothing: SCRAM", &scram), PASSWORD).fact(Fact::AuthenticationMethod, "scram-sha-256"),
        with_password(real("nothing: md5", &md5), PASSWORD).fact(Fact::AuthenticationMethod, "md5"),
        with_password(real("a wrong password, SCRAM", &scram), "wrong")
            .fails(Cause::AuthenticationFailed, Stage::Authenticate)
            .fact(Fact::Sqlstate, "28P01"),
        with_password(real("a wrong password, md5", &md5), "wrong")
            .fails(Cause::AuthenticationFailed, Stage::Authenticate),
        real("no password given, SCRAM", &scram)
            .fails(Cause::AuthenticationMethodUnsupported, Stage::Authenticate)
            .says("set passwordSecretRef"),
        real("no password given, md5", &md5).fails(Cause::AuthenticationMethodUnsupported, Stage::Authenticate),
        with_password(nobody(), PASSWORD).fails(Cause::AuthenticationFailed, Stage::Authenticate),
        real("an unknown role, trusted", &trust)
            .field("postgres", "user", json!("nobody"))
            .fails(Cause::AccessDenied, Stage::Authenticate)
            .fact(Fact::Sqlstate, "28000"),
        real("an unknown database", &trust)
            .field("postgres", "database", json!("nowhere"))
            .fails(Cause::DatabaseNotFound, Stage::Authenticate)
            .fact(Fact::Sqlstate, "3D000"),
        real("a rule of pg_hba.conf that rejects", &reject)
            .fails(Cause::AccessDenied, Stage::Handshake)
            .or_in(Stage::Authenticate)
            .says("pg_hba.conf rejects"),
    ])
}

fn queries() -> Result<Vec<Case>, String> {
    let server = started(Setup::plain())?;
    server.psql("GRANT CREATE ON SCHEMA public TO app")?;
    server.psql_over_network("", "CREATE TABLE taken AS SELECT 1 AS n")?;
    // A session that holds a lock until the server goes.
    let holder = format!("host={} port={} user=app dbname={DATABASE}", server.host(), server.port());
    let holding = server.session(&holder, "BEGIN; LOCK TABLE taken; SELECT pg_sleep(600)")?;
    until(Duration::from_secs(20), "the lock to be held", || {
        match server.psql("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted")?.as_str() {
            "0" => Err("no lock".to_owned()),
            _ => Ok(()),
        }
    });
    let holding = Arc::new(holding);
    let ask = |failure: &str, query: &str| {
        real(failure, &server).field("postgres", "query", json!(query)).keep(holding.clone())
    };
    Ok(vec![
        ask("nothing: rows as expected", "SELECT generate_series(1, 7)")
            .field("postgres", "expectRows", json!(7))
            .fact(Fact::Rows, "7"),
        ask(
            "nothing: what is asserted of the rows holds",
            "SELECT n AS version, NULL AS none FROM generate_series(2, 8) n",
        )
        .with("assert", json!(["rows == 7 && int(row.version) == 2 && row.none == null", "has(stages.query)"])),
        ask("what is asserted of the rows does not hold", "SELECT '1' AS version")
            .with("assert", json!(["row.version == '2'"]))
            .fails(Cause::AssertionFailed, Stage::Assert)
            .says("the rule row.version == '2' does not hold; row.version is \"1\""),
        ask("another number of rows", "SELECT generate_series(1, 7)")
            .field("postgres", "expectRows", json!(8))
            .fails(Cause::UnexpectedResult, Stage::Query)
            .says("returned 7 rows; expectRows is 8"),
        ask("a query that is wrong", "SELEC 1").fails(Cause::QueryFailed, Stage::Query).fact(Fact::Sqlstate, "42601"),
        ask("a table that is not there", "SELECT * FROM nowhere")
            .fails(Cause::QueryFailed, Stage::Query)
            .fact(Fact::Sqlstate, "42P01"),
        ask("a table that the role may not read", "SELECT * FROM pg_authid")
            .fails(Cause::AccessDenied, Stage::Query)
            .fact(Fact::Sqlstate, "42501"),
        ask("a slow query", "SELECT pg_sleep(30)")
            .fails(Cause::QueryTimeout, Stage::Query)
            .stage_timeout(Stage::Query, 400),
        ask("a slow query, cut by the whole", "SELECT pg_sleep(30)")
            .fails(Cause::QueryTimeout, Stage::Query)
            .timeout(8000),
        ask("statement_timeout", "SET statement_timeout = '200ms'; SELECT pg_sleep(30)")
            .fails(Cause::QueryTimeout, Stage::Query)
            .fact(Fact::Sqlstate, "57014"),
        ask("a lock that another session holds", "SELECT * FROM taken")
            .fails(Cause::QueryTimeout, Stage::Query)
            .stage_timeout(Stage::Query, 400),
        ask("lock_timeout", "SET lock_timeout = '200ms'; SELECT * FROM taken")
            .fails(Cause::QueryTimeout, Stage::Query)
            .fact(Fact::Sqlstate, "55P03"),
        ask("slower than maxLatency", "SELECT pg_sleep(0.6)")
            .with("maxLatency", json!("500ms"))
            .degraded(Cause::LatencyExceeded, Stage::Query),
        ask("a result of 100 MB", "SELECT repeat('x', 1000000) FROM generate_series(1, 100)")
            .fails(Cause::ResponseTooLarge, Stage::Query),
        ask("nothing: writes are accepted", "SELECT 1").field("postgres", "writable", json!(true)),
    ])
}

fn phases() -> Result<Vec<Case>, String> {
    let replica = started(Setup::plain().phase(Phase::ReadOnly))?;
    let starting = started(Setup::plain().phase(Phase::StartingUp))?;
    let full = started(Setup::plain().max_connections(5))?;
    let held = full.fill_connections();
    let (nobody, silent) = (Refusing::on("127.0.0.1"), Silent::on("127.0.0.1"));
    let read_only = started(Setup::plain())?;
    read_only.psql("ALTER SYSTEM SET default_transaction_read_only = on")?;
    read_only.psql("SELECT pg_reload_conf()")?;
    until(Duration::from_secs(10), "the setting to hold", || {
        match read_only.psql_over_network("", "SHOW default_transaction_read_only")?.as_str() {
            "on" => Ok(()),
            other => Err(other.to_owned()),
        }
    });
    Ok(vec![
        real("nothing: a replica", &replica).fact(Fact::InRecovery, "true"),
        real("a replica, and writes are demanded", &replica)
            .field("postgres", "writable", json!(true))
            .fails(Cause::ReadOnly, Stage::Query)
            .fact(Fact::InRecovery, "true")
            .says("in recovery"),
        real("a write to a replica", &replica)
            .field("postgres", "query", json!("CREATE TABLE t ()"))
            .fails(Cause::ReadOnly, Stage::Query)
            .fact(Fact::Sqlstate, "25006"),
        real("read-only by default, and writes are demanded", &read_only)
            .field("postgres", "writable", json!(true))
            .fails(Cause::ReadOnly, Stage::Query),
        real("it is starting up", &starting)
            .fails(Cause::ServerStarting, Stage::Handshake)
            .or_in(Stage::Authenticate)
            .fact(Fact::Sqlstate, "57P03"),
        real("no connection left", &full)
            .fails(Cause::TooManyConnections, Stage::Authenticate)
            .or_in(Stage::Handshake)
            .fact(Fact::Sqlstate, "53300")
            .keep(held),
        Case::new("nobody listens", at("127.0.0.1", nobody.port()))
            .fails(Cause::ConnectionRefused, Stage::Connect)
            .keep(nobody),
        Case::new("packets dropped", at("127.0.0.1", silent.address().port()))
            .fails(Cause::ConnectTimeout, Stage::Connect)
            .timeout(400)
            .keep(silent),
    ])
}

const MODES: [&str; 5] = ["Disable", "Prefer", "Require", "VerifyCa", "VerifyFull"];

fn in_mode(failure: &str, mode: &str, server: &Arc<Postgres>, authority: &Authority) -> Case {
    let mut tls = json!({"mode": mode, "serverName": "localhost"});
    if mode.starts_with("Verify") {
        tls["caSecretRef"] = json!({"name": "ca"});
    }
    real(&format!("{failure}, {mode}"), server)
        .field("postgres", "tls", tls)
        .secret("ca", &[("ca.crt", &authority.pem())])
}

/// Each certificate in each mode: libpq's table of what each sslmode demands.
fn certificates() -> Result<Vec<Case>, String> {
    let authority = Authority::new("test authority");
    let right = started(Setup::plain().tls(&authority.server(&["localhost"])).tls_only())?;
    let expired = started(Setup::plain().tls(&authority.expired(&["localhost"])))?;
    let misnamed = started(Setup::plain().tls(&authority.server(&["elsewhere.test"])))?;
    let foreign = started(Setup::plain().tls(&Authority::new("another authority").server(&["localhost"])))?;
    let plain = started(Setup::plain())?;
    let mut cases = Vec::new();
    for mode in MODES {
        let case = |failure: &str, server: &Arc<Postgres>| in_mode(failure, mode, server, &authority);
        let tls = case("TLS alone is served", &right);
        cases.push(match mode {
            "Disable" => tls.fails(Cause::AccessDenied, Stage::Handshake).or_in(Stage::Authenticate),
            _ => tls.fact(Fact::TlsVersion, "TLSv1_3").fact(Fact::CertificateSubject, "CN=localhost"),
        });
        let none = case("TLS is not offered", &plain);
        cases.push(match mode {
            "Disable" | "Prefer" => none,
            _ => none.fails(Cause::TlsNotOffered, Stage::Tls),
        });
        let verifies = matches!(mode, "VerifyCa" | "VerifyFull");
        let failing = |case: Case, when: bool, cause: Cause| if when { case.fails(cause, Stage::Tls) } else { case };
        cases.push(failing(case("an expired certificate", &expired), verifies, Cause::CertificateExpired));
        cases.push(failing(case("a foreign certificate", &foreign), verifies, Cause::CertificateUntrusted));
        let full = mode == "VerifyFull";
        cases.push(failing(case("a certificate for another name", &misnamed), full, Cause::CertificateNameMismatch));
    }
    Ok(cases)
}

fn client_certificates() -> Result<Vec<Case>, String> {
    let authority = Authority::new("test authority");
    let setup = Setup::plain().tls(&authority.server(&["localhost"])).client_certificates(&authority);
    let server = started(setup)?;
    let case = |failure: &str| in_mode(failure, "VerifyFull", &server, &authority);
    let given = |failure: &str, issued: crate::support::cert::Issued| {
        let tls = json!({"mode": "Require", "clientCertSecretRef": {"name": "client"}});
        case(failure)
            .field("postgres", "tls", tls)
            .secret("client", &[("tls.crt", &issued.cert), ("tls.key", &issued.key)])
    };
    Ok(vec![
        case("a client certificate is demanded")
            .fails(Cause::ClientCertificateRequired, Stage::Handshake)
            .or_in(Stage::Authenticate),
        given("nothing: a client certificate", authority.client("app", None)),
        given("a client certificate of another user", authority.client("someone", None))
            .fails(Cause::AccessDenied, Stage::Authenticate)
            .or_in(Stage::Handshake),
        given("a client certificate by another authority", Authority::new("another authority").client("app", None))
            .fails(Cause::ClientCertificateRequired, Stage::Tls)
            .or_in(Stage::Handshake),
    ])
}

#[test]
fn each_refusal_of_a_real_server_has_its_cause() {
    let rows = rows().len();
    assert!(rows == 0 || rows > 55, "{rows}");
}

/// Runs a probe that sleeps in its query, does something to the server meanwhile, and returns what came of it.
fn interrupted(server: &Postgres, meanwhile: impl FnOnce()) -> (Cause, Stage, String) {
    let mut probe = at(server.host(), server.port());
    probe["name"] = json!("sleep");
    probe["postgres"]["query"] = json!("SELECT pg_sleep(600)");
    let plan = plan(json!({"interval": "1m", "timeout": "30s", "probes": [probe]}), &Default::default());
    // A session that is leaving has a last query, too.
    let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'";
    let evidence = std::thread::scope(|scope| {
        let probing = scope.spawn(|| observe(&plan, &vantage(None)));
        until(Duration::from_secs(20), "the query to run", || match server.psql(running)?.as_str() {
            "0" => Err("no query".to_owned()),
            _ => Ok(()),
        });
        meanwhile();
        probing.join().expect("the probe")
    });
    let failure = evidence[0].outcome.failure().expect("a failure");
    (failure.cause, failure.stage.expect("a stage"), failure.message.to_string())
}

#[test]
fn a_session_that_is_ended_or_shut_down_says_so() {
    let Some(server) = require(Setup::plain().start()) else { return };
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'";
    let (cause, stage, message) = interrupted(&server, || _ = server.psql(terminate).expect("the superuser may"));
    assert_eq!((cause, stage), (Cause::ServerShuttingDown, Stage::Query), "terminated: {message}");
    let cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'";
    let (cause, stage, message) = interrupted(&server, || _ = server.psql(cancel).expect("the superuser may"));
    assert_eq!((cause, stage), (Cause::QueryTimeout, Stage::Query), "cancelled: {message}");
    let (cause, stage, message) = interrupted(&server, || server.stop_by(Signal::Int));
    assert_eq!((cause, stage), (Cause::ServerShuttingDown, Stage::Query), "a fast shutdown: {message}");
    server.start();
    let (cause, stage, message) = interrupted(&server, || server.stop_by(Signal::Quit));
    assert_eq!((cause, stage), (Cause::ServerShuttingDown, Stage::Query), "an immediate shutdown: {message}");
}

#[test]
fn a_server_that_waits_for_its_last_session_is_shutting_down() {
    let Some(server) = require(Setup::plain().start()) else { return };
    let session = format!("host={} port={} user=app dbname={DATABASE}", server.host(), server.port());
    let _session = server.session(&session, "SELECT pg_sleep(600)").expect("a session");
    until(Duration::from_secs(20), "the session", || {
        match server.psql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'")?.as_str() {
            "0" => Err("no session".to_owned()),
            _ => Ok(()),
        }
    });
    server.signal(Signal::Term);
    let mut probe = at(server.host(), server.port());
    probe["name"] = json!("late");
    let plan = plan(json!({"probes": [probe]}), &Default::default());
    until(Duration::from_secs(20), "the shutdown to be told", || {
        let evidence = observe(&plan, &vantage(None));
        match evidence[0].outcome.failure() {
            Some(failure) if failure.cause == Cause::ServerShuttingDown => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}
