//! Real HTTP servers: HTTP/1.1 and HTTP/2, with and without TLS. Takes a function that answers; keeps what was asked.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, Uri, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use super::hostile::tls::Tls;
use super::hostile::{Server, listener};

/// A request, as a server got it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub uri: Uri,
    pub version: Version,
    pub headers: HeaderMap,
    pub body: String,
}

impl Asked {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// What a server answers.
pub type Reply = Response<Full<Bytes>>;

type Answer = dyn Fn(&Asked) -> Reply + Send + Sync;

/// A running server; gone when dropped.
pub struct Web {
    server: Server,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Web {
    /// Speaks one version of HTTP, in plain text.
    pub fn plain(version: Version, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Web {
        Web::start(version, None, answer)
    }

    /// Speaks one version of HTTP, within TLS.
    pub fn tls(version: Version, tls: Tls, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Web {
        let protocol: &[u8] = if version == Version::HTTP_2 { b"h2" } else { b"http/1.1" };
        Web::start(version, Some(tls.alpn(protocol)), answer)
    }

    fn start(version: Version, tls: Option<Tls>, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Web {
        let acceptor = tls.map(Tls::acceptor);
        let (answer, asked): (Arc<Answer>, Arc<Mutex<Vec<Asked>>>) = (Arc::new(answer), Arc::default());
        let kept = asked.clone();
        let server = Server::start(listener("127.0.0.1:0"), move |stream, _| {
            let (acceptor, answer, kept) = (acceptor.clone(), answer.clone(), kept.clone());
            async move {
                match acceptor {
                    None => converse(stream, version, answer, kept).await,
                    Some(acceptor) => match acceptor.accept(stream).into_fallible().await {
                        Ok(stream) => converse(stream, version, answer, kept).await,
                        // An alert is on its way: the connection is not cut before the client has read it.
                        Err((_, stream)) => super::hostile::close(stream).await,
                    },
                }
            }
        });
        Web { server, asked }
    }

    /// Its port, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("one user at a time").clone()
    }
}

/// An answer with a status, headers and a body.
pub fn reply(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Reply {
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Full::new(body.into())).expect("an answer")
}

async fn converse<S>(stream: S, version: Version, answer: Arc<Answer>, asked: Arc<Mutex<Vec<Asked>>>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (answer, asked) = (answer.clone(), asked.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let body = String::from_utf8_lossy(&body).into_owned();
            let request = Asked { uri: head.uri, version: head.version, headers: head.headers, body };
            let reply = answer(&request);
            asked.lock().expect("one user at a time").push(request);
            Ok::<_, Infallible>(reply)
        }
    });
    let stream = TokioIo::new(stream);
    // A client that hangs up is no error of the server's.
    let _ = match version {
        Version::HTTP_2 => http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await,
        _ => http1::Builder::new().serve_connection(stream, service).await,
    };
}
