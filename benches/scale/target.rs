//! What is probed: a process of its own that takes TCP connections, or answers HTTP, and notes when each came and for which
//! address. Every check has an address of its own in 127.7.0.0/16, so that the peer can tell one from another. Does I/O.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::Kind;
use crate::arrivals::Arrivals;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nok\n";

/// The address of a check.
pub fn address(check: u32) -> Ipv4Addr {
    let [_, _, high, low] = check.to_be_bytes();
    Ipv4Addr::new(127, 7, high, low)
}

fn check_of(address: SocketAddr) -> u32 {
    match address.ip() {
        IpAddr::V4(ip) => u32::from_be_bytes(ip.octets()) & 0xffff,
        IpAddr::V6(_) => 0,
    }
}

/// A running target. It ends when this is dropped.
pub struct Target {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    port: u16,
    began: Instant,
}

impl Target {
    /// Starts one.
    pub fn start(kind: Kind) -> Self {
        let own = std::env::current_exe().expect("our own program");
        let mut child = Command::new(own)
            .args(["role", "target", name(kind)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child process");
        let orders = child.stdin.take().expect("piped");
        let mut answers = BufReader::new(child.stdout.take().expect("piped"));
        let port = line(&mut answers).parse().expect("a port");
        Target { child, orders, answers, port, began: Instant::now() }
    }

    /// Where it listens, on every address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Notes connections from here on.
    pub fn begin(&mut self) {
        self.order("begin");
        self.began = Instant::now();
    }

    /// The connections since [`Target::begin`].
    pub fn end(&mut self) -> Arrivals {
        let window = self.began.elapsed();
        self.order("end");
        let count: usize = line(&mut self.answers).parse().expect("a number");
        let seen: Vec<(f64, u32)> = (0..count)
            .map(|_| {
                let line = line(&mut self.answers);
                let (at, check) = line.split_once(' ').expect("two numbers");
                (at.parse().expect("a time"), check.parse().expect("a check"))
            })
            .collect();
        Arrivals::new(seen, window)
    }

    /// Ends it at once, as a crash would: its port refuses from here on.
    pub fn kill(mut self) {
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child");
    }

    fn order(&mut self, order: &str) {
        writeln!(self.orders, "{order}").expect("a living target");
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The kind as a word of a command.
pub fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Tcp => "tcp",
        Kind::Http => "http",
        Kind::Postgres => "postgres",
    }
}

fn line(answers: &mut impl BufRead) -> String {
    let mut line = String::new();
    answers.read_line(&mut line).expect("a living target");
    line.trim_end().to_owned()
}

type Log = Arc<Mutex<(Instant, Vec<(Duration, u32)>)>>;

/// The child's side: listens, and takes orders until its standard input is closed.
pub fn serve(kind: Kind) -> ExitCode {
    let listener = std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
    println!("{}", listener.local_addr().expect("an address").port());
    let log: Log = Arc::new(Mutex::new((Instant::now(), Vec::new())));
    let noted = log.clone();
    std::thread::spawn(move || match kind {
        Kind::Tcp | Kind::Postgres => accept(&listener, &noted),
        Kind::Http => answer(listener, noted),
    });
    for order in std::io::stdin().lines().map_while(Result::ok) {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        match order.as_str() {
            "begin" => *log = (Instant::now(), Vec::with_capacity(1 << 17)),
            _ => print(&std::mem::take(&mut log.1)),
        }
    }
    ExitCode::SUCCESS
}

fn print(seen: &[(Duration, u32)]) {
    let mut text = format!("{}\n", seen.len());
    for (at, check) in seen {
        text.push_str(&format!("{:.3} {check}\n", at.as_secs_f64() * 1e3));
    }
    print!("{text}");
    std::io::stdout().flush().expect("a listening parent");
}

fn note(log: &Log, local: std::io::Result<SocketAddr>) {
    let now = Instant::now();
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    let at = now.saturating_duration_since(log.0);
    log.1.push((at, local.map_or(0, check_of)));
}

fn accept(listener: &std::net::TcpListener, log: &Log) {
    for stream in listener.incoming().map_while(Result::ok) {
        note(log, stream.local_addr());
    }
}

fn answer(listener: std::net::TcpListener, log: Log) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    runtime.block_on(async {
        listener.set_nonblocking(true).expect("a socket");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
        while let Ok((mut stream, _)) = listener.accept().await {
            note(&log, stream.local_addr());
            tokio::spawn(async move {
                let mut request = [0; 4096];
                // A probe's request is one write; what matters is when it came.
                if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    let _ = stream.write_all(ANSWER).await;
                }
            });
        }
    });
}
