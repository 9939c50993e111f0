//! Answers /healthz, /readyz and /metrics over HTTP. Does network I/O; knows nothing of checks.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::engine::Inbox;
use crate::metrics::Metrics;

/// What the replica is doing; /readyz and /healthz answer from it.
#[derive(Clone, Debug, Default)]
pub enum Phase {
    /// It has not heard from its source yet.
    #[default]
    Starting,
    /// Another replica leads; this one stands by.
    StandingBy,
    /// It knows its checks and probes them.
    Probing(Inbox),
    /// It is ending.
    Stopping,
}

/// The longest that a living engine takes to answer.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Shared {
    phase: watch::Receiver<Phase>,
    hindrance: watch::Receiver<Option<String>>,
    metrics: Arc<Metrics>,
}

/// Serves until the listener fails. `hindrance` is what keeps the replica from its work whatever its phase, in words.
///
/// # Errors
/// When accepting connections fails for good.
pub async fn serve(
    listener: TcpListener,
    phase: watch::Receiver<Phase>,
    hindrance: watch::Receiver<Option<String>>,
    metrics: Arc<Metrics>,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .with_state(Shared { phase, hindrance, metrics });
    axum::serve(listener, router).await
}

/// Alive: the engine, if there should be one, answers.
async fn healthz(State(shared): State<Shared>) -> Response {
    let phase = shared.phase.borrow().clone();
    match phase {
        Phase::Starting | Phase::StandingBy | Phase::Stopping => (StatusCode::OK, "ok\n").into_response(),
        Phase::Probing(inbox) => {
            if inbox.is_alive(PATIENCE).await {
                (StatusCode::OK, "ok\n").into_response()
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "the engine does not answer\n").into_response()
            }
        }
    }
}

/// Ready: synced and able to probe, or standing by for the replica that is.
async fn readyz(State(shared): State<Shared>) -> Response {
    let (status, text) = match &*shared.phase.borrow() {
        Phase::Probing(_) => (StatusCode::OK, "probing"),
        Phase::StandingBy => (StatusCode::OK, "standing by"),
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "not synced yet"),
        Phase::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
    };
    match &*shared.hindrance.borrow() {
        None => (status, format!("{text}\n")).into_response(),
        Some(hindrance) => (StatusCode::SERVICE_UNAVAILABLE, format!("{text}\n{hindrance}\n")).into_response(),
    }
}

async fn scrape(State(shared): State<Shared>) -> Response {
    match shared.metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
            .into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be encoded\n").into_response(),
    }
}
