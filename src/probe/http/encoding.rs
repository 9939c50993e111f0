//! Unpacks a body as its Content-Encoding says (RFC 9110, section 8.4.1): gzip, deflate, br. Computes on a thread apart, and
//! never more than a given number of bytes, whatever the body would become. No I/O.

use std::io::{self, Read};

use bytes::Buf;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use hyper::header::{CONTENT_ENCODING, HeaderMap};
use tokio::task::spawn_blocking;

use crate::api::{Cause, Stage};
use crate::evidence::{Failure, clip};

/// The most encodings that are laid over each other.
const MOST_LAYERS: usize = 3;
/// How much the decoder of Brotli takes in at once.
const PIECE: usize = 8 * 1024;

/// One way in which a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Gzip,
    Deflate,
    Brotli,
}

impl Encoding {
    const fn as_str(self) -> &'static str {
        match self {
            Encoding::Gzip => "gzip",
            Encoding::Deflate => "deflate",
            Encoding::Brotli => "br",
        }
    }
}

/// How a body is packed: the last that was laid on comes first.
pub fn encodings(headers: &HeaderMap) -> Result<Vec<Encoding>, Failure> {
    let mut found = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        let value = String::from_utf8_lossy(value.as_bytes());
        for name in value.split(',').map(|name| name.trim().to_ascii_lowercase()) {
            let encoding = match name.as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => Encoding::Gzip,
                "deflate" => Encoding::Deflate,
                "br" => Encoding::Brotli,
                other => {
                    let name = clip(other, 40);
                    return Err(unreadable(format!(
                        "the body is packed as {name:?}, and gzip, deflate and br are known: set Accept-Encoding in headers"
                    )));
                }
            };
            if found.len() == MOST_LAYERS {
                return Err(unreadable(format!("the body is packed more than {MOST_LAYERS} times over")));
            }
            found.push(encoding);
        }
    }
    found.reverse();
    Ok(found)
}

/// The body, unpacked; at most `most` bytes of it.
pub async fn unpacked(body: Vec<u8>, encodings: Vec<Encoding>, most: usize) -> Result<Vec<u8>, Failure> {
    if encodings.is_empty() || body.is_empty() {
        return Ok(body);
    }
    let work =
        spawn_blocking(move || encodings.into_iter().try_fold(body, |body, encoding| unpack(&body, encoding, most)));
    work.await.unwrap_or_else(|_| {
        let message = "unpacking the body broke: a defect of runready; see the operator's log";
        Err(Failure::new(Cause::ProberError, Stage::Body, message))
    })
}

fn unpack(body: &[u8], encoding: Encoding, most: usize) -> Result<Vec<u8>, Failure> {
    let read = match encoding {
        Encoding::Gzip => bounded(MultiGzDecoder::new(body), most),
        // Some servers leave out the zlib header that the standard demands.
        Encoding::Deflate if has_zlib_header(body) => bounded(ZlibDecoder::new(body), most),
        Encoding::Deflate => bounded(DeflateDecoder::new(body), most),
        Encoding::Brotli => bounded(brotli_decompressor::Decompressor::new(body.reader(), PIECE), most),
    };
    let name = encoding.as_str();
    let unpacked = read.map_err(|error| unreadable(format!("the body says that it is {name}, and is not: {error}")))?;
    if unpacked.len() > most {
        let message =
            format!("the body has {} bytes as {name}, and unpacked more than maxBodyBytes, {most}", body.len());
        return Err(Failure::new(Cause::ResponseTooLarge, Stage::Body, message));
    }
    Ok(unpacked)
}

/// Reads all that comes, and one byte too many at most.
fn bounded(from: impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    from.take(most as u64 + 1).read_to_end(&mut read)?;
    Ok(read)
}

/// Whether these are the first bytes of zlib (RFC 1950, section 2.2).
fn has_zlib_header(body: &[u8]) -> bool {
    matches!(*body, [method, flags, ..] if method & 0x0f == 8 && u16::from_be_bytes([method, flags]).is_multiple_of(31))
}

fn unreadable(message: String) -> Failure {
    Failure::new(Cause::ProtocolMismatch, Stage::Body, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::read::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use hyper::header::HeaderValue;

    fn packed(mut from: impl Read) -> Vec<u8> {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).expect("no I/O");
        bytes
    }

    /// "hello" by Brotli: one uncompressed meta-block (RFC 7932, section 9.2), and the last, which is empty.
    const HELLO_BR: &[u8] = &[0x0b, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03];

    #[test]
    fn every_encoding_is_unpacked_within_the_bound() {
        let plain: &[u8] = b"hello";
        for (bytes, encoding) in [
            (packed(GzEncoder::new(plain, Compression::best())), Encoding::Gzip),
            (packed(ZlibEncoder::new(plain, Compression::best())), Encoding::Deflate),
            (packed(DeflateEncoder::new(plain, Compression::best())), Encoding::Deflate),
            (HELLO_BR.to_vec(), Encoding::Brotli),
        ] {
            assert_eq!(unpack(&bytes, encoding, 5).as_deref(), Ok(plain), "{encoding:?}");
            let large = unpack(&bytes, encoding, 4).expect_err("too large");
            assert_eq!(large.cause, Cause::ResponseTooLarge, "{encoding:?}");
            for end in 0..bytes.len() - 1 {
                let cut = unpack(&bytes[..end], encoding, 5).map_err(|failure| failure.cause);
                assert!(
                    matches!(&cut, Err(Cause::ProtocolMismatch)) || cut.as_deref() == Ok(plain),
                    "{encoding:?} {end}: {cut:?}"
                );
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        for seed in 0..2000_u32 {
            let bytes: Vec<u8> =
                (0..seed % 40).map(|at| (seed.wrapping_mul(2_654_435_761).rotate_left(at) >> 7) as u8).collect();
            for encoding in [Encoding::Gzip, Encoding::Deflate, Encoding::Brotli] {
                let _ = unpack(&bytes, encoding, 1024);
            }
        }
    }

    #[test]
    fn the_header_tells_the_layers_in_the_order_of_unpacking() {
        let of = |value: &'static str| {
            let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(value))]);
            encodings(&headers).map_err(|failure| failure.message.to_string())
        };
        assert_eq!(of("identity"), Ok(Vec::new()));
        assert_eq!(of("gzip, BR"), Ok(vec![Encoding::Brotli, Encoding::Gzip]));
        assert!(of("zstd").expect_err("unknown").contains("\"zstd\""));
        assert!(of("gzip, gzip, gzip, gzip").is_err());
    }
}
