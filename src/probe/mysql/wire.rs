//! Packets of MySQL's protocol over any stream: their sequence is held, and no packet and no exchange is larger than it may
//! be, as announced. Does the stream's network I/O.
//!
//! The framing is that of the MySQL documentation, "MySQL Packets": a length (24 bits, little-endian), a sequence number, the
//! payload. A payload of 2^24-1 bytes goes on in the next packet.

use std::io;

use secrecy::zeroize::Zeroizing;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::refusal::Refusal;

/// Largest packet that is no row, in bytes: a greeting, an error, a public key, the definition of a column.
const LARGEST_PACKET: u64 = 1 << 16;
/// Most bytes that a login may take.
const MOST_FOR_LOGIN: u64 = 1 << 18;
/// Largest row of a query's result, in bytes.
pub const LARGEST_ROW: u64 = 16 << 20;
/// Most bytes of a query's whole result.
pub const MOST_FOR_QUERY: u64 = 64 << 20;
/// A payload of this length goes on in the next packet.
const GOES_ON: u64 = 0xff_ffff;

/// Why a server's answer is not read on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The first bytes are not those of a greeting.
    #[error("the answer begins with bytes {0:02x?}, which is not MySQL's protocol")]
    NotMysql([u8; 4]),
    /// The first bytes are those of MySQL's other protocol.
    #[error("this port speaks MySQL's X protocol: probe the port of the classic one, which is 3306 unless changed")]
    XProtocol,
    /// A greeting of a version that nobody has spoken for decades, or of none.
    #[error("the greeting is of protocol version {0}: this is no MySQL server of version 4.1 or later")]
    Version(u8),
    /// A packet out of its turn.
    #[error("a packet has number {seen} where {expected} was due: the bytes are not MySQL's protocol")]
    OutOfTurn {
        /// The number that it has.
        seen: u8,
        /// The number that it should have.
        expected: u8,
    },
    /// A packet that can't be read.
    #[error("{0} can't be read: it ends early, or is not what it should be")]
    Malformed(&'static str),
    /// More bytes than a login takes.
    #[error(
        "the server sent more than a login takes, or announced it ({LARGEST_PACKET} bytes a packet, {MOST_FOR_LOGIN} in all)"
    )]
    LoginTooLarge,
    /// A login that does not come to an end.
    #[error("the server asked for authentication again and again")]
    Endless,
    /// A packet, or a result, larger than is read.
    #[error("the result is larger than runready reads ({LARGEST_ROW} bytes a row, {MOST_FOR_QUERY} in all)")]
    ResultTooLarge,
    /// A server that wants a file of ours (LOCAL INFILE), which was not offered.
    #[error(
        "the server asked for a local file as an answer to the query (LOCAL INFILE), which runready never gives: it is hostile, or something in between is"
    )]
    FileWanted,
}

/// Why an exchange did not go well.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    /// The server's bytes are not read on.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// The server said no.
    #[error("the server answered {0}")]
    Refused(Refusal),
    /// The server asks for a proof of identity that is not given.
    #[error("{0}")]
    Method(String),
}

/// A row's payload, of which only the beginning is kept.
pub struct Row {
    /// Its beginning.
    pub kept: Vec<u8>,
    /// Its length.
    pub length: u64,
}

/// A stream of packets.
pub struct Wire<S> {
    stream: S,
    /// Number of the next packet, in either direction.
    sequence: u8,
    /// Bytes that may still come.
    budget: u64,
    /// What stands for the budget's end.
    excess: Violation,
}

impl<S> Wire<S> {
    /// A stream on which the server speaks first.
    pub const fn new(stream: S) -> Self {
        Wire::resume(stream, 0)
    }

    /// A conversation that goes on over another stream: the next packet has the number that was due.
    pub const fn resume(stream: S, sequence: u8) -> Self {
        Wire { stream, sequence, budget: MOST_FOR_LOGIN, excess: Violation::LoginTooLarge }
    }

    /// The stream, and the number of the next packet.
    pub fn into_parts(self) -> (S, u8) {
        (self.stream, self.sequence)
    }

    /// The stream itself.
    pub const fn stream(&mut self) -> &mut S {
        &mut self.stream
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Reads the first packet of all. What can't be one is told apart by its first bytes.
    pub async fn greeting(&mut self) -> Result<Vec<u8>, Trouble> {
        let mut header = [0; 4];
        self.stream.read_exact(&mut header).await?;
        let length = u64::from(u32::from_le_bytes([header[0], header[1], header[2], 0]));
        if header[3] != 0 || length == 0 || length > LARGEST_PACKET {
            return Err(Violation::NotMysql(header).into());
        }
        self.sequence = 1;
        self.budget -= length;
        self.payload(length).await
    }

    /// Reads a packet that is no row.
    pub async fn read(&mut self) -> Result<Vec<u8>, Trouble> {
        let length = self.header().await?;
        if length > LARGEST_PACKET {
            return Err(self.excess.clone().into());
        }
        self.payload(length).await
    }

    /// Reads a row, or the packet that ends the rows. Keeps at most `keep` bytes of it, however large it is.
    pub async fn row(&mut self, keep: usize) -> Result<Row, Trouble> {
        let mut row = Row { kept: Vec::new(), length: 0 };
        loop {
            let length = self.header().await?;
            row.length += length;
            if row.length > LARGEST_ROW {
                return Err(Violation::ResultTooLarge.into());
            }
            let wanted = length.min(keep.saturating_sub(row.kept.len()) as u64);
            row.kept.extend(self.payload(wanted).await?);
            self.skip(length - wanted).await?;
            if length < GOES_ON {
                return Ok(row);
            }
        }
    }

    /// Writes a packet.
    pub async fn write(&mut self, payload: &[u8]) -> Result<(), Trouble> {
        // Nothing that is sent comes near the length at which a payload goes on.
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
        // It may hold a password.
        let mut packet = Zeroizing::new(vec![0; payload.len() + 4]);
        packet[..3].copy_from_slice(&length[..3]);
        packet[3] = self.sequence;
        packet[4..].copy_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.stream.write_all(&packet).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// Writes a command, with which numbers and budget begin anew.
    pub async fn command(&mut self, payload: &[u8]) -> Result<(), Trouble> {
        self.sequence = 0;
        self.budget = MOST_FOR_QUERY;
        self.excess = Violation::ResultTooLarge;
        self.write(payload).await
    }

    async fn header(&mut self) -> Result<u64, Trouble> {
        let mut header = [0; 4];
        self.stream.read_exact(&mut header).await?;
        let [a, b, c, seen] = header;
        if seen != self.sequence {
            return Err(Violation::OutOfTurn { seen, expected: self.sequence }.into());
        }
        self.sequence = self.sequence.wrapping_add(1);
        let length = u64::from(u32::from_le_bytes([a, b, c, 0]));
        // A header counts as well: endless empty packets come to an end.
        self.budget = self.budget.checked_sub(length + 4).ok_or_else(|| self.excess.clone())?;
        Ok(length)
    }

    /// Memory is taken as the bytes come, not as they are announced.
    async fn payload(&mut self, length: u64) -> Result<Vec<u8>, Trouble> {
        let mut payload = Vec::with_capacity(length.min(512) as usize);
        (&mut self.stream).take(length).read_to_end(&mut payload).await?;
        if (payload.len() as u64) < length {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(payload)
    }

    async fn skip(&mut self, mut length: u64) -> Result<(), Trouble> {
        let mut chunk = [0; 1024];
        while length > 0 {
            let most = chunk.len().min(usize::try_from(length).unwrap_or(usize::MAX));
            match self.stream.read(&mut chunk[..most]).await? {
                0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                read => length -= read as u64,
            }
        }
        Ok(())
    }
}
