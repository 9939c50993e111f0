//! The bytes of the WebSocket protocol (RFC 6455), for servers that misuse it: they upgrade a connection as they should, then
//! play a script. Takes what a frame says, returns steps.

use std::net::TcpListener;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{Server, Step, close, play};

/// The first byte of a frame: a whole text, a whole binary, a close, a ping.
pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
/// The first byte of a frame: the first part of a text, a part that is not the last.
pub const TEXT_BEGINS: u8 = 0x01;
pub const TEXT_GOES_ON: u8 = 0x00;

/// A frame as a server sends it: its first byte, its length, its payload.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [announced(first, payload.len() as u64), payload.to_vec()].concat()
}

/// The head of a frame that announces so many bytes.
pub fn announced(first: u8, length: u64) -> Vec<u8> {
    match length {
        0..=125 => vec![first, length as u8],
        126..=0xffff => [&[first, 126][..], &(length as u16).to_be_bytes()].concat(),
        _ => [&[first, 127][..], &length.to_be_bytes()].concat(),
    }
}

/// Upgrades every connection, then plays a script.
pub fn upgrading(listener: TcpListener, script: Vec<Step>) -> Server {
    let script: Arc<[Step]> = script.into();
    Server::start(listener, move |mut stream, sent| {
        let script = script.clone();
        async move {
            let reset = matches!(script.last(), Some(Step::Reset));
            if reset {
                stream.set_zero_linger().expect("our own socket");
            }
            if upgrade(&mut stream).await.is_ok() {
                let _ = play(&mut stream, &script, &sent).await;
            }
            if !reset {
                close(stream).await;
            }
        }
    })
}

async fn upgrade(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let key = request.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim().to_owned())
    });
    let accept = derive_accept_key(key.expect("a key").as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await
}
