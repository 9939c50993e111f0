//! The bytes of HTTP/2 (RFC 9113) and gRPC, as a server sends them. Pure.

use super::Step;

/// Frame types.
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;

/// Flags.
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// An HTTP/2 frame (RFC 9113, section 4.1).
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u32;
    [&length.to_be_bytes()[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Fields as literals that enter no table (RFC 7541, section 6.2.2).
pub fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| {
        assert!(text.len() < 127, "a length of one byte");
        [&[text.len() as u8], text.as_bytes()].concat()
    };
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

/// The header of an answer on the first stream; the stream goes on.
pub fn header(named: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, 1, &fields(named))
}

/// A header after which nothing follows: trailers, or an answer of a header alone.
pub fn last_header(named: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(named))
}

/// What an answer of gRPC begins with.
pub const GRPC: [(&str, &str); 2] = [(":status", "200"), ("content-type", "application/grpc")];

/// A gRPC message with its prefix.
pub fn message(bytes: &[u8]) -> Vec<u8> {
    [&[0], &(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

/// Bytes on the first stream.
pub fn data(bytes: &[u8]) -> Vec<u8> {
    frame(DATA, 0, 1, bytes)
}

/// Greets a client of gRPC, and awaits its call: a message of five bytes that asks for the server as a whole.
pub fn called() -> Vec<Step> {
    vec![Step::Await(24), Step::Send(frame(SETTINGS, 0, 0, &[])), Step::AwaitText("\0\0\x05\0\x01\0\0\0\x01")]
}
