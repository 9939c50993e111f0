//! A real gRPC health server, that of tonic-health, on loopback: in plain text or within TLS. Keeps the headers of the calls
//! that it gets, and can change a service's health while it is watched.

use std::sync::{Arc, Mutex};

use http_body_util::BodyExt;
use hyper::header::HeaderMap;
use hyper::server::conn::http2;
use hyper::service::{Service, service_fn};
use hyper::{Request, Uri, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server;
use tonic_health::server::{HealthReporter, health_reporter};

use super::hostile::tls::Tls;
use super::hostile::{Server, listener};

/// A running server; gone when dropped.
pub struct Health {
    server: Server,
    calls: Calls,
}

/// What was called, and with which headers.
pub type Calls = Arc<Mutex<Vec<(Uri, HeaderMap)>>>;

/// The health of a service, in turn: each follows once the one before has been told to somebody.
pub type Course = (&'static str, &'static [ServingStatus]);

impl Health {
    /// Speaks plain text.
    pub fn plain(courses: &[Course]) -> Health {
        Health::start(None, courses)
    }

    /// Speaks TLS.
    pub fn secure(tls: Tls, courses: &[Course]) -> Health {
        Health::start(Some(tls), courses)
    }

    fn start(tls: Option<Tls>, courses: &[Course]) -> Health {
        let (reporter, health) = health_reporter();
        for (service, course) in courses {
            futures::executor::block_on(reporter.set_service_status(service, course[0]));
        }
        let calls = Calls::default();
        let (kept, courses, acceptor) = (calls.clone(), courses.to_vec(), tls.map(Tls::acceptor));
        let server = Server::start(listener("127.0.0.1:0"), move |stream, _| {
            let (health, acceptor, kept) = (TowerToHyperService::new(health.clone()), acceptor.clone(), kept.clone());
            let (reporter, courses) = (reporter.clone(), courses.clone());
            async move {
                // A connection that is gone already ends by itself.
                let _ = stream.set_nodelay(true);
                match acceptor {
                    None => serve(stream, health, kept, reporter, courses).await,
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            serve(stream, health, kept, reporter, courses).await;
                        }
                    }
                }
            }
        });
        Health { server, calls }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// The calls so far, and those to come.
    pub fn calls(&self) -> Calls {
        self.calls.clone()
    }
}

async fn serve<S, H>(
    stream: S,
    health: TowerToHyperService<health_server::HealthServer<H>>,
    kept: Calls,
    reporter: HealthReporter,
    courses: Vec<Course>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: health_server::Health,
{
    let told = Arc::new(Mutex::new(0));
    let service = service_fn(move |request: Request<Incoming>| {
        kept.lock().expect("the calls").push((request.uri().clone(), request.headers().clone()));
        let (health, reporter, courses, told) = (health.clone(), reporter.clone(), courses.clone(), told.clone());
        async move {
            let response = health.call(request).await?;
            Ok::<_, std::convert::Infallible>(response.map(|body| {
                body.map_frame(move |frame| {
                    let mut told = told.lock().expect("the count");
                    *told += 1;
                    for (service, course) in &courses {
                        if let Some(next) = course.get(*told) {
                            let (reporter, service, next) = (reporter.clone(), *service, *next);
                            tokio::spawn(async move { reporter.set_service_status(service, next).await });
                        }
                    }
                    frame
                })
            }))
        }
    });
    // That the client has gone is no error here.
    let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}
