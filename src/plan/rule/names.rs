//! What a rule can name: the variables of each kind of probe, and the functions. Data only.

use crate::api::Kind;

/// The variable with the probe's duration.
pub const LATENCY: &str = "latency";
/// The variable with the duration of each stage.
pub const STAGES: &str = "stages";

/// The variable with the time that a WebSocket's first message took. Its answer is a number of nanoseconds.
pub const FIRST_MESSAGE: &str = "timeToFirstMessage";

/// The functions, besides operators and macros.
pub const FUNCTIONS: &[&str] = &[
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "min",
    "max",
    "string",
    "bytes",
    "int",
    "uint",
    "double",
    "duration",
    "timestamp",
    "getFullYear",
    "getMonth",
    "getDayOfYear",
    "getDayOfMonth",
    "getDate",
    "getDayOfWeek",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
];

/// The variables of a kind of probe.
pub fn variables(kind: Kind) -> Vec<&'static str> {
    let answer: &[&str] = match kind {
        Kind::Dns => &["records"],
        Kind::Tcp => &["received"],
        Kind::Tls => &["certificate"],
        Kind::Websocket => &["subprotocol", "messages", "message", "json", FIRST_MESSAGE],
        Kind::Http => &["status", "headers", "body", "json"],
        Kind::Postgres | Kind::Mysql | Kind::Sqlserver => &["rows", "row"],
        Kind::Redis => &["role", "replicas", "version"],
        Kind::Grpc => &["status", "serving"],
        // Assertions belong to what is repeated.
        Kind::Load => &[],
        Kind::Journey => &[],
    };
    [LATENCY, STAGES].into_iter().chain(answer.iter().copied()).collect()
}
