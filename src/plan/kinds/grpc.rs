//! What a `grpc` probe does. Data only.

use hyper::Uri;
use hyper::header::HeaderMap;

use super::{AuthPlan, Endpoint};
use crate::api::probes::GrpcMethod;
use crate::plan::Scrub;
use crate::plan::trust::TlsPlan;

/// Ask a server for its health over gRPC.
#[derive(Clone, Debug)]
pub struct GrpcAction {
    /// Where to.
    pub endpoint: Endpoint,
    /// TLS settings. None: HTTP/2 over plain TCP.
    pub tls: Option<TlsPlan>,
    /// Service to ask for; empty for the server as a whole.
    pub service: Box<str>,
    /// Method of the health service.
    pub method: GrpcMethod,
    /// What is called: scheme, authority and path.
    pub uri: Uri,
    /// Metadata to send; those from secrets are marked sensitive.
    pub metadata: HeaderMap,
    /// How the call proves who sends it.
    pub auth: Option<AuthPlan>,
    /// What the server's own words must not show.
    pub hidden: Scrub,
}
