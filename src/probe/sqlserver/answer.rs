//! What an error of SQL Server, or a broken conversation, stands for. Pure.
//!
//! Errors are told by their numbers (SQL Server documentation, "Database Engine events and errors"). To a refused login the
//! server adds a state, which tells clients 1 whatever the reason was: its own log has the true one.

use std::io;
use std::sync::{Arc, OnceLock};

use tiberius::error::{Error, TokenError};

use super::prelogin::Violation;
use super::watched::Seen;
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure};
use crate::probe::Attempt;
use crate::probe::net::io_cause;

/// From this severity on, an error is one of the server, not of what it was asked (SQL Server documentation, "Database Engine
/// error severities").
const OWN_FAULT: u8 = 17;

/// What is known around an answer, and what it told besides.
pub struct Exchange {
    /// What was seen of the server.
    pub seen: Arc<Seen>,
    /// What is observed, such as sqlserver://app@10.20.0.5:1433/app.
    pub target: Arc<str>,
    /// Number of the server's error, once there was one.
    pub number: OnceLock<u32>,
}

impl Exchange {
    /// What is being done in a stage, for people.
    pub fn doing(&self, stage: Stage) -> String {
        let what = match stage {
            Stage::Handshake => "greeting",
            Stage::Tls => "TLS handshake with",
            Stage::Authenticate => "logging in to",
            Stage::Initialize => "initialising a connection to",
            Stage::Payload => "fetching a large result from",
            _ => "querying",
        };
        format!("{what} {}", self.target)
    }

    /// A failure in a stage: what was being done, and what came back.
    #[cold]
    pub fn failed(&self, cause: Cause, stage: Stage, what: &str) -> Failure {
        Failure::new(cause, stage, format!("{}: {what}", self.doing(stage)))
    }

    /// The failure of an exchange before the login.
    #[cold]
    pub fn broken(&self, stage: Stage, error: &io::Error) -> Failure {
        if let Some(violation) = error.get_ref().and_then(|inner| inner.downcast_ref::<Violation>()) {
            return self.failed(Cause::ProtocolMismatch, stage, &violation.to_string());
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                let what = "the server closed the connection before it had answered";
                self.failed(Cause::ConnectionClosed, stage, what)
            }
            // What is no TLS, or no packet.
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
                self.failed(Cause::ProtocolMismatch, stage, &format!("the conversation broke: {error}"))
            }
            _ => self.failed(io_cause(error), stage, &format!("the connection broke: {error}")),
        }
    }

    /// The failure that an error of tiberius stands for. Keeps the server's number.
    #[cold]
    pub fn failure(&self, stage: Stage, error: &Error) -> Failure {
        match (error, self.seen.broken()) {
            (Error::Server(error), _) => self.refused(stage, error),
            _ if self.seen.too_large() => {
                let cause =
                    if stage == Stage::Authenticate { Cause::ProtocolMismatch } else { Cause::ResponseTooLarge };
                self.failed(cause, stage, "the answer is larger than runready reads")
            }
            _ if self.seen.closed() => {
                self.failed(Cause::ConnectionClosed, stage, "the server closed the connection before it had answered")
            }
            (_, Some(error)) => self.broken(stage, error),
            (Error::Routing { host, port }, None) => {
                let what = format!("the server sends its clients on to {host}:{port}: point the check there");
                self.failed(Cause::UnexpectedResult, stage, &what)
            }
            // Writing broke off.
            (Error::Io { kind, message }, None) if io_cause(&io::Error::from(*kind)) == Cause::ConnectionReset => {
                self.failed(Cause::ConnectionReset, stage, &format!("the connection broke: {message}"))
            }
            (other, None) => {
                self.failed(Cause::ProtocolMismatch, stage, &format!("the answer is not understood: {other}"))
            }
        }
    }

    fn refused(&self, stage: Stage, error: &TokenError) -> Failure {
        self.number.get_or_init(|| error.code());
        let (cause, explained) = meaning(stage, error.code(), error.state(), error.class());
        let explained = explained.map(|text| format!("; {text}")).unwrap_or_default();
        let what = format!(
            "the server answered error {}, state {}, severity {}: {}{explained}",
            error.code(),
            error.state(),
            error.class(),
            error.message().trim_end()
        );
        self.failed(cause, stage, &what)
    }

    /// Puts the number of the server's error into the evidence.
    pub fn record(&self, attempt: &mut Attempt<'_>) {
        if let Some(number) = self.number.get() {
            attempt.fact(Fact::ErrorCode, number.to_string());
        }
    }
}

/// What an error stands for, and what a reader needs to know besides its words.
fn meaning(stage: Stage, number: u32, state: u8, severity: u8) -> (Cause, Option<&'static str>) {
    const SECONDARY: Option<&str> = Some("it is a secondary replica of an availability group");
    match number {
        18456 => refused_login(state),
        18452 => (
            Cause::AuthenticationMethodUnsupported,
            Some("the server takes Windows logins alone, and runready logs in by password: allow SQL Server logins"),
        ),
        18486 => (Cause::AccessDenied, Some("the login is locked after too many wrong passwords")),
        18487 | 18488 => (Cause::AuthenticationFailed, Some("the password has expired, or must be changed")),
        18470 => (Cause::AccessDenied, Some("the login is disabled")),
        229 | 230 | 262 | 297 | 300 | 916 | 40615 | 40532 | 47073 => (Cause::AccessDenied, None),
        4060 | 4063 | 4064 => {
            (Cause::DatabaseNotFound, Some("there is no such database, or this login may not use it"))
        }
        911 => (Cause::DatabaseNotFound, None),
        18401 | 18451 | 921 | 922 | 927 | 40613 => (Cause::ServerStarting, None),
        6005 | 17148 => (Cause::ServerShuttingDown, None),
        17809 | 10928 | 10929 | 10936 | 49920 => (Cause::TooManyConnections, None),
        976 | 978 | 982 | 983 => (Cause::ReadOnly, SECONDARY),
        3906 | 3908 | 3909 => (Cause::ReadOnly, None),
        1222 => (Cause::QueryTimeout, Some("another session holds the lock")),
        1205 => (Cause::QueryTimeout, Some("it waited for a lock in a circle, and was chosen to give way")),
        // The service can't carry out a request now: an update, a reconfiguration, load (Azure SQL Database).
        40197 | 40501 | 40143 | 40540 | 49918 | 49919 | 4221 => (Cause::ServerError, None),
        _ if severity >= OWN_FAULT => (Cause::ServerError, None),
        _ if matches!(stage, Stage::Initialize | Stage::Query | Stage::Payload) => (Cause::QueryFailed, None),
        // To a login: nobody is accused of what is not understood.
        _ => (Cause::ServerError, None),
    }
}

/// What a refused login stands for, if its state tells (SQL Server documentation, "MSSQLSERVER_18456").
const fn refused_login(state: u8) -> (Cause, Option<&'static str>) {
    match state {
        1 => (
            Cause::AuthenticationFailed,
            Some("the server tells clients state 1, whatever the reason: its own log has the true state"),
        ),
        2 | 5 => (Cause::AuthenticationFailed, Some("there is no such login")),
        6 | 58 => (
            Cause::AuthenticationMethodUnsupported,
            Some("the server takes Windows logins alone: allow SQL Server logins"),
        ),
        7 => (Cause::AccessDenied, Some("the login is disabled")),
        8 | 9 => (Cause::AuthenticationFailed, Some("the password is wrong")),
        11 | 12 => (Cause::AccessDenied, Some("the login is right, and may not connect to this server")),
        13 => (Cause::ServerError, Some("the service is paused")),
        18 => (Cause::AuthenticationFailed, Some("the password must be changed")),
        38 | 40 | 46 => (Cause::DatabaseNotFound, Some("there is no such database, or this login may not use it")),
        _ => (Cause::AuthenticationFailed, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_its_cause() {
        let login = |number, state| meaning(Stage::Authenticate, number, state, 14).0;
        assert_eq!(login(18456, 1), Cause::AuthenticationFailed);
        assert_eq!(login(18456, 7), Cause::AccessDenied);
        assert_eq!(login(18456, 38), Cause::DatabaseNotFound);
        assert_eq!(login(18456, 58), Cause::AuthenticationMethodUnsupported);
        assert_eq!(login(18452, 1), Cause::AuthenticationMethodUnsupported);
        assert_eq!(login(4060, 1), Cause::DatabaseNotFound);
        assert_eq!(login(40613, 1), Cause::ServerStarting);
        assert_eq!(login(10928, 1), Cause::TooManyConnections);
        assert_eq!(login(40197, 1), Cause::ServerError);
        assert_eq!(login(12345, 1), Cause::ServerError, "nobody is accused");
        let query = |number, severity| meaning(Stage::Query, number, 1, severity).0;
        assert_eq!(query(208, 16), Cause::QueryFailed);
        assert_eq!(query(229, 14), Cause::AccessDenied);
        assert_eq!(query(3906, 16), Cause::ReadOnly);
        assert_eq!(query(823, 24), Cause::ServerError);
    }
}
