//! How a request proves who sends it. Data only; no secret shows in Debug output.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use jiff::Timestamp;
use url::Url;

use super::{Destination, HttpAction};
use crate::api::probes::HttpVersion;
use crate::plan::Scrub;
use crate::plan::account::Account;
use crate::plan::trust::TlsPlan;

/// The largest answer of a token endpoint that is read, in bytes.
const MAX_TOKEN_ANSWER: usize = 64 * 1024;

/// Where the value of the Authorization header comes from.
#[derive(Clone, Debug)]
pub enum AuthPlan {
    /// It is known: a user and password, or a token from a Secret. Marked sensitive.
    Known(HeaderValue),
    /// It has to be fetched, and is held until it expires.
    Token(Arc<TokenPlan>),
}

/// A token that has to be fetched, and the one that is held.
pub struct TokenPlan {
    /// Who issues it.
    pub issuer: Issuer,
    /// What must not be shown of its answer.
    pub hidden: Scrub,
    held: Mutex<Option<Held>>,
}

/// Who issues a token, and how it is asked.
pub enum Issuer {
    /// Google, for the identity that runready itself has: a Google ID token for this audience.
    Own {
        /// Who the token is for.
        audience: Box<str>,
    },
    /// Google, for a service account whose key the check has: a Google ID token for this audience.
    Account {
        /// Who the token is for.
        audience: Box<str>,
        /// The service account.
        account: Account,
        /// The request, but for its body, which is signed anew each time.
        request: Box<HttpAction>,
    },
    /// An OAuth 2.0 token endpoint, asked with this request (RFC 6749, section 4.4).
    ClientCredentials(Box<HttpAction>),
}

/// A request to a token endpoint: a form, answered in JSON.
///
/// # Errors
///
/// What is wrong with the URL: see [`Destination::of`].
pub fn token_request(url: Url, mut headers: HeaderMap, body: Bytes, tls: TlsPlan) -> Result<HttpAction, String> {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    Ok(HttpAction {
        to: Destination::of(url, HttpVersion::Http1, true)?,
        method: Method::POST,
        headers,
        auth: None,
        body,
        body_is_private: true,
        expect_status: Box::default(),
        expect_body: None,
        expect_headers: Box::default(),
        max_body_bytes: MAX_TOKEN_ANSWER,
        follow_redirects: 0,
        tls,
    })
}

struct Held {
    value: HeaderValue,
    until: Timestamp,
}

impl TokenPlan {
    /// Nothing is held yet.
    pub fn new(issuer: Issuer, hidden: Scrub) -> Self {
        TokenPlan { issuer, hidden, held: Mutex::new(None) }
    }

    /// The header's value that is held, if it may still be used.
    pub fn held(&self, now: Timestamp) -> Option<HeaderValue> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().filter(|held| now < held.until).map(|held| held.value.clone())
    }

    /// Holds a header's value until then.
    pub fn hold(&self, value: HeaderValue, until: Timestamp) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(Held { value, until });
    }

    /// Holds nothing any more: the token was not accepted.
    pub fn forget(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl fmt::Debug for TokenPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenPlan(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn a_token_is_held_until_its_time_or_until_it_is_refused() {
        let plan = TokenPlan::new(Issuer::Own { audience: "https://a.test".into() }, Scrub::default());
        let now = Timestamp::UNIX_EPOCH;
        let value = || HeaderValue::from_static("Bearer t0ken");
        assert_eq!(plan.held(now), None);
        plan.hold(value(), now + SignedDuration::from_secs(10));
        assert_eq!(plan.held(now + SignedDuration::from_secs(9)), Some(value()));
        assert_eq!(plan.held(now + SignedDuration::from_secs(10)), None);
        plan.forget();
        assert_eq!(plan.held(now), None);
        assert!(!format!("{plan:?}").contains("t0ken"));
    }
}
