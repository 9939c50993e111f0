//! The table of cases: which rule is primary where, and where each must not speak. Pure.

use runready::api::{Cause, Confidence, Kind, Layer, ProbeState};
use runready::evidence::Fact;

use super::seen::{Seen, ill, well};
use Confidence::{High, Low, Medium};
use Kind::{Dns, Grpc, Http, Journey, Load, Mysql, Postgres, Redis, Sqlserver, Tcp, Websocket};

/// The database's address.
pub const DB: &str = "10.0.0.1:5432";
/// Another port of the same host.
pub const CACHE: &str = "10.0.0.1:6379";
/// An address in another network.
pub const WEB: &str = "10.9.0.1:443";

/// What is seen; the primary finding's rule, layer and confidence.
pub type Row = (&'static str, Vec<Seen>, &'static str, Layer, Confidence);

pub fn rows() -> Vec<Row> {
    let database = |cause| ill("database", Postgres, DB, cause);
    let web = |cause| ill("web", Http, WEB, cause);
    vec![
        (
            "the Admin API can't be reached",
            vec![database(Cause::CloudSqlApiFailed)],
            "cloudsql/api",
            Layer::Egress,
            Medium,
        ),
        (
            "the Admin API fails",
            vec![database(Cause::CloudSqlApiFailed).telling(Fact::HttpStatus, "503")],
            "cloudsql/api",
            Layer::Region,
            Medium,
        ),
        (
            "the Admin API refuses our account",
            vec![database(Cause::CloudSqlPermissionDenied)],
            "cloudsql/configuration",
            Layer::Application,
            High,
        ),
        (
            "an instance lacks the address asked for",
            vec![database(Cause::CloudSqlAddressMissing)],
            "cloudsql/configuration",
            Layer::Database,
            High,
        ),
        (
            "another server answers at an instance's address",
            vec![database(Cause::CloudSqlIdentityMismatch)],
            "cloudsql/identity",
            Layer::Network,
            High,
        ),
        (
            "no token can be had for one endpoint, and another fails",
            vec![ill("api", Http, "10.9.0.2:443", Cause::TokenFailed), web(Cause::StatusUnexpected)],
            "application/token",
            Layer::Application,
            High,
        ),
        (
            "Cloud Run's instances are full",
            vec![web(Cause::CloudRunThrottled)],
            "cloudrun/instances",
            Layer::CloudRun,
            Medium,
        ),
        (
            "Cloud Run has no instance, and the database is well",
            vec![web(Cause::CloudRunNoInstance), well("database", Postgres, DB)],
            "cloudrun/instances",
            Layer::CloudRun,
            Medium,
        ),
        (
            "Cloud Run's instance fails to start while the database refuses the login",
            vec![web(Cause::CloudRunInstanceFailed), database(Cause::AuthenticationFailed)],
            "application/credentials",
            Layer::Application,
            High,
        ),
        (
            "two addresses are silent, and nothing answers",
            vec![database(Cause::ConnectTimeout), web(Cause::ConnectTimeout)],
            "egress/all-silent",
            Layer::Egress,
            Medium,
        ),
        (
            "the one address there is is silent",
            vec![database(Cause::ConnectTimeout)],
            "network/address-silent",
            Layer::Network,
            Low,
        ),
        (
            "an address is silent while another network answers",
            vec![database(Cause::ConnectTimeout), well("web", Http, WEB)],
            "network/address-silent",
            Layer::Network,
            Medium,
        ),
        (
            "every target behind one address is silent while another network answers",
            vec![
                database(Cause::ConnectTimeout),
                ill("cache", Tcp, CACHE, Cause::ConnectTimeout),
                well("web", Http, WEB),
            ],
            "network/address-silent",
            Layer::Network,
            High,
        ),
        (
            "targets without a common address are silent while another network answers",
            vec![
                database(Cause::ConnectTimeout),
                ill("cache", Tcp, "10.3.0.1:6379", Cause::ConnectTimeout),
                well("web", Http, WEB),
            ],
            "network/targets-silent",
            Layer::Network,
            High,
        ),
        (
            "they are silent, and a DNS server answers",
            vec![
                database(Cause::ConnectTimeout),
                ill("cache", Tcp, "10.3.0.1:6379", Cause::ConnectTimeout),
                well("name", Dns, DB),
            ],
            "network/targets-silent",
            Layer::Network,
            Medium,
        ),
        (
            "a refusal from elsewhere is an answer, too",
            vec![
                database(Cause::ConnectTimeout),
                ill("cache", Tcp, CACHE, Cause::ConnectTimeout),
                web(Cause::ConnectionRefused).optional(),
            ],
            "network/address-silent",
            Layer::Network,
            High,
        ),
        (
            "one port is silent while another of the same host answers",
            vec![database(Cause::ConnectTimeout), well("cache", Tcp, CACHE)],
            "network/address-silent",
            Layer::Network,
            Low,
        ),
        (
            "one of two addresses is dead",
            vec![
                ill("web", Http, WEB, Cause::ConnectTimeout).tried("10.9.0.2:443", None).in_state(ProbeState::Degraded),
            ],
            "network/address-silent",
            Layer::Network,
            Medium,
        ),
        (
            "a vantage without IPv6 does not make two silent addresses of one",
            vec![database(Cause::ConnectTimeout).tried("[2001:db8::1]:5432", Some(Cause::NetworkUnreachable))],
            "network/address-silent",
            Layer::Network,
            Low,
        ),
        ("a router says no", vec![database(Cause::HostUnreachable)], "network/unreachable", Layer::Network, High),
        (
            "large results are lost while small ones pass",
            vec![database(Cause::LargePacketsLost), well("web", Http, WEB)],
            "network/large-packets",
            Layer::Network,
            High,
        ),
        (
            "a server has no socket where it should be",
            vec![database(Cause::SocketNotFound)],
            "server/socket",
            Layer::Application,
            High,
        ),
        (
            "a socket may not be used",
            vec![database(Cause::SocketPermissionDenied)],
            "server/socket",
            Layer::Application,
            High,
        ),
        ("the name is unknown", vec![database(Cause::NameNotFound)], "network/name", Layer::Network, Medium),
        (
            "the database's port refuses while another port of the host answers",
            vec![database(Cause::ConnectionRefused), well("cache", Tcp, CACHE)],
            "server/port-refused",
            Layer::Database,
            High,
        ),
        (
            "an application's port refuses while another port of the host answers",
            vec![ill("web", Http, "10.0.0.1:80", Cause::ConnectionRefused), well("database", Postgres, DB)],
            "server/port-refused",
            Layer::Application,
            High,
        ),
        ("a port refuses", vec![database(Cause::ConnectionRefused)], "server/refused", Layer::Database, Medium),
        ("the database is full", vec![database(Cause::TooManyConnections)], "database/state", Layer::Database, High),
        (
            "the database has blocked our host",
            vec![ill("database", Mysql, "10.0.0.1:3306", Cause::HostBlocked)],
            "database/state",
            Layer::Database,
            High,
        ),
        (
            "a SQL Server is being brought up elsewhere",
            vec![ill("database", Sqlserver, "10.0.0.1:1433", Cause::ServerStarting)],
            "database/state",
            Layer::Database,
            High,
        ),
        (
            "a SQL Server's port refuses while another port of the host answers",
            vec![ill("database", Sqlserver, "10.0.0.1:1433", Cause::ConnectionRefused), well("cache", Tcp, CACHE)],
            "server/port-refused",
            Layer::Database,
            High,
        ),
        ("the database is a replica", vec![database(Cause::ReadOnly)], "database/state", Layer::Database, High),
        (
            "a replica has lost its master",
            vec![ill("cache", Redis, CACHE, Cause::MasterDown), well("database", Postgres, DB)],
            "database/state",
            Layer::Database,
            High,
        ),
        (
            "a replica serves what it has without its master",
            vec![ill("cache", Redis, CACHE, Cause::MasterDown).in_state(ProbeState::Degraded)],
            "database/state",
            Layer::Database,
            High,
        ),
        (
            "the cache's port refuses while the database of the same host answers",
            vec![ill("cache", Redis, CACHE, Cause::ConnectionRefused), well("database", Postgres, DB)],
            "server/port-refused",
            Layer::Database,
            High,
        ),
        (
            "the password is refused behind a healthy path",
            vec![database(Cause::AuthenticationFailed), well("web", Http, WEB)],
            "application/credentials",
            Layer::Application,
            High,
        ),
        (
            "the answer is not as asserted",
            vec![web(Cause::AssertionFailed)],
            "application/answer",
            Layer::Application,
            Medium,
        ),
        (
            "the certificate has expired",
            vec![web(Cause::CertificateExpired)],
            "application/tls",
            Layer::Application,
            High,
        ),
        (
            "the database demands TLS",
            vec![ill("database", Mysql, "10.0.0.1:3306", Cause::TlsRequired)],
            "application/tls",
            Layer::Application,
            High,
        ),
        (
            "the database accepts and says nothing",
            vec![database(Cause::HandshakeTimeout)],
            "server/hangs",
            Layer::Database,
            Medium,
        ),
        (
            "the service accepts and says nothing",
            vec![web(Cause::ResponseTimeout)],
            "server/hangs",
            Layer::Application,
            Medium,
        ),
        ("the connection is cut", vec![database(Cause::ConnectionClosed)], "server/cuts", Layer::Database, Medium),
        (
            "the server says that it does not serve",
            vec![ill("orders", Grpc, WEB, Cause::NotServing)],
            "application/answer",
            Layer::Application,
            High,
        ),
        (
            "the server has no health service",
            vec![ill("orders", Grpc, WEB, Cause::GrpcUnimplemented)],
            "application/answer",
            Layer::Application,
            High,
        ),
        (
            "the server does not know the service",
            vec![ill("orders", Grpc, WEB, Cause::GrpcServiceUnknown)],
            "application/answer",
            Layer::Application,
            High,
        ),
        (
            "the call fails",
            vec![ill("orders", Grpc, WEB, Cause::GrpcFailed)],
            "application/answer",
            Layer::Application,
            Medium,
        ),
        ("the answer is a 404", vec![web(Cause::StatusUnexpected)], "application/answer", Layer::Application, Medium),
        (
            "a WebSocket is refused",
            vec![ill("chat", Websocket, WEB, Cause::UpgradeRefused)],
            "application/answer",
            Layer::Application,
            Medium,
        ),
        (
            "a WebSocket is closed with an internal error",
            vec![ill("chat", Websocket, WEB, Cause::WebSocketClosed).telling(Fact::CloseCode, "1011")],
            "application/answer",
            Layer::Application,
            Medium,
        ),
        (
            "the chat accepts and says nothing",
            vec![ill("chat", Websocket, WEB, Cause::ResponseTimeout)],
            "server/hangs",
            Layer::Application,
            Medium,
        ),
        (
            "a journey's step does not answer with what a later one needs",
            vec![ill("golden-path", Journey, WEB, Cause::CaptureMissing).at_step("login", Http)],
            "application/answer",
            Layer::Application,
            Medium,
        ),
        (
            "a journey's steps are too slow together",
            vec![ill("golden-path", Journey, WEB, Cause::JourneyBudgetExceeded).at_step("chat", Websocket)],
            "latency/too-slow",
            Layer::Application,
            Medium,
        ),
        (
            "the database that a journey looks into refuses, after a step that passed",
            vec![ill("golden-path", Journey, DB, Cause::ConnectionRefused).at_step("row", Postgres)],
            "server/refused",
            Layer::Database,
            Medium,
        ),
        (
            "it works, but slowly",
            vec![database(Cause::LatencyExceeded).in_state(ProbeState::Degraded)],
            "latency/too-slow",
            Layer::Database,
            Medium,
        ),
        (
            "a Secret is missing",
            vec![database(Cause::SecretNotFound).in_state(ProbeState::Unknown)],
            "check/spec",
            Layer::Application,
            High,
        ),
        (
            "the operator's rules keep it from being tried",
            vec![database(Cause::TargetNotAllowed).in_state(ProbeState::Unknown)],
            "check/not-allowed",
            Layer::Prober,
            High,
        ),
        (
            "the check asks for a larger load than the operator allows",
            vec![ill("load", Load, WEB, Cause::LimitExceeded).in_state(ProbeState::Unknown)],
            "check/not-allowed",
            Layer::Prober,
            High,
        ),
        (
            "it answers once, but not under load",
            vec![well("web", Http, WEB), ill("load", Load, WEB, Cause::LoadNotSustained)],
            "load/not-sustained",
            Layer::Application,
            Medium,
        ),
        (
            "it answers under load, but too slowly",
            vec![well("web", Http, WEB), ill("load", Load, WEB, Cause::LoadLatencyExceeded)],
            "load/not-sustained",
            Layer::Application,
            Medium,
        ),
        (
            "we were too slow to load it",
            vec![well("web", Http, WEB), ill("load", Load, WEB, Cause::LoadNotGenerated).in_state(ProbeState::Unknown)],
            "check/prober",
            Layer::Prober,
            High,
        ),
        (
            "we have no sockets left",
            vec![database(Cause::ProberError).in_state(ProbeState::Unknown)],
            "check/prober",
            Layer::Prober,
            High,
        ),
    ]
}

/// Cases close to a rule's own, about which it must not speak.
pub fn silences() -> Vec<(&'static str, &'static str, Vec<Seen>)> {
    let database = |cause| ill("database", Postgres, DB, cause);
    let web = |cause| ill("web", Http, WEB, cause);
    let timeouts = || vec![database(Cause::ConnectTimeout), web(Cause::ConnectTimeout)];
    let with = |mut seen: Vec<Seen>, more: Seen| {
        seen.push(more);
        seen
    };
    vec![
        ("application/token", "the service refuses the token that was had", vec![web(Cause::StatusUnexpected)]),
        ("cloudrun/instances", "the service's own error", vec![web(Cause::StatusUnexpected)]),
        ("cloudsql/api", "the API answers and refuses us", vec![database(Cause::CloudSqlPermissionDenied)]),
        ("cloudsql/configuration", "the API does not answer", vec![database(Cause::CloudSqlApiFailed)]),
        ("cloudsql/identity", "the server's certificate has expired", vec![database(Cause::CertificateExpired)]),
        ("egress/all-silent", "something else answers", with(timeouts(), well("other", Tcp, "10.8.0.1:1"))),
        (
            "egress/all-silent",
            "something else refuses",
            with(timeouts(), ill("other", Tcp, "10.8.0.1:1", Cause::ConnectionRefused)),
        ),
        ("egress/all-silent", "a DNS server answers", with(timeouts(), well("name", Dns, DB))),
        (
            "egress/all-silent",
            "all addresses are of one host",
            vec![
                database(Cause::ConnectTimeout).tried("10.0.0.2:5432", Some(Cause::ConnectTimeout)),
                ill("cache", Tcp, CACHE, Cause::ConnectTimeout).tried("10.0.0.2:6379", Some(Cause::ConnectTimeout)),
            ],
        ),
        ("egress/all-silent", "there is one address only", vec![database(Cause::ConnectTimeout)]),
        ("network/targets-silent", "nothing else answers", timeouts()),
        (
            "network/targets-silent",
            "the others are ports of the same host",
            vec![
                database(Cause::ConnectTimeout),
                ill("cache", Tcp, CACHE, Cause::ConnectTimeout),
                well("other", Tcp, "10.8.0.1:1"),
            ],
        ),
        (
            "network/targets-silent",
            "another port of one of the hosts is open",
            vec![database(Cause::ConnectTimeout), web(Cause::ConnectTimeout), well("cache", Tcp, CACHE)],
        ),
        ("network/address-silent", "it is refused", vec![database(Cause::ConnectionRefused)]),
        ("network/address-silent", "it hangs later on", vec![database(Cause::HandshakeTimeout)]),
        ("network/unreachable", "nobody says so", vec![database(Cause::ConnectTimeout)]),
        ("network/large-packets", "nothing comes at all", vec![database(Cause::QueryTimeout)]),
        ("server/socket", "nobody listens on it", vec![database(Cause::ConnectionRefused)]),
        ("network/name", "the name is there", vec![database(Cause::ConnectTimeout)]),
        (
            "server/port-refused",
            "no other port of the host answers",
            vec![database(Cause::ConnectionRefused), well("web", Http, WEB)],
        ),
        (
            "server/refused",
            "another port of the host answers",
            vec![database(Cause::ConnectionRefused), well("cache", Tcp, CACHE)],
        ),
        ("database/state", "it is the password", vec![database(Cause::AuthenticationFailed)]),
        ("application/credentials", "it is the database's state", vec![database(Cause::TooManyConnections)]),
        ("application/tls", "TLS hangs", vec![web(Cause::TlsTimeout)]),
        ("server/hangs", "nothing was accepted", vec![web(Cause::ConnectTimeout)]),
        ("server/cuts", "it was refused to begin with", vec![web(Cause::ConnectionRefused)]),
        ("application/answer", "there was no answer", vec![web(Cause::ResponseTimeout)]),
        ("load/not-sustained", "nobody answers at all", vec![ill("load", Load, WEB, Cause::LimitExceeded)]),
        ("latency/too-slow", "it fails", vec![web(Cause::ResponseTimeout)]),
        ("check/spec", "the path fails", vec![database(Cause::ConnectTimeout)]),
        ("check/not-allowed", "nobody answers", vec![database(Cause::ConnectTimeout)]),
        ("check/prober", "a Secret is missing", vec![database(Cause::SecretNotFound).in_state(ProbeState::Unknown)]),
    ]
}
