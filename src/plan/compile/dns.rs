//! Compiles a `dns` probe. Pure.

use std::net::{IpAddr, SocketAddr};

use hickory_proto::rr::Name;

use super::{Compiler, invalid};
use crate::api::probes::{DnsProbe, RecordType};
use crate::plan::kinds::{Action, DnsAction, NameServer};
use crate::plan::{Fault, names};

impl Compiler<'_> {
    pub(super) fn dns(&self, spec: &DnsProbe) -> Result<Action, Fault> {
        let resolver = spec.resolver.as_deref().map(|text| self.resolver(text)).transpose()?;
        Ok(Action::Dns(DnsAction {
            query: self.query(spec)?,
            name: spec.name.as_str().into(),
            record_type: spec.record_type,
            resolver: resolver.map(NameServer::from),
            expect: spec.expect.iter().map(|value| value.as_str().into()).collect(),
        }))
    }

    /// The name to ask for. An address whose name is wanted stands for its reverse name (RFC 1035, section 3.5; RFC 3596, section 2.5).
    fn query(&self, spec: &DnsProbe) -> Result<Name, Fault> {
        let field = || self.at("dns.name");
        let query = match spec.name.parse::<IpAddr>() {
            Ok(address) if spec.record_type == RecordType::Ptr => address.into(),
            Ok(_) => {
                return Err(invalid(
                    field(),
                    format!("{} is an address: only its recordType PTR can be asked for", spec.name),
                ));
            }
            Err(_) => names::query(&spec.name).map_err(|why| invalid(field(), why))?,
        };
        if names::is_never_asked(&query) {
            let why =
                "is reserved (RFC 6761, RFC 7686): as it stands, resolvers answer it themselves and ask no DNS server";
            return Err(invalid(field(), format!("{} {why}", spec.name)));
        }
        Ok(query)
    }

    fn resolver(&self, text: &str) -> Result<SocketAddr, Fault> {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        let address = text.parse().or_else(|_| bare.parse::<IpAddr>().map(|ip| SocketAddr::from((ip, 53))));
        address.ok().filter(|address| address.port() != 0).ok_or_else(|| {
            let how = "is not an address to ask: write 10.0.0.2, 10.0.0.2:53 or [fd00::53]:53";
            invalid(self.at("dns.resolver"), format!("{text:?} {how}"))
        })
    }
}
