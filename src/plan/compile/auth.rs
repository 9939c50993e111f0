//! Compiles how a request proves who sends it, for every kind that sends requests over HTTP. Pure but for the system's CA
//! certificates.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use url::form_urlencoded::{Serializer, byte_serialize};
use url::{Origin, Url};

use super::{Compiler, invalid};
use crate::api::probes::{
    AUTH_IN_THE_CLEAR, Auth, BasicAuth, BearerAuth, ClientAuth, GoogleIdTokenAuth, OAuth2Auth, ONE_AUTH, OWN_AUDIENCE,
    SecretKeyRef, TOKEN_URL_IN_THE_CLEAR,
};
use crate::plan::account::Account;
use crate::plan::kinds::{AuthPlan, Issuer, TokenPlan, in_the_clear, token_request};
use crate::plan::trust::Verification;
use crate::plan::{Fault, Scrub};

impl Compiler<'_> {
    /// The credentials at `path` for requests to `url`.
    pub(super) fn auth(&self, path: &str, spec: Option<&Auth>, url: &Url) -> Result<Option<AuthPlan>, Fault> {
        let Some(spec) = spec else { return Ok(None) };
        if !spec.allow_plain_text && in_the_clear(url) {
            return Err(invalid(self.at(path), AUTH_IN_THE_CLEAR));
        }
        let Auth { basic, bearer, google_id_token, oauth2, allow_plain_text: _ } = spec;
        let plan = match (basic, bearer, google_id_token, oauth2) {
            (Some(basic), None, None, None) => self.basic(path, basic),
            (None, Some(bearer), None, None) => self.bearer(path, bearer),
            (None, None, Some(google), None) => self.google_id_token(path, google, url),
            (None, None, None, Some(oauth2)) => self.client_credentials(path, oauth2),
            _ => Err(invalid(self.at(path), ONE_AUTH)),
        };
        plan.map(Some)
    }

    fn basic(&self, path: &str, spec: &BasicAuth) -> Result<AuthPlan, Fault> {
        if spec.username.contains(':') {
            return Err(invalid(
                self.at(&format!("{path}.basic.username")),
                "must be a user name without a colon (RFC 7617)",
            ));
        }
        let (_, password) = self.credential(&format!("{path}.basic.passwordSecretRef"), &spec.password_secret_ref)?;
        let value = basic(&spec.username, password);
        self.sensitive(&format!("{path}.basic"), &value).map(AuthPlan::Known)
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
        self.sensitive(&format!("{path}.bearer"), &format!("Bearer {token}")).map(AuthPlan::Known)
    }

    fn google_id_token(&self, path: &str, spec: &GoogleIdTokenAuth, url: &Url) -> Result<AuthPlan, Fault> {
        let path = format!("{path}.googleIdToken");
        let issuer = match &spec.service_account_key_secret_ref {
            None => {
                let own = spec
                    .audience
                    .as_deref()
                    .is_none_or(|audience| Url::parse(audience).is_ok_and(|audience| origin(&audience) == origin(url)));
                if !own {
                    return Err(invalid(self.at(&format!("{path}.audience")), OWN_AUDIENCE));
                }
                Issuer::Own { audience: origin(url).into() }
            }
            Some(reference) => {
                let field = self.at(&format!("{path}.serviceAccountKeySecretRef"));
                let key = self.secrets.get(&field, &reference.name, &reference.key)?;
                let account = Account::parse(key)
                    .map_err(|error| invalid(field.clone(), format!("the Secret's value {error}")))?;
                let audience = spec.audience.as_deref().map_or_else(|| origin(url).into(), Into::into);
                let tls = self.trust(&path, None, Verification::ChainAndName, None, None)?;
                let request = token_request(account.token_url.clone(), HeaderMap::new(), Bytes::new(), tls)
                    .map_err(|problem| invalid(field, format!("the Secret's value has a token_uri that {problem}")))?;
                Issuer::Account { audience, account, request: Box::new(request) }
            }
        };
        Ok(AuthPlan::Token(Arc::new(TokenPlan::new(issuer, Scrub::default()))))
    }

    fn client_credentials(&self, path: &str, spec: &OAuth2Auth) -> Result<AuthPlan, Fault> {
        let path = format!("{path}.oauth2");
        let url =
            Url::parse(&spec.token_url).ok().filter(|url| url.host_str().is_some() && !super::http::has_user(url));
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && !in_the_clear(url));
        let url = url.ok_or_else(|| invalid(self.at(&format!("{path}.tokenUrl")), TOKEN_URL_IN_THE_CLEAR))?;
        let (_, secret) = self.credential(&format!("{path}.clientSecretRef"), &spec.client_secret_ref)?;
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !spec.scopes.is_empty() {
            form.append_pair("scope", &spec.scopes.join(" "));
        }
        if let Some(audience) = &spec.audience {
            form.append_pair("audience", audience);
        }
        let mut hidden = Scrub::default();
        let mut headers = HeaderMap::new();
        hidden.hide(secret);
        match spec.client_auth {
            ClientAuth::Basic => {
                let escaped = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                let value = basic(&escaped(&spec.client_id), &escaped(secret));
                hidden.hide(value.trim_start_matches("Basic "));
                headers.insert(AUTHORIZATION, self.sensitive(&path, &value)?);
            }
            ClientAuth::Body => {
                form.append_pair("client_id", &spec.client_id).append_pair("client_secret", secret);
            }
        }
        let verification = if url.scheme() == "https" { Verification::ChainAndName } else { Verification::Nothing };
        let tls = self.trust(&path, None, verification, spec.ca_secret_ref.as_ref(), None)?;
        let request = token_request(url, headers, form.finish().into(), tls)
            .map_err(|problem| invalid(self.at(&format!("{path}.tokenUrl")), problem))?;
        Ok(AuthPlan::Token(Arc::new(TokenPlan::new(Issuer::ClientCredentials(Box::new(request)), hidden))))
    }

    /// The field that refers to a secret text, and the text.
    pub(super) fn credential(&self, path: &str, reference: &SecretKeyRef) -> Result<(String, &str), Fault> {
        let field = self.at(path);
        let text = self.secrets.text(&field, &reference.name, &reference.key)?;
        Ok((field, text))
    }

    fn sensitive(&self, path: &str, value: &str) -> Result<HeaderValue, Fault> {
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| invalid(self.at(path), "the Secret's value holds characters that a header can't carry"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// User and password as a header carries them (RFC 7617).
fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// Scheme, host and port of a URL, as Cloud Run expects them for an audience; WebSockets are HTTP there.
fn origin(url: &Url) -> String {
    match url.origin() {
        Origin::Opaque(_) => url.to_string(),
        tuple @ Origin::Tuple(..) => match tuple.ascii_serialization() {
            origin if origin.starts_with("ws") => origin.replacen("ws", "http", 1),
            origin => origin,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audience_of_a_url_is_its_origin() {
        for (url, audience) in [
            ("https://a.run.app/x?y", "https://a.run.app"),
            ("https://a.run.app:443/", "https://a.run.app"),
            ("wss://a.run.app/chat", "https://a.run.app"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ] {
            assert_eq!(origin(&Url::parse(url).expect("a URL")), audience);
        }
    }
}
