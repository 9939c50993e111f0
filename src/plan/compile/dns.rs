//! Compiles a `dns` probe. Pure.

use super::{Compiler, invalid};
use crate::api::probes::DnsProbe;
use crate::plan::Fault;
use crate::plan::kinds::{Action, DnsAction, NameServer};

impl Compiler<'_> {
    pub(super) fn dns(&self, spec: &DnsProbe) -> Result<Action, Fault> {
        let resolver = spec.resolver.as_deref().map(|text| self.resolver(text)).transpose()?;
        Ok(Action::Dns(DnsAction {
            name: spec.name.as_str().into(),
            record_type: spec.record_type,
            resolver: resolver.map(NameServer::from),
            expect: spec.expect.iter().map(|value| value.as_str().into()).collect(),
        }))
    }

    fn resolver(&self, text: &str) -> Result<std::net::SocketAddr, Fault> {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        text.parse().or_else(|_| bare.parse::<std::net::IpAddr>().map(|ip| (ip, 53).into())).map_err(|_| {
            invalid(
                self.at("dns.resolver"),
                format!("{text:?} is not an address: write 10.0.0.2, 10.0.0.2:53 or [fd00::53]:53"),
            )
        })
    }
}
