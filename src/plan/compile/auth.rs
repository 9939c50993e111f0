//! Compiles how a request proves who sends it, for every kind that sends requests over HTTP. Pure.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::header::HeaderValue;
use url::{Host, Url};

use super::{Compiler, invalid};
use crate::api::probes::{AUTH_IN_THE_CLEAR, Auth, BasicAuth, BearerAuth, SecretKeyRef};
use crate::plan::Fault;
use crate::plan::kinds::AuthPlan;

impl Compiler<'_> {
    /// The credentials at `path` for requests to `url`.
    pub(super) fn auth(&self, path: &str, spec: Option<&Auth>, url: &Url) -> Result<Option<AuthPlan>, Fault> {
        let Some(spec) = spec else { return Ok(None) };
        if !spec.allow_plain_text && in_the_clear(url) {
            return Err(invalid(self.at(path), AUTH_IN_THE_CLEAR));
        }
        match spec {
            Auth { basic: Some(basic), bearer: None, allow_plain_text: _ } => self.basic(path, basic).map(Some),
            Auth { basic: None, bearer: Some(bearer), allow_plain_text: _ } => self.bearer(path, bearer).map(Some),
            Auth { basic: _, bearer: _, allow_plain_text: _ } => {
                Err(invalid(self.at(path), "exactly one way to authenticate: set one of basic or bearer"))
            }
        }
    }

    fn basic(&self, path: &str, spec: &BasicAuth) -> Result<AuthPlan, Fault> {
        if spec.username.contains(':') {
            return Err(invalid(
                self.at(&format!("{path}.basic.username")),
                "must be a user name without a colon (RFC 7617)",
            ));
        }
        let (_, password) = self.credential(&format!("{path}.basic.passwordSecretRef"), &spec.password_secret_ref)?;
        let pair = BASE64_STANDARD.encode(format!("{}:{password}", spec.username));
        self.known(&format!("{path}.basic"), &format!("Basic {pair}"))
    }

    fn bearer(&self, path: &str, spec: &BearerAuth) -> Result<AuthPlan, Fault> {
        let (field, token) = self.credential(&format!("{path}.bearer.tokenSecretRef"), &spec.token_secret_ref)?;
        // What is no token68 (RFC 9110, section 11.2) is a mistake: the word Bearer, two lines, or nothing.
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid(
                field,
                "the Secret's value is not a token: it must be one word, without spaces, line breaks or the word Bearer",
            ));
        }
        self.known(&format!("{path}.bearer"), &format!("Bearer {token}"))
    }

    /// The field that refers to a secret text, and the text.
    pub(super) fn credential(&self, path: &str, reference: &SecretKeyRef) -> Result<(String, &str), Fault> {
        let field = self.at(path);
        let text = self.secrets.text(&field, &reference.name, &reference.key)?;
        Ok((field, text))
    }

    fn known(&self, path: &str, value: &str) -> Result<AuthPlan, Fault> {
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| invalid(self.at(path), "the Secret's value holds characters that a header can't carry"))?;
        value.set_sensitive(true);
        Ok(AuthPlan::Known(value))
    }
}

/// Whether what is sent to a URL can be read on the way.
pub(super) fn in_the_clear(url: &Url) -> bool {
    let own_host = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    !matches!(url.scheme(), "https" | "wss") && !own_host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_on_the_own_host() {
        for (url, clear) in [
            ("https://api.example.com/", false),
            ("wss://api.example.com/", false),
            ("http://localhost:8080/", false),
            ("http://127.0.0.2/", false),
            ("ws://[::1]/", false),
            ("http://api.example.com/", true),
            ("http://localhost.example.com/", true),
            ("ws://10.0.0.1/", true),
        ] {
            assert_eq!(in_the_clear(&Url::parse(url).expect("a URL")), clear, "{url}");
        }
    }
}
