//! The resolve stage: a host name to its addresses, with every way of failing told apart. Does network I/O (DNS).
//!
//! No cache and no retry: a resolver that answers half of the time must show.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::lookup_ip::LookupIp;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{ResolverBuilder, system_conf};

use super::io_cause;
use super::once::Once;
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure};
use crate::plan::names;
use crate::probe::Attempt;

type Asking = hickory_resolver::Resolver<Once>;

/// Most addresses of one name that are tried: each takes a socket, and a place in the status.
const MOST_ADDRESSES: usize = 32;

/// Most servers of checks' own for which a resolver is kept: making one costs as much as a question.
const MOST_KEPT: usize = 64;

/// Resolves names, as a vantage does: without a cache, and asking each server once.
#[derive(Clone)]
pub struct Resolver {
    asking: Result<Arc<Asking>, Arc<str>>,
    /// Resolvers for servers that checks name, by the server and its time to answer. They share nothing but their making.
    kept: Arc<Mutex<Vec<Kept>>>,
}

/// A resolver for a server, given so long to answer.
struct Kept {
    server: SocketAddr,
    patience: Duration,
    resolver: Resolver,
}

impl Resolver {
    /// The system's name servers, search list and hosts file (/etc/resolv.conf, /etc/hosts), read once. If they can't be
    /// read, every lookup says why.
    pub fn system() -> Self {
        Resolver::built(system_conf::read_system_conf().and_then(|(config, options)| {
            let mut builder = Asking::builder_with_config(config, Once::default());
            *builder.options_mut() = options;
            once(builder).build()
        }))
    }

    /// One DNS server, without a search list or a hosts file, that is given so long to answer.
    pub fn asking(server: SocketAddr, patience: Duration) -> Self {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = server.port();
            connection
        });
        let name_server = NameServerConfig::new(server.ip(), true, connections.into());
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![name_server]);
        let mut builder = once(Asking::builder_with_config(config, Once::default()));
        let options = builder.options_mut();
        options.use_hosts_file = ResolveHosts::Never;
        options.timeout = patience;
        Resolver::built(builder.build())
    }

    /// As [`Resolver::asking`]; made at the first question and kept.
    pub(in crate::probe) fn of(&self, server: SocketAddr, patience: Duration) -> Self {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.iter().find(|kept| kept.server == server && kept.patience == patience) {
            return known.resolver.clone();
        }
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        let resolver = Resolver::asking(server, patience);
        kept.push(Kept { server, patience, resolver: resolver.clone() });
        resolver
    }

    fn built(resolver: Result<Asking, NetError>) -> Self {
        let unusable = |error| format!("the resolver's configuration can't be used: {error}").into();
        Resolver { asking: resolver.map(Arc::new).map_err(unusable), kept: Arc::default() }
    }

    /// Every address of a host.
    pub(in crate::probe) async fn addresses(&self, host: &str) -> Result<LookupIp, Failure> {
        let name = names::query(host).map_err(|why| {
            Failure::new(Cause::ResolverFailed, Stage::Resolve, format!("{why}; no DNS server was asked"))
        })?;
        self.get()?.lookup_ip(name).await.map_err(|error| failure(host, &error))
    }

    /// The answer to one question; its failure is for [`failure`] to read.
    pub(in crate::probe) async fn records(
        &self,
        name: Name,
        record_type: RecordType,
    ) -> Result<Result<Lookup, NetError>, Failure> {
        Ok(self.get()?.lookup(name, record_type).await)
    }

    fn get(&self) -> Result<&Asking, Failure> {
        self.asking.as_deref().map_err(|reason| Failure::new(Cause::ProberError, Stage::Resolve, reason))
    }
}

/// Has every question asked anew, and once.
fn once(mut builder: ResolverBuilder<Once>) -> ResolverBuilder<Once> {
    let options: &mut ResolverOpts = builder.options_mut();
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.cache_size = 0;
    options.attempts = 0;
    builder
}

/// Resolves the name of a host. Whoever calls has seen that it is no address: that would need no stage.
pub async fn resolve(attempt: &mut Attempt<'_>, host: &str) -> Result<Vec<IpAddr>, Failure> {
    let resolver = attempt.vantage.resolver.clone();
    let work = async move {
        let found = resolver.addresses(host).await?;
        let mut known = HashSet::new();
        let addresses: Vec<IpAddr> = found.iter().filter(|address| known.insert(*address)).collect();
        if addresses.is_empty() {
            return Err(Failure::new(Cause::NoAddress, Stage::Resolve, format!("{host} exists but has no address")));
        }
        Ok(addresses)
    };
    let mut addresses = attempt.stage(Stage::Resolve, || format!("resolving {host}"), work).await?;
    if addresses.len() > MOST_ADDRESSES {
        attempt.fact(Fact::AddressesLeftOut, (addresses.len() - MOST_ADDRESSES).to_string());
        addresses.truncate(MOST_ADDRESSES);
    }
    Ok(addresses)
}

/// What a failed lookup of `name` stands for (RFC 1035, RFC 2308).
#[cold]
pub fn failure(name: &str, error: &NetError) -> Failure {
    let (cause, message) = match error {
        NetError::Timeout => {
            (Cause::ResolverTimeout, format!("no DNS server answered the question for {name} in time"))
        }
        NetError::NoConnections => match UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)) {
            Ok(_) => {
                let what = "its port is refused, or no route leads to it";
                (Cause::ResolverUnreachable, format!("no DNS server could be asked for {name}: {what}"))
            }
            // The library does not say why; if it was for want of sockets, that lasts.
            Err(ours) => (Cause::ProberError, format!("no DNS server could be asked for {name}: {ours}")),
        },
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain if names::query(name).is_ok_and(|name| names::is_never_asked(&name)) => {
                let why = "it is reserved (RFC 6761, RFC 7686), and as it stands no DNS server is asked for it";
                (Cause::NameNotFound, format!("{name} does not exist: {why}"))
            }
            ResponseCode::NXDomain => {
                (Cause::NameNotFound, format!("the DNS server says that {name} does not exist (NXDOMAIN)"))
            }
            ResponseCode::NoError => {
                (Cause::NoAddress, format!("{name} exists but has no record of the type asked for (NODATA)"))
            }
            code => (Cause::ResolverFailed, format!("the DNS server could not resolve {name}: {code}")),
        },
        NetError::Dns(DnsError::ResponseCode(code)) => {
            (Cause::ResolverFailed, format!("the DNS server could not resolve {name}: {code}"))
        }
        NetError::Io(io) => (resolver_cause(io), format!("no DNS server could be asked for {name}: {io}")),
        other => (Cause::ResolverFailed, format!("resolving {name} failed: {other}")),
    };
    Failure::new(cause, Stage::Resolve, message)
}

/// What an error of the socket to the DNS server stands for.
fn resolver_cause(error: &io::Error) -> Cause {
    match io_cause(error) {
        Cause::ConnectTimeout => Cause::ResolverTimeout,
        Cause::ConnectionRefused | Cause::HostUnreachable | Cause::NetworkUnreachable => Cause::ResolverUnreachable,
        Cause::ProberError => Cause::ProberError,
        // The connection broke after the question was sent.
        _ => Cause::ResolverFailed,
    }
}
