//! A container's command and arguments in; the instances that it leads to, if it is a Cloud SQL Auth Proxy, out. Pure.
//!
//! Both generations of the proxy's flags are read: `--port 5432 P:R:I`, `P:R:I?port=5433&private-ip=true`, and
//! `-instances=P:R:I=tcp:0.0.0.0:5432`. Nothing else of the arguments is kept: they may hold secrets.

use super::ImportError;
use super::address::is_instance;
use super::exported::{Proxied, ProxyIp};
use super::field::Field;

/// The instances that a container leads to.
pub fn instances(container: &Field<'_>) -> Result<Vec<Proxied>, ImportError> {
    let image = container.get("image").text()?.unwrap_or_default();
    let mut words = Vec::new();
    for part in ["command", "args"] {
        for word in container.get(part).items()? {
            words.extend(word.text()?);
        }
    }
    // A command may be one line for a shell.
    let words: Vec<&str> = words.iter().flat_map(|word| word.split_whitespace()).collect();
    let is_proxy = |text: &str| {
        text.contains("cloud-sql-proxy") || text.contains("cloud_sql_proxy") || text.contains("cloudsql-proxy")
    };
    if !is_proxy(&image) && !words.iter().any(|word| is_proxy(word)) {
        return Ok(Vec::new());
    }
    Ok(proxied(&words))
}

fn proxied(words: &[&str]) -> Vec<Proxied> {
    let (mut port, mut ip, mut found) = (None, ProxyIp::Public, Vec::new());
    for (index, word) in words.iter().enumerate() {
        let (flag, value) = word.split_once('=').map_or((*word, None), |(flag, value)| (flag, Some(value)));
        let value = value.or_else(|| words.get(index + 1).copied());
        match flag.trim_start_matches('-') {
            "port" | "p" if flag.starts_with('-') => port = value.and_then(|value| value.parse().ok()),
            "private-ip" if flag.starts_with('-') => ip = ProxyIp::Private,
            "psc" if flag.starts_with('-') => ip = ProxyIp::Psc,
            "ip_address_types" if flag.starts_with('-') && value.is_some_and(|types| types.starts_with("PRIVATE")) => {
                ip = ProxyIp::Private;
            }
            "instances" if flag.starts_with('-') => {
                found.extend(value.unwrap_or_default().split(',').filter_map(first_generation));
            }
            _ => found.extend(named(word)),
        }
    }
    found
        .into_iter()
        .map(|(instance, own_port, own_ip)| Proxied { instance, port: own_port.or(port), ip: own_ip.unwrap_or(ip) })
        .collect()
}

type Named = (String, Option<u16>, Option<ProxyIp>);

/// P:R:I, or P:R:I?port=5433&private-ip=true.
fn named(word: &str) -> Option<Named> {
    let (instance, query) = word.split_once('?').unwrap_or((word, ""));
    if !is_instance(instance) {
        return None;
    }
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let ip = match (value("private-ip"), value("psc")) {
        (Some("true" | "1"), _) => Some(ProxyIp::Private),
        (_, Some("true" | "1")) => Some(ProxyIp::Psc),
        _ => None,
    };
    Some((instance.to_owned(), value("port").and_then(|port| port.parse().ok()), ip))
}

/// P:R:I=tcp:5432, or P:R:I=tcp:0.0.0.0:5432, or P:R:I.
fn first_generation(word: &str) -> Option<Named> {
    let (instance, listens) = word.split_once('=').unwrap_or((word, ""));
    let port = listens.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    is_instance(instance).then(|| (instance.to_owned(), port, None))
}
