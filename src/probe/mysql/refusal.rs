//! What a MySQL or MariaDB server says when it refuses, and the cause that it stands for. Pure.
//!
//! Numbers: MySQL documentation, "Server Error Message Reference"; MariaDB documentation, "MariaDB Error Codes". Both share
//! the numbers below 1900.

use std::fmt;

use mysql_common::io::ParseBuf;

use crate::api::{Cause, Stage};
use crate::probe::database::is_statement;

/// The first byte of an error packet.
pub const ERROR: u8 = 0xff;

/// A server's error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its number.
    pub number: u16,
    /// Its SQLSTATE. A server that refuses before its greeting need not give one.
    pub sqlstate: Option<Box<str>>,
    /// Its text.
    pub text: Box<str>,
}

impl Refusal {
    /// Reads an error packet. None if it is another packet.
    pub fn read(packet: &[u8]) -> Option<Refusal> {
        let mut rest = ParseBuf(packet.strip_prefix(&[ERROR])?);
        let number = rest.checked_eat_u16_le()?;
        let (sqlstate, text) = match rest.0 {
            [b'#', a, b, c, d, e, text @ ..] => (Some([*a, *b, *c, *d, *e]), text),
            text => (None, text),
        };
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into();
        Some(Refusal { number, sqlstate: sqlstate.map(|state| lossy(&state)), text: lossy(text) })
    }

    /// The cause of a refusal in that stage.
    pub fn cause(&self, stage: Stage) -> Cause {
        match self.number {
            // Access denied for a user, by password or by plugin; a password that has expired.
            1045 | 1698 | 1862 => Cause::AuthenticationFailed,
            1820 => Cause::AuthenticationFailed,
            // A plugin that the server does not have, or a client too old for it.
            1251 | 1275 | 1524 => Cause::AuthenticationMethodUnsupported,
            // Not to this database, not from this host, not with these privileges; the account is locked.
            1044 | 1130 | 1142 | 1143 | 1227 | 1370 | 3118 | 4151 => Cause::AccessDenied,
            1049 => Cause::DatabaseNotFound,
            1040 | 1203 => Cause::TooManyConnections,
            // One number for every limit of a user; only that on connections is met at login.
            1226 if !is_statement(stage) || self.text.contains("max_user_connections") => Cause::TooManyConnections,
            1129 => Cause::HostBlocked,
            3159 => Cause::TlsRequired,
            1053 => Cause::ServerShuttingDown,
            // Galera says so while a node joins its cluster.
            1047 if self.text.contains("WSREP") => Cause::ServerStarting,
            // One number for every option that may stand in the way.
            1290 if self.text.contains("read-only") || self.text.contains("read_only") => Cause::ReadOnly,
            1792 | 1836 | 1874 => Cause::ReadOnly,
            // A lock, or a limit on the statement's time; a query that was killed.
            1205 | 1317 | 1969 | 3024 => Cause::QueryTimeout,
            // A session that was killed: the server says so and hangs up.
            1927 | 3169 | 4031 => Cause::ConnectionClosed,
            // A bad handshake, and packets that can't be read.
            1043 | 1153 | 1156..=1161 if !is_statement(stage) => Cause::ProtocolMismatch,
            // Memory, disk, files, threads and storage engines.
            1003..=1006 | 1015..=1041 | 1105 | 1114 | 1135 | 1180 | 1194..=1197 => Cause::ServerError,
            _ => match (self.sqlstate.as_deref().and_then(|state| state.get(..2)), stage) {
                // Connection, resources, operator, system.
                (Some("08" | "53" | "57" | "58"), _) => Cause::ServerError,
                (_, stage) if is_statement(stage) => Cause::QueryFailed,
                (Some("28"), _) => Cause::AccessDenied,
                // To a login: nobody is accused of what is not understood.
                _ => Cause::ServerError,
            },
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sqlstate {
            Some(state) => write!(f, "ERROR {} ({state}): {}", self.number, self.text),
            None => write!(f, "ERROR {}: {}", self.number, self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_read_with_and_without_its_state() {
        let with = Refusal::read(b"\xff\x15\x04#28000Access denied").expect("an error");
        assert_eq!((with.number, with.sqlstate.as_deref(), &*with.text), (1045, Some("28000"), "Access denied"));
        let without = Refusal::read(b"\xff\x10\x04Too many connections").expect("an error");
        assert_eq!((without.number, without.sqlstate.as_deref(), &*without.text), (1040, None, "Too many connections"));
        assert_eq!(without.to_string(), "ERROR 1040: Too many connections");
        assert_eq!(Refusal::read(b"\xff\x10"), None);
        assert_eq!(Refusal::read(b"\x00\x10\x04"), None);
        assert_eq!(Refusal::read(b"\xff\x10\x04#123").expect("no state").text.as_ref(), "#123");
    }

    #[test]
    fn one_number_may_stand_for_several_causes() {
        let cause = |number, text: &str, stage| {
            Refusal { number, sqlstate: Some("HY000".into()), text: text.into() }.cause(stage)
        };
        let prevents = |option: &str| {
            format!("The MySQL server is running with the {option} option so it cannot execute this statement")
        };
        assert_eq!(cause(1290, &prevents("--read-only"), Stage::Query), Cause::ReadOnly);
        assert_eq!(cause(1290, &prevents("--super-read-only"), Stage::Query), Cause::ReadOnly);
        assert_eq!(cause(1290, &prevents("--secure-file-priv"), Stage::Query), Cause::QueryFailed);
        let exceeded = |what: &str| format!("User 'app' has exceeded the '{what}' resource (current value: 1)");
        assert_eq!(cause(1226, &exceeded("max_user_connections"), Stage::Authenticate), Cause::TooManyConnections);
        assert_eq!(cause(1226, &exceeded("max_queries_per_hour"), Stage::Query), Cause::QueryFailed);
        assert_eq!(
            cause(1047, "WSREP has not yet prepared node for application use", Stage::Query),
            Cause::ServerStarting
        );
        assert_eq!(cause(9001, "Max connect timeout reached", Stage::Authenticate), Cause::ServerError);
        assert_eq!(cause(1064, "You have an error in your SQL syntax", Stage::Query), Cause::QueryFailed);
    }
}
