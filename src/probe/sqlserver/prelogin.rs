//! The first exchange of TDS (MS-TDS, "PRELOGIN"): what the server is, and whether the conversation goes on within TLS. Takes a
//! stream and the encryption to ask for; reads one packet, of bounded size. Does the stream's network I/O.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes of a packet's header (MS-TDS, "Packet Header").
pub const HEADER: usize = 8;
/// The packet type of PRELOGIN, and of the TLS handshake after it.
pub const PRELOGIN: u8 = 0x12;
/// The packet type of everything that a server answers.
pub const TABULAR: u8 = 0x04;
/// The status of a message's last packet.
pub const LAST: u8 = 0x01;

/// Largest answer that is read: a server's has some forty bytes.
const LARGEST: usize = 4096;
/// The options that are asked for, in the order of their tokens.
const VERSION: u8 = 0;
const ENCRYPTION: u8 = 1;
const TERMINATOR: u8 = 0xff;
const CUT: &str = "options that do not end";

/// What a side says of encryption (MS-TDS, "PRELOGIN", ENCRYPTION).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Of the login alone. It is never asked for here.
    LoginOnly,
    /// Of the whole conversation.
    On,
    /// Not possible.
    Unsupported,
    /// Of the whole conversation, or none.
    Required,
}

impl Encryption {
    const fn to_byte(self) -> u8 {
        match self {
            Encryption::LoginOnly => 0,
            Encryption::On => 1,
            Encryption::Unsupported => 2,
            Encryption::Required => 3,
        }
    }

    const fn of_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Encryption::LoginOnly),
            1 => Some(Encryption::On),
            2 => Some(Encryption::Unsupported),
            3 => Some(Encryption::Required),
            _ => None,
        }
    }
}

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its version, such as 16.0.4105.
    pub version: Option<String>,
    /// Its word on encryption.
    pub encryption: Encryption,
}

/// Why an answer is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The answer begins with a byte that no server's packet begins with.
    #[error("the answer begins with byte 0x{0:02x}, which is not SQL Server's protocol (TDS)")]
    NotTds(u8),
    /// A packet that can't be.
    #[error("the answer is malformed: {0}")]
    Malformed(&'static str),
    /// More than is read.
    #[error("the answer is larger than runready reads: at most {0} bytes are read")]
    TooLarge(u64),
}

impl From<Violation> for io::Error {
    fn from(violation: Violation) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, violation)
    }
}

/// Sends a PRELOGIN and reads its answer.
pub async fn exchange<S>(stream: &mut S, encryption: Encryption) -> io::Result<Told>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let sent = async {
        stream.write_all(&message(PRELOGIN, encryption)).await?;
        stream.flush().await
    };
    let sent = sent.await;
    match hear(stream).await {
        Ok(told) => Ok(told),
        Err(error) => Err(sent.err().unwrap_or(error)),
    }
}

/// A PRELOGIN, or the answer to one, in a packet of its own.
pub fn message(packet_type: u8, encryption: Encryption) -> Vec<u8> {
    // Each option: its token, where its value begins, how long that is.
    let options = [VERSION, 0, 11, 0, 6, ENCRYPTION, 0, 17, 0, 1, TERMINATOR];
    let values = [0, 0, 0, 0, 0, 0, encryption.to_byte()];
    let length = (HEADER + options.len() + values.len()) as u8;
    let header = [packet_type, LAST, 0, length, 0, 0, 0, 0];
    [&header[..], &options, &values].concat()
}

async fn hear<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Told> {
    let mut header = [0; HEADER];
    // What is no TDS is told by its first byte, and may have no more.
    stream.read_exact(&mut header[..1]).await?;
    if header[0] != TABULAR {
        return Err(Violation::NotTds(header[0]).into());
    }
    stream.read_exact(&mut header[1..]).await?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    match length.checked_sub(HEADER) {
        None => Err(Violation::Malformed("a packet shorter than its header").into()),
        Some(_) if header[1] & LAST == 0 => Err(Violation::Malformed("a first answer of several packets").into()),
        Some(body) if body > LARGEST => Err(Violation::TooLarge(LARGEST as u64).into()),
        Some(body) => {
            let mut bytes = vec![0; body];
            stream.read_exact(&mut bytes).await?;
            Ok(read(&bytes)?)
        }
    }
}

fn read(body: &[u8]) -> Result<Told, Violation> {
    let mut told = Told { version: None, encryption: Encryption::Unsupported };
    let mut said = false;
    for option in body.chunks(5) {
        let [token, offset, offset_low, length, length_low] = *option else {
            return if option.first() == Some(&TERMINATOR) {
                ended(told, said)
            } else {
                Err(Violation::Malformed(CUT))
            };
        };
        if token == TERMINATOR {
            return ended(told, said);
        }
        let offset = usize::from(u16::from_be_bytes([offset, offset_low]));
        let length = usize::from(u16::from_be_bytes([length, length_low]));
        let value = body.get(offset..offset + length).ok_or(Violation::Malformed("an option beyond its packet"))?;
        match (token, value) {
            (VERSION, [major, minor, build @ ..]) if build.len() >= 2 => {
                told.version = Some(format!("{major}.{minor}.{}", u16::from_be_bytes([build[0], build[1]])));
            }
            (ENCRYPTION, [byte, ..]) => {
                // The highest bits speak of client certificates (MS-TDS, ENCRYPT_CLIENT_CERT).
                told.encryption = Encryption::of_byte(byte & 0x0f)
                    .ok_or(Violation::Malformed("a word on encryption that is none"))?;
                said = true;
            }
            _ => {}
        }
    }
    Err(Violation::Malformed(CUT))
}

fn ended(told: Told, said: bool) -> Result<Told, Violation> {
    if said { Ok(told) } else { Err(Violation::Malformed("no word on encryption")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        for encryption in [Encryption::LoginOnly, Encryption::On, Encryption::Unsupported, Encryption::Required] {
            let told = read(&message(TABULAR, encryption)[HEADER..]).expect("an answer");
            assert_eq!(told, Told { version: Some("0.0.0".to_owned()), encryption });
        }
    }

    #[test]
    fn an_answer_cut_anywhere_is_refused_and_breaks_nothing() {
        let whole = message(TABULAR, Encryption::On);
        for end in 0..whole.len() - HEADER {
            assert!(read(&whole[HEADER..HEADER + end]).is_err(), "{end} bytes");
        }
        assert!(read(&[ENCRYPTION, 0xff, 0xfe, 0xff, 0xfe]).is_err());
        assert!(read(&[ENCRYPTION, 0, 5, 0, 1, 9]).is_err());
    }
}
