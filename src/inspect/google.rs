//! The clients of Google's APIs, and how they are asked: within the project's ration, with a limit of time, with at most one retry.
//! Does network I/O. A client is made at the first question that needs it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::{Duration, Instant};

use google_cloud_auth::credentials::{AccessTokenCredentials, anonymous};
use google_cloud_compute_v1::client::{GlobalAddresses, Networks, Routes, Subnetworks};
use google_cloud_dns_v1::client::ManagedZones;
use google_cloud_gax::client_builder::Result as Built;
use google_cloud_gax::error::Error;
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_monitoring_v3::client::MetricService;
use google_cloud_networkmanagement_v1::client::ReachabilityService;
use google_cloud_resourcemanager_v3::client::Projects;
use google_cloud_run_v2::client::{Revisions, Services};
use google_cloud_servicehealth_v1::client::ServiceHealth;
use google_cloud_sql_v1::client::{SqlInstancesService, SqlOperationsService};
use google_cloud_vpcaccess_v1::client::VpcAccessService;
use tokio::sync::{Mutex, OnceCell, Semaphore};
use tokio::time::{sleep, timeout};

use super::question::Question;
use super::ration::Ration;
use crate::cloud::{Inspection, Unread, Why};
use crate::probe::cloudsql::{Access, token};
use crate::reasons::reasons;
use crate::refusal::Answer;

/// Scope of the tokens: what they may do, the account's roles say.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Longest wait for an answer.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// Longest pause after which a question is asked once more.
const MOST_PAUSE: Duration = Duration::from_secs(5);
/// The pause after an API that says neither how long nor that it is throttled (HTTP 503).
const PAUSE: Duration = Duration::from_secs(1);
/// Most questions that are open at once.
const AT_ONCE: usize = 16;

/// Google's APIs.
pub struct Google {
    access: Access,
    clients: Mutex<Option<Arc<Clients>>>,
    ration: Lock<Ration>,
    open: Semaphore,
    /// Calls, by inspection.
    calls: [AtomicU64; Inspection::ALL.len()],
}

impl Default for Google {
    fn default() -> Self {
        Google::new(Access::default())
    }
}

/// The clients that were made, of one identity.
#[derive(Default)]
pub struct Clients {
    url: Option<String>,
    credentials: Option<AccessTokenCredentials>,
    services: OnceCell<Services>,
    revisions: OnceCell<Revisions>,
    connectors: OnceCell<VpcAccessService>,
    instances: OnceCell<SqlInstancesService>,
    operations: OnceCell<SqlOperationsService>,
    networks: OnceCell<Networks>,
    subnetworks: OnceCell<Subnetworks>,
    addresses: OnceCell<GlobalAddresses>,
    routes: OnceCell<Routes>,
    zones: OnceCell<ManagedZones>,
    tests: OnceCell<ReachabilityService>,
    health: OnceCell<ServiceHealth>,
    metrics: OnceCell<MetricService>,
    projects: OnceCell<Projects>,
}

macro_rules! clients {
    ($($name:ident: $client:ty,)+) => {
        impl Clients {
            $(
                /// The client of that API.
                pub async fn $name(&self, question: &Question) -> Result<&$client, Unread> {
                    let make = || {
                        let mut builder = <$client>::builder().with_retry_policy(NeverRetry).with_attempt_timeout(CALL_LIMIT);
                        if let Some(url) = &self.url {
                            builder = builder.with_endpoint(url);
                        }
                        builder = match &self.credentials {
                            Some(credentials) => builder.with_credentials(credentials.clone()),
                            None => builder.with_credentials(anonymous::Builder::new().build()),
                        };
                        made(move || builder.build())
                    };
                    let client = self.$name.get_or_try_init(make).await;
                    client.map_err(|why| question.unread(Why::Unavailable, &why))
                }
            )+
        }
    };
}

clients! {
    services: Services,
    revisions: Revisions,
    connectors: VpcAccessService,
    instances: SqlInstancesService,
    operations: SqlOperationsService,
    networks: Networks,
    subnetworks: Subnetworks,
    addresses: GlobalAddresses,
    routes: Routes,
    zones: ManagedZones,
    tests: ReachabilityService,
    health: ServiceHealth,
    metrics: MetricService,
    projects: Projects,
}

impl Clients {
    /// A token to ask with. None: none is wanted.
    pub async fn token(&self, question: &Question) -> Result<Option<String>, Unread> {
        match &self.credentials {
            None => Ok(None),
            Some(credentials) => {
                token(credentials).await.map(Some).map_err(|why| question.unread(Why::NoCredentials, &why))
            }
        }
    }

    /// The base URL of an API.
    pub fn url(&self, api: &str) -> String {
        self.url.clone().unwrap_or_else(|| format!("https://{api}"))
    }
}

impl Google {
    /// Asked in that way.
    pub fn new(access: Access) -> Self {
        Google {
            access,
            clients: Mutex::default(),
            ration: Lock::default(),
            open: Semaphore::new(AT_ONCE),
            calls: Default::default(),
        }
    }

    /// The clients, with a token at hand.
    pub async fn clients(&self, question: &Question) -> Result<Arc<Clients>, Unread> {
        let mut slot = self.clients.lock().await;
        let clients = match &*slot {
            Some(clients) => clients.clone(),
            None => {
                // Does nothing where the program has set one already.
                let _ = rustls::crypto::ring::default_provider().install_default();
                let credentials = self.access.credentials(SCOPE);
                let credentials = credentials.map_err(|why| question.unread(Why::NoCredentials, &why))?;
                let url = self.access.endpoint.as_ref().map(|endpoint| endpoint.as_str().to_owned());
                let clients = Arc::new(Clients { url, credentials, ..Clients::default() });
                slot.insert(clients).clone()
            }
        };
        drop(slot);
        if let Err(unread) = clients.token(question).await {
            // Credentials that have failed for good never try again: the next question makes new ones.
            self.clients.lock().await.take_if(|known| Arc::ptr_eq(known, &clients));
            return Err(unread);
        }
        Ok(clients)
    }

    /// Asks through one of Google's clients.
    pub async fn ask<T, F>(&self, question: &Question, call: impl Fn() -> F) -> Result<T, Unread>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.asked(question, || async { call().await.map_err(|error| Answer::of(&error)) }).await
    }

    /// Asks, when its turn has come; once more, if the API says that it will do soon.
    pub async fn asked<T, F>(&self, question: &Question, call: impl Fn() -> F) -> Result<T, Unread>
    where
        F: Future<Output = Result<T, Answer>>,
    {
        let first = match self.once(question, &call).await {
            Ok(answer) => return Ok(answer),
            Err(refusal) => refusal,
        };
        let pause = match first.status {
            Some(429) => first.pause,
            Some(503) => Some(first.pause.unwrap_or(PAUSE)),
            _ => None,
        };
        let Some(pause) = pause.filter(|pause| *pause <= MOST_PAUSE) else {
            self.leave_alone(question, &first);
            return Err(question.refused(&first));
        };
        sleep(pause).await;
        self.once(question, &call).await.map_err(|second| {
            self.leave_alone(question, &second);
            question.refused(&second)
        })
    }

    async fn once<T, F>(&self, question: &Question, call: impl Fn() -> F) -> Result<T, Answer>
    where
        F: Future<Output = Result<T, Answer>>,
    {
        let api = question.inspection.api();
        let wait = self.rationed(|ration| ration.turn(&question.project, api, Instant::now()));
        sleep(wait).await;
        let _open = self.open.acquire().await;
        self.calls[question.inspection as usize].fetch_add(1, Ordering::Relaxed);
        match timeout(CALL_LIMIT, call()).await {
            Ok(answer) => answer,
            Err(_) => Err(Answer { said: format!("no answer within {}s", CALL_LIMIT.as_secs()), ..Answer::default() }),
        }
    }

    fn leave_alone(&self, question: &Question, refusal: &Answer) {
        if let Some(pause) = refusal.pause {
            let api = question.inspection.api();
            self.rationed(|ration| ration.hold(&question.project, api, pause, Instant::now()));
        }
    }

    fn rationed<T>(&self, with: impl FnOnce(&mut Ration) -> T) -> T {
        with(&mut self.ration.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Calls so far, by what they were for.
    pub fn calls(&self) -> [(Inspection, u64); Inspection::ALL.len()] {
        Inspection::ALL.map(|inspection| (inspection, self.calls[inspection as usize].load(Ordering::Relaxed)))
    }
}

/// Makes a client off the threads that others run on: it reads the system's CA certificates, which takes a processor's time.
async fn made<C, F>(build: impl FnOnce() -> F + Send + 'static) -> Result<C, String>
where
    C: Send + 'static,
    F: Future<Output = Built<C>>,
{
    let runtime = tokio::runtime::Handle::current();
    let built = tokio::task::spawn_blocking(move || runtime.block_on(build())).await;
    let built = built.map_err(|error| format!("can't make a client: {error}"))?;
    built.map_err(|error| format!("can't make a client: {}", reasons(&error)))
}
