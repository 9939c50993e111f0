//! What an `http` probe does. Data only.

use bytes::Bytes;
use hyper::Method;
use hyper::header::{HeaderMap, HeaderName};
use url::Url;

use super::AuthPlan;
use crate::api::probes::HttpVersion;
use crate::plan::trust::TlsPlan;

/// Send an HTTP request.
#[derive(Clone, Debug)]
pub struct HttpAction {
    /// Where to.
    pub url: Url,
    /// Method.
    pub method: Method,
    /// Headers to send; those from secrets are marked sensitive.
    pub headers: HeaderMap,
    /// How the request proves who sends it.
    pub auth: Option<AuthPlan>,
    /// Body to send.
    pub body: Bytes,
    /// Status codes that are fine. Empty: 200 to 299.
    pub expect_status: Box<[u16]>,
    /// What must match in the body.
    pub expect_body: Option<regex::bytes::Regex>,
    /// Headers that the response must have.
    pub expect_headers: Box<[(HeaderName, regex::bytes::Regex)]>,
    /// Largest body that is read, in bytes.
    pub max_body_bytes: usize,
    /// How many redirects to follow.
    pub follow_redirects: u32,
    /// TLS settings, for https and for redirects to it.
    pub tls: TlsPlan,
    /// Protocol version.
    pub version: HttpVersion,
    /// Judge only the first address that answers.
    pub happy_eyeballs: bool,
}
