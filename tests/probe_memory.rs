//! Measures the program itself while servers send it more than it may take: the peak of its resident memory, as the kernel
//! counts it, stays near that of a check of a healthy server. What is resident of the program's own file does not count: each
//! kind of probe runs other parts of it.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::hostile::http2::{
    CONTINUATION, GRPC, HEADERS, called, data, fields, frame as frame2, header, message,
};
use crate::support::hostile::mysql;
use crate::support::hostile::postgres::{
    announced_2_gib, authentication_ok, data_row, let_in, report, row_description,
};
use crate::support::hostile::websocket::{BINARY, TEXT_BEGINS, TEXT_GOES_ON, announced, frame, upgrading};
use crate::support::hostile::{Server, Step, listener, say};
use crate::support::tds::{self, Tds, token};
use crate::support::wait::until;

/// Most that a hostile server may cost, in KiB above a healthy one: a body of 1 MiB, with the buffers on its way.
const MOST: u64 = 12 * 1024;

/// Runs `runready check` on one probe. Returns the probe's status and the peak of the program's memory in KiB.
fn check(mut probe: Value) -> (Value, u64) {
    probe["name"] = json!("probe");
    let manifest = json!({
        "apiVersion": "runready.dev/v1alpha1",
        "kind": "ConnectivityCheck",
        "metadata": {"name": "memory"},
        "spec": {"interval": "1h", "timeout": "20s", "probes": [probe]},
    });
    let mut child = Command::new(env!("CARGO_BIN_EXE_runready"))
        .args(["check", "-f", "-", "-o", "json"])
        .env("RUNREADY_SECRET_DB_PASSWORD", tds::PASSWORD)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(manifest.to_string().as_bytes()).expect("the manifest");
    drop(input);
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    until(Duration::from_secs(40), "the check to end", || {
        // A status without the line is that of a program that has ended.
        peak = std::fs::read_to_string(&status).ok().and_then(|text| high_water(&text)).unwrap_or(peak);
        child.try_wait().expect("our own child").ok_or("it runs")
    });
    let output = child.wait_with_output().expect("its output");
    let list: Value = serde_json::from_slice(&output.stdout).expect("a list");
    (list["items"][0]["status"]["probes"][0].clone(), peak)
}

/// The most that was resident (VmHWM) but for the pages of files (RssFile), which are given back to nobody in between.
fn high_water(status: &str) -> Option<u64> {
    let field = |name: &str| -> Option<u64> {
        let value = status.lines().find_map(|line| line.strip_prefix(name))?;
        value.split_whitespace().next()?.parse().ok()
    };
    Some(field("VmHWM:")?.saturating_sub(field("RssFile:")?))
}

fn http(answer: &[u8], endless: Vec<u8>) -> (Server, Value) {
    let server = Server::play(vec![Step::AwaitText("\r\n\r\n"), Step::Send(answer.to_vec()), Step::Endless(endless)]);
    let probe = json!({"http": {"url": format!("http://{}/", server.address()), "expectBody": "never"}});
    (server, probe)
}

fn grpc(answer: Vec<Step>) -> (Server, Value) {
    let server = Server::play([called(), vec![Step::Send(header(&GRPC))], answer].concat());
    let probe = json!({"grpc": {"host": "127.0.0.1", "port": server.port(), "plaintext": true, "method": "Watch"}});
    (server, probe)
}

fn postgres(script: Vec<Step>) -> (Server, Value) {
    let server = Server::play(script);
    let tls = json!({"mode": "Disable"});
    let probe = json!({"postgres":
        {"host": "127.0.0.1", "port": server.port(), "database": "app", "user": "app", "tls": tls}});
    (server, probe)
}

fn mysql(script: Vec<Step>) -> (Server, Value) {
    let server = Server::play(script);
    let tls = json!({"mode": "Disable"});
    let probe = json!({"mysql": {"host": "127.0.0.1", "port": server.port(), "user": "app", "tls": tls}});
    (server, probe)
}

fn sqlserver(script: Vec<Step>) -> (Server, Value) {
    let server = Tds::new().play_on("SELECT 1", script).start();
    let tls = json!({"mode": "Disable"});
    let probe = json!({"sqlserver": {"host": "127.0.0.1", "port": server.port(), "user": tds::USER,
        "passwordSecretRef": {"name": "db", "key": "password"}, "tls": tls}});
    (server, probe)
}

/// The definitions of 256 columns, each with a name about as long as a packet; their packets' numbers go round once.
fn long_names() -> Vec<u8> {
    let column = [b"\x03def\0\0\0\xfc\x60\xea", &[b'n'; 60_000][..]].concat();
    (0..=255_u8).flat_map(|number| mysql::packet(number.wrapping_add(2), &column)).collect()
}

fn websocket(script: Vec<Step>) -> (Server, Value) {
    let server = upgrading(listener("127.0.0.1:0"), script);
    let probe = json!({"websocket": {"url": format!("ws://{}/", server.address()), "steps": [{"expect": "never"}]}});
    (server, probe)
}

fn endless(byte: u8) -> Step {
    Step::Endless(vec![byte; 64 * 1024])
}

#[test]
fn servers_that_send_without_end_cost_little_memory() {
    let healthy = Server::play(vec![Step::AwaitText("\r\n\r\n"), say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")]);
    let (status, usual) = check(json!({"http": {"url": format!("http://{}/", healthy.address())}}));
    assert_eq!(status["observed"], "Healthy", "{status}");
    let babbling = Server::play(vec![endless(b'x')]);
    let tcp = json!({"tcp": {"host": "127.0.0.1", "port": babbling.port(), "expect": "never"}});
    let http2 = json!({"http": {"url": format!("http://{}/", babbling.address()), "httpVersion": "Http2"}});
    let https =
        json!({"http": {"url": format!("https://{}/", babbling.address()), "tls": {"insecureSkipVerify": true}}});
    let rows = data_row(&[b'x'; 1000]).repeat(64);
    let notices = report(b'N', "NOTICE", "00000", &"x".repeat(1000)).repeat(64);
    let in_place = |steps: Vec<Step>| postgres([let_in(), vec![Step::AwaitText("SELECT 1")], steps].concat());
    let to_mysql = |steps: Vec<Step>| mysql([mysql::let_in(), vec![Step::AwaitText("SELECT 1")], steps].concat());
    let mysql_rows = (0..=255_u8).flat_map(|n| mysql::packet(n.wrapping_add(4), &[&[200], &[b'x'; 200][..]].concat()));
    let no_server = |probe: Value| (None, probe);
    let own = |(server, probe): (Server, Value)| (Some(server), probe);
    let cases = [
        ("tcp: an endless stream", "UnexpectedResult", no_server(tcp)),
        ("https: an endless stream", "TlsProtocolError", no_server(https)),
        ("HTTP/2: an endless stream", "ProtocolMismatch", no_server(http2)),
        ("http: an endless body", "ResponseTooLarge", own(http(b"HTTP/1.1 200 OK\r\n\r\n", vec![b'x'; 65536]))),
        ("http: an endless header", "ResponseTooLarge", own(http(b"HTTP/1.1 200 OK\r\nx: ", vec![b'x'; 65536]))),
        (
            "http: 2 GiB announced",
            "ResponseTooLarge",
            own(http(b"HTTP/1.1 200 OK\r\ncontent-length: 2147483648\r\n\r\n", vec![b'x'; 65536])),
        ),
        (
            "http: a chunk of 2 GiB",
            "ResponseTooLarge",
            own(http(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n80000000\r\n", vec![b'x'; 65536])),
        ),
        (
            "grpc: a message of 2 GiB",
            "ResponseTooLarge",
            own(grpc(vec![Step::Send(data(&[0, 0x80, 0, 0, 0])), Step::Endless(data(&[0; 16384]))])),
        ),
        (
            "grpc: endless messages",
            "ResponseTooLarge",
            own(grpc(vec![Step::Endless(data(&message(&[8, 2]).repeat(1000)))])),
        ),
        (
            "grpc: an endless header",
            "ResponseTooLarge",
            own(grpc(vec![
                Step::Send(frame2(HEADERS, 0, 1, &fields(&[("x", "y")]))),
                Step::Endless(frame2(CONTINUATION, 0, 1, &fields(&[("x", "y")]).repeat(3000))),
            ])),
        ),
        (
            "websocket: 2 GiB announced",
            "ResponseTooLarge",
            own(websocket(vec![Step::Send(announced(BINARY, 1 << 31)), endless(0)])),
        ),
        (
            "websocket: endless fragments",
            "ResponseTooLarge",
            own(websocket(vec![
                Step::Send(frame(TEXT_BEGINS, b"x")),
                Step::Endless(frame(TEXT_GOES_ON, &[b'x'; 1000]).repeat(64)),
            ])),
        ),
        (
            "websocket: messages that are not read",
            "UnexpectedResult",
            own(websocket(vec![Step::Endless(frame(BINARY, &[b'x'; 60_000]))])),
        ),
        (
            "postgres: 2 GiB announced",
            "ProtocolMismatch",
            own(postgres(vec![Step::Send(announced_2_gib(b'R')), endless(0)])),
        ),
        (
            "postgres: endless notices",
            "ProtocolMismatch",
            own(postgres(vec![Step::Await(8), Step::Send(authentication_ok()), Step::Endless(notices)])),
        ),
        (
            "postgres: endless rows",
            "ResponseTooLarge",
            own(in_place(vec![Step::Send(row_description()), Step::Endless(rows)])),
        ),
        (
            "postgres: a row of 2 GiB",
            "ResponseTooLarge",
            own(in_place(vec![Step::Send([row_description(), announced_2_gib(b'D')].concat()), endless(0)])),
        ),
        (
            "mysql: the most that can be announced",
            "ProtocolMismatch",
            own(mysql(vec![Step::Send(vec![0xff, 0xff, 0xff, 0]), endless(0)])),
        ),
        (
            "mysql: endless rows",
            "ResponseTooLarge",
            own(to_mysql(vec![Step::Send(mysql::columns()), Step::Endless(mysql_rows.collect())])),
        ),
        (
            "mysql: 4096 columns with names of 60 KB",
            "ResponseTooLarge",
            own(to_mysql(vec![Step::Send(mysql::packet(1, &[0xfc, 0, 0x10])), Step::Endless(long_names())])),
        ),
        (
            "sqlserver: endless rows",
            "ResponseTooLarge",
            own(sqlserver(vec![
                Step::Send(tds::talk::open(&token::integer_column("n"))),
                Step::Endless(tds::talk::open(&token::integer(7).repeat(600))),
            ])),
        ),
        (
            "sqlserver: a value that goes on and on",
            "ResponseTooLarge",
            own(sqlserver(vec![
                Step::Send(tds::talk::open(&token::endless_text())),
                Step::Endless(tds::talk::open(&token::part(4000, 4000))),
            ])),
        ),
        (
            "sqlserver: a value of 2 GiB",
            "ResponseTooLarge",
            own(sqlserver(vec![
                Step::Send(tds::talk::open(&[token::endless_text(), token::part(0x7fff_ffff, 0)].concat())),
                Step::Endless(tds::talk::open(&[b'x'; 4000])),
            ])),
        ),
    ];
    for (what, cause, (_server, probe)) in cases {
        let (status, peak) = check(probe);
        assert_eq!(status["cause"], cause, "{what}: {status}");
        assert!(peak < usual + MOST, "{what}: {peak} KiB at the peak; {usual} KiB with a healthy server");
    }
}
