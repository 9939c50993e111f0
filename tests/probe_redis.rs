//! Tries the `redis` kind against real servers that refuse for one reason each: passwords, users, roles, a lost master, a data
//! set that is being loaded, no place left for a client.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use runready::api::{Cause, Stage};
use runready::evidence::Fact;
use serde_json::{Value, json};

use crate::support::cert::Authority;
use crate::support::hostile::dns::Dns;
use crate::support::hostile::{Refusing, Silent};
use crate::support::probe::{Case, Row, try_all};
use crate::support::redis::{PASSWORD, Redis, Setup};
use crate::support::skip::require;
use crate::support::wait::until;

/// A probe of a place where a server may be, in plain text.
pub fn at(host: &str, port: u16) -> Value {
    json!({"redis": {"host": host, "port": port}})
}

fn real(failure: &str, server: &Arc<Redis>) -> Case {
    Case::new(failure, at("127.0.0.1", server.port())).keep(server.clone())
}

/// A case with a password.
pub fn with_password(case: Case, password: &str) -> Case {
    case.field("redis", "passwordSecretRef", json!({"name": "cache", "key": "password"}))
        .secret("cache", &[("password", password)])
        .look(|evidence| assert!(!format!("{evidence:?}").contains("horse"), "{evidence:?}"))
}

/// Every case against real servers, tried once per process; none where there is no Redis.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let cases = [logins, users, roles, states, certificates, usage];
        let cases = cases.into_iter().map(|cases| cases()).collect::<Result<Vec<_>, String>>();
        let mut cases = require(cases).unwrap_or_default().into_iter().flatten().collect::<Vec<_>>();
        cases.extend(paths());
        try_all(cases)
    })
}

fn started(setup: Setup) -> Result<Arc<Redis>, String> {
    setup.start().map(Arc::new)
}

fn paths() -> Vec<Case> {
    let (refusing, silent, dns) = (Refusing::on("127.0.0.1"), Silent::on("127.0.0.1"), Dns::serve([]));
    vec![
        Case::new("refused", at("127.0.0.1", refusing.port()))
            .fails(Cause::ConnectionRefused, Stage::Connect)
            .keep(refusing),
        Case::new("dropped", at("127.0.0.1", silent.address().port()))
            .fails(Cause::ConnectTimeout, Stage::Connect)
            .stage_timeout(Stage::Connect, 300)
            .keep(silent),
        Case::new("unresolvable name", at("nowhere.invalid", 6379))
            .fails(Cause::NameNotFound, Stage::Resolve)
            .resolver(&dns)
            .keep(dns),
    ]
}

fn logins() -> Result<Vec<Case>, String> {
    let (open, closed) = (started(Setup::default())?, started(Setup::default().password())?);
    Ok(vec![
        real("nothing: no password asked for", &open)
            .fact(Fact::Role, "Master")
            .fact(Fact::ConnectedReplicas, "0")
            .with("assert", json!(["role == 'Master' && replicas == 0 && size(version) > 0"]))
            .look(|evidence| {
                let stages: Vec<Stage> = evidence.stages.iter().map(|record| record.stage).collect();
                assert_eq!(stages, [Stage::Connect, Stage::Handshake, Stage::Query, Stage::Assert]);
            }),
        with_password(real("nothing: a password", &closed), PASSWORD).fact(Fact::Role, "Master"),
        with_password(real("wrong password", &closed), "wrong")
            .fails(Cause::AuthenticationFailed, Stage::Authenticate)
            .fact(Fact::ErrorCode, "WRONGPASS"),
        real("no password given", &closed)
            .fails(Cause::AuthenticationMethodUnsupported, Stage::Authenticate)
            .fact(Fact::ErrorCode, "NOAUTH")
            .says("set passwordSecretRef"),
        with_password(real("a password where none is asked for", &open), PASSWORD)
            .fails(Cause::AuthenticationFailed, Stage::Authenticate)
            .says("turn AUTH on, or leave it out"),
        real("a database that there is not", &open)
            .field("redis", "database", json!(99))
            .fails(Cause::DatabaseNotFound, Stage::Query),
        real("nothing: another database", &open).field("redis", "database", json!(3)),
    ])
}

fn users() -> Result<Vec<Case>, String> {
    let user = |name: &str, rights: &str| format!("user {name} on >secret {rights}");
    let setup = Setup::default()
        .line(user("app", "allkeys allcommands"))
        .line(user("ping", "+ping +auth"))
        .line(user("reader", "~* +@read +ping +role +info"))
        .line("user gone off >secret allkeys allcommands");
    let server = started(setup)?;
    let who =
        |failure: &str, user: &str| with_password(real(failure, &server), "secret").field("redis", "user", json!(user));
    Ok(vec![
        who("nothing: an ACL user", "app").field("redis", "roundTrip", json!(true)),
        who("nothing: a user who may only ping", "ping"),
        who("an ACL user who may not ask for the role", "ping")
            .field("redis", "role", json!("Master"))
            .fails(Cause::AccessDenied, Stage::Query)
            .fact(Fact::ErrorCode, "NOPERM"),
        who("an ACL user who may not write", "reader")
            .field("redis", "roundTrip", json!(true))
            .fails(Cause::AccessDenied, Stage::Query),
        who("an unknown ACL user", "nobody").fails(Cause::AuthenticationFailed, Stage::Authenticate),
        who("an ACL user who is off", "gone").fails(Cause::AuthenticationFailed, Stage::Authenticate),
    ])
}

fn roles() -> Result<Vec<Case>, String> {
    let master = started(Setup::default())?;
    let replica = started(Setup::default().line(format!("replicaof 127.0.0.1 {}", master.port())))?;
    until(Duration::from_secs(30), "the replica to follow", || {
        let told = replica.say("INFO replication");
        if told.contains("master_link_status:up") { Ok(()) } else { Err(told) }
    });
    let nobody = Arc::new(Refusing::on("127.0.0.1"));
    let lost = started(Setup::default().line(format!("replicaof 127.0.0.1 {}", nobody.port())))?;
    let mute = started(
        Setup::default().line(format!("replicaof 127.0.0.1 {}", nobody.port())).line("replica-serve-stale-data no"),
    )?;
    let wanting = |case: Case, role: &str| case.field("redis", "role", json!(role));
    Ok(vec![
        wanting(real("nothing: a master, as demanded", &master), "Master")
            .field("redis", "roundTrip", json!(true))
            .fact(Fact::ConnectedReplicas, "1")
            .keep(replica.clone()),
        wanting(real("nothing: a replica, as demanded", &replica), "Replica")
            .fact(Fact::MasterLink, "connected")
            .keep(master.clone()),
        wanting(real("read-only", &replica), "Master")
            .fails(Cause::ReadOnly, Stage::Query)
            .fact(Fact::Role, "Replica")
            .keep(master.clone()),
        real("a round trip on a replica", &replica)
            .field("redis", "roundTrip", json!(true))
            .fails(Cause::ReadOnly, Stage::Query)
            .fact(Fact::ErrorCode, "READONLY")
            .keep(master.clone()),
        wanting(real("a master where a replica is demanded", &master), "Replica")
            .fails(Cause::UnexpectedResult, Stage::Query),
        real("a replica that serves without its master", &lost)
            .degraded(Cause::MasterDown, Stage::Query)
            .says("the link to its master 127.0.0.1:")
            .keep(nobody.clone()),
        real("a replica that serves nothing without its master", &mute)
            .fails(Cause::MasterDown, Stage::Handshake)
            .fact(Fact::ErrorCode, "MASTERDOWN")
            .keep(nobody),
    ])
}

fn states() -> Result<Vec<Case>, String> {
    let loading = Arc::new(Setup::default().start()?.load_forever()?);
    let full = started(Setup::default().line("maxclients 1"))?;
    let hold = until(Duration::from_secs(20), "the one place to be had", || hold(full.port()));
    Ok(vec![
        real("starting up", &loading).fails(Cause::ServerStarting, Stage::Handshake).fact(Fact::ErrorCode, "LOADING"),
        real("full server", &full)
            .fails(Cause::TooManyConnections, Stage::Handshake)
            .says("max number of clients")
            .keep(hold),
    ])
}

/// A connection that is served, and so takes a place.
fn hold(port: u16) -> Result<TcpStream, String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
    stream.write_all(b"PING\r\n").map_err(|error| error.to_string())?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).map_err(|error| error.to_string())?;
    if answer == *b"+PONG\r\n" { Ok(stream) } else { Err(String::from_utf8_lossy(&answer).into_owned()) }
}

fn certificates() -> Result<Vec<Case>, String> {
    let (ours, other) = (Authority::new("test authority"), Authority::new("another authority"));
    let names = ["localhost", "127.0.0.1"];
    let serving = |issued| started(Setup::default().tls(&issued, &ours, false));
    let good = serving(ours.server(&names))?;
    let trusting = |case: Case, authority: &Authority| {
        case.field("redis", "tls", json!({"caSecretRef": {"name": "ca"}})).secret("ca", &[("ca.crt", &authority.pem())])
    };
    let plain = started(Setup::default())?;
    let demanding = started(Setup::default().tls(&ours.server(&names), &ours, true))?;
    let client = ours.client("app", None);
    Ok(vec![
        trusting(real("nothing: TLS", &good), &ours)
            .field("redis", "roundTrip", json!(true))
            .field("redis", "payloadBytes", json!(200_000))
            .fact(Fact::TlsVersion, "TLSv1_3"),
        trusting(real("expired", &serving(ours.expired(&names))?), &ours).fails(Cause::CertificateExpired, Stage::Tls),
        trusting(real("unknown issuer", &good), &other).fails(Cause::CertificateUntrusted, Stage::Tls),
        trusting(real("wrong name", &serving(ours.server(&["elsewhere.test"]))?), &ours)
            .fails(Cause::CertificateNameMismatch, Stage::Tls),
        trusting(real("plain text where TLS was asked", &plain), &ours)
            .fails(Cause::TlsTimeout, Stage::Tls)
            .stage_timeout(Stage::Tls, 400),
        real("TLS where plain text was asked", &good).fails(Cause::ConnectionReset, Stage::Handshake).says("set tls"),
        trusting(real("a client certificate demanded", &demanding), &ours)
            .fails(Cause::ClientCertificateRequired, Stage::Handshake)
            .or_in(Stage::Tls),
        real("nothing: a client certificate", &demanding)
            .field("redis", "tls", json!({"caSecretRef": {"name": "ca"}, "clientCertSecretRef": {"name": "client"}}))
            .secret("ca", &[("ca.crt", &ours.pem())])
            .secret("client", &[("tls.crt", &client.cert), ("tls.key", &client.key)]),
    ])
}

/// What all databases have: start-ups of many connections, commands that initialise them, large results.
fn usage() -> Result<Vec<Case>, String> {
    let server = started(Setup::default())?;
    let small = started(Setup::default().line("maxclients 5"))?;
    let pool = |failure: &str, server: &Arc<Redis>, connections: u16| {
        real(failure, server).field("redis", "connections", json!(connections)).startup_budget(10_000)
    };
    Ok(vec![
        pool("nothing: a start-up of 40 connections", &server, 40)
            .field("redis", "initQueries", json!(["CLIENT SETNAME 'app'", "ECHO 'two words'", "CONFIG GET maxmemory"]))
            .fact(Fact::ConnectionsUsable, "40 of 40"),
        pool("a start-up of more connections than there are", &small, 9)
            .fails(Cause::TooManyConnections, Stage::Handshake)
            .says("of 9"),
        real("a command of initQueries that is refused", &server)
            .field("redis", "initQueries", json!(["CLIENT SETNAME app", "NONSENSE 1"]))
            .fails(Cause::QueryFailed, Stage::Initialize)
            .says("initQueries[1]"),
        real("nothing: a large result", &server)
            .field("redis", "payloadBytes", json!(4_000_000))
            .fact(Fact::PayloadBytes, "4000000"),
    ])
}

#[test]
fn each_refusal_of_a_real_server_has_its_cause() {
    assert!(rows().len() >= 3);
}

#[test]
fn the_round_trip_leaves_nothing_behind() {
    let Some(server) = require(Setup::default().start()).map(Arc::new) else { return };
    assert!(server.say("SET theirs 1").starts_with("+OK"));
    try_all(vec![real("nothing: a round trip", &server).field("redis", "roundTrip", json!(true))]);
    assert_eq!(server.say("KEYS *"), "*1\r\n$6\r\ntheirs\r\n", "the users' key alone");
}
