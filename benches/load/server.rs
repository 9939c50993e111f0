//! What is loaded: a process of its own, on a core of its own, that answers requests of HTTP/1.1 as cheaply as it can and counts
//! them. Does I/O.

use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::core;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n";
const END_OF_REQUEST: &[u8] = b"\r\n\r\n";

/// Requests that were answered, in the server's own process.
static ANSWERED: AtomicU64 = AtomicU64::new(0);

/// A running server. It ends when this is dropped.
pub struct Server {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    port: u16,
}

impl Server {
    /// Starts one on that core.
    pub fn start(core: usize) -> Self {
        let own = std::env::current_exe().expect("our own program");
        let mut child = Command::new(own)
            .args(["role", "server", &core.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child process");
        let orders = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        let mut server = Server { child, orders, answers, port: 0 };
        server.port = u16::try_from(server.number()).expect("a port");
        server
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many requests it has answered so far.
    pub fn answered(&mut self) -> u64 {
        writeln!(self.orders).expect("a living server");
        self.number()
    }

    fn number(&mut self) -> u64 {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("a living server");
        line.trim_end().parse().expect("a number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child's side: answers requests, and each line of its standard input with their number, until that is closed.
pub fn serve(core: usize) -> ExitCode {
    core::take(core);
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
        runtime.block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
            println!("{}", listener.local_addr().expect("an address").port());
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream));
            }
        });
    });
    for _ in std::io::stdin().lines().map_while(Result::ok) {
        println!("{}", ANSWERED.load(Ordering::Relaxed));
    }
    ExitCode::SUCCESS
}

/// Answers on one connection, a request at a time: nobody here sends a second one before the first is answered.
async fn answer(mut stream: TcpStream) {
    stream.set_nodelay(true).expect("a socket");
    let mut request = Vec::with_capacity(4096);
    while stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {
        if request.ends_with(END_OF_REQUEST) {
            request.clear();
            ANSWERED.fetch_add(1, Ordering::Relaxed);
            if stream.write_all(ANSWER).await.is_err() {
                return;
            }
        }
    }
}
