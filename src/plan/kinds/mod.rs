//! What each kind of probe does, with names parsed, expressions compiled and secrets in place. Data only.

mod auth;
mod database;
mod grpc;
mod http;
mod journey;
mod load;
mod redis;
mod tcp;
mod websocket;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::rr::Name;
use url::{Host, Url};

pub use crate::api::Kind;

use super::trust::TlsPlan;
use crate::api::probes::{CloudSqlIpType, RecordType};

pub use auth::{AuthPlan, Issuer, TokenPlan, token_request};
pub use database::{DatabaseTlsPlan, MysqlAction, PostgresAction, SqlServerAction, Usage};
pub use grpc::GrpcAction;
pub use http::{Destination, HttpAction};
pub use journey::{CapturePlan, Filling, JourneyAction, JourneyStep, Source};
pub use load::{DEFAULT_IN_FLIGHT, DEFAULT_RATE, DEFAULT_WINDOW, LoadAction, Pace, Percentile};
pub use redis::RedisAction;
pub use tcp::{TcpAction, TcpStep, TcpWait};
pub use websocket::{JsonWanted, Wanted, WebsocketAction, WebsocketStep, WebsocketWait};

/// What a probe does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Ask a DNS server.
    Dns(DnsAction),
    /// Open a TCP connection.
    Tcp(TcpAction),
    /// Open a TLS connection.
    Tls(TlsAction),
    /// Send an HTTP request.
    Http(Box<HttpAction>),
    /// Ask a server for its health over gRPC.
    Grpc(Box<GrpcAction>),
    /// Open a WebSocket.
    Websocket(Box<WebsocketAction>),
    /// Log in to PostgreSQL.
    Postgres(Box<PostgresAction>),
    /// Log in to MySQL or MariaDB.
    Mysql(Box<MysqlAction>),
    /// Log in to a SQL Server.
    Sqlserver(Box<SqlServerAction>),
    /// Ask a Redis server whether it serves.
    Redis(Box<RedisAction>),
    /// Repeat another probe.
    Load(Arc<LoadAction>),
    /// Walk a user's way.
    Journey(Box<JourneyAction>),
}

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address.
    pub host: Box<str>,
    /// Port.
    pub port: u16,
    /// Judge only the first address that answers.
    pub happy_eyeballs: bool,
    /// The host, if it is an address: then there is nothing to resolve.
    address: Option<IpAddr>,
}

impl Endpoint {
    /// A port of a host, which is a name, or an address without brackets.
    pub fn new(host: impl Into<Box<str>>, port: u16, happy_eyeballs: bool) -> Endpoint {
        let host = host.into();
        Endpoint { address: host.parse().ok(), host, port, happy_eyeballs }
    }

    /// Where to connect to, if the host is an address.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address.map(|address| SocketAddr::new(address, self.port))
    }

    /// Where a URL of http, https, ws or wss leads to, which always names a host and has a port of its scheme: the host
    /// is without the brackets of an IPv6 address (RFC 3986, section 3.2.2).
    pub fn of(url: &Url, happy_eyeballs: bool) -> Endpoint {
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        Endpoint::new(host, url.port_or_known_default().unwrap_or(80), happy_eyeballs)
    }
}

impl Action {
    /// How a database is used, if this is a probe of one.
    pub fn usage(&self) -> Option<&Usage> {
        match self {
            Action::Dns(_)
            | Action::Tcp(_)
            | Action::Tls(_)
            | Action::Http(_)
            | Action::Grpc(_)
            | Action::Websocket(_)
            | Action::Load(_) => None,
            Action::Postgres(action) => Some(&action.usage),
            Action::Mysql(action) => Some(&action.usage),
            Action::Sqlserver(action) => Some(&action.usage),
            Action::Redis(action) => Some(&action.usage),
            Action::Journey(action) => action.usage(),
        }
    }
}

/// How a database is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Over TCP.
    Tcp(Endpoint),
    /// Over a Unix socket.
    Unix(SocketPath),
    /// As Cloud SQL's connectors do.
    CloudSql(Box<CloudSqlInstance>),
}

impl Way {
    /// The host at its end, for people and for the name in its certificate; of a Unix socket, its path; of a Cloud SQL
    /// instance, its connection name.
    pub fn host(&self) -> &str {
        match self {
            Way::Tcp(endpoint) => &endpoint.host,
            Way::CloudSql(instance) => &instance.name,
            Way::Unix(socket) => socket.file.as_deref().unwrap_or(&socket.path),
        }
    }
}

/// A Cloud SQL instance, and how to get there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudSqlInstance {
    /// Its connection name, PROJECT:REGION:INSTANCE; a project may have a colon in it.
    pub name: Box<str>,
    /// Which of its addresses.
    pub ip_type: CloudSqlIpType,
    /// Whether a token stands in for the password.
    pub iam_login: bool,
}

impl CloudSqlInstance {
    /// Project, region and instance, as far as the name has them.
    fn parts(&self) -> [&str; 3] {
        let mut parts = self.name.rsplitn(3, ':');
        let (instance, region) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        [parts.next().unwrap_or_default(), region, instance]
    }

    /// The project that it is in.
    pub fn project(&self) -> &str {
        self.parts()[0]
    }

    /// The region that its name says.
    pub fn region(&self) -> &str {
        self.parts()[1]
    }

    /// Its name within the project.
    pub fn instance(&self) -> &str {
        self.parts()[2]
    }
}

/// Where a Unix socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketPath {
    /// As it is configured: a directory, or the socket itself.
    pub path: Box<str>,
    /// The socket within the directory, if `path` may be one.
    pub file: Option<Box<str>>,
}

/// A DNS server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameServer {
    /// Address and port.
    pub address: SocketAddr,
    /// The same, for people.
    pub shown: Box<str>,
}

impl From<SocketAddr> for NameServer {
    fn from(address: SocketAddr) -> Self {
        NameServer { address, shown: address.to_string().into() }
    }
}

/// Ask a DNS server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsAction {
    /// Name to ask for, as the check has it.
    pub name: Box<str>,
    /// The name as it is asked for.
    pub query: Name,
    /// Record type to ask for.
    pub record_type: RecordType,
    /// Server to ask. None: the vantage's resolvers.
    pub resolver: Option<NameServer>,
    /// Values that must be among the answers, in presentation format.
    pub expect: Box<[Box<str>]>,
}

/// Open a TLS connection.
#[derive(Clone, Debug)]
pub struct TlsAction {
    /// Where to.
    pub endpoint: Endpoint,
    /// TLS settings.
    pub tls: TlsPlan,
    /// A certificate valid for less than this is Degraded.
    pub min_validity: Option<Duration>,
}

/// Whether what is sent to a URL can be read on the way.
pub fn in_the_clear(url: &Url) -> bool {
    let own_host = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    !matches!(url.scheme(), "https" | "wss") && !own_host
}

/// A URL as it may be shown: without a user, and without a query, which may hold a token.
pub fn shown_url(url: &Url) -> String {
    let mut shown = url.clone();
    // These fail only for URLs that can't have a user, and then there is nothing to take away.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_an_address_is_told_from_a_name() {
        for (host, address) in [
            ("10.0.0.1", Some("10.0.0.1:5")),
            ("2001:db8::1", Some("[2001:db8::1]:5")),
            ("::ffff:10.0.0.1", Some("[::ffff:10.0.0.1]:5")),
            ("10.0.0.1.", None),
            ("10.0.0", None),
            ("db.internal", None),
        ] {
            let told = Endpoint::new(host, 5, false).address().map(|address| address.to_string());
            assert_eq!(told.as_deref(), address, "{host}");
        }
        let url = Url::parse("http://[2001:db8::1]/").expect("a URL");
        assert!(Endpoint::of(&url, false).address().is_some(), "without its brackets");
    }

    #[test]
    fn plain_text_stays_on_the_own_host() {
        for (url, clear) in [
            ("https://api.example.com/", false),
            ("wss://api.example.com/", false),
            ("http://localhost:8080/", false),
            ("http://127.0.0.2/", false),
            ("ws://[::1]/", false),
            ("http://api.example.com/", true),
            ("http://localhost.example.com/", true),
            ("ws://10.0.0.1/", true),
        ] {
            assert_eq!(in_the_clear(&Url::parse(url).expect("a URL")), clear, "{url}");
        }
    }
}
