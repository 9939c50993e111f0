//! What is asked of Google's Cloud SQL Admin API: an instance's connect settings and an ephemeral certificate. Does network I/O.
//!
//! The client, its credentials and the key are made at the first question. Each question is asked once: the client's own
//! retries are off. Time bounds it (here, and not in the client, whose own words for that say nothing), because the client reads
//! answers of any length.

use std::time::Duration;

use google_cloud_auth::credentials::{AccessTokenCredentials, anonymous};
use google_cloud_gax::error::Error;
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_sql_v1::client::SqlConnectService;
use jiff::Timestamp;
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::rand_core::OsRng;
use rsa::{RsaPrivateKey, RsaPublicKey};
use rustls_pki_types::PrivateKeyDer;
use tokio::sync::{Mutex, OnceCell};
use tokio::time::timeout;

use super::access::{self, Access};
use super::answer::Refusal;
use super::pass::{Certificate, Settings};
use crate::api::{Cause, Stage};
use crate::cloud::Why;
use crate::evidence::Failure;
use crate::plan::kinds::CloudSqlInstance;
use crate::reasons::reasons;
use crate::refusal::Answer;

/// Scope of a token for the Admin API.
const ADMIN_SCOPE: &str = "https://www.googleapis.com/auth/sqlservice.admin";
/// Scope of the token that stands in for a password.
const LOGIN_SCOPE: &str = "https://www.googleapis.com/auth/sqlservice.login";
/// Longest wait for an answer of the API.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// How long a token surely lasts from the moment that it was got. Where it comes from does not tell: the metadata server hands out
/// a token until that has 5 minutes left ("Authenticate workloads using service accounts", Compute Engine), google-cloud-auth
/// until it has 4.
const TOKEN_LIFE: Duration = Duration::from_secs(4 * 60);
/// The size of the key that certificates are issued for.
const KEY_BITS: usize = 2048;

/// Asks the API. Empty until it is first used.
#[derive(Default)]
pub struct Admin {
    access: Access,
    client: Mutex<Option<Client>>,
    key: OnceCell<Key>,
}

#[derive(Clone)]
struct Client {
    service: SqlConnectService,
    credentials: Option<AccessTokenCredentials>,
}

/// The key that certificates are issued for: one for all instances, kept in memory alone.
struct Key {
    secret: PrivateKeyDer<'static>,
    public: String,
}

impl Admin {
    /// Asks in that way.
    pub fn new(access: Access) -> Self {
        Admin { access, ..Admin::default() }
    }

    /// The client, with a token at hand.
    async fn client(&self, stage: Stage) -> Result<Client, Refusal> {
        let mut slot = self.client.lock().await;
        if slot.is_none() {
            *slot = Some(self.build(stage).await?);
        }
        let client = slot.clone().ok_or_else(|| ours(stage, "no client"))?;
        drop(slot);
        if let Some(credentials) = &client.credentials
            && let Err(refusal) = token(credentials, stage).await
        {
            // Credentials that have failed for good never try again: the next question makes new ones.
            *self.client.lock().await = None;
            return Err(refusal);
        }
        Ok(client)
    }

    async fn build(&self, stage: Stage) -> Result<Client, Refusal> {
        // Does nothing where the program has set one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let credentials = self.credentials(ADMIN_SCOPE, stage)?;
        let mut builder = SqlConnectService::builder().with_retry_policy(NeverRetry);
        if let Some(endpoint) = &self.access.endpoint {
            builder = builder.with_endpoint(endpoint.as_str());
        }
        builder = match &credentials {
            Some(credentials) => builder.with_credentials(credentials.clone()),
            None => builder.with_credentials(anonymous::Builder::new().build()),
        };
        // Reads the system's CA certificates, which takes a processor's time.
        let runtime = tokio::runtime::Handle::current();
        let built = tokio::task::spawn_blocking(move || runtime.block_on(builder.build())).await;
        let service = built.map_err(|error| ours(stage, &format!("can't make a client: {error}")))?;
        let service = service.map_err(|error| ours(stage, &format!("can't make a client: {}", reasons(&error))))?;
        Ok(Client { service, credentials })
    }

    fn credentials(&self, scope: &str, stage: Stage) -> Result<Option<AccessTokenCredentials>, Refusal> {
        self.access.credentials(scope).map_err(|why| no_token(stage, &why))
    }

    /// The token that an instance takes instead of a password.
    async fn login(&self) -> Result<String, Refusal> {
        match self.credentials(LOGIN_SCOPE, Stage::Certificate)? {
            Some(credentials) => token(&credentials, Stage::Certificate).await,
            None => Err(no_token(Stage::Certificate, "iamLogin needs a token, and credentials are switched off")),
        }
    }

    async fn key(&self) -> Result<&Key, Refusal> {
        let make = || async {
            let made = tokio::task::spawn_blocking(Key::make).await;
            made.map_err(|error| error.to_string()).flatten()
        };
        self.key
            .get_or_try_init(make)
            .await
            .map_err(|error| ours(Stage::Certificate, &format!("can't make a key: {error}")))
    }
}

impl Key {
    /// Takes a moment of a processor.
    fn make() -> Result<Key, String> {
        let secret = RsaPrivateKey::new(&mut OsRng, KEY_BITS).map_err(|error| error.to_string())?;
        let public =
            RsaPublicKey::from(&secret).to_public_key_pem(LineEnding::LF).map_err(|error| error.to_string())?;
        let der = secret.to_pkcs8_der().map_err(|error| error.to_string())?;
        let secret = PrivateKeyDer::try_from(der.as_bytes().to_vec()).map_err(str::to_owned)?;
        Ok(Key { secret, public })
    }
}

/// Asks for an instance's connect settings.
pub async fn settings(admin: &Admin, instance: &CloudSqlInstance) -> Result<Settings, Refusal> {
    let client = admin.client(Stage::Settings).await?;
    let call =
        client.service.get_connect_settings().set_project(instance.project()).set_instance(instance.instance()).send();
    let answer = answered(Stage::Settings, instance, call).await?;
    Ok(Settings::read(&answer))
}

/// Asks for an ephemeral certificate.
pub async fn certificate(admin: &Admin, instance: &CloudSqlInstance) -> Result<Certificate, Refusal> {
    let client = admin.client(Stage::Certificate).await?;
    let key = admin.key().await?;
    let began = Timestamp::now();
    let mut call = client
        .service
        .generate_ephemeral_cert()
        .set_project(instance.project())
        .set_instance(instance.instance())
        .set_public_key(&key.public);
    if instance.iam_login {
        call = call.set_access_token(admin.login().await?);
    }
    let answer = answered(Stage::Certificate, instance, call.send()).await?;
    let unusable = |cause, why: &str| Refusal {
        failure: Failure::new(
            cause,
            Stage::Certificate,
            format!("the ephemeral certificate for {} {why}", instance.name),
        ),
        status: None,
        pause: None,
    };
    let pem = answer.ephemeral_cert.map(|certificate| certificate.cert).unwrap_or_default();
    let certificate = Certificate::read(&pem, key.secret.clone_key())
        .map_err(|why| unusable(Cause::CloudSqlCertificateFailed, &why))?;
    if certificate.expired(Timestamp::now()) {
        let why = format!("expired at {} already: is the clock here right?", certificate.not_after);
        return Err(unusable(Cause::CloudSqlCertificateExpired, &why));
    }
    Ok(if instance.iam_login {
        certificate.with_token(began, admin.access.token_life.unwrap_or(TOKEN_LIFE))
    } else {
        certificate
    })
}

async fn token(credentials: &AccessTokenCredentials, stage: Stage) -> Result<String, Refusal> {
    access::token(credentials).await.map_err(|why| no_token(stage, &why))
}

async fn answered<T>(
    stage: Stage,
    instance: &CloudSqlInstance,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Refusal> {
    match timeout(CALL_LIMIT, call).await {
        Ok(answer) => answer.map_err(|error| refusal(&error, stage, instance)),
        Err(_) => {
            let message = format!("{}: no answer within {}s", asking(stage, instance), CALL_LIMIT.as_secs());
            Err(Refusal { failure: Failure::new(Cause::CloudSqlApiFailed, stage, message), status: None, pause: None })
        }
    }
}

fn asking(stage: Stage, instance: &CloudSqlInstance) -> String {
    let what = if stage == Stage::Certificate { "an ephemeral certificate for" } else { "the connect settings of" };
    format!("asking the Cloud SQL Admin API for {what} {}", instance.name)
}

/// What an answer that is none stands for.
fn refusal(error: &Error, stage: Stage, instance: &CloudSqlInstance) -> Refusal {
    let answer = Answer::of(error);
    let why = answer.why();
    let disabled = if why == Why::ApiDisabled { " (the API is not enabled in that project)" } else { "" };
    let message = format!("{}: {}{disabled}", asking(stage, instance), answer.came());
    let failure = Failure::new(cause(why, answer.status, stage), stage, message);
    Refusal { failure, status: answer.status, pause: answer.pause }
}

fn cause(why: Why, status: Option<u16>, stage: Stage) -> Cause {
    let certificate = stage == Stage::Certificate;
    match why {
        Why::NoCredentials => Cause::CredentialsFailed,
        Why::PermissionDenied | Why::ApiDisabled => Cause::CloudSqlPermissionDenied,
        Why::NotFound => Cause::CloudSqlInstanceNotFound,
        Why::Throttled => Cause::CloudSqlThrottled,
        Why::Malformed if certificate => Cause::CloudSqlCertificateFailed,
        // Without a status it never got to the certificate.
        Why::Unavailable if certificate && status.is_some() => Cause::CloudSqlCertificateFailed,
        Why::Malformed | Why::Unavailable => Cause::CloudSqlApiFailed,
    }
}

fn no_token(stage: Stage, why: &str) -> Refusal {
    let message = format!("getting an OAuth token to ask the Cloud SQL Admin API with: {why}");
    Refusal { failure: Failure::new(Cause::CredentialsFailed, stage, message), status: None, pause: None }
}

fn ours(stage: Stage, why: &str) -> Refusal {
    Refusal { failure: Failure::new(Cause::ProberError, stage, why), status: None, pause: None }
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;
    use hyper::header::{HeaderValue, RETRY_AFTER};

    use super::*;
    use crate::api::probes::CloudSqlIpType;

    #[test]
    fn a_server_asks_for_a_pause_in_seconds_and_what_is_no_number_is_none() {
        let asked = |value: Option<&'static str>| {
            let headers: HeaderMap =
                value.map(|value| (RETRY_AFTER, HeaderValue::from_static(value))).into_iter().collect();
            let instance =
                CloudSqlInstance { name: "p:r:i".into(), ip_type: CloudSqlIpType::Private, iam_login: false };
            refusal(&Error::http(429, headers, bytes::Bytes::new()), Stage::Settings, &instance).pause
        };
        assert_eq!([asked(Some("120")), asked(Some(" 7 "))], [120, 7].map(|pause| Some(Duration::from_secs(pause))));
        assert_eq!([asked(None), asked(Some("Wed, 21 Oct 2015 07:28:00 GMT")), asked(Some("-1"))], [None; 3]);
    }
}
