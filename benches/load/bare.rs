//! The least that the same requests can cost with the same library: a bare loop over one connection, each request sent as soon
//! as the one before is answered. No pace, deadline, stage or count. Does I/O.

use std::net::Ipv4Addr;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::meter;

/// Seconds of CPU for each of so many requests.
pub fn cost(port: u16, requests: u64) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let own = std::process::id();
    let before = meter::cpu_seconds(own);
    runtime.block_on(ask(port, requests));
    (meter::cpu_seconds(own) - before) / requests as f64
}

async fn ask(port: u16, requests: u64) {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("a server that listens");
    stream.set_nodelay(true).expect("a socket");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("a connection");
    tokio::spawn(connection);
    let host = format!("127.0.0.1:{port}");
    for _ in 0..requests {
        let request = Request::get("/").header("host", &host).body(Empty::<Bytes>::new()).expect("a request");
        sender.ready().await.expect("a connection that is kept");
        let answer = sender.send_request(request).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        answer.into_body().collect().await.expect("a body");
    }
}
