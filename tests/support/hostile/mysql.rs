//! The bytes of MySQL's protocol, as a server sends them (MySQL documentation, "Client/Server Protocol").

use super::Step;

/// What a client of today sends at most before it is answered: enough of it to know that it came.
pub const LOGIN: usize = 36;
/// The nonce of every greeting here.
pub const NONCE: [u8; 20] = *b"abcdefghijklmnopqrst";

/// A packet.
pub fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_le_bytes();
    [&length[..3], &[sequence], payload].concat()
}

/// A greeting of MySQL 8.4; `tls`: it offers TLS.
pub fn greeting(plugin: &str, tls: bool) -> Vec<u8> {
    // CLIENT_LONG_PASSWORD, LONG_FLAG, CONNECT_WITH_DB, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION; then MULTI_RESULTS,
    // PLUGIN_AUTH, CONNECT_ATTRS.
    let low: u16 = 0x0001 | 0x0004 | 0x0008 | 0x0200 | 0x2000 | 0x8000 | if tls { 0x0800 } else { 0 };
    let high: u16 = 0x0002 | 0x0008 | 0x0010;
    let payload = [
        b"\x0a8.4.3\0\x07\0\0\0",
        &NONCE[..8],
        &[0],
        &low.to_le_bytes(),
        &[255, 2, 0],
        &high.to_le_bytes(),
        &[21],
        &[0; 10],
        &NONCE[8..],
        &[0],
        plugin.as_bytes(),
        &[0],
    ];
    packet(0, &payload.concat())
}

/// An OK packet.
pub fn ok(sequence: u8) -> Vec<u8> {
    packet(sequence, &[0, 0, 0, 2, 0, 0, 0])
}

/// An error packet.
pub fn error(sequence: u8, number: u16, sqlstate: &str, text: &str) -> Vec<u8> {
    packet(sequence, &[&[0xff], &number.to_le_bytes()[..], b"#", sqlstate.as_bytes(), text.as_bytes()].concat())
}

/// A request for another authentication.
pub fn switch(sequence: u8, plugin: &str) -> Vec<u8> {
    packet(sequence, &[&[0xfe], plugin.as_bytes(), &[0], &NONCE, &[0]].concat())
}

/// The beginning of a result: one column.
pub fn columns() -> Vec<u8> {
    let text = |text: &[u8]| [&[text.len() as u8], text].concat();
    let column = [
        text(b"def"),
        text(b""),
        text(b""),
        text(b""),
        text(b"n"),
        text(b""),
        vec![12, 63, 0, 1, 0, 0, 0, 8, 0x81, 0, 0, 0, 0],
    ];
    [packet(1, &[1]), packet(2, &column.concat()), packet(3, &[0xfe, 0, 0, 2, 0])].concat()
}

/// A row of the value 1, which is the whole of a result, and its end.
pub fn one_row() -> Vec<u8> {
    [columns(), packet(4, b"\x011"), packet(5, &[0xfe, 0, 0, 2, 0])].concat()
}

/// A server that greets, and lets every client in.
pub fn let_in() -> Vec<Step> {
    vec![Step::Send(greeting("mysql_native_password", false)), Step::Await(LOGIN), Step::Send(ok(2))]
}
