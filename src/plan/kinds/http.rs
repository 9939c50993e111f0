//! What an `http` probe does. Pure.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Uri};
use url::Url;

use super::{AuthPlan, Endpoint};
use crate::api::probes::HttpVersion;
use crate::plan::names;
use crate::plan::trust::TlsPlan;

/// Send an HTTP request.
#[derive(Clone, Debug)]
pub struct HttpAction {
    /// Where to.
    pub to: Arc<Destination>,
    /// Method.
    pub method: Method,
    /// Headers to send; those from secrets are marked sensitive.
    pub headers: HeaderMap,
    /// How the request proves who sends it.
    pub auth: Option<AuthPlan>,
    /// Body to send.
    pub body: Bytes,
    /// Whether the body holds values that are meant for this origin alone.
    pub body_is_private: bool,
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
}

/// Where a request goes: its URL, in every form that is needed on the way, so that no attempt reads it again.
#[derive(Clone, Debug)]
pub struct Destination {
    /// As it is written.
    pub url: Url,
    /// Protocol version that is spoken there.
    pub version: HttpVersion,
    /// Where to connect to.
    pub endpoint: Endpoint,
    /// Value of the Host header (RFC 9110, section 7.2).
    pub host: HeaderValue,
    /// What is requested there: the origin form for HTTP/1.1 (RFC 9112, section 3.2.1), the whole URL for HTTP/2, whose
    /// pseudo-headers are made of it.
    pub target: Uri,
}

impl Destination {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// What is wrong with it: it names no host, is too long, or holds what no request can.
    pub fn of(url: Url, version: HttpVersion, happy_eyeballs: bool) -> Result<Arc<Destination>, String> {
        let authority = match (url.host_str(), url.port()) {
            (_, Some(0)) => return Err("has port 0, at which nothing can listen".to_owned()),
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => return Err("names no host".to_owned()),
        };
        let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let target = match version {
            HttpVersion::Http1 => path,
            HttpVersion::Http2 => format!("{}://{authority}{path}", url.scheme()),
        };
        let target = Uri::try_from(target).map_err(|error| format!("can't be requested: {error}"))?;
        let host =
            HeaderValue::try_from(authority).map_err(|error| format!("has a host that can't be sent: {error}"))?;
        if let Some(name) = url.domain() {
            names::query(name)?;
        }
        let endpoint = Endpoint::of(&url, happy_eyeballs);
        Ok(Arc::new(Destination { url, version, endpoint, host, target }))
    }

    /// Where another URL leads, spoken to in the same way.
    ///
    /// # Errors
    ///
    /// As [`Destination::of`].
    pub fn leading_to(&self, url: Url) -> Result<Arc<Destination>, String> {
        Destination::of(url, self.version, self.endpoint.happy_eyeballs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str, version: HttpVersion) -> Result<Arc<Destination>, String> {
        Destination::of(Url::parse(url).expect("a URL"), version, false)
    }

    #[test]
    fn a_url_is_read_into_what_the_wire_needs() {
        let plain = read("http://db.internal:8080/a?b=c#d", HttpVersion::Http1).expect("a destination");
        assert_eq!((&*plain.endpoint.host, plain.endpoint.port), ("db.internal", 8080));
        assert_eq!(
            (plain.host.to_str().ok(), plain.target.to_string()),
            (Some("db.internal:8080"), "/a?b=c".to_owned())
        );
        let six = read("https://[2001:db8::1]/", HttpVersion::Http2).expect("a destination");
        assert_eq!((&*six.endpoint.host, six.endpoint.port), ("2001:db8::1", 443));
        assert_eq!(six.target.to_string(), "https://[2001:db8::1]/");
        let other = six.leading_to("https://other.internal/x".parse().expect("a URL")).expect("a destination");
        assert_eq!(
            (other.version, other.target.to_string()),
            (HttpVersion::Http2, "https://other.internal/x".to_owned())
        );
    }

    #[test]
    fn what_no_request_can_hold_is_told() {
        let long = format!("http://a.example/{}", "x".repeat(70_000));
        assert!(read(&long, HttpVersion::Http1).expect_err("too long").contains("can't be requested"));
        assert!(read("http://a{b}.example/", HttpVersion::Http2).expect_err("braces").contains("can't be requested"));
        assert_eq!(read("data:x", HttpVersion::Http1).expect_err("no host"), "names no host");
    }
}
