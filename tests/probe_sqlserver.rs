//! Tries the `sqlserver` kind against a SQL Server built from MS-TDS: logins and refusals of every sort, queries, TLS within
//! PRELOGIN, secondaries, start-ups and large results.

use std::sync::OnceLock;

use hickory_resolver::proto::op::ResponseCode;
use runready::api::{Cause, Stage};
use runready::evidence::Fact;
use serde_json::{Value, json};

use crate::support::cert::Authority;
use crate::support::cloudsql::{INSTANCE, StandIn};
use crate::support::hostile::Refusing;
use crate::support::hostile::dns::{Answer, Dns};
use crate::support::hostile::tls::Tls;
use crate::support::probe::{Case, Row, try_all};
use crate::support::relay;
use crate::support::tds::{DATABASE, PASSWORD, Tds, USER, token};

/// A case of a server on a port of this host, in plain text.
pub fn at(failure: &str, port: u16) -> Case {
    let probe = json!({"host": "127.0.0.1", "port": port, "database": DATABASE, "user": USER,
        "passwordSecretRef": {"name": "db", "key": "password"}, "tls": {"mode": "Disable"}});
    with_password(Case::new(failure, json!({"sqlserver": probe})), PASSWORD)
}

fn with_password(case: Case, password: &str) -> Case {
    let secret = password.to_owned();
    case.secret("db", &[("password", password)]).look(move |evidence| {
        assert!(!format!("{evidence:?}").contains(&secret), "the password shows");
    })
}

fn to(failure: &str, server: Tds) -> Case {
    let server = server.start();
    at(failure, server.port()).keep(server)
}

/// Every case, tried once per process.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let cases = [logins(), refusals(), queries(), states(), encryption(), certificates(), usage(), connector()];
        try_all(cases.into_iter().flatten().collect())
    })
}

fn logins() -> Vec<Case> {
    let refusing = Refusing::on("127.0.0.1");
    let dns = Dns::serve([("nowhere.test.", Answer::Code(ResponseCode::NXDomain))]);
    vec![
        to("nothing: the login and its query", Tds::new())
            .fact(Fact::Rows, "1")
            .fact(Fact::ServerVersion, "16.0.4105")
            .look(|evidence| {
                let stages: Vec<Stage> = evidence.stages.iter().map(|stage| stage.stage).collect();
                assert_eq!(stages, [Stage::Connect, Stage::Handshake, Stage::Authenticate, Stage::Query]);
            }),
        to("nothing: without a database", Tds::new()).field("sqlserver", "database", Value::Null),
        with_password(to("wrong password", Tds::new()), "wrong horse")
            .fails(Cause::AuthenticationFailed, Stage::Authenticate)
            .fact(Fact::ErrorCode, "18456")
            .says("its own log has the true state"),
        to("an unknown user", Tds::new())
            .field("sqlserver", "user", json!("nobody"))
            .fails(Cause::AuthenticationFailed, Stage::Authenticate)
            .says("Login failed for user 'nobody'."),
        // The server says first that there is no such database, then that the login failed.
        to("an unknown database", Tds::new())
            .field("sqlserver", "database", json!("missing"))
            .fails(Cause::DatabaseNotFound, Stage::Authenticate)
            .fact(Fact::ErrorCode, "4060")
            .says("Cannot open database \"missing\""),
        at("its name does not exist (NXDOMAIN)", 1433)
            .field("sqlserver", "host", json!("nowhere.test"))
            .resolver(&dns)
            .fails(Cause::NameNotFound, Stage::Resolve)
            .keep(dns),
        at("refused", refusing.port()).fails(Cause::ConnectionRefused, Stage::Connect).keep(refusing),
    ]
}

/// What a server answers to a login that it does not let in.
fn refusals() -> Vec<Case> {
    let refuses = |failure: &str, number: u32, state: u8, severity: u8, cause: Cause| {
        to(failure, Tds::new().on_login(token::refusal(number, state, severity, "no")))
            .fails(cause, Stage::Authenticate)
            .fact(Fact::ErrorCode, number.to_string())
    };
    vec![
        refuses("a login that is disabled", 18470, 1, 14, Cause::AccessDenied).says("the login is disabled"),
        refuses("a login that is locked out", 18486, 1, 14, Cause::AccessDenied).says("locked"),
        refuses("a password that has expired", 18487, 1, 14, Cause::AuthenticationFailed).says("has expired"),
        refuses("a password that must be changed", 18488, 1, 14, Cause::AuthenticationFailed),
        refuses("Windows logins alone", 18452, 1, 14, Cause::AuthenticationMethodUnsupported)
            .says("allow SQL Server logins"),
        refuses("a host that no firewall rule lets in", 40615, 1, 14, Cause::AccessDenied),
        refuses("full server", 17809, 1, 16, Cause::TooManyConnections),
        refuses("full server, of Azure's", 10928, 1, 16, Cause::TooManyConnections),
        refuses("starting up", 18401, 1, 14, Cause::ServerStarting),
        refuses("a database that is not available now", 40613, 1, 17, Cause::ServerStarting),
        refuses("shutting down", 6005, 1, 14, Cause::ServerShuttingDown),
        refuses("a service that is busy", 40501, 1, 20, Cause::ServerError),
        refuses("a service that fails", 40197, 1, 16, Cause::ServerError),
        refuses("a secondary that takes no logins", 978, 1, 14, Cause::ReadOnly).says("availability group"),
        refuses("an error that nobody knows", 34567, 1, 16, Cause::ServerError),
        to("sent on to another server", Tds::new().on_login(token::routed("sql-2.internal", 11000)))
            .fails(Cause::UnexpectedResult, Stage::Authenticate)
            .says("sql-2.internal:11000"),
    ]
}

fn queries() -> Vec<Case> {
    let refused = |failure: &str, number: u32, severity: u8, cause: Cause| {
        to(failure, Tds::new().on("SELECT 1", token::refusal(number, 1, severity, "no")))
            .fails(cause, Stage::Query)
            .fact(Fact::ErrorCode, number.to_string())
    };
    let versions = || Tds::new().on("SELECT version", token::text("version", "7 Pferde"));
    let asks = |case: Case, query: &str| case.field("sqlserver", "query", json!(query));
    vec![
        asks(to("nothing: rows as expected", Tds::new().on("SELECT n", token::integers("n", &[1, 2, 3]))), "SELECT n")
            .field("sqlserver", "expectRows", json!(3))
            .fact(Fact::Rows, "3"),
        to("another number of rows", Tds::new())
            .field("sqlserver", "expectRows", json!(8))
            .fails(Cause::UnexpectedResult, Stage::Query)
            .says("returned 1 rows; expectRows is 8"),
        asks(to("nothing: what is asserted of the rows holds", versions()), "SELECT version")
            .with("assert", json!(["rows == 1 && row.version == '7 Pferde'", "has(stages.query)"])),
        asks(to("what is asserted of the rows does not hold", versions()), "SELECT version")
            .with("assert", json!(["row.version == '8'"]))
            .fails(Cause::AssertionFailed, Stage::Assert)
            .says("row.version is \"7 Pferde\""),
        asks(to("a query that is wrong", Tds::new()), "SELEC 1")
            .fails(Cause::QueryFailed, Stage::Query)
            .fact(Fact::ErrorCode, "102")
            .says("Incorrect syntax near 'SELEC'."),
        refused("a table that is not there", 208, 16, Cause::QueryFailed),
        refused("a table that the login may not read", 229, 14, Cause::AccessDenied),
        refused("a lock that another session holds", 1222, 16, Cause::QueryTimeout),
        refused("the victim of a deadlock", 1205, 13, Cause::QueryTimeout),
        refused("read-only, found by a statement that writes", 3906, 16, Cause::ReadOnly),
        refused("a disk that fails", 823, 24, Cause::ServerError),
        to(
            "an error after a row",
            Tds::new().on(
                "SELECT 1",
                [token::integer_column("n"), token::integer(1), token::refusal(1205, 13, 13, "deadlocked")].concat(),
            ),
        )
        .fails(Cause::QueryTimeout, Stage::Query)
        .fact(Fact::ErrorCode, "1205"),
    ]
}

fn states() -> Vec<Case> {
    let writable = |case: Case| case.field("sqlserver", "writable", json!(true));
    vec![
        writable(to("nothing: a primary", Tds::new())),
        writable(to("read-only", Tds::new().read_only()))
            .fails(Cause::ReadOnly, Stage::Query)
            .says("Updateability is READ_ONLY"),
        to("nothing: read-only, and writing is not demanded", Tds::new().read_only()),
    ]
}

/// What the two sides may want of encryption, and what comes of it.
fn encryption() -> Vec<Case> {
    let authority = Authority::new("test authority");
    let tls = || Tls::with(authority.server(&["localhost"])).only_12();
    let mode = |case: Case, mode: &str| case.field("sqlserver", "tls", json!({"mode": mode}));
    vec![
        mode(to("nothing: TLS preferred, and offered", Tds::new().tls(tls())), "Prefer")
            .fact(Fact::TlsVersion, "TLSv1_2"),
        mode(to("nothing: TLS preferred where the server has none", Tds::new()), "Prefer"),
        mode(to("TLS where the server has none", Tds::new()), "Require")
            .fails(Cause::TlsNotOffered, Stage::Handshake)
            .says("ENCRYPT_NOT_SUP"),
        to("nothing: plain text where TLS is offered", Tds::new().tls(tls())),
        to("plain text where the server requires TLS", Tds::new().tls(tls()).forced())
            .fails(Cause::TlsRequired, Stage::Handshake)
            .says("Force Encryption"),
        mode(to("nothing: TLS that the server requires", Tds::new().tls(tls()).forced()), "Require"),
    ]
}

fn certificates() -> Vec<Case> {
    let (authority, other) = (Authority::new("test authority"), Authority::new("another authority"));
    let server = |names: &[&str]| Tls::with(authority.server(names));
    let trusting = |case: Case, name: &str, authority: &Authority| {
        let tls = json!({"mode": "VerifyFull", "serverName": name, "caSecretRef": {"name": "ca"}});
        case.field("sqlserver", "tls", tls).secret("ca", &[("ca.crt", &authority.pem())])
    };
    let good = |failure: &str| to(failure, Tds::new().tls(server(&["localhost"])));
    let expired = Tds::new().tls(Tls::with(authority.expired(&["localhost"])));
    let payload = |case: Case| case.field("sqlserver", "payloadBytes", json!(1 << 20));
    vec![
        trusting(
            to("nothing: TLS 1.2, verified", Tds::new().tls(server(&["localhost"]).only_12())),
            "localhost",
            &authority,
        )
        .fact(Fact::TlsVersion, "TLSv1_2")
        .look(|evidence| {
            let stages: Vec<Stage> = evidence.stages.iter().map(|stage| stage.stage).collect();
            assert_eq!(stages, [Stage::Connect, Stage::Handshake, Stage::Tls, Stage::Authenticate, Stage::Query]);
        }),
        trusting(good("nothing: TLS 1.3, verified"), "localhost", &authority).fact(Fact::TlsVersion, "TLSv1_3"),
        payload(trusting(good("nothing: a result of 1 MiB within TLS"), "localhost", &authority))
            .fact(Fact::PayloadBytes, "1048576"),
        trusting(with_password(good("a wrong password, within TLS"), "wrong horse"), "localhost", &authority)
            .fails(Cause::AuthenticationFailed, Stage::Authenticate),
        trusting(good("a certificate of another name"), "db.example", &authority)
            .fails(Cause::CertificateNameMismatch, Stage::Tls),
        trusting(good("a certificate of an unknown issuer"), "localhost", &other)
            .fails(Cause::CertificateUntrusted, Stage::Tls),
        trusting(to("an expired certificate", expired), "localhost", &authority)
            .fails(Cause::CertificateExpired, Stage::Tls),
    ]
}

fn usage() -> Vec<Case> {
    let pooled = |case: Case, connections: u16| case.field("sqlserver", "connections", json!(connections));
    let payload = |bytes: u32| {
        to(&format!("nothing: a result of {bytes} bytes"), Tds::new())
            .field("sqlserver", "payloadBytes", json!(bytes))
            .fact(Fact::PayloadBytes, bytes.to_string())
    };
    let behind = Tds::new().start();
    let stops = relay::first_stops(behind.port(), 20_000);
    vec![
        pooled(to("nothing: 10 connections, initialised", Tds::new()), 10)
            .field("sqlserver", "initQueries", json!(["SET LOCK_TIMEOUT 1000", "SELECT 1"]))
            .startup_budget(10_000)
            .fact(Fact::ConnectionsUsable, "10 of 10"),
        pooled(to("a server with two connections left, and four are wanted", Tds::new().capacity(2)), 4)
            .fails(Cause::TooManyConnections, Stage::Authenticate)
            .fact(Fact::ErrorCode, "10928"),
        to("an initQuery that is wrong", Tds::new())
            .field("sqlserver", "initQueries", json!(["SELECT 1", "SELEC 1"]))
            .fails(Cause::QueryFailed, Stage::Initialize)
            .fact(Fact::ErrorCode, "102")
            .says("initQueries[1]: initialising a connection to sqlserver://"),
        payload(1024),
        payload(65_537),
        payload(16 << 20),
        at("a result that stops on one connection alone", stops.port())
            .field("sqlserver", "payloadBytes", json!(1 << 20))
            .fails(Cause::QueryTimeout, Stage::Payload)
            .stage_timeout(Stage::Payload, 2000)
            .says("this one's session hangs")
            .keep((stops, behind)),
    ]
}

/// Through the proxy that stands before an instance of Cloud SQL.
fn connector() -> Vec<Case> {
    let instance = |failure: &str, version: &str, server: Tds| {
        let (api, server) = (StandIn::start(version), server.start());
        let proxy = api.proxy(server.port());
        let probe = json!({"cloudSql": {"instance": INSTANCE}, "database": DATABASE, "user": USER,
            "passwordSecretRef": {"name": "db", "key": "password"}});
        let case = Case::new(failure, json!({"sqlserver": probe})).cloud_sql(&api.connector());
        with_password(case, PASSWORD).keep((api, proxy, server))
    };
    let sqlserver = "SQLSERVER_2022_STANDARD";
    vec![
        instance("nothing: through the connector", sqlserver, Tds::new())
            .field("sqlserver", "writable", json!(true))
            .fact(Fact::Rows, "1"),
        with_password(instance("a wrong password, through the connector", sqlserver, Tds::new()), "wrong horse")
            .fails(Cause::AuthenticationFailed, Stage::Authenticate),
        instance("an instance of another engine, for sqlserver", "POSTGRES_17", Tds::new())
            .fails(Cause::ProtocolMismatch, Stage::Settings)
            .says("is a POSTGRES_17, and the probe speaks sqlserver"),
    ]
}

#[test]
fn each_answer_of_a_sql_server_has_its_cause() {
    assert!(rows().len() > 50);
}
