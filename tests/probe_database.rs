//! Tries what the probes of all databases have in common against real servers: Unix sockets, start-ups of many connections
//! against a budget, large results.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use runready::api::{Cause, Stage};
use runready::evidence::{Evidence, Fact};
use runready::probe::net::targets::Rules;
use rustix::fs::Uid;
use rustix::thread::set_thread_res_uid;
use serde_json::{Value, json};

use crate::probe_postgres::{at, with_password};
use crate::support::cert::Authority;
use crate::support::hostile::postgres::{data_row, let_in, message, ready, row_description};
use crate::support::hostile::{Server, Step};
use crate::support::pgsetup::{Auth, Setup};
use crate::support::postgres::{DATABASE, PASSWORD, Postgres};
use crate::support::probe::{Case, Row, try_all};
use crate::support::skip::require;
use crate::support::{relay, scratch};

/// Every case, tried once per process.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let mut cases = broken_sockets();
        cases.extend(hanging());
        if let Some(server) = require(Setup::plain().max_connections(60).start()).map(Arc::new) {
            cases.extend([over_sockets(&server), startups(&server), payloads(&server)].into_iter().flatten());
        }
        let mut rows = try_all(cases);
        rows.extend(forbidden_sockets());
        rows
    })
}

/// Sockets of the tests are in temporary directories.
fn rules() -> Rules {
    Rules { sockets: vec![std::env::temp_dir()], ..Rules::default() }
}

/// A probe over a socket, or the directory that it is in.
fn through(failure: &str, socket: &Path) -> Case {
    let probe: Value = json!({"socket": socket.to_str().expect("UTF-8"), "database": DATABASE, "user": "app"});
    Case::new(failure, json!({"postgres": probe})).rules(rules())
}

fn over_sockets(server: &Arc<Postgres>) -> Vec<Case> {
    let (directory, port) = (server.socket_dir(), server.port());
    let itself = directory.join(format!(".s.PGSQL.{port}"));
    let in_order = |evidence: &Evidence| {
        let stages: Vec<Stage> = evidence.stages.iter().map(|record| record.stage).collect();
        assert_eq!(stages, [Stage::Connect, Stage::Handshake, Stage::Authenticate, Stage::Query]);
        assert!(evidence.addresses.is_empty(), "a path is no address: {evidence:?}");
    };
    vec![
        through("nothing: the directory of a socket", directory)
            .field("postgres", "port", json!(port))
            .look(in_order)
            .keep(server.clone()),
        through("nothing: a socket itself", &itself).look(in_order).keep(server.clone()),
        through("a socket of another port", directory)
            .field("postgres", "port", json!(1))
            .fails(Cause::SocketNotFound, Stage::Connect)
            .says(format!("has no .s.PGSQL.1; it has .s.PGSQL.{port}"))
            .keep(server.clone()),
        Case::new(
            "a socket outside of what is allowed",
            json!({"postgres": {"socket": directory, "database": "d", "user": "u"}}),
        )
        .refused(Stage::Connect)
        .says("is not below /cloudsql"),
    ]
}

fn broken_sockets() -> Vec<Case> {
    let directory = Arc::new(scratch::dir("sockets"));
    let at = |name: &str| directory.path().join(name);
    let (mounted, empty) = (at("cloudsql"), at("empty"));
    std::fs::create_dir_all(mounted.join("p:r:other")).expect("a directory");
    std::fs::create_dir(&empty).expect("a directory");
    std::fs::write(at("file"), "").expect("a file");
    drop(UnixListener::bind(at("abandoned")).expect("a socket"));
    let full = UnixListener::bind(at("full")).expect("a socket");
    rustix::net::listen(&full, 0).expect("our own socket");
    let queue: Vec<UnixStream> = fill(&at("full"));
    let silent = UnixListener::bind(at("silent")).expect("a socket");
    vec![
        through("a socket of an instance that is not mounted", &mounted.join("p:r:instance"))
            .fails(Cause::SocketNotFound, Stage::Connect)
            .says("/cloudsql has no p:r:instance; it has p:r:other"),
        through("a socket where nothing is mounted", &at("nothing").join("p:r:instance"))
            .fails(Cause::SocketNotFound, Stage::Connect)
            .says("has no nothing; it has abandoned, cloudsql, empty"),
        through("a socket in an empty directory", &empty)
            .fails(Cause::SocketNotFound, Stage::Connect)
            .says("is empty: there is no .s.PGSQL.5432"),
        through("a file in place of a socket", &at("file"))
            .fails(Cause::SocketNotFound, Stage::Connect)
            .says("it is a regular file, not a socket"),
        through("a path through a file", &at("file").join("below"))
            .fails(Cause::SocketNotFound, Stage::Connect)
            .says("/file is no directory"),
        through("a socket on which nobody listens", &at("abandoned"))
            .fails(Cause::ConnectionRefused, Stage::Connect)
            .says("nobody listens on it"),
        through("a socket whose queue is full", &at("full"))
            .fails(Cause::ConnectionRefused, Stage::Connect)
            .says("its queue of connections is full")
            .keep((full, queue)),
        through("a socket that accepts and hangs", &at("silent"))
            .fails(Cause::HandshakeTimeout, Stage::Handshake)
            .stage_timeout(Stage::Handshake, 300)
            .keep((silent, directory.clone())),
    ]
}

/// Connections until the socket takes no more.
fn fill(path: &Path) -> Vec<UnixStream> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
    let open = || {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, None).ok()?;
        connect(&socket, &SocketAddrUnix::new(path).ok()?).ok().map(|()| UnixStream::from(socket))
    };
    std::iter::from_fn(open).take(1000).collect()
}

/// What root may do anyway, seen by somebody else.
fn forbidden_sockets() -> Vec<Row> {
    let root =
        if rustix::process::geteuid().is_root() { Ok(()) } else { Err("root is needed to be another user".to_owned()) };
    if require(root).is_none() {
        return Vec::new();
    }
    let directory = scratch::dir("forbidden");
    let (open, closed) = (directory.path().join("open"), directory.path().join("closed"));
    let allow = |path: &Path, mode| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("our own file");
    };
    allow(directory.path(), 0o755);
    let mut listeners = Vec::new();
    for (place, mode) in [(&open, 0o755), (&closed, 0o700)] {
        std::fs::create_dir(place).expect("a directory");
        listeners.push(UnixListener::bind(place.join("socket")).expect("a socket"));
        allow(&place.join("socket"), 0o600);
        allow(place, mode);
    }
    let nobody = Uid::from_raw(65534);
    let cases = vec![
        through("a socket that the user may not write to", &open.join("socket"))
            .fails(Cause::SocketPermissionDenied, Stage::Connect)
            .says("user 65534 may not write to it: it belongs to user 0, group 0, with mode 0600"),
        through("a socket in a directory that the user may not search", &closed.join("socket"))
            .fails(Cause::SocketPermissionDenied, Stage::Connect)
            .says("user 65534 may not search"),
    ];
    std::thread::scope(|scope| {
        let as_nobody = scope.spawn(|| {
            // Of this thread alone, and of those that it starts.
            set_thread_res_uid(nobody, nobody, nobody).expect("root may be anybody");
            try_all(cases)
        });
        as_nobody.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A start-up of that many connections.
fn startup(failure: &str, port: u16, connections: u16) -> Case {
    Case::new(failure, at("127.0.0.1", port)).field("postgres", "connections", json!(connections))
}

fn startups(server: &Arc<Postgres>) -> Vec<Case> {
    let port = server.port();
    let throttled = |failure: &str, connections, at_once, millis| {
        let relay = relay::throttled(port, at_once, Duration::from_millis(millis));
        startup(failure, relay.port(), connections).keep(relay).keep(server.clone())
    };
    let mut cases = vec![
        startup("nothing: 10 connections, initialised", port, 10)
            .field("postgres", "initQueries", json!(["SET search_path = public", "SELECT 1"]))
            .startup_budget(15_000)
            .fact(Fact::ConnectionsUsable, "10 of 10")
            .look(|evidence| {
                let stages: Vec<Stage> = evidence.stages.iter().map(|record| record.stage).collect();
                use Stage::{Authenticate, Connect, Handshake, Initialize, Query};
                assert_eq!(stages, [Connect, Handshake, Authenticate, Initialize, Query], "those of the slowest");
            }),
        Case::new("nothing: one connection, initialised", at("127.0.0.1", port))
            .field("postgres", "initQueries", json!(["CREATE TEMP TABLE t AS SELECT 7 AS n"]))
            .field("postgres", "query", json!("SELECT n FROM t"))
            .fact(Fact::Rows, "1"),
        Case::new("an initQuery that is wrong", at("127.0.0.1", port))
            .field("postgres", "initQueries", json!(["SELECT 1", "SELEC 1"]))
            .fails(Cause::QueryFailed, Stage::Initialize)
            .fact(Fact::Sqlstate, "42601")
            .says("initQueries[1]: initialising a connection to postgres://"),
        startup("an initQuery that hangs", port, 3)
            .field("postgres", "initQueries", json!(["SELECT pg_sleep(30)"]))
            .fails(Cause::QueryTimeout, Stage::Initialize)
            .stage_timeout(Stage::Initialize, 400)
            .says(" of 3: initQueries[0] at postgres://")
            .says("0 of 3 were usable, 2 more failed"),
        throttled("a server that brings up one connection a second, 40 in 20 s", 40, 1, 1000)
            .timeout(25_000)
            .startup_budget(20_000)
            .fails(Cause::StartupBudgetExceeded, Stage::Handshake)
            .says("of 40 connections were usable after 20s; at this rate (1.0s each) all 40 need about 4")
            .says("s; startupBudget is 20s"),
        throttled("nothing: five connections a second, 40 in 20 s", 40, 5, 1000)
            .timeout(25_000)
            .startup_budget(20_000)
            .fact(Fact::ConnectionsUsable, "40 of 40")
            .look(|evidence| {
                let took = evidence.until_usable();
                assert!((7.9..12.0).contains(&took.as_secs_f64()), "8 groups of a second each: {took:?}");
            }),
        throttled("a server that brings up none within the budget", 4, 1, 60_000)
            .startup_budget(1000)
            .fails(Cause::HandshakeTimeout, Stage::Handshake)
            .says("0 of 4 connections were usable after 1s; startupBudget is 1s; connection 1 of 4: logging in to"),
        throttled("a timeout before the budget", 10, 1, 700)
            .timeout(2500)
            .startup_budget(35_000)
            .fails(Cause::HandshakeTimeout, Stage::Handshake)
            .says("before startupBudget (35s): raise timeout to see whether that holds"),
    ];
    cases.extend(full());
    cases.extend(secured());
    cases
}

/// More connections than the server has.
fn full() -> Option<Case> {
    let server = require(Setup::plain().max_connections(5).none_reserved().start())?;
    let case = startup("more connections than the server has", server.port(), 12)
        .fails(Cause::TooManyConnections, Stage::Authenticate)
        .or_in(Stage::Handshake)
        .fact(Fact::Sqlstate, "53300")
        .says("of 12: logging in to postgres://")
        .says("of 12 were usable, ")
        .look(|evidence| {
            let usable = evidence.facts.iter().find(|(fact, _)| *fact == Fact::ConnectionsUsable);
            assert!(usable.is_some_and(|(_, count)| matches!(&**count, "4 of 12" | "5 of 12")), "{evidence:?}");
        });
    Some(case.keep(server))
}

/// All at once: passwords to prove, TLS, statements, and a large result at the end.
fn secured() -> Option<Case> {
    let authority = Authority::new("test authority");
    let setup = Setup::plain().auth(Auth::Scram).tls(&authority.server(&["localhost"])).tls_only().max_connections(60);
    let server = require(setup.start())?;
    let case = startup("nothing: 40 connections with SCRAM within TLS", server.port(), 40)
        .field(
            "postgres",
            "tls",
            json!({"mode": "VerifyFull", "serverName": "localhost", "caSecretRef": {"name": "ca"}}),
        )
        .secret("ca", &[("ca.crt", &authority.pem())])
        .field("postgres", "initQueries", json!(["SET search_path = public"]))
        .field("postgres", "payloadBytes", json!(1 << 20))
        .startup_budget(15_000)
        .fact(Fact::ConnectionsUsable, "40 of 40")
        .fact(Fact::AuthenticationMethod, "scram-sha-256")
        .fact(Fact::TlsVersion, "TLSv1_3")
        .fact(Fact::PayloadBytes, "1048576");
    Some(with_password(case, PASSWORD).keep(server))
}

fn payloads(server: &Arc<Postgres>) -> Vec<Case> {
    let fetching = |failure: &str, port: u16, bytes: u32| {
        Case::new(failure, at("127.0.0.1", port)).field("postgres", "payloadBytes", json!(bytes)).keep(server.clone())
    };
    let relay = relay::first_stops(server.port(), 20_000);
    vec![
        fetching("nothing: a result of 1 KiB", server.port(), 1024).fact(Fact::PayloadBytes, "1024"),
        fetching("nothing: a result of an odd size", server.port(), 65_537).fact(Fact::PayloadBytes, "65537"),
        fetching("nothing: a result of 16 MiB", server.port(), 16 << 20).fact(Fact::PayloadBytes, "16777216"),
        fetching("nothing: a result of 1 MiB after a start-up", server.port(), 1 << 20)
            .field("postgres", "connections", json!(4))
            .fact(Fact::ConnectionsUsable, "4 of 4")
            .fact(Fact::PayloadBytes, "1048576"),
        fetching("a result that stops on one connection alone", relay.port(), 1 << 20)
            .fails(Cause::QueryTimeout, Stage::Payload)
            .stage_timeout(Stage::Payload, 2000)
            .says("on a second connection 16384 bytes came: this one's session hangs")
            .keep(relay),
    ]
}

/// A server that answers small queries and hangs on the large one, on every connection.
fn hanging() -> Vec<Case> {
    let row = [row_description(), data_row(b"1"), message(b'C', b"SELECT 1\0"), ready()].concat();
    let script = [let_in(), vec![Step::AwaitText("SELECT 1"), Step::Send(row), Step::Hang]].concat();
    let server = Server::play(script);
    vec![
        Case::new("a server that hangs on a large result", at("127.0.0.1", server.port()))
            .field("postgres", "payloadBytes", json!(65536))
            .fails(Cause::QueryTimeout, Stage::Payload)
            .stage_timeout(Stage::Payload, 1500)
            .says("not even 512 bytes came: the server hangs")
            .keep(server),
    ]
}

#[test]
fn what_all_databases_have_in_common_has_its_causes() {
    let rows = rows().len();
    assert!(rows >= 9, "{rows}");
}
