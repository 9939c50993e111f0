//! Stand-in backends on loopback, in the test's own process: a listener that counts, and an HTTP server that keeps what it is sent.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::process::free_port;
use super::wait::until;

const SOON: Duration = Duration::from_secs(20);

/// A listener that counts connections and keeps them open.
pub struct Backend {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    accepted: Arc<AtomicUsize>,
    arrivals: Arc<Mutex<Vec<Instant>>>,
    /// Connections of its own, which do not count.
    marks: Arc<Mutex<HashSet<SocketAddr>>>,
    ended: Arc<AtomicBool>,
}

impl Backend {
    /// Listens on a port that nobody takes while it is stopped.
    pub fn start() -> Self {
        Self::listen(TcpListener::bind(("127.0.0.1", free_port())).expect("a port"))
    }

    /// Listens on this port: one that has refused before, say.
    pub fn again(port: u16) -> Self {
        Self::listen(TcpListener::bind(("127.0.0.1", port)).expect("the port again"))
    }

    fn listen(listener: TcpListener) -> Self {
        let port = listener.local_addr().expect("an address").port();
        let (accepted, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (arrivals, marks) = (Arc::new(Mutex::new(Vec::new())), Arc::<Mutex<HashSet<SocketAddr>>>::default());
        let (count, end, times, own) = (accepted.clone(), ended.clone(), arrivals.clone(), marks.clone());
        std::thread::spawn(move || {
            let mut open: Vec<TcpStream> = Vec::new();
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let peer = stream.as_ref().ok().and_then(|stream| stream.peer_addr().ok());
                if peer.is_some_and(|peer| own.lock().expect("the marks").remove(&peer)) {
                    continue;
                }
                times.lock().expect("the arrivals").push(Instant::now());
                count.fetch_add(1, Ordering::SeqCst);
                open.extend(stream);
            }
        });
        Backend { port, accepted, arrivals, marks, ended }
    }

    /// How many connections it has accepted.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// How many connections have been made to it, those included that it has yet to accept: it does so in their order, and
    /// therefore before one that is made here.
    #[track_caller]
    pub fn made(&self) -> usize {
        let mark = {
            // Held until the mark is known by its address: the listener asks for it.
            let mut marks = self.marks.lock().expect("the marks");
            let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
            let mark = stream.local_addr().expect("an address");
            marks.insert(mark);
            mark
        };
        until(SOON, "the mark is accepted", || {
            if self.marks.lock().expect("the marks").contains(&mark) { Err("not yet") } else { Ok(()) }
        });
        self.accepted()
    }

    /// When each of them came.
    pub fn arrivals(&self) -> Vec<Instant> {
        self.arrivals.lock().expect("the arrivals").clone()
    }

    /// Waits until it has accepted `more` connections from now.
    #[track_caller]
    pub fn until_accepted(&self, more: usize) {
        let before = self.accepted();
        until(SOON, &format!("{more} more connections"), || {
            if self.accepted() >= before + more { Ok(()) } else { Err(self.accepted() - before) }
        });
    }

    /// Fails if anyone connects within `time`.
    #[track_caller]
    pub fn stays_alone(&self, time: Duration, why: &str) {
        let (counted, deadline) = (self.made(), Instant::now() + time);
        while Instant::now() < deadline {
            assert_eq!(self.accepted(), counted, "{why}");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Stops listening: from now on the port refuses.
    pub fn stop(&self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        until(SOON, "the port refuses", || match TcpStream::connect(("127.0.0.1", self.port)) {
            Err(_) => Ok(()),
            Ok(_) => Err("it accepts"),
        });
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        // Once it was stopped, whoever listens there is another.
        if !self.ended.swap(true, Ordering::SeqCst) {
            let _ = TcpStream::connect(("127.0.0.1", self.port));
        }
    }
}

/// An HTTP server that answers 200 to everything and keeps each request as it came.
pub struct Recorder {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Recorder {
    /// Listens on a port of the kernel's choice.
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = answer(stream, &kept);
            }
        });
        Recorder { port, requests }
    }

    /// Every request so far: header and body.
    pub fn requests(&self) -> Vec<Vec<u8>> {
        self.requests.lock().expect("the requests").clone()
    }

    /// Whether the last request holds this text.
    pub fn last_holds(&self, text: &str) -> bool {
        self.requests.lock().expect("the requests").last().is_some_and(|last| holds(last, text))
    }
}

/// Whether a request holds this text.
pub fn holds(request: &[u8], text: &str) -> bool {
    request.windows(text.len().max(1)).any(|window| window == text.as_bytes())
}

/// Keeps the request before it is answered: whoever has the answer finds it kept.
fn answer(mut stream: TcpStream, kept: &Mutex<Vec<Vec<u8>>>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let (mut request, mut piece) = (Vec::new(), [0_u8; 4096]);
    while !is_whole(&request) {
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            read => request.extend_from_slice(&piece[..read]),
        }
    }
    kept.lock().expect("the requests").push(request);
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

/// Whether header and body have arrived.
fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let header = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let length = header.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    request.len() >= end + 4 + length.unwrap_or(0)
}
