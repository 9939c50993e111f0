//! The answer to a query: results, of which the rows are counted and the first one is kept. Does the stream's network I/O.
//!
//! MySQL documentation, "COM_QUERY Response", "Text Resultset".

use mysql_common::constants::StatusFlags;
use mysql_common::io::ParseBuf;
use tokio::io::{AsyncRead, AsyncWrite};

use super::refusal::{ERROR, Refusal};
use super::wire::{Row, Trouble, Violation, Wire};

const OK: u8 = 0x00;
const END: u8 = 0xfe;
/// As the first byte of an answer, a request for a file; as that of a value, NULL.
const FILE: u8 = 0xfb;
const NULL: u8 = 0xfb;
/// A packet that ends columns or rows is shorter than a row that begins with the same byte.
const LONGEST_END: u64 = 8;
/// Most columns of a table, by MySQL's own limit.
const MOST_COLUMNS: u64 = 4096;
/// How much of the first row is kept, in bytes, and of the names of its columns.
const KEPT: usize = 16 << 10;

/// What came of a query.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Rows of all its results.
    pub rows: u64,
    /// The first row: names and values of its columns, NULL as None. Columns that lie beyond what is kept are left out.
    pub first: Option<Vec<(String, Option<String>)>>,
}

/// Reads everything that answers a query; `look` sees each row, of which only the beginning is kept.
pub async fn read<S>(wire: &mut Wire<S>, mut look: impl FnMut(&Row)) -> Result<Answer, Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut answer = Answer::default();
    loop {
        let packet = wire.read().await?;
        let more = match packet.first() {
            Some(&OK) => ok_goes_on(&packet),
            Some(&ERROR) => return Err(refused(&packet)),
            Some(&FILE) => return Err(Violation::FileWanted.into()),
            Some(_) => result(wire, &packet, &mut answer, &mut look).await?,
            None => None,
        };
        if !more.ok_or(Violation::Malformed("the answer to the query"))? {
            return Ok(answer);
        }
    }
}

/// Reads one result; whether another one follows.
async fn result<S>(
    wire: &mut Wire<S>,
    head: &[u8],
    answer: &mut Answer,
    look: &mut impl FnMut(&Row),
) -> Result<Option<bool>, Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut head = ParseBuf(head);
    let count = head.checked_eat_lenenc_int().filter(|count| (1..=MOST_COLUMNS).contains(count) && head.0.is_empty());
    let Some(count) = count else { return Ok(None) };
    let (mut names, mut length) = (Vec::new(), 0);
    for _ in 0..count {
        let column = wire.read().await?;
        let name = name(&column).ok_or(Violation::Malformed("the definition of a column"))?;
        length += name.len();
        // As for the values: columns beyond what is kept are left out, from the first of them on.
        if answer.first.is_none() && length <= KEPT {
            names.push(name);
        }
    }
    let end = wire.read().await?;
    if end.first() == Some(&ERROR) {
        return Err(refused(&end));
    }
    if end.first() != Some(&END) || end.len() as u64 > LONGEST_END {
        return Err(Violation::Malformed("the end of the columns").into());
    }
    loop {
        let keep = if answer.first.is_none() { KEPT } else { LONGEST_END as usize };
        let mut row = wire.row(keep).await?;
        match row.kept.first() {
            Some(&ERROR) => {
                row.kept.truncate(KEPT);
                return Err(refused(&row.kept));
            }
            Some(&END) if row.length <= LONGEST_END => return Ok(end_goes_on(&row.kept)),
            Some(_) => {
                answer.rows += 1;
                look(&row);
                answer.first.get_or_insert_with(|| values(&names, &row.kept));
            }
            None => return Err(Violation::Malformed("a row").into()),
        }
    }
}

/// The error of a packet that begins like one.
fn refused(packet: &[u8]) -> Trouble {
    Refusal::read(packet).map_or(Violation::Malformed("the server's error").into(), Trouble::Refused)
}

/// Whether another result follows an OK packet. None if it can't be read.
fn ok_goes_on(packet: &[u8]) -> Option<bool> {
    let mut rest = ParseBuf(packet.get(1..)?);
    let (_affected, _last_id) = (rest.checked_eat_lenenc_int()?, rest.checked_eat_lenenc_int()?);
    rest.checked_eat_u16_le().map(goes_on)
}

/// Whether another result follows the end of rows: the count of warnings, then the status.
fn end_goes_on(packet: &[u8]) -> Option<bool> {
    let mut rest = ParseBuf(packet.get(1..)?);
    let _warnings = rest.checked_eat_u16_le()?;
    rest.checked_eat_u16_le().map(goes_on)
}

fn goes_on(status: u16) -> bool {
    StatusFlags::from_bits_retain(status).contains(StatusFlags::SERVER_MORE_RESULTS_EXISTS)
}

/// The name of a column: it comes after its catalog, schema, table and original table.
fn name(column: &[u8]) -> Option<String> {
    let mut rest = ParseBuf(column);
    for _ in 0..4 {
        rest.checked_eat_lenenc_str()?;
    }
    rest.checked_eat_lenenc_str().map(|name| String::from_utf8_lossy(name).into_owned())
}

/// The length of a row's first value, in bytes; none for NULL.
pub fn first_length(row: &Row) -> Option<u64> {
    ParseBuf(&row.kept).checked_eat_lenenc_int()
}

fn values(names: &[String], row: &[u8]) -> Vec<(String, Option<String>)> {
    let mut rest = ParseBuf(row);
    let mut values = Vec::new();
    for name in names {
        let value = match rest.0.first() {
            Some(&NULL) => {
                rest.skip(1);
                None
            }
            _ => match rest.checked_eat_lenenc_str() {
                Some(value) => Some(String::from_utf8_lossy(value).into_owned()),
                None => break,
            },
        };
        values.push((name.clone(), value));
    }
    values
}
