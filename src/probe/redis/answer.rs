//! What a Redis server's error, or a broken conversation, stands for. Pure.
//!
//! The first word of an error is its code (Redis serialization protocol specification, "Simple errors"); many errors share
//! the code ERR, and only their words tell them apart.

use std::io;
use std::sync::{Arc, OnceLock};

use ::redis::{ServerError, Value};
use secrecy::{ExposeSecret, SecretString};

use super::reply::Violation;
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure};
use crate::probe::Attempt;
use crate::probe::net::io_cause;
use crate::probe::net::tls::Session;

/// What is known around an answer, and what it told besides.
pub struct Exchange {
    /// The TLS session, if there is one.
    pub session: Option<Session>,
    /// The password that the check gives: no message shows it, even if the server repeats it.
    pub password: Option<SecretString>,
    /// What is observed, such as redis://10.20.0.4:6379.
    pub target: Arc<str>,
    /// Code of the server's error, once there was one.
    pub code: OnceLock<Box<str>>,
}

impl Exchange {
    /// What is being done in a stage, for people.
    pub fn doing(&self, stage: Stage) -> String {
        let what = match stage {
            Stage::Handshake => "greeting",
            Stage::Authenticate => "logging in to",
            Stage::Initialize => "initialising a connection to",
            Stage::Payload => "fetching a large answer from",
            _ => "querying",
        };
        format!("{what} {}", self.target)
    }

    /// A failure in a stage: what was being done, and what came back.
    #[cold]
    pub fn failed(&self, cause: Cause, stage: Stage, what: &str) -> Failure {
        Failure::new(cause, stage, format!("{}: {}", self.doing(stage), self.without_password(what)))
    }

    /// The failure that an error of the server stands for. Keeps its code.
    #[cold]
    pub fn refused(&self, stage: Stage, error: &ServerError) -> Failure {
        let (code, words) = (error.code(), error.details().unwrap_or_default());
        self.code.get_or_init(|| self.without_password(code).into());
        let (cause, explained) = meaning(stage, code, words);
        // Servers repeat the arguments of a command that they don't know, cut to a length of their own.
        let words = words.split(", with args").next().unwrap_or_default();
        let explained = explained.map(|text| format!(": {text}")).unwrap_or_default();
        self.failed(cause, stage, &format!("the server answered {}{explained}", format!("{code} {words}").trim_end()))
    }

    /// The failure of an answer that is none to `command`.
    #[cold]
    pub fn astray(&self, stage: Stage, command: &str, answer: &Value) -> Failure {
        let what = format!("the server answered {command} with {}", form(answer));
        self.failed(Cause::ProtocolMismatch, stage, &what)
    }

    /// The failure of a conversation that broke.
    #[cold]
    pub fn broken(&self, stage: Stage, error: &io::Error) -> Failure {
        if let Some(violation) = error.get_ref().and_then(|inner| inner.downcast_ref::<Violation>()) {
            let cause = match violation {
                Violation::TooLarge { .. } if matches!(stage, Stage::Initialize | Stage::Query) => {
                    Cause::ResponseTooLarge
                }
                Violation::NotRedis(_) | Violation::Malformed(_) | Violation::TooLarge { .. } => {
                    Cause::ProtocolMismatch
                }
            };
            return self.failed(cause, stage, &violation.to_string());
        }
        // With TLS 1.3, a missing client certificate shows only after the handshake.
        if let Some(tls) = self.session.as_ref().map(|session| session.failure(error))
            && matches!(tls.cause, Cause::ClientCertificateRequired | Cause::TlsProtocolError)
        {
            return Failure { stage: Some(stage), ..tls };
        }
        if error.kind() == io::ErrorKind::UnexpectedEof {
            let what = format!("the server closed the connection before it had answered{}", self.perhaps_tls(stage));
            return self.failed(Cause::ConnectionClosed, stage, &what);
        }
        let cause = match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => Cause::ProtocolMismatch,
            _ => io_cause(error),
        };
        self.failed(cause, stage, &format!("the connection broke: {error}{}", self.perhaps_tls(stage)))
    }

    /// What a server that hangs up on the greeting may want instead.
    fn perhaps_tls(&self, stage: Stage) -> &'static str {
        match (stage, &self.session) {
            (Stage::Handshake, None) => "; a TLS port may hang up so on plain text: if it is one, set tls",
            _ => "",
        }
    }

    /// Puts the code of the server's error into the evidence.
    pub fn record(&self, attempt: &mut Attempt<'_>) {
        if let Some(code) = self.code.get() {
            attempt.fact(Fact::ErrorCode, code.to_string());
        }
    }

    fn without_password(&self, text: &str) -> String {
        match self.password.as_ref().map(ExposeSecret::expose_secret).filter(|password| !password.is_empty()) {
            Some(password) => text.replace(password, "[password]"),
            None => text.to_owned(),
        }
    }
}

/// What an error stands for, and what a reader needs to know besides its words.
fn meaning(stage: Stage, code: &str, words: &str) -> (Cause, Option<&'static str>) {
    let says = |text: &str| words.contains(text);
    match code {
        "NOAUTH" => (
            Cause::AuthenticationMethodUnsupported,
            Some("the server asks for a password, and the check has none: set passwordSecretRef"),
        ),
        "WRONGPASS" => (Cause::AuthenticationFailed, None),
        "NOPERM" => (Cause::AccessDenied, Some("the user's ACL does not allow it")),
        "DENIED" => {
            (Cause::AccessDenied, Some("in protected mode the server takes connections from its own host alone"))
        }
        "LOADING" => (Cause::ServerStarting, None),
        "MASTERDOWN" => (
            Cause::MasterDown,
            Some("the replica has lost its master, and does not serve stale data (replica-serve-stale-data no)"),
        ),
        "READONLY" => (Cause::ReadOnly, None),
        "MOVED" | "ASK" => (
            Cause::QueryFailed,
            Some("the server is a node of a cluster, and the key belongs to another node: leave roundTrip out"),
        ),
        // It can't save, has no memory left, runs a script, lacks replicas, or its cluster is down.
        "MISCONF" | "OOM" | "BUSY" | "NOREPLICAS" | "CLUSTERDOWN" | "TRYAGAIN" | "UNBLOCKED" => {
            (Cause::ServerError, None)
        }
        "ERR" if says("max number of clients") => (Cause::TooManyConnections, None),
        "ERR" if stage == Stage::Authenticate => refused_login(words),
        "ERR" if says("DB index") || says("SELECT is not allowed in cluster mode") => (Cause::DatabaseNotFound, None),
        _ if matches!(stage, Stage::Initialize | Stage::Query | Stage::Payload) => (Cause::QueryFailed, None),
        // To a greeting or a login: nobody is accused of what is not understood.
        _ => (Cause::ServerError, None),
    }
}

/// What an ERR stands for that answers AUTH.
fn refused_login(words: &str) -> (Cause, Option<&'static str>) {
    let says = |text: &str| words.contains(text);
    if says("without any password configured") || says("no password is set") {
        let explained = "the check gives a password, and the server has none: turn AUTH on, or leave it out";
        return (Cause::AuthenticationFailed, Some(explained));
    }
    if says("invalid password") {
        return (Cause::AuthenticationFailed, None);
    }
    if says("wrong number of arguments") {
        return (Cause::AuthenticationMethodUnsupported, Some("before Redis 6 there are no users: leave user out"));
    }
    if says("unknown command") {
        return (Cause::AuthenticationMethodUnsupported, Some("AUTH is renamed, or the server is no Redis"));
    }
    (Cause::ServerError, None)
}

/// The form of an answer, without its content.
fn form(answer: &Value) -> &'static str {
    match answer {
        Value::Nil => "nothing (nil)",
        Value::Int(_) => "a number",
        Value::BulkString(_) => "a string",
        Value::Array(_) => "an array",
        Value::Okay => "OK",
        Value::SimpleString(_) => "a status",
        Value::ServerError(_) => "an error",
        _ => "a value of another version of the protocol",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(password: Option<SecretString>) -> Exchange {
        Exchange { session: None, password, target: "redis://h:6379".into(), code: OnceLock::new() }
    }

    fn refused(stage: Stage, line: &str, password: &str) -> Failure {
        let password = SecretString::from(password);
        let Ok(Value::ServerError(error)) = ::redis::parse_redis_value(format!("-{line}\r\n").as_bytes()) else {
            panic!("not an error: {line}");
        };
        exchange(Some(password)).refused(stage, &error)
    }

    #[test]
    fn each_error_has_its_cause() {
        let cause = |stage, line| refused(stage, line, "").cause;
        let query = |line| cause(Stage::Query, line);
        assert_eq!(query("LOADING Redis is loading the dataset in memory"), Cause::ServerStarting);
        assert_eq!(query("ERR DB index is out of range"), Cause::DatabaseNotFound);
        assert_eq!(query("ERR SELECT is not allowed in cluster mode"), Cause::DatabaseNotFound);
        assert_eq!(query("MOVED 3999 10.0.0.1:6381"), Cause::QueryFailed);
        assert_eq!(query("NOREPLICAS Not enough good replicas to write."), Cause::ServerError);
        assert_eq!(query("WRONGTYPE Operation against a key"), Cause::QueryFailed);
        let login = |line| cause(Stage::Authenticate, line);
        assert_eq!(login("ERR invalid password"), Cause::AuthenticationFailed);
        assert_eq!(login("ERR Client sent AUTH, but no password is set"), Cause::AuthenticationFailed);
        let arguments = "ERR wrong number of arguments for 'auth' command";
        assert_eq!(login(arguments), Cause::AuthenticationMethodUnsupported);
        assert_eq!(login("ERR something new"), Cause::ServerError);
        let greeting = |line| cause(Stage::Handshake, line);
        assert_eq!(greeting("ERR max number of clients + cluster connections reached"), Cause::TooManyConnections);
        assert_eq!(greeting("DENIED Redis is running in protected mode"), Cause::AccessDenied);
        assert_eq!(greeting(""), Cause::ServerError);
    }

    #[test]
    fn a_password_that_the_server_repeats_is_not_shown() {
        let echo = "ERR unknown command 'AUTH', with args beginning with: 'hunter2' ";
        let failure = refused(Stage::Authenticate, echo, "hunter2");
        assert!(!failure.message.contains("hunter2") && failure.message.contains("unknown command 'AUTH'"));
        let failure = refused(Stage::Authenticate, "hunter2 is wrong, hunter2", "hunter2");
        assert!(!failure.message.contains("hunter2"), "{}", failure.message);
    }
}
