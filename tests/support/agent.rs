//! The backend of a golden path: a login, a chat over WebSocket that an agent answers, and what cleans up after it; each part
//! can be broken. A real server (hyper, tokio-tungstenite) on one port, which keeps what it was asked for.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server as handshake;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::hostile::{Server, listener};

/// What lets in, and what is given for it: none of these may ever be seen.
pub const PASSWORD: &str = "correct-horse-battery";
pub const TOKEN: &str = "tok/3n+with=signs";
pub const SESSION: &str = "s3ss10n-cookie";
pub const CHAT: &str = "chat 77/../x";

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    Nothing,
    /// The login knows nobody.
    LoginRefused,
    /// The login's own backend is down.
    LoginFails,
    /// The login answers without a token.
    LoginWithoutToken,
    /// The chat lets nobody in.
    ChatRefused,
    /// The agent never answers.
    AgentSilent,
    /// The agent takes its time.
    AgentSlow,
    /// The agent breaks off its answer.
    AgentCrashes,
    /// Logging out fails.
    LogoutFails,
}

/// The backend, until it is dropped.
pub struct Agent {
    server: Server,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Agent {
    /// Starts one that is broken in that way.
    pub fn start(broken: Broken) -> Self {
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = asked.clone();
        let server = Server::start(listener("127.0.0.1:0"), move |stream, _| serve(stream, broken, log.clone()));
        Agent { server, asked }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What it was asked for: method and path, and what proved who asked.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("what was asked").clone()
    }
}

async fn serve(stream: TcpStream, broken: Broken, log: Arc<Mutex<Vec<String>>>) {
    let mut start = [0; 9];
    // Enough has come as soon as anything has: a request is sent as one piece.
    if stream.peek(&mut start).await.is_err() {
        return;
    }
    // That a client goes away is no matter of ours.
    if &start == b"GET /chat" {
        let _ = chat(stream, broken, &log).await;
    } else {
        let service = service_fn(|request| answer(request, broken, &log));
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }
}

async fn answer(
    request: Request<Incoming>,
    broken: Broken,
    log: &Mutex<Vec<String>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let proof = [header("authorization"), header("cookie")].concat();
    log.lock().expect("what was asked").push(format!("{} {} {proof}", head.method, head.uri.path()));
    let answer = |status: u16, body: Value| {
        let mut response = Response::builder().status(status);
        if status == 200 {
            response = response.header("set-cookie", format!("session={SESSION}; HttpOnly"));
        }
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        response.body(Full::new(body)).expect("a response")
    };
    let login: Value = serde_json::from_slice(&body).unwrap_or_default();
    Ok(match (head.method.as_str(), head.uri.path(), broken) {
        ("POST", "/auth/login", Broken::LoginFails) => answer(503, json!({"error": "the database is away"})),
        ("POST", "/auth/login", Broken::LoginRefused) => answer(401, json!({"error": format!("not {login}")})),
        ("POST", "/auth/login", _) if login["password"] != PASSWORD => answer(401, json!({"error": "who are you?"})),
        ("POST", "/auth/login", Broken::LoginWithoutToken) => answer(200, json!({"user": "u"})),
        ("POST", "/auth/login", _) => answer(200, json!({"access_token": TOKEN})),
        ("POST", "/auth/logout", Broken::LogoutFails) => answer(500, Value::Null),
        ("POST", "/auth/logout", _) | ("DELETE", _, _) => answer(204, Value::Null),
        _ => answer(404, Value::Null),
    })
}

async fn chat(
    stream: TcpStream,
    broken: Broken,
    log: &Mutex<Vec<String>>,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    #[allow(clippy::result_large_err, reason = "the library's own type")]
    let receive = |request: &handshake::Request, response: handshake::Response| {
        let proof = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        log.lock().expect("what was asked").push(format!("GET {} {proof}", request.uri().path()));
        if broken != Broken::ChatRefused && proof == format!("Bearer {TOKEN}") {
            return Ok(response);
        }
        let mut refusal = handshake::ErrorResponse::new(Some(format!("not with {proof}")));
        *refusal.status_mut() = "403".parse().expect("a status");
        Err(refusal)
    };
    let mut socket = accept_hdr_async(stream, receive).await?;
    let text = |value: Value| Message::Text(value.to_string().into());
    socket.send(text(json!({"type": "ready", "chat": CHAT}))).await?;
    while let Some(message) = socket.next().await {
        if !matches!(message?, Message::Text(_)) {
            continue;
        }
        match broken {
            Broken::AgentSilent => continue,
            Broken::AgentSlow => tokio::time::sleep(Duration::from_millis(1200)).await,
            _ => {}
        }
        socket.send(text(json!({"type": "token", "text": "Yes"}))).await?;
        if broken == Broken::AgentCrashes {
            let reason = format!("cannot go on with {TOKEN}");
            return socket.close(Some(CloseFrame { code: 1011.into(), reason: reason.into() })).await;
        }
        socket.send(text(json!({"type": "done"}))).await?;
    }
    Ok(())
}
