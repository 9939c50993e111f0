//! Compiles a `tcp` probe. Pure.

use super::Compiler;
use crate::api::probes::TcpProbe;
use crate::plan::Fault;
use crate::plan::kinds::{Action, Endpoint, TcpAction};

impl Compiler<'_> {
    pub(super) fn tcp(&self, spec: &TcpProbe) -> Result<Action, Fault> {
        let expect = spec.expect.as_deref().map(|pattern| self.regex("tcp.expect", pattern)).transpose()?;
        let endpoint =
            Endpoint { host: spec.host.as_str().into(), port: spec.port, happy_eyeballs: spec.happy_eyeballs };
        Ok(Action::Tcp(TcpAction { endpoint, send: spec.send.as_deref().map(Into::into), expect }))
    }
}
