//! Stages that several kinds share: name resolution, TCP connection, Unix socket, TLS. Does network I/O.

mod certificate;
pub mod channel;
pub mod connect;
pub mod http2;
mod once;
pub mod resolve;
pub mod targets;
pub mod tls;
mod unix;

use std::io::{Error, ErrorKind};

use crate::api::Cause;

/// How probes call themselves (RFC 9110, section 10.1.5).
pub const AGENT: &str = concat!("runready/", env!("CARGO_PKG_VERSION"));

/// The cause that an error of a socket stands for. Errors that are our own (no descriptors, no memory) are ProberError.
pub fn io_cause(error: &Error) -> Cause {
    match error.kind() {
        ErrorKind::ConnectionRefused => Cause::ConnectionRefused,
        ErrorKind::TimedOut => Cause::ConnectTimeout,
        ErrorKind::HostUnreachable => Cause::HostUnreachable,
        ErrorKind::NetworkUnreachable => Cause::NetworkUnreachable,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => Cause::ConnectionReset,
        ErrorKind::UnexpectedEof => Cause::ConnectionClosed,
        _ => Cause::ProberError,
    }
}
