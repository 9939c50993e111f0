//! A service's name in; its description, as Google's API gives it, out. Does network I/O: one question, without a retry.

use std::time::Duration;

use google_cloud_auth::credentials::anonymous;
use google_cloud_gax::error::Error;
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_run_v2::client::Services;
use serde_json::Value;
use tokio::time::timeout;

use crate::cloud::{Inspection, Why};
use crate::probe::cloudsql::Access;
use crate::reasons::reasons;
use crate::refusal::{self, Answer};

/// Scope of the token.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Longest wait for the token and the answer together.
const LIMIT: Duration = Duration::from_secs(20);

/// A service, named as Google Cloud names it.
#[derive(Clone, Debug)]
pub struct Name {
    /// Project id or number.
    pub project: String,
    /// Region.
    pub region: String,
    /// Name.
    pub service: String,
}

/// Why a service could not be read.
#[derive(Debug, thiserror::Error)]
#[error("reading {name} from {}: {came}; {remedy}", Inspection::Service.api())]
pub struct ReadError {
    /// Its name in full.
    name: String,
    /// What came back.
    came: String,
    /// What to do.
    remedy: String,
}

impl Name {
    /// projects/PROJECT/locations/REGION/services/SERVICE.
    pub fn full(&self) -> String {
        format!("projects/{}/locations/{}/services/{}", self.project, self.region, self.service)
    }

    fn failed(&self, came: String, remedy: String) -> ReadError {
        ReadError { name: self.full(), came, remedy }
    }
}

/// Reads the description of a service, in the shape of the REST API.
///
/// # Errors
/// With what came back and what mends it.
pub async fn read(access: &Access, name: &Name) -> Result<Value, ReadError> {
    let asked = async {
        let client = client(access, name).await?;
        client.get_service().set_name(name.full()).send().await.map_err(|error| refused(name, &error))
    };
    let late = |_| {
        let came = format!("no answer within {} s", LIMIT.as_secs());
        name.failed(
            came,
            "see whether that host can be reached from here (--google-endpoint names another one)".to_owned(),
        )
    };
    let service = timeout(LIMIT, asked).await.map_err(late)??;
    serde_json::to_value(service).map_err(|error| {
        // The kind of fault alone: the answer may hold secrets.
        name.failed(format!("an answer that can't be used ({:?})", error.classify()), by_hand())
    })
}

async fn client(access: &Access, name: &Name) -> Result<Services, ReadError> {
    // Does nothing where the program has set one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Services::builder().with_retry_policy(NeverRetry).with_attempt_timeout(LIMIT);
    if let Some(endpoint) = &access.endpoint {
        builder = builder.with_endpoint(endpoint.as_str());
    }
    let credentials = access.credentials(SCOPE).map_err(|why| name.failed(format!("no token: {why}"), log_in()))?;
    builder = match credentials {
        Some(credentials) => builder.with_credentials(credentials),
        None => builder.with_credentials(anonymous::Builder::new().build()),
    };
    builder.build().await.map_err(|error| name.failed(format!("can't make a client: {}", reasons(&error)), by_hand()))
}

fn refused(name: &Name, error: &Error) -> ReadError {
    let answer = Answer::of(error);
    let project = &name.project;
    let remedy = match answer.why() {
        Why::NoCredentials => log_in(),
        Why::PermissionDenied => {
            format!("grant the role: {}", refusal::grant(Inspection::Service, project, "MEMBER"))
        }
        Why::ApiDisabled => format!("enable the API: {}", refusal::enable(Inspection::Service, project)),
        Why::NotFound => format!("look for it: gcloud run services list --project={project}"),
        Why::Throttled => match answer.pause {
            Some(pause) => format!("try again in {} s", pause.as_secs()),
            None => by_hand(),
        },
        Why::Unavailable | Why::Malformed => by_hand(),
    };
    name.failed(answer.came(), remedy)
}

fn log_in() -> String {
    "log in with gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS".to_owned()
}

fn by_hand() -> String {
    "try again, or give the description as a file with -f".to_owned()
}
