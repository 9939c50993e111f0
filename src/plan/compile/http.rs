//! Compiles an `http` probe. Pure.

use bytes::Bytes;
use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::{Compiler, invalid};
use crate::api::probes::{AUTH_TWICE, HttpProbe};
use crate::plan::Fault;
use crate::plan::kinds::{Action, HttpAction, shown_url};
use crate::plan::trust::Verification;

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
        let settings = spec.tls.clone().unwrap_or_default();
        let verification =
            if settings.insecure_skip_verify { Verification::Nothing } else { Verification::ChainAndName };
        let plain = url.scheme() == "http" && spec.follow_redirects.unwrap_or(0) == 0;
        let tls = self.trust(
            "http.tls",
            settings.server_name.as_deref(),
            if plain { Verification::Nothing } else { verification },
            settings.ca_secret_ref.as_ref(),
            settings.client_cert_secret_ref.as_ref(),
        )?;
        let auth = self.auth("http.auth", spec.auth.as_ref(), &url)?;
        let headers = self.headers(spec)?;
        if auth.is_some() && headers.contains_key(AUTHORIZATION) {
            return Err(invalid(self.at("http.auth"), AUTH_TWICE));
        }
        let expect_headers = spec
            .expect_headers
            .iter()
            .enumerate()
            .map(|(index, header)| {
                let path = format!("http.expectHeaders[{index}]");
                Ok((self.header_name(&path, &header.name)?, self.regex(&format!("{path}.value"), &header.value)?))
            })
            .collect::<Result<_, Fault>>()?;
        Ok(Action::Http(Box::new(HttpAction {
            url,
            method,
            headers,
            auth,
            body: Bytes::from(spec.body.clone().unwrap_or_default()),
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
            version: spec.http_version,
            happy_eyeballs: spec.happy_eyeballs,
        })))
    }

    fn header_name(&self, path: &str, name: &str) -> Result<HeaderName, Fault> {
        HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| invalid(self.at(&format!("{path}.name")), format!("{name:?} is not a header name")))
    }

    fn headers(&self, spec: &HttpProbe) -> Result<HeaderMap, Fault> {
        let mut headers = HeaderMap::new();
        for (index, header) in spec.headers.iter().enumerate() {
            let path = format!("http.headers[{index}]");
            let value = HeaderValue::from_str(&header.value).map_err(|_| {
                invalid(self.at(&format!("{path}.value")), "holds characters that a header can't carry")
            })?;
            headers.append(self.header_name(&path, &header.name)?, value);
        }
        for (index, header) in spec.headers_from_secret.iter().enumerate() {
            let path = format!("http.headersFromSecret[{index}]");
            let field = self.at(&format!("{path}.secretRef"));
            let text = self.secrets.text(&field, &header.secret_ref.name, &header.secret_ref.key)?;
            let mut value = HeaderValue::from_str(text)
                .map_err(|_| invalid(field, "the Secret's value holds characters that a header can't carry"))?;
            value.set_sensitive(true);
            headers.append(self.header_name(&path, &header.name)?, value);
        }
        Ok(headers)
    }
}

/// Whether the URL holds a user or a password.
fn has_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// What is written as a URL, as it may be shown. What is none may hold anything, and is not.
pub(super) fn shown(text: &str) -> String {
    Url::parse(text).map_or_else(|_| "http: not a URL".to_owned(), |url| shown_url(&url))
}
