//! Tries the `mysql` kind against real MariaDB servers that refuse for one reason each, that are full, read-only, hold a lock,
//! or speak TLS; over TCP and Unix sockets; at start-up and with large results.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use runready::api::{Cause, Stage};
use runready::evidence::Fact;
use runready::probe::net::targets::Rules;
use serde_json::{Value, json};

use crate::support::cert::Authority;
use crate::support::mariadb::{DATABASE, Mariadb, PASSWORD, Setup};
use crate::support::probe::{Case, Row, try_all};
use crate::support::relay;
use crate::support::skip::require;
use crate::support::wait::until;

/// A probe of a place where a server may be, in plain text.
pub fn at(host: &str, port: u16) -> Value {
    json!({"mysql": {"host": host, "port": port, "database": DATABASE, "user": "open", "tls": {"mode": "Disable"}}})
}

fn real(failure: &str, server: &Arc<Mariadb>) -> Case {
    Case::new(failure, at(server.host(), server.port())).keep(server.clone())
}

/// A case of a user with a password.
pub fn as_user(case: Case, user: &str, password: &str) -> Case {
    case.field("mysql", "user", json!(user))
        .field("mysql", "passwordSecretRef", json!({"name": "db", "key": "password"}))
        .secret("db", &[("password", password)])
}

/// Every case against real servers, tried once per process; none where there is no MariaDB.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let cases = [logins, queries, full, states, certificates, usage];
        let cases = cases.into_iter().map(|cases| cases()).collect::<Result<Vec<_>, String>>();
        require(cases).map_or_else(Vec::new, |cases| try_all(cases.into_iter().flatten().collect()))
    })
}

fn started(setup: Setup) -> Result<Arc<Mariadb>, String> {
    setup.start().map(Arc::new)
}

fn logins() -> Result<Vec<Case>, String> {
    let server = started(Setup::plain())?;
    Ok(vec![
        real("nothing: a user without a password", &server).fact(Fact::Rows, "1").look(|evidence| {
            let version = evidence.facts.iter().find(|(fact, _)| *fact == Fact::ServerVersion);
            assert!(version.is_some_and(|(_, version)| version.contains("MariaDB") && !version.starts_with("5.5.5")));
            let stages: Vec<Stage> = evidence.stages.iter().map(|stage| stage.stage).collect();
            assert_eq!(stages, [Stage::Connect, Stage::Handshake, Stage::Authenticate, Stage::Query]);
        }),
        as_user(real("nothing: mysql_native_password", &server), "app", PASSWORD)
            .fact(Fact::AuthenticationMethod, "mysql_native_password"),
        as_user(real("nothing: without a database", &server), "app", PASSWORD).field("mysql", "database", Value::Null),
        as_user(real("wrong password", &server), "app", "wrong")
            .fails(Cause::AuthenticationFailed, Stage::Authenticate)
            .fact(Fact::MysqlError, "1045")
            .fact(Fact::Sqlstate, "28000")
            .look(|evidence| assert!(!format!("{evidence:?}").contains("wrong"))),
        real("no password given", &server)
            .field("mysql", "user", json!("app"))
            .fails(Cause::AuthenticationFailed, Stage::Authenticate)
            .says("set passwordSecretRef"),
        as_user(real("an unknown user", &server), "nobody", PASSWORD)
            .fails(Cause::AuthenticationFailed, Stage::Authenticate),
        as_user(real("an account that is locked", &server), "locked", PASSWORD)
            .fails(Cause::AccessDenied, Stage::Authenticate),
        as_user(real("an account of another host", &server), "elsewhere", PASSWORD)
            .fails(Cause::AuthenticationFailed, Stage::Authenticate),
        as_user(real("a database that is not there", &server), "app", PASSWORD)
            .field("mysql", "database", json!("missing"))
            .fails(Cause::DatabaseNotFound, Stage::Authenticate)
            .fact(Fact::MysqlError, "1049"),
        as_user(real("an unknown database, for which the user has no right", &server), "app", PASSWORD)
            .field("mysql", "database", json!("nowhere"))
            .fails(Cause::AccessDenied, Stage::Authenticate)
            .fact(Fact::MysqlError, "1044"),
        as_user(real("an account that requires TLS", &server), "sealed", PASSWORD)
            .fails(Cause::AuthenticationFailed, Stage::Authenticate)
            .says("requires TLS refuses with these words, too"),
        real("TLS where the server has none", &server)
            .field("mysql", "tls", json!({"mode": "Require"}))
            .fails(Cause::TlsNotOffered, Stage::Tls),
        real("nothing: TLS preferred where the server has none", &server).field(
            "mysql",
            "tls",
            json!({"mode": "Prefer"}),
        ),
        real("accessed with no right to the database", &server)
            .field("mysql", "database", json!("mysql"))
            .fails(Cause::AccessDenied, Stage::Authenticate),
    ])
}

fn queries() -> Result<Vec<Case>, String> {
    let server = started(Setup::plain())?;
    server.sql("CREATE TABLE app.taken (n INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO app.taken VALUES (1)")?;
    // A session that holds a lock until the server goes.
    let holding = Arc::new(server.session("LOCK TABLE app.taken WRITE; SELECT SLEEP(600)")?);
    until(Duration::from_secs(20), "the lock to be held", || {
        let found =
            server.sql("SELECT COUNT(*) FROM information_schema.processlist WHERE info = 'SELECT SLEEP(600)'")?;
        if found == "1" { Ok(()) } else { Err("no lock".to_owned()) }
    });
    let ask =
        |failure: &str, query: &str| real(failure, &server).field("mysql", "query", json!(query)).keep(holding.clone());
    Ok(vec![
        ask("nothing: rows as expected", "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3")
            .field("mysql", "expectRows", json!(3))
            .fact(Fact::Rows, "3"),
        ask("nothing: what is asserted of the rows holds", "SELECT 2 AS version, NULL AS none UNION SELECT 3, 4")
            .with("assert", json!(["rows == 2 && int(row.version) == 2 && row.none == null", "has(stages.query)"])),
        ask("what is asserted of the rows does not hold", "SELECT '1' AS version")
            .with("assert", json!(["row.version == '2'"]))
            .fails(Cause::AssertionFailed, Stage::Assert)
            .says("row.version is \"1\""),
        ask("another number of rows", "SELECT 1")
            .field("mysql", "expectRows", json!(8))
            .fails(Cause::UnexpectedResult, Stage::Query)
            .says("returned 1 rows; expectRows is 8"),
        ask("a query that is wrong", "SELEC 1").fails(Cause::QueryFailed, Stage::Query).fact(Fact::MysqlError, "1064"),
        ask("a table that is not there", "SELECT * FROM nowhere")
            .fails(Cause::QueryFailed, Stage::Query)
            .fact(Fact::MysqlError, "1146"),
        ask("a table that the user may not read", "SELECT * FROM mysql.global_priv")
            .fails(Cause::AccessDenied, Stage::Query)
            .fact(Fact::MysqlError, "1142"),
        ask("a slow query", "SELECT SLEEP(30)").fails(Cause::QueryTimeout, Stage::Query).stage_timeout(Stage::Query, 400),
        ask("a slow query, cut by the whole", "SELECT SLEEP(30)")
            .fails(Cause::QueryTimeout, Stage::Query)
            .timeout(8000),
        ask("max_statement_time", "SET STATEMENT max_statement_time=0.2 FOR SELECT SLEEP(30) FROM taken")
            .field("mysql", "initQueries", json!(["SET lock_wait_timeout = 30"]))
            .fails(Cause::QueryTimeout, Stage::Query)
            .stage_timeout(Stage::Query, 5000),
        ask("a lock that another session holds", "SELECT * FROM taken")
            .field("mysql", "initQueries", json!(["SET lock_wait_timeout = 1"]))
            .fails(Cause::QueryTimeout, Stage::Query)
            .fact(Fact::MysqlError, "1205"),
        ask("slower than maxLatency", "SELECT SLEEP(0.6)")
            .with("maxLatency", json!("500ms"))
            .degraded(Cause::LatencyExceeded, Stage::Query),
        ask("a result larger than is read", "SELECT REPEAT('x', 15000000) FROM (SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5) AS five")
            .fails(Cause::ResponseTooLarge, Stage::Query),
        ask("a file of ours is asked for", "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE taken")
            .fails(Cause::QueryFailed, Stage::Query),
    ])
}

fn full() -> Result<Vec<Case>, String> {
    let server = started(Setup::plain().option("--max-connections=10"))?;
    let holders: Vec<_> = (0..20).map(|_| server.session("SELECT SLEEP(600)")).collect::<Result<_, _>>()?;
    until(Duration::from_secs(20), "the server to be full", || match server.sql("SELECT 1") {
        Err(said) if said.contains("Too many connections") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let holders = Arc::new(holders);
    let limited = started(Setup::plain())?;
    Ok(vec![
        real("full server", &server)
            .keep(holders)
            .fails(Cause::TooManyConnections, Stage::Handshake)
            .or_in(Stage::Authenticate)
            .fact(Fact::MysqlError, "1040"),
        real("a user who has all connections that are granted", &limited)
            .field("mysql", "user", json!("one"))
            .field("mysql", "database", Value::Null)
            .field("mysql", "connections", json!(4))
            .fails(Cause::TooManyConnections, Stage::Authenticate)
            .fact(Fact::MysqlError, "1226"),
    ])
}

fn states() -> Result<Vec<Case>, String> {
    let (primary, replica) = (started(Setup::plain())?, started(Setup::plain().option("--read-only"))?);
    let stopped = started(Setup::plain())?;
    stopped.stop();
    let writable = |case: Case| case.field("mysql", "writable", json!(true));
    Ok(vec![
        writable(real("nothing: a primary", &primary)).fact(Fact::ReadOnly, "false"),
        writable(real("read-only", &replica))
            .fails(Cause::ReadOnly, Stage::Query)
            .fact(Fact::ReadOnly, "true")
            .says("read_only is set"),
        real("nothing: read-only, and writing is not demanded", &replica),
        real("read-only, found by a statement that writes", &replica)
            .field("mysql", "query", json!("CREATE TABLE t (n INT)"))
            .fails(Cause::ReadOnly, Stage::Query)
            .fact(Fact::MysqlError, "1290"),
        real("stopped", &stopped).fails(Cause::ConnectionRefused, Stage::Connect),
    ])
}

fn certificates() -> Result<Vec<Case>, String> {
    let (authority, other) = (Authority::new("test authority"), Authority::new("another authority"));
    let server = started(Setup::plain().tls(&authority.server(&["localhost"])).client_certificates(&authority))?;
    let strict =
        started(Setup::plain().tls(&authority.server(&["localhost"])).option("--require-secure-transport=ON"))?;
    let expired = started(Setup::plain().tls(&authority.expired(&["localhost"])))?;
    let tls = |case: Case, settings: Value| case.field("mysql", "tls", settings);
    let trusting = |case: Case, name: &str, authority: &Authority| {
        tls(case, json!({"mode": "VerifyFull", "serverName": name, "caSecretRef": {"name": "ca"}}))
            .secret("ca", &[("ca.crt", &authority.pem())])
    };
    let client = authority.client("certified", None);
    let presenting = |case: Case| {
        case.field(
            "mysql",
            "tls",
            json!({"mode": "VerifyFull", "serverName": "localhost", "caSecretRef": {"name": "ca"},
                "clientCertSecretRef": {"name": "client"}}),
        )
        .secret("ca", &[("ca.crt", &authority.pem())])
        .secret("client", &[("tls.crt", &client.cert), ("tls.key", &client.key)])
    };
    Ok(vec![
        trusting(real("nothing: TLS, verified", &server), "localhost", &authority).fact(Fact::TlsVersion, "TLSv1_3"),
        as_user(
            trusting(real("nothing: an account that requires TLS, within it", &server), "localhost", &authority),
            "sealed",
            PASSWORD,
        )
        .field("mysql", "database", Value::Null),
        as_user(presenting(real("nothing: an account that requires a certificate", &server)), "certified", PASSWORD)
            .field("mysql", "database", Value::Null),
        as_user(
            trusting(real("an account that requires a certificate, without one", &server), "localhost", &authority),
            "certified",
            PASSWORD,
        )
        .fails(Cause::AuthenticationFailed, Stage::Authenticate),
        tls(real("nothing: TLS preferred", &server), json!({"mode": "Prefer"})).fact(Fact::TlsVersion, "TLSv1_3"),
        trusting(real("a certificate of another name", &server), "db.example", &authority)
            .fails(Cause::CertificateNameMismatch, Stage::Tls),
        trusting(real("a certificate of an unknown issuer", &server), "localhost", &other)
            .fails(Cause::CertificateUntrusted, Stage::Tls),
        trusting(real("an expired certificate", &expired), "localhost", &authority)
            .fails(Cause::CertificateExpired, Stage::Tls),
        real("plain text where the server requires TLS", &strict)
            .fails(Cause::AuthenticationFailed, Stage::Authenticate)
            .says("a server that requires TLS refuses with these words, too"),
    ])
}

fn usage() -> Result<Vec<Case>, String> {
    let server = started(Setup::plain())?;
    let over_socket = |failure: &str, path: &std::path::Path| {
        let probe = json!({"socket": path.to_str().expect("UTF-8"), "database": DATABASE, "user": "open"});
        Case::new(failure, json!({"mysql": probe}))
            .rules(Rules { sockets: vec![std::env::temp_dir()], ..Rules::default() })
            .keep(server.clone())
    };
    let socket = server.socket();
    let slow = relay::throttled(server.port(), 1, Duration::from_millis(500));
    let stops = relay::first_stops(server.port(), 20_000);
    Ok(vec![
        Case::new("a server that brings up two connections a second, 40 in 5 s", at(server.host(), slow.port()))
            .field("mysql", "connections", json!(40))
            .startup_budget(5000)
            .fails(Cause::StartupBudgetExceeded, Stage::Handshake)
            .says("of 40 connections were usable after 5s; at this rate")
            .keep((slow, server.clone())),
        Case::new("a result that stops on one connection alone", at(server.host(), stops.port()))
            .field("mysql", "payloadBytes", json!(1 << 20))
            .fails(Cause::QueryTimeout, Stage::Payload)
            .stage_timeout(Stage::Payload, 2000)
            .says("on a second connection 16384 bytes came: this one's session hangs")
            .keep((stops, server.clone())),
        over_socket("nothing: a Unix socket", &socket),
        over_socket("a socket that is not there", &socket.with_file_name("other.sock"))
            .fails(Cause::SocketNotFound, Stage::Connect)
            .says("has no other.sock"),
        as_user(over_socket("a wrong password over a Unix socket", &socket), "app", "wrong")
            .fails(Cause::AuthenticationFailed, Stage::Authenticate)
            // Over a socket there is no TLS to set.
            .look(|evidence| assert!(!format!("{evidence:?}").contains("tls.mode"))),
        as_user(real("nothing: 10 connections, initialised", &server), "app", PASSWORD)
            .field("mysql", "connections", json!(10))
            .field("mysql", "initQueries", json!(["SET NAMES utf8mb4", "SELECT 1"]))
            .startup_budget(10_000)
            .fact(Fact::ConnectionsUsable, "10 of 10"),
        real("an initQuery that is wrong", &server)
            .field("mysql", "initQueries", json!(["SELECT 1", "SELEC 1"]))
            .fails(Cause::QueryFailed, Stage::Initialize)
            .fact(Fact::MysqlError, "1064")
            .says("initQueries[1]: initialising a connection to mysql://"),
        real("nothing: a result of 1 KiB", &server)
            .field("mysql", "payloadBytes", json!(1024))
            .fact(Fact::PayloadBytes, "1024"),
        real("nothing: a result of an odd size", &server)
            .field("mysql", "payloadBytes", json!(65_537))
            .fact(Fact::PayloadBytes, "65537"),
        real("nothing: a result of 16 MiB", &server)
            .field("mysql", "payloadBytes", json!(16 << 20))
            .fact(Fact::PayloadBytes, "16777216"),
    ])
}

#[test]
fn every_refusal_of_a_real_server_has_its_cause() {
    assert!(rows().len() > 40 || rows().is_empty());
}
