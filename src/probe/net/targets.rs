//! Which targets may be probed at all. An address in; why it is refused, or nothing, out. Pure.
//!
//! Whoever runs runready carries out other people's manifests, from a place that they may not reach themselves. What is asked
//! here is asked of the address that is then connected to, after resolution: no name, redirect or notation gets past it.

mod embedded;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use embedded::{canonical, leads_to};

/// Where a machine's metadata and credentials are served, and what is not routed anyway. The last two are the IPv6 addresses
/// of the metadata servers of AWS and Google Cloud, which are not link-local.
const LINK_LOCAL: [IpNet; 4] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128)),
];

/// Names of Google Cloud's metadata server.
const METADATA_NAMES: [&str; 2] = ["metadata.google.internal", "metadata.goog"];

/// The port of DNS (RFC 1035).
const DNS_PORT: u16 = 53;

/// Below which directory sockets may be opened unless told otherwise: where Cloud Run mounts those of Cloud SQL.
pub const DEFAULT_SOCKETS: &str = "/cloudsql";

/// Which targets may be probed, as whoever runs runready has set it.
#[derive(Clone, Debug)]
pub struct Targets(Arc<Rules>);

/// The settings of [`Targets`]. Lists narrow: an address must pass all of them.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Networks that may be connected to. Empty: all.
    pub allowed: Vec<IpNet>,
    /// Networks that may not, whatever is allowed.
    pub denied: Vec<IpNet>,
    /// Ports that may be connected to. Empty: all.
    pub allowed_ports: Vec<Ports>,
    /// Ports that may not, whatever is allowed.
    pub denied_ports: Vec<Ports>,
    /// Whether link-local and metadata addresses may be connected to, too.
    pub link_local: bool,
    /// Directories below which Unix sockets may be opened.
    pub sockets: Vec<PathBuf>,
}

/// A port, or a range of them with both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    first: u16,
    last: u16,
}

/// Why a target is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The target, the rule, and who set it.
    pub message: String,
    /// Whether the target is denied by name or network, and not merely outside of what is allowed.
    pub denied: bool,
}

impl Default for Rules {
    /// Everything but link-local and metadata addresses, and sockets below [`DEFAULT_SOCKETS`].
    fn default() -> Self {
        Rules {
            allowed: Vec::new(),
            denied: Vec::new(),
            allowed_ports: Vec::new(),
            denied_ports: Vec::new(),
            link_local: false,
            sockets: vec![DEFAULT_SOCKETS.into()],
        }
    }
}

impl Default for Targets {
    fn default() -> Self {
        Targets::new(Rules::default())
    }
}

impl Targets {
    /// What these settings let through.
    pub fn new(rules: Rules) -> Self {
        Targets(Arc::new(rules))
    }

    /// Why a host may not even be looked up.
    pub fn refuses_name(&self, host: &str) -> Option<Refusal> {
        let name = host.trim_end_matches('.');
        let metadata = METADATA_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known));
        (metadata && !self.0.link_local).then(|| {
            denied(format!(
                "{host} is the metadata server of Google Cloud, which hands out credentials; {NEVER_UNLESS}"
            ))
        })
    }

    /// Why no connection may be opened to this address. Ask right before connecting, and connect to the address that was asked for.
    pub fn refuses(&self, address: SocketAddr) -> Option<Refusal> {
        self.link_local(address).or_else(|| self.by_lists(address))
    }

    /// Why this DNS server may not be asked. A link-local one may, on the port of DNS: Cloud DNS answers at 169.254.169.254, and
    /// a node's own cache at such an address, too. A question tells no secret and changes nothing there.
    pub fn refuses_question(&self, server: SocketAddr) -> Option<Refusal> {
        match server.port() {
            DNS_PORT => self.by_lists(server),
            _ => self.refuses(server),
        }
    }

    /// Why this Unix socket may not be opened.
    pub fn refuses_socket(&self, path: &Path) -> Option<Refusal> {
        let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        if plain && path.is_absolute() && self.0.sockets.iter().any(|directory| path.starts_with(directory)) {
            return None;
        }
        let (path, directories) = (path.display(), listed(self.0.sockets.iter().map(|path| path.display())));
        Some(outside(format!(
            "the socket {path} is not below {directories}, where whoever runs runready lets sockets be opened (--socket-dirs)"
        )))
    }

    fn link_local(&self, address: SocketAddr) -> Option<Refusal> {
        if self.0.link_local {
            return None;
        }
        let network = match address.ip() {
            // It holds no other; and the unspecified one, which leads to this machine, is link-local on neither side.
            ip @ IpAddr::V4(_) => LINK_LOCAL.iter().find(|network| network.contains(&ip)),
            ip @ IpAddr::V6(_) => leads_to(ip).find_map(|ip| LINK_LOCAL.iter().find(|network| network.contains(&ip))),
        }?;
        Some(denied(format!(
            "{address} is in {network}, where machines find their metadata and credentials; {NEVER_UNLESS}"
        )))
    }

    fn by_lists(&self, address: SocketAddr) -> Option<Refusal> {
        let Rules { allowed, denied: refused, allowed_ports, denied_ports, link_local: _, sockets: _ } = &*self.0;
        if allowed.is_empty() && refused.is_empty() && allowed_ports.is_empty() && denied_ports.is_empty() {
            return None;
        }
        let (ip, port) = (canonical(address.ip()), address.port());
        if !refused.is_empty()
            && let Some(network) =
                leads_to(address.ip()).find_map(|ip| refused.iter().find(|network| network.contains(&ip)))
        {
            return Some(denied(format!(
                "{address} is in {network}, which whoever runs runready denies (--target-deny-cidrs)"
            )));
        }
        if !allowed.is_empty() && !allowed.iter().any(|network| network.contains(&ip)) {
            let all = listed(allowed);
            return Some(outside(format!(
                "{address} is not in {all}, all that whoever runs runready allows (--target-allow-cidrs)"
            )));
        }
        if let Some(ports) = denied_ports.iter().find(|ports| ports.hold(port)) {
            return Some(denied(format!("{address}: whoever runs runready denies port {ports} (--target-deny-ports)")));
        }
        if !allowed_ports.is_empty() && !allowed_ports.iter().any(|ports| ports.hold(port)) {
            let all = listed(allowed_ports);
            return Some(outside(format!(
                "{address}: port {port} is not in {all}, all that whoever runs runready allows (--target-allow-ports)"
            )));
        }
        None
    }
}

const NEVER_UNLESS: &str = "runready does not connect there unless whoever runs it sets --allow-link-local";

#[cold]
fn denied(message: String) -> Refusal {
    Refusal { message, denied: true }
}

#[cold]
fn outside(message: String) -> Refusal {
    Refusal { message, denied: false }
}

/// The first few, for people.
fn listed<T: ToString>(all: impl IntoIterator<Item = T>) -> String {
    const MOST: usize = 4;
    let all: Vec<String> = all.into_iter().map(|one| one.to_string()).collect();
    match all.len() {
        0 => "any directory".to_owned(),
        count if count <= MOST => all.join(", "),
        count => format!("{} and {} more", all[..MOST].join(", "), count - MOST),
    }
}

impl Ports {
    const fn hold(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

/// What is no port and no range of them.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is neither a port nor a range of ports: write 5432 or 8000-8100")]
pub struct NoPorts(String);

impl FromStr for Ports {
    type Err = NoPorts;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NoPorts(text.to_owned());
        let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(wrong);
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (port(first)?, port(last)?);
        if first <= last { Ok(Ports { first, last }) } else { Err(wrong()) }
    }
}

/// What is no network.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no network: write an address with its prefix, such as 10.0.0.0/8 or fd00::/8, or a single address")]
pub struct NoNetwork(String);

/// Reads a network in CIDR notation (RFC 4632), or a single address.
///
/// # Errors
/// When it is neither.
pub fn network(text: &str) -> Result<IpNet, NoNetwork> {
    let single = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(single).map(|network: IpNet| network.trunc()).ok_or_else(|| NoNetwork(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn told(refusal: Option<Refusal>) -> String {
        refusal.map_or_else(String::new, |refusal| refusal.message)
    }

    fn rules(of: impl FnOnce(&mut Rules)) -> Targets {
        let mut rules = Rules::default();
        of(&mut rules);
        Targets::new(rules)
    }

    const METADATA: [&str; 12] = [
        "169.254.169.254:80",
        "169.254.0.1:443",
        "[fe80::1]:80",
        "[febf::1]:80",
        "[fd00:ec2::254]:80",
        "[fd20:ce::254]:80",
        "[::ffff:169.254.169.254]:80",
        "[::169.254.169.254]:80",
        "[64:ff9b::169.254.169.254]:80",
        "[64:ff9b:1::169.254.169.254]:80",
        "[2002:a9fe:a9fe::1]:80",
        "[::ffff:0:169.254.169.254]:80",
    ];

    #[test]
    fn metadata_is_refused_in_every_notation_unless_it_is_allowed() {
        let (strict, open) = (Targets::default(), rules(|rules| rules.link_local = true));
        for address in METADATA {
            assert!(told(strict.refuses(at(address))).contains("--allow-link-local"), "{address}");
            assert_eq!(open.refuses(at(address)), None, "{address}");
        }
        for harmless in
            ["10.20.0.3:5432", "127.0.0.1:80", "[::1]:80", "8.8.8.8:443", "[fec0::1]:80", "[fd20:ce::255]:1"]
        {
            assert_eq!(strict.refuses(at(harmless)), None, "{harmless}");
        }
        for name in ["metadata.google.internal", "Metadata.Google.Internal.", "metadata.goog"] {
            assert!(strict.refuses_name(name).is_some() && open.refuses_name(name).is_none(), "{name}");
        }
        assert_eq!(strict.refuses_name("metadata.example.com"), None);
    }

    #[test]
    fn a_link_local_dns_server_may_be_asked_on_the_port_of_dns_alone() {
        let strict = Targets::default();
        assert_eq!(strict.refuses_question(at("169.254.169.254:53")), None);
        assert_eq!(strict.refuses_question(at("169.254.20.10:53")), None);
        assert!(strict.refuses_question(at("169.254.169.254:80")).is_some());
        assert!(strict.refuses(at("169.254.169.254:53")).is_some(), "a tcp probe asks no question");
        let denied = rules(|rules| rules.denied = vec![network("169.254.169.254").expect("one")]);
        assert!(
            denied.refuses_question(at("169.254.169.254:53")).is_some(),
            "the operator's own list holds for DNS, too"
        );
    }

    #[test]
    fn lists_narrow_and_say_which_of_them_does() {
        let network = |text| network(text).expect("a network");
        let port = |text: &str| text.parse::<Ports>().expect("ports");
        let targets = rules(|rules| {
            rules.allowed = vec![network("10.0.0.0/8"), network("fd00::/8"), network("127.0.0.0/8")];
            rules.denied = vec![network("10.9.0.0/16"), network("127.0.0.1")];
            rules.allowed_ports = vec![port("5432"), port("8000-8100")];
            rules.denied_ports = vec![port("8042")];
        });
        for (address, says) in [
            ("10.1.2.3:5432", ""),
            ("10.1.2.3:8000", ""),
            ("10.1.2.3:8100", ""),
            ("[fd00::1]:8001", ""),
            ("[::ffff:10.1.2.3]:5432", ""),
            (
                "10.1.2.3:8101",
                "port 8101 is not in 5432, 8000-8100, all that whoever runs runready allows (--target-allow-ports)",
            ),
            ("10.1.2.3:8042", "denies port 8042 (--target-deny-ports)"),
            ("10.9.1.1:5432", "is in 10.9.0.0/16, which whoever runs runready denies (--target-deny-cidrs)"),
            ("[64:ff9b::10.9.1.1]:5432", "is in 10.9.0.0/16"),
            ("[64:ff9b::10.1.1.1]:5432", "is not in 10.0.0.0/8, fd00::/8, 127.0.0.0/8, all that"),
            ("192.168.0.1:5432", "(--target-allow-cidrs)"),
            ("0.0.0.0:5432", "is in 127.0.0.1/32"),
        ] {
            let said = told(targets.refuses(at(address)));
            assert!(said.contains(says) && said.is_empty() == says.is_empty(), "{address}: {said:?}");
        }
    }

    #[test]
    fn sockets_are_opened_below_the_directories_given_alone() {
        let default = Targets::default();
        for (path, allowed) in [
            ("/cloudsql/p:r:i", true),
            ("/cloudsql/p:r:i/.s.PGSQL.5432", true),
            ("/var/run/docker.sock", false),
            ("/cloudsqlx/p:r:i", false),
            ("/cloudsql/../var/run/docker.sock", false),
            ("cloudsql/p:r:i", false),
        ] {
            assert_eq!(default.refuses_socket(Path::new(path)).is_none(), allowed, "{path}");
        }
        let said = told(default.refuses_socket(Path::new("/var/run/docker.sock")));
        assert!(said.contains("is not below /cloudsql") && said.contains("--socket-dirs"), "{said}");
        let more = rules(|rules| rules.sockets.push("/var/run/postgresql".into()));
        assert_eq!(more.refuses_socket(Path::new("/var/run/postgresql/.s.PGSQL.5432")), None);
    }

    #[test]
    fn what_is_neither_port_nor_network_is_refused_with_an_example() {
        for bad in ["", "0", "http", "10-5", "1-70000", "-5"] {
            assert!(bad.parse::<Ports>().expect_err(bad).to_string().contains("5432 or 8000-8100"), "{bad}");
        }
        for bad in ["", "10.0.0.0/33", "db.internal", "10.0.0"] {
            assert!(network(bad).expect_err(bad).to_string().contains("10.0.0.0/8"), "{bad}");
        }
        assert_eq!(network("10.1.2.3/8").expect("a network").to_string(), "10.0.0.0/8");
    }
}
