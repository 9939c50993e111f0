//! What a `redis` probe does. Data only.

use secrecy::SecretString;

use super::{Usage, Way};
use crate::api::probes::RedisRole;
use crate::plan::trust::TlsPlan;

/// Ask a Redis server whether it serves.
#[derive(Clone, Debug)]
pub struct RedisAction {
    /// Where to.
    pub way: Way,
    /// TLS settings. None: plain text.
    pub tls: Option<TlsPlan>,
    /// ACL user. None: the one that a password alone is for.
    pub user: Option<Box<str>>,
    /// The user's password.
    pub password: Option<SecretString>,
    /// Database to select.
    pub database: Option<u32>,
    /// Role that the server must have.
    pub role: RedisRole,
    /// Whether a key is written, read and deleted.
    pub round_trip: bool,
    /// How many connections, and what each must be good for.
    pub usage: Usage,
}
