//! Compiles a `tcp` probe. Pure but for the CA certificates of the system.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{Compiler, invalid};
use crate::api::probes::{TcpProbe, TcpStep as Spec};
use crate::plan::Fault;
use crate::plan::kinds::{Action, TcpAction, TcpStep, TcpWait};

impl Compiler<'_> {
    pub(super) fn tcp(&self, spec: &TcpProbe) -> Result<Action, Fault> {
        if !spec.steps.is_empty() && (spec.send.is_some() || spec.expect.is_some()) {
            return Err(invalid(self.at("tcp.steps"), "send and expect stand for steps of their own"));
        }
        let steps: Box<[TcpStep]> = if spec.steps.is_empty() {
            self.short_steps(spec)?
        } else {
            let steps = spec.steps.iter().enumerate().map(|(index, step)| self.tcp_step(index, step));
            steps.collect::<Result<_, Fault>>()?
        };
        let tls = match steps.iter().filter(|step| matches!(step, TcpStep::StartTls)).count() {
            0 => None,
            1 => Some(Box::new(self.http_tls("tcp.tls", spec.tls.as_ref(), false)?)),
            _ => return Err(invalid(self.at("tcp.steps"), "at most one step may have startTls")),
        };
        let endpoint = self.endpoint("tcp", &spec.host, spec.port, spec.happy_eyeballs)?;
        Ok(Action::Tcp(TcpAction { endpoint, steps, tls }))
    }

    /// The steps that `send` and `expect` stand for.
    fn short_steps(&self, spec: &TcpProbe) -> Result<Box<[TcpStep]>, Fault> {
        let send = spec.send.as_deref().map(|text| Ok(TcpStep::Send(text.to_owned().into())));
        let expect = spec.expect.as_deref().map(|pattern| self.tcp_wait("tcp", pattern, None, None));
        send.into_iter().chain(expect).collect()
    }

    fn tcp_step(&self, index: usize, spec: &Spec) -> Result<TcpStep, Fault> {
        let path = format!("tcp.steps[{index}]");
        let Spec { send, send_base64, expect, refusal, start_tls, within } = spec;
        match (send, send_base64, expect, start_tls) {
            (Some(text), None, None, None) => Ok(TcpStep::Send(text.clone().into())),
            (None, Some(text), None, None) => self.base64(&format!("{path}.sendBase64"), text).map(TcpStep::Send),
            (None, None, Some(pattern), None) => {
                self.tcp_wait(&path, pattern, refusal.as_deref(), within.map(Duration::from))
            }
            (None, None, None, Some(true)) => Ok(TcpStep::StartTls),
            _ => Err(invalid(self.at(&path), "exactly one of send, sendBase64, expect and startTls: true")),
        }
    }

    fn tcp_wait(
        &self,
        path: &str,
        pattern: &str,
        refusal: Option<&str>,
        within: Option<Duration>,
    ) -> Result<TcpStep, Fault> {
        let pattern = self.regex(&format!("{path}.expect"), pattern)?;
        let refusal = refusal.map(|refusal| self.regex(&format!("{path}.refusal"), refusal)).transpose()?;
        Ok(TcpStep::Expect(Box::new(TcpWait { pattern, refusal, within })))
    }

    /// Bytes that are written in base64.
    pub(super) fn base64(&self, path: &str, text: &str) -> Result<Bytes, Fault> {
        let bytes = STANDARD
            .decode(text)
            .map_err(|error| invalid(self.at(path), format!("is not base64 with padding, such as AAEC: {error}")))?;
        Ok(bytes.into())
    }
}
