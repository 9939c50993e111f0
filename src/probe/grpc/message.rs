//! The messages of grpc.health.v1, and how they lie in a stream (gRPC over HTTP/2, "Length-Prefixed-Message"). Does the
//! stream's network I/O, within bounds.

use std::borrow::Cow;
use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::RecvStream;
use hyper::header::HeaderMap;
use prost::Message;

use crate::api::{Cause, Stage};
use crate::evidence::Failure;

/// A compression flag and a length stand before each message.
const PREFIX: usize = 5;
/// Largest message that is read, in bytes: one of the health service has two.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// grpc.health.v1.HealthCheckRequest.
#[derive(Clone, PartialEq, Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

/// grpc.health.v1.HealthCheckResponse.
#[derive(Clone, PartialEq, Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// grpc.health.v1.HealthCheckResponse.ServingStatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// The server has not said.
    Unknown,
    /// It serves.
    Serving,
    /// It does not.
    NotServing,
    /// The server does not know the service; said by Watch alone.
    ServiceUnknown,
    /// What the protocol has no name for.
    Unnamed(i32),
}

impl Health {
    /// The protocol's name for it.
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Health::Unknown => "UNKNOWN".into(),
            Health::Serving => "SERVING".into(),
            Health::NotServing => "NOT_SERVING".into(),
            Health::ServiceUnknown => "SERVICE_UNKNOWN".into(),
            Health::Unnamed(number) => format!("status {number}").into(),
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl From<i32> for Health {
    fn from(number: i32) -> Self {
        match number {
            0 => Health::Unknown,
            1 => Health::Serving,
            2 => Health::NotServing,
            3 => Health::ServiceUnknown,
            other => Health::Unnamed(other),
        }
    }
}

/// The question for a service's health, as it is sent.
pub fn question(service: &str) -> Bytes {
    if service.is_empty() {
        return Bytes::from_static(&[0; PREFIX]);
    }
    let message = HealthCheckRequest { service: service.to_owned() }.encode_to_vec();
    let mut framed = BytesMut::with_capacity(PREFIX + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(&message);
    framed.freeze()
}

/// The messages of an answer.
pub struct Messages {
    stream: RecvStream,
    buffer: BytesMut,
}

impl Messages {
    /// Of a stream whose header has been read.
    pub fn new(stream: RecvStream) -> Self {
        Messages { stream, buffer: BytesMut::new() }
    }

    /// The health in the next message; None at the end of the messages.
    pub async fn next(&mut self, broken: impl Fn(&h2::Error) -> Failure) -> Result<Option<Health>, Failure> {
        loop {
            if let Some(message) = split(&mut self.buffer)? {
                let response = HealthCheckResponse::decode(message).map_err(|error| {
                    foreign(format!("the answer is no grpc.health.v1.HealthCheckResponse: {error}"))
                })?;
                return Ok(Some(response.status.into()));
            }
            match self.stream.data().await {
                Some(Ok(data)) => {
                    // That the window can't be opened again means that the stream has ended; the next read tells.
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    self.buffer.extend_from_slice(&data);
                }
                Some(Err(error)) => return Err(broken(&error)),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(foreign("the answer ended in the middle of a message".to_owned())),
            }
        }
    }

    /// What stands behind the messages.
    pub async fn trailers(&mut self, broken: impl Fn(&h2::Error) -> Failure) -> Result<Option<HeaderMap>, Failure> {
        self.stream.trailers().await.map_err(|error| broken(&error))
    }
}

fn foreign(message: String) -> Failure {
    Failure::new(Cause::ProtocolMismatch, Stage::Body, message)
}

/// Takes the first message off, if it is there as a whole. One that is too large is told by its announcement.
fn split(buffer: &mut BytesMut) -> Result<Option<Bytes>, Failure> {
    let Some([flag, length @ ..]) = buffer.first_chunk::<PREFIX>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    match flag {
        0 => {}
        1 => {
            let message = "the answer is compressed, although the call accepts no compression (grpc-accept-encoding)";
            return Err(foreign(message.to_owned()));
        }
        other => return Err(foreign(format!("the answer is no gRPC message: its compression flag is {other}"))),
    }
    if length > MAX_MESSAGE {
        let message = format!(
            "the answer announces a message of {length} bytes; at most {MAX_MESSAGE} are read, and health takes 2"
        );
        return Err(Failure::new(Cause::ResponseTooLarge, Stage::Body, message));
    }
    if buffer.len() < PREFIX + length {
        return Ok(None);
    }
    buffer.advance(PREFIX);
    Ok(Some(buffer.split_to(length).freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_framed_as_the_protocol_says() {
        assert_eq!(question("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(question("a.B")[..], [0, 0, 0, 0, 5, 0x0a, 3, b'a', b'.', b'B']);
    }

    #[test]
    fn messages_are_split_however_they_arrive() {
        let mut buffer = BytesMut::new();
        for byte in [0, 0, 0, 0, 2, 8] {
            buffer.put_u8(byte);
            assert_eq!(split(&mut buffer), Ok(None));
        }
        buffer.put_slice(&[2, 0, 0, 0, 0, 0]);
        assert_eq!(split(&mut buffer), Ok(Some(Bytes::from_static(&[8, 2]))));
        assert_eq!(split(&mut buffer), Ok(Some(Bytes::new())), "an empty message stands for UNKNOWN");
        for (prefix, cause) in [
            ([0, 0x7f, 0xff, 0xff, 0xff], Cause::ResponseTooLarge),
            ([1, 0, 0, 0, 2], Cause::ProtocolMismatch),
            ([b'<', b'h', b't', b'm', b'l'], Cause::ProtocolMismatch),
        ] {
            let failure = split(&mut BytesMut::from(&prefix[..])).expect_err("a failure");
            assert_eq!(failure.cause, cause, "{prefix:?}");
        }
    }
}
