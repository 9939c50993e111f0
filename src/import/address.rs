//! What one text says of a database's address: words such as Engine and Way, and how a host is told from other things. Pure.
//!
//! Nothing is taken for a host, a database or a user that could not be one: a text that was read wrongly may hold a secret.

use std::net::IpAddr;

/// What is at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL.
    Postgres,
    /// MySQL or MariaDB.
    Mysql,
    /// SQL Server.
    SqlServer,
    /// Redis or Valkey.
    Redis,
    /// Something that no kind of probe speaks to: its name, and its usual port.
    Other(&'static str, u16),
}

/// How to get there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// A host, and a port if it is said.
    Host(String, Option<u16>),
    /// A Cloud SQL instance: PROJECT:REGION:INSTANCE.
    Instance(String),
    /// The service's own loopback: what listens there is beside it.
    Loopback(Option<u16>),
    /// A Unix socket that is none of Cloud SQL's.
    Socket,
    /// A name whose SRV records lead there.
    Srv(String),
    /// It says something that is no host, or has to be left out.
    Hidden,
}

/// How much TLS an address asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// None.
    Disable,
    /// TLS without verification.
    Require,
    /// With a trusted certificate.
    VerifyCa,
    /// With a trusted certificate of the host's name.
    VerifyFull,
}

/// An address as a text gives it. The password itself is not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// What is there, as far as the text tells.
    pub engine: Option<Engine>,
    /// The ways: several hosts are several ways.
    pub ways: Vec<Way>,
    /// The database.
    pub database: Option<String>,
    /// The user.
    pub user: Option<String>,
    /// Whether there is a password, and if it only refers to a variable (`$(NAME)`), to which.
    pub password: Option<Option<String>>,
    /// How much TLS.
    pub tls: Option<Tls>,
}

impl Engine {
    /// The port that it has if nothing else is said.
    pub const fn port(self) -> u16 {
        match self {
            Engine::Postgres => 5432,
            Engine::Mysql => 3306,
            Engine::SqlServer => 1433,
            Engine::Redis => 6379,
            Engine::Other(_, port) => port,
        }
    }

    /// What usually listens on a port.
    pub const fn on(port: u16) -> Option<Engine> {
        match port {
            5432 | 6432 => Some(Engine::Postgres),
            3306 => Some(Engine::Mysql),
            1433 => Some(Engine::SqlServer),
            6379 => Some(Engine::Redis),
            _ => None,
        }
    }

    /// The engine that a word names, such as a URL's scheme, a driver or a part of a variable's name. Case does not matter.
    pub fn of(word: &str) -> Option<Engine> {
        Some(match word.to_ascii_lowercase().as_str() {
            "postgres" | "postgresql" | "postgis" | "pgsql" | "psql" | "pg" | "psycopg2" | "asyncpg" => {
                Engine::Postgres
            }
            "mysql" | "mysql2" | "mariadb" | "pymysql" => Engine::Mysql,
            "sqlserver" | "mssql" => Engine::SqlServer,
            "redis" | "rediss" | "valkey" | "valkeys" | "memorystore" => Engine::Redis,
            "mongodb" | "mongo" => Engine::Other("MongoDB", 27017),
            "amqp" | "rabbitmq" => Engine::Other("AMQP", 5672),
            "amqps" => Engine::Other("AMQP over TLS", 5671),
            "nats" => Engine::Other("NATS", 4222),
            "memcached" | "memcache" => Engine::Other("Memcached", 11211),
            "clickhouse" => Engine::Other("ClickHouse", 9000),
            _ => return None,
        })
    }
}

impl Way {
    /// The way that a host, a directory of a socket or an instance's name stands for.
    pub fn of(text: &str, port: Option<u16>) -> Way {
        let text = text.trim().trim_matches(['[', ']']);
        if let Some(mounted) = text.strip_prefix("/cloudsql/") {
            let instance = mounted.split('/').next().unwrap_or_default();
            return if is_instance(instance) { Way::Instance(instance.to_owned()) } else { Way::Socket };
        }
        if text.starts_with('/') || text.starts_with('@') {
            return Way::Socket;
        }
        if is_instance(text) {
            return Way::Instance(text.to_owned());
        }
        let ip: Option<IpAddr> = text.parse().ok();
        if text.eq_ignore_ascii_case("localhost") || ip.is_some_and(|ip| ip.is_loopback() || ip.is_unspecified()) {
            return Way::Loopback(port);
        }
        if ip.is_some() || is_name(text) { Way::Host(text.trim_end_matches('.').to_owned(), port) } else { Way::Hidden }
    }

    /// A host with its port behind a colon, or any of [`Way::of`].
    pub fn with_port(text: &str) -> Way {
        let text = text.trim();
        match text.rsplit_once(':') {
            Some((host, port)) if host.ends_with(']') || !host.contains(':') && !host.starts_with('/') => {
                match port.parse() {
                    Ok(port) => Way::of(host, Some(port)),
                    Err(_) => Way::Hidden,
                }
            }
            _ => Way::of(text, None),
        }
    }
}

/// Whether this is a DNS name with a dot in it. A name without one leads nowhere from outside, and could be anything.
fn is_name(text: &str) -> bool {
    let text = text.trim_end_matches('.');
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.chars().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let top = text.rsplit('.').next().unwrap_or_default();
    text.len() <= 253 && text.contains('.') && text.split('.').all(label) && !top.chars().all(|c| c.is_ascii_digit())
}

/// Whether a host's name is one that only a private zone can answer for.
pub fn is_private_name(host: &str) -> bool {
    const SUFFIXES: [&str; 9] =
        [".internal", ".local", ".lan", ".corp", ".private", ".intranet", ".home.arpa", ".cluster.local", ".sql.goog"];
    let host = host.to_ascii_lowercase();
    SUFFIXES.iter().any(|suffix| host.ends_with(suffix))
}

/// Whether this is PROJECT:REGION:INSTANCE, as the API has it; a project may be within a domain.
pub fn is_instance(text: &str) -> bool {
    let part = |text: &str, more: &[char]| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || more.contains(&c);
        text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(inner)
    };
    let parts: Vec<&str> = text.split(':').collect();
    text.len() <= 255
        && match parts[..] {
            [project, region, instance] => [project, region, instance].iter().all(|text| part(text, &[])),
            [domain, project, region, instance] => {
                part(domain, &['.']) && [project, region, instance].iter().all(|text| part(text, &[]))
            }
            _ => false,
        }
}

/// A database or a user that can be named in a check: at most so many characters, and nothing that can't be seen.
pub fn named(text: &str, most: usize) -> Option<String> {
    let length = text.chars().count();
    (1..=most)
        .contains(&length)
        .then(|| text.to_owned())
        .filter(|text| !text.contains(char::is_control) && !is_reference(text))
}

/// Whether a text refers to another variable.
fn is_reference(text: &str) -> bool {
    text.contains("$(") || text.contains("${")
}

/// The variable that a text refers to, if it is nothing else: `$(NAME)`.
pub fn reference(text: &str) -> Option<String> {
    let name = text.strip_prefix("$(")?.strip_suffix(')')?;
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(inner)).then(|| name.to_owned())
}

/// The TLS that a setting such as libpq's sslmode or MySQL's ssl-mode asks for. None: whatever the server has.
pub fn tls(mode: &str) -> Option<Tls> {
    match mode.to_ascii_lowercase().replace('_', "-").as_str() {
        "disable" | "disabled" => Some(Tls::Disable),
        "require" | "required" => Some(Tls::Require),
        "verify-ca" => Some(Tls::VerifyCa),
        "verify-full" | "verify-identity" => Some(Tls::VerifyFull),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_host_is_hidden() {
        for (text, way) in [
            ("10.20.0.3", Way::Host("10.20.0.3".into(), Some(1))),
            ("[fd00::3]", Way::Host("fd00::3".into(), Some(1))),
            ("db.internal.", Way::Host("db.internal".into(), Some(1))),
            ("127.0.0.1", Way::Loopback(Some(1))),
            ("/cloudsql/p:us-central1:i", Way::Instance("p:us-central1:i".into())),
            ("/cloudsql/p:us-central1:i/.s.PGSQL.5432", Way::Instance("p:us-central1:i".into())),
            ("example.com:p:us-central1:i", Way::Instance("example.com:p:us-central1:i".into())),
            ("/tmp/socket", Way::Socket),
            ("hunter2", Way::Hidden),
            ("a b.c", Way::Hidden),
            ("p@ss.word", Way::Hidden),
            ("1.2.3", Way::Hidden),
            ("", Way::Hidden),
        ] {
            assert_eq!(Way::of(text, Some(1)), way, "{text}");
        }
        assert_eq!(Way::with_port("db.internal:5433"), Way::Host("db.internal".into(), Some(5433)));
        assert_eq!(Way::with_port("[::1]:6379"), Way::Loopback(Some(6379)));
        assert_eq!(Way::with_port("fd00::3"), Way::Host("fd00::3".into(), None));
        assert_eq!(Way::with_port("p:r:i"), Way::Instance("p:r:i".into()));
    }
}
