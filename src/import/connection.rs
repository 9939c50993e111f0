//! A connection string in, the address that it gives out. Pure.
//!
//! Read are URLs (with SQLAlchemy's drivers, and JDBC's), libpq's `host=... dbname=...`, ADO.NET's `Server=...;Database=...`, and
//! Go's `user:password@tcp(host:port)/database`. A password with characters that should have been percent-encoded shifts what
//! stands around it: where that can't be ruled out, the text as a whole is [`Read::Unclear`], and nothing of it is kept.

use percent_encoding::percent_decode_str;
use url::form_urlencoded;

use super::address::{Address, Engine, Tls, Way, is_instance, named, reference, tls};

/// What became of a text.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// It is no connection string.
    No,
    /// It is one, but it can't be taken apart for certain.
    Unclear(Option<Engine>),
    /// It is one.
    Clear(Box<Address>),
}

/// Longest text that is looked at: Cloud Run's own limit for a variable.
const LONGEST: usize = 32 << 10;
/// Longest name of a database or a user that is taken. The kinds of probes may demand shorter ones.
const LONGEST_NAME: usize = 128;

/// Reads a text.
pub fn read(text: &str) -> Read {
    let text = text.trim();
    if text.len() > LONGEST {
        return Read::No;
    }
    let bare = ["jdbc:", "r2dbc:"].iter().find_map(|prefix| text.strip_prefix(prefix));
    match bare.unwrap_or(text).split_once("://") {
        Some((scheme, rest)) if scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) => {
            let Some(engine) = engine(scheme) else { return Read::No };
            let read = if bare.is_some() && engine == Engine::SqlServer {
                jdbc_sqlserver(rest)
            } else {
                url(scheme, engine, rest, bare.is_some())
            };
            read.map_or(Read::Unclear(Some(engine)), |address| Read::Clear(Box::new(address)))
        }
        _ => go(text).or_else(|| pairs(text)).unwrap_or(Read::No),
    }
}

/// The engine of a scheme such as postgresql+asyncpg or mongodb+srv.
fn engine(scheme: &str) -> Option<Engine> {
    Engine::of(scheme.split('+').next().unwrap_or_default())
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// What stands behind a scheme. None: it can't be taken apart for certain.
fn url(scheme: &str, engine: Engine, rest: &str, jdbc: bool) -> Option<Address> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    if tail.contains('@') && !jdbc {
        return None;
    }
    let (login, hosts) = authority.rsplit_once('@').map_or((None, authority), |(login, hosts)| (Some(login), hosts));
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let mut address = Address { engine: Some(engine), ..Address::default() };
    for host in hosts.split(',').filter(|host| !host.is_empty()) {
        address.ways.push(if scheme.ends_with("+srv") { srv(host) } else { host_of(host)? });
    }
    if let Some(login) = login {
        let (user, password) = login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
        address.password = password.filter(|password| !password.is_empty()).map(reference);
        address.user = decoded(user).and_then(|user| named(&user, LONGEST_NAME));
        if engine == Engine::Redis && address.password.is_none() && !user.is_empty() {
            // A password where the user belongs, which some clients take.
            (address.user, address.password) = (None, Some(reference(user)));
        }
    }
    let path = path.split('#').next().unwrap_or_default().trim_start_matches('/');
    address.database = decoded(path).and_then(|name| named(&name, LONGEST_NAME)).filter(|name| !name.contains('/'));
    if matches!(scheme, "rediss" | "valkeys") {
        address.tls = Some(Tls::VerifyFull);
    }
    let query = query.split('#').next().unwrap_or_default();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        setting(&mut address, &key, &value);
    }
    Some(address)
}

/// A host of a URL: percent-encoded where it is the directory of a socket.
fn host_of(host: &str) -> Option<Way> {
    let plain = decoded(host)?;
    match Way::with_port(&plain) {
        // A port that is none: the text was cut at the wrong place.
        Way::Hidden if plain.contains(':') => None,
        way => Some(way),
    }
}

fn srv(host: &str) -> Way {
    match Way::of(host, None) {
        Way::Host(name, _) => Way::Srv(format!("_mongodb._tcp.{name}")),
        other => other,
    }
}

/// One setting of a query or of a list of pairs.
fn setting(address: &mut Address, key: &str, value: &str) {
    let key = key.trim().to_ascii_lowercase().replace([' ', '-', '_'], "");
    let value = value.trim();
    match key.as_str() {
        "host" | "server" | "datasource" | "addr" | "address" | "networkaddress" if !value.is_empty() => {
            address.ways = value.split(',').map(|host| Way::of(host, None)).collect();
        }
        "unixsocket" | "socket" | "socketpath" | "unixsocketpath" => address.ways = vec![Way::of(value, None)],
        "cloudsqlinstance" if is_instance(value) => address.ways = vec![Way::Instance(value.to_owned())],
        "port" => {
            let port = value.parse().ok();
            for way in &mut address.ways {
                match way {
                    Way::Host(_, has) | Way::Loopback(has) => *has = has.or(port),
                    Way::Instance(_) | Way::Socket | Way::Srv(_) | Way::Hidden => {}
                }
            }
        }
        "dbname" | "database" | "databasename" | "initialcatalog" => address.database = named(value, LONGEST_NAME),
        "user" | "username" | "userid" | "uid" => address.user = named(value, LONGEST_NAME),
        "password" | "pwd" if !value.is_empty() => address.password = Some(reference(value)),
        "sslmode" => address.tls = tls(value),
        _ => {}
    }
}

/// `host[\instance][:port][;key=value]...`
fn jdbc_sqlserver(rest: &str) -> Option<Address> {
    let (server, settings) = rest.split_once(';').unwrap_or((rest, ""));
    let (host, port) = server.split_once(':').map_or((server, None), |(host, port)| (host, Some(port)));
    let port = port.map(str::parse).transpose().ok()?;
    let mut address = Address { engine: Some(Engine::SqlServer), ..Address::default() };
    if !host.is_empty() {
        address.ways.push(Way::of(host.split('\\').next().unwrap_or_default(), port));
    }
    split(settings, ';')?.iter().for_each(|(key, value)| setting(&mut address, key, value));
    Some(address)
}

/// Go's MySQL driver: user:password@tcp(host:port)/database?settings, with unix(path) or cloudsql(P:R:I) as well.
fn go(text: &str) -> Option<Read> {
    let (at, network) = ["@tcp(", "@unix(", "@cloudsql(", "@cloudsqlconn("]
        .iter()
        .find_map(|network| Some((text.rfind(network)?, *network)))?;
    let (login, rest) = (&text[..at], &text[at + network.len()..]);
    let (place, rest) = rest.split_once(')')?;
    let (database, query) = rest.strip_prefix('/')?.split_once('?').unwrap_or((rest.strip_prefix('/')?, ""));
    let (user, password) = login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
    let mut address = Address {
        engine: Some(Engine::Mysql),
        ways: vec![Way::with_port(place)],
        database: named(database, LONGEST_NAME),
        user: named(user, LONGEST_NAME),
        password: password.filter(|password| !password.is_empty()).map(reference),
        tls: None,
    };
    if form_urlencoded::parse(query.as_bytes()).any(|(key, value)| key == "tls" && value == "true") {
        address.tls = Some(Tls::VerifyFull);
    }
    Some(Read::Clear(Box::new(address)))
}

/// libpq's and ADO.NET's lists of settings.
fn pairs(text: &str) -> Option<Read> {
    let ado = text.contains(';');
    let list = split(text, if ado { ';' } else { ' ' })?;
    let has = |names: &[&str]| list.iter().any(|(key, _)| names.contains(&key.to_ascii_lowercase().as_str()));
    let (host, login) = (
        ["host", "server", "data source", "addr", "address"],
        ["user", "user id", "username", "uid", "dbname", "database", "initial catalog"],
    );
    if !has(&host) || !has(&login) {
        return None;
    }
    let mut address = Address::default();
    for (key, value) in &list {
        setting(&mut address, key, value);
    }
    if ado {
        address.engine = if has(&["host", "username"]) {
            Some(Engine::Postgres)
        } else if has(&["uid"]) {
            Some(Engine::Mysql)
        } else {
            Some(Engine::SqlServer)
        };
        let server = list.iter().find(|(key, _)| host.contains(&key.to_ascii_lowercase().as_str()));
        if let (Some(Engine::SqlServer), Some((_, server))) = (address.engine, server) {
            // tcp:host,port
            let server = server.trim().trim_start_matches("tcp:");
            let (host, port) = server.split_once(',').unwrap_or((server, ""));
            address.ways = vec![Way::of(host, port.trim().parse().ok())];
        }
    } else {
        address.engine = Some(Engine::Postgres);
    }
    // A port may stand before its host.
    if let Some((_, port)) = list.iter().find(|(key, _)| key.eq_ignore_ascii_case("port")) {
        setting(&mut address, "port", port);
    }
    Some(Read::Clear(Box::new(address)))
}

/// key=value pairs, with values in quotes where they hold the separator. None: it is no such list.
fn split(text: &str, separator: char) -> Option<Vec<(String, String)>> {
    let (mut found, mut rest) = (Vec::new(), text.trim());
    while !rest.is_empty() {
        let (key, value) = rest.split_once('=')?;
        if key.is_empty() || key.contains(|c: char| !c.is_ascii_alphanumeric() && !" _-".contains(c)) {
            return None;
        }
        let quote = value.chars().next().filter(|first| matches!(first, '\'' | '"'));
        let (value, after) = match quote {
            Some(quote) => {
                let end = value[1..].find(quote)? + 1;
                (&value[1..end], &value[end + 1..])
            }
            None => value.find(separator).map_or((value, ""), |end| value.split_at(end)),
        };
        found.push((key.trim().to_owned(), value.to_owned()));
        rest = after.trim_start_matches(|c: char| c == separator || c.is_whitespace());
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clear(text: &str) -> Address {
        match read(text) {
            Read::Clear(address) => *address,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn every_spelling_leads_to_the_same_address() {
        for text in [
            "postgres://app:p%40ss@db.internal:5433/orders?sslmode=require",
            "postgresql+asyncpg://app:p@ss@db.internal:5433/orders?sslmode=require",
            "jdbc:postgresql://db.internal:5433/orders?user=app&password=p@ss&sslmode=require",
            "host=db.internal port=5433 dbname=orders user=app password='p ss' sslmode=require",
            "port=5433 host=db.internal dbname=orders user=app password=x sslmode=require",
            "Host=db.internal;Port=5433;Database=orders;Username=app;Password=\"a;b\";SSL Mode=Require",
        ] {
            let address = clear(text);
            assert_eq!(address.engine, Some(Engine::Postgres), "{text}");
            assert_eq!(address.ways, [Way::Host("db.internal".into(), Some(5433))], "{text}");
            assert_eq!((address.database.as_deref(), address.user.as_deref()), (Some("orders"), Some("app")), "{text}");
            assert_eq!((address.password, address.tls), (Some(None), Some(Tls::Require)), "{text}");
        }
    }

    #[test]
    fn sockets_and_instances_are_found_wherever_they_stand() {
        for text in [
            "postgres://app:x@/orders?host=/cloudsql/p:us-central1:i",
            "postgres://app:x@localhost/orders?host=/cloudsql/p:us-central1:i",
            "postgresql://app:x@%2Fcloudsql%2Fp%3Aus-central1%3Ai/orders",
            "postgresql://app:x@%2Fcloudsql%2Fp:us-central1:i/orders",
            "mysql+pymysql://app:x@/orders?unix_socket=/cloudsql/p:us-central1:i",
            "app:x@unix(/cloudsql/p:us-central1:i)/orders?parseTime=true",
            "app:x@cloudsql(p:us-central1:i)/orders",
            "jdbc:mysql:///orders?cloudSqlInstance=p:us-central1:i&socketFactory=com.google.cloud.sql.mysql.SocketFactory&user=app&password=x",
            "host=/cloudsql/p:us-central1:i dbname=orders user=app password=x",
        ] {
            let address = clear(text);
            assert_eq!(address.ways, [Way::Instance("p:us-central1:i".into())], "{text}");
            assert_eq!((address.database.as_deref(), address.user.as_deref()), (Some("orders"), Some("app")), "{text}");
        }
    }

    #[test]
    fn other_engines_have_their_own_spellings() {
        let hosts = clear("postgres://u:p@10.0.0.1,10.0.0.2:6000/db");
        assert_eq!(hosts.ways, [Way::Host("10.0.0.1".into(), None), Way::Host("10.0.0.2".into(), Some(6000))]);
        let redis = clear("rediss://:secret@10.0.0.9:6378/2");
        assert_eq!((redis.engine, redis.tls, redis.user), (Some(Engine::Redis), Some(Tls::VerifyFull), None));
        assert_eq!((redis.database.as_deref(), redis.password), (Some("2"), Some(None)));
        let mistaken = clear("redis://secret@10.0.0.9");
        assert_eq!((mistaken.user, mistaken.password), (None, Some(None)), "a password in the user's place");
        for text in [
            "Server=tcp:10.0.0.5,1444;Initial Catalog=orders;User Id=app;Password={x}",
            "jdbc:sqlserver://10.0.0.5:1444;databaseName=orders;user=app;password=x;encrypt=true",
            "sqlserver://app:x@10.0.0.5:1444?database=orders",
        ] {
            let address = clear(text);
            assert_eq!(address.engine, Some(Engine::SqlServer), "{text}");
            assert_eq!(address.ways, [Way::Host("10.0.0.5".into(), Some(1444))], "{text}");
            assert_eq!((address.database.as_deref(), address.user.as_deref()), (Some("orders"), Some("app")), "{text}");
        }
        assert_eq!(clear("mongodb+srv://u:p@c.example.net/x").ways, [Way::Srv("_mongodb._tcp.c.example.net".into())]);
        assert_eq!(clear("postgres://app:$(DB_PASSWORD)@10.0.0.1/db").password, Some(Some("DB_PASSWORD".to_owned())));
    }

    #[test]
    fn what_can_not_be_taken_apart_for_certain_is_left_alone() {
        for text in [
            "postgres://app:12/34@db.internal/orders",
            "postgres://app:12?34@db.internal/orders",
            "postgres://app:12#34@db.internal/orders",
            "postgres://app:p@ss.word/x@db.internal/orders",
            "postgres://app:p/ss/orders",
        ] {
            assert_eq!(read(text), Read::Unclear(Some(Engine::Postgres)), "{text}");
        }
        for text in ["", "https://example.com/x", "hello", "a=b", "key=value; other=value", "://", "user:pass"] {
            assert_eq!(read(text), Read::No, "{text}");
        }
        assert_eq!(read(&format!("postgres://a:b@{}/c", "x".repeat(1 << 20))), Read::No);
    }
}
