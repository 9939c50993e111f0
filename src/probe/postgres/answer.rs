//! What a PostgreSQL server's refusal, or a broken exchange, stands for. Pure.
//!
//! SQLSTATE: PostgreSQL documentation, appendix A, "PostgreSQL Error Codes".

use std::error::Error as _;
use std::io;
use std::sync::{Arc, OnceLock};

use tokio_postgres::Error;
use tokio_postgres::error::DbError;

use super::wire::{Method, Seen, Violation};
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure};
use crate::probe::Attempt;
use crate::probe::database::{doing, is_statement};
use crate::probe::net::io_cause;
use crate::probe::net::tls::Session;
use crate::reasons::reasons;

/// What is known around an error, and what it told besides.
pub struct Exchange {
    /// What was seen of the server's messages.
    pub seen: Arc<Seen>,
    /// The TLS session, if there is one.
    pub session: Option<Session>,
    /// Whether the check has a password to give.
    pub has_password: bool,
    /// What is observed, such as postgres://app@10.20.0.3:5432/app.
    pub target: Arc<str>,
    /// SQLSTATE of the server's error, once there was one.
    pub sqlstate: OnceLock<Box<str>>,
}

impl Exchange {
    /// What is being done in a stage, for people.
    pub fn doing(&self, stage: Stage) -> String {
        doing(stage, &self.target)
    }

    /// Puts what the server told into the evidence.
    #[inline]
    pub fn record(&self, attempt: &mut Attempt<'_>) {
        if let Some(code) = self.sqlstate.get() {
            attempt.fact(Fact::Sqlstate, code.to_string());
        }
    }

    /// The failure that an error of the client stands for. Keeps its SQLSTATE.
    #[cold]
    pub fn failure(&self, stage: Stage, error: &Error) -> Failure {
        if let Some(refusal) = error.as_db_error() {
            return self.refused(stage, refusal);
        }
        let io = io_error(error);
        if let Some(last_words) = self.seen.last_words.get().filter(|_| error.is_closed() || io.is_some()) {
            return self.refused(stage, last_words);
        }
        let unread = io.is_none_or(|io| io.kind() == io::ErrorKind::InvalidInput);
        if stage == Stage::Authenticate && unread && matches!(self.seen.method(), Some(Method::Other(_))) {
            return self.method_unsupported(&reasons(error));
        }
        if let Some(io) = io {
            return self.broken(stage, io);
        }
        if error.is_closed() {
            let what = "the server closed the connection before it had answered";
            return self.failed(Cause::ConnectionClosed, stage, what);
        }
        let told = reasons(error);
        if stage == Stage::Authenticate && !self.seen.went_on() {
            return self.method_unsupported(&told);
        }
        let cause = if is_statement(stage) { Cause::QueryFailed } else { Cause::ProtocolMismatch };
        self.failed(cause, stage, &told)
    }

    fn refused(&self, stage: Stage, refusal: &DbError) -> Failure {
        let cause = sqlstate_cause(stage, refusal, self.session.as_ref());
        self.sqlstate.get_or_init(|| refusal.code().code().into());
        self.failed(cause, stage, &format!("the server answered {}", shown(refusal)))
    }

    /// A failure in a stage: what was being done, and what came back.
    #[cold]
    pub fn failed(&self, cause: Cause, stage: Stage, what: &str) -> Failure {
        Failure::new(cause, stage, format!("{}: {what}", self.doing(stage)))
    }

    fn method_unsupported(&self, reasons: &str) -> Failure {
        let method = self.seen.method();
        let name = method.map_or("unknown", Method::as_str);
        let what = match method {
            Some(method) if method.takes_password() && !self.has_password => {
                format!("the server asks for a password ({name}), and the check has none: set passwordSecretRef")
            }
            Some(_) | None => format!("the server asks for authentication by {name}: {reasons}"),
        };
        self.failed(Cause::AuthenticationMethodUnsupported, Stage::Authenticate, &what)
    }

    fn broken(&self, stage: Stage, error: &io::Error) -> Failure {
        if let Some(violation) = error.get_ref().and_then(|inner| inner.downcast_ref::<Violation>()) {
            let cause = match violation {
                Violation::NotPostgres(_) | Violation::BadLength(_) | Violation::LoginTooLarge => {
                    Cause::ProtocolMismatch
                }
                Violation::ResultTooLarge => Cause::ResponseTooLarge,
            };
            return self.failed(cause, stage, &violation.to_string());
        }
        // With TLS 1.3, a missing client certificate shows only after the handshake.
        if let Some(tls) = self.session.as_ref().map(|session| session.failure(error))
            && matches!(tls.cause, Cause::ClientCertificateRequired | Cause::TlsProtocolError)
        {
            return tls;
        }
        let cause = match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => Cause::ProtocolMismatch,
            _ => io_cause(error),
        };
        self.failed(cause, stage, &format!("the connection broke: {error}"))
    }
}

/// The cause of a refusal.
fn sqlstate_cause(stage: Stage, refusal: &DbError, session: Option<&Session>) -> Cause {
    let code = refusal.code().code();
    match code {
        "28P01" => Cause::AuthenticationFailed,
        // One code for several rules of pg_hba.conf; only the text tells that a certificate is missing.
        "28000" if demands_certificate(refusal, session) => Cause::ClientCertificateRequired,
        "28000" | "42501" => Cause::AccessDenied,
        "3D000" => Cause::DatabaseNotFound,
        "53300" => Cause::TooManyConnections,
        // cannot_connect_now is said while starting, recovering and shutting down; only the text tells which.
        "57P03" if refusal.message().contains("shutting down") => Cause::ServerShuttingDown,
        "57P03" => Cause::ServerStarting,
        "57P01" | "57P02" => Cause::ServerShuttingDown,
        "25006" => Cause::ReadOnly,
        // query_canceled by statement_timeout or by a person; lock_not_available by lock_timeout.
        "57014" | "55P03" if is_statement(stage) => Cause::QueryTimeout,
        "08P01" => Cause::ProtocolMismatch,
        // The code is the server's: it may have any length.
        _ => match (code.get(..2).unwrap_or_default(), stage) {
            // Insufficient resources, operator intervention, system error, internal error.
            ("53" | "57" | "58" | "XX", _) => Cause::ServerError,
            (_, stage) if is_statement(stage) => Cause::QueryFailed,
            // Invalid authorization specification, whatever its kind.
            ("28", _) => Cause::AccessDenied,
            // To a login: nobody is accused of what is not understood.
            _ => Cause::ServerError,
        },
    }
}

fn demands_certificate(refusal: &DbError, session: Option<&Session>) -> bool {
    session.is_some_and(Session::client_certificate_asked) && refusal.message().contains("client certificate")
}

/// The server's own words, without detail and context: those may hold data.
fn shown(refusal: &DbError) -> String {
    format!("{}: {} (SQLSTATE {})", refusal.severity(), refusal.message(), refusal.code().code())
}

fn io_error(error: &Error) -> Option<&io::Error> {
    error.source()?.downcast_ref()
}
