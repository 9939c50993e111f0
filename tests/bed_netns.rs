//! Tries the networks of the test bed: that each fault shows at the client the way tests rely on.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::support::netns::{Fault, Lab, SERVER};
use crate::support::pgsetup::Setup;
use crate::support::skip::require;

/// A listener at the server's, and its address.
fn listen(lab: &Lab) -> (TcpListener, SocketAddr) {
    let listener = lab.at_server(|| TcpListener::bind((SERVER, 0))).expect("a free port");
    let address = listener.local_addr().expect("its address");
    (listener, address)
}

fn connect(lab: &Lab, address: SocketAddr) -> std::io::Result<TcpStream> {
    lab.at_client(|| TcpStream::connect_timeout(&address, Duration::from_millis(700)))
}

#[test]
fn each_fault_shows_at_the_client_until_it_is_healed() {
    let Some(lab) = require(Lab::build()) else {
        return;
    };
    let (_listener, address) = listen(&lab);
    connect(&lab, address).expect("a path without faults");
    for (fault, kind) in [
        (Fault::Drop, ErrorKind::TimedOut),
        (Fault::HostUnreachable, ErrorKind::HostUnreachable),
        (Fault::Prohibited, ErrorKind::HostUnreachable),
        (Fault::Reset, ErrorKind::ConnectionRefused),
        (Fault::NoRoute, ErrorKind::NetworkUnreachable),
    ] {
        lab.fault(fault);
        let error = connect(&lab, address).expect_err("a fault");
        assert_eq!(error.kind(), kind, "{fault:?}: {error}");
        lab.heal();
        connect(&lab, address).unwrap_or_else(|e| panic!("healed after {fault:?}: {e}"));
    }
}

#[test]
fn a_fault_can_hit_an_open_connection() {
    let Some(lab) = require(Lab::build()) else {
        return;
    };
    let (listener, address) = listen(&lab);
    let mut client = connect(&lab, address).expect("a connection");
    let (mut server, _) = listener.accept().expect("a connection");
    client.set_read_timeout(Some(Duration::from_millis(300))).expect("a time limit");
    let mut byte = [0];
    server.write_all(b"1").expect("a byte");
    client.read_exact(&mut byte).expect("the byte");
    lab.fault(Fault::Drop);
    client.write_all(b"2").expect("the kernel takes it");
    server.set_read_timeout(Some(Duration::from_millis(300))).expect("a time limit");
    server.read_exact(&mut byte).expect_err("the byte is dropped");
    lab.heal();
    server.set_read_timeout(Some(Duration::from_secs(20))).expect("a time limit");
    server.read_exact(&mut byte).expect("sent again");
}

#[test]
fn a_throttle_slows_the_answers_down() {
    let Some(lab) = require(Lab::build()) else {
        return;
    };
    let (listener, address) = listen(&lab);
    let fetch = || {
        std::thread::scope(|scope| {
            scope.spawn(|| listener.accept().expect("a connection").0.write_all(&[7; 64 * 1024]));
            let begin = Instant::now();
            let mut body = Vec::new();
            connect(&lab, address).expect("a connection").read_to_end(&mut body).expect("the body");
            assert_eq!(body.len(), 64 * 1024);
            begin.elapsed()
        })
    };
    let free = fetch();
    lab.throttle(512);
    let throttled = fetch();
    assert!(
        throttled > Duration::from_millis(700) && throttled > free * 2,
        "{throttled:?}, {free:?} without a throttle"
    );
    lab.heal();
    assert!(fetch() < throttled / 2);
}

#[test]
fn programs_run_on_either_side() {
    let Some(lab) = require(Lab::build()) else {
        return;
    };
    let Some(postgres) = require(Setup::plain().listen(SERVER).in_netns(lab.server()).start()) else {
        return;
    };
    assert_eq!((postgres.host(), postgres.port()), (SERVER, 5432));
    let seen = lab.run_at_client(&["bash", "-c", &format!("echo >/dev/tcp/{SERVER}/5432 && echo open")]);
    assert_eq!(seen.expect("a connection").trim(), "open");
    connect(&lab, SocketAddr::new(SERVER.parse().expect("an address"), 5432)).expect("a connection");
    let namespaces = crate::support::process::run(&["ip", "netns", "list"]).expect("a list");
    assert!(namespaces.contains(lab.client()));
}
