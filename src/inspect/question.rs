//! What is asked of Google, and what an answer that is none stands for. Errors in, [`Unread`] out; no I/O.

use std::sync::Arc;
use std::time::Duration;

use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::StatusDetails;
use jiff::Timestamp;

use super::secrets;
use crate::cloud::{Inspection, Unread, Why};
use crate::reasons::reasons;

/// Longest text of an API that is passed on, in characters.
const MOST_TOLD: usize = 500;

/// What is asked: for the words of a failure, and for the project's ration.
#[derive(Clone, Debug)]
pub struct Question {
    /// For which inspection.
    pub inspection: Inspection,
    /// Full name of the object that the answer is about.
    pub name: Arc<str>,
    /// The project that is asked.
    pub project: Arc<str>,
    /// What is asked for, such as `the connector`.
    pub what: &'static str,
}

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

impl Question {
    /// The same object, with another thing of it asked for.
    pub fn about(&self, what: &'static str) -> Question {
        Question { what, ..self.clone() }
    }

    /// What a refusal stands for.
    pub fn refused(&self, answer: &Answer) -> Unread {
        let came = match answer.status {
            Some(status) if answer.said.is_empty() => format!("HTTP {status}"),
            Some(status) => format!("HTTP {status}: {}", answer.said),
            None => answer.said.clone(),
        };
        self.unread(answer.why(), &came)
    }

    /// No answer that is of use.
    pub fn unread(&self, why: Why, came: &str) -> Unread {
        let asked = format!("asking {} for {} {}", self.inspection.api(), self.what, self.name);
        let came: String = secrets::cleaned(came).chars().take(MOST_TOLD).collect();
        Unread {
            name: self.name.clone(),
            at: Timestamp::now(),
            why,
            message: format!("{asked}: {came}").into(),
            remedy: self.remedy(why).into(),
        }
    }

    /// The exact role or command that mends it.
    fn remedy(&self, why: Why) -> String {
        let Question { inspection, project, name, .. } = self;
        match why {
            Why::NoCredentials => {
                "give runready an identity: Workload Identity on GKE (iam.gke.io/gcp-service-account), \
                 GOOGLE_APPLICATION_CREDENTIALS, or `gcloud auth application-default login`"
                    .to_owned()
            }
            Why::PermissionDenied => format!(
                "gcloud projects add-iam-policy-binding {project} --member=serviceAccount:ACCOUNT --role={} \
                 (ACCOUNT: the one that runready runs as)",
                inspection.role()
            ),
            Why::ApiDisabled => format!("gcloud services enable {} --project={project}", inspection.api()),
            Why::NotFound => format!("check that {name} exists and is spelled right in the service or in spec.inspect"),
            Why::Throttled => format!(
                "raise spec.inspect.interval, or the quota of {} in project {project}: \
                 https://console.cloud.google.com/iam-admin/quotas?project={project}",
                inspection.api()
            ),
            Why::Unavailable => format!(
                "check that runready reaches https://{} (egress, proxy, DNS); it is tried again in the next period",
                inspection.api()
            ),
            Why::Malformed => format!("check that {} is not intercepted on the way, by a proxy say", inspection.api()),
        }
    }
}

impl Answer {
    /// What the client's error holds.
    pub fn of(error: &Error) -> Answer {
        let details = error.status().map(|status| status.details.as_slice()).unwrap_or_default();
        let reason = details.iter().find_map(|detail| match detail {
            StatusDetails::ErrorInfo(info) => Some(info.reason.clone()),
            _ => None,
        });
        let seconds = error.http_headers().and_then(|headers| headers.get("retry-after"));
        let seconds = seconds.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Answer {
            status: error.http_status_code(),
            said: match (error.http_status_code(), error.status()) {
                (_, Some(status)) => status.message.clone(),
                (Some(_), None) => String::new(),
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(inspection: Inspection) -> Question {
        let name = "projects/netra-staging/locations/us-central1/connectors/staging".into();
        Question { inspection, name, project: "netra-staging".into(), what: "the connector" }
    }

    fn answer(status: u16, reason: &str) -> Answer {
        Answer {
            status: Some(status),
            said: "no".to_owned(),
            reason: Some(reason.to_owned()).filter(|reason| !reason.is_empty()),
            ..Answer::default()
        }
    }

    #[test]
    fn a_missing_permission_names_the_role_of_each_inspection() {
        for inspection in Inspection::ALL {
            let unread = question(inspection).refused(&answer(403, "IAM_PERMISSION_DENIED"));
            assert_eq!(unread.why, Why::PermissionDenied);
            let role = format!(
                "projects add-iam-policy-binding netra-staging --member=serviceAccount:ACCOUNT --role={}",
                inspection.role()
            );
            assert!(unread.remedy.contains(&role), "{}", unread.remedy);
            assert!(unread.message.contains(inspection.api()) && unread.message.contains("HTTP 403: no"), "{unread:?}");
        }
    }

    #[test]
    fn each_kind_of_refusal_is_told_apart() {
        let cases = [
            (answer(401, ""), Why::NoCredentials),
            (answer(403, "SERVICE_DISABLED"), Why::ApiDisabled),
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
        let disabled = question(Inspection::Connector).refused(&answer(403, "SERVICE_DISABLED"));
        assert_eq!(&*disabled.remedy, "gcloud services enable vpcaccess.googleapis.com --project=netra-staging");
    }

    #[test]
    fn what_an_api_says_is_cut_and_holds_no_secret() {
        let said = format!("bad url postgres://u:hunter2@h/d {}", "x".repeat(10_000));
        let unread = question(Inspection::Service).refused(&Answer { status: Some(500), said, ..Answer::default() });
        assert!(unread.message.len() < 1000 && !unread.message.contains("hunter2"), "{}", unread.message);
    }
}
