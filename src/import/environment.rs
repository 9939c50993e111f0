//! A container's environment in; the databases that it speaks of out. Pure.
//!
//! What is known of a database may be in one string, in several variables, or in both. A password is never kept: only where it is.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use super::address::{self, Address, Engine, Tls, Way, named};
use super::connection::{self, Read};
use super::exported::{Container, Held, ProxyIp, SecretVersion, Variable};
use super::role::{self, Role};

/// Longest value that references to other variables are filled into.
const LONGEST: usize = 32 << 10;
/// Longest name of a database or a user.
const LONGEST_NAME: usize = 128;

/// A database that a service speaks of.
#[derive(Clone, Debug, Default)]
pub struct Database {
    /// What its variables have in common, such as DB; empty where no variable speaks of it.
    pub of: String,
    /// What it is.
    pub engine: Option<Engine>,
    /// The ways there; none if nothing says one.
    pub ways: Vec<Way>,
    /// The kind of address that an Auth Proxy beside the service goes to.
    pub ip: Option<ProxyIp>,
    /// The database within it.
    pub database: Option<String>,
    /// Who logs in.
    pub user: Option<String>,
    /// Whether by a token instead of a password.
    pub iam: bool,
    /// Where the password is.
    pub password: Password,
    /// How much TLS.
    pub tls: Option<Tls>,
    /// The variables that speak of it.
    pub variables: Vec<String>,
    /// What can't be told, each as the end of the sentence "fill in: ...".
    pub unclear: Vec<String>,
}

/// Where a password is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Password {
    /// Nothing says it.
    #[default]
    Unsaid,
    /// In a variable, in the clear.
    Plain(String),
    /// Within the string in a variable, in the clear.
    Within(String),
    /// In Secret Manager, by way of a variable.
    Secret(String, SecretVersion),
    /// Within the string that a secret of Secret Manager holds.
    WithinSecret(String, SecretVersion),
    /// In a file that a variable names.
    File(String),
}

/// The variables of one database.
#[derive(Default)]
struct Group<'a> {
    engine: Option<Engine>,
    parts: Vec<(Role, &'a str, Held)>,
    strings: Vec<(&'a str, Read)>,
}

/// The databases that a container's environment speaks of, in the order in which it first does.
pub fn databases(container: &Container) -> Vec<Database> {
    let texts = texts(&container.environment);
    let mut order: Vec<String> = Vec::new();
    let mut groups: BTreeMap<String, Group<'_>> = BTreeMap::new();
    for variable in &container.environment {
        let speaks = role::of(&variable.name);
        let value = filled(&variable.value, &texts);
        let read = match &value {
            Held::Text(text) => connection::read(text.expose_secret()),
            Held::Secret(_) => Read::No,
        };
        let (of, engine) = match (&speaks, &read) {
            (Some(speaks), _) => (speaks.of.clone(), speaks.engine),
            (None, Read::No) => continue,
            (None, Read::Clear(_) | Read::Unclear(_)) => (stem(&variable.name), None),
        };
        if !order.contains(&of) {
            order.push(of.clone());
        }
        let group = groups.entry(of).or_default();
        group.engine = group.engine.or(engine);
        match (read, speaks) {
            (Read::No, Some(speaks)) => group.parts.push((speaks.role, &variable.name, value)),
            (read, _) => group.strings.push((&variable.name, read)),
        }
    }
    let values = values(&container.environment);
    order
        .iter()
        .filter_map(|of| Some((of, groups.get(of)?)))
        .flat_map(|(of, group)| group.databases(of, &values))
        .collect()
}

/// What the environment itself says, to fill references with.
fn texts<'a>(environment: &'a [Variable]) -> BTreeMap<&'a str, &'a SecretString> {
    let text = |variable: &'a Variable| match &variable.value {
        Held::Text(text) => Some((variable.name.as_str(), text)),
        Held::Secret(_) => None,
    };
    environment.iter().filter_map(text).collect()
}

fn values(environment: &[Variable]) -> BTreeMap<&str, &Held> {
    environment.iter().map(|variable| (variable.name.as_str(), &variable.value)).collect()
}

/// A value with references to other variables, `$(NAME)`, filled in. Those to secrets stay.
fn filled(value: &Held, texts: &BTreeMap<&str, &SecretString>) -> Held {
    let Held::Text(text) = value else { return value.clone() };
    let text = text.expose_secret();
    if text.len() > LONGEST || !text.contains("$(") || address::reference(text).is_some() {
        return value.clone();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("$(") {
        out.push_str(before);
        let Some((name, behind)) = after.split_once(')') else {
            out.push_str("$(");
            rest = after;
            continue;
        };
        match texts.get(name) {
            // Not the password: so it still shows where that comes from.
            Some(text) if !matches!(role::of(name).map(|speaks| speaks.role), Some(Role::Password)) => {
                out.push_str(text.expose_secret())
            }
            Some(_) | None => out.push_str(&format!("$({name})")),
        }
        rest = behind;
        if out.len() > LONGEST {
            return value.clone();
        }
    }
    out.push_str(rest);
    Held::Text(SecretString::from(out))
}

/// What is left of a name without an ending such as _URL.
fn stem(name: &str) -> String {
    let name = name.to_ascii_uppercase();
    let endings = ["_URL", "_URI", "_DSN", "_CONNECTION_STRING"];
    endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(&name).to_owned()
}

impl Group<'_> {
    fn databases(&self, of: &str, values: &BTreeMap<&str, &Held>) -> Vec<Database> {
        let mut base = self.base(of);
        let mut found: Vec<Database> = Vec::new();
        let mut joined = false;
        for (variable, read) in &self.strings {
            let mut database = match read {
                Read::Clear(address) => whole(of, variable, address, values),
                Read::Unclear(engine) => unclear(of, variable, *engine),
                Read::No => continue,
            };
            database.engine = database.engine.or(self.engine);
            if base.ways.is_empty() || database.ways.is_empty() || base.ways == database.ways {
                joined = true;
                complete(&mut database, &base);
            }
            found.push(database);
        }
        if !joined && !base.variables.is_empty() {
            base.engine = base.engine.or(self.engine);
            found.insert(0, base);
        }
        found
    }

    /// What the variables say that hold one thing each.
    fn base(&self, of: &str) -> Database {
        let mut base = Database { of: of.to_owned(), engine: self.engine, ..Database::default() };
        let mut port = None;
        let mut said: Vec<(Role, Way)> = Vec::new();
        for (role, variable, value) in &self.parts {
            match (role, value) {
                (Role::Password, Held::Text(_)) => base.password = Password::Plain((*variable).to_owned()),
                (Role::Password, Held::Secret(secret)) => {
                    base.password = Password::Secret((*variable).to_owned(), secret.clone())
                }
                (Role::PasswordFile, _) => base.password = Password::File((*variable).to_owned()),
                (Role::Whole, Held::Secret(secret)) => {
                    base.password = Password::WithinSecret((*variable).to_owned(), secret.clone());
                    base.unclear.push(format!("the address, the database and the user: all of them are within {}, which comes from Secret Manager (secret {})", variable, secret.secret));
                }
                // A string that is none of a database.
                (Role::Whole, Held::Text(_)) => continue,
                (Role::Engine | Role::Tls, Held::Secret(_)) => continue,
                (_, Held::Secret(secret)) => {
                    base.unclear.push(format!(
                        "what {variable} holds; it comes from Secret Manager (secret {})",
                        secret.secret
                    ));
                }
                (role, Held::Text(text)) => {
                    let text = text.expose_secret().trim();
                    match role {
                        Role::Host | Role::Socket if !text.is_empty() => {
                            said.extend(text.split(',').map(|host| (*role, Way::with_port(host))));
                        }
                        Role::Instance => match Way::of(text, None) {
                            way @ Way::Instance(_) => said.push((Role::Instance, way)),
                            _ => continue,
                        },
                        Role::Port => port = text.parse().ok(),
                        Role::Database => base.database = named(text, LONGEST_NAME),
                        Role::User => base.user = base.user.take().or_else(|| named(text, LONGEST_NAME)),
                        Role::IamUser => (base.user, base.iam) = (named(text, LONGEST_NAME), true),
                        Role::Tls => base.tls = address::tls(text),
                        Role::Engine => {
                            base.engine =
                                text.split(|c: char| !c.is_ascii_alphanumeric()).find_map(Engine::of).or(base.engine)
                        }
                        Role::Host | Role::Socket | Role::Password | Role::PasswordFile | Role::Whole => continue,
                    }
                }
            }
            base.variables.push((*variable).to_owned());
        }
        base.ways = chosen(said, port);
        base.engine = base.engine.or_else(|| port.and_then(Engine::on));
        base
    }
}

/// Of the ways that variables name, those that count: hosts; else an instance, a socket, or the own loopback.
fn chosen(said: Vec<(Role, Way)>, port: Option<u16>) -> Vec<Way> {
    let with_port = |way: &Way| match way {
        Way::Host(host, own) => Way::Host(host.clone(), own.or(port)),
        Way::Loopback(own) => Way::Loopback(own.or(port)),
        other => other.clone(),
    };
    let of = |wanted: fn(&Way) -> bool| {
        said.iter().map(|(_, way)| way).filter(|way| wanted(way)).map(with_port).collect::<Vec<_>>()
    };
    let ranks: [fn(&Way) -> bool; 5] = [
        |way| matches!(way, Way::Host(..) | Way::Srv(_)),
        |way| matches!(way, Way::Instance(_)),
        |way| matches!(way, Way::Loopback(_)),
        |way| matches!(way, Way::Socket),
        |way| matches!(way, Way::Hidden),
    ];
    let mut ways = ranks.into_iter().map(of).find(|ways| !ways.is_empty()).unwrap_or_default();
    ways.dedup();
    ways
}

fn whole(of: &str, variable: &str, address: &Address, values: &BTreeMap<&str, &Held>) -> Database {
    let within = || Password::Within(variable.to_owned());
    let password = match &address.password {
        None => Password::Unsaid,
        Some(None) => within(),
        Some(Some(name)) => match values.get(name.as_str()) {
            Some(Held::Secret(secret)) => Password::Secret(name.clone(), secret.clone()),
            Some(Held::Text(_)) => Password::Plain(name.clone()),
            None => within(),
        },
    };
    Database {
        of: of.to_owned(),
        engine: address.engine,
        ways: address.ways.clone(),
        database: address.database.clone(),
        user: address.user.clone(),
        password,
        tls: address.tls,
        variables: vec![variable.to_owned()],
        ..Database::default()
    }
}

fn unclear(of: &str, variable: &str, engine: Option<Engine>) -> Database {
    let why = format!(
        "the address, the database and the user: {variable} holds a connection string that can't be taken apart for certain (is a character of its password not percent-encoded?), so nothing of it is shown here"
    );
    Database {
        of: of.to_owned(),
        engine,
        ways: vec![Way::Hidden],
        password: Password::Within(variable.to_owned()),
        variables: vec![variable.to_owned()],
        unclear: vec![why],
        ..Database::default()
    }
}

/// Completes what a string says by what single variables say.
fn complete(database: &mut Database, base: &Database) {
    if database.ways.is_empty() {
        database.ways.clone_from(&base.ways);
    }
    database.database = database.database.take().or_else(|| base.database.clone());
    database.user = database.user.take().or_else(|| base.user.clone());
    database.iam |= base.iam;
    database.tls = database.tls.or(base.tls);
    if database.password == Password::Unsaid {
        database.password.clone_from(&base.password);
    }
    database
        .variables
        .extend(base.variables.iter().filter(|name| !database.variables.contains(name)).cloned().collect::<Vec<_>>());
    database.unclear.extend(base.unclear.iter().cloned());
}
