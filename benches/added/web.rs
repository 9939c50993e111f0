//! The contests of http. Does I/O.

use std::net::SocketAddr;

use futures::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::rt::TokioIo;
use runready::plan::Secrets;
use runready::plan::secrets::{Lookup, SecretData};
use secrecy::SecretSlice;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::contest::Contest;
use crate::support::cert::Authority;
use crate::support::grpc::Health;
use crate::support::hostile::Server;

/// A server of axum's, on a thread of its own.
pub fn serve(router: axum::Router) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            axum::serve(listener, router).await.expect("a server");
        });
    });
    address
}

/// The Secret `ca` with an authority's certificate.
pub fn trusting(authority: &Authority) -> Secrets {
    let data: SecretData =
        [("ca.crt".to_owned(), SecretSlice::from(authority.pem().into_bytes()))].into_iter().collect();
    let mut secrets = Secrets::default();
    secrets.insert("ca".to_owned(), Lookup::Found(data));
    secrets
}

/// Sends a request over a new connection, the same as the probe's, and reads the answer.
pub fn http() -> Result<Contest, String> {
    let address = serve(axum::Router::new().route("/", axum::routing::get(|| async { "ok" })));
    let host = address.to_string();
    let bare = move || -> futures::future::LocalBoxFuture<'static, ()> {
        let host = host.clone();
        Box::pin(async move {
            let stream = TcpStream::connect(address).await.expect("a connection");
            stream.set_nodelay(true).expect("a socket");
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("hyper");
            let request = Request::get("/")
                .header("accept", "*/*")
                .header("user-agent", concat!("runready/", env!("CARGO_PKG_VERSION")))
                .header("host", &host)
                .header("connection", "close")
                .body(Empty::<bytes::Bytes>::new())
                .expect("a request");
            let exchange = async {
                let response = sender.send_request(request).await.expect("an answer");
                assert_eq!(response.status(), 200);
                response.into_body().collect().await.expect("a body");
                drop(sender);
            };
            let (_, ended) = futures::future::join(exchange, connection).await;
            ended.expect("a connection that ends well");
        })
    };
    let probe = json!({"http": {"url": format!("http://{address}/")}});
    Ok(Contest::new(probe, &Secrets::default(), Box::new(bare)))
}

/// Upgrades to a WebSocket, and closes it in good order.
pub fn websocket() -> Result<Contest, String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let server = Server::start(listener, |stream, _| async move {
        if let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await {
            while let Some(Ok(message)) = socket.next().await {
                let _ = socket.send(message).await;
            }
        }
    });
    let address = server.address();
    let bare = move || -> futures::future::LocalBoxFuture<'static, ()> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await.expect("a connection");
            stream.set_nodelay(true).expect("a socket");
            let (mut socket, _) =
                tokio_tungstenite::client_async(format!("ws://{address}/"), stream).await.expect("an upgrade");
            socket.send(Message::text("ask")).await.expect("a connection");
            assert_eq!(socket.next().await.expect("an answer").expect("an answer"), Message::text("ask"));
            socket.close(None).await.expect("a connection");
            while socket.next().await.is_some() {}
        })
    };
    let steps = json!([{"send": "ask"}, {"expect": "^ask$"}]);
    let probe = json!({"websocket": {"url": format!("ws://{address}/"), "steps": steps}});
    Ok(Contest::new(probe, &Secrets::default(), Box::new(bare)).keep(server))
}

/// Asks a gRPC server for its health with the same header and settings as the probe, with h2 alone.
pub fn grpc() -> Result<Contest, String> {
    let server = Health::plain(&[]);
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let bare = move || -> futures::future::LocalBoxFuture<'static, ()> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await.expect("a connection");
            stream.set_nodelay(true).expect("a socket");
            let mut builder = h2::client::Builder::new();
            builder.max_header_list_size(64 * 1024).enable_push(false);
            let (sender, connection) = builder.handshake::<_, bytes::Bytes>(stream).await.expect("a handshake");
            let exchange = async {
                let mut sender = sender.ready().await.expect("a connection");
                let request = Request::post(format!("http://{address}/grpc.health.v1.Health/Check"))
                    .header("grpc-timeout", "10000m")
                    .header("te", "trailers")
                    .header("content-type", "application/grpc")
                    .header("user-agent", concat!("runready/", env!("CARGO_PKG_VERSION")))
                    .header("grpc-accept-encoding", "identity")
                    .body(())
                    .expect("a request");
                let (response, mut body) = sender.send_request(request, false).expect("a stream");
                body.send_data(bytes::Bytes::from_static(&[0; 5]), true).expect("a message");
                let mut answer = response.await.expect("an answer").into_body();
                let message = answer.data().await.expect("a message").expect("a message");
                assert_eq!(&message[..], [0, 0, 0, 0, 2, 8, 1], "SERVING");
                let trailers = answer.trailers().await.expect("trailers").expect("trailers");
                assert_eq!(trailers["grpc-status"], "0");
            };
            tokio::select! {
                () = exchange => {}
                ended = connection => panic!("{ended:?}"),
            }
        })
    };
    let probe = json!({"grpc": {"host": "127.0.0.1", "port": server.port(), "plaintext": true}});
    Ok(Contest::new(probe, &Secrets::default(), Box::new(bare)).keep(server))
}
