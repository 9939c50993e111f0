//! What it stands for when one of Google's APIs gives no answer: the client's error in, a reason and what mends it out. Pure.

use std::time::Duration;

use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::StatusDetails;

use crate::cloud::{Inspection, Why};
use crate::reasons::reasons;

/// What an API says when it refuses.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// What it says, in words.
    pub said: String,
    /// The reason of its ErrorInfo, such as SERVICE_DISABLED.
    pub reason: Option<String>,
    /// How long it wants to be left alone.
    pub pause: Option<Duration>,
    /// Whether there was an answer that can't be read.
    pub malformed: bool,
    /// Whether no token could be had.
    pub tokenless: bool,
}

impl Answer {
    /// What the client's error holds.
    pub fn of(error: &Error) -> Answer {
        let details = error.status().map(|status| status.details.as_slice()).unwrap_or_default();
        let reason = details.iter().find_map(|detail| match detail {
            StatusDetails::ErrorInfo(info) => Some(info.reason.clone()),
            _ => None,
        });
        // RFC 9110, Retry-After, in seconds.
        let seconds = error.http_headers().and_then(|headers| headers.get("retry-after"));
        let seconds = seconds.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Answer {
            status: error.http_status_code(),
            said: match (error.http_status_code(), error.status()) {
                (_, Some(status)) => status.message.clone(),
                (Some(_), None) => String::new(),
                // What a parser says of an answer may quote it, and the answer may hold secrets.
                (None, None) if error.is_deserialization() => "an answer that can't be read".to_owned(),
                (None, None) => reasons(error),
            },
            reason,
            pause: seconds.map(Duration::from_secs),
            malformed: error.is_deserialization(),
            tokenless: error.is_authentication(),
        }
    }

    /// Why nothing was read.
    pub fn why(&self) -> Why {
        match self.status {
            Some(401) => Why::NoCredentials,
            Some(403) if self.reason.as_deref() == Some("SERVICE_DISABLED") => Why::ApiDisabled,
            // The older form of errors, of compute and sqladmin, names it in words alone.
            Some(403) if self.said.contains("it is disabled") => Why::ApiDisabled,
            Some(403) if self.reason.as_deref() == Some("RATE_LIMIT_EXCEEDED") => Why::Throttled,
            Some(403) => Why::PermissionDenied,
            Some(404) => Why::NotFound,
            Some(429) => Why::Throttled,
            Some(200..=299) => Why::Malformed,
            None if self.tokenless => Why::NoCredentials,
            _ if self.malformed => Why::Malformed,
            // A request that an API can't read is a fault of this version: nothing is known, as with an API that fails.
            Some(_) | None => Why::Unavailable,
        }
    }

    /// What came back, in words: `HTTP 403: Permission denied`.
    pub fn came(&self) -> String {
        match self.status {
            Some(status) if self.said.is_empty() => format!("HTTP {status}"),
            Some(status) => format!("HTTP {status}: {}", self.said),
            None => self.said.clone(),
        }
    }
}

/// The command that lets a member read what an inspection reads; `member` is as gcloud takes it, `user:ADDRESS` say. That there is no condition must
/// be said where the policy holds one anywhere.
pub fn grant(inspection: Inspection, project: &str, member: &str) -> String {
    format!(
        "gcloud projects add-iam-policy-binding {project} --member={member} --role={} --condition=None",
        inspection.role()
    )
}

/// The command that enables the API that an inspection reads from.
pub fn enable(inspection: Inspection, project: &str) -> String {
    format!("gcloud services enable {} --project={project}", inspection.api())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, reason: &str) -> Answer {
        Answer {
            status: Some(status),
            reason: Some(reason.to_owned()).filter(|reason| !reason.is_empty()),
            ..Answer::default()
        }
    }

    #[test]
    fn each_kind_of_refusal_is_told_apart() {
        let said = "Cloud SQL Admin API has not been used in project 1 before or it is disabled.".to_owned();
        let cases = [
            (answer(401, ""), Why::NoCredentials),
            (answer(403, ""), Why::PermissionDenied),
            (answer(403, "IAM_PERMISSION_DENIED"), Why::PermissionDenied),
            (answer(403, "SERVICE_DISABLED"), Why::ApiDisabled),
            (Answer { said, ..answer(403, "") }, Why::ApiDisabled),
            (answer(403, "RATE_LIMIT_EXCEEDED"), Why::Throttled),
            (answer(404, ""), Why::NotFound),
            (answer(429, ""), Why::Throttled),
            (answer(500, ""), Why::Unavailable),
            (answer(503, ""), Why::Unavailable),
            (answer(200, ""), Why::Malformed),
            (Answer::default(), Why::Unavailable),
            (Answer { malformed: true, ..Answer::default() }, Why::Malformed),
            (Answer { tokenless: true, ..Answer::default() }, Why::NoCredentials),
        ];
        for (answer, why) in cases {
            assert_eq!(answer.why(), why, "{answer:?}");
        }
    }

    #[test]
    fn what_a_parser_says_of_an_answer_is_not_passed_on() {
        let answer = Answer::of(&Error::deser("invalid type: string \"hunter2\""));
        assert_eq!((answer.came().as_str(), answer.why()), ("an answer that can't be read", Why::Malformed));
    }
}
