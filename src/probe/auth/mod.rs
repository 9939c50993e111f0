//! Takes how a request proves who sends it; returns the value of its Authorization header. Does network I/O where a token has
//! to be fetched: in a stage of its own, which is left out of the probe's latency.

mod google;
mod issued;
mod oauth;

use hyper::header::HeaderValue;
use jiff::Timestamp;

use self::issued::Issued;
use super::Attempt;
use super::http::{Answer, Request, visit};
use crate::api::{Cause, Stage};
use crate::evidence::Failure;
use crate::plan::kinds::{AuthPlan, HttpAction, Issuer, TokenPlan};

/// The value of the Authorization header, marked sensitive. A token is fetched if none is held that may still be used.
pub async fn authorize(attempt: &mut Attempt<'_>, plan: &AuthPlan) -> Result<HeaderValue, Failure> {
    let value = match plan {
        AuthPlan::Known(value) => value.clone(),
        AuthPlan::Token(plan) => match plan.held(Timestamp::now()) {
            Some(value) => value,
            None => Box::pin(fetch(attempt, plan)).await?,
        },
    };
    // After the name of the scheme.
    let secret = value.to_str().ok().and_then(|value| value.split_once(' ')).map(|(_, secret)| secret);
    secret.into_iter().for_each(|secret| attempt.hide(secret));
    Ok(value)
}

/// The credentials were not accepted: the next attempt fetches a new token. This one is not repeated, so that it shows.
pub fn rejected(plan: &AuthPlan) {
    match plan {
        AuthPlan::Known(_) => {}
        AuthPlan::Token(plan) => plan.forget(),
    }
}

async fn fetch(attempt: &mut Attempt<'_>, plan: &TokenPlan) -> Result<HeaderValue, Failure> {
    // The stages of the issuer are not those of the path: they are recorded apart, and then dropped.
    let mut part = attempt.part(attempt.limit(), "all that was left of the probe's timeout");
    let from = from(&plan.issuer);
    let work = async {
        let issued = match &plan.issuer {
            Issuer::Own { audience } => google::own(&mut part, audience).await,
            Issuer::Account { audience, account, request } => {
                google::account(&mut part, audience, account, request).await
            }
            Issuer::ClientCredentials(request) => oauth::client_credentials(&mut part, request).await,
        };
        issued.map_err(|failure| told(&failure, &from, plan))
    };
    let Issued { value, until } = attempt.stage(Stage::Token, || format!("fetching a token from {from}"), work).await?;
    if let Some(until) = until {
        plan.hold(value.clone(), until);
    }
    Ok(value)
}

/// Who issues the token, for people.
fn from(issuer: &Issuer) -> String {
    match issuer {
        Issuer::Own { .. } => "Google, for runready's own identity".to_owned(),
        Issuer::Account { request, .. } | Issuer::ClientCredentials(request) => {
            crate::plan::kinds::shown_url(&request.to.url)
        }
    }
}

/// A failure on the way to the token, as the failure of the token stage.
fn told(failure: &Failure, from: &str, plan: &TokenPlan) -> Failure {
    let cause = match (&plan.issuer, failure.cause) {
        (_, cause) if cause.is_unknown() => cause,
        // That runready has no identity of its own says nothing about the path.
        (Issuer::Own { .. }, _) => Cause::ProberError,
        (Issuer::Account { .. } | Issuer::ClientCredentials(_), _) => Cause::TokenFailed,
    };
    let message = format!("no token from {from}: {}", failure.message);
    Failure::new(cause, Stage::Token, plan.hidden.clean(&message))
}

/// Sends a request for a token, and reads the whole answer, whatever its status.
async fn ask(attempt: &mut Attempt<'_>, action: &HttpAction, body: bytes::Bytes) -> Result<Answer, Failure> {
    let request = Request { body, whole: true, ..Request::of(action) };
    visit(action, &request, attempt).await
}

/// The answer is no token.
fn refused(message: String) -> Failure {
    Failure::new(Cause::TokenFailed, Stage::Token, message)
}
