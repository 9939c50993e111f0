//! The bytes of tokens, as a server sends them (MS-TDS 2.2.7).

/// A server's name in its errors.
const SERVER: &str = "sql-1";
/// A collation: Latin1_General, as the tokens carry it.
const COLLATION: [u8; 5] = [0x09, 0x04, 0xd0, 0x00, 0x34];
/// Bits of a DONE's status.
const FAILED: u16 = 0x0002;
const COUNTED: u16 = 0x0010;

fn units(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A text with its number of characters in a byte.
fn short(text: &str) -> Vec<u8> {
    [vec![text.encode_utf16().count() as u8], units(text)].concat()
}

/// A token with its length in two bytes.
fn sized(token: u8, body: &[u8]) -> Vec<u8> {
    [&[token][..], &(body.len() as u16).to_le_bytes(), body].concat()
}

/// ENVCHANGE: a setting has a new value.
fn changed(setting: u8, new: &str, old: &str) -> Vec<u8> {
    sized(0xe3, &[vec![setting], short(new), short(old)].concat())
}

/// What lets a login in: database, collation and packet size, LOGINACK, DONE.
pub fn welcome(database: &str) -> Vec<u8> {
    let collation = [&[7, 5][..], &COLLATION, &[0]].concat();
    let acknowledged = [&[1, 0x74, 0, 0, 4][..], &short("Microsoft SQL Server"), &[16, 0, 0x10, 0x09]].concat();
    [
        changed(1, database, "master"),
        message(0xab, 5701, 2, 0, &format!("Changed database context to '{database}'.")),
        sized(0xe3, &collation),
        sized(0xad, &acknowledged),
        changed(4, "4096", "4096"),
        done(0),
    ]
    .concat()
}

/// What sends a client on to another server.
pub fn routed(host: &str, port: u16) -> Vec<u8> {
    let host = [&(host.encode_utf16().count() as u16).to_le_bytes()[..], &units(host)].concat();
    let target = [&[0][..], &port.to_le_bytes(), &host].concat();
    let body = [&[20][..], &(target.len() as u16).to_le_bytes(), &target, &[0, 0]].concat();
    let acknowledged = [&[1, 0x74, 0, 0, 4][..], &short("Microsoft SQL Server"), &[16, 0, 0x10, 0x09]].concat();
    [sized(0xad, &acknowledged), sized(0xe3, &body), done(0)].concat()
}

/// ERROR.
pub fn error(number: u32, state: u8, severity: u8, text: &str) -> Vec<u8> {
    message(0xaa, number, state, severity, text)
}

/// ERROR or INFO.
fn message(token: u8, number: u32, state: u8, severity: u8, text: &str) -> Vec<u8> {
    let body = [
        &number.to_le_bytes()[..],
        &[state, severity],
        &(text.encode_utf16().count() as u16).to_le_bytes(),
        &units(text),
        &short(SERVER),
        &short(""),
        &1_u32.to_le_bytes(),
    ];
    sized(token, &body.concat())
}

/// An error, and the end of what it answers.
pub fn refusal(number: u32, state: u8, severity: u8, text: &str) -> Vec<u8> {
    [error(number, state, severity, text), ended(FAILED, 0)].concat()
}

/// DONE: the end of a result of so many rows.
pub fn done(rows: u64) -> Vec<u8> {
    ended(if rows == 0 { 0 } else { COUNTED }, rows)
}

fn ended(status: u16, rows: u64) -> Vec<u8> {
    [&[0xfd][..], &status.to_le_bytes(), &[0xc1, 0], &rows.to_le_bytes()].concat()
}

/// COLMETADATA of one column.
fn column(kind: &[u8], name: &str) -> Vec<u8> {
    // One column; user type 0; it may be NULL.
    [&[0x81, 1, 0, 0, 0, 0, 0, 1, 0][..], kind, &short(name)].concat()
}

/// COLMETADATA of a column of integers.
pub fn integer_column(name: &str) -> Vec<u8> {
    column(&[0x26, 4], name)
}

/// ROW of an integer.
pub fn integer(value: i32) -> Vec<u8> {
    [&[0xd1, 4][..], &value.to_le_bytes()].concat()
}

/// A result of integers.
pub fn integers(name: &str, values: &[i32]) -> Vec<u8> {
    let rows: Vec<u8> = values.iter().flat_map(|value| integer(*value)).collect();
    [integer_column(name), rows, done(values.len() as u64)].concat()
}

/// A result of one text.
pub fn text(name: &str, value: &str) -> Vec<u8> {
    let kind = [&[0xe7][..], &256_u16.to_le_bytes(), &COLLATION].concat();
    let value = units(value);
    [column(&kind, name), vec![0xd1], (value.len() as u16).to_le_bytes().to_vec(), value, done(1)].concat()
}

/// The beginning of a row of one text (varchar(max)) that says how long it is; what follows are its parts.
pub fn sized_text(bytes: u64) -> Vec<u8> {
    let kind = [&[0xa7, 0xff, 0xff][..], &COLLATION].concat();
    [column(&kind, ""), vec![0xd1], bytes.to_le_bytes().to_vec()].concat()
}

/// The beginning of a row of one text that does not say how long it is.
pub fn endless_text() -> Vec<u8> {
    sized_text(0xffff_ffff_ffff_fffe)
}

/// A part of such a text: how long it says it is, and how long it is.
pub fn part(said: u32, bytes: usize) -> Vec<u8> {
    [&said.to_le_bytes()[..], &vec![b'x'; bytes]].concat()
}

/// A remark that the database has changed.
pub fn chatter() -> Vec<u8> {
    changed(1, "db", "db")
}

/// A result of so many rows of the letter x.
pub fn filled(rows: u32, each: u32, last: u32) -> Vec<u8> {
    let kind = [&[0xa7][..], &8000_u16.to_le_bytes(), &COLLATION].concat();
    let mut result = column(&kind, "");
    for row in 1..=rows {
        let length = if row < rows { each } else { last };
        result.push(0xd1);
        result.extend((length as u16).to_le_bytes());
        result.resize(result.len() + length as usize, b'x');
    }
    [result, done(u64::from(rows))].concat()
}
