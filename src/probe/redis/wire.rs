//! A conversation in RESP2 (Redis serialization protocol specification): sends commands as the redis crate packs them, and
//! takes each reply once it is complete. Does the stream's network I/O.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use ::redis::{Cmd, Value};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::reply::{Reply, Violation, take};

/// Room for what is read at a time: more than what a server tells about itself.
const READ: usize = 4096;
/// Bytes that are sent of a large text at a time.
const CHUNK: usize = 4096;

impl From<Violation> for io::Error {
    fn from(violation: Violation) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, violation)
    }
}

/// A stream with the replies that were read from it.
pub struct Wire<S> {
    stream: S,
    buffer: Vec<u8>,
    reply: Reply,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Begins a conversation in which no reply may have more than `most` bytes.
    pub fn new(stream: S, most: u64) -> Self {
        Wire { stream, buffer: Vec::new(), reply: Reply::new(most) }
    }

    /// Sends commands at once, and returns the first reply. A server that hangs up may have said why before: that is read
    /// although the commands could not be sent.
    pub async fn ask(&mut self, commands: &[Cmd]) -> io::Result<Value> {
        let sent = self.send(commands).await;
        match self.next().await {
            Ok(reply) => Ok(reply),
            Err(error) => Err(sent.err().unwrap_or(error)),
        }
    }

    /// [`Wire::ask`], with the replies to all of the commands, up to the first that does not come.
    pub async fn ask_all(&mut self, commands: &[Cmd]) -> Vec<io::Result<Value>> {
        let mut replies = Vec::with_capacity(commands.len());
        replies.push(self.ask(commands).await);
        while replies.len() < commands.len() && replies.last().is_some_and(Result::is_ok) {
            replies.push(self.next().await);
        }
        replies
    }

    /// [`Wire::ask`], with a command as one types it (Redis serialization protocol specification, "Inline commands").
    pub async fn ask_inline(&mut self, line: &str) -> io::Result<Value> {
        let sent = self.send_bytes(format!("{line}\r\n").as_bytes()).await;
        match self.next().await {
            Ok(reply) => Ok(reply),
            Err(error) => Err(sent.err().unwrap_or(error)),
        }
    }

    /// Has the server send back a text of that many bytes, none of which is kept; `arrived` grows with what has come. Returns
    /// the answer if it is another one.
    pub async fn echo(&mut self, bytes: u32, arrived: &AtomicU64) -> io::Result<Option<Value>> {
        let sent = self.send_echo(bytes).await;
        match self.hear_echo(bytes, arrived).await {
            Ok(answer) => Ok(answer),
            Err(error) => Err(sent.err().unwrap_or(error)),
        }
    }

    async fn send_echo(&mut self, bytes: u32) -> io::Result<()> {
        self.stream.write_all(format!("*2\r\n$4\r\nECHO\r\n${bytes}\r\n").as_bytes()).await?;
        let mut left = bytes as usize;
        while left > 0 {
            let now = left.min(CHUNK);
            self.stream.write_all(&[b'x'; CHUNK][..now]).await?;
            left -= now;
        }
        self.send_bytes(b"\r\n").await
    }

    async fn hear_echo(&mut self, bytes: u32, arrived: &AtomicU64) -> io::Result<Option<Value>> {
        let header = format!("${bytes}\r\n");
        while self.buffer.len() < header.len() && header.as_bytes().starts_with(&self.buffer) {
            self.more().await?;
        }
        if !self.buffer.starts_with(header.as_bytes()) {
            return self.next().await.map(Some);
        }
        self.buffer.drain(..header.len());
        let (mut left, mut intact) = (u64::from(bytes), true);
        while left > 0 {
            if self.buffer.is_empty() {
                self.more().await?;
            }
            let now = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            intact &= self.buffer.drain(..now).all(|byte| byte == b'x');
            arrived.fetch_add(now as u64, Ordering::Relaxed);
            left -= now as u64;
        }
        while self.buffer.len() < 2 {
            self.more().await?;
        }
        let ended = self.buffer.drain(..2).eq(*b"\r\n");
        if !ended {
            return Err(Violation::Malformed("a string that is longer than announced").into());
        }
        Ok((!intact).then(|| Value::BulkString(Vec::new())))
    }

    async fn send(&mut self, commands: &[Cmd]) -> io::Result<()> {
        let mut bytes = Vec::new();
        commands.iter().for_each(|command| command.write_packed_command(&mut bytes));
        self.send_bytes(&bytes).await
    }

    async fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Reads what has come.
    async fn more(&mut self) -> io::Result<()> {
        self.buffer.reserve(READ);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// The next reply.
    pub async fn next(&mut self) -> io::Result<Value> {
        loop {
            if let Some(end) = self.reply.scan(&self.buffer)? {
                let value = take(&mut &self.buffer[..end]);
                self.buffer.drain(..end);
                self.reply.begin();
                return Ok(value?);
            }
            self.more().await?;
        }
    }
}
