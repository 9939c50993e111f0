//! Stands in for Google's APIs on a loopback address: one HTTP server that answers as they do, from a [`State`] which is set and
//! changed while it runs, with faults, and counts what it is asked. Takes requests on the network; reaches out to nobody.
//!
//! It serves what runready reads: connectors (vpcaccess v1), services and revisions (run v2, and Knative's shape of run v1),
//! instances, operations and users (sqladmin v1), networks, subnets, routes and firewall rules (compute v1), zones (dns v1),
//! connectivity tests (networkmanagement v1), health events (servicehealth v1), log entries (logging v2), figures (monitoring v3)
//! and IAM policies (cloudresourcemanager v3). All on one address: their paths tell them apart, and a test holds that. It asks
//! for no token and never speaks of the one that it gets; it answers enums by name even where numbers are asked for; it
//! aggregates no figures.

mod answer;
mod figures;
mod filter;
mod incident;
mod knative;
pub mod methods;
mod page;
mod refusal;
mod state;
mod trial;
pub mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::Request as HttpRequest;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use answer::Request;
use methods::Call;
pub use methods::{Api, Method};
pub use refusal::Refusal;
pub use state::{Fault, State};

/// The longest body that is read.
const LONGEST: usize = 1 << 20;

/// The most different objects and unknown methods that are counted.
const MOST: usize = 10_000;

/// The server. It ends when this is dropped.
pub struct Standin {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
}

struct Shared {
    state: Mutex<State>,
    asked: Mutex<Asked>,
    stopped: watch::Receiver<bool>,
}

/// What was asked so far.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    calls: BTreeMap<(Method, String), u64>,
    unknown: BTreeSet<String>,
}

impl Asked {
    /// How often each method was asked about each object or collection.
    pub fn calls(&self) -> impl Iterator<Item = (Method, &str, u64)> {
        self.calls.iter().map(|((method, name), count)| (*method, name.as_str(), *count))
    }

    /// How often a method was asked.
    pub fn of(&self, method: Method) -> u64 {
        self.calls().filter(|(asked, _, _)| *asked == method).map(|(_, _, count)| count).sum()
    }

    /// How often an object or collection was asked about.
    pub fn about(&self, name: &str) -> u64 {
        self.calls().filter(|(_, asked, _)| *asked == name).map(|(_, _, count)| count).sum()
    }

    /// How often anything was asked about a project.
    pub fn in_project(&self, project: &str) -> u64 {
        let (name, below) = (format!("projects/{project}"), format!("projects/{project}/"));
        self.calls()
            .filter(|(_, asked, _)| *asked == name || asked.starts_with(&below))
            .map(|(_, _, count)| count)
            .sum()
    }

    /// How often anything was asked.
    pub fn total(&self) -> u64 {
        self.calls.values().sum()
    }

    /// What was asked and is no method that is known here, such as `GET /v1/projects/x/tiers`.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.unknown.iter().map(String::as_str)
    }

    fn count(&mut self, method: Method, name: &str) {
        if self.calls.len() < MOST {
            *self.calls.entry((method, name.to_owned())).or_default() += 1;
        }
    }
}

impl Standin {
    /// Starts on a free port of loopback, on the runtime that this is called from.
    ///
    /// # Errors
    /// When there is no runtime, or no port.
    pub fn start(state: State) -> std::io::Result<Standin> {
        let runtime = tokio::runtime::Handle::try_current().map_err(std::io::Error::other)?;
        let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared { state: Mutex::new(state), asked: Mutex::default(), stopped: stopped.clone() });
        let address = listener.local_addr()?;
        let router = Router::new().fallback(serve).with_state(shared.clone());
        let _guard = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        runtime.spawn(async move {
            // Connections that are idle end with it; what hangs ends by itself.
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(ended(stopped)).await {
                tracing::warn!(%error, "the stand-in for Google's APIs has ended");
            }
        });
        Ok(Standin { address, shared, stop })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint of every API, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes what it answers from.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut lock(&self.shared.state))
    }

    /// What was asked so far.
    pub fn asked(&self) -> Asked {
        lock(&self.shared.asked).clone()
    }

    /// Begins to count anew.
    pub fn forget(&self) {
        *lock(&self.shared.asked) = Asked::default();
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn ended(mut stopped: watch::Receiver<bool>) {
    // An error is that the stand-in is gone, which is the same.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn serve(axum::extract::State(shared): axum::extract::State<Arc<Shared>>, request: HttpRequest) -> Response {
    let (parts, body) = request.into_parts();
    let (verb, path) = (parts.method.as_str(), parts.uri.path());
    let Some(call) = Call::parse(verb, path) else {
        let mut asked = lock(&shared.asked);
        if asked.unknown.len() < MOST {
            asked.unknown.insert(format!("{verb} {path}"));
        }
        return refused(Refusal::unknown(verb, path));
    };
    let Ok(body) = axum::body::to_bytes(body, LONGEST).await else {
        return refused(Refusal::invalid(call.method, "The body is too long, or broke off"));
    };
    let query = parts.uri.query().unwrap_or_default();
    let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let read = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&body) };
    let Ok(body) = read else {
        return refused(Refusal::invalid(call.method, "Invalid JSON payload received."));
    };
    let request = Request { call, query, body, now: Timestamp::now() };
    lock(&shared.asked).count(request.call.method, object(&request));
    answer_or_fail(&shared, &request).await
}

/// What the request is about: logs are asked for with the project in the body.
fn object(request: &Request) -> &str {
    let named = request.body["resourceNames"][0].as_str().filter(|_| request.call.method == Method::EntriesList);
    named.unwrap_or(&request.call.name)
}

async fn answer_or_fail(shared: &Shared, request: &Request) -> Response {
    let (method, name) = (request.call.method, object(request));
    let project = name.split('/').nth(1).unwrap_or_default();
    let fault = lock(&shared.state).fault(method).cloned();
    match fault {
        None => answered(shared, request).into_response(),
        Some(Fault::PermissionDenied) => refused(Refusal::permission(method, name)),
        Some(Fault::ApiDisabled) => refused(Refusal::disabled(method, project)),
        Some(Fault::NotFound) => refused(Refusal::not_found(method, name)),
        Some(Fault::Throttled(after)) => refused(Refusal::throttled(method, project, after)),
        Some(Fault::Internal) => refused(Refusal::internal(method)),
        Some(Fault::Garbage) => json(StatusCode::OK, Body::from("<html>not what was asked for")),
        Some(Fault::Cut) => cut(answered(shared, request)),
        Some(Fault::Slow(wait)) => {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = ended(shared.stopped.clone()) => {}
            }
            answered(shared, request).into_response()
        }
        Some(Fault::Hang) => {
            ended(shared.stopped.clone()).await;
            refused(Refusal::internal(method))
        }
    }
}

/// An answer before it is sent.
struct Answered {
    status: StatusCode,
    body: String,
    retry_after: Option<u32>,
}

impl IntoResponse for Answered {
    fn into_response(self) -> Response {
        let mut response = json(self.status, Body::from(self.body));
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

fn answered(shared: &Shared, request: &Request) -> Answered {
    match answer::answer(&mut lock(&shared.state), request) {
        Ok(body) => Answered { status: StatusCode::OK, body: body.to_string(), retry_after: None },
        Err(refusal) => of_refusal(refusal),
    }
}

fn of_refusal(refusal: Refusal) -> Answered {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Answered { status, body: refusal.body.to_string(), retry_after: refusal.retry_after }
}

fn refused(refusal: Refusal) -> Response {
    of_refusal(refusal).into_response()
}

fn json(status: StatusCode, body: Body) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json; charset=UTF-8")], body).into_response()
}

/// Announces the whole body, sends half of it, and hangs up.
fn cut(answered: Answered) -> Response {
    let length = answered.body.len();
    let half = answered.body.into_bytes().into_iter().take(length / 2).collect::<Vec<u8>>();
    let body = stream::unfold(Some(half), |half| async move {
        match half {
            Some(half) if !half.is_empty() => Some((Ok(half), Some(Vec::new()))),
            _ => {
                // What was sent leaves before the connection does.
                tokio::task::yield_now().await;
                Some((Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)), None))
            }
        }
    });
    let mut response = json(answered.status, Body::from_stream(body));
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    response
}
