//! The least HTTP client: one request on a connection of its own, and what came back, however broken.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

/// What came back.
pub struct Reply {
    pub status: u16,
    /// The head, as it was sent.
    pub head: String,
    pub body: String,
}

impl Reply {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Asks, and reads until the server has nothing more to say.
pub fn ask(address: SocketAddr, verb: &str, target: &str, body: Option<&Value>) -> std::io::Result<Reply> {
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let head =
        format!("{verb} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}", body.len());
    write!(stream, "{head}\r\ncontent-type: application/json\r\n\r\n{body}")?;
    let mut text = Vec::new();
    // A connection that is reset has said what it had to say.
    if let Err(error) = stream.read_to_end(&mut text)
        && error.kind() != std::io::ErrorKind::ConnectionReset
    {
        return Err(error);
    }
    let text = String::from_utf8_lossy(&text);
    let (head, body) = text.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Ok(Reply { status, head: head.to_lowercase(), body: body.to_owned() })
}

/// Reads an object or a list.
#[track_caller]
pub fn get(address: SocketAddr, target: &str) -> Reply {
    ask(address, "GET", target, None).expect("an answer")
}

/// Posts.
#[track_caller]
pub fn post(address: SocketAddr, target: &str, body: &Value) -> Reply {
    ask(address, "POST", target, Some(body)).expect("an answer")
}
