//! What a `tcp` probe does. Data only.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use regex::bytes::Regex;

use super::Endpoint;
use crate::evidence::clip;
use crate::plan::trust::TlsPlan;

/// Longest pattern that is shown, in characters.
const SHOWN_PATTERN: usize = 60;

/// Open a TCP connection.
#[derive(Clone, Debug)]
pub struct TcpAction {
    /// Where to.
    pub endpoint: Endpoint,
    /// What is sent and expected, in order.
    pub steps: Box<[TcpStep]>,
    /// TLS settings, if one of the steps turns to TLS.
    pub tls: Option<Box<TlsPlan>>,
}

/// One step of an exchange.
#[derive(Clone)]
pub enum TcpStep {
    /// Send these bytes.
    Send(Bytes),
    /// Wait for a match.
    Expect(Box<TcpWait>),
    /// Shake hands for TLS.
    StartTls,
}

/// The wait for a match in what the peer sends.
#[derive(Clone)]
pub struct TcpWait {
    /// What must match.
    pub pattern: Regex,
    /// What matches when the peer refuses.
    pub refusal: Option<Regex>,
    /// How long to wait. None: as long as the stage may take.
    pub within: Option<Duration>,
}

impl fmt::Display for TcpStep {
    /// The step for people: what it expects, but not what it sends.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TcpStep::Send(bytes) => write!(f, "send, {} bytes", bytes.len()),
            TcpStep::Expect(wait) => write!(f, "expect /{}/", clip(wait.pattern.as_str(), SHOWN_PATTERN)),
            TcpStep::StartTls => f.write_str("startTls"),
        }
    }
}

impl fmt::Debug for TcpStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TcpStep({self})")
    }
}
