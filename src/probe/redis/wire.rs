//! A conversation in RESP2 (Redis serialization protocol specification): sends commands as the redis crate packs them, and
//! parses each reply with it once the reply is complete. A reply is measured by what it announces, before any of it is kept.
//! Does the stream's network I/O.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use ::redis::{Cmd, Value, parse_redis_value};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest line: a simple string, an error, a number.
const LONGEST_LINE: usize = 8 << 10;
/// Most elements of an array.
const MOST_ELEMENTS: u64 = 4096;
/// How deep arrays may lie in arrays.
const DEEPEST: usize = 8;
/// Room for what is read at a time: more than what a server tells about itself.
const READ: usize = 4096;
/// Bytes that are sent of a large text at a time.
const CHUNK: usize = 4096;
/// The first byte of a TLS alert (RFC 8446, section 5.1): what a TLS port answers to plain text.
const TLS_ALERT: u8 = 0x15;

/// Why the conversation was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The reply begins with a byte that no reply begins with.
    #[error("the answer begins with byte 0x{0:02x}, which is not Redis's protocol{hint}", hint = hint(*.0))]
    NotRedis(u8),
    /// A length that is not a number, or a line that does not end.
    #[error("the answer is malformed: {0}")]
    Malformed(&'static str),
    /// A reply larger than is read.
    #[error("the answer is larger than runready reads: it announces {announced}, and at most {most} are read")]
    TooLarge {
        /// Bytes or elements.
        announced: u64,
        /// How many are read.
        most: u64,
    },
}

fn hint(first: u8) -> &'static str {
    if first == TLS_ALERT { ": a TLS port answers so to plain text; set tls" } else { "" }
}

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
                let value = parse_redis_value(&self.buffer[..end]);
                self.buffer.drain(..end);
                self.reply = Reply::new(self.reply.most);
                return value.map_err(|_| Violation::Malformed("a value of no known form").into());
            }
            self.more().await?;
        }
    }
}

/// One reply, as far as it has come.
struct Reply {
    most: u64,
    /// Where the next element begins.
    at: usize,
    /// How many elements are still to come, on each level.
    open: Vec<u64>,
}

impl Reply {
    fn new(most: u64) -> Self {
        Reply { most, at: 0, open: vec![1] }
    }

    /// Where the reply ends, if it has.
    fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, Violation> {
        while let Some(open) = self.open.last_mut() {
            if *open == 0 {
                self.open.pop();
                continue;
            }
            let Some(rest) = bytes.get(self.at..) else { return Ok(None) };
            let Some(line) = line(rest)? else { return Ok(None) };
            *open -= 1;
            let header = line.len() + 2;
            match line[0] {
                b'$' => {
                    let body = length(line, self.most)?.map_or(0, |length| length as usize + 2);
                    self.at += header + body;
                }
                b'*' => {
                    self.at += header;
                    self.open.extend(length(line, MOST_ELEMENTS)?);
                    if self.open.len() > DEEPEST {
                        return Err(Violation::Malformed("arrays lie too deep in one another"));
                    }
                }
                _ => self.at += header,
            }
            if self.at as u64 > self.most + LONGEST_LINE as u64 {
                return Err(Violation::TooLarge { announced: self.at as u64, most: self.most });
            }
        }
        Ok((bytes.len() >= self.at).then_some(self.at))
    }
}

/// The line with which an element begins, without its end. None while it is not complete.
fn line(rest: &[u8]) -> Result<Option<&[u8]>, Violation> {
    match rest.first() {
        None => return Ok(None),
        Some(b'+' | b'-' | b':' | b'$' | b'*') => {}
        Some(other) => return Err(Violation::NotRedis(*other)),
    }
    match rest.windows(2).take(LONGEST_LINE).position(|two| two == b"\r\n") {
        Some(end) => Ok(Some(&rest[..end])),
        None if rest.len() > LONGEST_LINE => Err(Violation::Malformed("a line that does not end")),
        None => Ok(None),
    }
}

/// The length that a line announces. None for -1, which stands for nothing at all.
fn length(line: &[u8], most: u64) -> Result<Option<u64>, Violation> {
    let number = std::str::from_utf8(&line[1..]).ok().and_then(|text| text.parse::<i64>().ok());
    match number.ok_or(Violation::Malformed("a length that is not a number"))? {
        -1 => Ok(None),
        number => match u64::try_from(number) {
            Ok(length) if length <= most => Ok(Some(length)),
            Ok(announced) => Err(Violation::TooLarge { announced, most }),
            Err(_) => Err(Violation::Malformed("a negative length")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u64 = 1 << 20;

    fn scan(bytes: &[u8]) -> Result<Option<usize>, Violation> {
        Reply::new(MOST).scan(bytes)
    }

    #[test]
    fn a_reply_ends_where_it_ends_however_it_is_cut() {
        let replies: [&[u8]; 8] = [
            b"+PONG\r\n",
            b"-NOAUTH Authentication required.\r\n",
            b":-7\r\n",
            b"$-1\r\n",
            b"$0\r\n\r\n",
            b"*-1\r\n",
            b"*0\r\n",
            b"*3\r\n$6\r\nmaster\r\n:3129659\r\n*1\r\n*3\r\n$9\r\n127.0.0.1\r\n$4\r\n9001\r\n$1\r\n7\r\n",
        ];
        for reply in replies {
            let mut growing = Reply::new(MOST);
            for length in 0..reply.len() {
                assert_eq!(growing.scan(&reply[..length]), Ok(None), "{length} bytes of {reply:?}");
            }
            let followed = [reply, b"+PONG\r\n"].concat();
            assert_eq!(growing.scan(&followed), Ok(Some(reply.len())));
            assert_eq!(scan(&followed), Ok(Some(reply.len())));
            parse_redis_value(reply).expect("what ends is what the parser takes");
        }
    }

    #[test]
    fn sizes_are_bounded_by_what_is_announced() {
        let too_large = |announced, most| Err(Violation::TooLarge { announced, most });
        assert_eq!(scan(b"$536870912\r\n"), too_large(536_870_912, MOST));
        assert_eq!(scan(b"*4097\r\n"), too_large(4097, MOST_ELEMENTS));
        let bulk = [b"$1000000\r\n".to_vec(), vec![b'x'; 1_000_000], b"\r\n".to_vec()].concat();
        let many = [b"*2000\r\n".to_vec(), bulk.repeat(2)].concat();
        assert!(matches!(scan(&many), Err(Violation::TooLarge { .. })), "the sum counts");
        assert!(matches!(scan(&[b'+'; 9000]), Err(Violation::Malformed(_))));
        assert!(matches!(scan("*1\r\n".repeat(9).as_bytes()), Err(Violation::Malformed(_))));
    }

    #[test]
    fn what_is_not_redis_is_told_by_its_first_byte() {
        assert_eq!(scan(b"HTTP/1.1 400 Bad Request"), Err(Violation::NotRedis(b'H')));
        assert!(Violation::NotRedis(TLS_ALERT).to_string().contains("set tls"));
        assert!(!Violation::NotRedis(b'H').to_string().contains("set tls"));
        assert!(matches!(scan(b"$x\r\n"), Err(Violation::Malformed(_))));
        assert!(matches!(scan(b"$-2\r\n"), Err(Violation::Malformed(_))));
    }
}
