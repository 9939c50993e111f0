//! What is known around an exchange with a server, and the failure that a trouble in it stands for. No I/O of its own.

use std::future::Future;
use std::io;
use std::sync::{Arc, OnceLock};

use super::refusal::Refusal;
use super::wire::{Trouble, Violation};
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure};
use crate::probe::Attempt;
use crate::probe::database::doing;
use crate::probe::net::io_cause;
use crate::probe::net::tls;

/// What is known of an exchange, and what was told in it.
pub struct Exchange {
    /// What is observed, such as mysql://app@10.20.0.3:3306/app.
    pub target: Arc<str>,
    /// Whether the check has a password to give.
    pub has_password: bool,
    /// Whether the way itself keeps what is said on it: there is no TLS to ask for.
    pub sheltered: bool,
    /// The TLS session, if there is one.
    pub tls: Option<tls::Session>,
    /// The server's error, once there was one.
    refusal: OnceLock<Refusal>,
}

impl Exchange {
    /// An exchange of which nothing is known yet.
    pub const fn new(target: Arc<str>, has_password: bool, sheltered: bool) -> Self {
        Exchange { target, has_password, sheltered, tls: None, refusal: OnceLock::new() }
    }

    /// Carries out a stage of it, and records what the server refused with.
    pub async fn stage<T>(
        &self,
        attempt: &mut Attempt<'_>,
        stage: Stage,
        work: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Failure> {
        let work = async { work.await.map_err(|trouble| self.failure(stage, trouble)) };
        let result = attempt.stage(stage, || self.doing(stage), work).await;
        self.note(attempt);
        result
    }

    /// Records what the server refused with, if it did.
    pub fn note(&self, attempt: &mut Attempt<'_>) {
        let Some(refusal) = self.refusal.get() else { return };
        attempt.fact(Fact::MysqlError, refusal.number.to_string());
        if let Some(state) = &refusal.sqlstate {
            attempt.fact(Fact::Sqlstate, state.to_string());
        }
    }

    /// What is being done in a stage, for people.
    pub fn doing(&self, stage: Stage) -> String {
        let what = match stage {
            // A MySQL server speaks first: whoever waits for the client is another one, or a proxy without its server.
            Stage::Handshake => "waiting for the greeting of",
            Stage::Tls => "TLS handshake with",
            _ => return doing(stage, &self.target),
        };
        format!("{what} {}", self.target)
    }

    /// The failure that a trouble stands for. Keeps the server's error.
    #[cold]
    pub fn failure(&self, stage: Stage, trouble: Trouble) -> Failure {
        let said = trouble.to_string();
        match trouble {
            Trouble::Refused(refusal) => {
                let cause = refusal.cause(stage);
                let hint = self.hint(cause);
                let _ = self.refusal.set(refusal);
                self.failed(cause, stage, &format!("{said}{hint}"))
            }
            Trouble::Method(_) => self.failed(Cause::AuthenticationMethodUnsupported, stage, &said),
            Trouble::Violation(Violation::ResultTooLarge) => self.failed(Cause::ResponseTooLarge, stage, &said),
            Trouble::Violation(_) => self.failed(Cause::ProtocolMismatch, stage, &said),
            Trouble::Broken(error) => self.broken(stage, &error),
        }
    }

    /// A failure in a stage: what was being done, and what came back.
    #[cold]
    pub fn failed(&self, cause: Cause, stage: Stage, what: &str) -> Failure {
        Failure::new(cause, stage, format!("{}: {what}", self.doing(stage)))
    }

    /// What the server does not say, although it may be the reason.
    fn hint(&self, cause: Cause) -> &'static str {
        match (self.has_password, self.sheltered || self.tls.is_some()) {
            _ if cause != Cause::AuthenticationFailed => "",
            (false, true) => "; the check has no password: set passwordSecretRef",
            (true, true) => "",
            (false, false) => {
                "; the check has no password: set passwordSecretRef; an account or a server that requires TLS refuses with \
                 these words, too, and this login was in plain text: set tls.mode"
            }
            (true, false) => {
                "; an account or a server that requires TLS refuses with these words, too, and this login was in plain text: \
                 set tls.mode"
            }
        }
    }

    fn broken(&self, stage: Stage, error: &io::Error) -> Failure {
        // With TLS 1.3, a missing client certificate shows only after the handshake.
        if let Some(tls) = self.tls.as_ref().map(|session| session.failure(error))
            && matches!(tls.cause, Cause::ClientCertificateRequired | Cause::TlsProtocolError)
        {
            return tls;
        }
        let cause = match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => Cause::ProtocolMismatch,
            _ => io_cause(error),
        };
        let what = match cause {
            Cause::ConnectionClosed => "the server closed the connection before it had answered".to_owned(),
            _ => format!("the connection broke: {error}"),
        };
        self.failed(cause, stage, &what)
    }
}
