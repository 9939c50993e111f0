//! A service in; comments on what its inspections can't find out by themselves, and where it is pinned, out. Pure.
//!
//! They are comments and no fields: a name that was only guessed would be read, and not found.

use std::net::IpAddr;

use super::Said;
use super::address::{Engine, Way};
use super::environment::Database;
use super::exported::Exported;
use super::yaml::{Line, say};

/// What to pin, if there is anything.
pub fn pins(databases: &[Database], service: &Exported, said: &Said) -> Vec<Line> {
    let (mut lines, mut pinned) = (Vec::new(), Vec::new());
    if let Some(which) = untold_instance(databases) {
        lines.push(say(format!("If {which} leads to a Cloud SQL instance, nothing here tells to which one.")));
        pinned.push("instance: \"PROJECT:REGION:INSTANCE\"".to_owned());
    }
    if let Some(address) = private_address(databases).filter(|_| service.template.vpc_access.is_none()) {
        lines.push(say(format!(
            "{address} is private, and the export shows no way into a VPC network: if the service has lost its connector, give it back."
        )));
        let project = said.project.as_deref().or(service.project.as_deref()).filter(|name| is_name(name));
        let region = said.region.as_deref().or(service.region.as_deref()).filter(|name| is_name(name));
        let (project, region) = (project.unwrap_or("PROJECT"), region.unwrap_or("REGION"));
        pinned.push(format!("connector: projects/{project}/locations/{region}/connectors/NAME"));
    }
    if !pinned.is_empty() {
        lines.push(say("Named in this line, what Google Cloud says of it counts in the verdict:"));
        lines.push(Line::Copy(format!("inspect: {{{}}}", pinned.join(", "))));
    }
    lines
}

/// What speaks of a database of which no instance can be found out: neither named, nor by an address.
fn untold_instance(databases: &[Database]) -> Option<String> {
    let sql = || {
        databases.iter().filter(|database| match database.engine {
            None | Some(Engine::Postgres | Engine::Mysql | Engine::SqlServer) => true,
            Some(Engine::Redis | Engine::Other(..)) => false,
        })
    };
    let found = |database: &Database| match database.ways.first() {
        Some(Way::Instance(_)) => true,
        Some(Way::Host(host, _)) => host.parse::<IpAddr>().is_ok(),
        Some(Way::Loopback(_) | Way::Socket | Way::Srv(_) | Way::Hidden) | None => false,
    };
    if sql().any(found) {
        return None;
    }
    let which = sql().next()?;
    Some(which.variables.first().cloned().unwrap_or_else(|| "the database".to_owned()))
}

/// The first address that only a VPC network leads to.
fn private_address(databases: &[Database]) -> Option<IpAddr> {
    databases
        .iter()
        .filter_map(|database| match database.ways.first()? {
            Way::Host(host, _) => host.parse().ok(),
            Way::Instance(_) | Way::Loopback(_) | Way::Socket | Way::Srv(_) | Way::Hidden => None,
        })
        .find(|address| match address {
            IpAddr::V4(address) => address.is_private(),
            IpAddr::V6(address) => address.is_unique_local(),
        })
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 63 && text.chars().all(|c| c.is_ascii_alphanumeric() || "-.:".contains(c))
}
