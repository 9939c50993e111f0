//! What the probes of databases do. Data only.

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
}
