//! One reply in RESP2 (Redis serialization protocol specification): where it ends, measured by what it announces before any of it
//! is kept, and what it says. Pure.
//!
//! The redis crate's parser would take 8 KiB of its own for each reply, however short; it still reads the errors.

use ::redis::{Value, parse_redis_value};

/// Longest line: a simple string, an error, a number.
const LONGEST_LINE: usize = 8 << 10;
/// Most elements of an array.
const MOST_ELEMENTS: u64 = 4096;
/// How deep arrays may lie in arrays.
const DEEPEST: usize = 8;
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

/// One reply, as far as it has come.
pub struct Reply {
    most: u64,
    /// Where the next element begins.
    at: usize,
    /// How many elements are still to come, on each level.
    open: Vec<u64>,
}

impl Reply {
    /// A reply of that many bytes at most.
    pub fn new(most: u64) -> Self {
        Reply { most, at: 0, open: vec![1] }
    }

    /// Turns to the next reply, which begins where the bytes then begin.
    pub fn begin(&mut self) {
        self.at = 0;
        self.open.clear();
        self.open.push(1);
    }

    /// Where the reply ends, if it has.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, Violation> {
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

/// Takes a whole reply, which has been measured, off the front of `rest`.
pub fn take(rest: &mut &[u8]) -> Result<Value, Violation> {
    let malformed = || Violation::Malformed("a value of no known form");
    let line = line(rest)?.ok_or_else(malformed)?;
    let (whole, after) = rest.split_at_checked(line.len() + 2).ok_or_else(malformed)?;
    *rest = after;
    let text = || std::str::from_utf8(&line[1..]).map_err(|_| malformed());
    match line[0] {
        b'+' => Ok(if line == b"+OK" { Value::Okay } else { Value::SimpleString(text()?.to_owned()) }),
        b'-' => parse_redis_value(whole).map_err(|_| malformed()),
        b':' => text()?.trim().parse().map(Value::Int).map_err(|_| malformed()),
        b'$' => {
            let Some(length) = length(line, u64::MAX)? else { return Ok(Value::Nil) };
            let length = usize::try_from(length).map_err(|_| malformed())?;
            let (body, after) = rest.split_at_checked(length).ok_or_else(malformed)?;
            *rest =
                after.strip_prefix(b"\r\n").ok_or(Violation::Malformed("a string that is longer than announced"))?;
            Ok(Value::BulkString(body.to_vec()))
        }
        _ => {
            let Some(elements) = length(line, MOST_ELEMENTS)? else { return Ok(Value::Nil) };
            (0..elements).map(|_| take(rest)).collect::<Result<_, _>>().map(Value::Array)
        }
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
            let (mut rest, parsed) = (reply, parse_redis_value(reply).expect("what the library takes"));
            assert_eq!(take(&mut rest), Ok(parsed), "{reply:?}");
            assert_eq!(rest, b"", "{reply:?}");
        }
    }

    /// The library's own parser is the measure, of what is refused as well.
    #[test]
    fn a_reply_says_what_the_library_takes_it_to_say() {
        let deep = [b"*1\r\n".repeat(DEEPEST - 1), b":1\r\n".to_vec()].concat();
        let replies: [&[u8]; 14] = [
            b"+OK\r\n",
            b"+\r\n",
            b"+\xff\r\n",
            b"-\xff\r\n",
            b"-ERR\r\n",
            b"-WRONGPASS invalid username-password pair\r\n",
            b":x\r\n",
            b": 7\r\n",
            b":9223372036854775808\r\n",
            b"$3\r\nabcXY",
            b"$3\r\n\xff\x00\n\r\n",
            b"*2\r\n-ERR a b\r\n$-1\r\n",
            b"*2\r\n*-1\r\n*0\r\n",
            &deep,
        ];
        for reply in replies {
            assert_eq!(scan(reply), Ok(Some(reply.len())), "{reply:?}");
            assert_eq!(take(&mut &reply[..]).ok(), parse_redis_value(reply).ok(), "{reply:?}");
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
