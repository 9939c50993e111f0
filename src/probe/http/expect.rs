//! Compares an HTTP answer with what the check expects. Pure. Never shows a body or a header's value: they may hold secrets.

use hyper::StatusCode;
use hyper::header::HeaderMap;

use super::exchange::{Answer, Request};
use crate::api::{Cause, Stage};
use crate::evidence::Failure;
use crate::plan::kinds::{HttpAction, shown_url};

/// Whether a status is among those expected: by default 200 to 299.
fn status_fits(action: &HttpAction, status: StatusCode) -> bool {
    if action.expect_status.is_empty() { status.is_success() } else { action.expect_status.contains(&status.as_u16()) }
}

/// Judges what stands before the body: status, then headers.
pub fn judge_head(
    action: &HttpAction,
    request: &Request<'_>,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<(), Failure> {
    if !status_fits(action, status) {
        let expected = if action.expect_status.is_empty() {
            "200 to 299".to_owned()
        } else {
            action.expect_status.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
        };
        let symptom = if status.is_server_error() { "; a 5xx may be the symptom of a failing dependency" } else { "" };
        let message = format!("{} answered {status}; expected {expected}{symptom}", what(request));
        return Err(Failure::new(Cause::StatusUnexpected, Stage::Request, message));
    }
    for (name, pattern) in &action.expect_headers {
        let mut values = headers.get_all(name).iter().peekable();
        let problem = if values.peek().is_none() {
            "has no"
        } else if values.any(|value| pattern.is_match(value.as_bytes())) {
            continue;
        } else {
            "has no matching"
        };
        let message = format!("the answer to {} {problem} header {name} ({pattern})", what(request));
        return Err(Failure::new(Cause::UnexpectedResult, Stage::Request, message));
    }
    Ok(())
}

/// Cloud Run's own error, if an unexpected status is one.
fn of_cloud_run(failure: Failure, answer: &Answer) -> Failure {
    match super::frontend::verdict(answer.status, &answer.headers, &answer.body) {
        Some((cause, meaning)) if failure.cause == Cause::StatusUnexpected => {
            let message = format!("{}; this is Cloud Run's own answer: {meaning}", failure.message);
            Failure::new(cause, Stage::Request, message)
        }
        Some(_) | None => failure,
    }
}

fn what(request: &Request<'_>) -> String {
    format!("{} {}", request.method, shown_url(&request.to.url))
}

/// Judges a whole answer: status, then headers, then body.
pub fn judge(action: &HttpAction, request: &Request<'_>, answer: &Answer) -> Result<(), Failure> {
    judge_head(action, request, answer.status, &answer.headers).map_err(|failure| of_cloud_run(failure, answer))?;
    match &action.expect_body {
        Some(pattern) if !pattern.is_match(&answer.body) => {
            let message =
                format!("the body of {} ({} bytes) does not match {pattern}", what(request), answer.body_bytes);
            Err(Failure::new(Cause::BodyMismatch, Stage::Body, message))
        }
        Some(_) | None => Ok(()),
    }
}
