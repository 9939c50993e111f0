//! A service in; the databases that it depends on, each with one way there, out. Pure.
//!
//! What the environment says is joined with what is mounted and with Auth Proxies beside the service.

use std::collections::BTreeSet;

use super::address::{Engine, Way, is_instance};
use super::environment::{Database, Password, databases};
use super::exported::{Exported, Proxied};

/// What a service depends on.
#[derive(Debug, Default)]
pub struct Targets {
    /// Its databases. Each has one way at most.
    pub databases: Vec<Database>,
    /// What there is no probe for, and why: sentences.
    pub left_out: Vec<String>,
}

/// Finds what a service depends on.
pub fn targets(service: &Exported) -> Targets {
    let mut left_out = Vec::new();
    let proxied: Vec<&Proxied> = service.containers.iter().flat_map(|container| &container.proxied).collect();
    let mut all: Vec<Database> = service.containers.iter().flat_map(databases).collect();
    all.retain(speaks_enough);
    for database in &mut all {
        reach(database, &proxied, &mut left_out);
    }
    // Those whose every way was left out have nothing that could be probed.
    all.retain(|database| !database.ways.is_empty() || !database.of.is_empty());
    mount(&mut all, service, &proxied, &mut left_out);
    let mut databases: Vec<Database> = Vec::new();
    for database in all.into_iter().flat_map(one_way_each) {
        match databases.iter_mut().find(|other| is_same(other, &database)) {
            Some(other) => other.variables.extend(
                database.variables.into_iter().filter(|name| !other.variables.contains(name)).collect::<Vec<_>>(),
            ),
            None => databases.push(database),
        }
    }
    for database in &mut databases {
        database.engine = database.engine.or_else(|| guessed(database));
    }
    Targets { databases, left_out }
}

/// Whether there is more than a word of it: a way, a string, or at least two of database, user and password.
fn speaks_enough(database: &Database) -> bool {
    let parts = [database.database.is_some(), database.user.is_some(), database.password != Password::Unsaid];
    !database.ways.is_empty() || !database.unclear.is_empty() || parts.iter().filter(|part| **part).count() >= 2
}

/// Replaces ways that lead to a neighbour, and takes those away that can't be gone from outside.
fn reach(database: &mut Database, proxied: &[&Proxied], left_out: &mut Vec<String>) {
    let variables = database.variables.join(", ");
    let mut ways = Vec::new();
    for way in std::mem::take(&mut database.ways) {
        match way {
            Way::Loopback(port) => match behind(port, database.engine, proxied) {
                Some(proxy) => {
                    database.ip = Some(proxy.ip);
                    database.engine = database.engine.or_else(|| port.and_then(Engine::on));
                    ways.push(Way::Instance(proxy.instance.clone()));
                }
                None => {
                    left_out.push(format!("{variables}: what is on the service's own localhost can't be reached from anywhere else, so there is no probe for it."));
                    database.of.clear();
                }
            },
            Way::Socket => {
                left_out.push(format!("{variables}: a Unix socket that is not below /cloudsql can't be reached from anywhere else, so there is no probe for it."));
                database.of.clear();
            }
            way @ (Way::Host(..) | Way::Instance(_) | Way::Srv(_) | Way::Hidden) => ways.push(way),
        }
    }
    database.ways = ways;
}

/// The proxy that listens on a port of the service's own.
fn behind<'a>(port: Option<u16>, engine: Option<Engine>, proxied: &[&'a Proxied]) -> Option<&'a Proxied> {
    let port = port.or_else(|| engine.map(Engine::port));
    let listens = |proxy: &&&Proxied| proxy.port.is_some() && proxy.port == port;
    match (proxied.iter().find(listens), proxied) {
        (Some(proxy), _) => Some(proxy),
        (None, [only]) if only.port.is_none() || port.is_none() => Some(only),
        (None, _) => None,
    }
}

/// Joins instances that are mounted, or behind a proxy, with what is said without a way; the others stand for themselves.
fn mount(all: &mut Vec<Database>, service: &Exported, proxied: &[&Proxied], left_out: &mut Vec<String>) {
    let used: BTreeSet<&str> = all.iter().flat_map(|database| &database.ways).filter_map(instance).collect();
    let mut rest: Vec<(String, Option<&Proxied>)> = Vec::new();
    for name in &service.template.cloud_sql_instances {
        if !is_instance(name) {
            left_out.push("One of the Cloud SQL instances that are mounted has a name that is none, PROJECT:REGION:INSTANCE: there is no probe for it.".to_owned());
        } else if !used.contains(name.as_str()) {
            rest.push((name.clone(), None));
        }
    }
    let beside = proxied.iter().filter(|proxy| !used.contains(proxy.instance.as_str()));
    rest.extend(beside.map(|proxy| (proxy.instance.clone(), Some(*proxy))));
    rest.dedup_by(|a, b| a.0 == b.0);
    let alone = rest.len() == 1;
    for (name, proxy) in rest {
        let ip = proxy.map(|proxy| proxy.ip);
        let loose = |database: &&mut Database| database.ways.is_empty() && is_sql(database.engine);
        match all.iter_mut().find(loose).filter(|_| alone) {
            Some(database) => (database.ways, database.ip) = (vec![Way::Instance(name)], ip),
            None => all.push(Database { ways: vec![Way::Instance(name)], ip, ..Database::default() }),
        }
    }
}

fn is_sql(engine: Option<Engine>) -> bool {
    matches!(engine, None | Some(Engine::Postgres | Engine::Mysql | Engine::SqlServer))
}

fn instance(way: &Way) -> Option<&str> {
    match way {
        Way::Instance(name) => Some(name),
        Way::Host(..) | Way::Loopback(_) | Way::Socket | Way::Srv(_) | Way::Hidden => None,
    }
}

/// The same database by each of its ways.
fn one_way_each(database: Database) -> Vec<Database> {
    if database.ways.len() < 2 {
        return vec![database];
    }
    let one = |way: &Way| Database { ways: vec![way.clone()], ..database.clone() };
    database.ways.iter().map(one).collect()
}

fn is_same(one: &Database, other: &Database) -> bool {
    let known = !one.ways.is_empty() && one.ways != [Way::Hidden];
    known && one.ways == other.ways && one.database == other.database && one.user == other.user
}

/// What a database is, as far as its port or the instance's name tells.
fn guessed(database: &Database) -> Option<Engine> {
    match database.ways.first()? {
        Way::Host(_, port) => port.and_then(Engine::on),
        Way::Instance(name) => {
            let name = name.rsplit(':').next().unwrap_or_default();
            name.split('-').find_map(|word| Engine::of(word.trim_end_matches(|c: char| c.is_ascii_digit())))
        }
        Way::Loopback(_) | Way::Socket | Way::Srv(_) | Way::Hidden => None,
    }
}
