//! The resolve stage: a host name to its addresses, with every way of failing told apart. Does network I/O (DNS).
//!
//! No cache and no retry: a resolver that answers half of the time must show.

use std::net::IpAddr;
use std::sync::Arc;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolverOpts};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;

use crate::api::{Cause, Stage};
use crate::evidence::Failure;
use crate::probe::Attempt;

/// The resolver of a vantage: the system's name servers, search list and hosts file, read once.
#[derive(Clone)]
pub struct Resolver(Result<Arc<TokioResolver>, Arc<str>>);

impl Resolver {
    /// Reads the system's configuration (/etc/resolv.conf, /etc/hosts). If it can't be read, every lookup says why.
    pub fn system() -> Self {
        let built = TokioResolver::builder_tokio().and_then(|mut builder| {
            one_attempt(builder.options_mut());
            builder.build()
        });
        Resolver(
            built.map(Arc::new).map_err(|error| format!("the resolver's configuration can't be used: {error}").into()),
        )
    }

    /// The resolver, or why there is none.
    pub fn get(&self) -> Result<&TokioResolver, Failure> {
        match &self.0 {
            Ok(resolver) => Ok(resolver),
            Err(reason) => Err(Failure::new(Cause::ProberError, Stage::Resolve, reason)),
        }
    }
}

/// Settings for asking anew every time, and once.
pub fn one_attempt(options: &mut ResolverOpts) {
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.cache_size = 0;
    options.attempts = 0;
}

/// Resolves a host. An address needs no resolution, and no stage is recorded for it.
pub async fn resolve(attempt: &mut Attempt<'_>, host: &str) -> Result<Vec<IpAddr>, Failure> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![address]);
    }
    let resolver = attempt.vantage.resolver.clone();
    let work = async move {
        let found = resolver.get()?.lookup_ip(host).await.map_err(|error| failure(host, &error))?;
        let addresses: Vec<IpAddr> = found.iter().collect();
        if addresses.is_empty() {
            return Err(Failure::new(Cause::NoAddress, Stage::Resolve, format!("{host} exists but has no address")));
        }
        Ok(addresses)
    };
    attempt.stage(Stage::Resolve, || format!("resolving {host}"), work).await
}

/// What a failed lookup of `name` stands for (RFC 1035, RFC 2308).
pub fn failure(name: &str, error: &NetError) -> Failure {
    let (cause, message) = match error {
        NetError::Timeout | NetError::NoConnections => {
            (Cause::ResolverTimeout, format!("no DNS server answered the question for {name}: {error}"))
        }
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
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
        NetError::Io(io) => (Cause::ResolverTimeout, format!("no DNS server could be asked for {name}: {io}")),
        other => (Cause::ResolverFailed, format!("resolving {name} failed: {other}")),
    };
    Failure::new(cause, Stage::Resolve, message)
}
