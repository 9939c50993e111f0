//! What is asked of Google, and what is said of a refusal. [`Answer`]s in, [`Unread`] out; no I/O.

use std::sync::Arc;

use jiff::Timestamp;

use super::secrets;
use crate::cloud::{Inspection, Unread, Why};
use crate::refusal::{self, Answer};

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
    /// Whether it is something of the object, rather than the object itself.
    pub part: bool,
}

impl Question {
    /// The same object, with another thing of it asked for.
    pub fn about(&self, what: &'static str) -> Question {
        Question { what, ..self.clone() }
    }

    /// The same object, with a part of it asked for, which may be gone while the object is there.
    pub fn part(&self, what: &'static str) -> Question {
        Question { part: true, ..self.about(what) }
    }

    /// What a refusal stands for.
    pub fn refused(&self, answer: &Answer) -> Unread {
        let (why, came) = (answer.why(), answer.came());
        if self.part && why == Why::NotFound {
            return Unread { remedy: self.remedy(why).into(), ..self.unread(Why::Unavailable, &came) };
        }
        self.unread(why, &came)
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
            Why::PermissionDenied => {
                let grant = refusal::grant(*inspection, project, "serviceAccount:ACCOUNT");
                format!("{grant} (ACCOUNT: the one that runready runs as)")
            }
            Why::ApiDisabled => refusal::enable(*inspection, project),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn question(inspection: Inspection) -> Question {
        let name = "projects/netra-staging/locations/us-central1/connectors/staging".into();
        Question { inspection, name, project: "netra-staging".into(), what: "the connector", part: false }
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
                "projects add-iam-policy-binding netra-staging --member=serviceAccount:ACCOUNT --role={} --condition=None",
                inspection.role()
            );
            assert!(unread.remedy.contains(&role), "{}", unread.remedy);
            assert!(unread.message.contains(inspection.api()) && unread.message.contains("HTTP 403: no"), "{unread:?}");
        }
    }

    #[test]
    fn that_a_part_is_not_found_does_not_say_that_the_object_is_not_there() {
        let question = question(Inspection::Network);
        assert_eq!(question.refused(&answer(404, "")).why, Why::NotFound);
        assert_eq!(question.about("the deletion of").refused(&answer(404, "")).why, Why::NotFound);
        let part = question.part("the routes of").refused(&answer(404, ""));
        assert_eq!(part.why, Why::Unavailable);
        assert!(part.message.contains("the routes of") && part.message.contains("HTTP 404"), "{part:?}");
        assert!(part.remedy.contains("exists"), "{part:?}");
        assert_eq!(question.part("the routes of").refused(&answer(403, "")).why, Why::PermissionDenied);
    }

    #[test]
    fn a_disabled_api_names_the_command_that_enables_it() {
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
