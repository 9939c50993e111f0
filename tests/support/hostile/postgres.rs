//! The bytes of PostgreSQL's protocol 3.0, for servers that misuse it. Takes what a message says, returns steps. No I/O.

use super::Step;

/// A message: its type, the length that it announces, its body.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len() as u32 + 4;
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

/// AuthenticationOk.
pub fn authentication_ok() -> Vec<u8> {
    message(b'R', &0_u32.to_be_bytes())
}

/// AuthenticationCleartextPassword.
pub fn authentication_cleartext() -> Vec<u8> {
    message(b'R', &3_u32.to_be_bytes())
}

/// Another request for authentication, by its number.
pub fn authentication(method: u32) -> Vec<u8> {
    message(b'R', &method.to_be_bytes())
}

/// ReadyForQuery, idle.
pub fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

/// ErrorResponse or NoticeResponse with a severity, an SQLSTATE and a text.
pub fn report(kind: u8, severity: &str, sqlstate: &str, text: &str) -> Vec<u8> {
    message(kind, format!("S{severity}\0V{severity}\0C{sqlstate}\0M{text}\0\0").as_bytes())
}

/// The first bytes of a message that announces almost 2 GiB.
pub fn announced_2_gib(kind: u8) -> Vec<u8> {
    [&[kind][..], &0x7fff_ffff_u32.to_be_bytes()].concat()
}

/// RowDescription of one column of text.
pub fn row_description() -> Vec<u8> {
    let column = [&b"column\0"[..], &[0, 0, 0, 0], &[0, 0], &25_u32.to_be_bytes(), &[0xff, 0xff], &[0xff; 4], &[0, 0]];
    message(b'T', &[&[0, 1], column.concat().as_slice()].concat())
}

/// DataRow with one value.
pub fn data_row(value: &[u8]) -> Vec<u8> {
    message(b'D', &[&[0, 1][..], &(value.len() as u32).to_be_bytes(), value].concat())
}

/// ParameterStatus.
pub fn parameter(name: &str, value: &str) -> Vec<u8> {
    message(b'S', format!("{name}\0{value}\0").as_bytes())
}

/// A server that is a primary lets every client in, and is ready for its query.
pub fn let_in() -> Vec<Step> {
    let reports = [parameter("in_hot_standby", "off"), parameter("default_transaction_read_only", "off")].concat();
    vec![Step::Await(8), Step::Send([authentication_ok(), reports, ready()].concat())]
}

/// [`let_in`] by a server that reports nothing about itself, and does not know its recovery when it is asked.
pub fn let_in_silently() -> Vec<Step> {
    let_in_with([report(b'E', "ERROR", "42883", "there is no such function"), ready()].concat())
}

/// [`let_in`] by a server that reports nothing about itself, and answers that when it is asked for its recovery.
pub fn let_in_with(recovery: Vec<u8>) -> Vec<Step> {
    vec![
        Step::Await(8),
        Step::Send([authentication_ok(), ready()].concat()),
        Step::AwaitText("pg_is_in_recovery"),
        Step::Send(recovery),
    ]
}
