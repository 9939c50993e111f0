//! What the probes of databases do. Data only.

use std::time::Duration;

use secrecy::SecretString;

use super::Way;
use crate::plan::trust::TlsPlan;

/// How a database's TLS is asked for.
#[derive(Clone, Debug)]
pub enum DatabaseTlsPlan {
    /// Plain text, without asking.
    Disable,
    /// TLS when offered, plain text otherwise.
    Prefer(TlsPlan),
    /// TLS or nothing.
    Require(TlsPlan),
}

/// How a database is used by its probe, whatever its protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// How many connections are opened at once; at least one.
    pub connections: u16,
    /// Statements that initialise each of them.
    pub init_queries: Box<[Box<str>]>,
    /// What the service grants itself to come up.
    pub startup_budget: Option<Duration>,
    /// Size of a further result that must come through, in bytes.
    pub payload_bytes: Option<u32>,
}

impl Usage {
    /// One connection, used at once.
    pub fn single() -> Self {
        Usage { connections: 1, init_queries: Box::default(), startup_budget: None, payload_bytes: None }
    }
}

/// Log in to PostgreSQL.
#[derive(Clone, Debug)]
pub struct PostgresAction {
    /// Where to.
    pub way: Way,
    /// Database to open.
    pub database: Box<str>,
    /// Role to log in as.
    pub user: Box<str>,
    /// The role's password.
    pub password: Option<SecretString>,
    /// TLS settings.
    pub tls: DatabaseTlsPlan,
    /// Query to run.
    pub query: Box<str>,
    /// Exact number of rows that it must return.
    pub expect_rows: Option<u32>,
    /// Whether the server must accept writes.
    pub writable: bool,
    /// How many connections, and what each must be good for.
    pub usage: Usage,
}

/// Log in to MySQL or MariaDB.
#[derive(Clone, Debug)]
pub struct MysqlAction {
    /// Where to.
    pub way: Way,
    /// Database to open.
    pub database: Option<Box<str>>,
    /// User to log in as.
    pub user: Box<str>,
    /// The user's password.
    pub password: Option<SecretString>,
    /// TLS settings.
    pub tls: DatabaseTlsPlan,
    /// Query to run.
    pub query: Box<str>,
    /// Exact number of rows that it must return.
    pub expect_rows: Option<u32>,
    /// Whether the server must accept writes.
    pub writable: bool,
    /// How many connections, and what each must be good for.
    pub usage: Usage,
}

/// Log in to a SQL Server.
#[derive(Clone, Debug)]
pub struct SqlServerAction {
    /// Where to.
    pub way: Way,
    /// Database to open. None: the one that the server has for the login.
    pub database: Option<Box<str>>,
    /// Login of SQL Server's own.
    pub user: Box<str>,
    /// The login's password.
    pub password: SecretString,
    /// TLS settings.
    pub tls: DatabaseTlsPlan,
    /// Query to run.
    pub query: Box<str>,
    /// Exact number of rows that it must return.
    pub expect_rows: Option<u32>,
    /// Whether the database must accept writes.
    pub writable: bool,
    /// How many connections, and what each must be good for.
    pub usage: Usage,
}
