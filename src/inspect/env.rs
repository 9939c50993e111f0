//! What a variable of a container's environment says of the path. Pure.
//!
//! A value may be a secret. What is returned is taken from where a host, an instance or a time-out stands by the format's own
//! rules, and is checked to be one; what is doubtful, such as a URL with an unescaped password, gives nothing.

use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use url::Url;

use crate::cloud::service::Says;

/// PROJECT:REGION:INSTANCE, a project of a domain included.
const INSTANCE: &str =
    r"(?:[a-z][a-z0-9.-]*\.[a-z]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]:[a-z]+(?:-[a-z]+)+[0-9]+:[a-z][a-z0-9-]{0,97}";
/// Longest value that is looked at, in bytes.
const LONGEST: usize = 8 * 1024;
/// Parts of names whose values are secrets.
const SECRET_NAMES: [&str; 8] = ["PASSW", "SECRET", "TOKEN", "CREDENTIAL", "APIKEY", "API_KEY", "PRIVATE", "SIGNING"];
/// Ends of names whose values are hosts.
const HOST_NAMES: [&str; 7] = ["HOST", "HOSTNAME", "ADDR", "ADDRESS", "SERVER", "ENDPOINT", "HOSTADDR"];
/// Schemes of URLs that lead to a database or a cache.
const SCHEMES: [&str; 8] = ["postgres", "postgresql", "mysql", "mariadb", "sqlserver", "mssql", "redis", "rediss"];
/// Keys of connection strings that hold the host.
const HOST_KEYS: [&str; 6] = ["host", "hostaddr", "server", "data source", "addr", "address"];

static WHOLE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&format!("^(?:/cloudsql/)?({INSTANCE})/?$")).ok());
static SOCKET: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!("/cloudsql/({INSTANCE})(?:$|[^a-z0-9:-])")).ok());
static GO: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"@tcp\(([^()@]+)\)/[A-Za-z0-9_-]*(?:\?[^()@]*)?$").ok());

/// What a variable says of the path, if anything.
pub fn says(name: &str, value: &str) -> Option<Says> {
    let (name, value) = (name.to_ascii_uppercase(), value.trim());
    let secret = SECRET_NAMES.iter().any(|secret| name.contains(secret)) || name.ends_with("KEY");
    if value.is_empty() || value.len() > LONGEST || secret {
        return None;
    }
    if name.contains("TIMEOUT") || name.contains("DEADLINE") {
        return timeout(&name, value).map(Says::Timeout);
    }
    if let Some(instance) = instance(value) {
        return Some(Says::Instance(instance));
    }
    let host = match value.split_once("://") {
        Some(_) => by_url(value),
        None if HOST_NAMES.iter().any(|end| name.ends_with(end)) => host_and_port(value),
        None => by_keys(value).or_else(|| by_go(value)),
    };
    host.map(|(host, port)| Says::Host(host, port))
}

fn instance(value: &str) -> Option<String> {
    let found =
        |pattern: &LazyLock<Option<Regex>>| Some(pattern.as_ref()?.captures(value)?.get(1)?.as_str().to_owned());
    found(&WHOLE).or_else(|| {
        let decoded = percent_encoding::percent_decode_str(value).decode_utf8().ok()?;
        Some(SOCKET.as_ref()?.captures(&decoded)?.get(1)?.as_str().to_owned())
    })
}

type HostAndPort = (String, Option<u16>);

/// The host of a database's URL, such as postgresql+asyncpg://user:password@10.20.0.3:5432/db.
fn by_url(value: &str) -> Option<HostAndPort> {
    let value = value.strip_prefix("jdbc:").unwrap_or(value);
    let (scheme, rest) = value.split_once("://")?;
    let base = scheme.split('+').next().unwrap_or_default().to_ascii_lowercase();
    if !SCHEMES.contains(&base.as_str()) {
        return None;
    }
    // SQL Server's own form: sqlserver://host:port;key=value.
    let rest = rest.split(';').next().unwrap_or_default();
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    // An @ behind the authority: a password that is not escaped, so that what looks like the host may be a part of it.
    if rest[end..].contains('@') || value.contains(char::is_whitespace) {
        return None;
    }
    let url: Url = format!("tcp://{}", &rest[..end]).parse().ok()?;
    let host = url.host_str()?;
    checked(host.trim_start_matches('[').trim_end_matches(']'), url.port())
}

/// The host of a connection string: `host=10.20.0.3 port=5432 ...` or `Server=tcp:10.20.0.3,1433;...`.
fn by_keys(value: &str) -> Option<HostAndPort> {
    // With quotes, what looks like a key may stand in a password.
    if value.contains(['"', '\'', '{', '\\']) {
        return None;
    }
    let separator = |character: char| if value.contains(';') { character == ';' } else { character.is_whitespace() };
    let pairs: Vec<(String, &str)> = value
        .split(separator)
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.trim().to_ascii_lowercase(), value.trim()))
        .collect();
    if pairs.len() < 2 {
        return None;
    }
    let of = |keys: &[&str]| pairs.iter().find(|(key, _)| keys.contains(&key.as_str())).map(|(_, value)| *value);
    let host = of(&HOST_KEYS)?;
    let host = host.strip_prefix("tcp:").unwrap_or(host).replace(',', ":");
    let (host, port) = host_and_port(&host)?;
    Some((host, port.or_else(|| of(&["port"])?.parse().ok())))
}

/// The host of Go's MySQL driver: user:password@tcp(10.20.0.3:3306)/db.
fn by_go(value: &str) -> Option<HostAndPort> {
    host_and_port(GO.as_ref()?.captures(value)?.get(1)?.as_str())
}

fn host_and_port(text: &str) -> Option<HostAndPort> {
    if text.parse::<IpAddr>().is_ok() {
        return checked(text, None);
    }
    match text.rsplit_once(':') {
        Some((host, port)) => checked(host.trim_start_matches('[').trim_end_matches(']'), Some(port.parse().ok()?)),
        None => checked(text, None),
    }
}

/// A host that is an address or a DNS name.
fn checked(host: &str, port: Option<u16>) -> Option<HostAndPort> {
    let label = |label: &str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        (1..=63).contains(&label.len()) && inner && !label.starts_with('-') && !label.ends_with('-')
    };
    let name = host.len() <= 253 && host.trim_end_matches('.').split('.').all(label);
    (host.parse::<IpAddr>().is_ok() || name).then(|| (host.to_owned(), port))
}

/// A time-out: 35s, 35000ms, 1.5m; without unit by the variable's name, else in seconds, or in milliseconds where it is a
/// multiple of a thousand.
fn timeout(name: &str, value: &str) -> Option<Duration> {
    let end = value.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(value.len());
    let (number, unit) = value.split_at(end);
    let number: f64 = number.parse().ok()?;
    let scale = match unit.trim().to_ascii_lowercase().as_str() {
        "ms" | "msec" | "millis" | "milliseconds" => 0.001,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "" if ["_MS", "_MSEC", "MILLIS", "MILLISECONDS"].iter().any(|end| name.ends_with(end)) => 0.001,
        "" if ["_S", "_SEC", "_SECS", "SECONDS"].iter().any(|end| name.ends_with(end)) => 1.0,
        "" if ["_MIN", "_MINS", "MINUTES"].iter().any(|end| name.ends_with(end)) => 60.0,
        "" if number >= 1000.0 && number % 1000.0 == 0.0 => 0.001,
        "" => 1.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * scale).ok().filter(|timeout| *timeout <= Duration::from_secs(24 * 60 * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(host: &str, port: impl Into<Option<u16>>) -> Option<Says> {
        Some(Says::Host(host.to_owned(), port.into()))
    }

    #[test]
    fn a_host_is_found_in_every_form_and_nothing_else_is_kept() {
        let cases = [
            ("DATABASE_URL", "postgres://user:hunter2@10.20.0.3:5432/db", host("10.20.0.3", 5432)),
            (
                "DATABASE_URL",
                "postgresql+asyncpg://user:hunter2@db.internal/db?sslmode=require",
                host("db.internal", None),
            ),
            ("DATABASE_URL", "mysql+pymysql://hunter2:hunter2@[fd00::3]:3306/db", host("fd00::3", 3306)),
            ("JDBC", "jdbc:postgresql://10.20.0.3:5432/db?user=a&password=hunter2", host("10.20.0.3", 5432)),
            ("JDBC", "jdbc:sqlserver://10.20.0.3:1433;user=a;password=hunter2", host("10.20.0.3", 1433)),
            ("REDIS_URL", "rediss://:hunter2@10.30.0.4:6378", host("10.30.0.4", 6378)),
            ("DSN", "host=10.20.0.3 port=5432 user=app password=hunter2", host("10.20.0.3", 5432)),
            ("CONNECTION", "Server=tcp:10.20.0.3,1433;User Id=app;Password=hunter2", host("10.20.0.3", 1433)),
            ("DSN", "user:hunter2@tcp(10.20.0.3:3306)/db?parseTime=true", host("10.20.0.3", 3306)),
            ("DB_HOST", "10.20.0.3", host("10.20.0.3", None)),
            ("PGHOST", "db", host("db", None)),
            ("REDIS_ADDR", "10.30.0.4:6379", host("10.30.0.4", 6379)),
        ];
        for (name, value, expected) in cases {
            let says = says(name, value);
            assert!(!format!("{says:?}").contains("hunter2"), "{name}: {says:?}");
            assert_eq!(says, expected, "{name}={value}");
        }
    }

    #[test]
    fn an_instance_is_found_by_name_and_by_socket() {
        let instance = Some(Says::Instance("netra-staging:us-central1:staging-shared-postgres".to_owned()));
        for (name, value) in [
            ("INSTANCE_CONNECTION_NAME", "netra-staging:us-central1:staging-shared-postgres"),
            ("DB_HOST", "/cloudsql/netra-staging:us-central1:staging-shared-postgres"),
            (
                "DATABASE_URL",
                "postgresql://u:hunter2@/db?host=/cloudsql/netra-staging:us-central1:staging-shared-postgres",
            ),
            (
                "DATABASE_URL",
                "postgresql://u:hunter2@/db?host=%2Fcloudsql%2Fnetra-staging%3Aus-central1%3Astaging-shared-postgres",
            ),
            ("DSN", "u:hunter2@unix(/cloudsql/netra-staging:us-central1:staging-shared-postgres)/db"),
        ] {
            assert_eq!(says(name, value), instance, "{name}={value}");
        }
    }

    #[test]
    fn what_may_be_a_secret_gives_nothing() {
        for (name, value) in [
            ("DB_PASSWORD", "10.20.0.3"),
            ("API_TOKEN_HOST", "hunter2"),
            ("DATABASE_URL", "postgres://user:p@hunter2/w@10.20.0.3:5432/db"),
            ("DATABASE_URL", "postgres://user:12#hunter2@10.20.0.3/db"),
            ("DATABASE_URL", "postgres://hunter:12/2@10.20.0.3/db"),
            ("DATABASE_URL", "postgres://user:a hunter2@10.20.0.3/db"),
            ("HOOK", "https://hooks.example.com/hunter2"),
            ("DSN", "password='x host=hunter2 y=z' host=10.20.0.3"),
            ("DB_HOST", "Hunter2!"),
            ("DB_HOST", "hunter2:notaport"),
            ("WORDS", "hunter2"),
            ("WORDS", "a=hunter2"),
            ("LONG_HOST", &"a".repeat(LONGEST + 1)),
        ] {
            assert_eq!(says(name, value), None, "{name}={value}");
        }
    }

    #[test]
    fn a_time_out_is_read_by_its_unit_or_by_the_name() {
        for (name, value, milliseconds) in [
            ("DB_TIMEOUT", "35", 35_000),
            ("DB_TIMEOUT", "35.0", 35_000),
            ("DB_TIMEOUT", "35s", 35_000),
            ("DB_TIMEOUT", "35000ms", 35_000),
            ("DB_TIMEOUT", "35000", 35_000),
            ("DB_TIMEOUT_MS", "500", 500),
            ("DB_TIMEOUT_SECONDS", "2000", 2_000_000),
            ("SESSION_TIMEOUT", "3600", 3_600_000),
            ("DEADLINE_MINUTES", "2", 120_000),
            ("DB_TIMEOUT", "1.5 minutes", 90_000),
        ] {
            let expected = Some(Says::Timeout(Duration::from_millis(milliseconds)));
            assert_eq!(says(name, value), expected, "{name}={value}");
        }
        for value in ["", "never", "hunter2", "-1", "1e99", "99999999999", "3 hunter2"] {
            assert_eq!(says("DB_TIMEOUT", value), None, "{value}");
        }
    }
}
