//! The least that the same probes can cost: a bare blocking loop at ticks of 10 ms, in a process of its own, with nothing
//! around it: no deadlines, stages, states, metrics or statuses. Does I/O.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use crate::Kind;
use crate::meter;
use crate::peer::role;
use crate::target::{address, name};

const TICK: Duration = Duration::from_millis(10);

/// How much is to be probed.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// What.
    pub kind: Kind,
    /// On which port.
    pub port: u16,
    /// How many checks.
    pub checks: u32,
    /// How often each.
    pub interval: Duration,
}

/// Seconds of CPU and probes of a floor that ran for `seconds`.
pub fn measure(load: Load, seconds: u64) -> (f64, f64) {
    let own = std::env::current_exe().expect("our own program");
    let (port, checks, millis) =
        (load.port.to_string(), load.checks.to_string(), load.interval.as_millis().to_string());
    let output = Command::new(own)
        .args(["role", "floor", name(load.kind), &port, &checks, &millis, &seconds.to_string()])
        .output()
        .expect("a child process");
    let text = String::from_utf8(output.stdout).expect("our own output");
    let said = String::from_utf8_lossy(&output.stderr);
    let (cpu, probes) = text.trim().split_once(' ').unwrap_or_else(|| panic!("the floor failed: {said}"));
    (cpu.parse().expect("a number"), probes.parse().expect("a number"))
}

/// The child's side: prints its seconds of CPU and its number of probes.
pub fn carry_out(load: Load, duration: Duration) -> ExitCode {
    let ticks = (load.interval.as_millis() / TICK.as_millis()) as u32;
    let own = std::process::id();
    let (cpu, start) = (meter::cpu_seconds(own), Instant::now());
    let (mut tick, mut probes) = (0_u32, 0_u64);
    while TICK * tick < duration {
        std::thread::sleep((start + TICK * tick).saturating_duration_since(Instant::now()));
        for check in (tick % ticks..load.checks).step_by(ticks as usize) {
            probe(load, check).expect("a peer that answers");
            probes += 1;
        }
        tick += 1;
    }
    println!("{} {probes}", meter::cpu_seconds(own) - cpu);
    ExitCode::SUCCESS
}

fn probe(load: Load, check: u32) -> std::io::Result<()> {
    match load.kind {
        Kind::Tcp => TcpStream::connect((address(check), load.port)).map(drop),
        Kind::Http => http(TcpStream::connect((address(check), load.port))?),
        Kind::Postgres => postgres(TcpStream::connect((Ipv4Addr::LOCALHOST, load.port))?, &role(check)),
    }
}

fn http(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: target\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::with_capacity(256);
    stream.read_to_end(&mut answer)?;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    Ok(())
}

/// Start-up without password, one simple query, and the farewell.
fn postgres(mut stream: TcpStream, role: &str) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let parameters = format!("user\0{role}\0database\0app\0\0");
    let length = u32::try_from(8 + parameters.len()).expect("a short text");
    stream.write_all(&[&length.to_be_bytes()[..], &196_608_u32.to_be_bytes(), parameters.as_bytes()].concat())?;
    let mut unread = Vec::with_capacity(1024);
    ready(&mut stream, &mut unread)?;
    stream.write_all(b"Q\0\0\0\x0dSELECT 1\0")?;
    ready(&mut stream, &mut unread)?;
    stream.write_all(b"X\0\0\0\x04")?;
    stream.shutdown(Shutdown::Both)
}

/// Reads messages until ReadyForQuery.
fn ready(stream: &mut TcpStream, unread: &mut Vec<u8>) -> std::io::Result<()> {
    let mut chunk = [0; 1024];
    loop {
        while let Some((tag, length)) = message(unread) {
            unread.drain(..length);
            match tag {
                b'Z' => return Ok(()),
                b'E' => return Err(std::io::Error::other("the server refuses")),
                _ => {}
            }
        }
        match stream.read(&mut chunk)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => unread.extend_from_slice(&chunk[..read]),
        }
    }
}

/// Kind and length of the first message, if it is complete.
fn message(unread: &[u8]) -> Option<(u8, usize)> {
    let (tag, length) = (*unread.first()?, unread.get(1..5)?);
    let length = 1 + u32::from_be_bytes(length.try_into().ok()?) as usize;
    (unread.len() >= length).then_some((tag, length))
}
