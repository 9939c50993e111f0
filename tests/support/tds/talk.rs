//! One connection of the server: messages in packets, in plain text or within TLS, whose handshake is carried in packets of
//! PRELOGIN (MS-TDS 2.2.3.1, 3.3.5.2).

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Types of packets.
pub const BATCH: u8 = 0x01;
pub const TABULAR: u8 = 0x04;
pub const LOGIN: u8 = 0x10;
pub const PRELOGIN: u8 = 0x12;

const HEADER: usize = 8;
/// The size of packets that both sides keep to.
const PACKET: usize = 4096;
const LAST: u8 = 1;

/// A connection.
pub struct Talk {
    stream: TcpStream,
    tls: Option<Box<ServerConnection>>,
    /// What has come and is not read.
    heard: Vec<u8>,
}

impl Talk {
    /// A connection in plain text.
    pub fn new(stream: TcpStream) -> Talk {
        Talk { stream, tls: None, heard: Vec::new() }
    }

    /// What is below.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// What is below, once the talk is over.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Reads a message of that type.
    pub async fn expect(&mut self, wanted: u8) -> io::Result<Vec<u8>> {
        let mut message = Vec::new();
        loop {
            let header = self.read(HEADER).await?;
            let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
            if header[0] != wanted || !(HEADER..=PACKET).contains(&length) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            message.extend(self.read(length - HEADER).await?);
            if header[1] & LAST != 0 {
                return Ok(message);
            }
        }
    }

    /// Sends an answer.
    pub async fn say(&mut self, message: &[u8]) -> io::Result<()> {
        for packet in packets(TABULAR, message).chunks(4 * PACKET) {
            match &mut self.tls {
                None => self.stream.write_all(packet).await?,
                Some(tls) => {
                    tls.writer().write_all(packet)?;
                    let records = records(tls)?;
                    self.stream.write_all(&records).await?;
                }
            }
        }
        Ok(())
    }

    /// Shakes hands; from here on everything is within TLS.
    pub async fn secure(&mut self, config: Arc<ServerConfig>) -> io::Result<()> {
        let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            let flight = self.expect(PRELOGIN).await?;
            let mut flight = &flight[..];
            while !flight.is_empty() {
                tls.read_tls(&mut flight)?;
                let processed = tls.process_new_packets();
                let answer = records(&mut tls)?;
                if !answer.is_empty() {
                    self.stream.write_all(&packets(PRELOGIN, &answer)).await?;
                }
                processed.map_err(io::Error::other)?;
            }
        }
        self.tls = Some(Box::new(tls));
        // The client need not wait for us before it goes on (TLS 1.3).
        let ahead = std::mem::take(&mut self.heard);
        self.take_in(&ahead)
    }

    async fn read(&mut self, bytes: usize) -> io::Result<Vec<u8>> {
        while self.heard.len() < bytes {
            let mut part = [0; PACKET];
            let count = self.stream.read(&mut part).await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.take_in(&part[..count])?;
        }
        Ok(self.heard.drain(..bytes).collect())
    }

    fn take_in(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            self.heard.extend(bytes);
            return Ok(());
        };
        while !bytes.is_empty() {
            tls.read_tls(&mut bytes)?;
            let state = tls.process_new_packets().map_err(io::Error::other)?;
            let mut plain = vec![0; state.plaintext_bytes_to_read()];
            tls.reader().read_exact(&mut plain)?;
            self.heard.extend(plain);
        }
        Ok(())
    }
}

fn records(tls: &mut ServerConnection) -> io::Result<Vec<u8>> {
    let mut records = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut records)?;
    }
    Ok(records)
}

/// A message in packets.
pub fn packets(packet_type: u8, message: &[u8]) -> Vec<u8> {
    let mut packets = Vec::with_capacity(message.len() + HEADER);
    let mut number = 0_u8;
    let mut rest = message.len();
    for part in message.chunks(PACKET - HEADER) {
        rest -= part.len();
        number = number.wrapping_add(1);
        let length = ((HEADER + part.len()) as u16).to_be_bytes();
        packets.extend([packet_type, if rest == 0 { LAST } else { 0 }, length[0], length[1], 0, 0, number, 0]);
        packets.extend(part);
    }
    packets
}

/// A message in a packet that is not its last one.
pub fn open(message: &[u8]) -> Vec<u8> {
    let mut packet = packets(TABULAR, message);
    packet[1] = 0;
    packet
}
