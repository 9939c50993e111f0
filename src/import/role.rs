//! A variable's name in; what its value says of a database, and of which one, out. Pure.

use super::address::Engine;

/// What a variable says of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Its host.
    Host,
    /// Its port.
    Port,
    /// The database within it.
    Database,
    /// Who logs in.
    User,
    /// Who logs in with a token instead of a password.
    IamUser,
    /// The password.
    Password,
    /// A file with the password.
    PasswordFile,
    /// Everything, as one string.
    Whole,
    /// The Cloud SQL instance.
    Instance,
    /// A Unix socket.
    Socket,
    /// How much TLS.
    Tls,
    /// What kind of database it is.
    Engine,
}

/// A variable that speaks of a database.
#[derive(Debug, PartialEq, Eq)]
pub struct Speaks {
    /// Which one: what variables of the same database have in common, such as DB or `ORDERS_POSTGRES`.
    pub of: String,
    /// The engine that its name tells.
    pub engine: Option<Engine>,
    /// What it says.
    pub role: Role,
}

/// How names end. Of those that fit the longest counts that leaves the name of a database.
const ENDINGS: &[(&str, Role)] = &[
    ("INSTANCE_CONNECTION_NAME", Role::Instance),
    ("INSTANCE_UNIX_SOCKET", Role::Socket),
    ("CONNECTION_STRING", Role::Whole),
    ("CONNECTIONSTRING", Role::Whole),
    ("CONNECTION_NAME", Role::Instance),
    ("CONNECTION_URL", Role::Whole),
    ("CONNECTION_URI", Role::Whole),
    ("PASSWORD_FILE", Role::PasswordFile),
    ("INSTANCE_NAME", Role::Instance),
    ("AUTH_STRING", Role::Password),
    ("UNIX_SOCKET", Role::Socket),
    ("SOCKET_PATH", Role::Socket),
    ("SOCKET_DIR", Role::Socket),
    ("CONN_STRING", Role::Whole),
    ("CONNECTION", Role::Engine),
    ("JDBC_URL", Role::Whole),
    ("IAM_USER", Role::IamUser),
    ("INSTANCE", Role::Instance),
    ("PASSWORD", Role::Password),
    ("SSL_MODE", Role::Tls),
    ("DATABASE", Role::Database),
    ("HOSTNAME", Role::Host),
    ("ENDPOINT", Role::Host),
    ("USERNAME", Role::User),
    ("SSLMODE", Role::Tls),
    ("ADDRESS", Role::Host),
    ("ADAPTER", Role::Engine),
    ("DIALECT", Role::Engine),
    ("DB_NAME", Role::Database),
    ("PASSWD", Role::Password),
    ("DBNAME", Role::Database),
    ("SERVER", Role::Host),
    ("SOCKET", Role::Socket),
    ("ENGINE", Role::Engine),
    ("DRIVER", Role::Engine),
    ("LOGIN", Role::User),
    ("HOSTS", Role::Host),
    ("HOST", Role::Host),
    ("ADDR", Role::Host),
    ("PORT", Role::Port),
    ("NAME", Role::Database),
    ("USER", Role::User),
    ("PASS", Role::Password),
    ("AUTH", Role::Password),
    ("TYPE", Role::Engine),
    ("PWD", Role::Password),
    ("URL", Role::Whole),
    ("URI", Role::Whole),
    ("DSN", Role::Whole),
    ("DB", Role::Database),
    ("IP", Role::Host),
];

/// What a variable of this name says.
pub fn of(name: &str) -> Option<Speaks> {
    let name = name.to_ascii_uppercase().replace(['-', '.'], "_");
    ENDINGS.iter().find_map(|(ending, role)| {
        let database = name.strip_suffix(ending)?;
        let (of, engine) = database_of(database)?;
        // INSTANCE_HOST is one of a database, INSTANCE_NAME may be anything's.
        let instance = database.trim_end_matches('_') == "INSTANCE";
        let fits = !instance || matches!(role, Role::Host | Role::Instance | Role::Socket);
        fits.then_some(Speaks { of, engine, role: *role })
    })
}

/// The database that the beginning of a name stands for, if it stands for one.
fn database_of(beginning: &str) -> Option<(String, Option<Engine>)> {
    let whole = beginning.ends_with('_');
    let words: Vec<&str> = beginning.split('_').filter(|word| !word.is_empty()).collect();
    let last = *words.last()?;
    let engine = words.iter().find_map(|word| Engine::of(word));
    // PGHOST and REDISHOST have no line between the two; BEDROOMHOST is neither.
    let joined = !whole && (Engine::of(last).is_none() && last != "DB");
    let general = ["DB", "DATABASE", "SQL", "CLOUDSQL", "DATASOURCE", "INSTANCE"];
    if joined || engine.is_none() && !words.iter().any(|word| general.contains(word)) {
        return None;
    }
    let mut of: Vec<&str> = Vec::new();
    for word in words {
        let word = if matches!(word, "DATABASE" | "SQL" | "CLOUDSQL" | "INSTANCE") { "DB" } else { word };
        if word != "CLOUD" && of.last() != Some(&word) {
            of.push(word);
        }
    }
    Some((of.join("_"), engine))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_database_and_what_is_said_of_it() {
        let pg = Some(Engine::Postgres);
        for (name, of_, engine, role) in [
            ("DB_HOST", "DB", None, Role::Host),
            ("DATABASE_URL", "DB", None, Role::Whole),
            ("DB_NAME", "DB", None, Role::Database),
            ("DATABASE_NAME", "DB", None, Role::Database),
            ("PGHOST", "PG", pg, Role::Host),
            ("POSTGRES_DB", "POSTGRES", pg, Role::Database),
            ("REDISHOST", "REDIS", Some(Engine::Redis), Role::Host),
            ("MYSQL_DATABASE", "MYSQL", Some(Engine::Mysql), Role::Database),
            ("INSTANCE_CONNECTION_NAME", "DB", None, Role::Instance),
            ("CLOUD_SQL_CONNECTION_NAME", "DB", None, Role::Instance),
            ("INSTANCE_UNIX_SOCKET", "DB", None, Role::Socket),
            ("INSTANCE_HOST", "DB", None, Role::Host),
            ("DB_IAM_USER", "DB", None, Role::IamUser),
            ("orders.db.password", "ORDERS_DB", None, Role::Password),
            ("SPRING_DATASOURCE_USERNAME", "SPRING_DATASOURCE", None, Role::User),
            ("DB_CONNECTION", "DB", None, Role::Engine),
        ] {
            assert_eq!(of(name), Some(Speaks { of: of_.into(), engine, role }), "{name}");
        }
        for name in [
            "HOST",
            "PORT",
            "NAME",
            "SECRET_NAME",
            "API_URL",
            "INSTANCE_NAME",
            "JWT_PASSWORD",
            "",
            "_",
            "DB",
            "SCRUBDBHOST",
        ] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
