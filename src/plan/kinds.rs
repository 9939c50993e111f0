//! What each kind of probe does, with names parsed, expressions compiled and secrets in place. Data only.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{HeaderMap, HeaderName};
use secrecy::SecretString;
use url::Url;

pub use crate::api::Kind;

use super::trust::TlsPlan;
use crate::api::probes::{HttpVersion, RecordType};

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
    /// Log in to PostgreSQL.
    Postgres(Box<PostgresAction>),
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
}

/// Ask a DNS server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsAction {
    /// Name to ask for.
    pub name: Box<str>,
    /// Record type to ask for.
    pub record_type: RecordType,
    /// Server to ask. None: the vantage's resolvers.
    pub resolver: Option<SocketAddr>,
    /// Values that must be among the answers, in presentation format.
    pub expect: Box<[Box<str>]>,
}

/// Open a TCP connection.
#[derive(Clone, Debug)]
pub struct TcpAction {
    /// Where to.
    pub endpoint: Endpoint,
    /// What to send.
    pub send: Option<Box<str>>,
    /// What must come back.
    pub expect: Option<regex::bytes::Regex>,
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

/// Send an HTTP request.
#[derive(Clone, Debug)]
pub struct HttpAction {
    /// Where to.
    pub url: Url,
    /// Method.
    pub method: Method,
    /// Headers to send; those from secrets are marked sensitive.
    pub headers: HeaderMap,
    /// Body to send.
    pub body: Bytes,
    /// Status codes that are fine. Empty: 200 to 299.
    pub expect_status: Box<[u16]>,
    /// What must match in the body.
    pub expect_body: Option<regex::bytes::Regex>,
    /// Headers that the response must have.
    pub expect_headers: Box<[(HeaderName, regex::bytes::Regex)]>,
    /// Largest body that is read, in bytes.
    pub max_body_bytes: usize,
    /// How many redirects to follow.
    pub follow_redirects: u32,
    /// TLS settings, for https and for redirects to it.
    pub tls: TlsPlan,
    /// Protocol version.
    pub version: HttpVersion,
    /// Judge only the first address that answers.
    pub happy_eyeballs: bool,
}

/// How PostgreSQL's TLS is asked for.
#[derive(Clone, Debug)]
pub enum PostgresTlsPlan {
    /// Plain text, without asking.
    Disable,
    /// TLS when offered, plain text otherwise.
    Prefer(TlsPlan),
    /// TLS or nothing.
    Require(TlsPlan),
}

/// Log in to PostgreSQL.
#[derive(Clone, Debug)]
pub struct PostgresAction {
    /// Where to.
    pub endpoint: Endpoint,
    /// Database to open.
    pub database: Box<str>,
    /// Role to log in as.
    pub user: Box<str>,
    /// The role's password.
    pub password: Option<SecretString>,
    /// TLS settings.
    pub tls: PostgresTlsPlan,
    /// Query to run.
    pub query: Box<str>,
    /// Exact number of rows that it must return.
    pub expect_rows: Option<u32>,
    /// Whether the server must accept writes.
    pub writable: bool,
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
