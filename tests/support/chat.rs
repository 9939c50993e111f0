//! A chat over WebSocket, as an agent serves it: it lets in who knows its token, streams an answer to a question, and closes
//! with the code that it is asked for. A real server (tokio-tungstenite), with or without TLS.

use std::net::TcpListener;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::hostile::Server;

/// The token that lets in, and the subprotocol that is chosen if it is offered.
pub const TOKEN: &str = "Bearer letmein";
pub const PROTOCOL: &str = "chat.v1";

/// How long the agent thinks before it answers what it is asked to take its time for.
pub const THINKING: Duration = Duration::from_millis(400);

/// Starts a chat.
pub fn serve(listener: TcpListener, acceptor: Option<TlsAcceptor>) -> Server {
    Server::start(listener, move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            // That a client goes away is no matter of ours.
            let _ = match acceptor {
                None => talk(stream).await,
                Some(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => talk(stream).await,
                    Err(_) => return,
                },
            };
        }
    })
}

/// Looks at the request to upgrade, as the server must.
#[allow(clippy::result_large_err, reason = "the library's own type")]
fn receive(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    if header("authorization") != Some(TOKEN) {
        let mut refusal = ErrorResponse::new(Some("Forbidden".to_owned()));
        *refusal.status_mut() = "403".parse().expect("a status");
        return Err(refusal);
    }
    let mut offered = header("sec-websocket-protocol").unwrap_or_default().split(", ");
    if offered.any(|name| name == PROTOCOL) {
        response.headers_mut().insert("sec-websocket-protocol", PROTOCOL.parse().expect("a value"));
    }
    Ok(response)
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> Result<(), Error> {
    let mut socket = accept_hdr_async(stream, receive).await?;
    while let Some(message) = socket.next().await {
        let text = match message? {
            Message::Text(text) => text,
            Message::Binary(bytes) => {
                socket.send(Message::Binary(bytes)).await?;
                continue;
            }
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => continue,
        };
        if text.as_str() == "vanish" {
            return Ok(());
        }
        if let Some(code) = text.strip_prefix("close ") {
            let code: u16 = code.parse().expect("a code");
            socket.close(Some(CloseFrame { code: code.into(), reason: "as asked".into() })).await?;
            continue;
        }
        answer(&mut socket, &text).await?;
    }
    Ok(())
}

/// Streams the answer to a question: a piece at a time, then that it is done.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>, text: &str) -> Result<(), Error> {
    if text.contains("slowly") {
        tokio::time::sleep(THINKING).await;
    }
    let pieces = ["Every", " path", " is", " ready."];
    let tokens = pieces.iter().enumerate().map(|(index, piece)| json!({"type": "token", "n": index, "text": piece}));
    let messages: Vec<Value> = tokens.chain([json!({"type": "done", "usage": {"tokens": pieces.len()}})]).collect();
    for message in messages {
        socket.send(Message::Text(message.to_string().into())).await?;
    }
    Ok(())
}
