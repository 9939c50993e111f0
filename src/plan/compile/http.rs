//! Compiles an `http` probe. Pure.

use bytes::Bytes;
use hyper::Method;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use url::Url;

use super::{Compiler, invalid};
use crate::api::probes::{AUTH_TWICE, Auth, HttpHeader, HttpProbe, HttpSecretHeader, HttpTls};
use crate::plan::Fault;
use crate::plan::kinds::{Action, AuthPlan, Destination, HttpAction, shown_url};
use crate::plan::trust::{TlsPlan, Verification};

const DEFAULT_MAX_BODY_BYTES: u32 = 1 << 20;

impl Compiler<'_> {
    pub(super) fn http(&self, spec: &HttpProbe) -> Result<Action, Fault> {
        let url =
            Url::parse(&spec.url).map_err(|error| invalid(self.at("http.url"), format!("is not a URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || has_user(&url) {
            return Err(invalid(
                self.at("http.url"),
                "must be an http:// or https:// URL with a host and without a user",
            ));
        }
        let method = spec.method.as_deref().unwrap_or("GET");
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| invalid(self.at("http.method"), format!("{method:?} is not an HTTP method")))?;
        let plain = url.scheme() == "http" && spec.follow_redirects.unwrap_or(0) == 0;
        let tls = self.http_tls("http.tls", spec.tls.as_ref(), plain)?;
        let headers = self.headers("http", &spec.headers, &spec.headers_from_secret)?;
        let auth = self.only_auth("http", spec.auth.as_ref(), &url, &headers)?;
        let expect_headers = spec
            .expect_headers
            .iter()
            .enumerate()
            .map(|(index, header)| {
                let path = format!("http.expectHeaders[{index}]");
                Ok((self.header_name(&path, &header.name)?, self.regex(&format!("{path}.value"), &header.value)?))
            })
            .collect::<Result<_, Fault>>()?;
        let to = Destination::of(url, spec.http_version, spec.happy_eyeballs)
            .map_err(|problem| invalid(self.at("http.url"), problem))?;
        Ok(Action::Http(Box::new(HttpAction {
            to,
            method,
            headers,
            auth,
            body: Bytes::from(spec.body.clone().unwrap_or_default()),
            body_is_private: false,
            expect_status: spec.expect_status.iter().filter_map(|status| u16::try_from(*status).ok()).collect(),
            expect_body: spec
                .expect_body
                .as_deref()
                .map(|pattern| self.regex("http.expectBody", pattern))
                .transpose()?,
            expect_headers,
            max_body_bytes: spec.max_body_bytes.unwrap_or(DEFAULT_MAX_BODY_BYTES) as usize,
            follow_redirects: spec.follow_redirects.unwrap_or(0),
            tls,
        })))
    }

    pub(super) fn header_name(&self, path: &str, name: &str) -> Result<HeaderName, Fault> {
        HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| invalid(self.at(&format!("{path}.name")), format!("{name:?} is not a header name")))
    }

    /// The name of a header of a request. Those that say where its body ends are not for the spec (RFC 9112, section 6): a wrong one
    /// breaks the request, and the service would be blamed.
    pub(super) fn sent_header(&self, path: &str, name: &str) -> Result<HeaderName, Fault> {
        let name = self.header_name(path, name)?;
        if name == CONTENT_LENGTH || name == TRANSFER_ENCODING {
            let message = format!("{name} says where the body ends, and is set by runready: leave it out");
            return Err(invalid(self.at(&format!("{path}.name")), message));
        }
        Ok(name)
    }

    /// The TLS settings at `path` of a client of HTTP; `plain` if no TLS connection will be opened.
    pub(super) fn http_tls(&self, path: &str, spec: Option<&HttpTls>, plain: bool) -> Result<TlsPlan, Fault> {
        let settings = spec.cloned().unwrap_or_default();
        let verification =
            if plain || settings.insecure_skip_verify { Verification::Nothing } else { Verification::ChainAndName };
        self.trust(
            path,
            settings.server_name.as_deref(),
            verification,
            settings.ca_secret_ref.as_ref(),
            settings.client_cert_secret_ref.as_ref(),
        )
    }

    /// The credentials of a probe of that kind, which has no others in its headers.
    pub(super) fn only_auth(
        &self,
        kind: &str,
        spec: Option<&Auth>,
        url: &Url,
        headers: &HeaderMap,
    ) -> Result<Option<AuthPlan>, Fault> {
        let path = format!("{kind}.auth");
        let auth = self.auth(&path, spec, url)?;
        if auth.is_some() && headers.contains_key(AUTHORIZATION) {
            return Err(invalid(self.at(&path), AUTH_TWICE));
        }
        Ok(auth)
    }

    /// The headers of a probe of that kind; those from Secrets are marked sensitive.
    pub(super) fn headers(
        &self,
        kind: &str,
        written: &[HttpHeader],
        from_secret: &[HttpSecretHeader],
    ) -> Result<HeaderMap, Fault> {
        let mut headers = HeaderMap::new();
        for (index, header) in written.iter().enumerate() {
            let path = format!("{kind}.headers[{index}]");
            let value = HeaderValue::from_str(&header.value).map_err(|_| {
                invalid(self.at(&format!("{path}.value")), "holds characters that a header can't carry")
            })?;
            headers.append(self.sent_header(&path, &header.name)?, value);
        }
        for (index, header) in from_secret.iter().enumerate() {
            let path = format!("{kind}.headersFromSecret[{index}]");
            let field = self.at(&format!("{path}.secretRef"));
            let text = self.secrets.text(&field, &header.secret_ref.name, &header.secret_ref.key)?;
            let mut value = HeaderValue::from_str(text)
                .map_err(|_| invalid(field, "the Secret's value holds characters that a header can't carry"))?;
            value.set_sensitive(true);
            headers.append(self.sent_header(&path, &header.name)?, value);
        }
        Ok(headers)
    }
}

/// Whether the URL holds a user or a password.
pub(super) fn has_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// What is written as a URL, as it may be shown. What is none may hold anything, and is not.
pub(super) fn shown(text: &str) -> String {
    Url::parse(text).map_or_else(|_| "not a URL".to_owned(), |url| shown_url(&url))
}
