//! Google ID tokens: for a service account whose key the check has, and for runready's own identity. Does I/O.
//!
//! Its own identity is found as Google's libraries do (Application Default Credentials): the file that
//! GOOGLE_APPLICATION_CREDENTIALS names, or else the metadata server. Traffic for it is runready's own and no check's
//! target: what may be probed does not bind it, and no check can choose where it goes.

use std::env;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use tokio::task::spawn_blocking;
use url::Url;

use super::issued::{Issued, id_token, identity};
use super::{Attempt, ask, refused};
use crate::api::{Cause, Stage};
use crate::evidence::Failure;
use crate::plan::account::Account;
use crate::plan::kinds::{HttpAction, token_request};
use crate::plan::trust::{self, TlsPlan, Verification};
use crate::probe::net::targets::Rules;
use crate::probe::{Targets, Vantage};

/// Where the metadata server is, unless GCE_METADATA_HOST says otherwise.
const METADATA: &str = "metadata.google.internal";
/// What it answers with, and must be asked with.
const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");
/// The largest key file that is read, in bytes.
const MAX_KEY: u64 = 64 * 1024;

/// An ID token for a service account.
pub async fn account(
    attempt: &mut Attempt<'_>,
    audience: &str,
    account: &Account,
    action: &HttpAction,
) -> Result<Issued, Failure> {
    let (audience, account) = (audience.to_owned(), account.clone());
    let signed = spawn_blocking(move || account.request(&audience, Timestamp::now())).await;
    let signed = signed.map_err(|_| ours("signing the request broke: a defect of runready".to_owned()))?;
    let body = signed.map_err(|error| refused(format!("the service account's key {error}")))?;
    let answer = ask(attempt, action, Bytes::from(body)).await?;
    id_token(answer.status, &answer.body, Timestamp::now())
}

/// An ID token for runready's own identity.
pub async fn own(attempt: &mut Attempt<'_>, audience: &str) -> Result<Issued, Failure> {
    let anywhere = Targets::new(Rules { link_local: true, ..Rules::default() });
    let vantage = Vantage { targets: anywhere, ..attempt.vantage.clone() };
    let mut attempt = attempt.part(attempt.limit(), "all that was left of the probe's timeout");
    attempt.vantage = &vantage;
    match env::var("GOOGLE_APPLICATION_CREDENTIALS").ok().filter(|path| !path.is_empty()) {
        Some(path) => by_file(&mut attempt, audience, &path).await,
        None => by_metadata(&mut attempt, audience).await,
    }
}

async fn by_file(attempt: &mut Attempt<'_>, audience: &str, path: &str) -> Result<Issued, Failure> {
    let whole = path.to_owned();
    let read = spawn_blocking(move || {
        use std::io::Read;
        let mut text = Vec::new();
        std::fs::File::open(whole)?.take(MAX_KEY).read_to_end(&mut text).map(|_| text)
    });
    let named = |problem: String| ours(format!("the file {path} that GOOGLE_APPLICATION_CREDENTIALS names {problem}"));
    let text = read.await.map_err(|_| named("can't be read".to_owned()))?;
    let text = text.map_err(|error| named(format!("can't be read: {error}")))?;
    let key = Account::parse(&text).map_err(|error| named(error.to_string()))?;
    let verifier = Some(trust::system().map_err(|error| ours(error.to_string()))?);
    let tls = TlsPlan { server_name: None, verification: Verification::ChainAndName, verifier, client_cert: None };
    let action = token_request(key.token_url.clone(), HeaderMap::new(), Bytes::new(), tls)
        .map_err(|problem| named(format!("has a token_uri that {problem}")))?;
    account(attempt, audience, &key, &action).await
}

async fn by_metadata(attempt: &mut Attempt<'_>, audience: &str) -> Result<Issued, Failure> {
    let host = env::var("GCE_METADATA_HOST").ok().filter(|host| !host.is_empty());
    let host = host.as_deref().unwrap_or(METADATA);
    let path = "/computeMetadata/v1/instance/service-accounts/default/identity";
    let url = Url::parse_with_params(&format!("http://{host}{path}"), [("audience", audience), ("format", "full")]);
    let url = url.map_err(|_| ours(format!("GCE_METADATA_HOST is no host: {host:?}")))?;
    let tls = TlsPlan { server_name: None, verification: Verification::Nothing, verifier: None, client_cert: None };
    let headers = HeaderMap::from_iter([(FLAVOR, HeaderValue::from_static("Google"))]);
    let request = token_request(url, HeaderMap::new(), Bytes::new(), tls)
        .map_err(|problem| ours(format!("the URL of the metadata server {host} {problem}")))?;
    let action = HttpAction { method: Method::GET, headers, ..request };
    let answer = ask(attempt, &action, Bytes::new()).await.map_err(|failure| {
        ours(format!(
            "the metadata server {host} does not answer ({}); outside of Google Cloud set GOOGLE_APPLICATION_CREDENTIALS for \
             runready, or serviceAccountKeySecretRef in the check",
            failure.message
        ))
    })?;
    if answer.headers.get(FLAVOR).is_none_or(|flavor| flavor != "Google") {
        return Err(ours(format!("{host} answered {}, but is no metadata server", answer.status)));
    }
    if !answer.status.is_success() {
        let hint = "is a service account attached to where runready runs (on GKE: Workload Identity)?";
        return Err(ours(format!("the metadata server {host} answered {}; {hint}", answer.status)));
    }
    identity(String::from_utf8_lossy(&answer.body).trim(), Timestamp::now())
}

/// runready itself can't get its token.
fn ours(message: String) -> Failure {
    Failure::new(Cause::ProberError, Stage::Token, message)
}
